//! Errors of settings, requests and answers.

use std::fmt;

use super::path::{MountPathError, NamespaceError};
use super::source::SettingSource;
use crate::http::HttpError;
use crate::policy::keycloak_settings::REQUIRE_PKCE;
use crate::util::diagnostic::diagnostics;
use crate::util::file::{FileError, shell_word};
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// What a request does, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAction {
    /// Log in with a JWT.
    JwtLogin {
        /// The mount.
        mount: String,
    },
    /// Start a login through the provider.
    StartLogin {
        /// The mount.
        mount: String,
    },
    /// Finish a login through the provider.
    FinishLogin {
        /// The mount.
        mount: String,
    },
    /// Validate a second factor.
    ValidateMfa,
    /// Read the properties of the token.
    LookUpToken,
    /// Renew the token.
    RenewToken,
    /// Revoke the token.
    RevokeToken,
    /// List the roles of a mount.
    ListRoles {
        /// The mount.
        mount: String,
    },
    /// Read a role.
    ReadRole {
        /// The mount.
        mount: String,
        /// The role.
        role: String,
    },
    /// Read the configuration of a mount.
    ReadConfig {
        /// The mount.
        mount: String,
    },
    /// Read the state of the server.
    ReadHealth,
}

impl fmt::Display for ServerAction {
    /// Writes the action as a noun phrase, such as `the login at the mount 'jwt'`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JwtLogin { mount } | Self::StartLogin { mount } | Self::FinishLogin { mount } => {
                write!(f, "the login at the mount {}", quote(mount))
            }
            Self::ValidateMfa => f.write_str("the second factor"),
            Self::LookUpToken => f.write_str("the lookup of the token"),
            Self::RenewToken => f.write_str("the renewal of the token"),
            Self::RevokeToken => f.write_str("the revocation of the token"),
            Self::ListRoles { mount } => write!(f, "the list of the roles of the mount {}", quote(mount)),
            Self::ReadRole { mount, role } => {
                write!(f, "the request for the role {} of the mount {}", quote(role), quote(mount))
            }
            Self::ReadConfig { mount } => {
                write!(f, "the request for the configuration of the mount {}", quote(mount))
            }
            Self::ReadHealth => f.write_str("the request for the server's state"),
        }
    }
}

impl ServerAction {
    /// Whether it is a request of a login, which is sent without a token.
    pub(super) const fn is_login(&self) -> bool {
        matches!(
            self,
            Self::JwtLogin { .. } | Self::StartLogin { .. } | Self::FinishLogin { .. } | Self::ValidateMfa
        )
    }

    /// What status 403 may mean, as the answer does not state it.
    fn causes_of_denial(&self) -> &'static str {
        if matches!(self, Self::ValidateMfa) {
            "the passcode is wrong, was used before, or was entered too late"
        } else if self.is_login() {
            "the mount or the namespace does not exist, or the role does not permit the address of this client"
        } else {
            "the token is expired or revoked, or its policies do not permit the request"
        }
    }
}

