//! The URLs of requests, and the texts of answers.

use url::Url;

use super::error::ServerError;
use crate::http::{HttpError, Response, display_url};
use crate::util::json;

/// The maximum number of characters of a server's reason in a message.
const TEXT_CHARS: usize = 160;

/// A URL below that of the server, which may have a path.
pub(super) fn url_below(server: &Url, path: &str) -> Result<Url, ServerError> {
    let mut base = server.clone();
    base.set_query(None);
    base.set_fragment(None);
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", server.path()));
    }
    base.join(path)
        .map_err(|error| HttpError::InvalidUrl { url: display_url(server), why: error.to_string() }.into())
}

/// The text of a response that is not a web page.
pub(super) fn error_text(answer: &Response) -> String {
    match answer.to_error() {
        HttpError::ErrorStatus { text, .. } => text,
        _ => String::new(),
    }
}

/// The reason in the answer to a rejected change: the member `error` of a JSON object, else the text.
pub(super) fn rejection_text(answer: &Response) -> String {
    #[derive(serde::Deserialize)]
    struct Rejection {
        error: String,
    }
    match json::typed::<Rejection>(answer.body()) {
        Ok(rejection) => rejection.error.chars().take(TEXT_CHARS).collect(),
        Err(_) => error_text(answer),
    }
}
