//! `--layouts`: a prune of many layouts at once, in a tree like that of a registry.
//!
//! A layout has one to nine images, about five on average. A third of them has nothing to remove. Of every
//! sixteen layouts the first four have their images in common, by hard links; the others have nothing in common
//! but bases, each with files of its own. The floor program finds the
//! layouts by listing each directory once, and does in each what it does in a single one: see
//! [`crate::floor`].

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::ensure;

use crate::floor::{MANIFESTS, NEW_INDEX};
use crate::generator::{Digest, Parameters, Part, Plan, Scope, hex};
use crate::layout_on_disk::write_layout;
use crate::process::Invocation;
use crate::results::{self, Measured};
use crate::{Arguments, Programs};

/// Images of all layouts together, if nothing else is said.
const IMAGES: usize = 20_000;

/// Of every so many layouts, the first [`SHARERS`] share their blobs.
const NEIGHBOURS: usize = 16;
const SHARERS: usize = 4;

/// Layouts in one directory.
const IN_ONE: usize = 20;

/// A tree of layouts, with the lists for the floor program beside it.
struct Tree {
    place: tempfile::TempDir,
    layouts: Vec<Generated>,
}

/// One layout of the tree.
struct Generated {
    /// Below the tree.
    path: PathBuf,
    plan: Plan,
    blobs: u64,
    garbage: Vec<Digest>,
    before: String,
    after: String,
}

impl Tree {
    fn generate(parent: &Path, layouts: usize, parameters: &Parameters) -> io::Result<Tree> {
        let place = tempfile::Builder::new()
            .prefix("ocirm-bench-")
            .tempdir_in(parent)?;
        let mut tree = Tree {
            place,
            layouts: Vec::with_capacity(layouts),
        };
        let most = (2 * (parameters.images / layouts.max(1)))
            .saturating_sub(1)
            .max(1);
        for number in 0..layouts {
            let parameters = Parameters {
                // All sizes equally often, in no order that repeats with the neighbours.
                images: 1 + number * 7919 % most,
                dangling: if number % 3 == 0 {
                    0.0
                } else {
                    parameters.dangling
                },
                seed: parameters.seed + number as u64,
                family: match number % NEIGHBOURS {
                    place @ ..SHARERS => number - place,
                    _ => number,
                },
                ..parameters.clone()
            };
            let path = PathBuf::from(format!("project-{:03}", number / IN_ONE))
                .join(format!("image-{number:05}"));
            tree.layouts
                .push(Generated::new(&tree.root(), path, &parameters)?);
        }
        for number in 0..layouts {
            tree.link(number)?;
            tree.layouts[number].write_lists(&tree.lists())?;
        }
        Ok(tree)
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("tree")
    }

    fn lists(&self) -> PathBuf {
        self.place.path().join("lists")
    }

    /// Gives a layout the blobs of the first of its neighbours, where both have the same.
    fn link(&self, number: usize) -> io::Result<()> {
        let place = number % NEIGHBOURS;
        if place == 0 || place >= SHARERS {
            return Ok(());
        }
        let blobs = |number: usize| self.layouts[number].blobs_in(&self.root());
        let mut of_first = HashMap::new();
        for entry in fs::read_dir(blobs(number - place))? {
            let entry = entry?;
            of_first.insert(entry.file_name(), (entry.path(), entry.metadata()?.ino()));
        }
        for entry in fs::read_dir(blobs(number))? {
            let entry = entry?;
            if let Some((path, inode)) = of_first.get(&entry.file_name())
                && entry.metadata()?.ino() != *inode
            {
                fs::remove_file(entry.path())?;
                fs::hard_link(path, entry.path())?;
            }
        }
        Ok(())
    }

    /// Whether each layout is as a prune has to leave it.
    fn verify(&self) -> anyhow::Result<()> {
        for layout in &self.layouts {
            let dir = self.root().join(&layout.path);
            let blobs = fs::read_dir(layout.blobs_in(&self.root()))?.count() as u64;
            let expected = layout.blobs - layout.garbage.len() as u64;
            ensure!(
                blobs == expected,
                "{}: {blobs} blobs are left, not {expected}",
                dir.display()
            );
            let index = fs::read_to_string(dir.join("index.json"))?;
            ensure!(
                index == layout.after,
                "{}: another index.json",
                dir.display()
            );
        }
        Ok(())
    }

    /// Makes again what a prune deleted.
    fn restore(&self) -> io::Result<()> {
        for layout in &self.layouts {
            if layout.has_garbage() {
                let only: HashSet<Digest> = layout.garbage.iter().copied().collect();
                let blobs = layout.blobs_in(&self.root());
                layout.plan.write_blobs(&blobs, Part::Garbage, Some(only))?;
                let index = self.root().join(&layout.path).join("index.json");
                fs::write(index, &layout.before)?;
            }
        }
        (0..self.layouts.len()).try_for_each(|number| self.link(number))
    }
}

impl Generated {
    fn new(root: &Path, path: PathBuf, parameters: &Parameters) -> io::Result<Generated> {
        let plan = Plan::new(parameters);
        let inventory = write_layout(&root.join(&path), &plan)?;
        let before = inventory.index(&plan, Scope::All);
        let after = inventory.index(&plan, Scope::Named);
        Ok(Generated {
            path,
            blobs: inventory.blobs,
            garbage: inventory.garbage.clone(),
            before,
            after,
            plan,
        })
    }

    fn blobs_in(&self, root: &Path) -> PathBuf {
        root.join(&self.path).join("blobs/sha256")
    }

    fn has_garbage(&self) -> bool {
        self.before != self.after || !self.garbage.is_empty()
    }

