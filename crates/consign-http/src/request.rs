//! One call being built: path values, query, headers and body, by one rule for every provider.
use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use serde::Serialize;

use crate::{Body, Error};

/// Bare in a path value: `A-Za-z0-9-_.~$&+,:;=@`. A server that compares raw paths demands just this.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');
/// Bare in a query: the unreserved characters only.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The fixed facts of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The `operationId` of the document.
    pub id: &'static str,
    /// The HTTP method.
    pub method: http::Method,
    /// The path with its parameters in braces: `/v1/jobs/{jobId}`. A value for `{+name}` may be several
    /// segments: its slashes stay.
    pub path: &'static str,
    /// The media type asked for.
    pub accept: &'static str,
    /// Success statuses that may come without a body although others carry a value.
    pub empty: &'static [u16],
}

/// What one call sets apart from the operation's own parameters.
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) headers: HeaderMap,
    pub(crate) bad: Option<String>,
}

impl CallOptions {
    /// Nothing set: the client's own settings hold.
    pub fn new() -> Self {
        Self::default()
    }
    /// The time limit of this call, from the first byte sent to the last byte of the answer; for a
    /// stream, to the answer's head. Default: the client's.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
    /// One more header, in place of the operation's own of that name. `Authorization` is not allowed
    /// here (a credential belongs to the client), nor is what the connection sets itself: `Host`,
    /// `Content-Length`, `Transfer-Encoding`, `Connection`. A name or value that cannot be sent is
    /// reported by the call, before anything is sent. The value shows itself in no `Debug` output.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), _) if name == AUTHORIZATION => {
                self.bad = Some("the header authorization is set by the client's credentials".to_owned());
            }
            (Ok(name), _) if [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(&name) => {
                self.bad = Some(format!("the header {name} is set by the connection"));
            }
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                self.headers.append(name, value);
            }
            _ => self.bad = Some(format!("the header {name:?} cannot be sent")),
        }
        self
    }
}

/// One call, complete except for the base URL and the credential.
pub struct Request {
    pub(crate) operation: &'static Operation,
    /// Path and query as they are sent.
    pub(crate) target: String,
    has_query: bool,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) options: CallOptions,
    /// Parameters that no error may show.
    pub(crate) secrets: Vec<SecretString>,
}

