//! The LDAP directory.

use super::finding::{Area, Findings, SourceFindings};
use super::{DoctorClocks, DoctorRequest, EXPIRY_WARNING};
use crate::config::Settings;
use crate::ldap::config::bind_template;
use crate::ldap::escape::bind_name;
use crate::ldap::{Connection, LdapConfig, LdapServer, LdapSnapshot, UserSearchResult};
use crate::sync;
use crate::user::AuthSource;
use crate::user_db::{OpenMode, UserDb};
use crate::util::count::{counted, one_or};
use crate::util::note::Notes;
use crate::util::quote::{escape, quote};
use crate::util::time::Timestamp;

/// Connects to each LDAP server, and reads the users from the first one that accepts the bind.
pub(super) fn examine(
    request: &DoctorRequest,
    settings: &Settings,
    clocks: DoctorClocks<'_>,
    findings: &mut Findings,
) {
    if settings.ldap.is_none() {
        return findings.of(Area::Ldap, "auth.ldap").skip("ldap", "no LDAP directory is configured");
    }
    if request.offline {
        return findings.of(Area::Ldap, "auth.ldap").skip("ldap", "not checked with --offline");
    }
    let mut notes = Notes::new();
    let config = LdapConfig::from_settings(settings, &request.ldap, &mut notes);
    findings.of(Area::Ldap, "auth.ldap").notes(notes);
    let config = match config {
        Ok(config) => config,
        Err(error) => return findings.of(Area::Ldap, "auth.ldap").error(&error),
    };
    let mut reader = None;
    for url in &config.server.urls {
        let mut of_server = findings.of(Area::Ldap, escape(&url.to_string()));
        let server = LdapServer { urls: vec![url.clone()], ..config.server.clone() };
        let mut notes = Notes::new();
        match server.certificate_expiry(url) {
            Err(error) => {
                of_server.error(&error);
                continue;
            }
            Ok(Some(expiry)) => check_certificate(expiry, clocks.now(), &mut of_server),
            Ok(None) => {}
        }
        let connection = server.connect(&config.credentials, &mut notes);
        of_server.notes(notes);
        match connection {
            Ok(connection) => {
                of_server.pass("ldap-bind", "the server accepts the bind of the search");
                reader = reader.or(Some(connection));
            }
            Err(error) => of_server.error(&error),
        }
    }
    let Some(mut reader) = reader else { return };
    let source = escape(&reader.url().to_string());
    check_search(&mut reader, &config, &mut findings.of(Area::Ldap, source.as_str()));
    if settings.ldap.as_ref().is_some_and(|ldap| ldap.group_map.is_some()) {
        check_groups(request, settings, &mut findings.of(Area::Ldap, "auth.ldap.group-map"));
    }
    if let Some(username) = &request.username {
        explain_login(username, settings, &mut reader, &config, &mut findings.of(Area::Ldap, source));
    }
}

fn check_certificate(expiry: Timestamp, now: Timestamp, findings: &mut SourceFindings<'_>) {
    let message = format!("the certificate of the server expires {}", expiry.relative_to(now));
    if expiry <= now.plus(EXPIRY_WARNING) {
        findings.warn(
            "certificate-dates",
            message,
            Some("renew the certificate of the LDAP server".to_owned()),
        );
    } else {
        findings.pass("certificate-dates", message);
    }
}

/// Reads all users, as a sync does.
fn check_search(connection: &mut Connection, config: &LdapConfig, findings: &mut SourceFindings<'_>) {
    let snapshot = match connection.read_all(&config.search, &mut |_| {}) {
        Ok(snapshot) => snapshot,
        Err(error) => return findings.error(&error),
    };
    if snapshot.entries() == 0 {
        return findings.fail(
            "ldap-search",
            format!(
                "no entry below {} matches {}",
                quote(&config.search.bases.join(", ")),
                quote(&config.search.filter)
            ),
            Some("correct auth.ldap.user-base and auth.ldap.user-filter".to_owned()),
        );
    }
    if !snapshot.has_users() {
        return findings.fail(
            "ldap-search",
            format!(
                "none of the {} has a usable attribute {}",
                counted(snapshot.entries(), "entry"),
                quote(&config.search.uid_attribute)
            ),
            Some("set auth.ldap.uid-attr to the attribute with the username".to_owned()),
        );
    }
    let LdapCounts { users, without_name, skipped } = LdapCounts::of(&snapshot);
    findings.pass(
        "ldap-search",
        format!("{} in {}", counted(users, "user"), counted(snapshot.entries(), "entry")),
    );
    if without_name > 0 {
        findings.warn(
            "ldap-attribute-name",
            format!(
                "{} {} not have the attribute {} with a full name",
                counted(without_name, "user"),
                one_or(without_name, "does", "do"),
                quote(&config.search.name_attribute)
            ),
            Some("set auth.ldap.username-attr to the attribute with the full name, such as cn".to_owned()),
        );
    }
    if skipped > 0 {
        findings.warn(
            "ldap-entries-skipped",
            format!(
                "{} {} not have a usable username",
                counted(skipped, "entry"),
                one_or(skipped, "does", "do")
            ),
            Some("cc-user sync-ldap --dry-run".to_owned()),
        );
    }
}

