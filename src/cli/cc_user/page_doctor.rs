//! The manual of `cc-user doctor`.

use crate::cli::page::{Example, ExampleTest, ManualPage};

/// The page.
pub(super) const PAGE: ManualPage = ManualPage {
    path: "doctor",
    description: &[
        "Checks the installation of a server, and prints what it read, the state of each check, the reason and a \
         remedy for most problems. The exit status is 1 if a check failed; warnings do not change it.",
        "Settings: whether a server of version 1.5 starts with the environment file and the configuration, and \
         whether it accepts tokens; keys, addresses, login methods, settings that switch checks off. Files: \
         whether other accounts have access to files with secrets. Database: its schema, the files of SQLite \
         beside it, rows that the server cannot use, users without roles, administrators. LDAP: each server, its \
         certificate, the bind, the search. Slurm: the section slurm, and the output of sacctmgr. OpenID: discovery \
         document, issuer, keys, algorithms; with --id-token, the claims of an ID token, whose signature is not \
         verified. Server: an \
         response of the running server, and the difference of the clocks. Tokens: what 'cc-jwt scan' finds in the \
         configuration and in each PATH. A token causes a warning within 14 days of its expiry, a short one in the \
         last quarter of its lifetime.",
        "In the JSON files below each PATH, the members of the programs are checked too: whether the server accepts \
         the roles of a token at the endpoint of the program; members without a token; tokens that are sent without \
         TLS; the public key in cc-metric-store and cc-event-store; NATS credentials: a bare seed where a program \
         expects a .creds file, or the reverse, a seed that does not belong to its user JWT, a user JWT that its \
         account did not sign, an account or an operator instead of a user, and permissions that lack the subject of \
         the program. A symbolic link in a directory is skipped: name it as PATH. The remedy of most problems of a \
         token is a 'cc-jwt renew' command for this file. Restart the program after it.",
        "Nothing is changed, and no file is created, not even beside the database. The owner of the database counts \
         as the account of the server, and root may examine the files of every account. With --fix, the access of \
         other accounts to files with secrets is removed; the group of the database may read them, because it is \
         the group of the server. No password is sent except that of search-dn, to the LDAP servers of the \
         configuration. The token of --token-file is sent to the server of --server only.",
    ],
    examples: &[
        Example {
            command: "cc-user doctor --offline",
            explains: "Check the files and the database",
            test: ExampleTest::Runs(0),
        },
        Example {
            command: "cc-user doctor --user fritz --server https://cc.example.org --token-file token.txt",
            explains: "Check the LDAP login of a user, and a token at the running server",
            test: ExampleTest::Parses,
        },
        Example {
            command: "cc-user doctor --metric-store /etc/cc-metric-store/config.json /etc/cc-metric-collector",
            explains: "Check the tokens and keys of other programs too",
            test: ExampleTest::Parses,
        },
    ],
    see_also: &["cc-user(1)", "cc-jwt-scan(1)", "cc-config(5)"],
    ..ManualPage::EMPTY
};
