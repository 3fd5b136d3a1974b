//! The settings of Slurm accounting, and the answer as roles and projects.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use super::accounting::{AccountTree, Accounting, ROOT};
use super::answer::{AdminLevel, SlurmAnswer, SlurmUser};
use super::error::SlurmError;
use super::sacctmgr::{OUTPUT_LIMIT, Sacctmgr};
use crate::config::{Settings, SlurmSettings};
use crate::policy::role_map::{Grants, GrantsBuilder, NamePattern, UserId};
use crate::user::{ProjectName, RightsSource, Role};
use crate::util::environment::Environment;
use crate::util::file::{self, FileContents};
use crate::util::note::Notes;

/// The time limit of each command. Without slurm.conf, sacctmgr retries for a minute and then fails.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// The rule of every reason, in reports.
const RULE: &str = "slurm";

/// Where the output of sacctmgr comes from, and what it gives.
#[derive(Debug, Clone)]
pub struct SlurmSource {
    origin: SlurmOrigin,
    rules: SlurmRules,
}

#[derive(Debug, Clone)]
enum SlurmOrigin {
    Command(Sacctmgr),
    File(PathBuf),
    Output(Vec<u8>),
}

/// Where the answer comes from, and which clusters count, from the options of the command line.
#[derive(Debug, Clone, Default)]
pub struct SlurmOptions {
    /// The saved output of sacctmgr.
    pub saved: Option<SavedOutput>,
    /// The program.
    pub sacctmgr: Option<PathBuf>,
    /// The time limit of each command; [`TIMEOUT`] if not set.
    pub timeout: Option<Duration>,
    /// The clusters whose accounts are projects; those of the settings if empty.
    pub clusters: Vec<String>,
}

/// The output of both commands, printed before.
#[derive(Debug, Clone)]
pub enum SavedOutput {
    /// A file.
    File(PathBuf),
    /// The output itself, at most [`SAVED_LIMIT`] bytes.
    Bytes(Vec<u8>),
}

/// The maximum size of the saved output of both commands in bytes.
pub const SAVED_LIMIT: u64 = 2 * OUTPUT_LIMIT as u64;

/// What accounts and administrative levels give.
#[derive(Debug, Clone, Default)]
pub struct SlurmRules {
    /// The clusters whose accounts are projects; all of them if empty.
    pub clusters: Vec<String>,
    /// Accounts that are not projects, in addition to `root`.
    pub excluded: Vec<NamePattern>,
    /// Whether members get their accounts as projects; only managers have projects.
    pub member_projects: bool,
    /// Whether operators and administrators get the role support.
    pub operator_support: bool,
    /// Whether administrators get the role admin.
    pub allow_admin: bool,
}

/// The roles and projects that Slurm gives.
#[derive(Debug)]
pub struct SlurmGrants {
    /// For each of the usernames.
    pub grants: Grants,
    /// The users of Slurm who would get something and are not among the usernames.
    pub unknown_users: Vec<String>,
    /// Accounts whose names no project can have.
    pub invalid_projects: Vec<String>,
}

impl SlurmSource {
    /// Reads the section `auth.ldap.slurm`, the source of a synchronization with the LDAP directory; `None`
    /// without it. sacctmgr gets the variables of the environment that it needs.
    ///
    /// # Errors
    /// [`SlurmError::Setting`] for each invalid value, and [`SlurmError::TwoSections`].
    pub fn of_ldap(settings: &Settings, environment: &Environment) -> Result<Option<Self>, Vec<SlurmError>> {
        if settings.ldap.as_ref().is_none_or(|ldap| ldap.slurm.is_none()) {
            return Ok(None);
        }
        let section = section(settings)?;
        section.map(|section| Self::new(Some(section), &SlurmOptions::default(), environment)).transpose()
    }

    /// Reads the section `auth.slurm` or `auth.ldap.slurm`. Without one of them, all settings have their
    /// defaults.
    ///
    /// # Errors
    /// As [`SlurmSource::of_ldap`].
    pub fn from_settings(
        settings: &Settings,
        options: &SlurmOptions,
        environment: &Environment,
    ) -> Result<Self, Vec<SlurmError>> {
        Self::new(section(settings)?, options, environment)
    }

