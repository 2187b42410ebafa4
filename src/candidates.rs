//! What a word on the command line can become: the names, digests and platforms of a layout, read
//! while somebody types. So it is quick, waits for nobody and takes no lock; what cannot be read is
//! as if it were not there; and nothing is offered that a shell or a person could misread.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use crate::layout::{Layout, LockOptions, Locked};
use crate::oci::config::{ImageConfig, Wanted};
use crate::oci::descriptor::Role;
use crate::oci::docker_archive::DockerArchive;
use crate::oci::index::{Entry, Index};
use crate::oci::trash_record;
use crate::report::console::shown;
use crate::snapshot::platform_manifests::{PlatformManifest, platform_manifests};
use crate::snapshot::{
    Graph, MAX_DOCUMENT_BYTES, NodeId, NodeKind, Parts, RecordId, Snapshot, View, is_referrer_tag,
};
use crate::value::digest::{Digest, DigestPrefix};
use crate::value::platform::told_apart;

/// How many words are offered at most; a person looks at fewer.
pub const MOST: usize = 1000;

/// How many digits of an ID the program understands.
pub const SHORTEST_ID: usize = 4;

/// How many images are read at most to find their platforms.
const MOST_IMAGES: usize = 200;

/// Words that can be offered, each with what is said of it beside the word.
pub type Words = BTreeMap<String, String>;

/// What the `index.json` of a layout says.
pub struct Contents {
    layout: Locked<crate::layout::Shared>,
    view: View,
}

impl Contents {
    /// Reads `index.json`, and nothing else. `None`: it is no layout, or cannot be read.
    #[must_use]
    pub fn read(layout: &Path) -> Option<Contents> {
        let layout = look(layout)?;
        let index = Index::parse(layout.read_index().ok()?).ok()?;
        let view = Snapshot::of_index(index, DockerArchive::default()).into_view();
        Some(Contents { layout, view })
    }

    /// The names of images that begin so, as `ls` shows them.
    #[must_use]
    pub fn names(&self, typed: &str) -> Words {
        names(&self.view, typed)
    }

    /// IDs and digests that begin so: IDs from four digits on, digests from the algorithm on.
    #[must_use]
    pub fn digests(&self, typed: &str) -> Words {
        let view = &self.view;
        let records = view.records.iter();
        let digests = records.map(|(id, record)| (id, view.graph.digest(record.target)));
        let is_id = typed.len() >= SHORTEST_ID && DigestPrefix::of_id(typed).is_some();
        let (algorithm, _) = typed.split_once(':').unwrap_or((typed, ""));
        let mut words = Words::new();
        for (id, digest) in digests {
            // Most are neither, and a text of each would be made for nothing.
            let is_digest = !typed.is_empty() && digest.algorithm_name().starts_with(algorithm);
            let text = match (is_digest, is_id) {
                (true, _) => digest.to_string(),
                (false, true) => digest.encoded(),
                (false, false) => continue,
            };
            if text.starts_with(typed) {
                let short = Some(digest.short()).filter(|short| is_id && short.starts_with(typed));
                words
                    .entry(short.unwrap_or(text))
                    .or_insert_with(|| self.name_of(id));
            }
        }
        words
    }

    /// The platforms that the layout has of these images; of all where none is found.
    #[must_use]
    pub fn platforms(&self, references: &[String]) -> Words {
        let mut words = Words::new();
        let read = self.parts(references);
        let parts = read.iter().flat_map(|(_, parts)| parts);
        let parts: Vec<_> = parts.filter(|part| part.is_present_image()).collect();
        let platforms = parts.iter().filter_map(|part| part.platform.as_ref());
        let platforms = platforms.filter(|platform| !platform.is_unknown());
        for text in told_apart(platforms) {
            offer(&mut words, text, String::new());
        }
        words
    }

    /// The digests of what the indexes of these images list, each with its platform.
    #[must_use]
    pub fn manifests(&self, references: &[String]) -> Words {
        let mut words = Words::new();
        for (graph, parts) in self.parts(references) {
            for part in parts.iter().filter(|part| part.is_present) {
                let platform = part.platform.as_ref();
                let about = match part.is_attestation {
                    true => "attestation".to_owned(),
                    false => platform.map(ToString::to_string).unwrap_or_default(),
                };
                offer(&mut words, graph.digest(part.manifest).to_string(), about);
            }
        }
        words
    }

