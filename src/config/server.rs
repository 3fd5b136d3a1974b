//! Parts of the configuration that only the server uses, and conditions that prevent its start.

use super::json::describe;
use super::origin::Value;
use super::section::{Section, SectionState, same_name};
use crate::util::json::JsonNode;

/// The parts of the configuration that only the server uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The section `main`.
    pub main: SectionState,
    /// The section `auth`.
    pub auth: SectionState,
    /// The section `auth.jwts`.
    pub jwts: SectionState,
    /// Sections that the server ignores because their names differ in case.
    pub misspelled: Vec<String>,
    /// Unknown members of `main`; at most ten.
    pub unknown_in_main: Vec<String>,
    /// Members of `main` with a value of the wrong type, and that type.
    pub wrong_in_main: Vec<String>,
    /// Whether `main.db` is an empty string.
    pub is_db_empty: bool,
    /// Whether the session lifetime is a JSON number.
    pub session_age_is_number: bool,
    /// Whether `auth.oidc` has no `provider`.
    pub oidc_without_provider: bool,
    /// Members at the root that only servers before 1.5 read there.
    pub root_layout: Vec<String>,
    /// `main.disable-authentication`.
    pub disable_authentication: Value<bool>,
    /// `main.api-allowed-ips`: the IP addresses that may use `/api`.
    pub api_allowed_ips: Option<Value<Vec<String>>>,
    /// Whether `main.api-subjects` is set: jobs can only be started and stopped over NATS.
    pub api_subjects: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            main: SectionState::Missing,
            auth: SectionState::Missing,
            jwts: SectionState::Missing,
            misspelled: Vec::new(),
            unknown_in_main: Vec::new(),
            wrong_in_main: Vec::new(),
            is_db_empty: false,
            session_age_is_number: false,
            oidc_without_provider: false,
            root_layout: Vec::new(),
            disable_authentication: Value::by_default(false),
            api_allowed_ips: None,
            api_subjects: false,
        }
    }
}

/// The JSON types of the members of `main`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    String,
    Boolean,
    Integer,
    Array,
    Object,
}

/// The members of `main` in version 1.5, with their types.
const MAIN: [(&str, Kind); 25] = [
    ("addr", Kind::String),
    ("api-allowed-ips", Kind::Array),
    ("api-subjects", Kind::Object),
    ("db", Kind::String),
    ("db-config", Kind::Object),
    ("disable-authentication", Kind::Boolean),
    ("embed-static-files", Kind::Boolean),
    ("emission-constant", Kind::Integer),
    ("enable-job-taggers", Kind::Boolean),
    ("enable-resampling", Kind::Object),
    ("group", Kind::String),
    ("https-cert-file", Kind::String),
    ("https-key-file", Kind::String),
    ("machine-state-dir", Kind::String),
    ("nodestate-retention", Kind::Object),
    ("redirect-http-to", Kind::String),
    ("resampling", Kind::Object),
    ("session-max-age", Kind::String),
    ("short-running-jobs-duration", Kind::Integer),
    ("static-files", Kind::String),
    ("stop-jobs-exceeding-walltime", Kind::Integer),
    ("systemd-unit", Kind::String),
    ("user", Kind::String),
    ("validate", Kind::Boolean),
    // In some releases of 1.5 only.
    ("disable-archive", Kind::Boolean),
];

/// The maximum number of members of `main` in a message.
const MOST_NAMED: usize = 10;

impl ServerConfig {
    /// The names of the members of `main`.
    pub(super) const MAIN_MEMBERS: [&'static str; 25] = {
        let mut names = [""; 25];
        let mut at = 0;
        while at < names.len() {
            names[at] = MAIN[at].0;
            at += 1;
        }
        names
    };

    /// Reads the parts of `main` that the server checks: unknown members, types, an empty database.
    pub(super) fn read_main(&mut self, main: &Section<'_>) {
        for (name, node) in main.members() {
            match MAIN.iter().find(|(known, _)| same_name(known, name)) {
                None if self.unknown_in_main.len() < MOST_NAMED => self.unknown_in_main.push(name.to_owned()),
                None => {}
                Some((known, kind)) => {
                    if !kind.matches(node) && self.wrong_in_main.len() < MOST_NAMED {
                        self.wrong_in_main.push(format!("{}: {}", main.key(name), describe(node)));
                    }
                    match *known {
                        "db" => self.is_db_empty = matches!(node, JsonNode::String(text) if text.is_empty()),
                        "session-max-age" => self.session_age_is_number = matches!(node, JsonNode::Number(_)),
                        _ => {}
                    }
                }
            }
        }
    }
}

impl Kind {
    /// Whether a value has this type; `null` selects the default.
    fn matches(self, node: &JsonNode) -> bool {
        match (self, node) {
            (_, JsonNode::Null)
            | (Self::String, JsonNode::String(_))
            | (Self::Boolean, JsonNode::Bool(_))
            | (Self::Array, JsonNode::Array(_))
            | (Self::Object, JsonNode::Object(_)) => true,
            (Self::Integer, JsonNode::Number(number)) => number.as_i64().is_some(),
            _ => false,
        }
    }
}
