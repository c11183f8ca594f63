//! A login with OAuth: access tokens that are renewed with a refresh token.
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use consign_http::{
    Body, BoxFuture, Clock, Credentials, Delivery, Error, ErrorKind, Network, NetworkSettings, Token, TokioClock,
    Transport, timeout,
};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Uri};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::read_error;
use crate::wire::Secret;

/// Where the public service renews tokens, as OAuth has it.
pub const TOKEN_URL: &str = "https://users.numind.ai/realms/extract-platform/protocol/openid-connect/token";
/// The path at which the service itself renews tokens, without a client id.
const PLATFORM: &str = "/api/auth/token";
/// A token is renewed this long before it expires.
const EARLY: Duration = Duration::from_secs(30);
/// How long a renewal may take.
const LIMIT: Duration = Duration::from_secs(20);
/// The largest answer that is read.
const LARGEST: usize = 256 << 10;

type Renewal = BoxFuture<'static, Result<Tokens, Error>>;
type Keep = Arc<dyn Fn(&Secret) + Send + Sync>;

/// A source of access tokens for [`ClientBuilder::credentials`](consign_http::ClientBuilder::credentials), which
/// renews them: shortly before they expire, and when the server answers 401. However many calls wait for it, there is
/// one renewal at a time; one whose caller went away is taken up by the next.
///
/// ```
/// use std::sync::Arc;
/// use consign_numind::{OAuth, PRODUCTION, builder, v0_4};
///
/// # fn run(stored: String) -> Result<(), consign_numind::Error> {
/// let login = OAuth::new("my-client-id", stored)?.on_new_refresh_token(|token| { /* store token.expose() */ });
/// let client = v0_4::Client::from_http(builder(PRODUCTION)?.credentials(Arc::new(login)).build()?);
/// # Ok(()) }
/// ```
pub struct OAuth {
    endpoint: Endpoint,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    keep: Option<Keep>,
    state: Mutex<State>,
}

#[derive(Clone)]
struct Endpoint {
    url: Uri,
    /// `None`: the service's own form.
    client: Option<(String, Option<Secret>)>,
}

struct State {
    refresh: Secret,
    access: Option<Access>,
    /// A renewal that is under way.
    renewal: Option<Renewal>,
}

#[derive(Clone)]
struct Access {
    token: Token,
    /// `None`: nobody said.
    until: Option<Instant>,
}

/// What a renewal gives: names of OAuth, and those of the service's own form.
#[derive(Deserialize)]
struct Tokens {
    #[serde(alias = "token")]
    access_token: Secret,
    /// Seconds; some write them as a text or with a fraction.
    #[serde(alias = "expiresIn")]
    expires_in: Option<Value>,
    #[serde(alias = "refreshToken")]
    refresh_token: Option<Secret>,
}

impl OAuth {
    /// Renews at [`TOKEN_URL`], for the client that the refresh token was given to.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if id or token is blank, or the network cannot be set up.
    pub fn new(client_id: impl Into<String>, refresh_token: impl Into<String>) -> Result<Self, Error> {
        let client_id = client_id.into();
        if client_id.trim().is_empty() {
            return Err(Error::config("the client id is blank"));
        }
        Self::at(TOKEN_URL, Some((client_id, None)), refresh_token.into())
    }
    /// Renews at the service's own address (`POST /api/auth/token` below `base_url`), as its web pages do: without a
    /// client id.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if URL or token cannot be used, or the network cannot be set up.
    pub fn of_platform(base_url: &str, refresh_token: impl Into<String>) -> Result<Self, Error> {
        let base_url = crate::builder(base_url).and_then(|builder| builder.build())?.base_url().to_owned();
        Self::at(&format!("{base_url}{PLATFORM}"), None, refresh_token.into())
    }
    fn at(url: &str, client: Option<(String, Option<Secret>)>, refresh: String) -> Result<Self, Error> {
        if refresh.trim().is_empty() {
            return Err(Error::config("the refresh token is blank"));
        }
        Ok(Self {
            endpoint: Endpoint { url: address(url)?, client },
            transport: Arc::new(Network::new(&NetworkSettings::new())?),
            clock: Arc::new(TokioClock::new()),
            keep: None,
            state: Mutex::new(State { refresh: refresh.into(), access: None, renewal: None }),
        })
    }

