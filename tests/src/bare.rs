//! A provider without any optional operation; and that using one does not compile.
//!
//! Each pair differs in one word: the first compiles, the second does not.
//!
//! ```
//! # use consign::{Job, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn cancel(job: &Job<Civitai>) { drop(job.cancel()); }
//! ```
//! ```compile_fail,E0599
//! # use consign::{Job, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn cancel(job: &Job<Bare>) { drop(job.cancel()); }
//! ```
//!
//! ```
//! # use consign::{Job, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn taint(job: &Job<Civitai>) { drop(job.taint("blurred")); }
//! ```
//! ```compile_fail,E0599
//! # use consign::{Job, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn taint(job: &Job<Bare>) { drop(job.taint("blurred")); }
//! ```
//!
//! ```
//! # use consign::{Finished, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn outputs(done: &Finished<Civitai>) { drop(done.outputs()); }
//! ```
//! ```compile_fail,E0599
//! # use consign::{Finished, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn outputs(done: &Finished<Bare>) { drop(done.outputs()); }
//! ```
//!
//! ```
//! # use consign::{Jobs, Provider, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn query(jobs: &Jobs<Civitai>, query: <Civitai as Provider>::Query) { drop(jobs.query(query)); }
//! ```
//! ```compile_fail,E0599
//! # use consign::{Jobs, Provider, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn query(jobs: &Jobs<Bare>, query: <Bare as Provider>::Query) { drop(jobs.query(query)); }
//! ```
//!
//! ```
//! # use consign::{Jobs, Provider, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn price(jobs: &Jobs<Civitai>, spec: <Civitai as Provider>::Spec) { drop(jobs.price(spec)); }
//! ```
//! ```compile_fail,E0599
//! # use consign::{Jobs, Provider, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn price(jobs: &Jobs<Bare>, spec: <Bare as Provider>::Spec) { drop(jobs.price(spec)); }
//! ```
//!
//! ```
//! # use consign::{Jobs, Provider, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn cap(jobs: &Jobs<Civitai>, spec: <Civitai as Provider>::Spec) { drop(jobs.submit(spec).max_cost(1.0)); }
//! ```
//! ```compile_fail,E0599
//! # use consign::{Jobs, Provider, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn cap(jobs: &Jobs<Bare>, spec: <Bare as Provider>::Spec) { drop(jobs.submit(spec).max_cost(1.0)); }
//! ```
//!
//! ```
//! # use consign::{Jobs, Provider, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn batch(jobs: &Jobs<Civitai>, specs: Vec<<Civitai as Provider>::Spec>) { drop(jobs.submit_batch(specs)); }
//! ```
//! ```compile_fail,E0599
//! # use consign::{Jobs, Provider, civitai::Civitai}; use consign_tests::bare::Bare;
//! fn batch(jobs: &Jobs<Bare>, specs: Vec<<Bare as Provider>::Spec>) { drop(jobs.submit_batch(specs)); }
//! ```
//!
//! ```
//! # use consign::{Jobs, Provider, bacalhau::Bacalhau}; use consign_tests::bare::Bare;
//! fn list(jobs: &Jobs<Bacalhau>, filter: <Bacalhau as Provider>::Filter) { drop(jobs.list(filter)); }
//! ```
//! ```compile_fail,E0599
//! # use consign::{Jobs, Provider, bacalhau::Bacalhau}; use consign_tests::bare::Bare;
//! fn list(jobs: &Jobs<Bare>, filter: <Bare as Provider>::Filter) { drop(jobs.list(filter)); }
//! ```
//!
//! ```
//! # use consign::{Job, bacalhau::Bacalhau}; use consign_tests::bare::Bare;
//! fn logs(job: &Job<Bacalhau>) { drop(job.logs()); }
//! ```
//! ```compile_fail,E0599
//! # use consign::{Job, bacalhau::Bacalhau}; use consign_tests::bare::Bare;
//! fn logs(job: &Job<Bare>) { drop(job.logs()); }
//! ```
use consign::{BoxFuture, Caps, Cx, Job, Look, Provider, Result, Snapshot, Submitted, Ticket, Violations};

/// Submits and looks, and can do nothing else.
#[derive(Debug)]
pub struct Bare(pub consign_http::Client);

impl Provider for Bare {
    const NAME: &'static str = "bare";
    const CAPS: Caps = Caps::NONE;
    type Spec = String;
    type Raw = ();
    type Output = ();
    type Query = ();
    type Filter = ();

    fn http(&self) -> &consign_http::Client {
        &self.0
    }
    fn validate(_: &String) -> Violations {
        Violations::new()
    }
    fn submit<'a>(&'a self, specs: &'a [String], _: &'a Cx) -> BoxFuture<'a, Result<Submitted<Self>>> {
        Box::pin(async move { Ok(Submitted { ticket: Ticket::new(Self::NAME, 1, &*specs[0]), snapshot: None }) })
    }
    fn look<'a>(&'a self, _: &'a Ticket, _: Look, _: &'a Cx) -> BoxFuture<'a, Result<Snapshot<Self>>> {
        Box::pin(async { Ok(Snapshot::new(Vec::new(), ())) })
    }
    fn outputs(_: &Job<Self>, _: &Snapshot<Self>) {}
}
