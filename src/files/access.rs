//! Who may do what with a file: owner, group, mode and POSIX access list as one value. Two of them can be
//! compared without a file, which is what decides whether a new file may take an old one's place.

use std::collections::{BTreeMap, BTreeSet};

/// All permission bits of one class.
const ALL: u32 = 0o7;

/// What a mode has beside the permissions: set-user-ID, set-group-ID and the sticky bit.
const SPECIAL: u32 = 0o7000;

/// Tags of the entries of an access list, as the kernel stores them.
mod tag {
    pub(super) const OWNER: u16 = 0x01;
    pub(super) const USER: u16 = 0x02;
    pub(super) const OWNING_GROUP: u16 = 0x04;
    pub(super) const GROUP: u16 = 0x08;
    pub(super) const MASK: u16 = 0x10;
    pub(super) const OTHERS: u16 = 0x20;
}

/// The version of a stored access list.
const VERSION: u32 = 2;

/// Who may do what with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// A user ID.
    pub(crate) owner: u32,
    /// A group ID.
    pub(crate) group: u32,
    /// The lower twelve bits of the mode.
    pub(crate) mode: u32,
    /// The extended attribute `system.posix_acl_access`, if there is one.
    pub(crate) acl: Option<Vec<u8>>,
}

/// What each class of users may do, masks applied.
struct Rights {
    owner: u32,
    owner_may: u32,
    users: BTreeMap<u32, u32>,
    groups: BTreeMap<u32, u32>,
    others: u32,
}

#[derive(Clone, Copy)]
struct AclEntry {
    tag: u16,
    may: u32,
    id: u32,
}

fn parse(acl: &[u8]) -> Option<Vec<AclEntry>> {
    let (version, entries) = acl.split_at_checked(4)?;
    if u32::from_le_bytes(version.try_into().ok()?) != VERSION || entries.len() % 8 != 0 {
        return None;
    }
    let entry = |bytes: &[u8]| {
        Some(AclEntry {
            tag: u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?),
            may: u16::from_le_bytes(bytes.get(2..4)?.try_into().ok()?).into(),
            id: u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?),
        })
    };
    entries.chunks(8).map(entry).collect()
}

fn stored(entries: &[AclEntry]) -> Vec<u8> {
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for entry in entries {
        bytes.extend(entry.tag.to_le_bytes());
        bytes.extend((entry.may as u16).to_le_bytes());
        bytes.extend(entry.id.to_le_bytes());
    }
    bytes
}

impl Access {
    /// `None`: it has an access list that is not understood.
    fn rights(&self) -> Option<Rights> {
        let mut rights = Rights {
            owner: self.owner,
            owner_may: self.mode >> 6 & ALL,
            users: BTreeMap::new(),
            groups: BTreeMap::from([(self.group, self.mode >> 3 & ALL)]),
            others: self.mode & ALL,
        };
        // The kernel does not look at an access list that lets in nobody beside owner and others: whoever
        // it names is one of the others then.
        let is_heeded = self.mode & 0o070 != 0;
        let Some(acl) = &self.acl else {
            return Some(rights);
        };
        let entries = parse(acl)?;
        if !is_heeded {
            return Some(rights);
        }
        let mask = entries.iter().find(|entry| entry.tag == tag::MASK);
        let mask = mask.map_or(ALL, |mask| mask.may);
        rights.groups.clear();
        for AclEntry { tag, may, id } in entries {
            match tag {
                tag::OWNER => rights.owner_may = may,
                tag::USER => drop(rights.users.insert(id, may & mask)),
                // A group can stand there twice, and each entry can let its members in.
                tag::OWNING_GROUP => *rights.groups.entry(self.group).or_default() |= may & mask,
                tag::GROUP => *rights.groups.entry(id).or_default() |= may & mask,
                tag::OTHERS => rights.others = may,
                tag::MASK => {}
                _ => return None,
            }
        }
        Some(rights)
    }

