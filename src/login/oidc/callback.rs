//! Parsing of the authorization response and its check against the pending login. Pure functions.

use url::form_urlencoded;

use super::error::OidcError;
use super::redirect::CALLBACK_PATH;
use super::request::PendingAuthorization;
use crate::oidc::oauth::ErrorResponse;
use crate::util::secret::SecretText;

/// The response to the pending authorization.
#[derive(Debug, Clone)]
pub enum AuthorizationResponse {
    /// An authorization code.
    Code(SecretText),
    /// An error of the provider.
    Error(ErrorResponse),
}

/// Parses the query of the redirect URI and checks `state` and issuer.
///
/// # Errors
/// [`OidcError`].
pub fn parse(
    query: &str,
    pending: &PendingAuthorization,
    issuer: &str,
    names_issuer: bool,
) -> Result<AuthorizationResponse, OidcError> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let one = |name: &str| -> Result<Option<&str>, OidcError> {
        let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(OidcError::DuplicateParameter(name.to_owned())),
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
        }
    };
    let refusal = || -> Option<ErrorResponse> {
        Some(ErrorResponse {
            code: one("error").ok()??.to_owned(),
            description: one("error_description").ok().flatten().map(str::to_owned),
            uri: one("error_uri").ok().flatten().map(str::to_owned),
        })
    };
    // Check the state first: without it, the response may be forged. A duplicate state counts as
    // missing.
    let state = one("state").unwrap_or(None);
    let expected = pending.state.expose().as_bytes();
    let is_ours = state.is_some_and(|state| {
        aws_lc_rs::constant_time::verify_slices_are_equal(state.as_bytes(), expected).is_ok()
    });
    if !is_ours {
        return Err(OidcError::OtherState { missing: state.is_none(), refusal: refusal() });
    }
    match one("iss")? {
        Some(found) if found != issuer => {
            return Err(OidcError::OtherIssuer {
                found: Some(found.to_owned()),
                expected: issuer.to_owned(),
            });
        }
        None if names_issuer => {
            return Err(OidcError::OtherIssuer { found: None, expected: issuer.to_owned() });
        }
        _ => {}
    }
    one("error")?;
    if let Some(refusal) = refusal() {
        return Ok(AuthorizationResponse::Error(refusal));
    }
    one("code")?
        .map(|code| AuthorizationResponse::Code(SecretText::new(code.to_owned())))
        .ok_or(OidcError::EmptyResponse)
}

/// Returns the query of a URL that was copied from a browser. A bare query, with or without the
/// question mark, is also accepted.
///
/// # Errors
/// [`OidcError::NotTheRedirectUri`].
pub fn query_of_pasted_url<'a>(text: &'a str, redirect_uri: &str) -> Result<&'a str, OidcError> {
    let text = text.trim().trim_matches(['"', '\'', '<', '>']);
    let text = text.split('#').next().unwrap_or(text);
    let query = match text.split_once('?') {
        Some((place, query)) if place.is_empty() || place == redirect_uri => Some(query),
        // Browsers omit the default port, and may omit the scheme.
        Some((place, query)) if place.ends_with(CALLBACK_PATH) && !place.contains(' ') => Some(query),
        None if text.contains("state=") && !text.contains([' ', '/']) => Some(text),
        _ => None,
    };
    query.ok_or_else(|| OidcError::NotTheRedirectUri(redirect_uri.to_owned()))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn begun() -> PendingAuthorization {
        let secret = |text: &str| SecretText::new(text.to_owned());
        PendingAuthorization {
            url: Url::parse("https://idp.example/auth").unwrap(),
            redirect_uri: "http://localhost:8250/oidc/callback".to_owned(),
            state: secret("right"),
            nonce: secret("n"),
            verifier: secret("v"),
        }
    }

    fn parse_query(query: &str) -> Result<AuthorizationResponse, OidcError> {
        parse(query, &begun(), "https://idp.example", false)
    }

    #[test]
    fn callback_with_expected_state_returns_the_code() {
        for query in ["code=a%2Fb&state=right", "state=right&code=a%2Fb&iss=https%3A%2F%2Fidp.example&x=y"] {
            let Ok(AuthorizationResponse::Code(code)) = parse_query(query) else { panic!("{query}") };
            assert_eq!(code.expose(), "a/b");
        }
    }

    #[test]
    fn callback_with_other_state_is_unrelated() {
        for query in [
            "",
            "code=c",
            "code=c&state=",
            "code=c&state=wrong",
            "code=c&state=righ",
            "code=c&state=rightt",
            "code=c&state=right&state=right",
            "code=c&state=right&state=wrong",
            "code=c&State=right",
            "iss=https://evil.example&state=wrong&code=c",
        ] {
            let fault = parse_query(query).unwrap_err();
            assert!(
                matches!(fault, OidcError::OtherState { .. }) && fault.is_unrelated(),
                "{query}: {fault:?}"
            );
        }
    }

    #[test]
    fn callback_error_requires_the_expected_state() {
        let Ok(AuthorizationResponse::Error(refusal)) =
            parse_query("error=access_denied&error_description=no%20way%0A&state=right&code=c")
        else {
            panic!()
        };
        assert_eq!(refusal.text(), r"'access_denied': 'no way\n'");
        let stray = parse_query("error=access_denied&error_description=no").unwrap_err();
        assert_eq!(
            stray.to_string(),
            "the response does not belong to this login: it has no 'state'; \
             it has the error 'access_denied': 'no'"
        );
    }

    #[test]
    fn callback_with_other_or_missing_issuer_is_rejected() {
        let other = parse_query("code=c&state=right&iss=https%3A%2F%2Fevil.example").unwrap_err();
        assert!(matches!(other, OidcError::OtherIssuer { .. }) && !other.is_unrelated(), "{other:?}");
        let missing = parse("code=c&state=right", &begun(), "https://idp.example", true).unwrap_err();
        assert!(matches!(missing, OidcError::OtherIssuer { .. }), "{missing:?}");
    }

    #[test]
    fn callback_with_duplicate_or_missing_parameters_is_rejected() {
        assert!(
            matches!(parse_query("code=a&code=b&state=right"), Err(OidcError::DuplicateParameter(name)) if name == "code")
        );
        assert!(
            matches!(parse_query("error=a&error=b&state=right"), Err(OidcError::DuplicateParameter(name)) if name == "error")
        );
        assert!(matches!(parse_query("state=right"), Err(OidcError::EmptyResponse)));
        assert!(matches!(parse_query("state=right&code="), Err(OidcError::EmptyResponse)));
    }

    #[test]
    fn pasted_url_is_accepted_in_every_form_that_browsers_copy() {
        let uri = "http://localhost:8250/oidc/callback";
        for text in [
            "http://localhost:8250/oidc/callback?code=c&state=s",
            "  http://localhost:8250/oidc/callback?code=c&state=s\r\n",
            "\"http://localhost:8250/oidc/callback?code=c&state=s\"",
            "<http://localhost:8250/oidc/callback?code=c&state=s>",
            "localhost:8250/oidc/callback?code=c&state=s#",
            "?code=c&state=s",
            "code=c&state=s",
        ] {
            assert_eq!(query_of_pasted_url(text, uri).unwrap(), "code=c&state=s", "{text}");
        }
        for text in
            ["", "hello", "https://idp.example/login?state=s", "a code=c&state=s", "http://localhost:8250/"]
        {
            assert!(matches!(query_of_pasted_url(text, uri), Err(OidcError::NotTheRedirectUri(_))), "{text}");
        }
    }
}
