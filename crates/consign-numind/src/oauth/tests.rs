//! Tests of the renewal of tokens.
use super::*;
use http::{Response, StatusCode};
use std::sync::Mutex as Locked;

/// Answers renewals in order, each after a pause, and keeps what was sent.
#[derive(Clone, Debug, Default)]
struct Server {
    sent: Arc<Locked<Vec<String>>>,
    answers: Arc<Locked<Vec<(u16, String)>>>,
}

impl Server {
    fn with(answers: &[(u16, &str)]) -> Self {
        let answers = answers.iter().rev().map(|(status, body)| (*status, (*body).to_owned())).collect();
        Self { sent: Arc::default(), answers: Arc::new(Locked::new(answers)) }
    }
    fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }
}

impl Transport for Server {
    fn send(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response<consign_http::ByteStream>, Error>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect(9999).await?;
            let line = format!("{} {} {}", head.method, head.uri, String::from_utf8_lossy(&body));
            self.sent.lock().unwrap().push(line);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (status, body) = self.answers.lock().unwrap().pop().expect("one more renewal than expected");
            let mut response = Response::new(consign_http::ByteStream::from_bytes(body.into()));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok(response)
        })
    }
}

fn login(server: &Server) -> OAuth {
    OAuth::new("my client", "refresh-1+/=").unwrap().transport(server.clone())
}
fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_expires_and_not_earlier() {
    let server = Server::with(&[
        (200, r#"{"access_token":"a1","expires_in":300,"token_type":"Bearer"}"#),
        (200, r#"{"access_token":"a2","expires_in":300,"refresh_token":"refresh-2"}"#),
        (200, r#"{"access_token":"a3"}"#),
    ]);
    let kept = Arc::new(Locked::new(Vec::new()));
    let keep = kept.clone();
    let login = login(&server).on_new_refresh_token(move |token| keep.lock().unwrap().push(token.expose().to_owned()));
    assert_eq!(login.token().await.unwrap(), token("a1"));
    tokio::time::sleep(Duration::from_secs(260)).await;
    assert_eq!(login.token().await.unwrap(), token("a1"));
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(login.token().await.unwrap(), token("a2"));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(login.token().await.unwrap(), token("a3"));
    // Nobody said how long it is good: until it is refused.
    tokio::time::sleep(Duration::from_secs(1_000_000)).await;
    assert_eq!(login.token().await.unwrap(), token("a3"));
    let first =
        format!("POST {TOKEN_URL} grant_type=refresh_token&refresh_token=refresh-1%2B%2F%3D&client_id=my%20client");
    let sent = server.sent();
    assert_eq!((sent.len(), &sent[0], &sent[1]), (3, &first, &first));
    assert!(sent[2].contains("refresh_token=refresh-2&"));
    assert_eq!(*kept.lock().unwrap(), ["refresh-2"]);
}

#[tokio::test(start_paused = true)]
async fn many_calls_that_were_refused_make_one_renewal() {
    let server = Server::with(&[(200, r#"{"access_token":"new"}"#)]);
    let login = Arc::new(login(&server).access_token("old").unwrap());
    assert_eq!(login.token().await.unwrap(), token("old"));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let login = login.clone();
        calls.spawn(async move { login.renew(&token("old")).await.unwrap() });
    }
    while let Some(renewed) = calls.join_next().await {
        assert_eq!(renewed.unwrap(), Some(token("new")));
    }
    assert_eq!(server.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_caller_went_away_is_taken_up_by_the_next() {
    let server = Server::with(&[(200, r#"{"access_token":"new","refresh_token":"refresh-2"}"#)]);
    let login = login(&server);
    let clock = TokioClock::new();
    assert!(timeout(&clock, Duration::from_millis(500), login.token()).await.is_none());
    assert_eq!(login.token().await.unwrap(), token("new"));
    assert_eq!(server.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_platform_renews_in_its_own_form() {
    let server = Server::with(&[(200, r#"{"token":"a1","expiresIn":60,"refreshToken":"r2","refreshExpiresIn":1800}"#)]);
    let login = OAuth::of_platform("https://numind.example.com/", "refresh-1").unwrap().transport(server.clone());
    assert_eq!(login.token().await.unwrap(), token("a1"));
    let body = r#"{"type":"ai.numind.extract.shared.TokenRefreshRequest","token":"refresh-1"}"#;
    assert_eq!(server.sent(), [format!("POST https://numind.example.com/api/auth/token {body}")]);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_says_why_and_shows_no_token() {
    let echo = r#"{"error":"invalid_grant","error_description":"refresh-1+/= is used up"}"#;
    let cases = [
        (400, echo, ErrorKind::Unauthorized, "is used up (invalid_grant)"),
        (400, r#"{"error":"invalid_client"}"#, ErrorKind::InvalidRequest, "invalid_client"),
        (502, "<html>bad gateway</html>", ErrorKind::Gateway, "bad gateway"),
        (200, r#"{"expires_in":1,"leaked":"sesame-1"}"#, ErrorKind::Decode, "no access token"),
        (200, r#"{"access_token":"not\na token"}"#, ErrorKind::Config, "a line break"),
        (
            400,
            "refused: refresh_token=refresh-1%2B%2F%3D&client_secret=hush%2Bhush",
            ErrorKind::InvalidRequest,
            "refused",
        ),
    ];
    for (status, body, kind, words) in cases {
        let server = Server::with(&[(status, body), (200, r#"{"access_token":"good"}"#)]);
        let login = login(&server).client_secret("hush+hush");
        let error = login.token().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(words), "{error}");
        let shown = format!("{error} {error:?} {login:?} {}", error.body());
        for secret in ["refresh-1", "hush", "sesame-1"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        // The next call tries again.
        assert_eq!(login.token().await.unwrap(), token("good"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_refresh_token_is_not_lost_whatever_else_its_answer_says() {
    let server = Server::with(&[
        (200, r#"{"access_token":"a b","refresh_token":"refresh-2"}"#),
        (200, r#"{"access_token":"a2","expires_in":"300","refresh_token":"refresh-3"}"#),
        (200, r#"{"access_token":"a3","expires_in":299.5,"refresh_token":"refresh-4"}"#),
        (200, r#"{"access_token":"a4","expires_in":"soon"}"#),
    ]);
    let login = login(&server);
    login.token().await.unwrap_err();
    for expected in ["a2", "a3", "a4"] {
        assert_eq!(login.token().await.unwrap(), token(expected));
        tokio::time::sleep(Duration::from_secs(300)).await;
    }
    assert_eq!(login.token().await.unwrap(), token("a4"));
    let with = |n: usize| format!("refresh_token=refresh-{n}&");
    assert!((2..=4).all(|n| server.sent()[n - 1].contains(&with(n))), "{:?}", server.sent());
}

#[test]
fn what_cannot_be_used_is_refused_at_once() {
    assert!(OAuth::new(" ", "r").is_err() && OAuth::new("c", "").is_err());
    assert!(OAuth::of_platform("numind.example.com", "r").is_err());
    for bad in ["", "ftp://a/token", "https://", "https://user:sesame@a/token"] {
        let error = OAuth::new("c", "r").unwrap().token_url(bad).err().unwrap();
        assert!(error.kind() == ErrorKind::Config && !error.to_string().contains("sesame"), "{bad}");
    }
    assert!(OAuth::new("c", "r").unwrap().token_url("https://login.example.com/realms/x/token").is_ok());
}
