//! Files that are kept or configured.

use std::path::{Path, PathBuf};

use cc_auth::config::{self as config, Origin, Sources, Value};
use cc_auth::login::attempt_limit::{Attempts, MAX_FAILURES};
use cc_auth::login::session_file as kept;
use cc_auth::osdf::location::SourceName as Place;
use cc_auth::osdf::reader;
use cc_auth::util::note::Notes;
use cc_auth::util::time::Timestamp;

use super::{clean, clean_fault, clean_notes, parts};

thread_local! {
    static DIRECTORY: tempfile::TempDir = tempfile::tempdir().expect("a temporary directory");
}

/// A private file of these bytes, the same one each time.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = DIRECTORY.with(|directory| directory.path().join(name));
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a directory");
    std::fs::write(&path, bytes).expect("the file is written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    path
}

/// A configuration, and after a NUL an environment file.
pub fn config(data: &[u8]) {
    let [config, env_file] = parts(data);
    let named = |path, flag| Some(Value::new(path, Origin::Flag(flag)));
    let sources = Sources {
        config: named(file("config.json", config), "--config"),
        env_file: named(file("env", env_file), "--env-file"),
        ..Sources::default()
    };
    match config::load(sources) {
        Ok((_, notes)) => clean_notes(&notes),
        Err(faults) => {
            assert!(faults.iter().next().is_some(), "refused without a reason");
            faults.iter().for_each(|fault| clean_fault(fault));
        }
    }
}

/// An environment file, and after a NUL a value to set in it: it reads back, and nothing else
/// changes but what refers to it.
pub fn dotenv(data: &[u8]) {
    use cc_auth::config::dotenv::{read, set};
    let [text, value] = parts(data);
    let before = match read(text) {
        Ok(before) => before,
        Err(faults) => {
            clean(&faults.to_string());
            clean_fault(faults.first());
            return;
        }
    };
    let Ok(value) = std::str::from_utf8(value) else { return };
    let changed = match set(text, "KEY", value) {
        Ok(changed) => changed,
        Err(error) => {
            clean_fault(&error);
            return;
        }
    };
    let after = read(&changed).expect("what was written");
    assert_eq!(after.get("KEY").map(|entry| entry.value.expose()), Some(value));
    for (was, is) in before.entries().iter().zip(after.entries()) {
        assert_eq!(was.key, is.key);
        if was.key != "KEY" && !was.expanded {
            assert_eq!(was.value.expose(), is.value.expose(), "another key changed");
        }
    }
    assert_eq!(set(&changed, "KEY", value).as_deref(), Ok(changed.as_slice()), "set twice is not set once");
}

/// A stream of resources.
pub fn resource(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut notes = Notes::new();
    match reader::read(text, &Place("fuzzed".to_owned()), &[], &mut notes) {
        Ok(all) => {
            for resource in &all {
                assert!(resource.lifetime > 0 && !resource.kid.is_empty() && !resource.issuer.is_empty());
                assert!(resource.resign_before.is_none_or(|before| before < resource.lifetime));
                for set_here in ["iss", "iat", "nbf", "exp", "jti"] {
                    assert!(!resource.data.contains_key(set_here), "{set_here} is set twice");
                }
                // A file name is made of it.
                assert!(!resource.name.contains('/') && !resource.name.starts_with('.'));
            }
            reader::duplicate_names(&all).iter().for_each(|fault| clean_fault(fault));
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            faults.iter().for_each(|fault| clean_fault(fault));
        }
    }
    clean_notes(&notes);
}

/// A session that was kept: saved again it is the same.
pub fn session(data: &[u8]) {
    let path = file("session.json", data);
    let mut notes = Notes::new();
    match kept::load(&path, &mut notes) {
        Ok(session) => {
            let session = session.expect("the file is there");
            for now in [0, i64::MAX, i64::MIN] {
                let _ = session.is_expired(Timestamp(now));
            }
            let lock = kept::SessionLock::acquire(&path).expect("a lock of our own");
            lock.save(&session).expect("a file of our own");
            assert_eq!(kept::load(&path, &mut notes).expect("what was saved"), Some(session));
        }
        Err(error) => clean_fault(&error),
    }
}

/// Counted attempts: whatever the file contains, no user gets more attempts than the limit, and
/// every user gets some when the time is over.
pub fn attempts(data: &[u8]) {
    file("attempts/attempts.json", data);
    let directory = DIRECTORY.with(|directory| directory.path().join("attempts"));
    let attempts = Attempts::new(&directory);
    let now = Timestamp(1_700_000_000);
    let tries = (0..MAX_FAILURES + 1).filter(|_| match attempts.begin("fritz", now) {
        Ok(attempt) => {
            attempt.failed();
            true
        }
        Err(error) => {
            clean_fault(&error);
            false
        }
    });
    assert!(tries.count() <= MAX_FAILURES);
    let later = now.plus_seconds(16 * 60);
    attempts.begin("fritz", later).expect("the time is over").succeeded().expect("a file of our own");
}
