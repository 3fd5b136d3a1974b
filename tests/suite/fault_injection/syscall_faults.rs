//! A fault at each step: every file-related system call of a command fails once, or ends the
//! program. `strace` injects the faults.

use std::collections::BTreeMap;

use super::*;
use crate::support::{has, skip};

const VERBS: [&str; 7] = [
    "cc-user import more.csv",
    "cc-user add newcomer --role api",
    "cc-user del u00000",
    "gen-keypair --write --force",
    "cc-jwt renew --spec r.yaml --force -o renewed",
    "cc-jwt issue fritz -o out.txt",
    "cc-login fritz --password-file pw",
];

/// The system calls that change something, and the errors they may return.
pub(super) const CALLS: [(&str, &[&str]); 14] = [
    ("openat", &["EMFILE", "ENOSPC", "EIO"]),
    ("write", &["ENOSPC", "EIO", "EDQUOT"]),
    ("pwrite64", &["ENOSPC", "EIO"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("fdatasync", &["EIO"]),
    ("rename", &["EIO", "ENOSPC"]),
    ("renameat", &["EIO", "ENOSPC"]),
    ("renameat2", &["EIO", "ENOSPC"]),
    ("fchmod", &["EIO"]),
    ("mkdirat", &["EIO", "ENOSPC"]),
    ("ftruncate", &["EIO"]),
    ("unlink", &["EIO"]),
    ("unlinkat", &["EIO"]),
    ("mmap", &["ENOMEM"]),
];

pub(super) fn traces(directory: &TestEnv) -> bool {
    has("strace")
        && (directory.sh("strace -qq -o trace.txt true").status == 0 || skip("no program can be traced"))
}

/// Counts the system calls of a command.
fn calls(verb: &str) -> BTreeMap<String, usize> {
    let directory = fixture();
    let names: Vec<&str> = CALLS.iter().map(|(name, _)| *name).collect();
    directory.sh(&format!("strace -f -qq -o trace.txt -e trace={} {verb}", names.join(","))).ended(0);
    let mut counted = BTreeMap::new();
    for line in directory.read("trace.txt").lines() {
        let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
        let name = call.split('(').next().unwrap_or_default();
        *counted.entry(name.to_owned()).or_insert(0) += 1;
    }
    counted
}

#[test]
fn syscall_fault_loses_nothing() {
    if !traces(&TestEnv::new()) {
        return;
    }
    let mut rng = Rng::new();
    let (mut faults, mut kills, mut reported) = (0, 0, 0);
    let mut moments = Vec::new();
    for verb in VERBS {
        let counted = calls(verb);
        for (call, errors) in CALLS {
            for when in 1..=counted.get(call).copied().unwrap_or(0) {
                moments.extend(errors.iter().map(|error| (verb, call, format!("error={error}"), when)));
                moments.push((verb, call, "signal=KILL".to_owned(), when));
            }
        }
    }
    let all = moments.len();
    while moments.len() > count(60, usize::MAX) {
        moments.swap_remove(rng.below(moments.len()));
    }
    for (verb, call, fault, when) in moments {
        let directory = fixture();
        let inject =
            format!("strace -f -qq -o /dev/null -e trace={call} -e inject={call}:{fault}:when={when}");
        let run = directory.sh(&format!("({inject} {verb}); exit $?"));
        let about = format!("{verb}, {call} {when} with {fault}: {} {}", run.status, run.stderr);
        assert_invariants(directory.path(), &about);
        let left = left_behind(directory.path(), &about);
        if fault == "signal=KILL" {
            kills += 1;
        } else {
            // The loader opens files itself and reports its own errors.
            resource_limits::assert_exit_status(&run, &about, call == "mmap" || call == "openat");
            // Files that could not be deleted remain.
            assert!(left.is_empty() || call.starts_with("unlink") || run.status > 128, "{about}: {left:?}");
            faults += 1;
            reported += usize::from(run.status != 0);
        }
        let again =
            directory.sh(&format!("{} -q; exit $?", verb.replace("-o out.txt", "-o out.txt --force")));
        let done = matches!(
            (verb, again.status),
            (_, 0)
                | (
                    "cc-user add newcomer --role api" | "cc-user import more.csv" | "cc-user del u00000",
                    1 | 65 | 73
                )
        );
        assert!(done, "{about}: the next run ended with {} {}", again.status, again.stderr);
        assert_invariants(directory.path(), &about);
    }
    report(&format!(
        "a fault at a system call ({} of {all} there are): {faults} errors, {reported} of them reported, and {kills} \
         kills; all intact",
        faults + kills
    ));
}
