//! `cc-user` as people and scripts run it, beside other processes that use the database.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cc_auth::user::PasswordHash;
use cc_auth::user_db::{OpenMode, UserDb};
use cc_auth::util::secret::SecretText;
use rusqlite::Connection;

use crate::support::{TestEnv, has_python, rows};
use crate::user_db::{LAYOUTS, server_database};

fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

/// Every hash that Go's bcrypt was asked about (recorded with cc-backend 1.5's version of it).
/// Stricter here on purpose: a password with NUL never matches.
#[test]
fn hashes_compare_as_gos_bcrypt_compared_them() {
    let mut compared = 0;
    for row in rows("bcrypt.jsonl") {
        let (Some(password), Some(hash)) = (row["password"].as_str(), row["hash"].as_str()) else {
            // Not UTF-8, which no prompt gives, or refused.
            continue;
        };
        let seen = PasswordHash::from_stored(hash.to_owned()).matches(&secret(password)) == Ok(true);
        let expected =
            if row["op"] == "GenerateFromPassword" { row["ok"] == true } else { row["match"] == true };
        assert_eq!(seen, expected && !password.contains('\0'), "{row}");
        compared += 1;
    }
    assert!(compared > 40, "only {compared} rows");
}

#[test]
fn python_checks_our_hashes_and_we_check_pythons() {
    if !has_python("bcrypt") {
        return;
    }
    let directory = TestEnv::new();
    let long = "0123456789".repeat(7) + "ab";
    for password in ["secret", "pässwörd€𝄞", " blanks ", &long] {
        let ours = PasswordHash::with_cost(&secret(password), 4).unwrap();
        let script = "import bcrypt,sys\np,h=sys.argv[1].encode(),sys.argv[2].encode()\n\
                      print(bcrypt.checkpw(p,h), bcrypt.checkpw(p+b'x',h) if len(p)<72 else False)\n\
                      print(bcrypt.hashpw(p,bcrypt.gensalt(4)).decode())";
        let run =
            directory.command("python3").args(["-c", script, password, ours.expose()]).output().unwrap();
        let text = String::from_utf8(run.stdout).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("True False"), "{password}: {}", String::from_utf8_lossy(&run.stderr));
        let theirs = PasswordHash::from_stored(lines.next().unwrap().to_owned());
        assert_eq!(theirs.matches(&secret(password)), Ok(true), "{password}");
        assert_eq!(theirs.matches(&secret("other")), Ok(false));
    }
}

