//! The endpoints that accept a list of roles, and the smallest change after which an endpoint accepts it.
//!
//! Every message and hint about missing roles comes from here; a test applies each change and checks that
//! the endpoint then accepts the roles.

use super::endpoint::Endpoint;
use crate::user::{Role, Username, command_word, is_provider_id};
use crate::util::file::shell_word;

/// A change after which an endpoint accepts a user's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Issue a token that names each role once: the server counts entries.
    NameRolesOnce,
    /// Add these roles.
    AddRoles(Vec<Role>),
    /// Remove these roles, which give no rights.
    RemoveRoles(Vec<String>),
    /// Use another user with the role `api` alone; this user would lose the other roles.
    SeparateUser,
    /// Enable the user, and then make this change if the endpoint rejects the roles before.
    Enable(Option<Box<Self>>),
}

impl Remedy {
    /// Returns the smallest change for roles that the endpoint rejects.
    #[must_use]
    pub fn of(endpoint: Endpoint, roles: &[&str]) -> Self {
        let once = distinct_roles(roles);
        if endpoint.accepts_roles(&once) {
            return Self::NameRolesOnce;
        }
        let additions: &[&[Role]] = if endpoint.is_login() {
            &[&[Role::User]]
        } else {
            &[&[Role::Api], &[Role::User], &[Role::Api, Role::User]]
        };
        for added in additions {
            let mut changed = once.clone();
            changed.extend(added.iter().map(|role| role.name()).filter(|role| !once.contains(role)));
            if endpoint.accepts_roles(&changed) {
                let new: Vec<Role> =
                    added.iter().copied().filter(|role| !once.contains(&role.name())).collect();
                return Self::AddRoles(new);
            }
        }
        let gives_no_rights =
            |role: &str| !matches!(role.parse::<Role>(), Ok(known) if known != Role::Anonymous);
        let kept: Vec<&str> = once.iter().copied().filter(|role| !gives_no_rights(role)).collect();
        if endpoint.accepts_roles(&kept) {
            let others = once.iter().filter(|role| gives_no_rights(role)).map(|role| (*role).to_owned());
            return Self::RemoveRoles(others.collect());
        }
        Self::SeparateUser
    }

    /// Returns the smallest change for a disabled user, whose roles would be these after 'cc-user enable'.
    #[must_use]
    pub fn of_disabled(endpoint: Endpoint, restored_roles: &[String]) -> Self {
        let roles: Vec<&str> = restored_roles.iter().map(String::as_str).collect();
        if endpoint.accepts_roles(&roles) {
            return Self::Enable(None);
        }
        match Self::of(endpoint, &roles) {
            Self::SeparateUser => Self::SeparateUser,
            change => Self::Enable(Some(Box::new(change))),
        }
    }

    /// Returns the command that makes the change for this user.
    #[must_use]
    pub fn command(&self, username: &str) -> String {
        let user = command_word(username);
        let list =
            |names: &mut dyn Iterator<Item = &str>| names.map(shell_word).collect::<Vec<_>>().join(" ");
        match self {
            Self::NameRolesOnce => "issue a token that names each role once".to_owned(),
            Self::AddRoles(roles) => {
                format!("cc-user role add {user} {}", list(&mut roles.iter().map(|role| role.name())))
            }
            Self::RemoveRoles(roles) => {
                format!("cc-user role remove {user} {}", list(&mut roles.iter().map(String::as_str)))
            }
            Self::SeparateUser => {
                let other = format!("{username}-api");
                let is_name = other.parse::<Username>().is_ok() && !is_provider_id(username);
                let other = if is_name { other } else { "api-client".to_owned() };
                let other = shell_word(&other);
                format!("cc-user add {other} --role api --no-password && cc-jwt issue {other}")
            }
            Self::Enable(None) => format!("cc-user enable {user}"),
            Self::Enable(Some(change)) => format!("cc-user enable {user} && {}", change.command(username)),
        }
    }

