//! `manifest.json` and `repositories` of an unpacked `docker save`.
//!
//! An archive that Docker or containerd writes is a layout, and beside index.json has these files
//! for engines that read nothing else. They name configs and layers by path, so they are roots of
//! their own, and they name images, so a name that is removed must be removed from them too, or
//! `docker load` brings it back.
//!
//! Layouts may hold any file, so a `manifest.json` that is no such list is somebody else's, and is
//! left alone.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::error::Error;
use crate::json::edit::{self, PartFate};
use crate::json::read::{InvalidJson, Json, Unexpected, ValueKind, is_member};
use crate::layout::{DockerFile, Locked, RootEdit};
use crate::value::digest::{Algorithm, Digest};
use crate::value::reference::Reference;

/// The two files, as far as they are there.
#[derive(Clone, Debug, Default)]
pub struct DockerArchive {
    manifest: Option<(String, Vec<Item>)>,
    /// The text, which is an object of objects.
    repositories: Option<String>,
}

/// One image of `manifest.json`, if it names any blob of the layout: nothing hangs on others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Its config, if the path is that of a blob.
    pub config: Option<Digest>,
    /// Its layers, as far as their paths are those of blobs.
    pub layers: Vec<Digest>,
    /// Which element of the list it is.
    number: usize,
    /// Where in the text its list of names stands.
    tags: Range<usize>,
}

impl DockerArchive {
    /// Reads the files.
    ///
    /// # Errors
    /// Exit status 12 when `manifest.json` begins like such a list and is none: it may be half
    /// written, and the blobs that it leads to are unknown.
    pub fn load<M>(layout: &Locked<M>) -> anyhow::Result<DockerArchive> {
        let manifest = layout.read_docker_file(DockerFile::Manifest)?;
        let repositories = layout.read_docker_file(DockerFile::Repositories)?;
        DockerArchive::parse(manifest, repositories).map_err(|reason| {
            let path = layout.path().join(DockerFile::Manifest.name());
            Error::layout(format!("`{}` cannot be read: {reason}", path.display()))
                .hint("nothing is deleted, because the blobs that it leads to are unknown; put it back or move it away")
                .into()
        })
    }

    fn parse(
        manifest: Option<Vec<u8>>,
        repositories: Option<Vec<u8>>,
    ) -> Result<DockerArchive, InvalidJson> {
        let mut archive = DockerArchive::default();
        if let Some(bytes) = manifest
            && let Ok(text) = String::from_utf8(bytes)
            && text.trim_start().starts_with('[')
        {
            // An odd item keeps the blobs that it names; somebody else's list names none.
            let items = items(&text)?;
            archive.manifest = Some((text, items));
        }
        if let Some(bytes) = repositories
            && let Ok(text) = String::from_utf8(bytes)
            && is_object_of_objects(&text)
        {
            archive.repositories = Some(text);
        }
        Ok(archive)
    }

    /// The images of `manifest.json` that name blobs.
    pub fn items(&self) -> &[Item] {
        self.manifest.as_ref().map_or(&[], |(_, items)| items)
    }

    /// Calls `each` with the names of an item, normalised, until it says that it has heard enough. They
    /// are read again each time, for there may be more of them than anybody asks for.
    pub fn names(&self, item: &Item, each: &mut dyn FnMut(Option<String>) -> bool) {
        if let Some((text, _)) = &self.manifest {
            let mut goes_on = true;
            each_text(&text[item.tags.clone()], &mut |tag| {
                goes_on = goes_on && each(tag.and_then(normalised));
            });
        }
    }

    /// The files without these names and without these items, by their place in [`DockerArchive::items`].
    pub fn edited(&self, gone: &BTreeSet<String>, dropped: &BTreeSet<usize>) -> Vec<RootEdit> {
        let mut edits = Vec::new();
        let mut edit = |file, old: &str, new: String| {
            if new != old {
                edits.push(RootEdit {
                    file,
                    old: old.as_bytes().to_vec(),
                    new: new.into_bytes(),
                });
            }
        };
        if let Some((text, items)) = &self.manifest {
            let dropped: BTreeSet<usize> = dropped.iter().map(|at| items[*at].number).collect();
            let new = edit::edit_parts(text, |number, part| match part.value(text) {
                item if !item.starts_with('{') => PartFate::Keep,
                _ if dropped.contains(&number) => PartFate::Drop,
                item => PartFate::Replace(without_tags(item, gone)),
            });
            edit(DockerFile::Manifest, text, new);
        }
        if let Some(text) = &self.repositories {
            let new = edit::edit_parts(text, |_, part| {
                let (repository, tags) = (part.key(text), part.value(text));
                let (mut goes, mut stays) = (false, false);
                let kept = edit::edit_parts(tags, |_, tag| {
                    let name = normalised(&format!("{repository}:{}", tag.key(tags)));
                    let is_gone = name.is_some_and(|name| gone.contains(&name));
                    goes |= is_gone;
                    stays |= !is_gone;
                    drop_if(is_gone)
                });
                match goes && !stays {
                    true => PartFate::Drop,
                    false => part.with_value(text, &kept),
                }
            });
            edit(DockerFile::Repositories, text, new);
        }
        edits
    }
}

/// The items of a list that name blobs.
fn items(text: &str) -> Result<Vec<Item>, InvalidJson> {
    let (mut items, mut number) = (Vec::new(), 0);
    let mut json = Json::new(text.as_bytes());
    let read = json.list(|json| {
        // One that is no object is no item.
        match json.kind()? {
            ValueKind::Object => {
                let mut item = Item::read(json)?;
                item.number = number;
                if item.blobs().next().is_some() {
                    items.push(item);
                }
            }
            _ => json.skip()?,
        }
        number += 1;
        Ok(())
    });
    let read = read.and_then(|()| json.end());
    read.map_err(|unexpected| json.explained(unexpected))?;
    Ok(items)
}

