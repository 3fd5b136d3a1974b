//! The manual: each command's page is made from its arguments and its `Page`, has all the
//! sections, and refers only to pages there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use cc_auth::cli::page::ManualPage;
use cc_auth::cli::tool::Tool;
use cc_auth::util::diagnostic::ExitStatus;
use clap::{Arg, ArgAction, Command};

use crate::generated::TOOLS;
use crate::json_manual;
use crate::roff::{roff, tidy};
use crate::support::{TestEnv, has};

/// When the pages were last looked through as a whole; the same on all of them.
pub const DATE: &str = "2026-11-21";

/// What every page has, in this order.
const SECTIONS: [&str; 8] =
    ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "FILES", "ENVIRONMENT", "EXIT STATUS", "SEE ALSO"];

/// The pages that are written by hand.
const BY_HAND: [&str; 2] = ["cc-auth.7", "cc-config.5"];

/// Man pages: file name to content.
pub fn man_pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for tool in TOOLS {
        let mut command = tool.listed_command();
        command.build();
        collect(tool, &command, &mut Vec::new(), &mut pages);
    }
    pages.insert("cc-json.5".to_owned(), json_manual::page());
    pages
}

fn collect(
    tool: &'static Tool,
    command: &Command,
    path: &mut Vec<String>,
    pages: &mut BTreeMap<String, String>,
) {
    if command.get_name() == "help" || command.is_hide_set() {
        return;
    }
    let manual = Manual {
        tool,
        command,
        typed: std::iter::once(tool.name)
            .chain(path.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" "),
        page: page_of(tool, &path.join(" ")),
        above: page_of(tool, ""),
    };
    pages.insert(format!("{}.1", manual.title()), manual.render());
    for sub in command.get_subcommands() {
        path.push(sub.get_name().to_owned());
        collect(tool, sub, path, pages);
        path.pop();
    }
}

fn page_of(tool: &'static Tool, path: &str) -> &'static ManualPage {
    tool.pages.iter().find(|page| page.path == path).unwrap_or(&ManualPage::EMPTY)
}

/// One page to be.
struct Manual<'a> {
    tool: &'static Tool,
    command: &'a Command,
    /// `cc-user role add`.
    typed: String,
    page: &'static ManualPage,
    /// The program's own page, for what its commands have in common.
    above: &'static ManualPage,
}

