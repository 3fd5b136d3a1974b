//! `cc-jwt issue`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use super::bench::server_notes;
use super::people::{Recipient, RecipientSelector, RecipientSummary, Recipients, TOLD_ONE_BY_ONE};
use super::{complete, keys};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::options::{AtOption, SettingsOptions};
use crate::cli::output_owner::warn_if_not_owner;
use crate::cli::settings;
use crate::config::{ServerKeys, Settings};
use crate::key::{Algorithm, SigningKey};
use crate::policy::remedy::{Remedy, accepted_in_words};
use crate::policy::{Endpoint, ServerState};
use crate::token::{self, Claims, HeaderParams};
use crate::user::{Role, Username};
use crate::util::diagnostic::ExitStatus;
use crate::util::duration::GoDuration;
use crate::util::file::{self, Existing, PRIVATE_MODE, shell_word};
use crate::util::note::{Level, Note, Notes};
use crate::util::printable::PrintableText;
use crate::util::quote::{escape_json, quote, quote_path};
use crate::util::secret::SecretText;
use crate::util::time::{self, Timestamp};

/// Issue a token for a user, as the server would
///
/// The token goes to standard output and nothing else does, so that TOKEN=$(cc-jwt issue NAME)
/// works. Roles come from the user table, the life from auth.jwts.max-age, the key from
/// JWT_PRIVATE_KEY.
#[derive(Debug, Args)]
pub(super) struct Issue {
    /// The user the token is for
    #[arg(value_name = "NAME", add = complete::usernames(),
          required_unless_present_any = ["users_from", "all"])]
    name: Option<String>,

    /// How long it holds (24h, 30m) instead of the configured time
    #[arg(long, value_name = "DURATION", conflicts_with = "no_expiry", allow_hyphen_values = true)]
    ttl: Option<String>,

    /// Let it hold for ever
    #[arg(long)]
    no_expiry: bool,

    /// Let it hold only from TIME on: RFC 3339, seconds since 1970, or +1h from now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    not_before: Option<String>,

    /// Who issues it ('iss')
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,

    /// Whom it is meant for ('aud'); can be given several times
    #[arg(long, value_name = "AUDIENCE")]
    audience: Vec<String>,

    /// What it permits ('scope'), several separated by blanks
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,

    /// A further claim; the value is JSON, as in --claim 'projects=["p1"]'
    #[arg(long = "claim", value_name = "NAME=JSON")]
    claims: Vec<String>,

    /// Its identifier ('jti'); without =ID a random one
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    jti: Option<String>,

    /// The roles, instead of those in the user table, which is not asked then
    #[arg(long, value_name = "ROLE", value_delimiter = ',', add = complete::roles())]
    roles: Vec<String>,

    /// Do not ask the user table; give the roles with --roles, or none
    #[arg(long)]
    no_db: bool,

    /// How to sign: EdDSA with the own key, HS512 or HS256 with the shared one, or one of the
    /// algorithms of --key
    #[arg(long, value_name = "ALGORITHM")]
    algorithm: Option<String>,

    /// Sign with the private key in FILE (PEM, JWK, base64) instead of the server's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,

    /// The name of the key ('kid' in the header)
    #[arg(long, value_name = "KID")]
    kid: Option<String>,

    /// Write to FILE, mode 0600, instead of to standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Replace FILE if it is there
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    at: AtOption,

    #[command(flatten)]
    many: Many,
}

/// For several users at once: a JSON line each.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several users")]
struct Many {
    /// For the users named in FILE, a name a line; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["name", "all"])]
    users_from: Option<PathBuf>,

    /// For all users in the user table
    #[arg(long, conflicts_with = "name")]
    all: bool,

    /// Only the users with this role
    #[arg(long, value_name = "ROLE", add = complete::roles())]
    with_role: Option<String>,
}

