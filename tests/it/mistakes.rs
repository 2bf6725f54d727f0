//! Mistakes that would reach customers, or lose their leads: each is a fault at its place, with what to write instead.

use serri_relay::config::diagnostic::Severity;
use serri_relay::config::interpolate::Variables;
use serri_relay::route::check::check;

use crate::cli::relay;
use crate::world::Setup;

const HEAD: &str = "source: generic\nauth: bearer\nsecret: s3cret-for-tests\n";

/// A route with one rule, of which these lines stand for the usual ones.
fn route(lines: &str) -> String {
    let given: Vec<&str> = lines.lines().collect();
    let mut text = format!("{HEAD}sends:\n  - name: r\n");
    for usual in ["campaignName: c", "destination: \"{{ contact.phone }}\"", "userName: Asha"] {
        let key = usual.split(':').next().unwrap();
        let is_given = given.iter().any(|line| line.starts_with(&format!("{key}:")));
        if !is_given && !lines.contains("suppress:") {
            text.push_str(&format!("    {usual}\n"));
        }
    }
    given.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
    text
}

/// The faults of a directory, a line for each, with the directory's name left out.
fn faults(setup: &Setup) -> Vec<String> {
    let (_, diagnostics) = check(&setup.config(), &Variables::default());
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let here = setup.config().display().to_string();
    errors.map(|error| error.one_line().replace(&here, "config")).collect()
}

/// What is said of each case.
fn report(cases: &[(&str, Setup)]) -> String {
    let mut report = String::new();
    for (name, setup) in cases {
        let faults = faults(setup);
        assert!(!faults.is_empty(), "`{name}` passes");
        assert!(faults.iter().all(|fault| fault.starts_with("config/")), "`{name}` has no place: {faults:#?}");
        report.push_str(&format!("# {}\n{}\n\n", name.replace('\n', " | "), faults.join("\n")));
    }
    report
}

fn written(setup: Setup) -> Setup {
    setup.write("http://127.0.0.1:9/");
    setup
}

#[test]
fn a_value_that_would_be_sent_as_its_name_is_a_fault() {
    let rules = [
        "templateParams: [event.city]",
        "templateParams: event.params",
        "templateParams: [Asha, 'event[\"Your City\"]']",
        "templateParams: ['{event.city}']",
        "templateParams: [{event.city}]",
        "templateParams: [{{ event.city }}]",
        "destination: {{ contact.phone }}",
        "templateParams: ['Hi {first_name}']",
        "templateParams: ['{{1}}']",
        "templateParams:\n  - |\n    Hi\n    {contact.name}",
        "templateParams: ['Hello event.first_name!', Event.city, 'Dear [[event.name]],', <<event.city>>, '{{ event.city }}}']",
        "templateParams: ['Use $SAVE_20 today', $SAVE20]",
        "destination: event.phone",
        "destination: phone",
        "destination: '12345'",
        "destination: '{contact.phone}'",
        "destination: 0501234567\ndefault_country: IN",
        "campaignName: event.campaign",
        "userName: contact.first_name | default('there')",
        "source: '{event.utm_source}'",
        "default_country: event.country",
        "tags: [lead, event.plan]",
        "attributes: { city: event.city }",
        "paramsFallbackValue: { FirstName: contact.name }",
        "media: { url: event.url, filename: event.file }",
        "location: { latitude: event.lat, longitude: event.lng }",
        "buttons: [{ type: button, sub_type: url, index: 0, parameters: [{ type: text, text: event.code }] }]",
        "key: event.order_id",
        "suppress: add\ndestination: event.phone",
        "when: '{{ event.paid }}'",
        "for_each: '{event.items}'",
        "when: event.your-phone == 'x'",
        "destination: '{{ event.your-phone }}'",
        "destination: '{{ event.Your Phone }}'",
        "destination: event.your-phone",
        "templateParams: ['{{ event.fields.Full Name | title_case }}']",
    ];
    let cases: Vec<(&str, Setup)> =
        rules.iter().map(|rule| (*rule, written(Setup::new().route("r", &route(rule))))).collect();
    insta::assert_snapshot!("mistakes_in_rules", report(&cases));
}

