//! A number without country code is read by the country that its event names: by a calling code, a country or a state.

use std::process::Command;

use serde_json::{Value, json};

use crate::field_names::{SOURCES, found, head};
use crate::world::Setup;

/// Valid in the US as well as in India, where the account is.
const NATIONAL: &str = "(702) 234-5678";
const OF_US: &str = "+17022345678";
const OF_INDIA: &str = "+917022345678";

#[test]
fn every_form_says_the_country_of_its_numbers() {
    for (fields, expected) in [
        (json!({}), OF_INDIA),
        (json!({"Country": "United States"}), OF_US),
        // a calling code, however the field and the code are written
        (json!({"country_code": "+1"}), OF_US),
        (json!({"Country Code": "1"}), OF_US),
        (json!({"countryCode": "US"}), OF_US),
        (json!({"dial_code": "001"}), OF_US),
        (json!({"phone_country_code": "US +1"}), OF_US),
        (json!({"ISD": "(+1)"}), OF_US),
        (json!({"mobile_country_code": "+1"}), OF_US),
        (json!({"Ländervorwahl": "+1 (USA)"}), OF_US),
        (json!({"देश कोड": "+१"}), OF_US),
        // it is the number's, wherever its owner lives
        (json!({"Country": "India", "country_code": "+1"}), OF_US),
        (json!({"State": "Maharashtra", "dial_code": "+1"}), OF_US),
        // no such code
        (json!({"isd": "0", "dial_code": "12"}), OF_INDIA),
        (json!({"area_code": "1", "Zip code": "1"}), OF_INDIA),
        (json!({"Father's country code": "+1"}), OF_INDIA),
        // a state that only one country has
        (json!({"State": "California"}), OF_US),
        (json!({"State/Province": "new york"}), OF_US),
        (json!({"Region": "State of Texas"}), OF_US),
        (json!({"राज्य": "महाराष्ट्र"}), OF_INDIA),
        (json!({"Address": {"city": "Fresno", "state": "California", "zip": "93650"}}), OF_US),
        (json!({"Billing address": {"country": "US", "state": "CA"}}), OF_US),
        (json!({"Company address": {"country": "US"}}), OF_INDIA),
        // the country goes before it
        (json!({"State": "California", "Country": "India"}), OF_INDIA),
        // a name of several countries, a code, and what is no state say nothing
        (json!({"State": "Georgia"}), OF_INDIA),
        (json!({"State": "Punjab"}), OF_INDIA),
        (json!({"State": "CA"}), OF_INDIA),
        (json!({"State": "pending"}), OF_INDIA),
        (json!({"Preferred state": "California"}), OF_INDIA),
    ] {
        // one of each way of packing: how a field is called has nothing to do with it
        for (source, pack) in SOURCES.iter().step_by(3) {
            // a list of fields holds texts
            if fields.to_string().contains("ddress") && !pack(&fields).to_string().contains(r#"ddress":{"#) {
                continue;
            }
            let mut fields = fields.clone();
            fields["Name"] = json!("Asha Rao");
            fields["Phone"] = json!(NATIONAL);
            assert_eq!(found(&head(source), &pack(&fields))[0], expected, "{source}: {fields}");
        }
    }
}

#[test]
fn a_calling_code_is_that_of_its_own_number() {
    for (fields, expected) in [
        (json!({"WhatsApp no": "98123 45670", "Phone no": NATIONAL, "phone_country_code": "+1"}), "+919812345670"),
        (
            json!({"WhatsApp no": NATIONAL, "whatsapp_code": "+1", "Phone no": "98123 45670", "phone_code": "+91"}),
            OF_US,
        ),
        (json!({"Mobile no": NATIONAL, "country_code": "+1"}), OF_US),
        (json!({"Mobile no": NATIONAL, "State": "Ohio"}), OF_US),
        (json!({"Mobile no": NATIONAL, "phone_country_code": "+1"}), OF_US),
        (json!({"Mobile no": NATIONAL, "Phone no": "", "phone_country_code": "+1"}), OF_US),
        (json!({"Mobile no": NATIONAL, "country_code": "+91", "mobile_code": "+1"}), OF_US),
        (json!({"Mobile no": NATIONAL, "WhatsApp no": "+1 702-234-5678", "whatsapp_code": "+1"}), OF_US),
    ] {
        for (source, pack) in SOURCES {
            assert_eq!(found(&head(source), &pack(&fields))[0], expected, "{source}: {fields}");
        }
    }
}

