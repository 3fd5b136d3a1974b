//! JSON Schemas of the reports of `--json`, written to `docs/schemas`; the man pages list their
//! members.
//!
//! A report is a struct that derives `Serialize` and, for tests, `JsonSchema`; the doc comments of
//! its fields are the descriptions. Each program lists its reports in `REPORTS` (`cc_user/mod.rs`).
//! To add a command:
//!
//! 1. Derive the struct: `#[derive(Serialize)] #[cfg_attr(test, derive(schemars::JsonSchema))]
//!    struct AddReport { … }`, each field with a doc comment, and `console.json(&AddReport { … })`.
//! 2. Add an entry to `REPORTS`: `Report::of::<AddReport>("cc-user add")`, with `.stream()` for one
//!    document per line and `.form("batch", "with several tokens")` for a second form of the
//!    report.
//! 3. Run `make docs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use super::tool::Tool;
use super::{cc_jwt, cc_login, cc_user, convert_pem_pubkey, gen_keypair};

/// A report of one command.
#[derive(Debug)]
pub(super) struct Report {
    command: &'static str,
    form: &'static str,
    occasion: &'static str,
    is_stream: bool,
    schema: fn() -> Schema,
}

impl Report {
    /// Creates the report of a command with one JSON document.
    pub(super) const fn of<T: JsonSchema>(command: &'static str) -> Self {
        Self { command, form: "", occasion: "", is_stream: false, schema: schema_of::<T> }
    }

    /// Sets a second form of the report: the suffix of its schema name, and when the command prints
    /// it.
    pub(super) const fn form(self, form: &'static str, occasion: &'static str) -> Self {
        Self { form, occasion, ..self }
    }

    /// Marks the report as one JSON document per line.
    pub(super) const fn stream(self) -> Self {
        Self { is_stream: true, ..self }
    }

    /// Returns the name of the schema without extension, such as `cc-user-role-add`.
    fn name(&self) -> String {
        let dash = if self.form.is_empty() { "" } else { "-" };
        format!("{}{dash}{}", self.command.replace(' ', "-"), self.form)
    }
}

fn schema_of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<T>()
}

/// The five programs and their reports.
static PROGRAMS: [(&Tool, &[Report]); 5] = [
    (&gen_keypair::TOOL, gen_keypair::REPORTS),
    (&convert_pem_pubkey::TOOL, convert_pem_pubkey::REPORTS),
    (&cc_user::TOOL, cc_user::REPORTS),
    (&cc_jwt::TOOL, cc_jwt::REPORTS),
    (&cc_login::TOOL, cc_login::REPORTS),
];

/// The commands without a report: the output is that of the command that they run, or a token for a program
/// that does not read JSON.
const WITHOUT_REPORT: [&str; 2] = ["cc-login run", "cc-login token-helper"];

/// Returns the commands that accept `--json` and have a report, from the definitions of the programs.
fn commands() -> BTreeSet<String> {
    fn visit(path: &str, command: &Command, found: &mut BTreeSet<String>) {
        let subcommands: Vec<&Command> =
            command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()).collect();
        let runs = subcommands.is_empty() || !command.is_subcommand_required_set();
        if runs && command.get_arguments().any(|argument| argument.get_long() == Some("json")) {
            found.insert(path.to_owned());
        }
        for sub in subcommands {
            visit(&format!("{path} {}", sub.get_name()), sub, found);
        }
    }
    let mut found = BTreeSet::new();
    for (tool, _) in PROGRAMS {
        let mut command = (tool.command)();
        command.build();
        visit(tool.name, &command, &mut found);
    }
    assert!(WITHOUT_REPORT.iter().all(|command| found.remove(*command)));
    found
}

fn reports() -> impl Iterator<Item = &'static Report> {
    PROGRAMS.iter().flat_map(|(_, reports)| reports.iter())
}

/// Returns the schema of a report, with its title and form.
fn document(report: &Report) -> Value {
    let mut object = (report.schema)().to_value();
    if let Value::Object(members) = &mut object {
        members.insert("title".to_owned(), report.command.into());
        members.insert("x-occasion".to_owned(), report.occasion.into());
        members.insert("x-stream".to_owned(), report.is_stream.into());
    }
    object
}

/// Returns all generated files by their path in the repository.
fn generated() -> BTreeMap<String, String> {
    reports()
        .map(|report| {
            let text = serde_json::to_string_pretty(&document(report)).unwrap();
            (format!("docs/schemas/{}.json", report.name()), text + "\n")
        })
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the paths of the existing schemas.
fn present() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("docs/schemas")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Returns the alternatives of a schema, or the schema itself.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let several = ["anyOf", "oneOf"].iter().find_map(|name| schema.get(name).and_then(Value::as_array));
    match several {
        Some(several) => several.iter().flat_map(alternatives).chain([schema]).collect(),
        None => vec![schema],
    }
}

/// Collects the members of a schema without a description.
fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
    for alternative in alternatives(schema) {
        if let Some(items) = alternative.get("items") {
            undescribed(items, &format!("{path}[]"), found);
        }
        for (name, member) in alternative.get("properties").and_then(Value::as_object).unwrap_or(&Map::new())
        {
            let path = format!("{path}.{name}");
            if member.get("description").is_none() {
                found.push(path.clone());
            }
            undescribed(member, &path, found);
        }
    }
}

#[test]
fn report_of_every_command_has_a_schema() {
    let registered: Vec<&str> = reports().map(|report| report.command).collect();
    let commands = commands();
    assert!(commands.len() > 20, "{commands:?}");
    let missing: Vec<&String> =
        commands.iter().filter(|command| !registered.contains(&command.as_str())).collect();
    assert!(missing.is_empty(), "no entry in REPORTS: {missing:?}");
    for command in registered {
        assert!(commands.contains(command), "{command} does not accept --json");
    }
}

#[test]
fn report_members_are_described() {
    let mut found = Vec::new();
    for report in reports() {
        undescribed(&document(report), &report.name(), &mut found);
    }
    assert!(found.is_empty(), "no doc comment: {found:#?}");
}

/// A command with a schema must not also list the members of its report by hand.
#[test]
fn report_members_are_in_one_place() {
    for (tool, reports) in PROGRAMS {
        for page in tool.pages.iter().filter(|page| !page.json.is_empty()) {
            let command = format!("{} {}", tool.name, page.path);
            let command = command.trim_end();
            assert!(
                reports.iter().all(|report| report.command != command),
                "{command}: remove json from its page"
            );
        }
    }
}

#[test]
fn report_schemas_are_current() {
    let expected = generated();
    for path in present() {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        assert!(expected.contains_key(&name), "{name} belongs to no report: run make docs");
    }
    for (name, content) in &expected {
        let found = fs::read_to_string(root().join(name)).unwrap_or_default();
        assert!(found == *content, "{name} is out of date: run make docs");
    }
}

#[test]
#[ignore = "writes docs/schemas: make docs"]
fn write_report_schemas() {
    assert!(std::env::var_os("CI").is_none(), "CI checks the generated files and does not write them");
    let expected = generated();
    fs::create_dir_all(root().join("docs/schemas")).unwrap();
    for path in present() {
        fs::remove_file(path).unwrap();
    }
    for (name, content) in expected {
        fs::write(root().join(name), content).unwrap();
    }
}