#[test]
fn fifty_adds_at_once_lose_no_user_while_another_process_holds_the_lock() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    let lock = Connection::open(directory.file("var/job.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let add = |name: &str, wait: &str| {
        Command::new(crate::support::programs().join("cc-user"))
            .args(["add", name, "--role", "api", "--wait", wait])
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let began = Instant::now();
    let impatient = add("impatient", "300ms");
    // Two of each name: one of them must find the other.
    let children: Vec<_> =
        (0..50).map(|number| (number, add(&format!("u{:02}", number % 25), "60s"))).collect();
    let refused = impatient.wait_with_output().unwrap();
    assert_eq!(refused.status.code(), Some(75), "{}", String::from_utf8_lossy(&refused.stderr));
    std::thread::sleep(Duration::from_secs(3).saturating_sub(began.elapsed()));
    lock.execute_batch("COMMIT").unwrap();
    let mut statuses = Vec::new();
    for (number, child) in children {
        let output = child.wait_with_output().unwrap();
        let status = output.status.code().unwrap();
        assert!(status == 0 || status == 73, "{number}: {}", String::from_utf8_lossy(&output.stderr));
        statuses.push(status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 0).count(), 25, "each name once");
    let listed = directory.run("cc-user", &["list", "--names"]).ended(0).stdout;
    let expected: String = (0..25).map(|number| format!("u{number:02}\n")).collect();
    assert_eq!(listed, expected);
}

#[test]
fn killed_import_changes_nothing() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    directory.run("cc-user", &["add", "before", "--role", "api", "-q"]).ended(0);
    let mut text = String::from("username,roles,name\n");
    for number in 0..60_000 {
        text += &format!("user{number},user,{}\n", "x".repeat(60));
    }
    directory.write("many.csv", text);
    let mut child = Command::new(crate::support::programs().join("cc-user"))
        .args(["import", "many.csv", "-q"])
        .current_dir(directory.path())
        .spawn()
        .unwrap();
    let log = directory.file("var/job.db-wal");
    let began = Instant::now();
    // The log grows long before the commit.
    while std::fs::metadata(&log).map_or(0, |metadata| metadata.len()) < 1 << 20 {
        assert!(child.try_wait().unwrap().is_none(), "the import was over before it could be killed");
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(directory.run("cc-user", &["list", "--names"]).ended(0).stdout, "before\n");
    directory.run("cc-user", &["import", "many.csv"]).ended(0);
    let store = UserDb::open(&directory.file("var/job.db"), OpenMode::Read).unwrap();
    assert!(store.record("user59999").unwrap().is_some());
    let connection = Connection::open(directory.file("var/job.db")).unwrap();
    let health: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(health, "ok");
}

#[test]
fn accounts_move_from_a_stand_alone_database_into_a_servers_with_their_passwords() {
    for (version, table, projects) in LAYOUTS {
        let directory = TestEnv::new();
        directory.run("cc-user", &["init", "-q"]).ended(0);
        directory
            .run_with("cc-user", &["add", "anna", "--role", "admin", "--password-stdin", "-q"], "hunter2\n")
            .ended(0);
        directory.run("cc-user", &["add", "bot", "--role", "api", "--name", "a, \"b\"", "-q"]).ended(0);
        if projects {
            let manager =
                ["add", "m", "--role", "manager", "-p", "p 1,p2", "-p", "p3", "--no-password", "-q"];
            directory.run("cc-user", &manager).ended(0);
        }
        drop(server_database(&directory.file("server.db"), version, table, projects));
        for format in ["csv", "jsonl"] {
            let file = format!("users.{format}");
            directory.run("cc-user", &["export", "--with-passwords", "-o", &file, "-q"]).ended(0);
            assert_eq!(directory.sh(&format!("stat -c %a {file}")).stdout, "600\n");
            let import = ["import", &file, "--db", "server.db", "--update", "-q"];
            directory.run("cc-user", &import).ended(0);
            let list = |db: &str| directory.run("cc-user", &["list", "--json", "--db", db]).ended(0).json();
            assert_eq!(list("server.db"), list("var/job.db"), "version {version}, {format}");
            let store = UserDb::open(&directory.file("server.db"), OpenMode::Read).unwrap();
            let hash = store.password_hash("anna").unwrap().unwrap();
            assert_eq!(hash.matches(&secret("hunter2")), Ok(true));
        }
    }
}

#[test]
fn csv_is_read_with_quotes_line_ends_and_a_byte_order_mark() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    let text = "\u{feff}name,roles,username,projects\r\n\"Anna \"\"A\"\" Berg, Dr.\",\"user,api\",anna,\r\n\r\n\
                ,\"[\"\"manager\"\"]\",m,\"[\"\"p,1\"\",\"\"p2\"\"]\"\r\n\"Zoë\",api,\"zoë\",\"\"";
    directory.run_with("cc-user", &["import", "-"], text).ended(0);
    let listed = directory.run("cc-user", &["list", "--json"]).ended(0).json();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|user| user["name"].clone()).collect();
    assert_eq!(serde_json::Value::from(names), serde_json::json!(["Anna \"A\" Berg, Dr.", null, "Zoë"]));
    assert_eq!(listed[1]["projects"], serde_json::json!(["p,1", "p2"]));
}

