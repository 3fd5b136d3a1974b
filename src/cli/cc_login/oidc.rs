//! `cc-login --method oidc`: through a provider, in the browser, on another device, or by an
//! address that is pasted back.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::browser;
use super::provider::{LoginFlow, ProviderRequest};
use super::report;
use super::start::start;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::config::Settings;
use crate::http::{Client, Proxy};
use crate::login::oidc::callback::{self, AuthorizationResponse};
use crate::login::oidc::error::OidcError;
use crate::login::oidc::gate::CallbackGate;
use crate::login::oidc::id_token::{self, IdTokenPolicy, TokenBinding};
use crate::login::oidc::listener::{Decision, Listener};
use crate::login::oidc::page::BrowserPage;
use crate::login::oidc::provider_config::{self, ProviderConfig, ProviderParameters};
use crate::login::oidc::request::{self, PendingAuthorization};
use crate::login::oidc::{device, redirect, user_row};
use crate::login::session::RefreshGrant;
use crate::login::{Session, paths, session};
use crate::oidc::discovery::{Discovery, ProviderEndpoint};
use crate::oidc::jwks_cache::{self, Cache};
use crate::oidc::oauth::{Provider, TokenResponse};
use crate::user_db::{OpenMode, UserDb};
use crate::util::diagnostic::{Diagnostic, ExitStatus};
use crate::util::environment::Environment;
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::quote::escape;
use crate::util::secret::SecretText;
use crate::util::time::Clock;
use crate::util::xdg;

/// How long the browser is given to fetch its last page.
const LINGER: Duration = Duration::from_secs(3);

/// How many requests that do not belong to the login are shown, one by one.
const SHOWN_STRAYS: usize = 3;

/// How often an address may be pasted wrongly.
const PASTE_TRIES: usize = 3;

/// The longest address that is read, in bytes.
const PASTE_LIMIT: usize = 64 << 10;

/// What else ends a login: nobody pasted anything.
#[derive(Debug, thiserror::Error)]
enum PasteFault {
    #[error("no address was given: standard input ended")]
    Nothing,
    #[error("standard input cannot be read: {0}")]
    Unreadable(String),
}

impl Diagnostic for PasteFault {
    fn kind(&self) -> Kind {
        match self {
            Self::Nothing => Kind::LoginNoCallbackUrl,
            Self::Unreadable(_) => Kind::InputUnreadable,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            "paste the address that the browser ended on, or log in with --skip-browser or --device"
                .to_owned(),
        )
    }
}

/// The options that are not about a provider alone.
#[derive(Debug, Clone, Default)]
pub(super) struct CommonOptions {
    pub(super) name: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) connect_timeout: Option<Duration>,
}

/// A provider that was found, and what is expected of it.
pub(super) struct OidcRun<'run> {
    pub(super) provider: Provider<'run>,
    pub(super) plan: &'run ProviderConfig,
    pub(super) cache: &'run Cache,
    pub(super) settings: &'run Settings,
    /// The user who is to log in, if one was named.
    pub(super) name: Option<&'run str>,
}

pub(super) fn run(
    wishes: &ProviderRequest,
    shared: &CommonOptions,
    settings: &Settings,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let plan = provider_config::resolve(
        settings,
        &ProviderParameters {
            entry: wishes.entry.clone(),
            role: wishes.role.clone(),
            login_hint: shared.name.clone(),
            scopes: wishes.scopes.clone(),
            parameters: wishes.parameters.clone(),
            ca_file: shared.ca_file.clone(),
        },
    )?;
    let client = client(&plan, shared.connect_timeout, console)?;
    let cache = cache(console.environment());
    // What would spoil the login anyway is told before anybody is sent to a browser.
    if plan.adds_users || plan.updates_users {
        open_store(&plan, settings)?;
    }
    paths::session_file(console.environment())?;
    let discovery = discover(&client, &cache, &plan.issuer, console)?;
    let provider = Provider::new(&client, &discovery, &plan.registration);
    let known = OidcRun { provider, plan: &plan, cache: &cache, settings, name: shared.name.as_deref() };
    let way = known.way(wishes, console);
    known.check_endpoints(way)?;
    let session = match way {
        LoginFlow::Browser => known.by_browser(wishes, console)?,
        LoginFlow::Device => known.by_device(wishes, console)?,
        LoginFlow::Manual => known.by_paste(wishes, console)?,
    };
    report::logged_in(&session, Clock::System.now(), console)?;
    Ok(ExitStatus::Success)
}

