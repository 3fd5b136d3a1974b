//! The forms in which a token is printed for another program, so that the token is never an argument,
//! which every account can read in the list of processes.
//!
//! ```
//! use cc_auth::token::TokenFormat;
//! use cc_auth::util::secret::SecretText;
//! let token = SecretText::new("a.b.c".to_owned());
//! let line = TokenFormat::Header.render(&token, None)?;
//! assert_eq!(line.expose(), "Authorization: Bearer a.b.c");
//! # Ok::<(), cc_auth::token::TokenFormatError>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::util::diagnostic::diagnostics;
use crate::util::environment::{Environment, VariableName};
use crate::util::json;
use crate::util::json_text::serialize_json;
use crate::util::kind::Kind;
use crate::util::printable::PrintableText;
use crate::util::secret::SecretText;
use crate::util::shell;
use crate::util::time::Timestamp;

/// The variable in which a Kubernetes client passes its `ExecCredential`.
const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";

/// The API group of `ExecCredential`.
const EXEC_GROUP: &str = "client.authentication.k8s.io";

/// The form in which a token is printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TokenFormat {
    /// The token alone.
    #[default]
    Plain,
    /// An HTTP header, for `curl -H @FILE`.
    Header,
    /// A line of a curl configuration file, for `curl -K FILE`.
    CurlConfig,
    /// A shell command that sets and exports this variable.
    Export(VariableName),
    /// The answer of a credential plugin to a Kubernetes client.
    ExecCredential(ExecCredentialVersion),
}

/// The reason a token cannot be printed in a form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFormatError {
    /// The token has a character that is not permitted in `Authorization: Bearer` (RFC 6750 2.1). A
    /// line end in it would add another header.
    #[error("the token has a character that a bearer token cannot have (RFC 6750 2.1)")]
    Characters,
    /// The variable is not the JSON of an `ExecCredential`.
    #[error("{EXEC_INFO} is not the JSON of an ExecCredential of {EXEC_GROUP}")]
    ExecInfo,
    /// The client expects an unknown version.
    #[error("{EXEC_INFO} has the version {0}: expected v1 or v1beta1")]
    ExecVersion(PrintableText),
}

diagnostics! { TokenFormatError:
    Self::Characters => Kind::TokenCharacters;
    Self::ExecInfo => Kind::ExecInfoMalformed,
        "only a Kubernetes client sets this variable; to try the command: unset KUBERNETES_EXEC_INFO";
    Self::ExecVersion(_) => Kind::ExecInfoMalformed,
        "set 'apiVersion: client.authentication.k8s.io/v1' below 'exec' of the user in the kubeconfig";
}

/// A version of `client.authentication.k8s.io`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExecCredentialVersion {
    /// `v1`.
    #[default]
    V1,
    /// `v1beta1`.
    V1Beta1,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecInfo {
    api_version: String,
    kind: String,
}

impl ExecCredentialVersion {
    /// Returns the version that the Kubernetes client expects, which is that of its
    /// `KUBERNETES_EXEC_INFO`; without this variable the newest version.
    ///
    /// # Errors
    /// [`TokenFormatError::ExecInfo`], [`TokenFormatError::ExecVersion`].
    pub fn from_environment(environment: &Environment) -> Result<Self, TokenFormatError> {
        let Some(text) = environment.non_empty(EXEC_INFO) else { return Ok(Self::default()) };
        let info: ExecInfo = json::typed(text.as_bytes()).map_err(|_| TokenFormatError::ExecInfo)?;
        match info.api_version.split_once('/') {
            Some((EXEC_GROUP, version)) if info.kind == "ExecCredential" => match version {
                "v1" => Ok(Self::V1),
                "v1beta1" => Ok(Self::V1Beta1),
                other => Err(TokenFormatError::ExecVersion(PrintableText::one_of(other, &["v1alpha1"]))),
            },
            _ => Err(TokenFormatError::ExecInfo),
        }
    }

    const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "client.authentication.k8s.io/v1",
            Self::V1Beta1 => "client.authentication.k8s.io/v1beta1",
        }
    }
}

/// `ExecCredential`, as far as a credential plugin writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential<'a> {
    api_version: &'static str,
    kind: &'static str,
    status: ExecCredentialStatus<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredentialStatus<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_timestamp: Option<String>,
    token: &'a str,
}

