//! `serri-relay sources`: what is known of each kind of sender. `docs/sources/` holds the same pages.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::{Ended, Setting, say, show, source_diff};
use crate::authenticate::escaped;
use crate::config::auth::{AuthForm, AuthKeyword, AuthSpec};
use crate::config::dates::DatesSpec;
use crate::config::diagnostic::did_you_mean;
use crate::config::enrich::EnrichSpec;
use crate::config::handshake::{HandshakeForm, HandshakeSpec};
use crate::config::one_or_many::OneOrMany;
use crate::config::source::{Confidence, Group, OverloadSpec, RetryAfterUnit, SampleSpec, SourceFile};
use crate::config::{self, Extent, File};

/// The arguments of `sources`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// One source, in full.
    name: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how a file in `sources/` differs from the shipped source that it replaces. Exit codes: 0 the same, 1 different, 2 an error.
    Diff(source_diff::Arguments),
}

/// Runs it.
pub fn run(arguments: &Arguments, setting: &Setting) -> Ended {
    if let Some(Command::Diff(arguments)) = &arguments.command {
        return source_diff::run(arguments, setting);
    }
    let (written, faults) = config::read(&setting.dir, &setting.variables, Extent::All);
    let Some(written) = written else {
        show(&faults, &setting.variables);
        return Ok(ExitCode::FAILURE);
    };
    let Some(name) = &arguments.name else {
        say(list(written.sources.values()).trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    let Some(source) = written.sources.get(name) else {
        let known = || written.sources.keys().map(String::as_str);
        let hint = did_you_mean(name, known()).map_or_else(
            || format!("there are: {}", known().collect::<Vec<_>>().join(", ")),
            |meant| format!("did you mean `{meant}`?"),
        );
        bail!("there is no source `{name}`; {hint}");
    };
    let base = written.relay.value.server.public_url();
    say(page(&source.name, &source.value, base).trim_end());
    Ok(ExitCode::SUCCESS)
}

/// The sources by group, a line each.
fn list<'a>(sources: impl Iterator<Item = &'a File<SourceFile>> + Clone) -> String {
    let mut groups: Vec<Option<Group>> = sources.clone().map(|source| source.value.group).collect();
    groups.sort_by_key(|group| (group.is_none(), *group));
    groups.dedup();
    let mut text = String::new();
    for group in groups {
        let _ = writeln!(text, "{}", group.map_or("Your own", Group::title));
        for source in sources.clone().filter(|source| source.value.group == group) {
            let first = source.value.profile_spec.auth.as_ref().and_then(|auth| auth.as_slice().first());
            let proof = first.map_or_else(|| "as the route says".to_owned(), way);
            let found = source.value.profile_spec.contact.as_ref().is_some_and(|contact| contact.phone.is_some());
            let phone = match (found, &source.value.profile_spec.enrich) {
                (_, Some(_)) => "  (no phone in every event: the relay can read it)",
                (true, None) => "",
                (false, None) => "  (carries no phone)",
            };
            let _ = writeln!(text, "  {:<21} {:<28} {proof}{phone}", source.name, source.value.title);
        }
        text.push('\n');
    }
    text
}

/// All that is known of a source, as Markdown. `base` is `server.public_url`.
pub fn page(name: &str, source: &SourceFile, base: Option<&str>) -> String {
    let url = format!("{}/webhooks/<route>", host(base));
    let mut text = format!("# {} (`{name}`)\n", source.title);
    if let Some(about) = &source.about {
        let _ = write!(text, "\n{}\n", about.trim());
    }
    if !source.setup.is_empty() {
        text.push_str("\n## At the sender\n\n");
        for (index, step) in source.setup.iter().enumerate() {
            let _ = writeln!(text, "{}. {}", index + 1, with_url(step, &url));
        }
    }
    if let Some(script) = &source.script {
        let _ = write!(text, "\n```js\n{}\n```\n", script.trim());
    }
    if let Some(why) = &source.no_phone {
        let _ = write!(text, "\n## Events without a phone\n\n{}\n", why.trim());
    }
    let _ = write!(text, "\n## What the relay knows\n\n{}", facts(source, &address(base, "<route>", source, SECRET)));
    for (sample_name, sample) in in_order(source) {
        let title = sample.title.as_ref().map(|title| format!(": {title}")).unwrap_or_default();
        let _ = write!(text, "\n## Sample `{sample_name}`{title}\n\n{}", shown(sample));
    }
    text.push_str("\n## A route\n");
    if let Some(starter) = &source.starter {
        let _ = write!(text, "\n```yaml\n{}sends:\n{}```\n", head(name, source), indented(starter));
    }
    let _ = write!(text, "\n`serri-relay new my-route --source {name}` writes one, with a secret and an example.\n");
    text
}

/// A starter below `sends:`.
pub fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}

