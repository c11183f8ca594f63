//! Answers that go on: bodies that are written while they are read, and connections whose protocol changed.
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Response;
use tokio::io::DuplexStream;
use tokio::sync::mpsc::Receiver;

/// A piece of a live body. The end of the channel is the clean end of the body.
#[derive(Clone, Debug)]
pub enum Chunk {
    /// Bytes.
    Bytes(Bytes),
    /// The connection breaks.
    Break,
}

/// What an answer carries on its way; the extensions of an answer have to be `Clone`.
struct Carried<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Carried<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Makes the body of `answer` live: its own bytes, then what comes through `chunks`.
pub(crate) fn streaming(answer: &mut Response<Bytes>, chunks: Receiver<Chunk>) {
    put(answer, chunks);
}

/// Gives `answer` (101) the server's other end of a connection.
pub(crate) fn switching(answer: &mut Response<Bytes>, connection: DuplexStream) {
    put(answer, connection);
}

/// Takes the live part of an answer's body, which comes after its own bytes.
pub fn take_stream(answer: &mut Response<Bytes>) -> Option<Receiver<Chunk>> {
    take(answer)
}

/// Takes the connection of an answer that changed the protocol.
pub fn take_connection(answer: &mut Response<Bytes>) -> Option<DuplexStream> {
    take(answer)
}

fn put<T: Send + 'static>(answer: &mut Response<Bytes>, carried: T) {
    answer.extensions_mut().insert(Carried(Arc::new(Mutex::new(Some(carried)))));
}

fn take<T: Send + 'static>(answer: &mut Response<Bytes>) -> Option<T> {
    let carried = answer.extensions_mut().remove::<Carried<T>>()?;
    carried.0.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::front::Broken;
    use crate::serve::{bind, listen};

    async fn answer_of(make: fn() -> Response<Bytes>) -> Result<String, Box<dyn std::error::Error>> {
        let listener = listen(bind("127.0.0.1:0").await?, move |_| async move { Ok::<_, Broken>(make()) })?;
        let mut socket = TcpStream::connect(listener.address).await?;
        socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await?;
        let mut all = Vec::new();
        let mut piece = [0; 4096];
        // Until the other side is done: the last chunk, a break, or what an echo brought back.
        while !all.ends_with(b"0\r\n\r\n") && !all.ends_with(b"ping") {
            match socket.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(read) => all.extend_from_slice(&piece[..read]),
            }
            if all.ends_with(b"\r\n\r\n") && all.starts_with(b"HTTP/1.1 101") {
                socket.write_all(b"ping").await?;
            }
        }
        Ok(String::from_utf8(all)?)
    }

    fn live(last: Chunk) -> Response<Bytes> {
        let (send, chunks) = tokio::sync::mpsc::channel(4);
        for chunk in [Chunk::Bytes(Bytes::from_static(b"two")), last] {
            assert!(send.try_send(chunk).is_ok());
        }
        let mut answer = Response::new(Bytes::from_static(b"one"));
        streaming(&mut answer, chunks);
        answer
    }

    #[tokio::test]
    async fn a_live_body_arrives_in_pieces_and_ends_cleanly_or_breaks() -> Result<(), Box<dyn std::error::Error>> {
        let whole = answer_of(|| live(Chunk::Bytes(Bytes::from_static(b"three")))).await?;
        assert!(whole.ends_with("3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"), "{whole}");
        let broken = answer_of(|| live(Chunk::Break)).await?;
        assert!(broken.ends_with("3\r\none\r\n3\r\ntwo\r\n"), "{broken}");
        Ok(())
    }

    #[tokio::test]
    async fn a_connection_changes_its_protocol() -> Result<(), Box<dyn std::error::Error>> {
        let echo = answer_of(|| {
            let (ours, mut theirs) = tokio::io::duplex(64);
            tokio::spawn(async move {
                let mut four = [0; 4];
                if theirs.read_exact(&mut four).await.is_ok() {
                    let _ = theirs.write_all(&four).await;
                }
                Ok::<_, Infallible>(())
            });
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
            answer.headers_mut().insert("connection", http::HeaderValue::from_static("upgrade"));
            answer.headers_mut().insert("upgrade", http::HeaderValue::from_static("echo"));
            switching(&mut answer, ours);
            answer
        });
        let echo = echo.await?;
        assert!(echo.starts_with("HTTP/1.1 101") && echo.ends_with("\r\n\r\nping"), "{echo}");
        Ok(())
    }
}
