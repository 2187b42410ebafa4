//! `ls`: which records are listed. In which order, and what is shown of each, is the business of
//! [`crate::inspect::listing`].

use jiff::Timestamp;

use super::draft::Draft;
use super::filter::{Filters, Pattern};
use super::prune::passes;
use crate::error::{Error, ErrorKind};
use crate::inspect::listing::name;
use crate::inspect::metadata::ImageMetadata;
use crate::oci::config::Wanted;
use crate::snapshot::View;
use crate::snapshot::records::{Record, RecordId, RecordKind};
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

/// Which records of one layout are listed.
pub(crate) struct Selection<'a, 's, M> {
    options: &'a ListOptions,
    snapshot: &'s View,
    metadata: &'a ImageMetadata<'s, M>,
    /// The dates that `before` and `since` compare with.
    before: Vec<Timestamp>,
    since: Vec<Timestamp>,
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
        filters.need_configs()
            || filters.need_dates()
            || !filters.before.is_empty()
            || !filters.since.is_empty()
    }

    /// The selection in one layout.
    ///
    /// # Errors
    /// `before` or `since` names no image of the layout, or one that has no date.
    pub(crate) fn in_layout<'a, 's, M>(
        &'a self,
        snapshot: &'s View,
        metadata: &'a ImageMetadata<'s, M>,
    ) -> Result<Selection<'a, 's, M>, Error> {
        let failed = |message| Error::new(ErrorKind::Failed, message);
        let date = |text: &String| {
            let found = Draft::new(snapshot).look_up(text);
            let found = found.map_err(|refusal| failed(refusal.message))?;
            let built = metadata.built(found.set[0]);
            built.ok_or_else(|| failed(format!("`{text}` has no date to compare with")))
        };
        Ok(Selection {
            options: self,
            snapshot,
            metadata,
            before: self
                .filters
                .before
                .iter()
                .map(date)
                .collect::<Result<_, _>>()?,
            since: self
                .filters
                .since
                .iter()
                .map(date)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl<M> Selection<'_, '_, M> {
    /// The records, in the order of their first entries.
    pub(crate) fn records(&self) -> impl Iterator<Item = RecordId> {
        let records = self.snapshot.records.iter();
        let selected = records.filter(|(id, record)| {
            self.options.admit_kind(record.kind)
                && self.is_named(record)
                && passes(*id, record, &self.options.filters, self.metadata)
                && self.is_of_time(*id)
        });
        selected.map(|(id, _)| id)
    }

    fn is_named(&self, record: &Record) -> bool {
        let references = &self.options.references;
        references.is_empty()
            || references.iter().any(|reference| {
                reference.digest.as_ref() == Some(self.snapshot.graph.digest(record.target))
                    || name(record).is_some_and(|name| *name == reference.text)
                    || reference.pattern.matches(&record.name, record.key())
            })
    }

    fn is_of_time(&self, id: RecordId) -> bool {
        if self.before.is_empty() && self.since.is_empty() {
            return true;
        }
        // Docker compares what the configs say, and an image without a date never passes.
        self.metadata.built(id).is_some_and(|built| {
            self.before.iter().all(|bound| built < *bound)
                && self.since.iter().all(|bound| built > *bound)
        })
    }
}
