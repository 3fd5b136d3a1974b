//! Twice the input takes at most twice the work: instructions of a whole process, counted by
//! callgrind. A list that is searched for each of its own entries fails here.
//!
//! To add a reader: a test that calls [`assert_linear`] with a size at which a quadratic reader is
//! clearly worse than its start-up, about 4,000 entries.

use std::fs;
use std::process::Stdio;

use crate::support::{TestEnv, has, programs};

/// What one run gets.
pub struct Input {
    /// The directory that it runs in.
    pub directory: TestEnv,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it reads from standard input.
    pub stdin: Vec<u8>,
    /// The exit status that it must end with.
    pub status: i32,
}

impl Input {
    /// A run in this directory that ends with 0 and reads nothing.
    pub fn new(directory: TestEnv, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { directory, arguments, stdin: Vec::new(), status: 0 }
    }

    /// More arguments.
    pub fn with(mut self, arguments: impl IntoIterator<Item = String>) -> Self {
        self.arguments.extend(arguments);
        self
    }

    /// What it reads from standard input.
    pub fn reads(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// The exit status that it must end with.
    pub fn ends_with(mut self, status: i32) -> Self {
        self.status = status;
        self
    }
}

/// Counts the instructions of one run.
#[track_caller]
pub fn instructions(program: &str, input: &Input) -> u64 {
    let log = input.directory.file("callgrind.log");
    let stdin = input.directory.write("callgrind.stdin", &input.stdin);
    let output = std::process::Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--log-file={}", log.display()))
        .arg(programs().join(program))
        .args(&input.arguments)
        .current_dir(input.directory.path())
        .env_clear()
        .env("PATH", crate::support::path_with_programs())
        .env("HOME", input.directory.file(".home"))
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::from(fs::File::open(stdin).unwrap()))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let shown: String = stderr.chars().take(2000).collect();
    assert_eq!(output.status.code(), Some(input.status), "{program}: {shown}");
    let text = fs::read_to_string(log).unwrap();
    let collected = text.lines().find_map(|line| line.split("Collected").nth(1));
    let number = collected.map(|rest| rest.trim_start_matches([' ', ':']).trim().to_owned());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no count in {text}"))
}

/// Runs a program with an input of `size` and one of twice that size, made by `input`. Skipped
/// where valgrind is missing.
#[track_caller]
pub fn assert_linear(program: &str, size: usize, input: impl Fn(usize) -> Input) {
    if !has("valgrind") {
        return;
    }
    let (one, two) = (instructions(program, &input(size)), instructions(program, &input(2 * size)));
    println!("{program}: {one} instructions for {size}, {two} for {}", 2 * size);
    assert!(two * 10 <= one * 22, "{size} take {one} instructions, {} take {two}", 2 * size);
    assert!(two * 10 >= one * 12, "{size} take {one}, twice as many {two}: the size is too small to show");
}
