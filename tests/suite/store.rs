//! The user table: every form of it, in files that SQLite made, beside other processes.

use std::path::Path;

use cc_auth::store::{Access, Filter, Record, Store, StoreError};
use cc_auth::user::{AuthSource, PasswordHash, User};
use rusqlite::Connection;

use crate::support::Folder;

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
        source: Ok(AuthSource::Local),
    }
}

fn all(store: &Store, filter: &Filter) -> Vec<Record> {
    let mut records = Vec::new();
    store
        .each(filter, |record| {
            records.push(record);
            Ok::<(), StoreError>(())
        })
        .unwrap();
    records
}

#[test]
fn users_are_added_changed_and_deleted_in_every_schema_version_and_nothing_else_is_touched() {
    for (version, table, projects) in LAYOUTS {
        let folder = Folder::new();
        let path = folder.file("job.db");
        drop(server_database(&path, version, table, projects));
        let before = fingerprint(&path);

        let mut store = Store::open(&path, Access::Write).unwrap();
        assert_eq!(store.migration().map(|migration| migration.version), Some(version));
        assert_eq!(store.has_projects(), projects);
        let mut action = store.transaction().unwrap();
        let hash = PasswordHash::stored("$2a$10$x".to_owned());
        action.add(&user("fritz", &["user", "api"]), Some(&hash)).unwrap();
        action.add_many(&[user("a", &["user"]), user("b", &["admin"])]).unwrap();
        action.rename("a", Some("Anna")).unwrap();
        action.delete("b").unwrap();
        action.set_roles("a", &["api".to_owned()]).unwrap();
        let manager = User { projects: vec!["p1".to_owned()], ..user("m", &["manager"]) };
        match action.add(&manager, None) {
            Ok(()) => assert!(projects),
            Err(StoreError::NoProjects(_)) => assert!(!projects),
            Err(other) => panic!("{other}"),
        }
        action.commit().unwrap();

        let read = Store::open(&path, Access::Read).unwrap();
        let fritz = read.find("fritz").unwrap().unwrap();
        assert_eq!(fritz, user("fritz", &["user", "api"]), "version {version}");
        assert_eq!(read.password_hash("fritz").unwrap(), Some(hash));
        assert_eq!(read.password_hash("a").unwrap(), None);
        assert_eq!(read.find("b").unwrap(), None);
        let a = read.find("a").unwrap().unwrap();
        assert_eq!((a.name.as_deref(), a.roles), (Some("Anna"), vec!["api".to_owned()]));
        assert_eq!(all(&read, &Filter::default()).len(), if projects { 3 } else { 2 });
        drop((read, store));
        assert_eq!(fingerprint(&path), before, "version {version}");
    }
}
