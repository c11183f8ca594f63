//! Bacalhau for the suite, by either of its interfaces: WebAssembly jobs, which every node can run.
use std::time::Duration;

use consign::Ticket;
use consign::bacalhau::{Bacalhau, JobSpec, Publisher, Requester, Source, WasmJob};
use consign_sim::bacalhau::operation;

use super::{Subject, modules};

/// A module that is published so that its result can be fetched.
fn run(module: &[u8], publisher: Publisher) -> WasmJob {
    WasmJob::new(Source::wasm(module)).publisher(publisher).cpu("100m").memory("64Mb")
}

/// A job with more than one mistake in it.
fn wrong() -> JobSpec {
    WasmJob::new(Source::wasm(modules::HELLO)).memory("much").cpu("-1").into()
}

impl Subject for Bacalhau {
    fn good() -> JobSpec {
        run(modules::HELLO, Publisher::Local).into()
    }
    fn bad(_: bool) -> Option<JobSpec> {
        Some(run(modules::TRAP, Publisher::Local).into())
    }
    fn complaint() -> &'static str {
        "unreachable"
    }
    fn long() -> JobSpec {
        run(modules::SPIN, Publisher::Local).execution_timeout(Duration::from_secs(600)).into()
    }
    fn wrong() -> JobSpec {
        wrong()
    }
    fn nobody() -> Ticket {
        Bacalhau::ticket_of_job("j-00000000-0000-4000-8000-000000000000")
    }
    fn printed() -> &'static str {
        "hello from wasm"
    }
    const LOOK: &'static str = operation::GET;
    const SUBMIT: &'static str = operation::PUT;
}

/// As a node of that interface wants it: results go to IPFS, which is there without more.
fn published(module: &[u8]) -> WasmJob {
    run(module, Publisher::Ipfs)
}

impl Subject for Requester {
    fn good() -> JobSpec {
        published(modules::HELLO).into()
    }
    fn bad(_: bool) -> Option<JobSpec> {
        Some(published(modules::TRAP).into())
    }
    fn complaint() -> &'static str {
        "unreachable"
    }
    fn long() -> JobSpec {
        published(modules::SPIN).execution_timeout(Duration::from_secs(600)).into()
    }
    fn wrong() -> JobSpec {
        wrong()
    }
    fn nobody() -> Ticket {
        Requester::ticket_of_job("00000000-0000-4000-8000-000000000000")
    }
    fn printed() -> &'static str {
        "hello from wasm"
    }
    // They are in IPFS, which is not spoken here.
    const FILES: bool = false;
    const LOOK: &'static str = operation::STATES;
    const SUBMIT: &'static str = operation::SUBMIT;
}
