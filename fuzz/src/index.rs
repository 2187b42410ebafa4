//! index.json: whatever is done to some entries, the others stay byte for byte, and what went can
//! come back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use ocirm::oci::index::{DANGLING_PREFIX, Entry, EntryEdit, Index};
use ocirm::oci::trash_record::TrashRecord;
use ocirm::value::digest::{Algorithm, Digest};

/// Of longer lists only so many entries are edited one by one, for the sake of time.
const MAX_SINGLE_EDITS: usize = 6;

const NEW_SIZE: u64 = 4_321;

/// Removes, dangles and retargets entries, one by one and several at once.
pub fn index(input: &[u8]) -> bool {
    let Ok(index) = Index::parse(input.to_vec()) else {
        return false;
    };
    assert_eq!(index.bytes(), input);
    assert_eq!(index.edited(&BTreeMap::new()), None);
    for entry in index.entries() {
        for digest in entry.digest.iter().chain(&entry.more_digests) {
            super::manifest::assert_safe(digest);
        }
    }
    let count = index.entries().len();
    let kinds = [remove, dangle, retarget];
    for position in 0..count.min(MAX_SINGLE_EDITS) {
        for kind in kinds {
            try_edits(&index, &BTreeMap::from([(position, kind())]));
        }
    }
    if count > 0 {
        let all = |edit: fn(usize) -> Option<EntryEdit>| {
            (0..count)
                .filter_map(|position| Some((position, edit(position)?)))
                .collect::<BTreeMap<_, _>>()
        };
        for edits in [
            all(|_| Some(EntryEdit::Remove)),
            all(|_| Some(EntryEdit::Dangle)),
            all(|position| (position % 2 == 0).then_some(EntryEdit::Remove)),
            all(|position| (position > 0).then_some(EntryEdit::Remove)),
            all(|position| match position % 4 {
                0 => Some(EntryEdit::Dangle),
                1 => Some(EntryEdit::Remove),
                2 => Some(retarget()),
                _ => None,
            }),
        ] {
            if !edits.is_empty() {
                try_edits(&index, &edits);
            }
        }
    }
    true
}

fn remove() -> EntryEdit {
    EntryEdit::Remove
}

fn dangle() -> EntryEdit {
    EntryEdit::Dangle
}

fn retarget() -> EntryEdit {
    EntryEdit::Retarget(new_digest(), NEW_SIZE)
}

fn new_digest() -> Digest {
    Algorithm::Sha256.hash(b"another manifest")
}

fn parsed(text: &str) -> Index {
    match Index::parse(text.as_bytes().to_vec()) {
        Ok(index) => index,
        Err(reason) => panic!("the new index.json {reason}: {text}"),
    }
}

fn texts(index: &Index) -> Vec<&str> {
    (0..index.entries().len())
        .map(|position| index.entry_text(position))
        .collect()
}

/// What stands before the first entry, between each two, and behind the last.
fn around(index: &Index) -> (&str, Vec<&str>, &str) {
    let Ok(text) = std::str::from_utf8(index.bytes()) else {
        panic!("an index.json that is no text was accepted");
    };
    let ranges: Vec<_> = texts(index)
        .iter()
        .map(|entry| {
            let start = entry.as_ptr().addr() - text.as_ptr().addr();
            start..start + entry.len()
        })
        .collect();
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
        panic!("there is nothing around no entries");
    };
    let between = ranges.windows(2).map(|two| &text[two[0].end..two[1].start]);
    (&text[..first.start], between.collect(), &text[last.end..])
}

