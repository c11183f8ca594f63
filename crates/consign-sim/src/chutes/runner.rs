//! The runner's side: reports, uploads, the end of a job.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use serde_json::Value;

use super::answers::{self, Answer, Refused, missing, ok, refuse, tripped, unprocessable};
use super::api::Work;
use super::world::{Report, World};
use super::{auth, json, seals};

/// The most files that one report may declare here; the service has no limit.
const MOST_FILES: usize = 100_000;

fn open(world: &World, job: usize) -> Result<(), Refused> {
    match world.jobs[job].finished {
        Some(_) => Err(refuse(StatusCode::BAD_REQUEST, "Job already finished")),
        None => Ok(()),
    }
}

/// Stores what the runner reports and gives it the addresses for its files.
pub(super) fn finish(work: &Work<'_>, id: &str) -> Answer {
    let token = work.token()?;
    work.inner.change(|world, now| {
        let job = auth::runner(world, &work.inner.front.faults, id, &token, None, now)?;
        open(world, job)?;
        let mut report = work.object()?;
        let status = report.remove("status").unwrap_or_else(|| "error".into());
        let names = names(report.remove("output_filenames"))?;
        let result = json::stored(report.remove("result").unwrap_or_else(|| "error".into())).ok_or_else(tripped)?;
        let detail = match report.remove("detail") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if !text.contains('\0') => Some(text),
            Some(_) => return Err(tripped()),
        };
        let status = status.as_str().filter(|status| !status.contains('\0')).ok_or_else(tripped)?.to_owned();
        world.report(job, Report { status, result, detail, names }, now);
        let declared = world.jobs[job].output_files.as_deref().unwrap_or_default();
        let url = |name: &str| {
            let token = auth::runner_token(world, id, Some(name), now);
            format!("https://api.chutes.ai/jobs/{id}/upload?token={token}")
        };
        let urls: Vec<_> = declared.iter().map(|file| (file.name.clone(), url(&file.name))).collect();
        answers::job(world, job, &urls).map(ok)
    })
}

/// The declared names; a text is taken letter by letter, as the service does.
fn names(value: Option<Value>) -> Result<Vec<String>, Refused> {
    let names: Option<Vec<String>> = match value {
        None => Some(Vec::new()),
        Some(Value::String(text)) => Some(text.chars().map(String::from).collect()),
        Some(Value::Array(items)) => items.into_iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Some(Value::Object(members)) => Some(members.keys().cloned().collect()),
        Some(_) => None,
    };
    names.filter(|names| names.len() <= MOST_FILES && names.iter().all(|name| !name.contains('\0'))).ok_or_else(tripped)
}

