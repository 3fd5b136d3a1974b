//! The settings that differ between two configurations, such as the present one and a planned one.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::Value as Json;

use super::settings::Settings;
use crate::util::file::{SETTINGS_LIMIT, read};

/// A setting with another value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SettingChange {
    /// The name of the setting or variable
    pub name: String,
    /// The present value; `set` for a secret, null for the default
    pub present: Option<String>,
    /// The planned value; `set` for a secret, null for the default
    pub planned: Option<String>,
}

impl Settings {
    /// Returns the settings with another value in `planned`, in the order of the list of all settings.
    #[must_use]
    pub fn differences(&self, planned: &Self) -> Vec<SettingChange> {
        let (present, planned_entries) = (self.entries(), planned.entries());
        let values = |entries: &[super::settings::SettingEntry]| {
            let pairs = entries.iter().map(|entry| (entry.name.clone(), entry.value.clone()));
            pairs.collect::<BTreeMap<String, String>>()
        };
        let (before, after) = (values(&present), values(&planned_entries));
        let has_other_secret = |name: &str| {
            let text = |settings: &Self| {
                settings
                    .secrets
                    .iter()
                    .find(|secret| secret.variable.name() == name)
                    .map(|one| one.text.clone())
            };
            text(self) != text(planned)
        };
        let mut changes: Vec<SettingChange> = Vec::new();
        for entry in present.iter().chain(&planned_entries) {
            let name = &entry.name;
            let (present, planned) = (before.get(name).cloned(), after.get(name).cloned());
            if (present != planned || has_other_secret(name))
                && changes.iter().all(|change| change.name != *name)
            {
                changes.push(SettingChange { name: name.clone(), present, planned });
            }
        }
        changes
    }

    /// Returns whether the section `auth.ldap` is another one, with the roles that groups and Slurm give.
    #[must_use]
    pub fn differs_in_ldap(&self, planned: &Self) -> bool {
        let section = |settings: &Self| ldap_section(settings.config_file.as_deref()?);
        section(self) != section(planned)
    }
}

fn ldap_section(path: &Path) -> Option<Json> {
    let json: Json = serde_json::from_slice(&read(path, SETTINGS_LIMIT).ok()?).ok()?;
    json.pointer("/auth/ldap").or_else(|| json.get("ldap")).cloned()
}
