//! cc-config(5) and the code agree: both contain the same settings, with the same defaults and
//! types.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cc_auth::config::Variable;
use serde_json::{Map, Value, json};

use crate::support::{TestEnv, code_without_tests};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/cc-config.5");
    fs::read_to_string(path).unwrap().replace("\\-", "-")
}

/// A setting in the manual page.
struct Described {
    /// `auth.jwts`, or empty for the root.
    section: String,
    name: String,
    kind: String,
    default: String,
    example: Value,
}

fn described() -> Vec<Described> {
    let page = page();
    let mut all: Vec<Described> = Vec::new();
    let mut section = String::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix(".SS ") {
            section = if title == "At the root" { String::new() } else { title.to_owned() };
        }
        let head = line.strip_prefix("\\fB").and_then(|rest| rest.split_once("\\fR ("));
        if let Some((name, facts)) = head {
            let (kind, default) = facts.trim_end_matches(')').split_once("; default: ").unwrap();
            all.push(Described {
                section: section.clone(),
                name: name.to_owned(),
                kind: kind.to_owned(),
                default: default.to_owned(),
                example: Value::Null,
            });
        }
        if let Some(example) = line.strip_prefix("Example: ") {
            let last = all.last_mut().unwrap();
            last.example = serde_json::from_str(example).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
    all
}

fn put(config: &mut Value, section: &str, name: &str, value: Value) {
    let mut at = config;
    for part in section.split('.').filter(|part| !part.is_empty()) {
        at = &mut at[part];
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
    }
    at[name] = value;
}

#[test]
fn config_manual_types_match_the_code() {
    let all = described();
    assert!(all.len() > 30, "only {} settings found", all.len());
    let directory = TestEnv::with_setup();
    directory.write("main.json", "{}");
    directory.write("auth.json", "{}");
    for setting in &all {
        let key = format!("{}.{}", setting.section, setting.name);
        assert!(!setting.example.is_null(), "{key} has no example");
        let config = |value: Value| {
            let mut config = json!({});
            put(&mut config, &setting.section, &setting.name, value);
            directory.write("one.json", config.to_string());
            directory.run("cc-user", &["-c", "one.json", "list", "--names"])
        };
        let read = config(setting.example.clone());
        // The database of the example does not exist.
        assert_eq!(read.status, if setting.name == "db" { 66 } else { 0 }, "{key}: {}", read.stderr);
        assert!(!read.stderr.contains("unknown key"), "{key}: {}", read.stderr);
        // A value of a wrong type is an error, so the key is read and has the documented type.
        let (wrong, expected) = match setting.kind.as_str() {
            "string" => (json!(5), "expected a string"),
            "string or array of strings" => (json!(5), "expected a string or an array of strings"),
            "boolean" => (json!("true"), "expected a boolean"),
            "duration" => (json!("1d"), "invalid duration"),
            "object" => (json!([]), "expected an object"),
            "array of objects" => (json!({}), "expected an array of objects"),
            "number" => (json!(-1), "expected a whole number"),
            "array of strings" => (json!("x"), "expected an array of strings"),
            other => panic!("{key}: what is a {other}?"),
        };
        let refused = config(wrong);
        assert!(
            refused.status == 78 && refused.stderr.contains(&setting.name),
            "{key} is documented as {} ({expected}): {} {}",
            setting.kind,
            refused.status,
            refused.stderr
        );
    }
    println!("manual: {} settings tried", all.len());
}

#[test]
fn config_manual_lists_every_setting() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
    let code = ["file.rs", "auth.rs", "group_map.rs", "slurm.rs"]
        .map(|name| code_without_tests(&directory.join(name)))
        .join("\n");
    // Names of settings are the strings in square brackets and in calls of `section()`.
    let mut names = BTreeSet::new();
    for (open, close) in [("&[\"", ']'), ("section(\"", ')'), ("outside(&mut root, \"", ')')] {
        for (at, _) in code.match_indices(open) {
            let inside = &code[at..];
            let inside = &inside[..inside.find(close).unwrap()];
            for (count, piece) in inside.split('"').enumerate() {
                let is_name = piece.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
                if count % 2 == 1 && is_name {
                    names.insert(piece.to_owned());
                }
            }
        }
    }
    assert!(names.len() > 40, "only {names:?}: does this test still read the code?");
    let page = page();
    let words: BTreeSet<&str> =
        page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).collect();
    let described: BTreeSet<String> = described()
        .into_iter()
        .flat_map(|setting| {
            setting.section.split('.').map(str::to_owned).chain([setting.name]).collect::<Vec<_>>()
        })
        .collect();
    for name in &names {
        // A word after \fB starts with the letters fB.
        let there = words.contains(name.as_str()) || described.contains(name);
        assert!(there, "cc-config.5 does not name '{name}'");
    }
    for variable in Variable::ALL {
        assert!(page.contains(variable.name()), "cc-config.5 does not name {}", variable.name());
    }
    println!("manual: {} spellings found", names.len());
}

#[test]
fn config_manual_defaults_match_the_code() {
    use cc_auth::config::{DEFAULT_DB, DEFAULT_SESSION, Jwts};
    let all = described();
    let default = |section: &str, name: &str| {
        all.iter()
            .find(|setting| setting.section == section && setting.name == name)
            .unwrap_or_else(|| panic!("{section}.{name} is not described"))
            .default
            .trim_matches('"')
            .to_owned()
    };
    assert_eq!(default("main", "db"), DEFAULT_DB);
    let session: cc_auth::util::duration::GoDuration = default("main", "session-max-age").parse().unwrap();
    assert_eq!(session, DEFAULT_SESSION);
    let jwts = Jwts::default();
    assert_eq!(default("auth.jwts", "validate-user"), jwts.validate_user.value.to_string());
    assert_eq!(default("auth.jwts", "max-age"), "no expiry");
    assert!(jwts.max_age.value.is_none());
    let directory = TestEnv::with_setup();
    directory.write("config.json", json!({"auth": {"ldap": {"url": "ldap://x"}}}).to_string());
    let reported = directory.run("cc-user", &["list", "-v", "--names"]).ended(0).stderr;
    for name in ["uid-attr", "username-attr"] {
        let line = format!("ldap.{name} = '{}'", default("auth.ldap", name));
        assert!(reported.contains(&line), "{line}: {reported}");
    }
}

#[test]
fn config_manual_example_is_equal_in_both_layouts() {
    let page = page();
    let blocks: Vec<&str> = page
        .split("\n.nf\n")
        .skip(1)
        .map(|rest| rest.split("\n.fi").next().unwrap())
        .filter(|block| block.starts_with('{'))
        .collect();
    assert_eq!(blocks.len(), 2);
    let directory = TestEnv::with_setup();
    let reported = |block: &str| {
        directory.write("config.json", block);
        let run = directory.run("cc-user", &["list", "-v", "--names"]).ended(0);
        assert!(!run.stderr.contains("warning"), "{}", run.stderr);
        let mut lines: Vec<String> = run
            .stderr
            .lines()
            .filter_map(|line| line.split_once(" (from ").map(|(setting, _)| setting.to_owned()))
            .collect();
        lines.sort();
        lines
    };
    let (today, before) = (reported(blocks[0]), reported(blocks[1]));
    assert!(today.len() > 8, "{today:?}");
    assert_eq!(today, before);
}
