//! Recognition of tokens and keys by their form, in any bytes.
//!
//! Three passes over the bytes, each linear: tokens begin with `eyJ`, the base64 of `{"`; PEM blocks
//! begin with `-----BEGIN `; all other keys are a run of at least 43 characters of base64 or base32.
//! The passes jump over text that contains none of them, so a large file costs little more than reading it.

use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem::Finder;
use zeroize::Zeroizing;

use super::escapes::{escape_end, is_base64url, is_boundary};
use super::item::{Item, KeyMaterial};
use super::known_keys::KnownKeys;
use crate::key::{KeyError, KeyStrength, PrivateKey, PublicKey, nkey, parse, pem};
use crate::token::inspect::TokenForm;
use crate::token::{MAX_BYTES, inspect};
use crate::util::note::Notes;
use crate::util::secret::{SecretBytes, SecretText};

/// An item and the range of bytes that contains it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Match {
    pub(super) item: Item,
    pub(super) range: Range<usize>,
    /// It is an item only because the key is known; other bytes have the same form.
    pub(super) needs_known_key: bool,
}

/// The longest item, in bytes: a token, or a PEM block of a large RSA key.
pub(super) const LONGEST: usize = MAX_BYTES;

/// The length of 32 bytes in base64 without padding, the shortest key.
const SHORTEST_RUN: usize = 43;

/// The length of the server's private key, 64 bytes, in base64 without padding.
const PAIR_RUN: usize = 86;

static TOKEN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("eyJ"));
static PEM: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PEM_BEGIN));
const PEM_BEGIN: &str = "-----BEGIN ";

/// The standard alphabet, with or without padding.
const STANDARD_BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, ANY_PADDING);
/// The alphabet of URLs, with or without padding.
const URL_BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, ANY_PADDING);
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Finds all items, in the order of their positions.
pub(super) fn find(bytes: &[u8], known: &KnownKeys) -> Vec<Match> {
    let mut found = Vec::new();
    tokens(bytes, &mut found);
    pem_blocks(bytes, known, &mut found);
    runs(bytes, known, &mut found);
    found.sort_by_key(|found| found.range.start);
    found
}

/// A character of a run that may be a key.
const fn is_run(byte: u8) -> bool {
    is_base64url(byte) || matches!(byte, b'+' | b'/')
}

fn tokens(bytes: &[u8], found: &mut Vec<Match>) {
    let mut from = 0;
    while let Some(at) = TOKEN.find(bytes.get(from..).unwrap_or_default()) {
        let start = from + at;
        let rest = bytes.get(start..).unwrap_or_default();
        if !is_boundary(bytes.get(..start).unwrap_or_default()) {
            from = start + 3;
            continue;
        }
        let length = rest.iter().take_while(|byte| is_base64url(**byte) || **byte == b'.').count();
        let run = rest.get(..length).and_then(|run| std::str::from_utf8(run).ok()).unwrap_or_default();
        if let Some((item, length)) = token(run) {
            found.push(Match { item, range: start..start + length, needs_known_key: false });
        }
        from = start + length;
    }
}

/// Reads the token at the start of a run of token characters, and its length.
fn token(run: &str) -> Option<(Item, usize)> {
    // A header with an algorithm is longer.
    const SHORTEST: usize = 16;
    // No signature is shorter in base64, even if a part of it is lost; a word in its place, as in
    // manuals, is.
    const SHORTEST_SIGNATURE: usize = 22;
    let mut ends = run.match_indices('.').map(|(at, _)| at);
    let (first, second) = (ends.next()?, ends.next()?);
    let third = ends.next();
    let fourth = ends.next();
    if first < SHORTEST {
        return None;
    }
    if let (Some(_), Some(fourth)) = (third, fourth) {
        let end = run.get(fourth + 1..)?.find('.').map_or(run.len(), |at| fourth + 1 + at);
        let text = run.get(..end)?;
        if inspect(text).form == TokenForm::Encrypted {
            return Some((Item::EncryptedToken(SecretText::new(text.to_owned())), end));
        }
    }
    let end = third.unwrap_or(run.len());
    let text = run.get(..end)?;
    if text.len() > LONGEST || second == first + 1 {
        return None;
    }
    let seen = inspect(text);
    let (header, claims) = (seen.header.json()?.as_object()?, seen.claims.json()?.as_object()?);
    let algorithm = header.get("alg")?.as_str()?;
    let text = SecretText::new(text.to_owned());
    let is_nats = algorithm.starts_with("ed25519") && claims.contains_key("nats");
    match seen.form {
        TokenForm::Signed if text.expose().len() - second - 1 < SHORTEST_SIGNATURE => None,
        TokenForm::Signed if is_nats => Some((Item::NatsToken(text), end)),
        // Without 'none' as the algorithm, it is a placeholder of a manual, such as 'eyJ….eyJ….<signature>'.
        TokenForm::Unsigned if !algorithm.trim().eq_ignore_ascii_case("none") => None,
        TokenForm::Signed | TokenForm::Unsigned => Some((Item::Token(text), end)),
        TokenForm::Encrypted | TokenForm::Other(_) => None,
    }
}

