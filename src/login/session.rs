//! The session after a login: user, method, end, and a token that the server accepts.
//!
//! Every change of the session file needs a [`RefreshLock`], and a change that depends on what was read
//! before (a refresh) is only saved while the file still has that content: [`RefreshLock::replace`].

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::error::LoginError;
use super::identity::{Identity, Method};
use crate::key::SigningKey;
use crate::token::{Claims, HeaderParams, sign};
use crate::user::{AuthSource, User};
use crate::util::duration::GoDuration;
use crate::util::file::{self, Existing, FileError, PRIVATE_MODE, UntrustedReason};
use crate::util::note::Notes;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// The longest session file that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// What a provider gave to renew the session with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshGrant {
    /// The provider's name in the settings.
    pub provider: String,
    /// The login role, if one was used.
    pub role: Option<String>,
    /// Who it is for the provider (`sub`): the new tokens must be about the same person.
    pub subject: String,
    /// The refresh token.
    pub token: SecretText,
}

/// A login that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who it is.
    pub user: User,
    /// How that was found out.
    pub method: Method,
    /// Since when.
    pub issued_at: Timestamp,
    /// Until when; none is a session that never ends.
    pub expires_at: Option<Timestamp>,
    /// The token that the server takes; none without a private key.
    pub token: Option<SecretText>,
    /// What renews it.
    pub refresh: Option<RefreshGrant>,
    /// The ID token, which a provider wants to see at logout.
    pub id_token: Option<SecretText>,
}

impl Session {
    /// Begins a session of this length. `row` is the user as the user table has it after the
    /// login; its roles are those of the session's token, as on the server's own token page. There
    /// is no token for a user who is not in the table, nor without a key to sign it.
    ///
    /// # Errors
    /// [`LoginError::SessionLength`] for one that is over when it begins, [`LoginError::Issue`].
    pub fn start(
        identity: Identity,
        row: Option<User>,
        length: Option<GoDuration>,
        key: Option<&SigningKey>,
        now: Timestamp,
    ) -> Result<Self, LoginError> {
        let Identity { user, method } = identity;
        if let Some(length) = length.filter(|length| length.seconds() < 1) {
            return Err(LoginError::SessionLength(length));
        }
        let until = length.map(|length| now.plus(length));
        let token = match (&row, key) {
            (Some(row), Some(key)) => Some(token_for(row, until, key, now)?),
            _ => None,
        };
        let user = row.unwrap_or(user);
        Ok(Self { user, method, issued_at: now, expires_at: until, token, refresh: None, id_token: None })
    }

    /// Whether it has ended. A token is no longer taken at the very second it expires.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|until| now >= until)
    }
}

/// A token with the claims the server itself sets.
fn token_for(
    user: &User,
    until: Option<Timestamp>,
    key: &SigningKey,
    now: Timestamp,
) -> Result<SecretText, LoginError> {
    let mut claims = Claims::new();
    if let Some(until) = until {
        claims.set("exp", until.0);
    }
    claims.set("iat", now.0);
    claims.set("roles", user.roles.clone());
    claims.set("sub", user.username.as_str());
    Ok(sign(&HeaderParams::for_key(key), &claims, key)?)
}

