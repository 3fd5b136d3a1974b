//! Opening a browser, and QR codes for other devices.

use std::io::{self, IsTerminal as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use url::Url;

use crate::cli::child;
use crate::cli::console::Console;
use crate::cli::style::{self, paint};
use crate::util::environment::Environment;
use crate::util::quote::quote;

/// The time to wait for an early failure of a browser command.
const START_TIME: Duration = Duration::from_millis(400);

/// Whether a browser can be opened: there is a display, or a command in `BROWSER`.
pub(super) fn can_show(environment: &Environment) -> bool {
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].iter().any(|name| environment.non_empty(name).is_some());
    has_display || (cfg!(target_os = "macos") && environment.non_empty("SSH_CONNECTION").is_none())
}

/// Returns the user IDs whose browsers may take part in a login, in addition to root: the user of
/// the process, the caller of sudo, and the owner of the terminal, who sees the URL (after `su`).
pub(super) fn accounts(environment: &Environment) -> Vec<u32> {
    let own = [rustix::process::geteuid().as_raw(), rustix::process::getuid().as_raw()];
    let by_sudo = environment.get("SUDO_UID").and_then(|uid| uid.parse().ok());
    let stderr = io::stderr();
    let terminal = stderr.is_terminal().then(|| rustix::fs::fstat(&stderr).ok()).flatten();
    own.into_iter().chain(by_sudo).chain(terminal.map(|metadata| metadata.st_uid)).collect()
}

/// Opens the URL with this command, a command of `BROWSER`, or the browser of the desktop. A
/// failure is only a warning, because the URL has been printed.
pub(super) fn open(url: &Url, command: Option<&str>, console: &mut Console) {
    let environment = console.environment().clone();
    let outcome = match (command, environment.non_empty("BROWSER")) {
        (Some(command), _) => run(command, url, &environment),
        (None, Some(list)) => run_first(list, url, &environment),
        (None, None) => with_desktop(url, &environment),
    };
    if let Err(why) = outcome {
        console.warn("browser-not-started", &format!("{why}: open the URL above yourself"));
    }
}

/// Runs the first command of a `BROWSER` list that does not fail immediately.
fn run_first(list: &str, url: &Url, environment: &Environment) -> Result<(), String> {
    if is_program(list) {
        return run(list, url, environment);
    }
    let mut failed = Vec::new();
    for command in list.split(':').filter(|command| !command.is_empty()) {
        match run(command, url, environment) {
            Ok(()) => return Ok(()),
            Err(why) => {
                log::info!("{why}");
                failed.push(why);
            }
        }
    }
    Err(if failed.is_empty() { "BROWSER contains no command".to_owned() } else { failed.join("; ") })
}

/// Whether the complete text is the path of a program, including spaces and colons.
fn is_program(text: &str) -> bool {
    text.contains('/') && Path::new(text).is_file()
}

/// Runs a command: the path of a program, or a shell line in which the URL replaces `%s` or is
/// appended. The URL is a separate argument, so the shell does not interpret it.
fn run(command: &str, url: &Url, environment: &Environment) -> Result<(), String> {
    let program = command.strip_suffix("%s").unwrap_or(command).trim();
    let mut child = if is_program(program) {
        let mut child = Command::new(program);
        child.arg(url.as_str());
        child
    } else {
        let line = if command.contains("%s") {
            command.replace("%s", "\"$1\"")
        } else {
            format!("{command} \"$1\"")
        };
        let mut child = Command::new("sh");
        child.args(["-c", &line, "sh", url.as_str()]);
        child
    };
    // Standard output is reserved for the report; a browser in the terminal uses standard error.
    child.stdout(Stdio::from(io::stderr()));
    let failed = |what: String| format!("the browser command {} {what}", quote(command));
    match begin(&mut child, environment) {
        Err(error) => Err(failed(format!("cannot start: {}", crate::util::file::reason(&error)))),
        Ok(Some(status)) if !status.success() => Err(failed(match status.code() {
            Some(127) => "is not found".to_owned(),
            Some(code) => format!("failed with status {code}"),
            None => "was killed".to_owned(),
        })),
        Ok(_) => Ok(()),
    }
}

/// Runs the first of the desktop's usual openers that does not fail.
fn with_desktop(url: &Url, environment: &Environment) -> Result<(), String> {
    for mut opener in open::commands(url.as_str()) {
        opener.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C ends the login but not the browser.
        opener.process_group(0);
        if begin(&mut opener, environment).is_ok_and(|status| status.is_none_or(|status| status.success())) {
            return Ok(());
        }
    }
    Err("no browser found".to_owned())
}

/// Starts a command with only the variables that a browser needs, and returns its status if it ends
/// within [`START_TIME`].
fn begin(command: &mut Command, environment: &Environment) -> io::Result<Option<ExitStatus>> {
    child::restrict(command, environment);
    let mut child = command.spawn()?;
    let begun = Instant::now();
    while begun.elapsed() < START_TIME {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Some(status)),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    Ok(None)
}

