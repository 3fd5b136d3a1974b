//! Man pages and completion scripts come from the programs' own definitions. `UPDATE_DOCS=1`
//! (`make docs`) writes them; without it they must be what they would be.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use cc_auth::base::fault::Status;
use cc_auth::cli::page::Page;
use cc_auth::cli::tool::Tool;
use clap::Command;
use clap_complete::env::Shells;

use crate::support::{Folder, has, programs};

/// The five programs.
pub const TOOLS: [&Tool; 5] = [
    &cc_auth::cli::gen_keypair::TOOL,
    &cc_auth::cli::convert_pem_pubkey::TOOL,
    &cc_auth::cli::cc_user::TOOL,
    &cc_auth::cli::cc_jwt::TOOL,
    &cc_auth::cli::cc_login::TOOL,
];

/// Man pages: file name to content.
fn man_pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for tool in TOOLS {
        let mut command = (tool.command)();
        command.build();
        collect(tool, &command, &mut Vec::new(), &mut pages);
    }
    pages
}

fn collect(tool: &Tool, command: &Command, path: &mut Vec<String>, pages: &mut BTreeMap<String, String>) {
    if command.get_name() == "help" || command.is_hide_set() {
        return;
    }
    let name =
        std::iter::once(tool.name).chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
    let page = tool.pages.iter().find(|page| page.path == path.join(" "));
    pages.insert(format!("{name}.1"), man_page(tool, command, &name, page.unwrap_or(&Page::EMPTY)));
    for sub in command.get_subcommands() {
        path.push(sub.get_name().to_owned());
        collect(tool, sub, path, pages);
        path.pop();
    }
}

fn man_page(tool: &Tool, command: &Command, name: &str, page: &Page) -> String {
    let man = clap_mangen::Man::new(command.clone().display_name(name));
    let mut head = Vec::new();
    man.render_name_section(&mut head).unwrap();
    man.render_synopsis_section(&mut head).unwrap();
    man.render_description_section(&mut head).unwrap();
    // Without a date, so that the page is the same whenever it is made.
    let mut out = format!(
        ".TH {} 1 \"\" \"cc-auth-tools {}\" \"ClusterCockpit account tools\"\n{}",
        roff(&name.to_uppercase()),
        env!("CARGO_PKG_VERSION"),
        String::from_utf8(head).unwrap()
    );
    for paragraph in page.description {
        let _ = write!(out, ".PP\n{}\n", roff(paragraph));
    }
    let mut options = Vec::new();
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut options).unwrap();
    }
    out.push_str(&String::from_utf8(options).unwrap());
    let subcommands: Vec<&Command> =
        command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()).collect();
    if !subcommands.is_empty() {
        out.push_str(".SH COMMANDS\n");
        for sub in subcommands {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            let _ =
                write!(out, ".TP\n\\fB{}\\-{}\\fR(1)\n{}\n", roff(name), roff(sub.get_name()), roff(&about));
        }
    }
    section(&mut out, "JSON OUTPUT", page.json);
    if !page.examples.is_empty() {
        out.push_str(".SH EXAMPLES\n");
        for (count, example) in page.examples.iter().enumerate() {
            let next = if count == 0 { "" } else { ".PP\n" };
            let _ = write!(out, "{next}{}:\n.PP\n.RS 4\n.nf\n", roff(example.explains));
            for line in example.command.lines() {
                let _ = writeln!(out, "{}", roff(line));
            }
            out.push_str(".fi\n.RE\n");
        }
    }
    section(&mut out, "FILES", page.files);
    section(&mut out, "ENVIRONMENT", page.environment);
    out.push_str(".SH EXIT STATUS\n");
    for (status, meaning) in Status::TABLE {
        let _ = write!(out, ".TP\n\\fB{}\\fR\n{}\n", status.code(), roff(meaning));
    }
    out.push_str(".SH SEE ALSO\n");
    let mut others: Vec<String> = page.see_also.iter().map(|other| (*other).to_owned()).collect();
    if name != tool.name {
        others.push(format!("{}(1)", tool.name));
    }
    others.extend(TOOLS.iter().map(|other| format!("{}(1)", other.name)));
    let mut seen = Vec::new();
    others.retain(|other| {
        *other != format!("{name}(1)") && !seen.contains(other) && {
            seen.push(other.clone());
            true
        }
    });
    let shown: Vec<String> = others
        .iter()
        .map(|other| match other.split_once('(') {
            Some((title, number)) => format!("\\fB{}\\fR({number}", roff(title)),
            None => roff(other),
        })
        .collect();
    let _ = writeln!(out, "{}", shown.join(",\n"));
    tidy(&out)
}

