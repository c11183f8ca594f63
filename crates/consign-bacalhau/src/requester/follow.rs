//! What the requester interface sends over WebSockets: output of an execution, and events.
use consign_http::{Error, Request};

use super::{Client, Event, LogsEnvelope, LogsOptions, WebsocketEventsOptions, operations, types};
use crate::log::LogLine;
use crate::socket::{Messages, Socket, undecodable};

impl Client {
    /// Follows the output of an execution; from 0.3.26 on. The stream may stay silent for long: give each look at it
    /// a limit of your own.
    ///
    /// `GET /requester/logs`, as a WebSocket; the envelope is the one message that is sent.
    ///
    /// # Errors
    /// As for any call, until the connection stands. What the server has against the request comes out of the stream.
    pub async fn logs(&self, envelope: &LogsEnvelope, options: LogsOptions) -> Result<Messages<LogLine>, Error> {
        let request = Request::new(&operations::LOGS, &[])?.options(options.call);
        let bad =
            |error| Error::invalid_member("payload", "", "a value that can be written as JSON").with_source(error);
        let text = serde_json::to_string(envelope).map_err(bad)?;
        let mut socket = Socket::open(self.http(), request).await?;
        socket.send(text).await?;
        Ok(Messages::new(socket, log_message))
    }
    /// Follows the history of one job, or of all: first what happened so far, then what happens.
    ///
    /// `GET /requester/websocket/events`
    ///
    /// # Errors
    /// As for any call, until the connection stands.
    pub async fn websocket_events(&self, options: WebsocketEventsOptions) -> Result<Messages<Event>, Error> {
        let request = Request::new(&operations::WEBSOCKET_EVENTS, &[])?
            .query_opt("job_id", options.job_id.as_ref())
            .options(options.call);
        let socket = Socket::open(self.http(), request).await?;
        Ok(Messages::new(socket, |text| serde_json::from_str(text).map_err(|e| undecodable(text, e))))
    }
}

fn log_message(text: &str) -> Result<LogLine, Error> {
    let message: types::LogMessage = serde_json::from_str(text).map_err(|error| undecodable(text, error))?;
    Ok(LogLine::new(message.tag.unwrap_or_default(), message.data.unwrap_or_default()))
}
