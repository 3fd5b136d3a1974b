//! `cc-jwt verify --role`: whether a login role admits a token, and as whom.

use serde_json::{Value, json};

use super::keys::{KeyRing, warn_of_weak};
use super::report;
use super::role;
use super::verify_options::Verify;
use super::verify_stream;
use crate::base::fault::Status;
use crate::base::note::{Level, Notes};
use crate::base::quote::{escape, quote};
use crate::base::time::{Clock, Timestamp, span_for_people};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageFault};
use crate::config::Settings;
use crate::key::KeySet;
use crate::policy::Verdict;
use crate::policy::role::{Flow, Login, LoginRole, RoleConfig, config_surprises, judge};
use crate::provider::role_keys::RoleKeys;
use crate::token;

/// The role, its configuration and its keys: all that is needed to judge tokens.
pub(super) struct Judge {
    pub(super) config: RoleConfig,
    pub(super) role: LoginRole,
    pub(super) keys: RoleKeys,
}

impl Judge {
    /// Reads and fetches everything.
    pub(super) fn open(
        verify: &Verify,
        settings: &Settings,
        now: Timestamp,
        console: &mut Console,
    ) -> Result<Self, Failure> {
        refuse_other_demands(verify)?;
        let given = given_keys(verify);
        let config = role::find_config(verify.role_config.as_deref(), settings, given)?;
        let asked = verify.role.as_deref().unwrap_or_default();
        let role = role::find_role(asked, config.default_role.as_deref(), settings)?;
        let mut notes = Notes::new();
        // That any issuer will do is a line of the report; what endangers the keys is told.
        for surprise in config_surprises(&config).into_iter().filter(|note| note.level == Level::Warning) {
            notes.add(surprise);
        }
        let keys = if verify.has_given_keys() {
            let ring = KeyRing::from_files(&verify.key, None, verify.remote.weak(), now, console)?;
            let sets = verify.remote.open(console)?;
            let fixed: KeySet = ring.keys().chain(&sets.files).cloned().collect();
            RoleKeys::given(config.keys.clone(), fixed, sets.remotes)
        } else {
            let access = verify.remote.access(console)?;
            match RoleKeys::open(&config, &access, now, Clock::System.now(), &mut notes) {
                Ok(keys) => keys,
                Err(error) => {
                    console.notes(notes);
                    return Err(error.into());
                }
            }
        };
        warn_of_weak(keys.keys(), &mut notes);
        console.notes(notes);
        Ok(Self { config, role, keys })
    }
}

/// A role says all there is to demand of a token.
fn refuse_other_demands(verify: &Verify) -> Result<(), Failure> {
    for (given, option) in [
        (!verify.endpoint.is_empty(), "--endpoint"),
        (!verify.require_role.is_empty(), "--require-role"),
        (verify.shared_key.is_some(), "--shared-key"),
        (verify.issuer.is_some(), "--issuer"),
        (verify.audience.is_some(), "--audience"),
        (verify.osdf.demand()?.is_there(), "--profile and --scope"),
    ] {
        if given {
            let text = format!("{option} does not go with --role: the role says what is wanted of a token");
            return Err(UsageFault::new(text).into());
        }
    }
    Ok(())
}

/// The source of keys that the options stand for, in the words of a configuration.
fn given_keys(verify: &Verify) -> Option<(&'static str, Value)> {
    // What is named here is read from the options; it only says which rules hold for `kid`.
    if verify.remote.is_given() {
        Some(("jwks_url", json!("given on the command line")))
    } else if verify.has_given_keys() {
        Some(("jwt_validation_pubkeys", json!(["given on the command line"])))
    } else {
        None
    }
}

pub(super) fn run(verify: &Verify, settings: &Settings, console: &mut Console) -> Result<Status, Failure> {
    let now = verify.at.clock()?.now();
    let mut judging = Judge::open(verify, settings, now, console)?;
    if verify.many.stream {
        verify.many.refuse_argument(&verify.token)?;
        return verify_stream::run_role(verify, judging, now, console);
    }
    let text = verify.token.read(console)?;
    let mut notes = Notes::new();
    let outcome = judging.keys.verify(token::bare(&text), Clock::System.now(), &mut notes);
    console.notes(notes);
    let verified = outcome?;
    let (verdict, login) = judge(&judging.config, &judging.role, verified.as_ref(), Flow::Token, now);
    if judging.role.verbose_logging
        && let Ok(verified) = &verified
    {
        console.warn("verbose_oidc_logging is on: with -v the claims of the token are shown");
        let claims = Value::Object(verified.claims().as_object().clone());
        log::info!("received claims: {}", escape(&claims.to_string()));
    }
    report(verify.explain, &judging.role, &verdict, login.as_ref(), console)?;
    Ok(match &verified {
        Err(error) if error.is_malformed() => Status::Data,
        _ if verdict.admits() => Status::Done,
        _ => Status::No,
    })
}

fn report(
    explain: bool,
    role: &LoginRole,
    verdict: &Verdict,
    login: Option<&Login>,
    console: &mut Console,
) -> Result<(), Failure> {
    if console.is_json() {
        let checks: Vec<Value> = verdict.findings().iter().map(report::check).collect();
        let failed = verdict.first_failure().map(report::check);
        console.json(&json!({
            "admitted": login.is_some(),
            "role": role.name,
            "login": login.map(|login| json!({
                "username": login.username,
                "groups": login.groups,
                "metadata": login.metadata,
                "session_seconds": login.session_seconds,
            })),
            "failed": failed,
            "checks": checks,
            "other": role.kept,
        }))?;
        return Ok(());
    }
    if !console.is_quiet() {
        report::findings(verdict, explain, console)?;
    }
    let Some(login) = login else {
        let check = verdict.first_failure().map_or("not judged", |finding| finding.check);
        let line = format!("refused by the role {}: {check}", quote(&role.name));
        let line = console.paint("1;31", &line);
        console.line(&line)?;
        return Ok(());
    };
    let line = format!("admitted by the role {} as {}", quote(&role.name), quote(&login.username));
    let line = console.paint("1;32", &line);
    console.line(&line)?;
    if console.is_quiet() {
        return Ok(());
    }
    if role.groups_claim.is_some() {
        let groups: Vec<String> = login.groups.iter().map(|group| quote(group)).collect();
        console.line(&format!(
            "  groups    {}",
            if groups.is_empty() { "none".to_owned() } else { groups.join(" ") }
        ))?;
    }
    for (key, value) in &login.metadata {
        console.line(&format!("  metadata  {}: {}", escape(key), quote(value)))?;
    }
    if let Some(seconds) = login.session_seconds {
        console.line(&format!("  session   {}", span_for_people(seconds.unsigned_abs())))?;
    }
    for (name, value) in &role.kept {
        console.line(&format!("  {}: {} (kept, not acted on)", escape(name), escape(&value.to_string())))?;
    }
    Ok(())
}
