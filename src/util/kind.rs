//! Error kinds: a stable name, an exit status and a meaning.
//!
//! Errors return a [`Kind`], and the exit status follows from it, so the same condition ends all
//! programs with the same status. `docs/errors.md` is generated from this table.

use super::status::ExitStatus;

/// Declares the kinds from one table: variant, name, exit status, meaning.
macro_rules! kinds {
    ($($variant:ident: $name:literal, $status:ident, $meaning:literal;)*) => {
        /// The kind of an error.
        ///
        /// ```
        /// use cc_auth::util::kind::Kind;
        /// assert_eq!(Kind::KeyMalformed.name(), "key-malformed");
        /// assert_eq!(Kind::KeyMalformed.status().code(), 65);
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $meaning] $variant,)*
        }

        impl Kind {
            /// All kinds, sorted by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable name, as used in JSON errors.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The exit status of a program that ends with this kind of error.
            pub const fn status(self) -> ExitStatus {
                match self {
                    $(Self::$variant => ExitStatus::$status,)*
                }
            }

            /// The meaning, without a capital letter and a final stop.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                }
            }
        }
    };
}

kinds! {
    AccountUnknown: "account-unknown", Config, "an account or group of the system does not exist";
    BearerDiscoveryNoToken: "bearer-discovery-no-token", Data, "bearer token discovery finds no token";
    BearerDiscoveryTooLong: "bearer-discovery-too-long", Data, "a discovered token file is larger than the limit";
    BearerDiscoveryUnreadable: "bearer-discovery-unreadable", NoInput, "a discovered token file cannot be read";
    BearerDiscoveryWrongOwner: "bearer-discovery-wrong-owner", NotPermitted, "a discovered token file belongs to another account";
    CaMalformed: "ca-malformed", Config, "a file of CA certificates contains no usable certificate";
    CaMissing: "ca-missing", Config, "the system has no CA certificates";
    CertificateDates: "certificate-dates", Data, "a certificate is expired or not yet valid";
    CiIdentityMalformed: "ci-identity-malformed", Data, "the identity of a CI job is not a token";
    CiIdentityMissing: "ci-identity-missing", Config, "the CI job does not have an identity, or may not request it";
    CiIdentityRejected: "ci-identity-rejected", NotPermitted, "the CI system rejects the request for an identity";
    CommandNotExecutable: "command-not-executable", NotExecutable, "a command cannot be executed";
    CommandNotFound: "command-not-found", NotFound, "a command does not exist";
    ConfigCertificateDates: "config-certificate-dates", Config, "a configured certificate is expired or not yet valid";
    ConfigDriver: "config-driver", Config, "the configuration names a database driver other than SQLite";
    ConfigDuplicate: "config-duplicate", Config, "the configuration has a duplicate member";
    ConfigDuration: "config-duration", Config, "a duration in the configuration is invalid";
    ConfigKeyEmpty: "config-key-empty", Config, "a configured key is empty";
    ConfigKeyEncrypted: "config-key-encrypted", Config, "a configured private key is encrypted";
    ConfigKeyHalvesDiffer: "config-key-halves-differ", Config, "the configured public key does not belong to the private key";
    ConfigKeyMalformed: "config-key-malformed", Config, "a configured key is malformed";
    ConfigKeyNotFound: "config-key-not-found", Config, "a configured key is not set";
    ConfigKeyOtherKind: "config-key-other-kind", Config, "a configured key is of another type than expected";
    ConfigKeyWeak: "config-key-weak", Config, "a configured key is weak";
    ConfigMissingKey: "config-missing-key", Config, "the configuration does not have a required setting";
    ConfigPrivateKeyMissing: "config-private-key-missing", Config, "the environment file has a public key without its private key";
    ConfigSyntax: "config-syntax", Config, "the configuration is not valid JSON";
    ConfigType: "config-type", Config, "a setting has the wrong type";
    ConfigValue: "config-value", Config, "a setting has an invalid value";
    CryptoFailed: "crypto-failed", Io, "a cryptographic operation failed";
    CsvHeading: "csv-heading", Data, "the header line of a CSV file is missing or invalid";
    CsvMalformed: "csv-malformed", Data, "a line of a CSV file is malformed";
    DatabaseCorrupt: "database-corrupt", Io, "the database is corrupt";
    DatabaseFailed: "database-failed", Io, "a database operation failed";
    DatabaseLeftover: "database-leftover", CantCreate, "files of a database exist without the database";
    DatabaseLocked: "database-locked", TryAgain, "the database is locked by another process";
    DatabaseMissing: "database-missing", NoInput, "the database does not exist";
    DatabaseNotPermitted: "database-not-permitted", NotPermitted, "a file of the database cannot be used by this account";
    DatabaseNotSqlite: "database-not-sqlite", Config, "the file is not a SQLite database";
    DatabaseReadOnly: "database-read-only", NotPermitted, "the database cannot be written by this account";
    DatabaseReplaced: "database-replaced", TryAgain, "the database was replaced by another file while it was in use";
    DatabaseSchema: "database-schema", Config, "the database does not have the expected tables";
    DatabaseUnreadable: "database-unreadable", NoInput, "the database cannot be read";
    EmailInvalid: "email-invalid", Usage, "an email address is invalid";
    EndpointUnknown: "endpoint-unknown", Usage, "the name of an endpoint is unknown";
    EnvFileMalformed: "env-file-malformed", Config, "the environment file is malformed";
    EnvNameMalformed: "env-name-malformed", Usage, "the name of a variable is invalid";
    EnvValueInexpressible: "env-value-inexpressible", Data, "a value cannot be written to an environment file";
    ExecInfoMalformed: "exec-info-malformed", Config, "KUBERNETES_EXEC_INFO is malformed or has an unknown version";
    FileIsDirectory: "file-is-directory", NoInput, "a directory was found where a file is expected";
    FileMissing: "file-missing", NoInput, "an input file does not exist";
    FileNotText: "file-not-text", Data, "an input file is not UTF-8 text";
    FileTooLarge: "file-too-large", Data, "an input file is larger than the limit";
    FileUnreadable: "file-unreadable", NoInput, "an input file cannot be read";
    FileUntrusted: "file-untrusted", NotPermitted, "another account can change a file or a symbolic link that is used by default or written to";
    GroupMapInvalid: "group-map-invalid", Config, "the section group-map of the configuration is invalid";
    HashMalformed: "hash-malformed", Data, "a password hash is malformed";
    HashTooCostly: "hash-too-costly", Data, "the cost of a password hash is over the limit";
    HeaderMalformed: "header-malformed", Config, "a value contains a character that a request cannot have in a header";
    HistoryStateMalformed: "history-state-malformed", Data, "a file of the state beside the journal is malformed";
    HostNotFound: "host-not-found", Unavailable, "a host name has no address";
    IdTokenRejected: "id-token-rejected", Negative, "the ID token is not valid";
    ImportDuplicateUser: "import-duplicate-user", Data, "two lines of an import have the same username";
    ImportUserInvalid: "import-user-invalid", Data, "a line of an import describes an invalid user";
    InputEmpty: "input-empty", Data, "standard input is empty";
    InputUnreadable: "input-unreadable", NoInput, "standard input cannot be read";
    IssuerMalformed: "issuer-malformed", Usage, "an issuer is not a valid URL";
    JsonMalformed: "json-malformed", Data, "a line is not JSON object of the expected form";
    KeyDropped: "key-dropped", CantCreate, "a published key would be missing from the new key set";
    KeyDuplicateKid: "key-duplicate-kid", Data, "two keys have the same key ID";
    KeyEmpty: "key-empty", Data, "a key is empty";
    KeyEncrypted: "key-encrypted", Data, "a private key is encrypted";
    KeyHalvesDiffer: "key-halves-differ", Data, "a public key does not belong to the private key";
    KeyInUse: "key-in-use", CantCreate, "a key that is in use would be replaced";
    KeyIsSecret: "key-is-secret", Data, "an HMAC secret cannot be published";
    KeyMalformed: "key-malformed", Data, "a key is malformed";
    KeyMissing: "key-missing", Usage, "no key was given";
    KeyNotFound: "key-not-found", Data, "an input does not contain a key";
    KeyNotPublished: "key-not-published", Data, "the issuer does not publish the key of a resource under its key ID";
    KeyOtherKind: "key-other-kind", Data, "a key is of another type than expected";
    KeySetMalformed: "key-set-malformed", Unavailable, "a key set from a URL is malformed";
    KeySetNotCached: "key-set-not-cached", Unavailable, "no copy of the key set is cached";
    KeySetUnusable: "key-set-unusable", Data, "a key set contains no usable key";
    KeyWeak: "key-weak", Data, "a key is weak";
    LdapBase: "ldap-base", Config, "the search base does not exist";
    LdapBindName: "ldap-bind-name", Config, "the bind name is invalid";
    LdapBusy: "ldap-busy", TryAgain, "the LDAP server is busy";
    LdapCaFile: "ldap-ca-file", Config, "a CA file contains no certificate";
    LdapConnectionLost: "ldap-connection-lost", Unavailable, "the connection to the LDAP server was lost";
    LdapCredentialsRejected: "ldap-credentials-rejected", NotPermitted, "the LDAP server rejects the service account's credentials";
    LdapFailed: "ldap-failed", Unavailable, "the LDAP server reports an error";
    LdapFilter: "ldap-filter", Config, "the LDAP filter is invalid";
    LdapGroupAmbiguous: "ldap-group-ambiguous", Config, "several LDAP groups have the name of a rule";
    LdapGroupMissing: "ldap-group-missing", Unavailable, "the LDAP directory does not have the group of a rule";
    LdapGroupTruncated: "ldap-group-truncated", Unavailable, "the members of an LDAP group are incomplete";
    LdapGroupUnreadable: "ldap-group-unreadable", Unavailable, "the members of an LDAP group cannot be read";
    LdapLimit: "ldap-limit", Unavailable, "the LDAP server ended the search at one of its limits";
    LdapMalformedResponse: "ldap-malformed-response", Unavailable, "the LDAP server's response is malformed";
    LdapNoPaging: "ldap-no-paging", Config, "the LDAP server does not support paged results";
    LdapNotConfigured: "ldap-not-configured", Config, "no LDAP server is configured";
    LdapNotPermitted: "ldap-not-permitted", NotPermitted, "the LDAP server does not permit the operation";
    LdapReferral: "ldap-referral", Unavailable, "the LDAP server refers to another server";
    LdapTimeout: "ldap-timeout", Unavailable, "the LDAP server did not respond in time";
    LdapTlsRequired: "ldap-tls-required", Config, "the LDAP server requires TLS";
    LdapTooLarge: "ldap-too-large", Unavailable, "the LDAP server's response is larger than the limit";
    LdapUnreachable: "ldap-unreachable", Unavailable, "no LDAP server can be reached";
    LdapUntrusted: "ldap-untrusted", Unavailable, "the LDAP server's certificate is not trusted";
    LdapUrl: "ldap-url", Config, "the URL of an LDAP server is invalid";
    LoginBadCallback: "login-bad-callback", Usage, "the redirect URI is invalid";
    LoginBadListenAddress: "login-bad-listen-address", Usage, "the listen address is invalid";
    LoginCantListen: "login-cant-listen", Unavailable, "the listen address cannot be used";
    LoginCodeExpired: "login-code-expired", Negative, "the authorization code is expired";
    LoginDuplicateParameter: "login-duplicate-parameter", Negative, "the provider's response has a duplicate parameter";
    LoginEmptyResponse: "login-empty-response", Negative, "the provider's response has neither a code nor an error";
    LoginListenFailed: "login-listen-failed", Io, "waiting for the browser failed";
    LoginNoCallbackUrl: "login-no-callback-url", Data, "no URL was entered";
    LoginNotAccepted: "login-not-accepted", Negative, "the login role rejects the ID token";
    LoginNotCallbackUrl: "login-not-callback-url", Data, "the URL entered is not the redirect URI";
    LoginOtherBrowser: "login-other-browser", Negative, "another browser or account tried to take part in the login";
    LoginOtherIssuer: "login-other-issuer", Negative, "the response comes from another issuer";
    LoginOtherState: "login-other-state", Negative, "the response belongs to another login";
    LoginOtherUser: "login-other-user", Negative, "the provider logged in another user than the one named";
    LoginPasswordEmpty: "login-password-empty", Negative, "the password is empty";
    LoginRedirectNotAllowed: "login-redirect-not-allowed", Config, "the login role does not allow the redirect URI";
    LoginRejected: "login-rejected", Negative, "the login was rejected";
    LoginReservedParameter: "login-reserved-parameter", Config, "a parameter of the authorization request cannot be changed";
    LoginRoleConfigMissing: "login-role-config-missing", Config, "the keys of the login roles are not configured";
    LoginRoleConflict: "login-role-conflict", Config, "two settings of a login role exclude each other";
    LoginRoleDuplicateMember: "login-role-duplicate-member", Config, "a login role has a duplicate member";
    LoginRoleMalformed: "login-role-malformed", Config, "a login role is malformed";
    LoginRoleMissing: "login-role-missing", Config, "no login role was named or found";
    LoginRoleMissingField: "login-role-missing-field", Config, "a login role does not have a required field";
    LoginRoleNotJson: "login-role-not-json", Config, "a file of login roles is not valid JSON";
    LoginRoleOtherType: "login-role-other-type", Config, "the login role is of another type";
    LoginRoleType: "login-role-type", Config, "a field of a login role has the wrong type";
    LoginRoleUnknown: "login-role-unknown", Config, "the login role does not exist";
    LoginRoleUnknownField: "login-role-unknown-field", Config, "a login role has an unknown field";
    LoginRoleValue: "login-role-value", Config, "a field of a login role has an invalid value";
    LoginTimeout: "login-timeout", Negative, "the login was not completed in time";
    ManagerHasProjects: "manager-has-projects", Negative, "the role manager cannot be removed while projects remain";
    ManagerWithoutProject: "manager-without-project", Usage, "a manager needs at least one project";
    NoSession: "no-session", Negative, "there is no session";
    NoSessionDirectory: "no-session-directory", CantCreate, "there is no directory for session files";
    NoSystemCertificates: "no-system-certificates", Config, "the system has no CA certificates";
    NoTerminal: "no-terminal", Usage, "a prompt needs a terminal";
    OauthResponseNotJson: "oauth-response-not-json", Data, "the input is not JSON object";
    OauthResponseWithoutToken: "oauth-response-without-token", Data, "the JSON object contains no token";
    OutputBusy: "output-busy", TryAgain, "the output is being written by another process";
    OutputChanged: "output-changed", TryAgain, "another program changed the output at the same time";
    OutputClosed: "output-closed", Io, "standard output is closed";
    OutputExists: "output-exists", CantCreate, "the output exists and --force was not given";
    OutputHardLinks: "output-hard-links", CantCreate, "the output has several names (hard links)";
    OutputIsDirectory: "output-is-directory", CantCreate, "the output is a directory";
    OutputLock: "output-lock", Io, "the output cannot be locked";
    OutputNotAFile: "output-not-a-file", CantCreate, "the output is not a regular file";
    OutputNotPreserved: "output-not-preserved", NotPermitted, "the owner, mode or an attribute of the output cannot be preserved";
    OutputUncreatable: "output-uncreatable", CantCreate, "the output cannot be created";
    OutputUnwritable: "output-unwritable", Io, "the output cannot be written";
    OutputWrongOwner: "output-wrong-owner", NotPermitted, "the output belongs to another account";
    PasswordCost: "password-cost", Usage, "the bcrypt cost is out of range";
    PasswordEmpty: "password-empty", Data, "the new password is empty";
    PasswordNul: "password-nul", Data, "the password contains a NUL byte";
    PasswordTooLong: "password-too-long", Data, "the password is longer than 72 bytes";
    ProjectInvalid: "project-invalid", Usage, "the name of a project is invalid";
    ProjectNeedsManager: "project-needs-manager", Negative, "only a manager has projects";
    ProjectWithoutManager: "project-without-manager", Usage, "projects were given for a user without the role manager";
    ProviderClientAuth: "provider-client-auth", Config, "the provider supports no known method of client authentication";
    ProviderDocumentMalformed: "provider-document-malformed", Unavailable, "a discovery document is not JSON object with an issuer";
    ProviderEndpointMissing: "provider-endpoint-missing", Unavailable, "the provider does not have the needed endpoint";
    ProviderEndpointUnsafe: "provider-endpoint-unsafe", Unavailable, "an endpoint of the provider is not https";
    ProviderFailed: "provider-failed", Unavailable, "the provider reports an error of its own";
    ProviderIssuerTemplate: "provider-issuer-template", Config, "an issuer or endpoint of a provider is a template with a placeholder";
    ProviderNoIdToken: "provider-no-id-token", Config, "the provider's response contains no ID token";
    ProviderNoUsername: "provider-no-username", Negative, "the ID token contains no username";
    ProviderOtherIssuer: "provider-other-issuer", Config, "the discovery document is for another issuer";
    ProviderRejectedClient: "provider-rejected-client", NotPermitted, "the provider rejects the client";
    ProviderRejectedLogin: "provider-rejected-login", Negative, "the provider rejects the login";
    ProviderRejectedRequest: "provider-rejected-request", Config, "the provider rejects the request";
    ProviderResponse: "provider-response", Unavailable, "the provider's response is not usable";
    ProviderUnknown: "provider-unknown", Config, "no OpenID provider is configured";
    ProviderUsernameInvalid: "provider-username-invalid", Negative, "the username in the ID token is invalid";
    ProviderUsernameType: "provider-username-type", Negative, "the username in the ID token is not a string";
    ProxyMalformed: "proxy-malformed", Config, "the URL of the proxy is invalid";
    PublishedKeySetMalformed: "published-key-set-malformed", CantCreate, "the published key set is malformed";
    RandomUnavailable: "random-unavailable", Io, "the system's random source is not available";
    RecipientMalformed: "recipient-malformed", Data, "a line of the list of users is not a valid username";
    RecipientsEmpty: "recipients-empty", Negative, "no user matches";
    RemoteKeySetUnusable: "remote-key-set-unusable", Unavailable, "a key set from a URL contains no usable key";
    RenewalCommandFailed: "renewal-command-failed", TryAgain, "the command after a renewal failed";
    RenewalFileMalformed: "renewal-file-malformed", Config, "a renewal file is malformed";
    RenewalNoLifetime: "renewal-no-lifetime", Config, "the lifetime of a renewed token is not set";
    RenewalTimes: "renewal-times", Config, "a token would be renewed before it is issued";
    ResourceDuplicateMember: "resource-duplicate-member", Data, "a token resource has a duplicate member";
    ResourceDuplicateName: "resource-duplicate-name", Data, "two token resources have the same name";
    ResourceIssuer: "resource-issuer", Data, "the issuer of a token resource is invalid";
    ResourceMemberChoice: "resource-member-choice", Data, "exactly one of several members of a token resource is required";
    ResourceMemberValue: "resource-member-value", Data, "a member of a token resource has an invalid value";
    ResourceMissingMember: "resource-missing-member", Data, "a token resource does not have a required member";
    ResourceNone: "resource-none", Data, "the file contains no token resource";
    ResourceNotYaml: "resource-not-yaml", Data, "a token resource is not valid YAML";
    ResourceNumber: "resource-number", Data, "a number in a token resource is invalid";
    ResourceProfile: "resource-profile", Data, "a token resource does not follow its token profile";
    ResourceResignBefore: "resource-resign-before", Data, "resignBefore is not shorter than the lifetime";
    ResourceTooLarge: "resource-too-large", Data, "a token resource is larger than the limits";
    ResourceUnknownMember: "resource-unknown-member", Data, "a token resource has an unknown member";
    ResourceValueAmbiguous: "resource-value-ambiguous", Data, "a YAML value has different types in YAML 1.1 and 1.2";
    ResourceYamlForm: "resource-yaml-form", Data, "a token resource uses a YAML feature that is not supported";
    ResponseErrorStatus: "response-error-status", Unavailable, "an HTTP response has an error status";
    ResponseMalformed: "response-malformed", Unavailable, "an HTTP response ends early or does not follow the protocol";
    ResponseNotJson: "response-not-json", Unavailable, "an HTTP response is not the expected JSON document";
    ResponseRedirect: "response-redirect", Unavailable, "an HTTP response redirects to a place that is not followed";
    ResponseTooLarge: "response-too-large", Unavailable, "an HTTP response is larger than the limit";
    RoleMissing: "role-missing", Usage, "no role was given";
    RoleUnknown: "role-unknown", Usage, "a role is unknown";
    RunAmbiguous: "run-ambiguous", Usage, "the IDs of several runs begin with the text";
    RunNotFound: "run-not-found", Negative, "the run is not in the journal";
    RunNotLast: "run-not-last", TryAgain, "another run changed users while the undo of the last run began";
    ScopeOperationUnknown: "scope-operation-unknown", Usage, "the operation of a scope is unknown";
    ScopePathInvalid: "scope-path-invalid", Usage, "the path of a scope is invalid";
    ScopePathNotAllowed: "scope-path-not-allowed", Usage, "the operation of a scope does not have a path";
    SecretEmpty: "secret-empty", Data, "the secret is empty";
    SecretMismatch: "secret-mismatch", Data, "the two entries of a new secret differ";
    SecretNotText: "secret-not-text", Data, "the secret is not UTF-8 text";
    SecretTooLong: "secret-too-long", Data, "the secret is longer than the limit";
    SecretUnreadable: "secret-unreadable", NoInput, "the secret cannot be read";
    SecretsDirMissing: "secrets-dir-missing", Config, "the directory of the Kubernetes Secrets was not given";
    ServerAuthenticationDisabled: "server-authentication-disabled", Unavailable, "authentication is switched off at the ClusterCockpit server";
    ServerChangeRejected: "server-change-rejected", Negative, "the ClusterCockpit server rejects the change of a user";
    ServerCredentialsRejected: "server-credentials-rejected", NotPermitted, "the ClusterCockpit server rejects a token or a web session";
    ServerExpectsTls: "server-expects-tls", Unavailable, "a plain http request reached a port that speaks TLS";
    ServerFailed: "server-failed", Unavailable, "the ClusterCockpit server reports an error";
    ServerNotClustercockpit: "server-not-clustercockpit", Unavailable, "the URL does not belong to a ClusterCockpit server";
    ServerNotPermitted: "server-not-permitted", NotPermitted, "the ClusterCockpit server does not permit the request";
    ServerTimeout: "server-timeout", Unavailable, "a server did not respond in time";
    ServerTokenExpired: "server-token-expired", Unavailable, "the ClusterCockpit server's token is expired at birth";
    ServerTokenMalformed: "server-token-malformed", Unavailable, "the ClusterCockpit server's response is not a token";
    ServerTokenOtherSubject: "server-token-other-subject", Unavailable, "the ClusterCockpit server's token is for another user";
    ServerTokenRejected: "server-token-rejected", Negative, "the ClusterCockpit server did not issue a token";
    ServerUnreachable: "server-unreachable", Unavailable, "a server cannot be reached";
    ServerUnsupported: "server-unsupported", Usage, "a ClusterCockpit server has no request for the action";
    ServerUntrusted: "server-untrusted", Unavailable, "a server's certificate is not trusted";
    SessionAmbiguous: "session-ambiguous", Usage, "several sessions are stored, and none is selected";
    SessionChanged: "session-changed", Negative, "a logout or another login changed the session during a refresh";
    SessionExpired: "session-expired", Negative, "the session is expired";
    SessionExpiresSoon: "session-expires-soon", Negative, "the session expires earlier than requested";
    SessionLength: "session-length", Config, "the session length in the configuration is invalid";
    SessionLimit: "session-limit", CantCreate, "the limit of stored sessions is reached";
    SessionMalformed: "session-malformed", Data, "the session file is malformed";
    SessionOtherOrigin: "session-other-origin", Config, "the session belongs to another server, directory or provider";
    SessionWithoutRefresh: "session-without-refresh", Negative, "the session cannot be refreshed";
    SessionWithoutToken: "session-without-token", Negative, "the session has no token";
    SessionWrongOwner: "session-wrong-owner", NotPermitted, "the session file belongs to another account";
    SlurmClusterUnknown: "slurm-cluster-unknown", Config, "Slurm does not have a configured cluster";
    SlurmMalformed: "slurm-malformed", Unavailable, "the output of sacctmgr is malformed or larger than the limit";
    SlurmPartial: "slurm-partial", Unavailable, "the output of sacctmgr is empty or partial";
    SlurmUnavailable: "slurm-unavailable", Unavailable, "sacctmgr cannot be run, fails or does not end in time";
    SourceUnknown: "source-unknown", Data, "an auth source is unknown";
    StrongholdMfa: "stronghold-mfa", Negative, "the second factor of a login at Stronghold is missing or rejected";
    StrongholdNotFound: "stronghold-not-found", Config, "Stronghold does not have the namespace, mount or role";
    StrongholdNotPermitted: "stronghold-not-permitted", NotPermitted, "Stronghold does not permit a request";
    StrongholdRateLimited: "stronghold-rate-limited", TryAgain, "Stronghold receives too many requests";
    StrongholdRejected: "stronghold-rejected", Negative, "Stronghold rejects a login or another request";
    StrongholdSettingInvalid: "stronghold-setting-invalid", Config, "a setting of the connection to Stronghold is invalid";
    StrongholdUnavailable: "stronghold-unavailable", Unavailable, "Stronghold is sealed, not initialized or failed";
    StrongholdUnexpectedResponse: "stronghold-unexpected-response", Unavailable, "the URL does not belong to a Stronghold, OpenBao or Vault server";
    StrongholdUrlMissing: "stronghold-url-missing", Config, "no URL of a Stronghold server is set";
    SyncNoUsernames: "sync-no-usernames", Config, "no entry of the LDAP search has a usable username";
    SyncNoUsers: "sync-no-users", TryAgain, "the LDAP search returned no users";
    SyncTooManyDeletions: "sync-too-many-deletions", TryAgain, "the sync would delete more users than the deletion limit";
    SyncTooManyRemovals: "sync-too-many-removals", TryAgain, "the sync would remove more roles and projects than the deletion limit";
    TargetAccess: "target-access", NotPermitted, "the owner, group or mode of a target is not the expected one";
    TargetMalformed: "target-malformed", Data, "the file of a target is malformed";
    TargetMissing: "target-missing", Data, "the file of a target does not have the member";
    TargetNotAToken: "target-not-a-token", Data, "the value of a target is not a token";
    TargetNotEditable: "target-not-editable", Data, "the value of a target cannot be replaced without other changes";
    TextInvalid: "text-invalid", Usage, "a full name or another text contains control characters";
    ThreadUnavailable: "thread-unavailable", TryAgain, "the system cannot start another thread";
    TokenAlgorithmMismatch: "token-algorithm-mismatch", Negative, "the token's algorithm does not fit the key";
    TokenAlgorithmMissing: "token-algorithm-missing", Negative, "the token's header does not name an algorithm";
    TokenAlgorithmUnknown: "token-algorithm-unknown", Negative, "the token's algorithm is unknown";
    TokenBase64: "token-base64", Data, "a part of the token is not base64url";
    TokenCharacters: "token-characters", Data, "the token has a character that a bearer token cannot have";
    TokenCritical: "token-critical", Negative, "the token has a critical header parameter that is not supported";
    TokenDuplicateMember: "token-duplicate-member", Negative, "the token has a duplicate member";
    TokenEmbeddedKey: "token-embedded-key", Negative, "the token's header contains a key or its URL";
    TokenEmpty: "token-empty", Data, "the token is empty";
    TokenHeaderType: "token-header-type", Negative, "a header parameter of the token has the wrong type";
    TokenIncomplete: "token-incomplete", Data, "the token is not complete";
    TokenJson: "token-json", Data, "a part of the token is not valid JSON";
    TokenKeyUnknown: "token-key-unknown", Negative, "no key has the token's key ID";
    TokenNested: "token-nested", Data, "the token contains another token";
    TokenNoKey: "token-no-key", Negative, "there is no key to verify the token";
    TokenNotObject: "token-not-object", Data, "a part of the token is not JSON object";
    TokenNotUtf8: "token-not-utf8", Negative, "the token is not UTF-8 text";
    TokenOtherIssuer: "token-other-issuer", Negative, "the key that signed the token belongs to another issuer";
    TokenOtherSubject: "token-other-subject", Negative, "the token is for another user";
    TokenParts: "token-parts", Data, "the token does not have three parts";
    TokenRejected: "token-rejected", Negative, "the token is rejected";
    TokenSeveral: "token-several", Data, "there are several tokens where one is expected";
    TokenSignature: "token-signature", Negative, "the token's signature is invalid";
    TokenSignatureEmpty: "token-signature-empty", Negative, "the token's signature is empty";
    TokenSpareBits: "token-spare-bits", Negative, "the token has unused base64 bits that are set";
    TokenSurrogate: "token-surrogate", Negative, "the token has a lone surrogate, which is not a character";
    TokenTooDeep: "token-too-deep", Negative, "the token's JSON is nested too deeply";
    TokenTooLong: "token-too-long", Data, "the token is longer than the limit";
    TokenTooManyKeys: "token-too-many-keys", Negative, "more keys fit the token than are tried";
    TokenUnencoded: "token-unencoded", Negative, "the token's payload is not encoded";
    TokenUnsigned: "token-unsigned", Negative, "the token is not signed";
    TooManyAttempts: "too-many-attempts", TryAgain, "too many failed logins";
    UrlMalformed: "url-malformed", Config, "a URL is invalid";
    UrlNotHttps: "url-not-https", Config, "a URL is not https";
    Usage: "usage", Usage, "wrong usage";
    UserDisabled: "user-disabled", Negative, "the user is disabled";
    UserExists: "user-exists", CantCreate, "the user exists already";
    UserHasJobs: "user-has-jobs", Negative, "the user has jobs or private tags in the database";
    UserNotFound: "user-not-found", Negative, "the user does not exist";
    UserOfOtherSource: "user-of-other-source", Negative, "the user has another auth source";
    UserRowInvalid: "user-row-invalid", Io, "a column of the user's row cannot be read";
    UserWithoutRoles: "user-without-roles", Negative, "the user does not have a role";
    UserinfoRejected: "userinfo-rejected", Negative, "the UserInfo response is not valid";
    UsernameBlank: "username-blank", Usage, "a username begins or ends with a blank";
    UsernameEmpty: "username-empty", Usage, "a username is empty";
    UsernameHiddenCharacter: "username-hidden-character", Usage, "a username contains a control or invisible character";
    UsernameNotInUrl: "username-not-in-url", Negative, "a username cannot be a part of the URL of a request";
    UsernameTooLong: "username-too-long", Usage, "a username is longer than 100 bytes";
    VariableMissing: "variable-missing", Config, "an environment variable named by a token resource is not set";
    VariableNotText: "variable-not-text", Config, "an environment variable is not UTF-8 text";
    VariableUnset: "variable-unset", Config, "a required variable is not set";
}

