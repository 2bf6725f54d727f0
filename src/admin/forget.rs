//! Erasing a person: every row is looked at in bounded readings, and what is found goes in small steps between which events
//! are accepted. What was cut off is finished by asking for the same again.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::Body;
use super::state::{AdminState, Answer, half_done, problem, unusable};
use crate::event::erasure::{ERASE_STEP, Erased, ErasureStep, Person, SearchCursor};
use crate::store::Upkeep;

/// How often it is tried to empty the log while people read, and how long it is waited in between: in all somewhat longer
/// than anybody may read.
const TRIES: usize = 60;
const PAUSE: Duration = Duration::from_millis(200);

/// Who is to be erased.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The number, in any spelling.
    number: String,
    /// In the country of this account; of the default account if left out.
    #[serde(default)]
    account: Option<String>,
    /// Whether it is done; else it is only said what would be.
    #[serde(default)]
    yes: bool,
}

/// `GET /api/v1/forget`: the last erasures, which say nothing of whom.
pub async fn list(State(admin): State<Arc<AdminState>>) -> Answer<Json<Value>> {
    let erasures = admin.archive.erasures().await.map_err(unusable)?;
    Ok(Json(json!({ "erasures": erasures, "next": null })))
}

/// `POST /api/v1/forget`
pub async fn forget(State(admin): State<Arc<AdminState>>, Body(asked): Body<Asked>) -> Answer<Json<Value>> {
    let number = match &asked.account {
        Some(name) => admin.number_of(&asked.number, &admin.account(name)?),
        None => admin.number(&asked.number),
    }?;
    let unknown = || problem(StatusCode::BAD_REQUEST, format!("`{}` is not a phone number", asked.number));
    let person = Person::of(&number).ok_or_else(unknown)?;
    if !asked.yes {
        let counts = find(&admin, &person).await?;
        return Ok(Json(json!({ "number": number, "erased": false, "counts": counts })));
    }
    let asked = Arc::clone(&admin);
    let done = admin.tasks.spawn(async move { carry_out(&asked, &person).await }).await;
    let failed =
        |_| Err(problem(StatusCode::INTERNAL_SERVER_ERROR, "the relay failed internally; ask for the same again"));
    done.unwrap_or_else(failed).map(Json)
}

/// Erases, and leaves no copy in the files. Two at once would stand in each other's way.
async fn carry_out(admin: &AdminState, person: &Person) -> Answer<Value> {
    let _one = admin.erasing.lock().await;
    let counts = erase(admin, person).await?;
    let rewritten = admin.operate.upkeep(Upkeep::Rewrite).await.map_err(unusable)?;
    let log_emptied = empty_log(admin).await?;
    Ok(json!({
        "number": person.number, "erased": true, "counts": counts, "file_rewritten": rewritten, "log_emptied": log_emptied
    }))
}

/// What would go.
async fn find(admin: &AdminState, person: &Person) -> Answer<Erased> {
    let (mut found, mut cursor) = (Erased::default(), Some(SearchCursor::default()));
    while let Some(at) = cursor {
        let traces = admin.archive.traces(person.clone(), at).await.map_err(unusable)?;
        found += traces.counts;
        cursor = traces.next;
    }
    Ok(found)
}

/// Erases what is found, and writes down that it did.
async fn erase(admin: &AdminState, person: &Person) -> Answer<Erased> {
    let mut erased = Erased::default();
    let complete = erase_all(admin, person, &mut erased).await;
    // what went is written down also where the rest could not go
    let record = ErasureStep::Record(erased);
    let recorded = admin.operate.erase(person.clone(), record, admin.clock.now()).await.map_err(unusable);
    let rows = usize::try_from(erased.events + erased.sends).unwrap_or(usize::MAX);
    complete.and(recorded.map(drop)).map_err(|wrong| half_done(wrong, rows, "erased"))?;
    if let Some(sandbox) = &admin.sandbox {
        sandbox.forget(&person.number);
    }
    admin.wake.notify_one();
    let Erased { events, blanked, sends, under_way, attempts, lookups, suppressions, others_waiting } = erased;
    tracing::info!(
        events,
        blanked,
        sends,
        under_way,
        attempts,
        lookups,
        suppressions,
        others_waiting,
        by = "admin API",
        "person erased"
    );
    Ok(erased)
}

async fn erase_all(admin: &AdminState, person: &Person, erased: &mut Erased) -> Answer<()> {
    let step = async |step| admin.operate.erase(person.clone(), step, admin.clock.now()).await.map_err(unusable);
    *erased += step(ErasureStep::Suppressions).await?;
    let mut cursor = Some(SearchCursor::default());
    while let Some(at) = cursor {
        let traces = admin.archive.traces(person.clone(), at).await.map_err(unusable)?;
        for part in traces.found.chunks(ERASE_STEP) {
            *erased += step(ErasureStep::Traces(part.to_vec())).await?;
        }
        cursor = traces.next;
    }
    Ok(())
}

/// The log still holds what was written before. It cannot be emptied while anybody reads an older state.
async fn empty_log(admin: &AdminState) -> Answer<bool> {
    for _ in 0..TRIES {
        if admin.operate.upkeep(Upkeep::EmptyLog).await.map_err(unusable)? {
            return Ok(true);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(false)
}
