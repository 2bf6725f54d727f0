//! From options as written to what can be worked out; every fault where it was written: in the rule, the route or the
//! account.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::expression::Expression;
use super::lint::Broken;
use super::send_options::SendOptionRules;
use super::template::Template;
use super::version::version_of;
use crate::config::diagnostic::{Diagnostic, Place};
use crate::config::document::Node;
use crate::config::one_or_many::OneOrMany;
use crate::config::send_options::{CampaignSpec, SendOptionsSpec};
use crate::config::unit::PerSecond;
use crate::event::Cap;
use crate::hours::{Hours, Unreadable};
use crate::moment::Written;
use crate::phone::{self, Country};

/// Where options may stand, the nearest first: a rule (if it is one's), a route, an account.
#[derive(Debug, Clone, Copy)]
pub struct SendOptionPlaces<'a> {
    /// The route's file, if they are a route's or a rule's.
    pub route: Option<&'a Node>,
    /// The rule's position in it.
    pub rule: Option<usize>,
    /// The settings.
    pub relay: &'a Node,
    /// The account's name.
    pub account: &'a str,
    /// Its country.
    pub country: Option<Country>,
}

impl SendOptionPlaces<'_> {
    fn of(&self, key: &str) -> Place {
        let of_route = self.route.and_then(|route| {
            let rule = self.rule.and_then(|index| route.get("sends")?.entry(index));
            rule.and_then(|rule| rule.get(key)).or_else(|| route.get(key))
        });
        if let Some(node) = of_route {
            return node.place.clone();
        }
        self.relay.place_of(&["accounts", self.account, key]).clone()
    }
}

struct Compiler<'a> {
    places: SendOptionPlaces<'a>,
    diagnostics: Vec<Diagnostic>,
}

impl Compiler<'_> {
    fn diagnostic(&mut self, key: &str, message: impl Into<String>, hint: &str) {
        self.diagnostics.push(Diagnostic::at(&self.places.of(key), message).hint(hint));
    }

    fn broken(&mut self, key: &str, broken: Broken, source: &str) {
        let place = self.places.of(key);
        let lead = place.text().find(source).unwrap_or(0);
        let place =
            broken.range.map_or_else(|| place.clone(), |range| place.part(lead + range.start..lead + range.end));
        let diagnostic = Diagnostic::at(&place, broken.message);
        self.diagnostics.push(match broken.hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        });
    }

    fn template(&mut self, key: &str, source: Option<&String>) -> Option<Template> {
        let source = source?;
        Template::compile(source).map_err(|broken| self.broken(key, broken, source)).ok()
    }

    fn parsed<T: FromStr<Err = Unreadable>>(&mut self, key: &str, texts: Option<&OneOrMany<String>>) -> Vec<T> {
        texts.map(OneOrMany::as_slice).unwrap_or_default().iter().filter_map(|text| self.read(key, text)).collect()
    }

    fn read<T: FromStr<Err = Unreadable>>(&mut self, key: &str, text: &str) -> Option<T> {
        text.parse()
            .map_err(|unreadable: Unreadable| self.diagnostic(key, unreadable.to_string(), unreadable.how()))
            .ok()
    }

    /// What does not go together.
    fn check(&mut self, spec: &SendOptionsSpec) {
        if spec.at.is_some() && spec.delay.is_some() {
            self.diagnostic(
                "delay",
                "`delay` and `at` do not go together",
                "keep one: `delay` counts from the event, `at` is a moment",
            );
        }
        if spec.before.is_some() && spec.at.is_none() {
            self.diagnostic("before", "`before` needs `at`", "as at: \"{{ event.start_time }}\"");
        }
        if spec.cancel_on.is_some() && spec.key.is_none() {
            self.diagnostic(
                "cancel_on",
                "`cancel_on` needs a `key`",
                "it says which later events are about the same, as key: \"{{ event.order_id }}\"",
            );
        }
        if spec.even_if_suppressed == Some(true) && spec.reason.as_ref().is_none_or(|reason| reason.trim().is_empty()) {
            self.diagnostic(
                "even_if_suppressed",
                "`even_if_suppressed` needs a `reason`",
                "as reason: one-time codes that the person asked for",
            );
        }
    }
}

