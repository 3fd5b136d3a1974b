//! The checks of a token's subject: the user's row, and the roles that the endpoint uses.

use std::borrow::Cow;

use super::endpoint::{Endpoint, is_session_role};
use super::remedy::{Remedy, describe_endpoints, distinct_roles};
use super::rules::{Account, ServerRules};
use super::verdict::Verdict;
use crate::token::Claims;
use crate::user::{AuthSource, Role, User, UsernameClaim, command_word};
use crate::util::quote::quote;

/// The input of the checks of the subject.
pub(super) struct Subject<'a> {
    /// The endpoint; `None` checks the token alone.
    pub(super) endpoint: Option<Endpoint>,
    /// Whether the signature was verified.
    pub(super) is_verified: bool,
    pub(super) rules: &'a ServerRules,
    pub(super) account: Account<'a>,
}

/// Returns the subject as a word of a shell command; `NAME` if the token has none, or the ID of a user at a provider.
pub(super) fn subject_word(claims: &Claims) -> Cow<'_, str> {
    command_word(claims.subject().unwrap_or_default())
}

impl<'a> Subject<'a> {
    /// Adds the findings `subject`, `user`, `roles` and `required-role`, and returns the roles that count.
    pub(super) fn check<'c>(&self, verdict: &mut Verdict, claims: &'c Claims) -> Option<Vec<&'c str>>
    where
        'a: 'c,
    {
        const CHECK: &str = "subject";
        let name = match (claims.subject(), claims.get("sub")) {
            (Some(name), _) if !name.is_empty() => name,
            (None, Some(_)) => {
                verdict.fail(CHECK, "'sub' is not a string: expected a username", None);
                return None;
            }
            _ => {
                let hint = "issue it for a user: cc-jwt issue NAME".to_owned();
                verdict.fail(CHECK, "no 'sub' claim: expected a username", Some(hint));
                return None;
            }
        };
        match UsernameClaim::Subject.provider_id_warning(name) {
            Some((warning, hint)) => verdict.warn(CHECK, warning, Some(hint.to_owned())),
            None => verdict.pass(CHECK, || quote(name)),
        }
        let roles = self.counted_roles(verdict, name, claims)?;
        role_warnings(verdict, &roles);
        self.roles(verdict, name, &roles);
        self.required(verdict, name, &roles);
        Some(roles)
    }

    fn is_login(&self) -> bool {
        self.endpoint.is_some_and(Endpoint::is_login)
    }

    /// Returns the roles that count: those of the table with validate-user, otherwise those of the token.
    fn counted_roles<'c>(&self, verdict: &mut Verdict, name: &str, claims: &'c Claims) -> Option<Vec<&'c str>>
    where
        'a: 'c,
    {
        const CHECK: &str = "user";
        let own = claims.roles();
        if !self.rules.validate_user {
            self.ignored_account(verdict, &own);
            return Some(own);
        }
        match self.account {
            Account::Known(user) | Account::Disabled(user, _) => {
                let what = "in the user table, whose roles count (validate-user is on)";
                match self.account {
                    Account::Disabled(..) => verdict.warn(CHECK, || format!("disabled; {what}"), None),
                    _ => verdict.pass(CHECK, what),
                }
                let table: Vec<&str> = user.roles.iter().map(String::as_str).collect();
                if claims.get("roles").is_some() && own != table {
                    verdict.warn(
                        CHECK,
                        || format!("the roles in the token ({}) do not count", listed(&own)),
                        None,
                    );
                }
                Some(table)
            }
            Account::Missing => {
                verdict.fail(
                    CHECK,
                    format!("{} is not in the user table, and validate-user is on", quote(name)),
                    None,
                );
                None
            }
            Account::Invalid(why) => {
                verdict.fail(CHECK, format!("{why}; the server cannot read the user either"), None);
                None
            }
            Account::NotQueried if !self.is_verified => Some(own),
            Account::NotQueried => {
                verdict.fail(
                    CHECK,
                    "validate-user is on, but the user table was not read",
                    Some("use --db FILE".to_owned()),
                );
                None
            }
        }
    }

    /// Adds warnings about the user's row if it does not count (validate-user is off).
    fn ignored_account(&self, verdict: &mut Verdict, own: &[&str]) {
        const CHECK: &str = "user";
        match self.account {
            Account::Known(user) => self.differing_account(verdict, user, own),
            Account::Disabled(user, _) if self.is_overwritten(user) => {
                self.differing_account(verdict, user, own)
            }
            Account::Disabled(..) => {
                verdict.warn(CHECK, "disabled in the user table, but the roles of the token count", None);
            }
            Account::Missing if self.is_login() => {
                let what = if self.rules.adds_users {
                    "not in the user table: the login adds the user"
                } else {
                    "not in the user table, and the login does not add the user: the session works, but \
                     the server issues no token to it"
                };
                verdict.warn(CHECK, what, None);
            }
            Account::Missing => verdict.warn(
                CHECK,
                "not in the user table; the server does not check it (validate-user is off)",
                None,
            ),
            Account::Invalid(why) => verdict.warn(
                CHECK,
                || format!("{why}; the server does not read it (validate-user is off)"),
                None,
            ),
            Account::NotQueried => {}
        }
        if self.is_verified && self.endpoint.is_some() && !self.is_login() {
            verdict.warn(
                "validate-user",
                "off: this token stays valid after its user or a role is deleted",
                Some("set auth.jwts.validate-user to true".to_owned()),
            );
        }
    }

    /// Whether the login overwrites the row of a user of another auth source.
    fn is_overwritten(&self, user: &User) -> bool {
        self.is_login() && self.rules.updates_users && user.source != AuthSource::Token
    }

    fn differing_account(&self, verdict: &mut Verdict, user: &User, own: &[&str]) {
        const CHECK: &str = "user";
        if self.is_overwritten(user) {
            let source = user.source;
            verdict.warn(
                CHECK,
                || {
                    format!(
                        "in the user table with the auth source {source}: with update-user-on-login the server \
                         overwrites this user's full name and roles"
                    )
                },
                Some("set auth.jwts.validate-user to true, so that the table counts".to_owned()),
            );
        } else if !same_roles(own, &user.roles) {
            let table: Vec<&str> = user.roles.iter().map(String::as_str).collect();
            verdict.warn(
                CHECK,
                || format!("the user table has other roles ({}); those of the token count", listed(&table)),
                Some("issue a new token after changing roles".to_owned()),
            );
        } else {
            verdict.pass(CHECK, "in the user table with the same roles");
        }
    }

    fn roles(&self, verdict: &mut Verdict, name: &str, roles: &[&str]) {
        const CHECK: &str = "roles";
        let Some(endpoint) = self.endpoint else {
            let reason = || format!("{}: {}", listed(roles), describe_endpoints(roles));
            if roles.is_empty() {
                verdict.warn(CHECK, reason, None);
            } else {
                verdict.pass(CHECK, reason);
            }
            return;
        };
        if endpoint.accepts_roles(roles) {
            return verdict
                .pass(CHECK, || format!("{} (expected {})", listed(roles), endpoint.accepted_roles()));
        }
        let remedy = match self.account {
            Account::Disabled(_, restored) => Remedy::of_disabled(endpoint, restored),
            _ => Remedy::of(endpoint, roles),
        };
        let hint = remedy.hint(name, self.rules.validate_user);
        if endpoint.is_login() {
            return verdict.fail(
                CHECK,
                format!(
                    "{}: no role that the server knows; the server would accept the login, but its session has no \
                     effect",
                    listed(roles)
                ),
                Some(hint),
            );
        }
        verdict.fail(
            CHECK,
            format!("expected {}, found {}", endpoint.accepted_roles(), listed(roles)),
            Some(hint),
        );
    }

    fn required(&self, verdict: &mut Verdict, name: &str, roles: &[&str]) {
        const CHECK: &str = "required-role";
        for role in &self.rules.required_roles {
            if roles.contains(&role.name()) {
                verdict.pass(CHECK, role.name());
            } else {
                let addition = Remedy::AddRoles(vec![*role]);
                let remedy = match self.account {
                    Account::Disabled(_, restored) if restored.iter().any(|one| one == role.name()) => {
                        Remedy::Enable(None)
                    }
                    Account::Disabled(..) => Remedy::Enable(Some(Box::new(addition))),
                    _ => addition,
                };
                let hint = remedy.hint(name, self.rules.validate_user);
                verdict.fail(CHECK, format!("{role} is not among the roles ({})", listed(roles)), Some(hint));
            }
        }
    }
}

