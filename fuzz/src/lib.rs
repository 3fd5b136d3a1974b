//! What is done with hostile bytes: a function a reader, each with what must hold whatever it is
//! given. The fuzzer runs them on what it makes up, the ordinary tests on every seed.

mod keys;
mod network;
mod people;
mod roles;
mod settings;
mod text;
mod tokens;

/// Reads bytes and panics where something does not hold that should.
pub type Reader = fn(&[u8]);

/// All readers, under the names of their fuzz targets and of their directories of seeds.
pub const READERS: &[(&str, Reader)] = &[
    ("attempts", settings::attempts),
    ("callback", network::callback),
    ("claims", tokens::claims),
    ("config", settings::config),
    ("csv", people::csv),
    ("der", keys::der),
    ("directory", network::directory),
    ("dotenv", settings::dotenv),
    ("duration", text::duration),
    ("glob", text::glob),
    ("http", network::http),
    ("evaluate", roles::evaluate),
    ("jwks", keys::jwks),
    ("kept", network::kept),
    ("key", keys::key),
    ("listener", network::listener),
    ("pem", keys::pem),
    ("pointer", text::pointer),
    ("quote", text::quote),
    ("resource", settings::resource),
    ("role", roles::role),
    ("scope", text::scope),
    ("session", settings::session),
    ("token", tokens::token),
];

/// The reader of this name.
#[must_use]
pub fn reader(name: &str) -> Reader {
    READERS.iter().find(|(known, _)| *known == name).expect("a reader of that name").1
}

/// A message as a terminal may get it: nothing in it that would be obeyed or not be seen.
fn clean(text: &str) {
    let hidden = text.chars().find(|character| cc_auth::util::quote::is_hidden(*character));
    assert!(hidden.is_none(), "{hidden:?} reaches the terminal in {text:?}");
}

/// A hint, where there is one.
fn clean_some(text: Option<&str>) {
    if let Some(text) = text {
        clean(text);
    }
}

/// A fault's message and hint.
fn clean_fault(fault: &dyn cc_auth::util::diagnostic::Diagnostic) {
    clean(&fault.to_string());
    clean_some(fault.hint().as_deref());
}

/// The notes gathered on the way.
fn clean_notes(notes: &cc_auth::util::note::Notes) {
    for note in notes.iter() {
        clean(&note.text);
        clean_some(note.hint.as_deref());
    }
}

fn clean_warnings(warnings: &[cc_auth::util::note::Warning]) {
    for warning in warnings {
        clean(&warning.message);
        clean_some(warning.hint.as_deref());
    }
}

/// Whether two values are the same; numbers with a point may differ in their last digit, which the
/// JSON reader does not get exactly right.
fn same(one: &serde_json::Value, two: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (one, two) {
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        (Value::Object(one), Value::Object(two)) => {
            one.len() == two.len()
                && one.iter().zip(two).all(|(one, two)| one.0 == two.0 && same(one.1, two.1))
        }
        (Value::Number(one), Value::Number(two)) if one.is_f64() && two.is_f64() => {
            let (one, two) = (one.as_f64().unwrap_or_default(), two.as_f64().unwrap_or_default());
            one == two || (one - two).abs() <= one.abs() * 1e-14
        }
        _ => one == two,
    }
}

/// The parts of an input between NUL bytes; those that are not there are empty.
fn parts<const COUNT: usize>(data: &[u8]) -> [&[u8]; COUNT] {
    let mut all = data.splitn(COUNT, |byte| *byte == 0);
    std::array::from_fn(|_| all.next().unwrap_or_default())
}
