//! The examination of an installation: settings, files, database, LDAP directory, Slurm, OpenID
//! providers, a running server, and the tokens in files.
//!
//! The examination only reads. It creates no file, also not beside the database, and sends no password
//! except that of the LDAP search. [`DoctorRequest::fixes_modes`] permits it to remove the access of other
//! accounts to files with secrets.
//!
//! Each finding has a state, a reason and a remedy. The functions of the other commands run the checks; this
//! module calls them and adds the checks that no other verb needs.

mod database;
mod files;
mod finding;
mod id_token;
mod ldap;
mod nats;
mod openid;
mod programs;
mod remedy;
mod server;
mod settings;
mod slurm;
mod tokens;

use std::path::PathBuf;
use std::time::Duration;

pub use finding::{Area, DoctorFinding, DoctorReport};

use finding::Findings;
use remedy::TokenRemedies;

use crate::config::Sources;
use crate::http::HttpOptions;
use crate::ldap::LdapOptions;
use crate::util::duration::GoDuration;
use crate::util::environment::Environment;
use crate::util::monotonic::MonotonicClock;
use crate::util::secret::SecretText;
use crate::util::time::{Clock, Timestamp};

/// The time before the expiry of a token or a certificate at which it causes a warning.
pub const EXPIRY_WARNING: GoDuration = GoDuration::from_seconds(14 * 86_400);

/// What is examined.
#[derive(Debug, Clone)]
pub struct DoctorRequest {
    /// The settings of the server.
    pub sources: Sources,
    /// Files and directories of other programs, which are searched for tokens and keys.
    pub paths: Vec<PathBuf>,
    /// A configuration of cc-metric-store.
    pub metric_store: Option<PathBuf>,
    /// A user whose login is explained.
    pub username: Option<String>,
    /// An ID token of a provider that is explained.
    pub id_token: Option<SecretText>,
    /// A running server.
    pub server: Option<RunningServer>,
    /// Whether no request is sent to another program.
    pub offline: bool,
    /// Whether the access of other accounts to files with secrets is removed.
    pub fixes_modes: bool,
    /// Timeout for the lock of another process that writes to the database.
    pub lock_timeout: Duration,
    /// The connections to LDAP servers.
    pub ldap: LdapOptions,
    /// The variables of the process, of which sacctmgr gets those that it needs.
    pub environment: Environment,
    /// The connections to the running server and to OpenID providers.
    pub http: HttpOptions,
    /// CA certificates for OpenID providers, instead of those of the configuration.
    pub ca_file: Option<PathBuf>,
}

/// A running server.
#[derive(Debug, Clone)]
pub struct RunningServer {
    /// The URL.
    pub url: String,
    /// A token for a request of the REST interface.
    pub token: Option<SecretText>,
}

/// The clocks of an examination.
#[derive(Clone, Copy)]
pub struct DoctorClocks<'clocks> {
    /// The time of the system.
    pub wall: Clock,
    /// The time that does not jump, for time limits.
    pub monotonic: &'clocks (dyn MonotonicClock + Sync),
}

impl DoctorClocks<'_> {
    fn now(&self) -> Timestamp {
        self.wall.now()
    }
}

/// Examines an installation. Every problem is a finding; there is no other error.
#[must_use]
pub fn examine(request: &DoctorRequest, clocks: DoctorClocks<'_>) -> DoctorReport {
    let mut findings = Findings::default();
    if request.fixes_modes {
        files::fix_settings(request, &mut findings);
    }
    let settings = settings::examine(request, &mut findings);
    let remedies = settings.as_ref().map(|settings| TokenRemedies::new(request, settings));
    programs::examine(request, settings.as_ref(), remedies.as_ref(), &mut findings);
    let tokens = match (&settings, &remedies) {
        (Some(settings), Some(remedies)) => {
            tokens::examine(request, settings, remedies, clocks, &mut findings)
        }
        _ => Vec::new(),
    };
    files::examine(request, settings.as_ref(), &tokens, &mut findings);
    database::examine(request, settings.as_ref(), &mut findings);
    if let Some(settings) = &settings {
        ldap::examine(request, settings, clocks, &mut findings);
        slurm::examine(request, settings, &mut findings);
        openid::examine(request, settings, clocks, &mut findings);
    }
    if let Some(token) = &request.id_token {
        id_token::examine(token, settings.as_ref(), &mut findings);
    }
    server::examine(request, clocks, &mut findings);
    findings.into_report()
}
