//! Damage: documents that are there and cannot be trusted, and whether they forbid deleting.
//!
//! What a damaged document leads to is unknown. As long as something that stays leads to the document,
//! whatever looks unreferenced may be what it needs, and nothing may be deleted. Once nothing does, the
//! document is garbage like any other: that is the way out of damage.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::graph::{Damage, Follow, NodeId};
use super::holders::Holders;
use super::records::Record;
use super::view::View;
use crate::error::Error;
use crate::layout::NAMED;
use crate::words::{count, listed, shell_word};

/// How many names a message lists.
const MOST_NAMES: usize = 8;

/// How many names stand in a command that removes them all. A filter would not do: an image of which one
/// platform is damaged is not broken.
const MOST_IN_COMMAND: usize = 100;

/// What removes any number of images that are damaged.
const REMOVE_ALL: &str =
    r"ocirm ls --format json | jq -r 'select(.damaged) | .name // .digest | @sh' | xargs ocirm rmi";

impl View {
    /// Refuses to delete while something that stays leads to a document that cannot be trusted.
    /// `holders` says what stays.
    ///
    /// # Errors
    /// Exit status 12. The message says what is damaged and which images lead there, the hint what
    /// removes all of these.
    pub fn refuse_damage(&self, holders: &Holders) -> Result<(), Error> {
        self.refuse(&|damage| holders.contains(damage.node))
    }

    /// Refuses to delete what nobody named while there is a document that could not be read. It may be
    /// whole, so what becomes of its image, and of others beside it, would be chosen without knowing it.
    ///
    /// # Errors
    /// As [`View::refuse_damage`].
    pub fn refuse_unreadable(&self) -> Result<(), Error> {
        self.refuse(&|damage| damage.unreadable)
    }

    fn refuse(&self, forbids: &dyn Fn(&Damage) -> bool) -> Result<(), Error> {
        let graph = &self.graph;
        let mut forbidding = graph.damage().iter().filter(|damage| forbids(damage));
        let Some(first) = forbidding.next() else {
            return Ok(());
        };
        let more = match forbidding.count() {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        // What goes under this plan counts as well: the command is to be the last that is needed.
        let nodes: Vec<NodeId> = graph.damage().iter().map(|damage| damage.node).collect();
        let names = self.leading_to(nodes);
        let why = "nothing is deleted, because what it refers to is unknown";
        let repair = match first.unreadable {
            true if first.reason == NAMED => {
                "run it again when no other machine writes to the layout"
            }
            true => "run as a user who may read the layout",
            false if first.is_stub => "name the repository that has its bytes with --also-root",
            false => "put the blob back from where the image came from",
        };
        let described = graph.describe(first);
        if names.is_empty() {
            // No entry leads there, so nobody can be told to remove one.
            let whose = "manifest.json or another layout leads to it";
            return Err(Error::layout(format!("{described}{more}; {whose}"))
                .hint(format!("{why}; {repair}")));
        }
        let images = count(names.len(), "image", "images");
        let all = listed(&names, MOST_NAMES);
        let command = match names.len() <= MOST_IN_COMMAND {
            true => {
                let words: Vec<String> = names.iter().map(|name| shell_word(name)).collect();
                format!("ocirm rmi {}", words.join(" "))
            }
            false => REMOVE_ALL.to_owned(),
        };
        let them = if names.len() == 1 { "it" } else { "them" };
        Err(
            Error::layout(format!("{described}{more}; {images} damaged: {all}")).hint(format!(
                "{why}; {repair}, or give up what is damaged: `{command}` removes {them}"
            )),
        )
    }

    /// What the images that lead to some nodes are called, each name once, in their order in
    /// index.json: as `rmi` takes it.
    fn leading_to(&self, nodes: Vec<NodeId>) -> Vec<String> {
        let graph = &self.graph;
        let above: HashSet<NodeId> = graph.above(nodes, Follow::Subjects);
        let leads = |record: &Record| above.contains(&record.target);
        // Parts without a name go with what they belong to.
        let is_own = |record: &Record| !(record.is_dangling() && record.kind.is_dependent());
        let records = self.records.iter().map(|(_, record)| record);
        let found: Vec<&Record> = records
            .filter(|record| leads(record) && is_own(record))
            .collect();
        let named = found.iter().filter(|record| !record.is_dangling());
        let has_name: HashSet<NodeId> = named.map(|record| record.target).collect();
        let mut targets: BTreeMap<String, BTreeSet<NodeId>> = BTreeMap::new();
        for record in &found {
            let of_name = targets.entry(record.shown(graph)).or_default();
            of_name.insert(record.target);
        }
        let mut said = HashSet::new();
        let mut names = Vec::new();
        for record in found {
            // A dangling entry goes with the names of its image.
            if record.is_dangling() && has_name.contains(&record.target) {
                continue;
            }
            let shown = record.shown(graph);
            let name = match targets.get(&shown).is_some_and(|of_name| of_name.len() > 1) {
                true => graph.digest(record.target).to_string(),
                false => shown,
            };
            if said.insert(name.clone()) {
                names.push(name);
            }
        }
        names
    }
}
