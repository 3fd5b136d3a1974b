//! Faults while a token in the file of a program is renewed: the file is the old or the new one, and the
//! program reads each new token, at the latest after the next run.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use cc_auth::token::Unverified;

use super::resource_limits::{Disk, assert_exit_status};
use super::syscall_faults::{CALLS, traces};
use super::*;
use crate::support::programs;

/// The arguments of a renewal. A command of a killed run may still run beside that of the next run.
pub(super) const RENEW_INTO: [&str; 10] = [
    "renew",
    "--user",
    "collector",
    "--ttl",
    "24h",
    "--into",
    "sinks.json#/cc/jwt",
    "--command",
    "/bin/cp sinks.json loaded.$$ && /bin/mv loaded.$$ loaded",
    "-q",
];

/// A program whose file has a token that is due. What it has read is in the file `loaded`.
pub(super) struct Consumer {
    pub(super) directory: TestEnv,
    old: String,
}

const BEGIN: &str = "{\n  \"cc\": {\"type\": \"http\", \"jwt\": \"";
const END: &str = "\"}, \"n\": [1.10, \"é\"]\n}\r\n";

impl Consumer {
    pub(super) fn new() -> Self {
        let directory = fixture();
        directory.sh("cc-user add collector --role api --no-password -q").ended(0);
        let token = directory.sh("cc-jwt issue collector --ttl 24h --at -20h -q").ended(0).stdout;
        let old = format!("{BEGIN}{}{END}", token.trim());
        Self { directory, old }
    }

    /// Writes the old file, which the program has read.
    pub(super) fn restore(&self) {
        self.directory.sh("rm -f loaded loaded.* .sinks.json.pending").ended(0);
        let path = self.directory.file("sinks.json");
        let beside = path.with_extension("old");
        fs::write(&beside, &self.old).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o640)).unwrap();
        fs::rename(&beside, &path).unwrap();
    }

    /// Checks the file, and returns whether it is the new one. After the next run, the program must have read
    /// it; before, a marker must exist otherwise.
    #[track_caller]
    pub(super) fn is_renewed(&self, about: &str) -> bool {
        self.is_renewed_in(self.directory.path(), about)
    }

    #[track_caller]
    fn is_renewed_in(&self, directory: &Path, about: &str) -> bool {
        let path = directory.join("sinks.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{about}: {error}"));
        let new = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let new = new.unwrap_or_else(|| panic!("{about}: another byte changed: {text}"));
        let _ = Unverified::parse(new).unwrap_or_else(|error| panic!("{about}: {error}"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640, "{about}");
        if text == self.old {
            return false;
        }
        let loaded = fs::read_to_string(directory.join("loaded")).unwrap_or_default();
        let is_pending = directory.join(".sinks.json.pending").exists();
        assert!(is_pending || loaded == text, "{about}: the command is lost");
        if about.ends_with("after the next run") || about.ends_with("undisturbed") {
            assert_eq!(loaded, text, "{about}");
        }
        true
    }

    /// Runs the command again, which must complete everything.
    #[track_caller]
    fn complete(&self, about: &str) {
        let run = self.directory.sh(&line());
        assert_eq!(run.status, 0, "{about}: the next run: {}", run.stderr);
        let about = format!("{about}, after the next run");
        assert!(self.is_renewed(&about), "{about}");
        assert!(!self.directory.file(".sinks.json.pending").exists(), "{about}");
    }
}

/// The command line of a renewal.
fn line() -> String {
    let quoted = RENEW_INTO.map(|word| format!("'{word}'"));
    format!("cc-jwt {}", quoted.join(" "))
}

