//! Secrets that are damaged, or stand in the wrong place, given to every reader: no message, warning,
//! hint, debug text, event or metric repeats eight characters of one.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cc_auth::config::{Origin as ConfigOrigin, Sources, Value as ConfigValue, dotenv, load};
use cc_auth::key::nkey::NkeyRole;
use cc_auth::key::public::Curve;
use cc_auth::key::{
    Jwk, KeySet, KeyStrength, PrivateKey, SigningKey, VerifyingKey, jwk, nkey, parse, pem, read_public,
    read_signing, set,
};
use cc_auth::osdf::jwks_document::{PublishedKey, dropped, key_set};
use cc_auth::osdf::{ResourceKeySource, SourceName, reader};
use cc_auth::policy::login_role::LoginRole;
use cc_auth::token::{Unverified, text};
use cc_auth::user::exchange::{CsvReader, JsonLinesReader};
use cc_auth::util::diagnostic::Diagnostic;
use cc_auth::util::environment::Environment;
use cc_auth::util::note::Notes;
use cc_auth::util::secret::SecretText;

use crate::support::TestEnv;

/// How long a piece of a secret must be to count.
const PIECE: usize = 8;

/// A secret: its text in the form in which it is kept, and what of it must not be printed.
struct Secret {
    what: &'static str,
    text: String,
    pieces: HashSet<Vec<u8>>,
}

impl Secret {
    fn new(what: &'static str, text: &str, core: &[&str]) -> Self {
        let mut pieces = HashSet::new();
        for core in core {
            let bare: String = core.chars().filter(|c| !c.is_whitespace()).collect();
            let mut forms = vec![
                (*core).to_owned(),
                bare.clone(),
                bare.to_lowercase(),
                bare.to_uppercase(),
                STANDARD.encode(&bare),
                data_encoding::HEXLOWER.encode(bare.as_bytes()),
            ];
            if let Ok(bytes) = STANDARD.decode(&bare).or_else(|_| URL_SAFE_NO_PAD.decode(&bare)) {
                forms.push(data_encoding::HEXLOWER.encode(&bytes));
                forms.push(STANDARD.encode(&bytes));
                forms.push(URL_SAFE_NO_PAD.encode(&bytes));
                forms.push(format!("{bytes:?}"));
            }
            for form in forms {
                pieces.extend(form.as_bytes().windows(PIECE).map(<[u8]>::to_vec));
            }
        }
        Self { what, text: text.to_owned(), pieces }
    }

    /// The first piece of the secret in a text.
    fn within(&self, text: &str) -> Option<String> {
        let found = text.as_bytes().windows(PIECE).find(|window| self.pieces.contains(*window));
        found.map(|window| String::from_utf8_lossy(window).into_owned())
    }
}

/// Bytes that are the same in each run, so that a piece that happens to look like a name does not come
/// and go; `LEAK_SEED` gives others.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let seed = std::env::var("LEAK_SEED").ok().and_then(|seed| seed.parse().ok());
        Self(seed.unwrap_or(0x9e37_79b9_7f4a_7c15))
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0.to_be_bytes()[3]
        };
        (0..count).map(|_| next()).collect()
    }

    /// A word of letters with a digit in each third place: what is all letters may be a name.
    fn word(&mut self, length: usize) -> String {
        let alphabet = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let letter = |byte: u8| char::from(alphabet[usize::from(byte) % alphabet.len()]);
        let digit = |byte: u8| char::from(b'2' + byte % 8);
        (0..)
            .zip(self.bytes(length))
            .map(|(at, byte)| if at % 3 == 2 { digit(byte) } else { letter(byte) })
            .collect()
    }
}

fn member<'a>(jwk: &'a str, name: &str) -> &'a str {
    jwk.split(&format!("\"{name}\":\"")).nth(1).unwrap().split('"').next().unwrap()
}

fn body(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect::<Vec<_>>().join("\n")
}

