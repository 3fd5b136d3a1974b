//! The rules of the role map, validated.

use super::name_pattern::{NamePattern, NamePatternError};
use super::project_template::{ProjectTemplate, ProjectTemplateError};
use crate::config::{GroupMapSettings, GroupRuleSettings, Value};
use crate::user::{Role, RoleError};
use crate::util::diagnostic::diagnostics;
use crate::util::dn::{DistinguishedName, DnError};
use crate::util::kind::Kind;
use crate::util::quote::quote;

/// What a rule selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The members of the group with this DN.
    Dn {
        /// The DN as configured.
        text: String,
        /// The DN in normal form.
        dn: DistinguishedName,
    },
    /// The members of the group with this name.
    Name(String),
    /// The members of all groups that this filter finds.
    Filter(String),
    /// The members of all groups whose name matches.
    Pattern(NamePattern),
    /// The users with an attribute that matches; without a pattern every value does.
    Attribute {
        /// The attribute of the user.
        attribute: String,
        /// The pattern of the value.
        pattern: Option<NamePattern>,
    },
}

/// A rule: the users that it selects and what it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapRule {
    /// The key in the section, such as `rules[0]`.
    pub key: String,
    /// What the rule selects.
    pub selector: Selector,
    /// The roles that it gives.
    pub roles: Vec<Role>,
    /// The projects that it gives.
    pub projects: Vec<ProjectTemplate>,
}

/// The rules for roles and projects. All rules that match a user count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleMap {
    /// The rules.
    pub rules: Vec<MapRule>,
    /// The role of a user that no rule matches.
    pub default_role: Option<Role>,
    /// Whether roles and projects of the map are removed although they were set by hand.
    pub is_authoritative: bool,
}

/// An error of the section.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleMapError {
    /// There are no rules.
    #[error("{}: expected at least one rule", quote(.0))]
    NoRules(String),
    /// A rule without a group or attribute, or with several.
    #[error("{}: expected one of 'dn', 'cn', 'filter', 'pattern' and 'attribute', found {found}", quote(.key))]
    Selector {
        /// The key of the rule.
        key: String,
        /// The members that it has.
        found: String,
    },
    /// A rule that gives nothing.
    #[error("{}: expected 'roles' or 'projects'", quote(.0))]
    Nothing(String),
    /// An unknown role.
    #[error("{}: {error}", quote(.key))]
    Role {
        /// The key.
        key: String,
        /// The role.
        error: RoleError,
    },
    /// A role that no user of a directory can have.
    #[error("{}: the role 'anonymous' cannot be given to a user", quote(.0))]
    Anonymous(String),
    /// The role admin without the permission.
    #[error("{}: the role 'admin' requires 'allow-admin' in the section", quote(.0))]
    AdminNotAllowed(String),
    /// An invalid DN.
    #[error("{}: invalid DN {}: {error}", quote(.key), quote(.dn))]
    Dn {
        /// The key.
        key: String,
        /// The text.
        dn: String,
        /// The error.
        error: DnError,
    },
    /// An invalid pattern.
    #[error("{}: {error}", quote(.key))]
    Pattern {
        /// The key.
        key: String,
        /// The error.
        error: NamePatternError,
    },
    /// An invalid project.
    #[error("{}: {error}", quote(.key))]
    Project {
        /// The key.
        key: String,
        /// The error.
        error: ProjectTemplateError,
    },
    /// `$1` in a rule that captures nothing.
    #[error("{}: $1 requires a pattern with (.*)", quote(.0))]
    NoCapture(String),
    /// A setting with another value than the possible ones, or in a combination that is not possible.
    #[error("{}: {why}", quote(.key))]
    Setting {
        /// The key.
        key: String,
        /// The reason.
        why: String,
    },
}

diagnostics! { RoleMapError:
    Self::Role { error, .. } => Kind::GroupMapInvalid, format!("the roles are {}", known_roles(error));
    Self::AdminNotAllowed(_) => Kind::GroupMapInvalid,
        "with \"allow-admin\": true the LDAP directory decides who is an administrator";
    Self::NoRules(_)
    | Self::Selector { .. }
    | Self::Nothing(_)
    | Self::Anonymous(_)
    | Self::Dn { .. }
    | Self::Pattern { .. }
    | Self::Project { .. }
    | Self::NoCapture(_)
    | Self::Setting { .. } => Kind::GroupMapInvalid;
}

fn known_roles(_: &RoleError) -> String {
    let roles: Vec<&str> =
        Role::ALL.iter().filter(|role| **role != Role::Anonymous).map(|role| role.name()).collect();
    roles.join(", ")
}

