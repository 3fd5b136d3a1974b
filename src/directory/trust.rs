//! Whom TLS trusts: the system's certificates, or those of one file.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::fault::DirectoryError;
use crate::base::file;

/// The authorities whose certificates are believed.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Those the system trusts, looked up when the first TLS connection is made.
    System,
    /// Those of a file, and nobody else.
    Given(Arc<ClientConfig>),
}

impl Trust {
    /// Trusts the authorities of a PEM file and nobody else.
    ///
    /// # Errors
    /// [`DirectoryError::File`] when it can't be read, [`DirectoryError::NoCertificate`] when it
    /// holds no usable certificate.
    pub fn from_file(path: &Path) -> Result<Self, DirectoryError> {
        let text = file::read(path, file::SETTINGS_LIMIT)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&text).flatten() {
            // One bad certificate in a bundle must not take the others away.
            let _ = roots.add(certificate);
        }
        if roots.is_empty() {
            return Err(DirectoryError::NoCertificate(path.to_owned()));
        }
        Ok(Self::Given(client_config(roots)?))
    }

    /// The TLS settings of a connection.
    ///
    /// # Errors
    /// [`DirectoryError::NoSystemCertificates`].
    pub(super) fn client_config(&self) -> Result<Arc<ClientConfig>, DirectoryError> {
        match self {
            Self::Given(config) => Ok(Arc::clone(config)),
            Self::System => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err(DirectoryError::NoSystemCertificates);
                }
                client_config(roots)
            }
        }
    }
}

fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, DirectoryError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| DirectoryError::NoSystemCertificates)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
