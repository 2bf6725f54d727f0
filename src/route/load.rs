//! The configuration that a relay runs by: read at its start, and again while it runs.
//!
//! Settings, and the sources that routes use, are taken as a whole or not at all. Each route stands for itself: one with
//! faults runs as it was last without any, or is not available, and stops no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use http::StatusCode;

use super::check::{Checked, Purpose, Sending, examine};
use super::compile;
use crate::config::campaigns;
use crate::config::diagnostic::{Diagnostic, Place, Severity};
use crate::config::document_file::CLIENT;
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
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        for diagnostic in errors.filter(|diagnostic| !self.is_of_unused_file(diagnostic, &checked, last)) {
            let taking = &diagnostic.routes;
            taking.iter().for_each(|route| of_routes.entry(route.clone()).or_default().push(diagnostic));
            if !taking.is_empty() {
                continue;
            }
            match (self.name_in("routes", diagnostic), self.name_in("sources", diagnostic)) {
                (Some(name), _) => {
                    // of a directory, it is one of all the routes that were read from there before
                    let inside = last
                        .iter()
                        .flat_map(|last| last.written.routes.keys())
                        .filter(|route| route.strip_prefix(&*name).is_some_and(|rest| rest.starts_with('/')));
                    let of_directory: Vec<String> = inside.cloned().collect();
                    let names = if of_directory.is_empty() { vec![name] } else { of_directory };
                    names.into_iter().for_each(|name| of_routes.entry(name).or_default().push(diagnostic));
                }
                // at a start nothing ran before: routes that do not use the source run
                (None, Some(source)) if last.is_none() => {
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
        let faulty = of_routes.iter().map(|(name, found)| {
            let serves = if checked.routes.contains_key(name) {
                Serves::LastGood
            } else {
                let (status, unit) = overloads.get(name).map_or((503, RetryAfterUnit::S), |spec| spec.parts());
                let status =
                    if status == 429 { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::SERVICE_UNAVAILABLE };
                Serves::Nothing(status, unit)
            };
            let line = |fault: &&Diagnostic| secrets.hide(&one_line(fault, &self.variables)).into_owned();
            let faults = found.iter().map(line).collect();
            (name.clone(), Faulty { faults, serves })
        });
        faulty.collect()
    }

    /// Whether a fault stands in a file that no route takes: a source, a shared piece, or a client's.
    fn is_of_unused_file(&self, diagnostic: &Diagnostic, checked: &Checked, last: Option<&Checked>) -> bool {
        if !diagnostic.routes.is_empty() {
            return false;
        }
        // only `check` goes by it
        let of_campaigns = Some(self.dir.join(campaigns::FILE).display().to_string());
        if diagnostic.place.as_ref().map(|place| place.source.name.clone()) == of_campaigns {
            return true;
        }
        let of_client = format!("/{CLIENT}");
        if self.name_in("shared", diagnostic).is_some()
            || self.name_in("routes", diagnostic).is_some_and(|name| name.ends_with(&of_client))
        {
            return true;
        }
        let Some(source) = self.name_in("sources", diagnostic) else { return false };
        let routes = checked.written.routes.values().chain(last.iter().flat_map(|last| last.written.routes.values()));
        let used: BTreeSet<&str> = routes.map(|route| &*route.value.source).collect();
        !used.contains(&*source)
    }

    /// The name of the file below a directory that a fault stands in.
    fn name_in(&self, kind: &str, diagnostic: &Diagnostic) -> Option<String> {
        let Place { source, .. } = diagnostic.place.as_ref()?;
        let name = Path::new(&source.name).strip_prefix(self.dir.join(kind)).ok()?.with_extension("");
        Some(name.to_string_lossy().into_owned()).filter(|name| !name.is_empty())
    }
}
