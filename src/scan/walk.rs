//! The files below the paths of a request, searched by several threads.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::content::{ContentEnd, ContentReader, Limits};
use super::document::DocumentFindings;
use super::error::ScanError;
use super::known_keys::KnownKeys;
use super::queue::{FilePath, Queue, State, StopOnPanic, Work};
use super::source_file::{FileFindings, SeenFiles, SourceFile};
use crate::util::file::FileError;

/// How many files were searched and skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScanCounts {
    /// The files that were searched, standard input included
    pub searched: u64,
    /// The files that were skipped because they are binary
    pub binary: u64,
    /// The files that were skipped because they are compressed
    pub compressed: u64,
    /// The files that are larger than the limit; only their beginning was searched
    pub too_large: u64,
    /// The tokens and keys that are not listed, because their file has more than 10,000
    pub unlisted: u64,
    /// The symbolic links, FIFOs, sockets and devices that were skipped
    pub special: u64,
    /// The files and directories that cannot be read
    pub unreadable: u64,
}

/// The result of a walk.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) files: Vec<FileFindings>,
    pub(super) counts: ScanCounts,
    /// The first errors.
    pub(super) errors: Vec<FileError>,
    /// Whether the time limit ended the walk.
    pub(super) is_timed_out: bool,
}

/// The maximum number of errors that are reported one by one.
const SHOWN_ERRORS: usize = 10;

/// The maximum number of steps from a file to a file that it names, and on.
const MAX_REFERENCES: usize = 3;

/// The magic numbers of file systems that have no files: proc, sysfs, cgroup, debugfs, tracefs,
/// securityfs, bpf.
const PSEUDO: [u64; 8] =
    [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0xcafe_4a11];

/// How files are found and searched.
#[derive(Clone, Copy)]
pub(super) struct Walker<'a> {
    pub(super) known: &'a KnownKeys,
    pub(super) limits: Limits<'a>,
    pub(super) follows_links: bool,
    pub(super) threads: usize,
}

impl Walk {
    fn append(&mut self, other: Self) {
        let Self { files, counts, errors, is_timed_out } = other;
        self.files.extend(files);
        let sum = &mut self.counts;
        sum.searched += counts.searched;
        sum.binary += counts.binary;
        sum.compressed += counts.compressed;
        sum.too_large += counts.too_large;
        sum.unlisted += counts.unlisted;
        sum.special += counts.special;
        sum.unreadable += counts.unreadable;
        self.errors.extend(errors);
        self.errors.truncate(SHOWN_ERRORS);
        self.is_timed_out |= is_timed_out;
    }

    fn fail(&mut self, error: FileError) {
        self.counts.unreadable += 1;
        if self.errors.len() < SHOWN_ERRORS {
            self.errors.push(error);
        }
    }
}