/// The client that talks to a provider.
pub(super) fn client(
    plan: &ProviderConfig,
    connect_timeout: Option<Duration>,
    console: &Console,
) -> Result<Client, Failure> {
    let mut options = plan.http.clone();
    options.proxy = Proxy::from_environment(console.environment());
    if let Some(limit) = connect_timeout {
        options.connect_timeout = limit;
    }
    Ok(Client::new(options)?)
}

/// Where providers' documents and keys are kept: the person's cache directory, if there is one.
pub(super) fn cache(environment: &Environment) -> Cache {
    Cache { directory: xdg::cache_directory(environment).map(|cache| cache.join("keys")), offline: false }
}

pub(super) fn discover(
    client: &Client,
    cache: &Cache,
    issuer: &str,
    console: &mut Console,
) -> Result<Discovery, Failure> {
    let mut notes = Notes::new();
    let found = jwks_cache::discover(client, cache, issuer, false, Clock::System.now(), &mut notes);
    console.notes(notes);
    Ok(found?)
}

/// The user table where the settings want it written, or where there is one to look into.
pub(super) fn open_store(plan: &ProviderConfig, settings: &Settings) -> Result<Option<UserDb>, Failure> {
    let path = settings.database()?;
    if plan.adds_users || plan.updates_users {
        return Ok(Some(UserDb::open(path, OpenMode::Write)?));
    }
    let is_wanted = !settings.db.is_default() || path.exists();
    Ok(if is_wanted { Some(UserDb::open(path, OpenMode::Read)?) } else { None })
}

