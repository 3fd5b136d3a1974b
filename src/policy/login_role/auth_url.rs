//! Predicts the answer of the reference server to the first request of a login at a provider
//! (`oidc/auth_url`).

use super::config::{RoleConfig, RoleKeySource};
use super::issued::CallbackMode;
use super::redirect_uri::{GoUrl, RedirectMatch, find};
use super::role::LoginRole;
use super::server_only::ServerOnly;
use crate::util::quote::quote;

/// The predicted answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthUrlDecision {
    /// The server returns the URL of the provider. The role determines how the login continues.
    Accepted(CallbackMode),
    /// The server rejects the request; for a redirect URI by an empty URL, with the reason in its log only.
    Rejected(AuthUrlRejection),
    /// The decision depends on a setting whose effect only the server knows.
    Unknown(ServerOnly),
}

/// The reason why the server rejects a request for the URL of a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthUrlRejection {
    /// The mount does not have an OpenID Connect client.
    #[error("the mount has no OpenID Connect client: the configuration has no oidc_client_id")]
    NoClient,
    /// The request does not have a redirect URI.
    #[error("the request has no redirect URI")]
    NoRedirectUri,
    /// The redirect URI is malformed.
    #[error("the redirect URI {} is malformed", quote(.0))]
    Malformed(String),
    /// The role does not have the redirect URI.
    #[error("the redirect URI {} is not in allowed_redirect_uris of the role {} ({})", quote(.uri), quote(.role), listed(.allowed))]
    NotAllowed {
        /// The name of the role.
        role: String,
        /// The redirect URI.
        uri: String,
        /// The redirect URIs of the role.
        allowed: Vec<String>,
    },
    /// The server reads the list up to a malformed entry.
    #[error(
        "allowed_redirect_uris of the role {} has the malformed entry {}: the server rejects every redirect URI \
         that is not before it",
        quote(.role), quote(.entry)
    )]
    MalformedEntry {
        /// The name of the role.
        role: String,
        /// The entry.
        entry: String,
    },
}

impl AuthUrlRejection {
    /// Returns the next step for the user, or for the administrator of the server.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoClient => Some("use a mount with oidc_client_id, or log in with a JWT".to_owned()),
            Self::NoRedirectUri | Self::Malformed(_) => None,
            Self::NotAllowed { uri, allowed, .. } => {
                let difference = allowed.iter().find_map(|entry| difference(uri, entry));
                Some(difference.unwrap_or_else(|| {
                    format!("an administrator of the server can add {} to the role", quote(uri))
                }))
            }
            Self::MalformedEntry { entry, .. } => {
                Some(format!("an administrator of the server can remove {} from the role", quote(entry)))
            }
        }
    }
}

/// Predicts the answer to a request with this redirect URI. Without a configuration, the mount is assumed to
/// have a client. The type of the role does not matter: OpenBao 2.7 accepts a `jwt` role here, too. A role in
/// device mode does not use the redirect URI.
///
/// ```
/// use cc_auth::policy::login_role::{AuthUrlDecision, LoginRole, predict_auth_url};
/// use serde_json::json;
/// let role = json!({"user_claim": "sub", "allowed_redirect_uris": ["http://localhost:8250/oidc/callback"]});
/// let role = LoginRole::read("demo", &role).unwrap();
/// assert!(matches!(
///     predict_auth_url(None, &role, "http://localhost:9999/oidc/callback"),
///     AuthUrlDecision::Accepted(_)
/// ));
/// let AuthUrlDecision::Rejected(reason) = predict_auth_url(None, &role, "http://127.0.0.1:8250/oidc/callback")
/// else { panic!() };
/// assert_eq!(reason.hint().unwrap(), "the role has the host 'localhost', and '127.0.0.1' is another one");
/// ```
#[must_use]
pub fn predict_auth_url(
    config: Option<&RoleConfig>,
    role: &LoginRole,
    redirect_uri: &str,
) -> AuthUrlDecision {
    let has_client = |config: &RoleConfig| {
        config.client_id.is_some() && matches!(config.keys, RoleKeySource::Discovery(_))
    };
    if config.is_some_and(|config| !has_client(config)) {
        return AuthUrlDecision::Rejected(AuthUrlRejection::NoClient);
    }
    if role.callback_mode == CallbackMode::Device {
        return AuthUrlDecision::Accepted(CallbackMode::Device);
    }
    if redirect_uri.is_empty() {
        return AuthUrlDecision::Rejected(AuthUrlRejection::NoRedirectUri);
    }
    let query = redirect_uri.split_once('?').map_or("", |(_, query)| query);
    if query.split('&').any(|pair| pair == "namespace" || pair.starts_with("namespace=")) {
        return AuthUrlDecision::Unknown(ServerOnly {
            setting: "namespace_in_state",
            reason: "the server can move 'namespace' from the redirect URI into the state".to_owned(),
            can_reject: true,
        });
    }
    let (role_name, uri) = (role.name.clone(), redirect_uri.to_owned());
    AuthUrlDecision::Rejected(match find(redirect_uri, &role.allowed_redirect_uris) {
        RedirectMatch::Found => return AuthUrlDecision::Accepted(role.callback_mode),
        RedirectMatch::Malformed => AuthUrlRejection::Malformed(uri),
        RedirectMatch::MalformedEntry(entry) => {
            AuthUrlRejection::MalformedEntry { role: role_name, entry: entry.to_owned() }
        }
        RedirectMatch::Missing => {
            let allowed = role.allowed_redirect_uris.clone();
            AuthUrlRejection::NotAllowed { role: role_name, uri, allowed }
        }
    })
}

/// Returns the only difference between a redirect URI and an entry of the role; `None` if they have nothing
/// in common.
fn difference(uri: &str, entry: &str) -> Option<String> {
    let (requested, allowed) = (GoUrl::parse(uri)?, GoUrl::parse(entry)?);
    if requested.host == allowed.host && requested.path == allowed.path {
        let is_port = !requested.is_loopback() && uri.starts_with(&entry[..entry.find("//")?]);
        let what = if is_port { "the port" } else { "the scheme, the port or the query" };
        return Some(format!("it differs from {} in {what}", quote(entry)));
    }
    if requested.host == allowed.host {
        return Some(format!("it differs from {} in the path", quote(entry)));
    }
    if requested.path == allowed.path && allowed.is_loopback() && requested.is_loopback() {
        let (host, other) = (quote(&allowed.host), quote(&requested.host));
        return Some(format!("the role has the host {host}, and {other} is another one"));
    }
    None
}

fn listed(uris: &[String]) -> String {
    if uris.is_empty() {
        return "an empty list".to_owned();
    }
    let mut shown: Vec<String> = uris.iter().take(5).map(|uri| quote(uri)).collect();
    if uris.len() > shown.len() {
        shown.push(format!("{} more", uris.len() - shown.len()));
    }
    shown.join(", ")
}
