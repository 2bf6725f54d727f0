//! Jinja as the rules use it: texts with `{{ }}` in them.
//!
//! A text is cut into its pieces when it is loaded, so that a value that is not there can be named exactly as it was
//! written. What it becomes is bounded in size.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{ErrorKind, Value};

use super::Scope;
use super::budget::steps_for;
use super::condition;
use super::expression::{EvalError, Expression, broken, failed, metered, parse, written};
use super::lint::{self, Broken};
use super::readable::{self, Bounded};
use super::text;
use super::unbraced;

/// How long one text may become, in bytes: 64 times what WhatsApp takes.
const OUTPUT_LIMIT: usize = 64 * 1_024;

/// How many entries a list may give: a message has some dozens of parameters at the most.
const LIST_LIMIT: usize = 1_000;

/// A text with `{{ }}` in it.
#[derive(Debug)]
pub enum Template {
    /// No braces at all.
    Fixed(String),
    /// Texts and values in turn.
    Pieces(Vec<Piece>),
    /// One with `{% %}` in it, which minijinja renders as a whole.
    Script(String),
}

/// A part of a template.
#[derive(Debug)]
pub enum Piece {
    /// A text.
    Text(String),
    /// A value.
    Value(Expression),
}

/// What a template gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Rendered {
    /// A text.
    Text(String),
    /// The entries of a list, where the template is one value and that is a list.
    List(Vec<Value>),
}

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn compile(source: &str) -> Result<Self, Broken> {
        Self::compile_over(source, &lint::VARIABLES)
    }

    /// Compiles a text that sees other variables.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn compile_over(source: &str, variables: &[&str]) -> Result<Self, Broken> {
        if !source.contains("{{") && !source.contains("{%") && !source.contains("{#") {
            unbraced::check_whole(source, variables)?;
            return Ok(Self::Fixed(source.to_owned()));
        }
        check_texts(source, variables)?;
        let mut pieces = Vec::new();
        let mut opened = 0;
        for token in tokenize(source, false, SyntaxConfig::default()) {
            let (token, span) = token.map_err(|error| broken(&error))?;
            let (start, end) = (offset(span.start_offset), offset(span.end_offset));
            match token {
                Token::TemplateData(text) => pieces.push(Piece::Text(text.to_owned())),
                Token::VariableStart => opened = end,
                Token::VariableEnd => {
                    let inside = source.get(opened..start).unwrap_or("");
                    let lead = inside.len() - inside.trim_start().len();
                    let value = Expression::compile_over(inside.trim(), variables)
                        .map_err(|broken| broken.moved(opened + lead))?;
                    pieces.push(Piece::Value(value));
                }
                Token::BlockStart => return Self::script(source, variables),
                _ => {}
            }
        }
        // an unclosed brace is found by the parser, not by the tokenizer
        parse(source).map_err(|error| broken(&error)).map(drop)?;
        if let [Piece::Value(only)] = pieces.as_slice()
            && let Some(text) = condition::literal(&only.source).filter(|text| !text::is_blank(text))
        {
            return Ok(Self::Fixed(text));
        }
        Ok(Self::Pieces(pieces))
    }

    fn script(source: &str, variables: &[&str]) -> Result<Self, Broken> {
        lint::names(source, false)?;
        let compiled = parse(source).map_err(|error| broken(&error))?;
        lint::variables(compiled.undeclared_variables(true), variables, source)?;
        condition::check_script(source)?;
        Ok(Self::Script(source.to_owned()))
    }

    /// Renders it.
    ///
    /// # Errors
    ///
    /// [`EvalError::Missing`] with the value that is not there or empty (`| default('')` says that this is meant),
    /// [`EvalError::Failed`] where a filter fails or a bound is reached.
    pub fn render(&self, scope: &Scope) -> Result<Rendered, EvalError> {
        match self {
            Self::Fixed(text) => Ok(Rendered::Text(text.clone())),
            Self::Script(source) => script_text(source, scope).map(Rendered::Text),
            Self::Pieces(pieces) => match pieces.as_slice() {
                [Piece::Value(only)] => {
                    let value = only.eval(scope)?;
                    if value.kind() == ValueKind::Seq && !readable::is_nothing(&value) {
                        return entries(&value, scope).map(Rendered::List);
                    }
                    value_text(only, &value, scope).map(Rendered::Text)
                }
                pieces => joined(pieces, scope).map(Rendered::Text),
            },
        }
    }

    /// Renders it as one text, a list joined by commas.
    ///
    /// # Errors
    ///
    /// As [`Template::render`].
    pub fn text(&self, scope: &Scope) -> Result<String, EvalError> {
        match self.render(scope)? {
            Rendered::Text(text) => Ok(text),
            Rendered::List(items) => Ok(written(&Value::from(items), scope)?.unwrap_or_default()),
        }
    }
}

