//! Records of removals: what is understood is written again as it was understood, and its rows go
//! back into an index.json.

use std::collections::BTreeMap;

use ocirm::oci::index::{EntryEdit, Index};
use ocirm::oci::trash_record::TrashRecord;

/// Reads a record, writes it, and puts its rows into an index.json and takes them out again.
pub fn removal(input: &[u8]) -> bool {
    let Some(record) = TrashRecord::parse(input) else {
        return false;
    };
    let bytes = record.bytes();
    let Some(again) = TrashRecord::parse(&bytes) else {
        panic!("what was written cannot be read");
    };
    assert_eq!(again.bytes(), bytes);
    assert_eq!(again.removed, record.removed);
    assert_eq!(again.is_empty(), record.is_empty());
    assert_eq!(again.removed_parts, record.removed_parts);
    assert_eq!(again.files, record.files);
    assert_eq!(again.spacing, record.spacing);
    assert_eq!(again.documents, record.documents);
    assert_eq!(again.entries.len(), record.entries.len());
    for (again, row) in again.entries.iter().zip(&record.entries) {
        assert_eq!(again.position, row.position);
        assert_eq!(again.entry.get(), row.entry.get());
        let text = |row: &ocirm::oci::trash_record::RemovedEntry| {
            let text = row.replaced_by.as_ref();
            text.map(|text| text.get().to_owned())
        };
        assert_eq!(text(again), text(row));
    }
    for file in &record.files {
        if let Some(edit) = file.undone() {
            assert_eq!(edit.file.name(), file.name);
            assert_eq!(edit.old, file.new.as_bytes());
            assert_eq!(edit.new, file.old.as_bytes());
        }
    }
    put_back(&record);
    true
}

/// All rows come to stand in a list that had none or one, whatever positions they say.
fn put_back(record: &TrashRecord) {
    let rows = record.entries.iter();
    let inserted: Vec<(usize, &str)> = rows.map(|row| (row.position, row.entry.get())).collect();
    for old in ["{\"manifests\":[]}", "{\n \"manifests\": [\n  {}\n ]\n}\n"] {
        let index = parsed(old.to_owned());
        let own = (0..index.entries().len()).map(|at| index.entry_text(at));
        let mut entries: Vec<&str> = own.collect();
        for (position, text) in &inserted {
            entries.insert((*position).min(entries.len()), text);
        }
        let restored = parsed(index.with_entries(&entries, record.spacing.as_ref()));
        let expected = index.entries().len() + inserted.len();
        assert_eq!(restored.entries().len(), expected);
        let mut texts: Vec<&str> = (0..expected).map(|n| restored.entry_text(n)).collect();
        for (_, text) in &inserted {
            let Some(at) = texts.iter().position(|other| other == text) else {
                panic!("{text} did not come back");
            };
            texts.remove(at);
        }

        // And they go again: the positions of what was not there are those of the rest.
        let gone = (0..expected).map(|position| (position, EntryEdit::Remove));
        let gone: BTreeMap<usize, EntryEdit> = gone.collect();
        if let Some(text) = restored.edited(&gone) {
            assert!(parsed(text.in_one()).entries().is_empty());
        }
    }
}

fn parsed(text: String) -> Index {
    match Index::parse(text.clone().into_bytes()) {
        Ok(index) => index,
        Err(reason) => panic!("the new index.json {reason}: {text}"),
    }
}