fn is_object_of_objects(text: &str) -> bool {
    let mut json = Json::new(text.as_bytes());
    let read = json.object(|json, _| json.object(|json, _| json.skip()));
    read.and_then(|()| json.end()).is_ok()
}

/// Calls `each` with the elements of a list, `None` for those that are no texts.
fn each_text(list: &str, each: &mut dyn FnMut(Option<&str>)) {
    // What was read before can be read again; of anything else than a list there are none.
    let _ = Json::new(list.as_bytes()).list(|json| {
        each(json.unicode()?.as_deref());
        Ok(())
    });
}

impl Item {
    fn read(json: &mut Json<'_>) -> Result<Item, Unexpected> {
        let mut item = Item::default();
        json.object(|json, key| {
            if key.is_member("Config") {
                let path = json.unicode()?;
                item.config = path.and_then(|path| blob_of_path(&path));
            } else if key.is_member("Layers") && json.kind()? == ValueKind::List {
                json.list(|json| {
                    let path = json.unicode()?;
                    item.layers
                        .extend(path.and_then(|path| blob_of_path(&path)));
                    Ok(())
                })?;
            } else if key.is_member("RepoTags") {
                item.tags = json.range()?;
            } else {
                json.skip()?;
            }
            Ok(())
        })?;
        Ok(item)
    }

    /// The blobs that it needs.
    pub fn blobs(&self) -> impl Iterator<Item = &Digest> {
        self.config.iter().chain(&self.layers)
    }
}

/// The text of an item without some of its names.
fn without_tags(item: &str, gone: &BTreeSet<String>) -> String {
    edit::edit_parts(item, |_, member| {
        let list = member.value(item);
        if !is_member(member.key(item), "RepoTags") || !list.starts_with('[') {
            return PartFate::Keep;
        }
        let kept = edit::edit_parts(list, |_, tag| {
            let name = serde_json::from_str::<Cow<'_, str>>(tag.value(list)).ok();
            let name = name.and_then(|name| normalised(&name));
            drop_if(name.is_some_and(|name| gone.contains(&name)))
        });
        member.with_value(item, &kept)
    })
}

fn drop_if(is_gone: bool) -> PartFate {
    match is_gone {
        true => PartFate::Drop,
        false => PartFate::Keep,
    }
}

fn normalised(name: &str) -> Option<String> {
    let reference = Reference::parse(name).ok()?;
    Some(reference.with_default_tag().to_string())
}

/// `blobs/sha256/<hex>`; other paths belong to archives that are no layouts.
fn blob_of_path(path: &str) -> Option<Digest> {
    let (algorithm, name) = path.strip_prefix("blobs/")?.split_once('/')?;
    Algorithm::of_name(algorithm)?.digest_of_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(manifest: &str, repositories: &str) -> DockerArchive {
        DockerArchive::parse(Some(manifest.into()), Some(repositories.into())).unwrap()
    }

    fn gone(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_removed_name_goes_from_both_files_and_the_rest_stays() {
        let hex = "ab".repeat(32);
        let manifest = format!(
            "[{{\"Config\":\"blobs/sha256/{hex}\", \"RepoTags\":[\"a:1\",\"b:1\"],\"x\":1e400}},\
             {{\"Config\":\"c\",\"RepoTags\":null,\"Layers\":[\"blobs/sha256/{hex}\"]}}]"
        );
        let repositories = r#"{"a":{"1":"x"},"b":{"1":"y","2":"z"}}"#;
        let archive = archive(&manifest, repositories);
        assert_eq!(archive.items()[0].blobs().count(), 1);
        assert_eq!(archive.items()[1].blobs().count(), 1);
        let edits = archive.edited(
            &gone(&["docker.io/library/a:1", "docker.io/library/b:1"]),
            &BTreeSet::from([1]),
        );
        let texts: Vec<_> = edits
            .iter()
            .map(|e| String::from_utf8(e.new.clone()).unwrap())
            .collect();
        assert_eq!(
            texts,
            [
                format!("[{{\"Config\":\"blobs/sha256/{hex}\", \"RepoTags\":[],\"x\":1e400}}]"),
                r#"{"b":{"2":"z"}}"#.to_owned()
            ]
        );
        assert!(
            archive
                .edited(&gone(&["docker.io/library/c:1"]), &BTreeSet::new())
                .is_empty()
        );
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone_and_a_torn_one_refused() {
        for text in ["{}", "hello", "[1,2]", "[{\"a\":1}]"] {
            let archive = archive(text, "[]");
            assert!(archive.items().iter().all(|item| item.blobs().count() == 0));
            assert!(archive.edited(&gone(&["a"]), &BTreeSet::new()).is_empty());
        }
        assert!(DockerArchive::parse(Some(b"[{\"Config\":".to_vec()), None).is_err());
    }

    #[test]
    fn one_odd_item_does_not_hide_the_others() {
        let blob = format!("blobs/sha256/{}", "ab".repeat(32));
        let text = format!(
            r#"[7,{{"Config":null,"RepoTags":"odd"}},{{"config":"{blob}","LAYERS":["{blob}",3]}}]"#
        );
        let archive = archive(&text, "{}");
        let counts: Vec<_> = archive
            .items()
            .iter()
            .map(|item| item.blobs().count())
            .collect();
        // Those without blobs are not held.
        assert_eq!(counts, [2]);
        assert!(
            archive
                .edited(&gone(&["docker.io/library/odd:latest"]), &BTreeSet::new())
                .is_empty()
        );
    }
}