fn host(base: Option<&str>) -> &str {
    base.filter(|base| !base.trim().is_empty()).unwrap_or("https://<your relay>").trim_end_matches('/')
}

/// The URL that the sender is given, with the route's secret in it, escaped, where the source's scheme has it there.
pub fn address(base: Option<&str>, route: &str, source: &SourceFile, secret: &str) -> String {
    let first = source.profile_spec.auth.as_ref().and_then(|auth| auth.as_slice().first());
    let secret = match first {
        Some(AuthSpec::Keyword(AuthKeyword::Path)) => format!("/{}", escaped(secret)),
        Some(AuthSpec::Form(AuthForm::Query(query))) => format!("?{}={}", query.name, escaped(secret)),
        _ => String::new(),
    };
    format!("{}/webhooks/{route}{secret}", host(base))
}

/// What stands for the secret where there is no route.
const SECRET: &str = "SECRET";

/// A step with the URL in it, and whatever is written on at its end, as code.
fn with_url(step: &str, url: &str) -> String {
    let Some((before, after)) = step.split_once("{url}") else { return step.to_owned() };
    let end = after.find(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ')' | '"')).unwrap_or(after.len());
    let (on, rest) = after.split_at_checked(end).unwrap_or((after, ""));
    format!("{before}`{url}{on}`{}", with_url(rest, url))
}

/// The samples, the usual one first.
fn in_order(source: &SourceFile) -> Vec<(&String, &SampleSpec)> {
    let usual = source.usual_sample();
    let mut samples: Vec<_> = source.samples.iter().collect();
    samples.sort_by_key(|(name, _)| Some(*name) != usual);
    samples
}

/// What stands above the rules of a route.
fn head(name: &str, source: &SourceFile) -> String {
    let mut text = format!("source: {name}\n");
    if source.profile_spec.auth.is_none() {
        text.push_str("auth: bearer   # or another way: docs/ROUTES.md\n");
    }
    if !source.profile_spec.auth.iter().flat_map(OneOrMany::as_slice).any(AuthSpec::brings_its_key) {
        text.push_str("secret: ${MY_SECRET}\n");
    }
    if source.profile_spec.handshake.as_ref().is_some_and(HandshakeSpec::wants_a_token) {
        text.push_str("verify_token: ${MY_VERIFY_TOKEN}\n");
    }
    for key in source.profile_spec.enrich.iter().flat_map(|enrich| enrich.needs.keys()) {
        let _ = writeln!(text, "enrich: {{ {key}: \"${{MY_READ_{}}}\" }}", key.to_uppercase());
    }
    text
}

