//! The session file.
//!
//! Every change of the session file requires a [`SessionLock`]. A change that depends on a previous
//! read, such as a refresh, is saved only if the file still has that content:
//! [`SessionLock::replace`].

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::error::LoginError;
use super::identity::Method;
use super::session::{RefreshGrant, Session, StrongholdGrant};
use super::session_key::{SessionKey, SessionName, SessionOrigin};
use super::session_token::SessionToken;
use crate::http::parse_url;
use crate::stronghold::Namespace;
use crate::user::{AuthSource, User};
use crate::util::file::{self, Existing, FileError, PRIVATE_MODE, UntrustedReason};
use crate::util::json;
use crate::util::note::Notes;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// The maximum size of a session file, in bytes.
const LIMIT: u64 = 1 << 20;

/// The lock of the session file, released on drop.
///
/// It is held while the file is read and written, but never during a request to a provider, so a
/// logout does not wait for a slow provider.
#[derive(Debug)]
pub struct SessionLock {
    path: PathBuf,
    _file: File,
}

impl SessionLock {
    /// Waits for the lock of this session file. Creates the directory of the file.
    ///
    /// # Errors
    /// [`LoginError::File`].
    pub fn acquire(path: &Path) -> Result<Self, LoginError> {
        Ok(Self { path: path.to_owned(), _file: lock_file(path, ".lock")? })
    }

    /// Reads the stored session, expired or not.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&self, notes: &mut Notes) -> Result<Option<Session>, LoginError> {
        load(&self.path, notes)
    }

    /// Stores the session of a new login, replacing any other.
    ///
    /// # Errors
    /// [`LoginError::File`].
    pub fn save(&self, session: &Session) -> Result<(), LoginError> {
        save(&self.path, session)
    }

    /// Replaces the stored session if it still equals `expected`. Otherwise another process has
    /// logged out or logged in, nothing is changed, and the currently stored session is returned.
    ///
    /// # Errors
    /// The errors of [`load`] and [`SessionLock::save`].
    pub fn replace(&self, expected: &Session, session: &Session) -> Result<ReplaceOutcome, LoginError> {
        // An unreadable file counts as changed.
        let stored = self.load(&mut Notes::new()).ok().flatten();
        if stored.as_ref() != Some(expected) {
            return Ok(ReplaceOutcome::Changed(stored.map(Box::new)));
        }
        self.save(session)?;
        Ok(ReplaceOutcome::Saved)
    }

    /// Removes the stored session; returns `false` if there was none.
    ///
    /// # Errors
    /// [`LoginError::File`].
    pub fn remove(&self) -> Result<bool, LoginError> {
        Ok(file::remove(&self.path)?)
    }
}

/// The result of [`SessionLock::replace`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum ReplaceOutcome {
    /// The new session is stored.
    Saved,
    /// Another process changed the file, which now contains this session, if any.
    Changed(Option<Box<Session>>),
}

/// Waits for the lock of the refresh token, because many providers accept a refresh token only
/// once. Other processes can end or replace the session while it is held.
///
/// # Errors
/// [`LoginError::File`].
pub fn lock_refresh(path: &Path) -> Result<File, LoginError> {
    lock_file(path, ".refresh.lock")
}

/// The suffix follows the complete name, so the locks of two sessions never have the same name.
fn lock_file(session: &Path, suffix: &str) -> Result<File, LoginError> {
    if let Some(directory) = session.parent() {
        file::create_own_directory(directory)?;
    }
    let mut path = session.as_os_str().to_owned();
    path.push(suffix);
    let path = PathBuf::from(path);
    let file = file::open_lock(&path)?;
    file.lock().map_err(|source| FileError::WriteFailed { path, source })?;
    Ok(file)
}

/// Writes the session atomically, with mode 0600.
fn save(path: &Path, session: &Session) -> Result<(), LoginError> {
    let secret = |text: &Option<SecretText>| text.as_ref().map(|text| text.expose().to_owned());
    let User { username, name, roles, projects, email, source } = &session.user;
    let document = json!({
        "version": 1,
        "session": session.key.name.as_ref().map(SessionName::as_str),
        "server": session.key.server(),
        "namespace": session.key.namespace(),
        "directory": session.key.directory(),
        "username": username,
        "name": name,
        "roles": roles,
        "projects": projects,
        "email": email,
        "source": source.number(),
        "method": session.method.name(),
        "issued_at": session.issued_at.0,
        "expires_at": session.expires_at.map(|expires_at| expires_at.0),
        "token": secret(&session.token),
        "refresh": session.refresh.as_ref().map(|refresh| {
            let RefreshGrant { provider, issuer, role, subject, token, expires_at } = refresh;
            json!({
                "provider": provider,
                "issuer": issuer,
                "role": role,
                "subject": subject,
                "token": token.expose(),
                "expires_at": expires_at.map(|expires_at| expires_at.0),
            })
        }),
        "refresh_rejected_at": session.refresh_rejected_at.map(|rejected_at| rejected_at.0),
        "id_token": secret(&session.id_token),
        "ca_file": session.ca_file,
        "access_token": session.access_token.as_ref().map(|SessionToken { token, expires_at }| {
            json!({"token": token.expose(), "expires_at": expires_at.map(|expires_at| expires_at.0)})
        }),
        "stronghold": session.stronghold.as_ref().map(StoredStronghold::new),
    });
    let text = Zeroizing::new(document.to_string());
    Ok(file::write(path, text.as_bytes(), PRIVATE_MODE, Existing::Replace)?)
}

