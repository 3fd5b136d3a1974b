//! A corpus of generated files in all formats: every planted token and key is found, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::testing::signing_key;
use super::*;
use crate::config::{Sources, load};
use crate::key::nkey::NkeyRole;
use crate::key::{PrivateKey, nkey};
use crate::token::{Claims, HeaderParams, sign};

/// The number of files.
const FILES: usize = 500;

/// A generator of numbers (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| u8::try_from(self.next() & 0xff).unwrap()).collect()
    }

    fn base64(&mut self, count: usize) -> String {
        data_encoding::BASE64.encode(&self.bytes(count))
    }
}

fn encode(text: &str) -> String {
    data_encoding::BASE64.encode(text.as_bytes())
}

/// A token, a server's key pair or a seed, with its fingerprint.
fn secret(numbers: &mut Numbers) -> (String, String) {
    let key = |numbers: &mut Numbers| PrivateKey::ed25519_from_seed(&numbers.bytes(32)).unwrap();
    match numbers.below(8) {
        0 => {
            let pair = key(numbers).to_ed25519_pair().unwrap();
            (data_encoding::BASE64.encode(pair.expose()), item::fingerprint(pair.expose()))
        }
        1 => {
            let key = key(numbers);
            let pair = key.to_ed25519_pair().unwrap();
            (nkey::write_seed(&key, NkeyRole::User).unwrap().to_string(), item::fingerprint(pair.expose()))
        }
        _ => {
            let mut claims = Claims::new();
            claims.set("sub", format!("user{}", numbers.next()));
            claims.set("roles", json!(["api"]));
            claims.set("exp", 4_000_000_000_u64);
            let key = signing_key();
            let token = sign(&HeaderParams::for_key(&key), &claims, &key).unwrap().expose().to_owned();
            let print = item::fingerprint(token.as_bytes());
            (token, print)
        }
    }
}

/// A value that looks like a token or a key.
fn look_alike(numbers: &mut Numbers) -> String {
    let (token, _) = loop {
        let (text, print) = secret(numbers);
        if text.starts_with("eyJ") {
            break (text, print);
        }
    };
    let parts: Vec<&str> = token.split('.').collect();
    match numbers.below(12) {
        0 => numbers.base64(64),
        1 => numbers.base64(32),
        2 => numbers.base64(200),
        3 => data_encoding::HEXLOWER.encode(&numbers.bytes(32)),
        4 => data_encoding::HEXLOWER.encode(&numbers.bytes(64)),
        5 => format!("{}.{}", parts[0], parts[1]),
        6 => format!("{}.{}.signature", parts[0], parts[1]),
        7 => format!("eyJ{}", data_encoding::BASE64URL_NOPAD.encode(&numbers.bytes(60))),
        8 => data_encoding::BASE64URL_NOPAD.encode(b"{\"alg\":\"EdDSA\",\"note\":\"only a header\"}"),
        9 => format!("SU{}", data_encoding::BASE32_NOPAD.encode(&numbers.bytes(35))),
        10 => format!("{}.eyJ.{}", parts[0], numbers.base64(64).replace(['+', '/', '='], "x")),
        _ => format!("x{}-{}", parts[0], parts[2]),
    }
}

type Writer = fn(&[String]) -> String;