fn pem_blocks(bytes: &[u8], known: &KnownKeys, found: &mut Vec<Match>) {
    let mut from = 0;
    while let Some(at) = PEM.find(bytes.get(from..).unwrap_or_default()) {
        let start = from + at;
        from = start + PEM_BEGIN.len();
        let Some(length) = pem_length(bytes.get(start..).unwrap_or_default()) else { continue };
        let Some(text) = bytes.get(start..start + length).and_then(|block| std::str::from_utf8(block).ok())
        else {
            continue;
        };
        from = start + length;
        let lines = pem::unescaped(text).or_else(|| without_indentation(text));
        if let Some((item, needs_known_key)) =
            pem_item(lines.as_ref().map_or(text, |text| text.as_str()), known)
        {
            found.push(Match { item, range: start..start + length, needs_known_key });
        }
    }
}

/// Returns the length of the block at the start of these bytes: from its BEGIN line to the END line with
/// the same label.
fn pem_length(bytes: &[u8]) -> Option<usize> {
    const LONGEST_LABEL: usize = 40;
    let after = bytes.get(PEM_BEGIN.len()..)?;
    let window = after.get(..after.len().min(LONGEST_LABEL + 5))?;
    let label = window.get(..memchr::memmem::find(window, b"-----")?)?;
    // Other blocks do not contain a key.
    if !label.ends_with(b"KEY") && label != b"CERTIFICATE" {
        return None;
    }
    let end = [b"-----END ".as_slice(), label, b"-----"].concat();
    // A block ends before the next one begins, so that the work is linear.
    let body = bytes.get(..bytes.len().min(LONGEST))?;
    let next = PEM.find(body.get(1..)?).map_or(body.len(), |at| at + 1);
    memchr::memmem::find(body.get(..next)?, &end).map(|at| at + end.len())
}

/// Returns a block without what precedes its lines in YAML, in comments and in mail; `None` for a block
/// whose lines begin with nothing else.
fn without_indentation(block: &str) -> Option<Zeroizing<String>> {
    let margin = [' ', '\t', '#', '>'];
    if !block.lines().any(|line| line.starts_with(margin)) {
        return None;
    }
    let mut text = Zeroizing::new(String::with_capacity(block.len()));
    for line in block.lines() {
        text.push_str(line.trim_start_matches(margin));
        text.push('\n');
    }
    Some(text)
}

/// Reads a PEM block. Private keys and public keys are always found; those of SSH, whose hosts have one
/// each, and certificates only if the key is known. The second value is whether it needs to be known.
fn pem_item(block: &str, known: &KnownKeys) -> Option<(Item, bool)> {
    const WEAK: KeyStrength = KeyStrength::AllowWeak;
    let is_rare = !block.starts_with("-----BEGIN OPENSSH") && !block.starts_with("-----BEGIN CERT");
    match parse::read_signing(block.as_bytes(), WEAK, &mut Notes::new()) {
        Ok(key) => {
            let key = KeyMaterial::new(key.private_key()?);
            (is_rare || known.contains(&key.public)).then_some((Item::PrivateKey(key), !is_rare))
        }
        Err(KeyError::Encrypted) if is_rare => {
            let content = pem::blocks(block).into_iter().find_map(Result::ok)?.content;
            Some((Item::EncryptedKey(SecretBytes::new(content.to_vec())), false))
        }
        Err(_) => {
            let parsed = parse::read_public(block.as_bytes(), WEAK, &mut Notes::new()).ok()?;
            let key = parsed.public()?.clone();
            (is_rare || known.contains(&key)).then_some((Item::PublicKey(key), !is_rare))
        }
    }
}

/// Finds the keys that are a run of characters. A run of 43 characters contains every 43rd position, so
/// only these are looked at.
fn runs(bytes: &[u8], known: &KnownKeys, found: &mut Vec<Match>) {
    let mut at = SHORTEST_RUN - 1;
    while let Some(byte) = bytes.get(at) {
        if !is_run(*byte) {
            at += SHORTEST_RUN;
            continue;
        }
        let before = bytes.get(..at).unwrap_or_default();
        let first = at - before.iter().rev().take_while(|byte| is_run(**byte)).count();
        let word = bytes.get(first..).unwrap_or_default();
        let start = first + escape_end(bytes.get(..first).unwrap_or_default(), word);
        let after = bytes.get(at..).unwrap_or_default();
        let end = at + after.iter().take_while(|byte| is_run(**byte)).count();
        let after = bytes.get(end..).unwrap_or_default();
        if (SHORTEST_RUN..=LONGEST).contains(&(end - start))
            && let Some((item, needs_known_key)) =
                run(bytes.get(start..end).unwrap_or_default(), after, known)
        {
            found.push(Match { item, range: start..end, needs_known_key });
        }
        at = end + SHORTEST_RUN;
    }
}

