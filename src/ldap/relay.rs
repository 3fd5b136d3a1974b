//! The relay between a server and the LDAP library: a thread that forwards complete messages that
//! pass [`Conversation::check`].
//!
//! The library reads plain text from one end of a socket pair; the relay terminates TLS. The results of a
//! search do not go through the library ([`super::results`]). The relay buffers at most one incomplete message
//! and one batch of results, and reads more only after the library and the search have read what is checked,
//! so that a server cannot exhaust the memory.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_send_buffer_size;

use super::conversation::{Conversation, MessageAction};
use super::message::{self, MESSAGE_BYTES, MessageError, STREAM_BYTES};
use super::results::{self, BATCH, ResultBatch, ResultSender, SearchResults};
use super::transport::Transport;
use crate::util::quote::escape;

/// Size of a read in bytes. The buffer doubles while a long message is incomplete.
const PIECE: usize = 64 << 10;

/// Maximum delay of a batch of results.
const BATCH_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// Size in bytes of the send buffer of the socket to the library. The memory that the library uses
/// for queued messages is proportional to it.
const PAIR_BUFFER: usize = 32 << 10;

/// Why the relay ended before the library closed the connection.
#[derive(Debug, Clone)]
pub(super) enum RelayEnd {
    /// A message of the server was rejected.
    Rejected(MessageError),
    /// The connection failed, with the reason.
    Failed(String),
}

/// The shared result of the relay thread.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome(Arc<Mutex<Option<RelayEnd>>>);

impl Outcome {
    /// Returns the error that ended the relay, if any.
    pub(super) fn get(&self) -> Option<RelayEnd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, end: RelayEnd) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }
}

/// Starts the relay for a server, and returns the socket for the library and the results of searches.
///
/// # Errors
/// The error of the system if the sockets or the thread cannot be created.
pub(super) fn start(wire: Transport) -> io::Result<(UnixStream, SearchResults, Outcome)> {
    let (library, ours) = UnixStream::pair()?;
    // A failure is harmless: only the amount of queued data is larger.
    let _ = set_socket_send_buffer_size(&ours, PAIR_BUFFER);
    ours.set_nonblocking(true)?;
    let outcome = Outcome::default();
    let (sender, results) = results::channel();
    let relay = Relay {
        transport: wire,
        library: ours,
        results: sender,
        batch: Vec::new(),
        has_ended: false,
        conversation: Conversation::default(),
        inbound: vec![0; PIECE],
        filled: 0,
        checked: 0,
        sent: 0,
        is_idle: false,
        received: 0,
        outbound: Vec::new(),
        server_ended: false,
    };
    let reported = outcome.clone();
    std::thread::Builder::new().name("ldap-relay".to_owned()).spawn(move || relay.run(&reported))?;
    Ok((library, results, outcome))
}

struct Relay {
    transport: Transport,
    library: UnixStream,
    results: ResultSender,
    /// Results of a search that were not yet delivered, and whether the search ends after them.
    batch: Vec<u8>,
    has_ended: bool,
    conversation: Conversation,
    /// Bytes from the server: `..checked` is validated and ready for the library, `checked..filled`
    /// is the start of an incomplete message.
    inbound: Vec<u8>,
    checked: usize,
    filled: usize,
    /// The number of validated bytes that were sent to the library.
    sent: usize,
    /// Whether no further result arrived within the batch delay.
    is_idle: bool,
    /// The total number of bytes from the server.
    received: u64,
    /// Bytes from the library that were not yet sent to the server.
    outbound: Vec<u8>,
    server_ended: bool,
}

/// The result of a step of the relay loop.
#[derive(PartialEq, Eq)]
enum Step {
    Progress,
    Nothing,
    /// The library closed the connection.
    Finished,
}

impl Relay {
    fn run(mut self, outcome: &Outcome) {
        if let Err(end) = self.work() {
            log::debug!("the relay ends: {end:?}");
            outcome.set(end);
        }
        self.transport.close();
        // The library and the search see the end of the connection only now, after the outcome is set.
        drop((self.library, self.results));
    }

