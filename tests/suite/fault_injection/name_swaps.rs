//! Another account replaces names while a program writes: `strace` stops the program after each
//! system call of a write, the name is replaced, the program continues, and the test checks which
//! files changed.
//!
//! Two cases: root writes in the directory of another account, and an ordinary user writes in a
//! directory that all accounts can write to (mode 1777).

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, chown, lchown, symlink};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::support::{has, has_root, path_with_programs};

/// The account that writes in the shared directory, and the attacker, who also owns the directory
/// in which root writes.
const VICTIM: u32 = 61_001;
const MALLORY: u32 = 61_002;

/// The content of the file that must not change.
const PROTECTED: &str = "a file of the victim's\n";

/// The commands that write an output, with `{}` for the file, and their exit statuses.
const WRITES: [(&str, i32); 12] = [
    ("gen-keypair -a es256 -f jwk -o {} --force", 0),
    ("gen-keypair --write --force --env-file {}", 0),
    ("convert-pem-pubkey --write --force --env-file {} public.pem", 0),
    ("cc-user export -o {} --force", 0),
    ("cc-user init --db {}", 0),
    ("cc-user sync-ldap --config ldap.json --metrics-file {}", 69),
    ("cc-jwt issue fritz -o {} --force", 0),
    ("cc-jwt spec issue r.yaml -o {} --force", 0),
    ("cc-jwt renew --spec r.yaml --force -o {}", 0),
    ("cc-jwt spec new --issuer https://a.example --kid k -o {} --force", 0),
    ("cc-jwt jwks --spec r.yaml --force --out-dir {}", 0),
    // The session and the failed attempts, in a directory with this name.
    ("cc-login fritz --password-file pw", 0),
];

/// The system calls after which the program is stopped.
const CALLS: [&str; 13] = [
    "openat",
    "statx",
    "fstat",
    "newfstatat",
    "readlinkat",
    "fchown",
    "fchmod",
    "fsync",
    "renameat",
    "renameat2",
    "mkdirat",
    "flock",
    "write",
];

/// The place of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Root writes in a directory of mallory.
    OfMallory,
    /// The victim writes in a directory of all accounts.
    Shared,
}

/// The replacement of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swap {
    Link,
    LinkToDirectory,
    DanglingLink,
    LinkOfTheTemporary,
    Fifo,
    Directory,
    File,
}

const SWAPS: [Swap; 7] = [
    Swap::Link,
    Swap::LinkToDirectory,
    Swap::DanglingLink,
    Swap::LinkOfTheTemporary,
    Swap::Fifo,
    Swap::Directory,
    Swap::File,
];

/// The directory of the writing account, mallory's directory in it, and a file that must not
/// change.
struct Site {
    directory: TestEnv,
    place: Place,
    write: String,
    worker: u32,
}

