//! `$VAR` and `$(VAR)`, which a shell or Kubernetes would replace and this does not: `${VAR}` is meant.
//!
//! A price in `$USD`, a token as `$FirstName` (the API's own) and code to paste stay what they are.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::diagnostic::Diagnostic;
use super::document::{Kind, Node};

/// A name as environments have them, after a dollar sign that nothing stands before.
static BARE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|[^A-Za-z0-9_$\\])(\$\(?([A-Z][A-Z0-9_]+)\)?)").ok());

/// Keys of sources and routes under which there is prose, code to paste, or what a sender sent.
const PROSE: [&str; 9] = ["title", "about", "setup", "script", "no_phone", "facts", "starter", "samples", "examples"];

/// The key of a route under which there are templates.
const TEMPLATES: &str = "sends";

/// Whether a text is a template, in which another text can be quoted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Template,
    Plain,
}

/// Reports every text of a document that names a variable without braces.
pub fn check(root: &Node, diagnostics: &mut Vec<Diagnostic>) {
    let Kind::Map(entries) = &root.kind else { return };
    for entry in entries.iter().filter(|entry| !PROSE.contains(&&*entry.key)) {
        let form = if entry.key == TEMPLATES { Form::Template } else { Form::Plain };
        search(&entry.value, form, diagnostics);
    }
}

fn search(node: &Node, form: Form, diagnostics: &mut Vec<Diagnostic>) {
    match &node.kind {
        Kind::Text(text) => {
            if let Some((written, name)) = bare(text) {
                let message = format!("`{written}` is not replaced: it stays as it is written");
                // with digits in it, it may be a secret that begins with a dollar sign
                let shown = if name.contains(|c: char| c.is_ascii_digit()) { "NAME" } else { name };
                let mut hint = format!("write ${{{shown}}} for the variable's value");
                if form == Form::Template {
                    hint = format!("{hint}, or \"{{{{ '{written}' }}}}\" if the text itself is meant");
                }
                diagnostics.push(Diagnostic::at(&node.place, message).hint(hint));
            }
        }
        Kind::List(items) => items.iter().for_each(|item| search(item, form, diagnostics)),
        Kind::Map(entries) => entries.iter().for_each(|entry| search(&entry.value, form, diagnostics)),
        Kind::Null | Kind::Bool(_) | Kind::Number(..) => {}
    }
}

/// The first variable that a text names without braces, as written and by its name.
fn bare(text: &str) -> Option<(&str, &str)> {
    let is_address = text.contains("://") || text.starts_with("sqlite:");
    BARE.as_ref()?.captures_iter(text).find_map(|found| {
        let (written, name) = (found.get(1)?, found.get(2)?);
        let goes_on = text.get(written.end()..)?.starts_with(|c: char| c.is_alphanumeric());
        let is_closed = written.as_str().starts_with("$(") == written.as_str().ends_with(')');
        let is_whole = written.as_str() == text.trim();
        // within a sentence, three capitals are a currency
        let is_telling = is_address || name.as_str().contains('_');
        let before = text.get(..written.start())?;
        let is_quoted = before.rfind("{{") > before.rfind("}}");
        let is_meant = !is_quoted && !goes_on && is_closed && (is_whole || is_telling);
        is_meant.then_some((written.as_str(), name.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_told_from_prices_and_tokens() {
        for (text, name) in [
            ("$SERRI_API_KEY", "SERRI_API_KEY"),
            (" $TOKEN ", "TOKEN"),
            ("$(SHOP_SECRET)", "SHOP_SECRET"),
            ("https://$HOST/hook", "HOST"),
            ("sqlite:$DATA/relay.db", "DATA"),
            ("Bearer $MY_TOKEN", "MY_TOKEN"),
            ("${A} and $B_C", "B_C"),
            ("${A:-$B_C}", "B_C"),
            ("{{ event.a }} $B_C {{ event.d }}", "B_C"),
        ] {
            assert_eq!(bare(text).map(|(_, name)| name), Some(name), "{text}");
        }
        for text in [
            "$FirstName",
            "Hi $FirstName, it is $USD 20",
            "US$100",
            "$100",
            "A$AP",
            "${VAR}",
            "$${VAR}",
            "$$VAR_X",
            "pa$SW0RD_X",
            "$",
            "^$",
            "{{ '$USD' }}",
            "{{ '$SAVE_20' }}",
            "Use {{ '$SAVE_20' }} today",
            "$FIRSTname",
            "costs $(5)",
        ] {
            assert_eq!(bare(text), None, "{text}");
        }
    }
}
