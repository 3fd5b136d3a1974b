//! `cc-user init`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::DatabaseOptions;
use super::database::DEFAULT;
use crate::cli::console::Console;
use crate::cli::console::warn_if_not_owner;
use crate::cli::failure::Failure;
use crate::config::dotenv::Dotenv;
use crate::config::env_file;
use crate::key::encoding::{decode_standard, encode_standard};
use crate::key::private::generate_hmac_secret;
use crate::key::{Algorithm, KeyError, PrivateKey};
use crate::user_db::{self, OpenMode, UserDb};
use crate::util::diagnostic::{Diagnostic, ExitStatus};
use crate::util::file::{self, Existing, PUBLIC_MODE};
use crate::util::kind::Kind;
use crate::util::quote::quote_path;
use crate::util::time::Clock;

/// Set up what is missing: keys, a configuration, a database of users
#[derive(Debug, Args)]
pub(super) struct Init {}

/// The server's own pair.
const PUBLIC: &str = "JWT_PUBLIC_KEY";
const PRIVATE: &str = "JWT_PRIVATE_KEY";
/// The secret of the web session cookies, which the server base64-decodes.
const SESSION: &str = "SESSION_KEY";
const SESSION_BYTES: usize = 32;

/// How long a token is good for in the configuration made here.
const TOKEN_LIFE: &str = "168h";

/// What keeps the set-up from being made.
#[derive(Debug, thiserror::Error)]
enum InitFault {
    #[error("{}: {PUBLIC} is set, but {PRIVATE} is not: no pair can be made without changing what is there", quote_path(.0))]
    PublicOnly(PathBuf),
    #[error("{} is a directory: expected a file", quote_path(.0))]
    Directory(PathBuf),
}

impl Diagnostic for InitFault {
    fn kind(&self) -> Kind {
        match self {
            Self::PublicOnly(_) => Kind::ConfigPrivateKeyMissing,
            Self::Directory(_) => Kind::OutputUncreatable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::PublicOnly(_) => {
                Some("add the private key that belongs to it; a new pair (gen-keypair --write --force) invalidates all tokens".to_owned())
            }
            _ => None,
        }
    }
}

/// What was done with one of the files.
struct Done {
    path: PathBuf,
    made: String,
}

pub(super) fn run(
    _: &Init,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let settings = &database.settings;
    let env_file = settings.env_file.clone().unwrap_or_else(|| "./.env".into());
    let config = settings.config.clone().unwrap_or_else(|| "./config.json".into());
    let db =
        if config.exists() { database.configured_path(&env_file, console)? } else { database.own_path()? };

    // Everything is looked at before the first file is made.
    for path in [&env_file, &config] {
        if path.is_dir() {
            return Err(InitFault::Directory(path.clone()).into());
        }
    }
    let has_database = std::fs::symlink_metadata(&db).is_ok();
    if has_database {
        drop(UserDb::open_with_timeout(&db, OpenMode::Read, database.wait()?)?);
    } else {
        user_db::check_no_leftovers(&db)?;
    }
    warn_of_environment(console);

    // What an earlier set-up that was killed has left, also where nothing is missing any more.
    for path in [&env_file, &config, &db] {
        file::sweep(path.parent().unwrap_or(path), Clock::System.now());
    }
    let mut done = Vec::new();
    let mut kept = Vec::new();
    // The environment file first: where a key cannot be used, nothing is created.
    make_directory(&env_file)?;
    match add_missing_keys(&env_file)? {
        names if names.is_empty() => kept.push(env_file),
        names => done.push(Done { path: env_file, made: names.join(", ") }),
    }
    if config.exists() {
        kept.push(config);
    } else {
        make_directory(&config)?;
        file::write(&config, configuration(&db).as_bytes(), PUBLIC_MODE, Existing::Reject)?;
        done.push(Done { path: config, made: "a minimal configuration".to_owned() });
    }
    if has_database {
        kept.push(db);
    } else {
        make_directory(&db)?;
        let archive = archive(&db);
        if std::fs::symlink_metadata(&archive).is_err() {
            file::create_private_directory(&archive)?;
            done.push(Done {
                path: archive,
                made: "an empty job archive, without which a server does not start".to_owned(),
            });
        }
        user_db::create(&db)?;
        done.push(Done { path: db, made: "a database without users".to_owned() });
    }
    warn_if_not_owner(done.iter().map(|done| done.path.as_path()), console);
    report(&done, &kept, console)?;
    if !has_database {
        console.note("run 'cc-backend -migrate-db' once before the server's first start");
    }
    Ok(ExitStatus::Success)
}

