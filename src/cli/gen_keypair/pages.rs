//! The manual of `gen-keypair`.

use crate::cli::page::{Example, ExampleTest, ManualPage};

pub(super) static PAGES: &[ManualPage] = &[ManualPage {
    path: "",
    description: &[
        "Generates the keys with which a server signs and verifies tokens. Without options, prints the two \
         lines that the server reads: JWT_PUBLIC_KEY with the 32 bytes of an Ed25519 public key, and \
         JWT_PRIVATE_KEY with the seed and the public key, 64 bytes, both in standard base64.",
        "With --write the lines are written to the environment file instead. Every other byte of the file is \
         unchanged, the file is replaced as a whole with mode 0600, and the old file is saved beside it as \
         .env.old (.env.old.1 and so on). A key in use is not replaced without --force, because this \
         invalidates every token that is signed with it.",
        "The private key is not written to any other place. If it cannot be written, because the disk is full \
         or standard output is closed, this is an error.",
        "--from FILE and --from-env VAR convert an existing private key instead: PEM (PKCS#8, PKCS#1, SEC 1, \
         with line ends that may be written as \\n), an OpenSSH private key, a JWK or a JWK set of one key, \
         the seed of an nkey, or the server's base64 of 64 bytes. The key must not be encrypted. It is an \
         Ed25519, P-256, P-384 or RSA key. The public key is computed from it. With --write both keys are \
         written to the environment file; with --format pem the server's own key is written as a file that \
         openssl reads. No message contains the key.",
        "--format pem writes PKCS#8 version 1 and SPKI, which every openssl reads; with -o DIRECTORY the files \
         are private.pem and public.pem. jwk and jwks print the private key; with -o FILE the public key is \
         written beside it as FILE.pub. nkey prints the seed, then the public key, for a NATS user unless \
         --nkey-role selects another role.",
    ],
    examples: &[
        Example {
            command: "gen-keypair",
            explains: "The two lines for the environment file",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "gen-keypair --write --env-file new.env",
            explains: "Write the lines to an environment file",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "gen-keypair --algorithm session --write --force",
            explains: "A new secret for the web session cookies",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "gen-keypair --format pem -o keys",
            explains: "Two files that openssl reads",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "gen-keypair --algorithm es256 --format jwks -o issuer.json",
            explains: "A signing key for another issuer; issuer.pub.json is the set to publish",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "openssl genpkey -algorithm ed25519 -out own.pem && gen-keypair --from own.pem --write --env-file own.env",
            explains: "An existing key as the pair of a server",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "gen-keypair --from-env JWT_PRIVATE_KEY --format pem -o own",
            explains: "The server's own pair as files that openssl reads",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "PUBLIC=$(gen-keypair | grep PUBLIC_KEY | cut -d'\"' -f2)",
            explains: "One value in a script",
            test: ExampleTest::Runs(0),
        },
    ],
    files: &[
        ("./.env", "the server's environment file, with --write"),
        ("./.env.old", "the environment file as it was"),
    ],
    environment: &[("CC_ENV_FILE", "the environment file, where --env-file is not given")],
    see_also: &["convert-pem-pubkey(1)", "cc-user(1)", "cc-jwt(1)", "openssl-pkey(1)"],
    ..ManualPage::EMPTY
}];
