//! The forms that files are sent in.
use consign_http::{Form, Part};

/// The form of the operations that take one file. Give the part a file name: the server tells formats apart by it.
///
/// ```
/// use consign_numind::{Part, file_form};
///
/// let form = file_form(Part::bytes(&b"%PDF-1.7"[..]).file_name("invoice.pdf"));
/// ```
pub fn file_form(file: Part) -> Form {
    Form::new().part("file", file)
}

#[cfg(feature = "v0_2")]
mod v0_2 {
    use consign_http::{Error, Part, Reply, Request};

    use crate::file_form;
    use crate::v0_2::{
        Client, PostApiStructuredExtractionStructuredextractionprojectidJobsOptions as Options, operations, types,
    };

    impl Client {
        /// Extracts from a file that is sent as a form. The same operation as
        /// [`post_api_structured_extraction_structuredextractionprojectid_jobs`][raw], which sends the bare bytes as
        /// version 0.2.0 describes it; today's service is known to refuse those at times, and to take the form.
        ///
        /// # Errors
        /// As there.
        ///
        /// [raw]: Self::post_api_structured_extraction_structuredextractionprojectid_jobs
        pub async fn submit_file(
            &self,
            project_id: &str,
            file: Part,
            options: Options,
        ) -> Result<Reply<types::JobIdResponse>, Error> {
            let operation = &operations::POST_API_STRUCTURED_EXTRACTION_STRUCTUREDEXTRACTIONPROJECTID_JOBS;
            let request = Request::new(operation, &[&project_id])?
                .query_opt("temperature", options.temperature.as_ref())
                .query_opt("dpi", options.dpi.as_ref())
                .query_opt("maxOutputTokens", options.max_output_tokens.as_ref())
                .query_opt("maxExampleTokenNumber", options.max_example_token_number.as_ref())
                .query_opt("maxExampleNumber", options.max_example_number.as_ref())
                .query_opt("minExampleSimilarity", options.min_example_similarity.as_ref())
                .query_opt("timeout", options.timeout.as_ref())
                .multipart(file_form(file))
                .options(options.call);
            self.http().json(request).await
        }
    }
}

#[cfg(feature = "v0_4")]
mod v0_4 {
    use consign_http::{Error, Form, Part, Reply, Request};

    use crate::file_form;
    use crate::v0_4::{
        Client, PostApiStructuredExtractionStructuredprojectidJobsOptions as Options, operations, types,
    };

    impl Client {
        /// Extracts from a file that is sent as a form. The same operation as
        /// [`post_api_structured_extraction_structuredprojectid_jobs`][raw], which sends the bare bytes; today's
        /// service is known to refuse those at times, and to take the form.
        ///
        /// # Errors
        /// As there.
        ///
        /// [raw]: Self::post_api_structured_extraction_structuredprojectid_jobs
        pub async fn submit_file(
            &self,
            project_id: &str,
            file: Part,
            options: Options,
        ) -> Result<Reply<types::JobIdResponse>, Error> {
            let operation = &operations::POST_API_STRUCTURED_EXTRACTION_STRUCTUREDPROJECTID_JOBS;
            let request = Request::new(operation, &[&project_id])?
                .header_opt("x-organization-id", options.x_organization_id.as_ref())
                .query_opt("dpi", options.dpi.as_ref())
                .query_opt("temperature", options.temperature.as_ref())
                .query_opt("maxOutputTokens", options.max_output_tokens.as_ref())
                .query_opt("maxExampleTokenNumber", options.max_example_token_number.as_ref())
                .query_opt("maxExampleNumber", options.max_example_number.as_ref())
                .query_opt("minExampleSimilarity", options.min_example_similarity.as_ref())
                .query_opt("enableThinking", options.enable_thinking.as_ref())
                .query_opt("thinkingTokenBudget", options.thinking_token_budget.as_ref())
                .query_opt("loopDetection", options.loop_detection.as_ref())
                .query_opt("randomSeed", options.random_seed.as_ref())
                .query_opt("imageWidth", options.image_width.as_ref())
                .query_opt("timeout", options.timeout.as_ref())
                .multipart(file_form(file))
                .options(options.call);
            self.http().json(request).await
        }
    }

    impl types::StructuredExtractionRequest {
        /// The form of an extraction without a project: this request, the document (give the part a file name), and a
        /// file for each of its examples, in their order.
        ///
        /// # Errors
        /// [`InvalidRequest`](consign_http::ErrorKind::InvalidRequest) if there are not as many files as examples, or
        /// a value cannot be written as JSON.
        pub fn form(&self, document: Part, example_files: impl IntoIterator<Item = Part>) -> Result<Form, Error> {
            let example_files: Vec<Part> = example_files.into_iter().collect();
            let examples = self.examples.as_ref().map_or(0, Vec::len);
            if example_files.len() != examples {
                let allowed = format!("one file for each of the {examples} examples");
                return Err(Error::invalid_member("exampleFiles", format!("{} files", example_files.len()), &allowed));
            }
            let bad = |e| Error::invalid_member("request", "", "a value that can be written as JSON").with_source(e);
            let request = Part::bytes(serde_json::to_vec(self).map_err(bad)?).media_type("application/json")?;
            let form = Form::new().part("request", request).part("document", document);
            Ok(example_files.into_iter().fold(form, |form, file| form.part("exampleFiles", file)))
        }
    }
}
