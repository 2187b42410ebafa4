//! `ls`: which records are listed. In which order, and what is shown of each, is the business of
//! [`crate::inspect::listing`].

use jiff::Timestamp;

use super::draft::Draft;
use super::prune::passes;
use crate::error::{Error, ErrorKind};
use crate::filter::{Filters, Pattern};
use crate::inspect::listing::name;
use crate::inspect::metadata::ImageMetadata;
use crate::oci::config::Wanted;
use crate::snapshot::{RecordId, RecordKind, View, orphans};
use crate::value::digest::Digest;

/// What `ls` was told to list, whichever the layout.
pub(crate) struct ListOptions {
    /// Those too that belong to other images.
    all: bool,
    /// One must select a record, if there are any.
    references: Vec<ListedReference>,
    filters: Filters,
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

    /// The records of a layout that are listed, in the order of their first entries.
    ///
    /// # Errors
    /// `before` or `since` names no image of the layout, or one that has no date.
    pub(crate) fn records<M>(
        &self,
        snapshot: &View,
        metadata: &ImageMetadata<'_, M>,
    ) -> Result<impl Iterator<Item = RecordId>, Error> {
        let failed = |message| Error::new(ErrorKind::Failed, message);
        let date = |text: &String| {
            let found = Draft::new(snapshot).look_up(text);
            let found = found?;
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
            self.admit_kind(record.kind)
                && orphan.is_none_or(|asked| asked == orphans.contains(id))
                && self.admit_name(*id, snapshot)
                && passes(*id, record, &self.filters, metadata)
                && (!self.compare_dates() || metadata.stated(*id).is_some_and(&is_of_time))
        });
        Ok(listed.map(|(id, _)| id))
    }

    fn admit_name(&self, id: RecordId, snapshot: &View) -> bool {
        let record = snapshot.records.record(id);
        self.references.is_empty()
            || self.references.iter().any(|reference| {
                reference.digest.as_ref() == Some(snapshot.graph.digest(record.target))
                    || name(snapshot, id).is_some_and(|name| *name == reference.text)
                    || reference.pattern.matches(&record.name, record.key())
            })
    }
}
