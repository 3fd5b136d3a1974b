//! A request that changes nothing, to see whether a server accepts a token.

use url::Url;
use zeroize::Zeroizing;

use super::error::ServerError;
use super::request::url_below;
use crate::http::{Client, Response};
use crate::util::secret::SecretText;

/// Requests the clusters from the REST interface: the smallest answer that needs a token. Returns the answer
/// with any status.
///
/// # Errors
/// [`ServerError`] if there is no answer, or the URL is not permitted.
pub fn request_clusters(
    client: &Client,
    server: &Url,
    token: Option<&SecretText>,
) -> Result<Response, ServerError> {
    client.check(server)?;
    let url = url_below(server, "api/clusters/")?;
    let credentials = token.map(|token| Zeroizing::new(format!("Bearer {}", token.expose())));
    let mut headers = vec![("accept", "application/json")];
    if let Some(text) = &credentials {
        headers.push(("authorization", text.as_str()));
    }
    Ok(client.get(&url, &headers)?)
}
