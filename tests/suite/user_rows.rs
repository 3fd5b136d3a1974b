//! Every row that a server or another tool can have written goes through an export and an import
//! and is the same again.

use std::path::Path;

use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::support::TestEnv;
use crate::user_db::server_database;

/// Usernames as SQL expressions.
const USERNAMES: &[&str] = &[
    "'plain'",
    "''",
    "' before'",
    "'after '",
    "'in side'",
    "'jürgen'",
    "'李雷'",
    "'UPPER'",
    "'upper'",
    "'a,b'",
    "'a;b'",
    "'a\"b'",
    "'it''s'",
    "'a' || char(10) || 'b'",
    "'a' || char(13)",
    "char(9) || 't'",
    "char(0)",
    "'a' || char(0) || 'b'",
    "char(27) || '[2J'",
    "char(0x202e) || 'x'",
    "char(0xfeff) || 'bom'",
    "'null'",
    "'NULL'",
    "'-'",
    "'#x'",
    "'=1+1'",
    "'[\"x\"]'",
    "'{\"text\":\"x\"}'",
    "'{\"null\":true}'",
    "'{'",
    "CAST(x'ff' AS TEXT)",
    "CAST('blobname' AS BLOB)",
    "x'ff00'",
    "x''",
    "'0'",
    "'00'",
    "printf('%.300c', 'x')",
    "replace(hex(zeroblob(51)), '00', 'ü')",
    "'username'",
    "'a:b:c'",
    "'\\'",
    "'a\\nb'",
];

/// Roles or projects as SQL expressions.
const LISTS: &[&str] = &[
    "'[]'",
    "'null'",
    "'[\"user\"]'",
    "CAST('[\"user\"]' AS BLOB)",
    "CAST('null' AS BLOB)",
    "CAST('[]' AS BLOB)",
    "'[\"\"]'",
    "CAST('[\"\"]' AS BLOB)",
    "'[\"api\",null]'",
    "'[null]'",
    "'[\"api\", \"user\"]'",
    "' [\"api\"]'",
    "'[\"api\"] '",
    "'[' || char(10) || '\"api\"]'",
    "'[ ]'",
    "'[\"Admin\"]'",
    "'[\"wizard\"]'",
    "'[\"manager\"]'",
    "'[\"admin\",\"admin\"]'",
    "'[\"p,1\"]'",
    "'[\"[\"]'",
    "'[\" p \"]'",
    "'[\"a\\u0026b\"]'",
    "'[\"\\ud83d\\ude00\"]'",
    "'[\"null\"]'",
    "'[\"{\"]'",
    "'[\"a\\\"b\"]'",
    "'[\"a\\nb\"]'",
    "'[\"p1\",\"p2\",\"p1\"]'",
    "''",
    "' '",
    "'garbage'",
    "'\"api\"'",
    "'5'",
    "5",
    "1.5",
    "'[1]'",
    "'{}'",
    "'[\"api\",1]'",
    "'[[]]'",
    "'[\"a\"] x'",
    "'{\"text\":\"[]\"}'",
    "x'ff'",
    "CAST(x'5bff5d' AS TEXT)",
    "CAST('garbage' AS BLOB)",
    "x''",
    "'[\"\\ud800\"]'",
    "'true'",
    "'[\"user\",\"api\"]'",
    "'user,api'",
];

/// Texts that may be NULL as SQL expressions: full name, mail address, password.
const TEXTS: &[&str] = &[
    "NULL",
    "''",
    "'Anna'",
    "'Anna \"A\" Berg, Dr.'",
    "' blank '",
    "'{\"text\":\"x\"}'",
    "'{\"text\":1}'",
    "'a' || char(10) || 'b'",
    "'a' || char(13) || char(10)",
    "char(0)",
    "CAST('Anna' AS BLOB)",
    "x'ff'",
    "CAST(x'c3' AS TEXT)",
    "'null'",
    "5",
    "'no mail address'",
    "'@'",
    "printf('%.300c', 'x')",
    "'$2a$10$YMTeS9OzuTHc6xU5zVrW1eLRHS.UC0SHRwVTYAzAwOzQJGkEpn3Wa'",
    "'!$2y$04$YMTeS9OzuTHc6xU5zVrW1eLRHS.UC0SHRwVTYAzAwOzQJGkEpn3Wa'",
    "'hunter2'",
    "'!'",
    "'*'",
    "'{SSHA}x'",
    "'$2a$31$YMTeS9OzuTHc6xU5zVrW1eLRHS.UC0SHRwVTYAzAwOzQJGkEpn3Wa'",
    "char(0xfeff)",
    "'$6$salt$hash'",
];

