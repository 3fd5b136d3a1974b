//! Redaction of secrets that are recognized by their form: private keys, tokens, password hashes
//! and seeds.
//!
//! This is the second safeguard. The first is [`PrintableText`](super::printable::PrintableText):
//! parsers of secrets do not put their input into messages. [`redact_forms`] replaces only text
//! with the form of a secret and is applied to every message. [`redact`] also replaces all text
//! that looks random, for arbitrary input such as command arguments.

use std::borrow::Cow;
use std::ops::Range;

/// The replacement of a secret.
pub const MASK: &str = "(not shown)";

/// The minimum length of text that can be a secret; keys, tokens and hashes are longer.
const SHORTEST: usize = 16;

/// Prefixes of private keys in base64: DER (PKCS#8, PKCS#1, SEC 1) and OpenSSH.
const KEY_BEGINNINGS: [&str; 7] =
    ["MC4CAQ", "MFECAQ", "MIIE", "MIGHAgEA", "MHcCAQEE", "MIGkAgEB", "b3BlbnNzaC1rZXk"];

/// Prefixes of password hashes: crypt(3), bcrypt, Argon2, the LDAP schemes (RFC 2307 5.3).
const HASH_MARKS: [&str; 12] =
    ["$1$", "$2a$", "$2b$", "$2x$", "$2y$", "$5$", "$6$", "$y$", "$apr1$", "$argon2", "{SSHA", "{SHA"];

/// Replaces text with the form of a secret: PEM blocks, private JWKs, tokens, password hashes, nkey
/// seeds, long random base64 or hexadecimal. Key IDs (a thumbprint has 43 characters), file names
/// and sentences are unchanged.
///
/// ```
/// use cc_auth::util::redact::redact_forms;
/// assert_eq!(redact_forms("the key 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'"),
///     "the key 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'");
/// assert_eq!(redact_forms("found '$2a$10$nrX1Pn9PCEBzPe9pbLcJXO'"), "found '(not shown)'");
/// ```
#[must_use]
pub fn redact_forms(text: &str) -> Cow<'_, str> {
    redact_with(text, has_secret_form)
}

/// Replaces text that may be a secret: everything that [`redact_forms`] replaces, and
/// random-looking words of 8 characters or more.
///
/// ```
/// use cc_auth::util::redact::redact;
/// assert_eq!(redact("invalid value 'x7Gq02LmPz81KdRt'"), "invalid value '(not shown)'");
/// assert_eq!(redact("--password-file=/etc/cc/pw"), "--password-file=/etc/cc/pw");
/// ```
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    redact_with(text, |word| has_secret_form(word) || looks_random(word))
}

/// Redacts the path of a member: a JSON pointer name by name, with [`redact`]. A name in camel case such as
/// `httpHeaderValue1` looks random to [`redact`] but is shown.
///
/// ```
/// use cc_auth::util::redact::redact_member;
/// assert_eq!(redact_member("/datasources/0/secureJsonData/httpHeaderValue1"),
///     "/datasources/0/secureJsonData/httpHeaderValue1");
/// assert_eq!(redact_member("/a/x7Gq02LmPz81KdRt"), "/a/(not shown)");
/// ```
#[must_use]
pub fn redact_member(member: &str) -> String {
    let name = |name: &str| {
        // RFC 6901 3: a slash in a name is '~1', and may be part of base64.
        let is_shown = is_camel_case(name) || redact(&name.replace("~1", "/")) == name.replace("~1", "/");
        if is_shown { name.to_owned() } else { MASK.to_owned() }
    };
    let step = |step: &str| match step.starts_with('/') {
        true => step.split('/').map(name).collect::<Vec<_>>().join("/"),
        false => redact(step).into_owned(),
    };
    member.split('#').map(step).collect::<Vec<_>>().join("#")
}

/// Whether a text is a JSON pointer of names and indexes; base64 with slashes is not.
fn is_pointer(text: &str) -> bool {
    let is_index = |name: &str| name.len() <= 4 && name.bytes().all(|byte| byte.is_ascii_digit());
    text.split('/').count() > 2 && text.split('/').all(|name| is_index(name) || is_camel_case(name))
}

/// Whether a name consists of words in camel case with at least four letters on average; text in base64
/// does not.
fn is_camel_case(name: &str) -> bool {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let words = 1 + letters.chars().skip(1).filter(char::is_ascii_uppercase).count();
    let is_plain = letters.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_plain && name.len() <= 32 && name.len() - letters.len() <= 2 && letters.len() >= 4 * words
}

/// Redacts a command argument for a usage error: removes the part after the second colon
/// (`NAME:ROLES:PASSWORD`) and applies [`redact`].
///
/// ```
/// use cc_auth::util::redact::redact_argument;
/// assert_eq!(redact_argument("anna:user:secret pass"), "anna:user:(not shown)");
/// assert_eq!(redact_argument("--since=2026-11-21T18:00:00Z"), "--since=2026-11-21T18:00:00Z");
/// ```
#[must_use]
pub fn redact_argument(argument: &str) -> Cow<'_, str> {
    let shown = redact(argument);
    let second = shown.match_indices(':').nth(1).map(|(place, _)| place + 1);
    let is_time = shown.split(':').nth(1).is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    match second.and_then(|end| shown.get(..end)) {
        Some(start) if !is_time && start.len() < shown.len() => Cow::Owned(format!("{start}{MASK}")),
        _ => shown,
    }
}