pub(super) fn run(
    issue: &Issue,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let asked = Asked::read(issue)?;
    let settings = settings::load(options, console)?;
    let key = keys::signing(issue.key.as_deref(), asked.algorithm, &settings, console)?;
    let mut heading = HeaderParams::for_key(&key);
    if let Some(algorithm) = asked.algorithm {
        heading.algorithm = algorithm;
    }
    if let Some(kid) = &issue.kid {
        heading.key_id = Some(kid.clone());
    }
    let who = match (&issue.many.users_from, &issue.name) {
        (Some(list), _) => RecipientSelector::Listed(list.clone()),
        (None, _) if issue.many.all => RecipientSelector::All(asked.role),
        (None, name) => RecipientSelector::One(asked.username(name.as_deref().unwrap_or_default())?),
    };
    let people = Recipients::open(who, asked.roles.clone(), &settings)?;
    let census = people.look(|person| lacks(person, &heading))?;
    let life = if issue.no_expiry { None } else { asked.ttl.or(settings.jwts.max_age.value) };
    let mut notes = Notes::new();
    if life.is_none() && !issue.no_expiry {
        notes.warn_with(
            "no-max-age",
            "no max-age is set: what is issued never expires",
            "give --ttl 24h, or --no-expiry if that is meant",
        );
    }
    remark_on_issuer(issue, &heading, &settings, &mut notes);
    remark_on_server(issue, &heading, &settings, &mut notes);
    if census.count > TOLD_ONE_BY_ONE {
        remark_on_many(&census, &heading, &mut notes);
    } else {
        let validate_user = settings.jwts.validate_user.value;
        census.first.iter().for_each(|person| remark_on_roles(person, &heading, validate_user, &mut notes));
    }
    let signer = Signer { asked: &asked, life, heading: &heading, key: &key };
    deliver(issue, &people, &census, &signer, notes, console)
}

/// The arguments, checked.
struct Asked {
    now: Timestamp,
    ttl: Option<GoDuration>,
    not_before: Option<Timestamp>,
    algorithm: Option<Algorithm>,
    roles: Option<Vec<String>>,
    role: Option<Role>,
    further: Vec<(String, Value)>,
    /// Whether each token gets a random `jti` of its own.
    random_id: bool,
}

impl Asked {
    fn read(issue: &Issue) -> Result<Self, Failure> {
        let now = issue.at.clock()?.now();
        let ttl = issue.ttl.as_deref().map(positive).transpose()?;
        let not_before = issue
            .not_before
            .as_deref()
            .map(|text| time::parse(text, now))
            .transpose()
            .map_err(|error| UsageError::new(format!("--not-before: {error}")))?;
        let algorithm = issue.algorithm.as_deref().map(algorithm).transpose()?;
        let roles = (!issue.roles.is_empty() || issue.no_db)
            .then(|| {
                issue
                    .roles
                    .iter()
                    .map(|role| role.parse::<Role>().map(|role| role.name().to_owned()))
                    .collect()
            })
            .transpose()?;
        let role = issue.many.with_role.as_deref().map(str::parse).transpose()?;
        let mut further = registered(issue);
        for text in &issue.claims {
            let (name, value) = claim(text)?;
            if further.iter().any(|(known, _)| *known == name) {
                return Err(UsageError::new(format!("--claim: {} is given twice", quote(&name))).into());
            }
            further.push((name, value));
        }
        let random_id = issue.jti.as_deref() == Some("");
        Ok(Self { now, ttl, not_before, algorithm, roles, role, further, random_id })
    }

    /// The name given. One that is not looked up has to be fit for a user.
    fn username(&self, name: &str) -> Result<String, Failure> {
        Ok(if self.roles.is_some() { name.parse::<Username>()?.into_string() } else { name.to_owned() })
    }
}

/// The registered claims (RFC 7519 4.1, RFC 8693 4.2) that have options of their own.
fn registered(issue: &Issue) -> Vec<(String, Value)> {
    let mut claims = Vec::new();
    let mut add = |name: &str, value: Value| claims.push((name.to_owned(), value));
    if let Some(issuer) = &issue.issuer {
        add("iss", issuer.as_str().into());
    }
    match issue.audience.as_slice() {
        [] => {}
        [one] => add("aud", one.as_str().into()),
        several => add("aud", several.into()),
    }
    if let Some(scope) = &issue.scope {
        add("scope", scope.as_str().into());
    }
    if let Some(id) = issue.jti.as_deref().filter(|id| !id.is_empty()) {
        add("jti", id.into());
    }
    claims
}

/// 128 random bits.
fn random_id() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| crate::key::KeyError::NoRandom)?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

