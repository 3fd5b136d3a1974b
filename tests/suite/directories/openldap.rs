//! Roles and projects from groups of OpenLDAP with the overlays dynlist and memberof.

use serde_json::{Value, json};

use crate::slapd::{BASE, Manner, Slapd, TREE, person};
use crate::support::has;
use crate::sync::{directory_for, table};

fn people() -> String {
    let people: String = ["anna", "bert", "clara"].iter().map(|uid| person(uid, uid)).collect();
    format!("{TREE}{people}dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: groups\n\n")
}

fn map(more: Value) -> Value {
    let mut map = json!({
        "group-base": format!("ou=groups,{BASE}"),
        "rules": [{"pattern": "pi-(.*)", "roles": ["manager"], "projects": ["$1"]}],
    });
    map.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "group-map": map })
}

#[test]
fn openldap_dynamic_groups_give_roles_by_their_members_and_by_memberof() {
    if !has("slapd") {
        return;
    }
    let dynamic = format!(
        "dn: cn=pi-Dyn,ou=groups,{BASE}\nobjectClass: groupOfURLs\ncn: pi-Dyn\n\
         memberURL: ldap:///ou=people,{BASE}??sub?(|(uid=anna)(uid=bert))\n\n"
    );
    let manner = Manner {
        global: "include /etc/ldap/schema/dyngroup.schema\nmoduleload dynlist".to_owned(),
        database: "overlay dynlist\ndynlist-attrset groupOfURLs memberURL member+memberOf@groupOfNames"
            .to_owned(),
        ..Manner::default()
    };
    let server = Slapd::start(&(people() + &dynamic), &manner);
    for membership in ["member-dn", "member-of"] {
        let directory = directory_for(&server.url(), map(json!({ "membership": membership })));
        for changed in [2, 0] {
            let run = directory.sh("cc-user sync-ldap --json").ended(0).json();
            assert_eq!(run["counts"]["projects_added"], changed, "{membership}");
            assert_eq!(
                table(&directory),
                [
                    "anna|1|anna|[\"user\",\"manager\"]|[\"Dyn\"]",
                    "bert|1|bert|[\"user\",\"manager\"]|[\"Dyn\"]",
                    "clara|1|clara|[\"user\"]|[]",
                ],
                "{membership}"
            );
        }
    }
}

#[test]
fn openldap_renamed_user_is_a_dead_member_without_the_overlay_for_references() {
    if !has("slapd") {
        return;
    }
    let manner = Manner {
        global: "moduleload memberof".to_owned(),
        database: "overlay memberof\nmemberof-group-oc groupOfNames\nmemberof-member-ad member".to_owned(),
        ..Manner::default()
    };
    let server = Slapd::start(&people(), &manner);
    server.modify(&format!(
        "dn: cn=pi-Astro,ou=groups,{BASE}\nchangetype: add\nobjectClass: groupOfNames\ncn: pi-Astro\n\
         member: uid=anna,ou=people,{BASE}\nmember: uid=bert,ou=people,{BASE}\n\n\
         dn: uid=bert,ou=people,{BASE}\nchangetype: modrdn\nnewrdn: cn=bert\ndeleteoldrdn: 0\n"
    ));
    // The group has the old DN and the user still has memberOf: the two views differ, and neither fails.
    for (membership, bert) in [
        ("member-dn", "bert|1|bert|[\"user\"]|[]"),
        ("member-of", "bert|1|bert|[\"user\",\"manager\"]|[\"Astro\"]"),
    ] {
        let directory = directory_for(&server.url(), map(json!({ "membership": membership })));
        directory.sh("cc-user sync-ldap").ended(0);
        let rows = table(&directory);
        assert_eq!(rows[..2], ["anna|1|anna|[\"user\",\"manager\"]|[\"Astro\"]", bert], "{membership}");
    }
}
