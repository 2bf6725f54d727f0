//! Tells whether a rule was changed: a number that is equal as long as the same is written.
//!
//! It is stored with each send, so it must not depend on the compiler, nor on what a later release could have been told
//! and was not: what is left out counts for nothing, and neither does the order of keys.

use aws_lc_rs::digest;
use serde::Serialize;
use serde_json::Value;

/// Keys whose values go to Serri as they stand: there a `null` is something else than nothing.
const VERBATIM: [&str; 2] = ["buttons", "carouselCards"];

/// The first 64 bits of the SHA-256 of the canonical form.
pub fn version_of(spec: &impl Serialize) -> i64 {
    let mut text = String::new();
    write(&serde_json::to_value(spec).unwrap_or_default(), Nulls::AreNothing, &mut text);
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let mut first = [0; 8];
    first.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    i64::from_be_bytes(first)
}

/// What a key with the value `null` means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// It is not written.
    AreNothing,
    /// It is.
    Count,
}

/// Compact JSON with sorted keys.
fn write(value: &Value, nulls: Nulls, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> =
                map.iter().filter(|(_, value)| nulls == Nulls::Count || !value.is_null()).collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, if VERBATIM.contains(&key.as_str()) { Nulls::Count } else { nulls }, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, nulls, text);
            }
            text.push(']');
        }
        leaf => text.push_str(&leaf.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::route::RuleSpec;

    #[test]
    fn the_version_of_a_rule_is_the_same_for_ever() {
        let rule = RuleSpec {
            name: "welcome".into(),
            campaign_name: Some("welcome_lead".into()),
            destination: "{{ contact.phone }}".into(),
            user_name: Some("there".into()),
            tags: Some(vec!["lead".into()]),
            ..RuleSpec::default()
        };
        // SHA-256 of {"campaignName":"welcome_lead","destination":"{{ contact.phone }}","name":"welcome","tags":["lead"],
        // "userName":"there"} on one line; whoever changes it maps everything anew that waits anywhere
        assert_eq!(version_of(&rule), -5_450_756_719_645_237_567);
    }

    #[test]
    fn what_is_not_written_and_the_order_of_keys_count_for_nothing() {
        let version = version_of(&json!({"name": "a", "media": {"url": "u"}, "buttons": [{"a": 1, "b": null}]}));
        for same in [
            json!({"media": {"url": "u"}, "buttons": [{"b": null, "a": 1}], "name": "a"}),
            json!({"name": "a", "media": {"url": "u", "filename": null}, "buttons": [{"a": 1, "b": null}], "later": null}),
        ] {
            assert_eq!(version_of(&same), version, "{same}");
        }
        for other in [
            json!({"name": "b", "media": {"url": "u"}, "buttons": [{"a": 1, "b": null}]}),
            json!({"name": "a", "media": {"url": "v"}, "buttons": [{"a": 1, "b": null}]}),
            json!({"name": "a", "media": {"url": "u"}, "buttons": [{"a": 1}]}),
            json!({"name": "a", "media": {"url": "u"}, "buttons": [{"a": "1", "b": null}]}),
            json!({"name": "a", "media": {"url": "u"}}),
            json!({"name": "a", "media": {"url": "u"}, "buttons": [{"a": 1, "b": null}], "tags": []}),
        ] {
            assert_ne!(version_of(&other), version, "{other}");
        }
    }
}
