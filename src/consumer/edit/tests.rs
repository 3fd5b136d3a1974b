use proptest::prelude::*;

use super::*;
use crate::consumer::Target;

const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJuZXcifQ.bmV3";

/// Replaces the value of a target `FILE#MEMBER` in a text.
fn replace(target: &str, text: &str, value: &str) -> Result<String, EditError> {
    let target = Target::parse(target).unwrap();
    let found = FoundValue::find(text, &target.file.to_string_lossy(), target.member.steps())?;
    Ok(found.replaced(value)?.to_string())
}

#[test]
fn value_is_replaced_in_each_format_and_nothing_else() {
    for (target, text) in [
        ("a.json#/cc/jwt", "{ \"x\" : [1.10, {}],\r\n\t\"cc\": {\"jwt\" :\"OLD\", \"n\": 1e2 } }\r\n"),
        ("a.json#/0/b~1c/1", "[{\"b/c\": [\"OLD\", \"OLD\"]}]"),
        ("a.yaml#/cc/jwt", "# comment: é\ncc:   # more\n  jwt:   OLD   # why\n  n: 010\n"),
        ("a.yaml#/cc/jwt", "cc: {a: [x, y], jwt: \"OLD\", b: 'it''s'}\n"),
        ("a.yaml#/cc/jwt", "{cc: {a: [x, 'y'], \"jwt\": OLD}} # flow\n"),
        ("a.yml#/0/jwt", "[\n  {jwt: 'OLD', x: 1}, # first\n]\n"),
        ("a.yaml#/jwt", "{\"jwt\": \"OLD\", \"s\": \"\\ud834\\udd1e\"}\n"),
        ("a.yaml#/cc/1/jwt", "cc:\r\n- jwt: OLD\r\n- jwt: 'OLD'\r\n"),
        ("a.yaml#/1/jwt", "a: 1\n---\njwt: OLD\n...\n"),
        ("a.yaml#/jwt", "a: |\n  jwt: OLD\n\nx: &anchor y\njwt: \"OLD\"\nb: *anchor\n"),
        (".env#B", "A=1\n# B=OLD\nexport B=\"OLD\"  # note\nC: $A\n"),
        (".env#B", "B='OLD'\r\nA=\"x\ny\"\r\n"),
        ("x.env#B", "B=OLD\n"),
        ("default#TOKEN", "# TOKEN=OLD\nTOKEN=OLD\nOTHER=\"OLD\"\n"),
        ("a.conf#CCSYNC_APIKEY", "A = 1\n  CCSYNC_APIKEY = OLD\n"),
        ("a.service#Service.Environment.B", "[Unit]\nB=1\n[Service]\nEnvironment=A=1 \"B=OLD\" C=\"OLD\"\n"),
        ("a.service#Service.Environment.C", "[Service]\nEnvironment=A=1 B=OLD C=\"OLD\"\n"),
        (
            "a.service#Service.Environment.B",
            "[Service]\nEnvironment=A=1 \\\n  B=OLD \\\n  \"C=d e\"\nUser=x\n",
        ),
        ("a.ini#a.b", "[a]\n  b = OLD\n  c = d\n"),
        ("a.toml#a.b", "[a]\nb = 'OLD'\n  [a.c]\n"),
        ("a.toml#sinks.http.jwt", "[sinks.http]\njwt = \"OLD\" # note\n[sinks.other]\njwt = 'OLD'\n"),
        ("token", "OLD\n"),
        ("token", " OLD"),
    ] {
        let old = replace(target, text, "Bearer-1.2").unwrap();
        let new = replace(target, &old, TOKEN).unwrap();
        assert_eq!(new.replacen(TOKEN, "Bearer-1.2", 1), old, "{target} {text}");
        assert_eq!(old.replacen("Bearer-1.2", "OLD", 1).len(), text.len(), "{target} {text}");
        let found = Target::parse(target).unwrap();
        let found = FoundValue::find(&new, &found.file.to_string_lossy(), found.member.steps()).unwrap();
        assert_eq!(found.value.as_str(), TOKEN);
    }
}

