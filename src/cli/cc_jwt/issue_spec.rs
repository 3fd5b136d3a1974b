//! `cc-jwt issue --spec`: tokens of resources.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::{Map, Value, json};

use super::resources::{Loaded, ResourceOptions, parse_mode};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::output_owner::warn_if_not_owner;
use crate::osdf::signing::{find_key, sign};
use crate::osdf::{Resource, SignedToken};
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, Existing, PRIVATE_MODE};
use crate::util::note::Notes;
use crate::util::quote::escape_json;
use crate::util::time::Timestamp;

/// The annotation by which the operator knows when it signed.
const LAST_SIGNING: &str = "tokens.osg-htc.org/last-signing-time";

/// The token that a resource describes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Resources")]
pub(super) struct SpecOptions {
    /// Issue what the resources in FILE (YAML or JSON, kind: JWT) describe; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = [
        "name", "ttl", "no_expiry", "not_before", "issuer", "audience", "scope", "claims", "jti", "roles",
        "no_db", "algorithm", "key", "kid", "users_from", "all",
    ])]
    pub(super) spec: Option<PathBuf>,

    /// Write a Kubernetes Secret with the token instead of the token
    #[arg(long)]
    secret_manifest: bool,

    /// Give the output file this mode, in octal [default: 0600]
    #[arg(long, value_name = "MODE", value_parser = parse_mode)]
    mode: Option<u32>,

    #[command(flatten)]
    resources: ResourceOptions,
}

/// Signs the tokens of all resources of the file, or none.
pub(super) fn run(
    options: &SpecOptions,
    spec: &Path,
    output: Option<(&Path, Existing)>,
    now: Timestamp,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let loaded = options.resources.load_all(&[spec.to_owned()], now, console)?;
    let environment = console.environment().clone();
    let mut notes = Notes::new();
    let mut signed = Vec::with_capacity(loaded.len());
    for Loaded { resource, directory } in &loaded {
        let key = find_key(resource, &options.resources.around(&environment, directory), &mut notes)?;
        signed.push((resource, sign(resource, &key, now)?));
    }
    console.notes(notes);
    let output = output.filter(|(path, _)| *path != Path::new("-"));
    if output.is_some() && signed.len() > 1 && !options.secret_manifest {
        return Err(UsageError::new(format!("--output is for one token, found {} resources", signed.len()))
            .hint("keep each in a file of its own: cc-jwt renew --spec FILE --out-dir DIR")
            .into());
    }
    let text = if options.secret_manifest {
        manifests(&signed, console.is_json())
    } else if console.is_json() {
        lines(
            signed
                .iter()
                .map(|(resource, signed)| escape_json(&described(resource, signed).to_string()).into_owned()),
        )
    } else {
        lines(signed.iter().map(|(_, signed)| signed.token.expose().to_owned()))
    };
    match output {
        Some((path, existing)) => {
            file::write(path, text.as_bytes(), options.mode.unwrap_or(PRIVATE_MODE), existing)?;
            warn_if_not_owner([path], console);
        }
        None => console.deliver(&text)?,
    }
    Ok(ExitStatus::Success)
}

fn lines(lines: impl Iterator<Item = String>) -> zeroize::Zeroizing<String> {
    let mut text = zeroize::Zeroizing::new(String::new());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn described(resource: &Resource, signed: &SignedToken) -> Value {
    json!({
        "name": resource.name,
        "token": signed.token.expose(),
        "issued": signed.issued.rfc3339(),
        "expires": signed.ends.rfc3339(),
        "jti": signed.id,
    })
}

/// The Secrets, as YAML documents or as lines of JSON.
fn manifests(signed: &[(&Resource, SignedToken)], as_json: bool) -> zeroize::Zeroizing<String> {
    let mut text = zeroize::Zeroizing::new(String::new());
    for (index, (resource, signed)) in signed.iter().enumerate() {
        let secret = manifest(resource, signed);
        if as_json {
            text.push_str(&escape_json(&secret.to_string()));
            text.push('\n');
            continue;
        }
        if index > 0 {
            text.push_str("---\n");
        }
        if let Value::Object(members) = &secret {
            push_yaml(&mut text, members, 0);
        }
    }
    text
}

/// A Secret with the one key `token`, as the operator makes it.
fn manifest(resource: &Resource, signed: &SignedToken) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), resource.name.as_str().into());
    if let Some(namespace) = &resource.namespace {
        metadata.insert("namespace".to_owned(), namespace.as_str().into());
    }
    if !resource.labels.is_empty() {
        let labels: Map<String, Value> =
            resource.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        metadata.insert("labels".to_owned(), labels.into());
    }
    metadata.insert("annotations".to_owned(), json!({ LAST_SIGNING: signed.issued.rfc3339() }));
    let token = crate::key::encoding::encode_standard(signed.token.expose().as_bytes());
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": { "token": token.as_str() },
    })
}

/// Objects in block form, their texts in double quotes as in JSON, which YAML reads the same.
fn push_yaml(text: &mut String, members: &Map<String, Value>, depth: usize) {
    for (name, value) in members {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
        let indent = "  ".repeat(depth);
        let name = if plain { name.clone() } else { json!(name).to_string() };
        match value {
            Value::Object(inner) => {
                text.push_str(&format!("{indent}{name}:\n"));
                push_yaml(text, inner, depth + 1);
            }
            Value::String(word) if depth == 0 => text.push_str(&format!("{indent}{name}: {word}\n")),
            other => text.push_str(&format!("{indent}{name}: {other}\n")),
        }
    }
}
