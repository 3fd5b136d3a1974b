//! The project's language: words and constructions that `docs/glossary.md` replaces do not occur in
//! code, messages, tests and documentation.
//!
//! Identifiers are read word by word: `told_keys` and `ToldKeys` contain "told". For one path:
//! `WORDS=src/policy cargo test --test suite words::`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Words with their replacement.
const WORDS: &[(&str, &str)] = &[
    ("admit", "accept"),
    ("admits", "accepts"),
    ("admitted", "accepted"),
    ("anybody", "any user, any account"),
    ("canary", "secret-leak test"),
    ("everybody", "all users, other accounts"),
    ("floor", "layer"),
    ("folder", "directory"),
    ("folders", "directories"),
    ("house", "crate"),
    ("judge", "verify, check, evaluate"),
    ("judged", "verified, checked, evaluated"),
    ("judges", "verifies, checks, evaluates"),
    ("judging", "verifying, checking, evaluating"),
    ("ledger", "log, table"),
    ("nobody", "no user, no program"),
    ("oddity", "warning"),
    ("patience", "timeout"),
    ("roof", "layer"),
    ("rooms", "modules"),
    ("room", "module, space"),
    ("roster", "LDAP snapshot, list of users"),
    ("said", "reported, printed, set"),
    ("shelf", "cache"),
    ("somebody", "a user"),
    ("someone", "a user"),
    ("stranger", "unknown user"),
    ("strangers", "unknown users"),
    ("surprise", "warning"),
    ("surprises", "warnings"),
    ("tell", "print, report"),
    ("tells", "prints, reports"),
    ("told", "printed, reported"),
    ("torture", "fault injection"),
    ("wanted", "expected, requested, required"),
    ("wants", "requires, expects"),
    ("whoever", "a noun, such as 'an attacker', 'another account'"),
    ("whom", "a noun"),
    ("wish", "option, request"),
    ("wishes", "options, requests"),
    ("wounded", "mutated"),
    // American spelling.
    ("armour", "armor"),
    ("authorise", "authorize"),
    ("authorised", "authorized"),
    ("behaviour", "behavior"),
    ("cancelled", "canceled"),
    ("catalogue", "catalog"),
    ("centre", "center"),
    ("colour", "color"),
    ("colours", "colors"),
    ("grey", "gray"),
    ("honour", "honor"),
    ("honours", "honors"),
    ("initialise", "initialize"),
    ("labelled", "labeled"),
    ("licence", "license"),
    ("modelled", "modeled"),
    ("neighbour", "neighbor"),
    ("normalise", "normalize"),
    ("normalised", "normalized"),
    ("optimise", "optimize"),
    ("organisation", "organization"),
    ("recognise", "recognize"),
    ("recognised", "recognized"),
    ("serialise", "serialize"),
    ("whilst", "while"),
];

/// Constructions with their replacement.
const PHRASES: &[(&str, &str)] = &[
    ("/// why.", "/// The reason."),
    ("allows to", "allows X, permits X"),
    ("any longer", "no longer"),
    ("any more", "no longer"),
    ("are no", "are not; invalid X: expected Y"),
    ("aren't", "are not"),
    ("can run into", "the errors of"),
    ("can't", "cannot"),
    ("didn't", "did not"),
    ("doesn't", "does not"),
    ("answer of slurm", "the output of sacctmgr"),
    ("empty answer", "empty response"),
    ("http answer", "HTTP response"),
    ("incomplete answer", "incomplete response"),
    ("ldap answer", "LDAP response"),
    ("partial answer", "partial response"),
    ("provider's answer", "the provider's response"),
    ("server's answer", "the server's response"),
    ("userinfo answer", "UserInfo response"),
    ("don't", "do not"),
    ("for ever", "never expires"),
    ("has not a", "does not have"),
    ("has not the", "does not have"),
    ("have not the", "do not have"),
    ("holds from", "valid from"),
    ("has not got", "does not have"),
    ("in the place of", "instead of"),
    ("is no", "is not a; invalid X: expected Y"),
    ("is not there", "does not exist"),
    ("isn't", "is not"),
    ("meant for", "for"),
    ("no points", "no dots"),
    ("not succeed yet", "has not succeeded yet"),
    ("passed over", "skipped"),
    ("permit to", "permit X"),
    ("permits to", "permits X"),
    ("shared key", "HMAC secret"),
    ("silent for longest", "silent the longest"),
    ("so long before", "this long before"),
    ("stands for itself", "is not a wildcard"),
    ("stands twice", "duplicate"),
    ("stood twice", "duplicate"),
    ("the begin of", "the beginning of, the start of"),
    ("the most bytes", "the maximum size in bytes"),
    ("the most entries", "the maximum number of entries"),
    ("the most members", "the maximum number of members"),
    ("the most names", "the maximum number of names"),
    ("the most users", "the maximum number of users"),
    ("the token says", "the token has, the claim is"),
    ("turned away", "rejected"),
    ("whoever is on the way", "an on-path attacker"),
    ("wins over", "overrides"),
    ("won't", "does not"),
];

