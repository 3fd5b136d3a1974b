//! How the server treats the settings: whether it starts, and whether it accepts tokens.
//!
//! The rules were observed on cc-backend 1.5.4. They are stricter than those of this toolkit:
//! section names are case-sensitive, an unknown member of `main` or a missing session key prevents
//! the start, and both keys of the pair are required. The functions are pure: they map settings to
//! findings.

use super::error::ConfigError;
use super::origin::Origin;
use super::section::SectionState;
use super::settings::Settings;
use super::variable::Variable;
use crate::key::KeyStrength;
use crate::key::encoding::decode_as_server;
use crate::util::count::counted;
use crate::util::diagnostic::Diagnostic as _;
use crate::util::note::Notes;
use crate::util::quote::{quote, quote_path};

/// The effect of a finding on tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerEffect {
    /// The directory contains no server files, so no server starts in it.
    NoServer,
    /// The server does not start.
    NoStart,
    /// The server starts but accepts no token and no login by token.
    NoTokens,
    /// The server starts but accepts no token that its own key pair signed.
    NoOwnTokens,
    /// The server does not check tokens.
    NoAuthentication,
    /// The server accepts tokens; the finding is only a warning.
    Warning,
}

/// One finding about how the server treats the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFinding {
    /// The effect on tokens.
    pub effect: ServerEffect,
    /// The condition, in one line.
    pub reason: String,
    /// The next step for the user.
    pub hint: Option<String>,
}

/// Whether the server uses the keys in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKeys {
    /// The server uses the keys in the settings.
    Configured,
    /// Other keys replace those in the settings, which are not checked.
    Given,
}

impl Settings {
    /// Checks whether a server of version 1.5 starts with these files and accepts tokens. Returns
    /// every condition that prevents it or is worth a warning, sorted by severity.
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

    /// Returns the missing requirements of the login by cookie, each as a clause. If one is
    /// missing, the server silently disables this login.
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

    /// Returns the missing requirements of `/jwt-login`, each as a clause.
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

    /// Whether the file has the layout of a server before 1.5, with all members at the root and no
    /// section `main`.
    fn has_old_layout(&self) -> bool {
        self.server.main == SectionState::Missing && !self.server.root_layout.is_empty()
    }

    /// Returns the members at the root that version 1.5 does not read.
    fn at_root(&self) -> String {
        self.server.root_layout.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
    }

    fn check_auth(&self, found: &mut Found) {
        if self.has_old_layout() {
            return;
        }
        let file = self.config_file.as_deref().map(quote_path).unwrap_or_default();
        let server = &self.server;
        let error = "the server responds to every request with a token with an error (500), and '-jwt' fails";
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

    /// Returns the name that was probably intended to be this section.
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

    /// Checks the key pair. The server requires both keys and decodes both when it starts.
    fn check_pair(&self, found: &mut Found) {
        const PUBLIC_BYTES: usize = 32;
        let halves = [Variable::JwtPublicKey, Variable::JwtPrivateKey];
        let [public, private] = halves.map(|variable| self.secrets.require(variable));
        let (public, private) = match (public, private) {
            (Ok(public), Ok(private)) => (public, private),
            // If one key is missing, the server does not decode the other.
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
                "{}: {}, expected {PUBLIC_BYTES}",
                public.place(),
                counted(bytes.len(), "byte")
            )),
            Ok(_) => {}
        }
        match decode_as_server(private.text.expose(), "private key") {
            Err(error) => found.no_start(format!("{}: {error}", private.place())),
            Ok(bytes) if bytes.len() != 2 * PUBLIC_BYTES => found.warn(format!(
                "{}: {}, expected {}: the server accepts tokens and cannot issue any",
                private.place(),
                counted(bytes.len(), "byte"),
                2 * PUBLIC_BYTES
            )),
            Ok(_) => {}
        }
    }
}

/// Describes a missing variable by its name only; a malformed one by its location and error.
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
