//! README and the guides in `docs` are true: each command of their `console` blocks is run and prints
//! what the page shows. What differs each time (times, keys, tokens) is compared by its kind, its
//! length or its distance. `UPDATE_GUIDES=1` writes down what was seen.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use cc_auth::util::diagnostic::ExitStatus;
use serde_json::Value;

use crate::backend::Backend;
use crate::examples::{own_commands, parse};
use crate::generated::TOOLS;
use crate::httpd::{Reply, Server};
use crate::idp::{Behavior, Idp};
use crate::slapd::{Authority, BASE, Manner, SYNC_DN, SYNC_PASSWORD, Slapd, TREE, free_port, person};
use crate::slurm::Slurm;
use crate::support::{Run, TestEnv, has, is_updating};

/// A part of a line. Everything is compared as it stands, but for what differs with each run.
#[derive(Debug, PartialEq)]
pub enum Piece {
    Text(String),
    /// Seconds since 1970, and the length of the text. Those of one answer have the same distances
    /// from its first.
    Time(i64, usize),
    /// How far a time is from now, in seconds, and how coarsely that is shown.
    Distance(i64, i64),
    /// How long a command took, such as `0.0 s`.
    Duration,
    /// A key, a part of a token, a thumbprint: its length.
    Random(usize),
}

/// How many seconds a run may take that was shown at once, and the reverse.
const TOLERANCE: i64 = 60;

/// `(now)`, `(in 6 days)`, `(2 hours ago)` at the beginning of a text, with its length.
pub fn distance(text: &str) -> Option<(Piece, usize)> {
    let inside = text.strip_prefix('(')?;
    let inside = &inside[..inside.find(')')?];
    let length = inside.len() + 2;
    if inside == "now" {
        return Some((Piece::Distance(0, 1), length));
    }
    let (words, sign) = match inside.strip_prefix("in ") {
        Some(words) => (words, 1),
        None => (inside.strip_suffix(" ago")?, -1),
    };
    let (number, unit) = words.split_once(' ')?;
    let unit = match unit.trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        "year" => 31_557_600,
        _ => return None,
    };
    Some((Piece::Distance(sign * number.parse::<i64>().ok()? * unit, unit), length))
}

/// A time in RFC 3339 (20 characters) or as reports have it (26), or ten digits of seconds.
fn time(text: &str) -> Option<(Piece, usize)> {
    for (length, is_report) in [(20, false), (26, true)] {
        let Some(head) = text.get(..length) else { continue };
        let stamp =
            if is_report { head.replacen(' ', "T", 1).replace(" +00:00", "Z") } else { head.to_owned() };
        if let (true, Ok(stamp)) = (stamp.ends_with('Z'), stamp.parse::<jiff::Timestamp>()) {
            return Some((Piece::Time(stamp.as_second(), length), length));
        }
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (digits == 10 && text.starts_with('1')).then(|| (Piece::Time(text[..10].parse().unwrap(), 10), 10))
}

/// Seconds with a tenth.
fn duration(text: &str) -> Option<(Piece, usize)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let rest = text[digits..].strip_prefix('.')?.strip_prefix(|c: char| c.is_ascii_digit())?;
    (digits > 0 && rest.starts_with(" s")).then_some((Piece::Duration, digits + 4))
}

/// At least 40 characters of base64 with letters of both cases.
fn random(text: &str) -> Option<(Piece, usize)> {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/-_=".contains(c);
    let length = text.find(|c: char| !is_base64(c)).unwrap_or(text.len());
    let has = |kind: fn(&u8) -> bool| text.as_bytes()[..length].iter().any(kind);
    let mixed = length >= 40 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    mixed.then_some((Piece::Random(length), length))
}

fn pieces(line: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut text = String::new();
    let mut rest = line;
    let mut inside_word = false;
    while let Some(first) = rest.chars().next() {
        let special = distance(rest).or_else(|| {
            // A number or a key begins where a word begins.
            if inside_word { None } else { time(rest).or_else(|| duration(rest)).or_else(|| random(rest)) }
        });
        if let Some((piece, length)) = special {
            found.push(Piece::Text(std::mem::take(&mut text)));
            found.push(piece);
            rest = &rest[length..];
            inside_word = true;
        } else {
            text.push(first);
            inside_word = first.is_ascii_alphanumeric();
            rest = &rest[first.len_utf8()..];
        }
    }
    found.push(Piece::Text(text));
    found
}

