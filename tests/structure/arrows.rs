//! Which file imports which: `use` lines, and paths that are written out.
//!
//! A path counts as an arrow to the file of the longest module that it names; where a module only hands a name on (`pub use`), to the file
//! that the name is handed on from. What a module hands on of its own children is no arrow. A glob that is handed on (`pub use x::*`) is
//! not looked through.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::File;

/// Arrows from file to file.
pub type Arrows = BTreeMap<String, BTreeSet<String>>;

type Path = Vec<String>;

struct Import {
    path: Path,
    /// The name that it has here.
    name: String,
    /// `pub use`, with whatever reach.
    handed_on: bool,
}

struct Crate<'a> {
    files: BTreeMap<&'a [String], &'a File>,
    /// Names that a module hands on, and where they come from.
    handed_on: BTreeMap<(Path, String), Path>,
}

pub fn arrows(files: &[File]) -> Arrows {
    let mut this = Crate {
        files: files.iter().map(|file| (&file.module[..], file)).collect(),
        handed_on: BTreeMap::new(),
    };
    let imports: Vec<_> = files.iter().map(imports).collect();
    for (file, (imports, _)) in files.iter().zip(&imports) {
        for import in imports.iter().filter(|import| import.handed_on) {
            if let Some(path) = this.absolute(file, &import.path) {
                let name = (file.module.clone(), import.name.clone());
                this.handed_on.insert(name, path);
            }
        }
    }
    let mut arrows = Arrows::new();
    for (file, (imports, paths)) in files.iter().zip(imports) {
        let own = imports
            .into_iter()
            .map(|import| (import.path, import.handed_on));
        let all = own.chain(paths.into_iter().map(|path| (path, false)));
        let there = arrows.entry(file.path.clone()).or_default();
        for (path, handed_on) in all {
            let Some(target) = this.resolve(file, &path) else {
                continue;
            };
            let is_child = !file.module.is_empty() && target.module.starts_with(&file.module);
            if target.path != file.path && !(handed_on && is_child) {
                there.insert(target.path.clone());
            }
        }
    }
    arrows
}

impl Crate<'_> {
    /// A path from the crate's root; `None` where it names something outside.
    fn absolute(&self, here: &File, path: &[String]) -> Option<Path> {
        let mut base = here.module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" | "framemill" => {
                base.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            child => {
                base.push(child.to_string());
                self.files.get(&base[..])?;
                base.pop();
            }
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    fn resolve(&self, here: &File, path: &[String]) -> Option<&File> {
        let mut path = self.absolute(here, path)?;
        // Each step looks through one `pub use`; a circle of those would not compile.
        loop {
            let length = (1..=path.len())
                .rev()
                .find(|&n| self.files.contains_key(&path[..n]))?;
            let name = path.get(length).cloned().unwrap_or_default();
            match self.handed_on.get(&(path[..length].to_vec(), name)) {
                Some(target) => {
                    path = target.iter().chain(&path[length + 1..]).cloned().collect();
                }
                None => return Some(self.files[&path[..length]]),
            }
        }
    }
}

/// A file's imports, and the paths that are written out between them.
fn imports(file: &File) -> (Vec<Import>, Vec<Path>) {
    let (mut found, mut paths) = (Vec::new(), Vec::new());
    let words = &file.words;
    let mut at = 0;
    while at < words.len() {
        let before = at.checked_sub(1).map_or("", |index| words[index].as_str());
        if words[at] == "use" {
            let end = at + words[at..].iter().position(|word| word == ";").unwrap();
            // `pub` or `pub(…)` stands before it.
            let handed_on = before == "pub" || before == ")";
            leaves(&words[at + 1..end], &[], handed_on, &mut found);
            at = end;
        } else if before != "::"
            && before != "in"
            && words.get(at + 1).is_some_and(|word| word == "::")
        {
            let mut path = vec![words[at].clone()];
            while words.get(at + 1).is_some_and(|word| word == "::") && at + 2 < words.len() {
                path.push(words[at + 2].clone());
                at += 2;
            }
            paths.push(path);
        }
        at += 1;
    }
    (found, paths)
}

/// The paths of the tree behind `use`.
fn leaves(tree: &[String], before: &[String], handed_on: bool, found: &mut Vec<Import>) {
    let Some(brace) = tree.iter().position(|word| word == "{") else {
        let alias = tree.iter().position(|word| word == "as");
        let names = &tree[..alias.unwrap_or(tree.len())];
        let mut path: Path = before.to_vec();
        path.extend(
            names
                .iter()
                .filter(|&word| {
                    word != "::" && word != "self" || before.is_empty() && word == "self"
                })
                .cloned(),
        );
        let name = alias.map_or_else(
            || path.last().cloned(),
            |index| tree.get(index + 1).cloned(),
        );
        found.push(Import {
            name: name.unwrap_or_default(),
            path,
            handed_on,
        });
        return;
    };
    let mut head = before.to_vec();
    head.extend(tree[..brace].iter().filter(|&word| word != "::").cloned());
    let (mut depth, mut start) = (0, brace + 1);
    for (index, word) in tree.iter().enumerate().skip(brace + 1) {
        let ends = depth == 0 && (word == "," || word == "}");
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if ends {
            if index > start {
                leaves(&tree[start..index], &head, handed_on, found);
            }
            start = index + 1;
        }
    }
}

/// Groups of files that import each other, at once or by way of others.
pub fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let reach: BTreeMap<_, _> = arrows
        .keys()
        .map(|file| (file, reach(arrows, file)))
        .collect();
    let mut circles: Vec<Vec<String>> = Vec::new();
    for (&file, there) in &reach {
        if !there.contains(file) || circles.iter().any(|circle| circle.contains(file)) {
            continue;
        }
        let back = there.iter().filter(|&other| reach[other].contains(file));
        circles.push(back.cloned().collect());
    }
    circles
}

/// The files that arrows lead to from here.
fn reach(arrows: &Arrows, from: &String) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for there in &arrows[file] {
            if seen.insert(there.clone()) {
                open.push(there);
            }
        }
    }
    seen
}
