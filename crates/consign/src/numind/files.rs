//! Files, documents, projects, and what is known of ended jobs: single calls, for the shortest way.
use consign_core::{Cx, Result, Ticket};
use consign_http::{Error, Reply};
use consign_numind::v0_4::types::{
    ConvertRequest, DocumentInfo, DocumentResponse, JobReportResponse, Setting, TextRequest, TokenBudget,
};
use consign_numind::{v0_2, v0_4};
use serde::de::DeserializeOwned;

use super::provider::place;
use super::{Api, Content, Dpi, Extracted, File, GeneratedTemplate, NuMind, Template};

/// The resolution that the service takes where it is told none, in dots an inch.
const USUAL_DPI: u32 = 170;

impl NuMind {
    /// Uploads a file; gives its id. The service keeps it for two weeks, unless an example uses it.
    ///
    /// # Errors
    /// As any call. Not repeated: a repeat makes another file.
    pub async fn upload_file(&self, file: &File) -> Result<String> {
        Ok(self.put(file, &Cx::default()).await?)
    }
    /// Makes a document of an uploaded file, whose pages are drawn at this resolution; gives its id.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for a resolution that the server's version does not
    /// take, see [`Settings::rasterization_dpi`](super::Settings::rasterization_dpi); otherwise as any call. Not repeated: a repeat makes another document.
    pub async fn convert_file(&self, file_id: &str, dpi: impl Into<Dpi>) -> Result<String> {
        Ok(self.convert(file_id, Some(dpi.into()), &Cx::default()).await?)
    }
    /// Makes a document of a text; gives its id.
    ///
    /// # Errors
    /// As any call. Not repeated: a repeat makes another document.
    pub async fn create_document(&self, text: &str) -> Result<String> {
        Ok(self.document_of_text(text, &Cx::default()).await?)
    }
    /// Creates an extraction project; gives its id. Settings and examples are set with the low-level client.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for a template that says nothing; otherwise as any
    /// call. Not repeated: a repeat makes another project.
    pub async fn create_project(&self, name: &str, description: &str, template: impl Into<Template>) -> Result<String> {
        let template = template.into();
        template.validate()?;
        Ok(self.create(name, description, &template, "", &Cx::default()).await?)
    }
    /// Deletes an extraction project with its examples. One that is gone already counts as deleted.
    ///
    /// # Errors
    /// As any call. Not repeated.
    pub async fn delete_project(&self, id: &str) -> Result<()> {
        Ok(self.delete(id).await?)
    }

    /// Reads the result of an extraction that has ended: one read by itself, which also tells whether the service had to
    /// repair the value.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) before the job's end,
    /// [`ErrorKind::InsufficientCredit`](crate::ErrorKind::InsufficientCredit) if it failed because a quota was used up,
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if the result is no `T`; otherwise as any call. Not repeated.
    pub async fn read_extraction<T: DeserializeOwned>(&self, ticket: &Ticket) -> Result<Extracted<T>> {
        let o = v0_4::GetApiStructuredExtractionJobsStructuredextractionjobidOptions::default();
        let id = place(ticket)?.id;
        let read = self.client.get_api_structured_extraction_jobs_structuredextractionjobid(&id, o).await;
        Extracted::of_reply(about(read, ticket)?).map_err(|e| e.with_ticket(ticket))
    }
    /// Reads the Markdown of a content extraction that has ended.
    ///
    /// # Errors
    /// As [`NuMind::read_extraction`].
    pub async fn read_content(&self, ticket: &Ticket) -> Result<Content> {
        let o = v0_4::GetApiContentExtractionJobsContentextractionjobidOptions::default();
        let read = self.client.get_api_content_extraction_jobs_contentextractionjobid(&place(ticket)?.id, o).await;
        about(read, ticket).map(Content::of_reply)
    }
    /// Reads the template of a template generation that has ended.
    ///
    /// # Errors
    /// As [`NuMind::read_extraction`].
    pub async fn read_template(&self, ticket: &Ticket) -> Result<GeneratedTemplate> {
        let o = v0_4::GetApiTemplateGenerationJobsTemplatejobidOptions::default();
        let read = self.client.get_api_template_generation_jobs_templatejobid(&place(ticket)?.id, o).await;
        about(read, ticket).map(GeneratedTemplate::of_reply)
    }
    /// What the service had to repair in what the model wrote; empty if nothing, or while the job goes on. Since version
    /// 0.4.
    ///
    /// # Errors
    /// As any call. Not repeated.
    pub async fn reports(&self, ticket: &Ticket) -> Result<Vec<JobReportResponse>> {
        let o = v0_4::GetApiJobsJobidReportsOptions::default();
        let read = self.client.get_api_jobs_jobid_reports(&place(ticket)?.id, o).await;
        about(read, ticket).map(Reply::into_value)
    }

