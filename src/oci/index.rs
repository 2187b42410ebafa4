//! index.json: the document as it was found, its entries, and edits that change nothing else.
//!
//! The text is kept. Each entry is a range of it, read one by one, so that a single odd entry does
//! not make the file unreadable: it becomes an entry without a usable digest, is kept where it
//! stands, and whatever digests it names still count as roots.
//!
//! What an entry *is* in the eyes of a user (an image, dangling, a referrer) is decided in
//! [`crate::snapshot::records`].

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::descriptor::{
    CREATED_ANNOTATION, Role, StrongestMediaType, embedded, read_platform, retargeted,
};
use crate::error::Error;
use crate::json::edit::{self, PartFate};
use crate::json::edited_text::EditedText;
use crate::json::read::{Json, Text, Unexpected, ValueKind, is_member};
use crate::layout::{Locked, TORN, TORN_RETRY};
use crate::value::digest::Digest;
use crate::value::platform::Platform;
use crate::value::time::parse_created;

/// The annotation that containerd, BuildKit and `docker save` put the full name into.
pub const NAME_ANNOTATION: &str = "io.containerd.image.name";
/// The annotation of the specification: a tag, or anything.
pub const REF_ANNOTATION: &str = "org.opencontainers.image.ref.name";
/// The ID of the image that this one was built from by Docker's classic builder.
pub const PARENT_ANNOTATION: &str = "org.mobyproject.image.parent";
/// The digest that an exported referrer refers to.
pub const SUBJECT_ANNOTATION: &str = "io.containerd.manifest.subject";
/// What an entry is, in stores that give several entries one name: the annotation of cosign's `save`
/// and of hauler, a word of their own and a slash before the kind.
pub const KIND_ANNOTATION: &str = "kind";
/// The words before the slash.
const KIND_PREFIXES: [&str; 2] = ["dev.hauler/", "dev.cosignproject.cosign/"];
/// What the names of dangling images begin with; the rest is the image's own digest.
pub const DANGLING_PREFIX: &str = "moby-dangling@";

/// index.json, parsed into its entries and still knowing its text.
#[derive(Clone, Debug, Default)]
pub struct Index {
    text: String,
    entries: Vec<Entry>,
    /// Its own `subject`: what the whole index is about.
    subjects: Vec<Entry>,
    ranges: Vec<Range<usize>>,
    /// The list of entries, brackets included.
    list: Range<usize>,
}

/// One descriptor in index.json, as far as anything here asks. There may be a million, so what few
/// have takes little room where it is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its digest, if it is a valid one.
    pub digest: Option<Digest>,
    /// Digests that an odd entry names besides, by repeating members: roots like the first.
    pub more_digests: Box<[Digest]>,
    /// Its media type, if it has one.
    pub media_type: Option<Arc<str>>,
    /// The size it promises, in bytes; `None` when it is missing, negative or beyond 64 bits.
    pub size: Option<u64>,
    /// The platform it declares.
    pub platform: Option<Box<Platform>>,
    /// [`NAME_ANNOTATION`], if not empty.
    pub image_name: Option<Arc<str>>,
    /// [`REF_ANNOTATION`], if not empty.
    pub ref_name: Option<Arc<str>>,
    /// [`CREATED_ANNOTATION`].
    pub created: Option<jiff::Timestamp>,
    /// [`PARENT_ANNOTATION`].
    pub parent: Option<Box<Digest>>,
    /// [`SUBJECT_ANNOTATION`].
    pub subject: Option<Box<Digest>>,
    /// [`KIND_ANNOTATION`] says that it belongs to the image of its name: a signature, an attestation,
    /// an SBOM or a referrer.
    pub is_belonging: bool,
    /// The blob itself, if the entry embeds it.
    pub data: Option<Arc<[u8]>>,
}

impl Entry {
    /// The text of its name: what containerd wrote, else what the specification calls the
    /// reference name.
    pub fn name(&self) -> Option<&str> {
        self.shared_name().map(|text| &**text)
    }

    /// The same, to be held without a copy: it may be as long as the document.
    pub fn shared_name(&self) -> Option<&Arc<str>> {
        self.image_name.as_ref().or(self.ref_name.as_ref())
    }
}

/// What stands around the entries of a list and between them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Spacing {
    /// From the opening bracket to the first entry.
    pub before: String,
    /// From one entry to the next.
    pub separator: String,
    /// From the last entry to the closing bracket.
    pub after: String,
}

