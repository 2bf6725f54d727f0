//! Jinja expressions that keep their types, in the one environment that all templates share.
//!
//! Evaluation is bounded in steps and depth. `null` counts as not there.

use std::sync::LazyLock;

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};
use thiserror::Error;

use super::lint::{self, Broken};
use super::{filters, number, text};

/// How many steps one evaluation may take; a real rule takes some dozens.
const FUEL: u64 = 50_000;

/// How deep templates may recurse.
const RECURSION: usize = 50;

/// Why a template gave no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvalError {
    /// It names something that is not there, or empty.
    #[error("`{0}` is not there, or empty")]
    Missing(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

/// The one environment: our filters over minijinja's, bounded.
pub static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(|out, _, value| {
        let shown = text::text_of(value).filter(|shown| value.is_safe() || !text::is_blank(shown));
        let shown = shown.ok_or_else(|| Error::from(ErrorKind::UndefinedError))?;
        out.write_str(&shown).map_err(Error::from)
    });
    environment.remove_global("debug");
    environment.remove_global("namespace");
    filters::register(&mut environment);
    environment
});

/// An expression: `meta.type == "orders/create"`, `event.line_items`.
#[derive(Debug)]
pub struct Expression {
    compiled: minijinja::Expression<'static, 'static>,
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
        if let Some(inside) = source.trim().strip_prefix("{{") {
            let inside = inside.trim_end().trim_end_matches("}}").trim();
            let message = "an expression stands without braces".to_owned();
            return Err(Broken { message, range: None, hint: Some(format!("write {inside}")) });
        }
        lint::names(source, true)?;
        let compiled = ENVIRONMENT.compile_expression_owned(source.to_owned()).map_err(|error| {
            let broken = broken(&error);
            let compares = broken.message.contains("unexpected input") && source.contains(" = ");
            let hint = compares.then(|| "to compare, write == instead of =".to_owned());
            Broken { hint, ..broken }
        })?;
        lint::variables(compiled.undeclared_variables(true), variables, source)?;
        Ok(Self { compiled, path: plain_path(source), source: source.to_owned() })
    }

    /// Its value.
    ///
    /// # Errors
    ///
    /// [`EvalError::Failed`] where a filter or an operator does.
    pub fn eval(&self, scope: &Value) -> Result<Value, EvalError> {
        if let Some(path) = &self.path {
            // on the way through what is not there everything is not there, as in a template
            return Ok(path.iter().fold(scope.clone(), |value, step| value.get_attr(step).unwrap_or(Value::UNDEFINED)));
        }
        self.compiled.eval(scope.clone()).map_err(|error| match failed(&error) {
            EvalError::Failed(reason) => EvalError::Failed(format!("`{}`: {reason}", self.source)),
            missing @ EvalError::Missing(_) => missing,
        })
    }

    /// Its text; `None` if it is not there or empty.
    ///
    /// # Errors
    ///
    /// As [`Expression::eval`].
    pub fn text(&self, scope: &Value) -> Result<Option<String>, EvalError> {
        let value = self.eval(scope)?;
        Ok(text::text_of(&value).filter(|text| value.is_safe() || !text::is_blank(text)))
    }
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
    Broken { message: describe(error), range: error.range(), hint: None }
}

/// An evaluation's failure as minijinja reports it.
pub fn failed(error: &Error) -> EvalError {
    match error.kind() {
        ErrorKind::OutOfFuel => {
            EvalError::Failed(format!("it takes more than {FUEL} steps: is there a loop without end?"))
        }
        _ => EvalError::Failed(describe(error)),
    }
}

fn describe(error: &Error) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{}{source}", error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned))
}

/// A JSON value as templates see it: `null` is not there, and no digit of a number is lost.
pub fn to_value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::UNDEFINED,
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => number::value_of(number),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(to_value).collect(),
        Json::Object(map) => Value::from_pairs(map.iter().map(|(key, value)| (key.as_str(), to_value(value)))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        let scope = to_value(&json!({"event": {"a": {"b": 1, "items": "x"}, "l": [1], "n": null, "s": "text"}}));
        for path in
            ["event", "event.a", "event.a.b", "event.a.items", "event.x.y.z", "event.n.m", "event.l.b", "event.s.b"]
        {
            let expression = Expression::compile(path).expect("compiles");
            assert!(expression.path.is_some(), "{path}");
            let walked = expression.eval(&scope).expect("walked");
            let evaluated = expression.compiled.eval(scope.clone()).expect("evaluated");
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
