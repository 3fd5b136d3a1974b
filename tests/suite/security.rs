//! SECURITY.md: each test that it names exists, runs and asserts something. And what the page says
//! that no other module shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde_json::json;

use crate::generated::TOOLS;
use crate::support::{Run, TestEnv};
use crate::sync::configure;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// A function of a source file, with the modules within the file that it is in.
struct Function {
    path: String,
    name: String,
    attributes: Vec<String>,
    body: Vec<String>,
}

/// The functions of a file, in modules and macros as well, and the modules that other files hold.
fn functions(text: &str) -> (Vec<Function>, Vec<String>) {
    let (mut functions, mut modules) = (Vec::new(), Vec::new());
    collect(text.parse().unwrap(), "", &mut functions, &mut modules);
    (functions, modules)
}

fn collect(stream: TokenStream, path: &str, functions: &mut Vec<Function>, modules: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.to_string() == word);
    let group = |at: usize| match tokens.get(at) {
        Some(TokenTree::Group(group)) => Some(group),
        _ => None,
    };
    let mut attributes = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let braces = |from: usize| (from..tokens.len()).find(|at| is_braces(&tokens[*at]));
        if is(at, "#") && group(at + 1).is_some() {
            attributes.push(group(at + 1).unwrap().stream().to_string());
            at += 2;
        } else if is(at, "fn") && matches!(tokens.get(at + 1), Some(TokenTree::Ident(_))) {
            let name = tokens[at + 1].to_string();
            let Some(end) = braces(at) else { break };
            let mut body = Vec::new();
            words(group(end).unwrap().stream(), &mut body);
            let attributes = std::mem::take(&mut attributes);
            functions.push(Function { path: format!("{path}{name}"), name, attributes, body });
            at = end + 1;
        } else if is(at, "mod") && is(at + 2, ";") {
            modules.push(tokens[at + 1].to_string());
            attributes.clear();
            at += 3;
        } else if is(at, "mod") && group(at + 2).is_some() {
            let path = format!("{path}{}::", tokens[at + 1]);
            collect(group(at + 2).unwrap().stream(), &path, functions, modules);
            attributes.clear();
            at += 3;
        } else {
            if let Some(group) = group(at) {
                collect(group.stream(), path, functions, modules);
            }
            // Attributes belong to the next item alone.
            if is(at, ";") || is_braces(&tokens[at]) {
                attributes.clear();
            }
            at += 1;
        }
    }
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// Every word of a body, those in groups included.
fn words(stream: TokenStream, found: &mut Vec<String>) {
    for token in stream {
        match token {
            TokenTree::Ident(word) => found.push(word.to_string()),
            TokenTree::Group(group) => words(group.stream(), found),
            _ => {}
        }
    }
}

/// Whether a function asserts something, itself or by another function of its file.
fn asserts(functions: &[Function], function: &Function, seen: &mut BTreeSet<String>) -> bool {
    let ways = ["ended", "panic", "unwrap_err", "expect_err", "should_panic"];
    let itself = function.body.iter().any(|word| {
        word.starts_with("assert") || word.starts_with("prop_assert") || ways.contains(&word.as_str())
    });
    // That nothing panics is what such a test shows.
    itself
        || function.name.contains("panic")
        || functions.iter().any(|other| {
            function.body.contains(&other.name)
                && seen.insert(other.path.clone())
                && asserts(functions, other, seen)
        })
}

/// What is wrong with a file's test of this name, if anything.
fn flaw(text: &str, test: &str) -> Option<&'static str> {
    let (functions, _) = functions(text);
    let Some(function) = functions.iter().find(|function| function.path == test) else {
        return Some("there is no such function");
    };
    if !function.attributes.iter().any(|attribute| attribute == "test") {
        return Some("it is not a test");
    }
    if function
        .attributes
        .iter()
        .any(|attribute| attribute.starts_with("ignore") || attribute.starts_with("cfg"))
    {
        return Some("it does not always run");
    }
    (!asserts(&functions, function, &mut BTreeSet::new())).then_some("it asserts nothing")
}

/// The file of a module, if each module above declares the next: another file is never compiled.
fn source_of(root: &Path, modules: &[&str]) -> Option<PathBuf> {
    let (directory, mut file) = (root.parent().unwrap(), root.to_owned());
    let mut directory = directory.to_owned();
    for module in modules {
        let (_, declared) = functions(&fs::read_to_string(&file).unwrap());
        if !declared.contains(&(*module).to_owned()) {
            return None;
        }
        file = directory.join(format!("{module}.rs"));
        directory = directory.join(module);
        if !file.is_file() {
            file = directory.join("mod.rs");
        }
    }
    Some(file)
}

