//! ocirm removes images from OCI image layout directories with Docker's rules, and never loses data.
//!
//! This is the library of the program `ocirm`. [`Layout`] is an OCI image layout, the directory that skopeo,
//! umoci, crane, oras, podman and BuildKit write: it lists its images, and runs [`Prune`], [`Rmi`] and
//! [`Untag`], with a dry run before if you like. That is the same code as the program's, with its rules, its
//! locks and its refusals; it prints nothing, catches no signal, and of the environment it reads nothing but
//! `TZ`, where a filter names a day without an offset.
//!
//! ```
//! use ocirm::{Layout, Prune};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path();
//! # std::fs::create_dir_all(path.join("blobs/sha256"))?;
//! # std::fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
//! # std::fs::write(path.join("index.json"), r#"{"manifests":[]}"#)?;
//! let layout = Layout::open(path)?;
//! for image in layout.images()? {
//!     println!("{} {:?} {} bytes", image.digest, image.name, image.size);
//! }
//! let prune = Prune::new().all().keep_last("3").trash(true);
//! let shown = layout.dry_run(&prune)?;
//! println!("would remove {:?} and free {} bytes", shown.untagged, shown.freed_bytes);
//! let done = layout.run(&prune.at_most(&shown))?;
//! for failure in &done.failures {
//!     eprintln!("{}", failure.message);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Failures that a program branches on are an [`ErrorKind`]: a layout that somebody else has locked, one that
//! is damaged, a command that cannot be understood. `examples/prune.rs` is a whole program.
//!
//! # What stays as it is
//!
//! What this page shows follows [semantic versioning](https://semver.org): `docs/public-api.txt` in the repository
//! lists it, and a check compares the two. The modules that are public and not shown here are the program's own, for
//! its tests: anything in them may change at any time.
//!
//! # For who works on ocirm
//!
//! `rmi` removes images from a layout, `untag` takes names away, `prune` removes what is unreferenced, and
//! `restore` brings back what was moved to the trash. `ls`, `df`, `why` and `check` look at it.
//!
//! ## The pipeline
//!
//! ```text
//! command line → open and lock the layout → snapshot → plan → mark → garbage → commit → report
//! ```
//!
//! Each stage uses only those before it in this list (`tests/it/structure.rs` reads the imports):
//!
//! 1. `error`: the failures that choose an exit status; `words`: counting and listing in English
//! 2. `value`: typed text: digests, references, platforms, times
//! 3. `json`: JSON read where it lies, and edited without touching the rest; `workers`: threads for
//!    many small files; `counter`: how far long work is
//! 4. `files`: single files and who may use them; `layout`: the directory. Bytes, paths, locks; nothing
//!    else changes the disk
//! 5. `oci`: what each document of the specification says
//! 6. `snapshot`: what a layout holds at one moment
//! 7. `inspect`: what `ls`, `why` and `check` want to know of it
//! 8. `containers`: which images containers use; `filter`: which images pass a filter or a pattern
//! 9. `retention`: which images stay although they may be removed; `plan`: the decision. Values in, a plan out
//! 10. `gc`: the garbage. A whole snapshot and a plan in, a list of blobs out
//! 11. `commit`: the deed. index.json first, then the blobs
//! 12. `report`: the words. Values in, text or JSON out
//! 13. `layout_argument`: how a command line names a layout; `candidates`: what a word that is being typed
//!     can become, in a layout
//! 14. `help`: what help and manual pages say beside the options; `cli`: the command line's types
//! 15. `completion`: answers to shells; `manual`: the manual pages
//! 16. `library`: what a program that uses the crate says and is told
//! 17. `commands`: wiring, one file for each command, and [`Layout`] for programs that use the crate
//!
//! ## What holds everywhere
//!
//! * **The plan is a value.** What a dry run prints and what `commit` carries out are the same
//!   plan and the same list of blobs, made by the same code.
//! * **The lock is a type.** Nothing that changes the disk exists on a layout that is locked for
//!   reading.
//! * **What was read is a type.** Only `gc::Live` decides what is garbage, and that is made from a
//!   snapshot of every document, in which nothing that stays is damaged.
//! * **Deciding is pure.** What goes is decided without a clock: times and ages are arguments.
//! * **What could not be read decides nothing.** A document that is there and cannot be trusted stops
//!   every deletion as long as something that stays leads to it; one that is missing does not, since
//!   layouts may be sparse.

#[cfg(not(unix))]
compile_error!(
    "ocirm works on Unix systems alone: it relies on locks, renames and directories as these have them. \
     On Windows, install and run it in WSL 2."
);

#[cfg(unix)]
mod error;

#[cfg(unix)]
mod words;

#[cfg(unix)]
#[doc(hidden)]
pub mod value;

#[cfg(unix)]
#[doc(hidden)]
pub mod json;

#[cfg(unix)]
#[doc(hidden)]
pub mod counter;
#[cfg(unix)]
mod workers;

#[cfg(unix)]
mod files;

#[cfg(unix)]
#[doc(hidden)]
pub mod layout;

#[cfg(unix)]
#[doc(hidden)]
pub mod oci;

#[cfg(unix)]
#[doc(hidden)]
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
#[doc(hidden)]
pub mod plan;

#[cfg(unix)]
#[doc(hidden)]
pub mod gc;

#[cfg(unix)]
#[doc(hidden)]
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
mod library;

#[cfg(unix)]
mod commands;

#[cfg(unix)]
#[doc(hidden)]
pub use commands::run;

#[cfg(unix)]
pub use commands::embedded::{Command, Handle, Layout};
#[cfg(unix)]
pub use error::{Error, ErrorKind};
#[cfg(unix)]
pub use library::{Blob, Change, Failure, Image, Progress, Prune, Rmi, Untag};
