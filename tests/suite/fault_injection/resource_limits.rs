//! Missing resources: disk space, write permission, descriptors, streams, memory, time.

use std::process::{Command, Stdio};

use super::*;
use crate::httpd::{Reply, Server};
use crate::slapd::{Slapd, crowd};
use crate::support::{Run, has, skip};

/// Checks how a program ended: success, a negative result, or an error. Without memory or
/// descriptors, the loader (127) or the runtime (134) may end it before `main`; later an abort
/// (134) or, if the stack cannot grow, the system (139).
#[track_caller]
pub(super) fn assert_exit_status(run: &Run, about: &str, may_abort: bool) {
    let reported = [66, 69, 73, 74, 75, 77, 78].contains(&run.status);
    let aborted = may_abort && [127, 134, 139].contains(&run.status);
    assert!(run.status == 0 || reported || aborted, "{about}: status {}, {}", run.status, run.stderr);
    if !aborted {
        assert_output_is_clean(&run.stderr, about);
    } else {
        let before_main = run.stderr.contains("failed to allocate an alternative stack");
        assert!(before_main || !run.stderr.contains("panicked"), "{about}: {}", run.stderr);
    }
}

/// Checks the effect of a command that reports success.
#[track_caller]
fn assert_effect(directory: &Path, verb: &str, about: &str) {
    let expected = match verb.split_once(" -o ") {
        Some((_, "out.txt" | "all.txt" | "renewed")) => verb.rsplit(' ').next(),
        _ => None,
    };
    if let Some(name) = expected {
        assert!(directory.join(name).exists(), "{about}: status 0 and no {name}");
    }
    let names = || users(&directory.join("var/job.db"), about);
    match verb {
        "cc-user import more.csv" => assert!(names().len() > USERS + MORE, "{about}"),
        "cc-user del u00000" => assert!(!names().contains(&"u00000".to_owned()), "{about}"),
        _ if verb.starts_with("cc-user add") => assert!(names().contains(&"newcomer".to_owned()), "{about}"),
        _ => {}
    }
}

/// Runs a command under shell limits and checks the invariants; returns whether it succeeded.
#[track_caller]
fn run_limited(limits: &str, verb: &str, streams: &str, may_abort: bool) -> bool {
    let directory = fixture();
    // The status of a program that a signal ended is 128 plus the signal number.
    let run = directory.sh(&format!("({limits} exec {verb} {streams}); exit $?"));
    let about = format!("'{limits} {verb} {streams}' ended with {}", run.status);
    assert_exit_status(&run, &about, may_abort);
    assert_invariants(directory.path(), &about);
    let left = left_behind(directory.path(), &about);
    assert!(run.status > 128 || left.is_empty(), "{about}: left {left:?}");
    if run.status == 0 {
        assert_effect(directory.path(), verb, &about);
    }
    run.status == 0
}

/// The commands of a run: all in the long form, a random selection in the short form.
fn verbs(rng: &mut Rng, short: usize) -> Vec<&'static str> {
    if is_long() {
        return VERBS.to_vec();
    }
    let mut left = VERBS.to_vec();
    (0..short).map(|_| left.swap_remove(rng.below(left.len()))).collect()
}

#[test]
fn verbs_without_descriptors_succeed_or_report_an_error() {
    let mut rng = Rng::new();
    let (mut runs, mut done) = (0, 0);
    for limit in 3..=12 {
        for verb in verbs(&mut rng, 8) {
            runs += 1;
            done += usize::from(run_limited(&format!("ulimit -n {limit};"), verb, "", true));
        }
    }
    report(&format!("3 to 12 descriptors: {runs} runs, {done} done, {} failed with an error", runs - done));
    assert!(done > 0 && done < runs);
}

#[test]
fn verbs_without_standard_streams_succeed_or_report_an_error() {
    let mut rng = Rng::new();
    let (mut runs, mut done) = (0, 0);
    for closed in ["0<&-", "1>&-", "2>&-", "0<&- 1>&-", "0<&- 2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"] {
        for verb in verbs(&mut rng, 10) {
            runs += 1;
            done += usize::from(run_limited("", verb, closed, false));
        }
    }
    report(&format!(
        "closed standard streams: {runs} runs, {done} done, {} failed with an error",
        runs - done
    ));
    assert!(done > 0);
}

