//! What minijinja would notice only while running: names of filters, tests, functions and variables that do not exist.
//!
//! It reads tokens, not meaning: a name after `|` is a filter, one after `is` a test, one before `(` a function.

use std::collections::HashSet;
use std::ops::Range;

use minijinja::machinery::{Span, Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::filters;
use crate::config::diagnostic::did_you_mean;

/// A template's fault when it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong.
    pub message: String,
    /// Where in the template, in bytes.
    pub range: Option<Range<usize>>,
    /// What may have been meant.
    pub hint: Option<String>,
    /// A variable of this name is used, and there is none.
    pub unknown: Option<String>,
}

/// minijinja's own filters, with the features we build it with.
const BUILTIN_FILTERS: [&str; 48] = [
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "zip",
];

/// minijinja's own tests that are written as words.
const BUILTIN_TESTS: [&str; 35] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// Statements. `set` and its like could double a value with every line.
const STATEMENTS: [&str; 7] = ["if", "elif", "else", "endif", "for", "endfor", "raw"];

/// The longest template, in bytes: the parser needs stack for it, and WhatsApp takes 1,024 characters.
const LENGTH_LIMIT: usize = 8 * 1_024;

/// Functions.
const FUNCTIONS: [&str; 2] = ["range", "dict"];

/// What a template sees.
pub const VARIABLES: [&str; 8] = ["event", "contact", "meta", "headers", "query", "item", "loop", "unfilled"];

/// The fields of `contact`.
pub const CONTACT: [&str; 6] = ["phone", "name", "first_name", "last_name", "email", "country"];
/// Those of `meta`.
pub const META: [&str; 5] = ["id", "type", "source", "route", "received_at"];

impl Broken {
    /// The same further on in a longer text.
    pub fn moved(self, by: usize) -> Self {
        Self { range: self.range.map(|range| range.start + by..range.end + by), ..self }
    }
}

/// Whether every filter, test and function is one that exists.
pub fn names(source: &str, in_expression: bool) -> Result<(), Broken> {
    if source.len() > LENGTH_LIMIT {
        let message = format!("the template is longer than {LENGTH_LIMIT} bytes");
        return Err(Broken { unknown: None, message, range: None, hint: None });
    }
    // the parser looks ahead, and forgets an unreadable character behind a value: `a == "b" && c` would be `a == "b"`
    let tokens: Vec<_> = tokenize(source, in_expression, SyntaxConfig::default())
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(&error, source))?;
    paths(&tokens)?;
    for (index, (token, span)) in tokens.iter().enumerate() {
        let Token::Ident(name) = token else { continue };
        if matches!(index.checked_sub(1).and_then(|i| tokens.get(i)), Some((Token::BlockStart, _)))
            && !STATEMENTS.contains(name)
        {
            let message = format!("there is no {{% {name} %}} here");
            let hint = "templates have if and for, so that none can grow without end".to_owned();
            return Err(Broken { unknown: None, message, range: Some(range_of(span)), hint: Some(hint) });
        }
        let before = |back: usize| index.checked_sub(back).and_then(|i| tokens.get(i)).map(|(token, _)| token);
        if matches!((before(1), before(2)), (Some(Token::Pipe), Some(Token::Pipe))) {
            let message = "`||` means nothing here".to_owned();
            return Err(Broken {
                unknown: None,
                message,
                range: Some(range_of(span)),
                hint: Some("write `or`".to_owned()),
            });
        }
        let called = matches!(tokens.get(index + 1), Some((Token::ParenOpen, _)));
        let after_is = matches!(before(1), Some(Token::Ident("is")))
            || (matches!(before(1), Some(Token::Ident("not"))) && matches!(before(2), Some(Token::Ident("is"))));
        let (kind, known): (&str, Vec<&str>) = match before(1) {
            Some(Token::Pipe) => ("filter", filter_names().collect()),
            Some(Token::Dot) => continue,
            _ if after_is && *name != "not" => ("test", BUILTIN_TESTS.to_vec()),
            _ if called
                && !matches!(
                    *name,
                    "if" | "else" | "and" | "or" | "not" | "in" | "is" | "elif" | "for" | "set" | "with"
                ) =>
            {
                ("function", FUNCTIONS.to_vec())
            }
            _ => continue,
        };
        if !known.contains(name) {
            return Err(Broken {
                unknown: None,
                message: format!("there is no {kind} `{name}`"),
                range: Some(range_of(span)),
                hint: Some(suggestion(name, &known)),
            });
        }
    }
    Ok(())
}

/// Which attribute a filter goes by is written out: a path that an event brings could be of any length, and it is read again
/// for each entry.
fn paths(tokens: &[(Token<'_>, Span)]) -> Result<(), Broken> {
    const TAKE_A_PATH_FIRST: [&str; 4] = ["sum", "groupby", "selectattr", "rejectattr"];
    let at = |index: usize| tokens.get(index).map(|(token, _)| token);
    for (index, (token, span)) in tokens.iter().enumerate() {
        let Token::Ident(name) = token else { continue };
        let after = match (at(index + 1), at(index + 2)) {
            (Some(Token::Assign), _) if *name == "attribute" => index + 2,
            (Some(Token::ParenOpen), Some(Token::ParenClose)) => continue,
            (Some(Token::ParenOpen), Some(Token::Ident(_))) if matches!(at(index + 3), Some(Token::Assign)) => continue,
            (Some(Token::ParenOpen), _)
                if index > 0 && matches!(at(index - 1), Some(Token::Pipe)) && TAKE_A_PATH_FIRST.contains(name) =>
            {
                index + 2
            }
            _ => continue,
        };
        let is_written = matches!(at(after), Some(Token::Str(_) | Token::String(_) | Token::Int(_)))
            && matches!(at(after + 1), Some(Token::Comma | Token::ParenClose));
        if !is_written {
            let hint = "as attribute='price'; an event cannot choose it".to_owned();
            let message = format!("`{name}` needs the attribute's name in quotes");
            return Err(Broken { unknown: None, message, range: Some(range_of(span)), hint: Some(hint) });
        }
    }
    Ok(())
}

/// A character that no expression has.
fn unreadable(error: &minijinja::Error, source: &str) -> Broken {
    let range = error.range();
    let at = range.clone().and_then(|range| source.get(range.start..)).unwrap_or("");
    let hint = match at.chars().next() {
        Some('&') => Some("write `and`"),
        Some('|') => Some("write `or`"),
        Some('\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}') => Some("write straight quotes: \" or '"),
        _ => None,
    };
    let message = match at.chars().next() {
        Some(c) if hint.is_some() => format!("`{c}` means nothing here"),
        _ => error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned),
    };
    Broken { unknown: None, message, range, hint: hint.map(ToOwned::to_owned) }
}

/// The names of all filters, ours and minijinja's.
pub fn filter_names() -> impl Iterator<Item = &'static str> {
    BUILTIN_FILTERS.into_iter().chain(filters::ALL.iter().map(|filter| filter.name))
}

