//! What all commands have in common: the form of usage errors, and silence with `-q`.

use std::collections::BTreeSet;

use crate::options::{leaves, prepared};
use crate::support::{Run, TestEnv, programs};

const SECRET: &str = "hunter2Xyzzy";

/// One line that begins with the program, at most one hint, nothing secret; one object as JSON.
fn assert_form(directory: &TestEnv, program: &str, arguments: &[&str], why: &str) {
    let run = directory.run(program, arguments);
    let shown = format!("{program} {arguments:?} ({why}): {}", run.stderr);
    assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{shown}");
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(lines[0].starts_with(&format!("{program}: ")), "{shown}");
    assert!(lines.len() == 1 || (lines.len() == 2 && lines[1].starts_with("hint: ")), "{shown}");
    assert!(!run.stderr.contains(SECRET), "{shown}");
    assert!(!lines[0].ends_with('.'), "{shown}");
    let mut with_json = vec!["--json"];
    with_json.extend(arguments);
    let run = directory.run(program, &with_json);
    assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{program} {with_json:?}: {}", run.stderr);
    let object: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(object["error"]["kind"], "usage", "{object}");
    assert!(!run.stderr.contains(SECRET), "{}", run.stderr);
}

#[test]
fn usage_error_of_every_command_is_one_line_with_a_hint_and_no_secret() {
    let directory = TestEnv::new();
    let (assigned, glued) = (format!("--password={SECRET}"), format!("-p{SECRET}"));
    for (path, _) in leaves() {
        let mut words = path.split(' ');
        let program = words.next().unwrap();
        let words: Vec<&str> = words.collect();
        let many = vec![SECRET; 40];
        let unknown = format!("--{SECRET}");
        for (why, wrong) in [
            ("unknown option", vec!["--nonsense"]),
            ("unknown option with a value", vec![assigned.as_str()]),
            ("unknown option in capitals", vec![unknown.as_str()]),
            ("missing value", vec!["--color"]),
            ("invalid value", vec!["--color", "purple"]),
            ("excluded", vec!["-q", "-v"]),
            ("twice", vec!["-q", "-q"]),
        ] {
            let mut arguments = words.clone();
            arguments.extend(wrong);
            assert_form(&directory, program, &arguments, why);
        }
        for wrong in [vec!["-Z", SECRET], vec![glued.as_str()]] {
            let mut arguments = words.clone();
            arguments.extend(wrong);
            let run = directory.run(program, &arguments);
            assert!(
                !run.stderr.contains(SECRET) && !run.stdout.contains(SECRET),
                "{arguments:?}: {}",
                run.stderr
            );
        }
        // Where any number of arguments is taken they are names, keys or files.
        let mut arguments = words.clone();
        arguments.extend(&many);
        let run = directory.run(program, &arguments);
        let is_repeated =
            ["cc-user del", "cc-jwt spec check", "cc-jwt jwks", "cc-user role add", "cc-user project add"];
        let is_file = is_repeated.contains(&path.as_str()) || run.status != 2;
        assert!(is_file || !run.stderr.contains(SECRET), "{path}: {}", run.stderr);
    }
    for program in ["cc-user", "cc-jwt"] {
        assert_form(&directory, program, &[], "no command");
        assert_form(&directory, program, &[SECRET], "unknown command");
        assert_form(&directory, program, &["lsit"], "mistyped command");
    }
}

#[test]
fn usage_error_suggests_the_option_that_was_meant() {
    let directory = TestEnv::new();
    for (program, arguments, hint) in [
        ("cc-jwt", &["issue", "fritz", "--expires", "1h"][..], "did you mean '--ttl DURATION'?"),
        ("cc-jwt", &["issue", "fritz", "-o"], "missing value"),
        ("cc-user", &["add", "x", "--password", "y"], "did you mean '--password-file FILE'?"),
        ("cc-user", &["users"], "did you mean 'cc-user list'?"),
        ("cc-user", &["change", "x"], "did you mean 'cc-user set'?"),
        ("cc-jwt", &["print", "x"], "did you mean 'cc-jwt inspect'?"),
        ("cc-jwt", &["issue", "x", "--role", "admin"], "did you mean '--roles ROLE'?"),
        ("gen-keypair", &["--alg", "es256"], "did you mean '--algorithm ALGORITHM'?"),
    ] {
        let run = directory.run(program, arguments).ended(2);
        assert!(run.stderr.contains(hint), "{program} {arguments:?}: {}", run.stderr);
    }
}

