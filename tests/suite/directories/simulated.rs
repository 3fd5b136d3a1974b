//! What Active Directory does and Samba does not: ranges of 1,500 values, pages of 1,000 entries, and
//! paging cookies that are lost. A server of the test's own does the same (MS-ADTS 3.1.1.3.1.3.3 and
//! 3.1.1.3.4.1.3).

use serde_json::json;

use crate::ldapd::{BIND, BIND_RESPONSE, DONE, Request, answering, done_with_cookie, entry_of, result};
use crate::support::TestEnv;
use crate::sync::{configure, directory_for, table};

const USERS: usize = 1600;
const PAGE: usize = 1000;
const RANGE: usize = 1500;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// The search for the second range fails.
    RangeFails,
    /// The answer to the search for the second range does not have it.
    RangeIsAbsent,
    /// The second range begins one value too late.
    RangeStartsLate,
    /// The second range is that of another attribute.
    RangeOfOther,
    /// The server no longer knows the cookie of the second page.
    CookieIsLost,
    /// The server ends the second page at its limit.
    PageIsCut,
}

fn dn(number: usize) -> String {
    format!("CN=u{number:04},OU=people,DC=sim")
}

fn members(from: usize, to: usize) -> Vec<String> {
    (from..to).map(dn).collect()
}

fn answer(request: &Request, flaw: Flaw) -> Vec<u8> {
    let id = request.id;
    if request.operation == BIND {
        return result(id, BIND_RESPONSE, 0, "");
    }
    // The root DSE, from which OpenLDAP is recognized.
    if request.contains("structuralObjectClass") {
        return [entry_of(id, "", &[("objectClass", Vec::new())]), result(id, DONE, 0, "")].concat();
    }
    let group = "CN=HPC-Support,OU=groups,DC=sim";
    if request.contains("member;range=1500-") {
        let range = |name: &str, from: usize| {
            [entry_of(id, group, &[(name, members(from, USERS))]), result(id, DONE, 0, "")].concat()
        };
        return match flaw {
            Flaw::RangeFails => result(id, DONE, 80, "internal error"),
            Flaw::RangeIsAbsent => [entry_of(id, group, &[]), result(id, DONE, 0, "")].concat(),
            Flaw::RangeStartsLate => range("member;range=1501-*", RANGE + 1),
            Flaw::RangeOfOther => range("managedObjects;range=1500-*", RANGE),
            _ => range("member;range=1500-*", RANGE),
        };
    }
    if request.contains("marked-group") {
        let attributes = [
            ("cn", vec!["HPC-Support".to_owned()]),
            ("member", Vec::new()),
            ("member;range=0-1499", members(0, RANGE)),
        ];
        return [entry_of(id, group, &attributes), done_with_cookie(id, "")].concat();
    }
    let users = |from: usize, to: usize| -> Vec<u8> {
        let user = |number: usize| {
            let attributes = [
                ("sAMAccountName", vec![format!("u{number:04}")]),
                ("displayName", vec![format!("User {number}")]),
            ];
            entry_of(id, &dn(number), &attributes)
        };
        (from..to).flat_map(user).collect()
    };
    let is_paged = request.contains("1.2.840.113556.1.4.319");
    match (is_paged, request.contains("second-page"), flaw) {
        (false, ..) => [users(0, PAGE), result(id, DONE, 4, "size limit")].concat(),
        (true, false, _) => [users(0, PAGE), done_with_cookie(id, "second-page")].concat(),
        (true, true, Flaw::CookieIsLost) => {
            result(id, DONE, 53, "00000057: LdapErr: Error processing control")
        }
        (true, true, Flaw::PageIsCut) => [users(PAGE, PAGE + 100), result(id, DONE, 4, "")].concat(),
        (true, true, _) => [users(PAGE, USERS), done_with_cookie(id, "")].concat(),
    }
}

fn with(directory: &TestEnv, flaw: Flaw) {
    let port = answering(move |request| answer(request, flaw));
    let more = json!({
        "user-base": "ou=people,dc=sim", "user-filter": "(objectClass=marked-user)",
        "uid-attr": "sAMAccountName", "username-attr": "displayName",
        "group-map": {
            "group-base": "ou=groups,dc=sim", "group-filter": "(objectClass=marked-group)",
            "rules": [{"cn": "hpc-support", "roles": ["support"]}],
        },
    });
    configure(directory, &format!("ldap://127.0.0.1:{port}"), more);
}

#[test]
fn simulated_active_directory_group_of_over_1500_members_is_read_to_its_end() {
    let directory = directory_for("ldap://127.0.0.1:1", json!({}));
    with(&directory, Flaw::None);
    for added in [USERS, 0] {
        let run = directory.sh("cc-user sync-ldap --json").ended(0).json();
        assert_eq!((&run["counts"]["added"], &run["counts"]["roles_added"]), (&json!(added), &json!(added)));
        let rows = table(&directory);
        assert_eq!(rows.len(), USERS);
        assert!(rows.iter().all(|row| row.ends_with("|[\"user\",\"support\"]|[]")), "{:?}", rows.last());
    }
}

#[test]
fn simulated_active_directory_truncated_groups_and_pages_change_nothing() {
    let directory = directory_for("ldap://127.0.0.1:1", json!({}));
    with(&directory, Flaw::None);
    directory.sh("cc-user sync-ldap").ended(0);
    let before = table(&directory);
    for flaw in [
        Flaw::RangeFails,
        Flaw::RangeIsAbsent,
        Flaw::RangeStartsLate,
        Flaw::RangeOfOther,
        Flaw::CookieIsLost,
        Flaw::PageIsCut,
    ] {
        with(&directory, flaw);
        let run = directory.sh("cc-user sync-ldap --delete-missing --max-delete 100%").ended(69);
        assert!(run.stderr.starts_with("cc-user: "), "{flaw:?}: {}", run.stderr);
        assert_eq!(table(&directory), before, "{flaw:?}: {}", run.stderr);
    }
    // Without pages the server ends the answer at its limit.
    with(&directory, Flaw::None);
    directory.sh("cc-user sync-ldap --page-size 0 --delete-missing --max-delete 100%").ended(69);
    assert_eq!(table(&directory), before);
}
