//! The manual page and the shell's completion, made from the table of options. They are files of `scripts/packaging`; a test fails when
//! one of them is not what the table says, and `FRAMEMILL_WRITE=1 cargo test --lib manual` writes them.

use std::fmt::Write;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::cli::option::CliOption;
use crate::cli::table::{COMMANDS, Entry};
use crate::cli::wants::Wants;
use crate::exit::EXIT_CODES;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/packaging/");

/// Files that begin and end what is made.
const HEAD: &str = include_str!("manual/head");
const TAIL: &str = include_str!("manual/tail");

/// Text for roff: hyphens are those that can be typed, and no line is a command.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

fn option(to: &mut String, option: &CliOption) {
    let range = match option.wants {
        Wants::Number(numbers) => format!("; {numbers}"),
        _ => String::new(),
    };
    let (name, placeholder) = option.parts();
    let gap = if placeholder.is_empty() { "" } else { " " };
    writeln!(
        to,
        ".TP\n\\fB{}\\fR{gap}\\fI{}\\fR\n{}",
        roff(name),
        roff(placeholder),
        roff(&format!("{}{range}", option.help))
    )
    .unwrap();
}

fn manual() -> String {
    let mut to = HEAD.replace("VERSION", env!("CARGO_PKG_VERSION"));
    for entry in &COMMANDS {
        let title = format!("framemill {}{}", entry.name, entry.required);
        writeln!(to, ".SS {}\n{}.", roff(&title), roff(entry.summary)).unwrap();
        entry.options.iter().for_each(|row| option(&mut to, row));
    }
    to.push_str(".SH EXIT STATUS\n");
    for line in EXIT_CODES.lines() {
        let (code, meaning) = line.trim().split_once("  ").unwrap();
        writeln!(to, ".TP\n.B {code}\n{}", roff(meaning)).unwrap();
    }
    to + TAIL
}

/// What the shell can complete an option's value to.
fn values(row: &CliOption) -> Option<String> {
    let words: Vec<_> = row.parts().1.split('|').collect();
    if words
        .iter()
        .any(|word| word.contains("PATH") || *word == "FILE")
    {
        return Some("COMPREPLY=($(compgen -f -- \"$cur\")); return".to_string());
    }
    let letter = |c: char| c.is_ascii_lowercase();
    let plain = |word: &&&str| {
        word.starts_with(letter) && !word.contains(|c: char| !letter(c) && !c.is_ascii_digit())
    };
    let words: Vec<_> = words.iter().filter(plain).copied().collect();
    match (row.wants, words.is_empty()) {
        (Wants::Nothing, _) => None,
        (_, true) => Some("return".to_string()),
        (_, false) => Some(format!("words=\"{}\"", words.join(" "))),
    }
}

fn completion_of(to: &mut String, entry: &Entry) {
    let names: Vec<_> = entry.options.iter().map(|row| row.name()).collect();
    writeln!(to, "    {})\n        case $prev in", entry.name).unwrap();
    let mut cases: Vec<(String, Vec<&str>)> = Vec::new();
    for row in entry.options.iter().filter(|row| !row.optional()) {
        let Some(values) = values(row) else { continue };
        match cases.iter_mut().find(|(other, _)| *other == values) {
            Some((_, rows)) => rows.push(row.name()),
            None => cases.push((values, std::vec![row.name()])),
        }
    }
    for (values, rows) in cases {
        writeln!(to, "        {}) {values} ;;", rows.join(" | ")).unwrap();
    }
    let names = names.join(" ");
    writeln!(
        to,
        "        *) words=\"{names} --help\" ;;\n        esac\n        ;;"
    )
    .unwrap();
}

fn completion() -> String {
    let names: Vec<_> = COMMANDS.iter().map(|entry| entry.name).collect();
    let names = names.join(" ");
    let mut to = format!(
        "# shellcheck shell=bash disable=SC2207 # no word has a space\n\
         # Completion for framemill. Made from the table of options: FRAMEMILL_WRITE=1 cargo test --lib manual\n\
         _framemill() {{\n    \
         local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} words=\n    \
         COMPREPLY=()\n    \
         case $COMP_CWORD:${{COMP_WORDS[1]}} in\n    \
         1:*) words=\"{names} help --version\" ;;\n    \
         *:help) words=\"{names}\" ;;\n    \
         esac\n    \
         [ \"$COMP_CWORD\" -eq 1 ] || case ${{COMP_WORDS[1]}} in\n"
    );
    COMMANDS
        .iter()
        .for_each(|entry| completion_of(&mut to, entry));
    to + "    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -F _framemill framemill\n"
}

#[track_caller]
fn is_on_disk(name: &str, made: &str) {
    let path = format!("{FOLDER}{name}");
    if std::env::var_os("FRAMEMILL_WRITE").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(made.lines()).find(|(a, b)| a != b);
    assert!(
        found == made,
        "{path} is stale, first at {differs:?}: FRAMEMILL_WRITE=1 cargo test --lib manual"
    );
}

#[test]
fn the_manual_page_is_what_the_table_says() {
    is_on_disk("framemill.1", &manual());
}

#[test]
fn the_completion_is_what_the_table_says() {
    is_on_disk("framemill.bash", &completion());
}
