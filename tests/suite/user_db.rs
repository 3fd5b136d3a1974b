//! The user table: every form of it, in files that SQLite made, beside other processes.

use std::path::Path;

use cc_auth::user::{AuthSource, PasswordHash, User};
use cc_auth::user_db::{NewUser, OpenMode, UserDb, UserDbError, UserFilter, UserRecord};
use rusqlite::Connection;

use crate::support::TestEnv;

/// The user table of a schema version: its name and whether it has projects.
pub const LAYOUTS: [(i64, &str, bool); 5] =
    [(1, "user", false), (2, "user", false), (3, "user", true), (7, "user", true), (8, "hpc_user", true)];

/// A server's database as of a schema version: its own DDL, an own table beside ours, migrations.
pub fn server_database(path: &Path, version: i64, table: &str, projects: bool) -> Connection {
    let connection = Connection::open(path).unwrap();
    let projects = if projects { ", projects varchar(255) NOT NULL DEFAULT '[]'" } else { "" };
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = wal;
             CREATE TABLE {table} (username varchar(255) PRIMARY KEY NOT NULL,
                 password varchar(255) DEFAULT NULL, ldap tinyint NOT NULL DEFAULT 0,
                 name varchar(255) DEFAULT NULL, roles varchar(255) NOT NULL DEFAULT '[]',
                 email varchar(255) DEFAULT NULL{projects});
             CREATE TABLE configuration (username varchar(255), confkey varchar(255), value varchar(255),
                 PRIMARY KEY (username, confkey),
                 FOREIGN KEY (username) REFERENCES {table} (username) ON DELETE CASCADE);
             CREATE TABLE job (id INTEGER PRIMARY KEY, hpc_user varchar(255));
             INSERT INTO job (hpc_user) VALUES ('old');
             CREATE TABLE schema_migrations (version uint64, dirty bool);
             INSERT INTO schema_migrations VALUES ({version}, 0);"
        ))
        .unwrap();
    connection
}