/// Auth sources as SQL expressions.
const SOURCES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "4",
    "9",
    "-1",
    "9223372036854775807",
    "1.5",
    "'abc'",
    "x'00'",
    "''",
    "9e999",
    "'1'",
];

/// What the server reads of a row: bytes of text and BLOB alike, but for the username.
fn rows(path: &Path) -> Vec<Vec<Value>> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT typeof(username) || hex(username), CAST(password AS BLOB), quote(ldap), CAST(name AS BLOB), CAST(roles AS BLOB),
                 CAST(email AS BLOB), CAST(projects AS BLOB) FROM hpc_user ORDER BY username",
        )
        .unwrap();
    let read = |row: &rusqlite::Row<'_>| (0..7).map(|column| row.get(column)).collect();
    statement.query_map([], read).unwrap().map(Result::unwrap).collect()
}

/// Exports the users of `from.db` and imports them into a new database in both formats; after
/// that the rows are the same.
#[track_caller]
fn assert_round_trip(directory: &TestEnv) {
    let before = rows(&directory.file("from.db"));
    for format in ["csv", "jsonl"] {
        let (file, database) = (format!("users.{format}"), format!("to-{format}.db"));
        let export = ["export", "--with-passwords", "--force", "--db", "from.db", "-o", &file];
        directory.run("cc-user", &export).ended(0);
        let _ = std::fs::remove_file(directory.file(&database));
        drop(server_database(&directory.file(&database), 10, "hpc_user", true));
        directory.run("cc-user", &["import", &file, "--db", &database]).ended(0);
        let after = rows(&directory.file(&database));
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before, after, "{format}");
        }
        assert_eq!(before.len(), after.len(), "{format}");
        // Again, with all rows there: nothing is changed, and nothing is in the way.
        let updated =
            directory.run("cc-user", &["import", &file, "--db", &database, "--update", "--json", "-q"]);
        let report = updated.ended(0).json();
        assert_eq!(report["unchanged"].as_array().unwrap().len(), before.len(), "{format}");
        assert_eq!(report["changed"], serde_json::json!([]), "{format}");
        directory.run("cc-user", &["import", &file, "--db", &database, "--skip-existing", "-q"]).ended(0);
        assert_eq!(rows(&directory.file(&database)), after);
    }
}

