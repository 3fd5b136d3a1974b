//! The rules of the options of `cc-user` for a running server.

use super::RuleCondition::{self, All, Always, Form, Never, With, WithoutTyped};
use super::{Rule, hinted, rule};

/// The options for a database cannot be typed beside the URL of a server. Their environment variables have no effect.
const NO_DATABASE: RuleCondition = WithoutTyped(&["db", "config", "env_file", "wait"]);
const WITH_SERVER: RuleCondition = With(&["server"]);
const WITH_ADMIN: RuleCondition = With(&["admin"]);

/// The rules, with an empty command.
const ALL_VERBS: Rule = rule("", &["server"], NO_DATABASE);
const ADD: Rule = rule(
    "",
    &["server"],
    All(&[NO_DATABASE, Form(&["plain"], "a NAME that does not contain roles and password")]),
);
/// The server is examined in addition to the files.
const DOCTOR: Rule = rule("", &["server"], Always);
const NO_USERS: Rule = rule("", &["server"], Never);
const CREDENTIALS: &[Rule] = &[
    rule("", &["token_file", "admin", "ca_file", "request_timeout"], WITH_SERVER),
    rule("", &["admin_password_stdin", "admin_password_file"], WITH_ADMIN),
];
/// The option for CA certificates of 'list' and 'show' is also for the LDAP server.
const LIST: &[Rule] = &[
    rule("", &["token_file", "admin", "request_timeout"], WITH_SERVER),
    rule("", &["admin_password_stdin", "admin_password_file"], WITH_ADMIN),
];
const NO_TOKEN: Rule = hinted(
    "",
    &["token_file"],
    Never,
    "a running server adds and deletes users only in a web session: log in with --admin NAME",
);
const ADMIN: Rule = rule("", &["admin", "ca_file", "request_timeout"], WITH_SERVER);
const LOGIN: &[Rule] =
    &[NO_TOKEN, ADMIN, rule("", &["admin_password_stdin", "admin_password_file"], WITH_ADMIN)];
/// Standard input has one password.
const ADD_LOGIN: &[Rule] = &[
    NO_TOKEN,
    ADMIN,
    rule("", &["admin_password_file"], WITH_ADMIN),
    rule("", &["admin_password_stdin"], All(&[WITH_ADMIN, WithoutTyped(&["password_stdin"])])),
];

/// The verbs that a running server does not have. They reject `--server` with the reason.
const ONLY_DATABASE: [&str; 11] = [
    "init",
    "rename",
    "disable",
    "enable",
    "passwd",
    "import",
    "export",
    "log",
    "undo",
    "sync-ldap",
    "sync-slurm",
];

/// Returns whether a command rejects the option that selects a running server.
pub(super) fn is_rejected(path: &str, option: &str) -> bool {
    let verb = path.strip_prefix("cc-user ").unwrap_or_default();
    option == "server" && ONLY_DATABASE.contains(&verb)
}

/// Returns the rules of a command for the options that select a running server.
pub(super) fn rules(path: &str) -> impl Iterator<Item = &'static Rule> {
    let verb = path.strip_prefix("cc-user ");
    let server: &'static [Rule] = match verb {
        None => &[],
        Some("completion") => &[NO_USERS],
        Some("add") => &[ADD],
        Some("doctor") => &[DOCTOR],
        Some(_) => &[ALL_VERBS],
    };
    let credentials = match verb {
        Some("list" | "show") => LIST,
        Some("set" | "role add" | "role remove" | "project add" | "project remove") => CREDENTIALS,
        Some("add") => ADD_LOGIN,
        Some("del") => LOGIN,
        _ => &[],
    };
    server.iter().chain(credentials)
}
