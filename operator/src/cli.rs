//! The command line.

use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cc_auth::cli::failure::UsageError;
use cc_auth::cli::usage;
use cc_auth::util::count::counted;
use cc_auth::util::diagnostic::Diagnostic as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use kube::client::ClientBuilder;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::adopt::{self, AdoptRequest, Adopted};
use crate::attempts::random;
use crate::controller::{self, Health, Namespaces};
use crate::definition;
use crate::events::Events;
use crate::lease::Election;
use crate::log::{self, Level};
use crate::manifests::{self, ManifestRequest};
use crate::metrics::Metrics;
use crate::once;
use crate::probes;
use crate::reconcile::Context;
use crate::rights;
use crate::traffic::TrafficLayer;

/// The custom resource definition.
const DEFINITION: &str = include_str!("../manifests/crd.yaml");
/// The image that the manifests name.
pub const DEFAULT_IMAGE: &str = concat!("cc-jwt-operator:", env!("CARGO_PKG_VERSION"));
/// How long a connection to the API server may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Sign the token of each JWT resource, write it to a Secret and renew it
///
/// The access to the API server comes from the pod's service account, or from the file that KUBECONFIG names.
#[derive(Debug, Parser)]
#[command(version, name = "cc-jwt-operator", args_conflicts_with_subcommands = true)]
struct Args {
    /// Namespaces to watch [default: the operator's own]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', env = "WATCH_NAMESPACES")]
    watch_namespaces: Vec<String>,
    /// Watch all namespaces; needs a ClusterRole that can read every Secret of the cluster
    #[arg(long, conflicts_with = "watch_namespaces")]
    watch_all_namespaces: bool,
    /// Do not watch Secrets and ConfigMaps: check each resource every minute instead
    #[arg(long)]
    no_watch_secrets: bool,
    /// Reconcile each resource once, then exit: 0 if all tokens are valid, 1 otherwise
    #[arg(long)]
    once: bool,
    /// Like --once, but only report what would be written
    #[arg(long)]
    dry_run: bool,
    /// Work only while holding the Lease 'cc-jwt-operator': for several replicas
    #[arg(long)]
    leader_election: bool,
    /// Address of /livez, /readyz and /metrics, such as 0.0.0.0:8080 in a pod
    #[arg(long, value_name = "ADDRESS", env = "LISTEN", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Add metrics with the namespace and name of each resource
    #[arg(long)]
    per_resource_metrics: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What is installed, and where.
#[derive(Debug, clap::Args)]
struct ManifestOptions {
    /// Namespace of the operator
    #[arg(long, value_name = "NAME", value_parser = namespace_name)]
    namespace: String,
    /// Image of the operator
    #[arg(long, value_name = "IMAGE", value_parser = image_name, default_value = DEFAULT_IMAGE)]
    image: String,
    /// Namespaces to watch [default: the operator's own]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = namespace_name)]
    watch_namespaces: Vec<String>,
    /// Watch all namespaces: a ClusterRole that can read every Secret of the cluster
    #[arg(long, conflicts_with = "watch_namespaces")]
    watch_all_namespaces: bool,
    /// Grant no right to watch Secrets and ConfigMaps: each resource is checked every minute instead
    #[arg(long)]
    no_watch_secrets: bool,
    /// Run two replicas, of which one works
    #[arg(long)]
    leader_election: bool,
    /// Add metrics with the namespace and name of each resource
    #[arg(long)]
    per_resource_metrics: bool,
}

impl ManifestOptions {
    fn request(&self) -> ManifestRequest<'_> {
        ManifestRequest {
            namespace: &self.namespace,
            image: &self.image,
            watched: watched(self.watch_all_namespaces, &self.watch_namespaces, &self.namespace),
            watches_objects: !self.no_watch_secrets,
            leader_election: self.leader_election,
            per_resource_metrics: self.per_resource_metrics,
        }
    }
}

