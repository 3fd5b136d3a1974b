//! The fields of a role about the token that the reference server issues. They have no effect here, and
//! are checked so that a role that the reference server rejects is rejected here too.

use serde_json::{Map, Value};

use super::error::LoginRoleError;
use super::field::{Fields, is_address};
use crate::util::printable::PrintableText;

/// The names of the fields, in the order of reports.
pub(super) const FIELDS: &[&str] = &[
    "policies",
    "token_policies",
    "token_no_default_policy",
    "token_policies_template_claims",
    "num_uses",
    "token_num_uses",
    "period",
    "token_period",
    "token_strictly_bind_ip",
    "token_type",
    "callback_mode",
    "poll_interval",
    "oauth2_metadata",
    "oidc_disable_confirmation",
    "max_ttl",
    "token_max_ttl",
    "token_explicit_max_ttl",
    "bound_cidrs",
    "token_bound_cidrs",
];

/// How the result of a login at a provider reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallbackMode {
    /// The provider redirects the browser to the client.
    #[default]
    Client,
    /// The provider redirects the browser to the server, and the client polls the server.
    Direct,
    /// Device authorization (RFC 8628), and the client polls the server.
    Device,
}

impl CallbackMode {
    /// Returns the name in a role.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Direct => "direct",
            Self::Device => "device",
        }
    }
}

/// The policy with all rights, which no auth method of the reference server grants.
const ROOT: &str = "root";

/// Checks the fields and returns their values unchanged. `is_bound` is whether the role has addresses.
pub(super) fn read(fields: &mut Fields<'_>, is_bound: bool) -> Map<String, Value> {
    for name in ["token_no_default_policy", "token_policies_template_claims", "oidc_disable_confirmation"] {
        fields.boolean(name);
    }
    if fields.boolean("token_strictly_bind_ip") == Some(true) && is_bound {
        fields.conflict("token_strictly_bind_ip", "set beside token_bound_cidrs: expected one of them");
    }
    fields.integer("num_uses");
    fields.integer("poll_interval");
    fields.lifetime("period");
    let uses = fields.integer("token_num_uses").unwrap_or(0);
    if uses < 0 {
        fields.conflict("token_num_uses", format!("found {uses}, expected a number that is not negative"));
    }
    let is_periodic = fields.lifetime("token_period").is_some();
    let kind = fields.one_of("token_type", &["", "default", "service", "batch"]);
    if kind.as_deref() == Some("batch") && (uses > 0 || is_periodic) {
        fields.conflict("token_type", "batch tokens have neither token_num_uses nor token_period");
    }
    for (at, name) in fields.strings("oauth2_metadata").iter().enumerate() {
        if !["access_token", "id_token", "refresh_token"].contains(&name.as_str()) {
            let path = fields.path(&format!("oauth2_metadata[{at}]"));
            let expected = "access_token, id_token or refresh_token".to_owned();
            fields.push_error(LoginRoleError::Value {
                path,
                found: PrintableText::value(name).to_string(),
                expected,
            });
        }
    }
    FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), fields.get(name)?.clone()))).collect()
}

/// Reads how the result of a login at a provider reaches the client.
pub(super) fn callback_mode(fields: &mut Fields<'_>) -> CallbackMode {
    let modes = [CallbackMode::Client, CallbackMode::Direct, CallbackMode::Device];
    let name = fields.one_of("callback_mode", &modes.map(CallbackMode::name));
    modes.into_iter().find(|mode| name.as_deref() == Some(mode.name())).unwrap_or_default()
}

/// Reads the policies. `policies` counts only if `token_policies` is missing.
pub(super) fn policies(fields: &mut Fields<'_>) -> Vec<String> {
    let (old, new) = (fields.strings("policies"), fields.strings("token_policies"));
    let (name, counted) = if fields.get_or_null("token_policies").is_some() {
        ("token_policies", new)
    } else {
        ("policies", old)
    };
    if counted.iter().any(|policy| policy.eq_ignore_ascii_case(ROOT)) {
        fields.conflict(
            name,
            "the policy 'root' is never issued at a login: the reference server rejects every login",
        );
    }
    counted
}

/// Reads the addresses from which a login is accepted. `bound_cidrs` counts only if `token_bound_cidrs` is
/// missing.
pub(super) fn addresses(fields: &mut Fields<'_>) -> Vec<String> {
    let (old, new) = (fields.strings("bound_cidrs"), fields.strings("token_bound_cidrs"));
    let (name, counted) = if fields.get_or_null("token_bound_cidrs").is_some() {
        ("token_bound_cidrs", new)
    } else {
        ("bound_cidrs", old)
    };
    for (at, address) in counted.iter().enumerate().filter(|(_, address)| !is_address(address)) {
        let path = fields.path(&format!("{name}[{at}]"));
        let expected = "an address or a network, such as 192.0.2.0/24".to_owned();
        let found = PrintableText::value(address).to_string();
        fields.push_error(LoginRoleError::Value { path, found, expected });
    }
    counted
}
