//! The meaning of result codes for rejected binds.

use std::fmt;

use crate::util::quote::quote;

/// A bind that the server rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindRejection {
    /// The bind name; empty for a bind without a name.
    pub name: String,
    /// The LDAP result code.
    pub code: u32,
    /// The diagnostic message of the server.
    pub text: String,
}

/// Result codes with which servers reject the name or the password (RFC 4511 appendix A), each with
/// its meaning. Servers need not distinguish them (RFC 4513 6.3.1). 389 Directory Server and
/// related servers send 19 for a locked account and 53 for an inactivated one, regardless of the
/// password.
const REJECTIONS: [(u32, &str); 6] = [
    (19, "the account is locked, or a password policy is violated"),
    (32, "the entry does not exist or is hidden"),
    (48, "the entry cannot be authenticated by a password"),
    (49, "name or password is wrong"),
    (50, "the account may not bind"),
    (53, "the account is inactivated, or the server is unwilling"),
];

/// Error numbers of Active Directory and Samba: hexadecimal Windows error codes, which the
/// diagnostic message of result 49 contains in the form `data 52e`.
const REASONS: [(&str, &str); 12] = [
    ("525", "the user does not exist"),
    ("52e", "name or password is wrong"),
    ("52f", "the account is restricted"),
    ("530", "the account may not log in at this time"),
    ("531", "the account may not log in from this computer"),
    ("532", "the password has expired"),
    ("533", "the account is disabled"),
    ("534", "the account may not log in in this way"),
    ("568", "the account is in too many groups"),
    ("701", "the account has expired"),
    ("773", "the password must be changed before the first login"),
    ("775", "the account is locked"),
];

impl BindRejection {
    /// Returns whether the result code means that the server rejects the name or the password.
    #[must_use]
    pub fn is_rejection(code: u32) -> bool {
        REJECTIONS.iter().any(|(rejection, _)| *rejection == code)
    }

    /// Returns the meaning of the code and the diagnostic message.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        let by_text = reason_code(&self.text).and_then(|reason| {
            REASONS.iter().find(|(code, _)| code.eq_ignore_ascii_case(reason)).map(|(_, meaning)| *meaning)
        });
        let by_code = || REJECTIONS.iter().find(|(code, _)| *code == self.code).map(|(_, meaning)| *meaning);
        by_text.or_else(by_code).unwrap_or("name or password is wrong")
    }

    /// Returns whether a retry with another password can succeed.
    #[must_use]
    pub fn is_about_password(&self) -> bool {
        matches!(self.code, 48 | 49)
            && reason_code(&self.text).is_none_or(|reason| matches!(reason, "525" | "52e" | "52E"))
    }
}

/// Returns the hexadecimal number after `data`.
fn reason_code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(" data ").or_else(|| text.split_once(",data "))?;
    let end = rest.find(|character: char| !character.is_ascii_hexdigit()).unwrap_or(rest.len());
    rest.get(..end).filter(|code| !code.is_empty())
}

impl fmt::Display for BindRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the LDAP server rejects the bind")?;
        if !self.name.is_empty() {
            write!(f, " as {}", quote(&self.name))?;
        }
        write!(f, ": {} (result code {}", self.meaning(), self.code)?;
        if !self.text.is_empty() {
            write!(f, ", {}", quote(self.text.trim_end_matches('\0')))?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(code: u32, text: &str) -> BindRejection {
        BindRejection { name: "cn=x".to_owned(), code, text: text.to_owned() }
    }

    #[test]
    fn active_directory_reason_is_printed_with_its_meaning() {
        let text = |data: &str| {
            format!(
                "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {data}, v2580"
            )
        };
        for (data, meaning) in [
            ("52e", "name or password is wrong"),
            ("52E", "name or password is wrong"),
            ("532", "the password has expired"),
            ("533", "the account is disabled"),
            ("701", "the account has expired"),
            ("773", "the password must be changed before the first login"),
            ("775", "the account is locked"),
        ] {
            let seen = rejection(49, &text(data));
            assert_eq!(seen.meaning(), meaning, "{data}");
            assert_eq!(seen.is_about_password(), meaning.starts_with("name"), "{data}");
            assert!(seen.to_string().contains(&format!("data {data}, v2580")), "{seen}");
        }
        for unknown in ["", "data", "data xyz", " data ", "AcceptSecurityContext error, data 999"] {
            assert_eq!(rejection(49, unknown).meaning(), "name or password is wrong", "{unknown}");
        }
    }

    #[test]
    fn result_code_decides_where_the_text_has_no_reason() {
        let locked = rejection(19, "Exceed password retry limit. Please try later.");
        assert_eq!(
            locked.to_string(),
            "the LDAP server rejects the bind as 'cn=x': the account is locked, or a password policy is \
             violated (result code 19, 'Exceed password retry limit. Please try later.')"
        );
        for code in [19, 32, 48, 49, 50, 53] {
            assert!(BindRejection::is_rejection(code), "{code}");
        }
        for code in [0, 1, 8, 13, 34, 51, 52, 80] {
            assert!(!BindRejection::is_rejection(code), "{code}");
        }
    }
}
