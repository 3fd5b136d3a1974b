//! The files of a new server: environment file, configuration, job archive, database.
//!
//! Only what is missing is created; what exists stays, except that the environment file gets the
//! keys that it does not have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::ldap_layout::LdapLayout;
use crate::config::dotenv::Dotenv;
use crate::config::env_file::{self, EnvFileError};
use crate::key::encoding::{decode_standard, encode_standard};
use crate::key::private::generate_hmac_secret;
use crate::key::{Algorithm, KeyError, PrivateKey, error::KeyFileError};
use crate::user_db::{self, OpenMode, UserDb, UserDbError};
use crate::util::diagnostic::Diagnostic;
use crate::util::environment::Environment;
use crate::util::file::{self, Existing, FileError, PUBLIC_MODE};
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::quote::quote_path;
use crate::util::time::Timestamp;

/// The default path of the server's database.
pub const DEFAULT_DATABASE: &str = "./var/job.db";

/// The server's key pair.
const PUBLIC_KEY: &str = "JWT_PUBLIC_KEY";
const PRIVATE_KEY: &str = "JWT_PRIVATE_KEY";
/// The secret of the web session cookies, base64.
const SESSION_KEY: &str = "SESSION_KEY";
const SESSION_KEY_BYTES: usize = 32;

/// The lifetime of tokens in the new configuration.
const TOKEN_LIFETIME: &str = "168h";

/// The paths of the files.
#[derive(Debug, Clone)]
pub struct InitRequest<'request> {
    /// The environment file.
    pub env_file: PathBuf,
    /// The configuration.
    pub config: PathBuf,
    /// The database.
    pub database: PathBuf,
    /// Timeout for the lock of a database that exists.
    pub timeout: Duration,
    /// The LDAP settings of a new configuration.
    pub ldap: Option<LdapLayout>,
    /// The environment of the process, which overrides the environment file.
    pub environment: &'request Environment,
    /// The current time.
    pub now: Timestamp,
}

/// The files that were created.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InitReport {
    /// The files and directories that were created, and the files that were extended.
    pub created: Vec<String>,
    /// The files that were complete.
    pub unchanged: Vec<String>,
    /// With --ldap, the section auth.ldap for a configuration that exists and was not changed;
    /// otherwise null.
    pub ldap: Option<serde_json::Value>,
    /// Notes and warnings.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub notes: Notes,
}

