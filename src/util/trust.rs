//! TLS certificate verification with trusted authorities and trusted server certificates.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};

use super::certificate::{self, CertificateRejection};
use super::quote::escape;

/// Trusted certificates, each as an authority and as a server certificate.
#[derive(Debug)]
pub struct CaCertificates {
    authorities: Arc<RootCertStore>,
    all: Vec<CertificateDer<'static>>,
}

impl CaCertificates {
    /// Creates a set of trusted certificates; invalid ones are skipped.
    #[must_use]
    pub fn new(all: Vec<CertificateDer<'static>>) -> Self {
        let mut authorities = RootCertStore::empty();
        for certificate in &all {
            // One invalid certificate in a bundle does not make the others unusable.
            let _ = authorities.add(certificate.clone());
        }
        let all = all.into_iter().filter(|der| certificate::is_certificate(der)).collect();
        Self { authorities: Arc::new(authorities), all }
    }

    /// The certificates that the system trusts.
    #[must_use]
    pub fn of_the_system() -> Self {
        Self::new(system())
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.authorities.is_empty() && self.all.is_empty()
    }

    /// Returns the TLS configuration of a client that trusts these certificates.
    ///
    /// # Errors
    /// The errors of rustls about its configuration.
    pub fn client_config(self: Arc<Self>) -> Result<Arc<ClientConfig>, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Verifier::new(self, &provider);
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        // rustls calls every custom verifier dangerous; this one extends the default verifier.
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        Ok(Arc::new(builder.with_no_client_auth()))
    }
}

/// The certificates that the system trusts.
#[must_use]
pub fn system() -> Vec<CertificateDer<'static>> {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        log::debug!("a certificate of the system is skipped: {}", escape(&error.to_string()));
    }
    loaded.certs
}

/// The rustls verifier with two additions. A server certificate that is itself trusted is accepted
/// for its names, because `openssl req -x509` marks it as an authority and rustls rejects such
/// certificates for servers. A rejection says why.
struct Verifier {
    certificates: Arc<CaCertificates>,
    library: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    fn new(certificates: Arc<CaCertificates>, provider: &Arc<CryptoProvider>) -> Self {
        let authorities = Arc::clone(&certificates.authorities);
        let library = WebPkiServerVerifier::builder_with_provider(authorities, Arc::clone(provider)).build();
        Self { certificates, library: library.ok(), provider: Arc::clone(provider) }
    }

    /// Whether the certificate is itself trusted, is not expired, and matches the name.
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
        let rejection = CertificateRejection::of(&error, end_entity, intermediates, name);
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
