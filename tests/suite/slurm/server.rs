//! One slurmdbd for all tests. Each test gets it alone, with an empty database.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::servers::ServerScript;
use crate::support::{Run, has, has_root};

struct Slurmdbd {
    script: ServerScript,
    configuration: String,
}

/// The server, for one test.
pub struct Slurm {
    server: MutexGuard<'static, Option<Slurmdbd>>,
}

impl Slurm {
    /// Waits for the server and empties its database; `None` if the test is skipped.
    pub fn new() -> Option<Self> {
        static SERVER: Mutex<Option<Slurmdbd>> = Mutex::new(None);
        let programs = ["slurmdbd", "sacctmgr", "mariadbd", "munged"];
        if !programs.iter().all(|program| has(program)) || !has_root() {
            return None;
        }
        let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *server {
            Some(running) => {
                running.script.send("empty the database");
                let [_] = running.script.lines();
            }
            none => {
                let mut script = ServerScript::start("slurmdbd", &[]);
                let [configuration] = script.lines();
                *none = Some(Slurmdbd { script, configuration });
            }
        }
        Some(Self { server })
    }

    /// The file for `SLURM_CONF`.
    pub fn configuration(&self) -> &str {
        &self.server.as_ref().unwrap().configuration
    }

    /// Runs `sacctmgr` as root, without questions.
    #[track_caller]
    pub fn sacctmgr(&self, arguments: &str) -> Run {
        let output = Command::new("sacctmgr")
            .arg("-i")
            .args(arguments.split(' '))
            .env("SLURM_CONF", self.configuration())
            .output()
            .unwrap();
        Run::from(output).ended(0)
    }

    /// Adds the cluster `hpc` with the accounts physics, qcd below it and chem; dora coordinates physics,
    /// bert qcd; anna is a member of qcd, and dora an operator.
    pub fn add_physics(&self) {
        for line in [
            "add cluster hpc",
            "add account physics,chem",
            "add account qcd parent=physics",
            "add user anna,bert account=qcd",
            "add user dora account=chem adminlevel=operator",
            "add coordinator account=physics names=dora",
            "add coordinator account=qcd names=bert",
        ] {
            self.sacctmgr(line);
        }
    }
}
