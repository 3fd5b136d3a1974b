//! The authorization request, and the secrets that bind the response to it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;
use zeroize::Zeroizing;

use super::error::OidcError;
use crate::oidc::oauth::pkce;
use crate::util::secret::SecretText;

/// Parameters that the flow sets.
const RESERVED: [&str; 20] = [
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "response_type",
    "response_mode",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "code",
    "code_verifier",
    "grant_type",
    "subject_token",
    "subject_token_type",
    "requested_token_type",
    "request",
    "request_uri",
];

/// The parameters of an authorization request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorizationParams {
    /// The scopes, `openid` first.
    pub scopes: Vec<String>,
    /// The username for the login page of the provider.
    pub login_hint: Option<String>,
    /// The maximum age of a login at the provider, in seconds.
    pub max_age: Option<i64>,
    /// Further parameters, such as `prompt` or `acr_values`.
    pub extra: Vec<(String, String)>,
}

impl AuthorizationParams {
    /// Returns the parameters that the flow does not set, in order.
    ///
    /// # Errors
    /// [`OidcError::ReservedParameter`].
    pub fn parameters(&self) -> Result<Vec<(String, String)>, OidcError> {
        let mut all = Vec::new();
        if let Some(hint) = &self.login_hint {
            all.push(("login_hint".to_owned(), hint.clone()));
        }
        if let Some(seconds) = self.max_age {
            all.push(("max_age".to_owned(), seconds.to_string()));
        }
        self.add_extra(&mut all)?;
        Ok(all)
    }

    /// Returns the further parameters for a request without a user, which has neither a hint nor an age.
    ///
    /// # Errors
    /// [`OidcError::ReservedParameter`].
    pub fn parameters_of_job(&self) -> Result<Vec<(String, String)>, OidcError> {
        let mut all = Vec::new();
        self.add_extra(&mut all)?;
        Ok(all)
    }

    /// Adds the further parameters; of one that is set twice, the last one counts (RFC 6749 3.1 and 3.2).
    fn add_extra(&self, all: &mut Vec<(String, String)>) -> Result<(), OidcError> {
        for (key, value) in &self.extra {
            if RESERVED.contains(&key.as_str()) {
                return Err(OidcError::ReservedParameter(key.clone()));
            }
            all.retain(|(known, _)| known != key);
            all.push((key.clone(), value.clone()));
        }
        Ok(())
    }
}

/// The browser to open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BrowserChoice {
    /// The browser of `$BROWSER` or of the desktop.
    #[default]
    Default,
    /// This command; the URL replaces `%s` or is appended.
    Command(String),
    /// No browser: the URL is only printed.
    Skip,
}

/// A pending authorization in a browser.
#[derive(Debug, Clone)]
pub struct PendingAuthorization {
    /// The URL for the login. It contains no secret: state and nonce are useless without the
    /// verifier.
    pub url: Url,
    /// The redirect URI.
    pub redirect_uri: String,
    /// The `state` of the response (RFC 6749 10.12).
    pub state: SecretText,
    /// The `nonce` of the ID token (OpenID Connect Core 3.1.2.1).
    pub nonce: SecretText,
    /// The code verifier of PKCE (RFC 7636).
    pub verifier: SecretText,
}

/// Creates a pending authorization with new secrets and the URL for the browser.
///
/// # Errors
/// [`OidcError::NoRandom`], [`OidcError::ReservedParameter`].
pub fn begin(
    endpoint: &Url,
    client_id: &str,
    redirect_uri: String,
    params: &AuthorizationParams,
) -> Result<PendingAuthorization, OidcError> {
    let parameters = params.parameters()?;
    let (state, nonce, verifier) = (random_text()?, random_text()?, random_text()?);
    let mut url = endpoint.clone();
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", &redirect_uri)
        .append_pair("scope", &params.scopes.join(" "))
        .append_pair("state", state.expose())
        .append_pair("nonce", nonce.expose())
        .append_pair("code_challenge", &pkce::challenge(&verifier))
        .append_pair("code_challenge_method", "S256");
    for (key, value) in &parameters {
        query.append_pair(key, value);
    }
    drop(query);
    Ok(PendingAuthorization { url, redirect_uri, state, nonce, verifier })
}

/// Returns 256 random bits of the system as 43 characters.
pub(in crate::login) fn random_text() -> Result<SecretText, OidcError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| OidcError::NoRandom(error.to_string()))?;
    Ok(SecretText::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_creates_new_secrets_and_pkce_for_each_login() {
        let endpoint = Url::parse("https://idp.example/auth?tenant=1").unwrap();
        let ask = AuthorizationParams {
            scopes: vec!["openid".to_owned(), "profile".to_owned()],
            login_hint: Some("clara & co".to_owned()),
            max_age: Some(300),
            extra: vec![("prompt".to_owned(), "login".to_owned())],
        };
        let begin = || begin(&endpoint, "cc", "http://localhost:1/oidc/callback".to_owned(), &ask).unwrap();
        let (one, two) = (begin(), begin());
        assert_ne!(one.state, two.state);
        assert_ne!(one.nonce, two.nonce);
        assert_ne!(one.verifier, two.verifier);
        assert_eq!(one.verifier.expose().len(), 43);
        let query: Vec<(String, String)> = one.url.query_pairs().into_owned().collect();
        let value = |name: &str| {
            let found: Vec<_> = query.iter().filter(|(key, _)| key == name).collect();
            assert_eq!(found.len(), 1, "{name}: {query:?}");
            found[0].1.clone()
        };
        assert_eq!(value("tenant"), "1");
        assert_eq!(value("scope"), "openid profile");
        assert_eq!(value("login_hint"), "clara & co");
        assert_eq!(value("max_age"), "300");
        assert_eq!(value("prompt"), "login");
        assert_eq!(value("code_challenge_method"), "S256");
        assert_eq!(value("code_challenge"), pkce::challenge(&one.verifier));
        assert_eq!(value("state"), one.state.expose());
        assert_eq!(value("nonce"), one.nonce.expose());
        assert!(!one.url.as_str().contains(one.verifier.expose()));
    }

    #[test]
    fn begin_rejects_parameters_of_the_flow() {
        for name in RESERVED {
            let ask = AuthorizationParams {
                extra: vec![(name.to_owned(), "x".to_owned())],
                ..AuthorizationParams::default()
            };
            assert!(matches!(ask.parameters(), Err(OidcError::ReservedParameter(_))), "{name}");
        }
        let ask = AuthorizationParams {
            login_hint: Some("clara".to_owned()),
            extra: vec![("login_hint".to_owned(), "fritz".to_owned())],
            ..AuthorizationParams::default()
        };
        assert_eq!(ask.parameters().unwrap(), [("login_hint".to_owned(), "fritz".to_owned())]);
    }
}
