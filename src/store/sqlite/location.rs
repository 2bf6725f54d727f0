//! Where the files are, and which files they are: a name can come to stand for another file.

use std::ffi::OsString;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use crate::store::OpenError;

/// Where the database file is.
#[derive(Debug, Clone)]
pub struct Location {
    pub path: PathBuf,
}

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

/// Which file stands at a path, and its size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub id: FileId,
    pub size: u64,
}

/// Changes whenever anybody writes to a file or replaces it: identity, and the times of its change in seconds and
/// nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(Option<(Identity, [i64; 4])>, Option<u64>);

/// Whether a file that is not there may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// At a first start.
    Create,
    /// A file that was in use and vanished holds sends: an empty one must not take its place unasked.
    Refuse,
}

impl Location {
    /// Reads `sqlite:PATH`.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        let path = url
            .strip_prefix("sqlite:")
            .map(|rest| rest.strip_prefix("//").unwrap_or(rest))
            .filter(|path| !path.is_empty() && !path.starts_with(':'));
        path.map(|path| Self { path: PathBuf::from(path) }).ok_or_else(|| OpenError::Url(url.to_owned()))
    }

    /// The same without links.
    pub fn canonical(self) -> Self {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = || Some(parent.canonicalize().ok()?.join(self.path.file_name()?));
        let path = self.path.canonicalize().ok().or_else(beside);
        Self { path: path.unwrap_or(self.path) }
    }

    /// A file beside the database file, as `-wal`.
    pub fn beside(&self, suffix: &str) -> PathBuf {
        let mut name: OsString = self.path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    }

    /// Which file stands at the path; `None` if there is none.
    pub fn identity(&self) -> Option<Identity> {
        identity(&self.path)
    }

    /// What tells whether anybody changed the database since.
    pub fn mark(&self) -> Mark {
        let log = identity(&self.beside("-wal")).map(|log| log.size);
        let file = std::fs::metadata(&self.path).ok();
        Mark(file.map(|file| (Identity::of(&file), times(&file))), log)
    }
}

impl Identity {
    /// Which file this is.
    pub fn of(file: &Metadata) -> Self {
        Self { id: id(file), size: file.len() }
    }
}

/// Which file stands at a path; `None` if there is none.
pub fn identity(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|file| Identity::of(&file))
}

#[cfg(unix)]
fn id(file: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt as _;
    FileId { device: file.dev(), inode: file.ino() }
}

/// Elsewhere a file in use cannot be replaced.
#[cfg(not(unix))]
fn id(_: &Metadata) -> FileId {
    FileId { device: 0, inode: 0 }
}

#[cfg(unix)]
fn times(file: &Metadata) -> [i64; 4] {
    use std::os::unix::fs::MetadataExt as _;
    [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()]
}

#[cfg(not(unix))]
fn times(_: &Metadata) -> [i64; 4] {
    [0; 4]
}