/// One parser each for durations and times: an option has no syntax of its own.
#[test]
fn times_and_durations_of_options_are_parsed_in_one_module() {
    fn visit(directory: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
                continue;
            }
            let code = crate::support::code_without_tests(&path);
            let parsers = [
                "GoDuration::parse",
                "parse::<GoDuration>",
                ": GoDuration =",
                "time::parse(",
                "GoDuration>()",
            ];
            for parser in parsers.iter().filter(|parser| code.contains(**parser)) {
                found.push(format!("{} {parser}", path.file_name().unwrap().to_string_lossy()));
            }
        }
    }
    let mut found = Vec::new();
    visit(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli"), &mut found);
    found.sort();
    assert_eq!(found, ["quantity.rs GoDuration::parse", "quantity.rs time::parse("]);
}

/// Each option with a duration or a time rejects a wrong one with the message of this parser.
#[test]
fn times_and_durations_of_every_option_are_checked() {
    let directory = prepared();
    let mut listed = BTreeSet::new();
    for (line, option, kind) in [
        ("cc-jwt issue fritz", "--ttl", "duration"),
        ("cc-jwt issue fritz", "--not-before", "time"),
        ("cc-jwt issue fritz", "--at", "time"),
        ("cc-jwt inspect --token-file token.txt", "--at", "time"),
        ("cc-jwt verify --token-file token.txt", "--at", "time"),
        ("cc-jwt renew --spec osdf.yaml -o out.jwt", "--at", "time"),
        ("cc-jwt renew --user fritz --into fritz.jwt", "--renew-before", "duration"),
        ("cc-jwt renew --user fritz --into fritz.jwt --command true", "--command-timeout", "duration"),
        ("cc-jwt spec issue osdf.yaml", "--at", "time"),
        ("cc-jwt scan token.txt", "--at", "time"),
        ("cc-jwt scan token.txt", "--expiring", "duration"),
        ("cc-jwt scan token.txt", "--max-age", "duration"),
        ("cc-jwt scan token.txt", "--timeout", "duration"),
        ("cc-jwt jwks --spec osdf.yaml", "--at", "time"),
        ("cc-login status", "--at", "time"),
        ("cc-login token", "--at", "time"),
        ("cc-login token", "--min-ttl", "duration"),
        ("cc-login fritz --method ldap", "--timeout", "duration"),
        ("cc-login fritz --method ldap", "--connect-timeout", "duration"),
        (
            "cc-login --method stronghold --server http://127.0.0.1:1 --token-file token.txt",
            "--wrap-ttl",
            "duration",
        ),
        ("cc-jwt role pull --server http://127.0.0.1:1", "--connect-timeout", "duration"),
        ("cc-jwt role pull --server http://127.0.0.1:1", "--timeout", "duration"),
        ("cc-user doctor --offline", "--at", "time"),
        ("cc-user list", "--wait", "duration"),
        ("cc-user log", "--since", "time"),
        ("cc-user list --server http://127.0.0.1:1", "--request-timeout", "duration"),
        ("cc-user sync-ldap", "--timeout", "duration"),
        ("cc-user sync-ldap", "--connect-timeout", "duration"),
        ("cc-user sync-ldap", "--grace-period", "duration"),
        ("cc-user sync-ldap", "--watch", "duration"),
        ("cc-user sync-slurm", "--timeout", "duration"),
    ] {
        listed.insert(format!("{} {option}", line.split(' ').next().unwrap()));
        let run = directory.sh(&format!("{line} {option}=1x")).ended(2);
        let expected = match kind {
            "time" => "invalid time '1x': expected a date or time",
            _ => "invalid duration '1x': unknown unit 'x' (ns us ms s m h d w)",
        };
        assert!(run.stderr.contains(&format!("{option}: {expected}")), "{line} {option}: {}", run.stderr);
    }
    // No other option has such a value.
    let values = ["DURATION", "TIME", "INTERVAL"];
    let of_commands: BTreeSet<String> = leaves()
        .iter()
        .flat_map(|(path, command)| command.get_arguments().map(move |arg| (path, arg)))
        .filter(|(_, arg)| arg.get_value_names().is_some_and(|names| values.contains(&names[0].as_str())))
        .map(|(path, arg)| format!("{} --{}", path.split(' ').next().unwrap(), arg.get_long().unwrap()))
        .collect();
    assert_eq!(of_commands, listed, "add the option to the list above");
}

