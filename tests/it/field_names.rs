//! A contact is found by the names that people give to the fields of their forms.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::map::mapped_of;
use crate::world::Setup;

const RULE: &str = "campaignName: c\ndestination: \"{{ contact.phone }}\"\nuserName: \"{{ contact.name | default('-') }}\"\n\
    templateParams: [\"{{ contact.first_name | default('-') }}\", \"{{ contact.last_name | default('-') }}\", \"{{ contact.email | default('-') }}\", \"{{ contact.country | default('-') }}\"]";

/// Number, name, given name, family name, address and country that a route finds in an event.
pub fn found(head: &str, event: &Value) -> [String; 6] {
    let send = mapped_of(head, RULE, event).remove(0);
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    if send["error"].is_string() {
        return [&send["error"], &Value::Null, &Value::Null, &Value::Null, &Value::Null, &Value::Null].map(text);
    }
    let params = &send["templateParams"];
    [&send["destination"], &send["userName"], &params[0], &params[1], &params[2], &params[3]].map(text)
}

pub fn head(source: &str) -> String {
    format!("source: {source}\nauth: none\nhandshake: none")
}

/// The ways in which sources pack the fields of a form.
pub const SOURCES: [(&str, fn(&Value) -> Value); 14] = [
    ("generic", |fields| fields.clone()),
    ("zapier", |fields| json!({ "data": fields })),
    ("make", |fields| json!({ "contact": fields })),
    ("pabbly", |fields| json!({ "customer": fields })),
    ("contact-form-7", |fields| fields.clone()),
    ("elementor", |fields| fields.clone()),
    ("gravity-forms", |fields| fields.clone()),
    ("wpforms", |fields| fields.clone()),
    (
        "webflow",
        |fields| json!({"triggerType": "form_submission", "payload": {"name": "Contact Form", "id": "1", "data": fields}}),
    ),
    ("google-forms", |fields| json!({"response_id": "1", "answers": fields})),
    ("tally", |fields| json!({"eventId": "1", "data": {"fields": listed(fields, "label", "value")}})),
    ("calendly", |fields| json!({"payload": {"questions_and_answers": listed(fields, "question", "answer")}})),
    ("google-ads", |fields| json!({"lead_id": "1", "user_column_data": listed(fields, "column_name", "string_value")})),
    ("gohighlevel-workflow", |fields| json!({ "customData": fields })),
];

fn listed(fields: &Value, name: &str, value: &str) -> Value {
    fields.as_object().unwrap().iter().map(|(key, filled)| json!({ name: key, value: filled })).collect()
}

