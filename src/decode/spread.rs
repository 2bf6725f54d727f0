//! The events of a body. What surrounds them is shared until each is whole, and what one call may bring is counted while
//! they are gathered, before anything is copied.

use std::sync::Arc;

use serde_json::{Map, Value};
use thiserror::Error;

/// What one call may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimit {
    /// How many events. HubSpot sends up to 100, Meta up to 1,000.
    pub events: usize,
    /// How many sends the rules may make of them.
    pub sends: usize,
    /// How many bytes of them are stored.
    pub stored: usize,
}

/// One call brings more than a call may; nothing of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Exceeded {
    /// Too many events.
    #[error("the body carries more than {0} events; send them in several calls, or raise server.call_limit.events")]
    Events(usize),
    /// The rules make too many sends of them.
    #[error(
        "the rules make more than {0} sends of this call; send its events in several calls, or raise server.call_limit.sends"
    )]
    Sends(usize),
    /// Too many bytes would be stored.
    #[error(
        "this call's events and sends take more than {0} bytes; send the events in several calls, or raise server.call_limit.stored"
    )]
    Stored(usize),
    /// What the events are could not be found out.
    #[error(
        "it takes more than {} million steps to find out what the events of this call are; send them in several calls, or shorten the expressions of `event`, `contact`, `handshake` and `cancel_on`", .0 / 1_000_000
    )]
    Steps(u64),
}

/// An event of a body, and the plain values that stand around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What is the event's own.
    pub own: Value,
    around: Option<Arc<Around>>,
}

/// The plain values of an object on the way to its events.
#[derive(Debug, PartialEq)]
struct Around {
    values: Map<String, Value>,
    outer: Option<Arc<Around>>,
    /// What they and those further out take as JSON, at least.
    bytes: usize,
}

impl Entry {
    /// The whole event: it keeps the plain values that stand around it (Meta's `field`, Keap's `event_key`), unless it has
    /// its own; what is nearer counts more.
    pub fn into_value(self) -> Value {
        let Self { mut own, around } = self;
        let mut next = around.as_deref();
        while let (Some(around), Value::Object(event)) = (next, &mut own) {
            for (key, value) in &around.values {
                event.entry(key.as_str()).or_insert_with(|| value.clone());
            }
            next = around.outer.as_deref();
        }
        own
    }
}

/// The events of a body: the entries of an array; of each what stands at `path`, lists on the way spread. Where there is
/// no such field, the entry itself is the event (IndiaMART sends both forms).
///
/// # Errors
///
/// [`Exceeded`] as soon as there are more of them, or more around them, than a call may bring.
pub fn spread(whole: Value, path: Option<&[String]>, limit: CallLimit) -> Result<Vec<Entry>, Exceeded> {
    let entries = match whole {
        Value::Array(items) => items,
        one => vec![one],
    };
    let mut gathered = Gathered { entries: Vec::new(), bytes: 0, limit };
    for entry in entries {
        match path {
            Some(path @ [first, ..]) if entry.get(first).is_some() => gathered.gather(entry, path, "", None)?,
            _ => gathered.add(entry, None)?,
        }
    }
    Ok(gathered.entries)
}

struct Gathered {
    entries: Vec<Entry>,
    /// What is around the entries, as often as it will be stored.
    bytes: usize,
    limit: CallLimit,
}

impl Gathered {
    fn add(&mut self, own: Value, around: Option<&Arc<Around>>) -> Result<(), Exceeded> {
        if self.entries.len() >= self.limit.events {
            return Err(Exceeded::Events(self.limit.events));
        }
        self.bytes = self.bytes.saturating_add(around.map_or(0, |around| around.bytes));
        if self.bytes > self.limit.stored {
            return Err(Exceeded::Stored(self.limit.stored));
        }
        self.entries.push(Entry { own, around: around.cloned() });
        Ok(())
    }

    fn gather(
        &mut self,
        value: Value,
        path: &[String],
        name: &str,
        around: Option<&Arc<Around>>,
    ) -> Result<(), Exceeded> {
        match (value, path) {
            (Value::Array(items), path) => items.into_iter().try_for_each(|item| self.gather(item, path, name, around)),
            (event @ Value::Object(_), []) => self.add(event, around),
            // a list of bare ids, as Zoho sends it
            (plain, []) => self.add(Value::Object(Map::from_iter([(name.to_owned(), plain)])), around),
            (Value::Object(mut map), [first, rest @ ..]) => {
                let Some(inner) = map.remove(first) else { return Ok(()) };
                map.retain(|_, value| !value.is_object() && !value.is_array());
                let around = Around::over(map, around);
                self.gather(inner, rest, first, Some(&around))
            }
            _ => Ok(()),
        }
    }
}