/// Returns whether base64 can end before this text: after its padding, nothing of it follows.
fn is_end(after: &[u8]) -> bool {
    let padding = after.iter().take(2).take_while(|byte| **byte == b'=').count();
    !after.get(padding).is_some_and(|byte| is_run(*byte) || *byte == b'=')
}

/// Reads a run of characters that is a key by its form, and whether the key needs to be known. `after` is
/// the text behind it.
fn run(run: &[u8], after: &[u8], known: &KnownKeys) -> Option<(Item, bool)> {
    let text = std::str::from_utf8(run).ok()?;
    let known_key = |key| known.contains(&key).then_some((Item::PublicKey(key), true));
    match text.len() {
        56 if nkey::is_nkey(text) => known_key(nkey::read_public(text).ok()?.0),
        SHORTEST_RUN if is_end(after) => known_key(public_key(text)?),
        _ => certain(text, after).map(|item| (item, false)),
    }
}

/// Reads a run of characters that is nothing but a key or a token.
fn certain(text: &str, after: &[u8]) -> Option<Item> {
    match text.len() {
        PAIR_RUN if is_end(after) => pair(text).map(Item::PrivateKey),
        _ if text.starts_with("ZXlK") => {
            let decoded = decode(text)?;
            let (item, length) = token(std::str::from_utf8(&decoded).ok()?.trim_end())?;
            (length == decoded.trim_ascii_end().len()).then_some(item)
        }
        // In a URL, other characters of the run can precede the seed.
        _ => text.split(['/', '+', '-', '_']).find_map(seed),
    }
}

/// Reads the seed of an nkey.
fn seed(text: &str) -> Option<Item> {
    if text.len() != 58 || !text.starts_with('S') || !nkey::is_nkey(text) {
        return None;
    }
    Some(Item::NkeySeed(KeyMaterial::new(&nkey::read_seed(text).ok()?.0)))
}

/// Decodes base64 of either alphabet, with or without padding.
pub(super) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.trim();
    let engine = if text.contains(['-', '_']) { &URL_BASE64 } else { &STANDARD_BASE64 };
    engine.decode(text).ok().map(Zeroizing::new)
}

/// Reads an Ed25519 public key of 32 bytes in base64.
pub(super) fn public_key(text: &str) -> Option<PublicKey> {
    PublicKey::ed25519(&decode(text)?).ok()
}