/// Whether an answer is what the page shows.
fn agrees(shown: &[&str], seen: &[&str]) -> bool {
    let all = |lines: &[&str]| lines.iter().map(|line| pieces(line)).collect::<Vec<_>>();
    let (shown, seen) = (all(shown), all(seen));
    let first = |lines: &[Vec<Piece>]| {
        lines.iter().flatten().find_map(|piece| if let Piece::Time(at, _) = piece { Some(*at) } else { None })
    };
    let (shown_first, seen_first) = (first(&shown).unwrap_or(0), first(&seen).unwrap_or(0));
    shown.len() == seen.len()
        && shown.iter().zip(&seen).all(|(shown, seen)| {
            shown.len() == seen.len()
                && shown.iter().zip(seen).all(|pair| match pair {
                    (Piece::Time(shown, one), Piece::Time(seen, other)) if one == other => {
                        ((shown - shown_first) - (seen - seen_first)).abs() <= TOLERANCE
                    }
                    // A distance in days may be a day less a moment later.
                    (Piece::Distance(shown, one), Piece::Distance(seen, other)) => {
                        (shown - seen).abs() <= TOLERANCE.max(*one.max(other))
                    }
                    (shown, seen) => shown == seen,
                })
        })
}

/// What a guide's commands need from this computer instead of the site that the guide shows:
/// pairs of the text in the guide and the text that a command gets.
#[derive(Default)]
struct Site {
    /// Replaced in commands and files, and back in the output.
    names: Vec<(&'static str, String)>,
    /// Replaced in commands only.
    commands: Vec<(&'static str, String)>,
    /// Variables of each command.
    variables: Vec<(&'static str, String)>,
}

impl Site {
    fn command(&self, text: &str) -> String {
        let replaced = self.names.iter().chain(&self.commands);
        replaced.fold(text.to_owned(), |text, (shown, actual)| text.replace(shown, actual))
    }

    fn output(&self, text: &str) -> String {
        self.names.iter().rev().fold(text.to_owned(), |text, (shown, actual)| text.replace(actual, shown))
    }

    fn run(&self, directory: &TestEnv, command: &str) -> Vec<String> {
        let mut shell = directory.command("sh");
        shell.args(["-c", &format!("({}) 2>&1", self.command(&as_on_a_terminal(command)))]);
        for (name, value) in &self.variables {
            shell.env(name, value);
        }
        let run = Run::from(shell.output().unwrap());
        run.stdout.lines().map(|line| self.output(line)).collect()
    }
}

/// A reader types the commands on a terminal, where a list of users is a table.
fn as_on_a_terminal(command: &str) -> String {
    let is_table = command.starts_with("cc-user list") && !command.contains(['|', '>']);
    let has_form = ["--json", "--names", "--wide"].iter().any(|option| command.contains(option));
    if is_table && !has_form { format!("{command} --wide") } else { command.to_owned() }
}

/// Adds the members of a JSON object to another one.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// Applies a block of a file in a guide: lines of `.env` are added to it,
/// members of `config.json` to that object, and any other file is created.
fn put(directory: &TestEnv, name: &str, content: &str) {
    match name {
        ".env" => {
            let before = directory.read(name);
            directory.write(name, format!("{before}{content}"));
        }
        "config.json" => {
            let mut config = serde_json::from_str(&directory.read(name)).unwrap();
            merge(&mut config, serde_json::from_str(content).unwrap());
            directory.write(name, config.to_string());
        }
        _ => {
            directory.write(name, content);
        }
    }
}

/// The pages whose `console` blocks are run.
fn guides() -> Vec<String> {
    let has_commands = |text: &str| text.lines().any(|line| line == "```console");
    pages().into_iter().filter(|(_, text)| has_commands(text)).map(|(name, _)| name).collect()
}

/// Runs the `console` blocks of a guide from top to bottom, in one directory, and compares what they
/// print.
fn guide_prints_what_it_shows(name: &str, site: &Site, directory: &TestEnv) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let guide = fs::read_to_string(&path).unwrap();
    let mut written = String::new();
    let mut wrong = Vec::new();
    let mut commands = 0;
    let mut lines = guide.lines().peekable();
    while let Some(line) = lines.next() {
        let _ = writeln!(written, "{line}");
        // A block with a file name is that file: "```json config.json".
        if let Some((_, file)) = line.strip_prefix("```").and_then(|kind| kind.split_once(' ')) {
            let mut content = String::new();
            while let Some(line) = lines.next_if(|line| *line != "```") {
                let _ = writeln!(written, "{line}");
                let _ = writeln!(content, "{}", site.command(line));
            }
            put(directory, file, &content);
        }
        if line != "```console" {
            continue;
        }
        while let Some(line) = lines.next_if(|line| *line != "```") {
            let _ = writeln!(written, "{line}");
            let mut command =
                line.strip_prefix("$ ").unwrap_or_else(|| panic!("{name}: no command: {line}")).to_owned();
            while command.ends_with('\\') {
                let more = lines.next().unwrap();
                let _ = writeln!(written, "{more}");
                let _ = write!(command, "\n{more}");
            }
            let mut shown = Vec::new();
            while let Some(output) = lines.next_if(|line| !line.starts_with("$ ") && *line != "```") {
                shown.push(output);
            }
            commands += 1;
            let seen = site.run(directory, &command);
            let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
            let agrees = agrees(&shown, &seen);
            let kept = if agrees { &shown } else { &seen };
            for output in kept {
                let _ = writeln!(written, "{output}");
            }
            if !agrees {
                wrong.push(format!(
                    "$ {command}\n{name} shows\n{}\nseen\n{}",
                    shown.join("\n"),
                    seen.join("\n")
                ));
            }
        }
    }
    println!("{name}: {commands} commands run");
    assert!(commands > 5, "only {commands} commands found in {name}");
    if !wrong.is_empty() && is_updating("UPDATE_GUIDES") {
        fs::write(&path, written).unwrap();
        return;
    }
    let update = "UPDATE_GUIDES=1 writes what was seen";
    assert!(wrong.is_empty(), "{}\n\n{update}", wrong.join("\n\n"));
}

/// The directory of a running server, with a user who has a password in `anna.pw`.
fn server_directory() -> TestEnv {
    let directory = TestEnv::new();
    directory.sh("cc-user init -q").ended(0);
    directory.sh("echo 'correct horse battery' > anna.pw && chmod 600 anna.pw").ended(0);
    directory
}

/// An LDAP directory under the names that the guides give it.
fn ldap_site(server: &Slapd, authority: &Authority) -> Site {
    Site {
        names: vec![
            ("ldaps://ldap.example.org", server.ldaps()),
            ("cn=monitoring,dc=example,dc=org", SYNC_DN.to_owned()),
            ("dc=example,dc=org", BASE.to_owned()),
        ],
        commands: vec![("the password of search-dn", SYNC_PASSWORD.to_owned())],
        variables: vec![("SSL_CERT_FILE", authority.file().display().to_string())],
    }
}

/// The users of the LDAP directory in the guides; emil's account is locked.
fn ldap_server(authority: &Authority) -> Slapd {
    let users = [
        ("clara", "Clara Immerwahr", "bash"),
        ("emil", "Emil Fischer", "nologin"),
        ("ida", "Ida Noddack", "sh"),
    ];
    let people: String = users
        .iter()
        .map(|(uid, name, shell)| {
            person(uid, name).replace("gecos:", &format!("loginShell: /usr/sbin/{shell}\ngecos:"))
        })
        .collect();
    let group = |name: &str| {
        let member = format!("uid=ida,ou=people,{BASE}");
        format!("dn: cn={name},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {name}\nmember: {member}\n\n")
    };
    let groups = format!(
        "dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: groups\n\n{}{}",
        group("hpc-support"),
        group("pi-rhenium")
    );
    Slapd::start(
        &format!("{TREE}{people}{groups}"),
        &Manner { tls: Some(authority.issue(2100)), ..Manner::default() },
    )
}

#[test]
fn readme_commands_print_what_it_shows() {
    if !has("slapd") {
        return;
    }
    let authority = Authority::new();
    let server = ldap_server(&authority);
    let site = ldap_site(&server, &authority);
    guide_prints_what_it_shows("README.md", &site, &server_directory());
}

#[test]
fn ldap_sync_commands_print_what_it_shows() {
    if !has("slapd") {
        return;
    }
    let authority = Authority::new();
    let server = ldap_server(&authority);
    let directory = server_directory();
    directory.sh("echo clarapw > clara.pw && chmod 600 clara.pw").ended(0);
    guide_prints_what_it_shows("docs/ldap-sync.md", &ldap_site(&server, &authority), &directory);
}

#[test]
fn slurm_commands_print_what_it_shows() {
    let Some(slurm) = Slurm::new() else { return };
    slurm.add_physics();
    let directory = server_directory();
    for name in ["anna", "bert", "dora"] {
        directory.sh(&format!("cc-user add -q {name} --role user --no-password")).ended(0);
    }
    let variables = vec![("SLURM_CONF", slurm.configuration().to_owned())];
    guide_prints_what_it_shows("docs/slurm.md", &Site { variables, ..Site::default() }, &directory);
}

#[test]
fn osdf_tokens_commands_print_what_it_shows() {
    guide_prints_what_it_shows("docs/osdf-tokens.md", &Site::default(), &TestEnv::new());
}

#[test]
fn openid_login_commands_print_what_it_shows() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior::default());
    let port = free_port();
    // The guide's browser is on a desktop; here curl follows the login.
    let browser =
        format!("cc-login --method oidc --port {port} --browser 'curl -sL -c /dev/null -o page.html %s'");
    let site = Site {
        names: vec![
            ("https://idp.example.org/realms/hpc", idp.issuer()),
            ("localhost:8250", format!("localhost:{port}")),
        ],
        commands: vec![
            ("OID_CLIENT_ID='cc-login'", "OID_CLIENT_ID='cc'".to_owned()),
            ("cc-login --method oidc", browser),
        ],
        ..Site::default()
    };
    guide_prints_what_it_shows("docs/openid-login.md", &site, &server_directory());
}

