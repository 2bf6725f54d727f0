//! Schemes against the vectors their vendors published, and against everything that is not a proof.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::json;
use serri_relay::authenticate::{Authentication, Given, Refusal, compile, sign};
use serri_relay::call::Call;
use serri_relay::clock::Timestamp;
use serri_relay::config::auth::AuthSpec;
use serri_relay::config::diagnostic::{Place, Source};
use serri_relay::config::one_or_many::OneOrMany;
use serri_relay::config::source::BodyFormat;

const NOW: Timestamp = Timestamp(1_767_085_200_000);

fn compiled(auth: serde_json::Value, secrets: &[&str]) -> Result<Authentication, Vec<String>> {
    compiled_at(auth, secrets, Some("https://hooks.example.com"))
}

fn compiled_at(
    auth: serde_json::Value,
    secrets: &[&str],
    public_url: Option<&str>,
) -> Result<Authentication, Vec<String>> {
    let auth: OneOrMany<AuthSpec> = serde_json::from_value(auth).unwrap();
    let secret = (!secrets.is_empty()).then(|| OneOrMany::Many(secrets.iter().map(ToString::to_string).collect()));
    let place = Place::start_of(std::sync::Arc::new(Source::new("t.yaml", "")));
    let given = Given {
        route: "t",
        auth: Some(&auth),
        secret: secret.as_ref(),
        is_secret_shared: false,
        format: BodyFormat::Any,
        public_url,
        place: &place,
    };
    compile(&given).map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
}

fn call(method: Method, uri: &str, headers: &[(&str, &str)], body: &str) -> Call {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    Call {
        method,
        uri: uri.parse().unwrap(),
        headers: map,
        body: Bytes::copy_from_slice(body.as_bytes()),
        packed: None,
    }
}

fn post(headers: &[(&str, &str)], body: &str) -> Call {
    call(Method::POST, "/webhooks/x", headers, body)
}

fn proven(auth: &Authentication, call: Call, now: Timestamp) -> Result<(), Refusal> {
    auth.prove(call, now).map(drop)
}

