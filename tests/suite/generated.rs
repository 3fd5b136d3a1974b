//! Man pages, completion scripts and the page of errors come from the programs' own definitions.
//! `make docs` writes them; the test here only compares.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cc_auth::cli::completion::Shell;
use cc_auth::cli::tool::Tool;
use cc_auth::util::check::CHECKS;
use cc_auth::util::diagnostic::ExitStatus;
use cc_auth::util::kind::Kind;

use crate::manual::man_pages;
use crate::support::{TestEnv, programs};

/// The five programs.
pub const TOOLS: [&Tool; 5] = [
    &cc_auth::cli::gen_keypair::TOOL,
    &cc_auth::cli::convert_pem_pubkey::TOOL,
    &cc_auth::cli::cc_user::TOOL,
    &cc_auth::cli::cc_jwt::TOOL,
    &cc_auth::cli::cc_login::TOOL,
];

/// Completion scripts: file name to content. They ask the program itself, so that user names
/// complete and a new option needs no new script.
fn completions() -> BTreeMap<String, String> {
    let mut scripts = BTreeMap::new();
    for tool in TOOLS {
        for (shell, file) in [
            (Shell::Bash, format!("bash/{}", tool.name)),
            (Shell::Zsh, format!("zsh/_{}", tool.name)),
            (Shell::Fish, format!("fish/{}.fish", tool.name)),
            (Shell::Elvish, format!("elvish/{}.elv", tool.name)),
            (Shell::PowerShell, format!("powershell/{}.ps1", tool.name)),
        ] {
            scripts.insert(file, shell.script(tool.name));
        }
    }
    scripts
}

/// The page of all error kinds, from their table.
fn errors_page() -> String {
    let mut page = String::from(
        "# Errors, exit statuses and warnings\n\n\
         This page is generated from the tables in `src/util/kind.rs` and `src/util/check.rs` (`make docs`). An error has one kind, and a\n\
         kind has one exit status in every program. With `--json` an error is one object on standard error:\n\
         `{\"error\":{\"kind\":\"…\",\"message\":\"…\",\"hint\":\"…\"}}`. Kinds and statuses are a stable interface; the wording of\n\
         messages is not.\n",
    );
    for (status, meaning) in ExitStatus::TABLE {
        let kinds: Vec<&Kind> = Kind::ALL.iter().filter(|kind| kind.status() == status).collect();
        page += &format!("\n## {}: {meaning}\n", status.code());
        if kinds.is_empty() {
            continue;
        }
        page += "\n| kind | meaning |\n|---|---|\n";
        for kind in kinds {
            page += &format!("| `{}` | {} |\n", kind.name(), kind.meaning());
        }
    }
    page += "\n## Checks\n\n\
        A warning and a step of a verdict have the name of a check. With `--json` a warning is one object on\n\
        standard error: `{\"warning\":{\"check\":\"…\",\"message\":\"…\",\"hint\":\"…\"}}`.\n\n\
        | check | about |\n|---|---|\n";
    for (name, about) in CHECKS {
        page += &format!("| `{name}` | {about} |\n");
    }
    page
}

/// All generated files by their path in the repository.
fn generated() -> BTreeMap<String, String> {
    let pages = man_pages().into_iter().map(|(name, text)| (format!("man/{name}"), text));
    let scripts = completions().into_iter().map(|(name, text)| (format!("completions/{name}"), text));
    pages.chain(scripts).chain([("docs/errors.md".to_owned(), errors_page())]).collect()
}

/// The files that are there and that only a generator writes.
fn present() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut present = Vec::new();
    let mut open = vec![root.join("man"), root.join("completions")];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if !name.starts_with("man/") || name.ends_with(".1") || name == "man/cc-json.5" {
                present.push(name);
            }
        }
    }
    present
}