#[test]
fn import_invalid_lines_are_reported_with_their_numbers_and_nothing_is_imported() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    directory.run("cc-user", &["add", "there", "--role", "api", "-q"]).ended(0);
    let text = "username,roles,source,projects\ngood,user,,\nodd,wizard,,\n,user,,\nx,user\nbad\"2,user,,\n\
                \"two\nlines\",user,,\nbad3,user,mars,\ngood,api,,\nm,user,,p\nbad4,\"user,,\n";
    let rejected = directory.run_with("cc-user", &["import", "-"], text).ended(65);
    assert_eq!(rejected.stdout, "");
    for line in ["line 4:", "line 5:", "line 6:", "line 9:", "line 10:", "line 12:"] {
        assert!(rejected.stderr.contains(line), "{line} in {}", rejected.stderr);
    }
    assert!(rejected.stderr.contains("6 lines are invalid: nothing was imported"), "{}", rejected.stderr);
    let known =
        directory.run_with("cc-user", &["import", "-"], "username,roles\nnew,api\nthere,api\n").ended(73);
    assert!(known.stderr.contains("line 3: the user already exists"), "{}", known.stderr);
    assert_eq!(directory.run("cc-user", &["list", "--names"]).ended(0).stdout, "there\n");

    // The valid lines alone, on request; what `add` would reject is a warning.
    let kept = directory.run_with("cc-user", &["import", "--keep-going", "-"], text).ended(65);
    assert!(kept.stderr.contains("added 4, changed 0"), "{}", kept.stderr);
    assert!(kept.stderr.contains("warning: standard input line 3: unknown role"), "{}", kept.stderr);
    assert!(
        kept.stderr.contains("warning: standard input line 7: the username has a control"),
        "{}",
        kept.stderr
    );
    assert_eq!(
        directory.run("cc-user", &["list", "--names"]).ended(0).stdout,
        "good\nm\nodd\nthere\ntwo\\nlines\n"
    );
}

#[test]
fn import_messages_contain_no_text_of_the_file() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    let hash = "$2a$04$YMTeS9OzuTHc6xU5zVrW1eLRHS.UC0SHRwVTYAzAwOzQJGkEpn3Wa";
    let secrets = ["hunter2hunter2", hash, "{SSHA}hunter2hunter2", "$6$salt$hunter2hunter2"];
    let headings = [
        "",
        "username,roles,projects,name,email,source,password_hash\n",
        "username;roles;projects;name;email;source;password_hash\n",
        "username,roles,hunter2hunter2\n",
        "hunter2hunter2\n",
    ];
    for secret in secrets {
        for heading in headings {
            let row = |position: usize| {
                let mut fields = ["anna", "user", "", "", "", "", ""];
                fields[position] = secret;
                fields.join(if heading.contains(';') { ";" } else { "," })
            };
            // In each column, and with each kind of error in the line.
            for position in 0..7 {
                let row = row(position);
                for line in [row.clone(), format!("{row},x"), format!("{row}\"x"), format!("\"{row}")] {
                    let ran = directory.run_with(
                        "cc-user",
                        &["import", "--dry-run", "-"],
                        format!("{heading}{line}\n"),
                    );
                    assert!(!ran.stderr.contains(&secret[..8]), "{heading}{line}: {}", ran.stderr);
                }
            }
        }
        for line in [
            format!("{{\"username\":\"a\",\"{secret}\":1}}"),
            format!("{{\"username\":\"a\",\"roles\":\"{secret}\"}}"),
            format!("{{\"username\":\"a\",\"roles\":[\"{secret}\"],\"projects\":[\"{secret}\"]}}"),
            format!("{{\"username\":\"a\",\"source\":\"{secret}\"}}"),
            format!("{{\"username\":\"a\",\"email\":\"{secret}\"}}"),
            format!("{{\"username\":\"a\",\"password\":\"{secret}\"}}"),
            format!("{{\"username\":\"{secret}"),
            format!("{{\"username\":{secret}}}"),
            format!("{{\"username\":\"a\"}}{secret}"),
        ] {
            let ran = directory.run_with(
                "cc-user",
                &["import", "--dry-run", "-", "--format", "jsonl"],
                line.clone(),
            );
            assert!(!ran.stderr.contains(&secret[..8]), "{line}: {}", ran.stderr);
        }
    }
}

