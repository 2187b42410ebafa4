//! Patterns instead of names: `rmi 'acme/app:1.*'`.
//!
//! No reference can contain `*`, `?` or `[`, so an argument that has one of them is a pattern for names,
//! unless an entry is called exactly that. It means each name that it matches, in the order of
//! index.json.

use super::draft::Draft;
use super::plan::Refusal;
use crate::filter::Pattern;
use crate::snapshot::{Name, RecordId, Records, is_referrer_tag};
use crate::value::digest::Algorithm;
use crate::words::quoted;

impl Draft<'_> {
    /// The names that an argument matches, those too that are gone by now; `None` if it is no pattern.
    ///
    /// # Errors
    /// It is one that cannot be understood, or matches nothing.
    pub(super) fn matched(&self, argument: &str) -> Result<Option<Vec<RecordId>>, Refusal> {
        if !argument.contains(['*', '?', '[']) || self.has_text(argument) {
            return Ok(None);
        }
        let pattern = Pattern::parse(argument).map_err(|e| Refusal::invalid(e.to_string()))?;
        let matched = matched(self.records(), argument, &pattern);
        match matched.is_empty() {
            true => Err(Refusal::not_found(format!(
                "no name matches {}",
                quoted(argument)
            ))),
            false => Ok(Some(matched)),
        }
    }
}

pub(super) fn matched(records: &Records, text: &str, pattern: &Pattern) -> Vec<RecordId> {
    let takes_referrers = begins_as_referrer_tag(text);
    let is_meant = |name: &Name| match name {
        Name::Dangling => false,
        name => takes_referrers || !is_referrer_tag(name),
    };
    let matched = records.iter().filter(|(_, record)| {
        // What lives and dies with an image is not asked for by the name that it shares with it.
        let is_own = takes_referrers || !record.kind.is_dependent();
        is_own && is_meant(&record.name) && pattern.matches(&record.name, record.key())
    });
    matched.map(|(id, _)| id).collect()
}

/// Whether a pattern begins as the tags of referrers do: `sha256-*`, `acme/app:sha256-*`.
fn begins_as_referrer_tag(pattern: &str) -> bool {
    let tag = pattern.rsplit(['/', ':']).next().unwrap_or(pattern);
    let mut known = Algorithm::ALL.into_iter();
    known.any(|known| {
        let rest = tag.strip_prefix(known.name());
        rest.is_some_and(|rest| rest.starts_with(['-', '*', '?', '[']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::draft::tests::snapshot;

    /// FR11.
    #[test]
    fn a_pattern_means_the_names_that_it_matches() {
        let hex = "a".repeat(64);
        let rows = [
            "docker.io/acme/app:1.1=A",
            "docker.io/acme/app:1.0=B",
            "docker.io/acme/app/sub:1=C",
            "docker.io/library/web:2=D",
            &format!("docker.io/acme/app:sha256-{hex}=E"),
            &format!("docker.io/acme/app:sha256-{hex}.sig=F"),
            "dangling=G",
            "ghcr.io/acme/app:1.0=H",
        ];
        let (_, snapshot) = snapshot(&rows.join(" "));
        let matched = |text: &str| {
            let draft = Draft::new(&snapshot);
            match draft.matched(text) {
                Ok(None) => "a name".to_owned(),
                Err(refusal) => format!("{:?}", refusal.class),
                Ok(Some(found)) => {
                    let places = found
                        .iter()
                        .map(|id| draft.record(*id).entries[0].to_string());
                    places.collect::<Vec<_>>().join(" ")
                }
            }
        };
        for (pattern, expected) in [
            ("acme/app:1.*", "0 1"),
            ("acme/*", "0 1"),
            ("acme/app:1.?", "0 1"),
            ("acme/app:1.[1-9]", "0"),
            ("*", "3"),
            ("**", "0 1 2 3 7"),
            ("docker.io/acme/**", "0 1 2"),
            ("ghcr.io/*/app", "7"),
            ("acme/app:sha256-*", "4 5"),
            ("sha256-*", "NotFound"),
            ("acme/app:sha256*", "4 5"),
            ("wob:*", "NotFound"),
            ("moby-dangling*", "NotFound"),
            ("acme/app:[", "Invalid"),
            ("acme/app:1.0", "a name"),
        ] {
            assert_eq!(matched(pattern), expected, "{pattern}");
        }
    }
}
