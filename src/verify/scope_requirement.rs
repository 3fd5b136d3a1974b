//! Requirements on a token of the Open Science Data Federation: its profile, and the operations that
//! its scope must permit.

use serde_json::{Map, Value};

use crate::policy::profile::{self, Profile, Recognition, includes_service, recognize};
use crate::policy::profile_checks;
use crate::policy::scope::{AccessRequest, RequestError, ScopeDecision, Scopes};
use crate::policy::times::{self, IssuedAt};
use crate::policy::{Signer, Verbosity, Verdict, server_access};
use crate::token::Verified;
use crate::util::quote::quote;
use crate::util::time::Timestamp;

/// The required profile and operations.
#[derive(Debug, Clone, Default)]
pub struct ScopeRequirement {
    /// The profile, if one is required.
    pub profile: Option<ProfileChoice>,
    /// The operations that the scope must permit.
    pub operations: Vec<RequiredOperation>,
}

/// The profile whose rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileChoice {
    /// The profile that the token specifies.
    Auto,
    /// A fixed profile.
    Fixed(Profile),
}

/// An operation on a path, as typed and as parsed. The check fails if the path is not normalized.
#[derive(Debug, Clone)]
pub struct RequiredOperation {
    /// `storage.read:/x/y`.
    pub text: String,
    /// The parsed operation, or the error of its path.
    pub request: Result<AccessRequest, RequestError>,
}

impl ScopeRequirement {
    /// Returns whether there are no requirements.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.profile.is_none() && self.operations.is_empty()
    }

    /// Checks a verified token without the server's rules: signature, times and these requirements.
    pub(super) fn evaluate(
        &self,
        verified: &Verified,
        signer: Signer,
        issuer: Option<&str>,
        audience: Option<&str>,
        now: Timestamp,
        verbosity: Verbosity,
    ) -> Verdict {
        let mut verdict = Verdict::with_verbosity(verbosity);
        verdict.pass("signature", || format!("{} by {}", verified.algorithm(), signer.name()));
        times::check(&mut verdict, verified.claims(), now, IssuedAt::Checked);
        server_access::require(&mut verdict, verified.claims(), issuer, None);
        let payload = verified.claims().as_object();
        if let Some(audience) = audience {
            check_audience(&mut verdict, self.profile_of(payload), payload, audience);
        }
        self.check(&mut verdict, verified);
        verdict
    }

    /// Returns the required profile, or else the one that the token specifies.
    fn profile_of(&self, payload: &Map<String, Value>) -> Option<Profile> {
        match self.profile {
            Some(ProfileChoice::Fixed(profile)) => Some(profile),
            Some(ProfileChoice::Auto) | None => match recognize(payload) {
                Recognition::Profile(profile) => Some(profile),
                Recognition::Both | Recognition::None => None,
            },
        }
    }

    /// Adds the checks of profile and scope.
    pub(super) fn check(&self, verdict: &mut Verdict, verified: &Verified) {
        let (header, payload) = (verified.header().as_object(), verified.claims().as_object());
        if let Some(required) = self.profile {
            match (required, recognize(payload)) {
                (ProfileChoice::Fixed(profile), _) | (ProfileChoice::Auto, Recognition::Profile(profile)) => {
                    profile_checks::check(profile, header, payload, verdict);
                }
                (ProfileChoice::Auto, Recognition::Both) => {
                    let reason = "both 'ver' and 'wlcg.ver' found: a token follows one profile";
                    verdict.fail("profile", reason, None);
                }
                (ProfileChoice::Auto, Recognition::None) => {
                    let reason = "no profile: neither 'wlcg.ver' nor 'ver' found";
                    verdict.fail("profile", reason, Some("add \"wlcg.ver\": \"1.0\"".to_owned()));
                }
            }
        }
        let scope = payload.get("scope").and_then(Value::as_str);
        for operation in &self.operations {
            check_operation(verdict, scope, operation);
        }
    }
}

fn check_audience(
    verdict: &mut Verdict,
    profile: Option<Profile>,
    payload: &Map<String, Value>,
    audience: &str,
) {
    const CHECK: &str = "required-audience";
    let found = payload.get("aud").and_then(profile::audiences).unwrap_or_default();
    let passes = match profile {
        Some(profile) => includes_service(profile, payload, audience),
        None => found.contains(&audience),
    };
    if passes {
        let any = if found.contains(&audience) { "" } else { ": the token is for any service" };
        verdict.pass(CHECK, || format!("{}{any}", quote(audience)));
    } else {
        let shown: Vec<String> = found.into_iter().map(quote).collect();
        let reason = format!("expected {}, found [{}]", quote(audience), shown.join(", "));
        verdict.fail(CHECK, reason, None);
    }
}

fn check_operation(verdict: &mut Verdict, scope: Option<&str>, operation: &RequiredOperation) {
    const CHECK: &str = "scope";
    let text = &operation.text;
    let request = match &operation.request {
        Ok(request) => request,
        Err(error) => return verdict.fail(CHECK, error.to_string(), None),
    };
    let Some(scope) = scope else {
        return verdict.fail(CHECK, format!("{}: the token has no scope", quote(text)), None);
    };
    match Scopes::parse(scope).permits(request) {
        ScopeDecision::Permitted { by } => {
            verdict.pass(CHECK, || format!("{} is permitted by {}", quote(text), quote(&by)));
        }
        ScopeDecision::Denied(denial) => {
            verdict.fail(CHECK, format!("{} is not permitted: {denial}", quote(text)), None);
        }
    }
}
