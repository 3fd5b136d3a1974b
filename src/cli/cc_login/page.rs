//! The manual of `cc-login`.

use crate::cli::page::{Example, Page, Tested};

const SESSION_FILES: &[(&str, &str)] = &[
    (
        "$XDG_RUNTIME_DIR/cc-auth/session.json",
        "the session, mode 0600; in $XDG_STATE_HOME/cc-auth or ~/.local/state/cc-auth where the variable names no \
         folder of one's own",
    ),
    (
        "~/.local/state/cc-auth/attempts.json",
        "failed attempts of the last 15 minutes, in $XDG_STATE_HOME if that is set",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("XDG_RUNTIME_DIR, XDG_STATE_HOME, HOME", "where session and attempts are kept"),
    ("USER, LOGNAME", "who logs in when no name is given"),
    ("JWT_PRIVATE_KEY", "signs the session's token; in the environment or in .env"),
    ("LDAP_ADMIN_PASSWORD", "the password of search-dn; in the environment or in .env"),
];

const SESSION_JSON: &[(&str, &str)] = &[
    ("logged_in", "true"),
    ("username, name", "who it is; the full name can be null"),
    ("roles, projects", "arrays of texts"),
    ("method", "local, ldap, token, oidc or remote"),
    ("since, until", "times in RFC 3339; until is null for a session without an end"),
    ("has_token", "whether there is a token for the server"),
];

pub(super) static PAGES: &[Page] = &[
    Page {
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
            "After 5 failed attempts within 15 minutes a user has to wait, which is said with the exit status 75. Attempts are \
             counted by this program, for the account that runs it, and not in the server's database.",
        ],
        examples: &[
            Example {
                command: "cc-user passwd fritz --password-file pw.txt",
                explains: "Give fritz a password first",
                test: Tested::Parses,
            },
            Example {
                command: "cc-login fritz",
                explains: "Log in, in whatever way fritz does",
                test: Tested::Parses,
            },
            Example {
                command: "cc-login fritz --method ldap --password-stdin < pw.txt",
                explains: "Log in by the directory, from a script",
                test: Tested::Parses,
            },
            Example {
                command: "token=$(cc-login token)\ncurl -H \"Authorization: Bearer $token\" http://localhost:8080/userapi/jobs/",
                explains: "Use the session",
                test: Tested::Parses,
            },
        ],
        json: SESSION_JSON,
        files: SESSION_FILES,
        environment: ENVIRONMENT,
        see_also: &["cc-user(1)", "cc-jwt(1)", "gen-keypair(1)"],
    },
    Page {
        path: "status",
        description: &[
            "Tells who is logged in, how and until when. When nobody is, or the session is over, the exit status is 1, and \
             the JSON report has logged_in false and the reason in why: no-session or session-over.",
        ],
        examples: &[Example {
            command: "cc-login status || cc-login",
            explains: "Log in unless somebody is",
            test: Tested::Parses,
        }],
        json: SESSION_JSON,
        files: SESSION_FILES,
        see_also: &["cc-login(1)"],
        ..Page::EMPTY
    },
    Page {
        path: "token",
        description: &[
            "Prints the session's token and nothing else. The exit status is 1 when there is none that is good.",
        ],
        examples: &[Example {
            command: "cc-jwt verify \"$(cc-login token)\"",
            explains: "See what the server makes of it",
            test: Tested::Parses,
        }],
        json: &[("token", "the token"), ("until", "when it expires, in RFC 3339; null for never")],
        files: SESSION_FILES,
        see_also: &["cc-login(1)", "cc-jwt-verify(1)"],
        ..Page::EMPTY
    },
    Page {
        path: "logout",
        description: &[
            "Removes the session that was kept. The token in it stays good until it expires: whoever copied it can go on \
             using it.",
        ],
        examples: &[Example {
            command: "cc-login logout",
            explains: "End the session, if there is one",
            test: Tested::Runs(0),
        }],
        json: &[("ended", "whether there was a session")],
        files: SESSION_FILES,
        see_also: &["cc-login(1)"],
        ..Page::EMPTY
    },
];