impl Compiler<'_> {
    /// What only shows when it is put together.
    fn check_compiled(&mut self, option_rules: &SendOptionRules) {
        let hours =
            Hours { windows: option_rules.windows.clone(), closed: option_rules.closed.clone(), zones: Vec::new() };
        if !option_rules.windows.is_empty() && self.diagnostics.is_empty() && !hours.ever_open() {
            self.diagnostic(
                "closed",
                "with these days closed the hours never open",
                "leave a day on which somebody may be messaged",
            );
        }
        if let Some(Template::Fixed(text)) = &option_rules.at
            && !Written::read(text, None).is_ok_and(|written| written.has_time())
        {
            self.diagnostic(
                "at",
                format!("`{text}` is neither a moment nor a template"),
                &format!("as \"{{{{ {} }}}}\"", text.trim()),
            );
        }
        if let Some((Some(Template::Fixed(text)), _)) = &option_rules.once {
            self.diagnostic(
                "once",
                format!("everybody would be the same person: `{text}`"),
                &format!("as per: \"{{{{ {} }}}}\"", text.trim()),
            );
        }
        if let Some(Template::Fixed(text)) = &option_rules.key {
            self.diagnostic(
                "key",
                format!("every event would be about the same: `{text}`"),
                &format!("a field of the event, as \"{{{{ event.{} }}}}\"", text.trim().trim_start_matches("event.")),
            );
        }
    }
}

impl SendOptionRules {
    /// Compiles options.
    ///
    /// # Errors
    ///
    /// Every fault, each at its place.
    pub fn compile(
        spec: &SendOptionsSpec,
        places: SendOptionPlaces<'_>,
        campaigns: Arc<Vec<CampaignSpec>>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut c = Compiler { places, diagnostics: Vec::new() };
        c.check(spec);
        let cancel_on = spec.cancel_on.as_ref().and_then(|source| match Expression::condition(source) {
            Ok(expression) => Some(Arc::new(expression)),
            Err(broken) => {
                c.broken("cancel_on", broken, source);
                None
            }
        });
        let redirect_to = spec.redirect_to.as_ref().and_then(|number| match phone::normalise(number, places.country) {
            Ok(number) => Some(number),
            Err(error) => {
                c.diagnostic("redirect_to", format!("`{number}`: {error}"), "write it in full, as +919812345670");
                None
            }
        });
        let cap = |PerSecond { count, every }: PerSecond| Cap {
            most: count,
            per_s: every.as_secs(),
            over: spec.over_cap.unwrap_or_default(),
        };
        let option_rules = Self {
            priority: spec.priority.unwrap_or_default(),
            delay: spec.delay.map(|span| span.0),
            key: c.template("key", spec.key.as_ref()),
            cancel_on,
            at: c.template("at", spec.at.as_ref()),
            before: spec.before.map_or(Duration::ZERO, |span| span.0),
            expires: spec.expires.map(|span| span.0),
            windows: c.parsed("hours", spec.hours.as_ref()),
            closed: c.parsed("closed", spec.closed.as_ref()),
            zone: spec
                .timezone
                .as_deref()
                .filter(|zone| *zone != "recipient")
                .and_then(|zone| c.read("timezone", zone)),
            once: spec.once.as_ref().map(|once| (c.template("once", once.per.as_ref()), once.within.0)),
            cap: spec.cap.and_then(|cap| cap.0).map(cap),
            on_uncertain: spec.on_uncertain,
            uncertain_tries: spec.uncertain_tries,
            redirect_to,
            dry_run: spec.dry_run.unwrap_or(false),
            even_if_suppressed: spec.even_if_suppressed.unwrap_or(false),
            written: version_of(spec),
            campaigns,
        };
        c.check_compiled(&option_rules);
        if c.diagnostics.is_empty() { Ok(option_rules) } else { Err(c.diagnostics) }
    }
}