/// Returns the lines of a QR code for the terminal on standard error; empty without a terminal, or if
/// the code is larger than the terminal and no device could read it.
pub(super) fn qr_code_for_terminal(url: &Url, color: bool) -> Vec<String> {
    let stderr = io::stderr();
    if !stderr.is_terminal() {
        return Vec::new();
    }
    let lines = qr_code(url, color);
    // A terminal that does not report its size reports zero.
    let is_larger = |count: usize, limit: u16| limit > 0 && count > usize::from(limit);
    let is_too_large = rustix::termios::tcgetwinsize(&stderr).is_ok_and(|size| {
        // Two modules are above each other in a character, and none beside each other.
        is_larger(lines.len(), size.ws_row) || is_larger(lines.len() * 2, size.ws_col)
    });
    if is_too_large { Vec::new() } else { lines }
}

/// Returns the URL as lines of a QR code for a terminal, empty if it is too long. It is black on
/// white, because some phones cannot read inverted codes; without color, it is for a dark terminal.
pub(super) fn qr_code(url: &Url, color: bool) -> Vec<String> {
    use qrcode::render::unicode::Dense1x2;
    let Ok(code) = qrcode::QrCode::with_error_correction_level(url.as_str(), qrcode::EcLevel::L) else {
        return Vec::new();
    };
    let mut renderer = code.render::<Dense1x2>();
    if !color {
        renderer.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
    }
    let image = renderer.build();
    image.lines().map(|line| paint(color, style::QR_CODE, line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn can_show_requires_a_display_or_a_command() {
        let environment = |names: &[&str]| -> Environment {
            names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect()
        };
        assert!(!can_show(&environment(&["TERM", "SSH_CONNECTION"])));
        for name in ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"] {
            assert!(can_show(&environment(&[name])), "{name}");
        }
    }

    #[test]
    fn qr_code_is_square_and_empty_for_a_long_url() {
        let url = Url::parse("https://idp.example/device?user_code=ABCD-EFGH").unwrap();
        let plain = qr_code(&url, false);
        assert!(
            plain.len() > 10 && plain.iter().all(|line| line.chars().count() == plain[0].chars().count())
        );
        assert!(qr_code(&url, true).iter().all(|line| line.starts_with("\x1b[30m\x1b[107m")));
        let long = Url::parse(&format!("https://idp.example/{}", "x".repeat(5000))).unwrap();
        assert!(qr_code(&long, false).is_empty());
    }

    #[test]
    fn shell_does_not_interpret_the_url() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let url = Url::parse("https://idp.example/?a=$(touch x)`id`;'&b=\"").unwrap();
        let run = |command: &str| run(command, &url, &path());
        for command in
            [format!("printf %s >{} ", out.display()), "printf '%%s\\n' %s >/dev/null; false".to_owned()]
        {
            let _ = run(&command);
        }
        assert!(!Path::new("x").exists());
        assert!(run("false").unwrap_err().contains("failed with status 1"));
        assert!(run("no-such-browser-here").unwrap_err().contains("is not found"));
        assert!(run("true").is_ok());
    }

    fn path() -> Environment {
        [("PATH".to_owned(), std::env::var("PATH").unwrap())].into_iter().collect()
    }

    #[test]
    fn run_first_uses_the_first_command_that_works() {
        let directory = tempfile::tempdir().unwrap();
        let url = Url::parse("https://idp.example/").unwrap();
        let seen = |name: &str| std::fs::read_to_string(directory.path().join(name)).ok();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let list = format!("no-such-browser-here:false:printf %s >{}:touch {}", at("second"), at("third"));
        run_first(&list, &url, &path()).unwrap();
        assert_eq!((seen("second").as_deref(), seen("third")), (Some("https://idp.example/"), None));
        let error = run_first("no-such-browser-here:false", &url, &path()).unwrap_err();
        assert!(error.contains("is not found") && error.contains("failed with status 1"), "{error}");
        assert!(run_first(":", &url, &path()).unwrap_err().contains("contains no command"));
    }

    #[test]
    fn run_first_accepts_a_program_path_with_spaces() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let url = Url::parse("https://idp.example/").unwrap();
        let program = directory.path().join("My: Browser; x");
        std::fs::write(&program, "#!/bin/sh\nprintf %s \"$1\" > \"$0.seen\"\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let text = program.display().to_string();
        let seen = directory.path().join("My: Browser; x.seen");
        let with_place = format!("{text} %s");
        let attempts: [&dyn Fn() -> Result<(), String>; 3] =
            [&|| run_first(&text, &url, &path()), &|| run(&text, &url, &path()), &|| {
                run(&with_place, &url, &path())
            }];
        for attempt in attempts {
            attempt().unwrap();
            assert_eq!(std::fs::read_to_string(&seen).unwrap(), "https://idp.example/");
            std::fs::remove_file(&seen).unwrap();
        }
    }
}
