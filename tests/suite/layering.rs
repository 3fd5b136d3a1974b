//! The layers of the library: a module imports only from lower layers and, within its layer, from
//! modules listed before it, and the files of a module do not import each other in a cycle. Only the
//! command line prints, exits and reads the environment, no decision reads the clock, and no file is too
//! long.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The layers from the lowest up, each with its modules in order; `docs/architecture.md` has the same
/// table.
const LAYERS: [&[&str]; 6] = [
    &["util"],
    &["key", "user", "token"],
    &["config", "policy"],
    &["http", "history", "user_db", "ldap", "slurm", "oidc", "clustercockpit", "stronghold"],
    &[
        "verify", "accounts", "issue", "osdf", "renew", "scan", "consumer", "sync", "login", "doctor",
        "what_if",
    ],
    &["cli"],
];

/// The maximum number of lines of a file below `src`: more than that is more than one subject.
const LINES: usize = 500;

/// The position of a module: its layer, and its place within the layer.
fn position(module: &str) -> Option<(usize, usize)> {
    LAYERS.iter().enumerate().find_map(|(layer, modules)| {
        modules.iter().position(|name| *name == module).map(|place| (layer, place))
    })
}

fn sources(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
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

/// A file's tokens, as the compiler reads them: no comments, strings as one token each.
fn tokens(text: &str) -> Vec<TokenTree> {
    let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{error} in {text}"));
    without_tests(stream)
}

fn is_ident(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == name)
}

fn is_punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// The tokens without what is compiled for unit tests only, which may use what it likes.
fn without_tests(stream: TokenStream) -> Vec<TokenTree> {
    let mut found = Vec::new();
    let mut rest = stream.into_iter().peekable();
    while let Some(token) = rest.next() {
        let is_test = is_punct(Some(&token), '#')
            && matches!(rest.peek(), Some(TokenTree::Group(group)) if group.stream().to_string() == "cfg (test)");
        if !is_test {
            found.push(token);
            continue;
        }
        // The item ends with its braces or with a semicolon.
        for skipped in rest.by_ref().skip(1) {
            if is_braces(&skipped) || is_punct(Some(&skipped), ';') {
                break;
            }
        }
    }
    found
}

