//! Credentials: a token that never shows itself, a source that can renew it, and signatures over what is sent.
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::{BoxFuture, Error, Operation};

/// A bearer token, or a user name and password. Its text appears in no `Debug` output, error or log. Clones are cheap.
#[derive(Clone)]
pub struct Token(Arc<Inner>);

struct Inner {
    /// What has to stay out of every text: the token, or the password and what is sent for it.
    secrets: Vec<SecretString>,
    header: HeaderValue,
}

impl Token {
    /// A token from its text.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the text is blank, or holds a blank, a line
    /// break or anything else that cannot stand in a header. The message does not repeat the text.
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text: String = text.into();
        if text.trim().is_empty() {
            return Err(Error::config("the token is blank"));
        }
        if let Some(at) = text.bytes().position(|b| !b.is_ascii_graphic()) {
            let what = match text.as_bytes()[at] {
                b'\n' | b'\r' => "a line break",
                b' ' | b'\t' => "a blank",
                _ => "a character that is not printable ASCII",
            };
            return Err(Error::config(format!("the token has {what} at position {at} of {}", text.len())));
        }
        Self::sent_as("Bearer", &text, vec![text.clone().into()])
    }
    /// A user name and password, sent as `Authorization: Basic`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if one of them is empty or has a control character in it, or
    /// the name has a colon, which would end it. The message does not repeat them.
    pub fn basic(user: &str, password: &str) -> Result<Self, Error> {
        for (what, text) in [("user name", user), ("password", password)] {
            if text.is_empty() {
                return Err(Error::config(format!("the {what} is empty")));
            }
            if text.contains(char::is_control) {
                return Err(Error::config(format!("the {what} has a control character in it, such as a line break")));
            }
        }
        if user.contains(':') {
            return Err(Error::config("the user name has a colon in it"));
        }
        let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
        Self::sent_as("Basic", &pair, vec![password.into(), pair.clone().into()])
    }
    fn sent_as(scheme: &str, text: &str, secrets: Vec<SecretString>) -> Result<Self, Error> {
        let mut header = HeaderValue::from_str(&format!("{scheme} {text}"))
            .map_err(|_| Error::config("the token cannot stand in a header"))?;
        header.set_sensitive(true);
        Ok(Self(Arc::new(Inner { secrets, header })))
    }
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.header.clone()
    }
    /// The error without anything of this token.
    pub(crate) fn redact(&self, error: Error) -> Error {
        self.0.secrets.iter().fold(error, |error, secret| error.redacted(secret.expose_secret()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// Two tokens are equal if they are sent as the same text.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.header == other.0.header
    }
}
impl Eq for Token {}

/// Where tokens come from. A plain [`Token`] is a source that cannot renew itself.
pub trait Credentials: fmt::Debug + Send + Sync + 'static {
    /// The token for the next request. Called for each one, so keep it cheap.
    ///
    /// # Errors
    /// Whatever keeps the token from being had; the request is then not sent, and the error says so.
    fn token(&self) -> BoxFuture<'_, Result<Token, Error>>;
    /// Called once when the server answered 401 to `refused`: a newer token, or `None` if there is
    /// none. With a newer one the request is sent again, once; one whose body is a stream or a form fails, and its
    /// error says that a repeat makes sense.
    ///
    /// # Errors
    /// Whatever keeps the token from being renewed; the caller then sees this error.
    fn renew<'a>(&'a self, refused: &'a Token) -> BoxFuture<'a, Result<Option<Token>, Error>> {
        let _ = refused;
        Box::pin(std::future::ready(Ok(None)))
    }
}

impl Credentials for Token {
    fn token(&self) -> BoxFuture<'_, Result<Token, Error>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

/// A request about to be sent, as a [`Signer`] sees it.
#[derive(Clone, Copy)]
pub struct Unsigned<'a> {
    /// The operation being called.
    pub operation: &'static Operation,
    /// Path and query as they will be sent.
    pub target: &'a str,
    /// The body, byte for byte as it will be sent; empty if there is none. `None`: a stream, which can
    /// be read only once, by the connection.
    pub body: Option<&'a [u8]>,
    /// The date by the client's clock.
    pub now: SystemTime,
}

