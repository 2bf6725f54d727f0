//! From a rule as written to one that can be applied; every fault at its place.

use serde::Serialize;
use serde_json::Value as Json;

use super::destination::Destination;
use super::expression::Expression;
use super::lint::{Broken, CONTACT};
use super::rule::{LocationRule, Params, Rule, Tree, linked};
use super::send_options::SendOptionRules;
use super::template::Template;
use super::version::version_of;
use super::{media, text};
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Node;
use crate::config::one_or_many::OneOrMany;
use crate::config::route::RuleSpec;
use crate::phone::Country;
use crate::serri::shape::{self, Misshapen};

/// What to do about an address that leads nowhere, or where it must not.
const PUBLIC: &str = "Serri's servers fetch the file: it needs a public address";

/// Where a rule stands in its file, for faults.
#[derive(Debug, Clone, Copy)]
pub struct RulePlace<'a> {
    /// The whole file.
    pub file: &'a Node,
    /// The rule's position in `sends`.
    pub index: usize,
    /// The account's country.
    pub country: Option<Country>,
}

/// The fields of a rule compile one by one; all faults are kept.
pub struct Compiler<'a> {
    pub place: RulePlace<'a>,
    pub diagnostics: Vec<Diagnostic>,
}

impl Compiler<'_> {
    fn diagnostic(&mut self, path: &[&str], broken: Broken, source: &str) {
        let index = self.place.index.to_string();
        let path: Vec<&str> = ["sends", &index].into_iter().chain(path.iter().copied()).collect();
        let place = self.place.file.place_of(&path);
        // inside quotes or a block the template does not begin where its value does
        let lead = place.text().find(source).unwrap_or(0);
        let place = match broken.range {
            Some(range) => place.part(lead + range.start..lead + range.end),
            None => place.clone(),
        };
        let diagnostic = Diagnostic::at(&place, broken.message);
        self.diagnostics.push(match broken.hint {
            Some(hint) => diagnostic.hint(hint),
            None => diagnostic,
        });
    }

    /// A fault that is none of a template's.
    pub fn complain(&mut self, path: &[&str], message: &str, hint: &str) {
        let index = self.place.index.to_string();
        let path: Vec<&str> = ["sends", &index].into_iter().chain(path.iter().copied()).collect();
        self.diagnostics.push(Diagnostic::at(self.place.file.place_of(&path), message).hint(hint));
    }

    pub fn template(&mut self, path: &[&str], source: &str) -> Template {
        match Template::compile(source) {
            Ok(template) => template,
            Err(broken) => {
                self.diagnostic(path, broken, source);
                Template::Fixed(String::new())
            }
        }
    }

    pub fn optional(&mut self, path: &[&str], source: Option<&String>) -> Option<Template> {
        source.map(|source| self.template(path, source))
    }

    fn expression(&mut self, path: &[&str], source: Option<&String>) -> Option<Expression> {
        let source = source?;
        Expression::compile(source).map_err(|broken| self.diagnostic(path, broken, source)).ok()
    }

    pub fn condition(&mut self, path: &[&str], source: Option<&String>) -> Option<Expression> {
        let source = source?;
        Expression::condition(source).map_err(|broken| self.diagnostic(path, broken, source)).ok()
    }

    fn list(&mut self, key: &str, sources: &[String]) -> Vec<Template> {
        sources.iter().enumerate().map(|(index, source)| self.template(&[key, &index.to_string()], source)).collect()
    }

    fn map<'m>(
        &mut self,
        key: &str,
        sources: impl IntoIterator<Item = (&'m String, &'m String)>,
    ) -> Vec<(String, Template)> {
        sources.into_iter().map(|(name, source)| (name.clone(), self.template(&[key, name], source))).collect()
    }

    fn tree(&mut self, path: &[&str], json: &Json) -> Tree {
        match json {
            Json::String(source) => {
                let template = self.template(path, source);
                let name = path.iter().rev().find(|step| step.parse::<usize>().is_err()).unwrap_or(&"");
                if let Template::Fixed(text) = &template
                    && let Err(error) = linked(name, text.clone())
                {
                    self.complain(path, &error.to_string(), PUBLIC);
                }
                Tree::Text(template)
            }
            Json::Array(items) => Tree::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.tree(&[path, &[&index.to_string()]].concat(), item))
                    .collect(),
            ),
            Json::Object(map) => Tree::Map(
                map.iter()
                    .map(|(key, item)| (key.clone(), self.tree(&[path, &[key.as_str()]].concat(), item)))
                    .collect(),
            ),
            leaf => Tree::Leaf(leaf.clone()),
        }
    }

    /// Whether a part of the payload is what the API takes, as far as its text tells.
    fn shape(&mut self, key: &str, written: Option<&impl Serialize>) {
        let Some(Ok(mut value)) = written.map(serde_json::to_value) else { return };
        if let Json::Object(map) = &mut value {
            map.retain(|_, value| !value.is_null());
        }
        for Misshapen { path, message, hint } in shape::check(key, &value) {
            let path: Vec<&str> = std::iter::once(key).chain(path.iter().map(String::as_str)).collect();
            self.complain(&path, &message, &hint);
        }
    }

    /// A number that the rule itself says.
    pub fn destination(&mut self, spec: &RuleSpec, country: Option<&String>) -> Destination {
        let faults = self.diagnostics.len();
        let destination = Destination {
            number: self.template(&["destination"], &spec.destination),
            country: self.optional(&["default_country"], spec.default_country.as_ref().or(country)),
        };
        if let Some(error) = destination.wrong_number(self.place.country).filter(|_| self.diagnostics.len() == faults) {
            let written = spec.destination.trim();
            let hint = if CONTACT.contains(&written) {
                format!("write \"{{{{ contact.{written} }}}}\"")
            } else {
                "write the event's number, as \"{{ contact.phone }}\", or a whole number, as +919812345670".to_owned()
            };
            self.complain(&["destination"], &format!("every send would go to `{written}`: {error}"), &hint);
        }
        destination
    }

    fn media(&mut self, spec: &RuleSpec) -> Option<(Template, Option<Template>)> {
        let media = spec.media.as_ref()?;
        let faults = self.diagnostics.len();
        let compiled = (
            self.template(&["media", "url"], &media.url),
            self.optional(&["media", "filename"], media.filename.as_ref()),
        );
        if self.diagnostics.len() == faults {
            self.shape("media", Some(media));
        }
        Some(compiled)
    }

    fn location(&mut self, spec: &RuleSpec) -> Option<LocationRule> {
        let location = spec.location.as_ref()?;
        let faults = self.diagnostics.len();
        let compiled = LocationRule {
            latitude: self.template(&["location", "latitude"], &location.latitude),
            longitude: self.template(&["location", "longitude"], &location.longitude),
            name: self.optional(&["location", "name"], location.name.as_ref()),
            address: self.optional(&["location", "address"], location.address.as_ref()),
        };
        if self.diagnostics.len() == faults {
            self.shape("location", Some(location));
        }
        Some(compiled)
    }

    fn trees(&mut self, key: &str, items: Option<&Vec<Json>>) -> Vec<Tree> {
        self.shape(key, items);
        items
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(index, item)| self.tree(&[key, &index.to_string()], item))
            .collect()
    }
}