    /// Whether anybody may do here what `before` did not allow. Root and `runner`, who changes the
    /// file, are not asked about.
    pub(crate) fn is_wider_than(&self, before: &Access, runner: u32) -> bool {
        if (self.owner, self.group, self.mode & 0o777, &self.acl)
            == (before.owner, before.group, before.mode & 0o777, &before.acl)
        {
            return false;
        }
        let (Some(new), Some(old)) = (self.rights(), before.rights()) else {
            return true;
        };
        let users = [&new, &old].into_iter().flat_map(Rights::named_users);
        let users: BTreeSet<u32> = users.filter(|user| ![0, runner].contains(user)).collect();
        let widens = |user: &u32| match (new.of_user(*user), old.of_user(*user)) {
            (Some(new), Some(old)) => new & !old != 0,
            // Of a user who is not named only the groups count, and nobody knows which these are.
            (Some(now), None) => now & !old.least() != 0,
            (None, Some(before)) => new.most() & !before != 0,
            (None, None) => false,
        };
        users.iter().any(widens) || new.is_wider_for_groups(&old)
    }

    /// Whether the owner of before can still do what was allowed, if that is a member of `groups`.
    pub(crate) fn keeps_owner_of(&self, before: &Access, groups: &[u32]) -> bool {
        match (self.rights(), before.rights()) {
            (Some(new), Some(old)) => {
                let of_groups = || {
                    let groups = groups.iter().filter_map(|group| new.groups.get(group));
                    groups.fold(new.others, |all, may| all | may)
                };
                let may = new.of_user(before.owner).unwrap_or_else(of_groups);
                old.owner_may & !may == 0
            }
            _ => false,
        }
    }

    /// The same for a file of a directory with this access: without the right to enter, and without
    /// what a mode has beside the permissions.
    pub(crate) fn for_files(&self) -> Access {
        let mode = self.mode & 0o666;
        // An access list that is no longer heeded would make others of those that it names.
        let is_lost = self.acl.is_some() && self.mode & 0o070 != 0 && mode & 0o070 == 0;
        Access {
            mode: if is_lost { mode & 0o600 } else { mode },
            acl: self.mapped(|entry| match is_lost && entry.tag == tag::OTHERS {
                true => 0,
                false => entry.may & !1,
            }),
            ..self.clone()
        }
    }

    fn mapped(&self, may: impl Fn(&AclEntry) -> u32) -> Option<Vec<u8>> {
        let entries = parse(self.acl.as_ref()?)?.into_iter();
        let entries = entries.map(|entry| AclEntry {
            may: may(&entry),
            ..entry
        });
        Some(stored(&entries.collect::<Vec<_>>()))
    }

    /// What both allow, for something that lies in either.
    pub(crate) fn and(&self, other: &Access) -> Access {
        let both = self.mode & other.mode;
        let special = (self.mode | other.mode) & SPECIAL;
        // Whoever is asked about, so nobody is left out.
        if !self.is_wider_than(other, 0) {
            return Access {
                mode: self.mode & 0o777 | special,
                ..self.clone()
            };
        }
        if !other.is_wider_than(self, 0) {
            return Access {
                mode: other.mode & 0o777 | special,
                ..other.clone()
            };
        }
        let both = match (self.rights(), other.rights()) {
            (Some(one), Some(two)) => one.and(&two, self.group, other.group).stored(self),
            _ => Access {
                mode: both & 0o700,
                acl: None,
                ..self.clone()
            },
        };
        Access {
            mode: both.mode | special,
            ..both
        }
    }

    /// The permissions that are left when owner, group or access list could not be kept: beside the
    /// owner everybody may do only what all could.
    pub(crate) fn narrow_mode(&self) -> u32 {
        let least = self.rights().map_or(0, |rights| rights.least());
        self.mode & 0o1700 | least << 3 | least
    }

