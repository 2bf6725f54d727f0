//! The configuration that a relay runs by: read at its start, and again while it runs.
//!
//! Settings, and the sources that routes use, are taken as a whole or not at all. Each route stands for itself: one with
//! faults runs as it was last without any, or is not available, and stops no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use http::StatusCode;

use super::check::{Checked, Purpose, Sending, examine};
use super::compile;
use crate::config::diagnostic::{About, Diagnostic, Place, Severity};
use crate::config::fingerprint::Fingerprint;
use crate::config::interpolate::Variables;
use crate::config::report::one_line;
use crate::config::source::{OverloadSpec, RetryAfterUnit};
use crate::mask::Secrets;

/// Where a configuration is read from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The directory.
    pub dir: PathBuf,
    /// What `${}` stands for.
    pub variables: Variables,
    /// Where sends go.
    pub sending: Sending,
}

/// A route whose file has faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faulty {
    /// What is wrong, with places, and without secrets.
    pub faults: Vec<String>,
    /// How its calls are answered meanwhile.
    pub serves: Serves,
}

/// What a route with faults does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// Its calls are taken as its file said before.
    LastGood,
    /// Its senders are asked to try again later: with this status, and `Retry-After` in this unit.
    Nothing(StatusCode, RetryAfterUnit),
}

/// Routes with faults, by name.
pub type FaultyRoutes = BTreeMap<String, Faulty>;

/// A configuration that can run.
#[derive(Debug)]
pub struct Loaded {
    /// What runs; routes with faults as they were before.
    pub checked: Checked,
    /// Routes with faults.
    pub faulty: FaultyRoutes,
    /// What somebody may wish to know.
    pub warnings: Vec<Diagnostic>,
    /// Its files as they were before they were read.
    pub files: Fingerprint,
    /// What it holds in secret, routes with faults included.
    pub secrets: Secrets,
}

impl Origin {
    /// Reads it; `last` is what runs at present, if anything does.
    ///
    /// # Errors
    ///
    /// Every fault and warning, if it cannot run: the settings or a source in use have faults, or a route that runs at present
    /// could not go on.
    pub fn load(&self, last: Option<&Checked>) -> Result<Loaded, Vec<Diagnostic>> {
        let files = Fingerprint::of(&self.dir);
        let (checked, mut diagnostics) = examine(&self.dir, &self.variables, self.sending, Purpose::Run);
        let Some(mut checked) = checked else { return Err(diagnostics) };
        if last.is_some_and(|last| !last.routes.is_empty()) && !self.dir.join("routes").is_dir() {
            let message = format!("`{}` is gone, and with it every route", self.dir.join("routes").display());
            diagnostics.push(Diagnostic::general(message).hint("put it back, or an empty directory in its place"));
        }
        // those of routes with faults, too
        let secrets = checked.secrets();
        let mut of_routes: BTreeMap<String, Vec<&Diagnostic>> = BTreeMap::new();
        let mut is_sound = true;
        let known = || checked.written.routes.keys().chain(last.iter().flat_map(|last| last.written.routes.keys()));
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        for diagnostic in errors {
            if let About::Routes(routes) = &diagnostic.about {
                for name in routes {
                    let of_client: BTreeSet<&String> =
                        known().filter(|route| name.ends_with('/') && route.starts_with(name)).collect();
                    let names = if of_client.is_empty() { BTreeSet::from([name]) } else { of_client };
                    names.into_iter().for_each(|name| of_routes.entry(name.clone()).or_default().push(diagnostic));
                }
                continue;
            }
            match self.source_of(diagnostic) {
                Some(source) if !is_used(&source, &checked, last) => {}
                // at a start nothing ran before: routes that do not use the source run
                Some(source) if last.is_none() => {
                    let using = checked.written.routes.values().filter(|route| route.value.source == source);
                    using.for_each(|route| of_routes.entry(route.name.clone()).or_default().push(diagnostic));
                }
                _ => is_sound = false,
            }
        }
        if !is_sound {
            return Err(diagnostics);
        }
        let faulty = self.stand_in(&mut checked, (last, &secrets), &of_routes);
        if let Some(last) = last {
            let stopped = faulty
                .iter()
                .filter(|(name, faulty)| faulty.serves != Serves::LastGood && last.routes.contains_key(*name));
            let stopped: Vec<&str> = stopped.map(|(name, _)| name.as_str()).collect();
            if !stopped.is_empty() {
                let mut diagnostics = diagnostics;
                let message = format!(
                    "`{}` could not go on as before: what was read beside it does not fit what its file said then",
                    stopped.join("`, `")
                );
                diagnostics.push(Diagnostic::general(message).hint("fix its faults first; nothing was changed"));
                return Err(diagnostics);
            }
        }
        let of_routes: Vec<Diagnostic> = of_routes.into_values().flatten().cloned().collect();
        // what is wrong with a file that no route takes is only said
        let rest = diagnostics.into_iter().filter(|diagnostic| !of_routes.contains(diagnostic));
        let warnings = rest.map(Diagnostic::warning).collect();
        Ok(Loaded { checked, faulty, warnings, files, secrets })
    }

