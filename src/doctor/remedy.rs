//! The command that replaces a token in the file of its program.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;

use super::DoctorRequest;
use crate::accounts::DisabledUsers;
use crate::config::{Settings, Sources};
use crate::consumer::{Target, check_target};
use crate::scan::Occurrence;
use crate::scan::names::{TokenUse, token_use};
use crate::user_db::{OpenMode, UserDb};
use crate::util::note::Notes;
use crate::util::shell::word as shell_word;

/// The lifetime of a new token if the configuration does not set one.
const LIFETIME: &str = "24h";

/// The maximum number of names that are tried for a new user.
const MAX_NAMES: usize = 9;

/// The state of a username in the user table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UserState {
    /// The table cannot be read.
    Unknown,
    /// The table does not have the user.
    Missing,
    /// The user is disabled.
    Disabled,
    /// The user has these roles.
    Enabled(Vec<String>),
}

/// A token in a file, as the target of a renewal.
pub(super) struct StoredToken<'a> {
    /// The file.
    pub(super) file: &'a str,
    /// The member, as a scan prints it.
    pub(super) member: Option<&'a str>,
    /// The subject of the token.
    pub(super) subject: Option<&'a str>,
}

impl<'a> StoredToken<'a> {
    /// A token that a scan found. Returns `None` if it is in an archive or on standard input, or beside other
    /// text without a member.
    pub(super) fn of(found: &'a Occurrence) -> Option<Self> {
        let is_alone = || {
            let text = std::fs::read_to_string(&found.file).unwrap_or_default();
            text.split_ascii_whitespace().count() == 1
        };
        let is_target = found.archive_member.is_none() && Path::new(&found.file).is_file();
        (is_target && (found.member.is_some() || is_alone())).then_some(Self {
            file: &found.file,
            member: found.member.as_deref(),
            subject: found.subject.as_deref(),
        })
    }

    fn path(&self) -> Vec<String> {
        member_path(self.member.unwrap_or_default())
    }

    /// What the token is used for, by its member.
    pub(super) fn token_use(&self) -> TokenUse {
        token_use(&self.path())
    }

    fn name(&self) -> String {
        self.path().last().map_or_else(String::new, |name| name.to_ascii_lowercase())
    }

    /// Whether the token is in a sink, which sends to the server or to cc-metric-store.
    pub(super) fn is_of_sink(&self) -> bool {
        self.name() == "jwt"
    }

    /// Whether the token may be one of QuestDB or InfluxDB.
    pub(super) fn may_be_of_another_program(&self) -> bool {
        self.name() == "bearer_token"
    }

    /// Whether the token is in the environment that a systemd unit sets.
    pub(super) fn is_in_unit(&self) -> bool {
        matches!(self.path().as_slice(), [section, setting, _] if section == "Service" && setting == "Environment")
    }

    /// The program that reads the file: by its directory, its member or its name.
    fn program(&self) -> String {
        let name = self.name();
        let by_directory = || {
            let parts = Path::new(self.file).components().rev();
            parts
                .filter_map(|part| part.as_os_str().to_str())
                .filter_map(|part| part.split('.').next())
                .find(|part| part.starts_with("cc-") && is_plain(part))
        };
        let by_member = match self.token_use() {
            TokenUse::MetricStore => Some("cc-backend"),
            _ if name == "ccrestjwt" => Some("cc-slurm-adapter"),
            _ if name == "apikey" || name == "ccsync_apikey" => Some("cc-condor-sync"),
            _ => None,
        };
        let by_name = || {
            let stem = Path::new(self.file).file_stem()?.to_str()?.trim_start_matches('.');
            Some(stem).filter(|stem| is_plain(stem))
        };
        by_member.or_else(by_directory).or_else(by_name).unwrap_or("script").to_owned()
    }
}

/// Splits a member that a scan prints: the last document of a value, a pointer or names with dots.
fn member_path(member: &str) -> Vec<String> {
    let last = member.rsplit('#').next().unwrap_or_default();
    match last.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect(),
        None => last.split('.').map(str::to_owned).collect(),
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 40
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.starts_with('-')
}

/// Builds the commands that replace tokens.
pub(super) struct TokenRemedies {
    users: Option<(UserDb, DisabledUsers)>,
    /// The user table cannot be read.
    is_unreadable: bool,
    /// The users that earlier remedies of the report add.
    added: RefCell<HashSet<String>>,
    /// The options of the settings, as they are given to the examination.
    options: String,
    /// Those of them that cc-user needs.
    user_options: String,
    lifetime: String,
    can_sign: bool,
}

