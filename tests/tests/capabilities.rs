//! What a provider says it can do, as data and as types: both say the same, and both are true.
use std::fmt::Write;
use std::marker::PhantomData;

use consign::bacalhau::{Bacalhau, Requester};
use consign::chutes::Chutes;
use consign::civitai::Civitai;
use consign::numind::NuMind;
use consign::{
    Batch, Cancel, Caps, Cx, DynJob, ErrorKind, Jobs, List, Logs, Outputs, Priced, Provider, Query, Taint, TaintReason,
    Ticket,
};
use consign_tests::bare::Bare;

/// Answers whether `P` implements a marker: the inherent constant exists only with the bound and goes
/// before the trait's, which is `false` for all.
struct Has<P>(PhantomData<P>);
trait Otherwise {
    const BATCH: bool = false;
    const CANCEL: bool = false;
    const TAINT: bool = false;
    const QUERY: bool = false;
    const LIST: bool = false;
    const PRICED: bool = false;
    const OUTPUTS: bool = false;
    const LOGS: bool = false;
}
impl<P> Otherwise for Has<P> {}
impl<P: Batch> Has<P> {
    const BATCH: bool = true;
}
impl<P: Cancel> Has<P> {
    const CANCEL: bool = true;
}
impl<P: Taint> Has<P> {
    const TAINT: bool = true;
}
impl<P: Query> Has<P> {
    const QUERY: bool = true;
}
impl<P: List> Has<P> {
    const LIST: bool = true;
}
impl<P: Priced> Has<P> {
    const PRICED: bool = true;
}
impl<P: Outputs> Has<P> {
    const OUTPUTS: bool = true;
}
impl<P: Logs> Has<P> {
    const LOGS: bool = true;
}

fn flags(caps: Caps) -> [bool; 8] {
    let Caps { cancel, taint, query, list, price, outputs, logs, .. } = caps;
    [caps.batch.is_some(), cancel, taint, query, list, price, outputs, logs]
}

#[test]
fn capabilities_as_data_and_as_types_agree() {
    // The constants are looked up for each type by name, so this cannot be a generic function.
    type BacalhauHas = Has<Bacalhau>;
    let types = [
        BacalhauHas::BATCH,
        BacalhauHas::CANCEL,
        BacalhauHas::TAINT,
        BacalhauHas::QUERY,
        BacalhauHas::LIST,
        BacalhauHas::PRICED,
        BacalhauHas::OUTPUTS,
        BacalhauHas::LOGS,
    ];
    assert_eq!(flags(Bacalhau::CAPS), types, "{}", Bacalhau::NAME);
    type RequesterHas = Has<Requester>;
    let types = [
        RequesterHas::BATCH,
        RequesterHas::CANCEL,
        RequesterHas::TAINT,
        RequesterHas::QUERY,
        RequesterHas::LIST,
        RequesterHas::PRICED,
        RequesterHas::OUTPUTS,
        RequesterHas::LOGS,
    ];
    assert_eq!(flags(Requester::CAPS), types, "{}", Requester::NAME);
    type ChutesHas = Has<Chutes>;
    let types = [
        ChutesHas::BATCH,
        ChutesHas::CANCEL,
        ChutesHas::TAINT,
        ChutesHas::QUERY,
        ChutesHas::LIST,
        ChutesHas::PRICED,
        ChutesHas::OUTPUTS,
        ChutesHas::LOGS,
    ];
    assert_eq!(flags(Chutes::CAPS), types, "{}", Chutes::NAME);
    type CivitaiHas = Has<Civitai>;
    let types = [
        CivitaiHas::BATCH,
        CivitaiHas::CANCEL,
        CivitaiHas::TAINT,
        CivitaiHas::QUERY,
        CivitaiHas::LIST,
        CivitaiHas::PRICED,
        CivitaiHas::OUTPUTS,
        CivitaiHas::LOGS,
    ];
    assert_eq!(flags(Civitai::CAPS), types, "{}", Civitai::NAME);
    type NuMindHas = Has<NuMind>;
    let types = [
        NuMindHas::BATCH,
        NuMindHas::CANCEL,
        NuMindHas::TAINT,
        NuMindHas::QUERY,
        NuMindHas::LIST,
        NuMindHas::PRICED,
        NuMindHas::OUTPUTS,
        NuMindHas::LOGS,
    ];
    assert_eq!(flags(NuMind::CAPS), types, "{}", NuMind::NAME);
    type BareHas = Has<Bare>;
    let types = [
        BareHas::BATCH,
        BareHas::CANCEL,
        BareHas::TAINT,
        BareHas::QUERY,
        BareHas::LIST,
        BareHas::PRICED,
        BareHas::OUTPUTS,
        BareHas::LOGS,
    ];
    assert_eq!(flags(Bare::CAPS), types, "{}", Bare::NAME);
}

