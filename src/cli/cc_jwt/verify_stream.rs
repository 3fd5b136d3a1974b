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

/// The JSON result of a line for endpoints: the subject, or the check that failed.
#[derive(Serialize)]
struct LineReport<'a> {
    line: u64,
    valid: bool,
    subject: Option<&'a str>,
    check: Option<&'a str>,
    reason: Option<&'a str>,
}

/// The JSON result of a line for a login role.
#[derive(Serialize)]
struct RoleLineReport<'a> {
    line: u64,
    accepted: bool,
    username: Option<&'a str>,
    check: Option<&'a str>,
    reason: Option<&'a str>,
}

/// The form of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineFormat {
    Text,
    Json,
    RoleJson,
}

/// Writes the answer to a line; whether the token is good.
fn write(
    format: LineFormat,
    line: Line<'_>,
    subject: Option<&str>,
    failed: Option<(&str, &str)>,
    out: &mut Vec<u8>,
) -> bool {
    let (passes, line) = (failed.is_none(), line.number);
    let (check, reason) = failed.unzip();
    // Writing to a Vec cannot fail.
    let _ = match format {
        LineFormat::Json => json_line(&LineReport { line, valid: passes, subject, check, reason }, out),
        LineFormat::RoleJson => {
            let username = subject;
            json_line(&RoleLineReport { line, accepted: passes, username, check, reason }, out)
        }
        LineFormat::Text => match failed {
            None => out.write_all(b"ok\n"),
            Some((check, reason)) => writeln!(out, "{check}: {reason}"),
        },
    };
    passes
}

fn json_line(report: &impl Serialize, out: &mut Vec<u8>) -> std::io::Result<()> {
    writeln!(out, "{}", escape_json(&serde_json::to_string(report).unwrap_or_default()))
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
    let format = if console.is_json() { LineFormat::Json } else { LineFormat::Text };
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
                    return write(format, line, None, Some(("form", &error.to_string())), out);
                }
                Err(why) => return write(format, line, None, Some(("form", why)), out),
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
            write(format, line, subject, refusal.as_ref().map(named), out)
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
    let format = if console.is_json() { LineFormat::RoleJson } else { LineFormat::Text };
    let LoginRoleVerifier { config, role, keys } = judging;
    let keys = RwLock::new(keys);
    stream::run(&verify.many, verify.token.file(), console, || {
        let (config, role, keys) = (&config, &role, &keys);
        Ok(move |line: Line<'_>, out: &mut Vec<u8>| {
            let found = match line.text.map(token::text::one) {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    return write(format, line, None, Some(("token", &error.to_string())), out);
                }
                Err(why) => return write(format, line, None, Some(("token", why)), out),
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
            write(format, line, subject, refusal.as_ref().map(named), out)
        })
    })
}
