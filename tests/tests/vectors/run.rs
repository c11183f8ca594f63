//! Runs every line of a file: requests through a raw socket, answers through the client.
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bytes::Bytes;
use consign_http::{Delivery, Error, ErrorKind, Operation, Reply};
use serde::Serialize;
use serde_json::Value;

use crate::arguments::Arguments;
use crate::compare::{self, Compare, Side, Special};
use crate::line::{Body, Decode, RequestLine, ResponseLine};
use crate::report::{Outcome, Report, Row};
use crate::server::{Answer, Sent, Server};
use crate::spec::Spec;

/// What the runner has to know of a provider.
pub trait Provider {
    /// The name in the vectors, and of their files.
    const NAME: &'static str;
    /// The component that describes a job's id: it is never empty.
    const ID: &'static str;
    /// Equality of single components.
    const SPECIAL: Special;
    /// The document of an `api` label, under the workspace's root; `None` if there is no such module.
    fn document(api: Option<&str>) -> Option<&'static str>;
    /// The operations of that module.
    fn operations(api: Option<&str>) -> &'static [&'static Operation];
    /// The `api` label of an operation, for a line that has none. Providers with one interface need none.
    fn api(_operation: &'static Operation) -> Option<&'static str> {
        None
    }
    /// What is wrong with the signature of a request that was sent. Providers without signatures have none.
    fn signature(_line: &RequestLine, _sent: &Sent) -> Vec<String> {
        Vec::new()
    }
    /// Calls the method.
    ///
    /// # Errors
    /// If the recorded values do not make its arguments.
    fn call(
        url: &str,
        operation: &'static Operation,
        arguments: Arguments,
    ) -> impl Future<Output = Result<Called, String>>;
    /// Arguments for reading an answer with this body.
    fn arguments(operation: &Operation, body: &Value) -> Arguments;
    /// What a decoder makes of one message of a stream: its value encoded back, and whether it was taken. `None` if
    /// the label is no kind of message.
    fn frame(_operation: &str, _text: &str) -> Option<(Value, Result<(), Error>)> {
        None
    }
    /// What is wrong with the bytes that arrived, beyond what is compared by value.
    fn arrived(_operation: &Operation, _recorded: &Body, _sent: &Sent) -> Vec<String> {
        Vec::new()
    }
    /// The texts that a message made from an unsuccessful body has to hold; none: the beginning of the body.
    fn words(body: &Value) -> Vec<String>;
    /// The facade's state and end mark for an answer that the server at `url` gives again; `None` if this
    /// operation's answers have no state.
    fn state(
        url: &str,
        operation: &Operation,
        body: &Value,
    ) -> impl Future<Output = Option<Result<(String, bool), String>>>;
}

/// What came of a call.
pub struct Called {
    /// JSON pointers of what the body has in `extra`.
    pub extra: Vec<String>,
    pub reply: Result<Replied, Error>,
}

/// A successful reply.
pub struct Replied {
    pub encoded: Value,
    pub raw: Bytes,
}

impl Called {
    pub fn new<T: Serialize>(extra: Vec<String>, reply: Result<Reply<T>, Error>) -> Self {
        let encode = |reply: Reply<T>| Replied {
            encoded: serde_json::to_value(&reply.value).expect("a reply can be written"),
            raw: reply.raw().clone(),
        };
        Self { extra, reply: reply.map(encode) }
    }
}

/// Sends every recorded request again and compares what the socket received.
pub fn requests<P: Provider>(folder: &Path) -> Report {
    let server = Server::start();
    each_line(folder, &format!("{}.jsonl", P::NAME), |text, row| {
        let line: RequestLine = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(error) => return row.failed(format!("not a request line: {error}")),
        };
        request_line::<P>(&server, &line, row)
    })
}

/// Serves every recorded answer and compares what the client makes of it.
pub fn responses<P: Provider>(folder: &Path) -> Report {
    let server = Server::start();
    each_line(folder, &format!("{}-responses.jsonl", P::NAME), |text, row| {
        let line: ResponseLine = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(error) => return row.failed(format!("not a response line: {error}")),
        };
        response_line::<P>(&server, &line, row)
    })
}

