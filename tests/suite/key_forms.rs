//! Forms of keys: what other programs write is read, or the hint names a command that converts it.

use cc_auth::key::{
    Algorithm, KeyError, KeyStrength, PrivateKey, SigningKey, VerifyingKey, openssh, read_public,
    read_signing,
};
use cc_auth::util::diagnostic::Diagnostic as _;
use cc_auth::util::note::Notes;

use crate::support::{TestEnv, has};

fn public(directory: &TestEnv, name: &str) -> Result<VerifyingKey, KeyError> {
    let bytes = std::fs::read(directory.file(name)).unwrap();
    read_public(&bytes, KeyStrength::Enforce, &mut Notes::new()).map(|found| found.key)
}

fn private(directory: &TestEnv, name: &str) -> Result<SigningKey, KeyError> {
    let bytes = std::fs::read(directory.file(name)).unwrap();
    read_signing(&bytes, KeyStrength::Enforce, &mut Notes::new())
}

/// Each file is rejected with a hint, and the hint's command makes a file of it that is read.
#[test]
fn hinted_command_makes_a_readable_key() {
    if !has("openssl") || !has("ssh-keygen") {
        return;
    }
    let directory = TestEnv::new();
    directory
        .sh("set -e
            openssl genpkey -algorithm ed25519 -out ed.pem
            openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out ec.pem
            openssl genrsa -traditional -out rsa.pem 2048 2>/dev/null
            openssl pkey -in ed.pem -pubout -outform DER -out spki.der
            openssl pkey -in ed.pem -outform DER -out pkcs8.der
            openssl ec -in ec.pem -outform DER -out sec1.der 2>/dev/null
            openssl rsa -in rsa.pem -traditional -outform DER -out pkcs1.der 2>/dev/null
            openssl rsa -in rsa.pem -RSAPublicKey_out -outform DER -out pkcs1.pub.der 2>/dev/null
            openssl req -new -x509 -key ec.pem -subj /CN=x -out cert.pem
            openssl x509 -in cert.pem -outform DER -out cert.der
            openssl pkcs12 -export -inkey ec.pem -in cert.pem -passout pass: -out bundle.p12
            openssl ec -in ec.pem -param_enc explicit -out explicit.pem 2>/dev/null
            openssl ec -in ec.pem -pubout -param_enc explicit -out explicit.pub.pem 2>/dev/null
            openssl ec -in ec.pem -pubout -conv_form compressed -out compressed.pub.pem 2>/dev/null
            tr '\\n' ' ' < ed.pem > oneline.pem
            tr -d '\\n' < ec.pem > joined.pem
            tr '\\n' '\\r' < ed.pem > cr.pem
            ssh-keygen -q -t rsa -b 2048 -N '' -f ssh-rsa
            ssh-keygen -q -t ed25519 -N x -f ssh-locked
            ssh-keygen -q -t ed25519 -N '' -f ssh-ed")
        .ended(0);
    let mut count = 0;
    for (name, as_public) in [
        ("spki.der", true),
        ("pkcs8.der", true),
        ("pkcs8.der", false),
        ("sec1.der", true),
        ("sec1.der", false),
        ("pkcs1.der", true),
        ("pkcs1.der", false),
        ("pkcs1.pub.der", true),
        ("cert.der", true),
        ("bundle.p12", true),
        ("bundle.p12", false),
        ("explicit.pem", false),
        ("explicit.pub.pem", true),
        ("compressed.pub.pem", true),
        ("oneline.pem", false),
        ("joined.pem", false),
        ("cr.pem", false),
        ("ed.pem", true),
        ("rsa.pem", true),
        ("ssh-ed", true),
        ("ssh-rsa", false),
        ("ssh-locked", false),
    ] {
        let error = if as_public {
            public(&directory, name).unwrap_err()
        } else {
            private(&directory, name).unwrap_err()
        };
        let hint = error.hint().unwrap_or_else(|| panic!("{name}: no hint for: {error}"));
        directory.sh(&format!("cp {name} in.key && chmod 600 in.key")).ended(0);
        let command =
            hint.replace("COPY-OF-FILE", "in.key").replace("FILE.pem", "out.key").replace("FILE", "in.key");
        // What asks for a passphrase gets it.
        let command = command
            .replace("pkcs12 -in", "pkcs12 -passin pass: -in")
            .replace("ssh-keygen -p -N ''", "ssh-keygen -q -P x -p -N ''")
            .replace("ssh-keygen -p -m", "ssh-keygen -q -P '' -N '' -p -m");
        let result = if command.contains("out.key") {
            "out.key"
        } else if command.contains("ssh-keygen -q") {
            "in.key"
        } else {
            "result.key"
        };
        let output = if command.contains("> out.key") { "" } else { "> result.key" };
        directory.sh(&format!("{{ {command}; }} {output} 2> result.err")).ended(0);
        let read = if as_public {
            public(&directory, result).map(|_| ())
        } else {
            private(&directory, result).map(|_| ())
        };
        assert!(read.is_ok(), "{name}: after '{command}': {read:?}");
        count += 1;
    }
    println!("hints: {count} commands work");
}

#[test]
fn private_keys_of_ssh_keygen_sign() {
    if !has("ssh-keygen") {
        return;
    }
    let directory = TestEnv::new();
    for (kind, bits) in [("ed25519", 256), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521)] {
        for comment in ["", "c", "fritz at home", "0123456789abcdef"] {
            let make = format!("rm -f k k.pub; ssh-keygen -q -t {kind} -b {bits} -N '' -C '{comment}' -f k");
            directory.sh(&make).ended(0);
            let key = private(&directory, "k").unwrap();
            let expected = public(&directory, "k.pub").unwrap();
            assert_eq!(key.verifying_key().public_key(), expected.public_key(), "{kind} {bits}");
            // A damaged copy is not a key, and says nothing of it.
            let text = directory.read("k");
            let middle = text.len() / 2;
            let other = if text.as_bytes()[middle] == b'A' { "B" } else { "A" };
            directory.write("bad", format!("{}{other}{}", &text[..middle], &text[middle + 1..]));
            if let Ok(read) = private(&directory, "bad") {
                assert_eq!(read.verifying_key().public_key(), expected.public_key());
            }
        }
    }
}

