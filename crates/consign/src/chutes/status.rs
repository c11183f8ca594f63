//! Chutes' records as states: the service tells no status, so it is inferred from what a record holds.
use consign_chutes::types::{Job, JobStatus};
use consign_chutes::{Progress, wire::OutputFiles};
use consign_core::{Item, Reason, State};

/// The item that a job's record shows.
pub(crate) fn item(job: &Job) -> Item {
    let state = match job.progress() {
        Progress::Queued => State::Queued,
        Progress::Running => State::Running,
        Progress::Succeeded => State::Succeeded,
        Progress::Failed => State::Failed,
        Progress::Cancelled => State::Cancelled,
        Progress::Unknown(Some(word)) => State::Unknown(word.into()),
        _ => State::Unknown("null result".into()),
    };
    let mut item = Item::new(Some(&job.job_id), state, job.is_finished());
    item.word = job.status.as_ref().map(|word| word.as_str().into());
    let (reason, message) = match &item.state {
        State::Queued => (None, waiting(job).map(str::to_owned)),
        State::Failed => failure(job),
        State::Unknown(_) if item.word.is_none() => {
            let what = "the method returned nothing, or its failure was reported with a null result; the service does \
                        not tell which";
            (None, Some(what.to_owned()))
        }
        _ => (None, None),
    };
    (item.reason, item.message) = (reason, message.map(String::into_boxed_str));
    item.pulse = pulse(job);
    item
}

/// The item of a job whose record the service cannot give.
pub(crate) fn unreadable(id: &str) -> Item {
    let mut item = Item::new(Some(id), State::Unknown("record unreadable".into()), false);
    let what = "the service cannot give the job's record, and that stays so: most often its method failed or did not \
                return an object";
    item.message = Some(what.into());
    item
}

/// What a job that does not run yet waits for.
fn waiting(job: &Job) -> Option<&'static str> {
    match (&job.instance, &job.port_mappings) {
        (Some(_), _) => Some("being launched on a node"),
        (None, Some(ports)) if !ports.is_empty() => Some("it lost its node"),
        _ => None,
    }
}

/// Why a job failed, and the same in words.
fn failure(job: &Job) -> (Option<Reason>, Option<String>) {
    if let Some(said) = job.error_detail.as_deref().filter(|said| !said.trim().is_empty()) {
        return (Some(Reason::Failed), Some(said.to_owned()));
    }
    if job.status == Some(JobStatus::BillingTermination) {
        return (Some(Reason::Quota), Some("the balance of the job's creator was used up".to_owned()));
    }
    let files = job.output_files.as_ref().filter(|files| files.is_reported());
    match files.map(|files| (missing(files), files.len())) {
        Some((names, all)) if !names.is_empty() => {
            let shown: Vec<&str> = names.iter().take(3).copied().collect();
            let more = if names.len() > shown.len() { ", …" } else { "" };
            let what = format!("{} of {all} declared files were not uploaded: {}{more}", names.len(), shown.join(", "));
            (Some(Reason::Failed), Some(what))
        }
        None if job.result.is_none() => {
            let what = "nobody reported how it ended: its node removed it, it ran out of time, or the balance was \
                        used up";
            (Some(Reason::Lost), Some(what.to_owned()))
        }
        _ => (Some(Reason::Failed), None),
    }
}

fn missing(files: &OutputFiles) -> Vec<&str> {
    let lacking = files.iter().filter(|(_, file)| file.uploaded == Some(false));
    lacking.map(|(id, file)| file.filename.as_deref().unwrap_or(id)).collect()
}

/// What changes while a job goes on: its node, whether that was checked, and what was uploaded.
fn pulse(job: &Job) -> Option<Box<str>> {
    let node = job.instance.as_ref().and_then(|instance| instance.instance_id.as_deref());
    let checked = job.instance.as_ref().and_then(|instance| instance.last_verified_at.as_ref());
    let there = job.output_files.iter().flat_map(|files| files.values()).filter(|file| file.uploaded == Some(true));
    match (node, checked, there.count(), &job.updated_at) {
        (None, None, 0, None) => None,
        (node, checked, there, updated) => {
            let checked = checked.map(|at| at.as_str()).unwrap_or_default();
            let updated = updated.as_ref().map(|at| at.as_str()).unwrap_or_default();
            Some(format!("{} {checked} {there} {updated}", node.unwrap_or_default()).into())
        }
    }
}
