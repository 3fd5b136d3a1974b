//! What a server makes of the same files: whether it starts, and whether it accepts tokens at all.
//!
//! The rules are those observed on cc-backend 1.5.4. They are stricter than what this toolkit
//! reads: sections are case-sensitive, an unknown member of `main` or a missing session key
//! prevents the start, and both halves of the key pair are needed. Pure: settings in, findings
//! out.

use super::error::ConfigError;
use super::origin::Origin;
use super::section::SectionState;
use super::settings::Settings;
use super::variable::Variable;
use crate::key::KeyStrength;
use crate::key::encoding::decode_as_server;
use crate::util::diagnostic::Diagnostic as _;
use crate::util::note::Notes;
use crate::util::quote::{quote, quote_path};

/// What a finding means for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerEffect {
    /// The files of a server are not here, so that none starts in this directory.
    NoServer,
    /// The server does not start.
    NoStart,
    /// The server starts, and accepts no token and no login by token.
    NoTokens,
    /// The server starts, and accepts no token that its own key pair signed.
    NoOwnTokens,
    /// The server does not check tokens.
    NoAuthentication,
    /// The server accepts tokens; something else is worth a warning.
    Warning,
}

/// One thing that a server makes of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFinding {
    /// What it means for tokens.
    pub effect: ServerEffect,
    /// What was found, in one line.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Whether the keys in the settings are the ones to decide about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKeys {
    /// The server's keys are those in the settings.
    Configured,
    /// Other keys take their place, so that those in the settings do not matter.
    Given,
}

impl Settings {
    /// Whether a server of version 1.5 starts with these files and accepts tokens: everything
    /// that prevents it or is worth a warning, the gravest first.
    #[must_use]
    pub fn server_findings(&self, keys: ServerKeys) -> Vec<ServerFinding> {
        let mut found = Found::default();
        self.check_files(&mut found);
        if self.config_file.is_some() {
            self.check_main(&mut found);
        }
        // With authentication off, the server reads neither the section nor the keys.
        if !self.server.disable_authentication.value {
            if self.config_file.is_some() {
                self.check_auth(&mut found);
                self.check_session_key(&mut found);
            }
            if keys == ServerKeys::Configured {
                self.check_pair(&mut found);
            }
        }
        let mut findings = found.0;
        findings.sort_by_key(|finding| finding.effect as u8);
        findings
    }

    /// What the login by cookie needs and does not have, each a clause: without any of these the
    /// server switches it off without a message.
    #[must_use]
    pub fn cookie_login_lacks(&self, keys: ServerKeys) -> Vec<String> {
        let jwts = &self.jwts;
        let mut lacks = Vec::new();
        for (name, setting) in
            [("auth.jwts.cookie-name", &jwts.cookie_name), ("auth.jwts.trusted-issuer", &jwts.trusted_issuer)]
        {
            if setting.as_ref().is_none_or(|text| text.value.is_empty()) {
                lacks.push(format!("{name} is not set"));
            }
        }
        if keys == ServerKeys::Given {
            return lacks;
        }
        let mut notes = Notes::new();
        for key in [self.verifying_key(&mut notes), self.cross_login_key(&mut notes)] {
            lacks.extend(key.err().map(|error| without_place(&error)));
        }
        lacks.extend(self.secrets.require(Variable::JwtPrivateKey).err().map(|error| without_place(&error)));
        lacks
    }

    /// What `/jwt-login` needs and does not have.
    #[must_use]
    pub fn jwt_login_lacks(&self, keys: ServerKeys) -> Vec<String> {
        match self.hmac_secret(KeyStrength::AllowWeak) {
            Err(error) if keys == ServerKeys::Configured => vec![without_place(&error)],
            _ => Vec::new(),
        }
    }

    fn check_files(&self, found: &mut Found) {
        let Some(config) = &self.config_file else {
            return found.add(
                ServerEffect::NoServer,
                "no './config.json': a server does not start in this directory; the default settings apply here",
                "run this in the server's directory, or use --config FILE",
            );
        };
        if self.env_file.is_none() {
            found.add(
                ServerEffect::NoStart,
                format!(
                    "no './.env' beside {}: the server needs the file even if all variables are set in the environment",
                    quote_path(config)
                ),
                "create an empty file: touch .env",
            );
        }
    }

    /// Whether the file is one of a server before 1.5, which reads all at the root and knows no
    /// section `main`.
    fn has_old_layout(&self) -> bool {
        self.server.main == SectionState::Missing && !self.server.root_layout.is_empty()
    }

    /// The members at the root that version 1.5 does not read.
    fn at_root(&self) -> String {
        self.server.root_layout.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
    }

    fn check_auth(&self, found: &mut Found) {
        if self.has_old_layout() {
            return;
        }
        let file = self.config_file.as_deref().map(quote_path).unwrap_or_default();
        let server = &self.server;
        let error = "the server answers every request with a token with an error (500), and '-jwt' fails";
        match (server.auth, server.jwts) {
            (SectionState::Missing, _) => {
                let why = if server.root_layout.is_empty() {
                    self.misspelled("auth")
                } else {
                    format!(" (version 1.5 does not read {} at the root)", self.at_root())
                };
                found.no_tokens(format!("{file} has no section 'auth'{why}: {error}"));
            }
            (SectionState::Null, _) => {
                found.no_tokens(format!("{file}: the section 'auth' is null: {error}"));
            }
            (SectionState::Present, SectionState::Missing) => {
                found.no_start(format!("{file} has no section 'auth.jwts'{}", self.misspelled("jwts")));
            }
            (SectionState::Present, SectionState::Null) => {
                found.no_tokens(format!("{file}: the section 'auth.jwts' is null: {error}"));
            }
            (SectionState::Present, SectionState::Present) => {}
        }
        if server.oidc_without_provider {
            found.no_start(format!("{file}: 'auth.oidc.provider' is not set"));
        }
    }