    fn work(&mut self) -> Result<(), RelayEnd> {
        loop {
            let steps = [
                self.read_server()?,
                self.deliver(),
                self.write_library()?,
                self.read_library()?,
                self.write_server()?,
            ];
            let is_empty = self.checked == 0 && self.batch.is_empty();
            if steps.contains(&Step::Finished) || (self.server_ended && is_empty) {
                return Ok(());
            }
            if !steps.contains(&Step::Progress) && self.wait()? == Step::Finished {
                return Ok(());
            }
        }
    }

    /// Returns whether the relay waits for more results before it delivers a batch.
    fn is_batching(&self) -> bool {
        self.batch.len() < BATCH && !self.has_ended && !self.is_idle && !self.server_ended
    }

    /// Delivers the results; this waits until the search has read an earlier batch.
    fn deliver(&mut self) -> Step {
        if (self.batch.is_empty() && !self.has_ended) || self.is_batching() {
            return Step::Nothing;
        }
        self.is_idle = false;
        let batch = std::mem::take(&mut self.batch);
        let has_ended = std::mem::take(&mut self.has_ended);
        let messages = (!batch.is_empty()).then_some(ResultBatch::Messages(batch));
        let mut sent = messages.into_iter().chain(has_ended.then_some(ResultBatch::End));
        match sent.try_for_each(|batch| self.results.send(batch)) {
            Ok(()) => Step::Progress,
            // The connection was closed.
            Err(_) => Step::Finished,
        }
    }

