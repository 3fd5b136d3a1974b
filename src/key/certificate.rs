//! The public key and the validity period of an X.509 certificate.
//!
//! The signature on the certificate is not checked: the caller trusts the file.

use x509_cert::Certificate as X509;
use x509_cert::der::{Decode as _, Encode as _};

use super::algorithm::Algorithm;
use super::der::read_restricted_spki;
use super::error::{KeyError, from_der};
use super::public::{KeyStrength, PublicKey};
use crate::util::time::Timestamp;

/// The fields of a certificate that this crate uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The public key.
    pub key: PublicKey,
    /// The algorithms to which the certificate restricts its key.
    pub algorithms: Option<Vec<Algorithm>>,
    /// The first second of the validity period.
    pub not_before: Timestamp,
    /// The last second of the validity period.
    pub not_after: Timestamp,
    /// The subject in RFC 4514 form; untrusted.
    pub subject: String,
}

impl Certificate {
    /// Parses a certificate in DER (RFC 5280 4.1).
    ///
    /// # Errors
    /// Returns a [`KeyError`] if the structure or its key is invalid.
    pub fn from_der(der: &[u8], weak: KeyStrength) -> Result<Self, KeyError> {
        let what = "certificate";
        let certificate = X509::from_der(der).map_err(|error| from_der(what, error.kind()))?;
        let tbs = certificate.tbs_certificate();
        let spki = tbs
            .subject_public_key_info()
            .to_der()
            .map_err(|_| KeyError::Certificate("its public key is malformed"))?;
        let instant = |time: &x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs())
                .map(Timestamp)
                .map_err(|_| KeyError::Certificate("its dates are beyond any calendar"))
        };
        let spki = read_restricted_spki(&spki, weak)?;
        Ok(Self {
            key: spki.key,
            algorithms: spki.algorithms,
            not_before: instant(&tbs.validity().not_before)?,
            not_after: instant(&tbs.validity().not_after)?,
            subject: tbs.subject().to_string(),
        })
    }

    /// Returns whether the certificate is valid at this time; both ends are inclusive (RFC 5280
    /// 4.1.2.5).
    #[must_use]
    pub fn is_valid_at(&self, instant: Timestamp) -> bool {
        self.not_before <= instant && instant <= self.not_after
    }
}
