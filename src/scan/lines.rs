//! The settings of formats with one setting on a line: environment files, INI, TOML, systemd units,
//! shell scripts, curl configurations, crontabs.

use zeroize::Zeroizing;

use super::field::{Field, FieldList};
use crate::config::dotenv;

/// Counts the ends of lines.
pub(super) fn count_lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// Reads an environment file as the server does, or line by line if it has an error.
pub(super) fn dotenv_fields(bytes: &[u8], text: &str) -> Vec<Field> {
    match dotenv::read(dotenv::without_mark(bytes)) {
        Ok(file) => {
            let mut found = FieldList::default();
            for entry in file.entries().iter().filter(|entry| !entry.expanded) {
                let field = Field {
                    path: vec![entry.key.clone()],
                    value: Zeroizing::new(entry.value.expose().to_owned()),
                    line: entry.line as u64,
                    is_block: true,
                };
                if !found.push(field) {
                    break;
                }
            }
            found.into_fields()
        }
        Err(_) => fields(text),
    }
}

/// The lines of a text, each with its number. The lines of a variable list that a systemd unit continues with
/// `\` are one line.
pub(crate) struct SettingLines<'a> {
    rest: &'a str,
    number: u64,
}

impl<'a> SettingLines<'a> {
    pub(crate) const fn of(text: &'a str) -> Self {
        Self { rest: text, number: 1 }
    }
}