/// The tests of this test program, as it lists them itself; those that are ignored left out.
fn listed() -> BTreeSet<String> {
    let list = |more: &[&str]| -> BTreeSet<String> {
        let program = std::env::current_exe().unwrap();
        let output =
            std::process::Command::new(program).args(["--list", "--format", "terse"]).args(more).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
    };
    let all = list(&[]);
    assert!(all.len() > 300, "only {} tests listed", all.len());
    all.difference(&list(&["--ignored"])).cloned().collect()
}

/// Every test and case file that a text names in back quotes.
fn named(page: &str) -> BTreeSet<&str> {
    let pieces = page.split('`').skip(1).step_by(2);
    pieces
        .filter(|piece| !piece.contains(' ') && !["module::test", "program/condition.case"].contains(piece))
        .filter(|piece| piece.contains("::") || piece.ends_with(".case"))
        .collect()
}

#[test]
fn security_claim_names_a_test_that_runs_and_asserts() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let named = named(&page);
    let listed = listed();
    let mut wrong = Vec::new();
    for name in &named {
        let flaw = if name.ends_with(".case") {
            let is_there = root().join("tests/cases").join(name).is_file();
            (!is_there).then_some("there is no such case file")
        } else {
            let (module, test) = name.rsplit_once("::").unwrap();
            let unit = module.strip_suffix("::tests");
            let start = if unit.is_some() { "src/lib.rs" } else { "tests/suite/main.rs" };
            let modules: Vec<&str> = unit.unwrap_or(module).split("::").collect();
            let inside = if unit.is_some() { format!("tests::{test}") } else { test.to_owned() };
            match source_of(&root().join(start), &modules) {
                None => Some("no module declares its file"),
                Some(_) if unit.is_none() && !listed.contains(*name) => {
                    Some("the test program does not run it")
                }
                Some(file) => flaw(&fs::read_to_string(file).unwrap(), &inside),
            }
        };
        wrong.extend(flaw.map(|flaw| format!("{name}: {flaw}")));
    }
    println!("SECURITY.md: {} tests named", named.len());
    assert!(wrong.is_empty(), "SECURITY.md names tests that show nothing:\n{}", wrong.join("\n"));
    assert!(named.len() > 80, "only {} tests found in SECURITY.md", named.len());
    // A row without a test is a mere claim.
    let rows = page.lines().filter(|line| {
        line.starts_with("| ") && !line.ends_with(" shown by |") && !line.ends_with(" test |")
    });
    let mut count = 0;
    for row in rows {
        count += 1;
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        assert!(!self::named(last).is_empty(), "no test in the last column: {row}");
    }
    assert!(count > 40, "only {count} rows found in SECURITY.md");
}

#[test]
fn evidence_that_shows_nothing_is_found_in_every_form() {
    let file = "#[test]\nfn good() { assert!(x); }\n\
        #[test]\nfn by_helper() { helper(); }\nfn helper() { run().ended(0); }\n\
        fn no_test() { assert!(x); }\n\
        #[test]\n#[ignore = \"slow\"]\nfn ignored() { assert!(x); }\n\
        #[test]\nfn empty() {}\n\
        #[test]\nfn claims_nothing() { let _ = run(); helpless(); }\nfn helpless() { claims_nothing(); }\n\
        // #[test]\n// fn comment() { assert!(x); }\n\
        const TEXT: &str = \"#[test] fn text() { assert!(x); }\";\n\
        proptest! { #[test] fn in_a_macro(x in 0..1) { prop_assert!(x == 0); } }\n\
        mod tests { #[test] fn inner() { assert!(x); } }\n";
    for good in ["good", "by_helper", "in_a_macro", "tests::inner"] {
        assert_eq!(flaw(file, good), None, "{good}");
    }
    for bad in
        ["no_test", "ignored", "empty", "claims_nothing", "comment", "text", "inner", "missing", "helper"]
    {
        assert!(flaw(file, bad).is_some(), "{bad}");
    }
    assert!(source_of(&root().join("src/lib.rs"), &["key", "nowhere"]).is_none());
    assert!(source_of(&root().join("src/lib.rs"), &["key", "pem"]).is_some());
}

