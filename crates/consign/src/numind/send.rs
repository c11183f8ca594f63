//! Submissions: which request a spec becomes.
use std::sync::atomic::Ordering;

use consign_core::{Cx, Delivery, ErrorKind};
use consign_http::{Error, Reply};
use consign_numind::v0_4::types::{
    CreateOrUpdateStructuredExampleRequest, ExtractionExample, ExtractionSettings, JobIdResponse, Setting,
    StructuredExtractionRequest, TemplateRequest, TextRequest,
};
use consign_numind::{file_form, v0_4};

use super::specs::By;
use super::temporary::Temporary;
use super::{ContentExtraction, Input, NuMind, Spec, StructuredExtraction, Template, TemplateGeneration, Upload};

/// What to do when the answer to a submission names no job.
const LOST: &str = "the job may exist: look through the list of jobs before submitting it again";

impl NuMind {
    /// Submits; gives the job's id, and the id of the project that was made for it.
    pub(super) async fn send(&self, spec: &Spec, cx: &Cx) -> Result<(String, Option<String>), Error> {
        let sent = match spec {
            Spec::StructuredExtraction(spec) => match &spec.by {
                By::Project(id) => self.extract_in(id, spec, cx).await,
                By::Template(template) => return self.extract_by(template, spec, cx).await,
            },
            Spec::ContentExtraction(spec) => self.extract_content(spec, cx).await,
            Spec::TemplateGeneration(spec) => self.generate_template(spec, cx).await,
        };
        Ok((job_id(sent)?, None))
    }