#[test]
fn verbs_without_memory_succeed_report_or_abort() {
    let mut rng = Rng::new();
    let (mut runs, mut done) = (0, 0);
    let kilobytes: Vec<usize> = if is_long() {
        (1..60).map(|step| step * 2_000).collect()
    } else {
        (0..10).map(|_| 5_000 + rng.below(60_000)).collect()
    };
    for limit in kilobytes {
        for verb in verbs(&mut rng, 5) {
            runs += 1;
            done += usize::from(run_limited(&format!("ulimit -v {limit};"), verb, "", true));
        }
    }
    report(&format!(
        "little memory: {runs} runs, {done} done, {} failed with an error or were ended",
        runs - done
    ));
    assert!(done < runs);
}

#[test]
fn file_size_limit_is_reported() {
    let mut rng = Rng::new();
    let (mut runs, mut done) = (0, 0);
    for blocks in [0, 1, 2, 8, 32, 128, 200] {
        for verb in verbs(&mut rng, 5) {
            runs += 1;
            done += usize::from(run_limited(&format!("ulimit -f {blocks};"), verb, "", false));
        }
    }
    // The import is larger than each of these limits.
    assert!(!run_limited("ulimit -f 8;", "cc-user import more.csv", "", false));
    assert!(!run_limited("ulimit -f 0;", "cc-jwt issue fritz -o out.txt", "", false));
    report(&format!(
        "limited length of files: {runs} runs, {done} done, {} failed with an error",
        runs - done
    ));
}

/// A small file system with the fixture, unmounted on drop.
pub(super) struct Disk(TestEnv);

impl Disk {
    /// Returns `None` if mounting is not permitted.
    pub(super) fn new() -> Option<Self> {
        let disk = Self(TestEnv::new());
        fs::create_dir(disk.path()).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs"])
            .arg(disk.path())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted && !skip("no file system can be mounted") {
            return None;
        }
        copy(fixture().path(), &disk.path());
        Some(disk)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.file("disk")
    }

    /// Leaves this many pages of 4096 bytes free.
    pub(super) fn fill(&self, pages: u64) {
        let filler = self.path().join("filler");
        let mut file = fs::File::create(&filler).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len((length / 4096).saturating_sub(pages) * 4096).unwrap();
    }

