//! Which files of a configuration directory are read, and which look as if they were.
//!
//! What is not read, and what may not be read, is a fault: a route that silently is not there loses its leads.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{About, Diagnostic, Place, Source};
use super::file;

/// How deep files that are not read are looked for.
const DEEPEST: usize = 8;

/// A fault of a whole file or directory.
pub fn fault(path: &Path, message: impl Into<String>) -> Diagnostic {
    let source = Source::new(path.display().to_string(), "");
    Diagnostic::at(&Place::start_of(Arc::new(source)), message)
}

/// Which routes it is about when a file or directory is not read.
#[derive(Debug, Clone, Copy)]
pub enum Blame<'a> {
    /// The configuration as a whole.
    Whole,
    /// Those that name it, which say so themselves.
    Takers,
    /// The routes below this directory.
    Below(&'a Path),
}

impl Blame<'_> {
    /// A fault of a file.
    pub fn file(self, path: &Path, message: impl Into<String>) -> Diagnostic {
        let name = |top: &Path| {
            let name = path.strip_prefix(top).unwrap_or(path).with_extension("");
            let name = name.iter().map(|step| step.to_string_lossy()).collect::<Vec<_>>().join("/");
            // what is wrong with the file of a client is wrong for all its routes
            match name.split_once('/') {
                Some((client, CLIENT)) => format!("{client}/"),
                _ => name,
            }
        };
        fault(path, message).about(self.about(name))
    }

    /// A fault of a directory: of all routes in it.
    fn directory(self, path: &Path, message: impl Into<String>) -> Diagnostic {
        let name = |top: &Path| {
            let below = path.strip_prefix(top).unwrap_or(path);
            below.iter().flat_map(|step| [step.to_string_lossy(), "/".into()]).collect()
        };
        let is_top = matches!(self, Self::Below(top) if top == path);
        let about = if is_top { About::Whole } else { self.about(name) };
        fault(path, message).about(about)
    }

    fn about(self, name: impl Fn(&Path) -> String) -> About {
        match self {
            Self::Whole => About::Whole,
            Self::Takers => About::nothing_in_use(),
            Self::Below(top) => About::route(name(top)),
        }
    }
}

/// The name, without `.yaml`, of the file in a client's directory that holds for all its routes.
pub const CLIENT: &str = "client";

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
pub fn yaml_files(dir: &Path, blame: Blame, diagnostics: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let Listing { files, directories } = list(dir, blame, diagnostics);
    let kind = dir.file_name().unwrap_or_default().to_string_lossy();
    let rule = format!("only files that lie directly in `{}` are {kind}", dir.display());
    for below in directories {
        unread_below(&Unread { top: dir, rule: &rule, blame }, &below, DEEPEST, diagnostics);
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
    let blame = Blame::Below(dir);
    let Listing { files, directories } = list(dir, blame, diagnostics);
    let rule = format!("routes lie directly in `{}`, or in a client's directory directly below it", dir.display());
    let mut folders = vec![Folder { client: None, files }];
    for client in directories {
        let Listing { files, directories } = list(&client, blame, diagnostics);
        for below in directories {
            unread_below(&Unread { top: &client, rule: &rule, blame }, &below, DEEPEST, diagnostics);
        }
        let name = client.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if files.is_empty() {
            continue;
        }
        if is_name(&name) {
            folders.push(Folder { client: Some(name), files });
        } else {
            let message = format!("`{}` becomes part of addresses; use a-z, 0-9, - and _", client.display());
            diagnostics.push(blame.directory(&client, message).hint("rename the directory"));
        }
    }
    folders
}

/// What a directory holds, in order of names.
struct Listing {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

fn list(dir: &Path, blame: Blame, diagnostics: &mut Vec<Diagnostic>) -> Listing {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for path in entries(dir, blame, diagnostics) {
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
            let hint = "remove it, or see to it that what it leads to is there";
            diagnostics.push(blame.directory(&path, message).hint(hint));
        } else if is_yaml(&path) {
            let message = format!("`{}` is not read: its name has to end in .yaml", path.display());
            let hint = format!("rename it to `{}`", path.with_extension("yaml").display());
            diagnostics.push(blame.file(&path, message).hint(hint));
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
    blame: Blame<'a>,
}

/// Every YAML file below a sub-directory is one that somebody believes to be in use.
fn unread_below(why: &Unread, dir: &Path, depth: usize, diagnostics: &mut Vec<Diagnostic>) {
    for path in entries(dir, why.blame, diagnostics) {
        if is_yaml(&path) {
            let message = format!("`{}` is not read: {}", path.display(), why.rule);
            let steps = path.strip_prefix(why.top).unwrap_or(&path).with_extension("yaml");
            let steps: Vec<_> = steps.iter().map(|step| step.to_string_lossy()).collect();
            let to = why.top.join(steps.join("-"));
            let hint = format!("move it to `{}`, or out of the configuration", to.display());
            diagnostics.push(why.blame.file(&path, message).hint(hint));
        } else if depth > 0 && !is_hidden(&path) && path.is_dir() && !path.is_symlink() {
            unread_below(why, &path, depth - 1, diagnostics);
        }
    }
}

fn entries(dir: &Path, blame: Blame, diagnostics: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let read = std::fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>());
    match read {
        Ok(mut paths) => {
            paths.sort();
            paths
        }
        Err(_) if dir.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) => Vec::new(),
        Err(error) => {
            let message = format!("cannot read the directory `{}`: {error}", dir.display());
            let hint = "it must be a directory that the relay's user may list and open";
            diagnostics.push(blame.directory(dir, message).hint(hint));
            Vec::new()
        }
    }
}

/// Files by their names, without those that cannot have one.
pub fn named(paths: Vec<PathBuf>, blame: Blame, diagnostics: &mut Vec<Diagnostic>) -> BTreeMap<String, PathBuf> {
    let mut files = BTreeMap::new();
    for path in paths {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if !is_name(&name) {
            let message = format!("`{}` becomes part of an address; use a-z, 0-9, - and _", path.display());
            diagnostics.push(blame.file(&path, message).hint("rename the file"));
            continue;
        }
        match files.entry(name) {
            Entry::Vacant(entry) => drop(entry.insert(path)),
            Entry::Occupied(entry) => {
                let name = entry.key();
                let message = format!("there is a `{name}.yaml` and a `{name}.yml`");
                diagnostics.push(blame.file(&path, message).hint("keep one"));
            }
        }
    }
    files
}

/// Whether a text can be the name of a file: of a source, a shared piece, a client, or a route among those of one client.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Whether a text can be the name of a route: `NAME`, or `CLIENT/NAME`.
pub fn is_route_name(name: &str) -> bool {
    match name.split_once('/') {
        Some((client, name)) => is_name(client) && is_name(name) && name != CLIENT,
        None => is_name(name),
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
