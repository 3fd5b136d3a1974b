//! README's tour is true: each command of its `console` blocks is run, in one directory a chapter from
//! top to bottom, and prints what README shows. What differs each time (times, keys, tokens) is
//! compared by its kind, its length or its distance. `UPDATE_README=1` writes down what was seen.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::support::{TestEnv, is_updating};

/// A part of a line. Everything is compared as it stands, but for what differs with each run.
#[derive(Debug, PartialEq)]
pub enum Piece {
    Text(String),
    /// Seconds since 1970, and the length of the text. Those of one answer have the same distances
    /// from its first.
    Time(i64, usize),
    /// How far a time is from now, in seconds, and how coarsely that is said.
    Distance(i64, i64),
    /// A key, a part of a token, a thumbprint: its length.
    Random(usize),
}

/// How many seconds a run may take that was shown at once, and the reverse.
const PATIENCE: i64 = 60;

/// `(now)`, `(in 6 days)`, `(2 hours ago)` at the beginning of a text, with its length.
pub fn distance(text: &str) -> Option<(Piece, usize)> {
    let inside = text.strip_prefix('(')?;
    let inside = &inside[..inside.find(')')?];
    let length = inside.len() + 2;
    if inside == "now" {
        return Some((Piece::Distance(0, 1), length));
    }
    let (words, sign) = match inside.strip_prefix("in ") {
        Some(words) => (words, 1),
        None => (inside.strip_suffix(" ago")?, -1),
    };
    let (number, unit) = words.split_once(' ')?;
    let unit = match unit.trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        "year" => 31_557_600,
        _ => return None,
    };
    Some((Piece::Distance(sign * number.parse::<i64>().ok()? * unit, unit), length))
}

/// A time in RFC 3339 (20 characters) or as reports have it (26), or ten digits of seconds.
fn time(text: &str) -> Option<(Piece, usize)> {
    for (length, is_report) in [(20, false), (26, true)] {
        let Some(head) = text.get(..length) else { continue };
        let stamp =
            if is_report { head.replacen(' ', "T", 1).replace(" +00:00", "Z") } else { head.to_owned() };
        if let (true, Ok(stamp)) = (stamp.ends_with('Z'), stamp.parse::<jiff::Timestamp>()) {
            return Some((Piece::Time(stamp.as_second(), length), length));
        }
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (digits == 10 && text.starts_with('1')).then(|| (Piece::Time(text[..10].parse().unwrap(), 10), 10))
}

/// At least 40 characters of base64 with letters of both cases and digits.
fn random(text: &str) -> Option<(Piece, usize)> {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/-_=".contains(c);
    let length = text.find(|c: char| !is_base64(c)).unwrap_or(text.len());
    let has = |kind: fn(&u8) -> bool| text.as_bytes()[..length].iter().any(kind);
    let mixed =
        has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit) && length >= 40;
    mixed.then_some((Piece::Random(length), length))
}

fn pieces(line: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut text = String::new();
    let mut rest = line;
    let mut inside_word = false;
    while let Some(first) = rest.chars().next() {
        let special = distance(rest).or_else(|| {
            // A number or a key begins where a word begins.
            if inside_word { None } else { time(rest).or_else(|| random(rest)) }
        });
        if let Some((piece, length)) = special {
            found.push(Piece::Text(std::mem::take(&mut text)));
            found.push(piece);
            rest = &rest[length..];
            inside_word = true;
        } else {
            text.push(first);
            inside_word = first.is_ascii_alphanumeric();
            rest = &rest[first.len_utf8()..];
        }
    }
    found.push(Piece::Text(text));
    found
}

