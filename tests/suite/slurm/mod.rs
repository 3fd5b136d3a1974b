//! Slurm accounting by a real slurmdbd.

mod accounting;
mod server;
mod sync;
