//! The manual pages of `cc-jwt inspect`, `verify` and `role`.

use super::pages_osdf::{DISCOVERED, DISCOVERY};
use crate::cli::page::{Example, ExampleTest, ManualPage};

/// The files of the server that most commands read.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        "./.env",
        "the keys: JWT_PUBLIC_KEY, JWT_PRIVATE_KEY, CROSS_LOGIN_JWT_PUBLIC_KEY, CROSS_LOGIN_JWT_HS512_KEY",
    ),
    ("./config.json", "the settings: auth.jwts.max-age, validate-user, trusted-issuer, cookie-name"),
    ("./var/job.db", "the user table"),
];

const VERIFY_FILES: &[(&str, &str)] = &[
    FILES[0],
    FILES[1],
    FILES[2],
    DISCOVERED,
    (
        "$XDG_CACHE_HOME/cc-auth/keys/",
        "fetched keys, for as long as their server permits; ~/.cache where the variable is not set",
    ),
];

const ROLE_FILES: &[(&str, &str)] = &[(
    "./config.json",
    "login roles by name in auth.jwt-roles, the configuration that they share in auth.jwt-config",
)];

pub(super) const INSPECT: ManualPage = ManualPage {
    path: "inspect",
    description: &[
        "Prints the header, the claims and the times of a token, warnings about it, and the result of each endpoint of \
         the server if the signature is valid. The signature is not checked: the content may be forged.",
        "Tokens that other programs cannot read are printed as far as possible: invalid base64, duplicate members, \
         critical extensions, unsigned and encrypted tokens. Of the JSON response of a token endpoint, the members \
         access_token, id_token and refresh_token are printed.",
        "The exit status is 0 when a part of the token could be read, and 65 otherwise. With --stream the program \
         prints a JSON object for each input line, with its number, and with 'error' where the line is not a token; \
         the status is 1 if there was an error.",
    ],
    examples: &[
        Example {
            command: "cc-jwt inspect --token-file token.txt",
            explains: "Show a token",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "cc-jwt inspect --json < token.txt",
            explains: "The same as JSON",
            test: ExampleTest::Runs(0),
        },
    ],
    files: &[DISCOVERED],
    environment: DISCOVERY,
    ..ManualPage::EMPTY
};

pub(super) const VERIFY: ManualPage = ManualPage {
    path: "verify",
    description: &[
        "Without --endpoint the program checks the signature with the configured keys, the times, the issuer that may \
         use the key, and the subject. With --endpoint it checks whether that endpoint of the server accepts the \
         token. The endpoints are api, user-api, metric-store-api, query (GraphQL and the web pages, which accept \
         every role), config, metric-store (a cc-metric-store, which the server queries with the tokens of \
         metric-store-external), jwt-login and cookie-login.",
        "With auth.jwts.validate-user the user must be in the user table, and the roles there count; without it the \
         roles in the token count. Times are checked without leeway, as in the server.",
        "The result is that of a server of version 1.5 with this configuration and this environment file: it needs \
         both keys of the key pair, a valid SESSION_KEY, the sections main and auth.jwts, and no unknown member in \
         main. If it does not start or accepts no token, the endpoints reject the token, and the check 'server' has \
         the reason. Keys given as options replace the configured ones. main.api-allowed-ips applies to the endpoint \
         api only; --from checks one address.",
        "Keys can be read with --key FILE (PEM, certificate within its dates, JWK, JWKS), --jwks FILE or URL, and \
         --discovery URL of the issuer; each may be repeated. The keys of a discovery document verify only tokens of \
         its issuer: 'iss' must be exactly equal to it. Keys are fetched over TLS (except from loopback) and cached \
         as RFC 9111 permits: for the time in Cache-Control or Expires, at most a day, five minutes without these \
         headers, and not at all with no-cache or no-store. If no cached key fits a token, the keys are fetched again, \
         at most once a minute for all processes of an account. Redirects are followed within the origin. --offline \
         fetches nothing and uses cached keys of any age.",
        "A Kubernetes API server gives its JWKS to authenticated clients only: --bearer-token-file names a file with a \
         token, such as /var/run/secrets/kubernetes.io/serviceaccount/token. It is sent to the origins of the --jwks \
         and --discovery URLs and to no other.",
        "With --login-role the program checks whether a login role of Stronghold, Vault or OpenBao accepts the token, \
         as that server does. The role is a file in JSON or a name in auth.jwt-roles. The configuration that roles \
         share (keys, bound_issuer, jwt_supported_algs, default_role) comes from auth.jwt-config or --role-config \
         FILE; keys given as options replace the keys there. --default-login-role, or --role-config alone, checks \
         the role that default_role names. The checks stop at the first that fails; --explain prints \
         the skipped ones too. Where that server accepts a token by accident, this program rejects it and prints the \
         reason.",
        "With --stream each line is a token, and the program prints a line for each, in order: 'ok', or the check that \
         failed and the reason; with --json a JSON object. A line that is not a token has a result too. All cores are \
         used, memory does not grow with the number of tokens, and the exit status is 0 when all are valid, 1 when \
         one is not, and 65 for empty input.",
        "With --profile the rules of WLCG or SciTokens are checked, with --scope whether the token permits an \
         operation on a path: by whole segments, after one decoding of percent escapes; paths that are not normal \
         ('..', '//', %2F, a backslash) are rejected in scope and request. storage.modify implies storage.create. \
         Users and roles of the server are not checked then, unless --endpoint is given.",
        "Without a token argument or file, the token is searched for by WLCG bearer token discovery: BEARER_TOKEN, the \
         file in BEARER_TOKEN_FILE, bt_uID in XDG_RUNTIME_DIR, then in /tmp; last, standard input is read.",
        "The checks are form, server, endpoint, signature, algorithm, issuer, expiry, not-before, issued-at, audience, \
         subject, user, validate-user, roles, rights, address, job-api, required-role, required-issuer and \
         required-audience; with --profile and --scope also profile, kid, issuer-form, audience-form, claims, lifetime, \
         scope-form and scope. The checks of a login role are role, role-type, token, signature, algorithm, \
         registered-claims, issuer, subject, audience, times, user-claim, claim-mappings, groups, bound-claims and identity.",
        "The exit status is 65 for input that is not a token, and 1 for a token that is not valid.",
    ],
    examples: &[
        Example {
            command: "cc-jwt verify --token-file token.txt",
            explains: "Is this token valid?",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "cc-jwt verify --token-file token.txt --endpoint api",
            explains: "Does /api accept it? Not with another role beside api",
            test: ExampleTest::Runs(1),
        },
        Example {
            command: "cc-jwt verify --token-file token.txt --endpoint user-api --require-role user --json",
            explains: "Several conditions, as JSON",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "cc-jwt verify --token-file token.txt --at +200h",
            explains: "Is it still valid in 200 hours?",
            test: ExampleTest::Runs(1),
        },
        Example {
            command: "cc-jwt verify --stream --endpoint user-api < token.txt",
            explains: "Verify many tokens, one a line",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "cc-jwt verify --login-role demo.json --discovery https://idp.example/realms/hpc --explain < token.txt",
            explains: "Why is this login rejected?",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt verify --discovery https://tokens.example.org --profile auto --scope storage.read:/x/y",
            explains: "Is the token found by discovery valid for OSDF, and may it read /x/y?",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt verify --key issuer.pem --issuer https://portal.example/ --audience cc < token.txt",
            explains: "Verify a token of another issuer",
            test: ExampleTest::Parses,
        },
    ],
    files: VERIFY_FILES,
    environment: DISCOVERY,
    see_also: &["cc-user(1)", "cc-jwt-role-check(1)", "cc-jwt-jwks(1)"],
    ..ManualPage::EMPTY
};