/// Warns of duplicate and unknown roles.
fn role_warnings(verdict: &mut Verdict, roles: &[&str]) {
    const CHECK: &str = "roles";
    let mut seen: Vec<&str> = Vec::new();
    let mut duplicates: Vec<&str> = Vec::new();
    for role in roles {
        let list = if seen.contains(role) { &mut duplicates } else { &mut seen };
        if !list.contains(role) {
            list.push(role);
        }
    }
    if !duplicates.is_empty() {
        let shown = listed(&duplicates);
        verdict.warn(
            CHECK,
            || format!("duplicate roles {shown}: the server counts entries, not roles"),
            None,
        );
    }
    let unknown: Vec<&str> = seen.into_iter().filter(|role| role.parse::<Role>().is_err()).collect();
    if !unknown.is_empty() {
        let known = Role::ALL.map(Role::name).join(", ");
        verdict.warn(
            CHECK,
            || format!("unknown roles {}", listed(&unknown)),
            Some(format!("the roles are {known}, in lower case")),
        );
    }
}

fn same_roles(own: &[&str], table: &[String]) -> bool {
    let mut own = distinct_roles(own);
    let table: Vec<&str> = table.iter().map(String::as_str).collect();
    let mut table = distinct_roles(&table);
    own.sort_unstable();
    table.sort_unstable();
    own == table
}

/// Formats roles as a list in brackets, with unknown ones quoted.
fn listed(roles: &[&str]) -> String {
    let shown: Vec<String> = roles
        .iter()
        .map(|role| if role.parse::<Role>().is_ok() { (*role).to_owned() } else { quote(role) })
        .collect();
    format!("[{}]", shown.join(", "))
}

/// Returns the roles of a token that a login gives to the session.
#[must_use]
pub fn session_roles<'a>(roles: &[&'a str]) -> Vec<&'a str> {
    roles.iter().copied().filter(|role| is_session_role(role)).collect()
}
