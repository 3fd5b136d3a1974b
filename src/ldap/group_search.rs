//! The search for groups, from the section `group-map` of the settings.

use super::config::LdapConfig;
use super::filter::Filter;
use super::user_index::{IndexedAttribute, UserIndex};
use crate::config::{GroupMapSettings, GroupRuleSettings, Settings, Value};
use crate::policy::role_map::{RoleMap, RoleMapError};
use crate::util::dn::DistinguishedName;
use crate::util::quote::quote;

/// The maximum depth of groups below a mapped group.
pub const MAX_DEPTH: u64 = 20;

/// The filter of all groups: the object classes of RFC 4519, RFC 2307bis, RFC 2307 and Active Directory, and dynamic
/// groups.
const DEFAULT_FILTER: &str = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfMembers)\
                              (objectClass=posixGroup)(objectClass=group)(objectClass=groupOfURLs))";

/// The filter of disabled accounts of 389 Directory Server and FreeIPA.
const LOCKED_389: &str = "(nsAccountLock=TRUE)";

/// The filter of disabled accounts of Active Directory: bit 2 of `userAccountControl`.
const LOCKED_AD: &str = "(userAccountControl:1.2.840.113556.1.4.803:=2)";

/// How a directory stores the members of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// A group has the DNs of its members, as in `member` and `uniqueMember`.
    MemberDn(String),
    /// A group has the usernames of its members, as in `memberUid`.
    MemberName(String),
    /// A user has the DNs of the groups, as in `memberOf`.
    MemberOf(String),
}

/// Whether members of a member group count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nesting {
    /// Up to this number of steps below the mapped group; 0 counts direct members only.
    Depth(u64),
    /// The LDAP server follows all groups (`1.2.840.113556.1.4.1941`).
    InChain,
}

/// The search for groups.
#[derive(Debug, Clone)]
pub struct GroupSearch {
    /// The search bases.
    pub bases: Vec<String>,
    /// The filter of all groups.
    pub filter: Filter,
    /// The attribute with the name of a group.
    pub name_attribute: String,
    /// How members are stored.
    pub membership: Membership,
    /// Whether members of a member group count.
    pub nesting: Nesting,
    /// Whether the primary groups of Active Directory count.
    pub primary_groups: bool,
}

/// The section `group-map`, validated.
#[derive(Debug, Clone)]
pub struct GroupMap {
    /// The rules.
    pub rules: RoleMap,
    /// The search for groups.
    pub search: GroupSearch,
    /// The filter of accounts that count as missing.
    pub locked_accounts: Option<Filter>,
}

impl GroupMap {
    /// Reads the section. Returns `None` if there is none.
    ///
    /// # Errors
    /// Every error of the section.
    pub fn from_settings(settings: &Settings) -> Result<Option<Self>, Vec<RoleMapError>> {
        let section = settings.ldap.as_ref().and_then(|ldap| ldap.group_map.as_deref());
        section.map(Self::from_section).transpose()
    }

    fn from_section(section: &GroupMapSettings) -> Result<Self, Vec<RoleMapError>> {
        let mut errors = Vec::new();
        let rules = RoleMap::from_settings(section).unwrap_or_else(|found| {
            errors.extend(found);
            RoleMap { rules: Vec::new(), default_role: None, is_authoritative: false }
        });
        for (rule, filter) in section.rules.iter().filter_map(|rule| Some((rule, rule.filter.as_ref()?))) {
            read_filter(&format!("{}.filter", rule.key), &filter.value, &mut errors);
        }
        let search = GroupSearch::from_section(section, &mut errors);
        let locked_accounts = section.locked_accounts.as_ref().and_then(|preset| {
            let filter = match preset.value.as_str() {
                "freeipa" | "389ds" => LOCKED_389,
                "active-directory" => LOCKED_AD,
                filter if filter.trim_start().starts_with('(') => filter,
                _ => {
                    let why = "expected 'freeipa', '389ds', 'active-directory' or a filter in parentheses";
                    errors.push(setting(section, "locked-accounts", why));
                    return None;
                }
            };
            read_filter(&format!("{}.locked-accounts", section.key), filter, &mut errors)
        });
        match search {
            Some(search) if errors.is_empty() => Ok(Self { rules, search, locked_accounts }),
            _ => Err(errors),
        }
    }

    /// Returns an index with the attributes of users that the map reads.
    #[must_use]
    pub fn user_index(&self) -> UserIndex {
        let mut indexed: Vec<IndexedAttribute> = Vec::new();
        if let (Membership::MemberOf(attribute), Nesting::Depth(_)) =
            (&self.search.membership, self.search.nesting)
            && self.rules.needs_groups()
        {
            indexed.push(IndexedAttribute::MemberOf(attribute.clone()));
        }
        if self.search.primary_groups {
            indexed.push(IndexedAttribute::PrimaryGroup);
        }
        for attribute in self.rules.attributes() {
            let attribute = IndexedAttribute::Values(attribute.to_owned());
            if !indexed.contains(&attribute) {
                indexed.push(attribute);
            }
        }
        UserIndex::new(&indexed).with_users()
    }

