//! Exit statuses.

/// The exit status of a program; the numbers are those of BSD `sysexits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ExitStatus {
    /// 0: success: the token is valid, the login is accepted.
    Success,
    /// 1: the result is negative.
    Negative,
    /// 2: the command line is invalid.
    Usage,
    /// 65: the input data is invalid.
    Data,
    /// 66: an input file is missing or unreadable.
    NoInput,
    /// 69: a service cannot be reached or failed.
    Unavailable,
    /// 73: an output cannot be created, or exists.
    CantCreate,
    /// 74: a read or write error, a corrupt database.
    Io,
    /// 75: try again later.
    TryAgain,
    /// 77: not permitted.
    NotPermitted,
    /// 78: the configuration is missing or invalid.
    Config,
    /// 126: the command of `cc-login run` cannot be executed.
    NotExecutable,
    /// 127: the command of `cc-login run` does not exist.
    NotFound,
    /// 0 to 3: the state of a Nagios plugin, only with `--nagios`.
    Nagios(u8),
    /// The exit status of the command of `cc-login run`, or 128 and the number of the signal that ended it.
    Command(u8),
}

impl ExitStatus {
    /// The numeric exit status.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Negative => 1,
            Self::Usage => 2,
            Self::Data => 65,
            Self::NoInput => 66,
            Self::Unavailable => 69,
            Self::CantCreate => 73,
            Self::Io => 74,
            Self::TryAgain => 75,
            Self::NotPermitted => 77,
            Self::Config => 78,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Nagios(state) | Self::Command(state) => state,
        }
    }

    /// All statuses with their meaning for the manual, sorted by number.
    pub const TABLE: [(Self, &'static str); 13] = [
        (Self::Success, "success: the token is valid, the login is accepted"),
        (
            Self::Negative,
            "the answer is negative: token not valid, login rejected, user not found, renewal due with --check, a problem found by a scan",
        ),
        (Self::Usage, "wrong usage"),
        (Self::Data, "invalid input data: no PEM, no token, a malformed CSV line"),
        (Self::NoInput, "an input file is missing or unreadable"),
        (Self::Unavailable, "a service cannot be reached or failed: LDAP, OpenID provider, JWKS, server"),
        (
            Self::CantCreate,
            "an output cannot be created, or exists and --force was not given; the user exists already",
        ),
        (Self::Io, "read or write error, corrupt database"),
        (
            Self::TryAgain,
            "temporary failure or safety limit: database locked, too many attempts, too many deletions",
        ),
        (Self::NotPermitted, "not permitted: credentials rejected, file permissions"),
        (Self::Config, "configuration missing or invalid"),
        (Self::NotExecutable, "the command to run cannot be executed"),
        (Self::NotFound, "the command to run does not exist"),
    ];
}