/// An error of a request to a Stronghold, OpenBao or Vault server, or of its settings.
#[derive(Debug, thiserror::Error)]
pub enum StrongholdError {
    /// No server is set.
    #[error("no URL of a Stronghold server is set")]
    NoServer,
    /// A URL in a setting is invalid.
    #[error("{setting}: {source}")]
    InvalidUrl {
        /// The setting.
        setting: SettingSource,
        /// The reason.
        source: HttpError,
    },
    /// A URL in a setting has a query or a fragment, which would be ignored.
    #[error("{setting}: invalid URL {}: expected a URL without '?' and '#'", quote(.url))]
    UrlWithQuery {
        /// The setting.
        setting: SettingSource,
        /// The URL, without the query and the fragment.
        url: String,
        /// The namespace in the query.
        namespace: Option<String>,
    },
    /// The name of a namespace is invalid.
    #[error("{setting}: {source}")]
    InvalidNamespace {
        /// The setting.
        setting: SettingSource,
        /// The reason.
        source: NamespaceError,
    },
    /// The CA certificates of a setting cannot be read.
    #[error("{setting}: {source}")]
    CaFile {
        /// The setting.
        setting: SettingSource,
        /// The reason.
        source: FileError,
    },
    /// The CA certificates of a setting are invalid.
    #[error("{setting}: {source}")]
    InvalidCa {
        /// The setting.
        setting: SettingSource,
        /// The reason.
        source: HttpError,
    },
    /// A token in a setting is empty or contains characters that no header can have.
    #[error("{0}: invalid token: expected one line of printable ASCII characters")]
    InvalidToken(SettingSource),
    /// The file with the token cannot be read.
    #[error("the token file: {0}")]
    TokenFile(FileError),
    /// The path of a mount is invalid.
    #[error(transparent)]
    Mount(#[from] MountPathError),
    /// The name of a role is invalid.
    #[error("invalid role name {}: expected a name without '/'", quote(.0))]
    RoleName(String),
    /// The server cannot be reached, or its certificate is not trusted.
    #[error("{source}; the URL is from {setting}")]
    Connection {
        /// The setting with the URL.
        setting: SettingSource,
        /// The reason.
        source: HttpError,
    },
    /// The server rejects a request (status 400).
    #[error("the server at {} rejects {action}: {}", quote(.url), reasons(.errors))]
    Rejected {
        /// The URL of the server.
        url: String,
        /// The request.
        action: ServerAction,
        /// The reasons in the answer.
        errors: Vec<String>,
    },
    /// The server does not permit a request (status 403), and does not state why.
    #[error("the server at {} does not permit {action}: {}", quote(.url), .action.causes_of_denial())]
    Denied {
        /// The URL of the server.
        url: String,
        /// The request.
        action: ServerAction,
    },
    /// The server accepts the token, whose policies do not permit the request (status 403).
    #[error("the server at {} does not permit {action}: the policies of the token do not permit the request", quote(.url))]
    DeniedByPolicy {
        /// The URL of the server.
        url: String,
        /// The request.
        action: ServerAction,
    },
    /// The namespace does not exist.
    #[error("the server at {} does not have the namespace {}, which is from {setting}", quote(.url), quote(.namespace))]
    UnknownNamespace {
        /// The URL of the server.
        url: String,
        /// The namespace.
        namespace: String,
        /// The setting.
        setting: SettingSource,
    },
    /// A mount or a role does not exist (status 404).
    #[error("the server at {} cannot process {action}: {}", quote(.url), causes_of_absence(.action, .errors))]
    NotFound {
        /// The URL of the server.
        url: String,
        /// The request.
        action: ServerAction,
        /// The reasons in the answer.
        errors: Vec<String>,
    },
    /// The rate limit of the server is reached (status 429).
    #[error("the server at {} rejects {action}: too many requests{}", quote(.url), server_text(.errors))]
    RateLimited {
        /// The URL of the server.
        url: String,
        /// The request.
        action: ServerAction,
        /// The reasons in the answer.
        errors: Vec<String>,
    },
    /// The server is a standby of a cluster that does not forward requests: it redirects to the active
    /// server. A token or JWT is sent to the server of the settings only.
    #[error("the server at {} redirects {action} to {}, and a redirect is not followed", quote(.url), quote(.active))]
    Standby {
        /// The URL of the server.
        url: String,
        /// The request.
        action: ServerAction,
        /// The URL of the other server.
        active: String,
    },
    /// The server is sealed.
    #[error("the server at {} is sealed", quote(.0))]
    Sealed(String),
    /// The server is not initialized.
    #[error("the server at {} is not initialized", quote(.0))]
    NotInitialized(String),
    /// The server failed.
    #[error("the server at {} failed to process {action}: status {status}{}", quote(.url), server_text(.errors))]
    Failed {
        /// The URL of the server.
        url: String,
        /// The request.
        action: ServerAction,
        /// The HTTP status.
        status: u16,
        /// The reasons in the answer.
        errors: Vec<String>,
    },
    /// The answer is not that of such a server.
    #[error("{} is not a Stronghold, OpenBao or Vault server: {why}; the URL is from {setting}", quote(.url))]
    UnexpectedAnswer {
        /// The URL.
        url: String,
        /// The setting with the URL.
        setting: SettingSource,
        /// The reason.
        why: String,
    },
}

impl StrongholdError {
    /// Whether the failure may be temporary, so that the same request can succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Connection { source, .. } => source.is_temporary(),
            Self::Sealed(_)
            | Self::NotInitialized(_)
            | Self::RateLimited { .. }
            | Self::Standby { .. }
            | Self::Failed { .. } => true,
            _ => false,
        }
    }
}

