//! The environment file and the configuration.

use std::path::Path;

use super::DoctorRequest;
use super::finding::{Area, Findings, SourceFindings};
use crate::config::{
    self, ConfigError, DEFAULT_ENV_FILE, ServerEffect, ServerFinding, ServerKeys, Settings, Variable,
};
use crate::key::verifying::thumbprint;
use crate::policy::AllowedAddresses;
use crate::policy::client_address;
use crate::sync;
use crate::util::diagnostic::Diagnostic as _;
use crate::util::file::{FileError, UntrustedReason};
use crate::util::note::Notes;
use crate::util::quote::{quote, quote_path};
use crate::util::shell::word as shell_word;

/// Loads the settings and checks them as a server of version 1.5 does. Returns `None` if they cannot be
/// used.
pub(super) fn examine(request: &DoctorRequest, findings: &mut Findings) -> Option<Settings> {
    let (settings, notes) = match config::load(request.sources.clone()) {
        Ok(loaded) => loaded,
        Err(errors) => {
            for error in errors {
                let mut of_settings = findings.of(Area::Settings, "the settings");
                match access_remedy(&error) {
                    Some(remedy) => of_settings.fail(error.kind().name(), error.to_string(), Some(remedy)),
                    None => of_settings.error(&error),
                }
            }
            findings
                .of(Area::Settings, "the settings")
                .skip("settings", "the other checks of the settings need valid files");
            return None;
        }
    };
    let config = settings.config_file.as_deref().map_or_else(|| "no configuration".to_owned(), quote_path);
    let env_file = settings.env_file.as_deref().map_or_else(|| "no environment file".to_owned(), quote_path);
    // The access to files has an area of its own.
    let (of_env_file, of_config): (Vec<_>, Vec<_>) = notes
        .into_iter()
        .filter(|note| note.check.is_none_or(|check| !super::files::CHECKS.contains(&check)))
        .partition(|note| note.check.is_some_and(|check| check.starts_with("env")));
    findings.of(Area::Settings, config.as_str()).notes(of_config.into_iter().collect());
    findings.of(Area::Settings, env_file.as_str()).notes(of_env_file.into_iter().collect());
    server_start(&settings, &mut findings.of(Area::Settings, config.as_str()));
    keys(&settings, &mut findings.of(Area::Settings, env_file.as_str()));
    rules(&settings, &mut findings.of(Area::Settings, config.as_str()));
    if !findings.has_problem(Area::Settings) {
        findings
            .of(Area::Settings, format!("{config}, {env_file}"))
            .pass("settings", "a server of version 1.5 starts with these files");
    }
    Some(settings)
}

/// Returns the command that makes a default file trusted, if other accounts may write to it.
fn access_remedy(error: &ConfigError) -> Option<String> {
    match error {
        ConfigError::File(FileError::Untrusted { path, why: UntrustedReason::Writable(_), .. }) => {
            // Other accounts must not read the environment file either.
            let is_env_file = path.file_name() == Path::new(DEFAULT_ENV_FILE).file_name();
            let change = if is_env_file { "g-w,o=" } else { "go-w" };
            Some(format!("chmod {change} {}", shell_word(&path.to_string_lossy())))
        }
        _ => None,
    }
}

/// Adds what prevents the start of the server, or makes it reject tokens.
fn server_start(settings: &Settings, findings: &mut SourceFindings<'_>) {
    for ServerFinding { effect, reason, hint } in settings.server_findings(ServerKeys::Configured) {
        match effect {
            ServerEffect::NoServer => findings.fail("server-files", reason, hint),
            ServerEffect::NoStart => findings.fail("server-start", reason, hint),
            ServerEffect::NoTokens | ServerEffect::NoOwnTokens => {
                findings.fail("server-tokens", reason, hint);
            }
            ServerEffect::NoAuthentication => findings.fail("authentication-off", reason, hint),
            ServerEffect::Warning => findings.warn("server-files", reason, hint),
        }
    }
}

