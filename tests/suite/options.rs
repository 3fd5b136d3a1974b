//! No option is ignored: every option of every command stands in the table of options, every pair
//! of options of a command is run, and each of the two either changes something or is rejected.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cc_auth::cli::rules::{RuleCondition, TABLE, rules};
use cc_auth::cli::tool::ParseError;
use clap::error::ErrorKind;
use clap::{Arg, Command};

use crate::generated::TOOLS;
use crate::support::{Run, TestEnv, programs};

/// A command without subcommands, as typed, and its parser.
pub fn leaves() -> Vec<(String, Command)> {
    let mut open: Vec<(String, Command)> = TOOLS
        .iter()
        .map(|tool| {
            let mut command = (tool.command)();
            command.build();
            (tool.name.to_owned(), command)
        })
        .collect();
    let mut all = Vec::new();
    while let Some((path, command)) = open.pop() {
        let subcommands: Vec<&Command> =
            command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
        for sub in &subcommands {
            open.push((format!("{path} {}", sub.get_name()), (*sub).clone()));
        }
        if subcommands.is_empty() || path == "cc-login" {
            all.push((path, command));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn conditions(when: &RuleCondition, found: &mut Vec<&'static str>) {
    match when {
        RuleCondition::With(options)
        | RuleCondition::Without(options)
        | RuleCondition::WithoutTyped(options) => found.extend(*options),
        RuleCondition::All(all) | RuleCondition::Any(all, _) => {
            all.iter().for_each(|when| conditions(when, found))
        }
        RuleCondition::Always | RuleCondition::Never | RuleCondition::Form(..) => {}
    }
}

#[test]
fn option_table_has_one_row_for_every_option_of_every_command() {
    let leaves = leaves();
    for (path, command) in &leaves {
        let has = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
        let rows: Vec<&str> =
            rules(path).chain(rules("")).flat_map(|rule| rule.options.iter().copied()).collect();
        for arg in command.get_arguments() {
            let count = rows.iter().filter(|row| arg.get_id() == **row).count();
            assert_eq!(count, 1, "{path}: rows for {}", arg.get_id());
        }
        for rule in rules(path) {
            let mut named = rule.options.to_vec();
            conditions(&rule.when, &mut named);
            for id in named {
                assert!(has(id), "{path}: no option {id}");
            }
        }
    }
    for rule in TABLE {
        let known = rule.command.is_empty()
            || rule.command.ends_with(" *")
            || leaves.iter().any(|(path, _)| path == rule.command);
        assert!(known, "no command '{}'", rule.command);
    }
}

/// The help of a command lists the options that it accepts, and no others.
#[test]
fn help_lists_no_option_that_the_command_rejects() {
    let directory = TestEnv::with_setup();
    let mut rejected = 0;
    for (path, command) in leaves() {
        let (program, verb) = path.split_once(' ').unwrap_or((&path, ""));
        let mut arguments: Vec<&str> = verb.split_whitespace().collect();
        arguments.push("--help");
        let help = directory.run(program, &arguments).ended(0).stdout;
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let Some(long) = arg.get_long().filter(|long| !matches!(*long, "help" | "version")) else {
                continue;
            };
            let is_rejected = cc_auth::cli::rules::is_rejected(&path, arg.get_id().as_str());
            rejected += usize::from(is_rejected);
            let is_listed = help.lines().any(|line| {
                let words: Vec<&str> = line.trim().split([' ', ',', '=', '[', '.']).collect();
                words.contains(&format!("--{long}").as_str()) && line.trim().starts_with('-')
            });
            assert_eq!(is_listed, !is_rejected, "{path} --{long}\n{help}");
        }
    }
    assert!(rejected > 30, "{rejected}");
    // The verbs that a running server does not have are listed apart from the table.
    for (path, base) in BASES.iter().filter(|(path, _)| path.starts_with("cc-user ")) {
        let verb: Vec<&str> = path.split(' ').skip(1).collect();
        // A server has no request for a mail address.
        let base = if *path == "cc-user set" { &["mona", "--add-role", "api"] } else { *base };
        let mut arguments = [verb.as_slice(), base, &["--json", "--server", "http://127.0.0.1:9"]].concat();
        if matches!(verb[0], "add" | "del") {
            arguments.extend(["--admin", "anna", "--admin-password-file", "/dev/null"]);
        }
        let run = directory.run("cc-user", &arguments);
        let is_unsupported = run.stderr.contains("\"server-unsupported\"");
        if *path != "cc-user completion" {
            let is_rejected = cc_auth::cli::rules::is_rejected(path, "server");
            assert_eq!(is_unsupported, is_rejected, "{path}: {}", run.stderr);
        }
    }
}

/// The options that name a file to write. That of 'gen-keypair' names a directory if the form has several files.
const OUTPUTS: [&str; 2] = ["output", "metrics_file"];

#[test]
fn positional_argument_of_every_command_is_not_under_a_heading_of_options() {
    let under_heading: Vec<String> = leaves()
        .iter()
        .flat_map(|(path, command)| {
            let headed = command.get_positionals().filter(|arg| arg.get_help_heading().is_some());
            headed.map(move |arg| format!("{path}: {}", arg.get_id()))
        })
        .collect();
    assert!(under_heading.is_empty(), "{under_heading:?}");
}

#[test]
fn directory_in_place_of_an_output_file_is_rejected_by_each_option() {
    let directory = prepared();
    directory.sh("mkdir d").ended(0);
    let mut tested = Vec::new();
    for (path, command) in leaves() {
        let Some((_, base)) = BASES.iter().find(|(name, _)| *name == path) else { continue };
        for arg in command.get_arguments().filter(|arg| OUTPUTS.contains(&arg.get_id().as_str())) {
            let option = format!("--{}", arg.get_long().unwrap());
            let mut words: Vec<&str> = path.split(' ').collect();
            words.extend(*base);
            words.extend(["--json", option.as_str(), "d"]);
            let run = directory.run(words[0], &words[1..]).ended(73);
            assert!(run.stderr.contains("\"output-is-directory\""), "{words:?}: {}", run.stderr);
            tested.push(format!("{path} {option}"));
        }
    }
    for line in ["gen-keypair --write --env-file d --json", "gen-keypair --format jwk -o d/ --json"] {
        let run = directory.sh(line).ended(73);
        assert!(run.stderr.contains("\"output-is-directory\""), "{line}: {}", run.stderr);
    }
    assert!(tested.len() >= 6, "{tested:?}");
}

/// A negative value is a value, which the option rejects by its own rule.
#[test]
fn negative_value_is_not_taken_for_an_option() {
    let mut tested = 0;
    for (path, command) in leaves() {
        let tool = TOOLS.iter().find(|tool| path.split(' ').next() == Some(tool.name)).unwrap();
        for arg in command.get_arguments().filter(|arg| arg.get_action().takes_values()) {
            let Some(long) = arg.get_long() else { continue };
            let mut options = vec![format!("--{long}")];
            options.extend(arg.get_short().map(|short| format!("-{short}")));
            for option in options {
                for value in ["-1", "-1d", "-5"] {
                    let words = path.split(' ').chain([option.as_str(), value]).map(Into::into);
                    let arguments: Vec<std::ffi::OsString> = words.collect();
                    if let Err(ParseError::Clap(error)) = tool.parse(&arguments) {
                        assert_ne!(error.kind(), ErrorKind::UnknownArgument, "{path} {option} {value}");
                    }
                    tested += 1;
                }
            }
        }
    }
    assert!(tested > 300, "{tested}");
}

/// Every option with a number has the same parser, whose messages have the words of the other messages.
#[test]
fn invalid_number_of_an_option_is_rejected_in_the_same_words() {
    let directory = TestEnv::new();
    let is_number = |arg: &Arg| {
        let id = arg.get_value_parser().type_id();
        [
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
            TypeId::of::<usize>(),
            TypeId::of::<i64>(),
        ]
        .iter()
        .any(|number| id == *number)
    };
    let mut tested = 0;
    for (path, command) in leaves() {
        for arg in command.get_arguments().filter(|arg| arg.get_action().takes_values() && is_number(arg)) {
            let long = format!("--{}", arg.get_long().unwrap());
            for value in ["x", "-1", "-1d", "+1", "1.5", "", "99999999999999999999999"] {
                let mut words: Vec<&str> = path.split(' ').collect();
                words.extend([long.as_str(), value]);
                let run = directory.run(words[0], &words[1..]).ended(2);
                let expected = format!("{}: invalid value '{value}' for {long}: expected a", words[0]);
                let missing = format!("{}: missing value for {long}", words[0]);
                let is_expected = run.stderr.starts_with(&expected) || run.stderr.starts_with(&missing);
                assert!(
                    is_expected && !run.stderr.contains("--help"),
                    "{path} {long} {value}: {}",
                    run.stderr
                );
                tested += 1;
            }
        }
    }
    assert!(tested > 30, "{tested}");
}

/// A command line that works in the prepared directory, for each command that needs no server.
const BASES: [(&str, &[&str]); 33] = [
    ("cc-user completion", &["bash"]),
    ("cc-jwt completion", &["bash"]),
    ("cc-login completion", &["bash"]),
    ("gen-keypair", &[]),
    ("convert-pem-pubkey", &[]),
    ("cc-user init", &[]),
    ("cc-user add", &["nina", "--role", "api"]),
    ("cc-user del", &["lena"]),
    ("cc-user rename", &["fritz", "friedrich"]),
    ("cc-user disable", &["fritz"]),
    ("cc-user enable", &["dora"]),
    ("cc-user set", &["mona", "--email", "mona@site.example"]),
    ("cc-user list", &[]),
    ("cc-user show", &["fritz"]),
    ("cc-user passwd", &["fritz"]),
    ("cc-user role add", &["fritz", "support"]),
    ("cc-user role remove", &["fritz", "api"]),
    ("cc-user project add", &["mona", "p2"]),
    ("cc-user project remove", &["mona", "p1"]),
    ("cc-user import", &["users.csv", "--update"]),
    ("cc-user export", &[]),
    ("cc-user log", &["fritz"]),
    ("cc-user undo", &["LAST"]),
    ("cc-jwt issue", &["fritz"]),
    ("cc-jwt spec issue", &["osdf.yaml"]),
    ("cc-jwt inspect", &["--token-file", "token.txt"]),
    ("cc-jwt verify", &["--token-file", "token.txt"]),
    ("cc-jwt role check", &["role.json"]),
    ("cc-jwt renew", &["--spec", "osdf.yaml"]),
    ("cc-jwt scan", &["token.txt"]),
    ("cc-jwt spec check", &["osdf.yaml"]),
    ("cc-jwt spec new", &[]),
    ("cc-jwt jwks", &["rsa.pem", "es/public.pem"]),
];

/// Commands whose options need a server or a browser: the table alone is checked here.
const WITH_SERVERS: [&str; 13] = [
    "cc-login",
    "cc-login logout",
    "cc-login refresh",
    "cc-login run",
    "cc-login sessions",
    "cc-login status",
    "cc-login token",
    "cc-login token-helper",
    "cc-login whoami",
    "cc-user doctor",
    "cc-user sync-ldap",
    "cc-user sync-slurm",
    "cc-jwt role pull",
];

/// What is typed for an option; none for one that stands in the base line already or that needs a
/// server, a terminal or another writer to show.
fn sample(path: &str, arg: &Arg) -> Option<Vec<String>> {
    let long = arg.get_long()?;
    let id = arg.get_id().as_str();
    let value = match (path, id) {
        // How much is printed, and how: tests of their own.
        (_, "help" | "version" | "quiet" | "verbose" | "color") => return None,
        // A running server and the credentials for it: tests of their own.
        (_, "server" | "admin" | "admin_password_stdin" | "admin_password_file") => return None,
        (path, "token_file" | "ca_file" | "request_timeout") if path.starts_with("cc-user ") => return None,
        // Selects a session: sessions.rs has the tests.
        (_, "session") => return None,
        // How long another process is waited for.
        (_, "wait") => return None,
        // Runs until it is ended.
        ("cc-jwt renew", "watch") => return None,
        ("cc-jwt renew", "user") => "fritz",
        ("cc-jwt renew", "into") => "fritz.jwt",
        ("cc-jwt renew", "ttl") => "7h",
        ("cc-jwt renew", "renew_before") => "1h",
        ("cc-jwt renew", "command") => "true",
        ("cc-jwt renew", "command_timeout") => "5s",
        ("cc-jwt renew", "renewal_file") => "renewals.yaml",
        ("cc-jwt verify", "jwks")
        | ("cc-jwt renew" | "cc-jwt spec check" | "cc-jwt spec issue", "published") => "set.json",
        ("cc-jwt verify", "key") => "own.pem",
        ("cc-jwt verify", "endpoint") => "api",
        ("cc-jwt verify", "from") => "192.0.2.1",
        ("cc-jwt verify", "login_role") => "role.json",
        ("cc-jwt verify" | "cc-jwt role check", "role_config") => "shared.json",
        ("cc-jwt verify", "profile") => "wlcg",
        ("cc-jwt verify", "scope") => "storage.read:/x",
        // Fetches over the network.
        ("cc-jwt verify", "discovery") => return None,
        ("cc-jwt verify", "hmac_secret_file") => "hs512.txt",
        ("cc-user doctor", "id_token") => "fritz.jwt",
        ("cc-jwt scan", "key") => "own=k/public.pem",
        ("cc-jwt scan", "depends_on") => "k/public.pem",
        ("cc-jwt scan", "expiring") => "400d",
        ("cc-jwt scan", "max_age") => "1ns",
        ("cc-jwt scan", "db") => "third.db",
        ("cc-jwt scan", "max_size") => "10",
        ("cc-jwt scan", "timeout") => "1ns",
        ("cc-jwt scan", "metrics_file") => "out.prom",
        ("cc-jwt scan", "what_if") => "at=+500d",
        // Shows only in a directory with a link; scan::walk has the test. One file is read by one thread. A table
        // is cut only on a terminal; scan has the test.
        ("cc-jwt scan", "follow_symlinks" | "jobs" | "wide") => return None,
        ("cc-jwt jwks", "issuer") => "https://other.example.org",
        ("cc-jwt jwks", "algorithm") => "RS512",
        ("cc-jwt jwks", "spec") => "osdf.yaml",
        ("cc-jwt issue", "algorithm") => "HS512",
        ("cc-jwt issue", "key") => "es/private.pem",
        ("cc-jwt issue", "roles") => "admin",
        ("cc-jwt issue", "with_role") => "manager",
        ("cc-jwt issue", "ttl") => "7h",
        (_, "export") => "OTHER_NAME",
        ("cc-jwt issue", "claims") => "x=1",
        ("cc-jwt issue", "users_from") => "names.txt",
        ("cc-jwt spec new", "algorithm") => "RS256",
        ("cc-jwt spec new", "output") => "new.yaml",
        ("gen-keypair", "algorithm") => "session",
        ("gen-keypair", "format") => "jwk",
        // Of another kind than a new key: what is random is not compared.
        ("gen-keypair", "from") => "es/private.pem",
        ("gen-keypair", "from_env") => "ES_KEY",
        ("convert-pem-pubkey", "name") => "OTHER",
        ("cc-user import", "format") => "jsonl",
        ("cc-user export", "format") => "jsonl",
        ("cc-user set", "roles" | "add_roles") => "manager,support",
        ("cc-user set", "remove_roles") => "user",
        ("cc-user set", "projects" | "add_projects") => "p9",
        ("cc-user set", "remove_projects") => "p1",
        ("cc-user list", "sort") => "-username",
        ("cc-user list", "limit") => "1",
        ("cc-user list", "columns") => "email",
        ("cc-user list" | "cc-user show", "timeout" | "connect_timeout") => "3s",
        ("cc-user list" | "cc-user show", "page_size") => "7",
        // Filters of the runs, whose times and IDs differ each time.
        ("cc-user log", "run" | "command" | "since" | "limit") => return None,
        ("cc-user del", "source") => "ldap",
        (_, "source") => "ldap",
        (_, "role") => "manager",
        (_, "project") => "p1",
        (_, "projects") => "p9",
        (_, "output") => "out",
        (_, "out_dir") => "www",
        (_, "config") => "other.json",
        (_, "env_file") => "other.env",
        ("cc-user init", "db") => "third.db",
        ("cc-user init", "ldap") => "freeipa",
        (_, "db") => "other.db",
        (_, "at") => "2033-01-01T00:00:00Z",
        (_, "not_before") => "2034-01-01T00:00:00Z",
        (_, "mode") => "0640",
        (_, "jobs") => "2",
        (_, "from_env") => "JWT_PUBLIC_KEY",
        (_, "to") => "hex",
        (_, "kid") => "k9",
        (_, "nkey_role") => "account",
        (_, "password_file") => "pw.txt",
        ("cc-jwt jwks", "set") => "spec.keyId=other-key",
        (_, "set") => "spec.data.scope=storage.read:/other",
        (_, "secrets_dir") => "secrets",
        (_, "document") => "discovery",
        (_, "ca_file") => "ca.pem",
        (_, "bearer_token_file") => "pw.txt",
        (_, "require_role") => "admin",
        (_, "email" | "issuer" | "audience" | "scope" | "jti" | "name" | "subject" | "key") => "other",
        _ if !arg.get_action().takes_values() => "",
        _ => panic!("{path}: no sample for {id}"),
    };
    Some(match value {
        "" => vec![format!("--{long}")],
        value if arg.is_require_equals_set() => vec![format!("--{long}={value}")],
        value => vec![format!("--{long}"), value.to_owned()],
    })
}

/// The directory in which the commands run.
pub fn prepared() -> TestEnv {
    let directory = TestEnv::with_setup();
    directory
        .sh("set -e; chmod 600 token.txt
            cc-user -q add mona --role manager,user --name Mona --project p1 --no-password
            cc-user -q add lena --role user --no-password
            cc-user -q add dora --role user --no-password; cc-user -q disable dora
            printf 'old password' | cc-user -q passwd fritz --password-stdin
            cp var/job.db other.db; cp var/job.db third.db; cp var/job.db.history.disabled.json other.db.history.disabled.json; cc-user -q --db third.db del fritz; cc-user -q --db other.db add olga --role manager --project p1 --no-password; cc-user -q --db other.db role add fritz support
            printf '{\"main\":{\"db\":\"other.db\"},\"auth\":{\"jwts\":{\"max-age\":\"1h\"},\"oidc\":{\"provider\":\"https://idp.example.org\"}}}' > other.json
            gen-keypair -q --env-file other.env --write; echo 'OTHER=1' >> other.env
            gen-keypair -q -f pem -o k; gen-keypair -q -a es256 -f pem -o es
            gen-keypair -q -a hs512 | cut -d'\"' -f2 > hs512.txt; chmod 600 hs512.txt
            gen-keypair -q -a hs512 --write; printf \"ES_KEY='%s'\\n\" \"$(gen-keypair -q -a es256 -f jwk)\" >> .env
            convert-pem-pubkey -q --from-env JWT_PUBLIC_KEY --to pem > own.pem
            openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem 2>/dev/null; chmod 600 rsa.pem
            cc-jwt jwks -q own.pem > set.json
            printf 'username,roles\\nfritz,admin\\nnew,api\\n' > users.csv; printf 'mona\\n' > names.txt
            printf 'a password' > pw.txt; chmod 600 pw.txt
            printf '%s\\n' 'Cluster|Account|User|ParentName' 'hpc|root||' 'hpc|qcd||root' 'hpc|qcd|mona|' 'User|Def Acct|Coord Accounts|Admin' 'mona|qcd|qcd|None' 'root|||Administrator' > slurm.txt
            cc-jwt spec new --kid key-1 -q --key es/private.pem -o osdf.yaml
            printf '{\"role_type\":\"jwt\",\"user_claim\":\"sub\",\"bound_claims\":{\"sub\":\"fritz\"}}' > role.json
            printf '{\"jwt_validation_pubkeys\":[%s]}' \"$(python3 -c 'import json;print(json.dumps(open(\"own.pem\").read()))')\" > shared.json
            mkdir secrets; openssl req -x509 -newkey ed25519 -nodes -keyout /dev/null -out ca.pem -subj /CN=x 2>/dev/null")
        .ended(0);
    directory
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Everything that a run can change: status, output, files with content and mode. What is random
/// is replaced by its length.
fn outcome(prepared: &TestEnv, path: &str, arguments: &[String]) -> (i32, String) {
    let directory = TestEnv::new();
    copy(prepared.path(), directory.path());
    let mut words = path.split(' ');
    let program = words.next().unwrap();
    let mut all: Vec<&str> = words.collect();
    all.extend(arguments.iter().map(String::as_str));
    let stdin = if program == "convert-pem-pubkey" {
        prepared.read("k/public.pem")
    } else {
        "some password\n".to_owned()
    };
    fs::create_dir_all(directory.file("run")).unwrap();
    let run: Run = directory
        .command(programs().join(program))
        .env("XDG_RUNTIME_DIR", directory.file("run"))
        .args(&all)
        .write_stdin(stdin)
        .output()
        .unwrap()
        .into();
    let mut seen = format!("{}\n{}\n{}\n", run.status, run.stdout, run.stderr);
    let mut open = vec![directory.path().to_owned()];
    let mut files = BTreeMap::new();
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
            let mode = {
                use std::os::unix::fs::PermissionsExt as _;
                entry.metadata().unwrap().permissions().mode()
            };
            let content = fs::read(entry.path()).unwrap_or_default();
            let name = entry.path().strip_prefix(directory.path()).unwrap().to_string_lossy().into_owned();
            files.insert(name, (mode, String::from_utf8_lossy(&content).into_owned()));
        }
    }
    seen += &format!("{files:?}");
    let is_random = path == "gen-keypair" || path == "cc-user init";
    (run.status, if is_random { without_random(&seen) } else { seen })
}

fn without_random(text: &str) -> String {
    let mut out = String::new();
    for piece in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || "+/_=-".contains(c))) {
        if piece.len() > 30 { out += &format!("<{}>", piece.len()) } else { out += piece }
    }
    out
}