    /// The manifests of images, read from the disk.
    fn parts(&self, references: &[String]) -> Vec<(Graph, Vec<PlatformManifest>)> {
        let meant: Vec<RecordId> = references
            .iter()
            .flat_map(|text| self.found(text))
            .collect();
        let records = &self.view.records;
        let records: Vec<RecordId> = match meant.is_empty() {
            true => records.iter().map(|(id, _)| id).take(MOST_IMAGES).collect(),
            false => meant,
        };
        let read = |digest: &Digest, size, bytes: &mut Vec<u8>| {
            self.layout
                .read_blob_into(digest, size, MAX_DOCUMENT_BYTES, bytes)
        };
        let mut found = Vec::new();
        for id in records {
            let digest = self.view.graph.digest(self.view.records.record(id).target);
            let entry = Entry {
                digest: Some(digest.clone()),
                ..Entry::default()
            };
            let is_document = |child: &crate::oci::manifest::Child| {
                child.role == Role::Manifest || child.image_config
            };
            let graph = Graph::walk_some([&entry], &read, &is_document, &mut |_| ());
            let Some(image) = graph.find(digest) else {
                continue;
            };
            let config_of = |manifest: NodeId| self.config(&graph, manifest);
            let declared = self.view.declared_platform(id);
            let parts = platform_manifests(&graph, image, declared, &Parts::default(), &config_of);
            found.push((graph, parts));
        }
        found
    }

    fn config(&self, graph: &Graph, manifest: NodeId) -> Option<Rc<ImageConfig>> {
        let mut links = graph.links(manifest);
        let config = links
            .find(|link| graph.kind(link.to) == NodeKind::ImageConfig)?
            .to;
        let digest = graph.digest(config);
        let bytes = self
            .layout
            .read_blob(digest, graph.declared_size(config), MAX_DOCUMENT_BYTES);
        Some(Rc::new(ImageConfig::parse_for(
            Wanted::Dates,
            &bytes.ok()??,
        )))
    }

    /// The images that a reference on the line means: a name as it is shown or stored, or an ID.
    fn found(&self, text: &str) -> Vec<RecordId> {
        let view = &self.view;
        let stored = view.records.of_text(view.index.entries(), text);
        if !stored.is_empty() {
            return stored;
        }
        let records = view.records.iter().map(|(id, _)| id);
        let named: Vec<RecordId> = records.filter(|id| view.shown(*id) == text).collect();
        let prefix = DigestPrefix::of_id(text).or_else(|| DigestPrefix::parse(text));
        match prefix {
            Some(prefix) if named.is_empty() => view.records.with_id_prefix(&view.graph, &prefix),
            _ => named,
        }
    }

    fn name_of(&self, id: RecordId) -> String {
        match self.view.records.record(id).is_dangling() {
            true => String::new(),
            false => shown(&self.view.shown(id)),
        }
    }
}

/// The names of images in the trash of a layout that begin so.
#[must_use]
pub fn trashed(layout: &Path, typed: &str) -> Words {
    let Some(trash) = look(layout).and_then(|layout| layout.trash().ok()) else {
        return Words::new();
    };
    let mut words = Words::new();
    for (_, record) in trash_record::records(&trash) {
        let entries: Vec<&str> = record.entries.iter().map(|gone| gone.entry.get()).collect();
        let index = format!("{{\"manifests\":[{}]}}", entries.join(","));
        // Every entry is JSON, so the list is one.
        let index = Index::parse(index.into_bytes()).unwrap_or_default();
        let view = Snapshot::of_index(index, DockerArchive::default()).into_view();
        words.extend(names(&view, typed));
    }
    words
}

/// Opens a layout without a lock: other programs replace `index.json` as a whole, and nobody has to
/// wait for a person who types.
fn look(layout: &Path) -> Option<Locked<crate::layout::Shared>> {
    let options = LockOptions {
        enabled: false,
        ..LockOptions::default()
    };
    let layout = Layout::open_within(layout, Duration::ZERO).ok()?;
    layout.lock_shared(&options).ok()
}

fn names(view: &View, typed: &str) -> Words {
    let mut words = Words::new();
    for (id, record) in view
        .records
        .iter()
        .filter(|(_, record)| !record.is_dangling())
    {
        // What belongs to an image goes with it; its tag is for those who know it.
        if is_referrer_tag(&record.name) && !typed.contains("sha256-") {
            continue;
        }
        let text = view.shown(id);
        if text.starts_with(typed) {
            offer(&mut words, text, view.graph.digest(record.target).short());
        }
    }
    words
}

