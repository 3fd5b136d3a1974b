//! Whom TLS trusts: the system's certificates, or those of one file.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::fault::DirectoryError;
use crate::base::file;

/// The authorities whose certificates are believed.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Those the system trusts, looked up when the first TLS connection is made.
    System,
    /// Those of a file, and nobody else.
    Given(Arc<RootCertStore>),
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
        Ok(Self::Given(Arc::new(roots)))
    }

    /// The TLS settings of a connection. With an address, the certificate has to be for that one,
    /// whatever name the connection is begun with.
    ///
    /// # Errors
    /// [`DirectoryError::NoSystemCertificates`].
    pub(super) fn client_config(&self, address: Option<IpAddr>) -> Result<Arc<ClientConfig>, DirectoryError> {
        let roots = self.roots()?;
        let none = || DirectoryError::NoSystemCertificates;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|_| none())?;
        let config = match address {
            None => builder.with_root_certificates(roots).with_no_client_auth(),
            Some(address) => {
                let verifier = ForAddress::new(address, roots, provider).ok_or_else(none)?;
                // "Dangerous" is any verifier of one's own; this one leaves all to the usual one.
                let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
                let mut config = builder.with_no_client_auth();
                // An address is no name to be sent (RFC 6066 3).
                config.enable_sni = false;
                config
            }
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, DirectoryError> {
        match self {
            Self::Given(roots) => Ok(Arc::clone(roots)),
            Self::System => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err(DirectoryError::NoSystemCertificates);
                }
                Ok(Arc::new(roots))
            }
        }
    }
}

/// The usual check of a certificate, but for an address: the LDAP library takes an IPv6 address
/// out of a URL with its brackets, which is no name of a server.
#[derive(Debug)]
struct ForAddress {
    name: ServerName<'static>,
    usual: Arc<WebPkiServerVerifier>,
}

impl ForAddress {
    fn new(address: IpAddr, roots: Arc<RootCertStore>, provider: Arc<CryptoProvider>) -> Option<Self> {
        let usual = WebPkiServerVerifier::builder_with_provider(roots, provider).build().ok()?;
        Some(Self { name: ServerName::IpAddress(address.into()), usual })
    }
}

impl ServerCertVerifier for ForAddress {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _begun_with: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.usual.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
