//! The OpenID providers.

use super::finding::{Area, Findings, SourceFindings};
use super::server::check_clock;
use super::{DoctorClocks, DoctorRequest};
use crate::config::{OidcProvider, Settings};
use crate::http::{Client, HttpOptions};
use crate::key::{Algorithm, KeySet, KeyStrength};
use crate::login::oidc::provider_config::{ProviderParameters, resolve};
use crate::oidc::discovery::{self, Discovery, ProviderEndpoint};
use crate::util::count::counted;
use crate::util::diagnostic::Diagnostic;
use crate::util::note::Notes;
use crate::util::quote::escape;

/// Checks the discovery document and the keys of each provider.
pub(super) fn examine(
    request: &DoctorRequest,
    settings: &Settings,
    clocks: DoctorClocks<'_>,
    findings: &mut Findings,
) {
    let entries: Vec<&OidcProvider> = settings.oidc.iter().filter(|entry| entry.provider.is_some()).collect();
    if entries.is_empty() {
        return findings.of(Area::Openid, "auth.oidc").skip("openid", "no OpenID provider is configured");
    }
    for entry in entries {
        let mut of_provider = findings.of(Area::Openid, escape(&entry.key));
        if request.offline {
            of_provider.skip("openid", "not checked with --offline");
        } else if let Err(error) = examine_provider(request, settings, entry, clocks, &mut of_provider) {
            of_provider.error(error.as_ref());
        }
    }
}

fn examine_provider(
    request: &DoctorRequest,
    settings: &Settings,
    entry: &OidcProvider,
    clocks: DoctorClocks<'_>,
    findings: &mut SourceFindings<'_>,
) -> Result<(), Box<dyn Diagnostic>> {
    let parameters = ProviderParameters {
        entry: Some(entry.name.clone()),
        ca_file: request.ca_file.clone(),
        ..ProviderParameters::default()
    };
    let mut notes = Notes::new();
    let config = resolve(settings, &parameters, &mut notes);
    findings.notes(notes);
    let config = config.map_err(boxed)?;
    let http = HttpOptions { trust: config.http.trust.clone(), ..request.http.clone() };
    let client = Client::new(http).map_err(boxed)?;
    let url = discovery::document_url(&config.issuer).map_err(boxed)?;
    let answer = client
        .get_document(&url, "application/json")
        .and_then(crate::http::Response::success)
        .map_err(boxed)?;
    check_clock(answer.date(), clocks.now(), findings);
    let document = discovery::read(answer.json().map_err(boxed)?, &url).map_err(boxed)?;
    document.check(&config.issuer).map_err(boxed)?;
    findings.pass("openid-discovery", format!("the provider has the issuer {}", escape(&config.issuer)));
    for endpoint in [ProviderEndpoint::Authorization, ProviderEndpoint::Token] {
        document.need(endpoint, &client).map_err(boxed)?;
    }
    check_algorithms(&document, &config.algorithms, findings);
    let keys_url = document.need(ProviderEndpoint::Keys, &client).map_err(boxed)?;
    let answer = client
        .get_document(&keys_url, "application/json")
        .and_then(crate::http::Response::success)
        .map_err(boxed)?;
    let text = answer.json_text().map_err(boxed)?;
    let keys = KeySet::from_json(&text, KeyStrength::Enforce, &mut Notes::new()).map_err(boxed)?;
    let usable = keys
        .keys()
        .iter()
        .filter(|key| key.algorithms().iter().any(|algorithm| config.algorithms.contains(algorithm)))
        .count();
    if usable == 0 {
        findings.fail(
            "openid-keys",
            "the key set of the provider does not have a usable key for ID tokens",
            Some("configure a signature with RS256 or ES256 for the client at the provider".to_owned()),
        );
    } else {
        findings.pass("openid-keys", counted(usable, "usable key"));
    }
    Ok(())
}

/// Checks that the provider signs ID tokens with an algorithm that is accepted.
fn check_algorithms(document: &Discovery, accepted: &[Algorithm], findings: &mut SourceFindings<'_>) {
    let offered = document.id_token_algorithms();
    if offered.is_empty() {
        return;
    }
    let names: Vec<&str> = accepted.iter().map(|algorithm| algorithm.name()).collect();
    if offered.iter().any(|name| names.contains(&name.as_str())) {
        findings.pass("openid-algorithms", "the provider signs with an algorithm that is accepted");
    } else {
        findings.fail(
            "openid-algorithms",
            format!(
                "the provider signs with {}, expected one of {}",
                escape(&offered.join(", ")),
                names.join(", ")
            ),
            Some("configure a signature with RS256 or ES256 for the client at the provider".to_owned()),
        );
    }
}

fn boxed(error: impl Diagnostic) -> Box<dyn Diagnostic> {
    Box::new(error)
}
