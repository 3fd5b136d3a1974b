//! Errors of the LDAP client.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::ConfigError;
use crate::util::count::counted;
use crate::util::diagnostic::Diagnostic;
use crate::util::file::FileError;
use crate::util::kind::Kind;
use crate::util::quote::{escape, quote, quote_path};

use super::bind::BindRejection;

/// Error of an LDAP search or bind. An incomplete response is always an error, so that callers never
/// process a part of the users.
#[derive(Debug, thiserror::Error)]
pub enum LdapError {
    /// No server is configured.
    #[error("no LDAP server is configured")]
    NotConfigured,
    /// A URL in the setting `url` is invalid.
    #[error("invalid LDAP URL {}: {why}", quote(.url))]
    InvalidUrl {
        /// The URL.
        url: String,
        /// The reason.
        why: &'static str,
    },
    /// A setting is missing or invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificate file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificate file has no certificate.
    #[error("{} does not contain a usable PEM certificate", quote_path(.0))]
    NoCertificateInFile(PathBuf),
    /// The system has no trusted certificates.
    #[error("the system does not have any trusted certificates")]
    NoSystemCertificates,
    /// No server can be reached; contains the reason for each server.
    #[error("no LDAP server can be reached: {}", .0.join("; "))]
    Unreachable(Vec<String>),
    /// The server's certificate is not trusted, or TLS failed for another reason.
    #[error("{} is not trusted: {why}", quote(.url))]
    Untrusted {
        /// The server.
        url: String,
        /// The reason.
        why: String,
        /// Whether only the issuer is not trusted.
        unknown_issuer: bool,
    },
    /// The password is empty. An empty password is never sent, since a server may accept it as an
    /// anonymous bind (RFC 4513 5.1.2).
    #[error("the LDAP password is empty")]
    EmptyPassword,
    /// The server rejected the bind.
    #[error("{0}")]
    BindRejected(BindRejection),
    /// The bind name is not a distinguished name.
    #[error("the LDAP server does not accept the bind name {}", quote(.0))]
    InvalidBindName(String),
    /// The bind name template of a login does not contain the username.
    #[error("invalid 'user-bind' {}: expected {{username}} in it", quote(.0))]
    InvalidBindTemplate(String),
    /// The server requires TLS.
    #[error("the LDAP server requires TLS: {}", quote(.0))]
    TlsRequired(String),
    /// The filter is invalid.
    #[error("invalid LDAP filter {}: {}", quote(.filter), escape(.why))]
    InvalidFilter {
        /// The filter.
        filter: String,
        /// What was expected and where.
        why: String,
    },
    /// The search base does not exist or is not a distinguished name.
    #[error("the LDAP search base {} does not exist, or the bind name may not read it", quote(.0))]
    SearchBase(String),
    /// A search base of the groups does not exist or is not a distinguished name.
    #[error("the LDAP search base {} of the groups does not exist, or the bind name may not read it", quote(.0))]
    GroupBase(String),
    /// The server does not support paged results (RFC 2696).
    #[error("the LDAP server does not support paged results")]
    PagingUnsupported,
    /// The search exceeded a limit of the server.
    #[error("the LDAP search is incomplete: the server stopped at its {limit} limit after {}", counted(*.entries, "entry"))]
    LimitExceeded {
        /// `size`, `time` or `administrative`.
        limit: &'static str,
        /// The number of entries received before the error.
        entries: u64,
    },
    /// The server refers to another server (RFC 4511 4.1.10).
    #[error("the LDAP server refers to another server: {}", quote(.0))]
    Referral(String),
    /// Parts of the search result are on other servers (RFC 4511 4.5.3).
    #[error(
        "the LDAP search is incomplete: the server refers to other servers for a part of it ({}: {})",
        counted(*.count, "reference"),
        shown(.targets, *.count)
    )]
    References {
        /// The number of references.
        count: u64,
        /// The first references.
        targets: Vec<String>,
    },
    /// The server is busy.
    #[error("the LDAP server is busy: {}", quote(.0))]
    Busy(String),
    /// The bind name does not have permission to search.
    #[error("the LDAP server does not permit the search: {}", quote(.0))]
    NotPermitted(String),
    /// The server returned another result code.
    #[error("the LDAP server failed: result code {code}: {}", quote(.text))]
    Failed {
        /// The LDAP result code.
        code: u32,
        /// The diagnostic message of the server.
        text: String,
    },
    /// The connection ended before the answer was complete.
    #[error("the connection to the LDAP server was lost after {}{why}", counted(*.entries, "entry"))]
    ConnectionLost {
        /// The number of entries received before the error.
        entries: u64,
        /// The reason in parentheses, if known.
        why: String,
    },
    /// The server did not send any data before the timeout.
    #[error(
 "the LDAP server did not respond within {} (after {})",
 counted(.timeout.as_secs(), "second"), counted(*.entries, "entry"))]
    Timeout {
        /// The timeout.
        timeout: Duration,
        /// The number of entries received before the error.
        entries: u64,
    },
    /// The LDAP directory does not have the group of a rule.
    #[error(
        "the LDAP directory does not have the group {} of {}, or the bind name may not read it",
        quote(.group),
        escape(.rule)
    )]
    GroupMissing {
        /// The DN or the name.
        group: String,
        /// The key of the rule.
        rule: String,
    },
    /// Several groups have the name of a rule.
    #[error("{}: several groups have the name {}: {}", escape(.rule), quote(.name), shown(.groups, .groups.len() as u64))]
    GroupAmbiguous {
        /// The name.
        name: String,
        /// The key of the rule.
        rule: String,
        /// The DNs.
        groups: Vec<String>,
    },
    /// The answer has only a part of the members of a group.
    #[error("the members of {} are incomplete: {}", quote(.group), escape(.why))]
    GroupTruncated {
        /// The DN of the group.
        group: String,
        /// The reason.
        why: String,
    },
    /// A group without members that must have one.
    #[error("the members of {} cannot be read: the response does not have {}", quote(.group), quote(.attribute))]
    GroupUnreadable {
        /// The DN of the group.
        group: String,
        /// The attribute of the members.
        attribute: String,
    },
    /// The answer does not follow RFC 4511.
    #[error("the LDAP server's response is malformed: {0}")]
    Malformed(&'static str),
    /// The answer exceeds a safety limit.
    #[error("the LDAP server's response exceeds a safety limit: {0}")]
    TooLarge(&'static str),
}

/// Formats the first references and the number of further ones.
fn shown(targets: &[String], count: u64) -> String {
    let mut list: Vec<String> = targets.iter().map(|target| quote(target)).collect();
    let more = count.saturating_sub(targets.len() as u64);
    if more > 0 {
        list.push(format!("{more} more"));
    }
    list.join(", ")
}

impl Diagnostic for LdapError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotConfigured => Kind::LdapNotConfigured,
            Self::InvalidUrl { .. } => Kind::LdapUrl,
            Self::Config(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::NoCertificateInFile(_) => Kind::LdapCaFile,
            Self::NoSystemCertificates => Kind::NoSystemCertificates,
            Self::Unreachable(_) => Kind::LdapUnreachable,
            Self::Untrusted { .. } => Kind::LdapUntrusted,
            Self::EmptyPassword => Kind::LoginPasswordEmpty,
            Self::BindRejected(_) => Kind::LdapCredentialsRejected,
            Self::InvalidBindName(_) | Self::InvalidBindTemplate(_) => Kind::LdapBindName,
            Self::TlsRequired(_) => Kind::LdapTlsRequired,
            Self::InvalidFilter { .. } => Kind::LdapFilter,
            Self::SearchBase(_) | Self::GroupBase(_) => Kind::LdapBase,
            Self::PagingUnsupported => Kind::LdapNoPaging,
            Self::LimitExceeded { .. } => Kind::LdapLimit,
            Self::Referral(_) | Self::References { .. } => Kind::LdapReferral,
            Self::Busy(_) => Kind::LdapBusy,
            Self::NotPermitted(_) => Kind::LdapNotPermitted,
            Self::Failed { .. } => Kind::LdapFailed,
            Self::ConnectionLost { .. } => Kind::LdapConnectionLost,
            Self::Timeout { .. } => Kind::LdapTimeout,
            Self::GroupMissing { .. } => Kind::LdapGroupMissing,
            Self::GroupAmbiguous { .. } => Kind::LdapGroupAmbiguous,
            Self::GroupTruncated { .. } => Kind::LdapGroupTruncated,
            Self::GroupUnreadable { .. } => Kind::LdapGroupUnreadable,
            Self::Malformed(_) => Kind::LdapMalformedResponse,
            Self::TooLarge(_) => Kind::LdapTooLarge,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotConfigured => {
                "set 'url', 'user-base' and 'user-filter' in the section 'ldap' of config.json"
            }
            Self::InvalidUrl { .. } => return None,
            Self::Unreachable(_) => {
                "check that the server runs and that a firewall does not block the connection"
            }
            Self::Untrusted { unknown_issuer: true, .. } => {
                "name the certificate of its issuer with --ca-file FILE or with 'ca-file' in auth.ldap"
            }
            Self::Untrusted { .. } => return None,
            Self::NoCertificateInFile(_) => {
                "expected the certificate of the authority: -----BEGIN CERTIFICATE-----"
            }
            Self::NoSystemCertificates => {
                "install the package ca-certificates, or name the authority with --ca-file FILE"
            }
            Self::BindRejected(rejection) if rejection.is_about_password() => {
                "check LDAP_ADMIN_PASSWORD in .env and 'search-dn' in config.json"
            }
            Self::BindRejected(_) => return None,
            Self::InvalidBindTemplate(_) => {
                "expected a DN such as uid={username},ou=people,dc=example,dc=com"
            }
            Self::InvalidBindName(_) => "check 'search-dn' and 'user-bind' in config.json",
            Self::TlsRequired(_) => "use an ldaps:// URL or --starttls",
            Self::InvalidFilter { .. } => {
                "correct 'user-filter' in config.json, as in (objectClass=posixAccount)"
            }
            Self::SearchBase(_) => "check 'user-base' in config.json",
            Self::GroupBase(_) => "check 'group-base' in 'group-map', and what 'search-dn' may read",
            Self::PagingUnsupported => "--page-size 0 searches without pages",
            Self::LimitExceeded { limit: "size", .. } => {
                "request a higher limit for the search-dn from the LDAP administrators, or use a smaller --page-size"
            }
            Self::LimitExceeded { .. } => {
                "request a higher limit for the search-dn from the LDAP administrators"
            }
            Self::Referral(_) => "use the URL of that server as 'url' in config.json",
            Self::References { .. } => {
                "narrow 'user-base'; if no user is on those servers, use --ignore-references or 'ignore-references' in auth.ldap"
            }
            Self::ConnectionLost { .. } | Self::Timeout { .. } | Self::Busy(_) => {
                "nothing was changed; try again later"
            }
            Self::GroupMissing { .. } => {
                "check the rule in 'group-map', 'group-base' and 'group-filter', and what 'search-dn' may read"
            }
            Self::GroupAmbiguous { .. } => "name the group by its DN: \"dn\" instead of \"cn\"",
            Self::GroupTruncated { .. } => "nothing was changed; try again later",
            Self::GroupUnreadable { .. } => {
                "check 'membership' and 'member-attr' in 'group-map', and what 'search-dn' may read"
            }
            Self::NotPermitted(_) => "permit the search-dn to search and read below 'user-base'",
            Self::File(error) => return error.hint(),
            Self::Config(error) => return error.hint(),
            Self::EmptyPassword | Self::Failed { .. } | Self::Malformed(_) | Self::TooLarge(_) => {
                return None;
            }
        };
        Some(text.to_owned())
    }
}
