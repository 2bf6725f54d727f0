//! Where a send stands, as the store writes it down.

use crate::event::State;
use crate::store::gate::Ending;

pub const READY: i64 = 0;
pub const WAITING: i64 = 1;
pub const SENDING: i64 = 2;
/// Behind another send to the same person.
pub const BEHIND: i64 = 3;
pub const SENT: i64 = 10;
pub const FAILED: i64 = 11;
pub const UNCERTAIN: i64 = 12;
pub const EXPIRED: i64 = 13;
pub const SUPPRESSED: i64 = 14;
pub const CANCELLED: i64 = 15;
pub const DUPLICATE: i64 = 16;

/// What people call it.
pub fn shown(state: i64) -> State {
    match state {
        SENDING => State::Sending,
        SENT => State::Sent,
        FAILED => State::Failed,
        UNCERTAIN => State::Uncertain,
        EXPIRED => State::Expired,
        SUPPRESSED => State::Suppressed,
        CANCELLED => State::Cancelled,
        DUPLICATE => State::Duplicate,
        _ => State::Waiting,
    }
}

/// What the store calls it.
pub fn kept(state: State) -> &'static [i64] {
    match state {
        State::Waiting => &[READY, WAITING, BEHIND],
        State::Sending => &[SENDING],
        State::Sent => &[SENT],
        State::Failed => &[FAILED],
        State::Uncertain => &[UNCERTAIN],
        State::Expired => &[EXPIRED],
        State::Suppressed => &[SUPPRESSED],
        State::Cancelled => &[CANCELLED],
        State::Duplicate => &[DUPLICATE],
    }
}

/// Where a send that comes to its end without a call stands from then on.
pub fn of_ending(ending: &Ending) -> i64 {
    match ending.state() {
        State::Expired => EXPIRED,
        State::Suppressed => SUPPRESSED,
        State::Duplicate => DUPLICATE,
        _ => CANCELLED,
    }
}
