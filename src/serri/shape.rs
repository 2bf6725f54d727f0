//! The shapes of `media`, `location`, `buttons` and `carouselCards`: what rules are checked against before any event comes,
//! payloads before they are kept, and calls by the sandbox.
//!
//! Buttons and cards are components of WhatsApp's messages of templates
//! (<https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates>); the API passes them on. In a
//! rule a text may be a template: then only the payload shows what is in it.

use serde_json::{Map, Value};

/// What is wrong with a value, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misshapen {
    /// The steps to the place.
    pub path: Vec<String>,
    /// What is wrong there.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Misshapen {
    /// The place in a payload: `buttons.0.index`.
    pub fn place(&self, key: &str) -> String {
        let steps: Vec<&str> = std::iter::once(key).chain(self.path.iter().map(String::as_str)).collect();
        steps.join(".")
    }
}

/// How many buttons a message may have, and how many cards.
const MOST: usize = 10;

/// Buttons that a call may have something to say to, with the one parameter that is known to be theirs.
const BUTTONS: [(&str, Option<&str>); 9] = [
    ("url", Some("text")),
    ("quick_reply", Some("payload")),
    ("copy_code", Some("coupon_code")),
    ("flow", None),
    ("catalog", None),
    ("mpm", None),
    ("spm", None),
    ("order_details", None),
    ("voice_call", None),
];

const CARD: &str = "as { card_index: 0, components: [{ type: header, parameters: [{ type: image, image: { link: \"https://...\" } }] }] }";
const HEADER: &str = "as { type: header, parameters: [{ type: image, image: { link: \"https://...\" } }] }";
const BODY: &str = "as { type: body, parameters: [{ type: text, text: \"...\" }] }";
const LOCATION: &str =
    "as location: { latitude: 18.5204, longitude: 73.8567, name: Our shop, address: \"MG Road, Pune\" }";
const MEDIA: &str = "as media: { url: \"https://cdn.example.com/a.pdf\", filename: a.pdf }";

/// What is wrong with a part of a payload; nothing is known of other keys.
pub fn check(key: &str, value: &Value) -> Vec<Misshapen> {
    let mut check = Check::default();
    match key {
        "buttons" => check.list(value, &example("url"), Check::button),
        "carouselCards" => check.list(value, CARD, Check::card),
        "location" => check.location(value),
        "media" => check.media(value),
        _ => {}
    }
    check.found
}

#[derive(Default)]
struct Check {
    path: Vec<String>,
    found: Vec<Misshapen>,
}

impl Check {
    fn wrong(&mut self, message: impl Into<String>, hint: &str) {
        self.found.push(Misshapen { path: self.path.clone(), message: message.into(), hint: hint.to_owned() });
    }

    fn within(&mut self, step: impl ToString, look: impl FnOnce(&mut Self)) {
        self.path.push(step.to_string());
        look(self);
        self.path.pop();
    }

    /// The entries of a list of objects, each under its number.
    fn list(&mut self, value: &Value, hint: &str, each: impl Fn(&mut Self, &Map<String, Value>)) {
        let Some(items) = value.as_array() else { return self.wrong("it is not a list", hint) };
        if items.len() > MOST {
            self.wrong(format!("there are {} entries, and WhatsApp takes {MOST}", items.len()), "leave some out");
        }
        for (index, item) in items.iter().enumerate() {
            self.within(index, |check| match item.as_object() {
                Some(item) => each(check, item),
                None => check.wrong("it is not an object", hint),
            });
        }
        self.numbers(items);
    }

    /// No two entries may have the same number.
    fn numbers(&mut self, items: &[Value]) {
        let number = |item: &Value| {
            let number = item.get("index").or_else(|| item.get("card_index"))?;
            whole(number).filter(|_| item.get("type").is_none_or(|kind| named(kind, "button")))
        };
        for (position, item) in items.iter().enumerate() {
            let is_taken =
                number(item).is_some_and(|own| items.iter().take(position).any(|other| number(other) == Some(own)));
            if is_taken {
                let key = if item.get("card_index").is_some() { "card_index" } else { "index" };
                self.within(position, |check| {
                    check
                        .within(key, |check| check.wrong("an entry before has this number", "count from 0, each once"));
                });
            }
        }
    }

