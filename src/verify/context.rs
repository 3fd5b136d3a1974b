//! A verification in progress: the request, the server's rules, and the results for each endpoint.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::Path;

use super::error::VerifyError;
use super::key_ring::{GivenKeys, KeyRing, OwnedToken};
use super::scope_requirement::ScopeRequirement;
use crate::config::{ServerEffect, ServerKeys, Settings};
use crate::history::DisabledUsers;
use crate::policy::server_access::{self, Account, ServerRules};
use crate::policy::{AllowedAddresses, Endpoint, ServerNote, ServerState, Signer, Verbosity, Verdict};
use crate::token::TokenError;
use crate::user::{Role, User};
use crate::user_db::{OpenMode, UserDb, UserDbError};
use crate::util::note::Notes;
use crate::util::quote::quote_path;
use crate::util::time::{Clock, Timestamp};

/// A request of `cc-jwt verify` without a login role.
#[derive(Debug, Clone)]
pub struct VerifyRequest {
    /// The endpoints that must accept the token. If empty, only the token itself is checked.
    pub endpoints: Vec<Endpoint>,
    /// Additional required roles.
    pub required_roles: Vec<Role>,
    /// The required issuer.
    pub issuer: Option<String>,
    /// The required audience.
    pub audience: Option<String>,
    /// The IP address of the client, for the endpoint `api`.
    pub client_address: Option<IpAddr>,
    /// The clock for the checks.
    pub clock: Clock,
    /// The required profile and scope.
    pub scope: ScopeRequirement,
    /// Whether the user table may be read.
    pub reads_user_table: bool,
    /// Keys that replace the configured ones.
    pub keys: GivenKeys,
}

/// The verdict for an endpoint, or for the token itself.
#[derive(Debug)]
pub struct EndpointResult {
    /// The endpoint, if the request has one.
    pub endpoint: Option<Endpoint>,
    /// The checks with their results.
    pub verdict: Verdict,
}

/// A request with the server's rules.
#[derive(Debug)]
pub(super) struct VerifyContext<'a> {
    request: &'a VerifyRequest,
    rules: Cow<'a, ServerRules>,
}

impl<'a> VerifyContext<'a> {
    pub(super) fn new(request: &'a VerifyRequest, settings: &Settings, keys: &KeyRing) -> Self {
        Self { request, rules: Cow::Owned(rules(settings, keys, request)) }
    }

    /// Uses the rules of an earlier context for the same request.
    pub(super) const fn with_rules(request: &'a VerifyRequest, rules: &'a ServerRules) -> Self {
        Self { request, rules: Cow::Borrowed(rules) }
    }

    pub(super) fn into_rules(self) -> ServerRules {
        self.rules.into_owned()
    }

    /// Evaluates a token for each endpoint or, without endpoints, once.
    pub(super) fn evaluate<'j>(
        &'j self,
        token: &'j Result<OwnedToken, TokenError>,
        account: Account<'j>,
        now: Timestamp,
        verbosity: Verbosity,
    ) -> impl Iterator<Item = EndpointResult> + 'j {
        let (request, rules) = (self.request, &*self.rules);
        let (issuer, audience) = (request.issuer.as_deref(), request.audience.as_deref());
        targets(&request.endpoints).map(move |endpoint| {
            let OwnedToken { verified, owner } = match token {
                Ok(token) => token,
                Err(error) => {
                    let verdict = endpoint
                        .and_then(|endpoint| server_access::rejected_by_server_state(endpoint, rules))
                        .unwrap_or_else(|| server_access::rejected_token(error));
                    return EndpointResult { endpoint, verdict };
                }
            };
            if endpoint.is_none() && !request.scope.is_empty() {
                // A token of the Open Science Data Federation has no roles or user on this server.
                let scope = &request.scope;
                let verdict = scope.evaluate(verified, owner.signer, issuer, audience, now, verbosity);
                return EndpointResult { endpoint, verdict };
            }
            let mut verdict =
                server_access::evaluate(endpoint, verified, owner.signer, rules, account, now, verbosity);
            server_access::require(&mut verdict, verified.claims(), issuer, audience);
            request.scope.check(&mut verdict, verified);
            EndpointResult { endpoint, verdict }
        })
    }
}

/// Returns the requested endpoints, or `None` once if there are none.
fn targets(endpoints: &[Endpoint]) -> impl Iterator<Item = Option<Endpoint>> {
    let by_itself = endpoints.is_empty().then_some(None);
    by_itself.into_iter().chain(endpoints.iter().copied().map(Some))
}

