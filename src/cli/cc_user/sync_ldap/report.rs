//! What a sync would do or did, for people and programs.

use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeSeq as _, SerializeStruct as _, Serializer};
use serde_json::json;

use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::sync::{Plan, PlanRejection};
use crate::util::quote::{escape, quote, visible};

/// How many of a kind are named one by one beside the summary.
const NAMED: usize = 10;

/// The numbers of a sync.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Counts {
    pub(super) entries: u64,
    pub(super) added: u64,
    pub(super) renamed: u64,
    pub(super) deleted: u64,
    pub(super) unchanged: u64,
    pub(super) missing: u64,
    pub(super) conflicts: u64,
    pub(super) skipped: u64,
}

impl Counts {
    pub(super) fn of(plan: &Plan<'_>) -> Self {
        Self {
            entries: plan.entries(),
            added: plan.additions().len() as u64,
            renamed: plan.renames().len() as u64,
            deleted: plan.deletions().len() as u64,
            unchanged: plan.unchanged(),
            missing: plan.missing(),
            conflicts: plan.conflicts().len() as u64,
            skipped: plan.skipped_count(),
        }
    }

    fn summary(&self) -> String {
        let Self { added, renamed, deleted, unchanged, conflicts, skipped, .. } = self;
        let mut line = format!("{added} added, {renamed} renamed, {deleted} deleted, {unchanged} unchanged");
        for (count, one, many) in [(conflicts, "conflict", "conflicts"), (skipped, "skipped", "skipped")] {
            match count {
                0 => {}
                1 => line.push_str(&format!(", 1 {one}")),
                _ => line.push_str(&format!(", {count} {many}")),
            }
        }
        line
    }
}

/// Reports what was done: one line, or the whole in JSON.
pub(super) fn done(plan: &Plan<'_>, took: Duration, console: &mut Console) -> Result<(), Failure> {
    print_plan(plan, console);
    for (name, before, after) in plan.renames() {
        log::info!("renamed {name}: {} is now {}", before.unwrap_or_default(), after.unwrap_or_default());
    }
    for (name, _) in plan.additions() {
        log::debug!("added {name}");
    }
    if console.is_json() {
        console.json(&Json { plan, dry_run: false, took: Some(took) })?;
    } else if !console.is_quiet() {
        // Who was deleted has to be found in the log of a sync that ran at night.
        for name in plan.deletions() {
            console.line(&format!("deleted   {}", escape(name)))?;
        }
        let counts = Counts::of(plan);
        console.line(&format!(
            "{} ({} entries in {:.1} s)",
            counts.summary(),
            counts.entries,
            took.as_secs_f64()
        ))?;
    }
    Ok(())
}

/// Reports what would be done: a line each, or the whole in JSON.
pub(super) fn dry_run(plan: &Plan<'_>, console: &mut Console) -> Result<(), Failure> {
    if console.is_json() {
        warn_of_similar(plan, console);
        console.json(&Json { plan, dry_run: true, took: None })?;
        return Ok(());
    }
    table(plan, console)?;
    warn_of_similar(plan, console);
    warn_of_spellings(plan, console);
    console.line(&format!("would be: {} ({} entries)", Counts::of(plan).summary(), plan.entries()))?;
    Ok(())
}

fn table(plan: &Plan<'_>, console: &mut Console) -> Result<(), Failure> {
    let mut row = |action: &str, sgr: &str, name: &str, detail: &str| {
        let painted = console.paint(sgr, &format!("{action:<8}"));
        let line = format!("{painted}  {:<16}  {}", escape(name), visible(detail));
        // A reader who has gone ends a table of a million lines as well.
        if console.is_reader_gone() { Ok(()) } else { console.line(line.trim_end()) }
    };
    for (name, full) in plan.additions() {
        row("add", "32", name, &escape(full.unwrap_or_default()))?;
    }
    for (name, before, after) in plan.renames() {
        let detail =
            format!("{} is now {}", quote(before.unwrap_or_default()), quote(after.unwrap_or_default()));
        row("rename", "33", name, &detail)?;
    }
    for name in plan.deletions() {
        row("delete", "31", name, "no longer in the directory")?;
    }
    for name in plan.protected_admins() {
        row("keep", "36", name, "admin, though no longer in the directory")?;
    }
    for conflict in plan.conflicts() {
        let source = conflict.source.name();
        row("conflict", "36", &conflict.username, &format!("is a {source} user here and stays one"))?;
    }
    for skipped in plan.skipped() {
        row("skip", "36", &skipped.entry, &skipped.reason)?;
    }
    let more = plan.skipped_count() - plan.skipped().len() as u64;
    if more > 0 {
        row("skip", "36", &format!("{more} more"), "")?;
    }
    Ok(())
}

