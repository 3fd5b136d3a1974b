//! Descriptions of why a server certificate is rejected.

use der::Decode as _;
use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der;
use x509_cert::der::oid::ObjectIdentifier;

use super::quote::{escape, quote};
use super::time::Timestamp;

/// The reason a certificate is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct CertificateRejection {
    /// A clause whose subject is "its certificate".
    pub why: String,
    /// Whether the certificate would be accepted if its issuer were trusted.
    pub unknown_issuer: bool,
}

/// `subjectAltName`, RFC 5280 4.2.1.6.
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// Signature algorithms with a hash for which collisions are known: MD2, MD5 and SHA-1 with RSA,
/// SHA-1 with ECDSA, SHA-1 with DSA.
const INSECURE_HASHES: [(ObjectIdentifier, &str); 5] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.2"), "MD2"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"), "MD5"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"), "SHA-1"),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"), "SHA-1"),
    (ObjectIdentifier::new_unwrap("1.2.840.10040.4.3"), "SHA-1"),
];

/// The maximum number of certificate names in a message.
const NAMES: usize = 5;

/// Whether the bytes are a parsable certificate.
pub(super) fn is_certificate(der: &CertificateDer<'_>) -> bool {
    parse(der).is_some()
}

fn parse(der: &CertificateDer<'_>) -> Option<Certificate> {
    Certificate::from_der(der.as_ref()).ok()
}

/// Checks the validity period of the certificate.
///
/// # Errors
/// [`CertificateError`].
pub(super) fn check_times(der: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let certificate = parse(der).ok_or(CertificateError::BadEncoding)?;
    let validity = certificate.tbs_certificate().validity();
    let time = |time: &x509_cert::time::Time| UnixTime::since_unix_epoch(time.to_unix_duration());
    let (not_before, not_after) = (time(&validity.not_before), time(&validity.not_after));
    if now < not_before {
        return Err(CertificateError::NotValidYetContext { time: now, not_before });
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext { time: now, not_after });
    }
    Ok(())
}

impl CertificateRejection {
    /// Returns the rejection inside a TLS error, if the error is about a certificate.
    #[must_use]
    pub fn in_error(error: &rustls::Error) -> Option<&Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(other)) => other.0.downcast_ref(),
            _ => None,
        }
    }

    /// Describes a certificate error of rustls.
    pub(super) fn of(
        error: &rustls::Error,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
    ) -> Self {
        let rustls::Error::InvalidCertificate(error) = error else {
            return Self::because(format!("its certificate is rejected: {}", escape(&error.to_string())));
        };
        let certificate = parse(end_entity);
        // rustls reports each of these two conditions with an error of its own before any other
        // check.
        if certificate
            .as_ref()
            .is_some_and(|certificate| certificate.tbs_certificate().version() != Version::V3)
        {
            return Self::because(
                "its certificate is X.509 version 1, which has no subjectAltName: issue one of version 3",
            );
        }
        if matches!(error, CertificateError::BadEncoding) {
            return Self::because("its certificate is malformed");
        }
        match error {
            CertificateError::ExpiredContext { not_after, .. } => {
                return Self::because(format!("its certificate has expired on {}", date(*not_after)));
            }
            CertificateError::Expired => return Self::because("its certificate has expired"),
            CertificateError::NotValidYetContext { not_before, .. } => {
                return Self::because(format!("its certificate is not valid before {}", date(*not_before)));
            }
            CertificateError::NotValidYet => return Self::because("its certificate is not valid yet"),
            CertificateError::NotValidForNameContext { presented, .. } => {
                return Self::because(other_name(certificate.as_ref(), presented, name));
            }
            CertificateError::NotValidForName => {
                return Self::because(other_name(certificate.as_ref(), &[], name));
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                return Self::because("its certificate is not for a server (extendedKeyUsage)");
            }
            CertificateError::Revoked => return Self::because("its certificate is revoked"),
            CertificateError::UnhandledCriticalExtension => {
                return Self::because("its certificate has a critical extension that is not supported here");
            }
            _ => {}
        }
        let insecure =
            |der: &CertificateDer<'_>| parse(der).and_then(|certificate| insecure_hash(&certificate));
        if let Some(hash) = insecure(end_entity) {
            return Self::because(format!("its certificate is signed with {hash}, which is not accepted"));
        }
        if let Some(hash) = intermediates.iter().find_map(insecure) {
            return Self::because(format!(
                "the certificate of an intermediate authority is signed with {hash}, which is not accepted"
            ));
        }
        let self_signed = certificate.as_ref().is_some_and(|certificate| {
            certificate.tbs_certificate().subject() == certificate.tbs_certificate().issuer()
        });
        match error {
            _ if self_signed => Self {
                why: "its certificate is self-signed and not trusted here".to_owned(),
                unknown_issuer: true,
            },
            // The issuer has the name of a trusted authority but another key.
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Self {
                why: "its certificate is signed by an authority that is not trusted here".to_owned(),
                unknown_issuer: true,
            },
            _ if error.to_string().contains("CaUsedAsEndEntity") => {
                Self::because("its certificate is that of an authority, not of a server")
            }
            #[expect(deprecated, reason = "the library may still return it")]
            CertificateError::UnsupportedSignatureAlgorithm
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
                Self::because("its certificate has a signature algorithm that is not supported here")
            }
            other => Self::because(format!("its certificate is rejected: {}", escape(&other.to_string()))),
        }
    }

    fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), unknown_issuer: false }
    }
}

/// Returns the time after which a certificate is not valid; `None` if it is malformed.
#[must_use]
pub fn expiry(der: &CertificateDer<'_>) -> Option<Timestamp> {
    let not_after = parse(der)?.tbs_certificate().validity().not_after.to_unix_duration();
    i64::try_from(not_after.as_secs()).ok().map(Timestamp)
}

fn insecure_hash(certificate: &Certificate) -> Option<&'static str> {
    let algorithm = certificate.signature_algorithm().oid;
    INSECURE_HASHES.iter().find(|(oid, _)| *oid == algorithm).map(|(_, name)| *name)
}

/// Describes a name mismatch: the expected name and the names in the certificate.
fn other_name(certificate: Option<&Certificate>, presented: &[String], expected: &ServerName<'_>) -> String {
    let expected = quote(&expected.to_str());
    let has_names = certificate.is_none_or(|certificate| {
        let extensions = certificate.tbs_certificate().extensions();
        extensions.is_some_and(|list| list.iter().any(|extension| extension.extn_id == SUBJECT_ALT_NAME))
    });
    if !has_names {
        return format!(
            "its certificate has no subjectAltName: a name in the subject (CN) does not count, issue one for {expected}"
        );
    }
    // Removes the variant name, such as in `DnsName("ldap.example.org")` and
    // `IpAddress(192.0.2.1)`.
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        quote(inner.trim_matches('"'))
    };
    let names: Vec<String> = presented.iter().take(NAMES).map(bare).collect();
    if names.is_empty() {
        return format!("its certificate is for another name than {expected}");
    }
    format!("its certificate is for {}, not for {expected}", names.join(", "))
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp(seconds).rfc3339().chars().take(10).collect()
}