/// Adds the keys that the environment file lacks; their names.
fn add_missing_keys(path: &Path) -> Result<Vec<&'static str>, Failure> {
    let mut names = Vec::new();
    env_file::change(path, |there| -> Result<_, Failure> {
        let new = missing_keys(path, there)?;
        names = new.iter().map(|(name, _)| *name).collect();
        Ok(new)
    })?;
    Ok(names)
}

type NewKeys = Vec<(&'static str, zeroize::Zeroizing<String>)>;

/// The keys that the environment file lacks.
fn missing_keys(path: &Path, there: &Dotenv) -> Result<NewKeys, Failure> {
    let is_set = |name| value(there, name).is_some();
    let key_fault = |name| move |error: KeyError| error.configured(format!("{}: {name}", quote_path(path)));
    let mut new = NewKeys::new();
    match (is_set(PUBLIC), value(there, PRIVATE)) {
        (true, Some(_)) => {}
        (true, None) => return Err(InitFault::PublicOnly(path.to_owned()).into()),
        (false, private) => {
            let pair = match private {
                None => PrivateKey::generate(Algorithm::EdDsa),
                Some(text) => decode_standard(text, PRIVATE).and_then(|b| PrivateKey::ed25519_from_pair(&b)),
            }
            .map_err(key_fault(PRIVATE))?;
            let public = pair.public();
            new.push((PUBLIC, encode_standard(public.ed25519_bytes().map_err(key_fault(PUBLIC))?)));
            if private.is_none() {
                let bytes = pair.to_ed25519_pair().map_err(key_fault(PRIVATE))?;
                new.push((PRIVATE, encode_standard(bytes.expose())));
            }
        }
    }
    if !is_set(SESSION) {
        let bytes = generate_hmac_secret(SESSION_BYTES).map_err(key_fault(SESSION))?;
        new.push((SESSION, encode_standard(bytes.expose())));
    }
    Ok(new)
}

/// A key's value; one that is set to nothing counts as missing.
fn value<'file>(file: &'file Dotenv, name: &str) -> Option<&'file str> {
    file.get(name).map(|entry| entry.value.expose()).filter(|text| !text.is_empty())
}

/// The process environment wins over the file, for the server too.
fn warn_of_environment(console: &mut Console) {
    for name in [PUBLIC, PRIVATE, SESSION] {
        if console.environment().get(name).is_some() {
            console.warn(
                "environment-overrides",
                &format!("{name} is set in the environment and wins over the one in the file"),
            );
        }
    }
}

/// What a server of version 1.5 was seen to start with; on the loopback address.
fn configuration(db: &Path) -> String {
    let mut main = json!({"addr": "127.0.0.1:8080", "api-allowed-ips": ["*"]});
    if db != Path::new(DEFAULT) {
        main["db"] = json!(db.to_string_lossy());
    }
    let document = json!({
        "main": main,
        "cron": {"commit-job-worker": "1m", "duration-worker": "5m", "footprint-worker": "10m"},
        "archive": {"kind": "file", "path": archive(db).to_string_lossy()},
        "metric-store": {"retention-in-memory": "48h", "memory-cap": 1},
        // A token of a deleted user is rejected, and the roles of the database count.
        "auth": {"jwts": {"max-age": TOKEN_LIFE, "validate-user": true}},
    });
    format!("{document:#}\n")
}

/// The job archive beside a database.
fn archive(db: &Path) -> PathBuf {
    match db.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory.join("job-archive"),
        _ => Path::new(".").join("job-archive"),
    }
}

fn make_directory(path: &Path) -> Result<(), Failure> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() && !directory.is_dir() => {
            Ok(file::create_private_directory(directory)?)
        }
        _ => Ok(()),
    }
}

fn report(done: &[Done], kept: &[PathBuf], console: &mut Console) -> Result<(), Failure> {
    for Done { path, made } in done {
        console.note(&format!("made {} ({made})", quote_path(path)));
    }
    for path in kept {
        console.note(&format!("kept {}: nothing is missing there", quote_path(path)));
    }
    if console.is_json() {
        let made: Vec<_> = done.iter().map(|done| json!(done.path.to_string_lossy())).collect();
        let kept: Vec<_> = kept.iter().map(|path| json!(path.to_string_lossy())).collect();
        console.json(&json!({"created": made, "unchanged": kept}))?;
    }
    Ok(())
}
