//! Texts in which a value was meant and a text would be sent: `event.city` without braces, `{event.city}` with one, `{{1}}` as
//! in WhatsApp's own templates.
//!
//! A name counts only where nothing else can be meant by it: `event`, `Pune`, `100% {free}` and `event.com` are texts.

use std::ops::Range;
use std::sync::LazyLock;

use regex_lite::Regex;

use super::expression::Expression;
use super::field_name;
use super::lint::{Broken, CONTACT};
use super::prose::{self, Named};
use crate::config::diagnostic::did_you_mean;

/// What an expression may begin with, whether it is one or not.
static PATH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^([a-z]+)(?:\.([A-Za-z_][\w-]*)|\[(?:"[^"\]]*"|'[^'\]]*'|\d+)\])(?:[.\[][\w."'\[\]-]*)?$"#).ok()
});

/// Something in one pair of braces.
static BRACED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{([^{}]+)\}").ok());

/// A block whose text is sent as it is written.
static RAW: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?s)\{%[-+]?\s*raw\s*[-+]?%\}.*?\{%[-+]?\s*endraw\s*[-+]?%\}").ok());

/// Where such blocks stand, in bytes.
pub fn raw_blocks(source: &str) -> Vec<Range<usize>> {
    RAW.iter().flat_map(|raw| raw.find_iter(source)).map(|found| found.range()).collect()
}

/// Whether a value, which stands here in its braces, is not a placeholder of WhatsApp's own: `{{1}}`.
pub fn check_number(source: &str, range: Range<usize>) -> Result<(), Broken> {
    let written = source.get(range.clone()).unwrap_or("");
    let number = written.trim_matches(['{', '}', '-', '+', ' ', '\t', '\n']);
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(Broken {
        unknown: None,
        message: format!(
            "`{{{{{number}}}}}` is a placeholder of the campaign's template, and here it is the text `{number}`"
        ),
        hint: Some(
            "write what takes its place, as \"{{ contact.first_name }}\"; the first entry of templateParams fills {{1}}"
                .to_owned(),
        ),
        range: Some(range),
    })
}

