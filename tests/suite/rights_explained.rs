//! `cc-user show --why`: what it prints is what the next synchronization does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::group_map::{GROUPS, group, user_dn};
use crate::slapd::{Authority, BASE, Manner, Slapd, TREE, person};
use crate::support::{TestEnv, has};
use crate::sync::directory_for;
use crate::sync_grace::{add, remove};

const USERS: [&str; 9] = ["anna", "ben", "clara", "back", "gone", "hand", "second", "chief", "leaves"];

/// Users with the role support by one group, with a project by another, and an administrator.
fn ldif(more: &str) -> String {
    let users = USERS.iter().fold(String::from(TREE), |ldif, uid| ldif + &person(uid, uid));
    let members = |uids: &[&str]| -> Vec<String> { uids.iter().map(|uid| user_dn(uid)).collect() };
    let group = |cn, uids: &[&str]| {
        let members = members(uids);
        group(cn, "groupOfNames", "member", &members.iter().map(String::as_str).collect::<Vec<_>>())
    };
    users
        + &format!("dn: {GROUPS}\nobjectClass: organizationalUnit\nou: groups\n\n")
        + &group("hpc-support", &["anna", "back", "gone", "hand", "second", "leaves", "none"])
        + &group("pi-bio", &["ben", "back", "gone", "hand", "leaves", "none"])
        + &group("admins", &["chief", "none"])
        + more
}

fn settings() -> Value {
    json!({
        "sync-grace-period": "720h",
        "group-map": {"group-base": GROUPS, "allow-admin": true, "rules": [
            {"cn": "hpc-support", "roles": ["support"]},
            {"pattern": "pi-(.*)", "roles": ["manager"], "projects": ["$1"]},
            {"cn": "admins", "roles": ["admin"]},
        ]},
    })
}

/// The roles and projects of each user.
type Rights = BTreeMap<String, [BTreeSet<String>; 2]>;

fn rights(directory: &TestEnv) -> Rights {
    let names = |list: &Value| {
        list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let users = directory.sh("cc-user list --json").ended(0).json();
    let users = users.as_array().unwrap();
    users
        .iter()
        .map(|user| {
            (user["username"].as_str().unwrap().to_owned(), [names(&user["roles"]), names(&user["projects"])])
        })
        .collect()
}

/// The roles and projects that each user has after the next synchronization.
fn explained(directory: &TestEnv) -> Rights {
    let names = |list: &Value| {
        let rights = list.as_array().unwrap().iter();
        let rights = rights
            .filter(|right| ["given", "set-by-hand", "added"].contains(&right["state"].as_str().unwrap()));
        rights.map(|right| right["name"].as_str().unwrap().to_owned()).collect()
    };
    let users = directory.sh(&format!("cc-user show {} --why --json", USERS.join(" "))).ended(0).json();
    let users = users.as_array().unwrap();
    users
        .iter()
        .map(|user| {
            (
                user["username"].as_str().unwrap().to_owned(),
                [&user["rights"]["roles"], &user["rights"]["projects"]].map(names),
            )
        })
        .collect()
}

#[test]
fn explanation_is_what_the_next_synchronization_does() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&ldif(""));
    let directory = directory_for(&server.url(), settings());
    directory.sh("cc-user sync-ldap -q").ended(0);
    assert_eq!(explained(&directory), rights(&directory));
    // Of each kind one user: changed by hand, disabled by hand, missing, in the LDAP directory again, no longer a member,
    // with a username that is no longer the first of the entry, and the last administrator.
    directory.sh("cc-user role remove -q anna support && cc-user role add -q clara support api").ended(0);
    directory.sh("cc-user disable -q hand").ended(0);
    for uid in ["back", "gone"] {
        remove(&server, uid);
    }
    directory.sh("cc-user sync-ldap -q").ended(0);
    directory.sh("cc-user role remove -q anna support").ended(0);
    add(&server, "back", "back");
    let change = |dn: String, attribute: &str, values: &[String]| {
        let values: String = values.iter().map(|value| format!("{attribute}: {value}\n")).collect();
        server.modify(&format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{values}\n"));
    };
    let members = ["anna", "back", "gone", "hand", "second"].map(user_dn);
    change(format!("cn=hpc-support,{GROUPS}"), "member", &members);
    change(format!("cn=pi-bio,{GROUPS}"), "member", &["ben", "gone", "hand", "clara"].map(user_dn));
    change(format!("cn=admins,{GROUPS}"), "member", &[user_dn("none")]);
    let second = format!("uid=second,ou=people,{BASE}");
    server.modify(&format!(
        "dn: {second}\nchangetype: modify\ndelete: uid\nuid: second\n-\nadd: uid\nuid: other\nuid: second\n"
    ));
    let before = rights(&directory);
    let expected = explained(&directory);
    directory.sh("cc-user sync-ldap --max-delete 100% -q").ended(0);
    let mut after = rights(&directory);
    after.remove("other");
    assert_eq!(expected, after);
    let changed: Vec<&str> =
        USERS.into_iter().filter(|username| before[*username] != after[*username]).collect();
    assert_eq!(changed, ["anna", "clara", "back", "leaves"], "{after:?}");
}

#[test]
fn explanation_of_a_missing_user_does_not_name_roles_of_the_next_synchronization() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&ldif(""));
    let directory = directory_for(&server.url(), settings());
    directory.sh("cc-user sync-ldap -q").ended(0);
    remove(&server, "gone");
    directory.sh("cc-user sync-ldap -q && cc-user disable -q anna").ended(0);
    for username in ["gone", "anna"] {
        let shown = directory.sh(&format!("COLUMNS=300 cc-user show {username} --why")).ended(0).stdout;
        assert!(!shown.contains("the next synchronization"), "{username}: {shown}");
    }
    // 'user' is a role of each LDAP user, also of one who is not asked for.
    directory.sh("cc-user enable -q gone").ended(0);
    let shown = directory.sh("COLUMNS=300 cc-user show gone --why").ended(0).stdout;
    assert!(shown.contains("role user: given to each new user, or set by hand\n"), "{shown}");
}

#[test]
fn explanation_uses_the_connection_options_of_the_synchronization() {
    if !has("slapd") {
        return;
    }
    let authority = Authority::new();
    let referral = format!(
        "dn: ou=other,{GROUPS}\nobjectClass: referral\nobjectClass: extensibleObject\nou: other\n\
         ref: ldap://other.example/ou=other\n"
    );
    let manner = Manner { tls: Some(authority.issue(2100)), ..Manner::default() };
    let server = Slapd::start(&ldif(&referral), &manner);
    let directory = directory_for(&server.url().replace("127.0.0.1", "localhost"), settings());
    let options = format!(
        "--starttls --ca-file {} --connect-timeout 9s --timeout 9s --page-size 2 --ignore-references",
        authority.file().display()
    );
    directory.sh(&format!("cc-user sync-ldap -q {options}")).ended(0);
    let shown = directory.sh(&format!("COLUMNS=300 cc-user show ben --why {options}")).ended(0).stdout;
    assert!(shown.contains("project bio: given; rules[1]: cn=pi-bio,"), "{shown}");
    // Each option has its effect, as in a synchronization.
    let other = Authority::new();
    for (options, status) in [
        ("", 69),
        ("--ignore-references", 0),
        (&*format!("--ignore-references --starttls --ca-file {}", other.file().display()), 69),
        ("--ignore-references --ca-file absent.pem", 66),
    ] {
        for command in ["sync-ldap --dry-run", "show ben --why"] {
            directory.sh(&format!("cc-user {command} {options}")).ended(status);
        }
    }
}
