//! `ocirm why`.

use std::path::Path;

use jiff::Timestamp;

use super::session::Session;
use super::several;
use super::target_layouts::target_layout;
use crate::cli::{OutputFormat, WhyArgs};
use crate::error::{Error, ErrorKind};
use crate::layout::{Locked, Presence, Shared, Trash};
use crate::plan::{Draft, Refusal, RefusalClass};
use crate::report::console::shown;
use crate::report::failed_layout::FailedLayout;
use crate::report::messages::ReportedError;
use crate::report::why::WhyReport;
use crate::snapshot::{NodeId, View};
use crate::value::digest::Digest;
use crate::value::reference::{Argument, parse_argument};

pub(super) fn run(session: &Session, args: WhyArgs) -> anyhow::Result<u8> {
    let (path, references) = target_layout(session, args.references, true)?;
    let is_json = args.format == OutputFormat::Json;
    let answered = answer(session, &path, &references);
    let (answers, damage) = answered.map_err(|error| several::in_json(is_json, &path, error))?;
    let warning = damage
        .as_ref()
        .map(|damage| format!("{damage}; {MORE_WAYS}"));
    let mut status = 0;
    for (text, answer) in references.iter().zip(answers) {
        match answer {
            Ok(mut report) => {
                report.warnings.extend(warning.clone());
                super::print_as(args.format, |out| match args.format {
                    OutputFormat::Json => report.write_json(out),
                    OutputFormat::Text => {
                        report.write_text(session.console.is_verbose(), Timestamp::now(), out)
                    }
                })?;
            }
            Err(no_answer) => {
                if is_json {
                    let failed = no_answer.object(&path).of_reference(text);
                    super::print(|out| failed.write_json(out))?;
                }
                status = super::failed(session.console, &no_answer.into_error());
            }
        }
    }
    if let Some(damage) = damage {
        session.console.error(&shown(&damage));
        session.console.hint(MORE_WAYS);
        status = ErrorKind::Layout.exit_status();
    }
    Ok(status)
}

/// Said beside damage.
const MORE_WAYS: &str =
    "what the damaged blob leads to is unknown, so there may be more ways than shown";

/// What is said of a reference.
type Answer = Result<WhyReport, NoAnswer>;

/// Why nothing is said of a reference.
enum NoAnswer {
    /// It leads to nothing, or to more than one thing.
    Refused(Refusal),
    /// What it leads to cannot be looked at.
    Failed(anyhow::Error),
}

impl From<Refusal> for NoAnswer {
    fn from(refusal: Refusal) -> NoAnswer {
        NoAnswer::Refused(refusal)
    }
}

impl From<anyhow::Error> for NoAnswer {
    fn from(error: anyhow::Error) -> NoAnswer {
        NoAnswer::Failed(error)
    }
}

impl NoAnswer {
    fn object(&self, layout: &Path) -> FailedLayout {
        match self {
            NoAnswer::Refused(refusal) => {
                FailedLayout::because(layout, ReportedError::refused(refusal))
            }
            NoAnswer::Failed(error) => several::failed_layout(layout, error),
        }
    }

    fn into_error(self) -> anyhow::Error {
        match self {
            NoAnswer::Refused(refusal) => Error::from(refusal).into(),
            NoAnswer::Failed(error) => error,
        }
    }
}

/// The answer to each reference, and what is damaged. No lock is held any more then: whoever reads the
/// answers may take long.
fn answer(
    session: &Session,
    path: &Path,
    references: &[String],
) -> anyhow::Result<(Vec<Answer>, Option<String>)> {
    let layout = session.open_to_look(path)?;
    let mut snapshot = session.read(&layout, &[], &Trash::default())?;
    let mut is_complete = false;
    let mut answers = Vec::new();
    for text in references {
        // What no entry leads to may be about something that is there: only reading all tells.
        if !is_complete && matches!(look_up(&snapshot, text), Ok((_, None))) {
            is_complete = true;
            let mut unreferenced = Vec::new();
            layout.list_blobs(|digest| {
                if snapshot.graph.find(&digest).is_none() {
                    unreferenced.push(digest);
                }
            })?;
            snapshot.show_unlisted(&layout, &unreferenced);
        }
        answers.push(explain(&layout, &snapshot, text));
    }
    let damage = snapshot.graph.damage();
    let damage = damage.first().map(|first| {
        let more = match damage.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        format!("{}{more}", snapshot.graph.describe(first))
    });
    Ok((answers, damage))
}

fn explain(layout: &Locked<Shared>, snapshot: &View, text: &str) -> Answer {
    let (digest, node) = look_up(snapshot, text)?;
    let stat = layout.stat_blob(&digest).map_err(anyhow::Error::from)?;
    if node.is_none() && stat.is_none() {
        let message = format!("the layout has no blob {digest}, and nothing leads to one");
        return Err(NoAnswer::Refused(Refusal {
            class: RefusalClass::NotFound,
            message,
            hint: None,
        }));
    }
    let present = matches!(layout.measure_blob(&digest, None), Ok(Presence::Whole));
    let of = (layout.path(), text);
    Ok(WhyReport::new(of, snapshot, digest, node, stat, present))
}

/// The digits that a digest has at least whose algorithm is not known.
const SHORTEST_DIGEST: usize = 32;

/// The blob that a text means: any by its digest, an image by what `rmi` finds it by, too.
fn look_up(snapshot: &View, text: &str) -> Result<(Digest, Option<NodeId>), Refusal> {
    let graph = &snapshot.graph;
    if let Ok(Argument::Digest(digest)) = parse_argument(text) {
        let node = graph.find(&digest);
        return Ok((digest, node));
    }
    let mut draft = Draft::new(snapshot);
    draft.only_looks();
    let refusal = match draft.look_up(text) {
        Ok(found) => return Ok((graph.digest(found.target).clone(), Some(found.target))),
        Err(refusal) => refusal,
    };
    // A tag may be all digits, so a name of that shape is a digest only of an algorithm that nobody
    // registered, where the layout knows it or it has the length of one.
    if let Ok(digest) = text.parse::<Digest>()
        && digest.algorithm().is_none()
    {
        let node = graph.find(&digest);
        if node.is_some() || digest.encoded().len() >= SHORTEST_DIGEST {
            return Ok((digest, node));
        }
    }
    let mut refusal = draft.suggested(text, refusal);
    let usage = || "why takes a name or the full digest of any blob".to_owned();
    refusal.hint.get_or_insert_with(usage);
    Err(refusal)
}
