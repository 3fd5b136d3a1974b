//! Reports of `cc-jwt` on a terminal of 80 columns and 24 rows, and the progress of long commands.

use unicode_width::UnicodeWidthStr as _;

use crate::listing::on_a_terminal;
use crate::support::TestEnv;
use crate::sync_faults::fill;

/// Whether each line fits 80 columns; a command is not broken, so that it can be pasted.
fn assert_wrapped(lines: &[String]) {
    for line in lines {
        let is_command = line.contains("cc-user ") || line.contains("cc-jwt ");
        assert!(line.width() <= 80 || is_command, "{line}\nin {lines:#?}");
    }
}

#[test]
fn inspect_and_verify_of_an_ordinary_token_fit_a_terminal() {
    let directory = TestEnv::with_setup();
    directory.sh("chmod 600 token.txt; cc-user add anna --role admin --no-password -q").ended(0);
    directory.sh("cc-jwt issue anna -q --ttl 24h -o anna.txt").ended(0);
    for command in [
        "cc-jwt inspect --token-file token.txt",
        "cc-jwt inspect --token-file anna.txt",
        "cc-jwt verify --token-file token.txt",
        "cc-jwt verify --token-file token.txt --endpoint user-api",
        "cc-jwt verify --token-file anna.txt --endpoint api",
    ] {
        let lines = on_a_terminal(&directory, 80, &format!("{command} --color never"));
        // The prompt needs the last row.
        assert!(lines.len() < 24, "{} lines: {lines:#?}", lines.len());
        assert_wrapped(&lines);
    }
}

#[test]
fn verdict_and_hint_wrap_at_words_under_their_column() {
    let directory = TestEnv::with_setup();
    directory.sh("chmod 600 token.txt").ended(0);
    let command = "cc-jwt verify --token-file token.txt --endpoint api --color never";
    let lines = on_a_terminal(&directory, 60, command);
    let at = lines.iter().position(|line| line.starts_with("fail     roles")).unwrap();
    let column = lines[at].find("expected").unwrap();
    let indent = " ".repeat(column);
    assert!(lines[at + 1].starts_with(&indent), "{lines:#?}");
    assert!(lines[at + 1..].iter().any(|line| line.starts_with(&format!("{indent}hint:"))), "{lines:#?}");
    // Each line of the terminal is a part of the line in a pipe.
    let piped = directory.sh(command).stdout;
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(joined(&lines.join(" ")), joined(&piped));
    assert!(piped.lines().any(|line| line.width() > 80), "{piped}");
}

#[test]
fn import_export_and_issue_print_progress_on_a_terminal_only() {
    let directory = TestEnv::with_setup();
    fill(&directory, 0, 20_000);
    // A command that ends within a second prints nothing: the reader of the pipe lets these wait.
    let slowly = "| (sleep 1.5; cat > /dev/null)";
    let lines = "seq 200000 | sed 's/.*/{\"username\":\"w&\",\"roles\":[\"user\"]}/' > more.jsonl";
    for (command, what) in [
        (format!("cc-user export {slowly}"), "users"),
        (format!("cc-jwt issue --all {slowly}"), "tokens"),
        (format!("{lines}; cc-user import more.jsonl"), "lines"),
    ] {
        let seen = on_a_terminal(&directory, 120, &command).concat();
        assert!(seen.contains(&format!(" {what} (")) && seen.contains("a second)"), "{command}: {seen:?}");
    }
    for command in [
        format!("cc-user export -q {slowly}"),
        // Standard error is not a terminal.
        format!("cc-user export 2> errors {slowly}; cat errors"),
        // The result is on the same terminal.
        "cc-user export".to_owned(),
    ] {
        let seen = on_a_terminal(&directory, 120, &command).concat();
        assert!(!seen.contains("a second"), "{command}");
    }
}
