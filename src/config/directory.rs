//! Which files of a configuration directory are read, and which look as if they were.
//!
//! What is not read, and what may not be read, is a fault: a route that silently is not there loses its leads.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Place, Source};
use super::file;

/// How deep files that are not read are looked for.
const DEEPEST: usize = 8;

/// A fault of a whole file or directory.
pub fn fault(path: &Path, message: impl Into<String>) -> Diagnostic {
    let source = Source::new(path.display().to_string(), "");
    Diagnostic::at(&Place::start_of(Arc::new(source)), message)
}

/// Reads a file; `None` if it may not be read.
pub fn load(path: &Path, diagnostics: &mut Vec<Diagnostic>) -> Option<Source> {
    match file::read(path, file::LARGEST_YAML) {
        Ok(text) => Some(Source::new(path.display().to_string(), text)),
        Err(error) => {
            diagnostics.push(
                fault(path, format!("cannot read `{}`: {error}", path.display()))
                    .hint("it must be a file that the relay's user may read, and UTF-8"),
            );
            None
        }
    }
}

/// The settings: their file has to be there, even if it is empty.
pub fn load_settings(path: &Path, diagnostics: &mut Vec<Diagnostic>) -> Option<Source> {
    let is_missing = path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if !is_missing {
        return load(path, diagnostics);
    }
    let other = path.with_extension("yml");
    let hint = if other.exists() {
        format!("rename `{}`: only relay.yaml is read", other.display())
    } else {
        "name the right directory with --config DIR; or create the file: an empty one stands for the defaults"
            .to_owned()
    };
    diagnostics.push(fault(path, format!("there is no `{}`", path.display())).hint(hint));
    None
}

/// The YAML files of a directory, in order of their names. A directory that is not there has none.
pub fn yaml_files(dir: &Path, diagnostics: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let Listing { files, directories } = list(dir, diagnostics);
    let kind = dir.file_name().unwrap_or_default().to_string_lossy();
    let rule = format!("only files that lie directly in `{}` are {kind}", dir.display());
    for below in directories {
        unread_below(&Unread { top: dir, rule: &rule }, &below, DEEPEST, diagnostics);
    }
    files
}

/// A directory that holds routes.
#[derive(Debug)]
pub struct Folder {
    /// The client whose directory it is; `None` for the one that holds them all.
    pub client: Option<String>,
    /// Its YAML files, in order of their names.
    pub files: Vec<PathBuf>,
}

/// The directories that hold routes: the given one, and those of clients directly below it.
pub fn route_folders(dir: &Path, diagnostics: &mut Vec<Diagnostic>) -> Vec<Folder> {
    let Listing { files, directories } = list(dir, diagnostics);
    let rule = format!("routes lie directly in `{}`, or in a client's directory directly below it", dir.display());
    let mut folders = vec![Folder { client: None, files }];
    for client in directories {
        let Listing { files, directories } = list(&client, diagnostics);
        for below in directories {
            unread_below(&Unread { top: &client, rule: &rule }, &below, DEEPEST, diagnostics);
        }
        let name = client.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !files.is_empty() {
            folders.push(Folder { client: Some(name), files });
        }
    }
    folders
}

/// What a directory holds, in order of names.
struct Listing {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

fn list(dir: &Path, diagnostics: &mut Vec<Diagnostic>) -> Listing {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for path in entries(dir, diagnostics) {
        // what editors and archives leave behind
        if is_hidden(&path) {
            continue;
        }
        if has_extension(&path, &["yaml", "yml"]) {
            files.push(path);
        } else if path.is_dir() {
            directories.push(path);
        } else if !path.exists() {
            // a client's directory, perhaps, on a disk that is not there
            let message = format!("`{}` is a link that leads nowhere", path.display());
            diagnostics.push(fault(&path, message).hint("remove it, or see to it that what it leads to is there"));
        } else if is_yaml(&path) {
            let message = format!("`{}` is not read: its name has to end in .yaml", path.display());
            diagnostics
                .push(fault(&path, message).hint(format!("rename it to `{}`", path.with_extension("yaml").display())));
        }
    }
    Listing { files, directories }
}

/// Why files below a directory are not read.
struct Unread<'a> {
    /// The directory that they would have to lie in.
    top: &'a Path,
    /// Where such files lie.
    rule: &'a str,
}

/// Every YAML file below a sub-directory is one that somebody believes to be in use.
fn unread_below(why: &Unread, dir: &Path, depth: usize, diagnostics: &mut Vec<Diagnostic>) {
    for path in entries(dir, diagnostics) {
        if is_yaml(&path) {
            let message = format!("`{}` is not read: {}", path.display(), why.rule);
            let steps = path.strip_prefix(why.top).unwrap_or(&path).with_extension("yaml");
            let steps: Vec<_> = steps.iter().map(|step| step.to_string_lossy()).collect();
            let to = why.top.join(steps.join("-"));
            diagnostics.push(
                fault(&path, message).hint(format!("move it to `{}`, or out of the configuration", to.display())),
            );
        } else if depth > 0 && !is_hidden(&path) && path.is_dir() && !path.is_symlink() {
            unread_below(why, &path, depth - 1, diagnostics);
        }
    }
}

fn entries(dir: &Path, diagnostics: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let read = std::fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>());
    match read {
        Ok(mut paths) => {
            paths.sort();
            paths
        }
        Err(_) if dir.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) => Vec::new(),
        Err(error) => {
            diagnostics.push(
                fault(dir, format!("cannot read the directory `{}`: {error}", dir.display()))
                    .hint("it must be a directory that the relay's user may list and open"),
            );
            Vec::new()
        }
    }
}

/// Kubernetes mounts a ConfigMap as links into `..data`, and editors and git have directories of their own.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|ext| extensions.iter().any(|known| ext == *known))
}

/// Whether a file's name ends as those of YAML files do, in whatever case.
pub fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("yaml") || ext.eq_ignore_ascii_case("yml"))
}
