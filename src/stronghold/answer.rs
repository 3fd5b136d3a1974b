//! The answers to a login.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::util::secret::SecretText;

/// The token that a login issues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token.
    pub token: SecretText,
    /// The policies of the token and of its identity.
    pub policies: Vec<String>,
    /// The metadata: `role`, and the mapped claims. Values that are not strings are left out.
    pub metadata: BTreeMap<String, String>,
    /// The lifetime in seconds; `None` never expires.
    pub lifetime: Option<u64>,
    /// Whether the token can be renewed.
    pub renewable: bool,
    /// The type, `service` or `batch`.
    pub kind: String,
    /// The number of requests that the token permits; `None` has no limit.
    pub uses: Option<u64>,
}

/// A token that is delivered in a response wrap: it can be fetched once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedToken {
    /// The wrapping token.
    pub token: SecretText,
    /// The lifetime of the wrapping token, in seconds.
    pub lifetime: u64,
    /// The path of the request whose answer is wrapped, which the receiver compares.
    pub creation_path: String,
}

/// One method of a second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MfaMethod {
    /// The ID of the method.
    pub id: String,
    /// The type: `totp`, `duo`, `okta`, `pingid`.
    pub kind: String,
    /// Whether the user has to enter a passcode.
    pub uses_passcode: bool,
    /// The name, if it has one.
    pub name: Option<String>,
}

/// A constraint of a second factor: one of its methods must be validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MfaConstraint {
    /// The name.
    pub name: String,
    /// The methods.
    pub methods: Vec<MfaMethod>,
}

/// The second factor that completes a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MfaRequirement {
    /// The ID of the pending login.
    pub request_id: SecretText,
    /// The constraints, each of which must be met; sorted by name.
    pub constraints: Vec<MfaConstraint>,
}

/// The answer to a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginAnswer {
    /// The login is complete.
    Token(IssuedToken),
    /// The login is complete, and its token is wrapped.
    Wrapped(WrappedToken),
    /// The login requires a second factor.
    Mfa(MfaRequirement),
}

/// The document of an answer. Members that are not used are ignored.
#[derive(Deserialize)]
pub(super) struct AnswerDocument {
    auth: Option<AuthDocument>,
    wrap_info: Option<WrapDocument>,
    pub(super) data: Option<Value>,
    warnings: Option<Vec<String>>,
}

impl fmt::Debug for AnswerDocument {
    /// Omits the members, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerDocument").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct AuthDocument {
    #[serde(default)]
    client_token: String,
    policies: Option<Vec<String>>,
    metadata: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    lease_duration: i64,
    #[serde(default)]
    renewable: bool,
    #[serde(default)]
    token_type: String,
    // OpenBao returns a negative number of a role, which does not limit the token.
    #[serde(default)]
    num_uses: i64,
    mfa_requirement: Option<MfaDocument>,
}

#[derive(Deserialize)]
struct MfaDocument {
    mfa_request_id: String,
    #[serde(default)]
    mfa_constraints: BTreeMap<String, ConstraintDocument>,
}

#[derive(Deserialize)]
struct ConstraintDocument {
    #[serde(default)]
    any: Vec<MethodDocument>,
}

#[derive(Deserialize)]
struct MethodDocument {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    uses_passcode: bool,
    name: Option<String>,
}

#[derive(Deserialize)]
struct WrapDocument {
    token: String,
    #[serde(default)]
    ttl: u64,
    #[serde(default)]
    creation_path: String,
}

impl AnswerDocument {
    /// Returns the warnings of the server.
    pub(super) fn warnings(&self) -> &[String] {
        self.warnings.as_deref().unwrap_or_default()
    }

    /// Returns the lifetime in seconds and whether the token can be renewed, from the answer to a renewal.
    pub(super) fn lease(&self) -> Option<(Option<u64>, bool)> {
        let auth = self.auth.as_ref()?;
        Some((positive(auth.lease_duration), auth.renewable))
    }

    /// Returns the outcome of a login, or `None` if the document has none.
    pub(super) fn login(self) -> Option<LoginAnswer> {
        if let Some(wrap) = self.wrap_info {
            let WrapDocument { token, ttl, creation_path } = wrap;
            let token = valid_token(token)?;
            return Some(LoginAnswer::Wrapped(WrappedToken { token, lifetime: ttl, creation_path }));
        }
        let auth = self.auth?;
        if let Some(mfa) = auth.mfa_requirement {
            return Some(LoginAnswer::Mfa(mfa.requirement()));
        }
        let token = valid_token(auth.client_token)?;
        let metadata = auth.metadata.unwrap_or_default().into_iter();
        Some(LoginAnswer::Token(IssuedToken {
            token,
            policies: auth.policies.unwrap_or_default(),
            metadata: metadata.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect(),
            lifetime: positive(auth.lease_duration),
            renewable: auth.renewable,
            kind: auth.token_type,
            uses: positive(auth.num_uses),
        }))
    }
}

impl MfaDocument {
    fn requirement(self) -> MfaRequirement {
        let constraints = self.mfa_constraints.into_iter();
        MfaRequirement {
            request_id: SecretText::new(self.mfa_request_id),
            constraints: constraints
                .map(|(name, constraint)| MfaConstraint {
                    name,
                    methods: constraint
                        .any
                        .into_iter()
                        .map(|MethodDocument { id, kind, uses_passcode, name }| MfaMethod {
                            id,
                            kind,
                            uses_passcode,
                            name: name.filter(|name| !name.is_empty()),
                        })
                        .collect(),
                })
                .collect(),
        }
    }
}

/// Whether a text can be a token: it fits into a header, and has no effect on a terminal.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (0x21..0x7f).contains(&byte))
}

fn valid_token(text: String) -> Option<SecretText> {
    let token = SecretText::new(text);
    is_token(token.expose()).then_some(token)
}

/// Returns a number that is a limit, such as a lifetime in seconds; 0 and negative numbers do not limit.
pub(super) fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number > 0)
}
