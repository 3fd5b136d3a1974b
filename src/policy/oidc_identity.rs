//! The identity of a user for the server, from the claims of an OpenID provider: username, full name,
//! roles, projects. Pure; what comes in was verified and checked before.

use serde_json::{Map, Value};

use crate::token::Claims;
use crate::user::{Role, Username, UsernameError};
use crate::util::diagnostic::Diagnostic;
use crate::util::json::kind;
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::quote::quote;

/// The roles that a provider can give; the others are dropped, as the server drops them.
const GIVEN: [Role; 4] = [Role::User, Role::Admin, Role::Manager, Role::Support];

/// A user as the provider describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcIdentity {
    /// The name to log in as.
    pub username: Username,
    /// The full name.
    pub name: Option<String>,
    /// The roles, each once; `user` where the provider gives none.
    pub roles: Vec<Role>,
    /// The projects, each once.
    pub projects: Vec<String>,
}

/// Why the claims of a provider do not describe a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcIdentityError {
    /// Neither userinfo nor the ID token has the claim with the username.
    #[error("the provider gives no username: neither userinfo nor the ID token has 'preferred_username'")]
    NoUsername,
    /// The claim is not a string.
    #[error("the provider's 'preferred_username' is {0}: expected a string")]
    NotText(&'static str),
    /// The name is not fit for a user.
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

/// Puts an identity together. Of each claim the one of userinfo counts where there is one,
/// otherwise that of the ID token. `username` is what a login role found, and comes first.
///
/// # Errors
/// [`OidcIdentityError`].
pub fn identify(
    id_token: &Claims,
    userinfo: Option<&Map<String, Value>>,
    username: Option<&str>,
    notes: &mut Notes,
) -> Result<OidcIdentity, OidcIdentityError> {
    // An empty string says as little as a missing claim.
    let is_there = |value: &&Value| !value.is_null() && value.as_str() != Some("");
    let claim = |name: &str| {
        userinfo
            .and_then(|userinfo| userinfo.get(name))
            .filter(is_there)
            .or_else(|| id_token.get(name).filter(is_there))
    };
    let username = match (username, claim("preferred_username")) {
        (Some(found), _) => found.to_owned(),
        (None, Some(Value::String(found))) => found.clone(),
        (None, Some(other)) => return Err(OidcIdentityError::NotText(kind(other))),
        (None, None) => return Err(OidcIdentityError::NoUsername),
    };
    let username: Username = username.parse()?;
    let mut roles = Vec::new();
    let mut dropped = Vec::new();
    let realm = claim("realm_access").map(|access| named_roles(access, "realm_access", notes));
    let clients = claim("resource_access").and_then(Value::as_object).into_iter().flatten();
    let clients = clients
        .map(|(client, access)| named_roles(access, &format!("resource_access.{client}"), &mut Notes::new()));
    for found in realm.into_iter().chain(clients).flatten() {
        match GIVEN.into_iter().find(|role| role.name() == found) {
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
        Some(other) => notes.warn(
            "provider-projects",
            format!("the provider's 'projects' is {}: expected an array; skipped", kind(other)),
        ),
        None => {}
    }
    let name = match claim("name") {
        Some(Value::String(name)) if !name.trim().is_empty() => Some(name.clone()),
        Some(Value::String(_)) | None => None,
        // A token for the server's own login may have such a name; a provider's is a string
        // (OpenID Connect Core 5.1).
        Some(other) => {
            notes.note(format!("the provider's 'name' is {}: expected a string: ignored", kind(other)));
            None
        }
    };
    Ok(OidcIdentity { username, name, roles, projects })
}

/// The texts in an access object's `roles`.
fn named_roles(access: &Value, place: &str, notes: &mut Notes) -> Vec<String> {
    match access.get("roles") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(other) => {
            notes.warn(
                "provider-roles",
                format!("the provider's '{place}.roles' is {}: expected an array; skipped", kind(other)),
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
        identify(&Claims::from(id_token), userinfo.as_object(), None, &mut Notes::new())
    }

    #[test]
    fn userinfo_comes_before_the_id_token() {
        let found = map(
            json!({"preferred_username": "old", "name": "Old", "projects": ["p"]}),
            json!({"preferred_username": "new", "name": "New Name"}),
        )
        .unwrap();
        assert_eq!(found.username.as_str(), "new");
        assert_eq!(found.name.as_deref(), Some("New Name"));
        assert_eq!(found.projects, ["p"]);
        for nothing in [json!(null), json!("")] {
            let userinfo = json!({"preferred_username": nothing, "name": nothing});
            let found = map(json!({"preferred_username": "old", "name": "Old"}), userinfo).unwrap();
            assert_eq!((found.username.as_str(), found.name.as_deref()), ("old", Some("Old")));
        }
    }

    #[test]
    fn roles_come_from_the_realm_and_every_client_and_only_four_are_taken() {
        let found = map(
            json!({"preferred_username": "c"}),
            json!({
                "realm_access": {"roles": ["offline_access", "manager", "api", "anonymous", "Admin", 7]},
                "resource_access": {
                    "a": {"roles": ["support", "manager"]},
                    "b": {"roles": ["admin"]},
                    "c": {"roles": "user"},
                    "d": [],
                },
            }),
        )
        .unwrap();
        assert_eq!(found.roles, [Role::Manager, Role::Support, Role::Admin]);
    }

    #[test]
    fn identity_without_known_role_gets_the_role_user() {
        for userinfo in [
            json!({}),
            json!({"realm_access": {"roles": []}}),
            json!({"realm_access": {"roles": ["api"]}}),
            json!({"realm_access": "admin", "resource_access": ["admin"]}),
            json!({"roles": ["admin"]}),
        ] {
            let found = map(json!({"preferred_username": "c"}), userinfo.clone()).unwrap();
            assert_eq!(found.roles, [Role::User], "{userinfo}");
        }
    }

    #[test]
    fn a_missing_or_unfit_username_is_refused() {
        assert_eq!(map(json!({"sub": "x", "name": "X"}), json!({})), Err(OidcIdentityError::NoUsername));
        assert!(matches!(
            map(json!({"preferred_username": 7}), json!({})),
            Err(OidcIdentityError::NotText(_))
        ));
        let empty = map(json!({"preferred_username": ""}), json!({"preferred_username": ""}));
        assert_eq!(empty, Err(OidcIdentityError::NoUsername));
        for name in ["a\u{0}", " a", "a\u{202e}b"] {
            let refused = map(json!({"preferred_username": name}), json!({}));
            assert!(matches!(refused, Err(OidcIdentityError::InvalidUsername(_))), "{name:?}: {refused:?}");
        }
    }

    #[test]
    fn name_that_is_not_a_string_is_ignored_with_a_note() {
        for name in [json!({"values": ["Clara", "M"]}), json!(["Clara"]), json!(7)] {
            let mut notes = Notes::new();
            let claims = json!({"preferred_username": "c", "name": name});
            let Value::Object(claims) = claims else { panic!() };
            let found = identify(&Claims::from(claims), None, None, &mut notes).unwrap();
            assert_eq!(found.name, None);
            assert_eq!(notes.iter().count(), 1, "{name}");
        }
    }

    #[test]
    fn a_login_roles_name_comes_first() {
        let claims = Claims::from(Map::new());
        let found = identify(&claims, None, Some("by-role"), &mut Notes::new()).unwrap();
        assert_eq!(found.username.as_str(), "by-role");
    }
}