#[test]
fn tokens_in_use_commands_print_what_it_shows() {
    let restart = ("systemctl restart", "true".to_owned());
    let site = Site { commands: vec![restart], ..Site::default() };
    guide_prints_what_it_shows("docs/tokens-in-use.md", &site, &TestEnv::new());
}

#[test]
fn remote_users_commands_print_what_it_shows() {
    let backend = Backend::start();
    backend.accounts.lock().unwrap().get_mut("root").unwrap().roles.push("api".to_owned());
    let directory = TestEnv::new();
    directory.sh("echo rootpw > root.pw; echo 'correct horse battery' > anna.pw; chmod 600 *.pw").ended(0);
    let site = Site { names: vec![("https://cc.example.org", backend.url())], ..Site::default() };
    guide_prints_what_it_shows("docs/remote-users.md", &site, &directory);
}

#[test]
fn tokens_for_scripts_commands_print_what_it_shows() {
    if !has("curl") {
        return;
    }
    let server = Server::start(|request| match request.header("authorization") {
        Some(header) if header.starts_with("Bearer eyJ") => Reply::status(200, "text/plain", "ok\n"),
        _ => Reply::status(401, "text/plain", "no token\n"),
    });
    let directory = server_directory();
    directory.sh("cc-user add anna --role user,api --password-file anna.pw -q").ended(0);
    directory.sh("cc-login anna --password-file anna.pw -q").ended(0);
    let site = Site {
        names: vec![("https://monitoring.example.org", server.url())],
        // The note about the endpoints of a token is not the subject of the guide.
        commands: vec![("cc-login token", "cc-login token -q".to_owned())],
        ..Site::default()
    };
    guide_prints_what_it_shows("docs/tokens-for-scripts.md", &site, &directory);
}

