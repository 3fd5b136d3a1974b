//! Verification of a stream with a token on each line, on all cores.
//!
//! Results have the order of the input, and memory use is constant.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use crate::token::MAX_BYTES;
use crate::util::diagnostic::diagnostics;
use crate::util::file::{FileError, reason};
use crate::util::kind::Kind;

/// The maximum length of a line in bytes: the longest token with `Bearer ` before it.
const LINE_LIMIT: usize = MAX_BYTES + 64;

/// The maximum number of lines and bytes of a chunk.
const CHUNK_LINES: usize = 512;
const CHUNK_BYTES: usize = 256 << 10;

/// The maximum number of queued chunks for each worker.
const WAITING: usize = 2;

/// Why a stream cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The input cannot be read to its end.
    #[error("cannot read the input: {}", reason(.0))]
    Unreadable(io::Error),
    /// The input is empty.
    #[error("the input has no line: expected a token on each line")]
    NoLine,
    /// The system cannot start another thread.
    #[error("cannot start a worker thread: {}", reason(.0))]
    NoThread(io::Error),
}

diagnostics! { StreamError:
    Self::Unreadable(_) => Kind::InputUnreadable;
    Self::NoLine => Kind::InputEmpty;
    Self::NoThread(_) => Kind::ThreadUnavailable;
}

/// A line of the stream.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The line number, counted from 1.
    pub number: u64,
    /// The text, or the reason why it is not valid text.
    pub text: Result<&'a str, &'static str>,
}

/// The number of checked lines and of those that passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamSummary {
    /// The number of lines.
    pub lines: u64,
    /// The number of lines that passed.
    pub passed: u64,
}

/// The receiver of the results.
pub trait StreamOutput {
    /// The error for results that cannot be written.
    type Error: From<StreamError>;

    /// Writes the results of `count` lines.
    ///
    /// # Errors
    /// Returns an error if the results cannot be written.
    fn write(&mut self, results: &[u8], count: u64) -> Result<(), Self::Error>;

    /// Flushes the output before the next input is read.
    ///
    /// # Errors
    /// Returns an error if the output cannot be flushed.
    fn flush(&mut self) -> Result<(), Self::Error>;

    /// Returns whether the reader of the results is gone, so that the check can stop.
    fn is_closed(&self) -> bool;
}

/// A chunk of lines.
#[derive(Default)]
struct Chunk {
    first: u64,
    bytes: Vec<u8>,
    /// The end of each line, and whether the line was truncated.
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

/// The results of a chunk.
struct Results {
    bytes: Vec<u8>,
    summary: StreamSummary,
}

/// Checks each line of the input with this number of threads.
///
/// `worker` creates the checker of each thread, which writes a result and returns whether the line
/// passes.
///
/// # Errors
/// [`StreamError`], and the errors of the output.
pub fn check_lines<W, O: StreamOutput>(
    input: Box<dyn Read + Send>,
    threads: usize,
    output: &mut O,
    worker: impl Fn() -> Result<W, O::Error>,
) -> Result<StreamSummary, O::Error>
where
    W: FnMut(Line<'_>, &mut Vec<u8>) -> bool + Send,
{
    let workers = (0..threads).map(|_| worker()).collect::<Result<Vec<W>, O::Error>>()?;
    let chunks = read_from(input)?;
    let mut total = StreamSummary::default();
    let failed = thread::scope(|scope| -> Result<Option<io::Error>, O::Error> {
        let mut lanes: Vec<(SyncSender<Chunk>, Receiver<Results>)> = Vec::with_capacity(threads);
        for check in workers {
            let (to_worker, jobs) = sync_channel::<Chunk>(WAITING);
            let (results, from_worker) = sync_channel::<Results>(WAITING);
            match thread::Builder::new().spawn_scoped(scope, move || work(check, &jobs, &results)) {
                Ok(_) => lanes.push((to_worker, from_worker)),
                Err(error) if lanes.is_empty() => return Err(StreamError::NoThread(error).into()),
                // Continue with the threads that started.
                Err(_) => break,
            }
        }
        let threads = lanes.len();
        // The workers receive chunks in turn, and their results are read in the same order.
        let (mut sent, mut received) = (0_usize, 0_usize);
        let mut failed = None;
        let mut is_over = false;
        while !(output.is_closed() || is_over && sent == received) {
            if !is_over && sent - received < threads * WAITING {
                // Block on input only if no result is pending.
                let next = if sent == received {
                    output.flush()?;
                    chunks.recv().map_err(|_| TryRecvError::Disconnected)
                } else {
                    chunks.try_recv()
                };
                match next {
                    Ok(Ok(chunk)) => {
                        if lanes[sent % threads].0.send(chunk).is_err() {
                            is_over = true;
                        } else {
                            sent += 1;
                        }
                        continue;
                    }
                    Ok(Err(error)) => {
                        failed = Some(error);
                        is_over = true;
                        continue;
                    }
                    Err(TryRecvError::Disconnected) => {
                        is_over = true;
                        continue;
                    }
                    Err(TryRecvError::Empty) => {}
                }
            }
            let Ok(results) = lanes[received % threads].1.recv() else { break };
            received += 1;
            total.lines += results.summary.lines;
            total.passed += results.summary.passed;
            output.write(&results.bytes, total.lines)?;
        }
        Ok(failed)
    })?;
    output.flush()?;
    if let Some(error) = failed {
        return Err(StreamError::Unreadable(error).into());
    }
    if total.lines == 0 {
        return Err(StreamError::NoLine.into());
    }
    Ok(total)
}

fn work<W>(mut check: W, jobs: &Receiver<Chunk>, results: &SyncSender<Results>)
where
    W: FnMut(Line<'_>, &mut Vec<u8>) -> bool,
{
    for chunk in jobs {
        let bytes = Vec::with_capacity(chunk.ends.len() * 8);
        let mut out = Results { bytes, summary: StreamSummary::default() };
        for line in chunk.lines() {
            out.summary.lines += 1;
            out.summary.passed += u64::from(check(line, &mut out.bytes));
        }
        if results.send(out).is_err() {
            return;
        }
    }
}

/// Reads chunks in a separate thread, so that results are written while the input blocks.
fn read_from(input: Box<dyn Read + Send>) -> Result<Receiver<io::Result<Chunk>>, StreamError> {
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
    thread::Builder::new().spawn(read).map_err(StreamError::NoThread)?;
    Ok(receiver)
}

/// Opens a file with a token on each line, or a named pipe.
///
/// # Errors
/// [`FileError::Missing`], [`FileError::ReadFailed`], [`FileError::Directory`].
pub fn open_lines(path: &Path) -> Result<File, FileError> {
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

/// Reads a full chunk, or the lines that are available without blocking.
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

/// Appends the next line without its line break, truncated to the limit. Returns whether it was
/// truncated, or `None` at the end of the input.
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
        let space = LINE_LIMIT - (into.len() - start);
        cut |= part.len() > space;
        into.extend_from_slice(&part[..part.len().min(space)]);
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
    fn line_beyond_the_limit_is_cut_and_the_next_one_is_whole() {
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
