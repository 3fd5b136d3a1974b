//! Users and logins with Samba as an Active Directory domain controller.

use serde_json::json;

use super::samba::{DOMAIN, Unit};
use crate::sync::table;

#[test]
fn active_directory_users_are_synchronized_once() {
    let Some(unit) = Unit::new("users") else { return };
    unit.add_users(&["anna", "bert"]);
    let directory = unit.directory(json!({}));
    let first = unit.sh(&directory, "cc-user sync-ldap").ended(0);
    assert!(first.stdout.starts_with("2 added, 0 renamed, 0 deleted"), "{}", first.stdout);
    assert_eq!(
        table(&directory),
        ["users-anna|1|Full anna|[\"user\"]|[]", "users-bert|1|Full bert|[\"user\"]|[]"]
    );
    let second = unit.sh(&directory, "cc-user sync-ldap").ended(0);
    assert!(second.stdout.starts_with("0 added, 0 renamed, 0 deleted, 2 unchanged"), "{}", second.stdout);
}

#[test]
fn active_directory_rejected_logins_have_the_reason_of_the_server() {
    let Some(unit) = Unit::new("login") else { return };
    unit.add_users(&["anna", "disabled", "expired", "reset"]);
    let change = |name: &str, attribute: &str, value: &str| {
        let dn = unit.dn(name);
        unit.change(&format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n"));
    };
    change("disabled", "userAccountControl", "514");
    // In units of 100 ns since 1601: a time in 2020.
    change("expired", "accountExpires", "132223104000000000");
    change("reset", "pwdLastSet", "0");
    let directory = unit.directory(json!({"sync-user-on-login": true}));
    let login = |user: &str, password: &str| {
        let line = format!("echo {password} | cc-login {user} --method ldap --password-stdin -v");
        unit.sh(&directory, &line)
    };
    let run = login("login-anna", "annapw").ended(0);
    assert!(run.stdout.starts_with("logged in: login-anna (user) by ldap"), "{}", run.stdout);
    for (user, password, reason) in [
        ("login-anna", "wrong", "wrong username or password"),
        ("login-disabled", "disabledpw", "the account is disabled (result code 49, "),
        ("login-expired", "expiredpw", "the account has expired (result code 49, "),
        ("login-reset", "resetpw", "the password must be changed before the first login (result code 49, "),
    ] {
        let run = login(user, password).ended(1);
        assert!(run.stderr.contains(reason), "{user}: {}", run.stderr);
    }
    assert_eq!(table(&directory).len(), 1);
}

#[test]
fn active_directory_search_from_the_root_of_the_domain_ends_with_references() {
    let Some(unit) = Unit::new("root") else { return };
    unit.add_users(&["anna"]);
    let filter = "(&(objectClass=user)(sAMAccountName=root-anna))";
    let directory = unit.directory(json!({"user-base": DOMAIN, "user-filter": filter}));
    let run = unit.sh(&directory, "cc-user sync-ldap").ended(69);
    assert!(run.stderr.contains("--ignore-references"), "{}", run.stderr);
    assert!(table(&directory).is_empty());
    unit.sh(&directory, "cc-user sync-ldap --ignore-references").ended(0);
    assert_eq!(table(&directory), ["root-anna|1|Full anna|[\"user\"]|[]"]);
}

#[test]
fn active_directory_is_reached_by_ldaps_and_by_starttls() {
    let Some(unit) = Unit::new("tls") else { return };
    unit.add_users(&["anna"]);
    for (url, starttls) in [("ldaps://localhost", false), ("ldap://localhost", true)] {
        let ca = unit.ca_file();
        let directory = unit.directory(json!({"url": url, "ca-file": ca, "starttls": starttls}));
        unit.sh(&directory, "cc-user sync-ldap").ended(0);
        assert_eq!(table(&directory).len(), 1);
    }
    let directory = unit.directory(json!({"url": "ldaps://localhost"}));
    let run = unit.sh(&directory, "cc-user sync-ldap").ended(69);
    assert!(run.stderr.contains("not trusted"), "{}", run.stderr);
}
