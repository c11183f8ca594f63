//! How the methods of NuMind 0.4.2 are called, for the vector runner.
use consign_numind::v0_4 as api;
use consign_numind::v0_4::{Client, types};

use crate::arguments::Arguments;
use crate::line::Body;
use crate::numind::{collected, file, form, json, members, path, raw, whole};
use crate::run::Called;

/// Calls the method with this `operationId`.
pub async fn call(client: &Client, id: &str, mut a: Arguments) -> Result<Called, String> {
    Ok(match id {
        "get_api_jobs" => {
            let mut o = api::GetApiJobsOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            o.organization = a.one("organization")?;
            o.skip = a.one("skip")?;
            o.per_page = a.one("perPage")?;
            a.finish()?;
            Called::new(vec![], client.get_api_jobs(o).await)
        }
        "get_api_jobs_jobid_status" => {
            let mut o = api::GetApiJobsJobidStatusOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(vec![], client.get_api_jobs_jobid_status(&path(&a, 0)?, o).await)
        }
        "get_api_jobs_jobid_stream" => {
            let mut o = api::GetApiJobsJobidStreamOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            collected(client.get_api_jobs_jobid_stream(&path(&a, 0)?, o).await).await
        }
        "post_api_jobs_jobid_cancel" => {
            let mut o = api::PostApiJobsJobidCancelOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(vec![], client.post_api_jobs_jobid_cancel(&path(&a, 0)?, o).await)
        }
        "get_api_jobs_jobid_reports" => {
            let mut o = api::GetApiJobsJobidReportsOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(vec![], client.get_api_jobs_jobid_reports(&path(&a, 0)?, o).await)
        }
        "post_api_structured_extraction_jobs" => {
            let mut o = api::PostApiStructuredExtractionJobsOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            o.timeout = a.one("timeout")?;
            let form = form(&mut a)?;
            a.finish()?;
            Called::new(vec![], client.post_api_structured_extraction_jobs(form, o).await)
        }
        "post_api_structured_extraction_structuredprojectid_jobs" => {
            let mut o = api::PostApiStructuredExtractionStructuredprojectidJobsOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            o.dpi = a.one("dpi")?;
            o.temperature = a.one("temperature")?;
            o.max_output_tokens = a.one("maxOutputTokens")?;
            o.max_example_token_number = a.one("maxExampleTokenNumber")?;
            o.max_example_number = a.one("maxExampleNumber")?;
            o.min_example_similarity = a.one("minExampleSimilarity")?;
            o.enable_thinking = a.flag("enableThinking")?;
            o.thinking_token_budget = a.one("thinkingTokenBudget")?;
            o.loop_detection = a.flag("loopDetection")?;
            o.random_seed = a.one("randomSeed")?;
            o.image_width = a.one("imageWidth")?;
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
                client.post_api_structured_extraction_structuredprojectid_jobs(&path(&a, 0)?, body, o).await,
            )
        }
        "post_api_structured_extraction_structuredprojectid_jobs_text" => {
            let mut o = api::PostApiStructuredExtractionStructuredprojectidJobsTextOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            o.temperature = a.one("temperature")?;
            o.max_output_tokens = a.one("maxOutputTokens")?;
            o.max_example_token_number = a.one("maxExampleTokenNumber")?;
            o.max_example_number = a.one("maxExampleNumber")?;
            o.min_example_similarity = a.one("minExampleSimilarity")?;
            o.enable_thinking = a.flag("enableThinking")?;
            o.thinking_token_budget = a.one("thinkingTokenBudget")?;
            o.loop_detection = a.flag("loopDetection")?;
            o.random_seed = a.one("randomSeed")?;
            o.image_width = a.one("imageWidth")?;
            o.timeout = a.one("timeout")?;
            let body: types::TextRequest = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client.post_api_structured_extraction_structuredprojectid_jobs_text(&path(&a, 0)?, &body, o).await,
            )
        }
        "post_api_structured_extraction_structuredprojectid_jobs_document_documentid" => {
            let mut o = api::PostApiStructuredExtractionStructuredprojectidJobsDocumentDocumentidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            o.temperature = a.one("temperature")?;
            o.max_output_tokens = a.one("maxOutputTokens")?;
            o.max_example_token_number = a.one("maxExampleTokenNumber")?;
            o.max_example_number = a.one("maxExampleNumber")?;
            o.min_example_similarity = a.one("minExampleSimilarity")?;
            o.enable_thinking = a.flag("enableThinking")?;
            o.thinking_token_budget = a.one("thinkingTokenBudget")?;
            o.loop_detection = a.flag("loopDetection")?;
            o.random_seed = a.one("randomSeed")?;
            o.image_width = a.one("imageWidth")?;
            o.timeout = a.one("timeout")?;
            a.finish()?;
            Called::new(
                vec![],
                client
                    .post_api_structured_extraction_structuredprojectid_jobs_document_documentid(
                        &path(&a, 0)?,
                        &path(&a, 1)?,
                        o,
                    )
                    .await,
            )
        }
        "get_api_structured_extraction_jobs_structuredextractionjobid" => {
            let mut o = api::GetApiStructuredExtractionJobsStructuredextractionjobidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(
                vec![],
                client.get_api_structured_extraction_jobs_structuredextractionjobid(&path(&a, 0)?, o).await,
            )
        }
        "post_api_template_generation_jobs" => {
            let mut o = api::PostApiTemplateGenerationJobsOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            o.rasterization_dpi = a.one("rasterizationDPI")?;
            o.enable_thinking = a.flag("enableThinking")?;
            o.thinking_token_budget = a.one("thinkingTokenBudget")?;
            o.loop_detection = a.flag("loopDetection")?;
            o.image_width = a.one("imageWidth")?;
            o.timeout = a.one("timeout")?;
            let body = raw(&mut a)?;
            a.finish()?;
            Called::new(vec![], client.post_api_template_generation_jobs(body, o).await)
        }
        "post_api_template_generation_jobs_text" => {
            let mut o = api::PostApiTemplateGenerationJobsTextOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            o.enable_thinking = a.flag("enableThinking")?;
            o.thinking_token_budget = a.one("thinkingTokenBudget")?;
            o.loop_detection = a.flag("loopDetection")?;
            o.image_width = a.one("imageWidth")?;
            o.timeout = a.one("timeout")?;
            let body: types::TemplateRequest = json(&mut a)?;
            a.finish()?;
            Called::new(members(&body.extra), client.post_api_template_generation_jobs_text(&body, o).await)
        }
        "post_api_template_generation_jobs_document_documentid" => {
            let mut o = api::PostApiTemplateGenerationJobsDocumentDocumentidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            o.enable_thinking = a.flag("enableThinking")?;
            o.thinking_token_budget = a.one("thinkingTokenBudget")?;
            o.loop_detection = a.flag("loopDetection")?;
            o.image_width = a.one("imageWidth")?;
            o.timeout = a.one("timeout")?;
            a.finish()?;
            Called::new(vec![], client.post_api_template_generation_jobs_document_documentid(&path(&a, 0)?, o).await)
        }
        "get_api_template_generation_jobs_templatejobid" => {
            let mut o = api::GetApiTemplateGenerationJobsTemplatejobidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(vec![], client.get_api_template_generation_jobs_templatejobid(&path(&a, 0)?, o).await)
        }
        "post_api_content_extraction_jobs" => {
            let mut o = api::PostApiContentExtractionJobsOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            o.project_id = a.one("projectId")?;
            o.temperature = a.one("temperature")?;
            o.rasterization_dpi = a.one("rasterizationDPI")?;
            o.max_output_tokens = a.one("maxOutputTokens")?;
            o.enable_thinking = a.flag("enableThinking")?;
            o.thinking_token_budget = a.one("thinkingTokenBudget")?;
            o.loop_detection = a.flag("loopDetection")?;
            o.random_seed = a.one("randomSeed")?;
            o.image_width = a.one("imageWidth")?;
            o.timeout = a.one("timeout")?;
            let form = form(&mut a)?;
            a.finish()?;
            Called::new(vec![], client.post_api_content_extraction_jobs(form, o).await)
        }
        "post_api_content_extraction_contentprojectid_jobs_document_documentid" => {
            let mut o = api::PostApiContentExtractionContentprojectidJobsDocumentDocumentidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            o.timeout = a.one("timeout")?;
            a.finish()?;
            Called::new(
                vec![],
                client
                    .post_api_content_extraction_contentprojectid_jobs_document_documentid(
                        &path(&a, 0)?,
                        &path(&a, 1)?,
                        o,
                    )
                    .await,
            )
        }
        "get_api_content_extraction_jobs_contentextractionjobid" => {
            let mut o = api::GetApiContentExtractionJobsContentextractionjobidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(vec![], client.get_api_content_extraction_jobs_contentextractionjobid(&path(&a, 0)?, o).await)
        }
        "post_api_structured_extraction" => {
            let mut o = api::PostApiStructuredExtractionOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            let body: types::CreateStructuredProjectRequest = json(&mut a)?;
            a.finish()?;
            Called::new(members(&body.extra), client.post_api_structured_extraction(&body, o).await)
        }
        "get_api_structured_extraction" => {
            let mut o = api::GetApiStructuredExtractionOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(vec![], client.get_api_structured_extraction(o).await)
        }
        "get_api_structured_extraction_structuredprojectid" => {
            let mut o = api::GetApiStructuredExtractionStructuredprojectidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(vec![], client.get_api_structured_extraction_structuredprojectid(&path(&a, 0)?, o).await)
        }
        "patch_api_structured_extraction_structuredprojectid" => {
            let mut o = api::PatchApiStructuredExtractionStructuredprojectidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            let body: types::UpdateStructuredProjectRequest = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client.patch_api_structured_extraction_structuredprojectid(&path(&a, 0)?, &body, o).await,
            )
        }
        "delete_api_structured_extraction_structuredprojectid" => {
            let mut o = api::DeleteApiStructuredExtractionStructuredprojectidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(vec![], client.delete_api_structured_extraction_structuredprojectid(&path(&a, 0)?, o).await)
        }
        "patch_api_structured_extraction_structuredprojectid_settings" => {
            let mut o = api::PatchApiStructuredExtractionStructuredprojectidSettingsOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            let body: types::StructuredSettingsPatch = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client.patch_api_structured_extraction_structuredprojectid_settings(&path(&a, 0)?, &body, o).await,
            )
        }
        "post_api_structured_extraction_structuredprojectid_reset_settings" => {
            let mut o = api::PostApiStructuredExtractionStructuredprojectidResetSettingsOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(
                vec![],
                client.post_api_structured_extraction_structuredprojectid_reset_settings(&path(&a, 0)?, o).await,
            )
        }
        "get_api_structured_extraction_structuredprojectid_examples" => {
            let mut o = api::GetApiStructuredExtractionStructuredprojectidExamplesOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            o.skip = a.one("skip")?;
            o.per_page = a.one("perPage")?;
            a.finish()?;
            Called::new(
                vec![],
                client.get_api_structured_extraction_structuredprojectid_examples(&path(&a, 0)?, o).await,
            )
        }
        "post_api_structured_extraction_structuredprojectid_examples" => {
            let mut o = api::PostApiStructuredExtractionStructuredprojectidExamplesOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            let body: types::CreateOrUpdateStructuredExampleRequest = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client.post_api_structured_extraction_structuredprojectid_examples(&path(&a, 0)?, &body, o).await,
            )
        }
        "get_api_structured_extraction_structuredprojectid_examples_structuredexampleid" => {
            let mut o = api::GetApiStructuredExtractionStructuredprojectidExamplesStructuredexampleidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(
                vec![],
                client
                    .get_api_structured_extraction_structuredprojectid_examples_structuredexampleid(
                        &path(&a, 0)?,
                        &path(&a, 1)?,
                        o,
                    )
                    .await,
            )
        }
        "put_api_structured_extraction_structuredprojectid_examples_structuredexampleid" => {
            let mut o = api::PutApiStructuredExtractionStructuredprojectidExamplesStructuredexampleidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            let body: types::CreateOrUpdateStructuredExampleRequest = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client
                    .put_api_structured_extraction_structuredprojectid_examples_structuredexampleid(
                        &path(&a, 0)?,
                        &path(&a, 1)?,
                        &body,
                        o,
                    )
                    .await,
            )
        }
        "delete_api_structured_extraction_structuredprojectid_examples_structuredexampleid" => {
            let mut o =
                api::DeleteApiStructuredExtractionStructuredprojectidExamplesStructuredexampleidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(
                vec![],
                client
                    .delete_api_structured_extraction_structuredprojectid_examples_structuredexampleid(
                        &path(&a, 0)?,
                        &path(&a, 1)?,
                        o,
                    )
                    .await,
            )
        }
        "post_api_files" => {
            let x_file_name = a.header("x-file-name").ok_or("the header x-file-name is missing")?;
            let mut o = api::PostApiFilesOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            let body = raw(&mut a)?;
            a.finish()?;
            Called::new(vec![], client.post_api_files(&x_file_name, body, o).await)
        }
        "get_api_files_fileid" => {
            let mut o = api::GetApiFilesFileidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(vec![], client.get_api_files_fileid(&path(&a, 0)?, o).await)
        }
        "get_api_files_fileid_content" => {
            let mut o = api::GetApiFilesFileidContentOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            collected(client.get_api_files_fileid_content(&path(&a, 0)?, o).await).await
        }
        "post_api_files_fileid_convert_to_document" => {
            let mut o = api::PostApiFilesFileidConvertToDocumentOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            let body: types::ConvertRequest = json(&mut a)?;
            a.finish()?;
            Called::new(
                members(&body.extra),
                client.post_api_files_fileid_convert_to_document(&path(&a, 0)?, &body, o).await,
            )
        }
        "post_api_documents_text" => {
            let mut o = api::PostApiDocumentsTextOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            let body: types::TextRequest = json(&mut a)?;
            a.finish()?;
            Called::new(members(&body.extra), client.post_api_documents_text(&body, o).await)
        }
        "get_api_documents_documentid" => {
            let mut o = api::GetApiDocumentsDocumentidOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            Called::new(vec![], client.get_api_documents_documentid(&path(&a, 0)?, o).await)
        }
        "get_api_documents_documentid_parts_partindex_image" => {
            let part = path(&a, 1)?.parse().map_err(|error| format!("partIndex: {error}"))?;
            let mut o = api::GetApiDocumentsDocumentidPartsPartindexImageOptions::default();
            o.x_organization_id = a.header("x-organization-id");
            a.finish()?;
            collected(client.get_api_documents_documentid_parts_partindex_image(&path(&a, 0)?, part, o).await).await
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
        other => return Err(format!("the runner cannot call {other}")),
    })
}
