//! The stored sessions of the account: one file each, in a directory with mode 0700.

use std::path::{Path, PathBuf};

use super::error::LoginError;
use super::selection::{SessionCandidate, SessionPlace, SessionSelection};
use super::session::Session;
use super::session_error::{MAX_SESSIONS, SessionError};
use super::session_file::{self, SessionLock};
use super::session_key::{EXTENSION, SessionId, SessionKey, SessionName, SessionOrigin, SessionRequest};
use super::start::note_changed_user;
use super::stronghold;
use super::ui::LoginEnvironment;
use crate::util::environment::Environment;
use crate::util::file::{self, FileError};
use crate::util::note::Notes;
use crate::util::quote::{quote, quote_path};
use crate::util::xdg;

/// The directory of the sessions: in the runtime directory, which the system empties at the end of
/// the user's last session, otherwise in the state directory.
#[derive(Debug, Clone)]
pub struct SessionStore {
    directory: PathBuf,
}

/// A session file with its content.
#[derive(Debug)]
pub struct StoredSession {
    /// The identity of the file.
    pub id: SessionId,
    /// The file.
    pub path: PathBuf,
    /// The session, expired or not, or the reason the file is not used.
    pub session: Result<Session, LoginError>,
}

/// The place of the session of a new login.
#[derive(Debug)]
pub(super) struct SessionTarget {
    /// `None` for a session that is not stored.
    store: Option<SessionStore>,
    key: SessionKey,
}

impl SessionStore {
    /// Returns the sessions of the account.
    ///
    /// # Errors
    /// [`LoginError::NoDirectory`].
    pub fn new(environment: &Environment) -> Result<Self, LoginError> {
        let directory = xdg::runtime_directory(environment).or_else(|| xdg::state_directory(environment));
        Ok(Self { directory: directory.ok_or(LoginError::NoDirectory)? })
    }

    /// Returns the path of a session file.
    #[must_use]
    pub fn path(&self, id: &SessionId) -> PathBuf {
        self.directory.join(id.file())
    }

    /// Returns all session files, sorted by path, those without a valid session included. Warns about
    /// files whose name is not that of a session file.
    ///
    /// # Errors
    /// [`LoginError::File`] if a directory cannot be read.
    pub fn list(&self, notes: &mut Notes) -> Result<Vec<StoredSession>, LoginError> {
        let mut stored = Vec::new();
        for path in self.json_files()? {
            let Some(id) = SessionId::of_path(&path) else {
                notes.warn(
                    "session-file-skipped",
                    format!("{} is skipped: its name is not that of a session file", quote_path(&path)),
                );
                continue;
            };
            match load(&id, &path, notes) {
                // Another process has removed the file meanwhile.
                Ok(None) => {}
                Ok(Some(session)) => stored.push(StoredSession { id, path, session: Ok(session) }),
                Err(error) => stored.push(StoredSession { id, path, session: Err(error) }),
            }
        }
        Ok(stored)
    }

    /// Returns the names of the sessions that have one, without reading the files.
    ///
    /// # Errors
    /// [`LoginError::File`] if the directory cannot be read.
    pub fn names(&self) -> Result<Vec<SessionName>, LoginError> {
        let files = self.files()?;
        Ok(files
            .into_iter()
            .filter_map(|(id, _)| match id {
                SessionId::Name(name) => Some(name),
                _ => None,
            })
            .collect())
    }

    /// Returns the session files. Other files in the directory are ignored.
    pub(super) fn files(&self) -> Result<Vec<(SessionId, PathBuf)>, LoginError> {
        let paths = self.json_files()?;
        Ok(paths.into_iter().filter_map(|path| Some((SessionId::of_path(&path)?, path))).collect())
    }

