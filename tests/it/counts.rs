//! How much there is and how much happened, as metrics and the API tell it, whatever is still kept.

use serde_json::{Value, json};

use crate::asked::Ask as _;
use crate::world::{ROUTE, World, eventually, quick};

/// A rule that fails where an event has no name.
pub const STRICT: &str = r#"
source: generic
auth: bearer
secret: s3cret-for-tests
sends:
  - name: strict
    campaignName: welcome
    destination: "{{ contact.phone }}"
    userName: "{{ contact.name }}"
"#;

pub async fn post(world: &World, route: &str, id: &str, phone: &str) -> u16 {
    world.post(route, &json!({"id": id, "phone": phone, "campaign": "offer"}).to_string()).await.0
}

pub async fn stats(world: &World, query: &str) -> Vec<Value> {
    let (status, answer) = world.admin("GET", &format!("/stats{query}"), None).await;
    assert_eq!(status, 200, "{answer}");
    answer["stats"].as_array().unwrap().clone()
}

#[tokio::test]
async fn counts_are_told_apart_and_narrowed_as_asked() {
    let world = World::start(quick().route("other", ROUTE)).await;
    for n in 0..4 {
        let route = if n == 0 { "other" } else { "hello" };
        post(&world, route, &n.to_string(), &format!("981234567{n}")).await;
    }
    world.until_sends("state=sent", 4).await;
    let sum = |stats: &[Value], outcome: &str| -> u64 {
        stats.iter().filter(|stat| stat["outcome"] == outcome).map(|stat| stat["count"].as_u64().unwrap()).sum()
    };
    assert_eq!(sum(&stats(&world, "?route=other").await, "sent"), 1);
    assert_eq!(sum(&stats(&world, "?account=default").await, "sent"), 4);
    assert_eq!(sum(&stats(&world, "?campaign=offer&by=").await, "sent"), 4);
    assert_eq!(sum(&stats(&world, "?campaign=none").await, "sent"), 0);
    assert_eq!(sum(&stats(&world, "?until=2020-01-01T00:00:00Z").await, "received"), 0);
    for stat in stats(&world, "?by=day,rule").await {
        assert!(stat["from"].as_str().unwrap().ends_with("T00:00:00.000Z"), "{stat}");
    }
    for (query, said) in [
        ("?by=minute", "`by`: `minute` is unknown; there are hour, day, route"),
        ("?by=hour,day", "`by`: write either hour or day"),
        ("?since=yesterday", "`since`: `yesterday` is not a moment"),
        ("?account=nobody", "there is no account `nobody`"),
        ("?colour=red", "unknown field `colour`"),
    ] {
        let (status, answer) = world.admin("GET", &format!("/stats{query}"), None).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains(said), "{answer}");
    }
    world.stop().await;
}

#[tokio::test]
async fn gauges_say_what_waits_since_when_and_how_large_the_store_is() {
    let world = World::start(quick()).await;
    let gauge = |text: &str, name: &str| -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    };
    let text = world.metrics().await;
    assert_eq!(gauge(&text, "serri_relay_store_readable"), Some(1.0), "{text}");
    assert!(!text.contains("serri_relay_oldest_due_age_seconds{"), "nothing is due: {text}");
    let offer = json!({"account": "default", "campaign": "offer"});
    assert_eq!(world.admin("POST", "/holds", Some(offer.clone())).await.0, 200);
    assert_eq!(post(&world, "hello", "1", "9812345670").await, 200);
    eventually("what is on hold is due, and its age grows", async || {
        let text = world.metrics().await;
        gauge(&text, r#"serri_relay_oldest_due_age_seconds{account="default"}"#).is_some_and(|age| age > 0.05)
    })
    .await;
    let text = world.metrics().await;
    let waiting = gauge(&text, r#"serri_relay_sends{account="default",campaign="offer",state="waiting"}"#);
    assert_eq!(waiting, Some(1.0), "{text}");
    assert_eq!(gauge(&text, r#"serri_relay_holds{account="default",campaign="offer"}"#), Some(1.0), "{text}");
    let size = gauge(&text, "serri_relay_store_size_bytes").unwrap();
    assert!(size > 100e3 && size < 100e6, "{size}");
    assert!(gauge(&text, "serri_relay_store_free_bytes").unwrap() <= size);
    assert!(text.trim_end().ends_with("# EOF") && text.matches("# EOF").count() == 1, "{text}");
    assert_eq!(world.admin("POST", "/holds/lift", Some(offer)).await.0, 200);
    world.until_sends("state=sent", 1).await;
    let text = world.metrics().await;
    assert_eq!(gauge(&text, r#"serri_relay_sends{account="default",campaign="offer",state="waiting"}"#), None);
    assert!(!text.contains("serri_relay_oldest_due_age_seconds{"), "{text}");
    world.stop().await;
}
