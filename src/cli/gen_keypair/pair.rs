//! A new key in all its formats.

use serde::Serialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::kind::{KeyKind, OutputFormat};
use crate::config::Variable;
use crate::key::der::{write_pkcs8, write_spki};
use crate::key::encoding::encode_standard;
use crate::key::nkey::NkeyRole;
use crate::key::private::generate_hmac_secret;
use crate::key::{Algorithm, KeyError, PrivateKey, SigningKey, jwk, nkey, pem, set, thumbprint};
use crate::util::json_text::serialize_json;
use crate::util::quote::escape_json;
use crate::util::secret::SecretBytes;

/// The length of an HMAC secret in bytes, equal to the hash of HS512 (RFC 7518 3.2).
const HMAC_SECRET_BYTES: usize = 64;

/// The length of the key for web session cookies, in bytes.
const SESSION_BYTES: usize = 32;

/// A key of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPart {
    /// The private key, only for the owner.
    Private,
    /// The public key.
    Public,
}

impl KeyPart {
    pub(super) const fn pem_name(self) -> &'static str {
        match self {
            Self::Private => "private.pem",
            Self::Public => "public.pem",
        }
    }
}

enum Material {
    Pair { key: Box<PrivateKey>, algorithm: Algorithm },
    HmacSecret(SecretBytes),
    Session(SecretBytes),
}

/// A new or existing key.
pub(super) struct NewKey {
    material: Material,
    kid: Option<String>,
}

/// Generates a key.
pub(super) fn make(kind: KeyKind, kid: Option<&str>) -> Result<NewKey, KeyError> {
    let pair = |algorithm| {
        PrivateKey::generate(algorithm).map(|key| Material::Pair { key: Box::new(key), algorithm })
    };
    let material = match kind {
        KeyKind::Ed25519 => pair(Algorithm::EdDsa)?,
        KeyKind::Es256 => pair(Algorithm::Es256)?,
        KeyKind::Es384 => pair(Algorithm::Es384)?,
        KeyKind::Rs256 => pair(Algorithm::Rs256)?,
        KeyKind::Hs512 => Material::HmacSecret(generate_hmac_secret(HMAC_SECRET_BYTES)?),
        KeyKind::Session => Material::Session(generate_hmac_secret(SESSION_BYTES)?),
    };
    Ok(NewKey { material, kid: kid.map(str::to_owned) })
}

/// Creates the key from an existing private key, with its own key ID unless `kid` is set.
///
/// # Errors
/// [`KeyError::UnsupportedFormat`] for an HMAC secret.
pub(super) fn from_signing(given: &SigningKey, kid: Option<&str>) -> Result<NewKey, KeyError> {
    let key =
        given.private_key().ok_or(KeyError::UnsupportedFormat { kind: "HMAC", form: "a pair" })?.clone();
    let material = Material::Pair { key: Box::new(key), algorithm: given.algorithm() };
    Ok(NewKey { material, kid: kid.or(given.kid()).map(str::to_owned) })
}

