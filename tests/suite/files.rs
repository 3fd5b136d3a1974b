//! File ownership and modes: which files are read and written, with which owner and mode, and by
//! which code.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use crate::support::{Run, TestEnv, data, has, has_root, programs};

/// The account that runs the programs, and another account.
const VICTIM: u32 = 61_001;
const MALLORY: u32 = 61_002;

fn mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn give(path: impl AsRef<Path>, user: u32) {
    lchown(path, Some(user), Some(user)).unwrap();
}

/// Changes the owner of everything below a path.
fn give_all(directory: &TestEnv, name: &str, user: u32) {
    directory.sh(&format!("chown -hR {user}:{user} {name}")).ended(0);
}

/// The directory of the programs, accessible to every account.
fn with_programs(directory: &TestEnv) {
    mode(directory.path(), 0o711);
    fs::create_dir(directory.file("bin")).unwrap();
    for name in ["gen-keypair", "convert-pem-pubkey", "cc-user", "cc-jwt", "cc-login"] {
        let (from, to) = (programs().join(name), directory.file("bin").join(name));
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// A shell command of another account, in a subdirectory.
fn run_as(directory: &TestEnv, user: u32, inside: &str, line: &str) -> Run {
    let bin = directory.file("bin");
    directory.sh(&format!(
        "cd {inside} && PATH={}:$PATH HOME=$PWD timeout 20 setpriv --reuid={user} --regid={user} --clear-groups sh -c '{line}'",
        bin.display()
    ))
}

/// Two accounts, and a directory of the victim with the files of a server.
fn has_two_accounts() -> Option<TestEnv> {
    if !has_root() || !has("setpriv") {
        return None;
    }
    let directory = TestEnv::new();
    with_programs(&directory);
    fs::create_dir(directory.file("server")).unwrap();
    directory.sh("cd server && cc-user init -q && cc-user add fritz --role api --no-password -q").ended(0);
    directory.sh("cd server && cc-jwt issue fritz -q -o token").ended(0);
    give_all(&directory, "server", VICTIM);
    Some(directory)
}

/// The code without unit tests and comments.
fn code(path: &Path) -> String {
    let code = crate::support::code_without_tests(path);
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn files_are_written_by_one_module_only() {
    const WORDS: [&str; 23] = [
        "fs::write",
        "File::create",
        "File::options",
        "OpenOptions",
        "fs::rename",
        "fs::copy",
        "hard_link",
        "set_permissions",
        "chown(",
        "create_dir(",
        "create_dir_all(",
        "DirBuilder",
        "symlinkat",
        "remove_file",
        "remove_dir",
        "tempfile",
        "renameat",
        "openat",
        "mkdirat",
        "unlinkat",
        "canonicalize",
        "set_len",
        "fs::open(",
    ];
    // These are not user files, or are only read.
    let allowed = [
        ("cli/prompt.rs", "OpenOptions", "the terminal"),
        ("token/bearer_discovery.rs", "fs::open(", "reads a token"),
        ("scan/walk.rs", "fs::open(", "reads files and directories without blocking"),
        ("renew/output.rs", "canonicalize", "a message"),
        ("login/session_key.rs", "canonicalize", "the directory of a session"),
        ("user_db/connect.rs", "canonicalize", "the name by which SQLite opens a database"),
        ("user_db/identity.rs", "canonicalize", "the name by which SQLite opens a database"),
    ];
    fn walk(directory: &Path, visit: &mut impl FnMut(&Path)) {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() { walk(&entry.path(), visit) } else { visit(&entry.path()) }
        }
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut files, mut used) = (Vec::new(), 0, 0);
    walk(&source, &mut |path| {
        let name = path.strip_prefix(&source).unwrap().to_string_lossy().into_owned();
        // The schemas of reports are only for tests.
        let is_checked = name.ends_with(".rs") && !name.starts_with("util/file/") && name != "cli/schema.rs";
        files += usize::from(is_checked);
        let code = if is_checked { code(path) } else { String::new() };
        for word in WORDS.into_iter().filter(|word| code.contains(word)) {
            let is_allowed = allowed.iter().any(|(file, what, _)| *file == name && *what == word);
            used += usize::from(is_allowed);
            if !is_allowed {
                found.push(format!("{name}: {word}"));
            }
        }
    });
    assert!(files > 150, "only {files} files read");
    assert_eq!(used, allowed.len(), "an exception is no longer needed");
    assert!(found.is_empty(), "these write files by themselves:\n{}", found.join("\n"));
}

/// Every command that writes a file; `{}` is the file.
const WRITES: [&str; 11] = [
    "gen-keypair -q -a es256 -f jwk -o {} --force",
    "gen-keypair -q --write --force --env-file {}",
    "convert-pem-pubkey -q --write --force --env-file {} public.pem",
    "cc-user export -q -o {} --force",
    "cc-user init -q --db {}",
    "cc-jwt issue fritz -q -o {} --force",
    "cc-jwt spec issue -q r.yaml -o {} --force",
    "cc-jwt renew -q --spec r.yaml --force -o {}",
    "cc-jwt spec new -q --issuer https://a.example --kid k -o {} --force",
    "cc-jwt scan -q token.txt --metrics-file {}",
    "cc-jwt jwks -q --spec r.yaml --force --out-dir {}",
];

fn site() -> TestEnv {
    let directory = TestEnv::with_setup();
    directory.write("r.yaml", fs::read(data("osdf-example.yaml")).unwrap());
    directory.sh("gen-keypair -q -f pem -o pair && cp pair/public.pem public.pem").ended(0);
    directory
}

#[test]
fn write_named_fifo_receives_nothing() {
    let directory = site();
    directory.sh("mkfifo pipe").ended(0);
    let nonblocking = 0o4000;
    let mut reader =
        fs::OpenOptions::new().read(true).custom_flags(nonblocking).open(directory.file("pipe")).unwrap();
    for write in WRITES {
        let run = directory.sh(&format!("timeout 20 {}; exit $?", write.replace("{}", "pipe")));
        assert!([66, 73, 78].contains(&run.status), "{write}: {} {}", run.status, run.stderr);
        let mut got = Vec::new();
        let _ = reader.read_to_end(&mut got);
        assert!(got.is_empty(), "{write}: {} bytes went into the FIFO", got.len());
    }
}

#[test]
fn write_symlink_of_another_account_is_not_followed() {
    if !has_root() {
        return;
    }
    let directory = site();
    directory.write("treasure", "mine\n");
    mode(directory.path(), 0o711);
    for (shared, owner) in [(0o1777, 0), (0o755, MALLORY), (0o775, 0)] {
        let inside = directory.file("inside");
        fs::create_dir(&inside).unwrap();
        mode(&inside, shared);
        give(&inside, owner);
        for write in WRITES {
            symlink(directory.file("treasure"), inside.join("link")).unwrap();
            give(inside.join("link"), owner);
            let run = directory.sh(&format!("{}; exit $?", write.replace("{}", "inside/link")));
            // An existing file cannot be replaced by a directory or a database.
            assert!(
                [66, 73, 77, 78].contains(&run.status),
                "{write} {shared:o}: {} {}",
                run.status,
                run.stderr
            );
            assert_eq!(directory.read("treasure"), "mine\n", "{write} {shared:o}");
            assert!(fs::symlink_metadata(inside.join("link")).unwrap().is_symlink(), "{write} {shared:o}");
            fs::remove_file(inside.join("link")).unwrap();
        }
        fs::remove_dir_all(&inside).unwrap();
    }
    // The caller's own symbolic link in an own directory is preserved, and its target is replaced.
    symlink("treasure", directory.file("link")).unwrap();
    directory.sh("cc-jwt issue fritz -q -o link --force").ended(0);
    assert!(fs::symlink_metadata(directory.file("link")).unwrap().is_symlink());
    assert!(directory.read("treasure").starts_with("eyJ"));
}

#[test]
fn write_hyphen_is_standard_output_in_every_program() {
    let directory = site();
    for (write, begin) in [
        ("gen-keypair -a es256 -f jwk -o -", "{"),
        ("cc-user export -o -", "username,"),
        ("cc-jwt issue fritz -o -", "eyJ"),
        ("cc-jwt spec issue r.yaml -o -", "eyJ"),
        ("cc-jwt spec new --issuer https://a.example --kid k -o -", "# A token"),
        ("cc-jwt issue fritz -o /dev/stdout", "eyJ"),
        ("cc-jwt issue fritz -o /dev/fd/1", "eyJ"),
        ("cc-user export -o /proc/self/fd/1", "username,"),
    ] {
        let run = directory.sh(&format!("{write} -q")).ended(0);
        assert!(run.stdout.starts_with(begin), "{write}: {}", run.stdout);
        // A file behind standard output is appended to, not replaced.
        directory.write("log", "before\n");
        directory.sh(&format!("{write} -q >> log")).ended(0);
        assert!(
            directory.read("log").starts_with(&format!("before\n{begin}")),
            "{write}: {}",
            directory.read("log")
        );
    }
    directory.sh("cc-jwt issue fritz -q -o /dev/fd/3 3> three").ended(0);
    assert!(directory.read("three").starts_with("eyJ"));
    assert!(!directory.file("-").exists());
}

/// All files and directories below a path, with their modes.
fn modes(directory: &Path) -> BTreeMap<PathBuf, u32> {
    fn walk(root: &Path, at: &Path, into: &mut BTreeMap<PathBuf, u32>) {
        for entry in fs::read_dir(at).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let found = fs::symlink_metadata(&path).unwrap();
            into.insert(path.strip_prefix(root).unwrap().to_owned(), found.mode() & 0o7777);
            if found.is_dir() {
                walk(root, &path, into);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(directory, directory, &mut found);
    found
}

#[test]
fn write_modes_do_not_depend_on_the_umask() {
    let after = |mask: &str| {
        let directory = TestEnv::new();
        mode(directory.file(".home"), 0o755);
        directory.write("r.yaml", fs::read(data("osdf-example.yaml")).unwrap());
        directory.write("pw", "a password\n");
        for name in ["r.yaml", "pw"] {
            mode(directory.file(name), 0o600);
        }
        for line in [
            "cc-user init -q",
            "cc-user add fritz --role user,api --password-file pw -q",
            "cc-user export -q -o users.csv",
            "gen-keypair -q -f pem -o a/b/pair",
            "gen-keypair -q --write --algorithm hs512",
            "gen-keypair -q --write --algorithm hs512 --force",
            "cc-jwt issue fritz -q -o token",
            "cc-jwt renew -q --spec r.yaml --out-dir c/tokens > /dev/null",
            "cc-jwt renew -q --spec r.yaml -o renewed --mode 0640 > /dev/null",
            "cc-jwt jwks -q --spec r.yaml --out-dir www > /dev/null",
            "cc-jwt spec new -q --issuer https://a.example --kid k -o new.yaml",
            "cc-login fritz --password-file pw --session work -q > /dev/null",
        ] {
            directory.sh(&format!("umask {mask} && {line}")).ended(0);
        }
        modes(directory.path())
    };
    let usual = after("022");
    let of = |name: &str| usual.get(Path::new(name)).map(|mode| format!("{mode:o}"));
    for (name, mode) in [
        (".env", "600"),
        (".env.old", "600"),
        ("config.json", "644"),
        ("var", "700"),
        ("var/job.db", "600"),
        ("users.csv", "600"),
        ("a", "700"),
        ("a/b/pair/private.pem", "600"),
        ("a/b/pair/public.pem", "644"),
        ("c/tokens/my-jwt", "600"),
        ("c/tokens/.my-jwt.lock", "600"),
        ("renewed", "640"),
        ("www", "755"),
        ("www/.well-known", "755"),
        ("www/.well-known/openid-configuration", "644"),
        (".home/.local/state/cc-auth", "700"),
        (".home/.local/state/cc-auth/sessions", "700"),
        (".home/.local/state/cc-auth/sessions/work.json", "600"),
        (".home/.local/state/cc-auth/attempts.json", "600"),
    ] {
        assert_eq!(of(name).as_deref(), Some(mode), "{name} in {usual:?}");
    }
    for mask in ["0", "077", "0777"] {
        assert_eq!(after(mask), usual, "umask {mask}");
    }
}

#[test]
fn env_file_writers_of_every_program_lose_no_line() {
    let directory = site();
    for round in 0..6 {
        directory
            .sh("rm -rf env link && mkdir env && ln -s env/.env link && echo 'OTHER=1' > env/.env")
            .ended(0);
        let through = if round % 2 == 0 { "link" } else { "env/.env" };
        let script = format!(
            "gen-keypair -q --write --env-file env/.env & \
             gen-keypair -q --write --algorithm hs512 --env-file {through} & \
             convert-pem-pubkey -q --write --env-file link public.pem & \
             cc-user init -q --env-file {through} & \
             gen-keypair -q --write --algorithm session --env-file env/.env & \
             wait"
        );
        let run = directory.sh(&script);
        let text = directory.read("env/.env");
        for name in [
            "OTHER",
            "JWT_PUBLIC_KEY",
            "JWT_PRIVATE_KEY",
            "CROSS_LOGIN_JWT_HS512_KEY",
            "CROSS_LOGIN_JWT_PUBLIC_KEY",
            "SESSION_KEY",
        ] {
            let lines = text.lines().filter(|line| line.starts_with(&format!("{name}="))).count();
            assert_eq!(lines, 1, "round {round}: {name} in\n{text}\n{}", run.stderr);
        }
        assert!(fs::symlink_metadata(directory.file("link")).unwrap().is_symlink());
    }
}

/// Commands that use default files: the file, the option that sets it, and the exit status.
const READERS: [(&str, &str, i32); 4] = [
    ("cc-jwt issue fritz", "--config ./config.json --env-file ./.env --db ./var/job.db", 0),
    (
        "cc-jwt verify --token-file token --endpoint api",
        "--config ./config.json --env-file ./.env --db ./var/job.db",
        0,
    ),
    ("cc-user list", "--db ./var/job.db", 0),
    (
        "cc-login fritz --password-file token --method local",
        "--config ./config.json --env-file ./.env --db ./var/job.db",
        1,
    ),
];

/// A change after which another account can change the file.
type Change<'a> = &'a dyn Fn(&Path);

#[test]
fn default_file_writable_by_another_account_is_not_used() {
    let Some(directory) = has_two_accounts() else { return };
    let run = |line: &str| run_as(&directory, VICTIM, "server", line);
    for (reader, _, status) in READERS {
        let found = run(reader);
        assert_eq!(found.status, status, "{reader}: {}", found.stderr);
    }
    let spoil: [(&str, Change<'_>); 5] = [
        ("of another account", &|path| give(path, MALLORY)),
        ("writable by a group", &|path| mode(path, 0o660)),
        ("writable by all", &|path| mode(path, 0o606)),
        ("a link of another account", &|path| {
            let real = path.with_extension("real");
            fs::rename(path, &real).unwrap();
            symlink(&real, path).unwrap();
            give(path, MALLORY);
        }),
        ("a FIFO", &|path| {
            fs::remove_file(path).unwrap();
            let fifo = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mkfifoat(rustix::fs::CWD, path, fifo).unwrap();
            give(path, VICTIM);
        }),
    ];
    for (name, option) in [("config.json", "--config"), (".env", "--env-file"), ("var/job.db", "--db")] {
        for (what, change) in &spoil {
            directory.sh("rm -rf saved && cp -a server saved").ended(0);
            change(&directory.file("server").join(name));
            for (reader, named, _) in READERS {
                let found = run(reader);
                assert_eq!(found.status, 77, "{name} {what}, {reader}: {}", found.stderr);
                assert!(found.stderr.contains(option), "{name} {what}, {reader}: {}", found.stderr);
                if !["a FIFO", "a link of another account"].contains(what) {
                    let found = run(&format!("{reader} {named}"));
                    assert_ne!(found.status, 77, "{name} {what}, {reader} {named}: {}", found.stderr);
                }
            }
            directory.sh("rm -rf server && mv saved server").ended(0);
        }
    }
    // A command that reads a variable.
    give(directory.file("server/.env"), MALLORY);
    let found = run("convert-pem-pubkey --from-env JWT_PUBLIC_KEY");
    assert_eq!(found.status, 77, "{}", found.stderr);
    assert!(found.stderr.contains("--env-file"), "{}", found.stderr);
    give(directory.file("server/.env"), VICTIM);
    let found = run("convert-pem-pubkey --from-env JWT_PUBLIC_KEY");
    assert_eq!(found.status, 0, "{}", found.stderr);
    // The owner of the directory can replace the files in it.
    for (user, bits) in [(MALLORY, 0o755), (VICTIM, 0o775), (VICTIM, 0o707)] {
        give(directory.file("server"), user);
        mode(directory.file("server"), bits);
        for (reader, ..) in READERS {
            let found = run(reader);
            assert_eq!(found.status, 77, "directory {bits:o} of {user}, {reader}: {}", found.stderr);
        }
    }
    // A sticky directory is safe for files, but not for a database, because its journal would be
    // used.
    give(directory.file("server"), 0);
    mode(directory.file("server"), 0o1777);
    let found = run("cc-user list");
    assert_eq!(found.status, 0, "{}", found.stderr);
    give(directory.file("server/var"), 0);
    mode(directory.file("server/var"), 0o1777);
    let found = run("cc-user list");
    assert_eq!(found.status, 77, "{}", found.stderr);
}

#[test]
fn default_file_of_the_server_is_used_by_root_only_with_an_option() {
    let Some(directory) = has_two_accounts() else { return };
    for (reader, named, status) in READERS {
        let run = directory.sh(&format!("cd server && {reader}; exit $?")).ended(77);
        assert!(run.stderr.contains(&format!("sudo -u '#{VICTIM}'")), "{reader}: {}", run.stderr);
        assert!(run.stderr.contains("--config ./config.json"), "{reader}: {}", run.stderr);
        let run = directory.sh(&format!("cd server && {reader} {named}; exit $?"));
        assert_eq!(run.status, status, "{reader}: {}", run.stderr);
        let run = run_as(&directory, VICTIM, "server", reader);
        assert_eq!(run.status, status, "{reader}: {}", run.stderr);
    }
}

#[test]
fn key_file_of_another_account_is_used_with_a_warning() {
    let Some(directory) = has_two_accounts() else { return };
    directory
        .sh("gen-keypair -q -a es256 -f pem -o server/keys && gen-keypair -q -a hs512 -f jwk -o server/jwk")
        .ended(0);
    directory.sh("gen-keypair -q -a es256 -f jwks -o server/set").ended(0);
    give_all(&directory, "server", VICTIM);
    let lines = [
        ("cc-jwt issue x --roles api --no-db --key keys/private.pem", "keys/private.pem"),
        ("cc-jwt verify --token-file token --key keys/public.pem", "keys/public.pem"),
        ("cc-jwt jwks keys/public.pem", "keys/public.pem"),
        ("cc-jwt verify --token-file token --jwks set", "set"),
        (
            "cc-jwt spec new --issuer https://a.example --kid k --key keys/private.pem -o s.yaml -q; cc-jwt spec issue s.yaml",
            "keys/private.pem",
        ),
    ];
    let warned = |line: &str, file: &str| {
        let run = run_as(&directory, VICTIM, "server", line);
        let about = ["belongs to another account", "can be exchanged by another account"];
        run.stderr.lines().any(|line| line.contains(file) && about.iter().any(|words| line.contains(words)))
    };
    for (line, file) in lines {
        assert!(!warned(line, file), "{line}: warned of an own file");
        let path = directory.file("server").join(file);
        give(&path, MALLORY);
        mode(&path, 0o644);
        assert!(warned(line, file), "{line}: no warning of a foreign file");
        give(&path, VICTIM);
        mode(&path, 0o600);
    }
    give(directory.file("server/keys"), MALLORY);
    mode(directory.file("server/keys"), 0o755);
    for (line, file) in lines.iter().filter(|(_, file)| file.starts_with("keys/")) {
        assert!(warned(line, file), "{line}: no warning of a foreign directory");
    }
}

#[test]
fn token_file_readable_by_others_is_used_with_a_warning() {
    let directory = TestEnv::with_setup();
    mode(directory.file("token.txt"), 0o644);
    for line in ["cc-jwt verify", "cc-jwt inspect"] {
        let run = directory.sh(&format!("{line} --token-file token.txt -q")).ended(0);
        let run =
            if run.stderr.is_empty() { directory.sh(&format!("{line} --token-file token.txt")) } else { run };
        assert!(run.stderr.contains("chmod 600 token.txt"), "{line}: {}", run.stderr);
    }
    mode(directory.file("token.txt"), 0o600);
    let run = directory.sh("cc-jwt verify --token-file token.txt").ended(0);
    assert!(!run.stderr.contains("chmod"), "{}", run.stderr);
}

#[test]
fn file_without_a_secret_causes_no_hint_to_change_its_mode() {
    let directory = TestEnv::with_setup();
    directory.write("public.txt", "root:x:0:0:root:/root:/bin/sh\n");
    mode(directory.file("public.txt"), 0o644);
    for line in [
        "gen-keypair --from public.txt",
        "cc-jwt issue fritz --key public.txt",
        "cc-jwt verify --token-file public.txt",
        "cc-jwt inspect --token-file public.txt",
        "cc-jwt verify --token-file token.txt --key public.txt",
        "convert-pem-pubkey public.txt",
    ] {
        let run = directory.sh(line).ended(65);
        assert!(!run.stderr.contains("chmod 600 public.txt"), "{line}: {}", run.stderr);
    }
}

#[test]
fn root_file_in_the_directory_of_an_account_belongs_to_that_account() {
    let Some(directory) = has_two_accounts() else { return };
    directory.write("r.yaml", fs::read(data("osdf-example.yaml")).unwrap());
    directory.sh("gen-keypair -q -f pem -o pair").ended(0);
    let owner = |name: &str| {
        let found = fs::metadata(directory.file(name)).unwrap();
        (found.uid(), found.gid(), format!("{:o}", found.mode() & 0o7777))
    };
    fs::create_dir(directory.file("new")).unwrap();
    give(directory.file("new"), VICTIM);
    directory
        .sh("cd new && cc-user init -q && cc-jwt renew --spec ../r.yaml -o token -q > /dev/null")
        .ended(0);
    directory.sh("cd new && gen-keypair -q -f pem -o keys").ended(0);
    for (name, bits) in [
        ("new/.env", "600"),
        ("new/config.json", "644"),
        ("new/var", "700"),
        ("new/var/job.db", "600"),
        ("new/token", "600"),
        ("new/.token.lock", "600"),
        ("new/keys", "700"),
        ("new/keys/private.pem", "600"),
    ] {
        assert_eq!(owner(name), (VICTIM, VICTIM, bits.to_owned()), "{name}");
    }
    // A replaced file keeps its owner, its group, and the group permissions.
    for name in ["new/.env", "new/token"] {
        chown(directory.file(name), Some(VICTIM), Some(MALLORY)).unwrap();
        mode(directory.file(name), 0o640);
    }
    directory.sh("cd new && gen-keypair -q --write --force && cc-jwt renew --spec ../r.yaml --force -o token -q >/dev/null").ended(0);
    for name in ["new/.env", "new/token", "new/.env.old"] {
        let (user, group, bits) = owner(name);
        assert_eq!(user, VICTIM, "{name}");
        if name != "new/.env.old" {
            assert_eq!((group, bits.as_str()), (MALLORY, "640"), "{name}");
        }
    }
    // Except where the account could have created the directory to receive a secret.
    fs::create_dir(directory.file("shared")).unwrap();
    mode(directory.file("shared"), 0o1777);
    fs::create_dir(directory.file("shared/trap")).unwrap();
    give(directory.file("shared/trap"), MALLORY);
    let run = directory.sh("gen-keypair -a es256 -f jwk -o shared/trap/key").ended(0);
    assert_eq!(owner("shared/trap/key").0, 0);
    assert!(run.stderr.contains("belongs to root"), "{}", run.stderr);
}

#[test]
fn root_session_in_the_home_of_an_account_is_rejected() {
    let Some(directory) = has_two_accounts() else { return };
    fs::create_dir(directory.file("home")).unwrap();
    give(directory.file("home"), VICTIM);
    directory.write("pw", "a password\n");
    mode(directory.file("pw"), 0o600);
    directory.sh("cc-user init -q && cc-user add anna --role api --password-file pw -q").ended(0);
    let run = directory.sh("HOME=$PWD/home cc-login anna --password-file pw").ended(77);
    assert!(run.stderr.contains("belongs to another account"), "{}", run.stderr);
    let left = modes(&directory.file("home"));
    assert!(!left.keys().any(|path| path.ends_with("session.json")), "{left:?}");
    directory.sh("cc-login anna --password-file pw").ended(0);
    give_all(&directory, ".home", VICTIM);
    directory.sh("cc-login status").ended(77);
}
