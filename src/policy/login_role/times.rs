//! The check `times`: when a token is valid, by its claims and the role's leeways.

use super::check_sequence::{CheckResult, Failure, Pass};
use super::registered::RegisteredClaims;
use super::role::LoginRole;
use crate::util::time::{Timestamp, human_span};

const DEFAULT_SKEW: i64 = 60;
const DEFAULT_LEEWAY: i64 = 150;

/// Returns the leeway in effect: 0 means the default, a negative number no leeway.
pub(super) const fn effective_leeway(leeway: Option<i64>, default: i64) -> i64 {
    match leeway {
        None | Some(0) => default,
        Some(negative) if negative < 0 => 0,
        Some(seconds) => seconds,
    }
}

/// Returns the leeways in effect in seconds: for clocks, for a missing `exp`, for a missing `nbf`.
pub(super) fn leeways(role: &LoginRole) -> (i64, i64, i64) {
    (
        effective_leeway(role.clock_skew_leeway, DEFAULT_SKEW),
        effective_leeway(role.expiration_leeway, DEFAULT_LEEWAY),
        effective_leeway(role.not_before_leeway, DEFAULT_LEEWAY),
    )
}

/// Checks whether the token is valid now. It must have at least one of `iat`, `nbf` and `exp`. A missing
/// `exp` is the later of `iat` and `nbf` plus the role's leeway; a missing `nbf` is `iat`, or without it
/// `exp` minus the leeway. All limits are inclusive.
pub(super) fn check(role: &LoginRole, claims: &RegisteredClaims, now: Timestamp) -> CheckResult<()> {
    let (skew, exp_leeway, nbf_leeway) = leeways(role);
    if claims.iat.is_none() && claims.nbf.is_none() && claims.exp.is_none() {
        return Err(Failure::new(
            "the token has no time at all: at least one of iat, nbf and exp must be there and not 0",
        )
        .hint("let the issuer set iat and exp"));
    }
    // At least one time is given, so a default of 0 never decides alone.
    let start = claims.iat.unwrap_or(0).max(claims.nbf.unwrap_or(0));
    let exp = claims.exp.unwrap_or_else(|| start.saturating_add(exp_leeway));
    let nbf = claims.nbf.or(claims.iat).unwrap_or_else(|| exp.saturating_sub(nbf_leeway));

    let earliest = Timestamp(nbf).plus_seconds(-skew);
    if now < earliest {
        return Err(not_yet_valid(role, claims, now, earliest, nbf));
    }
    let latest = Timestamp(exp).plus_seconds(skew);
    if now > latest {
        return Err(expired(role, claims, now, latest, exp));
    }
    if let Some(iat) = claims.iat {
        let earliest = Timestamp(iat).plus_seconds(-skew);
        if now < earliest {
            return Err(Failure::new(format!(
                "issued in the future: iat is {}, {} ahead, more than the {skew} s by which clocks may differ",
                Timestamp(iat).rfc3339(),
                time_until(Timestamp(iat), now),
            ))
            .hint(format!(
                "compare the clocks, or set \"clock_skew_leeway\": {} in the role",
                Timestamp(iat).since(now)
            )));
        }
    }
    Ok(Pass::new((), format!("valid from {} to {}", earliest.rfc3339(), latest.rfc3339())))
}

fn time_until(instant: Timestamp, now: Timestamp) -> String {
    human_span(instant.since(now).unsigned_abs())
}

