//! Files in `sources/` that replace shipped sources: what `check` and `serve` say of them, and `sources diff`.

use std::path::PathBuf;
use std::process::Output;

use serri_relay::config::Extent;
use serri_relay::config::interpolate::Variables;
use serri_relay::config::shipped;
use serri_relay::route::check::Sending;
use serri_relay::route::load::Origin;

use crate::cli::relay;
use crate::world::{ROUTE, Setup};

/// A copy of a shipped source with a title of its own.
fn changed(name: &str) -> String {
    let text = shipped::source(name).unwrap();
    let title = text.lines().find(|line| line.starts_with("title: ")).unwrap();
    text.replace(title, "title: Mine")
}

/// A configuration whose only route uses `generic`.
fn setup() -> Setup {
    let setup = Setup::new().route("hello", ROUTE);
    setup.write("http://127.0.0.1:9/");
    setup
}

/// Exit code, standard output and standard error, with the directory's name left out.
fn said(setup: &Setup, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = relay(&setup.config(), arguments);
    let dir = setup.config().display().to_string();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&dir, "config");
    (status.code().unwrap(), text(&stdout), text(&stderr))
}

#[test]
fn a_file_that_replaces_a_shipped_source_and_differs_is_a_warning() {
    let setup = setup().file("sources/generic.yaml", &changed("generic"));
    let (code, out, err) = said(&setup, &["check"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("1 warning(s)"), "{out}");
    assert!(err.contains("this file replaces the shipped source `generic` and differs from it"), "{err}");
    assert!(err.contains("config/sources/generic.yaml:1:1"), "{err}");
    assert!(err.contains("`serri-relay sources diff generic`"), "{err}");
    assert_eq!(said(&setup, &["check", "--strict"]).0, 1);
    // what `serve` writes to its log
    let origin = Origin { dir: setup.config(), variables: Variables::default(), sending: Sending::AsConfigured };
    let warnings = origin.load(None).unwrap().warnings;
    assert!(
        warnings.iter().any(|warning| warning.message.contains("replaces the shipped source `generic`")),
        "{warnings:?}"
    );
}

#[test]
fn files_that_no_route_uses_share_one_warning() {
    let setup = setup().file("sources/shopify.yaml", &changed("shopify")).file("sources/cal.yaml", &changed("cal"));
    let (code, out, err) = said(&setup, &["check"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("1 warning(s)"), "{out}");
    assert!(err.contains("differ from them: `cal`, `shopify`"), "{err}");
}

#[test]
fn a_faithful_copy_and_a_source_of_ones_own_are_no_warnings() {
    let shopify = shipped::source("shopify").unwrap();
    let setup = setup()
        .file("sources/generic.yaml", shipped::source("generic").unwrap())
        .file("sources/shopify.yaml", &shopify.replace('\n', "\r\n"))
        .file("sources/mine.yaml", &changed("generic"));
    let (code, out, err) = said(&setup, &["check", "--strict"]);
    assert!(code == 0 && out.contains("0 warning(s)"), "{out}{err}");
    // as in the repository, where every shipped source is such a file
    let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config");
    let output = relay(&config, &["check", "--strict"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn diff_shows_what_a_file_changes_of_the_shipped_source() {
    let setup = setup().file("sources/generic.yaml", &changed("generic").replace('\n', "\r\n"));
    let (code, out, err) = said(&setup, &["sources", "diff", "generic"]);
    assert_eq!((code, err.as_str()), (1, ""));
    assert!(out.starts_with("--- shipped/generic.yaml\n+++ config/sources/generic.yaml\n@@ -1,"), "{out}");
    let lines: Vec<&str> = out.lines().skip(2).filter(|line| line.starts_with(['-', '+'])).collect();
    assert_eq!(lines, ["-title: Generic", "+title: Mine"]);
    // also while the file cannot be read as YAML
    let setup = setup.file("sources/generic.yaml", "title: [\n");
    let (code, out, _) = said(&setup, &["sources", "diff", "generic"]);
    assert!(code == 1 && out.ends_with("+title: [\n"), "{out}");

    let setup = setup.file("sources/generic.yaml", shipped::source("generic").unwrap());
    let (code, out, _) = said(&setup, &["sources", "diff", "generic"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "`config/sources/generic.yaml` is the same as the shipped source, and can be deleted\n")
    );
}

#[test]
fn diff_says_what_it_cannot_compare() {
    let setup = setup().file("sources/mine.yaml", "title: Mine\n");
    for (name, error) in [
        ("shopfy", "error: there is no shipped source `shopfy`; did you mean `shopify`?\n"),
        ("../relay", "error: there is no shipped source `../relay`; `serri-relay sources` lists them\n"),
        ("mine", "error: `config/sources/mine.yaml` replaces no shipped source: none is named `mine`\n"),
        (
            "shopify",
            "error: there is no `config/sources/shopify.yaml`: the shipped source is in use, and there is nothing to compare\n",
        ),
    ] {
        assert_eq!(said(&setup, &["sources", "diff", name]), (2, String::new(), error.to_owned()));
    }
    assert!(shipped::source("diff").is_none(), "`sources diff` is the command");
}

#[test]
fn a_file_that_ends_in_yml_replaces_the_shipped_source_too() {
    let setup = setup().file("sources/generic.yml", &changed("generic"));
    let written = serri_relay::config::read(&setup.config(), &Variables::default(), Extent::Used).0.unwrap();
    assert_eq!(written.sources["generic"].value.title, "Mine");
    assert!(said(&setup, &["check"]).2.contains("config/sources/generic.yml:1:1"));
    assert_eq!(said(&setup, &["sources", "diff", "generic"]).0, 1);
}
