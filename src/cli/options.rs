//! Options that several programs share.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// Output options, the same in all five programs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputOptions {
    /// Print only the result and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Print which files and services are used; repeat for more detail
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Print the report, errors and warnings as JSON
    #[arg(long, global = true)]
    pub json: bool,

    /// Use color
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
}

/// The values of `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Also in files and pipes
    Always,
    /// Without color
    Never,
}

/// The locations of the settings, the same in all programs that use those of a server.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsOptions {
    /// Read the server's configuration from FILE [default: ./config.json if it exists]
    #[arg(short, long, global = true, value_name = "FILE", env = "CC_CONFIG", hide_env_values = true,
          value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// Read the server's environment file from FILE [default: ./.env if it exists]
    #[arg(long, global = true, value_name = "FILE", env = "CC_ENV_FILE", hide_env_values = true,
          value_hint = ValueHint::FilePath)]
    pub env_file: Option<PathBuf>,

    /// Use the server's SQLite database FILE [default: as configured, or ./var/job.db]
    #[arg(long, global = true, value_name = "FILE", env = "CC_DB", hide_env_values = true,
          value_hint = ValueHint::FilePath)]
    pub db: Option<PathBuf>,
}

/// The option for the time of the checks.
#[derive(Debug, Clone, Default, Args)]
pub struct AtOption {
    /// Use TIME as the current time: 2026-11-26, 2026-11-26 12:00, RFC 3339, or +1h and -2d from now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = None::<&str>)]
    pub at: Option<String>,
}

impl AtOption {
    /// Returns the clock for the checks.
    ///
    /// # Errors
    /// [`super::failure::UsageError`] for an invalid time.
    pub fn clock(&self) -> Result<crate::util::time::Clock, super::failure::UsageError> {
        use crate::util::time::Clock;
        match &self.at {
            None => Ok(Clock::System),
            Some(text) => super::quantity::time("--at", text, Clock::System.now()).map(Clock::Fixed),
        }
    }
}
