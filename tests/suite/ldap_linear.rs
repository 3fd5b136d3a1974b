//! Twice the LDAP response takes at most twice the work.

use serde_json::json;

use crate::ldapd::{BIND, BIND_RESPONSE, DONE, ENTRY, SEARCH, answering, element, entry, message, result};
use crate::linear::{Input, assert_linear};
use crate::sync::directory_for;

/// A sync of the answer that `answer` makes for a message ID.
fn sync(answer: impl Fn(u8) -> Vec<u8> + Send + Sync + 'static) -> Input {
    let port = answering(move |request| match request.operation {
        BIND => result(request.id, BIND_RESPONSE, 0, ""),
        SEARCH => [answer(request.id), result(request.id, DONE, 0, "")].concat(),
        _ => Vec::new(),
    });
    let directory = directory_for(&format!("ldap://127.0.0.1:{port}"), json!({"sync-del-old-users": true}));
    Input::new(directory, &["sync-ldap", "-q"])
}

#[test]
fn sync_of_many_entries_is_linear() {
    assert_linear("cc-user", 4_000, |size| {
        sync(move |id| {
            let entry = |number| entry(id, &format!("uid=u{number}"), "uid", format!("u{number}").as_bytes());
            (0..size).flat_map(entry).collect()
        })
    });
}

#[test]
fn sync_of_names_that_differ_in_case_only_is_linear() {
    assert_linear("cc-user", 4_000, |size| {
        sync(move |id| {
            let entry = |number: usize| {
                let name =
                    if number.is_multiple_of(2) { format!("u{number}") } else { format!("U{}", number - 1) };
                entry(id, &format!("uid=u{number}"), "uid", name.as_bytes())
            };
            (0..size).flat_map(entry).collect()
        })
    });
}

#[test]
fn sync_of_an_entry_with_many_names_is_linear() {
    assert_linear("cc-user", 20_000, |size| {
        sync(move |id| {
            let values: Vec<u8> =
                (0..size).flat_map(|number| element(4, format!("u{number}").as_bytes())).collect();
            let attribute = element(0x30, &[element(4, b"uid"), element(0x31, &values)].concat());
            message(id, ENTRY, &[element(4, b"uid=u"), element(0x30, &attribute)].concat())
        })
    });
}

#[test]
fn sync_of_entries_that_are_skipped_is_linear() {
    assert_linear("cc-user", 4_000, |size| {
        sync(move |id| {
            let skipped = |number| entry(id, &format!("cn=x{number}"), "cn", b"x");
            let one = entry(id, "uid=one", "uid", b"one");
            (0..size).flat_map(skipped).chain(one).collect()
        })
    });
}

#[test]
fn sync_of_a_long_message_is_linear() {
    // A value that was not asked for.
    assert_linear("cc-user", 7 << 20, |size| {
        sync(move |id| {
            let long = entry(id, "uid=long", "photo", &vec![b'x'; size]);
            [long, entry(id, "uid=one", "uid", b"one")].concat()
        })
    });
}

#[test]
fn sync_that_deletes_many_users_is_linear() {
    assert_linear("cc-user", 4_000, |size| {
        let input = sync(|id| entry(id, "uid=one", "uid", b"one"));
        crate::sync_faults::fill(&input.directory, 0, size);
        input.with(["--max-delete", "100%"].map(str::to_owned))
    });
}
