//! Unsuccessful answers: `detail` as text or as a list of complaints, quotas as figures, and what a 500 means.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use consign_http::{Error, ErrorDetail, ErrorKind, Failure};
use serde_json::Value;

use crate::types::{self, Complaint, ComplaintLocItem, FailureDetail};

/// The text of an error that no handler foresaw.
const UNFORESEEN: &str = "Internal Server Error";
const DAY: u64 = 24 * 60 * 60;

/// Reads an unsuccessful answer of the service in any of its forms.
///
/// The message is `detail`, or the complaints in it (`query.token: Field required`), which are the error's fields too.
/// If there is none, or the body is no JSON, the caller falls back to the beginning of the body. A 429 about the
/// quota of jobs is [`QuotaExceeded`](ErrorKind::QuotaExceeded); any other kind follows from the status.
pub fn read_error(failure: &Failure<'_>) -> ErrorDetail {
    let json = if failure.is_html() { None } else { serde_json::from_slice::<types::Failure>(failure.body).ok() };
    let (message, fields) = match json.and_then(|body| body.detail) {
        Some(FailureDetail::Text(text)) => (Some(text), Vec::new()),
        Some(FailureDetail::List(complaints)) => {
            let fields: Vec<_> = complaints.iter().map(field).collect();
            let lines = fields.iter().map(|(place, words)| match place.as_str() {
                "" => words.join(" "),
                place => format!("{place}: {}", words.join(" ")),
            });
            (Some(lines.collect::<Vec<_>>().join("; ")), fields)
        }
        Some(FailureDetail::Other(Value::Null)) | None => (None, Vec::new()),
        Some(FailureDetail::Other(value)) => (Some(value.to_string()), Vec::new()),
    };
    let message = message.filter(|text| !text.trim().is_empty());
    let quota = failure.status.as_u16() == 429 && message.as_deref().is_some_and(|text| figures(text).is_some());
    ErrorDetail { kind: quota.then_some(ErrorKind::QuotaExceeded), message, fields }
}

/// `query.token`, and what is wrong with it.
fn field(complaint: &Complaint) -> (String, Vec<String>) {
    let place = complaint.loc.iter().flatten().map(|part| match part {
        ComplaintLocItem::Text(name) => name.clone(),
        ComplaintLocItem::Integer(position) => position.to_string(),
        ComplaintLocItem::Other(value) => value.to_string(),
    });
    let words = complaint.msg.clone().or_else(|| complaint.type_.clone()).unwrap_or_else(|| "refused".to_owned());
    (place.collect::<Vec<_>>().join("."), vec![words])
}

/// The figures of an exceeded quota of jobs. Jobs are counted from midnight, UTC, whatever became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobQuota {
    /// Jobs of this chute today.
    pub chute_job_count: u64,
    /// Jobs of all chutes today.
    pub total_job_count: u64,
    /// How many jobs of this chute are allowed in a day. 0 for a new account: it has to be granted first.
    pub job_quota: u64,
    /// How many jobs of all chutes are allowed in a day.
    pub total_quota: u64,
}

impl JobQuota {
    /// The figures in an error; `None` if it is about something else.
    pub fn of(error: &Error) -> Option<Self> {
        if error.kind() == ErrorKind::QuotaExceeded { figures(error.message()) } else { None }
    }
    /// Whether no job is allowed on any day, so that waiting does not help.
    pub fn is_zero(&self) -> bool {
        self.job_quota == 0 || self.total_quota == 0
    }
    /// When the count starts anew: the midnight, UTC, after `now`. `None` if waiting does not help.
    pub fn renewed(&self, now: SystemTime) -> Option<SystemTime> {
        let today = now.duration_since(UNIX_EPOCH).ok()?.as_secs() / DAY;
        if self.is_zero() { None } else { UNIX_EPOCH.checked_add(Duration::from_secs((today + 1) * DAY)) }
    }
}

/// `… chute_job_count=0 total_job_count=0 of job_quota=0 and total_quota=0`
fn figures(text: &str) -> Option<JobQuota> {
    let figure = |name: &str| {
        let word = text.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
        word.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<f64>().ok().map(|figure| figure as u64)
    };
    Some(JobQuota {
        chute_job_count: figure("chute_job_count")?,
        total_job_count: figure("total_job_count")?,
        job_quota: figure("job_quota")?,
        total_quota: figure("total_quota")?,
    })
}

/// What a 500 of the service itself means, which is different for each operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerFault {
    /// Creating: the arguments were no object and nothing was stored, or they hold something that the service stores
    /// but cannot give back, and there is a job that nobody can read. A repeat may make another.
    CreatedUnreadable,
    /// Reading: the record does not fit the service's own answer, and that stays so. Most often the job failed.
    Unreadable,
    /// Deleting: the job was told to stop and its files are gone, but the record is still there.
    StopRequested,
    /// Downloading: no outcome was reported yet, the file was not uploaded, or it was removed.
    FileMissing,
    /// The runner's side: it was most likely stored, only the answer failed. Before the outcome is reported, nothing
    /// can be uploaded.
    StoredUnanswered,
}

