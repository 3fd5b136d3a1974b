//! Signals during the work: the program ends by the signal, as shells expect, or has succeeded; the
//! state is the old or the new one; echo is restored.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::prompts::spawn;
use crate::support::{copy_program, has, has_root, programs};

const SIGNALS: [(&str, i32); 4] = [("HUP", 1), ("INT", 2), ("QUIT", 3), ("TERM", 15)];

pub(super) fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args(["-s", name, &pid.to_string()]).stderr(Stdio::null()).status();
}

#[test]
fn signal_leaves_old_or_new_state() {
    let mut rng = Rng::new();
    let (mut runs, mut hit) = (0, 0);
    let verbs = [
        "cc-user import more.csv -q",
        "cc-user add newcomer --role user --password-file new-pw -q",
        "cc-jwt issue --all -o all.txt -q",
        "cc-jwt renew --spec r.yaml --force -o renewed -q",
        "gen-keypair --write --force -q",
        "cc-login fritz --password-file pw -q",
    ];
    for verb in verbs {
        let start = |directory: &TestEnv| {
            let mut words = verb.split(' ');
            Command::new(programs().join(words.next().unwrap()))
                .args(words)
                .current_dir(directory.path())
                .env_clear()
                .env("HOME", directory.file(".home"))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let directory = fixture();
        let began = Instant::now();
        start(&directory).wait().unwrap();
        let duration = began.elapsed();
        for (name, number) in SIGNALS {
            for _ in 0..count(3, 10) {
                let directory = fixture();
                let child = start(&directory);
                std::thread::sleep(duration.mul_f64(rng.part()));
                signal(child.id(), name);
                let output = child.wait_with_output().unwrap();
                let stderr = String::from_utf8_lossy(&output.stderr);
                let about = format!("{verb} with SIG{name}: {:?} {stderr}", output.status);
                let by_signal = output.status.signal() == Some(number);
                assert!(by_signal || output.status.success(), "{about}");
                assert_output_is_clean(&stderr, &about);
                assert_invariants(directory.path(), &about);
                assert!(!directory.file("core").exists(), "{about}");
                runs += 1;
                hit += usize::from(by_signal);
            }
        }
    }
    assert!(hit > runs / 4, "{hit} of {runs}");
    report(&format!("signals: {runs} runs, {hit} ended by theirs, all between the old state and the new"));
}

#[test]
fn signal_at_prompt_restores_terminal_echo() {
    let directory = fixture();
    let prompts = ["cc-user add anna --role admin", "cc-user passwd fritz", "cc-login fritz"];
    let mut runs = 0;
    for verb in prompts {
        for (name, number) in SIGNALS {
            let line = format!(
                "stty echo; trap : INT QUIT; HOME=$PWD/.home {verb} & echo pid $!.; fg >/dev/null; \
                 echo status $?.; stty -a"
            );
            // The prompt needs the terminal's foreground, which requires a shell with job control.
            let mut session = spawn(&directory, &format!("set -m; {line}"));
            let pid = session.exp_regex(r"pid [0-9]+\.").unwrap().1;
            session.exp_regex("assword[^:]*: ").unwrap();
            // Wait until echo is off; the test would otherwise prove nothing.
            let off = Instant::now();
            while off.elapsed() < Duration::from_millis(200) {
                std::thread::sleep(Duration::from_millis(20));
            }
            signal(pid.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap(), name);
            session.exp_string(&format!("status {}.", 128 + number)).unwrap();
            let settings = session.exp_eof().unwrap();
            assert!(settings.contains(" echo ") && !settings.contains("-echo "), "{verb} {name}: {settings}");
            runs += 1;
        }
    }
    assert_invariants(directory.path(), "afterwards");
    report(&format!("signals at a prompt: {runs} runs, echo back in all"));
}

#[test]
fn signal_ends_program_waiting_for_input() {
    let directory = fixture();
    let mut runs = 0;
    for verb in [
        "cc-jwt verify --stream --token-file -",
        "cc-user import -",
        "cc-jwt inspect -",
        "convert-pem-pubkey -",
    ] {
        for (name, number) in SIGNALS {
            let mut words = verb.split(' ');
            let mut child = Command::new(programs().join(words.next().unwrap()))
                .args(words)
                .current_dir(directory.path())
                .env_clear()
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let _open = child.stdin.take();
            std::thread::sleep(Duration::from_millis(60));
            signal(child.id(), name);
            assert_eq!(child.wait().unwrap().signal(), Some(number), "{verb} {name}");
            runs += 1;
        }
    }
    report(&format!("signals while input is waited for: {runs} runs, each ended by its own"));
}

/// Starts a program that waits and does not end by itself.
fn waiting(directory: &TestEnv, limits: &str, as_other: &str) -> std::process::Child {
    let program = directory.file("cc-jwt-copy");
    if !program.exists() {
        copy_program("cc-jwt", &program);
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let child = Command::new("sh")
        .args(["-c", &format!("{limits} exec {as_other} {} inspect -", program.display())])
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("JWT_PRIVATE_KEY", "secret-in-the-environment")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    // It has started and waits as soon as it is not dumpable.
    loop {
        let name = fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap_or_default();
        let asleep = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        if name.trim() == "cc-jwt-copy" && asleep.contains(") S ") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{name}");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    child
}

#[test]
fn crash_leaves_no_core_file() {
    let directory = TestEnv::new();
    let cores = |directory: &TestEnv| -> Vec<String> {
        let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| name.starts_with("core"))
            .collect()
    };
    let crashes = [("ABRT", 6), ("SEGV", 11), ("QUIT", 3), ("ILL", 4)];
    for (name, number) in crashes {
        let mut child = waiting(&directory, "ulimit -c unlimited;", "");
        // The runtime handles the first of these signals itself, to detect stack overflows.
        signal(child.id(), name);
        std::thread::sleep(Duration::from_millis(30));
        signal(child.id(), name);
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(number), "{name}");
        assert!(!status.core_dumped(), "{name}: the memory was dumped");
        assert_eq!(cores(&directory), Vec::<String>::new(), "{name}");
    }
    // Proof that the system would have written a core file.
    directory.sh("ulimit -c unlimited; sh -c 'kill -s SEGV $$'; true");
    let other = cores(&directory);
    report(&format!(
        "core files: {} crashes, none written ({} by a program that does nothing against it)",
        crashes.len(),
        other.len()
    ));
}

#[test]
fn process_memory_and_environment_are_unreadable_for_the_same_user() {
    let directory = TestEnv::new();
    if !has_root() || !has("setpriv") {
        return;
    }
    let other = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let mut child = waiting(&directory, "", other);
    for what in ["environ", "mem", "maps", "fd/0", "auxv"] {
        let look = directory.sh(&format!("{other} head -c 1 /proc/{}/{what}", child.id()));
        assert!(look.status != 0 && look.stdout.is_empty(), "{what} could be read");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The program can still open its own streams by name.
    directory.sh("cp \"$(command -v gen-keypair)\" copy").ended(0);
    for path in ["/dev/stdout", "/proc/self/fd/1"] {
        let run = directory.sh(&format!("{other} sh -c './copy -f jwk -o {path} --force -q | cat'"));
        assert!(run.stdout.contains("\"kty\""), "{path}: {}", run.stderr);
        let read =
            directory.sh(&format!("{other} sh -c 'echo x | ./cc-jwt-copy inspect --token-file /dev/stdin'"));
        assert_eq!(read.status, 65, "{}", read.stderr);
    }
    // Proof that another program's environment is readable.
    let open = directory.sh(&format!("{other} sh -c 'head -c 1 /proc/$$/environ'"));
    report(&format!(
        "memory and environment of a running program: closed to its own user (a shell's: {})",
        if open.status == 0 { "open" } else { "closed as well" }
    ));
}
