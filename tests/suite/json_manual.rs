//! `cc-json(5)` and the members of reports in the other man pages, from `docs/schemas`.

use std::fmt::Write as _;

use cc_auth::util::check::CHECKS;
use serde_json::Value;

use crate::generated::TOOLS;
use crate::manual::{DATE, sentence};
use crate::report_schema::schemas;
use crate::roff::{roff, tidy};

/// The conventions, before the commands.
const CONVENTIONS: &str = r#".SH NAME
cc-json \- reports, errors and warnings of \-\-json
.SH DESCRIPTION
With \fB\-\-json\fR the programs \fBgen-keypair\fR(1), \fBconvert-pem-pubkey\fR(1), \fBcc-user\fR(1), \fBcc-jwt\fR(1) and
\fBcc-login\fR(1) print reports for other programs.
Names of members, their types, the kinds of errors and the exit statuses are a stable interface.
The wording of messages is not, and a later version may add members.
.PP
Standard output has the report: one JSON document on one line, indented on a terminal.
Commands that work on a stream print one document a line.
A JSON schema of each report is in \fIdocs/schemas\fR of the source.
.TP
Times
RFC 3339 in UTC, as in 2026\-07\-01T12:00:00Z; \fBnull\fR where there is none.
.TP
Durations
A number of seconds.
.TP
Control characters
Escaped as \fB\eu\fR\fIXXXX\fR, so that a report can be shown on a terminal.
.SH ERRORS AND WARNINGS
Standard error has one JSON object a line.
.TP
\fB{"error":{"kind":"\fR...\fB","message":"\fR...\fB","hint":"\fR...\fB"}}\fR
An error. Each kind has one exit status; \fBcc-auth\fR(7) lists the statuses.
An input with several errors has a line for each, and the first one's status ends the program.
.TP
\fB{"warning":{"check":"\fR...\fB","message":"\fR...\fB","hint":"\fR...\fB"}}\fR
A warning; the check is its stable name. With \fB\-\-quiet\fR only warnings of a danger to a secret are printed.
.TP
\fB{"instruction":{"message":"\fR...\fB"}}\fR
What the user has to do now, such as opening a URL.
.TP
\fB{"log":{"level":"\fR...\fB","message":"\fR...\fB"}}\fR
With \fB\-\-verbose\fR: a file or a service that is used.
.PP
The hint is \fBnull\fR where there is none. Notes, which repeat the report in words, are not printed.
"#;

/// `cc-json(5)`.
pub fn page() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut out = format!(
        ".TH CC\\-JSON 5 {DATE} \"cc-auth-tools {version}\" \"ClusterCockpit account tools\"\n{CONVENTIONS}"
    );
    let schemas = schemas();
    for tool in TOOLS {
        let own: Vec<&Value> = schemas.values().filter(|schema| program(schema) == tool.name).collect();
        if !own.is_empty() {
            let _ = writeln!(out, ".SH {}", roff(&tool.name.to_uppercase()));
        }
        for schema in own {
            let occasion = text(schema, "x-occasion");
            let comma = if occasion.is_empty() { "" } else { ", " };
            let _ = writeln!(out, ".SS {}{comma}{}", roff(text(schema, "title")), roff(occasion));
            report(&mut out, schema);
        }
    }
    out.push_str(".SH CHECKS\nThe checks that warnings and the steps of a verdict are named after.\n");
    for (name, about) in CHECKS {
        let _ = write!(out, ".TP\n\\fB{}\\fR\n{}\n", roff(name), roff(&plain_text(&sentence(about))));
    }
    out.push_str(".SH EXAMPLES\n.nf\ncc\\-user show fritz \\-\\-json | jq \\-r '.roles[]'\n.fi\n");
    out.push_str(
        ".SH SEE ALSO\n.BR cc\\-auth (7),\n.BR cc\\-jwt (1),\n.BR cc\\-login (1),\n.BR cc\\-user (1)\n",
    );
    tidy(&out)
}

/// The section of a command's own page; nothing where its report has no schema.
pub fn section(command: &str) -> String {
    let mut out = String::new();
    for schema in schemas().values().filter(|schema| text(schema, "title") == command) {
        let occasion = text(schema, "x-occasion");
        if out.is_empty() {
            out.push_str(".SH JSON OUTPUT\n");
        }
        if !occasion.is_empty() {
            let _ = writeln!(out, ".SS {}", roff(occasion));
        }
        report(&mut out, schema);
    }
    out
}

fn report(out: &mut String, schema: &Value) {
    let description = plain_text(text(schema, "description"));
    if !description.is_empty() {
        let _ = writeln!(out, "{}", roff(&description));
    }
    if schema["x-stream"] == true {
        out.push_str("One JSON document a line.\n");
    }
    members(out, schema, "");
}

fn program(schema: &Value) -> &str {
    text(schema, "title").split(' ').next().unwrap_or_default()
}

fn text<'a>(schema: &'a Value, name: &str) -> &'a str {
    schema.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The members of an object, those of nested objects with their path.
fn members(out: &mut String, schema: &Value, path: &str) {
    for alternative in alternatives(schema) {
        if alternative.get("type").and_then(Value::as_str) == Some("array") {
            members(out, &alternative["items"], &format!("{path}[]"));
        }
        if let Some(value) = alternative.get("additionalProperties").filter(|value| value.is_object()) {
            members(out, value, &format!("{path}.*"));
        }
        let Some(properties) = alternative.get("properties").and_then(Value::as_object) else { continue };
        for (name, member) in properties {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let _ = write!(out, ".TP\n\\fB{}\\fR (\\fI{}\\fR)\n", roff(&path), roff(&type_name(member)));
            let description = member.get("description").and_then(Value::as_str).unwrap_or_default();
            let _ = writeln!(out, "{}", roff(&plain_text(description)));
            members(out, member, &path);
        }
    }
}

/// The type of a member in words.
fn type_name(schema: &Value) -> String {
    let mut names: Vec<String> = Vec::new();
    for alternative in alternatives(schema) {
        let types: Vec<&str> = match alternative.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let constants = alternative.get("enum").and_then(Value::as_array).into_iter().flatten();
        let constants: Vec<String> = constants
            .chain(alternative.get("const"))
            .filter_map(|value| Some(format!("\"{}\"", value.as_str()?)))
            .collect();
        for name in types {
            let name = match name {
                "string" if !constants.is_empty() => constants.join(" or "),
                "array" => format!("array of {}", type_name(&alternative["items"])),
                other => other.to_owned(),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    if names.is_empty() { "any value".to_owned() } else { names.join(" or ") }
}

/// The schema itself, or the schemas of which one applies.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let several = ["anyOf", "oneOf"].iter().find_map(|name| schema.get(name).and_then(Value::as_array));
    match several {
        Some(several) => several.iter().flat_map(alternatives).chain([schema]).collect(),
        None => vec![schema],
    }
}

/// A doc comment in one line, without the marks of rustdoc.
fn plain_text(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(['`', '[', ']'], "")
}
