//! The undo of a synchronization with a wrong filter. 'make large-table' runs it with 100,000 users.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::slapd::{BASE, Manner, Slapd, crowd};
use crate::support::{TestEnv, has};
use crate::sync::{configure, directory_for};

/// The users, the groups, and the members of each group.
fn size() -> (usize, usize, usize) {
    match std::env::var("LARGE_TABLE").is_ok_and(|form| form == "long") {
        true => (100_000, 2_000, 500),
        false => (400, 20, 100),
    }
}

/// The memory limit of a command in KiB, for data of its own.
const MEMORY: u64 = 200 << 10;

fn directory_of(users: usize, groups: usize, members: usize) -> String {
    let mut ldif = crowd(users);
    let _ = write!(ldif, "dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: groups\n\n");
    for group in 0..groups {
        let cn = format!("pi-p{group:05}");
        let _ = write!(ldif, "dn: cn={cn},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {cn}\n");
        for member in 0..members {
            let user = (group * members + member) % users;
            let _ = writeln!(ldif, "member: uid=u{user:06},ou=people,{BASE}");
        }
        ldif.push('\n');
    }
    ldif
}

fn settings(user_filter: &str, group_filter: &str) -> Value {
    json!({
        "user-filter": user_filter,
        "group-map": {
            "group-base": format!("ou=groups,{BASE}"),
            "group-filter": group_filter,
            "rules": [{"pattern": "pi-(.*)", "roles": ["manager"], "projects": ["$1"]}],
        },
    })
}

/// All columns of all rows in their exact form, and the files of the state.
fn content(directory: &TestEnv) -> Vec<String> {
    let connection = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
    let columns = ["username", "password", "ldap", "name", "roles", "email", "projects"];
    let exact = columns.map(|column| format!("quote({column})")).join(" || '|' || ");
    let mut statement = connection.prepare(&format!("SELECT {exact} FROM user ORDER BY username")).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    let mut content: Vec<String> = rows.map(Result::unwrap).collect();
    for state in ["given", "disabled"] {
        content.push(directory.read(&format!("var/job.db.history.{state}.json")));
    }
    content
}

#[test]
fn wrong_filter_over_the_whole_table_is_undone_exactly() {
    if !has("slapd") {
        return;
    }
    let (users, groups, members) = size();
    let unlimited = Manner { global: "sizelimit unlimited".to_owned(), ..Manner::default() };
    let server = Slapd::start(&directory_of(users, groups, members), &unlimited);
    let (people, all) = ("(objectClass=posixAccount)", "(objectClass=groupOfNames)");
    let directory = directory_for(&server.url(), settings(people, all));
    let limited = |command: &str| directory.sh(&format!("ulimit -d {MEMORY} && {command}"));
    limited("cc-user sync-ldap -q").ended(0);
    // What an administrator set by hand.
    for change in [
        "add boss --role admin --no-password",
        "set u000001 --name 'Ü \"1\"' --email u1@example.org",
        "role add u000002 api",
        "project add u000002 'by hand'",
        "disable u000003",
    ] {
        directory.sh(&format!("cc-user {change} -q")).ended(0);
    }
    let before = content(&directory);
    assert_eq!(before.len(), users + 1 + 2);

    let wrong = [(people, "(cn=pi-p00000)"), ("(uid=u000009)", all)];
    for (user_filter, group_filter) in wrong {
        configure(&directory, &server.url(), settings(user_filter, group_filter));
        limited("cc-user sync-ldap -q --keep-names --delete-missing --max-delete 9999999").ended(0);
        let changed = content(&directory);
        let differs = before.iter().filter(|row| changed.binary_search(row).is_err()).count();
        assert!(differs >= users - members - 4, "{user_filter} {group_filter}: {differs} of {users}");
        let undone = limited("cc-user undo LAST --json").ended(0).json();
        assert_eq!(undone["conflicts"], json!([]));
        assert!(undone["restored"].as_array().is_some_and(|restored| restored.len() >= differs - 2));
        assert!(content(&directory) == before, "{user_filter} {group_filter}: the table differs");
    }
}
