//! What a person may have meant by a name or a pattern that finds nothing: another tag of the same
//! repository, the same image of another registry, a name with few other letters. All names are looked
//! at, once for each of the first few arguments that find nothing, and never where something is found.
//! Nothing is suggested that would not be found if it were typed.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::patterns::matched;
use super::plan::{Refusal, RefusalClass};
use crate::filter::{Filters, Pattern};
use crate::snapshot::{Name, RecordId, is_referrer_tag};
use crate::value::reference::Reference;
use crate::value::transport::elsewhere;
use crate::words::{listed, quoted, shell_word};

/// How many arguments of a command are looked into; a script may give thousands that are gone.
const MOST_ARGUMENTS: u32 = 8;

/// Names that a message lists.
const MOST_NAMES: usize = 3;

/// Names that are tried, to find some that can be listed.
const MOST_TRIED: usize = 24;

/// Texts that are longer are compared with nothing: nobody has mistyped them.
const MAX_COMPARED_BYTES: usize = 256;

/// Letters are compared of no longer text, and of no more names: the time grows with the lengths of both
/// and the number of all, while a lock is held.
const MAX_LETTERS: usize = 64;
const MOST_COMPARED: usize = 10_000;

/// Of how many names that are equally near the order is one by letters.
const MOST_ORDERED: usize = 1_000;

/// How many letters of a name may be wrong.
const MOST_WRONG_LETTERS: usize = 3;

/// How near a name is to what was typed, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    /// The same repository or one that ends so, and another tag of the first or the same of the second.
    Near,
    /// A repository with the same last part, and the same tag; or the same plain tag.
    SameTag,
    /// A repository with the same last part.
    SamePart,
    /// So many other letters.
    Letters(usize),
}

