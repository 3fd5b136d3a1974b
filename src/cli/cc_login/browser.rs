//! Getting a person to an address: a browser, or a QR code for another device.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use url::Url;

use crate::base::environment::Environment;
use crate::base::quote::quote;
use crate::cli::console::Console;
use crate::config::Variable;

/// How long a browser's command is watched for failing at once.
const WATCHED: Duration = Duration::from_millis(400);

/// Whether a browser can be shown here: a display, or a command in `BROWSER`.
pub(super) fn can_show(environment: &Environment) -> bool {
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].iter().any(|name| environment.non_empty(name).is_some());
    has_display || (cfg!(target_os = "macos") && environment.non_empty("SSH_CONNECTION").is_none())
}

/// Opens the address with this command, the one in `BROWSER`, or what the desktop has. That it
/// fails is told and is no fault: the address was shown.
pub(super) fn open(url: &Url, command: Option<&str>, console: &mut Console) {
    let from_environment = console.environment().non_empty("BROWSER").map(str::to_owned);
    // BROWSER is a list of commands; the first is the one that is wanted most.
    let from_environment =
        from_environment.and_then(|list| list.split(':').find(|one| !one.is_empty()).map(str::to_owned));
    let outcome = match command.map(str::to_owned).or(from_environment) {
        Some(command) => run(&command, url),
        None => with_desktop(url),
    };
    if let Err(why) = outcome {
        console.warn(&format!("{why}: open the address above by hand"));
    }
}

/// A command of the person's own, as a shell line; the address is put in the place of `%s`, or at
/// the end. It goes in as an argument of its own, so that nothing in it is obeyed.
fn run(command: &str, url: &Url) -> Result<(), String> {
    let line =
        if command.contains("%s") { command.replace("%s", "\"$1\"") } else { format!("{command} \"$1\"") };
    let mut shell = Command::new("sh");
    // Standard output is for the result; a browser in the terminal has standard error.
    shell.args(["-c", &line, "sh", url.as_str()]).stdout(Stdio::from(io::stderr()));
    let failed = |what: String| format!("the browser command {} {what}", quote(command));
    match begin(&mut shell) {
        Err(error) => Err(failed(format!("can't be run: {}", crate::base::file::reason(&error)))),
        Ok(Some(status)) if !status.success() => Err(failed(match status.code() {
            Some(127) => "is not found".to_owned(),
            Some(code) => format!("ended with status {code}"),
            None => "was killed".to_owned(),
        })),
        Ok(_) => Ok(()),
    }
}

/// The browser of the desktop: the first of the usual openers that is there and does not fail.
fn with_desktop(url: &Url) -> Result<(), String> {
    for mut opener in open::commands(url.as_str()) {
        opener.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C ends the login, not the browser.
        opener.process_group(0);
        if begin(&mut opener).is_ok_and(|status| status.is_none_or(|status| status.success())) {
            return Ok(());
        }
    }
    Err("no browser was found".to_owned())
}

/// Starts a command and watches it for a moment; its status if it has ended by then. Keys,
/// passwords and tokens in our environment are not passed on: a browser, and whatever it starts in
/// turn, has no business with them.
fn begin(command: &mut Command) -> io::Result<Option<ExitStatus>> {
    let secret = Variable::ALL.into_iter().filter(|variable| !variable.is_public()).map(Variable::name);
    for name in secret.chain(["BEARER_TOKEN"]) {
        command.env_remove(name);
    }
    let mut child = command.spawn()?;
    let begun = Instant::now();
    while begun.elapsed() < WATCHED {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Some(status)),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    Ok(None)
}

/// The address as a QR code for a terminal, a line each; nothing where it is too long for one.
/// Black on white whatever the terminal's own colours are, since not all telephones read the
/// other way round; without colour, for a dark terminal.
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
    image
        .lines()
        .map(|line| if color { format!("\x1b[30;107m{line}\x1b[0m") } else { line.to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_shown_where_there_is_a_display() {
        let environment = |names: &[&str]| -> Environment {
            names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect()
        };
        assert!(!can_show(&environment(&["TERM", "SSH_CONNECTION"])));
        for name in ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"] {
            assert!(can_show(&environment(&[name])), "{name}");
        }
    }

    #[test]
    fn an_address_becomes_a_square_code_and_one_that_is_too_long_becomes_none() {
        let url = Url::parse("https://idp.example/device?user_code=ABCD-EFGH").unwrap();
        let plain = qr_code(&url, false);
        assert!(
            plain.len() > 10 && plain.iter().all(|line| line.chars().count() == plain[0].chars().count())
        );
        assert!(qr_code(&url, true).iter().all(|line| line.starts_with("\x1b[30;107m")));
        let long = Url::parse(&format!("https://idp.example/{}", "x".repeat(5000))).unwrap();
        assert!(qr_code(&long, false).is_empty());
    }

    #[test]
    fn nothing_in_an_address_is_obeyed_by_the_shell() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let url = Url::parse("https://idp.example/?a=$(touch x)`id`;'&b=\"").unwrap();
        for command in
            [format!("printf %s >{} ", out.display()), "printf '%%s\\n' %s >/dev/null; false".to_owned()]
        {
            let _ = run(&command, &url);
        }
        assert!(!std::path::Path::new("x").exists());
        assert!(run("false", &url).unwrap_err().contains("ended with status 1"));
        assert!(run("no-such-browser-here", &url).unwrap_err().contains("is not found"));
        assert!(run("true", &url).is_ok());
    }
}
