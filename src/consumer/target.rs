//! The place of a token: a file, and a member of it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::util::redact::redact_member;

/// One step to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TargetStep {
    /// The file itself is the token.
    Whole,
    /// A member of JSON or YAML, as the parts of a JSON pointer (RFC 6901).
    Pointer(Vec<String>),
    /// A setting: the names of its section and of the setting, with dots.
    Setting(String),
}

impl TargetStep {
    /// Whether the step leads to the member with this path.
    pub(super) fn matches(&self, path: &[String]) -> bool {
        match self {
            Self::Whole => path.is_empty(),
            Self::Pointer(pointer) => pointer == path,
            Self::Setting(name) => path.join(".") == *name,
        }
    }
}

/// Writes a path as a JSON pointer (RFC 6901).
pub(super) fn pointer(path: &[String]) -> String {
    path.iter().flat_map(|name| ["/".to_owned(), name.replace('~', "~0").replace('/', "~1")]).collect()
}

/// The member of a file that contains a token, as [`crate::scan`] prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetMember(Vec<TargetStep>);

impl TargetMember {
    pub(super) fn steps(&self) -> &[TargetStep] {
        &self.0
    }

    /// The member that these steps lead to, with another step at an index.
    pub(super) fn with_step(steps: &[TargetStep], index: usize, text: &str) -> Option<Self> {
        let mut steps = steps.to_vec();
        *steps.get_mut(index)? = step(text).ok()?;
        Some(Self(steps))
    }

    /// Whether the file itself is the token.
    pub(super) fn is_whole_file(&self) -> bool {
        self.0 == [TargetStep::Whole]
    }
}

impl fmt::Display for TargetMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = self
            .0
            .iter()
            .map(|step| match step {
                TargetStep::Whole => String::new(),
                TargetStep::Pointer(path) => pointer(path),
                TargetStep::Setting(name) => name.clone(),
            })
            .collect();
        f.write_str(&redact_member(&steps.join("#")))
    }
}

/// A file and a member of it: `FILE#/json/pointer`, `FILE#SETTING`, or `FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The file.
    pub file: PathBuf,
    /// The member.
    pub member: TargetMember,
}

/// Why a target is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetSyntaxError {
    /// The name of the file is empty.
    #[error("expected FILE, FILE#/json/pointer or FILE#SETTING")]
    NoFile,
    /// Nothing follows a `#`.
    #[error("expected a JSON pointer such as /cc/jwt or the name of a setting after '#'")]
    EmptyMember,
    /// A `~` in a pointer is not `~0` or `~1` (RFC 6901 3).
    #[error("invalid JSON pointer: expected ~0 for '~' and ~1 for '/' in a name")]
    Pointer,
}

impl Target {
    /// Parses a target.
    ///
    /// # Errors
    /// [`TargetSyntaxError`].
    pub fn parse(text: &str) -> Result<Self, TargetSyntaxError> {
        let mut parts = text.split('#');
        let file = parts.next().filter(|file| !file.is_empty()).ok_or(TargetSyntaxError::NoFile)?;
        let mut steps: Vec<TargetStep> = parts.map(step).collect::<Result<_, _>>()?;
        if steps.is_empty() {
            steps.push(TargetStep::Whole);
        }
        Ok(Self { file: PathBuf::from(file), member: TargetMember(steps) })
    }

    /// The same target with its file relative to a directory.
    #[must_use]
    pub fn below(self, directory: &Path) -> Self {
        Self { file: directory.join(self.file), ..self }
    }
}

fn step(text: &str) -> Result<TargetStep, TargetSyntaxError> {
    if text.is_empty() {
        return Err(TargetSyntaxError::EmptyMember);
    }
    let Some(pointer) = text.strip_prefix('/') else { return Ok(TargetStep::Setting(text.to_owned())) };
    pointer.split('/').map(part).collect::<Result<_, _>>().map(TargetStep::Pointer)
}

fn part(text: &str) -> Result<String, TargetSyntaxError> {
    let is_escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if is_escaped { Ok(text.replace("~1", "/").replace("~0", "~")) } else { Err(TargetSyntaxError::Pointer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_is_a_file_with_a_member() {
        for (text, file, member) in [
            ("a.json#/cc/jwt", "a.json", "/cc/jwt"),
            ("/etc/s.yaml#/data/sinks.json#/http/jwt", "/etc/s.yaml", "/data/sinks.json#/http/jwt"),
            ("x.env#TOKEN", "x.env", "TOKEN"),
            ("u.service#Service.Environment.TOKEN", "u.service", "Service.Environment.TOKEN"),
            ("token", "token", ""),
            ("a#/x~1y/~0", "a", "/x~1y/~0"),
            ("a#/", "a", "/"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.file.to_str().unwrap(), target.member.to_string().as_str()), (file, member));
        }
        for (text, error) in [
            ("", TargetSyntaxError::NoFile),
            ("#/a", TargetSyntaxError::NoFile),
            ("a#", TargetSyntaxError::EmptyMember),
            ("a#/x#", TargetSyntaxError::EmptyMember),
            ("a#/x~2", TargetSyntaxError::Pointer),
            ("a#/x~", TargetSyntaxError::Pointer),
        ] {
            assert_eq!(Target::parse(text), Err(error), "{text}");
        }
    }
}