impl Spacing {
    /// Whether there is nothing in it but brackets, a comma and blanks, where they belong.
    pub fn is_blank(&self) -> bool {
        let blank = |text: &str| text.trim_matches(edit::BLANKS).is_empty();
        let separator = self.separator.split_once(',');
        self.before.strip_prefix('[').is_some_and(blank)
            && self.after.strip_suffix(']').is_some_and(blank)
            && separator.is_some_and(|(before, after)| blank(before) && blank(after))
    }
}

/// A change to one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryEdit {
    /// The entry goes.
    Remove,
    /// The entry loses its names and becomes `moby-dangling@<its digest>`.
    Dangle,
    /// The entry leads to another blob, of this size in bytes.
    Retarget(Digest, u64),
}

impl Index {
    /// Reads index.json of a layout.
    ///
    /// Other tools truncate and write the file in place without a lock, so a text that does not
    /// parse may be half written: it is read again for about a second.
    ///
    /// # Errors
    /// Exit status 12 when it is missing or is still no index then.
    pub fn load<M>(layout: &Locked<M>) -> anyhow::Result<Index> {
        let start = Instant::now();
        loop {
            let reason = match Index::parse(layout.read_index()?) {
                Ok(index) => return Ok(index),
                Err(reason) => reason,
            };
            if start.elapsed() >= TORN {
                let path = layout.path().join("index.json");
                anyhow::bail!(
                    Error::layout(format!("`{}` {reason}", path.display()))
                        .hint("nothing was changed; restore the file, or let the tool that writes it finish")
                );
            }
            std::thread::sleep(TORN_RETRY);
        }
    }

    /// Parses the bytes of index.json.
    ///
    /// `"manifests": null`, which zot and oras write for an empty list, is an empty list.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that begins with the file's name.
    pub fn parse(bytes: Vec<u8>) -> Result<Index, String> {
        if bytes.is_empty() {
            return Err("is empty".to_owned());
        }
        let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
        let mut index = Index::default();
        let mut reader = EntryReader {
            text: &text,
            media_types: Vec::new(),
        };
        let mut has_list = false;
        if has_too_many(&text) {
            return Err(format!(
                "has more than {MAX_ENTRIES} entries; that is the most that is read"
            ));
        }
        let mut json = Json::new(text.as_bytes());
        let read = json.object(|json, key| {
            if key.is_member("subject") {
                let (subject, _) = reader.read(json)?;
                index.subjects.push(subject);
                return Ok(());
            }
            if !key.is_member("manifests") {
                return json.skip();
            }
            if std::mem::replace(&mut has_list, true) {
                // Readers disagree on which of them counts.
                return json.unexpected("it has `manifests` twice");
            }
            let start = json.position();
            match json.kind()? {
                ValueKind::Null => json.skip()?,
                ValueKind::List => json.list(|json| {
                    let (entry, range) = reader.read(json)?;
                    index.entries.push(entry);
                    index.ranges.push(range);
                    if index.entries.len() == SAMPLE {
                        let sample = start..json.behind();
                        index.expect(expected(sample, text.len()));
                    }
                    Ok(())
                })?,
                _ => return json.unexpected("`manifests` is no list"),
            }
            index.list = start..json.behind();
            Ok(())
        });
        let read = read.and_then(|()| json.end());
        read.map_err(|unexpected| {
            let reason = json.explained(unexpected);
            format!("is not an image index: {reason}")
        })?;
        if !has_list {
            return Err("has no member `manifests`".to_owned());
        }
        index.text = text;
        Ok(index)
    }

    /// Makes room for so many entries, so that they need not be moved again and again.
    fn expect(&mut self, entries: usize) {
        let more = entries.saturating_sub(self.entries.len());
        self.entries.reserve_exact(more);
        self.ranges.reserve_exact(more);
    }

    /// The entries, in their order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What the index says that it is about, in the shape of an entry: it stays like what entries
    /// lead to.
    pub fn subjects(&self) -> &[Entry] {
        &self.subjects
    }

    /// Whether any entry names a digest, or the index itself does.
    pub fn leads_anywhere(&self) -> bool {
        let mut entries = self.entries.iter().chain(&self.subjects);
        entries.any(|entry| entry.digest.is_some() || !entry.more_digests.is_empty())
    }

    /// The text of an entry, byte for byte.
    pub fn entry_text(&self, position: usize) -> &str {
        &self.text[self.ranges[position].clone()]
    }

