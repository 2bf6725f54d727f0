//! Calls that `try` and `post` make: from a file, from standard input, or from a source's own sample.

use std::io::Read as _;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::body;
use crate::call::Call;
use crate::config::source::{SampleSpec, SourceProfileSpec};
use crate::config::{File, Written, route::RouteFile};
use crate::route::example::call_of;
use crate::route::{Route, check::Checked, profile_spec_of};

/// What both commands take.
#[derive(Debug, Args)]
pub struct Input {
    /// The route.
    pub route: String,
    /// A file with a body, `-` for standard input, or the name of one of the source's samples; the first that has a number if left out.
    pub file: Option<String>,
    /// One of the source's samples, by name.
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub sample: Option<String>,
    /// A header, as `X-Shopify-Topic: orders/create`. Repeat it for more.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// A query parameter, as `source=web`. Repeat it for more.
    #[arg(long = "query", value_name = "NAME=VALUE")]
    pub query: Vec<String>,
}

impl Input {
    /// The route.
    pub fn route<'a>(&self, checked: &'a Checked) -> anyhow::Result<&'a Route> {
        checked.routes.get(&self.route).map(AsRef::as_ref).with_context(|| {
            let known: Vec<&str> = checked.routes.keys().map(String::as_str).collect();
            format!("there is no route `{}`; there are: {}", self.route, known.join(", "))
        })
    }

    /// The route and the call, unsigned; with what its lookups are answered, where a sample says so.
    pub fn call<'a>(&self, checked: &'a Checked) -> anyhow::Result<(&'a Route, Call, Option<serde_json::Value>)> {
        let route = self.route(checked)?;
        let file =
            checked.written.routes.get(&self.route).with_context(|| format!("route `{}` has no file", self.route))?;
        let profile_spec = profile_spec_of(&file.value, &checked.written).unwrap_or_default();
        let (sample, bytes) = self.sample(file, &checked.written)?;
        let mut call = call_of(&sample, &manner_for(&sample, profile_spec));
        if let Some(bytes) = bytes {
            call.body = bytes.into();
        }
        Ok((route, call, sample.lookup))
    }

    /// What is sent, and its body's bytes where they are those of a file.
    fn sample(&self, file: &File<RouteFile>, written: &Written) -> anyhow::Result<(SampleSpec, Option<Vec<u8>>)> {
        let source = written.sources.get(&file.value.source).map(|source| &source.value);
        let samples = source.map(|source| &source.samples);
        let known = || samples.map(|s| s.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default();
        if let Some(name) = self.sample.as_ref().filter(|name| samples.is_none_or(|all| !all.contains_key(*name))) {
            let known = if known().is_empty() { "it has none".to_owned() } else { format!("there are: {}", known()) };
            bail!("the source `{}` has no sample `{name}`; {known}", file.value.source);
        }
        let first = || source.and_then(|source| source.usual_sample().or_else(|| source.samples.keys().next()));
        let Some(name) = self.sample.as_ref().or(self.file.as_ref()).or_else(first) else {
            bail!("the source `{}` has no samples; name a file with a body, or `-`", file.value.source);
        };
        let (mut sample, bytes) = match samples.and_then(|samples| samples.get(name)) {
            Some(sample) if self.sample.is_some() || !std::path::Path::new(name).exists() => (sample.clone(), None),
            _ => {
                let bytes = read(name, &known())?;
                // the text tells which content type is meant
                let text = body::text(None, &bytes).unwrap_or_else(|| String::from_utf8_lossy(&bytes));
                let body = serde_json::Value::from(text.into_owned());
                (SampleSpec { body, ..SampleSpec::default() }, Some(bytes))
            }
        };
        for header in &self.headers {
            let (name, value) =
                header.split_once(':').with_context(|| format!("`{header}` is not a header; write NAME: VALUE"))?;
            sample.headers.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        for pair in &self.query {
            let (name, value) =
                pair.split_once('=').with_context(|| format!("`{pair}` is not a parameter; write NAME=VALUE"))?;
            sample.query.insert(name.to_owned(), value.to_owned());
        }
        Ok((sample, bytes))
    }
}

fn read(name: &str, samples: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if name == "-" {
        std::io::stdin().read_to_end(&mut bytes).context("standard input")?;
        return Ok(bytes);
    }
    std::fs::read(name).with_context(|| {
        format!("cannot read `{name}`; a file is wanted, `-`, or one of the source's samples: {samples}")
    })
}

/// A given content type decides how a text is taken.
fn manner_for(sample: &SampleSpec, profile_spec: SourceProfileSpec) -> SourceProfileSpec {
    let typed = sample.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
    if typed { SourceProfileSpec { body: profile_spec.body.or(None), ..profile_spec } } else { profile_spec }
}
