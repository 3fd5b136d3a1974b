//! `cc-jwt issue`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde::Serialize;
use serde_json::Value;

use super::{complete, keys};
use crate::cli::console::Console;
use crate::cli::console::warn_if_not_owner;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::{AtOption, SettingsOptions};
use crate::cli::progress::Progress;
use crate::cli::token_format::TokenFormatOptions;
use crate::cli::{quantity, settings, stdin};
use crate::issue::{
    Issuance, IssueRequest, IssuedToken, JwtId, KeyOwner, Lifetime, Recipient, RecipientSelector,
};
use crate::key::Algorithm;
use crate::token::{self, TokenFormat, TokenFormatError};
use crate::user::Role;
use crate::util::count::{counted, one_or};
use crate::util::diagnostic::ExitStatus;
use crate::util::duration::GoDuration;
use crate::util::file::{self, Existing, FileError, PRIVATE_MODE, shell_word};
use crate::util::json_text::serialize_json;
use crate::util::note::Notes;
use crate::util::printable::PrintableText;
use crate::util::quote::{escape_json, quote, quote_path};
use crate::util::time::Timestamp;

/// Issue a token for a user, as the server would
///
/// Nothing else goes to standard output. Roles come from the user table, the lifetime from
/// auth.jwts.max-age, the key from JWT_PRIVATE_KEY.
#[derive(Debug, Args)]
pub(super) struct Issue {
    /// Username: the subject of the token
    #[arg(value_name = "NAME", add = complete::usernames(),
          required_unless_present_any = ["users_from", "all", "with_role"])]
    name: Option<String>,

    /// Lifetime of the token (24h, 30d), instead of the configured one
    #[arg(long, value_name = "DURATION", conflicts_with = "no_expiry", allow_hyphen_values = true)]
    ttl: Option<String>,

    /// Issue a token that never expires
    #[arg(long)]
    no_expiry: bool,

    /// Not valid before TIME: 2026-11-26, 2026-11-26 12:00, RFC 3339, or +1h from now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    not_before: Option<String>,

    /// Issuer ('iss')
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,

    /// Audience ('aud'); may be repeated
    #[arg(long, value_name = "AUDIENCE")]
    audience: Vec<String>,

    /// Scopes ('scope'), separated by spaces
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,

    /// A further claim; the value is JSON, as in --claim 'projects=["p1"]'
    #[arg(long = "claim", value_name = "NAME=JSON")]
    claims: Vec<String>,

    /// Token ID ('jti'); without =ID a random one
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    jti: Option<String>,

    /// Roles of the token; the user table is then not read
    #[arg(long, value_name = "ROLE", value_delimiter = ',', add = complete::roles())]
    roles: Vec<String>,

    /// Do not read the user table; the token has the roles of --roles, or none
    #[arg(long)]
    no_db: bool,

    /// Signature algorithm: EdDSA with the server's key, HS512 or HS256 with the HMAC secret, or an algorithm of --key
    #[arg(long, value_name = "ALGORITHM", add = complete::algorithms())]
    algorithm: Option<String>,

    /// Sign with the private key in FILE (PEM, JWK, base64) instead of the server's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,

    /// Key ID ('kid' in the header)
    #[arg(long, value_name = "KID")]
    kid: Option<String>,

    /// Write to FILE, mode 0600, instead of to standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    at: AtOption,

    #[command(flatten)]
    form: TokenFormatOptions,

    #[command(flatten)]
    many: Many,
}

/// For several users at once: a JSON line each.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several users")]
struct Many {
    /// Issue tokens for the users in FILE, one username per line; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["name", "all"])]
    users_from: Option<PathBuf>,

    /// Issue tokens for all users in the user table
    #[arg(long, conflicts_with = "name")]
    all: bool,

    /// Only the users with this role
    #[arg(long, value_name = "ROLE", add = complete::roles())]
    with_role: Option<String>,
}

/// The report: a token.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct TokenReport<'a> {
    /// The user (`sub`).
    username: &'a str,
    /// The roles in the token.
    roles: &'a [String],
    /// When the token was issued (`iat`), RFC 3339.
    issued_at: &'a str,
    /// When the token expires (`exp`), RFC 3339; null if it does not.
    expires_at: Option<&'a str>,
    /// The token.
    token: &'a str,
}

