//! The selection of a session: one rule for all commands.
//!
//! 1. The session that `--session` or `CC_SESSION` requests.
//! 2. The session that was created for this server or directory: the one without a name, otherwise
//!    the only one with a name.
//! 3. The session of a version without named sessions.
//! 4. The only session.
//!
//! The expiry has no influence, so a program does not change its account because a session expires.

use super::session_error::SessionError;
use super::session_key::{SessionId, SessionKey, SessionOrigin, SessionRequest};

/// The session that a command uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionSelection {
    /// The session in `--session` or `CC_SESSION`.
    pub request: Option<SessionRequest>,
    /// The server or directory of the command; `None` if it is not known.
    pub here: Option<SessionOrigin>,
}

/// The place of the session of a new login.
#[derive(Debug, Clone, Copy)]
pub enum SessionPlace<'a> {
    /// A session file, which this selection determines.
    Stored(&'a SessionSelection),
    /// The memory of this process: nothing is written.
    Memory,
}

/// A stored session as a candidate for a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCandidate {
    /// The session file.
    pub id: SessionId,
    /// The name and origin; without an origin if the file is malformed.
    pub key: SessionKey,
}

impl SessionSelection {
    /// Returns the session file that the command uses; `None` without a session. A requested name is
    /// returned even if it is not stored.
    ///
    /// # Errors
    /// [`SessionError::Ambiguous`], [`SessionError::Missing`].
    pub fn choose(&self, stored: &[SessionCandidate]) -> Result<Option<SessionId>, SessionError> {
        let origin = match &self.request {
            Some(SessionRequest::Name(name)) => return Ok(Some(SessionId::Name(name.clone()))),
            Some(SessionRequest::Origin(origin)) => Some(origin),
            None => self.here.as_ref(),
        };
        if let Some(origin) = origin {
            let unnamed = SessionKey { name: None, origin: Some(origin.clone()) }.id();
            let of_origin: Vec<&SessionCandidate> =
                stored.iter().filter(|session| session.key.origin.as_ref() == Some(origin)).collect();
            match of_origin.as_slice() {
                _ if stored.iter().any(|session| session.id == unnamed) => return Ok(Some(unnamed)),
                [] => {}
                [only] => return Ok(Some(only.id.clone())),
                several => {
                    return Err(SessionError::Ambiguous {
                        origin: Some(origin.text()),
                        sessions: texts(several.iter().copied()),
                    });
                }
            }
        }
        if let Some(request) = &self.request {
            return Err(SessionError::missing(request));
        }
        match stored {
            _ if stored.iter().any(|session| session.id == SessionId::Former) => Ok(Some(SessionId::Former)),
            [] => Ok(None),
            [only] => Ok(Some(only.id.clone())),
            several => Err(SessionError::Ambiguous { origin: None, sessions: texts(several.iter()) }),
        }
    }

    /// Returns the name and origin of the session of a new login for `origin`.
    ///
    /// # Errors
    /// [`SessionError::OtherOrigin`] if a session of another server or directory is requested,
    /// [`SessionError::NoOrigin`] if the session would have neither name nor origin.
    pub fn key_for_login(&self, origin: Option<&SessionOrigin>) -> Result<SessionKey, SessionError> {
        let name = match &self.request {
            Some(SessionRequest::Name(name)) => Some(name.clone()),
            Some(SessionRequest::Origin(requested)) if Some(requested) != origin => {
                return Err(SessionError::OtherOrigin { requested: requested.text() });
            }
            _ => None,
        };
        if name.is_none() && origin.is_none() {
            return Err(SessionError::NoOrigin);
        }
        Ok(SessionKey { name, origin: origin.cloned() })
    }
}

