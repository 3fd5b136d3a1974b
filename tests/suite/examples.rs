//! Every example of every `--help` and man page is run, or at least parsed, as it stands; and a
//! hint that names a command names one that there is.

use std::fs;
use std::path::Path;

use cc_auth::cli::page::ExampleTest;

use crate::generated::TOOLS;
use crate::support::TestEnv;

/// The words of the commands of ours in a shell line, split as a shell splits them.
pub fn own_commands(line: &str) -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    // A command substitution, also in quotes, contains commands.
    let line =
        if line.contains("\"$(") { line.replace("\"$(", "$(").replace(")\"", ")") } else { line.to_owned() };
    let mut letters = line.replace("$(", " ; ").chars().collect::<Vec<_>>().into_iter().peekable();
    let end_word = |commands: &mut Vec<Vec<String>>, word: &mut Option<String>| {
        if let (Some(word), Some(last)) = (word.take(), commands.last_mut()) {
            last.push(word);
        }
    };
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                word.get_or_insert_default();
                quote = Some(letter);
            }
            (None, '\\') => match letters.next() {
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            (None, '|' | ';' | '&' | '\n' | ')' | '`') => {
                end_word(&mut commands, &mut word);
                commands.push(Vec::new());
            }
            (None, ' ' | '\t') => end_word(&mut commands, &mut word),
            (None, '>' | '<') => {
                // A file descriptor before it belongs to it, and so does the file after it.
                if word.as_ref().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) {
                    word = None;
                }
                end_word(&mut commands, &mut word);
                if let Some(last) = commands.last_mut() {
                    last.push("\0redirect".to_owned());
                }
            }
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    end_word(&mut commands, &mut word);
    commands
        .into_iter()
        .filter_map(|words| {
            let start = words.iter().position(|word| TOOLS.iter().any(|tool| tool.name == word))?;
            let mut kept = Vec::new();
            let mut words = words.into_iter().skip(start);
            while let Some(word) = words.next() {
                if word == "\0redirect" {
                    words.next();
                } else {
                    kept.push(word);
                }
            }
            Some(kept)
        })
        .collect()
}

/// Whether a command has the arguments that its program accepts.
pub fn parse(words: &[String]) -> Result<(), String> {
    let tool = TOOLS.iter().find(|tool| tool.name == words[0]).unwrap();
    match tool.decorated_command().try_get_matches_from(words) {
        Err(error) if error.use_stderr() => Err(format!("{}: {error}", words.join(" "))),
        _ => Ok(()),
    }
}

#[test]
fn examples_print_what_the_manual_shows() {
    let mut run = 0;
    let mut parsed = 0;
    let mut wrong = Vec::new();
    for tool in TOOLS {
        for page in tool.pages {
            for example in page.examples {
                let commands = own_commands(example.command);
                assert!(!commands.is_empty(), "no command of ours in {}", example.command);
                for words in &commands {
                    wrong.extend(parse(words).err());
                }
                match example.test {
                    ExampleTest::Parses => parsed += 1,
                    ExampleTest::Runs(status) => {
                        run += 1;
                        let directory = TestEnv::with_setup();
                        let seen = directory.sh(example.command);
                        if seen.status != i32::from(status) {
                            wrong.push(format!(
                                "$ {}\nended with {}: expected {status}\n{}{}",
                                example.command, seen.status, seen.stdout, seen.stderr
                            ));
                        }
                    }
                }
            }
        }
    }
    println!("examples: {run} run, {parsed} parsed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(run > 0);
}

#[test]
fn hints_name_existing_commands() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut seen = 0;
    for directory in fs::read_dir(cases).unwrap() {
        for case in fs::read_dir(directory.unwrap().path()).unwrap() {
            let path = case.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            for line in text.lines().filter(|line| line.contains("hint: ") && line.starts_with('!')) {
                let hint = line.split_once("hint: ").unwrap().1;
                let is_command = TOOLS.iter().any(|tool| hint.starts_with(&format!("{} ", tool.name)));
                if !is_command || hint.contains("[..]") {
                    continue;
                }
                for words in own_commands(hint) {
                    seen += 1;
                    // Names in capitals stand for what the person fills in.
                    let words: Vec<String> = words
                        .into_iter()
                        .map(|word| if word == "ROLE" { "user".to_owned() } else { word })
                        .collect();
                    parse(&words).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                }
            }
        }
    }
    println!("hints: {seen} commands parsed");
}

#[test]
fn shell_line_is_split_as_by_a_shell() {
    let words =
        own_commands("TOKEN=$(cc-jwt issue fritz -q 2>/dev/null) && echo 'a b' | cc-jwt inspect - > out");
    assert_eq!(words, [vec!["cc-jwt", "issue", "fritz", "-q"], vec!["cc-jwt", "inspect", "-"]]);
    let words = own_commands("eval \"$(cc-login token --export A)\"; cc-login status");
    assert_eq!(words, [vec!["cc-login", "token", "--export", "A"], vec!["cc-login", "status"]]);
}