pub(super) fn run(
    issue: &Issue,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let request = issue.request()?;
    let as_object = issue.many.all || issue.many.users_from.is_some() || console.is_json();
    let mut form =
        if as_object { LineForm::Object(None) } else { LineForm::Token(issue.form.format(console)?) };
    let settings = settings::load(options, console)?;
    let key = keys::signing(issue.key.as_deref(), request.algorithm, &settings, console)?;
    let mut notes = Notes::new();
    let issuance = Issuance::prepare(request, key, &settings, &mut notes).map_err(Failure::several)?;
    let Some(path) = issue.output.as_deref().filter(|path| *path != Path::new("-")) else {
        console.notes(notes);
        let mut progress = Progress::beside_output("tokens", console);
        let mut count = 0;
        issuance.each(|token| -> Result<(), Failure> {
            count += 1;
            progress.at(count);
            Ok(console.text(&form.line(&token)?)?)
        })?;
        return Ok(ExitStatus::Success);
    };
    let existing = if issue.force { Existing::Replace } else { Existing::Reject };
    let mut progress = Progress::new("tokens", console);
    let mut count = 0;
    // The file appears with all tokens or not at all.
    file::write_in_parts(path, PRIVATE_MODE, existing, |draft| -> Result<(), Failure> {
        issuance.each(|token| {
            count += 1;
            progress.at(count);
            Ok(draft.add(form.line(&token)?.as_bytes())?)
        })
    })?;
    drop(progress);
    console.notes(notes);
    warn_if_not_owner([path], console);
    let what = match issuance.only_recipient() {
        Some(Recipient { name, .. }) => format!("the token for {} is", quote(name)),
        None => format!("{} {}", counted(count, "token"), one_or(count, "is", "are")),
    };
    console.note(&format!("{what} in {}", quote_path(path)));
    Ok(ExitStatus::Success)
}

/// The times of a token, also as text.
struct TokenTimes {
    issued_at: Timestamp,
    expires_at: Option<Timestamp>,
    shown: (String, Option<String>),
}

impl TokenTimes {
    fn new(issued_at: Timestamp, expires_at: Option<Timestamp>) -> Self {
        Self { issued_at, expires_at, shown: (issued_at.rfc3339(), expires_at.map(Timestamp::rfc3339)) }
    }
}

/// The form of each token.
enum LineForm {
    /// The token, in a form for another program.
    Token(TokenFormat),
    /// A JSON object with the user. The times of the last token are stored as text: most often, all
    /// tokens have the same.
    Object(Option<TokenTimes>),
}

impl LineForm {
    /// Formats a token as a line.
    fn line(&mut self, issued: &IssuedToken) -> Result<zeroize::Zeroizing<String>, TokenFormatError> {
        let mut line = zeroize::Zeroizing::new(String::new());
        match self {
            Self::Token(format) => line.push_str(format.render(&issued.token, issued.expires_at)?.expose()),
            Self::Object(times) => {
                let IssuedToken { issued_at, expires_at, .. } = *issued;
                let times = match times {
                    Some(times) if (times.issued_at, times.expires_at) == (issued_at, expires_at) => times,
                    other => other.insert(TokenTimes::new(issued_at, expires_at)),
                };
                let report = TokenReport {
                    username: &issued.recipient.name,
                    roles: &issued.recipient.roles,
                    issued_at: &times.shown.0,
                    expires_at: times.shown.1.as_deref(),
                    token: issued.token.expose(),
                };
                let text = zeroize::Zeroizing::new(serialize_json(&report));
                line.reserve(text.len() + 1);
                line.push_str(&escape_json(&text));
            }
        }
        line.push('\n');
        Ok(line)
    }
}

