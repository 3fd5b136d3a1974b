//! `cc-jwt renew`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::renew_into::{self, IntoOptions};
use super::renew_once::{note_old_token, run_once};
use super::resources::{ResourceOptions, parse_mode, published_keys, warn_of_mode};
use crate::cli::console::Console;
use crate::cli::console::warn_if_not_owner;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::{AtOption, SettingsOptions};

use crate::osdf::{LoadedResource, reader};
use crate::renew::{OsdfRenewer, RenewMode, RenewalJob, TokenFile};
use crate::token::bearer_discovery;
use crate::util::diagnostic::ExitStatus;
use crate::util::quote::quote_path;

/// The options for tokens of users instead of resources.
const INTO: [&str; 3] = ["user", "into", "renewal_file"];

/// Renew tokens in files: of resources, or of the server's users
///
/// Signs a token and writes it to its file if it is due: if it expires soon, if the file does not contain
/// a valid token, or if the resource, the user or the key changed. The token in the file decides, not its
/// modification time.
#[derive(Debug, Args)]
pub(super) struct Renew {
    /// The resources, YAML or JSON; - is standard input
    #[arg(long, value_name = "FILE", required_unless_present_any = INTO, conflicts_with_all = INTO,
          num_args = 1.., value_hint = ValueHint::FilePath)]
    pub(super) spec: Vec<PathBuf>,

    /// Renew the token in FILE
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath,
          required_unless_present_any = ["out_dir", "discoverable", "user", "into", "renewal_file"], conflicts_with_all = ["out_dir", "discoverable"])]
    output: Option<PathBuf>,

    /// Renew the token of each resource in DIR/NAME; NAME is its metadata.name
    #[arg(long, value_name = "DIR", conflicts_with = "discoverable", value_hint = ValueHint::DirPath)]
    out_dir: Option<PathBuf>,

    /// Renew the token in the file that clients search: BEARER_TOKEN_FILE, or bt_uID in XDG_RUNTIME_DIR or /tmp
    #[arg(long)]
    discoverable: bool,

    /// Mode of the files, in octal [default: 0600, and the group of the file that is
    /// replaced keeps its access]
    #[arg(long, value_name = "MODE", value_parser = parse_mode)]
    mode: Option<u32>,

    /// Run until a signal and renew each token in time; print one line of JSON for each event
    #[arg(short, long, conflicts_with_all = ["check", "at"])]
    pub(super) watch: bool,

    /// Check whether a token is due: exit status 0 if no token is due, 1 if one is
    #[arg(long, conflicts_with = "force")]
    check: bool,

    /// Sign every token, even if it is not due; --into then also replaces text that is not a token, if the member
    /// has a token by its name, such as jwt
    #[arg(long)]
    force: bool,

    /// Sign no token with a key that is not in the key set (JWKS) of the issuer
    #[arg(long, value_name = "FILE|URL", conflicts_with = "check", value_hint = ValueHint::FilePath)]
    pub(super) published: Option<String>,

    #[command(flatten)]
    pub(super) into: IntoOptions,

    #[command(flatten)]
    pub(super) resources: ResourceOptions,

    #[command(flatten)]
    at: AtOption,
}

pub(super) fn run(
    arguments: &Renew,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    arguments.check()?;
    let now = arguments.at.clock()?.now();
    if arguments.into.is_given() {
        return renew_into::run(&arguments.into, arguments.renew_mode(), now, options, console);
    }
    let loaded = arguments.resources.load_all(&arguments.spec, now, console);
    if loaded.is_err() && !arguments.check && arguments.out_dir.is_none() {
        let output = arguments.output_of("", console);
        note_old_token(&quote_path(&output.path), output.unverified_expiry(), console);
    }
    let loaded = loaded?;
    warn_of_mode(arguments.mode, console);
    let jobs = arguments.jobs(loaded, console)?;
    let environment = console.environment().clone();
    let published = published_keys(arguments.published.as_deref(), console)?;
    let around = arguments.resources.around(&environment, Path::new("."), published.as_ref());
    run_once(&mut OsdfRenewer(around), &jobs, arguments.renew_mode(), now, console, |job, console| {
        warn_if_not_owner([job.output.path.as_path()], console);
    })
}

impl Renew {
    const fn renew_mode(&self) -> RenewMode {
        match (self.check, self.force) {
            (true, _) => RenewMode::CheckOnly,
            (_, true) => RenewMode::Force,
            _ => RenewMode::IfDue,
        }
    }

    /// Checks that the parser cannot make.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        if self.spec.iter().filter(|path| *path == Path::new("-")).count() > 1 {
            return Err(UsageError::new("standard input can be read once only"));
        }
        Ok(())
    }

    /// The jobs of resources: each with its file.
    pub(super) fn jobs(
        &self,
        loaded: Vec<LoadedResource>,
        console: &mut Console,
    ) -> Result<Vec<RenewalJob>, Failure> {
        let resources: Vec<_> = loaded.iter().map(|loaded| loaded.resource.clone()).collect();
        if let Some(directory) = &self.out_dir {
            let faults = reader::duplicate_names(&resources);
            if !faults.is_empty() {
                return Err(Failure::several(faults));
            }
            if !self.check {
                crate::util::file::create_private_directory(directory)?;
            }
        } else if loaded.len() > 1 {
            let what = if self.discoverable { "--discoverable is" } else { "--output is" };
            return Err(UsageError::new(format!("{what} for one resource, found {}", loaded.len()))
                .hint("give --out-dir DIR: each token is then DIR/NAME")
                .into());
        }
        Ok(loaded
            .into_iter()
            .map(|LoadedResource { resource, directory }| {
                let output = self.output_of(&resource.name, console);
                RenewalJob { resource, directory, output }
            })
            .collect())
    }

    fn output_of(&self, name: &str, console: &mut Console) -> TokenFile {
        let mode = self.mode;
        let plain = |path: PathBuf| TokenFile { path, mode };
        match (&self.output, &self.out_dir) {
            (Some(path), _) => plain(path.clone()),
            (None, Some(directory)) => plain(directory.join(name)),
            (None, None) => {
                if console.environment().non_empty("BEARER_TOKEN").is_some() {
                    console.warn(
                        "bearer-token-variable",
                        "BEARER_TOKEN is set: programs in this session use that token, not the file",
                    );
                }
                let user = rustix::process::geteuid().as_raw();
                let place = bearer_discovery::place_to_write(console.environment(), user);
                let runtime = format!("/run/user/{user}");
                if matches!(place, bearer_discovery::BearerSource::Tmp(_)) && Path::new(&runtime).is_dir() {
                    console.warn(
                        "bearer-discovery-directory",
                        &format!(
                            "programs of a login session look for the token in {runtime}, not in /tmp: set \
                         XDG_RUNTIME_DIR={runtime}"
                        ),
                    );
                }
                plain(place.path().map(Path::to_owned).unwrap_or_default())
            }
        }
    }
}
