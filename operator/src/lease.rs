//! Leader election by a Lease, for more than one replica.
//!
//! Whether another holder's Lease expired is measured on this process's monotonic clock, from the moment at
//! which a change of the Lease was last seen: the clocks of two nodes may differ.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::MANAGER;
use crate::log::{self, Level};

/// Another replica takes over after so long without a renewal.
const DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for so long stops: earlier than another one starts.
const RENEW_LIMIT: Duration = Duration::from_secs(10);
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

    /// Waits until this replica is the leader.
    pub async fn acquire(&self) {
        let mut seen: Option<(String, Instant)> = None;
        loop {
            match self.try_acquire(&mut seen).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(kube::Error::Api(answer)) if answer.code == 409 => {}
                Err(error) => log::line(Level::Warning, "lease-error", &log::api_error(&error)),
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

    /// Renews the Lease and returns when that failed for too long, or another replica holds it.
    pub async fn hold(&self) {
        let mut renewed = Instant::now();
        loop {
            sleep(RETRY).await;
            match timeout(RENEW_LIMIT.saturating_sub(renewed.elapsed()), self.renew()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
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
        let lease = self.leases.get(MANAGER).await?;
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
        if holder.as_deref() != Some(self.identity.as_str()) {
            return Ok(false);
        }
        self.write(&lease.resource_version().unwrap_or_default(), self.spec()).await?;
        Ok(true)
    }

    /// Gives the Lease back, so that another replica takes over at once.
    pub async fn release(&self) {
        let released = async {
            let lease = self.leases.get(MANAGER).await?;
            let spec = LeaseSpec { holder_identity: Some(String::new()), ..self.spec() };
            self.write(&lease.resource_version().unwrap_or_default(), spec).await
        };
        if let Ok(Err(error)) = timeout(RETRY, released).await {
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