    /// The whole text, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The text with some entries changed, or `None` if nothing would change. Everything else stays
    /// byte for byte: other entries, unknown members, order, indentation.
    pub fn edited(&self, edits: &BTreeMap<usize, EntryEdit>) -> Option<EditedText<'_>> {
        if edits.is_empty() {
            return None;
        }
        let fate = |position| match edits.get(&position) {
            None => PartFate::Keep,
            Some(EntryEdit::Remove) => PartFate::Drop,
            Some(edit) => self
                .edited_entry(position, edit)
                .map_or(PartFate::Keep, PartFate::Replace),
        };
        Some(edit::edit(&self.text, &self.ranges, fate))
    }

    /// The text of an entry after an edit; `None` if it goes, or stays as it is.
    pub fn edited_entry(&self, position: usize, edit: &EntryEdit) -> Option<String> {
        let text = self.entry_text(position);
        match edit {
            EntryEdit::Remove => None,
            EntryEdit::Dangle => {
                let digest = self.entries[position].digest.as_ref()?;
                Some(dangling_text(text, digest))
            }
            EntryEdit::Retarget(digest, size) => {
                let entry = &self.entries[position];
                let new = retargeted(text, digest, *size);
                // A name that says which image is dangling has to say it of the new one.
                let named = entry
                    .name()
                    .and_then(|name| name.strip_prefix(DANGLING_PREFIX));
                let old = entry.digest.as_ref().map(Digest::to_string);
                Some(match named.is_some() && named == old.as_deref() {
                    true => dangling_text(&new, digest),
                    false => new,
                })
            }
        }
    }

    /// The text with these entries instead of its own. They are separated as those are, or were
    /// (`spacing`); everything around the list stays byte for byte.
    pub fn with_entries(&self, entries: &[&str], spacing: Option<&Spacing>) -> String {
        let own = self.spacing();
        // A list that lost nearly all its entries does not show any more how it was written.
        let Spacing {
            before,
            separator,
            after,
        } = match spacing {
            Some(old) if self.ranges.len() < 2 => old,
            _ => &own,
        };
        let (head, tail) = (&self.text[..self.list.start], &self.text[self.list.end..]);
        let bytes = entries.iter().map(|entry| entry.len() + separator.len());
        let around = head.len() + before.len() + after.len() + tail.len();
        let mut text = String::with_capacity(bytes.sum::<usize>() + around);
        text.extend([head, before]);
        for (number, entry) in entries.iter().enumerate() {
            text.push_str(if number == 0 { "" } else { separator });
            text.push_str(entry);
        }
        text.extend([&**after, tail]);
        text
    }

    /// The blanks and brackets around the entries, and between the first two. More than an indented
    /// list has between two of them are not worth to be done again.
    pub fn spacing(&self) -> Spacing {
        let usual = |text: &str, bracket: &str| match text.len() <= MOST_BLANKS {
            true => text.to_owned(),
            false => bracket.to_owned(),
        };
        let (Some(first), Some(last)) = (self.ranges.first(), self.ranges.last()) else {
            return Spacing {
                before: "[".to_owned(),
                separator: ",".to_owned(),
                after: "]".to_owned(),
            };
        };
        let before = usual(&self.text[self.list.start..first.start], "[");
        let separator = match self.ranges.get(1) {
            Some(second) => usual(&self.text[first.end..second.start], ","),
            // An indented list goes on indented.
            None => format!(",{}", before.trim_start_matches('[')),
        };
        Spacing {
            before,
            separator,
            after: usual(&self.text[last.end..self.list.end], "]"),
        }
    }
}

/// The text of an entry that lost its name: [`NAME_ANNOTATION`] holds the dangling name,
/// [`REF_ANNOTATION`] is gone, and the rest stays as it was.
fn dangling_text(entry: &str, digest: &Digest) -> String {
    edit::edit_parts(entry, |_, member| {
        if !is_member(member.key(entry), "annotations") {
            return PartFate::Keep;
        }
        let annotations = member.value(entry);
        // The new name takes the place of the old one; of several names, of the first.
        let mut named = false;
        let new = edit::edit_parts(annotations, |_, part| {
            let name = part.key(annotations);
            if name != NAME_ANNOTATION && name != REF_ANNOTATION {
                return PartFate::Keep;
            }
            if std::mem::replace(&mut named, true) {
                return PartFate::Drop;
            }
            let between = &annotations[part.key.end..part.value.start];
            PartFate::Replace(format!(
                "\"{NAME_ANNOTATION}\"{between}\"{DANGLING_PREFIX}{digest}\""
            ))
        });
        member.with_value(entry, &new)
    })
}

