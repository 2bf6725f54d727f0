//! Whether a send may go now, and why not: the one place that decides it, for every way to a call (as it comes, claimed,
//! as a probe of a hold, made anew by a changed rule or a replay). It is pure: the engine gathers the facts, and writes down
//! what is decided.

use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::event::{Cap, OverCap, SendGuards, SendOptions, Start, State, Why};

/// How soon it is looked at again whether the same, which is being sent, went.
const ONCE_PAUSE: Duration = Duration::from_millis(500);

/// What is known of a send before anything is looked up.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// When it is no longer wanted.
    pub expires_at: Option<Timestamp>,
    /// Its guards.
    pub guards: &'a SendGuards,
    /// The cap that counts it, if its campaign is marketing and there is one.
    pub cap: Option<Cap>,
}

impl<'a> Candidate<'a> {
    /// A send with these options.
    pub fn of(options: &'a SendOptions) -> Self {
        let SendOptions { expires_at, guards, marketing, .. } = options;
        Self { expires_at: *expires_at, guards, cap: guards.cap.filter(|_| *marketing) }
    }
}

/// What is looked up for a send, and only when it is asked for.
pub trait Facts {
    /// Why nothing can be looked up.
    type Error;

    /// Whether a later event cancelled what it is about.
    fn is_cancelled(&mut self) -> Result<bool, Self::Error>;

    /// Another send of its rule about the same moment.
    fn same_moment(&mut self) -> Result<Option<Same>, Self::Error>;

    /// Why its account must not message the number, if so.
    fn suppression(&mut self) -> Result<Option<String>, Self::Error>;

    /// Another send that counts as the same within its `once` window.
    fn same(&mut self) -> Result<Option<Same>, Self::Error>;

    /// Whether the person is being sent to, or an earlier send to them has to go first.
    fn is_blocked(&mut self) -> Result<bool, Self::Error>;

    /// Until when the person has had as many marketing messages as they may; `None`: they may have one more.
    fn capped_until(&mut self, cap: Cap) -> Result<Option<Timestamp>, Self::Error>;
}

/// Another send that counts as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// It reached the person, or may have: the send's number.
    Went(i64),
    /// It is being sent.
    IsGoing,
}

/// What is decided of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// It goes.
    Open,
    /// It goes after others to the same person.
    Blocked,
    /// It goes later.
    Wait(Start),
    /// It does not go at all.
    End(Ending),
}

/// Why a send comes to its end without a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Its time is over, since then.
    Expired(Timestamp),
    /// A later event cancelled it.
    Cancelled,
    /// This send went for the same moment.
    SameMoment(i64),
    /// The number must not be messaged, for this reason.
    Suppressed(String),
    /// The person got the same by this send.
    Duplicate(i64),
    /// The person had so many marketing messages, and the cap drops more.
    OverCap(u32),
}

impl Ending {
    /// Where the send stands from then on.
    pub fn state(&self) -> State {
        match self {
            Self::Expired(_) => State::Expired,
            Self::Cancelled | Self::OverCap(_) => State::Cancelled,
            Self::SameMoment(_) | Self::Duplicate(_) => State::Duplicate,
            Self::Suppressed(_) => State::Suppressed,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(at) => write!(f, "it expired at {at}, before it could be sent"),
            Self::Cancelled => f.write_str("a later event about the same had cancelled it"),
            Self::SameMoment(other) => write!(f, "send {other} was for the same moment"),
            Self::Suppressed(reason) => write!(f, "the number must not be messaged: {reason}"),
            Self::Duplicate(other) => write!(f, "the person got the same by send {other}"),
            Self::OverCap(most) => write!(f, "the person had {most} marketing messages already"),
        }
    }
}

/// Why a new send comes to its end at once, whoever it goes to; `None`: it begins.
///
/// # Errors
///
/// What the facts say.
pub fn outdated<F: Facts>(send: Candidate<'_>, facts: &mut F, now: Timestamp) -> Result<Option<Ending>, F::Error> {
    Ok(match still_meant(send, facts, now)? {
        Weighed::Unwanted(ending) => Some(ending),
        Weighed::Wanted | Weighed::Undecided => None,
    })
}