#[test]
fn every_form_finds_the_person_whatever_its_fields_are_called() {
    for (fields, expected) in [
        (json!({"Name": "Asha Rao", "WhatsApp Number ": "98123 45670"}), ["Asha Rao", "Asha", "-", "-"]),
        (
            json!({"No Label name": "Asha Rao", "No Label phone": "98123 45670", "No Label email": "a@example.com"}),
            ["Asha Rao", "Asha", "-", "a@example.com"],
        ),
        (json!({"FULL_NAME": "Asha Rao", "PHONE": "+919812345670"}), ["Asha Rao", "Asha", "-", "-"]),
        (
            json!({"First name": "Asha", "Last Name": "Rao", "Mobile no.": "9812345670"}),
            ["Asha Rao", "Asha", "Rao", "-"],
        ),
        (
            json!({"Vorname": "Asha", "Name": "Rao", "Handynummer": "+91 98123 45670", "E-Mail-Adresse": "a@example.com"}),
            ["Asha Rao", "Asha", "-", "a@example.com"],
        ),
        (json!({"Nombre": "Asha", "Apellidos": "Rao", "Teléfono": "9812345670"}), ["Asha Rao", "Asha", "Rao", "-"]),
        (json!({"Nom": "Rao", "Prénom": "Asha", "Téléphone": "9812345670"}), ["Asha Rao", "Asha", "Rao", "-"]),
        (json!({"Nome completo": "Asha Rao", "Celular": "9812345670"}), ["Asha Rao", "Asha", "-", "-"]),
        (json!({"आपका नाम": "आशा राव", "मोबाइल नंबर": "९८१२३४५६७०"}), ["आशा राव", "आशा", "-", "-"]),
        (json!({"الاسم الكامل": "محمد علي", "رقم الجوال": "9812345670"}), ["محمد علي", "محمد", "-", "-"]),
        (json!({"Nama lengkap": "Asha Rao", "No. HP": "9812345670"}), ["Asha Rao", "Asha", "-", "-"]),
        (
            json!({"What is your name?": ["Asha Rao"], "Your phone number *": ["98123 45670"]}),
            ["Asha Rao", "Asha", "-", "-"],
        ),
        (json!({"acme_phone": "9812345670", "acme_full_name": "Asha Rao"}), ["Asha Rao", "Asha", "-", "-"]),
        // a consent is no number, and nobody else's number is taken
        (
            json!({"WhatsApp": "Yes", "Father's mobile": "9812345671", "Mobile": "9812345670", "name": "Asha Rao"}),
            ["Asha Rao", "Asha", "-", "-"],
        ),
    ] {
        for (source, pack) in SOURCES {
            let found = found(&head(source), &pack(&fields));
            let [name, first, last, email] = expected;
            assert_eq!(found, ["+919812345670", name, first, last, email, "-"], "{source}: {fields}");
        }
    }
}

#[test]
fn other_senders_say_names_and_types_elsewhere() {
    for (source, event, expected) in [
        (
            "elementor",
            json!({"form": {"name": "Contact"}, "fields": {"a1": {"id": "a1", "type": "tel", "title": "Your call", "value": "98123 45670"}, "b2": {"id": "b2", "type": "email", "title": "", "value": "a@example.com"}, "name": {"id": "name", "type": "text", "title": "Who", "value": "Asha Rao"}}}),
            ["Asha Rao", "a@example.com"],
        ),
        (
            "typeform",
            json!({"event_type": "form_response", "form_response": {"token": "1", "definition": {"fields": [{"id": "A", "ref": "0f1", "type": "short_text", "title": "What's your name?"}, {"id": "B", "ref": "0f2", "type": "short_text", "title": "Your WhatsApp number"}]}, "answers": [{"type": "text", "text": "Asha Rao", "field": {"id": "A", "ref": "0f1", "type": "short_text"}}, {"type": "text", "text": "98123 45670", "field": {"id": "B", "ref": "0f2", "type": "short_text"}}]}}),
            ["Asha Rao", "-"],
        ),
        (
            "tally",
            json!({"eventId": "1", "data": {"fields": [{"key": "q1", "label": "Wie heißt du?", "type": "INPUT_TEXT", "value": "x"}, {"key": "q2", "label": "Full name", "type": "INPUT_TEXT", "value": "Asha Rao"}, {"key": "q3", "label": "Reach me", "type": "INPUT_PHONE_NUMBER", "value": "+919812345670"}, {"key": "q4", "label": "At", "type": "INPUT_EMAIL", "value": "a@example.com"}]}}),
            ["Asha Rao", "a@example.com"],
        ),
        (
            "cal",
            json!({"triggerEvent": "BOOKING_CREATED", "payload": {"uid": "u", "responses": {"name": {"label": "your_name", "value": {"firstName": "Asha", "lastName": "Rao"}}, "Whatsapp-number": {"label": "WhatsApp number", "value": "98123 45670"}}}}),
            ["Asha Rao", "-"],
        ),
        (
            "meta-leads",
            json!({"leadgen_id": "7", "lead": {"field_data": [{"name": "NOMBRE_COMPLETO", "values": ["Asha Rao"]}, {"name": "teléfono", "values": ["p:+919812345670"]}]}}),
            ["Asha Rao", "-"],
        ),
        (
            "gohighlevel-workflow",
            json!({"contact": {"firstName": "Asha", "lastName": "Rao", "phone": "+919812345670", "email": "a@example.com"}}),
            ["Asha Rao", "a@example.com"],
        ),
    ] {
        let [name, email] = expected;
        let found = found(&head(source), &event);
        assert_eq!([&found[0], &found[1], &found[4]], ["+919812345670", name, email], "{source}: {event}");
    }
}

