//! One rule: compiled when the route is loaded, applied to each of its events.

use minijinja::Value;
use minijinja::value::ValueKind;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::destination::{Destination, Dialled};
use super::expression::{EvalError, Expression};
use super::send_options::{SendOptionRules, Subject, Unmet};
use super::template::{Rendered, Template};
use super::version::version_of;
use super::{Allowance, Scope, media, readable, text};
use crate::clock::Timestamp;
use crate::event::{Content, NewSend, Unmapped, UnmappedReason};
use crate::phone::Country;
use crate::serri::payload::{Location, Media, Payload};
use crate::serri::shape;

/// How long a payload may be, in bytes: 64 times what the text of a message may have.
const PAYLOAD_LIMIT: usize = 64 * 1_024;

/// A rule, ready to be applied.
#[derive(Debug)]
pub struct Rule {
    pub(super) name: String,
    pub(super) account: String,
    pub(super) when: Option<Expression>,
    pub(super) for_each: Option<Expression>,
    pub(super) campaign: Template,
    pub(super) destination: Destination,
    pub(super) user_name: Template,
    pub(super) source: Option<Template>,
    pub(super) media: Option<(Template, Option<Template>)>,
    pub(super) location: Option<LocationRule>,
    pub(super) params: Option<Params>,
    pub(super) tags: Vec<Template>,
    pub(super) attributes: Vec<(String, Template)>,
    pub(super) fallbacks: Vec<(String, Template)>,
    pub(super) buttons: Vec<Tree>,
    pub(super) cards: Vec<Tree>,
    pub(super) option_rules: SendOptionRules,
    pub(super) version: i64,
}

/// What a rule is applied with, besides its event.
#[derive(Debug, Clone, Copy)]
pub struct RuleContext {
    /// The country of numbers without country code, where nothing nearer says it.
    pub country: Option<Country>,
    /// When the event came.
    pub received_at: Timestamp,
}

/// Where the values of a campaign's placeholders come from.
#[derive(Debug)]
pub enum Params {
    /// Each from a template of its own.
    Each(Vec<Template>),
    /// All from the list that a template gives.
    List(Template),
}

#[derive(Debug)]
pub struct LocationRule {
    pub(super) latitude: Template,
    pub(super) longitude: Template,
    pub(super) name: Option<Template>,
    pub(super) address: Option<Template>,
}

/// JSON in which every text is a template.
#[derive(Debug)]
pub enum Tree {
    Leaf(Json),
    Text(Template),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Rule {
    /// The rule's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The options of its sends.
    pub fn option_rules(&self) -> &SendOptionRules {
        &self.option_rules
    }

    /// The account its sends go through.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Equal as long as it is written the same.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Counts what stands around the rule and decides what it makes: a change of that is a change of the rule.
    #[must_use]
    pub fn within(mut self, surroundings: &impl Serialize) -> Self {
        self.version = version_of(&(self.version, surroundings));
        self
    }

    /// The campaign's name and how many parameters it gets, as far as they are known before any event comes.
    pub fn fixed_campaign(&self) -> Option<(&str, Option<usize>)> {
        let Template::Fixed(name) = &self.campaign else { return None };
        let count = match &self.params {
            None => Some(0),
            Some(Params::Each(templates)) => Some(templates.len()),
            Some(Params::List(_)) => None,
        };
        Some((name, count))
    }

    /// Applies the rule to an event: nothing if it does not apply, else a send for each person, or the reason why not. One
    /// that would make more than is allowed makes none at all; one that runs out of steps ends with the send that lacks them.
    pub fn apply(&self, scope: &Scope, context: RuleContext, allowance: &mut Allowance) -> Vec<NewSend> {
        let item_send = |item: usize, content: Result<Content, Unmapped>| NewSend {
            rule: self.name.clone(),
            account: self.account.clone(),
            item: u32::try_from(item).unwrap_or(u32::MAX),
            version: self.version,
            content,
        };
        let send = |content| item_send(0, content);
        if let Some(when) = &self.when {
            match when.eval(scope) {
                Ok(value) if value.is_true() => {}
                Ok(_) => return Vec::new(),
                Err(error) => return vec![send(Err(self.unmapped("when", error)))],
            }
        }
        let before = *allowance;
        let too_much = |key: &str| {
            let Allowance { sends, bytes } = before;
            vec![send(Err(self.unmapped(key, UnmappedReason::TooMuch { sends, bytes })))]
        };
        let Some(for_each) = &self.for_each else {
            let only = send(self.content(scope, context));
            return if allowance.take(&only) { vec![only] } else { too_much("sends") };
        };
        let items = match items(for_each, scope, before.sends) {
            Ok(items) => items,
            Err(error) => return vec![send(Err(self.unmapped("for_each", error)))],
        };
        if items.len() > before.sends {
            return too_much("for_each");
        }
        let mut sends = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let send = item_send(index, self.content(&scope.with_item(item), context));
            if !allowance.take(&send) {
                *allowance = before;
                return too_much("for_each");
            }
            // without steps the others would fail alike: one says why
            let is_last = send.content.is_err() && scope.lacked_steps();
            sends.push(send);
            if is_last {
                break;
            }
        }
        sends
    }

