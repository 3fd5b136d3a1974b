//! Two hundred concurrent processes on one file.

use std::process::{Child, Command, Output, Stdio};

use super::*;
use crate::support::programs;

const MANY: usize = 200;

fn all_at_once(directory: &TestEnv, line: impl Fn(usize) -> String) -> Vec<(String, Output)> {
    let children: Vec<(String, Child)> = (0..MANY)
        .map(|number| {
            let line = line(number);
            let mut words = line.split(' ');
            let child = Command::new(programs().join(words.next().unwrap()))
                .args(words)
                .current_dir(directory.path())
                .env_clear()
                .env("HOME", directory.file(".home"))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            (line, child)
        })
        .collect();
    children.into_iter().map(|(line, child)| (line, child.wait_with_output().unwrap())).collect()
}

#[test]
fn concurrent_processes_on_one_database_lose_no_user() {
    let directory = fixture();
    let runs = all_at_once(&directory, |number| match number % 5 {
        0 => format!("cc-user add new{number:03} --role api --wait 60s -q"),
        1 => format!("cc-user del u{number:05} --wait 60s -q"),
        2 => format!("cc-user role add u{:05} api --wait 60s -q", number),
        3 => format!("cc-user passwd u{number:05} --password-file new-pw --wait 60s -q"),
        _ => "cc-user list --names --wait 60s".to_owned(),
    });
    for (line, output) in &runs {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {stderr}");
        if line.contains("list") {
            let listed = output.stdout.iter().filter(|byte| **byte == b'\n').count();
            assert!((USERS + 1 - 40..=USERS + 1 + 40).contains(&listed), "{listed} users");
        }
    }
    let names = users(&directory.file("var/job.db"), "afterwards");
    for number in 0..MANY {
        let there = |name: String| names.binary_search(&name).is_ok();
        assert_eq!(there(format!("u{number:05}")), number % 5 != 1, "u{number:05}");
        assert_eq!(there(format!("new{number:03}")), number % 5 == 0, "new{number:03}");
    }
    let database = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
    let count = |condition: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM user WHERE username LIKE 'u0%' AND {condition}");
        database.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count("roles LIKE '%api%'"), (MANY / 5) as i64, "each role was given");
    assert_eq!(count("password LIKE '$2%'"), (MANY / 5) as i64, "each password was set");
    report(&format!("{MANY} processes on one database: all done, no user lost"));
}

#[test]
fn concurrent_processes_on_one_session_leave_a_complete_file() {
    let directory = fixture();
    // The attempt limit must not reject a login: all processes use the correct password, but each
    // attempt counts until it succeeds.
    let mut statuses = std::collections::BTreeMap::new();
    let runs = all_at_once(&directory, |number| match number % 4 {
        0 => "cc-login fritz --password-file pw -q".to_owned(),
        1 => "cc-login token".to_owned(),
        2 => "cc-login status --json".to_owned(),
        _ if number == 199 => "cc-login logout".to_owned(),
        _ => "cc-login token -q".to_owned(),
    });
    for (line, output) in &runs {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_output_is_clean(&stderr, line);
        let code = output.status.code().unwrap();
        *statuses.entry(code).or_insert(0) += 1;
        let stdout = String::from_utf8_lossy(&output.stdout);
        match (line.as_str(), code) {
            ("cc-login token" | "cc-login token -q", 0) => {
                assert_eq!(stdout.matches('.').count(), 2, "{stdout}");
            }
            ("cc-login status --json", 0) => assert!(stdout.contains("\"fritz\""), "{stdout}"),
            // Between a logout and the next login.
            ("cc-login token" | "cc-login token -q" | "cc-login status --json", 1) => {
                assert!(stderr.contains("not logged in") || stdout.contains("false"), "{stdout}{stderr}");
            }
            ("cc-login fritz --password-file pw -q" | "cc-login logout", 0) => {}
            ("cc-login fritz --password-file pw -q", 75) => {
                assert!(stderr.contains("too many failed logins"), "{stderr}");
            }
            _ => panic!("{line}: {code} {stderr}"),
        }
    }
    assert!(statuses[&0] > MANY / 2, "{statuses:?}");
    directory
        .sh("rm -f .home/.local/state/cc-auth/attempts.json; cc-login fritz --password-file pw -q")
        .ended(0);
    directory.sh("cc-login token").ended(0);
    assert_invariants(directory.path(), "afterwards");
    assert!(left_behind(directory.path(), "afterwards").is_empty());
    report(&format!("{MANY} processes on one session: {statuses:?} by exit status, the session is whole"));
}

