//! `convert-pem-pubkey`: conversion of public keys from PEM and other formats to the server's
//! format, and back.

mod pages;

use std::borrow::Cow;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum, ValueHint};
use serde::Serialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::console::Console;
use super::console::warn_if_not_owner;
use super::failure::{Failure, UsageError};
use super::gen_keypair::NkeyRoleOption;
use super::key_source::{check_name, variable};
use super::options::OutputOptions;
#[cfg(test)]
use super::schema::Report;
use super::stdin;
use super::tool::Tool;
use crate::config::env_file;
use crate::config::{DEFAULT_ENV_FILE, Variable};
use crate::key::der::write_spki;
use crate::key::encoding::encode_standard;
use crate::key::nkey::NkeyRole;
use crate::key::{
    KeyError, KeyStrength, ParsedKey, PublicKey, jwk, nkey, openssh, pem, published, read_public, thumbprint,
};
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, SETTINGS_LIMIT};
use crate::util::note::Notes;
use crate::util::quote::quote_path;
use crate::util::time::Clock;

/// The program.
pub static TOOL: Tool =
    Tool { name: "convert-pem-pubkey", command, run, form, single_dash: &[], pages: pages::PAGES };

/// The reports of `--json`.
#[cfg(test)]
pub(super) static REPORTS: &[Report] = &[
    Report::of::<ConvertReport>("convert-pem-pubkey"),
    Report::of::<WriteReport<'_>>("convert-pem-pubkey").form("write", "with --write"),
];

/// Convert a public key to and from the format of a ClusterCockpit server
#[derive(Debug, Parser)]
#[command(name = "convert-pem-pubkey")]
struct Arguments {
    /// File with the key: PEM, certificate, OpenSSH, JWK, nkey or base64; - is standard input, the
    /// default
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "from_env")]
    file: Option<PathBuf>,

    /// Read the key from variable VAR of the environment or the environment file
    #[arg(long, value_name = "VAR")]
    from_env: Option<String>,

    /// Output format [default: env]
    #[arg(short, long, value_name = "FORM", conflicts_with = "json")]
    to: Option<Form>,

    /// Name of the variable [default: CROSS_LOGIN_JWT_PUBLIC_KEY]
    #[arg(long, value_name = "VAR")]
    name: Option<String>,

    /// Key ID in the JWK, instead of that of the input or the RFC 7638 thumbprint
    #[arg(long, value_name = "KID")]
    kid: Option<String>,

    /// Type of the nkey
    #[arg(long, value_name = "ROLE", default_value = "user")]
    nkey_role: NkeyRoleOption,

    /// Write the variable to the environment file; the old file is saved beside it
    #[arg(long)]
    write: bool,

    /// Environment file [default: ./.env]
    #[arg(long, value_name = "FILE", env = "CC_ENV_FILE", hide_env_values = true,
          value_hint = ValueHint::FilePath)]
    env_file: Option<PathBuf>,

    /// Replace an existing key
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    output: OutputOptions,
}

/// An output format of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A line NAME="base64" for the server's environment file
    Env,
    /// Base64 only
    Base64,
    /// The raw 32 bytes
    Raw,
    /// The 32 bytes in hexadecimal
    Hex,
    /// A JSON Web Key
    Jwk,
    /// SPKI, for openssl
    Pem,
    /// A NATS nkey
    Nkey,
    /// An OpenSSH public key line, without a comment
    Openssh,
}

impl Form {
    const fn name(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Base64 => "base64",
            Self::Raw => "raw",
            Self::Hex => "hex",
            Self::Jwk => "jwk",
            Self::Pem => "pem",
            Self::Nkey => "nkey",
            Self::Openssh => "openssh",
        }
    }
}

fn command() -> Command {
    Arguments::command()
}

/// Returns the output format.
fn form(_: &str, matches: &ArgMatches) -> Option<&'static str> {
    let arguments = Arguments::from_arg_matches(matches).ok()?;
    Some(match arguments.to {
        Some(form) => form.name(),
        None if arguments.output.json && !arguments.write => "json",
        None => Form::Env.name(),
    })
}

