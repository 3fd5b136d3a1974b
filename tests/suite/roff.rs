//! Text in the form that formatters of man pages expect. The tests of the operator use it too.

/// Text for roff: backslashes, hyphens and control characters at a line's start.
pub fn roff(text: &str) -> String {
    text.lines()
        .map(|line| {
            let line = line.replace('\\', "\\e").replace('-', "\\-");
            if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// What a strict reader of man pages complains about: blanks at line ends, lines of over 80
/// columns, a sentence that begins in the middle of a line.
pub fn tidy(text: &str) -> String {
    let mut out = String::new();
    let mut as_it_stands = false;
    for line in text.lines() {
        let line = line.trim_end();
        as_it_stands = (as_it_stands || line == ".nf") && line != ".fi";
        if line.is_empty() {
            continue;
        }
        if as_it_stands || line.starts_with('.') {
            out.push_str(line);
        } else {
            wrap(line, &mut out);
        }
        out.push('\n');
    }
    out
}

/// Breaks a text line at blanks, and after each sentence, as formatters want it. A line that
/// would begin with a control character is shielded.
fn wrap(line: &str, out: &mut String) {
    let mut column = 0;
    let mut ended = false;
    // A blank that must not be broken at is part of its word.
    for word in line.replace("\\ ", "\u{1}").split(' ') {
        let word = word.replace('\u{1}', "\\ ");
        if column > 0 && (ended || column + 1 + word.len() > 79) {
            out.push('\n');
            column = 0;
            if word.starts_with(['.', '\'']) {
                out.push_str("\\&");
            }
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        ended = word.ends_with(['.', '?', '!']) && !word.ends_with("...");
        out.push_str(&word);
        column += word.len();
    }
}
