//! The identity of a job: the token that a CI system, a Kubernetes cluster or a SPIFFE agent issues to it.
//!
//! [`CiIdentity::fetch`] returns one JWT. Its signature and claims are checked by the login that gets it.
//!
//! ```
//! use cc_auth::login::CiIdentity;
//! let source: CiIdentity = "github:https://cc.example.org".parse()?;
//! assert_eq!(source, CiIdentity::Github { audience: Some("https://cc.example.org".to_owned()) });
//! # Ok::<(), cc_auth::login::ci_identity::CiIdentitySourceError>(())
//! ```

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::http::{Client, HttpError, HttpOptions, Response, parse_url};
use crate::renew::backoff;
use crate::token;
use crate::util::diagnostic::diagnostics;
use crate::util::environment::{Environment, VariableName};
use crate::util::file::{self, FileContents, FileError};
use crate::util::json;
use crate::util::kind::Kind;
use crate::util::monotonic::MonotonicClock;
use crate::util::note::Notes;
use crate::util::printable::PrintableText;
use crate::util::quote::{quote, quote_path};
use crate::util::secret::SecretText;

/// The maximum size of a token, in bytes. Tokens of CI systems have less than 4 KiB.
const LIMIT: u64 = 64 << 10;

/// The maximum number of requests for a token.
const ATTEMPTS: u32 = 3;

/// The variable with the URL at which a GitHub job requests its token.
const GITHUB_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";

/// The variable with the bearer token for that URL.
const GITHUB_BEARER: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// The source of the identity of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CiIdentity {
    /// The token endpoint of GitHub Actions, or of a server with the same variables.
    Github {
        /// The audience of the token; `None` is the default of GitHub, the URL of the repository's owner.
        audience: Option<String>,
    },
    /// A variable that contains the token, such as one of GitLab's `id_tokens`.
    Variable(VariableName),
    /// A file that contains the token, such as a projected token of Kubernetes or a SPIFFE JWT. It is read at
    /// each login, because its content is replaced before the token expires.
    File(PathBuf),
}

/// The error of a text that is not a [`CiIdentity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CiIdentitySourceError {
    /// An unknown kind of source. The text is not printed, because it may be a token.
    #[error("expected github, github:AUDIENCE, env:NAME or file:PATH")]
    Unknown,
    /// The name of the variable is invalid.
    #[error("expected env:NAME with letters, digits and '_' in NAME, not a digit first")]
    Variable,
    /// The value after the colon is empty.
    #[error("expected a value after the colon")]
    Empty,
}

impl FromStr for CiIdentity {
    type Err = CiIdentitySourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, value) = match text.split_once(':') {
            Some((_, "")) => return Err(CiIdentitySourceError::Empty),
            Some((kind, value)) => (kind, Some(value)),
            None => (text, None),
        };
        match (kind, value) {
            ("github", audience) => Ok(Self::Github { audience: audience.map(str::to_owned) }),
            ("env", Some(name)) => {
                name.parse().map(Self::Variable).map_err(|_| CiIdentitySourceError::Variable)
            }
            ("file", Some(path)) => Ok(Self::File(PathBuf::from(path))),
            _ => Err(CiIdentitySourceError::Unknown),
        }
    }
}

impl fmt::Display for CiIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Github { .. } => f.write_str("GitHub's token endpoint"),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::File(path) => write!(f, "the file {}", quote_path(path)),
        }
    }
}

/// How the identity of a job is fetched.
#[derive(Debug, Clone)]
pub struct CiAccess<'run> {
    /// The environment of the job.
    pub variables: &'run Environment,
    /// The options of the HTTP client, with the proxy and the CA certificates.
    pub http: HttpOptions,
    /// The clock of the pauses between two attempts.
    pub monotonic: &'run dyn MonotonicClock,
}

