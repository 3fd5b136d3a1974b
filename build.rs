//! Tells the programs which commit they were built from: CC_AUTH_COMMIT, or what a source archive
//! says in `.commit`, or git.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=CC_AUTH_COMMIT");
    // Only what is there may be named: a missing file would have everything built anew each time.
    println!("cargo::rerun-if-changed=build.rs");
    let given = std::env::var("CC_AUTH_COMMIT").ok();
    let commit = given.or_else(archived).or_else(current);
    let shown = commit.filter(|c| !c.is_empty()).map(|c| format!(" ({c})")).unwrap_or_default();
    println!("cargo::rustc-env=CC_AUTH_COMMIT={shown}");
}

/// `.commit` has the commit and its time in seconds.
fn archived() -> Option<String> {
    let text = std::fs::read_to_string(".commit").ok()?;
    println!("cargo::rerun-if-changed=.commit");
    text.split_whitespace().next().map(str::to_owned)
}

/// Only if this directory is a repository itself, not part of another one.
fn current() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    if let Some(head) = git(&["rev-parse", "--git-path", "HEAD"]) {
        println!("cargo::rerun-if-changed={head}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
