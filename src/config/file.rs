//! `config.json` in its four layouts: since 1.5 nested in `main` and `auth`, before that at the
//! root, and with other spellings in 1.0 and the documents of its time.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::auth::{Layout, OLD_SPELLINGS, read_jwts, read_ldap, read_oidc};
use super::error::ConfigError;
use super::json::{self, Document};
use super::origin::{Origin, Value};
use super::section::{Findings, Section, SectionState, same_name};
use super::server::ServerConfig;
use super::settings::{Jwts, Ldap, OidcProvider};
use super::slurm::{SlurmSettings, read_slurm};
use crate::util::duration::GoDuration;
use crate::util::file::{SETTINGS_LIMIT, read_text};
use crate::util::json::JsonNode;
use crate::util::printable::PrintableText;
use crate::util::quote::{quote, quote_path};
use crate::util::suggest::nearest;

/// The settings of a configuration.
#[derive(Debug, Default)]
pub(super) struct FileSettings {
    pub(super) db: Option<Value<PathBuf>>,
    pub(super) session_max_age: Option<Value<Option<GoDuration>>>,
    pub(super) jwts: Jwts,
    pub(super) ldap: Option<Ldap>,
    pub(super) oidc: Vec<OidcProvider>,
    pub(super) slurm: Option<Box<SlurmSettings>>,
    pub(super) jwt_config: Option<Value<Map<String, Json>>>,
    pub(super) jwt_roles: Option<Value<Map<String, Json>>>,
    pub(super) server: ServerConfig,
}

/// The keys at the root up to version 1.4, which 1.5 does not read there.
const ROOT_KEYS: [&str; 7] = ["db", "session-max-age", "jwts", "jwt-max-age", "ldap", "oidc", "db-driver"];

/// The maximum lifetime of a web session, for every setting.
const WEB_SESSION_LIMIT: GoDuration = GoDuration::from_seconds(30 * 86_400);

/// Reads a configuration. `db_is_given`: the database is named elsewhere, so that the
/// one configured, and its driver, do not matter.
pub(super) fn read(path: &Path, text: &str, db_is_given: bool, findings: &mut Findings) -> FileSettings {
    let mut settings = FileSettings::default();
    let Some(document) = parse(path, text, findings) else { return settings };
    let mut root = Section::new(path, "", [&document.root], findings);
    if !matches!(document.root, JsonNode::Object(_)) {
        if document.root == JsonNode::Null {
            findings.errors.push(wrong_root(path, "null".into()));
        }
        return settings;
    }
    let main_file = outside(&mut root, "main", "main-file", findings);
    let auth_file = outside(&mut root, "auth", "auth-file", findings);
    let main = inner(&mut root, "main", main_file.as_ref(), findings);
    let auth = inner(&mut root, "auth", auth_file.as_ref(), findings);
    let server = &mut settings.server;
    server.misspelled =
        ["main", "auth"].iter().flat_map(|name| root.misspellings(name)).map(str::to_owned).collect();
    server.main = state(&root, "main", main_file.as_ref());
    server.auth = state(&root, "auth", auth_file.as_ref());
    if let Some(mut main) = main {
        if !db_is_given {
            settings.db = database(&mut main, findings);
        }
        settings.session_max_age = main.duration(&["session-max-age"], findings);
        server.disable_authentication = main.switch(&["disable-authentication"], findings);
        server.api_allowed_ips = main.string_list(&["api-allowed-ips"], findings);
        server.api_subjects = main.has_object(&["api-subjects"], findings);
        server.read_main(&main);
        warn_unknown_in_main(&main, server, findings);
    }
    let mut jwts = None;
    if let Some(mut auth) = auth {
        server.jwts = auth.exact_state("jwts");
        server.misspelled.extend(auth.misspellings("jwts").map(str::to_owned));
        jwts =
            auth.exact_section("jwts", findings).map(|section| read_jwts(section, Layout::Nested, findings));
        settings.ldap =
            auth.section("ldap", findings).map(|section| read_ldap(section, Layout::Nested, findings));
        if let Some(section) = auth.section("oidc", findings) {
            settings.server.oidc_without_provider = !section.has("provider");
            settings.oidc = read_oidc(section, Layout::Nested, findings);
        }
        settings.slurm =
            auth.section("slurm", findings).map(|section| Box::new(read_slurm(section, findings)));
        settings.jwt_config = auth.raw(&["jwt-config"], findings);
        settings.jwt_roles = auth.raw(&["jwt-roles"], findings);
        auth.warn_unknown(OLD_SPELLINGS, findings);
    }
    let unused = read_root(&mut root, &mut settings, &mut jwts, db_is_given, findings);
    settings.server.root_layout = root
        .names()
        .filter(|name| ROOT_KEYS.iter().any(|key| same_name(key, name) && !unused.contains(key)))
        .map(str::to_owned)
        .collect();
    settings.jwts = jwts.unwrap_or_default();
    warn_of_lifetimes(&settings, findings);
    settings
}

