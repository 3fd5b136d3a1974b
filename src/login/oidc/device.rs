//! Polling for a login on another device (RFC 8628 3.4, 3.5).

use std::time::{Duration, Instant};

use super::error::OidcError;
use crate::oidc::oauth::{DeviceAuthorization, DevicePoll, OauthError, Provider, TokenResponse};

/// The increase of the interval after `slow_down` (RFC 8628 3.5).
const SLOWER_BY: Duration = Duration::from_secs(5);

/// Polls until the user has logged in, the provider rejects the login, or the time limit is
/// reached. The interval is doubled after a temporary failure (RFC 8628 3.5).
///
/// # Errors
/// [`OidcError::TimedOut`], [`OidcError::CodeExpired`], [`OidcError::Provider`].
pub fn wait(
    provider: &Provider<'_>,
    device: &DeviceAuthorization,
    limit: Duration,
) -> Result<TokenResponse, OidcError> {
    let begun = Instant::now();
    let deadline = begun + limit;
    let mut interval = device.interval;
    loop {
        let next = Instant::now() + interval;
        if next >= deadline {
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
            return Err(OidcError::TimedOut { limit, rejected_requests: 0, redirect_uri: None });
        }
        std::thread::sleep(interval);
        match provider.poll_device(device) {
            Ok(DevicePoll::Tokens(tokens)) => return Ok(tokens),
            Ok(DevicePoll::Pending) => log::debug!("the user has not logged in yet"),
            Ok(DevicePoll::SlowDown) => {
                interval += SLOWER_BY;
                log::info!("the provider demands a longer interval: {} s", interval.as_secs());
            }
            Err(OauthError::Http(error)) if error.is_temporary() => {
                interval = interval.saturating_mul(2);
                log::info!("{error}: next attempt in {} s", interval.as_secs());
            }
            Err(error) => return Err(error.into()),
        }
        if begun.elapsed() >= device.expires_in {
            return Err(OidcError::CodeExpired(device.expires_in.as_secs()));
        }
    }
}