#[test]
fn public_key_goes_to_openssh_and_rfc_4716_and_back() {
    let directory = TestEnv::new();
    for algorithm in
        [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::Rs256]
    {
        let key = PrivateKey::generate(algorithm).unwrap().public();
        directory.write("k.pub", openssh::write(&key) + "\n");
        assert_eq!(public(&directory, "k.pub").unwrap().public_key(), Some(&key), "{algorithm}");
        if has("ssh-keygen") {
            directory.sh("ssh-keygen -l -f k.pub && ssh-keygen -e -f k.pub > k.4716").ended(0);
            assert_eq!(public(&directory, "k.4716").unwrap().public_key(), Some(&key), "{algorithm}");
        }
    }
}

#[test]
fn rsa_key_restricted_to_pss_verifies_and_signs_pss_only() {
    if !has("openssl") {
        return;
    }
    let directory = TestEnv::new();
    let all = [Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512];
    let restricted = "-pkeyopt rsa_pss_keygen_md:sha256 -pkeyopt rsa_pss_keygen_mgf1_md:sha256 -pkeyopt rsa_pss_keygen_saltlen:32";
    for (options, algorithms) in [("", &all[..]), (restricted, &all[..1])] {
        directory
            .sh(&format!("openssl genpkey -algorithm rsa-pss -pkeyopt rsa_keygen_bits:2048 {options} > key.pem && openssl pkey -in key.pem -pubout > pub.pem && openssl req -new -x509 -key key.pem -subj /CN=x > cert.pem"))
            .ended(0);
        let key = private(&directory, "key.pem").unwrap();
        assert_eq!(key.algorithms(), algorithms);
        for name in ["pub.pem", "cert.pem"] {
            let verifying = public(&directory, name).unwrap();
            assert_eq!(verifying.algorithms(), algorithms, "{name}");
            let signature = key.sign(Algorithm::Ps256, b"message").unwrap();
            assert!(verifying.verify(Algorithm::Ps256, b"message", &signature));
        }
        assert!(key.sign(Algorithm::Rs256, b"message").is_err());
    }
    let sha1 = "openssl genpkey -algorithm rsa-pss -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:sha1 -pkeyopt rsa_pss_keygen_mgf1_md:sha1 -pkeyopt rsa_pss_keygen_saltlen:20 > key.pem";
    directory.sh(sha1).ended(0);
    assert!(matches!(private(&directory, "key.pem"), Err(KeyError::UnknownKind(_))));
}

#[test]
fn pem_with_escaped_line_ends_is_read() {
    let directory = TestEnv::new();
    directory.sh("gen-keypair -q -f pem -o k").ended(0);
    for quote in ["", "\"", "'"] {
        for end in ["\\n", "\\r\\n"] {
            let escaped = |name: &str| format!("{quote}{}{quote}\n", directory.read(name).replace('\n', end));
            directory.write("private", escaped("k/private.pem"));
            directory.write("public", escaped("k/public.pem"));
            let key = private(&directory, "private").unwrap();
            assert_eq!(key.verifying_key().public_key(), public(&directory, "public").unwrap().public_key());
        }
    }
}