    fn json_files(&self) -> Result<Vec<PathBuf>, LoginError> {
        let former = self.path(&SessionId::Former);
        let directory = self.path(&SessionId::Origin(String::new()));
        let directory = directory.parent().unwrap_or(&self.directory);
        let mut paths = match file::list(directory, EXTENSION) {
            Ok(paths) => paths,
            Err(FileError::ReadFailed { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        };
        if former.symlink_metadata().is_ok() {
            paths.push(former);
        }
        Ok(paths)
    }

    /// Returns the session file that a command uses; `None` without a session.
    ///
    /// # Errors
    /// The errors of [`SessionSelection::choose`] and [`SessionStore::list`].
    pub fn choose(&self, selection: &SessionSelection) -> Result<Option<SessionId>, LoginError> {
        let is_name = matches!(selection.request, Some(SessionRequest::Name(_)));
        // Warnings about the chosen file are printed when it is read.
        let stored = if is_name { Vec::new() } else { self.list(&mut Notes::new())? };
        let candidates: Vec<SessionCandidate> = stored.iter().map(StoredSession::candidate).collect();
        let chosen = selection.choose(&candidates)?;
        if let Some(id) = &chosen {
            log::info!("the session file is {}", quote(&self.path(id).to_string_lossy()));
        }
        Ok(chosen)
    }

    /// Reads the session that a command uses, expired or not.
    ///
    /// # Errors
    /// As [`SessionStore::choose`]; [`SessionError::Missing`] for a name that is not stored,
    /// [`SessionError::NotLoggedIn`], and the errors of [`session_file::load`].
    pub fn load(&self, selection: &SessionSelection, notes: &mut Notes) -> Result<Session, LoginError> {
        let missing = || selection.request.as_ref().map_or(SessionError::NotLoggedIn, SessionError::missing);
        let id = self.choose(selection)?.ok_or_else(missing)?;
        Ok(load(&id, &self.path(&id), notes)?.ok_or_else(missing)?)
    }
}

impl StoredSession {
    /// Returns the candidate for a selection.
    #[must_use]
    pub fn candidate(&self) -> SessionCandidate {
        let key = match (&self.session, &self.id) {
            (Ok(session), _) => session.key.clone(),
            (Err(_), SessionId::Name(name)) => SessionKey { name: Some(name.clone()), origin: None },
            (Err(_), _) => SessionKey::default(),
        };
        SessionCandidate { id: self.id.clone(), key }
    }
}

impl SessionTarget {
    /// Returns the place of the session of a new login: at `server`, or with the settings of a server on this
    /// computer. Called before a password is sent.
    ///
    /// # Errors
    /// The errors of [`SessionSelection::key_for_login`]; [`SessionError::TooMany`], [`LoginError::NoDirectory`].
    pub(super) fn open(
        place: SessionPlace<'_>,
        server: Option<&SessionOrigin>,
        environment: &Environment,
    ) -> Result<Self, LoginError> {
        let SessionPlace::Stored(selection) = place else {
            return Ok(Self { store: None, key: SessionKey { name: None, origin: server.cloned() } });
        };
        let store = SessionStore::new(environment)?;
        let key = selection.key_for_login(server.or(selection.here.as_ref()))?;
        let files = store.files()?;
        if files.len() >= MAX_SESSIONS && !files.iter().any(|(id, _)| *id == key.id()) {
            return Err(SessionError::TooMany.into());
        }
        Ok(Self { store: Some(store), key })
    }

    /// The name and origin of the session.
    pub(super) const fn key(&self) -> &SessionKey {
        &self.key
    }

    /// Stores the session of a new login. It replaces the session of the same name, or the one
    /// without a name of the same origin; the latter also replaces the session of a version without
    /// named sessions. Notes that another session was replaced. The replaced token of a server that can
    /// revoke it is revoked.
    pub(super) fn save(
        &self,
        session: &Session,
        environment: &LoginEnvironment<'_>,
        notes: &mut Notes,
    ) -> Result<(), LoginError> {
        let Some(store) = &self.store else { return Ok(()) };
        let path = store.path(&self.key.id());
        let lock = SessionLock::acquire(&path)?;
        let before = lock.load(&mut Notes::new()).ok().flatten();
        lock.save(session)?;
        drop(lock);
        if let Some(before) = &before {
            stronghold::token::revoke_replaced(before, session, environment, notes);
        }
        match (&before, &self.key.name) {
            (Some(before), Some(name))
                if before.user.username != session.user.username
                    || before.key.origin != session.key.origin =>
            {
                let origin = before.key.origin.as_ref().map(SessionOrigin::text).unwrap_or_default();
                notes.note(format!(
                    "the session {name} of {} for {} is replaced",
                    quote(&before.user.username),
                    quote(&origin)
                ));
            }
            (Some(before), _) => note_changed_user(before, session, notes),
            (None, _) => {}
        }
        let former = store.path(&SessionId::Former);
        if self.key.name.is_none() && former.symlink_metadata().is_ok() {
            SessionLock::acquire(&former)?.remove()?;
        }
        Ok(())
    }
}

/// Reads a session file and checks that its content belongs to its name. Two names can denote one
/// file on a file system that ignores the case.
pub(super) fn load(id: &SessionId, path: &Path, notes: &mut Notes) -> Result<Option<Session>, LoginError> {
    let session = session_file::load(path, notes)?;
    match session {
        Some(session) if session.key.id() != *id => Err(LoginError::SessionInvalid {
            path: path.to_owned(),
            why: "it contains the session of another name",
        }),
        session => Ok(session),
    }
}
