//! Bacalhau's v1 interface through the facade: from submitting to results, logs, lists, history, versions, users.
use std::time::Duration;

use consign::bacalhau::{self, Bacalhau, DockerJob, JobFilter, Publisher, Server, short_id};
use consign::{Caps, Delivery, DynJobs, ErrorKind, Event, Jobs, Outcome, Pace, Provider, State, Ticket, WaitPolicy};
use consign_sim::bacalhau::operation::{GET, LOGS, PUT, RERUN};
use consign_sim::bacalhau::{Bacalhau as Sim, Plan, Requester as OldSim};
use consign_sim::{Fault, Rule};
use consign_tests::bacalhau::{builder, echo, hello, jobs, provider};
use consign_tests::in_process::wire;
use serde_json::json;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn a_job_from_its_image_to_its_output() {
    let sim = Sim::builder()
        .script(|_, _| Plan::succeed().seconds(20.0).stdout("out\n").stderr("err\n").exit_code(3))
        .build();
    let job = jobs(&sim).submit(echo("x").label("team", "data")).await.unwrap();
    assert_eq!(job.first().unwrap().state(), State::Queued);
    assert_eq!(job.ticket().to_string(), format!("consign:1:bacalhau:id={}", sim.jobs()[0].id));
    let mut states = Vec::new();
    let mut watch = job.watch();
    while let Some(event) = watch.next().await {
        if let Event::Item { item, .. } = event.unwrap() {
            states.push(item.state);
        }
    }
    states.dedup();
    assert_eq!(states, [State::Queued, State::Running, State::Succeeded]);
    let done = job.wait().timeout(secs(600)).await.unwrap();
    // The platform did its work; that the program failed is its exit code.
    assert_eq!(*done.outcome(), Outcome::Done);
    assert_eq!(done.items()[0].message.as_deref(), Some("the program ended with the exit code 3"));
    let results = done.into_result().unwrap();
    assert_eq!((results.exit_code(), results.stdout(), results.stderr()), (Some(3), "out\n", "err\n"));
    assert_eq!((sim.ledger().submissions(), sim.jobs()[0].submitted), (1, 1));
    // Another process finds it by its ticket.
    let again = jobs(&sim).attach(job.ticket().to_string().parse().unwrap()).unwrap();
    assert_eq!(again.look().await.unwrap().state(), State::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_trap_fails_with_its_own_reason_and_a_missing_engine_with_the_jobs() {
    let sim = Sim::builder().engines(&["wasm"]).build();
    let jobs = jobs(&sim);
    let spec = hello().label("sim.outcome", "failed").label("sim.message", "wasm error: unreachable");
    let job = jobs.submit(spec).await.unwrap();
    let done = job.wait().timeout(secs(600)).await.unwrap();
    let Outcome::Failed(failure) = done.outcome() else { panic!("{done:?}") };
    let message = failure.message.as_deref().unwrap();
    assert!(message.starts_with("wasm error: unreachable (job: not enough nodes"), "{message}");
    assert!(done.outputs().executions().len() > 1, "it was tried again");
    assert_eq!(done.outputs().exit_code(), None);
    let error = done.into_result().unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::JobFailed, Some(job.ticket())));
    let done = jobs.submit(echo("x")).await.unwrap().wait().timeout(secs(600)).await.unwrap();
    let Outcome::Failed(failure) = done.outcome() else { panic!("{done:?}") };
    assert!(failure.message.as_deref().unwrap().contains("not enough nodes"), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn logs_of_a_container_come_as_they_are_written_and_those_of_a_module_at_the_end() {
    let sim = Sim::builder()
        .script(|_, n| match n {
            0 => Plan::succeed().seconds(60.0).stdout("one\ntwo\nthree\n").stderr("oh\n"),
            _ => Plan::default().seconds(30.0),
        })
        .build();
    let jobs = jobs(&sim);
    let job = jobs.submit(echo("x")).await.unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    let mut logs = job.logs();
    let mut first = None;
    while let Some(line) = logs.next().await {
        let line = line.unwrap();
        first.get_or_insert_with(|| sim.elapsed());
        assert!(line.item.as_deref().unwrap().starts_with("e-"));
        match line.stream {
            consign::LogStream::Stdout => out.push_str(&line.text),
            _ => err.push_str(&line.text),
        }
    }
    assert_eq!((out.as_str(), err.as_str()), ("one\ntwo\nthree\n", "oh\n"));
    assert!(first.unwrap() < secs(60) && sim.elapsed() < secs(100), "{first:?} {:?}", sim.elapsed());
    drop(logs);
    let before = sim.elapsed();
    let job = jobs.submit(hello()).await.unwrap();
    let mut logs = job.logs();
    let line = logs.next().await.unwrap().unwrap();
    assert_eq!(line.text, "hello from wasm\n");
    assert!(logs.next().await.is_none());
    assert!(sim.elapsed() - before < secs(60), "{:?}", sim.elapsed() - before);
    assert!(sim.ledger().count(LOGS) < 6);
}

#[tokio::test(start_paused = true)]
async fn the_whole_log_of_an_execution_that_is_tried_again_comes_however_short_it_runs() {
    // More than what a record holds; the next look comes when all is over.
    let long: String = (0..1000).map(|n| format!("line {n}\n")).collect();
    let text = long.clone();
    let sim = Sim::builder().script(move |_, _| Plan::succeed().seconds(20.0).stdout(&*text).failures(1)).build();
    let jobs = builder(&sim).wait(WaitPolicy::default().pace(Pace::fixed(secs(60)))).build();
    let job = jobs.submit(echo("x")).await.unwrap();
    tokio::time::sleep(secs(5)).await;
    let mut logs = job.logs();
    let mut texts = std::collections::BTreeMap::<_, String>::new();
    while let Some(line) = logs.next().await {
        let line = line.unwrap();
        texts.entry(line.item.unwrap()).or_default().push_str(&line.text);
    }
    let results = job.wait().await.unwrap().into_result().unwrap();
    let id = &*results.completed().next().unwrap().id;
    assert!(texts[id] == long, "{} of {} bytes", texts[id].len(), long.len());
    assert_eq!(texts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_there_of_a_log_comes_also_when_the_first_look_fails() {
    let sim = Sim::new();
    let jobs = jobs(&sim);
    let job = jobs.submit(hello()).await.unwrap();
    tokio::time::sleep(secs(60)).await;
    sim.faults().add(Rule::new(Fault::status(503)).on(GET).skip(1).times(2));
    let mut logs = job.logs().follow(false);
    assert_eq!(logs.next().await.unwrap().unwrap().text, "hello from wasm\n");
    assert!(logs.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_job_is_stopped_with_a_reason_and_only_once() {
    let sim = Sim::builder().script(|_, _| Plan::end("running")).build();
    let jobs = jobs(&sim);
    let job = jobs.submit(echo("x")).await.unwrap();
    tokio::time::sleep(secs(5)).await;
    jobs.provider().stop(job.ticket(), "no longer needed").await.unwrap();
    let done = job.wait().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Cancelled);
    assert_eq!(done.items()[0].message.as_deref(), Some("no longer needed"));
    assert_eq!(sim.jobs()[0].message, "no longer needed");
    jobs.provider().stop(job.ticket(), "again").await.unwrap();

    let job = jobs.submit(echo("x")).await.unwrap();
    job.cancel().await.unwrap();
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Cancelled);
    let done = jobs.submit(echo("x").label("sim.outcome", "completed")).await.unwrap();
    done.wait().await.unwrap();
    let error = done.cancel().await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Conflict, Some(done.ticket())));
}

#[tokio::test(start_paused = true)]
async fn a_list_is_narrowed_by_labels_on_the_server_and_by_states_here() {
    let sim = Sim::new();
    let jobs = jobs(&sim);
    for n in 0..7 {
        let spec = echo("x").label("team", if n % 2 == 0 { "a" } else { "b" }).label("n", n.to_string());
        let spec = if n > 4 { spec.label("sim.outcome", "running") } else { spec.label("sim.seconds", "1") };
        jobs.submit(if n == 3 { spec.namespace("other") } else { spec }).await.unwrap();
    }
    tokio::time::sleep(secs(60)).await;
    let count = async |filter: JobFilter| jobs.list(filter).collect().await.unwrap().len();
    assert_eq!(count(JobFilter::new()).await, 7);
    assert_eq!(count(JobFilter::new().page_size(2)).await, 7);
    assert_eq!(count(JobFilter::new().label("team", "a").page_size(1)).await, 4);
    assert_eq!(count(JobFilter::new().without_label("team", "a")).await, 3);
    assert_eq!(count(JobFilter::new().selector("n in (1,2)")).await, 2);
    assert_eq!(count(JobFilter::new().namespace("other")).await, 1);
    assert_eq!(count(JobFilter::new().state(State::Succeeded).page_size(2)).await, 5);
    assert_eq!(count(JobFilter::new().state(State::Running).state(State::Succeeded)).await, 7);
    let running = jobs.list(JobFilter::new().state(State::Running).newest_first()).collect().await.unwrap();
    let labels: Vec<_> =
        running.iter().map(|f| f.snapshot.raw().unwrap().job.labels.as_ref().unwrap()["n"].clone()).collect();
    assert_eq!(labels, ["6", "5"]);
    assert_eq!(running[0].job.look().await.unwrap().state(), State::Running);
    let error = jobs.list(JobFilter::new().page_size(0)).collect().await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent));
}