fn positive(text: &str) -> Result<GoDuration, UsageError> {
    let life: GoDuration = text
        .parse()
        .map_err(|error| UsageError::new(format!("--ttl: {error}")).hint("a day is 24h, a week 168h"))?;
    if life.seconds() < 1 {
        return Err(UsageError::new(format!("--ttl: {} is no time for a token to hold", quote(text)))
            .hint("for a token that never expires give --no-expiry"));
    }
    Ok(life)
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

/// Claims with an option of their own, which knows their form.
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
        return Err(UsageError::new(format!("--claim: {} is not of the form NAME=JSON", quote(text))));
    };
    if let Some((_, option)) = OWN_OPTIONS.into_iter().find(|(own, _)| *own == name) {
        return Err(UsageError::new(format!("--claim: {} is set by {option}", quote(name))));
    }
    let (value, doubles) = token::json::any(json).map_err(|problem| {
        UsageError::new(format!("--claim: the value of {} is not JSON: {problem}", quote(name))).hint(
            format!("a text needs quotes of its own: --claim {}", shell_word(&format!("{name}=\"{json}\""))),
        )
    })?;
    if let Some(double) = doubles.first() {
        let inner = quote(&double.name);
        return Err(UsageError::new(format!("--claim: the value of {} has {inner} twice", quote(name))));
    }
    Ok((name.to_owned(), value))
}

/// A token that was issued.
struct Signed {
    person: Recipient,
    token: SecretText,
    issued: Timestamp,
    expires: Option<Timestamp>,
}

/// What signs, and what everybody's token has in common.
struct Signer<'a> {
    asked: &'a Asked,
    life: Option<GoDuration>,
    heading: &'a HeaderParams,
    key: &'a SigningKey,
}

impl Signer<'_> {
    fn sign(&self, person: Recipient) -> Result<Signed, Failure> {
        let asked = self.asked;
        let mut claims = Claims::new();
        claims.set("sub", person.name.as_str());
        claims.set("roles", person.roles.clone());
        claims.set("iat", asked.now.0);
        let expires = self.life.map(|life| asked.now.plus(life));
        if let Some(expires) = expires {
            claims.set("exp", expires.0);
        }
        if let Some(not_before) = asked.not_before {
            claims.set("nbf", not_before.0);
        }
        for (name, value) in &asked.further {
            claims.set(name.as_str(), value.clone());
        }
        if asked.random_id {
            // RFC 7519 4.1.7: no two tokens have the same.
            claims.set("jti", random_id()?);
        }
        let token = token::issue(self.heading, &claims, self.key)?;
        Ok(Signed { person, token, issued: asked.now, expires })
    }
}

/// A token of the trusted issuer counts only when signed by that issuer's key.
fn remark_on_issuer(issue: &Issue, heading: &HeaderParams, settings: &Settings, notes: &mut Notes) {
    let trusted = settings.jwts.trusted_issuer.as_ref().map(|issuer| issuer.value.as_str());
    let Some(issuer) = issue.issuer.as_deref() else { return };
    if Some(issuer) == trusted && issue.key.is_none() && heading.algorithm == Algorithm::EdDsa {
        notes.warn_with(
            "trusted-issuer",
            format!(
                "{} is the trusted issuer, whose tokens the login by cookie verifies with \
                 CROSS_LOGIN_JWT_PUBLIC_KEY; this one is signed by the server's own key",
                quote(issuer)
            ),
            "sign it with the issuer's private key: --key FILE",
        );
    }
}

/// Warns of a server that would not start with the configuration, or would reject the tokens.
fn remark_on_server(issue: &Issue, heading: &HeaderParams, settings: &Settings, notes: &mut Notes) {
    if issue.key.is_some() {
        return;
    }
    for note in server_notes(settings, ServerKeys::Configured, &[]) {
        let text = match note.state {
            ServerState::NoOwnTokens if heading.algorithm.is_symmetric() => continue,
            ServerState::NoOwnTokens => format!("the server rejects every token: {}", note.reason),
            ServerState::NoStart => format!("the server does not start: {}", note.reason),
            ServerState::NoTokens => format!("the server accepts no token: {}", note.reason),
            ServerState::NoAuthentication | ServerState::Warning => note.reason,
        };
        notes.add(Note { level: Level::Warning, check: Some("server"), text, hint: note.hint });
    }
}