impl Draft<'_> {
    /// Adds to the refusal of an argument that means nothing what it may have meant.
    pub fn suggested(&mut self, argument: &str, refusal: Refusal) -> Refusal {
        let is_unknown = matches!(
            refusal.class,
            RefusalClass::NotFound | RefusalClass::Invalid
        );
        if !is_unknown || refusal.hint.is_some() || argument.len() > MAX_COMPARED_BYTES {
            return refusal;
        }
        if self.suggestions == MOST_ARGUMENTS {
            return refusal;
        }
        self.suggestions += 1;
        if argument.contains(['*', '?', '[']) {
            return match self.wider_pattern(argument) {
                Some(wider) => refusal.hint(wider),
                None => refusal,
            };
        }
        let (nearness, names) = self.near_names(argument);
        if names.is_empty() {
            return match elsewhere(argument) {
                Some(elsewhere) if refusal.class == RefusalClass::Invalid => Refusal {
                    message: elsewhere.message,
                    hint: Some(elsewhere.hint),
                    ..refusal
                },
                Some(elsewhere) => {
                    refusal.hint(format!("{}; {}", elsewhere.message, elsewhere.hint))
                }
                None => refusal,
            };
        }
        match nearness {
            Nearness::Letters(_) => refusal.hint(format!("did you mean {}?", one_of(&names))),
            _ => {
                let verb = if names.len() == 1 { "exists" } else { "exist" };
                let message = format!("{}; {} {verb}", refusal.message, listed(&names, MOST_NAMES));
                Refusal { message, ..refusal }
            }
        }
    }

    /// The names that are nearest to a text, and how near they are. Those that a message lists are
    /// found if they are typed.
    fn near_names(&mut self, argument: &str) -> (Nearness, Vec<String>) {
        let typed = Typed::new(argument, self.records().iter().count());
        let mut best = Nearness::Letters(MOST_WRONG_LETTERS);
        let mut found: Vec<RecordId> = Vec::new();
        for (id, record) in self.records().iter() {
            if record.kind.is_dependent()
                || !self.is_present(id)
                || self.is_dangling(id)
                || is_referrer_tag(&record.name)
            {
                continue;
            }
            let Some(nearness) = typed.nearness(&record.name, best) else {
                continue;
            };
            if nearness < best {
                best = nearness;
                found.clear();
            }
            found.push(id);
        }
        let is_ordered = found.len() <= MOST_ORDERED;
        let letters = |id| match is_ordered {
            true => typed.letters(&self.records().record(id).name),
            false => 0,
        };
        let shown = |id| self.shown(id);
        let mut names: Vec<(usize, String)> = found
            .into_iter()
            .map(|id| (letters(id), shown(id)))
            .collect();
        names.sort();
        names.dedup();
        let mut names: Vec<String> = names.into_iter().map(|(_, name)| name).collect();
        let mut at = 0;
        for _ in 0..MOST_TRIED {
            if at == MOST_NAMES || at == names.len() {
                break;
            }
            match self.is_typable(&names[at]) {
                true => at += 1,
                false => {
                    names.remove(at);
                }
            }
        }
        if at < MOST_NAMES {
            names.truncate(at);
        }
        (best, names.iter().map(|name| shell_word(name)).collect())
    }

    /// Whether a text finds one image if it is typed.
    fn is_typable(&mut self, text: &str) -> bool {
        let notes = self.plan.notes.len();
        let is_found = self.look_up(text).is_ok();
        self.plan.notes.truncate(notes);
        // What is shown in another way than it is written cannot be copied.
        is_found && !text.chars().any(char::is_control)
    }

    /// The `reference=` filters that match no name at all where a wider pattern would, and how that is
    /// said. One that nothing is like may match tomorrow.
    pub(super) fn unmatched_filters(&self, filters: &Filters) -> BTreeMap<String, Option<String>> {
        let is_unmatched = |pattern: &&Pattern| {
            let mut records = self.records().iter();
            !records.any(|(_, record)| pattern.matches(&record.name, record.key()))
        };
        let unmatched = filters.references.iter().filter(is_unmatched);
        let said = unmatched
            .take(MOST_ARGUMENTS as usize)
            .filter_map(|pattern| {
                let wider = self.wider_pattern(pattern.text())?;
                let filter = format!("--filter reference={}", pattern.text());
                Some((filter, Some(wider)))
            });
        said.collect()
    }

    /// A pattern like this one, which matches nothing, that matches something: as the end of a sentence.
    pub(super) fn wider_pattern(&self, text: &str) -> Option<String> {
        // A star at the beginning of a part, or of all of it, crosses slashes so.
        let crossing = text.replace("/*", "/**/*");
        // Of a name the tag may be what is wrong.
        let other_tags = match text.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => format!("{repository}:*"),
            _ => text.to_owned(),
        };
        let wider = [
            format!("**/{text}"),
            format!("{text}*"),
            format!("**/{text}*"),
            crossing,
            format!("**/*{}*", text.trim_matches('*')),
            other_tags,
        ];
        let mut others = wider.into_iter().filter(|wider| wider != text);
        others.find_map(|wider| {
            let pattern = Pattern::parse(&wider).ok()?;
            let found = matched(self.records(), &wider, &pattern);
            let mut names: Vec<String> = Vec::new();
            for id in found {
                if self.is_present(id) && !self.is_dangling(id) {
                    match names.len() {
                        0 => names.push(shell_word(&self.shown(id))),
                        // Only counted.
                        _ => names.push(String::new()),
                    }
                }
            }
            (!names.is_empty()).then(|| {
                let wider = shell_word(&wider);
                format!("{} matches {}", quoted(&wider), listed(&names, 1))
            })
        })
    }
}

/// `a, b or c`; of more than a message lists, the first ones.
fn one_of(names: &[String]) -> String {
    let names = &names[..names.len().min(MOST_NAMES)];
    match names {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        names => names.concat(),
    }
}

/// What was typed, taken apart.
struct Typed {
    /// In lower case, in which nearly all names are.
    text: String,
    reference: Option<Reference>,
    has_tag: bool,
    /// Other letters that are still near; `None`: letters are not compared.
    most_letters: Option<usize>,
}

impl Typed {
    /// `names` is how many names it is compared with.
    fn new(text: &str, names: usize) -> Typed {
        let text = text.to_lowercase();
        let is_cheap = text.len() <= MAX_LETTERS && names <= MOST_COMPARED;
        let most_letters = (text.len() / 3).min(MOST_WRONG_LETTERS);
        let reference = Reference::parse(&text).ok();
        Typed {
            has_tag: reference.as_ref().is_some_and(|r| r.tag().is_some()),
            reference: reference.map(Reference::with_default_tag),
            most_letters: is_cheap.then_some(most_letters),
            text,
        }
    }

