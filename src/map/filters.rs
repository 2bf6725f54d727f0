//! Template filters beyond minijinja's own: code, and examples as data that the docs show and the tests run.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use super::{money, names, text};
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
        about: "a moment in a format (strftime) and a time zone; takes RFC 3339, `2026-11-26 12:41:02` (UTC), a date, and seconds or milliseconds since 1970",
        examples: &[
            ("'2026-11-26T12:41:02Z' | date('%d %b %Y, %H:%M', 'Asia/Kolkata')", "26 Nov 2026, 18:11"),
            ("1767085200 | date('%-d %B', 'Asia/Kolkata')", "30 December"),
            ("'2026-11-26T18:11:02+05:30' | date('%H:%M')", "18:11"),
        ],
    },
    Filter {
        name: "money",
        about: "an amount with its currency, grouped as people there write it",
        examples: &[
            ("149900 | money('INR')", "₹1,49,900"),
            ("'1499.5' | money('INR')", "₹1,499.50"),
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

/// Puts them into an environment.
pub fn register(environment: &mut Environment<'_>) {
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("pick", pick);
    environment.add_filter("first_of", first_of);
    environment.add_filter("title_case", |value: Value| on_text(&value, names::title_case));
    environment.add_filter("first_name", |value: Value| on_text(&value, |text| names::first_name(text).to_owned()));
    environment.add_filter("date", date);
    environment.add_filter("money", money_filter);
    environment.add_filter("digits", |value: Value| {
        on_text(&value, |text| text.chars().filter(char::is_ascii_digit).collect())
    });
    environment.add_filter("truncate", |value: Value, limit: usize, end: Option<String>| {
        on_text(&value, |text| text::truncate(text, limit, end.as_deref().unwrap_or("…")))
    });
    environment.add_filter("one_line", |value: Value| on_text(&value, text::one_line));
    // minijinja's takes an indentation, as wide as memory
    environment
        .add_filter("tojson", |value: Value| on_text(&value, |_| serde_json::to_string(&value).unwrap_or_default()));
    environment.add_filter("mask", |value: Value| on_text(&value, mask::number));
}

/// What is not there stays not there, so that the rule can name it.
fn on_text(value: &Value, change: impl FnOnce(&str) -> String) -> Value {
    text::text_of(value).map_or(Value::UNDEFINED, |text| Value::from(change(&text)))
}

fn is_empty(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Seq | ValueKind::Map => value.len() == Some(0),
        _ => text::text_of(value).is_none_or(|text| text::is_blank(&text)),
    }
}

/// An empty default is marked as meant, so that it is not taken for something missing.
fn default(value: Value, other: Option<Value>) -> Value {
    if !is_empty(&value) {
        return value;
    }
    match other {
        Some(other) if !is_empty(&other) => other,
        _ => Value::from_safe_string(String::new()),
    }
}

fn pick(list: Value, positional: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let mut wanted: Vec<(String, Value)> = Vec::new();
    match positional.as_slice() {
        [] => {}
        [key, value] => wanted.push((key.to_string(), value.clone())),
        _ => return Err(usage("pick takes a key and a value: pick('field.ref', 'phone')")),
    }
    for key in named.args() {
        wanted.push((key.to_owned(), named.get(key)?));
    }
    if wanted.is_empty() {
        return Err(usage("pick needs to know what to look for: pick(column_id='PHONE_NUMBER')"));
    }
    if list.kind() != ValueKind::Seq {
        return Ok(Value::UNDEFINED);
    }
    let fits =
        |item: &Value| wanted.iter().all(|(key, value)| text::text_of(&look_up(item, key)) == text::text_of(value));
    Ok(list.try_iter()?.find(fits).unwrap_or(Value::UNDEFINED))
}

/// The value of a key; of a dotted one that is not there as it stands, step by step.
fn look_up(item: &Value, key: &str) -> Value {
    let whole = item.get_attr(key).unwrap_or(Value::UNDEFINED);
    if !whole.is_undefined() {
        return whole;
    }
    key.split('.').fold(item.clone(), |value, step| value.get_attr(step).unwrap_or(Value::UNDEFINED))
}

fn first_of(value: Value, others: Rest<Value>) -> Result<Value, Error> {
    let mut candidates: Vec<Value> =
        if value.kind() == ValueKind::Seq { value.try_iter()?.collect() } else { vec![value] };
    candidates.extend(others.iter().cloned());
    Ok(candidates.into_iter().find(|candidate| !is_empty(candidate)).unwrap_or(Value::UNDEFINED))
}

fn date(value: Value, format: Option<String>, zone: Option<String>) -> Result<Value, Error> {
    if is_empty(&value) {
        return Ok(Value::UNDEFINED);
    }
    let moment = moment(&value).ok_or_else(|| {
        usage(format!("`{value}` is no date: write RFC 3339, as 2026-11-26T12:41:02Z, or seconds since 1970"))
    })?;
    let moment = match zone {
        Some(zone) => moment.in_tz(&zone).map_err(|_| usage(format!("`{zone}` is no time zone, as Asia/Kolkata")))?,
        None => moment,
    };
    let format = format.unwrap_or_else(|| "%d %b %Y".into());
    let text = jiff::fmt::strtime::format(&format, &moment)
        .map_err(|error| usage(format!("`{format}` is no date format: {error}")))?;
    Ok(Value::from(text))
}

/// Reads a moment; one without zone is taken as UTC.
fn moment(value: &Value) -> Option<jiff::Zoned> {
    let utc = jiff::tz::TimeZone::UTC;
    if let Some(number) = value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok())) {
        // beyond the year 5138 in seconds: milliseconds
        let at = if number.abs() >= 100_000_000_000 {
            jiff::Timestamp::from_millisecond(number)
        } else {
            jiff::Timestamp::from_second(number)
        };
        return at.ok().map(|at| at.to_zoned(utc));
    }
    let text = value.as_str()?.trim();
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        let zone = jiff::fmt::temporal::Pieces::parse(text)
            .ok()
            .and_then(|pieces| pieces.to_numeric_offset())
            .map_or(utc, jiff::tz::TimeZone::fixed);
        return Some(at.to_zoned(zone));
    }
    if let Ok(at) = text.parse::<jiff::civil::DateTime>() {
        return at.to_zoned(utc).ok();
    }
    text.parse::<jiff::civil::Date>().ok().and_then(|day| day.to_zoned(utc).ok())
}