/// Checks the key pair of the server and the keys of its login methods.
fn keys(settings: &Settings, findings: &mut SourceFindings<'_>) {
    let mut notes = Notes::new();
    // A malformed public key is an error of the pair too.
    let _ = settings.secret(Variable::JwtPublicKey).map(|_| settings.verifying_key(&mut notes));
    if settings.secret(Variable::JwtPrivateKey).is_some() {
        match settings.signing_key(&mut notes) {
            Ok(key) => {
                let verifying = key.verifying_key();
                let name = verifying.public_key().map_or_else(String::new, thumbprint);
                findings.pass(
                    "key-pair",
                    format!("the private key and the public key match (thumbprint {name})"),
                );
            }
            Err(error) => findings.error(&error),
        }
    }
    if settings.secret(Variable::CrossLoginJwtPublicKey).is_some()
        && let Err(error) = settings.cross_login_key(&mut notes)
    {
        findings.error(&error);
    }
    findings.notes(notes);
    if settings.secret(Variable::CrossLoginJwtHs512Key).is_some() {
        for lack in settings.jwt_login_lacks(ServerKeys::Configured) {
            findings.fail("jwt-login", format!("the login at /jwt-login is off: {lack}"), None);
        }
    }
    // The server accepts a cookie only if all parts are set.
    let jwts = &settings.jwts;
    let is_begun = jwts.cookie_name.is_some()
        || jwts.trusted_issuer.is_some()
        || settings.secret(Variable::CrossLoginJwtPublicKey).is_some();
    if is_begun {
        for lack in settings.cookie_login_lacks(ServerKeys::Configured) {
            findings.warn("cookie-login", format!("the login by cookie is off: {lack}"), None);
        }
    }
}

/// Checks settings that the server accepts, but that have an effect that few expect.
fn rules(settings: &Settings, findings: &mut SourceFindings<'_>) {
    if settings.config_file.is_none() {
        return;
    }
    let server = &settings.server;
    let list = server.api_allowed_ips.as_ref().map(|list| list.value.as_slice());
    match AllowedAddresses::from_setting(list) {
        AllowedAddresses::Unset => findings.warn(
            "address",
            "main.api-allowed-ips is not set: some releases of the server accept every address then, others none",
            Some("set main.api-allowed-ips to [\"*\"], or to the addresses of the clients".to_owned()),
        ),
        AllowedAddresses::Only(list) => {
            let never = client_address::never_matching(&list);
            if !never.is_empty() {
                findings.warn(
                    "address",
                    format!("{} in main.api-allowed-ips never matches: {}", never.join(", "), client_address::MATCH_RULE),
                    Some("replace it with the IPv4 address of each client".to_owned()),
                );
            }
        }
        AllowedAddresses::Any | AllowedAddresses::Unknown => {}
    }
    if server.api_subjects {
        findings.warn(
            "job-api",
            "main.api-subjects is set: jobs start and stop only over NATS, the REST requests for it are off",
            None,
        );
    }
    if settings.jwts.max_age.value.is_none() {
        findings.warn(
            "no-max-age",
            "auth.jwts.max-age is not set: tokens that the server issues never expire",
            Some("set auth.jwts.max-age, such as \"2160h\"".to_owned()),
        );
    }
    if let Err(error) = sync::configured_grace(settings) {
        findings.error(&error);
    }
    if let Some(ldap) = &settings.ldap
        && ldap.sync_del_old_users.value
        && ldap.sync_interval.is_some()
    {
        findings.warn(
            "sync-deletes",
            format!(
                "{} is set: the sync of the server deletes each LDAP user who is missing from the LDAP directory, without a limit",
                quote("auth.ldap.sync-del-old-users")
            ),
            Some("remove auth.ldap.sync-interval, and use the systemd timer of this package".to_owned()),
        );
    } else {
        let mut notes = Notes::new();
        sync::warn_of_server_sync(settings, &mut notes);
        findings.notes(notes);
    }
}
