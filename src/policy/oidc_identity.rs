//! Maps the verified claims of an OpenID provider to a user of the server: username, full name, roles and
//! projects.

use serde_json::{Map, Value};

use super::keycloak_settings::{ADD_TO_ID_TOKEN, MULTIVALUED};
use crate::token::Claims;
use crate::user::{Role, Username, UsernameClaim, UsernameError};
use crate::util::diagnostic::Diagnostic;
use crate::util::json::kind;
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::quote::quote;

/// The roles that a provider can give; the server ignores others.
const PROVIDER_ROLES: [Role; 4] = [Role::User, Role::Admin, Role::Manager, Role::Support];

/// A user, from the claims of the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcIdentity {
    /// The username.
    pub username: Username,
    /// The full name.
    pub name: Option<String>,
    /// The rights of the ID token. `None` after a refresh for which the provider sent no ID token: the rights
    /// of the login remain.
    pub rights: Option<ProviderRights>,
}

/// The roles and projects of an ID token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderRights {
    /// The roles, without duplicates; `user` if the provider gives none.
    pub roles: Vec<Role>,
    /// The projects, without duplicates.
    pub projects: Vec<String>,
}

/// The reasons why the claims of a provider cannot be mapped to a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcIdentityError {
    /// Neither UserInfo nor the ID token has the claim with the username.
    #[error("the provider gives no username: neither userinfo nor the ID token has 'preferred_username'")]
    NoUsername,
    /// The claim is not a string.
    #[error("the provider's 'preferred_username' is {0}: expected a string")]
    NotText(&'static str),
    /// The claim is not a valid username.
    #[error("the provider's username cannot be used: {0}")]
    InvalidUsername(#[from] UsernameError),
}

impl Diagnostic for OidcIdentityError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoUsername => Kind::ProviderNoUsername,
            Self::NotText(_) => Kind::ProviderUsernameType,
            Self::InvalidUsername(_) => Kind::ProviderUsernameInvalid,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::NoUsername).then(|| {
            "let the provider put it into the scope profile, or name another claim with a login role's user_claim"
                .to_owned()
        })
    }
}

/// Maps the claims to a user.
///
/// As at the server, username and full name come from UserInfo before the ID token, roles and projects from the
/// ID token only. `username`, from a login role, takes precedence over both.
///
/// # Errors
/// [`OidcIdentityError`] if the username is missing or invalid.
pub fn identify(
    id_token: Option<&Claims>,
    userinfo: Option<&Map<String, Value>>,
    username: Option<&str>,
    notes: &mut Notes,
) -> Result<OidcIdentity, OidcIdentityError> {
    let claim = |name: &str| {
        userinfo
            .and_then(|userinfo| userinfo.get(name))
            .filter(is_given)
            .or_else(|| id_token.and_then(|claims| claims.get(name)).filter(is_given))
    };
    let username = match (username, claim("preferred_username")) {
        (Some(found), _) => found.to_owned(),
        (None, Some(Value::String(found))) => {
            if let Some((warning, hint)) = UsernameClaim::PreferredUsername.provider_id_warning(found) {
                notes.warn_with("user-claim", warning, hint);
            }
            found.clone()
        }
        (None, Some(other)) => return Err(OidcIdentityError::NotText(kind(other))),
        (None, None) => return Err(OidcIdentityError::NoUsername),
    };
    let username: Username = username.parse()?;
    let name = match claim("name") {
        Some(Value::String(name)) if !name.trim().is_empty() => Some(name.clone()),
        Some(Value::String(_)) | None => None,
        // The server also reads a 'name' that is an object, in tokens for its own login; that of a
        // provider is a string (OpenID Connect Core 5.1).
        Some(other) => {
            notes.note(format!("the provider's 'name' is {}: expected a string: ignored", kind(other)));
            None
        }
    };
    Ok(OidcIdentity { username, name, rights: id_token.map(|claims| rights(claims, notes)) })
}

/// Whether a claim has a value. An empty string counts as a missing claim.
fn is_given(value: &&Value) -> bool {
    !value.is_null() && value.as_str() != Some("")
}

