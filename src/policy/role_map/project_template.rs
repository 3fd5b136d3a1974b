//! Projects of a rule: a name, or a name with the captured text.

use super::name_pattern::NamePattern;
use crate::user::account::MAX_TEXT;
use crate::user::{AccountError, ProjectName};
use crate::util::quote::quote;

/// The placeholder of the captured text.
const CAPTURED: &str = "$1";

/// The name of a project, in which `$1` is the captured text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectTemplate {
    before: String,
    /// The text after `$1`; `None` for a name without it.
    after: Option<String>,
}

/// A text that is not a project of a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProjectTemplateError {
    /// A `$` that is not the one placeholder.
    #[error("invalid project {}: expected at most one $, as in $1", quote(.0))]
    Placeholder(String),
    /// Not the name of a project.
    #[error(transparent)]
    Name(#[from] AccountError),
}

impl std::str::FromStr for ProjectTemplate {
    type Err = ProjectTemplateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (before, after) = match text.split_once(CAPTURED) {
            Some((before, after)) => (before, Some(after)),
            None => (text, None),
        };
        if before.contains('$') || after.is_some_and(|after| after.contains('$')) {
            return Err(ProjectTemplateError::Placeholder(text.to_owned()));
        }
        text.parse::<ProjectName>()?;
        Ok(Self { before: before.to_owned(), after: after.map(str::to_owned) })
    }
}

impl ProjectTemplate {
    /// Returns whether the project depends on the captured text.
    #[must_use]
    pub const fn has_capture(&self) -> bool {
        self.after.is_some()
    }

    /// Returns the name of the project; `None` if no project can have this name.
    #[must_use]
    pub fn project(&self, captured: &str) -> Option<ProjectName> {
        let name = match &self.after {
            Some(_) if captured.len() > 4 * MAX_TEXT => return None,
            Some(after) => format!("{}{captured}{after}", self.before),
            None => self.before.clone(),
        };
        name.parse().ok()
    }

    /// Returns whether a project can come from this rule: it has this name, or with `$1` the text before
    /// and after it, and the captured text.
    #[must_use]
    pub fn may_give(&self, project: &str) -> bool {
        match &self.after {
            None => self.before == project,
            Some(after) => project
                .strip_prefix(self.before.as_str())
                .is_some_and(|rest| rest.len() > after.len() && rest.ends_with(after.as_str())),
        }
    }

    /// Returns whether the pattern captures the text that this project needs.
    #[must_use]
    pub fn fits(&self, pattern: Option<&NamePattern>) -> bool {
        !self.has_capture() || pattern.is_some_and(NamePattern::has_capture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> ProjectTemplate {
        text.parse().unwrap()
    }

    #[test]
    fn template_gives_the_project_of_the_captured_text() {
        let project = |text: &str, captured: &str| {
            template(text).project(captured).map(|project| project.as_str().to_owned())
        };
        assert_eq!(project("$1", "Astro").as_deref(), Some("Astro"));
        assert_eq!(project("hpc-$1-x", "a").as_deref(), Some("hpc-a-x"));
        assert_eq!(project("astro", "ignored").as_deref(), Some("astro"));
        for invalid in ["", "a,b", " a", "a\n", &"x".repeat(256)] {
            assert_eq!(project("$1", invalid), None, "{invalid:?}");
        }
    }

    #[test]
    fn template_may_give_the_projects_of_its_form_only() {
        assert!(template("hpc-$1").may_give("hpc-a") && template("$1").may_give("anything"));
        assert!(!template("hpc-$1").may_give("hpc-") && !template("hpc-$1").may_give("ahpc-a"));
        assert!(template("astro").may_give("astro") && !template("astro").may_give("Astro"));
        assert!(!template("ab$1ba").may_give("aba"));
    }

    #[test]
    fn template_with_another_placeholder_is_rejected() {
        for text in ["$2", "$1$1", "a$", "", "a,b"] {
            assert!(text.parse::<ProjectTemplate>().is_err(), "{text}");
        }
    }
}
