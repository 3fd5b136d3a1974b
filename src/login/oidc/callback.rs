//! What the browser brings back from the provider, and whether it belongs to the login that was
//! begun. Pure.

use url::form_urlencoded;

use super::error::OidcError;
use super::redirect::CALLBACK_PATH;
use super::request::PendingAuthorization;
use crate::oidc::oauth::ErrorResponse;
use crate::util::secret::SecretText;

/// What came back for the login that was begun.
#[derive(Debug, Clone)]
pub enum AuthorizationResponse {
    /// A code that becomes tokens.
    Code(SecretText),
    /// The provider said no.
    Error(ErrorResponse),
}

/// Judges the query of a callback.
///
/// # Errors
/// [`OidcError`].
pub fn parse(
    query: &str,
    begun: &PendingAuthorization,
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
    // State comes first: nothing else is looked at before it is known whose answer this is. Two
    // of them are none.
    let state = one("state").unwrap_or(None);
    let wanted = begun.state.expose().as_bytes();
    let is_ours = state.is_some_and(|state| {
        aws_lc_rs::constant_time::verify_slices_are_equal(state.as_bytes(), wanted).is_ok()
    });
    if !is_ours {
        return Err(OidcError::OtherState { missing: state.is_none(), refusal: refusal() });
    }
    match one("iss")? {
        Some(found) if found != issuer => {
            return Err(OidcError::OtherIssuer { found: found.to_owned(), wanted: issuer.to_owned() });
        }
        None if names_issuer => {
            return Err(OidcError::OtherIssuer { found: String::new(), wanted: issuer.to_owned() });
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

/// The query of an address that was copied out of a browser. A bare query, with or without its
/// question mark, is taken as well.
///
/// # Errors
/// [`OidcError::NotTheRedirectUri`].
pub fn query_of_pasted_url<'a>(text: &'a str, redirect_uri: &str) -> Result<&'a str, OidcError> {
    let text = text.trim().trim_matches(['"', '\'', '<', '>']);
    let text = text.split('#').next().unwrap_or(text);
    let query = match text.split_once('?') {
        Some((place, query)) if place.is_empty() || place == redirect_uri => Some(query),
        // A browser leaves out a scheme's own port, and may leave out the scheme.
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

    fn judge(query: &str) -> Result<AuthorizationResponse, OidcError> {
        parse(query, &begun(), "https://idp.example", false)
    }

    #[test]
    fn a_code_with_the_right_state_is_the_answer() {
        for query in ["code=a%2Fb&state=right", "state=right&code=a%2Fb&iss=https%3A%2F%2Fidp.example&x=y"] {
            let Ok(AuthorizationResponse::Code(code)) = judge(query) else { panic!("{query}") };
            assert_eq!(code.expose(), "a/b");
        }
    }

    #[test]
    fn another_state_is_never_looked_into() {
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
            let fault = judge(query).unwrap_err();
            assert!(
                matches!(fault, OidcError::OtherState { .. }) && fault.is_unrelated(),
                "{query}: {fault:?}"
            );
        }
    }

    #[test]
    fn a_refusal_is_the_answer_only_with_the_right_state() {
        let Ok(AuthorizationResponse::Error(refusal)) =
            judge("error=access_denied&error_description=no%20way%0A&state=right&code=c")
        else {
            panic!()
        };
        assert_eq!(refusal.text(), r"'access_denied': 'no way\n'");
        let stray = judge("error=access_denied&error_description=no").unwrap_err();
        assert_eq!(
            stray.to_string(),
            "what came back is not for the login that was begun: it has no 'state'; \
             it says 'access_denied': 'no'"
        );
    }

    #[test]
    fn another_issuer_or_a_missing_one_that_was_promised_is_refused() {
        let other = judge("code=c&state=right&iss=https%3A%2F%2Fevil.example").unwrap_err();
        assert!(matches!(other, OidcError::OtherIssuer { .. }) && !other.is_unrelated(), "{other:?}");
        let missing = parse("code=c&state=right", &begun(), "https://idp.example", true).unwrap_err();
        assert!(matches!(missing, OidcError::OtherIssuer { .. }), "{missing:?}");
    }

    #[test]
    fn doubled_and_missing_parameters_are_refused() {
        assert!(
            matches!(judge("code=a&code=b&state=right"), Err(OidcError::DuplicateParameter(name)) if name == "code")
        );
        assert!(
            matches!(judge("error=a&error=b&state=right"), Err(OidcError::DuplicateParameter(name)) if name == "error")
        );
        assert!(matches!(judge("state=right"), Err(OidcError::EmptyResponse)));
        assert!(matches!(judge("state=right&code="), Err(OidcError::EmptyResponse)));
    }

    #[test]
    fn what_a_person_copies_is_found_in_every_way_of_copying_it() {
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