impl<'a> Iterator for SettingLines<'a> {
    type Item = (u64, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let end_of_line = |from: usize| {
            let rest = self.rest.get(from..).unwrap_or_default();
            rest.find('\n').map_or(self.rest.len(), |at| from + at + 1)
        };
        let number = self.number;
        let mut end = end_of_line(0);
        let mut line = self.rest.get(..end).filter(|line| !line.is_empty())?;
        self.number += 1;
        let is_list =
            ["Environment", "DefaultEnvironment"].iter().any(|name| line.trim_start().starts_with(name));
        while is_list && end < self.rest.len() && line.trim_end_matches(['\n', '\r']).ends_with('\\') {
            end = end_of_line(end);
            line = self.rest.get(..end).unwrap_or_default();
            self.number += 1;
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        Some((number, line))
    }
}

/// The offset of a part in the text that it was cut from.
pub(crate) fn offset(text: &str, part: &str) -> Option<usize> {
    (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)
}

/// Reads the assignments of a text, each with its section.
pub(super) fn fields(text: &str) -> Vec<Field> {
    let mut found = FieldList::default();
    let mut section: Option<&str> = None;
    for (number, line) in SettingLines::of(text) {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = section_name(line) {
            section = Some(name);
            continue;
        }
        let Some((name, value)) = assignment(line) else { continue };
        let mut add = |path: Vec<&str>, value: &str| {
            let path = section.into_iter().chain(path).map(str::to_owned).collect();
            let before = offset(line, value).and_then(|at| line.get(..at)).unwrap_or_default();
            let value = Zeroizing::new(value.to_owned());
            found.push(Field { path, value, line: number + count_lines(before.as_bytes()), is_block: false })
        };
        let is_added = if matches!(name, "Environment" | "DefaultEnvironment") {
            let mut variables = words(value).into_iter().filter_map(|word| word.split_once('='));
            variables.all(|(variable, value)| add(vec![name, variable], value))
        } else {
            add(vec![name], unquoted(value))
        };
        if !is_added {
            break;
        }
    }
    found.into_fields()
}

pub(crate) fn section_name(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[')?.split(']').next()?.trim_start_matches('[').trim();
    let is_name = |c: char| c.is_alphanumeric() || " -_.:\"'/@".contains(c);
    (line.contains(']') && !name.is_empty() && name.chars().all(is_name)).then_some(name)
}

/// Splits `NAME = VALUE` or `NAME: VALUE`, after `export` or `setenv`.
pub(crate) fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = ["export ", "setenv ", "declare -x ", "set -x ", "env "]
        .iter()
        .find_map(|word| line.strip_prefix(word))
        .unwrap_or(line)
        .trim_start();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let end = line.find(|c| !is_name(c))?;
    let (name, rest) = line.split_at(end);
    let value = rest.trim_start().strip_prefix(['=', ':'])?;
    // The scheme of a URL is not a name.
    let is_url = rest.starts_with("://");
    (!name.is_empty() && !is_url).then(|| (name, value.trim()))
}

/// Removes quotes, or the comment after a value without quotes.
fn unquoted(value: &str) -> &str {
    for mark in ['"', '\''] {
        if let Some(inside) = value.strip_prefix(mark) {
            return inside.split(mark).next().unwrap_or(inside);
        }
    }
    value.split(" #").next().unwrap_or(value).trim_end()
}

/// Splits the words of `Environment=`: `A=b "C=d e"`.
pub(crate) fn words(value: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = value.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match rest.strip_prefix(['"', '\'']) {
            Some(inside) => inside.split_once(first).unwrap_or((inside, "")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}

/// Returns the name that a text assigns to what follows it, such as `TOKEN` for `curl -H "TOKEN: `.
pub(super) fn name_before(text: &str) -> Option<&str> {
    let text = text.trim_end_matches(['"', '\'', ' ']);
    let text = text.strip_suffix("Bearer").or_else(|| text.strip_suffix("bearer")).unwrap_or(text);
    let text = text.trim_end_matches(['"', '\'', ' ']).strip_suffix(['=', ':'])?;
    let text = text.trim_end_matches(['"', '\'', ' ']);
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let start = text.char_indices().rev().take_while(|(_, c)| is_name(*c)).last()?.0;
    text.get(start..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, u64)> {
        fields(text).iter().map(|field| (field.path.join("."), field.value.to_string(), field.line)).collect()
    }

    fn one(path: &str, value: &str, line: u64) -> (String, String, u64) {
        (path.to_owned(), value.to_owned(), line)
    }

    #[test]
    fn settings_have_section_name_value_and_line() {
        let text = "# A=1\n[Service]\nEnvironment=A=x \"B=y z\" 'C=w'\nEnvironmentFile=-/etc/e\n\n[[sinks.http]]\njwt = \"t\" # old\nexport D='u'\nuser: v # c\nheader = \"Authorization: Bearer q\"\n0 * * * * x\n";
        assert_eq!(
            read(text),
            [
                one("Service.Environment.A", "x", 3),
                one("Service.Environment.B", "y z", 3),
                one("Service.Environment.C", "w", 3),
                one("Service.EnvironmentFile", "-/etc/e", 4),
                one("sinks.http.jwt", "t", 7),
                one("sinks.http.D", "u", 8),
                one("sinks.http.user", "v", 9),
                one("sinks.http.header", "Authorization: Bearer q", 10),
            ]
        );
    }

    #[test]
    fn variables_of_a_continued_list_have_their_section_and_line() {
        let text = "[Service]\r\nEnvironment=A=x \\\r\n  B=y \\\r\n  \"C=d e\"\r\nUser=z \\\n D=1\n";
        assert_eq!(
            read(text),
            [
                one("Service.Environment.A", "x", 2),
                one("Service.Environment.B", "y", 3),
                one("Service.Environment.C", "d e", 4),
                one("Service.User", "z \\", 5),
                one("Service.D", "1", 6),
            ]
        );
        assert_eq!(read("Environment=A=1 \\"), [one("Environment.A", "1", 1)]);
    }

    #[test]
    fn scheme_of_a_url_is_not_a_name() {
        assert!(read("https://user:x@host\n").is_empty());
        assert_eq!(read("url: //x\nurl = https://x\n").len(), 2);
    }

    #[test]
    fn environment_file_values_have_several_lines() {
        let text = "A=\"one\ntwo\"\nexport B=$A\nC: x\n";
        let found = dotenv_fields(text.as_bytes(), text);
        let seen: Vec<_> =
            found.iter().map(|field| (field.name(), field.value.as_str(), field.line)).collect();
        assert_eq!(seen, [("A", "one\ntwo", 1), ("C", "x", 4)]);
    }

    #[test]
    fn name_is_found_before_a_value() {
        for (text, name) in [
            ("TOKEN=", Some("TOKEN")),
            ("  curl -H \"Authorization: Bearer ", Some("Authorization")),
            ("  \"jwt\": \"", Some("jwt")),
            ("x TOKEN='", Some("TOKEN")),
            ("see ", None),
            ("=", None),
            ("", None),
        ] {
            assert_eq!(name_before(text), name, "{text}");
        }
    }
}