/// Adds a word, unless it would be misread: as an option, as a pattern, or on the terminal.
fn offer(words: &mut Words, text: String, about: String) {
    let is_option = text.starts_with('-');
    let is_pattern = text.contains(['*', '?', '[', '{', '\\']);
    if !text.is_empty() && !is_option && !is_pattern && shown(&text) == text {
        words.entry(text).or_insert(about);
    }
}

/// Words that begin so, no more than [`MOST`]. Where there are more they are shortened to beginnings,
/// as long as these can be told apart, so that what all have in common stays what it is.
#[must_use]
pub fn begun(words: Words, typed: &str) -> Words {
    let mut words = words;
    words.retain(|text, _| text.starts_with(typed));
    if words.len() <= MOST {
        return words;
    }
    let cut = |chars: usize| {
        let mut stems = Words::new();
        for text in words.keys() {
            let rest = &text[typed.len()..];
            let end = rest
                .char_indices()
                .nth(chars)
                .map_or(text.len(), |(at, _)| typed.len() + at);
            if !stems.contains_key(&text[..end]) {
                stems.insert(text[..end].to_owned(), String::new());
            }
            if stems.len() > MOST {
                break;
            }
        }
        stems
    };
    // More letters never make fewer stems.
    let longest = words.keys().map(String::len).max().unwrap_or_default();
    let (mut fit, mut too_many) = (0, longest + 1);
    while fit + 1 < too_many {
        let middle = fit.midpoint(too_many);
        match cut(middle).len() > MOST {
            true => too_many = middle,
            false => fit = middle,
        }
    }
    let mut stems = cut(fit);
    if stems.len() == 1 {
        // One stem alone would be taken for a whole word; any of the next ones differ at once.
        stems = cut(fit + 1);
        while stems.len() > MOST {
            stems.pop_last();
        }
    }
    stems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: impl IntoIterator<Item = String>) -> Words {
        texts
            .into_iter()
            .map(|text| (text, String::new()))
            .collect()
    }

    #[test]
    fn few_words_are_offered_whole() {
        let all = words([
            "alpine:3.19".to_owned(),
            "alpine:3.20".to_owned(),
            "busybox".to_owned(),
        ]);
        let found: Vec<String> = begun(all, "al").into_keys().collect();
        assert_eq!(found, ["alpine:3.19", "alpine:3.20"]);
    }

    #[test]
    fn many_words_are_shortened_and_what_all_have_in_common_stays() {
        let all = words((0..100_000).map(|n| format!("acme/app:{n:05}")));
        for typed in ["", "acme", "acme/app:", "acme/app:0"] {
            let found = begun(all.clone(), typed);
            assert!(
                found.len() <= MOST && found.len() > 1,
                "{typed}: {}",
                found.len()
            );
            let (first, last) = (found.keys().next().unwrap(), found.keys().last().unwrap());
            let common = first
                .chars()
                .zip(last.chars())
                .take_while(|(a, b)| a == b)
                .count();
            assert_eq!(
                common,
                "acme/app:".len().max(typed.len()),
                "{typed}: {first} {last}"
            );
            let of_all = all.keys().filter(|text| text.starts_with(typed));
            for text in of_all.step_by(97) {
                assert!(found.keys().any(|stem| text.starts_with(stem)), "{text}");
            }
        }
    }

    #[test]
    fn many_words_that_differ_in_one_letter_keep_their_beginning() {
        let letters = (0x4e00..0x4e00 + 3000).filter_map(char::from_u32);
        let found = begun(words(letters.map(|letter| format!("x:{letter}y"))), "");
        assert_eq!(found.len(), MOST);
        assert!(
            found.keys().all(|stem| stem.chars().count() == 3),
            "{:?}",
            found.first_key_value()
        );
    }

    #[test]
    fn what_could_be_misread_is_not_offered() {
        let mut found = Words::new();
        for text in [
            "-rf",
            "a*",
            "a\nb",
            "a\u{202e}b",
            "a\u{1b}[1m",
            "",
            "a b",
            "a$b",
            "a'b\"",
        ] {
            offer(&mut found, text.to_owned(), String::new());
        }
        assert_eq!(
            found.into_keys().collect::<Vec<_>>(),
            ["a b", "a$b", "a'b\""]
        );
    }
}