#[test]
fn import_of_many_invalid_lines_is_reported_in_bounded_memory() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    directory.write("short.csv", format!("username,roles\n{}", "x\n".repeat(4 << 20)));
    directory.write("short.jsonl", "x\n".repeat(4 << 20));
    for file in ["short.csv", "short.jsonl"] {
        let ran = directory.sh(&format!("ulimit -v 200000; cc-user import {file}")).ended(65);
        assert!(ran.stderr.contains("4194304 lines are invalid"), "{}", ran.stderr);
        assert!(ran.stderr.lines().count() < 30, "{}", ran.stderr);
    }
}

#[test]
fn import_reads_semicolons_empty_rows_and_hashes_of_ldap_directories() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    let hash = "$2y$04$YMTeS9OzuTHc6xU5zVrW1eLRHS.UC0SHRwVTYAzAwOzQJGkEpn3Wa";
    let text = format!(
        "username;roles;password_hash\r\na;user,api;{{BCRYPT}}{hash}\r\n;;\r\nb;user;{{CRYPT}}{hash}\r\n;;\r\n"
    );
    let imported = directory.run_with("cc-user", &["import", "-"], text).ended(0);
    assert!(imported.stderr.contains("added 2"), "{}", imported.stderr);
    let store = UserDb::open(&directory.file("var/job.db"), OpenMode::Read).unwrap();
    for name in ["a", "b"] {
        assert_eq!(store.password_hash(name).unwrap().unwrap().expose(), hash);
    }
    assert_eq!(store.find("a").unwrap().unwrap().roles, ["user", "api"]);
    let other = "username,password_hash\nc,$6$salt$hash\nd,{SSHA}x\ne,5f4dcc3b5aa765d61d8327deb882cf99\n";
    let rejected = directory.run_with("cc-user", &["import", "-"], other).ended(65);
    for kind in ["SHA-512 crypt", "salted SHA", "MD5"] {
        assert!(rejected.stderr.contains(kind), "{kind}: {}", rejected.stderr);
    }
}

#[test]
fn invalid_hash_is_rejected_and_not_printed() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    for text in [
        "username,roles,password_hash\na,user,hunter2\n",
        "{\"username\":\"a\",\"roles\":[\"user\"],\"password_hash\":\"hunter2\"}",
        "username,roles,password_hash\na,user,$2a$31$YMTeS9OzuTHc6xU5zVrW1eLRHS.UC0SHRwVTYAzAwOzQJGkEpn3Wa\n",
    ] {
        let refused = directory.run_with("cc-user", &["import", "-"], text).ended(65);
        assert!(
            !refused.stderr.contains("hunter2") && !refused.stderr.contains("YMTe"),
            "{}",
            refused.stderr
        );
    }
    let locked = "username,roles,password_hash\na,user,!$2a$04$YMTeS9OzuTHc6xU5zVrW1eLRHS.UC0SHRwVTYAzAwOzQJGkEpn3Wa\n";
    directory.run_with("cc-user", &["import", "-"], locked).ended(0);
}