/// The most bytes between two entries that are taken for indentation.
const MOST_BLANKS: usize = 1024;

/// The most entries that an index may have. A million are a very large registry; what they take is
/// memory, and a list of ten million zeros is only 20 MB long.
const MAX_ENTRIES: usize = 4 << 20;

/// How many entries are read before it is guessed how many there are.
const SAMPLE: usize = 64;

/// The fewest bytes of an entry that room is made for beforehand: a digest and what stands around it.
const LEAST_BYTES: usize = 96;

/// How many entries a text of so many bytes has, if all are like the first [`SAMPLE`], which stand here.
fn expected(sample: Range<usize>, length: usize) -> usize {
    let bytes = (sample.len() / SAMPLE).max(LEAST_BYTES);
    // Some are shorter than the first.
    let guess = length.saturating_sub(sample.start) / bytes;
    guess + guess / 16
}

/// Whether a text has more entries than are read. They are counted before the first is held; and that
/// only in a text with so many commas, which nearly none has.
fn has_too_many(text: &str) -> bool {
    let commas = || text.bytes().filter(|byte| *byte == b',').count();
    if text.len() <= MAX_ENTRIES || commas() < MAX_ENTRIES {
        return false;
    }
    let mut entries = 0;
    let mut json = Json::new(text.as_bytes());
    // What is no index is said by whoever reads it.
    let _ = json.object(|json, key| {
        if !key.is_member("manifests") || json.kind()? != ValueKind::List {
            return json.skip();
        }
        json.list(|json| {
            entries += 1;
            match entries > MAX_ENTRIES {
                true => json.unexpected("it is too long"),
                false => json.skip(),
            }
        })
    });
    entries > MAX_ENTRIES
}

/// Reads entries. Nearly all have one of a few media types, which are held once.
struct EntryReader<'a> {
    text: &'a str,
    media_types: Vec<Arc<str>>,
}

/// How many media types are held once; an index that has more is somebody's joke.
const COMMON_MEDIA_TYPES: usize = 16;

impl<'a> EntryReader<'a> {
    /// The next entry, and where it stands.
    fn read(&mut self, json: &mut Json<'a>) -> Result<(Entry, Range<usize>), Unexpected> {
        let start = json.position();
        let mut entry = Entry::default();
        let mut more_digests = Vec::new();
        let mut media_type = StrongestMediaType::default();
        let mut data: Option<&[u8]> = None;
        if json.kind()? == ValueKind::Object {
            json.object(|json, key| {
                if key.is_member("mediaType") {
                    media_type.see(json.unicode()?, Role::Entry);
                } else if key.is_member("digest") {
                    let digest = json.digest()?;
                    if entry.digest.is_none() {
                        entry.digest = digest;
                    } else {
                        more_digests.extend(digest);
                    }
                } else if key.is_member("size") {
                    entry.size = json.whole_number()?;
                } else if key.is_member("platform") {
                    entry.platform = Some(Box::new(read_platform(json)?));
                } else if key.is_member("annotations") && json.kind()? == ValueKind::Object {
                    json.object(|json, name| annotate(&mut entry, json, name))?;
                } else if key.is_member("data") {
                    data = Some(json.raw()?);
                } else {
                    json.skip()?;
                }
                Ok(())
            })?;
        } else {
            json.skip()?;
        }
        let range = start..json.behind();
        if let (Some(data), Some(digest)) = (data, &entry.digest) {
            entry.data = embedded(data, digest, entry.size);
        }
        entry.media_type = media_type.0.map(|(_, text)| self.media_type(&text));
        if entry.digest.is_none() {
            // An entry that makes no sense here may to another tool, so what it names stays.
            let named = self.text[range.clone()].split('"');
            more_digests = named.filter_map(|piece| piece.parse().ok()).collect();
        }
        entry.more_digests = more_digests.into();
        Ok((entry, range))
    }