fn secrets() -> Vec<Secret> {
    let mut all = Vec::new();
    let mut chance = Chance::new();
    let ec = |curve: Curve, chance: &mut Chance| {
        let mut scalar = chance.bytes(curve.bytes());
        scalar[0] = 0;
        PrivateKey::ec(curve, &scalar).unwrap()
    };
    for (what, key) in [
        ("Ed25519 PEM", PrivateKey::ed25519_from_seed(&chance.bytes(32)).unwrap()),
        ("P-256 PEM", ec(Curve::P256, &mut chance)),
        ("P-521 PEM", ec(Curve::P521, &mut chance)),
    ] {
        let text = pem::write("PRIVATE KEY", cc_auth::key::der::write_pkcs8(&key).unwrap().expose());
        // The first bytes are the same in each such key.
        let body = body(&text);
        all.push(Secret::new(what, &text, &[&body[24..]]));
        let text = jwk::write_private(&key, Some("kid-of-it"), None).unwrap();
        let core = member(&text, "d").to_owned();
        all.push(Secret::new("JWK", &text, &[&core]));
        all.push(Secret::new("JWKS", &set::write([text.as_str()]), &[&core]));
    }
    let key = PrivateKey::ed25519_from_seed(&chance.bytes(32)).unwrap();
    let seed = nkey::write_seed(&key, NkeyRole::User).unwrap();
    all.push(Secret::new("nkey", &seed, &[&seed]));
    let pair = STANDARD.encode(key.to_ed25519_pair().unwrap().expose());
    all.push(Secret::new("JWT_PRIVATE_KEY", &pair, &[&pair]));
    let shared = STANDARD.encode(chance.word(64));
    all.push(Secret::new("HMAC secret", &shared, &[&shared]));
    let password = chance.word(20);
    all.push(Secret::new("password", &password, &[&password]));
    let phrase = format!("{} {}", chance.word(9), chance.word(10));
    all.push(Secret::new("password of two words", &phrase, &[&phrase]));
    let hash = format!("$2a$10${}{}", chance.word(22), chance.word(31));
    all.push(Secret::new("password hash", &hash, &[&hash[7..]]));
    let token = format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA"}"#),
        URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{}"}}"#, chance.word(20))),
        chance.word(86)
    );
    let signature = token.rsplit('.').next().unwrap().to_owned();
    all.push(Secret::new("token", &token, &[&signature]));
    all
}

/// The text damaged in many ways.
fn damaged(text: &str) -> Vec<String> {
    let length = text.len();
    let at = |part: usize| length * part / 8;
    let mut all = vec![
        text.to_owned(),
        text.replace('\n', " "),
        text.replace('\n', ""),
        text.replace('\n', "\r"),
        text.replace('\n', "\\n"),
        text.replace('\n', "\n\n  "),
        text.to_lowercase(),
        text.to_uppercase(),
        format!("\u{feff}{text}"),
        format!("before {text}"),
        format!("{text} after"),
        format!("{text}{text}"),
        format!("\"{text}\""),
        format!("'{text}"),
        format!("{text}\""),
        format!("$({text})"),
        format!("export JWT_PRIVATE_KEY={text}"),
        format!("{text}="),
        format!("{text}:"),
        format!("[{text}]"),
        format!("{{{text}}}"),
        format!("-----BEGIN {text}-----\n{text}\n-----END {text}-----\n"),
        format!("-----BEGIN PRIVATE KEY-----{text}-----END PRIVATE KEY-----"),
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END {text}-----\n"),
        format!("-----BEGIN {} PRIVATE KEY-----\n{text}", &text[..at(2)]),
        format!("---- BEGIN SSH2 PUBLIC KEY ----\n{text}\n---- END SSH2 PUBLIC KEY ----\n"),
        format!("ssh-ed25519 {text}"),
        format!("ssh-{text} {text}"),
        text.replace("PRIVATE KEY", "PUBLIC KEY"),
        text.replace("PRIVATE KEY", "CERTIFICATE"),
        text.replace("PRIVATE KEY", "RSA PRIVATE KEY"),
        text.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY"),
        text.replace("PRIVATE KEY", "EC PRIVATE KEY"),
        text.replacen("PRIVATE KEY", "PRIVATE KEY X", 1),
        text.replace("-----END", "----END"),
        text.replace("-----BEGIN", "----BEGIN"),
        text.replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\n"),
        text.replace("\"d\"", "\"secret\""),
        text.replace("\"d\"", "\"x\""),
        text.replace("\"d\":", "\"d\":7,\"d\":"),
        text.replace("\"d\":", "\"kid\":"),
        text.replace("\"d\":", "\"kty\":"),
        text.replace(
            "\"kty\":\"OKP\"",
            &format!("\"kty\":\"{}\"", &text[..at(1)].replace(['"', '\n', '{'], "")),
        ),
        text.replace("\"crv\":", "\"crv\":null,\"use\":"),
        text.replace('"', "'"),
        text.replace("\":\"", "\":["),
        format!("{{\"kty\":\"{}\"}}", text.replace(['"', '\n'], "")),
        format!("{{\"kty\":\"EC\",\"crv\":\"{}\"}}", text.replace(['"', '\n'], "")),
        format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"{}\"}}", text.replace(['"', '\n'], "")),
        format!("{{\"{0}\":1,\"{0}\":2}}", text.replace(['"', '\n'], "")),
        format!("{{\"keys\":\"{}\"}}", text.replace(['"', '\n'], "")),
        format!("{{\"keys\":[\"{}\"]}}", text.replace(['"', '\n'], "")),
    ];
    for part in [1, 3, 6, 7] {
        if let (Some(start), Some(end)) = (text.get(..at(part)), text.get(at(part)..)) {
            all.extend([
                start.to_owned(),
                end.to_owned(),
                format!("{start}*{end}"),
                format!("{start}\n{end}"),
            ]);
            all.push(format!("{start}\"{end}"));
            all.push(format!("{start}: {end}"));
            all.push(format!("{start}={end}"));
        }
    }
    all
}

