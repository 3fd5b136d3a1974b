//! The reports of `--json` are an interface for scripts: each verb has its report in
//! `tests/data/reports`, and what differs with each run (times, keys, tokens) is replaced by its
//! kind. `UPDATE_REPORTS=1` writes down what was seen; look at the difference before you keep it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use clap::Command;
use serde_json::Value;

use crate::generated::TOOLS;
use crate::guides::distance;
use crate::report_schema;
use crate::slapd::{Slapd, TREE, person};
use crate::support::{TestEnv, data, has, is_updating};

/// How each report comes about: the verb, a word for the occasion or nothing, the exit status, and
/// the line.
const LINES: &[(&str, &str, i32, &str)] = &[
    ("gen-keypair", "", 0, "gen-keypair --json"),
    ("gen-keypair", "es256", 0, "gen-keypair -a es256 --json"),
    ("gen-keypair", "write", 0, "gen-keypair --write --env-file new.env --json"),
    ("gen-keypair", "files", 0, "gen-keypair -f pem -o new --json"),
    ("gen-keypair", "error", 73, "gen-keypair --write --json"),
    ("convert-pem-pubkey", "", 0, "convert-pem-pubkey pair/public.pem --json"),
    (
        "convert-pem-pubkey",
        "write",
        0,
        "convert-pem-pubkey pair/public.pem --write --env-file new.env --json",
    ),
    ("convert-pem-pubkey", "error", 65, "convert-pem-pubkey pw --json"),
    ("cc-user init", "", 0, "mkdir new && cd new && cc-user init --json"),
    ("cc-user add", "", 0, "cc-user add lea --role manager --project p1 --name 'Lea L' --no-password --json"),
    ("cc-user add", "error", 2, "cc-user add lea --role manger --json"),
    ("cc-user completion", "", 0, "cc-user completion fish --json"),
    ("cc-jwt completion", "", 0, "cc-jwt completion fish --json"),
    ("cc-login completion", "", 0, "cc-login completion fish --json"),
    ("cc-user rename", "", 0, "cc-user rename max moritz --json"),
    ("cc-user disable", "", 0, "cc-user disable max --json"),
    ("cc-user doctor", "", 0, "cc-user doctor --offline --json"),
    ("cc-user enable", "", 0, "cc-user disable max -q; cc-user enable max --json"),
    ("cc-user set", "", 0, "cc-user set max --name 'Max M' --add-project p2 --json"),
    ("cc-user del", "", 0, "cc-user del fritz --json"),
    ("cc-user list", "", 0, "cc-user list --json"),
    ("cc-user show", "", 0, "cc-user show fritz --json"),
    ("cc-user show", "error", 1, "cc-user show unknown --json"),
    ("cc-user passwd", "", 0, "cc-user passwd fritz --password-file pw --json"),
    ("cc-user role add", "", 0, "cc-user role add fritz support --json"),
    ("cc-user role remove", "", 0, "cc-user role remove fritz user --json"),
    ("cc-user project add", "", 0, "cc-user project add max p2 --json"),
    ("cc-user project remove", "", 0, "cc-user project remove max p1 --json"),
    ("cc-user import", "", 0, "cc-user import more.csv --json"),
    ("cc-user import", "error", 65, "cc-user import pw --json"),
    ("cc-user export", "", 0, "cc-user export --json"),
    ("cc-user export", "file", 0, "cc-user export -o out.csv --json"),
    ("cc-user log", "", 0, "cc-user log max --json"),
    ("cc-user undo", "", 0, "cc-user undo LAST --json"),
    ("cc-user sync-ldap", "", 0, "cc-user sync-ldap --config ldap.json --json"),
    ("cc-user sync-slurm", "", 0, "cc-user sync-slurm --from slurm.txt --json"),
    ("cc-user sync-slurm", "check", 0, "cc-user sync-slurm --from slurm.txt --check --json"),
    ("cc-user sync-slurm", "error", 69, "cc-user sync-slurm --from pw --json"),
    ("cc-jwt issue", "", 0, "cc-jwt issue fritz --json"),
    ("cc-jwt issue", "file", 0, "cc-jwt issue fritz -o issued.txt --json"),
    ("cc-jwt issue", "error", 1, "cc-jwt issue unknown --json"),
    ("cc-jwt inspect", "", 0, "cc-jwt inspect --token-file token.txt --json"),
    ("cc-jwt verify", "", 0, "cc-jwt verify --token-file token.txt --endpoint user-api --json"),
    (
        "cc-jwt verify",
        "not-valid",
        1,
        "cc-jwt verify --token-file token.txt --endpoint user-api --at +1000h --json",
    ),
    ("cc-jwt verify", "stream", 0, "cc-jwt verify --stream --token-file token.txt --json"),
    ("cc-jwt role check", "", 0, "cc-jwt role check role.json --json"),
    ("cc-jwt role pull", "error", 78, "cc-jwt role pull --json"),
    ("cc-jwt renew", "", 0, "cc-jwt renew --spec r.yaml -o renewed --json"),
    ("cc-jwt renew", "check", 1, "cc-jwt renew --spec r.yaml -o renewed --check --json"),
    ("cc-jwt scan", "", 0, "chmod 600 token.txt; cc-jwt scan .env token.txt --expiring 1h --at +1h --json"),
    (
        "cc-jwt scan",
        "what-if",
        1,
        "chmod 600 token.txt; mkdir plan; cp -p var/job.db* plan/; cc-user del fritz --db plan/job.db -q; \
         cc-jwt scan .env token.txt --what-if at=+1000h --what-if db=plan/job.db --json",
    ),
    ("cc-jwt spec issue", "", 0, "cc-jwt spec issue r.yaml --json"),
    ("cc-jwt spec check", "", 0, "cc-jwt spec check r.yaml --json"),
    ("cc-jwt spec check", "error", 65, "cc-jwt spec check more.csv --json"),
    ("cc-jwt spec new", "", 0, "cc-jwt spec new --json --issuer https://tokens.example.org --kid k"),
    (
        "cc-jwt spec new",
        "file",
        0,
        "cc-jwt spec new --json --issuer https://tokens.example.org --kid k --key pair/private.pem -o new.yaml",
    ),
    ("cc-jwt jwks", "", 0, "cc-jwt jwks --server --json"),
    (
        "cc-jwt jwks",
        "discovery",
        0,
        "cc-jwt jwks --server --issuer https://tokens.example.org --document discovery --json",
    ),
    (
        "cc-jwt jwks",
        "files",
        0,
        "cc-jwt jwks --server --issuer https://tokens.example.org --out-dir www --json",
    ),
    ("cc-login", "", 0, "cc-login max --password-file pw --json"),
    ("cc-login", "error", 1, "cc-login max --password-file new-pw --json"),
    ("cc-login status", "", 0, "cc-login max --password-file pw -q > out; cc-login status --json"),
    ("cc-login status", "not-logged-in", 1, "cc-login status --json"),
    ("cc-login whoami", "", 0, "cc-login max --password-file pw -q > out; cc-login whoami --json"),
    ("cc-login whoami", "not-logged-in", 1, "cc-login whoami --json"),
    (
        "cc-login sessions",
        "",
        0,
        "cc-login max --password-file pw --session site -q > out; cc-login sessions --json",
    ),
    ("cc-login sessions", "empty", 0, "cc-login sessions --json"),
    ("cc-login token", "", 0, "cc-login max --password-file pw -q > out; cc-login token --json"),
    ("cc-login refresh", "local", 1, "cc-login max --password-file pw -q > out; cc-login refresh --json"),
    ("cc-login logout", "", 0, "cc-login max --password-file pw -q > out; cc-login logout --json"),
    (
        "cc-login logout",
        "all",
        0,
        "cc-login max --password-file pw --session site -q > out; cc-login logout --all --json",
    ),
];

