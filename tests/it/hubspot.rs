//! A contact of whom HubSpot tells twice: that it was made, and that its number was entered.

use serde_json::{Value, json};

use crate::asked::{Ask as _, is_over, states_of, texts, until};
use crate::cli::relay;
use crate::enrich::post;
use crate::vendors::{TOKEN, Vendors};
use crate::world::{Setup, World, quick};

/// What `new` writes, with a private app's token.
fn written(base: &str) -> Setup {
    let setup = quick().set("server.public_url=https://hooks.example.com");
    setup.write("http://127.0.0.1:9/");
    assert!(relay(&setup.config(), &["new", "hs", "--source", "hubspot"]).status.success());
    let path = setup.config().join("routes/hs.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> =
        text.lines().filter(|line| !line.contains("not-set-yet") && !line.contains("enrich:")).collect();
    let text = format!("{}\nenrich: {{ base: '{base}/hubspot', token: {TOKEN} }}\n", kept.join("\n"));
    std::fs::write(&path, text).unwrap();
    setup
}

fn event(id: u32, more: &Value) -> Value {
    let mut event = json!({"eventId": id, "subscriptionId": id, "portalId": 9_934_512, "appId": 1, "occurredAt": 1_767_085_200_000_u64 + u64::from(id), "attemptNumber": 0, "objectId": 70119});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

#[tokio::test]
async fn a_new_contact_gets_one_message_in_whichever_order_its_events_come() {
    let created = event(1, &json!({"subscriptionType": "contact.creation", "changeFlag": "NEW"}));
    let entered = |id: u32, property: &str, value: &str| {
        event(
            id,
            &json!({"subscriptionType": "contact.propertyChange", "propertyName": property, "propertyValue": value}),
        )
    };
    let phone = entered(2, "phone", "098123 45670");
    let mobile = entered(3, "mobilephone", "098123 45670");
    let office = entered(2, "phone", "+91 22 2235 5342");
    let one = json!({"firstname": "Asha", "phone": "098123 45670", "mobilephone": null});
    let both = json!({"firstname": "Asha", "phone": "+91 22 2235 5342", "mobilephone": "098123 45670"});
    for (properties, calls) in [
        (&one, vec![json!([created]), json!([phone])]),
        (&one, vec![json!([phone]), json!([created])]),
        (&one, vec![json!([created, phone])]),
        (&one, vec![json!([phone, created])]),
        // as it is repeated
        (&one, vec![json!([created, phone]), json!([phone, created])]),
        (&both, vec![json!([created, office, mobile])]),
        (&both, vec![json!([mobile, office]), json!([created])]),
    ] {
        let vendors = Vendors::default();
        let base = vendors.start().await;
        vendors.keep("70119", json!({"id": "70119", "properties": properties}));
        let world = World::start(written(&base)).await;
        for call in &calls {
            assert_eq!(post(&world.setup, &world.base, "hs", call.clone()).await.0, 200);
        }
        let told = if properties == &both { 3 } else { 2 };
        until(&format!("{told} sends of {calls:?} are over"), async || {
            let sends = world.sends().await;
            let over = sends.iter().filter(|send| is_over(send)).count();
            if over == told && sends.len() == told { Ok(()) } else { Err(format!("{:?}", states_of(&sends))) }
        })
        .await;
        let sends = world.sends().await;
        let mut states = texts(&sends, "state");
        states.sort();
        assert_eq!(states.iter().filter(|state| *state == "sent").count(), 1, "{calls:?}: {states:?}");
        assert_eq!(states.iter().filter(|state| *state == "duplicate").count(), told - 1, "{calls:?}: {states:?}");
        assert_eq!(texts(&sends, "destination"), vec!["+919812345670"; told], "{calls:?}");
        let delivered = world.delivered(1).await;
        assert_eq!(delivered[0]["userName"], "Asha");
        world.stop().await;
    }
}
