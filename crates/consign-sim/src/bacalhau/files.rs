//! Published results: archives of what an execution left, and the file server that hands them out.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use super::plan::Work;
use crate::clock::Clock;
use crate::faults::{Twist, response};
use crate::range::range;

/// The size of a record in an archive.
const RECORD: usize = 512;

/// What an execution left, as the local publisher packs it: `stdout`, `stderr` and `exitCode` beside its files.
/// `folders` are the names of the result paths.
pub(crate) fn archive(
    work: &Work,
    files: &BTreeMap<String, Vec<u8>>,
    folders: &[&str],
    date: i64,
) -> std::io::Result<Bytes> {
    let mut all: BTreeMap<&str, &[u8]> = files.iter().map(|(path, file)| (path.as_str(), file.as_slice())).collect();
    let exit = work.exit.to_string();
    all.extend([("stdout", work.stdout.as_bytes()), ("stderr", work.stderr.as_bytes()), ("exitCode", exit.as_bytes())]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    for folder in std::iter::once(&".").chain(folders) {
        packed.write_all(&header(folder, 0, date, b'5'))?;
    }
    for (path, file) in all {
        packed.write_all(&header(path, file.len(), date, b'0'))?;
        packed.write_all(file)?;
        packed.write_all(&[0; RECORD][..(RECORD - file.len() % RECORD) % RECORD])?;
    }
    packed.write_all(&[0; 2 * RECORD])?;
    packed.finish().map(Bytes::from)
}

/// The header of an entry, in the old format of tar.
fn header(path: &str, length: usize, date: i64, kind: u8) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    let mut put = |at: usize, text: &[u8]| record[at..at + text.len()].copy_from_slice(text);
    put(0, &path.as_bytes()[..path.len().min(100)]);
    put(100, if kind == b'5' { b"0000700\0" } else { b"0000644\0" });
    put(108, b"0000000\x000000000\0");
    put(124, format!("{length:011o}\0{:011o}\0", date.max(0)).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000root");
    put(297, b"root");
    let sum: u32 = record.iter().map(|byte| u32::from(*byte)).sum();
    record[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    record
}

/// Answers with a file, or the range of it that is asked for. None: there is no such file.
pub(crate) fn send(
    file: Option<(Bytes, Duration)>,
    request: &Request<Bytes>,
    twist: Option<Twist>,
    clock: &Clock,
) -> Response<Bytes> {
    let Some((mut file, written)) = file.filter(|_| twist != Some(Twist::ExpiredUrl)) else {
        return plain(StatusCode::NOT_FOUND, "404 page not found\n");
    };
    let mut date = clock.http_date(written);
    match twist {
        Some(Twist::NotAPicture) => file = Bytes::from_static(b"<html><body>This is not the file.</body></html>"),
        Some(Twist::OtherVersion) => {
            date = clock.http_date(written + Duration::from_secs(60));
            file = file.iter().copied().chain([0; 7]).collect();
        }
        _ => {}
    }
    let mut reply = response(StatusCode::OK, "application/gzip", file.clone());
    set(&mut reply, ACCEPT_RANGES, "bytes");
    set(&mut reply, LAST_MODIFIED, &date);
    let same = request.headers().get(IF_RANGE).is_none_or(|value| value.as_bytes() == date.as_bytes());
    let asked = request.headers().get(RANGE).filter(|_| same && twist != Some(Twist::IgnoreRange));
    match asked.and_then(|value| value.to_str().ok()).and_then(|text| range(text, file.len())) {
        Some(Some((from, to))) => {
            *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut reply, CONTENT_RANGE, &format!("bytes {from}-{to}/{}", file.len()));
            *reply.body_mut() = file.slice(from..=to);
        }
        Some(None) => {
            reply = plain(StatusCode::RANGE_NOT_SATISFIABLE, "invalid range: failed to overlap\n");
            set(&mut reply, CONTENT_RANGE, &format!("bytes */{}", file.len()));
        }
        None => {}
    }
    if request.method() == Method::HEAD {
        let length = reply.body().len().to_string();
        set(&mut reply, CONTENT_LENGTH, &length);
        reply.body_mut().clear();
    }
    reply
}

/// Plain text as Go's servers write it.
pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Bytes> {
    let mut reply = response(status, "text/plain; charset=utf-8", text);
    reply.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    reply
}

fn set(reply: &mut Response<Bytes>, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bacalhau::plan::{Plan, Program};

    #[test]
    fn the_sum_of_a_header_is_right() {
        let header = header("stdout", 16, 1_700_000_000, b'0');
        let blank: u32 =
            header.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
        assert_eq!(&header[148..154], format!("{blank:06o}").as_bytes());
        assert_eq!(&header[257..263], b"ustar\0");
    }

    #[test]
    fn an_archive_holds_whole_records() -> Result<(), Box<dyn std::error::Error>> {
        let work = Plan::default().stdout("hello\n").work(&Program::default(), 0, Duration::ZERO);
        let packed = archive(&work, &BTreeMap::from([("outputs/a.txt".to_owned(), vec![b'x'; 600])]), &["outputs"], 0)?;
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut all)?;
        // Two folders, four headers, one record each for three contents (one is empty), two for the long file, the end.
        assert_eq!(all.len(), RECORD * (2 + 4 + 2 + 2 + 2));
        Ok(())
    }
}
