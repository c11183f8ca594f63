//! The suite that every provider passes, on the simulator in the process and in virtual time.
use consign_tests::conformance::{Bench, Subject};
use consign_tests::in_process::nobody;

/// Runs the suite; fails with every step that does not hold.
async fn conforms<P: Subject>(bench: Bench<P>) {
    let mut told = Vec::new();
    let bad = bench.run(|name, went, took| told.push(format!("{took:>10.1?}  {name}: {went:?}"))).await;
    let told = told.join("\n");
    println!("{told}");
    assert_eq!(bad, 0, "{}\n{told}", P::NAME);
}

#[cfg(feature = "civitai")]
#[tokio::test(start_paused = true)]
async fn civitai_conforms_in_every_step() {
    use consign::civitai::Civitai;
    use consign_tests::in_process::provider_with;

    let sim = consign_sim::Civitai::builder().seed(3).account("me", &["a-known-token"], None).build();
    let nowhere = Civitai::builder().base_url("http://civitai.invalid").token("x").transport(nobody()).build().unwrap();
    let bench = Bench::new(provider_with(&sim, "a-known-token"), nowhere, false);
    conforms(bench.faults(sim.faults()).stranger(provider_with(&sim, "another-token"))).await;
}
