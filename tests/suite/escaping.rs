//! Text for another language (shell, SQL, LDAP, CSV, HTML, JSON) is written in one place each: no
//! other source file has what such a writer consists of.

use std::fs;
use std::path::{Path, PathBuf};

/// Source files below `src` with their code, tests left out.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open: Vec<PathBuf> = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let code = crate::support::code_without_tests(&path);
                let code: Vec<&str> =
                    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.push((name, code.join("\n")));
            }
        }
    }
    assert!(found.len() > 100, "{} files", found.len());
    found
}

/// What a writer of a language consists of, and the only files that may have it.
const WRITERS: [(&str, &str, &[&str]); 9] = [
    ("a word of a shell", "r\"'\\''\"", &["util/shell.rs"]),
    ("a command for a shell", "Command::new(\"sh\")", &["cli/cc_login/browser.rs"]),
    ("a field of CSV", "\"\\\"\\\"\"", &["user/exchange/csv.rs"]),
    ("HTML", "&lt;", &["login/oidc/page.rs"]),
    ("an LDAP filter", "={}))\"", &["ldap/escape.rs"]),
    ("an LDAP filter", "={})\"", &["ldap/escape.rs"]),
    ("JSON text", "serde_json::to_string", &["cli/console.rs", "util/json_text.rs"]),
    (
        "JSON text",
        "serialize_json(",
        &[
            "cli/cc_jwt/verify.rs",
            "cli/cc_jwt/inspect.rs",
            "cli/cc_jwt/issue.rs",
            "cli/cc_jwt/spec_issue.rs",
            // A report with a private key, whose text is cleared from memory; it is escaped there.
            "cli/gen_keypair/pair.rs",
            // The exact form of a column, which is a field of CSV.
            "user/exchange/value.rs",
            // A list in a column of the user table, as the server stores it.
            "user_db/column.rs",
            // A line of an export, which is escaped there.
            "user/exchange/json.rs",
            // A line of the journal, which is escaped there.
            "history/line.rs",
            // The answer to a Kubernetes client; a token with other characters than ASCII is rejected.
            "token/format.rs",
            // Claims that are signed as they are, and claims for the log, which are escaped there.
            "token/sign.rs",
            "login/oidc/id_token.rs",
        ],
    ),
    ("JSON text", "serde_json::to_writer", &[]),
];

#[test]
fn escaping_each_language_is_written_in_one_place() {
    let sources = sources();
    for (language, mark, files) in WRITERS {
        for (name, code) in &sources {
            let is_there = code.contains(mark);
            let is_known = files.contains(&name.as_str());
            assert!(!is_there || is_known, "src/{name} writes {language}: {mark}");
        }
        for file in files {
            let (_, code) = sources.iter().find(|(name, _)| name == file).unwrap();
            assert!(code.contains(mark), "src/{file} no longer writes {language}");
        }
    }
}

/// Statements are put together of names that the layout of the database fixes; values are bound.
#[test]
fn escaping_sql_statement_holds_no_value() {
    let mut statements = 0;
    for (name, code) in sources() {
        for (at, _) in code.match_indices("format!(") {
            let call: String = code[at..].chars().take_while(|c| *c != ';').collect();
            let literal = call.split('"').nth(1).unwrap_or_default();
            let is_statement = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "PRAGMA "]
                .iter()
                .any(|keyword| literal.starts_with(keyword));
            if !is_statement {
                continue;
            }
            statements += 1;
            let is_fixed = |word: &str| {
                ["table", "more", "place", "places", "columns", "projects", "order"].contains(&word)
            };
            for placeholder in literal.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                let named = !placeholder.is_empty() && is_fixed(placeholder);
                let by_layout = placeholder.is_empty()
                    && ["layout.table", "layout.select()", "self.table"]
                        .iter()
                        .any(|name| call.contains(name));
                assert!(named || by_layout, "src/{name}: {call}");
            }
        }
    }
    assert!(statements > 5, "{statements} statements");
}
