//! `ls`: which records are listed. In which order, and what is shown of each, is the business of
//! [`crate::inspect::listing`].

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use super::draft::Draft;
use super::plan::{Refusal, RefusalClass};
use super::prune::passes;
use crate::error::{Error, ErrorKind};
use crate::filter::{Filters, Pattern};
use crate::inspect::listing::name;
use crate::inspect::metadata::ImageMetadata;
use crate::oci::config::Wanted;
use crate::snapshot::{RecordId, RecordKind, View, orphans};
use crate::value::digest::Digest;
use crate::words::quoted;

/// What `ls` was told to list, whichever the layout.
pub(crate) struct ListOptions {
    /// Those too that belong to other images.
    all: bool,
    /// One must select a record, if there are any.
    references: Vec<ListedReference>,
    filters: Filters,
}

/// What the references select in one layout.
#[derive(Debug, Default)]
pub(crate) struct Selected {
    /// `None`: there are no references, and all records are.
    records: Option<HashSet<RecordId>>,
    /// What belongs to other images, and is all that a reference finds.
    belongings: HashSet<RecordId>,
    /// References that find nothing, and why.
    pub(crate) not_found: BTreeMap<String, Refusal>,
    /// Filters whose pattern matches nothing, although one like it does, and how that is said.
    pub(crate) unmatched: BTreeMap<String, Option<String>>,
}

/// A reference that was given.
struct ListedReference {
    text: String,
    pattern: Pattern,
    /// If it is one.
    digest: Option<Digest>,
}

impl ListOptions {
    /// Understands references.
    ///
    /// # Errors
    /// Exit status 2: one is no pattern.
    pub(crate) fn new(
        all: bool,
        references: &[String],
        filters: Filters,
    ) -> Result<ListOptions, Error> {
        let references = references.iter().map(|text| {
            Ok(ListedReference {
                text: text.clone(),
                pattern: Pattern::parse(text)?,
                digest: text.parse().ok(),
            })
        });
        Ok(ListOptions {
            all,
            references: references.collect::<Result<_, Error>>()?,
            filters,
        })
    }

    /// Whether the kind of a record is all that has to be known of it.
    pub(crate) fn need_only_kinds(&self) -> bool {
        self.filters.is_empty() && self.references.is_empty()
    }

    /// Whether the options let records of this kind pass.
    pub(crate) fn admit_kind(&self, kind: RecordKind) -> bool {
        let dangling = self.filters.dangling;
        (self.all || !kind.is_dependent())
            && dangling.is_none_or(|wanted| wanted == (kind == RecordKind::Dangling))
    }

    /// What has to be read of configs, to list dates and to select.
    pub(crate) fn wanted(&self) -> Wanted {
        match self.filters.need_configs() {
            true => Wanted::Labels,
            false => Wanted::Dates,
        }
    }

    /// Whether configs have to be read to select, whatever is shown.
    pub(crate) fn select_by_configs(&self) -> bool {
        let filters = &self.filters;
        filters.need_configs() || filters.need_dates() || self.compare_dates()
    }

    fn compare_dates(&self) -> bool {
        !self.filters.before.is_empty() || !self.filters.since.is_empty()
    }

    /// Looks the references up, as `rmi` does, and finds out which patterns of filters match nothing.
    /// `suggest`: what finds nothing says what exists instead.
    pub(crate) fn select(&self, view: &View, suggest: bool) -> Selected {
        let mut draft = Draft::new(view);
        let mut selected = Selected {
            unmatched: draft.unmatched_filters(&self.filters),
            ..Selected::default()
        };
        if self.references.is_empty() {
            return selected;
        }
        let mut all = HashSet::new();
        for reference in &self.references {
            match self.select_one(reference, view, &mut draft) {
                Ok(found) => {
                    let is_dependent = |id: &RecordId| view.records.record(*id).kind.is_dependent();
                    if found.iter().all(is_dependent) {
                        selected.belongings.extend(&found);
                    }
                    all.extend(found);
                }
                Err(refusal) => {
                    let refusal = match suggest {
                        true => draft.suggested(&reference.text, refusal),
                        false => refusal,
                    };
                    selected.not_found.insert(reference.text.clone(), refusal);
                }
            }
        }
        selected.records = Some(all);
        selected
    }

    /// What a reference selects: what `rmi` finds by it, and all names that it matches as a pattern.
    fn select_one(
        &self,
        reference: &ListedReference,
        view: &View,
        draft: &mut Draft<'_>,
    ) -> Result<Vec<RecordId>, Refusal> {
        let text = &reference.text;
        let records = view.records.iter().map(|(id, _)| id);
        let mut found: Vec<RecordId> = records.filter(|id| reference.matches(*id, view)).collect();
        // No name can have these, unless an entry is called exactly so.
        let meant = match text.contains(['*', '?', '[']) && !draft.has_text(text) {
            true => Err(Refusal::not_found(format!(
                "no name matches {}",
                quoted(text)
            ))),
            false => draft.meant_records(text),
        };
        match meant {
            Ok(meant) => found.extend(meant),
            Err(refusal) if found.is_empty() => {
                return Err(match refusal.class {
                    RefusalClass::NotFound | RefusalClass::Invalid => refusal,
                    _ => Refusal::not_found(format!("{} is a part of images", quoted(text)))
                        .hint("`ocirm ls --tree` shows what images consist of"),
                });
            }
            Err(_) => {}
        }
        Ok(found)
    }

    /// The records of a layout that are listed, in the order of their first entries.
    ///
    /// # Errors
    /// `before` or `since` names no image of the layout, or one that has no date.
    pub(crate) fn records<M>(
        &self,
        snapshot: &View,
        selected: &Selected,
        metadata: &ImageMetadata<'_, M>,
    ) -> Result<impl Iterator<Item = RecordId>, Error> {
        let failed = |message| Error::new(ErrorKind::Failed, message);
        let date = |text: &String| {
            let mut draft = Draft::new(snapshot);
            let found = draft.look_up(text);
            let found = found.map_err(|refusal| draft.suggested(text, refusal))?;
            let created = metadata.stated(found.record().unwrap_or(found.set[0]));
            created.ok_or_else(|| failed(format!("`{text}` has no date to compare with")))
        };
        let dates = |texts: &[String]| texts.iter().map(date).collect::<Result<Vec<_>, Error>>();
        let (before, since) = (dates(&self.filters.before)?, dates(&self.filters.since)?);
        // As in Docker, an image of which nobody says when it was created never passes.
        let is_of_time = move |created: Timestamp| {
            before.iter().all(|bound| created < *bound)
                && since.iter().all(|bound| created > *bound)
        };
        let orphan = self.filters.orphan;
        let orphans = orphan.map(|_| orphans(snapshot)).unwrap_or_default();
        let listed = snapshot.records.iter().filter(move |(id, record)| {
            (self.admit_kind(record.kind) || selected.belongings.contains(id))
                && orphan.is_none_or(|asked| asked == orphans.contains(id))
                && selected.records.as_ref().is_none_or(|all| all.contains(id))
                && passes(*id, record, &self.filters, metadata)
                && (!self.compare_dates() || metadata.stated(*id).is_some_and(&is_of_time))
        });
        Ok(listed.map(|(id, _)| id))
    }
}

impl ListedReference {
    /// Whether it selects a record as a pattern, as a digest, or by the name as it is shown.
    fn matches(&self, id: RecordId, view: &View) -> bool {
        let record = view.records.record(id);
        self.digest.as_ref() == Some(view.graph.digest(record.target))
            || name(view, id).is_some_and(|name| *name == self.text)
            || self.pattern.matches(&record.name, record.key())
    }
}
