//! Servers of other projects that take seconds to start: one for all tests of this process. Each is run
//! by a script in `tests/servers`, which ends the server when its standard input ends, and that is when
//! this process has ended, for whatever reason.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running script of `tests/servers`.
pub struct ServerScript {
    name: &'static str,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    log: tempfile::NamedTempFile,
}

impl ServerScript {
    /// Starts a script.
    pub fn start(name: &'static str, arguments: &[&str]) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(name);
        let mut child = Command::new(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log.path()).unwrap())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { name, child, stdin, stdout, log }
    }

    /// The next lines that the script prints.
    pub fn lines<const COUNT: usize>(&mut self) -> [String; COUNT] {
        std::array::from_fn(|_| {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).unwrap() == 0 {
                let status = self.child.wait().unwrap();
                let log = std::fs::read_to_string(self.log.path()).unwrap();
                panic!("tests/servers/{} does not start ({status}): {log}", self.name);
            }
            line.trim_end().to_owned()
        })
    }

    /// Sends a line to the script.
    pub fn send(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }
}
