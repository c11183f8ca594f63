//! Downloads: whole or not at all, in the chosen folder, resumed where that is sure to be right: I10.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use consign_core::{Artifact, BoxFuture, Delivery, Error, ErrorKind, Jobs, Locate, Location, Result, Retry};
use consign_http::{Body, ByteStream, Transport};
use futures_util::StreamExt;

use crate::fake::*;

/// A host that answers each request by the next of its acts, the last again and again.
#[derive(Clone)]
struct Host {
    acts: Arc<Vec<Serve>>,
    heads: Arc<Mutex<Vec<http::request::Parts>>>,
}

/// One answer: status, headers, chunks, and how the body ends.
#[derive(Clone)]
struct Serve(u16, Vec<(&'static str, String)>, Vec<&'static [u8]>, End);

#[derive(Clone, Copy, PartialEq)]
enum End {
    Whole,
    Break,
    Stall,
    /// The request itself is refused.
    Refused,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Host")
    }
}

impl Transport for Host {
    fn send(
        &self,
        request: http::Request<Body>,
    ) -> BoxFuture<'_, std::result::Result<http::Response<ByteStream>, consign_http::Error>> {
        Box::pin(async move {
            let n = {
                let mut heads = self.heads.lock().unwrap();
                heads.push(request.into_parts().0);
                heads.len() - 1
            };
            let Serve(status, headers, chunks, end) = self.acts[n.min(self.acts.len() - 1)].clone();
            let lost = || consign_http::Error::new(ErrorKind::Transport, Delivery::Unknown, "it broke");
            if end == End::Refused {
                return Err(lost());
            }
            let body = futures_util::stream::iter(chunks).map(move |chunk| Ok(Bytes::from_static(chunk)));
            let tail = futures_util::stream::once(async move {
                match end {
                    End::Stall => std::future::pending().await,
                    _ => Err(lost()),
                }
            });
            let tail = tail.take(usize::from(end != End::Whole));
            let mut response = http::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(ByteStream::new(body.chain(tail))).unwrap())
        })
    }
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0123456789abcdefghijklmnopqrstuvwxyz";

fn whole() -> Serve {
    Serve(200, vec![("content-length", PNG.len().to_string())], vec![PNG], End::Whole)
}
impl Serve {
    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.1.retain(|(n, _)| *n != name);
        self.1.push((name, value.into()));
        self
    }
    fn without(mut self, name: &str) -> Self {
        self.1.retain(|(n, _)| *n != name);
        self
    }
    fn body(mut self, chunks: Vec<&'static [u8]>, end: End) -> Self {
        (self.2, self.3) = (chunks, end);
        self
    }
}
/// The first 20 bytes of a version, and then the connection breaks.
fn begun(tag: &str) -> Serve {
    whole().header("etag", tag).body(vec![&PNG[..20]], End::Break)
}
fn rest(from: usize, tag: &str) -> Serve {
    let range = format!("bytes {from}-{}/{}", PNG.len() - 1, PNG.len());
    Serve(206, vec![("content-range", range), ("etag", tag.into())], vec![&PNG[from..]], End::Whole)
}
fn refuse(status: u16) -> Serve {
    Serve(status, Vec::new(), Vec::new(), End::Whole)
}

/// Where the artifact lies: the first address until it is renewed, then the second.
struct At {
    first: Location,
    renewed: Arc<Mutex<usize>>,
    second: Option<Location>,
}

impl Locate for At {
    fn locate(&self, renew: bool) -> BoxFuture<'_, Result<Location>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if !renew {
                return Ok(self.first.clone());
            }
            *self.renewed.lock().unwrap() += 1;
            self.second.clone().ok_or_else(|| broken(ErrorKind::NotFound, Delivery::Rejected))
        })
    }
}

fn location(url: &str, expires: Option<SystemTime>) -> Location {
    Location { url: url.to_owned(), expires }
}

