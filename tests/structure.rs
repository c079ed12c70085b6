//! What the source promises about its structure: layers, no circles, short files and functions, `unsafe` in few places.
//!
//! Each check is a function over files that gives what it finds. It is tried on the product's files, and on a few lines with the fault
//! in them. An exception stands in a list, with a reason or a number. The numbers only go down, and an exception that is no longer
//! needed fails, too: take it out.
//!
//! What counts as an arrow is said in `structure/arrows.rs`.
#![cfg(not(loom))]

#[path = "structure/arrows.rs"]
mod arrows;
#[path = "structure/source.rs"]
mod source;

use std::collections::BTreeSet;

use arrows::{arrows, circles};
use source::{File, functions, of, of_the_simulation, on_disk};

/// The modules in their layers, the lowest first. A file imports from its own module and from layers below it. Modules of one layer do
/// not know each other.
const LAYERS: &[&[&str]] = &[
    &["limits", "mem", "vdso"],
    &["nearest", "text", "time"],
    &["errno", "stdio"],
    &["child", "exit", "free_memory", "log", "schedule", "signals"],
    &["error"],
    &["shm"],
    &["media"],
    &["types"],
    &["control", "flow", "v4l2"],
    &["client", "sandbox"],
    &["cli", "engine"],
    &["command"],
    &["internals"],
    &["entry"],
    &["main"],
];

/// Files that may contain `unsafe`.
const UNSAFE: &[&str] = &[
    "child.rs",
    "entry.rs",
    "entry/mem.rs",
    "entry/start.rs",
    "entry/trace.rs",
    "mem.rs",
    "sandbox/kernel.rs",
    "schedule.rs",
    "shm/bytes.rs",
    "shm/region.rs",
    "shm/word.rs",
    "signals.rs",
    "stdio.rs",
    "time.rs",
    "v4l2/ioctl.rs",
    "v4l2/ioctl/edid.rs",
    "v4l2/ioctl/request.rs",
];

/// Files that may contain `impl Engine`: they alone see both the stream and the clients.
const IMPL_ENGINE: &[&str] = &["engine/engine.rs", "engine/reconfigure.rs"];

/// Most lines of a file, those of its tests not counted.
const FILE_LINES: usize = 400;

/// Files that are longer, with their most lines.
const LONG_FILES: &[(&str, usize)] = &[
    // Every capacity stands in one file.
    ("limits.rs", 470),
];

/// Most lines of a function.
const FUNCTION_LINES: usize = 70;

/// Functions that are longer, with their most lines and the reason.
const LONG_FUNCTIONS: &[(&str, &str, usize, &str)] = &[];

/// Constants of the kernel's that nothing uses yet.
const UNUSED_CONSTANTS: &[&str] = &[];

/// The layer of a file's module; `Err` names the module that has none.
fn layer(path: &str) -> Result<(usize, &str), String> {
    let module = path.split('/').next().unwrap_or(path);
    let module = module.strip_suffix(".rs").unwrap_or(module);
    LAYERS
        .iter()
        .position(|layer| layer.contains(&module))
        .map(|height| (height, module))
        .ok_or(format!("{path}: LAYERS does not say where {module} stands"))
}

fn imports_that_do_not_point_downwards(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for (from, targets) in arrows(files) {
        // lib.rs hands everything on.
        if from == "lib.rs" {
            continue;
        }
        for to in targets {
            match (layer(&from), layer(&to)) {
                (Ok((from_height, from_module)), Ok((height, module))) => {
                    if module != from_module && height >= from_height {
                        found.push(format!(
                            "{from} imports {to}, which does not stand below it"
                        ));
                    }
                }
                (Err(none), _) | (_, Err(none)) => found.push(none),
            }
        }
    }
    found
}

/// Two files that import each other are a circle, too.
fn files_in_circles(files: &[File]) -> Vec<String> {
    let arrows = arrows(files);
    let mut found = Vec::new();
    for circle in circles(&arrows) {
        let inside = |to: &&String| circle.contains(to);
        let arrows = circle.iter().flat_map(|from| {
            let targets = arrows[from].iter().filter(inside);
            targets.map(move |to| format!("{from} -> {to}"))
        });
        let arrows: Vec<_> = arrows.collect();
        found.push(format!("a circle: {}", arrows.join(", ")));
    }
    found
}