/// Whether `::` stands at this place.
fn is_path_mark(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

/// Every path of a file that begins with `crate`, `self` or `super`, made absolute; groups in braces
/// are opened, in macros as well.
fn imports(text: &str, own: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    paths_in(&tokens(text), own, &mut found);
    found
}

fn paths_in(tokens: &[TokenTree], own: &[String], found: &mut Vec<Vec<String>>) {
    let mut at = 0;
    while at < tokens.len() {
        let inside_path = at >= 2 && is_path_mark(tokens, at - 2);
        match &tokens[at] {
            // A module within the file has a 'super' of its own.
            TokenTree::Ident(word) if word == "mod" && tokens.get(at + 2).is_some_and(is_braces) => {
                let module = [own, &[tokens[at + 1].to_string()]].concat();
                if let TokenTree::Group(group) = &tokens[at + 2] {
                    paths_in(&without_tests(group.stream()), &module, found);
                }
                at += 3;
            }
            TokenTree::Ident(word)
                if ["crate", "self", "super"].iter().any(|root| word == root)
                    && is_path_mark(tokens, at + 1)
                    && !inside_path =>
            {
                let mut base = if word == "crate" { Vec::new() } else { own.to_vec() };
                let mut next = if word == "super" { at } else { at + 3 };
                while is_ident(tokens.get(next), "super") && is_path_mark(tokens, next + 1) {
                    base.pop();
                    next += 3;
                }
                at = follow(tokens, next, base, found);
            }
            TokenTree::Group(group) => {
                paths_in(&without_tests(group.stream()), own, found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Follows a path from one of its words; returns where it ends.
fn follow(tokens: &[TokenTree], mut at: usize, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    loop {
        match tokens.get(at) {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                for entry in
                    inside.split(|token| is_punct(Some(token), ',')).filter(|entry| !entry.is_empty())
                {
                    follow(entry, 0, path.clone(), found);
                }
                return at + 1;
            }
            Some(TokenTree::Ident(word)) if word != "self" => path.push(word.to_string()),
            _ => break,
        }
        if !is_path_mark(tokens, at + 1) {
            at += 1;
            break;
        }
        at += 3;
    }
    found.push(path);
    at
}

struct Source {
    files: BTreeMap<Vec<String>, String>,
}

impl Source {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut paths = Vec::new();
        sources(&root, &mut paths);
        let files = paths
            .iter()
            .filter(|path| !path.starts_with(root.join("bin")) && **path != root.join("lib.rs"))
            .map(|path| (module(path.strip_prefix(&root).unwrap()), fs::read_to_string(path).unwrap()))
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

    fn imports(&self) -> BTreeSet<(Vec<String>, Vec<String>)> {
        let mut edges = BTreeSet::new();
        for (own, text) in &self.files {
            for path in imports(text, own) {
                if let Some(target) = self.file_of(&path).filter(|target| *target != own) {
                    edges.insert((own.clone(), target.clone()));
                }
            }
        }
        edges
    }
}

#[test]
fn layers_name_every_module() {
    let modules: BTreeSet<String> = Source::read().files.keys().map(|name| name[0].clone()).collect();
    let listed: BTreeSet<String> = LAYERS.iter().copied().flatten().map(|name| (*name).to_owned()).collect();
    assert_eq!(modules, listed);
}

#[test]
fn source_file_has_at_most_500_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    sources(&root.join("src"), &mut paths);
    sources(&root.join("operator/src"), &mut paths);
    assert!(paths.len() > 200, "{} files below {}", paths.len(), root.display());
    let long: Vec<String> = paths
        .iter()
        .map(|path| (path, fs::read_to_string(path).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > LINES)
        .map(|(path, lines)| format!("{}: {lines} lines", path.strip_prefix(root).unwrap().display()))
        .collect();
    assert!(long.is_empty(), "more than {LINES} lines, split by subject:\n{}", long.join("\n"));
}

#[test]
fn imports_lead_to_lower_layers_or_earlier_modules() {
    let imports = Source::read().imports();
    assert!(imports.len() > 20, "only {} imports found: does this test still read the code?", imports.len());
    let wrong: Vec<String> = imports
        .iter()
        .filter(|(from, to)| from[0] != to[0] && position(&from[0]) <= position(&to[0]))
        .map(|(from, to)| format!("{} imports {}", from.join("::"), to.join("::")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_within_a_module_have_no_cycle() {
    let source = Source::read();
    let edges: Vec<_> = source.imports().into_iter().filter(|(from, to)| from[0] == to[0]).collect();
    for start in source.files.keys() {
        let mut seen = BTreeSet::new();
        let mut next = vec![start.clone()];
        while let Some(at) = next.pop() {
            for (_, to) in edges.iter().filter(|(from, _)| *from == at) {
                assert!(to != start, "{} imports itself by way of {}", start.join("::"), at.join("::"));
                if seen.insert(to.clone()) {
                    next.push(to.clone());
                }
            }
        }
    }
}

/// What a module below the command line does that only the command line may do.
fn forbidden(tokens: &[TokenTree]) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let after_path = at >= 2 && is_path_mark(tokens, at - 2);
        let before_path = is_path_mark(tokens, at + 1);
        let is_called = matches!(tokens.get(at + 1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
        let is_macro = is_punct(tokens.get(at + 1), '!');
        let after_process = after_path && at >= 3 && is_ident(tokens.get(at - 3), "process");
        match token {
            TokenTree::Group(group) => found.extend(forbidden(&without_tests(group.stream()))),
            TokenTree::Ident(word) => {
                let what = match word.to_string().as_str() {
                    "SystemTime" | "Zoned" if before_path && is_ident(tokens.get(at + 3), "now") => {
                        "wall clock"
                    }
                    "Timestamp" if before_path && is_ident(tokens.get(at + 3), "now") => "wall clock",
                    "Instant" if before_path && is_ident(tokens.get(at + 3), "now") => "monotonic clock",
                    // By another name, or as 'use' of the function.
                    "now" if after_path => "monotonic clock",
                    "elapsed" if is_called => "monotonic clock",
                    "sleep" | "park_timeout" if is_called => "sleep",
                    "env" if (before_path || after_path) && !is_macro => "environment",
                    "current_dir" | "current_exe" | "temp_dir" | "home_dir" if is_called => "environment",
                    "print" | "println" | "eprint" | "eprintln" | "dbg" if is_macro => "print",
                    "stdin" | "stdout" | "stderr" if is_called || after_path => "standard streams",
                    "exit" | "abort" if is_called || after_process => "exit",
                    "Command" if before_path && is_ident(tokens.get(at + 3), "new") => "start of a program",
                    _ => continue,
                };
                found.insert(what);
            }
            _ => {}
        }
    }
    // The first word of 'SystemTime::now' says enough.
    if found.contains("wall clock") {
        found.remove("monotonic clock");
    }
    found
}

/// What is allowed all the same: the module, what it does, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("util::file::lock", "sleep", "the pause between two attempts to get a lock"),
    ("util::monotonic", "monotonic clock", "the one place that reads it, when the command line passes it"),
    ("util::monotonic", "sleep", "the pause of the same clock"),
    ("util::time", "wall clock", "the one place that reads it, when the command line passes 'Clock::System'"),
    ("ldap::transport", "monotonic clock", "the end of a timeout"),
    ("slurm::sacctmgr", "monotonic clock", "the end of a timeout"),
    ("slurm::sacctmgr", "sleep", "the pause between two looks at a process with closed streams"),
    ("slurm::sacctmgr", "standard streams", "those of sacctmgr"),
    ("slurm::sacctmgr", "start of a program", "Slurm has no other interface that all versions have"),
    ("user_db::connect", "monotonic clock", "the end of the wait for a lock"),
    ("user_db::connect", "sleep", "the pause between two attempts to get a lock"),
];

#[test]
fn only_cli_prints_exits_and_reads_the_environment() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (name, text) in &Source::read().files {
        if name[0] == "cli" {
            continue;
        }
        let module = name.join("::");
        for what in forbidden(&tokens(text)) {
            match EXCEPTIONS.iter().position(|(one, other, _)| (*one, *other) == (module.as_str(), what)) {
                Some(exception) => drop(used.insert(exception)),
                None => wrong.push(format!("{module}: {what}")),
            }
        }
    }
    assert!(wrong.is_empty(), "not allowed below the command line:\n{}", wrong.join("\n"));
    let unused: Vec<_> =
        (0..EXCEPTIONS.len()).filter(|at| !used.contains(at)).map(|at| EXCEPTIONS[at]).collect();
    assert!(unused.is_empty(), "exceptions that nothing needs: {unused:?}");
}

#[test]
fn forbidden_call_is_seen_in_every_way_of_writing_it() {
    let seen = |text: &str| forbidden(&tokens(text)).into_iter().collect::<Vec<_>>();
    for (text, what) in [
        ("fn f() { std::time::SystemTime::now(); }", "wall clock"),
        ("fn f() { x.map(jiff::Timestamp::now); }", "wall clock"),
        ("fn f() { Zoned::now(); }", "wall clock"),
        ("use std::time::Instant as I; fn f() { I::now(); }", "monotonic clock"),
        ("fn f() { begun.elapsed(); }", "monotonic clock"),
        ("fn f() { if x { std::thread::sleep(y) } }", "sleep"),
        ("use std::env; fn f() { env::var(\"X\"); }", "environment"),
        ("fn f() { std::env::vars_os(); }", "environment"),
        ("use std::env::{var};", "environment"),
        ("fn f() { vec![println!(\"x\")]; }", "print"),
        ("fn f() { dbg!(x); }", "print"),
        ("fn f() { writeln!(std::io::stderr(), \"x\"); }", "standard streams"),
        ("use std::io::stdout;", "standard streams"),
        ("fn f() { std::process::exit(1); }", "exit"),
        ("use std::process::exit; fn f() { exit(1) }", "exit"),
        ("fn f() { Command::new(\"sh\"); }", "start of a program"),
    ] {
        assert_eq!(seen(text), [what], "{text}");
    }
    for text in [
        "// SystemTime::now()",
        "/* println!() /* nested */ std::env::var() */ fn f() {}",
        "/// `std::process::exit(1)`\nfn f() {}",
        "fn f() { let x = \"https://x/ std::env::var(1)\"; }",
        "fn f() { let x = r#\"\" println!(1) \"#; }",
        "fn f() { let x = '\"'; let y = '\"'; clock.now(); }",
        "fn f() { env!(\"CARGO_PKG_VERSION\"); }",
        "#[cfg(test)]\nmod tests { fn f() { println!(); } }\nfn g() {}",
    ] {
        assert!(seen(text).is_empty(), "{text}: {:?}", seen(text));
    }
    assert_eq!(seen("#[cfg(test)]\nmod tests {}\nfn g() { println!(); }"), ["print"], "behind the tests");
    assert_eq!(seen("fn f() { let x = \"https://x\"; println!(); }"), ["print"], "behind a URL");
}

#[test]
fn import_is_seen_in_every_way_of_writing_it() {
    let own: Vec<String> = ["key", "pem"].map(str::to_owned).to_vec();
    let paths =
        |text: &str| -> Vec<String> { imports(text, &own).iter().map(|path| path.join("::")).collect() };
    assert_eq!(
        paths("use crate::{cli::page, util::{time, quote::{self, quote}}};"),
        ["cli::page", "util::time", "util::quote", "util::quote::quote"]
    );
    for (text, path) in [
        ("fn f() { let x = crate::user_db::open(); }", "user_db::open"),
        ("use super::jwk::Jwk;", "key::jwk::Jwk"),
        ("use super::super::user_db;", "user_db"),
        ("use self::super::super::user_db::*;", "user_db"),
        ("mod inner { use super::super::super::cli::page; }", "cli::page"),
        ("mod one { mod two { use super::super::super::super::cli; } }", "cli"),
        ("fn f() { x!(a, crate::cli::page(1)) }", "cli::page"),
        ("fn f() { let u = \"https://x\"; crate::cli::page(); }", "cli::page"),
        ("fn f() -> Vec<crate::cli::Page> { x }", "cli::Page"),
        ("#[cfg(test)]\nmod tests { use crate::a; }\nuse crate::cli;", "cli"),
        ("#[cfg(test)]\nuse crate::a;\nuse crate::cli;", "cli"),
        ("macro_rules! m { () => { $crate::cli::page() } }", "cli::page"),
    ] {
        assert_eq!(paths(text), [path], "{text}");
    }
    for text in
        ["// use crate::cli;", "/* use crate::cli; */", "fn f() { \"crate::cli\"; }", "pub(crate) fn f() {}"]
    {
        assert_eq!(paths(text), Vec::<String>::new(), "{text}");
    }
}
