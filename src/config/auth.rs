//! The sections of `auth`: `jwts`, `ldap` and `oidc`, nested or, up to version 1.4, at the root.

use super::group_map::read_group_map;
use super::origin::Value;
use super::section::{Findings, Section};
use super::settings::{Jwts, Ldap, OidcProvider};
use super::slurm::read_slurm;
use crate::util::quote::{quote, quote_path};

/// Which spellings a section has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// 1.5: nested, one spelling.
    Nested,
    /// Up to 1.4: at the root, all spellings of earlier versions.
    Root,
}

impl Layout {
    /// The first spelling in the nested layout, all of them at the root.
    fn spellings(self, all: &'static [&'static str]) -> &'static [&'static str] {
        match self {
            Self::Nested => all.split_at_checked(1).map_or(all, |(today, _)| today),
            Self::Root => all,
        }
    }
}

const COOKIE_NAME: &[&str] = &["cookie-name", "cookieName"];
const VALIDATE_USER: &[&str] = &["validate-user", "validateUser", "forceJWTValidationViaDatabase"];
const TRUSTED_ISSUER: &[&str] = &["trusted-issuer", "trustedIssuer", "trustedExternalIssuer"];
const SYNC_USER: &[&str] = &["sync-user-on-login", "syncUserOnLogin"];
const UPDATE_USER: &[&str] = &["update-user-on-login", "updateUserOnLogin"];
const USER_BASE: &[&str] = &["user-base", "user_base"];
const SEARCH_DN: &[&str] = &["search-dn", "search_dn"];
const USER_BIND: &[&str] = &["user-bind", "user_bind"];
const USER_FILTER: &[&str] = &["user-filter", "user_filter"];
const USERNAME_ATTR: &[&str] = &["username-attr", "username_attr"];
const UID_ATTR: &[&str] = &["uid-attr", "uid_attr"];
const SYNC_INTERVAL: &[&str] = &["sync-interval", "sync_interval"];
const SYNC_DEL: &[&str] = &["sync-del-old-users", "sync_del_old_users"];

/// Spellings of older versions with today's, for the hint in the nested layout.
pub(super) const OLD_SPELLINGS: &[(&str, &str)] = &[
    ("cookieName", "cookie-name"),
    ("validateUser", "validate-user"),
    ("forceJWTValidationViaDatabase", "validate-user"),
    ("trustedIssuer", "trusted-issuer"),
    ("trustedExternalIssuer", "trusted-issuer"),
    ("syncUserOnLogin", "sync-user-on-login"),
    ("updateUserOnLogin", "update-user-on-login"),
    ("jwt-max-age", "max-age"),
    ("jwt", "jwts"),
];

pub(super) fn read_jwts(mut section: Section<'_>, layout: Layout, findings: &mut Findings) -> Jwts {
    let jwts = Jwts {
        max_age: section.duration(&["max-age"], findings).unwrap_or(Value::by_default(None)),
        cookie_name: section.some_text(layout.spellings(COOKIE_NAME), findings),
        validate_user: section.switch(layout.spellings(VALIDATE_USER), findings),
        trusted_issuer: section.some_text(layout.spellings(TRUSTED_ISSUER), findings),
        sync_user_on_login: section.switch(layout.spellings(SYNC_USER), findings),
        update_user_on_login: section.switch(layout.spellings(UPDATE_USER), findings),
    };
    section.warn_unknown(OLD_SPELLINGS, findings);
    for (name, switch) in [
        ("sync-user-on-login", &jwts.sync_user_on_login),
        ("update-user-on-login", &jwts.update_user_on_login),
    ] {
        if switch.value && jwts.validate_user.value {
            findings.notes.warn(
                "config-no-effect",
                format!(
                    "{}: {} has no effect beside {}",
                    quote_path(section.file()),
                    quote(&section.key(name)),
                    quote(&section.key("validate-user"))
                ),
            );
        }
    }
    jwts
}