impl TokenRemedies {
    pub(super) fn new(request: &DoctorRequest, settings: &Settings) -> Self {
        let users = settings
            .database()
            .ok()
            .filter(|path| path.exists())
            .and_then(|path| UserDb::open(path, OpenMode::ReadOnly).ok())
            .and_then(|db| DisabledUsers::load(db.path()).ok().map(|disabled| (db, disabled)));
        let lifetime = match settings.jwts.max_age.value {
            Some(_) => String::new(),
            None => format!(" --ttl {LIFETIME}"),
        };
        Self {
            is_unreadable: users.is_none(),
            users,
            added: RefCell::default(),
            options: settings_options(&request.sources),
            user_options: user_options(&request.sources),
            lifetime,
            can_sign: settings.signing_key(&mut Notes::new()).is_ok(),
        }
    }

    /// Returns whether the user table cannot be read, which is a finding of its own.
    pub(super) const fn are_users_unreadable(&self) -> bool {
        self.is_unreadable
    }

    /// Returns the state of a user.
    pub(super) fn user(&self, name: &str) -> UserState {
        let Some((db, disabled)) = &self.users else { return UserState::Unknown };
        match db.record(name) {
            Err(_) => UserState::Unknown,
            Ok(None) => UserState::Missing,
            Ok(Some(record)) if disabled.contains(&record) => UserState::Disabled,
            Ok(Some(record)) => UserState::Enabled(record.user.roles),
        }
    }

    /// Returns the command that replaces a token, for its user if the roles fit, otherwise for a user of the
    /// program.
    pub(super) fn renewal(&self, token: &StoredToken<'_>, replaces_user: bool, is_forced: bool) -> String {
        let fits = |name: &str| match self.user(name) {
            UserState::Enabled(roles) => fits(&roles, token.token_use()),
            _ => false,
        };
        let own = token.subject.filter(|name| !replaces_user && fits(name));
        let (name, is_new) = match own {
            Some(name) => (name.to_owned(), false),
            None => {
                let program = token.program();
                let numbered = (2..=MAX_NAMES).map(|number| format!("{program}-{number}"));
                std::iter::once(program.clone())
                    .chain(numbered)
                    .filter(|name| !replaces_user || token.subject != Some(name))
                    .map(|name| (self.user(&name), name))
                    .find_map(|(state, name)| match state {
                        UserState::Missing | UserState::Unknown => Some((name, true)),
                        UserState::Enabled(roles) if roles == ["api"] => Some((name, false)),
                        _ => None,
                    })
                    .unwrap_or((program, true))
            }
        };
        let user = shell_word(&name);
        // The remedies are run in the order of the report.
        let add = if is_new && self.added.borrow_mut().insert(name.clone()) {
            format!("cc-user add {user} --role api --no-password{} && ", self.user_options)
        } else {
            String::new()
        };
        let target = match token.member {
            Some(member) => format!("{}#{member}", token.file),
            None => token.file.to_owned(),
        };
        if let Some(reason) = obstacle(token.file, &target, is_forced) {
            return format!(
                "replace it by hand with the output of: {add}cc-jwt issue {user} -q{}{} (it cannot be renewed in its file: {reason})",
                self.lifetime, self.options
            );
        }
        let force = if is_forced { " --force" } else { "" };
        let first = if self.can_sign { "" } else { "correct the key pair of the server, then: " };
        format!(
            "{first}{add}cc-jwt renew --user {user}{} --into {}{force}{}",
            self.lifetime,
            shell_word(&target),
            self.options
        )
    }
}

/// Why a renewal cannot write to a target.
fn obstacle(file: &str, target: &str, is_forced: bool) -> Option<String> {
    match Target::parse(target) {
        Ok(target) if target.file == Path::new(file) => {
            check_target(&target, is_forced).err().map(|error| error.to_string())
        }
        Ok(_) => Some("the name of the file contains '#'".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

/// Whether the roles of a user permit the use, and not much more.
fn fits(roles: &[String], token_use: TokenUse) -> bool {
    match token_use {
        TokenUse::Api => roles == ["api"],
        TokenUse::MetricStore => {
            !roles.is_empty()
                && !roles.iter().any(|role| matches!(role.as_str(), "admin" | "support" | "manager"))
        }
        TokenUse::Unknown => !roles.is_empty(),
    }
}

/// The options of the files that cc-user needs to find the database.
pub(super) fn user_options(sources: &Sources) -> String {
    let option = |name, path: &Path| format!(" {name} {}", shell_word(&path.to_string_lossy()));
    match (&sources.db, &sources.config) {
        (Some(db), _) => option("--db", &db.value),
        (None, Some(config)) => option("--config", &config.value),
        (None, None) => String::new(),
    }
}

/// The options of the files that are given on the command line.
fn settings_options(sources: &Sources) -> String {
    [("--config", &sources.config), ("--env-file", &sources.env_file), ("--db", &sources.db)]
        .into_iter()
        .filter_map(|(option, given)| {
            let path = &given.as_ref()?.value;
            Some(format!(" {option} {}", shell_word(&path.to_string_lossy())))
        })
        .collect()
}
