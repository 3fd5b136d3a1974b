//! `gen-keypair`: new keys for a server, in the formats of the programs that read them.

mod kind;
mod pages;
mod pair;

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum, ValueHint};
use serde::Serialize;
use zeroize::Zeroizing;

use self::kind::{KeyKind, OutputFormat};
use self::pair::{KeyPart, NewKey};
use super::console::Console;
use super::console::warn_if_not_owner;
use super::failure::{Failure, UsageError};
use super::key_source::{check_name, variable};
use super::options::OutputOptions;
#[cfg(test)]
use super::schema::Report;
use super::stdin;
use super::tool::Tool;
use crate::config::DEFAULT_ENV_FILE;
use crate::config::env_file;
use crate::key::nkey::NkeyRole;
use crate::key::{Curve, KeyError, KeyStrength, PrivateKey, SigningKey, published, read_signing};
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, Existing, FileContents, PRIVATE_MODE, PUBLIC_MODE, SETTINGS_LIMIT};
use crate::util::note::Notes;
use crate::util::quote::quote_path;

/// The program.
pub static TOOL: Tool =
    Tool { name: "gen-keypair", command, run, form, single_dash: &[], pages: pages::PAGES };

/// The reports of `--json`.
#[cfg(test)]
pub(super) static REPORTS: &[Report] = &[
    Report::of::<pair::NewKeyReport<'_>>("gen-keypair"),
    Report::of::<WriteReport<'_>>("gen-keypair").form("write", "with --write"),
    Report::of::<FilesReport<'_>>("gen-keypair").form("files", "with --output"),
];

/// Generate keys for signing and verifying tokens of a ClusterCockpit server
#[derive(Debug, Parser)]
#[command(name = "gen-keypair")]
struct Arguments {
    /// Type of the key
    #[arg(short, long, value_name = "ALGORITHM", default_value = "ed25519")]
    algorithm: KeyKind,

    /// Convert the private key in FILE instead of generating one: PEM, OpenSSH, JWK, nkey or base64; -
    /// is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath,
          conflicts_with_all = ["algorithm", "from_env"])]
    from: Option<PathBuf>,

    /// Convert the private key in variable VAR of the environment or the environment file
    #[arg(long, value_name = "VAR", conflicts_with = "algorithm")]
    from_env: Option<String>,

    /// Output format [default: env for keys that the server reads, otherwise pem]
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<OutputFormat>,

    /// Write to PATH instead of standard output; with pem, a directory for both files
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath, conflicts_with = "write")]
    output: Option<PathBuf>,

    /// Key ID to use instead of the RFC 7638 thumbprint (jwk, jwks and json)
    #[arg(long, value_name = "KID")]
    kid: Option<String>,

    /// Type of the nkey
    #[arg(long, value_name = "ROLE", default_value = "user")]
    nkey_role: NkeyRoleOption,

    /// Write the keys to the environment file; the old file is saved beside it
    #[arg(long)]
    write: bool,

    /// Environment file [default: ./.env]
    #[arg(long, value_name = "FILE", env = "CC_ENV_FILE", hide_env_values = true,
          value_hint = ValueHint::FilePath)]
    env_file: Option<PathBuf>,

    /// Replace existing keys or files; this invalidates all tokens and sessions of the old keys
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    output_options: OutputOptions,
}

/// The type of an nkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum NkeyRoleOption {
    /// A user (U…)
    User,
    /// An account (A…)
    Account,
    /// An operator (O…)
    Operator,
    /// A server (N…)
    Server,
    /// A cluster (C…)
    Cluster,
}

impl From<NkeyRoleOption> for NkeyRole {
    fn from(role: NkeyRoleOption) -> Self {
        match role {
            NkeyRoleOption::User => Self::User,
            NkeyRoleOption::Account => Self::Account,
            NkeyRoleOption::Operator => Self::Operator,
            NkeyRoleOption::Server => Self::Server,
            NkeyRoleOption::Cluster => Self::Cluster,
        }
    }
}

