//! The format of a document, by its name or by its beginning.

use super::field::{Fields, PathStyle};
use super::{json, lines, yaml};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Yaml,
    EnvironmentFile,
    Lines,
}

/// Reads the members of a document.
pub(super) fn fields(bytes: &[u8], text: &str, name: &str) -> Fields {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format(text, name) {
        Format::Json => Fields { style: PathStyle::Pointer, list: json::fields(text) },
        Format::Yaml => Fields { style: PathStyle::Pointer, list: yaml::fields(text) },
        Format::EnvironmentFile => {
            Fields { style: PathStyle::Dotted, list: lines::dotenv_fields(bytes, text) }
        }
        Format::Lines => Fields { style: PathStyle::Dotted, list: lines::fields(text) },
    }
}

fn format(text: &str, name: &str) -> Format {
    let file = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "json" | "jsonc" | "json5" | "jsonl" | "ndjson" | "jwk" | "jwks" => return Format::Json,
        "yaml" | "yml" => return Format::Yaml,
        "env" => return Format::EnvironmentFile,
        "toml" | "ini" | "conf" | "cfg" | "service" | "timer" | "socket" | "sh" | "bash" => {
            // A file of these names may still be JSON, such as the configuration of an adapter.
            return if is_json(text) { Format::Json } else { Format::Lines };
        }
        _ => {}
    }
    if file == ".env" || file.starts_with(".env.") {
        Format::EnvironmentFile
    } else if is_json(text) {
        Format::Json
    } else if is_yaml(text) {
        Format::Yaml
    } else {
        Format::Lines
    }
}

/// Returns whether a text begins like JSON; a section of a line format begins with `[` as well.
fn is_json(text: &str) -> bool {
    let text = text.trim_start();
    let inside = text.trim_start_matches(|c: char| c == '[' || c.is_whitespace());
    let opens_array = text.starts_with('[') && inside.starts_with(['{', '"', ']']);
    // '{' alone opens a block of a shell script.
    let opens_object =
        text.strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with(['"', '}', '/']));
    opens_array || opens_object
}

fn is_yaml(text: &str) -> bool {
    text.starts_with("---")
        || text.lines().take(200).any(|line| line.starts_with("apiVersion:") || line.starts_with("kind:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_is_that_of_the_name_or_of_the_beginning() {
        for (name, text, expected) in [
            ("a.json", "x", Format::Json),
            ("a.YML", "x", Format::Yaml),
            ("/etc/cc/.env", "x", Format::EnvironmentFile),
            ("prod.env", "x", Format::EnvironmentFile),
            ("cc.conf", "[a]\nb=1", Format::Lines),
            ("cc.conf", " {\"a\": 1}", Format::Json),
            ("x", "[{\"a\": 1}]", Format::Json),
            ("x", "[[sinks]]\na = 1", Format::Lines),
            ("x", "[Unit]\nA=1", Format::Lines),
            ("x", "{ echo a; }", Format::Lines),
            ("x", "# c\napiVersion: v1\n", Format::Yaml),
            ("x", "---\na: 1\n", Format::Yaml),
            ("x", "A=1\n", Format::Lines),
        ] {
            assert_eq!(format(text, name), expected, "{name} {text}");
        }
    }
}
