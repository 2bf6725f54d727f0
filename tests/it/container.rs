//! The container, the compose file and the proxy in front of them match each other, the crate and the docs.

use std::path::PathBuf;

use serde_json::Value;
use serri_relay::config::Extent;
use serri_relay::config::interpolate::Variables;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// What stands behind a word in a Caddyfile, without the comment.
fn directive<'a>(caddyfile: &'a str, word: &str) -> Vec<&'a str> {
    let found = caddyfile.lines().map(|line| line.split('#').next().unwrap().trim());
    found
        .filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '))
        .map(|rest| rest.trim_end_matches('{').trim())
        .collect()
}

#[test]
fn the_container_matches_the_crate() {
    let (docker, compose, cargo) = (read("Dockerfile"), read("docker-compose.yml"), read("Cargo.toml"));
    let sent = read(".dockerignore");
    let wanted =
        cargo.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap().trim_end_matches('"').to_owned();
    assert!(docker.contains(&format!("FROM rust:{wanted}-")), "the toolchain is rust-version");
    for needed in [
        "USER ",
        "HEALTHCHECK",
        "\"serri-relay\", \"health\"",
        "VOLUME",
        "COPY config ",
        // SQLite would be compiled without what it says
        "COPY .cargo ",
        "--locked",
        "benches",
        "ca-certificates",
    ] {
        assert!(docker.contains(needed), "{needed}");
    }
    for path in docker
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--from"))
        .flat_map(|line| line.split(' ').rev().skip(1))
    {
        assert!(root().join(path).exists(), "{path}");
        assert!(sent.lines().any(|line| line == format!("!{path}")), "{path} is in .dockerignore");
    }
    let parsed: serde_json::Value = serde_saphyr::from_str(&compose).unwrap();
    let relay = &parsed["services"]["relay"];
    assert!(
        relay["volumes"].as_array().unwrap().iter().any(|v| v.as_str().unwrap().starts_with("./config:/")),
        "{relay}"
    );
    assert_eq!(relay["read_only"], true, "nothing but the volume is written to");
    assert!(relay["volumes"].as_array().unwrap().iter().any(|v| v == "data:/relay/data"), "{relay}");
    assert_eq!(relay["restart"], "unless-stopped", "a relay that ends by itself is started again");
    let environment = relay["environment"].as_object().unwrap();
    assert!(environment.contains_key("SERRI_API_KEY"));
    // nothing that everybody could know, and the admin listener is not opened unasked
    for (name, value) in environment {
        let value = value.as_str().unwrap();
        assert!(value == format!("${{{name}:-}}"), "{name}: {value} is published");
    }
    for port in relay["ports"].as_array().unwrap() {
        let port = port.as_str().unwrap();
        assert!(port == "${RELAY_PORT:-8080}:8080" || port.starts_with("127.0.0.1:"), "{port}");
    }
}

#[test]
fn the_proxy_in_front_fits_the_container_and_the_settings() {
    let (caddyfile, compose) = (read("docs/Caddyfile"), read("docker-compose.yml"));
    let compose: Value = serde_saphyr::from_str(&compose).unwrap();
    let (relay, https) = (&compose["services"]["relay"], &compose["services"]["https"]);
    assert!(relay["profiles"].is_null(), "it runs with and without the proxy");
    assert_eq!(texts(&https["profiles"]), ["https"]);

    let settings = serri_relay::config::read(&root().join("config"), &Variables::default(), Extent::Used);
    let server = settings.0.unwrap().relay.value.server;
    let port = server.listen.0.port().to_string();
    assert_eq!(directive(&caddyfile, "reverse_proxy"), [format!("relay:{port}")]);
    assert!(read("Dockerfile").lines().any(|line| {
        line.strip_prefix("EXPOSE ").is_some_and(|ports| ports.split(' ').any(|exposed| exposed == port))
    }));
    assert!(texts(&relay["ports"]).contains(&format!("${{RELAY_PORT:-{port}}}:{port}").as_str()));
    assert_eq!(texts(&https["ports"]), ["80:80", "443:443", "443:443/udp"]);
    assert!(texts(&https["volumes"]).contains(&"./docs/Caddyfile:/etc/caddy/Caddyfile:ro"));
    for volume in [relay, https].map(|service| &service["volumes"]).into_iter().flat_map(texts) {
        let name = volume.split(':').next().unwrap();
        assert!(name.starts_with("./") || compose["volumes"].get(name).is_some(), "{volume}");
    }

    assert_eq!(https["environment"]["SITE"], "${SITE:-localhost}");
    assert!(caddyfile.lines().any(|line| line == "{$SITE:localhost} {"), "the site's name is what compose passes");
    assert_eq!(directive(&caddyfile, "handle"), ["/webhooks/*", ""]);
    assert_eq!(directive(&caddyfile, "respond"), ["404"]);
    let number = |word: &str, unit: &str| -> u64 {
        directive(&caddyfile, word).concat().strip_suffix(unit).unwrap_or_else(|| panic!("{word}")).parse().unwrap()
    };
    assert!(
        number("max_size", "MiB") << 20 > server.body_limit.0 as u64,
        "the relay itself says why a body is too large"
    );
    let waits_s = number("lb_try_duration", "s");
    assert!(waits_s >= server.shutdown_grace.0.as_secs(), "a call outlasts a relay that stops");
    assert!(number("read_body", "s") >= waits_s + server.request_timeout.0.as_secs());
}

#[test]
fn the_page_about_https_says_what_the_files_say() {
    let (page, compose, example) = (read("docs/HTTPS.md"), read("docker-compose.yml"), read(".env.example"));
    let commands: Vec<&str> =
        page.lines().map(str::trim).filter(|line| line.starts_with("docker compose --profile https up")).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    let set: Vec<&str> = page
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "```ini")
        .skip(1)
        .take_while(|line| *line != "```")
        .collect();
    assert_eq!(set.len(), 3, "{set:?}");
    for line in set {
        assert!(example.lines().any(|known| known.strip_prefix('#') == Some(line)), "{line} is in .env.example");
        let (name, value) = line.split_once('=').unwrap();
        if let Some(setting) = name.strip_prefix("SERRI_RELAY__") {
            assert_eq!((setting, value), ("SERVER__PUBLIC_URL", "https://hooks.example.com"));
        } else {
            assert!(compose.contains(&format!("${{{name}:-")), "{name} is used");
        }
    }
}
