//! Searches for all users, page by page, or for one user.

use ldap3::controls::{MakeCritical as _, PagedResults, RawControl};
use ldap3::{LdapResult, Scope, SearchOptions};

use super::ber::Elements;
use super::connection::{
    Connection, catch_panic, check_success, connection_error, is_size_limit, lost_connection,
};
use super::entry::Entry;
use super::error::LdapError;
use super::escape::user_filter;
use super::filter::Filter;
use super::results::{ResultsError, SearchResult};
use super::snapshot::{LdapSnapshot, SnapshotBuilder, utf8_text};
use super::user_index::UserIndex;
use crate::user::normalized;
use crate::util::count::counted;

/// Default number of entries per page; 500 to 1000 is fastest.
pub const PAGE_SIZE: u32 = 1000;

/// Maximum number of consecutive pages without an entry; more are an error.
const EMPTY_PAGES: u32 = 100;

/// Maximum number of reference targets in an error; all references are counted.
const TARGETS: usize = 10;

/// Size limit of a search for one username: two entries suffice to detect ambiguity.
const FIND_LIMIT: i32 = 2;

/// The search base, filter and attributes of the user search.
#[derive(Debug, Clone)]
pub struct UserSearch {
    /// The search bases, which are searched one after another.
    pub bases: Vec<String>,
    /// The filter that matches user entries.
    pub filter: String,
    /// The attribute with the username.
    pub uid_attribute: String,
    /// The attribute with the full name.
    pub name_attribute: String,
    /// The number of entries per page; 0 disables paged results.
    pub page_size: u32,
    /// Whether references to other LDAP servers are ignored instead of reported as an incomplete
    /// response.
    pub ignore_references: bool,
}

/// A user of the LDAP directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapUser {
    /// The distinguished name.
    pub dn: String,
    /// The username in the spelling of the LDAP directory.
    pub username: String,
    /// The full name.
    pub name: Option<String>,
    /// All usernames of the entry.
    pub names: Vec<String>,
}

/// The result of a search for a username.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserSearchResult {
    /// No entry has the username.
    None,
    /// Exactly one entry has the username.
    One(LdapUser),
    /// Several entries have the username.
    Ambiguous,
}

impl Connection {
    /// Reads all users, and returns the snapshot only if the LDAP server reports a complete response.
    /// `progress` receives the number of entries after every page.
    ///
    /// # Errors
    /// [`LdapError`], also for an incomplete response.
    pub fn read_all(
        &mut self,
        search: &UserSearch,
        progress: &mut dyn FnMut(u64),
    ) -> Result<LdapSnapshot, LdapError> {
        self.read_indexed(search, &mut UserIndex::new(&[]), progress)
    }

