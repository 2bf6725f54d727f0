//! A change of the configuration on its way to the deliverer. What was claimed and not yet called goes back first, since
//! its rule may have changed; then what waits is mapped again. Nothing is claimed meanwhile, so that nothing goes as a
//! rule no longer says. Calls under way are finished; once they are, what came of them is mapped again as well.

use std::sync::Arc;

use futures_util::future::{BoxFuture, Fuse, FutureExt as _};

use super::remap::Pass;
use super::{Deliverer, STORE_PAUSE};

/// Where the change is on its way.
pub struct Adoption {
    /// What was claimed is on its way back; then this is to be done.
    due: Option<Pass>,
    is_under_way: bool,
    /// What waits is being mapped again.
    pub work: Fuse<BoxFuture<'static, ()>>,
}

impl Adoption {
    /// With nothing to change.
    pub fn none() -> Self {
        Self { due: None, is_under_way: false, work: Fuse::terminated() }
    }

    /// There is a new configuration. An older one that is still on its way is not waited for.
    pub fn begin(&mut self, pass: Pass) {
        *self = Self { due: Some(pass), is_under_way: true, work: Fuse::terminated() };
    }

    /// Whether nothing may be claimed.
    pub fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// Everything that was claimed has gone back or is being called, and what came of earlier calls is written down.
    pub fn go_on(&mut self, deliverer: &Arc<Deliverer>) {
        if let Some(pass) = self.due.take() {
            let deliverer = Arc::clone(deliverer);
            self.work = async move {
                while deliverer.prepare(pass).await.is_err() {
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
            .boxed()
            .fuse();
        }
    }

    /// What waits is as the rules say now.
    pub fn ended(&mut self) {
        self.is_under_way = false;
    }
}