fn try_edits(index: &Index, edits: &BTreeMap<usize, EntryEdit>) {
    let Some(text) = index.edited(edits) else {
        panic!("edits that make no text: {edits:?}");
    };
    let text = text.in_one();
    let new = parsed(&text);
    let mut after = texts(&new).into_iter().zip(new.entries());
    for (position, entry) in index.entries().iter().enumerate() {
        let before = index.entry_text(position);
        let edit = edits.get(&position);
        if edit == Some(&EntryEdit::Remove) {
            assert_eq!(index.edited_entry(position, &EntryEdit::Remove), None);
            continue;
        }
        let Some((text, changed)) = after.next() else {
            panic!("entry {position} is gone: {before}");
        };
        let Some(edit) = edit else {
            assert_eq!(text, before, "entry {position} was not to be changed");
            assert_eq!(changed, entry);
            continue;
        };
        match index.edited_entry(position, edit) {
            Some(expected) => assert_eq!(text, expected),
            None => assert_eq!(text, before),
        }
        match edit {
            EntryEdit::Dangle => assert_dangling(entry, changed),
            EntryEdit::Retarget(..) => assert_retargeted(entry, changed),
            EntryEdit::Remove => {}
        }
    }
    assert!(after.next().is_none(), "an entry came out of nowhere");
    let (head, _, tail) = around(index);
    if new.entries().is_empty() {
        let (head, tail) = (head.trim_end(), tail.trim_start());
        assert_eq!(text, format!("{head}{tail}"));
    } else {
        assert!(text.starts_with(head) && text.ends_with(tail));
    }
    undo(index, edits, &new);
}

/// Only the name changes, and an entry without a name gets none.
fn assert_dangling(before: &Entry, after: &Entry) {
    let Some(digest) = &before.digest else {
        assert_eq!(before, after);
        return;
    };
    if before.name().is_some() || after.name().is_some() {
        let name = format!("{DANGLING_PREFIX}{digest}");
        assert_eq!(after.name(), Some(name.as_str()));
    }
    let unnamed = |entry: &Entry| Entry {
        image_name: None,
        ref_name: None,
        ..entry.clone()
    };
    assert_eq!(after.ref_name, None);
    assert_eq!(unnamed(before), unnamed(after));
}

/// Only digest and size change, and all digests do.
fn assert_retargeted(before: &Entry, after: &Entry) {
    if before.digest.is_none() {
        return;
    }
    assert_eq!(after.digest, Some(new_digest()));
    assert!(after.more_digests.iter().all(|d| *d == new_digest()));
    if before.size.is_some() {
        assert_eq!(after.size, Some(NEW_SIZE));
    }
    let untargeted = |entry: &Entry| Entry {
        digest: None,
        more_digests: Box::default(),
        size: None,
        ..entry.clone()
    };
    assert_eq!(untargeted(before), untargeted(after));
}

/// A record of the edits, written and read again, leads back from the new index.json to the old
/// one: to its very bytes if the entries were separated evenly, else to all its entries.
fn undo(index: &Index, edits: &BTreeMap<usize, EntryEdit>, new: &Index) {
    // An entry without a digest is no image: no plan dangles it or leads it elsewhere.
    let is_planned = |(position, edit): (&usize, &EntryEdit)| {
        *edit == EntryEdit::Remove || index.entries()[*position].digest.is_some()
    };
    if !edits.iter().all(is_planned) {
        return;
    }
    let record = TrashRecord::new(
        Timestamp::UNIX_EPOCH,
        index,
        edits,
        &[],
        &[],
        Vec::new(),
        &[],
    );
    let Some(record) = TrashRecord::parse(&record.bytes()) else {
        panic!("the record of {edits:?} cannot be read");
    };
    assert_eq!(record.entries.len(), edits.len());
    let gone: BTreeSet<usize> = record
        .entries
        .iter()
        .filter(|row| row.replaced_by.is_none())
        .map(|row| row.position)
        .collect();
    let mut entries: Vec<&str> = (0..new.entries().len())
        .map(|at| new.entry_text(at))
        .collect();
    for row in &record.entries {
        assert_eq!(row.entry.get(), index.entry_text(row.position));
        if let Some(text) = &row.replaced_by {
            let position = row.position - gone.range(..row.position).count();
            assert_eq!(new.entry_text(position), text.get());
            entries[position] = row.entry.get();
        }
    }
    for row in record
        .entries
        .iter()
        .filter(|row| row.replaced_by.is_none())
    {
        entries.insert(row.position, row.entry.get());
    }
    let text = new.with_entries(&entries, record.spacing.as_ref());
    let (head, separators, tail) = around(index);
    if separators.windows(2).all(|two| two[0] == two[1]) {
        assert_eq!(text, String::from_utf8_lossy(index.bytes()));
    } else {
        let restored = parsed(&text);
        assert_eq!(texts(&restored), texts(index));
        assert!(text.starts_with(head) && text.ends_with(tail));
    }
}
