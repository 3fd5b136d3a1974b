//! The manual of `cc-jwt scan`.

use super::pages_verify::FILES;
use crate::cli::page::{Example, ExampleTest, ManualPage};

pub(super) const SCAN: ManualPage = ManualPage {
    path: "scan",
    description: &[
        "Finds tokens and keys in files and reports for each: where it is, the key that signed it, the endpoints that \
         accept it (as cc-jwt verify does), when it expires, and its problems. The report never contains a token or a \
         key. A fingerprint names it: the first 12 hexadecimal digits of SHA-256 of the token without 'Bearer ', or of \
         the raw bytes of the key.",
        "Tokens and keys are found by their form, in any file and at any place, also in comments: signed and encrypted \
         tokens, private and public keys in PEM, the server's private key in base64, seeds of nkeys, and NATS \
         credentials. JSON, YAML, environment files, TOML, INI, systemd units, shell scripts and curl configurations \
         show the member as well. The values of Kubernetes Secrets are decoded, also whole files in them. An HMAC \
         secret is found by the name of its member only, and a public key in base64 if the name of its member \
         announces it or if the key is known.",
        "On a terminal the table fits its width: long values are cut with an ellipsis, and the last columns are left \
         out. --wide prints complete values.",
        "Without --expiring, --max-age, --nagios and --what-if the exit status is 0, whatever is found. With them a file \
         that cannot be read is a reason for another status: a check that did not search everything does not pass. A \
         PATH that cannot be opened is an error.",
    ],
    sections: &[
        (
            "PROBLEMS",
            &[
                "expired, expires-soon (with --expiring), no-expiry, token-old (with --max-age), token-malformed: every \
                 key rejects the token.",
                "role-too-wide: a token in the configuration of a collector, an adapter or cc-metric-store has a role \
                 that its use does not require. user-not-in-table: the user of a token is not in the user table.",
                "key-compromised: a key of the server's template, whose private key is public knowledge, or a token that \
                 it signed.",
                "file-mode: other accounts have access to the file. several-places: the same token or key is in \
                 another place as well.",
                "bearer-prefix: the value begins with 'Bearer ', which the program adds itself. variable-overrides: a \
                 variable in another file overrides this value. member-misplaced: jwt-public-key is at the root of the \
                 configuration of cc-metric-store.",
            ],
        ),
        (
            "PLANNED CHANGES",
            &[
                "--what-if compares the present state with a planned one and prints only the differences: the tokens that \
                 are no longer valid or become valid, the endpoints that tokens and users lose or gain, the login methods \
                 of users, new and removed problems, and keys that are another known key. The differences are those of two \
                 runs of cc-jwt scan and cc-user show, with the present files and with the planned ones. Nothing is \
                 written.",
                "config, env-file and db replace the file of --config, --env-file or --db, key=NAME=FILE replaces the keys \
                 of --key NAME, and at the time of --at; a relative time such as +30d is relative to that. Everything else \
                 is as at present, and so are the variables of the environment.",
                "The exit status is 1 if the server does not start or accepts no token, a token or a user loses something, a \
                 token or key has a new problem, a user is removed, a key loses its name, or not everything was searched; \
                 otherwise it is 0, also if something changes.",
                "auth.jwts.max-age sets the expiry of new tokens only. A note lists the tokens in use that live longer \
                 than a planned max-age. A change of auth.ldap has its effect when cc-user sync-ldap runs: \
                 synchronize a copy of the database, and give it with db.",
            ],
        ),
        (
            "LIMITS",
            &[
                "The members of a file are read up to 4 MiB; a larger text is searched by form only. A file has at most \
                 10,000 items. Symbolic links in directories are not followed without --follow-symlinks. FIFOs, sockets, \
                 devices and the file systems of the kernel, such as /proc, are skipped. A file that a member names, such as \
                 sinks-file, is searched as well.",
                "UTF-16 is read if the file begins with a byte order mark. Other text with NUL bytes is binary and skipped. \
                 Compressed files are skipped: pipe them, as in zcat FILE | cc-jwt scan -. An uncompressed tar \
                 archive is searched.",
                "Outside of Secrets, base64 is decoded only if it is a token by itself. A token that is split over several \
                 strings or lines is not found. A published sample token is reported like every other token. The claims \
                 of an encrypted token are not shown.",
            ],
        ),
    ],
    examples: &[
        Example {
            command: "cc-jwt scan .env token.txt",
            explains: "List the tokens and keys in two files",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "cc-jwt scan /etc/cc-metric-collector --expiring 14d",
            explains: "Check for cron: exit status 1 if a token expires within two weeks",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt scan /etc --nagios --expiring 14d --metrics-file /var/lib/node_exporter/tokens.prom",
            explains: "Check for Nagios, and metrics for Prometheus",
            test: ExampleTest::Parses,
        },
        Example {
            command: "ssh node01 tar -c /etc/cc-metric-collector | cc-jwt scan -",
            explains: "The files of another host",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt scan token.txt --what-if at=+1h",
            explains: "List the tokens that expire within an hour, and the endpoints that reject them then",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "cc-jwt scan /etc --what-if config=new.json --what-if env-file=new.env",
            explains: "Before a change: which tokens and users the planned configuration and keys reject",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt scan /etc --key previous=old-public.pem --depends-on leaked.pem",
            explains: "List what depends on a key that leaked",
            test: ExampleTest::Parses,
        },
    ],
    files: FILES,
    see_also: &["cc-jwt-verify(1)", "cc-jwt-renew(1)", "cc-user-show(1)", "cc-user-sync-ldap(1)"],
    ..ManualPage::EMPTY
};