    /// How near a name is; `None` if it is farther than `best`.
    fn nearness(&self, name: &Name, best: Nearness) -> Option<Nearness> {
        let by_parts = self.nearness_by_parts(name);
        by_parts
            .or_else(|| self.nearness_by_letters(name, best))
            .filter(|nearness| *nearness <= best)
    }

    /// By how many letters the tag of a name differs from the one that was typed.
    fn letters(&self, name: &Name) -> usize {
        let typed = self.reference.as_ref().and_then(Reference::tag);
        match (typed, name) {
            (Some(typed), Name::Reference(reference)) if typed.len() <= MAX_LETTERS => {
                strsim::levenshtein(typed, reference.tag().unwrap_or_default())
            }
            _ => 0,
        }
    }

    fn nearness_by_parts(&self, name: &Name) -> Option<Nearness> {
        let typed = self.reference.as_ref()?;
        let tag = typed.tag().unwrap_or_default();
        let reference = match name {
            Name::Reference(reference) => reference,
            Name::Tag(text) => {
                let is_tag = self.has_tag && **text == *tag;
                return is_tag.then_some(Nearness::SameTag);
            }
            Name::Raw(_) | Name::Dangling => return None,
        };
        let other_tag = reference.tag().unwrap_or_default();
        if reference.same_repository(typed) {
            return Some(Nearness::Near);
        }
        let (own, other) = (typed.familiar_repository(), reference.repository());
        let last = |repository: &str| repository.rsplit('/').next().map(str::to_owned);
        if last(&own) != last(&other) {
            return None;
        }
        let ends_so = other
            .strip_suffix(&own)
            .is_some_and(|rest| rest.ends_with('/'));
        let same_tag = tag == other_tag;
        Some(match (ends_so, same_tag) {
            (true, true) => Nearness::Near,
            (_, true) => Nearness::SameTag,
            (_, false) => Nearness::SamePart,
        })
    }

