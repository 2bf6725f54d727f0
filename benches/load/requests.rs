//! Signed requests for wrk: orders of many persons, each with its own signature, made before the load begins.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use base64::Engine as _;
use serde_json::json;

/// The secret that the bench route is configured with.
pub const SECRET: &str = "bench-secret-0123456789";

/// How many different persons order something.
const PERSONS: u64 = 5_000;

/// A Lua script that sends the orders in turn, each time with a new event id.
pub fn script() -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let mut script = String::from("local requests = {\n");
    for person in 0..PERSONS {
        let body = order(person);
        let signature = base64::engine::general_purpose::STANDARD.encode(hmac::sign(&key, body.as_bytes()).as_ref());
        let _ = writeln!(script, "{{[[{signature}]], [==[{body}]==]}},");
    }
    script.push_str(SENDER);
    script
}

/// Everything but the id is put together before the load begins.
const SENDER: &str = r#"}
for _, r in ipairs(requests) do
  r[1] = "POST /webhooks/bench HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nX-Shopify-Topic: orders/create\r\n"
    .. "X-Shopify-Shop-Domain: bench.myshopify.com\r\nX-Shopify-Hmac-Sha256: " .. r[1] .. "\r\nContent-Length: " .. #r[2]
    .. "\r\nX-Shopify-Webhook-Id: "
  r[2] = "\r\n\r\n" .. r[2]
end
local thread_count = 0
function setup(thread)
  thread:set("id", thread_count)
  thread_count = thread_count + 1
end
local n = 0
local run = os.getenv("BENCH_RUN") or "0"
function request()
  n = n + 1
  local r = requests[(n * 7 + id * 2503) % #requests + 1]
  return r[1] .. run .. "-" .. id .. "-" .. n .. r[2]
end
"#;

/// An order of about 1 KB.
fn order(person: u64) -> String {
    let phone = format!("+9198{:08}", 10_000_000 + person);
    json!({
        "id": 5_544_332_211_000_u64 + person,
        "admin_graphql_api_id": format!("gid://shopify/Order/{}", 5_544_332_211_000_u64 + person),
        "name": format!("#{}", 1_000 + person),
        "order_number": 1_000 + person,
        "created_at": "2026-11-26T18:11:02+05:30",
        "currency": "INR",
        "total_price": "1499.00",
        "financial_status": "paid",
        "email": format!("asha{person}@example.com"),
        "phone": null,
        "note": "Please ring the bell twice and leave the parcel with the neighbour on the ground floor.",
        "customer": { "id": 7_711 + person, "first_name": "Asha", "last_name": "Rao", "email": format!("asha{person}@example.com"), "phone": phone },
        "shipping_address": { "name": "Asha Rao", "phone": "98123 45670", "address1": "12 MG Road", "city": "Pune", "zip": "411001", "country_code": "IN" },
        "line_items": [
            { "id": 1, "title": "Cotton kurta, indigo, hand-block printed", "quantity": 1, "price": "999.00" },
            { "id": 2, "title": "Silk scarf", "quantity": 1, "price": "500.00" },
        ],
    })
    .to_string()
}
