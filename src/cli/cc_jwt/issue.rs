//! `cc-jwt issue`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use super::issue_spec::{self, SpecOptions};
use super::{complete, keys};
use crate::base::duration::GoDuration;
use crate::base::fault::{Fault, Status};
use crate::base::file::{self, Existing, PRIVATE_MODE, shell_word};
use crate::base::note::Notes;
use crate::base::quote::{quote, quote_path};
use crate::base::secret::SecretText;
use crate::base::time::{self, Timestamp};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageFault};
use crate::cli::options::{AtOption, SettingsOptions};
use crate::cli::settings;
use crate::config::Settings;
use crate::key::{Algorithm, SigningKey};
use crate::policy::Endpoint;
use crate::store::{Access, Filter, Store, StoreError};
use crate::token::{self, Claims, Heading};
use crate::user::{Role, Username};

/// Issue a token for a user, as the server would
///
/// The token goes to standard output and nothing else does, so that TOKEN=$(cc-jwt issue NAME)
/// works. Roles come from the user table, the life from auth.jwts.max-age, the key from
/// JWT_PRIVATE_KEY.
#[derive(Debug, Args)]
pub(super) struct Issue {
    /// The user the token is for
    #[arg(value_name = "NAME", add = complete::usernames(),
          required_unless_present_any = ["users_from", "all", "spec"])]
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
    #[arg(long, requires = "output")]
    force: bool,

    #[command(flatten)]
    at: AtOption,

    #[command(flatten)]
    many: Many,

    #[command(flatten)]
    spec: SpecOptions,
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

    /// Of these only those with this role
    #[arg(long, value_name = "ROLE", requires = "all", add = complete::roles())]
    role: Option<String>,
}

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
enum IssueFault {
    /// A name that is in the list but not in the table, and the line it stands in.
    #[error("line {line}: there is no user {}", quote(.name))]
    NoUser { line: usize, name: String },
    /// A broken line of the list of names.
    #[error("line {line}: {fault}")]
    BadName { line: usize, fault: crate::user::UsernameError },
    /// Nobody to issue a token for.
    #[error("no user to issue a token for")]
    Nobody,
}

impl Fault for IssueFault {
    fn status(&self) -> Status {
        match self {
            Self::NoUser { .. } | Self::Nobody => Status::No,
            Self::BadName { .. } => Status::Data,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::NoUser { .. } => "user-not-found",
            Self::BadName { .. } => "username-malformed",
            Self::Nobody => "no-users",
        }
    }
}

/// The user a token is for, and the roles it gets.
struct Person {
    name: String,
    roles: Vec<String>,
}

pub(super) fn run(
    issue: &Issue,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<Status, Failure> {
    let asked = Asked::read(issue)?;
    if let Some(spec) = &issue.spec.spec {
        let existing = if issue.force { Existing::Replace } else { Existing::Refuse };
        let output = issue.output.as_deref().map(|path| (path, existing));
        return issue_spec::run(&issue.spec, spec, output, asked.now, console);
    }
    let settings = settings::load(options, console)?;
    let key = keys::signing(issue.key.as_deref(), asked.algorithm, &settings, console)?;
    let mut heading = Heading::for_key(&key);
    if let Some(algorithm) = asked.algorithm {
        heading.algorithm = algorithm;
    }
    if let Some(kid) = &issue.kid {
        heading.key_id = Some(kid.clone());
    }
    let people = people(issue, &asked, &settings)?;
    let life = if issue.no_expiry { None } else { asked.ttl.or(settings.jwts.max_age.value) };
    let mut notes = Notes::new();
    let signed: Vec<Signed> = people
        .into_iter()
        .map(|person| sign(person, &asked, life, &heading, &key))
        .collect::<Result<_, Failure>>()?;
    if life.is_none() && !issue.no_expiry {
        notes.warn_with(
            "no max-age is set: what is issued never expires",
            "give --ttl 24h, or --no-expiry if that is meant",
        );
    }
    remark_on_issuer(issue, &heading, &settings, &mut notes);
    match signed.as_slice() {
        several if several.len() > TOLD_ONE_BY_ONE => remark_on_many(several, &heading, &mut notes),
        few => few.iter().for_each(|signed| remark_on_roles(signed, &heading, &mut notes)),
    }
    deliver(issue, &signed, notes, console)
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
            .map_err(|error| UsageFault::new(format!("--not-before: {error}")))?;
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
        let role = issue.many.role.as_deref().map(str::parse).transpose()?;
        let mut further = registered(issue)?;
        for text in &issue.claims {
            let (name, value) = claim(text)?;
            if further.iter().any(|(known, _)| *known == name) {
                return Err(UsageFault::new(format!("--claim: {} is given twice", quote(&name))).into());
            }
            further.push((name, value));
        }
        if issue.many.all && issue.no_db {
            return Err(
                UsageFault::new("--all takes the users from the user table: --no-db does not fit").into()
            );
        }
        Ok(Self { now, ttl, not_before, algorithm, roles, role, further })
    }
}

