//! The claims of a given ID token: which of them have roles, and which user the server creates from them.

use serde_json::Value;

use super::finding::{Area, Findings, SourceFindings};
use crate::config::Settings;
use crate::policy::oidc_identity::{OidcIdentity, identify, warn_about_missing_roles};
use crate::token::inspect::TokenForm;
use crate::token::{Claims, inspect};
use crate::user::Role;
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

const CHECK: &str = "id-token";

/// The claims in which other programs expect roles or groups; the server does not read them.
const UNUSED: [&str; 5] = ["roles", "groups", "role", "entitlements", "eduperson_entitlement"];

/// Explains an ID token. Its signature is not verified.
pub(super) fn examine(token: &SecretText, settings: Option<&Settings>, findings: &mut Findings) {
    let mut of_token = findings.of(Area::Openid, "--id-token");
    let inspection = inspect(token.expose());
    if inspection.form == TokenForm::Encrypted {
        return of_token.fail(
            CHECK,
            "the token is encrypted: expected a signed ID token",
            Some("disable the encryption of ID tokens for the client at the provider".to_owned()),
        );
    }
    let Some((_, claims)) = inspection.unproven() else {
        let why = inspection.refusal.map_or_else(String::new, |error| format!(": {error}"));
        return of_token.fail(
            CHECK,
            format!("it is not a valid ID token{why}"),
            Some("name a file with the member id_token of the provider's response".to_owned()),
        );
    };
    check_issuer(claims, settings, &mut of_token);
    let mut notes = Notes::new();
    warn_about_missing_roles(claims, &mut notes);
    let identity = identify(Some(claims), None, None, &mut notes);
    of_token.notes(notes);
    match identity {
        Ok(identity) => explain(&identity, claims, &mut of_token),
        Err(error) => of_token.error(&error),
    }
}

fn check_issuer(claims: &Claims, settings: Option<&Settings>, findings: &mut SourceFindings<'_>) {
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    let configured: Vec<&str> = settings
        .into_iter()
        .flat_map(|settings| &settings.oidc)
        .filter_map(|entry| Some(entry.provider.as_ref()?.value.as_str()))
        .collect();
    if !configured.is_empty() && !configured.contains(&issuer) {
        findings.warn(
            "issuer",
            format!("its issuer is {}, and auth.oidc has {}", quote(issuer), quote(&configured.join(", "))),
            Some("set auth.oidc.provider to the issuer, if the token is from the right provider".to_owned()),
        );
    }
}

/// Prints the user of the claims, the claims that have the roles, and the roles that are not used.
fn explain(identity: &OidcIdentity, claims: &Claims, findings: &mut SourceFindings<'_>) {
    let rights = identity.rights.clone().unwrap_or_default();
    let roles: Vec<&str> = rights.roles.iter().map(|role| role.name()).collect();
    let projects = match rights.projects.as_slice() {
        [] => String::new(),
        projects => format!(", and the projects {}", quote(&projects.join(","))),
    };
    let sources = role_sources(claims);
    let origin = if sources.is_empty() {
        "no claim has a role, so it is the default".to_owned()
    } else {
        let listed = sources.iter().map(|(claim, roles)| format!("{claim} has {}", quote(&roles.join(","))));
        listed.collect::<Vec<_>>().join("; ")
    };
    findings.pass(
        CHECK,
        format!(
            "{} logs in with the roles {}{projects}: {origin}; the signature is not verified",
            quote(identity.username.as_str()),
            roles.join(",")
        ),
    );
    if rights.roles.contains(&Role::Manager) && rights.projects.is_empty() {
        findings.warn(
            "manager-without-project",
            "the user is a manager without a project: the claim 'projects' is missing or empty",
            Some(
                "add a mapper to the client at the provider, which writes an array into the claim 'projects'"
                    .to_owned(),
            ),
        );
    }
    for name in UNUSED.iter().filter(|name| claims.get(name).is_some()) {
        findings.warn(
            "provider-without-roles",
            format!("the claim {} is not used: the server reads realm_access and resource_access only", quote(name)),
            Some("map the roles at the provider to realm roles or client roles named user, manager, support or admin".to_owned()),
        );
    }
}

/// The claims with roles, and all roles in each, also those that the server does not use.
fn role_sources(claims: &Claims) -> Vec<(String, Vec<String>)> {
    let roles = |access: &Value| -> Vec<String> {
        let list = access.get("roles").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let realm = claims.get("realm_access").map(|access| ("realm_access.roles".to_owned(), roles(access)));
    let clients = claims.get("resource_access").and_then(Value::as_object).into_iter().flatten();
    let clients =
        clients.map(|(client, access)| (format!("resource_access.{}.roles", quote(client)), roles(access)));
    realm.into_iter().chain(clients).filter(|(_, roles)| !roles.is_empty()).collect()
}