/// Whether the provider rejected a request of the server because it has no PKCE (RFC 7636 4.4.1).
fn mention_pkce(errors: &[String]) -> bool {
    errors.iter().any(|error| error.contains("code_challenge"))
}

/// Formats what does not exist: the answer to an unknown mount has a text about handlers, if any.
fn causes_of_absence(action: &ServerAction, errors: &[String]) -> String {
    let (ServerAction::ListRoles { mount }
    | ServerAction::ReadRole { mount, .. }
    | ServerAction::ReadConfig { mount }
    | ServerAction::JwtLogin { mount }
    | ServerAction::StartLogin { mount }
    | ServerAction::FinishLogin { mount }) = action
    else {
        return reasons(errors);
    };
    let mount = quote(mount);
    match action {
        _ if errors.iter().any(|error| error.contains("no handler for route")) => {
            format!("the mount {mount} does not exist")
        }
        ServerAction::ReadRole { role, .. } if errors.is_empty() => {
            format!("the mount {mount} does not have the role {}", quote(role))
        }
        ServerAction::ReadConfig { .. } if errors.is_empty() => {
            format!("the mount {mount} is not configured")
        }
        _ => reasons(errors),
    }
}

/// Formats the reasons of the server.
fn reasons(errors: &[String]) -> String {
    if errors.is_empty() { "no reason is given".to_owned() } else { quote(&errors.join("; ")) }
}

fn server_text(errors: &[String]) -> String {
    if errors.is_empty() { String::new() } else { format!(": {}", reasons(errors)) }
}

diagnostics! { StrongholdError:
    Self::NoServer => Kind::StrongholdUrlMissing,
        "set --server URL or the variable STRONGHOLD_ADDR, BAO_ADDR or VAULT_ADDR";
    Self::InvalidUrl { setting, source } => setting.kind_of_invalid(source.kind()), source.hint();
    Self::UrlWithQuery { setting, namespace, .. } => setting.kind_of_invalid(Kind::UrlMalformed),
        namespace.as_ref().map(|name| format!("set the namespace with --namespace {}", shell_word(name)));
    Self::InvalidNamespace { setting, .. } => setting.kind_of_invalid(Kind::StrongholdSettingInvalid);
    Self::CaFile { source, .. } => source.kind(), source.hint();
    Self::InvalidCa { source, .. } => source.kind(), source.hint();
    Self::InvalidToken(_) => Kind::StrongholdSettingInvalid;
    Self::TokenFile(source) => source.kind(), source.hint();
    Self::Mount(_) => Kind::StrongholdSettingInvalid;
    Self::RoleName(_) => Kind::StrongholdSettingInvalid;
    Self::Connection { source, .. } => source.kind(), source.hint();
    Self::Rejected { .. } => Kind::StrongholdRejected;
    Self::Denied { action: ServerAction::ValidateMfa, .. } => Kind::StrongholdMfa, "log in again with a new passcode";
    Self::DeniedByPolicy { .. } => Kind::StrongholdNotPermitted;
    Self::Denied { action, .. } => Kind::StrongholdNotPermitted, if action.is_login() {
        Some("check --path and --namespace: the server does not distinguish these causes".to_owned())
    } else {
        None
    };
    Self::UnknownNamespace { .. } => Kind::StrongholdNotFound;
    Self::NotFound { .. } => Kind::StrongholdNotFound;
    Self::RateLimited { .. } => Kind::StrongholdRateLimited, "try again later";
    Self::Standby { active, .. } => Kind::ResponseRedirect,
        format!("if this server is of the same cluster, use its URL: --server {}", shell_word(active));
    Self::Sealed(_) => Kind::StrongholdUnavailable, "an administrator of the server has to unseal it";
    Self::NotInitialized(_) => Kind::StrongholdUnavailable;
    // The server asks the provider for a device code without PKCE, whatever the client requires.
    Self::Failed { action: ServerAction::StartLogin { .. }, errors, .. } if mention_pkce(errors) =>
        Kind::StrongholdUnavailable, format!(
            "the server does not use PKCE with callback_mode=device: use another mode in the role, or switch off \
             '{REQUIRE_PKCE}' of its client at the provider (Keycloak)"
        );
    Self::Failed { .. } => Kind::StrongholdUnavailable, "read the log of the server";
    Self::UnexpectedAnswer { .. } => Kind::StrongholdUnexpectedResponse,
        "use the URL of the server without '/v1' and '/ui', such as https://stronghold.example.org";
}