#[test]
fn a_text_that_only_looks_like_a_value_passes() {
    let texts = [
        "Pune",
        "event",
        "contact",
        "100% {free}",
        "{1}",
        "event.com",
        "Visit event.com today",
        "contact us",
        "The event. Be there",
        "$FirstName",
        "US$20",
        "costs $USD 20",
        "https://event.example/x",
        "a | b",
        "{{ 'event.city' }}",
        "{{ event.total-1 }}",
        "{{ event.total - event.discount }}",
        "{{ event[\"your-phone\"] }}",
        "{% raw %}{ event }{% endraw %}",
        "{% raw %}{{1}}{% endraw %}",
        "{# fills {{1}} #}Pune",
        "{{ 'event.signup' }}",
        "{{ '$SAVE20' }}",
        "{{ 'use $SAVE_20 today' }}",
        "see event.example.com",
        "write to contact.name@example.com",
        "Rs.500 an item.",
    ];
    for text in texts {
        let quoted = serde_json::Value::from(text).to_string();
        let rule = format!(
            "campaignName: {quoted}\nuserName: {quoted}\ntemplateParams: [{quoted}]\ntags: [{quoted}]\nattributes: {{ a: {quoted} }}\nmedia: {{ url: \"https://cdn.example.com/a.pdf\", filename: {quoted} }}"
        );
        assert_eq!(faults(&written(Setup::new().route("r", &route(&rule)))), Vec::<String>::new(), "{text}");
    }
    for rule in [
        "destination: 98123 45670",
        "destination: \"+1 702 234 5678\"",
        "destination: 050 123 4567\ndefault_country: AE",
        "destination: 050 123 4567\ndefault_country: '{{ event.country }}'",
        "destination: '+91{{ event.mobile }}'",
        "when: '{\"a\": event.paid}'\ndestination: '{{ event.phone }}'",
        "buttons: []\ncarouselCards: []",
        "location: { latitude: -18, longitude: '180' }",
        "location: { latitude: '{{ event.lat }}', longitude: '{{ event.lng }}' }",
        "buttons: [{ type: button, sub_type: \"{{ event.kind }}\", index: \"{{ event.at }}\", parameters: [{ type: text, text: x }] }]",
    ] {
        assert_eq!(faults(&written(Setup::new().route("r", &route(rule)))), Vec::<String>::new(), "{rule}");
    }
}

#[test]
fn a_text_that_is_quoted_reaches_people_as_it_is() {
    let rule = "campaignName: \"{{ 'event.signup' }}\"\ntags: [\"{{ 'event.signup' }}\"]\ntemplateParams: [\"{{ '$SAVE20' }}\", \"Use {{ '$SAVE_20' }}\", \"{% raw %}{{1}}{% endraw %}\"]";
    let expected =
        "{ campaignName: event.signup, tags: [event.signup], templateParams: [$SAVE20, Use $SAVE_20, '{{1}}'] }";
    let with = |expected: &str| {
        let examples =
            format!("examples:\n  - name: e\n    body: {{ phone: '9812345670' }}\n    sends: [{expected}]\n");
        faults(&written(Setup::new().route("r", &format!("{}default_country: IN\n{examples}", route(rule)))))
    };
    assert_eq!(with(expected), Vec::<String>::new());
    assert_ne!(with(&expected.replace("$SAVE20", "SAVE20")), Vec::<String>::new());
}

#[test]
fn buttons_cards_places_and_media_of_another_shape_are_faults() {
    let rules = [
        "buttons: [{ type: quick_reply, text: 'Yes' }]",
        "buttons: [{ type: button, sub_type: link, index: 0, parameters: [{ type: text, text: x }] }]",
        "buttons: [{ type: button, sub_type: url, parameters: [{ type: text, text: x }] }]",
        "buttons: [{ type: button, sub_type: url, index: 0 }]",
        "buttons: [{ type: button, sub_type: url, index: 0, parameters: [] }]",
        "buttons: [{ type: button, sub_type: url, index: 0, parameters: [{ type: text, text: 123456 }] }]",
        "buttons: [{ type: button, sub_type: url, index: 0, parameters: [{ type: payload, payload: x }] }]",
        "buttons: [{ type: button, sub_type: quick_reply, index: 12, parameters: [{ type: payload, payload: '' }] }]",
        "buttons: [{ type: button, sub_type: copy_code, index: 0, parameters: [{ type: text, text: SAVE10 }] }]",
        "buttons:\n  - { type: button, sub_type: quick_reply, index: 0, parameters: [{ type: payload, payload: a }] }\n  - { type: button, sub_type: quick_reply, index: 0, parameters: [{ type: payload, payload: b }] }",
        "buttons: [Yes, No]",
        "buttons: { type: button, sub_type: url }",
        "carouselCards: [{ title: Kurta, image: 'https://cdn.example.com/a.jpg' }]",
        "carouselCards: [{ card_index: 0, components: [{ type: body, text: x }] }]",
        "carouselCards: [{ card_index: 0, components: [{ type: header, parameters: [{ type: image, image: 'https://cdn.example.com/a.jpg' }] }] }]",
        "carouselCards: [{ card_index: 0, components: [{ type: header, parameters: [{ type: image, image: { link: 'http://localhost/a.jpg' } }] }] }]",
        "carouselCards: [{ card_index: 0, components: [{ type: header, parameters: [{ type: image, image: {} }] }, { type: footer }] }]",
        "carouselCards: [{ card_index: 0, components: [] }, { card_index: 0, components: [{ type: button, sub_type: url, parameters: x }] }]",
        "location: { name: Our shop }",
        "location: { latitude: 91, longitude: '73,85' }",
        "location: { latitude: '', longitude: 73.85 }",
        "location: { lat: 18.5, lng: 73.8 }",
        "media: { filename: a.pdf }",
        "media: { url: '' }",
        "media: { link: 'https://cdn.example.com/a.pdf' }",
        "media: 'https://cdn.example.com/a.pdf'",
    ];
    let cases: Vec<(&str, Setup)> =
        rules.iter().map(|rule| (*rule, written(Setup::new().route("r", &route(rule))))).collect();
    insta::assert_snapshot!("mistakes_of_shape", report(&cases));
}