fn redact_with(text: &str, is_secret: impl Fn(&str) -> bool) -> Cow<'_, str> {
    if text.len() < 8 {
        return Cow::Borrowed(text);
    }
    let mut ranges = pem_blocks(text);
    ranges.extend(private_jwks(text));
    ranges.extend(words(text).filter(|word| text.get(word.clone()).is_some_and(&is_secret)));
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    ranges.sort_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for range in ranges {
        if range.end <= done {
            continue;
        }
        if range.start >= done {
            out.push_str(text.get(done..range.start).unwrap_or_default());
            out.push_str(MASK);
        }
        done = range.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// Finds non-empty PEM blocks, from the BEGIN line to the END line or the end of the text.
fn pem_blocks(text: &str) -> Vec<Range<usize>> {
    const BEGIN: &str = "-----begin ";
    const END: &str = "-----end ";
    let mut found = Vec::new();
    // ASCII lowercasing preserves byte offsets.
    let text = text.to_ascii_lowercase();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find(BEGIN)).map(|place| at + place) {
        let inside = start + BEGIN.len();
        let end = text.get(inside..).and_then(|rest| rest.find(END)).map(|place| inside + place);
        let content = text.get(inside..end.unwrap_or(text.len())).unwrap_or_default();
        // A message that quotes only the line '-----BEGIN …-----' has nothing after it.
        let (label, after) = content.split_once("-----").unwrap_or((content, ""));
        let is_base64 =
            |text: &str, least: usize| text.split(|c| !is_base64(c)).any(|run| run.len() >= least);
        let stop = match end {
            Some(end) => text
                .get(end + END.len()..)
                .and_then(|rest| rest.find("-----"))
                .map_or(text.len(), |place| end + END.len() + place + 5),
            None => text.len(),
        };
        if is_base64(after, 8) || is_base64(label, 16) {
            found.push(start..stop);
            at = stop;
        } else {
            at = inside;
        }
    }
    found
}

/// Finds JSON objects with a member `kty` and a private member, in any quoting.
fn private_jwks(text: &str) -> Vec<Range<usize>> {
    let member = |object: &str, names: &[&str]| {
        names.iter().any(|name| {
            object.match_indices(name).any(|(place, _)| {
                let before = object.get(..place).and_then(|text| text.chars().next_back());
                let after = object.get(place + name.len()..).and_then(|text| text.chars().next());
                matches!(before, Some('"' | '\'')) && matches!(after, Some('"' | '\'' | '\\'))
            })
        })
    };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find('{')).map(|place| at + place) {
        let end =
            text.get(start..).and_then(|rest| rest.find('}')).map_or(text.len(), |place| start + place + 1);
        // Use the innermost object, because a set contains its keys.
        let start =
            text.get(start..end).and_then(|text| text.rfind('{')).map_or(start, |place| start + place);
        let object = text.get(start..end).unwrap_or_default();
        if member(object, &["kty"]) && member(object, &["d", "k"]) {
            found.push(start..end);
        }
        at = end;
    }
    found
}

/// Splits text into words at white space, quotes, brackets and punctuation. `=` and `:` end a word,
/// except that base64 padding belongs to it.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let mut start = None;
        let mut end = 0;
        while let Some((at, letter)) = rest.next() {
            let next = rest.peek().map(|(_, next)| *next);
            let stops = match letter {
                '=' => next.is_some_and(|next| next != '=' && !ends_word(next)),
                other => ends_word(other),
            };
            match (stops, start) {
                (false, None) => start = Some(at),
                (true, Some(start)) => return Some(start..at),
                _ => {}
            }
            end = at + letter.len_utf8();
        }
        start.map(|start| start..end)
    })
}

fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || "'\"`,;:()[]<>|\\…?&#@%!*".contains(letter)
}

fn is_base64(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "+/=_-".contains(letter)
}

/// Whether a word has the form of a secret.
fn has_secret_form(word: &str) -> bool {
    if word.len() < SHORTEST {
        return false;
    }
    let is_hash = HASH_MARKS.iter().any(|mark| word.contains(mark));
    let is_token = word.contains("eyJ") && word.len() >= 20;
    let is_key = KEY_BEGINNINGS.iter().any(|start| word.contains(start));
    is_hash || is_token || is_key || word.split('.').any(|piece| is_seed(piece) || is_long_key(piece))
}

/// Whether a word is an nkey seed: `S`, the letter of its type, base32; in either case.
fn is_seed(word: &str) -> bool {
    let digits = |b: u8| b.is_ascii_alphabetic() || (b'2'..=b'7').contains(&b);
    let mut bytes = word.bytes();
    word.len() >= 50
        && bytes.next().is_some_and(|first| first.eq_ignore_ascii_case(&b'S'))
        && bytes.next().is_some_and(|second| b"UAONC".contains(&second.to_ascii_uppercase()))
        && bytes.all(digits)
}