fn facts(source: &SourceFile, url: &str) -> String {
    let profile_spec = &source.profile_spec;
    let event = profile_spec.event.clone().unwrap_or_default();
    let code = |text: &str| format!("`{}`", text.replace('|', "\\|"));
    let escapes =
        if url.ends_with(SECRET) { "; in `SECRET`, `+` is written `%2B`, `/` `%2F`, `=` `%3D`, `%` `%25`" } else { "" };
    let mut lines = vec![("URL", format!("{}{escapes}", code(url))), ("Proof", proof(source))];
    lines.push(("Body", format!("{:?}", profile_spec.body.unwrap_or_default()).to_lowercase()));
    if let Some(each) = &event.each {
        lines.push(("Events of a call", format!("each entry of {}", code(each))));
    }
    let none = "none: equal bodies within ten minutes count as one event";
    lines.push(("Event id", event.id.as_deref().map_or_else(|| none.to_owned(), code)));
    lines.push(("Event type", event.kind.as_deref().map_or_else(|| "none".to_owned(), code)));
    let contact = profile_spec.contact.clone().unwrap_or_default();
    for (title, places) in [
        ("Phone", &contact.phone),
        ("Name", &contact.name),
        ("First name", &contact.first_name),
        ("Last name", &contact.last_name),
        ("E-mail", &contact.email),
        ("Country", &contact.country),
        ("Calling code", &contact.calling_code),
        ("State", &contact.state),
    ] {
        if let Some(places) = places {
            lines.push((title, places.as_slice().iter().map(|place| code(place)).collect::<Vec<_>>().join(", ")));
        }
    }
    if let Some(forms) = &contact.fields {
        let forms = forms.as_slice().iter().map(|form| code(form)).collect::<Vec<_>>().join(", ");
        lines.push(("Else by name", format!("the usual names of such fields, in {forms}")));
    }
    let dates = profile_spec.dates.as_ref().map(DatesSpec::details).unwrap_or_default();
    if let Some(zone) = &dates.zone {
        lines.push(("Dates without zone", format!("are of {}", code(zone))));
    }
    if let Some(order) = dates.order {
        lines.push(("Dates in digits", code(&format!("{order:?}").to_lowercase())));
    }
    if let Some(test) = &profile_spec.test {
        lines.push(("Tests of its own", format!("{}: kept, and nothing is sent", code(test.trim()))));
    }
    if let Some(enrich) = &profile_spec.enrich {
        lines.push(("Read call", read_call(enrich)));
        lines.extend(
            enrich
                .needs
                .iter()
                .map(|(key, what)| (if key == "base" { "It needs `base`" } else { "It needs `token`" }, what.clone())),
        );
    }
    let answer = profile_spec.answer.clone().unwrap_or_default();
    let body = answer.body.as_deref().map_or_else(|| "a report as JSON".to_owned(), |body| code(body.trim()));
    lines.push(("Answer", format!("{}, {body}; overloaded: {}", answer.status.unwrap_or(200), overload(source))));
    if let Some(HandshakeSpec::Several(forms)) = &profile_spec.handshake {
        lines.push(("Handshake", forms.iter().map(handshake).collect::<Vec<_>>().join("; ")));
    }
    if let Some(redacted) = &profile_spec.redact {
        lines.push(("Never kept", redacted.iter().map(|path| code(path)).collect::<Vec<_>>().join(", ")));
    }
    if let Some(facts) = &source.facts {
        lines.push(("Repeats", facts.retries.clone().unwrap_or_else(|| "not known".into())));
        let sure = match facts.confidence {
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
        };
        lines.push(("Confidence", format!("{sure}; from {}", facts.from.join("; "))));
    }
    lines.iter().fold("| | |\n|---|---|\n".to_owned(), |rows, (title, value)| format!("{rows}| {title} | {value} |\n"))
}

fn read_call(spec: &EnrichSpec) -> String {
    let method = spec.method.map_or(http::Method::GET, crate::config::method::Method::http);
    // one that stands for a token is not shown
    let base = spec.base.as_deref().filter(|_| spec.wants_token()).unwrap_or("<base>").trim_end_matches('/');
    let path = spec.path.as_deref().unwrap_or("").replace('|', "\\|");
    let rate = spec.rate.map(|rate| format!(", at most {rate}")).unwrap_or_default();
    let into = spec.into.as_deref().unwrap_or("");
    let pairs = spec.query.iter().flatten().map(|(name, value)| format!("{name}={value}"));
    let query = pairs.collect::<Vec<_>>().join("&").replace('|', "\\|");
    let query = if query.is_empty() { query } else { format!("?{query}") };
    let when = spec.when.as_deref().map(|when| format!(" where `{}`", when.replace('|', "\\|"))).unwrap_or_default();
    format!("`{method} {base}/{path}{query}`{rate}{when}; its answer becomes `event.{into}`")
}

fn overload(source: &SourceFile) -> String {
    match source.profile_spec.overload.map_or((503, RetryAfterUnit::S), OverloadSpec::parts) {
        (status, RetryAfterUnit::S) => status.to_string(),
        (status, RetryAfterUnit::Ms) => format!("{status}, Retry-After in milliseconds"),
    }
}

