//! A route of the files it is written in: shared pieces, its client's file over them, and its own over all.
//!
//! Every value keeps the place that it comes from, so that a fault points into the file where it has to be put right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::diagnostic::{Diagnostic, Place, unknown};
use super::directory;
use super::document::{Entry, Kind, Node};
use super::document_file::{CLIENT, Document, File, is_name, named};
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
        let document = source.and_then(|source| Document::parse(source.shared(), variables, &mut diagnostics));
        if let Some(document) = &document {
            check_part::<RouteFile>(&document.node, &mut diagnostics);
        }
        Self { document, diagnostics, takers: BTreeSet::new() }
    }

    /// What is wrong with it, as faults of those that take it.
    fn faults(self) -> impl Iterator<Item = Diagnostic> {
        let Self { diagnostics, takers, .. } = self;
        diagnostics.into_iter().map(move |diagnostic| Diagnostic { routes: takers.clone(), ..diagnostic })
    }
}

/// Reads all routes of a configuration directory: `routes/NAME.yaml` and `routes/CLIENT/NAME.yaml`, with what they take of
/// `routes/CLIENT/client.yaml` and `shared/NAME.yaml`.
pub fn routes(
    dir: &Path,
    variables: &Variables,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, File<RouteFile>> {
    let pieces = named(directory::yaml_files(&dir.join("shared"), diagnostics), diagnostics);
    let pieces = pieces.into_iter().map(|(name, path)| (name, Part::piece(&path, variables)));
    let mut pieces: BTreeMap<String, Part> = pieces.collect();
    let mut routes = BTreeMap::new();
    for folder in directory::route_folders(&dir.join("routes"), diagnostics) {
        if let Some(client) = folder.client.as_ref().filter(|client| !is_name(client)) {
            let path = dir.join("routes").join(client);
            let message = format!("`{}` becomes part of addresses; use a-z, 0-9, - and _", path.display());
            diagnostics.push(directory::fault(&path, message).hint("rename the directory"));
            continue;
        }
        let mut files = named(folder.files, diagnostics);
        let client = folder.client.as_ref().and_then(|_| files.remove(CLIENT));
        let mut client = client.map(|path| Part::read(&path, variables));
        for (name, path) in files {
            let name = folder.client.as_ref().map_or_else(|| name.clone(), |client| format!("{client}/{name}"));
            let own = directory::load(&path, diagnostics);
            let own = own.and_then(|own| Document::parse(own, variables, diagnostics));
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
    let mut is_whole = true;
    let mut take = |part: &mut Part| {
        part.takers.insert(route.to_owned());
        let usable = part.document.as_ref().filter(|document| matches!(document.node.kind, Kind::Map(_) | Kind::Null));
        is_whole &= usable.is_some();
        usable.cloned()
    };
    let mut taken_pieces: Vec<Document> = Vec::new();
    let of_client = client.as_deref().and_then(|client| client.document.clone());
    let mut missing = false;
    let mut seen = BTreeSet::new();
    for (name, place) in of_client.iter().chain([&own]).flat_map(|document| taken(&document.node)) {
        match pieces.get_mut(name) {
            Some(piece) if seen.insert(name) => taken_pieces.extend(take(piece)),
            Some(_) => {}
            None => {
                missing = true;
                found.push(no_piece(place, name, pieces));
            }
        }
    }
    let client = client.and_then(take);
    let laid = |far: Document, near: Document, lists: Lists| Document {
        node: laid(far.node, near.node, lists),
        reading: far.reading.and(near.reading),
    };
    // two pieces with rules of one name: which of them would count?
    let shared = taken_pieces.into_iter().reduce(|far, near| laid(far, near, beside));
    let far = match (shared, client) {
        (Some(shared), Some(client)) => Some(laid(shared, client, in_place)),
        (shared, client) => shared.or(client),
    };
    let whole = if let Some(far) = far { laid(far, own, in_place) } else { own };
    (is_whole && !missing).then_some(whole)
}

/// The pieces that a file takes, with where it says so. What is not a name is a fault of its shape.
fn taken(node: &Node) -> impl Iterator<Item = (&str, &Place)> {
    let nodes = match node.get("shared") {
        Some(Node { kind: Kind::List(items), .. }) => items.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    nodes.into_iter().filter_map(|node| match &node.kind {
        Kind::Text(name) => Some((name.as_str(), &node.place)),
        _ => None,
    })
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

/// Both lists; a nearer entry takes the place of a farther one of its name.
fn in_place(mut far: Vec<Node>, near: Vec<Node>) -> Vec<Node> {
    let name = |node: &Node| match node.get("name").map(|name| &name.kind) {
        Some(Kind::Text(name) | Kind::Number(_, name)) => Some(name.clone()),
        _ => None,
    };
    let mut more = Vec::new();
    for node in near {
        let own = name(&node);
        match far.iter_mut().find(|farther| own.is_some() && name(farther) == own) {
            Some(farther) => *farther = node,
            None => more.push(node),
        }
    }
    [far, more].concat()
}
