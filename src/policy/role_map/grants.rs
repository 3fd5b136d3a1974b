//! The roles and projects that a source gives, each with its reason.

use std::collections::HashMap;

use serde::Serialize;

use crate::user::{RightsSource, Role};

/// A role or a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right<'grants> {
    /// A role.
    Role(Role),
    /// A project of a manager.
    Project(&'grants str),
}

/// Why a source gives a role or a project.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Reason {
    /// The source.
    pub source: RightsSource,
    /// The rule, such as `rules[0]`.
    pub rule: String,
    /// The groups from the one that the user is a member of to the one that the rule names; or the
    /// attribute with its value, or the account.
    pub chain: Vec<String>,
}

/// A reason of one [`Grants`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReasonId(u32);

/// A user of one [`GrantsBuilder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserId(u32);

/// A role or a project of one user, and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant<'grants> {
    /// The role or project.
    pub right: Right<'grants>,
    /// The reason.
    pub reason: &'grants Reason,
}

/// A role as its index in [`Role::ALL`], or a project after these.
type RightId = u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    user: u32,
    right: RightId,
    reason: ReasonId,
}

/// Everything that one source gives: 12 bytes for each role and project of a user.
#[derive(Debug)]
pub struct Grants {
    source: RightsSource,
    users: HashMap<Box<str>, u32>,
    projects: Vec<Box<str>>,
    reasons: Vec<Reason>,
    /// Sorted by user, then right, then reason.
    rows: Vec<Row>,
    /// The first row of each user, and the end of the last one's.
    starts: Vec<u32>,
}

/// Collects the answer of a source.
#[derive(Debug)]
pub struct GrantsBuilder {
    grants: Grants,
    project_ids: HashMap<Box<str>, RightId>,
}

const FIRST_PROJECT: RightId = Role::ALL.len() as RightId;

impl Grants {
    /// Starts the answer of a source.
    #[must_use]
    pub fn builder(source: RightsSource) -> GrantsBuilder {
        let grants = Self {
            source,
            users: HashMap::new(),
            projects: Vec::new(),
            reasons: Vec::new(),
            rows: Vec::new(),
            starts: Vec::new(),
        };
        GrantsBuilder { grants, project_ids: HashMap::new() }
    }

    /// Returns the source.
    #[must_use]
    pub const fn source(&self) -> RightsSource {
        self.source
    }

    /// Returns what a user gets: roles in the order of [`Role::ALL`], then projects in the order of their
    /// names. A role or project with several reasons occurs once for each.
    pub fn of(&self, username: &str) -> impl Iterator<Item = Grant<'_>> + Clone {
        let rows = self.users.get(username).and_then(|user| {
            let user = *user as usize;
            self.rows.get(*self.starts.get(user)? as usize..*self.starts.get(user + 1)? as usize)
        });
        rows.unwrap_or_default().iter().filter_map(|row| {
            let reason = self.reasons.get(row.reason.0 as usize)?;
            Some(Grant { right: self.right(row.right)?, reason })
        })
    }

    fn right(&self, id: RightId) -> Option<Right<'_>> {
        match id.checked_sub(FIRST_PROJECT) {
            None => Role::ALL.get(id as usize).copied().map(Right::Role),
            Some(index) => self.projects.get(index as usize).map(|project| Right::Project(project)),
        }
    }

    /// Returns the usernames that get a role or a project, in no particular order.
    pub fn usernames(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(AsRef::as_ref)
    }
}

impl GrantsBuilder {
    /// Adds a reason. The chain begins with the group that the user is a member of.
    pub fn reason(&mut self, rule: &str, chain: &[&str]) -> ReasonId {
        let reasons = &mut self.grants.reasons;
        let id = ReasonId(count(reasons.len()));
        reasons.push(Reason {
            source: self.grants.source,
            rule: rule.to_owned(),
            chain: chain.iter().map(|group| (*group).to_owned()).collect(),
        });
        id
    }

    /// Returns the user with this name, as it is in the user table.
    pub fn user(&mut self, username: &str) -> UserId {
        let users = &mut self.grants.users;
        if let Some(user) = users.get(username) {
            return UserId(*user);
        }
        let user = count(users.len());
        users.insert(username.into(), user);
        UserId(user)
    }

    /// Gives a role to a user.
    pub fn role(&mut self, user: UserId, role: Role, reason: ReasonId) {
        let right = Role::ALL.iter().position(|known| *known == role).map_or(0, count);
        self.grants.rows.push(Row { user: user.0, right, reason });
    }

    /// Gives a project to a user.
    pub fn project(&mut self, user: UserId, project: &str, reason: ReasonId) {
        let right = match self.project_ids.get(project) {
            Some(right) => *right,
            None => {
                let right = FIRST_PROJECT + count(self.grants.projects.len());
                self.grants.projects.push(project.into());
                self.project_ids.insert(project.into(), right);
                right
            }
        };
        self.grants.rows.push(Row { user: user.0, right, reason });
    }

    /// Completes the answer.
    #[must_use]
    pub fn finish(self) -> Grants {
        let mut grants = self.grants;
        sort_projects(&mut grants);
        grants.rows.sort_unstable();
        grants.rows.dedup();
        grants.rows.shrink_to_fit();
        let mut start = 0;
        for user in 0..count(grants.users.len()) {
            grants.starts.push(count(start));
            let rows = grants.rows.get(start..).unwrap_or_default();
            start += rows.iter().take_while(|row| row.user == user).count();
        }
        grants.starts.push(count(start));
        grants
    }
}

/// Numbers the projects in the order of their names, so that a user's projects are sorted with the rows.
fn sort_projects(grants: &mut Grants) {
    let projects = std::mem::take(&mut grants.projects);
    let mut order: Vec<(Box<str>, usize)> =
        projects.into_iter().enumerate().map(|(number, project)| (project, number)).collect();
    order.sort_unstable();
    let mut numbers = vec![0; order.len()];
    for (number, (project, earlier)) in order.into_iter().enumerate() {
        if let Some(place) = numbers.get_mut(earlier) {
            *place = FIRST_PROJECT + count(number);
        }
        grants.projects.push(project);
    }
    for row in &mut grants.rows {
        let earlier = row.right.checked_sub(FIRST_PROJECT).map(|index| index as usize);
        if let Some(number) = earlier.and_then(|index| numbers.get(index)) {
            row.right = *number;
        }
    }
}

/// A count as 32 bits; the limits of the searches are below it.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