/// Warns about an ID token without the claims with roles, which the server reads from there only. Keycloak's
/// default puts them into the access token only.
pub fn warn_about_missing_roles(id_token: &Claims, notes: &mut Notes) {
    if ["realm_access", "resource_access"].iter().all(|name| id_token.get(name).filter(is_given).is_none()) {
        notes.warn_with(
            "provider-without-roles",
            "the ID token has neither 'realm_access' nor 'resource_access': the login has the role user, here and at \
             the server",
            format!(
                "at Keycloak, in the client scope 'roles', set '{ADD_TO_ID_TOKEN}' of the mappers 'realm roles' and \
                 'client roles'"
            ),
        );
    }
}

/// Returns the roles and projects of an ID token.
fn rights(id_token: &Claims, notes: &mut Notes) -> ProviderRights {
    let claim = |name: &str| id_token.get(name).filter(is_given);
    let mut roles = Vec::new();
    let mut dropped = Vec::new();
    let realm = claim("realm_access").map(|access| named_roles(access, "realm_access", notes));
    let clients = claim("resource_access").and_then(Value::as_object).into_iter().flatten();
    let clients = clients
        .map(|(client, access)| named_roles(access, &format!("resource_access.{client}"), &mut Notes::new()));
    for found in realm.into_iter().chain(clients).flatten() {
        match PROVIDER_ROLES.into_iter().find(|role| role.name() == found) {
            Some(role) if !roles.contains(&role) => roles.push(role),
            Some(_) => {}
            None => dropped.push(found),
        }
    }
    if !dropped.is_empty() {
        let shown: Vec<String> = dropped.iter().map(|role| quote(role)).collect();
        log::info!("roles of the provider that the server ignores: {}", shown.join(", "));
    }
    if roles.is_empty() {
        roles.push(Role::User);
    }
    let mut projects: Vec<String> = Vec::new();
    match claim("projects") {
        Some(Value::Array(list)) => {
            for project in list.iter().filter_map(Value::as_str).filter(|project| !project.is_empty()) {
                if !projects.iter().any(|known| known == project) {
                    projects.push(project.to_owned());
                }
            }
        }
        Some(other) => notes.warn_with(
            "provider-projects",
            format!(
                "the provider's 'projects' is {}: expected an array; skipped here, while the server rejects the \
                 login with status 500",
                kind(other)
            ),
            format!("at Keycloak, switch on '{MULTIVALUED}' of the mapper"),
        ),
        None => {}
    }
    ProviderRights { roles, projects }
}

