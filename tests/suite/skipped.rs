//! Checks that cannot be made on this machine: a failure in CI, elsewhere shown at once and listed at
//! the end.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where the skipped checks of this run of cargo are kept, one a line: `TEST: REASON`.
pub fn list() -> PathBuf {
    let run = rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("skipped-{run}.txt"))
}

/// Whether the tests run in CI, where nothing is skipped and no expectation is written anew.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !["", "0", "false"].contains(&value.as_str()))
}

/// Skips a check of the current test: always `false`, so that `found || skip("...")` reads well.
/// The line on standard error is not captured, so that it is seen for a test that ends with "ok".
#[track_caller]
pub fn skip(why: &str) -> bool {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(!is_ci(), "{test}: {why}, and nothing is skipped in CI");
    let mut file = fs::OpenOptions::new().create(true).append(true).open(list()).unwrap();
    file.write_all(format!("{test}: {why}\n").as_bytes()).unwrap();
    std::io::stderr().write_all(format!("SKIPPED {test}: {why}\n").as_bytes()).unwrap();
    false
}