#[test]
fn concurrent_processes_on_one_environment_file_lose_no_line() {
    let directory = fixture();
    let runs = all_at_once(&directory, |number| match number % 4 {
        0 => "gen-keypair --write --force -q".to_owned(),
        1 => "gen-keypair -a hs512 --write --force -q".to_owned(),
        2 => "cc-user init -q".to_owned(),
        _ => format!("convert-pem-pubkey public.pem --write --name KEY_{number} -q"),
    });
    for (line, output) in &runs {
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_invariants(directory.path(), "afterwards");
    let file = dotenv::read(directory.read(".env").as_bytes()).unwrap();
    for number in (0..MANY).filter(|number| number % 4 == 3) {
        assert!(file.get(&format!("KEY_{number}")).is_some(), "KEY_{number} is lost");
    }
    assert!(file.get("CROSS_LOGIN_JWT_HS512_KEY").is_some() && file.get("SESSION_KEY").is_some());
    let kept = fs::read_dir(directory.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".env.old"))
        .count();
    assert_eq!(kept, MANY * 3 / 4, "each old file is kept");
    report(&format!("{MANY} processes on one environment file: no line lost, {kept} old files kept whole"));
}

#[test]
fn concurrent_inits_of_one_directory_create_one_setup() {
    let directory = TestEnv::new();
    let runs = all_at_once(&directory, |number| match number % 2 {
        0 => "cc-user init -q".to_owned(),
        _ => format!("gen-keypair -a {} --write -q", if number % 4 == 1 { "session" } else { "hs512" }),
    });
    let mut statuses = std::collections::BTreeMap::new();
    for (line, output) in &runs {
        assert_output_is_clean(&String::from_utf8_lossy(&output.stderr), line);
        *statuses.entry(output.status.code().unwrap()).or_insert(0) += 1;
    }
    let ended = |line: &str, status: i32| {
        let one = |run: &&(String, Output)| run.0 == line && run.1.status.code() == Some(status);
        runs.iter().filter(one).count()
    };
    // `cc-user init` may find that a key it has just created exists by now.
    let (set_up, there) = (ended("cc-user init -q", 0), ended("cc-user init -q", 73));
    assert!(set_up > 0 && set_up + there == MANY / 2, "{statuses:?}");
    for algorithm in ["session", "hs512"] {
        let line = format!("gen-keypair -a {algorithm} --write -q");
        let (made, there) = (ended(&line, 0), ended(&line, 73));
        // The first process creates the key unless it is `cc-user init`; all others find it.
        assert!(made <= 1 && made + there == MANY / 4, "{algorithm}: {statuses:?}");
    }
    directory.sh("cc-user init -q").ended(0);
    let file = dotenv::read(directory.read(".env").as_bytes()).unwrap();
    for name in ["JWT_PUBLIC_KEY", "JWT_PRIVATE_KEY", "SESSION_KEY", "CROSS_LOGIN_JWT_HS512_KEY"] {
        assert!(file.get(name).is_some(), "{name} is lost: {statuses:?}");
    }
    assert!(users(&directory.file("var/job.db"), "afterwards").is_empty());
    report(&format!("{MANY} set-ups of one directory: {statuses:?} by exit status, one site"));
}
