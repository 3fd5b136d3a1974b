//! Man pages and completion scripts come from the programs' own definitions. `UPDATE_DOCS=1`
//! (`make docs`) writes them; without it they must be what they would be.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cc_auth::cli::completion::Shell;
use cc_auth::cli::tool::Tool;

use crate::manual::man_pages;
use crate::support::{Folder, programs};

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

fn is_current(folder: &str, wanted: &BTreeMap<String, String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut present = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { present.push(path) }
        }
    }
    let names = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
    let written_by_hand = |name: &str| folder == "man" && !name.ends_with(".1");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        for path in present.iter().filter(|path| !written_by_hand(&names(path))) {
            fs::remove_file(path).unwrap();
        }
        for (name, content) in wanted {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        return;
    }
    for path in &present {
        let name = names(path);
        assert!(
            wanted.contains_key(&name) || written_by_hand(&name),
            "{folder}/{name} belongs to no command: run make docs"
        );
    }
    for (name, content) in wanted {
        let found = fs::read_to_string(root.join(name)).unwrap_or_default();
        assert!(found == *content, "{folder}/{name} is out of date: run make docs");
    }
}

#[test]
fn the_man_pages_are_current() {
    let pages = man_pages();
    assert!(pages.len() >= TOOLS.len());
    is_current("man", &pages);
}

#[test]
fn the_completions_are_current() {
    is_current("completions", &completions());
}

#[test]
fn every_command_tells_what_it_is_for_and_gives_examples() {
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
                    panic!("{}: a page for '{}', which is no command", tool.name, page.path)
                });
            }
        }
    }
}

#[test]
fn help_fits_a_terminal_of_80_columns() {
    let folder = Folder::new();
    for tool in TOOLS {
        let mut command = (tool.command)();
        command.build();
        let mut open = vec![(vec![], &command)];
        while let Some((path, command)) = open.pop() {
            let mut arguments: Vec<&str> = path.clone();
            arguments.push("--help");
            let help = folder
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
    let folder = Folder::with_setup();
    let complete = |words: &[&str]| {
        let output = folder
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
