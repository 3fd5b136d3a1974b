//! The issuer of the tokens: the server's key, settings and user table.

use crate::accounts::{AccountsError, DisabledUsers};
use crate::config::{self, Settings, Sources};
use crate::issue::{Issuance, IssueRequest, JwtId, KeyOwner, Lifetime, RecipientSelector};
use crate::key::SigningKey;
use crate::renew::due::is_in_future;
use crate::renew::{Due, RenewReason, TokenTimes};
use crate::token::{TokenError, Unverified, verify};
use crate::user_db::{OpenMode, UserDb, UserDbError};
use crate::util::duration::GoDuration;
use crate::util::note::Notes;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

use super::error::ConsumerError;

/// What a token is issued for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSpec {
    /// The username.
    pub user: String,
    /// The lifetime; by default the one of the server's configuration.
    pub lifetime: Option<GoDuration>,
    /// The time before the expiry at which the token is renewed; by default a third of the lifetime.
    pub renew_before: Option<GoDuration>,
}

/// A specification with the current state of its user.
pub(super) struct CurrentSpec<'a> {
    spec: &'a TokenSpec,
    roles: Vec<String>,
    lifetime: GoDuration,
    renew_before: i64,
}

/// The key, the settings and the user table of the server.
pub(super) struct TokenIssuer {
    pub(super) settings: Settings,
    key: SigningKey,
    users: UserDb,
    disabled: DisabledUsers,
}

impl TokenIssuer {
    pub(super) fn open(sources: Sources, notes: &mut Notes) -> Result<Self, ConsumerError> {
        let (settings, own) = config::load(sources).map_err(first_error)?;
        notes.append(own);
        let key = settings.signing_key(notes)?;
        let path = settings.database()?;
        let users = UserDb::open(path, OpenMode::Read)?;
        let disabled = DisabledUsers::load(path).map_err(AccountsError::from)?;
        Ok(Self { settings, key, users, disabled })
    }

    /// Checks the user and the times of a specification.
    pub(super) fn current<'a>(&self, spec: &'a TokenSpec) -> Result<CurrentSpec<'a>, ConsumerError> {
        let name = &spec.user;
        let Some(record) = self.users.record(name)? else {
            let similar = self.users.similar_username(name)?;
            return Err(UserDbError::UnknownUser { name: name.clone(), similar }.into());
        };
        if self.disabled.contains(&record) {
            return Err(AccountsError::Disabled(name.clone()).into());
        }
        let user = record.into_valid_user()?;
        if user.roles.is_empty() {
            return Err(ConsumerError::NoRoles(name.clone()));
        }
        let lifetime = spec.lifetime.or(self.settings.jwts.max_age.value).ok_or(ConsumerError::NoLifetime)?;
        let renew_before = spec.renew_before.map_or_else(|| lifetime.seconds() / 3, GoDuration::seconds);
        if renew_before >= lifetime.seconds() {
            let renew_before = GoDuration::from_seconds(renew_before);
            return Err(ConsumerError::RenewBefore { renew_before, lifetime });
        }
        Ok(CurrentSpec { spec, roles: user.roles, lifetime, renew_before })
    }

    /// Decides whether a token is due. The token itself decides, not the time of its file.
    pub(super) fn check(&self, token: &str, spec: &CurrentSpec<'_>, now: Timestamp) -> Due {
        let because = |reason, expires_at| Due::Now { reason, expires_at };
        if token.is_empty() {
            return because(RenewReason::EmptyMember, None);
        }
        let verified = Unverified::parse(token).and_then(|token| verify(token, [&self.key.verifying_key()]));
        let verified = match verified {
            Ok(verified) => verified,
            Err(error) => return because(reason_of(&error), None),
        };
        let claims = verified.claims();
        let (Ok(end), Ok(issued), Ok(begin)) = (claims.time("exp"), claims.time("iat"), claims.time("nbf"))
        else {
            return because(RenewReason::InvalidToken("it has no usable times".to_owned()), None);
        };
        let Some(end) = end.filter(|end| !end.is_zero()).map(|end| end.instant()) else {
            return because(RenewReason::NoExpiry, None);
        };
        let valid_until = (now < end).then_some(end);
        if claims.subject() != Some(&spec.spec.user) {
            return because(RenewReason::ClaimsChanged("the user"), valid_until);
        }
        let sorted = |mut roles: Vec<&str>| {
            roles.sort_unstable();
            roles.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        if sorted(claims.roles()) != sorted(spec.roles.iter().map(String::as_str).collect()) {
            return because(RenewReason::ClaimsChanged("the roles of the user"), valid_until);
        }
        if now >= end {
            return because(RenewReason::Expired(end), None);
        }
        if issued.is_none_or(|issued| end.since(issued.instant()) != spec.lifetime.seconds()) {
            return because(RenewReason::ClaimsChanged("the lifetime"), valid_until);
        }
        if let Some(begin) = begin.map(|begin| begin.instant()).filter(|begin| now < *begin) {
            return because(RenewReason::NotYetValid(begin), valid_until);
        }
        if let Some(issued) = issued.map(|issued| issued.instant()).filter(|at| is_in_future(*at, now)) {
            return because(RenewReason::IssuedInFuture(issued), valid_until);
        }
        let renew_at = end.plus_seconds(-spec.renew_before);
        if now >= renew_at {
            return because(RenewReason::ExpiresSoon(end), valid_until);
        }
        Due::Fresh(TokenTimes { renew_at, expires_at: end })
    }

    /// Issues a token as the server would.
    pub(super) fn issue(
        &self,
        spec: &CurrentSpec<'_>,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<(SecretText, TokenTimes), ConsumerError> {
        let request = IssueRequest {
            recipients: RecipientSelector::One(spec.spec.user.clone()),
            roles: None,
            issued_at: now,
            lifetime: Lifetime::Limited(spec.lifetime),
            not_before: None,
            issuer: None,
            audience: Vec::new(),
            scope: None,
            // Two places have different tokens, also if they are renewed in one second. The server ignores the claim.
            jti: JwtId::Random,
            claims: Vec::new(),
            algorithm: None,
            kid: None,
            key_owner: KeyOwner::Server,
        };
        let issuance = Issuance::prepare(request, self.key.clone(), &self.settings, notes)
            .map_err(|errors| errors.into_iter().next().map_or(ConsumerError::NoLifetime, Into::into))?;
        let mut issued = None;
        issuance.each(|token| -> Result<(), ConsumerError> {
            issued = Some(token.token);
            Ok(())
        })?;
        let expires_at = now.plus(spec.lifetime);
        let times = TokenTimes { renew_at: expires_at.plus_seconds(-spec.renew_before), expires_at };
        Ok((issued.ok_or(crate::issue::IssueError::NoRecipients)?, times))
    }
}

fn first_error(errors: config::ConfigErrors) -> ConsumerError {
    errors.into_iter().next().map_or(ConsumerError::NoLifetime, Into::into)
}

fn reason_of(error: &TokenError) -> RenewReason {
    match error {
        TokenError::Signature(_) | TokenError::KeyUnknown { .. } | TokenError::AlgorithmMismatch { .. } => {
            RenewReason::KeyChanged
        }
        other => RenewReason::InvalidToken(other.to_string()),
    }
}