#[test]
fn empty_value_is_filled() {
    for (target, text, expected) in [
        ("a.json#/jwt", "{\"jwt\":\"\"}", "{\"jwt\":\"NEW\"}"),
        ("a.yaml#/jwt", "jwt: ''\n", "jwt: 'NEW'\n"),
        (".env#B", "A=1\nB=\nC=2\n", "A=1\nB=NEW\nC=2\n"),
        (".env#B", "B=\"\"\n", "B=\"NEW\"\n"),
        ("default#B", "B=\nC=2\n", "B=NEW\nC=2\n"),
        ("default#B", "B=''", "B='NEW'"),
        ("token", "\n", "NEW\n"),
        ("token", "", "NEW"),
    ] {
        assert_eq!(replace(target, text, "NEW").as_deref(), Ok(expected), "{target} {text:?}");
    }
}

#[test]
fn value_in_a_secret_is_decoded_and_encoded() {
    let encode = |text: &str| BASE64.encode(text.as_bytes());
    let text = |inner: &str| {
        format!(
            "kind: Secret\nmetadata:\n  name: x # note\ndata:\n  sinks.json: {}\n  other: eA==\n",
            encode(inner)
        )
    };
    let inner = |token: &str| format!("{{\"http\": {{\"jwt\": \"{token}\"}}}}\n");
    let new = replace("s.yaml#/data/sinks.json#/http/jwt", &text(&inner("OLD")), TOKEN).unwrap();
    assert_eq!(new, text(&inner(TOKEN)));
    let new = replace("s.yaml#/data/sinks.json", &text("OLD"), TOKEN).unwrap();
    assert_eq!(new, text(TOKEN));
    let json = format!("{{\"kind\":\"Secret\",\"data\":{{\".env\":\"{}\"}}}}", encode("A=1\nT=OLD\n"));
    let new = replace("s.json#/data/.env#T", &json, TOKEN).unwrap();
    assert!(new.contains(&encode(&format!("A=1\nT={TOKEN}\n"))), "{new}");
    let other = text("OLD").replace("kind: Secret", "kind: Other");
    assert!(
        replace("s.yaml#/data/sinks.json", &other, TOKEN)
            .unwrap()
            .contains(&format!("sinks.json: {TOKEN}\n"))
    );
}

#[test]
fn value_that_cannot_be_replaced_safely_is_rejected() {
    for (target, text, reason) in [
        ("a.json#/a", "{\"a\": 1}", "expected a string, found a number"),
        ("a.json#/a", "{\"a\": {}}", "expected a string, found an object"),
        ("a.json#/a", "{\"a\": \"x\", \"a\": \"y\"}", "found 2 times: expected once"),
        ("a.json#/a/b", "{\"a\": {\"b\": \"x\"}, \"a\": {}}", "'/a' was found 2 times, expected once"),
        ("a.json#/a/0/b", "{\"a\": {}, \"a\": [{\"b\": \"x\"}]}", "'/a' was found 2 times, expected once"),
        ("a.json#/a", "{\"a\": \"x\", // c\n}", "invalid JSON: "),
        ("a.json#/a", "{a: x}", "invalid JSON: "),
        ("a.yaml#/a", "{a: x", "invalid YAML: "),
        ("a.json#/a", "\u{feff}{\"a\": \"x\"}", "the file begins with a byte order mark"),
        ("a.yaml#/a", "a: |\n  x\n", "the value is a block (| or >): write it on the line of its name"),
        ("a.yaml#/a", "a: x\n  y\n", "the value spans several lines: write it on one line"),
        ("a.yaml#/a", "a: \"x\n  y\"\n", "the value spans several lines: write it on one line"),
        ("a.yaml#/a", "a:\nb: 1\n", "the value is empty: write '' as the value first"),
        ("a.yaml#/a", "b: &x y\na: *x\n", "expected a string, found an alias"),
        ("a.yaml#/a", "a: &x y\nb: *x\n", "the value has an anchor: its aliases would change as well"),
        ("a.yaml#/a", "a: !!str x\n", "the value has a tag: write it without one"),
        ("a.yaml#/a", "a: [\n", "invalid YAML: line "),
        (".env#A", "A=\"$B\"\n", "the value contains the value of another variable"),
        (".env#A", "A=\"x\\ny\"\n", "the value contains escapes"),
        (".env#A", "A=1\nA=2\n", "found 2 times: expected once"),
        (
            "a.ini#a.b",
            "[a]\nb =\n  x\n",
            "the value continues on the next line: write it on the line of its name",
        ),
        ("a.ini#a.b", "[a]\nb = x\n y\n", "the value continues on the next line"),
        (
            "a.toml#a",
            "a = { b = \"x\" }\n",
            "the value is a table or an array: write its members on lines of",
        ),
        ("a.service#S.Environment.A", "[S]\nEnvironment=A=x\\\n B=y\n", "the value contains quotes, escapes"),
        ("default#A", "A=x # y\n", "the value has blanks and is not in quotes"),
        ("default#A", "A=\"x\" y\n", "the value is followed by other text"),
        ("default#A", "A=\"x\n", "the value does not have a closing quote on its line"),
    ] {
        let result = replace(target, text, TOKEN);
        let message = result.expect_err(target).to_string();
        assert!(message.starts_with(reason), "{target} {text:?}: {message}");
    }
}