impl Rule {
    /// Compiles a rule. `country` is the route's, `account` the one its sends go through, `option_rules` their options.
    ///
    /// # Errors
    ///
    /// Every fault, each at its place.
    pub fn compile(
        spec: &RuleSpec,
        place: RulePlace<'_>,
        account: &str,
        country: Option<&String>,
        option_rules: SendOptionRules,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut c = Compiler { place, diagnostics: Vec::new() };
        let mut needed = |key: &str, text: &Option<String>| {
            if text.is_none() {
                c.complain(&[], &format!("field `{key}` is missing"), "Serri refuses a send without it");
            }
            text.clone().unwrap_or_default()
        };
        let (campaign, user_name) = (needed("campaignName", &spec.campaign_name), needed("userName", &spec.user_name));
        let version = version_of(&(spec, country, option_rules.written));
        let rule = Self {
            name: spec.name.clone(),
            account: account.to_owned(),
            when: c.condition(&["when"], spec.when.as_ref()),
            for_each: c.expression(&["for_each"], spec.for_each.as_ref()),
            campaign: c.template(&["campaignName"], &campaign),
            destination: c.destination(spec, country),
            user_name: c.template(&["userName"], &user_name),
            source: c.optional(&["source"], spec.source.as_ref()),
            media: c.media(spec),
            location: c.location(spec),
            params: spec.template_params.as_ref().map(|params| match params {
                OneOrMany::Many(each) => Params::Each(c.list("templateParams", each)),
                OneOrMany::One(list) => Params::List(c.template(&["templateParams"], list)),
            }),
            tags: c.list("tags", spec.tags.as_deref().unwrap_or_default()),
            attributes: c.map("attributes", spec.attributes.iter().flatten()),
            fallbacks: c.map("paramsFallbackValue", spec.params_fallback_value.iter().flatten()),
            buttons: c.trees("buttons", spec.buttons.as_ref()),
            cards: c.trees("carouselCards", spec.carousel_cards.as_ref()),
            option_rules,
            version,
        };
        let mut diagnostics = c.diagnostics;
        rule.check_fixed(place, &mut diagnostics);
        if diagnostics.is_empty() { Ok(rule) } else { Err(diagnostics) }
    }

    /// What can be known to be wrong before any event comes.
    fn check_fixed(&self, place: RulePlace<'_>, diagnostics: &mut Vec<Diagnostic>) {
        let index = place.index.to_string();
        let at = |path: &[&str]| {
            place.file.place_of(&["sends", &index].into_iter().chain(path.iter().copied()).collect::<Vec<_>>()).clone()
        };
        for (key, template) in
            [("campaignName", &self.campaign), ("destination", &self.destination.number), ("userName", &self.user_name)]
        {
            if matches!(template, Template::Fixed(text) if text::is_blank(text)) && diagnostics.is_empty() {
                diagnostics.push(
                    Diagnostic::at(&at(&[key]), format!("`{key}` is empty")).hint("Serri refuses a send without it"),
                );
            }
        }
        if let Some(Template::Fixed(country)) = &self.destination.country
            && !country.trim().is_empty()
            && let Err(error) = country.parse::<Country>()
        {
            let rule = place.file.get("sends").and_then(|sends| sends.entry(place.index));
            let own = rule.is_some_and(|rule| rule.get("default_country").is_some());
            let written =
                if own { at(&["default_country"]) } else { place.file.place_of(&["default_country"]).clone() };
            diagnostics.push(Diagnostic::at(&written, error.to_string()).hint("two letters, ISO 3166-1: IN, US, AE"));
        }
        if let Some((Template::Fixed(url), _)) = &self.media
            && !text::is_blank(url)
            && let Err(error) = media::public(url)
        {
            diagnostics.push(Diagnostic::at(&at(&["media", "url"]), error.to_string()).hint(PUBLIC));
        }
    }
}
