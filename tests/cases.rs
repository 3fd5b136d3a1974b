//! Case files: `tests/cases/PROGRAM/CONDITION.case`. Each file is a test of its own, named by its
//! path: `cargo test --test cases cc-jwt/verify` runs those that begin so.
//!
//! ```text
//! # Why this is so.
//! @ setup                    run in a directory set up with keys, database, fritz and token.txt
//! $ echo x > file            a shell line; several run in one directory
//! > what it prints           standard output, whole; [..] stands for any text in a line
//! ! what it complains        standard error, whole
//! ? 65                       its exit status, 0 by default
//! ```
//! `UPDATE_CASES=1` writes down what was seen instead; look at the difference before you keep it.

#![expect(unreachable_pub, reason = "modules of a test program have no outside")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::support::{TestEnv, is_updating};

#[path = "suite/support.rs"]
#[allow(dead_code, reason = "the suite uses all of it, the cases a part")]
mod support;

#[path = "suite/report_schema.rs"]
#[allow(dead_code, reason = "the suite uses all of it, the cases a part")]
mod report_schema;

/// The programs, with the least number of case files that each has: files that are no longer found
/// are not skipped in silence.
const PROGRAMS: [(&str, usize); 5] =
    [("cc-jwt", 120), ("cc-login", 25), ("cc-user", 80), ("convert-pem-pubkey", 20), ("gen-keypair", 20)];

#[derive(Default)]
struct Step {
    line: String,
    stdout: Vec<String>,
    stderr: Vec<String>,
    status: i32,
}

struct Case {
    head: Vec<String>,
    setup: bool,
    steps: Vec<Step>,
}

fn parse(text: &str) -> Result<Case, String> {
    let mut case = Case { head: Vec::new(), setup: false, steps: Vec::new() };
    for (number, line) in text.lines().enumerate() {
        let (mark, rest) = line.split_at_checked(1).unwrap_or((line, ""));
        let rest = rest.strip_prefix(' ').unwrap_or(rest).to_owned();
        match (mark, case.steps.last_mut()) {
            ("", _) => {}
            ("#", _) => case.head.push(line.to_owned()),
            ("@", _) if rest == "setup" => {
                case.setup = true;
                case.head.push(line.to_owned());
            }
            ("$", _) => case.steps.push(Step { line: rest, ..Step::default() }),
            (">", Some(step)) => step.stdout.push(rest),
            ("!", Some(step)) => step.stderr.push(rest),
            ("?", Some(step)) => {
                step.status =
                    rest.parse().map_err(|_| format!("line {}: invalid status '{rest}'", number + 1))?;
            }
            _ => return Err(format!("line {}: unknown mark: {line:?}", number + 1)),
        }
    }
    if case.steps.is_empty() { Err("no command".to_owned()) } else { Ok(case) }
}

/// Whether a line is as expected, `[..]` standing for anything.
fn matches(expected: &str, seen: &str) -> bool {
    let mut pieces = expected.split("[..]");
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = seen.strip_prefix(first) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

fn same(expected: &[String], seen: &str) -> bool {
    let seen: Vec<&str> = seen.lines().collect();
    expected.len() == seen.len() && expected.iter().zip(seen).all(|(expected, seen)| matches(expected, seen))
}

/// Both sides of an output that differs, line by line: `-` as the case has it, `+` as it was.
fn difference(name: &str, expected: &[String], seen: &str, shown: &mut String) {
    if same(expected, seen) {
        return;
    }
    let _ = writeln!(shown, "  {name} differs (- expected, + seen):");
    let seen: Vec<&str> = seen.lines().collect();
    for at in 0..expected.len().max(seen.len()) {
        match (expected.get(at), seen.get(at)) {
            (Some(expected), Some(seen)) if matches(expected, seen) => {
                let _ = writeln!(shown, "    {seen}");
            }
            (expected, seen) => {
                for (mark, line) in [('-', expected.map(String::as_str)), ('+', seen.copied())] {
                    if let Some(line) = line {
                        let _ = writeln!(shown, "  {mark} {line:?}");
                    }
                }
            }
        }
    }
}

fn check(path: &Path) -> Result<(), Failed> {
    let case = parse(&fs::read_to_string(path)?)?;
    let directory = if case.setup { TestEnv::with_setup() } else { TestEnv::new() };
    let mut shown = String::new();
    let mut written = case.head.join("\n") + "\n";
    for step in &case.steps {
        let run = directory.sh(&step.line);
        if let Some(command) = report_schema::reporting_command(&step.line) {
            for error in report_schema::stream_errors(command, &run.stdout, &run.stderr) {
                let _ = writeln!(shown, "$ {}\n  {error}", step.line);
            }
        }
        let fits =
            run.status == step.status && same(&step.stdout, &run.stdout) && same(&step.stderr, &run.stderr);
        if !fits {
            let _ = writeln!(shown, "$ {}", step.line);
            if run.status != step.status {
                let _ = writeln!(shown, "  status {}, expected {}", run.status, step.status);
            }
            difference("standard output", &step.stdout, &run.stdout, &mut shown);
            difference("standard error", &step.stderr, &run.stderr, &mut shown);
        }
        let _ = writeln!(written, "$ {}", step.line);
        let (stdout, stderr) = if fits {
            (step.stdout.clone(), step.stderr.clone())
        } else {
            let own = |text: &str| text.lines().map(str::to_owned).collect();
            (own(&run.stdout), own(&run.stderr))
        };
        for line in stdout {
            let _ = writeln!(written, "> {line}");
        }
        for line in stderr {
            let _ = writeln!(written, "! {line}");
        }
        if run.status != 0 {
            let _ = writeln!(written, "? {}", run.status);
        }
    }
    if shown.is_empty() {
        return Ok(());
    }
    if is_updating("UPDATE_CASES") {
        fs::write(path, written)?;
        return Ok(());
    }
    Err(format!("{}\n{shown}", path.display()).into())
}

/// The case files of a program, sorted. A file of another name is a mistake: it would never run.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in &paths {
        let is_case = path.is_file() && path.extension().is_some_and(|extension| extension == "case");
        assert!(is_case, "{}: not a case file", path.display());
    }
    paths.sort();
    paths
}

