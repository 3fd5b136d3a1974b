//! The output of `sacctmgr -P show assoc` and `sacctmgr -P show user`.
//!
//! Fields are separated by `|` without quoting. Slurm 22.05 accepts names of users and accounts that contain it; such
//! output is malformed. The first line of each command is the header with the names of the columns, so that the outputs can be in one
//! file. The associations come first: their users and accounts show whether the users are complete, but not
//! the other way around, since Slurm lists users and coordinated accounts of a deleted cluster. Seen with
//! Slurm 22.05.

use super::error::SlurmError;

/// The output of both commands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlurmAnswer {
    /// The rows of `show assoc`.
    pub associations: Vec<Association>,
    /// The rows of `show user`.
    pub users: Vec<SlurmUser>,
}

/// An account of a cluster, or a user in an account of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    /// The cluster.
    pub cluster: String,
    /// The account.
    pub account: String,
    /// The user; `None` in the row of the account itself.
    pub user: Option<String>,
    /// The parent of an account; `None` for the account `root` and for users.
    pub parent: Option<String>,
}

/// A user of Slurm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlurmUser {
    /// The username, usually in lower case.
    pub name: String,
    /// The administrative level.
    pub level: AdminLevel,
    /// The accounts that the user coordinates, in all clusters: those named by the administrator and
    /// those below them, which Slurm does not distinguish.
    pub coordinates: Vec<String>,
}

/// The administrative level of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdminLevel {
    /// A user without further privileges.
    None,
    /// May change accounts and users.
    Operator,
    /// May do everything.
    Administrator,
}

/// A table in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Associations,
    Users,
}

impl Table {
    /// The table whose titles a line has. The names of clusters and users are in lower case, or at
    /// least not followed by the other titles.
    fn of_titles(line: &str) -> Option<Self> {
        if line.starts_with("Cluster|Account|User|Par") {
            Some(Self::Associations)
        } else if line.starts_with("User|Def") {
            Some(Self::Users)
        } else {
            None
        }
    }
}

impl SlurmAnswer {
    /// Parses the output of both commands: first the associations, then the users.
    ///
    /// # Errors
    /// [`SlurmError::Empty`], [`SlurmError::Malformed`] with the line, and [`SlurmError::MissingTable`]
    /// if one of the commands printed nothing.
    pub fn parse(output: &[u8]) -> Result<Self, SlurmError> {
        if output.iter().all(u8::is_ascii_whitespace) {
            return Err(SlurmError::Empty);
        }
        let text = std::str::from_utf8(output).map_err(|error| {
            let before = output.get(..error.valid_up_to()).unwrap_or_default();
            malformed(1 + before.iter().filter(|byte| **byte == b'\n').count(), "expected UTF-8 text")
        })?;
        let mut answer = Self::default();
        let mut table = None;
        let (mut has_associations, mut has_users) = (false, false);
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let number = index + 1;
            let Some(line) = line.strip_suffix('\n') else {
                return Err(malformed(number, "the output ends within a line"));
            };
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            if let Some(found) = Table::of_titles(line) {
                if found == Table::Users && !has_associations {
                    return Err(malformed(number, "expected the output of 'sacctmgr show assoc' first"));
                }
                let seen = match found {
                    Table::Associations => &mut has_associations,
                    Table::Users => &mut has_users,
                };
                if std::mem::replace(seen, true) {
                    return Err(malformed(number, "the header of this table occurs twice"));
                }
                table = Some(found);
                continue;
            }
            let fields: Vec<&str> = line.split('|').collect();
            let count = fields.len();
            let Ok([first, second, third, fourth]) = <[&str; 4]>::try_from(fields) else {
                let why = match count {
                    0..4 => "expected 4 fields, separated by '|'",
                    _ => "expected 4 fields, separated by '|': a name with '|' cannot be read",
                };
                return Err(malformed(number, why));
            };
            match table {
                None => {
                    return Err(malformed(number, "expected the header with the names of the columns first"));
                }
                Some(Table::Associations) => {
                    if first.is_empty() || second.is_empty() {
                        return Err(malformed(number, "expected a cluster and an account"));
                    }
                    answer.associations.push(Association {
                        cluster: first.to_owned(),
                        account: second.to_owned(),
                        user: filled(third),
                        parent: filled(fourth),
                    });
                }
                Some(Table::Users) => {
                    if first.is_empty() {
                        return Err(malformed(number, "expected a username"));
                    }
                    let level = AdminLevel::parse(fourth)
                        .ok_or_else(|| malformed(number, "expected None, Operator or Administrator"))?;
                    answer.users.push(SlurmUser {
                        name: first.to_owned(),
                        level,
                        coordinates: third.split(',').filter_map(filled).collect(),
                    });
                }
            }
        }
        match (has_associations, has_users) {
            (true, true) => Ok(answer),
            (false, _) => Err(SlurmError::MissingTable("assoc")),
            (true, false) => Err(SlurmError::MissingTable("user")),
        }
    }
}