    /// Puts in the place of each route with faults what its file said when it had none, or takes it out.
    fn stand_in(
        &self,
        checked: &mut Checked,
        (last, secrets): (Option<&Checked>, &Secrets),
        of_routes: &BTreeMap<String, Vec<&Diagnostic>>,
    ) -> FaultyRoutes {
        if of_routes.is_empty() {
            return FaultyRoutes::new();
        }
        let mut overloads: BTreeMap<&String, OverloadSpec> = BTreeMap::new();
        let written = &mut checked.written;
        for name in of_routes.keys() {
            let source = written.routes.remove(name).and_then(|file| written.sources.get(&file.value.source));
            overloads.extend(source.and_then(|source| source.value.profile_spec.overload).map(|spec| (name, spec)));
            let good =
                last.filter(|last| last.routes.contains_key(name)).and_then(|last| last.written.routes.get(name));
            if let (Some(good), Some(last)) = (good, last) {
                let source = &good.value.source;
                if let (false, Some(of_last)) = (written.sources.contains_key(source), last.written.sources.get(source))
                {
                    written.sources.insert(source.clone(), of_last.clone());
                }
                written.routes.insert(name.clone(), good.clone());
            }
        }
        // the faults of those that are left out were found already
        checked.routes = compile(written, &mut Vec::new());
        // a fault of a shared piece is one of each route that takes it, and finding what to conceal reads the whole file
        let mut lines: BTreeMap<*const Diagnostic, String> = BTreeMap::new();
        for fault in of_routes.values().flatten() {
            let line = || secrets.hide(&one_line(fault, &self.variables)).into_owned();
            lines.entry(std::ptr::from_ref(*fault)).or_insert_with(line);
        }
        let faulty = of_routes.iter().map(|(name, found)| {
            let serves = if checked.routes.contains_key(name) {
                Serves::LastGood
            } else {
                let (status, unit) = overloads.get(name).map_or((503, RetryAfterUnit::S), |spec| spec.parts());
                let status =
                    if status == 429 { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::SERVICE_UNAVAILABLE };
                Serves::Nothing(status, unit)
            };
            let faults = found.iter().filter_map(|fault| lines.get(&std::ptr::from_ref(*fault)).cloned()).collect();
            (name.clone(), Faulty { faults, serves })
        });
        faulty.collect()
    }

    /// The name of the source that a fault stands in.
    fn source_of(&self, diagnostic: &Diagnostic) -> Option<String> {
        let Place { source, .. } = diagnostic.place.as_ref()?;
        let name = Path::new(&source.name).strip_prefix(self.dir.join("sources")).ok()?.with_extension("");
        Some(name.to_string_lossy().into_owned()).filter(|name| !name.is_empty())
    }
}

/// Whether a route uses a source, or did until now.
fn is_used(source: &str, checked: &Checked, last: Option<&Checked>) -> bool {
    let mut routes = checked.written.routes.values().chain(last.iter().flat_map(|last| last.written.routes.values()));
    routes.any(|route| route.value.source == source)
}