/// All messages of the library's readers about a text.
fn output(text: &str, directory: &TestEnv) -> String {
    let mut out = String::new();
    let mut notes = Notes::new();
    let mut error = |what: &str, error: &dyn Diagnostic, debug: String| {
        let _ = writeln!(out, "{what}: {error}\nhint: {:?}\n{debug}", error.hint());
    };
    macro_rules! read {
        ($($result:expr),* $(,)?) => {
            $(if let Err(fault) = $result { error(stringify!($result), &fault, format!("{fault:?}")); })*
        };
    }
    let bytes = text.as_bytes();
    let secret = SecretText::new(text.to_owned());
    for weak in [KeyStrength::Enforce, KeyStrength::AllowWeak] {
        read!(
            read_public(bytes, weak, &mut notes),
            read_signing(bytes, weak, &mut notes),
            parse::read_one_block(text, weak),
            KeySet::from_json(text, weak, &mut notes),
            Jwk::parse(text).and_then(|jwk| jwk.verifying_key(weak)),
            Jwk::parse(text).and_then(|jwk| jwk.signing_key(weak)),
            SigningKey::from_pem(&secret, &mut notes),
            SigningKey::hmac_secret_from_base64(&secret, weak),
        );
    }
    read!(
        nkey::read_public(text),
        nkey::read_seed(text),
        SigningKey::from_server_base64(&secret),
        VerifyingKey::from_server_base64(text),
        PublishedKey::all_of(text, None, "'set.json'", &mut notes)
            .and_then(|keys| key_set(&keys, &mut notes)),
        dropped(text, &[]),
        text::one(text),
        Unverified::parse(text),
        dotenv::set(bytes, "JWT_PUBLIC_KEY", "x"),
    );
    for block in pem::blocks(text) {
        let fault = block.as_ref().err().map(|fault| (fault.to_string(), fault.hint()));
        let _ = writeln!(out, "{block:?} {fault:?}");
    }
    // An environment file with the text in it in several ways.
    let variables = ["JWT_PRIVATE_KEY", "JWT_PUBLIC_KEY", "CROSS_LOGIN_JWT_HS512_KEY", "SESSION_KEY"];
    let assigned: String = variables.iter().map(|name| format!("{name}={text}\n")).collect();
    let quoted: String = variables.iter().map(|name| format!("{name}=\"{text}\n")).collect();
    for content in [
        text.to_owned(),
        assigned,
        quoted,
        format!("{text}\n{text}=\"{text}\n"),
        format!("A=\"$A{text}\"\n{text}"),
    ] {
        if let Err(faults) = dotenv::read(content.as_bytes()) {
            let _ = writeln!(out, "{faults} {faults:?}");
            faults.into_iter().for_each(|fault| {
                let _ = writeln!(out, "{fault} {:?}", fault.hint());
            });
        }
        let path = directory.write("leak.env", &content);
        let config = directory.write(
            "leak.json",
            format!(
                "{{\"auth\":{{\"ldap\":{},\"jwts\":{{\"max-age\":{0}}}}}}}",
                serde_json::Value::from(text)
            ),
        );
        for config in [None, Some(config)] {
            let sources = Sources {
                config: config.map(|path| ConfigValue::new(path, ConfigOrigin::Flag("--config"))),
                env_file: Some(ConfigValue::new(path.clone(), ConfigOrigin::Flag("--env-file"))),
                db: None,
                environment: Environment::default(),
            };
            match load(sources) {
                Err(faults) => faults.into_iter().for_each(|fault| {
                    let _ = writeln!(out, "{fault} {:?} {fault:?}", fault.hint());
                }),
                Ok((settings, more)) => {
                    notes.append(more);
                    let _ = writeln!(out, "{settings:?}");
                    for fault in [
                        settings.signing_key(&mut notes).err(),
                        settings.verifying_key(&mut notes).err(),
                        settings.hmac_secret(KeyStrength::Enforce).err(),
                        settings.cross_login_key(&mut notes).err(),
                    ]
                    .into_iter()
                    .flatten()
                    {
                        let _ = writeln!(out, "{fault} {:?} {fault:?}", fault.hint());
                    }
                }
            }
        }
    }
    for yaml in resources(text) {
        match reader::read(&yaml, &SourceName("r.yaml".to_owned()), &[], &mut notes) {
            Err(faults) => faults.into_iter().for_each(|fault| {
                let _ = writeln!(out, "{fault} {:?}", fault.hint());
            }),
            Ok(resources) => {
                for resource in
                    resources.iter().filter(|resource| matches!(resource.key, ResourceKeySource::Value(_)))
                {
                    let _ = writeln!(out, "{:?}", resource.key);
                }
            }
        }
    }
    for role in [
        serde_json::json!({"role_type": text, "oidc_client_secret": text}),
        serde_json::json!({"role_type": "jwt", "user_claim": "sub", "oidc_client_secret": {"a": text}, text: 1}),
        serde_json::json!({"role_type": "jwt", "bound_claims_type": text, "token_type": text, "expiration_leeway": text}),
    ] {
        if let Err(faults) = LoginRole::read("demo", &role) {
            faults.into_iter().for_each(|fault| {
                let _ = writeln!(out, "{fault} {:?}", fault.hint());
            });
        }
    }
    for lines in [
        text.to_owned(),
        format!("anna,{text}\n{text},b\n"),
        format!("username,password_hash\nanna,{text}\n{text},{text},x\n\"{text}\n"),
        format!("username;roles\nanna;{text}\n"),
    ] {
        match CsvReader::new(lines.as_bytes()) {
            Err(problems) => problems.iter().for_each(|(_, problem)| {
                let _ = writeln!(out, "{problem} {problem:?}");
            }),
            Ok(reader) => problems_of(reader, &mut out),
        }
    }
    for line in [
        format!("{{\"username\":\"a\",\"password_hash\":{}}}", serde_json::Value::from(text)),
        format!("{{\"username\":\"a\",\"password_hash\":\"{text}\n"),
        format!("{{{}:1}}", serde_json::Value::from(text)),
        text.to_owned(),
    ] {
        problems_of(JsonLinesReader::new(line.as_bytes()), &mut out);
    }
    for note in notes.iter() {
        let _ = writeln!(out, "{} {:?}", note.text, note.hint);
    }
    out
}