/// Everything in a database but the content of the user table.
fn fingerprint(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut lines = Vec::new();
    for query in [
        "SELECT type || name || tbl_name || coalesce(sql, '') FROM sqlite_schema ORDER BY 1",
        "SELECT version || ' ' || dirty FROM schema_migrations",
        "SELECT id || hpc_user FROM job",
    ] {
        let mut statement = connection.prepare(query).unwrap();
        lines.extend(statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
    }
    lines
}

fn user(name: &str, roles: &[&str]) -> User {
    User {
        username: name.to_owned(),
        name: Some(format!("{name} the user")),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        projects: Vec::new(),
        email: None,
        source: AuthSource::Local,
    }
}

fn all(store: &UserDb, filter: &UserFilter) -> Vec<UserRecord> {
    let mut records = Vec::new();
    store
        .for_each(filter, |record| {
            records.push(record);
            Ok::<(), UserDbError>(())
        })
        .unwrap();
    records
}

#[test]
fn users_are_added_changed_and_deleted_in_every_schema_version_and_nothing_else_is_touched() {
    for (version, table, projects) in LAYOUTS {
        let directory = TestEnv::new();
        let path = directory.file("job.db");
        drop(server_database(&path, version, table, projects));
        let before = fingerprint(&path);

        let mut store = UserDb::open(&path, OpenMode::Write(&crate::support::author())).unwrap();
        assert_eq!(store.migration().map(|migration| migration.version), Some(version));
        let mut action = store.transaction().unwrap();
        let hash = PasswordHash::from_stored("$2a$10$x".to_owned());
        action.add(&user("fritz", &["user", "api"]), Some(&hash)).unwrap();
        action.add_many(&[user("a", &["user"]).into(), user("b", &["admin"]).into()]).unwrap();
        action.set_name("a", Some("Anna")).unwrap();
        action.delete("b").unwrap();
        action.set_roles("a", &["api".to_owned()]).unwrap();
        let manager = User { projects: vec!["p1".to_owned()], ..user("m", &["manager"]) };
        match action.add(&manager, None) {
            Ok(()) => assert!(projects),
            Err(UserDbError::NoProjects(_)) => assert!(!projects),
            Err(other) => panic!("{other}"),
        }
        action.commit().unwrap();

        let read = UserDb::open(&path, OpenMode::Read).unwrap();
        let fritz = read.find("fritz").unwrap().unwrap();
        assert_eq!(fritz, user("fritz", &["user", "api"]), "version {version}");
        assert_eq!(read.password_hash("fritz").unwrap(), Some(hash));
        assert_eq!(read.password_hash("a").unwrap(), None);
        assert_eq!(read.find("b").unwrap(), None);
        let a = read.find("a").unwrap().unwrap();
        assert_eq!((a.name.as_deref(), a.roles), (Some("Anna"), vec!["api".to_owned()]));
        assert_eq!(all(&read, &UserFilter::default()).len(), if projects { 3 } else { 2 });
        drop((read, store));
        assert_eq!(fingerprint(&path), before, "version {version}");
    }
}

/// The row of the recorded set-up as the column's text: a list is JSON, a text stands as it is.
fn column(value: Option<&serde_json::Value>) -> String {
    match value {
        None => "[]".to_owned(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(list) => list.to_string(),
    }
}

/// Rows as they stood when cc-backend 1.5 was asked. What it cannot read is reported, the rest is used.
#[test]
fn recorded_rows_read_as_the_server_reads_them() {
    let setup: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(crate::support::data("endpoints-setup.json")).unwrap())
            .unwrap();
    for blob in [false, true] {
        let directory = TestEnv::new();
        let path = directory.file("job.db");
        let connection = server_database(&path, 10, "hpc_user", true);
        for row in
            setup["hpc_user"].as_array().unwrap().iter().chain(setup["hpc_user_corrupt"].as_array().unwrap())
        {
            let (roles, projects) = (column(row.get("roles")), column(row.get("projects")));
            let statement = if blob {
                "INSERT INTO hpc_user (username, ldap, name, roles, projects)
                 VALUES (?1, ?2, ?3, CAST(?4 AS BLOB), CAST(?5 AS BLOB))"
            } else {
                "INSERT INTO hpc_user (username, ldap, name, roles, projects) VALUES (?1, ?2, ?3, ?4, ?5)"
            };
            let source = row.get("ldap").map_or(0, |number| number.as_i64().unwrap());
            let values =
                (row["username"].as_str(), source, row.get("name").and_then(|n| n.as_str()), roles, projects);
            connection.execute(statement, values).unwrap();
        }
        drop(connection);
        let store = UserDb::open(&path, OpenMode::Read).unwrap();
        for row in setup["hpc_user"].as_array().unwrap() {
            let name = row["username"].as_str().unwrap();
            let user = store.find(name).unwrap().unwrap();
            assert_eq!(serde_json::Value::from(user.roles), row["roles"], "{name}");
        }
        for name in ["badroles", "emptyroles", "strroles", "introles", "mixroles", "badproj", "strproj"] {
            let found = store.find(name);
            assert!(matches!(found, Err(UserDbError::InvalidRow { .. })), "{name}: {found:?}");
            assert!(store.record(name).unwrap().is_some(), "{name} is shown all the same");
        }
        assert_eq!(store.find("nullroles").unwrap().unwrap().roles, Vec::<String>::new());
        // Go makes an empty text of it and counts it: [api, ""] is not [api] to the server.
        assert_eq!(store.find("nullinroles").unwrap().unwrap().roles, ["api", ""]);
        assert_eq!(store.find("src9").unwrap().unwrap().source, AuthSource::Unknown(9));
        assert_eq!(store.find("srcneg").unwrap().unwrap().source, AuthSource::Unknown(-1));
        let listed = all(&store, &UserFilter::default());
        assert_eq!(listed.len(), 30);
        assert_eq!(listed.iter().filter(|record| !record.invalid_columns.is_empty()).count(), 7);
    }
}

#[test]
fn blob_values_are_written_as_text() {
    let directory = TestEnv::new();
    let path = directory.file("job.db");
    let connection = server_database(&path, 10, "hpc_user", true);
    connection
        .execute_batch(
            r#"INSERT INTO hpc_user (username, roles, projects)
               VALUES ('m', CAST('["manager"]' AS BLOB), CAST('[""]' AS BLOB))"#,
        )
        .unwrap();
    let mut store = UserDb::open(&path, OpenMode::Write(&crate::support::author())).unwrap();
    let mut action = store.transaction().unwrap();
    let user = action.record("m").unwrap().unwrap().into_valid_user().unwrap();
    assert_eq!(user.projects, Vec::<String>::new(), "no project is what the server means by it");
    action.update(&user).unwrap();
    action.commit().unwrap();
    let types: (String, String, String) = connection
        .query_row("SELECT typeof(roles), typeof(projects), projects FROM hpc_user", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(types, ("text".to_owned(), "text".to_owned(), "[]".to_owned()));
}

#[test]
fn delete_removes_the_settings_of_this_user_only() {
    let directory = TestEnv::new();
    let path = directory.file("job.db");
    let connection = server_database(&path, 10, "hpc_user", true);
    connection
        .execute_batch(
            "INSERT INTO hpc_user (username) VALUES ('a'), ('b');
             INSERT INTO configuration VALUES ('a', 'k', 'v'), ('b', 'k', 'v');",
        )
        .unwrap();
    let mut store = UserDb::open(&path, OpenMode::Write(&crate::support::author())).unwrap();
    let mut action = store.transaction().unwrap();
    action.delete("a").unwrap();
    action.commit().unwrap();
    let left: String = connection
        .query_row("SELECT group_concat(username) FROM configuration", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, "b");
}

#[test]
fn dropped_transaction_changes_nothing() {
    let directory = TestEnv::new();
    let path = directory.file("job.db");
    cc_auth::user_db::create(&path).unwrap();
    let mut store = UserDb::open(&path, OpenMode::Write(&crate::support::author())).unwrap();
    let mut action = store.transaction().unwrap();
    action.add_many(&[user("a", &["user"]).into()]).unwrap();
    drop(action);
    assert_eq!(store.record("a").unwrap(), None);
    let mut action = store.transaction().unwrap();
    action.add(&user("a", &["user"]), None).unwrap();
    let double = action.add_many(&[user("b", &["user"]).into(), user("a", &["user"]).into()]);
    assert!(matches!(&double, Err(UserDbError::UserExists(name)) if name == "a"), "{double:?}");
    for refused in
        [action.delete("unknown"), action.set_name("unknown", None), action.set_roles("unknown", &[])]
    {
        assert!(matches!(refused, Err(UserDbError::UnknownUser { .. })));
    }
}

#[test]
fn scan_returns_what_a_sync_needs_and_treats_an_unreadable_row_as_admin() {
    let directory = TestEnv::new();
    let path = directory.file("job.db");
    let connection = server_database(&path, 10, "hpc_user", true);
    connection
        .execute_batch(
            r#"INSERT INTO hpc_user (username, ldap, name, roles) VALUES
               ('a', 1, 'Anna', '["user"]'), ('b', 0, NULL, '["user","admin"]'),
               ('c', 7, '', CAST('["api"]' AS BLOB)), ('d', 2, 'D', 'garbage')"#,
        )
        .unwrap();
    let store = UserDb::open(&path, OpenMode::Read).unwrap();
    let mut seen = Vec::new();
    store
        .scan(|known| {
            seen.push((
                known.username.to_owned(),
                known.source,
                known.name.map(str::to_owned),
                known.is_admin,
            ));
            Ok::<(), UserDbError>(())
        })
        .unwrap();
    seen.sort();
    let own = |text: &str| Some(text.to_owned());
    assert_eq!(
        seen,
        [
            ("a".to_owned(), AuthSource::Ldap, own("Anna"), false),
            ("b".to_owned(), AuthSource::Local, None, true),
            ("c".to_owned(), AuthSource::Unknown(7), own(""), false),
            ("d".to_owned(), AuthSource::Token, own("D"), true),
        ]
    );
}

#[test]
fn database_of_another_program_is_distinguished() {
    use cc_auth::util::diagnostic::{Diagnostic as _, ExitStatus};
    let directory = TestEnv::new();
    let open = |name: &str| UserDb::open(&directory.file(name), OpenMode::Read).unwrap_err();
    assert!(matches!(open("missing"), UserDbError::Missing(_)));
    assert!(matches!(open("."), UserDbError::NotAFile(_)));
    assert!(matches!(UserDb::open("/dev/null".as_ref(), OpenMode::Read), Err(UserDbError::NotAFile(_))));
    directory.write(
        "text",
        "this is not a database, but long enough to have a header of one hundred bytes ".repeat(20),
    );
    assert!(matches!(open("text"), UserDbError::NotADatabase(_)));
    directory.write("empty", "");
    assert!(matches!(open("empty"), UserDbError::NoUserTable(_)));
    let other = Connection::open(directory.file("other")).unwrap();
    other.execute_batch("CREATE TABLE hpc_user (username, password, ldap, name, roles)").unwrap();
    drop(other);
    let lacking = open("other");
    assert!(matches!(lacking, UserDbError::OtherSchema { column: "email", .. }), "{lacking}");
    assert_eq!((open("empty").status(), open("text").status()), (ExitStatus::Config, ExitStatus::Config));
    // Damage in the middle of the file.
    let path = directory.file("damaged");
    let connection = server_database(&path, 10, "hpc_user", true);
    for number in 0..500 {
        connection.execute("INSERT INTO hpc_user (username) VALUES (?1)", [format!("u{number}")]).unwrap();
    }
    connection.execute_batch("PRAGMA journal_mode = delete").unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&path).unwrap();
    let size = bytes.len();
    bytes[size / 3..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let store = UserDb::open(&path, OpenMode::Read);
    let damaged =
        store.and_then(|store| store.for_each(&UserFilter::default(), |_| Ok::<(), UserDbError>(())));
    assert!(matches!(damaged, Err(UserDbError::Corrupt { .. })), "{damaged:?}");
}

#[test]
fn database_path_is_not_read_as_a_sqlite_uri() {
    let directory = TestEnv::new();
    for name in ["file:x.db", ":memory:", "100% ?mode=memory"] {
        let made = directory.run("cc-user", &["init", "--db", name]).ended(0);
        assert_eq!(made.stdout, "");
        assert!(directory.file(name).is_file(), "{name}");
        directory.run("cc-user", &["add", "a", "--role", "api", "--db", name]).ended(0);
        assert_eq!(directory.run("cc-user", &["list", "--names", "--db", name]).ended(0).stdout, "a\n");
    }
}

#[test]
fn data_version_changes_with_commits_of_other_connections_only() {
    let author = crate::support::author();
    for mode in ["delete", "wal"] {
        let directory = TestEnv::new();
        let path = directory.file("job.db");
        cc_auth::user_db::create(&path).unwrap();
        let set_mode = format!("PRAGMA journal_mode = {mode}");
        let set_by = |connection: Connection| {
            connection.query_row(&set_mode, [], |row| row.get::<_, String>(0)).unwrap()
        };
        assert_eq!(set_by(Connection::open(&path).unwrap()), mode);
        let mut store = UserDb::open(&path, OpenMode::Write(&author)).unwrap();
        let before = store.data_version().unwrap();
        assert_eq!(store.transaction().unwrap().data_version().unwrap(), before, "{mode}");
        let mut own = store.transaction().unwrap();
        own.add_many(&[user("own", &["user"]).into()]).unwrap();
        own.commit().unwrap();
        assert_eq!(store.transaction().unwrap().data_version().unwrap(), before, "{mode}");
        let mut other = UserDb::open(&path, OpenMode::Write(&author)).unwrap();
        let mut change = other.transaction().unwrap();
        change.add_many(&[user("other", &["user"]).into()]).unwrap();
        change.commit().unwrap();
        assert_ne!(store.transaction().unwrap().data_version().unwrap(), before, "{mode}");
    }
}

#[test]
fn ten_thousand_users_are_added_renamed_and_deleted_in_one_transaction() {
    let directory = TestEnv::new();
    let path = directory.file("job.db");
    cc_auth::user_db::create(&path).unwrap();
    let users: Vec<User> = (0..10_000).map(|number| user(&format!("u{number:05}"), &["user"])).collect();
    let mut store = UserDb::open(&path, OpenMode::Write(&crate::support::author())).unwrap();
    let mut action = store.transaction().unwrap();
    let new: Vec<NewUser> = users.iter().cloned().map(NewUser::from).collect();
    action.add_many(&new).unwrap();
    for user in &users {
        action.set_name(&user.username, Some("new name")).unwrap();
    }
    for user in users.iter().skip(1) {
        action.delete(&user.username).unwrap();
    }
    action.commit().unwrap();
    let left = all(&store, &UserFilter::default());
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].user.name.as_deref(), Some("new name"));
}

