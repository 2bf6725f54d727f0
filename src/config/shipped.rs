//! What ships inside the binary: the default settings and the sources.

/// `config/relay.yaml`: the defaults, and their manual.
pub const RELAY: &str = include_str!("../../config/relay.yaml");

/// The sources, by name.
pub const SOURCES: &[(&str, &str)] = &[
    ("elementor", include_str!("../../config/sources/elementor.yaml")),
    ("generic", include_str!("../../config/sources/generic.yaml")),
    ("hubspot-workflow", include_str!("../../config/sources/hubspot-workflow.yaml")),
    ("razorpay", include_str!("../../config/sources/razorpay.yaml")),
    ("shopify", include_str!("../../config/sources/shopify.yaml")),
    ("standard-webhooks", include_str!("../../config/sources/standard-webhooks.yaml")),
    ("woocommerce", include_str!("../../config/sources/woocommerce.yaml")),
];
