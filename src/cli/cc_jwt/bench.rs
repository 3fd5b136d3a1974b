//! What tokens are judged by: the arguments of `cc-jwt verify` and the server's rules.

use super::keys::KeyRing;
use super::osdf::Demand;
use super::report::Judged;
use super::verify_options::Verify;
use crate::base::time::{Clock, Timestamp};
use crate::cli::failure::{Failure, UsageFault};
use crate::config::{Settings, Variable};
use crate::policy::admission::{self, Account, Rules};
use crate::policy::{Detail, Endpoint, Signer};
use crate::token::{TokenError, Verified};
use crate::user::Role;

/// What tokens are judged by.
pub(super) struct Bench<'a> {
    pub(super) verify: &'a Verify,
    asked: Asked,
    rules: Rules,
}

impl<'a> Bench<'a> {
    /// Brings together what the arguments ask and what the settings say.
    pub(super) fn new(verify: &'a Verify, asked: Asked, settings: &Settings, keys: &KeyRing) -> Self {
        Self { verify, rules: rules(settings, keys, asked.roles.clone()), asked }
    }

    /// The instant to judge a token by that came now: the one asked for, or the present.
    pub(super) fn now(&self) -> Timestamp {
        self.asked.clock.now()
    }

    /// Judges a token for each endpoint, or once for none in particular.
    pub(super) fn judge<'j>(
        &'j self,
        verified: &'j Result<Verified, TokenError>,
        keys: &'j KeyRing,
        account: Account<'j>,
        now: Timestamp,
        detail: Detail,
    ) -> impl Iterator<Item = Judged> + 'j {
        let Self { verify, asked, rules } = self;
        let (issuer, audience) = (verify.issuer.as_deref(), verify.audience.as_deref());
        places(&asked.endpoints).map(move |endpoint| {
            if let (None, Ok(verified), true) = (endpoint, verified, asked.osdf.is_there()) {
                // A token of the federation has no roles of this server, and no user of it.
                let signer = keys.signer(verified.key());
                let verdict = asked.osdf.judge(verified, signer, issuer, audience, now, detail);
                return Judged { endpoint, verdict };
            }
            let mut verdict =
                match (verified, endpoint.and_then(|endpoint| admission::closed(endpoint, rules))) {
                    (_, Some(closed)) => closed,
                    (Ok(verified), None) => {
                        let signer = keys.signer(verified.key());
                        admission::judge(endpoint, verified, signer, rules, account, now, detail)
                    }
                    (Err(error), None) => admission::refused(error),
                };
            if let Ok(verified) = verified {
                admission::demand(&mut verdict, verified.claims(), issuer, audience);
                asked.osdf.add(&mut verdict, verified);
            }
            Judged { endpoint, verdict }
        })
    }
}

/// The arguments, checked.
pub(super) struct Asked {
    pub(super) endpoints: Vec<Endpoint>,
    roles: Vec<Role>,
    pub(super) clock: Clock,
    osdf: Demand,
}

impl Asked {
    pub(super) fn read(verify: &Verify) -> Result<Self, Failure> {
        let endpoints = verify.endpoint.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        let roles = verify.require_role.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        if verify.audience.as_deref() == Some("") || verify.issuer.as_deref() == Some("") {
            return Err(UsageFault::new("--issuer and --audience can't be empty").into());
        }
        Ok(Self { endpoints, roles, clock: verify.at.clock()?, osdf: verify.osdf.demand()? })
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