#[test]
fn a_condition_that_does_not_look_at_the_event_is_a_fault() {
    let rules = [
        "when: event.a == \"x\" or \"y\"",
        "when: '\"paid\"'",
        "when: event.a = \"x\"",
        "when: event.a == \"x\", \"y\"",
        "when: event.a != 1 and 2",
        "when: \"'event.status' == 'paid'\"",
        "when: event.status == (\"paid\" or \"shipped\")",
        "when: >-\n  event.kind == \"a\"\n  and (event.status == \"paid\"\n  or \"shipped\")",
        "when: 1",
        "key: '{{ event.id }}'\ncancel_on: meta.type == \"paid\" or \"refunded\"",
        "suppress: add\nwhen: meta.type == \"stop\" or \"unsubscribe\"\ndestination: '{{ contact.phone }}'",
        "templateParams: ['{% if event.a == \"x\" or \"y\" %}Hi{% endif %}', '{{ \"a\" if event.a == \"x\" or \"y\" else \"b\" }}']",
    ];
    let mut cases: Vec<(&str, Setup)> =
        rules.iter().map(|rule| (*rule, written(Setup::new().route("r", &route(rule))))).collect();
    for (name, lines) in [
        ("a test of the sender's own", "test: event.email == 'qa@example.com' or 'test@example.com'\n"),
        (
            "a lookup",
            "enrich: { when: '\"lead\"', base: https://api.example.com, path: /a, into: lead, token: 0123456789abcdef }\n",
        ),
        ("a call that is no event", "handshake: [{ ignore: meta.type == 'ping' or 'pong' }]\n"),
    ] {
        cases.push((name, written(Setup::new().route("r", &format!("{HEAD}{lines}sends: []\n")))));
    }
    insta::assert_snapshot!("mistakes_in_conditions", report(&cases));
    for fine in ["when: true", "when: 'false'", "when: (event.a or \"x\") == \"x\"", "when: event.a"] {
        assert_eq!(faults(&written(Setup::new().route("r", &route(fine)))), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn a_variable_without_braces_is_a_fault_in_every_file() {
    let of_route = |name: &'static str, text: &str| (name, written(Setup::new().route("r", text)));
    let bare = |text: &str| format!("{HEAD}{text}sends: []\n").replace("secret: s3cret-for-tests\n", "");
    let relay = |name: &'static str, text: &str| (name, Setup::new().file("relay.yaml", text));
    let source = "title: Mine\nbody: json\nabout: costs $MY_PRICE\nscript: 'echo $MY_TOKEN'\nauth: { header: { name: X-Key, value: $MY_KEY } }\nsamples: { a: { body: { note: pay to $MY_ACCOUNT } } }\n";
    let cases = [
        of_route("the secret of a route", &bare("secret: $SHOP_SECRET\n")),
        of_route("one of several", &bare("secret: [$(NEW_SECRET), old-secret-0123456789]\n")),
        of_route("a token to verify", &bare("secret: ${UNSET:-s3cret-for-tests}\nverify_token: $VERIFY\n")),
        of_route("a rule", &route("templateParams: ['Call $SHOP_PHONE', $CITY]")),
        of_route("a value as JavaScript writes it", &route("templateParams: ['Hi ${event.city}']")),
        relay("the key of an account", "accounts: { default: { api_key: $SERRI_API_KEY } }\n"),
        relay("the token of the admin listener", "admin:\n  token: $ADMIN_TOKEN\n"),
        relay("an address", "server: { public_url: 'https://$HOST' }\n"),
        relay("the store", "store: { url: 'sqlite:$DATA/relay.db' }\n"),
        ("a source", written(Setup::new().file("sources/mine.yaml", source).route("r", "source: mine\nsends: []\n"))),
    ];
    insta::assert_snapshot!("mistakes_with_variables", report(&cases));
}

#[test]
fn a_secret_that_nothing_is_proven_with_is_a_fault() {
    let of_route = |name: &'static str, text: &str| (name, written(Setup::new().route("r", text)));
    let cases = [
        of_route("a source with a key of its own", "source: gohighlevel\nsecret: s3cret-for-tests\nsends: []\n"),
        of_route(
            "ways with values of their own",
            "source: generic\nauth:\n  - { header: { name: X-Key, value: 0123456789abcdef } }\n  - { bearer: fedcba9876543210 }\nsecret: s3cret-for-tests\nsends: []\n",
        ),
    ];
    insta::assert_snapshot!("mistakes_with_secrets", report(&cases));
    for used in [
        "source: gohighlevel\nsends: []\n",
        "source: generic\nauth: [bearer, { header: { name: X-Key, value: 0123456789abcdef } }]\nsecret: s3cret-for-tests\nsends: []\n",
        "source: generic\nauth: { header: { name: X-Key, value: 0123456789abcdef } }\nhandshake: [{ challenge: { query: q, signed: s } }]\nsecret: s3cret-for-tests\nsends: []\n",
    ] {
        assert_eq!(faults(&written(Setup::new().route("r", used))), Vec::<String>::new(), "{used}");
    }
}

#[test]
fn a_file_that_is_not_read_is_a_fault() {
    let well = || Setup::new().route("r", &route(""));
    let looped = |setup: Setup, path: &str| {
        let path = setup.config().join(path);
        let _ = std::fs::remove_dir(&path);
        std::os::unix::fs::symlink(&path, &path).unwrap();
        setup
    };
    let bytes = written(well());
    std::fs::write(bytes.config().join("routes/latin.yaml"), b"source: caf\xe9\n").unwrap();
    let cases = [
        ("a route two directories down", written(well().file("routes/acme/in/form.yml", "source: [\n"))),
        ("a source in a sub-folder", written(well().file("sources/acme/mine.yaml", "title: Mine\n"))),
        ("an ending in capitals", written(well().file("routes/SHOP.YAML", &route("")))),
        ("no settings", well()),
        ("settings under another name", well().file("relay.yml", "server: {}\n")),
        ("settings that cannot be read", looped(well(), "relay.yaml")),
        ("a directory for settings", well().file("relay.yaml/x", "")),
        ("routes that cannot be listed", written(looped(Setup::new(), "routes"))),
        ("sources that are a file", written(well().file("sources", ""))),
        ("a route that cannot be read", written(looped(well(), "routes/shop.yaml"))),
        (
            "a sub-folder that cannot be listed",
            written(looped(well().file("routes/acme/a.txt", ""), "routes/acme/b.yaml")),
        ),
        ("a route that is a directory", written(well().file("routes/shop.yaml/x", ""))),
        ("a route that is not UTF-8", bytes),
        ("a route whose name is no part of an address", written(well().file("routes/my shop.yaml", &route("")))),
    ];
    insta::assert_snapshot!("mistakes_with_files", report(&cases));
    // how Kubernetes mounts a ConfigMap, what editors and git keep, notes; and settings that say nothing
    let setup = well()
        .file("routes/..2026_11_30/r.yaml", &route(""))
        .file("routes/.git/x.yaml", "")
        .file("routes/notes/README.md", "")
        .file("routes/r.yaml.bak", "")
        .file("relay.yaml", "# nothing\n");
    std::os::unix::fs::symlink("..2026_11_30", setup.config().join("routes/..data")).unwrap();
    assert_eq!(faults(&setup), Vec::<String>::new());
}

#[test]
fn nothing_takes_calls_and_nothing_is_tried_with_such_a_mistake() {
    let bare = HEAD.replace("s3cret-for-tests", "$SHOP_SECRET");
    let cases = [
        ("a name", written(Setup::new().route("r", &route("templateParams: [event.city]")))),
        ("a number", written(Setup::new().route("r", &route("destination: phone")))),
        ("a button", written(Setup::new().route("r", &route("buttons: [{ type: url }]")))),
        ("a variable", written(Setup::new().route("r", &format!("{bare}sends: []\n")))),
        ("a secret", written(Setup::new().route("r", "source: gohighlevel\nsecret: s3cret-for-tests\nsends: []\n"))),
        ("no settings", Setup::new().route("r", &route(""))),
        ("a sub-folder", written(Setup::new().file("routes/acme/in/r.yaml", &route("")))),
    ];
    for (name, setup) in &cases {
        for command in [&["check"][..], &["try", "r", "lead"]] {
            let output = relay(&setup.config(), command);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{name}: {command:?}: {said}");
            assert!(said.contains("error: ") && said.contains("config/"), "{name}: {command:?}: {said}");
            assert!(output.stdout.is_empty(), "{name}: {command:?} goes on");
        }
        // what a relay would start with: nothing, or other routes
        if let Ok(loaded) = setup.origin().load(None) {
            assert!(!loaded.faulty.is_empty() && loaded.checked.routes.is_empty(), "{name}");
        }
    }
}