impl Request {
    /// A call of `operation` with its path values, in the order of the template.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if a path value is empty, `.` or `..`, or one
    /// of several segments is: such a value would address something else.
    pub fn new(operation: &'static Operation, path: &[&dyn Display]) -> Result<Self, Error> {
        let mut target = String::with_capacity(operation.path.len() + 64);
        let (mut rest, mut values) = (operation.path, path.iter());
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            target.push_str(before);
            let value = values.next().map(ToString::to_string).unwrap_or_default();
            let (name, several) = name.strip_prefix('+').map_or((name, false), |name| (name, true));
            for (n, segment) in value.split(|c| several && c == '/').enumerate() {
                if matches!(segment, "" | "." | "..") {
                    let allowed = "a path value that is not empty, \".\" or \"..\"";
                    return Err(Error::invalid_member(name, &value, allowed).for_operation(operation.id));
                }
                if n > 0 {
                    target.push('/');
                }
                target.extend(utf8_percent_encode(segment, PATH));
            }
            rest = after;
        }
        target.push_str(rest);
        let (headers, options, secrets) = (HeaderMap::new(), CallOptions::default(), Vec::new());
        Ok(Self { operation, target, has_query: false, headers, body: Body::Empty, options, secrets })
    }

    /// Adds a query parameter. Booleans become `true` and `false`; everything but unreserved
    /// characters is percent-encoded.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: &dyn Display) -> Self {
        self.target.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.target.extend(utf8_percent_encode(name, QUERY));
        self.target.push('=');
        // Writing to a String cannot fail.
        let _ = write!(Encoder(&mut self.target), "{value}");
        self
    }
    /// Adds a query parameter if there is a value.
    #[must_use]
    pub fn query_opt<T: Display>(self, name: &'static str, value: Option<&T>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }
    /// Adds a query parameter that no error may show, such as a token.
    #[must_use]
    pub fn query_secret(mut self, name: &'static str, value: &dyn Display) -> Self {
        let text = value.to_string();
        // A server may repeat it as it is, or the address as it was sent.
        self.secrets.push(utf8_percent_encode(&text, QUERY).to_string().into());
        self.secrets.push(text.into());
        self.query(name, value)
    }
    /// Adds a query parameter once for each value.
    #[must_use]
    pub fn query_list<T: Display>(self, name: &'static str, values: &[T]) -> Self {
        values.iter().fold(self, |request, value| request.query(name, value))
    }

    /// Adds a header parameter. A value that cannot be sent is reported by the call.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &dyn Display) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value.to_string())) {
            (Ok(name), Ok(value)) => {
                self.headers.append(name, value);
            }
            _ => self.options.bad = Some(format!("the header {name} cannot be sent")),
        }
        self
    }
    /// Adds a header parameter if there is a value.
    #[must_use]
    pub fn header_opt<T: Display>(self, name: &'static str, value: Option<&T>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// With a JSON body.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if the value cannot be written as JSON,
    /// such as a map whose keys are not text.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Result<Self, Error> {
        match serde_json::to_vec(body) {
            Ok(bytes) => Ok(self.body("application/json", bytes)),
            Err(e) => Err(Error::invalid_member("body", "", "a value that can be written as JSON")
                .with_source(e)
                .for_operation(self.operation.id)),
        }
    }
    /// With a JSON body if there is one; without it no `Content-Type` is sent.
    ///
    /// # Errors
    /// As [`Request::json`].
    pub fn json_opt<T: Serialize + ?Sized>(self, body: Option<&T>) -> Result<Self, Error> {
        match body {
            Some(body) => self.json(body),
            None => Ok(self),
        }
    }
    /// With a body of `name=value` pairs (`application/x-www-form-urlencoded`).
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if the value is not an object of scalars
    /// and lists of scalars.
    pub fn form<T: Serialize + ?Sized>(self, body: &T) -> Result<Self, Error> {
        let id = self.operation.id;
        let bad = || Error::invalid_member("body", "", "an object of scalars and lists of scalars").for_operation(id);
        let value = serde_json::to_value(body).map_err(|_| bad())?;
        let mut text = String::new();
        for (name, value) in value.as_object().ok_or_else(bad)? {
            let items = match value {
                serde_json::Value::Array(items) => items.as_slice(),
                one => std::slice::from_ref(one),
            };
            for item in items {
                let item = match item {
                    serde_json::Value::Null => continue,
                    serde_json::Value::String(s) => s.clone(),
                    serde_json::Value::Array(_) | serde_json::Value::Object(_) => return Err(bad()),
                    scalar => scalar.to_string(),
                };
                if !text.is_empty() {
                    text.push('&');
                }
                text.extend(utf8_percent_encode(name, QUERY));
                text.push('=');
                text.extend(utf8_percent_encode(&item, QUERY));
            }
        }
        Ok(self.body("application/x-www-form-urlencoded", text))
    }
    /// With a form body if there is one.
    ///
    /// # Errors
    /// As [`Request::form`].
    pub fn form_opt<T: Serialize + ?Sized>(self, body: Option<&T>) -> Result<Self, Error> {
        match body {
            Some(body) => self.form(body),
            None => Ok(self),
        }
    }
    /// With a body of the given media type: bytes or a stream.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Body>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = body.into();
        self
    }
    /// With a body of the given media type if there is one.
    #[must_use]
    pub fn body_opt<B: Into<Body>>(self, content_type: &'static str, body: Option<B>) -> Self {
        match body {
            Some(body) => self.body(content_type, body),
            None => self,
        }
    }
    /// With a `multipart/form-data` body.
    #[cfg(feature = "multipart")]
    #[must_use]
    pub fn multipart(mut self, form: crate::Form) -> Self {
        let (media, body) = form.encode();
        match HeaderValue::try_from(media) {
            Ok(media) => {
                self.headers.insert(CONTENT_TYPE, media);
            }
            Err(_) => self.options.bad = Some("the multipart boundary cannot be sent".to_owned()),
        }
        self.body = body;
        self
    }
    /// With a `multipart/form-data` body if there is one.
    #[cfg(feature = "multipart")]
    #[must_use]
    pub fn multipart_opt(self, form: Option<crate::Form>) -> Self {
        match form {
            Some(form) => self.multipart(form),
            None => self,
        }
    }
    /// With what this call sets apart.
    #[must_use]
    pub fn options(mut self, call: CallOptions) -> Self {
        let bad = self.options.bad.take();
        self.options = call;
        self.options.bad = self.options.bad.take().or(bad);
        self
    }
    /// Path and query as they will be sent.
    pub fn target(&self) -> &str {
        &self.target
    }
    /// The operation being called.
    pub fn operation(&self) -> &'static Operation {
        self.operation
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("operation", &self.operation.id)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// Percent-encodes what is written to it, without a copy between.
struct Encoder<'a>(&'a mut String);

