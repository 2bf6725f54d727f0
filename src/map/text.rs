//! Text made fit for people and for WhatsApp.

use minijinja::Value;
use minijinja::value::ValueKind;

/// How many characters a template parameter may have: WhatsApp's limit.
pub const PARAM_LIMIT: usize = 1_024;

/// More spaces in a row than this are refused by WhatsApp in a template parameter.
const SPACE_RUN: usize = 4;

/// How long a list or an object may become as JSON, in bytes: as long as a body may be by default.
pub const TEXT_LIMIT: usize = 1_024 * 1_024;

/// A value as people would write it: `1499.5`, `true`, lists and objects as JSON. `None` for what is not there, and for a
/// list or an object longer than [`TEXT_LIMIT`]: a list may hold the same value many times over.
pub fn text_of(value: &Value) -> Option<String> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => None,
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => json_of(value),
        ValueKind::Bool => Some(value.is_true().to_string()),
        ValueKind::Number if !value.is_integer() => f64::try_from(value.clone()).ok().map(|number| number.to_string()),
        _ => value.as_str().map(ToOwned::to_owned).or_else(|| Some(value.to_string())),
    }
}

/// Whether it is a list or an object.
pub fn is_container(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable)
}

/// A value as JSON; `None` if it is longer than [`TEXT_LIMIT`].
pub fn json_of(value: &Value) -> Option<String> {
    let mut out = Bounded::new(TEXT_LIMIT);
    serde_json::to_writer(&mut out, value).ok()?;
    out.text()
}

/// A writer that refuses to grow beyond a limit.
#[derive(Debug)]
pub struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl Bounded {
    /// One that takes so many bytes.
    pub fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// What was written, if it is text.
    pub fn text(self) -> Option<String> {
        String::from_utf8(self.bytes).ok()
    }
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(std::io::Error::other(format!("it becomes longer than {} bytes", self.limit)));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether there is nothing in it.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control())
}

/// On one line: a run of white space that holds a line break, a tab or more than four spaces becomes one space;
/// control characters go; the ends are trimmed.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run: Vec<char> = Vec::new();
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            run.push(c);
        } else {
            flush(&mut out, &mut run);
            out.push(c);
        }
    }
    flush(&mut out, &mut run);
    out.trim().to_owned()
}

fn flush(out: &mut String, run: &mut Vec<char>) {
    if run.iter().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) || run.len() > SPACE_RUN {
        out.push(' ');
    } else {
        out.extend(run.iter());
    }
    run.clear();
}

/// At most `limit` characters; `end` replaces what is cut off and counts.
pub fn truncate(text: &str, limit: usize, end: &str) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(end.chars().count());
    let kept: String = text.chars().take(room).collect();
    format!("{}{end}", kept.trim_end())
}

/// A template parameter as WhatsApp takes it.
pub fn fit_param(text: &str) -> String {
    one_line(text).chars().take(PARAM_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn line_breaks_tabs_and_long_runs_become_single_spaces() {
        assert_eq!(one_line(" a\r\n\r\nb\tc     d    e "), "a b c d    e");
        assert_eq!(one_line("नमस्ते\nआशा"), "नमस्ते आशा");
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!(text_of(&Value::from(1499.50)), Some("1499.5".into()));
        assert_eq!(text_of(&Value::from(1499.0)), Some("1499".into()));
        assert_eq!(text_of(&Value::from(u64::MAX)), Some("18446744073709551615".into()));
        assert_eq!(text_of(&Value::from(true)), Some("true".into()));
        assert_eq!(text_of(&Value::from(())), None);
    }

    proptest! {
        #[test]
        fn a_param_is_always_what_whatsapp_takes(text in "\\PC*|[ \\t\\n\\r]*|([a-z][ \\n\\t]{0,9})*") {
            let fit = fit_param(&text);
            prop_assert!(fit.chars().count() <= PARAM_LIMIT);
            prop_assert!(!fit.contains(['\n', '\t', '\r']));
            prop_assert!(!fit.contains("     "));
        }
    }
}
