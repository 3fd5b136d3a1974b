//! The results of searches on their way from the relay to the search, beside the LDAP library.
//!
//! The library copies every value of an entry several times. A search for groups returns a million values, so
//! the relay passes the checked messages on as they are, and [`super::entry`] reads them without a copy.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::ber::{Elements, Malformed};
use super::error::LdapError;
use super::message::{ENTRY, INTEGER, OCTETS};

/// Size in bytes of a batch; a longer message is a batch of its own. Each batch wakes another thread.
pub(super) const BATCH: usize = 64 << 10;

/// The batches that wait for the search. The relay waits until there is space, so that a server cannot
/// exhaust the memory.
const QUEUE: usize = 1;

/// What the relay sends.
#[derive(Debug)]
pub(super) enum ResultBatch {
    /// Complete messages, one after another.
    Messages(Vec<u8>),
    /// The search has ended; the library has the message with its result.
    End,
}

/// The end of the relay.
pub(super) type ResultSender = SyncSender<ResultBatch>;

/// The end of the searches.
#[derive(Debug)]
pub(super) struct SearchResults(Receiver<ResultBatch>);

/// A result of a search (RFC 4511 4.5.2, 4.5.3).
#[derive(Debug)]
pub(super) enum SearchResult<'message> {
    /// The contents of a `SearchResultEntry`.
    Entry(&'message [u8]),
    /// The first URI of a `SearchResultReference`.
    Reference(&'message str),
}

/// Why the results of a search end early.
#[derive(Debug)]
pub(super) enum ResultsError {
    /// The server did not answer in time.
    Timeout,
    /// The relay has ended.
    Closed,
    /// The caller rejects a result.
    Rejected(LdapError),
}

/// Creates both ends.
pub(super) fn channel() -> (ResultSender, SearchResults) {
    let (sender, receiver) = sync_channel(QUEUE);
    (sender, SearchResults(receiver))
}

impl SearchResults {
    /// Calls `visit` with each result up to the end of the search. Waits up to `timeout` for each batch.
    ///
    /// # Errors
    /// [`ResultsError`].
    pub(super) fn for_each(
        &self,
        timeout: Duration,
        visit: &mut dyn FnMut(SearchResult<'_>) -> Result<(), LdapError>,
    ) -> Result<(), ResultsError> {
        loop {
            let batch = self.0.recv_timeout(timeout).map_err(|error| match error {
                RecvTimeoutError::Timeout => ResultsError::Timeout,
                RecvTimeoutError::Disconnected => ResultsError::Closed,
            })?;
            let ResultBatch::Messages(bytes) = batch else { return Ok(()) };
            let mut messages = Elements::new(&bytes);
            while let Some(message) = messages.next().map_err(rejected)? {
                let result = result_of(message.contents).map_err(rejected)?;
                visit(result).map_err(ResultsError::Rejected)?;
            }
        }
    }
}

fn rejected(Malformed: Malformed) -> ResultsError {
    ResultsError::Rejected(LdapError::Malformed("a message does not conform to RFC 4511"))
}

/// Reads the contents of a message that was checked.
fn result_of(contents: &[u8]) -> Result<SearchResult<'_>, Malformed> {
    let mut fields = Elements::new(contents);
    fields.expect(INTEGER)?;
    let operation = fields.next()?.ok_or(Malformed)?;
    if operation.tag == ENTRY {
        return Ok(SearchResult::Entry(operation.contents));
    }
    let uri = Elements::new(operation.contents).expect(OCTETS)?;
    std::str::from_utf8(uri).map(SearchResult::Reference).map_err(|_| Malformed)
}
