//! The NATS credentials that the configuration of a program names: their type, their halves, and their
//! permissions for the subjects of the program.

use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use super::finding::SourceFindings;
use crate::key::nkey::{self, NkeyRole};
use crate::key::{Algorithm, PublicKey, VerifyingKey};
use crate::token::inspect;
use crate::util::file::{self, SETTINGS_LIMIT};
use crate::util::quote::{quote, quote_path};
use crate::util::shell::word as shell_word;

const CHECK: &str = "nats-credentials";

/// The names of Ed25519 in the header of a user JWT, of version 2 and of version 1.
const ALGORITHMS: [&str; 2] = ["ed25519-nkey", "ed25519"];

/// What a program expects in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CredentialsForm {
    /// A user JWT and its seed, in one `.creds` file.
    UserCredentials,
    /// The seed of a user alone.
    Seed,
}

impl CredentialsForm {
    /// The form in the file that a member names.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().replace('_', "-").as_str() {
            "creds-file-path" | "natscredsfile" | "credsfile" | "nkey-file" => Some(Self::UserCredentials),
            "natsnkeyseedfile" | "nkeyseedfile" => Some(Self::Seed),
            _ => None,
        }
    }
}

/// A subject that a program uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SubjectUse {
    pub(super) subject: String,
    pub(super) operation: Operation,
}

/// What a program does with a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Publish,
    Subscribe,
}

impl Operation {
    const fn claim(self) -> &'static str {
        match self {
            Self::Publish => "pub",
            Self::Subscribe => "sub",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish to",
            Self::Subscribe => "subscribe to",
        }
    }
}

/// Checks the file that a member of a configuration names. `path` is the file.
pub(super) fn examine(
    path: &Path,
    member: &str,
    form: CredentialsForm,
    subjects: &[SubjectUse],
    findings: &mut SourceFindings<'_>,
) {
    let file = quote_path(path);
    let bytes = match file::read(path, SETTINGS_LIMIT) {
        Ok(bytes) => bytes,
        Err(error) => {
            let remedy = format!("put the NATS credentials into {file}, or correct the member {member}");
            return findings.fail(CHECK, error.to_string(), Some(remedy));
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let token = section(&text, "USER JWT").or_else(|| section(&text, "JWT"));
    let seed = section(&text, "NKEY SEED").or_else(|| section(&text, "SEED")).or_else(|| bare_seed(&text));
    let replace = |what: &str| Some(format!("write {what} into {}", shell_word(&path.to_string_lossy())));
    match (form, token, seed) {
        (CredentialsForm::UserCredentials, None, Some(_)) => findings.fail(
            CHECK,
            format!("{file} is a bare seed, which the program sends to the broker in the clear, as if it were a token"),
            replace("the credentials of the user (.creds), not a bare seed,"),
        ),
        (CredentialsForm::Seed, Some(_), _) => findings.fail(
            CHECK,
            format!("{file} has NATS credentials (.creds), but {member} expects a bare seed"),
            replace("the bare seed of the user"),
        ),
        (_, None, None) => findings.fail(
            CHECK,
            format!("{file} does not have NATS credentials"),
            replace("the credentials of the user"),
        ),
        (CredentialsForm::UserCredentials, Some(_), None) => findings.fail(
            CHECK,
            format!("{file} does not have the seed of the user"),
            replace("the user JWT and its seed (.creds)"),
        ),
        (CredentialsForm::Seed, None, Some(seed)) => match seed_role(seed) {
            Ok(NkeyRole::User) => findings.pass(CHECK, format!("{file} has the seed of a user")),
            Ok(role) => findings.fail(
                CHECK,
                format!("{file} has the seed of an nkey with the role {}: expected user", role.name()),
                replace("the seed of a user (SU…)"),
            ),
            Err(why) => {
                findings.fail(CHECK, format!("{file}: {why}"), replace("the seed of a user (SU…)"));
            }
        },
        (CredentialsForm::UserCredentials, Some(token), Some(seed)) => {
            match check_pair(token, seed, subjects) {
                Ok(()) => findings.pass(CHECK, format!("{file} has the credentials of a user")),
                Err(why) => {
                    findings.fail(CHECK, format!("{file}: {why}"), replace("new credentials of the user"));
                }
            }
        }
    }
}

/// The text between the lines `BEGIN … NAME` and `END … NAME`.
fn section<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("-----BEGIN") && line.trim_end_matches('-').ends_with(name))?;
    lines.find(|line| !line.is_empty()).filter(|line| !line.starts_with('-'))
}