    /// Returns whether the user needs a new token after the change, if the roles in the token count.
    #[must_use]
    pub const fn needs_new_token(&self) -> bool {
        matches!(self, Self::AddRoles(_) | Self::RemoveRoles(_) | Self::Enable(_))
    }

    /// Returns a hint with the command; with `validate_user` off it adds the need for a new token.
    #[must_use]
    pub fn hint(&self, username: &str, validate_user: bool) -> String {
        let command = self.command(username);
        if self.needs_new_token() && !validate_user {
            format!("{command}; then issue a new token")
        } else {
            command
        }
    }
}

/// Returns the role whose rights a token has in GraphQL and on the web pages. `None` means that GraphQL
/// answers "user has no or unknown roles". The role `api` gives rights (all jobs) only without other roles.
#[must_use]
pub fn query_rights(roles: &[&str]) -> Option<Role> {
    if roles == [Role::Api.name()] {
        return Some(Role::Api);
    }
    [Role::Admin, Role::Support, Role::Manager, Role::User]
        .into_iter()
        .find(|role| roles.contains(&role.name()))
}

/// Returns the rights in GraphQL and on the web pages as a clause.
#[must_use]
pub fn describe_rights(roles: &[&str]) -> String {
    match query_rights(roles) {
        Some(role) => format!("with the rights of the role {role}"),
        None => {
            "without rights: GraphQL returns 'user has no or unknown roles', but updateConfiguration works"
                .to_owned()
        }
    }
}

/// Returns the endpoints of the server that accept a token with these roles.
#[must_use]
pub fn accepting_endpoints(roles: &[&str]) -> Vec<Endpoint> {
    let mut endpoints = vec![Endpoint::Api, Endpoint::UserApi, Endpoint::MetricStoreApi, Endpoint::Query];
    endpoints.retain(|endpoint| endpoint.accepts_roles(roles));
    endpoints
}

/// Returns the endpoints that accept a token with these roles as a clause.
#[must_use]
pub fn describe_endpoints(roles: &[&str]) -> String {
    let names: Vec<&str> = accepting_endpoints(roles).into_iter().map(Endpoint::name).collect();
    match names.as_slice() {
        [_only] => format!("accepted by GraphQL and the web pages only, {}", describe_rights(roles)),
        names => format!("accepted by {}", names.join(", ")),
    }
}

