//! The environment of child processes such as a browser: only the variables they need, none of the
//! others, which include keys and passwords.

use std::process::Command;

use crate::util::environment::Environment;

/// Names of variables that child processes receive.
const NAMES: [&str; 33] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "ICEAUTHORITY",
    "DBUS_SESSION_BUS_ADDRESS",
    "SESSION_MANAGER",
    "DESKTOP_SESSION",
    "GNOME_DESKTOP_SESSION_ID",
    "KDE_FULL_SESSION",
    "KDE_SESSION_VERSION",
    "BROWSER",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "LD_LIBRARY_PATH",
];

/// Prefixes of variables that child processes receive: locale, desktop and browsers.
const PREFIXES: [&str; 8] = ["LC_", "XDG_", "GTK_", "GDK_", "QT_", "MOZ_", "WSL", "PULSE_"];

/// Restricts the environment of a command to the variables that child processes need.
pub(super) fn restrict(command: &mut Command, environment: &Environment) {
    command.env_clear();
    for (name, value) in environment.iter().filter(|(name, _)| is_needed(name)) {
        command.env(name, value);
    }
}

fn is_needed(name: &str) -> bool {
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restrict_passes_only_needed_variables() {
        let all = [
            "PATH",
            "LC_ALL",
            "XDG_RUNTIME_DIR",
            "DISPLAY",
            "SITE_SECRET",
            "OID_CLIENT_SECRET",
            "JWT_PRIVATE_KEY",
            "BEARER_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "MY_XDG_THING",
            "anything",
        ];
        let environment: Environment =
            all.map(|name| (name.to_owned(), "x".to_owned())).into_iter().collect();
        let mut command = Command::new("true");
        restrict(&mut command, &environment);
        let mut names: Vec<_> =
            command.get_envs().filter_map(|(name, value)| value.and_then(|_| name.to_str())).collect();
        names.sort_unstable();
        assert_eq!(names, ["DISPLAY", "LC_ALL", "PATH", "XDG_RUNTIME_DIR"]);
    }
}