    /// Renews elsewhere: at the token URL of an installation of one's own.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it is no `http` or `https` URL with a host.
    pub fn token_url(mut self, url: &str) -> Result<Self, Error> {
        self.endpoint.url = address(url)?;
        Ok(self)
    }
    /// With the secret of a client that has one. Of no use with [`OAuth::of_platform`].
    #[must_use]
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        if let Some((_, place)) = &mut self.endpoint.client {
            *place = Some(secret.into().into());
        }
        self
    }
    /// With an access token to begin with, which is used until the server refuses it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the token cannot stand in a header.
    pub fn access_token(mut self, token: impl Into<String>) -> Result<Self, Error> {
        self.state.get_mut().access = Some(Access { token: Token::new(token)?, until: None });
        Ok(self)
    }
    /// Calls `keep` with each new refresh token. The one before may be of no use from then on: store the new one.
    #[must_use]
    pub fn on_new_refresh_token(mut self, keep: impl Fn(&Secret) + Send + Sync + 'static) -> Self {
        self.keep = Some(Arc::new(keep));
        self
    }
    /// Another transport than the network.
    #[must_use]
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Arc::new(transport);
        self
    }
    /// Another clock. Default: [`TokioClock`].
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// A token that is not `refused`, renewed if there is none that is good.
    async fn get(&self, refused: Option<&Token>) -> Result<Token, Error> {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        if let Some(Access { token, until }) = &state.access {
            let good = until.is_none_or(|until| self.clock.now() < until) && refused != Some(token);
            if good && state.renewal.is_none() {
                return Ok(token.clone());
            }
        }
        // Kept in the state: whoever drops this future leaves the renewal to the next caller, so that a refresh token
        // that was used up is not lost with its answer.
        let renewal = state.renewal.get_or_insert_with(|| self.renewal(&state.refresh));
        let renewed = renewal.as_mut().await;
        state.renewal = None;
        let tokens = renewed?;
        // First of all: whatever else is wrong with the answer, the refresh token before it may be of no use any more.
        if let Some(refresh) = tokens.refresh_token.filter(|new| !new.expose().is_empty() && *new != state.refresh) {
            state.refresh = refresh;
            if let Some(keep) = &self.keep {
                keep(&state.refresh);
            }
        }
        let token = Token::new(tokens.access_token.expose())?;
        let until = tokens.expires_in.as_ref().and_then(seconds).and_then(|good| {
            // A token that is good for a minute is not renewed all the time.
            self.clock.now().checked_add(good.saturating_sub(EARLY.min(good / 2)))
        });
        state.access = Some(Access { token: token.clone(), until });
        Ok(token)
    }

    /// One renewal. It stands on its own, without a borrow.
    fn renewal(&self, refresh: &Secret) -> Renewal {
        let request = self.endpoint.request(refresh);
        let (transport, clock, refresh) = (self.transport.clone(), self.clock.clone(), refresh.clone());
        let secret = self.endpoint.client.as_ref().and_then(|(_, secret)| secret.clone());
        Box::pin(async move {
            let late = || Error::new(ErrorKind::Timeout, Delivery::Unknown, format!("no answer within {LIMIT:?}"));
            let answer = timeout(&*clock, LIMIT, send(&*transport, request, &*clock));
            let answer = answer.await.unwrap_or_else(|| Err(late()));
            answer.map_err(|error| {
                // A server may repeat them as they are, or the form as it was sent.
                let hide =
                    |error: Error, secret: &Secret| error.redacted(&escaped(secret.expose())).redacted(secret.expose());
                let error = secret.iter().fold(hide(error, &refresh), hide);
                let what = format!("the access token cannot be renewed: {}", error.message());
                error.with_message(what)
            })
        })
    }
}