    /// The sections for Slurm in the settings; more than one is an error of the other functions.
    #[must_use]
    pub fn section_names(settings: &Settings) -> Vec<&str> {
        let of_ldap = settings.ldap.as_ref().and_then(|ldap| ldap.slurm.as_deref());
        settings.slurm.as_deref().into_iter().chain(of_ldap).map(|section| section.section.as_str()).collect()
    }

    /// Whether the settings have a section for Slurm.
    #[must_use]
    pub fn is_configured(settings: &Settings) -> bool {
        !Self::section_names(settings).is_empty()
    }

    fn new(
        section: Option<&SlurmSettings>,
        options: &SlurmOptions,
        environment: &Environment,
    ) -> Result<Self, Vec<SlurmError>> {
        let mut rules = section.map_or_else(|| Ok(SlurmRules::default()), SlurmRules::of)?;
        if !options.clusters.is_empty() {
            rules.clusters.clone_from(&options.clusters);
        }
        let saved_output = section.and_then(|section| section.saved_output.as_ref());
        let origin = match (&options.saved, saved_output) {
            (Some(SavedOutput::Bytes(bytes)), _) => SlurmOrigin::Output(bytes.clone()),
            (Some(SavedOutput::File(path)), _) => SlurmOrigin::File(path.clone()),
            (None, Some(path)) if options.sacctmgr.is_none() && options.timeout.is_none() => {
                SlurmOrigin::File(path.value.clone())
            }
            (None, _) => SlurmOrigin::Command(Sacctmgr {
                program: options.sacctmgr.clone().unwrap_or_else(|| {
                    section
                        .map_or_else(|| PathBuf::from("sacctmgr"), |section| section.sacctmgr.value.clone())
                }),
                timeout: options.timeout.unwrap_or(TIMEOUT),
                environment: needed_variables(environment),
            }),
        };
        Ok(Self { origin, rules })
    }

    /// What the answer gives.
    #[must_use]
    pub const fn rules(&self) -> &SlurmRules {
        &self.rules
    }

    /// Reads the whole response.
    ///
    /// # Errors
    /// [`SlurmError`]; partial output is an error. A warning if another account can change the file.
    pub fn read(&self, notes: &mut Notes) -> Result<Accounting, SlurmError> {
        let output = match &self.origin {
            SlurmOrigin::Command(sacctmgr) => sacctmgr.read()?,
            SlurmOrigin::File(path) => file::read_named(path, SAVED_LIMIT, FileContents::Public, notes)?,
            SlurmOrigin::Output(bytes) => return Accounting::new(SlurmAnswer::parse(bytes)?),
        };
        Accounting::new(SlurmAnswer::parse(&output)?)
    }

    /// Returns what the answer gives to users with these usernames.
    ///
    /// # Errors
    /// [`SlurmError::UnknownCluster`].
    pub fn grants<'a>(
        &self,
        accounting: &Accounting,
        usernames: impl Iterator<Item = &'a str>,
    ) -> Result<SlurmGrants, SlurmError> {
        self.rules.grants(accounting, usernames)
    }
}

/// The section of the settings.
fn section(settings: &Settings) -> Result<Option<&SlurmSettings>, Vec<SlurmError>> {
    let of_ldap = settings.ldap.as_ref().and_then(|ldap| ldap.slurm.as_deref());
    match (settings.slurm.as_deref(), of_ldap) {
        (Some(_), Some(_)) => Err(vec![SlurmError::TwoSections]),
        (Some(section), None) | (None, Some(section)) => Ok(Some(section)),
        (None, None) => Ok(None),
    }
}

