//! Suggestions for mistyped options and commands: first a table of synonyms, then the most similar
//! name. Options that disable a protection are never suggested.

use clap::{Arg, Command};

/// Options that disable a protection, or delete or replace data. They are not suggested for typing
/// errors. A test checks that every option of this kind is listed.
pub const DANGEROUS: [&str; 16] = [
    "allow-weak",
    "delete",
    "delete-admins",
    "delete-missing",
    "everywhere",
    "follow-redirects",
    "force",
    "ignore-references",
    "insecure-http",
    "no-db",
    "no-expiry",
    "no-key",
    "no-limit",
    "no-password",
    "skip-existing",
    "with-passwords",
];

/// Mistyped options and their replacements: names of options, or of arguments in capital letters.
/// The first replacement that the command has is suggested.
pub const SYNONYMS: [(&[&str], &[&str]); 34] = [
    (
        &[
            "expires",
            "expiry",
            "exp",
            "expiration",
            "expires-in",
            "lifetime",
            "validity",
            "valid-for",
            "duration",
            "max-age",
        ],
        &["ttl"],
    ),
    (&["password", "passwd", "pass", "pw", "pwd", "p"], &["password-file"]),
    (
        &["secret", "shared-secret", "hmac", "hmac-secret", "shared-key"],
        &["hmac-secret-file", "password-file", "key"],
    ),
    (&["o", "out", "outfile", "output-file", "out-file", "save"], &["output", "out-dir"]),
    (&["out-directory", "output-dir", "directory", "dir"], &["out-dir"]),
    (
        &["user", "username", "login", "u", "subject", "sub"],
        &["username", "subject", "NAME", "NAME|KEY=VALUE"],
    ),
    (&["full-name", "fullname", "display-name"], &["name"]),
    (&["mail", "e-mail"], &["email"]),
    (&["token", "t", "jwt", "bearer"], &["token-file", "TOKEN"]),
    (&["file", "input", "in", "f", "i"], &["token-file", "FILE", "spec"]),
    (&["role", "r"], &["roles", "role", "login-role", "require-role", "ROLE"]),
    (&["roles"], &["role", "require-role", "ROLE"]),
    (&["projects"], &["project", "PROJECT"]),
    (&["dryrun", "simulate", "dry", "check-only", "noop"], &["dry-run", "check"]),
    (&["database", "sqlite"], &["db"]),
    (&["conf", "cfg", "config-file", "configuration", "settings"], &["config"]),
    (&["env", "dotenv", "environment", "environment-file"], &["env-file"]),
    (&["alg", "algo", "type"], &["algorithm"]),
    (&["aud"], &["audience"]),
    (&["iss"], &["issuer"]),
    (&["nbf", "notbefore", "valid-from"], &["not-before"]),
    (&["key-id", "keyid"], &["kid", "key-id"]),
    (&["kid"], &["key-id", "kid"]),
    (&["private-key", "signing-key", "public-key", "pubkey", "key-file", "keyfile"], &["key", "FILE"]),
    (&["jwks-url", "jwks-uri", "keyset", "key-set"], &["jwks"]),
    (&["well-known", "openid-configuration", "discovery-url"], &["discovery"]),
    (&["ca", "cacert", "ca-cert", "cafile", "ca-bundle"], &["ca-file"]),
    (&["start-tls", "tls"], &["starttls"]),
    (&["url", "host", "address", "endpoint-url"], &["server"]),
    (&["time", "now", "date", "when"], &["at"]),
    (&["debug", "trace"], &["verbose"]),
    (&["silent", "s"], &["quiet"]),
    (&["color", "colors"], &["color"]),
    (&["interval", "every", "daemon", "follow"], &["watch"]),
];

/// Mistyped commands and their replacements.
pub const COMMAND_SYNONYMS: [(&[&str], &[&str]); 13] = [
    (&["ls", "users", "all"], &["list"]),
    (&["edit", "mod", "modify", "change", "update", "usermod", "chfn"], &["set"]),
    (&["rm", "delete", "remove"], &["del", "remove"]),
    (&["create", "new", "useradd", "insert"], &["add", "new", "issue"]),
    (&["get", "view", "info", "decode", "print", "dump"], &["show", "inspect", "token"]),
    (&["sign", "make", "generate"], &["issue"]),
    (&["check", "validate", "test"], &["verify", "check"]),
    (&["password", "pw"], &["passwd"]),
    (&["sync", "ldap"], &["sync-ldap"]),
    (&["slurm", "sacctmgr"], &["sync-slurm"]),
    (&["logoff", "signout", "exit", "quit"], &["logout"]),
    (&["who", "me", "user"], &["whoami"]),
    (&["session"], &["sessions"]),
];

