//! Text made fit for people and for WhatsApp.

/// How many characters a template parameter may have: WhatsApp's limit.
pub const PARAM_LIMIT: usize = 1_024;

/// More spaces in a row than this are refused by WhatsApp in a template parameter.
const SPACE_RUN: usize = 4;

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