/// The action of the command line, with the options that it needs.
enum Action {
    /// Writes to the environment file.
    Write { path: PathBuf },
    /// Writes to standard output.
    Show { format: OutputFormat },
    /// Writes to one or two files.
    Save { format: OutputFormat, path: PathBuf },
}

fn command() -> Command {
    Arguments::command()
}

/// Returns the output format.
fn form(_: &str, matches: &ArgMatches) -> Option<&'static str> {
    let arguments = Arguments::from_arg_matches(matches).ok()?;
    let shows_report = arguments.output_options.json && arguments.output.is_none() && !arguments.write;
    let format = match arguments.format {
        Some(format) => format,
        None if shows_report => OutputFormat::Json,
        None => *arguments.algorithm.formats().first()?,
    };
    Some(format.name())
}

fn run(matches: &ArgMatches, console: &mut Console) -> Result<ExitStatus, Failure> {
    let arguments =
        Arguments::from_arg_matches(matches).map_err(|error| UsageError::new(error.to_string()))?;
    let given = given_key(&arguments, console)?;
    let kind = given.as_ref().map_or(arguments.algorithm, |given| given.kind);
    let action = decide(&arguments, kind)?;
    let key = match given {
        Some(given) => pair::from_signing(&given.key, arguments.kid.as_deref())?,
        None => pair::make(kind, arguments.kid.as_deref())?,
    };
    match action {
        Action::Write { path } => write_env(&key, &path, arguments.force, console)?,
        Action::Show { format } => {
            let mut text = key.whole(format, arguments.nkey_role.into())?;
            text.push('\n');
            console.deliver_new_key(&text)?;
        }
        Action::Save { format, path } => save(&key, format, &path, &arguments, console)?,
    }
    Ok(ExitStatus::Success)
}

/// The private key of an option.
struct GivenKey {
    key: SigningKey,
    kind: KeyKind,
}

/// Reads the private key of `--from` or `--from-env`. Errors do not contain any part of it.
fn given_key(arguments: &Arguments, console: &mut Console) -> Result<Option<GivenKey>, Failure> {
    let mut notes = Notes::new();
    let read = match (&arguments.from, &arguments.from_env) {
        (Some(path), _) => {
            let (bytes, place) = if path.as_os_str() == "-" {
                (stdin::read(SETTINGS_LIMIT)?, "standard input".to_owned())
            } else {
                let bytes = file::read_named(path, SETTINGS_LIMIT, FileContents::Secret, &mut notes)?;
                (Zeroizing::new(bytes), quote_path(path))
            };
            read_pair(&bytes, &mut notes).map_err(|error| error.at(place))
        }
        (None, Some(name)) => {
            check_name("--from-env", name)?;
            let (text, place) = variable(name, arguments.env_file.as_deref(), console)?;
            read_pair(text.expose().as_bytes(), &mut notes).map_err(|error| error.configured(place))
        }
        (None, None) => return Ok(None),
    };
    // A file without a key contains no secret, regardless of its mode.
    let given = read?;
    console.notes(notes);
    if let Some(place) = given.key.private_key().and_then(|key| published(&key.public())) {
        console.warn_of_danger("key-compromised", &format!("this is {place}: anyone can sign with it"));
    }
    Ok(Some(given))
}

fn read_pair(bytes: &[u8], notes: &mut Notes) -> Result<GivenKey, KeyError> {
    let expected = |found: &'static str| KeyError::WrongType {
        found: found.into(),
        expected: "a private key of Ed25519, P-256, P-384 or RSA",
    };
    let key = read_signing(bytes, KeyStrength::Enforce, notes)?;
    let kind = match key.private_key() {
        Some(PrivateKey::Ed25519(_)) => KeyKind::Ed25519,
        Some(PrivateKey::Ec { curve: Curve::P256, .. }) => KeyKind::Es256,
        Some(PrivateKey::Ec { curve: Curve::P384, .. }) => KeyKind::Es384,
        Some(PrivateKey::Ec { curve: Curve::P521, .. }) => return Err(expected("a private key of P-521")),
        Some(PrivateKey::Rsa { .. }) => KeyKind::Rs256,
        None => return Err(expected("an HMAC secret")),
    };
    Ok(GivenKey { key, kind })
}