/// The right to change the session file. One process has it at a time; it ends with the value.
///
/// It is held for the time of reading and writing the file, never while a provider is asked, so
/// that a logout does not wait for a slow provider.
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
        Ok(Self { path: path.to_owned(), _file: lock_file(path, "lock")? })
    }

    /// The stored session, if there is one, expired or not.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&self, notes: &mut Notes) -> Result<Option<Session>, LoginError> {
        load(&self.path, notes)
    }

    /// Stores a session, whatever was stored before: that of a new login.
    ///
    /// # Errors
    /// [`LoginError::File`].
    pub fn save(&self, session: &Session) -> Result<(), LoginError> {
        save(&self.path, session)
    }

    /// Stores a session in the place of `expected`, if that is still what is stored. Otherwise
    /// nothing is changed, and the answer is what is stored now: another process ended the
    /// session or logged in meanwhile.
    ///
    /// # Errors
    /// As [`load`] and [`RefreshLock::save`].
    pub fn replace(&self, expected: &Session, session: &Session) -> Result<ReplaceOutcome, LoginError> {
        // A file that cannot be read is not what was read before.
        let stored = self.load(&mut Notes::new()).ok().flatten();
        if stored.as_ref() != Some(expected) {
            return Ok(ReplaceOutcome::Changed(stored.map(Box::new)));
        }
        self.save(session)?;
        Ok(ReplaceOutcome::Saved)
    }

    /// Removes the stored session; whether there was one.
    ///
    /// # Errors
    /// [`LoginError::File`].
    pub fn remove(&self) -> Result<bool, LoginError> {
        Ok(file::remove(&self.path)?)
    }
}

/// What became of a conditional change.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum ReplaceOutcome {
    /// The new session is stored.
    Saved,
    /// Another process changed the file: what is stored now, if anything.
    Changed(Option<Box<Session>>),
}

/// Waits for the right to use the refresh token of this session file: many providers accept a
/// refresh token once only. A session can be ended and replaced meanwhile.
///
/// # Errors
/// [`LoginError::File`].
pub fn lock_refresh(path: &Path) -> Result<File, LoginError> {
    lock_file(path, "refresh.lock")
}

fn lock_file(session: &Path, extension: &str) -> Result<File, LoginError> {
    if let Some(directory) = session.parent() {
        file::create_own_directory(directory)?;
    }
    let path = session.with_extension(extension);
    let file = file::open_lock(&path)?;
    file.lock().map_err(|source| FileError::WriteFailed { path, source })?;
    Ok(file)
}

/// Writes the session, whole or not at all, readable by no other user.
fn save(path: &Path, session: &Session) -> Result<(), LoginError> {
    let secret = |text: &Option<SecretText>| text.as_ref().map(|text| text.expose().to_owned());
    let User { username, name, roles, projects, email, source } = &session.user;
    let document = json!({
        "version": 1,
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
            let RefreshGrant { provider, role, subject, token } = refresh;
            json!({"provider": provider, "role": role, "subject": subject, "token": token.expose()})
        }),
        "id_token": secret(&session.id_token),
    });
    let text = Zeroizing::new(document.to_string());
    Ok(file::write(path, text.as_bytes(), PRIVATE_MODE, Existing::Replace)?)
}

#[derive(Deserialize)]
struct StoredSession {
    version: u32,
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
    id_token: Option<String>,
}

#[derive(Deserialize)]
struct StoredRefresh {
    provider: String,
    role: Option<String>,
    subject: String,
    token: String,
}

