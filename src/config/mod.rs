//! The configuration as written: files read, variables filled in, shapes checked, every fault with its place.
//!
//! What is written here becomes running parts elsewhere ([`crate::route`], [`crate::authenticate`], [`crate::map`]).
//! Nothing is compiled here, and only this module reads the environment.

pub mod address;
pub mod assemble;
pub mod auth;
mod bare_variable;
pub mod campaigns;
pub mod conceal;
pub mod contact;
pub mod dates;
mod directory;
mod dotenv;
pub mod document;
pub mod document_file;
pub mod enrich;
pub mod file;
pub mod fingerprint;
pub mod diagnostic;
mod format;
pub mod handshake;
pub mod interpolate;
pub mod layers;
pub mod method;
pub mod one_or_many;
pub mod relay;
pub mod report;
pub mod route;
pub mod schema;
pub mod shape;
pub mod shipped;
pub mod source;
pub mod unit;
pub mod send_options;
mod yaml_fault;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use campaigns::{CampaignsFile, Knowledge};
use diagnostic::{About, Diagnostic, Source};
use directory::{Blame, named};
use document_file::Document;
use interpolate::Variables;
use relay::RelayFile;
use route::RouteFile;
use shape::{Reading, Shaped};
use source::SourceFile;

pub use directory::{is_name, is_route_name};
pub use document_file::File;

/// The whole configuration as written.
#[derive(Debug, Clone)]
pub struct Written {
    /// The settings.
    pub relay: File<RelayFile>,
    /// Every source, shipped or given, by name.
    pub sources: BTreeMap<String, File<SourceFile>>,
    /// Every route that could be read, by name.
    pub routes: BTreeMap<String, File<RouteFile>>,
    /// What is known of campaigns besides what the settings say.
    pub campaigns: CampaignsFile,
    /// How that is known.
    pub knowledge: Knowledge,
    /// Sources of which the file is there and could not be read.
    pub unread: BTreeSet<String>,
}

/// Which of the shipped sources are read: each costs a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Those that a route names.
    Used,
    /// All of them.
    All,
}

/// Reads a configuration directory: `relay.yaml`, routes with what they share, `sources/*.yaml`, and the shipped sources.
///
/// All faults are collected. `None` only if the settings themselves cannot be used.
pub fn read(dir: &Path, variables: &Variables, extent: Extent) -> (Option<Written>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    diagnostics.extend(variables.unread().map(Diagnostic::general));
    if !dir.is_dir() {
        let diagnostic = Diagnostic::general(format!("there is no configuration directory `{}`", dir.display()));
        return (
            None,
            vec![diagnostic.hint("name it with --config DIR, or run from the directory that holds `config`")],
        );
    }
    let mut sources: BTreeMap<String, File<SourceFile>> = read_all(&dir.join("sources"), variables, &mut diagnostics);
    let routes = assemble::routes(dir, variables, &mut diagnostics);
    for (name, text) in shipped::SOURCES {
        let wanted = extent == Extent::All || routes.values().any(|route| route.value.source == *name);
        // a file in the directory stands for the shipped one, even while it has faults
        if wanted && own_source(dir, name).is_none() {
            let source = Source::new(format!("config/sources/{name}.yaml (shipped)"), *text);
            sources.extend(parse(name, source, variables, &mut diagnostics).map(|file| (file.name.clone(), file)));
        }
    }
    let named = routes.values().map(|route: &File<RouteFile>| route.value.source.clone());
    let there = |name: &String| is_name(name) && own_source(dir, name).is_some();
    let unread = named.filter(|name| !sources.contains_key(name) && there(name)).collect();
    let relay = read_relay(&dir.join("relay.yaml"), variables, &mut diagnostics);
    let campaigns = read_campaigns(&dir.join(campaigns::FILE), variables, &mut diagnostics);
    let knowledge = Knowledge::Pulled;
    (relay.map(|relay| Written { relay, sources, routes, campaigns, knowledge, unread }), diagnostics)
}

/// The file of a configuration directory that describes a source, if there is one. `name` passes [`is_name`].
pub fn own_source(dir: &Path, name: &str) -> Option<PathBuf> {
    let paths = ["yaml", "yml"].map(|ext| dir.join("sources").join(format!("{name}.{ext}")));
    paths.into_iter().find(|path| path.exists())
}

impl Written {
    /// The names of all sources, those that were not read too.
    pub fn source_names(&self) -> BTreeSet<String> {
        let shipped = shipped::SOURCES.iter().map(|(name, _)| (*name).to_owned());
        self.sources.keys().cloned().chain(shipped).collect()
    }
}

/// Reads a document of which the text is at hand.
pub fn parse<T: JsonSchema + DeserializeOwned>(
    name: &str,
    source: Source,
    variables: &Variables,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<File<T>> {
    Document::parse(source, variables, diagnostics)?.shaped(name, diagnostics)
}

/// What was read of campaigns; nothing if there is no such file.
fn read_campaigns(path: &Path, variables: &Variables, diagnostics: &mut Vec<Diagnostic>) -> CampaignsFile {
    if !path.exists() {
        return CampaignsFile::default();
    }
    let mut found = Vec::new();
    let source = directory::load(path, &mut found);
    let file = source.and_then(|source| parse::<CampaignsFile>("campaigns", source, variables, &mut found));
    // what runs does not go by it
    diagnostics.extend(found.into_iter().map(|diagnostic| diagnostic.about(About::nothing_in_use())));
    file.map(|file| file.value).unwrap_or_default()
}

fn read_relay(path: &Path, variables: &Variables, diagnostics: &mut Vec<Diagnostic>) -> Option<File<RelayFile>> {
    let own = directory::load_settings(path, diagnostics);
    // without its file everything else can be checked, and nothing may run
    let mut reading = if own.is_some() { Reading::AsWritten } else { Reading::WithStandIns };
    let mut documents = Vec::new();
    let defaults = Source::new("defaults", shipped::RELAY);
    for layer in std::iter::once(defaults).chain(own) {
        match Document::parse(layer, variables, diagnostics) {
            Some(document) => {
                reading = reading.and(document.reading);
                documents.push(document.node);
            }
            None => reading = Reading::WithStandIns,
        }
    }
    match layers::lay(documents, variables) {
        Ok(node) => {
            let Shaped { value, reading: shaped } = shape::read(&node, diagnostics)?;
            Some(File { name: "relay".into(), value, node, reading: reading.and(shaped) })
        }
        Err(diagnostic) => {
            diagnostics.push(diagnostic);
            None
        }
    }
}

fn read_all<T: JsonSchema + DeserializeOwned>(
    dir: &Path,
    variables: &Variables,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, File<T>> {
    let mut files = BTreeMap::new();
    for (name, path) in named(directory::yaml_files(dir, Blame::Whole, diagnostics), Blame::Whole, diagnostics) {
        if let Some(source) = directory::load(&path, diagnostics)
            && let Some(file) = parse(&name, source, variables, diagnostics)
        {
            files.insert(name, file);
        }
    }
    files
}
