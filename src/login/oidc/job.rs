//! Logins at an OpenID provider without a user at a browser: as the client itself, or with a token that the provider
//! exchanges (RFC 8693).

use super::connection::ProviderConnection;
use super::error::OidcError;
use super::id_token::TokenBinding;
use crate::login::error::LoginError;
use crate::login::identity::Method;
use crate::login::session::Session;
use crate::login::session_token::SessionToken;
use crate::oidc::oauth::SubjectTokenType;
use crate::user::{AuthSource, User};
use crate::util::note::Notes;
use crate::util::secret::SecretText;

/// A login without a browser.
#[derive(Debug, Clone, Copy)]
pub(super) enum JobGrant<'a> {
    /// The client itself (RFC 6749 4.4).
    ClientCredentials,
    /// The user or service of a token.
    Exchange(&'a SecretText, SubjectTokenType),
}

impl ProviderConnection<'_> {
    /// Logs in and creates a session without storing it.
    pub(super) fn session_of_job(
        &self,
        grant: JobGrant<'_>,
        notes: &mut Notes,
    ) -> Result<Session, LoginError> {
        let params = self.params();
        let extra = params.parameters_of_job()?;
        let provider = &self.provider;
        let tokens = match grant {
            JobGrant::ClientCredentials => provider.client_tokens(&params.scopes, &extra),
            JobGrant::Exchange(token, kind) => provider.exchange_token(token, kind, &params.scopes, &extra),
        }
        .map_err(OidcError::from)?;
        match (grant, &tokens.id_token, &tokens.access_token) {
            (JobGrant::ClientCredentials, None, Some(access_token)) => {
                let access_token =
                    SessionToken::access(access_token.clone(), tokens.expires_in, self.clock.now());
                self.session_of_client(access_token, notes)
            }
            (JobGrant::ClientCredentials, _, _) => self.session_of(tokens, TokenBinding::Device, notes),
            (JobGrant::Exchange(..), _, _) => self.session_of(tokens, TokenBinding::TokenExchange, notes),
        }
    }

    /// Creates the session of a client about which the provider returns an access token only. It has no token for
    /// the server: a client ID is not a username.
    fn session_of_client(
        &self,
        access_token: SessionToken,
        notes: &mut Notes,
    ) -> Result<Session, LoginError> {
        let client_id = &self.config.registration.client_id;
        if let Some(expected) = self.expected_username.filter(|expected| expected != client_id) {
            let (found, expected) = (client_id.clone(), expected.to_owned());
            return Err(OidcError::OtherUser { found, expected }.into());
        }
        notes.note(
            "the provider sent no ID token: the session has no token for the server, only an access token (--kind access)",
        );
        let user = User {
            username: client_id.clone(),
            name: None,
            roles: Vec::new(),
            projects: Vec::new(),
            email: None,
            source: AuthSource::Oidc,
        };
        Ok(Session {
            key: self.key.clone(),
            user,
            method: Method::Oidc,
            issued_at: self.clock.now(),
            expires_at: access_token.expires_at,
            token: None,
            refresh: None,
            refresh_rejected_at: None,
            id_token: None,
            ca_file: self.config.ca_file.clone(),
            access_token: Some(access_token),
            stronghold: None,
        })
    }
}
