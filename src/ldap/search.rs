//! Searches: all users, page by page, or one user.

use ldap3::asn1::{PL, StructureTag};
use ldap3::controls::{MakeCritical as _, PagedResults, RawControl};
use ldap3::{LdapResult, ResultEntry, Scope, SearchOptions, parse_refs};

use super::ber::Elements;
use super::connection::{Connection, catch_panic, check_success, connection_error, is_size_limit};
use super::error::LdapError;
use super::escape::user_filter;
use super::filter::Filter;
use super::snapshot::{LdapSnapshot, SnapshotBuilder, utf8_text};
use crate::user::normalized;

/// How many entries a page has, by default: 500 to 1000 is fastest.
pub const PAGE_SIZE: u32 = 1000;

/// How many pages without an entry may follow each other before the server counts as broken.
const EMPTY_PAGES: u32 = 100;

/// How many targets of references are named; all are counted.
const TARGETS: usize = 10;

/// How many entries of one username are read at most: two are one too many already.
const FIND_LIMIT: i32 = 2;

/// Where the users are and what they are called.
#[derive(Debug, Clone)]
pub struct UserSearch {
    /// The distinguished names below which all users are, searched one after another.
    pub bases: Vec<String>,
    /// What makes an entry a person.
    pub filter: String,
    /// The attribute with the name to log in with.
    pub uid_attribute: String,
    /// The attribute with the full name.
    pub name_attribute: String,
    /// The number of entries of a page; 0 requests all entries without pages.
    pub page_size: u32,
    /// Whether references to other directories are skipped instead of making the answer partial.
    pub ignore_references: bool,
}

/// One person of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapUser {
    /// The distinguished name.
    pub dn: String,
    /// The name to log in with, in the directory's own spelling.
    pub username: String,
    /// The full name.
    pub name: Option<String>,
    /// All names to log in with that the entry has.
    pub names: Vec<String>,
}

/// Who has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserSearchResult {
    /// No user.
    None,
    /// Exactly one.
    One(LdapUser),
    /// Several: the name is ambiguous.
    Ambiguous,
}

impl Connection {
    /// Reads all users, and returns the snapshot only if the LDAP server reported a complete answer.
    /// `progress` is called after every page with the number of entries.
    ///
    /// # Errors
    /// [`LdapError`], also for every partial answer.
    pub fn read_all(
        &mut self,
        search: &UserSearch,
        progress: &mut dyn FnMut(u64),
    ) -> Result<LdapSnapshot, LdapError> {
        let filter = Filter::parse(&search.filter)?;
        let mut builder = SnapshotBuilder::new(&search.uid_attribute);
        for base in &search.bases {
            builder.start_base();
            self.read_base(search, base, filter.as_str(), &mut builder, progress)?;
        }
        log::info!("the LDAP server returned {} entries", builder.entries());
        builder.finish()
    }

    fn read_base(
        &mut self,
        search: &UserSearch,
        base: &str,
        filter: &str,
        builder: &mut SnapshotBuilder,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), LdapError> {
        let mut empty_pages = 0;
        let mut cookie = Vec::new();
        loop {
            let before = builder.entries();
            let first = cookie.is_empty();
            let request = PagedResults { size: i32::try_from(search.page_size).unwrap_or(i32::MAX), cookie };
            let mut page = Page { base, filter, references: 0, targets: Vec::new() };
            let result = catch_panic(|| self.page(search, &mut page, request, builder))??;
            check_success(&result, builder.entries(), base)?;
            if page.references > 0 && !search.ignore_references {
                return Err(LdapError::References { count: page.references, targets: page.targets });
            }
            progress(builder.entries());
            cookie = if search.page_size == 0 { Vec::new() } else { next_cookie(&result, first)? };
            if cookie.is_empty() {
                return Ok(());
            }
            empty_pages = if builder.entries() == before { empty_pages + 1 } else { 0 };
            if empty_pages > EMPTY_PAGES {
                return Err(LdapError::Malformed("page follows page without an entry"));
            }
        }
    }