    fn media_type(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.media_types.iter().find(|known| &***known == text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        if self.media_types.len() < COMMON_MEDIA_TYPES {
            self.media_types.push(new.clone());
        }
        new
    }
}

fn annotate(entry: &mut Entry, json: &mut Json<'_>, key: Text<'_>) -> Result<(), Unexpected> {
    let key = key.bytes();
    let is = |wanted: &str| *key == *wanted.as_bytes();
    // A name that is no Unicode is a name: other tools read one, and what has one is not dangling.
    let name = |json: &mut Json<'_>| -> Result<Option<Arc<str>>, Unexpected> {
        let text = json.replaced()?;
        Ok(text.filter(|text| !text.is_empty()).map(Into::into))
    };
    if is(NAME_ANNOTATION) {
        entry.image_name = name(json)?;
    } else if is(REF_ANNOTATION) {
        entry.ref_name = name(json)?;
    } else if is(CREATED_ANNOTATION) {
        entry.created = json.unicode()?.and_then(|text| parse_created(&text));
    } else if is(PARENT_ANNOTATION) {
        entry.parent = json.digest()?.map(Box::new);
    } else if is(SUBJECT_ANNOTATION) {
        entry.subject = json.digest()?.map(Box::new);
    } else if is(KIND_ANNOTATION) {
        entry.is_belonging = json.unicode()?.is_some_and(|kind| is_of_belonging(&kind));
    } else {
        json.skip()?;
    }
    Ok(())
}

/// Whether a [`KIND_ANNOTATION`] says that its entry belongs to an image.
fn is_of_belonging(kind: &str) -> bool {
    let of = |prefix: &&str| kind.strip_prefix(*prefix);
    let kind = KIND_PREFIXES.iter().find_map(of).unwrap_or_default();
    matches!(kind, "sigs" | "atts" | "sboms") || kind.starts_with("referrers/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn index(text: &str) -> Index {
        Index::parse(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn an_edit_leaves_everything_else_byte_for_byte() {
        let text = format!(
            "{{ \"x\": 1.50, \"manifests\": [\n  {{\"digest\":\"{A}\", \"y\":[1e400]}},\n  \
             {{\"digest\":\"{B}\",\"annotations\":{{ \"a\" : \"\\u00e9\" , \"{REF_ANNOTATION}\" : \"v1\",\
             \"{NAME_ANNOTATION}\":\"docker.io/library/x:v1\",\"z\":\"\"}}}}\n] , \"x\":2}}\n"
        );
        let index = index(&text);
        assert_eq!(index.edited(&BTreeMap::new()), None);
        let removed = index
            .edited(&BTreeMap::from([(0, EntryEdit::Remove)]))
            .unwrap();
        assert_eq!(
            removed.in_one(),
            text.replace(&format!("{{\"digest\":\"{A}\", \"y\":[1e400]}},\n  "), "")
        );
        let dangled = index
            .edited(&BTreeMap::from([(1, EntryEdit::Dangle)]))
            .unwrap();
        assert_eq!(
            dangled.in_one(),
            text.replace(
                &format!(
                    "\"{REF_ANNOTATION}\" : \"v1\",\"{NAME_ANNOTATION}\":\"docker.io/library/x:v1\""
                ),
                &format!("\"{NAME_ANNOTATION}\" : \"{DANGLING_PREFIX}{B}\"")
            )
        );
    }

    #[test]
    fn one_odd_entry_does_not_make_the_file_unreadable() {
        let index = index(&format!(
            "{{\"manifests\":[7,null,{{}},{{\"digest\":\"sha256:../../x\"}},{{\"digest\":\"{A}\",\
             \"size\":-1,\"annotations\":[],\"platform\":3}},{{\"Digest\":\"{A}\",\"digest\":\"{B}\"}}]}}"
        ));
        let digests: Vec<_> = index
            .entries()
            .iter()
            .map(|e| e.digest.as_ref().map(Digest::to_string))
            .collect();
        assert_eq!(
            digests,
            [None, None, None, None, Some(A.into()), Some(A.into())]
        );
        assert_eq!(index.entries()[4].size, None);
        assert_eq!(*index.entries()[5].more_digests, [B.parse().unwrap()]);
    }

    #[test]
    fn what_is_no_index_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "is empty"),
            ("{}", "no member `manifests`"),
            ("[]", "not an image index"),
            ("{\"manifests\":[", "not an image index"),
            ("{\"manifests\":\"x\"}", "no list"),
            ("{\"manifests\":[],\"Manifests\":[]}", "twice"),
            ("{\"manifests\":[]} x", "not an image index"),
        ] {
            let error = Index::parse(text.as_bytes().to_vec()).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(index("{\"manifests\":null}").entries().is_empty());
    }

    #[test]
    fn an_empty_name_is_no_name() {
        let index = index(&format!(
            "{{\"manifests\":[{{\"digest\":\"{A}\",\"annotations\":{{\"{NAME_ANNOTATION}\":\"\",\
             \"{REF_ANNOTATION}\":\"v1\"}}}}]}}"
        ));
        assert_eq!(index.entries()[0].name(), Some("v1"));
    }
}
