//! Tests of the typed events.
use super::*;
use serde_json::Value;

/// As both interfaces describe it.
static OPERATION: consign_http::Operation = consign_http::Operation {
    id: STREAM,
    method: http::Method::GET,
    path: "/api/jobs/{jobId}/stream",
    accept: "text/event-stream",
    empty: &[],
};

/// The events of a body that arrives in these pieces; `Err` breaks it off.
async fn read(media: &str, chunks: Vec<Result<&'static str, &'static str>>) -> Result<JobEvents<Value>, Error> {
    let media = media.to_owned();
    let chunks = std::sync::Mutex::new(Some(chunks));
    let transport = Pieces { media, chunks };
    let client = consign_http::Client::builder("http://numind.invalid").unwrap().transport(transport).build().unwrap();
    let reply = client.stream(consign_http::Request::new(&OPERATION, &[&"j"])?).await?;
    JobEvents::read(reply).await
}

#[derive(Debug)]
struct Pieces {
    media: String,
    chunks: std::sync::Mutex<Option<Vec<Result<&'static str, &'static str>>>>,
}

impl consign_http::Transport for Pieces {
    fn send(
        &self,
        _: http::Request<consign_http::Body>,
    ) -> consign_http::BoxFuture<'_, Result<http::Response<ByteStream>, Error>> {
        let chunks = self.chunks.lock().unwrap().take().unwrap();
        let chunks = chunks.into_iter().map(|chunk| match chunk {
            Ok(text) => Ok(Bytes::from_static(text.as_bytes())),
            Err(what) => Err(Error::new(ErrorKind::Transport, Delivery::Unknown, what)),
        });
        let mut response = http::Response::new(ByteStream::new(Chunks(chunks.collect::<Vec<_>>().into_iter())));
        if !self.media.is_empty() {
            response.headers_mut().insert(CONTENT_TYPE, self.media.parse().unwrap());
        }
        Box::pin(std::future::ready(Ok(response)))
    }
}

struct Chunks(std::vec::IntoIter<Result<Bytes, Error>>);
impl Stream for Chunks {
    type Item = Result<Bytes, Error>;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next())
    }
}

async fn all(events: &mut JobEvents<Value>) -> (Vec<JobEvent<Value>>, Option<Error>) {
    let mut found = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => found.push(event),
            Err(error) => {
                assert!(events.next().await.is_none(), "an error is the end");
                return (found, Some(error));
            }
        }
    }
    (found, None)
}
async fn stream(chunks: Vec<Result<&'static str, &'static str>>) -> (Vec<JobEvent<Value>>, Option<Error>) {
    all(&mut read("text/event-stream; charset=utf-8", chunks).await.unwrap()).await
}

const PING: &str = "data: \nevent: ping\n\n";

#[tokio::test]
async fn pings_come_before_the_result_and_nothing_after_it() {
    let job = "event: result\ndata: {\"id\":\"j\",\"status\":\"failed\"}\n\n";
    let chunks = vec![Ok(PING), Ok("event: news\ndata: 1\n\n"), Ok(job), Ok(PING), Err("not read any more")];
    let (events, error) = stream(chunks).await;
    assert!(error.is_none());
    let other = Event { event: "news".to_owned(), data: "1".to_owned() };
    let job = serde_json::json!({"id": "j", "status": "failed"});
    assert_eq!(events, [JobEvent::Ping, JobEvent::Other(other), JobEvent::Result(Box::new(job))]);
}

#[tokio::test]
async fn a_stream_that_ends_or_breaks_before_the_last_event_is_an_error_that_may_be_repeated() {
    let cut = "event: result\ndata: {\"id\":\"j\"}";
    for chunks in [vec![], vec![Ok(PING)], vec![Ok(PING), Ok(cut)], vec![Ok(PING), Err("the connection broke")]] {
        let pings = chunks.iter().filter(|chunk| **chunk == Ok(PING)).count();
        let (events, error) = stream(chunks).await;
        let error = error.unwrap();
        assert_eq!(events.len(), pings);
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Transport, Retry::Backoff));
        assert_eq!(error.operation(), Some(STREAM));
        assert!(!error.to_string().contains("may have acted"), "{error}");
    }
}

