//! The report of a planned change: only what differs.

use std::collections::HashSet;

use serde::Serialize;

use crate::config::SettingChange;
use crate::scan::{Occurrence, OccurrenceKind, ScanCounts, ScanReport};
use crate::util::note::Warning;

/// The differences between the present and the planned state.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WhatIfReport {
    /// Whether everything was searched: no file was unreadable or too large, and the time sufficed
    pub complete: bool,
    /// The settings with another value
    pub settings: Vec<SettingChange>,
    /// Why the server does not start or accepts no token in the planned state, and not now
    pub server: Vec<Warning>,
    /// The tokens with another verdict or other problems, in the order of their first place
    pub tokens: Vec<TokenChange>,
    /// The keys with another name or other problems, in the order of their first place
    pub keys: Vec<KeyChange>,
    /// The users with other rights, sorted by name
    pub users: Vec<UserChange>,
    /// The fingerprints of the server's tokens with a longer lifetime than a planned auth.jwts.max-age, which does not
    /// change their expiry; null if the setting does not change
    pub over_max_age: Option<Vec<String>>,
    /// How many were compared
    pub compared: ComparedCounts,
    /// The numbers of files
    pub files: ScanCounts,
    /// The files that cannot be read, and the limits that were reached
    pub warnings: Vec<Warning>,
}

/// The numbers of different tokens, keys and users of both states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ComparedCounts {
    /// The tokens
    pub tokens: u64,
    /// The keys
    pub keys: u64,
    /// The users of the user table
    pub users: u64,
}

/// What changes for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum TokenChangeKind {
    /// It is valid now and is not valid in the planned state.
    NoLongerValid,
    /// It is not valid now and is valid in the planned state.
    NewlyValid,
    /// Other endpoints accept it.
    Endpoints,
    /// Another key signed it, or it has other problems.
    Other,
}

/// A token that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenChange {
    /// What changes
    pub change: TokenChangeKind,
    /// What it is
    pub kind: OccurrenceKind,
    /// The first 12 hexadecimal digits of SHA-256 of the token
    pub fingerprint: String,
    /// The claim 'sub', which is not verified if signed_by is null
    pub subject: Option<String>,
    /// The present verdict; null if --depends-on does not select the token
    pub present: Option<TokenState>,
    /// The planned verdict; null if --depends-on does not select the token
    pub planned: Option<TokenState>,
    /// The endpoints that accept it now and do not in the planned state
    pub lost_endpoints: Vec<&'static str>,
    /// The endpoints that accept it only in the planned state
    pub gained_endpoints: Vec<&'static str>,
    /// Why these endpoints reject it in the planned state
    pub rejections: Vec<Rejection>,
    /// The problems that it has only in the planned state
    pub new_problems: Vec<Warning>,
    /// The names of the problems that it does not have in the planned state
    pub removed_problems: Vec<&'static str>,
    /// Where it is
    pub places: Vec<ItemPlace>,
}

/// A verdict on a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenState {
    /// Whether the token is valid without regard to an endpoint: signature, times, user
    pub valid: bool,
    /// Why it is not valid; null for a valid token, or if no key of the server is known
    pub reason: Option<String>,
    /// The name of the known key that signed it
    pub signed_by: Option<String>,
    /// The endpoints that accept it; null if it is not a token of the server, or the server's key is not known
    pub accepted_by: Option<Vec<&'static str>>,
}

/// Why endpoints reject a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rejection {
    /// The endpoints
    pub endpoints: Vec<&'static str>,
    /// The check that fails
    pub check: &'static str,
    /// The reason
    pub message: String,
}

/// A key that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeyChange {
    /// What it is
    pub kind: OccurrenceKind,
    /// The first 12 hexadecimal digits of SHA-256 of the raw bytes of the key
    pub fingerprint: String,
    /// The name of the known key that it is or belongs to now
    pub present: Option<String>,
    /// The name of the known key that it is or belongs to in the planned state
    pub planned: Option<String>,
    /// The problems that it has only in the planned state
    pub new_problems: Vec<Warning>,
    /// The names of the problems that it does not have in the planned state
    pub removed_problems: Vec<&'static str>,
    /// Where it is
    pub places: Vec<ItemPlace>,
}

