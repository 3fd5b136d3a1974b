//! The man page and the completion scripts, from the definition of the arguments. `make operator-docs` writes them;
//! the test here only compares.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command as Program;

use clap::{Arg, Command};
use clap_complete::Shell;

use crate::cli;
use crate::roff::{roff, tidy};

/// When the page was last looked through as a whole.
const DATE: &str = "2026-11-27";

const DESCRIPTION: [&str; 4] = [
    "cc-jwt-operator is a Kubernetes operator for the resource JWT (jwts.tokens.osg-htc.org/v1). For each resource it \
     signs a token, writes it to the Secret of the same name, and signs it again before it expires. The resource has \
     the members of cc-jwt-spec(1); its key is in a Secret or ConfigMap of the same namespace.",
    "A token is signed if the Secret does not have a valid token, if the token differs from the resource or its key, \
     and when spec.resignBefore is reached. Only Secrets of the operator are written. A Secret of another owner is \
     adopted if it has the annotation tokens.osg-htc.org/adopt with the name of the resource.",
    "Without a command the operator runs until SIGTERM or SIGINT. It then ends running work, for at most 10 seconds. The \
     status of a resource and its Events have the result; 'kubectl describe jwt NAME' prints them. Standard error has \
     one JSON object a line: time, level, event, and the resource.",
    "Logs, Events, status and metrics do not contain keys, tokens or claims.",
];

const EXAMPLES: [(&str, &str); 6] = [
    (
        "Install the definition, as a cluster administrator",
        "cc-jwt-operator crd | kubectl apply --server-side -f -",
    ),
    (
        "Install the operator for its own namespace",
        "cc-jwt-operator manifests --namespace science --image registry.example.org/cc-jwt-operator:0.1.0 |\n  kubectl apply -f -",
    ),
    (
        "Install two replicas for two namespaces",
        "cc-jwt-operator manifests --namespace tokens --watch-namespaces science,physics \\\n  --leader-election | kubectl apply -f -",
    ),
    (
        "Print what would be written, with the access of KUBECONFIG",
        "cc-jwt-operator --watch-namespaces science --dry-run",
    ),
    ("Sign each token that is due once, in a job", "cc-jwt-operator --once"),
    ("Print what a migration from another operator changes", "cc-jwt-operator adopt --dry-run"),
];

const ENVIRONMENT: [(&str, &str); 4] = [
    ("KUBECONFIG", "the file with the access to the API server, outside of a pod"),
    ("WATCH_NAMESPACES", "the namespaces, as --watch-namespaces names them"),
    ("LISTEN", "the address, as --listen names it"),
    ("HOSTNAME", "the name of the pod, in Events and in the Lease"),
];

const EXIT_STATUS: [(&str, &str); 3] = [
    ("0", "success; with --once and --dry-run: each token is valid"),
    (
        "1",
        "with --once and --dry-run: a token is missing or invalid; with adopt: a resource was not restored",
    ),
    (
        "2",
        "the arguments or the access are invalid, the API server cannot be reached, or another replica leads",
    ),
];

/// The generated files by their path below `operator`.
fn generated() -> BTreeMap<String, String> {
    let mut command = cli::command();
    command.build();
    let mut files = BTreeMap::from([("man/cc-jwt-operator.1".to_owned(), page(&command))]);
    for (shell, file) in [
        (Shell::Bash, "completions/bash/cc-jwt-operator"),
        (Shell::Zsh, "completions/zsh/_cc-jwt-operator"),
        (Shell::Fish, "completions/fish/cc-jwt-operator.fish"),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut cli::command(), "cc-jwt-operator", &mut script);
        files.insert(file.to_owned(), String::from_utf8(script).unwrap());
    }
    files
}

