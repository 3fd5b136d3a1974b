//! Completion in real shells: TAB and ENTER typed on a pseudo-terminal, with names that other
//! accounts chose.

use std::fs;
use std::time::{Duration, Instant};

use rexpect::session::{PtySession, spawn_command};

use crate::support::{TestEnv, has, path_with_programs, programs};

/// The shells whose completion is typed.
const SHELLS: [&str; 4] = ["bash", "zsh", "fish", "elvish"];

/// Usernames that would be commands if a shell interpreted them, each with a unique prefix.
const NAMES: [&str; 14] = [
    "aa;touch owned;:",
    "bb$(touch owned)",
    "cc`touch owned`",
    "dd';touch owned;'",
    "ee\";touch owned;\"",
    "ff|touch owned",
    "gg&&touch owned",
    "hh>owned",
    "ii\\;touch owned",
    "jj {owned,x}",
    "kk*",
    "ll#x",
    "mm!touch",
    "nn plain 'n' \"m\"",
];

/// A directory with these users and files, each of which would create `owned`.
fn setup() -> TestEnv {
    let directory = TestEnv::with_setup();
    for name in NAMES {
        let statement = format!(
            "INSERT INTO user (username, password, ldap, roles, projects) VALUES ('{}', NULL, 1, '[\"user\"]', '[]')",
            name.replace('\'', "''")
        );
        let connection = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
        connection.execute(&statement, []).unwrap();
    }
    directory.write("zz;touch owned;x", "no token");
    directory.write("newline\ntouch owned", "no token");
    directory
}

/// A shell on a terminal with the completions of all programs, from the files that packages install.
fn shell(directory: &TestEnv, name: &str) -> PtySession {
    let completions = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(name);
    let lines = match name {
        "bash" => format!("for f in {0}/*; do . $f; done", completions.display()),
        "zsh" => {
            format!(
                "fpath=({0} $fpath); autoload -U compinit; compinit -u -D; unsetopt promptsp",
                completions.display()
            )
        }
        "elvish" => format!("for f [{0}/*] {{ eval (slurp < $f) }}", completions.display()),
        _ => format!("for f in {0}/*; source $f; end", completions.display()),
    };
    shell_with(directory, name, &lines)
}

/// A shell on a terminal that has run these lines.
fn shell_with(directory: &TestEnv, name: &str, lines: &str) -> PtySession {
    let mut command = std::process::Command::new(name);
    match name {
        "bash" => {
            command.args(["--norc", "--noprofile", "-i"]);
        }
        "zsh" => {
            command.args(["-f", "-i"]);
        }
        "elvish" => {
            command.args(["-norc"]);
        }
        _ => {
            command.args(["--no-config", "--private", "-i"]);
        }
    }
    command
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", path_with_programs())
        .env("HOME", directory.file(".home"))
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC");
    let mut session = spawn_command(command, Some(30_000)).unwrap();
    session.send_line(lines).unwrap();
    session.send_line("printf 'rea%s\\n' dy").unwrap();
    session.exp_string("ready").unwrap();
    session
}

/// Types a prefix, TAB and ENTER, and waits for the end of the command.
fn type_and_run(session: &mut PtySession, typed: &str, number: usize) -> String {
    type_and_enter(session, typed, "\r", number)
}

/// The ENTER keys after TAB. elvish lists the candidate if it has to be quoted, and the first one accepts it.
fn enter(shell: &str) -> &'static str {
    if shell == "elvish" { "\r\r" } else { "\r" }
}

fn type_and_enter(session: &mut PtySession, typed: &str, enter: &str, number: usize) -> String {
    session.send(&format!("{typed}\t{enter}")).unwrap();
    session.flush().unwrap();
    session.send_line(&format!("printf 'en%s{number}\\n' d")).unwrap();
    session.exp_string(&format!("end{number}")).unwrap_or_else(|error| panic!("{typed}: {error}"))
}

