//! LDAP directories of other products than OpenLDAP: 389 Directory Server, which is FreeIPA's, and Samba
//! as an Active Directory domain controller.

mod active_directory;
mod ds389;
mod ds389_users;
mod samba;