/// As a user who may not write: the database is read all the same, unless changes are pending
/// that cannot be seen from here.
#[test]
fn read_only_database_is_read_and_not_changed() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;
    let directory = TestEnv::new();
    std::fs::create_dir(directory.file("var")).unwrap();
    let path = directory.file("var/job.db");
    let connection = server_database(&path, 10, "hpc_user", true);
    connection.execute_batch("INSERT INTO hpc_user (username) VALUES ('a')").unwrap();
    let mode = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(directory.path(), 0o755);
    let is_root = rustix_is_root(&directory);
    let prefix = if is_root { "setpriv --reuid=65534 --regid=65534 --clear-groups " } else { "" };
    if is_root && !crate::support::has("setpriv") {
        return;
    }
    // The program's own directory may be closed to others.
    let copy = directory.file("cc-user-copy");
    crate::support::copy_program("cc-user", &copy);
    let run = |arguments: &str| directory.sh(&format!("{prefix}{} {arguments}", copy.display()));

    // Changes of a running server are pending: its index file is there and can be read.
    mode(&path, 0o444);
    mode(&directory.file("var"), 0o555);
    let beside_server = run("list --names");
    assert!(
        (beside_server.status, beside_server.stdout.as_str()) == (0, "a\n") || beside_server.status == 77,
        "{beside_server:?}"
    );
    // The server has gone in good order.
    mode(&directory.file("var"), 0o755);
    mode(&path, 0o644);
    drop(connection);
    assert!(!directory.file("var/job.db-wal").exists());
    mode(&path, 0o444);
    mode(&directory.file("var"), 0o555);
    assert_eq!(run("list --names").ended(0).stdout, "a\n");
    let refused = run("add b --role api").ended(77);
    assert!(refused.stderr.contains("read-only"), "{}", refused.stderr);
    // A log that holds changes, but no index to read it by.
    mode(&directory.file("var"), 0o755);
    std::fs::write(directory.file("var/job.db-wal"), "x").unwrap();
    mode(&directory.file("var/job.db-wal"), 0o444);
    mode(&directory.file("var"), 0o555);
    let unread = run("list --names").ended(77);
    assert!(unread.stderr.contains("job.db-wal"), "{}", unread.stderr);
    mode(&directory.file("var"), 0o755);
}

