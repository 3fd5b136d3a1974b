//! The manual of the commands for the Open Science Data Federation: renew, spec, jwks.

use crate::cli::page::{Example, ExampleTest, ManualPage};

pub(super) const DISCOVERY: &[(&str, &str)] = &[
    ("BEARER_TOKEN", "a token; without an argument, inspect and verify read it first"),
    (
        "BEARER_TOKEN_FILE",
        "the file of a token; inspect and verify read it second, renew --discoverable writes it first",
    ),
    ("XDG_RUNTIME_DIR", "the directory of bt_uID, where ID is the effective user ID; /tmp if it is not set"),
];

pub(super) const DISCOVERED: (&str, &str) = (
    "$XDG_RUNTIME_DIR/bt_uID, /tmp/bt_uID",
    "read by bearer token discovery, and written by renew --discoverable; ID is the effective user ID",
);

const SPEC_FILES: &[(&str, &str)] = &[
    ("RESOURCE.yaml", "the resource; a relative spec.key.file is relative to its directory"),
    ("DIR/NAME/KEY", "with --secrets-dir: a key of a mounted Secret or ConfigMap"),
];

pub(super) const RENEW: ManualPage = ManualPage {
    path: "renew",
    description: &[
        "For each resource (kind: JWT, apiVersion: tokens.osg-htc.org/v1, the form of the OSG token operator) the token \
         is signed and written to its file if it is due. The token in the file decides that. It is due when it expires \
         within spec.resignBefore, when it is missing, expired, not yet valid or invalid, when another key signed it, \
         and when issuer, key ID, algorithm, data or lifetime in the resource have changed. Without spec.resignBefore \
         it is due when it has expired. Time zones have no effect.",
        "spec.resignBefore is the remaining lifetime that every reader gets. It should be longer than the longest \
         transfer: Pelican reads the token once, and fails at the first file that it requests after that token has \
         expired.",
        "A mode with permissions for the group or for others prints a warning: Pelican and curl read such a file, xrdcp \
         and xrdfs ignore it.",
        "A file is replaced in one step: a reader sees the old token or the new one. After a failure the old token \
         remains, the error and the time at which the old token expires are printed, and the exit status is not 0. A \
         lock beside the file (.NAME.lock) permits one process at a time; a second process ends with status 75.",
        "With --published a token is signed only with a key that the issuer publishes under its key ID. Otherwise the old \
         token remains, and --watch tries again: after a change of the key, tokens are renewed as soon as the new key is \
         published. If a key set at a URL cannot be fetched, the token is signed and a warning is printed.",
        "Without --mode the file has mode 0600. A file that is replaced keeps its group and, if its mode gives other \
         accounts no access, the access of the group (0640); root also keeps its owner. In a directory that all accounts \
         can write to, only a regular file of the caller is read and replaced. A symbolic link is followed if no other \
         account can have created it; a FIFO or a device is rejected (status 73).",
        "With --watch the process does not end. It checks resources and key files every second (less often when there \
         are hundreds, at least every 30 seconds) and renews when they change. On SIGHUP it reads all files again and \
         signs every token; on SIGTERM and SIGINT it ends with status 0. After a failure it tries again, with a delay \
         that grows from 2 seconds to 5 minutes. systemd (Type=notify) receives READY=1 when all tokens are valid, \
         STATUS= and STOPPING=1. Each event is a line of JSON on standard output; without --watch only with --json.",
    ],
    sections: RENEW_INTO,
    examples: &[
        Example {
            command: "gen-keypair --algorithm es256 --format pem -o keys\n\
                      cc-jwt spec new --key keys/private.pem -o osdf.yaml\n\
                      cc-jwt renew --spec osdf.yaml -o osdf.jwt",
            explains: "A new key pair, a resource, and a token in a file",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "cc-jwt renew --spec osdf.yaml -o osdf.jwt --check",
            explains: "Is renewal due? Status 1 if so",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt renew --spec *.yaml --out-dir /run/tokens --watch",
            explains: "Renew many tokens, each in /run/tokens/NAME",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt renew --user fritz --ttl 24h --into fritz.jwt",
            explains: "A token of a user of the server, in a file of its own",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "cc-jwt renew --user collector --into /etc/cc-metric-collector/sinks.json#/cc/jwt \
                      --command 'systemctl restart cc-metric-collector'",
            explains: "The token in the configuration of cc-metric-collector; then the program reads it",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt renew --renewal-file /etc/cc-jwt/renewals.yaml --watch",
            explains: "All tokens of a renewal file, until a signal",
            test: ExampleTest::Parses,
        },
        Example {
            command: "XDG_RUNTIME_DIR=/run/user/$(id -u) cc-jwt renew --spec osdf.yaml --discoverable -q",
            explains: "In a crontab, for programs of a login session that use bearer token discovery",
            test: ExampleTest::Parses,
        },
    ],
    files: &[
        SPEC_FILES[0],
        SPEC_FILES[1],
        DISCOVERED,
        (".NAME.lock", "beside each token: locked by the process that renews it"),
        (
            ".NAME.pending",
            "beside a file with a command: exists from a change of the file until the command has succeeded",
        ),
    ],
    environment: &[DISCOVERY[1], DISCOVERY[2], ("NOTIFY_SOCKET", "the notification socket of systemd")],
    see_also: &["cc-jwt-spec(1)", "cc-jwt-jwks(1)", "systemd.service(5)"],
    ..ManualPage::EMPTY
};

