//! The tests of the tests: what would make one pass whatever the programs do is not in them.

use std::fs;
use std::path::{Path, PathBuf};

/// Every source file of the tests, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")];
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    files.retain(|(path, _)| !path.ends_with(file!()));
    assert!(files.len() > 50, "only {} files found", files.len());
    files
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The lines of each test function, with the number of the first.
fn tests(text: &str) -> Vec<(usize, Vec<&str>)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.trim() == "#[test]") {
        let end = lines[at..].iter().position(|other| *other == format!("{}}}", " ".repeat(indent(line))));
        found.push((at + 1, lines[at..at + end.unwrap_or_default()].to_vec()));
    }
    found
}

/// Where a test ends early without a word: by a `return` whose condition does not skip the check
/// aloud. A thread that ends because its receiver is gone is not one.
fn silent_ends(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    // A test that ends with 'panic' passes only by its 'return'.
    let passes_by_end = |lines: &[&str]| !lines.last().unwrap_or(&"").trim().starts_with("panic!(");
    for (first, lines) in tests(text).into_iter().filter(|(_, lines)| passes_by_end(lines)) {
        for (at, line) in lines.iter().enumerate() {
            let condition = if line.trim() == "return;" {
                // The head of the block: the nearest line above that stands further left.
                let mut above = lines[..at].iter().rev();
                above.find(|above| !above.trim().is_empty() && indent(above) < indent(line))
            } else if line.contains("else { return }") {
                Some(line)
            } else {
                continue;
            };
            let condition = condition.copied().unwrap_or_default();
            let aloud = [
                "has(",
                "has_",
                "skip(",
                "traces(",
                "send(",
                "is_updating(",
                "Disk::new()",
                "Realm::",
                "Subtree::",
                "Unit::",
                "Slurm::",
                "freeipa(",
                "active_directory(",
            ];
            if !aloud.iter().any(|word| condition.contains(word)) {
                found.push(first + at);
            }
        }
    }
    found
}

#[test]
fn test_that_ends_early_skips_its_check_aloud() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, text) in sources() {
        seen += tests(&text).len();
        wrong.extend(silent_ends(&text).iter().map(|line| format!("{}:{line}", path.display())));
    }
    assert!(seen > 300, "only {seen} tests found");
    assert!(wrong.is_empty(), "these return without 'has' or 'skip':\n{}", wrong.join("\n"));
}

#[test]
fn silent_end_is_found_in_every_form() {
    let test = |body: &str| silent_ends(&format!("#[test]\nfn x() {{\n{body}\n    rest();\n}}\n"));
    assert_eq!(test("    if odd {\n        return;\n    }"), [4]);
    assert_eq!(test("    let Some(x) = y else { return };"), [3]);
    assert_eq!(test("    if odd {\n        println!(\"not here\");\n\n        return;\n    }"), [6]);
    assert!(test("    if !has(\"x\") {\n        return;\n    }").is_empty());
    assert!(
        test("    if found {\n        return;\n    }\n    panic!(\"none\");\n").len() == 1,
        "something follows"
    );
    let last = "#[test]\nfn x() {\n    if found {\n        return;\n    }\n    panic!(\"none\");\n}\n";
    assert!(silent_ends(last).is_empty());
    assert!(silent_ends("fn helper() {\n    if odd {\n        return;\n    }\n}\n").is_empty());
}

/// Lines that accept several statuses, each with the reason why one run may end in several ways.
const SEVERAL_STATUSES: &[(&str, &str)] = &[
    ("files.rs: assert!([66, 73, 78]", "ten commands, each with its own reason not to write there"),
    ("files.rs: [66, 73, 77, 78]", "ten commands, each with its own reason not to write there"),
    ("login.rs: ![302, 401]", "the responses of the recorded server, not of a program here"),
    (
        "resource_limits.rs: let reported = ",
        "which call fails under a limit is the system's choice; each status has its reason",
    ),
    (
        "resource_limits.rs: let aborted = ",
        "the loader or the language's runtime may fail before the program begins",
    ),
    (
        "sync_grace_faults.rs: assert!(is_kill || [0, 74]",
        "a fault after the commit may be one that loses nothing",
    ),
    (
        "sync_grace_map_faults.rs: assert!(is_kill || [0, 74]",
        "a fault after the commit may be one that loses nothing",
    ),
];

/// Where a line accepts more than one exit status.
fn takes_several_statuses(line: &str) -> bool {
    let line = line.trim();
    if line.starts_with("//") {
        return false;
    }
    let line = line.replace("Some(", "").replace(")]", "]");
    line.split("].contains(&").skip(1).any(|after| {
        let of_status = ["status", "code", "run.status"]
            .iter()
            .any(|word| after.split([')', ',']).next().unwrap_or_default().contains(word));
        let listed = line.split("].contains(&").next().unwrap_or_default();
        let list = listed.rsplit('[').next().unwrap_or_default();
        of_status && list.contains(',') && list.chars().all(|c| c.is_ascii_digit() || ", -\")".contains(c))
    })
}

#[test]
fn several_statuses_are_found_in_every_form() {
    for line in [
        "assert!([0, 1].contains(&run.status), \"x\");",
        "assert!([Some(0), Some(74)].contains(&output.status.code()));",
        "assert!([\"0\", \"1\"].contains(&status.trim()));",
    ] {
        assert!(takes_several_statuses(line), "{line}");
    }
    for line in ["assert_eq!(run.status, 1);", "[1, 2].contains(&count)", "// [0, 1].contains(&status)"] {
        assert!(!takes_several_statuses(line), "{line}");
    }
}

#[test]
fn status_is_one_unless_a_reason_is_given() {
    let mut wrong = Vec::new();
    let mut used = 0;
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| takes_several_statuses(line)) {
            let name = path.file_name().unwrap().to_string_lossy();
            let known = SEVERAL_STATUSES
                .iter()
                .any(|(start, _)| format!("{name}: {}", line.trim()).starts_with(start));
            used += usize::from(known);
            if !known {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert_eq!(used, SEVERAL_STATUSES.len(), "a reason that is no longer needed");
    assert!(wrong.is_empty(), "several statuses pass:\n{}", wrong.join("\n"));
}
