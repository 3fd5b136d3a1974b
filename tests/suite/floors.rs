//! The house keeps its shape: a file imports only from floors below its own room, rooms of one
//! floor do not know each other, and files inside a room do not import in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors from the ground up, with their rooms. README draws the same picture.
const FLOORS: [&[&str]; 7] = [
    &["base"],
    &["key", "user"],
    &["token"],
    &["config", "policy"],
    &["store", "directory", "provider"],
    &["login", "renewal", "sync"],
    &["cli"],
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The module path of a source file below `src`: `key/pem.rs` is `key::pem`, `key/mod.rs` `key`.
fn module(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// Code without comments, strings kept: enough to find paths in.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every `crate::…` and `super::…` path of a file, made absolute; groups in braces are opened.
fn imports(text: &str, own: &[String]) -> Vec<Vec<String>> {
    let text = without_comments(text);
    let mut found = Vec::new();
    for (word, ups) in [("crate::", None), ("super::", Some(1)), ("super::super::", Some(2))] {
        for (at, _) in text.match_indices(word) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            if text[at + word.len()..].starts_with("super::") {
                continue;
            }
            let base = ups.map_or(&[][..], |ups: usize| &own[..own.len().saturating_sub(ups)]);
            open_braces(&text[at + word.len()..], base, &mut found);
        }
    }
    found
}

fn open_braces(text: &str, base: &[String], found: &mut Vec<Vec<String>>) {
    let mut path = base.to_vec();
    let mut rest = text;
    loop {
        if let Some(inside) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut start = 0;
            for (at, character) in inside.char_indices() {
                match character {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if (character == ',' && depth == 1) || depth == 0 {
                    open_braces(inside[start..at].trim(), &path, found);
                    start = at + 1;
                }
                if depth == 0 {
                    return;
                }
            }
            return;
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if end > 0 {
            path.push(rest[..end].to_owned());
        }
        match rest[end..].strip_prefix("::") {
            Some(after) => rest = after,
            None => break,
        }
    }
    found.push(path);
}

struct House {
    files: BTreeMap<Vec<String>, String>,
}

impl House {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut paths = Vec::new();
        sources(&root, &mut paths);
        let files = paths
            .iter()
            .filter(|path| !path.starts_with(root.join("bin")) && **path != root.join("lib.rs"))
            .map(|path| {
                let text = fs::read_to_string(path).unwrap();
                // Unit tests may use what they like.
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
                (module(path.strip_prefix(&root).unwrap()), code)
            })
            .collect();
        Self { files }
    }

    /// The file that a path leads to: the longest module that is a prefix of it.
    fn file_of(&self, path: &[String]) -> Option<&Vec<String>> {
        (1..=path.len())
            .rev()
            .find_map(|length| self.files.get_key_value(&path[..length]))
            .map(|(name, _)| name)
    }

    fn arrows(&self) -> BTreeSet<(Vec<String>, Vec<String>)> {
        let mut arrows = BTreeSet::new();
        for (own, text) in &self.files {
            for path in imports(text, own) {
                if let Some(target) = self.file_of(&path).filter(|target| *target != own) {
                    arrows.insert((own.clone(), target.clone()));
                }
            }
        }
        arrows
    }
}

#[test]
fn every_room_has_a_floor() {
    for name in House::read().files.keys() {
        assert!(floor(&name[0]).is_some(), "room '{}' is on no floor: add it to the picture", name[0]);
    }
}

#[test]
fn no_arrow_turns_up_or_sideways() {
    let house = House::read();
    let arrows = house.arrows();
    assert!(arrows.len() > 20, "only {} imports found: does this test still read the code?", arrows.len());
    let wrong: Vec<String> = arrows
        .iter()
        .filter(|(from, to)| from[0] != to[0] && floor(&from[0]) <= floor(&to[0]))
        .map(|(from, to)| format!("{} imports {}", from.join("::"), to.join("::")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_two_files_of_a_room_import_each_other() {
    let house = House::read();
    let arrows: Vec<_> = house.arrows().into_iter().filter(|(from, to)| from[0] == to[0]).collect();
    for start in house.files.keys() {
        let mut seen = BTreeSet::new();
        let mut next = vec![start.clone()];
        while let Some(at) = next.pop() {
            for (_, to) in arrows.iter().filter(|(from, _)| *from == at) {
                assert!(to != start, "{} imports itself by way of {}", start.join("::"), at.join("::"));
                if seen.insert(to.clone()) {
                    next.push(to.clone());
                }
            }
        }
    }
}

#[test]
fn only_the_command_line_prints_asks_and_reads_the_environment() {
    for (name, text) in &House::read().files {
        if name[0] == "cli" {
            continue;
        }
        let code = without_comments(text);
        for word in [
            "println!",
            "eprintln!",
            "print!(",
            "env::var",
            "env::args",
            "process::exit",
            "io::stdin",
            "io::stdout",
            "io::stderr",
        ] {
            assert!(!code.contains(word), "{} has {word}", name.join("::"));
        }
    }
}

#[test]
fn an_arrow_is_seen_in_every_way_of_writing_it() {
    let own: Vec<String> = ["key", "pem"].map(str::to_owned).to_vec();
    let paths =
        |text: &str| -> Vec<String> { imports(text, &own).iter().map(|path| path.join("::")).collect() };
    assert_eq!(
        paths("use crate::{cli::page, base::{time, quote::quote}};"),
        ["cli::page", "base::time", "base::quote::quote"]
    );
    assert_eq!(paths("let x = crate::store::open();"), ["store::open"]);
    assert_eq!(paths("use super::jwk::Jwk;"), ["key::jwk::Jwk"]);
    assert_eq!(paths("// use crate::cli;"), Vec::<String>::new());
}
