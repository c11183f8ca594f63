//! The blob host: signed URLs with an end, ranges, and refusal of credentials.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use super::Reader;
use super::errors::{Refused, blob_error};
use super::job::Job;
use super::world::World;
use crate::chance::{hash, mix};
use crate::faults::Twist;
use crate::picture;
use crate::range::range;

/// A signed URL for a blob, and the date until which it is valid.
pub(crate) fn sign(world: &World, key: &str, reader: &Reader<'_>) -> (String, String) {
    let date = world.clock.basic(reader.now);
    let life = world.settings.url_life.as_secs();
    let day = date.get(..8).unwrap_or_default();
    let signature = signature(world.settings.seed, key, &date, &life.to_string());
    let url = format!(
        "{}/{}?X-Amz-Expires={life}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SIM%2F{day}%2Fus-east-1%2Fs3%2F\
         aws4_request&X-Amz-Date={date}&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}",
        reader.blob_url,
        percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC),
    );
    (url, world.clock.text(reader.now + Duration::from_secs(life)))
}

/// Not a real signature: enough to tell a changed URL from an unchanged one.
fn signature(seed: u64, key: &str, date: &str, life: &str) -> String {
    let text = hash(format!("{key}\n{date}\n{life}").as_bytes());
    format!("{:016x}{:016x}", mix(text, seed), mix(seed, text))
}

/// What a request for a blob is about, if it may have it.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) number: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Checks a request; gives the picture it is for.
pub(crate) fn check(
    world: &World,
    now: Duration,
    request: &Request<Bytes>,
    twist: Option<Twist>,
) -> Result<Wanted, Refused> {
    let refuse = |status, code, message| Err(blob_error(status, code, message));
    if request.headers().contains_key(http::header::AUTHORIZATION) {
        let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query \
                       string parameter or the Authorization header should be specified";
        return refuse(StatusCode::BAD_REQUEST, "InvalidArgument", message);
    }
    if *request.method() != Method::GET && *request.method() != Method::HEAD {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "The specified method is not allowed");
    }
    let key = percent_encoding::percent_decode_str(request.uri().path().trim_start_matches('/')).decode_utf8_lossy();
    let query = request.uri().query().unwrap_or_default();
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or("");
    let (date, life, given) = (value("X-Amz-Date"), value("X-Amz-Expires"), value("X-Amz-Signature"));
    if given.is_empty() {
        return refuse(StatusCode::FORBIDDEN, "AccessDenied", "Access Denied");
    }
    if given != signature(world.settings.seed, &key, date, life) {
        let message = "The request signature we calculated does not match the signature you provided";
        return refuse(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", message);
    }
    let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok();
    let signed = signed.and_then(|date| jiff::tz::TimeZone::UTC.to_timestamp(date).ok());
    let life = Duration::from_secs(life.parse().unwrap_or(0));
    // The date in the URL has whole seconds, the date told with it has not.
    let until = signed.map_or(Duration::ZERO, |date| world.clock.at(date) + life + Duration::from_secs(1));
    if now >= until || twist == Some(Twist::ExpiredUrl) {
        return refuse(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired");
    }
    let found = world.blobs.get(key.as_ref()).map(|(job, picture)| (&world.jobs[*job], *picture));
    match found.filter(|(job, _)| world.blobs_ready(job, now) && !world.deleted_blobs.contains(key.as_ref())) {
        Some((job, picture)) => Ok(wanted(job, picture)),
        None => refuse(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist."),
    }
}

fn wanted(job: &Job, picture: usize) -> Wanted {
    let params = job.template.raw.get("params");
    let side = |name: &str| {
        let side = params.and_then(|params| params.get(name)).and_then(serde_json::Value::as_u64);
        side.and_then(|side| u32::try_from(side).ok()).map_or(512, |side| side.clamp(1, 2048))
    };
    let what = params.and_then(|params| params.get("prompt")).or_else(|| job.template.raw.get("imageUrl"));
    let text = what.map_or_else(String::new, ToString::to_string);
    let number = mix(hash(text.as_bytes()), job.seed + picture as u64);
    Wanted { number, width: side("width"), height: side("height") }
}

/// Answers with the picture, or the range of it that is asked for.
pub(crate) fn send(wanted: &Wanted, request: &Request<Bytes>, twist: Option<Twist>) -> Response<Bytes> {
    let number = if twist == Some(Twist::OtherVersion) { mix(wanted.number, 1) } else { wanted.number };
    let Ok(file) = picture::png(number, wanted.width, wanted.height) else {
        return *blob_error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "We encountered an internal error.");
    };
    let file = if twist == Some(Twist::NotAPicture) {
        Bytes::from_static(b"<html><head><title>Sorry</title></head><body>This is not the file.</body></html>")
    } else {
        Bytes::from(file)
    };
    let etag = format!("\"{:016x}\"", mix(number, file.len() as u64));
    let mut reply = Response::new(file.clone());
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/png"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert(headers, ETAG, &etag);
    let same = request.headers().get(IF_RANGE).is_none_or(|value| value.as_bytes() == etag.as_bytes());
    let asked = request.headers().get(RANGE).filter(|_| same && twist != Some(Twist::IgnoreRange));
    match asked.and_then(|value| value.to_str().ok()).and_then(|text| range(text, file.len())) {
        Some(Some((from, to))) => {
            *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
            insert(reply.headers_mut(), CONTENT_RANGE, &format!("bytes {from}-{to}/{}", file.len()));
            *reply.body_mut() = file.slice(from..=to);
        }
        Some(None) => {
            let message = "The requested range is not satisfiable";
            reply = *blob_error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", message);
            insert(reply.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", file.len()));
        }
        None => {}
    }
    if request.method() == Method::HEAD {
        let length = reply.body().len().to_string();
        insert(reply.headers_mut(), CONTENT_LENGTH, &length);
        reply.body_mut().clear();
    }
    reply
}

fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