fn problems_of(
    lines: impl Iterator<
        Item = (u64, Result<cc_auth::user::exchange::UserEntry, cc_auth::user::exchange::EntryError>),
    >,
    out: &mut String,
) {
    for (_, entry) in lines {
        match entry {
            Err(problem) => {
                let _ = writeln!(out, "{problem} {problem:?}");
            }
            Ok(entry) => {
                for problem in entry.new_row().err().unwrap_or_default() {
                    let _ = writeln!(out, "{problem} {problem:?}");
                }
                let _ = writeln!(out, "{:?}", entry.has_password());
            }
        }
    }
}

/// Token resources with the text as a key, damaged in YAML's ways.
fn resources(text: &str) -> Vec<String> {
    let resource = |key: &str| {
        format!(
            "apiVersion: tokens.osg-htc.org/v1\nkind: JWT\nmetadata:\n  name: demo\nspec:\n  issuer: https://issuer.example.org\n  keyId: key-1\n  algorithm: ES256\n  data:\n    sub: jane\n  expiryTime:\n    minutes: 30\n  key:\n{key}"
        )
    };
    let indented =
        |by: usize| text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect::<String>();
    let bare = text.replace('\n', " ");
    vec![
        resource(&format!("    value: |\n{}", indented(6))),
        resource(&format!("    value: |\n{}", indented(2))),
        resource(&format!("    value: |\n{}", indented(0))),
        resource(&format!("    value:\n{}", indented(6))),
        resource(&format!("    value: \"{bare}\n")),
        resource(&format!("    value: {bare}\n")),
        resource(&format!("    value: !!binary {bare}\n")),
        resource(&format!("    value: [{bare}]\n")),
        resource(&format!("    value: {{{bare}: 1}}\n")),
        resource(&format!("\tvalue: {bare}\n")),
        resource(&format!("    file: k.pem\n    value: |\n{}", indented(6))),
        resource(&format!("    secret: {bare}\n")),
        resource(&format!("    secret:\n      name: '{}'\n      key: '{0}'\n", bare.replace('\'', ""))),
        resource(&format!("    env: '{}=x'\n", bare.replace('\'', ""))),
        resource("    file: k.pem\n").replace("key-1", &bare),
        resource("    file: k.pem\n").replace("ES256", &bare),
        resource("    file: k.pem\n").replace("demo", &bare),
        resource("    file: k.pem\n").replace("30", &bare),
        resource("    file: k.pem\n").replace("https://issuer.example.org", &bare),
        resource("    file: k.pem\n").replace("JWT", &bare),
        text.to_owned(),
    ]
}

