//! Which names of an image go together with the one that a person names.
//!
//! `web:1` and `web@sha256:…` are two names of one thing; `web:1` and `web:2` are not, and neither
//! are `web:1` and `shop:1`. Removing one of the first pair removes both, and if that were all,
//! the image goes; otherwise the rest stays and the image with it. These are the rules of Docker's
//! containerd image store, with one difference: a name that Docker would have written differently
//! never goes along.

use crate::snapshot::Name;
use crate::value::reference::Reference;

/// The name that the others are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared<'a> {
    /// A Docker reference.
    Reference(&'a Reference),
    /// A tag of the layout's own repository.
    Tag(&'a str),
    /// A name that nothing compares with, at this place of the set.
    Only(usize),
    /// No name was given: the first comparable one of the set counts.
    First,
}

#[derive(Clone, Copy, PartialEq)]
enum Repository<'a> {
    Docker(&'a Reference),
    Own,
}

impl Repository<'_> {
    fn is(self, other: Repository<'_>) -> bool {
        match (self, other) {
            (Repository::Docker(a), Repository::Docker(b)) => a.same_repository(b),
            (Repository::Own, Repository::Own) => true,
            _ => false,
        }
    }
}

fn place(name: &Name) -> Option<(Repository<'_>, Option<&str>)> {
    match name {
        Name::Reference(reference) => Some((Repository::Docker(reference), reference.tag())),
        Name::Tag(tag) => Some((Repository::Own, Some(tag))),
        Name::Raw(_) | Name::Dangling => None,
    }
}

/// The places in `set`, which is in name order, of the names that go together with `compared`.
pub fn names_together(set: &[&Name], compared: Compared<'_>) -> Vec<usize> {
    let mut current = match compared {
        Compared::Reference(reference) => Some((Repository::Docker(reference), reference.tag())),
        Compared::Tag(tag) => Some((Repository::Own, Some(tag))),
        Compared::Only(_) | Compared::First => None,
    };
    // `web@sha256:…` means every name of the repository.
    let all_tags = matches!(compared, Compared::Reference(reference)
        if reference.tag().is_none() && reference.digest().is_some());
    let mut same = Vec::new();
    let mut tagless = Some(Vec::new());
    for (number, name) in set.iter().enumerate() {
        if **name == Name::Dangling || compared == Compared::Only(number) {
            same.push(number);
            continue;
        }
        if let Compared::Only(_) = compared {
            continue;
        }
        let Some((repository, tag)) = place(name) else {
            continue;
        };
        let Some((wanted, current_tag)) = &mut current else {
            current = Some((repository, tag));
            same.push(number);
            continue;
        };
        if !wanted.is(repository) {
            continue;
        }
        match tag {
            _ if all_tags => same.push(number),
            Some(tag) if current_tag.is_none_or(|current| current == tag) => {
                *current_tag = Some(tag);
                same.push(number);
            }
            // Another tag of the repository: it keeps the names without a tag.
            Some(_) => tagless = None,
            None => {
                if let Some(tagless) = &mut tagless {
                    tagless.push(number);
                }
            }
        }
    }
    same.extend(tagless.into_iter().flatten());
    same
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn name(text: &str) -> Name {
        match text {
            "dangling" => Name::Dangling,
            text if text.starts_with('!') => Name::Raw(text.into()),
            text if text.starts_with('=') => Name::Tag(text[1..].into()),
            text => {
                Name::Reference(Reference::parse(&text.replace("@D", &format!("@{D}"))).unwrap())
            }
        }
    }

    #[test]
    fn names_that_go_together() {
        for (set, asked, expected) in [
            ("web:1 web@D", "web:1", "web:1 web@D"),
            ("web:1 web:2 web@D", "web:1", "web:1"),
            ("web:1 web:1@D web:2", "web:1", "web:1 web:1@D"),
            ("shop:1 web:1 web:2 web@D", "web@D", "web:1 web:2 web@D"),
            ("shop:1 web@D", "web:zz@D", "web@D"),
            ("web:1", "web:zz@D", ""),
            ("shop:1", "web@D", ""),
            ("dangling", "any@D", "dangling"),
            ("web:1 dangling", "other@D", "dangling"),
            ("shop:1 web:1 dangling", "web:1", "web:1 dangling"),
            ("web:1 web:2", "", "web:1"),
            ("web:1 web@D", "", "web:1 web@D"),
            ("a:1 b:1", "", "a:1"),
            (
                "localhost:5000/x@D localhost:5000/x:t",
                "",
                "localhost:5000/x:t localhost:5000/x@D",
            ),
            ("!odd web:1", "web:1", "web:1"),
            ("=v1 =v2 web:v1", "=v1", "=v1"),
            ("=v1 web:v1", "web:v1", "web:v1"),
            ("!odd web:1 dangling", "!odd", "!odd dangling"),
        ] {
            let set: Vec<Name> = set.split_whitespace().map(name).collect();
            let names: Vec<&Name> = set.iter().collect();
            let asked = (!asked.is_empty()).then(|| name(asked));
            let compared = match &asked {
                None => Compared::First,
                Some(Name::Reference(reference)) => Compared::Reference(reference),
                Some(Name::Tag(tag)) => Compared::Tag(tag),
                Some(other) => Compared::Only(set.iter().position(|name| name == other).unwrap()),
            };
            let found: Vec<&Name> = names_together(&names, compared)
                .into_iter()
                .map(|n| &set[n])
                .collect();
            let expected: Vec<Name> = expected.split_whitespace().map(name).collect();
            let mut found: Vec<Name> = found.into_iter().cloned().collect();
            // A name with a digest and no tag comes last unless every name was asked for.
            if found.len() != expected.len() {
                panic!("{asked:?}: {found:?}");
            }
            found.retain(|name| !expected.contains(name));
            assert!(found.is_empty(), "{asked:?}: {found:?}");
        }
    }
}