/// Writes the generated files; `make docs` runs it. It is not a check, and CI must not be able to make
/// one out of date file current.
#[test]
#[ignore = "writes the man pages, completions and docs/errors.md: make docs"]
fn write_generated_files() {
    assert!(std::env::var_os("CI").is_none(), "CI checks the generated files and does not write them");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let expected = generated();
    for name in present().iter().filter(|name| !expected.contains_key(*name)) {
        fs::remove_file(root.join(name)).unwrap();
    }
    for (name, content) in expected {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if fs::read_to_string(&path).ok().as_ref() != Some(&content) {
            fs::write(path, content).unwrap();
        }
    }
}

#[test]
fn generated_files_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let expected = generated();
    assert!(expected.len() > 5 * TOOLS.len(), "{} files", expected.len());
    for name in present() {
        assert!(expected.contains_key(&name), "{name} belongs to no command: run make docs");
    }
    for (name, content) in &expected {
        let found = fs::read_to_string(root.join(name)).unwrap_or_default();
        assert!(found == *content, "{name} is out of date: run make docs");
    }
}

/// No variable turns a check into a write.
#[test]
fn generated_files_are_never_written_in_ci() {
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["generated::write_generated_files", "--exact", "--ignored"])
        .env("CI", "true")
        .output()
        .unwrap();
    assert!(!run.status.success());
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(text.contains("1 failed") && text.contains("does not write them"), "{text}");
}

#[test]
fn commands_have_a_summary_and_examples() {
    for tool in TOOLS {
        let mut command = (tool.command)();
        command.build();
        let mut open = vec![(String::new(), &command)];
        while let Some((path, command)) = open.pop() {
            assert!(command.get_about().is_some(), "{} {path}: no line about it", tool.name);
            let leaf = command.get_subcommands().all(|sub| sub.get_name() == "help");
            let page = tool.pages.iter().find(|page| page.path == path);
            if leaf {
                assert!(
                    page.is_some_and(|page| !page.examples.is_empty()),
                    "{} {path}: no example",
                    tool.name
                );
            }
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {path}: {} has no help",
                    tool.name,
                    argument.get_id()
                );
            }
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                open.push((format!("{path} {}", sub.get_name()).trim().to_owned(), sub));
            }
        }
        for page in tool.pages {
            let mut command = &command;
            for name in page.path.split_whitespace() {
                command = command.find_subcommand(name).unwrap_or_else(|| {
                    panic!("{}: a page for '{}', which is not a command", tool.name, page.path)
                });
            }
        }
    }
}

#[test]
fn help_fits_a_terminal_of_80_columns() {
    let directory = TestEnv::new();
    for tool in TOOLS {
        let mut command = (tool.command)();
        command.build();
        let mut open = vec![(vec![], &command)];
        while let Some((path, command)) = open.pop() {
            let mut arguments: Vec<&str> = path.clone();
            arguments.push("--help");
            let help = directory
                .command(programs().join(tool.name))
                .env("COLUMNS", "80")
                .args(&arguments)
                .output()
                .unwrap();
            let help = String::from_utf8(help.stdout).unwrap();
            assert!(help.contains("Usage:"), "{} {arguments:?}: {help}", tool.name);
            for line in help.lines() {
                let example = line.starts_with("      ") && !line.trim_start().starts_with("--");
                assert!(line.chars().count() <= 80 || example, "{} {arguments:?}: {line}", tool.name);
            }
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                let mut path = path.clone();
                path.push(sub.get_name());
                open.push((path, sub));
            }
        }
    }
}

#[test]
fn user_names_and_roles_complete() {
    let directory = TestEnv::with_setup();
    let complete = |words: &[&str]| {
        let output = directory
            .command(programs().join("cc-user"))
            .args(["--complete", "bash", "--"])
            .args(words)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(complete(&["cc-user", "show", "fr"]).contains("fritz"));
    assert!(complete(&["cc-user", "add", "x", "--role", "ad"]).contains("admin"));
}
