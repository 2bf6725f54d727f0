//! From an event to its sends, by the rules of its route.
//!
//! Pure: no network, no disk, no clock. The same functions serve the webhook, `try`, `check` and a later replay. What
//! an event cannot be mapped by a rule costs that send only, with a reason that names rule, key and field.

mod allowance;
mod arguments;
mod budget;
mod compile;
mod condition;
mod dates;
mod destination;
mod entities;
pub mod expression;
mod field_list;
mod field_name;
pub mod filters;
pub mod lint;
pub mod media;
mod money;
mod names;
mod number;
mod placeholder;
mod prose;
pub mod readable;
mod rule;
mod suppress;
pub mod template;
mod unbraced;
pub mod text;
mod version;
mod send_options;
mod send_options_compile;
pub mod zones;

pub use allowance::Allowance;
pub use compile::RulePlace;
pub use names::{first_name, without_titles};
pub use placeholder::without as without_placeholders;
pub use rule::{Rule, RuleContext};
pub use send_options::SendOptionRules;
pub use send_options_compile::SendOptionPlaces;
pub use suppress::SuppressRule;

use std::collections::BTreeMap;

use minijinja::Value;
use serde_json::Value as Json;

use crate::clock::Timestamp;
use crate::event::{Envelope, Event};
use crate::moment::Dates;
use budget::Budget;
use expression::{converted, to_value};

/// Where a scope has the country of the number if it differs from the person's: no template can name it.
const NUMBER_COUNTRY: &str = " number country";

/// Everything that templates see of one event, and how much work they may still make of it.
#[derive(Debug, Clone)]
pub struct Scope {
    value: Value,
    budget: Budget,
}

impl Scope {
    /// The scope of source expressions, before contact, id and type are known.
    pub fn of_value(value: &Json, envelope: &Scope) -> Self {
        let mut unfilled = Vec::new();
        let event = converted(value, &mut unfilled);
        let value = minijinja::context! { event, unfilled, ..envelope.value.clone() };
        Self { value, budget: envelope.budget.next_event() }
    }

    /// The scope of expressions over a server's answer.
    pub fn of_answer(status: u16, answer: Option<&Json>) -> Self {
        let value = minijinja::context! { status, answer => answer.map(to_value) };
        Self { value, budget: Budget::of_call() }
    }

    /// Headers and query, which all events of a call share.
    pub fn of_envelope(envelope: &Envelope) -> Self {
        let map = |map: &serde_json::Map<String, Json>| {
            Value::from(map.iter().map(|(key, value)| (key.clone(), to_value(value))).collect::<BTreeMap<_, _>>())
        };
        let value = minijinja::context! { headers => map(&envelope.headers), query => map(&envelope.query) };
        Self { value, budget: Budget::of_call() }
    }

    /// The same with what is known of its dates.
    #[must_use]
    pub fn with_dates(&self, dates: &Dates) -> Self {
        if *dates == Dates::default() {
            return self.clone();
        }
        let known = Value::from_pairs([(dates::KEY, Value::from_object(dates::Known(dates.clone())))]);
        self.with(minijinja::context! { ..known, ..self.value.clone() })
    }

    /// The same with what the source knows of the event.
    #[must_use]
    pub fn with_event(&self, event: &Event, route: &str, source: &str, received_at: Timestamp) -> Self {
        let known = |text: &str| if text.is_empty() { Value::UNDEFINED } else { Value::from(text) };
        let contact = &event.contact;
        let contact = minijinja::context! {
            phone => known(&contact.phone),
            name => known(&contact.name),
            first_name => known(&contact.first_name),
            last_name => known(&contact.last_name),
            email => known(&contact.email),
            country => known(&contact.country),
        };
        let meta = minijinja::context! { id => event.id.as_str(), type => known(&event.kind), source, route, received_at => received_at.to_string() };
        let scope = self.with(minijinja::context! { contact, meta, ..self.value.clone() });
        let number_country = &event.contact.number_country;
        if number_country.is_empty() || *number_country == event.contact.country {
            return scope;
        }
        let known = Value::from_pairs([(NUMBER_COUNTRY, Value::from(number_country.as_str()))]);
        scope.with(minijinja::context! { ..known, ..scope.value.clone() })
    }

    /// The same inside `for_each`.
    #[must_use]
    pub fn with_item(&self, item: Value) -> Self {
        self.with(minijinja::context! { item, ..self.value.clone() })
    }

    fn with(&self, value: Value) -> Self {
        Self { value, budget: self.budget.clone() }
    }

    /// The same with the steps that rules may take; until then those of the source's expressions are counted.
    #[must_use]
    pub fn for_rules(&self) -> Self {
        Self { value: self.value.clone(), budget: self.budget.for_rules() }
    }

    /// Whether something was left undone for the event for lack of steps.
    pub fn lacked_steps(&self) -> bool {
        self.budget.lacked()
    }

    /// How many steps the source's expressions may take for a call, if those of this one would have taken more.
    pub fn exceeded_steps(&self) -> Option<u64> {
        self.budget.exceeded_by_source()
    }

    /// What the event says of where its number is dialled, in its own words.
    pub fn contact_country(&self) -> Option<String> {
        let known = self.value.get_attr(NUMBER_COUNTRY).ok().filter(|known| !known.is_undefined());
        let named = || self.value.get_attr("contact").ok()?.get_attr("country").ok();
        let country = known.or_else(named)?;
        readable::text_of(&country).ok()?.filter(|country| !text::is_blank(country))
    }

    /// As templates take it.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What may still be done for the event.
    fn budget(&self) -> &Budget {
        &self.budget
    }
}
