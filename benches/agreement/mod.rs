//! What has to hold before anything is measured: the layout is sound, and the generator, the floor
//! program and ocirm agree about it. The time of a wrong answer is worth nothing.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};

use crate::Programs;
use crate::generator::hex;
use crate::job::Job;
use crate::layout_on_disk::LayoutOnDisk;
use crate::process::Invocation;

/// Checks the layout with ocirm and, if it is installed, with skopeo; then compares what each says
/// about each job.
pub(crate) fn verify(programs: &Programs, layout: &LayoutOnDisk) -> anyhow::Result<()> {
    programs
        .ocirm(layout, &["check", "--digests"])
        .output()
        .context("the generated layout is not sound")?;
    read_with_skopeo(layout)?;
    compare_names(programs, layout)?;
    for job in [Job::Remove, Job::Prune] {
        compare_deletions(programs, layout, job)?;
    }
    Ok(())
}

fn read_with_skopeo(layout: &LayoutOnDisk) -> anyhow::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).any(|dir| dir.join("skopeo").exists());
    if !installed {
        eprintln!("skopeo is not installed; the layout was checked without it");
        return Ok(());
    }
    let image = format!("oci:{}:{}", layout.path().display(), layout.victim);
    let inspect = Invocation {
        program: "skopeo".to_owned(),
        arguments: ["inspect", "--raw", &image].map(str::to_owned).to_vec(),
    };
    let manifest = inspect.output().context("skopeo cannot read the layout")?;
    serde_json::from_str::<serde_json::Value>(&manifest)?;
    Ok(())
}

/// Each row that is no signature is one line of `ls`, and its name is the one in the row.
fn compare_names(programs: &Programs, layout: &LayoutOnDisk) -> anyhow::Result<()> {
    let rows = layout.inventory.rows.iter().filter(|row| !row.signature);
    let expected: BTreeSet<&str> = rows.clone().filter_map(|row| row.name.as_deref()).collect();
    let unnamed = rows.filter(|row| row.name.is_none()).count();

    let listed = programs
        .ocirm(layout, &["ls", "--format", "json"])
        .output()?;
    let mut names = BTreeSet::new();
    let mut nameless = 0;
    for line in listed.lines() {
        let image: serde_json::Value = serde_json::from_str(line)?;
        match image["name"].as_str() {
            Some(name) => drop(names.insert(name.to_owned())),
            None => nameless += 1,
        }
    }
    ensure!(
        names
            .iter()
            .map(String::as_str)
            .eq(expected.iter().copied())
            && nameless == unnamed,
        "ocirm lists other names than the layout has"
    );

    let printed = programs.floor(layout, Job::Names, 1).output()?;
    let names: BTreeSet<&str> = printed
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    ensure!(
        names == expected && printed.lines().count() == layout.inventory.rows.len(),
        "the floor program lists other names than the layout has"
    );
    Ok(())
}

fn compare_deletions(programs: &Programs, layout: &LayoutOnDisk, job: Job) -> anyhow::Result<()> {
    let expected: BTreeSet<String> = layout.garbage(job).iter().map(hex).collect();
    ensure!(
        expected.len() == layout.garbage(job).len(),
        "a blob goes twice"
    );

    let mut arguments = job.arguments(&layout.victim);
    arguments.extend(["--dry-run", "--format", "json"]);
    let report = programs.ocirm(layout, &arguments).output()?;
    let report: serde_json::Value = serde_json::from_str(&report)?;
    let deleted = report["deleted"]
        .as_array()
        .context("no list of deletions")?;
    let ocirm: BTreeSet<String> = deleted
        .iter()
        .filter_map(|blob| blob["digest"].as_str()?.strip_prefix("sha256:"))
        .map(str::to_owned)
        .collect();
    ensure!(
        ocirm == expected,
        "{}: ocirm would delete {} blobs, the generator says {}",
        job.name(),
        ocirm.len(),
        expected.len()
    );

    for threads in [1, 3] {
        let mut floor = programs.floor(layout, job, threads);
        floor.arguments.push("--dry-run".to_owned());
        let listed = floor.output()?;
        let floor: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
        ensure!(
            floor == expected,
            "{}: the floor program would delete {} blobs, the generator says {}",
            job.name(),
            floor.len(),
            expected.len()
        );
    }
    Ok(())
}

/// Whether a layout that was pruned is sound.
pub(crate) fn verify_pruned(programs: &Programs, layout: &LayoutOnDisk) -> anyhow::Result<()> {
    let left = programs.ocirm(layout, &["check"]).output();
    left.context("what prune left is not sound").map(drop)
}
