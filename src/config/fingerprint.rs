//! Whether the files of a configuration changed, without reading them: by size, time of change and identity.
//!
//! They are looked at again and again instead of watched by the kernel: that sees no change on a network's file system, nor
//! of a file that is mounted into a container. Links are followed: Kubernetes replaces a whole directory by changing one.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{campaigns, directory, dotenv};

/// How deep files are looked for.
const DEEPEST: usize = 4;

/// How many files are looked at: a directory that holds more is not a configuration.
const MOST: usize = 10_000;

/// What tells one state of the files from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, Option<Identity>>);

/// What tells one state of a file from another; of one that cannot be looked at, nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    changed_s: i64,
    changed_ns: i64,
}

impl Fingerprint {
    /// That of a directory as it is now, and of `.env`.
    pub fn of(dir: &Path) -> Self {
        let settings = dir.join("relay.yaml");
        let single = [PathBuf::from(dotenv::FILE), settings, dir.join(campaigns::FILE)]
            .map(|path| (path.clone(), identity(&path)));
        let mut files = BTreeMap::from(single);
        for kind in ["routes", "shared", "sources"] {
            look(&dir.join(kind), DEEPEST, &mut files);
        }
        Self(files)
    }
}

fn look(dir: &Path, depth: usize, files: &mut BTreeMap<PathBuf, Option<Identity>>) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let path = entry.path();
        // what editors and git have of their own
        if entry.file_name().to_string_lossy().starts_with('.') || files.len() >= MOST {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                look(&path, depth - 1, files);
            }
        // a link that leads nowhere is a fault, and its end is a change
        } else if directory::is_yaml(&path) || !path.exists() {
            files.insert(path.clone(), identity(&path));
        }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let of = std::fs::metadata(path).ok()?;
    Some(Identity {
        device: of.dev(),
        inode: of.ino(),
        size: of.size(),
        // of the inode, not of what it holds: a file that was put in the place of another may be older
        changed_s: of.ctime(),
        changed_ns: of.ctime_nsec(),
    })
}