/// The watched namespaces; without an option it is the operator's own.
fn watched(all: bool, named: &[String], own: &str) -> Namespaces {
    match named {
        _ if all => Namespaces::All,
        [] => Namespaces::Named(vec![own.to_owned()]),
        names => Namespaces::Named(names.to_vec()),
    }
}

/// An IP address and a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 0.0.0.0:8080".to_owned())
}

/// The name of a namespace: a DNS label (RFC 1123).
fn namespace_name(text: &str) -> Result<String, String> {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends_fit =
        bytes.first().copied().is_some_and(is_inner) && bytes.last().copied().is_some_and(is_inner);
    if ends_fit && bytes.len() <= 63 && bytes.iter().all(|byte| is_inner(*byte) || *byte == b'-') {
        return Ok(text.to_owned());
    }
    Err("expected up to 63 lower-case letters, digits and '-', such as science".to_owned())
}

/// The name of an image, with its registry and tag.
fn image_name(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte))
    {
        return Ok(text.to_owned());
    }
    Err("expected an image, such as registry.example.org/cc-jwt-operator:0.1.0".to_owned())
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the custom resource definition
    Crd,
    /// Print the objects that install the operator, for 'kubectl apply -f -'
    Manifests(ManifestOptions),
    /// Take over the resources of another operator, with the rights of an administrator
    ///
    /// Saves the resources, and removes the finalizers and annotations of the other operator. If the definition
    /// is cluster-scoped, replaces it and creates the resources in their namespaces; their Secrets stay.
    Adopt {
        /// Only report what would change
        #[arg(long)]
        dry_run: bool,
        /// Namespace of cluster-scoped resources that have neither a Secret nor a key in a namespace
        #[arg(long, value_name = "NAME")]
        namespace: Option<String>,
        /// File to save the resources in; it must not exist
        #[arg(long, value_name = "FILE", required_unless_present = "dry_run")]
        save: Option<PathBuf>,
    },
}

/// The arguments, for the man page and the completion scripts.
#[cfg(test)]
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let args = match Args::try_parse_from(&arguments) {
        Ok(args) => args,
        // Help and version.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => return usage_error(&usage::describe(&error, Args::command(), &arguments)),
    };
    match &args.command {
        Some(Command::Crd) => return print(DEFINITION),
        Some(Command::Manifests(options)) => {
            return match manifests::as_yaml(&options.request()) {
                Ok(text) => print(&text),
                Err(why) => failure("manifests-failed", &why),
            };
        }
        Some(Command::Adopt { .. }) | None => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let status = runtime.block_on(run(args));
            runtime.shutdown_background();
            status
        }
        Err(error) => failure("start-failed", &format!("cannot start a thread: {error}")),
    }
}

/// Prints an error of the arguments for the person who typed them, not as a line of the log.
fn usage_error(error: &UsageError) -> ExitCode {
    let hint = error.hint().map_or_else(String::new, |hint| format!("hint: {hint}\n"));
    let _ = write!(std::io::stderr().lock(), "{}: {error}\n{hint}", crate::MANAGER);
    ExitCode::from(2)
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure("write-failed", &format!("cannot write to standard output: {error}")),
    }
}

fn failure(event: &str, message: &str) -> ExitCode {
    log::line(Level::Error, event, message);
    ExitCode::from(2)
}