/// The API endpoint that accepts a user's token after the smallest change of roles.
fn nearest_api(roles: &[&str]) -> Endpoint {
    if roles.is_empty() || roles.contains(&Role::Admin.name()) { Endpoint::Api } else { Endpoint::UserApi }
}

fn remark_on_roles(person: &Recipient, heading: &HeaderParams, validate_user: bool, notes: &mut Notes) {
    let Recipient { name, roles } = person;
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    let accepts = |endpoint: Endpoint| endpoint.accepts_roles(&roles);
    if heading.algorithm.is_symmetric() {
        if !accepts(Endpoint::JwtLogin) {
            notes.warn_with(
                "no-known-role",
                format!(
                    "{} has no role that the server knows: a login with this token has no effect",
                    quote(name)
                ),
                Remedy::of(Endpoint::JwtLogin, &roles).hint(name, validate_user),
            );
        }
    } else if !roles.contains(&Role::Api.name()) {
        let endpoint = nearest_api(&roles);
        let hint = Remedy::of(endpoint, &roles).hint(name, validate_user);
        notes.warn_with(
            "no-api-role",
            format!(
                "{} does not have the role 'api': this token is {}",
                quote(name),
                accepted_in_words(&roles)
            ),
            format!("for {}: {hint}", endpoint.place()),
        );
    } else if !accepts(Endpoint::Api) && accepts(Endpoint::UserApi) {
        notes.note(format!(
            "{} has other roles beside 'api': /userapi accepts this token, /api rejects it",
            quote(name)
        ));
    }
}

/// Whether no API endpoint accepts this user's token.
fn lacks(person: &Recipient, heading: &HeaderParams) -> bool {
    let roles: Vec<&str> = person.roles.iter().map(String::as_str).collect();
    if heading.algorithm.is_symmetric() {
        !Endpoint::JwtLogin.accepts_roles(&roles)
    } else {
        !roles.contains(&Role::Api.name())
    }
}

/// One warning for all tokens with the same lack.
fn remark_on_many(census: &RecipientSummary, heading: &HeaderParams, notes: &mut Notes) {
    let Some(first) = &census.first_lacking else { return };
    let what = if heading.algorithm.is_symmetric() {
        "have no role that the server knows: logins with their tokens have no effect"
    } else {
        "do not have the role 'api': their tokens are accepted by GraphQL and the web pages only"
    };
    notes.warn(
        "no-api-role",
        format!("{} of {} users {what}; the first is {}", census.lacking, census.count, quote(first)),
    );
}

/// Signs the tokens and writes each as soon as it is there; a file appears with all or not at all.
fn deliver(
    issue: &Issue,
    people: &Recipients,
    census: &RecipientSummary,
    signer: &Signer<'_>,
    notes: Notes,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let as_object = issue.many.all || issue.many.users_from.is_some() || console.is_json();
    match &issue.output {
        Some(path) if path != Path::new("-") => {
            let existing = if issue.force { Existing::Replace } else { Existing::Refuse };
            let mut count = 0;
            file::write_in_parts(path, PRIVATE_MODE, existing, |draft| -> Result<(), Failure> {
                people.each(census, |person| {
                    count += 1;
                    Ok(draft.add(line(&signer.sign(person)?, as_object).as_bytes())?)
                })
            })?;
            console.notes(notes);
            warn_if_not_owner([path.as_path()], console);
            let what = match census.first.as_slice() {
                [one] if count == 1 => format!("the token for {} is", quote(&one.name)),
                _ => format!("{count} tokens are"),
            };
            console.note(&format!("{what} in {}", quote_path(path)));
        }
        _ => {
            console.notes(notes);
            people.each(census, |person| Ok(console.text(&line(&signer.sign(person)?, as_object))?))?;
        }
    }
    Ok(ExitStatus::Success)
}

/// A token as it is given out: as it is, or as an object beside its user.
fn line(signed: &Signed, as_object: bool) -> zeroize::Zeroizing<String> {
    let text = if as_object {
        let object = json!({
            "username": signed.person.name,
            "roles": signed.person.roles,
            "issued_at": signed.issued.rfc3339(),
            "expires_at": signed.expires.map(Timestamp::rfc3339),
            "token": signed.token.expose(),
        });
        format!("{}\n", escape_json(&object.to_string()))
    } else {
        format!("{}\n", signed.token.expose())
    };
    zeroize::Zeroizing::new(text)
}
