//! What to do about one resource: the one decision of the operator. Pure; the time is given.

use cc_auth::key::SigningKey;
use cc_auth::osdf::Resource;
use cc_auth::renew::{Due, RenewReason, TokenInFile, check};
use cc_auth::util::time::Timestamp;
use k8s_openapi::api::core::v1::Secret;

use crate::jwt::Jwt;
use crate::problem::{Problem, Reason};
use crate::secret::{self, Slot, TokenTimes};

/// A tenth of `resignBefore`, and at most this many seconds, is what jitter may take.
const MAX_JITTER: i64 = 1800;
/// Clocks may differ by so much, in seconds.
const CLOCK_TOLERANCE: i64 = 60;

/// What was read for one reconciliation.
pub struct Observed<'a> {
    /// The resource.
    pub jwt: &'a Jwt,
    /// Its checked form.
    pub resource: &'a Resource,
    /// The Secret of the resource's name.
    pub secret: Option<&'a Secret>,
    /// The signing key.
    pub key: Result<&'a SigningKey, &'a Problem>,
    /// The present.
    pub now: Timestamp,
}

/// What to do.
#[derive(Debug)]
pub enum Action<'a> {
    /// The Secret holds a valid token that fits the resource, and its metadata are right.
    Leave(TokenTimes),
    /// The token is right; write the Secret around it.
    Repair(&'a Secret, TokenTimes),
    /// Sign a token and write the Secret.
    Sign(Slot<'a>, RenewReason),
}

/// Decides from the Secret, the key, the resource and the time.
///
/// ```text
/// Secret of another owner ............ SecretNotOwned, nothing is written
/// clock behind the token's iat ....... ClockBehind, nothing is signed
/// key missing, unreadable, unfit ..... Key...
/// token missing, invalid, different .. Sign     (SecretImmutable where the data cannot change)
/// renewal time reached ............... Sign     (likewise)
/// expired, without resignBefore ...... Expired
/// labels or annotation differ ........ Repair   (also an adopted Secret)
/// otherwise .......................... Leave
/// ```
///
/// # Errors
/// The [`Problem`] that prevents a valid token.
pub fn decide<'a>(observed: &Observed<'a>) -> Result<Action<'a>, Problem> {
    let Observed { jwt, resource, now, .. } = *observed;
    let slot = Slot::of(jwt, observed.secret)?;
    let times = slot.secret().and_then(secret::token_times);
    if let (Slot::Own(_), Some(times)) = (slot, &times)
        && now.plus_seconds(CLOCK_TOLERANCE) < times.issued_at
    {
        return Err(Problem::new(
            Reason::ClockBehind,
            format!(
                "the operator's clock shows {}, but the token was signed at {}: correct the clock",
                now.rfc3339(),
                times.issued_at.rfc3339()
            ),
        ));
    }
    let key = observed.key.map_err(Clone::clone)?;
    let reason = match (check(token_in(slot), resource, &key.verifying_key(), now), slot, times) {
        (Due::Fresh(_), Slot::Own(secret), Some(times))
            if now < renewal_time(jwt, resource, times.expires_at) =>
        {
            return Ok(match secret::has_drifted(jwt, secret, &times) {
                true => Action::Repair(secret, times),
                false => Action::Leave(times),
            });
        }
        (Due::Fresh(_), Slot::Adoptable(secret), Some(times)) => return Ok(Action::Repair(secret, times)),
        (Due::Fresh(fresh), ..) => RenewReason::ExpiresSoon(fresh.expires_at),
        (Due::Now { reason: RenewReason::Expired(at), .. }, Slot::Own(_), _)
            if resource.resign_before.is_none() =>
        {
            return Err(Problem::new(
                Reason::Expired,
                format!(
                    "the token expired at {} and spec.resignBefore is absent: set it, or delete the Secret to get a new token",
                    at.rfc3339()
                ),
            ));
        }
        (Due::Now { reason, .. }, ..) => reason,
    };
    if slot.is_immutable() {
        return Err(Problem::new(
            Reason::SecretImmutable,
            format!(
                "Secret '{0}' is immutable and its token has to be replaced ({reason}): delete it: kubectl delete secret {0}",
                jwt.name()
            ),
        ));
    }
    Ok(Action::Sign(slot, reason))
}

fn token_in(slot: Slot<'_>) -> TokenInFile<'_> {
    match slot.secret().and_then(secret::token_bytes).map(std::str::from_utf8) {
        None => TokenInFile::Missing,
        Some(Ok(text)) => TokenInFile::Text(text),
        Some(Err(_)) => TokenInFile::Unreadable,
    }
}

/// When a token is signed again: `resignBefore` before its expiry, or earlier by the resource's jitter.
/// Without `resignBefore`: at its expiry, which is when it becomes invalid.
pub fn renewal_time(jwt: &Jwt, resource: &Resource, expires_at: Timestamp) -> Timestamp {
    let before = resource.resign_before.unwrap_or(0);
    // Not more than a tenth of the time that a new token lasts until then either.
    let limit = (before / 10).min((resource.lifetime - before) / 10).clamp(0, MAX_JITTER);
    expires_at.plus_seconds(-before - jitter(jwt.uid(), limit))
}

/// At most `limit` seconds, fixed for each resource by its UID, so that resources that were created
/// together are not renewed in the same second.
fn jitter(uid: &str, limit: i64) -> i64 {
    // FNV-1a: stable over restarts and versions of the program.
    let hash = uid.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::try_from(hash % u64::try_from(limit + 1).unwrap_or(1)).unwrap_or(0)
}
