//! The reports of `cc-login`, as text and as JSON.

use serde::Serialize;

use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::table::{Table, TableColumn};
use crate::login::session_key::{SessionName, SessionOrigin};
use crate::login::stored::{LogoutOutcome, SessionList};
use crate::login::{Session, SessionToken};
use crate::stronghold::WrappedToken;
use crate::util::kind::Kind;
use crate::util::quote::{escape, quote};
use crate::util::time::{Timestamp, human_span};

/// The session in the reports of `cc-login`, `cc-login status` and `cc-login refresh`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SessionReport<'a> {
    /// True: the session is valid.
    accepted: bool,
    /// The username.
    username: &'a str,
    /// The full name.
    name: Option<&'a str>,
    /// The roles.
    roles: &'a [String],
    /// The projects.
    projects: &'a [String],
    /// The method of the login: local, ldap, token, oidc, remote or stronghold.
    method: &'static str,
    /// The name of the session; null for the session of a server or directory.
    session: Option<&'a str>,
    /// The URL of the server that the session was created for; null for one on this computer.
    server: Option<String>,
    /// The directory that the session was created for; null for a running server.
    directory: Option<String>,
    /// The namespace at Stronghold; null for the root namespace and for other methods.
    namespace: Option<&'a str>,
    /// The policies of the token of Stronghold; empty for other methods.
    policies: &'a [String],
    /// The time of the login.
    issued_at: String,
    /// The expiry time; null for a session that does not expire.
    expires_at: Option<String>,
    /// Whether the session has a token for the server.
    has_token: bool,
}

/// The report of `cc-login` with `--wrap-ttl`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct WrappedReport<'a> {
    /// The wrapping token.
    wrapping_token: &'a str,
    /// The lifetime of the wrapping token in seconds.
    lifetime_seconds: u64,
    /// The path of the request whose response is wrapped.
    creation_path: &'a str,
}

/// The report of `cc-login status` without a valid session.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct NoSessionReport {
    /// False: there is no valid session.
    accepted: bool,
    /// The kind of the error: no-session or session-expired.
    kind: &'static str,
}

/// The report of `cc-login token`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct TokenReport<'a> {
    /// The token.
    token: &'a str,
    /// The expiry time; null for a token that does not expire.
    expires_at: Option<String>,
}

/// The report of `cc-login logout`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct LogoutReport {
    /// Whether a session was stored.
    ended: bool,
}

/// The report of `cc-login logout --all`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct LogoutAllReport<'a> {
    /// The sessions that were ended: name, URL or directory; null for a malformed file.
    ended: &'a [Option<String>],
}

/// The report of `cc-login whoami`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct WhoamiReport<'a> {
    /// The username.
    username: &'a str,
}

/// The report of `cc-login sessions`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SessionsReport<'a> {
    /// The sessions, expired or not.
    sessions: Vec<ListedSession<'a>>,
}

/// A session in the report of `cc-login sessions`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ListedSession<'a> {
    /// The name; null for the session of a server or directory.
    session: Option<&'a str>,
    /// The username.
    username: &'a str,
    /// The method of the login: local, ldap, token, oidc, remote or stronghold.
    method: &'static str,
    /// The URL of the server that the session was created for; null for one on this computer.
    server: Option<String>,
    /// The namespace at Stronghold; null for the root namespace and for other methods.
    namespace: Option<&'a str>,
    /// The directory that the session was created for; null for a running server.
    directory: Option<String>,
    /// The time of the login.
    issued_at: String,
    /// The expiry time; null for a session that does not expire.
    expires_at: Option<String>,
    /// Whether the session is not expired.
    valid: bool,
    /// Whether the commands use this session here.
    selected: bool,
    /// Whether the session has a token for the server.
    has_token: bool,
    /// Whether the session has a refresh token.
    has_refresh_token: bool,
}

impl<'a> SessionReport<'a> {
    fn new(session: &'a Session) -> Self {
        Self {
            accepted: true,
            username: &session.user.username,
            name: session.user.name.as_deref(),
            roles: &session.user.roles,
            projects: &session.user.projects,
            method: session.method.name(),
            session: session.key.name.as_ref().map(SessionName::as_str),
            server: session.key.server(),
            directory: session.key.directory(),
            namespace: session.key.namespace(),
            policies: session.stronghold.as_ref().map_or(&[], |grant| &grant.policies),
            issued_at: session.issued_at.rfc3339(),
            expires_at: session.expires_at.map(Timestamp::rfc3339),
            has_token: session.token.is_some(),
        }
    }
}

fn line(session: &Session, now: Timestamp) -> String {
    let roles =
        if session.user.roles.is_empty() { "no role".to_owned() } else { session.user.roles.join(", ") };
    let rights = match &session.stronghold {
        Some(grant) if grant.policies.is_empty() => "no policy".to_owned(),
        Some(grant) => format!("policies: {}", escape(&grant.policies.join(", "))),
        None => escape(&roles),
    };
    let expiry = match session.expires_at {
        Some(expires_at) => format!("until {}", expires_at.human(now)),
        None => "never expires".to_owned(),
    };
    let server = session.key.server().map_or_else(String::new, |server| format!(" at {}", escape(&server)));
    let namespace = session.key.namespace();
    let namespace = namespace.map_or_else(String::new, |name| format!(", namespace {}", escape(name)));
    let name =
        session.key.name.as_ref().map_or_else(String::new, |name| format!(", session {}", name.as_str()));
    format!(
        "{} ({rights}) by {}{server}{namespace}{name}, {expiry}{}",
        escape(&session.user.username),
        session.method.name(),
        if session.token.is_some() { "" } else { ", without a token" }
    )
}

