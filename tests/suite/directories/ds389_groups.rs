//! Roles and projects from groups of 389 Directory Server, in the layouts of FreeIPA and RFC 2307bis.

use serde_json::{Value, json};

use super::ds389::Subtree;
use super::example;
use crate::support::TestEnv;
use crate::sync::table;

/// The directory of a site with FreeIPA's example, in a subtree with its layout.
fn freeipa(name: &str) -> Option<(Subtree, TestEnv)> {
    let subtree = Subtree::new(name)?;
    let base = &subtree.base;
    // FreeIPA's own object class: a group by RFC 2307bis that may be empty.
    subtree.change(
        "dn: cn=schema\nchangetype: modify\nadd: objectClasses\n\
         objectClasses: ( ipaUserGroup-oid NAME 'ipaUserGroup' SUP groupOfNames STRUCTURAL MAY memberOf )\n",
    );
    subtree.add(&format!(
        "dn: cn=accounts,{base}\nobjectClass: nsContainer\ncn: accounts\n\n\
         dn: cn=users,cn=accounts,{base}\nobjectClass: nsContainer\ncn: users\n\n\
         dn: cn=groups,cn=accounts,{base}\nobjectClass: nsContainer\ncn: groups\n\n"
    ));
    for uid in ["anna", "bert", "clara", "dora"] {
        subtree.add(&format!(
            "dn: uid={uid},cn=users,cn=accounts,{base}\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\n\
             objectClass: inetUser\nuid: {uid}\ncn: {uid}\nsn: x\nuidNumber: 1\ngidNumber: 1\n\
             homeDirectory: /h\ngecos: Full {uid}\n\n"
        ));
    }
    let group = |cn: &str, members: &[String]| {
        let members: String = members.iter().map(|member| format!("member: {member}\n")).collect();
        format!("dn: cn={cn},cn=groups,cn=accounts,{base}\nobjectClass: ipaUserGroup\ncn: {cn}\n{members}\n")
    };
    let user = |uid: &str| format!("uid={uid},cn=users,cn=accounts,{base}");
    subtree.add(
        &[
            group("hpc-support", &[user("anna")]),
            group("pi-Astro", &[user("bert"), user("dora")]),
            group("team", &[user("clara")]),
            group("pi-Bio", &[format!("cn=team,cn=groups,cn=accounts,{base}")]),
            group("pi-empty", &[]),
        ]
        .concat(),
    );
    let mut ldap = example("ldap-freeipa.json", "dc=example,dc=org", base);
    ldap["search-dn"] = json!(format!("uid=sync,{base}"));
    ldap["url"] = json!(subtree.url());
    let directory = subtree.directory(ldap);
    Some((subtree, directory))
}

#[test]
fn freeipa_example_gives_roles_and_projects_and_a_second_run_changes_nothing() {
    let Some((subtree, directory)) = freeipa("ipa") else { return };
    let lock = format!(
        "dn: uid=dora,cn=users,cn=accounts,{}\nchangetype: modify\nadd: nsAccountLock\nnsAccountLock: TRUE\n",
        subtree.base
    );
    subtree.change(&lock);
    directory.sh("cc-user sync-ldap --check").ended(0);
    directory.sh("cc-user sync-ldap").ended(0);
    let expected = [
        "anna|1|Full anna|[\"user\",\"support\"]|[]",
        "bert|1|Full bert|[\"user\",\"manager\"]|[\"Astro\"]",
        // memberOf of 389-ds has nested groups.
        "clara|1|Full clara|[\"user\",\"manager\"]|[\"Bio\"]",
    ];
    assert_eq!(table(&directory), expected);
    let second = directory.sh("cc-user sync-ldap --json").ended(0).json();
    for count in ["added", "renamed", "roles_added", "roles_removed", "projects_added", "projects_removed"] {
        assert_eq!(second["counts"][count], 0, "{count}: {second}");
    }
    assert_eq!(table(&directory), expected);
    let why = directory.sh("cc-user show clara --why").ended(0);
    assert!(why.stdout.contains("rules[1]") && why.stdout.contains("cn=pi-Bio,"), "{}", why.stdout);
    // The last member leaves: an empty group is a valid answer of this server.
    subtree.change(&format!(
        "dn: cn=hpc-support,cn=groups,cn=accounts,{}\nchangetype: modify\ndelete: member\n",
        subtree.base
    ));
    directory.sh("cc-user sync-ldap").ended(0);
    assert_eq!(table(&directory)[0], "anna|1|Full anna|[\"user\"]|[]");
}