/// Suffixes of types of `src` with their replacement.
const SUFFIXES: &[(&str, &str)] = &[
    ("Fault", "Error"),
    ("Faults", "Errors"),
    ("Problem", "Error, ErrorKind"),
    ("Problems", "Errors, Findings"),
    ("Refusal", "Error, Rejection"),
];

/// Where a word is right, and why: a path or the beginning of one, the word, the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("docs/glossary.md", "*", "it lists the words"),
    ("tests/suite/words.rs", "*", "it lists the words"),
    ("CONTRIBUTING.md", "wish", "it lists what programs do not do"),
    ("src/ldap/transport.rs", "wants", "a function of rustls"),
    ("src/token/claims.rs", "floor", "the function that rounds"),
    ("tests/suite/policy.rs", "floor", "the function that rounds"),
    ("tests/suite/policy.rs", "admitted", "a member of recorded answers"),
    ("CHANGELOG.md", "*", "it lists names that were replaced"),
    ("contrib", "wants", "systemd has this setting and directory"),
    ("contrib", "wanted", "systemd has this setting"),
];

/// What is read: code, tests with their cases, pages, and what the package contains.
const ROOTS: &[&str] = &[
    "src",
    "tests",
    "man",
    "docs",
    "contrib",
    "fuzz/fuzz_targets",
    "fuzz/src",
    "operator/src",
    "operator/tests",
    ".github",
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "Cargo.toml",
    "Makefile",
];

/// Data of others, and files that contain bytes instead of text.
const LEFT_OUT: &[&str] = &["tests/data", "contrib/third-party-licenses", "contrib/debian/copyright"];

fn texts() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let only = std::env::var("WORDS").unwrap_or_default();
    let mut open: Vec<PathBuf> = ROOTS.iter().map(|name| root.join(name)).collect();
    let mut texts = BTreeMap::new();
    while let Some(path) = open.pop() {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        // Packages that the setup installs are the text of other projects.
        if LEFT_OUT.contains(&name.as_str()) || path.ends_with("node_modules") {
            continue;
        }
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if name.starts_with(&only)
            && let Ok(text) = fs::read_to_string(&path)
        {
            texts.insert(name, text);
        }
    }
    texts
}

/// The words of a line in lower case, identifiers split at underscores and before capital letters.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in line.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        if c.is_alphabetic() {
            words.last_mut().unwrap().extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

fn is_excepted(name: &str, word: &str) -> bool {
    EXCEPTIONS.iter().any(|(path, excepted, _)| name.starts_with(path) && ["*", word].contains(excepted))
}

/// The words and phrases of a line that are replaced, with their replacement.
fn found_in(line: &str) -> Vec<(&'static str, &'static str)> {
    let words = words(line);
    let replaced = WORDS.iter().filter(|(word, _)| words.iter().any(|found| found == word));
    replaced.copied().chain(phrases_in(line)).collect()
}

/// The phrases that begin in a line and end in the next one, with their replacement.
fn phrases_across(line: &str, next: &str) -> Vec<(&'static str, &'static str)> {
    let line = line.trim().trim_end_matches('\\').trim_end();
    let next = next.trim().trim_start_matches(['/', '!', '#', '>']).trim_start();
    let phrases = phrases_in(&format!("{line} {next}")).into_iter();
    phrases.filter(|found| !phrases_in(line).contains(found) && !phrases_in(next).contains(found)).collect()
}

/// The phrases of a line that are replaced, with their replacement.
fn phrases_in(line: &str) -> Vec<(&'static str, &'static str)> {
    let plain = line.to_lowercase().replace('’', "'").replace('_', " ");
    let phrases = PHRASES.iter().filter(|(phrase, _)| {
        plain.match_indices(phrase).any(|(at, _)| {
            let is_end = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
            let (before, after) = (&plain[..at], &plain[at + phrase.len()..]);
            let is_other_phrase = before.ends_with("there ") || after.starts_with(" longer");
            is_end(before.chars().next_back())
                && is_end(after.chars().next())
                && !(["is no", "are no"].contains(phrase) && is_other_phrase)
        })
    });
    phrases.copied().collect()
}