async fn run(args: Args) -> ExitCode {
    let metrics = Arc::new(Metrics::default());
    let client = match client(&metrics).await {
        Ok(client) => client,
        Err(why) => return failure("config-invalid", &why),
    };
    if let Some(Command::Adopt { dry_run, namespace, save }) = args.command {
        return adopt(&client, dry_run, namespace.as_deref(), &save.unwrap_or_default()).await;
    }
    let namespaces = watched(args.watch_all_namespaces, &args.watch_namespaces, client.default_namespace());
    let instance = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    let instance = instance.unwrap_or_else(|| crate::MANAGER.to_owned());
    let context = Context {
        events: Events { client: client.clone(), instance: instance.clone() },
        attempts: Arc::default(),
        metrics: Arc::clone(&metrics),
        dry_run: args.dry_run,
        client: client.clone(),
    };
    if args.once || args.dry_run {
        return match once::run(&context, &namespaces).await {
            Ok(pass) => {
                let message =
                    format!("{}, {} without a valid token", counted(pass.resources, "resource"), pass.failed);
                log::line(Level::Info, "pass-complete", &message);
                if pass.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
            }
            Err(error) => failure("list-failed", &log::api_error(&error)),
        };
    }
    let health = Arc::new(Health::new(metrics, args.per_resource_metrics));
    if let Some(address) = args.listen {
        match probes::bind(address).await {
            Ok(listener) => {
                let address =
                    listener.local_addr().map_or_else(|_| address.to_string(), |local| local.to_string());
                log::line(Level::Info, "listening", &address);
                tokio::spawn(probes::serve(listener, Arc::clone(&health)));
            }
            Err(error) => return failure("listen-failed", &format!("cannot listen on {address}: {error}")),
        }
    }
    let stop = match stop_signal() {
        Ok(stop) => stop,
        Err(error) => return failure("start-failed", &format!("cannot wait for signals: {error}")),
    };
    let scope = match &namespaces {
        Namespaces::All => "all namespaces".to_owned(),
        Namespaces::Named(names) => format!("namespaces: {}", names.join(", ")),
    };
    log::line(Level::Info, "started", &format!("version {}; {scope}", env!("CARGO_PKG_VERSION")));
    let watches_objects = !args.no_watch_secrets;
    tokio::spawn({
        let (client, namespaces) = (client.clone(), namespaces.clone());
        async move {
            rights::check(&client, &namespaces, watches_objects, args.leader_election).await;
            definition::check(&client).await;
        }
    });
    let work = controller::run(context, &namespaces, watches_objects, Arc::clone(&health), stop.clone());
    if !args.leader_election {
        work.await;
        log::line(Level::Info, "stopped", "");
        return ExitCode::SUCCESS;
    }
    // Waiting to become the leader is not a reason to be restarted.
    health.set_ready();
    let election = Election::new(&client, format!("{instance}-{:04x}{:04x}", random(), random()));
    let acquired = tokio::select! {
        acquired = election.acquire() => acquired,
        () = controller::stopped(stop) => return ExitCode::SUCCESS,
    };
    log::line(Level::Info, "leader", "this replica is the leader");
    tokio::select! {
        () = work => {
            election.release().await;
            log::line(Level::Info, "stopped", "");
            ExitCode::SUCCESS
        }
        () = election.hold(acquired) => failure("leader-lost", "another replica can be the leader: stopping at once"),
    }
}

async fn adopt(client: &Client, dry_run: bool, namespace: Option<&str>, save: &Path) -> ExitCode {
    let request = AdoptRequest { dry_run, namespace, save, definition: DEFINITION };
    match adopt::run(client, &request).await {
        Ok(Adopted { resources, failed }) => {
            let done = if dry_run { "nothing changed" } else { "complete" };
            log::line(
                Level::Info,
                "adopt-complete",
                &format!("{done}; {}, {failed} not restored", counted(resources, "resource")),
            );
            if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => failure("adopt-failed", &error.to_string()),
    }
}

async fn client(metrics: &Arc<Metrics>) -> Result<Client, String> {
    let mut config = Config::infer().await.map_err(|error| {
        format!("cannot find the API server: {error}: run in a pod with a service account, or set KUBECONFIG")
    })?;
    config.connect_timeout = Some(CONNECT_LIMIT);
    let builder = ClientBuilder::try_from(config).map_err(|error| log::api_error(&error))?;
    Ok(builder.with_layer(&TrafficLayer(Arc::clone(metrics))).build())
}

/// Becomes true at SIGTERM or SIGINT.
fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = sender.send(true);
        // The receivers read the value even after this task ends only while the sender lives.
        std::future::pending::<()>().await;
    });
    Ok(receiver)
}