/// Stores one declared file.
pub(super) fn upload(work: &Work<'_>, id: &str) -> Answer {
    let form = Form::read(work.request)?;
    let mut wrong = Vec::new();
    let token = work.query("token");
    if token.is_none() {
        wrong.push(missing("query", "token"));
    }
    match form.part("file") {
        None => wrong.push(missing("body", "file")),
        Some(part) if !part.is_file => {
            let text = String::from_utf8_lossy(&part.content).into_owned();
            let message = "Value error, Expected UploadFile, received: <class 'str'>";
            wrong.push(answers::invalid("value_error", "body", "file", message, &text.into(), Some(r#"{"error":{}}"#)));
        }
        Some(_) => {}
    }
    let path = form.part("path").filter(|part| part.is_file || !part.content.is_empty());
    match path {
        None => wrong.push(missing("body", "path")),
        Some(part) if part.is_file => {
            let message = "Input should be a valid string";
            wrong.push(answers::invalid("string_type", "body", "path", message, &Value::Null, None));
        }
        Some(_) => {}
    }
    let (Some(token), Some(file), Some(path), true) = (token, form.part("file"), path, wrong.is_empty()) else {
        return Err(unprocessable(wrong));
    };
    let name = String::from_utf8_lossy(&path.content).into_owned();
    work.inner.change(|world, now| {
        let job = auth::runner(world, &work.inner.front.faults, id, &token, Some(&name), now)?;
        open(world, job)?;
        let files = world.jobs[job].output_files.as_ref().ok_or_else(tripped)?;
        let file_id = seals::uuid5(id, &name);
        let Some(declared) = files.iter().find(|other| other.id == file_id) else {
            return Err(answers::not_found(format!("File {name} not found in job output files")));
        };
        let place = declared.path.clone();
        world.upload(job, &file_id, file.content.clone(), now);
        let document = json::Object::new().put("status", "success").put("filename", name.as_str());
        Ok(ok(document.put("file_id", file_id).put("path", place).put("uploaded", true).end()))
    })
}

/// Closes the job.
pub(super) fn complete(work: &Work<'_>, id: &str) -> Answer {
    let token = work.token()?;
    work.inner.change(|world, now| {
        let job = auth::runner(world, &work.inner.front.faults, id, &token, None, now)?;
        open(world, job)?;
        world.complete(job, now).ok_or_else(tripped)?;
        answers::job(world, job, &[]).map(ok)
    })
}

/// A part of a form.
#[derive(Debug, PartialEq)]
struct Part {
    name: String,
    /// It carries a file name.
    is_file: bool,
    content: Bytes,
}

/// The parts of a multipart form; empty if the request has another body.
#[derive(Debug, Default, PartialEq)]
struct Form(Vec<Part>);

impl Form {
    /// The last part of a name.
    fn part(&self, name: &str) -> Option<&Part> {
        self.0.iter().rev().find(|part| part.name == name)
    }

    fn read(request: &Request<Bytes>) -> Result<Self, Refused> {
        let media = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media.to_ascii_lowercase().starts_with("multipart/form-data") {
            return Ok(Self::default());
        }
        let wrong = |message: &str| refuse(StatusCode::BAD_REQUEST, message);
        let boundary = parameter(media, "boundary").filter(|boundary| !boundary.is_empty());
        let boundary = boundary.ok_or_else(|| wrong("Missing boundary in multipart."))?;
        Self::parse(request.body(), &boundary).ok_or_else(|| wrong("There was an error parsing the body"))
    }

    fn parse(body: &Bytes, boundary: &str) -> Option<Self> {
        let opening = format!("--{boundary}");
        let delimiter = format!("\r\n{opening}");
        let mut at = find(body, opening.as_bytes(), 0)? + opening.len();
        if at > opening.len() && !body[..at - opening.len()].ends_with(b"\r\n") {
            return None;
        }
        let mut parts = Vec::new();
        loop {
            if body[at..].starts_with(b"--") {
                return Some(Self(parts));
            }
            if !body[at..].starts_with(b"\r\n") {
                return None;
            }
            let end = find(body, delimiter.as_bytes(), at)?;
            let blank = find(body, b"\r\n\r\n", at).filter(|blank| *blank <= end)?;
            let head = String::from_utf8_lossy(&body[at..blank]).into_owned();
            let content = body.slice((blank + 4).min(end)..end);
            let disposition = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-disposition").then(|| value.trim().to_owned())
            })?;
            let is_file = parameter(&disposition, "filename").is_some();
            parts.push(Part { name: parameter(&disposition, "name")?, is_file, content });
            at = end + delimiter.len();
        }
    }
}

fn find(body: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let first = *wanted.first()?;
    let mut at = from;
    loop {
        at += body.get(at..)?.iter().position(|byte| *byte == first)?;
        if body[at..].starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
}

/// A parameter of a header, without its quotation marks.
fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once(';') {
        let (key, value) = after.split_once('=')?;
        let value = value.trim_start();
        let (value, left) = match value.strip_prefix('"') {
            None => (value.split(';').next().unwrap_or_default().trim().to_owned(), value),
            Some(quoted) => unquoted(quoted)?,
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = left;
    }
    None
}

/// A quoted text up to its end, and what comes after.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => {
                value.push(letter);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((value, &text[at + 1..])),
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_with_quoted_names_and_contents_that_look_like_borders() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;\\\"b.txt\"\r\nContent-Type: \
                    text/plain\r\n\r\none\r\n--c\r\n\r\n--b\r\ncontent-disposition: form-data; name=path\r\n\r\n\r\n--b--\r\n";
        let form = Form::parse(&Bytes::from(body), "b").unwrap();
        let file = form.part("file").unwrap();
        assert!(file.is_file);
        assert_eq!(&file.content[..], b"one\r\n--c\r\n");
        assert!(form.part("path").is_some_and(|part| !part.is_file && part.content.is_empty()));
    }

    #[test]
    fn broken_forms_are_refused_and_never_panic() {
        let whole = "--b\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\nx\r\n--b--";
        assert!(Form::parse(&Bytes::from(whole), "b").is_some());
        for cut in 0..whole.len() {
            let part = Form::parse(&Bytes::from(&whole[..cut]), "b");
            assert!(part.is_none(), "{cut}: {part:?}");
        }
        assert_eq!(Form::parse(&Bytes::from("--b\r\n\r\n\r\n--b--"), "b"), None);
        assert_eq!(Form::parse(&Bytes::from("--b\r\nx\r\n\r\n"), "b"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_before_the_report_trips_also_with_the_right_token() {
        let sim = crate::Chutes::new();
        let ask = |what: String, body: &'static str| {
            let (method, path) = what.split_once(' ').map(|(m, p)| (m.to_owned(), p.to_owned())).unwrap();
            let request =
                Request::builder().method(method.as_str()).uri(path).header("authorization", crate::Chutes::KEY);
            let request = request.header("content-type", "multipart/form-data; boundary=b");
            let sim = sim.clone();
            async move { sim.handle(request.body(Bytes::from(body)).unwrap()).await.unwrap().status().as_u16() }
        };
        assert_eq!(ask(format!("POST /jobs/{}/train", crate::Chutes::CHUTE), "{}").await, 200);
        let id = sim.jobs()[0].id.clone();
        let token = sim.inner.change(|world, now| auth::runner_token(world, &id, Some("a"), now));
        let form = "--b\r\ncontent-disposition: form-data; name=file; filename=x\r\n\r\nx\r\n--b\r\n\
                    content-disposition: form-data; name=path\r\n\r\na\r\n--b--\r\n";
        assert_eq!(ask(format!("PUT /jobs/{id}/upload?token={token}"), form).await, 500);
    }
}
