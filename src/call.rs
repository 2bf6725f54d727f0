//! An HTTP call that came in, read in full: nothing about it is believed yet. And what is answered to one.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

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

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body and its content type; a report as JSON if there is none.
    pub body: Option<(String, String)>,
    /// A header besides.
    pub header: Option<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// 200 with the report.
    pub fn report() -> Self {
        Self { status: 200, body: None, header: None }
    }
}