impl Walker<'_> {
    /// Searches files, directories and, for `-`, standard input; then the files that they name.
    ///
    /// # Errors
    /// [`ScanError`] for a path of the request that does not exist, cannot be opened, or is not a file or
    /// directory.
    pub(super) fn walk(self, paths: &[PathBuf], stdin: &mut dyn Read) -> Result<Walk, ScanError> {
        let mut walk = Walk::default();
        let mut queue = State::default();
        for path in paths {
            if path.as_os_str() == "-" {
                self.read_stdin(stdin, &mut walk);
                continue;
            }
            // A named link is followed, as by other programs.
            let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
            if !metadata.is_dir() && !metadata.is_file() {
                return Err(ScanError::NotAFile(path.clone()));
            }
            open(path, OFlags::empty()).map_err(|error| unreadable(path, error))?;
            if metadata.is_dir() {
                queue.directories.push(path.clone());
            } else {
                queue.files.push(FilePath { path: path.clone(), is_named: true });
            }
        }
        walk.append(self.run(queue));
        let mut seen = SeenFiles::new();
        FileFindings::sort(&mut walk.files);
        walk.files.retain(|file| file.is_first(&mut seen));
        self.follow_references(&mut walk, seen);
        FileFindings::sort(&mut walk.files);
        Ok(walk)
    }

    /// Searches the files that members name, relative to the directory of the file or to the working
    /// directory.
    fn follow_references(self, walk: &mut Walk, mut seen: SeenFiles) {
        let mut from = 0;
        for _ in 0..MAX_REFERENCES {
            let mut queue = State::default();
            let mut named = HashSet::new();
            for file in walk.files.get(from..).unwrap_or_default() {
                // The files of an archive are those of another host.
                let (Some(path), None) = (&file.file.path, &file.file.entry) else { continue };
                for reference in &file.findings.references {
                    let directory = path.parent().unwrap_or(Path::new(""));
                    // Without '.' between the names.
                    let candidates = [directory.join(reference), PathBuf::from(reference)]
                        .map(|path| path.components().collect::<PathBuf>());
                    let is_file = |path: &&PathBuf| {
                        let metadata =
                            if self.follows_links { path.metadata() } else { path.symlink_metadata() };
                        metadata.is_ok_and(|found| {
                            found.is_file() && !seen.contains(&((found.dev(), found.ino()), 0))
                        })
                    };
                    if let Some(path) = candidates.iter().find(is_file)
                        && named.insert(path.clone())
                    {
                        queue.files.push(FilePath { path: path.clone(), is_named: false });
                    }
                }
            }
            if queue.files.is_empty() {
                return;
            }
            from = walk.files.len();
            let mut next = self.run(queue);
            FileFindings::sort(&mut next.files);
            next.files.retain(|file| file.is_first(&mut seen));
            walk.append(next);
        }
    }

    fn read_stdin(self, stdin: &mut dyn Read, walk: &mut Walk) {
        let mut reader = ContentReader::new(self.known, self.limits);
        let file = Opened { path: None, metadata: None };
        self.search(&file, stdin, &mut reader, walk);
    }

    fn run(self, queue: State) -> Walk {
        if queue.files.is_empty() && queue.directories.is_empty() {
            return Walk::default();
        }
        let queue = Queue::new(queue);
        let mut result = Walk::default();
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..self.threads).map(|_| scope.spawn(|| self.work(&queue))).collect();
            result.append(self.work(&queue));
            for other in others {
                match other.join() {
                    Ok(walk) => result.append(walk),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        result
    }

    fn work(self, queue: &Queue) -> Walk {
        let _guard = StopOnPanic(queue);
        let mut walk = Walk::default();
        let mut reader = ContentReader::new(self.known, self.limits);
        while let Some(work) = queue.next() {
            if (self.limits.is_over)() {
                walk.is_timed_out = true;
                queue.stop();
                return walk;
            }
            let mut found = State::default();
            match work {
                Work::Directory(path) => self.list(&path, &mut found, queue, &mut walk),
                Work::Files(files) => {
                    for file in files {
                        self.read_file(&file, &mut reader, &mut walk);
                    }
                }
            }
            queue.done(found);
        }
        walk
    }

    /// Lists a directory, unless it was listed before or is on a file system without files.
    fn list(self, path: &Path, found: &mut State, queue: &Queue, walk: &mut Walk) {
        let entries = match open(path, OFlags::DIRECTORY).and_then(|directory| {
            let metadata = directory.metadata()?;
            let kind = rustix::fs::fstatfs(&directory)?.f_type;
            let is_pseudo = u64::try_from(kind).is_ok_and(|kind| PSEUDO.contains(&(kind & 0xffff_ffff)));
            if is_pseudo || !queue.is_first(&metadata) {
                return Ok(None);
            }
            Ok(Some(std::fs::read_dir(path)?))
        }) {
            Ok(Some(entries)) => entries,
            Ok(None) => return,
            Err(error) => return walk.fail(unreadable(path, error)),
        };
        for entry in entries {
            let (path, kind) = match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                Ok(entry) => entry,
                Err(error) => {
                    walk.fail(unreadable(path, error));
                    continue;
                }
            };
            let kind = match path.metadata() {
                Ok(target) if kind.is_symlink() && self.follows_links => target.file_type(),
                _ => kind,
            };
            if kind.is_dir() {
                found.directories.push(path);
            } else if kind.is_file() {
                found.files.push(FilePath { path, is_named: self.follows_links });
            } else if kind.is_symlink()
                || kind.is_fifo()
                || kind.is_socket()
                || kind.is_block_device()
                || kind.is_char_device()
            {
                walk.counts.special += 1;
            }
        }
    }

    fn read_file(self, file: &FilePath, reader: &mut ContentReader<'_>, walk: &mut Walk) {
        let flags = if file.is_named { OFlags::empty() } else { OFlags::NOFOLLOW };
        let opened = open(&file.path, flags).and_then(|opened| {
            let metadata = opened.metadata()?;
            Ok((opened, metadata))
        });
        match opened {
            // It was replaced by something else since the directory was listed.
            Ok((_, metadata)) if !metadata.is_file() => walk.counts.special += 1,
            Ok((mut opened, metadata)) => {
                let source = Opened { path: Some(&file.path), metadata: Some(&metadata) };
                self.search(&source, &mut opened, reader, walk);
            }
            // A file that was deleted since the directory was listed is not an error.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !file.is_named => {}
            Err(error) => walk.fail(unreadable(&file.path, error)),
        }
    }

    fn search(
        self,
        source: &Opened<'_>,
        content: &mut dyn Read,
        reader: &mut ContentReader<'_>,
        walk: &mut Walk,
    ) {
        let name = source.path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let mut found = Vec::new();
        let mut unlisted = 0;
        let mut receive = |entry: Option<(&str, u32)>, findings: DocumentFindings| {
            unlisted += findings.unlisted;
            if findings.findings.is_empty() && findings.references.is_empty() && findings.variables.is_empty()
            {
                return;
            }
            let file = SourceFile {
                path: source.path.map(Path::to_path_buf),
                entry: entry.map(|(name, _)| name.to_owned()),
            };
            let id = source.metadata.map(|metadata| (metadata.dev(), metadata.ino()));
            let mode = entry.map(|(_, mode)| mode).or_else(|| source.metadata.map(|found| found.mode()));
            found.push(FileFindings { file, mode, id, number: found.len(), findings });
        };
        let end = reader.read(&name, content, &mut receive);
        walk.files.append(&mut found);
        let counts = &mut walk.counts;
        counts.unlisted += unlisted;
        counts.binary += reader.skipped.binary;
        counts.compressed += reader.skipped.compressed;
        counts.too_large += reader.skipped.too_large;
        match end {
            Ok(end) => {
                match end {
                    ContentEnd::Binary => counts.binary += 1,
                    ContentEnd::Compressed => counts.compressed += 1,
                    ContentEnd::Complete | ContentEnd::TooLarge | ContentEnd::TimedOut => {
                        counts.searched += 1
                    }
                }
                counts.too_large += u64::from(end == ContentEnd::TooLarge);
                walk.is_timed_out |= end == ContentEnd::TimedOut;
            }
            Err(error) => {
                let path = source.path.unwrap_or(Path::new("standard input"));
                walk.fail(unreadable(path, error));
            }
        }
    }
}