#[tokio::test]
async fn errors_of_the_stream_are_the_last_event_in_every_form() {
    for (data, code, text) in [
        (r#"{"code":"JobTimeout","message":"Too slow"}"#, Some("JobTimeout"), "Too slow (JobTimeout)"),
        (r#"{"code":413,"message":"Too large"}"#, Some("413"), "Too large (413)"),
        ("out of order", None, "out of order"),
        ("", None, "no reason given"),
    ] {
        let chunk: &'static str = format!("event: error\ndata: {data}\n\n{PING}").leak();
        let (events, error) = stream(vec![Ok(chunk)]).await;
        let [JobEvent::Error(body)] = events.as_slice() else { panic!("{events:?} {error:?}") };
        assert_eq!((body.to_string().as_str(), code.is_none_or(|code| body.is(code))), (text, true));
    }
}

#[tokio::test]
async fn a_result_that_is_an_error_is_told_apart_from_a_job() {
    let (events, _) =
        stream(vec![Ok("event: result\ndata: {\"code\":413,\"message\":\"Request Entity Too Large\"}\n\n")]).await;
    let [JobEvent::Refused(body)] = events.as_slice() else { panic!("{events:?}") };
    assert!(body.is("413"));
    for bad in ["event: result\ndata: {}\n\n", "event: result\ndata: ahov\n\n", "event: result\ndata:\n\n"] {
        let (events, error) = stream(vec![Ok(bad)]).await;
        assert!(events.is_empty());
        assert_eq!(error.unwrap().kind(), ErrorKind::Decode, "{bad}");
    }
}

#[tokio::test]
async fn an_answer_that_is_a_job_is_one_result_and_another_media_type_is_refused() {
    let job = vec![Ok("{\"id\":\"j\","), Ok("\"status\":\"completed\"}")];
    let (events, error) = all(&mut read("application/json", job).await.unwrap()).await;
    assert!(matches!(events.as_slice(), [JobEvent::Result(job)] if job["status"] == "completed"), "{error:?}");
    let error = vec![Ok("{\"code\":\"InternalError\",\"message\":\"later\"}")];
    let (events, _) = all(&mut read("application/json", error).await.unwrap()).await;
    assert!(matches!(events.as_slice(), [JobEvent::Error(error)] if error.is("InternalError")), "{events:?}");
    let plain = read("text/plain", vec![Ok("hello")]).await.unwrap_err();
    assert_eq!((plain.kind(), plain.status()), (ErrorKind::Decode, Some(200)));
    let page = read("text/html", vec![Ok("<html>")]).await.unwrap_err();
    assert_eq!(page.kind(), ErrorKind::Decode);
    let (events, _) = all(&mut read("", vec![Ok(PING)]).await.unwrap()).await;
    assert_eq!(events, [JobEvent::Ping]);
}

#[tokio::test]
async fn an_event_above_the_bound_is_an_error() {
    let events = read("text/event-stream", vec![Ok("event: result\ndata: 0123456789\n\n")]).await.unwrap();
    let (_, error) = all(&mut events.max_event(12)).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn three_missing_pings_are_silence_and_a_ping_of_any_form_is_a_sign_of_life() {
    let transport = Slow { pings: 10 };
    let client = crate::builder("http://numind.invalid").unwrap().transport(transport).build().unwrap();
    let before = tokio::time::Instant::now();
    let reply = client.stream(consign_http::Request::new(&OPERATION, &[&"j"]).unwrap()).await.unwrap();
    let mut events = JobEvents::<Value>::read(reply).await.unwrap();
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), before.elapsed().as_secs()), (ErrorKind::Timeout, 10 * 30 + 90));
}

/// Pings every 30 s that dispatch nothing, and then not a byte.
#[derive(Debug)]
struct Slow {
    pings: u32,
}

impl consign_http::Transport for Slow {
    fn send(
        &self,
        _: http::Request<consign_http::Body>,
    ) -> consign_http::BoxFuture<'_, Result<http::Response<ByteStream>, Error>> {
        let mut sleep = Box::pin(tokio::time::sleep(std::time::Duration::from_secs(30)));
        let mut left = self.pings;
        let body = std::future::poll_fn(move |cx| {
            if left == 0 {
                return Poll::Pending;
            }
            std::task::ready!(sleep.as_mut().poll(cx));
            left -= 1;
            sleep = Box::pin(tokio::time::sleep(std::time::Duration::from_secs(30)));
            Poll::Ready(Bytes::from_static(b"event: ping\n\n"))
        });
        Box::pin(std::future::ready(Ok(http::Response::new(ByteStream::new(Again(body))))))
    }
}

/// What a future gives, again and again.
struct Again<F>(F);
impl<F: Future<Output = Bytes> + Unpin> Stream for Again<F> {
    type Item = Result<Bytes, Error>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll(cx).map(|bytes| Some(Ok(bytes)))
    }
}
