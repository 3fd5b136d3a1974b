//! The public key of an X.509 certificate and its validity. The signature on
//! the certificate is not checked: naming the file means trusting it.

use x509_cert::Certificate as X509;
use x509_cert::der::{Decode as _, Encode as _};

use super::algorithm::Algorithm;
use super::der::read_restricted_spki;
use super::error::{KeyError, from_der};
use super::public::{KeyStrength, PublicKey};
use crate::util::time::Timestamp;

/// The used fields of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its public key.
    pub key: PublicKey,
    /// The algorithms that the certificate restricts its key to.
    pub algorithms: Option<Vec<Algorithm>>,
    /// The first second at which it is valid.
    pub not_before: Timestamp,
    /// The last second at which it is valid.
    pub not_after: Timestamp,
    /// Its subject, as RFC 4514 writes it; untrusted.
    pub subject: String,
}

impl Certificate {
    /// Reads a certificate in DER (RFC 5280 4.1).
    ///
    /// # Errors
    /// What is wrong with the structure or with the key in it.
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

    /// Whether the certificate is valid at an instant: both ends count (RFC 5280 4.1.2.5).
    #[must_use]
    pub fn is_valid_at(&self, instant: Timestamp) -> bool {
        self.not_before <= instant && instant <= self.not_after
    }
}