/// The environment of sacctmgr: without the variables that can contain keys and passwords.
fn needed_variables(environment: &Environment) -> Vec<(String, String)> {
    let is_needed = |name: &str| {
        ["PATH", "HOME", "USER", "LOGNAME", "TZ", "LANG", "LD_LIBRARY_PATH"].contains(&name)
            || ["LC_", "SLURM_", "MUNGE_"].iter().any(|prefix| name.starts_with(prefix))
    };
    let needed = environment.iter().filter(|(name, _)| is_needed(name));
    needed.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl SlurmRules {
    fn of(section: &SlurmSettings) -> Result<Self, Vec<SlurmError>> {
        let (mut excluded, mut faults) = (Vec::new(), Vec::new());
        for pattern in section.exclude_accounts.iter().flat_map(|patterns| &patterns.value) {
            match pattern.parse() {
                Ok(pattern) => excluded.push(pattern),
                Err(error) => faults.push(SlurmError::Setting {
                    key: format!("{}.exclude-accounts", section.section),
                    why: format!("{error}"),
                }),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            clusters: section.clusters.as_ref().map(|names| names.value.clone()).unwrap_or_default(),
            excluded,
            member_projects: section.member_projects.value,
            operator_support: section.operator_support.value,
            allow_admin: section.allow_admin.value,
        })
    }

    /// Whether the account is a project.
    fn is_project(&self, trees: &[&AccountTree], account: &str) -> bool {
        let is_excluded =
            account == ROOT || self.excluded.iter().any(|pattern| pattern.captured(account).is_some());
        !is_excluded && trees.iter().any(|tree| tree.contains(account))
    }

    /// The accounts that are projects.
    ///
    /// # Errors
    /// [`SlurmError::UnknownCluster`].
    pub fn projects<'a>(&self, accounting: &'a Accounting) -> Result<BTreeSet<&'a str>, SlurmError> {
        let trees = accounting.trees(&self.clusters)?;
        let accounts = trees.iter().flat_map(|tree| tree.accounts());
        Ok(accounts.filter(|account| self.is_project(&trees, account)).collect())
    }

    /// Whether the settings exclude all accounts that the answer has.
    ///
    /// # Errors
    /// [`SlurmError::UnknownCluster`].
    pub fn excludes_all(&self, accounting: &Accounting) -> Result<bool, SlurmError> {
        let trees = accounting.trees(&self.clusters)?;
        let has_accounts = trees.iter().flat_map(|tree| tree.accounts()).any(|account| account != ROOT);
        Ok(has_accounts && self.projects(accounting)?.is_empty())
    }

    /// The users of Slurm with an account that is a project, as a member or a coordinator.
    ///
    /// # Errors
    /// [`SlurmError::UnknownCluster`].
    pub fn users<'a>(&self, accounting: &'a Accounting) -> Result<BTreeSet<&'a str>, SlurmError> {
        let trees = accounting.trees(&self.clusters)?;
        let projects = self.projects(accounting)?;
        let members = trees.iter().flat_map(|tree| tree.members());
        let mut users: BTreeSet<&str> =
            members.filter(|(account, _)| projects.contains(account)).map(|(_, user)| user).collect();
        let coordinates =
            |user: &SlurmUser| user.coordinates.iter().any(|account| projects.contains(account.as_str()));
        users.extend(accounting.users().filter(|user| coordinates(user)).map(|user| user.name.as_str()));
        users.remove(ROOT);
        Ok(users)
    }

    /// The users of Slurm, as [`SlurmRules::users`] returns them, who are not among these usernames.
    ///
    /// # Errors
    /// [`SlurmError::UnknownCluster`].
    pub fn absent_users<'a>(
        &self,
        accounting: &'a Accounting,
        usernames: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<&'a str>, SlurmError> {
        let known: HashSet<String> = usernames.map(str::to_lowercase).collect();
        let users = self.users(accounting)?;
        Ok(users.into_iter().filter(|user| !known.contains(&user.to_lowercase())).collect())
    }

    /// Returns what the answer gives to users with these usernames. Names are compared in lower case, as
    /// sacctmgr stores them.
    ///
    /// # Errors
    /// [`SlurmError::UnknownCluster`].
    pub fn grants<'a>(
        &self,
        accounting: &Accounting,
        usernames: impl Iterator<Item = &'a str>,
    ) -> Result<SlurmGrants, SlurmError> {
        let trees = accounting.trees(&self.clusters)?;
        let mut by_name: HashMap<String, Vec<&str>> = HashMap::new();
        for username in usernames {
            by_name.entry(username.to_lowercase()).or_default().push(username);
        }
        let mut granting = Granting {
            builder: Grants::builder(RightsSource::Slurm),
            by_name,
            unknown_users: BTreeSet::new(),
            invalid_projects: BTreeSet::new(),
        };
        let is_project = |account: &str| self.is_project(&trees, account);
        for user in accounting.users() {
            let coordinates: BTreeSet<&str> = user.coordinates.iter().map(String::as_str).collect();
            for account in coordinates.iter().copied().filter(|account| is_project(account)) {
                let why = match through(account, &coordinates, &trees) {
                    Some(above) => format!("coordinator of {account} through {above}"),
                    None => format!("coordinator of {account}"),
                };
                granting.give(&user.name, &[Role::Manager], Some(account), &why);
            }
            if self.operator_support && user.level >= AdminLevel::Operator {
                granting.give(&user.name, &[Role::Support], None, "operator");
            }
            if self.allow_admin && user.level == AdminLevel::Administrator {
                granting.give(&user.name, &[Role::Admin], None, "administrator");
            }
        }
        if self.member_projects {
            let members: BTreeSet<(&str, &str)> = trees.iter().flat_map(|tree| tree.members()).collect();
            for (account, user) in members.into_iter().filter(|(account, _)| is_project(account)) {
                granting.give(user, &[], Some(account), &format!("member of {account}"));
            }
        }
        Ok(SlurmGrants {
            grants: granting.builder.finish(),
            unknown_users: granting.unknown_users.into_iter().collect(),
            invalid_projects: granting.invalid_projects.into_iter().collect(),
        })
    }
}

