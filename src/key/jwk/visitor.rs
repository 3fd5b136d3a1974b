//! A JWK out of JSON of any type.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::Jwk;

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JwkVisitor)
    }
}

struct JwkVisitor;

const fn no_object(other: &'static str) -> Jwk {
    Jwk { members: Vec::new(), twice: None, other: Some(other) }
}

impl<'de> Visitor<'de> for JwkVisitor {
    type Value = Jwk;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JWK")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Jwk, A::Error> {
        let mut jwk = Jwk { members: Vec::new(), twice: None, other: None };
        // Looked up, not looked through: a key set is untrusted input.
        let mut known = HashSet::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if jwk.twice.is_none() && !known.insert(name.clone()) {
                jwk.twice = Some(name.clone());
            }
            jwk.members.push((name, value));
        }
        Ok(jwk)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Jwk, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(no_object("an array"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Jwk, E> {
        Ok(no_object("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Jwk, E> {
        Ok(no_object("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Jwk, E> {
        Ok(no_object("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Jwk, E> {
        Ok(no_object("a number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Jwk, E> {
        Ok(no_object("a string"))
    }

    fn visit_unit<E>(self) -> Result<Jwk, E> {
        Ok(no_object("null"))
    }
}
