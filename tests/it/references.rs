//! What the docs point at exists: files, headings, and the code that docs/ARCHITECTURE.md names.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

/// A heading as GitHub makes an anchor of it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn has_heading(page: &Path, wanted: &str) -> bool {
    text(page).lines().filter(|line| line.starts_with('#')).any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

#[test]
fn every_link_in_the_docs_leads_somewhere() {
    let mut pages = files(&root().join("docs"), "md");
    pages.push(root().join("README.md"));
    let mut seen = 0;
    for page in pages {
        for link in text(&page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.contains(' ') {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: there is no {link}", page.display());
            assert!(heading.is_empty() || has_heading(&target, heading), "{}: no heading {link}", page.display());
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

/// The source text of a path such as `serri::answer`, and what of it is not a module.
fn resolve(path: &str) -> (String, Vec<&str>) {
    let (mut at, mut items) = (root().join("src"), Vec::new());
    for step in path.split("::") {
        let next = at.join(step);
        if items.is_empty() && (next.is_dir() || next.with_extension("rs").is_file()) {
            at = next;
        } else {
            items.push(step);
        }
    }
    let own = at.with_extension("rs");
    let mut sources = if at.is_dir() { files(&at, "rs") } else { Vec::new() };
    sources.extend(own.is_file().then_some(own));
    (sources.iter().map(|path| text(path)).collect(), items)
}

fn defines(source: &str, item: &str) -> bool {
    ["fn", "struct", "enum", "trait"].iter().any(|kind| {
        source.split(&format!("{kind} {item}")).skip(1).any(|rest| {
            let after = rest.chars().next();
            after.is_some_and(|c| !c.is_alphanumeric() && c != '_')
        })
    })
}

#[test]
fn the_architecture_names_code_that_exists() {
    let page = text(&root().join("docs/ARCHITECTURE.md"));
    let is_name =
        |part: &str| part.contains("::") && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let names: Vec<&str> = page.split('`').filter(|part| is_name(part)).collect();
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        let (source, items) = resolve(name);
        assert!(!source.is_empty(), "`{name}`: there is no such module");
        for item in items {
            assert!(defines(&source, item), "`{name}`: nothing there is called `{item}`");
        }
    }
}
