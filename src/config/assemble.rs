//! A route of the files it is written in: shared pieces, its client's file over them, and its own over all.
//!
//! Every value keeps the place that it comes from, so that a fault points into the file where it has to be put right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::diagnostic::{About, Diagnostic, Place, Takers, unknown};
use super::directory::{self, Blame, CLIENT, named};
use super::document::{Entry, Kind, Node};
use super::document_file::{Document, File};
use super::interpolate::Variables;
use super::route::RouteFile;
use super::shape::check_part;

/// What cannot stand in a shared piece, and why.
pub const NOT_SHARED: [(&str, &str); 3] = [
    ("shared", "a piece takes no others"),
    ("secret", "who has it for one route could call all that take the piece"),
    ("verify_token", "who has it for one route could claim all that take the piece"),
];

/// Lists of things with names: they add up, and of two with one name the nearer to the route counts.
const NAMED_LISTS: [&str; 2] = ["sends", "examples"];

/// Lists that only grow: what one file keeps out of the store, no other lets in.
const GROWING: [&str; 1] = ["redact"];

/// Keys and values of which each counts for itself, as where a route overrides its source.
const FIELD_BY_FIELD: [&str; 4] = ["contact", "event", "dates", "enrich"];

/// A file that several routes take.
struct Part {
    /// What it says; `None` if it cannot be read.
    document: Option<Document>,
    /// What is wrong with it, whoever takes it.
    diagnostics: Vec<Diagnostic>,
    /// The routes that take it.
    takers: BTreeSet<String>,
}

impl Part {
    /// A shared piece.
    fn piece(path: &Path, variables: &Variables) -> Self {
        let mut piece = Self::read(path, variables);
        let document = piece.document.as_ref();
        for (key, why) in NOT_SHARED {
            let place = document.filter(|document| document.node.get(key).is_some());
            let place = place.map(|document| document.node.place_of_key(key));
            let fault =
                place.map(|place| Diagnostic::at(place, format!("`{key}` cannot stand in a shared piece: {why}")));
            piece.diagnostics.extend(fault.map(|fault| fault.hint("write it in the route's file, or in its client's")));
        }
        piece
    }

    fn read(path: &Path, variables: &Variables) -> Self {
        let mut diagnostics = Vec::new();
        let source = directory::load(path, &mut diagnostics);
        let document =
            source.and_then(|source| Document::parse(source.taken_by(Takers::Several), variables, &mut diagnostics));
        // one that says nothing yet is none the worse for it
        if let Some(document) = document.as_ref().filter(|document| document.node.kind != Kind::Null) {
            check_part::<RouteFile>(&document.node, &mut diagnostics);
        }
        Self { document, diagnostics, takers: BTreeSet::new() }
    }

    /// What it says, for a route that takes it; `None` if that is nothing that can be laid under another.
    fn take(&mut self, route: &str) -> Option<Document> {
        self.takers.insert(route.to_owned());
        let document = self.document.as_ref()?;
        matches!(document.node.kind, Kind::Map(_) | Kind::Null).then(|| document.clone())
    }

    /// What is wrong with it, as faults of those that take it.
    fn faults(self) -> impl Iterator<Item = Diagnostic> {
        let Self { diagnostics, takers, .. } = self;
        diagnostics.into_iter().map(move |diagnostic| diagnostic.about(About::Routes(takers.clone())))
    }
}

/// Reads all routes of a configuration directory: `routes/NAME.yaml` and `routes/CLIENT/NAME.yaml`, with what they take of
/// `routes/CLIENT/client.yaml` and `shared/NAME.yaml`.
pub fn routes(
    dir: &Path,
    variables: &Variables,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, File<RouteFile>> {
    let pieces = directory::yaml_files(&dir.join("shared"), Blame::Takers, diagnostics);
    let pieces = named(pieces, Blame::Takers, diagnostics);
    let pieces = pieces.into_iter().map(|(name, path)| (name, Part::piece(&path, variables)));
    let mut pieces: BTreeMap<String, Part> = pieces.collect();
    let mut routes = BTreeMap::new();
    let top = dir.join("routes");
    for folder in directory::route_folders(&top, diagnostics) {
        let mut files = named(folder.files, Blame::Below(&top), diagnostics);
        let client = folder.client.as_ref().and_then(|_| files.remove(CLIENT));
        let mut client = client.map(|path| Part::read(&path, variables));
        for (name, path) in files {
            let name = folder.client.as_ref().map_or_else(|| name.clone(), |client| format!("{client}/{name}"));
            let mut unread = Vec::new();
            let own = directory::load(&path, &mut unread).map(|own| own.taken_by(Takers::One));
            let own = own.and_then(|own| Document::parse(own, variables, &mut unread));
            diagnostics.extend(unread.into_iter().map(|diagnostic| diagnostic.about(About::route(&name))));
            let mut found = Vec::new();
            let whole = own.and_then(|own| whole(&name, own, client.as_mut(), &mut pieces, &mut found));
            let route = whole.and_then(|whole| whole.shaped(&name, &mut found));
            diagnostics.extend(found.into_iter().map(|diagnostic| diagnostic.of_route(&name)));
            routes.extend(route.map(|route| (name, route)));
        }
        diagnostics.extend(client.into_iter().flat_map(Part::faults));
    }
    diagnostics.extend(pieces.into_values().flat_map(Part::faults));
    routes
}

/// A route's own file over its client's, and that over the pieces that either takes; `None` if one of them cannot be read.
fn whole(
    route: &str,
    own: Document,
    client: Option<&mut Part>,
    pieces: &mut BTreeMap<String, Part>,
    found: &mut Vec<Diagnostic>,
) -> Option<Document> {
    let of_client = client.as_deref().and_then(|client| client.document.as_ref()).map(|document| &document.node);
    let shared = named_pieces(of_client.into_iter().chain([&own.node])).into_iter().map(|(name, place)| {
        let piece = pieces.get_mut(&name).map(|piece| piece.take(route));
        piece.unwrap_or_else(|| {
            found.push(no_piece(&place, &name, pieces));
            None
        })
    });
    // all are looked at before the first that is missing ends it
    let shared: Vec<Option<Document>> = shared.collect();
    let client = client.map(|client| client.take(route));
    let shared: Vec<Document> = shared.into_iter().collect::<Option<_>>()?;
    let client = client.map_or(Some(None), |client| client.map(Some))?;
    let over = |far: Document, near: Document, lists: Lists| Document {
        node: laid(far.node, near.node, lists),
        reading: far.reading.and(near.reading),
    };
    // two pieces with rules of one name: which of them would count?
    let shared = shared.into_iter().reduce(|far, near| over(far, near, beside));
    let layers = [shared, client, Some(own)].into_iter().flatten();
    layers.reduce(|far, near| over(far, near, in_place))
}

/// The pieces that files take, with where they say so; of one that is named twice, the last time.
fn named_pieces<'a>(nodes: impl Iterator<Item = &'a Node>) -> Vec<(String, Place)> {
    let mut named: Vec<(String, Place)> = Vec::new();
    for entry in nodes.filter_map(|node| node.get("shared")).flat_map(entries) {
        let name = match &entry.kind {
            Kind::Text(name) | Kind::Number(_, name) => name.clone(),
            Kind::Bool(name) => name.to_string(),
            // a fault of its shape
            Kind::Null | Kind::List(_) | Kind::Map(_) => continue,
        };
        named.retain(|(other, _)| *other != name);
        named.push((name, entry.place.clone()));
    }
    named
}

