//! The tests of the built program, all of them in one crate: it is linked once, what they share is
//! compiled once, and whatever nobody uses any more is said by the compiler.
//!
//! They run as threads of one process. So a test changes nothing that belongs to the process: the
//! current directory, the environment, signals and the mode mask are those of the programs it starts.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the tests make and damage layouts, say why they skip, and fail by panicking"
)]

mod support;

// What a command does to a layout.

/// What cannot be used is found, and takes no place of what can.
mod broken;
/// A deletion follows Docker's rules in each of the described cases.
mod conformance;
/// What a container uses stays.
mod containers;
/// Damage stops what would leave it, and can be given up.
mod damage;
/// Layouts and commands of the field end as the rules of the field say.
mod field;
/// Mounts are in use, and single platforms are.
mod in_use;
/// Several layouts at once are several layouts one after the other.
mod jobs;
/// A layout of any other tool is read, and changed as that tool would expect.
mod layouts;
/// What a program does with the library is what the program `ocirm` does.
mod library;
/// Whatever names the rows have, each image has one that can be typed.
mod names_in_the_wild;
/// The newest image is the newest whatever the order of its entries, and lists agree.
mod newest;
/// What other programs do at the same time, as far as it can be seen, loses nothing.
mod other_writers;
/// What takes the disk adds up, lists have an order, and the trash is shown.
mod overview;
/// Parts of an image go as they were asked for, with what belongs to them, and nothing else.
mod platforms_and_parts;
/// Policy files and limits keep what they say, and what they do not mean is refused.
mod policies;
/// What is about an image belongs to it, whoever wrote it and wherever it is listed.
mod referrers;
/// `restore` looks before it names, and a trash with nothing in it goes.
mod restore_checks;
/// What a policy keeps is kept, whatever the filters say.
mod retention;
/// An index without one platform is a new index for one name alone.
mod rewrite_index;
/// One command treats several layouts as it would each, and shared blobs as needed by all.
mod several_layouts;
/// What another repository of a store has a stub of stays.
mod stubs;
/// What went to the trash comes back as it was.
mod trash;
/// `ls --tree` shows what belongs to each image, and nothing twice.
mod tree;
/// `why` and `check` tell the truth and change nothing.
mod why_and_check;

// What holds for every layout.

/// Work is bounded by what is read, and nobody who does not read what is printed holds up others.
mod bounds;
/// Every kind of input from outside keeps the laws of `fuzz/src`.
pub mod fuzz_entries;
/// Nothing that is needed goes, for random layouts and commands.
mod laws;
/// Each image that could once have been lost is kept.
mod lost_and_kept;

// What goes wrong.

/// Crashes, other writers, far disks and shared blobs are no worse for several layouts at once.
#[cfg(target_os = "linux")]
mod at_once;
/// Nonsense and damage are said once, and nothing changes.
mod bad_input;
/// No call is made too many.
mod calls;
/// Wherever the program is stopped, the layout is sound.
mod crash_points;
/// On a disk that is far away the same is said and done.
#[cfg(target_os = "linux")]
mod far_disk;
/// On each file system the same is said and done.
mod file_systems;
/// A full disk is made room on, or nothing happens.
mod full_disk;
/// A layout that was made to do harm does none.
mod hostile;
/// Who made the lock file takes it away.
mod lock_file;
/// Who shares a layout goes on sharing it, and nobody else begins to.
mod other_users;
/// Whatever a power cut leaves on the disk is sound.
mod power_cuts;
/// Others who write at the same time lose nothing.
mod races;
/// A signal stops a change between two files, and everything else at once.
mod signals;
/// Many threads unlink in the order in which one would.
mod slow_disk;
/// Two machines that use one disk lose nothing.
mod two_machines;
/// A mounted bucket is changed by nobody who does not know that it is one.
mod unsafe_mounts;
/// Whatever fails, what is said of it is so.
mod what_failed;

// What others see.

/// Words that a shell completes are those of the layout.
mod completion;
/// Files beside the program are used as they stand: units, the Action, objects of a cluster.
mod contrib;
/// Whatever the environment of a process, it says and does the same.
mod environments;
/// The pages say what the program does.
mod examples;
/// What is typed is found, or what would be found is said.
mod finding;
/// Completions and manual pages are what the command line says.
mod generated;
/// What has a name and no file when it is opened is not missing.
mod gone_elsewhere;
/// The help fits a screen, and its examples are command lines.
mod help;
/// What is left is whole to skopeo and umoci.
mod interop;
/// JSON fits its schemas, and where nothing can be done it says so.
mod json_output;
/// Pictures of a terminal are what it shows.
mod pictures;
/// The public face of the crate is the one that is written down.
mod public_api;
/// The recipes are carried out as they are written.
mod recipes;
/// The source keeps the order of its stages.
mod structure;
/// Each word goes to the stream where it belongs, and no more is said than was asked for.
mod terminal;
/// Whatever a user reads uses the words of the glossary.
mod words;
