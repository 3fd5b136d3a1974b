//! The manual of what is for the Open Science Data Federation: renew, spec, jwks.

use crate::cli::page::{Example, ExampleTest, ManualPage};

pub(super) const DISCOVERY: &[(&str, &str)] = &[
    ("BEARER_TOKEN", "a token; where none is given, inspect and verify look here first"),
    ("BEARER_TOKEN_FILE", "the file of a token; the second place, and the first for renew --discoverable"),
    ("XDG_RUNTIME_DIR", "the directory of bt_uID, with ID the effective user's number; else it is in /tmp"),
];

pub(super) const DISCOVERED: (&str, &str) = (
    "$XDG_RUNTIME_DIR/bt_uID, /tmp/bt_uID",
    "where a token is looked for, and kept by renew --discoverable; ID is the effective user's number",
);

const SPEC_FILES: &[(&str, &str)] = &[
    ("RESOURCE.yaml", "the resource; a relative spec.key.file in it is looked for beside it"),
    ("DIR/NAME/KEY", "with --secrets-dir: a key of a mounted Secret or ConfigMap"),
];

pub(super) const RENEW: ManualPage = ManualPage {
    path: "renew",
    description: &[
        "For each resource (kind: JWT, apiVersion: tokens.osg-htc.org/v1, as the OSG token operator reads it) the token \
         is signed and put into its file, if it is due. That is decided from the token that is there: it is due when \
         its end is nearer than spec.resignBefore, when it is missing, has ended, begins in the future or is no token, \
         when it was signed by another key, and when issuer, key name, algorithm, data or life in the resource are not \
         what it says. Without spec.resignBefore it is signed anew when it has ended. Time zones do not matter.",
        "A file is replaced in one step: who reads it sees the old token or the new one. When something fails the old \
         one stays, what is wrong and when the old one ends is told, and the exit status is not 0. A lock beside the \
         file (.NAME.lock) lets one process at a time keep it; a second one ends with status 75.",
        "Without --mode the file has mode 0600. A file that is replaced keeps its group and, where its mode gives other \
         accounts nothing, the access of the group (0640); root also keeps its owner. In a directory that all accounts \
         may write to, only a regular file of the caller is read and replaced. A symbolic link is followed where no \
         other account can have made it; a FIFO or a device is rejected (status 73).",
        "With --watch the process stays. It looks at resources and key files every second (more seldom when they are \
         hundreds, at most every 30 seconds) and renews when they change; on SIGHUP it reads all anew and signs at \
         once; on SIGTERM and SIGINT it ends with status 0. After a failure it tries again after pauses that grow from \
         2 seconds to 5 minutes. To systemd (Type=notify) it tells READY=1 when all tokens are there, STATUS= and \
         STOPPING=1. Each event is a line of JSON on standard output; without --watch with --json.",
    ],
    examples: &[
        Example {
            command: "gen-keypair --algorithm es256 --format pem -o keys\n\
                      cc-jwt spec new --key keys/private.pem -o osdf.yaml\n\
                      cc-jwt renew --spec osdf.yaml -o osdf.jwt",
            explains: "From nothing to a token in a file",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "cc-jwt renew --spec osdf.yaml -o osdf.jwt --check",
            explains: "Is it due? Status 1 if so",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt renew --spec *.yaml --out-dir /run/tokens --watch",
            explains: "Keep many tokens fresh, each in /run/tokens/NAME",
            test: ExampleTest::Parses,
        },
        Example {
            command: "XDG_RUNTIME_DIR=/run/user/$(id -u) cc-jwt renew --spec osdf.yaml --discoverable -q",
            explains: "In a crontab, for programs of a login session that look for a token themselves",
            test: ExampleTest::Parses,
        },
    ],
    json: &[
        ("time", "when, RFC 3339"),
        ("event", "started, fresh, due, renewed, failed, reloaded or stopped"),
        ("name", "metadata.name of the resource"),
        ("output", "the file of the token"),
        (
            "reason",
            "why it was or has to be signed: missing, no-token, ended, ends-soon, not-yet-valid, other-key, changed, \
             asked",
        ),
        ("message", "the same, or what went wrong, for people"),
        ("kind", "the stable name of what went wrong"),
        ("ends", "when the token that is there ends, RFC 3339"),
        ("next", "when it is signed anew, or tried again, RFC 3339"),
        ("resources", "how many are kept"),
    ],
    files: &[
        SPEC_FILES[0],
        SPEC_FILES[1],
        DISCOVERED,
        (".NAME.lock", "beside each token: held by the process that keeps it"),
    ],
    environment: &[DISCOVERY[1], DISCOVERY[2], ("NOTIFY_SOCKET", "where systemd listens")],
    see_also: &["cc-jwt-spec(1)", "cc-jwt-jwks(1)", "systemd.service(5)"],
    ..ManualPage::EMPTY
};

