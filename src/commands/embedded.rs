//! The commands for a program that uses the crate. What runs is what the program `ocirm` runs, with the same
//! locks, rules and refusals; only nothing is printed, no signal is caught, and of the environment nothing is read but `TZ`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::change::{Decide, Run};
use super::interrupt::Interrupt;
use super::session::{Session, Work};
use super::{ls, prune, rmi, untag};
use crate::cli::{OutputFormat, PruneArgs, RmiArgs};
use crate::error::Error;
use crate::library::{Change, Image, Progress, Prune, Rmi, Untag};
use crate::report::change_input::ChangingCommand;

/// How long a layout waits for whoever has locked it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// An OCI image layout: a directory with `oci-layout`, `index.json` and `blobs/`.
///
/// Nothing is held between two calls: each locks the layout, reads it, and lets it go. Other programs see no
/// difference to the program `ocirm`.
#[derive(Clone)]
pub struct Layout {
    path: PathBuf,
    lock_timeout: Duration,
    allow_unsafe_mount: bool,
    interrupt: Interrupt,
    work: Work,
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout")
            .field("path", &self.path)
            .field("lock_timeout", &self.lock_timeout)
            .finish_non_exhaustive()
    }
}

impl Layout {
    /// Opens a layout, to find out whether it is one.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Layout`]: there is none, or one of an unknown version.
    pub fn open(path: impl Into<PathBuf>) -> Result<Layout, Error> {
        let path = path.into();
        crate::layout::Layout::open(&path).map_err(|error| Error::of(&error))?;
        Ok(Layout {
            path,
            lock_timeout: LOCK_TIMEOUT,
            allow_unsafe_mount: false,
            interrupt: Interrupt::embedded(),
            work: Work::default(),
        })
    }

    /// Waits so long for whoever has locked the layout; ten seconds unless this says otherwise.
    #[must_use]
    pub fn lock_timeout(mut self, time: Duration) -> Layout {
        self.lock_timeout = time;
        self
    }

    /// Changes the layout also where it lies on a mounted bucket that may lose what was written.
    #[must_use]
    pub fn allow_unsafe_mount(mut self) -> Layout {
        self.allow_unsafe_mount = true;
        self
    }

    /// Where it is, as it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For another thread: tells how far the work is, and stops it.
    pub fn handle(&self) -> Handle {
        Handle {
            interrupt: self.interrupt.clone(),
            work: self.work.clone(),
        }
    }

    /// The images that are in the layout, one for each name, as `ocirm ls` lists them and in the order of
    /// index.json. Their children and referrers are not listed beside them. What is in the trash and
    /// index.json leads to again comes back first, if the layout may be changed.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Layout`]: index.json cannot be read; [`crate::ErrorKind::LockBusy`]; and what the operating system
    /// says. A damaged image is none: it says so itself.
    pub fn images(&self) -> Result<Vec<Image>, Error> {
        let lines = self.look(|session| ls::images(session, &self.path))?;
        Ok(lines.into_iter().map(Image::from).collect())
    }

    /// What a command would change. Nothing is changed, and a layout that may only be read is enough.
    ///
    /// # Errors
    /// As [`Layout::run`].
    pub fn dry_run(&self, command: &impl Command) -> Result<Change, Error> {
        self.look(|session| command.carry_out(session, true))
    }

    /// Carries out a command. What is in the trash and index.json leads to again comes back first.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`]: the command cannot be understood. [`crate::ErrorKind::Layout`]: the layout is damaged or
    /// unsafe to change. [`crate::ErrorKind::LockBusy`]: somebody else has it. [`crate::ErrorKind::Interrupted`]: it was
    /// stopped before it changed what was asked for. [`crate::ErrorKind::Failed`]: the operating system, or that another program changed
    /// index.json again and again. After each of them nothing that anything leads to is gone.
    pub fn run(&self, command: &impl Command) -> Result<Change, Error> {
        self.with_session(|session| command.carry_out(session, false))
    }

    /// For what changes nothing by itself: there is no half of a result.
    fn look<T>(&self, work: impl FnOnce(&Session) -> anyhow::Result<T>) -> Result<T, Error> {
        self.with_session(|session| {
            let seen = work(session)?;
            session.interrupt.refuse_to_go_on(0)?;
            Ok(seen)
        })
    }

    fn with_session<T>(
        &self,
        work: impl FnOnce(&Session) -> anyhow::Result<T>,
    ) -> Result<T, Error> {
        let session = Session::embedded(
            self.path.clone(),
            self.lock_timeout,
            self.allow_unsafe_mount,
            self.interrupt.for_work(),
            self.work.clone(),
        );
        session.interrupt.refuse_to_go_on(0)?;
        work(&session).map_err(|error| Error::of(&error))
    }
}

/// What another thread may know of the work of a layout and its clones, and do about it.
#[derive(Clone)]
pub struct Handle {
    interrupt: Interrupt,
    work: Work,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// How far the work is, of several pieces the one that began last; `None` while there is none.
    pub fn progress(&self) -> Option<Progress> {
        let step = self.work.step()?;
        Some(Progress::new(step.what, step.things, step.counter.read()))
    }

    /// Stops what the layout and its clones do, for good. A [`Layout::run`] that has begun to change something
    /// ends between two files, and [`Change::failures`] say what is left. Everything else ends with
    /// [`crate::ErrorKind::Interrupted`], a look at the layout when it is through.
    pub fn stop(&self) {
        self.interrupt.stop();
    }
}

/// [`Prune`], [`Rmi`] or [`Untag`].
pub trait Command: CarryOut {}