/// Why a send would come to its end if its turn came now; `None`: it goes, if not at once.
///
/// # Errors
///
/// What the facts say.
pub fn unwanted<F: Facts>(send: Candidate<'_>, facts: &mut F, now: Timestamp) -> Result<Option<Ending>, F::Error> {
    Ok(match weigh(send, facts, now)? {
        Weighed::Unwanted(ending) => Some(ending),
        Weighed::Wanted | Weighed::Undecided => None,
    })
}

/// Whether a send may go now.
///
/// # Errors
///
/// What the facts say.
pub fn gate<F: Facts>(send: Candidate<'_>, facts: &mut F, now: Timestamp) -> Result<Gate, F::Error> {
    let weighed = match weigh(send, facts, now)? {
        Weighed::Unwanted(ending) => return Ok(Gate::End(ending)),
        weighed => weighed,
    };
    if facts.is_blocked()? {
        return Ok(Gate::Blocked);
    }
    if weighed == Weighed::Undecided {
        return Ok(Gate::Wait(Start { at: now.after(ONCE_PAUSE), why: Why::Once }));
    }
    let Some(cap) = send.cap else { return Ok(Gate::Open) };
    Ok(match facts.capped_until(cap)? {
        None => Gate::Open,
        Some(_) if cap.over == OverCap::Drop => Gate::End(Ending::OverCap(cap.most)),
        Some(at) => Gate::Wait(Start { at, why: Why::Cap }),
    })
}

/// Whether a send is wanted, for what can be known.
#[derive(PartialEq, Eq)]
enum Weighed {
    Wanted,
    /// The same is being sent: whether this one is wanted depends on what becomes of that.
    Undecided,
    Unwanted(Ending),
}

fn still_meant<F: Facts>(send: Candidate<'_>, facts: &mut F, now: Timestamp) -> Result<Weighed, F::Error> {
    if facts.is_cancelled()? {
        return Ok(Weighed::Unwanted(Ending::Cancelled));
    }
    let same = facts.same_moment()?;
    if let Some(Same::Went(other)) = same {
        return Ok(Weighed::Unwanted(Ending::SameMoment(other)));
    }
    Ok(match send.expires_at.filter(|at| *at <= now) {
        Some(at) => Weighed::Unwanted(Ending::Expired(at)),
        None if same.is_some() => Weighed::Undecided,
        None => Weighed::Wanted,
    })
}