/// A list's entries, or the one thing that stands in its place.
fn entries(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

fn no_piece(place: &Place, name: &str, pieces: &BTreeMap<String, Part>) -> Diagnostic {
    let diagnostic = unknown(place, "shared piece", name, pieces.keys());
    if pieces.is_empty() { diagnostic.hint("write it as shared/NAME.yaml beside relay.yaml") } else { diagnostic }
}

/// How a list of things with names is laid over another.
type Lists = fn(Vec<Node>, Vec<Node>) -> Vec<Node>;

/// A document over another, key by key. It has the place of the nearer.
fn laid(far: Node, near: Node, lists: Lists) -> Node {
    let Node { place, kind } = near;
    let kind = match (far.kind, kind) {
        (far, Kind::Null) => far,
        (Kind::Map(far), Kind::Map(near)) => {
            Kind::Map(keys_laid(far, near, |key, far, near| of_key(key, far, near, lists)))
        }
        (_, near) => near,
    };
    Node { place, kind }
}

/// The entries of both; where both have one, what `join` makes of the two.
fn keys_laid(far: Vec<Entry>, near: Vec<Entry>, join: impl Fn(&str, Node, Node) -> Node) -> Vec<Entry> {
    let mut entries = far;
    for Entry { key, place, value } in near {
        match entries.iter().position(|entry| entry.key == key) {
            Some(index) => {
                let far = entries.remove(index);
                let value = join(&key, far.value, value);
                entries.push(Entry { key, place, value });
            }
            None => entries.push(Entry { key, place, value }),
        }
    }
    entries
}

fn of_key(key: &str, far: Node, near: Node, lists: Lists) -> Node {
    match (far.kind, near.kind) {
        (Kind::List(far), Kind::List(nearer)) if NAMED_LISTS.contains(&key) => {
            Node { place: near.place, kind: Kind::List(lists(far, nearer)) }
        }
        (Kind::List(far), Kind::List(nearer)) if GROWING.contains(&key) => {
            Node { place: near.place, kind: Kind::List(beside(far, nearer)) }
        }
        (Kind::Map(far), Kind::Map(nearer)) if FIELD_BY_FIELD.contains(&key) => {
            let kind = Kind::Map(keys_laid(far, nearer, |_, _, near| near));
            Node { place: near.place, kind }
        }
        (_, kind) => Node { place: near.place, kind },
    }
}

/// Both lists.
fn beside(far: Vec<Node>, near: Vec<Node>) -> Vec<Node> {
    [far, near].concat()
}

/// Both lists; a nearer entry takes the place of a farther one of its name. Two nearer ones of one name both stay, and are a
/// fault.
fn in_place(far: Vec<Node>, near: Vec<Node>) -> Vec<Node> {
    let name = |node: &Node| match node.get("name").map(|name| &name.kind) {
        Some(Kind::Text(name) | Kind::Number(_, name)) => Some(name.clone()),
        _ => None,
    };
    let mut near: Vec<Option<Node>> = near.into_iter().map(Some).collect();
    let mut laid = Vec::new();
    for farther in far {
        let of_name = |nearer: &&mut Option<Node>| {
            nearer.as_ref().is_some_and(|nearer| name(nearer).is_some() && name(nearer) == name(&farther))
        };
        laid.push(near.iter_mut().find(of_name).and_then(Option::take).unwrap_or(farther));
    }
    laid.extend(near.into_iter().flatten());
    laid
}
