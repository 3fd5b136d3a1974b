//! The manual of `cc-user`.

use crate::cli::completion;
use crate::cli::page::{Example, ExampleTest, ManualPage};

const SEE_ALSO: &[&str] = &["cc-user(1)", "cc-jwt(1)", "gen-keypair(1)"];

const fn example(command: &'static str, explains: &'static str, status: u8) -> Example {
    Example { command, explains, test: ExampleTest::Runs(status) }
}

const fn parses(command: &'static str, explains: &'static str) -> Example {
    Example { command, explains, test: ExampleTest::Parses }
}

pub(super) static PAGES: &[ManualPage] = &[
    ManualPage {
        description: &[
            "Manages the users in the server's SQLite database. The server may run at the same time. Both \
             names of the table (hpc_user, and user before schema version 8) and all schema versions are read. \
             The schema, the server's migrations table and all other tables are never changed, except that the \
             settings of a deleted user are deleted too, as the schema defines.",
            "Each action is one transaction. While another process is writing, the action waits for at most \
             --wait, and then ends with status 75.",
            "If the roles or projects of a row are not a JSON array of strings, the server cannot read the row \
             either, and treats the user as unknown. The verbs list and show print such a row with an error and end with \
             status 74; the other rows are printed. An import with --update replaces the row.",
            "Roles are admin, support, manager, user, api, and anonymous. Only a manager has projects. Commas \
             separate roles and projects in every option and argument; an option may also be repeated. The name of a \
             project does not have a comma.",
            "While a database in WAL mode is open, SQLite stores a log and an index beside it (-wal, -shm). An \
             account that may write to the database removes them at the end if no other program needs them; an \
             account that may only read it creates none. If one of them belongs to an account that the \
             server's account cannot share it with, the error names the file and its owner (status 77). Any \
             verb that this owner or root runs removes the file. Move or copy a database only together with \
             its log.",
            "A database that is replaced by another file while a verb runs is not changed (status 75).",
        ],
        sections: &[(
            "Users of a running server",
            &[
                "With --server URL, the verbs list, show, set, role and project send the requests of the server's \
                 REST interface, instead of using a database. They need a token of a user with the roles admin and \
                 api: that of --token-file, or of the session that 'cc-login NAME --server URL' stored. The verbs \
                 add and del need a web login: --admin NAME, with a prompt for the password of the administrator, \
                 or --admin-password-stdin or --admin-password-file. The other verbs accept --admin instead of a \
                 token. --password-stdin and --password-file of add are for the password of the new user.",
                "The server has no request that changes a password, a full name or a mail address, that disables or \
                 renames a user, or that imports, exports or synchronizes users: run the verb in the directory of \
                 the server, without --server.",
                "A change of several roles and projects is one request each. If one fails, the error names what the \
                 server did before and what it did not do; the command may be repeated. --dry-run of set requests \
                 the users and sends no change. The server permits 5 logins in 15 minutes for each client address \
                 and username, successful ones included.",
                "The URL is https, or http to this computer. No redirect is followed. Each verb requests the list of all users, of \
                 at most 256 MiB, which is in memory. The server does not report passwords \
                 and disabled users: has_password and disabled are null in JSON. An empty full name or mail address \
                 counts as none. The username of a changed user cannot have a slash.",
            ],
        )],
        examples: &[
            example("cc-user add mia --role api", "An account for a program", 0),
            example("cc-user list --role api", "List the users of the REST interface", 0),
            parses(
                "cc-user role add fritz support --server https://cc.example.org --token-file admin.jwt",
                "Add a role at a running server",
            ),
        ],
        files: &[
            ("./.env", "with keys and passwords; init and sync-ldap need it"),
            ("./config.json", "the server's configuration; its main.db names the database"),
            ("./var/job.db", "the database, unless configured otherwise"),
        ],
        environment: &[
            ("CC_DB", "the database, like --db"),
            ("CC_CONFIG", "the configuration, like --config"),
            ("CC_ENV_FILE", "the environment file, like --env-file"),
        ],
        see_also: &["cc-jwt(1)", "gen-keypair(1)", "cc-login(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "init",
        description: &[
            "Creates what is missing, and does not change existing files: the environment file with a new key \
             pair and a session key (mode 0600), a minimal configuration, an empty job archive, and a database \
             without users (mode 0600; new directories have mode 0700). If the environment file does not have \
             one of the keys, the key is added at its end. Run the command as the account of the server, \
             because only that account can read the files. If root runs it, each new file belongs to the owner \
             of its directory.",
            "A server of version 1.5 starts with this configuration. It listens on the loopback address, \
             tokens expire after 168h, and the server looks up each user in the database (validate-user), so \
             that it rejects the tokens of a deleted user.",
            "The database has the tables of the server's schema version 3, the oldest one with all columns of \
             a user. Run 'cc-backend -migrate-db' once before the server's first start: it migrates the \
             database to the server's version, with all users. cc-user works with both.",
            "To move accounts into another server's database, run 'cc-backend -migrate-db' in that server's directory if it has no database yet, then 'cc-user import' there with a file that 'cc-user export --with-passwords' wrote.",
            "--ldap adds the section auth.ldap to a new configuration, with roles and projects from LDAP groups: rfc2307 (memberUid), rfc2307bis (member), freeipa (memberOf), lldap (uniqueMember) or ad (Active Directory). Adapt it to the LDAP directory, then run 'cc-user sync-ldap --check'. For a configuration that exists, the section is printed.",
            "Files of an earlier database (-wal, -shm, -journal) without the database itself are an error, because SQLite would apply them to the new one.",
        ],
        examples: &[
            example("cc-user init", "Set up the working directory", 0),
            example(
                "cc-user --config new.json init --ldap freeipa",
                "The same with roles and projects from the groups of FreeIPA",
                0,
            ),
            example(
                "cc-user export --with-passwords -o users.jsonl\ncc-user --db other.db init -q && cc-user --db other.db import users.jsonl",
                "Move all accounts into another database",
                0,
            ),
        ],
        files: &[
            ("./.env", "JWT_PUBLIC_KEY, JWT_PRIVATE_KEY, SESSION_KEY"),
            ("./config.json", "the configuration"),
            ("./var/job.db", "the database"),
            ("./var/job-archive", "the job archive, empty"),
        ],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "add",
        description: &[
            "Adds a local user. The command prompts for the password twice, or reads it from --password-stdin \
             or --password-file. A user with only the role api needs no password. A password has at most 72 \
             bytes and no NUL, because bcrypt uses no more.",
            "A username has 1 to 100 bytes, no control or invisible character, and no blank at either end. A \
             manager needs a project, and only a manager has projects. All errors are printed together, before \
             a prompt and before a change.",
            "NAME:ROLE[,ROLE]:PASSWORD is accepted as in the server's own -add-user, with a warning: every account that can list the processes sees the password.",
            "The server also writes the metrics of its file default_metrics.json into its table 'configuration' for each user that it adds; cc-user does not, because that table belongs to the server. Such a user sees the metrics that the configuration selects.",
        ],
        examples: &[
            parses(
                "cc-user add anna --role admin --name 'Anna Berg' --email anna@site.example",
                "An administrator, with a prompt for the password",
            ),
            example("cc-user add mia --role api", "An account for a program, without a password", 0),
            example(
                "(umask 077; head -c 12 /dev/urandom | base64 > password.txt)\ncc-user add max --role user --password-file password.txt",
                "A random password",
                0,
            ),
            example(
                "cc-user add paul --role manager --project physics --no-password",
                "A manager who logs in by another method",
                0,
            ),
        ],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "set",
        description: &[
            "Changes the full name, mail address, roles and projects of a user in one transaction: all changes \
             are made, or none. --role and --project replace all roles or projects; --add-role, --remove-role, \
             --add-project and --remove-project change single ones. An entry that the user already has, or does \
             not have, causes a note, so that the command may be repeated. --role and --project also repair a \
             column that the server cannot read.",
            "Only a manager has projects. The rule is checked after the whole change, so that one command can \
             make a user a manager and set the projects.",
            "An empty value of --name or --email is an error, because it is often an unset variable of a \
             script; --clear-name and --clear-email remove the value. The next synchronization sets the full \
             name of an LDAP user again.",
            "Open web sessions have the old roles and projects for up to session-max-age, and so do tokens \
             unless validate-user is set. A user who loses a role or project causes a warning, and so does the \
             last user with the role admin.",
            "The password is changed with cc-user-passwd(1), the username with cc-user-rename(1).",
        ],
        examples: &[
            example(
                "cc-user set fritz --name 'Fritz Kranz' --email fritz@site.example",
                "A full name and a mail address",
                0,
            ),
            example(
                "cc-user set fritz --role manager --project physics --project chemistry",
                "Replace all roles, and set the projects",
                0,
            ),
            example("cc-user set fritz --add-role support --remove-role api", "Change single roles", 0),
            example("cc-user set fritz --role admin --dry-run --json", "Print the user before and after", 0),
        ],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "rename",
        description: &[
            "Renames a local user in one transaction, with the password, roles, projects and the settings that \
             the server has for the user. A disabled user is disabled under the new username too.",
            "A user with jobs or private tags in the database is rejected, and there is no option to rename them \
             too: each finished job has a file in the job archive with the old username, and the server writes \
             the username of that file to the database when it reads the archive again. The user would lose \
             jobs. Add a user with the new username instead, and disable the old one.",
            "The username of an LDAP, token or OpenID user comes from this auth source, whose next sync or login \
             would add the old username again. Such a user is rejected too.",
            "Open web sessions have the old username for up to session-max-age. Tokens of the old username \
             remain valid until they expire, unless validate-user is set; then the server rejects them at once. \
             A new user with the old username makes such tokens valid again. Logins by LDAP, token or OpenID \
             find users by username: rename the account there too, or they add the old username as a new user.",
        ],
        examples: &[
            example("cc-user rename fritz friedrich", "Rename a user", 0),
            example("cc-user rename fritz friedrich --dry-run", "Check whether a user can be renamed", 0),
        ],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "disable",
        description: &[
            "Disables a user until cc-user-enable(1), without deleting the user. The roles of the user move to \
             the file DATABASE.history.disabled.json, for example ./var/job.db.history.disabled.json (mode 0600), so \
             that the server gives the user no rights. A password hash gets the prefix '!', so that no password \
             matches it. The full name, mail address, projects and settings of the user remain. A user who is \
             disabled already causes a note.",
            "The command warns of what remains possible at the server: open web sessions have the old roles for \
             up to session-max-age. Without validate-user tokens have their old roles until they expire; with it \
             only GraphQL and the web pages accept them, without rights. An LDAP, token or OpenID user can still \
             log in, without rights, or with the roles of the token or provider where update-user-on-login is \
             set: lock the account there too. 'A user must be locked out now' in cc-auth(7) describes how to end \
             web sessions and tokens.",
            "While a user is disabled, the roles and the password cannot be changed, a login with the password \
             fails as with a wrong password, and sync-ldap does not change the roles. 'cc-user list' prints \
             (disabled) instead of the roles.",
            "cc-user-sync-ldap(1) with a grace period disables users in the same way, and enables and deletes them. \
             If such a user is disabled by hand, the user stays disabled and is not deleted.",
            "The file belongs to the database: copy and restore both together. 'cc-user export' writes what is in \
             the database, thus a disabled user without roles and with the locked hash. An import with roles \
             enables the user; the password stays locked unless the import has a hash. 'cc-user del' removes the user from the file.",
        ],
        examples: &[
            example("cc-user disable fritz", "Disable a user", 0),
            example("cc-user disable fritz --dry-run", "Print what would remain possible", 0),
        ],
        files: &[("DATABASE.history.disabled.json", "the roles of disabled users, beside the database")],
        see_also: &["cc-user-enable(1)", "cc-user(1)", "cc-auth(7)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "enable",
        description: &[
            "Enables a user that cc-user-disable(1) disabled: the user has the roles and the password as before. \
             A locked password hash ('!' in front) of a user who is not in the file of disabled users is unlocked \
             too, for example after an import into another database; such a user gets roles with \
             cc-user-set(1). A user who is not disabled causes a note.",
            "If the LDAP directory still does not have the user, a new grace period begins at the next synchronization.",
        ],
        examples: &[example("cc-user disable fritz -q\ncc-user enable fritz", "Enable a user again", 0)],
        files: &[("DATABASE.history.disabled.json", "the roles of disabled users, beside the database")],
        see_also: &["cc-user-disable(1)", "cc-user(1)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "del",
        description: &[
            "Deletes all named users, or none if one of them does not exist. The next synchronization or login \
             would add a user of an LDAP directory, a token or an OpenID provider again. Such a user is \
             deleted only if --source names the auth source.",
            "Open web sessions of the user remain valid for up to session-max-age. Tokens remain valid until \
             they expire, unless validate-user is set. Both cause a warning. 'A user must be locked out now' \
             in cc-auth(7) describes how to end them.",
            "'cc-user undo LAST' restores users who were deleted by mistake. A local user then does not have a \
             password.",
        ],
        examples: &[
            example("cc-user del fritz", "Delete a user", 0),
            example("cc-user del unknown", "A user who does not exist", 1),
        ],
        see_also: &["cc-user-undo(1)", "cc-user(1)", "cc-auth(7)"],
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "list",
        description: &[
            "Lists the users in the order of their names, as a table that fits the terminal. The first 1000 users \
             determine the widths of the columns; a longer value is cut with an ellipsis. --wide prints complete \
             values. The number of users goes to standard error, except with --quiet, --names and --json.",
            "Into a pipe or a file, each user is one line with a tab between two values, without a line of \
             headings and without cut values. The columns are username, name, roles, source, projects, email, or \
             those of --columns. An empty value is '-'; roles and projects have commas between them. In a value, \
             a tab is written as \\t, a line end as \\n and a backslash as \\\\, and other control and \
             invisible characters as \\u{HEX}.",
            "With --json the report is one array, with one object a line for each user.",
            "A PATTERN is compared with the whole username: * matches any number of characters, ? exactly one. \
             Quote it, so that the shell does not replace it by the names of files. Of several patterns, and of \
             several roles, one is enough; all other conditions must be met together.",
            "--sort orders users with equal values by their usernames, and puts users without a value last. All \
             users are written while the database is read, so that the memory is bounded.",
            "--not-in-ldap reads the LDAP directory with the settings and the password of sync-ldap. If the response \
             is incomplete or has no users, no user is listed and the status is not 0. 'cc-user sync-ldap \
             --delete-missing' deletes the listed users. --disabled has times of deletion only with sync-grace-period.",
        ],
        examples: &[
            example("cc-user list", "All users", 0),
            example(
                "cc-user list 'user*' --role admin,api",
                "List administrators and programs by a pattern",
                0,
            ),
            example("cc-user list --role manager --project physics", "List the managers of a project", 0),
            example("cc-user list --source ldap --names", "List the usernames of LDAP users", 0),
            example(
                "cc-user list --sort source,-username --limit 10",
                "List the first ten users in another order",
                0,
            ),
            example("cc-user list --columns username,email | cut -f 2", "Print the mail addresses", 0),
        ],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "show",
        description: &[
            "Prints users: the row of the user table, the endpoints that accept a token with these roles, and for \
             each login method whether it works with the present settings, or why it does not. No server is \
             contacted without --why and --server. The password is not printed, only whether the user has a usable one.",
            "With --why the LDAP directory is read, and each role and project is printed with its reason: the rule \
             of group-map and the chain of groups, from the group of the user to the one that the rule names. A role \
             or project without a rule was set by hand. The report also names what the next synchronization adds \
             or removes. The connection has the options of cc-user-sync-ldap(1).",
            "A user who does not exist is an error with status 1; the other users are printed. With --json the \
             report of one NAME is an object, and that of several names is an array of those that exist.",
        ],
        examples: &[
            example("cc-user show fritz", "A user", 0),
            example("cc-user show fritz unknown", "Two users, the second does not exist", 1),
            example("cc-user show fritz --json", "The same for a program", 0),
            parses("cc-user show fritz --why", "Print why the user has roles and projects"),
        ],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "passwd",
        description: &[
            "Changes the password of a local user. The command prompts for it twice, or reads it from \
             --password-stdin or --password-file. Users with another auth source do not have a password in the \
             database.",
            "Open web sessions and tokens of the user remain valid, which causes a warning. 'A user must be \
             locked out now' in cc-auth(7) describes how to end them.",
        ],
        examples: &[
            parses("cc-user passwd fritz", "Prompt for the new password"),
            example("cc-user passwd fritz --delete", "Disable the login by password", 0),
        ],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "role",
        description: &[
            "Adds roles to a user or removes them. Open web sessions have the old roles for up to \
             session-max-age. Tokens have their old roles, unless the server uses the roles of its database \
             (validate-user).",
        ],
        examples: &[example(
            "cc-user role add fritz support\ncc-user role remove fritz api",
            "Replace a role",
            0,
        )],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "role add",
        description: &[
            "Adds roles to a user. A role that the user already has causes a note. 'cc-user project add' adds \
             projects to a new manager.",
        ],
        examples: &[example("cc-user role add fritz support", "Add a role", 0)],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "role remove",
        description: &[
            "Removes roles from a user. A role that the user does not have causes a note, so that the command \
             may be repeated. A role that is unknown to the server can be removed from a user who has it, and \
             is an error otherwise. The role manager cannot be removed while projects remain.",
            "Open web sessions have the old roles for up to session-max-age, and so do tokens unless \
             validate-user is set. Both cause a warning.",
        ],
        examples: &[
            example("cc-user role remove fritz api", "Remove a role", 0),
            example("cc-user role remove fritz admin", "A role the user does not have", 0),
        ],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "project",
        description: &["Adds projects to a manager or removes them."],
        examples: &[parses("cc-user project add paul chemistry", "One more project")],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "project add",
        description: &[
            "Adds projects to a manager. A project that the manager already has causes a note. From 200 \
             projects on there is a warning: with about 300 the session cookie has more than 4096 characters, \
             the server cannot create it, and the manager cannot log in on the web.",
        ],
        examples: &[
            example(
                "cc-user add paul --role manager --project physics --no-password\ncc-user project add paul chemistry",
                "One more project",
                0,
            ),
            example("cc-user project add fritz physics", "A user who is not a manager", 1),
        ],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "project remove",
        description: &[
            "Removes projects from a user. A project that the user does not have causes a note, so that the \
             command may be repeated. Open web sessions have the old projects for up to session-max-age, which \
             causes a warning.",
        ],
        examples: &[example(
            "cc-user add paul --role manager --project physics --no-password\ncc-user project remove paul physics",
            "A manager without a project",
            0,
        )],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "import",
        description: &[
            "Adds the users of a file in one transaction. If a line is invalid, nothing is imported, and the first ten invalid lines are printed with their numbers; with --keep-going the valid lines are imported, and the exit status is that of the first invalid line. No text of the file is repeated in a message, because a file without a header line has password hashes in any column.",
            "CSV begins with a header line that names the columns in any order: username (required), name, email, roles, projects, source, password_hash. It is read as RFC 4180 describes, with LF or CRLF and with or without a byte order mark; the separator is a comma, or a semicolon where the header line has no comma. Lines of empty fields are skipped. Roles and projects are separated by commas inside their field, or are a JSON array. An empty field means no value, and in source and password_hash the default of a new user or no change of an existing one; an empty field in quotes is empty text.",
            "JSON lines have one object a line with members of the same names; roles and projects are arrays of strings. A member that is missing changes nothing, null means no value.",
            "Everything that 'cc-user export' writes is accepted. A value that has no plain form is in its exact form there: an object with one member out of text, text_hex, blob_hex, integer, real and null, such as {\"text\":\"damaged\"}. What 'cc-user add' rejects (unknown roles, projects of a user who is not a manager, unusual names) causes a warning, since the server or another tool may have stored it.",
            "A user who is in the database already is an error without --update or --skip-existing. --skip-existing skips the line whatever it contains. --update changes the columns that the line has; it never changes the source, and a user without changes is counted as unchanged.",
            "A password_hash is a bcrypt hash ($2a$, $2b$ or $2y$), which may be locked by '!' or '*' in front, or begin with {BCRYPT} or {CRYPT}. Anything else is rejected unless it is in its exact form: a password in plain text would be stored as it is.",
        ],
        examples: &[
            example(
                "printf 'username,roles\\nmia,api\\nmax,\"user,api\"\\n' | cc-user import -",
                "CSV from another program",
                0,
            ),
            example(
                "cc-user export -o users.csv\ncc-user import --update --dry-run users.csv",
                "Print what an import would change",
                0,
            ),
        ],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    ManualPage {
        path: "export",
        description: &[
            "Writes users in the order of their names, in the form that import reads: every row, as it is stored, including columns that the server cannot read. A damaged row causes a warning. A value that has no plain form is written in its exact form, see cc-user-import(1). Bytes in a text column are written as text, except in the username.",
            "Password hashes are written only with --with-passwords, and then only to a file of mode 0600 or \
             to a standard output that --output - requests, because weak passwords can be guessed from their \
             hashes.",
        ],
        examples: &[
            example("cc-user export > users.csv", "All users as CSV", 0),
            example("cc-user export --role api --format jsonl", "Some users as JSON lines", 0),
            example("cc-user export --with-passwords -o accounts.jsonl", "All data for another database", 0),
        ],
        see_also: SEE_ALSO,
        ..ManualPage::EMPTY
    },
    super::pages_history::LOG,
    super::pages_history::UNDO,
    super::sync_ldap::PAGE,
    super::sync_slurm::PAGE,
    super::page_doctor::PAGE,
    completion::page(&[
        completion::example(
            "mkdir -p ~/.local/share/bash-completion/completions\ncc-user completion bash > ~/.local/share/bash-completion/completions/cc-user",
            "For bash",
        ),
        completion::example(
            "cc-user completion zsh > ~/.cc-user.zsh\necho 'source ~/.cc-user.zsh' >> ~/.zshrc",
            "For zsh",
        ),
        completion::example(
            "mkdir -p ~/.config/fish/completions\ncc-user completion fish > ~/.config/fish/completions/cc-user.fish",
            "For fish",
        ),
        completion::example(
            "mkdir -p ~/.config/elvish\ncc-user completion elvish > ~/.cc-user.elv\necho 'eval (slurp < ~/.cc-user.elv)' >> ~/.config/elvish/rc.elv",
            "For elvish",
        ),
    ]),
];