#[test]
fn freeipa_base_with_two_groups_of_one_name_changes_nothing() {
    let Some((subtree, directory)) = freeipa("compat") else { return };
    directory.sh("cc-user sync-ldap").ended(0);
    let before = table(&directory);
    // FreeIPA's tree for old clients has each group a second time.
    let base = &subtree.base;
    subtree.add(&format!(
        "dn: cn=compat,{base}\nobjectClass: nsContainer\ncn: compat\n\n\
         dn: cn=hpc-support,cn=compat,{base}\nobjectClass: ipaUserGroup\ncn: hpc-support\n"
    ));
    let mut config: Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    config["auth"]["ldap"]["group-map"]["group-base"] = json!(base);
    directory.write("config.json", config.to_string());
    let run = directory.sh("cc-user sync-ldap").ended(78);
    assert!(run.stderr.contains("hpc-support"), "{}", run.stderr);
    assert_eq!(table(&directory), before);
}

#[test]
fn ds389_groups_by_dn_with_escapes_dead_members_and_loops() {
    let Some(subtree) = Subtree::new("dns") else { return };
    let base = &subtree.base;
    subtree.add_users(&["anna", "bert"]);
    // An RDN of two attributes, a comma, a plus sign, a number sign and characters outside ASCII.
    subtree.add(&format!(
        "dn: uid=clara+cn=\\23 Müller\\, C\\+\\+,ou=people,{base}\nobjectClass: inetOrgPerson\n\
         objectClass: posixAccount\nuid: clara\ncn: # Müller, C++\nsn: x\nuidNumber: 1\ngidNumber: 1\n\
         homeDirectory: /h\ngecos: Full clara\n\n\
         dn: cn=pi-One\\, Two,ou=groups,{base}\nobjectClass: groupOfNames\ncn: pi-One, Two\n\
         member: CN=\\23 mÜller\\2c C\\2B\\+ + UID=Clara, OU=People, {base}\nmember: uid=gone,ou=people,{base}\n\
         member: cn=inner,ou=groups,{base}\n\n\
         dn: cn=inner,ou=groups,{base}\nobjectClass: groupOfNames\ncn: inner\n\
         member: UID=anna , ou=people,{base}\nmember: cn=pi-One\\2C Two,ou=groups,{base}\n\n"
    ));
    let map = json!({
        "group-base": format!("ou=groups,{base}"), "membership": "member-dn", "nesting-depth": 5,
        "rules": [{"pattern": "pi-(.*), two", "roles": ["manager"], "projects": ["$1"]}],
    });
    let directory = subtree.directory(json!({"group-map": map}));
    directory.sh("cc-user sync-ldap").ended(0);
    let expected = [
        "anna|1|Full anna|[\"user\",\"manager\"]|[\"One\"]",
        "bert|1|Full bert|[\"user\"]|[]",
        "clara|1|Full clara|[\"user\",\"manager\"]|[\"One\"]",
    ];
    assert_eq!(table(&directory), expected);
    let second = directory.sh("cc-user sync-ldap --json").ended(0).json();
    assert_eq!(
        (&second["counts"]["roles_added"], &second["counts"]["roles_removed"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn ds389_hidden_groups_and_members_remove_no_role() {
    let Some(subtree) = Subtree::new("hidden-groups") else { return };
    let base = &subtree.base;
    subtree.add_users(&["anna", "bert"]);
    for (cn, uid) in [("support", "anna"), ("pi-Astro", "bert")] {
        subtree.add(&format!(
            "dn: cn={cn},ou=groups,{base}\nobjectClass: groupOfNames\ncn: {cn}\nmember: uid={uid},ou=people,{base}\n"
        ));
    }
    let map =
        |rules: Value| json!({"group-map": {"group-base": format!("ou=groups,{base}"), "rules": rules}});
    let by_name = json!([
        {"cn": "support", "roles": ["support"]},
        {"pattern": "pi-(.*)", "roles": ["manager"], "projects": ["$1"]},
    ]);
    let directory = subtree.directory(map(by_name));
    directory.sh("cc-user sync-ldap").ended(0);
    let before = table(&directory);
    assert_eq!(before[1], "bert|1|Full bert|[\"user\",\"manager\"]|[\"Astro\"]");
    let hide = |attributes: &str| {
        subtree.change(&format!(
            "dn: ou=groups,{base}\nchangetype: modify\nreplace: aci\n\
             aci: (targetattr=\"{attributes}\")(version 3.0; acl \"hidden\"; deny (read, search, compare) \
             userdn=\"ldap:///uid=sync,{base}\";)\n"
        ));
    };
    for attributes in ["*", "member", "cn"] {
        hide(attributes);
        let run = directory.sh("cc-user sync-ldap --max-delete 100%").ended(69);
        assert!(run.stderr.starts_with("cc-user: "), "{}", run.stderr);
        assert_eq!(table(&directory), before, "{attributes}: {}", run.stderr);
    }
    hide("description");
    let run = directory.sh("cc-user sync-ldap").ended(0);
    assert!(run.stdout.starts_with("0 added, 0 renamed, 0 deleted, 2 unchanged"), "{}", run.stdout);
}
