//! Whether the server starts and accepts tokens with the planned settings.

use crate::config::{ServerEffect, ServerFinding, ServerKeys, Settings};
use crate::util::note::Warning;
use crate::util::quote::quote_path;

/// Returns why the server does not start or accepts no token in the planned state. A reason of the present state
/// is not a change.
pub(super) fn new_failures(present: &Settings, planned: &Settings) -> Vec<Warning> {
    // The planned file has another name.
    let reason = |settings: &Settings, failure: &Warning| {
        let file = settings.config_file.as_deref().map(quote_path).unwrap_or_default();
        if file.is_empty() { failure.message.clone() } else { failure.message.replace(&file, "") }
    };
    let reasons: Vec<String> = failures(present).iter().map(|failure| reason(present, failure)).collect();
    failures(planned).into_iter().filter(|failure| !reasons.contains(&reason(planned, failure))).collect()
}

fn failures(settings: &Settings) -> Vec<Warning> {
    let failure = |ServerFinding { effect, reason, .. }| match effect {
        ServerEffect::NoStart => {
            Some(Warning::new("server-start", format!("the server does not start: {reason}")))
        }
        ServerEffect::NoTokens => {
            Some(Warning::new("server-tokens", format!("the server accepts no token: {reason}")))
        }
        ServerEffect::NoOwnTokens => {
            Some(Warning::new("server-tokens", format!("the server rejects every token: {reason}")))
        }
        ServerEffect::NoServer | ServerEffect::NoAuthentication | ServerEffect::Warning => None,
    };
    settings.server_findings(ServerKeys::Configured).into_iter().filter_map(failure).collect()
}