#[test]
fn password_in_add_argument_is_never_printed() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    for arguments in [
        &["add", "fritz:admin,wizard:hunter2"][..],
        &["add", "fritz:hunter2"],
        &["add", "fritz:hunter2:admin"],
        &["add", "fritz:admin:hunter2", "--role", "user"],
        &["add", "fritz:admin:hunter2", "max:admin:hunter2"],
        &["add", "fritz:admin:hunter2", "--wrong"],
        &["add", &format!("fritz:admin:hunter2{}", "x".repeat(70))],
        &["add", ":admin:hunter2"],
        &["add", "fritz:manager:hunter2"],
        &["show", "fritz:admin:hunter2"],
        &["show", "x", "fritz:admin:hunter2"],
        &["del", "fritz:admin:hunter2"],
        &["passwd", "fritz:admin:hunter2", "--delete"],
        &["role", "add", "fritz:admin:hunter2", "api"],
        &["project", "remove", "fritz:admin:hunter2", "api"],
        &["fritz:admin:hunter2"],
        &["role", "fritz:admin:hunter2"],
        &["list", "--sort", "fritz:admin:hunter2"],
        &["list", "--columns", "fritz:admin:hunter2"],
        &["-add-user", "fritz:admin:hunter2"],
        &["-add-user=fritz:admin:hunter2"],
        &["--add-user=fritz:admin:hunter2"],
    ] {
        for json in [false, true] {
            let mut arguments = arguments.to_vec();
            if json {
                arguments.push("--json");
            }
            let refused = directory.run("cc-user", &arguments);
            assert_ne!(refused.status, 0, "{arguments:?}");
            assert_eq!(refused.stdout, "", "{arguments:?}");
            assert!(!refused.stderr.contains("hunter2"), "{arguments:?}: {}", refused.stderr);
        }
    }
    // A pattern that no username matches.
    let listed = directory.run("cc-user", &["list", "fritz:admin:hunter2"]).ended(0);
    assert!(!(listed.stdout + &listed.stderr).contains("hunter2"));
    let added = directory.run("cc-user", &["add", "fritz:admin,api:pa:ss"]).ended(0);
    assert!(added.stderr.contains("all accounts that can list the processes"), "{}", added.stderr);
    let store = UserDb::open(&directory.file("var/job.db"), OpenMode::Read).unwrap();
    let hash = store.password_hash("fritz").unwrap().unwrap();
    assert_eq!(hash.matches(&secret("pa:ss")), Ok(true), "all after the second colon is the password");
}

#[test]
fn init_makes_what_is_missing_and_leaves_every_byte_that_is_there() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    for (file, mode) in [(".env", "600"), ("config.json", "644"), ("var/job.db", "600"), ("var", "700")] {
        assert_eq!(directory.sh(&format!("stat -c %a {file}")).stdout.trim(), mode, "{file}");
    }
    let sums = || directory.sh("cksum .env config.json var/job.db").stdout;
    let before = sums();
    let report = directory.run("cc-user", &["init", "--json"]).ended(0).json();
    assert_eq!(report["created"], serde_json::json!([]));
    assert_eq!(sums(), before);

    let directory = TestEnv::new();
    let own = "# ours\nexport SESSION_KEY='abc'  # keep\nJWT_PUBLIC_KEY=\nLDAP_ADMIN_PASSWORD=\"x\"\n";
    directory.write(".env", own);
    directory.write("config.json", "{\"main\":{\"db\":\"./users.db\"}}");
    directory.run("cc-user", &["init"]).ended(0);
    let text = directory.read(".env");
    assert!(text.starts_with("# ours\nexport SESSION_KEY='abc'  # keep\nJWT_PUBLIC_KEY=\""), "{text}");
    assert!(text.contains("LDAP_ADMIN_PASSWORD=\"x\"\nJWT_PRIVATE_KEY=\""), "{text}");
    assert!(directory.file("users.db").is_file() && !directory.file("var").exists());

    // The public half is found by the private one.
    let whole = TestEnv::new();
    whole.run("cc-user", &["init", "-q"]).ended(0);
    let lines = whole.read(".env");
    let private: String =
        lines.lines().filter(|line| !line.starts_with("JWT_PUBLIC")).collect::<Vec<_>>().join("\n");
    let half = TestEnv::new();
    half.write(".env", private);
    half.run("cc-user", &["init", "-q"]).ended(0);
    let public = |text: &str| text.lines().find(|line| line.starts_with("JWT_PUBLIC")).unwrap().to_owned();
    assert_eq!(public(&half.read(".env")), public(&lines));
}

