//! Waiting for a login on another device (RFC 8628 3.4, 3.5).

use std::time::{Duration, Instant};

use super::error::OidcError;
use crate::oidc::oauth::{DeviceAuthorization, DevicePoll, OauthError, Provider, TokenResponse};

/// How much longer to wait between two questions when the provider says so (RFC 8628 3.5).
const SLOWER_BY: Duration = Duration::from_secs(5);

/// Asks until the person has finished, the provider says no, or the time is up. A question that
/// finds no answer is asked again, twice as long after (RFC 8628 3.5).
///
/// # Errors
/// [`OidcError::TimedOut`], and the provider's refusals with their meaning.
pub fn wait(
    provider: &Provider<'_>,
    device: &DeviceAuthorization,
    deadline: Instant,
    limit: &str,
) -> Result<TokenResponse, OidcError> {
    let begun = Instant::now();
    let mut interval = device.interval;
    loop {
        let next = Instant::now() + interval;
        if next >= deadline {
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
            return Err(OidcError::TimedOut {
                limit: limit.to_owned(),
                rejected_requests: 0,
                redirect_uri: None,
            });
        }
        std::thread::sleep(interval);
        match provider.poll_device(device) {
            Ok(DevicePoll::Tokens(tokens)) => return Ok(tokens),
            Ok(DevicePoll::Pending) => log::debug!("the provider says: not yet"),
            Ok(DevicePoll::SlowDown) => {
                interval += SLOWER_BY;
                log::info!("the provider wants fewer questions: one every {} s", interval.as_secs());
            }
            Err(OauthError::Http(error)) if error.is_temporary() => {
                interval = interval.saturating_mul(2);
                log::info!("{error}: the next question in {} s", interval.as_secs());
            }
            Err(error) => return Err(error.into()),
        }
        if begun.elapsed() >= device.expires_in {
            return Err(OidcError::CodeExpired(device.expires_in.as_secs()));
        }
    }
}
