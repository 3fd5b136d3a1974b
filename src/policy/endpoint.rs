//! The endpoints of the server and the key, algorithms and roles that each accepts.

use std::fmt;
use std::str::FromStr;

use crate::user::Role;
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::printable::PrintableText;
use crate::util::suggest::nearest;

/// An endpoint of the server, or of cc-metric-store, that accepts or rejects tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/api`: jobs, clusters, users.
    Api,
    /// `/userapi`: a user's own jobs.
    UserApi,
    /// The metric-store routes of `/api`.
    MetricStoreApi,
    /// GraphQL (`/query`) and the web pages. They accept any valid token; its roles decide what is visible.
    Query,
    /// The web configuration below `/config/`, which accepts no token.
    Config,
    /// cc-metric-store, a separate server, which cc-backend queries with the token of
    /// `metric-store-external[].token`.
    MetricStore,
    /// `/jwt-login`, a web login with a token signed with the HMAC secret.
    JwtLogin,
    /// A web login with a token in a cookie.
    CookieLogin,
}

/// The key with which an endpoint verifies a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// The server's public key (`JWT_PUBLIC_KEY`).
    Own,
    /// The HMAC secret (`CROSS_LOGIN_JWT_HS512_KEY`).
    Shared,
    /// The server's public key, or that of the trusted issuer (`CROSS_LOGIN_JWT_PUBLIC_KEY`), by `iss`.
    ByIssuer,
}

impl Endpoint {
    /// All endpoints.
    pub const ALL: [Self; 8] = [
        Self::Api,
        Self::UserApi,
        Self::MetricStoreApi,
        Self::Query,
        Self::Config,
        Self::MetricStore,
        Self::JwtLogin,
        Self::CookieLogin,
    ];

    /// Returns the name, as in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::UserApi => "user-api",
            Self::MetricStoreApi => "metric-store-api",
            Self::Query => "query",
            Self::Config => "config",
            Self::MetricStore => "metric-store",
            Self::JwtLogin => "jwt-login",
            Self::CookieLogin => "cookie-login",
        }
    }

    /// Returns the part of the server, for messages.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Api => "/api",
            Self::UserApi => "/userapi",
            Self::MetricStoreApi => "the metric-store routes of /api",
            Self::Query => "GraphQL and the web pages",
            Self::Config => "the web configuration",
            Self::MetricStore => "cc-metric-store",
            Self::JwtLogin => "/jwt-login",
            Self::CookieLogin => "the login by cookie",
        }
    }

    /// Returns the route on the server, for messages.
    #[must_use]
    pub const fn route(self) -> &'static str {
        match self {
            Self::Query => "/query",
            other => other.title(),
        }
    }

    /// Returns the accepted roles as a phrase.
    #[must_use]
    pub const fn accepted_roles(self) -> &'static str {
        match self {
            Self::Api => "the role api alone, or admin and api together",
            Self::UserApi => "the role api alone, or api with one of user, manager, support, admin",
            Self::MetricStoreApi => "the role api alone, or api with one of user, manager, admin",
            Self::Query | Self::MetricStore => "any roles, or none",
            Self::Config => "a web session with the role admin",
            Self::JwtLogin | Self::CookieLogin => "at least one role that the server knows",
        }
    }

    /// Returns whether the endpoint belongs to cc-backend and depends on its configuration.
    #[must_use]
    pub const fn is_backend(self) -> bool {
        !matches!(self, Self::MetricStore)
    }

    /// Returns the key that must verify tokens of this endpoint.
    #[must_use]
    pub const fn key_use(self) -> KeyUse {
        match self {
            Self::JwtLogin => KeyUse::Shared,
            Self::CookieLogin => KeyUse::ByIssuer,
            _ => KeyUse::Own,
        }
    }

    /// Returns the accepted values of `alg`; they are case-sensitive.
    #[must_use]
    pub const fn algorithms(self) -> &'static [&'static str] {
        match self {
            Self::JwtLogin => &["HS256", "HS512"],
            _ => &["EdDSA"],
        }
    }

    /// Returns whether the endpoint starts a web session.
    #[must_use]
    pub const fn is_login(self) -> bool {
        matches!(self, Self::JwtLogin | Self::CookieLogin)
    }

    /// Returns whether the endpoint accepts these roles, which can have duplicates and unknown names. The
    /// server counts entries: `/api` accepts `[admin, admin]` and rejects `[admin, api, api]`.
    #[must_use]
    pub fn accepts_roles(self, roles: &[&str]) -> bool {
        const ADMIN: &str = Role::Admin.name();
        const API: &str = Role::Api.name();
        let count = |expected: &[&str]| roles.iter().filter(|role| expected.contains(role)).count();
        let api_with = |others: &[&str]| match roles {
            [only] => *only == API,
            several => several.contains(&API) && count(others) > 0,
        };
        match self {
            Self::Api => match roles {
                [only] => *only == API,
                _ => count(&[ADMIN, API]) == 2,
            },
            Self::UserApi => api_with(&["user", "manager", "support", ADMIN]),
            Self::MetricStoreApi => api_with(&["user", "manager", ADMIN]),
            Self::Config => roles.contains(&ADMIN),
            Self::Query | Self::MetricStore => true,
            Self::JwtLogin | Self::CookieLogin => roles.iter().any(|role| is_session_role(role)),
        }
    }
}

