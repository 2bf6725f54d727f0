//! Jinja expressions that keep their types, in the one environment that all templates share.
//!
//! Evaluation is bounded in steps and depth. `null` counts as not there.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};
use thiserror::Error;

use super::Scope;
use super::budget::{Budget, steps_for};
use super::lint::{self, Broken};
use super::{arguments, condition, dates, entities, field_name, filters, number, placeholder, readable, text};
use crate::event::UnmappedReason;
use crate::moment::NoMoment;

/// How many steps one evaluation may take. What fails or runs out at one limit has cost no more than that limit, so the
/// evaluation starts small and is repeated with more where it needs more: nearly all get by with the first.
const STEP_LIMITS: [u64; 4] = [64, 1_000, 14_000, MOST_STEPS];

/// The most steps one evaluation may take; a real rule takes some dozens, a pick among 10,000 entries some ten thousand.
const MOST_STEPS: u64 = 200_000;

/// How deep templates may recurse.
const RECURSION: usize = 50;

/// How long a reason may be that repeats what an event holds, in characters.
const REASON_LIMIT: usize = 500;

/// Why a template gave no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvalError {
    /// It names something that is not there, or empty.
    #[error("`{0}` is not there, or empty")]
    Missing(String),
    /// A date can be read in several ways.
    #[error("{0}")]
    AmbiguousDate(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

impl From<EvalError> for UnmappedReason {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Missing(field) => Self::Missing(field),
            EvalError::AmbiguousDate(reason) => Self::AmbiguousDate(reason),
            EvalError::Failed(reason) => Self::Failed(reason),
        }
    }
}

/// Our filters over minijinja's: one environment for each limit, alike but for that.
static ENVIRONMENTS: LazyLock<[Environment<'static>; STEP_LIMITS.len()]> =
    LazyLock::new(|| STEP_LIMITS.map(environment));

fn environment(steps: u64) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(steps));
    environment.set_recursion_limit(RECURSION);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(|out, _, value| {
        let shown = readable::text_of(value).map_err(|error| filters::usage(error.to_string()))?;
        let shown = shown.filter(|shown| value.is_safe() || !text::is_blank(shown));
        let shown = shown.ok_or_else(|| Error::from(ErrorKind::UndefinedError))?;
        out.write_str(&shown).map_err(Error::from)
    });
    environment.remove_global("debug");
    environment.remove_global("namespace");
    filters::register(&mut environment);
    arguments::register(&mut environment);
    dates::register(&mut environment);
    environment
}

/// Parses a whole template.
///
/// # Errors
///
/// What is wrong with it.
pub fn parse(source: &str) -> Result<minijinja::Template<'_, '_>, Error> {
    let [environment, ..] = &*ENVIRONMENTS;
    environment.template_from_str(source)
}

/// Does something with as many steps as it needs, and takes them from a budget.
///
/// # Errors
///
/// What the work fails with, as `failed` tells it, or that there is nothing left for it.
pub fn metered<T>(
    budget: &Budget,
    failed: impl FnOnce(&Error) -> EvalError,
    mut work: impl FnMut(&'static Environment<'static>, usize) -> Result<T, Error>,
) -> Result<T, EvalError> {
    let mut last = None;
    for (index, (environment, steps)) in ENVIRONMENTS.iter().zip(STEP_LIMITS).enumerate() {
        budget.check().map_err(EvalError::Failed)?;
        let done = work(environment, index);
        budget.spend(steps);
        match done {
            Ok(done) => return Ok(done),
            Err(error) if is_out_of_steps(&error) => last = Some(error),
            Err(error) => {
                last = Some(error);
                break;
            }
        }
    }
    Err(last.map_or_else(|| EvalError::Failed("nothing was done".to_owned()), |error| failed(&error)))
}

fn is_out_of_steps(error: &Error) -> bool {
    let is_it = |error: &(dyn std::error::Error + 'static)| {
        error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::OutOfFuel)
    };
    causes(error).any(is_it)
}

/// An error and what lies behind it.
fn causes(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source())
}

/// An expression: `meta.type == "orders/create"`, `event.line_items`.
#[derive(Debug)]
pub struct Expression {
    /// For each limit of steps; none for a plain path.
    compiled: Vec<minijinja::Expression<'static, 'static>>,
    /// The steps of a plain path (`event.customer.phone`), which most expressions are: they are walked without the
    /// virtual machine, in a tenth of the time.
    path: Option<Vec<String>>,
    /// As it was written.
    pub source: String,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn compile(source: &str) -> Result<Self, Broken> {
        Self::compile_over(source, &lint::VARIABLES)
    }