    /// The same for somebody else's file: an access list that lets in whoever could before, by
    /// naming the old owner and the old group. `None`: there is no need, or no way.
    pub(crate) fn naming_owners(&self, owner: u32, group: u32) -> Option<Access> {
        let rights = self.rights()?;
        let mut entries = match &self.acl {
            Some(acl) => parse(acl)?,
            None => {
                let entry = |tag, may| AclEntry {
                    tag,
                    may,
                    id: u32::MAX,
                };
                vec![
                    entry(tag::OWNER, rights.owner_may),
                    entry(tag::OWNING_GROUP, self.mode >> 3 & ALL),
                    entry(tag::OTHERS, rights.others),
                ]
            }
        };
        // Without a mask the access list has none but the three that a mode has.
        entries.retain(|entry| entry.tag != tag::MASK);
        let masked = |entry: &AclEntry| match entry.tag {
            tag::USER => rights.users.get(&entry.id).copied(),
            _ => None,
        };
        for entry in &mut entries {
            entry.may = masked(entry).unwrap_or(entry.may);
        }
        entries.retain(|entry| {
            let is_of_group = matches!(entry.tag, tag::OWNING_GROUP | tag::GROUP);
            let is_of_owner = entry.tag == tag::USER && entry.id == self.owner;
            !(is_of_group || is_of_owner)
        });
        if owner != self.owner {
            entries.retain(|entry| !(entry.tag == tag::USER && entry.id == owner));
            entries.push(AclEntry {
                tag: tag::USER,
                may: rights.owner_may,
                id: self.owner,
            });
        }
        let may_of_group = rights.groups.get(&group).copied();
        entries.push(AclEntry {
            tag: tag::OWNING_GROUP,
            may: may_of_group.unwrap_or(rights.others),
            id: u32::MAX,
        });
        for (id, may) in &rights.groups {
            if *id != group {
                entries.push(AclEntry {
                    tag: tag::GROUP,
                    may: *may,
                    id: *id,
                });
            }
        }
        let of_mask = |entry: &&AclEntry| !matches!(entry.tag, tag::OWNER | tag::OTHERS);
        let mask = entries.iter().filter(of_mask);
        let mask = mask.fold(0, |all, entry| all | entry.may);
        entries.push(AclEntry {
            tag: tag::MASK,
            may: mask,
            id: u32::MAX,
        });
        entries.sort_by_key(|entry| (entry.tag, entry.id));
        Some(Access {
            owner,
            group,
            mode: self.mode & !0o070 | mask << 3,
            acl: Some(stored(&entries)),
        })
    }
}

impl Rights {
    fn named_users(&self) -> impl Iterator<Item = u32> {
        self.users.keys().copied().chain([self.owner])
    }

    /// `None`: what the groups of the user say.
    fn of_user(&self, user: u32) -> Option<u32> {
        match user == self.owner {
            true => Some(self.owner_may),
            false => self.users.get(&user).copied(),
        }
    }

    /// What both allow, in the hands of the owner and the group of this one. The owner of one directory
    /// is taken for a member of the group that both have: whoever shares a layout is.
    fn and(&self, other: &Rights, group: u32, other_group: u32) -> Rights {
        let of_other_owner = match group == other_group {
            true => other.groups.get(&group).copied(),
            false => None,
        };
        let of_other_owner = of_other_owner.unwrap_or_else(|| other.least());
        let of_user =
            |rights: &Rights, user| rights.of_user(user).unwrap_or_else(|| rights.least());
        let of_group = |rights: &Rights, group| {
            let may = rights.groups.get(group).copied();
            may.unwrap_or_else(|| rights.least())
        };
        let users = self.users.keys().chain(other.users.keys());
        let groups = self.groups.keys().chain(other.groups.keys());
        Rights {
            owner: self.owner,
            owner_may: self.owner_may & other.of_user(self.owner).unwrap_or(of_other_owner),
            users: users
                .filter(|user| **user != self.owner)
                .map(|user| (*user, of_user(self, *user) & of_user(other, *user)))
                .collect(),
            groups: groups
                .map(|group| (*group, of_group(self, group) & of_group(other, group)))
                .collect(),
            others: self.others & other.others,
        }
    }

