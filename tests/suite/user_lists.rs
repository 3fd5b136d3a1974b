//! Long lists of users, projects and lines: the work of `cc-user` is linear in them.

use crate::linear::{Input, assert_linear};
use crate::support::TestEnv;

fn names(prefix: &str, size: usize) -> Vec<String> {
    (0..size).map(|number| format!("{prefix}{number}")).collect()
}

/// A directory with a database, and in it a manager `m` of as many projects.
fn manager_of(size: usize) -> TestEnv {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    let projects = names("project", size);
    let line = serde_json::json!({"username": "m", "roles": ["manager"], "projects": projects});
    directory.run_with("cc-user", &["import", "-", "-q"], line.to_string()).ended(0);
    directory
}

fn empty() -> TestEnv {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    directory
}

#[test]
fn add_many_projects_is_linear() {
    assert_linear("cc-user", 3000, |size| {
        let projects = names("p", size).into_iter().flat_map(|name| ["-p".to_owned(), name]);
        Input::new(empty(), &["add", "m", "--role", "manager", "--no-password", "-q"]).with(projects)
    });
}

#[test]
fn project_add_many_held_and_new_is_linear() {
    assert_linear("cc-user", 4000, |size| {
        Input::new(manager_of(size), &["project", "add", "m", "-q"]).with(names("project", 2 * size))
    });
}

#[test]
fn project_remove_many_is_linear() {
    assert_linear("cc-user", 4000, |size| {
        Input::new(manager_of(size), &["project", "remove", "m", "-q"]).with(names("project", size))
    });
}

#[test]
fn show_and_list_many_projects_are_linear() {
    for verb in [&["show", "m"][..], &["list"], &["list", "--project", "project7"], &["export"]] {
        assert_linear("cc-user", 6000, |size| Input::new(manager_of(size), verb));
    }
}

#[test]
fn import_many_projects_is_linear() {
    for format in ["csv", "jsonl"] {
        assert_linear("cc-user", 4000, |size| {
            let projects = names("p", size);
            let line = if format == "csv" {
                format!("username,roles,projects\nm,manager,\"{}\"\n", projects.join(","))
            } else {
                serde_json::json!({"username": "m", "roles": ["manager"], "projects": projects}).to_string()
            };
            Input::new(empty(), &["import", "-", "-q", "--format", format]).reads(line)
        });
    }
}

#[test]
fn del_many_missing_users_is_linear() {
    assert_linear("cc-user", 1500, |size| {
        let directory = empty();
        let lines: String = names("u", size).into_iter().map(|name| format!("{name},user\n")).collect();
        let text = format!("username,roles\n{lines}");
        directory.run_with("cc-user", &["import", "-", "-q"], text).ended(0);
        Input::new(directory, &["del", "-q"]).with(names("missing", size)).ends_with(1)
    });
}

/// Lines of an import of that many users, some of them invalid.
fn lines(format: &str, size: usize, is_valid: bool) -> String {
    let mut text = if format == "csv" { "username,roles,name\n".to_owned() } else { String::new() };
    for number in 0..size {
        match (format, is_valid) {
            ("csv", true) => text += &format!("user{number},\"user,api\",\"The \"\"user\"\" {number}\"\n"),
            ("csv", false) => text += &format!("user{number},\"user\"x\n"),
            (_, true) => text += &format!("{{\"username\":\"user{number}\",\"roles\":[\"user\"]}}\n"),
            _ => text += &format!("{{\"username\":\"user{number}\",\"roles\":[\"user\"\n"),
        }
    }
    text
}

#[test]
fn import_many_users_is_linear() {
    for format in ["csv", "jsonl"] {
        for (is_valid, status) in [(true, 0), (false, 65)] {
            assert_linear("cc-user", 2000, |size| {
                Input::new(empty(), &["import", "-", "-q", "--format", format])
                    .reads(lines(format, size, is_valid))
                    .ends_with(status)
            });
        }
    }
}

#[test]
fn update_list_and_export_of_many_users_are_linear() {
    let with_users = |size| {
        let directory = empty();
        directory.run_with("cc-user", &["import", "-", "-q"], lines("csv", size, true)).ended(0);
        directory
    };
    assert_linear("cc-user", 2000, |size| {
        Input::new(with_users(size), &["import", "-", "-q", "--update"]).reads(lines("csv", size, true))
    });
    for verb in [&["list"][..], &["list", "--json"], &["export"]] {
        assert_linear("cc-user", 2000, |size| Input::new(with_users(size), verb));
    }
}

#[test]
fn role_remove_many_is_linear() {
    assert_linear("cc-user", 4000, |size| {
        let directory = empty();
        let line = serde_json::json!({"username": "m", "roles": names("role", size)});
        directory.run_with("cc-user", &["import", "-", "-q"], line.to_string()).ended(0);
        Input::new(directory, &["role", "remove", "m", "-q"]).with(names("role", size))
    });
}