fn run(matches: &ArgMatches, console: &mut Console) -> Result<ExitStatus, Failure> {
    let arguments =
        Arguments::from_arg_matches(matches).map_err(|error| UsageError::new(error.to_string()))?;
    check(&arguments)?;
    let (found, place) = read(&arguments, console)?;
    let key = found.public().ok_or(KeyError::UnsupportedFormat { kind: "HMAC", form: "a public key" })?;
    let at = |error: KeyError| error.at(place.as_str());
    warn(&found, key, console);
    let name = arguments.name.as_deref().unwrap_or(Variable::CrossLoginJwtPublicKey.name());
    let kid = arguments.kid.as_deref().or(found.key.kid());
    if arguments.write {
        let base64 = encode_standard(key.ed25519_bytes().map_err(at)?);
        write(&arguments, name, &base64, &found, console)?;
        return Ok(ExitStatus::Success);
    }
    if console.is_json() {
        console.json(&report(&found, key, kid).map_err(at)?)?;
        return Ok(ExitStatus::Success);
    }
    let role: NkeyRole = arguments.nkey_role.into();
    let algorithm = match found.key.algorithms() {
        [one] => Some(*one),
        _ => None,
    };
    let text = match arguments.to.unwrap_or(Form::Env) {
        Form::Env => format!("{name}=\"{}\"\n", *encode_standard(key.ed25519_bytes().map_err(at)?)),
        Form::Base64 => format!("{}\n", *encode_standard(key.ed25519_bytes().map_err(at)?)),
        Form::Hex => {
            let bytes = key.ed25519_bytes().map_err(at)?;
            format!("{}\n", data_encoding::HEXLOWER.encode(bytes))
        }
        Form::Jwk => format!("{}\n", jwk::write_public(key, kid, algorithm)),
        Form::Pem => pem_of(key).map_err(at)?,
        Form::Nkey => format!("{}\n", nkey::write_public(key, role).map_err(at)?),
        Form::Openssh => format!("{}\n", openssh::write(key)),
        Form::Raw => {
            let bytes = *key.ed25519_bytes().map_err(at)?;
            console.deliver("")?;
            console.bytes(&bytes)?;
            return Ok(ExitStatus::Success);
        }
    };
    console.deliver(&text)?;
    Ok(ExitStatus::Success)
}

/// Rejects options that are invalid together.
fn check(arguments: &Arguments) -> Result<(), UsageError> {
    let to = arguments.to.unwrap_or(Form::Env);
    if arguments.write && to != Form::Env {
        let given = to.name();
        return Err(UsageError::new(format!(
            "--write puts the key into the environment file, not as {given}"
        ))
        .hint("leave --to out"));
    }
    if let Some(name) = &arguments.name {
        check_name("--name", name)?;
    }
    match &arguments.from_env {
        Some(name) => check_name("--from-env", name),
        None => Ok(()),
    }
}

/// Reads the key and returns it with its location.
fn read(arguments: &Arguments, console: &mut Console) -> Result<(ParsedKey, String), Failure> {
    let mut notes = Notes::new();
    if let Some(name) = &arguments.from_env {
        let (text, place) = variable(name, arguments.env_file.as_deref(), console)?;
        let found = read_public(text.expose().as_bytes(), KeyStrength::Enforce, &mut notes)
            .map_err(|error| error.configured(place.as_str()))?;
        console.notes(notes);
        return Ok((found, place));
    }
    let (bytes, place) = match &arguments.file {
        Some(path) if path.as_os_str() != "-" => {
            (Zeroizing::new(file::read(path, SETTINGS_LIMIT)?), quote_path(path))
        }
        given => {
            if given.is_none() && io::stdin().is_terminal() {
                return Err(UsageError::new("no key given: expected a FILE, or - for standard input")
                    .hint("convert-pem-pubkey key.pem")
                    .into());
            }
            (stdin::read(SETTINGS_LIMIT)?, "standard input".to_owned())
        }
    };
    let found =
        read_public(&bytes, KeyStrength::Enforce, &mut notes).map_err(|error| error.at(place.as_str()))?;
    console.notes(notes);
    log::info!("{place}: found {} as {}", found.key.describe(), found.form.name());
    Ok((found, place))
}

/// Warns about properties of a valid key that the user should know.
fn warn(found: &ParsedKey, key: &PublicKey, console: &mut Console) {
    if let Some(place) = published(key) {
        console.warn_of_danger("key-compromised", &format!("this is {place}: its private key is published"));
    }
    if let Some(certificate) = &found.certificate {
        let now = Clock::System.now();
        if certificate.not_after < now {
            let when = certificate.not_after.human(now);
            console.warn(
                "certificate-expired",
                &format!("the certificate was valid until {when}: the server does not look at it"),
            );
        } else if certificate.not_before > now {
            let when = certificate.not_before.human(now);
            console.warn(
                "certificate-not-yet-valid",
                &format!("the certificate is valid from {when}: the server does not look at it"),
            );
        }
    }
}

