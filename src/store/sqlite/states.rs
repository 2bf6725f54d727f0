//! Where a send or a lookup stands, as it is written down. The numbers are part of the file's format.

use rusqlite::Result;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::event::State;

/// A state with the number that stands for it in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SendState {
    /// It goes as soon as it may.
    Ready = 0,
    /// It waits for a moment.
    Delayed = 1,
    /// It is claimed, until its lease ends.
    Sending = 2,
    /// It waits for another send to the same person.
    Blocked = 3,
    /// The first of those that are over; of a lookup: the rest of the event was found.
    Sent = 10,
    Failed = 11,
    Uncertain = 12,
    Expired = 13,
    Suppressed = 14,
    Cancelled = 15,
    Duplicate = 16,
}

/// What became of a send that was refused in unknown words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalState {
    /// It has failed, and counts. It fails for good when the campaign takes a send of anybody else's.
    Counted = 0,
    /// It waits with a hold.
    Waits = 1,
    /// It went on when that hold ended.
    WentOn = 2,
}

/// The states by name in the text of a statement: `sql!("SELECT id FROM sends WHERE state = " ready)`. A partial index is
/// used only where the number stands in the text, so it cannot be bound.
macro_rules! sql {
    ($($part:tt)+) => { concat!($($crate::store::sqlite::states::in_sql!($part)),+) };
}

/// The numbers, as text of a statement: the only place beside the enums here that knows them.
macro_rules! in_sql {
    ($text:literal) => {
        $text
    };
    (ready) => {
        "0"
    };
    (delayed) => {
        "1"
    };
    (sending) => {
        "2"
    };
    (blocked) => {
        "3"
    };
    (parked) => {
        "1, 3"
    };
    (unsent) => {
        "0, 1, 3"
    };
    (sent) => {
        "10"
    };
    (failed) => {
        "11"
    };
    (uncertain) => {
        "12"
    };
    (counted) => {
        "0"
    };
    (waits) => {
        "1"
    };
    (went_on) => {
        "2"
    };
}

pub(super) use {in_sql, sql};

impl SendState {
    /// All of them.
    const ALL: [Self; 11] = [
        Self::Ready,
        Self::Delayed,
        Self::Sending,
        Self::Blocked,
        Self::Sent,
        Self::Failed,
        Self::Uncertain,
        Self::Expired,
        Self::Suppressed,
        Self::Cancelled,
        Self::Duplicate,
    ];

    /// What people call it.
    pub fn shown(self) -> State {
        match self {
            Self::Ready | Self::Delayed | Self::Blocked => State::Waiting,
            Self::Sending => State::Sending,
            Self::Sent => State::Sent,
            Self::Failed => State::Failed,
            Self::Uncertain => State::Uncertain,
            Self::Expired => State::Expired,
            Self::Suppressed => State::Suppressed,
            Self::Cancelled => State::Cancelled,
            Self::Duplicate => State::Duplicate,
        }
    }

    /// What the file calls it.
    pub fn all_of(state: State) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |kept| kept.shown() == state)
    }

    /// The state in which what ends without a call is written down; what waits is ready.
    pub fn of(state: State) -> Self {
        Self::all_of(state).next().unwrap_or(Self::Ready)
    }

    /// Whether nothing becomes of it by itself any more.
    pub fn is_over(self) -> bool {
        self >= Self::Sent
    }
}

impl ToSql for SendState {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(*self as i64))
    }
}

impl ToSql for RefusalState {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(*self as i64))
    }
}

impl FromSql for SendState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        Self::ALL.into_iter().find(|state| *state as i64 == number).ok_or(FromSqlError::OutOfRange(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_in_statements_are_those_of_the_states() {
        for (text, states) in [
            (sql!(ready), &[SendState::Ready][..]),
            (sql!(delayed), &[SendState::Delayed]),
            (sql!(sending), &[SendState::Sending]),
            (sql!(blocked), &[SendState::Blocked]),
            (sql!(parked), &[SendState::Delayed, SendState::Blocked]),
            (sql!(unsent), &[SendState::Ready, SendState::Delayed, SendState::Blocked]),
            (sql!(sent), &[SendState::Sent]),
            (sql!(failed), &[SendState::Failed]),
            (sql!(uncertain), &[SendState::Uncertain]),
        ] {
            let numbers: Vec<String> = states.iter().map(|state| (*state as i64).to_string()).collect();
            assert_eq!(text, numbers.join(", "));
        }
        for (text, state) in [
            (sql!(counted), RefusalState::Counted),
            (sql!(waits), RefusalState::Waits),
            (sql!(went_on), RefusalState::WentOn),
        ] {
            assert_eq!(text, (state as i64).to_string());
        }
    }
}
