//! Template filters beyond minijinja's own: code, and examples as data that the docs show and the tests run.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::budget::steps_for;
use super::{money, names, readable, text};
use crate::mask;

/// A filter as the docs show it.
#[derive(Debug)]
pub struct Filter {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// Expressions and what they give.
    pub examples: &'static [(&'static str, &'static str)],
}

/// All of them. `default` replaces minijinja's.
pub const ALL: &[Filter] = &[
    Filter {
        name: "default",
        about: "another value where there is none, or an empty one; `d` for short",
        examples: &[
            ("'' | default('there')", "there"),
            ("event.nothing | default('there')", "there"),
            ("'Asha' | default('there')", "Asha"),
        ],
    },
    Filter {
        name: "pick",
        about: "the entry of a list whose key has this value; a dotted key looks deeper",
        examples: &[
            ("([{'column_id': 'CITY', 'string_value': 'Pune'}] | pick(column_id='CITY')).string_value", "Pune"),
            (
                "([{'field': {'ref': 'phone'}, 'phone_number': '+9198'}] | pick('field.ref', 'phone')).phone_number",
                "+9198",
            ),
            ("([{'a': 1}] | pick(a=2)).a | default('none of them')", "none of them"),
        ],
    },
    Filter {
        name: "first_of",
        about: "the first that is not empty, of a list or of the value and the arguments",
        examples: &[("['', event.nothing, '98123'] | first_of", "98123"), ("event.nothing | first_of('', 'x')", "x")],
    },
    Filter {
        name: "title_case",
        about: "names with capitals, where they were typed without or all in capitals; McDonald, O'Neil and other scripts stay",
        examples: &[
            ("'asha RAO' | title_case", "Asha Rao"),
            ("'Ronald McDonald' | title_case", "Ronald McDonald"),
            ("\"o'neil\" | title_case", "O'Neil"),
            ("'आशा राव' | title_case", "आशा राव"),
        ],
    },
    Filter {
        name: "first_name",
        about: "the given name of a whole one, without titles",
        examples: &[
            ("'Asha Rao' | first_name", "Asha"),
            ("'Dr. Asha Rao' | first_name", "Asha"),
            ("'Rao, Asha' | first_name", "Asha"),
        ],
    },
    Filter {
        name: "date",
        about: "a moment in a format (strftime) and a time zone; takes dates as people, forms and CRMs write them",
        examples: &[
            ("'2026-11-26T12:41:02Z' | date('%d %b %Y, %H:%M', 'Asia/Kolkata')", "26 Nov 2026, 18:11"),
            ("1767085200 | date('%-d %B', 'Asia/Kolkata')", "30 December"),
            ("'2026-11-26T18:11:02+05:30' | date('%H:%M')", "18:11"),
            ("'Nov 26, 2026 6:11 PM' | date('%d/%m, %H:%M')", "26/11, 18:11"),
        ],
    },
    Filter {
        name: "money",
        about: "an amount with its currency, grouped as people there write it",
        examples: &[
            ("149900 | money('INR')", "₹1,49,900"),
            ("'1499.5' | money('INR')", "₹1,499.50"),
            ("'Rs. 1.499,50' | money('INR')", "₹1,499.50"),
            ("1234567.891 | money('USD')", "$1,234,567.89"),
            ("5000 | money('AED')", "AED 5,000"),
        ],
    },
    Filter { name: "digits", about: "the digits alone", examples: &[("'+91 (98123) 45670' | digits", "919812345670")] },
    Filter {
        name: "truncate",
        about: "at most so many characters, with an end that says so",
        examples: &[("'Cotton kurta, blue' | truncate(10)", "Cotton ku…"), ("'short' | truncate(10)", "short")],
    },
    Filter {
        name: "one_line",
        about: "line breaks, tabs and long runs of spaces as single spaces",
        examples: &[("'call      me' | one_line", "call me")],
    },
    Filter {
        name: "mask",
        about: "a number with its middle hidden",
        examples: &[("'+919812345670' | mask", "+91********70")],
    },
];