impl NewKey {
    /// The algorithm as in a JWK; `session` for a key that signs no tokens.
    pub(super) const fn algorithm(&self) -> &'static str {
        match &self.material {
            Material::Pair { algorithm, .. } => algorithm.name(),
            Material::HmacSecret(_) => "HS512",
            Material::Session(_) => "session",
        }
    }

    /// The key ID: `kid` if it is set, otherwise the thumbprint of a pair.
    pub(super) fn kid(&self) -> Option<String> {
        match (&self.kid, &self.material) {
            (Some(kid), _) => Some(kid.clone()),
            (None, Material::Pair { key, .. }) => Some(thumbprint(&key.public())),
            (None, _) => None,
        }
    }

    /// The public key in the server's format, if it has one.
    pub(super) fn public_base64(&self) -> Option<Zeroizing<String>> {
        match &self.material {
            Material::Pair { key, .. } => {
                key.public().ed25519_bytes().ok().map(|bytes| encode_standard(bytes))
            }
            _ => None,
        }
    }

    /// Returns the server's environment variables for this key.
    pub(super) fn variables(&self) -> Result<Vec<(&'static str, Zeroizing<String>)>, KeyError> {
        let one = |variable: Variable, secret: &SecretBytes| {
            vec![(variable.name(), encode_standard(secret.expose()))]
        };
        Ok(match &self.material {
            Material::Pair { key, .. } => {
                let pair = key.to_ed25519_pair()?;
                let public = encode_standard(key.public().ed25519_bytes()?);
                vec![
                    (Variable::JwtPublicKey.name(), public),
                    (Variable::JwtPrivateKey.name(), encode_standard(pair.expose())),
                ]
            }
            Material::HmacSecret(secret) => one(Variable::CrossLoginJwtHs512Key, secret),
            Material::Session(secret) => one(Variable::SessionKey, secret),
        })
    }

    /// Returns the keys in a format, each for a separate file.
    pub(super) fn parts(
        &self,
        format: OutputFormat,
        role: NkeyRole,
    ) -> Result<Vec<(KeyPart, Zeroizing<String>)>, KeyError> {
        let no_form = || KeyError::UnsupportedFormat { kind: "HMAC", form: format.name() };
        match (format, &self.material) {
            (OutputFormat::Env | OutputFormat::Json, _) => {
                Ok(vec![(KeyPart::Private, self.whole(format, role)?)])
            }
            (OutputFormat::Pem, Material::Pair { key, .. }) => Ok(vec![
                (KeyPart::Private, pem::write("PRIVATE KEY", write_pkcs8(key)?.expose())),
                (KeyPart::Public, pem::write("PUBLIC KEY", &write_spki(&key.public())?)),
            ]),
            (OutputFormat::Jwk, Material::Pair { .. }) => self.jwks(),
            (OutputFormat::Jwk, Material::HmacSecret(secret)) => {
                let text = jwk::write_hmac_secret(secret, self.kid.as_deref(), Algorithm::Hs512);
                Ok(vec![(KeyPart::Private, text)])
            }
            (OutputFormat::Jwks, Material::Pair { .. }) => Ok(self
                .jwks()?
                .into_iter()
                .map(|(part, text)| (part, Zeroizing::new(set::write([text.as_str()]))))
                .collect()),
            (OutputFormat::Nkey, Material::Pair { key, .. }) => Ok(vec![
                (KeyPart::Private, nkey::write_seed(key, role)?),
                (KeyPart::Public, Zeroizing::new(nkey::write_public(&key.public(), role)?)),
            ]),
            _ => Err(no_form()),
        }
    }

    fn jwks(&self) -> Result<Vec<(KeyPart, Zeroizing<String>)>, KeyError> {
        let Material::Pair { key, algorithm } = &self.material else {
            return Err(KeyError::UnsupportedFormat { kind: "HMAC", form: "a public JWK" });
        };
        let (kid, algorithm) = (self.kid.as_deref(), Some(*algorithm));
        Ok(vec![
            (KeyPart::Private, jwk::write_private(key, kid, algorithm)?),
            (KeyPart::Public, Zeroizing::new(jwk::write_public(&key.public(), kid, algorithm))),
        ])
    }

    /// Returns the complete key in a format, for a single stream.
    pub(super) fn whole(&self, format: OutputFormat, role: NkeyRole) -> Result<Zeroizing<String>, KeyError> {
        match format {
            OutputFormat::Env => {
                let mut text = Zeroizing::new(String::with_capacity(256));
                for (name, value) in self.variables()? {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    for piece in [name, "=\"", &value, "\""] {
                        text.push_str(piece);
                    }
                }
                Ok(text)
            }
            OutputFormat::Json => Ok(self.report()),
            // The private JWK contains the public key.
            OutputFormat::Jwk | OutputFormat::Jwks => {
                let first = self.parts(format, role)?.into_iter().next();
                Ok(first.map(|(_, text)| text).unwrap_or_default())
            }
            OutputFormat::Pem | OutputFormat::Nkey => {
                let mut text = Zeroizing::new(String::with_capacity(4096));
                for (_, part) in self.parts(format, role)? {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    text.push_str(part.trim_end());
                }
                Ok(text)
            }
        }
    }

    /// Returns a report with every format of the key.
    fn report(&self) -> Zeroizing<String> {
        let variables = self.variables().unwrap_or_default();
        let jwks = self.parts(OutputFormat::Jwk, NkeyRole::User).unwrap_or_default();
        let pems = self.parts(OutputFormat::Pem, NkeyRole::User).unwrap_or_default();
        let env: Map<String, Value> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), json!(**value))).collect();
        let jwk = |part| text_of(&jwks, part).and_then(|text| serde_json::from_str(text).ok());
        let report = NewKeyReport {
            algorithm: self.algorithm(),
            kid: self.kid(),
            env: (!env.is_empty()).then_some(env),
            private_jwk: jwk(KeyPart::Private),
            public_jwk: jwk(KeyPart::Public),
            private_pem: text_of(&pems, KeyPart::Private),
            public_pem: text_of(&pems, KeyPart::Public),
        };
        let text = Zeroizing::new(serialize_json(&report));
        Zeroizing::new(escape_json(&text).into_owned())
    }
}

/// The text of a half, where the form has it.
fn text_of(parts: &[(KeyPart, Zeroizing<String>)], half: KeyPart) -> Option<&str> {
    parts.iter().find(|(part, _)| *part == half).map(|(_, text)| text.as_str())
}

/// The report: a key in each form that it has.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct NewKeyReport<'a> {
    /// The algorithm as in the header of a token, or `session`.
    algorithm: &'static str,
    /// The key ID: `--kid`, or the RFC 7638 thumbprint; null for a key without one.
    kid: Option<String>,
    /// The variables of the server and their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<Map<String, Value>>,
    /// The private key or HMAC secret as a JWK.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_jwk: Option<Map<String, Value>>,
    /// The public key as a JWK.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_jwk: Option<Map<String, Value>>,
    /// The private key as PKCS#8.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_pem: Option<&'a str>,
    /// The public key as SPKI.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_pem: Option<&'a str>,
}
