//! The manual of `cc-login`.

use crate::cli::completion;
use crate::cli::page::{Example, ExampleTest, ManualPage};

const SESSION_FILES: &[(&str, &str)] = &[
    (
        "$XDG_RUNTIME_DIR/cc-auth/sessions/",
        "the sessions, mode 0600: NAME.json, or @HASH.json for the session of a server or directory; in \
         $XDG_STATE_HOME/cc-auth or ~/.local/state/cc-auth if the variable is not a private directory of the user",
    ),
    (
        "~/.local/state/cc-auth/attempts.json",
        "failed logins of the last 15 minutes, by the hash of the username; in $XDG_STATE_HOME if that is set",
    ),
    (
        "$XDG_CACHE_HOME/cc-auth/keys/",
        "discovery documents and keys of providers, as long as they may be cached; ~/.cache if the variable is not set",
    ),
    ("*.json.lock", "beside a session: locked while the session file is read and written"),
    (
        "*.json.refresh.lock",
        "beside a session: locked during a refresh, so that a refresh token is used once",
    ),
];

const SESSION: (&str, &str) =
    ("CC_SESSION", "the session that is used, unless --session is set: a name, a URL or an absolute path");

/// The environment of the commands that only read a session.
const SESSION_ENVIRONMENT: &[(&str, &str)] = &[SESSION];

const PROVIDER_ENVIRONMENT: &[(&str, &str)] = &[SESSION, OID, BROWSER, DISPLAY, PROXY];

const OID: (&str, &str) = (
    "OID_CLIENT_ID, OID_CLIENT_SECRET",
    "the client registered with the provider; a public client has no secret; in the environment or in .env",
);
const BROWSER: (&str, &str) = (
    "BROWSER",
    "commands that open a browser, separated by colons; the first that works is used, unless --browser is set",
);
const DISPLAY: (&str, &str) = ("DISPLAY, WAYLAND_DISPLAY", "a display on which a browser can be opened");
const PROXY: (&str, &str) = (
    "https_proxy, all_proxy, no_proxy",
    "the proxy for connections to a provider or server; a domain in no_proxy covers its subdomains",
);

const STRONGHOLD_ADDR: (&str, &str) = (
    "STRONGHOLD_ADDR, BAO_ADDR, VAULT_ADDR",
    "the URL of the server of --method stronghold; the first that is set is used",
);
const STRONGHOLD_NAMESPACE: (&str, &str) = (
    "STRONGHOLD_NAMESPACE, BAO_NAMESPACE, VAULT_NAMESPACE",
    "the namespace at this server; the first that is set is used",
);
const STRONGHOLD_CACERT: (&str, &str) = (
    "STRONGHOLD_CACERT, BAO_CACERT, VAULT_CACERT, STRONGHOLD_CAPATH, BAO_CAPATH, VAULT_CAPATH",
    "a file or directory with the CA certificates of this server; the first that is set is used",
);

const EXEC_INFO: (&str, &str) = (
    "KUBERNETES_EXEC_INFO",
    "the request of a Kubernetes client, with the version that --exec-credential prints",
);

const HELPER_ENVIRONMENT: &[(&str, &str)] =
    &[SESSION, STRONGHOLD_ADDR, STRONGHOLD_NAMESPACE, STRONGHOLD_CACERT, PROXY];

const TOKEN_ENVIRONMENT: &[(&str, &str)] = &[SESSION, EXEC_INFO, OID, PROXY];

const ENVIRONMENT: &[(&str, &str)] = &[
    SESSION,
    (
        "ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "the token endpoint of a GitHub job, for --identity github",
    ),
    STRONGHOLD_ADDR,
    STRONGHOLD_NAMESPACE,
    STRONGHOLD_CACERT,
    ("XDG_RUNTIME_DIR, XDG_STATE_HOME, HOME", "the directories for the sessions and for failed logins"),
    ("USER, LOGNAME", "the username, unless NAME is given"),
    ("JWT_PRIVATE_KEY", "signs the token of the session; in the environment or in .env"),
    ("LDAP_ADMIN_PASSWORD", "the password of search-dn; in the environment or in .env"),
    OID,
    BROWSER,
    DISPLAY,
    PROXY,
];

