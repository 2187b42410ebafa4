//! RETENTION: which images stay although they may be removed.
//!
//! Options of `prune` and the rules of a policy file build one [`Policy`]. It counts images, in each
//! repository by itself, and says of each name of a layout what keeps it, or that nothing does. Nothing
//! here reads a clock or a layout: what is counted, and how old it is, are arguments.
//!
//! * `policy`: what is to stay, as a value
//! * `options`: the values of the options that count; `file`: the policy file; `reader`: its values
//! * `version`: tags that are semantic versions; `newest`: which of some images are the newest
//! * `decide`: what becomes of each name

pub mod decide;
pub mod file;
mod newest;
pub mod options;
pub mod policy;
mod reader;
mod version;

pub use decide::{Decided, NameRow, Verdict};
pub(crate) use decide::{Facts, decide};
pub use file::parse_policy;
pub use newest::EquallyOld;
pub(crate) use newest::{Aged, in_line, tied};
pub use policy::{Count, Keep, Limit, Order, Part, Period, Policy, Rule, Rules, Scope, TagPattern};
pub(crate) use policy::{means, tag_of};
