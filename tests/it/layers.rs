//! The architecture, held by machine: which module may use which, and that no file outgrows its subject.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules from the bottom up, each with what it may use. What is not listed is forbidden.
const LAYERS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("hours", &["clock"]),
    ("fold", &[]),
    ("cell", &[]),
    ("moment", &["fold", "hours"]),
    ("phone", &["fold"]),
    ("secret", &[]),
    ("mask", &["secret"]),
    ("event", &["clock", "hours", "phone"]),
    ("config", &["phone", "secret", "mask", "event"]),
    ("telemetry", &["clock", "mask", "event", "config"]),
    ("bulkhead", &[]),
    ("listen", &[]),
    ("outbound", &["clock", "secret", "mask", "listen"]),
    ("call", &[]),
    ("handshake", &["secret", "config", "call"]),
    ("body", &["config"]),
    ("authenticate", &["clock", "secret", "mask", "config", "call", "body"]),
    ("decode", &["mask", "event", "config", "call", "body", "authenticate"]),
    ("serri", &["phone", "clock", "secret", "event", "listen", "outbound"]),
    ("map", &["fold", "phone", "clock", "hours", "moment", "mask", "event", "config", "serri"]),
    (
        "source",
        &[
            "fold",
            "phone",
            "hours",
            "moment",
            "secret",
            "mask",
            "event",
            "config",
            "outbound",
            "call",
            "handshake",
            "decode",
            "map",
        ],
    ),
    (
        "route",
        &[
            "phone",
            "secret",
            "clock",
            "mask",
            "event",
            "config",
            "call",
            "handshake",
            "authenticate",
            "decode",
            "map",
            "source",
        ],
    ),
    ("store", &["clock", "mask", "event"]),
    (
        "receive",
        &[
            "clock",
            "event",
            "config",
            "telemetry",
            "call",
            "handshake",
            "body",
            "authenticate",
            "decode",
            "route",
            "store",
        ],
    ),
    ("alert", &["clock", "secret", "mask", "event", "telemetry", "outbound", "serri", "store"]),
    (
        "deliver",
        &[
            "alert",
            "clock",
            "secret",
            "mask",
            "event",
            "config",
            "telemetry",
            "outbound",
            "serri",
            "source",
            "route",
            "store",
        ],
    ),
    ("retention", &["clock", "store"]),
    (
        "admin",
        &[
            "phone",
            "alert",
            "cell",
            "clock",
            "secret",
            "event",
            "telemetry",
            "listen",
            "call",
            "serri",
            "map",
            "route",
            "store",
            "receive",
        ],
    ),
    (
        "relay",
        &[
            "phone",
            "clock",
            "secret",
            "config",
            "telemetry",
            "bulkhead",
            "listen",
            "outbound",
            "serri",
            "route",
            "store",
            "receive",
            "alert",
            "deliver",
            "retention",
            "admin",
            "event",
            "map",
            "mask",
        ],
    ),
    (
        "cli",
        &[
            "phone",
            "cell",
            "clock",
            "mask",
            "event",
            "store",
            "outbound",
            "secret",
            "map",
            "config",
            "telemetry",
            "listen",
            "call",
            "body",
            "authenticate",
            "serri",
            "route",
            "relay",
        ],
    ),
];

fn sources() -> Vec<(PathBuf, String)> {
    files_in("src")
}

