//! What src/command/README.md says of commands, options and exit codes, against the tables.

use std::string::String;
use std::vec::Vec;

use crate::cli::table::COMMANDS;
use crate::exit::EXIT_CODES;

const README: &str = include_str!("../../command/README.md");

/// The cells of the table behind this heading line, row by row, without backticks.
fn table(heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = README.split_once(heading).expect("the table is there");
    let rows = rest.trim_start().lines().skip(1);
    let rows = rows.take_while(|line| line.starts_with("| "));
    rows.map(|row| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace('`', "")).collect()
    })
    .collect()
}

#[test]
fn each_command_has_its_row() {
    let rows = table("| command | what it is |");
    let names: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
    let commands: Vec<_> = COMMANDS.iter().map(|entry| entry.name).collect();
    assert_eq!(names, commands);
}

#[test]
fn each_exit_code_has_its_row() {
    let rows = table("| code | meaning |");
    let codes = EXIT_CODES.lines().map(|line| {
        let (code, meaning) = line.trim().split_once("  ").expect("two columns");
        std::vec![String::from(code), String::from(meaning)]
    });
    assert!(rows.iter().cloned().eq(codes), "{rows:#?}");
}

#[test]
fn each_option_that_is_named_exists() {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut named = 0;
    for (at, _) in README.match_indices("--") {
        let word = README[at..]
            .split(|c| !letter(c))
            .next()
            .unwrap_or_default();
        let begins = !README[..at].ends_with(letter) && word.len() > 3;
        // BusyBox's and VLC's.
        if !begins || ["--install", "--demux"].contains(&word) {
            continue;
        }
        let mut options = COMMANDS.iter().flat_map(|entry| entry.options);
        assert!(
            word == "--help" || options.any(|option| option.name() == word),
            "{word}"
        );
        named += 1;
    }
    assert!(named > 50, "{named}");
}
