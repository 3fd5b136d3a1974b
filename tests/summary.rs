//! Runs after the suite and lists each check that it skipped as an ignored test, with the reason:
//! a test whose peer is missing ends with "ok", which does not mean that anything was compared.

#![expect(unreachable_pub, reason = "modules of a test program have no outside")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

use std::fs;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

#[path = "suite/skipped.rs"]
#[allow(dead_code, reason = "the suite writes the list, this reads it")]
mod skipped;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let list = skipped::list();
    let text = fs::read_to_string(&list).unwrap_or_default();
    let mut trials: Vec<Trial> = text
        .lines()
        .map(|line| {
            let (test, why) = line.split_once(": ").expect("a test and a reason in each line");
            Trial::test(test, || Ok(())).with_kind(why).with_ignored_flag(true)
        })
        .collect();
    if trials.is_empty() {
        trials.push(Trial::test("no_check_was_skipped", || Ok(())));
    }
    if !arguments.list {
        let _ = fs::remove_file(&list);
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