    /// Reads all users as [`Connection::read_all`], and adds each to the index.
    ///
    /// # Errors
    /// [`LdapError`], also for an incomplete response.
    pub fn read_indexed(
        &mut self,
        search: &UserSearch,
        index: &mut UserIndex,
        progress: &mut dyn FnMut(u64),
    ) -> Result<LdapSnapshot, LdapError> {
        let filter = Filter::parse(&search.filter)?;
        let mut builder = SnapshotBuilder::new(&search.uid_attribute);
        let (uids, names) = (search.uid_attribute.as_str(), search.name_attribute.as_str());
        let further = index.attributes();
        let mut attributes = vec![uids, names];
        attributes.extend(further.iter().map(String::as_str));
        for base in &search.bases {
            builder.start_base();
            let before = builder.entries();
            let request = EntrySearch {
                base,
                scope: Scope::Subtree,
                filter: filter.as_str(),
                attributes: &attributes,
                page_size: search.page_size,
                ignore_references: search.ignore_references,
            };
            let mut visit = |entry: Entry<'_>| {
                for expected in [uids, names] {
                    if let Some(spelling) = entry.returned_spelling(expected) {
                        builder.record_spelling(expected, spelling);
                    }
                }
                let is_new = builder.add_entry(&entry.dn, entry.values(uids), entry.values(names))?;
                if is_new && index.is_needed() {
                    index.add(&entry, uids)?;
                }
                Ok(())
            };
            self.read_entries(&request, &mut visit, &mut |entries| progress(before + entries))?;
        }
        log::info!("the LDAP server returned {}", counted(builder.entries(), "entry"));
        builder.finish()
    }

    /// Calls `visit` with each entry of a search, page by page, and returns the number of entries only if the
    /// LDAP server reports a complete response.
    ///
    /// # Errors
    /// [`LdapError`], also for an incomplete response, and the errors of `visit`.
    pub(super) fn read_entries(
        &mut self,
        search: &EntrySearch<'_>,
        visit: &mut dyn FnMut(Entry<'_>) -> Result<(), LdapError>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, LdapError> {
        let mut entries = 0;
        let mut empty_pages = 0;
        let mut cookie = Vec::new();
        loop {
            let before = entries;
            let first = cookie.is_empty();
            let request = PagedResults { size: i32::try_from(search.page_size).unwrap_or(i32::MAX), cookie };
            let mut page = Page { entries, references: 0, targets: Vec::new() };
            let result = catch_panic(|| self.page(search, &mut page, request, visit))??;
            entries = page.entries;
            check_success(&result, entries, search.base)?;
            if page.references > 0 && !search.ignore_references {
                return Err(LdapError::References { count: page.references, targets: page.targets });
            }
            progress(entries);
            cookie = if search.page_size == 0 { Vec::new() } else { next_cookie(&result, first)? };
            if cookie.is_empty() {
                return Ok(entries);
            }
            empty_pages = if entries == before { empty_pages + 1 } else { 0 };
            if empty_pages > EMPTY_PAGES {
                return Err(LdapError::Malformed("the server returns pages without entries"));
            }
        }
    }

    fn page(
        &mut self,
        search: &EntrySearch<'_>,
        page: &mut Page,
        request: PagedResults,
        visit: &mut dyn FnMut(Entry<'_>) -> Result<(), LdapError>,
    ) -> Result<LdapResult, LdapError> {
        if search.page_size > 0 {
            // The control is critical: a server without paged results reports an error instead of
            // truncating the answer.
            self.ldap.with_controls(request.critical());
        }
        self.search(search, page.entries, &mut |result| {
            match result {
                SearchResult::Entry(contents) => {
                    page.entries += 1;
                    visit(Entry::of(contents)?)?;
                }
                SearchResult::Reference(uri) => {
                    page.references += 1;
                    if page.targets.len() < TARGETS {
                        page.targets.push(uri.to_owned());
                    }
                }
            }
            Ok(())
        })
    }

    /// Sends a search with the controls and options of the library's connection, and calls `visit` with each
    /// result. `before` is the number of entries of earlier pages, for errors.
    fn search(
        &mut self,
        search: &EntrySearch<'_>,
        before: u64,
        visit: &mut dyn FnMut(SearchResult<'_>) -> Result<(), LdapError>,
    ) -> Result<LdapResult, LdapError> {
        let Self { ldap, timeout, outcome, results, .. } = self;
        let timeout = *timeout;
        let mut entries = before;
        ldap.with_timeout(timeout);
        let mut stream = ldap
            .streaming_search(search.base, search.scope, search.filter, search.attributes)
            .map_err(|error| connection_error(&error, outcome, timeout, before))?;
        let received = results.take().ok_or_else(|| lost_connection(outcome, before))?;
        let outcome_of_results = received.for_each(timeout, &mut |result| {
            entries += u64::from(matches!(result, SearchResult::Entry(_)));
            visit(result)
        });
        outcome_of_results.map_err(|error| match error {
            ResultsError::Timeout => LdapError::Timeout { timeout, entries },
            ResultsError::Closed => lost_connection(outcome, entries),
            ResultsError::Rejected(error) => error,
        })?;
        *results = Some(received);
        // The library has the result of the search alone.
        while stream.next().map_err(|error| connection_error(&error, outcome, timeout, entries))?.is_some() {}
        Ok(stream.result())
    }

    /// Looks up one user by username.
    ///
    /// # Errors
    /// [`LdapError`] if the search fails.
    pub fn find(&mut self, search: &UserSearch, username: &str) -> Result<UserSearchResult, LdapError> {
        catch_panic(|| self.find_user(search, username))?
    }

    fn find_user(&mut self, search: &UserSearch, username: &str) -> Result<UserSearchResult, LdapError> {
        let filter = user_filter(Filter::parse(&search.filter)?.as_str(), &search.uid_attribute, username);
        let mut found: Option<FoundEntry> = None;
        for base in &search.bases {
            let Some(entries) = self.search_base(search, base, &filter, username)? else {
                return Ok(UserSearchResult::Ambiguous);
            };
            for entry in entries {
                match &found {
                    // Two search bases may overlap.
                    Some(first) if first.dn == entry.dn => {}
                    Some(_) => return Ok(UserSearchResult::Ambiguous),
                    None => found = Some(entry),
                }
            }
        }
        Ok(found.and_then(|entry| entry.user).map_or(UserSearchResult::None, UserSearchResult::One))
    }

    /// Returns the entries below a search base; `None` if there are more than [`FIND_LIMIT`].
    fn search_base(
        &mut self,
        search: &UserSearch,
        base: &str,
        filter: &str,
        username: &str,
    ) -> Result<Option<Vec<FoundEntry>>, LdapError> {
        log::debug!("searches below {base} for {filter}");
        self.ldap.with_search_options(SearchOptions::new().sizelimit(FIND_LIMIT));
        let request = EntrySearch {
            base,
            scope: Scope::Subtree,
            filter,
            attributes: &[&search.uid_attribute, &search.name_attribute],
            page_size: 0,
            ignore_references: true,
        };
        let mut entries = Vec::new();
        let result = self.search(&request, 0, &mut |result| {
            if let SearchResult::Entry(contents) = result {
                if entries.len() > FIND_LIMIT as usize {
                    return Err(LdapError::TooLarge("the page has more entries than requested"));
                }
                let entry = Entry::of(contents)?;
                let user = user_of(&entry, search, username);
                entries.push(FoundEntry { dn: entry.dn.into_owned(), user });
            }
            Ok(())
        })?;
        // A server with a lower size limit may have more entries.
        if is_size_limit(&result) {
            return Ok(None);
        }
        check_success(&result, entries.len() as u64, base)?;
        Ok(Some(entries))
    }
}

/// An entry of a search for one user.
struct FoundEntry {
    dn: String,
    /// `None` for an entry without a username.
    user: Option<LdapUser>,
}

/// A search whose answer must be complete.
pub(super) struct EntrySearch<'search> {
    pub(super) base: &'search str,
    pub(super) scope: Scope,
    pub(super) filter: &'search str,
    pub(super) attributes: &'search [&'search str],
    pub(super) page_size: u32,
    pub(super) ignore_references: bool,
}

