//! Certificates that are trusted, and TLS errors in words.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, Error};
use ureq::tls::Certificate;

use crate::base::quote::{escape, quote};

/// The certificates of a PEM text; each must be one that can be trusted at all.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn own_roots(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let mut store = rustls::RootCertStore::empty();
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("no proper PEM ({error})"))?;
        store
            .add(certificate.clone())
            .map_err(|error| format!("certificate {} is broken ({error})", found.len() + 1))?;
        found.push(Certificate::from_der(&certificate).to_owned());
    }
    if found.is_empty() { Err("no 'BEGIN CERTIFICATE' in it".to_owned()) } else { Ok(found) }
}

/// The certificates that the system trusts.
pub(super) fn system_roots() -> Vec<Certificate<'static>> {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        log::debug!("a certificate of the system is skipped: {}", escape(&error.to_string()));
    }
    loaded.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
}

/// A TLS error for this host in words, and whether a CA file could help.
pub(super) fn describe(error: &Error, host: &str) -> (String, bool) {
    match error {
        Error::InvalidCertificate(error) => certificate(error, host),
        Error::InvalidMessage(_) => ("it does not speak TLS there".to_owned(), false),
        Error::AlertReceived(alert) => {
            (format!("the server ended the TLS handshake ({})", escape(&format!("{alert:?}"))), false)
        }
        Error::PeerIncompatible(_) => {
            ("the server has no TLS version and cipher in common with this program".to_owned(), false)
        }
        Error::NoCertificatesPresented => ("the server sent no certificate".to_owned(), false),
        other => (escape(&other.to_string()), false),
    }
}

fn certificate(error: &CertificateError, host: &str) -> (String, bool) {
    // Those of the library that have no variant of their own are known by their name.
    let name = format!("{error:?}");
    let unknown_ca = "its certificate is from a CA that is not trusted here".to_owned();
    let why = match error {
        // A signature that does not fit is that of a CA with the name of a trusted one and another
        // key, be it of the same type or of another one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => return (unknown_ca, true),
        _ if name.starts_with("UnsupportedSignatureAlgorithmForPublicKey") => return (unknown_ca, true),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "its certificate has no host name in subjectAltName".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("its certificate is not for the host {}", quote(host))
        }
        CertificateError::Revoked => "its certificate was revoked".to_owned(),
        CertificateError::BadEncoding => "its certificate is malformed".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not for a TLS server (extended key usage)".to_owned()
        }
        _ if name.contains("CaUsedAsEndEntity") => {
            "its certificate is that of a CA, which is not accepted as a server's".to_owned()
        }
        _ if name.contains("UnsupportedCertVersion") => "its certificate is not X.509 version 3".to_owned(),
        _ if name.starts_with("UnsupportedSignatureAlgorithm") => {
            "its certificate is signed with an algorithm that is not accepted, such as SHA-1".to_owned()
        }
        other => format!("its certificate is not accepted: {}", escape(&other.to_string())),
    };
    (why, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_error_is_described_without_the_text_of_the_library() {
        let errors = [
            CertificateError::BadEncoding,
            CertificateError::Expired,
            CertificateError::NotValidYet,
            CertificateError::Revoked,
            CertificateError::UnknownIssuer,
            CertificateError::BadSignature,
            CertificateError::NotValidForName,
            CertificateError::InvalidPurpose,
        ];
        for error in errors {
            let (why, _) = describe(&Error::InvalidCertificate(error.clone()), "h.example");
            assert!(why.starts_with("its certificate "), "{error:?}: {why}");
            assert!(!why.contains("not accepted: "), "{error:?}: {why}");
        }
        assert!(describe(&Error::InvalidCertificate(CertificateError::BadSignature), "h").1);
    }
}
