//! Kept sends whose event is mapped again: what they came of, and what their rule makes of that now.

use std::collections::{BTreeMap, BTreeSet};

use super::lookup::KeptEvent;
use super::{NewSend, SendId};

/// A kept send among those of its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place<'a> {
    /// The rule that made it.
    pub rule: &'a str,
    /// Which of the sends that the rule made of the event, from 0.
    pub item: u32,
    /// The number in E.164; empty if it failed before there was one.
    pub destination: &'a str,
}

impl Place<'_> {
    /// Whether a new send has its rule, its person and its place among the rule's sends: then it is that one, whatever
    /// other sends the event has.
    pub fn is_exactly(&self, new: &NewSend) -> bool {
        self.rule == new.rule && self.item == new.item && self.is_same_person(new) == Some(true)
    }

    /// Whether both go to one person; `None` if one of them names nobody.
    fn is_same_person(&self, new: &NewSend) -> Option<bool> {
        let content = new.content.as_ref().ok().filter(|_| !self.destination.is_empty())?;
        Some(content.destination == self.destination)
    }
}

/// What each of an event's kept sends would be among those that its rules make now, as positions in `new`. No two get the
/// same, so `kept` has to be all of them: who stands at another place now must not get what is another's.
pub fn pair(kept: &[Place<'_>], new: &[NewSend]) -> Vec<Option<usize>> {
    // the closest first: the same person at the same place, the same person, and where nobody is named the same place
    let likenesses: [fn(&Place<'_>, &NewSend) -> bool; 4] = [
        |kept, new| kept.is_exactly(new),
        |kept, new| kept.is_same_person(new) == Some(true),
        |kept, new| kept.is_same_person(new).is_none() && kept.item == new.item,
        |kept, new| kept.is_same_person(new).is_none(),
    ];
    let mut pairs = vec![None; kept.len()];
    let mut taken = BTreeSet::new();
    for is_alike in likenesses {
        for (kept, pair) in kept.iter().zip(&mut pairs).filter(|(_, pair)| pair.is_none()) {
            let mut free = new.iter().enumerate().filter(|(position, _)| !taken.contains(position));
            *pair = free.find(|(_, new)| kept.rule == new.rule && is_alike(kept, new)).map(|(position, _)| position);
            taken.extend(*pair);
        }
    }
    pairs
}

/// A rule as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleVersion {
    /// Its route.
    pub route: String,
    /// Its name.
    pub rule: String,
    /// Equal as long as it is written the same.
    pub version: i64,
}

/// An event of which sends wait that their rules would make otherwise now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The route it came by.
    pub route: String,
    /// The event.
    pub event: KeptEvent,
    /// All sends that were made of it, whatever became of them.
    pub sends: Vec<MadeSend>,
}

/// A send that was made of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeSend {
    /// Which send.
    pub id: SendId,
    /// The rule that made it.
    pub rule: String,
    /// Which of the sends that the rule made of the event, from 0.
    pub item: u32,
    /// The number in E.164.
    pub destination: String,
    /// Whether it is to be mapped again.
    pub stale: bool,
}

impl Origin {
    /// What each of the sends that are to be mapped again becomes, as positions in `new`. Repetitions of one send become the
    /// same, all others something of their own.
    pub fn pairs(&self, new: &[NewSend]) -> Vec<(&MadeSend, Option<usize>)> {
        let places = |stale: bool| {
            let chosen = self.sends.iter().filter(move |made| made.stale == stale);
            chosen.map(MadeSend::place).collect::<BTreeSet<_>>()
        };
        // what went already takes nothing from what waits
        let waiting = places(true);
        let gone = places(false);
        let kept: Vec<Place<'_>> = waiting.iter().chain(gone.difference(&waiting)).copied().collect();
        let pairs = pair(&kept, new);
        let mut taken: BTreeSet<usize> = pairs.iter().flatten().copied().collect();
        let mut becomes: BTreeMap<Place<'_>, Option<usize>> = kept.iter().copied().zip(pairs).collect();
        // a rule that reads the number elsewhere now: the place says which one it is
        for place in &waiting {
            let free = |position: &usize| !taken.contains(position);
            let alike = |new: &NewSend| new.rule == place.rule && new.item == place.item;
            let position = new.iter().position(alike).filter(free);
            if let Some(pair @ None) = becomes.get_mut(place) {
                *pair = position;
                taken.extend(position);
            }
        }
        let stale = self.sends.iter().filter(|made| made.stale);
        stale.map(|made| (made, becomes.get(&made.place()).copied().flatten())).collect()
    }
}

impl MadeSend {
    fn place(&self) -> Place<'_> {
        Place { rule: &self.rule, item: self.item, destination: &self.destination }
    }
}

