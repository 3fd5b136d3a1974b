//! The configurations of the programs that use the server: the public key that verifies tokens, the URL that a
//! token is sent to, members without a token, and NATS credentials.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::DoctorRequest;
use super::finding::{Area, Findings, SourceFindings};
use super::nats::{self, CredentialsForm, Operation, SubjectUse};
use super::remedy::{StoredToken, TokenRemedies};
use crate::config::{Settings, Variable};
use crate::http::{is_loopback, parse_url};
use crate::key::verifying::server_base64;
use crate::scan::OccurrenceKind;
use crate::scan::names::{TokenUse, token_use};
use crate::scan::token_members::{MemberWithoutToken, OtherContent, members_without_token};
use crate::util::count::{counted, one_or};
use crate::util::file::{self, SETTINGS_LIMIT};
use crate::util::json;
use crate::util::quote::{escape, quote, quote_path};

/// The maximum number of JSON files, and of other files, that are read.
const MAX_FILES: usize = 1_000;

/// The deepest directory.
const MAX_DEPTH: usize = 16;

/// The deepest member.
const MAX_NESTING: usize = 64;

/// The files of programs.
#[derive(Default)]
struct ConfigFiles {
    json: Vec<PathBuf>,
    /// YAML, TOML, INI, environment files and others.
    others: Vec<PathBuf>,
    /// The number of files over the limit.
    skipped: usize,
    /// Symbolic links to configurations.
    links: Vec<PathBuf>,
    /// The first directory that is too deep.
    too_deep: Option<PathBuf>,
}

/// A configuration of a program.
struct ProgramConfig {
    path: PathBuf,
    root: Value,
}

/// Checks the configuration of cc-metric-store and the JSON files in the given paths.
pub(super) fn examine(
    request: &DoctorRequest,
    settings: Option<&Settings>,
    remedies: Option<&TokenRemedies>,
    findings: &mut Findings,
) {
    if let Some(path) = &request.metric_store {
        metric_store(path, settings, findings);
    }
    let own = settings.and_then(|settings| settings.config_file.clone());
    let mut paths = ConfigFiles::default();
    request.paths.iter().for_each(|path| add_files(path, 0, &mut paths));
    report_limits(&paths, findings);
    paths.json.extend(own.clone());
    paths.json.extend(request.metric_store.clone());
    paths.others.extend(settings.and_then(|settings| settings.env_file.clone()));
    for list in [&mut paths.json, &mut paths.others] {
        list.sort();
        list.dedup();
    }
    for (is_json, list) in [(true, &paths.json), (false, &paths.others)] {
        list.iter().for_each(|path| check_token_members(path, is_json, remedies, findings));
    }
    for path in paths.json {
        let config = match read(&path) {
            Ok(config) => config,
            Err(Unread::Malformed(why))
                if own.as_ref() != Some(&path) && request.metric_store.as_ref() != Some(&path) =>
            {
                let message = format!("the file is not valid JSON, and its members were not checked: {why}");
                let remedy = Some(format!("correct {}", quote_path(&path)));
                findings.of(Area::Tokens, quote_path(&path)).warn("program-config", message, remedy);
                continue;
            }
            Err(_) => continue,
        };
        let is_checked =
            request.metric_store.as_ref() == Some(&config.path) || own.as_ref() == Some(&config.path);
        if !is_checked {
            for (member, key) in public_keys(&config.root) {
                let mut of_file = findings.of(Area::Tokens, quote_path(&config.path));
                check_key(&member, key, settings, &mut of_file);
            }
        }
        let mut above = Vec::new();
        check_object(&config, &config.root, &mut above, remedies, findings);
    }
}

/// Adds the configurations below a path. Symbolic links in directories are not followed.
fn add_files(path: &Path, depth: usize, found: &mut ConfigFiles) {
    let metadata = if depth == 0 { fs::metadata(path) } else { fs::symlink_metadata(path) };
    let Ok(metadata) = metadata else { return };
    if metadata.is_dir() {
        if depth >= MAX_DEPTH {
            found.too_deep.get_or_insert_with(|| path.to_owned());
            return;
        }
        let Ok(entries) = fs::read_dir(path) else { return };
        let mut entries: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        entries.sort();
        entries.iter().for_each(|entry| add_files(entry, depth + 1, found));
    } else if metadata.is_file() && metadata.len() <= SETTINGS_LIMIT {
        let is_json = path.extension().is_some_and(|ending| ending == "json");
        let list = if is_json { &mut found.json } else { &mut found.others };
        if list.len() < MAX_FILES {
            list.push(path.to_owned());
        } else {
            found.skipped += 1;
        }
    } else if metadata.is_symlink() && found.links.len() < MAX_FILES && is_link_to_config(path) {
        found.links.push(path.to_owned());
    }
}