#[test]
fn missing_member_is_described_by_its_neighbors() {
    for (target, text, message, similar) in [
        (
            "a.json#/cc/jtw",
            "{\"cc\": {\"type\": \"http\", \"jwt\": \"\"}, \"b\": 1}",
            "not found: '/cc' has 'type', 'jwt'",
            Some("/cc/jwt"),
        ),
        ("a.json#/sink/jwt", "{\"cc\": {\"jwt\": \"\"}}", "not found: the file has 'cc'", Some("/cc/jwt")),
        ("a.json#/a/b", "{\"a\": {}}", "not found: '/a' has no members", None),
        ("a.yaml#/a/2", "a: [x, y]\n", "not found: '/a' has '0', '1'", None),
        ("x.env#TOKN", "TOKEN=\nB=2\n", "not found: the file has 'TOKEN', 'B'", Some("TOKEN")),
        // A hint leads to a member that a token can be written to, with all steps of the target.
        ("x.env#TOKN", "TOKEN=1\nB=2\n", "not found: the file has 'TOKEN', 'B'", None),
        ("a.yaml#/cc/jwt", "b: &b {jwt: ''}\ncc:\n  <<: *b\n", "not found: '/cc' has '<<'", None),
        ("a.json#/jwt", "{\"cc\": {\"jwt\": \"\"}}", "not found: the file has 'cc'", None),
        (
            "s.yaml#/stringData/f#/cc/jwt",
            "stringData:\n  e.json: '{\"cc\": {\"jwt\": \"\"}}'\n",
            "not found: '/stringData' has 'e.json'",
            Some("/stringData/e.json#/cc/jwt"),
        ),
        (
            "s.yaml#/stringData/e.json#/cc/jtw",
            "stringData:\n  e.json: '{\"cc\": {\"jwt\": \"\"}}'\n",
            "not found: '/cc' has 'jwt'",
            Some("/stringData/e.json#/cc/jwt"),
        ),
        (
            "a.json#/x",
            "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}",
            "not found: the file has 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' and 1 more",
            None,
        ),
    ] {
        let problem = replace(target, text, TOKEN).expect_err(target);
        assert_eq!(problem.to_string(), message);
        let EditError::Missing { similar: found, .. } = problem else { panic!("{target}") };
        assert_eq!(found.as_deref(), similar, "{target} {text}");
    }
    let text = format!("{{\"{TOKEN}\": 1, \"a\": 2}}");
    let message = replace("a.json#/x", &text, TOKEN).expect_err("missing").to_string();
    assert_eq!(message, "not found: the file has 'a'", "a name that is a token is not printed");
}

#[test]
fn header_in_a_file_for_curl_is_replaced_after_its_beginning() {
    let text = |token: &str| format!("Accept: a/b\nAuthorization: Bearer {token}\n");
    let old = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJvbGQifQ.b2xk";
    let value = format!("Bearer {TOKEN}");
    assert_eq!(replace("headers#Authorization", &text(old), &value).unwrap(), text(TOKEN));
}

#[test]
fn header_of_a_curl_configuration_is_the_one_with_a_token() {
    let text = |token: &str| {
        format!("url = \"https://x\"\nheader = \"Accept: a/b\"\nheader = \"Authorization: Bearer {token}\"\n")
    };
    let old = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJvbGQifQ.b2xk";
    let value = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(replace("curlrc#header", &text(old), &value).unwrap(), text(TOKEN));
    let two = text(old) + &text(old);
    assert_eq!(replace("curlrc#header", &two, &value), Err(EditError::Duplicate(4)));
}