/// The words, with `impl<'a> Engine` as `impl Engine`.
fn without_generics_of_impl(words: &[String]) -> Vec<&str> {
    let (mut kept, mut depth, mut after_impl) = (Vec::new(), 0, false);
    for word in words {
        match word.as_str() {
            "<" if after_impl || depth > 0 => depth += 1,
            ">" if depth > 0 => depth -= 1,
            word if depth == 0 => kept.push(word),
            _ => {}
        }
        after_impl = word == "impl";
    }
    kept
}

fn files_with_words(files: &[File], words: &[&str], listed: &[&str]) -> Vec<String> {
    let has = |file: &File| {
        let text = without_generics_of_impl(&file.words);
        text.windows(words.len()).any(|found| found == words)
    };
    let words = words.join(" ");
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for file in files.iter().filter(|file| has(file)) {
        if !listed.contains(&file.path.as_str()) {
            found.push(format!("{}: has `{words}`, and is not listed", file.path));
        }
        seen.insert(file.path.as_str());
    }
    let stale = listed.iter().filter(|&&file| !seen.contains(file));
    found.extend(
        stale.map(|file| format!("{file} has no `{words}` any more: take it out of the list")),
    );
    found
}

fn long_files(files: &[File], exceptions: &[(&str, usize)]) -> Vec<String> {
    let lengths = files.iter().map(|file| (file.path.clone(), file.lines));
    longer_than(FILE_LINES, lengths.collect(), exceptions)
}

fn long_functions(files: &[File], exceptions: &[(&str, &str, usize, &str)]) -> Vec<String> {
    let mut lengths = Vec::new();
    for file in files {
        for function in functions(file) {
            lengths.push((format!("{} {}", file.path, function.name), function.lines));
        }
    }
    let names: Vec<_> = exceptions
        .iter()
        .map(|(file, name, most, _)| (format!("{file} {name}"), *most))
        .collect();
    let exceptions: Vec<_> = names
        .iter()
        .map(|(name, most)| (name.as_str(), *most))
        .collect();
    longer_than(FUNCTION_LINES, lengths, &exceptions)
}

fn longer_than(
    limit: usize,
    lengths: Vec<(String, usize)>,
    exceptions: &[(&str, usize)],
) -> Vec<String> {
    let mut found = Vec::new();
    let (mut needed, mut exact) = (BTreeSet::new(), BTreeSet::new());
    for (name, lines) in &lengths {
        let exception = exceptions.iter().find(|(listed, _)| listed == name);
        let most = exception.map_or(limit, |(_, most)| *most);
        if *lines > most {
            found.push(format!("{name}: {lines} lines, at most {most}"));
        }
        if *lines > limit {
            needed.insert(name.as_str());
        }
        if *lines + SLACK >= most {
            exact.insert(name.as_str());
        }
    }
    for (name, most) in exceptions {
        if !needed.contains(name) {
            found.push(format!(
                "{name} needs no exception any more: take it out of the list"
            ));
        } else if !exact.contains(name) {
            found.push(format!(
                "{name} has far fewer lines than {most}: the number goes down"
            ));
        }
    }
    found
}

/// Lines by which an exception's number may lie above what there is, so that not each change changes the list.
const SLACK: usize = 20;

#[track_caller]
fn assert_none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[track_caller]
fn assert_found(found: Vec<String>, sentence: &str) {
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains(sentence), "{}", found[0]);
}

#[test]
fn imports_point_downwards() {
    assert_none(imports_that_do_not_point_downwards(&on_disk()));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    assert_none(files_in_circles(&on_disk()));
    let simulation = of_the_simulation();
    assert!(simulation.len() > 20, "{}", simulation.len());
    assert_none(files_in_circles(&simulation));
}

#[test]
fn unsafe_stands_in_few_files() {
    assert_none(files_with_words(&on_disk(), &["unsafe"], UNSAFE));
}

#[test]
fn the_engine_is_written_in_few_files() {
    assert_none(files_with_words(
        &on_disk(),
        &["impl", "Engine"],
        IMPL_ENGINE,
    ));
}

