//! What a provider says it can do, as data and as types: both say the same, and both are true.
use std::marker::PhantomData;

use consign::civitai::Civitai;
use consign::numind::NuMind;
use consign::{
    Batch, Cancel, Caps, Cx, ErrorKind, List, Logs, Outputs, Priced, Provider, Query, Taint, TaintReason, Ticket,
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
    const LOGS: bool = false;
    const PRICED: bool = false;
    const OUTPUTS: bool = false;
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
impl<P: Logs> Has<P> {
    const LOGS: bool = true;
}
impl<P: Priced> Has<P> {
    const PRICED: bool = true;
}
impl<P: Outputs> Has<P> {
    const OUTPUTS: bool = true;
}

fn flags(caps: Caps) -> [bool; 8] {
    let Caps { cancel, taint, query, list, logs, price, outputs, .. } = caps;
    [caps.batch.is_some(), cancel, taint, query, list, logs, price, outputs]
}

#[test]
fn capabilities_as_data_and_as_types_agree() {
    macro_rules! agree {
        ($($provider:ty),*) => {$({
            type P = Has<$provider>;
            let types =
                [P::BATCH, P::CANCEL, P::TAINT, P::QUERY, P::LIST, P::LOGS, P::PRICED, P::OUTPUTS];
            assert_eq!(flags(<$provider>::CAPS), types, "{}", <$provider>::NAME);
        })*};
    }
    agree!(Civitai, NuMind, Bare);
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
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("bare has no operation to"), "{error}");
    }
}