/// The name of a file, and its content around values.
const FORMATS: [(&str, Writer); 20] = [
    ("sinks.json", |v| json!({"a": {"type": "http", "jwt": v[0]}, "b": [{"x": v[1]}, v[2]]}).to_string()),
    ("config.json", |v| {
        format!("{{\n  \"a\": 1,\n  \"b\": \"{}\",\n  // {}\n  \"c\": [\"{}\",]\n}}\n", v[0], v[1], v[2])
    }),
    ("lines.jsonl", |v| v.iter().map(|value| json!({"t": value}).to_string() + "\n").collect()),
    ("values.yaml", |v| format!("a:\n  - x: {}\n  - '{}'\n# {}\n", v[0], v[1], v[2])),
    ("flow.yml", |v| {
        format!("---\na: {{b: \"{}\", c: [\"{}\"]}}\n---\nd: |\n  one\n  {}\n", v[0], v[1], v[2])
    }),
    (".env", |v| format!("# x\nexport A=\"{}\"\nB='{}'\nC={}\n", v[0], v[1], v[2])),
    ("app.env", |v| format!("A={}\r\nB={}\r\nC=\"{}\"\r\n", v[0], v[1], v[2])),
    ("sinks.toml", |v| format!("[http]\njwt = \"{}\"\n[[list]]\nx = '{}' # {}\n", v[0], v[1], v[2])),
    ("site.ini", |v| format!("[a]\nx={}\ny: {}\n; {}\n", v[0], v[1], v[2])),
    ("x.service", |v| {
        format!("[Service]\nEnvironment=A={} \"B={}\"\nExecStart=/bin/x --token {}\n", v[0], v[1], v[2])
    }),
    ("10-token.conf", |v| {
        format!("[Service]\nEnvironment=\"A={}\"\nEnvironment='B={}'\n# {}\n", v[0], v[1], v[2])
    }),
    ("run.sh", |v| {
        format!(
            "#!/bin/sh\nTOKEN='{}'\ncurl -H \"Authorization: Bearer {}\" x\necho {} | x\n",
            v[0], v[1], v[2]
        )
    }),
    ("crontab", |v| {
        format!("T={}\n0 * * * * root A={} /bin/x\n5 * * * * curl -H 'X-Auth-Token: {}'\n", v[0], v[1], v[2])
    }),
    ("curlrc", |v| {
        format!("header = \"Authorization: Bearer {}\"\nuser = \"a:{}\"\n# {}\n", v[0], v[1], v[2])
    }),
    ("netrc", |v| format!("machine a login b password {}\nmachine c password {}\n{}\n", v[0], v[1], v[2])),
    ("user.creds", |v| {
        format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n{}\n\n{}\n",
            v[0], v[1], v[2]
        )
    }),
    ("tokens", |v| format!("{}\n\nBearer {}\n{}", v[0], v[1], v[2])),
    ("secret.yaml", |v| {
        format!(
            "apiVersion: v1\nkind: Secret\ndata:\n  a: {}\n  .env: {}\nstringData:\n  sinks.json: |\n    {{\"x\": \"{}\"}}\n",
            encode(&v[0]),
            encode(&format!("T={}\nU=x\n", v[1])),
            v[2]
        )
    }),
    ("secrets.json", |v| {
        json!({"kind": "List", "items": [
        {"kind": "Secret", "data": {"a": encode(&v[0]), "sinks.json": encode(&json!({"b": v[1]}).to_string())}},
        {"kind": "ConfigMap", "data": {"c": format!("x: {}\ny: 1\n", v[2])}}]}).to_string()
    }),
    ("notes.md", |v| format!("Use `{}` or \"{}\",\nbut not ({}).\n", v[0], v[1], v[2])),
];

fn settings() -> Settings {
    load(Sources::default()).unwrap().0
}

fn request(path: &Path) -> ScanRequest {
    ScanRequest {
        paths: vec![path.to_owned()],
        keys: Vec::new(),
        depends_on: None,
        expiring: None,
        max_age: None,
        follows_links: false,
        max_bytes: u64::MAX,
        threads: 2,
        now: Timestamp(2_000_000_000),
        explains: false,
    }
}

#[test]
fn corpus_of_all_formats_has_no_missing_and_no_false_item() {
    let directory = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(20_261_127);
    let mut expected: BTreeMap<(PathBuf, String), usize> = BTreeMap::new();
    for index in 0..FILES {
        let (name, write) = FORMATS[index % FORMATS.len()];
        let path = directory.path().join(format!("d{}", index % 17)).join(index.to_string()).join(name);
        let values: Vec<String> = (0..3)
            .map(|_| {
                if numbers.below(2) == 0 {
                    return look_alike(&mut numbers);
                }
                let (text, print) = secret(&mut numbers);
                *expected.entry((path.clone(), print)).or_default() += 1;
                text
            })
            .collect();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = write(&values);
        let is_utf_16 = name == "notes.md" && index % 3 == 0;
        let bytes = if is_utf_16 {
            format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
        } else {
            text.into_bytes()
        };
        fs::write(&path, bytes).unwrap();
    }
    let report =
        scan(&request(directory.path()), &settings(), &mut std::io::empty(), &|| false, &mut Notes::new())
            .unwrap();
    let mut found: BTreeMap<(PathBuf, String), usize> = BTreeMap::new();
    for one in &report.occurrences {
        *found.entry((PathBuf::from(&one.file), one.fingerprint.clone())).or_default() += 1;
    }
    let content = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    for (place, count) in &expected {
        assert_eq!(found.get(place), Some(count), "missing in {}:\n{}", place.0.display(), content(&place.0));
    }
    for place in found.keys() {
        assert!(expected.contains_key(place), "false in {}:\n{}", place.0.display(), content(&place.0));
    }
    assert!(report.complete && report.files.searched == FILES as u64 && expected.len() > FILES / 2);
}