/// The highest account above this one that the user coordinates as well. Slurm lists the accounts below a
/// coordinated account without saying which one was named by the administrator.
fn through<'tree>(
    account: &str,
    coordinates: &BTreeSet<&str>,
    trees: &[&'tree AccountTree],
) -> Option<&'tree str> {
    let above =
        |tree: &&'tree AccountTree| tree.above(account).filter(|above| coordinates.contains(above)).last();
    trees.iter().find_map(above)
}

struct Granting<'a> {
    builder: GrantsBuilder,
    /// The usernames by their form in lower case.
    by_name: HashMap<String, Vec<&'a str>>,
    unknown_users: BTreeSet<String>,
    invalid_projects: BTreeSet<String>,
}

impl Granting<'_> {
    fn give(&mut self, user: &str, roles: &[Role], account: Option<&str>, why: &str) {
        let users: Vec<UserId> = match self.by_name.get(&user.to_lowercase()).map(Vec::as_slice) {
            // Every database of Slurm has the user root.
            None if user == ROOT => return,
            None => {
                self.unknown_users.insert(user.to_owned());
                return;
            }
            // Of usernames that differ only in case, the one with the same spelling.
            Some(names) => match names.iter().find(|name| **name == user) {
                Some(name) => vec![self.builder.user(name)],
                None => names.iter().map(|name| self.builder.user(name)).collect(),
            },
        };
        let project = match account.map(str::parse::<ProjectName>) {
            None => None,
            Some(Ok(project)) => Some(project),
            Some(Err(_)) => {
                self.invalid_projects.insert(account.unwrap_or_default().to_owned());
                return;
            }
        };
        let reason = self.builder.reason(RULE, &[why]);
        for user in users {
            for role in roles {
                self.builder.role(user, *role, reason);
            }
            if let Some(project) = &project {
                self.builder.project(user, project.as_str(), reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::role_map::Right;

    const OUTPUT: &str = "Cluster|Account|User|ParentName\n\
        hpc|root||\nhpc|root|root|\nhpc|physics||root\nhpc|qcd||physics\nhpc|qcd|anna|\nhpc|test1||root\n\
        gpu|root||\ngpu|chem||root\ngpu|chem|dora|\n\
        User|Def Acct|Coord Accounts|Admin\n\
        anna|qcd||None\nbert|qcd|qcd,test1|None\ndora|chem|chem,physics,qcd|Operator\n\
        gone|qcd|qcd|None\nroot|root||Administrator\n";

    fn granted(rules: &SlurmRules, usernames: &[&str]) -> (Vec<String>, Vec<String>) {
        let accounting = Accounting::new(SlurmAnswer::parse(OUTPUT.as_bytes()).unwrap()).unwrap();
        let found = rules.grants(&accounting, usernames.iter().copied()).unwrap();
        let mut lines = Vec::new();
        for username in usernames {
            for grant in found.grants.of(username) {
                let right = match grant.right {
                    Right::Role(role) => role.name().to_owned(),
                    Right::Project(project) => format!("project {project}"),
                };
                lines.push(format!("{username} {right}: {}", grant.reason.chain.join(", ")));
            }
        }
        lines.sort();
        (lines, found.unknown_users)
    }

    #[test]
    fn coordinators_become_managers_of_their_accounts() {
        let (lines, unknown) = granted(&SlurmRules::default(), &["Anna", "bert", "dora", "root"]);
        assert_eq!(
            lines,
            [
                "bert manager: coordinator of qcd",
                "bert manager: coordinator of test1",
                "bert project qcd: coordinator of qcd",
                "bert project test1: coordinator of test1",
                "dora manager: coordinator of chem",
                "dora manager: coordinator of physics",
                "dora manager: coordinator of qcd through physics",
                "dora project chem: coordinator of chem",
                "dora project physics: coordinator of physics",
                "dora project qcd: coordinator of qcd through physics",
            ]
        );
        assert_eq!(unknown, ["gone"]);
    }

    #[test]
    fn excluded_accounts_and_other_clusters_give_nothing() {
        let excluded = vec!["TEST*".parse().unwrap()];
        let rules = SlurmRules { clusters: vec!["hpc".to_owned()], excluded, ..SlurmRules::default() };
        let (lines, _) = granted(&rules, &["bert", "dora"]);
        assert!(!lines.iter().any(|line| line.contains("chem") || line.contains("test1")), "{lines:?}");
        assert!(lines.contains(&"bert project qcd: coordinator of qcd".to_owned()));
    }

    #[test]
    fn administrators_and_members_get_rights_only_by_options() {
        let all = SlurmRules {
            member_projects: true,
            operator_support: true,
            allow_admin: true,
            ..SlurmRules::default()
        };
        let (lines, _) = granted(&all, &["ANNA", "dora", "root"]);
        for line in [
            "ANNA project qcd: member of qcd",
            "dora support: operator",
            "root support: operator",
            "root admin: administrator",
        ] {
            assert!(lines.contains(&line.to_owned()), "{line}: {lines:?}");
        }
        assert!(
            !lines.iter().any(|line| line.starts_with("ANNA manager") || line == "dora admin: administrator")
        );
        let (lines, _) = granted(&SlurmRules::default(), &["anna", "root"]);
        assert!(lines.is_empty(), "{lines:?}");
    }

    #[test]
    fn username_with_the_same_spelling_is_preferred() {
        let (lines, _) = granted(&SlurmRules::default(), &["Bert", "bert"]);
        assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("bert ")), "{lines:?}");
        let (lines, _) = granted(&SlurmRules::default(), &["Bert"]);
        assert!(lines.contains(&"Bert project qcd: coordinator of qcd".to_owned()), "{lines:?}");
    }

    #[test]
    fn sacctmgr_gets_no_variable_with_a_secret() {
        let all = ["PATH", "SLURM_CONF", "LC_ALL", "LDAP_ADMIN_PASSWORD", "JWT_PRIVATE_KEY", "SITE"];
        let environment = all.map(|name| (name.to_owned(), "x".to_owned())).into_iter().collect();
        let passed: Vec<String> = needed_variables(&environment).into_iter().map(|(name, _)| name).collect();
        assert_eq!(passed, ["LC_ALL", "PATH", "SLURM_CONF"]);
    }
}
