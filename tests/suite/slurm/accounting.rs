//! What `sacctmgr` prints, read by the library.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use cc_auth::slurm::{Accounting, AdminLevel, Sacctmgr, SlurmAnswer, SlurmError};

use super::server::Slurm;

fn read(slurm: &Slurm, program: PathBuf) -> Result<Accounting, SlurmError> {
    let environment = vec![
        ("PATH".to_owned(), std::env::var("PATH").unwrap()),
        ("SLURM_CONF".to_owned(), slurm.configuration().to_owned()),
    ];
    let sacctmgr = Sacctmgr { program, timeout: Duration::from_secs(60), environment };
    Accounting::new(SlurmAnswer::parse(&sacctmgr.read()?)?)
}

#[test]
fn slurm_accounts_and_coordinators_are_read_from_slurmdbd() {
    let Some(slurm) = Slurm::new() else { return };
    let empty = read(&slurm, "sacctmgr".into()).unwrap_err().to_string();
    assert!(empty.contains("there is no cluster"), "{empty}");
    slurm.add_physics();
    let accounting = read(&slurm, "sacctmgr".into()).unwrap();
    let users: Vec<(&str, AdminLevel, String)> =
        accounting.users().map(|user| (user.name.as_str(), user.level, user.coordinates.join(" "))).collect();
    assert_eq!(
        users,
        [
            ("anna", AdminLevel::None, String::new()),
            ("bert", AdminLevel::None, "qcd".to_owned()),
            ("dora", AdminLevel::Operator, "physics qcd".to_owned()),
            ("root", AdminLevel::Administrator, String::new()),
        ]
    );
    let tree = &accounting.clusters()["hpc"];
    assert_eq!(tree.above("qcd").collect::<Vec<_>>(), ["physics", "root"]);
    assert_eq!(
        tree.members().collect::<Vec<_>>(),
        [("chem", "dora"), ("qcd", "anna"), ("qcd", "bert"), ("root", "root")]
    );
}

#[test]
fn slurm_answer_for_an_account_without_privileges_is_partial() {
    let Some(slurm) = Slurm::new() else { return };
    slurm.add_physics();
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = directory.path().join("unprivileged-sacctmgr");
    std::fs::write(
        &program,
        "#!/bin/sh\nexec setpriv --reuid games --regid games --clear-groups sacctmgr \"$@\"\n",
    )
    .unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let error = read(&slurm, program).unwrap_err();
    assert!(matches!(error, SlurmError::Partial(_)), "{error}");
}