/// Options that may be given beside others without a visible effect in the prepared directory; what
/// they do there depends on a file, or they ask for what is so already.
fn is_excused(path: &str, option: &str, other: &str) -> bool {
    matches!(
        (path, option, other),
        // An api user needs no password.
        ("cc-user add", "no_password", _)
            // The roles are given: the user table is not read.
            | ("cc-jwt issue", "no_db", "roles")
            // The output is JSON in any case.
            | ("cc-jwt jwks", "json", _)
            | ("cc-user export", "json", "format")
            | ("cc-user export", "format", "json")
            // There is nothing to replace.
            | (_, "force", "output" | "out_dir" | "write")
            // Whether the resource has warnings, and a key in a mounted Secret.
            | ("cc-jwt spec check", "strict" | "secrets_dir" | "no_key", _)
            | ("cc-jwt renew" | "cc-jwt spec issue" | "cc-jwt jwks", "strict" | "secrets_dir", _)
            // One valid token: more threads do not show, nor does the source of the key or the user.
            | (_, "jobs", "stream")
            | ("cc-jwt verify", "key" | "jwks" | "no_db" | "config" | "db", "stream")
            // The same users.
            | ("cc-user list" | "cc-user export", "role" | "project", "role" | "project" | "source")
            // One user or none: the order, the number and the columns do not show.
            | (
                "cc-user list",
                "columns" | "wide" | "sort" | "limit" | "disabled",
                "role" | "project" | "source" | "disabled"
            )
            // The first user and the disabled one are the same in another database, and the order of
            // values that all users lack is that of their names.
            | ("cc-user list", "config" | "db", "limit" | "disabled")
            | ("cc-user list", "sort", "columns")
            // The configuration names this database, and no LDAP directory.
            | ("cc-user show", "db", "config")
            | (
                "cc-user show",
                "starttls" | "connect_timeout" | "timeout" | "page_size" | "ignore_references",
                "why"
            )
            // No database has users of this source.
            | ("cc-user list" | "cc-user export", "config" | "db", "source")
            // Whether a line is malformed.
            | ("cc-user import", "keep_going", _)
            // The same report about another database.
            | ("cc-user import" | "cc-user set" | "cc-user rename" | "cc-user disable" | "cc-user enable" | "cc-user undo", "config" | "db", "dry_run")
            // Whether the login role has keys that are fetched.
            | ("cc-jwt verify", "ca_file" | "insecure_http" | "follow_redirects" | "offline" | "bearer_token_file", "login_role" | "role_config")
            // Whether the configuration limits the addresses.
            | ("cc-jwt verify", "from", _)
            // Its database has the user. One valid token: a limit or another key leaves nothing to report.
            | ("cc-jwt scan", "config", "")
            | ("cc-jwt scan", _, "key" | "depends_on" | "max_size" | "timeout" | "nagios" | "env_file" | "db" | "config"
                | "expiring" | "max_age" | "at" | "json" | "metrics_file" | "what_if")
            // The token is valid with one of several keys, and the user is the same in both databases.
            | (
                "cc-jwt verify",
                "key" | "jwks" | "hmac_secret_file",
                "key" | "jwks" | "hmac_secret_file"
            )
            | ("cc-jwt verify", "db", "config")
            // The key is strong.
            | ("cc-jwt verify", "allow_weak", _)
    )
}

