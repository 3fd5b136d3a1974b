//! The LDAP settings of a new configuration, for the usual layouts of LDAP directories.

use serde_json::Value as Json;

/// A layout of users and groups in an LDAP directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LdapLayout {
    /// RFC 2307: groups have the usernames of their members.
    Rfc2307,
    /// RFC 2307bis: groups have the DNs of their members.
    Rfc2307bis,
    /// FreeIPA: users have the DNs of their groups.
    FreeIpa,
    /// lldap.
    Lldap,
    /// Active Directory.
    ActiveDirectory,
}

impl LdapLayout {
    /// All layouts.
    pub const ALL: [Self; 5] =
        [Self::Rfc2307, Self::Rfc2307bis, Self::FreeIpa, Self::Lldap, Self::ActiveDirectory];

    /// Returns the name, as used in options.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rfc2307 => "rfc2307",
            Self::Rfc2307bis => "rfc2307bis",
            Self::FreeIpa => "freeipa",
            Self::Lldap => "lldap",
            Self::ActiveDirectory => "ad",
        }
    }

    /// Returns the section `auth.ldap` of the example of this layout.
    #[must_use]
    pub fn section(self) -> Json {
        let example = match self {
            Self::Rfc2307 => include_str!("../../contrib/examples/ldap-rfc2307.json"),
            Self::Rfc2307bis => include_str!("../../contrib/examples/ldap-rfc2307bis.json"),
            Self::FreeIpa => include_str!("../../contrib/examples/ldap-freeipa.json"),
            Self::Lldap => include_str!("../../contrib/examples/ldap-lldap.json"),
            Self::ActiveDirectory => include_str!("../../contrib/examples/ldap-ad.json"),
        };
        let mut document: Json = serde_json::from_str(example).unwrap_or_default();
        document.pointer_mut("/auth/ldap").map(Json::take).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_has_a_group_map() {
        for layout in LdapLayout::ALL {
            let section = layout.section();
            assert!(section["group-map"]["rules"].is_array(), "{layout:?}");
        }
    }
}
