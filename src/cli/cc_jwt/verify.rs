//! `cc-jwt verify`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::json;

use super::complete;
use super::keys::KeyRing;
use super::osdf::{Demand, OsdfOptions};
use super::remote::{RemoteOptions, RemoteSets};
use super::report::{self, Judged};
use super::source::TokenOptions;
use super::stream::StreamOptions;
use super::{verify_role, verify_stream};
use crate::base::fault::Status;
use crate::base::time::Timestamp;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageFault};
use crate::cli::options::{AtOption, SettingsOptions};
use crate::cli::settings;
use crate::config::{Settings, Variable};
use crate::policy::admission::{self, Account, Rules};
use crate::policy::{Endpoint, Signer};
use crate::provider::role_keys::may_be_new_key;
use crate::store::{Access, Store, StoreError};
use crate::token::{self, TokenError, Unverified, Verified};
use crate::user::{Role, User};

/// Judge a token: signature, times, issuer, user, roles, endpoint
///
/// Each check is a line that holds or not, with the reason and what to do; the exit status is 0
/// when all hold and 1 when one does not.
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) token: TokenOptions,

    /// Judge whether this endpoint admits the token; can be given several times: all must
    #[arg(long, short, value_name = "ENDPOINT", value_delimiter = ',', add = complete::endpoints())]
    pub(super) endpoint: Vec<String>,

    /// Require this role among those that count; can be given several times: all must be there
    #[arg(long, value_name = "ROLE", value_delimiter = ',', add = complete::roles())]
    pub(super) require_role: Vec<String>,

    /// Require this issuer
    #[arg(long, value_name = "ISSUER")]
    pub(super) issuer: Option<String>,

    /// Require that the token is meant for AUDIENCE
    #[arg(long, value_name = "AUDIENCE")]
    pub(super) audience: Option<String>,

    #[command(flatten)]
    pub(super) at: AtOption,

    /// Verify with the public key in FILE (PEM, certificate, JWK, JWKS, OpenSSH, base64) instead
    /// of the server's; can be given several times
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) key: Vec<PathBuf>,

    /// Verify with the shared key in FILE (base64, as in `CROSS_LOGIN_JWT_HS512_KEY`)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) shared_key: Option<PathBuf>,

    /// Do not ask the user table
    #[arg(long)]
    pub(super) no_db: bool,

    #[command(flatten)]
    pub(super) osdf: OsdfOptions,

    /// Judge whether a login role of Stronghold, Vault or OpenBao admits the token: a file, or a
    /// name in auth.jwt-roles; '' is the default role
    #[arg(long, value_name = "FILE|NAME", value_hint = ValueHint::FilePath)]
    pub(super) role: Option<String>,

    /// Read the configuration of login roles from FILE instead of auth.jwt-config
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) role_config: Option<PathBuf>,

    /// Show all checks, those that were not reached as well
    #[arg(long)]
    pub(super) explain: bool,

    #[command(flatten)]
    pub(super) remote: RemoteOptions,

    #[command(flatten)]
    pub(super) many: StreamOptions,
}

impl Verify {
    /// Whether keys were given as options.
    pub(super) const fn has_given_keys(&self) -> bool {
        !self.key.is_empty() || self.shared_key.is_some() || self.remote.is_given()
    }
}