impl Endpoint {
    fn request(&self, refresh: &Secret) -> Request<Body> {
        let (media, body) = match &self.client {
            Some((client_id, secret)) => {
                let secret = secret.as_ref().map(Secret::expose);
                let pairs = [
                    ("grant_type", Some("refresh_token")),
                    ("refresh_token", Some(refresh.expose())),
                    ("client_id", Some(client_id)),
                    ("client_secret", secret),
                ];
                ("application/x-www-form-urlencoded", encoded(&pairs))
            }
            None => {
                let form = PlatformForm { kind: "ai.numind.extract.shared.TokenRefreshRequest", token: refresh };
                // Two texts can always be written.
                ("application/json", serde_json::to_string(&form).unwrap_or_default())
            }
        };
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(media));
        request.headers_mut().insert(ACCEPT, http::HeaderValue::from_static("application/json"));
        request
    }
}

/// What the service's own form of a renewal sends.
#[derive(Serialize)]
struct PlatformForm<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    token: &'a Secret,
}

/// `name=value` pairs, percent-encoded.
fn encoded(pairs: &[(&str, Option<&str>)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        text.push_str(if text.is_empty() { "" } else { "&" });
        text.push_str(name);
        text.push('=');
        text.push_str(&escaped(value));
    }
    text
}

/// A value of a form.
fn escaped(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

/// How long a token is good; `None` if that is not told.
fn seconds(told: &Value) -> Option<Duration> {
    let seconds = told.as_f64().or_else(|| told.as_str()?.trim().parse().ok())?;
    Duration::try_from_secs_f64(seconds).ok()
}

async fn send(transport: &dyn Transport, request: Request<Body>, clock: &dyn Clock) -> Result<Tokens, Error> {
    let (head, body) = transport.send(request).await?.into_parts();
    let body: Bytes = body.collect(LARGEST).await?;
    if !head.status.is_success() {
        let failure = consign_http::Failure { status: head.status, headers: &head.headers, body: &body };
        return Err(Error::answer(&failure, Some(oauth_error), clock.wall()));
    }
    // The body holds tokens: it does not go into an error.
    serde_json::from_slice(&body).map_err(|_| {
        let what = "the answer has no access token";
        Error::new(ErrorKind::Decode, Delivery::Unknown, what).with_answer(head.status, http::HeaderMap::new(), b"")
    })
}

/// The service's own errors, and those of OAuth: `error` and `error_description`. A refused refresh token is as good
/// as none: log in again.
fn oauth_error(failure: &consign_http::Failure<'_>) -> consign_http::ErrorDetail {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
        error_description: Option<String>,
    }
    let mut detail = read_error(failure);
    if let Ok(refusal) = serde_json::from_slice::<Refusal>(failure.body) {
        detail.message = Some(match refusal.error_description {
            Some(text) => format!("{text} ({})", refusal.error),
            None => refusal.error.clone(),
        });
        if refusal.error == "invalid_grant" {
            detail.kind = Some(ErrorKind::Unauthorized);
        }
    }
    detail
}

fn address(url: &str) -> Result<Uri, Error> {
    let bad = || Error::config("the token URL is not a URL such as https://login.example.com/token");
    let uri: Uri = url.parse().map_err(|_| bad())?;
    let plain = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
    if plain { Ok(uri) } else { Err(bad()) }
}

impl Credentials for OAuth {
    fn token(&self) -> BoxFuture<'_, Result<Token, Error>> {
        Box::pin(self.get(None))
    }
    fn renew<'a>(&'a self, refused: &'a Token) -> BoxFuture<'a, Result<Option<Token>, Error>> {
        Box::pin(async move { self.get(Some(refused)).await.map(Some) })
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("url", &self.endpoint.url.to_string()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