#[tokio::test(start_paused = true)]
async fn a_label_that_no_selector_can_express_narrows_a_list_all_the_same() {
    let sim = Sim::new();
    let jobs = jobs(&sim);
    for (name, value) in [("note", "a,b"), ("note", "a"), ("my note", "x y"), ("b", "")] {
        jobs.submit(echo("x").label(name, value)).await.unwrap();
    }
    let count = async |filter: JobFilter| jobs.list(filter.page_size(2)).collect().await.unwrap().len();
    assert_eq!(count(JobFilter::new().label("note", "a,b")).await, 1);
    assert_eq!(count(JobFilter::new().label("note", "a")).await, 1);
    assert_eq!(count(JobFilter::new().label("my note", "x y")).await, 1);
    assert_eq!(count(JobFilter::new().without_label("my note", "x y")).await, 3);
    assert_eq!(count(JobFilter::new().without_label("note", "a,b").without_label("note", "a")).await, 2);
    assert_eq!(count(JobFilter::new().label("b", "")).await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_history_is_followed_to_the_end_of_the_job_with_pauses_between_requests() {
    let sim = Sim::builder().script(|_, _| Plan::succeed().seconds(120.0)).build();
    let jobs = jobs(&sim);
    let job = jobs.submit(echo("x")).await.unwrap();
    let mut history = jobs.provider().history(job.ticket()).unwrap();
    let (mut last, mut messages) = (0, Vec::new());
    while let Some(entry) = history.next().await {
        let entry = entry.unwrap();
        assert!(entry.seq_num.unwrap() > last, "nothing comes twice");
        last = entry.seq_num.unwrap();
        messages.push(entry.event.and_then(|event| event.message).unwrap_or_default());
    }
    assert_eq!(messages.first().map(String::as_str), Some("Job submitted"));
    assert_eq!(messages.last().map(String::as_str), Some("Completed"));
    assert!((secs(115)..secs(140)).contains(&sim.elapsed()), "{:?}", sim.elapsed());
    let requests = sim.ledger().count("history");
    assert!((5..30).contains(&requests), "{requests}");
}

#[tokio::test(start_paused = true)]
async fn a_named_job_is_compared_updated_and_run_again_only_where_it_exists() {
    let sim = Sim::builder().script(|_, _| Plan::succeed().seconds(1.0)).build();
    let jobs = jobs(&sim);
    let bacalhau = jobs.provider();
    let spec = || echo("one").name("nightly");
    let job = jobs.submit(spec()).await.unwrap();
    job.wait().await.unwrap();
    assert_eq!(bacalhau.diff(spec()).await.unwrap(), "");
    assert_ne!(bacalhau.diff(spec().count(2)).await.unwrap(), "");
    assert_eq!(bacalhau.diff(echo("x")).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    let error = jobs.submit(spec()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Conflict, Delivery::Rejected));
    assert!(error.message().contains("no changes") && error.to_string().contains("hint"), "{error}");
    let updated = jobs.submit(spec().count(2)).await.unwrap();
    assert_eq!(updated.ticket(), job.ticket());
    updated.wait().await.unwrap();
    jobs.submit(spec().count(2).force()).await.unwrap().wait().await.unwrap();
    assert_eq!(bacalhau.versions(job.ticket()).await.unwrap().len(), 3);

    for (ticket, version) in [(job.ticket().clone(), Some(9)), (Bacalhau::ticket_of_job("j-none"), None)] {
        let error = bacalhau.rerun(&ticket, version, None).await.unwrap_err();
        assert_eq!((error.kind(), error.ticket()), (ErrorKind::NotFound, Some(&ticket)));
    }
    assert_eq!(sim.ledger().count(RERUN), 0, "a server that is asked for what it does not have is lost");
    assert_eq!(bacalhau.rerun(job.ticket(), Some(1), Some("again")).await.unwrap().version, Some(4));
    job.wait().await.unwrap();
    let by_name = jobs.attach(Bacalhau::ticket_of_name(None, "nightly")).unwrap().look().await.unwrap();
    assert_eq!(by_name.raw().unwrap().job.version, Some(4));
}

#[tokio::test(start_paused = true)]
async fn a_version_is_looked_up_where_the_server_cannot_be_asked_for_one() {
    let sim = Sim::builder().version("1.8.0").script(|_, _| Plan::succeed().seconds(1.0)).build();
    let jobs = jobs(&sim);
    let job = jobs.submit(echo("x").name("n")).await.unwrap();
    job.wait().await.unwrap();
    assert_eq!(jobs.provider().rerun(job.ticket(), Some(1), None).await.unwrap().version, Some(2));
    job.wait().await.unwrap();
    assert_eq!(jobs.provider().rerun(job.ticket(), Some(7), None).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(sim.ledger().count(RERUN), 1);
    jobs.provider().rerun(job.ticket(), Some(1), None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn older_servers_are_spoken_to_in_their_own_way() {
    for version in ["1.4.0", "1.5.0", "1.6.0", "1.7.0"] {
        let sim = Sim::builder().version(version).script(|_, _| Plan::succeed().seconds(5.0).stdout("x\n")).build();
        let jobs = jobs(&sim);
        for spec in [consign::bacalhau::JobSpec::from(echo("x")), hello().into()] {
            let job = jobs.submit(spec).await.unwrap();
            let done = job.wait().timeout(secs(600)).await.unwrap();
            assert_eq!(*done.outcome(), Outcome::Done, "{version}");
            assert_eq!(done.outputs().exit_code(), Some(0), "{version}");
            let mut history = jobs.provider().history(job.ticket()).unwrap();
            let mut entries = 0;
            while let Some(entry) = history.next().await {
                entry.unwrap();
                entries += 1;
            }
            assert!(entries > 2, "{version}: {entries}");
        }
        assert_eq!(jobs.list(JobFilter::new().page_size(1)).collect().await.unwrap().len(), 2, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn ids_can_be_short_and_hints_of_the_server_are_kept() {
    let sim = Sim::new();
    let jobs = jobs(&sim);
    let (first, _) = (jobs.submit(echo("x")).await.unwrap(), jobs.submit(echo("y")).await.unwrap());
    let id = sim.jobs()[0].id.clone();
    let short = jobs.attach(Bacalhau::ticket_of_job(short_id(&id))).unwrap();
    assert_eq!(short.look().await.unwrap().items()[0].id.as_deref(), Some(&*id));
    assert_eq!(jobs.provider().resolve(short_id(&id)).await.unwrap(), *first.ticket());
    let error = jobs.provider().resolve("j-").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("hint"), "{error}");
    assert_eq!(jobs.provider().resolve("j-none").await.unwrap_err().kind(), ErrorKind::NotFound);
    for (data, version) in [("id=", 1), ("id= ", 1), ("namespace=a", 1), ("id=j-1", 2), ("x", 1)] {
        let job = jobs.attach(Ticket::new("bacalhau", version, data)).unwrap();
        let error = job.look().await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent), "{data}");
    }
    assert!(jobs.attach(Ticket::new("bacalhau-requester", 1, "id=x")).is_err());
    assert!(jobs.provider().history(&Ticket::new("civitai", 1, "id=x")).is_err());
}

#[tokio::test(start_paused = true)]
async fn users_show_a_name_and_password_or_a_key() {
    let sim = Sim::builder()
        .user("Alice", "alice", "alice-password-1", &["*"])
        .api_key("Bob", "bob-api-key-0123456789", &["*"])
        .api_key("Reader", "reader-api-key-0123456789", &["read:*"])
        .build();
    let jobs_of =
        |settings: consign::bacalhau::BacalhauBuilder| Jobs::builder(settings.build().unwrap()).seed(1).build();
    for jobs in [
        jobs_of(provider(&sim).user("alice", "alice-password-1")),
        jobs_of(provider(&sim).token("bob-api-key-0123456789")),
    ] {
        let job = jobs.submit(echo("x")).await.unwrap();
        job.wait().await.unwrap();
        assert_eq!(job.logs().next().await.unwrap().unwrap().text, "x\n");
        assert_eq!(jobs.provider().nodes().await.unwrap().len(), 1);
    }
    let reader = jobs_of(provider(&sim).token("reader-api-key-0123456789"));
    let error = reader.submit(echo("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Forbidden, Delivery::Rejected));
    assert!(error.message().contains("write:job"), "{error}");
    for jobs in [jobs_of(provider(&sim)), jobs_of(provider(&sim).user("alice", "wrong-password-1"))] {
        let error = jobs.submit(echo("x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        let text = format!("{error} {error:?} {jobs:?}");
        assert!(!text.contains("wrong-password-1"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn connecting_finds_out_which_interface_a_server_speaks() {
    let at = |sim: &Sim| Server::builder().base_url(Sim::URL).transport(wire(sim));
    for version in ["1.9.3", "1.4.0"] {
        let found = at(&Sim::builder().version(version).build()).connect().await.unwrap();
        let Server::V1(bacalhau) = found else { panic!("{found:?}") };
        assert_eq!(bacalhau.server_version().await.unwrap().unwrap().to_string(), format!("v{version}"));
    }
    let found = at(&Sim::builder().version("1.3.0").build()).connect().await.unwrap();
    assert!(matches!(found, Server::Requester(_)), "{found:?}");
    let old = OldSim::new();
    let found = Server::builder().base_url(OldSim::URL).transport(wire(&old)).connect().await.unwrap();
    let Server::Requester(requester) = found else { panic!("{found:?}") };
    assert_eq!(requester.server_version().await.unwrap().unwrap().to_string(), "v0.3.25");

    let nothing = consign::transport::from_fn(|_: http::Request<bytes::Bytes>| async {
        Ok(http::Response::builder().status(404).body(bytes::Bytes::from("no such page")).unwrap())
    });
    let error = Server::builder().base_url("http://a").transport(nothing).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let nobody = Server::builder().base_url("http://a").transport(consign_tests::in_process::nobody());
    assert_eq!(nobody.connect().await.unwrap_err().kind(), ErrorKind::Transport);
    assert_eq!(bacalhau::connect("nonsense").await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn a_provider_chosen_at_run_time_takes_json() {
    let sim = Sim::new();
    let jobs: DynJobs = jobs(&sim).into();
    let job = jobs
        .submit_json(json!({"engine": "docker", "image": "ubuntu", "entrypoint": ["echo", "hi"],
        "publisher": "local"}))
        .await
        .unwrap();
    let done = job.wait().await.unwrap();
    assert_eq!(done.artifacts().len(), 1);
    let raw = json!({"Type": "batch", "Count": 1, "Tasks": [{"Name": "t", "Engine": {"Type": "docker", "Params": {"Image": "ubuntu"}}}]});
    jobs.submit_json(raw).await.unwrap();
    assert_eq!(sim.ledger().count(PUT), 2);
    assert!(sim.ledger().count(GET) > 0);
}

#[test]
fn what_it_can_do_is_said_as_data() {
    let caps = Caps::NONE.cancel().list().outputs().logs();
    assert_eq!((Bacalhau::CAPS, consign::bacalhau::Requester::CAPS), (caps, caps));
}

#[tokio::test(start_paused = true)]
async fn each_execution_of_a_job_on_many_nodes_has_its_own_result() {
    let sim = Sim::builder().nodes(3).build();
    let jobs = builder(&sim).build();
    let spec = DockerJob::new("ubuntu").entrypoint(["echo", "x"]).count(3).publisher(Publisher::Local);
    let job = jobs.submit(spec).await.unwrap();
    let mut logs = job.logs();
    let mut items = std::collections::BTreeSet::new();
    while let Some(line) = logs.next().await {
        items.insert(line.unwrap().item);
    }
    assert_eq!(items.len(), 3);
    let results = job.wait().await.unwrap().into_result().unwrap();
    assert_eq!(results.completed().count(), 3);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(results.save_all(folder.path()).await.unwrap().len(), 3);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}
