//! A number in a message has its noun in the singular or the plural: by `util::count`, not by a fixed noun.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Nouns after a number. A unit that no message has once, such as bits, is not one of them.
const NOUNS: &[&str] = &[
    "accounts",
    "addresses",
    "bytes",
    "changes",
    "characters",
    "claims",
    "clusters",
    "coordinators",
    "days",
    "entries",
    "errors",
    "fields",
    "files",
    "groups",
    "hours",
    "items",
    "keys",
    "lines",
    "members",
    "memberships",
    "objects",
    "parts",
    "problems",
    "projects",
    "reconciliations",
    "references",
    "requests",
    "resources",
    "roles",
    "rows",
    "rules",
    "runs",
    "seconds",
    "sessions",
    "tokens",
    "users",
    "values",
    "warnings",
];

/// Words between a number and its noun.
const BETWEEN: &[&str] = &[
    "LDAP", "OpenID", "further", "ignored", "invalid", "more", "of", "older", "other", "usable", "user",
    "valid",
];

/// Messages in which the number cannot be 1, each with the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("operator/src/controller.rs", "seconds", MANY),
    ("operator/src/probes.rs", "seconds", MANY),
    ("src/accounts/change.rs", "projects", MANY),
    ("src/accounts/sessions.rs", "users", ONE),
    ("src/cli/cc_jwt/jwks.rs", "keys", ONE),
    ("src/cli/cc_jwt/role.rs", "roles", ONE),
    ("src/cli/cc_jwt/spec_issue.rs", "resources", ONE),
    ("src/cli/cc_jwt/stream.rs", "tokens", ONE),
    ("src/config/section.rs", "keys", MANY),
    ("src/doctor/database.rs", "users", ONE),
    ("src/http/error.rs", "bytes", MANY),
    ("src/key/error.rs", "keys", ONE),
    ("src/login/error.rs", "bytes", MANY),
    ("src/login/oidc/error.rs", "requests", ONE),
    ("src/osdf/location.rs", "bytes", MANY),
    ("src/osdf/location.rs", "entries", MANY),
    ("src/policy/login_role/identity.rs", "bytes", MANY),
    ("src/policy/login_role/identity.rs", "claims", MANY),
    ("src/token/error.rs", "bytes", MANY),
    ("src/token/error.rs", "keys", ONE),
    ("src/token/error.rs", "lines", ONE),
    ("src/token/error.rs", "parts", ONE),
    ("src/token/error.rs", "tokens", ONE),
    ("src/token/sign.rs", "bytes", MANY),
    ("src/user/account.rs", "characters", MANY),
    ("src/user/exchange/row.rs", "bytes", MANY),
    ("src/user/name.rs", "bytes", MANY),
    ("src/user/password.rs", "bytes", MANY),
    ("src/util/file/error.rs", "bytes", MANY),
    ("src/util/time.rs", "seconds", MANY),
];

const MANY: &str = "the number is above a limit";
const ONE: &str = "one has a message of its own, or is not an error";

/// The number and the noun of each place in a message.
fn places(message: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, _) in message.match_indices('{') {
        let Some((number, rest)) = message[at + 1..].split_once('}') else { continue };
        let is_placeholder =
            number.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '?'));
        // A constant is known to be a plural.
        let is_constant = number.chars().any(|c| c.is_ascii_uppercase());
        let Some(rest) = rest.strip_prefix(' ').filter(|_| is_placeholder && !is_constant) else { continue };
        let mut words = rest.split_whitespace().skip_while(|word| BETWEEN.contains(word));
        let noun = words.next().map(|word| word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()));
        if let Some(noun) = noun.filter(|noun| NOUNS.contains(noun)) {
            found.push((format!("{{{number}}}"), noun.to_owned()));
        }
    }
    found
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn number_in_a_message_has_its_noun_in_the_singular_or_the_plural() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for directory in ["src", "operator/src"] {
        sources(&root.join(directory), &mut paths);
    }
    paths.sort();
    let (mut faults, mut used) = (Vec::new(), BTreeSet::new());
    for path in paths {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let code = crate::support::code_without_tests(&path);
        // A choice by hand: 'if count == 1 { "" } else { "s" }'.
        if name != "src/util/count.rs" && code.contains("== 1 { \"") {
            faults.push(format!("{name}: use one_or"));
        }
        let messages = crate::hints::literals(&code);
        for (number, noun) in messages.iter().flat_map(|message| places(message)) {
            match EXCEPTIONS.iter().find(|(file, known, _)| *file == name && *known == noun) {
                Some(exception) => drop(used.insert(exception)),
                None => faults.push(format!("{name}: {number} {noun}")),
            }
        }
    }
    assert!(faults.is_empty(), "use counted or one_or of util::count:\n{}", faults.join("\n"));
    let unused: Vec<_> = EXCEPTIONS.iter().filter(|exception| !used.contains(exception)).collect();
    assert!(unused.is_empty(), "without a message: {unused:?}");
}

#[test]
fn number_with_a_fixed_noun_is_found() {
    for message in [
        "({} entries)",
        "({count} LDAP users)",
        "({count} more \n errors)",
        "{0} of 3 users, {known} users",
        "{seconds:.1} seconds",
    ] {
        assert_eq!(places(message).len(), 1, "{message}");
    }
    for message in ["{LIMIT} bytes", "{} in users", "{name} entrieslike", "{users} {keys}", "{}", "entries"] {
        assert_eq!(places(message), [], "{message}");
    }
}
