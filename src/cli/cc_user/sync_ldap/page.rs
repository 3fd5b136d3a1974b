//! The manual of `cc-user sync-ldap`.

use crate::cli::page::{Example, ExampleTest, ManualPage};

/// The page.
pub(in crate::cli::cc_user) const PAGE: ManualPage = ManualPage {
    path: "sync-ldap",
    description: &[
        "Reads everybody below 'user-base' who fits 'user-filter', and brings the users of source \
         ldap in line: who is new is added with the role user, a full name that changed is \
         updated, and who is gone is deleted where sync-del-old-users or --delete-missing says \
         so. Roles, projects, passwords and mail addresses are never touched, and users of other \
         sources neither: one who has a name of the directory is reported and kept.",
        "The directory is read to its end before the database is touched, and everything is done \
         in one transaction. An answer that is not whole - a size or time limit, a reference to \
         another server, a connection that is lost or falls silent - changes nothing. An \
         answer without a usable entry changes nothing either, with status 75 when there is no entry and 78 when \
         no entry has a usable username. If more users would be deleted than \
         --max-delete allows, nothing is changed, and the exit status is 75. An admin is not \
         deleted without --delete-admins.",
        "Names are compared byte by byte, as the server does: upper and lower case and blanks \
         count. Names that differ in nothing else are two users here though they are one to the \
         directory; they are warned of. An entry with several names counts by the first, as at \
         the server, and nobody known by one of the others counts as gone. Passed over and \
         reported are entries without a name, with one that is no fit name for a new user (over \
         100 characters, control characters, a blank at either end), and names that several \
         entries have. An entry without a full name leaves the name in the table as it is; of a \
         longer one 255 characters are kept.",
        "Deleted users are printed by name, unless -q is given, which prints nothing on success. With --watch \
         each line begins with the time.",
        "Without search-dn the search is anonymous, or by SASL EXTERNAL with sasl-external. Several addresses in 'url', with \
         blanks or commas between them, are tried in order. With --watch each run reads the \
         settings anew; one that fails is reported, and the next one comes all the same.",
    ],
    sections: &[(
        "Is it safe to run every night?",
        &[
            "Yes. The worst a run can do by itself is to delete a tenth of the users who came from the directory \
             (or five, where a tenth is less), none of them an admin, and that only where sync-del-old-users or \
             --delete-missing asks for deletions at all. --max-delete makes the limit as tight as you like; 0 \
             deletes nobody.",
            "What protects: an answer that is cut, broken off or empty deletes nobody; everything is one \
             transaction, so a run that is killed at any moment leaves the old table or the new one; local users, \
             and those of tokens and OpenID providers, are never touched; nor are roles, projects and passwords; a \
             running server is waited for, and two runs at once do not harm each other. A second run finds nothing \
             to do.",
            "What to watch: the exit status. 0 is done; 69 is a directory that could not be asked or did not answer \
             whole, and the next night will do; 75 with a database that is locked, the same; 75 with too many \
             deletions, a person has to look (see the recipes of cc-auth(7)); 77 and 78 are credentials and \
             settings. --metrics-file has the same for Prometheus, with the time of the last good run.",
            "Run it as the account the server runs as, first with --dry-run; by the systemd timer \
             cc-user-sync-ldap.timer or a line in a crontab. Export the users before it, and a deletion can be \
             undone.",
        ],
    )],
    examples: &[
        Example {
            command: "cc-user sync-ldap --dry-run",
            explains: "See what a sync would do",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user sync-ldap --delete-missing --max-delete 2%",
            explains: "Delete who is gone, but never more than 2 % at once",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user sync-ldap --metrics-file /var/lib/node_exporter/cc-user.prom",
            explains: "Sync from cron, and let Prometheus see how it went",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user sync-ldap --starttls --ca-file /etc/ssl/site-ca.pem --watch=1h",
            explains: "Sync every hour over an encrypted connection, without cron",
            test: ExampleTest::Parses,
        },
    ],
    json: &[
        ("dry_run", "whether this only shows what would be done"),
        (
            "counts",
            "an object of numbers: entries of the directory; users added, renamed, deleted, unchanged; missing \
             from the directory (deleted or not); conflicts; skipped entries",
        ),
        ("added", "a list of objects: username, name (or null)"),
        ("renamed", "a list of objects: username, name before and after"),
        ("deleted", "a list of usernames"),
        (
            "protected_admins",
            "usernames of admins who are missing from the LDAP directory and were not deleted",
        ),
        ("conflicts", "a list of objects: username, source (local, token, oidc, unknown)"),
        ("skipped", "a list of objects: entry (username or distinguished name), reason; at most 1000"),
        ("similar_usernames", "pairs of usernames that differ only by case or spaces; at most 100"),
        (
            "error",
            "null, or in a dry run the reason why the sync would change nothing: an object with kind and numbers \
             (sync-too-many-deletions: known, deletions, allowed; sync-no-users: deletions; sync-no-usernames: entries, \
             without, and the attribute)",
        ),
        ("seconds", "how long it took; null in a dry run"),
    ],
    see_also: &["ldapsearch(1)", "systemd.timer(5)"],
    environment: &[("LDAP_ADMIN_PASSWORD", "the password of search-dn; in the environment or in .env")],
    ..ManualPage::EMPTY
};