fn shown(sample: &SampleSpec) -> String {
    let mut head = sample.method.map(|method| format!("{}\n", method.http())).unwrap_or_default();
    for (name, value) in &sample.query {
        let _ = writeln!(head, "?{name}={value}");
    }
    for (name, value) in &sample.headers {
        let _ = writeln!(head, "{name}: {}", value.replace("{{ uuid }}", "<a new UUID>"));
    }
    let answer = sample.lookup.as_ref().map(|answer| {
        format!(
            "\nWhat the read call answers:\n\n```json\n{}\n```\n",
            serde_json::to_string_pretty(answer).unwrap_or_default()
        )
    });
    let answer = answer.unwrap_or_default();
    let (language, body) = match &sample.body {
        serde_json::Value::Null => ("http", String::new()),
        serde_json::Value::String(text) => ("http", format!("{}\n", text.trim_end().replace('\r', ""))),
        json => ("json", format!("{}\n", serde_json::to_string_pretty(json).unwrap_or_default())),
    };
    if head.is_empty() || language == "http" {
        let gap = if head.is_empty() || body.is_empty() { "" } else { "\n" };
        return format!("```{language}\n{head}{gap}{body}```\n{answer}");
    }
    format!("```http\n{head}```\n\n```{language}\n{body}```\n{answer}")
}

fn handshake(form: &HandshakeForm) -> String {
    match form {
        HandshakeForm::Ping(ping) => format!("an unsigned {} is answered", ping.method.http()),
        HandshakeForm::Challenge(challenge) => match (&challenge.token, &challenge.signed) {
            (_, Some(_)) => format!("`{}` of a GET is given back, signed", challenge.query),
            (Some(token), None) => {
                format!("`{}` of a GET is given back where `{token}` is the route's verify_token", challenge.query)
            }
            (None, None) => format!("`{}` of a GET is given back", challenge.query),
        },
        HandshakeForm::Echo(echo) => {
            let (kind, name) =
                echo.header.as_ref().map_or(("field", echo.field.as_ref()), |header| ("header", Some(header)));
            format!("the {kind} `{}` is given back", name.map_or("", String::as_str))
        }
        HandshakeForm::Ignore(test) => format!("nothing comes of events with `{}`", test.replace('|', "\\|")),
    }
}

/// How a source proves itself, in some words.
fn proof(source: &SourceFile) -> String {
    let Some(auth) = &source.profile_spec.auth else {
        return "no default: the route says (auth: bearer, header, query, path, hmac ...)".into();
    };
    auth.as_slice().iter().map(way).collect::<Vec<_>>().join(", or ")
}

/// A way of proving in some words.
pub fn way(spec: &AuthSpec) -> String {
    let header = |names: &OneOrMany<String>| names.as_slice().first().cloned().unwrap_or_default();
    match spec {
        AuthSpec::Keyword(AuthKeyword::None) => "nothing".into(),
        AuthSpec::Keyword(AuthKeyword::StandardWebhooks) => "signature in webhook-signature (Standard Webhooks)".into(),
        AuthSpec::Keyword(AuthKeyword::Bearer) | AuthSpec::Form(AuthForm::Bearer(_)) => "secret as bearer token".into(),
        AuthSpec::Keyword(AuthKeyword::Path) => "secret as the last step of the address".into(),
        AuthSpec::Form(AuthForm::Basic(basic)) => format!("HTTP Basic, user {}", basic.user),
        AuthSpec::Form(AuthForm::Header(header)) => format!("secret in header {}", header.name),
        AuthSpec::Form(AuthForm::Query(query)) => format!("secret in the address: ?{}=...", query.name),
        AuthSpec::Form(AuthForm::Field(field)) => format!("secret in the body's field {}", field.path),
        AuthSpec::Form(AuthForm::Jwt(jwt)) => format!("JSON Web Token in {}", jwt.header),
        AuthSpec::Form(AuthForm::Hmac(spec)) => format!("HMAC signature in {}", header(&spec.header)),
        AuthSpec::Form(AuthForm::Hash(spec)) => format!("hash in {}", header(&spec.header)),
        AuthSpec::Form(AuthForm::Ed25519(spec)) => format!("Ed25519 signature in {}", header(&spec.header)),
    }
}