impl Kind {
    /// Returns the kind of the same error for a key from the configuration or environment file. The
    /// key is then not input data, and the exit status is 78.
    #[must_use]
    pub const fn in_configuration(self) -> Self {
        match self {
            Self::KeyEmpty => Self::ConfigKeyEmpty,
            Self::KeyWeak => Self::ConfigKeyWeak,
            Self::KeyHalvesDiffer => Self::ConfigKeyHalvesDiffer,
            Self::KeyOtherKind => Self::ConfigKeyOtherKind,
            Self::KeyEncrypted => Self::ConfigKeyEncrypted,
            Self::KeyNotFound | Self::KeySetUnusable => Self::ConfigKeyNotFound,
            Self::CertificateDates => Self::ConfigCertificateDates,
            Self::KeyMalformed => Self::ConfigKeyMalformed,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_names_are_unique_sorted_and_lower_case() {
        for pair in Kind::ALL.windows(2) {
            assert!(pair[0].name() < pair[1].name(), "{} before {}", pair[0].name(), pair[1].name());
        }
        for kind in Kind::ALL {
            assert!(
                kind.name().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{}",
                kind.name()
            );
            assert!(!kind.meaning().is_empty() && !kind.meaning().ends_with('.'), "{}", kind.name());
        }
    }

    #[test]
    fn kind_in_configuration_ends_with_78_for_every_key_error() {
        for kind in Kind::ALL {
            let key = kind.name().starts_with("key-") && kind.status() == ExitStatus::Data;
            let published = matches!(kind, Kind::KeyDuplicateKid | Kind::KeyIsSecret | Kind::KeyNotPublished);
            if (key && !published) || *kind == Kind::CertificateDates {
                assert_eq!(kind.in_configuration().status(), ExitStatus::Config, "{}", kind.name());
            }
        }
    }
}