/// The times of text reports and of JSON reports, as they are printed.
#[test]
fn times_of_reports_are_accepted_by_options() {
    let directory = prepared();
    for zone in ["UTC", "Europe/Berlin", "America/New_York"] {
        let shown = directory.sh(&format!("TZ={zone} cc-jwt inspect --token-file token.txt")).ended(0).stdout;
        let expires =
            shown.lines().find_map(|line| line.trim().strip_prefix("expires")).unwrap().trim().to_owned();
        let json = directory.sh("cc-jwt inspect --token-file token.txt --json").ended(0).stdout;
        let of_json = json.split("\"expires_at\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        for (at, status) in [(&expires, 1), (&of_json, 1)] {
            let verify = |at: &str| {
                directory.sh(&format!("TZ={zone} cc-jwt verify --token-file token.txt --no-db --at '{at}'"))
            };
            verify(at).ended(status);
        }
        let before =
            directory.sh(&format!("date -u -d '{of_json} - 2 minutes' +%Y-%m-%dT%H:%M:%SZ")).ended(0).stdout;
        directory.sh(&format!("cc-jwt verify --token-file token.txt --at {before}")).ended(0);
    }
}

/// Commands that users type: the command that they select, or the sentence that answers them.
const TYPED: &[(&str, &str)] = &[
    ("cc-user create", "cc-user add"),
    ("cc-user edit", "cc-user set"),
    ("cc-user mod", "cc-user set"),
    ("cc-user modify", "cc-user set"),
    ("cc-user mv", "cc-user rename"),
    ("cc-user lock", "cc-user disable"),
    ("cc-user unlock", "cc-user enable"),
    ("cc-user delete", "cc-user del"),
    ("cc-user remove", "cc-user del"),
    ("cc-user rm", "cc-user del"),
    ("cc-user ls", "cc-user list"),
    ("cc-user get", "cc-user show"),
    ("cc-user role del", "cc-user role remove"),
    ("cc-user role delete", "cc-user role remove"),
    ("cc-user role rm", "cc-user role remove"),
    ("cc-user role set", "hint: 'cc-user set NAME --role ROLE[,ROLE]' replaces all roles of a user"),
    ("cc-user role list", "hint: 'cc-user show NAME' prints the roles of a user"),
    ("cc-user role ls", "hint: 'cc-user show NAME' prints the roles of a user"),
    ("cc-user project del", "cc-user project remove"),
    ("cc-user project delete", "cc-user project remove"),
    ("cc-user project rm", "cc-user project remove"),
    (
        "cc-user project set",
        "hint: 'cc-user set NAME --project PROJECT[,PROJECT]' replaces all projects of a manager",
    ),
    ("cc-user project list", "hint: 'cc-user show NAME' prints the projects of a manager"),
    ("cc-user project ls", "hint: 'cc-user show NAME' prints the projects of a manager"),
    ("cc-user users", "hint: did you mean 'cc-user list'?"),
    ("cc-user password", "hint: did you mean 'cc-user passwd'?"),
    ("cc-user sync", "hint: did you mean 'cc-user sync-ldap'?"),
    ("cc-user slurm", "hint: did you mean 'cc-user sync-slurm'?"),
    (
        "cc-user revoke",
        "hint: with 'validate-user' the server rejects the tokens of a deleted user: 'cc-user del NAME'",
    ),
    (
        "cc-jwt revoke",
        "hint: with 'validate-user' the server rejects the tokens of a deleted user: 'cc-user del NAME'",
    ),
    ("cc-login ls", "cc-login sessions"),
    ("cc-login list", "cc-login sessions"),
    ("cc-jwt decode", "cc-jwt inspect"),
    ("cc-jwt show", "cc-jwt inspect"),
    ("cc-jwt sign", "cc-jwt issue"),
    ("cc-jwt create", "cc-jwt issue"),
    ("cc-jwt check", "cc-jwt verify"),
    ("cc-jwt generate", "hint: did you mean 'cc-jwt issue'?"),
    ("cc-jwt spec create", "hint: did you mean 'cc-jwt spec new'?"),
];