#[test]
fn vendors_own_vectors_are_accepted() {
    let hubspot_v1 = r#"[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]"#;
    let slack = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let hub = "It's a Secret to Everybody";
    let hex = |header: &str, prefix: Option<&str>| json!({"hmac": {"header": header, "prefix": prefix}});
    let yyyy = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
    let vectors: Vec<(&str, serde_json::Value, &str, Vec<(&str, &str)>, &str, i64)> = vec![
        (
            "V2 HubSpot v1",
            json!({"hash": {"header": "x-hubspot-signature", "over": ["secret", "body"]}}),
            yyyy,
            vec![("x-hubspot-signature", "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de")],
            hubspot_v1,
            0,
        ),
        (
            "V5 Razorpay",
            hex("x-razorpay-signature", None),
            "123456",
            vec![("x-razorpay-signature", "2fe04e22977002e6c7cb553adab8b460cb9e2a4970d5953cb27a8472752e3bbc")],
            r#"{"a":1,"b":2,"c":{"d":3}}"#,
            0,
        ),
        (
            "V9 Standard Webhooks",
            json!("standard-webhooks"),
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            vec![
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ],
            r#"{"test": 2432232314}"#,
            1_614_265_330,
        ),
        (
            "V10 Standard Webhooks",
            json!("standard-webhooks"),
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            vec![
                ("svix-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
                ("svix-timestamp", "1649367553"),
                ("svix-signature", "v1,xx v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw= v2,yy"),
            ],
            r#"{"email":"test@example.com","username":"test_user"}"#,
            1_649_367_553,
        ),
        (
            "V11 Hub",
            hex("x-hub-signature-256", Some("sha256=")),
            hub,
            vec![("x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")],
            "Hello, World!",
            0,
        ),
        (
            "V12 Slack",
            json!({"hmac": {"header": "x-slack-signature", "prefix": "v0=", "over": [{"literal": "v0:"}, "timestamp", {"literal": ":"}, "body"], "timestamp": {"header": "x-slack-request-timestamp"}}}),
            "8f742231b10e8888abcd99yyyzzz85a5",
            vec![
                ("x-slack-request-timestamp", "1531420618"),
                ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
            ],
            slack,
            1_531_420_618,
        ),
        (
            "V16 Bitbucket",
            hex("x-hub-signature", Some("sha256=")),
            hub,
            vec![("x-hub-signature", "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9")],
            "Hello World!",
            0,
        ),
        (
            "V17 Mux, Stripe, Calendly",
            json!({"hmac": {"header": "mux-signature", "over": ["timestamp", {"literal": "."}, "body"], "list": {"signature": "v1", "timestamp": "t"}}}),
            "SuperSecret123",
            vec![("mux-signature", "t=1591664030,v1=e43496b6aae982c4c2fd6f8e92935f1d90216f1f64d56024e72390acfb988272")],
            "payload",
            1_591_664_030,
        ),
        (
            "V18 Razorpay",
            hex("x-razorpay-signature", None),
            "123456",
            vec![("x-razorpay-signature", "ee0a3edebeb4be41bafa3bc0a39069d7845a5c37760b863405049de80b5fe92d")],
            "{a:1, b:2}",
            0,
        ),
        (
            "V19 Razorpay",
            hex("x-razorpay-signature", None),
            "123456",
            vec![("x-razorpay-signature", "58fd9fac909b57d776606e9313e83a26a9e67a3488b9ca7259134e09f4badfb1")],
            "{c:1, d:2}",
            0,
        ),
        (
            "Intercom",
            json!({"hmac": {"header": "x-hub-signature", "digest": "sha1", "prefix": "sha1="}}),
            "intercom-client-secret-for-testing",
            vec![("x-hub-signature", "sha1=cbf9bf16f89d9cf089ee3500c5ba94595b3aedcd")],
            r#"{"type":"notification_event","app_id":"abc123","data":{"type":"notification_event_data","item":{"type":"ticket","id":"5"}}}"#,
            0,
        ),
        (
            "Shopify, WooCommerce",
            json!({"hmac": {"header": "x-shopify-hmac-sha256", "encoding": "base64"}}),
            hub,
            vec![("x-shopify-hmac-sha256", "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=")],
            "Hello, World!",
            0,
        ),
        (
            "Zendesk",
            json!({"hmac": {"header": "x-zendesk-webhook-signature", "encoding": "base64", "over": ["timestamp", "body"], "timestamp": {"header": "x-zendesk-webhook-signature-timestamp", "unit": "rfc3339"}}}),
            "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
            vec![
                ("x-zendesk-webhook-signature-timestamp", "2021-03-25T05:09:27Z"),
                ("x-zendesk-webhook-signature", "S/RDdU2ERmj7LHDDoWJ2onPYH+t7/f2+LTM4dL7UiLM="),
            ],
            r#"{"event":"ticket.updated","id":123}"#,
            1_616_648_967,
        ),
    ];
    for (name, auth, secret, headers, body, at_s) in vectors {
        let auth = compiled(
            auth,
            &["an-older-secret-that-still-counts-000", secret]
                .map(|s| if name.contains("Standard") && s.starts_with("an-") { "whsec_AAAA" } else { s }),
        )
        .expect(name);
        let now = Timestamp(at_s * 1_000 + 60_000);
        assert_eq!(proven(&auth, post(&headers, body), now), Ok(()), "{name}");
        assert_eq!(
            proven(&auth, post(&headers, &body.replacen(['1', 'a', 'p', 'H'], "~", 1)), now),
            Err(Refusal::Wrong),
            "{name}: one byte changed"
        );
        assert_eq!(proven(&auth, post(&[], body), now), Err(Refusal::Missing), "{name}: no header");
        for junk in ["N/A", "no-secret-provided", "", "%%%"] {
            let mut junked = headers.clone();
            junked.last_mut().unwrap().1 = junk;
            assert!(proven(&auth, post(&junked, body), now).is_err(), "{name}: {junk}");
        }
        if headers.len() > 1 || name.contains("V17") {
            assert_eq!(
                proven(&auth, post(&headers, body), Timestamp(now.0 + 600_000)),
                Err(Refusal::Stale),
                "{name}: too old"
            );
            assert_eq!(
                proven(&auth, post(&headers, body), Timestamp(now.0 - 600_000)),
                Err(Refusal::Stale),
                "{name}: from the future"
            );
        }
    }
}

#[test]
fn the_url_is_signed_as_the_sender_was_given_it() {
    let v3 = json!({"hmac": {"header": "x-hubspot-signature-v3", "encoding": "base64", "over": ["method", {"unescaped": ":/?@!$'()*,;"}, "body", "timestamp"], "timestamp": {"header": "x-hubspot-request-timestamp", "unit": "ms"}}});
    let body = r#"[{"eventId":531833541,"subscriptionId":3923621,"portalId":48807704,"appId":16111050,"occurredAt":1752613920733,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":138017612137,"changeFlag":"CREATED","changeSource":"CRM_UI","sourceId":"userId:76023669"}]"#;
    let auth = compiled_at(v3, &["cfc68c0b-4b4e-4ef8-b764-95350e4ea479"], Some("https://webhook.site")).unwrap();
    let headers = [
        ("x-hubspot-request-timestamp", "1752613922216"),
        ("x-hubspot-signature-v3", "gbj1XPRvUt0noT7i7fXfTzOD4sLzQmf0VT28ZYq0EYg="),
        ("host", "evil.example"),
    ];
    let v1 = call(Method::POST, "/335453f5-94b3-49d9-b684-a55354d4b8df", &headers, body);
    assert_eq!(proven(&auth, v1, Timestamp(1_752_613_922_216)), Ok(()));

    let v2 = json!({"hash": {"header": "x-hubspot-signature", "over": ["secret", "method", "url", "body"]}});
    let auth = compiled_at(v2, &["yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"], Some("https://www.example.com/")).unwrap();
    let of = |method, signature, body| call(method, "/webhook_uri", &[("x-hubspot-signature", signature)], body);
    assert_eq!(
        proven(&auth, of(Method::GET, "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e", ""), NOW),
        Ok(())
    );
    let body = r#"{"example_field":"example_value"}"#;
    assert_eq!(
        proven(&auth, of(Method::POST, "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900", body), NOW),
        Ok(())
    );
}

#[test]
fn keys_are_text_hex_or_base64_and_several_may_be_valid() {
    for key in ["text", "hex", "base64"] {
        let spec = json!({"hmac": {"header": "close-sig-hash", "key": key, "over": ["timestamp", "body"], "timestamp": {"header": "close-sig-timestamp"}}});
        let secret = "058bfb6a3d8cfdc4da7c3be5901b16ae11da982b46a25fb2cd7016e97a140a1c";
        let auth = compiled(spec.clone(), &[secret]).unwrap();
        let both = compiled(spec, &["aaaaaaaabbbbbbbbccccccccdddddddd", secret]).unwrap();
        let mut signed = post(&[], "{}");
        sign(&auth, &mut signed, NOW).unwrap();
        assert_eq!(proven(&both, signed.clone(), NOW), Ok(()), "{key}");
        signed.body = Bytes::from_static(b"{ }");
        assert_eq!(proven(&both, signed, NOW), Err(Refusal::Wrong), "{key}");
    }
    // Close publishes this pair without its body: well-formed, and wrong for any other
    let close = json!({"hmac": {"header": "close-sig-hash", "key": "hex", "over": ["timestamp", "body"], "timestamp": {"header": "close-sig-timestamp"}}});
    let auth = compiled(close, &["058bfb6a3d8cfdc4da7c3be5901b16ae11da982b46a25fb2cd7016e97a140a1c"]).unwrap();
    let headers = [
        ("close-sig-timestamp", "1544271440"),
        ("close-sig-hash", "aa4fea8d4b74a0790e6b0dc2214db9d4d7651cb3e23f53caea499defd71ee431"),
    ];
    assert_eq!(proven(&auth, post(&headers, "{}"), Timestamp(1_544_271_440_000)), Err(Refusal::Wrong));
}

#[test]
fn ed25519_is_verified_with_the_public_key_in_any_of_its_forms() {
    let pair =
        Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref()).unwrap();
    let raw = pair.public_key().as_ref();
    let spki = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], raw].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&spki));
    let hex = raw.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let signature = STANDARD.encode(pair.sign(b"{\"a\":1}"));
    for key in [STANDARD.encode(raw), STANDARD.encode(&spki), pem, hex] {
        let auth = compiled(json!({"ed25519": {"header": "x-ghl-signature", "encoding": "base64"}}), &[&key]).unwrap();
        assert_eq!(proven(&auth, post(&[("x-ghl-signature", &signature)], "{\"a\":1}"), NOW), Ok(()));
        assert_eq!(proven(&auth, post(&[("x-ghl-signature", &signature)], "{\"a\":2}"), NOW), Err(Refusal::Wrong));
        assert!(proven(&auth, post(&[("x-ghl-signature", "N/A")], "{\"a\":1}"), NOW).is_err());
    }
    // the key that HighLevel publishes
    assert!(
        compiled(
            json!({"ed25519": {"header": "x-ghl-signature"}}),
            &["MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg="]
        )
        .is_ok()
    );
    assert!(compiled(json!({"ed25519": {"header": "x"}}), &["not a key"]).is_err());
}