/// Prints the report of a new session.
pub(super) fn logged_in(session: &Session, now: Timestamp, console: &mut Console) -> Result<(), Failure> {
    if console.is_json() {
        console.json(&SessionReport::new(session))?;
    } else {
        console.report_line(&format!("logged in: {}", line(session, now)))?;
    }
    Ok(())
}

/// Prints a wrapping token and nothing else, for scripts.
pub(super) fn wrapped(wrapped: &WrappedToken, console: &mut Console) -> Result<(), Failure> {
    let WrappedToken { token, lifetime, creation_path } = wrapped;
    if console.is_json() {
        let wrapping_token = token.expose();
        console.json(&WrappedReport { wrapping_token, lifetime_seconds: *lifetime, creation_path })?;
        return Ok(());
    }
    console.note(&format!(
        "the wrapping token can be exchanged once within {}, with 'bao unwrap' or 'vault unwrap'; no session is \
         saved",
        human_span(*lifetime)
    ));
    console.line(token.expose())?;
    Ok(())
}

/// Prints the report of the stored session.
pub(super) fn status(session: &Session, now: Timestamp, console: &mut Console) -> Result<(), Failure> {
    if console.is_json() {
        console.json(&SessionReport::new(session))?;
    } else {
        console.report_line(&line(session, now))?;
    }
    Ok(())
}

/// Prints as JSON that there is no valid session; `kind` is the kind of the error.
pub(super) fn no_session(kind: Kind, console: &mut Console) -> Result<(), Failure> {
    console.json(&NoSessionReport { accepted: false, kind: kind.name() })?;
    Ok(())
}

/// Prints the token as JSON.
pub(super) fn token(token: &SessionToken, console: &mut Console) -> Result<(), Failure> {
    let expires_at = token.expires_at.map(Timestamp::rfc3339);
    console.json(&TokenReport { token: token.token.expose(), expires_at })?;
    Ok(())
}

/// Prints the username.
pub(super) fn whoami(session: &Session, console: &mut Console) -> Result<(), Failure> {
    let username = session.user.username.as_str();
    if console.is_json() {
        console.json(&WhoamiReport { username })?;
    } else {
        console.line(&escape(username))?;
    }
    Ok(())
}

/// Prints the list of sessions. The selected one is marked with `*`.
pub(super) fn sessions(list: &SessionList, now: Timestamp, console: &mut Console) -> Result<(), Failure> {
    let sessions = list.sessions.iter().filter_map(|stored| {
        let session = stored.session.as_ref().ok()?;
        Some((session, list.chosen.as_ref() == Some(&stored.id)))
    });
    if console.is_json() {
        let sessions = sessions.map(|(session, selected)| ListedSession {
            session: session.key.name.as_ref().map(SessionName::as_str),
            username: &session.user.username,
            method: session.method.name(),
            server: session.key.server(),
            namespace: session.key.namespace(),
            directory: session.key.directory(),
            issued_at: session.issued_at.rfc3339(),
            expires_at: session.expires_at.map(Timestamp::rfc3339),
            valid: !session.is_expired(now),
            selected,
            has_token: session.token.is_some(),
            has_refresh_token: session.refresh.is_some(),
        });
        console.json(&SessionsReport { sessions: sessions.collect() })?;
        return Ok(());
    }
    // Nothing is cut: each name, URL and directory is a value of --session.
    let headings = ["", "NAME", "USER", "METHOD", "EXPIRES", "SERVER OR DIRECTORY"];
    let columns = headings.map(|heading| TableColumn { heading, shrink: None });
    let mut table = Table::new(columns.to_vec(), None);
    let mut is_empty = true;
    for (session, selected) in sessions {
        is_empty = false;
        let expiry = match session.expires_at {
            Some(expires_at) if session.is_expired(now) => format!("expired {}", expires_at.relative_to(now)),
            Some(expires_at) => expires_at.relative_to(now),
            None => "never".to_owned(),
        };
        let lines = table.row(&[
            if selected { "*" } else { "" },
            session.key.name.as_ref().map_or("-", SessionName::as_str),
            &session.user.username,
            session.method.name(),
            &expiry,
            &session.key.origin.as_ref().map_or_else(|| "-".to_owned(), SessionOrigin::text),
        ]);
        for line in lines {
            console.line(&line)?;
        }
    }
    if is_empty {
        console.note("no sessions");
        return Ok(());
    }
    for line in table.finish() {
        console.line(&line)?;
    }
    Ok(())
}

/// Prints whether a logout ended a session.
pub(super) fn logout(outcome: &LogoutOutcome<Failure>, console: &mut Console) -> Result<(), Failure> {
    let LogoutOutcome { session, ended, .. } = outcome;
    if console.is_json() {
        console.json(&LogoutReport { ended: *ended })?;
        return Ok(());
    }
    match session {
        Some(session) if *ended => console.note(&format!("session {} ended", quote(session))),
        Some(session) => console.note(&format!("there is no session {}", quote(session))),
        None => console.note(if *ended { "session ended" } else { "not logged in" }),
    }
    Ok(())
}

/// Prints which sessions a logout of all sessions ended.
pub(super) fn logout_all(ended: &[Option<String>], console: &mut Console) -> Result<(), Failure> {
    if console.is_json() {
        console.json(&LogoutAllReport { ended })?;
        return Ok(());
    }
    for session in ended {
        match session {
            Some(session) => console.note(&format!("session {} ended", quote(session))),
            None => console.note("session ended"),
        }
    }
    if ended.is_empty() {
        console.note("not logged in");
    }
    Ok(())
}