/// Every command with its aliases, as typed.
fn aliases(path: &str, command: &clap::Command, found: &mut BTreeSet<(String, String)>) {
    for sub in command.get_subcommands() {
        let name = format!("{path} {}", sub.get_name());
        found.extend(sub.get_all_aliases().map(|alias| (format!("{path} {alias}"), name.clone())));
        aliases(&name, sub, found);
    }
}

#[test]
fn command_that_users_type_works_or_is_answered_by_one_sentence() {
    let directory = TestEnv::new();
    for (typed, expected) in TYPED {
        let run = directory.sh(&format!("{typed} --help"));
        if let Some(hint) = expected.strip_prefix("hint: ") {
            // The arguments after it may be secret, and are not shown.
            let run = directory.sh(&format!("{typed} {SECRET}")).ended(2);
            let lines: Vec<&str> = run.stderr.lines().collect();
            let word = typed.rsplit(' ').next().unwrap();
            assert!(lines[0].ends_with(&format!("unknown command '{word}'")), "{typed}: {}", run.stderr);
            assert!(
                lines.len() == 2 && lines[1].starts_with(&format!("hint: {hint}")),
                "{typed}: {}",
                run.stderr
            );
            assert!(!run.stderr.contains(SECRET), "{typed}: {}", run.stderr);
        } else {
            let run = run.ended(0);
            assert_eq!(run.stdout, directory.sh(&format!("{expected} --help")).ended(0).stdout, "{typed}");
            assert!(run.stdout.contains(&format!("Usage: {expected}")), "{typed}: {}", run.stdout);
        }
    }
    let mut found = BTreeSet::new();
    for tool in crate::generated::TOOLS {
        aliases(tool.name, &(tool.command)(), &mut found);
    }
    let listed = |typed: &str, name: &str| TYPED.contains(&(typed, name));
    let missing: Vec<_> = found.iter().filter(|(typed, name)| !listed(typed, name)).collect();
    assert!(missing.is_empty(), "aliases without a row: {missing:?}");
    for (path, words, _) in cc_auth::cli::suggest::COMMAND_ANSWERS {
        let path = path.join(" ");
        let is_listed = |word: &&str| TYPED.iter().any(|(typed, _)| *typed == format!("{path} {word}"));
        assert!(words.iter().any(is_listed), "{path} {words:?}: no row");
        assert!(!words.iter().any(|word| leaves().iter().any(|(leaf, _)| *leaf == format!("{path} {word}"))));
    }
}