pub(super) const ROLE: ManualPage = ManualPage {
    path: "role",
    description: &[
        "A login role defines which tokens of another issuer permit a login, and the username of that login. Its form \
         is that of the JWT auth method of Stronghold, Vault and OpenBao. 'cc-jwt verify --login-role' checks a token \
         with a role; the commands here check the role itself.",
    ],
    examples: &[Example {
        command: "cc-jwt role check demo.json",
        explains: "Check a role",
        test: ExampleTest::Parses,
    }],
    files: ROLE_FILES,
    see_also: &["cc-jwt-verify(1)"],
    ..ManualPage::EMPTY
};

pub(super) const ROLE_PULL: ManualPage = ManualPage {
    path: "role pull",
    description: &[
        "Reads the roles and the configuration of a mount with a token whose policies permit 'list' and 'read' below \
         auth/MOUNT. Roles named on the command line are read without 'list', and auth.json has these roles only. A \
         configuration that the token cannot read is a warning.",
        "The server never returns the client secret: oidc_client_secret is null. A field of the server that is unknown \
         here is omitted with a warning, and a leeway of 0, which means that it is not set, is omitted. The file of a role that the server does not have remains, unless --prune is \
         given.",
        "Settings of the server, namespace and token are options or variables. Of STRONGHOLD_ADDR, BAO_ADDR and \
         VAULT_ADDR the first one that is set applies; -v prints which.",
    ],
    examples: &[
        Example {
            command: "cc-jwt role pull --server https://vault.example.org --path jwt",
            explains: "Write the roles to the directory login-roles",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt verify --login-role login-roles/roles/demo.json --role-config login-roles/role-config.json \
                      --token-file token.txt",
            explains: "Check whether the role demo accepts this token",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt role pull --server https://vault.example.org --check",
            explains: "Check whether the files match the roles of the server",
            test: ExampleTest::Parses,
        },
    ],
    see_also: &["cc-jwt-role-check(1)", "cc-jwt-verify(1)"],
    ..ManualPage::EMPTY
};

pub(super) const ROLE_CHECK: ManualPage = ManualPage {
    path: "role check",
    description: &[
        "Reads a login role strictly. An error is what the server rejects as well, and what it ignores without a \
         message: with a misspelled bound_claims, a role accepts every token. A warning is a setting that is allowed \
         and probably a mistake: a role that rejects every token, a leeway of 0 that means 60 or 150 seconds, a '*' \
         that matches only itself, an oidc_discovery_url that does not bind the issuer.",
        "A file with a section auth is read as a server's config.json, with auth.jwt-roles and auth.jwt-config.",
    ],
    examples: &[
        Example {
            command: r#"echo '{"role_type":"jwt","user_claim":"sub","bound_audiences":"hpc"}' > demo.json; cc-jwt role check demo.json"#,
            explains: "Check a role",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: r#"echo '{"role_type":"jwt","user_claim":"sub","bound_claim":{}}' > demo.json; cc-jwt role check demo.json --json"#,
            explains: "The same as JSON; this role has a misspelled field",
            test: ExampleTest::Runs(78),
        },
    ],
    files: ROLE_FILES,
    see_also: &["cc-jwt-verify(1)"],
    ..ManualPage::EMPTY
};
