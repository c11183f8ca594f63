//! Serving a simulator over loopback sockets, with connections that can break on purpose.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs, lookup_host};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::front::Broken;
use crate::live::{self, Chunk};

/// The largest request body that is read over a socket.
const LARGEST_BODY: usize = 64 << 20;

/// A listener that serves until it is dropped; open connections end with it.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
    idle: watch::Sender<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Binds the first of the given addresses that works. Only loopback addresses are allowed: the
/// simulator accepts anybody's token.
pub(crate) async fn bind(addresses: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let all: Vec<SocketAddr> = lookup_host(addresses).await?.collect();
    if let Some(remote) = all.iter().find(|address| !address.ip().is_loopback()) {
        let message = format!("{remote} is not a loopback address; the simulator listens on loopback only");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    TcpListener::bind(&all[..]).await
}

/// Serves `handle` on a bound socket.
pub(crate) fn listen<F, R>(socket: TcpListener, handle: F) -> io::Result<Listener>
where
    F: Fn(Request<Bytes>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response<Bytes>, Broken>> + Send + 'static,
{
    let address = socket.local_addr()?;
    let (idle, _) = watch::channel(());
    let (handle, closing) = (Arc::new(handle), idle.clone());
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            match socket.accept().await {
                Ok((stream, _)) => {
                    // A refused option only makes replies slower.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection(stream, handle.clone(), closing.subscribe()));
                }
                // Out of file descriptors, most likely: let connections end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            while connections.try_join_next().is_some() {}
        }
    });
    Ok(Listener { address, task, idle })
}

impl Listener {
    /// Closes every connection that has no request on it.
    pub(crate) fn close_idle(&self) {
        self.idle.send_replace(());
    }
}

async fn connection<F, R>(stream: TcpStream, handle: Arc<F>, mut closing: watch::Receiver<()>)
where
    F: Fn(Request<Bytes>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response<Bytes>, Broken>> + Send + 'static,
{
    let busy = AtomicUsize::new(0);
    let service = service_fn(|request: Request<Incoming>| {
        let (handle, guard) = (handle.clone(), Busy::new(&busy));
        async move {
            let _guard = guard;
            let (mut parts, body) = request.into_parts();
            let upgrade = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
            let body = match Limited::new(body, LARGEST_BODY).collect().await {
                Ok(body) => body.to_bytes(),
                Err(e) if e.is::<http_body_util::LengthLimitError>() => return Ok(too_large()),
                Err(_) => return Err(broken()),
            };
            match handle(Request::from_parts(parts, body)).await {
                Ok(mut reply) => {
                    if let (Some(connection), Some(upgrade)) = (live::take_connection(&mut reply), upgrade) {
                        tokio::spawn(switched(upgrade, connection));
                    }
                    let live = live::take_stream(&mut reply);
                    let announced = live.is_none().then(|| reply.body().len() as u64);
                    Ok(reply.map(|bytes| Reply { live, ..Reply::new(bytes, announced, false) }))
                }
                Err(Broken { received: Some(part), announced, .. }) => {
                    Ok(part.map(|bytes| Reply::new(bytes, Some(announced), true)))
                }
                Err(_) => Err(broken()),
            }
        }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut serving = std::pin::pin!(serving);
    loop {
        tokio::select! {
            // An error is a broken connection, ours or theirs; there is nobody to tell.
            _ = serving.as_mut() => return,
            changed = closing.changed() => {
                if changed.is_err() || busy.load(Ordering::SeqCst) == 0 {
                    return;
                }
            }
        }
    }
}

fn too_large() -> Response<Reply> {
    let mut reply = Response::new(Reply::new(Bytes::new(), Some(0), false));
    *reply.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    reply
}

/// Counts a request while it is on its connection.
struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The error that makes hyper close a connection.
fn broken() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

/// Carries bytes between a client and the simulator's end of a connection whose protocol changed.
async fn switched(upgrade: hyper::upgrade::OnUpgrade, mut connection: tokio::io::DuplexStream) {
    if let Ok(upgraded) = upgrade.await {
        // An error is a broken connection; there is nobody to tell.
        let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(upgraded), &mut connection).await;
    }
}

/// A body that may go on while it is read, and may end before its announced length.
struct Reply {
    bytes: Option<Bytes>,
    live: Option<tokio::sync::mpsc::Receiver<Chunk>>,
    /// `None`: not known, the body is chunked.
    announced: Option<u64>,
    breaks: bool,
    /// Time for the bytes before a break to leave.
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Reply {
    fn new(bytes: Bytes, announced: Option<u64>, breaks: bool) -> Self {
        Self { bytes: Some(bytes), live: None, announced, breaks, pause: None }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.bytes.take() {
            Some(bytes) if !bytes.is_empty() => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            _ => {}
        }
        if let Some(live) = &mut self.live {
            match std::task::ready!(live.poll_recv(cx)) {
                Some(Chunk::Bytes(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Chunk::Break) => (self.live, self.breaks) = (None, true),
                None => self.live = None,
            }
        }
        if !self.breaks {
            return Poll::Ready(None);
        }
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(20))));
        std::task::ready!(pause.as_mut().poll(cx));
        self.breaks = false;
        Poll::Ready(Some(Err(broken())))
    }

    fn is_end_stream(&self) -> bool {
        !self.breaks && self.live.is_none() && self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