impl AdminLevel {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "none" | "not set" | "" => Some(Self::None),
            "operator" => Some(Self::Operator),
            "administrator" => Some(Self::Administrator),
            _ => None,
        }
    }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

const fn malformed(line: usize, why: &'static str) -> SlurmError {
    SlurmError::Malformed { line, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSOCIATIONS: &str = "Cluster|Account|User|ParentName\nhpc|root||\nhpc|a b||root\nhpc|a b|anna|\n";
    const USERS: &str =
        "User|Def Acct|Coord Accounts|Admin\nanna|a b|a b,qcd|Operator\nroot|||Administrator\n";

    #[test]
    fn answer_is_parsed_with_lines_of_any_system() {
        let text = format!("{ASSOCIATIONS}{USERS}");
        for text in [text.clone(), text.replace('\n', "\r\n")] {
            let answer = SlurmAnswer::parse(text.as_bytes()).unwrap();
            assert_eq!(answer.associations.len(), 3);
            assert_eq!(answer.associations[1].parent.as_deref(), Some("root"));
            assert_eq!(answer.associations[2].user.as_deref(), Some("anna"));
            assert_eq!(
                answer.users[0],
                SlurmUser {
                    name: "anna".to_owned(),
                    level: AdminLevel::Operator,
                    coordinates: vec!["a b".to_owned(), "qcd".to_owned()],
                }
            );
        }
    }

    #[test]
    fn titles_of_the_table_form_are_accepted() {
        let text = format!("{}{USERS}", ASSOCIATIONS.replace("ParentName", "Par Name"));
        assert_eq!(SlurmAnswer::parse(text.as_bytes()).unwrap().associations.len(), 3);
    }

    #[test]
    fn malformed_answers_are_rejected_with_the_line() {
        for (text, expected) in [
            ("".to_owned(), "empty"),
            (" \n\n".to_owned(), "empty"),
            ("hpc|root||\n".to_owned(), "line 1: expected the header with the names of the columns first"),
            (format!("{ASSOCIATIONS}hpc|x|y\n"), "line 5: expected 4 fields"),
            (
                format!("{ASSOCIATIONS}hpc|x|y|z|\n"),
                "line 5: expected 4 fields, separated by '|': a name with '|'",
            ),
            (format!("{ASSOCIATIONS}hpc|x\ny||\n"), "line 5: expected 4 fields"),
            (format!("{ASSOCIATIONS}|x||root\n"), "line 5: expected a cluster"),
            (format!("{ASSOCIATIONS}hpc|x||root"), "line 5: the output ends within a line"),
            (format!("{ASSOCIATIONS}{USERS}|||None\n"), "line 8: expected a username"),
            (format!("{ASSOCIATIONS}{USERS}x|||King\n"), "line 8: expected None, Operator"),
            (format!("{ASSOCIATIONS}{USERS}{USERS}"), "line 8: the header of this table occurs twice"),
            (format!("{USERS}{ASSOCIATIONS}"), "line 1: expected the output of 'sacctmgr show assoc' first"),
            (ASSOCIATIONS.to_owned(), "sacctmgr show user"),
        ] {
            let error = SlurmAnswer::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let error = SlurmAnswer::parse(b"Cluster|Account|User|Par\n\xff|||None\n").unwrap_err().to_string();
        assert!(error.contains("line 2: expected UTF-8"), "{error}");
    }
}