    fn button(&mut self, button: &Map<String, Value>) {
        let faults = self.found.len();
        let meant = |key: &str| BUTTONS.iter().find(|(kind, _)| button.get(key).is_some_and(|own| named(own, kind)));
        let example = example(meant("sub_type").or_else(|| meant("type")).map_or("url", |(kind, _)| kind));
        self.one_of(button, "type", &["button"], &example);
        if self.found.len() > faults {
            // another shape altogether: the example says it all
            return;
        }
        self.keys(button, &["type", "sub_type", "index", "parameters"], &example);
        let kinds: Vec<&str> = BUTTONS.iter().map(|(kind, _)| *kind).collect();
        self.one_of(button, "sub_type", &kinds, &example);
        self.number(button, "index", &example);
        match (button.get("parameters"), meant("sub_type")) {
            (Some(Value::Array(parameters)), Some((kind, Some(parameter)))) => {
                let hint = format!("as parameters: [{{ type: {parameter}, {parameter}: \"...\" }}]");
                if parameters.len() != 1 {
                    let message = format!("a {kind} button takes one parameter, and {} stand here", parameters.len());
                    self.within("parameters", |check| check.wrong(message, &hint));
                }
                self.parameters(parameters, &[parameter], &hint);
            }
            (Some(Value::Array(_)), _) => {}
            (Some(_), _) => self.within("parameters", |check| check.wrong("it is not a list", &example)),
            (None, Some((_, Some(_)))) => self.wrong("`parameters` is missing", &example),
            (None, _) => {}
        }
    }

    fn card(&mut self, card: &Map<String, Value>) {
        if !card.contains_key("card_index") && !card.contains_key("components") {
            return self.wrong("it is not a card: `card_index` and `components` are missing", CARD);
        }
        self.keys(card, &["card_index", "components"], CARD);
        self.number(card, "card_index", CARD);
        match card.get("components") {
            None => self.wrong("`components` is missing", CARD),
            Some(components) => self.within("components", |check| check.list(components, CARD, Self::component)),
        }
    }

    fn component(&mut self, component: &Map<String, Value>) {
        let is = |kind: &str| component.get("type").is_some_and(|own| named(own, kind));
        if is("button") {
            return self.button(component);
        }
        if !is("header") && !is("body") {
            return self.one_of(component, "type", &["header", "body", "button"], CARD);
        }
        let hint = if is("header") { HEADER } else { BODY };
        self.keys(component, &["type", "parameters"], hint);
        match component.get("parameters") {
            Some(Value::Array(parameters)) if is("body") => {
                self.parameters(parameters, &["text", "currency", "date_time"], hint);
            }
            Some(Value::Array(parameters)) => {
                if parameters.len() != 1 {
                    let message = format!("a card has one header, and {} parameters stand here", parameters.len());
                    self.within("parameters", |check| check.wrong(message, hint));
                }
                self.parameters(parameters, &["image", "video", "product"], hint);
            }
            Some(_) => self.within("parameters", |check| check.wrong("it is not a list", hint)),
            None => self.wrong("`parameters` is missing", hint),
        }
    }

    /// Parameters of these types, each with its value under the type's own name.
    fn parameters(&mut self, parameters: &[Value], kinds: &[&str], hint: &str) {
        for (index, parameter) in parameters.iter().enumerate() {
            self.path.extend(["parameters".to_owned(), index.to_string()]);
            match parameter.as_object() {
                None => self.wrong("it is not an object", hint),
                Some(parameter) => {
                    match kinds.iter().find(|kind| parameter.get("type").is_some_and(|own| named(own, kind))) {
                        None => self.one_of(parameter, "type", kinds, hint),
                        Some(kind) => {
                            self.keys(parameter, &["type", "parameter_name", kind], hint);
                            self.parameter(parameter, kind, hint);
                        }
                    }
                }
            }
            self.path.truncate(self.path.len() - 2);
        }
    }

    fn parameter(&mut self, parameter: &Map<String, Value>, kind: &str, hint: &str) {
        match (kind, parameter.get(kind)) {
            (_, None) => self.wrong(format!("`{kind}` is missing"), hint),
            ("image" | "video", Some(Value::Object(media))) => {
                self.within(kind, |check| {
                    check.keys(media, &["link", "id"], hint);
                    match (media.get("link"), media.get("id")) {
                        (Some(link), None) => check.within("link", |check| check.text(link, hint)),
                        (None, Some(id)) => check.within("id", |check| check.text(id, hint)),
                        _ => check.wrong("it takes `link`, or `id` of a file that was uploaded", hint),
                    }
                });
            }
            ("currency" | "date_time" | "product", Some(Value::Object(_))) => {}
            ("image" | "video" | "currency" | "date_time" | "product", Some(_)) => {
                self.within(kind, |check| check.wrong("it is not an object", hint));
            }
            (_, Some(text)) => self.within(kind, |check| check.text(text, hint)),
        }
    }

