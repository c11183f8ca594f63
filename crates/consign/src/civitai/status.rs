//! Civitai's records as states: the rules by which a status word is derived.
use std::time::Duration;

use consign_civitai::TimeSpan;
use consign_civitai::types::{JobEvent, JobEventType, JobStatus};
use consign_core::{Item, Reason, State};
use serde_json::Value;

/// The item that a job's record shows.
pub(crate) fn item(status: &JobStatus) -> Item {
    let mut item = match &status.last_event {
        Some(event) => of_event(event, status.scheduled),
        None => without_event(status),
    };
    item.id = status.job_id.as_deref().map(Into::into);
    item.cost = status.cost.or(item.cost);
    let places = status.service_providers.iter().flatten().filter_map(|(_, p)| p.queue_position.as_ref());
    if !item.finished && item.state == State::Queued {
        let nearest = places.min_by_key(|place| place.preceding_jobs.unwrap_or(i32::MAX));
        let ahead = nearest.and_then(|p| p.preceding_jobs).or(status.position);
        item.queue_position = ahead.and_then(|n| u32::try_from(n).ok());
        item.starts_in = nearest.and_then(|p| p.estimated_start_duration.as_ref()).and_then(|t| duration(t.as_str()));
    }
    item
}

/// The item that an event tells of, as in a webhook body.
pub(crate) fn of_event(event: &JobEvent, scheduled: Option<bool>) -> Item {
    let kind = event.type_.as_ref();
    let over = event.job_has_completed;
    let (state, finished, reason) = match kind {
        Some(JobEventType::Succeeded) => (State::Succeeded, true, None),
        Some(JobEventType::Failed) if over == Some(false) => (State::Queued, false, None),
        Some(JobEventType::Failed) => (State::Failed, true, Some(Reason::Failed)),
        Some(JobEventType::Expired) => (State::Failed, true, Some(Reason::Expired)),
        Some(JobEventType::Deleted | JobEventType::Canceled) => (State::Cancelled, true, None),
        Some(JobEventType::Rejected | JobEventType::LateRejected) if over == Some(true) => {
            (State::Failed, true, Some(Reason::Failed))
        }
        Some(JobEventType::ClaimExpired) if over == Some(true) => (State::Failed, true, Some(Reason::Expired)),
        Some(JobEventType::Rejected | JobEventType::LateRejected | JobEventType::ClaimExpired) => {
            (State::Queued, false, None)
        }
        Some(JobEventType::Initialized) if over != Some(true) => (State::Queued, false, None),
        Some(JobEventType::Claimed | JobEventType::Updated) if over != Some(true) => (State::Running, false, None),
        // The end mark stands beside a word that tells no end, or that is not known.
        other => {
            let word = other.map_or("", JobEventType::as_str);
            match (over, scheduled) {
                (Some(true), _) => (State::Unknown(word.into()), true, None),
                (_, Some(true)) => (State::Running, false, None),
                _ => (State::Unknown(word.into()), false, None),
            }
        }
    };
    let mut item = Item::new(event.job_id.as_deref(), state, finished);
    item.word = kind.map(|k| k.as_str().into());
    item.reason = reason;
    item.cost = event.cost;
    item.pulse = event.date_time.as_ref().map(|d| d.as_str().into());
    if let Some(context) = &event.context {
        let said = ["error", "message", "reason"].iter().filter_map(|name| context.get(*name));
        let words = |said: &Value| match said {
            Value::Null => None,
            Value::String(text) if text.trim().is_empty() => None,
            Value::String(text) => Some(text.as_str().into()),
            other => Some(other.to_string().into()),
        };
        item.message = said.filter_map(words).next();
        let progress = context.get("progress").and_then(Value::as_f64);
        item.progress = progress.filter(|p| (0.0..=1.0).contains(p)).map(|p| p as f32);
    }
    item
}

fn without_event(status: &JobStatus) -> Item {
    let blobs = status.result.as_ref().map(|r| r.blobs()).unwrap_or_default();
    let there = !blobs.is_empty() && blobs.iter().all(|blob| blob.available == Some(true));
    let (state, finished) = match (there, status.scheduled) {
        (true, _) => (State::Succeeded, true),
        (false, Some(true)) => (State::Queued, false),
        (false, _) => (State::Unknown("".into()), false),
    };
    Item::new(None, state, finished)
}

fn duration(text: &str) -> Option<Duration> {
    text.parse::<TimeSpan>().ok().and_then(|span| Duration::try_from(span).ok())
}