fn pem_of(key: &PublicKey) -> Result<String, KeyError> {
    Ok(pem::write("PUBLIC KEY", &write_spki(key)?).to_string())
}

/// The report: a public key in each form.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ConvertReport {
    /// The form of the input.
    form: &'static str,
    /// `Ed25519`, `P-256`, `P-384`, `P-521` or `RSA`.
    kind: &'static str,
    /// The length of the key in bits.
    bits: usize,
    /// The algorithms that the key verifies.
    algorithms: Vec<&'static str>,
    /// The RFC 7638 thumbprint with SHA-256.
    thumbprint: String,
    /// The key in the server's base64; null for keys that are not Ed25519.
    public_key: Option<String>,
    /// The key as a JWK.
    jwk: Map<String, Value>,
    /// The key as SPKI.
    pem: String,
    /// The key as a NATS user; null for keys that are not Ed25519.
    nkey: Option<String>,
    /// The key as an OpenSSH line.
    openssh: String,
    /// Where the private key was published; null for a key that is not known to be public.
    published: Option<&'static str>,
    /// The certificate that contained the key; null without one.
    certificate: Option<CertificateReport>,
}

/// A certificate.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CertificateReport {
    /// The subject.
    subject: String,
    /// When the certificate becomes valid, RFC 3339.
    not_before: String,
    /// When the certificate expires, RFC 3339.
    not_after: String,
}

/// The report: the environment file that was written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WriteReport<'a> {
    /// The form of the input.
    form: &'static str,
    /// The environment file.
    env_file: Cow<'a, str>,
    /// The variable that was set.
    variables: [&'a str; 1],
    /// False if the file already contained this key.
    changed: bool,
    /// The file with the old environment file; null if there was none.
    backup: Option<Cow<'a, str>>,
    /// The key in the server's base64.
    public_key: &'a str,
}

fn report(found: &ParsedKey, key: &PublicKey, kid: Option<&str>) -> Result<ConvertReport, KeyError> {
    let algorithms = found.key.algorithms();
    let algorithm = if let [one] = algorithms { Some(*one) } else { None };
    let jwk = jwk::write_public(key, kid, algorithm);
    Ok(ConvertReport {
        form: found.form.name(),
        kind: key.kind(),
        bits: key.bits(),
        algorithms: algorithms.iter().map(|algorithm| algorithm.name()).collect(),
        thumbprint: thumbprint(key),
        public_key: key.ed25519_bytes().ok().map(|bytes| encode_standard(bytes).to_string()),
        jwk: serde_json::from_str(&jwk).unwrap_or_default(),
        pem: pem_of(key)?,
        nkey: nkey::write_public(key, NkeyRole::User).ok(),
        openssh: openssh::write(key),
        published: published(key),
        certificate: found.certificate.as_ref().map(|certificate| CertificateReport {
            subject: certificate.subject.clone(),
            not_before: certificate.not_before.rfc3339(),
            not_after: certificate.not_after.rfc3339(),
        }),
    })
}

fn write(
    arguments: &Arguments,
    name: &str,
    base64: &str,
    found: &ParsedKey,
    console: &mut Console,
) -> Result<(), Failure> {
    let path = arguments.env_file.clone().unwrap_or_else(|| DEFAULT_ENV_FILE.into());
    let written = env_file::put(&path, &[(name, base64)], arguments.force)?;
    warn_if_not_owner([path.as_path()], console);
    if console.environment().get(name).is_some() {
        console.warn(
            "environment-overrides",
            &format!("{name} is set in the environment, which overrides {}", quote_path(&path)),
        );
    }
    if console.is_json() {
        return Ok(console.json(&WriteReport {
            form: found.form.name(),
            env_file: path.to_string_lossy(),
            variables: [name],
            changed: written.changed,
            backup: written.backup.as_deref().map(Path::to_string_lossy),
            public_key: base64,
        })?);
    }
    let shown = quote_path(&path);
    match &written.backup {
        _ if !written.changed => console.note(&format!("{shown} has this {name} already")),
        None => console.note(&format!("{name} written to {shown}")),
        Some(backup) => {
            let backup = quote_path(backup);
            console.note(&format!("{name} written to {shown}; the old file is kept as {backup}"));
        }
    }
    Ok(())
}
