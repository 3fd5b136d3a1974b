//! Roles, projects and access of a user in the grace period, and after a return.

use std::fs;

use serde_json::{Value, json};

use crate::group_map::{GROUPS, synchronized, user_dn};
use crate::support::{TestEnv, has};
use crate::sync::{configure, table};
use crate::sync_grace::{add, remove, state};

/// Sets a grace period, and these members of 'auth.ldap'; tokens are compared with the user table.
fn set_up(directory: &TestEnv, url: &str, settings: &Value, more: &Value) {
    let mut ldap = settings.clone();
    ldap["sync-grace-period"] = json!("720h");
    for (name, value) in more.as_object().unwrap() {
        ldap[name] = value.clone();
    }
    let keys = fs::read_to_string(directory.file(".env")).unwrap();
    configure(directory, url, ldap);
    directory.write(".env", keys);
    let mut config: Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    config["auth"]["jwts"]["validate-user"] = json!(true);
    config["main"] = json!({"addr": "127.0.0.1:8080", "api-allowed-ips": ["*"]});
    directory.write("config.json", config.to_string());
}

fn row(directory: &TestEnv, username: &str) -> String {
    table(directory).into_iter().find(|row| row.starts_with(&format!("{username}|"))).unwrap()
}

#[test]
fn user_who_returns_has_the_roles_of_the_groups_and_those_set_by_hand() {
    if !has("slapd") {
        return;
    }
    let (server, directory, settings) = synchronized();
    set_up(&directory, &server.url(), &settings, &json!({}));
    directory.sh("cc-user role add -q clara support && cc-user project add -q clara own").ended(0);
    assert_eq!(row(&directory, "clara"), r#"clara|1|Clara|["user","manager","support"]|["Bio","own"]"#);
    remove(&server, "clara");
    directory.sh("cc-user sync-ldap -q").ended(0);
    assert_eq!(row(&directory, "clara"), r#"clara|1|Clara|[]|["Bio","own"]"#);
    // The groups change while the user is disabled: Bio no longer has the user, Astro and api have.
    server.modify(&format!(
        "dn: cn=team,{GROUPS}\nchangetype: modify\nreplace: member\nmember: {anna}\n\n\
         dn: cn=pi-Astro,{GROUPS}\nchangetype: modify\nadd: member\nmember: {clara}\n\n\
         dn: cn=api,{GROUPS}\nchangetype: modify\nadd: member\nmember: {clara}\n\n",
        anna = user_dn("anna"),
        clara = user_dn("clara"),
    ));
    directory.sh("cc-user sync-ldap -q").ended(0);
    assert_eq!(
        row(&directory, "clara"),
        r#"clara|1|Clara|[]|["Bio","own"]"#,
        "a disabled user is not changed"
    );
    add(&server, "clara", "Clara");
    let plan = directory.sh("cc-user sync-ldap --dry-run").ended(0).stdout;
    assert!(plan.contains("enable    clara"), "{plan}");
    directory.sh("cc-user sync-ldap -q").ended(0);
    assert_eq!(
        row(&directory, "clara"),
        r#"clara|1|Clara|["user","manager","support","api"]|["own","Astro"]"#
    );
    assert_eq!(state(&directory, "clara"), Value::Null);
    let second = directory.sh("cc-user sync-ldap --json").ended(0).json();
    assert_eq!((&second["counts"]["returned"], &second["counts"]["rights_changed"]), (&json!(0), &json!(0)));
    // The user leaves all groups while disabled: what was set by hand remains, and the manager of a project.
    remove(&server, "clara");
    directory.sh("cc-user sync-ldap -q").ended(0);
    server.modify(&format!(
        "dn: cn=pi-Astro,{GROUPS}\nchangetype: modify\ndelete: member\nmember: {clara}\n\n\
         dn: cn=api,{GROUPS}\nchangetype: modify\ndelete: member\nmember: {clara}\n\n",
        clara = user_dn("clara"),
    ));
    add(&server, "clara", "Clara");
    directory.sh("cc-user sync-ldap -q").ended(0);
    assert_eq!(row(&directory, "clara"), r#"clara|1|Clara|["user","manager","support"]|["own"]"#);
}

#[test]
fn user_in_grace_has_no_access_by_token_or_login() {
    if !has("slapd") {
        return;
    }
    let (server, directory, settings) = synchronized();
    directory.sh("gen-keypair -q --write && gen-keypair -q --algorithm session --write").ended(0);
    let login = json!({"update-user-on-login": true, "sync-user-on-login": true});
    set_up(&directory, &server.url(), &settings, &login);
    directory.sh("umask 077; cc-jwt issue anna -q > token.txt; echo annapw > pw").ended(0);
    let verify = "cc-jwt verify --token-file token.txt --endpoint";
    directory.sh(&format!("{verify} user-api")).ended(0);
    directory.sh("cc-login anna --method ldap --password-file pw -q").ended(0);
    let before = row(&directory, "anna");
    // The account remains, but the filter no longer finds it: the LDAP server accepts the password.
    let mut excluding = login.clone();
    excluding["user-filter"] = json!("(&(objectClass=posixAccount)(!(uid=anna)))");
    set_up(&directory, &server.url(), &settings, &excluding);
    directory.sh("cc-user sync-ldap -q").ended(0);
    for endpoint in ["api", "user-api", "metric-store-api"] {
        let run = directory.sh(&format!("{verify} {endpoint}")).ended(1);
        assert!(
            run.stdout.contains("fail     roles ") && run.stdout.contains("found []"),
            "{endpoint}: {}",
            run.stdout
        );
    }
    let run = directory.sh(&format!("{verify} query")).ended(0);
    assert!(run.stdout.contains("without rights: GraphQL returns"), "{}", run.stdout);
    let shown = directory.sh("cc-user show anna --json").ended(0).json();
    assert_eq!((&shown["disabled"], &shown["endpoints"]), (&json!(true), &json!(["query"])));
    // A login does not return the roles, though the groups still have the user.
    let run = directory.sh("cc-login anna --method ldap --password-file pw").ended(0);
    assert!(run.stdout.starts_with("logged in: anna (no role) by ldap"), "{}", run.stdout);
    assert!(
        run.stderr.contains("'anna' is disabled: a session at the server has no effect"),
        "{}",
        run.stderr
    );
    directory.sh("cc-login token -q | cc-jwt verify - --endpoint user-api").ended(1);
    assert_eq!(row(&directory, "anna"), r#"anna|1|Anna|[]|[]"#);
    assert!(state(&directory, "anna").is_object());
    // The search finds the user again: the next run returns the roles, not a login before it.
    set_up(&directory, &server.url(), &settings, &login);
    let run = directory.sh("cc-login anna --method ldap --password-file pw").ended(0);
    assert!(run.stdout.starts_with("logged in: anna (no role) by ldap"), "{}", run.stdout);
    directory.sh("cc-user sync-ldap -q").ended(0);
    assert_eq!(row(&directory, "anna"), before);
    directory.sh(&format!("{verify} user-api")).ended(0);
}
