//! No example shows a token to other accounts: in a command line, because the list of processes shows
//! arguments to all accounts and the history of a shell keeps them, or in a file of mode 0644.
//!
//! README, guides, man pages, completions, `contrib` and the texts of the programs are read line by
//! line. For one path: `COMMAND_LINES=docs cargo test --test suite command_lines::`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::code_without_tests;

/// What users read.
const ROOTS: &[&str] = &[
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    ".github",
    "completions",
    "contrib",
    "docs",
    "man",
    "operator",
    "src",
];

/// Texts of other projects, and what is not read by users.
const LEFT_OUT: &[&str] = &["contrib/third-party-licenses", "operator/target", "operator/tests"];

/// Where a line is right: the path, a part of the line, the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("man/cc-jwt-role-pull.1", "Default: $STRONGHOLD_TOKEN, $BAO_TOKEN or $VAULT_TOKEN", DEFAULT_VARIABLES),
    (
        "src/cli/cc_jwt/role_pull.rs",
        "default: $STRONGHOLD_TOKEN, $BAO_TOKEN or $VAULT_TOKEN",
        DEFAULT_VARIABLES,
    ),
];

/// Why the default of an option can be a variable with a token.
const DEFAULT_VARIABLES: &str = "the variables that the program reads, not a command line";

/// Commands that print a token.
const PRINTERS: [&str; 4] = ["cc-login token", "cc-jwt issue", "cc-jwt spec issue", "bao token"];

/// The texts, each with its lines; a line that ends with a backslash includes the next one.
fn texts() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let only = std::env::var("COMMAND_LINES").unwrap_or_default();
    let mut open: Vec<PathBuf> = ROOTS.iter().map(|name| root.join(name)).collect();
    let mut texts = BTreeMap::new();
    while let Some(path) = open.pop() {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if name.starts_with(&only) {
            let text = match path.extension().is_some_and(|extension| extension == "rs") {
                true if name.starts_with("src") => code_without_tests(&path),
                _ => fs::read_to_string(&path).unwrap_or_default(),
            };
            // A man page has `\-` for `-`, and a string of Rust `\"` for `"`.
            let text = text.replace("\\-", "-").replace("\\(aq", "'").replace("\\\"", "\"");
            texts.insert(name, joined(&text));
        }
    }
    texts
}

fn joined(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut continues = false;
    for line in text.lines() {
        let part = line.strip_suffix('\\').unwrap_or(line);
        match lines.last_mut().filter(|_| continues) {
            Some(last) => last.push_str(part.trim_start()),
            None => lines.push(part.to_owned()),
        }
        continues = part.len() < line.len();
    }
    lines
}

fn is_word_end(c: Option<char>) -> bool {
    c.is_none_or(|c| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
}

/// Whether a name is that of a variable with a token or key. A variable with the path of a file is not.
fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_path = ["_file", "_path", "_dir", "file", "_name", "_url"].iter().any(|end| name.ends_with(end));
    !is_path && ["token", "jwt", "bearer"].iter().any(|part| name.contains(part))
}

