//! The reports of `cc-login`, as text and as JSON.

use serde::Serialize;

use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::login::Session;
use crate::util::kind::Kind;
use crate::util::quote::escape;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

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
    /// The method of the login: local, ldap, token, oidc or remote.
    method: &'static str,
    /// The time of the login.
    issued_at: String,
    /// The expiry time; null for a session that does not expire.
    expires_at: Option<String>,
    /// Whether the session has a token for the server.
    has_token: bool,
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

impl<'a> SessionReport<'a> {
    fn new(session: &'a Session) -> Self {
        Self {
            accepted: true,
            username: &session.user.username,
            name: session.user.name.as_deref(),
            roles: &session.user.roles,
            projects: &session.user.projects,
            method: session.method.name(),
            issued_at: session.issued_at.rfc3339(),
            expires_at: session.expires_at.map(Timestamp::rfc3339),
            has_token: session.token.is_some(),
        }
    }
}

fn line(session: &Session, now: Timestamp) -> String {
    let roles =
        if session.user.roles.is_empty() { "no role".to_owned() } else { session.user.roles.join(", ") };
    let expiry = match session.expires_at {
        Some(expires_at) => format!("until {}", expires_at.human(now)),
        None => "never expires".to_owned(),
    };
    format!(
        "{} ({}) by {}, {expiry}{}",
        escape(&session.user.username),
        escape(&roles),
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
pub(super) fn token(session: &Session, token: &SecretText, console: &mut Console) -> Result<(), Failure> {
    let expires_at = session.expires_at.map(Timestamp::rfc3339);
    console.json(&TokenReport { token: token.expose(), expires_at })?;
    Ok(())
}

/// Prints whether a logout ended a session.
pub(super) fn logout(ended: bool, console: &mut Console) -> Result<(), Failure> {
    if console.is_json() {
        console.json(&LogoutReport { ended })?;
    } else {
        console.note(if ended { "session ended" } else { "not logged in" });
    }
    Ok(())
}
