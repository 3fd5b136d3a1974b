//! Roles and projects from groups of Active Directory, by Samba: nested groups, primary groups, DNs with
//! escapes, disabled accounts.

use serde_json::json;

use super::example;
use super::samba::Unit;
use crate::support::TestEnv;
use crate::sync::table;

/// A unit with users and groups, and a site with the example for Active Directory.
fn active_directory(name: &'static str) -> Option<(Unit, TestEnv)> {
    let unit = Unit::new(name)?;
    unit.add_users(&["anna", "bert", "clara", "dora"]);
    let group = |cn: &str, account: &str, members: &[String]| {
        let members: String = members.iter().map(|member| format!("member: {member}\n")).collect();
        format!(
            "dn: cn={cn},{}\nobjectClass: group\nsAMAccountName: {name}-{account}\n{members}\n",
            unit.base
        )
    };
    unit.add(&group("HPC-Support", "support", &[unit.dn("anna")]));
    unit.add(&group("Team \\(one\\)\\, two", "team", &[unit.dn("bert")]));
    unit.add(&group("Middle*", "middle", &[format!("cn=Team \\(one\\)\\, two,{}", unit.base)]));
    unit.add(&group("PI-Bio", "bio", &[format!("cn=Middle*,{}", unit.base)]));
    unit.add(&group("PI-Astro \\(x\\)", "astro", &[unit.dn("clara"), unit.dn("dora")]));
    let mut ldap = example("ldap-ad.json", "dc=ad,dc=example,dc=org", &unit.base);
    ldap["url"] = json!("ldap://localhost");
    ldap["search-dn"] = json!(unit.dn("sync"));
    let directory = unit.directory(ldap);
    Some((unit, directory))
}

#[test]
fn active_directory_example_gives_roles_and_projects_of_nested_groups() {
    let Some((unit, directory)) = active_directory("nested") else { return };
    unit.change(&format!(
        "dn: {}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n",
        unit.dn("dora")
    ));
    unit.sh(&directory, "cc-user sync-ldap --check").ended(0);
    unit.sh(&directory, "cc-user sync-ldap").ended(0);
    let expected = [
        "nested-anna|1|Full anna|[\"user\",\"support\"]|[]",
        "nested-bert|1|Full bert|[\"user\",\"manager\"]|[\"Bio\"]",
        "nested-clara|1|Full clara|[\"user\",\"manager\"]|[\"Astro (x)\"]",
        "nested-sync|1|Full sync|[\"user\"]|[]",
    ];
    assert_eq!(table(&directory), expected);
    let second = unit.sh(&directory, "cc-user sync-ldap --json").ended(0).json();
    for count in ["added", "renamed", "roles_added", "roles_removed", "projects_added", "projects_removed"] {
        assert_eq!(second["counts"][count], 0, "{count}: {second}");
    }
    assert_eq!(table(&directory), expected);
    let why = unit.sh(&directory, "cc-user show nested-bert --why").ended(0);
    assert!(why.stdout.to_lowercase().contains("cn=pi-bio,"), "{}", why.stdout);
}

#[test]
fn active_directory_member_by_primary_group_keeps_the_role() {
    let Some((unit, directory)) = active_directory("primary") else { return };
    unit.sh(&directory, "cc-user sync-ldap").ended(0);
    let before = table(&directory);
    assert_eq!(before[0], "primary-anna|1|Full anna|[\"user\",\"support\"]|[]");
    // The server then removes the user from the attribute member.
    let number = unit.read("(cn=HPC-Support)", "primaryGroupToken");
    unit.change(&format!(
        "dn: {}\nchangetype: modify\nreplace: primaryGroupID\nprimaryGroupID: {number}\n",
        unit.dn("anna")
    ));
    assert_eq!(unit.read("(cn=HPC-Support)", "member"), "");
    let run = unit.sh(&directory, "cc-user sync-ldap --json").ended(0).json();
    assert_eq!(run["counts"]["roles_removed"], 0, "{run}");
    assert_eq!(table(&directory), before);
}

#[test]
fn active_directory_member_by_primary_group_counts_in_the_groups_above_it() {
    let Some((unit, directory)) = active_directory("above") else { return };
    let group = |account: &str| unit.read(&format!("(sAMAccountName=above-{account})"), "primaryGroupToken");
    // The user must be a member of the group before it is the primary group.
    unit.change(&format!(
        "dn: cn=Team \\(one\\)\\, two,{0}\nchangetype: modify\nadd: member\nmember: {1}\n\n\
         dn: {1}\nchangetype: modify\nreplace: primaryGroupID\nprimaryGroupID: {2}\n\n",
        unit.base,
        unit.dn("anna"),
        group("team")
    ));
    let expected = "above-anna|1|Full anna|[\"user\",\"manager\",\"support\"]|[\"Bio\"]";
    let mut config: serde_json::Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    let by_name = json!([
        {"cn": "HPC-Support", "roles": ["support"]},
        {"cn": "PI-Bio", "roles": ["manager"], "projects": ["Bio"]},
    ]);
    let by_dn = json!([
        {"dn": format!("cn=HPC-Support,{}", unit.base), "roles": ["support"]},
        {"dn": format!("cn=PI-Bio,{}", unit.base), "roles": ["manager"], "projects": ["Bio"]},
    ]);
    let all = config["auth"]["ldap"]["group-map"]["rules"].clone();
    for (form, rules) in [("pattern", all), ("name", by_name), ("DN", by_dn)] {
        config["auth"]["ldap"]["group-map"]["rules"] = rules;
        directory.write("config.json", config.to_string());
        unit.sh(&directory, "cc-user sync-ldap").ended(0);
        assert_eq!(table(&directory)[0], expected, "{form}");
        directory.sh("rm -f var/job.db* && cc-user init -q").ended(0);
    }
}

#[test]
fn active_directory_nested_groups_are_followed_by_dn_as_well() {
    let Some((unit, directory)) = active_directory("depth") else { return };
    let mut config: serde_json::Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    let map = &mut config["auth"]["ldap"]["group-map"];
    map["in-chain"] = json!(false);
    map["nesting-depth"] = json!(2);
    directory.write("config.json", config.to_string());
    unit.sh(&directory, "cc-user sync-ldap").ended(0);
    assert_eq!(table(&directory)[1], "depth-bert|1|Full bert|[\"user\",\"manager\"]|[\"Bio\"]");
    config["auth"]["ldap"]["group-map"]["nesting-depth"] = json!(1);
    directory.write("config.json", config.to_string());
    unit.sh(&directory, "cc-user sync-ldap").ended(0);
    assert_eq!(table(&directory)[1], "depth-bert|1|Full bert|[\"user\"]|[]");
}