impl Around {
    fn over(values: Map<String, Value>, outer: Option<&Arc<Self>>) -> Arc<Self> {
        let own: usize = values.iter().map(|(key, value)| key.len() + 4 + plain_bytes(value)).sum();
        Arc::new(Self { values, outer: outer.cloned(), bytes: own + outer.map_or(0, |outer| outer.bytes) })
    }
}

/// What a value that is neither object nor list takes as JSON, at least.
fn plain_bytes(value: &Value) -> usize {
    value.as_str().map_or(1, |text| text.len() + 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const LIMIT: CallLimit = CallLimit { events: 1_000, sends: 1_000, stored: 16 << 20 };

    fn spread_at(whole: Value, path: Option<&str>, limit: CallLimit) -> Result<Vec<Entry>, Exceeded> {
        let path: Option<Vec<String>> = path.map(|path| path.split('.').map(ToOwned::to_owned).collect());
        spread(whole, path.as_deref(), limit)
    }

    fn values(whole: Value, path: Option<&str>) -> Vec<Value> {
        let entries = spread_at(whole, path, LIMIT).expect("within the limits");
        entries.into_iter().map(Entry::into_value).collect()
    }

    #[test]
    fn events_are_found_wherever_they_stand() {
        let meta = json!({"object": "page", "entry": [
            {"id": 1, "changes": [{"value": {"leadgen_id": "1"}}, {"value": {"leadgen_id": "2"}}]},
            {"id": 2},
            {"id": 3, "changes": [{"value": {"leadgen_id": "3"}}]},
        ]});
        let ids: Vec<Value> =
            values(meta, Some("entry.changes.value")).iter().map(|e| e["leadgen_id"].clone()).collect();
        assert_eq!(ids, ["1", "2", "3"]);
        // IndiaMART's three shapes
        for (body, expected) in [
            (json!({"CODE": 200, "RESPONSE": {"ID": 1}}), 1),
            (json!({"CODE": 200, "RESPONSE": [{"ID": 1}, {"ID": 1}]}), 2),
            (json!({"ID": 1}), 1),
        ] {
            let events = values(body, Some("RESPONSE"));
            assert_eq!((events.len(), &events[0]["ID"]), (expected, &json!(1)));
        }
        assert_eq!(values(json!([{"a": 1}, {"a": 2}]), None).len(), 2);
        let keap = json!({"event_key": "contact.add", "id": 0, "more": [], "keys": [{"id": 4}, {"id": 5}]});
        assert_eq!(
            values(keap, Some("keys")),
            [json!({"id": 4, "event_key": "contact.add"}), json!({"id": 5, "event_key": "contact.add"})]
        );
    }

    #[test]
    fn what_is_nearest_counts_most() {
        let body = json!({"a": 1, "b": 1, "c": 1, "list": [{"b": 2, "c": 2, "inner": [{"c": 3}]}]});
        assert_eq!(values(body, Some("list.inner")), [json!({"c": 3, "b": 2, "a": 1})]);
    }

    #[test]
    fn what_surrounds_the_events_is_shared_and_what_is_too_much_is_refused_before_it_is_copied() {
        let pad = "x".repeat(16_000);
        let padded = |count: usize| {
            // at the top and one level down: what is around several levels is shared as well
            json!({"pad": pad, "outer": [{"near": 1, "inner": vec![json!({"id": 1}); count]}]})
        };
        let entries = spread_at(padded(1_000), Some("outer.inner"), LIMIT).expect("as much as may be");
        let around: Vec<_> = entries.iter().filter_map(|entry| entry.around.as_ref()).collect();
        assert!(around.iter().all(|one| Arc::ptr_eq(one, around[0])));
        assert_eq!(Arc::strong_count(around[0].outer.as_ref().expect("the pad")), 1);
        let stored = CallLimit { stored: 1 << 20, ..LIMIT };
        assert_eq!(spread_at(padded(1_000), Some("outer.inner"), stored), Err(Exceeded::Stored(1 << 20)));
        for (body, path) in [
            (padded(1_001), Some("outer.inner")),
            (json!(vec![json!({}); 160_000]), None),
            (json!({"RESPONSE": vec![json!({}); 160_000]}), Some("RESPONSE")),
            (json!({"ids": vec![json!(1); 160_000]}), Some("ids")),
            (json!({"a": vec![vec![json!({}); 400]; 400]}), Some("a")),
        ] {
            assert_eq!(spread_at(body, path, LIMIT), Err(Exceeded::Events(1_000)), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn as_many_events_are_read_as_there_are_or_none(count in 0..50_usize, events in 0..50_usize) {
            let read = spread_at(json!({"l": vec![json!({"a": 1}); count], "p": 1}), Some("l"), CallLimit { events, ..LIMIT });
            prop_assert_eq!(read.map(|read| read.len()), if count <= events { Ok(count) } else { Err(Exceeded::Events(events)) });
        }
    }
}