impl OidcRun<'_> {
    fn ask(&self) -> request::AuthorizationParams {
        self.plan.params_for(self.provider.discovery.list("scopes_supported").as_deref())
    }

    /// The way that was asked for, or the best one here, which is said.
    fn way(&self, wishes: &ProviderRequest, console: &mut Console) -> LoginFlow {
        if let Some(way) = wishes.way {
            return way;
        }
        if browser::can_show(console.environment()) {
            return LoginFlow::Browser;
        }
        if self.provider.discovery.names(ProviderEndpoint::DeviceAuthorization) {
            console.note("there is no display here: logging in on another device, as with --device");
            return LoginFlow::Device;
        }
        console.note(
            "there is no display here, and the provider knows no login by device: the address is to be pasted back, \
             as with --manual",
        );
        LoginFlow::Manual
    }

    /// A redirect URI that the login role allows.
    fn redirect_uri(&self, wishes: &ProviderRequest, port: u16) -> Result<String, OidcError> {
        let uri = wishes.redirect.uri(port)?;
        match &self.plan.role {
            Some((_, role)) if !redirect::is_allowed(&uri, &role.allowed_redirect_uris) => {
                Err(OidcError::RedirectNotAllowed { role: role.name.clone(), uri })
            }
            _ => Ok(uri),
        }
    }

    /// The endpoints that a login needs: what would spoil it is told before anybody is sent
    /// anywhere.
    fn check_endpoints(&self, way: LoginFlow) -> Result<(), OidcError> {
        let Provider { http, discovery, .. } = &self.provider;
        let first = match way {
            LoginFlow::Browser | LoginFlow::Manual => ProviderEndpoint::Authorization,
            LoginFlow::Device => ProviderEndpoint::DeviceAuthorization,
        };
        for endpoint in [first, ProviderEndpoint::Token, ProviderEndpoint::Keys] {
            discovery.need(endpoint, http)?;
        }
        discovery.find(ProviderEndpoint::Userinfo, http)?;
        Ok(())
    }

    fn begin(&self, redirect_uri: String) -> Result<PendingAuthorization, OidcError> {
        let endpoint = self.provider.discovery.need(ProviderEndpoint::Authorization, self.provider.http)?;
        request::begin(&endpoint, &self.plan.registration.client_id, redirect_uri, &self.ask())
    }

    fn check_callback(
        &self,
        query: &str,
        begun: &PendingAuthorization,
    ) -> Result<AuthorizationResponse, OidcError> {
        let discovery = self.provider.discovery;
        callback::parse(query, begun, &discovery.issuer, discovery.names_issuer_in_response())
    }

    fn by_browser(&self, wishes: &ProviderRequest, console: &mut Console) -> Result<Session, Failure> {
        let mut listener = Listener::bind(&wishes.listen_address, &wishes.ports)?;
        for address in listener.addresses() {
            log::info!("waiting for the browser on {address}");
        }
        if !listener.addresses().iter().all(|address| address.ip().is_loopback()) {
            console.warn(
                "redirect-port-public",
                "the port for the browser is open to the network, not only to this computer",
            );
        }
        let begun = self.begin(self.redirect_uri(wishes, listener.port())?)?;
        let mut gate =
            CallbackGate::new(&begun, &wishes.listen_address, browser::accounts(console.environment()))?;
        let deadline = Instant::now() + wishes.limit;
        let start = gate.start_url().clone();
        console
            .instruct("Log in with a browser on this computer at this URL (it works in one browser, once):");
        console.instruct(&format!("\n    {start}\n"));
        if !wishes.skip_browser {
            browser::open(&start, wishes.browser.as_deref(), console);
        }
        let mut turned_away = 0;
        let answer = listener.wait(deadline, &mut gate, |query| {
            match query.and_then(|query| self.check_callback(query, &begun)) {
                Err(fault) if fault.is_unrelated() => {
                    turned_away += 1;
                    match turned_away {
                        0..=SHOWN_STRAYS => console.warn("callback-rejected", &fault.to_string()),
                        _ if turned_away == SHOWN_STRAYS + 1 => {
                            console.warn("callback-rejected", "more such requests are counted and not shown");
                        }
                        _ => log::info!("{fault}"),
                    }
                    Decision::Reject(BrowserPage::rejected(&fault.to_string()))
                }
                outcome => Decision::Accept(outcome),
            }
        })?;
        let Some(answer) = answer else {
            return Err(OidcError::TimedOut {
                limit: wishes.limit_text.clone(),
                rejected_requests: turned_away,
                redirect_uri: Some(begun.redirect_uri),
            }
            .into());
        };
        let outcome = self.take(answer, &begun, console);
        listener.finish(&mut gate, &last_page(&outcome), LINGER);
        outcome
    }

    fn by_paste(&self, wishes: &ProviderRequest, console: &mut Console) -> Result<Session, Failure> {
        let port = wishes.ports.numbers().find(|port| *port > 0).unwrap_or(redirect::DEFAULT_PORT);
        let begun = self.begin(self.redirect_uri(wishes, port)?)?;
        let deadline = Instant::now() + wishes.limit;
        console.instruct("Log in with any browser at this address:");
        console.instruct(&format!("\n    {}\n", begun.url));
        console.instruct(&format!(
            "It ends on a page that cannot be reached. Copy that page's address, which begins with\n{}, and paste it here:",
            begun.redirect_uri
        ));
        let is_asked = io::stdin().is_terminal();
        let mut line = Line::default();
        for left in (0..PASTE_TRIES).rev() {
            let Some(text) = line.read(deadline)? else {
                return Err(OidcError::TimedOut {
                    limit: wishes.limit_text.clone(),
                    rejected_requests: PASTE_TRIES - 1 - left,
                    redirect_uri: Some(begun.redirect_uri),
                }
                .into());
            };
            let outcome = callback::query_of_pasted_url(text.expose(), &begun.redirect_uri)
                .and_then(|query| self.check_callback(query, &begun));
            match outcome {
                Err(fault) if fault.is_unrelated() && is_asked && left > 0 => {
                    console.warn("callback-rejected", &fault.to_string());
                    console.instruct("Paste the address again:");
                }
                outcome => return self.take(outcome, &begun, console),
            }
        }
        Err(PasteFault::Nothing.into())
    }

    fn by_device(&self, wishes: &ProviderRequest, console: &mut Console) -> Result<Session, Failure> {
        let ask = self.ask();
        let begun = self.provider.begin_device(&ask.scopes, &ask.parameters()?)?;
        let address = begun.verification_uri_complete.as_ref().unwrap_or(&begun.verification_uri);
        console.instruct("Log in on another device at this address:");
        console.instruct(&format!("\n    {}\n", begun.verification_uri));
        console.instruct(&format!("with the code\n\n    {}\n", escape(&begun.user_code)));
        if io::stderr().is_terminal() && !console.is_quiet() {
            for line in browser::qr_code(address, console.colors_errors()) {
                console.instruct(&line);
            }
        } else if begun.verification_uri_complete.is_some() {
            console.instruct(&format!("or at once at\n\n    {address}\n"));
        }
        // The code's own life is the limit where nobody names one: another device takes longer.
        let (limit, text) = if wishes.is_limit_named {
            (wishes.limit, wishes.limit_text.clone())
        } else {
            let seconds = i64::try_from(begun.expires_in.as_secs()).unwrap_or(i64::MAX);
            (begun.expires_in, crate::util::duration::GoDuration::from_seconds(seconds).to_string())
        };
        let tokens = device::wait(&self.provider, &begun, Instant::now() + limit, &text)?;
        self.log_in(tokens, TokenBinding::Device, console)
    }

    /// What the browser brought becomes a session.
    fn take(
        &self,
        answer: Result<AuthorizationResponse, OidcError>,
        begun: &PendingAuthorization,
        console: &mut Console,
    ) -> Result<Session, Failure> {
        let code = match answer? {
            AuthorizationResponse::Code(code) => code,
            AuthorizationResponse::Error(refusal) => {
                let redirect_uri = begun.redirect_uri.clone();
                return Err(OidcError::ErrorResponse { refusal, redirect_uri }.into());
            }
        };
        let tokens = self.provider.exchange_code(&code, &begun.redirect_uri, &begun.verifier)?;
        self.log_in(tokens, TokenBinding::Nonce(&begun.nonce), console)
    }

    /// The session of a new login, stored in the place of any other.
    fn log_in(
        &self,
        tokens: TokenResponse,
        tie: TokenBinding<'_>,
        console: &mut Console,
    ) -> Result<Session, Failure> {
        let session = self.conclude(tokens, tie, console)?;
        let path = paths::session_file(console.environment())?;
        session::SessionLock::acquire(&path)?.save(&session)?;
        Ok(session)
    }

    /// Tokens become a person, a user and a session, which is not stored yet.
    pub(super) fn conclude(
        &self,
        tokens: TokenResponse,
        tie: TokenBinding<'_>,
        console: &mut Console,
    ) -> Result<Session, Failure> {
        let plan = self.plan;
        let mut notes = Notes::new();
        let rules = IdTokenPolicy {
            role: plan.role.as_ref().map(|(config, role)| (config, role)),
            algorithms: &plan.algorithms,
            max_age: plan.params.max_age,
            cache: self.cache,
            clock: Clock::System,
        };
        let identified = id_token::identify(&self.provider, tokens, tie, &rules, &mut notes);
        console.notes(std::mem::take(&mut notes));
        let person = identified?;
        // Before anything is written: the user table, or the session of another user.
        let found = person.identity.username.as_str();
        if let Some(expected) = self.name.filter(|expected| *expected != found) {
            let (found, expected) = (found.to_owned(), expected.to_owned());
            return Err(OidcError::OtherUser { found, expected }.into());
        }
        let mut store = open_store(plan, self.settings)?;
        let settled = user_row::update_user_db(&person, plan, store.as_mut(), &mut notes);
        console.notes(notes);
        let identity = settled?;
        let row = match &store {
            Some(store) => store.find(&identity.user.username)?,
            None => None,
        };
        let most = person.login.as_ref().and_then(|login| login.session_seconds);
        let (mut session, _) = start(identity, row, most, self.settings, console)?;
        session.refresh = person.refresh_token.map(|token| RefreshGrant {
            provider: plan.entry.clone(),
            role: plan.role.as_ref().map(|(_, role)| role.name.clone()),
            subject: person.subject,
            token,
        });
        session.id_token = person.id_token;
        Ok(session)
    }
}

