//! `cc-jwt spec issue`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde::Serialize;

use super::resources::{ResourceOptions, parse_mode, published_keys, warn_of_mode};
use crate::cli::console::Console;
use crate::cli::console::warn_if_not_owner;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::AtOption;
use crate::osdf::signing::{find_key, sign};
use crate::osdf::{LoadedResource, Resource, SignedToken, manifest, published};
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, Existing, PRIVATE_MODE};
use crate::util::json_text::serialize_json;
use crate::util::note::Notes;
use crate::util::quote::escape_json;

/// Issue the tokens that resources describe
#[derive(Debug, Args)]
pub(super) struct SpecIssue {
    /// The resources (kind: JWT), YAML or JSON; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Write to FILE, mode 0600, instead of to standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,

    /// Mode of the output file, in octal [default: 0600]
    #[arg(long, value_name = "MODE", value_parser = parse_mode)]
    mode: Option<u32>,

    /// Write a Kubernetes Secret that contains the token instead of the token
    #[arg(long)]
    secret_manifest: bool,

    /// Issue no token with a key that is not in the key set (JWKS) of the issuer
    #[arg(long, value_name = "FILE|URL", value_hint = ValueHint::FilePath)]
    published: Option<String>,

    #[command(flatten)]
    resources: ResourceOptions,

    #[command(flatten)]
    at: AtOption,
}

/// The report: the token of a resource.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ResourceToken<'a> {
    /// `metadata.name` of the resource.
    name: &'a str,
    /// The token.
    token: &'a str,
    /// When the token was issued (`iat`), RFC 3339.
    issued_at: String,
    /// When the token expires (`exp`), RFC 3339.
    expires_at: String,
    /// `jti`.
    jti: &'a str,
}

/// Signs the tokens of all resources of the file, or none.
pub(super) fn run(arguments: &SpecIssue, console: &mut Console) -> Result<ExitStatus, Failure> {
    let now = arguments.at.clock()?.now();
    let loaded = arguments.resources.load_all(std::slice::from_ref(&arguments.file), now, console)?;
    let environment = console.environment().clone();
    let published = published_keys(arguments.published.as_deref(), console)?;
    let mut notes = Notes::new();
    let mut signed = Vec::with_capacity(loaded.len());
    for LoadedResource { resource, directory } in &loaded {
        let around = arguments.resources.around(&environment, directory, published.as_ref());
        let key = find_key(resource, &around, &mut notes)?;
        if let Some(keys) = around.published {
            published::require(resource, &key, keys, &mut notes)?;
        }
        signed.push((resource, sign(resource, &key, now)?));
    }
    console.notes(notes);
    let output = arguments.output.as_deref().filter(|path| *path != Path::new("-"));
    if output.is_some() && signed.len() > 1 && !arguments.secret_manifest {
        return Err(UsageError::new(format!("--output is for one token, found {} resources", signed.len()))
            .hint("for a file per resource: cc-jwt renew --spec FILE --out-dir DIR")
            .into());
    }
    let text = match (arguments.secret_manifest, console.is_json()) {
        (true, true) => manifest::as_json_lines(&signed),
        (true, false) => manifest::as_yaml(&signed),
        (false, as_json) => lines(&signed, as_json),
    };
    match output {
        Some(path) => {
            if !arguments.secret_manifest {
                warn_of_mode(arguments.mode, console);
            }
            let existing = if arguments.force { Existing::Replace } else { Existing::Reject };
            file::write(path, text.as_bytes(), arguments.mode.unwrap_or(PRIVATE_MODE), existing)?;
            warn_if_not_owner([path], console);
        }
        None => console.deliver(&text)?,
    }
    Ok(ExitStatus::Success)
}

/// The tokens, one a line.
fn lines(signed: &[(&Resource, SignedToken)], as_json: bool) -> zeroize::Zeroizing<String> {
    let mut text = zeroize::Zeroizing::new(String::new());
    for (resource, signed) in signed {
        let token = ResourceToken {
            name: &resource.name,
            token: signed.token.expose(),
            issued_at: signed.issued_at.rfc3339(),
            expires_at: signed.expires_at.rfc3339(),
            jti: &signed.jti,
        };
        if as_json {
            text.push_str(&escape_json(&serialize_json(&token)));
        } else {
            text.push_str(token.token);
        }
        text.push('\n');
    }
    text
}