    /// The same for a file with the owner and group of another one: as a mode, if that is enough.
    fn stored(mut self, like: &Access) -> Access {
        let of_group = self.groups.remove(&like.group).unwrap_or(0);
        let mask = self.users.values().chain(self.groups.values());
        let mask = mask.fold(of_group, |all, may| all | may);
        if mask == 0 {
            // A list that is not heeded would make others of those that it names.
            let others = match self.users.is_empty() && self.groups.is_empty() {
                true => self.others,
                false => 0,
            };
            return Access {
                mode: self.owner_may << 6 | others,
                acl: None,
                ..like.clone()
            };
        }
        let entry = |tag, may, id| AclEntry { tag, may, id };
        let mut entries = vec![entry(tag::OWNER, self.owner_may, u32::MAX)];
        entries.extend(
            self.users
                .iter()
                .map(|(id, may)| entry(tag::USER, *may, *id)),
        );
        entries.push(entry(tag::OWNING_GROUP, of_group, u32::MAX));
        entries.extend(
            self.groups
                .iter()
                .map(|(id, may)| entry(tag::GROUP, *may, *id)),
        );
        entries.push(entry(tag::MASK, mask, u32::MAX));
        entries.push(entry(tag::OTHERS, self.others, u32::MAX));
        let is_plain = self.users.is_empty() && self.groups.is_empty();
        Access {
            mode: self.owner_may << 6 | mask << 3 | self.others,
            acl: (!is_plain).then(|| stored(&entries)),
            ..like.clone()
        }
    }

    /// What somebody who is not named may do at least, whatever groups that is in.
    fn least(&self) -> u32 {
        self.groups.values().fold(self.others, |all, may| all & may)
    }

    /// And at most.
    fn most(&self) -> u32 {
        self.groups.values().fold(self.others, |all, may| all | may)
    }

