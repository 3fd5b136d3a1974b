//! The response of the provider in the redirected URL.

use url::form_urlencoded;

use crate::login::oidc::callback::{self, AuthorizationResponse};
use crate::login::oidc::error::OidcError;
use crate::login::oidc::request::PendingAuthorization;

/// Parses the query of the redirect URI and checks `state`. The issuer is checked by the server, which
/// knows the provider.
pub(super) fn parse(query: &str, pending: &PendingAuthorization) -> Result<AuthorizationResponse, OidcError> {
    let issuer = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "iss");
    let issuer = issuer.map(|(_, issuer)| issuer.into_owned()).unwrap_or_default();
    callback::parse(query, pending, &issuer, false)
}