impl TokenFormat {
    /// Formats a token as one line, without its end. `expires_at` is the expiry; `None` for a token
    /// that does not expire.
    ///
    /// # Errors
    /// [`TokenFormatError::Characters`].
    pub fn render(
        &self,
        token: &SecretText,
        expires_at: Option<Timestamp>,
    ) -> Result<SecretText, TokenFormatError> {
        let token = token.expose();
        if !is_bearer_token(token) {
            return Err(TokenFormatError::Characters);
        }
        Ok(SecretText::new(match self {
            Self::Plain => token.to_owned(),
            Self::Header => format!("Authorization: Bearer {token}"),
            // The characters of a bearer token have no meaning between the quotes.
            Self::CurlConfig => format!("header = \"Authorization: Bearer {token}\""),
            Self::Export(name) => format!("export {name}={}", shell::word(token)),
            Self::ExecCredential(version) => exec_credential(*version, token, expires_at),
        }))
    }
}

fn exec_credential(version: ExecCredentialVersion, token: &str, expires_at: Option<Timestamp>) -> String {
    // A client cannot read a year after 9999, which is written as a number.
    let expiration = expires_at.map(Timestamp::rfc3339).filter(|text| text.ends_with('Z'));
    let document = ExecCredential {
        api_version: version.api_version(),
        kind: "ExecCredential",
        status: ExecCredentialStatus { expiration_timestamp: expiration, token },
    };
    serialize_json(&document)
}

/// Whether a text is a `b64token`, the form of a bearer token (RFC 6750 2.1).
#[must_use]
pub fn is_bearer_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(format: &TokenFormat) -> String {
        let token = SecretText::new("aa.bb.c-_=".to_owned());
        format.render(&token, Some(Timestamp(1_000_000_000))).unwrap().expose().to_owned()
    }

    fn exec_info(text: &str) -> Result<ExecCredentialVersion, TokenFormatError> {
        ExecCredentialVersion::from_environment(
            &[(EXEC_INFO.to_owned(), text.to_owned())].into_iter().collect(),
        )
    }

    #[test]
    fn token_format_prints_one_line_for_its_program() {
        assert_eq!(rendered(&TokenFormat::Plain), "aa.bb.c-_=");
        assert_eq!(rendered(&TokenFormat::Header), "Authorization: Bearer aa.bb.c-_=");
        assert_eq!(rendered(&TokenFormat::CurlConfig), "header = \"Authorization: Bearer aa.bb.c-_=\"");
        let name = "TOKEN".parse().unwrap();
        assert_eq!(rendered(&TokenFormat::Export(name)), "export TOKEN=aa.bb.c-_=");
        assert_eq!(
            rendered(&TokenFormat::ExecCredential(ExecCredentialVersion::V1)),
            "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\
             \"status\":{\"expirationTimestamp\":\"2001-09-09T01:46:40Z\",\"token\":\"aa.bb.c-_=\"}}"
        );
    }

    #[test]
    fn exec_credential_without_a_printable_expiry_omits_it() {
        let token = SecretText::new("a.b.c".to_owned());
        let format = TokenFormat::ExecCredential(ExecCredentialVersion::V1Beta1);
        for expires_at in [None, Some(Timestamp(i64::MAX))] {
            assert_eq!(
                format.render(&token, expires_at).unwrap().expose(),
                "{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\"ExecCredential\",\
                 \"status\":{\"token\":\"a.b.c\"}}"
            );
        }
    }

    #[test]
    fn token_with_another_character_is_rejected_in_every_form() {
        for text in ["", "=", "a b", "a\r\nX-Role: admin", "a\"b", "a'b", "a$b", "ä", "a=b", "a\0"] {
            let token = SecretText::new(text.to_owned());
            for format in [
                TokenFormat::Plain,
                TokenFormat::Header,
                TokenFormat::CurlConfig,
                TokenFormat::Export("A".parse().unwrap()),
                TokenFormat::ExecCredential(ExecCredentialVersion::V1),
            ] {
                assert_eq!(format.render(&token, None), Err(TokenFormatError::Characters), "{text:?}");
            }
        }
    }

    #[test]
    fn exec_info_selects_the_version_of_the_answer() {
        let info = |version: &str| {
            format!(
                "{{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/{version}\",\
                 \"spec\":{{\"interactive\":true}}}}"
            )
        };
        assert_eq!(exec_info(""), Ok(ExecCredentialVersion::V1));
        assert_eq!(exec_info(&info("v1")), Ok(ExecCredentialVersion::V1));
        assert_eq!(exec_info(&info("v1beta1")), Ok(ExecCredentialVersion::V1Beta1));
        assert!(matches!(exec_info(&info("v1alpha1")), Err(TokenFormatError::ExecVersion(_))));
        for text in [
            "x",
            "{}",
            "[]",
            "{\"kind\":\"Status\",\"apiVersion\":\"client.authentication.k8s.io/v1\"}",
            "{\"kind\":\"ExecCredential\",\"apiVersion\":\"v1\"}",
            "{\"kind\":\"ExecCredential\",\"apiVersion\":\"other.example/v1\"}",
        ] {
            assert_eq!(exec_info(text), Err(TokenFormatError::ExecInfo), "{text}");
        }
    }
}
