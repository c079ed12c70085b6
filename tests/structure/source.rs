//! Rust source as far as the structure's checks need it: code without comments, texts and tests, cut into words.
//!
//! Knows no rule. It is no parser: what rustfmt writes is enough.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A file that is compiled into the product.
pub struct File {
    /// `shm/bytes.rs`.
    pub path: String,
    /// `["shm", "bytes"]`; empty for lib.rs, `["main"]` for main.rs.
    pub module: Vec<String>,
    /// Lines, those of its tests not counted.
    pub lines: usize,
    /// Its code: comments, texts and tests are blank, and each line has its number.
    pub code: String,
    /// The code's words: names, `::`, and every other character by itself.
    pub words: Vec<String>,
}

/// The product's files, as `mod` items reach them from lib.rs and main.rs. `read` gives a file's text.
pub fn product(read: &dyn Fn(&str) -> Option<String>) -> Vec<File> {
    let roots = [
        ("lib.rs".to_string(), vec![]),
        ("main.rs".to_string(), vec!["main".to_string()]),
    ];
    reached(roots.into(), read)
}

/// These files, and those that `mod` items reach from them.
fn reached(
    mut open: Vec<(String, Vec<String>)>,
    read: &dyn Fn(&str) -> Option<String>,
) -> Vec<File> {
    let mut files = Vec::new();
    while let Some((path, module)) = open.pop() {
        let Some(text) = read(&path) else { continue };
        let file = File::new(path, module, &text);
        // main.rs is a crate of its own, whose files stand beside those of the library.
        let base: &[String] = if file.path == "main.rs" {
            &[]
        } else {
            &file.module
        };
        for pair in file.words.windows(3) {
            if pair[0] != "mod" || pair[2] != ";" {
                continue;
            }
            let mut module = base.to_vec();
            module.push(pair[1].clone());
            let name = module.join("/");
            let path = [format!("{name}.rs"), format!("{name}/mod.rs")]
                .into_iter()
                .find(|path| read(path).is_some());
            open.push((path.unwrap_or_else(|| panic!("no file of {name}")), module));
        }
        files.push(file);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The text of a file below src.
fn below_src(path: &str) -> Option<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    fs::read_to_string(src.join(path)).ok()
}

/// The product's files on disk.
pub fn on_disk() -> Vec<File> {
    product(&below_src)
}

/// The files of the simulated kernel, which are compiled into tests only.
pub fn of_the_simulation() -> Vec<File> {
    let root = "simulation/mod.rs".to_string();
    reached(vec![(root, vec!["simulation".to_string()])], &below_src)
}

/// The words of every file below src but one, those of tests, too.
pub fn words_except(path: &str) -> BTreeSet<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut open) = (BTreeSet::new(), vec![src.clone()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                open.push(entry);
            } else if entry.extension().is_some_and(|end| end == "rs") && entry != src.join(path) {
                found.extend(words(&blank(&fs::read_to_string(entry).unwrap())));
            }
        }
    }
    found
}

/// The product's files out of texts, for checks of the checks.
pub fn of(texts: &[(&str, &str)]) -> Vec<File> {
    let texts: BTreeMap<_, _> = texts.iter().copied().collect();
    product(&|path| texts.get(path).map(|text| text.to_string()))
}

impl File {
    fn new(path: String, module: Vec<String>, text: &str) -> Self {
        let code = without_tests(&blank(text));
        let tests = code.1;
        let words = words(&code.0);
        Self {
            path,
            module,
            lines: text.lines().count() - tests,
            code: code.0,
            words,
        }
    }
}

/// The text with a space for each character of a comment, a text or a character, so that only code is left.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    let next = |at: usize, what: &str| {
        what.chars()
            .enumerate()
            .all(|(i, c)| chars.get(at + i) == Some(&c))
    };
    while at < chars.len() {
        let end = if next(at, "//") {
            (at..chars.len()).find(|&i| chars[i] == '\n')
        } else if next(at, "/*") {
            (at + 2..chars.len())
                .find(|&i| next(i, "*/"))
                .map(|i| i + 2)
        } else if let Some(hashes) = raw_text(&chars[at..]) {
            let close = format!("\"{}", "#".repeat(hashes));
            (at + hashes + 2..chars.len())
                .find(|&i| next(i, &close))
                .map(|i| i + close.len())
        } else if chars[at] == '"' {
            closing(&chars, at, '"')
        } else if chars[at] == '\'' && (next(at + 1, "\\") || chars.get(at + 2) == Some(&'\'')) {
            closing(&chars, at, '\'')
        } else {
            out.push(chars[at]);
            at += 1;
            continue;
        };
        let end = end.unwrap_or(chars.len());
        out.extend(
            chars[at..end]
                .iter()
                .map(|&c| if c == '\n' { c } else { ' ' }),
        );
        at = end;
    }
    out
}

/// The number of `#` when a raw text begins here.
fn raw_text(chars: &[char]) -> Option<usize> {
    let hashes = chars
        .strip_prefix(&['r'])?
        .iter()
        .take_while(|&&c| c == '#')
        .count();
    (chars.get(hashes + 1) == Some(&'"')).then_some(hashes)
}

/// Behind the quote that closes the one at `at`.
fn closing(chars: &[char], at: usize, quote: char) -> Option<usize> {
    let mut index = at + 1;
    while index < chars.len() {
        match chars[index] {
            '\\' => index += 1,
            found if found == quote => return Some(index + 1),
            _ => {}
        }
        index += 1;
    }
    None
}

/// The code without the items that only tests have, and how many lines those took.
fn without_tests(code: &str) -> (String, usize) {
    let mut out = code.to_string();
    let mut lines = 0;
    for mark in ["#[cfg(test)]", "#[cfg(all(test,"] {
        while let Some(start) = out.find(mark) {
            let end = start + item(&out[start..]);
            let gone: String = out[start..end].chars().filter(|&c| c == '\n').collect();
            lines += gone.len() + 1;
            out.replace_range(start..end, &gone);
        }
    }
    (out, lines)
}

/// The bytes that an item takes, with the attributes before it: to its semicolon, or to the end of its braces.
fn item(code: &str) -> usize {
    let mut depth = 0;
    for (index, character) in code.char_indices() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            ';' if depth == 0 => return index + 1,
            _ => {}
        }
    }
    code.len()
}

fn words(code: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = ' ';
    for character in code.chars() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        match words.last_mut() {
            Some(word) if is_name(character) && is_name(last) => word.push(character),
            Some(word) if character == ':' && last == ':' && word == ":" => word.push(':'),
            _ if character.is_whitespace() => {}
            _ => words.push(character.to_string()),
        }
        last = character;
    }
    words
}

/// A function of the product.
pub struct Function {
    pub name: String,
    pub lines: usize,
}

/// The functions with a body in a file, each with the lines from its `fn` to its last brace.
pub fn functions(file: &File) -> Vec<Function> {
    let mut found = Vec::new();
    let code = &file.code;
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    for (start, _) in code.match_indices("fn ") {
        if code[..start].ends_with(is_name) {
            continue;
        }
        let name: String = code[start + 3..]
            .chars()
            .take_while(|&c| is_name(c))
            .collect();
        // Pointers to functions have no name, functions of a trait no body.
        let text = &code[start..start + item(&code[start..])];
        if !name.is_empty() && text.ends_with('}') {
            found.push(Function {
                name,
                lines: text.lines().count(),
            });
        }
    }
    found
}
