//! The log: one JSON object a line on standard error. Messages do not contain keys, tokens or claims.

use std::io::Write as _;

use cc_auth::util::time::Clock;
use serde_json::{Map, Value};

use crate::jwt::Jwt;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What was done.
    Info,
    /// A person should look at it.
    Warning,
    /// The operator cannot do its work.
    Error,
}

/// Logs something about the operator.
pub fn line(level: Level, event: &str, message: &str) {
    write(level, event, &[], message);
}

/// Logs something about a resource.
pub fn resource(level: Level, event: &str, jwt: &Jwt, message: &str) {
    write(level, event, &[("namespace", jwt.namespace()), ("name", jwt.name())], message);
}

fn write(level: Level, event: &str, fields: &[(&str, &str)], message: &str) {
    let level = match level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let mut object = Map::new();
    let head =
        [("time", Clock::System.now().rfc3339()), ("level", level.to_owned()), ("event", event.to_owned())];
    for (name, value) in head {
        object.insert(name.to_owned(), value.into());
    }
    for (name, value) in fields {
        object.insert((*name).to_owned(), (*value).into());
    }
    if !message.is_empty() {
        object.insert("message".to_owned(), message.into());
    }
    let line = format!("{}\n", Value::Object(object));
    // Nothing can be reported where standard error is closed.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// An error of the client in a few words.
pub fn api_error(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(answer) => format!("the API server answered {}: {}", answer.code, answer.message),
        other => error_chain(other),
    }
}

/// An error and its causes, each that the text before does not contain.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text.push_str(&format!(": {reason}"));
        }
        cause = error.source();
    }
    text
}
