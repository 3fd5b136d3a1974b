//! `cc-jwt verify --stream`.

use std::io::Write as _;
use std::sync::{PoisonError, RwLock};

use serde::Serialize;

use super::bench::VerifyContext;
use super::keys::KeyRing;
use super::remote::RemoteSets;
use super::role_judge::LoginRoleVerifier;
use super::stream::{self, Line};
use super::verify_options::Verify;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::config::Settings;
use crate::policy::login_role::{Flow, evaluate};
use crate::policy::{Account, Finding, Verbosity};
use crate::token::{self, Verified};
use crate::user_db::{OpenMode, UserDb};
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Notes;
use crate::util::quote::escape_json;
use crate::util::time::Clock;
use crate::verify::login_role_keys::may_be_new_key;

/// The answer to a line, as `--json` has it: who the token is for, or the check that fails and why.
#[derive(Serialize)]
struct Answer<'a> {
    line: u64,
    admitted: bool,
    subject: Option<&'a str>,
    check: Option<&'a str>,
    reason: Option<&'a str>,
}

/// Writes the answer to a line; whether the token is good.
fn write(
    json: bool,
    line: Line<'_>,
    subject: Option<&str>,
    failed: Option<(&str, &str)>,
    out: &mut Vec<u8>,
) -> bool {
    let admitted = failed.is_none();
    // Writing to a Vec cannot fail.
    let _ = match failed {
        _ if json => {
            let (check, reason) = failed.unzip();
            let answer = Answer { line: line.number, admitted, subject, check, reason };
            let text = serde_json::to_string(&answer).unwrap_or_default();
            writeln!(out, "{}", escape_json(&text))
        }
        None => out.write_all(b"ok\n"),
        Some((check, reason)) => writeln!(out, "{check}: {reason}"),
    };
    admitted
}

fn named(finding: &Finding) -> (&str, &str) {
    (finding.check, &finding.reason)
}

/// Judges a stream for endpoints, or by itself.
pub(super) fn run(
    bench: &VerifyContext<'_>,
    keys: KeyRing,
    sets: RemoteSets,
    settings: &Settings,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let is_json = console.is_json();
    let verify = bench.verify;
    let asks = settings.jwts.validate_user.value && !verify.no_db;
    let database = if asks { Some(settings.database()?) } else { None };
    let fixed = keys.without(sets.keys().count());
    let keys = RwLock::new((keys, sets));
    stream::run(&verify.many, verify.token.file(), console, || {
        let store = database.map(|path| UserDb::open(path, OpenMode::Read)).transpose()?;
        let (keys, fixed) = (&keys, &fixed);
        Ok(move |line: Line<'_>, out: &mut Vec<u8>| {
            let found = match line.text.map(token::text::one) {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    return write(is_json, line, None, Some(("form", &error.to_string())), out);
                }
                Err(why) => return write(is_json, line, None, Some(("form", why)), out),
            };
            let text = found.token.as_ref();
            let mut held = keys.read().unwrap_or_else(PoisonError::into_inner);
            let mut verified = held.0.verify(text);
            if may_be_new_key(&verified) && held.1.may_refetch() {
                drop(held);
                let mut change = keys.write().unwrap_or_else(PoisonError::into_inner);
                change.1.refetch_quietly();
                change.0 = fixed.clone().with(change.1.owned());
                drop(change);
                held = keys.read().unwrap_or_else(PoisonError::into_inner);
                verified = held.0.verify(text);
            }
            let ring = &held.0;
            let user = match (&store, &verified) {
                (Some(store), Ok(verified)) => verified.claims().subject().map(|name| store.find(name)),
                _ => None,
            };
            let broken;
            let account = match &user {
                None => Account::NotQueried,
                Some(Ok(Some(user))) => Account::Known(user),
                Some(Ok(None)) => Account::Missing,
                Some(Err(error)) => {
                    broken = error.to_string();
                    Account::Invalid(&broken)
                }
            };
            let refusal = bench
                .evaluate(&verified, ring, account, bench.now(), Verbosity::Failures)
                .find_map(|judged| judged.verdict.into_refusal());
            let subject = verified.as_ref().ok().and_then(|token: &Verified| token.claims().subject());
            write(is_json, line, subject, refusal.as_ref().map(named), out)
        })
    })
}

/// Judges a stream by a login role.
pub(super) fn run_role(
    verify: &Verify,
    judging: LoginRoleVerifier,
    clock: Clock,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let is_json = console.is_json();
    let LoginRoleVerifier { config, role, keys } = judging;
    let keys = RwLock::new(keys);
    stream::run(&verify.many, verify.token.file(), console, || {
        let (config, role, keys) = (&config, &role, &keys);
        Ok(move |line: Line<'_>, out: &mut Vec<u8>| {
            let found = match line.text.map(token::text::one) {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    return write(is_json, line, None, Some(("token", &error.to_string())), out);
                }
                Err(why) => return write(is_json, line, None, Some(("token", why)), out),
            };
            let text = found.token.as_ref();
            let mut verified = keys.read().unwrap_or_else(PoisonError::into_inner).attempt(text);
            if may_be_new_key(&verified)
                && keys.read().is_ok_and(|keys| keys.may_refetch(Clock::System.now()))
            {
                let mut keys = keys.write().unwrap_or_else(PoisonError::into_inner);
                // That keys cannot be fetched again leaves those there are, and the answer.
                if let Ok(again) = keys.verify(text, Clock::System.now(), &mut Notes::new()) {
                    verified = again;
                }
            }
            let token = verified.as_ref();
            let (verdict, login) =
                evaluate(config, role, token, Flow::Token, clock.now(), Verbosity::Failures);
            let refusal = verdict.into_refusal();
            let subject = login.as_ref().map(|login| login.username.as_str());
            write(is_json, line, subject, refusal.as_ref().map(named), out)
        })
    })
}