/// Options that are about secrets take a file, a variable's name or nothing.
#[test]
fn options_do_not_accept_secrets_as_values() {
    fn look(path: &str, command: &Command, seen: &mut usize) {
        for option in command.get_opts() {
            let name = option.get_long().unwrap_or_default();
            let secret = ["password", "secret", "key", "token", "passphrase", "credential"]
                .iter()
                .any(|word| name.split('-').any(|part| part == *word));
            if !secret {
                continue;
            }
            *seen += 1;
            let values: Vec<String> =
                option.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
            let harmless = !option.get_action().takes_values()
                || values
                    .iter()
                    .all(|value| ["FILE", "NAME=FILE", "DIR", "VAR", "KID"].contains(&value.as_str()));
            assert!(harmless, "{path} --{name} takes {values:?}");
        }
        for sub in command.get_subcommands() {
            look(&format!("{path} {}", sub.get_name()), sub, seen);
        }
    }
    let mut seen = 0;
    for tool in TOOLS {
        let mut command = (tool.command)();
        command.build();
        look(tool.name, &command, &mut seen);
    }
    assert!(seen > 10, "only {seen} options found");
}

#[test]
fn names_are_bound_and_not_part_of_sql_statements() {
    let directory = TestEnv::with_setup();
    let names = ["x'; DROP TABLE user; --", "\" OR \"\"=\"", "a' OR '1'='1", "%", "_", "fritz' --", "?1"];
    let run = |arguments: &[&str]| -> Run { directory.run("cc-user", arguments) };
    for name in names {
        // The name would act as SQL, but no user has it.
        run(&["show", name]).ended(1);
        run(&["del", name]).ended(1);
        run(&["role", "add", name, "admin"]).ended(1);
        run(&["add", name, "--role", "manager", "--project", name, "--name", name, "--no-password"]).ended(0);
        assert_eq!(run(&["show", name, "--json"]).ended(0).json()["username"], name);
        run(&["role", "add", name, "support"]).ended(0);
        run(&["passwd", name, "--delete"]).ended(0);
        assert_eq!(run(&["list", "--names", "--project", name]).ended(0).stdout, format!("{name}\n"));
    }
    let table = run(&["list", "--json"]).ended(0).json();
    let fritz = table.as_array().unwrap().iter().find(|user| user["username"] == "fritz").unwrap();
    assert_eq!(fritz["roles"], json!(["user", "api"]), "no other account was changed");
    assert_eq!(table.as_array().unwrap().len(), names.len() + 1);
    for name in names {
        run(&["del", name]).ended(0);
    }
    assert_eq!(run(&["list", "--names"]).ended(0).stdout, "fritz\n");
}

#[test]
fn bind_that_is_the_same_for_all_users_is_rejected() {
    let directory = TestEnv::with_setup();
    let connection = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
    connection.execute("UPDATE user SET ldap = 1 WHERE username = 'fritz'", []).unwrap();
    drop(connection);
    // No server listens there: were the name not checked first, it would be a connection refused.
    configure(&directory, "ldap://127.0.0.1:9", json!({"user-bind": "cn=sync,dc=rz,dc=example,dc=com"}));
    directory.write("pw", "syncpw");
    let refused = directory.run("cc-login", &["fritz", "--method", "ldap", "--password-file", "pw"]);
    assert_eq!(refused.status, 78, "{}", refused.stderr);
    assert!(refused.stderr.contains("expected {username} in it"), "{}", refused.stderr);
}

#[test]
fn programs_do_not_contain_the_dependencies_of_the_operator() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none", "-e", "normal,build,dev"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.contains("jsonwebtoken v"), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["kube", "k8s-openapi", "hyper", "tower"] {
        assert!(!tree.contains(&format!("\n{name} v")), "{name}:\n{tree}");
    }
}

#[test]
fn crate_has_no_unsafe_code_and_a_reason_for_each_dependency() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert!(!lock.contains("name = \"rsa\""), "RUSTSEC-2023-0071 has no patch");
    let packages = lock.matches("[[package]]").count();
    let outside = lock.matches("checksum = ").count();
    let own = ["cc-auth-tools", "cc-jwt-operator"];
    assert_eq!(outside, packages - own.len(), "each package but our own is fixed by its hash");
    assert!(!lock.contains("git+"), "a dependency from a repository has no hash");
    let operator = fs::read_to_string(root().join("operator/Cargo.toml")).unwrap();
    let mut inside = false;
    let mut explained = false;
    for line in manifest.lines().chain(operator.lines()) {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
            explained = false;
        } else if line.starts_with('#') {
            explained = true;
        } else if line.is_empty() {
            explained = false;
        } else if inside && line.contains(" = ") && !line.starts_with(' ') {
            assert!(explained, "Cargo.toml does not say what this is for: {line}");
        }
    }
}
