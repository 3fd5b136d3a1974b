//! A session as it is shown.

use serde_json::{Value, json};

use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::login::Session;
use crate::util::quote::escape;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

fn document(session: &Session) -> Value {
    json!({
        "logged_in": true,
        "username": session.user.username,
        "name": session.user.name,
        "roles": session.user.roles,
        "projects": session.user.projects,
        "method": session.method.name(),
        "since": session.since.rfc3339(),
        "until": session.until.map(Timestamp::rfc3339),
        "has_token": session.token.is_some(),
    })
}

fn line(session: &Session, now: Timestamp) -> String {
    let roles =
        if session.user.roles.is_empty() { "no role".to_owned() } else { session.user.roles.join(", ") };
    let until = match session.until {
        Some(until) => format!("until {}", until.human(now)),
        None => "without an end".to_owned(),
    };
    format!(
        "{} ({}) by {}, {until}{}",
        escape(&session.user.username),
        escape(&roles),
        session.method.name(),
        if session.token.is_some() { "" } else { ", without a token" }
    )
}

/// A session that has just begun.
pub(super) fn logged_in(session: &Session, now: Timestamp, console: &mut Console) -> Result<(), Failure> {
    if console.is_json() {
        console.json(&document(session))?;
    } else {
        console.report_line(&format!("logged in: {}", line(session, now)))?;
    }
    Ok(())
}

/// The session at hand.
pub(super) fn status(session: &Session, now: Timestamp, console: &mut Console) -> Result<(), Failure> {
    if console.is_json() {
        console.json(&document(session))?;
    } else {
        console.report_line(&line(session, now))?;
    }
    Ok(())
}

/// That there is none.
pub(super) fn nobody(kind: &str, console: &mut Console) -> Result<(), Failure> {
    console.json(&json!({"logged_in": false, "why": kind}))?;
    Ok(())
}

/// The token in JSON.
pub(super) fn token(session: &Session, token: &SecretText, console: &mut Console) -> Result<(), Failure> {
    console.json(&json!({"token": token.expose(), "until": session.until.map(Timestamp::rfc3339)}))?;
    Ok(())
}
