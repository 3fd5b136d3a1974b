//! The inventory: each finding with its verdict and its problems.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::ScanRequest;
use super::document::Finding;
use super::item::{Item, OccurrenceKind};
use super::known_keys::KnownKeys;
use super::names::TokenUse;
use super::recognize::find;
use super::report::Occurrence;
use super::source_file::{FileFindings, SourceFile};
use crate::key::{PublicKey, published};
use crate::policy::Signer;
use crate::token::{Inspection, NumericDate, inspect};
use crate::user::UsernameClaim;
use crate::util::duration::GoDuration;
use crate::util::note::Warning;
use crate::util::redact::{MASK, redact_member};
use crate::util::time::{Timestamp, human_span};
use crate::verify::{StoredTokenResult, StoredTokenVerifier};

const SECONDS_PER_DAY: i64 = 86_400;

/// Evaluates findings: each distinct token once.
pub(super) struct Evaluation<'a> {
    request: &'a ScanRequest,
    known: &'a KnownKeys,
    verifier: &'a StoredTokenVerifier,
    has_own_key: bool,
    results: HashMap<String, TokenFacts>,
}

/// What is known of a token, wherever it is.
#[derive(Clone)]
struct TokenFacts {
    subject: Option<String>,
    roles: Vec<String>,
    issuer: Option<String>,
    algorithm: Option<String>,
    signed_by: Option<String>,
    /// The private key that signed it is published.
    is_compromised: bool,
    result: Option<Arc<StoredTokenResult>>,
    issued: Option<NumericDate>,
    expiry: Option<NumericDate>,
    /// The claim `exp` is missing or 0.
    never_expires: bool,
    /// The reason why every key rejects the token.
    malformed: Option<String>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(
        request: &'a ScanRequest,
        known: &'a KnownKeys,
        verifier: &'a StoredTokenVerifier,
    ) -> Self {
        let has_own_key = verifier.keys().any(|(signer, _)| signer == Signer::Own);
        Self { request, known, verifier, has_own_key, results: HashMap::new() }
    }

    /// Evaluates all findings of the files.
    pub(super) fn occurrences(&mut self, files: &[FileFindings]) -> Vec<Occurrence> {
        let mut occurrences = Vec::new();
        let mut index = 0;
        for file in files {
            let mut seen = HashSet::new();
            for finding in &file.findings.findings {
                index += 1;
                // Another state of the server, which the same walk was for, has other keys.
                if finding.needs_known_key
                    && !finding.item.public_key().is_some_and(|key| self.known.contains(key))
                {
                    continue;
                }
                let occurrence = Occurrence { index, ..self.occurrence(file, finding) };
                // The same item in one place, such as a token that a line has twice, is listed once.
                let place = (occurrence.line, occurrence.member.clone(), occurrence.fingerprint.clone());
                if seen.insert(place) {
                    occurrences.push((occurrence, finding));
                }
            }
        }
        self.add_overrides(files, &mut occurrences);
        let mut occurrences: Vec<Occurrence> =
            occurrences.into_iter().map(|(occurrence, _)| occurrence).collect();
        add_copies(&mut occurrences);
        occurrences
    }

    fn occurrence(&mut self, file: &FileFindings, finding: &Finding) -> Occurrence {
        let SourceFile { path, entry } = &file.file;
        let mut occurrence = Occurrence {
            kind: finding.item.kind(),
            fingerprint: finding.item.fingerprint(),
            file: path.as_deref().map_or_else(|| "standard input".to_owned(), shown_path),
            archive_member: entry.as_deref().map(|entry| shown_path(Path::new(entry))),
            line: finding.line,
            // A name may be a piece of a key in a damaged file.
            member: finding.member.as_deref().map(|member| redact_member(&without_secrets(member))),
            subject: None,
            roles: Vec::new(),
            issuer: None,
            algorithm: None,
            signed_by: None,
            accepted_by: None,
            issued_at: None,
            expires_at: None,
            days_left: None,
            problems: Vec::new(),
            expiry: None,
            never_expires: false,
            lifetime: None,
            verdicts: None,
            index: 0,
        };
        match &finding.item {
            Item::Token(text) | Item::NatsToken(text) => {
                let facts = self.facts(&occurrence.fingerprint, text.expose(), finding.item.kind());
                self.add_facts(&mut occurrence, facts, finding.token_use);
            }
            Item::HmacSecret(secret) => {
                occurrence.signed_by = self.known.name_of_secret(secret).map(str::to_owned);
            }
            Item::EncryptedKey(_) => occurrence.algorithm = Some("encrypted".to_owned()),
            item => {
                if let Some(key) = item.public_key() {
                    self.add_key(&mut occurrence, key, item.is_secret());
                }
            }
        }
        self.add_place(&mut occurrence, file, finding);
        occurrence
    }

    fn facts(&mut self, fingerprint: &str, text: &str, kind: OccurrenceKind) -> TokenFacts {
        if let Some(facts) = self.results.get(fingerprint) {
            return facts.clone();
        }
        let facts = self.evaluate(text, kind);
        self.results.insert(fingerprint.to_owned(), facts.clone());
        facts
    }

