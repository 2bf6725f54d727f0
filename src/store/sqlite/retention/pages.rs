//! Pages of the file that nothing uses any more: a reserve is left for new rows, the rest is given back to the file system.

use rusqlite::{Connection, Result};

use super::{Walk, limit};
use crate::store::sweep::{Removed, SweepRequest};

/// `PRAGMA auto_vacuum` of files whose pages can be given back one by one.
const INCREMENTAL: i64 = 2;

/// One page in so many is kept free for new rows.
const RESERVE: i64 = 20;

/// How much is kept free at least, in bytes.
const LEAST_RESERVE: i64 = 16 * 1_024 * 1_024;

/// Gives pages back, up to the reserve.
pub fn give_back(db: &Connection, request: &SweepRequest, removed: &mut Removed) -> Result<Walk> {
    let ask = |what: &str| db.prepare_cached(&format!("PRAGMA {what}"))?.query_row([], |row| row.get::<_, i64>(0));
    if ask("auto_vacuum")? != INCREMENTAL {
        return Ok(Walk::Ended);
    }
    let reserve = (ask("page_count")? / RESERVE).max(LEAST_RESERVE / ask("page_size")?.max(1));
    let surplus = ask("freelist_count")? - reserve;
    if surplus <= 0 {
        return Ok(Walk::Ended);
    }
    // its number cannot be bound; each page is a row
    let mut give = db.prepare(&format!("PRAGMA incremental_vacuum({})", surplus.min(limit(request))))?;
    let mut pages = give.query([])?;
    while pages.next()?.is_some() {
        removed.pages += 1;
    }
    Ok(if surplus > limit(request) { Walk::GoesOn } else { Walk::Ended })
}
