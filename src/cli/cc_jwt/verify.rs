//! `cc-jwt verify`.

use std::path::Path;

use super::bench::{VerifyContext, VerifyRequest};
use super::inspect::probable_mistakes;
use super::keys::KeyRing;
use super::remote::RemoteSets;
use super::report::{self, CheckReport, EndpointReport, EndpointResult, TokenReport, VerifyReport};
use super::verify_options::Verify;
use super::{verify_role, verify_stream};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::options::SettingsOptions;
use crate::cli::settings;
use crate::config::Settings;
use crate::policy::server_access::Account;
use crate::policy::{Endpoint, Verbosity};
use crate::token::{TokenError, Verified};
use crate::user::User;
use crate::user_db::{OpenMode, UserDb, UserDbError};
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Warning;
use crate::verify::login_role_keys::may_be_new_key;

/// Keys, token, signature, verdict, report: the whole way of a token.
pub(super) fn run(
    verify: &Verify,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let settings = settings::load(options, console)?;
    if verify.login_role.is_some() || verify.role_config.is_some() {
        return verify_role::run(verify, &settings, console);
    }
    let asked = VerifyRequest::read(verify)?;
    if verify.many.stream {
        verify.many.refuse_argument(&verify.token)?;
        let (keys, sets) = open_keys(verify, &settings, &asked, console)?;
        let bench = VerifyContext::new(verify, asked, &settings, &keys);
        return verify_stream::run(&bench, keys, sets, &settings, console);
    }
    let text = verify.token.read_one(console)?;
    let text = text.expose();
    let (mut keys, mut sets) = open_keys(verify, &settings, &asked, console)?;
    let mut outcome = keys.verify(text);
    // The keys of files stay as they are: they were read, and warned about, once.
    let from_files = keys.without(sets.keys().count());
    if may_be_new_key(&outcome) && sets.refetch(console)? {
        keys = from_files.with(sets.owned());
        outcome = keys.verify(text);
    }
    let verified = match outcome {
        Err(error) if error.is_malformed() => return Err(error.into()),
        verified => verified,
    };
    let warnings = verified.as_ref().map_or_else(|_| Vec::new(), |token| probable_mistakes(token.claims()));
    let person = Person::look_up(verified.as_ref().ok(), &asked.endpoints, &settings, verify.no_db, console)?;
    let bench = VerifyContext::new(verify, asked, &settings, &keys);
    let now = bench.now();
    let judged: Vec<EndpointResult> =
        bench.evaluate(&verified, &keys, person.account(), now, Verbosity::All).collect();
    report(&judged, &verified, &keys, &warnings, console)
}

/// The keys to verify with, and those of them that can be fetched again.
fn open_keys(
    verify: &Verify,
    settings: &Settings,
    asked: &VerifyRequest,
    console: &mut Console,
) -> Result<(KeyRing, RemoteSets), Failure> {
    if !verify.has_given_keys() {
        return Ok((KeyRing::configured(settings, &asked.endpoints, console)?, RemoteSets::default()));
    }
    let sets = verify.remote.open(console)?;
    let weak = verify.remote.weak();
    let now = asked.clock.now();
    let files = KeyRing::from_files(&verify.key, verify.hmac_secret_file.as_deref(), weak, now, console)?;
    Ok((files.with(sets.owned()), sets))
}

/// What the user table says of the token's subject.
enum Person {
    Unasked,
    Missing,
    Broken(String),
    Known(User),
}

impl Person {
    /// Asks the user table where its answer counts, or where it is there to be asked.
    fn look_up(
        verified: Option<&Verified>,
        endpoints: &[Endpoint],
        settings: &Settings,
        no_db: bool,
        console: &mut Console,
    ) -> Result<Self, Failure> {
        let nobody_asks = !endpoints.is_empty()
            && endpoints.iter().all(|endpoint| matches!(endpoint, Endpoint::MetricStore | Endpoint::Config));
        let Some(name) = verified.and_then(|token| token.claims().subject()) else {
            return Ok(Self::Unasked);
        };
        if no_db || nobody_asks || name.is_empty() {
            return Ok(Self::Unasked);
        }
        let path: &Path = settings.database()?;
        let counts = settings.jwts.validate_user.value;
        if !counts && settings.db.is_default() && !path.exists() {
            return Ok(Self::Unasked);
        }
        log::info!("the user is looked up in {}", crate::util::quote::quote_path(path));
        match UserDb::open(path, OpenMode::Read).and_then(|store| store.find(name)) {
            Ok(Some(user)) => Ok(Self::Known(user)),
            Ok(None) => Ok(Self::Missing),
            Err(error @ UserDbError::InvalidRow { .. }) => Ok(Self::Broken(error.to_string())),
            Err(error) if counts => Err(error.into()),
            Err(error) => {
                console.warn(
                    "user-table-unreadable",
                    &format!("{error}; the user table does not count (validate-user is off)"),
                );
                Ok(Self::Unasked)
            }
        }
    }

    fn account(&self) -> Account<'_> {
        match self {
            Self::Unasked => Account::NotQueried,
            Self::Missing => Account::Missing,
            Self::Broken(why) => Account::Invalid(why),
            Self::Known(user) => Account::Known(user),
        }
    }
}

fn report(
    results: &[EndpointResult],
    verified: &Result<Verified, TokenError>,
    keys: &KeyRing,
    warnings: &[Warning],
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let valid = results.iter().all(|result| result.verdict.accepts());
    if console.is_json() {
        let token = verified.as_ref().ok().map(|token| {
            let claims = token.claims();
            TokenReport {
                subject: claims.subject(),
                issuer: claims.issuer(),
                roles: claims.roles(),
                algorithm: token.algorithm().name(),
                kid: keys.kid(token.key()),
                key_setting: keys.signer(token.key()).setting(),
                key_issuer: keys.issuer(token.key()),
                issued_at: report::time(claims, "iat"),
                expires_at: report::time(claims, "exp"),
            }
        });
        let (mut checks, mut endpoints) = (Vec::new(), Vec::new());
        for EndpointResult { endpoint, verdict } in results {
            match endpoint {
                None => checks = CheckReport::all(verdict),
                Some(endpoint) => endpoints.push(EndpointReport {
                    endpoint: endpoint.name(),
                    accepted: verdict.accepts(),
                    checks: CheckReport::all(verdict),
                }),
            }
        }
        console.json(&VerifyReport { valid, token, checks, endpoints, warnings })?;
    } else {
        for warning in warnings {
            console.warn(warning.check, &warning.message);
        }
        for (place, result) in results.iter().enumerate() {
            if place > 0 && !console.is_quiet() {
                console.line("")?;
            }
            report::show(result, console)?;
        }
    }
    Ok(if valid { ExitStatus::Success } else { ExitStatus::Negative })
}
