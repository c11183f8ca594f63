//! The facade and a simulator over real sockets: to whom the token goes, and what a network does that no function does.
use std::time::Duration;

use consign::civitai::{Civitai, Jobs, TextToImage};
use consign::{Delivery, Error, ErrorKind, Outcome, Pace, RetryPolicy, WaitPolicy};
use consign_sim::civitai::Server;
use consign_sim::civitai::operation::{BLOB, CANCEL, GET, SUBMIT};
use consign_sim::{Civitai as Sim, Fault, Rule};

const MODEL: &str = "urn:air:sdxl:checkpoint:civitai:101055@128078";

fn cat() -> TextToImage {
    TextToImage::new(MODEL, "a cat").size(64, 64)
}

/// A simulator in a hurry, served.
async fn served() -> (Sim, Server) {
    let sim = Sim::builder().seed(1).speed(1000.0).start(std::time::SystemTime::now()).build();
    let server = sim.serve("127.0.0.1:0").await.unwrap();
    (sim, server)
}

/// Jobs that lose no time with pauses.
fn jobs(url: &str, attempts: u32) -> Jobs {
    let civitai = Civitai::builder().base_url(url).token("socket-token-1").build().unwrap();
    let retry = RetryPolicy::default().attempts(attempts).pauses(Duration::from_millis(1), Duration::from_millis(1));
    let wait = WaitPolicy::default().pace(Pace::fixed(Duration::from_millis(10)));
    Jobs::builder(civitai).retry(retry).wait(wait).build()
}

#[tokio::test]
async fn the_token_goes_to_the_interface_and_never_to_the_host_of_the_pictures() {
    let (sim, server) = served().await;
    let folder = tempfile::tempdir().unwrap();
    let job = jobs(server.url(), 1).submit(cat().quantity(2)).await.unwrap();
    let done = job.wait().await.unwrap();
    let images = done.into_result().unwrap();
    assert_eq!(images.save_all(folder.path()).await.unwrap().len(), 2);
    assert!(images.images()[0].url().await.unwrap().starts_with(server.blob_url()));
    assert_ne!(server.url(), server.blob_url());
    let entries = sim.ledger().entries();
    assert!(entries.iter().all(|entry| entry.credentials == (entry.operation != BLOB)));
    assert!(entries.iter().filter(|entry| entry.operation == BLOB).count() == 2 && sim.ledger().leaks() == 0);
    // Nor does the address of the interface, nor a cookie.
    for entry in sim.ledger().of(BLOB) {
        assert!(!entry.headers.contains_key("referer") && !entry.headers.contains_key("cookie"), "{:?}", entry.headers);
    }
}

#[tokio::test]
async fn no_redirect_is_followed_so_that_no_other_host_gets_token_or_order() {
    let (sim, server) = served().await;
    let (other, elsewhere) = served().await;
    let jobs = jobs(server.url(), 3);
    let job = jobs.submit(cat()).await.unwrap();
    for status in [301, 302, 303, 307, 308] {
        let away =
            || Fault::empty(status).header("location", &format!("{}/v1/consumer/jobs?k=s3cret", elsewhere.url()));
        for operation in [SUBMIT, GET, CANCEL] {
            sim.faults().add(Rule::new(away()).on(operation).times(1));
        }
        let errors: [Error; 3] =
            [jobs.submit(cat()).await.unwrap_err(), job.look().await.unwrap_err(), job.cancel().await.unwrap_err()];
        for error in errors {
            assert_eq!(
                (error.kind(), error.status(), error.delivery()),
                (ErrorKind::Status, Some(status), Delivery::Rejected)
            );
            let text = error.to_string();
            assert!(text.contains("redirects to 127.0.0.1") && !text.contains("s3cret"), "{text}");
        }
    }
    let done = job.wait().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    let away = Fault::empty(302).header("location", &format!("{}/x", elsewhere.blob_url()));
    sim.faults().add(Rule::new(away).on(BLOB).always());
    let error = done.outputs().images()[0].bytes(1 << 20).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Status);
    assert!(other.ledger().is_empty() && sim.ledger().submissions() == 1);
}

#[tokio::test]
async fn a_refused_connection_surely_sent_nothing_and_is_tried_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = jobs(&url, 3).submit(cat()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery(), error.attempts()),
        (ErrorKind::Transport, Delivery::NotSent, 3),
        "{error}"
    );
    assert!(error.to_string().contains("nothing was sent"), "{error}");
}

#[tokio::test]
async fn connections_that_break_leave_no_second_job_and_no_half_file() {
    let (sim, server) = served().await;
    let folder = tempfile::tempdir().unwrap();
    let jobs = jobs(server.url(), 5);
    for fault in [Fault::lose_reply(), Fault::cut_reply(10), Fault::drop_before()] {
        sim.faults().once(SUBMIT, fault);
        let before = sim.ledger().count(SUBMIT);
        let error = jobs.submit(cat()).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Transport, Delivery::Unknown), "{error}");
        assert_eq!(sim.ledger().count(SUBMIT) - before, 1);
    }
    let job = jobs.submit(cat().size(512, 512)).await.unwrap();
    sim.faults().add(Rule::new(Fault::lose_reply()).on(GET).times(2));
    let images = job.wait().await.unwrap().into_result().unwrap();
    let whole = images.images()[0].bytes(1 << 24).await.unwrap();
    for at in [0, 1, 700] {
        sim.faults().once(BLOB, Fault::cut_reply(at));
    }
    let path = images.images()[0].save_to(folder.path()).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), whole);
    assert!(sim.ledger().of(BLOB).last().unwrap().headers.contains_key("range"), "it was resumed");
    sim.faults().add(Rule::new(Fault::cut_reply(700)).on(BLOB).always());
    let other = tempfile::tempdir().unwrap();
    assert_eq!(images.images()[0].save_to(other.path()).await.unwrap_err().kind(), ErrorKind::Transport);
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0);
}