#[test]
fn a_number_of_the_accounts_country_is_not_sent_there_if_the_event_is_of_another() {
    for place in [json!({"Country": "Norway"}), json!({"country_code": "+47"}), json!({"State": "Bretagne"})] {
        let mut fields = place.clone();
        fields["Phone"] = json!("98123 45670");
        let said = found(&head("generic"), &fields)[0].clone();
        let country = if place["State"].is_string() { "FR" } else { "NO" };
        assert!(said.contains(&format!("not a valid phone number of {country}")), "{place}: {said}");
    }
}

#[test]
fn templates_see_the_country_and_a_route_decides_it() {
    let country = |event: &Value| found(&head("generic"), event)[5].clone();
    let with = |more: &Value| {
        let mut event = more.clone();
        event["phone"] = json!(NATIONAL);
        event
    };
    assert_eq!(country(&with(&json!({"country": "India", "country_code": "+1"}))), "India");
    assert_eq!(country(&with(&json!({"country_code": "+1"}))), "+1");
    assert_eq!(country(&with(&json!({"state": "California"}))), "US");
    assert_eq!(country(&with(&json!({"state": "Georgia"}))), "-");
    let event = with(&json!({"home": "IN", "dial": "+1", "at": "Texas", "country_code": "+1", "state": "Texas"}));
    for (own, expected) in [
        ("{ country: event.home }", OF_INDIA),
        ("{ country: event.nowhere }", OF_INDIA),
        ("{ country: event.home, calling_code: event.dial }", OF_US),
        ("{ country: event.nowhere, state: event.at }", OF_US),
        ("{ calling_code: event.nowhere }", OF_US),
    ] {
        assert_eq!(found(&format!("{}\ncontact: {own}", head("generic")), &event)[0], expected, "{own}");
    }
}

#[test]
fn a_number_that_is_an_object_has_its_country_in_it() {
    for (phone, expected) in [
        (json!({"number": NATIONAL, "country": "US"}), OF_US),
        (json!({"phone": "7022345678", "countryShortName": "US"}), OF_US),
        (json!({"phone": "17022345678", "countryShortName": "US"}), OF_US),
        (json!({"phone": "971501234567", "countryShortName": "AE"}), "+971501234567"),
        (json!({"value": "0501234567", "country_code": 971}), "+971501234567"),
        (json!({"national_number": "501234567", "prefix": "+971"}), "+971501234567"),
        (json!({"full": "+971501234567", "country": "IN"}), "+971501234567"),
        (json!({"country": "1", "area": "702", "phone": "2345678"}), OF_US),
        (json!({"country": "+1", "area": "702", "phone": "2345678"}), OF_US),
        (json!({"area": "702", "phone": "2345678"}), OF_INDIA),
    ] {
        for source in ["generic", "zapier", "elementor", "gravity-forms"] {
            assert_eq!(found(&head(source), &json!({ "phone": phone }))[0], expected, "{source}: {phone}");
        }
    }
}

