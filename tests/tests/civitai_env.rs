//! Setting Civitai up: from the environment, with good and bad addresses, tokens, headers and network settings.
use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;

use consign::civitai::{Civitai, CivitaiBuilder, Jobs, TextToImage};
use consign::{BoxFuture, CallOptions, Credentials, Delivery, Error, ErrorKind, NetworkSettings, Token};
use consign_sim::Civitai as Sim;
use consign_tests::env::{self, MARK};
use consign_tests::in_process::{jobs, wire};

const MODEL: &str = "urn:air:sdxl:checkpoint:civitai:101055@128078";

/// What another process with these variables says; a process's own variables cannot be changed safely.
fn from_env(variables: &[(&str, OsString)]) -> String {
    env::told(&["CIVITAI_API_TOKEN", "CIVITAI_BASE_URL"], variables)
}

#[test]
#[ignore = "run by the tests beside it, in a process of its own"]
fn tell_what_the_environment_gives() {
    let said = match Jobs::from_env() {
        Ok(jobs) => format!("{} {jobs:?}", jobs.provider().client().http().base_url()),
        Err(error) => format!("{:?} {:?} {error}", error.kind(), error.delivery()),
    };
    writeln!(std::io::stdout(), "\n{MARK}{}", said.replace('\n', "\\n")).unwrap();
}

#[test]
fn the_environment_gives_the_token_and_perhaps_the_address() {
    let token = ("CIVITAI_API_TOKEN", OsString::from("s3cret-token"));
    let said = from_env(std::slice::from_ref(&token));
    assert!(said.starts_with("https://orchestration.civitai.com "), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    for (url, used) in [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080 "),
        ("https://orchestration-dev.civitai.com/", "https://orchestration-dev.civitai.com "),
        ("", "https://orchestration.civitai.com "),
        ("  ", "https://orchestration.civitai.com "),
    ] {
        let said = from_env(&[token.clone(), ("CIVITAI_BASE_URL", url.into())]);
        assert!(said.starts_with(used), "{url:?}: {said}");
    }
}

#[test]
fn what_the_environment_lacks_or_has_wrong_is_told_by_its_name() {
    let good = OsString::from("s3cret-token");
    // Token, address: what the error names and says.
    let mut table: Vec<(Option<OsString>, Option<OsString>, &str, &str)> = vec![
        (None, None, "CIVITAI_API_TOKEN", "is not set"),
        (Some("".into()), None, "CIVITAI_API_TOKEN", "is not set"),
        (Some("  ".into()), None, "CIVITAI_API_TOKEN", "is not set"),
        (Some("s3cret\n".into()), None, "CIVITAI_API_TOKEN", "a line break at position 6"),
        (Some("s3cret token".into()), None, "CIVITAI_API_TOKEN", "a blank at position 6"),
        (Some("s3cr\u{e9}t".into()), None, "CIVITAI_API_TOKEN", "not printable ASCII"),
        (Some(good.clone()), Some("orchestration.civitai.com".into()), "CIVITAI_BASE_URL", "http:// or https://"),
        (Some(good.clone()), Some("https://a.example/v1".into()), "CIVITAI_BASE_URL", "has a path"),
        (Some(good.clone()), Some("https://u:s3cret@a.example".into()), "CIVITAI_BASE_URL", "user name or password"),
        (Some(good.clone()), Some("https://a.example\n".into()), "CIVITAI_BASE_URL", "a blank or a line break"),
    ];
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let bytes = || Some(OsString::from_vec(b"s3cret-\xff".to_vec()));
        table.push((bytes(), None, "CIVITAI_API_TOKEN", "is not UTF-8"));
        table.push((Some(good), bytes(), "CIVITAI_BASE_URL", "is not UTF-8"));
    }
    for (token, url, name, what) in table {
        let variables = [("CIVITAI_API_TOKEN", token), ("CIVITAI_BASE_URL", url)];
        let given: Vec<_> = variables.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let said = from_env(&given);
        assert!(said.starts_with("Config NotSent "), "{said}");
        assert!(said.contains(name) && said.contains(what), "{said}");
        assert!(!said.contains("s3cr"), "{said}");
    }
}