pub(super) static PAGES: &[ManualPage] = &[
    ManualPage {
        path: "",
        description: &[
            "Logs in with the settings and users of the server, and saves a session: a token with the lifetime of \
             session-max-age, signed with JWT_PRIVATE_KEY. 'cc-login token' prints it. Without a private key, the session \
             has no token, and a warning is printed.",
            "With the method auto, the first method that applies to the user decides, in the server's order: ldap for users of \
             source ldap, and with sync-user-on-login for unknown users with exactly one LDAP entry; then token, with \
             --token-file; then the local password for users of source local. If one method rejects a user, no other one is \
             tried. An unknown username and a wrong password are rejected with the same message after the same time; -v prints \
             the reason.",
            "ldap binds as user-bind, with the username for {username}. An unknown user is added after a successful bind, with \
             the spelling of the username in LDAP. With update-user-on-login, the full name is updated. An empty \
             password is rejected before anything is sent.",
            "token accepts the tokens that the server accepts for a login: one signed with the HMAC secret \
             (CROSS_LOGIN_JWT_HS512_KEY), or one of the server itself or of the trusted issuer if the cookie login of the \
             server is enabled. Unlike the server, it rejects a token without a known role, and changes no user of another \
             source.",
            "With --role, token accepts the tokens of another issuer: the login role of type jwt (auth.jwt-roles, with the keys \
             of auth.jwt-config) determines the accepted tokens and the claim with the username, as at Stronghold. The user \
             must be in the user table, which is not changed. --bearer-token-file is for keys that are not public, as those of a \
             Kubernetes API server.",
            "--identity logs in with the token of a CI job. github requests it from GitHub Actions for the audience after the \
             colon (ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN; the job needs the permission id-token: \
             write). env:NAME reads it from a variable, such as one of id_tokens in GitLab. file:PATH reads it from a file, such \
             as a projected token of Kubernetes or a SPIFFE JWT. The token is fetched at each login.",
            "oidc logs in through an OpenID provider: authorization code with PKCE, new state and nonce, and an ID token \
             verified with the provider's keys. The provider is auth.oidc.provider of the configuration, or with --path an \
             entry of auth.oidc.providers, which has provider, client-id, client-secret-variable, scopes, parameters, ca-file, \
             default-role and max-age. Parameters can be written as KEY=VALUE: path or mount, role, listenaddress, port, \
             callbackhost, callbackmethod, callbackport, skip_browser, scope. With --role, a login role of type oidc \
             (auth.jwt-roles) determines the accepted users and their usernames.",
            "The browser starts at METHOD://HOST:PORT/oidc/start/SECRET on this computer, a URL that works in one browser, and \
             returns to METHOD://HOST:PORT/oidc/callback, by default http://localhost:8250/oidc/callback. This redirect URI \
             must be registered with the provider and be allowed by the login role; for a loopback host, the role allows any \
             port. Only the browser in which the login started can finish it. If the system has the user ID of a connection, \
             it must be that of cc-login, of root, or of the owner of the terminal. If NAME is given, the login of another \
             user is rejected. The start URL is always printed.",
            "Without a display, and without --skip-browser, --browser and options about the port, the login uses device \
             authorization if the provider supports it and permits it to the client, and otherwise a URL that the user \
             pastes from any browser; a note names the flow. The time limit of a device login is the lifetime of the code, that of others 2 minutes, unless \
             --timeout is set.",
            "The username is preferred_username, of UserInfo before the ID token. The roles are those of realm_access and \
             resource_access in the ID token: user, admin, manager and support are used; without one of them, the role is user. With \
             sync-user-on-login, an unknown user is added with source oidc. With update-user-on-login, a known user of that \
             source is updated, except for the role api, which a provider can never assign. A refresh token is saved with the \
             session.",
            "A client secret is sent by client_secret_basic or client_secret_post, as the discovery document of the provider \
             lists, and by the other method if the provider rejects the first; token-endpoint-auth-method of the entry \
             selects one. With client-key-file, the client signs an assertion with this private key instead \
             (private_key_jwt).",
            "--client-credentials logs in as the client itself, without a user; with --identity, the identity of the job is the \
             assertion of the client. --method oidc with --identity or --token-file exchanges a token (RFC 8693): the identity \
             of the job, or an access token of the provider. --parameter adds parameters to the request, such as audience=NAME. \
             If the provider sends no ID token, the session of a client has its ID as the username and only the access token \
             of the provider.",
            "The token of the session has the roles of the user in the user table after the login, as on the server's token \
             page. A user who is not in the table gets a session without a token. The REST interface of the server accepts \
             only tokens with the role api; GraphQL and the web pages accept any.",
            "remote logs in at a running server with username and password, like its web page, and saves the token of the \
             server as the session. The signature is not verified, since the server's key need not be here. The cookie of the \
             server is not saved. The password is sent only over TLS or to this computer. The server permits 5 logins in 15 \
             minutes for each client address and username, successful ones included, and one more every 3 minutes.",
            "stronghold logs in at a Stronghold, OpenBao or Vault server (the names openbao and vault are accepted as well), and \
             saves the token of that server as the session. With --token-file, --from-session or --identity, the login is one \
             with a JWT, at the mount jwt unless --path is set. Otherwise it goes through the OpenID provider of the mount, oidc \
             unless --path is set. The response of the server shows the mode of the role: client (the browser returns to this \
             program, or its URL is pasted), direct (the browser returns to the server) or device. If port 8250 is in use, any \
             free port is used, unless --port is set. Without --role, the default role of the mount applies.",
            "The URL, the namespace and the CA certificates of that server are those of the options, then of the variables of \
             Stronghold, OpenBao and Vault, in this order for each of them; -v prints which one is used. The CA \
             certificates are trusted instead of those of the system. A second factor is asked for at a \
             prompt. With --wrap-ttl, the server wraps the token, and the command prints the wrapping token. When less than a \
             third of the lifetime of the token remains, 'cc-login token' and 'cc-login run' renew it first. 'cc-login logout' \
             revokes it, as does a login that replaces the session; a revocation that fails is a warning then.",
            "Several sessions can be stored side by side. A login with --session NAME stores the session under this name. \
             Without a name, it belongs to the server of --server or, for the other methods, to the directory of the server: \
             the directory of --config, otherwise of --env-file, otherwise of the database in --db, otherwise the current \
             directory. At Stronghold, it belongs to the namespace of the server, not to the mount or the role. A login replaces \
             the session of the same name, server, namespace or directory, and no other one.",
            "All commands select a session by the same rule: --session, then CC_SESSION, then the session of this directory, \
             then the only session. A session with a name belongs to its directory as well, if there is no other one. If \
             several sessions remain, the command fails with exit status 2 and lists them. The expiry has no influence on the \
             selection. 'cc-login sessions' lists the sessions. --session and CC_SESSION also accept the URL of a server, with \
             ?namespace=NAME for a namespace at Stronghold, or the absolute path of a directory. A name has at most 64 letters, digits, '.', '_' and '-'.",
            "A session of a directory is renewed only with the settings of this directory.",
            "After 5 failed logins within 15 minutes, a user has to wait; the exit status is 75. This program counts the logins \
             of the account that runs it, not in the server's database.",
        ],
        examples: &[
            Example {
                command: "cc-user passwd fritz --password-file pw.txt",
                explains: "Set a password for fritz first",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login fritz",
                explains: "Log in with the method that applies to fritz",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login fritz --method ldap --password-stdin < pw.txt",
                explains: "Log in by LDAP in a script",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login fritz --server https://cc.example.org --session site",
                explains: "Log in at a running server, and store the session under a name",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login --identity github:https://cc.example.org --role ci",
                explains: "Log in with the identity of a GitHub job",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login --method stronghold --server https://stronghold.example.org --path oidc_deckhouse role=test",
                explains: "Log in at a Stronghold server through its provider",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login --method stronghold --token-file job.jwt --role ci",
                explains: "Log in with a JWT at the server in STRONGHOLD_ADDR, BAO_ADDR or VAULT_ADDR",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login token --header | curl -H @- http://localhost:8080/userapi/jobs/",
                explains: "Use the token without showing it in the process list",
                test: ExampleTest::Parses,
            },
        ],
        files: SESSION_FILES,
        environment: ENVIRONMENT,
        see_also: &["cc-user(1)", "cc-jwt(1)", "gen-keypair(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "status",
        description: &[
            "Prints the user, method and expiry of the session. Without a valid session the exit status is 1, and the JSON \
             report has accepted false and the kind no-session or session-expired.",
        ],
        examples: &[Example {
            command: "cc-login status || cc-login",
            explains: "Log in unless there is a valid session",
            test: ExampleTest::Parses,
        }],
        files: SESSION_FILES,
        environment: SESSION_ENVIRONMENT,
        see_also: &["cc-login(1)", "cc-login-whoami(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "whoami",
        description: &[
            "Prints the username of the session and nothing else, for scripts. Without a valid session the exit status is 1, as \
             with 'cc-login status', which also prints roles, method, server and expiry. No server is asked: a token that the \
             server no longer accepts is not noticed.",
        ],
        examples: &[Example {
            command: "cc-login whoami --session site",
            explains: "Print the username of the session with the name site",
            test: ExampleTest::Parses,
        }],
        files: SESSION_FILES,
        environment: SESSION_ENVIRONMENT,
        see_also: &["cc-login(1)", "cc-login-status(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "sessions",
        description: &[
            "Lists the sessions of this account with name, username, method, expiry, and the server or directory that each was \
             created for. An expired session is listed until it is replaced or ended. '*' marks the session that the other \
             commands use in this directory. A file that is not a valid session causes a warning. No secret is printed.",
        ],
        examples: &[
            Example {
                command: "cc-login sessions",
                explains: "List the sessions",
                test: ExampleTest::Runs(0),
            },
            Example {
                command: "CC_SESSION=site cc-login sessions",
                explains: "Show which session CC_SESSION selects",
                test: ExampleTest::Parses,
            },
        ],
        files: SESSION_FILES,
        environment: SESSION_ENVIRONMENT,
        see_also: &["cc-login(1)", "cc-login-logout(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "token",
        description: &[
            "Prints the token of the session and nothing else. The exit status is 1 without a valid token. An expired session \
             with a refresh token is renewed first, unless --at is set.",
            "--header, --curl-config, --export and --exec-credential print the token in the form that another program \
             reads from standard input. A token is not an argument of a command: the list of processes shows arguments \
             to all accounts.",
            "--exec-credential responds to a Kubernetes client that runs this command as its credential plugin, in the version \
             of KUBERNETES_EXEC_INFO: v1 or v1beta1.",
            "--kind access and --kind id print the tokens that the OpenID provider issued, for other programs. They have their \
             own expiry. The token of the provider is renewed with the refresh token of the session.",
            "With --min-ttl, a token that expires earlier is renewed first. The exit status is 1 if the session has no refresh \
             token, or if the new token still expires earlier.",
            "--output writes the token in the selected form to a file of mode 0600, as a whole or not at all. A file that \
             exists is replaced, so that the command can be repeated.",
            "--watch renews the token in the file before it expires: when its remaining lifetime is --min-ttl, by default \
             a minute. A renewal that fails is a warning and is repeated; the program ends with its error when the token in the \
             file has expired. SIGHUP writes the token of the session again; SIGTERM and SIGINT end the program with status 0. systemd units of Type=notify are supported.",
        ],
        examples: &[
            Example {
                command: "cc-login token | cc-jwt verify -",
                explains: "Check which endpoints of the server accept the token",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login token --header | curl -H @- http://localhost:8080/userapi/jobs/",
                explains: "Send the token with curl",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login token --min-ttl 10m --curl-config -o curl.conf",
                explains: "Write a configuration file for curl, valid for at least ten minutes",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login token --min-ttl 10m -o token --watch",
                explains: "Renew the token in a file for a long-running program",
                test: ExampleTest::Parses,
            },
            Example {
                command: "eval \"$(cc-login token --export CC_TOKEN)\"",
                explains: "Set a variable of the shell, which its commands get",
                test: ExampleTest::Parses,
            },
        ],
        environment: TOKEN_ENVIRONMENT,
        files: SESSION_FILES,
        see_also: &["cc-login(1)", "cc-jwt-verify(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "token-helper",
        description: &[
            "Makes the sessions of --method stronghold the token store of vault and bao. These programs call a token helper with \
             get, store or erase as its only argument. Their configuration file (~/.vault or ~/.bao) names the helper as a \
             path without arguments, so it is a script with the two lines '#!/bin/sh' and 'exec cc-login token-helper \"$1\"'. \
             The line in the configuration file is: token_helper = \"/PATH/OF/SCRIPT\".",
            "get prints the token of the session without a line end, and renews it first if less than a third of its lifetime \
             remains; without a valid session it prints nothing. store saves the token on standard input as a session. \
             erase removes the session and does not revoke its token.",
            "The session is the one of --session or CC_SESSION, otherwise the one of the server in STRONGHOLD_ADDR, BAO_ADDR or \
             VAULT_ADDR, otherwise as with the other commands.",
        ],
        examples: &[Example {
            command: "cc-login token-helper get",
            explains: "Print the token as vault and bao request it",
            test: ExampleTest::Runs(0),
        }],
        files: SESSION_FILES,
        environment: HELPER_ENVIRONMENT,
        see_also: &["cc-login(1)", "cc-login-token(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "run",
        description: &[
            "Runs a command with the token of the session in an environment variable, TOKEN unless --env is set. Other \
             processes do not get the token, and it is not an argument. The environment of a process can be read by \
             the same account and root only.",
            "The command gets the environment of cc-login, without the keys and passwords of a server: JWT_PRIVATE_KEY, \
             CROSS_LOGIN_JWT_HS512_KEY, SESSION_KEY, LDAP_ADMIN_PASSWORD, OID_CLIENT_SECRET.",
            "With --identity or --client-credentials, the command logs in first, as cc-login does with the same options. The \
             session is in memory only, so that a job of a pipeline needs no directory for it.",
            "With a session at Stronghold whose token can be renewed, cc-login waits for the command, and renews the token \
             while the command runs. After a login at Stronghold with --identity, it revokes the token afterwards. The \
             command gets the signals HUP, INT, QUIT, TERM, USR1 and USR2 that cc-login \
             gets. If a signal ends the command, the exit status is 128 and the number of the signal. A failed renewal or \
             revocation is a warning. The signal KILL to cc-login prevents the revocation.",
            "With other tokens, the command replaces the process of cc-login: it gets all signals, and its exit status is that of cc-login. The \
             exit status is 127 if the command does not exist, and 126 if it cannot be executed. Without a valid token, the \
             command is not run, and the exit status is that of 'cc-login token'.",
        ],
        examples: &[
            Example {
                command: "cc-login run -- python3 report.py",
                explains: "Run a script that reads the variable TOKEN",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login run --identity env:CC_ID_TOKEN --role gitlab -- ./report",
                explains: "Log in with the identity of a GitLab job for one command",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-login run --env CCSYNC_APIKEY -- cc-condor-sync",
                explains: "Run a program that expects the token in another variable",
                test: ExampleTest::Parses,
            },
        ],
        files: SESSION_FILES,
        environment: PROVIDER_ENVIRONMENT,
        see_also: &["cc-login(1)", "cc-login-token(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "refresh",
        description: &[
            "Renews the session of a login at Stronghold at that server, with the same token, until its maximum lifetime.",
            "Renews the session of an OpenID login with its refresh token. The provider must return the same subject; roles and \
             names are the current ones. Many providers send a refresh token only for the scope offline_access. The exit status \
             is 1 if the provider rejects the refresh token.",
        ],
        examples: &[Example {
            command: "cc-login refresh",
            explains: "Renew the session with its full lifetime",
            test: ExampleTest::Parses,
        }],
        files: SESSION_FILES,
        environment: PROVIDER_ENVIRONMENT,
        see_also: &["cc-login(1)", "cc-login-token(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "logout",
        description: &[
            "Removes the selected session; --all removes all sessions of this account. The token of a session at Stronghold is \
             revoked; if the server is not available, the session here ends, and the exit status is 69. Any other token remains valid \
             until it expires: copies of it can still be used. Without a session, the exit status is 0.",
            "With --everywhere, the refresh token is revoked and the login at the provider ends, if the provider supports it. \
             The session here ends in any case; if the provider is not available, the exit status is 69. The settings must \
             name the provider of the session.",
            "--everywhere does not change which sessions end here: it adds the logout at the provider to each of them. --all \
             continues after an error, and prints all errors.",
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
            Example {
                command: "cc-login logout --all",
                explains: "End all sessions of this account",
                test: ExampleTest::Runs(0),
            },
        ],
        files: SESSION_FILES,
        environment: SESSION_ENVIRONMENT,
        see_also: &["cc-login(1)"],
        ..ManualPage::EMPTY
    },
    completion::page(&[
        completion::example(
            "mkdir -p ~/.local/share/bash-completion/completions\ncc-login completion bash > ~/.local/share/bash-completion/completions/cc-login",
            "For bash",
        ),
        completion::example(
            "cc-login completion zsh > ~/.cc-login.zsh\necho 'source ~/.cc-login.zsh' >> ~/.zshrc",
            "For zsh",
        ),
        completion::example(
            "mkdir -p ~/.config/fish/completions\ncc-login completion fish > ~/.config/fish/completions/cc-login.fish",
            "For fish",
        ),
        completion::example(
            "mkdir -p ~/.config/elvish\ncc-login completion elvish > ~/.cc-login.elv\necho 'eval (slurp < ~/.cc-login.elv)' >> ~/.config/elvish/rc.elv",
            "For elvish",
        ),
    ]),
];