    /// Whether somebody who is not named may do more than before, in some set of groups.
    fn is_wider_for_groups(&self, old: &Rights) -> bool {
        // Somebody in no group, and in one: each that lets in, with another that did not.
        let no_group = self.others & !old.others;
        // A group of the old file that let nobody in keeps its members out, whatever else they are in.
        let denied_before = old.groups.values().fold(0, |all, may| all | (ALL & !may));
        let by_a_group = self.groups.iter().fold(0, |all, (group, may)| {
            all | match old.groups.get(group) {
                Some(before) => may & !before,
                None => may & (!old.others | denied_before),
            }
        });
        let by_no_group = old.groups.iter().fold(0, |all, (group, before)| {
            all | match self.groups.contains_key(group) {
                true => 0,
                false => self.others & !before,
            }
        });
        (no_group | by_a_group | by_no_group) & ALL != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNER: u32 = 7;

    fn plain(owner: u32, group: u32, mode: u32) -> Access {
        Access {
            owner,
            group,
            mode,
            acl: None,
        }
    }

    /// `entries`: tag, permissions, ID; a mask makes the bits of the group in the mode.
    fn listed(owner: u32, group: u32, entries: &[(u16, u32, u32)]) -> Access {
        let of = |wanted: u16| entries.iter().find(|entry| entry.0 == wanted).unwrap().1;
        let entry = |&(tag, may, id): &(u16, u32, u32)| AclEntry { tag, may, id };
        Access {
            owner,
            group,
            mode: of(tag::OWNER) << 6 | of(tag::MASK) << 3 | of(tag::OTHERS),
            acl: Some(stored(&entries.iter().map(entry).collect::<Vec<_>>())),
        }
    }

    /// FR28: who could not read or write before cannot afterwards.
    #[test]
    fn what_lets_more_in_than_before_is_told_from_what_does_not() {
        let nobody = u32::MAX;
        let named = |user: u32, may: u32, mask: u32, others: u32| {
            listed(
                1,
                1,
                &[
                    (tag::OWNER, 6, nobody),
                    (tag::USER, may, user),
                    (tag::OWNING_GROUP, 4, nobody),
                    (tag::MASK, mask, nobody),
                    (tag::OTHERS, others, nobody),
                ],
            )
        };
        for (before, after, is_wider) in [
            (plain(1, 1, 0o644), plain(1, 1, 0o644), false),
            (plain(1, 1, 0o644), plain(1, 1, 0o600), false),
            (plain(1, 1, 0o600), plain(1, 1, 0o640), true),
            // The runner becomes the owner, and is not asked about.
            (plain(1, 1, 0o644), plain(RUNNER, 1, 0o644), false),
            (plain(1, 1, 0o664), plain(RUNNER, 1, 0o664), false),
            (plain(1, 1, 0o600), plain(RUNNER, 1, 0o600), false),
            (plain(1, 1, 0o600), plain(2, 1, 0o600), true),
            // The old owner has what the others have, and that was less or more before.
            (plain(1, 1, 0o044), plain(RUNNER, 1, 0o044), true),
            // Another group.
            (plain(1, 1, 0o644), plain(1, 2, 0o644), false),
            (plain(1, 1, 0o640), plain(1, 2, 0o640), true),
            (plain(1, 1, 0o664), plain(1, 2, 0o664), true),
            (plain(1, 1, 0o660), plain(1, 2, 0o600), false),
            // A group that may do less than others.
            (plain(1, 1, 0o604), plain(1, 2, 0o604), true),
            (plain(1, 1, 0o604), plain(1, 2, 0o600), false),
            // An access list that is lost turns its mask into bits of the group.
            (named(9, 6, 6, 0), plain(1, 1, 0o660), true),
            (named(9, 6, 6, 0), plain(1, 1, 0o640), false),
            (named(9, 0, 4, 4), plain(1, 1, 0o644), true),
            (named(9, 6, 6, 0), named(9, 6, 6, 0), false),
            (named(9, 6, 4, 0), named(9, 6, 6, 0), true),
            (named(9, 6, 6, 0), named(9, 6, 4, 0), false),
            (plain(1, 1, 0o640), named(9, 4, 4, 0), true),
            (plain(1, 1, 0o644), named(9, 4, 4, 4), false),
            (plain(1, 1, 0o640), named(RUNNER, 4, 4, 0), false),
            (plain(1, 1, 0o640), named(0, 4, 4, 0), false),
        ] {
            assert_eq!(
                after.is_wider_than(&before, RUNNER),
                is_wider,
                "{before:?} {after:?}"
            );
        }
        let odd = Access {
            acl: Some(vec![9, 9]),
            ..plain(1, 1, 0o600)
        };
        assert!(odd.is_wider_than(&plain(1, 1, 0o777), RUNNER));
        assert!(!odd.is_wider_than(&odd, RUNNER));
    }

    /// FR28: what lies in the trash is never more readable than the layout and its blobs.
    #[test]
    fn the_trash_allows_what_root_and_blobs_both_allow() {
        for (root, blobs, mode) in [
            (plain(1, 1, 0o755), plain(1, 1, 0o755), 0o755),
            (plain(1, 1, 0o755), plain(1, 1, 0o700), 0o700),
            (plain(1, 1, 0o700), plain(1, 1, 0o755), 0o700),
            (plain(1, 1, 0o2775), plain(1, 1, 0o2775), 0o2775),
            (plain(1, 1, 0o2775), plain(1, 1, 0o755), 0o2755),
            (plain(1, 1, 0o750), plain(1, 1, 0o705), 0o700),
            (plain(1, 1, 0o1777), plain(1, 1, 0o1777), 0o1777),
            (plain(1, 1, 0o755), plain(1, 2, 0o775), 0o755),
            (plain(1, 1, 0o750), plain(1, 2, 0o750), 0o700),
            // Members of one group that made a directory each.
            (plain(1, 1, 0o2775), plain(2, 1, 0o2775), 0o2775),
            (plain(1, 1, 0o2770), plain(2, 1, 0o2770), 0o2770),
            (plain(1, 1, 0o2770), plain(2, 1, 0o2750), 0o2550),
        ] {
            let both = root.and(&blobs);
            assert_eq!(both.mode, mode, "{root:?} {blobs:?}");
            assert_eq!(both.group, 1);
            if root.owner != blobs.owner {
                continue;
            }
            assert!(!both.is_wider_than(&root, 0) && !both.is_wider_than(&blobs, 0));
        }
    }

    /// FR28: a list on one of the two takes nothing from those that it does not name.
    #[test]
    fn what_both_allow_is_found_with_a_list_on_one_side() {
        let nobody = u32::MAX;
        let named = listed(
            1,
            1,
            &[
                (tag::OWNER, 7, nobody),
                (tag::USER, 5, 3),
                (tag::OWNING_GROUP, 7, nobody),
                (tag::MASK, 7, nobody),
                (tag::OTHERS, 0, nobody),
            ],
        );
        for (one, two) in [
            (named.clone(), plain(1, 1, 0o2770)),
            (plain(1, 1, 0o2770), named),
        ] {
            let both = one.and(&two);
            let rights = both.rights().unwrap();
            assert_eq!(both.mode, 0o2770);
            assert_eq!(
                (rights.owner_may, rights.groups[&1], rights.others),
                (7, 7, 0)
            );
            assert_eq!(rights.users[&3], 0);
        }
    }

    /// FR28: without the right to enter a list can let in nobody; then the kernel does not heed it.
    #[test]
    fn whom_a_list_shuts_out_is_not_one_of_the_others_of_a_file() {
        let nobody = u32::MAX;
        let dir = listed(
            1,
            1,
            &[
                (tag::OWNER, 6, nobody),
                (tag::USER, 1, 3),
                (tag::OWNING_GROUP, 0, nobody),
                (tag::MASK, 1, nobody),
                (tag::OTHERS, 4, nobody),
            ],
        );
        let file = dir.for_files();
        assert_eq!(file.mode, 0o600);
        assert!(!file.is_wider_than(&dir, 0));
    }

    #[test]
    fn somebody_elses_directory_lets_in_whoever_could_enter_before() {
        for access in [
            plain(1, 1, 0o770),
            plain(1, 1, 0o2775),
            plain(1, 1, 0o705),
            listed(
                1,
                1,
                &[
                    (tag::OWNER, 7, u32::MAX),
                    (tag::USER, 7, RUNNER),
                    (tag::OWNING_GROUP, 5, u32::MAX),
                    (tag::GROUP, 7, 5),
                    (tag::MASK, 7, u32::MAX),
                    (tag::OTHERS, 0, u32::MAX),
                ],
            ),
        ] {
            let ours = access.naming_owners(RUNNER, 70).unwrap();
            assert!(!access.is_wider_than(&ours, RUNNER), "{access:?} {ours:?}");
            assert_eq!(
                ours.is_wider_than(&access, RUNNER),
                // Members of both groups: what the one denies the other gives.
                access.mode & 0o777 == 0o705,
                "{access:?} {ours:?}"
            );
        }
    }

    /// FR28
    #[test]
    fn an_owner_is_kept_out_unless_a_shared_group_or_others_are_let_in() {
        let team = listed(
            RUNNER,
            1,
            &[
                (tag::OWNER, 6, u32::MAX),
                (tag::OWNING_GROUP, 0, u32::MAX),
                (tag::GROUP, 6, 5),
                (tag::MASK, 6, u32::MAX),
                (tag::OTHERS, 0, u32::MAX),
            ],
        );
        for (now, groups, is_kept) in [
            (plain(1, 1, 0o600), &[][..], true),
            (plain(RUNNER, 1, 0o606), &[], true),
            (plain(RUNNER, 1, 0o604), &[], false),
            (team.clone(), &[5], true),
            (team, &[6], false),
        ] {
            assert_eq!(
                now.keeps_owner_of(&plain(1, 1, 0o600), groups),
                is_kept,
                "{now:?}"
            );
        }
    }

    #[test]
    fn a_file_of_a_directory_is_not_entered() {
        assert_eq!(plain(1, 2, 0o2775).for_files(), plain(1, 2, 0o664));
    }
}