/// Whether no value stands in a template's texts as its name, and no placeholder of WhatsApp's in place of a value.
fn check_texts(source: &str, variables: &[&str]) -> Result<(), Broken> {
    let raw = unbraced::raw_blocks(source);
    let mut texts = Vec::new();
    let mut opened = 0;
    // where it cannot be read, the parser says so
    for (token, span) in tokenize(source, false, SyntaxConfig::default()).map_while(Result::ok) {
        let (start, end) = (offset(span.start_offset), offset(span.end_offset));
        match token {
            Token::TemplateData(text) => {
                let is_raw = raw.iter().any(|block| block.contains(&start));
                if !is_raw {
                    unbraced::check_part(text, variables).map_err(|broken| broken.moved(start))?;
                }
                texts.push((text, (start > 0 && !is_raw).then_some(start)));
            }
            Token::VariableStart => opened = start,
            Token::VariableEnd => unbraced::check_number(source, opened..end)?,
            _ => {}
        }
    }
    unbraced::check_braces(texts.into_iter())
}

fn joined(pieces: &[Piece], scope: &Scope) -> Result<String, EvalError> {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Value(expression) => out.push_str(&value_text(expression, &expression.eval(scope)?, scope)?),
        }
        if out.len() > OUTPUT_LIMIT {
            return Err(too_long());
        }
    }
    Ok(out)
}

/// The entries of a list, which may be one that repeats a value without end.
fn entries(list: &Value, scope: &Scope) -> Result<Vec<Value>, EvalError> {
    let entries: Vec<Value> = list.try_iter().map_err(|error| failed(&error))?.take(LIST_LIMIT + 1).collect();
    scope.budget().spend(steps_for(entries.len()));
    if entries.len() > LIST_LIMIT {
        return Err(EvalError::Failed(format!("it gives more than {LIST_LIMIT} entries")));
    }
    Ok(entries)
}

fn too_long() -> EvalError {
    EvalError::Failed(format!("it becomes longer than {OUTPUT_LIMIT} bytes"))
}

fn value_text(expression: &Expression, value: &Value, scope: &Scope) -> Result<String, EvalError> {
    let text = written(value, scope)?.filter(|text| value.is_safe() || !text::is_blank(text));
    let text = text.ok_or_else(|| EvalError::Missing(expression.source.clone()))?;
    if text.len() > OUTPUT_LIMIT {
        Err(EvalError::Failed(format!("`{}` is longer than {OUTPUT_LIMIT} bytes", expression.source)))
    } else {
        Ok(text)
    }
}

fn script_text(source: &str, scope: &Scope) -> Result<String, EvalError> {
    let told = |error: &minijinja::Error| script_failed(source, error);
    let out = metered(scope.budget(), told, |environment, _| {
        let mut out = Bounded::new(OUTPUT_LIMIT);
        environment.template_from_str(source)?.render_captured_to(scope.value().clone(), &mut out).map(drop)?;
        Ok(out)
    })?;
    out.text().ok_or_else(|| EvalError::Failed("it is not text".into()))
}

fn script_failed(source: &str, error: &minijinja::Error) -> EvalError {
    if error.kind() != ErrorKind::UndefinedError {
        return failed(error);
    }
    let field = error.range().and_then(|range| source.get(range)).unwrap_or(source).trim_matches(['{', '}', '-', ' ']);
    EvalError::Missing(field.to_owned())
}

