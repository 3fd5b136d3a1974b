//! Normalization of LDAP filters: variants that other tools accept are converted to the RFC 4515
//! form.
//!
//! ldapsearch accepts blanks between the components, and the LDAP library of the server accepts `!`
//! without parentheses. An outer pair of parentheses is often left out.

use super::error::LdapError;

/// Maximum nesting depth of a filter.
const DEPTH: usize = 50;

/// A filter in RFC 4515 form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    text: String,
    difference: Option<&'static str>,
}

impl Filter {
    /// Parses a filter.
    ///
    /// # Errors
    /// [`LdapError::InvalidFilter`] with the position of the error.
    pub fn parse(filter: &str) -> Result<Self, LdapError> {
        let wrong = |why: String| LdapError::InvalidFilter { filter: filter.to_owned(), why };
        let mut reader =
            Reader { text: filter, at: 0, out: String::with_capacity(filter.len() + 2), difference: None };
        reader.blanks();
        if reader.peek() == Some('(') {
            reader.filter(0).map_err(wrong)?;
            reader.blanks();
            if reader.at < filter.len() {
                return Err(wrong(reader.expected("the end")));
            }
        } else {
            reader.out.push('(');
            reader.bare(0).map_err(wrong)?;
            reader.out.push(')');
            reader.difference = Some("it has no outer parentheses");
        }
        let Reader { out: text, difference, .. } = reader;
        if ldap3::parse_filter(&text).is_err() {
            return Err(wrong("expected an attribute, a comparison and a value, such as (uid=*)".to_owned()));
        }
        Ok(Self { text, difference })
    }

    /// Returns the filter in RFC 4515 form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns why the LDAP library of the server rejects the filter as configured; `None` if it
    /// accepts it.
    #[must_use]
    pub const fn difference(&self) -> Option<&'static str> {
        self.difference
    }
}

struct Reader<'text> {
    text: &'text str,
    at: usize,
    out: String,
    difference: Option<&'static str>,
}

impl<'text> Reader<'text> {
    fn rest(&self) -> &'text str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Skips blanks and returns whether there were any.
    fn blanks(&mut self) -> bool {
        let rest = self.rest();
        let skipped = rest.len() - rest.trim_start().len();
        self.at += skipped;
        skipped > 0
    }

    fn expected(&self, what: &str) -> String {
        let place = self.text.get(..self.at).unwrap_or_default().chars().count() + 1;
        match self.peek() {
            Some(found) => format!("expected {what} at character {place}, found '{found}'"),
            None => format!("expected {what} at its end"),
        }
    }

    /// Parses a filter in parentheses.
    fn filter(&mut self, depth: usize) -> Result<(), String> {
        if self.peek() != Some('(') {
            return Err(self.expected("'('"));
        }
        if depth > DEPTH {
            return Err(format!("expected at most {DEPTH} levels"));
        }
        self.step();
        self.between();
        self.bare(depth)?;
        self.between();
        if self.peek() != Some(')') {
            return Err(self.expected("')'"));
        }
        self.step();
        Ok(())
    }

    /// Parses a filter without its parentheses.
    fn bare(&mut self, depth: usize) -> Result<(), String> {
        match self.peek() {
            Some('&' | '|') => {
                self.step();
                self.between();
                while self.peek() == Some('(') {
                    self.filter(depth + 1)?;
                    self.between();
                }
                Ok(())
            }
            Some('!') => {
                self.step();
                self.between();
                if self.peek() == Some('(') {
                    return self.filter(depth + 1);
                }
                self.out.push('(');
                self.item()?;
                self.out.push(')');
                Ok(())
            }
            _ => self.item(),
        }
    }

    /// Parses a comparison up to the next parenthesis.
    fn item(&mut self) -> Result<(), String> {
        let rest = self.rest();
        let item = rest.get(..rest.find(['(', ')']).unwrap_or(rest.len())).unwrap_or_default();
        if item.trim().is_empty() {
            return Err(self.expected("an attribute"));
        }
        self.at += item.len();
        // Blanks are significant in the value, but not around the attribute.
        match item.split_once('=') {
            Some((attribute, value)) => {
                if attribute.trim() != attribute {
                    self.difference = Some("it has blanks between its parts");
                }
                self.out.push_str(attribute.trim());
                self.out.push('=');
                self.out.push_str(value);
                Ok(())
            }
            None => Err(self.expected("a comparison with '='")),
        }
    }

    fn step(&mut self) {
        if let Some(character) = self.peek() {
            self.out.push(character);
            self.at += character.len_utf8();
        }
    }

    /// Skips blanks between components.
    fn between(&mut self) {
        if self.blanks() {
            self.difference = Some("it has blanks between its parts");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (String, bool) {
        let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (filter.as_str().to_owned(), filter.difference().is_none())
    }

    #[test]
    fn filter_of_other_tools_is_brought_into_the_form_of_rfc_4515() {
        for (text, form, as_at_the_server) in [
            ("(uid=*)", "(uid=*)", true),
            ("(&(a=b)(|(c=d)(!(e=f))))", "(&(a=b)(|(c=d)(!(e=f))))", true),
            ("(&(a=b)(!c=d))", "(&(a=b)(!(c=d)))", true),
            ("uid=*", "(uid=*)", false),
            ("&(a=b)(c=d)", "(&(a=b)(c=d))", false),
            ("!a=b", "(!(a=b))", false),
            (" (a=b) ", "(a=b)", true),
            ("( & ( a=b ) \n (c=d) )", "(&(a=b )(c=d))", false),
            ("(& (a=b) (! (c=d)))", "(&(a=b)(!(c=d)))", false),
            ("(cn=Anna Beispiel)", "(cn=Anna Beispiel)", true),
            ("(cn=\\28x\\29)", "(cn=\\28x\\29)", true),
            (
                "(memberOf:1.2.840.113556.1.4.1941:=cn=x,dc=y)",
                "(memberOf:1.2.840.113556.1.4.1941:=cn=x,dc=y)",
                true,
            ),
            ("(a>=5)", "(a>=5)", true),
        ] {
            assert_eq!(read(text), (form.to_owned(), as_at_the_server), "{text}");
        }
    }

    #[test]
    fn filter_that_is_invalid_is_rejected_with_the_place() {
        for (text, why) in [
            ("(&(a=b)(c=d)", "expected ')' at its end"),
            ("(a=b))", "expected the end at character 6, found ')'"),
            ("(a=b)(c=d)", "expected the end at character 6, found '('"),
            ("(a=(b))", "expected ')' at character 4, found '('"),
            ("()", "expected an attribute at character 2, found ')'"),
            ("", "expected an attribute at its end"),
            ("((", "expected an attribute at character 2, found '('"),
            ("(uid)", "expected a comparison with '=' at character 5, found ')'"),
            ("(uid=\\zz)", "expected an attribute, a comparison and a value, such as (uid=*)"),
        ] {
            match Filter::parse(text) {
                Err(LdapError::InvalidFilter { why: seen, .. }) => assert_eq!(seen, why, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        let deep = format!("{}(a=b){}", "(!".repeat(200), ")".repeat(200));
        assert!(matches!(Filter::parse(&deep), Err(LdapError::InvalidFilter { .. })));
    }

    proptest! {
        #[test]
        fn filter_is_read_twice_to_the_same_form(text in "[(&|!) a=b*]{0,30}") {
            if let Ok(filter) = Filter::parse(&text) {
                let again = Filter::parse(filter.as_str()).unwrap();
                prop_assert_eq!(again.as_str(), filter.as_str());
                prop_assert!(again.difference().is_none());
            }
        }
    }
}
