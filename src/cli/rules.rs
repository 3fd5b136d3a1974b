//! The conditions under which options have an effect: one table for all programs, checked before a
//! command runs. An option that would be ignored is a usage error.
//!
//! Options that exclude each other are declared at the option (`conflicts_with`); options that
//! require others are declared here. A test requires a row for every option of every command.

mod check;
mod server;

pub(super) use check::{RuledProgram, check};

/// The condition under which an option has an effect.
#[derive(Debug, Clone, Copy)]
pub enum RuleCondition {
    /// On every valid command line.
    Always,
    /// Never: the command does not read it. For options that all commands of a program have.
    Never,
    /// With at least one of these options or arguments.
    With(&'static [&'static str]),
    /// With none of these.
    Without(&'static [&'static str]),
    /// With none of these on the command line. Environment variables that set them have no effect.
    WithoutTyped(&'static [&'static str]),
    /// In one of these forms of the command. The text describes how to select the form.
    Form(&'static [&'static str], &'static str),
    /// If all of these conditions are met.
    All(&'static [RuleCondition]),
    /// If at least one of these conditions is met. The text describes the requirement.
    Any(&'static [RuleCondition], &'static str),
}

use RuleCondition::{All, Always, Any, Form, Never, With, Without};

/// Options of a command, by their identifiers, and the condition under which they have an effect.
#[derive(Debug)]
pub struct Rule {
    /// The command as typed; empty for all commands; `PROGRAM *` for the commands of a program that do
    /// not have a row for the option.
    pub command: &'static str,
    /// The options.
    pub options: &'static [&'static str],
    /// The condition under which they have an effect.
    pub when: RuleCondition,
    /// The hint of the usage error.
    pub hint: Option<&'static str>,
}

const fn rule(command: &'static str, options: &'static [&'static str], when: RuleCondition) -> Rule {
    Rule { command, options, when, hint: None }
}

const fn hinted(
    command: &'static str,
    options: &'static [&'static str],
    when: RuleCondition,
    hint: &'static str,
) -> Rule {
    Rule { command, options, when, hint: Some(hint) }
}

const SETTINGS: &[&str] = &["config", "env_file", "db"];
const RESOURCES: &[&str] = &["set", "strict", "secrets_dir"];
const PASSWORD: &[&str] = &["password_stdin", "password_file"];
const SESSION: &[&str] = &["session"];
/// The settings select a session only if no option or variable does.
const NO_SESSION: RuleCondition = Without(SESSION);
/// The options of an LDAP search, without the CA certificates, which some commands use for other servers as well.
const LDAP_SEARCH: &[&str] = &["starttls", "connect_timeout", "timeout", "page_size", "ignore_references"];
const NETWORK: &[&str] = &["ca_file", "connect_timeout", "timeout"];
/// The configuration is used for the user table only if no option or variable sets it.
const NO_DB: RuleCondition = Without(&["db"]);
/// Only tokens for endpoints of the server are compared with its users.
const OF_SERVER: RuleCondition = Any(&[With(&["endpoint"]), Without(&["profile", "scope"])], "--endpoint");
/// The options that check a login role and not an endpoint of the server.
const LOGIN_ROLE: &[&str] = &["login_role", "default_login_role", "role_config"];
const NO_LOGIN_ROLE: RuleCondition = Without(LOGIN_ROLE);
const WRITES: RuleCondition = With(&["output"]);
/// A login through a provider has a user at a browser if no other credentials are given.
const WITH_USER: RuleCondition = Without(&["client_credentials", "identity", "token_file", "from_session"]);
/// The login of a job for one command.
const JOB: &[&str] = &["identity", "client_credentials"];
/// The forms of a printed token; see [`super::token_format`].
const TOKEN_FORMS: &[&str] = &["header", "curl_config", "export", "exec_credential"];