/// Checks the section 'group-map' and the groups of its rules, as 'cc-user sync-ldap --check' does.
fn check_groups(request: &DoctorRequest, settings: &Settings, findings: &mut SourceFindings<'_>) {
    let mut notes = Notes::new();
    let report = sync::check_ldap(settings, &request.ldap, &mut notes);
    findings.notes(notes);
    match report {
        Ok(report) => {
            findings.pass(
                "group-map",
                format!("{}, {}", counted(report.rules.len(), "rule"), counted(report.groups, "group")),
            );
        }
        Err(errors) => errors.iter().for_each(|error| findings.error(error)),
    }
}

/// The numbers of an answer.
struct LdapCounts {
    users: usize,
    without_name: u64,
    skipped: u64,
}

impl LdapCounts {
    fn of(snapshot: &LdapSnapshot) -> Self {
        Self {
            users: snapshot.len(),
            without_name: snapshot.without_name(),
            skipped: snapshot.skipped_count(),
        }
    }
}

/// Explains the login of one user up to the bind, for which the password would be needed.
fn explain_login(
    username: &str,
    settings: &Settings,
    connection: &mut Connection,
    config: &LdapConfig,
    findings: &mut SourceFindings<'_>,
) {
    const CHECK: &str = "ldap-login";
    let name = quote(username);
    let adds_users = settings.ldap.as_ref().is_some_and(|ldap| ldap.sync_user_on_login.value);
    let row = settings
        .database()
        .ok()
        .and_then(|path| UserDb::open(path, OpenMode::ReadOnly).ok())
        .and_then(|db| db.find(username).ok().flatten());
    match row {
        Some(user) if user.source != AuthSource::Ldap => {
            return findings.warn(
                CHECK,
                format!(
                    "{name} has the auth source {}: the login does not use the LDAP directory",
                    user.source
                ),
                None,
            );
        }
        None if !adds_users => {
            return findings.fail(
                CHECK,
                format!("{name} is not in the user table, and auth.ldap.sync-user-on-login is off: the login fails"),
                Some("cc-user sync-ldap".to_owned()),
            );
        }
        _ => {}
    }
    let entry = match connection.find(&config.search, username) {
        Ok(UserSearchResult::One(entry)) => entry,
        Ok(UserSearchResult::None) => {
            return findings.fail(
                CHECK,
                format!(
                    "no LDAP entry that matches {} has the username {name}",
                    quote(&config.search.filter)
                ),
                Some("correct auth.ldap.user-filter, or the entry".to_owned()),
            );
        }
        Ok(UserSearchResult::Ambiguous) => {
            return findings.fail(CHECK, format!("several LDAP entries have the username {name}"), None);
        }
        Err(error) => return findings.error(&error),
    };
    match bind_template(settings) {
        Ok(Some(template)) => {
            let dn = bind_name(&template, username);
            if dn.eq_ignore_ascii_case(&entry.dn) {
                findings.pass(CHECK, format!("{name} logs in with the password of {}", quote(&dn)));
            } else {
                findings.warn(
                    CHECK,
                    format!(
                        "{name}: the login binds as {}, but the entry is {}",
                        quote(&dn),
                        quote(&entry.dn)
                    ),
                    Some("correct auth.ldap.user-bind".to_owned()),
                );
            }
        }
        Ok(None) => {
            findings.pass(CHECK, format!("{name} logs in with the password of {}", quote(&entry.dn)));
        }
        Err(error) => findings.error(&error),
    }
}