/// Returns the roles in order, without duplicates.
pub(super) fn distinct_roles<'a>(roles: &[&'a str]) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for role in roles {
        if !seen.contains(role) {
            seen.push(*role);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns all role_lists of up to three roles, with duplicates and unknown roles.
    fn role_lists() -> Vec<Vec<&'static str>> {
        let words = ["admin", "support", "manager", "user", "api", "anonymous", "wizard", "API"];
        let mut role_lists: Vec<Vec<&str>> = vec![Vec::new()];
        let mut from = 0;
        for _ in 0..3 {
            let until = role_lists.len();
            for at in from..until {
                for word in words {
                    let mut longer = role_lists[at].clone();
                    longer.push(word);
                    role_lists.push(longer);
                }
            }
            from = until;
        }
        role_lists
    }

    #[test]
    fn command_never_names_the_id_of_a_user_at_a_provider() {
        let id = "7457a640-8e6d-495b-964f-16b063620906";
        let remedies = [
            Remedy::NameRolesOnce,
            Remedy::AddRoles(vec![Role::Api]),
            Remedy::RemoveRoles(vec!["wizard".to_owned()]),
            Remedy::SeparateUser,
            Remedy::Enable(Some(Box::new(Remedy::AddRoles(vec![Role::Api])))),
        ];
        for remedy in remedies {
            assert!(!remedy.command(id).contains("7457a640"), "{remedy:?}");
        }
        assert_eq!(Remedy::AddRoles(vec![Role::Api]).command(id), "cc-user role add NAME api");
    }

    #[test]
    fn remedy_for_any_roles_makes_endpoint_accept() {
        let role_lists = role_lists();
        let mut changed = 0;
        for endpoint in Endpoint::ALL.into_iter().filter(|endpoint| *endpoint != Endpoint::Config) {
            for roles in role_lists.iter().filter(|roles| !endpoint.accepts_roles(roles)) {
                let once = distinct_roles(roles);
                let after: Vec<&str> = match Remedy::of(endpoint, roles) {
                    Remedy::NameRolesOnce => once,
                    Remedy::AddRoles(added) => {
                        assert!(!added.is_empty(), "{endpoint} {roles:?}");
                        once.into_iter().chain(added.iter().map(|role| role.name())).collect()
                    }
                    Remedy::RemoveRoles(removed) => {
                        let keep = |role: &&str| !removed.iter().any(|gone| gone == role);
                        once.into_iter().filter(keep).collect()
                    }
                    Remedy::SeparateUser => vec!["api"],
                    Remedy::Enable(_) => panic!("{endpoint} {roles:?}"),
                };
                assert!(endpoint.accepts_roles(&after), "{endpoint} {roles:?} -> {after:?}");
                changed += 1;
            }
        }
        assert!(changed > 500, "{changed}");
    }

    #[test]
    fn remedy_for_a_disabled_user_enables_the_user_and_then_changes_the_restored_roles() {
        let command = |endpoint, roles: &[&str]| {
            let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
            Remedy::of_disabled(endpoint, &roles).hint("a b", true)
        };
        assert_eq!(command(Endpoint::UserApi, &["user", "api"]), "cc-user enable 'a b'");
        assert_eq!(
            command(Endpoint::UserApi, &["user"]),
            "cc-user enable 'a b' && cc-user role add 'a b' api"
        );
        let separate = command(Endpoint::Api, &["user"]);
        assert_eq!(separate, "cc-user add 'a b-api' --role api --no-password && cc-jwt issue 'a b-api'");
        let new_token = Remedy::of_disabled(Endpoint::JwtLogin, &["user".to_owned()]).hint("anna", false);
        assert_eq!(new_token, "cc-user enable anna; then issue a new token");
    }

    #[test]
    fn remedy_for_user_role_is_a_separate_api_user() {
        assert_eq!(Remedy::of(Endpoint::Api, &["user"]), Remedy::SeparateUser);
        assert_eq!(Remedy::of(Endpoint::Api, &["user", "api"]), Remedy::SeparateUser);
        assert_eq!(Remedy::of(Endpoint::Api, &["user", "admin"]), Remedy::AddRoles(vec![Role::Api]));
        assert_eq!(Remedy::of(Endpoint::UserApi, &["user"]), Remedy::AddRoles(vec![Role::Api]));
        assert_eq!(
            Remedy::of(Endpoint::MetricStoreApi, &["support", "api"]),
            Remedy::AddRoles(vec![Role::User])
        );
        assert_eq!(
            Remedy::SeparateUser.command("alice"),
            "cc-user add alice-api --role api --no-password && cc-jwt issue alice-api"
        );
        assert_eq!(
            Remedy::AddRoles(vec![Role::Api]).hint("a b", false),
            "cc-user role add 'a b' api; then issue a new token"
        );
    }

    #[test]
    fn query_rights_are_those_of_the_highest_role() {
        let table: [(&[&str], Option<Role>); 8] = [
            (&[], None),
            (&["api"], Some(Role::Api)),
            (&["api", "api"], None),
            (&["api", "user"], Some(Role::User)),
            (&["user", "admin"], Some(Role::Admin)),
            (&["manager", "support"], Some(Role::Support)),
            (&["anonymous"], None),
            (&["Admin"], None),
        ];
        for (roles, expected) in table {
            assert_eq!(query_rights(roles), expected, "{roles:?}");
        }
    }

    #[test]
    fn describe_endpoints_without_api_role_names_graphql_only() {
        assert_eq!(
            describe_endpoints(&["admin"]),
            "accepted by GraphQL and the web pages only, with the rights of the role admin"
        );
        assert_eq!(describe_endpoints(&["api"]), "accepted by api, user-api, metric-store-api, query");
        assert!(describe_endpoints(&[]).contains("without rights"));
    }
}