/// One page of a search.
struct Page {
    /// The number of entries so far, those of earlier pages included.
    entries: u64,
    references: u64,
    targets: Vec<String>,
}

/// Returns the cookie that requests the next page; it is empty after the last page (RFC 2696). On
/// the first page the control may be missing if the server answers in one page (RFC 2696 3); 389
/// Directory Server omits it if no entry matches. On later pages a missing control is an error.
fn next_cookie(result: &LdapResult, first: bool) -> Result<Vec<u8>, LdapError> {
    const OID: &str = "1.2.840.113556.1.4.319";
    let garbled = || LdapError::Malformed("a page does not report whether more follow");
    let control: Option<&RawControl> =
        result.ctrls.iter().map(|control| &control.1).find(|raw| raw.ctype == OID);
    let Some(control) = control else {
        return if first { Ok(Vec::new()) } else { Err(garbled()) };
    };
    let value = control.val.as_deref().unwrap_or_default();
    let parts = || {
        let mut parts = Elements::new(Elements::new(value).expect(0x30)?);
        parts.expect(0x02)?;
        parts.expect(0x04)
    };
    parts().map(<[u8]>::to_vec).map_err(|_| garbled())
}

/// Converts the entry to a user. The username is the value that equals `asked`, if there is
/// one.
fn user_of(entry: &Entry<'_>, search: &UserSearch, asked: &str) -> Option<LdapUser> {
    let text = |value: &[u8]| utf8_text(value).map(str::to_owned);
    let names: Vec<String> = entry.values(&search.uid_attribute).filter_map(text).collect();
    let exact = names.iter().position(|name| name == asked);
    let loose = names.iter().position(|name| normalized(name) == normalized(asked));
    let username = match exact.or(loose) {
        Some(at) => names.get(at)?.clone(),
        // The server matched the entry by its own matching rules.
        None => names.first()?.clone(),
    };
    let name = entry.values(&search.name_attribute).find_map(text);
    Some(LdapUser { dn: entry.dn.clone().into_owned(), username, name, names })
}
