//! The certificates that TLS trusts: the system's, or those of one file.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::fault::LdapError;
use crate::util::file;
use crate::util::trust::CaCertificates;

/// The certificates that are trusted.
#[derive(Debug, Clone)]
pub enum LdapTrust {
    /// Those the system trusts, looked up when the first TLS connection is made.
    System,
    /// Those of a file, and no others.
    Given(Arc<CaCertificates>),
}

impl LdapTrust {
    /// Trusts the certificates of a PEM file and no others.
    ///
    /// # Errors
    /// [`LdapError::File`] when it cannot be read, [`LdapError::NoCertificate`] when it
    /// has no usable certificate.
    pub fn from_file(path: &Path) -> Result<Self, LdapError> {
        let text = file::read(path, file::SETTINGS_LIMIT)?;
        let certificates = CaCertificates::new(CertificateDer::pem_slice_iter(&text).flatten().collect());
        if certificates.is_empty() {
            return Err(LdapError::NoCertificate(path.to_owned()));
        }
        Ok(Self::Given(Arc::new(certificates)))
    }

    /// The TLS settings of a connection.
    ///
    /// # Errors
    /// [`LdapError::NoSystemCertificates`].
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