    pub(super) async fn put(&self, file: &File, cx: &Cx) -> Result<String, Error> {
        let options = v0_4::PostApiFilesOptions::default().call(cx.call());
        let reply = self.client.post_api_files(&file.wire_name("file"), file.bytes().clone(), options).await?;
        let id = reply.value.file_id.clone().filter(|id| !id.trim().is_empty());
        id.ok_or_else(|| reply.unusable("the uploaded file has no id"))
    }
    pub(super) async fn document_of_text(&self, text: &str, cx: &Cx) -> Result<String, Error> {
        let options = v0_4::PostApiDocumentsTextOptions::default().call(cx.call());
        let reply = self.client.post_api_documents_text(&TextRequest::new(text), options).await?;
        document_id(&reply)
    }
    pub(super) async fn convert(&self, file_id: &str, dpi: Option<Dpi>, cx: &Cx) -> Result<String, Error> {
        let dpi = dpi.unwrap_or(Dpi::At(USUAL_DPI));
        let (most, allowed) = if self.api == Api::V0_2 { (300, "1..=300") } else { (600, "1..=600") };
        if let Dpi::At(dpi) = dpi
            && !(1..=most).contains(&dpi)
        {
            return Err(Error::invalid_member("rasterizationDPI", dpi, allowed));
        }
        if self.api == Api::V0_2 {
            let Dpi::At(dpi) = dpi else {
                return Err(Error::invalid_member("rasterizationDPI", "automatic", allowed));
            };
            let body = v0_2::types::ConvertRequest::new(i32::try_from(dpi).unwrap_or(i32::MAX));
            let options = v0_2::PostApiFilesFileidConvertToDocumentOptions::default().call(cx.call());
            let reply = self.old.post_api_files_fileid_convert_to_document(file_id, &body, options).await?;
            let id = match &reply.value.doc_info {
                Some(v0_2::types::DocumentInfo::Image(info)) => info.document_id.clone(),
                Some(v0_2::types::DocumentInfo::Text(info)) => info.document_id.clone(),
                _ => None,
            };
            return id.ok_or_else(|| reply.unusable("the new document has no id"));
        }
        let dpi = match dpi {
            Dpi::Automatic => Setting::from("automatic"),
            Dpi::At(dpi) => Setting::from(i64::from(dpi)),
        };
        let body = ConvertRequest::new(dpi, TokenBudget::AllPages);
        let options = v0_4::PostApiFilesFileidConvertToDocumentOptions::default().call(cx.call());
        document_id(&self.client.post_api_files_fileid_convert_to_document(file_id, &body, options).await?)
    }
}

fn about<T>(read: Result<Reply<T>, Error>, ticket: &Ticket) -> Result<Reply<T>> {
    read.map_err(|error| consign_core::Error::from(error).with_ticket(ticket))
}

fn document_id(reply: &Reply<DocumentResponse>) -> Result<String, Error> {
    let id = match &reply.value.doc_info {
        Some(DocumentInfo::Image(info)) => info.document_id.clone(),
        Some(DocumentInfo::Text(info)) => info.document_id.clone(),
        _ => None,
    };
    id.ok_or_else(|| reply.unusable("the new document has no id"))
}
