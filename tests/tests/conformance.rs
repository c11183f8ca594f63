//! The suite that every provider passes, on the simulator in the process and in virtual time.
use std::time::Duration;

use consign_tests::conformance::{Bench, Subject, Went};
use consign_tests::in_process::{clock, nobody, wire};

/// Runs the suite; fails with every step that does not hold.
async fn conforms<P: Subject>(bench: Bench<P>) {
    let (mut told, mut well) = (Vec::new(), 0);
    let report = |name: &'static str, went: &Went, took: Duration| {
        well += usize::from(matches!(went, Went::Well));
        told.push(format!("{took:>10.1?}  {name}: {went:?}"));
    };
    let bad = bench.run(report).await;
    let told = told.join("\n");
    println!("{told}");
    assert_eq!(bad, 0, "{}\n{told}", P::NAME);
    assert!(well >= 23, "only {well} steps apply to {}\n{told}", P::NAME);
}

#[cfg(feature = "civitai")]
#[tokio::test(start_paused = true)]
async fn civitai_conforms_in_every_step() {
    use consign::civitai::Civitai;
    use consign_sim::Civitai as Sim;

    let sim = Sim::builder().seed(3).account("me", &["a-known-token"], None).build();
    let at = |token: &str| Civitai::builder().base_url(Sim::URL).token(token).clock(clock(&sim));
    let nowhere = at("x").transport(nobody()).build().unwrap();
    let bench = Bench::new(at("a-known-token").transport(wire(&sim)).build().unwrap(), nowhere, false);
    conforms(bench.faults(sim.faults()).stranger(at("another-token").transport(wire(&sim)).build().unwrap())).await;
}

#[cfg(feature = "bacalhau")]
#[tokio::test(start_paused = true)]
async fn bacalhau_conforms_in_every_step() {
    use consign::bacalhau::Bacalhau;
    use consign_sim::Bacalhau as Sim;

    let sim = Sim::builder().seed(3).api_key("me", "a-known-key-of-20-chars", &["*"]).build();
    let at = |key: &str| Bacalhau::builder().base_url(Sim::URL).token(key).clock(clock(&sim));
    let nowhere = at("x").transport(nobody()).build().unwrap();
    let bench = Bench::new(at("a-known-key-of-20-chars").transport(wire(&sim)).build().unwrap(), nowhere, false);
    conforms(bench.faults(sim.faults()).stranger(at("another-key-of-20-chars").transport(wire(&sim)).build().unwrap()))
        .await;
}

#[cfg(feature = "bacalhau")]
#[tokio::test(start_paused = true)]
async fn a_requester_of_bacalhau_conforms_in_every_step() {
    use consign::bacalhau::Requester;
    use consign_sim::bacalhau::Requester as Sim;

    let sim = Sim::builder().seed(3).build();
    let key = consign_tests::bacalhau::identity();
    let at = || Requester::builder().base_url(Sim::URL).identity(key.clone()).clock(clock(&sim));
    let nowhere = at().transport(nobody()).build().unwrap();
    conforms(Bench::new(at().transport(wire(&sim)).build().unwrap(), nowhere, false).faults(sim.faults())).await;
}

#[cfg(feature = "chutes")]
#[tokio::test(start_paused = true)]
async fn chutes_conforms_in_every_step() {
    use consign::chutes::Chutes;
    use consign_sim::Chutes as Sim;

    let me = consign_sim::chutes::Account::new("me").key(Sim::KEY);
    let sim = Sim::builder().seed(3).account(me).build();
    let at = |key: &str| Chutes::builder().base_url(Sim::URL).api_key(key).clock(clock(&sim));
    let nowhere = at(Sim::KEY).transport(nobody()).build().unwrap();
    let bench = Bench::new(at(Sim::KEY).transport(wire(&sim)).build().unwrap(), nowhere, false);
    let other = Sim::KEY.replace("cpk_8", "cpk_9");
    conforms(bench.faults(sim.faults()).stranger(at(&other).transport(wire(&sim)).build().unwrap())).await;
}

#[cfg(feature = "numind")]
#[tokio::test(start_paused = true)]
async fn numind_conforms_in_every_step() {
    use consign::numind::NuMind;
    use consign_sim::NuMind as Sim;

    let sim = Sim::builder().seed(3).account("me", &["a-known-key"], None).build();
    let at = |key: &str| NuMind::builder().base_url(Sim::URL).api_key(key).clock(clock(&sim));
    let nowhere = at("a-known-key").transport(nobody()).build().unwrap();
    let bench = Bench::new(at("a-known-key").transport(wire(&sim)).build().unwrap(), nowhere, false);
    conforms(bench.faults(sim.faults()).stranger(at("another-key").transport(wire(&sim)).build().unwrap())).await;
}