#[test]
fn report_and_metrics_have_no_piece_of_a_secret() {
    let directory = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(7);
    let secrets: Vec<String> = (0..40).map(|_| secret(&mut numbers).0).collect();
    for (index, pair) in secrets.chunks(2).enumerate() {
        let (name, write) = FORMATS[index % FORMATS.len()];
        let text = write(&[pair[0].clone(), format!("{}={}", pair[0], pair[1]), pair[1].clone()]);
        fs::write(directory.path().join(format!("{index}{name}")), text).unwrap();
        // A file and a member with a secret as the name.
        let json = json!({pair[1].as_str(): pair[0], pair[0].as_str(): {"x": pair[1]}}).to_string();
        fs::write(
            directory
                .path()
                .join(pair[0].replace('/', "_").replace('+', "-").get(..200.min(pair[0].len())).unwrap()),
            json,
        )
        .unwrap();
    }
    let report =
        scan(&request(directory.path()), &settings(), &mut std::io::empty(), &|| false, &mut Notes::new())
            .unwrap();
    assert!(report.occurrences.len() > 80, "{}", report.occurrences.len());
    let metrics = directory.path().join("x.prom");
    write_metrics(&metrics, &report, Timestamp(0)).unwrap();
    let nagios = nagios_line(&report, &request(directory.path()));
    let shown = serde_json::to_string(&report).unwrap() + &fs::read_to_string(metrics).unwrap() + &nagios;
    for secret in &secrets {
        // The header is the same in all tokens, and the claims are printed.
        let core = if secret.starts_with("eyJ") { secret.rsplit('.').next().unwrap() } else { secret };
        for piece in core.as_bytes().windows(12) {
            let piece = std::str::from_utf8(piece).unwrap();
            let at = shown.find(piece);
            assert!(
                at.is_none(),
                "{piece} of {secret} in {:?}",
                at.map(|at| &shown[at.saturating_sub(200)..])
            );
        }
    }
}

/// A copy of a public key is an item only for a state that knows the key.
#[test]
fn scan_of_two_states_reports_what_two_scans_report() {
    let directory = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(11);
    for index in 0..60 {
        let (name, write) = FORMATS[index % FORMATS.len()];
        let key = PrivateKey::ed25519_from_seed(&[u8::try_from(index % 3).unwrap(); 32]).unwrap();
        let public = data_encoding::BASE64.encode(key.public().ed25519_bytes().unwrap());
        let text = write(&[public, secret(&mut numbers).0, secret(&mut numbers).0]);
        fs::write(directory.path().join(format!("{index}{name}")), text).unwrap();
    }
    let keys = tempfile::tempdir().unwrap();
    let key_file = |name: &str, seed: u8| {
        let key = PrivateKey::ed25519_from_seed(&[seed; 32]).unwrap();
        let path = keys.path().join(format!("{name}{seed}"));
        fs::write(&path, data_encoding::BASE64.encode(key.public().ed25519_bytes().unwrap())).unwrap();
        (name.to_owned(), path)
    };
    let base = request(directory.path());
    let present = ScanRequest { keys: vec![key_file("own", 0), key_file("other", 7)], ..base.clone() };
    let planned = ScanRequest {
        keys: vec![key_file("own", 7), key_file("other", 1)],
        now: Timestamp(5_000_000_000),
        depends_on: Some(key_file("own", 7).1),
        ..base.clone()
    };
    let settings = settings();
    let json = |report: &ScanReport| serde_json::to_string_pretty(report).unwrap();
    for states in [[&present, &planned], [&planned, &present], [&present, &base], [&base, &base]] {
        let both = scan_states(
            states.map(|request| (request, &settings)),
            &mut std::io::empty(),
            &|| false,
            &mut Notes::new(),
        )
        .unwrap();
        for (report, request) in both.iter().zip(states) {
            let alone =
                scan(request, &settings, &mut std::io::empty(), &|| false, &mut Notes::new()).unwrap();
            assert_eq!(json(report), json(&alone));
        }
        assert!(both[0].occurrences.len() > 50 || both[1].occurrences.len() > 50);
    }
}
