//! Everything that can go wrong between here and a directory.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::fault::Fault;
use crate::base::file::FileError;
use crate::base::kind::Kind;
use crate::base::quote::{quote, quote_path};
use crate::config::ConfigFault;

/// Why the directory could not be asked, or its answer not be used. Whatever it is: an answer
/// that is not known to be whole is never given out.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
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
    /// A setting without which the directory can't be asked.
    #[error(transparent)]
    Config(#[from] ConfigFault),
    /// The certificate file can't be read.
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
    },
    /// An empty password, refused before anything is sent (RFC 4513 5.1.2).
    #[error("an empty password is never sent to a directory")]
    EmptyPassword,
    /// Name or password were refused.
    #[error("the directory refuses name or password of {}", quote(.0))]
    Credentials(String),
    /// The name to bind with is no distinguished name.
    #[error("the directory does not take {} as a name to bind with", quote(.0))]
    BindName(String),
    /// The name to bind as at login has no place for the user's name.
    #[error("'user-bind' {} has no {{username}} in it: everybody would log in as the same person", quote(.0))]
    BindTemplate(String),
    /// The directory wants TLS.
    #[error("the directory wants an encrypted connection: {}", quote(.0))]
    WantsTls(String),
    /// The filter can't be read.
    #[error("the LDAP filter {} can't be read", quote(.0))]
    Filter(String),
    /// The base of the search does not exist, or is no name.
    #[error("the LDAP user base {} does not exist or may not be seen", quote(.0))]
    Base(String),
    /// The directory does not know pages.
    #[error("the directory does not answer in pages")]
    NoPages,
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
    #[error("the directory refers to others for parts of the answer ({count} references): it is not whole")]
    References {
        /// How many.
        count: u64,
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
    #[error("the connection to the directory was lost after {entries} entries")]
    Lost {
        /// What had come by then.
        entries: u64,
    },
    /// Nothing came for too long.
    #[error("the directory fell silent for {} seconds after {entries} entries", .patience.as_secs())]
    Silent {
        /// How long was waited.
        patience: Duration,
        /// What had come by then.
        entries: u64,
    },
    /// The answer is no proper answer.
    #[error("the directory's answer can't be understood: {0}")]
    Garbled(&'static str),
    /// More than any directory of people has.
    #[error("the directory's answer is too large: {0}")]
    TooLarge(&'static str),
}

impl Fault for DirectoryError {
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
            Self::WantsTls(_) => Kind::LdapTlsRequired,
            Self::Filter(_) => Kind::LdapFilter,
            Self::Base(_) => Kind::LdapBase,
            Self::NoPages => Kind::LdapNoPaging,
            Self::Limit { .. } => Kind::LdapLimit,
            Self::Referral(_) | Self::References { .. } => Kind::LdapReferral,
            Self::Busy(_) => Kind::LdapBusy,
            Self::NotPermitted(_) => Kind::LdapNotPermitted,
            Self::Failed { .. } => Kind::LdapFailed,
            Self::Lost { .. } => Kind::LdapConnectionLost,
            Self::Silent { .. } => Kind::LdapTimeout,
            Self::Garbled(_) => Kind::LdapMalformedAnswer,
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
            Self::Untrusted { .. } => "name the authority that signed it with --ca-file FILE",
            Self::NoCertificate(_) => {
                "it should hold the authority's certificate: -----BEGIN CERTIFICATE-----"
            }
            Self::NoSystemCertificates => {
                "install the package ca-certificates, or name the authority with --ca-file FILE"
            }
            Self::Credentials(_) => "check LDAP_ADMIN_PASSWORD in .env and 'search-dn' in config.json",
            Self::BindTemplate(_) => "write it as in uid={username},ou=people,dc=example,dc=com",
            Self::BindName(_) => "check 'search-dn' and 'user-bind' in config.json",
            Self::WantsTls(_) => "use an ldaps:// address, or --starttls",
            Self::Filter(_) => {
                "check 'user-filter' in config.json: parentheses must pair, as in (objectClass=posixAccount)"
            }
            Self::Base(_) => "check 'user-base' in config.json",
            Self::NoPages => "--page-size 0 asks for everything at once",
            Self::Limit { limit: "size", .. } => {
                "ask the directory's keepers for a higher limit for the search-dn, or try a smaller --page-size"
            }
            Self::Limit { .. } => "ask the directory's keepers for a higher limit for the search-dn",
            Self::Referral(_) => "use the address it refers to as 'url' in config.json",
            Self::References { .. } => {
                "narrow 'user-base', or give --ignore-references when nobody's account is in the other directories"
            }
            Self::Lost { .. } | Self::Silent { .. } | Self::Busy(_) => "nothing was changed; try again later",
            Self::NotPermitted(_) => "the search-dn needs the right to search and read below 'user-base'",
            Self::File(error) => return error.hint(),
            Self::Config(fault) => return fault.hint(),
            Self::EmptyPassword | Self::Failed { .. } | Self::Garbled(_) | Self::TooLarge(_) => return None,
        };
        Some(text.to_owned())
    }
}
