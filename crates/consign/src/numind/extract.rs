//! Typed extraction: the type says what is asked for, and is what comes back.
use std::fmt;
use std::marker::PhantomData;

use consign_core::Result;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Extracted, Input, Jobs, Settings, Spec, StructuredExtraction, Template};

/// An extraction whose result is a `T`: its schema becomes the template, by the rules of [`Template::of`].
///
/// The two derives come from crates that the program names among its own dependencies: `schemars = "1"`, and `serde`
/// with its feature `derive`.
///
/// ```no_run
/// use consign::numind::{Input, Jobs, extract};
///
/// #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
/// struct Invoice {
///     number: String,
///     total: Option<f64>,
/// }
///
/// # async fn run() -> Result<(), consign::Error> {
/// let jobs = Jobs::from_env()?; // NUMIND_API_KEY or NUEXTRACT_API_KEY
/// let invoice = extract::<Invoice>(Input::open("invoice.pdf")?).run(&jobs).await?;
/// println!("{} {:?}", invoice.number, invoice.total);
/// println!("{:?}, sure to {:?}", invoice.tokens(), invoice.confidence());
/// # Ok(()) }
/// ```
///
/// What was not found is null: make a member an `Option`, or give it a default. A value that is no `T` is an error that
/// names the member; the job's output can then still be read, as JSON or in parts.
pub fn extract<T: DeserializeOwned + JsonSchema>(input: impl Into<Input>) -> Extract<T> {
    Extract { spec: StructuredExtraction::with_template(Template::of::<T>(), input), of: PhantomData }
}

/// An extraction whose result is a `T`, made by [`extract`]. Submit it as any spec and read the result with
/// [`Output::extraction`](super::Output::extraction), or [`run`](Extract::run) it.
pub struct Extract<T> {
    spec: StructuredExtraction,
    of: PhantomData<fn() -> T>,
}

impl<T> Extract<T> {
    /// What the model should mind, in words; see [`StructuredExtraction::instructions`].
    #[must_use]
    pub fn instructions(mut self, words: impl Into<String>) -> Self {
        self.spec = self.spec.instructions(words);
        self
    }
    /// Adds an example; see [`StructuredExtraction::example`].
    #[must_use]
    pub fn example(mut self, input: impl Into<Input>, result: impl Into<Value>) -> Self {
        self.spec = self.spec.example(input, result);
        self
    }
    /// Lays these settings over it, in place of those set before.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.spec = self.spec.settings(settings);
        self
    }
    /// Changes the settings through a closure.
    #[must_use]
    pub fn with_settings(mut self, change: impl FnOnce(Settings) -> Settings) -> Self {
        self.spec = self.spec.with_settings(change);
        self
    }
    /// Whether it can be submitted.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) with every violation, also the members of `T` that a
    /// template cannot express.
    pub fn validate(&self) -> Result<()> {
        self.spec.validate()
    }
    /// The same as a plain spec.
    pub fn into_spec(self) -> StructuredExtraction {
        self.spec
    }
}

impl<T: DeserializeOwned> Extract<T> {
    /// Submits it, waits for its end and reads the result. To store the ticket, to set a deadline or to follow it,
    /// submit it instead. Dropping this does not stop the job.
    ///
    /// # Errors
    /// As submitting and waiting; [`JobFailed`](crate::ErrorKind::JobFailed) if the job failed, and
    /// [`Decode`](crate::ErrorKind::Decode) if its result is no `T`. From the submission on an error carries the ticket.
    pub async fn run(&self, jobs: &Jobs) -> Result<Extracted<T>> {
        jobs.submit(self).await?.wait().await?.into_result()?.extraction()
    }
}

impl<T> From<Extract<T>> for Spec {
    fn from(extract: Extract<T>) -> Self {
        extract.spec.into()
    }
}
impl<T> From<&Extract<T>> for Spec {
    fn from(extract: &Extract<T>) -> Self {
        (&extract.spec).into()
    }
}
impl<T> Clone for Extract<T> {
    fn clone(&self) -> Self {
        Self { spec: self.spec.clone(), of: PhantomData }
    }
}
impl<T> fmt::Debug for Extract<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Extract").field(&self.spec).finish()
    }
}
