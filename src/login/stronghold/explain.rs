//! The reason for a login through the provider that the server rejects without one.

use serde_json::Value;

use super::error::StrongholdLoginError;
use super::token::settings_origin;
use crate::login::stored;
use crate::login::ui::LoginEnvironment;
use crate::policy::login_role::{
    AuthUrlDecision, CallbackMode, LoginRole, RoleConfig, RoleType, predict_auth_url,
};
use crate::stronghold::{MountPath, StrongholdClient, StrongholdError, token_of_environment};
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// Returns the error of an empty `auth_url`: the request with the redirect URI of this program, and the one
/// with that of the server, were rejected. The role is read with a token of the environment or of a session, if
/// it may be read.
pub(super) fn no_auth_url(
    client: &StrongholdClient,
    mount: &MountPath,
    role: Option<&str>,
    uris: RedirectUris<'_>,
    environment: &LoginEnvironment<'_>,
) -> StrongholdLoginError {
    let cause = token(client, environment).and_then(|token| {
        let read = read_role(client, &token, mount, role);
        let read = read.inspect_err(|error| log::info!("the role cannot be read: {error}")).ok()?;
        cause(&read.name, &read.role, read.config.as_ref(), uris)
    });
    let (cause, hint) = cause.unwrap_or_else(|| (unknown_cause(uris), None));
    StrongholdLoginError::NoAuthUrl { url: client.display_url(), mount: mount.to_string(), cause, hint }
}

/// The redirect URIs of the rejected requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct RedirectUris<'a> {
    /// That of this program.
    pub(super) local: &'a str,
    /// That of the server, for the mode `direct`.
    pub(super) server: &'a str,
}

/// A role and the configuration of its mount.
struct ReadRole {
    name: String,
    role: Value,
    config: Option<Value>,
}

fn token(client: &StrongholdClient, environment: &LoginEnvironment<'_>) -> Option<SecretText> {
    match token_of_environment(environment.variables) {
        Ok(Some(found)) => return Some(found.token),
        Ok(None) => {}
        Err(error) => log::info!("{error}"),
    }
    let origin = settings_origin(client.settings());
    let now = environment.clock.now();
    stored::server_token(&origin, now, environment.variables, &mut Notes::new()).ok()
}

fn read_role(
    client: &StrongholdClient,
    token: &SecretText,
    mount: &MountPath,
    role: Option<&str>,
) -> Result<ReadRole, StrongholdError> {
    let config = client.read_config(token, mount);
    let name = match (role, &config) {
        // The server converts names to lower case.
        (Some(role), _) => role.to_lowercase(),
        (None, Ok(config)) => {
            config.get("default_role").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        (None, Err(_)) => return Err(config.err().unwrap_or(StrongholdError::RoleName(String::new()))),
    };
    let role = Value::Object(client.read_role(token, mount, &name)?);
    Ok(ReadRole { name, role, config: config.ok().map(Value::Object) })
}

/// Returns the reason that the role shows, with the next step; `None` if the role would accept the request.
fn cause(
    name: &str,
    role: &Value,
    config: Option<&Value>,
    uris: RedirectUris<'_>,
) -> Option<(String, Option<String>)> {
    let role = LoginRole::read(name, role).ok()?;
    let config = config.and_then(|config| RoleConfig::read("config", config).ok());
    if role.role_type == RoleType::Jwt && role.allowed_redirect_uris.is_empty() {
        return Some((
            format!("the role {} is of type jwt and has no redirect URIs", quote(name)),
            Some("log in with a JWT: --token-file FILE, or - for standard input".to_owned()),
        ));
    }
    let uri = if role.callback_mode == CallbackMode::Direct { uris.server } else { uris.local };
    match predict_auth_url(config.as_ref(), &role, uri) {
        AuthUrlDecision::Rejected(rejection) => Some((rejection.to_string(), rejection.hint())),
        AuthUrlDecision::Accepted(_) | AuthUrlDecision::Unknown(_) => None,
    }
}

fn unknown_cause(uris: RedirectUris<'_>) -> String {
    format!(
        "the role does not allow the redirect URI {} or {}; with a token that may read the role, this message has \
         the redirect URIs of the role",
        quote(uris.local),
        quote(uris.server)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URIS: RedirectUris<'_> = RedirectUris {
        local: "http://localhost:8251/oidc/callback",
        server: "https://vault.example/v1/auth/oidc/oidc/callback",
    };

    #[test]
    fn cause_is_the_type_of_the_role_or_its_redirect_uris() {
        let cause = |role: Value| cause("demo", &role, None, URIS);
        let jwt = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["x"]});
        let (text, hint) = cause(jwt).unwrap();
        assert!(text.contains("of type jwt") && hint.unwrap().contains("--token-file"), "{text}");
        let role = |mode: &str, uri: &str| json!({"role_type": "oidc", "user_claim": "sub", "callback_mode": mode, "allowed_redirect_uris": [uri]});
        let (text, _) = cause(role("client", "https://other.example/cb")).unwrap();
        assert!(text.contains(URIS.local) && text.contains("https://other.example/cb"), "{text}");
        let (text, _) = cause(role("direct", "https://other.example/cb")).unwrap();
        assert!(text.contains(URIS.server), "{text}");
        // The role would accept the URI: the reason is another one.
        assert_eq!(cause(role("client", "http://localhost:8250/oidc/callback")), None);
    }
}
