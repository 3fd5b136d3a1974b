//! Many tokens, one a line: judged by all cores, answered in the order they came, in memory that
//! does not grow with their number.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use clap::Args;

use super::source::{TokenOptions, TokenSourceError};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::progress::Progress;
use crate::token::MAX_BYTES;
use crate::util::diagnostic::{Diagnostic, ExitStatus};
use crate::util::file::{FileError, reason};
use crate::util::kind::Kind;

/// The most that is kept of a line, in bytes: more than any token with a `Bearer ` before it.
const LINE_LIMIT: usize = MAX_BYTES + 64;

/// Lines and bytes after which a chunk goes to a worker.
const CHUNK_LINES: usize = 512;
const CHUNK_BYTES: usize = 256 << 10;

/// Chunks that wait for each worker at most.
const WAITING: usize = 2;

/// The system has no thread left to read or judge with.
#[derive(Debug, thiserror::Error)]
#[error("no thread can be had to judge tokens with: {}", reason(.0))]
struct NoThread(io::Error);

impl Diagnostic for NoThread {
    fn kind(&self) -> Kind {
        Kind::ThreadUnavailable
    }
}

/// How a stream is judged.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Many tokens")]
pub(super) struct StreamOptions {
    /// Take a token from each line of standard input, or of --token-file, and answer each with a
    /// line
    #[arg(long)]
    pub(super) stream: bool,

    /// Use N threads [default: one a core]
    #[arg(short = 'j', long, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=512))]
    jobs: Option<u16>,
}

impl StreamOptions {
    /// A token among the arguments and many from elsewhere make no sense together.
    pub(super) fn refuse_argument(&self, token: &TokenOptions) -> Result<(), Failure> {
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

/// A line of the stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Its number, counted from 1.
    pub(super) number: u64,
    /// Its text; why there is none otherwise.
    pub(super) text: Result<&'a str, &'static str>,
}

/// Some lines on their way.
#[derive(Default)]
struct Chunk {
    first: u64,
    bytes: Vec<u8>,
    /// Where each line ends, and whether it was cut.
    ends: Vec<(usize, bool)>,
}

impl Chunk {
    fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(end, _)| *end));
        (self.first..).zip(starts.zip(&self.ends)).map(|(number, (start, (end, cut)))| {
            let bytes = self.bytes.get(start..*end).unwrap_or_default();
            let text = match std::str::from_utf8(bytes) {
                _ if *cut => Err("the line is longer than any token"),
                Ok(text) => Ok(text),
                Err(_) => Err("the line is not UTF-8"),
            };
            Line { number, text }
        })
    }
}

/// The answers to a chunk.
struct Answers {
    bytes: Vec<u8>,
    lines: u64,
    good: u64,
}