#[test]
fn files_are_short() {
    assert_none(long_files(&on_disk(), LONG_FILES));
}

#[test]
fn functions_are_short() {
    assert_none(long_functions(&on_disk(), LONG_FUNCTIONS));
}

/// Constants of the kernel's that nothing uses, tests neither. The compiler does not notice: a table for the comparison with the C headers
/// has them all.
fn unused_constants(
    constants: &File,
    others: &BTreeSet<String>,
    exceptions: &[&str],
) -> Vec<String> {
    let mut found = Vec::new();
    for pair in constants.words.windows(2) {
        let upper = |c: char| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit();
        let (name, is_constant) = (&pair[0], pair[1] == "=" && pair[0].chars().all(upper));
        let excepted = exceptions.contains(&name.as_str());
        if is_constant && excepted == others.contains(name) {
            found.push(match excepted {
                true => format!("{name} is used: take it out of the list"),
                false => format!("nothing uses {name}"),
            });
        }
    }
    found
}

#[test]
fn every_constant_of_the_kernels_is_used() {
    let file = "v4l2/abi/constants.rs";
    let others = source::words_except(file);
    let files = on_disk();
    let constants = files.iter().find(|found| found.path == file).unwrap();
    assert_none(unused_constants(constants, &others, UNUSED_CONSTANTS));
}

#[test]
fn an_unused_constant_is_noticed() {
    let with = |text: &str, exceptions: &[&str]| {
        let files = of(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "constants! { A_1 = 1; B_2 = 2; }"),
            ("b.rs", text),
        ]);
        let others = files[1].words.iter().cloned().collect();
        unused_constants(&files[0], &others, exceptions)
    };
    assert_none(with(
        "use crate::a::A_1; const C: u32 = crate::a::B_2;",
        &[],
    ));
    assert_found(with("use crate::a::A_1; // B_2", &[]), "nothing uses B_2");
    assert_none(with("use crate::a::A_1;", &["B_2"]));
    assert_found(with("use crate::a::{A_1, B_2};", &["B_2"]), "B_2 is used");
}

#[test]
fn every_file_is_reached() {
    let files = on_disk();
    assert!(files.len() > 100, "{} files", files.len());
    assert!(files.iter().any(|file| file.path == "shm/packet_ring.rs"));
    assert!(arrows(&files).values().map(BTreeSet::len).sum::<usize>() > 500);
}

#[test]
fn an_import_upwards_or_sideways_is_noticed() {
    let with = |path: &str, text: &str| {
        imports_that_do_not_point_downwards(&of(&[
            (
                "lib.rs",
                "mod cli; mod engine; pub(crate) mod media; mod types;",
            ),
            (
                "cli.rs",
                if path == "cli" {
                    text
                } else {
                    "use crate::types;"
                },
            ),
            ("engine.rs", if path == "engine" { text } else { "" }),
            ("media.rs", if path == "media" { text } else { "" }),
            ("types.rs", ""),
        ]))
    };
    assert_none(with("", ""));
    assert_found(
        with("media", "use crate::types::Size;"),
        "media.rs imports types.rs",
    );
    assert_found(
        with("media", "fn f() -> crate::types::Size { todo!() }"),
        "media.rs imports types.rs",
    );
    assert_found(
        with("engine", "use crate::{cli::Command, types};"),
        "engine.rs imports cli.rs",
    );
    assert_none(with(
        "media",
        "// use crate::types::Size;\n#[cfg(test)]\nmod tests { use crate::types::Size; }",
    ));
}

#[test]
fn a_module_without_a_layer_is_noticed() {
    let files = of(&[
        ("lib.rs", "mod media; mod odd;"),
        ("odd.rs", "use crate::media::A;"),
        ("media.rs", ""),
    ]);
    assert_found(
        imports_that_do_not_point_downwards(&files),
        "LAYERS does not say where odd stands",
    );
}