/// Successful lines, and whether standard output is the result.
const QUIET: [(&str, bool); 53] = [
    ("cc-user -q completion bash", true),
    ("cc-jwt -q completion bash", true),
    ("cc-login -q completion bash", true),
    ("gen-keypair -q", true),
    ("gen-keypair -q -f pem -o new", false),
    ("gen-keypair -q --env-file new.env --write", false),
    ("convert-pem-pubkey -q k/public.pem", true),
    ("convert-pem-pubkey -q k/public.pem --write", false),
    ("cc-user -q init", false),
    ("cc-user -q add nina --role api", false),
    ("cc-user -q add nora --role user,api --password-file pw.txt", false),
    ("cc-user -q list", true),
    ("cc-user -q show fritz", true),
    ("cc-user -q passwd fritz --password-file pw.txt", false),
    ("cc-user -q role add fritz support", false),
    ("cc-user -q role remove fritz support", false),
    ("cc-user -q rename lena lea", false),
    ("cc-user -q rename lea lena", false),
    ("cc-user -q disable lena", false),
    ("cc-user -q enable lena", false),
    ("cc-user -q set lena --name Lena --role support,user", false),
    ("cc-user -q project add mona p2", false),
    ("cc-user -q project remove mona p2", false),
    ("cc-user -q export", true),
    ("cc-user -q export -o out.csv", false),
    ("cc-user -q del lena", false),
    ("cc-jwt -q issue fritz", true),
    ("cc-jwt -q issue fritz --force -o token.txt", false),
    ("cc-jwt -q spec issue osdf.yaml -o osdf.jwt", false),
    ("cc-jwt -q inspect --token-file token.txt", true),
    ("cc-jwt -q verify --token-file token.txt", false),
    ("cc-jwt -q verify --token-file token.txt -e user-api", false),
    ("cc-jwt -q verify --token-file token.txt --login-role role.json --role-config shared.json", false),
    ("cc-jwt -q role check role.json", false),
    ("cc-jwt -q scan token.txt", true),
    ("cc-jwt -q renew --spec osdf.yaml --out-dir tokens", false),
    ("cc-jwt -q renew --spec osdf.yaml --out-dir tokens --check", false),
    ("cc-jwt -q spec check osdf.yaml", false),
    ("cc-jwt -q spec new", true),
    ("cc-jwt -q jwks es/public.pem --issuer https://i.example.org --out-dir www", false),
    ("cc-login -q fritz --password-file pw.txt", false),
    ("cc-login -q status", false),
    ("cc-login -q token", true),
    ("cc-login -q whoami", true),
    ("cc-login -q sessions", true),
    ("cc-login -q run -- true", false),
    ("cc-user -q import users.csv --update", false),
    ("cc-user -q import users.csv --update --dry-run", false),
    ("cc-user -q log", true),
    ("cc-user -q undo \"$(cc-user -q log --limit 1 | cut -d ' ' -f 1)\"", false),
    ("cc-user -q doctor --offline", true),
    ("cc-user -q sync-slurm --from slurm.txt", false),
    ("cc-login -q logout", false),
];

#[test]
fn quiet_every_command_is_silent_on_success() {
    let directory = prepared();
    let mut seen = BTreeSet::new();
    for (line, is_result) in QUIET {
        let run = directory.sh(line).ended(0);
        assert_eq!(run.stderr, "", "{line}");
        assert_eq!(run.stdout.is_empty(), !is_result, "{line}: {}", run.stdout);
        for (path, _) in leaves() {
            let words: Vec<&str> = line.split(' ').filter(|word| *word != "-q").collect();
            if words.join(" ").starts_with(&path) {
                seen.insert(path);
            }
        }
    }
    // These need an OpenID provider, an LDAP directory or a Stronghold server.
    let with_servers = ["cc-login refresh", "cc-user sync-ldap", "cc-login token-helper", "cc-jwt role pull"];
    seen.extend(with_servers.map(str::to_owned));
    for (path, _) in leaves() {
        // Its line is silent, or prints nothing but its result.
        assert!(seen.contains(&path) || path == "cc-jwt jwks", "{path} is not run with -q");
    }
}

#[test]
fn quiet_warnings_of_exposed_secrets_are_shown() {
    let directory = TestEnv::with_setup();
    directory.sh("chmod 644 .env token.txt; printf x > pw.txt; chmod 644 pw.txt").ended(0);
    for line in ["cc-jwt -q issue fritz", "cc-user -q add nora --role user --password-file pw.txt"] {
        let run: Run = directory.sh(line).ended(0);
        assert!(run.stderr.contains("warning: ") && run.stderr.contains("0644"), "{line}: {}", run.stderr);
    }
    let output =
        directory.command(programs().join("cc-user")).args(["-q", "add", "x:user:pw"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("warning: "), "{output:?}");
}