    /// By a template that comes along: without a project, or in a temporary one.
    async fn extract_by(
        &self,
        template: &Template,
        spec: &StructuredExtraction,
        cx: &Cx,
    ) -> Result<(String, Option<String>), Error> {
        let documents = [&spec.input].into_iter().chain(spec.examples.iter().map(|example| &example.input));
        let by_id = documents.into_iter().any(|input| matches!(input, Input::Document(_)));
        if !by_id && !self.needs_projects.load(Ordering::Relaxed) {
            match self.extract_at_once(template, spec, cx).await {
                Err(error) if matches!(error.status(), Some(404 | 405)) => {
                    self.needs_projects.store(true, Ordering::Relaxed);
                }
                sent => return Ok((job_id(sent)?, None)),
            }
        }
        let project = Temporary::create(self, spec, template, cx).await.map_err(no_job)?;
        let sent = match self.give_examples(project.id(), spec, cx).await {
            Ok(()) => job_id(self.extract_in(project.id(), spec, cx).await),
            Err(error) => Err(no_job(error)),
        };
        match sent {
            Ok(id) => Ok((id, Some(project.keep()))),
            Err(error) => {
                project.remove().await;
                Err(error)
            }
        }
    }
    /// By a template that comes along, in one request.
    async fn extract_at_once(
        &self,
        template: &Template,
        spec: &StructuredExtraction,
        cx: &Cx,
    ) -> Result<Reply<JobIdResponse>, Error> {
        let mut request = StructuredExtractionRequest::new(template.json().clone());
        request.instructions.clone_from(&spec.instructions);
        let wire = spec.settings.wire(self.api);
        let mut settings = ExtractionSettings::new();
        settings.temperature = wire.temperature;
        settings.rasterization_dpi = wire.rasterization_dpi.map(Setting::from);
        settings.max_output_tokens = wire.max_output_tokens.map(Setting::from);
        settings.max_example_token_number = wire.max_example_token_number;
        settings.max_example_number = wire.max_example_number.map(Setting::from);
        settings.min_example_similarity = wire.min_example_similarity;
        settings.enable_thinking = wire.enable_thinking;
        settings.thinking_token_budget = wire.thinking_token_budget.map(Setting::from);
        settings.loop_detection = wire.loop_detection;
        settings.random_seed = wire.random_seed.map(Setting::from);
        settings.image_width = wire.image_width.map(Setting::from);
        request.settings = (settings != ExtractionSettings::new()).then_some(settings);
        let mut files = Vec::new();
        for (n, example) in spec.examples.iter().enumerate() {
            files.extend(example.input.part(&format!("example-{}", n + 1))?);
        }
        let results = spec.examples.iter().map(|example| ExtractionExample::new(example.result.clone()));
        request.examples = Some(results.collect::<Vec<_>>()).filter(|examples| !examples.is_empty());
        let document = spec.input.part("document")?;
        let document = document.ok_or_else(|| Error::invalid_member("input", "", "a text or a file"))?;
        let mut options = v0_4::PostApiStructuredExtractionJobsOptions::default().call(cx.call());
        options.timeout = wire.timeout;
        self.client.post_api_structured_extraction_jobs(request.form(document, files)?, options).await
    }
    /// By the template of a project.
    async fn extract_in(
        &self,
        project: &str,
        spec: &StructuredExtraction,
        cx: &Cx,
    ) -> Result<Reply<JobIdResponse>, Error> {
        let wire = spec.settings.wire(self.api);
        match &spec.input {
            Input::Text(text) => {
                let mut o =
                    v0_4::PostApiStructuredExtractionStructuredprojectidJobsTextOptions::default().call(cx.call());
                o.temperature = wire.temperature;
                o.max_output_tokens = wire.max_output_tokens;
                o.max_example_token_number = wire.max_example_token_number;
                o.max_example_number = wire.max_example_number;
                o.min_example_similarity = wire.min_example_similarity;
                o.enable_thinking = wire.enable_thinking;
                o.thinking_token_budget = wire.thinking_token_budget;
                o.loop_detection = wire.loop_detection;
                o.random_seed = wire.random_seed;
                o.image_width = wire.image_width;
                o.timeout = wire.timeout;
                let body = TextRequest::new(text.as_str());
                self.client.post_api_structured_extraction_structuredprojectid_jobs_text(project, &body, o).await
            }
            Input::Document(document) => {
                let mut o =
                    v0_4::PostApiStructuredExtractionStructuredprojectidJobsDocumentDocumentidOptions::default()
                        .call(cx.call());
                o.temperature = wire.temperature;
                o.max_output_tokens = wire.max_output_tokens;
                o.max_example_token_number = wire.max_example_token_number;
                o.max_example_number = wire.max_example_number;
                o.min_example_similarity = wire.min_example_similarity;
                o.enable_thinking = wire.enable_thinking;
                o.thinking_token_budget = wire.thinking_token_budget;
                o.loop_detection = wire.loop_detection;
                o.random_seed = wire.random_seed;
                o.image_width = wire.image_width;
                o.timeout = wire.timeout;
                let sent = self
                    .client
                    .post_api_structured_extraction_structuredprojectid_jobs_document_documentid(project, document, o);
                sent.await
            }
            Input::File(file) => {
                let mut o = v0_4::PostApiStructuredExtractionStructuredprojectidJobsOptions::default().call(cx.call());
                o.temperature = wire.temperature;
                o.dpi = wire.rasterization_dpi;
                o.max_output_tokens = wire.max_output_tokens;
                o.max_example_token_number = wire.max_example_token_number;
                o.max_example_number = wire.max_example_number;
                o.min_example_similarity = wire.min_example_similarity;
                o.enable_thinking = wire.enable_thinking;
                o.thinking_token_budget = wire.thinking_token_budget;
                o.loop_detection = wire.loop_detection;
                o.random_seed = wire.random_seed;
                o.image_width = wire.image_width;
                o.timeout = wire.timeout;
                match (self.upload(), spec.input.part("file")?) {
                    (Upload::Form, Some(part)) => self.client.submit_file(project, part, o).await,
                    _ => {
                        let bytes = file.bytes().clone();
                        self.client.post_api_structured_extraction_structuredprojectid_jobs(project, bytes, o).await
                    }
                }
            }
        }
    }
    /// Puts the examples into a temporary project, as documents.
    async fn give_examples(&self, project: &str, spec: &StructuredExtraction, cx: &Cx) -> Result<(), Error> {
        for example in &spec.examples {
            let document = match &example.input {
                Input::Text(text) => self.document_of_text(text, cx).await?,
                Input::File(file) => {
                    let file = self.put(file, cx).await?;
                    self.convert(&file, spec.settings.resolution(), cx).await?
                }
                Input::Document(id) => id.clone(),
            };
            let body = CreateOrUpdateStructuredExampleRequest::new(document, example.result.clone());
            let o = v0_4::PostApiStructuredExtractionStructuredprojectidExamplesOptions::default().call(cx.call());
            self.client.post_api_structured_extraction_structuredprojectid_examples(project, &body, o).await?;
        }
        Ok(())
    }

