//! The check of the client's address against `main.api-allowed-ips`.

use std::net::IpAddr;

use super::rules::{AllowedAddresses, ServerRules};
use super::verdict::Verdict;
use crate::util::quote::quote;

/// Adds the check `address`: the server compares the text of the address with each entry of the list.
pub(super) fn check(verdict: &mut Verdict, rules: &ServerRules) {
    const CHECK: &str = "address";
    let list = match &rules.addresses {
        AllowedAddresses::Unknown => {
            if let Some(from) = &rules.client_address {
                let reason =
                    || format!("{} was not checked: there is no configuration", quote_address(*from));
                verdict.warn(CHECK, reason, None);
            }
            return;
        }
        AllowedAddresses::Any => {
            return verdict.pass(CHECK, || {
                let from = rules
                    .client_address
                    .as_ref()
                    .map_or_else(String::new, |from| format!("{}, ", quote_address(*from)));
                format!("{from}any (main.api-allowed-ips)")
            });
        }
        AllowedAddresses::Unset => {
            return verdict.warn(
                CHECK,
                "main.api-allowed-ips is not set: some releases of the server accept every address then, others none",
                Some("set main.api-allowed-ips to [\"*\"], or to the addresses of the clients".to_owned()),
            );
        }
        AllowedAddresses::Only(list) => list,
    };
    let shown: Vec<String> = list.iter().map(|entry| quote(entry)).collect();
    let shown = shown.join(", ");
    match &rules.client_address {
        Some(from) if from.is_ipv4() && list.contains(&from.to_string()) => {
            verdict.pass(CHECK, || format!("{} is in main.api-allowed-ips", quote_address(*from)));
        }
        Some(from) => {
            let why = if from.is_ipv6() { "; the server never matches an IPv6 address" } else { "" };
            verdict.fail(
                CHECK,
                format!("{} is not in main.api-allowed-ips ({shown}){why}", quote_address(*from)),
                None,
            );
        }
        None => verdict.warn(
            CHECK,
            || format!("accepted from {shown} only (main.api-allowed-ips)"),
            Some("check one address with --from ADDRESS".to_owned()),
        ),
    }
    let never = never_matching(list);
    if !never.is_empty() {
        verdict.warn(CHECK, || format!("{} never matches: {MATCH_RULE}", never.join(", ")), None);
    }
    verdict.warn(
        CHECK,
        "a client that reaches the server's port chooses its address itself, with the header X-Real-Ip or \
         X-Forwarded-For",
        Some("let only a proxy that sets X-Real-Ip reach the port".to_owned()),
    );
}

/// How the server compares an entry of the list.
pub const MATCH_RULE: &str =
    "the server compares text with an IPv4 address, and '*' counts only as the first entry";

/// Returns the entries of a list that no address matches, in quotes.
#[must_use]
pub fn never_matching(list: &[String]) -> Vec<String> {
    list.iter()
        .filter(|entry| entry.parse::<std::net::Ipv4Addr>().is_err())
        .map(|entry| quote(entry))
        .collect()
}

/// An address in quotes.
pub(super) fn quote_address(address: IpAddr) -> String {
    quote(&address.to_string())
}