/// The name of the type that a line defines, if its suffix has a replacement, with this replacement.
fn replaced_suffix(line: &str) -> Option<(&str, &'static str)> {
    let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let name = words
        .windows(2)
        .find(|pair| ["struct", "enum", "trait", "type"].contains(&pair[0]))
        .map(|pair| pair[1])
        .filter(|name| name.starts_with(char::is_uppercase))?;
    let (_, replacement) = SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix))?;
    Some((name, replacement))
}

#[test]
fn words_of_the_glossary_are_used() {
    let texts = texts();
    assert!(!texts.is_empty());
    let mut found = Vec::new();
    for (name, text) in &texts {
        let next = text.lines().skip(1).chain([""]);
        for (count, (line, next)) in text.lines().zip(next).enumerate() {
            for (word, replacement) in found_in(line).into_iter().chain(phrases_across(line, next)) {
                if !is_excepted(name, word) {
                    let shown: String = line.trim().chars().take(120).collect();
                    found.push(format!("{name}:{}: '{word}' (say {replacement}): {shown}", count + 1));
                }
            }
            if let Some((word, replacement)) = replaced_suffix(line).filter(|_| name.starts_with("src/")) {
                found.push(format!("{name}:{}: the type '{word}' (say {replacement})", count + 1));
            }
        }
        for (word, replacement) in found_in(name) {
            if !is_excepted(name, word) {
                found.push(format!("{name}: '{word}' in the name (say {replacement})"));
            }
        }
    }
    assert!(found.is_empty(), "{} words to replace:\n{}", found.len(), found.join("\n"));
}

#[test]
fn words_are_found_in_prose_and_identifiers() {
    for line in ["nobody", "TOLD_KEYS", "let told_keys = 1;", "struct ToldKeys", "It can’t.", "a Nobody-case"]
    {
        assert_eq!(found_in(line).len(), 1, "{line}");
    }
    for line in
        ["'x' is no duration", "Keys are no tokens.", "The begin of a line.", "It has no points.", "/// Why."]
    {
        assert_eq!(found_in(line).len(), 1, "{line}");
    }
    for line in [
        "there is no token",
        "It is no longer valid",
        "is nothing",
        "there are no keys",
        "they are not",
        "Why.",
    ] {
        assert!(found_in(line).is_empty(), "{line}: {:?}", found_in(line));
    }
    for line in ["broomstick", "tolerant", "the wholesale", "cant", "a shared keyboard"] {
        assert!(found_in(line).is_empty(), "{line}: {:?}", found_in(line));
    }
}

#[test]
fn phrases_are_found_across_lines() {
    for (line, next) in [
        ("    /// The settings are not valid any", "    /// longer."),
        ("the duration is \\", "no number"),
        ("- the server is", "no more than a name"),
    ] {
        assert_eq!(phrases_across(line, next).len(), 1, "{line} {next}");
    }
    for (line, next) in
        [("there is", "no token"), ("it is", "no longer valid"), ("It is no token.", "A key.")]
    {
        assert!(phrases_across(line, next).is_empty(), "{line} {next}");
    }
}

#[test]
fn words_of_types_are_read_by_their_suffix() {
    for line in ["pub enum MapFault {", "struct RowProblems;", "    pub(crate) trait Refusal: Sized {"] {
        assert!(replaced_suffix(line).is_some(), "{line}");
    }
    for line in ["enum MapError {", "/// type of a problem", "struct Problematic;", "a Fault"] {
        assert!(replaced_suffix(line).is_none(), "{line}");
    }
}

#[test]
fn words_have_few_exceptions_with_a_reason() {
    assert!(EXCEPTIONS.len() < 30);
    for (path, word, reason) in EXCEPTIONS {
        assert!(reason.len() > 10, "{path} {word}: no reason");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(root.join(path).exists(), "{path} does not exist");
    }
}

/// Prints every text of `src` that can reach a user, for a reader: `make messages`.
#[test]
#[ignore = "prints a list for a reader: make messages"]
fn print_messages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = texts().into_keys();
    for path in names.filter(|name| name.starts_with("src/") && name != "src/cli/schema.rs") {
        for text in crate::hints::literals(&crate::support::code_without_tests(&root.join(&path))) {
            if text.trim().contains(' ') && text.contains(char::is_alphabetic) {
                println!("{path}: {text}");
            }
        }
    }
}