/// Runs every line that is not blank; one that panics has failed.
pub fn each_line(folder: &Path, file: &str, run: impl Fn(&str, Row) -> Row) -> Report {
    let text = std::fs::read_to_string(folder.join(file));
    let rows = text.map_err(|error| format!("{}: {error}", folder.join(file).display())).map(|text| {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines
            .map(|(n, line)| {
                let row = Row::new(file, n + 1);
                catch_unwind(AssertUnwindSafe(|| run(line, row.clone()))).unwrap_or_else(|_| row.failed("it panicked"))
            })
            .collect()
    });
    Report { file: file.to_owned(), rows }
}

fn request_line<P: Provider>(server: &Server, line: &RequestLine, mut row: Row) -> Row {
    if line.provider != P::NAME {
        return row.failed(format!("a line of {:?}", line.provider));
    }
    if line.quirk.is_some() {
        row.outcome = Outcome::Quirk;
        return row;
    }
    let Some((operation, path)) = find(P::operations(line.api.as_deref()), &line.request.method, &line.request.path)
    else {
        return row.failed(format!("no method for {} {}", line.request.method, line.request.path));
    };
    let body = match line.request.body() {
        Ok(body) => body,
        Err(error) => return row.failed(error),
    };
    // Whatever the operation gives: what matters is what it sends.
    let json = vec![("content-type".to_owned(), "application/json".to_owned())];
    server.answer(Answer { status: 200, headers: json, body: b"{}".to_vec() });
    let headers = match line.request.headers() {
        Ok(headers) => headers,
        Err(error) => return row.failed(error),
    };
    let arguments = Arguments { path, query: line.request.query.clone(), headers, body: body.clone() };
    let called = match block_on(P::call(server.url(), operation, arguments)) {
        Ok(called) => called,
        Err(error) => return row.failed(error),
    };
    row.extra = called.extra;
    if let Err(error) = &called.reply {
        row.with_error(error);
    }
    let sent = server.sent();
    let [sent] = sent.as_slice() else {
        return row.failed(format!("{} requests were sent", sent.len()));
    };
    row.with_sent(sent);
    let spec = spec::<P>(line.api.as_deref());
    let compared = compare::request(&spec, P::SPECIAL, operation, &line.request, line.exact_path, sent);
    row.why = compared.unwrap_or_else(|error| vec![error]);
    row.why.extend(P::arrived(operation, &body, sent));
    row.why.extend(P::signature(line, sent));
    if !row.extra.is_empty() {
        row.why.push(format!("members that the argument does not know: {}", row.extra.join(", ")));
    }
    if row.why.is_empty() {
        row.outcome = Outcome::Sent;
    }
    row
}