/// The reason a job has no usable identity.
#[derive(Debug, thiserror::Error)]
pub enum CiIdentityError {
    /// The job of GitHub Actions may not request a token.
    #[error("this job cannot request a token from GitHub: {variable} is not set")]
    NoPermission {
        /// The variable.
        variable: &'static str,
    },
    /// The program does not run in a job of GitHub Actions.
    #[error("this is not a job of GitHub Actions: {0} is not set")]
    NotGithub(&'static str),
    /// The URL in the variable is invalid.
    #[error("{GITHUB_URL}: {0}")]
    InvalidUrl(HttpError),
    /// The variable with the bearer token for GitHub is not a token.
    #[error("{GITHUB_BEARER}: expected a token without blanks and line breaks")]
    InvalidBearer,
    /// The variable with the token is not set, or empty.
    #[error("the variable {} is {}", PrintableText::name(.name), if *.is_empty { "empty" } else { "not set" })]
    NoVariable {
        /// The name.
        name: String,
        /// Whether it is set to an empty text.
        is_empty: bool,
    },
    /// The file with the token cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The content of the source is not a token.
    #[error("{source_name} does not contain a token: {why}")]
    NotAToken {
        /// The source.
        source_name: String,
        /// The reason.
        why: String,
    },
    /// GitHub rejected the request.
    #[error("GitHub rejected the request for a token with status {status}{}", server_text(.message))]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// The message of the answer; empty without one.
        message: String,
    },
    /// The request failed.
    #[error("{GITHUB_URL}: {0}")]
    Http(#[from] HttpError),
}

/// The name in a hint; `NAME` if it may be a secret that was given by mistake.
fn variable_or_placeholder(name: &str) -> &str {
    if PrintableText::name(name).as_str() == quote(name) { name } else { "NAME" }
}

fn server_text(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {}", quote(message)) }
}

diagnostics! { CiIdentityError:
    Self::NoPermission { .. } => Kind::CiIdentityMissing,
        "add this to the job or the workflow: permissions: {id-token: write, contents: read}";
    Self::NotGithub(_) => Kind::CiIdentityMissing,
        "in other jobs, name the variable or the file with the token: --identity env:NAME or file:PATH";
    Self::InvalidUrl(error) => error.kind(), error.hint();
    Self::InvalidBearer => Kind::CiIdentityMissing;
    Self::NoVariable { name, .. } => Kind::CiIdentityMissing,
        format!("in GitLab, add this to the job: id_tokens: {{{}: {{aud: URL}}}}", variable_or_placeholder(name));
    Self::File(FileError::Missing(_)) => Kind::FileMissing,
        "in Kubernetes, mount a projected volume with the source serviceAccountToken at this path";
    Self::File(error) => error.kind(), error.hint();
    Self::NotAToken { .. } => Kind::CiIdentityMalformed;
    Self::Rejected { status: 401 | 403, .. } => Kind::CiIdentityRejected,
        "the token of the variable ACTIONS_ID_TOKEN_REQUEST_TOKEN is valid during its job only: run this command in the job";
    Self::Rejected { .. } => Kind::CiIdentityRejected;
    Self::Http(error) => error.kind(), error.hint();
}

/// The answer of GitHub's token endpoint.
#[derive(Deserialize)]
struct TokenAnswer {
    value: String,
}

/// An error of GitHub's token endpoint.
#[derive(Deserialize)]
struct ErrorAnswer {
    message: String,
}

impl CiIdentity {
    /// Returns the token of the job. Nothing is cached: each call returns a current token.
    ///
    /// A request that fails temporarily is repeated, at most twice.
    ///
    /// # Errors
    /// [`CiIdentityError`]; no error contains a part of a token.
    pub fn fetch(&self, access: &CiAccess<'_>, notes: &mut Notes) -> Result<SecretText, CiIdentityError> {
        log::info!("the identity of the job is from {self}");
        let text = match self {
            Self::Github { audience } => fetch_from_github(audience.as_deref(), access)?,
            Self::Variable(name) => {
                let missing = |is_empty| CiIdentityError::NoVariable { name: name.to_string(), is_empty };
                match access.variables.get(name.as_str()) {
                    None => return Err(missing(false)),
                    Some(value) if value.trim().is_empty() => return Err(missing(true)),
                    Some(value) => Zeroizing::new(value.to_owned()),
                }
            }
            Self::File(path) => {
                // Kubernetes mounts a projected token with mode 0644 for a container that runs as root.
                let bytes = Zeroizing::new(file::read_named(path, LIMIT, FileContents::Public, notes)?);
                let why = "expected text in UTF-8";
                Zeroizing::new(
                    std::str::from_utf8(&bytes).map_err(|_| self.not_a_token(why.to_owned()))?.to_owned(),
                )
            }
        };
        if text.len() as u64 > LIMIT {
            return Err(self.not_a_token(format!("it has more than {LIMIT} bytes")));
        }
        let found = token::text::one(&text).map_err(|error| self.not_a_token(error.to_string()))?;
        let _ =
            token::Unverified::parse(&found.token).map_err(|error| self.not_a_token(error.to_string()))?;
        Ok(SecretText::new(found.token.into_owned()))
    }

