//! ocirm removes images from OCI image layout directories with Docker's rules, and never loses data.
//!
//! A layout is a directory with `oci-layout`, `index.json` and `blobs/`. `rmi` removes images from it,
//! `untag` takes names away, `prune` removes what is unreferenced, and `restore` brings back what was
//! moved to the trash. `ls`, `why` and `check` look at it.
//!
//! # The pipeline
//!
//! ```text
//! command line → open and lock the layout → snapshot → plan → mark → garbage → commit → report
//! ```
//!
//! Each stage uses only those before it in this list (`tests/it/structure.rs` reads the imports):
//!
//! 1. [`error`]: the failures that choose an exit status; `words`: counting and listing in English
//! 2. [`value`]: typed text: digests, references, platforms, times
//! 3. `json`: JSON read where it lies, and edited without touching the rest; `workers`: threads for
//!    many small files; [`counter`]: how far long work is
//! 4. `files`: single files and who may use them; [`layout`]: the directory. Bytes, paths, locks; nothing
//!    else changes the disk
//! 5. `oci`: what each document of the specification says
//! 6. [`snapshot`]: what a layout holds at one moment
//! 7. `inspect`: what `ls`, `why` and `check` want to know of it
//! 8. `containers`: which images containers use; `filter`: which images pass a filter or a pattern
//! 9. `retention`: which images stay although they may be removed; [`plan`]: the decision. Values in, a plan out
//! 10. [`gc`]: the garbage. A whole snapshot and a plan in, a list of blobs out
//! 11. [`commit`]: the deed. index.json first, then the blobs
//! 12. `report`: the words. Values in, text or JSON out
//! 13. `layout_argument`: how a command line names a layout; `candidates`: what a word that is being typed
//!     can become, in a layout
//! 14. `help`: what help and manual pages say beside the options; `cli`: the command line's types
//! 15. `completion`: answers to shells; `manual`: the manual pages
//! 16. `commands`: wiring, one file for each command
//!
//! # What holds everywhere
//!
//! * **The plan is a value.** What a dry run prints and what [`commit`] carries out are the same
//!   plan and the same list of blobs, made by the same code.
//! * **The lock is a type.** Nothing that changes the disk exists on a layout that is locked for
//!   reading.
//! * **What was read is a type.** Only [`gc::Live`] decides what is garbage, and that is made from a
//!   snapshot of every document, in which nothing that stays is damaged.
//! * **Deciding is pure.** What goes is decided without a clock: times and ages are arguments.
//! * **What could not be read decides nothing.** A document that is there and cannot be trusted stops
//!   every deletion as long as something that stays leads to it; one that is missing does not, since
//!   layouts may be sparse.
//!
//! # The same as a program
//!
//! Modules that are not linked above are the program's own.
//!
//! ```
//! use ocirm::commit::{Attempt, Change, Watch, delete};
//! use ocirm::gc::{self, TrashUse};
//! use ocirm::layout::{Layout, LockOptions, Trash};
//! use ocirm::plan::Draft;
//! use ocirm::plan::rmi::RmiOptions;
//! use ocirm::snapshot::Snapshot;
//!
//! # fn main() -> anyhow::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path();
//! # std::fs::create_dir_all(path.join("blobs/sha256"))?;
//! # std::fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
//! # let text = r#"{"layers":[]}"#;
//! # let image = ocirm::value::digest::Algorithm::Sha256.hash(text.as_bytes());
//! # std::fs::write(path.join("blobs/sha256").join(image.encoded()), text)?;
//! # let index = format!(r#"{{"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{image}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"v1"}}}}]}}"#, text.len());
//! # std::fs::write(path.join("index.json"), index)?;
//! let options = LockOptions::default();
//! let layout = Layout::open(path)?.lock_exclusive(&options)?;
//! let snapshot = Snapshot::read(&layout, &[], &Trash::default(), &mut |_| ())?;
//!
//! let mut draft = Draft::new(&snapshot);
//! draft.rmi("v1", &RmiOptions::default(), &|_| None);
//! let plan = draft.finish();
//! let live = gc::mark(&snapshot, &plan)?;
//! let mut garbage = gc::rmi(&snapshot, &live, &layout)?;
//! println!("frees {} bytes", garbage.freed_bytes());
//!
//! let trash = TrashUse::default();
//! let now = jiff::Timestamp::now();
//! let change = Change::new(&snapshot, &plan, Some(&live), &garbage, &trash, &[], now);
//! let done = Watch::nobody(|watch| delete(layout, &change, &mut garbage, &options, watch))?;
//! assert!(matches!(done, Attempt::Done(_)));
//! # assert_eq!(garbage.blobs.len(), 1);
//! # assert!(!path.join("blobs/sha256").join(image.encoded()).exists());
//! # Ok(())
//! # }
//! ```

#[cfg(not(unix))]
compile_error!(
    "ocirm works on Unix systems alone: it relies on locks, renames and directories as these have them. \
     On Windows, install and run it in WSL 2."
);

#[cfg(unix)]
pub mod error;

#[cfg(unix)]
mod words;

#[cfg(unix)]
pub mod value;

#[cfg(unix)]
#[doc(hidden)]
pub mod json;

#[cfg(unix)]
pub mod counter;
#[cfg(unix)]
mod workers;

#[cfg(unix)]
mod files;

#[cfg(unix)]
pub mod layout;

#[cfg(unix)]
#[doc(hidden)]
pub mod oci;

#[cfg(unix)]
pub mod snapshot;

#[cfg(unix)]
mod inspect;

#[cfg(unix)]
#[doc(hidden)]
pub mod containers;

#[cfg(unix)]
#[doc(hidden)]
pub mod filter;

#[cfg(unix)]
#[doc(hidden)]
pub mod retention;

#[cfg(unix)]
pub mod plan;

#[cfg(unix)]
pub mod gc;

#[cfg(unix)]
pub mod commit;

#[cfg(unix)]
#[doc(hidden)]
pub mod report;

#[cfg(unix)]
mod layout_argument;

#[cfg(unix)]
#[doc(hidden)]
pub mod candidates;

#[cfg(unix)]
#[doc(hidden)]
pub mod help;

#[cfg(unix)]
#[doc(hidden)]
pub mod cli;

#[cfg(unix)]
#[doc(hidden)]
pub mod completion;

#[cfg(unix)]
#[doc(hidden)]
pub mod manual;

#[cfg(unix)]
#[doc(hidden)]
pub mod commands;
