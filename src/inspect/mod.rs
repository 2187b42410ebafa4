//! LOOKING: what `ls`, `df`, `why` and `check` want to know of a snapshot. Nothing here decides or changes
//! anything.
//!
//! * `metadata`: age, labels and platforms of an image
//! * `completeness`: whether an image could be used
//! * `lacks`: what an image in the trash lacks
//! * `sizes`: bytes of an image, and bytes that would leave with it
//! * `disk_use`: what all files of a layout take
//! * `removals`: what is in the trash
//! * `tree`: what belongs to an image
//! * `order`: what stands first in a list; `listing`: the list of images
//! * `check`: whether a layout is sound
//! * `why`: what leads to a blob

pub(crate) mod check;
pub(crate) mod completeness;
pub(crate) mod disk_use;
pub(crate) mod lacks;
pub(crate) mod listing;
pub(crate) mod metadata;
pub(crate) mod order;
pub(crate) mod removals;
pub(crate) mod sizes;
pub(crate) mod tree;
pub(crate) mod why;
