//! An HTTP call that came in, read in full: nothing about it is believed yet.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

/// A call, read in full.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Path and query as they were sent.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// The body, unpacked if it was packed.
    pub body: Bytes,
    /// The body as it was sent, where it was packed: a sender may have signed either.
    pub packed: Option<Bytes>,
}

impl Call {
    /// A header as text, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The query string, without `?`.
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or("")
    }

    /// The content type's essence, in lower case: no parameters.
    pub fn content_type(&self) -> Option<String> {
        let whole = self.header(http::header::CONTENT_TYPE.as_str())?;
        Some(whole.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
    }
}
