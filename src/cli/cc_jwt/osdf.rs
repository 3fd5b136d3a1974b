//! What commands say of tokens for the Open Science Data Federation: profile and scope.

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::failure::{Failure, UsageError};
use crate::policy::profile::{self, Profile, Recognition, is_for, recognize};
use crate::policy::scope::{AccessRequest, RequestError, ScopeDecision, ScopePathError, Scopes};
use crate::policy::times::{self, IssuedAt};
use crate::policy::{CheckState, Signer, Verbosity, Verdict, server_access};
use crate::token::Verified;
use crate::util::diagnostic::Diagnostic as _;
use crate::util::quote::quote;
use crate::util::time::Timestamp;

/// What a token of the federation has to be.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Open Science Data Federation")]
pub(super) struct OsdfOptions {
    /// Judge by the rules of a profile: wlcg, scitokens2, scitokens1, or auto for the one the
    /// token names
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,

    /// Require that the token permits this, such as storage.read:/x/y; can be given several times
    #[arg(long, value_name = "OP:PATH")]
    scope: Vec<String>,
}

/// The options, checked.
#[derive(Debug, Default)]
pub(super) struct ScopeRequirement {
    profile: Option<ProfileChoice>,
    scope: Vec<(String, Result<AccessRequest, RequestError>)>,
}

#[derive(Debug, Clone, Copy)]
enum ProfileChoice {
    Auto,
    This(Profile),
}

impl OsdfOptions {
    /// The demands. A request whose path is not normal is asked and answered with no; one that
    /// names no operation is wrong usage.
    pub(super) fn demand(&self) -> Result<ScopeRequirement, Failure> {
        let profile = match self.profile.as_deref() {
            None => None,
            Some("auto") => Some(ProfileChoice::Auto),
            Some(name) => {
                let parsed = name.parse().map_err(|error| {
                    UsageError::new(format!("--profile: {error}"))
                        .hint("--profile auto judges by the one the token names")
                })?;
                Some(ProfileChoice::This(parsed))
            }
        };
        let mut scope = Vec::with_capacity(self.scope.len());
        for text in &self.scope {
            let request = text.parse::<AccessRequest>();
            match &request {
                Err(RequestError::Path { fault, .. })
                    if !matches!(fault, ScopePathError::Missing | ScopePathError::Relative) => {}
                Err(error) => {
                    let mut usage = UsageError::new(format!("--scope: {error}"));
                    if let Some(hint) = error.hint() {
                        usage = usage.hint(hint);
                    }
                    return Err(usage.into());
                }
                Ok(_) => {}
            }
            scope.push((text.clone(), request));
        }
        Ok(ScopeRequirement { profile, scope })
    }
}

impl ScopeRequirement {
    /// Whether anything is demanded.
    pub(super) const fn is_there(&self) -> bool {
        self.profile.is_some() || !self.scope.is_empty()
    }

    /// Judges a verified token by itself: signature, times, then what is demanded.
    pub(super) fn evaluate(
        &self,
        verified: &Verified,
        signer: Signer,
        issuer: Option<&str>,
        audience: Option<&str>,
        now: Timestamp,
        detail: Verbosity,
    ) -> Verdict {
        let mut verdict = Verdict::with_verbosity(detail);
        verdict.holds("signature", || format!("{} by {}", verified.algorithm(), signer.name()));
        times::check(&mut verdict, verified.claims(), now, IssuedAt::Checked);
        server_access::require(&mut verdict, verified.claims(), issuer, None);
        let payload = verified.claims().as_object();
        let profile = self.profile_of(payload);
        if let Some(audience) = audience {
            judge_audience(&mut verdict, profile, payload, audience);
        }
        self.add(&mut verdict, verified);
        verdict
    }

    /// The profile to judge by: the one asked for, else the one the token names.
    fn profile_of(&self, payload: &Map<String, Value>) -> Option<Profile> {
        match self.profile {
            Some(ProfileChoice::This(profile)) => Some(profile),
            Some(ProfileChoice::Auto) | None => match recognize(payload) {
                Recognition::Profile(profile) => Some(profile),
                Recognition::Both | Recognition::None => None,
            },
        }
    }

