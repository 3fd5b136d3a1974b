//! Slurm accounting by a real slurmdbd.

mod accounting;
mod faults;
mod server;
mod sync;
mod sync_slurm;

pub use server::Slurm;
