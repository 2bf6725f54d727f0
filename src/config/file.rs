//! Reads files of the configuration, and nothing else: a pipe would be waited for, and a device never ends.

use std::io::{Error, ErrorKind, Read as _, Result};
use std::path::Path;

/// The largest YAML file that is read, in bytes: people write some kilobytes.
pub const LARGEST_YAML: u64 = 4 * 1_024 * 1_024;

/// A regular file's text of at most so many bytes.
///
/// # Errors
///
/// If it cannot be read, is larger, or is not a regular file.
pub fn read(path: &Path, limit: u64) -> Result<String> {
    let kind = std::fs::metadata(path)?;
    if kind.is_dir() {
        return Err(Error::new(ErrorKind::IsADirectory, "it is a directory"));
    }
    if !kind.is_file() {
        return Err(Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(limit + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read > limit) {
        return Err(Error::other(format!("it is larger than {} KiB", limit / 1_024)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_a_bounded_size_are_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a");
        std::fs::write(&path, "x".repeat(2_048)).expect("written");
        assert_eq!(read(&path, 2_048).map(|text| text.len()).ok(), Some(2_048));
        let wrong = |path: &Path| read(path, 1_024).expect_err("an error").to_string();
        assert_eq!(wrong(&path), "it is larger than 1 KiB");
        assert_eq!(wrong(dir.path()), "it is a directory");
        assert_eq!(wrong(Path::new("/dev/zero")), "it is not a regular file");
        assert!(std::process::Command::new("mkfifo").arg(dir.path().join("p")).status().expect("mkfifo").success());
        assert_eq!(wrong(&dir.path().join("p")), "it is not a regular file");
    }
}
