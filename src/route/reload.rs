//! Requests to take the configuration anew, and what they answer.

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::load::{Faulty, Serves};

/// Somebody asks for the configuration to be taken anew.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Who asks, for the log.
    pub by: &'static str,
    /// Where the answer goes, if somebody waits for it.
    pub answer: Option<oneshot::Sender<Reloaded>>,
}

/// Where one asks. Those that wait share one answer, so that nobody has to wait for a place among them.
pub type ReloadRequests = mpsc::UnboundedSender<ReloadRequest>;

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Whether anything was taken; if not, everything runs as before.
    pub taken: bool,
    /// How many routes take calls.
    pub routes: usize,
    /// The routes that are new.
    pub added: Vec<String>,
    /// The routes of which a file says something else now: their own, their client's, or a shared piece.
    pub changed: Vec<String>,
    /// The routes whose files are gone.
    pub removed: Vec<String>,
    /// The routes with faults.
    pub faulty: Vec<FaultyView>,
    /// What keeps everything from being taken.
    pub faults: Vec<String>,
    /// What somebody may wish to know.
    pub warnings: Vec<String>,
    /// The settings that were changed and hold from the next start on.
    pub needs_restart: Vec<&'static str>,
}

/// A route with faults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultyView {
    /// The route.
    pub route: String,
    /// `last_good`: its calls are taken as its file said before; `nothing`: its senders are asked to try again later.
    pub serves: &'static str,
    /// What is wrong.
    pub faults: Vec<String>,
}

/// A route with faults, as people see it.
pub fn view(route: &str, faulty: &Faulty) -> FaultyView {
    let serves = match faulty.serves {
        Serves::LastGood => "last_good",
        Serves::Nothing(..) => "nothing",
    };
    FaultyView { route: route.to_owned(), serves, faults: faulty.faults.clone() }
}
