//! `cc-jwt scan` as a check and on a terminal.

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use crate::listing::on_a_terminal;
use crate::support::{TestEnv, has};

/// The commands of a check without the files, with their status if everything was searched.
const CHECKS: [&str; 4] = ["--expiring 1h", "--max-age 400d", "--expiring 1h --json", "--what-if at=+1s"];

/// What precedes a command so that the modes of files apply to it: root can read every file.
fn unprivileged() -> &'static str {
    if rustix::process::geteuid().is_root() {
        "setpriv --bounding-set=-dac_override,-dac_read_search "
    } else {
        ""
    }
}

/// A directory with a file that can be read and one that cannot, and one without a token.
fn files() -> TestEnv {
    let directory = TestEnv::with_setup();
    directory
        .sh("mkdir -p etc/closed clean && cp token.txt etc/t && chmod 600 etc/t && cp etc/t etc/closed/t \
             && cp etc/t unreadable && echo x > clean/x && chmod 0 etc/closed unreadable")
        .ended(0);
    directory
}

#[test]
fn scan_check_fails_if_a_file_is_not_searched() {
    if !has("setpriv") {
        return;
    }
    let (shut, directory) = (unprivileged(), files());
    for check in CHECKS {
        for quiet in ["", " -q"] {
            let run = directory.sh(&format!("{shut}cc-jwt scan etc {check}{quiet}"));
            assert_eq!(run.status, 1, "{check} {}", run.stderr);
            let shown = format!("{}{}", run.stdout, run.stderr);
            assert!(shown.contains("'etc/closed' cannot be read"), "{check}{quiet}: {shown}");
            let clean = directory.sh(&format!("{shut}cc-jwt scan clean {check}{quiet}"));
            assert_eq!(clean.status, 0, "{check} {}", clean.stderr);
        }
    }
    let report = directory.sh(&format!("{shut}cc-jwt scan etc --json")).ended(0).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["complete"], &report["files"]["unreadable"]), (&false.into(), &1.into()));
}

#[test]
fn scan_path_that_cannot_be_opened_is_an_error() {
    if !has("setpriv") {
        return;
    }
    let (shut, directory) = (unprivileged(), files());
    for path in ["unreadable", "etc/closed", "etc/t unreadable"] {
        for check in ["", "--expiring 1h", "--what-if at=+1s", "--metrics-file m.prom"] {
            let run = directory.sh(&format!("{shut}cc-jwt scan {path} {check}"));
            assert_eq!(run.status, 66, "{path} {check}: {}", run.stdout);
            assert!(run.stderr.contains("cannot be read: permission denied"), "{}", run.stderr);
        }
    }
    assert!(!directory.path().join("m.prom").exists());
}

#[test]
fn scan_every_terminal_width_fits_and_wide_prints_the_whole_place() {
    let directory = TestEnv::with_setup();
    let file = "etc/a-long-directory-of-a-program/configuration-of-the-sinks.env";
    directory
        .sh(&format!("mkdir -p $(dirname {file}) && (printf 'A_VARIABLE='; cat token.txt) > {file}"))
        .ended(0);
    directory.sh(&format!("chmod 644 {file}")).ended(0);
    let place = format!("{file}:1 A_VARIABLE");
    for columns in [60, 80, 120] {
        let lines = on_a_terminal(&directory, columns, "cc-jwt scan etc -q --color never");
        assert!(lines.iter().all(|line| line.width() <= columns), "{columns}: {lines:#?}");
        assert!(lines.concat().contains("file-mode") && lines[1].contains('…'), "{lines:#?}");
        let lines = on_a_terminal(&directory, columns, "cc-jwt scan etc -q --wide --color never");
        assert!(lines[1].starts_with(&place) && !lines.concat().contains('…'), "{columns}: {lines:#?}");
    }
    let lines = on_a_terminal(&directory, 80, "cc-jwt scan etc --color never");
    let note = "the terminal is too narrow for ";
    assert!(
        lines.iter().any(|line| line.contains(note) && line.ends_with("--wide prints everything")),
        "{lines:#?}"
    );
}