/// The registered claims (RFC 7519 4.1, RFC 8693 4.2) that have options of their own.
fn registered(issue: &Issue) -> Result<Vec<(String, Value)>, Failure> {
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
    match issue.jti.as_deref() {
        None => {}
        Some("") => add("jti", random_id()?.into()),
        Some(id) => add("jti", id.into()),
    }
    Ok(claims)
}

/// 128 random bits.
fn random_id() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| crate::key::KeyError::NoRandom)?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

fn positive(text: &str) -> Result<GoDuration, UsageFault> {
    let life: GoDuration = text
        .parse()
        .map_err(|error| UsageFault::new(format!("--ttl: {error}")).hint("a day is 24h, a week 168h"))?;
    if life.seconds() < 1 {
        return Err(UsageFault::new(format!("--ttl: {} is no time for a token to hold", quote(text)))
            .hint("for a token that never expires give --no-expiry"));
    }
    Ok(life)
}

fn algorithm(text: &str) -> Result<Algorithm, UsageFault> {
    Algorithm::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(text)).ok_or_else(
        || {
            let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
            UsageFault::new(format!("--algorithm: unknown signature algorithm {}", quote(text)))
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

fn claim(text: &str) -> Result<(String, Value), UsageFault> {
    let Some((name, json)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(UsageFault::new(format!("--claim: {} is not of the form NAME=JSON", quote(text))));
    };
    if let Some((_, option)) = OWN_OPTIONS.into_iter().find(|(own, _)| *own == name) {
        return Err(UsageFault::new(format!("--claim: {} is set by {option}", quote(name))));
    }
    let (value, doubles) = token::json::any(json).map_err(|problem| {
        UsageFault::new(format!("--claim: the value of {} is not JSON: {problem}", quote(name))).hint(
            format!("a text needs quotes of its own: --claim {}", shell_word(&format!("{name}=\"{json}\""))),
        )
    })?;
    if let Some(double) = doubles.first() {
        let inner = quote(&double.name);
        return Err(UsageFault::new(format!("--claim: the value of {} has {inner} twice", quote(name))));
    }
    Ok((name.to_owned(), value))
}

/// Who gets a token, with which roles. All are looked up before the first is signed.
fn people(issue: &Issue, asked: &Asked, settings: &Settings) -> Result<Vec<Person>, Failure> {
    let store = || {
        let path = &settings.db.value;
        log::info!("users are looked up in {}", quote_path(path));
        Store::open(path, Access::Read)
    };
    if issue.many.all {
        let store = store()?;
        let mut people = Vec::new();
        let mut broken = Vec::new();
        store.each(&Filter::default(), |record| {
            match record.sound() {
                Ok(user) if asked.role.is_none_or(|role| user.has(role)) => {
                    people.push(Person {
                        name: user.username,
                        roles: asked.roles.clone().unwrap_or(user.roles),
                    });
                }
                Ok(_) => {}
                Err(error) => broken.push(error),
            }
            Ok::<(), StoreError>(())
        })?;
        return match (people.is_empty(), broken.is_empty()) {
            (_, false) => Err(Failure::several(broken)),
            (true, _) => Err(IssueFault::Nobody.into()),
            _ => Ok(people),
        };
    }
    let Some(list) = &issue.many.users_from else {
        let name = issue.name.clone().unwrap_or_default();
        if let Some(roles) = &asked.roles {
            return Ok(vec![Person { name: name.parse::<Username>()?.into_string(), roles: roles.clone() }]);
        }
        let store = store()?;
        let Some(user) = store.find(&name)? else {
            let similar = store.similar(&name)?;
            return Err(StoreError::NoUser { name, similar }.into());
        };
        return Ok(vec![Person { name: user.username, roles: user.roles }]);
    };
    let names = names(list)?;
    if names.is_empty() {
        return Err(IssueFault::Nobody.into());
    }
    if let Some(roles) = &asked.roles {
        return Ok(names.into_iter().map(|(_, name)| Person { name, roles: roles.clone() }).collect());
    }
    let store = store()?;
    let (mut people, mut missing) = (Vec::new(), Vec::new());
    for (line, name) in names {
        match store.find(&name)? {
            Some(user) => people.push(Person { name: user.username, roles: user.roles }),
            None => missing.push(IssueFault::NoUser { line, name }),
        }
    }
    if missing.is_empty() { Ok(people) } else { Err(Failure::several(missing)) }
}

/// The names in a file and their lines; empty lines and those that begin with `#` are passed over.
fn names(path: &Path) -> Result<Vec<(usize, String)>, Failure> {
    /// The most that is read, in bytes: a million names.
    const LIMIT: u64 = 64 << 20;
    let text = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(LIMIT).read_to_end(&mut bytes).map_err(|error| {
            UsageFault::new(format!("standard input can't be read: {}", file::reason(&error)))
        })?;
        String::from_utf8(bytes).map_err(|_| UsageFault::new("standard input is not UTF-8"))?
    } else {
        file::read_text(path, LIMIT)?
    };
    let mut names = Vec::new();
    let mut bad = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let name = text.trim();
        if name.is_empty() || name.starts_with('#') {
            continue;
        }
        match name.parse::<Username>() {
            Ok(name) => names.push((line + 1, name.into_string())),
            Err(fault) => bad.push(IssueFault::BadName { line: line + 1, fault }),
        }
    }
    if bad.is_empty() { Ok(names) } else { Err(Failure::several(bad)) }
}