#[test]
fn tour_commands_print_what_it_shows() {
    guide_prints_what_it_shows("docs/tour.md", &Site::default(), &TestEnv::new());
}

#[test]
fn readme_length_is_at_most_200_lines() {
    let readme = include_str!("../../README.md");
    assert!(readme.lines().count() <= 200, "README.md has {} lines", readme.lines().count());
    assert!(readme.lines().any(|line| line == "$ make test"), "the gate looks for the command of the tests");
}

#[test]
fn exit_statuses_are_the_same_in_readme_and_manual() {
    let table: Vec<String> = ExitStatus::TABLE.iter().map(|(status, _)| status.code().to_string()).collect();
    let readme: Vec<&str> = include_str!("../../README.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next())
        .filter(|word| word.chars().all(|c| c.is_ascii_digit()))
        .collect();
    let page = include_str!("../../man/cc-auth.7");
    let statuses = page.split(".SH EXIT STATUS").nth(1).unwrap().split(".SH ").next().unwrap();
    let page: Vec<&str> = statuses.lines().filter_map(|line| line.strip_prefix(".B ")).collect();
    assert_eq!(readme, table, "README.md");
    assert_eq!(page, table, "man/cc-auth.7");
}

/// Every page with commands is run by a test of its own above.
#[test]
fn guide_without_a_test_is_found() {
    let source = include_str!("guides.rs");
    for name in guides() {
        assert!(source.contains(&format!("(\"{name}\", ")), "no test runs the commands of {name}");
    }
}

#[test]
fn guide_answer_is_compared_but_for_what_differs_each_time() {
    let one = |shown: &str, seen: &str| agrees(&[shown], &[seen]);
    let key = "RGCcYJ2gt9J2JoCNEs0sHTjQxXzLg4vWVlxWxcDJSc8=";
    let other = "WZSKppsqXXdQ4QsvajBwMQzbwuNx1V/d3iRtjj4vNKQ=";
    assert!(one("x 2026-11-21T20:02:08Z (in 7 days)", "x 2027-01-02T00:00:00Z (in 6 days)"));
    assert!(one("x 2026-11-21 20:02:08 +00:00 (now)", "x 2027-01-02 00:00:00 +00:00 (2 seconds ago)"));
    assert!(one("3 entries in 0.0 s)", "3 entries in 12.5 s)"));
    assert!(one("\"iat\": 1795291640,", "\"iat\": 1795378040,"));
    assert!(one(&format!("K=\"{key}\""), &format!("K=\"{other}\"")));
    for (shown, seen) in [
        ("status 0", "status 1"),
        ("added 2, changed 0, skipped 0", "added 3, changed 0, skipped 0"),
        ("lifetime  6 hours", "lifetime  7 hours"),
        ("at 97 %", "at 98 %"),
        ("in 0.0 s", "in 0.0 ms"),
        ("x 2026-11-21T20:02:08Z", "x 1795378040"),
        ("x (in 7 days)", "x (7 days ago)"),
        ("x (in 7 days)", "x (in 2 days)"),
        ("x (in 3 minutes)", "x (in 3 hours)"),
        ("\"n\": 179529164", "\"n\": 179529165"),
        ("eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9", "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9"),
        ("https://tokens.example.org/jwks.json", "https://tokens.example.com/jwks.json"),
        (key, &other[1..]),
        ("accepted by /api", "rejected by /api"),
    ] {
        assert!(!one(shown, seen), "'{shown}' and '{seen}' are taken for the same");
    }
    // Times of one answer keep their distance.
    let answer = |end: i64| [format!("\"iat\": 1795291640, \"exp\": {}", 1_795_291_640 + end)];
    let agree = |one: i64, other: i64| agrees(&[&answer(one)[0]], &[&answer(other)[0]]);
    assert!(agree(86_400, 86_401));
    assert!(!agree(86_400, 7 * 86_400));
    assert!(!agrees(&["a"], &["a", "b"]));
}

/// The pages for people: README, CONTRIBUTING, SECURITY and those in `docs`.
pub fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned(), "SECURITY.md".to_owned()];
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            names.push(format!("docs/{name}"));
        }
    }
    let read = |name: String| {
        let text = fs::read_to_string(root.join(&name)).unwrap();
        (name, text)
    };
    names.into_iter().map(read).collect()
}