#[derive(Deserialize)]
struct StoredSession {
    version: u32,
    session: Option<String>,
    server: Option<String>,
    namespace: Option<String>,
    directory: Option<String>,
    username: String,
    name: Option<String>,
    roles: Vec<String>,
    #[serde(default)]
    projects: Vec<String>,
    email: Option<String>,
    source: i64,
    method: String,
    issued_at: i64,
    expires_at: Option<i64>,
    token: Option<String>,
    refresh: Option<StoredRefresh>,
    refresh_rejected_at: Option<i64>,
    id_token: Option<String>,
    ca_file: Option<PathBuf>,
    access_token: Option<StoredToken>,
    stronghold: Option<StoredStronghold>,
}

#[derive(Serialize, Deserialize)]
struct StoredStronghold {
    namespace: Option<String>,
    mount: Option<String>,
    role: Option<String>,
    by_jwt: bool,
    policies: Vec<String>,
    renewable: bool,
    lifetime: Option<u64>,
}

impl StoredStronghold {
    fn new(grant: &StrongholdGrant) -> Self {
        let StrongholdGrant { namespace, mount, role, by_jwt, policies, renewable, lifetime } = grant.clone();
        Self { namespace, mount, role, by_jwt, policies, renewable, lifetime }
    }

    fn grant(self) -> StrongholdGrant {
        let Self { namespace, mount, role, by_jwt, policies, renewable, lifetime } = self;
        StrongholdGrant { namespace, mount, role, by_jwt, policies, renewable, lifetime }
    }
}

#[derive(Deserialize)]
struct StoredToken {
    token: String,
    expires_at: Option<i64>,
}

#[derive(Deserialize)]
struct StoredRefresh {
    provider: String,
    issuer: Option<String>,
    role: Option<String>,
    subject: String,
    token: String,
    expires_at: Option<i64>,
}

impl StoredSession {
    /// Returns the name and origin; files of versions without named sessions have neither.
    fn key(&self) -> Option<SessionKey> {
        let origin = match (&self.server, &self.directory) {
            (Some(server), None) => {
                let namespace = Namespace::parse(self.namespace.as_deref().unwrap_or_default()).ok()?;
                Some(SessionOrigin::namespace(&parse_url(server).ok()?, namespace.as_ref()))
            }
            (None, Some(directory)) => Some(SessionOrigin::Directory(PathBuf::from(directory))),
            (None, None) => None,
            (Some(_), Some(_)) => return None,
        };
        let name = self.session.as_ref().map(|name| name.parse().ok());
        Some(SessionKey {
            name: match name {
                Some(name) => Some(name?),
                None => None,
            },
            origin,
        })
    }
}