/// A token that was issued.
struct Signed {
    person: Person,
    token: SecretText,
    issued: Timestamp,
    expires: Option<Timestamp>,
}

fn sign(
    person: Person,
    asked: &Asked,
    life: Option<GoDuration>,
    heading: &Heading,
    key: &SigningKey,
) -> Result<Signed, Failure> {
    let mut claims = Claims::new();
    claims.set("sub", person.name.as_str());
    claims.set("roles", person.roles.clone());
    claims.set("iat", asked.now.0);
    let expires = life.map(|life| asked.now.plus(life));
    if let Some(expires) = expires {
        claims.set("exp", expires.0);
    }
    if let Some(not_before) = asked.not_before {
        claims.set("nbf", not_before.0);
    }
    for (name, value) in &asked.further {
        claims.set(name.as_str(), value.clone());
    }
    let token = token::issue(heading, &claims, key)?;
    Ok(Signed { person, token, issued: asked.now, expires })
}

/// A token of the trusted issuer counts only when signed by that issuer's key.
fn remark_on_issuer(issue: &Issue, heading: &Heading, settings: &Settings, notes: &mut Notes) {
    let trusted = settings.jwts.trusted_issuer.as_ref().map(|issuer| issuer.value.as_str());
    let Some(issuer) = issue.issuer.as_deref() else { return };
    if Some(issuer) == trusted && issue.key.is_none() && heading.algorithm == Algorithm::EdDsa {
        notes.warn_with(
            format!(
                "{} is the trusted issuer, whose tokens the login by cookie verifies with \
                 CROSS_LOGIN_JWT_PUBLIC_KEY; this one is signed by the server's own key",
                quote(issuer)
            ),
            "sign it with the issuer's private key: --key FILE",
        );
    }
}

fn remark_on_roles(signed: &Signed, heading: &Heading, notes: &mut Notes) {
    let Person { name, roles } = &signed.person;
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    let user = shell_word(name);
    let open = |endpoint: Endpoint| endpoint.opens_for(&roles);
    if heading.algorithm.is_symmetric() {
        if !open(Endpoint::JwtLogin) {
            notes.warn(format!(
                "{} has no role the server knows: the login would lead to a dead session",
                quote(name)
            ));
        }
    } else if !roles.contains(&Role::Api.name()) {
        notes.warn_with(
            format!("{} has not the role api: no API endpoint admits the token", quote(name)),
            format!("cc-user role add {user} api"),
        );
    } else if !open(Endpoint::Api) && open(Endpoint::UserApi) {
        notes.note(format!(
            "{} has other roles beside api: /userapi admits the token, /api does not",
            quote(name)
        ));
    }
}

/// Up to so many tokens are remarked on one by one.
const TOLD_ONE_BY_ONE: usize = 5;

/// One remark for all tokens that have the same lack.
fn remark_on_many(signed: &[Signed], heading: &Heading, notes: &mut Notes) {
    let lacks = |signed: &&Signed| {
        let roles: Vec<&str> = signed.person.roles.iter().map(String::as_str).collect();
        if heading.algorithm.is_symmetric() {
            !Endpoint::JwtLogin.opens_for(&roles)
        } else {
            !roles.contains(&Role::Api.name())
        }
    };
    let mut lacking = signed.iter().filter(lacks);
    if let Some(first) = lacking.next() {
        let what = if heading.algorithm.is_symmetric() {
            "have no role the server knows: their logins would lead to dead sessions"
        } else {
            "have not the role api: no API endpoint admits their tokens"
        };
        notes.warn(format!(
            "{} of {} {what}; the first is {}",
            lacking.count() + 1,
            signed.len(),
            quote(&first.person.name)
        ));
    }
}

fn deliver(issue: &Issue, signed: &[Signed], notes: Notes, console: &mut Console) -> Result<Status, Failure> {
    let many = issue.many.all || issue.many.users_from.is_some();
    let mut out = zeroize::Zeroizing::new(String::new());
    for signed in signed {
        if many || console.is_json() {
            let object = json!({
                "username": signed.person.name,
                "roles": signed.person.roles,
                "issued": signed.issued.rfc3339(),
                "expires": signed.expires.map(Timestamp::rfc3339),
                "token": signed.token.expose(),
            });
            out.push_str(&object.to_string());
        } else {
            out.push_str(signed.token.expose());
        }
        out.push('\n');
    }
    match &issue.output {
        Some(path) if path != Path::new("-") => {
            let existing = if issue.force { Existing::Replace } else { Existing::Refuse };
            file::write(path, out.as_bytes(), PRIVATE_MODE, existing)?;
            console.notes(notes);
            let what = match signed {
                [one] => format!("the token for {} is", quote(&one.person.name)),
                several => format!("{} tokens are", several.len()),
            };
            console.note(&format!("{what} in {}", quote_path(path)));
        }
        _ => {
            console.notes(notes);
            console.text(&out)?;
        }
    }
    Ok(Status::Done)
}
