//! Faults of a file that is no YAML, in words that say what to write: the parser's own name what it expected.

use std::sync::Arc;

use super::diagnostic::{Diagnostic, Place, Source};

/// How deep lists and keys may stand in each other, with what aliases stand for: each step takes stack, of which a thread has
/// two MiB, and a build without optimisation takes most. A webhook is hardly half as deep.
pub const DEEPEST: usize = 32;

/// A line that is indented with something else than spaces, which no message of the parser says.
fn odd_indentation(source: &Arc<Source>) -> Option<Diagnostic> {
    let mut start = 0;
    for line in source.text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t', '\u{a0}', '\u{3000}']).len();
        let odd = line.char_indices().take_while(|(at, _)| *at < indent).find(|(_, c)| *c != ' ');
        if let Some((at, c)) = odd.filter(|_| !line.trim().is_empty()) {
            let what = if c == '\t' { "a tab" } else { "a space of another kind" };
            let place = Place { source: Arc::clone(source), range: start + at..start + at + c.len_utf8() };
            let diagnostic = Diagnostic::at(&place, format!("not readable as YAML: the line is indented with {what}"));
            return Some(diagnostic.hint("indent with spaces: two for each step"));
        }
        start += line.len();
    }
    None
}

/// What to say of a text that is no YAML.
pub fn not_yaml(source: &Arc<Source>, error: &serde_saphyr::Error) -> Diagnostic {
    if let Some(diagnostic) = odd_indentation(source) {
        return diagnostic;
    }
    let message = error.without_snippet().to_string();
    let message = message
        .split_once(": ")
        .filter(|(head, _)| head.starts_with("line "))
        .map_or(message.as_str(), |(_, rest)| rest);
    let twice = message.contains("duplicate");
    let message = if twice { "a key stands twice" } else { message };
    let place = error.location().map_or_else(|| Place::start_of(Arc::clone(source)), |at| place_at(source, at));
    if let Some(template) = bare_template(&place) {
        let diagnostic = Diagnostic::at(&place, "not readable as YAML: a text that begins with braces needs quotes");
        let quote = if template.contains('"') { '\'' } else { '"' };
        return diagnostic.hint(format!("write {quote}{template}{quote}"));
    }
    // the parser looks further ahead where brackets may be a key
    if ["budget breached: Depth", "recursion limit exceeded"].iter().any(|too_deep| message.contains(too_deep)) {
        let message = format!("lists and keys stand more than {DEEPEST} deep in each other here");
        let hint = "write them less deep; what an alias (`*NAME`) stands for counts as well";
        return Diagnostic::at(&place, message).hint(hint);
    }
    if let Some((message, hint)) = of_anchors(message, place.source.text.get(place.range.start..).unwrap_or("")) {
        return Diagnostic::at(&place, message).hint(hint);
    }
    Diagnostic::at(&place, format!("not readable as YAML: {message}"))
        .hint("indent with spaces, and put quotes around a text that begins with { or contains ': '")
}

/// What is wrong with an anchor (`&x`), an alias (`*x`) or a merge (`<<: *x`), from the parser's words and the text where it gave up.
fn of_anchors(message: &str, rest: &str) -> Option<(String, &'static str)> {
    if message.contains("unknown anchor") {
        let alias = rest.split([' ', ',', ']', '}', '\n']).next().unwrap_or("");
        let anchor = alias.trim_start_matches('*');
        return Some((
            format!("`{alias}` stands for what is marked with `&{anchor}`, and nothing before it in this file is"),
            "mark it where it is written first, in the same file; a text that begins with * needs quotes",
        ));
    }
    if message.contains("merge value must be") {
        let hint = "write `<<: *NAME`, or `<<: [*ONE, *OTHER]`, for keys that are marked with `&NAME` before";
        return Some(("`<<` takes over keys and values, and this has none".to_owned(), hint));
    }
    let is_too_much = message.contains("budget breached");
    is_too_much.then(|| {
        ("with all that its aliases stand for, the file is too long".to_owned(), "write less by aliases (`*NAME`)")
    })
}

/// A template that stands without quotes, in the second brace of which YAML gave up.
fn bare_template(place: &Place) -> Option<&str> {
    let start = place.range.start.checked_sub(1)?;
    let text = place.source.text.get(start..)?.lines().next()?;
    let end = text.find("}}")?;
    text.starts_with("{{").then(|| text.get(..end + 2))?
}

/// A place as the parser gives it.
pub fn place_at(source: &Arc<Source>, at: serde_saphyr::Location) -> Place {
    let text = &source.text;
    let span = at.span();
    let bytes = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
    let start =
        bytes(span.byte_offset()).filter(|start| text.is_char_boundary(*start)).unwrap_or_else(|| offset_of(text, at));
    let end = bytes(span.byte_len()).map_or(start, |len| start + len);
    let end = if text.is_char_boundary(end) { end } else { start };
    Place { source: Arc::clone(source), range: start..end }
}

fn offset_of(text: &str, at: serde_saphyr::Location) -> usize {
    let line = usize::try_from(at.line()).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(at.column()).unwrap_or(1).saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(before..).unwrap_or("");
    before + rest.char_indices().nth(column).map_or(rest.len(), |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::super::document::Node;
    use super::*;

    fn fault(text: String) -> Option<String> {
        Node::parse(&Arc::new(Source::new("t.yaml", text))).err().map(|fault| fault.one_line())
    }

    /// So many steps from the outermost to the value, written in each way there is.
    fn nested(depth: usize) -> [String; 5] {
        let flow = |open: &str, close: &str| format!("{}x{}\n", open.repeat(depth), close.repeat(depth));
        let block: Vec<String> = (0..depth).map(|step| format!("{}a:\n", " ".repeat(step))).collect();
        let block = block.concat();
        // each alias stands for one step more than the one before
        let aliases: Vec<String> = (1..depth - 1).map(|step| format!("k{step}: &a{step} [*a{}]\n", step - 1)).collect();
        let aliases = aliases.concat();
        [
            flow("[", "]"),
            flow("{ a: ", " }"),
            format!("{block}{}x\n", " ".repeat(depth)),
            format!("{}x\n", "- ".repeat(depth)),
            format!("k0: &a0 [x]\n{aliases}"),
        ]
    }

    #[test]
    fn what_is_nested_too_deeply_is_a_fault_and_not_the_end_of_the_process() {
        for depth in [10, DEEPEST] {
            for text in nested(depth) {
                assert_eq!(fault(text.clone()), None, "{text}");
            }
        }
        for depth in [DEEPEST + 1, 300, 10_000] {
            for text in nested(depth) {
                let start: String = text.chars().take(200).collect();
                let fault = fault(text).expect(&start);
                assert!(
                    fault.contains("lists and keys stand more than 32 deep in each other here"),
                    "{start}: {fault}"
                );
                assert!(!fault.starts_with("t.yaml:1:1:"), "{start}: {fault}");
            }
        }
    }
}