#[test]
fn failed_init_creates_nothing() {
    let directory = TestEnv::new();
    directory.write(".env", "JWT_PUBLIC_KEY=\"x\"\n");
    directory.run("cc-user", &["init"]).ended(78);
    directory.write(".env", "no assignment\n");
    directory.run("cc-user", &["init"]).ended(78);
    std::fs::remove_file(directory.file(".env")).unwrap();
    directory.write("var/job.db", "this is not a database ".repeat(50));
    directory.run("cc-user", &["init"]).ended(78);
    assert_eq!(directory.sh("ls -A").stdout, ".home\nvar\n");
}

#[test]
fn usernames_complete_and_nothing_is_printed_when_they_cannot() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    for name in ["anna", "anton", "zoë"] {
        directory.run("cc-user", &["add", name, "--role", "api", "-q"]).ended(0);
    }
    let complete = |words: &[&str]| {
        let run = directory
            .command(crate::support::programs().join("cc-user"))
            .args(["--complete", "fish", "--", "cc-user"])
            .args(words)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&run.stderr), "");
        String::from_utf8(run.stdout).unwrap()
    };
    assert_eq!(complete(&["show", "an"]), "anna\nanton\n");
    assert_eq!(complete(&["del", "anna", "z"]), "zoë\n");
    assert_eq!(complete(&["role", "add", "anna", "ad"]), "admin\n");
    std::fs::write(directory.file("var/job.db"), "garbage").unwrap();
    assert_eq!(complete(&["show", "an"]), "");
}

#[test]
fn list_to_a_closed_pipe_ends_silently() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    let mut text = String::from("username,roles\n");
    for number in 0..5_000 {
        text += &format!("u{number:04},api\n");
    }
    directory.run_with("cc-user", &["import", "-", "-q"], text).ended(0);
    for line in ["cc-user list --names", "cc-user list --json", "cc-user list", "cc-user export"] {
        let run = directory
            .command("bash")
            .args(["-o", "pipefail", "-c", &format!("{line} | head -1")])
            .output()
            .unwrap();
        assert_eq!(
            (run.status.code(), String::from_utf8_lossy(&run.stderr).as_ref()),
            (Some(0), ""),
            "{line}"
        );
    }
    let full = directory.sh("cc-user list --json > /dev/full").ended(74);
    assert!(full.stderr.contains("no space left"), "{}", full.stderr);
}

#[test]
fn manager_role_is_removed_only_without_projects() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    directory.run("cc-user", &["add", "m", "--role", "manager", "-p", "p1", "--no-password", "-q"]).ended(0);
    directory.run("cc-user", &["role", "remove", "m", "manager"]).ended(1);
    let many: Vec<String> = (0..200).map(|number| format!("project{number}")).collect();
    let mut arguments = vec!["project", "add", "m"];
    arguments.extend(many.iter().map(String::as_str));
    let warned = directory.run("cc-user", &arguments).ended(0);
    assert!(warned.stderr.contains("warning: 'm' has 201 projects"), "{}", warned.stderr);
    arguments[1] = "remove";
    directory.run("cc-user", &arguments).ended(0);
    directory.run("cc-user", &["project", "remove", "m", "p1"]).ended(0);
    directory.run("cc-user", &["role", "remove", "m", "manager"]).ended(0);
    let shown = directory.run("cc-user", &["show", "m", "--json"]).ended(0).json();
    assert_eq!((&shown["roles"], &shown["projects"]), (&serde_json::json!([]), &serde_json::json!([])));
}

#[test]
fn only_the_source_that_was_named_is_deleted() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    let text = "username,roles,source\nl,user,ldap\nt,user,token\no,user,oidc\nh,user,local\n";
    directory.run_with("cc-user", &["import", "-", "-q"], text).ended(0);
    let refused = directory.run("cc-user", &["del", "h", "l", "t", "o", "unknown"]).ended(1);
    assert_eq!(refused.stderr.matches("hint:").count(), 3, "{}", refused.stderr);
    directory.run("cc-user", &["del", "--source", "ldap", "h"]).ended(1);
    directory.run("cc-user", &["del", "--source", "ldap", "l"]).ended(0);
    directory.run("cc-user", &["passwd", "t", "--delete"]).ended(1);
    directory.run("cc-user", &["del", "h"]).ended(0);
    assert_eq!(directory.run("cc-user", &["list", "--names"]).ended(0).stdout, "o\nt\n");
}