/// The only line of a text, if it is a seed.
fn bare_seed(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let line = lines.next().filter(|line| line.starts_with('S') && nkey::is_nkey(line))?;
    lines.next().is_none().then_some(line)
}

fn seed_role(seed: &str) -> Result<NkeyRole, String> {
    nkey::read_seed(seed).map(|(_, role)| role).map_err(|error| error.to_string())
}

/// Checks the user JWT, its seed and its permissions.
fn check_pair(token: &str, seed: &str, subjects: &[SubjectUse]) -> Result<(), String> {
    let (key, role) = nkey::read_seed(seed).map_err(|error| format!("its seed is not valid: {error}"))?;
    let inspection = inspect(token);
    let claims = inspection.claims.json().ok_or("its user JWT is malformed")?;
    let nats = claims.get("nats").ok_or("its JWT does not have the claim 'nats'")?;
    let kind = claims.get("type").or_else(|| nats.get("type")).and_then(Value::as_str).unwrap_or("user");
    if kind != "user" {
        return Err(format!("its JWT is that of an nkey with the role {}: expected user", quote(kind)));
    }
    if role != NkeyRole::User {
        return Err(format!("its seed is that of an nkey with the role {}: expected user", role.name()));
    }
    let own = nkey::write_public(&key.public(), NkeyRole::User).map_err(|error| error.to_string())?;
    if claims.get("sub").and_then(Value::as_str) != Some(own.as_str()) {
        return Err("its seed does not belong to its user JWT".to_owned());
    }
    check_signature(token, inspection.header.json(), claims, nats)?;
    let denied = subjects.iter().find(|used| !is_permitted(nats, used));
    denied.map_or(Ok(()), |used| {
        Err(format!("the user may not {} {}", used.operation.name(), quote(&used.subject)))
    })
}

/// Checks that the account in the claim `iss` signed a user JWT, as a broker does. In version 2, the signature is
/// over header and claims, in version 1 over the claims only.
fn check_signature(token: &str, header: Option<&Value>, claims: &Value, nats: &Value) -> Result<(), String> {
    let algorithm = header.and_then(|header| header.get("alg")).and_then(Value::as_str).unwrap_or_default();
    if !ALGORITHMS.contains(&algorithm) {
        return Err(format!(
            "the algorithm of its user JWT is {}: expected 'ed25519-nkey'",
            quote(algorithm)
        ));
    }
    let is_version_1 = claims.get("type").is_some();
    let owner = if is_version_1 { claims.get("issuer_account") } else { nats.get("issuer_account") };
    if let Some(owner) = owner {
        account_key("issuer_account", owner)?;
    }
    let account = account_key("iss", claims.get("iss").unwrap_or(&Value::Null))?;
    let is_signed = || {
        let (content, signature) = token.rsplit_once('.')?;
        let signed = if is_version_1 { content.split_once('.')?.1 } else { content };
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        Some(VerifyingKey::public(account).verify(Algorithm::EdDsa, signed.as_bytes(), &signature))
    };
    if is_signed() == Some(true) {
        return Ok(());
    }
    Err("the signature of its user JWT is not that of its account (claim 'iss'): a broker rejects it"
        .to_owned())
}

