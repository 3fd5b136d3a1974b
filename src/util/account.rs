//! The names of accounts of this computer.

use std::fs;

/// Returns the name of an account from the local account list; none for an account that is not in it.
#[must_use]
pub fn account_name(user_id: u32) -> Option<String> {
    let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user_id)).then(|| name.to_owned())
    })
}