fn texts<'a>(sessions: impl Iterator<Item = &'a SessionCandidate>) -> Vec<String> {
    sessions.filter_map(|session| session.key.text()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses `NAME@ORIGIN`, `@ORIGIN`, `NAME@` for a malformed file, or an empty text for the file
    /// of a version without named sessions.
    fn candidate(text: &str) -> SessionCandidate {
        let (name, origin) = text.split_once('@').unwrap_or_default();
        let key = SessionKey { name: name.parse().ok(), origin: (!origin.is_empty()).then(|| at(origin)) };
        SessionCandidate { id: key.id(), key }
    }

    fn at(text: &str) -> SessionOrigin {
        match text.parse() {
            Ok(SessionRequest::Origin(origin)) => origin,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn selection(request: &str, here: &str) -> SessionSelection {
        SessionSelection {
            request: (!request.is_empty()).then(|| request.parse().unwrap()),
            here: (!here.is_empty()).then(|| at(here)),
        }
    }

    #[test]
    fn choose_follows_the_order_of_the_rule() {
        const A: &str = "https://a.example";
        const B: &str = "https://b.example";
        for (request, here, stored, expected) in [
            // Nothing is stored.
            ("", "/a", &[][..], Ok("none")),
            ("work", "/a", &[], Ok("work@")),
            (A, "/a", &[], Err("there is no session of 'https://a.example'")),
            // The request is before the session of the directory.
            ("work", "/a", &["@/a", "work@/b"], Ok("work@")),
            ("gone", "/a", &["@/a"], Ok("gone@")),
            ("/b", "/a", &["@/a", "@/b"], Ok("@/b")),
            (A, "/a", &["@/a", "@https://a.example"], Ok("@https://a.example")),
            ("HTTPS://A.example:443/", "", &["@https://a.example"], Ok("@https://a.example")),
            (A, "", &["work@https://a.example", "@/a"], Ok("work@")),
            (A, "", &["work@https://a.example", "@https://a.example"], Ok("@https://a.example")),
            (B, "/a", &["@/a", ""], Err("there is no session of 'https://b.example'")),
            (
                A,
                "",
                &["x@https://a.example", "y@https://a.example"],
                Err("several sessions belong to 'https://a.example': 'x', 'y'"),
            ),
            // The session of the directory: without a name, otherwise the only one with a name.
            ("", "/a", &["@/a", "@/b"], Ok("@/a")),
            ("", "/a", &["work@/a", "@/a"], Ok("@/a")),
            ("", "/a", &["work@/a", "@/b", ""], Ok("work@")),
            ("", "/a", &["x@/a", "y@/a"], Err("several sessions belong to '/a': 'x', 'y'")),
            ("", "/a", &["@/b", "@/c", ""], Ok("")),
            ("", A, &["@/b", "@https://a.example"], Ok("@https://a.example")),
            // The only session, also with a malformed file.
            ("", "/a", &["@/b"], Ok("@/b")),
            ("", "", &["work@/b"], Ok("work@")),
            ("", "/a", &["work@"], Ok("work@")),
            ("", "/a", &[""], Ok("")),
            (
                "",
                "/c",
                &["@/a", "x@/b"],
                Err("several sessions are stored, and none belongs to this directory: '/a', 'x'"),
            ),
            (
                "",
                "",
                &["@/a", "x@/b"],
                Err("several sessions are stored, and none belongs to this directory: '/a', 'x'"),
            ),
        ] {
            let stored: Vec<SessionCandidate> = stored.iter().map(|text| candidate(text)).collect();
            let chosen = selection(request, here).choose(&stored);
            let about = format!("{request:?} in {here:?} of {stored:?}");
            match (chosen, expected) {
                (Ok(None), Ok("none")) => {}
                (Ok(Some(id)), Ok(expected)) => assert_eq!(id, candidate(expected).id, "{about}"),
                (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected, "{about}"),
                (chosen, expected) => panic!("{about}: {chosen:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn key_for_login_has_the_requested_name_and_the_origin_of_the_login() {
        let key = |request: &str, origin: &str| {
            let origin = (!origin.is_empty()).then(|| at(origin));
            selection(request, "/here").key_for_login(origin.as_ref()).map(|key| key.id())
        };
        assert_eq!(key("", "/a").unwrap(), candidate("@/a").id);
        assert_eq!(key("/a", "/a").unwrap(), candidate("@/a").id);
        assert_eq!(key("work", "/a").unwrap(), candidate("work@/a").id);
        assert_eq!(key("work", "").unwrap(), candidate("work@").id);
        assert!(matches!(key("/a", "https://a.example"), Err(SessionError::OtherOrigin { .. })));
        assert!(matches!(key("/a", ""), Err(SessionError::OtherOrigin { .. })));
        assert!(matches!(key("", ""), Err(SessionError::NoOrigin)));
    }
}