impl fmt::Write for Encoder<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0.extend(utf8_percent_encode(s, QUERY));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static GET: Operation = Operation {
        id: "get",
        method: http::Method::GET,
        path: "/v1/{a}/x/{b}",
        accept: "application/json",
        empty: &[],
    };

    #[test]
    fn path_values_are_encoded_by_one_rule_and_dot_segments_are_refused() {
        let request = Request::new(&GET, &[&"a/b?c#d%e é", &"Az09-_.~$&+,:;=@!*'()"]).unwrap();
        assert_eq!(request.target(), "/v1/a%2Fb%3Fc%23d%25e%20%C3%A9/x/Az09-_.~$&+,:;=@%21%2A%27%28%29");
        for bad in ["", ".", ".."] {
            let error = Request::new(&GET, &[&"ok", &bad]).unwrap_err();
            assert_eq!(error.violations().iter().next().unwrap().member, "b");
        }
    }

    #[test]
    fn a_value_of_several_segments_keeps_its_slashes_and_each_segment_is_checked() {
        static WHOLE: Operation =
            Operation { id: "get", method: http::Method::GET, path: "/v1/{+name}", accept: "*/*", empty: &[] };
        assert_eq!(Request::new(&WHOLE, &[&"a b/c%2F"]).unwrap().target(), "/v1/a%20b/c%252F");
        for bad in ["", "/", "a/", "/a", "a//b", "a/..", "./a"] {
            let error = Request::new(&WHOLE, &[&bad]).unwrap_err();
            assert_eq!(error.violations().iter().next().unwrap().member, "name", "{bad}");
        }
    }

    #[test]
    fn query_values_are_sent_in_order_and_encoded() {
        let request = Request::new(&GET, &[&1, &2]).unwrap();
        let request =
            request.query("token", &"a+b/c==&d e").query_opt("wait", Some(&true)).query_opt::<bool>("no", None);
        let request = request.query_list("model", &["urn:air:x", ""]);
        assert_eq!(request.target(), "/v1/1/x/2?token=a%2Bb%2Fc%3D%3D%26d%20e&wait=true&model=urn%3Aair%3Ax&model=");
    }

    #[test]
    fn a_form_body_takes_scalars_and_lists_only() {
        let form = serde_json::json!({"a": "x y", "b": [1, true], "c": null});
        let request = Request::new(&GET, &[&1, &2]).unwrap().form(&form).unwrap();
        assert!(matches!(&request.body, Body::Bytes(b) if &b[..] == b"a=x%20y&b=1&b=true"));
        assert!(Request::new(&GET, &[&1, &2]).unwrap().form(&serde_json::json!({"a": {"b": 1}})).is_err());
    }
}
