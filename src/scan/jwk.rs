//! JSON Web Keys among the members of a document.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::field::{Field, PathStyle};
use super::item::{Item, KeyMaterial};
use super::recognize::decode;
use crate::key::{Jwk, KeyStrength};
use crate::util::secret::SecretBytes;

/// The members of a JWK that are read. Others, such as `use`, do not change the key.
const MEMBERS: [&str; 13] = ["kty", "crv", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi", "k"];

/// A key in a document.
#[derive(Debug)]
pub(super) struct JwkMember {
    pub(super) item: Item,
    /// The line of the member `kty`.
    pub(super) line: u64,
    /// The pointer of the object; `None` for the document itself.
    pub(super) member: Option<String>,
}

/// Returns the keys: each object with the member `kty`, at the line of this member.
pub(super) fn keys(fields: &[Field], style: PathStyle) -> Vec<JwkMember> {
    if style != PathStyle::Pointer || !fields.iter().any(|field| field.name() == "kty") {
        return Vec::new();
    }
    let mut objects: HashMap<&[String], (u64, Map<String, Value>)> = HashMap::new();
    for field in fields {
        if let Some((name, above)) = field.path.split_last()
            && MEMBERS.contains(&name.as_str())
        {
            let (line, members) = objects.entry(above).or_default();
            if name == "kty" {
                *line = field.line;
            }
            members.insert(name.clone(), Value::String(field.value.to_string()));
        }
    }
    let mut found: Vec<JwkMember> = objects
        .into_iter()
        .filter(|(_, (_, members))| members.contains_key("kty"))
        .filter_map(|(above, (line, members))| {
            let member = Some(style.write(above)).filter(|member| !member.is_empty());
            Some(JwkMember { item: key(members)?, line, member })
        })
        .collect();
    found.sort_by(|one, other| (one.line, &one.member).cmp(&(other.line, &other.member)));
    found
}

fn key(members: Map<String, Value>) -> Option<Item> {
    const WEAK: KeyStrength = KeyStrength::AllowWeak;
    if members.get("kty")?.as_str()? == "oct" {
        let bytes = decode(members.get("k")?.as_str()?).filter(|bytes| !bytes.is_empty())?;
        return Some(Item::HmacSecret(SecretBytes::new(bytes.to_vec())));
    }
    let is_private = members.contains_key("d");
    let jwk = Jwk::parse(&Value::Object(members).to_string()).ok()?;
    if is_private {
        return Some(Item::PrivateKey(KeyMaterial::new(jwk.signing_key(WEAK).ok()?.private_key()?)));
    }
    Some(Item::PublicKey(jwk.verifying_key(WEAK).ok()?.public_key()?.clone()))
}

#[cfg(test)]
mod tests {
    use super::super::item::OccurrenceKind;
    use super::super::json;
    use super::*;
    use crate::key::{Algorithm, PrivateKey, jwk};

    #[test]
    fn key_of_each_kind_is_found_at_its_member() {
        let mut text = String::from("{\"keys\": [\n");
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
            let key = PrivateKey::generate(algorithm).unwrap();
            text += jwk::write_private(&key, None, None).unwrap().as_str();
            text += ",\n";
            text += &jwk::write_public(&key.public(), None, None);
            text += ",\n";
        }
        text +=
            "{\"kty\": \"oct\", \"k\": \"AAAA\"},\n{\"kty\": \"EC\", \"x\": \"AA\"}, {\"kty\": \"future\"}]}";
        let found = keys(&json::fields(&text), PathStyle::Pointer);
        let seen: Vec<_> =
            found.iter().map(|one| (one.item.kind(), one.member.clone().unwrap_or_default())).collect();
        let (private, public) = (OccurrenceKind::PrivateKey, OccurrenceKind::PublicKey);
        let kinds = [private, public, private, public, OccurrenceKind::HmacSecret];
        let expected: Vec<_> =
            kinds.into_iter().enumerate().map(|(index, kind)| (kind, format!("/keys/{index}"))).collect();
        assert_eq!(seen, expected);
    }
}