#[test]
fn odd_rows_are_the_same_after_export_and_import() {
    let directory = TestEnv::new();
    let connection = server_database(&directory.file("from.db"), 10, "hpc_user", true);
    let mut count = 0;
    let mut insert = |columns: &str, values: &str| {
        let statement = format!("INSERT INTO hpc_user ({columns}) VALUES ({values})");
        connection.execute_batch(&statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        count += 1;
    };
    for username in USERNAMES {
        insert("username", username);
    }
    for (number, list) in LISTS.iter().enumerate() {
        insert("username, roles", &format!("'roles{number}', {list}"));
        insert("username, projects", &format!("'projects{number}', {list}"));
        insert("username, roles, projects", &format!("'both{number}', {list}, {list}"));
    }
    for (number, text) in TEXTS.iter().enumerate() {
        insert("username, name, roles", &format!("'name{number}', {text}, '[\"user\"]'"));
        insert("username, email", &format!("'email{number}', {text}"));
        insert("username, password", &format!("'password{number}', {text}"));
    }
    for (number, source) in SOURCES.iter().enumerate() {
        insert("username, ldap", &format!("'source{number}', {source}"));
    }
    drop(connection);
    assert!(count >= 100, "{count}");
    println!("{count} rows");
    assert_round_trip(&directory);
}

#[test]
fn recorded_rows_of_the_server_are_the_same_after_export_and_import() {
    let setup: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(crate::support::data("endpoints-setup.json")).unwrap())
            .unwrap();
    let directory = TestEnv::new();
    let connection = server_database(&directory.file("from.db"), 10, "hpc_user", true);
    let text = |value: Option<&serde_json::Value>| match value {
        None => "[]".to_owned(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(list) => list.to_string(),
    };
    for table in ["hpc_user", "hpc_user_corrupt"] {
        for row in setup[table].as_array().unwrap() {
            let source = row.get("ldap").map_or(0, |number| number.as_i64().unwrap());
            connection
                .execute(
                    "INSERT INTO hpc_user (username, ldap, name, roles, projects) VALUES (?1, ?2, ?3, ?4, ?5)",
                    (
                        row["username"].as_str(),
                        source,
                        row.get("name").and_then(|name| name.as_str()),
                        text(row.get("roles")),
                        text(row.get("projects")),
                    ),
                )
                .unwrap();
        }
    }
    drop(connection);
    assert_round_trip(&directory);
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_filter("NULL", |real| !real.is_nan()).prop_map(Value::Real),
        "\\PC{0,12}".prop_map(Value::Text),
        "[a-z\\[\\]{}\", ;\n\r\\x00:]{0,12}".prop_map(Value::Text),
        proptest::collection::vec("[a-z, \"\\[\\\\]{0,5}", 0..4)
            .prop_map(|list| Value::Text(serde_json::Value::from(list).to_string())),
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(Value::Blob),
    ]
}

#[test]
fn arbitrary_rows_are_the_same_after_export_and_import() {
    let row = (value(), value(), value(), value(), value(), value(), value());
    let cases = proptest::collection::vec(row, 200);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 3,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&cases, |rows| {
            let directory = TestEnv::new();
            let mut connection = server_database(&directory.file("from.db"), 10, "hpc_user", true);
            let transaction = connection.transaction().unwrap();
            for row in rows {
                // A username that occurs twice is left out.
                transaction
                    .execute("INSERT OR IGNORE INTO hpc_user VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", row)
                    .unwrap();
            }
            transaction.commit().unwrap();
            drop(connection);
            assert_round_trip(&directory);
            Ok(())
        })
        .unwrap();
}

#[test]
fn backup_with_one_damaged_row_restores_the_deleted_users() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    let connection = Connection::open(directory.file("var/job.db")).unwrap();
    connection
        .execute_batch(
            r#"INSERT INTO {table} (username, roles, projects, password) VALUES
               ('a', '["user"]', 'null', NULL), ('bad', 'garbage', '[]', 'hunter2'), ('x', '["Wizard"]', '["p"]', '')"#
                .replace("{table}", "user")
                .as_str(),
        )
        .unwrap();
    let exported = directory.run("cc-user", &["export", "--with-passwords", "-o", "backup.jsonl"]).ended(0);
    assert!(exported.stderr.contains("warning: the row of 'bad' is invalid and was exported unchanged"));
    directory.run("cc-user", &["del", "a", "x"]).ended(0);
    let restored = directory.run("cc-user", &["import", "backup.jsonl", "--skip-existing"]).ended(0);
    assert!(restored.stderr.contains("added 2, changed 0, unchanged 0, skipped 1"), "{}", restored.stderr);
    assert_eq!(directory.run("cc-user", &["list", "--names"]).ended(74).stdout, "a\nbad\nx\n");
}

/// The table is read a page of rows at a time; the last username of a page can be anything.
#[test]
fn list_continues_after_a_page_that_ends_with_an_odd_username() {
    let directory = TestEnv::new();
    let connection = server_database(&directory.file("from.db"), 10, "hpc_user", true);
    connection
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3500)
             INSERT INTO hpc_user (username)
             SELECT CASE WHEN i > 2500 THEN CAST('b' || i AS BLOB)
                 ELSE CAST(CAST('n' || printf('%04d', i) AS BLOB) || x'ff' AS TEXT) END FROM n",
        )
        .unwrap();
    drop(connection);
    let listed = directory.run("cc-user", &["list", "--names", "--db", "from.db"]).ended(0).stdout;
    assert_eq!(listed.lines().count(), 3500);
    assert_round_trip(&directory);
}
