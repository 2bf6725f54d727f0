//! What a replay does, one step for each send.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::event::act::Barrier;
use crate::event::view::KeptWhole;
use crate::event::{NewSend, SendOptions, State};

/// What a replay does for one send.
#[derive(Debug, Serialize)]
pub struct Step {
    pub event: String,
    pub rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    pub does: Does,
    pub why: String,
    /// In which state the send would come to its end at once, if that is why it is skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<State>,
    /// What the campaign API would be called with, without the key.
    #[serde(skip)]
    pub payload: Option<String>,
    /// What it has in common with sends of which only one goes.
    #[serde(skip)]
    pub same: Vec<Same>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Does {
    /// A send goes, or what is missing of an event is read.
    Send,
    /// A number is suppressed, or not any more.
    Change,
    /// Nothing, for a good reason.
    Skip,
    /// Nothing, since something is wrong.
    Fail,
}

impl Does {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Send, Self::Change, Self::Skip, Self::Fail];

    /// One word for the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Change => "change",
            Self::Skip => "skip",
            Self::Fail => "fail",
        }
    }
}

/// What sends have in common of which only one goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Same {
    /// What `once` counts as the same.
    Once([u8; 16]),
    /// They are of one rule of one route, and about the same thing at the same moment.
    Moment { route: String, rule: String, key: String, at: Timestamp },
}

impl Same {
    fn of(route: &str, rule: &str, options: &SendOptions) -> Vec<Self> {
        let once = options.once.as_ref().map(|once| Self::Once(once.key));
        let moment = options.key.clone().zip(options.about_at).map(|(key, at)| Self::Moment {
            route: route.to_owned(),
            rule: rule.to_owned(),
            key,
            at,
        });
        once.into_iter().chain(moment).collect()
    }
}

/// A step of a kept event.
pub fn step(kept: &KeptWhole, rule: &str, destination: Option<&str>, does: Does, why: &str) -> Step {
    Step {
        event: kept.event.id.clone(),
        rule: rule.to_owned(),
        destination: destination.map(ToOwned::to_owned),
        does,
        why: why.to_owned(),
        stopped: None,
        payload: None,
        same: Vec::new(),
    }
}

impl Step {
    /// What becomes of a send that its event makes now.
    pub fn of(kept: &KeptWhole, send: &NewSend, does: Does, why: &str) -> Self {
        let content = send.content.as_ref().ok();
        let destination = content.map(|content| content.destination.as_str());
        let going = content.filter(|_| does == Does::Send);
        let payload = going.map(|content| content.payload.clone());
        let same = going.map(|content| Same::of(&kept.route, &send.rule, &content.options)).unwrap_or_default();
        Self { payload, same, ..step(kept, &send.rule, destination, does, why) }
    }

    /// It does not go after all.
    pub fn stop(&mut self, state: State, why: &str) {
        (self.does, self.stopped, self.payload) = (Does::Skip, Some(state), None);
        self.why = why.to_owned();
    }

    /// A send that would come to its end at once.
    pub fn stopped(kept: &KeptWhole, send: &NewSend, barrier: &Barrier) -> Self {
        Self { stopped: Some(barrier.state), ..Self::of(kept, send, Does::Skip, &barrier.reason) }
    }
}
