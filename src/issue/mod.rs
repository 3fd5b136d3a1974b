//! Tokens for users, with the claims that the server itself would set.
//!
//! [`Issuance::prepare`] looks up all recipients and adds warnings before the first token is signed, so
//! that an unknown name prevents all tokens. [`Issuance::each`] then signs one token at a time, with
//! constant memory use. The command line parses the arguments and writes the tokens.

mod error;
mod lint;
mod recipients;
mod request;

use serde_json::Value;

pub use error::IssueError;
pub use recipients::{Recipient, RecipientSelector};
pub use request::{IssueRequest, JwtId, KeyOwner, Lifetime};

use crate::config::Settings;
use crate::key::SigningKey;
use crate::token::{Claims, HeaderParams, TokenSigner};
use crate::util::note::Notes;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;
use recipients::{RecipientSummary, Recipients};

/// A signed token and its user.
#[derive(Debug)]
pub struct IssuedToken {
    /// The user, with the roles in the token.
    pub recipient: Recipient,
    /// The token.
    pub token: SecretText,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`, if the token expires.
    pub expires_at: Option<Timestamp>,
}

/// A request with its recipients, ready to sign.
#[derive(Debug)]
pub struct Issuance {
    request: IssueRequest,
    recipients: Recipients,
    summary: RecipientSummary,
    header: HeaderParams,
    key: SigningKey,
    expires_at: Option<Timestamp>,
}

impl Issuance {
    /// Looks up all recipients, and adds warnings about the tokens to `notes`.
    ///
    /// # Errors
    /// Returns all errors of the recipients together.
    pub fn prepare(
        request: IssueRequest,
        key: SigningKey,
        settings: &Settings,
        notes: &mut Notes,
    ) -> Result<Self, Vec<IssueError>> {
        let mut header = HeaderParams::for_key(&key);
        if let Some(algorithm) = request.algorithm {
            header.algorithm = algorithm;
        }
        if let Some(kid) = &request.kid {
            header.kid = Some(kid.clone());
        }
        let recipients =
            Recipients::open(&request.recipients, request.roles.clone(), settings).map_err(|e| vec![e])?;
        let summary =
            recipients.summarize(|recipient| lint::is_without_access(recipient, header.algorithm))?;
        let lifetime = match request.lifetime {
            Lifetime::Configured => settings.jwts.max_age.value,
            Lifetime::Unlimited => None,
            Lifetime::Limited(lifetime) => Some(lifetime),
        };
        let expires_at = lifetime.map(|lifetime| request.issued_at.plus(lifetime));
        lint::check(&request, &header, &summary, expires_at, settings, notes);
        Ok(Self { request, recipients, summary, header, key, expires_at })
    }

    /// Returns the recipient, if there is exactly one.
    #[must_use]
    pub fn only_recipient(&self) -> Option<&Recipient> {
        match self.summary.first.as_slice() {
            [one] if self.summary.count == 1 => Some(one),
            _ => None,
        }
    }

    /// Signs the tokens in the order of the recipients and calls `visit` with each.
    ///
    /// # Errors
    /// Errors of signing, of a recipient who no longer exists in the user table, and of `visit`.
    pub fn each<E: From<IssueError>>(
        &self,
        mut visit: impl FnMut(IssuedToken) -> Result<(), E>,
    ) -> Result<(), E> {
        let signer = TokenSigner::new(&self.header, &self.key).map_err(IssueError::from)?;
        self.recipients.each(&self.summary, |recipient| visit(self.sign(recipient, &signer)?))
    }

    fn sign(&self, recipient: Recipient, signer: &TokenSigner) -> Result<IssuedToken, IssueError> {
        let request = &self.request;
        let mut claims = Claims::new();
        claims.set("sub", recipient.name.as_str());
        claims.set("roles", recipient.roles.clone());
        claims.set("iat", request.issued_at.0);
        if let Some(expires_at) = self.expires_at {
            claims.set("exp", expires_at.0);
        }
        if let Some(not_before) = request.not_before {
            claims.set("nbf", not_before.0);
        }
        // The registered claims (RFC 7519 4.1, RFC 8693 4.2) that have their own options.
        if let Some(issuer) = &request.issuer {
            claims.set("iss", issuer.as_str());
        }
        match request.audience.as_slice() {
            [] => {}
            [one] => claims.set("aud", one.as_str()),
            several => claims.set("aud", Value::from(several)),
        }
        if let Some(scope) = &request.scope {
            claims.set("scope", scope.as_str());
        }
        if let JwtId::Fixed(jti) = &request.jti {
            claims.set("jti", jti.as_str());
        }
        for (name, value) in &request.claims {
            claims.set(name.as_str(), value.clone());
        }
        if matches!(request.jti, JwtId::Random) {
            claims.set("jti", random_jti()?);
        }
        let token = signer.sign(&claims)?;
        Ok(IssuedToken { recipient, token, issued_at: request.issued_at, expires_at: self.expires_at })
    }
}

/// Generates a unique `jti` of 128 random bits (RFC 7519 4.1.7).
fn random_jti() -> Result<String, IssueError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| crate::key::KeyError::NoRandom)?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}