fn money_filter(value: Value, currency: String) -> Result<Value, Error> {
    let Some(text) = text::text_of(&value).filter(|text| !text::is_blank(text)) else { return Ok(Value::UNDEFINED) };
    let shown = money::format(&text, &currency).ok_or_else(|| usage(format!("`{text}` is no amount of money")))?;
    Ok(Value::from(shown))
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::expression::to_value;
    use crate::map::template::Template;

    #[test]
    fn every_example_gives_what_it_says() {
        let scope = to_value(&serde_json::json!({"event": {}}));
        for filter in ALL {
            assert!(!filter.examples.is_empty(), "{}", filter.name);
            for (expression, expected) in filter.examples {
                let given = Template::compile(&format!("{{{{ {expression} }}}}"))
                    .map_err(|b| b.message)
                    .and_then(|t| t.text(&scope).map_err(|e| e.to_string()));
                assert_eq!(given.as_deref(), Ok(*expected), "{expression}");
            }
        }
    }

    #[test]
    fn what_is_not_there_stays_not_there() {
        let scope = to_value(&serde_json::json!({"event": {}}));
        for filter in [
            "title_case",
            "first_name",
            "date",
            "money('INR')",
            "digits",
            "truncate(3)",
            "one_line",
            "mask",
            "first_of",
            "pick(a=1)",
        ] {
            let given = Template::compile(&format!("{{{{ event.x | {filter} }}}}")).expect("compiles").text(&scope);
            assert!(matches!(given, Err(crate::map::expression::EvalError::Missing(_))), "{filter}: {given:?}");
        }
    }
}
