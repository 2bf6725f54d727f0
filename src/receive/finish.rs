//! A call that was begun is finished, also when its sender hangs up: what was stored is delivered, counted and logged.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::Receiver;

/// Works on a call to its end.
pub async fn finish(State(receiver): State<Arc<Receiver>>, request: Request, next: Next) -> Response {
    Finishing { work: Some(Box::pin(next.run(request))), tasks: receiver.means.tasks.clone() }.await
}

/// Work on a call. Hyper drops it when the sender hangs up; then it goes on as a task of its own.
struct Finishing {
    work: Option<BoxFuture<'static, Response>>,
    tasks: TaskTracker,
}

impl Future for Finishing {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        // taken out meanwhile: what panics must not be polled again
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl Drop for Finishing {
    fn drop(&mut self) {
        if let Some(work) = self.work.take()
            && let Ok(runtime) = Handle::try_current()
        {
            self.tasks.spawn_on(work, &runtime);
        }
    }
}
