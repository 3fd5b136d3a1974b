//! The names of settings in the admin console of Keycloak, for hints. Keycloak is the provider that the handbook of
//! ClusterCockpit describes; a test compares the names with those of its console.

/// The algorithm of the signature of ID tokens, in the settings of a client.
pub const ID_TOKEN_SIGNATURE: &str = "ID token signature algorithm";

/// The algorithm that encrypts the key of ID tokens, in the settings of a client.
pub const ID_TOKEN_ENCRYPTION: &str = "ID token encryption key management algorithm";

/// The algorithm of the signature of UserInfo, in the settings of a client.
pub const USERINFO_SIGNATURE: &str = "User info signed response algorithm";

/// The algorithm that encrypts the key of UserInfo, in the settings of a client.
pub const USERINFO_ENCRYPTION: &str = "User info response encryption key management algorithm";

/// The switch for access tokens with few claims, in the settings of a client.
pub const LIGHTWEIGHT_ACCESS_TOKEN: &str = "Always use lightweight access token";

/// The switch that lets UserInfo accept such access tokens, in the settings of a client.
pub const LIGHTWEIGHT_USERINFO: &str = "Allow UserInfo with lightweight access token";

/// The switch for logins in a browser, in the settings of a client.
pub const STANDARD_FLOW: &str = "Standard flow";

/// The switch for the client credentials grant, in the settings of a client.
pub const SERVICE_ACCOUNT: &str = "Service account roles";

/// The switch for the token exchange of RFC 8693, in the settings of a client.
pub const TOKEN_EXCHANGE: &str = "Standard Token Exchange";

/// The algorithm of the signature of assertions, in the credentials of a client.
pub const CLIENT_ASSERTION_SIGNATURE: &str = "Signature algorithm";

/// The switch that rejects authorization requests in a URL, in the settings of a client.
pub const PUSHED_AUTHORIZATION: &str = "Pushed authorization request required";

/// The switch that rejects logins without PKCE, in the settings of a client.
pub const REQUIRE_PKCE: &str = "Require PKCE";

/// The switch that puts a claim into ID tokens, in the settings of a mapper.
pub const ADD_TO_ID_TOKEN: &str = "Add to ID token";

/// The switch that puts a claim into access tokens, in the settings of a mapper.
pub const ADD_TO_ACCESS_TOKEN: &str = "Add to access token";

/// The switch that puts a claim into lightweight access tokens, in the settings of a mapper.
pub const ADD_TO_LIGHTWEIGHT_ACCESS_TOKEN: &str = "Add to lightweight access token";

/// The switch that makes a claim an array, in the settings of a mapper.
pub const MULTIVALUED: &str = "Multivalued";

/// All names.
pub const ALL: [&str; 16] = [
    ID_TOKEN_SIGNATURE,
    ID_TOKEN_ENCRYPTION,
    USERINFO_SIGNATURE,
    USERINFO_ENCRYPTION,
    LIGHTWEIGHT_ACCESS_TOKEN,
    LIGHTWEIGHT_USERINFO,
    STANDARD_FLOW,
    SERVICE_ACCOUNT,
    TOKEN_EXCHANGE,
    CLIENT_ASSERTION_SIGNATURE,
    PUSHED_AUTHORIZATION,
    REQUIRE_PKCE,
    ADD_TO_ID_TOKEN,
    ADD_TO_ACCESS_TOKEN,
    ADD_TO_LIGHTWEIGHT_ACCESS_TOKEN,
    MULTIVALUED,
];