    fn evaluate(&self, text: &str, kind: OccurrenceKind) -> TokenFacts {
        let seen = inspect(text);
        let claims = claims(&seen);
        let result = (kind == OccurrenceKind::Token).then(|| Arc::new(self.verifier.verify(text)));
        let server_key = result.as_ref().and_then(|result| result.signer).map(key_name);
        let signer = self.known.signer(text);
        let signed_by = server_key.or_else(|| signer.map(|known| known.name.as_str()));
        let name = |name: &str| claims.get(name).and_then(serde_json::Value::as_str).map(without_secrets);
        let roles = claims.get("roles").and_then(serde_json::Value::as_array);
        let time = |name: &'static str| {
            let date = claims.get(name).and_then(|value| NumericDate::read(name, value).ok());
            date.filter(|date| !date.is_zero())
        };
        TokenFacts {
            subject: match kind {
                OccurrenceKind::NatsToken => name("name").or_else(|| name("sub")),
                _ => name("sub"),
            },
            roles: roles
                .into_iter()
                .flatten()
                .filter_map(serde_json::Value::as_str)
                .map(without_secrets)
                .collect(),
            issuer: name("iss"),
            algorithm: seen.header.json().and_then(|header| header.get("alg")?.as_str()).map(without_secrets),
            signed_by: signed_by.map(str::to_owned),
            is_compromised: signer
                .and_then(|known| known.key.public_key())
                .is_some_and(|key| published(key).is_some()),
            malformed: result
                .as_ref()
                .and_then(|result| result.error.as_ref())
                .filter(|_| kind == OccurrenceKind::Token)
                .map(ToString::to_string),
            result,
            issued: time("iat"),
            expiry: time("exp"),
            never_expires: match claims.get("exp") {
                Some(value) => NumericDate::read("exp", value).is_ok_and(NumericDate::is_zero),
                None => true,
            },
        }
    }

    fn add_facts(&self, occurrence: &mut Occurrence, facts: TokenFacts, token_use: TokenUse) {
        let now = self.request.now;
        let expiry = facts.expiry.map(NumericDate::instant);
        let issued = facts.issued.map(NumericDate::instant);
        let is_valid = facts.result.as_ref().is_some_and(|result| result.signer.is_some());
        let mut add = |check, message: String| occurrence.problems.push(Warning::new(check, message));
        match expiry {
            Some(expiry) if expiry <= now => {
                add("expired", format!("it expired {}", expiry.relative_to(now)));
            }
            Some(expiry) if self.request.expiring.is_some_and(|span| expiry <= now.plus(span)) => {
                add("expires-soon", format!("it expires {}", expiry.relative_to(now)));
            }
            None if facts.never_expires && occurrence.kind == OccurrenceKind::Token => {
                add("no-expiry", "it never expires".to_owned());
            }
            _ => {}
        }
        if let Some(max_age) = self.request.max_age.filter(|_| occurrence.kind == OccurrenceKind::Token) {
            match issued {
                None => add("token-old", "its age is not known: it has no 'iat'".to_owned()),
                Some(issued) if issued.plus(max_age) < now => {
                    let age = human_span(now.since(issued).unsigned_abs());
                    add("token-old", format!("it was issued {age} ago, more than --max-age"));
                }
                Some(_) => {}
            }
        }
        if let Some(reason) = &facts.malformed {
            add("token-malformed", format!("every key rejects it: {reason}"));
        }
        let roles: Vec<&str> = facts.roles.iter().map(String::as_str).collect();
        if is_valid && let Some(message) = too_wide(&roles, token_use) {
            add("role-too-wide", message);
        }
        if facts.result.as_ref().is_some_and(|result| result.is_user_missing) {
            let name = facts.subject.as_deref().unwrap_or_default();
            let reason = UsernameClaim::Subject.provider_id_warning(name);
            let reason = reason.map_or_else(String::new, |(reason, _)| format!(": {reason}"));
            add("user-not-in-table", format!("its user is not in the user table{reason}"));
        }
        if facts.is_compromised {
            add("key-compromised", "the key that signed it is public knowledge".to_owned());
        }
        occurrence.subject = facts.subject;
        occurrence.roles = facts.roles;
        occurrence.issuer = facts.issuer;
        occurrence.algorithm = facts.algorithm;
        occurrence.signed_by = facts.signed_by;
        occurrence.verdicts = facts.result.filter(|result| result.signer.is_some() || self.has_own_key);
        occurrence.accepted_by = occurrence
            .verdicts
            .as_ref()
            .map(|result| result.accepted.iter().copied().map(crate::policy::Endpoint::name).collect());
        occurrence.issued_at = issued.map(Timestamp::rfc3339);
        occurrence.expires_at = expiry.map(Timestamp::rfc3339);
        occurrence.days_left = expiry.map(|expiry| expiry.since(now).div_euclid(SECONDS_PER_DAY));
        occurrence.expiry = expiry;
        occurrence.never_expires = facts.never_expires;
        occurrence.lifetime = issued.zip(expiry).map(|(from, to)| GoDuration::from_seconds(to.since(from)));
    }

    fn add_key(&self, occurrence: &mut Occurrence, key: &PublicKey, is_secret: bool) {
        occurrence.algorithm = Some(key.kind().to_owned());
        occurrence.signed_by = self.known.name(key).map(str::to_owned);
        if let Some(place) = published(key) {
            let effect =
                if is_secret { "every site knows it" } else { "its private key is public knowledge" };
            let message = format!("it is {place}: {effect}");
            occurrence.problems.push(Warning::new("key-compromised", message));
        }
    }

    /// Adds the problems of the place.
    fn add_place(&self, occurrence: &mut Occurrence, file: &FileFindings, finding: &Finding) {
        let mut add = |check, message: String| occurrence.problems.push(Warning::new(check, message));
        if finding.item.is_secret()
            && let Some(mode) = file.mode.filter(|mode| mode & 0o007 != 0 || mode & 0o020 != 0)
        {
            add("file-mode", format!("other accounts have access to the file (mode {:04o})", mode & 0o7777));
        }
        if finding.has_bearer {
            add("bearer-prefix", "the value begins with 'Bearer ', which the program adds itself".to_owned());
        }
        if finding.is_root_public_key {
            let message = "jwt-public-key is at the root: a cc-metric-store that reads the section 'main' ignores \
                           it and checks no token";
            add("member-misplaced", message.to_owned());
        }
    }

    /// Adds the variables in other files that override a member.
    fn add_overrides(&self, files: &[FileFindings], occurrences: &mut [(Occurrence, &Finding)]) {
        let mut variables: HashMap<&str, String> = HashMap::new();
        for file in files {
            let SourceFile { path, .. } = &file.file;
            let path = path.as_deref().map_or_else(|| "standard input".to_owned(), shown_path);
            for (name, line) in &file.findings.variables {
                variables.entry(name).or_insert_with(|| format!("{path}:{line}"));
            }
        }
        for (occurrence, finding) in occurrences {
            let found =
                finding.overridden_by.iter().find_map(|name| Some((name, variables.get(name.as_str())?)));
            if let Some((name, place)) = found {
                let message = format!("the variable {name} in {place} overrides this value");
                occurrence.problems.push(Warning::new("variable-overrides", message));
            }
        }
    }
}

