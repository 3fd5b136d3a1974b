//! `kill -9` at random times during a run.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use cc_auth::token::Unverified;

use super::renew_into::{Consumer, RENEW_INTO};
use super::*;
use crate::httpd::{Reply, Server};
use crate::slapd::{Manner, Slapd, crowd};
use crate::support::{has, programs, session_path};

/// The state that was found after a kill.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum State {
    Old,
    New,
}

/// A command that is killed repeatedly.
struct Subject<'a> {
    name: &'static str,
    directory: &'a Path,
    program: &'static str,
    arguments: &'a [&'a str],
    /// Restores the old state.
    restore: &'a dyn Fn(),
    /// Checks everything and panics unless the state is the old or the new one.
    state_of: &'a dyn Fn(&str) -> State,
    /// The exit status of the same command if the change has been made already.
    again: i32,
}

impl Subject<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(programs().join(self.program));
        command
            .args(self.arguments)
            .current_dir(self.directory)
            .env_clear()
            .env("HOME", self.directory.join(".home"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Kills the command until this many kills hit it while it ran.
    ///
    /// The expected duration of a run follows the load of the machine: a kill that comes after the end
    /// shortens it, and a kill in the last fifth of it makes it longer.
    fn kill(&self, times: usize) {
        let mut rng = Rng::new();
        let mut durations: Vec<Duration> = (0..5)
            .map(|_| {
                (self.restore)();
                let began = Instant::now();
                assert!(self.command().status().unwrap().success(), "{} undisturbed", self.name);
                began.elapsed()
            })
            .collect();
        assert_eq!((self.state_of)(self.name), State::New, "{} undisturbed", self.name);
        (self.restore)();
        assert_eq!((self.state_of)(self.name), State::Old, "{} before", self.name);
        durations.sort();
        let mut duration = durations[durations.len() / 2];
        let (mut kills, mut hits, mut old, mut swept) = (0, 0, 0, 0);
        while hits < times {
            assert!(kills < 10 * times, "{}: {hits} of {kills} kills hit the running program", self.name);
            kills += 1;
            (self.restore)();
            let part = rng.part() * 1.2;
            let moment = duration.mul_f64(part);
            let mut child = self.command().spawn().unwrap();
            std::thread::sleep(moment);
            let _ = child.kill();
            let status = child.wait().unwrap();
            let about = format!("{} killed after {moment:?} of {duration:?} ({kills})", self.name);
            let hit = status.signal() == Some(9);
            hits += usize::from(hit);
            if !hit {
                duration = duration.mul_f64(0.8);
            } else if part > 0.8 {
                duration = duration.mul_f64(1.25);
            }
            let state = (self.state_of)(&about);
            assert!(hit || state == State::New, "{about}: it ended and did nothing");
            old += usize::from(state == State::Old);
            // A write ten minutes later deletes the remaining files.
            let left = left_behind(self.directory, &about);
            let long_ago = SystemTime::now() - Duration::from_secs(3600);
            for path in &left {
                fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
            }
            let next = self.command().stderr(Stdio::piped()).output().unwrap();
            let expected = if state == State::New { self.again } else { 0 };
            let message = String::from_utf8_lossy(&next.stderr);
            assert_eq!(next.status.code(), Some(expected), "{about}: the next run: {message}");
            let about = format!("{about}: after the next run");
            assert_eq!((self.state_of)(&about), State::New, "{about}");
            if expected == 0 {
                assert!(left_behind(self.directory, &about).is_empty(), "{about}: {left:?} stayed");
            }
            swept += left.len();
        }
        report(&format!(
            "kill -9 in {}: {kills} of {kills} intact ({hits} while it ran, {old} left the old state, \
             {} the new; {swept} temporary files swept)",
            self.name,
            kills - old
        ));
    }
}

/// Restores the original database.
fn restore_database(original: &Path, database: &Path) {
    for end in ["-wal", "-shm", "-journal"] {
        let mut name = database.as_os_str().to_owned();
        name.push(end);
        let _ = fs::remove_file(name);
    }
    fs::copy(original, database).unwrap();
}

/// The fixture, and a copy of its database.
fn with_original() -> (TestEnv, PathBuf, PathBuf) {
    let directory = fixture();
    let (database, original) = (directory.file("var/job.db"), directory.file("original.db"));
    fs::copy(&database, &original).unwrap();
    (directory, database, original)
}

#[test]
fn killed_import_adds_all_users_or_none() {
    let (directory, database, original) = with_original();
    let state_of = |about: &str| {
        assert_invariants(directory.path(), about);
        if users(&database, about).len() == USERS + 1 { State::Old } else { State::New }
    };
    Subject {
        name: "import",
        directory: directory.path(),
        program: "cc-user",
        arguments: &["import", "more.csv", "--skip-existing"],
        restore: &|| restore_database(&original, &database),
        state_of: &state_of,
        again: 0,
    }
    .kill(count(25, 80));
}

#[test]
fn killed_add_adds_complete_user_or_none() {
    let (directory, database, original) = with_original();
    let state_of = |about: &str| {
        assert_invariants(directory.path(), about);
        let database = rusqlite::Connection::open(&database).unwrap();
        let row = database.query_row(
            "SELECT roles || name || email FROM user WHERE username = 'newcomer'",
            [],
            |row| row.get::<_, String>(0),
        );
        match row {
            Ok(row) => {
                assert_eq!(row, "[\"api\"]New Comern@x.org", "{about}");
                State::New
            }
            Err(rusqlite::Error::QueryReturnedNoRows) => State::Old,
            Err(error) => panic!("{about}: {error}"),
        }
    };
    Subject {
        name: "add",
        directory: directory.path(),
        program: "cc-user",
        arguments: &["add", "newcomer", "--role", "api", "--name", "New Comer", "--email", "n@x.org"],
        restore: &|| restore_database(&original, &database),
        state_of: &state_of,
        again: 73,
    }
    .kill(count(25, 80));
}

#[test]
fn killed_sync_leaves_old_or_new_table() {
    if !has("slapd") {
        return;
    }
    let manner = Manner { global: "sizelimit unlimited".to_owned(), ..Manner::default() };
    let server = Slapd::start(&crowd(1500), &manner);
    let directory = crate::sync::directory_for(&server.url(), json!({}));
    crate::sync_faults::fill(&directory, 1000, 2000);
    let (database, original) = (directory.file("var/job.db"), directory.file("original.db"));
    fs::copy(&database, &original).unwrap();
    let old = crate::sync::table(&directory);
    directory.sh("cc-user sync-ldap --delete-missing --max-delete 100% -q").ended(0);
    let new = crate::sync::table(&directory);
    assert_eq!(new.len(), 1500);
    let state_of = |about: &str| {
        users(&database, about);
        let seen = crate::sync::table(&directory);
        assert!(seen == old || seen == new, "{about}: {} rows", seen.len());
        if seen == old { State::Old } else { State::New }
    };
    Subject {
        name: "sync",
        directory: directory.path(),
        program: "cc-user",
        arguments: &["sync-ldap", "--delete-missing", "--max-delete", "100%", "-q"],
        restore: &|| restore_database(&original, &database),
        state_of: &state_of,
        again: 0,
    }
    .kill(count(40, 100));
}

#[test]
fn killed_writer_leaves_complete_token_file() {
    let directory = fixture();
    let path = directory.file("renewed");
    let old = fs::read(&path).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let (read, stop) = (path.clone(), done.clone());
    let reader = std::thread::spawn(move || {
        let mut reads = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            let text = fs::read_to_string(&read).expect("never missing");
            let token = text.strip_suffix('\n').expect("whole");
            let _ = Unverified::parse(token).expect("a token");
            reads += 1;
            std::thread::sleep(Duration::from_micros(200));
        }
        reads
    });
    let state_of = |about: &str| {
        let text = fs::read_to_string(&path).unwrap();
        let token = text.strip_suffix('\n').unwrap_or_else(|| panic!("{about}: half a token"));
        let _ = Unverified::parse(token).unwrap_or_else(|error| panic!("{about}: {error}"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600, "{about}");
        if text.as_bytes() == old { State::Old } else { State::New }
    };
    Subject {
        name: "renew",
        directory: directory.path(),
        program: "cc-jwt",
        arguments: &["renew", "--spec", "r.yaml", "-o", "renewed", "--force", "-q"],
        restore: &|| {
            let beside = path.with_extension("old");
            fs::write(&beside, &old).unwrap();
            fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
            fs::rename(&beside, &path).unwrap();
        },
        state_of: &state_of,
        again: 0,
    }
    .kill(count(40, 100));
    done.store(true, Ordering::Relaxed);
    report(&format!(
        "a reader beside the killed renewals: {} reads, each a whole token",
        reader.join().unwrap()
    ));
}

#[test]
fn killed_write_of_environment_file_leaves_old_or_new_keys() {
    let directory = fixture();
    let path = directory.file(".env");
    let old = fs::read(&path).unwrap();
    let old_pair = key_pair(&path, "at first");
    let state_of = |about: &str| {
        assert_invariants(directory.path(), about);
        if let Ok(backup) = fs::read(directory.file(".env.old")) {
            assert!(backup == old, "{about}: what is kept is not what was there");
        }
        if key_pair(&path, about) == old_pair { State::Old } else { State::New }
    };
    Subject {
        name: "env file",
        directory: directory.path(),
        program: "gen-keypair",
        arguments: &["--write", "--force"],
        restore: &|| {
            directory.sh("rm -f .env.old*").ended(0);
            fs::write(&path, &old).unwrap();
        },
        state_of: &state_of,
        again: 0,
    }
    .kill(count(25, 80));
}

#[test]
fn killed_init_is_completed_by_the_next_run() {
    let directory = TestEnv::new();
    let state_of = |about: &str| {
        let there = |name: &str| directory.file(name).exists();
        if there(".env") {
            let file = dotenv::read(&fs::read(directory.file(".env")).unwrap()).unwrap();
            for name in ["JWT_PUBLIC_KEY", "JWT_PRIVATE_KEY", "SESSION_KEY"] {
                assert!(file.get(name).is_some(), "{about}: no {name}");
            }
            assert_eq!(fs::metadata(directory.file(".env")).unwrap().mode() & 0o777, 0o600, "{about}");
        }
        if there("config.json") {
            let _: serde_json::Value = serde_json::from_str(&directory.read("config.json")).unwrap();
        }
        if there("var/job.db") {
            assert!(users(&directory.file("var/job.db"), about).is_empty(), "{about}");
            return State::New;
        }
        State::Old
    };
    Subject {
        name: "init",
        directory: directory.path(),
        program: "cc-user",
        arguments: &["init", "-q"],
        restore: &|| {
            directory.sh("rm -rf .env* config.json var .cc-auth-*").ended(0);
        },
        state_of: &state_of,
        again: 0,
    }
    .kill(count(20, 40));
}

#[test]
fn killed_login_leaves_old_or_new_session() {
    let directory = fixture();
    let path = session_path(directory.path());
    let old = fs::read(&path).unwrap();
    let state_of = |about: &str| {
        assert_invariants(directory.path(), about);
        directory.sh("cc-login token -q").ended(0);
        if fs::read(&path).unwrap() == old { State::Old } else { State::New }
    };
    // The start time of a session, in seconds, is part of the state.
    std::thread::sleep(Duration::from_millis(1100));
    Subject {
        name: "session",
        directory: directory.path(),
        program: "cc-login",
        arguments: &["fritz", "--password-file", "pw", "-q"],
        restore: &|| {
            // A killed attempt counts as failed.
            directory.sh("rm -f .home/.local/state/cc-auth/attempts*").ended(0);
            fs::write(&path, &old).unwrap();
        },
        state_of: &state_of,
        again: 0,
    }
    .kill(count(20, 60));
}

#[test]
fn killed_fetch_leaves_complete_cache_or_none() {
    let directory = fixture();
    let set = directory.sh("cc-jwt jwks --server").ended(0).stdout;
    let server = Server::start(move |_| Reply::status(200, "application/json", set.clone()));
    let url = format!("{}/keys", server.url());
    let cache = directory.file(".home/.cache");
    let state_of = |about: &str| {
        let files = directory.sh("find .home/.cache -name '*.json' 2>/dev/null").stdout;
        for name in files.lines() {
            let kept: serde_json::Value = serde_json::from_str(&directory.read(name)).unwrap();
            assert!(kept["body"].as_str().unwrap().contains("keys"), "{about}");
        }
        if files.is_empty() { State::Old } else { State::New }
    };
    Subject {
        name: "key cache",
        directory: directory.path(),
        program: "cc-jwt",
        arguments: &["verify", "--token-file", "token.txt", "--jwks", &url, "-q"],
        restore: &|| {
            let _ = fs::remove_dir_all(&cache);
        },
        state_of: &state_of,
        again: 0,
    }
    .kill(count(20, 40));
}

#[test]
fn killed_renewal_in_a_configuration_loses_nothing_and_its_command_runs() {
    let consumer = Consumer::new();
    let state_of = |about: &str| if consumer.is_renewed(about) { State::New } else { State::Old };
    // A command that a killed run started may still run beside that of the next run.
    Subject {
        name: "renew --into",
        directory: consumer.directory.path(),
        program: "cc-jwt",
        arguments: &RENEW_INTO,
        restore: &|| consumer.restore(),
        state_of: &state_of,
        again: 0,
    }
    .kill(count(60, 500));
}
