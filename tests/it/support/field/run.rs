//! Runs the steps of a case, each of them dry first, and has everything compared.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::case::{CHANGES, Case, Dry, Step, Word, is_dry_run};
use super::described::replaced;
use super::json::Json;
use super::outcome::OnDisk;
use super::printed::{self, documents, said};
use super::state::State;
use crate::support::command::{Finished, Running, ocirm};
use crate::support::contents::arg;
use crate::support::place::{Place, input_of};
use crate::support::tree::Tree;

/// How a case ended.
pub(crate) enum Ending {
    Passed,
    /// What could not be tried here, and why.
    Skipped(String),
    /// What is wrong, and what was run and printed.
    Failed {
        problem: String,
        log: String,
    },
}

type Checked = Result<(), String>;

/// A case that is under way.
struct Run<'a> {
    case: &'a Case,
    place: Place,
    /// Where the layouts lie.
    base: PathBuf,
    layouts: Vec<(String, OnDisk)>,
    printed: Vec<String>,
    log: String,
    mounted: Option<PathBuf>,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if let Some(folder) = &self.mounted {
            let _ = Command::new("umount").arg(folder).status();
        }
    }
}

pub(crate) fn run(case: &Case) -> Ending {
    let place = Place::new();
    let base = place.path("case");
    let mut run = Run {
        case,
        place,
        base,
        layouts: Vec::new(),
        printed: Vec::new(),
        log: String::new(),
        mounted: None,
    };
    if let Some(tmpfs) = &case.tmpfs
        && let Err(reason) = run.mount(tmpfs.kib)
    {
        return Ending::Skipped(reason);
    }
    match run
        .set_up()
        .map_err(|e| format!("the case itself is wrong: {e}"))
        .and_then(|()| run.steps())
    {
        Ok(()) => Ending::Passed,
        Err(problem) => Ending::Failed {
            problem: run.symbols(&problem),
            log: run.symbols(&run.log),
        },
    }
}

