//! The files of the database: what `init` creates, what a reader leaves beside it, and what happens
//! when the file is replaced or an unfinished change lies beside it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cc_auth::user_db::{OpenMode, UserDb, UserDbError};
use cc_auth::util::diagnostic::{Diagnostic as _, ExitStatus};
use rusqlite::Connection;

use crate::support::{Run, TestEnv, copy_program, has, has_root, programs};
use crate::user_db::server_database;

/// A column: name, type, NOT NULL, default, position in the primary key.
type Column = (&'static str, &'static str, bool, Option<&'static str>, i64);

const fn key(name: &'static str) -> Column {
    (name, "INTEGER", false, None, 1)
}

const fn required(name: &'static str, kind: &'static str) -> Column {
    (name, kind, true, None, 0)
}

const fn optional(name: &'static str, kind: &'static str) -> Column {
    (name, kind, false, None, 0)
}

const fn with_default(name: &'static str, kind: &'static str, default: &'static str) -> Column {
    (name, kind, true, Some(default), 0)
}

const TEXT: &str = "VARCHAR(255)";

/// The server's schema version 3, table by table, with the columns in their order.
const TABLES: &[(&str, &[Column])] = &[
    (
        "configuration",
        &[("username", TEXT, false, None, 1), ("confkey", TEXT, false, None, 2), optional("value", TEXT)],
    ),
    (
        "job",
        &[
            key("id"),
            required("job_id", "BIGINT"),
            required("cluster", TEXT),
            required("subcluster", TEXT),
            required("start_time", "BIGINT"),
            required("user", TEXT),
            required("project", TEXT),
            optional("partition", TEXT),
            optional("array_job_id", "BIGINT"),
            required("duration", "INT"),
            required("walltime", "INT"),
            required("job_state", TEXT),
            optional("meta_data", "TEXT"),
            required("resources", "TEXT"),
            required("num_nodes", "INT"),
            optional("num_hwthreads", "INT"),
            optional("num_acc", "INT"),
            with_default("smt", "TINYINT", "1"),
            with_default("exclusive", "TINYINT", "1"),
            with_default("monitoring_status", "TINYINT", "1"),
            with_default("mem_used_max", "REAL", "0.0"),
            with_default("flops_any_avg", "REAL", "0.0"),
            with_default("mem_bw_avg", "REAL", "0.0"),
            with_default("load_avg", "REAL", "0.0"),
            with_default("net_bw_avg", "REAL", "0.0"),
            with_default("net_data_vol_total", "REAL", "0.0"),
            with_default("file_bw_avg", "REAL", "0.0"),
            with_default("file_data_vol_total", "REAL", "0.0"),
        ],
    ),
    ("jobtag", &[("job_id", "INTEGER", false, None, 1), ("tag_id", "INTEGER", false, None, 2)]),
    ("schema_migrations", &[optional("version", "UINT64"), optional("dirty", "BOOL")]),
    ("tag", &[key("id"), required("tag_type", TEXT), required("tag_name", TEXT)]),
    (
        "user",
        &[
            ("username", TEXT, true, None, 1),
            ("password", TEXT, false, Some("NULL"), 0),
            with_default("ldap", "TINYINT", "0"),
            ("name", TEXT, false, Some("NULL"), 0),
            with_default("roles", TEXT, "'[]'"),
            ("email", TEXT, false, Some("NULL"), 0),
            with_default("projects", TEXT, "'[]'"),
        ],
    ),
];

/// Foreign keys: table, column, referenced table and column, action on delete.
const FOREIGN_KEYS: &[(&str, &str, &str, &str, &str)] = &[
    ("configuration", "username", "user", "username", "CASCADE"),
    ("jobtag", "job_id", "job", "id", "CASCADE"),
    ("jobtag", "tag_id", "tag", "id", "CASCADE"),
];

fn rows<T>(
    connection: &Connection,
    query: &str,
    parameters: impl rusqlite::Params,
    read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut statement = connection.prepare(query).unwrap();
    statement.query_map(parameters, |row| read(row)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn init_database_has_the_tables_of_schema_version_3() {
    let directory = TestEnv::new();
    let made = directory.run("cc-user", &["init"]).ended(0);
    assert!(
        made.stderr.contains("note: run 'cc-backend -migrate-db' once before the server's first start"),
        "{}",
        made.stderr
    );
    let connection = Connection::open(directory.file("var/job.db")).unwrap();
    let text = |query: &str| connection.query_row(query, [], |row| row.get::<_, String>(0)).unwrap();
    let names =
        rows(&connection, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", [], |row| {
            row.get::<_, String>(0)
        });
    assert_eq!(names, TABLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (table, columns) in TABLES {
        let found = rows(
            &connection,
            "SELECT name, upper(type), \"notnull\", dflt_value, pk FROM pragma_table_info(?1) ORDER BY cid",
            [table],
            |row| {
                let column: (String, String, bool, Option<String>, i64) =
                    (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
                Ok(column)
            },
        );
        let expected: Vec<_> = columns
            .iter()
            .map(|(name, kind, not_null, default, key)| {
                ((*name).to_owned(), (*kind).to_owned(), *not_null, default.map(str::to_owned), *key)
            })
            .collect();
        assert_eq!(found, expected, "{table}");
        let keys = rows(
            &connection,
            "SELECT \"from\", \"table\", \"to\", on_delete FROM pragma_foreign_key_list(?1) ORDER BY \"from\"",
            [table],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        );
        let expected: Vec<(String, String, String, String)> = FOREIGN_KEYS
            .iter()
            .filter(|(of, ..)| of == table)
            .map(|(_, from, other, to, action)| {
                ((*from).to_owned(), (*other).to_owned(), (*to).to_owned(), (*action).to_owned())
            })
            .collect();
        assert_eq!(keys, expected, "{table}");
    }
    // Unique besides the primary keys.
    let unique = rows(
        &connection,
        "SELECT t.name || ':' || (SELECT group_concat(name) FROM pragma_index_info(i.name))
         FROM sqlite_schema t, pragma_index_list(t.name) i
         WHERE t.type = 'table' AND i.\"unique\" AND i.origin <> 'pk' ORDER BY 1",
        [],
        |row| row.get::<_, String>(0),
    );
    assert_eq!(unique, ["schema_migrations:version", "tag:tag_type,tag_name"]);
    assert_eq!(text("SELECT name FROM sqlite_schema WHERE name = 'version_unique'"), "version_unique");
    let versions = rows(&connection, "SELECT version, dirty FROM schema_migrations", [], |row| {
        Ok::<(i64, i64), _>((row.get(0)?, row.get(1)?))
    });
    assert_eq!(versions, [(3, 0)]);
    assert_eq!(text("PRAGMA journal_mode"), "wal");
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    // A server needs its archive, empty, beside it.
    assert_eq!(fs::read_dir(directory.file("var/job-archive")).unwrap().count(), 0);
    let config: serde_json::Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    assert_eq!(config["archive"]["path"], "./var/job-archive");
    assert_eq!(config["auth"]["jwts"]["validate-user"], true);
    // And all verbs work on it.
    directory.run("cc-user", &["add", "m", "--role", "manager", "-p", "p1", "--no-password", "-q"]).ended(0);
    directory.run("cc-user", &["project", "add", "m", "p2", "-q"]).ended(0);
    assert_eq!(text("SELECT projects FROM user WHERE username = 'm'"), "[\"p1\",\"p2\"]");
}

#[test]
fn init_sets_modes_whatever_the_mask() {
    for mask in ["0", "077", "0777"] {
        let directory = TestEnv::new();
        directory.sh(&format!("umask {mask}; cc-user init -q")).ended(0);
        let mode = |name: &str| fs::metadata(directory.file(name)).unwrap().permissions().mode() & 0o777;
        for (name, expected) in
            [("var", 0o700), ("var/job-archive", 0o700), ("var/job.db", 0o600), (".env", 0o600)]
        {
            assert_eq!(mode(name), expected, "{name} with umask {mask}");
        }
        directory.sh("cc-user add a --role api -q").ended(0);
    }
}

#[test]
fn init_beside_files_of_an_earlier_database_creates_nothing() {
    let directory = TestEnv::new();
    for suffix in ["-wal", "-shm", "-journal"] {
        let leftover = directory.write(&format!("var/job.db{suffix}"), "x");
        let rejected = directory.run("cc-user", &["init"]).ended(73);
        assert!(rejected.stderr.contains(suffix), "{}", rejected.stderr);
        assert_eq!(directory.sh("ls -A . var").stdout, format!(".:\n.home\nvar\n\nvar:\njob.db{suffix}\n"));
        let create = cc_auth::user_db::create(&directory.file("var/job.db"));
        assert!(matches!(create, Err(UserDbError::Leftover { .. })), "{create:?}");
        // The hint leads on.
        let hint = rejected.stderr.lines().find_map(|line| line.split_once("move what is left of it away: "));
        let hint = hint.unwrap_or_else(|| panic!("{}", rejected.stderr)).1.to_owned();
        directory.sh(&hint).ended(0);
        assert!(!leftover.exists());
        directory.run("cc-user", &["init", "-q"]).ended(0);
        fs::remove_dir_all(directory.file("var")).unwrap();
        for name in [".env", "config.json"] {
            fs::remove_file(directory.file(name)).unwrap();
        }
        fs::remove_dir_all(directory.file("leftover")).unwrap();
    }
}

fn has_accounts() -> bool {
    has_root() && has("setpriv")
}

/// What a run as another account needs: the programs at a place that it can reach.
struct Accounts {
    directory: TestEnv,
}

impl Accounts {
    fn new() -> Self {
        let directory = TestEnv::new();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        copy_program("cc-user", &directory.file("cc-user"));
        fs::create_dir(directory.file("var")).unwrap();
        Self { directory }
    }

    /// A database of schema version 8 or later that belongs to the account 4001, with the user a.
    fn database(&self) -> Connection {
        let path = self.directory.file("var/job.db");
        let connection = server_database(&path, 11, "hpc_user", true);
        connection.execute_batch("INSERT INTO hpc_user (username) VALUES ('a')").unwrap();
        self.sh("chown -R 4001:4001 var");
        connection
    }

    #[track_caller]
    fn sh(&self, line: &str) -> Run {
        self.directory.sh(line).ended(0)
    }

    /// Runs `cc-user` as an account, with the group of the database.
    fn run(&self, account: u32, arguments: &str) -> Run {
        self.directory.sh(&format!(
            "setpriv --reuid={account} --regid={account} --groups=4001 ./cc-user {arguments} --db var/job.db"
        ))
    }

    fn beside(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.directory.file("var"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn reader_leaves_no_files_beside_the_database() {
    if !has_accounts() {
        return;
    }
    let accounts = Accounts::new();
    drop(accounts.database());
    let only = ["job.db"];
    assert_eq!(accounts.beside(), only);
    // The owner; root; a member of the group who may write; one who may only read the database but
    // write to its directory; one who may only read.
    for (account, database, directory) in [
        (4001, "600", "700"),
        (0, "600", "700"),
        (4002, "660", "770"),
        (4002, "640", "770"),
        (4002, "640", "750"),
    ] {
        accounts.sh(&format!("chmod {database} var/job.db; chmod {directory} var"));
        for verb in ["list --names", "show a", "export", "list --json"] {
            let read = accounts.run(account, verb).ended(0);
            assert!(read.stdout.contains('a'), "{account} {verb}: {}", read.stdout);
            assert_eq!(accounts.beside(), only, "{account} {verb} {database} {directory}");
        }
    }
    // A member of the group changes something; the owner goes on.
    accounts.sh("chmod 660 var/job.db; chmod 770 var");
    accounts.run(4002, "add b --role api -q").ended(0);
    assert_eq!(accounts.beside(), ["job.db", "job.db.history.jsonl"]);
    accounts.sh("test \"$(stat -c %g:%a var/job.db.history.jsonl)\" = \"$(stat -c %g:%a var/job.db)\"");
    assert_eq!(accounts.run(4001, "list --names").ended(0).stdout, "a\nb\n");
}

#[test]
fn file_of_another_account_beside_the_database_is_named_and_removed_by_root() {
    if !has_accounts() {
        return;
    }
    let accounts = Accounts::new();
    drop(accounts.database());
    for suffix in ["-shm", "-wal"] {
        // As an older reader has left it.
        accounts.sh(&format!(
            "rm -f var/job.db-*; : > var/job.db-wal; : > var/job.db-shm; chown 4001:4001 var/job.db-*
             chown 0:0 var/job.db{suffix}; chmod 600 var/job.db*"
        ));
        let rejected = accounts.run(4001, "add b --role api").ended(77);
        let name = format!("job.db{suffix}', which belongs to the account 'root'");
        assert!(rejected.stderr.contains(&name), "{suffix}: {}", rejected.stderr);
        assert!(accounts.run(4001, "list --names").status != 74);
        // The hint.
        accounts.run(0, "list --names").ended(0);
        assert!(
            accounts.beside().iter().all(|name| !name.contains('-')),
            "{suffix}: {:?}",
            accounts.beside()
        );
        accounts.run(4001, "add b --role api -q").ended(0);
        accounts.run(4001, "del b -q").ended(0);
    }
}

#[test]
fn log_with_changes_that_cannot_be_read_is_named_and_nothing_created() {
    if !has_accounts() {
        return;
    }
    let accounts = Accounts::new();
    let server = accounts.database();
    // The server was killed: its log has the newest changes, its index is gone.
    server
        .execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO hpc_user (username) VALUES ('new')")
        .unwrap();
    accounts.sh("cp var/job.db var/killed.db; cp var/job.db-wal var/killed.db-wal");
    drop(server);
    accounts.sh("rm -f var/job.db*; mv var/killed.db var/job.db; mv var/killed.db-wal var/job.db-wal
                 chown 4001:4001 var/*; chmod 640 var/*; chmod 770 var");
    let rejected = accounts.run(4002, "list --names").ended(77);
    assert!(rejected.stderr.contains("job.db-wal"), "{}", rejected.stderr);
    assert_eq!(rejected.stdout, "");
    assert_eq!(accounts.beside(), ["job.db", "job.db-wal"]);
    assert_eq!(accounts.run(4001, "list --names").ended(0).stdout, "a\nnew\n");
    assert_eq!(accounts.beside(), ["job.db"]);
    assert_eq!(accounts.run(4002, "list --names").ended(0).stdout, "a\nnew\n");
}

#[test]
fn uncommitted_change_beside_a_rollback_journal_is_never_read() {
    if !has_accounts() {
        return;
    }
    let accounts = Accounts::new();
    let connection = accounts.database();
    connection.query_row("PRAGMA journal_mode = delete", [], |_| Ok(())).unwrap();
    connection
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO hpc_user (username, email) SELECT 'u' || i, hex(zeroblob(200)) FROM n;
             UPDATE hpc_user SET roles = '[\"user\"]';
             PRAGMA cache_spill = 5; PRAGMA cache_size = 5;
             BEGIN; UPDATE hpc_user SET roles = '[\"admin\"]';",
        )
        .unwrap();
    // Killed in the middle: a part of the change is in the file, the journal undoes it.
    accounts.sh("mkdir hot; cp var/job.db hot/job.db; cp var/job.db-journal hot/job.db-journal");
    drop(connection);
    accounts.sh("rm -rf var; mv hot var; chown -R 4001:4001 var; chmod 640 var/*");
    let raw = fs::read(accounts.directory.file("var/job.db")).unwrap();
    assert!(raw.windows(7).any(|piece| piece == b"[\"admin"), "the change is not in the file");
    for directory in ["770", "750"] {
        accounts.sh(&format!("chmod {directory} var"));
        let rejected = accounts.run(4002, "list --role admin --names").ended(77);
        assert_eq!(rejected.stdout, "");
        assert!(rejected.stderr.contains("job.db-journal"), "{}", rejected.stderr);
    }
    assert_eq!(accounts.run(4001, "list --role admin --names").ended(0).stdout, "");
    assert_eq!(accounts.beside(), ["job.db"]);
    assert_eq!(accounts.run(4002, "list --role admin --names").ended(0).stdout, "");
}

/// A new database takes the name.
fn replace(directory: &TestEnv) -> (Vec<u8>, u64) {
    let other = directory.file("var/other.db");
    drop(server_database(&other, 11, "hpc_user", true));
    let connection = Connection::open(&other).unwrap();
    connection.execute_batch("INSERT INTO hpc_user (username) VALUES ('restored')").unwrap();
    drop(connection);
    let path = directory.file("var/job.db");
    fs::rename(&other, &path).unwrap();
    (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().ino())
}

#[track_caller]
fn assert_untouched(path: &Path, (content, inode): (Vec<u8>, u64)) {
    assert_eq!(fs::metadata(path).unwrap().ino(), inode);
    assert!(fs::read(path).unwrap() == content, "the new file has changed");
    let connection = Connection::open(path).unwrap();
    let health: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    let names: String =
        connection.query_row("SELECT group_concat(username) FROM hpc_user", [], |row| row.get(0)).unwrap();
    assert_eq!((health.as_str(), names.as_str()), ("ok", "restored"));
}

#[test]
fn database_replaced_while_it_is_open_is_neither_read_nor_changed() {
    let directory = TestEnv::new();
    let path = directory.file("var/job.db");
    let begin = || {
        let _ = fs::remove_dir_all(directory.file("var"));
        fs::create_dir(directory.file("var")).unwrap();
        drop(server_database(&path, 11, "hpc_user", true));
        UserDb::open(&path, OpenMode::Write(&crate::support::author())).unwrap()
    };
    let is_replaced = |error: UserDbError| {
        assert!(matches!(error, UserDbError::Replaced { .. }), "{error}");
        assert_eq!(error.kind().status(), ExitStatus::TryAgain);
    };
    // Before the transaction.
    let mut store = begin();
    let new = replace(&directory);
    is_replaced(store.transaction().unwrap_err());
    is_replaced(store.find("a").unwrap_err());
    is_replaced(store.scan(|_| Ok::<(), UserDbError>(())).unwrap_err());
    is_replaced(
        store.for_each(&cc_auth::user_db::UserFilter::default(), |_| Ok::<(), UserDbError>(())).unwrap_err(),
    );
    drop(store);
    assert_untouched(&path, new);
    // Within it.
    let mut store = begin();
    let mut transaction = store.transaction().unwrap();
    let user = cc_auth::user::User::from_ldap("lost", None);
    transaction.add(&user, None).unwrap();
    let new = replace(&directory);
    is_replaced(transaction.commit().unwrap_err());
    drop(store);
    assert_untouched(&path, new);
    // Removed.
    let mut store = begin();
    fs::remove_file(&path).unwrap();
    is_replaced(store.transaction().unwrap_err());
}

#[test]
fn verb_that_waits_while_the_database_is_replaced_ends_with_75() {
    for arguments in [
        &["add", "new", "--role", "user", "--password-stdin"][..],
        &["passwd", "restored", "--password-stdin"],
    ] {
        let directory = TestEnv::new();
        fs::create_dir(directory.file("var")).unwrap();
        let path = directory.file("var/job.db");
        let connection = server_database(&path, 11, "hpc_user", true);
        connection.execute_batch("INSERT INTO hpc_user (username) VALUES ('restored')").unwrap();
        drop(connection);
        let mut child = Command::new(programs().join("cc-user"))
            .args(arguments)
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while !directory.file("var/job.db-shm").exists() {
            assert!(began.elapsed() < Duration::from_secs(30), "{arguments:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
        // It has the file open and waits for the password.
        std::thread::sleep(Duration::from_millis(200));
        let new = replace(&directory);
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"new password\n").unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(75), "{arguments:?}: {stderr}");
        assert!(stderr.contains("was replaced by another file"), "{stderr}");
        assert_untouched(&path, new);
    }
}

/// Starts a command that opens the database and then waits for a password.
fn waiting(directory: &TestEnv, arguments: &[&str]) -> std::process::Child {
    let child = Command::new(programs().join("cc-user"))
        .args(arguments)
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !directory.file("var/job.db-shm").exists() {
        assert!(began.elapsed() < Duration::from_secs(30), "{arguments:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(200));
    child
}

#[test]
fn user_who_changes_while_a_password_is_typed_is_checked_again() {
    for (change, status) in [
        ("UPDATE hpc_user SET ldap = 1", 1),
        ("DELETE FROM hpc_user", 1),
        ("UPDATE hpc_user SET name = 'Anna'", 0),
    ] {
        let directory = TestEnv::new();
        fs::create_dir(directory.file("var")).unwrap();
        let path = directory.file("var/job.db");
        drop(server_database(&path, 11, "hpc_user", true));
        let insert = "INSERT INTO hpc_user (username) VALUES ('anna')";
        Connection::open(&path).unwrap().execute_batch(insert).unwrap();
        let mut child = waiting(&directory, &["passwd", "anna", "--password-stdin"]);
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(change).unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"new password\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(status),
            "{change}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let with_password = connection
            .query_row("SELECT count(password) FROM hpc_user", [], |row| row.get::<_, i64>(0))
            .unwrap();
        assert_eq!(with_password, i64::from(status == 0), "{change}");
    }
}

#[test]
fn schema_that_the_server_cannot_use_is_a_warning_or_an_error_with_the_migration() {
    let directory = TestEnv::new();
    fs::create_dir(directory.file("var")).unwrap();
    let path = directory.file("var/job.db");
    for (version, dirty, expected) in [
        (11, false, None),
        (3, false, None),
        (12, false, Some("has schema version 12, but the newest known version is 11")),
        (9, true, Some("a migration of the database to schema version 9 failed")),
    ] {
        // The journal of the former database would report that it was replaced.
        directory.sh("rm -f var/job.db*").ended(0);
        let connection = server_database(&path, version, "hpc_user", true);
        connection.execute("UPDATE schema_migrations SET dirty = ?1", [dirty]).unwrap();
        drop(connection);
        for change in ["add a --role api", "role add a support", "del a"] {
            let ran = directory.sh(&format!("cc-user {change}")).ended(0);
            assert_eq!(
                ran.stderr.contains("warning: "),
                expected.is_some() || change == "del a",
                "{}",
                ran.stderr
            );
            if let Some(expected) = expected {
                assert!(ran.stderr.contains(expected), "{change}: {}", ran.stderr);
            }
        }
        assert_eq!(directory.sh("cc-user list").ended(0).stderr, "cc-user: note: no users found\n");
    }
    for version in [1, 2] {
        directory.sh("rm -f var/job.db*").ended(0);
        drop(server_database(&path, version, "user", false));
        let rejected = directory.sh("cc-user add m --role manager -p p --no-password").ended(78);
        assert!(rejected.stderr.contains("hint: run 'cc-backend -migrate-db'"), "{}", rejected.stderr);
    }
}

#[test]
fn change_warns_of_what_survives_it() {
    let directory = TestEnv::with_setup();
    directory
        .run("cc-user", &["add", "m", "--role", "manager,user", "-p", "p", "-p", "q", "--no-password", "-q"])
        .ended(0);
    directory.write("pw", "new password\n");
    let warnings = |line: &str| {
        let ran = directory.sh(line).ended(0);
        (ran.stderr.contains("open web sessions of "), ran.stderr.contains("warning: tokens of "))
    };
    let change = |validates: bool| {
        let mut config: serde_json::Value = serde_json::from_str(&directory.read("config.json")).unwrap();
        config["auth"]["jwts"]["validate-user"] = validates.into();
        directory.write("config.json", config.to_string());
    };
    for (validates, tokens) in [(true, false), (false, true)] {
        change(validates);
        assert_eq!(warnings("cc-user role add m support"), (false, false));
        assert_eq!(warnings("cc-user role remove m support"), (true, tokens));
        // Nothing is changed the second time.
        assert_eq!(warnings("cc-user role remove m support"), (false, false));
        assert_eq!(warnings("cc-user project remove m q"), (true, false));
        assert_eq!(warnings("cc-user project remove m q"), (false, false));
        assert_eq!(warnings("cc-user project add m q"), (false, false));
        assert_eq!(warnings("chmod 600 pw; cc-user passwd m --password-file pw"), (true, true));
        assert_eq!(warnings("cc-user passwd m --delete"), (true, true));
        assert_eq!(warnings("cc-user add x --role api"), (false, false));
        assert_eq!(warnings("cc-user del x"), (true, tokens));
    }
    // A configuration that cannot be used is not an obstacle where the database is named.
    directory.write("config.json", "{");
    assert_eq!(warnings("cc-user --db var/job.db del m"), (true, true));
}