#[test]
fn a_public_key_never_serves_as_an_hmac_key() {
    let pair =
        Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref()).unwrap();
    let public = STANDARD.encode(pair.public_key().as_ref());
    let auth = compiled(json!("standard-webhooks"), &[&format!("whpk_{public}")]).unwrap();
    // what somebody who knows the public key could make
    let forged = compiled(json!("standard-webhooks"), &[&format!("whsec_{public}")]).unwrap();
    let mut call = post(&[("webhook-id", "m1")], "{}");
    sign(&forged, &mut call, NOW).unwrap();
    assert!(proven(&auth, call, NOW).is_err());
    let signature = format!("v1a,{}", STANDARD.encode(pair.sign(b"m1.1767085200.{}")));
    let call =
        post(&[("webhook-id", "m1"), ("webhook-timestamp", "1767085200"), ("webhook-signature", &signature)], "{}");
    assert_eq!(proven(&auth, call, NOW), Ok(()));
}

#[test]
fn shared_secrets_stand_where_the_sender_can_put_them() {
    let ways = [
        json!("bearer"),
        json!({"basic": {"user": "pipe"}}),
        json!({"header": {"name": "X-Api-Key"}}),
        json!({"query": {"name": "key"}}),
    ];
    for way in ways {
        let auth = compiled(way.clone(), &["old-s3cret", "s3cret"]).unwrap();
        let other = compiled(way.clone(), &["wrong"]).unwrap();
        let right = compiled(way.clone(), &["s3cret"]).unwrap();
        let (mut good, mut bad) = (post(&[], "{}"), post(&[], "{}"));
        sign(&right, &mut good, NOW).unwrap();
        sign(&other, &mut bad, NOW).unwrap();
        assert_eq!(proven(&auth, good, NOW), Ok(()), "{way}");
        assert_eq!(proven(&auth, bad, NOW), Err(Refusal::Wrong), "{way}");
        assert_eq!(proven(&auth, post(&[], "{}"), NOW), Err(Refusal::Missing), "{way}");
    }
    let field = compiled(json!({"field": {"path": "auth.application_token"}}), &["s3cret"]).unwrap();
    let form = |body| post(&[("content-type", "application/x-www-form-urlencoded")], body);
    assert_eq!(proven(&field, form("auth[application_token]=s3cret&a=1"), NOW), Ok(()));
    assert_eq!(proven(&field, form("auth[application_token]=other"), NOW), Err(Refusal::Wrong));
    assert_eq!(proven(&field, form("a=1"), NOW), Err(Refusal::Missing));
    let twice = compiled(json!({"query": {"name": "key"}}), &["s3cret"]).unwrap();
    assert_eq!(proven(&twice, call(Method::POST, "/x?key=wrong&key=s3cret", &[], "{}"), NOW), Err(Refusal::Malformed));
}

