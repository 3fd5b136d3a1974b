//! Users and logins with 389 Directory Server.

use serde_json::json;

use super::ds389::Subtree;
use crate::sync::table;

#[test]
fn ds389_users_are_synchronized_once() {
    let Some(subtree) = Subtree::new("users") else { return };
    subtree.add_users(&["anna", "bert"]);
    let directory = subtree.directory(json!({"sync-del-old-users": true}));
    let first = directory.sh("cc-user sync-ldap").ended(0);
    assert!(first.stdout.starts_with("2 added, 0 renamed, 0 deleted"), "{}", first.stdout);
    assert_eq!(table(&directory), ["anna|1|Full anna|[\"user\"]|[]", "bert|1|Full bert|[\"user\"]|[]"]);
    let second = directory.sh("cc-user sync-ldap").ended(0);
    assert!(second.stdout.starts_with("0 added, 0 renamed, 0 deleted, 2 unchanged"), "{}", second.stdout);
    subtree.change(&format!("dn: uid=bert,ou=people,{}\nchangetype: delete\n", subtree.base));
    directory.sh("cc-user sync-ldap --max-delete 1").ended(0);
    assert_eq!(table(&directory).len(), 1);
}

#[test]
fn ds389_login_by_password_and_rejections_of_wrong_passwords_and_locked_accounts() {
    let Some(subtree) = Subtree::new("login") else { return };
    subtree.add_users(&["anna", "locked"]);
    let lock = format!(
        "dn: uid=locked,ou=people,{}\nchangetype: modify\nadd: nsAccountLock\nnsAccountLock: true\n",
        subtree.base
    );
    subtree.change(&lock);
    let directory = subtree.directory(json!({"sync-user-on-login": true}));
    let login = |user: &str, password: &str| {
        directory.sh(&format!("echo {password} | cc-login {user} --method ldap --password-stdin -v"))
    };
    let run = login("anna", "annapw").ended(0);
    assert!(run.stdout.starts_with("logged in: anna (user) by ldap"), "{}", run.stdout);
    let run = login("anna", "wrong").ended(1);
    assert!(run.stderr.contains("wrong username or password"), "{}", run.stderr);
    // The server answers with result 53 even if the password is right.
    let run = login("locked", "lockedpw").ended(1);
    assert!(run.stderr.contains("the account is inactivated"), "{}", run.stderr);
    assert!(run.stderr.contains("result code 53"), "{}", run.stderr);
    // Searches find a locked account as before.
    directory.sh("cc-user sync-ldap").ended(0);
    assert_eq!(table(&directory).len(), 2);
}

#[test]
fn ds389_is_reached_by_ldaps_and_by_starttls() {
    let Some(subtree) = Subtree::new("tls") else { return };
    subtree.add_users(&["anna"]);
    let url = subtree.url();
    for (url, starttls) in [(subtree.ldaps(), false), (url.clone(), true)] {
        let ca = subtree.ca_file();
        let directory = subtree.directory(json!({"url": url, "ca-file": ca, "starttls": starttls}));
        directory.sh("cc-user sync-ldap").ended(0);
        assert_eq!(table(&directory).len(), 1);
    }
    let directory = subtree.directory(json!({"starttls": true}));
    let run = directory.sh("cc-user sync-ldap").ended(69);
    assert!(run.stderr.contains("not trusted"), "{}", run.stderr);
}

#[test]
fn ds389_account_without_rights_is_an_answer_without_users_that_changes_nothing() {
    let Some(subtree) = Subtree::new("hidden") else { return };
    subtree.add_users(&["anna"]);
    let directory = subtree.directory(json!({}));
    directory.sh("cc-user sync-ldap").ended(0);
    let before = table(&directory);
    subtree.change(&format!("dn: {}\nchangetype: modify\ndelete: aci\n", subtree.base));
    let run = directory.sh("cc-user sync-ldap --delete-missing --max-delete 100%").ended(75);
    assert!(run.stderr.contains("the LDAP search returned no users"), "{}", run.stderr);
    assert_eq!(table(&directory), before);
}