/// Reads the public nkey of an account in a claim.
fn account_key(claim: &str, value: &Value) -> Result<PublicKey, String> {
    let wrong = |why: &str| {
        Err(format!("the claim '{claim}' of its user JWT {why}: expected the public nkey of an account (A…)"))
    };
    let Some(text) = value.as_str() else { return wrong("is missing or not a string") };
    match nkey::read_public(text) {
        Ok((key, NkeyRole::Account)) => Ok(key),
        Ok((_, role)) => wrong(&format!("is an nkey with the role {}", role.name())),
        Err(error) => wrong(&format!("is not an nkey ({error})")),
    }
}

/// Whether the permissions of a user contain a subject. An empty list 'allow' permits everything.
fn is_permitted(nats: &Value, used: &SubjectUse) -> bool {
    let list = |name: &str| -> Vec<&str> {
        let listed = nats.get(used.operation.claim()).and_then(|rules| rules.get(name)?.as_array());
        listed.into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let matches = |patterns: &[&str]| {
        // A pattern of a subscription may have a queue after a blank.
        let pattern = |text: &&str| contains(text.split(' ').next().unwrap_or_default(), &used.subject);
        patterns.iter().any(pattern)
    };
    let allowed = list("allow");
    !matches(&list("deny")) && (allowed.is_empty() || matches(&allowed))
}

/// Whether a pattern of NATS contains a subject: `*` is one part, `>` is the rest.
fn contains(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(part)) if part != ">" => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pattern_contains_parts_and_rests() {
        for (pattern, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            ("a", "a.b", false),
            ("a.*", "a.>", false),
        ] {
            assert_eq!(contains(pattern, subject), expected, "{pattern} {subject}");
        }
    }

    fn check(credentials: &str) -> Result<(), String> {
        let subjects = [SubjectUse { subject: "hpc".to_owned(), operation: Operation::Publish }];
        let token = section(credentials, "USER JWT").unwrap();
        check_pair(token, section(credentials, "NKEY SEED").unwrap(), &subjects)
    }

    /// The files were made with `github.com/nats-io/jwt` 2.8.
    #[test]
    fn credentials_of_each_version_and_signing_key_are_valid() {
        for credentials in [
            include_str!("../../tests/data/nats/version-1.creds"),
            include_str!("../../tests/data/nats/version-2.creds"),
            include_str!("../../tests/data/nats/signing-key.creds"),
        ] {
            assert_eq!(check(credentials), Ok(()));
            let token = section(credentials, "USER JWT").unwrap();
            let (content, signature) = token.rsplit_once('.').unwrap();
            let other = if signature.starts_with('A') { "B" } else { "A" };
            let changed = format!("{content}.{other}{}", &signature[1..]);
            let error = check(&credentials.replace(token, &changed)).unwrap_err();
            assert!(error.starts_with("the signature of its user JWT is not that of its account"), "{error}");
        }
    }

    #[test]
    fn user_jwt_with_another_algorithm_is_rejected() {
        let credentials = include_str!("../../tests/data/nats/version-2.creds");
        let token = section(credentials, "USER JWT").unwrap();
        for header in [json!({"alg": "EdDSA"}), json!({"alg": "none"}), json!({})] {
            let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
            let changed = format!("{header}.{}", token.split_once('.').unwrap().1);
            let error = check(&credentials.replace(token, &changed)).unwrap_err();
            assert!(error.contains("expected 'ed25519-nkey'"), "{error}");
        }
    }

    #[test]
    fn permission_is_denied_first_and_an_empty_list_permits_everything() {
        let used = SubjectUse { subject: "jobs".to_owned(), operation: Operation::Publish };
        for (nats, expected) in [
            (json!({}), true),
            (json!({"pub": {"allow": []}}), true),
            (json!({"pub": {"allow": ["jobs"]}}), true),
            (json!({"pub": {"allow": ["metrics"]}}), false),
            (json!({"pub": {"allow": ["jobs"], "deny": [">"]}}), false),
            (json!({"sub": {"allow": ["metrics"]}}), true),
        ] {
            assert_eq!(is_permitted(&nats, &used), expected, "{nats}");
        }
    }
}