impl fmt::Debug for Unsigned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsigned")
            .field("operation", &self.operation.id)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// A credential that depends on what is sent: it signs each request, again for each time it is sent.
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// The headers that authorize this request; empty if it needs none. They go before any other of their names.
    ///
    /// # Errors
    /// Whatever keeps the request from being signed, such as an operation that takes no signature; it
    /// is then not sent, and the error says so.
    fn sign(&self, request: &Unsigned<'_>) -> Result<HeaderMap, Error>;
    /// The error of a request that was signed at `signed` and answered 401, with what the signer knows
    /// about it, such as a clock that is wrong. Default: as it is.
    fn refused(&self, error: Error, signed: SystemTime) -> Error {
        let _ = signed;
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_cannot_be_sent_is_refused_without_being_repeated() {
        for bad in ["", "  ", "abc\ndef", "abc\r\n", "ab yz", "tök-3n"] {
            let error = Token::new(bad).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Config);
            assert!(bad.trim().is_empty() || !format!("{error} {error:?}").contains(bad), "{error}");
        }
        assert!(Token::new("abc\ndef").unwrap_err().to_string().contains("a line break at position 3"));
    }

    #[test]
    fn a_token_never_shows_itself() {
        let token = Token::new("civ-secret-1").unwrap();
        assert!(!format!("{token:?} {:?}", token.header()).contains("secret"));
    }

    #[test]
    fn a_user_name_and_password_are_sent_as_basic_and_never_show_themselves() {
        let token = Token::basic("Aladdin", "open sesame").unwrap();
        assert_eq!(token.header(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{token:?} {:?}", token.header()).contains("sesame"));
        let error = Error::config("got open sesame in QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(token.redact(error).message(), "got [redacted] in [redacted]");
        assert_ne!(token, Token::new("QWxhZGRpbjpvcGVuIHNlc2FtZQ==").unwrap());
        for (user, password) in [("", "p"), ("u", ""), ("a:b", "p"), ("a\n", "p"), ("u", "p\r\n")] {
            assert_eq!(Token::basic(user, password).unwrap_err().kind(), crate::ErrorKind::Config, "{user:?}");
        }
    }

    static POST: Operation =
        Operation { id: "post", method: http::Method::POST, path: "/x", accept: "*/*", empty: &[] };

    /// Numbers its signatures, covers body, target and date, and takes no stream.
    #[derive(Debug, Default)]
    struct Numbered(std::sync::atomic::AtomicU32);

    impl Signer for Numbered {
        fn sign(&self, request: &Unsigned<'_>) -> Result<HeaderMap, Error> {
            let body = request.body.ok_or_else(|| Error::config("a stream cannot be signed"))?;
            let n = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let at = request.now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            let text = format!("{n} {} {at} {}", request.target, String::from_utf8_lossy(body));
            Ok(HeaderMap::from_iter([(http::HeaderName::from_static("x-signature"), text.parse().unwrap())]))
        }
        fn refused(&self, error: Error, signed: SystemTime) -> Error {
            error.with_message(format!("signed at {:?}", signed.duration_since(SystemTime::UNIX_EPOCH).unwrap()))
        }
    }

    /// A token that can be renewed once.
    #[derive(Debug)]
    struct Renewed;

    impl Credentials for Renewed {
        fn token(&self) -> BoxFuture<'_, Result<Token, Error>> {
            Box::pin(async { Token::new("old-token") })
        }
        fn renew<'a>(&'a self, _: &'a Token) -> BoxFuture<'a, Result<Option<Token>, Error>> {
            Box::pin(async { Token::new("new-token").map(Some) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_time_a_request_is_sent_it_is_signed_again_over_the_bytes_that_are_sent() {
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let log = seen.clone();
        let server = crate::transport::from_fn(move |request: http::Request<bytes::Bytes>| {
            let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
            log.lock().unwrap().push((header("x-signature"), header("authorization")));
            async {
                tokio::time::sleep(std::time::Duration::from_secs(2)).await;
                let mut response = http::Response::new(bytes::Bytes::new());
                *response.status_mut() = http::StatusCode::UNAUTHORIZED;
                Ok(response)
            }
        });
        let clock = crate::TokioClock::starting_at(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(100));
        let builder = crate::Client::builder("http://a.example").unwrap().transport(server).clock(Arc::new(clock));
        let client = builder.credentials(Arc::new(Renewed)).signer(Arc::new(Numbered::default())).build().unwrap();
        let options = crate::CallOptions::new().header("x-signature", "forged");
        let request = crate::Request::new(&POST, &[]).unwrap().json(&[1]).unwrap().options(options);
        let error = client.empty(request).await.unwrap_err();
        assert_eq!(error.message(), "signed at 102s");
        let expected = [("0 /x 100 [1]", "Bearer old-token"), ("1 /x 102 [1]", "Bearer new-token")];
        assert_eq!(*seen.lock().unwrap(), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[tokio::test]
    async fn what_cannot_be_signed_is_not_sent() {
        let server =
            crate::transport::from_fn(|_: http::Request<bytes::Bytes>| async { Err(Error::config("this was sent")) });
        let builder = crate::Client::builder("http://a.example").unwrap().transport(server);
        let client = builder.signer(Arc::new(Numbered::default())).build().unwrap();
        let stream = crate::ByteStream::from_bytes("x".into());
        let request = crate::Request::new(&POST, &[]).unwrap().body("text/plain", stream);
        let error = client.empty(request).await.unwrap_err();
        assert_eq!((error.message(), error.delivery()), ("a stream cannot be signed", crate::Delivery::NotSent));
    }

    #[tokio::test]
    async fn a_secret_parameter_is_sent_and_shown_in_no_error() {
        let server = crate::transport::from_fn(|request: http::Request<bytes::Bytes>| async move {
            let mut response = http::Response::new(request.uri().to_string().into());
            *response.status_mut() = http::StatusCode::BAD_GATEWAY;
            Ok(response)
        });
        let client = crate::Client::builder("http://a.example").unwrap().transport(server).build().unwrap();
        let request = crate::Request::new(&POST, &[]).unwrap().query_secret("token", &"sesame/1+2==");
        let error = client.empty(request).await.unwrap_err();
        assert!(error.body().contains("/x?token=[redacted]"), "{}", error.body());
        assert!(!format!("{error} {error:?}").contains("sesame"), "{error:?}");
    }
}