/// Keys, token, signature, verdict, report: the whole way of a token.
pub(super) fn run(
    verify: &Verify,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<Status, Failure> {
    let settings = settings::load(options, console)?;
    if verify.role.is_some() || verify.role_config.is_some() {
        return verify_role::run(verify, &settings, console);
    }
    let asked = Asked::read(verify)?;
    if verify.many.stream {
        verify.many.refuse_argument(&verify.token)?;
        let (keys, sets) = open_keys(verify, &settings, &asked, console)?;
        let bench = Bench { verify, rules: rules(&settings, &keys, asked.roles.clone()), asked };
        return verify_stream::run(&bench, keys, sets, &settings, console);
    }
    let text = verify.token.read(console)?;
    let text = token::bare(&text);
    let (mut keys, mut sets) = open_keys(verify, &settings, &asked, console)?;
    let mut outcome = attempt(text, &keys);
    if may_be_new_key(&outcome) && sets.refetch(console)? {
        keys = given_keys(verify, &sets, asked.now, console)?;
        outcome = attempt(text, &keys);
    }
    let verified = match outcome {
        Err(error) if error.is_malformed() => return Err(error.into()),
        verified => verified,
    };
    let person = Person::look_up(verified.as_ref().ok(), &asked.endpoints, &settings, verify.no_db, console)?;
    let bench = Bench { verify, rules: rules(&settings, &keys, asked.roles.clone()), asked };
    let judged = bench.judge(&verified, &keys, person.account());
    report(&judged, &verified, &keys, console)
}

/// What tokens are judged by.
pub(super) struct Bench<'a> {
    pub(super) verify: &'a Verify,
    asked: Asked,
    rules: Rules,
}

impl Bench<'_> {
    /// Judges a token for each endpoint, or once for none in particular.
    pub(super) fn judge(
        &self,
        verified: &Result<Verified, TokenError>,
        keys: &KeyRing,
        account: Account<'_>,
    ) -> Vec<Judged> {
        let Self { verify, asked, rules } = self;
        let (issuer, audience) = (verify.issuer.as_deref(), verify.audience.as_deref());
        places(&asked.endpoints)
            .map(|endpoint| {
                if let (None, Ok(verified), true) = (endpoint, verified, asked.osdf.is_there()) {
                    // A token of the federation has no roles of this server, and no user of it.
                    let signer = keys.signer(verified.key());
                    let verdict = asked.osdf.judge(verified, signer, issuer, audience, asked.now);
                    return Judged { endpoint, verdict };
                }
                let mut verdict =
                    match (verified, endpoint.and_then(|endpoint| admission::closed(endpoint, rules))) {
                        (_, Some(closed)) => closed,
                        (Ok(verified), None) => {
                            let signer = keys.signer(verified.key());
                            admission::judge(endpoint, verified, signer, rules, account, asked.now)
                        }
                        (Err(error), None) => admission::refused(error),
                    };
                if let Ok(verified) = verified {
                    admission::demand(&mut verdict, verified.claims(), issuer, audience);
                    asked.osdf.add(&mut verdict, verified);
                }
                Judged { endpoint, verdict }
            })
            .collect()
    }
}

fn attempt(text: &str, keys: &KeyRing) -> Result<Verified, TokenError> {
    Unverified::parse(text).and_then(|token| token::verify(token, keys.keys()))
}

/// The keys to verify with, and those of them that can be fetched again.
fn open_keys(
    verify: &Verify,
    settings: &Settings,
    asked: &Asked,
    console: &mut Console,
) -> Result<(KeyRing, RemoteSets), Failure> {
    if !verify.has_given_keys() {
        return Ok((KeyRing::configured(settings, &asked.endpoints, console)?, RemoteSets::default()));
    }
    let sets = verify.remote.open(console)?;
    Ok((given_keys(verify, &sets, asked.now, console)?, sets))
}

fn given_keys(
    verify: &Verify,
    sets: &RemoteSets,
    now: Timestamp,
    console: &mut Console,
) -> Result<KeyRing, Failure> {
    let weak = verify.remote.weak();
    let files = KeyRing::from_files(&verify.key, verify.shared_key.as_deref(), weak, now, console)?;
    Ok(files.with(sets.keys()))
}

/// The arguments, checked.
struct Asked {
    endpoints: Vec<Endpoint>,
    roles: Vec<Role>,
    now: Timestamp,
    osdf: Demand,
}

impl Asked {
    fn read(verify: &Verify) -> Result<Self, Failure> {
        let endpoints = verify.endpoint.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        let roles = verify.require_role.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        if verify.audience.as_deref() == Some("") || verify.issuer.as_deref() == Some("") {
            return Err(UsageFault::new("--issuer and --audience can't be empty").into());
        }
        Ok(Self { endpoints, roles, now: verify.at.clock()?.now(), osdf: verify.osdf.demand()? })
    }
}

