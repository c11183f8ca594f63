//! What a job gave: values, Markdown, a template; and what the model wrote, its tokens, what was wrong.
use std::fmt;
use std::ops::Deref;

use consign_core::{Delivery, Error, ErrorKind, Result, Ticket};
use consign_http::Reply;
use consign_numind::v0_4::types::{
    ContentExtractionResponse, InferenceValidationError, StructuredExtractionResponse, TemplateResponse,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Job, Record, Snapshot, Template};

/// What a job gave, as its record has it. Which of the three readings fits, the submission decides; the record does not
/// tell.
///
/// It is there for a job that succeeded; often also for one that ran out of time ([`Finished::outputs`]), whose output
/// may be cut short. Before the end there is none.
///
/// [`Finished::outputs`]: crate::Finished::outputs
#[derive(Clone)]
pub struct Output {
    ticket: Ticket,
    snapshot: Snapshot,
}

impl Output {
    pub(super) fn of(job: &Job, snapshot: &Snapshot) -> Self {
        Self { ticket: job.ticket().clone(), snapshot: snapshot.clone() }
    }
    /// The service's record of the job; `None` for a job that is gone.
    pub fn record(&self) -> Option<&Record> {
        self.snapshot.raw()
    }
    /// All that the job gave, as JSON.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the record has no output; [`ErrorKind::Decode`] if it is no JSON.
    pub fn json(&self) -> Result<Value> {
        let about = |error: consign_http::Error| Error::from(error).with_ticket(&self.ticket);
        let data = match self.record() {
            Some(Record::Job(job)) => job.output_data.as_ref(),
            _ => None,
        };
        let Some(data) = data else {
            let what = "the job's record has no output";
            let error = consign_http::Error::new(ErrorKind::NotFound, Delivery::Rejected, what).on_read();
            return Err(about(error.with_advice("look how the job ended, or read its result from the service")));
        };
        data.parse().map_err(about)
    }
    /// What an extraction gave, as a `T`; as a [`Value`] it can always be read.
    ///
    /// # Errors
    /// As [`Output::json`], and [`ErrorKind::Decode`] naming the member that is no `T`'s.
    pub fn extraction<T: DeserializeOwned>(&self) -> Result<Extracted<T>> {
        Extracted::new(self.read()?, false).map_err(|e| e.with_ticket(&self.ticket))
    }
    /// The Markdown that a content extraction gave.
    ///
    /// # Errors
    /// As [`Output::json`].
    pub fn content(&self) -> Result<Content> {
        let json = self.json()?;
        let response = match json {
            Value::String(text) => {
                let mut response = ContentExtractionResponse::default();
                response.result = Some(text);
                response
            }
            json => self.decoded(json)?,
        };
        Ok(Content { response })
    }
    /// The template that a template generation gave.
    ///
    /// # Errors
    /// As [`Output::json`].
    pub fn template(&self) -> Result<GeneratedTemplate> {
        Ok(GeneratedTemplate { response: self.read()?, repaired: false })
    }
    /// An output with a result in it; one without is a result by itself, as servers of before November 2025 wrote it.
    fn read<R: DeserializeOwned>(&self) -> Result<R> {
        let json = self.json()?;
        let whole = json.get("result").is_some();
        self.decoded(if whole { json } else { serde_json::json!({ "result": json }) })
    }
    fn decoded<R: DeserializeOwned>(&self, json: Value) -> Result<R> {
        decoded(json, "output").map_err(|e| e.with_ticket(&self.ticket))
    }
}

fn decoded<R: DeserializeOwned>(json: Value, what: &str) -> Result<R> {
    serde_path_to_error::deserialize(json).map_err(|e| {
        let at = if e.path().iter().next().is_some() { format!(" at {}", e.path()) } else { String::new() };
        let what = format!("the {what} cannot be read{at}: {}", e.inner());
        consign_http::Error::new(ErrorKind::Decode, Delivery::Unknown, what)
            .on_read()
            .with_source(e.into_inner())
            .into()
    })
}

/// How far it is there; not what it says.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("ticket", &self.ticket).field("snapshot", &self.snapshot).finish()
    }
}

/// How many tokens a job took: what it is billed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tokens {
    /// Those that the model read.
    pub input: Option<i64>,
    /// Those that it wrote.
    pub output: Option<i64>,
    /// Both together.
    pub total: Option<i64>,
}

/// How sure the model was, 0 to 1: the mean probability of a token that it wrote, as the service tells it, or from the
/// sum of their logarithms.
fn confidence(told: Option<f64>, logprobs: Option<f64>, tokens: Option<i64>) -> Option<f64> {
    told.or_else(|| {
        let tokens = tokens.filter(|n| *n > 0)?;
        Some((logprobs? / tokens as f64).exp())
    })
    .filter(|sure| (0.0..=1.0).contains(sure))
}

/// What an extraction gave. It derefs to the value.
#[derive(Clone, Debug, PartialEq)]
pub struct Extracted<T> {
    value: T,
    response: StructuredExtractionResponse,
    repaired: bool,
}