impl Manual<'_> {
    /// `cc-user-role-add`.
    fn title(&self) -> String {
        self.typed.replace(' ', "-")
    }

    fn render(&self) -> String {
        let mut out = format!(
            ".TH {} 1 {DATE} \"cc-auth-tools {}\" \"ClusterCockpit account tools\"\n",
            roff(&self.title().to_uppercase()),
            env!("CARGO_PKG_VERSION"),
        );
        let about = self.command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = write!(out, ".SH NAME\n{} \\- {}\n", roff(&self.title()), roff(&lower_first(&about)));
        self.synopsis(&mut out);
        out.push_str(".SH DESCRIPTION\n");
        if self.page.description.is_empty() {
            let _ = writeln!(out, "{}.", roff(&about));
        }
        for (count, paragraph) in self.page.description.iter().enumerate() {
            let next = if count == 0 { "" } else { ".PP\n" };
            let _ = writeln!(out, "{next}{}", roff(paragraph));
        }
        self.commands(&mut out);
        self.options(&mut out);
        for (title, paragraphs) in self.page.sections {
            let _ = writeln!(out, ".SH {}", roff(&title.to_uppercase()));
            for (count, paragraph) in paragraphs.iter().enumerate() {
                let next = if count == 0 { "" } else { ".PP\n" };
                let _ = writeln!(out, "{next}{}", roff(paragraph));
            }
        }
        section(&mut out, "JSON OUTPUT", self.page.json);
        out.push_str(&json_manual::section(&self.typed));
        self.examples(&mut out);
        let files = if self.page.files.is_empty() { self.above.files } else { self.page.files };
        section(&mut out, "FILES", files);
        section(&mut out, "ENVIRONMENT", &self.environment());
        out.push_str(".SH EXIT STATUS\n.PD 0\n");
        for (status, meaning) in ExitStatus::TABLE {
            let _ = write!(out, ".TP 5\n\\fB{}\\fR\n{}\n", status.code(), roff(meaning));
        }
        out.push_str(".PD\n");
        self.see_also(&mut out);
        tidy(&out)
    }

    fn subcommands(&self) -> impl Iterator<Item = &Command> {
        self.command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set())
    }

    /// Options of the command's own are spelled out; those that stand under a heading, and are
    /// often common to several commands, are not.
    fn synopsis(&self, out: &mut String) {
        out.push_str(".SH SYNOPSIS\n");
        let typed = format!("\\fB{}\\fR", roff(&self.typed).replace(' ', "\\ "));
        let has_own = self.command.get_positionals().next().is_some();
        if self.subcommands().next().is_none() || has_own {
            let mut parts = vec![typed.clone()];
            for option in self.headed(None) {
                let shown = call(option, Spelling::First);
                parts.push(if option.is_required_set() { shown } else { format!("[{shown}]") });
            }
            parts.push("[\\fIOPTION\\fR]...".to_owned());
            parts.extend(self.command.get_positionals().map(positional));
            let _ = writeln!(out, "{}", parts.join(" "));
        }
        if self.subcommands().next().is_some() {
            let next = if has_own { ".br\n" } else { "" };
            let _ = writeln!(out, "{next}{typed} [\\fIOPTION\\fR]... \\fICOMMAND\\fR ...");
        }
    }

    fn commands(&self, out: &mut String) {
        if self.subcommands().next().is_none() {
            return;
        }
        out.push_str(".SH COMMANDS\n");
        for sub in self.subcommands() {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            let name = format!("{}-{}", self.title(), sub.get_name());
            let _ = write!(out, ".TP\n\\fB{}\\fR(1)\n{}.\n", roff(&name), roff(&about));
        }
    }

    /// The options under a heading, in the order of their definition.
    fn headed(&self, heading: Option<&str>) -> Vec<&Arg> {
        self.command
            .get_arguments()
            .filter(|arg| !arg.is_positional() && arg.get_help_heading() == heading)
            .filter(|arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version"))
            .collect()
    }

    fn options(&self, out: &mut String) {
        out.push_str(".SH OPTIONS\n");
        for argument in self.command.get_positionals() {
            let _ = writeln!(out, ".TP\n{}", positional(argument));
            explain(out, argument);
        }
        let mut headings: Vec<&str> = Vec::new();
        for argument in self.command.get_arguments() {
            if let Some(heading) = argument.get_help_heading().filter(|heading| !headings.contains(heading)) {
                headings.push(heading);
            }
        }
        // What all commands have comes last.
        headings.sort_by_key(|heading| match *heading {
            "Settings" => 1,
            "Output" => 2,
            _ => 0,
        });
        for heading in std::iter::once(None).chain(headings.into_iter().map(Some)) {
            if let Some(heading) = heading {
                let _ = writeln!(out, ".SS {}", roff(heading));
            }
            for option in self.headed(heading) {
                let _ = writeln!(out, ".TP\n{}", call(option, Spelling::Both));
                explain(out, option);
            }
        }
        out.push_str(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\n");
        out.push_str("Print help: a summary with \\fB\\-h\\fR, all of it with \\fB\\-\\-help\\fR.\n");
        if self.typed == self.tool.name {
            out.push_str(".TP\n\\fB\\-V\\fR, \\fB\\-\\-version\\fR\nPrint version and commit.\n");
        }
    }

    fn examples(&self, out: &mut String) {
        if self.page.examples.is_empty() {
            return;
        }
        out.push_str(".SH EXAMPLES\n");
        for (count, example) in self.page.examples.iter().enumerate() {
            let next = if count == 0 { "" } else { ".PP\n" };
            let end = if example.explains.ends_with('?') { "" } else { ":" };
            let _ = write!(out, "{next}{}{end}\n.PP\n.RS 4\n.nf\n", roff(example.explains));
            for line in example.command.lines() {
                let _ = writeln!(out, "{}", roff(line));
            }
            out.push_str(".fi\n.RE\n");
        }
    }

    /// What the page says, what the program's page says of options that the command has too, and
    /// what all programs look at.
    fn environment(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<(&str, &str)> = self.page.environment.to_vec();
        let named = |all: &[(&str, &str)], name: &str| {
            all.iter().any(|(names, _)| names.split(", ").any(|other| other == name))
        };
        for (name, meaning) in [
            ("CC_CONFIG", "the configuration, as --config names it"),
            ("CC_ENV_FILE", "the environment file, as --env-file names it"),
            ("CC_DB", "the database, as --db names it"),
        ] {
            let taken = self
                .command
                .get_arguments()
                .any(|arg| arg.get_env().is_some_and(|variable| variable == name));
            if taken && !named(&all, name) {
                all.push((name, meaning));
            }
        }
        if self.command.get_arguments().any(|arg| arg.get_id() == "config") {
            all.push((
                "JWT_PUBLIC_KEY, and the others of cc-config(5)",
                "win over the same name in the environment file, even where they are set to an empty value",
            ));
        }
        all.push((
            "NO_COLOR, CLICOLOR_FORCE",
            "disable color, and enable it outside a terminal; --color takes precedence",
        ));
        all
    }

    fn see_also(&self, out: &mut String) {
        let mut others: BTreeSet<(String, String)> = BTreeSet::new();
        let common = ["cc-auth(7)".to_owned(), "cc-config(5)".to_owned()];
        let children = self.subcommands().map(|sub| format!("{}-{}(1)", self.title(), sub.get_name()));
        let programs = TOOLS.iter().map(|other| format!("{}(1)", other.name));
        let named = self.page.see_also.iter().map(|other| (*other).to_owned());
        for other in named.chain(children).chain(programs).chain(common) {
            let (name, number) = other.trim_end_matches(')').split_once('(').unwrap();
            if name != self.title() {
                others.insert((number.to_owned(), name.to_owned()));
            }
        }
        let shown: Vec<String> =
            others.iter().map(|(number, name)| format!("\\fB{}\\fR({number})", roff(name))).collect();
        let _ = write!(out, ".SH SEE ALSO\n{}\n", shown.join(",\n"));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// The short letter if it exists, else the long name.
    First,
    /// Both.
    Both,
}

/// An option as it is typed.
fn call(option: &Arg, spelling: Spelling) -> String {
    let short = option.get_short().map(|letter| format!("\\fB\\-{letter}\\fR"));
    let long = option.get_long().map(|name| format!("\\fB\\-\\-{}\\fR", roff(name)));
    let names: Vec<String> = match spelling {
        Spelling::First => short.or(long).into_iter().collect(),
        Spelling::Both => short.into_iter().chain(long).collect(),
    };
    let repeated = if matches!(option.get_action(), ArgAction::Count) && spelling == Spelling::Both {
        "..."
    } else {
        ""
    };
    if !option.get_action().takes_values() {
        return format!("{}{repeated}", names.join(", "));
    }
    let value = value_name(option);
    let optional = option.get_num_args().is_some_and(|range| range.min_values() == 0);
    match (optional, option.is_require_equals_set()) {
        (true, true) => format!("{}[=\\fI{value}\\fR]", names.join(", ")),
        (true, false) => format!("{}\\ [\\fI{value}\\fR]", names.join(", ")),
        _ => format!("{}\\ \\fI{value}\\fR", names.join(", ")),
    }
}

fn positional(argument: &Arg) -> String {
    let several = argument.get_num_args().is_some_and(|range| range.max_values() > 1);
    let value = format!("\\fI{}\\fR", value_name(argument));
    let shown = if argument.is_required_set() { value } else { format!("[{value}]") };
    if several { format!("{shown}...") } else { shown }
}

fn value_name(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    roff(&names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" "))
}

/// What an argument is for, as sentences; then its values, its default and its variable.
fn explain(out: &mut String, argument: &Arg) {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default().replace('`', "");
    let (help, mut facts) = match help.split_once(" [default: ") {
        Some((help, default)) => {
            (help.to_owned(), vec![format!("Default: {}.", default.trim_end_matches(']'))])
        }
        None => (help, Vec::new()),
    };
    let mut lines = sentence(&help);
    let values: Vec<_> = argument
        .get_possible_values()
        .into_iter()
        .filter(|value| !value.is_hide_set() && argument.get_action().takes_values())
        .collect();
    let defaults: Vec<String> = argument
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .filter(|value| !value.is_empty() && argument.get_action().takes_values())
        .collect();
    if !defaults.is_empty() {
        facts.push(format!("Default: {}.", defaults.join(", ")));
    }
    if let Some(variable) = argument.get_env() {
        facts.push(format!("Environment: {}.", variable.to_string_lossy()));
    }
    let reported = values.iter().any(|value| {
        value.get_help().is_some_and(|help| help.to_string().to_lowercase() != value.get_name())
    });
    if !values.is_empty() && !reported {
        let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
        let _ = write!(lines, " One of {}.", names.join(", "));
    }
    for fact in facts {
        let _ = write!(lines, " {fact}");
    }
    let _ = writeln!(out, "{}", roff(&lines));
    if reported {
        out.push_str(".RS\n.PD 0\n");
        for value in values {
            let help = value.get_help().map(ToString::to_string).unwrap_or_default().replace('`', "");
            let _ =
                write!(out, ".TP 10\n\\fB{}\\fR\n{}\n", roff(value.get_name()), roff(&lower_first(&help)));
        }
        out.push_str(".PD\n.RE\n");
    }
}

/// With a stop at its end.
pub fn sentence(text: &str) -> String {
    if text.ends_with(['.', '?', '!']) { text.to_owned() } else { format!("{text}.") }
}

/// The first letter small, unless the word is a name or an abbreviation.
fn lower_first(text: &str) -> String {
    let word: Vec<char> = text.chars().take_while(|letter| letter.is_alphanumeric()).collect();
    let is_name = word.iter().skip(1).any(|letter| letter.is_uppercase() || letter.is_numeric())
        || matches!(text.split(' ').next(), Some("Kubernetes" | "Danger:"));
    match (is_name, text.chars().next()) {
        (false, Some(first)) => first.to_lowercase().chain(text.chars().skip(1)).collect(),
        _ => text.to_owned(),
    }
}

fn section(out: &mut String, title: &str, entries: &[(&str, &str)]) {
    if entries.is_empty() {
        return;
    }
    let _ = writeln!(out, ".SH {title}");
    for (name, meaning) in entries {
        let _ = write!(out, ".TP\n\\fB{}\\fR\n{}\n", roff(name), roff(&sentence(meaning)));
    }
}

fn by_hand(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name)).unwrap()
}

