//! `--stream` of `cc-jwt verify` and `inspect`: one token a line.

use std::io::{self, Read};
use std::path::Path;
use std::thread;

use clap::Args;

use super::source::TokenOptions;
use crate::cli::console::{Console, StdoutError};
use crate::cli::failure::{Failure, UsageError};
use crate::cli::progress::Progress;
use crate::cli::quantity::whole_number;
use crate::util::diagnostic::ExitStatus;
use crate::verify::{Line, StreamOutput, StreamSummary, check_lines, open_lines};

/// Options for many tokens.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Many tokens")]
pub(super) struct StreamOptions {
    /// Read a token from each line of standard input, or of --token-file, and print a line for each
    #[arg(long)]
    pub(super) stream: bool,

    /// Use N threads [default: one for each core]
    #[arg(short = 'j', long, value_name = "N",
          value_parser = whole_number::<u16>(1..=512))]
    jobs: Option<u16>,
}

impl StreamOptions {
    /// Rejects a token argument beside a stream.
    pub(super) fn reject_argument(&self, token: &TokenOptions) -> Result<(), Failure> {
        if token.is_argument() {
            return Err(UsageError::new(
                "--stream reads tokens from standard input or --token-file, not from an argument",
            )
            .into());
        }
        Ok(())
    }

    fn threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.jobs.map_or_else(cores, usize::from)
    }
}

/// The console as the receiver of results.
struct ConsoleOutput<'a> {
    console: &'a mut Console,
    progress: Progress,
}

impl StreamOutput for ConsoleOutput<'_> {
    type Error = Failure;

    fn write(&mut self, results: &[u8], count: u64) -> Result<(), Failure> {
        self.console.lines(results)?;
        self.progress.at(count);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.console.flush().map_err(StdoutError::into)
    }

    fn is_closed(&self) -> bool {
        self.console.is_reader_gone()
    }
}

/// Checks each line of the file or of standard input. The exit status is 0 when all lines pass.
pub(super) fn check_stream<W>(
    options: &StreamOptions,
    file: Option<&Path>,
    console: &mut Console,
    worker: impl Fn() -> Result<W, Failure>,
) -> Result<ExitStatus, Failure>
where
    W: FnMut(Line<'_>, &mut Vec<u8>) -> bool + Send,
{
    let input: Box<dyn Read + Send> = match file.filter(|path| *path != Path::new("-")) {
        None => Box::new(io::stdin()),
        Some(path) => Box::new(open_lines(path)?),
    };
    let progress = Progress::new("tokens", console);
    let mut output = ConsoleOutput { console, progress };
    let summary = check_lines(input, options.threads(), &mut output, worker)?;
    drop(output);
    if !console.is_json() {
        console.note(&in_words(summary));
    }
    Ok(if summary.passed == summary.lines { ExitStatus::Success } else { ExitStatus::Negative })
}

fn in_words(StreamSummary { lines, passed }: StreamSummary) -> String {
    match (lines, lines - passed) {
        (1, 0) => "1 token, valid".to_owned(),
        (1, _) => "1 token, not valid".to_owned(),
        (_, 0) => format!("{lines} tokens, all valid"),
        (_, failed) => format!("{lines} tokens, {failed} not valid"),
    }
}