fn refused(builder: CivitaiBuilder) -> Error {
    let error = builder.build().unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Config, Delivery::NotSent), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    error
}

#[test]
fn addresses_that_are_more_or_less_than_an_origin_are_refused_with_the_reason() {
    let table = [
        ("", "is not a URL"),
        ("a.example", "http:// or https://"),
        ("ftp://a.example", "http:// or https://"),
        ("file:///etc/passwd", ""),
        ("https://", ""),
        ("https://:443", ""),
        ("https://a.example/v1/", "has a path"),
        ("https://a.example//", "has a path"),
        ("https://a.example?key=s3cret", "has a query"),
        ("https://a.example#s3cret", "has a fragment"),
        ("https://u:s3cret@a.example", "user name or password"),
        ("https://s3cret@a.example", "user name or password"),
        (" https://a.example", "a blank or a line break"),
        ("https://a.example\r\nx-evil: 1", "a blank or a line break"),
        ("https://a.example:99999", ""),
        ("https://[::1", ""),
    ];
    for (url, what) in table {
        let error = refused(Civitai::builder().token("t").base_url(url));
        assert!(error.to_string().contains(what) && error.to_string().contains("base URL"), "{url:?}: {error}");
    }
    for url in ["http://127.0.0.1:1", "https://a.example/", "HTTPS://A.example", "http://[::1]:80"] {
        Civitai::builder().token("t").base_url(url).build().unwrap_or_else(|e| panic!("{url}: {e}"));
    }
}

#[test]
fn tokens_that_cannot_stand_in_a_header_and_network_settings_that_cannot_be_used_are_refused() {
    for token in
        ["", " ", "s3cret\n", "s3cret\r\nx-evil: 1", "s3cret token", "s3cret\u{0}", "s3cr\u{e9}t", "\u{feff}s3cret"]
    {
        assert!(refused(Civitai::builder().token(token)).to_string().contains("token"), "{token:?}");
        assert_eq!(Civitai::new(token).unwrap_err().kind(), ErrorKind::Config);
    }
    let error = refused(Civitai::builder());
    assert!(error.to_string().contains("CIVITAI_API_TOKEN"), "{error}");
    let network = [
        NetworkSettings::new().proxy("not a proxy"),
        NetworkSettings::new().proxy("http://u:s3cret@"),
        NetworkSettings::new().add_certificate("not a certificate"),
        NetworkSettings::new().user_agent("a\r\nx-evil: 1"),
    ];
    for settings in network {
        refused(Civitai::builder().token("t").network(settings));
    }
}

#[tokio::test(start_paused = true)]
async fn headers_of_a_call_that_cannot_be_sent_are_refused_before_anything_is() {
    let sim = Sim::new();
    let table = [
        ("authorization", "Bearer s3cret"),
        ("host", "x"),
        ("content-length", "1"),
        ("a b", "x"),
        ("x", "a\r\nb"),
        ("", "x"),
    ];
    for (name, value) in table {
        let jobs = jobs(&sim).with_options(CallOptions::new().header(name, value));
        let error = jobs.submit(TextToImage::new(MODEL, "a cat")).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Config, Delivery::NotSent), "{name:?}: {error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    assert!(sim.ledger().is_empty());
}

/// A source of tokens that has none.
#[derive(Debug)]
struct Locked(Arc<str>);

impl Credentials for Locked {
    fn token(&self) -> BoxFuture<'_, Result<Token, consign_http::Error>> {
        let error = consign_http::Error::config(format!("the key store is locked: {}", self.0));
        Box::pin(std::future::ready(Err(error)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_has_no_token_says_so_and_nothing_is_sent() {
    let sim = Sim::new();
    let civitai = Civitai::builder().base_url(Sim::URL).credentials(Locked("try later".into())).transport(wire(&sim));
    let jobs = Jobs::new(civitai.build().unwrap());
    let error = jobs.submit(TextToImage::new(MODEL, "a cat")).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Config, Delivery::NotSent));
    assert!(error.to_string().contains("the key store is locked: try later"), "{error}");
    assert!(sim.ledger().is_empty());
}
