//! The manual of `convert-pem-pubkey`.

use crate::cli::page::{Example, ExampleTest, ManualPage};

pub(super) static PAGES: &[ManualPage] = &[ManualPage {
    path: "",
    description: &[
        "Reads a public key and prints the line with which a server verifies the tokens of another issuer: \
         CROSS_LOGIN_JWT_PUBLIC_KEY with the 32 bytes of an Ed25519 key in standard base64.",
        "These forms are read: PEM (SPKI, PKCS#1, or an X.509 certificate), an OpenSSH line, the form of RFC \
         4716 (ssh-keygen -e, PuTTY), a JWK, a JWK set of one key, an nkey, 64 hexadecimal digits, and the \
         server's base64. The dates of a certificate can cause a warning; its signature is not verified. RSA \
         keys may be RSA-PSS keys. Line ends in PEM may be written as \\n. Text around a PEM block and Windows \
         line ends are ignored. The first complete block is used, with a note if there are several.",
        "Private keys, encrypted keys and keys of other algorithms are rejected, and the error names the type. \
         Keys of small or mixed order, for which signatures can be forged, and encodings that are not \
         canonical are rejected as well. EC (P-256, P-384, P-521) and RSA keys are written only as jwk, pem \
         and openssh.",
    ],
    examples: &[
        Example {
            command: "gen-keypair --format pem -o issuer && convert-pem-pubkey issuer/public.pem",
            explains: "The line for the environment file",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "convert-pem-pubkey --from-env JWT_PUBLIC_KEY --to pem",
            explains: "The server's own public key as openssl reads it",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "convert-pem-pubkey --from-env JWT_PUBLIC_KEY --to jwk | convert-pem-pubkey --write",
            explains: "Write a key from a pipe to the environment file",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "convert-pem-pubkey ~/.ssh/id_ed25519.pub --to nkey",
            explains: "An OpenSSH key for NATS",
            test: ExampleTest::Parses,
        },
        Example {
            command: "convert-pem-pubkey --from-env JWT_PUBLIC_KEY --to openssh",
            explains: "The server's own public key as an OpenSSH line",
            test: ExampleTest::Runs(0),
        },
    ],
    files: &[
        ("./.env", "the server's environment file, with --from-env and --write"),
        ("./.env.old", "the environment file as it was"),
    ],
    environment: &[("CC_ENV_FILE", "the environment file, where --env-file is not given")],
    see_also: &["gen-keypair(1)", "cc-jwt(1)", "openssl-pkey(1)", "ssh-keygen(1)"],
    ..ManualPage::EMPTY
}];