fn weigh<F: Facts>(send: Candidate<'_>, facts: &mut F, now: Timestamp) -> Result<Weighed, F::Error> {
    let meant = match still_meant(send, facts, now)? {
        Weighed::Unwanted(ending) => return Ok(Weighed::Unwanted(ending)),
        meant => meant,
    };
    if !send.guards.even_if_suppressed
        && let Some(reason) = facts.suppression()?
    {
        return Ok(Weighed::Unwanted(Ending::Suppressed(reason)));
    }
    Ok(match facts.same()? {
        Some(Same::Went(other)) => Weighed::Unwanted(Ending::Duplicate(other)),
        Some(Same::IsGoing) => Weighed::Undecided,
        None => meant,
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Facts that are all set beforehand.
    #[derive(Clone, Default)]
    struct Set {
        cancelled: bool,
        same_moment: Option<Same>,
        suppression: Option<String>,
        same: Option<Same>,
        blocked: bool,
        capped_until: Option<Timestamp>,
    }

    impl Facts for Set {
        type Error = Infallible;

        fn is_cancelled(&mut self) -> Result<bool, Infallible> {
            Ok(self.cancelled)
        }

        fn same_moment(&mut self) -> Result<Option<Same>, Infallible> {
            Ok(self.same_moment)
        }

        fn suppression(&mut self) -> Result<Option<String>, Infallible> {
            Ok(self.suppression.clone())
        }

        fn same(&mut self) -> Result<Option<Same>, Infallible> {
            Ok(self.same)
        }

        fn is_blocked(&mut self) -> Result<bool, Infallible> {
            Ok(self.blocked)
        }

        fn capped_until(&mut self, _: Cap) -> Result<Option<Timestamp>, Infallible> {
            Ok(self.capped_until)
        }
    }

    const NOW: Timestamp = Timestamp(1_000);

    fn decided(send: Candidate<'_>, facts: &Set) -> (Gate, Option<Ending>, Option<Ending>) {
        let gate = gate(send, &mut facts.clone(), NOW).unwrap();
        let unwanted = unwanted(send, &mut facts.clone(), NOW).unwrap();
        (gate, unwanted, outdated(send, &mut facts.clone(), NOW).unwrap())
    }

    #[test]
    fn each_fact_decides_alone() {
        let cap = |over| Some(Cap { most: 2, per_s: 60, over });
        let late = Timestamp(9_000);
        let plain = || (SendGuards::default(), None, None);
        let again = Gate::Wait(Start { at: Timestamp(1_500), why: Why::Once });
        for (facts, (guards, expires_at, cap), expected) in [
            (Set::default(), plain(), Gate::Open),
            (Set::default(), (SendGuards::default(), Some(Timestamp(1_001)), None), Gate::Open),
            (Set::default(), (SendGuards::default(), Some(NOW), None), Gate::End(Ending::Expired(NOW))),
            (Set { cancelled: true, ..Set::default() }, plain(), Gate::End(Ending::Cancelled)),
            (Set { same_moment: Some(Same::Went(7)), ..Set::default() }, plain(), Gate::End(Ending::SameMoment(7))),
            (Set { same_moment: Some(Same::IsGoing), ..Set::default() }, plain(), again.clone()),
            (
                Set { suppression: Some("left".into()), ..Set::default() },
                plain(),
                Gate::End(Ending::Suppressed("left".into())),
            ),
            (
                Set { suppression: Some("left".into()), ..Set::default() },
                (SendGuards { even_if_suppressed: true, ..SendGuards::default() }, None, None),
                Gate::Open,
            ),
            (Set { same: Some(Same::Went(8)), ..Set::default() }, plain(), Gate::End(Ending::Duplicate(8))),
            (Set { same: Some(Same::IsGoing), ..Set::default() }, plain(), again),
            (Set { blocked: true, ..Set::default() }, plain(), Gate::Blocked),
            // a cap asks nothing of what no cap counts
            (Set { capped_until: Some(late), ..Set::default() }, plain(), Gate::Open),
            (
                Set { capped_until: Some(late), ..Set::default() },
                (SendGuards::default(), None, cap(OverCap::Wait)),
                Gate::Wait(Start { at: late, why: Why::Cap }),
            ),
            (
                Set { capped_until: Some(late), ..Set::default() },
                (SendGuards::default(), None, cap(OverCap::Drop)),
                Gate::End(Ending::OverCap(2)),
            ),
        ] {
            let send = Candidate { expires_at, guards: &guards, cap };
            assert_eq!(decided(send, &facts).0, expected);
        }
    }

    #[test]
    fn what_a_replay_would_come_to_is_what_the_gate_says_when_its_turn_comes() {
        let guards = SendGuards::default();
        let choices = |bits: u32| Set {
            cancelled: bits & 1 != 0,
            same_moment: [None, Some(Same::IsGoing), Some(Same::Went(1))][(bits >> 1) as usize % 3],
            suppression: (bits & 8 != 0).then(|| "left".to_owned()),
            same: [None, Some(Same::IsGoing), Some(Same::Went(2))][(bits >> 4) as usize % 3],
            blocked: bits & 64 != 0,
            capped_until: None,
        };
        for (bits, expires_at) in (0..128).flat_map(|bits| [(bits, None), (bits, Some(NOW))]) {
            let send = Candidate { expires_at, guards: &guards, cap: None };
            let (gate, unwanted, outdated) = decided(send, &choices(bits));
            let ending = if let Gate::End(ending) = gate { Some(ending) } else { None };
            assert_eq!(ending, unwanted, "{bits}");
            assert!(outdated.is_none() || outdated == unwanted, "{bits}");
        }
    }
}
