//! Polling for a login on another device (RFC 8628 3.4, 3.5).

use std::time::Duration;

use super::error::OidcError;
use crate::oidc::oauth::{DeviceAuthorization, DevicePoll, OauthError, Provider, TokenResponse};
use crate::util::monotonic::MonotonicClock;

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
    clock: &dyn MonotonicClock,
) -> Result<TokenResponse, OidcError> {
    poll(|| provider.poll_device(device), device.interval, device.expires_in, limit, clock)
}

fn poll(
    mut attempt: impl FnMut() -> Result<DevicePoll, OauthError>,
    mut interval: Duration,
    expires_in: Duration,
    limit: Duration,
    clock: &dyn MonotonicClock,
) -> Result<TokenResponse, OidcError> {
    let begun = clock.now();
    let deadline = begun + limit;
    loop {
        let now = clock.now();
        let next = now + interval;
        if next >= deadline {
            clock.pause(deadline.saturating_duration_since(now));
            if limit >= expires_in {
                return Err(OidcError::CodeExpired(expires_in.as_secs()));
            }
            return Err(OidcError::TimedOut {
                limit,
                rejected_requests: 0,
                redirect_uri: None,
                client_id_setting: None,
            });
        }
        clock.pause(interval);
        match attempt() {
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
        if clock.now().saturating_duration_since(begun) >= expires_in {
            return Err(OidcError::CodeExpired(expires_in.as_secs()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::time::Instant;

    use super::*;

    /// A clock that only pauses move.
    #[derive(Debug)]
    struct FakeClock {
        now: Cell<Instant>,
        pauses: RefCell<Vec<u64>>,
    }

    impl MonotonicClock for FakeClock {
        fn now(&self) -> Instant {
            self.now.get()
        }

        fn pause(&self, duration: Duration) {
            self.pauses.borrow_mut().push(duration.as_secs());
            self.now.set(self.now.get() + duration);
        }
    }

    /// The pauses in seconds, and the error at the end.
    fn polled(answers: &[DevicePoll], expires_in: u64, limit: u64) -> (Vec<u64>, String) {
        let clock = FakeClock { now: Cell::new(Instant::now()), pauses: RefCell::default() };
        let mut answers = answers.iter();
        let attempt = || match answers.next() {
            Some(DevicePoll::SlowDown) => Ok(DevicePoll::SlowDown),
            _ => Ok(DevicePoll::Pending),
        };
        let seconds = Duration::from_secs;
        let error = poll(attempt, seconds(5), seconds(expires_in), seconds(limit), &clock).unwrap_err();
        (clock.pauses.into_inner(), format!("{error:?}"))
    }

    #[test]
    fn device_poll_keeps_the_interval_of_the_provider_until_the_time_limit() {
        let (pauses, error) = polled(&[], 900, 18);
        assert_eq!(pauses, [5, 5, 5, 3]);
        assert!(error.starts_with("TimedOut"), "{error}");
        let (pauses, _) = polled(&[DevicePoll::Pending, DevicePoll::SlowDown], 900, 40);
        assert_eq!(pauses, [5, 5, 10, 10, 10], "slow_down lengthens the interval");
    }

    #[test]
    fn device_poll_ends_when_the_code_expires() {
        let (pauses, error) = polled(&[], 12, 900);
        assert_eq!(pauses, [5, 5, 5]);
        assert_eq!(error, "CodeExpired(12)");
        // The default of the time limit is the lifetime of the code.
        let (pauses, error) = polled(&[], 12, 12);
        assert_eq!(pauses, [5, 5, 2]);
        assert_eq!(error, "CodeExpired(12)");
    }
}