#[test]
fn paths_go_before_names_and_those_of_a_route_before_all() {
    let event = json!({"phone": "9812345670", "WhatsApp number": "9812345671", "alt": "9812345672", "name": "Asha"});
    let number = |head: &str, event: &Value| found(head, event)[0].clone();
    assert_eq!(number(&head("generic"), &event), "+919812345670", "the source's path");
    let own = format!("{}\ncontact: {{ phone: event.alt }}", head("generic"));
    assert_eq!(number(&own, &event), "+919812345672", "the route's");
    let without = json!({"phone": "9812345670", "WhatsApp number": "9812345671"});
    assert!(number(&own, &without).contains("contact.phone"), "what a route says is not looked for elsewhere");
    let elsewhere = format!("{}\ncontact: {{ fields: event.lead.form }}", head("generic"));
    assert_eq!(number(&elsewhere, &json!({"lead": {"form": {"Handy": "9812345673"}}})), "+919812345673");
}

#[test]
fn nobody_else_is_messaged_and_no_other_country_is_read() {
    let number =
        |event: &Value| found(&head("google-forms"), &json!({"response_id": "1", "answers": event}))[0].clone();
    for other in [
        json!({"Name": "Asha", "Phone (emergency contact)": "98123 45671"}),
        json!({"Name": "Asha", "Mobile (Father)": "98123 45671"}),
        json!({"owner_name": "Sam", "owner_phone": "98123 45671", "lead": "Kurta"}),
        json!({"father_name": "Ravi", "father_phone": "98123 45671"}),
        json!({"Name": "Asha", "Member 2 Phone": "98123 45671"}),
    ] {
        assert!(number(&other).contains("contact.phone"), "{other}: {}", number(&other));
    }
    for country in ["Preferred Country", "Client country", "Country (you wish to study in)", "Land"] {
        let answer = if country == "Land" { "No" } else { "UK" };
        assert_eq!(
            number(&json!({"Name": "Asha", "Phone": "9812345670", country: answer})),
            "+919812345670",
            "{country}"
        );
    }
    let resident = json!({"Phone": "9812345670", "Country of residence": "India", "Country": "UK"});
    assert_eq!(number(&resident), "+919812345670");
    let typed = json!({"eventId": "1", "data": {"fields": [
        {"key": "a", "label": "Emergency contact", "type": "INPUT_PHONE_NUMBER", "value": "+919812345671"},
        {"key": "b", "label": "Which number should we text you on?", "type": "INPUT_PHONE_NUMBER", "value": "+919812345670"}]}});
    assert_eq!(found(&head("tally"), &typed)[0], "+919812345670");
    let salesman = json!({"lead": {"name": "Asha Rao", "contact_number": "98123 45670"}, "user": {"full_name": "Sam", "mobile": "98123 45671"}});
    assert_eq!(found(&head("zapier"), &salesman)[..2], ["+919812345670", "Asha Rao"]);
}

#[test]
fn names_are_put_together_only_where_they_are_halves() {
    for (event, name) in [
        (json!({"name": "Website", "first_name": "Asha", "last_name": "Rao"}), "Asha Rao"),
        (json!({"name": "Jose", "first_name": "José", "last_name": "Díaz"}), "Jose"),
        (json!({"name": "Asha", "last_name": "."}), "Asha"),
        (json!({"name": "Asha Rao", "first_name": "Asha"}), "Asha Rao"),
        (json!({"Ad": "Diwali Sale", "Name": "Asha"}), "Asha"),
    ] {
        let mut event = event;
        event["phone"] = json!("9812345670");
        assert_eq!(found(&head("zapier"), &event)[1], name, "{event}");
    }
    for phone in [
        json!({"number": "9812345670", "country": "IN"}),
        json!({"country_code": "91", "number": "9812345670"}),
        json!({"dialCode": "+91", "phoneNumber": "98123 45670"}),
    ] {
        assert_eq!(found(&head("generic"), &json!({ "phone": phone }))[0], "+919812345670", "{phone}");
    }
}