/// What a rule makes of a waiting send's event as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remapped {
    /// Which send.
    pub id: SendId,
    /// What it is to be now; `None` if the rule wants nothing of the event any more.
    pub new: Option<NewSend>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::event::{Content, SendOptions, Unmapped, UnmappedReason};

    fn new(item: u32, to: Option<&str>) -> NewSend {
        let content = |to: &str| Content {
            campaign: "c".into(),
            destination: to.into(),
            payload: "{}".into(),
            options: SendOptions::default(),
        };
        let content = to.map(content).ok_or_else(|| Unmapped {
            rule: "each".into(),
            key: "destination".into(),
            reason: UnmappedReason::Empty,
        });
        NewSend { rule: "each".into(), account: "default".into(), item, version: 0, content }
    }

    fn kept(places: &[(u32, &'static str)]) -> Vec<Place<'static>> {
        places.iter().map(|(item, destination)| Place { rule: "each", item: *item, destination }).collect()
    }

    #[test]
    fn each_kept_send_gets_what_is_its_own_and_no_two_the_same() {
        let (a, b) = (Some("+1"), Some("+2"));
        for (is, made, becomes) in [
            // several to one person keep their places
            (kept(&[(0, "+1"), (1, "+1")]), vec![new(0, a), new(1, a)], vec![Some(0), Some(1)]),
            // one that is left goes to the one that has its place
            (kept(&[(0, "+1"), (1, "+1")]), vec![new(0, a)], vec![Some(0), None]),
            (kept(&[(1, "+1"), (0, "+1")]), vec![new(0, a)], vec![None, Some(0)]),
            // somebody came in before them
            (kept(&[(0, "+1"), (1, "+1")]), vec![new(0, b), new(1, a), new(2, a)], vec![Some(2), Some(1)]),
            // who named nobody is known by the place, and gets nothing that is another's
            (kept(&[(0, ""), (1, "+2")]), vec![new(0, a), new(1, b)], vec![Some(0), Some(1)]),
            (kept(&[(1, ""), (0, "+2")]), vec![new(0, a), new(1, b)], vec![Some(0), Some(1)]),
            (kept(&[(0, "+1")]), vec![new(0, None)], vec![Some(0)]),
            (kept(&[(0, "+1")]), vec![new(0, b)], vec![None]),
        ] {
            assert_eq!(pair(&is, &made), becomes, "{is:?}");
        }
        let other = Place { rule: "other", item: 0, destination: "+1" };
        assert_eq!(pair(&[other], &[new(0, a)]), [None]);
    }

    #[test]
    fn what_waits_becomes_what_is_its_own_beside_what_went() {
        let origin = |sends: &[(u32, &str, bool)]| {
            let made = |(id, (item, destination, stale)): (i64, &(u32, &str, bool))| MadeSend {
                id: SendId(id),
                rule: "each".into(),
                item: *item,
                destination: (*destination).into(),
                stale: *stale,
            };
            let event = KeptEvent {
                id: "e1".into(),
                kind: "order".into(),
                received_at: Timestamp(0),
                body: Vec::new(),
                envelope: String::new(),
            };
            Origin { route: "shop".into(), event, sends: (0..).zip(sends).map(made).collect() }
        };
        let (a, b, c) = (Some("+1"), Some("+2"), Some("+3"));
        let (waits, went) = (true, false);
        for (sends, made, becomes) in [
            // the number is read elsewhere now
            (vec![(0, "+1", waits)], vec![new(0, b)], vec![Some(0)]),
            (vec![(0, "+1", waits), (1, "+2", waits)], vec![new(0, c), new(1, a)], vec![Some(1), None]),
            (vec![(0, "+1", waits), (1, "+2", waits)], vec![new(0, b), new(1, c)], vec![None, Some(0)]),
            // what went keeps what is its own
            (vec![(0, "+1", went), (1, "+1", waits)], vec![new(0, a)], vec![None]),
            (vec![(0, "+1", went), (1, "+1", waits)], vec![new(0, a), new(1, a)], vec![Some(1)]),
            (vec![(0, "+1", went), (1, "+2", waits)], vec![new(0, b), new(1, a)], vec![Some(0)]),
            // repetitions that wait are the same send as the one that went
            (vec![(0, "+1", went), (0, "+1", waits), (0, "+1", waits)], vec![new(0, a)], vec![Some(0), Some(0)]),
            // what went to another number takes no place from what waits
            (vec![(0, "+1", went), (0, "+2", waits)], vec![new(0, c)], vec![Some(0)]),
        ] {
            let origin = origin(&sends);
            let pairs: Vec<_> = origin.pairs(&made).into_iter().map(|(_, pair)| pair).collect();
            assert_eq!(pairs, becomes, "{sends:?}");
        }
    }
}
