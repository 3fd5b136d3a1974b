//! LDAP directories of other products than OpenLDAP: 389 Directory Server, which is FreeIPA's, and Samba
//! as an Active Directory domain controller.

mod active_directory;
mod active_directory_groups;
mod ds389;
mod ds389_groups;
mod ds389_users;
mod openldap;
mod samba;
mod simulated;

/// The section `auth.ldap` of an example, with another base.
fn example(name: &str, from: &str, to: &str) -> serde_json::Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/examples").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from));
    let config: serde_json::Value = serde_json::from_str(&text.replace(from, to)).unwrap();
    config["auth"]["ldap"].clone()
}