    fn not_a_token(&self, why: String) -> CiIdentityError {
        CiIdentityError::NotAToken { source_name: self.to_string(), why }
    }
}

/// Requests a token with this audience from GitHub.
fn fetch_from_github(
    audience: Option<&str>,
    access: &CiAccess<'_>,
) -> Result<Zeroizing<String>, CiIdentityError> {
    let variable = |name: &'static str| {
        access.variables.non_empty(name).ok_or_else(|| match access.variables.get("GITHUB_ACTIONS") {
            Some("true") => CiIdentityError::NoPermission { variable: name },
            _ => CiIdentityError::NotGithub(name),
        })
    };
    let mut url = parse_url(variable(GITHUB_URL)?).map_err(CiIdentityError::InvalidUrl)?;
    let bearer = variable(GITHUB_BEARER)?;
    if !bearer.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CiIdentityError::InvalidBearer);
    }
    let bearer = Zeroizing::new(format!("Bearer {bearer}"));
    if let Some(audience) = audience {
        url.query_pairs_mut().append_pair("audience", audience);
    }
    let limit = usize::try_from(2 * LIMIT).unwrap_or(usize::MAX);
    let client = Client::new(HttpOptions { body_limit: limit, ..access.http.clone() })?;
    client.check(&url).map_err(CiIdentityError::InvalidUrl)?;
    let headers = [("authorization", bearer.as_str()), ("accept", "application/json; api-version=2.0")];
    let mut failures = 0;
    loop {
        match read_answer(client.get(&url, &headers)) {
            Err(error) if error.is_temporary() && failures + 1 < ATTEMPTS => {
                failures += 1;
                let (first, longest) = (Duration::from_secs(1), Duration::from_secs(8));
                log::info!("{error}; the request is repeated");
                access.monotonic.pause(backoff::between(first, longest, failures, u16::MAX / 2));
            }
            answer => return answer,
        }
    }
}

/// Returns the token of an answer.
fn read_answer(answer: Result<Response, HttpError>) -> Result<Zeroizing<String>, CiIdentityError> {
    let answer = answer?;
    match answer.status() {
        200..=299 => Ok(Zeroizing::new(answer.secret_json::<TokenAnswer>()?.value)),
        // A limit of requests does not reject the job.
        status @ (400..=428 | 430..=499) => {
            let body = json::typed::<ErrorAnswer>(answer.body());
            Err(CiIdentityError::Rejected {
                status,
                message: body.map(|body| body.message).unwrap_or_default(),
            })
        }
        _ => Err(answer.to_error().into()),
    }
}

impl CiIdentityError {
    /// Returns whether the same request may succeed later.
    fn is_temporary(&self) -> bool {
        match self {
            Self::Http(HttpError::ErrorStatus { status: 429, .. }) => true,
            Self::Http(error) => error.is_temporary(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_parsed_or_rejected_without_printing_it() {
        let github = |audience: Option<&str>| CiIdentity::Github { audience: audience.map(str::to_owned) };
        for (text, expected) in [
            ("github", github(None)),
            ("github:https://cc.example.org:8443/x", github(Some("https://cc.example.org:8443/x"))),
            ("env:CC_ID_TOKEN", CiIdentity::Variable("CC_ID_TOKEN".parse().unwrap())),
            ("file:/run/a:b", CiIdentity::File(PathBuf::from("/run/a:b"))),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in
            ["", "env", "env:", "env:1A", "file", "file:", "github:", "eyJhbGciOiJIUzI1NiJ9.e30.x", "gitlab"]
        {
            let error = text.parse::<CiIdentity>().unwrap_err().to_string();
            assert!(!error.contains("eyJ"), "{error}");
        }
    }

    #[test]
    fn variable_without_a_token_is_rejected_without_printing_its_value() {
        let fetch = |value: &str| {
            let variables: Environment =
                [("A".to_owned(), value.to_owned()), ("GITHUB_ACTIONS".to_owned(), "true".to_owned())]
                    .into_iter()
                    .collect();
            let access = CiAccess {
                variables: &variables,
                http: HttpOptions::default(),
                monotonic: &crate::util::monotonic::SystemMonotonicClock,
            };
            CiIdentity::Variable("A".parse().unwrap()).fetch(&access, &mut Notes::new())
        };
        const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln";
        assert_eq!(fetch(&format!(" {TOKEN}\n")).unwrap().expose(), TOKEN);
        for value in ["", " ", "hunter2", "a.hunter2.b", &"hunter2.".repeat(10_000)] {
            let error = fetch(value).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("hunter2"), "{error}");
        }
    }
}