fn page(command: &Command) -> String {
    let about = command.get_about().unwrap().to_string();
    let about = format!("{}{}", about[..1].to_lowercase(), &about[1..]);
    let mut out = format!(
        ".TH CC\\-JWT\\-OPERATOR 1 {DATE} \"cc-auth-tools {}\" \"ClusterCockpit account tools\"\n\
         .SH NAME\ncc\\-jwt\\-operator \\- {}\n.SH SYNOPSIS\n\
         \\fBcc\\-jwt\\-operator\\fR [\\fIOPTION\\fR]...\n.br\n\
         \\fBcc\\-jwt\\-operator\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n.SH DESCRIPTION\n",
        env!("CARGO_PKG_VERSION"),
        roff(&about)
    );
    out.push_str(&DESCRIPTION.map(|paragraph| roff(paragraph) + "\n").join(".PP\n"));
    out.push_str(".SH OPTIONS\n");
    options(&mut out, command);
    out.push_str(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nPrint help.\n.TP\n\\fB\\-V\\fR, \\fB\\-\\-version\\fR\nPrint the version.\n");
    out.push_str(".SH COMMANDS\n");
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let about = sub.get_long_about().or(sub.get_about()).unwrap().to_string();
        let paragraphs: Vec<String> =
            about.split("\n\n").map(|paragraph| roff(&sentence(paragraph)) + "\n").collect();
        let _ = write!(out, ".SS {}\n{}", roff(sub.get_name()), paragraphs.join(".PP\n"));
        options(&mut out, sub);
    }
    out.push_str(".SH EXAMPLES\n");
    for (count, (explanation, example)) in EXAMPLES.into_iter().enumerate() {
        let next = if count == 0 { "" } else { ".PP\n" };
        let _ = write!(out, "{next}{}:\n.PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", roff(explanation), roff(example));
    }
    for (title, entries) in [("ENVIRONMENT", &ENVIRONMENT[..]), ("EXIT STATUS", &EXIT_STATUS[..])] {
        let _ = writeln!(out, ".SH {title}");
        for (name, meaning) in entries {
            let _ = write!(out, ".TP\n\\fB{name}\\fR\n{}\n", roff(&sentence(meaning)));
        }
    }
    out.push_str(
        ".SH SEE ALSO\n\\fBcc\\-jwt\\-renew\\fR(1),\n\\fBcc\\-jwt\\-spec\\fR(1),\n\\fBcc\\-auth\\fR(7)\n",
    );
    tidy(&out)
}

fn options(out: &mut String, command: &Command) {
    let is_shown = |arg: &&Arg| !matches!(arg.get_id().as_str(), "help" | "version");
    for option in command.get_arguments().filter(is_shown) {
        let name = roff(&format!("--{}", option.get_long().unwrap()));
        let value = option.get_value_names().filter(|_| option.get_action().takes_values());
        let value = value.map_or_else(String::new, |names| format!("\\ \\fI{}\\fR", names[0]));
        let help = option.get_help().unwrap().to_string();
        // A default in the text, or one that the parser has.
        let (help, default) = match help.split_once(" [default: ") {
            Some((help, default)) => (help.to_owned(), Some(default.trim_end_matches(']').to_owned())),
            None => {
                (help, option.get_default_values().first().map(|value| value.to_string_lossy().into_owned()))
            }
        };
        let default = default
            .filter(|_| option.get_action().takes_values())
            .map_or_else(String::new, |default| format!(" Default: {default}."));
        let required = if option.is_required_set() { " Required." } else { "" };
        let _ = write!(
            out,
            ".TP\n\\fB{name}\\fR{value}\n{}\n",
            roff(&format!("{}{required}{default}", sentence(&help)))
        );
    }
}

/// A text with a capital letter and a final stop.
fn sentence(text: &str) -> String {
    let text = text.trim().replace('\n', " ");
    let (first, rest) = text.split_at(1);
    let stop = if text.ends_with(['.', ':']) { "" } else { "." };
    format!("{}{rest}{stop}", first.to_uppercase())
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Writes the files; `make operator-docs` runs it.
#[test]
#[ignore = "writes the man page and the completion scripts: make operator-docs"]
fn write_generated_files() {
    assert!(std::env::var_os("CI").is_none(), "CI checks the generated files and does not write them");
    for (name, content) in generated() {
        let path = directory().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

#[test]
fn man_page_and_completions_are_current() {
    for (name, content) in generated() {
        let found = std::fs::read_to_string(directory().join(&name)).unwrap_or_default();
        assert!(found == content, "operator/{name} is out of date: run make operator-docs");
    }
}

#[test]
fn man_page_passes_strict_validation() {
    let page = directory().join("man/cc-jwt-operator.1");
    match Program::new("mandoc").args(["-T", "lint", "-W", "style"]).arg(page).output() {
        Ok(output) => assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(_) => assert!(std::env::var_os("CI").is_none(), "mandoc is missing"),
    }
}

/// Each command of the page and of the guide is accepted by the parser.
#[test]
fn examples_are_valid_commands() {
    let guide = std::fs::read_to_string(directory().join("../docs/kubernetes.md")).unwrap();
    let guide = guide.replace("\\\n", " ").replace("|\n", "| ");
    let page = EXAMPLES.map(|(_, example)| example.replace("\\\n", " ").replace("|\n", "| "));
    let lines = page.iter().map(String::as_str).chain(guide.lines());
    let mut count = 0;
    for line in lines.filter(|line| line.starts_with("cc-jwt-operator ")) {
        let words: Vec<&str> = line.split('|').next().unwrap().split_whitespace().collect();
        cli::command().try_get_matches_from(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
        count += 1;
    }
    assert!(count > EXAMPLES.len(), "the guide has no command");
}
