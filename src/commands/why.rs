//! `ocirm why`.

use jiff::Timestamp;

use super::session::Session;
use super::target_layouts::target_layout;
use crate::cli::{OutputFormat, WhyArgs};
use crate::error::{Error, ErrorKind};
use crate::layout::{Locked, Presence, Shared, Trash};
use crate::plan::Draft;
use crate::report::console::shown;
use crate::report::why::WhyReport;
use crate::snapshot::{NodeId, View};
use crate::value::digest::Digest;
use crate::value::reference::{Argument, parse_argument};

pub(super) fn run(session: &Session, args: WhyArgs) -> anyhow::Result<u8> {
    let (path, references) = target_layout(session, args.references, true)?;
    let layout = session.open_to_look(&path)?;
    let mut snapshot = session.read(&layout, &[], &Trash::default())?;
    let mut status = 0;
    let mut is_complete = false;
    let mut answers = Vec::new();
    for text in &references {
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
    // Whoever reads the answers may take long.
    drop(layout);
    for answer in answers {
        match answer {
            Ok(report) => super::print_as(args.format, |out| match args.format {
                OutputFormat::Json => report.write_json(out),
                OutputFormat::Text => {
                    report.write_text(session.console.is_verbose(), Timestamp::now(), out)
                }
            })?,
            Err(error) => status = super::failed(session.console, &error),
        }
    }
    let damage = snapshot.graph.damage();
    if let Some(first) = damage.first() {
        let more = match damage.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        let described = snapshot.graph.describe(first);
        session.console.error(&shown(&format!("{described}{more}")));
        session.console.hint(
            "what the damaged blob leads to is unknown, so there may be more ways than shown",
        );
        status = ErrorKind::Layout.exit_status();
    }
    Ok(status)
}

fn explain(layout: &Locked<Shared>, snapshot: &View, text: &str) -> anyhow::Result<WhyReport> {
    let (digest, node) = look_up(snapshot, text)?;
    let stat = layout.stat_blob(&digest)?;
    if node.is_none() && stat.is_none() {
        let message = format!("the layout has no blob {digest}, and nothing leads to one");
        return Err(Error::new(ErrorKind::Failed, message).into());
    }
    let present = matches!(layout.measure_blob(&digest, None), Ok(Presence::Whole));
    Ok(WhyReport::new(snapshot, digest, node, stat, present))
}

/// The digits that a digest has at least whose algorithm is not known.
const SHORTEST_DIGEST: usize = 32;

/// The blob that a text means: any by its digest, an image by what `rmi` finds it by, too.
fn look_up(snapshot: &View, text: &str) -> Result<(Digest, Option<NodeId>), Error> {
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
    Err(refusal.into())
}