pub(super) fn read_ldap(mut section: Section<'_>, layout: Layout, findings: &mut Findings) -> Ldap {
    let ldap = Ldap {
        url: section.texts(&["url"], findings).filter(|url| !url.value.is_empty()),
        user_base: section.some_text(layout.spellings(USER_BASE), findings),
        search_dn: section.some_text(layout.spellings(SEARCH_DN), findings),
        user_bind: section.some_text(layout.spellings(USER_BIND), findings),
        user_filter: section.some_text(layout.spellings(USER_FILTER), findings),
        username_attr: section
            .some_text(layout.spellings(USERNAME_ATTR), findings)
            .unwrap_or_else(|| Value::by_default("gecos".to_owned())),
        uid_attr: section
            .some_text(layout.spellings(UID_ATTR), findings)
            .unwrap_or_else(|| Value::by_default("uid".to_owned())),
        sync_interval: section
            .duration(layout.spellings(SYNC_INTERVAL), findings)
            .and_then(|interval| interval.value.map(|duration| Value::new(duration, interval.origin))),
        sync_grace_period: section
            .duration(&["sync-grace-period"], findings)
            .and_then(|period| period.value.map(|duration| Value::new(duration, period.origin))),
        sync_del_old_users: section.switch(layout.spellings(SYNC_DEL), findings),
        sync_user_on_login: section.switch(layout.spellings(SYNC_USER), findings),
        update_user_on_login: section.switch(layout.spellings(UPDATE_USER), findings),
        starttls: section.switch(&["starttls"], findings),
        ca_file: section.path(&["ca-file"], findings),
        further_user_bases: section
            .distinguished_names(&["further-user-bases"], findings)
            .filter(|bases| !bases.value.is_empty()),
        ignore_references: section.switch(&["ignore-references"], findings),
        sasl_external: section.switch(&["sasl-external"], findings),
        group_map: section
            .section("group-map", findings)
            .map(|section| Box::new(read_group_map(section, findings))),
        slurm: section.section("slurm", findings).map(|section| Box::new(read_slurm(section, findings))),
    };
    section.warn_unknown(OLD_SPELLINGS, findings);
    ldap
}

pub(super) fn read_oidc(
    mut section: Section<'_>,
    layout: Layout,
    findings: &mut Findings,
) -> Vec<OidcProvider> {
    let entries = section.section("providers", findings);
    let mut providers = vec![read_provider("oidc", section, layout, findings)];
    for (name, section) in entries.iter().flat_map(|entries| entries.entries(findings)).collect::<Vec<_>>() {
        if providers.iter().any(|provider| provider.name == name) {
            findings.notes.warn(
                "config-duplicate-provider",
                format!(
                    "{}: duplicate provider {}: the first one wins",
                    quote_path(section.file()),
                    quote(name)
                ),
            );
            continue;
        }
        providers.push(read_provider(name, section, Layout::Nested, findings));
    }
    providers
}

fn read_provider(
    name: &str,
    mut section: Section<'_>,
    layout: Layout,
    findings: &mut Findings,
) -> OidcProvider {
    let provider = OidcProvider {
        name: name.to_owned(),
        key: section.key("").trim_end_matches('.').to_owned(),
        provider: section.some_text(&["provider"], findings),
        client_id: section.some_text(&["client-id"], findings),
        client_secret_variable: section.some_text(&["client-secret-variable"], findings),
        client_secret: None,
        token_endpoint_auth_method: section.some_text(&["token-endpoint-auth-method"], findings),
        client_key_file: section.path(&["client-key-file"], findings),
        scopes: section.texts(&["scopes"], findings),
        parameters: section.raw(&["parameters"], findings),
        ca_file: section.path(&["ca-file"], findings),
        default_role: section.some_text(&["default-role"], findings),
        max_age: section
            .duration(&["max-age"], findings)
            .and_then(|age| age.value.map(|duration| Value::new(duration, age.origin))),
        sync_user_on_login: section.switch(layout.spellings(SYNC_USER), findings),
        update_user_on_login: section.switch(layout.spellings(UPDATE_USER), findings),
    };
    section.warn_unknown(OLD_SPELLINGS, findings);
    provider
}