impl Issue {
    /// The arguments as a request.
    fn request(&self) -> Result<IssueRequest, Failure> {
        let issued_at = self.at.clock()?.now();
        let lifetime = match self.ttl.as_deref() {
            _ if self.no_expiry => Lifetime::Unlimited,
            Some(text) => Lifetime::Limited(positive(text)?),
            None => Lifetime::Configured,
        };
        let not_before = self
            .not_before
            .as_deref()
            .map(|text| quantity::time("--not-before", text, issued_at))
            .transpose()?;
        let algorithm = self.algorithm.as_deref().map(algorithm).transpose()?;
        let role_name = |role: &String| role.parse::<Role>().map(|role| role.name().to_owned());
        let roles = (!self.roles.is_empty() || self.no_db)
            .then(|| self.roles.iter().map(role_name).collect())
            .transpose()?;
        let with_role = self.many.with_role.as_deref().map(str::parse).transpose()?;
        let mut claims: Vec<(String, Value)> = Vec::new();
        for text in &self.claims {
            let (name, value) = claim(text)?;
            if claims.iter().any(|(known, _)| *known == name) {
                return Err(UsageError::new(format!("--claim: duplicate claim {}", quote(&name))).into());
            }
            claims.push((name, value));
        }
        let recipients = match (&self.many.users_from, &self.name) {
            (Some(list), _) => RecipientSelector::Listed(read_list(list)?),
            (None, _) if self.many.all => RecipientSelector::All(with_role),
            (None, name) => RecipientSelector::One(name.clone().unwrap_or_default()),
        };
        Ok(IssueRequest {
            recipients,
            roles,
            issued_at,
            lifetime,
            not_before,
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            scope: self.scope.clone(),
            jti: match self.jti.as_deref() {
                None => JwtId::None,
                Some("") => JwtId::Random,
                Some(jti) => JwtId::Fixed(jti.to_owned()),
            },
            claims,
            algorithm,
            kid: self.kid.clone(),
            key_owner: if self.key.is_some() { KeyOwner::Other } else { KeyOwner::Server },
        })
    }
}

/// The longest list of names, in bytes: a million names.
const LIST_LIMIT: u64 = 64 << 20;

fn read_list(path: &Path) -> Result<String, FileError> {
    if path == Path::new("-") { stdin::read_text(LIST_LIMIT) } else { file::read_text(path, LIST_LIMIT) }
}

fn positive(text: &str) -> Result<GoDuration, UsageError> {
    let lifetime = quantity::duration("--ttl", text)?;
    if lifetime.seconds() < 1 {
        return Err(UsageError::new(format!(
            "--ttl: invalid duration {}: expected a positive duration",
            quote(text)
        ))
        .hint("use --no-expiry for a token that never expires"));
    }
    Ok(lifetime)
}

fn algorithm(text: &str) -> Result<Algorithm, UsageError> {
    Algorithm::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(text)).ok_or_else(
        || {
            let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
            UsageError::new(format!("--algorithm: unknown signature algorithm {}", PrintableText::name(text)))
                .hint(format!("the algorithms are {}", known.join(", ")))
        },
    )
}

/// Claims that have options or arguments of their own.
const OWN_OPTIONS: [(&str, &str); 9] = [
    ("sub", "NAME"),
    ("roles", "--roles"),
    ("iat", "--at"),
    ("exp", "--ttl"),
    ("nbf", "--not-before"),
    ("iss", "--issuer"),
    ("aud", "--audience"),
    ("scope", "--scope"),
    ("jti", "--jti"),
];

fn claim(text: &str) -> Result<(String, Value), UsageError> {
    let Some((name, json)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(UsageError::new(format!("--claim: invalid claim {}: expected NAME=JSON", quote(text))));
    };
    if let Some((_, option)) = OWN_OPTIONS.into_iter().find(|(own, _)| *own == name) {
        return Err(UsageError::new(format!("--claim: {option} sets {}", quote(name))));
    }
    let (value, duplicates) = token::json::any(json).map_err(|problem| {
        UsageError::new(format!("--claim: the value of {} is not JSON: {problem}", quote(name))).hint(
            format!("a string has quotes of its own: --claim {}", shell_word(&format!("{name}=\"{json}\""))),
        )
    })?;
    if let Some(duplicate) = duplicates.first() {
        let member = quote(&duplicate.name);
        return Err(UsageError::new(format!(
            "--claim: the value of {} has a duplicate member {member}",
            quote(name)
        )));
    }
    Ok((name.to_owned(), value))
}