impl Site {
    fn new(place: Place, write: &str) -> Self {
        let directory = fixture();
        let ldap = r#"{"auth": {"jwts": {"max-age": "1h"}, "ldap": {"url": "ldap://127.0.0.1:1",
            "user-base": "dc=x", "user-filter": "(a=b)", "user-bind": "uid={username},dc=x"}}}"#;
        directory.write("ldap.json", ldap);
        let worker = if place == Place::Shared { VICTIM } else { 0 };
        let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        open(directory.path(), 0o711);
        directory.sh(&format!("chown -R {worker} .")).ended(0);
        directory.write("treasure", PROTECTED);
        chown(directory.file("treasure"), Some(worker), None).unwrap();
        open(&directory.file("treasure"), 0o600);
        fs::create_dir(directory.file("treasury")).unwrap();
        chown(directory.file("treasury"), Some(worker), None).unwrap();
        open(&directory.file("treasury"), 0o755);
        let inside = directory.file("inside");
        fs::create_dir(&inside).unwrap();
        match place {
            Place::OfMallory => chown(&inside, Some(MALLORY), Some(MALLORY)).unwrap(),
            Place::Shared => chown(&inside, Some(0), Some(0)).unwrap(),
        }
        open(&inside, if place == Place::Shared { 0o1777 } else { 0o755 });
        Self { directory, place, write: write.to_owned(), worker }
    }

    fn target(&self) -> PathBuf {
        // The directory that a login creates has a fixed name.
        let name = if self.write.starts_with("cc-login") { "inside/cc-auth" } else { "inside/target" };
        self.directory.file(name)
    }

    /// Runs before the command, unless mallory prepares the directory.
    fn prepare(&self, write: &str) {
        if self.place == Place::OfMallory && write.contains("--env-file") {
            fs::copy(self.directory.file(".env"), self.target()).unwrap();
            fs::set_permissions(self.target(), fs::Permissions::from_mode(0o600)).unwrap();
            chown(self.target(), Some(MALLORY), Some(MALLORY)).unwrap();
        }
    }

    /// Starts the command under `strace`.
    fn start(&self, write: &str, strace: &[&str]) -> Child {
        let line = write.replace("{}", "inside/target");
        let mut words = line.split(' ');
        let program = self.directory.file("bin").join(words.next().unwrap());
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-o", "trace.txt"])
            .args(strace)
            // The tracer stays root, because other accounts cannot read the arguments of a program
            // that is not dumpable.
            .args(["setpriv", &format!("--reuid={}", self.worker), &format!("--regid={}", self.worker)])
            .arg("--clear-groups")
            .arg(program)
            .args(words)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", path_with_programs())
            .env("HOME", self.directory.file(".home"))
            .env("XDG_STATE_HOME", self.directory.file("inside"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Replaces the name as mallory, as far as the system permits.
    fn swap(&self, swap: Swap) {
        let target = if swap == Swap::LinkOfTheTemporary {
            let names = fs::read_dir(self.directory.file("inside")).unwrap();
            let temporary = names
                .map(|entry| entry.unwrap().path())
                .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(TEMPORARY.0));
            let Some(path) = temporary else { return };
            path
        } else {
            self.target()
        };
        if let Ok(there) = fs::symlink_metadata(&target) {
            // A file of another account cannot be removed from a sticky directory.
            if self.place == Place::Shared && there.uid() != MALLORY {
                return;
            }
            if there.is_dir() {
                fs::rename(&target, self.directory.file("inside/was")).unwrap();
            } else {
                fs::remove_file(&target).unwrap();
            }
        }
        match swap {
            Swap::Link | Swap::LinkOfTheTemporary => {
                symlink(self.directory.file("treasure"), &target).unwrap()
            }
            Swap::LinkToDirectory => symlink(self.directory.file("treasury"), &target).unwrap(),
            Swap::DanglingLink => symlink(self.directory.file("new"), &target).unwrap(),
            Swap::Fifo => {
                let mode = rustix::fs::Mode::from_raw_mode(0o666);
                rustix::fs::mkfifoat(rustix::fs::CWD, &target, mode).unwrap();
            }
            Swap::Directory => fs::create_dir(&target).unwrap(),
            Swap::File => fs::write(&target, "mallory's\n").unwrap(),
        }
        lchown(&target, Some(MALLORY), Some(MALLORY)).unwrap();
    }
}

/// Waits for a process; returns its status and standard error.
#[track_caller]
fn wait(mut child: Child, about: &str) -> (i32, String) {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(30) {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{about}: the program does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut stderr = String::new();
    let _ = child.stderr.take().unwrap().read_to_string(&mut stderr);
    (child.wait().unwrap().code().unwrap_or(-1), stderr)
}

/// Returns the system calls of a write from the first one that concerns the directory: the name,
/// and how often it was called before.
fn moments(site: &Site, write: &str) -> Vec<(String, usize)> {
    let trace = format!("trace={}", CALLS.map(|call| format!("?{call}")).join(","));
    site.prepare(write);
    let child = site.start(write, &["-e", &trace]);
    let known = WRITES.iter().find(|(known, _)| *known == write).unwrap().1;
    // Root's own session is not stored where mallory could replace it.
    let is_refused = write.starts_with("cc-login") && site.place == Place::OfMallory;
    let expected = if is_refused { 77 } else { known };
    let (status, stderr) = wait(child, write);
    assert_eq!(status, expected, "{write}: {stderr}");
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut moments = Vec::new();
    let mut has_begun = false;
    for line in site.directory.read("trace.txt").lines() {
        let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
        let name = call.split('(').next().unwrap_or_default().to_owned();
        if !CALLS.contains(&name.as_str()) {
            continue;
        }
        let number = seen.entry(name.clone()).or_insert(0);
        *number += 1;
        has_begun |= line.contains("\"inside\"");
        if has_begun {
            moments.push((name, *number));
        }
    }
    assert!(moments.len() >= 6, "{write}: only {moments:?}");
    moments
}

/// Runs the command, replaces the name after a call, and checks which files changed.
fn attack(place: Place, write: &str, (call, when): &(String, usize), swap: Swap) -> bool {
    let about = format!("{write}, {place:?}, {swap:?} after {call} {when}");
    let site = site(place, write);
    site.prepare(write);
    let inject = format!("inject={call}:signal=STOP:when={when}");
    let child = site.start(write, &["-e", &format!("trace={call}"), "-e", &inject]);
    let began = Instant::now();
    let stopped = loop {
        let trace = fs::read_to_string(site.directory.file("trace.txt")).unwrap_or_default();
        if let Some(line) = trace.lines().find(|line| line.contains("stopped by SIGSTOP")) {
            break Some(line.split(' ').next().unwrap().parse::<i32>().unwrap());
        }
        if trace.contains("exited with") || began.elapsed() > Duration::from_secs(20) {
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let Some(process) = stopped else {
        wait(child, &about);
        return false;
    };
    site.swap(swap);
    let mut fifo = (swap == Swap::Fifo)
        .then(|| fs::OpenOptions::new().read(true).custom_flags(0o4000).open(site.target()).ok());
    let process = rustix::process::Pid::from_raw(process).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::CONT).unwrap();
    let (status, stderr) = wait(child, &about);
    let about = format!("{about}: {status} {stderr}");
    assert_output_is_clean(&stderr, &about);

    let treasure = site.directory.file("treasure");
    assert_eq!(fs::read_to_string(&treasure).unwrap(), PROTECTED, "{about}");
    let found = fs::metadata(&treasure).unwrap();
    assert_eq!((found.uid(), found.mode() & 0o7777), (site.worker, 0o600), "{about}");
    assert!(!site.directory.file("new").exists(), "{about}: written through a dangling link");
    let treasury: Vec<_> = fs::read_dir(site.directory.file("treasury")).unwrap().collect();
    assert!(treasury.is_empty(), "{about}: written into a directory through a link: {treasury:?}");
    if let Some(Some(fifo)) = &mut fifo
        && fifo.metadata().unwrap().mode() & 0o170_000 == 0o010_000
    {
        let mut got = Vec::new();
        let _ = fifo.read_to_end(&mut got);
        assert!(got.is_empty(), "{about}: mallory received {} bytes", got.len());
    }
    if place == Place::Shared {
        for entry in fs::read_dir(site.directory.file("inside")).unwrap().map(Result::unwrap) {
            let found = fs::symlink_metadata(entry.path()).unwrap();
            if found.is_file() && found.uid() == MALLORY {
                assert_eq!(fs::read_to_string(entry.path()).unwrap(), "mallory's\n", "{about}");
            }
        }
    }
    true
}

/// Creates a site with programs that the working account may run.
fn site(place: Place, write: &str) -> Site {
    let site = Site::new(place, write);
    let bin = site.directory.file("bin");
    fs::create_dir(&bin).unwrap();
    for name in ["gen-keypair", "convert-pem-pubkey", "cc-user", "cc-jwt", "cc-login"] {
        let program = crate::support::programs().join(name);
        if fs::hard_link(&program, bin.join(name)).is_err() {
            crate::support::copy_program(name, &bin.join(name));
        }
    }
    site
}

#[test]
fn write_path_swapped_at_any_call_changes_no_file_of_another_account() {
    if !has_root() || !has("strace") || !has("setpriv") {
        return;
    }
    let mut rng = Rng::new();
    let (mut first, mut all) = (Vec::new(), Vec::new());
    // The short form tests some of the commands, each run others.
    let mut commands: Vec<(Place, &str)> = [Place::OfMallory, Place::Shared]
        .into_iter()
        .flat_map(|place| WRITES.map(|(write, _)| (place, write)))
        .collect();
    while commands.len() > count(8, usize::MAX) {
        commands.swap_remove(rng.below(commands.len()));
    }
    for (place, write) in commands {
        for (index, moment) in moments(&site(place, write), write).into_iter().enumerate() {
            for swap in SWAPS {
                // A link during path resolution is the strongest attack and is always tested.
                let always = index < 5 && matches!(swap, Swap::Link | Swap::LinkToDirectory | Swap::Fifo);
                let list = if always { &mut first } else { &mut all };
                list.push((place, write, moment.clone(), swap));
            }
        }
    }
    let known = first.len() + all.len();
    while all.len() > count(40, usize::MAX) {
        all.swap_remove(rng.below(all.len()));
    }
    all.extend(first);
    let tried = all.len();
    let stopped =
        all.into_iter().filter(|(place, write, moment, swap)| attack(*place, write, moment, *swap)).count();
    // The calls differ slightly between runs; most of them must occur.
    assert!(stopped * 10 >= tried * 9, "only {stopped} of {tried} were stopped");
    report(&format!("names exchanged under a writer: {stopped} of {known} moments, no other file changed"));
}