/// The session that was kept, if there is one, over or not.
///
/// # Errors
/// [`LoginError::SessionForeign`] for a file of somebody else, [`LoginError::SessionInvalid`],
/// [`LoginError::File`].
pub fn load(path: &Path, notes: &mut Notes) -> Result<Option<Session>, LoginError> {
    // Owner and mode are those of the file that is read, whatever is put in its place meanwhile.
    let bytes = match file::read_own(path, LIMIT) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(FileError::Missing(_)) => return Ok(None),
        Err(FileError::Untrusted { why: UntrustedReason::Owner(_), .. }) => {
            return Err(LoginError::SessionForeign(path.to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    file::warn_if_exposed(path, notes);
    let broken = |why| LoginError::SessionInvalid { path: path.to_owned(), why };
    let kept: StoredSession =
        serde_json::from_slice(&bytes).map_err(|_| broken("it is not in the form written here"))?;
    if kept.version != 1 {
        return Err(broken("it was written by another version"));
    }
    let method = Method::ALL.into_iter().find(|method| method.name() == kept.method);
    Ok(Some(Session {
        user: User {
            username: kept.username,
            name: kept.name,
            roles: kept.roles,
            projects: kept.projects,
            email: kept.email,
            source: AuthSource::from_number(kept.source),
        },
        method: method.ok_or_else(|| broken("its method is unknown"))?,
        issued_at: Timestamp(kept.issued_at),
        expires_at: kept.expires_at.map(Timestamp),
        token: kept.token.map(SecretText::new),
        refresh: kept.refresh.map(|StoredRefresh { provider, role, subject, token }| RefreshGrant {
            provider,
            role,
            subject,
            token: SecretText::new(token),
        }),
        id_token: kept.id_token.map(SecretText::new),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Algorithm, PrivateKey};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn identity() -> Identity {
        let user = User {
            username: "fritz".to_owned(),
            name: Some("Fritz F".to_owned()),
            roles: vec!["user".to_owned(), "api".to_owned()],
            projects: Vec::new(),
            email: None,
            source: AuthSource::Local,
        };
        Identity { user, method: Method::Local }
    }

    fn begin(
        row: Option<User>,
        length: Option<GoDuration>,
        key: Option<&SigningKey>,
        now: Timestamp,
    ) -> Result<Session, LoginError> {
        Session::start(identity(), row, length, key, now)
    }

    #[test]
    fn session_token_has_the_roles_of_the_user_table_or_is_missing() {
        let key = SigningKey::private(PrivateKey::generate(Algorithm::EdDsa).unwrap()).unwrap();
        let row = User { roles: vec!["support".to_owned()], ..identity().user };
        let session = begin(Some(row.clone()), None, Some(&key), Timestamp(1)).unwrap();
        let token = session.token.unwrap();
        let seen = crate::token::inspect(token.expose());
        assert_eq!(seen.unproven().unwrap().1.roles(), ["support"]);
        assert_eq!(session.user, row);
        let unknown = begin(None, None, Some(&key), Timestamp(1)).unwrap();
        assert_eq!((unknown.token, unknown.user), (None, identity().user));
    }

    #[test]
    fn a_session_reads_back_as_it_was_kept_and_nobody_else_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/session.json");
        let key = SigningKey::private(PrivateKey::generate(Algorithm::EdDsa).unwrap()).unwrap();
        let mut session =
            begin(Some(identity().user), Some(GoDuration::from_seconds(60)), Some(&key), Timestamp(1000))
                .unwrap();
        session.refresh = Some(RefreshGrant {
            provider: "site".to_owned(),
            role: Some("demo".to_owned()),
            subject: "s-1".to_owned(),
            token: SecretText::new("r".to_owned()),
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
    fn a_session_that_would_be_over_is_not_begun_and_one_without_end_never_is() {
        for length in [GoDuration::from_seconds(-1), GoDuration::from_nanoseconds(1)] {
            let refused = begin(None, Some(length), None, Timestamp(0));
            assert!(matches!(refused, Err(LoginError::SessionLength(_))));
        }
        let endless = begin(None, None, None, Timestamp(0)).unwrap();
        assert!(!endless.is_expired(Timestamp(i64::MAX)));
        assert!(endless.token.is_none());
    }

    #[test]
    fn replace_session_changed_meanwhile_stores_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("session.json");
        let at = |seconds| begin(None, None, None, Timestamp(seconds)).unwrap();
        let (read, other, refreshed) = (at(1), at(2), at(3));
        let lock = SessionLock::acquire(&path).unwrap();
        let stored = || load(&path, &mut Notes::new()).ok().flatten();
        lock.save(&read).unwrap();
        assert_eq!(lock.replace(&read, &refreshed).unwrap(), ReplaceOutcome::Saved);
        assert_eq!(stored().as_ref(), Some(&refreshed));
        // Another login, a logout, a damaged file.
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
    fn rubbish_is_no_session() {
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
