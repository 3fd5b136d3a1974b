//! Fault injection: kills, full disks, missing memory, descriptors and streams, clock changes,
//! concurrency, broken pipes, signals, and a search for leaked secrets.
//!
//! After each fault, the database is intact, no file is incomplete, no user is lost, and the output
//! is well-formed.
//!
//! Short in `make test`, long in `make fault-injection`; both print what they counted. `FAULT_SEED`
//! repeats the moments of a run.

mod clock;
mod concurrency;
mod kills;
mod name_swaps;
mod pipes;
mod renew_into;
mod resource_limits;
mod secret_leaks;
mod signals;
mod syscall_faults;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cc_auth::config::dotenv;
use cc_auth::key::PrivateKey;
use cc_auth::key::encoding::decode_standard;
use cc_auth::util::file::TEMPORARY;

use crate::rng::Rng;
use crate::support::{TestEnv, data, session_path};

/// Whether the long form runs.
fn is_long() -> bool {
    std::env::var("FAULT_INJECTION").is_ok_and(|form| form == "long")
}

/// The number of repetitions in the short or the long form.
fn count(short: usize, long: usize) -> usize {
    if is_long() { long } else { short }
}

/// Prints the counts, in both forms.
fn report(text: &str) {
    println!("{text}");
    let list = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fault-injection.txt");
    let mut file = fs::OpenOptions::new().create(true).append(true).open(list).unwrap();
    writeln!(file, "fault injection: {text}").unwrap();
}

/// The number of users in the fixture besides `fritz`.
const USERS: usize = 200;

/// A directory as on a server: keys with a comment beside them, users, tokens, a session, a
/// resource to renew, a file to import. Created once and copied.
fn fixture() -> TestEnv {
    static MADE: OnceLock<TestEnv> = OnceLock::new();
    let made = MADE.get_or_init(create_fixture);
    let directory = TestEnv::new();
    copy(made.path(), directory.path());
    // The session belongs to the directory of its login.
    directory.sh("rm -r .home/.local/state/cc-auth/sessions; cc-login fritz --password-file pw -q").ended(0);
    directory
}

