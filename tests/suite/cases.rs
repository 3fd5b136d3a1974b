//! Case files: `tests/cases/PROGRAM/CONDITION.case`, a refusal or answer each.
//!
//! ```text
//! # Why this is so.
//! @ setup                    run in a folder set up with keys, database, fritz and token.txt
//! $ echo x > file            a shell line; several run in one folder
//! > what it prints           standard output, whole; [..] stands for any text in a line
//! ! what it complains        standard error, whole
//! ? 65                       its exit status, 0 where it is not said
//! ```
//! `UPDATE_CASES=1` writes down what was seen instead; look at the difference before you keep it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Folder;

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

fn parse(path: &Path) -> Case {
    let mut case = Case { head: Vec::new(), setup: false, steps: Vec::new() };
    for line in fs::read_to_string(path).unwrap().lines() {
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
            ("?", Some(step)) => step.status = rest.parse().unwrap(),
            _ => panic!("{}: what is {line:?}?", path.display()),
        }
    }
    assert!(!case.steps.is_empty(), "{}: no command", path.display());
    case
}

/// Whether a line is as expected, `[..]` standing for anything.
fn matches(wanted: &str, seen: &str) -> bool {
    let mut pieces = wanted.split("[..]");
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

fn same(wanted: &[String], seen: &str) -> bool {
    let seen: Vec<&str> = seen.lines().collect();
    wanted.len() == seen.len() && wanted.iter().zip(seen).all(|(wanted, seen)| matches(wanted, seen))
}

fn check(path: &Path) -> Result<(), String> {
    let case = parse(path);
    let folder = if case.setup { Folder::with_setup() } else { Folder::new() };
    let mut shown = String::new();
    let mut written = case.head.join("\n") + "\n";
    for step in &case.steps {
        let run = folder.sh(&step.line);
        let fits =
            run.status == step.status && same(&step.stdout, &run.stdout) && same(&step.stderr, &run.stderr);
        if !fits {
            let _ = write!(
                shown,
                "{}\n$ {}\n  ended with {}, wanted {}\n  stdout {:?}\n  wanted {:?}\n  stderr {:?}\n  wanted {:?}\n",
                path.display(),
                step.line,
                run.status,
                step.status,
                run.stdout,
                step.stdout,
                run.stderr,
                step.stderr,
            );
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
    if !shown.is_empty() && std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(path, written).unwrap();
        return Ok(());
    }
    if shown.is_empty() { Ok(()) } else { Err(shown) }
}

fn all_of(program: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(program);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "case"));
    paths.sort();
    assert!(!paths.is_empty(), "{}: no case", folder.display());
    let wrong: Vec<String> = paths.iter().filter_map(|path| check(path).err()).collect();
    println!("{program}: {} of {} cases as written", paths.len() - wrong.len(), paths.len());
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), paths.len(), wrong.join("\n"));
}

#[test]
fn gen_keypair_answers_as_its_cases_say() {
    all_of("gen-keypair");
}

#[test]
fn convert_pem_pubkey_answers_as_its_cases_say() {
    all_of("convert-pem-pubkey");
}

#[test]
fn cc_user_answers_as_its_cases_say() {
    all_of("cc-user");
}

#[test]
fn cc_jwt_answers_as_its_cases_say() {
    all_of("cc-jwt");
}

#[test]
fn cc_login_answers_as_its_cases_say() {
    all_of("cc-login");
}

#[test]
fn a_pattern_stands_for_any_text_but_only_where_it_is() {
    assert!(matches("a [..] c", "a b b c"));
    assert!(matches("[..]", ""));
    assert!(!matches("a", "ab"));
    assert!(!matches("a[..]b", "a"));
    assert!(!matches("ab[..]bc", "abc"), "pieces do not overlap");
}
