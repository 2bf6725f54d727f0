//! The vectors that vendors publish, proven by the recipes of the shipped sources: no recipe of the test's own.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serri_relay::authenticate::{Refusal, sign};
use serri_relay::call::Call;
use serri_relay::clock::Timestamp;
use serri_relay::route::Route;

use crate::world::Setup;

/// A route of this source.
fn of(source: &str, secret: &str, more: &str) -> Arc<Route> {
    let secret =
        if secret.is_empty() { String::new() } else { format!("secret: {}\n", serde_json::Value::from(secret)) };
    let setup = Setup::new().route("r", &format!("source: {source}\n{secret}{more}\nsends: []\n"));
    let host = if source.starts_with("hubspot") && !more.contains("v2") { "webhook.site" } else { "www.example.com" };
    let setup = setup.set(&format!("server.public_url=https://{host}"));
    setup.write("http://127.0.0.1:9/");
    let mut checked = setup.checked();
    checked.routes.remove("r").unwrap()
}

fn call(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Call {
    let pair =
        |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    let headers: HeaderMap = headers.iter().map(pair).collect();
    Call { method, uri: path.parse().unwrap(), headers, body: Bytes::from(body.to_owned()), packed: None }
}

/// One vector: number, source, what the route adds, secret, method, path, headers (the signature last), body, seconds.
type Vector = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Method,
    &'static str,
    Vec<(&'static str, &'static str)>,
    &'static str,
    i64,
);

