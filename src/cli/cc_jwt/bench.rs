//! What tokens are judged by: the arguments of `cc-jwt verify` and the server's rules.

use std::net::IpAddr;

use super::keys::KeyRing;
use super::osdf::ScopeRequirement;
use super::report::EndpointResult;
use super::verify_options::Verify;
use crate::cli::failure::{Failure, UsageError};
use crate::config::{ServerEffect, ServerKeys, Settings};
use crate::policy::server_access::{self, Account, ServerRules};
use crate::policy::{AllowedAddresses, Endpoint, ServerNote, ServerState, Signer, Verbosity};
use crate::token::{TokenError, Verified};
use crate::user::Role;
use crate::util::quote::quote;
use crate::util::time::{Clock, Timestamp};

/// What tokens are judged by.
pub(super) struct VerifyContext<'a> {
    pub(super) verify: &'a Verify,
    asked: VerifyRequest,
    rules: ServerRules,
}

impl<'a> VerifyContext<'a> {
    /// Brings together what the arguments ask and what the settings say.
    pub(super) fn new(verify: &'a Verify, asked: VerifyRequest, settings: &Settings, keys: &KeyRing) -> Self {
        Self { verify, rules: rules(settings, keys, &asked), asked }
    }

    /// The instant to judge a token by that came now: the one asked for, or the present.
    pub(super) fn now(&self) -> Timestamp {
        self.asked.clock.now()
    }

    /// Judges a token for each endpoint, or once for none in particular.
    pub(super) fn evaluate<'j>(
        &'j self,
        verified: &'j Result<Verified, TokenError>,
        keys: &'j KeyRing,
        account: Account<'j>,
        now: Timestamp,
        detail: Verbosity,
    ) -> impl Iterator<Item = EndpointResult> + 'j {
        let Self { verify, asked, rules } = self;
        let (issuer, audience) = (verify.issuer.as_deref(), verify.audience.as_deref());
        targets(&asked.endpoints).map(move |endpoint| {
            if let (None, Ok(verified), true) = (endpoint, verified, asked.osdf.is_there()) {
                // A token of the federation has no roles of this server, and no user of it.
                let signer = keys.signer(verified.key());
                let verdict = asked.osdf.evaluate(verified, signer, issuer, audience, now, detail);
                return EndpointResult { endpoint, verdict };
            }
            let mut verdict = match verified {
                Ok(verified) => {
                    let signer = keys.signer(verified.key());
                    server_access::evaluate(endpoint, verified, signer, rules, account, now, detail)
                }
                Err(error) => endpoint
                    .and_then(|endpoint| server_access::rejected_by_server_state(endpoint, rules))
                    .unwrap_or_else(|| server_access::rejected_token(error)),
            };
            if let Ok(verified) = verified {
                server_access::require(&mut verdict, verified.claims(), issuer, audience);
                asked.osdf.add(&mut verdict, verified);
            }
            EndpointResult { endpoint, verdict }
        })
    }
}

/// The arguments, checked.
pub(super) struct VerifyRequest {
    pub(super) endpoints: Vec<Endpoint>,
    roles: Vec<Role>,
    pub(super) clock: Clock,
    /// The address that the request comes from.
    from: Option<String>,
    osdf: ScopeRequirement,
}

impl VerifyRequest {
    pub(super) fn read(verify: &Verify) -> Result<Self, Failure> {
        let endpoints = verify.endpoint.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        let roles = verify.require_role.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        if verify.audience.as_deref() == Some("") || verify.issuer.as_deref() == Some("") {
            return Err(UsageError::new("--issuer and --audience cannot be empty").into());
        }
        let from = verify.from.clone();
        if let Some(address) = from.as_deref().filter(|text| text.parse::<IpAddr>().is_err()) {
            let text = format!("--from: invalid address {}: expected an IP address", quote(address));
            return Err(UsageError::new(text).into());
        }
        Ok(Self { endpoints, roles, clock: verify.at.clock()?, from, osdf: verify.osdf.demand()? })
    }
}

/// The endpoints to judge for, or once for none in particular.
fn targets(endpoints: &[Endpoint]) -> impl Iterator<Item = Option<Endpoint>> {
    let nowhere = endpoints.is_empty().then_some(None);
    nowhere.into_iter().chain(endpoints.iter().copied().map(Some))
}

/// The server's rules, as configured.
fn rules(settings: &Settings, keys: &KeyRing, asked: &VerifyRequest) -> ServerRules {
    let jwts = &settings.jwts;
    let whose = if keys.has(Signer::Given) { ServerKeys::Given } else { ServerKeys::Configured };
    let server = &settings.server;
    let has_server = settings.config_file.is_some();
    ServerRules {
        validate_user: jwts.validate_user.value,
        trusted_issuer: jwts.trusted_issuer.as_ref().map(|issuer| issuer.value.clone()),
        adds_users: jwts.sync_user_on_login.value,
        updates_users: jwts.update_user_on_login.value,
        // Keys are decoded for it: only where it is asked.
        cookie_login_lacks: if asked.endpoints.contains(&Endpoint::CookieLogin) {
            settings.cookie_login_lacks(whose)
        } else {
            Vec::new()
        },
        jwt_login_lacks: if asked.endpoints.contains(&Endpoint::JwtLogin) && !keys.has(Signer::HmacSecret) {
            settings.jwt_login_lacks(whose)
        } else {
            Vec::new()
        },
        required_roles: asked.roles.clone(),
        server: server_notes(settings, whose, &asked.endpoints),
        addresses: if has_server {
            AllowedAddresses::of(server.api_allowed_ips.as_ref().map(|list| list.value.as_slice()))
        } else {
            AllowedAddresses::Unknown
        },
        from: asked.from.clone(),
        jobs_over_nats: server.api_subjects,
    }
}

/// What the server makes of the configuration, as far as a verdict depends on it.
pub(super) fn server_notes(settings: &Settings, keys: ServerKeys, endpoints: &[Endpoint]) -> Vec<ServerNote> {
    settings
        .server_findings(keys)
        .into_iter()
        .filter_map(|finding| {
            let state = match finding.effect {
                // Without an endpoint, no server is asked about.
                ServerEffect::NoServer if endpoints.is_empty() => return None,
                ServerEffect::NoServer | ServerEffect::Warning => ServerState::Warning,
                ServerEffect::NoStart => ServerState::NoStart,
                ServerEffect::NoTokens => ServerState::NoTokens,
                ServerEffect::NoOwnTokens => ServerState::NoOwnTokens,
                ServerEffect::NoAuthentication => ServerState::NoAuthentication,
            };
            Some(ServerNote { state, reason: finding.reason, hint: finding.hint })
        })
        .collect()
}
