//! `cc-jwt scan --what-if`.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::keys::named_key;
use crate::cli::console::{Console, StdoutError};
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::{AtOption, SettingsOptions};
use crate::cli::{quantity, settings, style};
use crate::config::{self, SettingChange};
use crate::scan::ScanRequest;
use crate::util::count::counted;
use crate::util::diagnostic::ExitStatus;
use crate::util::monotonic::{MonotonicClock as _, SystemMonotonicClock};
use crate::util::note::Warning;
use crate::util::printable::PrintableText;
use crate::util::quote::escape;
use crate::util::time::{Clock, Timestamp};
use crate::what_if::{
    ItemPlace, KeyChange, PlannedChanges, TokenChange, TokenChangeKind, UserAccess, UserChange,
    UserChangeKind, WhatIfReport, WhatIfRequest, what_if,
};

const OPTION: &str = "--what-if";

const CHANGES: &str = "config=FILE, env-file=FILE, db=FILE, key=NAME=FILE or at=TIME";

/// Parses the values of the option, and returns the present time too. An empty value makes the time of
/// `--at` the planned one. Otherwise `--at` is the present time, and `at=TIME` can be relative to it.
pub(super) fn planned_changes(
    values: &[String],
    at: &AtOption,
) -> Result<(PlannedChanges, Timestamp), UsageError> {
    let at_is_planned = values.iter().any(String::is_empty);
    let now = if at_is_planned { Clock::System.now() } else { at.clock()?.now() };
    let mut changes = PlannedChanges::default();
    if at_is_planned {
        let time = at.at.as_deref().ok_or_else(|| {
            UsageError::new(format!("missing value for {OPTION}: expected {CHANGES}, or --at TIME"))
        })?;
        changes.at = Some(quantity::time("--at", time, now)?);
    }
    for text in values.iter().filter(|text| !text.is_empty()) {
        let invalid = || {
            let shown = PrintableText::value(text);
            UsageError::new(format!("{OPTION}: invalid value {shown}: expected {CHANGES}"))
        };
        let (name, value) =
            text.split_once('=').filter(|(_, value)| !value.is_empty()).ok_or_else(invalid)?;
        let file = PathBuf::from(value);
        let is_first = match name {
            "config" => changes.config.replace(file).is_none(),
            "env-file" => changes.env_file.replace(file).is_none(),
            "db" => changes.db.replace(file).is_none(),
            "at" => changes.at.replace(quantity::time(OPTION, value, now)?).is_none(),
            "key" => {
                changes.keys.push(named_key("--what-if key", value)?);
                true
            }
            _ => return Err(invalid()),
        };
        if !is_first {
            return Err(UsageError::new(format!("{OPTION}: '{name}' cannot be repeated")));
        }
    }
    Ok((changes, now))
}

/// Loads both settings, compares, and prints the differences.
pub(super) fn run(
    present: &ScanRequest,
    changes: &PlannedChanges,
    timeout: Duration,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let sources = settings::sources(options, console);
    let planned_sources = changes.sources(&sources);
    let (present_settings, mut notes) = config::load(sources).map_err(Failure::several)?;
    let (planned_settings, planned_notes) = config::load(planned_sources).map_err(Failure::several)?;
    settings::log_origins(&present_settings);
    log::info!("the planned settings:");
    settings::log_origins(&planned_settings);
    // Most notes are about a file that both have.
    notes.append(planned_notes);
    let clock = SystemMonotonicClock;
    let begin = clock.now();
    let is_over = || clock.now().duration_since(begin) >= timeout;
    let request = WhatIfRequest {
        present,
        present_settings: &present_settings,
        changes,
        planned_settings: &planned_settings,
    };
    let report = what_if(&request, &mut io::stdin().lock(), &is_over, &mut notes);
    console.notes(notes);
    let report = report?;
    if console.is_json() {
        console.json(&report)?;
    } else {
        console.warn_all(&report.warnings, true);
        show(&report, console)?;
    }
    Ok(if report.has_loss() || !report.complete { ExitStatus::Negative } else { ExitStatus::Success })
}