fn rustix_is_root(directory: &TestEnv) -> bool {
    directory.sh("id -u").stdout.trim() == "0"
}

/// No writer waits for a slow reader.
#[test]
fn slow_reader_of_users_blocks_no_writer() {
    let directory = TestEnv::new();
    let path = directory.file("job.db");
    let mut server = server_database(&path, 8, "hpc_user", true);
    server.query_row("PRAGMA journal_mode = delete", [], |_| Ok(())).unwrap();
    let names: Vec<String> = (0..2500).map(|number| format!("user{number:04}")).collect();
    let transaction = server.transaction().unwrap();
    for name in names.iter().rev() {
        transaction.execute("INSERT INTO hpc_user (username, roles) VALUES (?1, '[]')", [name]).unwrap();
    }
    transaction.commit().unwrap();
    server.busy_timeout(std::time::Duration::ZERO).unwrap();
    let store = UserDb::open(&path, OpenMode::Read).unwrap();
    let mut seen = Vec::new();
    store
        .for_each::<UserDbError>(&UserFilter::default(), |record| {
            if seen.len() % 700 == 0 {
                let changed =
                    server.execute("UPDATE hpc_user SET email = 'x' WHERE username = 'user0000'", []);
                assert_eq!(changed, Ok(1), "after {} users", seen.len());
            }
            seen.push(record.user.username);
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, names);
    let mut count = 0;
    store
        .for_each_stored::<UserDbError>(&UserFilter::default(), |record, row| {
            assert!(row.username_text() == names[count] && record.user.username == names[count]);
            count += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(count, names.len());
}