/// Why the files cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The environment file has a public key without its private key.
    #[error("{}: {PUBLIC_KEY} is set, but {PRIVATE_KEY} is not: a new private key would not match", quote_path(.0))]
    PublicKeyOnly(PathBuf),
    /// A directory has the path of a file.
    #[error("{} is a directory: expected a file", quote_path(.0))]
    Directory(PathBuf),
    /// A file cannot be created.
    #[error(transparent)]
    File(#[from] FileError),
    /// The environment file cannot be changed.
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
    /// A key of the environment file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The database.
    #[error(transparent)]
    UserDb(#[from] UserDbError),
}

impl Diagnostic for InitError {
    fn kind(&self) -> Kind {
        match self {
            Self::PublicKeyOnly(_) => Kind::ConfigPrivateKeyMissing,
            Self::Directory(_) => Kind::OutputUncreatable,
            Self::File(error) => error.kind(),
            Self::EnvFile(error) => error.kind(),
            Self::Key(error) => error.kind(),
            Self::UserDb(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::PublicKeyOnly(_) => Some(
                "add the private key of this public key; a new pair (gen-keypair --write --force) invalidates all \
                 tokens"
                    .to_owned(),
            ),
            Self::Directory(_) => None,
            Self::File(error) => error.hint(),
            Self::EnvFile(error) => error.hint(),
            Self::Key(error) => error.hint(),
            Self::UserDb(error) => error.hint(),
        }
    }
}

/// Creates the files that are missing. Everything is checked before the first file is created.
///
/// # Errors
/// [`InitError`].
pub fn init(request: &InitRequest<'_>) -> Result<InitReport, InitError> {
    let InitRequest { env_file, config, database, timeout, ldap, environment, now } = request;
    for path in [env_file, config] {
        if path.is_dir() {
            return Err(InitError::Directory(path.clone()));
        }
    }
    let has_database = std::fs::symlink_metadata(database).is_ok();
    if has_database {
        drop(UserDb::open_with_timeout(database, OpenMode::Read, *timeout)?);
    } else {
        user_db::check_no_leftovers(database)?;
    }
    let mut run = Run::default();
    warn_of_environment(environment, &mut run.report.notes);

    // Temporary files of an earlier run that was killed, even if nothing is missing now.
    for path in [env_file, config, database] {
        file::sweep(path.parent().unwrap_or(path), *now);
    }
    // The environment file comes first: if a key in it cannot be used, nothing is created.
    create_directory_of(env_file)?;
    match add_missing_keys(env_file)? {
        names if names.is_empty() => run.unchanged(env_file),
        names => run.created(env_file, &names.join(", ")),
    }
    if config.exists() {
        run.unchanged(config);
        run.report.ldap = ldap.map(LdapLayout::section);
    } else {
        create_directory_of(config)?;
        file::write(config, configuration(database, *ldap).as_bytes(), PUBLIC_MODE, Existing::Reject)?;
        run.created(config, "a minimal configuration");
    }
    if has_database {
        run.unchanged(database);
    } else {
        create_directory_of(database)?;
        let archive = archive_of(database);
        if std::fs::symlink_metadata(&archive).is_err() {
            file::create_private_directory(&archive)?;
            run.created(&archive, "an empty job archive; the server needs one to start");
        }
        user_db::create(database)?;
        run.created(database, "a database without users");
    }
    let mut report = run.finish();
    if !has_database {
        report.notes.note("run 'cc-backend -migrate-db' once before the server's first start");
    }
    if report.ldap.is_some() {
        report.notes.note(format!(
            "add this section to 'auth' in {}, and adapt it to the LDAP directory",
            quote_path(config)
        ));
    } else if ldap.is_some() {
        report.notes.note(format!(
            "adapt the section 'auth.ldap' in {} to the LDAP directory, and add LDAP_ADMIN_PASSWORD to {}; then run \
             'cc-user sync-ldap --check'",
            quote_path(config),
            quote_path(env_file)
        ));
    }
    Ok(report)
}

/// The report while files are created: the notes on unchanged files and on owners come last.
#[derive(Default)]
struct Run {
    report: InitReport,
    created: Vec<PathBuf>,
    created_notes: Vec<String>,
    unchanged_notes: Vec<String>,
}

impl Run {
    fn created(&mut self, path: &Path, what: &str) {
        self.report.created.push(path.to_string_lossy().into_owned());
        self.created_notes.push(format!("created {} ({what})", quote_path(path)));
        self.created.push(path.to_owned());
    }

    fn unchanged(&mut self, path: &Path) {
        self.report.unchanged.push(path.to_string_lossy().into_owned());
        self.unchanged_notes.push(format!("{} is complete and was not changed", quote_path(path)));
    }

    fn finish(self) -> InitReport {
        let Self { mut report, created, created_notes, unchanged_notes } = self;
        for path in &created {
            file::warn_if_not_owner(path, &mut report.notes);
        }
        for note in created_notes.into_iter().chain(unchanged_notes) {
            report.notes.note(note);
        }
        report
    }
}

/// Adds the keys that the environment file does not have, and returns their names.
fn add_missing_keys(path: &Path) -> Result<Vec<&'static str>, InitError> {
    let mut names = Vec::new();
    env_file::change(path, |content| -> Result<_, InitError> {
        let new = missing_keys(path, content)?;
        names = new.iter().map(|(name, _)| *name).collect();
        Ok(new)
    })?;
    Ok(names)
}

type NewKeys = Vec<(&'static str, zeroize::Zeroizing<String>)>;

/// The keys that the environment file does not have.
fn missing_keys(path: &Path, content: &Dotenv) -> Result<NewKeys, InitError> {
    let is_set = |name| value(content, name).is_some();
    let in_file = |name| move |error: KeyError| error.configured(format!("{}: {name}", quote_path(path)));
    let mut new = NewKeys::new();
    match (is_set(PUBLIC_KEY), value(content, PRIVATE_KEY)) {
        (true, Some(_)) => {}
        (true, None) => return Err(InitError::PublicKeyOnly(path.to_owned())),
        (false, private) => {
            let pair = match private {
                None => PrivateKey::generate(Algorithm::EdDsa),
                Some(text) => {
                    decode_standard(text, PRIVATE_KEY).and_then(|bytes| PrivateKey::ed25519_from_pair(&bytes))
                }
            }
            .map_err(in_file(PRIVATE_KEY))?;
            let public = pair.public();
            new.push((PUBLIC_KEY, encode_standard(public.ed25519_bytes().map_err(in_file(PUBLIC_KEY))?)));
            if private.is_none() {
                let bytes = pair.to_ed25519_pair().map_err(in_file(PRIVATE_KEY))?;
                new.push((PRIVATE_KEY, encode_standard(bytes.expose())));
            }
        }
    }
    if !is_set(SESSION_KEY) {
        let bytes = generate_hmac_secret(SESSION_KEY_BYTES).map_err(in_file(SESSION_KEY))?;
        new.push((SESSION_KEY, encode_standard(bytes.expose())));
    }
    Ok(new)
}

/// The value of a key; an empty one counts as missing.
fn value<'file>(file: &'file Dotenv, name: &str) -> Option<&'file str> {
    file.get(name).map(|entry| entry.value.expose()).filter(|text| !text.is_empty())
}

/// The environment of the process overrides the file, for the server too.
fn warn_of_environment(environment: &Environment, notes: &mut Notes) {
    for name in [PUBLIC_KEY, PRIVATE_KEY, SESSION_KEY] {
        if environment.get(name).is_some() {
            notes.warn(
                "environment-overrides",
                format!("{name} is set in the environment and overrides the environment file"),
            );
        }
    }
}

/// A configuration with which a server of version 1.5 starts, on the loopback address.
fn configuration(database: &Path, ldap: Option<LdapLayout>) -> String {
    let mut main = json!({"addr": "127.0.0.1:8080", "api-allowed-ips": ["*"]});
    if database != Path::new(DEFAULT_DATABASE) {
        main["db"] = json!(database.to_string_lossy());
    }
    // The server rejects tokens of deleted users and uses the roles of the database.
    let mut auth = json!({"jwts": {"max-age": TOKEN_LIFETIME, "validate-user": true}});
    if let Some(layout) = ldap {
        auth["ldap"] = layout.section();
    }
    let document = json!({
        "main": main,
        "cron": {"commit-job-worker": "1m", "duration-worker": "5m", "footprint-worker": "10m"},
        "archive": {"kind": "file", "path": archive_of(database).to_string_lossy()},
        "metric-store": {"retention-in-memory": "48h", "memory-cap": 1},
        "auth": auth,
    });
    format!("{document:#}\n")
}

/// The job archive beside a database.
fn archive_of(database: &Path) -> PathBuf {
    match database.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory.join("job-archive"),
        _ => Path::new(".").join("job-archive"),
    }
}

fn create_directory_of(path: &Path) -> Result<(), FileError> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() && !directory.is_dir() => {
            file::create_private_directory(directory)
        }
        _ => Ok(()),
    }
}