#[test]
fn killed_watch_of_a_configuration_loses_nothing_and_its_command_runs() {
    let consumer = Consumer::new();
    let mut rng = Rng::new();
    let (mut old, mut new) = (0, 0);
    for kill in 1..=count(30, 200) {
        consumer.restore();
        let mut watch = Command::new(programs().join("cc-jwt"))
            .args(RENEW_INTO)
            .arg("--watch")
            .current_dir(consumer.directory.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moment = Duration::from_secs_f64(rng.part() * 0.12);
        std::thread::sleep(moment);
        assert!(watch.try_wait().unwrap().is_none(), "the watch ended by itself");
        watch.kill().unwrap();
        watch.wait().unwrap();
        let about = format!("the watch was killed after {moment:?} ({kill})");
        if consumer.is_renewed(&about) {
            new += 1;
        } else {
            old += 1;
        }
        consumer.complete(&about);
    }
    report(&format!("kill -9 in renew --into --watch: {old} left the old state, {new} the new; all intact"));
}

#[test]
fn fault_at_each_system_call_of_a_renewal_loses_nothing_and_its_command_runs() {
    if !traces(&TestEnv::new()) {
        return;
    }
    const MORE: [(&str, &[&str]); 6] = [
        ("clone", &["EAGAIN"]),
        ("clone3", &["ENOSYS"]),
        ("vfork", &["EAGAIN"]),
        ("execve", &["ENOENT"]),
        ("wait4", &["EINTR"]),
        ("close", &[]),
    ];
    let calls = || CALLS.into_iter().chain(MORE);
    let consumer = Consumer::new();
    consumer.restore();
    let names: Vec<&str> = calls().map(|(name, _)| name).collect();
    let line = line();
    // Only the program itself, not its command.
    consumer.directory.sh(&format!("strace -qq -o trace.txt -e trace={} {line}", names.join(","))).ended(0);
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for call in consumer.directory.read("trace.txt").lines() {
        *counted.entry(call.split('(').next().unwrap().to_owned()).or_default() += 1;
    }
    let mut moments = Vec::new();
    for (call, errors) in calls() {
        for when in 1..=counted.get(call).copied().unwrap_or(0) {
            moments.push((call, "signal=KILL".to_owned(), when));
            moments.extend(errors.iter().map(|error| (call, format!("error={error}"), when)));
        }
    }
    let all = moments.len();
    let mut rng = Rng::new();
    while moments.len() > count(60, usize::MAX) {
        moments.swap_remove(rng.below(moments.len()));
    }
    let (mut old, mut new) = (0, 0);
    for (call, fault, when) in &moments {
        consumer.restore();
        let inject =
            format!("strace -qq -o /dev/null -e trace={call} -e inject={call}:{fault}:when={when} {line}");
        let run = consumer.directory.sh(&format!("({inject}); exit $?"));
        let about = format!("{call} {when} with {fault}: {} {}", run.status, run.stderr);
        // A command may still run after its program was killed.
        if fault != "signal=KILL" {
            assert_exit_status(&run, &about, matches!(*call, "mmap" | "openat" | "execve"));
        }
        if consumer.is_renewed(&about) {
            new += 1;
        } else {
            old += 1;
        }
        consumer.complete(&about);
    }
    report(&format!(
        "a fault at a system call of renew --into ({} of {all}): {old} left the old state, {new} the new; all intact",
        moments.len()
    ));
}

#[test]
fn full_disk_in_a_renewal_is_reported_and_loses_nothing() {
    let consumer = Consumer::new();
    let (mut old, mut new) = (0, 0);
    for pages in [0, 1, 2, 3, 4, 8, 16, 32, 64] {
        let Some(disk) = Disk::new() else { return };
        consumer.restore();
        fs::remove_dir_all(disk.path().join("var")).unwrap();
        copy(consumer.directory.path(), &disk.path());
        fs::set_permissions(disk.path().join("sinks.json"), fs::Permissions::from_mode(0o640)).unwrap();
        disk.fill(pages);
        let run = disk.run(&line());
        let about = format!("{pages} pages left: {} {}", run.status, run.stderr);
        assert_exit_status(&run, &about, false);
        assert!(run.status != 0 || pages > 0, "{about}");
        assert!(run.status == 0 || !run.stderr.is_empty(), "{about}");
        if consumer.is_renewed_in(&disk.path(), &about) {
            new += 1;
        } else {
            old += 1;
        }
        assert!(left_behind(&disk.path(), &about).is_empty(), "{about}");
        fs::remove_file(disk.path().join("filler")).unwrap();
        disk.run(&line()).ended(0);
        assert!(consumer.is_renewed_in(&disk.path(), &format!("{about}, after the next run")), "{about}");
    }
    report(&format!("full disk in renew --into: {old} left the old state, {new} the new; all intact"));
}
