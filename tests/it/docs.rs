//! README and docs: every command is run, every YAML is read, every filter is shown.

use std::path::{Path, PathBuf};
use std::process::Command;

use serri_relay::config::diagnostic::Severity;
use serri_relay::config::interpolate::Variables;
use serri_relay::map::filters;
use serri_relay::route::check::check;
use serri_relay::serri::sandbox::CASES;

use crate::world::Setup;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<(String, String)> {
    let docs = std::fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "md"));
    std::iter::once(root().join("README.md"))
        .chain(docs)
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

/// The fenced blocks of a language, without their indentation.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == format!("```{language}") {
            let indent = line.len() - line.trim_start().len();
            let inside: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
            blocks.push(inside.iter().map(|line| format!("{}\n", line.get(indent..).unwrap_or(""))).collect());
        }
    }
    blocks
}

#[test]
fn every_yaml_in_the_docs_is_what_it_says() {
    let mut seen = 0;
    for (page, text) in pages() {
        for block in blocks(&text, "yaml") {
            let first = block.lines().next().unwrap();
            let name = first
                .strip_prefix("# config/")
                .unwrap_or_else(|| panic!("{page}: a YAML block begins with `# config/...`, not with `{first}`"));
            let setup = Setup::new().set("server.public_url=https://hooks.example.com");
            setup.write("http://127.0.0.1:9/");
            // a block may hold several files that belong together
            let files = block.split("# config/").skip(1).filter_map(|file| file.split_once('\n'));
            let setup = files.fold(setup, |setup, (name, text)| setup.file(name, text));
            let (checked, diagnostics) = check(
                &setup.config(),
                &Variables::given([
                    ("SHOP_SECRET", "0123456789abcdef"),
                    ("CLINIC_SECRET", "89abcdef01234567"),
                    ("CONTACT_FORM_SECRET", "fedcba9876543210"),
                    ("META_APP_SECRET", "0123456789abcdef0123"),
                    ("META_VERIFY_TOKEN", "any text"),
                    ("META_PAGE_TOKEN", "EAAGm0PX4ZCpsBAKZCZB"),
                    ("SERRI_API_KEY", "k"),
                    ("HELLO_SECRET", "76543210fedcba98"),
                    ("SERRI_RELAY_ADMIN_TOKEN", "t"),
                ]),
            );
            let diagnostics: Vec<_> =
                diagnostics.into_iter().filter(|diagnostic| diagnostic.severity == Severity::Error).collect();
            assert!(
                checked.is_some() && diagnostics.is_empty(),
                "{page}: {name}: {:#?}",
                diagnostics.iter().map(serri_relay::config::diagnostic::Diagnostic::one_line).collect::<Vec<_>>()
            );
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn every_filter_and_reserved_name_is_documented() {
    let templates = std::fs::read_to_string(root().join("docs/TEMPLATES.md")).unwrap();
    for filter in filters::ALL {
        assert!(templates.contains(&format!("`{}`", filter.name)), "{}", filter.name);
        for (expression, result) in filter.examples {
            assert!(
                templates.contains(&format!("| `{}` | {result} |", expression.replace('|', "\\|"))),
                "{expression} | {result}"
            );
        }
    }
    let sandbox = std::fs::read_to_string(root().join("docs/SANDBOX.md")).unwrap();
    for case in CASES {
        assert!(
            sandbox.contains(&format!(
                "| `{}` | {} | {} |",
                case.campaign,
                case.number.map(|n| format!("`{n}`")).unwrap_or_default(),
                case.about
            )),
            "{case:?}"
        );
    }
}

#[test]
fn the_readmes_commands_work_as_they_are_written() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150, "{} lines", readme.lines().count());
    let blocks = blocks(&readme, "sh");
    let commands: Vec<&str> = blocks.iter().flat_map(|block| block.lines()).filter(|line| !line.is_empty()).collect();
    let known = [
        "git clone",
        "cd serri-relay",
        "cargo run --release -- serve",
        "./scripts/test",
        "docker compose",
        "cp .env.example",
    ];
    let run: Vec<&str> =
        commands.iter().copied().filter(|line| !known.iter().any(|known| line.starts_with(known))).collect();
    assert!(run.len() >= 6, "{run:?}");
    // a person takes a moment to type the next command; the script waits for what that one should show
    let typed = run.join("\n").replace("curl -s http://localhost:8081/sandbox/messages", "until curl -s http://localhost:8081/sandbox/messages | tee inbox | grep -q welcome_lead; do :; done; cat inbox");
    let typed = typed.replace("serri-relay post shop", "until serri-relay post shop; do :; done");
    let out = typed_beside_a_relay(&typed);
    assert!(out.contains(r#""status":"accepted""#) && out.contains("welcome_lead"), "{out}");
}

#[test]
fn the_operators_commands_work_as_they_are_written() {
    let page = std::fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
    let blocks = blocks(&page, "sh");
    let commands: Vec<&str> = blocks.iter().flat_map(|block| block.lines()).filter(|line| !line.is_empty()).collect();
    assert!(commands.len() >= 12, "{commands:?}");
    let first = "curl -fs http://localhost:8080/webhooks/hello -H 'Authorization: Bearer let-me-in' -H 'Content-Type: application/json' -d '{\"name\":\"asha rao\",\"phone\":\"98123 45670\",\"city\":\"Pune\"}'\nuntil serri-relay sends list --state sent | grep -q welcome_lead; do :; done";
    let out = typed_beside_a_relay(&format!("{first}\n{}", commands.join("\n")));
    for shown in [
        "+919812345670",
        "welcome_lead",
        "add --yes to do it",
        "wrong template",
        "nothing is on hold",
        "number,account,reason,since",
    ] {
        assert!(out.contains(shown), "{shown}:\n{out}");
    }
}

#[test]
fn the_commands_of_the_privacy_page_erase_whom_they_name() {
    let page = std::fs::read_to_string(root().join("docs/PRIVACY.md")).unwrap();
    let commands = blocks(&page, "sh").concat();
    let first = "curl -fs http://localhost:8080/webhooks/hello -H 'Authorization: Bearer let-me-in' -H 'Content-Type: application/json' -d '{\"name\":\"asha rao\",\"phone\":\"98123 45670\",\"city\":\"Pune\"}'\nuntil serri-relay sends list --state sent | grep -q welcome_lead; do :; done";
    let out = typed_beside_a_relay(&format!("{first}\n{commands}\nserri-relay sends list --number '98123 45670'"));
    let would = "+919812345670: 1 event(s), 1 send(s), 1 attempt(s), 0 lookup(s) would be erased";
    for shown in [would, "add --yes to do it", "0 lookup(s) erased\n", "under_way"] {
        assert!(out.contains(shown), "{shown}:\n{out}");
    }
    assert!(!out.rsplit("under_way").next().unwrap().contains("welcome_lead"), "nothing of them is left:\n{out}");
}

/// What commands say that are typed while a relay runs with the shipped configuration.
fn typed_beside_a_relay(commands: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    // the shell runs in a fresh copy; cargo and the clone are what brought us here
    copy(&root().join("config"), &dir.path().join("config"));
    let script = format!(
        "set -eu\nmkdir bin; ln -s '{}' bin/serri-relay; PATH=$PWD/bin:$PATH\nserri-relay serve 2>serve.log & relay=$!\ntrap 'kill $relay' EXIT\nuntil curl -fs http://localhost:${{PORT}}/healthz >/dev/null; do kill -0 $relay || {{ cat serve.log; exit 1; }}; done\n{commands}\n",
        env!("CARGO_BIN_EXE_serri-relay"),
    );
    let (port, admin) = (free_port(), free_port());
    let script = script
        .replace("localhost:8080", &format!("localhost:{port}"))
        .replace("localhost:8081", &format!("localhost:{admin}"));
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(dir.path())
        .env("PORT", port.to_string())
        .env("SERRI_RELAY__SERVER__LISTEN", format!("127.0.0.1:{port}"))
        .env("SERRI_RELAY__ADMIN__LISTEN", format!("127.0.0.1:{admin}"))
        .env_remove("SERRI_API_KEY")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n{out}\n{err}");
    out.into_owned()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