#[test]
fn vendors_say_it_where_their_documents_say() {
    for (source, event) in [
        ("activecampaign", json!({"contact": {"phone": NATIONAL, "fields": {"country_code": "+1"}}})),
        ("activecampaign", json!({"contact": {"phone": NATIONAL, "fields": {"state": "Ohio"}}})),
        ("bitrix24", json!({"record": {"PHONE": [{"VALUE": NATIONAL}], "ADDRESS_COUNTRY": "USA"}})),
        (
            "bitrix24",
            json!({"record": {"PHONE": [{"VALUE": NATIONAL}], "ADDRESS_COUNTRY": null, "ADDRESS_PROVINCE": "Ohio"}}),
        ),
        (
            "bitrix24",
            json!({"record": {"PHONE": [{"VALUE": NATIONAL}], "ADDRESS_COUNTRY": "122", "ADDRESS_COUNTRY_CODE": "US"}}),
        ),
        (
            "close",
            json!({"event": {"data": {"contacts": [{"phones": [{"phone": NATIONAL, "type": "office", "country": "US"}]}]}}}),
        ),
        (
            "close",
            json!({"event": {"data": {"phones": [{"phone": NATIONAL, "type": "office"}], "addresses": [{"country": "US", "state": "CA"}]}}}),
        ),
        (
            "close",
            json!({"event": {"data": {"phones": [{"phone": NATIONAL, "type": "office"}], "addresses": [{"state": "Ohio"}]}}}),
        ),
        ("freshsales", json!({"contact": {"mobile_number": NATIONAL, "country": "USA"}})),
        ("freshsales", json!({"lead": {"mobile_number": NATIONAL, "state": "Ohio"}})),
        ("freshsales", json!({"mobile_number": NATIONAL, "country": "India", "country_code": "1"})),
        ("gohighlevel", json!({"phone": NATIONAL, "state": "Ohio"})),
        ("gohighlevel-workflow", json!({"phone": NATIONAL, "state": "Ohio"})),
        (
            "google-ads",
            json!({"user_column_data": [{"column_id": "PHONE_NUMBER", "string_value": NATIONAL}, {"column_id": "REGION", "string_value": "Ohio"}]}),
        ),
        (
            "hubspot",
            json!({"propertyName": "phone", "propertyValue": NATIONAL, "properties": {"country": "United States"}}),
        ),
        ("hubspot", json!({"properties": {"phone": NATIONAL, "state": "Ohio"}})),
        ("hubspot-workflow", json!({"phone": NATIONAL, "country": "United States"})),
        ("hubspot-workflow", json!({"properties": {"phone": {"value": NATIONAL}, "state": {"value": "Ohio"}}})),
        ("indiamart", json!({"SENDER_MOBILE": NATIONAL, "SENDER_COUNTRY_ISO": "", "SENDER_STATE": "Ohio"})),
        (
            "intercom",
            json!({"data": {"item": {"phone": NATIONAL, "location": {"country": "United States", "region": "Ohio"}}}}),
        ),
        ("intercom", json!({"data": {"item": {"phone": NATIONAL, "location": {"country_code": "USA"}}}})),
        (
            "jotform",
            json!({"rawRequest": {"q3_phoneNumber": {"full": NATIONAL}, "q4_address": {"city": "Akron", "state": "Ohio", "country": ""}}}),
        ),
        (
            "jotform",
            json!({"rawRequest": {"q3_phoneNumber": {"full": NATIONAL}, "q4_address": {"state": "OH", "country": "United States"}}}),
        ),
        ("justdial", json!({"mobile": NATIONAL, "state": "Ohio"})),
        (
            "keap",
            json!({"record": {"phone_numbers": [{"number": NATIONAL, "type": "Mobile"}], "addresses": [{"country_code": "USA"}]}}),
        ),
        (
            "keap",
            json!({"record": {"phone_numbers": [{"number": NATIONAL, "type": "Mobile"}], "addresses": [{"region": "Ohio"}]}}),
        ),
        ("leadsquared", json!({"Mobile": NATIONAL, "mx_Country": "United States"})),
        ("leadsquared", json!({"After": {"Mobile": NATIONAL, "mx_State": "Ohio"}})),
        ("magicbricks", json!({"mobile": NATIONAL, "isd": "1"})),
        ("99acres", json!({"CntctDtl": {"Phone": NATIONAL, "Country": "United States"}})),
        ("mailchimp", json!({"data": {"merges": {"PHONE": NATIONAL, "ADDRESS": {"state": "Ohio", "country": "US"}}}})),
        (
            "mailchimp",
            json!({"data": {"merges": {"PHONE": NATIONAL, "ADDRESS": "1 Main St  Akron OH", "STATE": "Ohio"}}}),
        ),
        (
            "meta-leads",
            json!({"lead": {"field_data": [{"name": "phone_number", "values": [NATIONAL]}, {"name": "state", "values": ["Ohio"]}]}}),
        ),
        (
            "monday",
            json!({"event": {"columnValues": {"phone": {"phone": NATIONAL}, "country": {"countryCode": "US", "countryName": "United States"}}}}),
        ),
        (
            "pipedrive",
            json!({"person": {"phones": [{"value": NATIONAL, "primary": true}], "postal_address": {"country": "United States"}}}),
        ),
        (
            "pipedrive",
            json!({"data": {"phones": [{"value": NATIONAL, "primary": true}], "postal_address": {"admin_area_level_1": "Ohio"}}}),
        ),
        (
            "razorpay",
            json!({"payload": {"payment": {"entity": {"contact": NATIONAL}}, "invoice": {"entity": {"customer_details": {"billing_address": {"country": "us", "state": "Ohio"}}}}}}),
        ),
        (
            "razorpay",
            json!({"payload": {"payment": {"entity": {"contact": NATIONAL}}, "order": {"entity": {"customer_details": {"shipping_address": {"state": "OHIO"}}}}}}),
        ),
        ("salesforce", json!({"sObject": {"Phone": NATIONAL, "Country": "United States"}})),
        ("salesforce", json!({"sObject": {"Phone": NATIONAL, "MailingState": "Ohio"}})),
        ("shopify", json!({"phone": NATIONAL, "shipping_address": {"country": "United States"}})),
        ("shopify", json!({"phone": NATIONAL, "billing_address": {"province": "Ohio", "province_code": "OH"}})),
        ("standard-webhooks", json!({"data": {"phone": NATIONAL, "country": "IN", "country_code": "+1"}})),
        ("standard-webhooks", json!({"data": {"phone": NATIONAL, "state": "Ohio"}})),
        ("stripe", json!({"data": {"object": {"phone": NATIONAL, "address": {"country": "US"}}}})),
        (
            "stripe",
            json!({"data": {"object": {"customer_details": {"phone": NATIONAL, "address": {"country": null, "state": "Ohio"}}}}}),
        ),
        (
            "typeform",
            json!({"form_response": {"answers": [{"type": "phone_number", "phone_number": NATIONAL, "field": {"ref": "phone", "type": "phone_number"}}], "hidden": {"country_code": "+1"}}}),
        ),
        ("woocommerce", json!({"billing": {"phone": NATIONAL, "country": "", "state": "Ohio"}})),
        ("wpforms", json!({"phone": NATIONAL, "address": {"state": "Ohio", "country": ""}})),
        ("zendesk", json!({"phone": NATIONAL, "state": "Ohio"})),
        ("zendesk", json!({"phone": NATIONAL, "country": "IN", "country_code": "+1"})),
        ("zoho-workflow", json!({"Phone": NATIONAL, "Mailing_Country": "United States"})),
        ("zoho-workflow", json!({"Phone": NATIONAL, "State": "Ohio"})),
    ] {
        let head = format!("{}\nbody: json", head(source));
        assert_eq!(found(&head, &event)[0], OF_US, "{source}: {event}");
    }
}

#[test]
fn what_new_writes_leaves_the_country_to_the_event() {
    let leaves_it = |name: &str, text: &str| {
        for key in ["default_country", "country:", "calling_code:", "state:"] {
            assert!(!text.contains(key), "{name} has {key}: {text}");
        }
        assert!(text.contains(r#"destination: "{{ contact.phone }}""#), "{name}: {text}");
    };
    let mut starters = 0;
    for entry in std::fs::read_dir("config/sources").unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if let Some((_, starter)) = text.split_once("\nstarter:") {
            leaves_it(&path.display().to_string(), starter);
            starters += 1;
        }
    }
    assert!(starters > 40, "{starters}");
    let setup = Setup::new();
    setup.write("http://127.0.0.1:9/");
    for name in ["generic", "hubspot"] {
        let route = format!("new-{name}");
        let mut new = Command::new(env!("CARGO_BIN_EXE_serri-relay"));
        let output = new.args(["new", &route, "--source", name, "--config"]).arg(setup.config()).output().unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        leaves_it(name, &std::fs::read_to_string(setup.config().join(format!("routes/{route}.yaml"))).unwrap());
    }
}