/// The headings of tokens, in the order of their importance.
const TOKEN_HEADINGS: [(TokenChangeKind, &str); 4] = [
    (TokenChangeKind::NoLongerValid, "TOKENS THAT ARE NO LONGER VALID"),
    (TokenChangeKind::NewlyValid, "TOKENS THAT BECOME VALID"),
    (TokenChangeKind::Endpoints, "TOKENS WITH OTHER ENDPOINTS"),
    (TokenChangeKind::Other, "TOKENS WITH ANOTHER KEY OR OTHER PROBLEMS"),
];

fn show(report: &WhatIfReport, console: &mut Console) -> Result<(), StdoutError> {
    if !report.settings.is_empty() {
        heading("SETTINGS", console)?;
        for SettingChange { name, present, planned } in &report.settings {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "default".to_owned());
            let (present, planned) = (value(present), value(planned));
            let change = if present == planned {
                "another value".to_owned()
            } else {
                format!("{present} -> {planned}")
            };
            console.line(&format!("  {}: {}", escape(name), escape(&change)))?;
        }
    }
    if !report.server.is_empty() {
        heading("SERVER", console)?;
        show_problems(&report.server, &[], console)?;
    }
    for (kind, title) in TOKEN_HEADINGS {
        let mut tokens = report.tokens.iter().filter(|token| token.change == kind).peekable();
        if tokens.peek().is_some() {
            heading(title, console)?;
        }
        for token in tokens {
            show_token(token, console)?;
        }
    }
    if !report.keys.is_empty() {
        heading("KEYS", console)?;
    }
    for key in &report.keys {
        show_key(key, console)?;
    }
    if !report.users.is_empty() {
        heading("USERS", console)?;
    }
    for user in &report.users {
        show_user(user, console)?;
    }
    summarize(report, console);
    Ok(())
}

fn summarize(report: &WhatIfReport, console: &mut Console) {
    let (changed, compared) = (report.changed(), report.compared);
    let count = |changed: u64, all: u64, what: &str| format!("{changed} of {}", counted(all, what));
    let tokens = count(changed.tokens, compared.tokens, "token");
    let keys = count(changed.keys, compared.keys, "key");
    let users = count(changed.users, compared.users, "user");
    console.note(&format!("changes: {tokens}, {keys}, {users}"));
    if let Some(over) = &report.over_max_age {
        const SHOWN: usize = 5;
        let list = over.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let more = if over.len() > SHOWN { ", …" } else { "" };
        let found = match over.len() {
            0 => String::new(),
            1 => format!("; 1 of them has a longer lifetime: {list}"),
            number => format!("; {number} of them have a longer lifetime: {list}{more}"),
        };
        console.note(&format!(
            "auth.jwts.max-age sets the expiry of new tokens only: the tokens in use remain valid until their own \
             expiry{found}"
        ));
    }
}

fn heading(text: &str, console: &mut Console) -> Result<(), StdoutError> {
    let line = console.paint(style::HEADING, text);
    console.line(&line)
}

/// A line below an item: what, and the text.
fn detail(label: &str, text: &str, console: &mut Console) -> Result<(), StdoutError> {
    console.wrapped(&format!("    {label:<8} "), 13, &escape(text))
}

/// The end of the line of an item: the name of its key, if this changes.
fn key_change(present: Option<&str>, planned: Option<&str>) -> String {
    if present == planned {
        return String::new();
    }
    format!("  key {} -> {}", escape(present.unwrap_or("unknown")), escape(planned.unwrap_or("unknown")))
}

