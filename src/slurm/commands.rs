//! The commands that print users and accounts.

/// The arguments of the two commands. Descriptions are not asked for: they can contain `|`. The users
/// come last, so that a user who is added between the two commands is not missing in them.
pub const COMMANDS: [&[&str]; 2] = [
    &["-P", "show", "assoc", "format=cluster,account,user,parentname"],
    &["-P", "show", "user", "withcoordinator", "format=user,defaultaccount,coordinators,admin"],
];
