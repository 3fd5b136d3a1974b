//! The certificates that TLS trusts: the system's, or those of one file.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::fault::DirectoryError;
use crate::util::file;
use crate::util::trust::Certificates;

/// The certificates that are trusted.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Those the system trusts, looked up when the first TLS connection is made.
    System,
    /// Those of a file, and no others.
    Given(Arc<Certificates>),
}

impl Trust {
    /// Trusts the certificates of a PEM file and no others.
    ///
    /// # Errors
    /// [`DirectoryError::File`] when it can't be read, [`DirectoryError::NoCertificate`] when it
    /// has no usable certificate.
    pub fn from_file(path: &Path) -> Result<Self, DirectoryError> {
        let text = file::read(path, file::SETTINGS_LIMIT)?;
        let certificates = Certificates::new(CertificateDer::pem_slice_iter(&text).flatten().collect());
        if certificates.is_empty() {
            return Err(DirectoryError::NoCertificate(path.to_owned()));
        }
        Ok(Self::Given(Arc::new(certificates)))
    }

    /// The TLS settings of a connection.
    ///
    /// # Errors
    /// [`DirectoryError::NoSystemCertificates`].
    pub(super) fn client_config(&self) -> Result<Arc<ClientConfig>, DirectoryError> {
        let none = || DirectoryError::NoSystemCertificates;
        let certificates = match self {
            Self::Given(certificates) => Arc::clone(certificates),
            Self::System => Arc::new(Certificates::of_the_system()),
        };
        if certificates.is_empty() {
            return Err(none());
        }
        certificates.client_config().map_err(|_| none())
    }
}
