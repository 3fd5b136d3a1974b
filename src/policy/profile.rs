//! The token profiles of the Open Science Data Federation (WLCG 1.3, SciTokens 2.0 and 1.0), and which one
//! a token follows.
//!
//! Only the form of header and claims is checked, not the signature or the current time.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::scope::{Family, Operation};
use crate::util::quote::quote;
use crate::util::suggest::nearest;

/// The audience for any service in the WLCG profile.
pub const WLCG_ANY: &str = "https://wlcg.cern.ch/jwt/v1/any";

/// The audience for any service in SciTokens.
pub const SCITOKENS_ANY: &str = "ANY";

/// A token profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// WLCG Common JWT Profiles, version 1.
    Wlcg,
    /// SciTokens 2.0.
    SciTokens2,
    /// SciTokens 1.0.
    SciTokens1,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 3] = [Self::Wlcg, Self::SciTokens2, Self::SciTokens1];

    /// Returns the name in options and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wlcg => "wlcg",
            Self::SciTokens2 => "scitokens2",
            Self::SciTokens1 => "scitokens1",
        }
    }

    /// Returns the name in text reports.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Wlcg => "WLCG 1",
            Self::SciTokens2 => "SciTokens 2.0",
            Self::SciTokens1 => "SciTokens 1.0",
        }
    }

    /// Returns the family of the profile's scopes.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::Wlcg => Family::Wlcg,
            Self::SciTokens2 | Self::SciTokens1 => Family::SciTokens,
        }
    }

    /// Returns the audience that means any service.
    #[must_use]
    pub const fn any_audience(self) -> &'static str {
        match self {
            Self::Wlcg => WLCG_ANY,
            Self::SciTokens2 | Self::SciTokens1 => SCITOKENS_ANY,
        }
    }

    pub(super) const fn foreign_any_audience(self) -> &'static str {
        match self {
            Self::Wlcg => SCITOKENS_ANY,
            Self::SciTokens2 | Self::SciTokens1 => WLCG_ANY,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error for an unknown profile name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown profile {}: wlcg, scitokens2 or scitokens1", quote(.0))]
pub struct ProfileError(pub String);

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| ProfileError(name.to_owned()))
    }
}

/// The profile of a payload, by its version claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognition {
    /// This profile.
    Profile(Profile),
    /// Two profiles: the payload has `ver` and `wlcg.ver`.
    Both,
    /// No profile.
    None,
}

/// Determines the profile of a payload by `wlcg.ver` and `ver`. A payload with neither and a scope of
/// SciTokens follows SciTokens 1.0.
#[must_use]
pub fn recognize(payload: &Map<String, Value>) -> Recognition {
    let by_ver = payload.get("ver").and_then(Value::as_str).and_then(|ver| {
        let lower = ver.to_ascii_lowercase();
        let number = lower.strip_prefix("scitoken")?;
        Some(if number.trim_start_matches('s').starts_with(":1") {
            Profile::SciTokens1
        } else {
            Profile::SciTokens2
        })
    });
    match (payload.contains_key("wlcg.ver"), by_ver) {
        (true, Some(_)) => Recognition::Both,
        (true, None) if payload.contains_key("ver") => Recognition::Both,
        (true, None) => Recognition::Profile(Profile::Wlcg),
        (false, Some(profile)) => Recognition::Profile(profile),
        (false, None) if !payload.contains_key("ver") && has_scitokens_scope(payload) => {
            Recognition::Profile(Profile::SciTokens1)
        }
        (false, None) => Recognition::None,
    }
}

fn has_scitokens_scope(payload: &Map<String, Value>) -> bool {
    let Some(scope) = payload.get("scope").and_then(Value::as_str) else { return false };
    scope.split(' ').any(|part| {
        let name = part.split(':').next().unwrap_or_default();
        [Operation::Read, Operation::Write, Operation::Queue, Operation::Execute]
            .iter()
            .any(|operation| operation.name() == name)
    })
}

/// Returns why an issuer is not an https URL below which validators find its keys; `None` if it is.
#[must_use]
pub fn https_issuer_problem(issuer: &str) -> Option<&'static str> {
    let Ok(url) = url::Url::parse(issuer) else { return Some("which is not a URL") };
    if url.scheme() != "https" || !issuer.starts_with("https://") {
        Some("expected an https:// URL")
    } else if url.query().is_some() || url.fragment().is_some() {
        Some("which has a query or fragment: no keys can be found under it")
    } else if !url.username().is_empty() || url.password().is_some() {
        Some("which has a user name in it")
    } else if issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("which has blanks in it")
    } else {
        None
    }
}

/// Returns the audiences of an `aud` claim: a string or an array of strings (RFC 7519 4.1.3).
#[must_use]
pub fn audiences(claim: &Value) -> Option<Vec<&str>> {
    match claim {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Returns whether the audience of a token includes a service: by name, or by the profile's audience for
/// any service. SciTokens 1.0 has no such audience: validators require the name.
#[must_use]
pub fn includes_service(profile: Profile, payload: &Map<String, Value>, service: &str) -> bool {
    let list = payload.get("aud").and_then(audiences).unwrap_or_default();
    let for_any = profile != Profile::SciTokens1 && list.contains(&profile.any_audience());
    for_any || list.contains(&service)
}

/// Returns the claim of the profiles whose name is nearest to a misspelled one.
#[must_use]
pub fn nearest_claim(name: &str) -> Option<&'static str> {
    const KNOWN: [&str; 5] = ["scope", "wlcg.ver", "wlcg.groups", "aud", "ver"];
    (!KNOWN.contains(&name) && name.len() > 3).then(|| nearest(name, KNOWN)).flatten()
}