fn files_in(dir: &str) -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, files: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                files.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut files);
    files
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    inside.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The part of a file that runs: without comments and tests.
fn running(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or("");
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn modules_use_only_what_stands_below_them() {
    let mut wrong = Vec::new();
    let table: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    for (path, text) in sources() {
        let module = module_of(&path);
        if module == "lib" || module == "main" {
            continue;
        }
        let allowed = table.get(module.as_str()).unwrap_or_else(|| panic!("{module} is in no layer: add it to LAYERS"));
        for (other, _) in LAYERS.iter().filter(|(other, _)| *other != module && !allowed.contains(other)) {
            let code = running(&text);
            let uses = code.contains(&format!("crate::{other}::")) || code.contains(&format!("crate::{other};"));
            let grouped = code.split("use crate::{").skip(1).any(|rest| {
                rest.split('}').next().unwrap_or("").split([',', ' ', '\n', ':']).any(|word| word == *other)
            });
            if uses || grouped {
                wrong.push(format!("{}: `{module}` may not use `{other}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_has_no_way_up() {
    for (position, (module, uses)) in LAYERS.iter().enumerate() {
        for used in *uses {
            let below = LAYERS
                .iter()
                .position(|(name, _)| name == used)
                .unwrap_or_else(|| panic!("{module} uses {used}, which is not a module"));
            assert!(below < position, "{module} uses {used}, which stands above it");
        }
    }
}

/// The modules that a file names by `crate::`, `super::` or `self::`, as paths from the top, items and all; `use` trees are
/// spread.
fn named_by(module: &[String], code: &str) -> Vec<Vec<String>> {
    fn spread(before: &str, tree: &str, paths: &mut Vec<String>) {
        let Some((head, inside)) = tree.split_once('{') else {
            paths.push(format!("{before}{}", tree.split(" as ").next().unwrap().trim()));
            return;
        };
        let (mut depth, mut start) = (0, 0);
        let inside = inside.trim_end().trim_end_matches('}');
        for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    spread(&format!("{before}{}", head.trim()), inside.get(start..at).unwrap().trim(), paths);
                    start = at + 1;
                }
                _ => {}
            }
        }
    }
    let mut written = Vec::new();
    for statement in code.split("use ").skip(1) {
        spread("", statement.split(';').next().unwrap(), &mut written);
    }
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    written.extend(code.split(|c| !is_path(c)).map(ToOwned::to_owned));
    written
        .iter()
        .filter_map(|path| {
            let steps: Vec<&str> = path.split("::").map(str::trim).filter(|step| !step.is_empty()).collect();
            let up = steps.iter().take_while(|step| **step == "super").count();
            let from = match steps.first() {
                Some(&"crate") => &[],
                Some(&("super" | "self")) => module.get(..module.len().checked_sub(up)?)?,
                _ => return None,
            };
            let rest = steps.iter().filter(|step| !["crate", "super", "self"].contains(step));
            Some(from.iter().cloned().chain(rest.map(|step| (*step).to_owned())).collect())
        })
        .collect()
}

/// What a module hands on of its files, `pub` or not: the name, and the file it comes from.
fn handed_on(code: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for statement in code.split("use ").skip(1).map(|rest| rest.split(';').next().unwrap()) {
        let Some((file, inside)) = statement.split_once("::") else { continue };
        for name in inside.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty()) {
            names.insert(name.to_owned(), file.trim().to_owned());
        }
    }
    names
}

#[test]
fn no_two_files_of_a_module_use_each_other() {
    let files: BTreeMap<Vec<String>, String> = sources()
        .into_iter()
        .map(|(path, text)| {
            let inside =
                path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap().with_extension("");
            let steps = inside.iter().map(|step| step.to_string_lossy().into_owned());
            (steps.filter(|step| step != "mod" && step != "lib").collect(), running(&text))
        })
        .collect();
    let mut uses: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (module, code) in &files {
        for path in named_by(module, code) {
            let shared = module.iter().zip(&path).take_while(|(one, other)| one == other).count();
            let (Some(own), Some(other)) = (module.get(..=shared), path.get(shared)) else { continue };
            let around = &module[..shared];
            let names = files.get(around).map(|code| handed_on(code)).unwrap_or_default();
            let other = names.get(other).unwrap_or(other);
            let other: Vec<String> = around.iter().chain([other]).cloned().collect();
            if files.contains_key(&other) && other != own {
                uses.entry(own.to_vec()).or_default().insert(other);
            }
        }
    }
    let reaches = |from: &Vec<String>, to: &Vec<String>| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            next.extend(uses.get(module).into_iter().flatten().filter(|used| seen.insert(*used)));
        }
        seen.contains(to)
    };
    let circles: Vec<String> = uses
        .iter()
        .flat_map(|(module, used)| used.iter().map(move |other| (module, other)))
        .filter(|(module, other)| reaches(other, module))
        .map(|(module, other)| format!("`{}` uses `{}`, and is used by it", module.join("/"), other.join("/")))
        .collect();
    assert!(uses.len() > 50, "this finds too little to be worth anything: {}", uses.len());
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn the_path_of_a_webhook_never_assumes_a_proof() {
    for (path, text) in sources() {
        if ["receive", "deliver", "relay"].contains(&module_of(&path).as_str()) {
            assert!(!running(&text).contains(".assume("), "{}", path.display());
        }
    }
}

#[test]
fn one_module_knows_the_embedded_database() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // not written out, or this file would name them as well
    let engine = ["rusq", "lite"].concat();
    let statements = ["SELECT", "UPDATE", "INSERT INTO", "DELETE FROM"].map(|words| format!("{words} "));
    for (path, text) in ["src", "tests", "benches"].into_iter().flat_map(files_in) {
        let is_of_it = path.starts_with(root.join("src/store/sqlite"));
        assert!(is_of_it || !text.contains(&engine), "{}: only `src/store/sqlite` names {engine}", path.display());
    }
    for (dir, home) in [("src", "src/store/sqlite"), ("tests", "tests/it/sqlite")] {
        for (path, text) in files_in(dir) {
            let mut asks = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let asks = asks.find(|line| statements.iter().any(|words| line.contains(words)));
            let is_at_home = path.starts_with(root.join(home));
            assert!(
                is_at_home || asks.is_none(),
                "{}: only `{home}` has SQL, see tests/it/asked.rs: {asks:?}",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_is_logged_or_labelled_but_through_the_border_that_masks() {
    for (path, text) in sources() {
        if module_of(&path) != "telemetry" {
            for word in ["tracing_subscriber", "prometheus_client", "EncodeLabel"] {
                assert!(!running(&text).contains(word), "{}: {word}", path.display());
            }
            continue;
        }
        for labels in running(&text).split("EncodeLabelSet)]").skip(1) {
            let fields = labels.split('}').next().unwrap().lines().filter(|line| line.contains(": "));
            for field in fields {
                let is_masked = [": Label,", ": &'static str,"].iter().any(|kind| field.ends_with(kind));
                assert!(is_masked, "{}: `{field}` takes a text that is not masked", path.display());
            }
        }
    }
}

#[test]
fn files_keep_to_one_subject() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{}: says what it is for", path.display());
        assert!(text.lines().count() <= 400, "{}: {} lines", path.display(), text.lines().count());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            !["utils", "util", "common", "helpers", "misc", "types", "core"].contains(&name.as_str()),
            "{}",
            path.display()
        );
        for mark in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
            assert!(!text.contains(mark), "{}: {mark}", path.display());
        }
    }
}

#[test]
fn what_ships_in_yaml_has_its_schema() {
    for kind in ["relay", "route", "shared", "client", "campaigns", "source"] {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_serri-relay")).args(["schema", kind]).output().unwrap();
        let kept =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("config/schema/{kind}.json")))
                .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            kept,
            "write it anew: serri-relay schema {kind} > config/schema/{kind}.json"
        );
    }
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let files =
        ["relay.yaml"].map(PathBuf::from).into_iter().chain(["routes", "sources"].into_iter().flat_map(|dir| {
            std::fs::read_dir(config.join(dir))
                .unwrap()
                .map(move |entry| Path::new(dir).join(entry.unwrap().file_name()))
                .collect::<Vec<_>>()
        }));
    for file in files {
        let text = std::fs::read_to_string(config.join(&file)).unwrap();
        let schema = text
            .lines()
            .next()
            .unwrap()
            .strip_prefix("# yaml-language-server: $schema=")
            .unwrap_or_else(|| panic!("{} has no modeline", file.display()));
        assert!(config.join(&file).parent().unwrap().join(schema).exists(), "{}: {schema}", file.display());
    }
}