fn decide(arguments: &Arguments, kind: KeyKind) -> Result<Action, UsageError> {
    let is_given = arguments.from.is_some() || arguments.from_env.is_some();
    let subject = format!("{} {}", if is_given { "a key for" } else { "--algorithm" }, kind.name());
    let named = match (arguments.format, arguments.output_options.json) {
        (Some(format), true)
            if format != OutputFormat::Json && arguments.output.is_none() && !arguments.write =>
        {
            let given = format.name();
            return Err(UsageError::new(format!("--json and --format {given} exclude each other here")));
        }
        (None, true) if arguments.output.is_none() && !arguments.write => Some(OutputFormat::Json),
        (format, _) => format,
    };
    let first = kind.formats().first().copied().unwrap_or(OutputFormat::Json);
    let format = named.unwrap_or(first);
    if !kind.formats().contains(&format) {
        return Err(unfit(kind, &subject, format));
    }
    if arguments.write && format != OutputFormat::Env {
        if named.is_none() {
            return Err(UsageError::new(format!(
                "--write does not fit {subject}: the server has no variable for such a key"
            ))
            .hint(if is_given {
                "an Ed25519 key can be written"
            } else {
                "ed25519, hs512 and session can be written"
            }));
        }
        let given = format.name();
        return Err(UsageError::new(format!("--write puts keys into the environment file, not as {given}"))
            .hint("leave --format out, or write files with -o"));
    }
    if arguments.kid.is_some() {
        if kind == KeyKind::Session {
            return Err(UsageError::new(
                "--kid cannot be used with --algorithm session, which is not a key for tokens",
            ));
        }
        if arguments.kid.as_deref() == Some("") {
            return Err(UsageError::new("--kid is empty: expected a name for the key"));
        }
    }
    if arguments.write {
        let path = arguments.env_file.clone().unwrap_or_else(|| DEFAULT_ENV_FILE.into());
        return Ok(Action::Write { path });
    }
    match &arguments.output {
        Some(path) if path.as_os_str() != "-" => Ok(Action::Save { format, path: path.clone() }),
        _ => Ok(Action::Show { format }),
    }
}

fn unfit(kind: KeyKind, subject: &str, format: OutputFormat) -> UsageError {
    let fitting: Vec<&str> = kind.formats().iter().map(|format| format.name()).collect();
    UsageError::new(format!("--format {} does not fit {subject}", format.name()))
        .hint(format!("--format {} fit", fitting.join(", ")))
}

/// The report: the environment file that was written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WriteReport<'a> {
    /// The algorithm as in the header of a token, or `session`.
    algorithm: &'static str,
    /// The key ID: `--kid`, or the RFC 7638 thumbprint; null for a key without one.
    kid: Option<String>,
    /// The environment file.
    env_file: Cow<'a, str>,
    /// The names of the variables that were set.
    variables: Vec<&'a str>,
    /// The file with the old environment file; null if there was none.
    backup: Option<Cow<'a, str>>,
    /// The public key in the server's base64; null for keys that are not Ed25519.
    public_key: Option<&'a str>,
}

/// The report: the files that were written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FilesReport<'a> {
    /// The algorithm as in the header of a token, or `session`.
    algorithm: &'static str,
    /// The key ID: `--kid`, or the RFC 7638 thumbprint; null for a key without one.
    kid: Option<String>,
    /// The files.
    files: Vec<Cow<'a, str>>,
    /// The public key in the server's base64; null for keys that are not Ed25519.
    public_key: Option<&'a str>,
}