fn pattern_stands_for_any_text_but_only_where_it_is() {
    assert!(matches("a [..] c", "a b b c"));
    assert!(matches("[..]", ""));
    assert!(!matches("a", "ab"));
    assert!(!matches("a[..]b", "a"));
    assert!(!matches("ab[..]bc", "abc"), "pieces do not overlap");
}

fn case_malformed_is_rejected() {
    assert!(parse("# only a comment\n").is_err());
    assert!(parse("> before any command\n").is_err());
    assert!(parse("$ true\n? none\n").is_err());
    assert!(parse("$ true\nno mark\n").is_err());
    assert!(parse("@ unknown\n$ true\n").is_err());
    assert!(parse("$ true\n> out\n! err\n? 1\n").is_ok());
}

/// What a case says is compared: each part of one that does not hold makes it fail.
fn case_with_another_answer_fails() {
    let directory = TestEnv::new();
    let fails = |text: &str| check(&directory.write("x.case", text)).is_err();
    let command = "$ echo out; echo err >&2; exit 3\n";
    assert!(!fails(&format!("{command}> out\n! err\n? 3\n")));
    for wrong in
        ["> out\n! err\n", "> out\n? 3\n", "! err\n? 3\n", "> in\n! err\n? 3\n", "> out\n> out\n! err\n? 3\n"]
    {
        assert!(fails(&format!("{command}{wrong}")), "{wrong}");
    }
}

/// The arguments without their filters, and the filters. The library accepts one filter alone; the
/// suite's tests accept several, and both are called with the same arguments.
fn arguments(words: impl Iterator<Item = String>) -> (Arguments, Vec<String>) {
    const WITH_VALUE: [&str; 6] = ["--skip", "--test-threads", "--format", "--color", "--logfile", "-Z"];
    let (mut others, mut filters) = (Vec::new(), Vec::new());
    for word in words {
        let is_value = others.last().is_some_and(|last: &String| WITH_VALUE.contains(&last.as_str()));
        if others.is_empty() || is_value || word.starts_with('-') {
            others.push(word);
        } else {
            filters.push(word);
        }
    }
    (Arguments::from_iter(others), filters)
}

fn is_chosen(name: &str, filters: &[String], exact: bool) -> bool {
    filters.is_empty()
        || filters.iter().any(|filter| if exact { name == filter } else { name.contains(filter.as_str()) })
}

fn filters_choose_the_tests_that_one_of_them_names() {
    let words = ["cases", "jwt/", "--skip", "jwt/b", "user/c", "--exact"].map(str::to_owned);
    let (arguments, filters) = arguments(words.into_iter());
    assert_eq!((filters.join(" "), arguments.skip.join(" ")), ("jwt/ user/c".to_owned(), "jwt/b".to_owned()));
    assert!(arguments.exact && arguments.filter.is_none());
    for (name, contained, equal) in [
        ("cc-jwt/a", true, false),
        ("user/c", true, true),
        ("user/cd", true, false),
        ("login/d", false, false),
    ] {
        assert_eq!(is_chosen(name, &filters, false), contained, "{name}");
        assert_eq!(is_chosen(name, &filters, true), equal, "{name}");
    }
    assert!(is_chosen("any", &[], true));
}

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut trials = Vec::new();
    let mut directories: Vec<String> =
        fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    directories.sort();
    assert_eq!(
        directories,
        PROGRAMS.map(|(program, _)| program),
        "{}: a directory each program",
        root.display()
    );
    for (program, least) in PROGRAMS {
        let paths = files(&root.join(program));
        assert!(paths.len() >= least, "{program}: {} case files, at least {least} expected", paths.len());
        for path in paths {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            trials.push(Trial::test(name, move || check(&path)));
        }
    }
    for (name, test) in [
        (
            "pattern_stands_for_any_text_but_only_where_it_is",
            pattern_stands_for_any_text_but_only_where_it_is as fn(),
        ),
        ("case_malformed_is_rejected", case_malformed_is_rejected),
        ("filters_choose_the_tests_that_one_of_them_names", filters_choose_the_tests_that_one_of_them_names),
        ("case_with_another_answer_fails", case_with_another_answer_fails),
    ] {
        trials.push(Trial::test(name, move || {
            test();
            Ok(())
        }));
    }
    let (arguments, filters) = arguments(std::env::args());
    trials.retain(|trial| is_chosen(trial.name(), &filters, arguments.exact));
    libtest_mimic::run(&arguments, trials).exit_code()
}