impl<T: DeserializeOwned> Extracted<T> {
    pub(super) fn new(response: StructuredExtractionResponse, repaired: bool) -> Result<Self> {
        let json = response.result.clone().unwrap_or_default();
        let value = match decoded(json.clone(), "result") {
            Ok(value) => value,
            // What was not found is null, also where the type knows no null but has a default. Items keep their places
            // unless the type has none for those that were not found.
            Err(error) => decoded(without_nulls(json.clone(), false), "result")
                .or_else(|_| decoded(without_nulls(json, true), "result"))
                .map_err(|_| error)?,
        };
        Ok(Self { value, response, repaired })
    }
    pub(super) fn of_reply(reply: Reply<StructuredExtractionResponse>) -> Result<Self> {
        let repaired = reply.status() == 206;
        Self::new(reply.into_value(), repaired)
    }
}

/// The same without members that are null, or without such items either.
fn without_nulls(json: Value, items_too: bool) -> Value {
    let inner = |value| without_nulls(value, items_too);
    match json {
        Value::Array(items) => items.into_iter().filter(|item| !(items_too && item.is_null())).map(inner).collect(),
        Value::Object(members) => {
            members.into_iter().filter(|(_, v)| !v.is_null()).map(|(name, v)| (name, inner(v))).collect()
        }
        leaf => leaf,
    }
}

impl<T> Extracted<T> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }
    /// The value alone.
    pub fn into_value(self) -> T {
        self.value
    }
    /// The value as the service wrote it, with null for what was not found.
    pub fn json(&self) -> Option<&Value> {
        self.response.result.as_ref()
    }
    /// What the model wrote, before anything was read out of it.
    pub fn raw_text(&self) -> Option<&str> {
        self.response.raw_model_output.as_deref()
    }
    /// What was wrong with what the model wrote, if it did not fit the template. The value is then an empty one.
    pub fn problem(&self) -> Option<&InferenceValidationError> {
        self.response.error.as_ref()
    }
    /// Whether the service had to repair or empty the value: it says so only where the result is read from it, with
    /// [`NuMind::read_extraction`](super::NuMind::read_extraction). What was repaired is in
    /// [`NuMind::reports`](super::NuMind::reports).
    pub fn is_repaired(&self) -> bool {
        self.repaired
    }
    /// Whether what the model wrote was cut short.
    pub fn is_truncated(&self) -> bool {
        self.response.is_truncated == Some(true)
    }
    /// How many tokens it took.
    pub fn tokens(&self) -> Tokens {
        let r = &self.response;
        Tokens { input: r.input_tokens, output: r.output_tokens, total: r.total_tokens }
    }
    /// How sure the model was, 0 to 1: the mean probability of a token that it wrote.
    pub fn confidence(&self) -> Option<f64> {
        let r = &self.response;
        confidence(r.output_token_probability, r.logprobs, r.output_tokens)
    }
    /// What the model thought.
    pub fn thinking(&self) -> Option<&str> {
        self.response.thinking_trace.as_deref()
    }
    /// All of it: also the document, the examples that were used, the seed.
    pub fn response(&self) -> &StructuredExtractionResponse {
        &self.response
    }
}

impl<T> Deref for Extracted<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// Markdown that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    response: ContentExtractionResponse,
}

impl Content {
    pub(super) fn of_reply(reply: Reply<ContentExtractionResponse>) -> Self {
        Self { response: reply.into_value() }
    }
    /// The Markdown; empty if the service gave none.
    pub fn markdown(&self) -> &str {
        self.response.result.as_deref().unwrap_or_default()
    }
    /// What the model thought.
    pub fn thinking(&self) -> Option<&str> {
        self.response.thinking_trace.as_deref()
    }
    /// What the model wrote, before anything was read out of it.
    pub fn raw_text(&self) -> Option<&str> {
        self.response.raw_model_output.as_deref()
    }
    /// Whether what the model wrote was cut short.
    pub fn is_truncated(&self) -> bool {
        self.response.is_truncated == Some(true)
    }
    /// How many tokens it took.
    pub fn tokens(&self) -> Tokens {
        let r = &self.response;
        Tokens { input: r.input_tokens, output: r.output_tokens, total: r.total_tokens }
    }
    /// How sure the model was, 0 to 1.
    pub fn confidence(&self) -> Option<f64> {
        let r = &self.response;
        confidence(r.output_token_probability, r.logprobs, r.output_tokens)
    }
    /// All of it.
    pub fn response(&self) -> &ContentExtractionResponse {
        &self.response
    }
}

/// A template that the service made.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratedTemplate {
    response: TemplateResponse,
    repaired: bool,
}

impl GeneratedTemplate {
    pub(super) fn of_reply(reply: Reply<TemplateResponse>) -> Self {
        let repaired = reply.status() == 206;
        Self { response: reply.into_value(), repaired }
    }
    /// The template, to extract with. One without members could not be made.
    pub fn template(&self) -> Template {
        Template::new(self.response.result.clone().unwrap_or_default())
    }
    /// What was wrong with what the model wrote. The template is then an empty one.
    pub fn problem(&self) -> Option<&InferenceValidationError> {
        self.response.error.as_ref()
    }
    /// Whether the service had to repair or empty it; see [`Extracted::is_repaired`].
    pub fn is_repaired(&self) -> bool {
        self.repaired
    }
    /// What the model wrote, before anything was read out of it.
    pub fn raw_text(&self) -> Option<&str> {
        self.response.raw_model_output.as_deref()
    }
    /// How many tokens it took.
    pub fn tokens(&self) -> Tokens {
        let r = &self.response;
        Tokens { input: r.input_tokens, output: r.output_tokens, total: r.total_tokens }
    }
    /// All of it.
    pub fn response(&self) -> &TemplateResponse {
        &self.response
    }
}