#[test]
fn a_field_of_a_type_is_nobodys_if_its_label_names_somebody_else() {
    for label in [
        "पिता का मोबाइल नंबर",
        "رقم هاتف ولي الأمر",
        "Nomor HP orang tua",
        "Notfallkontakt",
        "Numéro du conjoint",
        "Teléfono de la madre",
        "Telefone do responsável",
        "Nominee",
        "Reference 1",
        "Office",
        "OTP",
    ] {
        for (source, event) in [
            (
                "elementor",
                json!({"fields": {"a1": {"id": "a1", "type": "tel", "title": label, "value": "98123 45671"}}}),
            ),
            (
                "tally",
                json!({"eventId": "1", "data": {"fields": [{"key": "a", "label": label, "type": "INPUT_PHONE_NUMBER", "value": "+919812345671"}]}}),
            ),
            (
                "typeform",
                json!({"event_type": "form_response", "form_response": {"token": "1", "definition": {"fields": [{"id": "A", "ref": "r", "type": "phone_number", "title": label}]}, "answers": [{"type": "phone_number", "phone_number": "+919812345671", "field": {"id": "A", "ref": "r", "type": "phone_number"}}]}}),
            ),
        ] {
            let number = found(&head(source), &event)[0].clone();
            assert!(number.contains("contact.phone"), "{source}: {label}: {number}");
        }
    }
}

#[test]
fn the_person_is_found_in_whatever_holds_them() {
    let person = || json!({"name": "Asha Rao", "phone": "98123 45670"});
    let listed = json!([{"label": "Full name", "value": "Asha Rao"}, {"label": "Phone", "value": "98123 45670"}]);
    let mut events: Vec<Value> = [
        "user",
        "client",
        "visitor",
        "requester",
        "properties",
        "attributes",
        "traits",
        "record",
        "raw",
        "billing",
        "form_fields",
        "Contact",
        "Customer",
    ]
    .into_iter()
    .map(|holder| json!({ holder: person() }))
    .collect();
    events.extend([
        json!({"order": {"billing": {"first_name": "Asha", "last_name": "Rao", "phone": "98123 45670"}}}),
        json!({"data": {"submissions": listed}}),
        // JSON as a text
        json!({"data": person().to_string()}),
        json!({"lead": person().to_string()}),
        json!({"payload": person().to_string(), "source": "form"}),
        json!({"leads": [person()]}),
        json!({"contacts": [person()]}),
        json!({"name": "Asha Rao", "phones": ["98123 45670"]}),
        json!({"name": "Asha Rao", "phones": [{"number": "98123 45670"}]}),
        json!({"field_data": [{"name": "full_name", "values": ["Asha Rao"]}, {"name": "phone_number", "values": ["98123 45670"]}]}),
        json!({"user_column_data": [{"column_id": "FULL_NAME", "string_value": "Asha Rao"}, {"column_id": "PHONE_NUMBER", "string_value": "98123 45670"}]}),
    ]);
    for source in ["generic", "zapier", "make", "pabbly"] {
        for event in &events {
            assert_eq!(found(&head(source), event)[..2], ["+919812345670", "Asha Rao"], "{source}: {event}");
        }
        // a service's own user is not the lead, and of two leads neither is
        for event in [
            json!({"name": "Asha Rao", "user": {"name": "Sam", "mobile": "98123 45671"}}),
            json!({"leads": [person(), person()]}),
        ] {
            assert!(found(&head(source), &event)[0].contains("contact.phone"), "{source}: {event}");
        }
    }
}

