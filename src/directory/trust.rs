//! The certificates that TLS trusts: the system's, or those of one file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};

use super::certificate::{self, Rejection};
use super::fault::DirectoryError;
use crate::base::file;

/// The certificates that are trusted.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Those the system trusts, looked up when the first TLS connection is made.
    System,
    /// Those of a file, and no others.
    Given(Arc<Certificates>),
}

/// Trusted certificates: as authorities, and each as itself.
#[derive(Debug)]
pub struct Certificates {
    authorities: Arc<RootCertStore>,
    all: Vec<CertificateDer<'static>>,
}

impl Certificates {
    fn new(all: Vec<CertificateDer<'static>>) -> Self {
        let mut authorities = RootCertStore::empty();
        for certificate in &all {
            // One bad certificate in a bundle must not take the others away.
            let _ = authorities.add(certificate.clone());
        }
        let all = all.into_iter().filter(|der| certificate::is_certificate(der)).collect();
        Self { authorities: Arc::new(authorities), all }
    }

    fn is_empty(&self) -> bool {
        self.authorities.is_empty() && self.all.is_empty()
    }
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
            Self::System => Arc::new(Certificates::new(rustls_native_certs::load_native_certs().certs)),
        };
        if certificates.is_empty() {
            return Err(none());
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Verifier::new(certificates, &provider);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| none())?;
        // "Dangerous" is any verifier that is not the library's; this one adds to the library's.
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        Ok(Arc::new(builder.with_no_client_auth()))
    }
}

/// The library's check of a certificate, with two additions: a certificate that is itself among
/// the trusted ones is trusted for its names (`openssl req -x509` marks a server's own certificate
/// as that of an authority, which the library rejects for a server), and a rejection says why.
struct Verifier {
    certificates: Arc<Certificates>,
    library: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    fn new(certificates: Arc<Certificates>, provider: &Arc<CryptoProvider>) -> Self {
        let authorities = Arc::clone(&certificates.authorities);
        let library = WebPkiServerVerifier::builder_with_provider(authorities, Arc::clone(provider)).build();
        Self { certificates, library: library.ok(), provider: Arc::clone(provider) }
    }

    /// Whether the certificate is itself trusted, has not expired, and is for this name.
    fn is_trusted_itself(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<bool, rustls::Error> {
        if !self.certificates.all.iter().any(|trusted| trusted.as_ref() == certificate.as_ref()) {
            return Ok(false);
        }
        certificate::check_times(certificate, now)?;
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(true)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let by_authority = match &self.library {
            Some(library) => library.verify_server_cert(end_entity, intermediates, name, ocsp_response, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let error = match by_authority {
            Ok(verified) => return Ok(verified),
            Err(error) => error,
        };
        let error = match self.is_trusted_itself(end_entity, name, now) {
            Ok(true) => return Ok(ServerCertVerified::assertion()),
            Ok(false) => error,
            Err(error) => error,
        };
        let rejection = Rejection::of(&error, end_entity, intermediates, name);
        Err(CertificateError::Other(OtherError(Arc::new(rejection))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