#[test]
fn completion_hostile_names_execute_nothing_in_any_shell() {
    for name in ["bash", "zsh", "fish"] {
        if !has(name) {
            continue;
        }
        let directory = setup();
        let mut session = shell(&directory, name);
        for (number, user) in NAMES.iter().enumerate() {
            let typed = format!("cc-user show {}", &user[..2]);
            let seen = type_and_run(&mut session, &typed, number);
            assert!(!directory.file("owned").exists(), "{name}: {user} ran: {seen}");
            // The program received the complete name as one argument.
            assert!(
                seen.contains(&format!("username  {}", user.replace('\\', "\\\\"))),
                "{name}: {user}: {seen:?}"
            );
        }
        for (number, typed) in
            ["cc-jwt inspect --token-file zz", "cc-jwt inspect --token-file ne"].iter().enumerate()
        {
            let seen = type_and_run(&mut session, typed, 100 + number);
            assert!(!directory.file("owned").exists(), "{name}: {typed}: {seen}");
        }
    }
}

/// zsh and fish quote for the context; bash inserts the program's output.
#[test]
fn completion_hostile_names_inside_quotes_execute_nothing_in_bash() {
    let directory = setup();
    let mut session = shell(&directory, "bash");
    session.send_line("PS1='<one>' PS2='<two>'; printf 'se%s\\n' t").unwrap();
    session.exp_string("set\r\n").unwrap();
    for (quote, close) in [("'", "'"), ("\"", "\""), ("$'", "'"), ("\"x\"'", "'"), ("a\\", "")] {
        for user in NAMES {
            let line = format!("cc-user show {quote}{}\t{close}\r", &user[..2]);
            session.exp_string("<one>").unwrap();
            session.send(&line).unwrap();
            session.flush().unwrap();
            let (_, prompt) = session.exp_regex("\n[^\n]*<(one|two)>").unwrap();
            if prompt.ends_with("<two>") {
                session.send_control('c').unwrap();
            } else {
                // The prompt that the next iteration waits for.
                session.send("\r").unwrap();
                session.flush().unwrap();
            }
            assert!(!directory.file("owned").exists(), "{line:?} ran it");
        }
    }
}

#[test]
fn completion_offers_candidates_in_every_shell() {
    for name in SHELLS {
        if !has(name) {
            continue;
        }
        let directory = TestEnv::with_setup();
        directory.write("key file.pem", "x");
        let mut session = shell(&directory, name);
        // The first TAB of the session, an option with '=', a name after options.
        let seen = type_and_enter(&mut session, "cc-user sho", enter(name), 1);
        assert!(seen.contains("cc-user show"), "{name}: {seen:?}");
        let seen = type_and_enter(&mut session, "cc-user --wait 1s show fri", enter(name), 2);
        assert!(seen.contains("username  fritz"), "{name}: {seen:?}");
        let seen = type_and_enter(&mut session, "cc-user list --role=ap", enter(name), 3);
        assert!(seen.contains("fritz"), "{name}: {seen:?}");
        let seen = type_and_enter(&mut session, "cc-jwt verify --token-file key", enter(name), 4);
        assert!(!seen.contains("missing") && seen.contains("token"), "{name}: {seen:?}");
        // Only the roles that the user has are offered: of two that begin so, one is the user's.
        directory.sh("cc-user add -q ann --role user,admin --no-password").ended(0);
        let seen = type_and_enter(&mut session, "cc-user role remove fritz a", enter(name), 5);
        assert!(seen.contains("'fritz' has the roles user"), "{name}: {seen:?}");
    }
}

/// The scripts that `completion SHELL` prints, loaded as the manual describes, at the first TAB.
#[test]
fn completion_command_prints_a_script_that_works_at_the_first_tab() {
    for name in SHELLS {
        if !has(name) {
            continue;
        }
        let directory = TestEnv::with_setup();
        let lines = match name {
            "bash" => r#"for p in cc-user cc-jwt cc-login; do eval "$($p completion bash)"; done"#,
            "zsh" => {
                "autoload -U compinit; compinit -u -D; unsetopt promptsp; \
                 for p in cc-user cc-jwt cc-login; do $p completion zsh > $p.zsh; source ./$p.zsh; done"
            }
            "elvish" => "for p [cc-user cc-jwt cc-login] { eval ((external $p) completion elvish | slurp) }",
            _ => "for p in cc-user cc-jwt cc-login; $p completion fish | source; end",
        };
        for (number, (typed, expected)) in [
            ("cc-user sho", "missing argument: NAME"),
            ("cc-jwt insp", "no token given"),
            ("cc-login stat", "not logged in"),
        ]
        .into_iter()
        .enumerate()
        {
            // A new shell for each: its first TAB.
            let mut session = shell_with(&directory, name, lines);
            let seen = type_and_enter(&mut session, typed, enter(name), number);
            assert!(seen.contains(expected), "{name}: {typed}: {seen:?}");
        }
    }
}