    fn write_lists(&self, lists: &Path) -> io::Result<()> {
        let dir = lists.join(&self.path);
        fs::create_dir_all(&dir)?;
        // The documents are made once more, and nothing of them is written.
        let nothing = Some(HashSet::new());
        let inventory = self.plan.write_blobs(&dir, Part::Everything, nothing)?;
        let manifests = inventory.manifests(&self.plan, Scope::Named);
        let text: String = manifests.iter().map(|digest| hex(digest) + "\0").collect();
        fs::write(dir.join(MANIFESTS), text)?;
        if self.has_garbage() {
            fs::write(dir.join(NEW_INDEX), &self.after)?;
        }
        Ok(())
    }
}

/// `--test`: a few layouts, pruned by both programs.
pub(crate) fn compare_answers(programs: &Programs, arguments: &Arguments) -> anyhow::Result<()> {
    let parameters = Parameters {
        images: 60,
        ..arguments.parameters.clone()
    };
    let tree = Tree::generate(&arguments.dir, 20, &parameters)?;
    ensure!(
        tree.layouts.iter().any(Generated::has_garbage),
        "nothing to prune"
    );
    for (_, invocation) in contenders(programs, &tree, &tree.root(), &[1, 2])? {
        invocation.time()?;
        tree.verify()?;
        tree.restore()?;
    }
    eprintln!("of many layouts too");
    Ok(())
}

/// The floor program with these numbers of threads, and ocirm: with one layout after another, if it can be
/// told so, and as it is by itself.
fn contenders(
    programs: &Programs,
    tree: &Tree,
    shown: &Path,
    threads: &[usize],
) -> anyhow::Result<Vec<(String, Invocation)>> {
    let shown = shown.display().to_string();
    let floor = |threads: &usize| {
        let invocation = Invocation {
            program: programs.floor.clone(),
            arguments: vec![
                "floor".to_owned(),
                "many".to_owned(),
                shown.clone(),
                tree.lists().display().to_string(),
                threads.to_string(),
            ],
        };
        let name = match threads {
            1 => "floor".to_owned(),
            threads => format!("floor, {threads} threads"),
        };
        (name, invocation)
    };
    let prune = ["prune", "--force", "--grace", "0s", "--recursive", &shown];
    let ocirm = |more: &[&str]| Invocation {
        program: programs.ocirm.clone(),
        arguments: prune
            .iter()
            .chain(more)
            .map(|word| (*word).to_owned())
            .collect(),
    };
    let help = Invocation {
        program: programs.ocirm.clone(),
        arguments: vec!["prune".to_owned(), "--help".to_owned()],
    };
    let mut all: Vec<_> = threads.iter().map(floor).collect();
    if help.output()?.contains("--jobs") {
        all.push(("ocirm --jobs 1".to_owned(), ocirm(&["--jobs", "1"])));
    }
    all.push(("ocirm".to_owned(), ocirm(&[])));
    Ok(all)
}

/// Measures, and prints a table for the disk itself and for each delay.
pub(crate) fn measure(
    programs: &Programs,
    arguments: &Arguments,
    layouts: usize,
) -> anyhow::Result<()> {
    println!("{}.\n", results::machine(&arguments.dir));
    let parameters = Parameters {
        images: arguments.images.unwrap_or(IMAGES),
        ..arguments.parameters.clone()
    };
    eprintln!("generating {layouts} layouts");
    let tree = Tree::generate(&arguments.dir, layouts, &parameters)?;
    let blobs: u64 = tree.layouts.iter().map(|layout| layout.blobs).sum();
    let garbage: usize = tree.layouts.iter().map(|layout| layout.garbage.len()).sum();
    let images: usize = tree.layouts.iter().map(|layout| layout.plan.images()).sum();
    let contents =
        format!("{layouts} layouts, {images} images, {garbage} of {blobs} blobs go with `prune`");
    let threads = [1, arguments.floor_threads];
    let contenders_here = contenders(programs, &tree, &tree.root(), &threads)?;
    let mut measured = vec![Measured::new(); contenders_here.len()];
    for round in 0..arguments.rounds.unwrap_or(5) as usize {
        for place in 0..contenders_here.len() {
            let contender = (place + round) % contenders_here.len();
            let (name, invocation) = &contenders_here[contender];
            eprintln!("round {}: {name}", round + 1);
            let took = invocation.time()?;
            tree.verify()?;
            tree.restore()?;
            measured[contender].times.add(took);
        }
    }
    for ((_, invocation), measured) in contenders_here.iter().zip(&mut measured) {
        measured.peak_memory = invocation.peak_memory(tree.place.path())?;
        tree.restore()?;
    }
    let rows: Vec<_> = contenders_here
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let rows: Vec<_> = rows.into_iter().zip(measured).collect();
    println!("{}", results::many_table(&contents, &rows));
    #[cfg(target_os = "linux")]
    for delay in &arguments.delay {
        if let Err(reason) = crate::far::can_mount(tree.place.path()) {
            eprintln!("no far disk can be mounted here: {reason}");
            return Ok(());
        }
        let mountpoint = tree.place.path().join("far");
        let threads = [1, arguments.far_threads];
        let mut programs_here = Vec::new();
        let mut measured = Vec::new();
        for (name, invocation) in contenders(programs, &tree, &mountpoint, &threads)? {
            eprintln!("{delay:?} away: {name}");
            let (took, calls) = crate::far::run(&tree.root(), &invocation, &mountpoint, *delay)?;
            tree.verify()?;
            tree.restore()?;
            let mut times = results::Times::default();
            times.add(took);
            programs_here.push(name);
            measured.push(results::FarMeasured { times, calls });
        }
        let heading = format!("{contents}; each call takes {delay:?} longer");
        let rows = [("`prune --recursive`", measured)];
        println!("{}", results::far_table(&heading, &programs_here, &rows));
    }
    Ok(())
}
