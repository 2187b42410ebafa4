//! What becomes of each name: something keeps it, it stays while it fits, or nothing keeps it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::newest::{Aged, EquallyOld, pick};
use super::policy::{
    Count, Keep, Order, Policy, Rule, Scope, means, repository_of, shown_repository_of, tag_alone,
};
use super::version::TagVersion;
use crate::inspect::metadata::Created;
use crate::snapshot::Name;

/// A name of an image, or that it has none.
#[derive(Clone, Debug)]
pub struct NameRow<'a> {
    /// The image, by its number.
    pub image: usize,
    /// The name.
    pub name: &'a Name,
    /// What stands for it where names are compared.
    pub key: &'a str,
    /// Where its last entry stands in index.json.
    pub position: usize,
    /// The command is about it: `reference=` and `reference!=` admit it.
    pub is_meant: bool,
    /// It lost its name and goes as always: it is not counted, and no rule decides it.
    pub is_dangling: bool,
    /// It is a signature, an attestation or the like, under a name of its own: it takes no place among
    /// images that are counted.
    pub is_belonging: bool,
}

/// What is asked about images, as far as something counts them.
pub(crate) trait Facts {
    /// When the image was created, and who says so.
    fn created(&self, image: usize) -> Created;
    /// Whether any platform of it could be used.
    fn is_usable(&self, image: usize) -> bool;
}

/// What becomes of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Kept {
        /// What keeps it, by its place among the counts of the policy.
        count: usize,
        /// Why, as the end of a sentence.
        reason: Arc<str>,
    },
    /// It stays as long as the layout is not too large, as this count says.
    WhileItFits {
        /// By its place among the counts of the policy.
        count: usize,
    },
    /// There are rules, and none matches it: it stays.
    NoRule,
    /// It goes, as this rule says, by its place; without rules, since nothing keeps it.
    Goes {
        /// The rule.
        rule: Option<usize>,
    },
}

/// What becomes of all names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// In the order of the names.
    pub of_name: Vec<Verdict>,
    /// Images that stay together since nothing says which are newer, and the repository that they are
    /// in, as messages call it.
    pub equally_old: Vec<(String, EquallyOld)>,
}

/// What is known of the names of a layout before anything is counted.
struct Table<'a> {
    names: &'a [NameRow<'a>],
    /// For each name the number of its repository.
    repositories: Vec<usize>,
    /// As they are shown, by number.
    repository_names: Vec<String>,
    /// For each name the rule that decides it.
    rules: Vec<Option<usize>>,
    /// For each rule the names that it decides.
    of_rule: Vec<Vec<usize>>,
    /// For each rule whether it is about everything, as an option without a pattern is.
    is_about_all: Vec<bool>,
    /// All names.
    all: Vec<usize>,
    /// For each image its names, by number.
    of_image: Vec<Vec<usize>>,
    /// For each repository and image where the last entry of the image there stands.
    positions: HashMap<(usize, usize), usize>,
}

/// Images that are counted together, with their names there: by number of the image.
type Group = BTreeMap<usize, Vec<usize>>;

