//! The manual of `cc-user sync-ldap`.

use crate::cli::page::{Example, ExampleTest, ManualPage};

/// The page.
pub(in crate::cli::cc_user) const PAGE: ManualPage = ManualPage {
    path: "sync-ldap",
    description: &[
        "Reads the LDAP entries below 'user-base' that match 'user-filter', and updates the users with the \
         auth source ldap. New users are added with the role user, changed full names are updated, and users \
         who are no longer found are deleted if sync-del-old-users or --delete-missing is set. Passwords and \
         email addresses are not changed. Users with another auth source are not changed either: if an entry \
         has such a username, the conflict is reported.",
        "Roles and projects change only if the section group-map exists (cc-config(5)): its rules give them to \
         the members of LDAP groups and to users with an attribute. A run removes only what earlier runs or \
         logins gave, unless the section is authoritative. --dry-run prints each change with the rule and the \
         chain of groups, cc-user-show(1) with --why explains one user, and --check reports every fault of \
         the section and what each rule selects. A group that is missing, incomplete or unreadable changes \
         nothing, with status 69. If more roles and projects would be removed, and users deleted, than \
         --max-delete allows, nothing is changed, with status 75. A disabled user is not changed, and the \
         last administrators keep the role.",
        "The whole LDAP response is read before the database is changed, and all changes are made in one \
         transaction. A partial response changes nothing: a size or time limit, a reference to another server, a \
         lost connection or a timeout. A response without a usable entry changes nothing either, with status 75 \
         if there is no entry and 78 if no entry has a usable username. If more users would be disabled or \
         deleted than --max-delete allows, nothing is changed, and the exit status is 75. An administrator is not \
         disabled or deleted without --delete-admins, the last administrators are never disabled or deleted, and a user who \
         was disabled by hand is never deleted: the entry could appear again, and the \
         new user would not be disabled.",
        "Usernames are compared byte by byte, as the server does: case and blanks count. Usernames that differ \
         only in case or blanks are different users, with a warning. Of an entry with several usernames the \
         first one counts, as for the server. These entries are skipped and reported: entries without a \
         username, with an invalid one for a new user (over 100 bytes, control characters, a blank at either \
         end), or with a duplicate one. If an entry has no full name, the full name in the table is not \
         changed. At most 255 characters of a full name are stored.",
        "With sync-grace-period or --grace-period a missing user is disabled first, as by cc-user-disable(1), and \
         deleted by the first run after the period. If the LDAP directory has the user again before that, the \
         user has the same roles, projects and other columns as before; roles that groups no longer give are removed. \
         A user who was disabled by hand stays disabled and is not deleted. A run without a grace period deletes \
         disabled users with --delete-missing only, but enables those who are in the LDAP directory again. If \
         the clock is set back, the period ends later.",
        "The usernames of deleted, disabled and enabled users are printed. With -q nothing is printed on success. With --watch each \
         line begins with the time.",
        "Without search-dn the search is anonymous, or by SASL EXTERNAL with sasl-external. Several URLs in \
         'url', separated by spaces or commas, are tried in order. With --watch the settings are read again \
         for each run; a failed run is reported, and the next one follows at its time.",
    ],
    sections: &[(
        "Is it safe to run every night?",
        &[
            "Yes. Without sync-del-old-users, sync-grace-period and their options, a run deletes no user. With one of them, a \
             run deletes at most a tenth of the LDAP users (at least five), and no administrator. --max-delete \
             changes this limit; 0 permits no deletion.",
            "A partial or empty response deletes no user. All changes are one transaction, so that a run that is \
             killed leaves the old table or the new one. Local, token and OpenID users are not changed, nor \
             are passwords, roles and projects set by hand. The run waits for the lock of a running server, and two runs \
             at the same time do no harm. A second run finds nothing to do.",
            "Watch the exit status. 69: the LDAP server is not available, or its response was partial; the next \
             run tries again. 75 with a locked database: the next run tries again. 75 with too many deletions: \
             find the reason (see the recipes of cc-auth(7)). 77 and 78: correct the credentials or settings. \
             --metrics-file writes the same for Prometheus, with the time of the last successful run.",
            "Run the command as the account that runs the server, first with --dry-run, then by the systemd \
             timer cc-user-sync-ldap.timer or a line in a crontab. Export the users before each run, so that a \
             deletion can be undone.",
        ],
    )],
    examples: &[
        Example {
            command: "cc-user sync-ldap --dry-run",
            explains: "Print what a synchronization would change",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user sync-ldap --check",
            explains: "Check the settings and the rules of group-map",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user sync-ldap --delete-missing --max-delete 2%",
            explains: "Delete missing users, but at most 2 % at once",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user sync-ldap --grace-period 30d --dry-run",
            explains: "Print which users would be disabled, and when they would be deleted",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user sync-ldap --metrics-file /var/lib/node_exporter/cc-user.prom",
            explains: "Synchronize from cron, and write metrics for Prometheus",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user sync-ldap --starttls --ca-file /etc/ssl/site-ca.pem --watch=1h",
            explains: "Synchronize every hour over an encrypted connection, without cron",
            test: ExampleTest::Parses,
        },
    ],
    see_also: &["cc-user-undo(1)", "ldapsearch(1)", "systemd.timer(5)"],
    environment: &[("LDAP_ADMIN_PASSWORD", "the password of search-dn; in the environment or in .env")],
    ..ManualPage::EMPTY
};