/// Where a token or key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ItemPlace {
    /// The file, or `standard input`
    pub file: String,
    /// The name of the file in an archive
    pub archive_member: Option<String>,
    /// The line, counted from 1
    pub line: u64,
    /// The member of the document
    pub member: Option<String>,
    /// The place in one text
    #[serde(skip)]
    pub text: String,
}

impl ItemPlace {
    /// Returns the place of an occurrence.
    #[must_use]
    pub fn of(occurrence: &Occurrence) -> Self {
        Self {
            file: occurrence.file.clone(),
            archive_member: occurrence.archive_member.clone(),
            line: occurrence.line,
            member: occurrence.member.clone(),
            text: occurrence.place(),
        }
    }
}

/// What changes for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum UserChangeKind {
    /// The user has other rights.
    Changed,
    /// The user is not in the planned user table.
    Removed,
    /// The user is only in the planned user table.
    Added,
}

/// A user who changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserChange {
    /// What changes
    pub change: UserChangeKind,
    /// The username
    pub username: String,
    /// The present rights; null for an added user
    pub present: Option<UserAccess>,
    /// The planned rights; null for a removed user
    pub planned: Option<UserAccess>,
    /// The endpoints that accept a token of the user now and do not in the planned state
    pub lost_endpoints: Vec<&'static str>,
    /// The endpoints that accept a token of the user only in the planned state
    pub gained_endpoints: Vec<&'static str>,
    /// The login methods that work now and do not in the planned state
    pub lost_logins: Vec<&'static str>,
    /// The login methods that work only in the planned state
    pub gained_logins: Vec<&'static str>,
}

/// The rights of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserAccess {
    /// The roles as stored; empty if the column is invalid
    pub roles: Vec<String>,
    /// The projects of a manager
    pub projects: Vec<String>,
    /// The auth source: local, ldap, token, oidc or unknown
    pub source: &'static str,
    /// The endpoints that accept a token with these roles
    pub endpoints: Vec<&'static str>,
    /// The login methods that work
    pub logins: Vec<UserLogin>,
}

/// A login method that works for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserLogin {
    /// The method: local, ldap, token or oidc
    pub method: &'static str,
    /// The limitation, or null
    pub limitation: Option<String>,
}

impl TokenChange {
    /// Returns whether the token is worse off.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        self.change == TokenChangeKind::NoLongerValid
            || !self.lost_endpoints.is_empty()
            || !self.new_problems.is_empty()
    }
}

impl KeyChange {
    /// Returns whether the key loses the name of a known key, or has a new problem.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        (self.present.is_some() && self.present != self.planned) || !self.new_problems.is_empty()
    }
}

impl UserChange {
    /// Returns whether the user is worse off.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        self.change == UserChangeKind::Removed
            || !self.lost_endpoints.is_empty()
            || !self.lost_logins.is_empty()
    }
}

impl WhatIfReport {
    /// Returns whether the server, a token, a key or a user is worse off.
    #[must_use]
    pub fn has_loss(&self) -> bool {
        !self.server.is_empty()
            || self.tokens.iter().any(TokenChange::is_loss)
            || self.keys.iter().any(KeyChange::is_loss)
            || self.users.iter().any(UserChange::is_loss)
    }

    /// Returns the numbers of different tokens, keys and users that change.
    #[must_use]
    pub fn changed(&self) -> ComparedCounts {
        let different = |prints: &mut dyn Iterator<Item = &String>| {
            let different: HashSet<&String> = prints.collect();
            different.len() as u64
        };
        ComparedCounts {
            tokens: different(&mut self.tokens.iter().map(|token| &token.fingerprint)),
            keys: different(&mut self.keys.iter().map(|key| &key.fingerprint)),
            users: self.users.len() as u64,
        }
    }
}

impl ComparedCounts {
    /// Returns the numbers of different tokens and keys of two scans.
    #[must_use]
    pub fn of_items(present: &ScanReport, planned: &ScanReport) -> Self {
        let mut different = [HashSet::new(), HashSet::new()];
        for one in present.occurrences.iter().chain(&planned.occurrences) {
            let [tokens, keys] = &mut different;
            let set = if one.kind.is_token() { tokens } else { keys };
            set.insert(one.fingerprint.as_str());
        }
        let [tokens, keys] = different.map(|set| set.len() as u64);
        Self { tokens, keys, users: 0 }
    }
}
