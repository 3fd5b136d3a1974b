//! The manual of `cc-jwt`.

use super::pages_verify::FILES;
use super::{pages_osdf, pages_scan, pages_verify};
use crate::cli::completion;
use crate::cli::page::{Example, ExampleTest, ManualPage};

pub(super) static PAGES: &[ManualPage] = &[
    ManualPage {
        path: "",
        description: &[
            "Tokens of a ClusterCockpit server are signed JSON Web Tokens (RFC 7519). This program issues them \
             as the server does, prints their content, and reports whether the server accepts a token, and why \
             not.",
            "The key decides how a token is verified, never the token's header. The program rejects, each with \
             its own reason: unsigned tokens, a 'crit' header, duplicate members, keys in the header, unused \
             bits that are set, wrong types, tokens over 64 KiB, and tokens that do not have three parts. If \
             the server accepts such a token, the reason states it.",
        ],
        examples: &[
            Example {
                command: "cc-jwt issue fritz --ttl 24h --output fritz.jwt",
                explains: "Issue a token into a file that only its owner can read",
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
            "--header, --curl-config, --export and --exec-credential print the token in the form that another program \
             reads from standard input or from a file. A token is not an argument of a command: the list of processes \
             shows arguments to all accounts.",
        ],
        examples: &[
            Example {
                command: "cc-jwt issue fritz --ttl 24h --output fritz.jwt",
                explains: "A token for a day, in a file that only its owner can read",
                test: ExampleTest::Runs(0),
            },
            Example {
                command: "cc-jwt issue fritz --ttl 5m --header | curl -H @- http://localhost:8080/userapi/jobs/",
                explains: "A token for one request",
                test: ExampleTest::Parses,
            },
            Example {
                command: "cc-jwt issue fritz --ttl 24h --curl-config --output curl.conf",
                explains: "A configuration file for curl: curl -K curl.conf URL",
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
        files: FILES,
        see_also: &["cc-user(1)", "cc-jwt-spec-issue(1)"],
        ..ManualPage::EMPTY
    },
    pages_verify::INSPECT,
    pages_verify::VERIFY,
    pages_verify::ROLE,
    pages_verify::ROLE_CHECK,
    pages_verify::ROLE_PULL,
    pages_osdf::RENEW,
    pages_scan::SCAN,
    pages_osdf::SPEC,
    pages_osdf::SPEC_CHECK,
    pages_osdf::SPEC_NEW,
    pages_osdf::SPEC_ISSUE,
    pages_osdf::JWKS,
    completion::page(&[
        completion::example(
            "mkdir -p ~/.local/share/bash-completion/completions\ncc-jwt completion bash > ~/.local/share/bash-completion/completions/cc-jwt",
            "For bash",
        ),
        completion::example(
            "cc-jwt completion zsh > ~/.cc-jwt.zsh\necho 'source ~/.cc-jwt.zsh' >> ~/.zshrc",
            "For zsh",
        ),
        completion::example(
            "mkdir -p ~/.config/fish/completions\ncc-jwt completion fish > ~/.config/fish/completions/cc-jwt.fish",
            "For fish",
        ),
        completion::example(
            "mkdir -p ~/.config/elvish\ncc-jwt completion elvish > ~/.cc-jwt.elv\necho 'eval (slurp < ~/.cc-jwt.elv)' >> ~/.config/elvish/rc.elv",
            "For elvish",
        ),
    ]),
];
