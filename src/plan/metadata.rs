//! What decisions ask about images beside their names. Whoever decides is given the answers; where
//! they come from is `inspect::metadata`'s business, and tests make them up.

use jiff::Timestamp;

use crate::inspect::completeness::Completeness;
use crate::inspect::metadata::{Created, ImageMetadata};
use crate::oci::config::Labels;
use crate::snapshot::records::RecordId;

/// What decisions need to know of images beside their names, asked only where a filter needs it.
pub(crate) trait Metadata {
    /// When the image was created, and who says so; see `ImageMetadata::created`.
    fn created(&self, record: RecordId) -> Created;
    /// How much of the image the layout holds.
    fn completeness(&self, record: RecordId) -> Completeness;
    /// Told of which records [`Metadata::arrived`] will be asked, for finding out many at once is
    /// faster.
    fn expect_arrivals(&self, _: &[RecordId]) {}
    /// When the image came into the layout.
    fn arrived(&self, record: RecordId) -> Timestamp;
    /// The labels of each of its configs that are there.
    fn labels(&self, record: RecordId) -> Vec<Labels>;
}

impl<M> Metadata for ImageMetadata<'_, M> {
    fn created(&self, record: RecordId) -> Created {
        self.created(record)
    }
    fn completeness(&self, record: RecordId) -> Completeness {
        self.completeness(record)
    }
    fn expect_arrivals(&self, records: &[RecordId]) {
        self.read_arrivals(records);
    }
    fn arrived(&self, record: RecordId) -> Timestamp {
        self.arrived(record)
    }
    fn labels(&self, record: RecordId) -> Vec<Labels> {
        self.labels(record)
    }
}