fn create_fixture() -> TestEnv {
    let directory = TestEnv::new();
    directory.sh("cc-user init -q").ended(0);
    directory.write("pw", "old password\n");
    directory.write("new-pw", "new password\n");
    for name in ["pw", "new-pw"] {
        fs::set_permissions(directory.file(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    directory.sh("cc-user add fritz --role user,api --password-file pw -q").ended(0);
    let lines = |from: usize, to: usize, word: &str| {
        let heading = String::from("username,roles,name\n");
        (from..to)
            .fold(heading, |text, number| text + &format!("u{number:05},user,{word} {}\n", "x".repeat(200)))
    };
    directory.write("first.csv", lines(0, USERS, "first"));
    directory.sh("cc-user import first.csv -q").ended(0);
    directory.write("more.csv", lines(USERS, USERS + MORE, "second"));
    // Cheap to verify, so that a login ends before the clock is read.
    let hash = bcrypt::hash("old password", 4).unwrap().replacen("$2b$", "$2a$", 1);
    let database = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
    database.execute("UPDATE user SET password = ?1 WHERE username = 'fritz'", [hash]).unwrap();
    drop(database);
    let env = format!("# the server's own\nOTHER='kept as it is' # and this\n{}", directory.read(".env"));
    directory.write(".env", env);
    directory.sh("cc-jwt issue fritz -q > token.txt").ended(0);
    directory.sh("for i in 1 2 3; do cat token.txt; done > tokens.txt").ended(0);
    directory.sh("cc-login fritz --password-file pw -q > /dev/null").ended(0);
    directory.write("r.yaml", fs::read(data("osdf-example.yaml")).unwrap());
    directory.sh("cc-jwt renew --spec r.yaml -o renewed -q").ended(0);
    directory.sh("gen-keypair -f pem -o pair -q").ended(0);
    directory.sh("cp $(find pair* -name '*pub*' | head -n 1) public.pem").ended(0);
    directory
}

/// The number of users in `more.csv`.
const MORE: usize = 300;

/// Copies the content of a directory.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            let _ = fs::create_dir(&target);
            fs::set_permissions(&target, entry.metadata().unwrap().permissions()).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Returns the names in the user table and checks it for damage.
#[track_caller]
fn users(path: &Path, about: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(path).unwrap();
    let health: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap_or_else(|e| e.to_string());
    assert_eq!(health, "ok", "{about}");
    let mut statement = database.prepare("SELECT username FROM user ORDER BY username").unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.map(|name| name.unwrap()).collect()
}

/// Returns the key pair of an environment file and checks it for damage.
#[track_caller]
fn key_pair(path: &Path, about: &str) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{about}: {}: {error}", path.display()));
    let file = dotenv::read(&bytes).unwrap_or_else(|faults| panic!("{about}: {faults:?}"));
    let value = |name: &str| {
        let entry = file.get(name).unwrap_or_else(|| panic!("{about}: no {name} in {}", path.display()));
        entry.value.expose().to_owned()
    };
    assert_eq!(value("OTHER"), "kept as it is", "{about}");
    assert!(bytes.starts_with(b"# the server's own\n"), "{about}");
    let private = value("JWT_PRIVATE_KEY");
    let pair = decode_standard(&private, "JWT_PRIVATE_KEY").unwrap();
    let pair = PrivateKey::ed25519_from_pair(&pair).unwrap_or_else(|error| panic!("{about}: {error}"));
    let public = decode_standard(&value("JWT_PUBLIC_KEY"), "JWT_PUBLIC_KEY").unwrap();
    assert_eq!(pair.public().ed25519_bytes().unwrap().as_slice(), public.as_slice(), "{about}: no pair");
    let mode = fs::metadata(path).unwrap().mode() & 0o777;
    assert!(mode & 0o077 == 0, "{about}: {} has mode {mode:o}", path.display());
    private
}

/// Checks the output: lines of the program's own, no panic, no backtrace, no Rust internals.
#[track_caller]
fn assert_output_is_clean(stderr: &str, about: &str) {
    for word in ["panicked", "RUST_BACKTRACE", "stack backtrace", "unwrap()", "Os {", "Err(", "Some(", "src/"]
    {
        assert!(!stderr.contains(word), "{about}: {stderr}");
    }
    assert!(stderr.lines().count() <= 12, "{about}: {stderr}");
}

/// Checks the invariants of the fixture after any fault.
#[track_caller]
fn assert_invariants(directory: &Path, about: &str) {
    let names = users(&directory.join("var/job.db"), about);
    let lost: Vec<String> = (0..USERS)
        .map(|number| format!("u{number:05}"))
        // The verbs delete only the first account.
        .skip(1)
        .chain(["fritz".to_owned()])
        .filter(|name| names.binary_search(name).is_err())
        .collect();
    assert!(lost.is_empty(), "{about}: lost {lost:?}");
    let new = names.iter().filter(|name| name.as_str() >= "u00200" && name.starts_with('u')).count();
    assert!(new == 0 || new == MORE, "{about}: {new} of {MORE} imported");
    key_pair(&directory.join(".env"), about);
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(".env.old") {
            key_pair(&entry.path(), about);
        }
        if ["renewed", "out.txt", "all.txt", "token.txt"].contains(&name.as_str()) {
            let text = fs::read_to_string(entry.path()).unwrap();
            let whole = text.ends_with('\n') && text.lines().all(|line| line.matches("eyJ").count() >= 2);
            assert!(whole, "{about}: {name} is {text:?}");
        }
        if name.starts_with("keys") && entry.path().is_file() {
            let text = fs::read_to_string(entry.path()).unwrap();
            assert!(text.starts_with("-----BEGIN ") && text.trim_end().ends_with("-----"), "{about}: {name}");
        }
    }
    let session = session_path(directory);
    if session.exists() {
        let text = fs::read(&session).unwrap();
        let kept: serde_json::Value =
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{about}: {error}"));
        assert_eq!(kept["username"], "fritz", "{about}");
    }
}

/// Returns the files that a killed writer left behind; other accounts must not have access to them.
#[track_caller]
fn left_behind(directory: &Path, about: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let (root, mut directories) = (directory, vec![directory.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // A command that a killed program started can still remove its own files.
            let Ok(metadata) = entry.metadata() else { continue };
            if name.starts_with(TEMPORARY.0) {
                assert!(name.ends_with(TEMPORARY.1), "{about}: {name} will never be swept");
                // A public file may have its final mode just before the rename.
                let text = fs::read(entry.path()).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                let has_secret = ["_KEY", "eyJ", "PRIVATE", "token"].iter().any(|word| text.contains(word));
                // One that replaces a file of another program has the mode of that file.
                let shares = root.join("sinks.json").exists() && metadata.mode() & 0o7777 == 0o640;
                let shut = shares || metadata.mode() & 0o077 == 0;
                assert!(shut || !has_secret, "{about}: {name} has mode {:o}", metadata.mode());
                found.push(entry.path());
            } else if metadata.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    found
}

/// The commands that are tested with the fixture.
const VERBS: [&str; 29] = [
    "cc-user list --json",
    "cc-user export -o - --format csv",
    "cc-user show fritz",
    "cc-user add newcomer --role api",
    "cc-user add newcomer --role user --password-file new-pw",
    "cc-user del u00000",
    "cc-user passwd fritz --password-file new-pw",
    "cc-user role add u00002 api",
    "cc-user import more.csv",
    "cc-user init",
    "cc-jwt issue fritz",
    "cc-jwt issue fritz -o out.txt",
    "cc-jwt issue --all -o all.txt",
    "cc-jwt inspect --token-file token.txt",
    "cc-jwt verify --token-file token.txt",
    "cc-jwt verify --stream --token-file tokens.txt",
    "cc-jwt renew --spec r.yaml --force -o renewed",
    "cc-jwt jwks public.pem --document jwks",
    "cc-login fritz --password-file pw",
    "cc-login status",
    "cc-login token",
    "cc-login logout",
    "gen-keypair",
    "gen-keypair --write --force",
    "gen-keypair -f pem -o keys",
    "gen-keypair -a rs256 -f jwk",
    "convert-pem-pubkey public.pem",
    "convert-pem-pubkey public.pem --write",
    "cc-user sync-ldap",
];

#[test]
fn verbs_succeed_without_faults() {
    for verb in VERBS {
        let directory = fixture();
        let run = directory.sh(verb);
        // There is no LDAP server here, so this command must report that.
        let expected = if verb == "cc-user sync-ldap" { 78 } else { 0 };
        assert_eq!(run.status, expected, "{verb}: {}", run.stderr);
        assert_output_is_clean(&run.stderr, verb);
        assert_invariants(directory.path(), verb);
        assert!(left_behind(directory.path(), verb).is_empty(), "{verb}");
    }
}
