//! A running server, and its clock.

use super::finding::{Area, Findings, SourceFindings};
use super::{DoctorClocks, DoctorRequest, RunningServer};
use crate::clustercockpit::request_clusters;
use crate::http::{Client, parse_url};
use crate::token::inspect;
use crate::util::quote::escape;
use crate::util::time::{Timestamp, human_span};

/// The difference between two clocks that causes a warning, in seconds. Times of tokens have a tolerance of a
/// minute at most.
const CLOCK_DIFFERENCE: u64 = 30;

/// Sends a request to the running server, with the token if there is one.
pub(super) fn examine(request: &DoctorRequest, clocks: DoctorClocks<'_>, findings: &mut Findings) {
    let Some(server) = &request.server else {
        return findings.of(Area::Server, "--server URL").skip("server", "--server is not set");
    };
    let mut of_server = findings.of(Area::Server, escape(&server.url));
    if request.offline {
        return of_server.skip("server", "not checked with --offline");
    }
    examine_server(request, server, clocks, &mut of_server);
}

fn examine_server(
    request: &DoctorRequest,
    server: &RunningServer,
    clocks: DoctorClocks<'_>,
    findings: &mut SourceFindings<'_>,
) {
    let url = match parse_url(&server.url) {
        Ok(url) => url,
        Err(error) => return findings.error(&error),
    };
    let client = match Client::new(request.http.clone()) {
        Ok(client) => client,
        Err(error) => return findings.error(&error),
    };
    // Another secret in the file must not be sent.
    if let Some(error) = server.token.as_ref().and_then(|token| inspect(token.expose()).refusal) {
        return findings.error(&error);
    }
    let answer = match request_clusters(&client, &url, server.token.as_ref()) {
        Ok(answer) => answer,
        Err(error) => return findings.error(&error),
    };
    check_clock(answer.date(), clocks.now(), findings);
    match (answer.status(), server.token.is_some()) {
        (200, true) => findings.pass("server", "the server accepts the token at the REST interface"),
        (401 | 403, false) => {
            findings.pass("server", "the server responds, and rejects a request without a token");
        }
        (200, false) => findings.fail(
            "authentication-off",
            "the server accepts a request without a token at the REST interface",
            Some("set main.disable-authentication to false".to_owned()),
        ),
        (401 | 403, true) => findings.fail(
            "server-token",
            format!("the server rejects the token: {}", escape(&answer.to_error().to_string())),
            Some("cc-jwt verify --endpoint api --token-file FILE".to_owned()),
        ),
        _ => findings.error(&answer.to_error()),
    }
}

/// Compares the time of an answer with that of this computer.
pub(super) fn check_clock(date: Option<Timestamp>, now: Timestamp, findings: &mut SourceFindings<'_>) {
    let Some(date) = date else { return };
    let difference = date.since(now);
    let span = human_span(difference.unsigned_abs());
    if difference.unsigned_abs() <= CLOCK_DIFFERENCE {
        findings.pass("clock", format!("the clocks differ by {} s", difference.unsigned_abs()));
    } else {
        let side = if difference > 0 { "ahead of" } else { "behind" };
        findings.warn(
            "clock",
            format!("the clock of the server is {span} {side} the local clock: tokens can be rejected as expired or not yet valid"),
            Some("synchronize both clocks, for example with 'chronyc makestep'".to_owned()),
        );
    }
}