fn response_line<P: Provider>(server: &Server, line: &ResponseLine, mut row: Row) -> Row {
    if line.provider != P::NAME {
        return row.failed(format!("a line of {:?}", line.provider));
    }
    if line.quirk.is_some() {
        row.outcome = Outcome::Quirk;
        return row;
    }
    if let Ok((bytes, _)) = line.body()
        && let Some((encoded, taken)) = P::frame(&line.operation, &String::from_utf8_lossy(&bytes))
    {
        return frame_line(line, row, &bytes, encoded, taken);
    }
    let Some(operation) = P::operations(line.api.as_deref()).iter().find(|operation| operation.id == line.operation)
    else {
        return row.failed(format!("no operation {:?}", line.operation));
    };
    let (bytes, media) = match line.body() {
        Ok(body) => body,
        Err(error) => return row.failed(error),
    };
    let json: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let mut headers: Vec<(String, String)> = line.headers.clone().into_iter().collect();
    headers.extend(media.clone().map(|media| ("content-type".to_owned(), media)));
    server.answer(Answer { status: line.status, headers, body: bytes.clone() });

    let called = match block_on(P::call(server.url(), operation, P::arguments(operation, &json))) {
        Ok(called) => called,
        Err(error) => return row.failed(format!("the runner's own arguments: {error}")),
    };
    let sent = server.sent();
    if let [sent] = sent.as_slice() {
        row.with_sent(sent);
    } else {
        row.why.push(format!("{} requests were sent", sent.len()));
    }
    row.extra = called.extra;
    let spec = spec::<P>(line.api.as_deref().or_else(|| P::api(operation)));
    let wanted = Wanted::of(line, &spec, operation, &bytes, media.as_deref(), P::ID);
    match &called.reply {
        Ok(replied) => {
            row.encoded = Some(replied.encoded.clone());
            if matches!(wanted, Wanted::Error(_)) {
                row.why.push(format!("decoded, although {wanted:?} was expected"));
            }
            if replied.raw != bytes {
                row.why.push("the raw bytes are not those that were served".to_owned());
            }
            if let Some(schema) = spec.reply_schema(operation.id).filter(|_| !bytes.is_empty()) {
                let mut compare =
                    Compare { spec: &spec, side: Side::Reply, special: P::SPECIAL, differences: Vec::new() };
                compare.walk(schema, &json, &replied.encoded, "");
                row.why.extend(compare.differences);
            }
        }
        Err(error) => {
            row.with_error(error);
            match wanted {
                Wanted::Ok => row.why.push(format!("refused, although it should decode: {error}")),
                Wanted::Error(decode) => row.why.extend(judge::<P>(error, decode, line, &bytes, &json)),
                Wanted::Either => {}
            }
        }
    }
    let expects = line.expect.state.is_some() || line.expect.finished.is_some();
    let seen = match &called.reply {
        Ok(_) if !json.is_null() => block_on(P::state(server.url(), operation, &json)),
        // Some failures have a state, where the line says so.
        Err(_) if expects => block_on(P::state(server.url(), operation, &json)),
        _ => None,
    };
    match seen {
        Some(Ok((state, finished))) => {
            row.why.extend(judge_state(line, &state, finished));
            (row.state, row.finished) = (Some(state), Some(finished));
        }
        Some(Err(error)) if expects => row.why.push(format!("no state: {error}")),
        None if expects => row.why.push("no state: it was refused, or its operation gives none".to_owned()),
        _ => {}
    }
    if row.why.is_empty() {
        row.outcome = if called.reply.is_ok() { Outcome::Decoded } else { Outcome::Refused };
    }
    row
}

/// A message of a stream: one that tells an error has to give an error with its words, another its value.
fn frame_line(line: &ResponseLine, mut row: Row, bytes: &[u8], encoded: Value, taken: Result<(), Error>) -> Row {
    let json: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let said = json["error"].as_str().filter(|words| !words.is_empty());
    match (&taken, said) {
        (Ok(()), Some(_)) => row.why.push("taken, although it tells an error".to_owned()),
        (Ok(()), None) if line.expect.decode == Some(Decode::Error) => row.why.push("taken".to_owned()),
        (Ok(()), None) => {}
        (Err(error), _) => {
            row.with_error(error);
            match said {
                Some(words) if error.message() != words => row.why.push(format!("the message lacks {words:?}")),
                None if json["value"].is_object() => {
                    row.why.push(format!("refused, although it holds a value: {error}"))
                }
                _ => {}
            }
        }
    }
    if !json.is_null() && !compare::same(&json, &encoded) {
        row.why.push(format!("encoded back as {encoded}"));
    }
    row.encoded = Some(encoded);
    if row.why.is_empty() {
        row.outcome = if taken.is_ok() { Outcome::Decoded } else { Outcome::Refused };
    }
    row
}

/// What a line's answer should lead to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    Ok,
    /// `true`: the answer is a success that cannot be decoded.
    Error(bool),
    Either,
}

