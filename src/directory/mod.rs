//! The directory: LDAP searches and binds.