/// How much of a value that is not what it should be is repeated, in characters.
const SHOWN_LIMIT: usize = 100;

/// Puts them into an environment.
pub fn register(environment: &mut Environment<'_>) {
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("pick", pick);
    environment.add_filter("first_of", first_of);
    environment.add_filter("title_case", |state: &State, value: Value| on_text(state, &value, names::title_case));
    environment.add_filter("first_name", |state: &State, value: Value| {
        on_text(state, &value, |text| names::first_name(text).to_owned())
    });
    environment.add_filter("money", money_filter);
    environment.add_filter("digits", |state: &State, value: Value| {
        on_text(state, &value, |text| text.chars().filter(char::is_ascii_digit).collect())
    });
    environment.add_filter("truncate", truncate);
    environment.add_filter("one_line", |state: &State, value: Value| on_text(state, &value, text::one_line));
    // minijinja's takes an indentation, as wide as memory
    environment.add_filter("tojson", |state: &State, value: Value| {
        if is_missing(&value) {
            return Ok(Value::UNDEFINED);
        }
        let json = readable::json_of(&value).ok_or_else(|| usage("it becomes too long"))?;
        state.consume_fuel(steps_for(json.len()))?;
        // JSON is asked for, and stays it
        Ok(Value::from_safe_string(json))
    });
    environment.add_filter("mask", |state: &State, value: Value| on_text(state, &value, mask::number));
}

/// The text of a value, paid for. Every filter of ours reads its texts by this.
pub fn read(state: &State, value: &Value) -> Result<Option<String>, Error> {
    // a text is paid for before it is copied, anything else when it is known how long it is
    if let Some(text) = value.as_str() {
        pay(state, text.len())?;
        return Ok(Some(text.to_owned()));
    }
    let text = readable::text_of(value).map_err(|error| usage(error.to_string()))?;
    pay(state, text.as_ref().map_or(0, String::len))?;
    Ok(text)
}

/// Takes the steps for reading so many bytes, character by character.
pub fn pay(state: &State, bytes: usize) -> Result<(), Error> {
    state.consume_fuel(steps_for(bytes))
}

/// What is not there stays not there, so that the rule can name it.
fn on_text(state: &State, value: &Value, change: impl FnOnce(&str) -> String) -> Result<Value, Error> {
    Ok(read(state, value)?.map_or(Value::UNDEFINED, |text| Value::from(change(&text))))
}

fn truncate(state: &State, value: Value, limit: usize, end: Option<String>) -> Result<Value, Error> {
    pay(state, end.as_ref().map_or(0, String::len))?;
    on_text(state, &value, |text| text::truncate(text, limit, end.as_deref().unwrap_or("…")))
}

fn is_missing(value: &Value) -> bool {
    value.is_undefined() || value.is_none()
}

/// Whether there is nothing in a value.
pub fn is_empty(state: &State, value: &Value) -> Result<bool, Error> {
    if let Some(text) = value.as_str() {
        // it is read up to the first character that is not blank
        let blank = text.find(|c: char| !text::is_blank(c.encode_utf8(&mut [0; 4])));
        pay(state, blank.unwrap_or(text.len()))?;
        return Ok(blank.is_none());
    }
    Ok(readable::is_nothing(value))
}

/// An empty default is marked as meant, so that it is not taken for something missing.
fn default(state: &State, value: Value, other: Option<Value>) -> Result<Value, Error> {
    if !is_empty(state, &value)? {
        return Ok(value);
    }
    Ok(match other {
        Some(other) if !is_empty(state, &other)? => other,
        _ => Value::from_safe_string(String::new()),
    })
}

