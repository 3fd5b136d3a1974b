//! Kubernetes Secrets and ConfigMaps: the values of a Secret are base64.

use std::collections::HashMap;

use super::field::Field;
use super::recognize::decode;

/// Decodes the values of the Secrets among the members of a document.
pub(super) fn decode_secrets(fields: &mut [Field]) {
    // A map, because an untrusted document can have as many kinds as members.
    let kinds: HashMap<Vec<String>, &str> = fields
        .iter()
        .filter(|field| field.name() == "kind")
        .filter_map(|field| {
            let section = match field.value.as_str() {
                "Secret" => "data",
                "ConfigMap" => "binaryData",
                _ => return None,
            };
            Some((field.path.split_last()?.1.to_vec(), section))
        })
        .collect();
    if kinds.is_empty() {
        return;
    }
    for field in fields {
        let Some((above, [section, _])) = field.path.split_last_chunk::<2>() else { continue };
        let is_base64 = kinds.get(above).is_some_and(|base64| section == base64);
        if is_base64 {
            let joined: String = field.value.split_ascii_whitespace().collect();
            if let Some(text) = decode(&joined).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()) {
                field.value = text.into();
                field.is_block = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    #[test]
    fn values_of_secrets_are_decoded_and_others_are_not() {
        let text = "kind: Secret\ndata:\n  a: eA==\n  b: |\n    eX\n    o=\nstringData:\n  c: eA==\n---\n\
                    kind: ConfigMap\ndata:\n  d: eA==\nbinaryData:\n  e: eA==\n---\n\
                    kind: List\nitems:\n- kind: Secret\n  data: {f: eA==}\n";
        let mut fields = yaml::fields(text);
        decode_secrets(&mut fields);
        let values: Vec<_> = fields
            .iter()
            .filter(|field| field.name().len() == 1)
            .map(|field| (field.name(), field.value.as_str()))
            .collect();
        let expected = [("a", "x"), ("b", "yz"), ("c", "eA=="), ("d", "eA=="), ("e", "x"), ("f", "x")];
        assert_eq!(values, expected);
    }
}