/// Whether the texts around a template's values leave no brace over: `{{ event.city }}}` would send one. With each comes where
/// it stands, if it stands after a value.
pub fn check_braces<'a>(texts: impl Iterator<Item = (&'a str, Option<usize>)>) -> Result<(), Broken> {
    let mut open = 0_usize;
    for (text, after_value) in texts {
        if let Some(start) = after_value.filter(|_| open == 0 && text.starts_with('}')) {
            return Err(Broken {
                unknown: None,
                message: "this brace is one too many, and would be sent".to_owned(),
                hint: Some("a value stands in two braces: {{ event.city }}".to_owned()),
                range: Some(start..start + 1),
            });
        }
        for c in text.chars() {
            match c {
                '{' => open += 1,
                '}' => open = open.saturating_sub(1),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether a whole text is one.
pub fn check_whole(source: &str, variables: &[&str]) -> Result<(), Broken> {
    let text = source.trim();
    if !is_value(text, variables) {
        return check_part(source, variables);
    }
    let start = source.len() - source.trim_start().len();
    Err(Broken {
        unknown: None,
        message: format!("`{text}` without braces is a text, not the value"),
        hint: Some(or_the_text(meant(text, variables), text)),
        range: Some(start..start + text.len()),
    })
}

/// Whether the text around a template's values is one.
pub fn check_part(text: &str, variables: &[&str]) -> Result<(), Broken> {
    for found in BRACED.iter().flat_map(|braced| braced.captures_iter(text)) {
        let (Some(whole), Some(inside)) = (found.get(0), found.get(1)) else { continue };
        let inside = inside.as_str().trim();
        let is_field = variables.contains(&"contact") && CONTACT.contains(&inside);
        if !is_field && !is_value(inside, variables) {
            continue;
        }
        let inside = if is_field { format!("contact.{inside}") } else { inside.to_owned() };
        return Err(Broken {
            unknown: None,
            message: format!("`{}` is a text: a value stands in two braces", whole.as_str()),
            hint: Some(meant(&inside, variables)),
            range: Some(whole.range()),
        });
    }
    let Some(Named { range, value }) = prose::find(text, variables) else { return Ok(()) };
    let written = text.get(range.clone()).unwrap_or("");
    let message = if written.starts_with(char::is_alphabetic) {
        format!("`{written}` without braces is a text, not the value")
    } else {
        format!("`{written}` is a text: a value stands in two braces")
    };
    let hint = Some(or_the_text(meant(&value, variables), written));
    Err(Broken { unknown: None, message, hint, range: Some(range) })
}

/// The hint with the other thing that may have been meant: a campaign of this name.
fn or_the_text(hint: String, text: &str) -> String {
    if text.contains(['\'', '"', '{', '}', ' ']) {
        return hint;
    }
    format!("{hint}, or \"{{{{ '{text}' }}}}\" if the text itself is meant")
}

fn meant(text: &str, variables: &[&str]) -> String {
    let value = field_name::corrected(text, variables);
    let quote = if value.contains('"') { '\'' } else { '"' };
    format!("write {quote}{{{{ {value} }}}}{quote}")
}

/// Whether a text is a value as expressions name it, perhaps with filters.
fn is_value(text: &str, variables: &[&str]) -> bool {
    let (head, filters) = text.split_once('|').map_or((text, None), |(head, filters)| (head, Some(filters)));
    let head = head.trim();
    let Some(path) = PATH.as_ref().and_then(|path| path.captures(head)) else {
        // `event.a or event.b`
        let names_one =
            variables.iter().any(|name| head.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '['])));
        return names_one && head.contains(' ') && Expression::compile_over(text, variables).is_ok();
    };
    let field = path.get(2).map_or("", |field| field.as_str());
    let root = path.get(1).map_or("", |root| root.as_str());
    if !variables.contains(&root) || root == "loop" {
        return false;
    }
    let is_site = prose::is_ending(field) && head.len() == root.len() + 1 + field.len();
    if is_site || filters.is_some_and(|filters| filters.trim_start().starts_with(char::is_uppercase)) {
        return false;
    }
    // of these all fields are known
    let is_known = Expression::compile_over(head, variables).is_ok();
    is_known || !matches!(root, "contact" | "meta") || did_you_mean(field, CONTACT).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::template::Template;

    #[test]
    fn a_value_without_its_braces_is_a_fault() {
        for (text, hint) in [
            ("event.city", r#"write "{{ event.city }}""#),
            (" event.city ", r#"write "{{ event.city }}""#),
            ("event.properties.plan.name", r#"write "{{ event.properties.plan.name }}""#),
            ("event.items[0].name", r#"write "{{ event.items[0].name }}""#),
            ("event[\"Your Phone\"]", r#"write '{{ event["Your Phone"] }}'"#),
            ("event.your-phone", r#"write '{{ event["your-phone"] }}'"#),
            ("contact.first_name | default('there')", r#"write "{{ contact.first_name | default('there') }}""#),
            ("event.city | titel_case", r#"write "{{ event.city | titel_case }}""#),
            ("event.city or event.town", r#"write "{{ event.city or event.town }}""#),
            ("contact.phon", r#"write "{{ contact.phon }}""#),
            ("meta.type", r#"write "{{ meta.type }}""#),
            ("item.name", r#"write "{{ item.name }}""#),
            ("headers['x-topic']", r#"write "{{ headers['x-topic'] }}""#),
            ("query.utm_source", r#"write "{{ query.utm_source }}""#),
            ("{event.city}", r#"write "{{ event.city }}""#),
            ("{ event.city }}", r#"write "{{ event.city }}""#),
            ("Hi {contact.first_name}, from {{ event.city }}", r#"write "{{ contact.first_name }}""#),
            ("{{ event.city }}: {event.area | title_case}", r#"write "{{ event.area | title_case }}""#),
            ("Hi {first_name}", r#"write "{{ contact.first_name }}""#),
            ("Hi contact.first_name, welcome", r#"write "{{ contact.first_name }}""#),
            ("Hello event.first_name!", r#"write "{{ event.first_name }}""#),
            ("Event.city", r#"write "{{ event.city }}""#),
            ("Dear [[event.name]], from {{ event.city }}", r#"write "{{ event.name }}""#),
            ("<<event.city>>", r#"write "{{ event.city }}""#),
            ("{% if event.a %}Hi {contact.name}{% endif %}", r#"write "{{ contact.name }}""#),
        ] {
            let broken = Template::compile(text).expect_err(text);
            let given = broken.hint.as_deref().and_then(|hint| hint.split(", or \"").next());
            assert_eq!(given, Some(hint), "{text}");
            let range = broken.range.expect(text);
            assert!(text.get(range).is_some_and(|part| broken.message.contains(part)), "{text}: {}", broken.message);
        }
        for text in ["{{1}}", "Hi {{ 2 }}, welcome", "{% if event.a %}{{1}}{% endif %}", "{{-1-}}"] {
            let broken = Template::compile(text).expect_err(text);
            assert!(
                broken.message.contains("is a placeholder of the campaign's template"),
                "{text}: {}",
                broken.message
            );
            assert!(
                broken.range.is_some_and(|range| text.get(range).is_some_and(|part| part.starts_with("{{"))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_brace_too_many_is_a_fault() {
        for text in ["{{ event.city }}}", "Hi {{ event.name }}}, welcome", "{% if event.a %}{{ event.b }}}{% endif %}"]
        {
            let broken = Template::compile(text).expect_err(text);
            assert_eq!(broken.message, "this brace is one too many, and would be sent", "{text}");
            assert_eq!(broken.range.and_then(|range| text.get(range)), Some("}"), "{text}");
        }
        assert!(Template::compile("{{{ event.city }}}").is_err());
        for text in [
            "{\"n\": {{ event.n }}}",
            "{\"n\": {\"m\": {{ event.n }}}, \"o\": {{ event.o }}}",
            "{% raw %}{{% endraw %}{{ event.n }}}",
            "{{ event.n }}{% raw %}}{% endraw %}",
            "{{ {'a': event.n} }}",
            "Bye :-} {{ event.n }}",
        ] {
            assert!(Template::compile(text).is_ok(), "{text}: {:?}", Template::compile(text));
        }
    }

    #[test]
    fn what_is_quoted_is_the_text_itself() {
        for text in ["event.signup", "$SAVE20", "{event.city}", "{{1}}", "contact.name"] {
            let template = format!("{{{{ '{text}' }}}}");
            assert!(matches!(Template::compile(&template), Ok(Template::Fixed(fixed)) if fixed == text), "{template}");
        }
        assert!(matches!(Template::compile("{{ '' }}"), Ok(Template::Pieces(_))), "nothing is still missing");
        for text in [
            "{% raw %}{{1}} {{ event.city }}{% endraw %}",
            "a{# {{1}}, event.city #}b",
            "{%- raw -%} {event.city} {%- endraw -%}",
        ] {
            assert!(Template::compile(text).is_ok(), "{text}: {:?}", Template::compile(text));
        }
        assert!(Template::compile("{% raw %}{{1}}{% endraw %} {{2}}").is_err());
    }

    #[test]
    fn a_text_is_a_text() {
        for text in [
            "Pune",
            "event",
            "contact",
            "item",
            "meta",
            "100% {free}",
            "{}",
            "{1}",
            "{city}",
            "{ \"a\": 1 }",
            "{\"n\": {{ event.n }}}",
            "event.com",
            "Visit event.com today",
            "meta.com",
            "contact.us",
            "contact us",
            "contact.us | Shop",
            "The event. Be there",
            "The event.Be there",
            "an event, a contact.",
            "event: launch",
            "event.",
            ".event",
            "event 2026",
            "event-city",
            "my event.city is fine",
            "events.city",
            "https://event.example/x",
            "https://contact.email/x",
            "write to contact.name@example.com",
            "[event]",
            "$FirstName",
            "a | b",
            "event.com | Tickets",
            "{{ 'event.city' }}",
            "{{ '{event.city}' }}",
            "#{{ event.n }}#",
            "मेला",
            "",
        ] {
            assert!(Template::compile(text).is_ok(), "{text}: {:?}", Template::compile(text));
        }
    }
}