    /// Excludes the locked accounts from the search for users.
    pub fn exclude_locked_accounts(&self, ldap: &mut LdapConfig) {
        let users = Filter::parse(&ldap.search.filter);
        if let (Some(locked), Ok(users)) = (&self.locked_accounts, users) {
            ldap.search.filter = format!("(&{}(!{}))", users.as_str(), locked.as_str());
        }
    }
}

impl GroupSearch {
    fn from_section(section: &GroupMapSettings, errors: &mut Vec<RoleMapError>) -> Option<Self> {
        let bases = bases(section, errors);
        let filter = section.group_filter.as_ref().map_or(DEFAULT_FILTER, |filter| filter.value.as_str());
        let filter = read_filter(&format!("{}.group-filter", section.key), filter, errors);
        let membership = membership(section, errors);
        let in_chain = section.in_chain.value;
        let depth = section.nesting_depth.as_ref().map_or(0, |depth| depth.value);
        if depth > MAX_DEPTH {
            errors.push(setting(section, "nesting-depth", "expected a number from 0 to 20"));
        }
        if in_chain && section.nesting_depth.is_some() {
            errors.push(setting(section, "in-chain", "expected either 'in-chain' or 'nesting-depth'"));
        }
        if matches!(membership, Some(Membership::MemberName(_))) && (in_chain || depth > 0) {
            let key = if in_chain { "in-chain" } else { "nesting-depth" };
            errors.push(setting(section, key, "groups with 'member-name' cannot be members of groups"));
        }
        attribute_name(section, "group-name-attr", &section.group_name_attr.value, errors);
        for (rule, attribute) in
            section.rules.iter().filter_map(|rule| Some((rule, rule.attribute.as_ref()?)))
        {
            if !is_attribute_name(&attribute.value) {
                errors.push(RoleMapError::Setting {
                    key: format!("{}.attribute", rule.key),
                    why: "expected the name of an attribute".to_owned(),
                });
            }
        }
        Some(Self {
            bases,
            filter: filter?,
            name_attribute: section.group_name_attr.value.clone(),
            membership: membership?,
            nesting: if in_chain { Nesting::InChain } else { Nesting::Depth(depth) },
            primary_groups: section.primary_group.value,
        })
    }
}

fn bases(section: &GroupMapSettings, errors: &mut Vec<RoleMapError>) -> Vec<String> {
    let texts = section.group_base.as_ref().map(|bases| bases.value.as_slice()).unwrap_or_default();
    let bases: Vec<String> =
        texts.iter().map(|base| base.trim().to_owned()).filter(|base| !base.is_empty()).collect();
    for base in &bases {
        if let Err(error) = DistinguishedName::parse(base) {
            let key = format!("{}.group-base", section.key);
            errors.push(RoleMapError::Dn { key, dn: base.clone(), error });
        }
    }
    // A rule with an attribute selects users, and one with a DN the group that it names.
    let follows_groups = section.nesting_depth.as_ref().is_some_and(|depth| depth.value > 0);
    let needs_search = |rule: &GroupRuleSettings| {
        let is_searched = rule.cn.is_some() || rule.filter.is_some() || rule.pattern.is_some();
        rule.attribute.is_none() && (is_searched || follows_groups && rule.dn.is_some())
    };
    if bases.is_empty() && section.rules.iter().any(needs_search) {
        errors.push(setting(section, "group-base", "not set: expected the search base of the groups"));
    }
    bases
}

fn membership(section: &GroupMapSettings, errors: &mut Vec<RoleMapError>) -> Option<Membership> {
    let text = |value: &Option<Value<String>>| value.as_ref().map(|value| value.value.clone());
    let attribute = text(&section.member_attr);
    if let Some(attribute) = &attribute {
        attribute_name(section, "member-attr", attribute, errors);
    }
    let or = |default: &str| attribute.clone().unwrap_or_else(|| default.to_owned());
    match section.membership.as_ref().map_or("member-dn", |membership| membership.value.as_str()) {
        "member-dn" => Some(Membership::MemberDn(or("member"))),
        "member-name" => Some(Membership::MemberName(or("memberUid"))),
        "member-of" => Some(Membership::MemberOf(or("memberOf"))),
        found => {
            let why = format!("expected 'member-dn', 'member-name' or 'member-of', found {}", quote(found));
            errors.push(setting(section, "membership", &why));
            None
        }
    }
}

impl Membership {
    /// Returns the attribute.
    #[must_use]
    pub fn attribute(&self) -> &str {
        match self {
            Self::MemberDn(attribute) | Self::MemberName(attribute) | Self::MemberOf(attribute) => attribute,
        }
    }
}

fn attribute_name(section: &GroupMapSettings, key: &str, name: &str, errors: &mut Vec<RoleMapError>) {
    if !is_attribute_name(name) {
        errors.push(setting(section, key, "expected the name of an attribute"));
    }
}

/// Whether this is an attribute name without options (RFC 4512 2.5).
fn is_attribute_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

fn read_filter(key: &str, filter: &str, errors: &mut Vec<RoleMapError>) -> Option<Filter> {
    match Filter::parse(filter) {
        Ok(filter) => Some(filter),
        Err(error) => {
            errors.push(RoleMapError::Setting { key: key.to_owned(), why: error.to_string() });
            None
        }
    }
}

fn setting(section: &GroupMapSettings, name: &str, why: &str) -> RoleMapError {
    RoleMapError::Setting { key: format!("{}.{name}", section.key), why: why.to_owned() }
}
