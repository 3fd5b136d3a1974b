//! Leader election by a Lease, for more than one replica.
//!
//! Whether another holder's Lease expired is measured on this process's monotonic clock, from the moment at
//! which a change of the Lease was last seen: the clocks of two nodes may differ.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::MANAGER;
use crate::log::{self, Level};

/// Another replica takes over after so long without a renewal.
const DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for so long stops: earlier than another one starts. Measured from the moment before
/// the request: the answer can be late, and the others count from when the API server has the change.
const RENEW_LIMIT: Duration = Duration::from_secs(10);
/// An attempt to become the leader that takes longer is repeated: the Lease would not last long.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(5);
/// Between two attempts.
const RETRY: Duration = Duration::from_secs(2);

/// The Lease of all replicas.
pub struct Election {
    leases: Api<Lease>,
    /// The name of this replica.
    identity: String,
}

impl Election {
    /// An election in the namespace of the account.
    pub fn new(client: &Client, identity: String) -> Self {
        Self { leases: Api::default_namespaced(client.clone()), identity }
    }

    /// Waits until this replica is the leader, and returns since when: the moment before the request.
    pub async fn acquire(&self) -> Instant {
        let mut seen: Option<(String, Instant)> = None;
        loop {
            let begin = Instant::now();
            match timeout(ACQUIRE_LIMIT, self.try_acquire(&mut seen)).await {
                Ok(Ok(true)) => return begin,
                Ok(Ok(false)) => {}
                Ok(Err(kube::Error::Api(answer))) if answer.code == 409 => {}
                Ok(Err(error)) => log::line(Level::Warning, "lease-error", &log::api_error(&error)),
                Err(_) => log::line(Level::Warning, "lease-error", "the API server does not respond"),
            }
            sleep(RETRY).await;
        }
    }

    async fn try_acquire(&self, seen: &mut Option<(String, Instant)>) -> Result<bool, kube::Error> {
        let Some(lease) = self.leases.get_opt(MANAGER).await? else {
            let lease = Lease {
                metadata: ObjectMeta { name: Some(MANAGER.to_owned()), ..ObjectMeta::default() },
                spec: Some(self.spec()),
            };
            self.leases.create(&PostParams::default(), &lease).await?;
            return Ok(true);
        };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
        let version = lease.resource_version().unwrap_or_default();
        if seen.as_ref().is_none_or(|(known, _)| *known != version) {
            *seen = Some((version.clone(), Instant::now()));
        }
        let is_expired = seen.as_ref().is_some_and(|(_, since)| since.elapsed() > DURATION);
        if !holder.is_empty() && holder != self.identity && !is_expired {
            return Ok(false);
        }
        self.write(&version, self.spec()).await?;
        Ok(true)
    }

    /// Renews the Lease that was acquired at this moment, and returns when that failed for too long, or another
    /// replica holds it.
    pub async fn hold(&self, acquired: Instant) {
        let mut renewed = acquired;
        loop {
            sleep(RETRY).await;
            let begin = Instant::now();
            match timeout(RENEW_LIMIT.saturating_sub(renewed.elapsed()), self.renew()).await {
                Ok(Ok(true)) => renewed = begin,
                Ok(Ok(false)) => return,
                Ok(Err(error)) => log::line(Level::Warning, "lease-error", &log::api_error(&error)),
                Err(_) => {}
            }
            if renewed.elapsed() >= RENEW_LIMIT {
                return;
            }
        }
    }

    async fn renew(&self) -> Result<bool, kube::Error> {
        self.replace(self.spec()).await
    }

    /// Writes the Lease if this replica holds it. False where it does not.
    async fn replace(&self, spec: LeaseSpec) -> Result<bool, kube::Error> {
        let lease = self.leases.get(MANAGER).await?;
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
        if holder.as_deref() != Some(self.identity.as_str()) {
            return Ok(false);
        }
        self.write(&lease.resource_version().unwrap_or_default(), spec).await?;
        Ok(true)
    }

    /// Gives the Lease back, so that another replica takes over at once.
    pub async fn release(&self) {
        let spec = LeaseSpec { holder_identity: Some(String::new()), ..self.spec() };
        if let Ok(Err(error)) = timeout(RETRY, self.replace(spec)).await {
            log::line(Level::Warning, "lease-error", &log::api_error(&error));
        }
    }

    /// Writes the Lease if it has not changed since it was read.
    async fn write(&self, version: &str, spec: LeaseSpec) -> Result<(), kube::Error> {
        let body = json!({"metadata": {"resourceVersion": version}, "spec": spec});
        self.leases.patch(MANAGER, &PatchParams::default(), &Patch::Merge(body)).await.map(drop)
    }

    fn spec(&self) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            renew_time: Some(MicroTime(jiff::Timestamp::now())),
            ..LeaseSpec::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use futures::future::BoxFuture;
    use http::{Method, Request, Response};
    use kube::client::Body;
    use serde_json::Value;
    use tower::Service;

    use super::*;

    /// An API server with one Lease.
    #[derive(Clone)]
    struct Server {
        holder: &'static str,
        /// How long the answer to the first write takes. Later requests are not answered.
        delay: Duration,
        written: Arc<Mutex<Option<Instant>>>,
    }

    impl Service<Request<Body>> for Server {
        type Response = Response<Body>;
        type Error = kube::Error;
        type Future = BoxFuture<'static, Result<Response<Body>, kube::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            let server = self.clone();
            Box::pin(async move {
                let has_written = server.written.lock().unwrap().is_some();
                if has_written {
                    std::future::pending::<()>().await;
                }
                if request.method() != Method::GET {
                    *server.written.lock().unwrap() = Some(Instant::now());
                    sleep(server.delay).await;
                }
                let lease: Value = json!({
                    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                    "metadata": {"name": MANAGER, "resourceVersion": "7"}, "spec": {"holderIdentity": server.holder},
                });
                Ok(Response::new(Body::from(lease.to_string().into_bytes())))
            })
        }
    }

    fn election(server: &Server) -> Election {
        Election::new(&Client::new(server.clone(), "a"), "me".to_owned())
    }

    /// The others count from the write, and start when the Lease expired.
    #[tokio::test(start_paused = true)]
    async fn leader_whose_renewal_is_answered_late_ends_before_its_lease() {
        for seconds in 0..=8 {
            let server =
                Server { holder: "me", delay: Duration::from_secs(seconds), written: Arc::default() };
            election(&server).hold(Instant::now()).await;
            let written = server.written.lock().unwrap().unwrap();
            assert!(written.elapsed() <= RENEW_LIMIT, "{seconds}: {:?} after the write", written.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lease_of_another_replica_is_not_released() {
        for (holder, is_written) in [("me", true), ("other", false), ("", false)] {
            let server = Server { holder, delay: Duration::ZERO, written: Arc::default() };
            election(&server).release().await;
            assert_eq!(server.written.lock().unwrap().is_some(), is_written, "{holder}");
        }
    }
}