fn write_env(key: &NewKey, path: &Path, force: bool, console: &mut Console) -> Result<(), Failure> {
    let variables = key.variables()?;
    let pairs: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let written = env_file::put(path, &pairs, force)?;
    warn_if_not_owner([path], console);
    for (name, _) in &pairs {
        if console.environment().get(name).is_some() {
            console.warn(
                "environment-overrides",
                &format!("{name} is set in the environment, which overrides {}", quote_path(path)),
            );
        }
    }
    let names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    if console.is_json() {
        return Ok(console.json(&WriteReport {
            algorithm: key.algorithm(),
            kid: key.kid(),
            env_file: path.to_string_lossy(),
            variables: names,
            backup: written.backup.as_deref().map(Path::to_string_lossy),
            public_key: key.public_base64().as_deref().map(String::as_str),
        })?);
    }
    let old = written
        .backup
        .as_deref()
        .map_or(String::new(), |backup| format!("; the old file is saved as {}", quote_path(backup)));
    if !written.changed {
        console.note(&format!("{} has this {} already", quote_path(path), names.join(" and ")));
        return Ok(());
    }
    console.note(&format!("{} written to {}{old}", names.join(" and "), quote_path(path)));
    if force && written.backup.is_some() {
        console.note("a running server uses the old keys until it is restarted");
    }
    Ok(())
}

fn save(
    key: &NewKey,
    format: OutputFormat,
    path: &Path,
    arguments: &Arguments,
    console: &mut Console,
) -> Result<(), Failure> {
    let existing = if arguments.force { Existing::Replace } else { Existing::Reject };
    let role = arguments.nkey_role.into();
    let parts = key.parts(format, role)?;
    let targets: Vec<(PathBuf, u32, &Zeroizing<String>)> = if format == OutputFormat::Pem {
        pem_directory(path)?;
        parts.iter().map(|(part, text)| (path.join(part.pem_name()), mode(*part), text)).collect()
    } else {
        parts.iter().map(|(part, text)| (beside(path, *part), mode(*part), text)).collect()
    };
    if existing == Existing::Reject {
        for (target, _, _) in &targets {
            file::check_free(target)?;
        }
    }
    for (target, mode, text) in &targets {
        let mut line = (*text).clone();
        if !line.ends_with('\n') {
            line.push('\n');
        }
        file::write(target, line.as_bytes(), *mode, existing)?;
    }
    let files: Vec<&Path> = targets.iter().map(|(target, _, _)| target.as_path()).collect();
    warn_if_not_owner(files.iter().copied(), console);
    if console.is_json() {
        return Ok(console.json(&FilesReport {
            algorithm: key.algorithm(),
            kid: key.kid(),
            files: files.iter().map(|file| file.to_string_lossy()).collect(),
            public_key: key.public_base64().as_deref().map(String::as_str),
        })?);
    }
    let shown: Vec<String> = files.iter().map(|file| quote_path(file)).collect();
    console.note(&format!("written: {}", shown.join(" and ")));
    Ok(())
}

const fn mode(part: KeyPart) -> u32 {
    match part {
        KeyPart::Private => PRIVATE_MODE,
        KeyPart::Public => PUBLIC_MODE,
    }
}

/// Returns the directory for the two PEM files and creates it if it is missing.
fn pem_directory(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    let file_like = ["pem", "key", "pub", "der", "crt"];
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if path.exists() || file_like.contains(&extension) {
        let shown = quote_path(path);
        return Err(UsageError::new(format!(
            "-o {shown} is a file: --format pem writes two of them, private.pem and public.pem"
        ))
        .hint("name a directory")
        .into());
    }
    Ok(file::create_private_directory(path)?)
}

/// Returns the path of a part: the private key at `path`, the public key beside it as
/// `NAME.pub.EXT`.
fn beside(path: &Path, part: KeyPart) -> PathBuf {
    match part {
        KeyPart::Private => path.to_owned(),
        KeyPart::Public => {
            let mut name = path.file_stem().map(OsString::from).unwrap_or_default();
            name.push(".pub");
            if let Some(extension) = path.extension() {
                name.push(".");
                name.push(extension);
            }
            path.with_file_name(name)
        }
    }
}