impl ServerFault {
    /// What an error means; `None` if it is no 500 of the service itself, but say of something in front of it.
    pub fn of(error: &Error) -> Option<Self> {
        if error.status() != Some(500) || error.body().trim() != UNFORESEEN {
            return None;
        }
        match error.operation()? {
            "create_job" => Some(Self::CreatedUnreadable),
            "get_job" => Some(Self::Unreadable),
            "delete_job" => Some(Self::StopRequested),
            "download_output_file" => Some(Self::FileMissing),
            "finish_job" | "upload_job_file" | "complete_job" => Some(Self::StoredUnanswered),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, StatusCode};

    fn error(operation: &'static str, status: u16, body: &str) -> Error {
        let status = StatusCode::from_u16(status).unwrap();
        let failure = Failure { status, headers: &HeaderMap::new(), body: body.as_bytes() };
        Error::answer(&failure, Some(read_error), UNIX_EPOCH).for_operation(operation)
    }

    #[test]
    fn detail_is_the_message_as_text_or_as_complaints() {
        let cases = [
            (r#"{"detail":"Job already finished"}"#, "Job already finished"),
            (
                r#"{"detail":[{"type":"missing","loc":["query","token"],"msg":"Field required","input":null},
                    {"type":"value_error","loc":["body","file",0],"msg":"Expected a file","ctx":{"error":{}}}]}"#,
                "query.token: Field required; body.file.0: Expected a file",
            ),
            (r#"{"detail":[{"type":"missing"}]}"#, "missing"),
            (r#"{"detail":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"detail":null}"#, r#"{"detail":null}"#),
            (r#"{"detail":""}"#, r#"{"detail":""}"#),
            ("Internal Server Error", "Internal Server Error"),
            ("<html><title>502</title></html>", "<html><title>502</title></html>"),
            ("[]", "[]"),
            ("", "no reason given"),
        ];
        for (body, message) in cases {
            assert_eq!(error("x", 422, body).message(), message, "{body}");
        }
        let fields = error("x", 422, cases[1].0).fields().to_vec();
        assert_eq!(fields[0], ("query.token".to_owned(), vec!["Field required".to_owned()]));
    }

    #[test]
    fn an_exceeded_quota_is_told_from_a_burst_and_gives_its_figures() {
        let body = r#"{"detail":"Daily job quota exceeded: chute_job_count=3 total_job_count=4 of job_quota=3 and total_quota=10"}"#;
        let full = error("create_job", 429, body);
        assert_eq!((full.kind(), full.retry()), (ErrorKind::QuotaExceeded, consign_http::Retry::Never));
        let quota = JobQuota::of(&full).unwrap();
        assert_eq!((quota.chute_job_count, quota.total_job_count, quota.job_quota, quota.total_quota), (3, 4, 3, 10));
        let noon = UNIX_EPOCH + Duration::from_secs(10 * DAY + DAY / 2);
        assert_eq!(quota.renewed(noon), Some(UNIX_EPOCH + Duration::from_secs(11 * DAY)));
        let none = JobQuota::of(&error("create_job", 429, &body.replace("job_quota=3", "job_quota=0"))).unwrap();
        assert!(none.is_zero() && none.renewed(noon).is_none());
        for burst in [r#"{"detail":"slow down"}"#, "<html>429</html>", ""] {
            let burst = error("create_job", 429, burst);
            assert_eq!((burst.kind(), JobQuota::of(&burst)), (ErrorKind::RateLimited, None));
        }
    }

    #[test]
    fn a_500_of_the_service_means_something_else_for_each_operation() {
        let meaning = |operation, status, body| ServerFault::of(&error(operation, status, body));
        assert_eq!(meaning("create_job", 500, UNFORESEEN), Some(ServerFault::CreatedUnreadable));
        assert_eq!(meaning("get_job", 500, UNFORESEEN), Some(ServerFault::Unreadable));
        assert_eq!(meaning("delete_job", 500, UNFORESEEN), Some(ServerFault::StopRequested));
        assert_eq!(meaning("download_output_file", 500, UNFORESEEN), Some(ServerFault::FileMissing));
        assert_eq!(meaning("finish_job", 500, UNFORESEEN), Some(ServerFault::StoredUnanswered));
        for (operation, status, body) in [
            ("get_job", 500, "<html>500</html>"),
            ("get_job", 502, UNFORESEEN),
            ("get_job", 500, ""),
            ("get_me", 500, UNFORESEEN),
        ] {
            assert_eq!(meaning(operation, status, body), None, "{operation} {status} {body}");
        }
    }
}
