//! Whether the API server has the definition of the resource, with the scope that the operator expects.

use kube::Client;

use crate::log::{self, Level};

/// Logs that the definition is missing, or has the scope of another operator. Discovery needs no right. A server
/// that does not answer is reported by the watches.
pub async fn check(client: &Client) {
    match client.list_api_group_resources("tokens.osg-htc.org/v1").await {
        Ok(list) => {
            if list.resources.iter().any(|resource| resource.name == "jwts" && !resource.namespaced) {
                log::line(
                    Level::Error,
                    "definition-scope",
                    "the definition of JWT has cluster scope, expected namespace scope: run 'cc-jwt-operator adopt' as \
                     a cluster administrator",
                );
            }
        }
        Err(kube::Error::Api(answer)) if answer.code == 404 => log::line(
            Level::Error,
            "definition-missing",
            "the definition of JWT does not exist: run 'cc-jwt-operator crd | kubectl apply --server-side -f -' as a \
             cluster administrator",
        ),
        Err(_) => {}
    }
}