/// The members at the root of the layouts up to 1.4; a nested member takes precedence,
/// and given back.
fn read_root(
    root: &mut Section<'_>,
    settings: &mut FileSettings,
    jwts: &mut Option<Jwts>,
    db_is_given: bool,
    findings: &mut Findings,
) -> Vec<&'static str> {
    let file = root.file();
    let mut unused = Vec::new();
    let mut shadowed = |key: &'static str, by: &str, findings: &mut Findings| {
        unused.push(key);
        findings.notes.warn(
            "config-unused-section",
            format!(
                "{}: {} at the root is not used: version 1.5 reads {}",
                quote_path(file),
                quote(key),
                quote(by)
            ),
        );
    };
    if settings.db.is_none() && !db_is_given {
        settings.db = database(root, findings);
    } else if root.has("db") && !db_is_given {
        shadowed("db", "main.db", findings);
    }
    if settings.session_max_age.is_none() {
        settings.session_max_age = root.duration(&["session-max-age"], findings);
    } else if root.has("session-max-age") {
        shadowed("session-max-age", "main.session-max-age", findings);
    }
    for (key, by, there) in [
        ("jwts", "auth.jwts", jwts.is_some()),
        ("jwt-max-age", "auth.jwts", jwts.is_some()),
        ("ldap", "auth.ldap", settings.ldap.is_some()),
        ("oidc", "auth.oidc", !settings.oidc.is_empty()),
    ] {
        if there && root.has(key) {
            shadowed(key, by, findings);
        }
    }
    if jwts.is_none() && (root.has("jwts") || root.has("jwt-max-age")) {
        let section = root.section("jwts", findings);
        let lifetime = root.duration(&["jwt-max-age"], findings);
        let mut old =
            section.map_or_else(Jwts::default, |section| read_jwts(section, Layout::Root, findings));
        if let Some(lifetime) = lifetime {
            if old.max_age.is_default() {
                old.max_age = lifetime;
            } else {
                shadowed("jwt-max-age", "jwts.max-age", findings);
            }
        }
        *jwts = Some(old);
    }
    if settings.ldap.is_none() {
        settings.ldap =
            root.section("ldap", findings).map(|section| read_ldap(section, Layout::Root, findings));
    }
    if settings.oidc.is_empty()
        && let Some(section) = root.section("oidc", findings)
    {
        settings.oidc = read_oidc(section, Layout::Root, findings);
    }
    unused
}

fn parse(path: &Path, text: &str, findings: &mut Findings) -> Option<Document> {
    match json::parse(text) {
        Ok(document) => {
            if document.mark {
                findings.notes.warn_with(
                    "config-byte-order-mark",
                    format!(
                        "{} begins with a byte order mark: the server does not start with it",
                        quote_path(path)
                    ),
                    "save the file without a byte order mark",
                );
            }
            if let Some(junk) = &document.junk {
                findings.notes.warn("config-text-after-end", format!(
                    "{} line {}, column {}: more text after the end of the configuration is ignored, by the server \
                     as well",
                    quote_path(path),
                    junk.line,
                    junk.column
                ));
            }
            Some(document)
        }
        Err(error) => {
            findings.errors.push(ConfigError::Syntax {
                path: path.to_owned(),
                line: error.line,
                column: error.column,
                what: error.what,
            });
            None
        }
    }
}

fn wrong_root(path: &Path, found: PrintableText) -> ConfigError {
    ConfigError::Type { path: path.to_owned(), key: String::new(), found, expected: "an object" }
}

/// A section that 1.5 keeps in another file, named by a key that ends in `-file`.
fn outside(
    root: &mut Section<'_>,
    name: &'static str,
    file_key: &'static str,
    findings: &mut Findings,
) -> Option<(PathBuf, JsonNode)> {
    for found in root.misspellings(file_key) {
        findings.notes.warn(
            "config-member-case",
            format!(
                "{}: {} is ignored, by the server as well: the name of this member is case-sensitive",
                quote_path(root.file()),
                quote(found)
            ),
        );
    }
    root.exact_member(file_key)?;
    let path = root.path(&[file_key], findings)?;
    if root.exact_state(name) == SectionState::Present {
        findings.notes.warn(
            "config-duplicate-member",
            format!(
                "{}: both {} and {} are set, and the server uses either; the first one is used here",
                quote_path(root.file()),
                quote(name),
                quote(file_key)
            ),
        );
        return None;
    }
    match read_text(&path.value, SETTINGS_LIMIT) {
        Ok(text) => {
            let document = parse(&path.value, &text, findings)?;
            log::info!("read {} for {}", quote_path(&path.value), quote(name));
            Some((path.value, document.root))
        }
        Err(error) => {
            findings.errors.push(error.into());
            None
        }
    }
}

