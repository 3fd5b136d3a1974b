//! The manual of `cc-user sync-slurm`.

use crate::cli::page::{Example, ExampleTest, ManualPage};

/// The page.
pub(in crate::cli::cc_user) const PAGE: ManualPage = ManualPage {
    path: "sync-slurm",
    description: &[
        "Makes the coordinators of Slurm's accounts managers: an account is a project, and its coordinator gets the \
         role manager with the project of the account and those of the accounts below it. The users of the table get \
         roles and projects whatever their auth source is; names are compared without regard to case. Disabled users \
         are not changed. Without the section auth.slurm (cc-config(5)) all settings have their defaults.",
        "A run removes only what earlier runs gave. Roles and projects set by hand or given by LDAP groups stay, \
         and the last administrators keep their role. --dry-run prints each change with its reason, such as \
         'coordinator of qcd through physics', cc-user-show(1) with --why explains one user, cc-user-log(1) \
         prints the changes, and cc-user-undo(1) reverts them. If more roles and projects would be removed than \
         --max-delete allows, nothing is changed, with status 75.",
        "sacctmgr must run as root, as SlurmUser or as an operator of Slurm: with PrivateData in slurmdbd.conf, \
         other accounts get a part of the rows. A partial, empty or malformed output changes nothing, nor does a \
         command that fails or does not end within --timeout, with status 69: the output must have the user root, \
         the account root in each cluster, and a path from each account to root.",
        "--from reads what sacctmgr printed on another host, in the form of its option -P; the output of its option --json \
         is not read. The file has the output of these two commands, in \
         this order: sacctmgr -P show assoc format=cluster,account,user,parentname; sacctmgr -P show user \
         withcoordinator format=user,defaultaccount,coordinators,admin. It may have 128 MiB, and nothing is \
         written before it was read to the end.",
        "Users of Slurm who are not in the user table are listed in a note. --add-users adds them without a full name, \
         with the role user and the auth source of their logins. No user is deleted.",
        "If the section auth.ldap.slurm exists, cc-user-sync-ldap(1) gives LDAP users the same roles and projects. Then \
         this command reads that section.",
    ],
    examples: &[
        Example {
            command: "cc-user sync-slurm --dry-run",
            explains: "Print what a synchronization would change",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user sync-slurm --check",
            explains: "Check the settings and the output of sacctmgr",
            test: ExampleTest::Parses,
        },
        Example {
            command: "ssh dbhost cat /var/lib/slurm/accounting.txt | cc-user sync-slurm --from -",
            explains: "Synchronize with the output of the host of slurmdbd",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user sync-slurm --cluster fritz --add-users oidc",
            explains: "Add the users of one cluster before their first login by OpenID Connect",
            test: ExampleTest::Parses,
        },
    ],
    see_also: &["sacctmgr(1)", "systemd.timer(5)"],
    ..ManualPage::EMPTY
};
