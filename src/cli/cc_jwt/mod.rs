//! `cc-jwt`: issues, inspects, verifies and renews tokens; checks resources; writes what an issuer
//! publishes.

use super::candidates as complete;
mod inspect;
mod issue;
mod jwks;
mod keys;
mod osdf;
mod pages;
mod pages_osdf;
mod pages_scan;
mod pages_verify;
mod remote;
mod renew;
mod renew_command;
mod renew_into;
mod renew_once;
mod renew_process;
mod renew_watch;
mod report;
mod resources;
mod role;
mod role_pull;
mod scan;
mod source;
mod spec;
mod spec_issue;
mod stream;
mod verify;
mod verify_options;
mod what_if;

use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::completion::{self, CompletionArguments};
use super::console::Console;
use super::failure::{Failure, UsageError};
use super::options::{OutputOptions, SettingsOptions};
#[cfg(test)]
use super::schema::Report;
use super::tool::Tool;
use crate::util::diagnostic::ExitStatus;
pub(super) use scan::report_unknown_state;

/// The program.
pub static TOOL: Tool = Tool { name: "cc-jwt", command, run, form, single_dash: &[], pages: pages::PAGES };

/// The reports of `--json`.
#[cfg(test)]
pub(super) static REPORTS: &[Report] = &[
    Report::of::<issue::TokenReport>("cc-jwt issue").stream(),
    Report::of::<crate::renew::RenewEvent>("cc-jwt renew").stream(),
    Report::of::<crate::scan::ScanReport>("cc-jwt scan"),
    Report::of::<crate::what_if::WhatIfReport>("cc-jwt scan").form("what-if", "with --what-if"),
    Report::of::<spec_issue::ResourceToken>("cc-jwt spec issue").stream(),
    Report::of::<inspect::InspectReport>("cc-jwt inspect"),
    Report::of::<inspect::InspectTokensReport>("cc-jwt inspect")
        .form("tokens", "for the JSON response of a token endpoint"),
    Report::of::<inspect::InspectLine>("cc-jwt inspect").form("stream", "with --stream").stream(),
    Report::of::<inspect::InspectErrorLine<'_>>("cc-jwt inspect")
        .form("stream-error", "with --stream, for a line that is not a token")
        .stream(),
    Report::of::<report::VerifyReport<'_>>("cc-jwt verify"),
    Report::of::<report::LineReport<'_>>("cc-jwt verify").form("stream", "with --stream").stream(),
    Report::of::<report::LoginRoleReport<'_>>("cc-jwt verify").form("login-role", "with --login-role"),
    Report::of::<report::RoleLineReport<'_>>("cc-jwt verify")
        .form("login-role-stream", "with --login-role and --stream")
        .stream(),
    Report::of::<role::RoleCheckReport<'_>>("cc-jwt role check"),
    Report::of::<role_pull::RolePullReport<'_>>("cc-jwt role pull"),
    Report::of::<spec::SpecCheckReport<'_>>("cc-jwt spec check"),
    Report::of::<spec::SpecNewReport<'_>>("cc-jwt spec new"),
    Report::of::<jwks::JwksReport>("cc-jwt jwks"),
    Report::of::<crate::osdf::jwks_document::DiscoveryDocument>("cc-jwt jwks")
        .form("discovery", "with --document discovery"),
    Report::of::<jwks::JwksFilesReport<'_>>("cc-jwt jwks").form("files", "with --out-dir"),
    Report::of::<completion::CompletionReport>("cc-jwt completion"),
];

/// Issue, inspect, verify and renew tokens of a ClusterCockpit server
#[derive(Debug, Parser)]
#[command(name = "cc-jwt", subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,

    #[command(flatten)]
    settings: SettingsOptions,

    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(visible_aliases = ["sign", "create"])]
    Issue(Box<issue::Issue>),
    #[command(visible_aliases = ["decode", "show"])]
    Inspect(inspect::Inspect),
    #[command(visible_alias = "check")]
    Verify(Box<verify_options::Verify>),
    Role(role::RoleCommand),
    Renew(Box<renew::Renew>),
    Scan(Box<scan::Scan>),
    Spec(Box<spec::SpecArguments>),
    Jwks(Box<jwks::Jwks>),
    Completion(CompletionArguments),
}

fn command() -> Command {
    Arguments::command()
}

/// Whether `verify` may fetch keys; which document `jwks` prints.
fn form(command: &str, matches: &ArgMatches) -> Option<&'static str> {
    match command {
        "cc-jwt verify" => {
            let verify = verify_options::Verify::from_arg_matches(matches).ok()?;
            Some(if verify.may_fetch_keys() { "remote" } else { "local" })
        }
        "cc-jwt jwks" => Some(jwks::Jwks::from_arg_matches(matches).ok()?.document_name()),
        _ => None,
    }
}

fn run(matches: &ArgMatches, console: &mut Console) -> Result<ExitStatus, Failure> {
    let Arguments { verb, settings, output: _ } =
        Arguments::from_arg_matches(matches).map_err(|error| UsageError::new(error.to_string()))?;
    match verb {
        Verb::Issue(verb) => issue::run(&verb, &settings, console),
        Verb::Inspect(verb) => inspect::run(&verb, console),
        Verb::Verify(verb) => verify::run(&verb, &settings, console),
        Verb::Role(verb) => role::run(&verb, console),
        Verb::Renew(verb) if verb.watch => renew_watch::run(&verb, &settings, console),
        Verb::Renew(verb) => renew::run(&verb, &settings, console),
        Verb::Scan(verb) => scan::run(&verb, &settings, console),
        Verb::Spec(verb) => spec::run(&verb, console),
        Verb::Completion(verb) => completion::run(TOOL.name, &verb, console),
        Verb::Jwks(verb) => jwks::run(&verb, &settings, console),
    }
}
