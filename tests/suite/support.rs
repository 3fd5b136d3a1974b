//! Shared test support: the programs, a directory to run them in, and optional external programs.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;
use cc_auth::login::session_key::{SessionKey, SessionOrigin};

pub use skipped::{is_ci, skip};

#[path = "skipped.rs"]
mod skipped;

/// The directory of the five programs.
pub fn programs() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_cc-user")).parent().unwrap().to_owned()
}

/// Copies a program. Another process copies, because a child that another thread starts meanwhile would inherit
/// the open file, and a file that is open for writing cannot be executed.
pub fn copy_program(name: &str, to: &Path) {
    let copy = std::process::Command::new("cp").arg(programs().join(name)).arg(to).status().unwrap();
    assert!(copy.success(), "cp {name} {}", to.display());
}

/// `PATH` with the five programs first.
pub fn path_with_programs() -> String {
    format!("{}:{}", programs().display(), std::env::var("PATH").unwrap())
}

/// Returns the path of a file in `tests/data`.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Parses a JSON lines file in `tests/data`.
pub fn rows(name: &str) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(data(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The result of a command.
#[derive(Debug)]
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    /// Checks the exit status and returns the run.
    #[track_caller]
    pub fn ended(self, status: i32) -> Self {
        assert_eq!(self.status, status, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Parses standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\nstdout: {}\nstderr: {}", self.stdout, self.stderr))
    }
}

/// A temporary directory with a home directory, without the caller's environment.
pub struct TestEnv {
    directory: tempfile::TempDir,
}

impl TestEnv {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(".home")).unwrap();
        Self { directory }
    }

    /// Creates a directory in which `cc-user init` was run and `fritz` (user, api) exists; the
    /// token of `fritz` is in `token.txt`.
    pub fn with_setup() -> Self {
        let directory = Self::new();
        directory.sh("cc-user init -q").ended(0);
        directory.sh("cc-user add fritz --role user,api --no-password -q").ended(0);
        directory.sh("cc-jwt issue fritz -q > token.txt").ended(0);
        directory
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    #[track_caller]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Returns a command for a program in this directory, with a clean environment.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", path_with_programs())
            .env("HOME", self.file(".home"))
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .timeout(Duration::from_secs(120));
        command
    }

    /// Runs one of the five programs.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Run {
        self.command(programs().join(program)).args(arguments).output().unwrap().into()
    }

    /// Runs one of the five programs with input on standard input.
    pub fn run_with(&self, program: &str, arguments: &[&str], stdin: impl Into<Vec<u8>>) -> Run {
        self.command(programs().join(program)).args(arguments).write_stdin(stdin).output().unwrap().into()
    }

    /// Runs a shell command.
    pub fn sh(&self, line: &str) -> Run {
        self.command("sh").args(["-c", line]).output().unwrap().into()
    }
}

/// The file of the session without a name that a login in this directory creates.
pub fn session_path(directory: &Path) -> PathBuf {
    let origin = SessionOrigin::of_settings(None, None, None, Some(directory)).unwrap();
    let file = SessionKey { name: None, origin }.id().file();
    directory.join(".home/.local/state/cc-auth").join(file)
}

/// Whether an external program is installed; otherwise the check is skipped, see [`skip`].
pub fn has(program: &str) -> bool {
    let found = std::env::var("PATH")
        .unwrap_or_default()
        .split(':')
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"])
        .any(|directory| Path::new(directory).join(program).is_file());
    found || skip(&format!("{program} is not installed"))
}

/// Whether a Python module is installed; see [`has`].
pub fn has_python(module: &str) -> bool {
    let found = std::process::Command::new("python3")
        .args(["-c", &format!("import {module}")])
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    found || skip(&format!("the Python module {module} is not installed"))
}

/// Whether `tests/tools/node_modules` contains an npm package; see [`has`].
pub fn has_npm(package: &str) -> bool {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/node_modules").join(package).is_dir();
    (found || skip(&format!("the npm package {package} is not installed"))) && has("node")
}

/// Whether the tests run as root; see [`has`].
pub fn has_root() -> bool {
    rustix::process::geteuid().is_root() || skip("needs root")
}

/// Whether the variable for updating expectations is set: expected results are then replaced by the
/// actual ones. In CI this is an error, because every check would pass.
pub fn is_updating(variable: &str) -> bool {
    let asked = std::env::var_os(variable).is_some();
    assert!(!(asked && is_ci()), "{variable} is set: expectations are not written in CI");
    asked
}

/// Returns the code of a source file below `src` without items for unit tests: items under
/// `#[cfg(test)]`, and the whole file if its module is declared under it. Relies on the layout of
/// rustfmt.
pub fn code_without_tests(path: &Path) -> String {
    let declares_for_tests = |file: PathBuf, module: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        ["mod", "pub mod", "pub(super) mod", "pub(crate) mod"]
            .iter()
            .any(|keyword| text.contains(&format!("#[cfg(test)]\n{keyword} {module};")))
    };
    let module = path.file_stem().unwrap().to_string_lossy();
    let parent = path.parent().unwrap();
    if declares_for_tests(parent.join("mod.rs"), &module)
        || declares_for_tests(parent.join("lib.rs"), &module)
    {
        return String::new();
    }
    without_test_items(&fs::read_to_string(path).unwrap())
}

fn without_test_items(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() != "#[cfg(test)]" {
            code.push_str(line);
            code.push('\n');
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        // The item ends at the end of its first line, or at a closing line with the same indent.
        for (number, item) in lines.by_ref().enumerate() {
            let own = item.strip_prefix(indent).is_some_and(|rest| !rest.starts_with([' ', '\t']));
            let closes = item.ends_with([';', '}', ',']) && !item.ends_with("{},");
            let attribute = item.trim_start().starts_with("#[");
            if own
                && closes
                && !attribute
                && (number == 0 || item.trim_start().starts_with(['}', ']', ')']) || item.ends_with(';'))
            {
                break;
            }
        }
    }
    code
}

#[test]
fn code_without_tests_drops_test_items_only() {
    let text = "use a;\n#[cfg(test)]\nuse b::{c};\nuse d;\n#[cfg(test)]\nstatic E: &[F] = &[\n    g(\"x\"),\n];\n\
                fn h() {}\n#[cfg(test)]\n#[derive(Debug)]\nstruct I {\n    j: K,\n}\nfn l() {}\n\
                #[cfg(test)]\nmod tests {\n    fn m() {}\n}\nfn n() {}\n";
    assert_eq!(without_test_items(text), "use a;\nuse d;\nfn h() {}\nfn l() {}\nfn n() {}\n");
}

/// The author of changes that a test makes without a program.
pub fn author() -> cc_auth::history::Author {
    cc_auth::history::Author {
        clock: cc_auth::util::time::Clock::System,
        account: "root".to_owned(),
        program: "test".to_owned(),
        command: String::new(),
    }
}