    fn location(&mut self, value: &Value) {
        let Some(location) = value.as_object() else { return self.wrong("it is not an object", LOCATION) };
        self.keys(location, &["latitude", "longitude", "name", "address"], LOCATION);
        for (key, most) in [("latitude", 90.0), ("longitude", 180.0)] {
            let degrees = location.get(key);
            let is_open = degrees.and_then(Value::as_str).is_some_and(is_template);
            let number = degrees.and_then(|degrees| {
                degrees.as_f64().or_else(|| degrees.as_str().and_then(|text| text.trim().parse().ok()))
            });
            match degrees {
                Some(Value::String(text)) if text.trim().is_empty() => {
                    self.within(key, |check| check.wrong("it is empty", LOCATION));
                }
                None => self.wrong(format!("`{key}` is missing"), LOCATION),
                Some(degrees) if !is_open && !number.is_some_and(|number: f64| number.abs() <= most) => {
                    let written = degrees.as_str().map_or_else(|| degrees.to_string(), ToOwned::to_owned);
                    let message = format!("`{}` is not a number of degrees up to {most}", written.trim());
                    self.within(key, |check| check.wrong(message, LOCATION));
                }
                Some(_) => {}
            }
        }
        self.texts(location, &["name", "address"], LOCATION);
    }

    fn media(&mut self, value: &Value) {
        let Some(media) = value.as_object() else { return self.wrong("it is not an object", MEDIA) };
        self.keys(media, &["url", "filename"], MEDIA);
        if media.contains_key("url") {
            self.texts(media, &["url", "filename"], MEDIA);
        } else {
            self.wrong("`url` is missing", MEDIA);
        }
    }

    fn texts(&mut self, map: &Map<String, Value>, keys: &[&str], hint: &str) {
        for key in keys {
            if let Some(text) = map.get(*key) {
                self.within(key, |check| check.text(text, hint));
            }
        }
    }

    fn text(&mut self, value: &Value, hint: &str) {
        match value.as_str() {
            None if value.is_number() || value.is_boolean() => self.wrong("it is not a text", "put quotes around it"),
            None => self.wrong("it is not a text", hint),
            Some(text) if text.trim().is_empty() => self.wrong("it is empty, and WhatsApp refuses that", hint),
            Some(_) => {}
        }
    }

    /// There are no other keys than these.
    fn keys(&mut self, map: &Map<String, Value>, known: &[&str], hint: &str) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            self.within(key, |check| {
                check.wrong(format!("`{key}` is not known here; there are: {}", known.join(", ")), hint);
            });
        }
    }

    fn one_of(&mut self, map: &Map<String, Value>, key: &str, known: &[&str], hint: &str) {
        let known_here =
            || if let [only] = known { format!("`{only}`") } else { format!("one of {}", known.join(", ")) };
        match map.get(key) {
            None => self.wrong(format!("`{key}` is missing: it is {}", known_here()), hint),
            Some(value) if known.iter().any(|known| named(value, known)) || value.as_str().is_some_and(is_template) => {
            }
            Some(value) => {
                let written = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                self.within(key, |check| check.wrong(format!("`{written}`: `{key}` is {}", known_here()), hint));
            }
        }
    }

    fn number(&mut self, map: &Map<String, Value>, key: &str, hint: &str) {
        match map.get(key) {
            None => self.wrong(format!("`{key}` is missing"), hint),
            Some(value) if value.as_str().is_some_and(is_template) => {}
            Some(value)
                if whole(value).is_some_and(|number| usize::try_from(number).is_ok_and(|number| number < MOST)) => {}
            Some(_) => self.within(key, |check| check.wrong("it is not a number from 0 to 9", hint)),
        }
    }
}

/// A button of a kind, as it is written.
fn example(kind: &str) -> String {
    let parameter = BUTTONS.iter().find(|(known, _)| *known == kind).and_then(|(_, parameter)| *parameter);
    let parameters = parameter
        .map(|parameter| format!(", parameters: [{{ type: {parameter}, {parameter}: \"...\" }}]"))
        .unwrap_or_default();
    format!("as {{ type: button, sub_type: {kind}, index: 0{parameters} }}")
}

/// A whole number, which WhatsApp also takes as a text.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}

/// WhatsApp does not care about capitals in these.
fn named(value: &Value, name: &str) -> bool {
    value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(name))
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_api_takes_passes() {
        for (key, value) in [
            ("buttons", json!([])),
            (
                "buttons",
                json!([{"type": "button", "sub_type": "url", "index": 0, "parameters": [{"type": "text", "text": "123456"}]}]),
            ),
            (
                "buttons",
                json!([{"type": "BUTTON", "sub_type": "QUICK_REPLY", "index": "1", "parameters": [{"type": "PAYLOAD", "payload": "x"}]}]),
            ),
            ("buttons", json!([{"type": "button", "sub_type": "catalog", "index": 0}])),
            (
                "carouselCards",
                json!([{"card_index": 0, "components": [
                    {"type": "header", "parameters": [{"type": "video", "video": {"id": "1"}}]},
                    {"type": "body", "parameters": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                    {"type": "button", "sub_type": "quick_reply", "index": 0, "parameters": [{"type": "payload", "payload": "x"}]},
                ]}]),
            ),
            ("location", json!({"latitude": 18.5, "longitude": "-73.8"})),
            ("media", json!({"url": "https://cdn.example.com/a.pdf"})),
            ("tags", json!("anything")),
        ] {
            assert_eq!(check(key, &value), [], "{key} {value}");
        }
    }
}