struct Stage {
    artifact: Artifact,
    heads: Arc<Mutex<Vec<http::request::Parts>>>,
    renewed: Arc<Mutex<usize>>,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn new(stem: &str, acts: Vec<Serve>) -> Self {
        Self::at(stem, location("https://blobs.example/old?sig=1", None), acts).await
    }
    async fn at(stem: &str, first: Location, acts: Vec<Serve>) -> Self {
        let host = Host { acts: Arc::new(acts), heads: Arc::default() };
        let heads = host.heads.clone();
        let job = Jobs::new(Polled::new(host)).submit(spec(1)).await.unwrap();
        let renewed = Arc::default();
        let second = Some(location("https://blobs.example/new?sig=2", None));
        let at = At { first, renewed: Arc::clone(&renewed), second };
        let artifact = Artifact::new(&job, stem, Arc::new(at))
            .checked(|start| if start.starts_with(b"\x89PNG") { Ok(()) } else { Err("it is not a picture") });
        Self { artifact, heads, renewed, folder: tempfile::tempdir().unwrap() }
    }
    async fn save(&self) -> Result<PathBuf> {
        self.artifact.save_to(self.folder.path()).await
    }
    fn files(&self) -> Vec<String> {
        names(self.folder.path())
    }
    /// `path range` of each request.
    fn asked(&self) -> Vec<String> {
        let text = |head: &http::request::Parts| {
            let range = head.headers.get("range").map_or("", |r| r.to_str().unwrap());
            assert_eq!(range.is_empty(), !head.headers.contains_key("if-range"), "a range needs a version");
            format!("{} {range}", head.uri.path())
        };
        self.heads.lock().unwrap().iter().map(text).collect()
    }
    /// Saves, and finds exactly the picture.
    async fn saved(&self) -> PathBuf {
        let path = self.save().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), PNG);
        assert_eq!(self.files().len(), 1, "{:?}", self.files());
        path
    }
    /// Fails, and finds nothing.
    async fn refused(&self) -> Error {
        let error = self.save().await.unwrap_err();
        assert_eq!(self.files(), Vec::<String>::new());
        assert!(error.ticket().is_some(), "{error}");
        error
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn a_file_is_saved_under_its_name_with_an_ending_by_media_type() {
    for (stem, media, name) in [
        ("a", "image/png", "a.png"),
        ("a", "IMAGE/JPEG; charset=x", "a.jpg"),
        ("a.webp", "image/png", "a.webp"),
        ("version 1.5", "image/png", "version 1.5.png"),
        ("a", "", "a.bin"),
    ] {
        let stage = Stage::new(stem, vec![whole().header("content-type", media)]).await;
        assert_eq!(stage.saved().await, stage.folder.path().join(name));
    }
    // A folder that is not there is made; a file that is there is replaced.
    let stage = Stage::new("a.png", vec![whole()]).await;
    let deep = stage.folder.path().join("x/y");
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("a.png"), "old").unwrap();
    stage.artifact.save_to(&deep).await.unwrap();
    assert_eq!(std::fs::read(deep.join("a.png")).unwrap(), PNG);
    let path = stage.artifact.save_as(stage.folder.path().join("b")).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), PNG);
    assert_eq!(stage.artifact.bytes(PNG.len()).await.unwrap(), PNG);
}

