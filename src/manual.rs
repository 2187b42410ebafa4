//! The manual pages: options from the command line's types, the other sections from [`crate::help`].

use std::io;

use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::help::{self, Page};

/// What the library writes at the beginning of each part: how an apostrophe is set.
const APOSTROPHE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// A manual page.
pub struct Manual {
    /// The name of its file, such as `ocirm-prune.1`.
    pub file: String,
    /// The page, in roff.
    pub text: Vec<u8>,
}

/// The pages of all commands, that of the program first.
///
/// # Errors
/// None that can happen: the pages are written into memory.
pub fn pages() -> io::Result<Vec<Manual>> {
    let mut command = crate::cli::command();
    command.build();
    let mut pages = Vec::new();
    add(&command, "", &mut pages)?;
    Ok(pages)
}

/// The page of a command, and those of the commands below it; `path` is what is typed after the
/// program's name.
fn add(command: &clap::Command, path: &str, pages: &mut Vec<Manual>) -> io::Result<()> {
    pages.push(of_command(command, path)?);
    for sub in command.get_subcommands() {
        if sub.get_name() != "help" {
            add(
                sub,
                format!("{path} {}", sub.get_name()).trim_start(),
                pages,
            )?;
        }
    }
    Ok(())
}

/// The name of a page has a dash where a person types a blank.
fn name(path: &str) -> String {
    format!("ocirm {path}").trim_end().replace(' ', "-")
}

fn of_command(command: &clap::Command, path: &str) -> io::Result<Manual> {
    let name = name(path);
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    // What the short help leaves out is in the page.
    let command = &command
        .clone()
        .mut_args(|option| option.hide_short_help(false));
    let page = Man::new(
        command
            .clone()
            .display_name(name.clone())
            .override_usage(usage),
    )
    .title(name.to_uppercase())
    .source(concat!("ocirm ", env!("CARGO_PKG_VERSION")))
    .manual("User Commands");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    let mut options = Vec::new();
    page.render_options_section(&mut options)?;
    let options = String::from_utf8_lossy(&options).replace(APOSTROPHE, "");
    text.extend(as_one_section(command, options).bytes());
    if let Some(page) = help::page(path) {
        sections(page, &mut text)?;
    }
    let text = String::from_utf8_lossy(&text).replace(APOSTROPHE, "");
    // Without a date there is still a place for one.
    let text = text.replacen(" 1  \"", " 1 \"\" \"", 1);
    let text = format!("{APOSTROPHE}{text}").into_bytes();
    Ok(Manual {
        file: format!("{name}.1"),
        text,
    })
}

/// Options stand in one section, each heading of the help below it, and paragraphs are marked as such.
fn as_one_section(command: &clap::Command, mut text: String) -> String {
    for heading in command
        .get_arguments()
        .filter_map(clap::Arg::get_help_heading)
    {
        let section = format!(".SH \"{}\"\n", heading.to_uppercase());
        let section = if heading.contains(' ') {
            section
        } else {
            section.replace('"', "")
        };
        text = text.replace(&section, &format!(".SS \"{heading}\"\n"));
    }
    if !text.contains(".SH OPTIONS\n") {
        text = format!(".SH OPTIONS\n{text}");
    }
    // A paragraph ends its line anyhow.
    let text = text.replace("\n\n", "\n.sp\n");
    let text = text.replace("\n.sp\n.br\n", "\n.sp\n");
    text.replace("\n.br\n.sp\n", "\n.sp\n")
}

/// What [`help`] says of a command, and of all commands.
fn sections(page: &Page, text: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::default();
    let mut section = |title: &str, write: &dyn Fn(&mut Roff)| {
        roff.control("SH", [title]);
        write(&mut roff);
    };
    if let Some(json) = &help::json(page) {
        section("JSON", &|roff| {
            roff.text([
                roman("With "),
                bold("--format json"),
                roman(format!(": {json}")),
            ]);
        });
    }
    section("EXIT STATUS", &|roff| list(roff, help::EXIT_STATUS));
    section("ENVIRONMENT", &|roff| list(roff, help::ENVIRONMENT));
    section("FILES", &|roff| list(roff, help::FILES));
    if !page.examples.is_empty() {
        section("EXAMPLES", &|roff| list(roff, page.examples));
    }
    section("SEE ALSO", &|roff| {
        let all: Vec<&str> = match page.command {
            "" => help::PAGES
                .iter()
                .map(|page| page.command)
                .filter(|name| !name.is_empty())
                .collect(),
            // The program's own page.
            _ => std::iter::once("")
                .chain(page.see_also.iter().copied())
                .collect(),
        };
        let mut line: Vec<Inline> = Vec::new();
        for (at, other) in all.iter().enumerate() {
            if at > 0 {
                line.push(roman(", "));
            }
            line.extend([bold(name(other)), roman("(1)")]);
        }
        roff.text(line);
    });
    roff.to_writer(text)
}

/// Names, each with what it means.
fn list(roff: &mut Roff, list: &[(&str, &str)]) {
    for (name, what) in list {
        roff.control("TP", []);
        roff.text([bold(*name)]);
        roff.text([roman(*what)]);
    }
}
