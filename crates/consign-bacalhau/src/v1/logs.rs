//! The output of an execution, as it comes over a WebSocket.
use consign_http::{Delivery, Error, ErrorKind};
use http::{HeaderMap, StatusCode};

use super::types;
use crate::log::LogLine;

/// Reads one message of a log: a piece of output, or why there is none.
///
/// # Errors
/// [`ErrorKind::NotFound`] if the server says that it has no such job, or no execution to show; [`ErrorKind::Server`]
/// for anything else that it says; [`ErrorKind::Decode`] if it is no message of a log.
pub fn read_frame(text: &str) -> Result<LogLine, Error> {
    let frame = serde_json::from_str(text).map_err(|error: serde_json::Error| undecodable(text, &error.to_string()))?;
    match frame {
        types::LogFrame { error: Some(words), .. } if !words.is_empty() => Err(said(text, &words)),
        types::LogFrame { value: Some(value), .. } => {
            Ok(LogLine::new(value.type_.unwrap_or_default(), value.line.unwrap_or_default()))
        }
        _ => Err(undecodable(text, "it holds neither output nor an error")),
    }
}

/// What the server says against the request.
fn said(text: &str, words: &str) -> Error {
    let missing = ["not found", "unable to find", "no executions found"].iter().any(|part| words.contains(part));
    let kind = if missing { ErrorKind::NotFound } else { ErrorKind::Server };
    let error = Error::new(kind, Delivery::Rejected, words).on_read();
    error.with_answer(StatusCode::SWITCHING_PROTOCOLS, HeaderMap::new(), text.as_bytes())
}

fn undecodable(text: &str, why: &str) -> Error {
    let error = Error::new(ErrorKind::Decode, Delivery::Unknown, format!("no message of a log: {why}")).on_read();
    error.with_answer(StatusCode::SWITCHING_PROTOCOLS, HeaderMap::new(), text.as_bytes())
}

#[cfg(feature = "logs")]
mod follow {
    use consign_http::{Error, Request};

    use super::read_frame;
    use crate::log::LogLine;
    use crate::socket::{Messages, Socket};
    use crate::v1::{Client, LogsOptions, operations};

    impl Client {
        /// Follows the output of an execution.
        ///
        /// Nothing limits how long the stream stays silent, and it may do so for ever: the output of wasm executions
        /// never comes, and a job that is stopped does not end its stream. Look at the job meanwhile, and when it has
        /// ended take what its executions hold. Open no stream for each watcher: one open stream can keep a node from
        /// serving another.
        ///
        /// `GET /api/v1/orchestrator/jobs/{id}/logs`, as a WebSocket.
        ///
        /// # Errors
        /// As for any call, until the connection stands. What the server has against the request, an unknown job
        /// included, comes out of the stream.
        pub async fn logs(&self, id: &str, options: LogsOptions) -> Result<Messages<LogLine>, Error> {
            let request = Request::new(&operations::LOGS, &[&id])?
                .query_opt("execution_id", options.execution_id.as_ref())
                .query_opt("follow", options.follow.as_ref())
                .query_opt("tail", options.tail.as_ref())
                .query_opt("namespace", options.namespace.as_ref())
                .query_opt("job_version", options.job_version.as_ref())
                .query_opt("all_job_versions", options.all_job_versions.as_ref())
                .options(options.call);
            let socket = Socket::open(self.http(), request).await?;
            Ok(Messages::new(socket, read_frame))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogOutput;

    #[test]
    fn output_is_read_from_either_stream() {
        let line = read_frame("{\"value\":{\"Type\":1,\"Line\":\"\\u003chtml\\u003e \\u0026\\n\"}}\n").unwrap();
        assert_eq!((line.output, line.text.as_str()), (LogOutput::Stdout, "<html> &\n"));
        assert_eq!(read_frame(r#"{"value":{"Type":2,"Line":"é"}}"#).unwrap().output, LogOutput::Stderr);
        assert_eq!(read_frame(r#"{"value":{"Type":7,"Line":""}}"#).unwrap().output, LogOutput::Other(7));
    }

    #[test]
    fn an_error_in_a_message_is_an_error_with_the_servers_words() {
        let read = |words: &str| {
            read_frame(&format!("{{\"error\":{words:?},\"value\":{{\"Type\":0,\"Line\":\"\"}}}}")).unwrap_err()
        };
        let error = read("job not found: nope");
        assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "job not found: nope"));
        assert_eq!(read("unable to find execution  in job j-1").kind(), ErrorKind::NotFound);
        assert_eq!(read("out of order").kind(), ErrorKind::Server);
    }

    #[test]
    fn what_is_no_message_of_a_log_is_no_output() {
        for text in ["", "{", "{}", "[]", "{\"value\":null}", "{\"value\":{\"Type\":\"x\"}}", "<html>"] {
            assert_eq!(read_frame(text).unwrap_err().kind(), ErrorKind::Decode, "{text}");
        }
    }
}