/// What to know beside the numbers.
fn print_plan(plan: &Plan<'_>, console: &mut Console) {
    let names = |names: &mut dyn Iterator<Item = &str>, count: u64| {
        let mut shown: Vec<String> = names.take(NAMED).map(quote).collect();
        let more = count - shown.len() as u64;
        if more > 0 {
            shown.push(format!("{more} more"));
        }
        shown.join(", ")
    };
    warn_of_spellings(plan, console);
    let conflicts = plan.conflicts();
    if !conflicts.is_empty() {
        let list = names(&mut conflicts.iter().map(|c| c.username.as_str()), conflicts.len() as u64);
        console.note(&format!("not changed, because they are not LDAP users: {list}"));
    }
    let admins = plan.protected_admins();
    if !admins.is_empty() {
        let list = names(&mut admins.iter().map(String::as_str), admins.len() as u64);
        console.warn(
            "admins-not-deleted",
            &format!("administrators who are not in the LDAP directory are not deleted (--delete-admins deletes them): {list}"),
        );
    }
    if plan.skipped_count() > 0 {
        let list = names(&mut plan.skipped().iter().map(|s| s.entry.as_str()), plan.skipped_count());
        console.warn("ldap-entries-skipped", &format!("entries skipped (why: --dry-run): {list}"));
    }
    let missing = plan.missing() - (plan.deletions().len() + admins.len()) as u64;
    if missing > 0 {
        console.note(&format!(
            "{missing} users are not in the LDAP directory and were not deleted (--delete-missing deletes them)"
        ));
    }
    warn_of_similar(plan, console);
}

fn warn_of_spellings(plan: &Plan<'_>, console: &mut Console) {
    for (configured, returned) in plan.spellings() {
        console.warn("ldap-attribute-name", &format!(
            "the LDAP server returns the attribute {} as {}: accepted here, but the ClusterCockpit server does \
             not find it",
            quote(configured),
            quote(returned)
        ));
    }
}

fn warn_of_similar(plan: &Plan<'_>, console: &mut Console) {
    for (a, b) in plan.similar_usernames().iter().take(NAMED) {
        console.warn(
            "similar-usernames",
            &format!(
                "{} and {} differ by case or blanks only: two users here, but one name to the directory",
                quote(a),
                quote(b)
            ),
        );
    }
}

/// The whole in JSON.
struct Json<'plan> {
    plan: &'plan Plan<'plan>,
    dry_run: bool,
    took: Option<Duration>,
}

/// A list that is written as it is walked through.
struct List<F>(F);

impl<F, I, T> Serialize for List<F>
where
    F: Fn() -> I,
    I: Iterator<Item = T>,
    T: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for item in (self.0)() {
            list.serialize_element(&item)?;
        }
        list.end()
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plan = self.plan;
        let mut object = serializer.serialize_struct("Sync", 12)?;
        object.serialize_field("dry_run", &self.dry_run)?;
        object.serialize_field("counts", &Counts::of(plan))?;
        let added =
            List(|| plan.additions().map(|(username, name)| json!({"username": username, "name": name})));
        object.serialize_field("added", &added)?;
        let renamed = List(|| {
            plan.renames().map(
                |(username, before, after)| json!({"username": username, "before": before, "after": after}),
            )
        });
        object.serialize_field("renamed", &renamed)?;
        object.serialize_field("deleted", plan.deletions())?;
        object.serialize_field("protected_admins", plan.protected_admins())?;
        let conflicts = List(|| {
            plan.conflicts().iter().map(|conflict| {
                let source = conflict.source.name();
                json!({"username": conflict.username, "source": source})
            })
        });
        object.serialize_field("conflicts", &conflicts)?;
        let skipped = List(|| plan.skipped().iter().map(|s| json!({"entry": s.entry, "reason": s.reason})));
        object.serialize_field("skipped", &skipped)?;
        object.serialize_field("similar_usernames", plan.similar_usernames())?;
        let refused = plan.rejection().map(|refusal| match refusal {
            PlanRejection::TooMany { deletions, allowed, known } => {
                json!({"kind": "sync-too-many-deletions", "deletions": deletions, "allowed": allowed, "known": known})
            }
            PlanRejection::Empty { deletions } => json!({"kind": "sync-no-users", "deletions": deletions}),
            PlanRejection::NoUsername { entries, without } => json!({
                "kind": "sync-no-usernames", "entries": entries, "without": without, "attribute": plan.uid_attribute(),
            }),
        });
        object.serialize_field("error", &refused)?;
        object.serialize_field("seconds", &self.took.map(|took| took.as_secs_f64()))?;
        object.end()
    }
}