pub(super) const SPEC: ManualPage = ManualPage {
    path: "spec",
    description: &[
        "A resource says what a token is to be: metadata.name; spec.issuer (becomes iss), spec.keyId (kid), \
         spec.algorithm (RS256, ES256, EdDSA, ES384, RS384, RS512, PS256, PS384, PS512), spec.data (the payload), \
         spec.expiryTime and spec.resignBefore (exactly one of days, hours, minutes), spec.key (exactly one of value, \
         secret, configMap, file, env; secretRef, configMapRef and valueFrom are taken as well). The claims iss, iat, \
         nbf (a minute earlier), exp and jti come by themselves.",
        "YAML or JSON, several documents in one file, a kind: List too; documents of other kinds are passed over. Read \
         strictly: unknown fields, members that stand twice with different values, tags, merge keys, and texts that \
         Kubernetes reads otherwise (yes, 007) are faults. At most 4 MiB, 64 levels, and 10000 entries out of aliases.",
    ],
    examples: &[Example {
        command: "cc-jwt spec new -o osdf.yaml\ncc-jwt spec check --no-key osdf.yaml",
        explains: "Write a resource, and look at it",
        test: ExampleTest::Runs(0),
    }],
    files: SPEC_FILES,
    see_also: &["cc-jwt-renew(1)", "cc-jwt-jwks(1)"],
    ..ManualPage::EMPTY
};

pub(super) const SPEC_CHECK: ManualPage = ManualPage {
    path: "spec check",
    description: &[
        "Reads resources and tells what is wrong with them. All faults are told together, each with its line and field; the exit status is 65 then. Warnings are what \
         validators of the token would refuse, or what is against the rules of its profile (WLCG, SciTokens); --strict \
         makes them faults. The key is looked for and tried, unless it is in a Secret and no --secrets-dir is given.",
    ],
    examples: &[Example {
        command: "cc-jwt spec new | cc-jwt spec check --no-key -",
        explains: "Check a resource",
        test: ExampleTest::Runs(0),
    }],
    json: &[
        ("good", "whether there is no fault"),
        (
            "resources",
            "a list of file, name, namespace, issuer, key_id, algorithm, life_seconds, resign_before_seconds (or null), \
             profile (or null) and scopes (what they permit, in words)",
        ),
        ("notes", "a list of level (note or warning), text and hint"),
    ],
    files: SPEC_FILES,
    see_also: &["cc-jwt-renew(1)"],
    ..ManualPage::EMPTY
};

pub(super) const SPEC_NEW: ManualPage = ManualPage {
    path: "spec new",
    description: &[
        "Writes a resource with a comment beside each field, to be changed by hand. See cc-jwt-spec(1) for what the \
         fields mean.",
    ],
    files: SPEC_FILES,
    examples: &[Example {
        command: "cc-jwt spec new --issuer https://tokens.example.org --key-id 2026 -o osdf.yaml",
        explains: "A resource to start from",
        test: ExampleTest::Runs(0),
    }],
    ..ManualPage::EMPTY
};

pub(super) const JWKS: ManualPage = ManualPage {
    path: "jwks",
    description: &[
        "Prints or writes what an issuer has to publish so that others can verify its tokens; private halves never \
         get into it. With --out-dir two files, to be served as they are by any web server at the issuer's address: jwks.json and \
         .well-known/openid-configuration. Each key has kid, alg and use, without which one validator or the other \
         does not take it. A key set that would lose a key that is published now is not written without --force.",
        "A rotation: give the new key first and the old jwks.json after it, and publish; a day later, when validators \
         have fetched the set again, sign with the new key; when the last token signed with the old key has ended, \
         publish without it. Dates are told when --spec says how long tokens live.",
    ],
    examples: &[
        Example {
            command: "gen-keypair --algorithm es256 --format pem -o keys\n\
                      cc-jwt jwks 2026=keys/private.pem --issuer https://tokens.example.org --out-dir www",
            explains: "What to upload for a new issuer",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "cc-jwt jwks 2027=new.pem www/jwks.json --issuer https://tokens.example.org --out-dir www",
            explains: "Add a new key before the old one",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-jwt jwks --server",
            explains: "The server's own key as a key set",
            test: ExampleTest::Runs(0),
        },
    ],
    json: &[
        ("keys", "printed: the key set (RFC 7517)"),
        ("issuer, jwks_uri", "printed with --document discovery"),
        ("files", "with --out-dir: the files that were written"),
    ],
    files: &[
        ("DIR/jwks.json", "with --out-dir: the key set"),
        ("DIR/.well-known/openid-configuration", "with --out-dir: the discovery document"),
        SPEC_FILES[0],
    ],
    see_also: &["cc-jwt-renew(1)", "gen-keypair(1)"],
    ..ManualPage::EMPTY
};