impl Wanted {
    fn of(
        line: &ResponseLine,
        spec: &Spec,
        operation: &Operation,
        bytes: &[u8],
        media: Option<&str>,
        id: &str,
    ) -> Self {
        let success = (200..300).contains(&line.status);
        match line.expect.decode {
            Some(Decode::Ok) => return Self::Ok,
            Some(Decode::Error) => return Self::Error(success),
            Some(Decode::Either) => return Self::Either,
            None if !success => return Self::Error(false),
            None => {}
        }
        let text = String::from_utf8_lossy(bytes).trim_start().to_lowercase();
        let html = media.is_some_and(|m| m.to_lowercase().starts_with("text/html"));
        if html || text.starts_with("<html") || text.starts_with("<!doctype") {
            return Self::Error(true);
        }
        let Some(schema) = spec.reply_schema(operation.id) else { return Self::Ok };
        if text.trim().is_empty() {
            return if spec.body_optional(operation.id, line.status) { Self::Ok } else { Self::Error(true) };
        }
        match serde_json::from_slice::<Value>(bytes) {
            Ok(json) if spec.any(schema, &json, &|name, value| name == id && value == "") => Self::Error(true),
            Ok(_) => Self::Ok,
            Err(_) => Self::Error(true),
        }
    }
}

/// How the facade's state differs from the one expected.
fn judge_state(line: &ResponseLine, state: &str, finished: bool) -> Vec<String> {
    let mut why = Vec::new();
    if let Some(expected) = line.expect.state.as_deref().filter(|expected| *expected != state) {
        why.push(format!("state: expected {expected:?}, found {state:?}"));
    }
    if let Some(expected) = line.expect.finished.filter(|expected| *expected != finished) {
        why.push(format!("finished: expected {expected}, found {finished}"));
    }
    why
}

/// What is wrong with an error that was expected.
fn judge<P: Provider>(error: &Error, decode: bool, line: &ResponseLine, bytes: &[u8], json: &Value) -> Vec<String> {
    let mut why = Vec::new();
    let mut must = |right: bool, what: String| {
        if !right {
            why.push(what)
        }
    };
    must(error.status() == Some(line.status), format!("the error has the status {:?}", error.status()));
    must(error.body().len() <= 8 * 1024, format!("the error keeps {} bytes of the body", error.body().len()));
    must(error.body().is_empty() == bytes.is_empty(), "the error lost the body".to_owned());
    for (name, value) in &line.headers {
        let kept = error.headers().get(name).is_some_and(|kept| kept.as_bytes() == value.as_bytes());
        must(kept, format!("the error lost the header {name}"));
    }
    if decode {
        must(error.kind() == ErrorKind::Decode, format!("the error is of kind {:?}", error.kind()));
        must(error.delivery() == Delivery::Unknown, format!("the delivery is {:?}", error.delivery()));
    } else {
        let mut words = P::words(json);
        if words.is_empty() {
            let start = String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ");
            words.push(start.chars().take(40).collect());
        }
        for word in words {
            must(error.message().contains(&word), format!("the message {:?} lacks {word:?}", error.message()));
        }
    }
    why
}

/// The operation whose method and path template fit, with the path's values; fixed segments go first.
fn find(all: &[&'static Operation], method: &str, path: &str) -> Option<(&'static Operation, Vec<String>)> {
    let segments = compare::segments(path);
    let fits = all.iter().filter_map(|operation| {
        let template: Vec<&str> = operation.path.split('/').collect();
        let fixed = template.iter().filter(|part| !part.starts_with('{')).count();
        // The last value may take several segments.
        let mut segments = segments.clone();
        if template.last().is_some_and(|part| part.starts_with("{+")) && segments.len() >= template.len() {
            let last = segments.split_off(template.len() - 1).join("/");
            segments.push(last);
        }
        let same = |(part, segment): (&&str, &String)| part.starts_with('{') || segment == part;
        let right = operation.method.as_str() == method && template.len() == segments.len();
        let values =
            || template.iter().zip(&segments).filter(|(part, _)| part.starts_with('{')).map(|(_, s)| s.clone());
        (right && template.iter().zip(&segments).all(same)).then(|| (fixed, *operation, values().collect()))
    });
    fits.max_by_key(|(fixed, ..)| *fixed).map(|(_, operation, values)| (operation, values))
}

fn spec<P: Provider>(api: Option<&str>) -> Spec {
    let document = P::document(api).unwrap_or_else(|| panic!("no document for api {api:?}"));
    Spec::read(&crate::root().join(document))
}

/// Runs a future to its end.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}

/// Arguments without query and body.
pub fn no_arguments() -> Arguments {
    Arguments { path: Vec::new(), query: Vec::new(), headers: BTreeMap::new(), body: Body::None }
}