fn inner<'a>(
    root: &mut Section<'a>,
    name: &'static str,
    outside: Option<&'a (PathBuf, JsonNode)>,
    findings: &mut Findings,
) -> Option<Section<'a>> {
    match outside {
        Some((path, node)) => Some(Section::new(path, name, [node], findings)),
        None => root.exact_section(name, findings),
    }
}

fn state(root: &Section<'_>, name: &str, outside: Option<&(PathBuf, JsonNode)>) -> SectionState {
    match outside {
        Some((_, JsonNode::Null)) => SectionState::Null,
        Some(_) => SectionState::Present,
        None => root.exact_state(name),
    }
}

fn database(section: &mut Section<'_>, findings: &mut Findings) -> Option<Value<PathBuf>> {
    if let Some(driver) = section.some_text(&["db-driver"], findings)
        && driver.value != "sqlite3"
    {
        findings.errors.push(ConfigError::Driver {
            path: section.file().to_owned(),
            key: section.key("db-driver"),
            driver: driver.value,
        });
    }
    section.path(&["db"], findings)
}

/// Warns about the unknown members of `main`, with which the server does not start.
fn warn_unknown_in_main(main: &Section<'_>, server: &ServerConfig, findings: &mut Findings) {
    for name in &server.unknown_in_main {
        let misplaced =
            ["auth", "jwts", "jwt-max-age", "ldap", "oidc"].into_iter().find(|key| same_name(key, name));
        let advice = match (misplaced, nearest(name, ServerConfig::MAIN_MEMBERS)) {
            (Some("auth"), _) => ": it belongs to the root".to_owned(),
            (Some(_), _) => format!(": it belongs to {}", quote("auth")),
            (None, Some(known)) => format!(": did you mean {}?", quote(known)),
            (None, None) => String::new(),
        };
        findings.notes.warn(
            "config-unknown-member",
            format!(
                "{}: unknown member {}: the server does not start with it{advice}",
                quote_path(main.file()),
                quote(&main.key(name)),
            ),
        );
    }
}

/// Warns about lifetimes that the server treats differently from its documentation.
fn warn_of_lifetimes(settings: &FileSettings, findings: &mut Findings) {
    if let Value { value: Some(lifetime), origin: origin @ Origin::File { .. } } = &settings.jwts.max_age {
        let text = quote(&lifetime.to_string());
        if *lifetime == GoDuration::ZERO {
            findings.notes.warn_with("token-lifetime", 
                format!(
                    "{origin} is {text}: tokens of cc-jwt never expire, but the server issues tokens that are expired \
                     at once"
                ),
                "leave the key out for tokens that never expire",
            );
        } else if !lifetime.is_positive() {
            findings
                .notes
                .warn("token-lifetime", format!("{origin} is {text}: every new token is expired at once"));
        } else if lifetime.seconds() == 0 {
            findings.notes.warn(
                "token-lifetime",
                format!("{origin} is {text}, less than a second: every new token is expired at once"),
            );
        }
    }
    let Some(Value { value, origin }) = &settings.session_max_age else { return };
    match value {
        None | Some(GoDuration::ZERO) if settings.server.session_age_is_number => {
            findings.notes.warn("session-lifetime", format!(
                "{origin} is a number: expected a string such as \"168h\"; a server of version 1.5 does not start \
                 with it, and sessions of cc-login never expire"
            ));
        }
        None | Some(GoDuration::ZERO) => findings.notes.warn("session-lifetime", format!(
            "{origin} is 0 or empty: sessions of cc-login never expire, a web session of the server lasts 30 days"
        )),
        Some(age) if *age > WEB_SESSION_LIMIT => findings.notes.warn("session-lifetime", format!(
            "{origin} is {}: a web session of the server still lasts at most 30 days",
            quote(&age.to_string())
        )),
        Some(age) if !age.is_positive() => findings
            .notes
            .warn("session-lifetime", format!("{origin} is {}: every session expires at once", quote(&age.to_string()))),
        Some(_) => {}
    }
}

/// The lifetime of a setting: 0 means that it never expires.
pub(super) fn never_if_zero(lifetime: Value<Option<GoDuration>>) -> Value<Option<GoDuration>> {
    Value::new(lifetime.value.filter(|lifetime| *lifetime != GoDuration::ZERO), lifetime.origin)
}
