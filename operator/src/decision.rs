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

#[cfg(test)]
mod tests {
    use cc_auth::osdf::signing::{read_key, sign};
    use cc_auth::util::note::Notes;
    use cc_auth::util::secret::SecretText;
    use serde_json::{Value, json};

    use super::*;
    use crate::spec::{self, CheckedSpec};

    const NOW: Timestamp = Timestamp(1_900_000_000);
    const KEY: &str = include_str!("../tests/data/es256.pem");
    const OTHER_KEY: &str = include_str!("../tests/data/es256-other.pem");

    fn jwt(spec: &Value) -> Jwt {
        let mut all = json!({
            "issuer": "https://issuer.example.com/", "keyId": "key-1", "algorithm": "ES256",
            "data": {"sub": "jane"}, "expiryTime": {"hours": 6}, "resignBefore": {"hours": 1},
            "key": {"secret": {"name": "signing-key", "key": "tls.key"}},
        });
        for (name, value) in spec.as_object().unwrap() {
            all[name] = value.clone();
        }
        let metadata =
            json!({"name": "a", "namespace": "science", "uid": "f6c9f2d4-5f3e-4c8e-9d51-0b9f6f2b7c11"});
        serde_json::from_value(json!({"metadata": metadata, "spec": all})).unwrap()
    }

    fn key(resource: &Resource, pem: &str) -> SigningKey {
        read_key(resource, "test".to_owned(), &SecretText::new(pem.to_owned()), &mut Notes::new()).unwrap()
    }

    /// The Secret that the operator wrote for a resource at a time.
    fn written(jwt: &Jwt, at: Timestamp) -> Secret {
        let CheckedSpec { resource, .. } = spec::check(jwt).unwrap();
        let signed = sign(&resource, &key(&resource, KEY), at).unwrap();
        secret::desired(jwt, &signed.token, signed.issued_at)
    }

    /// The decision in a word: the action with its reason, or the problem's reason.
    fn decision(jwt: &Jwt, secret: Option<&Secret>, pem: &str, now: Timestamp) -> String {
        let CheckedSpec { resource, .. } = spec::check(jwt).unwrap();
        let key = key(&resource, pem);
        match decide(&Observed { jwt, resource: &resource, secret, key: Ok(&key), now }) {
            Ok(Action::Leave(_)) => "leave".to_owned(),
            Ok(Action::Repair(..)) => "repair".to_owned(),
            Ok(Action::Sign(_, reason)) => reason.name().to_owned(),
            Err(problem) => problem.reason.name().to_owned(),
        }
    }

    #[test]
    fn token_is_left_until_its_renewal_time_and_signed_from_then_on() {
        let jwt = jwt(&json!({}));
        let secret = written(&jwt, NOW);
        let CheckedSpec { resource, .. } = spec::check(&jwt).unwrap();
        let renewal = renewal_time(&jwt, &resource, NOW.plus_seconds(6 * 3600));
        let lead = NOW.plus_seconds(6 * 3600).since(renewal);
        assert!((3600..=3960).contains(&lead), "at least resignBefore, at most a tenth more: {lead}");
        for (now, expected) in [
            (NOW, "leave"),
            (renewal.plus_seconds(-1), "leave"),
            (renewal, "expires-soon"),
            (NOW.plus_seconds(7 * 3600), "expired"),
            (NOW.plus_seconds(-61), "ClockBehind"),
            (NOW.plus_seconds(-60), "leave"),
        ] {
            assert_eq!(decision(&jwt, Some(&secret), KEY, now), expected, "{}", now.since(NOW));
        }
    }

    #[test]
    fn token_without_resign_before_is_never_renewed() {
        let jwt = jwt(&json!({"resignBefore": null}));
        let secret = written(&jwt, NOW);
        assert_eq!(decision(&jwt, Some(&secret), KEY, NOW.plus_seconds(6 * 3600 - 1)), "leave");
        assert_eq!(decision(&jwt, Some(&secret), KEY, NOW.plus_seconds(6 * 3600)), "Expired");
    }

    #[test]
    fn token_that_differs_from_resource_or_key_is_signed_again() {
        let before = jwt(&json!({}));
        let secret = written(&before, NOW);
        assert_eq!(decision(&before, None, KEY, NOW), "missing");
        assert_eq!(decision(&before, Some(&secret), OTHER_KEY, NOW), "key-changed");
        for change in [
            json!({"keyId": "key-2"}),
            json!({"issuer": "https://other.example.com/"}),
            json!({"data": {"sub": "joe"}}),
            json!({"data": {"sub": "jane", "scope": "storage.read:/"}}),
            json!({"expiryTime": {"hours": 5}}),
        ] {
            assert_eq!(decision(&jwt(&change), Some(&secret), KEY, NOW), "resource-changed", "{change}");
        }
    }

    #[test]
    fn secret_of_another_owner_is_a_problem_whatever_it_holds() {
        let jwt = jwt(&json!({}));
        let mut secret = written(&jwt, NOW);
        if let Some(owners) = &mut secret.metadata.owner_references {
            owners[0].controller = Some(false);
        }
        assert_eq!(decision(&jwt, Some(&secret), KEY, NOW), "SecretNotOwned");
        let annotations = secret.metadata.annotations.get_or_insert_default();
        annotations.insert(secret::ADOPT.to_owned(), "a".to_owned());
        assert_eq!(decision(&jwt, Some(&secret), KEY, NOW), "repair", "handed over, with a fitting token");
        secret.type_ = Some("kubernetes.io/tls".to_owned());
        assert_eq!(decision(&jwt, Some(&secret), KEY, NOW), "SecretNotOwned", "the type cannot be changed");
    }

    #[test]
    fn immutable_secret_is_left_while_its_token_fits() {
        let before = jwt(&json!({}));
        let mut secret = written(&before, NOW);
        secret.immutable = Some(true);
        assert_eq!(decision(&before, Some(&secret), KEY, NOW), "leave");
        assert_eq!(decision(&jwt(&json!({"keyId": "key-2"})), Some(&secret), KEY, NOW), "SecretImmutable");
    }

    #[test]
    fn renewal_is_never_before_nine_tenths_of_the_time_until_resign_before() {
        let jwt = jwt(&json!({"expiryTime": {"minutes": 60}, "resignBefore": {"minutes": 59}}));
        let CheckedSpec { resource, .. } = spec::check(&jwt).unwrap();
        let renewal = renewal_time(&jwt, &resource, NOW.plus_seconds(3600));
        assert!((54..=60).contains(&renewal.since(NOW)), "a token that is renewed at once would never rest");
    }
}
