//! Counts the requests to the API server and notes when a watch delivers something, bookmarks included.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::{Layer, Service};

use crate::metrics::{Collection, Metrics};

/// Adds the counting to a client.
pub struct TrafficLayer(pub Arc<Metrics>);

impl<S> Layer<S> for TrafficLayer {
    type Service = Traffic<S>;

    fn layer(&self, inner: S) -> Traffic<S> {
        Traffic { inner, metrics: Arc::clone(&self.0) }
    }
}

/// A client's service with counting.
pub struct Traffic<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

/// The objects that a request lists or watches.
fn collection(request: &http::Uri) -> Option<Collection> {
    let last = request.path().rsplit('/').next().unwrap_or_default();
    let resource = ["jwts", "secrets", "configmaps"].into_iter().find(|name| *name == last)?;
    Some(Collection { resource, path: request.path().into() })
}

fn is_watch(request: &http::Uri) -> bool {
    request.query().is_some_and(|query| query.split('&').any(|part| part == "watch=true"))
}

impl<S, B, R> Service<Request<B>> for Traffic<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: 'static,
{
    type Response = Response<WatchedBody<R>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_watch = is_watch(request.uri());
        let collection = collection(request.uri()).filter(|_| request.method() == http::Method::GET);
        let verb = if is_watch { "WATCH".to_owned() } else { request.method().to_string() };
        let metrics = Arc::clone(&self.metrics);
        self.inner
            .call(request)
            .map(move |answer| {
                let code = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
                // A Secret or a right that is absent is part of the work.
                if code != 404 {
                    metrics.answered(&verb, code);
                }
                answer.map(|answer| {
                    match &collection {
                        Some(watch) if code >= 400 => metrics.watch_rejected(watch),
                        Some(watch) if is_watch => metrics.watch_started(watch),
                        _ => {}
                    }
                    let watch = collection.filter(|_| is_watch && code < 400);
                    answer.map(|inner| WatchedBody { inner, watch, metrics })
                })
            })
            .boxed()
    }
}

/// The body of an answer; of a watch, each part of it is noted.
pub struct WatchedBody<R> {
    inner: R,
    watch: Option<Collection>,
    metrics: Arc<Metrics>,
}

impl<R: Body + Unpin> Body for WatchedBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        if let (Poll::Ready(Some(Ok(_))), Some(watch)) = (&frame, &self.watch) {
            self.metrics.watch_event(watch);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
