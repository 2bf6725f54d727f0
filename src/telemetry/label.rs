//! A metric's label: it can only be made of a text by masking it.

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

use crate::mask;

/// A label's value, without phone numbers, e-mail addresses and credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Label(String);

impl Label {
    /// As it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: AsRef<str>> From<T> for Label {
    fn from(text: T) -> Self {
        Self(mask::text(text.as_ref()).into_owned())
    }
}

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::{
        AttemptLabels, CallLabels, FaultyLabels, HoldLabels, HoldTurnLabels, LookupLabels, Metrics, UnknownLabels,
    };
    use super::*;
    use crate::clock::Timestamp;
    use crate::event::State;
    use crate::event::stats::{Levels, OldestDue, SendCount};

    /// Everything that has a label, with this text in each.
    fn exposed(text: &str) -> String {
        let metrics = Metrics::new();
        let label = || Label::from(text);
        metrics.calls.get_or_create(&CallLabels { route: label(), outcome: "accepted" }).inc();
        metrics.calls_by_route.accepted(text, Timestamp(0));
        metrics.calls_by_route.refused(text, text, Timestamp(0));
        metrics.attempts.get_or_create(&AttemptLabels { account: label(), outcome: "sent" }).inc();
        metrics.lookups.get_or_create(&LookupLabels { route: label(), outcome: "found" }).inc();
        metrics.holds.get_or_create(&HoldLabels { account: label(), campaign: label() }).set(1);
        metrics.hold_turns.get_or_create(&HoldTurnLabels { account: label(), turn: "began" }).inc();
        metrics.unknown_answers.get_or_create(&UnknownLabels { text: label() }).inc();
        metrics.faulty_routes.get_or_create(&FaultyLabels { route: label(), serves: "nothing" }).set(1);
        let (account, campaign) = (text.to_owned(), text.to_owned());
        let sends = vec![SendCount { account: account.clone(), campaign, state: State::Sent, count: 1 }];
        let oldest_due = vec![OldestDue { account, since: Timestamp(0) }];
        metrics.text(Some(&Levels { sends, oldest_due, ..Levels::default() }), Timestamp(0))
    }

    /// The labels of a line as OpenMetrics has them: `name="value"`, in which only `\\`, `\"` and `\n` stand for something else.
    fn labels(line: &str) -> Option<Vec<(String, String)>> {
        let Some((_, mut rest)) = line.split_once('{') else { return Some(Vec::new()) };
        let mut labels = Vec::new();
        loop {
            let (name, after) = rest.split_once("=\"")?;
            let (mut value, mut chars) = (String::new(), after.chars());
            loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => value.push(match chars.next()? {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        _ => return None,
                    }),
                    c => value.push(c),
                }
            }
            labels.push((name.to_owned(), value));
            match chars.next()? {
                ',' => rest = chars.as_str(),
                '}' => return chars.as_str().trim_start().parse::<f64>().is_ok().then_some(labels),
                _ => return None,
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_a_name_holds_each_line_reads_as_it_was_written(text in prop_oneof![
            any::<String>(),
            proptest::collection::vec(prop_oneof![Just('"'), Just('\\'), Just('\n'), Just('\r'), Just('}'), Just(','), Just('\u{fffd}'), Just('\u{1b}'), Just('a')], 0..12)
                .prop_map(String::from_iter),
        ]) {
            let shown = Label::from(&text).as_str().to_owned();
            let exposed = exposed(&text);
            let mut seen = BTreeSet::new();
            // a line ends with a line feed, and with nothing else
            for line in exposed.split('\n').filter(|line| !line.starts_with('#') && !line.is_empty()) {
                let labels = labels(line);
                prop_assert!(labels.is_some(), "{:?}", line);
                for (name, value) in labels.into_iter().flatten() {
                    if ["route", "account", "campaign", "text"].contains(&name.as_str()) {
                        prop_assert_eq!(&value, &shown);
                        seen.insert(format!("{} {name}", line.split('{').next().unwrap_or_default()));
                    }
                }
            }
            prop_assert_eq!(seen.len(), 14, "{:?}", seen);
        }
    }
}