#[test]
fn a_secret_in_the_path_is_compared_whole_and_only_its_percent_escapes_are_undone() {
    const OF_ALL_KINDS: &str = "a+b=c&d/e f%é";
    let auth = compiled(json!("path"), &["old-s3cret", OF_ALL_KINDS]).unwrap();
    let comes_to = |address: &str| proven(&auth, call(Method::POST, address, &[], "{}"), NOW);
    for (address, result) in [
        ("/webhooks/r/old-s3cret", Ok(())),
        ("/webhooks/r/old-s3cret/", Ok(())),
        ("/webhooks/r/old-s3cret?a=1", Ok(())),
        ("/webhooks/r/old%2Ds3cret", Ok(())),
        ("/webhooks/r/a+b=c&d%2Fe%20f%25%C3%A9", Ok(())),
        ("/webhooks/r/a%2Bb%3dc%26d%2fe%20f%25%c3%a9/", Ok(())),
        // what is not an escape stands for itself
        ("/webhooks/r/a+b=c&d%2Fe%20f%%C3%A9", Ok(())),
        ("/webhooks/r/a+b=c&d%2Fe+f%25%C3%A9", Err(Refusal::Wrong)),
        ("/webhooks/r/a%20b=c&d%2Fe%20f%25%C3%A9", Err(Refusal::Wrong)),
        ("/webhooks/r/a+b", Err(Refusal::Wrong)),
        ("/webhooks/r/old-s3cret=anything", Err(Refusal::Wrong)),
        ("/webhooks/r/old-s3cret&anything", Err(Refusal::Wrong)),
        ("/webhooks/r/old-s3cret/anything", Err(Refusal::Wrong)),
        ("/webhooks/r/old-s3cret//", Err(Refusal::Wrong)),
        ("/webhooks/r/old-s3cret%2F", Err(Refusal::Wrong)),
        ("/webhooks/r/%zz%", Err(Refusal::Wrong)),
        ("/webhooks/r/", Err(Refusal::Missing)),
        ("/webhooks/r", Err(Refusal::Missing)),
        ("/webhooks/r?old-s3cret", Err(Refusal::Missing)),
    ] {
        assert_eq!(comes_to(address), result, "{address}");
    }
    let mut signed = call(Method::POST, "/webhooks/r", &[], "{}");
    let right = compiled(json!("path"), &[OF_ALL_KINDS]).unwrap();
    sign(&right, &mut signed, NOW).unwrap();
    assert_eq!(proven(&auth, signed, NOW), Ok(()));
}