/// Judges a stream: `worker` makes the judge of each thread, which writes its answer and says
/// whether the token is good. The exit status is 0 when all are.
pub(super) fn run<W>(
    options: &StreamOptions,
    file: Option<&Path>,
    console: &mut Console,
    worker: impl Fn() -> Result<W, Failure>,
) -> Result<ExitStatus, Failure>
where
    W: FnMut(Line<'_>, &mut Vec<u8>) -> bool + Send,
{
    let threads = options.threads();
    let workers = (0..threads).map(|_| worker()).collect::<Result<Vec<W>, Failure>>()?;
    let chunks = read_from(file)?;
    let mut progress = Progress::new("tokens", console);
    let (mut count, mut good) = (0_u64, 0_u64);
    let failed = thread::scope(|scope| -> Result<Option<io::Error>, Failure> {
        let mut lanes: Vec<(SyncSender<Chunk>, Receiver<Answers>)> = Vec::with_capacity(threads);
        for judge in workers {
            let (to_worker, jobs) = sync_channel::<Chunk>(WAITING);
            let (answers, from_worker) = sync_channel::<Answers>(WAITING);
            match thread::Builder::new().spawn_scoped(scope, move || work(judge, &jobs, &answers)) {
                Ok(_) => lanes.push((to_worker, from_worker)),
                Err(error) if lanes.is_empty() => return Err(NoThread(error).into()),
                // Fewer do as well.
                Err(_) => break,
            }
        }
        let threads = lanes.len();
        // Chunks go round the workers and their answers are taken in the same order.
        let (mut sent, mut taken) = (0_usize, 0_usize);
        let mut failed = None;
        let mut over = false;
        while !(console.is_reader_gone() || over && sent == taken) {
            if !over && sent - taken < threads * WAITING {
                // While answers are due, input is not waited for.
                let next = if sent == taken {
                    console.flush()?;
                    chunks.recv().map_err(|_| TryRecvError::Disconnected)
                } else {
                    chunks.try_recv()
                };
                match next {
                    Ok(Ok(chunk)) => {
                        if lanes[sent % threads].0.send(chunk).is_err() {
                            over = true;
                        } else {
                            sent += 1;
                        }
                        continue;
                    }
                    Ok(Err(error)) => {
                        failed = Some(error);
                        over = true;
                        continue;
                    }
                    Err(TryRecvError::Disconnected) => {
                        over = true;
                        continue;
                    }
                    Err(TryRecvError::Empty) => {}
                }
            }
            let Ok(answers) = lanes[taken % threads].1.recv() else { break };
            taken += 1;
            count += answers.lines;
            good += answers.good;
            console.lines(&answers.bytes)?;
            progress.at(count);
        }
        Ok(failed)
    })?;
    drop(progress);
    console.flush()?;
    if let Some(error) = failed {
        return Err(TokenSourceError::Unreadable(error).into());
    }
    if count == 0 {
        return Err(TokenSourceError::NoLine.into());
    }
    if !console.is_json() {
        console.note(&summary(count, good));
    }
    Ok(if count == good { ExitStatus::Success } else { ExitStatus::Negative })
}

fn summary(count: u64, good: u64) -> String {
    match (count, count - good) {
        (1, 0) => "1 token, good".to_owned(),
        (1, _) => "1 token, not good".to_owned(),
        (_, 0) => format!("{count} tokens, all good"),
        (_, bad) => format!("{count} tokens, {bad} of them not good"),
    }
}

fn work<W>(mut judge: W, jobs: &Receiver<Chunk>, answers: &SyncSender<Answers>)
where
    W: FnMut(Line<'_>, &mut Vec<u8>) -> bool,
{
    for chunk in jobs {
        let mut out = Answers { bytes: Vec::with_capacity(chunk.ends.len() * 8), lines: 0, good: 0 };
        for line in chunk.lines() {
            out.lines += 1;
            out.good += u64::from(judge(line, &mut out.bytes));
        }
        if answers.send(out).is_err() {
            return;
        }
    }
}

/// Reads chunks in a thread of its own, so that answers do not wait for input.
fn read_from(file: Option<&Path>) -> Result<Receiver<io::Result<Chunk>>, Failure> {
    let input: Box<dyn Read + Send> = match file.filter(|path| *path != Path::new("-")) {
        None => Box::new(io::stdin()),
        Some(path) => Box::new(open(path)?),
    };
    let (sender, receiver) = sync_channel(WAITING);
    let read = move || {
        let mut reader = BufReader::with_capacity(CHUNK_BYTES, input);
        let mut first = 1;
        loop {
            let read = read_chunk(&mut reader, first);
            let is_last = match &read {
                Ok(chunk) if chunk.ends.is_empty() => return,
                Ok(chunk) => {
                    first += chunk.ends.len() as u64;
                    false
                }
                Err(_) => true,
            };
            if sender.send(read).is_err() || is_last {
                return;
            }
        }
    };
    thread::Builder::new().spawn(read).map_err(NoThread)?;
    Ok(receiver)
}

fn open(path: &Path) -> Result<File, FileError> {
    let owned = || PathBuf::from(path);
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing(owned()),
        _ => FileError::ReadFailed { path: owned(), source },
    })?;
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(FileError::Directory(owned())),
        _ => Ok(file),
    }
}

/// The next lines: a full chunk, or as many as there are without waiting for more.
fn read_chunk(reader: &mut BufReader<Box<dyn Read + Send>>, first: u64) -> io::Result<Chunk> {
    let mut chunk = Chunk { first, ..Chunk::default() };
    while chunk.ends.len() < CHUNK_LINES && chunk.bytes.len() < CHUNK_BYTES {
        if !chunk.ends.is_empty() && reader.buffer().is_empty() {
            break;
        }
        match read_line(reader, &mut chunk.bytes)? {
            None => break,
            Some(cut) => chunk.ends.push((chunk.bytes.len(), cut)),
        }
    }
    Ok(chunk)
}

/// Appends the next line without its end, no more than the limit; whether it was cut, `None` at
/// the end of the input.
fn read_line(reader: &mut impl BufRead, into: &mut Vec<u8>) -> io::Result<Option<bool>> {
    let start = into.len();
    let (mut any, mut cut) = (false, false);
    loop {
        let buffer = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if buffer.is_empty() {
            return Ok(any.then_some(cut));
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        let room = LINE_LIMIT - (into.len() - start);
        cut |= part.len() > room;
        into.extend_from_slice(&part[..part.len().min(room)]);
        let consumed = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(consumed);
        if end.is_some() {
            return Ok(Some(cut));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_beyond_the_limit_is_cut_and_the_next_one_is_whole() {
        let long = "x".repeat(3 * LINE_LIMIT);
        let text = format!("a\n{long}\r\nb\n\nlast");
        let mut reader = BufReader::with_capacity(7, text.as_bytes());
        let mut seen = Vec::new();
        let mut bytes = Vec::new();
        while let Some(cut) = read_line(&mut reader, &mut bytes).unwrap() {
            seen.push((bytes.len(), cut));
            bytes.clear();
        }
        assert_eq!(seen, [(1, false), (LINE_LIMIT, true), (1, false), (0, false), (4, false)]);
    }
}