/// Whether every variable is one of those that are `seen`, and every field of `contact` and `meta` one they have.
pub fn variables(used: HashSet<String>, seen: &[&str], source: &str) -> Result<(), Broken> {
    let mut used: Vec<String> = used.into_iter().collect();
    used.sort();
    for path in used {
        let mut steps = path.split('.');
        let root = steps.next().unwrap_or("");
        check(root, seen, "there is no variable", source)?;
        match (root, steps.next()) {
            ("contact", Some(field)) => check(field, &CONTACT, "`contact` has no field", source)?,
            ("meta", Some(field)) => check(field, &META, "`meta` has no field", source)?,
            _ => {}
        }
    }
    Ok(())
}

fn check(name: &str, known: &[&str], kind: &str, source: &str) -> Result<(), Broken> {
    // globals are not variables of ours, and not a mistake
    if known.contains(&name) || FUNCTIONS.contains(&name) {
        return Ok(());
    }
    let range = source.find(name).map(|start| start..start + name.len());
    let hint = if known == VARIABLES && CONTACT.contains(&name) {
        format!("did you mean `contact.{name}`?")
    } else if known == VARIABLES && is_compared(name, source) && did_you_mean(name, known.iter().copied()).is_none() {
        format!("a text to compare with stands in quotes: \"{name}\"")
    } else {
        suggestion(name, known)
    };
    let unknown = (known != CONTACT && known != META).then(|| name.to_owned());
    Err(Broken { unknown, message: format!("{kind} `{name}`"), range, hint: Some(hint) })
}

/// Whether a word stands alone on a side of a comparison, where a text may have been meant: `event.status == paid`.
fn is_compared(name: &str, source: &str) -> bool {
    source.match_indices(name).any(|(start, _)| {
        let before = source.get(..start).unwrap_or_default().trim_end();
        let after = source.get(start + name.len()..).unwrap_or_default();
        let is_whole = !after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | '('));
        is_whole && (before.ends_with("==") || before.ends_with("!=") || after.trim_start().starts_with("=="))
    })
}

/// Where a token stands.
pub fn range_of(span: &Span) -> Range<usize> {
    let at = |position: u32| usize::try_from(position).unwrap_or(usize::MAX);
    at(span.start_offset)..at(span.end_offset)
}

fn suggestion(written: &str, known: &[&str]) -> String {
    did_you_mean(written, known.iter().copied())
        .map_or_else(|| format!("there are: {}", known.join(", ")), |meant| format!("did you mean `{meant}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_name_what_minijinja_has() {
        let mut environment = minijinja::Environment::new();
        filters::register(&mut environment);
        super::super::arguments::register(&mut environment);
        super::super::dates::register(&mut environment);
        for name in filter_names() {
            let error = environment.render_str(&format!("{{{{ 1|{name} }}}}"), ()).err();
            assert!(error.is_none_or(|e| e.kind() != minijinja::ErrorKind::UnknownFilter), "{name}");
        }
        for name in BUILTIN_TESTS {
            let error = environment.render_str(&format!("{{{{ 1 is {name} }}}}"), ()).err();
            assert!(error.is_none_or(|e| e.kind() != minijinja::ErrorKind::UnknownTest), "{name}");
        }
    }

    #[test]
    fn an_event_does_not_choose_what_a_filter_goes_by() {
        for path in ["event.x", "'a' ~ event.x", "event['x']", "('a')"] {
            for filter in ["sum", "groupby", "selectattr", "rejectattr"] {
                assert!(names(&format!("{{{{ event.l | {filter}({path}) }}}}"), false).is_err(), "{filter} {path}");
            }
            for filter in ["sum", "groupby", "map", "sort", "unique", "min", "max", "join"] {
                assert!(names(&format!("{{{{ event.l | {filter}(attribute={path}) }}}}"), false).is_err(), "{filter}");
            }
        }
        for fine in [
            "sum",
            "sum()",
            "sum('price')",
            "sum(attribute='price', start=1)",
            "sum(start=event.x)",
            "sort(attribute='a', reverse=true)",
        ] {
            assert_eq!(names(&format!("{{{{ event.l | {fine} }}}}"), false), Ok(()), "{fine}");
        }
    }

    #[test]
    fn loops_and_conditions_are_no_functions() {
        assert_eq!(
            names(
                "{% for a in (event.b) %}{% if (a) and not (a is none) %}{{ a.keys() }}{% endif %}{% endfor %}",
                false
            ),
            Ok(())
        );
        assert!(names("{{ now() }}", false).is_err());
    }
}
