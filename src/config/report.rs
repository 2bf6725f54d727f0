//! Faults as people see them: with the line they stand on, and without the secrets that stand beside them.

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};

use super::conceal::Concealed;
use super::diagnostic::{Diagnostic, Severity};
use super::interpolate::Variables;

/// `file:line:column: message (hint)` without secrets, for logs and answers.
pub fn one_line(diagnostic: &Diagnostic, variables: &Variables) -> String {
    Concealed::of(diagnostic, variables).hide(&diagnostic.one_line())
}

/// A fault with the line it stands on, as a compiler would show it.
pub fn render(diagnostic: &Diagnostic, variables: &Variables, renderer: &Renderer) -> String {
    let concealed = Concealed::of(diagnostic, variables);
    let message = concealed.hide(&diagnostic.message);
    let hint = diagnostic.hint.as_deref().map(|hint| concealed.hide(hint));
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = level.primary_title(message.as_str()).elements(std::iter::empty::<Snippet<'_, Annotation<'_>>>());
    if let Some(place) = diagnostic.place.as_ref().filter(|_| concealed.line) {
        let (line, column) = place.line_column();
        let at = format!("{}:{line}:{column} (the line may hold a secret)", place.source.name);
        group = group.element(Level::NOTE.message(at));
    } else if let Some(place) = &diagnostic.place {
        let text = &place.source.text;
        let end = place.range.end.min(text.len());
        let start = place.range.start.min(end);
        // one line is enough to see it; a block value would show the whole rule
        let end = text.get(start..end).and_then(|t| t.find('\n')).map_or(end, |n| start + n);
        group = group.element(
            Snippet::source(text.as_str())
                .path(place.source.name.as_str())
                .annotation(AnnotationKind::Primary.span(start..end)),
        );
    }
    if let Some(taken_by) = diagnostic.taken_by() {
        group = group.element(Level::NOTE.message(taken_by));
    }
    if let Some(hint) = &hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    renderer.render(&[group])
}