fn pick(state: &State, list: Value, positional: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let mut wanted: Vec<(String, Option<String>)> = Vec::new();
    match positional.as_slice() {
        [] => {}
        [key, value] => wanted.push((read(state, key)?.unwrap_or_default(), read(state, value)?)),
        _ => return Err(usage("pick takes a key and a value: pick('field.ref', 'phone')")),
    }
    for key in named.args() {
        wanted.push((key.to_owned(), read(state, &named.get(key)?)?));
    }
    if wanted.is_empty() {
        return Err(usage("pick needs to know what to look for: pick(column_id='PHONE_NUMBER')"));
    }
    if list.kind() != ValueKind::Seq {
        return Ok(Value::UNDEFINED);
    }
    for item in list.try_iter()? {
        if fits(state, &item, &wanted)? {
            return Ok(item);
        }
    }
    Ok(Value::UNDEFINED)
}

/// Whether an entry has the wanted value at each of the wanted keys.
fn fits(state: &State, item: &Value, wanted: &[(String, Option<String>)]) -> Result<bool, Error> {
    for (key, value) in wanted {
        pay(state, key.len())?;
        let found = look_up(item, key);
        let is_it = match (found.as_str(), value) {
            (Some(found), Some(value)) => found == value,
            _ => read(state, &found)? == *value,
        };
        if !is_it {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The value of a key; of a dotted one that is not there as it stands, step by step.
pub fn look_up(item: &Value, key: &str) -> Value {
    let whole = item.get_attr(key).unwrap_or(Value::UNDEFINED);
    if !whole.is_undefined() {
        return whole;
    }
    let step = |value: Value, step: &str| value.get_attr(step).ok().filter(|value| !value.is_undefined());
    key.split('.').try_fold(item.clone(), step).unwrap_or(Value::UNDEFINED)
}

fn first_of(state: &State, value: Value, others: Rest<Value>) -> Result<Value, Error> {
    let entries = if value.kind() == ValueKind::Seq { Some(value.try_iter()?) } else { None };
    let alone = if entries.is_none() { Some(value) } else { None };
    for candidate in entries.into_iter().flatten().chain(alone).chain(others.iter().cloned()) {
        if !is_empty(state, &candidate)? {
            return Ok(candidate);
        }
    }
    Ok(Value::UNDEFINED)
}

fn money_filter(state: &State, value: Value, currency: String) -> Result<Value, Error> {
    pay(state, currency.len())?;
    let Some(text) = read(state, &value)?.filter(|text| !text::is_blank(text)) else { return Ok(Value::UNDEFINED) };
    // of a number the point is plain
    let text = if value.kind() == ValueKind::Number {
        format!("{text}{}", if text.contains('.') { "0" } else { "" })
    } else {
        text
    };
    let shown = money::format(&text, &currency)
        .map_err(|reason| usage(format!("`{}` {reason}", text::truncate(&text, SHOWN_LIMIT, "…"))))?;
    Ok(Value::from(shown))
}

/// An error of whoever wrote the template.
pub fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::event::Envelope;
    use crate::map::Scope;
    use crate::map::expression::EvalError;
    use crate::map::template::Template;

    fn render(template: &str, event: &Json) -> Result<String, EvalError> {
        let scope = Scope::of_value(event, &Scope::of_envelope(&Envelope::default()));
        Template::compile(template).map_err(|broken| EvalError::Failed(broken.message))?.text(&scope)
    }

    #[test]
    fn every_example_gives_what_it_says() {
        for filter in ALL {
            assert!(!filter.examples.is_empty(), "{}", filter.name);
            for (expression, expected) in filter.examples {
                let given = render(&format!("{{{{ {expression} }}}}"), &json!({}));
                assert_eq!(given.as_deref(), Ok(*expected), "{expression}");
            }
        }
    }

    #[test]
    fn what_is_not_there_stays_not_there() {
        for filter in [
            "title_case",
            "first_name",
            "date",
            "money('INR')",
            "digits",
            "truncate(3)",
            "one_line",
            "mask",
            "tojson",
            "first_of",
            "pick(a=1)",
        ] {
            let given = render(&format!("{{{{ event.x | {filter} }}}}"), &json!({}));
            assert!(matches!(given, Err(EvalError::Missing(_))), "{filter}: {given:?}");
        }
    }
}
