//! Options and a summary of tokens for the Open Science Data Federation: profile and scope.

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::failure::{Failure, UsageError};
use crate::policy::profile::{Profile, Recognition, recognize};
use crate::policy::profile_checks;
use crate::policy::scope::{AccessRequest, RequestError, ScopePathError, Scopes};
use crate::policy::{CheckState, Verdict};
use crate::util::diagnostic::Diagnostic as _;
use crate::verify::{ProfileChoice, RequiredOperation, ScopeRequirement};

/// Options for tokens of the federation.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Open Science Data Federation")]
pub(super) struct OsdfOptions {
    /// Check the rules of a profile: wlcg, scitokens2, scitokens1, or auto for the profile that the
    /// token names
    #[arg(long, value_name = "PROFILE", add = super::complete::profiles())]
    profile: Option<String>,

    /// Require that the token permits this operation, such as storage.read:/x/y; may be repeated
    #[arg(long, value_name = "OP:PATH")]
    scope: Vec<String>,
}

impl OsdfOptions {
    /// The requirement. An operation whose path is not normal fails the check; one that is malformed
    /// otherwise is a usage error.
    pub(super) fn requirement(&self) -> Result<ScopeRequirement, Failure> {
        let profile = match self.profile.as_deref() {
            None => None,
            Some("auto") => Some(ProfileChoice::Auto),
            Some(name) => {
                let parsed = name.parse().map_err(|error| {
                    UsageError::new(format!("--profile: {error}"))
                        .hint("--profile auto uses the profile that the token names")
                })?;
                Some(ProfileChoice::Fixed(parsed))
            }
        };
        let mut operations = Vec::with_capacity(self.scope.len());
        for text in &self.scope {
            let request = text.parse::<AccessRequest>();
            match &request {
                Err(RequestError::Path { problem, .. })
                    if !matches!(problem, ScopePathError::Missing | ScopePathError::Relative) => {}
                Err(error) => {
                    let mut usage = UsageError::new(format!("--scope: {error}"));
                    if let Some(hint) = error.hint() {
                        usage = usage.hint(hint);
                    }
                    return Err(usage.into());
                }
                Ok(_) => {}
            }
            operations.push(RequiredOperation { text: text.clone(), request });
        }
        Ok(ScopeRequirement { profile, operations })
    }
}

/// The findings of `inspect` for a payload that follows a profile, or has scopes of one.
pub(super) struct ScopeSummary {
    pub(super) profile: Option<Profile>,
    /// What each part of the scope permits, in words.
    pub(super) scopes: Vec<String>,
    /// What a validator rejects, or violates the rules.
    pub(super) remarks: Vec<String>,
}

/// Looks at header and claims without believing them; none when they are not of the federation.
pub(super) fn look(header: &Map<String, Value>, payload: &Map<String, Value>) -> Option<ScopeSummary> {
    let scopes = payload.get("scope").and_then(Value::as_str).map(Scopes::parse).unwrap_or_default();
    let recognition = recognize(payload);
    let names_rights = scopes.parts().iter().any(|part| part.grant != Ok(crate::policy::scope::Grant::Other));
    let mut summary = ScopeSummary { profile: None, scopes: Vec::new(), remarks: Vec::new() };
    match recognition {
        Recognition::Profile(profile) => {
            summary.profile = Some(profile);
            let mut verdict = Verdict::new();
            profile_checks::check(profile, header, payload, &mut verdict);
            summary.remarks = verdict
                .findings()
                .iter()
                .filter(|finding| matches!(finding.state, CheckState::Fail | CheckState::Warn))
                .map(|finding| format!("for {}: {}", profile.title(), finding.reason))
                .collect();
        }
        Recognition::Both => summary.remarks.push("it names two profiles, 'ver' and 'wlcg.ver'".to_owned()),
        Recognition::None if names_rights => {}
        Recognition::None => return None,
    }
    summary.scopes = scopes.describe();
    Some(summary)
}