/// The generated pages and those written by hand.
fn all_pages() -> BTreeMap<String, String> {
    let mut pages = man_pages();
    for name in BY_HAND {
        pages.insert(name.to_owned(), by_hand(name));
    }
    pages
}

/// A page's text without markup.
fn plain(page: &str) -> String {
    page.replace("\\fB", "")
        .replace("\\fI", "")
        .replace("\\fR", "")
        .replace("\\-", "-")
        .replace("\\&", "")
        .replace("\\ ", " ")
        .replace('"', "")
}

#[test]
fn man_pages_have_sections_in_order_and_the_same_date() {
    for (name, page) in all_pages() {
        let first = page.lines().next().unwrap();
        assert!(first.starts_with(".TH ") && first.contains(DATE), "{name}: {first}");
        let found: Vec<String> = page
            .lines()
            .filter_map(|line| line.strip_prefix(".SH "))
            .map(|title| title.trim_matches('"').to_owned())
            .collect();
        let expected: Vec<&str> = SECTIONS
            .into_iter()
            // A page about everything, or about files, has no arguments and no exit status.
            .filter(|section| name != "cc-auth.7" || *section != "SYNOPSIS")
            .filter(|section| name != "cc-config.5" || *section != "EXIT STATUS")
            .filter(|section| {
                name != "cc-json.5" || !["SYNOPSIS", "FILES", "ENVIRONMENT", "EXIT STATUS"].contains(section)
            })
            .collect();
        let order: Vec<&str> =
            found.iter().map(String::as_str).filter(|title| expected.contains(title)).collect();
        assert_eq!(order, expected, "{name} has {found:?}");
    }
}