/// The endpoints to judge for, or once for none in particular.
fn places(endpoints: &[Endpoint]) -> impl Iterator<Item = Option<Endpoint>> {
    let nowhere = endpoints.is_empty().then_some(None);
    nowhere.into_iter().chain(endpoints.iter().copied().map(Some))
}

/// The server's rules, as configured.
fn rules(settings: &Settings, keys: &KeyRing, required_roles: Vec<Role>) -> Rules {
    let jwts = &settings.jwts;
    let given = keys.has(Signer::Given);
    let mut lacks = Vec::new();
    for (name, set) in
        [("auth.jwts.cookie-name", &jwts.cookie_name), ("auth.jwts.trusted-issuer", &jwts.trusted_issuer)]
    {
        if set.as_ref().is_none_or(|text| text.value.is_empty()) {
            lacks.push(name.to_owned());
        }
    }
    for (signer, variable) in
        [(Signer::Own, Variable::JwtPublicKey), (Signer::CrossLogin, Variable::CrossLoginJwtPublicKey)]
    {
        if !given && !keys.has(signer) {
            lacks.push(variable.name().to_owned());
        }
    }
    if !given && settings.secret(Variable::JwtPrivateKey).is_none() {
        lacks.push(Variable::JwtPrivateKey.name().to_owned());
    }
    let shared = given || keys.has(Signer::Shared);
    Rules {
        validate_user: jwts.validate_user.value,
        trusted_issuer: jwts.trusted_issuer.as_ref().map(|issuer| issuer.value.clone()),
        adds_users: jwts.sync_user_on_login.value,
        updates_users: jwts.update_user_on_login.value,
        cookie_login_lacks: lacks,
        jwt_login_lacks: (!shared)
            .then(|| Variable::CrossLoginJwtHs512Key.name().to_owned())
            .into_iter()
            .collect(),
        required_roles,
    }
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
        let path: &Path = &settings.db.value;
        let counts = settings.jwts.validate_user.value;
        if !counts && settings.db.is_default() && !path.exists() {
            return Ok(Self::Unasked);
        }
        log::info!("the user is looked up in {}", crate::base::quote::quote_path(path));
        match Store::open(path, Access::Read).and_then(|store| store.find(name)) {
            Ok(Some(user)) => Ok(Self::Known(user)),
            Ok(None) => Ok(Self::Missing),
            Err(error @ StoreError::BrokenRow { .. }) => Ok(Self::Broken(error.to_string())),
            Err(error) if counts => Err(error.into()),
            Err(error) => {
                console.warn(&format!("{error}; its answer would not count (validate-user is off)"));
                Ok(Self::Unasked)
            }
        }
    }

    fn account(&self) -> Account<'_> {
        match self {
            Self::Unasked => Account::Unasked,
            Self::Missing => Account::Missing,
            Self::Broken(why) => Account::Broken(why),
            Self::Known(user) => Account::Known(user),
        }
    }
}

fn report(
    judged: &[Judged],
    verified: &Result<Verified, TokenError>,
    keys: &KeyRing,
    console: &mut Console,
) -> Result<Status, Failure> {
    let admitted = judged.iter().all(|judged| judged.verdict.admits());
    if console.is_json() {
        let token = verified.as_ref().ok().map(|token| {
            let claims = token.claims();
            json!({
                "subject": claims.subject(),
                "issuer": claims.issuer(),
                "roles": claims.roles(),
                "algorithm": token.algorithm().name(),
                "key": keys.signer(token.key()).name(),
                "issued": report::time(claims, "iat"),
                "expires": report::time(claims, "exp"),
            })
        });
        console.json(&json!({ "admitted": admitted, "token": token, "verdicts": judged }))?;
    } else {
        for (place, judged) in judged.iter().enumerate() {
            if place > 0 && !console.is_quiet() {
                console.line("")?;
            }
            report::show(judged, console)?;
        }
    }
    Ok(if admitted { Status::Done } else { Status::No })
}
