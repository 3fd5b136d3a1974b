//! Proof Key for Code Exchange (RFC 7636) with the method S256.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::oidc::discovery::Discovery;
use crate::util::secret::SecretText;

/// Returns the code challenge of a verifier (RFC 7636 4.2, S256).
#[must_use]
pub fn challenge(verifier: &SecretText) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()))
}

/// Returns whether the provider lists S256 (RFC 8414 2).
#[must_use]
pub fn is_supported(discovery: &Discovery) -> bool {
    let methods = discovery.list("code_challenge_methods_supported");
    methods.is_some_and(|methods| methods.iter().any(|method| method == "S256"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_matches_rfc_7636() {
        // RFC 7636 appendix B.
        assert_eq!(
            challenge(&SecretText::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned())),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