fn offset(position: u32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::event::{Contact, Envelope, Event};

    fn render(template: &str, event: serde_json::Value) -> Result<String, EvalError> {
        let contact = Contact { name: "Asha".into(), ..Contact::default() };
        let whole = Scope::of_value(&event, &Scope::of_envelope(&Envelope::default()));
        let event = Event { id: "1".into(), kind: String::new(), contact, value: event, window: Duration::ZERO };
        let scope = whole.with_event(&event, "r", "generic", Timestamp(0));
        Template::compile(template).map_err(|broken| EvalError::Failed(broken.message))?.text(&scope)
    }

    #[test]
    fn values_fill_texts() {
        assert_eq!(
            render(
                "Hi {{ contact.name }}, {{ event.total }} {{ event['k k'] }}!",
                json!({"total": 1499.5, "k k": true})
            ),
            Ok("Hi Asha, 1499.5 true!".into())
        );
        assert_eq!(render("no braces", json!({})), Ok("no braces".into()));
        let link = "https://shop.example/?q={{ event.q | urlencode }}";
        assert_eq!(render(link, json!({"q": "silk & gold"})), Ok("https://shop.example/?q=silk%20%26%20gold".into()));
        assert_eq!(render("{% if event.a %}yes{% else %}no{% endif %}", json!({"a": 1})), Ok("yes".into()));
        assert_eq!(render("{{ event.big }}", json!({"big": u64::MAX})), Ok(u64::MAX.to_string()));
    }

    #[test]
    fn nobody_gets_hi_comma() {
        let missing = |field: &str| Err(EvalError::Missing(field.into()));
        assert_eq!(render("Hi {{ event.name }},", json!({})), missing("event.name"));
        assert_eq!(render("Hi {{ event.name }},", json!({"name": null})), missing("event.name"));
        assert_eq!(render("Hi {{ event.name }},", json!({"name": "  "})), missing("event.name"));
        assert_eq!(render("Hi {{ event.name | upper }},", json!({"name": ""})), missing("event.name | upper"));
        assert_eq!(render("{% if true %}Hi {{ event.name }},{% endif %}", json!({})), missing("event.name"));
        assert_eq!(render("Hi {{ event.name | default('there') }},", json!({"name": ""})), Ok("Hi there,".into()));
        assert_eq!(render("Hi{{ event.name | default('') }},", json!({})), Ok("Hi,".into()));
    }

    #[test]
    fn evaluation_is_bounded() {
        for endless in [
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
            "{% for a in range(9000) %}{{ 'a text of some characters' }}{% endfor %}",
            "{{ 'x' * 1000000000 }}",
            "{{ ['x'] * 1000000000 }}",
            "{{ ['x'] * 1000000000 | tojson }}",
            "{{ (['x'] * 1000000000) | tojson }}",
            "n: {{ ['x'] * 1000000000 }}",
            "{% if true %}{{ ['x'] * 1000000000 }}{% endif %}",
        ] {
            assert!(matches!(render(endless, json!({})), Err(EvalError::Failed(_))), "{endless}");
        }
    }

    #[test]
    fn a_broken_template_says_what_and_where() {
        let broken = Template::compile("Hi {{ contact.name | titel }}").expect_err("no such filter");
        assert_eq!((broken.message.as_str(), broken.range.clone()), ("there is no filter `titel`", Some(21..26)));
        assert_eq!(broken.hint.as_deref(), Some("did you mean `title`?"));
        assert!(Template::compile("{{ a").is_err());
        for growing in ["{% set a = event.b %}", "{% with a = 1 %}{% endwith %}", "{% macro f() %}{% endmacro %}"] {
            assert!(Template::compile(growing).is_err_and(|b| b.message.contains("there is no {%")), "{growing}");
        }
        assert!(Template::compile(&format!("{{{{ {}1 }}}}", "-".repeat(50_000))).is_err());
        assert!(
            Template::compile("{{ contact.phon }}").is_err_and(|b| b.hint.as_deref() == Some("did you mean `phone`?"))
        );
        assert!(
            Template::compile("{{ evnt.name }}").is_err_and(|b| b.hint.as_deref() == Some("did you mean `event`?"))
        );
        assert!(Expression::compile("event.a is defned").is_err());
    }
}
