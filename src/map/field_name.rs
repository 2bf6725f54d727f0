//! Names of fields that cannot stand after a dot: `event.your-phone` would be a subtraction, `event.Your Phone` is nothing.

use super::lint::Broken;

/// Words that end a name, since they mean something between two values.
const WORDS: [&str; 7] = ["and", "or", "not", "in", "is", "if", "else"];

/// Characters that do.
const ENDS: &[char] =
    &['|', ',', ')', ']', '}', '=', '<', '>', '!', '~', '+', '*', '%', '"', '\'', '(', '[', '{', ';', '&'];

/// A name after a dot that has to stand in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unfit {
    /// What stands before the dot.
    path: String,
    /// The name.
    name: String,
    /// Where both stand, in bytes.
    range: std::ops::Range<usize>,
}

/// A fault of an expression; of such a name, where that is its cause.
pub fn explain(broken: Broken, source: &str, variables: &[&str]) -> Broken {
    let unknown = broken.unknown.as_deref();
    if unknown.is_none() && broken.hint.is_some() {
        return broken;
    }
    let of_fault =
        |unfit: &Unfit| unknown.is_none_or(|unknown| unfit.name.split(['-', ' ']).any(|part| part == unknown));
    let Some(unfit) = unfit_names(source, variables).into_iter().find(of_fault) else { return broken };
    let what = if unfit.name.contains('-') { "with a hyphen, which means minus," } else { "like this" };
    Broken {
        unknown: None,
        message: format!("`{}.{}`: a name {what} cannot stand after a dot", unfit.path, unfit.name),
        hint: Some(format!("write {}", bracketed(&unfit))),
        range: Some(unfit.range),
    }
}

/// An expression with all such names in brackets.
pub fn corrected(source: &str, variables: &[&str]) -> String {
    let mut corrected = source.to_owned();
    for unfit in unfit_names(source, variables).into_iter().rev() {
        corrected.replace_range(unfit.range.clone(), &bracketed(&unfit));
    }
    corrected
}

fn bracketed(Unfit { path, name, .. }: &Unfit) -> String {
    format!("{path}[\"{name}\"]")
}

fn unfit_names(source: &str, variables: &[&str]) -> Vec<Unfit> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        let before = source.get(..at).and_then(|before| before.chars().next_back());
        let starts = before.is_none_or(|c| !is_word(c) && !matches!(c, '.' | '"' | '\''));
        let root = variables.iter().find(|name| rest.strip_prefix(**name).is_some_and(|after| after.starts_with('.')));
        let Some(root) = root.filter(|_| starts) else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        let (steps, last) = walk(rest, root.len());
        let name = rest.get(last..).map_or("", name_of);
        let end = last + name.len();
        if let Some(path) = rest.get(..steps)
            && name.chars().any(|c| !(c.is_ascii_alphanumeric() || c == '_'))
        {
            found.push(Unfit { path: path.to_owned(), name: name.to_owned(), range: at..at + end });
        }
        at += end.max(root.len());
    }
    found
}

/// Follows the plain steps of a path; where the last of them ends, and where the name after the next dot begins.
fn walk(text: &str, root: usize) -> (usize, usize) {
    let mut end = root;
    loop {
        let name = text.get(end..).and_then(|rest| rest.strip_prefix('.')).unwrap_or("");
        let plain = name.len() - name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        let after = name.get(plain..).unwrap_or("");
        if plain == 0 || !after.starts_with('.') {
            return (end, end + 1);
        }
        end += 1 + plain;
    }
}

/// As much of a text as can be one name.
fn name_of(text: &str) -> &str {
    let end = text.find(ENDS).unwrap_or(text.len());
    let text = text.get(..end).unwrap_or("");
    let mut kept = 0;
    let mut at = 0;
    for (index, word) in text.split(' ').enumerate() {
        // spaces around a minus are those of a subtraction
        let ends = WORDS.contains(&word) || word.starts_with(['-', '/']) || (index > 0 && word.is_empty());
        if ends {
            break;
        }
        at += usize::from(index > 0) + word.len();
        kept = at;
    }
    text.get(..kept).unwrap_or("").trim_end()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::super::expression::Expression;

    #[test]
    fn a_name_that_cannot_stand_after_a_dot_is_shown_in_brackets() {
        for (source, hint) in [
            ("event.your-phone", "write event[\"your-phone\"]"),
            ("event.fields.your-phone | digits", "write event.fields[\"your-phone\"]"),
            ("event.Your Phone", "write event[\"Your Phone\"]"),
            ("event.Your Phone == 'x'", "write event[\"Your Phone\"]"),
            ("event.a and event.Phone Number | digits", "write event[\"Phone Number\"]"),
            ("headers.x-shopify-topic", "write headers[\"x-shopify-topic\"]"),
            ("event.फ़ोन", "write event[\"फ़ोन\"]"),
            ("event.Your WhatsApp?", "write event[\"Your WhatsApp?\"]"),
            ("event.total > 5 and event.utm-source", "write event[\"utm-source\"]"),
        ] {
            let broken = Expression::compile(source).expect_err(source);
            assert_eq!(broken.hint.as_deref(), Some(hint), "{source}");
            let range = broken.range.expect(source);
            assert!(source.get(range).is_some_and(|part| part.contains('.')), "{source}");
        }
    }

    #[test]
    fn other_faults_keep_their_own_hints() {
        for (source, hint) in [
            ("event.a - evnt.b", "did you mean `event`?"),
            ("event.a is defned", "did you mean `defined`?"),
            ("event.type = 'x'", "to compare, write == instead of ="),
            ("event.a && event.b", "write `and`"),
            ("event.status == paid", "a text to compare with stands in quotes: \"paid\""),
        ] {
            assert_eq!(Expression::compile(source).expect_err(source).hint.as_deref(), Some(hint), "{source}");
        }
        for fine in [
            "event.a-1",
            "event.total - event.discount",
            "event.a-event.b",
            "event['your-phone']",
            "event.a or event.b",
        ] {
            assert!(Expression::compile(fine).is_ok(), "{fine}");
        }
    }
}
