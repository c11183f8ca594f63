//! From method and path to an operation.

use bytes::Bytes;
use http::Request;
use percent_encoding::percent_decode_str;

use super::operation as op;

/// The operation of a request, and the ids in its path. Its name is `unknown` if there is no such address.
pub(crate) fn route(request: &Request<Bytes>) -> (&'static str, Vec<String>) {
    let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let path = request.uri().path();
    if path == "/realms/extract-platform/protocol/openid-connect/token" && request.method() == http::Method::POST {
        return (op::OPENID_TOKEN, Vec::new());
    }
    let parts: Vec<String> = path.strip_prefix("/api/").unwrap_or_default().split('/').map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (name, ids): (&'static str, &[&str]) = match (request.method().as_str(), parts.as_slice()) {
        ("GET", ["ping"]) => (op::PING, &[]),
        ("GET", ["health"]) => (op::HEALTH, &[]),
        ("GET", ["version"]) => (op::VERSION, &[]),
        ("GET", ["inference-status"]) => (op::INFERENCE_STATUS, &[]),
        ("GET", ["auth"]) => (op::LOGIN_PAGE, &[]),
        ("POST", ["auth", "token"]) => (op::TOKEN, &[]),

        ("GET", ["jobs"]) => (op::LIST, &[]),
        ("GET", ["jobs", id]) => (op::GET_JOB, &[*id]),
        ("GET", ["jobs", id, "status"]) => (op::STATUS, &[*id]),
        ("GET", ["jobs", id, "stream"]) => (op::STREAM, &[*id]),
        ("POST", ["jobs", id, "cancel"]) => (op::CANCEL, &[*id]),
        ("GET", ["jobs", id, "reports"]) => (op::REPORTS, &[*id]),

        ("POST", ["structured-extraction", "jobs"]) => (op::EXTRACT, &[]),
        ("GET", ["structured-extraction", "jobs", id]) => (op::EXTRACTION_RESULT, &[*id]),
        ("POST", ["structured-extraction", project, "jobs"]) => (op::EXTRACT_BYTES, &[*project]),
        ("POST", ["structured-extraction", project, "jobs", "text"]) => (op::EXTRACT_TEXT, &[*project]),
        ("POST", ["structured-extraction", project, "jobs", "document", document]) => {
            (op::EXTRACT_DOCUMENT, &[*project, *document])
        }
        ("POST", ["content-extraction", "jobs"]) => (op::MARKDOWN_FILE, &[]),
        ("GET", ["content-extraction", "jobs", id]) => (op::MARKDOWN_RESULT, &[*id]),
        ("POST", ["content-extraction", project, "jobs", "document", document]) => {
            (op::MARKDOWN_DOCUMENT, &[*project, *document])
        }
        ("POST", ["template-generation", "jobs"]) => (op::TEMPLATE_BYTES, &[]),
        ("POST", ["template-generation", "jobs", "text"]) => (op::TEMPLATE_TEXT, &[]),
        ("POST", ["template-generation", "jobs", "document", document]) => (op::TEMPLATE_DOCUMENT, &[*document]),
        ("GET", ["template-generation", "jobs", id]) => (op::TEMPLATE_RESULT, &[*id]),

        ("GET", ["structured-extraction"]) => (op::PROJECTS, &[]),
        ("POST", ["structured-extraction"]) => (op::CREATE_PROJECT, &[]),
        ("GET", ["structured-extraction", id]) => (op::GET_PROJECT, &[*id]),
        ("PATCH", ["structured-extraction", id]) => (op::PATCH_PROJECT, &[*id]),
        ("DELETE", ["structured-extraction", id]) => (op::DELETE_PROJECT, &[*id]),
        ("PATCH", ["structured-extraction", id, "settings"]) => (op::PATCH_SETTINGS, &[*id]),
        ("POST", ["structured-extraction", id, "reset-settings"]) => (op::RESET_SETTINGS, &[*id]),
        ("GET", ["structured-extraction", id, "examples"]) => (op::EXAMPLES, &[*id]),
        ("POST", ["structured-extraction", id, "examples"]) => (op::CREATE_EXAMPLE, &[*id]),
        ("GET", ["structured-extraction", id, "examples", example]) => (op::GET_EXAMPLE, &[*id, *example]),
        ("PUT", ["structured-extraction", id, "examples", example]) => (op::PUT_EXAMPLE, &[*id, *example]),
        ("DELETE", ["structured-extraction", id, "examples", example]) => (op::DELETE_EXAMPLE, &[*id, *example]),
        ("GET", ["content-extraction"]) => (op::CONTENT_PROJECTS, &[]),
        ("POST", ["content-extraction"]) => (op::CREATE_CONTENT_PROJECT, &[]),
        ("PATCH", ["content-extraction", id]) => (op::PATCH_CONTENT_PROJECT, &[*id]),
        ("DELETE", ["content-extraction", id]) => (op::DELETE_CONTENT_PROJECT, &[*id]),
        ("PATCH", ["content-extraction", id, "settings"]) => (op::PATCH_CONTENT_SETTINGS, &[*id]),
        ("POST", ["content-extraction", id, "reset-settings"]) => (op::RESET_CONTENT_SETTINGS, &[*id]),

        ("POST", ["files"]) => (op::UPLOAD, &[]),
        ("GET", ["files", id]) => (op::GET_FILE, &[*id]),
        ("GET", ["files", id, "content"]) => (op::FILE_CONTENT, &[*id]),
        ("POST", ["files", id, "convert-to-document"]) => (op::CONVERT, &[*id]),
        ("POST", ["documents", "text"]) => (op::TEXT_DOCUMENT, &[]),
        ("GET", ["documents", id]) => (op::GET_DOCUMENT, &[*id]),
        ("GET", ["documents", id, "parts", part, "image"]) => (op::PAGE_IMAGE, &[*id, *part]),
        ("GET", ["documents", id, "content"]) => (op::DOCUMENT_CONTENT, &[*id]),
        _ => (op::UNKNOWN, &[]),
    };
    if ids.iter().any(|id| id.is_empty()) {
        return (op::UNKNOWN, Vec::new());
    }
    (name, ids.iter().map(|id| (*id).to_owned()).collect())
}