#[test]
fn invalid_row_is_reported_and_the_others_are_listed() {
    let directory = TestEnv::new();
    directory.run("cc-user", &["init", "-q"]).ended(0);
    let connection = Connection::open(directory.file("var/job.db")).unwrap();
    connection
        .execute_batch(
            r#"INSERT INTO user (username, roles, projects) VALUES
               ('a', '["api"]', '[]'), ('bad', 'garbage', '[]'), ('worse', '["user"]', '5')"#,
        )
        .unwrap();
    let listed = directory.run("cc-user", &["list", "--names"]).ended(74);
    assert_eq!(listed.stdout, "a\nbad\nworse\n");
    assert_eq!(listed.stderr.lines().filter(|line| line.contains("has a broken record")).count(), 2);
    let report = directory.run("cc-user", &["list", "--json"]).ended(74).json();
    assert_eq!(report[1]["invalid_columns"], serde_json::json!(["roles"]));
    directory.run("cc-user", &["show", "a"]).ended(0);
    directory.run("cc-user", &["show", "bad"]).ended(74);
    let exported = directory.run("cc-user", &["export"]).ended(0);
    assert_eq!(exported.stderr.lines().filter(|line| line.contains("was exported unchanged")).count(), 2);
    let stored = |name: &str| -> (String, String) {
        let row = "SELECT roles, projects FROM user WHERE username = ?1";
        connection.query_row(row, [name], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    // What cannot be read is not written over by an action that means something else.
    directory.run("cc-user", &["role", "add", "bad", "api"]).ended(74);
    directory.run("cc-user", &["project", "add", "worse", "p"]).ended(74);
    let refused =
        directory.run_with("cc-user", &["import", "--update", "-"], "username,name\nbad,B\n").ended(74);
    assert_eq!(refused.stdout, "");
    assert_eq!(stored("bad"), ("garbage".to_owned(), "[]".to_owned()));
    // The hint's way out.
    let hint = refused_hint(&directory, "bad");
    directory.sh(&hint).ended(0);
    assert_eq!(stored("bad"), ("[\"user\"]".to_owned(), "[]".to_owned()));
    directory.run("cc-user", &["del", "worse"]).ended(0);
    directory.run("cc-user", &["list"]).ended(0);
}

fn refused_hint(directory: &TestEnv, name: &str) -> String {
    let shown = directory.run("cc-user", &["show", name]).ended(74);
    let hint =
        shown.stderr.lines().find_map(|line| line.strip_prefix("hint: write it anew: ")).map(str::to_owned);
    hint.unwrap_or_else(|| panic!("{}", shown.stderr))
}

#[test]
fn configured_database_is_used_and_invalid_configuration_reported() {
    let directory = TestEnv::new();
    directory.write("config.json", "{\"main\":{\"db\":\"./users.db\"}}");
    directory.run("cc-user", &["init", "-q"]).ended(0);
    directory.run("cc-user", &["add", "a", "--role", "api", "-q"]).ended(0);
    assert_eq!(directory.run("cc-user", &["list", "--names", "--db", "users.db"]).ended(0).stdout, "a\n");
    directory.write("config.json", "{\"main\":{\n\"db\": }}");
    let refused = directory.run("cc-user", &["list"]).ended(78);
    assert!(refused.stderr.contains("line 2"), "{}", refused.stderr);
    // Who names the database needs no configuration.
    directory.run("cc-user", &["list", "--db", "users.db"]).ended(0);
    directory.run("cc-user", &["list", "-c", "nowhere.json"]).ended(66);
}
