//! Everything that can go wrong between here and a directory.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::ConfigError;
use crate::util::diagnostic::Diagnostic;
use crate::util::file::FileError;
use crate::util::kind::Kind;
use crate::util::quote::{escape, quote, quote_path};

use super::bind::BindRejection;

/// Why the directory could not be asked, or its answer not be used. Whatever it is: an answer
/// that is not known to be whole is never given out.
#[derive(Debug, thiserror::Error)]
pub enum LdapError {
    /// No server is configured.
    #[error("no LDAP server is configured")]
    NoAddress,
    /// An address is none.
    #[error("the LDAP address {} is wrong: {why}", quote(.address))]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A setting without which the directory cannot be asked.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificate file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificate file holds no certificate.
    #[error("{} holds no usable certificate in PEM form", quote_path(.0))]
    NoCertificate(PathBuf),
    /// The system trusts nobody.
    #[error("the system has no certificates to trust")]
    NoSystemCertificates,
    /// None of the servers can be reached; each with its reason.
    #[error("no LDAP server can be reached: {}", .0.join("; "))]
    Unreachable(Vec<String>),
    /// The server's certificate is not good, or TLS failed otherwise.
    #[error("{} is not trusted: {why}", quote(.address))]
    Untrusted {
        /// The server.
        address: String,
        /// What is wrong with its certificate.
        why: String,
        /// Whether it would be trusted if its issuer were.
        unknown_issuer: bool,
    },
    /// An empty password, refused before anything is sent (RFC 4513 5.1.2).
    #[error("an empty password is never sent to an LDAP server")]
    EmptyPassword,
    /// Name or password are rejected.
    #[error("{0}")]
    Credentials(BindRejection),
    /// The name to bind with is no distinguished name.
    #[error("the LDAP server does not accept the bind name {}", quote(.0))]
    BindName(String),
    /// The name to bind as at login has no place for the user's name.
    #[error("'user-bind' {} has no {{username}} in it: everybody would log in as the same person", quote(.0))]
    BindTemplate(String),
    /// The directory wants TLS.
    #[error("the directory wants an encrypted connection: {}", quote(.0))]
    TlsRequired(String),
    /// The filter cannot be read.
    #[error("invalid LDAP filter {}: {}", quote(.filter), escape(.why))]
    Filter {
        /// The filter.
        filter: String,
        /// What was expected and where.
        why: String,
    },
    /// The base of the search does not exist, or is no name.
    #[error("the LDAP user base {} does not exist or may not be seen", quote(.0))]
    Base(String),
    /// The directory does not know pages.
    #[error("the directory does not answer in pages")]
    PagingUnsupported,
    /// The directory stopped at a limit of its own.
    #[error("the directory stopped at its {limit} limit after {entries} entries: the answer is not whole")]
    Limit {
        /// `size`, `time` or `administrative`.
        limit: &'static str,
        /// What had come by then.
        entries: u64,
    },
    /// The directory sends us elsewhere.
    #[error("the directory refers to another one: {}", quote(.0))]
    Referral(String),
    /// Parts of the answer are in other directories.
    #[error(
        "the LDAP server refers to other servers for parts of the answer ({count} references: {}): it is not whole",
        shown(.targets, *.count)
    )]
    References {
        /// How many.
        count: u64,
        /// Where the first of them lead.
        targets: Vec<String>,
    },
    /// The directory says that it is busy.
    #[error("the directory is busy: {}", quote(.0))]
    Busy(String),
    /// The bound name may not search.
    #[error("the directory does not permit the search: {}", quote(.0))]
    NotPermitted(String),
    /// Any other refusal.
    #[error("the directory failed: result code {code}: {}", quote(.text))]
    Failed {
        /// The LDAP result code.
        code: u32,
        /// What it said.
        text: String,
    },
    /// The connection ended before the answer did.
    #[error("the connection to the LDAP server was lost after {entries} entries{why}")]
    Lost {
        /// What had come by then.
        entries: u64,
        /// The reason in parentheses, where one is known.
        why: String,
    },
    /// Nothing came for too long.
    #[error("the directory fell silent for {} seconds after {entries} entries", .timeout.as_secs())]
    Timeout {
        /// How long was waited.
        timeout: Duration,
        /// What had come by then.
        entries: u64,
    },
    /// The answer is no proper answer.
    #[error("the LDAP server's answer is malformed: {0}")]
    Malformed(&'static str),
    /// More than any LDAP directory of users has.
    #[error("the LDAP server's answer exceeds a safety limit: {0}")]
    TooLarge(&'static str),
}

/// The first targets of so many references.
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
            Self::NoAddress => Kind::LdapNotConfigured,
            Self::Address { .. } => Kind::LdapUrl,
            Self::Config(fault) => fault.kind(),
            Self::File(error) => error.kind(),
            Self::NoCertificate(_) => Kind::LdapCaFile,
            Self::NoSystemCertificates => Kind::NoSystemCertificates,
            Self::Unreachable(_) => Kind::LdapUnreachable,
            Self::Untrusted { .. } => Kind::LdapUntrusted,
            Self::EmptyPassword => Kind::LoginPasswordEmpty,
            Self::Credentials(_) => Kind::LdapCredentialsRejected,
            Self::BindName(_) | Self::BindTemplate(_) => Kind::LdapBindName,
            Self::TlsRequired(_) => Kind::LdapTlsRequired,
            Self::Filter { .. } => Kind::LdapFilter,
            Self::Base(_) => Kind::LdapBase,
            Self::PagingUnsupported => Kind::LdapNoPaging,
            Self::Limit { .. } => Kind::LdapLimit,
            Self::Referral(_) | Self::References { .. } => Kind::LdapReferral,
            Self::Busy(_) => Kind::LdapBusy,
            Self::NotPermitted(_) => Kind::LdapNotPermitted,
            Self::Failed { .. } => Kind::LdapFailed,
            Self::Lost { .. } => Kind::LdapConnectionLost,
            Self::Timeout { .. } => Kind::LdapTimeout,
            Self::Malformed(_) => Kind::LdapMalformedAnswer,
            Self::TooLarge(_) => Kind::LdapTooLarge,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoAddress => {
                "set 'url', 'user-base' and 'user-filter' in the section 'ldap' of config.json"
            }
            Self::Address { .. } => return None,
            Self::Unreachable(_) => "is the server up, and does a firewall let this machine through?",
            Self::Untrusted { unknown_issuer: true, .. } => {
                "give the certificate of its issuer with --ca-file FILE, or with 'ca-file' in auth.ldap"
            }
            Self::Untrusted { .. } => return None,
            Self::NoCertificate(_) => {
                "it should hold the authority's certificate: -----BEGIN CERTIFICATE-----"
            }
            Self::NoSystemCertificates => {
                "install the package ca-certificates, or name the authority with --ca-file FILE"
            }
            Self::Credentials(rejection) if rejection.is_about_password() => {
                "check LDAP_ADMIN_PASSWORD in .env and 'search-dn' in config.json"
            }
            Self::Credentials(_) => return None,
            Self::BindTemplate(_) => "write it as in uid={username},ou=people,dc=example,dc=com",
            Self::BindName(_) => "check 'search-dn' and 'user-bind' in config.json",
            Self::TlsRequired(_) => "use an ldaps:// address, or --starttls",
            Self::Filter { .. } => "correct 'user-filter' in config.json, as in (objectClass=posixAccount)",
            Self::Base(_) => "check 'user-base' in config.json",
            Self::PagingUnsupported => "--page-size 0 asks for everything at once",
            Self::Limit { limit: "size", .. } => {
                "ask the directory's keepers for a higher limit for the search-dn, or try a smaller --page-size"
            }
            Self::Limit { .. } => "ask the directory's keepers for a higher limit for the search-dn",
            Self::Referral(_) => "use the address it refers to as 'url' in config.json",
            Self::References { .. } => {
                "narrow 'user-base', or ignore them with --ignore-references or 'ignore-references' in auth.ldap if no user is there"
            }
            Self::Lost { .. } | Self::Timeout { .. } | Self::Busy(_) => {
                "nothing was changed; try again later"
            }
            Self::NotPermitted(_) => "the search-dn needs the right to search and read below 'user-base'",
            Self::File(error) => return error.hint(),
            Self::Config(fault) => return fault.hint(),
            Self::EmptyPassword | Self::Failed { .. } | Self::Malformed(_) | Self::TooLarge(_) => {
                return None;
            }
        };
        Some(text.to_owned())
    }
}