fn last_page(outcome: &Result<Session, Failure>) -> BrowserPage {
    match outcome {
        Ok(session) => BrowserPage::logged_in(&session.user.username),
        Err(failure) => match failure.errors().first() {
            Some(fault) => BrowserPage::failed(&fault.to_string(), fault.hint().as_deref()),
            None => BrowserPage::failed("it did not come to an end", None),
        },
    }
}

/// Lines of standard input, waited for no longer than a deadline.
#[derive(Default)]
struct Line {
    pending: zeroize::Zeroizing<Vec<u8>>,
}

impl Line {
    /// The next line; nothing when the time is up.
    fn read(&mut self, deadline: Instant) -> Result<Option<SecretText>, PasteFault> {
        let stdin = io::stdin();
        let unreadable = |error: rustix::io::Errno| {
            PasteFault::Unreadable(crate::util::file::reason(&io::Error::from(error)))
        };
        let mut buffer = zeroize::Zeroizing::new([0_u8; 4096]);
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(Some(SecretText::new(String::from_utf8_lossy(&line).into_owned())));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&timeout)) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(unreadable(error)),
            }
            match rustix::io::read(&stdin, buffer.as_mut_slice()) {
                Ok(0) if self.pending.is_empty() => return Err(PasteFault::Nothing),
                Ok(0) => self.pending.push(b'\n'),
                Ok(count) => self.pending.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(unreadable(error)),
            }
            if self.pending.len() > PASTE_LIMIT {
                return Err(PasteFault::Unreadable(format!("a line of more than {PASTE_LIMIT} bytes")));
            }
        }
    }
}
