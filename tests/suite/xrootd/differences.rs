//! Where XRootD 5.5 with libscitokens 0.7 and `cc-jwt verify` differ, and why. The page
//! `docs/osdf-tokens.md` has the same list.

/// A reason for which the two give different answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Difference {
    /// XRootD compares paths as text.
    NamePrefix,
    /// XRootD removes the slash at the end of a scope.
    TrailingSlash,
    /// XRootD reads a scope without a path as one for the whole tree.
    MissingPath,
    /// XRootD puts a slash before a path without one.
    RelativePath,
    /// XRootD resolves `.`, `..` and `//`.
    NotNormalPath,
    /// XRootD does not read `crit`.
    CriticalHeader,
    /// The WLCG profile requires `jti` and `kid`.
    RequiredByProfile,
    /// XRootD compares percent escapes as text.
    PercentEscape,
    /// XRootD reads `storage.…` in tokens of the WLCG profile only.
    StorageInSciTokens,
    /// XRootD knows one version of the WLCG profile.
    MinorVersion,
    /// XRootD knows ES256 and RS256.
    Algorithm,
    /// XRootD reads times that are integers.
    FractionalTime,
    /// XRootD requires `sub`, `iat` and `nbf` in every profile.
    RequiredThere,
    /// The site restricts the paths of the issuer's tokens.
    RestrictedPath,
}

impl Difference {
    /// Whether XRootD is the one that permits.
    pub const fn is_wider_there(self) -> bool {
        matches!(
            self,
            Self::NamePrefix
                | Self::TrailingSlash
                | Self::MissingPath
                | Self::RelativePath
                | Self::NotNormalPath
                | Self::CriticalHeader
                | Self::RequiredByProfile
        )
    }

    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::NamePrefix,
        Self::TrailingSlash,
        Self::MissingPath,
        Self::RelativePath,
        Self::NotNormalPath,
        Self::CriticalHeader,
        Self::RequiredByProfile,
        Self::PercentEscape,
        Self::StorageInSciTokens,
        Self::MinorVersion,
        Self::Algorithm,
        Self::FractionalTime,
        Self::RequiredThere,
        Self::RestrictedPath,
    ];

    /// Its name in the page.
    pub const fn title(self) -> &'static str {
        match self {
            Self::NamePrefix => "Name that begins with the name in the scope",
            Self::TrailingSlash => "Slash at the end of the scope",
            Self::MissingPath => "Scope without a path",
            Self::RelativePath => "Relative path",
            Self::NotNormalPath => "Path with `.`, `..` or `//`",
            Self::CriticalHeader => "`crit` in the header",
            Self::RequiredByProfile => "No `jti`, no `kid`",
            Self::PercentEscape => "Percent escape in a path",
            Self::StorageInSciTokens => "`storage` scope in a SciTokens token",
            Self::MinorVersion => "`wlcg.ver` 1.1 and later",
            Self::Algorithm => "ES384, EdDSA and others",
            Self::FractionalTime => "Time with a fraction",
            Self::RequiredThere => "No `sub`, `iat` or `nbf`",
            Self::RestrictedPath => "Scope above a restricted path",
        }
    }
}
