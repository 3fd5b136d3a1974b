//! What a program needs is missing: free space on the disk, the right to write, descriptors, streams,
//! memory, time.

use std::process::{Command, Stdio};

use super::*;
use crate::httpd::{Reply, Server};
use crate::slapd::{Slapd, crowd};
use crate::support::{Run, has, skip};

/// How a program may end: done, no, or with an error. For want of memory or descriptors also
/// before it has begun, by the loader (127) or the language's runtime (134); later on by an abort
/// (134) or, when the stack cannot grow, by the system (139).
#[track_caller]
pub(super) fn ended_well(run: &Run, about: &str, may_abort: bool) {
    let reported = [66, 69, 73, 74, 75, 77, 78].contains(&run.status);
    let aborted = may_abort && [127, 134, 139].contains(&run.status);
    assert!(run.status == 0 || reported || aborted, "{about}: status {}, {}", run.status, run.stderr);
    if !aborted {
        is_plain(&run.stderr, about);
    } else {
        let before_main = run.stderr.contains("failed to allocate an alternative stack");
        assert!(before_main || !run.stderr.contains("panicked"), "{about}: {}", run.stderr);
    }
}

/// What a verb that says that it is done must have done.
#[track_caller]
fn did_it(directory: &Path, verb: &str, about: &str) {
    let expected = match verb.split_once(" -o ") {
        Some((_, "out.txt" | "all.txt" | "renewed")) => verb.rsplit(' ').next(),
        _ => None,
    };
    if let Some(name) = expected {
        assert!(directory.join(name).exists(), "{about}: status 0 and no {name}");
    }
    let names = || users(&directory.join("var/job.db"), about);
    match verb {
        "cc-user import more.csv" => assert!(names().len() > CROWD + MORE, "{about}"),
        "cc-user del u00000" => assert!(!names().contains(&"u00000".to_owned()), "{about}"),
        _ if verb.starts_with("cc-user add") => assert!(names().contains(&"newcomer".to_owned()), "{about}"),
        _ => {}
    }
}

/// A verb under a shell's limits, and everything that has to hold afterwards. Whether it was done.
#[track_caller]
fn suffer(limits: &str, verb: &str, streams: &str, may_abort: bool) -> bool {
    let directory = grounds();
    // The status of a program that was ended by a signal is 128 and its number.
    let run = directory.sh(&format!("({limits} exec {verb} {streams}); exit $?"));
    let about = format!("'{limits} {verb} {streams}' ended with {}", run.status);
    ended_well(&run, &about, may_abort);
    is_sound(directory.path(), &about);
    let left = left_behind(directory.path(), &about);
    assert!(run.status > 128 || left.is_empty(), "{about}: left {left:?}");
    if run.status == 0 {
        did_it(directory.path(), verb, &about);
    }
    run.status == 0
}

/// The verbs of a run: all in the long form, so many by chance in the short one.
fn verbs(chance: &mut Chance, short: usize) -> Vec<&'static str> {
    if is_long() {
        return VERBS.to_vec();
    }
    let mut left = VERBS.to_vec();
    (0..short).map(|_| left.swap_remove(chance.below(left.len()))).collect()
}

#[test]
fn verbs_without_descriptors_succeed_or_report_an_error() {
    let mut chance = Chance::new();
    let (mut runs, mut done) = (0, 0);
    for limit in 3..=12 {
        for verb in verbs(&mut chance, 8) {
            runs += 1;
            done += usize::from(suffer(&format!("ulimit -n {limit};"), verb, "", true));
        }
    }
    report(&format!("3 to 12 descriptors: {runs} runs, {done} done, {} failed with an error", runs - done));
    assert!(done > 0 && done < runs);
}