/// The text inside `$(…)` or backquotes that begins at the start of a text, with its length.
fn substitution(text: &str) -> Option<&str> {
    if let Some(inside) = text.strip_prefix('`') {
        return inside.split('`').next();
    }
    let inside = text.strip_prefix("$(")?;
    let mut depth = 1;
    let end = inside.find(|c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    Some(&inside[..end.unwrap_or(inside.len())])
}

/// Whether a command prints a token.
fn prints_a_token(command: &str) -> bool {
    let reads_file = command.trim_start().starts_with("cat ") || command.trim_start().starts_with('<');
    let of_token = |word: &str| names_a_secret(word.rsplit('/').next().unwrap_or(word));
    // 'cc-login token-helper' is another command: the program that calls it reads its output.
    let command = &command.replace("cc-login token-helper", "");
    PRINTERS.iter().any(|printer| command.contains(printer))
        || (reads_file && command.split_whitespace().any(of_token))
}

/// Whether a text ends where a shell expects the value of a variable or an argument of `eval`, which
/// are not in the list of processes.
fn is_inside_the_shell(before: &str) -> bool {
    let before = before.trim_end_matches('"');
    if let Some(name) = before.strip_suffix('=') {
        let start = name.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map_or(0, |at| at + 1);
        let command = name[..start].trim_end();
        return start < name.len()
            && (command.is_empty()
                || command.ends_with(['$', ';', '&', '|', '(', '{', '\'', '"', '`'])
                || command.ends_with("export"));
    }
    before.trim_end().ends_with("eval")
}

/// The rules that a line breaks.
fn faults(line: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    // In a sentence, backquotes are around a command that is not run there.
    let is_shell_line = line.trim_start().starts_with("$ ");
    for (at, c) in line.char_indices() {
        let (before, rest) = (&line[..at], &line[at..]);
        let starts_word = is_word_end(before.chars().next_back());
        if starts_word && rest.starts_with("--oauth2-bearer") {
            found.push("--oauth2-bearer has the token as its argument");
        }
        for option in ["-H", "--header"] {
            if let Some(value) = rest.strip_prefix(option).filter(|_| starts_word) {
                let value = value.trim_start_matches([' ', '=', '\'', '"']).to_ascii_lowercase();
                let names = ["authorization", "proxy-authorization", "x-auth-token"];
                if names.iter().any(|name| value.starts_with(name)) {
                    found.push("a header with the token is an argument");
                }
            }
        }
        if c == '$' {
            let name = rest[1..].strip_prefix('{').unwrap_or(&rest[1..]);
            let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
            if names_a_secret(&name[..end]) {
                found.push("a variable with the token is expanded");
            }
        }
        if let Some(command) = substitution(rest).filter(|_| c == '$' || c == '`')
            && prints_a_token(command)
            && (c == '$' || is_shell_line)
            && !is_inside_the_shell(before)
        {
            found.push("the output of a command, which is the token, is an argument");
        }
        for command in ["cc-jwt verify ", "cc-jwt inspect "] {
            if let Some(arguments) = rest.strip_prefix(command) {
                let own = arguments.split(['|', ';', '&', '`', '\n']).next().unwrap_or_default();
                let is_token = |word: &str| {
                    let bare = word.trim_start_matches(['"', '\'']);
                    bare.starts_with("eyJ") || bare.starts_with('$') || word == "TOKEN"
                };
                if own.split_whitespace().any(is_token) {
                    found.push("the token is an argument of cc-jwt");
                }
            }
        }
    }
    let writes = |command: &str| {
        let Some((command, target)) = command.split_once('>') else { return false };
        let target = target.trim_start_matches('>').trim_start();
        let is_file = !target.is_empty() && !target.starts_with(['&', '=', '/']);
        is_file && prints_a_token(command) && !command.ends_with('2')
    };
    if line.split(['|', ';', '`']).any(writes) && !line.contains("umask 077") {
        found.push("other accounts can read the file with the token: use -o FILE");
    }
    if is_shell_line && line.contains("eyJ") {
        found.push("a token is written in a command");
    }
    found
}

#[test]
fn examples_have_no_token_in_a_command_line() {
    let texts = texts();
    let count: usize = texts.values().map(Vec::len).sum();
    let mut found = Vec::new();
    for (name, lines) in &texts {
        for line in lines {
            let is_excepted = EXCEPTIONS.iter().any(|(path, part, _)| name == path && line.contains(part));
            for fault in faults(line).into_iter().filter(|_| !is_excepted) {
                found.push(format!("{name}: {fault}: {}", line.trim()));
            }
        }
    }
    println!("{count} lines of {} files", texts.len());
    assert!(found.is_empty(), "{} command lines with a token:\n{}", found.len(), found.join("\n"));
}

#[test]
fn token_in_a_command_line_is_found() {
    for line in [
        "$ curl -H \"Authorization: Bearer $(cc-login token)\" http://localhost/",
        "curl -H 'Authorization: Bearer eyJ' x",
        "curl -H Authorization:x x",
        "curl --header=\"authorization: x\" x",
        "wget --header='X-Auth-Token: x' x",
        "curl --oauth2-bearer x",
        "$ cc-jwt verify \"$(cc-login token)\"",
        "cc-jwt verify \"$TOKEN\" -q",
        "cc-jwt verify -e api $(cat token.txt)",
        "cc-jwt inspect eyJhbGciOiJFZERTQSJ9.x.y",
        "cc-jwt inspect TOKEN",
        "env TOKEN=$(cc-login token) script",
        "docker run -e TOKEN=\"$(cc-jwt issue fritz)\" image",
        "http x token==$(cc-jwt issue fritz -q)",
        "x --token $(cat ~/fritz.jwt)",
        "x --token $(<token)",
        "sh -c 'x $CC_TOKEN'",
        "x ${BEARER_TOKEN}",
        "x \"${access_token:-}\"",
        "$ x eyJhbGciOiJFZERTQSJ9",
        "$ x --token `cc-login token`",
        "cc-jwt issue fritz > token.txt",
        "$ cc-login token -q >token.txt",
    ] {
        assert!(!faults(line).is_empty(), "{line}");
    }
    for line in [
        "$ cc-login token --header | curl -H @- http://localhost:8080/api/jobs/",
        "cc-login token --curl-config | curl -K - x",
        "eval \"$(cc-login token --export TOKEN)\"",
        "TOKEN=$(cc-login token)",
        "export TOKEN=\"$(cc-login token)\"",
        "$ cc-login run -- python3 report.py",
        "cc-login token 2>/dev/null | cc-jwt verify -",
        "umask 077; cc-login token > token.txt",
        "cat \"$TOKEN_FILE\"",
        "cc-jwt verify [OPTIONS] [TOKEN]",
        "cc-jwt verify --token-file token.txt --endpoint api",
        "cc-login token | cc-jwt verify -",
        "sed 's/^/Authorization: Bearer /' fritz.jwt | curl -H @- x",
        "The server reads only `Authorization: Bearer TOKEN`.",
        "Use `cc-login token` to print it.",
        "--header  Print the HTTP header 'Authorization: Bearer …', for curl -H @-",
    ] {
        assert!(faults(line).is_empty(), "{line}: {:?}", faults(line));
    }
}

#[test]
fn line_that_continues_is_read_as_one() {
    assert_eq!(joined("curl \\\n  -H \\\n  x\ny\\"), ["curl -H x", "y"]);
}

#[test]
fn command_line_exceptions_are_few_and_occur() {
    assert!(EXCEPTIONS.len() < 5);
    let texts = texts();
    for (path, part, reason) in EXCEPTIONS {
        assert!(reason.len() > 10, "{path}: no reason");
        let occurs = |lines: &Vec<String>| lines.iter().any(|line| line.contains(part));
        assert!(texts.get(*path).is_some_and(occurs), "{path} does not have {part:?}");
    }
}
