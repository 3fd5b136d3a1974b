//! README's tour is true: each command of its `console` blocks is run, in one folder a chapter from
//! top to bottom, and prints what README shows. What differs each time (times, keys, tokens) is
//! compared by its shape. `UPDATE_README=1` writes down what was seen.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::support::{Folder, is_updating};

/// Digits and long runs of base64 become one mark each, so that only the shape counts; so does how
/// far a time is from now, which may be a second more.
fn shape(line: &str) -> String {
    let mut out = String::new();
    let mut line = line.to_owned();
    while let Some((at, end)) = line.match_indices('(').find_map(|(at, _)| {
        let end = at + line[at..].find(')')?;
        let inside = &line[at + 1..end];
        (inside == "now" || inside.starts_with("in ") || inside.ends_with(" ago")).then_some((at, end))
    }) {
        line.replace_range(at..=end, "~");
    }
    let mut rest = line.as_str();
    while let Some(first) = rest.chars().next() {
        let long =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+/-_=.".contains(c))).unwrap_or(rest.len());
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if long >= 30 {
            out.push('@');
            rest = &rest[long..];
        } else if digits > 0 {
            out.push('#');
            rest = &rest[digits..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

#[test]
fn the_tour_prints_what_readme_shows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let mut folder = Folder::new();
    let mut written = String::new();
    let mut wrong = Vec::new();
    let mut commands = 0;
    let mut lines = readme.lines().peekable();
    while let Some(line) = lines.next() {
        let _ = writeln!(written, "{line}");
        if line.starts_with("## ") {
            folder = Folder::new();
        }
        if line != "```console" {
            continue;
        }
        while let Some(line) = lines.next_if(|line| *line != "```") {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("no command: {line}"));
            let mut shown = Vec::new();
            while let Some(output) = lines.next_if(|line| !line.starts_with("$ ") && *line != "```") {
                shown.push(output);
            }
            commands += 1;
            let run = folder.sh(&format!("({command}) 2>&1"));
            let seen: Vec<&str> = run.stdout.lines().collect();
            let shapes = |lines: &[&str]| lines.iter().map(|line| shape(line)).collect::<Vec<_>>();
            let _ = writeln!(written, "{line}");
            let kept = if shapes(&shown) == shapes(&seen) { &shown } else { &seen };
            for output in kept {
                let _ = writeln!(written, "{output}");
            }
            if shapes(&shown) != shapes(&seen) {
                wrong.push(format!(
                    "$ {command}\nREADME shows\n{}\nseen\n{}",
                    shown.join("\n"),
                    seen.join("\n")
                ));
            }
        }
    }
    println!("readme: {commands} commands run");
    assert!(commands > 10, "only {commands} commands found in README");
    if !wrong.is_empty() && is_updating("UPDATE_README") {
        fs::write(&path, written).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn only_what_differs_each_time_is_passed_over() {
    assert_eq!(shape("expires 2026-11-21 (in 7 days)"), shape("expires 2027-01-02 (in 6 days)"));
    assert_ne!(shape("expires 2026-11-21 (in 7 days)"), shape("expired 2026-11-21 (7 days ago)"));
    assert_eq!(shape(&format!("K=\"{}\"", "a".repeat(44))), shape(&format!("K=\"{}\"", "+/".repeat(22))));
    assert_ne!(shape("admitted by /api"), shape("refused by /api"));
}

/// Every path that README and the pages for contributors name exists. What `make bench` writes is
/// left out: it comes with the measuring.
#[test]
fn documentation_paths_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for page in ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md"] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        for (count, piece) in text.split('`').enumerate() {
            let first = piece.split('/').next().unwrap_or_default();
            let is_path = ["src", "tests", "man", "contrib", "docs", ".ci"].contains(&first)
                && piece.contains('/')
                && !piece.contains([' ', '<', '*', '\n'])
                && !piece.contains("PROGRAM");
            // The login method of the example does not exist.
            if count % 2 == 0 || !is_path || piece == "src/login/pam.rs" {
                continue;
            }
            seen += 1;
            assert!(root.join(piece).exists(), "{page} names {piece}, which does not exist");
        }
    }
    assert!(seen > 30, "only {seen} paths found");
}