#[test]
fn verbs_without_standard_streams_succeed_or_report_an_error() {
    let mut chance = Chance::new();
    let (mut runs, mut done) = (0, 0);
    for closed in ["0<&-", "1>&-", "2>&-", "0<&- 1>&-", "0<&- 2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"] {
        for verb in verbs(&mut chance, 10) {
            runs += 1;
            done += usize::from(suffer("", verb, closed, false));
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
    let mut chance = Chance::new();
    let (mut runs, mut done) = (0, 0);
    let kilobytes: Vec<usize> = if is_long() {
        (1..60).map(|step| step * 2_000).collect()
    } else {
        (0..10).map(|_| 5_000 + chance.below(60_000)).collect()
    };
    for limit in kilobytes {
        for verb in verbs(&mut chance, 5) {
            runs += 1;
            done += usize::from(suffer(&format!("ulimit -v {limit};"), verb, "", true));
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
    let mut chance = Chance::new();
    let (mut runs, mut done) = (0, 0);
    for blocks in [0, 1, 2, 8, 32, 128, 200] {
        for verb in verbs(&mut chance, 5) {
            runs += 1;
            done += usize::from(suffer(&format!("ulimit -f {blocks};"), verb, "", false));
        }
    }
    // The import is larger than any of these.
    assert!(!suffer("ulimit -f 8;", "cc-user import more.csv", "", false));
    assert!(!suffer("ulimit -f 0;", "cc-jwt issue fritz -o out.txt", "", false));
    report(&format!(
        "limited length of files: {runs} runs, {done} done, {} failed with an error",
        runs - done
    ));
}

/// A small file system with the grounds on it; gone when it is dropped.
struct Disk(TestEnv);

impl Disk {
    /// None where nothing may be mounted.
    fn new() -> Option<Self> {
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
        copy(grounds().path(), &disk.path());
        Some(disk)
    }

    fn path(&self) -> PathBuf {
        self.0.file("disk")
    }

    /// Leaves so many pages of 4096 bytes.
    fn fill(&self, pages: u64) {
        let filler = self.path().join("filler");
        let mut file = fs::File::create(&filler).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len((length / 4096).saturating_sub(pages) * 4096).unwrap();
    }

    fn run(&self, verb: &str) -> Run {
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
    let mut chance = Chance::new();
    let (mut runs, mut done) = (0, 0);
    let space: Vec<u64> =
        if is_long() { (0..20).chain([25, 30, 40, 60]).collect() } else { vec![0, 1, 2, 5, 12, 30] };
    for pages in space {
        for verb in verbs(&mut chance, 6) {
            let Some(disk) = Disk::new() else { return };
            disk.fill(pages);
            let run = disk.run(verb);
            let about = format!("'{verb}' with {pages} pages left ended with {}: {}", run.status, run.stderr);
            ended_well(&run, &about, false);
            // After space is available everything is there.
            fs::remove_file(disk.path().join("filler")).unwrap();
            let elsewhere = TestEnv::new();
            copy(&disk.path(), elsewhere.path());
            is_sound(elsewhere.path(), &about);
            assert!(left_behind(&disk.path(), &about).is_empty(), "{about}");
            runs += 1;
            if run.status == 0 {
                did_it(elsewhere.path(), verb, &about);
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
    let mut chance = Chance::new();
    let (mut runs, mut done) = (0, 0);
    for verb in verbs(&mut chance, 12) {
        let Some(disk) = Disk::new() else { return };
        let remounted =
            Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path()).status().unwrap().success();
        assert!(remounted);
        let run = disk.run(verb);
        let about = format!("'{verb}' on a read-only disk ended with {}: {}", run.status, run.stderr);
        ended_well(&run, &about, false);
        runs += 1;
        done += usize::from(run.status == 0);
        Command::new("mount").args(["-o", "remount,rw"]).arg(disk.path()).status().unwrap();
        is_sound(&disk.path(), &about);
    }
    report(&format!("read-only disk: {runs} runs, {done} done, {} failed with an error", runs - done));
}

#[test]
fn read_only_directory_is_reported() {
    if !has("setpriv") {
        return;
    }
    let mut chance = Chance::new();
    let (mut runs, mut done) = (0, 0);
    for verb in verbs(&mut chance, 12) {
        let directory = grounds();
        let is_root = directory.sh("id -u").stdout.trim() == "0";
        // Root without its power over files.
        let shut =
            if is_root { "setpriv --bounding-set=-dac_override,-dac_read_search,-fowner " } else { "" };
        directory.sh("chmod 555 . var .home .home/.local/state/cc-auth; chmod 444 var/job.db").ended(0);
        let run = directory.sh(&format!("{shut}{verb}"));
        directory.sh("chmod 755 . var .home .home/.local/state/cc-auth; chmod 600 var/job.db").ended(0);
        let about = format!("'{verb}' in a read-only directory ended with {}: {}", run.status, run.stderr);
        ended_well(&run, &about, false);
        is_sound(directory.path(), &about);
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
    let keys = grounds();
    let set = keys.sh("cc-jwt jwks --server").ended(0).stdout;
    let server = Server::start(move |_| Reply::status(200, "application/json", set.clone()));
    let verify = format!("cc-jwt verify --token-file token.txt --jwks {}/keys", server.url());
    let lines = [
        (&site, "cc-user sync-ldap".to_owned()),
        (&site, "cc-login u000001 --method ldap --password-file wrong-pw".to_owned()),
        (&keys, verify),
    ];
    let mut chance = Chance::new();
    let (mut runs, mut done, mut refused) = (0, 0, 0);
    let descriptors = (3..=14).map(|limit| format!("ulimit -n {limit};"));
    let memory: Vec<usize> = if is_long() {
        (4..80).map(|step| step * 1_000).collect()
    } else {
        (0..12).map(|_| 6_000 + chance.below(60_000)).collect()
    };
    let memory = memory.into_iter().map(|limit| format!("ulimit -v {limit};"));
    for limit in descriptors.chain(memory) {
        for (directory, line) in &lines {
            // The HTTP library looks names up in a thread, and panics where it gets none: not caught yet.
            if limit.contains("-v") && line.contains("--jwks") {
                continue;
            }
            directory.sh("rm -rf .home/.cache .home/.local/state").ended(0);
            let run = directory.sh(&format!("({limit} {line}); exit $?"));
            let about = format!("'{limit} {line}' ended with {}", run.status);
            if run.status != 1 || !line.contains("cc-login") {
                ended_well(&run, &about, true);
            }
            users(&directory.file("var/job.db"), &about);
            runs += 1;
            // No login succeeds because of a fault; where nothing is missing, the password is wrong.
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
