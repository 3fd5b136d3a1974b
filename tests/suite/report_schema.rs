//! Reports of `--json` against the schemas in `docs/schemas`: a checker of the keywords that these schemas use. It
//! is stricter than JSON Schema: a member that the schema does not have is an error, and so is an unknown keyword.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

/// The schemas by file name without its extension, so that the first form of a report comes first.
pub fn schemas() -> BTreeMap<String, Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let schema = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), schema)
        })
        .collect()
}

/// The command of a shell line whose standard output is the report of `--json`; none for other lines, and where
/// another program reads the output.
pub fn reporting_command(line: &str) -> Option<&str> {
    let last = line.rsplit([';', '|']).next().unwrap_or_default();
    let last = last.rsplit("&&").next().unwrap_or_default().trim();
    if !last.split_whitespace().any(|word| word == "--json") || last.contains('>') {
        return None;
    }
    const PROGRAMS: [&str; 5] = ["gen-keypair", "convert-pem-pubkey", "cc-user", "cc-jwt", "cc-login"];
    PROGRAMS.iter().find_map(|program| {
        let at = last.match_indices(program).map(|(at, _)| at).find(|at| {
            let assignments = &last[..*at];
            assignments.is_empty() || assignments.ends_with(' ') && assignments.contains('=')
        })?;
        Some(&last[at..])
    })
}

/// The errors of the two streams of a command with `--json`: each document of standard output has one of the forms
/// of the command's report, each line of standard error one of the four forms of `cc-json(5)`.
pub fn stream_errors(command: &str, stdout: &str, stderr: &str) -> Vec<String> {
    let documents = |text: &str| -> Result<Vec<Value>, serde_json::Error> {
        serde_json::Deserializer::from_str(text).into_iter().collect()
    };
    let all = schemas();
    let title = |schema: &Value| schema["title"].as_str().unwrap().to_owned();
    let is_own = |title: &str| command == title || command.starts_with(&format!("{title} "));
    let longest = all.values().map(title).filter(|title| is_own(title)).max_by_key(String::len);
    let forms: Vec<(&String, &Value)> =
        all.iter().filter(|(_, schema)| Some(title(schema)) == longest).collect();
    let mut errors = Vec::new();
    match documents(stdout) {
        Ok(reports) => errors.extend(reports.iter().flat_map(|report| form_errors(report, &forms))),
        Err(error) => errors.push(format!("standard output is not JSON: {error}")),
    }
    match documents(stderr) {
        Ok(lines) => errors.extend(lines.iter().flat_map(error_line_errors)),
        Err(error) => errors.push(format!("standard error is not JSON: {error}")),
    }
    errors
}

/// The errors of a report by each form, if it has none of the forms.
fn form_errors(report: &Value, forms: &[(&String, &Value)]) -> Vec<String> {
    let errors: Vec<String> = forms
        .iter()
        .map(|(name, schema)| {
            let mut errors = Vec::new();
            check(report, schema, "", &mut errors);
            if errors.is_empty() { String::new() } else { format!("{name}: {}", errors.join("; ")) }
        })
        .collect();
    if forms.is_empty() {
        return vec![format!("no schema for {report}")];
    }
    if errors.iter().any(String::is_empty) { Vec::new() } else { errors }
}

/// The errors of a line of standard error.
fn error_line_errors(line: &Value) -> Vec<String> {
    let string = || json!({"type": "string"});
    let form = |names: &[&str]| {
        let members: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), string())).collect();
        json!({"type": "object", "properties": members, "required": names})
    };
    let with_hint = |name: &str| {
        let mut form = form(&[name, "message"]);
        form["properties"]["hint"] = json!({"type": ["string", "null"]});
        form["required"] = json!([name, "message", "hint"]);
        form
    };
    let contents = match line.as_object().map(|line| line.iter().collect::<Vec<_>>()).as_deref() {
        Some([(name, _)]) if *name == "error" => with_hint("kind"),
        Some([(name, _)]) if *name == "warning" => with_hint("check"),
        Some([(name, _)]) if *name == "instruction" => form(&["message"]),
        Some([(name, _)]) if *name == "log" => form(&["level", "message"]),
        _ => return vec![format!("standard error: unknown form: {line}")],
    };
    let mut errors = Vec::new();
    line.as_object().unwrap().values().for_each(|value| check(value, &contents, "", &mut errors));
    errors
}