    async fn extract_content(&self, spec: &ContentExtraction, cx: &Cx) -> Result<Reply<JobIdResponse>, Error> {
        let wire = spec.settings.wire(self.api);
        if let Some(file) = spec.input.part("file")? {
            let mut o = v0_4::PostApiContentExtractionJobsOptions::default().call(cx.call());
            o.project_id.clone_from(&spec.project);
            o.temperature = wire.temperature;
            o.rasterization_dpi = wire.rasterization_dpi;
            o.max_output_tokens = wire.max_output_tokens;
            o.enable_thinking = wire.enable_thinking;
            o.thinking_token_budget = wire.thinking_token_budget;
            o.loop_detection = wire.loop_detection;
            o.random_seed = wire.random_seed;
            o.image_width = wire.image_width;
            o.timeout = wire.timeout;
            return self.client.post_api_content_extraction_jobs(file_form(file), o).await;
        }
        let (Input::Document(document), Some(project)) = (&spec.input, &spec.project) else {
            return Err(Error::invalid_member("project", "", "the id of a content project, which a document needs"));
        };
        let mut o =
            v0_4::PostApiContentExtractionContentprojectidJobsDocumentDocumentidOptions::default().call(cx.call());
        o.timeout = wire.timeout;
        self.client.post_api_content_extraction_contentprojectid_jobs_document_documentid(project, document, o).await
    }

    async fn generate_template(&self, spec: &TemplateGeneration, cx: &Cx) -> Result<Reply<JobIdResponse>, Error> {
        let wire = spec.settings.wire(self.api);
        match &spec.from {
            Input::Text(description) => {
                let mut o = v0_4::PostApiTemplateGenerationJobsTextOptions::default().call(cx.call());
                o.enable_thinking = wire.enable_thinking;
                o.thinking_token_budget = wire.thinking_token_budget;
                o.loop_detection = wire.loop_detection;
                o.image_width = wire.image_width;
                o.timeout = wire.timeout;
                let body = TemplateRequest::new(description.as_str());
                self.client.post_api_template_generation_jobs_text(&body, o).await
            }
            Input::File(file) => {
                let mut o = v0_4::PostApiTemplateGenerationJobsOptions::default().call(cx.call());
                o.rasterization_dpi = wire.rasterization_dpi;
                o.enable_thinking = wire.enable_thinking;
                o.thinking_token_budget = wire.thinking_token_budget;
                o.loop_detection = wire.loop_detection;
                o.image_width = wire.image_width;
                o.timeout = wire.timeout;
                self.client.post_api_template_generation_jobs(file.bytes().clone(), o).await
            }
            Input::Document(id) => {
                let mut o = v0_4::PostApiTemplateGenerationJobsDocumentDocumentidOptions::default().call(cx.call());
                o.enable_thinking = wire.enable_thinking;
                o.thinking_token_budget = wire.thinking_token_budget;
                o.loop_detection = wire.loop_detection;
                o.image_width = wire.image_width;
                o.timeout = wire.timeout;
                self.client.post_api_template_generation_jobs_document_documentid(id, o).await
            }
        }
    }
}

/// The job that an answer names. Without one nobody can tell what the server did.
fn job_id(sent: Result<Reply<JobIdResponse>, Error>) -> Result<String, Error> {
    let lost = match sent {
        Ok(reply) => match &reply.value.job_id {
            Some(id) => return Ok(id.to_string()),
            None => reply.unusable("the service accepted it, but its answer names no job"),
        },
        Err(error) if error.kind() == ErrorKind::Decode && error.status().is_some() => error,
        Err(error) => return Err(error),
    };
    Err(lost.with_advice(LOST))
}

/// The same error of a step before the submission: whatever became of it, no job did.
fn no_job(error: Error) -> Error {
    match error.delivery() {
        Delivery::NotSent => error,
        _ => error.on_read().with_delivery(Delivery::Rejected),
    }
}