/// Returns the server's rules from the configuration.
fn rules(settings: &Settings, keys: &KeyRing, request: &VerifyRequest) -> ServerRules {
    let jwts = &settings.jwts;
    let server_keys = if keys.has(Signer::Given) { ServerKeys::Given } else { ServerKeys::Configured };
    let server = &settings.server;
    let has_server = settings.config_file.is_some();
    ServerRules {
        validate_user: jwts.validate_user.value,
        trusted_issuer: jwts.trusted_issuer.as_ref().map(|issuer| issuer.value.clone()),
        adds_users: jwts.sync_user_on_login.value,
        updates_users: jwts.update_user_on_login.value,
        // Decodes keys, so this runs only for this endpoint.
        cookie_login_missing: if request.endpoints.contains(&Endpoint::CookieLogin) {
            settings.cookie_login_lacks(server_keys)
        } else {
            Vec::new()
        },
        jwt_login_missing: if request.endpoints.contains(&Endpoint::JwtLogin) && !keys.has(Signer::HmacSecret)
        {
            settings.jwt_login_lacks(server_keys)
        } else {
            Vec::new()
        },
        required_roles: request.required_roles.clone(),
        server: server_notes(settings, server_keys, &request.endpoints),
        addresses: if has_server {
            AllowedAddresses::from_setting(server.api_allowed_ips.as_ref().map(|list| list.value.as_slice()))
        } else {
            AllowedAddresses::Unknown
        },
        client_address: request.client_address,
        jobs_over_nats: server.api_subjects,
    }
}

/// Returns the effects of the configuration on the verdicts for these endpoints.
#[must_use]
pub fn server_notes(settings: &Settings, keys: ServerKeys, endpoints: &[Endpoint]) -> Vec<ServerNote> {
    settings
        .server_findings(keys)
        .into_iter()
        .filter_map(|finding| {
            let state = match finding.effect {
                // Without an endpoint, no server is involved.
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

/// The row of a token's subject in the user table.
#[derive(Debug)]
pub(super) enum SubjectRow {
    NotQueried,
    Missing,
    Invalid(String),
    Found {
        user: User,
        /// The roles that 'cc-user enable' restores, if the user is disabled.
        restored_roles: Option<Vec<String>>,
    },
}

impl SubjectRow {
    /// Reads the user table if the verdict depends on it, or if it exists.
    pub(super) fn look_up(
        subject: Option<&str>,
        request: &VerifyRequest,
        settings: &Settings,
        notes: &mut Notes,
    ) -> Result<Self, VerifyError> {
        let has_no_users = |endpoint: &Endpoint| matches!(endpoint, Endpoint::MetricStore | Endpoint::Config);
        let is_unused = !request.endpoints.is_empty() && request.endpoints.iter().all(has_no_users);
        let Some(subject) = subject.filter(|name| !name.is_empty()) else { return Ok(Self::NotQueried) };
        if !request.reads_user_table || is_unused {
            return Ok(Self::NotQueried);
        }
        let path: &Path = settings.database()?;
        let decides = settings.jwts.validate_user.value;
        if !decides && settings.db.is_default() && !path.exists() {
            return Ok(Self::NotQueried);
        }
        log::info!("looking up the user in {}", quote_path(path));
        match UserDb::open(path, OpenMode::Read).and_then(|db| db.find(subject)) {
            Ok(Some(user)) => {
                let restored_roles = DisabledUsers::restored_roles(path, &user.username, &user.roles);
                Ok(Self::Found { user, restored_roles })
            }
            Ok(None) => Ok(Self::Missing),
            Err(error @ UserDbError::InvalidRow { .. }) => Ok(Self::Invalid(error.to_string())),
            Err(error) if decides => Err(error.into()),
            Err(error) => {
                notes.warn(
                    "user-table-unreadable",
                    format!("{error}; the user table is not used (validate-user is off)"),
                );
                Ok(Self::NotQueried)
            }
        }
    }

    /// Returns the row of a subject in an open user table, for one of many tokens: their results have no hints, so
    /// the files of disabled users are not read.
    pub(super) fn of(db: &UserDb, subject: &str) -> Self {
        match db.find(subject) {
            Ok(Some(user)) => Self::Found { user, restored_roles: None },
            Ok(None) => Self::Missing,
            Err(error) => Self::Invalid(error.to_string()),
        }
    }

    pub(super) fn account(&self) -> Account<'_> {
        match self {
            Self::NotQueried => Account::NotQueried,
            Self::Missing => Account::Missing,
            Self::Invalid(reason) => Account::Invalid(reason),
            Self::Found { user, restored_roles } => Account::of(user, restored_roles.as_deref()),
        }
    }
}