/// Reads the server's private key. Its second half is the public key of the first, so it is never
/// confused with other bytes.
fn pair(text: &str) -> Option<KeyMaterial> {
    let key = PrivateKey::ed25519_from_pair(&decode(text)?).ok()?;
    Some(KeyMaterial::new(&key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::item::OccurrenceKind;
    use super::super::testing::{known, pair_base64, token};
    use super::*;

    fn kinds(text: &str) -> Vec<OccurrenceKind> {
        find(text.as_bytes(), &known()).iter().map(|found| found.item.kind()).collect()
    }

    #[test]
    fn token_is_found_wherever_it_begins() {
        let token = token("fritz");
        for (before, after) in [
            ("", ""),
            ("Bearer ", "\n"),
            ("TOKEN=\"", "\""),
            ("see (", ").\n"),
            ("\\n", "\\n"),
            ("Bearer%20", "&x=1"),
            ("{\"jwt\":\"", "\"}"),
            ("Fingerprint: ", "."),
            ("<b>", "</b>"),
            ("https://x/", ""),
        ] {
            let text = format!("{before}{token}{after}");
            let found = find(text.as_bytes(), &known());
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(&text[found[0].range.clone()], token, "{text}");
        }
    }

    #[test]
    fn text_that_looks_like_a_token_is_not_one() {
        let token = token("fritz");
        let (signed, _) = token.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        for text in [
            signed.to_owned(),
            format!("{signed}.signature"),
            format!("{signed}.<signature>"),
            format!("{signed}.\n"),
            format!("x{token}"),
            format!("a.{token}"),
            format!("{header}.bm90IGpzb24.{}", "A".repeat(86)),
            format!("{header}..{}", "A".repeat(86)),
            format!("eyJhIjoxfQ.{claims}.{}", "A".repeat(86)),
            format!("{header}.{header}"),
            "eyJ".repeat(1000),
            "eyJ.".repeat(1000),
        ] {
            assert!(kinds(&text).is_empty(), "{text}");
        }
    }

    #[test]
    fn token_that_lost_its_end_is_found() {
        let token = token("fritz");
        for lost in 1..60 {
            assert_eq!(kinds(&token[..token.len() - lost]), [OccurrenceKind::Token], "{lost}");
        }
    }

    #[test]
    fn unsigned_and_encrypted_tokens_are_found() {
        let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
        let unsigned = format!("{}.{}.", part("{\"alg\":\"none\"}"), part("{\"sub\":\"x\"}"));
        assert_eq!(kinds(&unsigned), [OccurrenceKind::Token]);
        let header = part("{\"alg\":\"dir\",\"enc\":\"A256GCM\"}");
        let encrypted = format!("{header}..AAAAAAAAAAAAAAAA.BBBB.CCCCCCCCCCCCCCCCCCCCCC");
        assert_eq!(kinds(&encrypted), [OccurrenceKind::EncryptedToken]);
    }

    #[test]
    fn key_is_found_in_every_form() {
        let key = PrivateKey::generate(crate::key::Algorithm::EdDsa).unwrap();
        let seed = nkey::write_seed(&key, nkey::NkeyRole::User).unwrap();
        let pem = pem::write("PRIVATE KEY", crate::key::der::write_pkcs8(&key).unwrap().expose());
        let pair = pair_base64(&key);
        let public = pem::write("PUBLIC KEY", &crate::key::der::write_spki(&key.public()).unwrap());
        for (text, kind) in [
            (seed.to_string(), OccurrenceKind::NkeySeed),
            (pem.to_string(), OccurrenceKind::PrivateKey),
            (pem.replace('\n', "\\n"), OccurrenceKind::PrivateKey),
            (pem.replace('\n', "\n    "), OccurrenceKind::PrivateKey),
            (format!("# {}", pem.trim_end().replace('\n', "\r\n# ")), OccurrenceKind::PrivateKey),
            (format!("> > {}", pem.trim_end().replace('\n', "\n> > ")), OccurrenceKind::PrivateKey),
            (pair.clone(), OccurrenceKind::PrivateKey),
            (format!("JWT_PRIVATE_KEY=\"{pair}\"\n"), OccurrenceKind::PrivateKey),
            (format!("nats://{}@host", seed.as_str()), OccurrenceKind::NkeySeed),
            (format!("{}=x", seed.as_str()), OccurrenceKind::NkeySeed),
            (public.to_string(), OccurrenceKind::PublicKey),
        ] {
            assert_eq!(kinds(&format!("# a key\n{text}\n")), [kind], "{text}");
            assert_eq!(kinds(&text), [kind], "{text}");
        }
        let prints: Vec<_> = [pem.as_str(), pair.as_str(), seed.as_str()]
            .iter()
            .map(|text| find(text.as_bytes(), &known())[0].item.fingerprint())
            .collect();
        assert!(prints.iter().all(|print| *print == prints[0] && print.len() == 12), "{prints:?}");
    }

    #[test]
    fn bytes_that_look_like_a_key_are_not_one() {
        let key = PrivateKey::generate(crate::key::Algorithm::EdDsa).unwrap();
        let other = PrivateKey::generate(crate::key::Algorithm::EdDsa).unwrap();
        let (pair, wrong) = (pair_base64(&key), pair_base64(&other));
        let seed = nkey::write_seed(&key, nkey::NkeyRole::User).unwrap();
        for text in [
            format!("{}{}", &pair[..40], &wrong[40..]),
            format!("{pair}AAAA"),
            format!("A{pair}"),
            "A".repeat(86) + "==",
            seed.replacen('A', "B", 1).to_string(),
            format!("{}B", &seed[..57]),
            data_encoding::BASE64.encode(key.public().ed25519_bytes().unwrap()),
            "0123456789abcdef".repeat(4),
            "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----".to_owned(),
            "-----BEGIN PRIVATE KEY-----\n".repeat(10_000),
        ] {
            assert!(kinds(&text).is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_searched_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            find(&bytes, &KnownKeys::default());
        }

        #[test]
        fn token_and_key_are_found_after_any_text(
            before in "[ -~\n]{0,200}[ \"=:,\n]",
            after in "[ \"',;)\n][ -~\n]{0,200}",
        ) {
            let token = token("a");
            prop_assume!(!before.contains("eyJ") && !before.contains("-----"));
            let key = PrivateKey::generate(crate::key::Algorithm::EdDsa).unwrap();
            let text = format!("{before}{token}{after}{before}{}{after}", pair_base64(&key));
            prop_assert_eq!(kinds(&text), [OccurrenceKind::Token, OccurrenceKind::PrivateKey]);
        }
    }
}
