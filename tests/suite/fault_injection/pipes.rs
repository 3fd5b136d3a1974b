//! Output without a reader.

use std::io::Read as _;
use std::process::{Command, Stdio};

use super::*;
use crate::support::programs;

#[test]
fn closed_pipe_is_not_an_error() {
    let directory = fixture();
    // More than the capacity of a pipe.
    directory.sh("for i in $(seq 2000); do cat token.txt; done > tokens.txt").ended(0);
    directory.sh("cc-user import more.csv -q").ended(0);
    // If no byte of a key or a token was read, the program must report it.
    let must_arrive = |verb: &str| {
        !verb.contains("--help")
            && (verb.contains("-keypair") || verb.contains("-pubkey") || verb == "cc-login token")
    };
    let verbs = [
        "cc-user list",
        "cc-user list --json",
        "cc-user list --names",
        "cc-user export -o - --format csv",
        "cc-user export -o - --format jsonl",
        "cc-user show fritz --json",
        "cc-user --help",
        "cc-user import --help",
        "cc-jwt issue --all --json",
        "cc-jwt issue fritz",
        "cc-jwt inspect --token-file token.txt",
        "cc-jwt verify --token-file token.txt --json",
        "cc-jwt verify --stream --token-file tokens.txt",
        "cc-jwt verify --stream --json --token-file tokens.txt",
        "cc-jwt jwks --server",
        "cc-jwt --help",
        "cc-jwt renew --spec r.yaml --force -o renewed --json",
        "cc-jwt spec new",
        "cc-login status",
        "cc-login status --json",
        "cc-login token",
        "cc-login --help",
        "cc-login --version",
        "gen-keypair",
        "gen-keypair -a rs256 -f jwk",
        "gen-keypair --json",
        "gen-keypair --help",
        "convert-pem-pubkey public.pem",
        "convert-pem-pubkey public.pem --to jwk",
        "convert-pem-pubkey --help",
    ];
    let mut runs = 0;
    for verb in verbs {
        for bytes in [0, 1] {
            let mut words = verb.split(' ');
            let (reader, writer) = std::io::pipe().unwrap();
            // With 0 bytes, there is no reader from the start.
            let reader = Some(reader).filter(|_| bytes > 0);
            let child = Command::new(programs().join(words.next().unwrap()))
                .args(words)
                .current_dir(directory.path())
                .env_clear()
                .env("HOME", directory.file(".home"))
                .stdin(Stdio::null())
                .stdout(writer)
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            if let Some(mut reader) = reader {
                reader.read_exact(&mut vec![0; bytes]).unwrap();
            }
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            let about = format!("{verb} after {bytes} bytes: {:?} {stderr}", output.status);
            assert_output_is_clean(&stderr, &about);
            if must_arrive(verb) && bytes == 0 {
                assert_eq!(output.status.code(), Some(74), "{about}");
                assert!(stderr.contains("closed by its reader"), "{about}");
            } else {
                assert_eq!(output.status.code(), Some(0), "{about}");
            }
            assert!(!stderr.to_lowercase().contains("broken pipe"), "{about}");
            runs += 1;
        }
    }
    // A missing reader of standard error is not an error either.
    for (verb, status) in [
        ("cc-user list -vv", "0"),
        ("cc-user show unknown", "1"),
        ("cc-jwt verify rubbish", "65"),
        ("gen-keypair --nonsense", "2"),
    ] {
        directory.sh(&format!("{{ {verb}; echo $? > status; }} 2>&1 >/dev/null | true"));
        assert_eq!(directory.read("status").trim(), status, "{verb}");
        runs += 1;
    }
    report(&format!("broken pipes: {runs} runs, all quiet"));
}

#[test]
fn full_device_is_reported() {
    let directory = fixture();
    let mut runs = 0;
    for verb in VERBS {
        let run = directory.sh(&format!("{verb} > /dev/full"));
        assert_output_is_clean(&run.stderr, verb);
        if run.status == 74 {
            assert!(run.stderr.contains("no space left on device"), "{verb}: {}", run.stderr);
            runs += 1;
        }
    }
    assert!(runs >= 8, "{runs}");
    let broken = directory.sh("cc-user show unknown 2> /dev/full").ended(1);
    assert_eq!(broken.stdout, "");
    report(&format!(
        "/dev/full: {runs} of {} verbs print something, all report that it is full",
        VERBS.len()
    ));
}
