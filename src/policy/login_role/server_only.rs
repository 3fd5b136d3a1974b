//! The settings of a login role whose effect only the server knows.

use super::role::LoginRole;
use crate::util::quote::quote;

/// A setting of a role that cannot be checked without the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOnly {
    /// The name of the field.
    pub setting: &'static str,
    /// What only the server knows.
    pub reason: String,
    /// Whether the server can reject a login because of it. Otherwise it concerns the token that it issues.
    pub can_reject: bool,
}

/// Returns the settings of a role whose effect only the server knows: the client's address, and the
/// policies.
///
/// ```
/// use cc_auth::policy::login_role::{LoginRole, server_only};
/// use serde_json::json;
/// let role = json!({"role_type": "jwt", "user_claim": "sub", "token_bound_cidrs": ["192.0.2.0/24"]});
/// let unknown = server_only(&LoginRole::read("demo", &role).unwrap());
/// assert_eq!(unknown[0].setting, "token_bound_cidrs");
/// assert_eq!(unknown[0].reason, "the server accepts a login only from '192.0.2.0/24'");
/// ```
#[must_use]
pub fn server_only(role: &LoginRole) -> Vec<ServerOnly> {
    let mut unknown = Vec::new();
    if !role.bound_cidrs.is_empty() {
        unknown.push(ServerOnly {
            setting: "token_bound_cidrs",
            reason: format!("the server accepts a login only from {}", listed(&role.bound_cidrs)),
            can_reject: true,
        });
    }
    if role.policies.is_empty() {
        return unknown;
    }
    let policies = listed(&role.policies);
    unknown.push(if role.has_policy_templates {
        ServerOnly {
            setting: "token_policies_template_claims",
            reason: format!("the server makes the names of the policies from the claims: {policies}"),
            can_reject: true,
        }
    } else {
        ServerOnly {
            setting: "token_policies",
            reason: format!("the server has the content of the policies: {policies}"),
            can_reject: false,
        }
    });
    unknown
}

fn listed(values: &[String]) -> String {
    let mut shown: Vec<String> = values.iter().take(5).map(|value| quote(value)).collect();
    if values.len() > shown.len() {
        shown.push(format!("{} more", values.len() - shown.len()));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn policies_with_templates_can_reject_a_login_and_others_cannot() {
        for (is_template, setting) in [(false, "token_policies"), (true, "token_policies_template_claims")] {
            let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_subject": "x",
                              "policies": "{{.sub}}", "token_policies_template_claims": is_template});
            let unknown = server_only(&LoginRole::read("r", &role).unwrap());
            assert_eq!((unknown[0].setting, unknown[0].can_reject), (setting, is_template));
        }
    }
}