/// Every verb that has `--json`, by the programs' own definitions.
fn verbs() -> BTreeSet<String> {
    fn look(path: &str, command: &Command, verbs: &mut BTreeSet<String>) {
        let subcommands: Vec<&Command> =
            command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()).collect();
        let is_verb = subcommands.is_empty() || !command.is_subcommand_required_set();
        if is_verb && command.get_arguments().any(|argument| argument.get_long() == Some("json")) {
            verbs.insert(path.to_owned());
        }
        for sub in subcommands {
            look(&format!("{path} {}", sub.get_name()), sub, verbs);
        }
    }
    let mut verbs = BTreeSet::new();
    for tool in TOOLS {
        let mut command = (tool.command)();
        command.build();
        look(tool.name, &command, &mut verbs);
    }
    // Its output is that of the command that it runs.
    assert!(verbs.remove("cc-login run"));
    // Its output is the token, for a program that does not read JSON.
    assert!(verbs.remove("cc-login token-helper"));
    verbs
}

#[test]
fn json_report_of_each_command_has_a_snapshot() {
    let pinned: BTreeSet<String> = LINES.iter().map(|(verb, ..)| (*verb).to_owned()).collect();
    let verbs = verbs();
    assert!(verbs.len() > 20, "only {} verbs found", verbs.len());
    assert_eq!(verbs, pinned, "left: verbs with --json; right: verbs with a report in the table");
    let files: BTreeSet<String> = fs::read_dir(data("reports"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let named: BTreeSet<String> =
        LINES.iter().map(|(verb, occasion, ..)| file_name(verb, occasion)).collect();
    assert_eq!(files, named, "left: files in tests/data/reports; right: files that the table names");
}

fn file_name(verb: &str, occasion: &str) -> String {
    let dash = if occasion.is_empty() { "" } else { "-" };
    format!("{}{dash}{occasion}.json", verb.replace(' ', "-"))
}

/// A site with something for each verb.
fn site() -> TestEnv {
    let directory = TestEnv::with_setup();
    directory.write("pw", "correct horse battery\n");
    directory.write("new-pw", "another horse battery\n");
    directory.write("more.csv", "username,roles,name\nann,user,Ann A\nbob,api,Bob B\n");
    directory.write(
        "slurm.txt",
        "Cluster|Account|User|ParentName\nhpc|root||\nhpc|qcd||root\nhpc|qcd|max|\nhpc|qcd|rolf|\n\
         User|Def Acct|Coord Accounts|Admin\nmax|qcd|qcd|None\nrolf|qcd||None\nroot|||Administrator\n",
    );
    directory.write("r.yaml", fs::read(data("osdf-example.yaml")).unwrap());
    directory.write(
        "role.json",
        r#"{"name": "hpc", "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["cc"]}"#,
    );
    directory.sh("chmod 600 pw new-pw r.yaml && gen-keypair -f pem -o pair -q").ended(0);
    directory.sh("cc-user add max --role user,manager --project p1 --password-file pw -q").ended(0);
    directory
}

/// What differs with each run becomes its kind.
fn redact(value: &mut Value, name: &str, directory: &str) {
    match value {
        Value::Array(entries) => entries.iter_mut().for_each(|entry| redact(entry, name, directory)),
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| redact(value, name, directory)),
        Value::Number(_) if ["iat", "exp", "nbf", "auth_time", "seconds"].contains(&name) => {
            *value = "[seconds]".into()
        }
        Value::String(text) if ["run", "account"].contains(&name) => *text = format!("[{name}]"),
        Value::String(text) if name == "fingerprint" => *text = format!("[{} digits]", text.len()),
        // A random UUID.
        Value::String(text) if name == "jti" => *text = format!("[{} characters]", text.len()),
        Value::String(text) => {
            let mut plain = text.replace(directory, "[directory]");
            while let Some((at, length)) =
                plain.match_indices('(').find_map(|(at, _)| Some((at, distance(&plain[at..])?.1)))
            {
                plain.replace_range(at..at + length, "[distance]");
            }
            *text = plain.split_inclusive([' ', '\n']).map(redacted_word).collect();
        }
        _ => {}
    }
}

fn redacted_word(word: &str) -> String {
    let bare = word.trim_matches(['\'', '"', '(', ')', ',', ':', ';', ' ', '\n']);
    let is_random = bare.len() >= 40
        && bare.chars().all(|c| c.is_ascii_alphanumeric() || "+/-_=.".contains(c))
        && bare.contains(|c: char| c.is_ascii_digit())
        && bare.contains(|c: char| c.is_ascii_uppercase());
    if bare.parse::<jiff::Timestamp>().is_ok() {
        word.replace(bare, "[time]")
    } else if is_random {
        word.replace(bare, &format!("[{} characters]", bare.len()))
    } else {
        word.to_owned()
    }
}

#[test]
fn json_report_of_each_verb_is_as_pinned() {
    let slapd =
        has("slapd").then(|| Slapd::with(&[TREE, &person("anna", "Anna A"), &person("fritz", "F")].concat()));
    let mut wrong = Vec::new();
    for (verb, occasion, status, line) in LINES {
        let directory = site();
        if line.contains("ldap.json") {
            let Some(slapd) = &slapd else { continue };
            crate::sync::configure(&directory, &slapd.url(), serde_json::json!({}));
            directory.sh("mv config.json ldap.json; export LDAP_ADMIN_PASSWORD=syncpw").ended(0);
        }
        let run = directory.sh(&format!("LDAP_ADMIN_PASSWORD=syncpw; export LDAP_ADMIN_PASSWORD; {line}"));
        let about = format!("{line}: {} {} {}", run.status, run.stdout, run.stderr);
        if run.status != *status {
            wrong.push(format!("status {} expected: {about}", status));
            continue;
        }
        for error in report_schema::stream_errors(verb, &run.stdout, &run.stderr) {
            wrong.push(format!("{line}: {error}"));
        }
        let mut seen = String::new();
        for (stream, text) in [("stdout", run.stdout.clone()), ("stderr", run.stderr.clone())] {
            let values: Result<Vec<Value>, _> =
                serde_json::Deserializer::from_str(&text).into_iter::<Value>().collect();
            let Ok(values) = values else {
                wrong.push(format!("no JSON on {stream}: {about}"));
                continue;
            };
            for mut value in values {
                redact(&mut value, "", &directory.path().display().to_string());
                seen += &format!("// {stream}\n{}\n", serde_json::to_string_pretty(&value).unwrap());
            }
        }
        if seen.is_empty() {
            seen = "// nothing\n".to_owned();
        }
        let path: PathBuf = data("reports").join(file_name(verb, occasion));
        let pinned = fs::read_to_string(&path).unwrap_or_default();
        if seen != pinned {
            if is_updating("UPDATE_REPORTS") {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, &seen).unwrap();
            } else {
                wrong.push(format!("{line}: pinned in {}\n{pinned}seen\n{seen}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn report_is_redacted_only_where_it_differs_each_time() {
    let shown = |text: &str| {
        let mut value: Value = serde_json::from_str(text).unwrap();
        redact(&mut value, "", "/tmp/x");
        value.to_string()
    };
    for same in [
        r#"{"status":65}"#,
        r#"{"count":1795291640}"#,
        r#"["a b c",true,null,1.5]"#,
        r#""https://tokens.example.org/jwks.json/aaaaaaaaaaaaaaaaaaaaa""#,
    ] {
        assert_eq!(shown(same), same);
    }
    assert_eq!(shown(r#"{"exp":1795291640}"#), r#"{"exp":"[seconds]"}"#);
    assert_eq!(shown(r#""until 2026-11-21T20:02:08Z, or so""#), r#""until [time], or so""#);
    assert_eq!(shown(r#""x (in 6 days) (y)""#), r#""x [distance] (y)""#);
    assert_eq!(shown(r#""/tmp/x/.env""#), r#""[directory]/.env""#);
    assert_eq!(shown(r#""RGCcYJ2gt9J2JoCNEs0sHTjQxXzLg4vWVlxWxcDJSc8=""#), r#""[44 characters]""#);
}