#[test]
fn circles_are_noticed_however_they_are_written() {
    let with = |a: &str, b: &str, c: &str| {
        files_in_circles(&of(&[
            ("lib.rs", "mod m;"),
            ("m/mod.rs", "mod a; mod b; pub mod c; pub use b::Handed;"),
            ("m/a.rs", a),
            ("m/b.rs", b),
            ("m/c.rs", c),
        ]))
    };
    let b = "use super::b;";
    assert_none(with(b, "use super::c::{self, C};", ""));
    let both = "m/a.rs -> m/b.rs, m/b.rs -> m/a.rs";
    assert_found(with(b, "use crate::m::a::A;", ""), both);
    assert_found(
        with("use super::Handed;", "use super::{c, a::{A, B}};", ""),
        both,
    );
    assert_found(
        with(b, "macro_rules! x { () => { $crate::m::a::A } }", ""),
        both,
    );
    let three = "m/a.rs -> m/b.rs, m/b.rs -> m/c.rs, m/c.rs -> m/a.rs";
    assert_found(
        with(b, "use super::c::C;", "fn f() { super::a::g() }"),
        three,
    );
}

#[test]
fn a_parent_and_a_child_that_import_each_other_are_noticed() {
    let with = |parent: &str| {
        files_in_circles(&of(&[
            ("lib.rs", "mod m;"),
            ("m.rs", parent),
            ("m/a.rs", "use super::M;"),
        ]))
    };
    assert_none(with("mod a; pub(crate) use a::A;"));
    assert_found(with("mod a; use a::A;"), "m.rs -> m/a.rs");
    assert_found(with("mod a; fn f() { a::g() }"), "m.rs -> m/a.rs");
}

#[test]
fn unlisted_words_are_noticed() {
    let files = of(&[
        ("lib.rs", "mod a; mod b; #![deny(unsafe_code)]"),
        (
            "a.rs",
            "// unsafe\nconst A: &str = \"unsafe\"; const B: char = '\"'; // \" unsafe \"",
        ),
        (
            "b.rs",
            "fn f<'a>() -> &'a u8 { unsafe { g() } }\nimpl<'a> Engine<'a> {}",
        ),
    ]);
    assert_found(
        files_with_words(&files, &["unsafe"], &[]),
        "b.rs: has `unsafe`",
    );
    assert_found(
        files_with_words(&files, &["impl", "Engine"], &[]),
        "b.rs: has `impl Engine`",
    );
    assert_none(files_with_words(&files, &["unsafe"], &["b.rs"]));
    assert_found(
        files_with_words(&files, &["unsafe"], &["a.rs", "b.rs"]),
        "a.rs has no `unsafe` any more",
    );
}

#[test]
fn a_line_too_many_is_noticed() {
    let file = |lines: usize| {
        let text = "//\n".repeat(lines) + "#[cfg(test)]\nmod tests {\n    fn a() {}\n}\n";
        of(&[("lib.rs", &text)])
    };
    assert_none(long_files(&file(FILE_LINES), &[]));
    assert_found(
        long_files(&file(FILE_LINES + 1), &[]),
        "lib.rs: 401 lines, at most 400",
    );
    assert_none(long_files(&file(450), &[("lib.rs", 450)]));
    assert_found(long_files(&file(451), &[("lib.rs", 450)]), "at most 450");
    assert_found(
        long_files(&file(420), &[("lib.rs", 450)]),
        "the number goes down",
    );
    assert_found(
        long_files(&file(FILE_LINES), &[("lib.rs", 450)]),
        "needs no exception",
    );
}

#[test]
fn a_function_too_long_is_noticed() {
    let file = |lines: usize| {
        let body = "    let a = [0; 2];\n".repeat(lines - 2);
        let text =
            format!("fn short();\nimpl A {{\n    fn long(a: [u8; 2]) {{\n{body}    }}\n}}\n");
        of(&[("lib.rs", &text)])
    };
    assert_none(long_functions(&file(FUNCTION_LINES), &[]));
    assert_found(
        long_functions(&file(FUNCTION_LINES + 1), &[]),
        "lib.rs long: 71 lines, at most 70",
    );
    assert_none(long_functions(&file(75), &[("lib.rs", "long", 75, "why")]));
    assert_found(
        long_functions(&file(70), &[("lib.rs", "long", 75, "why")]),
        "needs no exception",
    );
}