fn show_token(token: &TokenChange, console: &mut Console) -> Result<(), StdoutError> {
    fn signer(state: &Option<crate::what_if::TokenState>) -> Option<&str> {
        state.as_ref()?.signed_by.as_deref()
    }
    let subject = token.subject.as_deref().map_or_else(|| "-".to_owned(), escape);
    let key = key_change(signer(&token.present), signer(&token.planned));
    console.line(&format!("  {}  {subject}{key}", token.fingerprint))?;
    let reason = token.planned.as_ref().and_then(|planned| planned.reason.as_deref());
    if token.change == TokenChangeKind::NoLongerValid {
        let unknown = "the key that signed it is not known";
        detail("reason", reason.unwrap_or(unknown), console)?;
    }
    if !token.lost_endpoints.is_empty() {
        detail("loses", &token.lost_endpoints.join(", "), console)?;
    }
    for rejection in token.rejections.iter().filter(|one| Some(one.message.as_str()) != reason) {
        detail("", &format!("{}: {}", rejection.endpoints.join(", "), rejection.message), console)?;
    }
    if !token.gained_endpoints.is_empty() {
        detail("gains", &token.gained_endpoints.join(", "), console)?;
    }
    show_problems(&token.new_problems, &token.removed_problems, console)?;
    show_places(&token.places, console)
}

fn show_key(key: &KeyChange, console: &mut Console) -> Result<(), StdoutError> {
    let change = key_change(key.present.as_deref(), key.planned.as_deref());
    console.line(&format!("  {}  {}{change}", key.fingerprint, key.kind.name()))?;
    show_problems(&key.new_problems, &key.removed_problems, console)?;
    show_places(&key.places, console)
}

fn show_problems(new: &[Warning], removed: &[&str], console: &mut Console) -> Result<(), StdoutError> {
    for problem in new {
        detail("warn", &format!("{}: {}", problem.check, problem.message), console)?;
    }
    if !removed.is_empty() {
        detail("removed", &removed.join(", "), console)?;
    }
    Ok(())
}

fn show_places(places: &[ItemPlace], console: &mut Console) -> Result<(), StdoutError> {
    for place in places {
        detail("in", &place.text, console)?;
    }
    Ok(())
}

fn show_user(user: &UserChange, console: &mut Console) -> Result<(), StdoutError> {
    let change = match user.change {
        UserChangeKind::Changed => "",
        UserChangeKind::Removed => "  removed from the user table",
        UserChangeKind::Added => "  added to the user table",
    };
    console.line(&format!("  {}{change}", escape(&user.username)))?;
    if let (Some(present), Some(planned)) = (&user.present, &user.planned) {
        let list = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(",") };
        for (label, before, after) in [
            ("roles", list(&present.roles), list(&planned.roles)),
            ("projects", list(&present.projects), list(&planned.projects)),
            ("source", present.source.to_owned(), planned.source.to_owned()),
        ] {
            if before != after {
                detail(label, &format!("{before} -> {after}"), console)?;
            }
        }
    }
    let all = |endpoints: &[&'static str], methods: &[&'static str]| {
        let endpoints = endpoints.iter().map(|endpoint| (*endpoint).to_owned());
        let logins = methods.iter().map(|method| format!("login {method}"));
        endpoints.chain(logins).collect::<Vec<_>>().join(", ")
    };
    for (label, text) in [
        ("loses", all(&user.lost_endpoints, &user.lost_logins)),
        ("gains", all(&user.gained_endpoints, &user.gained_logins)),
    ] {
        if !text.is_empty() {
            detail(label, &text, console)?;
        }
    }
    show_limitations(user, console)
}

/// Prints the login methods that work in both states with another limitation.
fn show_limitations(user: &UserChange, console: &mut Console) -> Result<(), StdoutError> {
    let (Some(UserAccess { logins: present, .. }), Some(UserAccess { logins: planned, .. })) =
        (&user.present, &user.planned)
    else {
        return Ok(());
    };
    for login in planned {
        let before = present.iter().find(|before| before.method == login.method);
        if before.is_some_and(|before| before.limitation != login.limitation) {
            let limitation = login.limitation.as_deref().unwrap_or("without a limitation");
            detail("login", &format!("{}: {limitation}", login.method), console)?;
        }
    }
    Ok(())
}