    fn page(
        &mut self,
        search: &UserSearch,
        page: &mut Page<'_>,
        request: PagedResults,
        builder: &mut SnapshotBuilder,
    ) -> Result<LdapResult, LdapError> {
        let timeout = self.timeout;
        let outcome = self.outcome.clone();
        let before = builder.entries();
        self.ldap.with_timeout(timeout);
        if search.page_size > 0 {
            // Critical: a server without paged results must report it instead of truncating the answer.
            self.ldap.with_controls(request.critical());
        }
        let attributes = [search.uid_attribute.as_str(), search.name_attribute.as_str()];
        let mut stream = self
            .ldap
            .streaming_search(page.base, Scope::Subtree, page.filter, attributes)
            .map_err(|error| connection_error(&error, &outcome, timeout, before))?;
        while let Some(item) =
            stream.next().map_err(|error| connection_error(&error, &outcome, timeout, builder.entries()))?
        {
            if item.is_ref() {
                page.references += 1;
                if page.targets.len() < TARGETS {
                    page.targets.extend(parse_refs(item.0).into_iter().next());
                }
            } else if !item.is_intermediate() {
                let entry = Entry::of(item)?;
                let (uids, names) = (&search.uid_attribute, &search.name_attribute);
                for expected in [uids, names] {
                    if let Some(spelling) = entry.returned_spelling(expected) {
                        builder.record_spelling(expected, spelling);
                    }
                }
                builder.add_entry(&entry.dn, entry.values(uids), entry.values(names))?;
            }
        }
        Ok(stream.result())
    }

    /// Looks one person up by the name to log in with.
    ///
    /// # Errors
    /// [`LdapError`].
    pub fn find(&mut self, search: &UserSearch, username: &str) -> Result<UserSearchResult, LdapError> {
        catch_panic(|| self.find_user(search, username))?
    }

    fn find_user(&mut self, search: &UserSearch, username: &str) -> Result<UserSearchResult, LdapError> {
        let filter = user_filter(Filter::parse(&search.filter)?.as_str(), &search.uid_attribute, username);
        let mut found: Option<Entry> = None;
        for base in &search.bases {
            let Some(entries) = self.search_base(search, base, &filter)? else {
                return Ok(UserSearchResult::Ambiguous);
            };
            for entry in entries {
                match &found {
                    // Two bases may overlap.
                    Some(first) if first.dn == entry.dn => {}
                    Some(_) => return Ok(UserSearchResult::Ambiguous),
                    None => found = Some(entry),
                }
            }
        }
        Ok(found
            .and_then(|entry| entry.into_user(search, username))
            .map_or(UserSearchResult::None, UserSearchResult::One))
    }

    /// The entries below a base, or nothing when there are more than are read.
    fn search_base(
        &mut self,
        search: &UserSearch,
        base: &str,
        filter: &str,
    ) -> Result<Option<Vec<Entry>>, LdapError> {
        log::debug!("searches below {base} for {filter}");
        let timeout = self.timeout;
        let outcome = self.outcome.clone();
        self.ldap.with_timeout(timeout);
        self.ldap.with_search_options(SearchOptions::new().sizelimit(FIND_LIMIT));
        let attributes = [search.uid_attribute.as_str(), search.name_attribute.as_str()];
        let mut stream = self
            .ldap
            .streaming_search(base, Scope::Subtree, filter, attributes)
            .map_err(|error| connection_error(&error, &outcome, timeout, 0))?;
        let mut entries = Vec::new();
        while let Some(item) =
            stream.next().map_err(|error| connection_error(&error, &outcome, timeout, 0))?
        {
            if !item.is_ref() && !item.is_intermediate() {
                if entries.len() > FIND_LIMIT as usize {
                    return Err(LdapError::TooLarge("the page has more entries than requested"));
                }
                entries.push(Entry::of(item)?);
            }
        }
        let result = stream.result();
        // A server whose own limit is lower may have more.
        if is_size_limit(&result) {
            return Ok(None);
        }
        check_success(&result, entries.len() as u64, base)?;
        Ok(Some(entries))
    }
}

