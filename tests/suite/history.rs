//! The journal of a database: every change is in it, without secrets; a kill at any system call, a full disk and
//! concurrent commands leave the database and the journal in agreement; an undo restores the exact rows.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde_json::Value;

use crate::support::{TestEnv, has, programs, skip};

const JOURNAL: &str = "var/job.db.history.jsonl";

fn site(users: usize) -> TestEnv {
    let directory = TestEnv::new();
    let rows: String = (0..users)
        .map(|i| {
            format!("{{\"username\":\"u{i}\",\"name\":\"U {i}\",\"roles\":[\"user\"],\"projects\":[],\"source\":\"ldap\"}}\n")
        })
        .collect();
    directory.write("users.jsonl", &rows);
    directory.sh("cc-user init -q").ended(0);
    if users > 0 {
        directory.sh("cc-user import -q users.jsonl").ended(0);
    }
    directory
}

fn lines(directory: &TestEnv) -> Vec<Value> {
    directory
        .read(JOURNAL)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The ends of the runs in order, `null` for one without an end.
fn ends(directory: &TestEnv) -> Vec<String> {
    let run = directory.sh("cc-user log --limit 0 --json").ended(0);
    run.stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["end"].to_string().replace('"', ""))
        .collect()
}

#[test]
fn journal_has_every_verb_and_no_password_or_hash() {
    let directory = site(0);
    directory.sh("umask 077; printf hunter2-secret > pw; printf other-secret-9 > pw2").ended(0);
    directory
        .sh("cc-user add -q fritz --role user --password-file pw && cc-user add -q max:user:third-secret-1 \
             && cc-user set -q fritz --name F && cc-user role add -q fritz manager \
             && cc-user project add -q fritz p1 && cc-user passwd -q fritz --password-file pw2 \
             && cc-user disable -q fritz && cc-user enable -q fritz && cc-user rename -q fritz friedrich \
             && cc-user export -q --with-passwords -o all.jsonl && cc-user del -q max friedrich \
             && cc-user import -q all.jsonl && cc-user undo -q LAST")
        .ended(0);
    let text = directory.read(JOURNAL);
    for secret in ["hunter2", "other-secret", "third-secret", "$2a$", "$2b$"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let commands: Vec<String> = lines(&directory)
        .iter()
        .filter(|line| line.get("end").is_none())
        .map(|line| {
            for member in ["run", "time", "account", "program"] {
                assert!(line[member].is_string(), "{member}: {line}");
            }
            line["command"].as_str().unwrap().split(' ').next().unwrap().to_owned()
        })
        .collect();
    let mut verbs = commands.clone();
    verbs.dedup();
    assert_eq!(
        verbs,
        ["add", "set", "role", "project", "passwd", "disable", "enable", "rename", "del", "import", "undo"],
    );
    let (database, journal) =
        (fs::metadata(directory.file("var/job.db")).unwrap(), fs::metadata(directory.file(JOURNAL)).unwrap());
    assert_eq!(
        (journal.uid(), journal.gid(), journal.mode()),
        (database.uid(), database.gid(), database.mode())
    );
}

#[test]
fn dry_run_and_failed_command_leave_the_journal_unchanged() {
    let directory = site(3);
    let before = directory.read(JOURNAL);
    directory
        .sh("cc-user set -q u1 --name X --dry-run; cc-user import -q --update --dry-run users.jsonl")
        .ended(0);
    directory.sh("cc-user del u1 unknown --source ldap").ended(1);
    directory.sh("cc-user undo LAST --dry-run").ended(0);
    assert_eq!(directory.read(JOURNAL), before);
}

#[test]
fn undo_of_a_wrong_filter_restores_the_exact_rows() {
    let directory = site(2_000);
    directory.sh("cc-user role add -q u7 manager && cc-user project add -q u7 'p 1' && cc-user set -q u8 --name 'Ü \"8\"'").ended(0);
    let before = directory.sh("cc-user export").ended(0).stdout;
    directory.sh("cc-user list --names | xargs cc-user del -q --source ldap").ended(0);
    assert_eq!(directory.sh("cc-user export").stdout.lines().count(), 1);
    let undone = directory.sh("cc-user undo LAST --json").ended(0).json();
    assert_eq!(undone["restored"].as_array().unwrap().len(), 2_000);
    assert_eq!(directory.sh("cc-user export").ended(0).stdout, before);
    directory.sh("cc-user undo -q LAST").ended(0);
    assert_eq!(directory.sh("cc-user list --names").stdout, "");
}

#[test]
fn undo_leaves_users_who_changed_later_and_reports_them() {
    let directory = site(0);
    directory.write("more.csv", "username,roles,source\na,user,ldap\nb,user,ldap\nc,user,ldap\n");
    directory
        .sh("cc-user import -q more.csv && cc-user del -q a --source ldap && cc-user set -q b --name B")
        .ended(0);
    let journal = lines(&directory);
    let run = journal[0]["run"].as_str().unwrap();
    let report = directory.sh(&format!("cc-user undo {run} --json")).ended(1);
    let conflicts = report.json()["conflicts"].clone();
    let found: Vec<String> = conflicts
        .as_array()
        .unwrap()
        .iter()
        .map(|conflict| {
            format!("{} {}", conflict["username"].as_str().unwrap(), conflict["reason"].as_str().unwrap())
        })
        .collect();
    assert_eq!(found, ["b changed", "a deleted"]);
    assert_eq!(directory.sh("cc-user list --names").stdout, "b\n");
    assert!(report.stderr.contains("skipped 'b': changed after the run"), "{}", report.stderr);
}

/// Each damage hides the change of one user; the others are undone, and nothing is silent.
#[test]
fn undo_of_a_run_that_the_journal_does_not_have_as_a_whole_reports_the_missing_changes() {
    let directory = site(3);
    directory.sh("cc-user del -q u0 u1 u2 --source ldap && cp -a var saved").ended(0);
    for (damage, edit) in [
        ("a missing line", "d"),
        ("a line of another text", "s/.*/text/"),
        ("a cut line", "s/\"before\".*//"),
        ("a value of another type", "s/\"roles\":\\[[^]]*\\]/\"roles\":17/"),
        ("an unknown auth source", "s/\"source\":\"ldap\"/\"source\":\"future\"/"),
        ("a column of a newer version", "s/\"name\":/\"phone\":\"1\",\"name\":/"),
        ("a member of a newer version", "s/\"user\":/\"groups\":[],\"user\":/"),
    ] {
        directory.sh(&format!("sed -i '/del -q u0.*\"user\":\"u1\"/{edit}' {JOURNAL}")).ended(0);
        for option in [" --dry-run", ""] {
            let run = directory.sh(&format!("cc-user undo LAST --json{option}")).ended(1);
            let report = run.json();
            assert_eq!(report["missing_changes"], 1, "{damage}: {report}");
            assert_eq!(report["restored"], serde_json::json!(["u0", "u2"]), "{damage}: {report}");
            assert!(run.stderr.contains("journal-incomplete"), "{damage}: {}", run.stderr);
            assert!(run.stderr.contains("1 of 3 changes of the run"), "{damage}: {}", run.stderr);
        }
        assert_eq!(directory.sh("cc-user list --names").stdout, "u0\nu2\n", "{damage}");
        directory.sh("rm -rf var && cp -a saved var").ended(0);
    }
    directory.sh(&format!("sed -i '/del -q u0.*\"user\":\"u1\"/d' {JOURNAL}")).ended(0);
    let log = directory.sh("cc-user log --limit 1").ended(0).stdout;
    assert!(log.contains("3 changes  (1 missing in the journal)"), "{log}");
    let log = directory.sh("cc-user log --limit 1 --json").ended(0).json();
    assert_eq!([&log["changes"], &log["missing_changes"]], [3, 1], "{log}");
}

#[test]
fn undo_of_a_deletion_or_a_password_leaves_a_local_user_without_one() {
    let directory = site(0);
    directory
        .sh("umask 077; printf secret123 > pw; cc-user add -q fritz --role user --password-file pw")
        .ended(0);
    for change in ["del fritz", "passwd fritz --password-file pw"] {
        directory.sh("cc-user passwd -q fritz --password-file pw").ended(0);
        directory.sh(&format!("cc-user {change} -q")).ended(0);
        let run = directory.sh("cc-user undo LAST").ended(0);
        assert!(run.stderr.contains("without a password now"), "{change}: {}", run.stderr);
        assert_eq!(directory.sh("cc-user show fritz --json").json()["has_password"], false, "{change}");
    }
    directory
        .sh("cc-user passwd -q fritz --password-file pw && cc-user export --with-passwords -q -o old.csv")
        .ended(0);
    directory.sh("cc-user disable -q fritz && cc-user undo -q LAST && cc-user export --with-passwords -q -o new.csv").ended(0);
    assert_eq!(directory.read("old.csv"), directory.read("new.csv"), "the password is only unlocked");
}

/// Kills a command at every system call that writes.
#[test]
fn kill_at_every_write_leaves_database_and_journal_in_agreement() {
    if !has("strace") {
        return;
    }
    let directory = site(2);
    let mut outcomes = [0, 0];
    for (command, column) in [("set u0 --name", "name"), ("disable u0", "disabled")] {
        for call in ["write", "pwrite64", "fsync", "fdatasync", "rename,renameat", "ftruncate"] {
            for number in 1..40 {
                directory.sh("cc-user enable -q u0; cc-user set -q u0 --name before").ended(0);
                let argument = if column == "name" { " after" } else { "" };
                let run = directory.sh(&format!(
                    "strace -f -qq -o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={number} \
                     cc-user {command}{argument} -q"
                ));
                if run.status == 0 {
                    break;
                }
                // The next change ends the run.
                directory.sh("cc-user set -q u1 --name $RANDOM$$").ended(0);
                let user = directory.sh("cc-user show u0 --json").ended(0).json();
                let is_made = user["name"] == "after" || user["disabled"] == true;
                let runs = ends(&directory);
                let about = format!("{command} {call} {number}: {user} {runs:?}");
                assert!(runs.iter().all(|end| end == "committed" || end == "rolled-back"), "{about}");
                let last = lines(&directory)
                    .iter()
                    .rev()
                    .find(|line| line.get("end").is_none() && line["user"] == "u0")
                    .cloned()
                    .unwrap();
                let end = lines(&directory)
                    .into_iter()
                    .find(|line| line["run"] == last["run"] && line.get("end").is_some())
                    .unwrap();
                let is_recorded =
                    last["command"].as_str().unwrap().starts_with(command) && end["end"] == "committed";
                assert_eq!(is_made, is_recorded, "{about} {last} {end}");
                if column == "disabled" && !is_made {
                    assert_eq!(user["roles"], serde_json::json!(["user"]), "{about}");
                }
                outcomes[usize::from(is_made)] += 1;
            }
        }
    }
    assert!(outcomes[0] > 3 && outcomes[1] > 1, "{outcomes:?}");
}

#[test]
fn full_disk_changes_neither_database_nor_journal() {
    if !has("strace") {
        return;
    }
    let directory = site(2);
    let (journal, users) = (directory.read(JOURNAL), directory.sh("cc-user export").stdout);
    for call in ["write", "fdatasync"] {
        let run = directory.sh(&format!(
            "strace -f -qq -o calls.txt -P \"$PWD/{JOURNAL}\" -e trace={call} -e inject={call}:error=ENOSPC \
             cc-user set u0 --name X"
        ));
        assert_eq!(run.status, 74, "{call}: {}", run.stderr);
        assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
        assert!(directory.read("calls.txt").contains("INJECTED"), "{call}");
        assert_eq!(directory.read(JOURNAL), journal, "{call}");
        assert_eq!(directory.sh("cc-user export").stdout, users, "{call}");
    }
    // The limit of the size of a file; the journal is longer than a block.
    let block = journal.len() / 512;
    let run = directory.sh(&format!(
        "for i in $(seq 9); do (ulimit -f {}; cc-user set u0 --name X$i) || exit; done",
        block + 1
    ));
    assert_eq!(run.status, 74, "{}", run.stderr);
    assert!(ends(&directory).iter().all(|end| end == "committed" || end == "rolled-back" || end == "null"));
    directory.sh("cc-user set -q u0 --name Y").ended(0);
    assert!(ends(&directory).iter().all(|end| end == "committed" || end == "rolled-back"));
}

#[test]
fn concurrent_commands_have_one_complete_run_each() {
    let directory = site(12);
    directory
        .sh("for i in $(seq 0 11); do cc-user set -q --wait 1m u$i --name \"N $i\" & done; wait")
        .ended(0);
    assert_eq!(ends(&directory), ["committed"; 13]);
    let mut runs: Vec<(String, bool)> = lines(&directory)
        .iter()
        .map(|line| (line["run"].as_str().unwrap().to_owned(), line.get("end").is_some()))
        .skip(13)
        .collect();
    let pairs: Vec<_> = runs.chunks(2).map(|pair| (pair[0].0 == pair[1].0, pair[0].1, pair[1].1)).collect();
    assert!(pairs.iter().all(|pair| *pair == (true, false, true)), "{pairs:?}");
    runs.dedup_by(|a, b| a.0 == b.0);
    assert_eq!(runs.len(), 12);
}

#[test]
fn journal_over_its_size_is_rotated_and_old_runs_are_undone() {
    let directory = site(1);
    directory.sh("cc-user set -q u0 --name old").ended(0);
    // A run that is longer than the limit.
    let line = lines(&directory)[0].to_string();
    let filler = format!("{line}\n").repeat(33 * (1 << 20) / line.len());
    let end = "{\"run\":\"x\",\"time\":\"t\",\"end\":\"committed\",\"changes\":1,\"database\":{\"device\":1,\"inode\":1}}\n";
    let journal = directory.read(JOURNAL);
    directory.write(JOURNAL, format!("{journal}{filler}{end}"));
    directory.sh(&format!("chmod 600 {JOURNAL}; cc-user set -q u0 --name new")).ended(0);
    assert!(directory.file(&format!("{JOURNAL}.1")).exists());
    assert_eq!(lines(&directory).len(), 2);
    directory.sh("cc-user undo -q LAST").ended(0);
    assert_eq!(directory.sh("cc-user show u0 --json").json()["name"], "old");
}

#[test]
fn journal_that_is_a_symbolic_link_in_a_shared_directory_is_not_written() {
    let directory = site(0);
    directory
        .sh("mkdir open && cp var/job.db open && : > target && ln -s ../target open/job.db.history.jsonl && chmod 1777 open")
        .ended(0);
    let run = directory.sh("cc-user add a --role api --no-password --db open/job.db");
    assert!(run.status != 0 && run.stderr.contains("nothing was changed"), "{} {}", run.status, run.stderr);
    let users = directory.sh("cc-user list --names --db open/job.db").stdout;
    assert_eq!((directory.read("target").as_str(), users.as_str()), ("", ""));
}

#[test]
fn replaced_or_restored_database_is_reported() {
    let directory = site(1);
    directory.sh("cp var/job.db backup.db; cc-user set -q u0 --name new").ended(0);
    // The same file with the content of the backup.
    directory.sh("cat backup.db > var/job.db").ended(0);
    let run = directory.sh("cc-user set u0 --email a@site.example").ended(0);
    assert!(run.stderr.contains("a backup of the database may have been restored"), "{}", run.stderr);
    // Another file.
    directory.sh("cp var/job.db other.db; mv other.db var/job.db").ended(0);
    let run = directory.sh("cc-user set u0 --email b@site.example").ended(0);
    assert!(run.stderr.contains("the database was replaced or moved after the run"), "{}", run.stderr);
    let run = directory.sh("cc-user set u0 --email c@site.example").ended(0);
    assert!(!run.stderr.contains("replaced"), "{}", run.stderr);
}

/// The journal does not have passwords: the lines of later runs show that another one was set.
#[test]
fn undo_leaves_a_password_that_was_set_after_the_run() {
    let directory = site(0);
    directory.sh("umask 077; printf first-secret > pw; printf second-secret > pw2").ended(0);
    let last = |directory: &TestEnv| {
        let run = directory.sh("cc-user log --limit 1 --json").ended(0).json();
        run["run"].as_str().unwrap().to_owned()
    };
    let passwords =
        |directory: &TestEnv| directory.sh("cc-user export --with-passwords -o -").ended(0).stdout;
    for first in ["add fritz --role user", "passwd fritz"] {
        directory.sh("cc-user del -q fritz; true").ended(0);
        if first.starts_with("passwd") {
            directory.sh("cc-user add -q fritz --role user --password-file pw").ended(0);
        }
        directory.sh(&format!("cc-user {first} -q --password-file pw")).ended(0);
        let run = last(&directory);
        directory.sh("cc-user passwd -q fritz --password-file pw2").ended(0);
        let before = passwords(&directory);
        for option in [" --dry-run", ""] {
            let undone = directory.sh(&format!("cc-user undo {run}{option}")).ended(1);
            assert!(undone.stderr.contains("'fritz': changed after the run"), "{first}: {}", undone.stderr);
            assert_eq!(passwords(&directory), before, "{first}{option}");
        }
    }
    // A password of a user who was deleted and added again.
    directory.sh("cc-user add -q lea --role user --password-file pw").ended(0);
    let run = last(&directory);
    directory.sh("cc-user del -q lea && cc-user add -q lea --role user --password-file pw2").ended(0);
    directory.sh(&format!("cc-user undo {run}")).ended(1);
    // Locking and unlocking leave the password.
    directory.sh("cc-user add -q max --role user --password-file pw").ended(0);
    let run = last(&directory);
    directory.sh("cc-user disable -q max && cc-user enable -q max").ended(0);
    directory.sh(&format!("cc-user undo -q {run}")).ended(0);
    directory.sh("cc-user show -q max").ended(1);
    // An undo is possible if it does not replace the password.
    directory.sh("cc-user role add -q fritz api").ended(0);
    let run = last(&directory);
    directory.sh("cc-user passwd -q fritz --password-file pw").ended(0);
    let hash = |text: &str| text.split('"').find(|part| part.starts_with("$2")).map(str::to_owned);
    let before = hash(&passwords(&directory));
    directory.sh(&format!("cc-user undo -q {run}")).ended(0);
    assert_eq!(hash(&passwords(&directory)), before);
}

/// Two administrators undo the last run at the same time: the second undo must not undo the first one.
#[test]
fn undo_of_the_last_run_after_a_run_that_it_did_not_see_changes_nothing() {
    if !has("strace") {
        return;
    }
    let directory = site(1);
    if directory.sh("strace -qq -o calls true").status != 0 && skip("no program can be traced") {
        return;
    }
    directory.sh("cc-user set -q u0 --name A && cc-user set -q u0 --name B").ended(0);
    for (selector, status, name) in [("LAST", 75, "B"), ("ID", 0, "A")] {
        let id = directory.sh("cc-user log --command B --limit 1 --json").ended(0).json();
        let selector = if selector == "ID" { id["run"].as_str().unwrap() } else { selector };
        directory.write("calls", "");
        let mut database = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
        let lock = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        let undo = std::process::Command::new("strace")
            .args(["-f", "-qq", "-o", "calls", "-e", "trace=fcntl"])
            .arg(programs().join("cc-user"))
            .args(["undo", selector, "--wait", "1m"])
            .current_dir(directory.path())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // The undo waits for the lock of the database.
        let began = std::time::Instant::now();
        while !directory.read("calls").contains("EAGAIN") {
            assert!(began.elapsed().as_secs() < 60, "{}", directory.read("calls"));
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // The run of another administrator ends meanwhile.
        let journal = directory.read(JOURNAL);
        let last: Vec<&str> = journal.lines().rev().take(2).collect();
        let id = last[0].split('"').nth(3).unwrap();
        let other: String = last
            .iter()
            .rev()
            .map(|line| format!("{}\n", line.replace(id, "20991231-235959-abcdef")))
            .collect();
        directory.write(JOURNAL, format!("{journal}{other}"));
        drop(lock);
        let output = undo.wait_with_output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{selector}: {message}");
        if status == 75 {
            assert!(
                message.contains("run 20991231-235959-abcdef changed users in the meantime"),
                "{message}"
            );
        }
        assert_eq!(directory.sh("cc-user show u0 --json").json()["name"], name, "{selector}");
        directory.write(JOURNAL, &journal);
    }
}

/// A dry run describes a plan: no note of a change is that of the change itself.
#[test]
fn dry_run_of_every_verb_is_worded_as_a_plan() {
    let directory = site(2);
    directory.write("more.csv", "username,roles,source\nnew,user,ldap\n");
    directory
        .sh("cc-user add -q fritz --role manager --project p1 --no-password && cc-user add -q lea --role user --no-password \
             && cc-user add -q admin --role admin --no-password")
        .ended(0);
    // A note that is the same in both describes no change.
    const GENERAL: [&str; 4] = [
        "the next sync sets the full name",
        "/userapi accepts a token",
        "does not have a password and cannot log in",
        "is not disabled",
    ];
    for verb in [
        "set fritz --name F --email f@example.org --add-role api --add-project p2",
        "set u1 --name N",
        "disable fritz",
        "enable fritz",
        "rename lea leonie",
        "import more.csv",
        "import --update more.csv",
        "undo LAST",
        "undo LAST",
    ] {
        let dry = directory.sh(&format!("cc-user {verb} --dry-run")).ended(0);
        assert!(dry.stderr.contains("dry run, nothing"), "{verb}: {}", dry.stderr);
        let made = directory.sh(&format!("cc-user {verb}")).ended(0);
        let notes = |text: &str| -> Vec<String> {
            let notes = text.lines().filter(|line| line.starts_with("cc-user: note: "));
            notes
                .filter(|line| !GENERAL.iter().any(|general| line.contains(general)))
                .map(str::to_owned)
                .collect()
        };
        let (dry_notes, made_notes) = (notes(&dry.stderr), notes(&made.stderr));
        assert!(!made_notes.is_empty(), "{verb}: {}", made.stderr);
        for note in &made_notes {
            assert!(!dry_notes.contains(note) && !note.contains("would"), "{verb}: {note}");
        }
        for note in &dry_notes {
            assert!(note.contains("would") || note.contains("dry run, nothing"), "{verb}: {note}");
        }
    }
}

#[test]
fn log_prints_the_runs_of_its_filters_and_rejects_wrong_values() {
    let directory = site(2);
    directory
        .sh("cc-user set -q u0 --name A && cc-user set -q u1 --name B && cc-user del -q u1 --source ldap \
             && cc-user set -q u0 --name C")
        .ended(0);
    let commands = |arguments: &str| -> Vec<String> {
        let run = directory.sh(&format!("cc-user log --json {arguments}")).ended(0);
        let lines = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["command"].as_str().unwrap().to_owned()).collect()
    };
    let all = [
        "import -q users.jsonl",
        "set -q u0 --name A",
        "set -q u1 --name B",
        "del -q u1 --source ldap",
        "set -q u0 --name C",
    ];
    assert_eq!(commands(""), all);
    assert_eq!(commands("--limit 2"), all[3..]);
    assert_eq!(commands("--limit 0"), all);
    assert_eq!(commands("--limit 18446744073709551615"), all);
    assert_eq!(commands("u0"), [all[0], all[1], all[4]]);
    assert_eq!(commands("u0 --limit 1"), [all[4]]);
    assert_eq!(commands("u1"), [all[0], all[2], all[3]]);
    assert_eq!(commands("--since=-1h"), all);
    assert_eq!(commands("--command set"), [all[1], all[2], all[4]]);
    assert_eq!(commands("--command 'set -q  u0'"), [all[1], all[4]]);
    assert_eq!(commands("--command set u1 --limit 1"), [all[2]]);
    assert_eq!(commands("--command cc-user"), all);
    for words in ["se", "cc-login", "'u0 set'", "' '", "'set -q u0 --name A B'"] {
        assert_eq!(commands(&format!("--command {words}")), [""; 0], "{words}");
    }
    assert_eq!(commands("--since +1h"), [""; 0]);
    let older = directory.sh("cc-user log --limit 2").ended(0);
    assert!(older.stderr.contains("3 older runs are not shown: --limit 0 prints all"), "{}", older.stderr);
    for arguments in ["U0", "nemo", "--since +1h", "--run 20010101"] {
        let run = directory.sh(&format!("cc-user log {arguments}")).ended(0);
        assert_eq!((run.stdout.as_str(), run.stderr.contains("no runs found")), ("", true), "{arguments}");
    }
    // One run by its ID, and by the beginning of it.
    let last = directory.sh("cc-user log --limit 1 --json").ended(0).json();
    let id = last["run"].as_str().unwrap();
    assert_eq!(commands(&format!("--run {id}")), [all[4]]);
    assert_eq!(commands(&format!("--run {} u1", &id[..8])), [all[0], all[2], all[3]]);
    let shown = directory.sh(&format!("cc-user log --run {id} --json")).ended(0).json();
    assert_eq!(
        shown["users"],
        serde_json::json!([{"username": "u0", "action": "change",
                            "values": [{"value": "name", "before": "A", "after": "C"}]}])
    );
    for (arguments, message) in [
        ("--limit -1", "expected a whole number"),
        ("--limit x", "expected a whole number"),
        ("--limit 18446744073709551616", "expected a whole number"),
        ("--since tomorrow", "--since: invalid time 'tomorrow': expected a date or time"),
        ("--since ''", "--since: invalid time ''"),
        ("--run LAST", "expected an ID such as"),
        ("--run 2026", "at least its first 8 characters"),
        ("--run ../../etc", "expected an ID such as"),
        ("u0 u1", "unexpected argument"),
        ("--command ''", "missing value for --command"),
    ] {
        let run = directory.sh(&format!("cc-user log {arguments}")).ended(2);
        assert!(run.stderr.contains(message), "{arguments}: {}", run.stderr);
    }
}

#[test]
fn undo_selects_a_run_by_last_or_id_and_rejects_wrong_values() {
    let directory = site(1);
    directory.sh("cc-user set -q u0 --name A && cc-user set -q u0 --name B").ended(0);
    let name = || directory.sh("cc-user show u0 --json").ended(0).json()["name"].clone();
    let (users, journal) = (directory.sh("cc-user export").stdout, directory.read(JOURNAL));
    let id = directory.sh("cc-user log --limit 1 --json").ended(0).json()["run"].as_str().unwrap().to_owned();
    for (arguments, status, message) in [
        ("", 2, "RUN"),
        ("first", 2, "expected LAST, an ID such as"),
        ("2026", 2, "at least its first 8 characters"),
        ("''", 2, "expected LAST, an ID such as"),
        ("u0", 2, "expected LAST, an ID such as"),
        ("LAST LAST", 2, "unexpected argument"),
        ("20010101-000000-000000", 1, "20010101-000000-000000"),
        // Three runs begin with the date.
        (&id[..8], 2, "ambiguous run: several IDs begin with this text"),
    ] {
        let run = directory.sh(&format!("cc-user undo {arguments}"));
        assert_eq!(run.status, status, "{arguments}: {}", run.stderr);
        assert!(run.stderr.contains(message), "{arguments}: {}", run.stderr);
        assert_eq!(directory.sh("cc-user export").stdout, users, "{arguments}");
        assert_eq!(directory.read(JOURNAL), journal, "{arguments}");
    }
    directory.sh(&format!("cc-user undo -q {id}")).ended(0);
    assert_eq!(name(), "A");
    directory.sh("cc-user undo -q last").ended(0);
    assert_eq!(name(), "B", "an undo can be undone");
}