/// A document as a tree of members, written in several ways.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        "[ -~é☃\n\t]{0,12}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..5).prop_map(serde_json::Value::from),
            proptest::collection::vec(("[ -~é]{1,6}", inner), 1..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// All pointers of texts in a tree.
fn texts(value: &serde_json::Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    match value {
        serde_json::Value::String(_) => found.push(path.clone()),
        serde_json::Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                path.push(index.to_string());
                texts(value, path, found);
                path.pop();
            }
        }
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                path.push(name.clone());
                texts(value, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Checks that a change of the value at each path changes its bytes only. Returns the number of changes.
fn changes_only_values(text: &str, name: &str, tree: &serde_json::Value) -> usize {
    let mut paths = Vec::new();
    texts(tree, &mut Vec::new(), &mut paths);
    let mut changes = 0;
    for path in paths.iter().filter(|path| !path.is_empty()) {
        let step = TargetStep::Pointer(path.clone());
        let found = match FoundValue::find(text, name, std::slice::from_ref(&step)) {
            Ok(found) => found,
            // YAML writes some texts on several lines; these are rejected.
            Err(EditError::Unsafe(_)) if name.ends_with("yaml") => continue,
            Err(other) => panic!("{path:?} in {text}: {other}"),
        };
        let expected = path.iter().fold(tree, |value, name| match value {
            serde_json::Value::Array(list) => &list[name.parse::<usize>().unwrap()],
            other => &other[name],
        });
        assert_eq!(Some(found.value.as_str()), expected.as_str(), "{path:?} in {text}");
        let Content::Text { range, .. } = found.levels[0].content().clone() else { panic!() };
        let new = found.replaced(TOKEN).unwrap();
        assert_eq!(new[..range.start], text[..range.start]);
        assert_eq!(new[new.len() - (text.len() - range.end)..], text[range.end..]);
        let again = FoundValue::find(&new, name, &[step]).unwrap();
        assert_eq!(again.value.as_str(), TOKEN);
        // Back to the old value: the file is as it was, up to the way in which the value is written.
        let back = again.replaced(&found.value).unwrap_or_default();
        let read = |text: &str| members_of(text, name);
        assert!(back.is_empty() || read(&back) == read(text), "{path:?} in {text}");
        changes += 1;
    }
    changes
}

fn members_of(text: &str, name: &str) -> Vec<(Vec<String>, Option<String>)> {
    let format = if name.ends_with("yaml") { Format::Yaml } else { Format::Json };
    let members = format.members(text).unwrap();
    members
        .into_iter()
        .map(|member| match member.content {
            Content::Text { value, .. } => (member.path, Some(value.to_string())),
            Content::Other(_) => (member.path, None),
        })
        .collect()
}

proptest! {
    #[test]
    fn json_of_any_form_changes_in_the_value_only(tree in json(), indented in any::<bool>()) {
        if tree.is_object() || tree.is_array() {
            let text = if indented { serde_json::to_string_pretty(&tree).unwrap() } else { tree.to_string() };
            changes_only_values(&text, "x.json", &tree);
        }
    }

    #[test]
    fn yaml_of_any_form_changes_in_the_value_only(tree in json(), comment in "[ -~]{0,10}") {
        if tree.is_object() {
            // JSON in a document of YAML is YAML of another style.
            let text = format!("# {comment}\n{}\n", tree);
            changes_only_values(&text, "x.yaml", &tree);
        }
    }

    #[test]
    fn environment_file_of_any_form_changes_in_the_value_only(
        values in proptest::collection::vec(("[A-Z_]{1,8}", "[a-zA-Z0-9 .#=:-]{0,12}", 0_usize..3), 1..6),
        end in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        let mut text = String::from("# first\n");
        for (index, (name, value, form)) in values.iter().enumerate() {
            let value = match form { 0 => value.replace([' ', '#'], "x"), 1 => format!("\"{value}\""), _ => format!("'{value}'") };
            text += &format!("{name}{index}={value}{end}");
        }
        for (index, (name, ..)) in values.iter().enumerate() {
            for file in ["x.env", "default"] {
                let setting = TargetStep::Setting(format!("{name}{index}"));
                let found = FoundValue::find(&text, file, &[setting]).unwrap();
                let Content::Text { range, .. } = found.levels[0].content().clone() else { panic!() };
                let new = found.replaced(TOKEN).unwrap();
                prop_assert_eq!(&new[..range.start], &text[..range.start]);
                prop_assert_eq!(&new[range.start + TOKEN.len()..], &text[range.end..]);
            }
        }
    }

    #[test]
    fn text_of_any_form_is_read_without_a_panic(text in "[ -~\n\"'{}\\[\\]:,é]{0,80}") {
        for target in ["a.json#/a", "a.yaml#/a", ".env#A", "a#A", "a"] {
            let _ = replace(target, &text, TOKEN);
        }
    }
}
