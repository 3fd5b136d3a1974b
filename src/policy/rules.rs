//! The input of a decision beside the token: the server's settings, the owner of the key, the user's row.

use crate::user::{Role, User};

/// The server's settings that a decision depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerRules {
    /// Whether the user must be in the user table (`auth.jwts.validate-user`); the roles there then
    /// replace those of the token.
    pub validate_user: bool,
    /// The `iss` of tokens that the cross-login key verifies.
    pub trusted_issuer: Option<String>,
    /// Whether a login adds an unknown user to the table.
    pub adds_users: bool,
    /// Whether a login changes a known user in the table.
    pub updates_users: bool,
    /// The settings that the login by cookie needs and does not have, each a clause such as "X is not set".
    pub cookie_login_missing: Vec<String>,
    /// The settings that `/jwt-login` needs and does not have.
    pub jwt_login_missing: Vec<String>,
    /// Roles that the user must have in addition to those of the endpoint.
    pub required_roles: Vec<Role>,
    /// The effects of the configuration on every token, the most severe first.
    pub server: Vec<ServerNote>,
    /// The client addresses that `/api` accepts.
    pub addresses: AllowedAddresses,
    /// The address of the client.
    pub client_address: Option<std::net::IpAddr>,
    /// Whether jobs are started and stopped over NATS only (`main.api-subjects`).
    pub jobs_over_nats: bool,
}

/// The effect of a configuration on every token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// The server does not start.
    NoStart,
    /// The server accepts no token and no login by token.
    NoTokens,
    /// The server accepts no token that its own key pair signed.
    NoOwnTokens,
    /// The server does not check tokens.
    NoAuthentication,
    /// The server works; the configuration causes a warning.
    Warning,
}

/// A part of the configuration that affects every token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerNote {
    /// The effect.
    pub state: ServerState,
    /// The reason, in one line.
    pub reason: String,
    /// How to correct it.
    pub hint: Option<String>,
}

/// The value of `main.api-allowed-ips`. The server compares addresses as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AllowedAddresses {
    /// There is no configuration.
    #[default]
    Unknown,
    /// The member is missing, or its list is empty.
    Unset,
    /// The first entry is `*`.
    Any,
    /// Only these addresses.
    Only(Vec<String>),
}

impl AllowedAddresses {
    /// Converts the list in the configuration; `None` is a missing member.
    #[must_use]
    pub fn from_setting(list: Option<&[String]>) -> Self {
        match list {
            None | Some([]) => Self::Unset,
            Some([first, ..]) if first == "*" => Self::Any,
            Some(list) => Self::Only(list.to_vec()),
        }
    }
}

/// The owner of the key that verified a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The server: `JWT_PUBLIC_KEY`.
    Own,
    /// The trusted issuer: `CROSS_LOGIN_JWT_PUBLIC_KEY`.
    CrossLogin,
    /// All who share the HMAC secret: `CROSS_LOGIN_JWT_HS512_KEY`.
    HmacSecret,
    /// The owner of a key given as an option, which replaces every key of the server.
    Given,
}

impl Signer {
    /// Returns the name of the key for a reason.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "JWT_PUBLIC_KEY",
            Self::CrossLogin => "CROSS_LOGIN_JWT_PUBLIC_KEY",
            Self::HmacSecret => "CROSS_LOGIN_JWT_HS512_KEY",
            Self::Given => "the given key",
        }
    }

    /// Returns the server's setting with the key; `None` for a key given as an option.
    #[must_use]
    pub const fn setting(self) -> Option<&'static str> {
        match self {
            Self::Given => None,
            _ => Some(self.name()),
        }
    }
}

impl<'a> Account<'a> {
    /// Creates the account of a record, with the roles that 'cc-user enable' restores to a disabled user.
    #[must_use]
    pub fn of(user: &'a User, restored_roles: Option<&'a [String]>) -> Self {
        restored_roles.map_or(Self::Known(user), |roles| Self::Disabled(user, roles))
    }
}

/// The row of the token's subject in the user table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account<'a> {
    /// The table was not read: no database, or no subject.
    NotQueried,
    /// The table does not have the user.
    Missing,
    /// The row is malformed, with the reason; the server cannot read it either.
    Invalid(&'a str),
    /// The user's record.
    Known(&'a User),
    /// The record of a disabled user, who has no roles, and the roles that 'cc-user enable' restores.
    Disabled(&'a User, &'a [String]),
}