/// Returns whether a login gives the session this role: a role of the server, in any case. The other
/// endpoints accept lower case only.
#[must_use]
pub fn is_session_role(role: &str) -> bool {
    Role::ALL.iter().any(|known| known.name().eq_ignore_ascii_case(role))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error for an unknown endpoint name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown endpoint {}", PrintableText::name(.0))]
pub struct EndpointError(pub String);

impl Diagnostic for EndpointError {
    fn kind(&self) -> Kind {
        Kind::EndpointUnknown
    }

    fn hint(&self) -> Option<String> {
        let names = Endpoint::ALL.map(Endpoint::name);
        let list = names.join(", ");
        Some(match nearest(&self.0, names) {
            Some(near) => format!("did you mean '{near}'? the endpoints are {list}"),
            None => format!("the endpoints are {list}"),
        })
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|endpoint| endpoint.name() == text)
            .ok_or_else(|| EndpointError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_roles_counts_entries_like_the_server() {
        let table: [(&[&str], [bool; 3]); 12] = [
            (&[], [false, false, false]),
            (&["api"], [true, true, true]),
            (&["API"], [false, false, false]),
            (&["admin", "api"], [true, true, true]),
            (&["api", "user"], [false, true, true]),
            (&["support", "api"], [false, true, false]),
            (&["admin", "admin"], [true, false, false]),
            (&["api", "api"], [true, false, false]),
            (&["admin", "api", "api"], [false, true, true]),
            (&["api", "api", "user"], [true, true, true]),
            (&["api", "wizard"], [false, false, false]),
            (&["user"], [false, false, false]),
        ];
        for (roles, expected) in table {
            let seen =
                [Endpoint::Api, Endpoint::UserApi, Endpoint::MetricStoreApi].map(|e| e.accepts_roles(roles));
            assert_eq!(seen, expected, "{roles:?}");
        }
    }

    #[test]
    fn login_requires_one_known_role() {
        assert!(Endpoint::JwtLogin.accepts_roles(&["wizard", "user"]));
        assert!(Endpoint::CookieLogin.accepts_roles(&["ADMIN"]));
        assert!(!Endpoint::JwtLogin.accepts_roles(&["wizard"]));
        assert!(!Endpoint::JwtLogin.accepts_roles(&[]));
    }

    #[test]
    fn query_endpoint_accepts_any_roles() {
        for roles in [&[][..], &["user"], &["admin"], &["wizard"], &["api", "api"]] {
            assert!(Endpoint::Query.accepts_roles(roles), "{roles:?}");
        }
        assert!(Endpoint::Query.is_backend() && !Endpoint::MetricStore.is_backend());
    }

    #[test]
    fn endpoint_parses_from_its_name() {
        for endpoint in Endpoint::ALL {
            assert_eq!(endpoint.name().parse(), Ok(endpoint));
        }
        assert!("userapi".parse::<Endpoint>().unwrap_err().hint().unwrap().contains("'user-api'"));
    }
}
