//! The LDAP servers and the certificates that TLS trusts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::error::LdapError;
use super::url::LdapUrl;
use crate::util::file;
use crate::util::trust::CaCertificates;

/// The LDAP servers and the parameters of a connection.
#[derive(Debug, Clone)]
pub struct LdapServer {
    /// The servers, in the order in which they are tried.
    pub urls: Vec<LdapUrl>,
    /// Whether `ldap://` connections are encrypted with StartTLS before the bind.
    pub starttls: bool,
    /// The certificates that TLS trusts.
    pub trust: LdapTrust,
    /// Timeout for a connection to one server, TLS included.
    pub connect_timeout: Duration,
    /// Timeout for each read; received data restarts it.
    pub response_timeout: Duration,
}

/// The certificates that are trusted.
#[derive(Debug, Clone)]
pub enum LdapTrust {
    /// The certificates that the system trusts, read at the first TLS connection.
    System,
    /// Only these certificates.
    Given(Arc<CaCertificates>),
}

impl LdapTrust {
    /// Trusts only the certificates of a PEM file.
    ///
    /// # Errors
    /// [`LdapError::File`] if the file cannot be read, [`LdapError::NoCertificateInFile`] if it
    /// does not contain a usable certificate.
    pub fn from_file(path: &Path) -> Result<Self, LdapError> {
        let text = file::read(path, file::SETTINGS_LIMIT)?;
        let certificates = CaCertificates::new(CertificateDer::pem_slice_iter(&text).flatten().collect());
        if certificates.is_empty() {
            return Err(LdapError::NoCertificateInFile(path.to_owned()));
        }
        Ok(Self::Given(Arc::new(certificates)))
    }

    /// Returns the TLS configuration of a connection.
    ///
    /// # Errors
    /// [`LdapError::NoSystemCertificates`] if the system does not have any trusted certificates.
    pub(super) fn client_config(&self) -> Result<Arc<ClientConfig>, LdapError> {
        let none = || LdapError::NoSystemCertificates;
        let certificates = match self {
            Self::Given(certificates) => Arc::clone(certificates),
            Self::System => Arc::new(CaCertificates::of_the_system()),
        };
        if certificates.is_empty() {
            return Err(none());
        }
        certificates.client_config().map_err(|_| none())
    }
}