#[test]
fn readers_never_print_parts_of_damaged_secrets() {
    let (count, leaks) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    // Each kind of secret in a thread of its own.
    std::thread::scope(|scope| {
        for secret in secrets() {
            let (count, leaks) = (&count, &leaks);
            scope.spawn(move || {
                let directory = TestEnv::new();
                for text in damaged(&secret.text) {
                    let output = output(&text, &directory);
                    count.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = secret.within(&output) else { continue };
                    let line = output.lines().find(|line| line.contains(&piece)).unwrap_or_default();
                    // One of each kind of message is enough to see.
                    let kind: String = line.chars().filter(|c| c.is_alphabetic()).take(24).collect();
                    let shown = format!("{}: {piece:?} of\n  {text:?}\n  in {line:?}", secret.what);
                    leaks.lock().unwrap().entry(kind).or_insert(shown);
                }
            });
        }
    });
    let (count, leaks) = (count.into_inner(), leaks.into_inner().unwrap());
    println!("{count} damaged secrets");
    let shown: Vec<String> = leaks.into_values().collect();
    assert!(shown.is_empty(), "{} leaks:\n{}", shown.len(), shown.join("\n"));
    assert!(count > 1000, "{count}");
}

/// A reader that repeats what it read is noticed.
#[test]
fn searched_pieces_are_found_in_every_form() {
    for secret in secrets() {
        let pieces = secret.text.as_bytes().windows(PIECE).filter(|piece| secret.pieces.contains(*piece));
        let mut count = 0;
        for piece in pieces {
            let text = format!("error: '{}' is wrong", String::from_utf8_lossy(piece));
            assert!(secret.within(&text).is_some(), "{}: {text}", secret.what);
            count += 1;
        }
        assert!(count > 2, "{}", secret.what);
    }
    let password = Secret::new("password", "Zq8Lw2Rt5Xy9", &["Zq8Lw2Rt5Xy9"]);
    for text in [
        "x Zq8Lw2Rt x",
        "zq8lw2rt5",
        &STANDARD.encode("Zq8Lw2Rt5Xy9"),
        &data_encoding::HEXLOWER.encode(b"Zq8Lw2Rt5Xy9"),
    ] {
        assert!(password.within(text).is_some(), "{text}");
    }
    assert!(password.within("Zq8Lw2R is too short").is_none());
}