#[test]
fn man_pages_pass_strict_validation() {
    if !has("mandoc") {
        return;
    }
    let directory = TestEnv::new();
    for (name, content) in all_pages() {
        directory.write(&name, content);
    }
    let lint = directory.sh("mandoc -T lint -W style *.[157] 2>&1 || true");
    assert!(lint.stdout.trim().is_empty(), "{}", lint.stdout);
}

/// A page of ours that is referred to is one there is.
#[test]
fn man_page_references_exist() {
    let pages = all_pages();
    let mut seen = 0;
    let mut texts: Vec<(String, String)> =
        pages.iter().map(|(name, page)| (name.clone(), plain(page))).collect();
    for name in ["README.md", "SECURITY.md"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        texts.push((name.to_owned(), text));
    }
    for (name, text) in &texts {
        // In pages by hand the number is a word of its own: .BR cc-user (1)
        let text = text.replace(" (", "(");
        for (at, _) in text.match_indices('(') {
            let Some(number) = text[at + 1..].split_once(')').map(|(number, _)| number) else { continue };
            if !["1", "5", "7"].contains(&number) {
                continue;
            }
            let start = text[..at]
                .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.'))
                .map_or(0, |before| before + 1);
            let title = &text[start..at];
            let ours = title.starts_with("cc-") || TOOLS.iter().any(|tool| title.starts_with(tool.name));
            if ours {
                seen += 1;
                assert!(
                    pages.contains_key(&format!("{title}.{number}")),
                    "{name} refers to {title}({number}), which does not exist"
                );
            }
        }
    }
    assert!(seen > 100, "only {seen} references found");
}