/// An open source.
struct Opened<'a> {
    path: Option<&'a Path>,
    metadata: Option<&'a Metadata>,
}

/// Opens a file without blocking and without side effects.
fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

fn unreadable(path: &Path, source: io::Error) -> FileError {
    match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing(path.to_owned()),
        _ => FileError::ReadFailed { path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::item::fingerprint;
    use super::super::tar::tests::entry;
    use super::super::testing::{known, token};
    use super::*;

    fn walk_with(paths: &[PathBuf], follows_links: bool) -> Walk {
        let known = known();
        let limits = Limits { bytes: u64::MAX, is_over: &|| false };
        let walker = Walker { known: &known, limits, follows_links, threads: 3 };
        walker.walk(paths, &mut io::empty()).unwrap()
    }

    fn names(walk: &Walk, root: &Path) -> Vec<String> {
        let relative = |file: &FileFindings| {
            let path = file.file.path.as_ref().unwrap();
            path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
        };
        walk.files.iter().filter(|file| !file.findings.findings.is_empty()).map(relative).collect()
    }

    #[test]
    fn walk_reads_every_regular_file_once_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for index in 0..200 {
            let deep = root.join(format!("d{}/e{}", index % 7, index % 3));
            fs::create_dir_all(&deep).unwrap();
            fs::write(deep.join(format!("f{index}")), token("a")).unwrap();
        }
        rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), rustix::fs::FileType::Fifo, Mode::RUSR, 0)
            .unwrap();
        symlink(root, root.join("d1/loop")).unwrap();
        symlink("/dev/zero", root.join("d1/device")).unwrap();
        symlink("missing", root.join("d1/dangling")).unwrap();
        let paths = [root.to_owned(), root.join("d1")];
        let found = walk_with(&paths, false);
        assert_eq!((found.files.len(), found.counts.special, found.counts.unreadable), (200, 4, 0));
        let found = walk_with(&paths, true);
        assert_eq!((found.files.len(), found.counts.unreadable), (200, 0));
        assert!(!found.is_timed_out);
    }

    #[test]
    fn file_with_several_names_is_reported_under_the_first_one() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for index in 0..200 {
            let deep = root.join(format!("d{index}"));
            fs::create_dir(&deep).unwrap();
            fs::write(deep.join("m"), token("a")).unwrap();
            for name in ["a", "z"] {
                fs::hard_link(deep.join("m"), deep.join(name)).unwrap();
            }
        }
        let walk = walk_with(&[root.join("d7/z"), root.to_owned(), root.join("d7")], false);
        let mut expected: Vec<_> = (0..200).map(|index| format!("d{index}/a")).collect();
        expected.sort();
        assert_eq!(names(&walk, root), expected);
    }

    #[test]
    fn entries_of_an_archive_with_the_same_name_are_all_reported() {
        let directory = tempfile::tempdir().unwrap();
        let (root, archive) = (directory.path(), directory.path().join("x.tar"));
        // A file that was added again after a change.
        let (old, new) = (entry("t", b'0', token("a").as_bytes()), entry("t", b'0', token("b").as_bytes()));
        fs::write(&archive, [old, new, vec![0; 1024]].concat()).unwrap();
        let walk = walk_with(&[archive, root.to_owned()], false);
        let prints: Vec<_> =
            walk.files.iter().map(|file| file.findings.findings[0].item.fingerprint()).collect();
        assert_eq!(prints, [fingerprint(token("a").as_bytes()), fingerprint(token("b").as_bytes())]);
    }

    #[test]
    fn link_is_followed_if_it_is_named_or_with_the_option() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir(root.join("in")).unwrap();
        fs::write(root.join("target"), token("a")).unwrap();
        symlink("../target", root.join("in/link")).unwrap();
        assert!(names(&walk_with(&[root.join("in")], false), root).is_empty());
        assert_eq!(names(&walk_with(&[root.join("in")], true), root), ["in/link"]);
        assert_eq!(names(&walk_with(&[root.join("in/link")], false), root), ["in/link"]);
    }

    #[test]
    fn file_that_a_member_names_is_searched_once() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir(root.join("etc")).unwrap();
        let named = root.join("absolute.creds");
        fs::write(
            root.join("etc/config.json"),
            format!(
                "{{\"sinks-file\": \"./sinks.json\", \"nats\": {{\"creds-file-path\": \"{}\"}}}}",
                named.display()
            ),
        )
        .unwrap();
        let sinks = format!("{{\"x\": {{\"jwt_file\": \"../token\", \"jwt\": \"{}\"}}}}", token("c"));
        fs::write(root.join("etc/sinks.json"), sinks).unwrap();
        fs::write(root.join("token"), token("a")).unwrap();
        fs::write(&named, token("b")).unwrap();
        let config = root.join("etc/config.json");
        assert_eq!(
            names(&walk_with(std::slice::from_ref(&config), false), root),
            ["absolute.creds", "etc/../token", "etc/sinks.json"]
        );
        assert_eq!(
            names(&walk_with(&[config, root.to_owned()], false), root),
            ["absolute.creds", "etc/sinks.json", "token"]
        );
    }

    #[test]
    fn path_of_the_request_must_be_a_file_or_a_directory() {
        let known = known();
        let limits = Limits { bytes: u64::MAX, is_over: &|| false };
        let walker = Walker { known: &known, limits, follows_links: false, threads: 1 };
        let walk = |path: &str| walker.walk(&[PathBuf::from(path)], &mut io::empty());
        assert!(matches!(walk("/dev/null"), Err(ScanError::NotAFile(_))));
        assert!(matches!(walk("/nonexistent"), Err(ScanError::File(FileError::Missing(_)))));
        assert!(walk("/proc").unwrap().files.is_empty());
        let mut stdin = io::Cursor::new(token("a"));
        let found = walker.walk(&[PathBuf::from("-")], &mut stdin).unwrap();
        assert_eq!((found.files.len(), found.counts.searched), (1, 1));
    }

    #[test]
    fn time_limit_ends_the_walk() {
        let known = known();
        let limits = Limits { bytes: u64::MAX, is_over: &|| true };
        let walker = Walker { known: &known, limits, follows_links: false, threads: 2 };
        assert!(walker.walk(&[PathBuf::from("/etc")], &mut io::empty()).unwrap().is_timed_out);
    }
}