#[tokio::test(start_paused = true)]
async fn a_name_from_a_server_never_leaves_the_folder() {
    let hostile = [
        "../../up",
        "..",
        ".",
        "",
        "/etc/passwd",
        "\\\\server\\share",
        "C:\\x",
        "a/b",
        "a\0b",
        "CON",
        "nul.png",
        "~",
        ".hidden",
        "x:stream",
        "line\nbreak",
        "trailing. ",
        "\u{202e}gnp.exe",
    ];
    let mut seen = std::collections::BTreeSet::new();
    for stem in hostile.map(str::to_owned).into_iter().chain(["é/".repeat(5000), "x".repeat(100_000)]) {
        let stage = Stage::new(&stem, vec![whole()]).await;
        let path = stage.saved().await;
        assert_eq!(path.parent(), Some(stage.folder.path()), "{stem:?}");
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(!name.starts_with('.') && name.len() < 200 && !name.contains(['/', '\\', ':', '\n', '\0']), "{name:?}");
        assert!(seen.insert(name), "two names became one: {stem:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_download_goes_on_where_it_was_if_the_host_still_has_that_version() {
    let stage = Stage::new("a.png", vec![begun("\"v1\""), rest(20, "\"v1\"")]).await;
    stage.saved().await;
    assert_eq!(stage.asked(), ["/old ", "/old bytes=20-"]);
    assert_eq!(stage.heads.lock().unwrap()[1].headers["if-range"], "\"v1\"");
    // Again and again, as long as the policy tries.
    let twice = rest(20, "\"v1\"").body(vec![&PNG[20..30]], End::Break);
    let stage = Stage::new("a.png", vec![begun("\"v1\""), twice, rest(30, "\"v1\"")]).await;
    stage.saved().await;
    assert_eq!(stage.asked(), ["/old ", "/old bytes=20-", "/old bytes=30-"]);
}

#[tokio::test(start_paused = true)]
async fn a_download_starts_over_whenever_going_on_might_mix_two_versions() {
    let changed = || whole().header("etag", "\"v2\"");
    let table = [
        ("the range is ignored", vec![begun("\"v1\""), whole().header("etag", "\"v1\"")]),
        ("the version changed", vec![begun("\"v1\""), changed()]),
        ("a part of another version", vec![begun("\"v1\""), rest(20, "\"v2\""), changed()]),
        ("a part without a version", vec![begun("\"v1\""), rest(20, "").without("etag"), changed()]),
        ("a part from another place", vec![begun("\"v1\""), rest(10, "\"v1\""), changed()]),
        (
            "a part of another length",
            vec![begun("\"v1\""), rest(20, "\"v1\"").header("content-range", "bytes 20-98/99"), changed()],
        ),
        (
            "a part that does not say which",
            vec![begun("\"v1\""), rest(20, "\"v1\"").without("content-range"), changed()],
        ),
        ("nothing left to send", vec![begun("\"v1\""), refuse(416), changed()]),
    ];
    for (what, acts) in table {
        let (requests, misfit) = (acts.len(), acts.len() == 3);
        let stage = Stage::new("a.png", acts).await;
        stage.saved().await;
        let asked = stage.asked();
        assert_eq!(asked.len(), requests, "{what}");
        assert_eq!(asked[1], "/old bytes=20-", "{what}");
        assert!(!misfit || asked[2] == "/old ", "{what}");
    }
    // Without a version, or with one that only promises likeness, no part is asked for.
    for begun in [begun("").without("etag"), begun("W/\"v1\"")] {
        let stage = Stage::new("a.png", vec![begun, whole()]).await;
        stage.saved().await;
        assert_eq!(stage.asked(), ["/old ", "/old "]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_nobody_asked_for_is_not_taken_for_the_whole() {
    let part = |range: &str, n: usize| {
        Serve(
            206,
            vec![("content-range", range.into()), ("content-length", n.to_string())],
            vec![&PNG[..n]],
            End::Whole,
        )
    };
    for act in [part("bytes 0-19/44", 20), part("bytes 0-19/44", 20).without("content-range"), rest(0, "\"v1\"")] {
        let error = Stage::new("a.png", vec![act]).await.refused().await;
        assert!(error.kind() == ErrorKind::Decode && error.to_string().contains("a part"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_length_that_lies_makes_no_file() {
    let longer = whole().header("content-length", "1000");
    let stage = Stage::new("a.png", vec![longer]).await;
    let error = stage.refused().await;
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 5));
    assert!(error.to_string().contains("after 44 of 1000 bytes"), "{error}");
    let shorter = whole().header("content-length", "30");
    assert_eq!(Stage::new("a.png", vec![shorter]).await.refused().await.kind(), ErrorKind::Decode);
    // No length at all is no lie, nor is a whole that comes in single bytes.
    Stage::new("a.png", vec![whole().without("content-length")]).await.saved().await;
    let bytes = PNG.chunks(1).collect();
    Stage::new("a.png", vec![whole().body(bytes, End::Whole)]).await.saved().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_thing_makes_no_file() {
    let page: &[u8] = b"<!DOCTYPE html><html>Please log in</html>";
    for body in [vec![page], page.chunks(3).collect(), vec![b"GIF"], vec![b""], vec![]] {
        let act = whole().without("content-length").body(body, End::Whole);
        let error = Stage::new("a.png", vec![act]).await.refused().await;
        assert!(
            error.kind() == ErrorKind::Decode && error.to_string().contains("a.png: it is not a picture"),
            "{error}"
        );
    }
    let packed = whole().header("content-encoding", "gzip");
    assert!(Stage::new("a.png", vec![packed]).await.refused().await.to_string().contains("compressed"));
    // A short start that then breaks off is no verdict on the content.
    let short = whole().body(vec![&PNG[..3]], End::Break);
    Stage::new("a.png", vec![short, whole()]).await.saved().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_allowed_makes_no_file_whether_the_host_says_so_or_not() {
    for act in [whole(), whole().without("content-length"), whole().header("content-length", "99999999999999")] {
        let stage = Stage::new("a.png", vec![act]).await;
        let small = stage.artifact.clone().largest(40);
        assert_eq!(small.save_to(stage.folder.path()).await.unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(stage.artifact.bytes(43).await.unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!((stage.files().len(), stage.heads.lock().unwrap().len()), (0, 2));
    }
    // What the host announces is believed before anything is fetched.
    let stage = Stage::new("a.png", vec![whole().header("content-length", "1000")]).await;
    assert_eq!(stage.artifact.bytes(100).await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(stage.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_address_is_renewed_once_and_then_kept() {
    for status in [400, 401, 403, 404, 410] {
        let lost = Serve(200, vec![], vec![], End::Refused);
        let stage = Stage::new("a.png", vec![refuse(status), lost, refuse(503), whole()]).await;
        stage.saved().await;
        assert_eq!(stage.asked(), ["/old ", "/new ", "/new ", "/new "], "{status}");
        assert_eq!(*stage.renewed.lock().unwrap(), 1);

        let stage = Stage::new("a.png", vec![refuse(status)]).await;
        let error = stage.refused().await;
        assert_eq!((error.status(), stage.asked().len()), (Some(status), 2));
        assert!(error.to_string().contains("blobs.example answered"), "{error}");
    }
    // In the middle of a download too, and it goes on where it was.
    let stage = Stage::new("a.png", vec![begun("\"v1\""), refuse(403), rest(20, "\"v1\"")]).await;
    stage.saved().await;
    assert_eq!(stage.asked(), ["/old ", "/old bytes=20-", "/new bytes=20-"]);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_has_expired_is_renewed_before_it_is_used() {
    let soon = SystemTime::now() + Duration::from_secs(4);
    for expires in [SystemTime::UNIX_EPOCH, soon] {
        let first = location("https://blobs.example/old", Some(expires));
        let stage = Stage::at("a.png", first.clone(), vec![whole()]).await;
        stage.saved().await;
        assert_eq!(stage.asked(), ["/new "]);
        assert_eq!(stage.artifact.url().await.unwrap(), "https://blobs.example/new?sig=2");
    }
    // One that expires while the host is away is renewed when it is back.
    let first = location("https://blobs.example/old", Some(SystemTime::now() + Duration::from_secs(25)));
    let stage = Stage::at("a.png", first, vec![refuse(503).header("retry-after", "50"), whole()]).await;
    stage.saved().await;
    assert_eq!(stage.asked(), ["/old ", "/new "]);
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    for status in [408, 429, 500, 502, 503, 504] {
        let stage = Stage::new("a.png", vec![refuse(status)]).await;
        assert_eq!((stage.refused().await.attempts(), stage.asked().len()), (5, 5), "{status}");
    }
    for status in [302, 402, 405, 416, 204, 304] {
        let stage = Stage::new("a.png", vec![refuse(status)]).await;
        stage.refused().await;
        assert_eq!(stage.asked().len(), 1, "{status}");
    }
    for asked in ["61", "4294967295", "99999999999999999999"] {
        let stage = Stage::new("a.png", vec![refuse(429).header("retry-after", asked)]).await;
        assert!(matches!(stage.refused().await.retry(), Retry::NotBefore(_)));
        assert_eq!(stage.asked().len(), 1);
    }
    let redirect = refuse(302).header("location", "https://elsewhere.example/x?sig=hunter2");
    let error = Stage::new("a.png", vec![redirect]).await.refused().await;
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_falls_silent_is_asked_again() {
    let stall = begun("\"v1\"").body(vec![&PNG[..20]], End::Stall);
    let before = tokio::time::Instant::now();
    let stage = Stage::new("a.png", vec![stall, rest(20, "\"v1\"")]).await;
    stage.saved().await;
    assert_eq!(before.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_none_is_refused() {
    for url in
        ["", "blobs.example", "file:///etc/passwd", "https://user:pw@blobs.example/", "https:///x", "https://a b"]
    {
        let stage = Stage::at("a.png", location(url, None), vec![whole()]).await;
        assert_eq!(stage.refused().await.kind(), ErrorKind::Decode, "{url}");
        assert_eq!(stage.asked().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_folder_or_file_that_cannot_be_written_is_named() {
    let stage = Stage::new("a.png", vec![whole()]).await;
    let file = stage.folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    std::fs::create_dir(stage.folder.path().join("a.png")).unwrap();
    let below = file.join("below");
    let missing = stage.folder.path().join("missing/b.png");
    let errors = [
        (stage.artifact.save_to(&below).await, &below),
        (stage.artifact.save_to(&file).await, &file),
        (stage.artifact.save_as(&missing).await, &missing.parent().unwrap().to_owned()),
        (stage.save().await, &stage.folder.path().join("a.png")),
    ];
    for (result, path) in errors {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert!(!error.to_string().contains("refused"), "{error}");
    }
    assert_eq!(stage.files(), ["a.png", "file"]);
}

/// Drops a download after so many polls, in a runtime that ends with it; what is then in the folder.
fn dropped_after(polls: usize) -> (bool, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (ready, folder) = runtime.block_on(async {
        let acts = vec![begun("\"v1\""), refuse(403), rest(20, "\"v2\""), begun("\"v1\""), rest(20, "\"v1\"")];
        let Stage { artifact, folder, .. } = Stage::new("a.png", acts).await;
        let (into, mut left) = (folder.path().to_owned(), polls);
        let mut saving = Some(Box::pin(async move { artifact.save_to(into).await }));
        let ready = std::future::poll_fn(|cx| {
            if left == 0 {
                saving = None;
                return std::task::Poll::Ready(false);
            }
            left -= 1;
            saving.as_mut().unwrap().as_mut().poll(cx).map(|done| done.is_ok())
        });
        (ready.await, folder)
    });
    // The runtime waits for what its threads had begun.
    drop(runtime);
    (ready, names(folder.path()))
}

#[test]
fn a_download_that_is_dropped_at_any_await_leaves_the_whole_file_or_nothing() {
    for polls in 0.. {
        assert!(polls < 500, "it never ends");
        let (ready, files) = dropped_after(polls);
        assert!(files.is_empty() || files == ["a.png"], "after {polls} polls: {files:?}");
        if ready {
            assert_eq!(files, ["a.png"]);
            return;
        }
    }
}