impl Run<'_> {
    fn mount(&mut self, kib: u64) -> Result<(), String> {
        let folder = self.base.join("disk");
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let size = format!("size={kib}k");
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs", arg(&folder)])
            .stderr(Stdio::null())
            .status();
        if !done.is_ok_and(|status| status.success()) {
            return Err("no file system can be mounted".to_owned());
        }
        self.mounted = Some(folder);
        Ok(())
    }

    fn set_up(&mut self) -> Checked {
        let folder = self.base.clone();
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        if let Some(mounted) = &self.mounted {
            self.base.clone_from(mounted);
        }
        if let Some(spec) = &self.case.layout {
            let layout = OnDisk::write(spec, &self.base.join("layout"))?;
            self.layouts.push(("layout".to_owned(), layout));
        }
        for (name, spec) in self.case.layouts.iter() {
            let layout = OnDisk::write(spec, &self.base.join(name))?;
            self.layouts.push((name.to_owned(), layout));
        }
        for (name, content) in self.case.files.iter() {
            let path = folder.join(name);
            let done = match self.content(content)? {
                None => fs::create_dir_all(path),
                Some(content) => fs::write(path, content),
            };
            done.map_err(|e| format!("{name}: {e}"))?;
        }
        if self.case.tmpfs.as_ref().is_some_and(|tmpfs| tmpfs.fill) {
            let mut file = File::create(self.base.join("fill")).map_err(|e| e.to_string())?;
            while file.write_all(&[0; 4096]).is_ok() {}
        }
        Ok(())
    }

    /// What a file beside the layouts holds; nothing for a directory.
    fn content(&self, what: &Json) -> Result<Option<Vec<u8>>, String> {
        let only = what
            .members()
            .filter(|members| members.0.len() == 1)
            .map(|members| &members.0[0]);
        let text = match (what, only) {
            (_, Some((kind, _))) if kind == "dir" => return Ok(None),
            (_, Some((kind, Json::Text(digits)))) if kind == "hex" => {
                return const_hex::decode(digits)
                    .map(Some)
                    .map_err(|e| e.to_string());
            }
            (_, Some((kind, Json::List(lines)))) if kind == "lines" => lines
                .iter()
                .filter_map(Json::text)
                .map(|line| format!("{line}\n"))
                .collect(),
            (Json::Text(text), _) => text.clone(),
            (other, _) => other.compact(),
        };
        self.expand(&text).map(|text| Some(text.into_bytes()))
    }

    /// Replaces the placeholders: `{file:NAME}`, `{dir:LAYOUT}` and those of a layout, which with several
    /// layouts begin with the name of one.
    fn expand(&self, text: &str) -> Result<String, String> {
        let text = replaced(r"\{(file|dir):([^{}]+)\}", text, |found| {
            let place = match &found[1] {
                "file" => self.place.path("case").join(&found[2]),
                _ => self.layout(&found[2])?.root.clone(),
            };
            Ok(arg(&place).to_owned())
        })?;
        if self.case.layout.is_some() {
            return self.layout("layout")?.layout.expand(&text);
        }
        replaced(r"\{(digest|id|short|prefix):([^{}]+)\}", &text, |found| {
            let (layout, name) = found[2].split_once(':').ok_or("no layout is named")?;
            self.layout(layout)?
                .layout
                .expand(&format!("{{{}:{name}}}", &found[1]))
        })
    }

    fn layout(&self, name: &str) -> Result<&OnDisk, String> {
        let found = self.layouts.iter().find(|(own, _)| own == name);
        found
            .map(|(_, layout)| layout)
            .ok_or_else(|| format!("no layout is called `{name}`"))
    }

    /// A text with the names of the case in place of digests.
    fn symbols(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (_, place) in &self.layouts {
            for (name, digest) in &place.layout.names {
                text = text.replace(digest, &format!("<{name}>"));
            }
        }
        text
    }

    fn steps(&mut self) -> Checked {
        for (n, step) in self.case.steps.iter().enumerate() {
            let args = self
                .arguments(step)
                .map_err(|e| format!("step {}: {e}", n + 1))?;
            self.step(step, &args)
                .map_err(|e| format!("step {} ({}): {e}", n + 1, args.join(" ")))?;
        }
        Ok(())
    }

    fn arguments(&self, step: &Step) -> Result<Vec<String>, String> {
        let mut args = Vec::new();
        for word in &step.argv {
            match word {
                Word::Text(text) => args.push(self.expand(text)?),
                Word::Printed(from) => {
                    let text = self.printed.get(from.lines).ok_or("no such step has run")?;
                    let lines = text.lines().skip(from.from).filter(|line| !line.is_empty());
                    args.extend(lines.map(str::to_owned));
                }
            }
        }
        Ok(args)
    }

    fn states(&self) -> Result<Vec<State>, String> {
        self.layouts
            .iter()
            .map(|(_, place)| State::of(&place.root))
            .collect()
    }

    fn step(&mut self, step: &Step, args: &[String]) -> Checked {
        let verb = args.first().map_or("", String::as_str);
        let changes = CHANGES.contains(&verb) && !args.iter().any(|word| is_dry_run(word));
        let before = self.states()?;
        let dry = (changes && step.dry != Dry::None).then(|| {
            let mut args = args.to_vec();
            args.insert(1, "--dry-run".to_owned());
            self.call(step, &args)
        });
        let dry = dry.transpose()?;
        if dry.is_some() {
            for ((_, place), before) in self.layouts.iter().zip(&before) {
                let changes = before.tree.changes(&Tree::of(&place.root));
                if let Some(change) = changes.first() {
                    return Err(format!("the dry run changed something: {change}"));
                }
            }
        }
        let real = self.call(step, args)?;
        self.printed.push(real.out.clone());
        if let Some(problem) = real.wrong_ending(step.allowed()) {
            return Err(problem);
        }
        self.words(step, &real)?;
        let trash = args.iter().any(|word| word == "--trash");
        for ((name, place), was) in self.layouts.iter().zip(&before) {
            place.check(was, &self.case.after(step, name)?, trash)?;
        }
        match dry {
            Some(dry) if step.dry == Dry::Plan => same_plan(&dry, &real),
            _ => Ok(()),
        }
    }

    fn call(&mut self, step: &Step, args: &[String]) -> Result<Finished, String> {
        let mut all = Vec::new();
        if step.layout && self.case.layout.is_some() {
            all = vec![
                "--layout".to_owned(),
                arg(&self.layout("layout")?.root).to_owned(),
            ];
        }
        all.extend_from_slice(args);
        let mut command = ocirm(&all, &self.place.home());
        command.current_dir(&self.base);
        let input = input_of(&self.expand(&step.stdin)?);
        let finished = Running::start_with(command, &all, input.into(), None).finish();
        self.log += &finished.to_string();
        if finished.panicked() {
            return Err("it panicked".to_owned());
        }
        if finished.code().is_none() {
            return Err(finished.wrong_ending(&[]).unwrap_or_default());
        }
        Ok(finished)
    }

    fn words(&self, step: &Step, run: &Finished) -> Checked {
        let expand = |text: &str| self.expand(text);
        let both = format!("{}\n{}", run.out, run.err);
        let streams = [
            (
                "standard output",
                &run.out,
                &step.stdout_has,
                &step.stdout_lacks,
            ),
            (
                "standard error",
                &run.err,
                &step.stderr_has,
                &step.stderr_lacks,
            ),
            ("the output", &both, &step.says, &step.says_lacks),
        ];
        for (stream, text, has, lacks) in streams {
            for (patterns, wanted) in [(has, true), (lacks, false)] {
                for pattern in patterns {
                    if printed::fits(pattern, text, &expand)? != wanted {
                        let has = if wanted {
                            "has nothing like"
                        } else {
                            "has something like"
                        };
                        return Err(format!(
                            "{stream} {has} {}",
                            self.expand(&printed::show(pattern))?
                        ));
                    }
                }
            }
        }
        printed::order(&step.order, &run.out, &expand)?;
        let said = said(&run.out, false);
        for name in &step.untagged {
            if !said.contains(&("Untagged: ", &self.expand(name)?)) {
                return Err(format!("no line `Untagged: {name}`"));
            }
        }
        for name in &step.deleted {
            let digest = self.expand(&format!("{{digest:{name}}}"))?;
            if !said.contains(&("Deleted: ", &digest)) && !said.contains(&("Trashed: ", &digest)) {
                return Err(format!("no line `Deleted: {name}`"));
            }
        }
        let lines = run
            .out
            .lines()
            .filter(|line| !line.trim().is_empty())
            .count();
        if step.count.is_some_and(|count| count != lines) {
            return Err(format!("{lines} lines, not {:?}", step.count));
        }
        if let Some(want) = &step.differ {
            printed::differ(want, &run.out)?;
        }
        if !step.json.is_empty() {
            let documents = documents(&run.out)?;
            for check in &step.json {
                printed::json(check, &documents, &expand)?;
            }
        }
        Ok(())
    }
}

/// The dry run announced what the run did.
fn same_plan(dry: &Finished, real: &Finished) -> Checked {
    if dry.code() != real.code() {
        return Err(format!(
            "the dry run ended with {:?}, the run with {:?}",
            dry.code(),
            real.code()
        ));
    }
    if real
        .args
        .iter()
        .any(|word| word == "json" || word == "--format=json")
    {
        for (dry, real) in documents(&dry.out)?.iter().zip(documents(&real.out)?) {
            for key in ["untagged", "deleted", "freed_bytes", "rewritten"] {
                let [dry, real] = [dry, &real].map(|document| document.get(key).map(Json::value));
                if dry != real {
                    return Err(format!(
                        "the dry run says {dry:?} of {key}, the run {real:?}"
                    ));
                }
            }
        }
        return Ok(());
    }
    if !said(&dry.out, false).is_empty() {
        return Err("the dry run has words of a run".to_owned());
    }
    let (announced, done) = (said(&dry.out, true), said(&real.out, false));
    if announced != done || !said(&real.out, true).is_empty() {
        return Err(format!(
            "the dry run announces {announced:?}, the run does {done:?}"
        ));
    }
    Ok(())
}