/// The claims of an inspected token.
fn claims(seen: &Inspection) -> serde_json::Map<String, serde_json::Value> {
    seen.claims.json().and_then(serde_json::Value::as_object).cloned().unwrap_or_default()
}

/// Returns the name of a key of the server.
pub(super) const fn key_name(signer: Signer) -> &'static str {
    match signer {
        Signer::Own | Signer::Given => "own",
        Signer::CrossLogin => "cross-login",
        Signer::HmacSecret => "cross-login-hmac",
    }
}

/// Returns why the roles of a token permit more than its use.
fn too_wide(roles: &[&str], token_use: TokenUse) -> Option<String> {
    let expected = match token_use {
        TokenUse::Unknown => return None,
        TokenUse::MetricStore => "cc-metric-store requires no role",
        TokenUse::Api => "the program requires the role api only",
    };
    let is_wide = |role: &&str| matches!(*role, "admin" | "support" | "manager");
    let more: Vec<&str> = roles.iter().copied().filter(is_wide).collect();
    (!more.is_empty()).then(|| format!("the token has the role {}, but {expected}", more.join(", ")))
}

/// Adds to each token and secret where else it is.
fn add_copies(occurrences: &mut [Occurrence]) {
    const SHOWN: usize = 3;
    let mut places: HashMap<String, Vec<String>> = HashMap::new();
    let is_counted = |occurrence: &Occurrence| occurrence.kind != OccurrenceKind::PublicKey;
    // Two entries of an archive can have the same name, and so the same place.
    let mut seen = HashSet::new();
    for occurrence in occurrences.iter().filter(|one| is_counted(one)) {
        if seen.insert((occurrence.fingerprint.clone(), occurrence.place())) {
            let places = places.entry(occurrence.fingerprint.clone()).or_default();
            places.push(occurrence.place());
        }
    }
    for occurrence in occurrences.iter_mut().filter(|one| is_counted(one)) {
        let Some(places) = places.get(&occurrence.fingerprint).filter(|places| places.len() > 1) else {
            continue;
        };
        let own = occurrence.place();
        let others: Vec<&str> =
            places.iter().filter(|place| **place != own).take(SHOWN).map(String::as_str).collect();
        let more = (places.len() - 1).saturating_sub(others.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = format!("it is also in {}{more}", others.join(", "));
        occurrence.problems.push(Warning::new("several-places", message));
    }
}

/// A path for a report.
fn shown_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.split('/').map(without_secrets).collect::<Vec<_>>().join("/")
}

/// Replaces each secret in a name or claim: a file or a member can have a token as its name.
pub(super) fn without_secrets(text: &str) -> String {
    let mut shown = String::new();
    let mut from = 0;
    for found in find(text.as_bytes(), &KnownKeys::default()) {
        if found.range.start >= from {
            shown.push_str(text.get(from..found.range.start).unwrap_or_default());
            shown.push_str(MASK);
            from = found.range.end;
        }
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}