/// One page of a search.
struct Page<'search> {
    base: &'search str,
    filter: &'search str,
    references: u64,
    targets: Vec<String>,
}

/// The cookie that requests the next page; empty after the last page (RFC 2696). A server
/// that could answer in one page may leave the control out (RFC 2696 3), and 389 Directory Server
/// does where it finds nothing; after the first page this is not accepted.
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

/// An entry, parsed as far as needed. The library's own reader panics on what it cannot
/// read, and copies every value.
struct Entry {
    dn: String,
    attributes: Vec<(Vec<u8>, Vec<StructureTag>)>,
}

impl Entry {
    fn of(item: ResultEntry) -> Result<Self, LdapError> {
        let garbled = || LdapError::Malformed("an entry does not conform to RFC 4511 4.5.2");
        let parts = item.0.expect_constructed().ok_or_else(garbled)?;
        let [dn, attributes] = <[StructureTag; 2]>::try_from(parts).map_err(|_| garbled())?;
        let dn = dn.expect_primitive().ok_or_else(garbled)?;
        let attributes = attributes
            .expect_constructed()
            .ok_or_else(garbled)?
            .into_iter()
            .map(|attribute| {
                let parts = attribute.expect_constructed()?;
                let [name, values] = <[StructureTag; 2]>::try_from(parts).ok()?;
                Some((name.expect_primitive()?, values.expect_constructed()?))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(garbled)?;
        // A name in the DN that is not text is only shown.
        let dn = String::from_utf8(dn)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Ok(Self { dn, attributes })
    }

    /// The values of an attribute; the case of its name does not count (RFC 4512 2.5), and some
    /// have a second name under which a server may answer. Some servers answer in several pieces.
    fn values<'entry>(&'entry self, attribute: &'entry str) -> impl Iterator<Item = &'entry [u8]> {
        let found = self.attributes.iter().filter(move |(name, _)| is_same_attribute(name, attribute));
        found.flat_map(|(_, values)| values).filter_map(|value| match &value.payload {
            PL::P(bytes) => Some(bytes.as_slice()),
            PL::C(_) => None,
        })
    }

    /// The name under which the server returns an attribute, if it is not the one that was asked
    /// for to the letter: the ClusterCockpit server compares it so.
    fn returned_spelling(&self, attribute: &str) -> Option<&str> {
        if self.attributes.iter().any(|(name, _)| name == attribute.as_bytes()) {
            return None;
        }
        let other = self.attributes.iter().find(|(name, _)| is_same_attribute(name, attribute))?;
        std::str::from_utf8(&other.0).ok()
    }

    /// The person, under the one of several names that was asked for.
    fn into_user(self, search: &UserSearch, asked: &str) -> Option<LdapUser> {
        let text = |value: &[u8]| utf8_text(value).map(str::to_owned);
        let names: Vec<String> = self.values(&search.uid_attribute).filter_map(text).collect();
        let exact = names.iter().position(|name| name == asked);
        let loose = names.iter().position(|name| normalized(name) == normalized(asked));
        let username = match exact.or(loose) {
            Some(at) => names.get(at)?.clone(),
            // The server found the entry by rules of its own.
            None => names.first()?.clone(),
        };
        let name = self.values(&search.name_attribute).find_map(text);
        Some(LdapUser { dn: self.dn, username, name, names })
    }
}

/// Attribute types that have two names (RFC 4519).
const SYNONYMS: [(&str, &str); 4] =
    [("uid", "userid"), ("cn", "commonName"), ("sn", "surname"), ("mail", "rfc822Mailbox")];

fn is_same_attribute(seen: &[u8], expected: &str) -> bool {
    let is = |name: &str| seen.eq_ignore_ascii_case(name.as_bytes());
    is(expected)
        || SYNONYMS.iter().any(|(short, long)| {
            (expected.eq_ignore_ascii_case(short) && is(long))
                || (expected.eq_ignore_ascii_case(long) && is(short))
        })
}
