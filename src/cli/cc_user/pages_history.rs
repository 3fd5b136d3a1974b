//! The manuals of `cc-user log` and `cc-user undo`.

use crate::cli::page::{Example, ExampleTest, ManualPage};

const FILES: &[(&str, &str)] = &[
    ("DATABASE.history.jsonl", "the journal, beside the database"),
    ("DATABASE.history.jsonl.1 to .9", "older journals; .1 is the newest"),
];

/// The manual of `cc-user log`.
pub(super) const LOG: ManualPage = ManualPage {
    path: "log",
    description: &[
        "Prints the runs that changed users, the oldest first: ID, time in UTC, account, command, and number of \
         changes. With NAME or --run the changes are printed too. The filters can be combined. Every change by cc-user and cc-login is in the \
         journal, the file DATABASE.history.jsonl, for example ./var/job.db.history.jsonl. It has the owner, group \
         and mode of the database. Changes that the server makes are not in it.",
        "A line of the journal is a JSON object with the members run, time, account, program, command, user, \
         before and after. A password or its hash is never in it, only whether there is one (none, set or locked). \
         The account is the effective one, with that of sudo(8) in parentheses. Arguments that look like a \
         password are left out of the command.",
        "The lines of a run are on disk before the database is changed, and a line with the end of the run follows \
         after it. If the journal cannot be written, nothing is changed. If a process is killed in between, the \
         next change compares the rows with the journal and writes the end: committed, rolled-back, or unknown if \
         only a password was replaced. A synchronization does the same, even if it changes nothing.",
        "Above 32 MiB the journal is renamed to DATABASE.history.jsonl.1, and nine older ones remain. Delete older \
         journals as you like; a run in a deleted one cannot be undone.",
    ],
    examples: &[
        Example { command: "cc-user log", explains: "Print the last 20 runs", test: ExampleTest::Parses },
        Example {
            command: "cc-user log fritz --since -7d",
            explains: "Print the changes of a user in the last week",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user log --command sync-ldap --limit 5",
            explains: "Print the last synchronizations that changed users",
            test: ExampleTest::Parses,
        },
    ],
    files: FILES,
    see_also: &["cc-user-undo(1)"],
    ..ManualPage::EMPTY
};

/// The manual of `cc-user undo`.
pub(super) const UNDO: ManualPage = ManualPage {
    path: "undo",
    description: &[
        "Undoes all changes of a run in one transaction: users that it added are deleted, users that it deleted \
         are added again, and changed rows are as before, with the roles of disabled users. The undo is a run in \
         the journal itself, and can be undone too.",
        "A user who is not as the run left the user is not changed: a warning names the user, and the exit status \
         is 1. The other users are restored. It is the same if the journal does not have all lines of the run, or if \
         lines are malformed: a warning states how many changes are not undone.",
        "The journal does not contain passwords. A local user that the run deleted, or that received another password, \
         does not have a password afterwards; a warning names these users. A user who received \
         a password after the run is not as the run left the user. Web sessions, tokens, and the settings \
         that the server had for a deleted user are not restored.",
    ],
    examples: &[
        Example {
            command: "cc-user undo LAST --dry-run",
            explains: "Print the users that an undo of the last run would change",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user undo 20261127-030000-3f2a9c",
            explains: "Undo a nightly synchronization with a wrong filter",
            test: ExampleTest::Parses,
        },
    ],
    files: FILES,
    see_also: &["cc-user-log(1)"],
    ..ManualPage::EMPTY
};