    /// Compiles an expression over other variables than templates see.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn compile_over(source: &str, variables: &[&str]) -> Result<Self, Broken> {
        Self::compiled(source, variables).map_err(|broken| field_name::explain(broken, source, variables))
    }

    /// Compiles an expression of which only counts whether it is true.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where; also that it does not depend on anything.
    pub fn condition(source: &str) -> Result<Self, Broken> {
        Self::condition_over(source, &lint::VARIABLES)
    }

    /// The same over other variables than templates see.
    ///
    /// # Errors
    ///
    /// As [`Expression::condition`].
    pub fn condition_over(source: &str, variables: &[&str]) -> Result<Self, Broken> {
        let compiled = Self::compile_over(source, variables)?;
        condition::check(source).map(|()| compiled)
    }

    fn compiled(source: &str, variables: &[&str]) -> Result<Self, Broken> {
        let trimmed = source.trim();
        // `{"a": 1}` is a value
        let braced = trimmed.strip_prefix('{').filter(|inside| inside.len() > 1 && !inside.contains(':'));
        if trimmed.starts_with("{{") || braced.is_some_and(|inside| inside.ends_with('}')) {
            let inside = trimmed.trim_start_matches('{').trim_end_matches('}').trim();
            let message = "an expression stands without braces".to_owned();
            return Err(Broken { unknown: None, message, range: None, hint: Some(format!("write {inside}")) });
        }
        lint::names(source, true)?;
        let compile =
            |environment: &'static Environment<'static>| environment.compile_expression_owned(source.to_owned());
        let compiled: Result<Vec<_>, _> = ENVIRONMENTS.iter().map(compile).collect();
        let mut compiled = compiled.map_err(|error| {
            let broken = broken(&error);
            let hint = match broken.message.contains("unexpected input") {
                true if source.contains(" = ") => Some("to compare, write == instead of ="),
                true if source.contains(',') => {
                    Some("for one of several, write `in` and a list, as event.a in [\"x\", \"y\"]")
                }
                _ => None,
            };
            Broken { hint: hint.map(ToOwned::to_owned), ..broken }
        })?;
        let used = compiled.first().map(|compiled| compiled.undeclared_variables(true)).unwrap_or_default();
        lint::variables(used, variables, source)?;
        condition::check_within(source)?;
        let path = plain_path(source);
        if path.is_some() {
            compiled.clear();
        }
        Ok(Self { compiled, path, source: source.to_owned() })
    }

    /// Its value.
    ///
    /// # Errors
    ///
    /// [`EvalError::Failed`] where a filter or an operator does, or where it takes too many steps.
    pub fn eval(&self, scope: &Scope) -> Result<Value, EvalError> {
        if let Some(path) = &self.path {
            // on the way through what is not there everything is not there, as in a template
            let root = scope.value().clone();
            return Ok(path.iter().fold(root, |value, step| value.get_attr(step).unwrap_or(Value::UNDEFINED)));
        }
        let named = |error: &Error| match failed(error) {
            EvalError::Failed(reason) => EvalError::Failed(format!("`{}`: {reason}", self.source)),
            EvalError::AmbiguousDate(reason) => EvalError::AmbiguousDate(format!("`{}`: {reason}", self.source)),
            missing @ EvalError::Missing(_) => missing,
        };
        metered(scope.budget(), named, |_, index| match self.compiled.get(index) {
            Some(compiled) => compiled.eval(scope.value().clone()),
            None => Err(Error::from(ErrorKind::OutOfFuel)),
        })
    }

    /// Its text; `None` if it is not there or empty.
    ///
    /// # Errors
    ///
    /// As [`Expression::eval`].
    pub fn text(&self, scope: &Scope) -> Result<Option<String>, EvalError> {
        let value = self.eval(scope)?;
        let text = written(&value, scope)?;
        Ok(text.filter(|text| value.is_safe() || !text::is_blank(text)))
    }
}

/// A value as people would write it, where the event's budget allows; `None` for what is not there.
///
/// # Errors
///
/// That it is too long, or that the budget does not allow it.
pub fn written(value: &Value, scope: &Scope) -> Result<Option<String>, EvalError> {
    scope.budget().check().map_err(EvalError::Failed)?;
    let text = readable::text_of(value).map_err(|error| EvalError::Failed(error.to_string()))?;
    scope.budget().spend(steps_for(text.as_ref().map_or(0, String::len)));
    Ok(text)
}

