//! The section `auth.ldap.group-map`: which roles and projects LDAP groups give. The server does not read
//! it.

use super::origin::Value;
use super::section::{Findings, Section};
use crate::util::json::JsonNode;

/// The section as it is written; `policy` and `ldap` check its values.
#[derive(Debug, Clone)]
pub struct GroupMapSettings {
    /// The key of the section, `auth.ldap.group-map`.
    pub key: String,
    /// The search bases of groups.
    pub group_base: Option<Value<Vec<String>>>,
    /// The filter that selects groups.
    pub group_filter: Option<Value<String>>,
    /// The attribute with the name of a group, `cn` by default.
    pub group_name_attr: Value<String>,
    /// How memberships are stored: `member-dn`, `member-name` or `member-of`.
    pub membership: Option<Value<String>>,
    /// The attribute of memberships.
    pub member_attr: Option<Value<String>>,
    /// The steps below a mapped group; 0 for direct members only.
    pub nesting_depth: Option<Value<u64>>,
    /// Whether Active Directory resolves nested groups.
    pub in_chain: Value<bool>,
    /// Whether the primary groups of Active Directory count.
    pub primary_group: Value<bool>,
    /// A preset or a filter of accounts that count as missing.
    pub locked_accounts: Option<Value<String>>,
    /// The role of users that no rule matches.
    pub default_role: Option<Value<String>>,
    /// Whether roles and projects set by hand are removed as well.
    pub authoritative: Value<bool>,
    /// Whether a rule may give the role admin.
    pub allow_admin: Value<bool>,
    /// The rules.
    pub rules: Vec<GroupRuleSettings>,
}

/// A rule as it is written.
#[derive(Debug, Clone)]
pub struct GroupRuleSettings {
    /// The full key, such as `auth.ldap.group-map.rules[0]`.
    pub key: String,
    /// The key in the section, such as `rules[0]`.
    pub name: String,
    /// The DN of a group.
    pub dn: Option<Value<String>>,
    /// The name of a group.
    pub cn: Option<Value<String>>,
    /// A filter of groups.
    pub filter: Option<Value<String>>,
    /// A pattern of names or values.
    pub pattern: Option<Value<String>>,
    /// An attribute of users.
    pub attribute: Option<Value<String>>,
    /// The roles.
    pub roles: Option<Value<Vec<String>>>,
    /// The projects.
    pub projects: Option<Value<Vec<String>>>,
}

pub(super) fn read_group_map(mut section: Section<'_>, findings: &mut Findings) -> GroupMapSettings {
    let key = section.key("").trim_end_matches('.').to_owned();
    let rules = section.objects("rules", findings);
    let settings = GroupMapSettings {
        key,
        group_base: section
            .distinguished_names(&["group-base"], findings)
            .filter(|bases| bases.value.iter().any(|base| !base.trim().is_empty())),
        group_filter: section.some_text(&["group-filter"], findings),
        group_name_attr: section
            .some_text(&["group-name-attr"], findings)
            .unwrap_or_else(|| Value::by_default("cn".to_owned())),
        membership: section.some_text(&["membership"], findings),
        member_attr: section.some_text(&["member-attr"], findings),
        nesting_depth: section.number(&["nesting-depth"], findings),
        in_chain: section.switch(&["in-chain"], findings),
        primary_group: section.switch(&["primary-group"], findings),
        locked_accounts: section.some_text(&["locked-accounts"], findings),
        default_role: section.some_text(&["default-role"], findings),
        authoritative: section.switch(&["authoritative"], findings),
        allow_admin: section.switch(&["allow-admin"], findings),
        rules: rules.into_iter().map(|(name, rule)| read_rule(name, rule, findings)).collect(),
    };
    section.warn_unknown(&[], findings);
    settings
}

fn read_rule(name: String, mut section: Section<'_>, findings: &mut Findings) -> GroupRuleSettings {
    let rule = GroupRuleSettings {
        key: section.key("").trim_end_matches('.').to_owned(),
        name,
        dn: section.some_text(&["dn"], findings),
        cn: section.some_text(&["cn"], findings),
        filter: section.some_text(&["filter"], findings),
        pattern: section.some_text(&["pattern"], findings),
        attribute: section.some_text(&["attribute"], findings),
        roles: section.one_or_more(&["roles"], findings),
        projects: section.one_or_more(&["projects"], findings),
    };
    section.warn_unknown(&[], findings);
    rule
}

impl Section<'_> {
    /// Returns a list of strings that are not split: an array, or one string.
    fn one_or_more(
        &mut self,
        spellings: &[&'static str],
        findings: &mut Findings,
    ) -> Option<Value<Vec<String>>> {
        self.list(spellings, |text| vec![text.to_owned()], findings)
    }

    /// Returns an array of objects as sections with their keys, such as `rules[0]`.
    fn objects(&mut self, name: &'static str, findings: &mut Findings) -> Vec<(String, Self)> {
        let Some((_, node)) = self.member(&[name], findings) else { return Vec::new() };
        let JsonNode::Array(items) = node else {
            findings.errors.push(self.type_error(name, node, "an array of objects"));
            return Vec::new();
        };
        let section = |(index, item)| {
            let key = format!("{name}[{index}]");
            let section = Self::new(self.file(), &self.key(&key), [item], findings);
            (key, section)
        };
        items.iter().enumerate().map(section).collect()
    }

    /// Returns a whole number that is not negative.
    fn number(&mut self, spellings: &[&'static str], findings: &mut Findings) -> Option<Value<u64>> {
        let (name, node) = self.member(spellings, findings)?;
        let number = match node {
            JsonNode::Number(number) => number.as_u64(),
            _ => None,
        };
        if number.is_none() {
            findings.errors.push(self.type_error(name, node, "a whole number"));
        }
        number.map(|number| Value::new(number, self.origin(name)))
    }
}