fn vectors() -> Vec<Vector> {
    let (get, post) = (|| Method::GET, || Method::POST);
    let v1 = r#"[{"eventId":531833541,"subscriptionId":3923621,"portalId":48807704,"appId":16111050,"occurredAt":1752613920733,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":138017612137,"changeFlag":"CREATED","changeSource":"CRM_UI","sourceId":"userId:76023669"}]"#;
    let v2 = r#"[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]"#;
    // as the comment in the source's file says it
    let hash_v1 =
        "auth: { hash: { header: X-HubSpot-Signature, digest: sha256, encoding: hex, over: [secret, body] } }";
    let hash_v2 = "auth: { hash: { header: X-HubSpot-Signature, digest: sha256, encoding: hex, over: [secret, method, url, body] } } # v2";
    let yyyy = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
    let hub = "It's a Secret to Everybody";
    let meta = "verify_token: a-token-to-verify";
    let payment = "EnLs21M47BllR3X8PSFtjtbd";
    let razorpay = |signature| vec![("x-razorpay-signature", signature)];
    let standard =
        |id, at, signature| vec![("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)];
    let svix = |id, at, signature| vec![("svix-id", id), ("svix-timestamp", at), ("svix-signature", signature)];
    let mux = "t=1591664030,v1=e43496b6aae982c4c2fd6f8e92935f1d90216f1f64d56024e72390acfb988272";
    let hooked = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    vec![
        (
            "V1",
            "hubspot",
            "",
            "cfc68c0b-4b4e-4ef8-b764-95350e4ea479",
            post(),
            "/335453f5-94b3-49d9-b684-a55354d4b8df",
            vec![
                ("x-hubspot-request-timestamp", "1752613922216"),
                ("x-hubspot-signature-v3", "gbj1XPRvUt0noT7i7fXfTzOD4sLzQmf0VT28ZYq0EYg="),
            ],
            v1,
            1_752_613_922,
        ),
        (
            "V2",
            "hubspot",
            hash_v1,
            yyyy,
            post(),
            "/x",
            vec![("x-hubspot-signature", "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de")],
            v2,
            0,
        ),
        (
            "V3",
            "hubspot",
            hash_v2,
            yyyy,
            get(),
            "/webhook_uri",
            vec![("x-hubspot-signature", "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e")],
            "",
            0,
        ),
        (
            "V4",
            "hubspot",
            hash_v2,
            yyyy,
            post(),
            "/webhook_uri",
            vec![("x-hubspot-signature", "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900")],
            r#"{"example_field":"example_value"}"#,
            0,
        ),
        (
            "V4 workflow",
            "hubspot-workflow",
            "# v2",
            yyyy,
            post(),
            "/webhook_uri",
            vec![("x-hubspot-signature", "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900")],
            r#"{"example_field":"example_value"}"#,
            0,
        ),
        (
            "V5",
            "razorpay",
            "",
            "123456",
            post(),
            "/x",
            razorpay("2fe04e22977002e6c7cb553adab8b460cb9e2a4970d5953cb27a8472752e3bbc"),
            r#"{"a":1,"b":2,"c":{"d":3}}"#,
            0,
        ),
        (
            "V6",
            "razorpay",
            "",
            payment,
            post(),
            "/x",
            razorpay("0d4e745a1838664ad6c9c9902212a32d627d68e917290b0ad5f08ff4561bc50f"),
            "order_IEIaMR65cu6nz3|pay_IH4NVgf4Dreq1l",
            0,
        ),
        (
            "V7",
            "razorpay",
            "",
            payment,
            post(),
            "/x",
            razorpay("601f383334975c714c91a7d97dd723eb56520318355863dcf3821c0d07a17693"),
            "pay_IDZNwZZFtnjyym|sub_ID6MOhgkcoHj9I",
            0,
        ),
        (
            "V8",
            "razorpay",
            "",
            payment,
            post(),
            "/x",
            razorpay("07ae18789e35093e51d0a491eb9922646f3f82773547e5b0f67ee3f2d3bf7d5b"),
            "plink_IH3cNucfVEgV68|TSsd1989|paid|pay_IH3d0ara9bSsjQ",
            0,
        ),
        (
            "V9",
            "standard-webhooks",
            "",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            post(),
            "/x",
            standard("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", hooked),
            r#"{"test": 2432232314}"#,
            1_614_265_330,
        ),
        (
            "V9 svix",
            "standard-webhooks",
            "",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            post(),
            "/x",
            svix("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", hooked),
            r#"{"test": 2432232314}"#,
            1_614_265_330,
        ),
        (
            "V10",
            "standard-webhooks",
            "",
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            post(),
            "/x",
            standard(
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                "1649367553",
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            r#"{"email":"test@example.com","username":"test_user"}"#,
            1_649_367_553,
        ),
        (
            "V11",
            "meta-leads",
            meta,
            hub,
            post(),
            "/x",
            vec![("x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")],
            "Hello, World!",
            0,
        ),
        (
            "V16",
            "meta-leads",
            meta,
            hub,
            post(),
            "/x",
            vec![("x-hub-signature-256", "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9")],
            "Hello World!",
            0,
        ),
        (
            "V17 Stripe",
            "stripe",
            "",
            "SuperSecret123",
            post(),
            "/x",
            vec![("stripe-signature", mux)],
            "payload",
            1_591_664_030,
        ),
        (
            "V17 Calendly",
            "calendly",
            "",
            "SuperSecret123",
            post(),
            "/x",
            vec![("calendly-webhook-signature", mux)],
            "payload",
            1_591_664_030,
        ),
        (
            "V18",
            "razorpay",
            "",
            "123456",
            post(),
            "/x",
            razorpay("ee0a3edebeb4be41bafa3bc0a39069d7845a5c37760b863405049de80b5fe92d"),
            "{a:1, b:2}",
            0,
        ),
        (
            "V19",
            "razorpay",
            "",
            "123456",
            post(),
            "/x",
            razorpay("58fd9fac909b57d776606e9313e83a26a9e67a3488b9ca7259134e09f4badfb1"),
            "{c:1, d:2}",
            0,
        ),
    ]
}

#[test]
fn what_vendors_publish_is_proven_by_the_shipped_recipes() {
    for (name, source, more, secret, method, path, headers, body, at) in vectors() {
        let auth = of(source, secret, more);
        let now = Timestamp(at * 1_000 + 1_000);
        let given = |headers: &[(&str, &str)], body: &str| {
            auth.authentication.prove(call(method.clone(), path, headers, body), now).map(drop)
        };
        assert_eq!(given(&headers, body), Ok(()), "{name}");
        assert_eq!(given(&headers, &format!("{body} ")), Err(Refusal::Wrong), "{name}: one byte more");
        // but for one letter the same
        let (prefix, rest) = secret.split_at(6);
        let other = if rest.is_empty() {
            format!("{prefix}7")
        } else {
            format!("{prefix}{}", rest.replacen(char::is_alphanumeric, "Z", 1))
        };
        let told =
            of(source, &other, more).authentication.prove(call(method.clone(), path, &headers, body), now).map(drop);
        assert_eq!(told, Err(Refusal::Wrong), "{name}: another secret");
        for junk in ["N/A", "no-secret-provided", ""] {
            let mut junked = headers.clone();
            junked.last_mut().unwrap().1 = junk;
            assert!(given(&junked, body).is_err(), "{name}: {junk}");
        }
        if at > 0 {
            let late = Timestamp(now.0 + 600_000);
            assert_eq!(
                auth.authentication.prove(call(method, path, &headers, body), late).map(drop),
                Err(Refusal::Stale),
                "{name}: too old"
            );
        }
    }
}

#[test]
fn what_vendors_publish_in_part_fits_as_far_as_it_goes() {
    // V13: Close shows key, time and signature, and not the body: well-formed, and wrong for any other
    let close = of("close", "058bfb6a3d8cfdc4da7c3be5901b16ae11da982b46a25fb2cd7016e97a140a1c", "");
    let headers = [
        ("close-sig-timestamp", "1544271440"),
        ("close-sig-hash", "aa4fea8d4b74a0790e6b0dc2214db9d4d7651cb3e23f53caea499defd71ee431"),
    ];
    let told =
        close.authentication.prove(call(Method::POST, "/x", &headers, "{}"), Timestamp(1_544_271_440_000)).map(drop);
    assert_eq!(told, Err(Refusal::Wrong));
    // V14: the secret with which Zendesk signs its test calls, verbatim
    let zendesk = of("zendesk", "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==", "");
    let now = Timestamp(1_767_085_200_000);
    let mut signed = call(Method::POST, "/x", &[], r#"{"event":"test"}"#);
    sign(&zendesk.authentication, &mut signed, now).unwrap();
    assert_eq!(zendesk.authentication.prove(signed, now).map(drop), Ok(()));
    // V15: HighLevel's public key, which the source brings: no route needs a secret, and anything else is refused
    let highlevel = of("gohighlevel", "", "");
    let headers = [(
        "x-ghl-signature",
        "NWv1gGqXQ0AiuTHSzoqL8jbz2yyOdvRJvfTk1yrVAlVkQ3Pbb4k0X1xVg9y8gwz6PZ6Bv0mvmSgL2hl8TB0PBA==",
    )];
    assert_eq!(
        highlevel.authentication.prove(call(Method::POST, "/x", &headers, "{}"), now).map(drop),
        Err(Refusal::Wrong)
    );
}
