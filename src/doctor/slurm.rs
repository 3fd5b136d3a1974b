//! Slurm accounting.

use super::DoctorRequest;
use super::finding::{Area, Findings};
use crate::config::Settings;
use crate::slurm::{SlurmOptions, SlurmSource};
use crate::sync::slurm;
use crate::util::count::counted;
use crate::util::note::Notes;

/// Checks the section for Slurm and the output of sacctmgr, as 'cc-user sync-slurm --check' does.
pub(super) fn examine(request: &DoctorRequest, settings: &Settings, findings: &mut Findings) {
    let Some(section) = SlurmSource::section_names(settings).into_iter().next() else { return };
    let mut findings = findings.of(Area::Slurm, section);
    if request.offline {
        return findings.skip("slurm", "not checked with --offline");
    }
    let mut notes = Notes::new();
    let report = slurm::check(settings, &SlurmOptions::default(), &request.environment, &mut notes);
    findings.notes(notes);
    match report {
        Ok(report) => findings.pass(
            "slurm",
            format!(
                "{}, {}, {}",
                counted(report.projects, "project"),
                counted(report.users, "user"),
                counted(report.coordinators, "coordinator")
            ),
        ),
        Err(errors) => errors.iter().for_each(|error| findings.error(error)),
    }
}