    fn nearness_by_letters(&self, name: &Name, best: Nearness) -> Option<Nearness> {
        let Nearness::Letters(most) = best else {
            return None;
        };
        let most = most.min(self.most_letters?);
        let compare = |text: &str| {
            let is_near = text.len().abs_diff(self.text.len()) <= most;
            let distance = || strsim::levenshtein(&self.text, &text.to_lowercase());
            is_near.then(distance).filter(|distance| *distance <= most)
        };
        let distance = match name {
            Name::Reference(reference) => {
                let familiar = reference.familiar();
                // Who leaves the registry out means the last part.
                let part = familiar
                    .rsplit('/')
                    .next()
                    .filter(|_| !self.text.contains('/'));
                let whole = compare(&familiar).into_iter();
                let whole = whole.chain(part.and_then(compare)).min();
                let repository = || compare(&reference.familiar_repository());
                match self.has_tag {
                    true => whole,
                    false => repository().into_iter().chain(whole).min(),
                }
            }
            Name::Tag(text) | Name::Raw(text) => compare(text),
            Name::Dangling => None,
        };
        distance.map(Nearness::Letters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::draft::tests::snapshot;

    fn said(images: &str, argument: &str) -> String {
        let (_, snapshot) = snapshot(images);
        let mut draft = Draft::new(&snapshot);
        let found = match draft.matched(argument) {
            Ok(None) => draft.look_up(argument).map(|_| ()),
            Ok(Some(_)) => Ok(()),
            Err(refusal) => Err(refusal),
        };
        let refusal = draft.suggested(argument, found.unwrap_err());
        match refusal.hint {
            Some(hint) => format!("{} | {hint}", refusal.message),
            None => refusal.message,
        }
    }

    /// I5.
    #[test]
    fn what_is_near_is_said() {
        let hub = "docker.io/library";
        for (images, argument, expected) in [
            // Other tags of the repository.
            (
                format!("{hub}/app:1.0=A"),
                "app",
                "No such image: app:latest; app:1.0 exists",
            ),
            (
                format!("{hub}/app:1.0=A {hub}/app:1.1=B"),
                "app:1.2",
                "No such image: app:1.2; app:1.0 and app:1.1 exist",
            ),
            (
                format!("{hub}/app:2=A {hub}/app:3=B {hub}/app:4=C {hub}/app:19=D {hub}/app:55=E"),
                "app:1",
                "No such image: app:1; app:19, app:2, app:3 and 2 more exist",
            ),
            // The same image of another registry.
            (
                "registry.example.com/shop/web:1.0=A ghcr.io/web:2=B".to_owned(),
                "web:1.0",
                "No such image: web:1.0; registry.example.com/shop/web:1.0 exists",
            ),
            (
                "ghcr.io/shop/web:1.0=A".to_owned(),
                "quay.io/shop/web:1.0",
                "No such image: quay.io/shop/web:1.0; ghcr.io/shop/web:1.0 exists",
            ),
            (
                "ghcr.io/shop/web:1.0=A ghcr.io/shop/cobweb:1.0=B".to_owned(),
                "web",
                "No such image: web:latest; ghcr.io/shop/web:1.0 exists",
            ),
            // A wrong letter.
            (
                format!("{hub}/alpine:3=A {hub}/web:3=B"),
                "alpin:3",
                "No such image: alpin:3 | did you mean alpine:3?",
            ),
            (
                format!("{hub}/alpine:3=A {hub}/alpine:4=B"),
                "alpien",
                "No such image: alpien:latest | did you mean alpine:3 or alpine:4?",
            ),
            (
                format!("{hub}/app:1=A"),
                "App:1",
                "`App:1`: invalid reference format: repository name (library/App) must be \
                 lowercase; app:1 exists",
            ),
            (
                "ghcr.io/shop/web:1.0=A".to_owned(),
                "wed:1.0",
                "No such image: wed:1.0 | did you mean ghcr.io/shop/web:1.0?",
            ),
            // Nothing is like it.
            (
                format!("{hub}/web:1=A"),
                "ghost",
                "No such image: ghost:latest",
            ),
            (String::new(), "ghost", "No such image: ghost:latest"),
            // Where names of other tools are asked for.
            (
                format!("{hub}/web:1=A"),
                "docker://ghost",
                "`docker://ghost` is an image in a registry, and no layout directory | `skopeo copy \
                 --all docker://ghost oci:DIR:TAG` copies it into a layout",
            ),
            // Patterns.
            (
                "ghcr.io/shop/web:1.0=A ghcr.io/shop/web:1.1=B".to_owned(),
                "web:*",
                "no name matches `web:*` | `'**/web:*'` matches ghcr.io/shop/web:1.0 and 1 more",
            ),
            (
                "ghcr.io/shop/web:1.0=A".to_owned(),
                "ghcr.io/*:1.0",
                "no name matches `ghcr.io/*:1.0` | `'ghcr.io/**/*:1.0'` matches ghcr.io/shop/web:1.0",
            ),
            (format!("{hub}/web:1=A"), "x*y", "no name matches `x*y`"),
        ] {
            assert_eq!(said(&images, argument), expected, "{argument} in {images}");
        }
    }

    /// I5.
    #[test]
    fn what_is_suggested_is_found_if_it_is_typed() {
        // Two images of one name: whoever types it is told that it is ambiguous.
        let images =
            "docker.io/library/app:1=A docker.io/library/app:1=B docker.io/library/app:2=C";
        assert_eq!(said(images, "app:3"), "No such image: app:3; app:2 exists");
    }

    /// I5: of very many names other tags are named in the order of names, and no letters are compared.
    #[test]
    fn of_very_many_names_no_letters_are_compared() {
        let images = |count: usize| -> String {
            let one = |n| format!("docker.io/library/app:{n:05}=A{n}");
            (0..count).map(one).collect::<Vec<_>>().join(" ")
        };
        let (few, many) = (images(MOST_ORDERED), images(MOST_COMPARED + 1));
        let ordered = said(&few, "app:00777x");
        assert!(ordered.contains("; app:00777, "), "{ordered}");
        let sorted = said(&many, "app:00777x");
        assert!(sorted.contains("; app:00000, app:00001, "), "{sorted}");
        assert!(said(&few, "aqq:00001").contains("did you mean app:00001"));
        assert_eq!(said(&many, "aqq:00001"), "No such image: aqq:00001");
    }

    /// I5.
    #[test]
    fn only_some_arguments_are_looked_into() {
        let (_, snapshot) = snapshot("docker.io/library/app:1=A");
        let mut draft = Draft::new(&snapshot);
        let mut suggested = 0;
        for _ in 0..2 * MOST_ARGUMENTS {
            let refusal = draft.look_up("app:2").unwrap_err();
            suggested += u32::from(draft.suggested("app:2", refusal).message.contains("exists"));
        }
        assert_eq!(suggested, MOST_ARGUMENTS);
    }
}
