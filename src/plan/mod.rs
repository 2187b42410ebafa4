//! THE DECISION: values in, a [`Plan`] out. Nothing here reads a clock, a file or an environment.
//!
//! * `plan`: what a command does, as a value
//! * `draft`: the records, as the arguments so far left them
//! * `lookup`: which image a person means; `names_together`: which of its names go together;
//!   `patterns`: which names a pattern means
//! * `rmi`, `rmi_parts`, `untag`, `prune`: what each command removes; `ls`: what it lists
//! * `rewrite_index`: an index without some of its manifests
//! * `retention`: what the policy keeps; `keep`: what the patterns of `--keep` do; `decisions`: what is
//!   said of each name
//! * `metadata`: what decisions ask about images beside their names
//! * `restore`: what comes back from the trash
//!
//! The same plan is shown by a dry run and carried out by a real one.

mod decisions;
mod draft;
mod keep;
pub mod lookup;
pub(crate) mod ls;
pub(crate) mod metadata;
pub mod names_together;
mod patterns;
#[expect(
    clippy::module_inception,
    reason = "the value that the folder is about has a file of its own"
)]
mod plan;
pub mod prune;
pub mod restore;
pub mod retention;
pub mod rewrite_index;
pub mod rmi;
mod rmi_parts;
mod suggest;
pub mod untag;

pub use crate::filter::{FilterUse, Filters, Pattern};
pub use draft::Draft;
pub use plan::{Action, KeptImage, NameDecision, Note, Plan, Refusal, RefusalClass, Rewrite};
pub use prune::PruneOptions;
pub use retention::{Retention, Room};
pub use rmi::{PartSelection, RmiOptions};