/// Returns the strings in the member `roles` of an access object.
fn named_roles(access: &Value, place: &str, notes: &mut Notes) -> Vec<String> {
    match access.get("roles") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(other) => {
            notes.warn_with(
                "provider-roles",
                format!("the provider's '{place}.roles' is {}: expected an array; skipped", kind(other)),
                format!("at Keycloak, switch on '{MULTIVALUED}' of the mapper"),
            );
            Vec::new()
        }
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(id_token: Value, userinfo: Value) -> Result<OidcIdentity, OidcIdentityError> {
        let Value::Object(id_token) = id_token else { panic!() };
        identify(Some(&Claims::from(id_token)), userinfo.as_object(), None, &mut Notes::new())
    }

    #[test]
    fn identity_claims_of_userinfo_take_precedence() {
        let found = map(
            json!({"preferred_username": "old", "name": "Old", "projects": ["p"]}),
            json!({"preferred_username": "new", "name": "New Name"}),
        )
        .unwrap();
        assert_eq!(found.username.as_str(), "new");
        assert_eq!(found.name.as_deref(), Some("New Name"));
        assert_eq!(found.rights.unwrap().projects, ["p"]);
        for empty in [json!(null), json!("")] {
            let userinfo = json!({"preferred_username": empty, "name": empty});
            let found = map(json!({"preferred_username": "old", "name": "Old"}), userinfo).unwrap();
            assert_eq!((found.username.as_str(), found.name.as_deref()), ("old", Some("Old")));
        }
    }

    #[test]
    fn identity_roles_come_from_realm_and_clients() {
        let found = map(
            json!({
                "preferred_username": "c",
                "realm_access": {"roles": ["offline_access", "manager", "api", "anonymous", "Admin", 7]},
                "resource_access": {
                    "a": {"roles": ["support", "manager"]},
                    "b": {"roles": ["admin"]},
                    "c": {"roles": "user"},
                    "d": [],
                },
            }),
            json!({}),
        )
        .unwrap();
        assert_eq!(found.rights.unwrap().roles, [Role::Manager, Role::Support, Role::Admin]);
    }

    #[test]
    fn identity_without_known_role_gets_the_role_user() {
        for mut claims in [
            json!({}),
            json!({"realm_access": {"roles": []}}),
            json!({"realm_access": {"roles": ["api"]}}),
            json!({"realm_access": "admin", "resource_access": ["admin"]}),
            json!({"roles": ["admin"]}),
        ] {
            claims["preferred_username"] = json!("c");
            let found = map(claims.clone(), json!({})).unwrap();
            assert_eq!(found.rights.unwrap().roles, [Role::User], "{claims}");
        }
    }

    #[test]
    fn identity_rights_of_userinfo_are_not_used() {
        let rights = json!({
            "realm_access": {"roles": ["admin"]}, "resource_access": {"a": {"roles": ["support"]}},
            "projects": ["p"], "preferred_username": "c",
        });
        let found = map(json!({}), rights.clone()).unwrap();
        let user = ProviderRights { roles: vec![Role::User], projects: Vec::new() };
        assert_eq!(found.rights, Some(user));
        let refreshed = identify(None, rights.as_object(), None, &mut Notes::new()).unwrap();
        assert_eq!((refreshed.username.as_str(), refreshed.rights), ("c", None));
    }

    #[test]
    fn missing_claims_with_roles_are_a_warning() {
        for (claims, expected) in [
            (json!({}), 1),
            (json!({"realm_access": null, "roles": ["admin"]}), 1),
            (json!({"realm_access": {"roles": []}}), 0),
            (json!({"resource_access": {}}), 0),
        ] {
            let Value::Object(members) = claims.clone() else { panic!() };
            let mut notes = Notes::new();
            warn_about_missing_roles(&Claims::from(members), &mut notes);
            assert_eq!(notes.iter().count(), expected, "{claims}");
        }
    }

    #[test]
    fn identity_without_valid_username_is_rejected() {
        assert_eq!(map(json!({"sub": "x", "name": "X"}), json!({})), Err(OidcIdentityError::NoUsername));
        assert!(matches!(
            map(json!({"preferred_username": 7}), json!({})),
            Err(OidcIdentityError::NotText(_))
        ));
        let empty = map(json!({"preferred_username": ""}), json!({"preferred_username": ""}));
        assert_eq!(empty, Err(OidcIdentityError::NoUsername));
        for name in ["a\u{0}", " a", "a\u{202e}b"] {
            let rejected = map(json!({"preferred_username": name}), json!({}));
            assert!(matches!(rejected, Err(OidcIdentityError::InvalidUsername(_))), "{name:?}: {rejected:?}");
        }
    }

    #[test]
    fn identity_name_that_is_not_a_string_is_ignored() {
        for name in [json!({"values": ["Clara", "M"]}), json!(["Clara"]), json!(7)] {
            let mut notes = Notes::new();
            let claims = json!({"preferred_username": "c", "name": name});
            let Value::Object(claims) = claims else { panic!() };
            let found = identify(Some(&Claims::from(claims)), None, None, &mut notes).unwrap();
            assert_eq!(found.name, None);
            assert_eq!(notes.iter().count(), 1, "{name}");
        }
    }

    #[test]
    fn identity_username_of_login_role_takes_precedence() {
        let claims = Claims::from(Map::new());
        let found = identify(Some(&claims), None, Some("by-role"), &mut Notes::new()).unwrap();
        assert_eq!(found.username.as_str(), "by-role");
    }
}