    fn unmapped(&self, key: &str, reason: impl Into<UnmappedReason>) -> Unmapped {
        Unmapped { rule: self.name.clone(), key: key.to_owned(), reason: reason.into() }
    }

    fn failed(&self, key: &str, reason: &impl ToString) -> Unmapped {
        self.unmapped(key, UnmappedReason::Failed(reason.to_string()))
    }

    fn content(&self, scope: &Scope, context: RuleContext) -> Result<Content, Unmapped> {
        let campaign_name = self.required("campaignName", &self.campaign, scope)?;
        let dialled = self.destination.of(scope, context.country);
        let Dialled { number, country } = dialled.map_err(|(key, reason)| self.unmapped(key, reason))?;
        let payload = Payload {
            campaign_name,
            destination: number,
            user_name: self.required("userName", &self.user_name, scope)?,
            source: self.optional("source", self.source.as_ref(), scope)?,
            media: self.media(scope)?,
            location: self.location(scope)?,
            template_params: self.params(scope)?,
            tags: self.entries("tags", &self.tags, scope)?,
            attributes: self.pairs("attributes", &self.attributes, scope)?,
            params_fallback_value: self.pairs("paramsFallbackValue", &self.fallbacks, scope)?,
            buttons: self.trees("buttons", &self.buttons, scope)?,
            carousel_cards: self.trees("carouselCards", &self.cards, scope)?,
        };
        let subject = Subject { account: &self.account, payload: &payload, country, received_at: context.received_at };
        let options =
            self.option_rules.of(subject, scope).map_err(|Unmet { key, reason }| self.unmapped(key, reason))?;
        let written = serde_json::to_string(&payload).map_err(|error| self.failed("payload", &error))?;
        if written.len() > PAYLOAD_LIMIT {
            let reason = UnmappedReason::TooLong { bytes: written.len(), most: PAYLOAD_LIMIT };
            return Err(self.unmapped("payload", reason));
        }
        Ok(Content { campaign: payload.campaign_name, destination: payload.destination, payload: written, options })
    }

    fn required(&self, key: &str, template: &Template, scope: &Scope) -> Result<String, Unmapped> {
        let text = template.text(scope).map_err(|error| self.unmapped(key, error))?;
        let text = text::one_line(&text);
        if text.is_empty() { Err(self.unmapped(key, UnmappedReason::Empty)) } else { Ok(text) }
    }

    /// What names something that is not there, or comes out empty, is left out.
    fn optional(&self, key: &str, template: Option<&Template>, scope: &Scope) -> Result<Option<String>, Unmapped> {
        match template.map(|template| template.text(scope)) {
            None | Some(Err(EvalError::Missing(_))) => Ok(None),
            Some(Ok(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text::is_blank(text))),
            Some(Err(error)) => Err(self.unmapped(key, error)),
        }
    }

    /// What the API refuses a send without, if the rule has it at all. Only what may be empty is left out.
    fn essential(&self, key: &str, template: &Template, scope: &Scope) -> Result<Option<String>, Unmapped> {
        let text = template.text(scope).map_err(|error| self.unmapped(key, error))?;
        Ok(Some(text.trim().to_owned()).filter(|text| !text::is_blank(text)))
    }

    fn media(&self, scope: &Scope) -> Result<Option<Media>, Unmapped> {
        let Some((url, filename)) = &self.media else { return Ok(None) };
        let Some(url) = self.essential("media.url", url, scope)? else { return Ok(None) };
        let url = media::public(&url).map_err(|error| self.failed("media.url", &error))?;
        Ok(Some(Media { url, filename: self.optional("media.filename", filename.as_ref(), scope)? }))
    }

    fn location(&self, scope: &Scope) -> Result<Option<Location>, Unmapped> {
        let Some(rule) = &self.location else { return Ok(None) };
        let degrees = |key: &str, template: &Template, most: f64| -> Result<Option<f64>, Unmapped> {
            let Some(text) = self.essential(key, template, scope)? else { return Ok(None) };
            let value = text.parse::<f64>().ok().filter(|value| value.abs() <= most);
            value
                .map(Some)
                .ok_or_else(|| self.failed(key, &format!("`{text}` is not a number of degrees up to {most}")))
        };
        let (latitude, longitude) = (
            degrees("location.latitude", &rule.latitude, 90.0)?,
            degrees("location.longitude", &rule.longitude, 180.0)?,
        );
        let (latitude, longitude) = match (latitude, longitude) {
            (Some(latitude), Some(longitude)) => (latitude, longitude),
            (None, None) => return Ok(None),
            (None, _) => return Err(self.unmapped("location.latitude", UnmappedReason::Empty)),
            (_, None) => return Err(self.unmapped("location.longitude", UnmappedReason::Empty)),
        };
        let name = self.optional("location.name", rule.name.as_ref(), scope)?;
        Ok(Some(Location {
            latitude,
            longitude,
            name,
            address: self.optional("location.address", rule.address.as_ref(), scope)?,
        }))
    }

