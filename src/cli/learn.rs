//! `serri-relay check --learn`: what Serri accepted so far tells how many parameters each campaign takes.

use anyhow::Context as _;
use serde_json::Value;

use super::{Setting, say};
use crate::config::send_options::CampaignSpec;
use crate::config::{self, Extent};
use crate::event::plain_account;
use crate::event::view::LearnedCampaign;
use crate::store::learned;

/// Adds the campaigns that the store knows and `relay.yaml` does not.
///
/// # Errors
///
/// If the settings or the store cannot be read, or the file cannot be written.
pub fn run(setting: &Setting) -> anyhow::Result<()> {
    let (written, _) = config::read(&setting.dir, &setting.variables, Extent::Used);
    let written = written.context("the settings cannot be read; `serri-relay check` shows why")?;
    let relay = &written.relay.value;
    let seen = learned(relay.store.url.as_str())
        .with_context(|| format!("what was accepted stands in the store, {}", relay.store.url))?;
    // the sandbox takes any count: it teaches nothing
    let (seen, of_sandbox): (Vec<LearnedCampaign>, Vec<_>) =
        seen.into_iter().partition(|seen| plain_account(&seen.account) == seen.account);
    if !of_sandbox.is_empty() {
        say(&format!("{} campaign(s) were accepted by the sandbox alone, and are left out", of_sandbox.len()));
    }
    let is_listed = |seen: &LearnedCampaign| {
        let account = plain_account(&seen.account);
        let same =
            |known: &CampaignSpec| known.name == seen.name && known.account.as_deref().unwrap_or("default") == account;
        relay.campaigns.iter().any(same)
    };
    let several = relay.accounts.len() > 1;
    let mut new: Vec<String> = seen.iter().filter(|seen| !is_listed(seen)).map(|seen| entry(seen, several)).collect();
    new.dedup();
    if new.is_empty() {
        say("nothing new was accepted; `campaigns` stays as it is");
        return Ok(());
    }
    let path = setting.dir.join("relay.yaml");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let text = with_entries(&text, &new).with_context(|| {
        format!(
            "`campaigns` in `{}` is not a list with a line for each entry; add these yourself:\n{}",
            path.display(),
            new.concat()
        )
    })?;
    std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    say(&format!(
        "{} campaign(s) written to `{}`; say of each whether it is marketing or utility",
        new.len(),
        path.display()
    ));
    Ok(())
}

/// A campaign as it is listed; where there are several accounts, each says its own.
fn entry(seen: &LearnedCampaign, several: bool) -> String {
    let payload: Value = serde_json::from_str(&seen.payload).unwrap_or_default();
    let params = payload.get("templateParams").and_then(Value::as_array).map_or(0, Vec::len);
    let url = payload.pointer("/media/url").and_then(Value::as_str);
    let account = match plain_account(&seen.account) {
        "default" if !several => String::new(),
        other => format!(", account: {}", Value::from(other)),
    };
    let name = Value::from(seen.name.as_str());
    format!("  - {{ name: {name}, params: {params}, media: {}{account} }}\n", media(url))
}

/// What kind of media a URL leads to, by its last letters.
fn media(url: Option<&str>) -> &'static str {
    let Some(url) = url else { return "none" };
    let path = url.split(['?', '#']).next().unwrap_or("").to_lowercase();
    match path.rsplit('.').next().unwrap_or("") {
        "jpg" | "jpeg" | "png" | "webp" | "gif" => "image",
        "mp4" | "3gp" | "mov" => "video",
        _ => "document",
    }
}

/// A file's text with entries at the head of its list; `None` if it has the list in another form.
fn with_entries(text: &str, new: &[String]) -> Option<String> {
    let is_head = |line: &&str| line.starts_with("campaigns:");
    let Some(head) = text.lines().find(is_head) else {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return Some(format!("{text}{gap}\ncampaigns:\n{}", new.concat()));
    };
    let rest = head.strip_prefix("campaigns:")?.split('#').next()?.trim();
    match rest {
        "" => {
            // the entries that are there say how far they stand in
            let after = text.lines().skip_while(|line| !is_head(line)).skip(1);
            let first = after.into_iter().find(|line| line.trim_start().starts_with('-'))?;
            let indent = first.split('-').next()?;
            let new: String = new.iter().flat_map(|line| [indent, line.trim_start()]).collect();
            Some(text.replacen(&format!("{head}\n"), &format!("{head}\n{new}"), 1))
        }
        "[]" => Some(text.replacen(head, &format!("campaigns:\n{}", new.concat().trim_end()), 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_join_the_file_as_it_is_written() {
        let new = ["  - { name: \"a\", params: 1, media: none }\n".to_owned()];
        let added = |text| with_entries(text, &new);
        assert_eq!(added("x: 1"), Some("x: 1\n\ncampaigns:\n  - { name: \"a\", params: 1, media: none }\n".into()));
        assert_eq!(
            added("campaigns: # known\n- name: b\ny: 2\n"),
            Some("campaigns: # known\n- { name: \"a\", params: 1, media: none }\n- name: b\ny: 2\n".into())
        );
        assert_eq!(added("campaigns: [{ name: b }]\n"), None);
        assert_eq!(media(Some("https://x.example/a.PDF?x=1.png")), "document");
        assert_eq!(media(Some("https://x.example/a.jpg?x=1")), "image");
    }
}