/// The renewal of the tokens of users.
const RENEW_INTO: &[(&str, &[&str])] = &[
    (
        "TOKENS OF THE SERVER'S USERS",
        &[
            "With --user and --into, or with a renewal file, a token of a user is renewed in the file of the program that \
             uses it. It has the claims that the server itself would set, and is signed with the server's key. It is due \
             when a third of its lifetime is left (--renew-before), when it is missing, invalid or never expires, when \
             another key signed it, and when the user, the roles of the user or the lifetime changed. A user who is \
             deleted, disabled or without roles gets no token: the old one remains, and the exit status is 1.",
            "A target is FILE#/json/pointer for JSON and YAML (RFC 6901), FILE#SETTING or FILE#SECTION.SETTING for environment \
             files, systemd units, curl configurations, INI, TOML and HTCondor, or FILE if the file is the token alone. \
             cc-jwt scan prints members in this form. A value of a Kubernetes Secret is decoded, and a file in it has a \
             member of its own: secret.yaml#/data/sinks.json#/cc/jwt. The member must exist, with a token or an empty string as its \
             value. In a header, the text before the token remains; before a token that the program sends with 'Bearer ' \
             itself, this word is removed.",
            "Every other byte of the file remains, and so do its owner, group, mode and attributes, such as its SELinux label. \
             The file is replaced in one step, after the new content was read again: it must have the same members, with \
             the new token as the only change. Otherwise nothing is written. These are rejected: a value that is another \
             text, blocks, anchors and values of several lines in YAML, escapes and variables in other formats, a member \
             that is there twice, and a file with several hard links. A symbolic link that no other account can change is \
             followed: the file that it leads to is replaced.",
            "--command is run with /bin/sh after a change. If it fails or takes longer than --command-timeout, the exit \
             status is 75, and the next run repeats it even if the token is not due; --watch repeats it with growing delays. \
             The file .NAME.pending beside the target exists from before the change until the command has succeeded. \
             After a kill at any moment, the next run therefore calls the command. The command gets the variables that a shell \
             needs, such as PATH and HOME, and no others.",
            "A warning is printed if a variable in .env beside the target, in the server's environment file or in the \
             environment overrides the token, such as METRICSTORE_TOKEN: the program does not read the renewed token then.",
        ],
    ),
    (
        "RENEWAL FILE",
        &[
            "A list in YAML or JSON. Each entry has user and into (a target, or a list of targets), and optionally lifetime, \
             renew-before, command, command-timeout, and owner, group and mode: the file must have them, otherwise it is \
             not changed. Relative targets are relative to the directory of the renewal file. The file must belong to \
             the caller or root, and no other account may be able to change it, since it names commands. --watch reads it \
             again after a change.",
        ],
    ),
];

pub(super) const SPEC: ManualPage = ManualPage {
    path: "spec",
    description: &[
        "A resource describes a token: metadata.name; spec.issuer (becomes iss), spec.keyId (kid), spec.algorithm \
         (RS256, ES256, EdDSA, ES384, RS384, RS512, PS256, PS384, PS512), spec.data (the payload), spec.expiryTime and \
         spec.resignBefore (exactly one of days, hours, minutes), spec.key (exactly one of value, secret, configMap, \
         file, env; secretRef, configMapRef and valueFrom are accepted too). The claims iss, iat, nbf (a minute \
         earlier), exp and jti are set when the token is signed.",
        "spec.keyId must be the key ID under which the issuer publishes the key. 'spec new' writes the RFC 7638 \
         thumbprint of the key in --key, which 'cc-jwt jwks' uses too. 'spec check', 'spec issue' and \
         cc-jwt-renew(1) compare the key and its ID with a published key set (--published).",
        "YAML or JSON, several documents in one file, and kind: List are accepted; documents of other kinds are \
         skipped. The parser is strict: unknown fields, duplicate members with different values, tags, merge keys, and \
         strings that Kubernetes reads as another type (yes, 007) are errors. The limits are 4 MiB, 64 levels, and \
         10000 entries after expansion of aliases.",
    ],
    examples: &[Example {
        command: "cc-jwt spec new -o osdf.yaml\ncc-jwt spec check --no-key osdf.yaml",
        explains: "Write a resource and check it",
        test: ExampleTest::Runs(0),
    }],
    files: SPEC_FILES,
    see_also: &["cc-jwt-renew(1)", "cc-jwt-jwks(1)"],
    ..ManualPage::EMPTY
};