/// Reads the stored session, expired or not.
///
/// # Errors
/// [`LoginError::SessionForeign`] for a file of another account, [`LoginError::SessionInvalid`],
/// [`LoginError::File`].
pub fn load(path: &Path, notes: &mut Notes) -> Result<Option<Session>, LoginError> {
    // Owner and mode are checked on the open file, not on the path.
    let bytes = match file::read_own(path, LIMIT) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(FileError::Missing(_)) => return Ok(None),
        Err(FileError::Untrusted { why: UntrustedReason::Owner(_), .. }) => {
            return Err(LoginError::SessionForeign(path.to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    file::warn_if_exposed(path, notes);
    let invalid = |why| LoginError::SessionInvalid { path: path.to_owned(), why };
    let stored: StoredSession = json::typed(&bytes).map_err(|_| invalid("expected the JSON of a session"))?;
    if stored.version != 1 {
        return Err(invalid("it was written by another version"));
    }
    let method = Method::ALL.into_iter().find(|method| method.name() == stored.method);
    let key = stored.key().ok_or_else(|| invalid("invalid session name, server or directory"))?;
    Ok(Some(Session {
        key,
        user: User {
            username: stored.username,
            name: stored.name,
            roles: stored.roles,
            projects: stored.projects,
            email: stored.email,
            source: AuthSource::from_number(stored.source),
        },
        method: method.ok_or_else(|| invalid("unknown login method"))?,
        issued_at: Timestamp(stored.issued_at),
        expires_at: stored.expires_at.map(Timestamp),
        token: stored.token.map(SecretText::new),
        refresh: stored.refresh.map(|refresh| RefreshGrant {
            provider: refresh.provider,
            issuer: refresh.issuer,
            role: refresh.role,
            subject: refresh.subject,
            token: SecretText::new(refresh.token),
            expires_at: refresh.expires_at.map(Timestamp),
        }),
        refresh_rejected_at: stored.refresh_rejected_at.map(Timestamp),
        id_token: stored.id_token.map(SecretText::new),
        ca_file: stored.ca_file,
        access_token: stored.access_token.map(|StoredToken { token, expires_at }| SessionToken {
            token: SecretText::new(token),
            expires_at: expires_at.map(Timestamp),
        }),
        stronghold: stored.stronghold.map(StoredStronghold::grant),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Algorithm, PrivateKey, SigningKey};
    use crate::login::session::testing::{identity, start};
    use crate::util::duration::GoDuration;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn session_round_trips_and_has_mode_0600() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/session.json");
        let key = SigningKey::private(PrivateKey::generate(Algorithm::EdDsa).unwrap()).unwrap();
        let mut session =
            start(Some(identity().user), Some(GoDuration::from_seconds(60)), Some(&key), Timestamp(1000))
                .unwrap();
        session.refresh = Some(RefreshGrant {
            provider: "site".to_owned(),
            issuer: Some("https://idp.example".to_owned()),
            role: Some("demo".to_owned()),
            subject: "s-1".to_owned(),
            token: SecretText::new("r".to_owned()),
            expires_at: Some(Timestamp(2000)),
        });
        session.key = SessionKey {
            name: Some("work".parse().unwrap()),
            origin: Some(SessionOrigin::Directory("/srv/cc".into())),
        };
        session.ca_file = Some(PathBuf::from("/etc/ca.pem"));
        session.refresh_rejected_at = Some(Timestamp(1500));
        session.stronghold = Some(StrongholdGrant {
            namespace: Some("team".to_owned()),
            mount: Some("jwt".to_owned()),
            role: None,
            by_jwt: true,
            policies: vec!["default".to_owned()],
            renewable: true,
            lifetime: Some(60),
        });
        let lock = SessionLock::acquire(&path).unwrap();
        lock.save(&session).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        let mut notes = Notes::new();
        assert_eq!(load(&path, &mut notes).unwrap().as_ref(), Some(&session));
        assert!(notes.is_empty());
        assert!(!session.is_expired(Timestamp(1059)) && session.is_expired(Timestamp(1060)));
        assert!(lock.remove().unwrap() && !lock.remove().unwrap());
        assert_eq!(load(&path, &mut notes).unwrap(), None);
    }

    #[test]
    fn replace_does_not_overwrite_a_changed_session() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("session.json");
        let at = |seconds| start(None, None, None, Timestamp(seconds)).unwrap();
        let (read, other, refreshed) = (at(1), at(2), at(3));
        let lock = SessionLock::acquire(&path).unwrap();
        let stored = || load(&path, &mut Notes::new()).ok().flatten();
        lock.save(&read).unwrap();
        assert_eq!(lock.replace(&read, &refreshed).unwrap(), ReplaceOutcome::Saved);
        assert_eq!(stored().as_ref(), Some(&refreshed));
        // Cases: another login, a logout, a damaged file.
        lock.save(&other).unwrap();
        let changed = lock.replace(&read, &refreshed).unwrap();
        assert_eq!(changed, ReplaceOutcome::Changed(Some(Box::new(other.clone()))));
        assert_eq!(stored().as_ref(), Some(&other));
        assert!(lock.remove().unwrap());
        assert_eq!(lock.replace(&read, &refreshed).unwrap(), ReplaceOutcome::Changed(None));
        assert!(!path.exists());
        fs::write(&path, "damaged").unwrap();
        assert_eq!(lock.replace(&read, &refreshed).unwrap(), ReplaceOutcome::Changed(None));
        assert_eq!(fs::read(&path).unwrap(), b"damaged");
    }

    #[test]
    fn session_file_with_other_content_is_invalid() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("session.json");
        for text in ["", "{}", "[]", "{\"version\": 2}"] {
            fs::write(&path, text).unwrap();
            assert!(
                matches!(load(&path, &mut Notes::new()), Err(LoginError::SessionInvalid { .. })),
                "{text}"
            );
        }
    }
}