#[test]
fn option_every_pair_is_rejected_or_both_change_something() {
    let prepared = prepared();
    let (mut pairs, mut rejected) = (0, 0);
    let mut idle = Vec::new();
    for (path, command) in leaves() {
        let Some((_, base)) = BASES.iter().find(|(name, _)| *name == path) else {
            assert!(WITH_SERVERS.contains(&path.as_str()), "{path}: no base line");
            continue;
        };
        let base: Vec<String> = base.iter().map(|word| (*word).to_owned()).collect();
        let plain = outcome(&prepared, &path, &base);
        let options: Vec<(&str, Vec<String>)> = command
            .get_arguments()
            .filter(|arg| !arg.get_long().is_some_and(|long| base.contains(&format!("--{long}"))))
            .filter_map(|arg| Some((arg.get_id().as_str(), sample(&path, arg)?)))
            .collect();
        let line = |parts: &[&Vec<String>]| -> Vec<String> {
            base.iter().chain(parts.iter().flat_map(|part| part.iter())).cloned().collect()
        };
        let single: Vec<(i32, String)> =
            options.iter().map(|(_, words)| outcome(&prepared, &path, &line(&[words]))).collect();
        for ((option, words), seen) in options.iter().zip(&single) {
            if seen.0 != 2 && *seen == plain && !is_excused(&path, option, "") {
                idle.push(format!("{path} {words:?}"));
            }
        }
        for (at, (first, a)) in options.iter().enumerate() {
            for (number, (second, b)) in options.iter().enumerate().skip(at + 1) {
                let both = outcome(&prepared, &path, &line(&[a, b]));
                pairs += 1;
                assert!(
                    // 3 is a state of --nagios.
                    [0, 1, 2, 3, 65, 66, 69, 73, 77, 78].contains(&both.0),
                    "{path} {a:?} {b:?}: {}",
                    both.0
                );
                if both.0 == 2 {
                    rejected += 1;
                    continue;
                }
                // One that is rejected alone has its partner here.
                // A run that fails alone shows nothing but its first error.
                if both == single[number] && single[number].0 == 0 && !is_excused(&path, first, second) {
                    idle.push(format!("{path} {b:?} makes nothing of {a:?}"));
                }
                if both == single[at] && single[at].0 == 0 && !is_excused(&path, second, first) {
                    idle.push(format!("{path} {a:?} makes nothing of {b:?}"));
                }
            }
        }
    }
    println!("options: {pairs} pairs, {rejected} rejected");
    assert!(pairs > 1000 && rejected > 100, "{pairs} pairs, {rejected} rejected");
    assert!(idle.is_empty(), "{} without an effect:\n{}", idle.len(), idle.join("\n"));
}
