//! The manual of `cc-jwt`.

use super::pages_osdf::{self, DISCOVERED, DISCOVERY};
use crate::cli::page::{Example, ExampleTest, ManualPage};

const FILES: &[(&str, &str)] = &[
    (
        "./.env",
        "the keys: JWT_PUBLIC_KEY, JWT_PRIVATE_KEY, CROSS_LOGIN_JWT_PUBLIC_KEY, CROSS_LOGIN_JWT_HS512_KEY",
    ),
    ("./config.json", "the rules: auth.jwts.max-age, validate-user, trusted-issuer, cookie-name"),
    ("./var/job.db", "the user table"),
];

const VERIFY_FILES: &[(&str, &str)] = &[
    FILES[0],
    FILES[1],
    FILES[2],
    DISCOVERED,
    (
        "$XDG_CACHE_HOME/cc-auth/keys/",
        "keys that were fetched, for as long as their server allows; ~/.cache where the variable is not set",
    ),
];

const ROLE_FILES: &[(&str, &str)] =
    &[("./config.json", "login roles by name in auth.jwt-roles, what they share in auth.jwt-config")];

pub(super) static PAGES: &[ManualPage] = &[
    ManualPage {
        path: "",
        description: &[
            "Tokens of a ClusterCockpit server are signed JSON Web Tokens (RFC 7519). This program makes them as the \
             server does, shows what is in one, and tells whether the server would admit one and why not.",
            "The key decides how a token is verified, never the token's header. Refused, each with its own reason, are: \
             tokens that are not signed, a 'crit' header, members that stand twice, keys that the token brings along, \
             spare bits, wrong types, anything over 64 KiB or with other than three parts. Where the server would take \
             such a token, the reason says so.",
        ],
        examples: &[
            Example {
                command: "TOKEN=$(cc-jwt issue fritz)",
                explains: "Issue a token and keep it in a variable",
                test: ExampleTest::Runs(0),
            },
            Example {
                command: "cc-jwt verify --token-file token.txt --endpoint user-api",
                explains: "Check whether /userapi accepts it",
                test: ExampleTest::Runs(0),
            },
        ],
        files: FILES,
        see_also: &["cc-user(1)", "cc-login(1)", "gen-keypair(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "issue",
        description: &[
            "Issues a token for a user and prints it. Nothing else is printed on standard output. The claims are those \
             that the server sets: sub, roles (from the user table), iat, and exp if auth.jwts.max-age is set; --ttl \
             sets another lifetime. A user without the role 'api' gets a token and a warning: only GraphQL and the web \
             pages accept it.",
            "With --roles or --no-db the user table is not read. HS512 and HS256 tokens are signed with the HMAC secret \
             CROSS_LOGIN_JWT_HS512_KEY, for /jwt-login. For a token of an external issuer use --issuer and the \
             issuer's private key, --key FILE. A private key is never an argument.",
            "With --users-from or --all each token is a JSON object on a line of its own. All names are looked up before \
             the first token is signed: if one is missing, no token is issued.",
        ],
        examples: &[
            Example {
                command: "cc-jwt issue fritz --ttl 24h --output fritz.jwt",
                explains: "A token for a day, in a file that only its owner can read",
                test: ExampleTest::Runs(0),
            },
            Example {
                command: "printf 'fritz\\n' | cc-jwt issue --users-from -",
                explains: "Tokens for several users, a JSON line each",
                test: ExampleTest::Runs(0),
            },
            Example {
                command: "cc-jwt issue --all --with-role api --ttl 168h",
                explains: "Tokens for all users with the role api",
                test: ExampleTest::Runs(0),
            },
            Example {
                command: "cc-jwt issue ada --roles user --no-db --claim 'name=\"Ada King\"' --jti",
                explains: "A token for a user who is not in the user table, with additional claims",
                test: ExampleTest::Runs(0),
            },
            Example {
                command: "cc-jwt issue fritz --algorithm hs512 --ttl 5m",
                explains: "A token for /jwt-login, signed with the HMAC secret",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-jwt issue fritz --issuer https://portal.example/ --key portal.pem --ttl 1h",
                explains: "A token of the trusted issuer, for the login by cookie",
                test: ExampleTest::Parses,
            },
        ],
        json: &[
            ("username", "the user"),
            ("roles", "the roles in the token"),
            ("issued_at", "'iat', RFC 3339"),
            ("expires_at", "'exp', RFC 3339, or null"),
            ("token", "the token"),
        ],
        files: FILES,
        see_also: &["cc-user(1)", "cc-jwt-spec-issue(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "inspect",
        description: &[
            "Shows header, claims and times of anything that somebody calls a token, what stands out in it, and what \
             each endpoint of the server would say if the signature held. The signature is not looked at: whatever is \
             shown may be forged.",
            "Reads what other programs choke on: broken base64, members that stand twice, critical extensions, tokens \
             that are not signed or encrypted. Of a token endpoint's answer in JSON the members access_token, id_token \
             and refresh_token are shown.",
            "The exit status is 0 when there was something to show, and 65 when it is no token at all. With --stream \
             each line of the input gets a JSON object on a line, with its number, and error where it is no token; the \
             status is 1 when there was one of these.",
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
        json: &[
            ("tokens", "of a token endpoint's answer: a list of objects with the members below"),
            ("found_as", "the member it was found in, or null"),
            ("form", "signed, unsigned, encrypted or unknown"),
            (
                "header, claims",
                "the parts as JSON; a text where they are none; null where they cannot be seen",
            ),
            ("signature", "checked (always false) and its length in bytes"),
            ("times", "issued, not_before, expires, authenticated: RFC 3339 or null"),
            ("profile", "wlcg, scitokens2, scitokens1, or null"),
            ("scopes", "what each part of the scope permits, in words, or null"),
            ("stands_out", "a list of kind and text"),
            ("endpoints", "a list of endpoint, would_admit (if the signature is valid) and reason"),
        ],
        files: &[DISCOVERED],
        environment: DISCOVERY,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "verify",
        description: &[
            "Without --endpoint: whether the token is signed with one of the configured keys, is valid at this time, \
             comes from an issuer that may use that key, and has a subject. With --endpoint: whether that endpoint of \
             the server accepts it. The endpoints are api, user-api, metric-store-api, query (GraphQL and the web \
             pages, which accept any roles), config, metric-store (a cc-metric-store, which the server queries with \
             the tokens of metric-store-external), jwt-login and cookie-login.",
            "With auth.jwts.validate-user the user must be in the user table, and the roles there count; without it \
             the roles in the token count. Times are checked without leeway, as the server does.",
            "The verdict is that of a server of version 1.5 with this configuration and this environment file: it \
             needs both halves of the key pair, a valid SESSION_KEY, the sections main and auth.jwts, and no unknown \
             member in main. Where it does not start or accepts no token, the endpoints reject the token, and the \
             check server has the reason. Keys given as options take the place of the configured ones. \
             main.api-allowed-ips applies to the endpoint api only; --from checks one address.",
            "Keys from elsewhere: --key FILE (PEM, certificate within its dates, JWK, JWKS), --jwks FILE or URL, \
             --discovery with the issuer; each may be repeated. The keys of a discovery document verify only tokens of its \
             issuer: 'iss' must be equal to it in every character. What is fetched comes over TLS, but from loopback, and \
             is cached as RFC 9111 permits: as long as Cache-Control or Expires say, at most a day, five minutes where \
             they say nothing, and not at all with no-cache or no-store. A token whose key is not among the cached ones \
             makes them be fetched again, at most once a minute for all processes of an account. A redirect is followed \
             within its origin. --offline fetches nothing and uses what is cached, however old it is.",
            "A Kubernetes API server gives its key set to authenticated clients only: --bearer-token-file names a file with \
             a token, such as /var/run/secrets/kubernetes.io/serviceaccount/token, which is sent to the origins of the \
             --jwks and --discovery URLs and to no other.",
            "With --role a login role of Stronghold, Vault or OpenBao decides, as that server would. The role is a \
             file in JSON or a name in auth.jwt-roles; what roles share (keys, bound_issuer, jwt_supported_algs, \
             default_role) comes from auth.jwt-config or --role-config FILE, and keys given as options take the place \
             of those there. The checks stop at the first that fails; --explain shows the others as not reached. Where \
             that server decides by accident, the answer is no, and the reason says so.",
            "With --stream each line is a token and gets a line, in order: ok, or the check that fails and why; a JSON \
             object with --json. Lines that are no tokens are answered too. All cores work, memory does not grow with \
             the number of tokens, and the exit status is 0 when all are good, 1 when one is not, and 65 without any.",
            "With --profile the rules of WLCG or SciTokens are checked, with --scope whether the token permits an \
             operation on a path: by whole segments, after decoding percent escapes once; paths that are not normal \
             ('..', '//', %2F, a backslash) are refused in scope and request. storage.modify implies storage.create. The \
             server's users and roles are not asked then, unless --endpoint is given.",
            "Without a token it is looked for by WLCG bearer token discovery: BEARER_TOKEN, the file in \
             BEARER_TOKEN_FILE, bt_uID in XDG_RUNTIME_DIR, then in /tmp; and only then standard input is read.",
            "A token that is no token at all ends with status 65; one that is not good with status 1 and the checks.",
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
                command: "cc-jwt verify --role demo.json --discovery https://idp.example/realms/hpc --explain < token.txt",
                explains: "Why is this login rejected?",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-jwt verify --discovery https://tokens.example.org --profile auto --scope storage.read:/x/y",
                explains: "Is the token found by discovery fit for OSDF, and may it read /x/y?",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-jwt verify --key issuer.pem --issuer https://portal.example/ --audience cc < token.txt",
                explains: "Verify a token of another issuer",
                test: ExampleTest::Parses,
            },
        ],
        json: &[
            ("admitted", "whether all endpoints accept the token; the exit status is 0 then, else 1"),
            (
                "token",
                "null where the signature is invalid, else subject, issuer, roles (those in the token), algorithm, \
                 key, key_issuer (of the discovery document with the key, or null), issued, expires",
            ),
            ("verdicts", "a list of endpoint (or null), admitted and checks"),
            (
                "checks",
                "a list of check, state (holds, fails, warns, not-reached), reason and hint; the checks are form, \
                 server, endpoint, signature, algorithm, issuer, expiry, not-before, issued-at, audience, subject, user, \
                 validate-user, roles, rights, address, job-api, required-role, required-issuer, required-audience; with --profile and --scope also profile, kid, \
                 issuer-form, audience-form, claims, life, scope-form, scope",
            ),
            (
                "line, subject, check, reason",
                "with --stream, beside admitted, an object a line: its number, whom the token is for, and the check \
                 that fails with its reason, or null",
            ),
            (
                "role, login, failed, other",
                "with --role: the role's name; username, groups, metadata and session_seconds, or null; the check that \
                 failed, or null; fields that are kept and not acted on. The checks are role, role-type, token, \
                 signature, algorithm, registered-claims, issuer, subject, audience, times, user-claim, \
                 claim-mappings, groups, bound-claims",
            ),
        ],
        files: VERIFY_FILES,
        environment: DISCOVERY,
        see_also: &["cc-user(1)", "cc-jwt-role-check(1)", "cc-jwt-jwks(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "role",
        description: &[
            "A login role says who gets in with a token of another issuer, and as whom, in the form of the JWT auth \
             method of Stronghold, Vault and OpenBao. Roles are judged with 'cc-jwt verify --role', and read here.",
        ],
        examples: &[Example {
            command: "cc-jwt role check demo.json",
            explains: "Read a role",
            test: ExampleTest::Parses,
        }],
        files: ROLE_FILES,
        see_also: &["cc-jwt-verify(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "role check",
        description: &[
            "Reads a login role strictly. Faults are what the server refuses as well, and what it drops without a \
             word: a misspelt bound_claims leaves a role wide open. Surprises are what is allowed and rarely meant: a \
             role that can never admit anyone, leeways of 0 that mean 60 or 150 seconds, a * that stands for itself, \
             an oidc_discovery_url that binds no issuer.",
            "A file with a section auth is read as a server's config.json, with auth.jwt-roles and auth.jwt-config.",
        ],
        examples: &[
            Example {
                command: r#"echo '{"role_type":"jwt","user_claim":"sub","bound_audiences":"hpc"}' > demo.json; cc-jwt role check demo.json"#,
                explains: "Read a role",
                test: ExampleTest::Runs(0),
            },
            Example {
                command: r#"echo '{"role_type":"jwt","user_claim":"sub","bound_claim":{}}' > demo.json; cc-jwt role check demo.json --json"#,
                explains: "The same as JSON; this one has a misspelt field",
                test: ExampleTest::Runs(78),
            },
        ],
        json: &[
            ("good", "whether there is no fault; the exit status is 0 then, else 78"),
            ("roles", "the names of the roles that could be read"),
            ("faults", "a list of kind and message; the message begins with the place"),
            ("surprises", "a list of level (note or warning), message and hint"),
        ],
        files: ROLE_FILES,
        see_also: &["cc-jwt-verify(1)"],
        ..ManualPage::EMPTY
    },
    pages_osdf::RENEW,
    pages_osdf::SPEC,
    pages_osdf::SPEC_CHECK,
    pages_osdf::SPEC_NEW,
    pages_osdf::SPEC_ISSUE,
    pages_osdf::JWKS,
];