/// Whether a word is 32 or more random bytes in padded base64 or hexadecimal. A thumbprint is one
/// character shorter.
fn is_long_key(word: &str) -> bool {
    let has = |class: fn(&u8) -> bool| word.as_bytes().iter().any(class);
    let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit);
    let one_case = has(u8::is_ascii_digit)
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    let is_base64 = word.len() >= 44
        && word.chars().all(is_base64)
        && !is_pointer(word)
        && (mixed && changes(word) >= 30 || one_case && changes(word) >= 15);
    let is_hex = word.len() >= 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) && changes(word) >= 20;
    is_base64 || is_hex
}

/// Whether a word looks random: its characters change class more often than those of names.
fn looks_random(word: &str) -> bool {
    let is_duration = word.bytes().all(|byte| b"0123456789.nsumhdw".contains(&byte));
    !is_duration
        && word.split('.').any(|piece| {
            let digits = piece.bytes().filter(u8::is_ascii_digit).count();
            let letters = piece.bytes().filter(u8::is_ascii_alphabetic).count();
            let unbroken = piece.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let rate = changes(piece);
            let long = piece.len() >= SHORTEST
                && (digits > 0 && letters > 0 && rate >= 25
                    || rate >= 45
                    || unbroken && piece.len() >= 24 && digits > 1 && letters > 0);
            long || piece.len() >= 8 && digits > 1 && letters > 1 && rate >= 40
        })
}

/// Whether text looks like names, words and numbers: no long word mixes letters and digits or upper
/// and lower case as keys and passwords do, and no part has the form of a secret.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    let is_plain_word = |word: &str| {
        let has = |class: fn(&u8) -> bool| word.as_bytes().iter().any(class);
        let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
        // Base32 consists of capital letters and digits; names in capital letters contain '_'.
        let capitals =
            has(u8::is_ascii_uppercase) && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        word.len() < 8 || !capitals && changes(word) < if mixed { 15 } else { 30 }
    };
    text.split(|c: char| !is_base64(c)).all(is_plain_word) && redact(text) == text
}

/// Returns the percentage of adjacent letters and digits that differ in class.
fn changes(word: &str) -> usize {
    let class = |byte: u8| match byte {
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        _ => 0,
    };
    let pairs = word.as_bytes().windows(2).filter_map(|pair| match pair {
        [one, two] => Some((class(*one), class(*two))),
        _ => None,
    });
    let different = pairs.filter(|(one, two)| one != two && *one != 0 && *two != 0).count();
    different * 100 / word.len().max(2).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: [&str; 14] = [
        "-----BEGIN PRIVATE KEY----- MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f -----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8Q",
        "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
        "kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0=",
        "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\"}",
        "{\\\"kty\\\":\\\"oct\\\",\\\"k\\\":\\\"hunter2\\\"}",
        "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
        "$2y$10$nrX1Pn9PCEBzPe9pbLcJXOhBXsJSq2rlPCFrFPNYNnAtxgM.eSDQq",
        "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9gA2pT4",
        "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
        "suacssl3uahudxkfsnvuzrf5uhpmwz6bfdtj7m6usdxiednppqyyycu3vy",
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "anna:user:$2a$10$nrX1Pn9PCEBzPe9pbLcJXO",
    ];

    #[test]
    fn redact_forms_replaces_secrets_in_any_context() {
        for secret in SECRETS {
            for around in [("", ""), ("the value '", "' is wrong"), ("KEY=", ""), ("a \"", "\", b")] {
                let text = format!("{}{secret}{}", around.0, around.1);
                for shown in [redact_forms(&text), redact(&text)] {
                    assert!(shown.contains(MASK), "{text}: {shown}");
                    for piece in secret.as_bytes().windows(8) {
                        let piece = std::str::from_utf8(piece).unwrap();
                        let is_frame =
                            "-----BEGIN PRIVATE KEY-----anna:user:{\"kty\":\"OKP\",\"crv\":\"Ed25519\""
                                .contains(piece);
                        assert!(is_frame || !shown.contains(piece), "{text}: {shown}");
                    }
                }
            }
        }
    }

    #[test]
    fn redact_names_paths_and_sentences_are_unchanged() {
        for text in [
            "no PEM block: found text, expected a line -----BEGIN …-----",
            "'./CROSS_LOGIN_JWT_HS512_KEY' in '/etc/cluster-cockpit/cc-backend/2026-11-26/.env' line 3",
            "https://issuer.example.org/.well-known/openid-configuration",
            "uid=anna,ou=people,dc=example,dc=org",
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            "the JWK has the members {\"kty\":\"EC\",\"crv\":\"P-256\"}",
        ] {
            assert_eq!(redact_forms(text), text);
        }
        for text in
            ["unexpected argument '--password-file'", "invalid role 'administrator'", "cc-jwt issue fritz"]
        {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn redact_argument_replaces_random_words() {
        for text in ["Secret0123abcd4567ef", "x7Gq02LmPz81KdRt", "a1b2c3d4e5f60718"] {
            assert_eq!(redact(text), MASK);
            assert_eq!(redact_forms(text), text);
        }
    }
}