#[test]
fn secrets_in_queries_and_forms_are_decoded_as_forms_are() {
    let query = compiled(json!({"query": {"name": "key"}}), &["a+b =&%"]).unwrap();
    let field = compiled(json!({"field": {"path": "key"}}), &["a+b =&%"]).unwrap();
    let form = |body: &str| post(&[("content-type", "application/x-www-form-urlencoded")], body);
    for (pair, result) in [
        ("key=a%2Bb+%3D%26%25", Ok(())),
        ("key=a%2Bb%20=%26%25", Ok(())),
        ("key=a+b+%3D%26%25", Err(Refusal::Wrong)),
        ("key=a%2Bb+%3D&%25", Err(Refusal::Wrong)),
    ] {
        assert_eq!(
            proven(&query, call(Method::POST, &format!("/webhooks/r?{pair}"), &[], "{}"), NOW),
            result,
            "{pair}"
        );
        assert_eq!(proven(&field, form(pair), NOW), result, "{pair}");
    }
}

#[test]
fn several_ways_may_be_open_and_the_packed_body_may_be_the_signed_one() {
    let auth =
        compiled(json!([{"hmac": {"header": "x-sig"}}, {"header": {"name": "x-key", "value": "k"}}]), &["s3cret"])
            .unwrap();
    assert_eq!(proven(&auth, post(&[("x-key", "k")], "{}"), NOW), Ok(()));
    let mut packed = post(&[], "packed bytes");
    sign(&auth, &mut packed, NOW).unwrap();
    packed.packed = Some(std::mem::replace(&mut packed.body, Bytes::from_static(b"{}")));
    assert_eq!(proven(&auth, packed, NOW), Ok(()));
}

#[test]
fn what_would_prove_nothing_is_a_fault() {
    let faults = |auth, secrets: &[&str]| compiled_at(auth, secrets, None).map(drop).unwrap_err().join("; ");
    assert!(faults(json!("bearer"), &[]).contains("no secret"));
    assert!(faults(json!("bearer"), &["  "]).contains("`secret` is empty"));
    assert!(faults(json!({"hmac": {"header": "x"}}), &[""]).contains("`secret` is empty"));
    assert!(faults(json!({"header": {"name": "x", "value": ""}}), &[]).contains("is empty"));
    assert!(faults(json!("none"), &["s"]).contains("beside a secret"));
    assert!(faults(json!(["none", "bearer"]), &["s"]).contains("beside"));
    assert!(faults(json!({"hmac": {"header": "x", "over": ["url", "body"]}}), &["s"]).contains("public_url"));
    assert!(
        faults(json!({"hmac": {"header": "x", "over": ["timestamp"], "timestamp": {"header": "t"}}}), &["s"])
            .contains("does not cover the body")
    );
    assert!(
        faults(json!({"hmac": {"header": "x", "over": ["timestamp", "body"]}}), &["s"]).contains("nothing says where")
    );
    assert!(faults(json!({"hash": {"header": "x"}}), &["s"]).contains("proves nothing"));
    assert!(faults(json!({"hmac": {"header": "x", "key": "hex"}}), &["not hex"]).contains("not hexadecimal"));
    assert!(faults(json!([]), &[]).contains("empty list"));
}
