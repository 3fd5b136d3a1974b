//! Text that is wrapped at words under its column.

use unicode_width::UnicodeWidthStr as _;

/// The narrowest column in which text is wrapped. In a narrower one the terminal breaks the lines.
const MIN_COLUMN: usize = 20;

/// The programs whose commands are not broken, so that they can be pasted.
const PROGRAMS: [&str; 5] = ["cc-user", "cc-jwt", "cc-login", "gen-keypair", "convert-pem-pubkey"];

/// Splits text at spaces into lines that fit between the column `indent` and the width of the terminal;
/// the caller prints the first line after its label, and the others below it. A word that does not fit
/// is alone in its line. A command is not broken, except after `&&` and `;`.
#[must_use]
pub(super) fn wrap(text: &str, indent: usize, width: usize) -> Vec<String> {
    let space = width.saturating_sub(indent);
    if space < MIN_COLUMN || text.width() <= space {
        return vec![text.to_owned()];
    }
    let mut lines = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        if !line.is_empty() && line.width() + 1 + piece.width() > space {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(piece);
    }
    lines.push(line);
    lines
}

/// The words of a text; a command is one piece.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut in_command = false;
    for (at, word) in words(text) {
        in_command |= PROGRAMS.contains(&word);
        if in_command && (word == "&&" || word.ends_with([';', ','])) {
            in_command = false;
        }
        let end = at + word.len();
        if !in_command {
            pieces.push(&text[start..end]);
            start = end + 1;
        }
    }
    if let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        pieces.push(rest);
    }
    pieces
}

/// The words between single spaces, with their positions.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split(' ').map(move |word| {
        let start = at;
        at += word.len() + 1;
        (start, word)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_wraps_at_words() {
        let text = "expected the role api alone, or admin and api together, found [user]";
        assert_eq!(
            wrap(text, 10, 40),
            ["expected the role api alone,", "or admin and api together,", "found [user]"]
        );
        assert_eq!(wrap(text, 10, 200), [text]);
        assert_eq!(wrap(text, 70, 80), [text]);
    }

    #[test]
    fn command_is_not_broken() {
        let text = "for /userapi: cc-user role add lena api; then issue a new token: cc-jwt issue lena --ttl 24h && echo x";
        assert_eq!(
            wrap(text, 0, 30),
            [
                "for /userapi:",
                "cc-user role add lena api;",
                "then issue a new token:",
                "cc-jwt issue lena --ttl 24h &&",
                "echo x"
            ]
        );
    }

    proptest! {
        #[test]
        fn wrapped_lines_have_the_whole_text_and_fit(text in "([a-zü李]{1,9} ){0,20}[a-z]{0,9}", width in 20_usize..60) {
            let lines = wrap(&text, 0, width);
            prop_assert_eq!(lines.join(" "), text);
            prop_assert!(lines.iter().all(|line| line.width() <= width || !line.contains(' ')), "{:?}", lines);
        }
    }
}