/// The table of what each provider can do, as it stands in the README.
fn table() -> String {
    let all = [
        (Bacalhau::NAME, Bacalhau::CAPS),
        (Requester::NAME, Requester::CAPS),
        (Chutes::NAME, Chutes::CAPS),
        (Civitai::NAME, Civitai::CAPS),
        (NuMind::NAME, NuMind::CAPS),
    ];
    let yes = |has: bool| if has { "yes" } else { "–" }.to_owned();
    type Cell<'a> = &'a dyn Fn(Caps) -> String;
    let ladder = |caps: Caps| {
        let rungs = [(caps.events, "event stream"), (caps.long_poll.is_some(), "long poll"), (true, "poll")];
        rungs.into_iter().filter_map(|(has, rung)| has.then_some(rung)).collect::<Vec<_>>().join(", ")
    };
    let spacing = |caps: Caps| match caps.spacing.as_secs_f64() {
        0.0 => "–".to_owned(),
        apart => format!("{apart} s"),
    };
    let batch = |caps: Caps| caps.batch.map_or("–".to_owned(), |items| format!("up to {items} items"));
    let rows: [(&str, Cell<'_>); 11] = [
        ("waits by", &ladder),
        ("least time between two requests", &spacing),
        ("several specs in one submission", &batch),
        ("price before submitting, spending cap", &|caps| yes(caps.price)),
        ("cancel", &|caps| yes(caps.cancel)),
        ("taint", &|caps| yes(caps.taint)),
        ("find by properties", &|caps| yes(caps.query)),
        ("list", &|caps| yes(caps.list)),
        ("results", &|caps| yes(caps.outputs)),
        ("logs while it runs", &|caps| yes(caps.logs)),
        ("submit, look, wait, watch, tickets", &|_| yes(true)),
    ];
    let mut table = format!("| | {} |\n", all.map(|(name, _)| format!("`{name}`")).join(" | "));
    table += &format!("|---|{}\n", "---|".repeat(all.len()));
    for (row, cell) in rows {
        writeln!(table, "| {row} | {} |", all.map(|(_, caps)| cell(caps)).join(" | ")).unwrap();
    }
    table
}

#[test]
fn the_readmes_table_is_what_the_providers_say() {
    let readme = include_str!("../../README.md");
    let wanted = table();
    assert!(readme.contains(&wanted), "README.md has to contain:\n\n{wanted}");
}

#[tokio::test]
async fn an_operation_that_a_provider_lacks_is_refused_before_any_request() {
    let nowhere = consign_http::transport::from_fn(|request: http::Request<bytes::Bytes>| async move {
        panic!("a request was sent to {}", request.uri())
    });
    let http = consign_http::Client::builder("http://example.com").unwrap().transport(nowhere).build().unwrap();
    let (bare, cx, ticket) = (Bare(http), Cx::default(), Ticket::new("bare", 1, "x"));
    let errors = [
        bare.cancel(&ticket, None, true, &cx).await.unwrap_err(),
        bare.taint(&ticket, None, &TaintReason::default(), &cx).await.unwrap_err(),
        bare.price(&["x".to_owned()], &cx).await.unwrap_err(),
        bare.query(&(), None, &cx).await.map(|_| ()).unwrap_err(),
        bare.list(&(), None, &cx).await.map(|_| ()).unwrap_err(),
        bare.logs(&ticket, true, &cx).await.map(|_| ()).unwrap_err(),
    ];
    let job = DynJob::from(Jobs::new(bare).attach(ticket).unwrap());
    let mut lines = job.logs(true);
    let first = lines.next().await.unwrap();
    for error in errors.into_iter().chain([first.unwrap_err()]) {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("bare has no operation to"), "{error}");
    }
}