/// The programs themselves, with secrets in files, on standard input and as arguments.
#[test]
fn programs_never_print_parts_of_secrets() {
    let directory = TestEnv::with_setup();
    directory.sh("gen-keypair -q -a es256 -f pem -o good; chmod 700 .").ended(0);
    let lines = [
        "cc-jwt issue fritz --key FILE",
        "cc-jwt issue fritz --key FILE --json",
        "cc-jwt issue fritz --env-file FILE -vv",
        "cc-jwt spec issue FILE",
        "cc-jwt spec check FILE --json",
        "cc-jwt verify --key FILE --token-file token.txt",
        "cc-jwt verify --jwks FILE --token-file token.txt --json",
        "cc-jwt verify --hmac-secret-file FILE --token-file token.txt",
        "cc-jwt verify --token-file FILE -vv",
        "cc-jwt verify --role-config FILE --login-role demo --token-file token.txt",
        "cc-jwt role check FILE",
        "cc-jwt jwks FILE --json",
        "cc-jwt jwks good/public.pem --out-dir SITE --issuer https://issuer.example.org",
        "cc-user import FILE --dry-run",
        "cc-user import FILE --dry-run --json -vv",
        "cc-user import --format jsonl FILE --dry-run",
        "cc-user list --config FILE",
        "cc-user list --env-file FILE -vv",
        "cc-user sync-ldap --config FILE --metrics-file metrics.prom -vv",
        "gen-keypair --write --env-file FILE",
        "convert-pem-pubkey FILE",
        "convert-pem-pubkey FILE --json -vv",
        "convert-pem-pubkey --from-env JWT_PRIVATE_KEY --env-file FILE",
        "cc-login fritz --config FILE --password-file pw --method local",
        "cc-jwt scan FILE --json -vv",
        "cc-jwt scan FILE --metrics-file metrics.prom; cat metrics.prom",
        "cc-jwt scan FILE --what-if env-file=FILE -vv; cc-jwt scan FILE --what-if key=own=FILE --json",
        "cc-jwt scan FILE --what-if config=FILE; cc-jwt scan FILE --what-if at=+9000h",
        "cc-jwt scan FILE --nagios; cc-jwt scan - --depends-on FILE <FILE",
        "timeout 1 cc-jwt renew FILE --watch --out-dir out --json -vv",
        "cc-jwt renew FILE --out-dir out",
    ];
    let arguments = [
        "cc-jwt SECRET",
        "cc-jwt issue fritz SECRET",
        "cc-jwt issue fritz --key SECRET",
        "cc-jwt issue fritz --json --ttl SECRET",
        "cc-jwt issue fritz --algorithm SECRET",
        "cc-jwt verify --key SECRET --token-file token.txt",
        "cc-jwt verify --endpoint SECRET",
        "cc-jwt scan SECRET",
        "cc-jwt scan token.txt --key SECRET",
        "cc-jwt scan token.txt --what-if SECRET",
        "cc-jwt scan token.txt --what-if key=SECRET",
        "cc-jwt scan token.txt --what-if at=SECRET",
        "cc-jwt scan token.txt --key x=SECRET --nagios",
        "cc-jwt renew SECRET",
        "cc-jwt renew --watch SECRET SECRET",
        "cc-jwt renew --user fritz --into SECRET#jwt",
        "cc-jwt renew --user fritz --into token.txt --ttl SECRET",
        "cc-jwt role pull SECRET",
        "cc-jwt role pull demo --path SECRET",
        "cc-jwt inspect --SECRET",
        "cc-user SECRET",
        "cc-user add fritz2 SECRET --no-password",
        "cc-user add fritz2:user:SECRET extra",
        "cc-user add fritz2 --role SECRET --no-password",
        "cc-user add fritz2 --password-file SECRET",
        "cc-user passwd fritz SECRET",
        "cc-user passwd fritz --password SECRET",
        "cc-user passwd fritz -pSECRET",
        "cc-user list --json SECRET",
        "cc-user log SECRET",
        "cc-user log --since SECRET",
        "cc-user undo SECRET",
        "cc-user doctor SECRET",
        "cc-user doctor --id-token SECRET",
        "cc-user sync-slurm --from SECRET",
        "cc-user sync-slurm --add-users SECRET",
        "cc-user sync-ldap --grace-period SECRET",
        "gen-keypair SECRET",
        "gen-keypair --format SECRET",
        "gen-keypair --algorithm SECRET --json",
        "convert-pem-pubkey SECRET",
        "convert-pem-pubkey --to SECRET x",
        "convert-pem-pubkey --from-env SECRET",
        "convert-pem-pubkey x SECRET",
        "cc-login fritz SECRET",
        "cc-login fritz -p SECRET",
        "cc-login fritz --password SECRET",
        "cc-login fritz --password-file SECRET",
        "cc-login fritz --method SECRET",
        "cc-login --method stronghold --namespace SECRET",
        "cc-login --method stronghold --path SECRET",
        "cc-login --method stronghold --address SECRET",
        "cc-login --identity SECRET",
        "cc-login run --identity SECRET -- true",
        "cc-login run --identity env:SECRET -- true",
        "cc-login token SECRET --json",
        "COMPLETE=bash cc-jwt -- cc-jwt issue SECRET",
    ];
    let (mut count, mut leaks) = (0, Vec::new());
    std::fs::create_dir_all(directory.file("SITE")).unwrap();
    directory.write("pw", "x\n");
    for (index, secret) in secrets().iter().enumerate() {
        directory.write("secret", &secret.text);
        let damaged = damaged(&secret.text);
        // Every command with some of the secrets, every secret with some of the commands.
        for (place, line) in lines.iter().enumerate().filter(|(place, _)| (index + place) % 4 == 0) {
            // Another damage for each line; all of them go through the readers in the other test.
            let text = &damaged[(index * 7 + place * 5) % damaged.len()];
            let resources = resources(text);
            let content = if line.contains("spec") || line.contains("renew") {
                &resources[(index + place) % resources.len()]
            } else {
                text
            };
            directory.write("file", content);
            directory.write("SITE/jwks.json", content);
            let line = line.replace("FILE", "file");
            let run = directory.sh(&format!("{line} < file"));
            let metrics = std::fs::read_to_string(directory.file("metrics.prom")).unwrap_or_default();
            // What a command gives out as its result may be the secret itself.
            let stdout = if run.status == 0 { "" } else { run.stdout.as_str() };
            count += 1;
            for (stream, output) in
                [("stderr", run.stderr.as_str()), ("stdout", stdout), ("metrics", &metrics)]
            {
                if let Some(piece) = secret.within(output) {
                    leaks.push(format!(
                        "{}: {piece:?} in {stream} of {line}: {output}\n  file: {content:?}",
                        secret.what
                    ));
                }
            }
        }
        for (_, line) in arguments.iter().enumerate().filter(|(place, _)| (index + place) % 3 == 0) {
            // Two short words look like a name; where nothing is expected they are not repeated.
            let guarded = ["fritz SECRET", "--password SECRET", "-p SECRET", "list --json SECRET"];
            if secret.what == "password of two words" && !guarded.iter().any(|end| line.ends_with(end)) {
                continue;
            }
            let line = line.replace("SECRET", "\"$(cat secret)\"");
            let run = directory.sh(&format!("{line} < pw"));
            count += 1;
            let stdout =
                if line.contains("verify") || line.contains("inspect") { "" } else { run.stdout.as_str() };
            for (stream, output) in [("stderr", run.stderr.as_str()), ("stdout", stdout)] {
                if let Some(piece) = secret.within(output) {
                    leaks.push(format!("{}: {piece:?} in {stream} of {line}: {output}", secret.what));
                }
            }
        }
    }
    println!("{count} runs");
    let total = leaks.len();
    leaks.truncate(25);
    assert!(leaks.is_empty(), "{total} leaks:\n{}", leaks.join("\n"));
    assert!(count > 150, "{count}");
}
