//! Which pages of other sites may call a route from a browser: its `cors`.

use http::HeaderValue;
use url::{Origin, Url};

use crate::config::File;
use crate::config::diagnostic::Diagnostic;
use crate::config::one_or_many::OneOrMany;
use crate::config::route::RouteFile;

/// The origins that may call a route from a browser.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cors {
    /// None: browsers are told nothing.
    #[default]
    Off,
    /// Any.
    Any,
    /// These, as browsers write them.
    Origins(Vec<String>),
}

impl Cors {
    /// Compiles a route's `cors`.
    pub fn compile(file: &File<RouteFile>, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let Some(written) = &file.value.cors else { return Self::Off };
        let mut origins = Vec::new();
        for (index, text) in written.as_slice().iter().enumerate() {
            match origin(text) {
                _ if text == "*" => return Self::Any,
                Some(origin) => origins.push(origin),
                None => {
                    let index = index.to_string();
                    let path: &[&str] = match written {
                        OneOrMany::One(_) => &["cors"],
                        OneOrMany::Many(_) => &["cors", &index],
                    };
                    let message = format!("`{text}` is not an origin");
                    let diagnostic = Diagnostic::at(file.node.place_of(path), message);
                    diagnostics.push(
                        diagnostic
                            .hint("write scheme and host, without a path: https://www.example.com; or \"*\" for any"),
                    );
                }
            }
        }
        Self::Origins(origins)
    }

    /// What a browser is told about a page of this origin; `None` if that page may not call.
    pub fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Self::Off => None,
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::Origins(origins) => {
                let known = origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
                known.then(|| origin.clone())
            }
        }
    }
}

/// An origin as browsers write it: lower case, without the scheme's own port.
fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    match url.origin() {
        origin @ Origin::Tuple(..) if bare && !text.contains(['*', '@']) => Some(origin.ascii_serialization()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for (text, written) in [
            ("https://www.example.com", Some("https://www.example.com")),
            ("https://WWW.Example.com:443/", Some("https://www.example.com")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("https://bücher.example", Some("https://xn--bcher-kva.example")),
            ("https://www.example.com/form", None),
            ("https://*.example.com", None),
            ("https://me@example.com", None),
            ("www.example.com", None),
            ("null", None),
            ("file:///form.html", None),
        ] {
            assert_eq!(origin(text).as_deref(), written, "{text}");
        }
    }
}