    /// Waits until a socket is ready.
    fn wait(&mut self) -> Result<Step, RelayEnd> {
        let either = |flags: PollFlags, condition, more| if condition { flags | more } else { flags };
        let gathers = !self.batch.is_empty();
        let reads = self.checked == 0 && !self.server_ended;
        let wire = either(PollFlags::empty(), reads, PollFlags::IN);
        let wire = either(wire, !self.outbound.is_empty() || self.transport.has_unsent(), PollFlags::OUT);
        let library = either(PollFlags::empty(), self.outbound.is_empty(), PollFlags::IN);
        let library = either(library, self.checked > 0, PollFlags::OUT);
        let mut sides =
            [PollFd::from_borrowed_fd(self.library.as_fd(), library), PollFd::new(&self.transport, wire)];
        // A socket without expected events is not polled: its hang-up would be reported repeatedly.
        let count = if wire.is_empty() { 1 } else { 2 };
        match poll(sides.get_mut(..count).unwrap_or_default(), gathers.then_some(&BATCH_TIME)) {
            Ok(0) => self.is_idle = true,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(&error.into())),
        }
        // Nothing is read from the library before the server has received the pending data, but a
        // hang-up is detected.
        let is_gone = sides.first().is_some_and(|side| side.revents().contains(PollFlags::HUP));
        Ok(if is_gone && !self.outbound.is_empty() { Step::Finished } else { Step::Nothing })
    }

    /// Reads from the server, unless validated bytes are still to be sent to the library.
    fn read_server(&mut self) -> Result<Step, RelayEnd> {
        if self.server_ended || self.checked > 0 {
            return Ok(Step::Nothing);
        }
        if self.filled == self.inbound.len() {
            self.inbound.resize((self.inbound.len() * 2).min(MESSAGE_BYTES + PIECE), 0);
        }
        let Some(space) = self.inbound.get_mut(self.filled..) else { return Ok(Step::Nothing) };
        match self.transport.read(space) {
            Ok(0) => {
                self.server_ended = true;
                Ok(Step::Progress)
            }
            Ok(count) => {
                self.filled += count;
                self.received += count as u64;
                if self.received > STREAM_BYTES {
                    return Err(RelayEnd::Rejected(MessageError::TooLarge("it has more than 1 GiB")));
                }
                self.check()?;
                Ok(Step::Progress)
            }
            Err(error) => ignore_would_block(&error).map(|()| Step::Nothing),
        }
    }

    /// Checks complete messages, and removes those that the library does not read.
    fn check(&mut self) -> Result<(), RelayEnd> {
        let mut from = self.checked;
        while let Some(rest) = self.inbound.get_mut(from..self.filled)
            && let Some(length) = message::length(rest).map_err(RelayEnd::Rejected)?
            && let Some(whole) = rest.get_mut(..length)
        {
            let action = self.conversation.check(whole).map_err(RelayEnd::Rejected)?;
            match action {
                MessageAction::Deliver => self.batch.extend_from_slice(whole),
                MessageAction::Forward | MessageAction::EndSearch => {
                    if from > self.checked {
                        self.inbound.copy_within(from..from + length, self.checked);
                    }
                    self.checked += length;
                    self.has_ended |= action == MessageAction::EndSearch;
                }
                MessageAction::Drop => {}
            }
            from += length;
        }
        if from > self.checked {
            self.inbound.copy_within(from..self.filled, self.checked);
            self.filled -= from - self.checked;
            self.release();
        }
        Ok(())
    }

    /// Releases the memory of a long message.
    fn release(&mut self) {
        if self.inbound.len() > PIECE && self.filled < PIECE {
            self.inbound.truncate(PIECE);
            self.inbound.shrink_to(PIECE);
        }
    }

    fn write_library(&mut self) -> Result<Step, RelayEnd> {
        let before = self.sent;
        while self.sent < self.checked {
            match self.library.write(self.inbound.get(self.sent..self.checked).unwrap_or_default()) {
                Ok(0) => return Ok(Step::Finished),
                Ok(count) => self.sent += count,
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    return Ok(Step::Finished);
                }
                Err(error) => {
                    ignore_would_block(&error)?;
                    break;
                }
            }
        }
        if self.sent == before {
            return Ok(Step::Nothing);
        }
        // The buffer is compacted once per batch: a long message is sent in many parts.
        if self.sent == self.checked {
            self.inbound.copy_within(self.checked..self.filled, 0);
            self.filled -= self.checked;
            (self.checked, self.sent) = (0, 0);
            self.release();
        }
        Ok(Step::Progress)
    }

    fn read_library(&mut self) -> Result<Step, RelayEnd> {
        if !self.outbound.is_empty() {
            return Ok(Step::Nothing);
        }
        let mut buffer = [0; 4096];
        match self.library.read(&mut buffer) {
            Ok(0) => Ok(Step::Finished),
            Ok(count) => {
                let sent = buffer.get(..count).unwrap_or_default();
                self.conversation.record_request(sent);
                self.outbound.extend_from_slice(sent);
                zeroize::Zeroize::zeroize(&mut buffer);
                Ok(Step::Progress)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Step::Finished),
            Err(error) => ignore_would_block(&error).map(|()| Step::Nothing),
        }
    }

    fn write_server(&mut self) -> Result<Step, RelayEnd> {
        let had_unsent = self.transport.has_unsent();
        let mut step = Step::Nothing;
        if !self.outbound.is_empty() {
            match self.transport.write(&self.outbound) {
                Ok(count) => {
                    let sent = self.outbound.get_mut(..count).unwrap_or_default();
                    // The sent bytes may contain a password.
                    zeroize::Zeroize::zeroize(sent);
                    self.outbound.drain(..count);
                    if count > 0 {
                        step = Step::Progress;
                    }
                }
                Err(error) => ignore_would_block(&error)?,
            }
        } else if had_unsent {
            self.transport.flush().map_err(|error| failed(&error))?;
            if !self.transport.has_unsent() {
                step = Step::Progress;
            }
        }
        Ok(step)
    }
}

/// Converts `WouldBlock` and `Interrupted` to success.
fn ignore_would_block(error: &io::Error) -> Result<(), RelayEnd> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(()),
        _ => Err(failed(error)),
    }
}

fn failed(error: &io::Error) -> RelayEnd {
    RelayEnd::Failed(escape(&error.to_string()))
}
