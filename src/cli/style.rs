//! The styles of text on a terminal.

use anstyle::{AnsiColor, Color, Style};

/// Labels and headings.
pub(super) const HEADING: Style = Style::new().bold();
/// The title of a part of a report.
pub(super) const TITLE: Style = Style::new().bold().underline();
/// A check that passes, an added user.
pub(super) const PASS: Style = AnsiColor::Green.on_default();
/// The result of checks that all pass.
pub(super) const ACCEPTED: Style = AnsiColor::Green.on_default().bold();
/// A warning, a changed user.
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();
/// The heading of warnings.
pub(super) const WARNINGS: Style = AnsiColor::Yellow.on_default().bold();
/// An endpoint that rejects, a deleted user.
pub(super) const REJECTS: Style = AnsiColor::Red.on_default();
/// An error, a check that fails.
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// A note.
pub(super) const NOTE: Style = AnsiColor::Cyan.on_default();
/// A check that is skipped.
pub(super) const SKIPPED: Style = Style::new().dimmed();
/// A QR code, which scanners expect dark on light.
pub(super) const QR_CODE: Style =
    AnsiColor::Black.on_default().bg_color(Some(Color::Ansi(AnsiColor::BrightWhite)));

/// Returns text in a style, or unchanged without color.
#[must_use]
pub(super) fn paint(color: bool, style: Style, text: &str) -> String {
    if color { format!("{style}{text}{style:#}") } else { text.to_owned() }
}
