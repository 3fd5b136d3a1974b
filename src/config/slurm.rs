//! The sections `auth.ldap.slurm` and `auth.slurm`: Slurm accounting as a source of roles and projects. The
//! server does not read them.

use std::path::PathBuf;

use super::origin::Value;
use super::section::{Findings, Section};

/// The section as it is written; `slurm` checks its values.
#[derive(Debug, Clone)]
pub struct SlurmSettings {
    /// The section, such as `auth.ldap.slurm`.
    pub section: String,
    /// The program, `sacctmgr` by default.
    pub sacctmgr: Value<PathBuf>,
    /// A file with the output of sacctmgr, which is then not run.
    pub saved_output: Option<Value<PathBuf>>,
    /// The clusters whose accounts are projects; all clusters if it is not set.
    pub clusters: Option<Value<Vec<String>>>,
    /// Patterns of accounts that are not projects.
    pub exclude_accounts: Option<Value<Vec<String>>>,
    /// Whether managers get the accounts as well of which they are members only.
    pub member_projects: Value<bool>,
    /// Whether operators of Slurm get the role support.
    pub operator_support: Value<bool>,
    /// Whether administrators of Slurm get the role admin.
    pub allow_admin: Value<bool>,
}

pub(super) fn read_slurm(mut section: Section<'_>, findings: &mut Findings) -> SlurmSettings {
    let settings = SlurmSettings {
        section: section.key("").trim_end_matches('.').to_owned(),
        sacctmgr: section
            .path(&["sacctmgr"], findings)
            .unwrap_or_else(|| Value::by_default(PathBuf::from("sacctmgr"))),
        saved_output: section.path(&["saved-output"], findings),
        clusters: section.string_list(&["clusters"], findings),
        exclude_accounts: section.string_list(&["exclude-accounts"], findings),
        member_projects: section.switch(&["member-projects"], findings),
        operator_support: section.switch(&["operator-support"], findings),
        allow_admin: section.switch(&["allow-admin"], findings),
    };
    section.warn_unknown(&[], findings);
    settings
}