    pub(super) fn run(&self, verb: &str) -> Run {
        let mut command = self.0.command("sh");
        command.current_dir(self.path()).env("HOME", self.path().join(".home"));
        command.args(["-c", verb]).output().unwrap().into()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn full_disk_is_reported_and_loses_nothing() {
    let mut rng = Rng::new();
    let (mut runs, mut done) = (0, 0);
    let space: Vec<u64> =
        if is_long() { (0..20).chain([25, 30, 40, 60]).collect() } else { vec![0, 1, 2, 5, 12, 30] };
    for pages in space {
        for verb in verbs(&mut rng, 6) {
            let Some(disk) = Disk::new() else { return };
            disk.fill(pages);
            let run = disk.run(verb);
            let about = format!("'{verb}' with {pages} pages left ended with {}: {}", run.status, run.stderr);
            assert_exit_status(&run, &about, false);
            // With free space, the command succeeds.
            fs::remove_file(disk.path().join("filler")).unwrap();
            let elsewhere = TestEnv::new();
            copy(&disk.path(), elsewhere.path());
            assert_invariants(elsewhere.path(), &about);
            assert!(left_behind(&disk.path(), &about).is_empty(), "{about}");
            runs += 1;
            if run.status == 0 {
                assert_effect(elsewhere.path(), verb, &about);
                done += 1;
            }
        }
    }
    let disk = Disk::new().unwrap();
    disk.fill(0);
    let import = disk.run("cc-user import more.csv").ended(74);
    assert!(import.stderr.contains("full") && import.stderr.lines().count() <= 3, "{}", import.stderr);
    let issue = disk.run("cc-jwt issue fritz -o out.txt").ended(74);
    assert!(issue.stderr.contains("no space left"), "{}", issue.stderr);
    assert!(!disk.path().join("out.txt").exists());
    fs::remove_file(disk.path().join("filler")).unwrap();
    disk.run("cc-user import more.csv").ended(0);
    report(&format!("full disk: {runs} runs, {done} done, {} failed with an error", runs - done));
}

#[test]
fn read_only_disk_is_reported() {
    let mut rng = Rng::new();
    let (mut runs, mut done) = (0, 0);
    for verb in verbs(&mut rng, 12) {
        let Some(disk) = Disk::new() else { return };
        let remounted =
            Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path()).status().unwrap().success();
        assert!(remounted);
        let run = disk.run(verb);
        let about = format!("'{verb}' on a read-only disk ended with {}: {}", run.status, run.stderr);
        assert_exit_status(&run, &about, false);
        runs += 1;
        done += usize::from(run.status == 0);
        Command::new("mount").args(["-o", "remount,rw"]).arg(disk.path()).status().unwrap();
        assert_invariants(&disk.path(), &about);
    }
    report(&format!("read-only disk: {runs} runs, {done} done, {} failed with an error", runs - done));
}

#[test]
fn read_only_directory_is_reported() {
    if !has("setpriv") {
        return;
    }
    // Every directory that a verb writes to; the sessions are in one of their own.
    const DIRECTORIES: &str = ". var .home .home/.local/state/cc-auth .home/.local/state/cc-auth/sessions";
    let mut rng = Rng::new();
    let (mut runs, mut done) = (0, 0);
    for verb in verbs(&mut rng, 12) {
        let directory = fixture();
        let is_root = directory.sh("id -u").stdout.trim() == "0";
        // Root without the capabilities that override file permissions.
        let shut =
            if is_root { "setpriv --bounding-set=-dac_override,-dac_read_search,-fowner " } else { "" };
        directory.sh(&format!("chmod 555 {DIRECTORIES}; chmod 444 var/job.db")).ended(0);
        let run = directory.sh(&format!("{shut}{verb}"));
        directory.sh(&format!("chmod 755 {DIRECTORIES}; chmod 600 var/job.db")).ended(0);
        let about = format!("'{verb}' in a read-only directory ended with {}: {}", run.status, run.stderr);
        assert_exit_status(&run, &about, false);
        assert_invariants(directory.path(), &about);
        let writes = ["add", "del", "role add", "import", "-o", "--write --force", "logout", "passwd"];
        let writes =
            verb != "cc-user export -o - --format csv" && writes.iter().any(|word| verb.contains(word));
        assert!(!writes || run.status != 0, "{about}: it cannot have written");
        runs += 1;
        done += usize::from(run.status == 0);
    }
    report(&format!("read-only directories: {runs} runs, {done} done, {} failed with an error", runs - done));
}

#[test]
fn network_verbs_without_resources_succeed_report_or_abort() {
    if !has("slapd") {
        return;
    }
    let slapd = Slapd::with(&crowd(50));
    let site = crate::sync::directory_for(&slapd.url(), serde_json::json!({}));
    site.write("wrong-pw", "x\n");
    site.sh("chmod 600 wrong-pw").ended(0);
    let keys = fixture();
    let set = keys.sh("cc-jwt jwks --server").ended(0).stdout;
    let server = Server::start(move |_| Reply::status(200, "application/json", set.clone()));
    let verify = format!("cc-jwt verify --token-file token.txt --jwks {}/keys", server.url());
    let lines = [
        (&site, "cc-user sync-ldap".to_owned()),
        (&site, "cc-login u000001 --method ldap --password-file wrong-pw".to_owned()),
        (&keys, verify),
    ];
    let mut rng = Rng::new();
    let (mut runs, mut done, mut refused) = (0, 0, 0);
    let descriptors = (3..=14).map(|limit| format!("ulimit -n {limit};"));
    let memory: Vec<usize> = if is_long() {
        (4..80).map(|step| step * 1_000).collect()
    } else {
        (0..12).map(|_| 6_000 + rng.below(60_000)).collect()
    };
    let memory = memory.into_iter().map(|limit| format!("ulimit -v {limit};"));
    for limit in descriptors.chain(memory) {
        for (directory, line) in &lines {
            // The HTTP library resolves names in a thread and panics if none can be started; not
            // handled yet.
            if limit.contains("-v") && line.contains("--jwks") {
                continue;
            }
            directory.sh("rm -rf .home/.cache .home/.local/state").ended(0);
            let run = directory.sh(&format!("({limit} {line}); exit $?"));
            let about = format!("'{limit} {line}' ended with {}", run.status);
            if run.status != 1 || !line.contains("cc-login") {
                assert_exit_status(&run, &about, true);
            }
            users(&directory.file("var/job.db"), &about);
            runs += 1;
            // A fault never makes a login succeed; without a fault, the password is wrong.
            assert!(!line.contains("cc-login") || run.status != 0, "{about}");
            refused += usize::from(run.status == 1 && run.stderr.contains("password"));
            done += usize::from(run.status == 0);
        }
    }
    assert!(done > 0 && refused > 0, "{runs} runs, {done} done, {refused} refused: nothing got through");
    site.sh("cc-user sync-ldap").ended(0);
    assert_eq!(users(&site.file("var/job.db"), "afterwards").len(), 50);
    report(&format!(
        "servers asked with little: {runs} runs, {done} done, {} failed with an error",
        runs - done
    ));
}