/// Decides about all names. `images` is how many images there are; `now` is the present.
pub(crate) fn decide(
    policy: &Policy,
    names: &[NameRow<'_>],
    images: usize,
    facts: &dyn Facts,
    now: Timestamp,
) -> Decided {
    let table = Table::new(policy, names, images);
    let goes = |at: usize| match (&policy.rules, table.rules[at]) {
        (Some(_), None) if !names[at].is_dangling => Verdict::NoRule,
        (_, rule) => Verdict::Goes { rule },
    };
    let mut decided = Decided {
        of_name: (0..names.len()).map(goes).collect(),
        equally_old: Vec::new(),
    };
    for (number, count) in policy.counts.iter().enumerate() {
        match count.keep {
            Keep::All => {
                let reason: Arc<str> = count.source.as_str().into();
                for at in table.in_scope(count) {
                    decided.keep(at, number, &reason);
                }
            }
            Keep::WhileItFits => table.put_in_line(count, number, facts, &mut decided),
            _ => table.count(count, number, facts, now, &mut decided),
        }
    }
    decided
}

impl Decided {
    fn keep(&mut self, at: usize, count: usize, reason: &Arc<str>) {
        let verdict = &mut self.of_name[at];
        if !matches!(verdict, Verdict::Kept { .. }) {
            *verdict = Verdict::Kept {
                count,
                reason: reason.clone(),
            };
        }
    }
}

impl<'a> Table<'a> {
    fn new(policy: &Policy, names: &'a [NameRow<'a>], images: usize) -> Table<'a> {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut repositories = Vec::with_capacity(names.len());
        let mut repository_names = Vec::new();
        let mut of_image = vec![Vec::new(); images];
        let mut positions: HashMap<(usize, usize), usize> = HashMap::new();
        for (at, row) in names.iter().enumerate() {
            let next = numbers.len();
            let number = *numbers.entry(repository_of(row.name)).or_insert(next);
            if number == next {
                repository_names.push(shown_repository_of(row.name));
            }
            repositories.push(number);
            of_image[row.image].push(at);
            let position = positions.entry((number, row.image)).or_default();
            *position = row.position.max(*position);
        }
        let rule = |row: &NameRow<'_>| {
            let rules = policy.rules.as_ref().filter(|_| !row.is_dangling)?;
            rules.deciding(row.name, row.key)
        };
        let rules: Vec<Option<usize>> = names.iter().map(rule).collect();
        let number = policy.rules.as_ref().map_or(0, |rules| rules.rules.len());
        let mut of_rule = vec![Vec::new(); number];
        for (at, rule) in rules.iter().enumerate() {
            if let Some(rule) = rule {
                of_rule[*rule].push(at);
            }
        }
        let is_about_all = policy.rules.iter().flat_map(|rules| &rules.rules);
        Table {
            is_about_all: is_about_all.map(Rule::matches_everything).collect(),
            rules,
            of_rule,
            all: (0..names.len()).collect(),
            names,
            repositories,
            repository_names,
            of_image,
            positions,
        }
    }

    /// The names that a count is about.
    fn in_scope<'t>(&'t self, count: &'t Count) -> impl Iterator<Item = usize> + 't {
        let among = match &count.scope {
            Scope::Rule(rule) => &self.of_rule[*rule],
            Scope::Everything | Scope::Pattern(..) => &self.all,
        };
        let is_in_scope = |at: &usize| {
            let row = &self.names[*at];
            !row.is_dangling
                && match &count.scope {
                    Scope::Pattern(_, pattern) => means(pattern, row.name, row.key),
                    Scope::Everything | Scope::Rule(_) => true,
                }
        };
        among.iter().copied().filter(is_in_scope)
    }

    /// How many images have to be told apart for a count: it keeps all names of an image, or none.
    fn images_of(&self, count: &Count) -> usize {
        match count.scope {
            Scope::Everything => self.of_image.len(),
            Scope::Pattern(..) | Scope::Rule(_) => 0,
        }
    }

    /// What stays while it fits, unless something keeps it anyway.
    fn put_in_line(&self, count: &Count, number: usize, facts: &dyn Facts, decided: &mut Decided) {
        // All names of an image are looked at once, however many of them count.
        let mut is_done = vec![false; self.images_of(count)];
        let is_belonging = |at: usize| self.names[at].is_belonging;
        let are_all_belongings = self.in_scope(count).all(is_belonging);
        for at in self.in_scope(count) {
            if is_belonging(at) && !are_all_belongings {
                continue;
            }
            let image = self.names[at].image;
            let is_everything = matches!(count.scope, Scope::Everything);
            if is_everything && std::mem::replace(&mut is_done[image], true)
                || !facts.is_usable(image)
            {
                continue;
            }
            let at = [at];
            let names = match count.scope {
                Scope::Everything => &self.of_image[image][..],
                Scope::Pattern(..) | Scope::Rule(_) => &at,
            };
            for at in names {
                let verdict = &mut decided.of_name[*at];
                if matches!(verdict, Verdict::Goes { .. }) {
                    *verdict = Verdict::WhileItFits { count: number };
                }
            }
        }
    }

    fn count(
        &self,
        count: &Count,
        number: usize,
        facts: &dyn Facts,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
        for at in self.in_scope(count) {
            let row = &self.names[at];
            if row.is_meant && facts.is_usable(row.image) {
                let group = groups.entry(self.repositories[at]).or_default();
                group.entry(row.image).or_default().push(at);
            }
        }
        if !matches!(count.keep, Keep::Within(_)) {
            for group in groups.values_mut() {
                self.leave_out_belongings(group);
            }
        }
        let uses_versions = match count.keep {
            Keep::Last { by, .. } => by == Order::Version,
            Keep::NewestPer(_) => true,
            _ => false,
        };
        let mut is_kept = vec![false; self.images_of(count)];
        for (repository, group) in groups {
            let aged = |(image, names): (&usize, &Vec<usize>)| Aged {
                version: uses_versions.then(|| self.version(names)).flatten(),
                ..Aged::new(
                    *image,
                    facts.created(*image),
                    self.positions[&(repository, *image)],
                )
            };
            let images: Vec<Aged> = group.iter().map(aged).collect();
            let picked = pick(&images, &count.keep, now);
            let called = match &*self.repository_names[repository] {
                "" => "this layout",
                name => name,
            };
            let reason: Arc<str> = format!("{} of {called}", count.source).into();
            let tied: Arc<str> =
                format!("{reason}: nothing says that it is older than those").into();
            for (image, is_tied) in picked.images {
                let names = match count.scope {
                    Scope::Everything if std::mem::replace(&mut is_kept[image], true) => continue,
                    Scope::Everything => &self.of_image[image],
                    Scope::Rule(rule) if self.is_about_all[rule] => &self.of_image[image],
                    Scope::Pattern(..) | Scope::Rule(_) => &group[&image],
                };
                for at in names {
                    if self.is_decided_by(*at, count) {
                        decided.keep(*at, number, if is_tied { &tied } else { &reason });
                    }
                }
            }
            let equally_old = picked.equally_old.into_iter();
            let equally_old = equally_old.map(|of| (called.to_owned(), of));
            decided.equally_old.extend(equally_old);
        }
    }

    /// Whether a count may keep a name: a rule keeps those alone that it decides.
    fn is_decided_by(&self, at: usize, count: &Count) -> bool {
        match count.scope {
            Scope::Rule(rule) => self.rules[at] == Some(rule),
            Scope::Everything | Scope::Pattern(..) => true,
        }
    }

    /// Signatures and the like stay with what they are about and take no place of an image; where
    /// nothing else is counted, they are what is meant.
    fn leave_out_belongings(&self, group: &mut Group) {
        let is_belonging = |names: &Vec<usize>| names.iter().all(|at| self.names[*at].is_belonging);
        if !group.values().all(is_belonging) {
            group.retain(|_, names| !is_belonging(names));
        }
    }

    /// The highest version among some names.
    fn version(&self, names: &[usize]) -> Option<TagVersion> {
        let rows = names.iter().map(|at| &self.names[*at]);
        rows.filter_map(|row| TagVersion::parse(&tag_alone(row.name, row.key)?))
            .max()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::inspect::metadata::CreatedFrom;
    use crate::retention::options::CountOption;
    use crate::retention::parse_policy;
    use crate::retention::policy::{Part, Period};
    use crate::value::reference::Reference;

    /// An image: when it was created, in days, with a sign that says that only a file does; 0 if it
    /// cannot be used.
    type Age = i64;

    struct Ages<'a>(&'a [Age]);

    impl Facts for Ages<'_> {
        fn created(&self, image: usize) -> Created {
            let days = self.0[image];
            Created {
                time: Timestamp::from_second(days.abs() * 86_400).unwrap(),
                from: match days < 0 {
                    true => CreatedFrom::File,
                    false => CreatedFrom::Config,
                },
            }
        }
        fn is_usable(&self, image: usize) -> bool {
            self.0[image] != 0
        }
    }

    fn name(text: &str) -> Name {
        match text {
            "" => Name::Dangling,
            text if text.contains(':') => Name::Reference(Reference::parse(text).unwrap()),
            text => Name::Tag(text.into()),
        }
    }

    /// What the names of some images (`app:1=0`: image 0) become.
    fn decided(policy: &Policy, names: &[(String, usize)], ages: &[Age], meant: &str) -> Decided {
        let parsed: Vec<Name> = names.iter().map(|(text, _)| name(text)).collect();
        let rows: Vec<NameRow<'_>> = parsed
            .iter()
            .zip(names)
            .enumerate()
            .map(|(position, (name, (text, image)))| NameRow {
                image: *image,
                name,
                key: match name {
                    Name::Reference(reference) => reference.long(),
                    _ => text,
                },
                position,
                is_meant: text.contains(meant),
                is_dangling: false,
                is_belonging: text.contains(":sig"),
            })
            .collect();
        let now = Timestamp::from_second(100 * 86_400).unwrap();
        decide(policy, &rows, ages.len(), &Ages(ages), now)
    }

    fn kept(policy: &Policy, names: &[(String, usize)], ages: &[Age]) -> BTreeSet<String> {
        let decided = decided(policy, names, ages, "");
        let stays = |verdict: &Verdict| !matches!(verdict, Verdict::Goes { .. });
        let kept = names.iter().zip(&decided.of_name);
        let kept = kept.filter(|(_, verdict)| stays(verdict));
        kept.map(|((text, _), _)| text.clone()).collect()
    }

    fn names(text: &str) -> Vec<(String, usize)> {
        let names = text.split_whitespace().map(|row| {
            let (name, image) = row.split_once('=').unwrap();
            (name.to_owned(), image.parse().unwrap())
        });
        names.collect()
    }

    fn options(texts: &[(CountOption, &str)]) -> Policy {
        let counts = texts
            .iter()
            .map(|(option, text)| option.parse(text).unwrap());
        Policy {
            counts: counts.collect(),
            ..Policy::default()
        }
    }

    const LAST: CountOption = CountOption::Last(Order::Created);

    /// V3, V4, V6.
    #[test]
    fn images_are_counted_in_each_repository_and_kept_under_the_names_that_count() {
        let rows = names("x:1=0 x:2=1 x:2b=1 x:3=2 y:2=1 y:9=3 v1=4 v2=5 v0=3");
        let ages = [10, 20, 30, 5, 1, 2];
        for (counts, expected) in [
            (&[(LAST, "1")][..], "x:3 y:2 x:2 x:2b v0 y:9"),
            (&[(LAST, "2")], "x:3 x:2 x:2b y:2 y:9 v0 v2"),
            (&[(LAST, "x=1")], "x:3"),
            (&[(LAST, "2*=1")], "x:2 x:2b y:2"),
            (&[(LAST, "*=1")], "x:3 y:2 v0"),
            (&[(LAST, "v*=1")], "v0"),
            (&[(LAST, "v[12]=1"), (LAST, "x:1=9")], "v2 x:1"),
            (&[(LAST, "nothing=3")], ""),
            (&[], ""),
        ] {
            let expected: BTreeSet<String> =
                expected.split_whitespace().map(str::to_owned).collect();
            assert_eq!(kept(&options(counts), &rows, &ages), expected, "{counts:?}");
        }
    }

    /// FR18.
    #[test]
    fn what_cannot_be_used_is_not_counted() {
        let rows = names("x:1=0 x:2=1 x:3=2");
        let last = options(&[(LAST, "1")]);
        assert_eq!(kept(&last, &rows, &[1, 2, 0]), ["x:2".to_owned()].into());
    }

    /// V3: a signature under a name of its own does not push an image out.
    #[test]
    fn belongings_take_no_place_of_images_and_are_counted_among_themselves() {
        let rows = names("x:1=0 x:2=1 x:sig-1=2 x:sig-2=3 y:sig=3");
        for (counts, expected) in [
            (&[(LAST, "1")][..], "x:2 x:sig-2 y:sig"),
            (&[(LAST, "sig-*=1")], "x:sig-2"),
            (&[(LAST, "x=2")], "x:1 x:2"),
            (&[(CountOption::Within, "x=70d")], "x:sig-1 x:sig-2"),
        ] {
            let expected: BTreeSet<String> =
                expected.split_whitespace().map(str::to_owned).collect();
            let ages = [10, 20, 30, 40];
            assert_eq!(kept(&options(counts), &rows, &ages), expected, "{counts:?}");
        }
    }

    /// V13: a rule for everything keeps an image as an option without a pattern does, under all names
    /// that it decides.
    #[test]
    fn a_rule_for_everything_keeps_all_names_that_it_decides() {
        let rows = names("app:2=0 web:1=0 web:2=1 web:old=0");
        let ages = [10, 20];
        for (text, expected) in [
            ("[[rule]]\nkeep-last = 1", "app:2 web:1 web:2 web:old"),
            ("[[rule]]\ntags = ['*']\nkeep-last = 1", "app:2 web:2"),
            (
                "[[rule]]\ntags = ['old']\nremove = true\n[[rule]]\nkeep-last = 1",
                "app:2 web:1 web:2",
            ),
        ] {
            let policy = parse_policy(text, "p.toml", "p.toml").unwrap();
            let expected: BTreeSet<String> =
                expected.split_whitespace().map(str::to_owned).collect();
            assert_eq!(kept(&policy, &rows, &ages), expected, "{text}");
        }
    }

    /// V5.
    #[test]
    fn names_that_are_not_meant_are_not_counted() {
        let rows = names("x:n1=0 x:n2=1 x:v1=2 x:n3=2");
        let last = options(&[(LAST, "1")]);
        let found = decided(&last, &rows, &[1, 2, 3], "x:n1");
        assert!(
            matches!(found.of_name[0], Verdict::Kept { .. }),
            "{found:?}"
        );
        assert_eq!(found.of_name[1], Verdict::Goes { rule: None });
    }

    /// V13, V15.
    #[test]
    fn the_first_rule_decides_a_name_and_counts_what_it_decides() {
        let policy = parse_policy(
            "[[rule]]\ntags = ['v*']\nkeep = true\n[[rule]]\nrepositories = ['x']\nkeep-last = 1\n\
             [[rule]]\nrepositories = ['y']\nremove = true",
            "p.toml",
            "p.toml",
        );
        let policy = policy.unwrap();
        let rows = names("x:v1=0 x:1=1 x:2=2 y:1=2 z:1=3 t=3 v2=1");
        let found = decided(&policy, &rows, &[9, 1, 2, 3], "");
        let word = |verdict: &Verdict| match verdict {
            Verdict::Kept { count, .. } => format!("kept by {count}"),
            Verdict::NoRule => "no rule".to_owned(),
            Verdict::Goes { rule } => format!("goes by {rule:?}"),
            Verdict::WhileItFits { .. } => "while it fits".to_owned(),
        };
        let words: Vec<String> = found.of_name.iter().map(word).collect();
        assert_eq!(
            words,
            [
                "kept by 0",
                "goes by Some(1)",
                "kept by 1",
                "goes by Some(2)",
                "no rule",
                "no rule",
                "kept by 0"
            ]
        );
    }

    /// V11, V17: an option that keeps while there is room takes nothing away.
    #[test]
    fn what_stays_anyway_is_not_in_line() {
        let (limit, count) = crate::retention::options::max_size("1GB").unwrap();
        let mut policy = options(&[(LAST, "x=1")]);
        policy.counts.insert(0, count);
        policy.limit = Some(limit);
        let rows = names("x:1=0 x:2=1 y:1=2 y:2=3");
        let found = decided(&policy, &rows, &[1, 2, 3, 0], "");
        assert_eq!(found.of_name[0], Verdict::WhileItFits { count: 0 });
        assert!(matches!(found.of_name[1], Verdict::Kept { count: 1, .. }));
        assert_eq!(found.of_name[2], Verdict::WhileItFits { count: 0 });
        assert_eq!(found.of_name[3], Verdict::Goes { rule: None });
    }

    /// V18.
    #[test]
    fn a_reason_names_the_option_and_the_repository() {
        let rows = names("x:1=0 x:2=1 t=2");
        let found = decided(&options(&[(LAST, "1")]), &rows, &[-1, -1, 2], "");
        let reason = |at: usize| match &found.of_name[at] {
            Verdict::Kept { reason, .. } => &**reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(1), "--keep-last 1 of x");
        assert_eq!(
            reason(0),
            "--keep-last 1 of x: nothing says that it is older than those"
        );
        assert_eq!(reason(2), "--keep-last 1 of this layout");
        let of = EquallyOld { images: 2 };
        assert_eq!(found.equally_old, [("x".to_owned(), of)]);
    }

    /// Names of at most six images in two repositories, and their ages; those of one moment too.
    fn layouts() -> impl Strategy<Value = (Vec<(String, usize)>, Vec<Age>)> {
        let repository = prop::sample::select(vec!["x:", "acme/y:", ""]);
        let tag = prop::sample::select(vec![
            "1.0.0",
            "v1.0.1",
            "1.1.0",
            "2.0.0-rc.1",
            "v2.0.0",
            "nightly-1",
            "nightly-2",
            "latest",
            "pr-1",
        ]);
        let names = prop::collection::btree_map((repository, tag), 0..6_usize, 1..12);
        let names = names.prop_map(|names| {
            let names = names.into_iter();
            let names =
                names.map(|((repository, tag), image)| (format!("{repository}{tag}"), image));
            names.collect::<Vec<_>>()
        });
        (names.prop_shuffle(), prop::collection::vec(-4..60_i64, 6))
    }

    fn counts() -> impl Strategy<Value = Vec<Count>> {
        let pattern = prop::sample::select(vec!["", "nightly-*=", "x=", "acme/*:*=", "[0-9v]*="]);
        let number = (1..4_usize).prop_map(|n| n.to_string());
        let kinds = prop_oneof![
            number.clone().prop_map(|n| (LAST, n)),
            number
                .clone()
                .prop_map(|n| (CountOption::Last(Order::Version), n)),
            number
                .clone()
                .prop_map(|n| (CountOption::NewestOf(Period::Day), n)),
            number
                .clone()
                .prop_map(|n| (CountOption::NewestOf(Period::Week), n)),
            number.prop_map(|n| (CountOption::NewestOf(Period::Month), n)),
            (40..100_u32).prop_map(|d| (CountOption::Within, format!("{d}d"))),
            prop::sample::select(vec!["major", "minor"])
                .prop_map(|part| (CountOption::NewestPer, part.to_owned())),
        ];
        let count = (pattern, kinds).prop_map(|(pattern, (option, value))| {
            option.parse(&format!("{pattern}{value}")).unwrap()
        });
        prop::collection::vec(count, 0..4)
    }

    fn policy(counts: &[Count]) -> Policy {
        Policy {
            counts: counts.to_vec(),
            ..Policy::default()
        }
    }

    proptest! {
        /// V4: keeping more never removes more, and the order of what keeps makes no difference.
        #[test]
        fn more_counts_keep_more((names, ages) in layouts(), counts in counts(), more in counts()) {
            let few = kept(&policy(&counts), &names, &ages);
            let mut all = [counts, more].concat();
            let many = kept(&policy(&all), &names, &ages);
            prop_assert!(few.is_subset(&many));
            all.reverse();
            prop_assert_eq!(kept(&policy(&all), &names, &ages), many);
        }

        /// V4: a second run finds nothing to remove.
        #[test]
        fn what_was_kept_is_kept_again((names, ages) in layouts(), counts in counts()) {
            let policy = policy(&counts);
            let once = kept(&policy, &names, &ages);
            let mut left = names;
            left.retain(|(name, _)| once.contains(name));
            // Of equal dates the later entry counts, which may be among those that went.
            let dates: BTreeSet<Age> = ages.iter().map(|age| age.abs()).collect();
            if dates.len() == ages.len() {
                prop_assert_eq!(kept(&policy, &left, &ages), once);
            }
        }

        /// FR17: the order of entries decides between equal stated dates alone.
        #[test]
        fn the_order_of_entries_makes_no_difference((names, ages) in layouts(), counts in counts()) {
            let dates: BTreeSet<Age> = ages.iter().map(|age| age.abs()).collect();
            let mut turned = names.clone();
            turned.reverse();
            let is_unstated = ages.iter().all(|age| *age < 0);
            if dates.len() == ages.len() || is_unstated {
                let policy = policy(&counts);
                prop_assert_eq!(kept(&policy, &names, &ages), kept(&policy, &turned, &ages));
            }
        }

        /// V9: with one number for each, the highest version of each repository is kept.
        #[test]
        fn the_highest_version_is_kept((names, ages) in layouts()) {
            let parts = [Part::Major, Part::Minor].map(|part| match part {
                Part::Major => "major",
                Part::Minor => "minor",
            });
            let [major, minor] = parts.map(|part| {
                kept(&options(&[(CountOption::NewestPer, part)]), &names, &ages)
            });
            prop_assert!(major.is_subset(&minor));
            let highest = kept(&options(&[(CountOption::Last(Order::Version), "1")]), &names, &ages);
            let has_version = names.iter().any(|(name, image)| {
                let tag = name.rsplit(':').next().unwrap();
                ages[*image] != 0 && TagVersion::parse(tag).is_some()
            });
            prop_assert!(!has_version || highest.intersection(&major).next().is_some());
        }
    }
}
