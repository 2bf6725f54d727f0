//! Every shipped source: complete, accepted when signed, refused when not.

use serri_relay::authenticate::sign;
use serri_relay::clock::Clock;
use serri_relay::config::interpolate::Variables;
use serri_relay::config::shipped::SOURCES;
use serri_relay::route::example::call_of;
use serri_relay::route::manner_of;

use crate::cli::relay;
use crate::world::{Setup, World};

/// A world with a route for each source, as `new` writes it.
async fn world() -> World {
    let setup = Setup::new().set("server.public_url=https://hooks.example.com");
    setup.write("http://127.0.0.1:9/");
    for (name, _) in SOURCES {
        assert!(relay(&setup.config(), &["new", name, "--source", name]).status.success());
    }
    World::start(setup).await
}

#[tokio::test]
async fn every_source_is_complete_and_its_samples_are_accepted_signed_and_refused_otherwise() {
    let world = world().await;
    let checked = world.setup.checked();
    let mut expected = 0;
    for (name, _) in SOURCES {
        let source = &checked.written.sources[*name].value;
        assert!(source.samples.len() >= 2, "{name}: two samples, the usual and the awkward");
        assert!(
            source.facts.is_some() && source.about.is_some() && source.starter.is_some(),
            "{name}: facts, about, starter"
        );
        assert!(
            source.manner.contact.as_ref().is_some_and(|contact| contact.phone.is_some()),
            "{name}: where the phone stands"
        );
        let route = &checked.routes[*name];
        let manner = manner_of(&checked.written.routes[*name].value, &checked.written).unwrap();
        for (sample_name, sample) in &source.samples {
            let what = format!("{name}, sample {sample_name}");
            let mut call = call_of(sample, &manner);
            call.uri = format!("/webhooks/{name}").parse().unwrap();
            let unsigned = call.clone();
            sign(&route.authentication, &mut call, Clock::system().now()).unwrap();
            let send = async |call: serri_relay::call::Call| {
                let url = format!("{}{}", world.base, call.uri);
                let (status, answer) =
                    world.send(world.http.request(call.method, url).headers(call.headers).body(call.body)).await;
                (status, answer["status"].as_str().unwrap_or("").to_owned())
            };
            assert_eq!(send(unsigned).await.0, 401, "{what}: unsigned");
            let mut changed = call.clone();
            if call.headers != call_of(sample, &manner).headers
                && changed.headers.keys().any(|name| name.as_str().contains("sig") || name.as_str().contains("hmac"))
            {
                changed.body = [&changed.body[..], b" "].concat().into();
                assert_eq!(send(changed).await.0, 401, "{what}: one byte more");
            }
            let (status, said) = send(call.clone()).await;
            assert_eq!(status, 200, "{what}: signed");
            assert!(["accepted", "ignored"].contains(&said.as_str()), "{what}: {said}");
            assert_eq!(send(call).await.1, "duplicate", "{what}: the sender's own repetition");
            expected += usize::from(said == "accepted");
        }
    }
    let messages = world.delivered(expected).await;
    assert!(messages.iter().all(|message| message["destination"].as_str().unwrap().starts_with("+9")));
    world.stop().await;
}

#[tokio::test]
async fn woocommerces_ping_is_answered_and_nothing_else_is() {
    let world = world().await;
    let ping = |body: &str| {
        world
            .http
            .post(world.url("woocommerce"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned())
    };
    assert_eq!(world.send(ping("webhook_id=7")).await.0, 200);
    assert_eq!(world.send(ping("webhook_id=7&x=1")).await.0, 401);
    assert_eq!(world.send(ping("webhook_id=7").header("x-wc-webhook-signature", "x")).await.0, 401);
    assert_eq!(world.query("SELECT count(*) FROM events"), [["0"]]);
    world.stop().await;
}

#[test]
fn a_source_of_ones_own_is_a_file() {
    let source = "title: Mine\nbody: json\nauth: bearer\nevent: { id: event.nr }\ncontact: { phone: event.tel }\n";
    let route = "source: mine\nsecret: a-long-enough-secret\nsends:\n  - { name: a, campaignName: c, destination: '{{ contact.phone }}', userName: x }\nexamples:\n  - { name: e, body: { nr: 7, tel: '9812345670' }, sends: [{ destination: '+919812345670' }] }\n";
    let setup = Setup::new().file("sources/mine.yaml", source).route("mine", route);
    setup.write("http://127.0.0.1:9/");
    let (_, faults) = serri_relay::route::check::check(&setup.config(), &Variables::default());
    assert_eq!(faults, []);
}
