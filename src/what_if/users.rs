//! The users whose endpoints and logins differ between two user tables and settings.

use super::error::WhatIfError;
use super::report::{ComparedCounts, UserAccess, UserChange, UserChangeKind, UserLogin};
use crate::accounts::DisabledUsers;
use crate::config::Settings;
use crate::login::UserDetails;
use crate::user_db::{UserDb, UserFilter, UserRecord};
use crate::util::note::Notes;
use crate::verify::open_user_table;

/// A user table with its settings.
struct UserTable<'a> {
    db: UserDb,
    settings: &'a Settings,
}

impl UserTable<'_> {
    /// The rights of a user, as `cc-user show` reports them.
    fn access(&self, record: &UserRecord) -> Result<UserAccess, WhatIfError> {
        let hash = self.db.password_hash(&record.user.username)?;
        // Whether and by which command a user is disabled does not change what the roles permit.
        let disabled = DisabledUsers::default();
        let details = UserDetails::new(record, hash.as_ref(), &disabled, Some(self.settings));
        let logins = details.login_methods.into_iter().filter(|login| login.works == Some(true));
        Ok(UserAccess {
            roles: details.user.roles,
            projects: details.user.projects,
            source: details.user.source,
            endpoints: details.endpoints,
            logins: logins
                .map(|login| UserLogin { method: login.method, limitation: login.reason })
                .collect(),
        })
    }

    fn find(&self, username: &str) -> Result<Option<UserAccess>, WhatIfError> {
        self.db.record(username)?.map(|record| self.access(&record)).transpose()
    }
}

/// Returns the users that differ, sorted by name. The tables are read row by row.
pub(super) fn changes(
    settings: [&Settings; 2],
    compared: &mut ComparedCounts,
    notes: &mut Notes,
) -> Result<Vec<UserChange>, WhatIfError> {
    let mut open = |settings| open_user_table(settings, notes).map(|db| UserTable { db, settings });
    let [present, planned] = settings.map(&mut open);
    let mut changes = Vec::new();
    let Some(planned) = planned else { return Ok(changes) };
    if let Some(present) = &present {
        present.db.for_each(&UserFilter::default(), |record| {
            compared.users += 1;
            let username = &record.user.username;
            let after = planned.find(username)?;
            changes.extend(change(username, Some(present.access(&record)?), after));
            Ok::<_, WhatIfError>(())
        })?;
    }
    planned.db.for_each(&UserFilter::default(), |record| {
        let username = &record.user.username;
        let is_present = match &present {
            Some(present) => present.db.record(username)?.is_some(),
            None => false,
        };
        if !is_present {
            compared.users += 1;
            changes.extend(change(username, None, Some(planned.access(&record)?)));
        }
        Ok::<_, WhatIfError>(())
    })?;
    changes.sort_by(|one, other| one.username.cmp(&other.username));
    Ok(changes)
}

fn change(username: &str, present: Option<UserAccess>, planned: Option<UserAccess>) -> Option<UserChange> {
    if present == planned {
        return None;
    }
    let kind = match (&present, &planned) {
        (Some(_), None) => UserChangeKind::Removed,
        (None, Some(_)) => UserChangeKind::Added,
        _ => UserChangeKind::Changed,
    };
    let endpoints = |access: &Option<UserAccess>| {
        access.as_ref().map_or_else(Vec::new, |access| access.endpoints.clone())
    };
    let logins = |access: &Option<UserAccess>| {
        access.as_ref().map_or_else(Vec::new, |access| {
            access.logins.iter().map(|login| login.method).collect::<Vec<_>>()
        })
    };
    let without = |list: Vec<&'static str>, other: Vec<&'static str>| {
        list.into_iter().filter(|name| !other.contains(name)).collect::<Vec<_>>()
    };
    Some(UserChange {
        change: kind,
        username: username.to_owned(),
        lost_endpoints: without(endpoints(&present), endpoints(&planned)),
        gained_endpoints: without(endpoints(&planned), endpoints(&present)),
        lost_logins: without(logins(&present), logins(&planned)),
        gained_logins: without(logins(&planned), logins(&present)),
        present,
        planned,
    })
}