/// Commands that users type and that do not exist: the program and the group of commands, the words, and
/// the sentence that describes what to use. A test checks that none of them is a command.
pub const COMMAND_ANSWERS: [(&[&str], &[&str], &str); 6] = [
    (&["cc-user"], &["revoke"], REVOKE),
    (&["cc-jwt"], &["revoke"], REVOKE),
    (
        &["cc-user", "role"],
        &["set", "replace"],
        "'cc-user set NAME --role ROLE[,ROLE]' replaces all roles of a user",
    ),
    (&["cc-user", "role"], &["list", "ls", "show", "get"], "'cc-user show NAME' prints the roles of a user"),
    (
        &["cc-user", "project"],
        &["set", "replace"],
        "'cc-user set NAME --project PROJECT[,PROJECT]' replaces all projects of a manager",
    ),
    (
        &["cc-user", "project"],
        &["list", "ls", "show", "get"],
        "'cc-user show NAME' prints the projects of a manager",
    ),
];

const REVOKE: &str = "with 'validate-user' the server rejects the tokens of a deleted user: 'cc-user del NAME'; \
                      'A token was leaked' in cc-auth(7) describes the steps";

/// Returns the most likely option or argument for an unknown option, as typed with its value;
/// `typed` is the name without dashes and value.
pub(super) fn option(typed: &str, command: &Command) -> Option<String> {
    let known = |name: &str| {
        let is_argument = name.starts_with(|c: char| c.is_ascii_uppercase());
        command.get_arguments().find(|arg| {
            if is_argument {
                arg.is_positional() && value_name(arg) == Some(name)
            } else {
                arg.get_long() == Some(name)
            }
        })
    };
    let meant = SYNONYMS
        .iter()
        .filter(|(from, _)| from.contains(&typed))
        .flat_map(|(_, to)| *to)
        .find_map(|name| known(name));
    if let Some(arg) = meant {
        return Some(spelled(arg));
    }
    let names: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
    let harmless = names.into_iter().filter(|name| !DANGEROUS.contains(name) && !is_negation(typed, name));
    near(typed, harmless).and_then(known).map(spelled)
}

/// Returns the sentence for a command that users type and that does not exist.
pub(super) fn answer(typed: &str, path: &str) -> Option<&'static str> {
    COMMAND_ANSWERS
        .iter()
        .find(|(command, words, _)| path.split(' ').eq(command.iter().copied()) && words.contains(&typed))
        .map(|(_, _, answer)| *answer)
}

/// Returns the most likely command for an unknown one.
pub(super) fn command<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let names: Vec<&str> = names.into_iter().collect();
    let meant = COMMAND_SYNONYMS
        .iter()
        .filter(|(from, _)| from.contains(&typed))
        .flat_map(|(_, to)| *to)
        .find_map(|name| names.iter().find(|known| *known == name).copied());
    meant.or_else(|| near(typed, names))
}

/// Returns the name with the smallest edit distance: at most 1 for up to five characters, 2 for
/// longer names; or the only name with the typed prefix.
pub(super) fn near<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase().replace('_', "-");
    let length = typed.chars().count();
    if !(2..=40).contains(&length) {
        return None;
    }
    let names: Vec<&str> = names.into_iter().collect();
    let limit = |name: &str| if name.chars().count().min(length) <= 5 { 1 } else { 2 };
    let nearest = names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&typed, name), *name))
        .filter(|(distance, name)| *distance <= limit(name))
        .min_by_key(|(distance, _)| *distance);
    if let Some((_, name)) = nearest {
        return Some(name);
    }
    let mut beginning = names.iter().filter(|name| length >= 3 && name.starts_with(&typed));
    match (beginning.next(), beginning.next()) {
        (Some(name), None) => Some(name),
        _ => None,
    }
}

/// Whether one name is the negation of the other, such as `expiry` and `no-expiry`.
fn is_negation(typed: &str, name: &str) -> bool {
    let is_negation =
        |text: &str| ["no-", "no_", "without-", "skip-"].iter().any(|start| text.starts_with(start));
    is_negation(typed) != is_negation(name)
}

/// Formats an option as typed, with the name of its value.
fn spelled(arg: &Arg) -> String {
    let value = value_name(arg);
    match (arg.get_long(), value) {
        (Some(long), Some(value)) if arg.get_action().takes_values() => format!("--{long} {value}"),
        (Some(long), _) => format!("--{long}"),
        (None, value) => value.unwrap_or_default().to_owned(),
    }
}