impl Command for Prune {}
impl Command for Rmi {}
impl Command for Untag {}

/// How a command is carried out. Nobody else can have it, for it speaks of what may change.
pub trait CarryOut {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "it keeps others from having it")]
    fn carry_out(&self, session: &Session, dry_run: bool) -> anyhow::Result<Change>;
}

impl CarryOut for Prune {
    #[expect(private_interfaces, reason = "as in the trait")]
    fn carry_out(&self, session: &Session, dry_run: bool) -> anyhow::Result<Change> {
        check_prune(&self.args)?;
        let shown = self.at_most.clone();
        let command = prune::Prune::embedded(&self.args, &session.layouts[0], shown)?;
        let of = ChangingCommand::Prune {
            grace: &self.args.grace,
        };
        carry_out(
            session,
            dry_run,
            (of, false),
            &self.args.also_roots,
            &command,
        )
    }
}

/// What clap says of a command line.
fn check_prune(args: &PruneArgs) -> Result<(), Error> {
    let counts = !args.keep_last.is_empty() || !args.keep_within.is_empty();
    if counts && !args.all && args.policy.is_none() {
        return Err(Error::usage(
            "what is kept by number or age is kept of all images: use it with `all`",
        ));
    }
    check_containers(&args.containers)
}

/// Standard input is not ours to read.
fn check_containers(files: &[PathBuf]) -> Result<(), Error> {
    match files.iter().any(|file| file.as_os_str() == "-") {
        true => Err(Error::usage(
            "`containers` takes a file, and no `-`: a file of that name is `./-`",
        )),
        false => Ok(()),
    }
}

impl CarryOut for Rmi {
    #[expect(private_interfaces, reason = "as in the trait")]
    fn carry_out(&self, session: &Session, dry_run: bool) -> anyhow::Result<Change> {
        check_rmi(&self.args)?;
        let command = rmi::Rmi::embedded(&self.args, &session.layouts[0])?;
        let is_lenient = self.args.force || self.ignore_missing;
        let of = (ChangingCommand::NamedImages, is_lenient);
        carry_out(session, dry_run, of, &self.args.also_roots, &command)
    }
}

fn check_rmi(args: &RmiArgs) -> Result<(), Error> {
    let has_parts = !args.platforms.is_empty() || !args.keep_platforms.is_empty();
    if !args.platforms.is_empty() && !args.keep_platforms.is_empty() {
        return Err(Error::usage(
            "`platform` and `keep_platform` exclude each other",
        ));
    }
    if args.rewrite_index && !has_parts {
        return Err(Error::usage(
            "`rewrite_index` is about platforms: use it with `platform` or `keep_platform`",
        ));
    }
    check_containers(&args.containers)
}

impl CarryOut for Untag {
    #[expect(private_interfaces, reason = "as in the trait")]
    fn carry_out(&self, session: &Session, dry_run: bool) -> anyhow::Result<Change> {
        let references = self.references.clone();
        let of = (ChangingCommand::NamedImages, false);
        carry_out(session, dry_run, of, &[], &untag::Untag { references })
    }
}

fn carry_out(
    session: &Session,
    dry_run: bool,
    (command, lenient): (ChangingCommand<'_>, bool),
    sharers: &[PathBuf],
    decide: &impl Decide,
) -> anyhow::Result<Change> {
    let run = Run {
        dry_run,
        format: OutputFormat::Json,
        of_many: false,
        lenient,
        command,
        sharers,
        found_sharers: None,
    };
    let (decision, outcome) = run.run(session, &session.layouts[0], decide)?;
    let seen = prune::seen(&decision);
    let (report, _) = run.report(session, &decision, outcome.as_ref());
    Ok(Change::new(&report, session.take_what_was_said(), seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::value::digest::Algorithm;

    /// A layout can be handed to another thread, and so can who stops it.
    #[test]
    fn a_layout_and_its_handle_go_to_other_threads() {
        fn sent<T: Send + Sync>() {}
        sent::<Layout>();
        sent::<Handle>();
        sent::<Error>();
    }

    /// A2: who is stopped while blobs come back from the trash is not told of a layout that lacks some.
    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the layout of a test has to come from somewhere"
    )]
    fn what_is_stopped_while_blobs_come_back_ends_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
        write("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
        let blob = |text: &str| {
            let digest = Algorithm::Sha256.hash(text.as_bytes());
            write(&format!("blobs/sha256/{}", digest.encoded()), text);
            format!(r#""digest":"{digest}","size":{}"#, text.len())
        };
        let config = blob("{}");
        let manifest = blob(&format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json",{config}}},"layers":[]}}"#
        ));
        let index = format!(
            r#"{{"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{manifest},"annotations":{{"org.opencontainers.image.ref.name":"app"}}}}]}}"#
        );
        write("index.json", &index);
        let layout = Layout::open(path).unwrap();
        layout.run(&Rmi::new(["app"]).trash(true)).unwrap();
        // Another program writes an old index.json back.
        write("index.json", &index);
        let session = Session::embedded(
            path.to_owned(),
            LOCK_TIMEOUT,
            false,
            layout.interrupt.for_work(),
            layout.work.clone(),
        );
        layout.handle().stop();
        let error = session.open_to_look(path).map(drop).unwrap_err();
        let error = Error::of(&error);
        assert_eq!(error.kind(), ErrorKind::Interrupted(15));
        assert_eq!(error.to_string(), "interrupted; nothing was changed");
        drop(session);
        let images = Layout::open(path).unwrap().images().unwrap();
        assert_eq!((images.len(), images[0].missing_blobs), (1, 0));
    }
}