/// Checks a value against a schema.
fn check(value: &Value, schema: &Value, path: &str, errors: &mut Vec<String>) {
    let keywords = match schema {
        Value::Bool(true) => return,
        Value::Object(keywords) => keywords,
        other => return errors.push(format!("{path}: unsupported schema {other}")),
    };
    for (keyword, rule) in keywords {
        let is_valid = match keyword.as_str() {
            "type" => has_type(value, rule),
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => value == rule,
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "required" => value.as_object().is_none_or(|members| {
                rule.as_array().unwrap().iter().all(|name| members.contains_key(name.as_str().unwrap()))
            }),
            "anyOf" | "oneOf" => rule.as_array().unwrap().iter().any(|alternative| {
                let mut errors = Vec::new();
                check(value, alternative, path, &mut errors);
                errors.is_empty()
            }),
            "items" => {
                let items = value.as_array().into_iter().flatten();
                items.for_each(|item| check(item, rule, &format!("{path}[]"), errors));
                true
            }
            "properties"
            | "additionalProperties"
            | "description"
            | "format"
            | "title"
            | "$schema"
            | "x-occasion"
            | "x-stream" => true,
            _ => {
                errors.push(format!("{path}: unknown keyword '{keyword}'"));
                true
            }
        };
        if !is_valid {
            errors.push(format!("{path}: {value} does not match {keyword} {rule}"));
        }
    }
    // Alternatives describe an object's members themselves.
    let is_object_schema = !keywords.contains_key("anyOf") && !keywords.contains_key("oneOf");
    if let (Value::Object(members), true, true) = (value, is_object_schema, keywords.contains_key("type")) {
        check_members(members, keywords, path, errors);
    }
}

fn check_members(
    members: &Map<String, Value>,
    keywords: &Map<String, Value>,
    path: &str,
    errors: &mut Vec<String>,
) {
    let none = Map::new();
    let properties = keywords.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for (name, member) in members {
        let path = format!("{path}.{name}");
        match properties.get(name).or_else(|| keywords.get("additionalProperties")) {
            None | Some(Value::Bool(false)) => errors.push(format!("{path}: unknown member")),
            Some(schema) => check(member, schema, &path, errors),
        }
    }
}

fn has_type(value: &Value, rule: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match rule {
        Value::String(name) => is(name),
        several => several.as_array().unwrap().iter().any(|name| is(name.as_str().unwrap())),
    }
}

#[test]
fn report_that_differs_from_its_schema_fails() {
    let member = json!({"type": ["string", "null"]});
    let schema = json!({
        "type": "object",
        "properties": {
            "name": member,
            "count": {"type": "integer", "minimum": 0},
            "list": {"type": "array", "items": {"type": "object", "properties": {"x": {"const": "a"}}}},
            "free": {"type": "object", "additionalProperties": true},
            "either": {"anyOf": [{"type": "object", "properties": {"y": member}}, {"type": "null"}]},
        },
        "required": ["name"],
    });
    let errors = |report: Value| {
        let mut errors = Vec::new();
        check(&report, &schema, "", &mut errors);
        errors
    };
    let valid =
        json!({"name": null, "count": 3, "list": [{"x": "a"}], "free": {"z": 1}, "either": {"y": "b"}});
    assert_eq!(errors(valid), Vec::<String>::new());
    assert_eq!(errors(json!({"name": "a", "either": null})), Vec::<String>::new());
    for wrong in [
        json!({}),
        json!([]),
        json!({"name": 1}),
        json!({"name": "a", "more": 1}),
        json!({"name": "a", "count": -1}),
        json!({"name": "a", "count": 1.5}),
        json!({"name": "a", "list": [{"x": "b"}]}),
        json!({"name": "a", "list": [{"y": "a"}]}),
        json!({"name": "a", "either": {"z": "b"}}),
        json!({"name": "a", "either": 1}),
    ] {
        assert!(!errors(wrong.clone()).is_empty(), "{wrong}");
    }
    let mut unknown_keyword = Vec::new();
    check(&json!(1), &json!({"multipleOf": 1}), "", &mut unknown_keyword);
    assert_eq!(unknown_keyword.len(), 1);
    for line in [
        r#"{"error":{"kind":"x","message":"m"}}"#,
        r#"{"error":{"kind":"x","message":"m","hint":null,"more":1}}"#,
        r#"{"note":{"message":"m"}}"#,
        "[]",
        "text",
    ] {
        assert!(!stream_errors("cc-user list", "", line).is_empty(), "{line}");
    }
    assert!(!stream_errors("cc-user role add x y", r#"{"unknown":1}"#, "").is_empty());
    assert_eq!(reporting_command("x=1; A=b cc-user list --json"), Some("cc-user list --json"));
    for other in
        ["cc-user list", "cc-user list --json | jq .", "cc-user list --json > x", "echo cc-user --json"]
    {
        assert_eq!(reporting_command(other), None, "{other}");
    }
}
