//! What ships inside the binary: the default settings and the sources.

/// `config/relay.yaml`: the defaults, and their manual.
pub const RELAY: &str = include_str!("../../config/relay.yaml");

/// The text of the shipped source with a name.
pub fn source(name: &str) -> Option<&'static str> {
    SOURCES.iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text)
}

/// Whether a text says the same as a shipped one. Line ends do not count: git writes them as each computer has them.
pub fn is_same(text: &str, shipped: &str) -> bool {
    text.lines().eq(shipped.lines())
}

/// The sources, by name.
pub const SOURCES: &[(&str, &str)] = &[
    ("99acres", include_str!("../../config/sources/99acres.yaml")),
    ("activecampaign", include_str!("../../config/sources/activecampaign.yaml")),
    ("bitrix24", include_str!("../../config/sources/bitrix24.yaml")),
    ("bitrix24-automation", include_str!("../../config/sources/bitrix24-automation.yaml")),
    ("cal", include_str!("../../config/sources/cal.yaml")),
    ("calendly", include_str!("../../config/sources/calendly.yaml")),
    ("cashfree", include_str!("../../config/sources/cashfree.yaml")),
    ("close", include_str!("../../config/sources/close.yaml")),
    ("contact-form-7", include_str!("../../config/sources/contact-form-7.yaml")),
    ("elementor", include_str!("../../config/sources/elementor.yaml")),
    ("freshsales", include_str!("../../config/sources/freshsales.yaml")),
    ("generic", include_str!("../../config/sources/generic.yaml")),
    ("gohighlevel", include_str!("../../config/sources/gohighlevel.yaml")),
    ("gohighlevel-workflow", include_str!("../../config/sources/gohighlevel-workflow.yaml")),
    ("google-ads", include_str!("../../config/sources/google-ads.yaml")),
    ("google-forms", include_str!("../../config/sources/google-forms.yaml")),
    ("gravity-forms", include_str!("../../config/sources/gravity-forms.yaml")),
    ("hubspot", include_str!("../../config/sources/hubspot.yaml")),
    ("hubspot-workflow", include_str!("../../config/sources/hubspot-workflow.yaml")),
    ("indiamart", include_str!("../../config/sources/indiamart.yaml")),
    ("intercom", include_str!("../../config/sources/intercom.yaml")),
    ("jotform", include_str!("../../config/sources/jotform.yaml")),
    ("justdial", include_str!("../../config/sources/justdial.yaml")),
    ("keap", include_str!("../../config/sources/keap.yaml")),
    ("leadsquared", include_str!("../../config/sources/leadsquared.yaml")),
    ("linkedin", include_str!("../../config/sources/linkedin.yaml")),
    ("magicbricks", include_str!("../../config/sources/magicbricks.yaml")),
    ("mailchimp", include_str!("../../config/sources/mailchimp.yaml")),
    ("make", include_str!("../../config/sources/make.yaml")),
    ("meta-leads", include_str!("../../config/sources/meta-leads.yaml")),
    ("monday", include_str!("../../config/sources/monday.yaml")),
    ("pabbly", include_str!("../../config/sources/pabbly.yaml")),
    ("pipedrive", include_str!("../../config/sources/pipedrive.yaml")),
    ("razorpay", include_str!("../../config/sources/razorpay.yaml")),
    ("salesforce", include_str!("../../config/sources/salesforce.yaml")),
    ("shopify", include_str!("../../config/sources/shopify.yaml")),
    ("standard-webhooks", include_str!("../../config/sources/standard-webhooks.yaml")),
    ("stripe", include_str!("../../config/sources/stripe.yaml")),
    ("tally", include_str!("../../config/sources/tally.yaml")),
    ("typeform", include_str!("../../config/sources/typeform.yaml")),
    ("webflow", include_str!("../../config/sources/webflow.yaml")),
    ("woocommerce", include_str!("../../config/sources/woocommerce.yaml")),
    ("wpforms", include_str!("../../config/sources/wpforms.yaml")),
    ("zapier", include_str!("../../config/sources/zapier.yaml")),
    ("zendesk", include_str!("../../config/sources/zendesk.yaml")),
    ("zoho-notification", include_str!("../../config/sources/zoho-notification.yaml")),
    ("zoho-workflow", include_str!("../../config/sources/zoho-workflow.yaml")),
];