/// Returns the name of the value of an option, or of an argument.
pub(super) fn value_name(arg: &Arg) -> Option<&str> {
    arg.get_value_names().and_then(|names| names.first()).map(|name| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{cc_jwt, cc_login, cc_user, convert_pem_pubkey, gen_keypair};

    /// Returns all commands and subcommands, built.
    fn commands() -> Vec<Command> {
        let mut open: Vec<Command> =
            [&cc_jwt::TOOL, &cc_login::TOOL, &cc_user::TOOL, &convert_pem_pubkey::TOOL, &gen_keypair::TOOL]
                .iter()
                .map(|tool| {
                    let mut command = (tool.command)();
                    command.build();
                    command
                })
                .collect();
        let mut all = Vec::new();
        while let Some(command) = open.pop() {
            open.extend(command.get_subcommands().filter(|sub| sub.get_name() != "help").cloned());
            all.push(command);
        }
        all
    }

    fn named<'a>(commands: &'a [Command], name: &str) -> &'a Command {
        // Not a subcommand of the same name, such as 'cc-jwt spec issue' for 'cc-jwt issue'.
        let named = commands.iter().filter(|command| command.get_name() == name);
        named.max_by_key(|command| command.get_arguments().count()).unwrap()
    }

    #[test]
    fn option_synonyms_have_precedence() {
        let all = commands();
        let issue = all.iter().find(|command| command.get_bin_name() == Some("cc-jwt issue")).unwrap();
        assert_eq!(option("expires", issue).as_deref(), Some("--ttl DURATION"));
        assert_eq!(option("role", named(&all, "verify")).as_deref(), Some("--login-role FILE|NAME"));
        assert_eq!(option("o", issue).as_deref(), Some("--output FILE"));
        assert_eq!(option("o", named(&all, "inspect")), None);
        assert_eq!(option("user", issue).as_deref(), Some("NAME"));
        assert_eq!(option("audiense", issue).as_deref(), Some("--audience AUDIENCE"));
        assert_eq!(option("p", named(&all, "cc-login")).as_deref(), Some("--password-file FILE"));
        for typed in ["password", "secret"] {
            assert_eq!(
                option(typed, named(&all, "passwd")).as_deref(),
                Some("--password-file FILE"),
                "{typed}"
            );
        }
    }

    #[test]
    fn option_suggestion_is_never_dangerous_or_the_negation() {
        let mut count = 0;
        for command in commands() {
            let longs: Vec<String> =
                command.get_arguments().filter_map(Arg::get_long).map(str::to_owned).collect();
            // Typing errors of every option of every command.
            for name in
                longs.iter().map(String::as_str).chain(SYNONYMS.iter().flat_map(|(from, _)| *from).copied())
            {
                let bare = name.trim_start_matches("no-").trim_start_matches("skip-");
                let mut typed =
                    vec![bare.to_owned(), format!("no-{bare}"), format!("{name}s"), name.replace('-', "")];
                for at in 0..name.len() {
                    typed.push(format!("{}{}", &name[..at], &name[at + 1..]));
                    typed.push(format!("{}x{}", &name[..at], &name[at..]));
                    typed.push(name[..at].to_owned());
                }
                for typed in typed.iter().filter(|typed| !longs.contains(typed)) {
                    let Some(found) = option(typed, &command) else { continue };
                    count += 1;
                    let found = found.split(' ').next().unwrap().trim_start_matches("--");
                    assert!(!DANGEROUS.contains(&found), "{}: {typed} suggests {found}", command.get_name());
                    assert_eq!(
                        found.starts_with("no-"),
                        typed.starts_with("no-"),
                        "{typed} suggests {found}"
                    );
                }
            }
        }
        assert!(count > 1000, "{count} suggestions");
    }

    #[test]
    fn dangerous_options_are_all_listed() {
        for command in commands() {
            for long in command.get_arguments().filter_map(Arg::get_long) {
                let looks =
                    ["no-", "insecure", "allow-", "ignore-", "delete", "force", "skip-existing", "with-pass"]
                        .iter()
                        .any(|start| long.starts_with(start));
                assert!(
                    !looks || DANGEROUS.contains(&long),
                    "{}: --{long} is not listed",
                    command.get_name()
                );
            }
        }
    }

    #[test]
    fn synonyms_name_existing_options() {
        let all = commands();
        let mut named: Vec<&str> =
            all.iter().flat_map(Command::get_arguments).filter_map(Arg::get_long).collect();
        named.extend(all.iter().flat_map(Command::get_arguments).filter_map(value_name));
        for (from, to) in SYNONYMS {
            assert!(to.iter().any(|name| named.contains(name)), "{from:?} leads nowhere");
            assert!(to.iter().all(|name| !DANGEROUS.contains(name)), "{from:?}");
        }
    }

    #[test]
    fn command_synonyms_and_near_names_are_found() {
        let verbs = ["add", "del", "list", "show", "passwd"];
        assert_eq!(command("ls", verbs), Some("list"));
        assert_eq!(command("delete", verbs), Some("del"));
        assert_eq!(command("lsit", verbs), Some("list"));
        assert_eq!(command("pass", verbs), Some("passwd"));
        assert_eq!(command("wizard", verbs), None);
    }
}
