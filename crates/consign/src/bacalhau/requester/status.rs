//! Records of the requester interface as states, in every shape that they have had.
use consign_bacalhau::requester::types::{
    ExecutionState, ExecutionStateType, Job, JobState, JobStateType, RunCommandResult, ShardState, ShardStateType,
    StorageSpec,
};
use consign_core::{Item, State};

use crate::bacalhau::status::{filled, reason, told};

/// What a look at a job showed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RequesterRecord {
    /// The state of the job, with its executions.
    pub state: JobState,
    /// The job itself, where the answer held it: a list does.
    pub job: Option<Job>,
    /// What the job's last event says, for one that failed.
    pub comment: Option<String>,
}

/// An execution, in whatever shape it came.
pub(crate) struct Run<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) node: Option<&'a str>,
    pub(crate) word: &'a str,
    pub(crate) status: Option<&'a str>,
    pub(crate) completed: bool,
    pub(crate) failed: bool,
    pub(crate) over: bool,
    pub(crate) output: Option<&'a RunCommandResult>,
    pub(crate) published: Option<&'a StorageSpec>,
}

impl RequesterRecord {
    /// Its executions, in the order of the answer.
    pub(crate) fn runs(&self) -> Vec<Run<'_>> {
        let shards = self.state.shards.iter().flatten().flat_map(|(_, shard)| shard.executions.iter().flatten());
        let newer = self.state.executions.iter().flatten().chain(shards).map(of_execution);
        let nodes = self.state.nodes.iter().flatten();
        let older = nodes
            .flat_map(|(node, shards)| shards.shards.iter().flatten().map(move |(_, shard)| of_shard(node, shard)));
        newer.chain(older).collect()
    }
}

fn of_execution(execution: &ExecutionState) -> Run<'_> {
    use ExecutionStateType as Word;
    let word = execution.state.as_ref();
    Run {
        id: filled(execution.compute_reference.as_deref()),
        node: filled(execution.node_id.as_deref()),
        word: word.map_or("", Word::as_str),
        status: filled(execution.status.as_deref()),
        completed: word == Some(&Word::Completed),
        failed: matches!(word, Some(Word::Failed | Word::ResultRejected)),
        over: word.is_some_and(Word::is_terminal),
        output: execution.run_output.as_ref(),
        published: published(execution.published_results.as_ref()),
    }
}

fn of_shard<'a>(node: &'a str, shard: &'a ShardState) -> Run<'a> {
    use ShardStateType as Word;
    let word = shard.state.as_ref();
    Run {
        id: filled(shard.execution_id.as_deref()),
        node: filled(shard.node_id.as_deref()).or(Some(node)),
        word: word.map_or("", Word::as_str),
        status: filled(shard.status.as_deref()),
        completed: word == Some(&Word::Completed),
        failed: word == Some(&Word::Error),
        over: matches!(word, Some(Word::Completed | Word::Error | Word::Cancelled)),
        output: shard.run_output.as_ref(),
        published: published(shard.published_results.as_ref()),
    }
}

/// Something that was published; servers write an empty object before.
fn published(place: Option<&StorageSpec>) -> Option<&StorageSpec> {
    place.filter(|place| place.storage_source.is_some() || place.cid.is_some() || place.url.is_some())
}

/// The state of a job, and whether it is an end.
pub(crate) fn read(job: &JobState) -> (State, bool, String) {
    use JobStateType as Word;
    if let Some(word) = &job.state {
        let state = match word {
            Word::New | Word::Queued => State::Queued,
            Word::InProgress => State::Running,
            Word::Completed | Word::CompletedPartially => State::Succeeded,
            Word::Error | Word::PartialError => State::Failed,
            Word::Cancelled => State::Cancelled,
            other => State::Unknown(other.as_str().into()),
        };
        return (state, word.is_terminal(), word.as_str().to_owned());
    }
    // Up to 0.3.19 the job has no state of its own: it is that of its shards on all nodes together.
    let shards = job.nodes.iter().flatten().flat_map(|(_, node)| node.shards.iter().flatten());
    let shards: Vec<_> = shards.filter_map(|(_, shard)| shard.state.as_ref()).collect();
    use ShardStateType as Shard;
    let first = |wanted: &[Shard]| shards.iter().find(|state| wanted.contains(state)).map(|state| state.as_str());
    let found = |state: State, over: bool, word: &str| (state, over, word.to_owned());
    if let Some(word) = first(&[Shard::Running, Shard::Verifying, Shard::Waiting]) {
        found(State::Running, false, word)
    } else if let Some(word) = first(&[Shard::Completed]) {
        found(State::Succeeded, true, word)
    } else if let Some(word) = first(&[Shard::Error]) {
        found(State::Failed, true, word)
    } else if let (Some(word), _) | (None, Some(word)) = (first(&[Shard::Bidding]), shards.is_empty().then_some("")) {
        found(State::Queued, false, word)
    } else if let Some(word) = first(&[Shard::Cancelled]) {
        found(State::Cancelled, true, word)
    } else {
        let word = shards.first().map_or("", |state| state.as_str());
        found(State::Unknown(word.into()), false, word)
    }
}

/// The item that a record shows.
pub(crate) fn item(id: &str, record: &RequesterRecord) -> Item {
    let (state, finished, word) = read(&record.state);
    let id = record.state.job_id.as_deref().filter(|id| !id.is_empty()).unwrap_or(id);
    let mut item = Item::new(Some(id), state, finished);
    item.word = Some(word).filter(|word| !word.is_empty()).map(Into::into);
    item.pulse = Some(pulse(record).into());
    let runs = record.runs();
    let own = filled(record.comment.as_deref());
    match item.state {
        State::Failed => {
            let cause = runs.iter().rev().filter(|run| run.failed).find_map(|run| run.status);
            // Where no execution failed, none was accepted: each says why.
            let cause = cause.or_else(|| runs.iter().rev().find_map(|run| run.status));
            item.reason = Some(reason(cause, own));
            item.message = told(cause, own).map(Into::into);
        }
        State::Succeeded => {
            let mut codes = runs.iter().filter(|run| run.completed).filter_map(|run| run.output?.exit_code);
            let code = codes.find(|code| *code > 0);
            item.message = code.map(|code| format!("the program ended with the exit code {code}").into());
        }
        State::Cancelled => item.message = runs.iter().rev().find_map(|run| run.status).map(Into::into),
        _ => {}
    }
    item
}

/// Changes with each change of the job and of its executions.
fn pulse(record: &RequesterRecord) -> String {
    let state = &record.state;
    let versions: i64 = state.executions.iter().flatten().filter_map(|execution| execution.version).sum();
    let runs: Vec<&str> = record.runs().iter().map(|run| run.word).collect();
    format!("{}.{versions}.{}", state.version.unwrap_or_default(), runs.join(","))
}