/// Whether an answer is what README shows.
fn agrees(shown: &[&str], seen: &[&str]) -> bool {
    let all = |lines: &[&str]| lines.iter().map(|line| pieces(line)).collect::<Vec<_>>();
    let (shown, seen) = (all(shown), all(seen));
    let first = |lines: &[Vec<Piece>]| {
        lines.iter().flatten().find_map(|piece| if let Piece::Time(at, _) = piece { Some(*at) } else { None })
    };
    let (shown_first, seen_first) = (first(&shown).unwrap_or(0), first(&seen).unwrap_or(0));
    shown.len() == seen.len()
        && shown.iter().zip(&seen).all(|(shown, seen)| {
            shown.len() == seen.len()
                && shown.iter().zip(seen).all(|pair| match pair {
                    (Piece::Time(shown, one), Piece::Time(seen, other)) if one == other => {
                        ((shown - shown_first) - (seen - seen_first)).abs() <= PATIENCE
                    }
                    // What is said in days may be a day less a moment later.
                    (Piece::Distance(shown, one), Piece::Distance(seen, other)) => {
                        (shown - seen).abs() <= PATIENCE.max(*one.max(other))
                    }
                    (shown, seen) => shown == seen,
                })
        })
}

#[test]
fn the_tour_prints_what_readme_shows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let mut directory = TestEnv::new();
    let mut written = String::new();
    let mut wrong = Vec::new();
    let mut commands = 0;
    let mut lines = readme.lines().peekable();
    while let Some(line) = lines.next() {
        let _ = writeln!(written, "{line}");
        if line.starts_with("## ") {
            directory = TestEnv::new();
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
            let run = directory.sh(&format!("({command}) 2>&1"));
            let seen: Vec<&str> = run.stdout.lines().collect();
            let agrees = agrees(&shown, &seen);
            let _ = writeln!(written, "{line}");
            let kept = if agrees { &shown } else { &seen };
            for output in kept {
                let _ = writeln!(written, "{output}");
            }
            if !agrees {
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
fn readme_answer_is_compared_but_for_what_differs_each_time() {
    let one = |shown: &str, seen: &str| agrees(&[shown], &[seen]);
    let key = "RGCcYJ2gt9J2JoCNEs0sHTjQxXzLg4vWVlxWxcDJSc8=";
    let other = "WZSKppsqXXdQ4QsvajBwMQzbwuNx1V/d3iRtjj4vNKQ=";
    assert!(one("x 2026-11-21T20:02:08Z (in 7 days)", "x 2027-01-02T00:00:00Z (in 6 days)"));
    assert!(one("x 2026-11-21 20:02:08 +00:00 (now)", "x 2027-01-02 00:00:00 +00:00 (2 seconds ago)"));
    assert!(one("\"iat\": 1795291640,", "\"iat\": 1795378040,"));
    assert!(one(&format!("K=\"{key}\""), &format!("K=\"{other}\"")));
    for (shown, seen) in [
        ("status 0", "status 1"),
        ("added 2, changed 0, skipped 0", "added 3, changed 0, skipped 0"),
        ("life     6 hours", "life     7 hours"),
        ("at 97 %", "at 98 %"),
        ("x 2026-11-21T20:02:08Z", "x 1795378040"),
        ("x (in 7 days)", "x (7 days ago)"),
        ("x (in 7 days)", "x (in 2 days)"),
        ("x (in 3 minutes)", "x (in 3 hours)"),
        ("\"n\": 179529164", "\"n\": 179529165"),
        ("eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9", "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9"),
        ("https://tokens.example.org/jwks.json", "https://tokens.example.com/jwks.json"),
        (key, &other[1..]),
        ("accepted by /api", "rejected by /api"),
    ] {
        assert!(!one(shown, seen), "'{shown}' and '{seen}' are taken for the same");
    }
    // Times of one answer keep their distance.
    let answer = |end: i64| [format!("\"iat\": 1795291640, \"exp\": {}", 1_795_291_640 + end)];
    let agree = |one: i64, other: i64| agrees(&[&answer(one)[0]], &[&answer(other)[0]]);
    assert!(agree(86_400, 86_401));
    assert!(!agree(86_400, 7 * 86_400));
    assert!(!agrees(&["a"], &["a", "b"]));
}

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
