//! The visitor, and the trees that it builds.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{DuplicateMember, JsonError, JsonErrorKind, JsonNode};

/// Reads the next value of a text, at most `max_depth` levels deep.
pub(super) fn read<'de, T: Tree>(
    deserializer: &mut serde_json::Deserializer<serde_json::de::StrRead<'de>>,
    max_depth: usize,
    tree: T,
) -> Result<T::Node, JsonError> {
    let rejected = RefCell::new(None);
    let reader = Reader { tree, depth: max_depth, rejected: &rejected };
    reader.deserialize(deserializer).map_err(|error| {
        let error = JsonError::from(error);
        match rejected.into_inner() {
            Some(problem) => JsonError { problem, ..error },
            None => error,
        }
    })
}

/// What a document is read into, and what happens to duplicate members.
pub(super) trait Tree: Copy {
    type Node;
    type Members: Default;

    /// The node of `null`, a boolean or a number.
    fn scalar(self, value: Value) -> Self::Node;
    fn string(self, text: &str) -> Self::Node;
    fn array(self, items: Vec<Self::Node>) -> Self::Node;
    fn object(self, members: Self::Members) -> Self::Node;
    /// Whether a member of this name is rejected.
    fn rejects(self, members: &Self::Members, name: &str) -> bool;
    fn add(self, members: &mut Self::Members, name: String, node: Self::Node);
}

/// A [`Value`]. Duplicate members are rejected, or the earlier ones are put into the list if there is one.
#[derive(Clone, Copy)]
pub(super) struct Values<'a>(pub(super) Option<&'a RefCell<Vec<DuplicateMember>>>);

impl Tree for Values<'_> {
    type Node = Value;
    type Members = Map<String, Value>;

    fn scalar(self, value: Value) -> Value {
        value
    }

    fn string(self, text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn array(self, items: Vec<Value>) -> Value {
        Value::Array(items)
    }

    fn object(self, members: Map<String, Value>) -> Value {
        Value::Object(members)
    }

    fn rejects(self, members: &Map<String, Value>, name: &str) -> bool {
        self.0.is_none() && members.contains_key(name)
    }

    fn add(self, members: &mut Map<String, Value>, name: String, value: Value) {
        match (self.0, members.get_mut(&name)) {
            (Some(duplicates), Some(known)) => {
                let earlier = std::mem::replace(known, value);
                duplicates.borrow_mut().push(DuplicateMember { name, earlier });
            }
            _ => {
                members.insert(name, value);
            }
        }
    }
}

/// A [`JsonNode`].
#[derive(Clone, Copy)]
pub(super) struct AllMembers;

impl Tree for AllMembers {
    type Node = JsonNode;
    type Members = Vec<(String, JsonNode)>;

    fn scalar(self, value: Value) -> JsonNode {
        match value {
            Value::Bool(value) => JsonNode::Bool(value),
            Value::Number(number) => JsonNode::Number(number),
            _ => JsonNode::Null,
        }
    }

    fn string(self, text: &str) -> JsonNode {
        JsonNode::String(text.to_owned())
    }

    fn array(self, items: Vec<JsonNode>) -> JsonNode {
        JsonNode::Array(items)
    }

    fn object(self, members: Vec<(String, JsonNode)>) -> JsonNode {
        JsonNode::Object(members)
    }

    fn rejects(self, _: &Vec<(String, JsonNode)>, _: &str) -> bool {
        false
    }

    fn add(self, members: &mut Vec<(String, JsonNode)>, name: String, node: JsonNode) {
        members.push((name, node));
    }
}

/// Nothing; duplicate members are rejected. Only the names of members are stored, so that no copy of a secret is left in memory.
#[derive(Clone, Copy)]
pub(super) struct UniqueNames;

impl Tree for UniqueNames {
    type Node = ();
    type Members = HashSet<String>;

    fn scalar(self, _: Value) {}

    fn string(self, _: &str) {}

    fn array(self, _: Vec<()>) {}

    fn object(self, _: HashSet<String>) {}

    fn rejects(self, members: &HashSet<String>, name: &str) -> bool {
        members.contains(name)
    }

    fn add(self, members: &mut HashSet<String>, name: String, (): ()) {
        members.insert(name);
    }
}

/// Reads any value. The reason of a rejection is in `rejected`, since an error of serde has only
/// a text.
#[derive(Clone, Copy)]
struct Reader<'a, T> {
    tree: T,
    /// How many levels are left.
    depth: usize,
    rejected: &'a RefCell<Option<JsonErrorKind>>,
}

impl<T: Tree> Reader<'_, T> {
    fn reject<E: serde::de::Error>(self, problem: JsonErrorKind) -> E {
        *self.rejected.borrow_mut() = Some(problem);
        E::custom("rejected")
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(self.reject(JsonErrorKind::TooDeep)),
        }
    }
}

impl<'de, T: Tree> DeserializeSeed<'de> for Reader<'_, T> {
    type Value = T::Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Tree> Visitor<'de> for Reader<'_, T> {
    type Value = T::Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<T::Node, E> {
        Ok(self.tree.scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<T::Node, E> {
        Ok(self.tree.scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<T::Node, E> {
        Ok(self.tree.scalar(Value::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<T::Node, E> {
        Ok(self.tree.scalar(Value::Number(value.into())))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<T::Node, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("number out of range"))?;
        Ok(self.tree.scalar(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<T::Node, E> {
        Ok(self.tree.string(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T::Node, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(self.tree.array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<T::Node, A::Error> {
        let inner = self.deeper()?;
        let mut object = T::Members::default();
        while let Some(name) = members.next_key::<String>()? {
            if self.tree.rejects(&object, &name) {
                return Err(self.reject(JsonErrorKind::DuplicateMember(name)));
            }
            let value = members.next_value_seed(inner)?;
            self.tree.add(&mut object, name, value);
        }
        Ok(self.tree.object(object))
    }
}