#[test]
fn names_are_those_of_people_as_people_write_them() {
    for (event, name, first) in [
        (json!({"name": "Contact Form", "data": {"Name": "Asha Rao", "phone": "9812345670"}}), "Asha Rao", "Asha"),
        (
            json!({"form": {"name": "Contact"}, "contact": {"first_name": "Asha", "phone": "9812345670"}}),
            "Asha",
            "Asha",
        ),
        (json!({"name": "Asha Rao", "contact": {"phone": "9812345670"}}), "Asha Rao", "Asha"),
        (json!({"First": "Asha", "Last": "Rao"}), "Asha Rao", "Asha"),
        (json!({"Name": {"First": "Asha", "Last": "Rao", "FirstAndLast": "Asha Rao"}}), "Asha Rao", "Asha"),
        (json!({"name": {"full": "Asha Rao"}}), "Asha Rao", "Asha"),
        (json!({"name": {"value": "Asha Rao"}}), "Asha Rao", "Asha"),
        (json!({"name": ["Asha", "Rao"]}), "Asha Rao", "Asha"),
        (json!({"fields": [{"type": "name", "name": "Name", "value": "Asha Rao"}]}), "Asha Rao", "Asha"),
        (json!({"name": "'Asha Rao'"}), "Asha Rao", "Asha"),
        (json!({"name": "Meera D\\'Souza"}), "Meera D'Souza", "Meera"),
        (json!({"first_name": "Dr.", "name": "Dr. Asha Rao"}), "Dr. Asha Rao", "Asha"),
        (json!({"name": "9812345670"}), "-", "-"),
        (json!({"name": "a@example.com"}), "-", "-"),
        (json!({"name": "N/A"}), "-", "-"),
        (json!({"name": "None"}), "-", "-"),
        (json!({"name": "not provided"}), "-", "-"),
        (json!({"name": "No Name"}), "-", "-"),
        (json!({"name": "A.K. Rao"}), "A.K. Rao", "-"),
    ] {
        let mut event = event;
        if !event.to_string().contains("\"phone\"") {
            event["phone"] = json!("9812345670");
        }
        for source in ["generic", "zapier"] {
            let found = found(&head(source), &event);
            assert_eq!(found[..3], ["+919812345670", name, first], "{source}: {event}");
        }
    }
    let form = json!({"fields": [{"type": "name", "name": "Name", "value": "Asha Rao"}, {"type": "phone", "name": "Phone", "value": "9812345670"}]});
    assert_eq!(found(&head("wpforms"), &form)[..2], ["+919812345670", "Asha Rao"]);
}

fn tried(source: &str, event: &Value) -> Output {
    let setup = Setup::new().route("form", &format!("source: {source}\nsecret: s3cret-of-a-form\nsends:\n  - {{ name: w, campaignName: w, destination: \"{{{{ contact.phone }}}}\", userName: x }}\n"));
    setup.write("http://127.0.0.1:9/");
    let path = setup.dir.path().join("body.json");
    std::fs::write(&path, event.to_string()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_serri-relay"))
        .args(["try", "form"])
        .arg(path)
        .arg("--config")
        .arg(setup.config())
        .output()
        .unwrap()
}

#[test]
fn try_says_which_of_several_fields_is_taken() {
    let said = |event: &Value| String::from_utf8(tried("google-forms", event).stderr).unwrap();
    let two = said(&json!({"answers": {"Contact no": "98123 45671", "WhatsApp no": "98123 45670"}}));
    assert!(two.contains("contact.phone is taken from `WhatsApp no`; `Contact no` would do as well"), "{two}");
    let same = said(&json!({"answers": {"Contact no": "98123 45670", "WhatsApp no": "+91 98123-45670"}}));
    assert!(!same.contains("would do as well"), "{same}");
    let by_path =
        String::from_utf8(tried("zapier", &json!({"phone": "98123 45670", "WhatsApp no": "98123 45671"})).stderr)
            .unwrap();
    assert!(by_path.contains("contact.phone is taken from `event.phone`; `WhatsApp no` would do as well"), "{by_path}");
}
