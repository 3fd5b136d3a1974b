//! Key sets over HTTP (RFC 7517 section 5).

use url::Url;

use super::http::{Client, HttpError};

/// Fetches the text of a key set; what is in it is for [`crate::key`] to judge.
///
/// # Errors
/// [`HttpError`]; an answer that is no JSON object with a list `keys` is [`HttpError::NotJson`].
pub fn fetch(client: &Client, url: &Url) -> Result<String, HttpError> {
    #[derive(serde::Deserialize)]
    struct Shape {
        #[serde(rename = "keys")]
        _keys: Vec<serde::de::IgnoredAny>,
    }
    let accept = "application/jwk-set+json, application/json";
    let answer = client.get(url, &[("accept", accept)])?.success()?;
    answer.json::<Shape>()?;
    // It was read as JSON, so it is UTF-8.
    Ok(String::from_utf8_lossy(answer.body()).into_owned())
}