/// The table of all rules, except those of the options for a running server.
pub const TABLE: &[Rule] = &[
    rule("", &["quiet", "verbose", "json", "color", "help", "version"], Always),
    // gen-keypair
    rule("gen-keypair", &["algorithm", "from", "from_env", "format", "output", "write"], Always),
    rule("gen-keypair", &["kid"], Form(&["jwk", "jwks", "json"], "--format jwk, jwks or json")),
    rule("gen-keypair", &["nkey_role"], Form(&["nkey"], "--format nkey")),
    rule("gen-keypair", &["env_file"], With(&["write", "from_env"])),
    rule("gen-keypair", &["force"], With(&["write", "output"])),
    // convert-pem-pubkey
    rule("convert-pem-pubkey", &["file", "from_env", "to", "write"], Always),
    rule("convert-pem-pubkey", &["name"], Form(&["env"], "--to env or --write")),
    rule("convert-pem-pubkey", &["kid"], Form(&["jwk", "json"], "--to jwk or --json")),
    rule("convert-pem-pubkey", &["nkey_role"], Form(&["nkey"], "--to nkey")),
    rule("convert-pem-pubkey", &["env_file"], With(&["write", "from_env"])),
    rule("convert-pem-pubkey", &["force"], With(&["write"])),
    // cc-user
    rule("cc-user *", &["config"], NO_DB),
    rule("cc-user *", &["env_file"], Never),
    rule("cc-user *", &["db", "wait"], Always),
    rule("cc-user completion", &["shell"], Always),
    rule("cc-user completion", &["config", "env_file", "db", "wait"], Never),
    rule("cc-user init", &["config", "env_file", "ldap"], Always),
    rule("cc-user add", &["names", "name", "email", "projects"], Always),
    rule(
        "cc-user add",
        &["roles", "no_password", "password_stdin", "password_file"],
        Form(&["plain"], "a NAME that does not contain roles and password"),
    ),
    rule(
        "cc-user set",
        &[
            "username",
            "name",
            "clear_name",
            "email",
            "clear_email",
            "roles",
            "add_roles",
            "remove_roles",
            "projects",
            "add_projects",
            "remove_projects",
            "clear_projects",
            "dry_run",
        ],
        Always,
    ),
    rule("cc-user doctor", &["config", "env_file", "paths", "metric_store", "fix", "at"], Always),
    rule("cc-user doctor", &["offline", "user", "id_token"], Always),
    rule("cc-user doctor", &["ca_file", "connect_timeout", "timeout"], Without(&["offline"])),
    rule("cc-user doctor", &["token_file"], With(&["server"])),
    rule("cc-user disable", &["username", "dry_run"], Always),
    rule("cc-user enable", &["username", "dry_run"], Always),
    rule("cc-user rename", &["old", "new", "dry_run"], Always),
    rule("cc-user del", &["names", "source"], Always),
    rule("cc-user list", &["patterns", "role", "source", "project"], Always),
    rule("cc-user list", &["sort", "limit", "columns", "wide", "names"], Always),
    rule(
        "cc-user list",
        &["config"],
        Any(&[NO_DB, With(&["not_in_ldap"])], "--not-in-ldap, or a database from the configuration"),
    ),
    rule("cc-user list", LDAP_SEARCH, With(&["not_in_ldap"])),
    rule("cc-user list", &["env_file"], With(&["not_in_ldap"])),
    rule("cc-user list", &["ca_file"], With(&["not_in_ldap", "server"])),
    rule("cc-user list", &["disabled", "not_in_ldap"], Without(&["server"])),
    // The login methods depend on the settings.
    rule("cc-user show", &["names", "config", "env_file"], Always),
    rule("cc-user show", &["why"], Without(&["server"])),
    rule("cc-user show", LDAP_SEARCH, With(&["why"])),
    rule("cc-user show", &["ca_file"], With(&["why", "server"])),
    rule("cc-user passwd", &["name", "delete", "password_stdin", "password_file"], Always),
    rule("cc-user role add", &["name", "roles"], Always),
    rule("cc-user role remove", &["name", "roles"], Always),
    rule("cc-user project add", &["name", "projects"], Always),
    rule("cc-user project remove", &["name", "projects"], Always),
    rule("cc-user import", &["file", "format", "update", "skip_existing", "keep_going", "dry_run"], Always),
    rule("cc-user export", &["role", "source", "project", "format", "output"], Always),
    rule("cc-user export", &["with_passwords"], Always),
    rule("cc-user export", &["force"], WRITES),
    rule("cc-user log", &["name", "run", "command", "since", "limit"], Always),
    rule("cc-user undo", &["run", "dry_run"], Always),
    rule(
        "cc-user sync-ldap",
        &["dry_run", "delete_missing", "grace_period", "max_delete", "delete_admins", "keep_names"],
        Always,
    ),
    rule("cc-user sync-ldap", &["page_size", "ignore_references", "watch", "metrics_file"], Always),
    rule("cc-user sync-ldap", &["starttls", "check"], Always),
    rule("cc-user sync-ldap", &["wait"], Without(&["check"])),
    rule("cc-user sync-ldap", SETTINGS, Always),
    rule("cc-user sync-ldap", NETWORK, Always),
    rule("cc-user sync-slurm", &["dry_run", "max_delete", "add_users", "metrics_file", "check"], Always),
    rule(
        "cc-user sync-slurm",
        &["from", "sacctmgr", "timeout", "clusters", "config", "env_file", "db"],
        Always,
    ),
    rule("cc-user sync-slurm", &["wait"], Without(&["check"])),
    // cc-jwt issue
    rule(
        "cc-jwt issue",
        &[
            "name",
            "ttl",
            "no_expiry",
            "not_before",
            "issuer",
            "audience",
            "scope",
            "claims",
            "jti",
            "roles",
            "algorithm",
            "key",
            "kid",
            "output",
            "at",
            "users_from",
            "all",
            "config",
            "env_file",
        ],
        Always,
    ),
    rule("cc-jwt issue", TOKEN_FORMS, Without(&["all", "users_from", "json"])),
    rule("cc-jwt issue", &["no_db"], Without(&["all"])),
    rule("cc-jwt issue", &["force"], WRITES),
    hinted(
        "cc-jwt issue",
        &["with_role"],
        With(&["all"]),
        "add --all; --roles ROLE sets the roles of one token",
    ),
    rule(
        "cc-jwt issue",
        &["db"],
        All(&[
            Without(&["no_db"]),
            Any(&[With(&["all"]), Without(&["roles"])], "--all, or roles from the user table"),
        ]),
    ),
    // cc-jwt inspect
    rule("cc-jwt inspect", &["token", "token_file", "at", "stream"], Always),
    rule("cc-jwt inspect", &["jobs"], With(&["stream"])),
    rule("cc-jwt inspect", SETTINGS, Never),
    // cc-jwt verify
    rule("cc-jwt verify", &["token", "token_file", "at", "key", "jwks", "discovery", "stream"], Always),
    rule("cc-jwt verify", &["login_role", "default_login_role", "role_config", "config"], Always),
    rule(
        "cc-jwt verify",
        &["env_file"],
        Without(&[
            "key",
            "hmac_secret_file",
            "jwks",
            "discovery",
            "login_role",
            "default_login_role",
            "role_config",
        ]),
    ),
    rule(
        "cc-jwt verify",
        &["endpoint", "issuer", "audience", "hmac_secret_file", "profile", "scope"],
        NO_LOGIN_ROLE,
    ),
    rule("cc-jwt verify", &["from"], All(&[With(&["endpoint"]), NO_LOGIN_ROLE])),
    rule("cc-jwt verify", &["require_role"], All(&[NO_LOGIN_ROLE, OF_SERVER])),
    rule("cc-jwt verify", &["no_db"], All(&[NO_LOGIN_ROLE, OF_SERVER])),
    rule(
        "cc-jwt verify",
        &["db"],
        All(&[Without(&["login_role", "default_login_role", "role_config", "no_db"]), OF_SERVER]),
    ),
    rule("cc-jwt verify", &["explain"], All(&[With(LOGIN_ROLE), Without(&["stream"])])),
    rule("cc-jwt verify", &["jobs"], With(&["stream"])),
    rule(
        "cc-jwt verify",
        &["ca_file", "insecure_http", "follow_redirects", "offline", "bearer_token_file"],
        Form(&["remote"], "keys that are fetched: --discovery URL, --jwks URL, or a login role's"),
    ),
    rule(
        "cc-jwt verify",
        &["allow_weak"],
        With(&[
            "key",
            "hmac_secret_file",
            "jwks",
            "discovery",
            "login_role",
            "default_login_role",
            "role_config",
        ]),
    ),
    // cc-jwt role check
    rule("cc-jwt role check", &["file", "role_config"], Always),
    rule("cc-jwt role check", SETTINGS, Never),
    // cc-jwt role pull
    rule("cc-jwt role pull", &["server", "namespace", "ca_file", "connect_timeout", "timeout"], Always),
    rule("cc-jwt role pull", &["token_file", "path", "directory"], Always),
    rule("cc-jwt role pull", &["role", "check"], Always),
    rule("cc-jwt role pull", &["prune"], Without(&["role"])),
    rule("cc-jwt role pull", SETTINGS, Never),
    // cc-jwt renew
    rule("cc-jwt renew", &["spec", "renewal_file", "watch", "check", "at"], Always),
    rule("cc-jwt renew", &["output", "out_dir", "discoverable", "mode"], With(&["spec"])),
    rule("cc-jwt renew", RESOURCES, With(&["spec"])),
    rule("cc-jwt renew", &["force"], Without(&["watch"])),
    rule("cc-jwt renew", &["published"], All(&[With(&["spec"]), Without(&["check"])])),
    rule("cc-jwt renew", &["user"], With(&["into"])),
    rule("cc-jwt renew", &["into", "ttl", "renew_before", "command"], With(&["user"])),
    rule("cc-jwt renew", &["command_timeout"], With(&["command"])),
    rule("cc-jwt renew", SETTINGS, With(&["user", "renewal_file"])),
    // cc-jwt scan
    rule(
        "cc-jwt scan",
        &[
            "paths",
            "key",
            "depends_on",
            "expiring",
            "max_age",
            "nagios",
            "metrics_file",
            "follow_symlinks",
            "max_size",
            "timeout",
            "wide",
            "jobs",
            "what_if",
            "at",
            "config",
            "env_file",
            "db",
        ],
        Always,
    ),
    // cc-jwt spec
    rule("cc-jwt spec check", &["files", "no_key", "set", "strict"], Always),
    rule("cc-jwt spec check", &["secrets_dir", "published"], Without(&["no_key"])),
    rule("cc-jwt spec check", SETTINGS, Never),
    rule(
        "cc-jwt spec new",
        &["name", "issuer", "kid", "algorithm", "subject", "scope", "key", "output"],
        Always,
    ),
    rule("cc-jwt spec new", &["force"], WRITES),
    rule("cc-jwt spec new", SETTINGS, Never),
    rule("cc-jwt spec issue", &["file", "output", "secret_manifest", "published", "at"], Always),
    rule("cc-jwt spec issue", RESOURCES, Always),
    rule("cc-jwt spec issue", &["force", "mode"], WRITES),
    rule("cc-jwt spec issue", SETTINGS, Never),
    // cc-jwt jwks
    rule("cc-jwt jwks", &["keys", "spec", "server", "out_dir", "document"], Always),
    rule("cc-jwt jwks", &["algorithm"], With(&["keys", "server"])),
    rule(
        "cc-jwt jwks",
        &["issuer"],
        Any(
            &[With(&["out_dir"]), Form(&["discovery"], "--document discovery")],
            "--out-dir or --document discovery",
        ),
    ),
    rule("cc-jwt jwks", &["force"], With(&["out_dir"])),
    rule("cc-jwt jwks", RESOURCES, With(&["spec"])),
    rule("cc-jwt jwks", &["at"], With(&["spec"])),
    rule("cc-jwt jwks", &["env_file"], With(&["server"])),
    rule("cc-jwt jwks", &["config", "db"], Never),
    rule("cc-jwt completion", &["shell"], Always),
    rule("cc-jwt completion", SETTINGS, Never),
    // cc-login
    rule("cc-login completion", &["shell"], Always),
    rule("cc-login completion", SETTINGS, Never),
    rule("cc-login completion", SESSION, Never),
    rule("cc-login", &["words", "method"], Always),
    rule("cc-login", SETTINGS, Form(&["auto", "local", "ldap", "token", "oidc"], "another --method")),
    rule(
        "cc-login",
        &["token_file"],
        All(&[
            Without(&["client_credentials"]),
            Form(&["auto", "token", "oidc", "stronghold"], "--method token, oidc or stronghold"),
        ]),
    ),
    rule("cc-login", PASSWORD, Form(&["auto", "local", "ldap", "remote"], "--method local, ldap or remote")),
    rule(
        "cc-login",
        &["identity"],
        Form(&["token", "oidc", "stronghold"], "--method token, oidc or stronghold"),
    ),
    rule("cc-login", &["client_credentials"], Form(&["oidc"], "--method oidc")),
    rule("cc-login", &["bearer_token_file"], All(&[With(&["role"]), Form(&["token"], "--method token")])),
    rule("cc-login", &["path"], Form(&["oidc", "stronghold"], "--method oidc or stronghold")),
    rule("cc-login", &["scope"], Form(&["oidc"], "--method oidc")),
    rule("cc-login", &["role"], Form(&["oidc", "token", "stronghold"], "--method oidc, token or stronghold")),
    rule(
        "cc-login",
        &[
            "listen_address",
            "port",
            "callback_host",
            "callback_method",
            "callback_port",
            "skip_browser",
            "browser",
        ],
        All(&[Form(&["oidc", "stronghold"], "--method oidc or stronghold"), Without(&["device"]), WITH_USER]),
    ),
    rule(
        "cc-login",
        &["manual"],
        All(&[Form(&["oidc", "stronghold"], "--method oidc or stronghold"), WITH_USER]),
    ),
    rule("cc-login", &["device"], All(&[Form(&["oidc"], "--method oidc"), WITH_USER])),
    rule("cc-login", &["parameter"], Form(&["oidc"], "--method oidc")),
    rule("cc-login", &["server"], Form(&["remote", "stronghold"], "--method remote or stronghold")),
    rule("cc-login", &["for_name"], Form(&["remote"], "--method remote")),
    rule(
        "cc-login",
        &["namespace", "from_session", "wrap_ttl"],
        Form(&["stronghold"], "--method stronghold"),
    ),
    rule("cc-login", &["starttls"], Form(&["auto", "ldap"], "--method ldap")),
    rule(
        "cc-login",
        NETWORK,
        Any(
            &[
                Form(
                    &["auto", "ldap", "oidc", "remote", "stronghold"],
                    "--method ldap, oidc, remote or stronghold",
                ),
                With(&["identity", "role"]),
            ],
            "--method ldap, oidc, remote or stronghold, or --identity",
        ),
    ),
    rule("cc-login", &["session"], Always),
    // The settings select the session of their directory.
    rule("cc-login status", &["at", "session"], Always),
    rule("cc-login status", SETTINGS, NO_SESSION),
    rule("cc-login whoami", &["session"], Always),
    rule("cc-login whoami", SETTINGS, NO_SESSION),
    rule("cc-login sessions", SESSION, Never),
    rule("cc-login sessions", SETTINGS, Always),
    rule("cc-login token", &["kind", "at", "session"], Always),
    rule("cc-login token", &["min_ttl"], Without(&["at"])),
    rule("cc-login token", &["output"], Without(&["json"])),
    hinted(
        "cc-login token",
        &["watch"],
        All(&[With(&["output"]), Without(&["at"])]),
        "name a file: -o FILE, without --at",
    ),
    rule("cc-login token", TOKEN_FORMS, Without(&["json"])),
    rule("cc-login token", SETTINGS, Always),
    rule("cc-login token-helper", &["action", "session"], Always),
    rule("cc-login token-helper", SETTINGS, NO_SESSION),
    rule("cc-login run", &["env", "kind", "min_ttl", "command", "identity"], Always),
    rule("cc-login run", &["client_credentials"], Form(&["oidc"], "--method oidc")),
    rule("cc-login run", SESSION, Without(JOB)),
    rule("cc-login run", &["method", "ca_file"], With(JOB)),
    rule("cc-login run", &["scope"], All(&[With(JOB), Form(&["oidc"], "--method oidc")])),
    rule(
        "cc-login run",
        &["path"],
        All(&[With(JOB), Form(&["oidc", "stronghold"], "--method oidc or stronghold")]),
    ),
    rule(
        "cc-login run",
        &["role"],
        All(&[With(JOB), Form(&["oidc", "token", "stronghold"], "--method token, oidc or stronghold")]),
    ),
    rule(
        "cc-login run",
        &["server", "namespace"],
        All(&[With(&["identity"]), Form(&["stronghold"], "--method stronghold")]),
    ),
    rule("cc-login run", &["bearer_token_file"], All(&[With(&["role"]), Form(&["token"], "--method token")])),
    rule("cc-login run", SETTINGS, Always),
    rule("cc-login refresh", SESSION, Always),
    rule("cc-login refresh", SETTINGS, Always),
    rule("cc-login logout", &["everywhere", "all"], Always),
    rule("cc-login logout", SESSION, Without(&["all"])),
    rule(
        "cc-login logout",
        SETTINGS,
        Any(&[With(&["everywhere"]), Without(&["all", "session"])], "--everywhere"),
    ),
];

/// Returns whether a command rejects an option in every form, so that its help does not list it.
pub fn is_rejected(path: &str, option: &str) -> bool {
    let never = |rule: &Rule| matches!(rule.when, Never) && rule.options.contains(&option);
    rules(path).any(never) || server::is_rejected(path, option)
}

/// Returns the rules of a command.
pub fn rules(path: &str) -> impl Iterator<Item = &'static Rule> + '_ {
    let program = path.split(' ').next().unwrap_or_default();
    let is_general = move |rule: &Rule| rule.command.strip_suffix(" *") == Some(program) && path != program;
    let has_own =
        move |option: &str| TABLE.iter().any(|rule| rule.command == path && rule.options.contains(&option));
    TABLE
        .iter()
        .filter(move |rule| {
            rule.command == path || (is_general(rule) && !rule.options.iter().any(|option| has_own(option)))
        })
        .chain(server::rules(path))
}
