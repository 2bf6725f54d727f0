//! minijinja's own filters and tests that take texts besides their value: what they read of those is paid for here, since
//! minijinja counts only the value itself.

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, State, Value, filters};

use super::filters::{look_up, pay, read, usage};
use super::readable;

/// Puts them in the place of minijinja's.
pub fn register(environment: &mut Environment<'_>) {
    environment.add_filter("minijinja replace", filters::replace);
    environment.add_filter("minijinja split", filters::split);
    environment.add_filter("minijinja trim", filters::trim);
    for (name, of_minijinja) in
        [("replace", "minijinja replace"), ("split", "minijinja split"), ("trim", "minijinja trim")]
    {
        environment.add_filter(name, move |state: &mut State, given: Rest<Value>, named: Kwargs| {
            with_texts(state, of_minijinja, &given, named)
        });
    }
    environment.add_filter("join", join);
    environment.add_test("startingwith", |state: &State, value: Value, start: Value| {
        compare(state, &value, &start, |value, start| value.starts_with(start))
    });
    environment.add_test("endingwith", |state: &State, value: Value, end: Value| {
        compare(state, &value, &end, |value, end| value.ends_with(end))
    });
}

/// The entries of a list as one text, without those in which there is nothing. minijinja's pays for it once it is made, and a list may hold a large value many times over.
fn join(state: &State, value: Value, separator: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    let given = separator.or(named.get("d")?);
    let attribute: Option<String> = named.get("attribute")?;
    named.assert_all_used()?;
    if let Some(given) = &given {
        is_text(state, given)?;
    }
    let separator = given.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut joined = String::new();
    for entry in value.try_iter()? {
        let entry = match &attribute {
            Some(path) => look_up(&entry, path),
            None => entry,
        };
        let Some(text) = read(state, &entry)?.filter(|text| !super::text::is_blank(text)) else { continue };
        if !joined.is_empty() {
            joined.push_str(&separator);
        }
        joined.push_str(&text);
        if joined.len() > readable::TEXT_LIMIT {
            return Err(usage(format!("it becomes longer than {} bytes", readable::TEXT_LIMIT)));
        }
    }
    pay(state, joined.len())?;
    Ok(Value::from(joined))
}

/// Calls a filter whose arguments after the first are texts.
fn with_texts(state: &mut State, filter: &str, given: &[Value], named: Kwargs) -> Result<Value, Error> {
    for argument in given.iter().skip(1) {
        is_text(state, argument)?;
    }
    for name in named.args() {
        is_text(state, &named.peek::<Value>(name)?)?;
    }
    let mut all = given.to_vec();
    if named.args().next().is_some() {
        all.push(Value::from(named));
    }
    state.apply_filter(filter, &all)
}

/// A list or an object would be written out for every call, however long it is.
fn is_text(state: &State, argument: &Value) -> Result<(), Error> {
    if readable::is_container(argument) {
        return Err(usage(format!("it takes a text, and {} came", argument.kind())));
    }
    pay(state, argument.as_str().map_or(0, str::len))
}

fn compare(state: &State, value: &Value, part: &Value, holds: fn(&str, &str) -> bool) -> Result<bool, Error> {
    let part = read(state, part)?.unwrap_or_default();
    match value.as_str() {
        // no more of it is read than the part is long
        Some(value) => Ok(holds(value, &part)),
        None => Ok(holds(&read(state, value)?.unwrap_or_default(), &part)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::event::Envelope;
    use crate::map::Scope;
    use crate::map::expression::{EvalError, Expression};

    fn eval(source: &str) -> Result<Option<String>, EvalError> {
        let event = json!({"list": ["a", "b"], "text": "a-b", "n": 12});
        Expression::compile(source)
            .expect(source)
            .text(&Scope::of_value(&event, &Scope::of_envelope(&Envelope::default())))
    }

    #[test]
    fn texts_are_taken_as_minijinja_takes_them() {
        for (source, expected) in [
            ("event.text | replace('-', '+')", "a+b"),
            ("event.n | replace(1, 3)", "32"),
            ("event.list | join", "ab"),
            ("event.list | join(', ')", "a, b"),
            ("event.list | join(d='; ')", "a; b"),
            ("[{'n': {'m': 1}}, {'n': {'m': 2}}] | join('-', attribute='n.m')", "1-2"),
            ("[1, none, 2.5, ''] | join('-')", "1-2.5"),
            ("(event.text | split('-'))[1]", "b"),
            ("(event.text | split('-', 1))[0]", "a"),
            ("' x ' | trim", "x"),
            ("'-x-' | trim('-')", "x"),
            ("event.text is startingwith('a')", "true"),
            ("event.text is endingwith('a')", "false"),
            ("event.n is startingwith('1')", "true"),
            ("event.list | select('startingwith', 'b') | first", "b"),
        ] {
            assert_eq!(eval(source), Ok(Some(expected.to_owned())), "{source}");
        }
    }

    #[test]
    fn a_text_is_not_built_beyond_its_limit_however_often_a_list_repeats_it() {
        let event = json!({ "large": "x".repeat(900_000) });
        let scope = Scope::of_value(&event, &Scope::of_envelope(&Envelope::default()));
        for source in [
            "([event.large] * 100000) | join",
            "([event] * 100000) | join(', ')",
            "([''] * 1000000000) | join(event.large)",
            "([event] * 100000) | join(attribute='large')",
        ] {
            let given = Expression::compile(source).expect(source).text(&scope);
            assert!(matches!(&given, Err(EvalError::Failed(_))), "{source}");
        }
    }

    #[test]
    fn a_list_is_no_text() {
        for source in [
            "replace(event.list, '')",
            "replace('a', event.list)",
            "split(event.list)",
            "trim(event.list)",
            "join(d=event.list)",
        ] {
            let given = eval(&format!("event.text | {source}"));
            assert!(
                matches!(&given, Err(EvalError::Failed(reason)) if reason.contains("it takes a text")),
                "{source}: {given:?}"
            );
        }
    }
}
