//! The trait of all errors that end a command: a stable kind, an exit status and a hint.

use std::error::Error;

use super::kind::Kind;
pub use super::status::ExitStatus;

/// An error that ends a command. Each module has one enum that implements this trait, usually with
/// the macro `diagnostics!`. Its `Display` is one line, lower case, without a final stop.
pub trait Diagnostic: Error + Send + Sync + 'static {
    /// The kind of the error, which determines its stable name and exit status.
    fn kind(&self) -> Kind;

    /// The exit status of the program, derived from the kind.
    fn status(&self) -> ExitStatus {
        self.kind().status()
    }

    /// The next step for the user, preferably a command that can be pasted.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Implements [`Diagnostic`] for an error enum from one table with the kind of each variant and an
/// optional hint (a `&str`, a `String` or an `Option<String>`).
///
/// ```ignore
/// diagnostics! { FileError:
///     Self::Missing(_) => Kind::FileMissing;
///     Self::Exists(_) => Kind::OutputExists, "--force replaces it";
///     Self::Http(error) => error.kind(), error.hint();
/// }
/// ```
macro_rules! diagnostics {
    ($error:ty: $($pattern:pat $(if $guard:expr)? => $kind:expr $(, $hint:expr)?;)*) => {
        impl $crate::util::diagnostic::Diagnostic for $error {
            #[allow(unused_variables, reason = "a binding may be for the hint alone")]
            fn kind(&self) -> $crate::util::kind::Kind {
                match self {
                    $($pattern $(if $guard)? => $kind,)*
                }
            }

            #[allow(unused_variables, reason = "a binding may be for the kind alone")]
            fn hint(&self) -> Option<String> {
                let hint: Option<String> = match self {
                    $($pattern $(if $guard)? => $crate::util::diagnostic::diagnostics!(@hint $($hint)?),)*
                };
                hint
            }
        }
    };
    (@hint) => {
        None
    };
    (@hint $hint:expr) => {
        $crate::util::diagnostic::IntoHint::into_hint($hint)
    };
}
pub(crate) use diagnostics;

/// A type that [`diagnostics!`] accepts as a hint.
pub(crate) trait IntoHint {
    /// The hint, if there is one.
    fn into_hint(self) -> Option<String>;
}

impl IntoHint for &str {
    fn into_hint(self) -> Option<String> {
        Some(self.to_owned())
    }
}

impl IntoHint for String {
    fn into_hint(self) -> Option<String> {
        Some(self)
    }
}

impl IntoHint for Option<String> {
    fn into_hint(self) -> Self {
        self
    }
}
