//! The lines of standard error, their times, and the log messages of `-v`.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::util::quote::{escape, escape_json};
use crate::util::redact::redact_forms;
use crate::util::time::Clock;

/// Whether each line starts with the time.
static STAMPED: AtomicBool = AtomicBool::new(false);

/// Starts every following line with the time, for long-running programs.
pub(super) fn stamp_lines() {
    STAMPED.store(true, Ordering::Relaxed);
}

/// Returns the prefix of a line.
pub(super) fn stamp() -> String {
    if STAMPED.load(Ordering::Relaxed) {
        format!("{} ", Clock::System.now().rfc3339())
    } else {
        String::new()
    }
}

/// Writes a line to standard error; errors are ignored because they cannot be reported.
pub(super) fn write_error_line(text: &str) {
    let stamp = if text.starts_with('{') { String::new() } else { stamp() };
    let _ = writeln!(io::stderr().lock(), "{stamp}{text}");
}

struct Log {
    tool: &'static str,
    json: bool,
    own: log::LevelFilter,
    others: log::LevelFilter,
}

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        let limit = if metadata.target().starts_with("cc_auth") { self.own } else { self.others };
        metadata.level() <= limit
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = record.args().to_string();
            let message = redact_forms(&text);
            if self.json {
                let level = record.level().as_str().to_ascii_lowercase();
                let object = json!({"log": {"level": level, "message": message}});
                write_error_line(&escape_json(&object.to_string()));
            } else {
                write_error_line(&format!("{}: {}", self.tool, escape(&message)));
            }
        }
    }

    fn flush(&self) {}
}

/// Starts logging. `-v` prints which files and services are used, `-vv` details. Of other libraries
/// only warnings are printed, because they log whole requests, including credentials.
pub(super) fn start_logging(tool: &'static str, verbosity: u8, json: bool) {
    let own = match verbosity {
        0 => log::LevelFilter::Off,
        1 => log::LevelFilter::Info,
        _ => log::LevelFilter::Debug,
    };
    let others = if verbosity > 1 { log::LevelFilter::Warn } else { log::LevelFilter::Off };
    if log::set_boxed_logger(Box::new(Log { tool, json, own, others })).is_ok() {
        log::set_max_level(own.max(others));
    }
}
