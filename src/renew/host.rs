//! The surroundings of a watch: clocks, signals, events, and the reader of its files.

use std::time::Duration;

use super::job::RenewEvent;
use super::schedule::Instants;
use crate::util::kind::Kind;
use crate::util::note::Notes;

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchSignal {
    /// Read the resources again and renew all tokens.
    Renew,
    /// End.
    Stop,
}

/// An error of resources that were read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadError {
    /// Its kind.
    pub kind: Kind,
    /// Its message.
    pub message: String,
}

/// The surroundings of a [`Watch`](super::watch::Watch).
pub trait WatchHost {
    /// The jobs.
    type Job;

    /// Both clocks.
    fn instants(&self) -> Instants;

    /// Waits for a signal, no longer than the given time.
    fn wait(&mut self, longest: Duration) -> Option<WatchSignal>;

    /// A random number that spreads retries; it need not be secret.
    fn random(&mut self) -> u16;

    /// The jobs of the resource files, without those of standard input.
    ///
    /// # Errors
    /// All errors of the files; the jobs of before remain.
    fn reload(&mut self, notes: &mut Notes) -> Result<Vec<Self::Job>, Vec<ReloadError>>;

    /// Prints an event.
    fn event(&mut self, event: &RenewEvent);

    /// Prints notes and warnings.
    fn notes(&mut self, notes: Notes);

    /// Sends a state to the service manager (`sd_notify`).
    fn notify(&mut self, state: &str);
}