/// Whether a symbolic link leads to a file whose name is that of a configuration.
fn is_link_to_config(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let is_config = ["json", "yaml", "yml", "toml", "ini", "env", "creds"].contains(&ending)
        || path.file_name().is_some_and(|name| name == ".env");
    is_config && fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Adds what was not read.
fn report_limits(paths: &ConfigFiles, findings: &mut Findings) {
    let remedy =
        || Some("name the directories of the programs as PATH, instead of one above them".to_owned());
    if paths.skipped > 0 {
        let (files, were) = (counted(paths.skipped, "file"), one_or(paths.skipped, "was", "were"));
        let message = format!(
            "the members of {files} {were} not checked: at most {MAX_FILES} JSON files and {MAX_FILES} other files are read"
        );
        findings.of(Area::Tokens, "the files").warn("scan-limit", message, remedy());
    }
    if let Some(path) = &paths.too_deep {
        let message = format!("the members of files were not checked below depth {MAX_DEPTH}");
        findings.of(Area::Tokens, quote_path(path)).warn("scan-limit", message, remedy());
    }
    for link in &paths.links {
        findings
            .of(Area::Tokens, quote_path(link))
            .skip("file-not-scanned", "a symbolic link in a directory is not followed: name it as PATH");
    }
}

/// Why a file is not a configuration.
enum Unread {
    /// The scan reports that it cannot be read; or it is JSON, but not an object.
    Other,
    /// It is not JSON.
    Malformed(String),
}

/// Reads a configuration.
fn read(path: &Path) -> Result<ProgramConfig, Unread> {
    let bytes = file::read(path, SETTINGS_LIMIT).map_err(|_| Unread::Other)?;
    let text = String::from_utf8(bytes).map_err(|_| Unread::Malformed("it is not UTF-8".to_owned()))?;
    let (root, _) =
        json::last_wins(&text, MAX_NESTING).map_err(|error| Unread::Malformed(error.to_string()))?;
    if root.is_object() { Ok(ProgramConfig { path: path.to_owned(), root }) } else { Err(Unread::Other) }
}

/// Checks that cc-metric-store verifies tokens with the public key of this server.
fn metric_store(path: &Path, settings: Option<&Settings>, findings: &mut Findings) {
    let mut of_file = findings.of(Area::Tokens, quote_path(path));
    let root: Result<Value, String> = file::read_text(path, SETTINGS_LIMIT).map_or_else(
        |error| {
            of_file.error(&error);
            Err(String::new())
        },
        |text| json::last_wins(&text, MAX_NESTING).map(|(root, _)| root).map_err(|error| error.to_string()),
    );
    let root = match root {
        Ok(root) => root,
        Err(why) if why.is_empty() => return,
        Err(why) => {
            let message = format!("the configuration of cc-metric-store is not valid: {why}");
            return of_file.fail(
                "metric-store-config",
                message,
                Some(format!("correct {}", quote_path(path))),
            );
        }
    };
    // A program that has a section 'main' ignores the member at the root.
    let (member, key) = match root.get("main") {
        Some(main) => ("/main/jwt-public-key", main.get("jwt-public-key")),
        None => ("/jwt-public-key", root.get("jwt-public-key")),
    };
    check_key(member, key, settings, &mut of_file);
}

/// The members with the public key of the server: of cc-metric-store, and of cc-event-store.
fn public_keys(root: &Value) -> Vec<(String, Option<&Value>)> {
    let mut found = Vec::new();
    for (section, name) in [
        ("main", "jwt-public-key"),
        ("api", "jwt_public_key"),
        ("", "jwt_public_key"),
        ("", "jwt-public-key"),
    ] {
        let object = if section.is_empty() { Some(root) } else { root.get(section) };
        let member = if section.is_empty() { format!("/{name}") } else { format!("/{section}/{name}") };
        // The scan reports a member at the root that is not read.
        let is_ignored = member == "/jwt-public-key" && root.get("main").is_some();
        if let Some(key) = object.and_then(|object| object.get(name)).filter(|_| !is_ignored) {
            found.push((member, Some(key)));
        }
    }
    // Without the member, the section of the metrics in memory shows the program.
    let is_store = root.get("checkpoints").is_some()
        || root.get("metric-store").is_some_and(|section| section.get("checkpoints").is_some());
    if found.is_empty() && is_store {
        found.push(("/main/jwt-public-key".to_owned(), None));
    }
    found
}

/// Compares the public key in a configuration with that of this server.
fn check_key(
    member: &str,
    key: Option<&Value>,
    settings: Option<&Settings>,
    findings: &mut SourceFindings<'_>,
) {
    let own = settings.and_then(|settings| settings.secret(Variable::JwtPublicKey));
    let own_text = own.map(|secret| secret.text.expose());
    let remedy = own_text
        .filter(|text| server_base64(text).is_ok())
        .map(|text| format!("set the member {member} to {text}"));
    let key = match key {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text.as_str(),
        Some(other) => {
            let message = format!("{member} is {}: expected a string", json::kind(other));
            return findings.fail("metric-store-key", message, remedy);
        }
    };
    if key.is_empty() {
        let message =
            format!("{member} is not set: the program verifies no tokens and accepts every request");
        return findings.fail("metric-store-open", message, remedy);
    }
    match (server_base64(key), own_text.map(server_base64)) {
        (Err(error), _) => findings.fail("metric-store-key", format!("{member}: {error}"), remedy),
        (Ok(key), Some(Ok(own))) if key != own => findings.fail(
            "metric-store-key",
            format!("{member} is not the public key of this server, whose tokens are rejected"),
            remedy,
        ),
        (Ok(_), Some(Ok(_))) => {
            findings.pass("metric-store-key", format!("{member} is the public key of this server"));
        }
        (Ok(_), _) => findings.skip("metric-store-key", "the public key of this server is not known"),
    }
}

/// Checks the members of an object and of the objects in it.
fn check_object(
    config: &ProgramConfig,
    value: &Value,
    path: &mut Vec<String>,
    remedies: Option<&TokenRemedies>,
    findings: &mut Findings,
) {
    match value {
        Value::Object(object) => {
            let mut sends_token = false;
            for (name, value) in object {
                path.push(name.clone());
                if let Value::String(text) = value {
                    sends_token |= check_token(config, object, text, path, remedies, findings);
                    check_credentials(config, object, text, path, findings);
                } else {
                    check_object(config, value, path, remedies, findings);
                }
                path.pop();
            }
            if sends_token {
                check_url(config, object, path, findings);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                path.push(index.to_string());
                check_object(config, value, path, remedies, findings);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Checks the members of a file in any format that should have a token.
fn check_token_members(
    path: &Path,
    is_json: bool,
    remedies: Option<&TokenRemedies>,
    findings: &mut Findings,
) {
    let Ok(bytes) = file::read(path, SETTINGS_LIMIT) else { return };
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    for MemberWithoutToken { member, content, is_optional } in members_without_token(&bytes, &name) {
        let has = match content {
            // The empty members of JSON are checked with their object.
            OtherContent::Empty if is_json || is_optional => continue,
            OtherContent::Empty => "is empty: it does not have a token".to_owned(),
            OtherContent::Placeholder => "has a placeholder instead of a token".to_owned(),
            OtherContent::Item(OccurrenceKind::NkeySeed) => {
                "has the seed of an nkey instead of a token".to_owned()
            }
            OtherContent::Item(OccurrenceKind::NatsToken) => {
                "has a user JWT of NATS instead of a token".to_owned()
            }
            OtherContent::Item(kind) => format!("has a {} instead of a token", kind.name().replace('-', " ")),
            OtherContent::Text => "has a text that is not a token".to_owned(),
        };
        let file = path.to_string_lossy();
        let token = StoredToken { file: &file, member: Some(&member), subject: None };
        let remedy = remedies.map(|remedies| remedies.renewal(&token, false, content != OtherContent::Empty));
        let mut of_member = findings.of(Area::Tokens, escape(&format!("{file} {member}")));
        let message = format!("the member {has}");
        match content {
            OtherContent::Empty => of_member.warn("token-missing", message, remedy),
            _ => of_member.fail("token-missing", message, remedy),
        }
    }
}

fn pointer(path: &[String]) -> String {
    path.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
}

/// Checks the member of a token, and returns whether it is one that the program sends.
fn check_token(
    config: &ProgramConfig,
    object: &Map<String, Value>,
    text: &str,
    path: &[String],
    remedies: Option<&TokenRemedies>,
    findings: &mut Findings,
) -> bool {
    let name = path.last().map_or("", String::as_str);
    // A token of QuestDB or InfluxDB is not one of this server.
    let is_token = match token_use(path) {
        TokenUse::Unknown => false,
        TokenUse::Api => name != "bearer_token",
        TokenUse::MetricStore => name == "token",
    };
    if !is_token {
        return false;
    }
    let has_other = ["file", "env"].iter().any(|ending| {
        object.keys().any(|key| {
            let rest = key.strip_prefix(name).map(|rest| rest.trim_start_matches(['_', '-']));
            rest == Some(ending)
        })
    });
    if !text.is_empty() || has_other {
        return true;
    }
    // A variable may have the token of the server.
    if !path.iter().any(|part| part == "metric-store-external") {
        let member = pointer(path);
        let file = config.path.to_string_lossy();
        let token = StoredToken { file: &file, member: Some(&member), subject: None };
        let remedy = remedies.map(|remedies| remedies.renewal(&token, false, false));
        findings.of(Area::Tokens, escape(&format!("{file} {member}"))).warn(
            "token-missing",
            "the member does not have a token",
            remedy,
        );
    }
    true
}

/// Warns about a token that is sent without TLS to another host.
fn check_url(config: &ProgramConfig, object: &Map<String, Value>, path: &[String], findings: &mut Findings) {
    for name in ["url", "ccRestUrl", "host"] {
        let Some(text) = object.get(name).and_then(Value::as_str) else { continue };
        let Ok(url) = parse_url(text) else { continue };
        if url.scheme() != "http" || is_loopback(&url) {
            continue;
        }
        let member = pointer(&[path, &[name.to_owned()]].concat());
        let with_tls = text.replacen("http://", "https://", 1);
        findings.of(Area::Tokens, escape(&format!("{} {member}", config.path.to_string_lossy()))).warn(
            "url-without-tls",
            format!(
                "the program sends its token to {} without TLS: it can be read on the network",
                quote(text)
            ),
            Some(format!("set the member {member} to {}, if the server has a certificate", quote(&with_tls))),
        );
    }
}

/// Checks the file with NATS credentials that a member names.
fn check_credentials(
    config: &ProgramConfig,
    object: &Map<String, Value>,
    text: &str,
    path: &[String],
    findings: &mut Findings,
) {
    let Some(form) = path.last().and_then(|name| CredentialsForm::of(name)) else { return };
    if text.is_empty() {
        return;
    }
    // A relative path is relative to the working directory of the program, which often is that of the file.
    let beside = config.path.parent().unwrap_or(Path::new("")).join(text);
    let file = if beside.exists() || !Path::new(text).exists() { beside } else { PathBuf::from(text) };
    let is_receivers_file = config.path.file_stem().is_some_and(|stem| stem == "receivers");
    let subjects = subjects(&config.root, object, path, is_receivers_file);
    let member = pointer(path);
    let mut of_file =
        findings.of(Area::Tokens, escape(&format!("{} {member}", config.path.to_string_lossy())));
    nats::examine(&file, &member, form, &subjects, &mut of_file);
}

/// The subjects that a program uses with the credentials in an object: of a sink or receiver, of
/// cc-slurm-adapter, of cc-metric-store, and of the server.
fn subjects(
    root: &Value,
    object: &Map<String, Value>,
    path: &[String],
    is_receivers_file: bool,
) -> Vec<SubjectUse> {
    let mut found = Vec::new();
    let mut add = |subject: Option<&Value>, operation| {
        let subject = subject.and_then(Value::as_str).filter(|text| !text.is_empty());
        found.extend(subject.map(|subject| SubjectUse { subject: subject.to_owned(), operation }));
    };
    let is_receiver = is_receivers_file || path.iter().any(|part| part == "receivers");
    let operation = if is_receiver { Operation::Subscribe } else { Operation::Publish };
    add(object.get("subject"), operation);
    add(object.get("natsSubject"), Operation::Publish);
    for subscription in object.get("subscriptions").and_then(Value::as_array).into_iter().flatten() {
        add(subscription.get("subscribe-to"), Operation::Subscribe);
    }
    if path == ["nats", "creds-file-path"] {
        let subjects = root.get("main").and_then(|main| main.get("api-subjects")).and_then(Value::as_object);
        subjects.into_iter().flatten().for_each(|(_, subject)| add(Some(subject), Operation::Subscribe));
    }
    found
}
