//! The check of the settings for Slurm, and of the answer.

use serde::Serialize;

use super::super::error::SyncError;
use crate::config::Settings;
use crate::slurm::{AdminLevel, SlurmOptions, SlurmSource};
use crate::util::environment::Environment;
use crate::util::note::Notes;

/// What the settings find in Slurm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SlurmCheckReport {
    /// The clusters in the output of sacctmgr, those that do not count included.
    pub clusters: Vec<String>,
    /// The accounts that are projects.
    pub projects: u64,
    /// The users with such an account, as members or coordinators.
    pub users: u64,
    /// The users who coordinate such an account.
    pub coordinators: u64,
    /// The operators of Slurm, administrators included.
    pub operators: u64,
}

/// Checks the section for Slurm, and reads the output of sacctmgr. Nothing is changed.
///
/// # Errors
/// Every error that was found.
pub fn check(
    settings: &Settings,
    options: &SlurmOptions,
    environment: &Environment,
    notes: &mut Notes,
) -> Result<SlurmCheckReport, Vec<SyncError>> {
    let several = |faults: Vec<_>| faults.into_iter().map(SyncError::Slurm).collect::<Vec<_>>();
    let source = SlurmSource::from_settings(settings, options, environment).map_err(several)?;
    check_source(&source, notes)
}

/// Reads the output of sacctmgr and checks the clusters.
///
/// # Errors
/// Every error that was found.
pub(in super::super) fn check_source(
    source: &SlurmSource,
    notes: &mut Notes,
) -> Result<SlurmCheckReport, Vec<SyncError>> {
    let one = |error| vec![SyncError::Slurm(error)];
    let accounting = source.read(notes).map_err(one)?;
    let rules = source.rules();
    let faults = accounting.unknown_clusters(&rules.clusters);
    if !faults.is_empty() {
        return Err(faults.into_iter().map(SyncError::Slurm).collect());
    }
    let projects = rules.projects(&accounting).map_err(one)?;
    let coordinates = |account: &String| projects.contains(account.as_str());
    let coordinators = accounting.users().filter(|user| user.coordinates.iter().any(coordinates)).count();
    if coordinators == 0 && !rules.member_projects {
        notes.warn(
            "slurm-no-coordinators",
            "no account of Slurm has a coordinator: no user becomes a manager ('sacctmgr add coordinator' adds one)",
        );
    }
    Ok(SlurmCheckReport {
        clusters: accounting.clusters().keys().cloned().collect(),
        projects: projects.len() as u64,
        users: rules.users(&accounting).map_err(one)?.len() as u64,
        coordinators: coordinators as u64,
        operators: accounting.users().filter(|user| user.level >= AdminLevel::Operator).count() as u64,
    })
}
