//! How the methods of NuMind 0.2.0 are called, for the vector runner.
use consign_numind::v0_2 as api;
use consign_numind::v0_2::{Client, types};

use crate::arguments::Arguments;
use crate::line::Body;
use crate::numind::{collected, file, form, json, members, path, raw, token, whole};
use crate::run::Called;

/// Calls the method with this `operationId`.
pub async fn call(client: &Client, id: &str, mut a: Arguments) -> Result<Called, String> {
    Ok(match id {
        "get_api_jobs" => {
            let mut o = api::GetApiJobsOptions::default();
            o.organization = a.one("organization")?;
            o.skip = a.one("skip")?;
            o.per_page = a.one("perPage")?;
            a.finish()?;
            Called::new(vec![], client.get_api_jobs(o).await)
        }
        "get_api_jobs_jobid" => {
            a.finish()?;
            Called::new(vec![], client.get_api_jobs_jobid(&path(&a, 0)?, api::GetApiJobsJobidOptions::default()).await)
        }
        "get_api_jobs_jobid_status" => {
            a.finish()?;
            Called::new(
                vec![],
                client.get_api_jobs_jobid_status(&path(&a, 0)?, api::GetApiJobsJobidStatusOptions::default()).await,
            )
        }
        "get_api_jobs_jobid_stream" => {
            a.finish()?;
            collected(
                client.get_api_jobs_jobid_stream(&path(&a, 0)?, api::GetApiJobsJobidStreamOptions::default()).await,
            )
            .await
        }
        "post_api_structured_extraction_structuredextractionprojectid_jobs" => {
            let mut o = api::PostApiStructuredExtractionStructuredextractionprojectidJobsOptions::default();
            o.temperature = a.one("temperature")?;
            o.dpi = a.one("dpi")?;
            o.max_output_tokens = a.one("maxOutputTokens")?;
            o.max_example_token_number = a.one("maxExampleTokenNumber")?;
            o.max_example_number = a.one("maxExampleNumber")?;
            o.min_example_similarity = a.one("minExampleSimilarity")?;
            o.timeout = a.one("timeout")?;
            if let Body::Parts(_) = a.body {
                let file = file(&mut a)?;
                a.finish()?;
                return Ok(Called::new(vec![], client.submit_file(&path(&a, 0)?, file, o).await));
            }
            let body = raw(&mut a)?;
            a.finish()?;
            Called::new(
                vec![],
                client.post_api_structured_extraction_structuredextractionprojectid_jobs(&path(&a, 0)?, body, o).await,
            )
        }
        "post_api_structured_extraction_structuredextractionprojectid_jobs_text" => {
            let mut o = api::PostApiStructuredExtractionStructuredextractionprojectidJobsTextOptions::default();
            o.temperature = a.one("temperature")?;
            o.max_output_tokens = a.one("maxOutputTokens")?;
            o.max_example_token_number = a.one("maxExampleTokenNumber")?;
            o.max_example_number = a.one("maxExampleNumber")?;
            o.min_example_similarity = a.one("minExampleSimilarity")?;
            o.timeout = a.one("timeout")?;
            let body: types::TextRequest = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client
                    .post_api_structured_extraction_structuredextractionprojectid_jobs_text(&path(&a, 0)?, &body, o)
                    .await,
            )
        }
        "post_api_structured_extraction_structuredextractionprojectid_jobs_document_documentid" => {
            let mut o =
                api::PostApiStructuredExtractionStructuredextractionprojectidJobsDocumentDocumentidOptions::default();
            o.temperature = a.one("temperature")?;
            o.max_output_tokens = a.one("maxOutputTokens")?;
            o.max_example_token_number = a.one("maxExampleTokenNumber")?;
            o.max_example_number = a.one("maxExampleNumber")?;
            o.min_example_similarity = a.one("minExampleSimilarity")?;
            o.timeout = a.one("timeout")?;
            a.finish()?;
            Called::new(
                vec![],
                client
                    .post_api_structured_extraction_structuredextractionprojectid_jobs_document_documentid(
                        &path(&a, 0)?,
                        &path(&a, 1)?,
                        o,
                    )
                    .await,
            )
        }
        "get_api_structured_extraction_jobs_structuredextractionjobid" => {
            a.finish()?;
            Called::new(
                vec![],
                client
                    .get_api_structured_extraction_jobs_structuredextractionjobid(
                        &path(&a, 0)?,
                        api::GetApiStructuredExtractionJobsStructuredextractionjobidOptions::default(),
                    )
                    .await,
            )
        }
        "post_api_template_generation_jobs" => {
            let mut o = api::PostApiTemplateGenerationJobsOptions::default();
            o.rasterization_dpi = a.one("rasterizationDPI")?;
            o.timeout = a.one("timeout")?;
            let body = raw(&mut a)?;
            a.finish()?;
            Called::new(vec![], client.post_api_template_generation_jobs(body, o).await)
        }
        "post_api_template_generation_jobs_text" => {
            let mut o = api::PostApiTemplateGenerationJobsTextOptions::default();
            o.timeout = a.one("timeout")?;
            let body: types::TemplateRequest = json(&mut a)?;
            a.finish()?;
            Called::new(members(&body.extra), client.post_api_template_generation_jobs_text(&body, o).await)
        }
        "post_api_template_generation_jobs_document_documentid" => {
            let mut o = api::PostApiTemplateGenerationJobsDocumentDocumentidOptions::default();
            o.timeout = a.one("timeout")?;
            a.finish()?;
            Called::new(vec![], client.post_api_template_generation_jobs_document_documentid(&path(&a, 0)?, o).await)
        }
        "get_api_template_generation_jobs_templatejobid" => {
            a.finish()?;
            Called::new(
                vec![],
                client
                    .get_api_template_generation_jobs_templatejobid(
                        &path(&a, 0)?,
                        api::GetApiTemplateGenerationJobsTemplatejobidOptions::default(),
                    )
                    .await,
            )
        }
        "post_api_content_extraction_jobs" => {
            let mut o = api::PostApiContentExtractionJobsOptions::default();
            o.temperature = a.one("temperature")?;
            o.rasterization_dpi = a.one("rasterizationDPI")?;
            o.max_output_tokens = a.one("maxOutputTokens")?;
            o.timeout = a.one("timeout")?;
            let form = form(&mut a)?;
            a.finish()?;
            Called::new(vec![], client.post_api_content_extraction_jobs(form, o).await)
        }
        "post_api_content_extraction_contentextractionprojectid_jobs_document_documentid" => {
            let mut o = api::PostApiContentExtractionContentextractionprojectidJobsDocumentDocumentidOptions::default();
            o.timeout = a.one("timeout")?;
            a.finish()?;
            Called::new(
                vec![],
                client
                    .post_api_content_extraction_contentextractionprojectid_jobs_document_documentid(
                        &path(&a, 0)?,
                        &path(&a, 1)?,
                        o,
                    )
                    .await,
            )
        }
        "get_api_content_extraction_jobs_contentextractionjobid" => {
            a.finish()?;
            Called::new(
                vec![],
                client
                    .get_api_content_extraction_jobs_contentextractionjobid(
                        &path(&a, 0)?,
                        api::GetApiContentExtractionJobsContentextractionjobidOptions::default(),
                    )
                    .await,
            )
        }
        "post_api_structured_extraction" => {
            let body: types::CreateProjectRequest = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client.post_api_structured_extraction(&body, api::PostApiStructuredExtractionOptions::default()).await,
            )
        }
        "get_api_structured_extraction" => {
            let mut o = api::GetApiStructuredExtractionOptions::default();
            o.organization_id = a.one("organizationId")?;
            o.reference = a.flag("reference")?;
            a.finish()?;
            Called::new(vec![], client.get_api_structured_extraction(o).await)
        }
        "get_api_structured_extraction_structuredextractionprojectid" => {
            a.finish()?;
            Called::new(
                vec![],
                client
                    .get_api_structured_extraction_structuredextractionprojectid(
                        &path(&a, 0)?,
                        api::GetApiStructuredExtractionStructuredextractionprojectidOptions::default(),
                    )
                    .await,
            )
        }
        "patch_api_structured_extraction_structuredextractionprojectid" => {
            let body: types::UpdateProjectRequest = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client
                    .patch_api_structured_extraction_structuredextractionprojectid(
                        &path(&a, 0)?,
                        &body,
                        api::PatchApiStructuredExtractionStructuredextractionprojectidOptions::default(),
                    )
                    .await,
            )
        }
        "delete_api_structured_extraction_structuredextractionprojectid" => {
            a.finish()?;
            Called::new(
                vec![],
                client
                    .delete_api_structured_extraction_structuredextractionprojectid(
                        &path(&a, 0)?,
                        api::DeleteApiStructuredExtractionStructuredextractionprojectidOptions::default(),
                    )
                    .await,
            )
        }
        "patch_api_structured_extraction_structuredextractionprojectid_settings" => {
            let body: types::UpdateProjectSettingsRequest = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client
                    .patch_api_structured_extraction_structuredextractionprojectid_settings(
                        &path(&a, 0)?,
                        &body,
                        api::PatchApiStructuredExtractionStructuredextractionprojectidSettingsOptions::default(),
                    )
                    .await,
            )
        }
        "post_api_structured_extraction_structuredextractionprojectid_reset_settings" => {
            a.finish()?;
            Called::new(
                vec![],
                client
                    .post_api_structured_extraction_structuredextractionprojectid_reset_settings(
                        &path(&a, 0)?,
                        api::PostApiStructuredExtractionStructuredextractionprojectidResetSettingsOptions::default(),
                    )
                    .await,
            )
        }
        "get_api_structured_extraction_structuredextractionprojectid_examples" => {
            let mut o = api::GetApiStructuredExtractionStructuredextractionprojectidExamplesOptions::default();
            o.skip = a.one("skip")?;
            o.per_page = a.one("perPage")?;
            a.finish()?;
            Called::new(
                vec![],
                client.get_api_structured_extraction_structuredextractionprojectid_examples(&path(&a, 0)?, o).await,
            )
        }
        "post_api_structured_extraction_structuredextractionprojectid_examples" => {
            let body: types::CreateOrUpdateExampleRequest = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client
                    .post_api_structured_extraction_structuredextractionprojectid_examples(
                        &path(&a, 0)?,
                        &body,
                        api::PostApiStructuredExtractionStructuredextractionprojectidExamplesOptions::default(),
                    )
                    .await,
            )
        }
        "get_api_structured_extraction_structuredextractionprojectid_examples_structuredextractionexampleid" => {
            a.finish()?;
            Called::new(vec![], client.get_api_structured_extraction_structuredextractionprojectid_examples_structuredextractionexampleid(&path(&a, 0)?, &path(&a, 1)?, api::GetApiStructuredExtractionStructuredextractionprojectidExamplesStructuredextractionexampleidOptions::default()).await)
        }
        "put_api_structured_extraction_structuredextractionprojectid_examples_structuredextractionexampleid" => {
            let body: types::CreateOrUpdateExampleRequest = json(&mut a)?;
            a.finish()?;
            Called::new(members(&body.extra), client.put_api_structured_extraction_structuredextractionprojectid_examples_structuredextractionexampleid(&path(&a, 0)?, &path(&a, 1)?, &body, api::PutApiStructuredExtractionStructuredextractionprojectidExamplesStructuredextractionexampleidOptions::default()).await)
        }
        "delete_api_structured_extraction_structuredextractionprojectid_examples_structuredextractionexampleid" => {
            a.finish()?;
            Called::new(vec![], client.delete_api_structured_extraction_structuredextractionprojectid_examples_structuredextractionexampleid(&path(&a, 0)?, &path(&a, 1)?, api::DeleteApiStructuredExtractionStructuredextractionprojectidExamplesStructuredextractionexampleidOptions::default()).await)
        }
        "post_api_files" => {
            let x_file_name = a.header("x-file-name").ok_or("the header x-file-name is missing")?;
            let mut o = api::PostApiFilesOptions::default();
            o.x_organization = a.header("x-organization");
            let body = raw(&mut a)?;
            a.finish()?;
            Called::new(vec![], client.post_api_files(&x_file_name, body, o).await)
        }
        "get_api_files_fileid" => {
            a.finish()?;
            Called::new(
                vec![],
                client.get_api_files_fileid(&path(&a, 0)?, api::GetApiFilesFileidOptions::default()).await,
            )
        }
        "get_api_files_fileid_content" => {
            a.finish()?;
            collected(
                client
                    .get_api_files_fileid_content(&path(&a, 0)?, api::GetApiFilesFileidContentOptions::default())
                    .await,
            )
            .await
        }
        "post_api_files_fileid_convert_to_document" => {
            let body: types::ConvertRequest = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client
                    .post_api_files_fileid_convert_to_document(
                        &path(&a, 0)?,
                        &body,
                        api::PostApiFilesFileidConvertToDocumentOptions::default(),
                    )
                    .await,
            )
        }
        "post_api_documents_text" => {
            let mut o = api::PostApiDocumentsTextOptions::default();
            o.x_organization = a.header("x-organization");
            let body: types::TextRequest = json(&mut a)?;
            a.finish()?;
            Called::new(members(&body.extra), client.post_api_documents_text(&body, o).await)
        }
        "get_api_documents_documentid" => {
            a.finish()?;
            Called::new(
                vec![],
                client
                    .get_api_documents_documentid(&path(&a, 0)?, api::GetApiDocumentsDocumentidOptions::default())
                    .await,
            )
        }
        "get_api_documents_documentid_content" => {
            a.finish()?;
            collected(
                client
                    .get_api_documents_documentid_content(
                        &path(&a, 0)?,
                        api::GetApiDocumentsDocumentidContentOptions::default(),
                    )
                    .await,
            )
            .await
        }
        "get_api_ping" => {
            a.finish()?;
            whole(client.get_api_ping(api::GetApiPingOptions::default()).await)
        }
        "get_api_health" => {
            a.finish()?;
            Called::new(vec![], client.get_api_health(api::GetApiHealthOptions::default()).await)
        }
        "get_api_version" => {
            a.finish()?;
            Called::new(vec![], client.get_api_version(api::GetApiVersionOptions::default()).await)
        }
        "get_api_inference_status" => {
            a.finish()?;
            Called::new(vec![], client.get_api_inference_status(api::GetApiInferenceStatusOptions::default()).await)
        }
        "get_api_auth" => {
            let redirect_uri = a.required("redirectUri")?;
            a.finish()?;
            whole(client.get_api_auth(&redirect_uri, api::GetApiAuthOptions::default()).await)
        }
        "post_api_auth_token" => {
            let body: types::TokenRequest = json(&mut a)?;
            a.finish()?;
            Called::new(token(&body), client.post_api_auth_token(&body, api::PostApiAuthTokenOptions::default()).await)
        }
        "get_api_auth_api_keys" => {
            a.finish()?;
            Called::new(vec![], client.get_api_auth_api_keys(api::GetApiAuthApiKeysOptions::default()).await)
        }
        "post_api_auth_api_keys" => {
            let body: types::CreateApiKey = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client.post_api_auth_api_keys(&body, api::PostApiAuthApiKeysOptions::default()).await,
            )
        }
        "put_api_auth_api_keys_apikeyid" => {
            let body: types::UpdateApiKey = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client
                    .put_api_auth_api_keys_apikeyid(
                        &path(&a, 0)?,
                        &body,
                        api::PutApiAuthApiKeysApikeyidOptions::default(),
                    )
                    .await,
            )
        }
        "delete_api_auth_api_keys_apikeyid" => {
            a.finish()?;
            Called::new(
                vec![],
                client
                    .delete_api_auth_api_keys_apikeyid(
                        &path(&a, 0)?,
                        api::DeleteApiAuthApiKeysApikeyidOptions::default(),
                    )
                    .await,
            )
        }
        other => return Err(format!("the runner cannot call {other}")),
    })
}
