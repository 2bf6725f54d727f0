//! Which number of an event gets the message, and in which country it is read.

use serde_json::{Value, json};

use crate::field_names::{SOURCES, found, head};

/// Valid in the US as well as in India, where the account is.
const NATIONAL: &str = "7022345678";
const OF_US: &str = "+17022345678";
const OF_INDIA: &str = "+917022345678";

/// Number and name that a route finds in an event.
fn person(source: &str, event: &Value) -> [String; 2] {
    let [number, name, ..] = found(&format!("{}\nbody: json", head(source)), event);
    [number, name]
}

/// Compares all of a table before it fails.
fn all_are(table: &[(&str, Value, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(source, event, expected)| {
            let [number, _] = person(source, event);
            (number != *expected).then(|| format!("{source}: {event}: {number} instead of {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_country_that_the_event_names_is_that_of_its_number() {
    let typed = |field: &Value| json!({"data": {"fields": [{"key": "q1", "label": "Phone", "type": "INPUT_PHONE_NUMBER", "value": NATIONAL}, field]}});
    all_are(&[
        ("hubspot-workflow", json!({"phone": NATIONAL, "country": "United States"}), OF_US),
        ("hubspot-workflow", json!({"properties": {"phone": {"value": NATIONAL}, "country": {"value": "US"}}}), OF_US),
        ("hubspot", json!({"properties": {"phone": NATIONAL, "country": "United States"}}), OF_US),
        ("salesforce", json!({"sObject": {"MobilePhone": NATIONAL, "Country": "United States"}}), OF_US),
        ("salesforce", json!({"sObject": {"MobilePhone": NATIONAL, "MailingCountry": "United States"}}), OF_US),
        ("stripe", json!({"data": {"object": {"customer": {"phone": NATIONAL, "address": {"country": "US"}}}}}), OF_US),
        ("stripe", json!({"data": {"object": {"phone": NATIONAL, "shipping": {"address": {"country": "US"}}}}}), OF_US),
        (
            "stripe",
            json!({"data": {"object": {"customer_phone": NATIONAL, "customer_address": {"country": "US"}}}}),
            OF_US,
        ),
        ("leadsquared", json!({"Mobile": NATIONAL, "mx_Country": "US"}), OF_US),
        ("freshsales", json!({"contact": {"mobile_number": NATIONAL, "country": "US"}}), OF_US),
        (
            "keap",
            json!({"record": {"phone_numbers": [{"number": NATIONAL}], "addresses": [{"country_code": ""}, {"country_code": "USA"}]}}),
            OF_US,
        ),
        ("bitrix24", json!({"record": {"PHONE": [{"VALUE": NATIONAL}], "ADDRESS_COUNTRY": "United States"}}), OF_US),
        ("activecampaign", json!({"contact": {"phone": NATIONAL, "country": "US"}}), OF_US),
        ("activecampaign", json!({"contact": {"phone": NATIONAL, "fields": {"country": "US"}}}), OF_US),
        ("mailchimp", json!({"data": {"merges": {"PHONE": NATIONAL, "ADDRESS": {"country": "US"}}}}), OF_US),
        (
            "pipedrive",
            json!({"data": {"phones": [{"value": NATIONAL}], "postal_address": {"country": "United States"}}}),
            OF_US,
        ),
        (
            "pipedrive",
            json!({"current": {"phone": [{"value": NATIONAL}], "postal_address_country": "United States"}}),
            OF_US,
        ),
        (
            "jotform",
            json!({"rawRequest": {"q3_phoneNumber": {"full": NATIONAL}, "q6_address": {"country": "United States"}}}),
            OF_US,
        ),
        (
            "jotform",
            json!({"rawRequest": {"q3_phoneNumber": {"full": NATIONAL}, "q8_homeAddress": {"country": "United States"}}}),
            OF_US,
        ),
        ("wpforms", json!({"phone": NATIONAL, "address": {"country": "US"}}), OF_US),
        ("gravity-forms", json!({"phone": NATIONAL, "address": {"country": "United States"}}), OF_US),
        ("gravity-forms", json!({"phone": NATIONAL, "Address (Country)": "United States"}), OF_US),
        (
            "tally",
            typed(
                &json!({"key": "q2", "label": "Country", "type": "DROPDOWN", "value": ["o2"], "options": [{"id": "o1", "text": "India"}, {"id": "o2", "text": "United States"}]}),
            ),
            OF_US,
        ),
        (
            "tally",
            typed(
                &json!({"key": "q2", "label": "Country", "type": "DROPDOWN", "value": "o2", "options": [{"id": "o1", "text": "India"}, {"id": "o2", "text": "United States"}]}),
            ),
            OF_US,
        ),
        (
            "typeform",
            json!({"form_response": {"definition": {"fields": [{"id": "a", "ref": "r-1", "title": "Country", "type": "multiple_choice"}]}, "answers": [{"type": "phone_number", "phone_number": NATIONAL, "field": {"id": "b", "ref": "phone", "type": "phone_number"}}, {"type": "choice", "choice": {"id": "x", "ref": "y", "label": "United States"}, "field": {"id": "a", "ref": "r-1", "type": "multiple_choice"}}]}}),
            OF_US,
        ),
        ("contact-form-7", json!({"your-phone": NATIONAL, "menu-country": ["United States"]}), OF_US),
    ]);
    for source in ["generic", "zapier", "make", "pabbly"] {
        all_are(&[
            (source, json!({"phone": NATIONAL, "address": {"country": "US"}}), OF_US),
            (source, json!({"phone": NATIONAL, "address": {"country_code": "US"}}), OF_US),
            (source, json!({"phone": NATIONAL, "customer": {"default_address": {"country_code": "US"}}}), OF_US),
            (source, json!({"customer": {"phone": NATIONAL, "default_address": {"country_code": "US"}}}), OF_US),
            (source, json!({"contact": {"phone": NATIONAL, "address": {"country": "US"}}}), OF_US),
        ]);
    }
}

#[test]
fn a_field_for_the_country_is_known_by_many_names_and_no_other_is() {
    for (fields, expected) in [
        (json!({"shipping_country": "US"}), OF_US),
        (json!({"mailing_country": "US"}), OF_US),
        (json!({"address_country": "US"}), OF_US),
        (json!({"Address: Country": "US"}), OF_US),
        (json!({"Address (Country)": "US"}), OF_US),
        (json!({"Select your country": "United States"}), OF_US),
        (json!({"Which country are you from?": "United States"}), OF_US),
        (json!({"Current country of residence": "United States"}), OF_US),
        (json!({"Country you live in": "United States"}), OF_US),
        (json!({"Ihr Land": "USA"}), OF_US),
        (json!({"País/Región": "Estados Unidos"}), OF_US),
        (json!({"Pays / Région": "États-Unis"}), OF_US),
        (json!({"phone_country": "US"}), OF_US),
        (json!({"phone_country": "US", "Country": "India"}), OF_US),
        (json!({"Country": "USA - United States"}), OF_US),
        (json!({"Country": "--Select--", "State": "Ohio"}), OF_US),
        // what people want, and where others are
        (json!({"Preferred country": "United States"}), OF_INDIA),
        (json!({"Which country do you prefer?": "United States"}), OF_INDIA),
        (json!({"Study country": "United States"}), OF_INDIA),
        (json!({"Destination country": "United States"}), OF_INDIA),
        (json!({"Your destination country": "United States"}), OF_INDIA),
        (json!({"Passport country": "United States"}), OF_INDIA),
        (json!({"Country of passport": "United States"}), OF_INDIA),
        (json!({"ip_country": "US"}), OF_INDIA),
        (json!({"Company country": "US"}), OF_INDIA),
        // no answer
        (json!({"Country": "-"}), OF_INDIA),
        (json!({"Country": "N/A"}), OF_INDIA),
        (json!({"Country": "--Select--"}), OF_INDIA),
    ] {
        let mut fields = fields.clone();
        fields["Phone"] = json!(NATIONAL);
        for (source, pack) in SOURCES.iter().step_by(2) {
            assert_eq!(found(&head(source), &pack(&fields))[0], expected, "{source}: {fields}");
        }
    }
    all_are(&[
        ("generic", json!({"phone": NATIONAL, "country": {"code": "US"}}), OF_US),
        ("generic", json!({"phone": NATIONAL, "country": {"name": "United States", "id": 7}}), OF_US),
        ("generic", json!({"phone": NATIONAL, "country": "-"}), OF_INDIA),
        ("generic", json!({"phone": NATIONAL, "country": "N/A", "country_code": "US"}), OF_US),
        (
            "shopify",
            json!({"phone": NATIONAL, "shipping_address": {"country_code": "-"}, "billing_address": {"country_code": "US"}}),
            OF_US,
        ),
    ]);
    let said = &found(&head("generic"), &json!({"phone": NATIONAL, "country": "Wonderland"}))[0];
    assert!(said.contains("`Wonderland`") && said.contains("contact: { country: event."), "{said}");
    assert!(!said.contains("default_country"), "{said}");
}

#[test]
fn an_object_with_a_number_says_its_country() {
    for phone in [
        json!({"country_code": "US", "phone": NATIONAL}),
        json!({"country": "US", "number": NATIONAL}),
        json!({"countryShortName": "US", "number": NATIONAL}),
        json!({"iso2": "US", "phone": NATIONAL}),
        json!({"countryIso": "US", "value": NATIONAL}),
        json!({"code": "+1", "number": NATIONAL}),
        json!({"prefix": "+1", "number": NATIONAL}),
    ] {
        for (source, event) in [
            ("generic", json!({ "phone": phone })),
            ("generic", json!({ "WhatsApp no.": phone })),
            ("zapier", json!({"data": { "phone": phone }})),
            ("google-forms", json!({"answers": { "Phone": phone }})),
            ("contact-form-7", json!({ "your-phone": phone })),
        ] {
            all_are(&[(source, event, OF_US)]);
        }
    }
    all_are(&[
        // a person is no number in parts
        (
            "gohighlevel-workflow",
            json!({"contact": {"phone": "+919812345670", "country": "IN", "firstName": "Asha"}}),
            "+919812345670",
        ),
        ("gohighlevel-workflow", json!({"contact": {"phone": "+919812345670", "area": "Kothrud"}}), "+919812345670"),
        ("zoho-workflow", json!({"contact": {"phone": "9812345670", "country": "IN", "area": "12"}}), "+919812345670"),
        (
            "zoho-workflow",
            json!({"contact": {"phone": "+919812345670", "country": "IN", "firstName": "Asha"}}),
            "+919812345670",
        ),
        ("gohighlevel-workflow", json!({"contact": {"value": 149_900, "phone": "9812345670"}}), "+919812345670"),
        ("generic", json!({"phone": {"country": "IN", "phone": "+919812345670"}}), "+919812345670"),
        ("generic", json!({"phone": [{"value": "9812345670"}]}), "+919812345670"),
        (
            "generic",
            json!({"phone": [{"value": ""}, {"value": "022 22355342"}, {"value": "9812345670"}]}),
            "+919812345670",
        ),
    ]);
}

#[test]
fn a_number_is_read_with_the_country_and_the_name_of_its_own_address() {
    let shop = |own: &str, other: &str| {
        json!({
            "customer": {"first_name": "Asha", "last_name": "Rao", "default_address": {"phone": NATIONAL, "country_code": own}},
            "shipping_address": {"name": "Ravi Das", "country_code": other},
        })
    };
    let stripe = |own: &str, other: &str| {
        json!({"data": {"object": {
            "customer_details": {"phone": null, "address": {"country": other}},
            "shipping": {"phone": NATIONAL, "address": {"country": own}},
        }}})
    };
    let woo = |own: &str, other: &str| json!({"billing": {"phone": "", "country": other}, "shipping": {"phone": NATIONAL, "country": own}});
    let nested = |own: &str, other: &str| json!({"country": other, "contact": {"phone": NATIONAL, "country": own}});
    let named = |own: &str, other: &str| json!({"Country": other, "lead": {"Mobile no.": NATIONAL, "Country": own}});
    for (own, other, expected) in [("IN", "US", OF_INDIA), ("US", "IN", OF_US)] {
        all_are(&[
            ("shopify", shop(own, other), expected),
            ("stripe", stripe(own, other), expected),
            ("woocommerce", woo(own, other), expected),
            ("generic", nested(own, other), expected),
            ("generic", named(own, other), expected),
        ]);
    }
    // a route that says where the country is decides it
    let own = format!("{}\ncontact: {{ country: event.shipping_address.country_code }}", head("shopify"));
    assert_eq!(found(&own, &shop("IN", "US"))[0], OF_US);

    let gift = |billing: &str, shipping: &str| {
        json!({
            "billing_address": {"name": "Asha Rao", "phone": billing, "country_code": "IN"},
            "shipping_address": {"name": "Ravi Das", "phone": shipping, "country_code": "IN"},
            "customer": {"first_name": "Asha", "last_name": "Rao"},
        })
    };
    assert_eq!(person("shopify", &gift("9812345670", "9812345671")), ["+919812345670", "Asha Rao"]);
    assert_eq!(person("shopify", &gift("", "9812345671")), ["+919812345671", "Ravi Das"]);
    let woo = json!({
        "billing": {"first_name": "Asha", "last_name": "Rao", "phone": ""},
        "shipping": {"first_name": "Ravi", "last_name": "Das", "phone": "9812345671"},
    });
    assert_eq!(person("woocommerce", &woo), ["+919812345671", "Ravi Das"]);
}

#[test]
fn what_cannot_be_a_number_is_missing() {
    for none in ["N/A", "-", "NA", "+91", "+91-", "0", "false", "none", "same as above", "Samsung"] {
        all_are(&[
            ("generic", json!({"phone": none, "mobile": "9812345670"}), "+919812345670"),
            ("generic", json!({"mobile": none, "phone number": "9812345670"}), "+919812345670"),
            ("zapier", json!({"phone": none, "contact": {"phone": "9812345670"}}), "+919812345670"),
            ("indiamart", json!({"SENDER_MOBILE": none, "SENDER_MOBILE_ALT": "9812345670"}), "+919812345670"),
            ("justdial", json!({"mobile": none, "phone": "9812345670"}), "+919812345670"),
            (
                "google-forms",
                json!({"answers": {"Phone": none, "Your WhatsApp number": "9812345670"}}),
                "+919812345670",
            ),
            ("generic", json!({ "phone": none }), "rule `r`, `destination`: `contact.phone` is not there, or empty"),
        ]);
    }
    // a damaged number stops
    for damaged in ["98123456", "981234567001", "9.19812E+11"] {
        let [said, _] = person("generic", &json!({"mobile": damaged, "phone": "9812345671"}));
        assert!(said.contains("`destination`"), "{damaged}: {said}");
    }
}

#[test]
fn a_mobile_number_goes_before_a_landline() {
    let (mobile, landline) = ("9812345670", "022 22355342");
    let phones = |entries: &[(&str, &str)], value: &str, kind: &str| -> Value {
        entries.iter().map(|(label, number)| json!({ kind: label, value: number })).collect()
    };
    let expected = "+919812345670";
    all_are(&[
        ("zoho-workflow", json!({"Phone": landline, "Mobile": mobile}), expected),
        ("hubspot-workflow", json!({"phone": landline, "mobilephone": mobile}), expected),
        (
            "hubspot-workflow",
            json!({"properties": {"phone": {"value": landline}, "mobilephone": {"value": mobile}}}),
            expected,
        ),
        ("generic", json!({"phone": landline, "mobile": mobile}), expected),
        ("make", json!({"phone": landline, "mobile": mobile}), expected),
        (
            "pipedrive",
            json!({"data": {"phones": [{"label": "work", "value": landline, "primary": true}, {"label": "mobile", "value": mobile, "primary": false}]}}),
            expected,
        ),
        (
            "bitrix24",
            json!({"record": {"PHONE": phones(&[("WORK", landline), ("OTHER", mobile)], "VALUE", "VALUE_TYPE")}}),
            expected,
        ),
        (
            "bitrix24",
            json!({"record": {"PHONE": phones(&[("WORK", landline), ("MOBILE", mobile)], "VALUE", "VALUE_TYPE")}}),
            expected,
        ),
        (
            "bitrix24",
            json!({"record": {"PHONE": phones(&[("MOBILE", ""), ("WORK", mobile)], "VALUE", "VALUE_TYPE")}}),
            expected,
        ),
        (
            "keap",
            json!({"record": {"phone_numbers": phones(&[("Work", landline), ("Other", mobile)], "number", "type")}}),
            expected,
        ),
        (
            "keap",
            json!({"record": {"phone_numbers": phones(&[("Mobile", ""), ("Work", mobile)], "number", "type")}}),
            expected,
        ),
    ]);
}

#[test]
fn other_places_of_a_number_are_known() {
    let number = "+919812345670";
    all_are(&[
        (
            "cal",
            json!({"payload": {"responses": {"location": {"label": "location", "value": {"value": "phone", "optionValue": number}}}}}),
            number,
        ),
        ("cal", json!({"payload": {"location": number}}), number),
        (
            "cal",
            json!({"payload": {"userFieldsResponses": {"whatsapp-no": {"label": "WhatsApp number", "value": number}}}}),
            number,
        ),
        (
            "monday",
            json!({"event": {"columnValues": {"text0": {"value": "12345678"}, "phone_mkq1": {"phone": "919812345670", "countryShortName": "IN"}}}}),
            number,
        ),
        (
            "monday",
            json!({"event": {"columnValues": {"phone_mkq1": {"phone": NATIONAL, "countryShortName": "US"}}}}),
            OF_US,
        ),
        ("activecampaign", json!({"deal": {"contact_phone": number}}), number),
        ("activecampaign", json!({"contact": {"fields": {"mobile": number}}}), number),
        ("stripe", json!({"data": {"object": {"customer_phone": number}}}), number),
        ("mailchimp", json!({"data": {"merges": {"PHONENUM": number}}}), number),
    ]);
    for place in ["https://meet.example.com/1234567890", "12345 Main St", "integrations:daily"] {
        let [said, _] = person("cal", &json!({"payload": {"location": place}}));
        assert!(said.contains("`contact.phone` is not there"), "{place}: {said}");
    }
}