    fn params(&self, scope: &Scope) -> Result<Option<Vec<String>>, Unmapped> {
        let Some(params) = &self.params else { return Ok(None) };
        let texts = match params {
            Params::Each(templates) => templates.iter().map(|template| template.text(scope)).collect(),
            Params::List(template) => match template.render(scope) {
                Ok(Rendered::List(items)) => items.iter().map(entry_text).collect(),
                Ok(Rendered::Text(text)) => vec![Ok(text)],
                Err(error) => return Err(self.unmapped("templateParams", error)),
            },
        };
        let fit = |(index, text): (usize, Result<String, EvalError>)| {
            let reason = match text.map(|text| text::fit_param(&text)) {
                Ok(text) if !text.is_empty() => return Ok(text),
                Ok(_) => UnmappedReason::Empty,
                Err(error) => error.into(),
            };
            Err(self.unmapped(&format!("templateParams[{index}]"), reason))
        };
        texts.into_iter().enumerate().map(fit).collect::<Result<_, _>>().map(Some)
    }

    fn entries(&self, key: &str, templates: &[Template], scope: &Scope) -> Result<Vec<String>, Unmapped> {
        let mut entries = Vec::with_capacity(templates.len());
        for (index, template) in templates.iter().enumerate() {
            match template.render(scope) {
                Ok(Rendered::Text(text)) => entries.push(text),
                Ok(Rendered::List(items)) => {
                    entries.extend(items.iter().filter_map(|item| readable::text_of(item).ok()?));
                }
                Err(EvalError::Missing(_)) => {}
                Err(error) => return Err(self.unmapped(&format!("{key}[{index}]"), error)),
            }
        }
        Ok(entries.iter().map(|text| text::one_line(text)).filter(|text| !text.is_empty()).collect())
    }

    fn pairs(&self, key: &str, templates: &[(String, Template)], scope: &Scope) -> Result<Map<String, Json>, Unmapped> {
        let mut pairs = Map::new();
        for (name, template) in templates {
            if let Some(text) = self.optional(&format!("{key}.{name}"), Some(template), scope)? {
                pairs.insert(name.clone(), Json::String(text));
            }
        }
        Ok(pairs)
    }

    fn trees(&self, key: &str, trees: &[Tree], scope: &Scope) -> Result<Vec<Json>, Unmapped> {
        let filled = trees
            .iter()
            .enumerate()
            .map(|(index, tree)| tree.fill("", scope).map_err(|error| self.unmapped(&format!("{key}[{index}]"), error)))
            .collect::<Result<_, _>>()?;
        let filled = Json::Array(filled);
        if let Some(wrong) = shape::check(key, &filled).into_iter().next() {
            return Err(self.failed(&wrong.place(key), &wrong.message));
        }
        Ok(if let Json::Array(filled) = filled { filled } else { Vec::new() })
    }
}

/// The entries of `for_each`: one more than there is room for is as many as need to be known.
fn items(for_each: &Expression, scope: &Scope, room: usize) -> Result<Vec<Value>, EvalError> {
    let value = for_each.eval(scope)?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|error| EvalError::Failed(error.to_string()))?;
            Ok(items.take(room.saturating_add(1)).collect())
        }
        ValueKind::Undefined | ValueKind::None => Ok(Vec::new()),
        other => Err(EvalError::Failed(format!("it gives {other}, not a list"))),
    }
}

/// The text of an entry of the list that a template gave; empty if there is nothing in it.
fn entry_text(entry: &Value) -> Result<String, EvalError> {
    readable::text_of(entry).map(Option::unwrap_or_default).map_err(|error| EvalError::Failed(error.to_string()))
}

impl Tree {
    /// `name` is the key it stands under.
    fn fill(&self, name: &str, scope: &Scope) -> Result<Json, EvalError> {
        Ok(match self {
            Self::Leaf(json) => json.clone(),
            Self::Text(template) => Json::String(linked(name, text::fit_param(&template.text(scope)?))?),
            Self::List(items) => {
                Json::Array(items.iter().map(|item| item.fill(name, scope)).collect::<Result<_, _>>()?)
            }
            Self::Map(entries) => {
                let filled = entries.iter().map(|(key, item)| Ok((key.clone(), item.fill(key, scope)?)));
                Json::Object(filled.collect::<Result<_, EvalError>>()?)
            }
        })
    }
}

/// A text under `link` or `url` is fetched like media: it must be public, too. Under `url` a part of one may stand.
pub fn linked(name: &str, text: String) -> Result<String, EvalError> {
    let is_whole = match name {
        "link" => true,
        "url" => text.contains(':') || text.starts_with(['/', '\\']),
        _ => false,
    };
    if !is_whole {
        return Ok(text);
    }
    media::public(&text).map_err(|error| EvalError::Failed(format!("`{name}`: {error}")))
}