#[test]
fn documentation_paths_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut paths, mut links) = (0, 0);
    for (page, text) in pages() {
        for (count, piece) in text.split('`').enumerate() {
            let first = piece.split('/').next().unwrap_or_default();
            let is_path = ["src", "tests", "man", "contrib", "docs", ".ci"].contains(&first)
                && piece.contains('/')
                && !piece.contains([' ', '<', '*', '\n'])
                && !piece.contains("PROGRAM");
            // The login method of the example does not exist.
            if count % 2 == 0 || !is_path || piece == "src/login/pam.rs" {
                continue;
            }
            paths += 1;
            assert!(root.join(piece).exists(), "{page} names {piece}, which does not exist");
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.contains("://") {
                links += 1;
                let target = root.join(&page).parent().unwrap().join(link.split('#').next().unwrap());
                assert!(target.exists(), "{page} links to {link}, which does not exist");
            }
        }
    }
    assert!(paths > 30 && links > 15, "only {paths} paths and {links} links found");
}

/// A command that the tests cannot run, since it needs a site, has the arguments that its program
/// accepts. Those in `console` and `sh` blocks are run.
#[test]
fn guide_commands_that_are_not_run_are_parsed() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (page, text) in pages() {
        let mut block = None;
        for line in text.lines() {
            if let Some(kind) = line.trim_start().strip_prefix("```") {
                block = if block.is_some() { None } else { Some(kind.to_owned()) };
                continue;
            }
            let commands: Vec<&str> = match block.as_deref() {
                Some("console" | "sh") => Vec::new(),
                Some(_) => vec![line.trim_start_matches(['$', '#', ' '])],
                None => line.split('`').skip(1).step_by(2).collect(),
            };
            for command in commands {
                let is_ours = TOOLS.iter().any(|tool| {
                    let name = format!("{} ", tool.name);
                    command.starts_with(&name) || (block.is_some() && command.contains(&name))
                });
                for words in own_commands(command).iter().filter(|_| is_ours) {
                    seen += 1;
                    let missing = |error: &String| error.contains("required") || error.contains("requires");
                    let error = parse(words).err().filter(|error| block.is_some() || !missing(error));
                    wrong.extend(error.map(|error| format!("{page}: {error}")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 5, "only {seen} commands found");
}