    /// Adds the findings on profile and scope.
    pub(super) fn add(&self, verdict: &mut Verdict, verified: &Verified) {
        let (header, payload) = (verified.header().as_object(), verified.claims().as_object());
        if let Some(wanted) = self.profile {
            match (wanted, recognize(payload)) {
                (ProfileChoice::This(profile), _) | (ProfileChoice::Auto, Recognition::Profile(profile)) => {
                    profile::check(profile, header, payload, verdict);
                }
                (ProfileChoice::Auto, Recognition::Both) => {
                    let reason = "has both 'ver' and 'wlcg.ver': a token follows one profile";
                    verdict.fails("profile", reason, None);
                }
                (ProfileChoice::Auto, Recognition::None) => {
                    let reason = "follows no profile: has neither 'wlcg.ver' nor 'ver'";
                    verdict.fails("profile", reason, Some("add \"wlcg.ver\": \"1.0\"".to_owned()));
                }
            }
        }
        let scope = payload.get("scope").and_then(Value::as_str);
        for (text, request) in &self.scope {
            judge_scope(verdict, scope, text, request);
        }
    }
}

fn judge_audience(
    verdict: &mut Verdict,
    profile: Option<Profile>,
    payload: &Map<String, Value>,
    audience: &str,
) {
    const CHECK: &str = "required-audience";
    let found = payload.get("aud").and_then(profile::audiences).unwrap_or_default();
    let good = match profile {
        Some(profile) => is_for(profile, payload, audience),
        None => found.contains(&audience),
    };
    if good {
        let by = if found.contains(&audience) { "" } else { ", as it is for any service" };
        verdict.holds(CHECK, || format!("{}{by}", quote(audience)));
    } else {
        let shown: Vec<String> = found.into_iter().map(quote).collect();
        let reason = format!("found [{}], wanted {}", shown.join(", "), quote(audience));
        verdict.fails(CHECK, reason, None);
    }
}

fn judge_scope(
    verdict: &mut Verdict,
    scope: Option<&str>,
    text: &str,
    request: &Result<AccessRequest, RequestError>,
) {
    const CHECK: &str = "scope";
    let request = match request {
        Ok(request) => request,
        Err(error) => return verdict.fails(CHECK, error.to_string(), None),
    };
    let Some(scope) = scope else {
        return verdict.fails(CHECK, format!("{}: the token has no scope", quote(text)), None);
    };
    match Scopes::parse(scope).permits(request) {
        ScopeDecision::Permitted { by } => {
            verdict.holds(CHECK, || format!("{} is permitted by {}", quote(text), quote(&by)));
        }
        ScopeDecision::Denied(refusal) => {
            verdict.fails(CHECK, format!("{} is not permitted: {refusal}", quote(text)), None);
        }
    }
}

/// What inspection says of a payload that follows a profile, or has scopes of one.
pub(super) struct ScopeSummary {
    pub(super) profile: Option<Profile>,
    /// What each part of the scope permits, in words.
    pub(super) scopes: Vec<String>,
    /// What a validator would refuse, or is against the rules.
    pub(super) remarks: Vec<String>,
}

/// Looks at header and claims without believing them; none when they are not of the federation.
pub(super) fn look(header: &Map<String, Value>, payload: &Map<String, Value>) -> Option<ScopeSummary> {
    let scopes = payload.get("scope").and_then(Value::as_str).map(Scopes::parse).unwrap_or_default();
    let recognition = recognize(payload);
    let names_rights = scopes.parts().iter().any(|part| part.grant != Ok(crate::policy::scope::Grant::Other));
    let mut said = ScopeSummary { profile: None, scopes: Vec::new(), remarks: Vec::new() };
    match recognition {
        Recognition::Profile(profile) => {
            said.profile = Some(profile);
            let mut verdict = Verdict::new();
            profile::check(profile, header, payload, &mut verdict);
            said.remarks = verdict
                .findings()
                .iter()
                .filter(|finding| matches!(finding.state, CheckState::Fail | CheckState::Warn))
                .map(|finding| format!("for {}: {}", profile.title(), finding.reason))
                .collect();
        }
        Recognition::Both => said.remarks.push("it names two profiles, 'ver' and 'wlcg.ver'".to_owned()),
        Recognition::None if names_rights => {}
        Recognition::None => return None,
    }
    said.scopes = scopes.in_words();
    Some(said)
}