fn section(out: &mut String, title: &str, entries: &[(&str, &str)]) {
    if entries.is_empty() {
        return;
    }
    let _ = writeln!(out, ".SH \"{title}\"");
    for (name, meaning) in entries {
        let _ = write!(out, ".TP\n\\fB{}\\fR\n{}\n", roff(name), roff(meaning));
    }
}

/// Text for roff: backslashes, hyphens and control characters at a line's start.
fn roff(text: &str) -> String {
    text.lines()
        .map(|line| {
            let line = line.replace('\\', "\\e").replace('-', "\\-");
            if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the generator leaves that a strict reader of man pages complains about: empty lines,
/// blanks at line ends, lines of over 80 columns.
fn tidy(text: &str) -> String {
    let mut out = String::new();
    let mut as_it_stands = false;
    for line in text.lines() {
        let line = line.trim_end();
        as_it_stands = (as_it_stands || line == ".nf") && line != ".fi";
        let breaks_twice = line == ".br" && out.ends_with("\n.br\n");
        if line.is_empty() || breaks_twice {
            continue;
        }
        if as_it_stands || line.starts_with('.') {
            out.push_str(line);
        } else {
            wrap(line, &mut out);
        }
        out.push('\n');
    }
    out
}

/// Breaks a text line at blanks. A line that would begin with a control character is shielded.
fn wrap(line: &str, out: &mut String) {
    let mut column = 0;
    for word in line.split(' ') {
        if column > 0 && column + 1 + word.len() > 79 {
            out.push('\n');
            column = 0;
            if word.starts_with(['.', '\'']) {
                out.push_str("\\&");
            }
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
}

/// Completion scripts: file name to content. They ask the program itself, so that user names
/// complete and a new option needs no new script.
fn completions() -> BTreeMap<String, String> {
    let mut scripts = BTreeMap::new();
    for tool in TOOLS {
        for (shell, file) in [
            ("bash", format!("bash/{}", tool.name)),
            ("zsh", format!("zsh/_{}", tool.name)),
            ("fish", format!("fish/{}.fish", tool.name)),
            ("elvish", format!("elvish/{}.elv", tool.name)),
            ("powershell", format!("powershell/{}.ps1", tool.name)),
        ] {
            let mut script = Vec::new();
            let shells = Shells::builtins();
            let completer = shells.completer(shell).unwrap();
            completer.write_registration("COMPLETE", tool.name, tool.name, tool.name, &mut script).unwrap();
            let text = String::from_utf8(script).unwrap();
            scripts.insert(file, format!("{}\n", text.trim_end()));
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
fn a_strict_reader_finds_nothing_wrong_with_the_man_pages() {
    if !has("mandoc") {
        return;
    }
    let folder = Folder::new();
    for (name, content) in man_pages() {
        folder.write(&name, content);
    }
    for name in ["cc-auth.7", "cc-config.5"] {
        folder.write(name, fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name)).unwrap());
    }
    let lint = folder.sh("mandoc -T lint -W style *.[157] 2>&1 || true");
    // The date is left out on purpose, so that the pages are the same whenever they are made.
    let complaints: Vec<&str> = lint.stdout.lines().filter(|line| !line.contains("missing date")).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
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
            .env("COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
            .env("_CLAP_COMPLETE_COMP_TYPE", "9")
            .env("_CLAP_COMPLETE_SPACE", "true")
            .env("_CLAP_IFS", "\n")
            .arg("--")
            .args(words)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(complete(&["cc-user", "show", "fr"]).contains("fritz"));
    assert!(complete(&["cc-user", "add", "x", "--role", "ad"]).contains("admin"));
}
