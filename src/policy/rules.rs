//! What a decision about a token depends on besides the token: the server's settings, the key
//! that verified it, the user's row.

use crate::user::{Role, User};

/// The server's settings that a decision depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerRules {
    /// The user must be in the user table, whose roles count.
    pub validate_user: bool,
    /// The `iss` for which the cross-login key counts.
    pub trusted_issuer: Option<String>,
    /// A login adds an unknown user to the table.
    pub adds_users: bool,
    /// A login changes a known user in the table.
    pub updates_users: bool,
    /// What the login by cookie needs and does not have, each a clause such as "X is not set".
    pub cookie_login_lacks: Vec<String>,
    /// The same for `/jwt-login`.
    pub jwt_login_lacks: Vec<String>,
    /// Roles that must be there besides.
    pub required_roles: Vec<Role>,
    /// What the configuration does to every token, the gravest first.
    pub server: Vec<ServerNote>,
    /// The addresses that may use `/api`.
    pub addresses: AllowedAddresses,
    /// The address that the request comes from.
    pub client_address: Option<std::net::IpAddr>,
    /// Jobs are started and stopped over NATS, and not through `/api`.
    pub jobs_over_nats: bool,
}

/// What the configuration does to every token.
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
    /// Something else that is worth a warning.
    Warning,
}

/// One thing that the configuration does to every token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerNote {
    /// What it means.
    pub state: ServerState,
    /// Why, in one line.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// `main.api-allowed-ips`: the server compares addresses as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AllowedAddresses {
    /// Nothing is known about it: there is no configuration.
    #[default]
    Unknown,
    /// The member is missing, or its list is empty.
    Unset,
    /// The first entry is `*`.
    Any,
    /// Only these.
    Only(Vec<String>),
}

impl AllowedAddresses {
    /// The meaning of the list in the configuration.
    #[must_use]
    pub fn of(list: Option<&[String]>) -> Self {
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
    /// The owner of a key given as an option, in the place of whichever belongs there.
    Given,
}

impl Signer {
    /// What the key is called in a reason.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "JWT_PUBLIC_KEY",
            Self::CrossLogin => "CROSS_LOGIN_JWT_PUBLIC_KEY",
            Self::HmacSecret => "CROSS_LOGIN_JWT_HS512_KEY",
            Self::Given => "the given key",
        }
    }

    /// The server's setting with the key; `None` for a key given as an option.
    #[must_use]
    pub const fn setting(self) -> Option<&'static str> {
        match self {
            Self::Given => None,
            _ => Some(self.name()),
        }
    }
}

/// The row of the token's subject in the user table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account<'a> {
    /// The table was not read: there is no database, or nothing to look up.
    NotQueried,
    /// There is no such user.
    Missing,
    /// The row is malformed; the server cannot read it either.
    Invalid(&'a str),
    /// The user's record.
    Known(&'a User),
}