pub(super) const SPEC_CHECK: ManualPage = ManualPage {
    path: "spec check",
    description: &[
        "Reads resources and reports all errors, each with line and field; the exit status is then 65. A warning is a \
         rule of the profile (WLCG, SciTokens) that the token would not follow, so that some validators reject it; \
         --strict makes warnings errors. The key is read and tried, except a key in a Secret without --secrets-dir.",
        "--published warns of a key that the issuer does not publish under its key ID. A key set at a URL is cached; it is \
         fetched again, at most once a minute, before the warning is printed.",
    ],
    examples: &[Example {
        command: "cc-jwt spec new | cc-jwt spec check --no-key -",
        explains: "Check a resource",
        test: ExampleTest::Runs(0),
    }],
    files: SPEC_FILES,
    see_also: &["cc-jwt-renew(1)"],
    ..ManualPage::EMPTY
};

pub(super) const SPEC_NEW: ManualPage = ManualPage {
    path: "spec new",
    description: &[
        "Writes a resource with a comment at each field, to be edited. cc-jwt-spec(1) describes the fields.",
    ],
    files: SPEC_FILES,
    examples: &[Example {
        command: "cc-jwt spec new --issuer https://tokens.example.org --kid 2026 -o osdf.yaml",
        explains: "A resource to edit",
        test: ExampleTest::Runs(0),
    }],
    ..ManualPage::EMPTY
};

pub(super) const SPEC_ISSUE: ManualPage = ManualPage {
    path: "spec issue",
    description: &[
        "Issues the token of each resource in FILE and prints it, one a line. If one resource is invalid or a key is \
         missing, no token is issued. --set changes a field first; the value null removes it. --secret-manifest prints \
         the Kubernetes Secret that the OSG token operator would create.",
        "With --published no token is issued with a key that the issuer does not publish under its key ID, since \
         validators reject such a token (status 65), or if the published keys cannot be read.",
        "To write a token to a file and renew it, use cc-jwt-renew(1).",
    ],
    examples: &[
        Example {
            command: "cc-jwt spec issue osdf.yaml --set spec.data.sub=jane -o osdf.jwt",
            explains: "The token of a resource, with another subject",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt spec issue osdf.yaml --secret-manifest | kubectl apply -f -",
            explains: "The token as a Kubernetes Secret",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt spec issue osdf.yaml --published https://tokens.example.org/jwks.json -o osdf.jwt",
            explains: "A token whose key the issuer publishes",
            test: ExampleTest::Parses,
        },
    ],
    files: SPEC_FILES,
    see_also: &["cc-jwt-spec(1)", "cc-jwt-renew(1)"],
    ..ManualPage::EMPTY
};

pub(super) const JWKS: ManualPage = ManualPage {
    path: "jwks",
    description: &[
        "Prints or writes the documents that an issuer publishes so that others can verify its tokens. They never \
         contain a private key. With --out-dir two files are written, for any web server at the issuer's URL: jwks.json \
         and .well-known/openid-configuration. Each key has kid, alg and use, because some validators require them. A \
         JWKS without a key that is in the published file is written only with --force.",
        "To change the key, give the new key first and the old jwks.json after it, and publish. A day later, when \
         validators have fetched the JWKS again, sign with the new key. When the last token of the old key has expired, \
         publish without it. With --spec the dates are printed.",
    ],
    examples: &[
        Example {
            command: "gen-keypair --algorithm es256 --format pem -o keys\n\
                      cc-jwt jwks 2026=keys/private.pem --issuer https://tokens.example.org --out-dir www",
            explains: "The files to publish for a new issuer",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "cc-jwt jwks 2027=new.pem www/jwks.json --issuer https://tokens.example.org --out-dir www",
            explains: "Add a new key before the old one",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt jwks --server",
            explains: "The server's own key as a JWKS",
            test: ExampleTest::Runs(0),
        },
    ],
    files: &[
        ("DIR/jwks.json", "with --out-dir: the JWKS"),
        ("DIR/.well-known/openid-configuration", "with --out-dir: the discovery document"),
        SPEC_FILES[0],
    ],
    see_also: &["cc-jwt-renew(1)", "gen-keypair(1)"],
    ..ManualPage::EMPTY
};
