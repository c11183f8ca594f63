//! Reading an unsuccessful answer: its kind, its words, how long it asks to wait; and cutting texts short.
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};

use crate::ErrorKind;

/// An unsuccessful answer, as an [`ErrorReader`] sees it.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// The HTTP status.
    pub status: StatusCode,
    /// The answer's headers.
    pub headers: &'a HeaderMap,
    /// The body, at most 64 KiB of it.
    pub body: &'a [u8],
}

impl Failure<'_> {
    /// Whether the body is a web page, by its media type or its beginning.
    pub fn is_html(&self) -> bool {
        is_html(self.headers, self.body)
    }
    /// The beginning of the body as one line of text, for a message; `None` if it is blank.
    pub fn snippet(&self) -> Option<String> {
        snippet(self.body)
    }
}

/// What a provider crate reads out of an unsuccessful answer.
#[derive(Clone, Debug, Default)]
pub struct ErrorDetail {
    /// The kind, where the body says more than the status; `None`: by status.
    pub kind: Option<ErrorKind>,
    /// The server's own words for a person.
    pub message: Option<String>,
    /// Complaints about single members of the request, each with its messages.
    pub fields: Vec<(String, Vec<String>)>,
}

/// How a provider crate reads an unsuccessful answer.
pub type ErrorReader = fn(&Failure<'_>) -> ErrorDetail;

pub(crate) fn kind_of(failure: &Failure<'_>) -> ErrorKind {
    match failure.status.as_u16() {
        400 | 422 => ErrorKind::InvalidRequest,
        401 => ErrorKind::Unauthorized,
        402 => ErrorKind::InsufficientCredit,
        403 => ErrorKind::Forbidden,
        404 | 410 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        409 | 412 => ErrorKind::Conflict,
        425 | 429 => ErrorKind::RateLimited,
        502..=504 => ErrorKind::Gateway,
        500.. => {
            if failure.is_html() {
                ErrorKind::Gateway
            } else {
                ErrorKind::Server
            }
        }
        _ => ErrorKind::Status,
    }
}

/// `Retry-After` as a pause: seconds, rounded up, or an HTTP date; a date in the past is no pause, and
/// the longest of several counts. A date is measured by the answer's own `Date`, so that a clock that
/// is wrong here cuts no pause short.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date = |text: &str| httpdate::parse_http_date(text.trim()).ok();
    let sent = headers.get(http::header::DATE).and_then(|v| date(v.to_str().ok()?)).unwrap_or(now);
    let pause = |text: &str| {
        let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
        if whole.is_empty() || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Some(date(text)?.duration_since(sent).unwrap_or_default());
        }
        let seconds = whole.parse().unwrap_or(u64::MAX).saturating_add(u64::from(whole.len() < text.len()));
        Some(Duration::from_secs(seconds.min(u64::from(u32::MAX))))
    };
    let values = headers.get_all(http::header::RETRY_AFTER).iter();
    values.filter_map(|v| pause(v.to_str().ok()?.trim())).max()
}

/// Where a redirect leads, without what may be secret: the host alone.
pub(crate) fn redirect(headers: &HeaderMap) -> Option<String> {
    let location = headers.get(http::header::LOCATION)?;
    let uri = http::Uri::try_from(location.as_bytes()).ok();
    Some(uri.as_ref().and_then(http::Uri::host).unwrap_or("another path").to_owned())
}

/// What stands in place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// Takes a secret out of a text, also where the text was cut in the middle of it.
pub(crate) fn hide(text: &mut String, secret: &str) {
    if text.contains(secret) {
        *text = text.replace(secret, REDACTED);
    }
    let end = text.trim_end_matches('…').len();
    let cut = (6..secret.len()).rev().filter_map(|n| secret.get(..n)).find(|part| text[..end].ends_with(part));
    if let Some(part) = cut {
        text.replace_range(end - part.len()..end, REDACTED);
    }
}

pub(crate) fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    let media = headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let start = body.trim_ascii_start();
    let starts = |tag: &[u8]| start.len() >= tag.len() && start[..tag.len()].eq_ignore_ascii_case(tag);
    media.trim_start().to_ascii_lowercase().starts_with("text/html") || starts(b"<!doctype") || starts(b"<html")
}

pub(crate) fn snippet(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(2000)]).replace(char::is_control, " ");
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (short, cut) = shorten(&line, 200);
    (!short.is_empty()).then(|| if cut { format!("{short}…") } else { short })
}

/// At most `limit` bytes of `text`, cut at a character; and whether it was cut.
pub(crate) fn shorten(text: &str, limit: usize) -> (String, bool) {
    if text.len() <= limit {
        return (text.to_owned(), false);
    }
    let end = (0..=limit).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
    (text[..end].to_owned(), true)
}