    /// The name that was probably meant to be this section.
    fn misspelled(&self, name: &str) -> String {
        let found = self.server.misspelled.iter().find(|found| found.eq_ignore_ascii_case(name));
        found.map_or_else(String::new, |found| {
            format!(" ({} is another name: sections are case-sensitive)", quote(found))
        })
    }

    fn check_main(&self, found: &mut Found) {
        let file = self.config_file.as_deref().map(quote_path).unwrap_or_default();
        let server = &self.server;
        if self.has_old_layout() {
            return found.warn(format!(
                "{file} has {} at the root, as up to version 1.4: a server of version 1.5 does not start with it",
                self.at_root()
            ));
        }
        match server.main {
            SectionState::Present => {}
            SectionState::Missing => {
                found.no_start(format!("{file} has no section 'main'{}", self.misspelled("main")));
            }
            SectionState::Null => found.no_start(format!("{file}: the section 'main' is null")),
        }
        for name in &server.unknown_in_main {
            found.no_start(format!("{file}: unknown member {}", quote(&format!("main.{name}"))));
        }
        for wrong in &server.wrong_in_main {
            found.no_start(format!("{file}: wrong type of {wrong}"));
        }
        if server.is_db_empty {
            found.no_start(format!("{file}: {} is empty", quote("main.db")));
        }
        if server.disable_authentication.value {
            found.add(
                ServerEffect::NoAuthentication,
                format!(
                    "authentication is off ({})",
                    match &server.disable_authentication.origin {
                        Origin::Default => quote("main.disable-authentication"),
                        origin => origin.to_string(),
                    }
                ),
                "set main.disable-authentication to false",
            );
        }
    }

    fn check_session_key(&self, found: &mut Found) {
        match self.secrets.require(Variable::SessionKey) {
            Err(unset) => {
                found.add(ServerEffect::NoStart, unset.to_string(), &unset.hint().unwrap_or_default())
            }
            Ok(secret) => {
                if let Err(error) = decode_as_server(secret.text.expose(), "session key") {
                    found.no_start(format!("{}: {error}", secret.place()));
                }
            }
        }
    }

    /// The server needs both halves, and decodes both when it starts (1.5: both or neither).
    fn check_pair(&self, found: &mut Found) {
        const PUBLIC_BYTES: usize = 32;
        let halves = [Variable::JwtPublicKey, Variable::JwtPrivateKey];
        let [public, private] = halves.map(|variable| self.secrets.require(variable));
        let (public, private) = match (public, private) {
            (Ok(public), Ok(private)) => (public, private),
            // With one half missing it does not look at the other.
            (public, private) => {
                for unset in [public.err(), private.err()].into_iter().flatten() {
                    found.no_own_tokens(format!("{unset}; the server needs both halves of the key pair"));
                }
                return;
            }
        };
        match decode_as_server(public.text.expose(), "public key") {
            Err(error) => found.no_start(format!("{}: {error}", public.place())),
            Ok(bytes) if bytes.len() != PUBLIC_BYTES => found.no_own_tokens(format!(
                "{}: {} bytes, expected {PUBLIC_BYTES}",
                public.place(),
                bytes.len()
            )),
            Ok(_) => {}
        }
        match decode_as_server(private.text.expose(), "private key") {
            Err(error) => found.no_start(format!("{}: {error}", private.place())),
            Ok(bytes) if bytes.len() != 2 * PUBLIC_BYTES => found.warn(format!(
                "{}: {} bytes, expected {}: the server accepts tokens and cannot issue any",
                private.place(),
                bytes.len(),
                2 * PUBLIC_BYTES
            )),
            Ok(_) => {}
        }
    }
}

/// A missing variable by its name alone; a malformed one with its place and what is wrong.
fn without_place(error: &ConfigError) -> String {
    match error {
        ConfigError::Unset { variable, .. } => format!("{} is not set", variable.name()),
        other => other.to_string(),
    }
}

#[derive(Default)]
struct Found(Vec<ServerFinding>);

impl Found {
    fn add(&mut self, effect: ServerEffect, reason: impl Into<String>, hint: &str) {
        self.0.push(ServerFinding { effect, reason: reason.into(), hint: Some(hint.to_owned()) });
    }

    fn no_start(&mut self, reason: String) {
        self.0.push(ServerFinding { effect: ServerEffect::NoStart, reason, hint: None });
    }

    fn no_tokens(&mut self, reason: String) {
        self.0.push(ServerFinding { effect: ServerEffect::NoTokens, reason, hint: None });
    }

    fn no_own_tokens(&mut self, reason: String) {
        self.0.push(ServerFinding { effect: ServerEffect::NoOwnTokens, reason, hint: None });
    }

    fn warn(&mut self, reason: String) {
        self.0.push(ServerFinding { effect: ServerEffect::Warning, reason, hint: None });
    }
}
