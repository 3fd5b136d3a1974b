//! One pass over all resources, for `--once` and `--dry-run`.

use futures::stream::{self, StreamExt as _};
use kube::api::{Api, ListParams};

use crate::controller::Namespaces;
use crate::error::ReconcileError;
use crate::jwt::Jwt;
use crate::log::{self, Level};
use crate::reconcile::{Context, reconcile};

/// How many resources are reconciled at the same time.
const CONCURRENCY: usize = 8;
/// Resources of one list request.
const PAGE: u32 = 500;

/// How a pass ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Resources that were looked at.
    pub resources: usize,
    /// Of these, the ones with a problem or an error.
    pub failed: usize,
}

/// Reconciles each resource once.
///
/// # Errors
/// [`kube::Error`] where the resources cannot be listed.
pub async fn run(context: &Context, namespaces: &Namespaces) -> Result<Pass, kube::Error> {
    let mut pass = Pass::default();
    for api in namespaces.apis::<Jwt>(&context.client) {
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = api.list(&params).await?;
            let results: Vec<bool> = stream::iter(&page.items)
                .map(|jwt| succeeds(jwt, context))
                .buffer_unordered(CONCURRENCY)
                .collect()
                .await;
            pass.resources += results.len();
            pass.failed += results.iter().filter(|success| !**success).count();
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = ListParams::default().limit(PAGE).continue_token(&token),
                None => break,
            }
        }
    }
    Ok(pass)
}

async fn succeeds(listed: &Jwt, context: &Context) -> bool {
    let mut current = None;
    // A conflict is a change since the list: what is there now is read again.
    for _ in 0..5 {
        let jwt = current.as_ref().unwrap_or(listed);
        match reconcile(jwt, context).await {
            Ok(reconciled) => return reconciled.problem.is_none(),
            Err(ReconcileError::Gone) => return true,
            Err(ReconcileError::Conflict) => {}
            Err(error) => {
                log::resource(Level::Error, "api-error", jwt, &error.to_string());
                return false;
            }
        }
        let api: Api<Jwt> = Api::namespaced(context.client.clone(), listed.namespace());
        match api.get_opt(listed.name()).await {
            Ok(Some(jwt)) => current = Some(jwt),
            Ok(None) => return true,
            Err(error) => {
                log::resource(Level::Error, "api-error", listed, &log::api_error(&error));
                return false;
            }
        }
    }
    log::resource(Level::Error, "conflict", listed, "another program changes the Secret again and again");
    false
}