#[test]
fn completion_offers_the_values_of_options() {
    let directory = TestEnv::with_setup();
    directory
        .sh("cc-user add -q m --role manager,user --project 'p 1',p2 --no-password; cc-user disable -q fritz")
        .ended(0);
    directory
        .sh("umask 077; echo password > pw; cc-user add -q nora --role user --password-file pw
             cc-login -q nora --password-file pw --session site")
        .ended(0);
    for (line, expected) in [
        ("cc-login whoami --session |", "site"),
        ("cc-login --method |", "auto local ldap token oidc remote stronghold"),
        ("cc-login --method=l|", "--method=local --method=ldap"),
        ("cc-jwt verify --profile |", "wlcg scitokens2 scitokens1 auto"),
        ("cc-jwt issue fritz --algorithm H|", "HS256 HS384 HS512"),
        ("cc-jwt jwks --algorithm H|", ""),
        ("cc-jwt spec new --algorithm E|", "EdDSA ES256 ES384 ES512"),
        ("gen-keypair --algorithm e|", "ed25519 es256 es384"),
        ("cc-user completion |", "bash zsh fish elvish powershell"),
        ("cc-user role remove m |", "manager user"),
        ("cc-user role rm m manager,|", "manager,manager manager,user"),
        ("cc-user --wait 1s role del m u|", "user"),
        ("cc-user role add m a|", "admin api anonymous"),
        ("cc-user role remove unknown a|", "admin api anonymous"),
        ("cc-user role remove fritz a|", ""),
        ("cc-user set m --remove-role m|", "manager"),
        ("cc-user edit m --name X --remove-project p2|", "p2"),
        ("cc-user project remove m p|", "p 1 p2"),
    ] {
        let words: Vec<&str> = line.trim_end_matches('|').split(' ').collect();
        let output = directory
            .command(programs().join(words[0]))
            .args(["--complete", "fish", "--"])
            .args(&words)
            .output()
            .unwrap();
        let seen = String::from_utf8(output.stdout).unwrap();
        let values: Vec<&str> = seen.lines().map(|line| line.split('\t').next().unwrap()).collect();
        let values: Vec<&str> =
            values.into_iter().filter(|value| !value.starts_with("--") || value.contains('=')).collect();
        assert_eq!(values.join(" "), expected, "{line}");
    }
}

#[test]
fn completion_variable_does_not_change_commands() {
    let directory = TestEnv::with_setup();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell", "x"] {
        for (program, arguments, status) in [
            ("cc-jwt", &["verify", "no-token"][..], 65),
            ("cc-user", &["show", "unknown"], 1),
            ("cc-login", &["status"], 1),
            ("gen-keypair", &["--nonsense"], 2),
            ("convert-pem-pubkey", &["missing.pem"], 66),
        ] {
            let output = directory
                .command(programs().join(program))
                .env("COMPLETE", shell)
                .env("_CLAP_COMPLETE_INDEX", "1")
                .env("_CLAP_IFS", "\n")
                .args(arguments)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(status), "{program} {arguments:?} with COMPLETE={shell}");
        }
    }
}

#[test]
fn completion_default_files_that_block_do_not_hang() {
    for name in ["config.json", ".env", "var/job.db"] {
        let directory = TestEnv::with_setup();
        fs::remove_file(directory.file(name)).unwrap();
        directory.sh(&format!("mkfifo {name}")).ended(0);
        for (program, words) in [
            ("cc-user", &["show", "f"][..]),
            ("cc-jwt", &["issue", "f"]),
            ("cc-jwt", &["verify", "--endpoint", ""]),
            ("cc-user", &["role", "remove", "fritz", ""]),
        ] {
            let start = Instant::now();
            let output = directory
                .command(programs().join(program))
                .args(["--complete", "bash", "--", program])
                .args(words)
                .timeout(Duration::from_secs(20))
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(0), "{program} {words:?} with a FIFO {name}");
            assert!(start.elapsed() < Duration::from_secs(10), "{program} {words:?} with a FIFO {name}");
        }
    }
}