fn not_yet_valid(
    role: &LoginRole,
    claims: &RegisteredClaims,
    now: Timestamp,
    earliest: Timestamp,
    nbf: i64,
) -> Failure {
    let (skew, _, nbf_leeway) = leeways(role);
    let begins = Timestamp(nbf).rfc3339();
    let wait = time_until(earliest, now);
    if claims.nbf.is_some() {
        return Failure::new(format!(
            "not valid yet: nbf is {begins}, and with {skew} s by which clocks may differ it begins in {wait}"
        ))
        .hint("compare the clocks of the issuer and of this machine");
    }
    if claims.iat.is_some() {
        return Failure::new(format!(
            "not valid yet: there is no nbf, so that iat counts, which is {begins}; with {skew} s by which \
             clocks may differ it begins in {wait}"
        ))
        .hint("compare the clocks of the issuer and of this machine");
    }
    let needed = claims.exp.map_or(0, |exp| Timestamp(exp).since(now).saturating_sub(skew));
    Failure::new(format!(
        "not valid yet: the token has exp but neither iat nor nbf, so that it begins {nbf_leeway} s before \
         exp ({begins}); with {skew} s by which clocks may differ that is in {wait}"
    ))
    .hint(format!("let the issuer set iat, or set \"not_before_leeway\": {needed} in the role"))
}

fn expired(
    role: &LoginRole,
    claims: &RegisteredClaims,
    now: Timestamp,
    latest: Timestamp,
    exp: i64,
) -> Failure {
    let (skew, exp_leeway, _) = leeways(role);
    let ended = Timestamp(exp).rfc3339();
    let since = time_until(latest, now);
    if claims.exp.is_some() {
        let failure = Failure::new(format!(
            "expired: exp is {ended}, and with {skew} s by which clocks may differ it ended {since} ago"
        ));
        if role.expiration_leeway.is_some_and(|leeway| leeway > 0) {
            return failure.hint(
                "expiration_leeway only gives a token without exp an end; clock_skew_leeway moves all limits",
            );
        }
        return failure.hint("get a new token");
    }
    let start = if claims.nbf > claims.iat { "nbf" } else { "iat" };
    Failure::new(format!(
        "expired: there is no exp, so that it ends {exp_leeway} s after {start} ({ended}); with {skew} s by \
         which clocks may differ it ended {since} ago"
    ))
    .hint("let the issuer set exp, or set a larger \"expiration_leeway\" in the role")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_valid(leeway: i64, claims: &RegisteredClaims, now: i64) -> bool {
        let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_subject": "x",
                          "clock_skew_leeway": leeway});
        check(&LoginRole::read("r", &role).unwrap(), claims, Timestamp(now)).is_ok()
    }

    #[test]
    fn times_limits_are_inclusive() {
        for (leeway, skew) in [(0, 60), (-1, 0), (30, 30)] {
            let claims =
                RegisteredClaims { nbf: Some(1_000), exp: Some(2_000), ..RegisteredClaims::default() };
            for (now, expected) in [
                (1_000 - skew - 1, false),
                (1_000 - skew, true),
                (2_000 + skew, true),
                (2_000 + skew + 1, false),
            ] {
                assert_eq!(is_valid(leeway, &claims, now), expected, "leeway {leeway}, now {now}");
            }
            let issued = RegisteredClaims { iat: Some(1_500), nbf: Some(1_000), ..claims };
            assert!(is_valid(leeway, &issued, 1_500 - skew), "leeway {leeway}");
            assert!(!is_valid(leeway, &issued, 1_500 - skew - 1), "leeway {leeway}");
        }
    }

    #[test]
    fn times_missing_claims_are_derived_from_the_others() {
        let only_exp = RegisteredClaims { exp: Some(2_000), ..RegisteredClaims::default() };
        assert!(is_valid(-1, &only_exp, 1_850) && !is_valid(-1, &only_exp, 1_849));
        let only_iat = RegisteredClaims { iat: Some(1_000), ..RegisteredClaims::default() };
        assert!(is_valid(-1, &only_iat, 1_150) && !is_valid(-1, &only_iat, 1_151));
        let later_nbf =
            RegisteredClaims { iat: Some(1_000), nbf: Some(1_100), ..RegisteredClaims::default() };
        assert!(is_valid(-1, &later_nbf, 1_250) && !is_valid(-1, &later_nbf, 1_251));
    }
}