impl RoleMap {
    /// Reads the rules from the settings.
    ///
    /// # Errors
    /// Every error of the rules.
    pub fn from_settings(settings: &GroupMapSettings) -> Result<Self, Vec<RoleMapError>> {
        let mut errors = Vec::new();
        if settings.rules.is_empty() {
            errors.push(RoleMapError::NoRules(format!("{}.rules", settings.key)));
        }
        let may_give_admin = settings.allow_admin.value;
        let rules: Vec<MapRule> =
            settings.rules.iter().filter_map(|rule| read_rule(rule, may_give_admin, &mut errors)).collect();
        let default_role = settings.default_role.as_ref().and_then(|role| {
            let key = format!("{}.default-role", settings.key);
            read_role(&key, &role.value, false, &mut errors)
        });
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { rules, default_role, is_authoritative: settings.authoritative.value })
    }

    /// Returns the attributes of users that the rules read.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(|rule| match &rule.selector {
            Selector::Attribute { attribute, .. } => Some(attribute.as_str()),
            _ => None,
        })
    }

    /// Returns whether a rule selects groups.
    #[must_use]
    pub fn needs_groups(&self) -> bool {
        self.rules.iter().any(|rule| !matches!(rule.selector, Selector::Attribute { .. }))
    }
}

impl Selector {
    /// Returns the pattern, if there is one.
    #[must_use]
    pub const fn pattern(&self) -> Option<&NamePattern> {
        match self {
            Self::Pattern(pattern) | Self::Attribute { pattern: Some(pattern), .. } => Some(pattern),
            _ => None,
        }
    }
}

fn read_rule(
    settings: &GroupRuleSettings,
    may_give_admin: bool,
    errors: &mut Vec<RoleMapError>,
) -> Option<MapRule> {
    let before = errors.len();
    let key = &settings.key;
    let member = |name: &str| format!("{key}.{name}");
    let selector = read_selector(settings, errors);
    let texts = |list: &Option<Value<Vec<String>>>| -> Vec<String> {
        list.as_ref().map(|list| list.value.clone()).unwrap_or_default()
    };
    let mut roles = Vec::new();
    for name in texts(&settings.roles) {
        let role = read_role(&member("roles"), &name, may_give_admin, errors);
        roles.extend(role.filter(|role| !roles.contains(role)));
    }
    let mut projects: Vec<ProjectTemplate> = Vec::new();
    for text in texts(&settings.projects) {
        match text.parse::<ProjectTemplate>() {
            Ok(project) => {
                // The whole value is captured where an attribute has no pattern.
                let is_whole = matches!(&selector, Some(Selector::Attribute { pattern: None, .. }));
                let pattern = selector.as_ref().and_then(Selector::pattern);
                if selector.is_some() && !is_whole && !project.fits(pattern) {
                    errors.push(RoleMapError::NoCapture(member("projects")));
                }
                projects.push(project);
            }
            Err(error) => errors.push(RoleMapError::Project { key: member("projects"), error }),
        }
    }
    if settings.roles.is_none() && settings.projects.is_none()
        || errors.len() == before && roles.is_empty() && projects.is_empty()
    {
        errors.push(RoleMapError::Nothing(key.clone()));
    }
    (errors.len() == before).then_some(()).and(selector).map(|selector| MapRule {
        key: settings.name.clone(),
        selector,
        roles,
        projects,
    })
}

fn read_selector(settings: &GroupRuleSettings, errors: &mut Vec<RoleMapError>) -> Option<Selector> {
    let GroupRuleSettings { key, dn, cn, filter, pattern, attribute, .. } = settings;
    let text = |value: &Option<Value<String>>| value.as_ref().map(|value| value.value.clone());
    let members: Vec<&str> =
        [("dn", dn), ("cn", cn), ("filter", filter), ("attribute", attribute), ("pattern", pattern)]
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|_| name))
            .collect();
    let pattern = match text(pattern).map(|pattern| pattern.parse::<NamePattern>()) {
        None => None,
        Some(Ok(pattern)) => Some(pattern),
        Some(Err(error)) => {
            errors.push(RoleMapError::Pattern { key: format!("{key}.pattern"), error });
            return None;
        }
    };
    match members.as_slice() {
        ["dn"] => {
            let text = text(dn).unwrap_or_default();
            match DistinguishedName::parse(&text) {
                Ok(dn) => return Some(Selector::Dn { text, dn }),
                Err(error) => errors.push(RoleMapError::Dn { key: format!("{key}.dn"), dn: text, error }),
            }
        }
        ["cn"] => return text(cn).map(Selector::Name),
        ["filter"] => return text(filter).map(Selector::Filter),
        ["pattern"] => return pattern.map(Selector::Pattern),
        ["attribute"] | ["attribute", "pattern"] => {
            return text(attribute).map(|attribute| Selector::Attribute { attribute, pattern });
        }
        _ => {
            let found = match members.as_slice() {
                [] => "none".to_owned(),
                several => several.iter().map(|name| quote(name)).collect::<Vec<_>>().join(" and "),
            };
            errors.push(RoleMapError::Selector { key: key.clone(), found });
        }
    }
    None
}

fn read_role(key: &str, name: &str, may_give_admin: bool, errors: &mut Vec<RoleMapError>) -> Option<Role> {
    let key = key.to_owned();
    match name.parse::<Role>() {
        Ok(Role::Anonymous) => errors.push(RoleMapError::Anonymous(key)),
        Ok(Role::Admin) if !may_give_admin => errors.push(RoleMapError::AdminNotAllowed(key)),
        Ok(role) => return Some(role),
        Err(error) => errors.push(RoleMapError::Role { key, error }),
    }
    None
}
