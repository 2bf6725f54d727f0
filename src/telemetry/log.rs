//! The border of the log: every field of every line passes here, whoever wrote it, and is masked.
//!
//! Numbers that are numbers in the code (ids of sends, counts, milliseconds) pass as they are; texts do not.

use std::borrow::Cow;
use std::fmt::{self, Debug, Write as _};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::{RecordFields, VisitOutput as _};
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::mask::{self, CurrentSecrets, Secrets};

/// Fields for people to read.
pub struct Fields(pub Arc<CurrentSecrets>);

/// Lines of JSON: `timestamp`, `level`, and the fields of the event.
pub struct JsonLines(pub Arc<CurrentSecrets>);

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let secrets = self.0.get();
        let inner = OneLine(DefaultVisitor::new(writer, true));
        let mut masked = Masked { inner, secrets: &secrets, text: String::new() };
        fields.record(&mut masked);
        masked.inner.0.finish()
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", event.metadata().level())?;
        let inner = JsonFields { writer: writer.by_ref(), result: Ok(()) };
        let secrets = self.0.get();
        let mut masked = Masked { inner, secrets: &secrets, text: String::new() };
        event.record(&mut masked);
        masked.inner.result?;
        writer.write_str("}\n")
    }
}

/// Hands fields on without what must not be seen.
struct Masked<'a, V> {
    inner: V,
    secrets: &'a Secrets,
    text: String,
}

impl<V: Visit> Visit for Masked<'_, V> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.inner.record_str(field, &shown(self.secrets, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text.clear();
        // writing into a String cannot fail, and a value that cannot be shown is left out
        let _ = write!(self.text, "{value:?}");
        self.inner.record_debug(field, &format_args!("{}", shown(self.secrets, &self.text)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.inner.record_f64(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.inner.record_i64(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.inner.record_u64(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.inner.record_i128(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.inner.record_u128(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.inner.record_bool(field, value);
    }
}

fn shown<'a>(secrets: &Secrets, text: &'a str) -> Cow<'a, str> {
    match secrets.hide(text) {
        Cow::Borrowed(text) => mask::text(text),
        Cow::Owned(text) => Cow::Owned(mask::text(&text).into_owned()),
    }
}

/// Keeps what is not in quotes on the line that it belongs to: a name or a sender's text must not look like lines of the log, nor
/// move a terminal's cursor. Texts in quotes are escaped already.
struct OneLine<'a>(DefaultVisitor<'a>);

impl Visit for OneLine<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.0.record_str(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        if text.contains(char::is_control) {
            let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
            let text: String = text.chars().map(escaped).collect();
            self.0.record_debug(field, &format_args!("{text}"));
        } else {
            self.0.record_debug(field, &format_args!("{text}"));
        }
    }
}

/// Writes fields into a JSON object that has some already.
struct JsonFields<'a> {
    writer: Writer<'a>,
    result: fmt::Result,
}

impl JsonFields<'_> {
    fn put(&mut self, field: &Field, value: impl fmt::Display) {
        if self.result.is_ok() {
            self.result = write!(self.writer, ",\"{}\":{value}", field.name());
        }
    }

    fn put_text(&mut self, field: &Field, text: &str) {
        // a text can always be written as JSON
        self.put(field, serde_json::to_string(text).as_deref().unwrap_or("null"));
    }
}

impl Visit for JsonFields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put_text(field, &format!("{value:?}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity
        self.put(field, serde_json::Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{Layer, fmt};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What the log says of a line with everything in it.
    fn logged(layer: impl FnOnce(Lines) -> Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>) -> String {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::registry().with(layer(lines.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", id = "call-9812345670");
            let _entered = span.enter();
            let error = io::Error::other("no answer from pooja@example.com");
            tracing::info!(
                send = 9_812_345_670_u64, event = "lead 98123-45670", to = ?"+919812345670", reason = %"key s3cret%2Dfor-tests",
                error = &error as &dyn std::error::Error, share = 0.5, odd = f64::NAN, last = true, none = None::<&str>,
                "\"{}\" was received", "+91 98123 45670"
            );
        });
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    fn secrets() -> Arc<CurrentSecrets> {
        let current = CurrentSecrets::default();
        current.add(&Secrets::new(["s3cret-for-tests"]));
        Arc::new(current)
    }

    #[test]
    fn json_lines_are_masked_and_readable() {
        let line = logged(|lines| {
            let layer = fmt::layer().event_format(JsonLines(secrets())).fmt_fields(Fields(secrets()));
            layer.with_writer(lines).boxed()
        });
        let mut json: serde_json::Value = serde_json::from_str(&line).unwrap();
        let at = json.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(at.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{at}");
        assert_eq!(
            json,
            serde_json::json!({
                "level": "INFO", "message": "\"+91 ***** ***70\" was received", "send": 9_812_345_670_u64,
                "event": "lead 98***-***70", "to": "\"+91********70\"", "reason": "key (secret)",
                "error": "no answer from ***@example.com", "share": 0.5, "odd": null, "last": true,
            })
        );
    }

    #[test]
    fn lines_for_people_are_masked_and_readable() {
        let line = logged(|lines| {
            let layer = fmt::layer().with_target(false).without_time().with_ansi(false);
            layer.fmt_fields(Fields(secrets())).with_writer(lines).boxed()
        });
        assert_eq!(
            line,
            " INFO request{id=\"call-98******70\"}: \"+91 ***** ***70\" was received send=9812345670 event=\"lead 98***-***70\" \
             to=\"+91********70\" reason=key (secret) error=no answer from ***@example.com share=0.5 odd=NaN last=true\n"
        );
    }

    #[test]
    fn what_a_name_or_a_text_holds_stays_on_its_line() {
        let evil = "a\n INFO all is well\r\u{1b}[2J\"\\";
        let logged = |layer: &dyn Fn(Lines) -> Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>| {
            let lines = Lines::default();
            let subscriber = tracing_subscriber::registry().with(layer(lines.clone()));
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(route = evil, file = ?evil, reason = %evil, "`{evil}` is not a name");
            });
            String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
        };
        let people =
            logged(&|lines| fmt::layer().with_ansi(false).fmt_fields(Fields(secrets())).with_writer(lines).boxed());
        let json = logged(&|lines| {
            let layer = fmt::layer().event_format(JsonLines(secrets())).fmt_fields(Fields(secrets()));
            layer.with_writer(lines).boxed()
        });
        for lines in [&people, &json] {
            let line = lines.strip_suffix('\n').unwrap();
            assert!(!line.contains(char::is_control), "{line:?}");
        }
        assert_eq!(people.matches(r"a\n INFO all is well\r\u{1b}[2J").count(), 4, "{people}");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["route"], &json["reason"]), (&evil.into(), &evil.into()));
    }
}