/// The steps of names joined by dots; `None` for anything else.
fn plain_path(source: &str) -> Option<Vec<String>> {
    const WORDS: [&str; 9] = ["true", "false", "none", "True", "False", "None", "not", "loop", "if"];
    let steps: Vec<String> = source.split('.').map(ToOwned::to_owned).collect();
    let is_name = |step: &String| {
        step.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && step.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !WORDS.contains(&step.as_str())
    };
    steps.iter().all(is_name).then_some(steps)
}

/// A fault of a template as minijinja reports it.
pub fn broken(error: &Error) -> Broken {
    Broken { unknown: None, message: describe(error), range: error.range(), hint: None }
}

/// An evaluation's failure as minijinja reports it.
pub fn failed(error: &Error) -> EvalError {
    if is_out_of_steps(error) {
        return EvalError::Failed(format!(
            "it takes more than {MOST_STEPS} steps; is there a loop without end, or a list of many thousands?"
        ));
    }
    let is_ambiguous = |error: &(dyn std::error::Error + 'static)| {
        matches!(error.downcast_ref::<NoMoment>(), Some(NoMoment::Ambiguous { .. } | NoMoment::OtherOrder { .. }))
    };
    if causes(error).any(is_ambiguous) {
        return EvalError::AmbiguousDate(describe(error));
    }
    EvalError::Failed(describe(error))
}

fn describe(error: &Error) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    let whole = format!("{}{source}", error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned));
    // it may repeat a value of a megabyte
    text::truncate(&whole, REASON_LIMIT, "…")
}

/// A JSON value as templates see it: `null` and a placeholder that nobody filled in are not there, the entities of HTML are the
/// characters that they stand for, and no digit of a number is lost.
pub fn to_value(json: &serde_json::Value) -> Value {
    converted(json, &mut Vec::new())
}

/// The same; what nobody filled in is handed out.
pub fn converted(json: &serde_json::Value, unfilled: &mut Vec<String>) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::UNDEFINED,
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => number::value_of(number),
        Json::String(text) => {
            let text = entities::decode(text);
            if placeholder::is_placeholder(&text) {
                unfilled.push(text.into_owned());
                return Value::UNDEFINED;
            }
            Value::from(text)
        }
        Json::Array(items) => items.iter().map(|item| converted(item, unfilled)).collect(),
        Json::Object(map) => {
            // keys that are texts are compared as such
            let fields = map.iter().map(|(key, value)| (key.clone(), converted(value, unfilled)));
            Value::from(fields.collect::<BTreeMap<String, Value>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Envelope;

    #[test]
    fn nothing_of_a_condition_is_dropped() {
        for (source, hint) in [
            ("event.a == \"x\" && event.b", Some("write `and`")),
            ("event.a == \"x\" & event.b", Some("write `and`")),
            ("event.a == \"x\" || event.b", Some("write `or`")),
            ("event.a == 1 ; event.b", None),
            ("event.a == \"x\" $", None),
            ("event.a == \"x\" @home", None),
            ("event.a == \"x\" \u{201d}", Some("write straight quotes: \" or '")),
        ] {
            let broken = Expression::compile(source).expect_err(source);
            assert_eq!(broken.hint.as_deref(), hint, "{source}");
        }
    }

    #[test]
    fn a_plain_path_gives_what_minijinja_gives() {
        let event = json!({"a": {"b": 1, "items": "x"}, "l": [1], "n": null, "s": "text"});
        let scope = Scope::of_value(&event, &Scope::of_envelope(&Envelope::default()));
        for path in
            ["event", "event.a", "event.a.b", "event.a.items", "event.x.y.z", "event.n.m", "event.l.b", "event.s.b"]
        {
            let expression = Expression::compile(path).expect("compiles");
            assert!(expression.path.is_some(), "{path}");
            let walked = expression.eval(&scope).expect("walked");
            let evaluated =
                Expression::compile(&format!("({path})")).expect("compiles").eval(&scope).expect("evaluated");
            assert_eq!(
                (walked.clone(), walked.is_undefined()),
                (evaluated.clone(), evaluated.is_undefined()),
                "{path}"
            );
        }
        for other in ["event.a[0]", "event.a | upper", "true", "event.0", "not event", "1.5"] {
            assert_eq!(plain_path(other), None, "{other}");
        }
    }
}
