//! The manual of `cc-login`.

use crate::cli::page::{Example, ExampleTest, ManualPage};

const SESSION_FILES: &[(&str, &str)] = &[
    (
        "$XDG_RUNTIME_DIR/cc-auth/session.json",
        "the session, mode 0600; in $XDG_STATE_HOME/cc-auth or ~/.local/state/cc-auth where the variable names no \
         directory of one's own",
    ),
    (
        "~/.local/state/cc-auth/attempts.json",
        "failed attempts of the last 15 minutes by the hash of the name, in $XDG_STATE_HOME if that is set",
    ),
    (
        "$XDG_CACHE_HOME/cc-auth/keys/",
        "what providers say about themselves and their keys, for as long as they allow; ~/.cache where the variable is not set",
    ),
    ("session.lock", "beside the session: held while the session file is read and written"),
    (
        "session.refresh.lock",
        "beside the session: held during a refresh, so that a refresh token is used once",
    ),
];

const PROVIDER_ENVIRONMENT: &[(&str, &str)] = &[
    (
        "OID_CLIENT_ID, OID_CLIENT_SECRET",
        "the client as the provider knows it; a public client has no secret; in the environment or in .env",
    ),
    (
        "BROWSER",
        "commands that open a browser, separated by colons, of which the first that works is used, unless --browser names one",
    ),
    ("DISPLAY, WAYLAND_DISPLAY", "that there is a display to open a browser on"),
    (
        "https_proxy, all_proxy, no_proxy",
        "the proxy for connections to a provider or server; a domain in no_proxy covers its subdomains",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("XDG_RUNTIME_DIR, XDG_STATE_HOME, HOME", "where session and attempts are kept"),
    ("USER, LOGNAME", "who logs in when no name is given"),
    ("JWT_PRIVATE_KEY", "signs the session's token; in the environment or in .env"),
    ("LDAP_ADMIN_PASSWORD", "the password of search-dn; in the environment or in .env"),
    (
        "OID_CLIENT_ID, OID_CLIENT_SECRET",
        "the client as the provider knows it; a public client has no secret; in the environment or in .env",
    ),
    (
        "BROWSER",
        "commands that open a browser, separated by colons, of which the first that works is used, unless --browser names one",
    ),
    ("DISPLAY, WAYLAND_DISPLAY", "that there is a display to open a browser on"),
    (
        "https_proxy, all_proxy, no_proxy",
        "the proxy for connections to a provider or server; a domain in no_proxy covers its subdomains",
    ),
];

const SESSION_JSON: &[(&str, &str)] = &[
    ("accepted", "true"),
    ("username, name", "who it is; the full name can be null"),
    ("roles, projects", "arrays of texts"),
    ("method", "local, ldap, token, oidc or remote"),
    ("issued_at, expires_at", "times in RFC 3339; expires_at is null for a session that does not expire"),
    ("has_token", "whether there is a token for the server"),
];

pub(super) static PAGES: &[ManualPage] = &[
    ManualPage {
        path: "",
        description: &[
            "Finds out who somebody is with the server's own settings and users, and keeps the result as a session: \
             a token of the length that session-max-age says, signed by JWT_PRIVATE_KEY, which 'cc-login token' \
             prints. Without a private key the session has no token, and that is said.",
            "With the method auto, the first that is meant for the user decides, in the server's order: ldap for users of \
             source ldap, and with sync-user-on-login for unknown ones whom the directory has exactly once; then \
             a token, where one is given; then the local password for users of source local. Whoever is refused \
             by one method is not let in by another. An unknown name and a wrong password are refused in the same words \
             after the same time; -v tells why.",
            "ldap binds as user-bind with the name in the place of {username}. Somebody new is added under the directory's \
             own spelling of the name, and only after the bind was good; with update-user-on-login the full name is brought \
             up to date. An empty password is refused before anything is sent.",
            "token takes what the server takes for a login: a token by the shared key (CROSS_LOGIN_JWT_HS512_KEY), or one of the \
             server itself or the trusted issuer, where the server's login by cookie is on. Stricter than the \
             server, it refuses a token without any role the server knows, and changes no user of another source.",
            "oidc logs in through an OpenID Connect provider: authorization code with PKCE, a fresh state and nonce, and an ID \
             token that is verified with the provider's keys. The provider is auth.oidc.provider of the configuration, or with --path \
             an entry of auth.oidc.providers, which has provider, client-id, client-secret-variable, scopes, parameters, \
             ca-file, default-role and max-age. Its parameters can be written as KEY=VALUE as well: path or mount, role, \
             listenaddress, port, callbackhost, callbackmethod, callbackport, skip_browser, scope. A login role of type oidc \
             (auth.jwt-roles) decides with --role who gets in and under which name.",
            "The browser starts at METHOD://HOST:PORT/oidc/start/SECRET on this computer, a URL that works in one browser, and \
             comes back to METHOD://HOST:PORT/oidc/callback, by default http://localhost:8250/oidc/callback. That redirect \
             URI must be registered with the provider and be allowed by the login role; for a loopback host any port fits the role. \
             Only the browser in which the login started can finish it, and, where the system tells whose a connection is, \
             only one of the account that runs cc-login, of root, or of the owner of the terminal. When a NAME is given, the \
             login of another user is rejected. The start URL is always printed. Without a display, and unless --skip-browser, --browser or an option about \
             the port says otherwise, the login goes by device where the provider knows that, and else by pasting back the address \
             that a browser anywhere ended on; which one it is, is said. A device login waits as long as its code holds, the \
             others 2 minutes, unless --timeout says otherwise.",
            "The username is preferred_username, of userinfo before the ID token; the roles are those of realm_access and resource_access, \
             of which user, admin, manager and support are taken, or else user. With sync-user-on-login an unknown user is added with \
             source oidc, with update-user-on-login a known one of that source is brought up to date, but for the role api, \
             which a provider can never give. A refresh token is kept with the session.",
            "A client secret is sent by client_secret_basic or client_secret_post as the provider's discovery document says, and \
             by the other one where the provider rejects the first; token-endpoint-auth-method of the entry selects one.",
            "The session's token has the roles that the user has in the user table after the login, as on the server's own token \
             page. A user who is not in the table gets a session without a token. The REST interface of the server accepts \
             the token of a user with the role api only, GraphQL and the web pages any.",
            "remote asks a running server: it logs in with name and password as its web page does, and the token that the \
             server makes becomes the session; its signature is not looked at, since the server's key need not be here. \
             The server's cookie is never written down. The password is sent over TLS only, or to this computer itself. \
             The server permits 5 logins in 15 minutes for each client address and username, successful ones included, and \
             one more every 3 minutes.",
            "After 5 failed attempts within 15 minutes a user has to wait, which is said with the exit status 75. Attempts are \
             counted by this program, for the account that runs it, and not in the server's database.",
        ],
        examples: &[
            Example {
                command: "cc-user passwd fritz --password-file pw.txt",
                explains: "Give fritz a password first",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login fritz",
                explains: "Log in, in whatever way fritz does",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login fritz --method ldap --password-stdin < pw.txt",
                explains: "Log in by the directory, from a script",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login token | sed 's/^/Authorization: Bearer /' | curl -H @- http://localhost:8080/userapi/jobs/",
                explains: "Use the session without a token in the process list",
                test: ExampleTest::Parses,
            },
        ],
        json: SESSION_JSON,
        files: SESSION_FILES,
        environment: ENVIRONMENT,
        see_also: &["cc-user(1)", "cc-jwt(1)", "gen-keypair(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "status",
        description: &[
            "Tells who is logged in, how and until when. When nobody is, or the session is over, the exit status is 1, and \
             the JSON report has accepted false and the kind no-session or session-expired.",
        ],
        examples: &[Example {
            command: "cc-login status || cc-login",
            explains: "Log in unless somebody is",
            test: ExampleTest::Parses,
        }],
        json: SESSION_JSON,
        files: SESSION_FILES,
        see_also: &["cc-login(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "token",
        description: &[
            "Prints the session's token and nothing else. The exit status is 1 when there is none that is good. A session that is over \
             and has a refresh token is renewed first, unless --at asks about another time.",
        ],
        examples: &[Example {
            command: "cc-login token | cc-jwt verify -",
            explains: "See what the server makes of it",
            test: ExampleTest::Parses,
        }],
        json: &[("token", "the token"), ("expires_at", "when it expires, in RFC 3339; null for never")],
        files: SESSION_FILES,
        see_also: &["cc-login(1)", "cc-jwt-verify(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "refresh",
        description: &[
            "Renews the session of a login through a provider with the refresh token that the provider gave: the provider says anew \
             who it is, it must be the same person, and roles and names are those of now. Many providers give a refresh token only for \
             the scope offline_access. The exit status is 1 when the provider takes the refresh token no more.",
        ],
        examples: &[Example {
            command: "cc-login refresh",
            explains: "Begin a new session of full length",
            test: ExampleTest::Parses,
        }],
        json: SESSION_JSON,
        files: SESSION_FILES,
        environment: PROVIDER_ENVIRONMENT,
        see_also: &["cc-login(1)", "cc-login-token(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "logout",
        description: &[
            "Removes the session that was kept. The token in it stays good until it expires: whoever copied it can go on \
             using it.",
            "With --everywhere the refresh token is given back to the provider, and the provider is told to end its login, where it has \
             ways for that. The session here is gone in any case; when the provider cannot be reached, the exit status is 69.",
        ],
        examples: &[
            Example {
                command: "cc-login logout",
                explains: "End the session, if there is one",
                test: ExampleTest::Runs(0),
            },
            Example {
                command: "cc-login logout --everywhere",
                explains: "End the login at the provider as well",
                test: ExampleTest::Parses,
            },
        ],
        json: &[("ended", "whether there was a session")],
        files: SESSION_FILES,
        see_also: &["cc-login(1)"],
        ..ManualPage::EMPTY
    },
];
