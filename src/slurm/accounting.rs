//! A complete output of sacctmgr: the tree of accounts of each cluster, and the users.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{SlurmAnswer, SlurmUser};
use super::error::{PartialAnswer, SlurmError};

/// The account at the top of each cluster, and the user that every database has.
pub const ROOT: &str = "root";

/// Users and accounts of all clusters. All accounts lead to `root`, and all members are users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounting {
    clusters: BTreeMap<String, AccountTree>,
    users: BTreeMap<String, SlurmUser>,
}

/// The accounts of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountTree {
    /// The parent of each account; `None` for `root`.
    parents: BTreeMap<String, Option<String>>,
    members: BTreeMap<String, BTreeSet<String>>,
}

impl Accounting {
    /// Accepts a complete response.
    ///
    /// # Errors
    /// [`SlurmError::Partial`] if rows are missing that Slurm always has.
    pub fn new(answer: SlurmAnswer) -> Result<Self, SlurmError> {
        let mut clusters: BTreeMap<String, AccountTree> = BTreeMap::new();
        let users: BTreeMap<String, SlurmUser> =
            answer.users.into_iter().map(|user| (user.name.clone(), user)).collect();
        if !users.contains_key(ROOT) {
            return Err(SlurmError::Partial(PartialAnswer::RootUser));
        }
        for row in answer.associations {
            let tree = clusters.entry(row.cluster).or_default();
            match row.user {
                None => {
                    tree.parents.insert(row.account, row.parent);
                }
                Some(user) => {
                    if !users.contains_key(&user) {
                        let account = row.account;
                        return Err(SlurmError::Partial(PartialAnswer::User { account, user }));
                    }
                    tree.members.entry(row.account).or_default().insert(user);
                }
            }
        }
        if clusters.is_empty() {
            return Err(SlurmError::Partial(PartialAnswer::NoCluster));
        }
        for (cluster, tree) in &clusters {
            tree.check(cluster).map_err(SlurmError::Partial)?;
        }
        Ok(Self { clusters, users })
    }

    /// The accounts of each cluster.
    #[must_use]
    pub const fn clusters(&self) -> &BTreeMap<String, AccountTree> {
        &self.clusters
    }

    /// The users, sorted by name.
    pub fn users(&self) -> impl Iterator<Item = &SlurmUser> {
        self.users.values()
    }

    /// An error for each of these clusters that the answer does not have.
    pub fn unknown_clusters(&self, clusters: &[String]) -> Vec<SlurmError> {
        clusters.iter().filter_map(|name| self.trees(std::slice::from_ref(name)).err()).collect()
    }

    /// The accounts of some clusters, or of all of them if none is named.
    ///
    /// # Errors
    /// [`SlurmError::UnknownCluster`].
    pub fn trees(&self, clusters: &[String]) -> Result<Vec<&AccountTree>, SlurmError> {
        if clusters.is_empty() {
            return Ok(self.clusters.values().collect());
        }
        let tree = |name: &String| {
            self.clusters.get(name).ok_or_else(|| SlurmError::UnknownCluster {
                name: name.clone(),
                found: self.clusters.keys().cloned().collect(),
            })
        };
        clusters.iter().map(tree).collect()
    }
}

impl AccountTree {
    /// Checks that each account leads to `root`.
    fn check(&self, cluster: &str) -> Result<(), PartialAnswer> {
        if !self.parents.contains_key(ROOT) {
            return Err(PartialAnswer::RootAccount(cluster.to_owned()));
        }
        let mut complete: BTreeSet<&str> = BTreeSet::from([ROOT]);
        for account in self.parents.keys().chain(self.members.keys()) {
            let mut path = BTreeSet::new();
            let mut at = account.as_str();
            while !complete.contains(at) {
                let parent = self.parents.get(at).and_then(Option::as_deref);
                // A loop leads nowhere either.
                match parent {
                    Some(parent) if path.insert(at) => at = parent,
                    _ => {
                        return Err(PartialAnswer::Parent {
                            cluster: cluster.to_owned(),
                            account: account.clone(),
                        });
                    }
                }
            }
            complete.extend(path);
        }
        Ok(())
    }

    /// Whether the cluster has the account.
    #[must_use]
    pub fn contains(&self, account: &str) -> bool {
        self.parents.contains_key(account)
    }

    /// The accounts of the cluster.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.parents.keys().map(String::as_str)
    }

    /// The accounts above an account, from its parent to `root`.
    pub fn above(&self, account: &str) -> impl Iterator<Item = &str> {
        let parent = |account: &str| self.parents.get(account).and_then(Option::as_deref);
        std::iter::successors(parent(account), move |account| parent(account))
    }

    /// The members of each account, without those of the accounts below it.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members
            .iter()
            .flat_map(|(account, users)| users.iter().map(move |user| (account.as_str(), user.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "User|Def Acct|Coord Accounts|Admin\nanna|||None\nroot|||Administrator\n";

    fn accounting(associations: &str, users: &str) -> Result<Accounting, SlurmError> {
        let text = format!("Cluster|Account|User|ParentName\n{associations}{users}");
        Accounting::new(SlurmAnswer::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn accounting_has_the_path_of_each_account() {
        let accounting = accounting(
            "hpc|root||\nhpc|a||root\nhpc|b||a\nhpc|c||b\nhpc|c|anna|\ngpu|root||\ngpu|x||root\n",
            USERS,
        )
        .unwrap();
        let tree = &accounting.clusters()["hpc"];
        assert_eq!(tree.above("c").collect::<Vec<_>>(), ["b", "a", "root"]);
        assert_eq!(tree.members().collect::<Vec<_>>(), [("c", "anna")]);
        assert!(tree.contains("a") && !tree.contains("x"));
        assert_eq!(accounting.trees(&[]).unwrap().len(), 2);
        assert_eq!(accounting.trees(&["gpu".to_owned()]).unwrap().len(), 1);
        let error = accounting.trees(&["none".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "Slurm does not have the cluster 'none': found 'gpu', 'hpc'");
    }

    #[test]
    fn partial_responses_are_rejected() {
        let no_root_user = USERS.replace("root", "other");
        for (associations, users, expected) in [
            ("", USERS, "there is no cluster"),
            ("hpc|root||\n", no_root_user.as_str(), "the user 'root' is missing"),
            ("hpc|root||\ngpu|x||root\n", USERS, "the account 'root' is missing in the cluster 'gpu'"),
            ("hpc|root||\nhpc|b||a\n", USERS, "the account 'b' of the cluster 'hpc' does not lead to 'root'"),
            ("hpc|root||\nhpc|b||a\nhpc|a||b\n", USERS, "does not lead to 'root'"),
            (
                "hpc|root||\nhpc|a|anna|\n",
                USERS,
                "the account 'a' of the cluster 'hpc' does not lead to 'root'",
            ),
            ("hpc|root||\nhpc|root|bert|\n", USERS, "the user 'bert' of the account 'root' is not in"),
        ] {
            let error = accounting(associations, users).unwrap_err().to_string();
            assert!(error.contains(expected), "{associations:?}: {error}");
            assert!(
                error.starts_with("the output of sacctmgr is partial: ")
                    && error.ends_with("nothing was changed")
            );
        }
    }

    #[test]
    fn deep_account_trees_are_checked_in_linear_time() {
        let chain: String = (1..20_000).map(|number| format!("hpc|a{number}||a{}\n", number - 1)).collect();
        let accounting = accounting(&format!("hpc|root||\nhpc|a0||root\n{chain}"), USERS).unwrap();
        assert_eq!(accounting.clusters()["hpc"].above("a19999").count(), 20_000);
    }
}
