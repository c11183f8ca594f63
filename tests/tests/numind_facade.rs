//! The facade on a simulated NuMind, in virtual time: submit, wait, list, cancel, read, and what is left behind.
use std::time::Duration;

use consign::numind::{
    Api, ContentExtraction, File, Input, JobFilter, JsonSchema, Limit, NuMind, Output, StructuredExtraction, Template,
    TemplateGeneration, extract,
};
use consign::{Delivery, ErrorKind, Event, Jobs, Mode, Outcome, Reason, State, Ticket};
use consign_sim::numind::{Plan, Shape, StreamFault, operation as op};
use consign_sim::{Fault, NuMind as Sim, Rule};
use consign_tests::numind::{at, simulated};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Invoice {
    number: Option<String>,
    total: Option<f64>,
}

fn template() -> Template {
    Template::of::<Invoice>()
}

/// A simulator whose jobs work this long.
fn sim(seconds: f64) -> Sim {
    Sim::builder().seed(1).script(move |_, _| Plan::complete().pending(0.0).seconds(seconds)).build()
}

/// A server without extraction by a template that comes along.
fn old(seconds: f64) -> Sim {
    let script = move |_: &Value, _| Plan::complete().pending(0.0).seconds(seconds);
    Sim::builder().seed(1).shape(Shape::V0_2).script(script).build()
}

#[tokio::test(start_paused = true)]
async fn an_extraction_goes_from_a_type_to_its_value_in_three_requests() {
    let sim = sim(200.0);
    sim.script(|_, _| Plan::output(json!({"number": "17", "total": 12.5})).pending(0.0).seconds(200.0));
    let invoice = extract::<Invoice>("Invoice 17, 12.50").run(&at(&sim)).await.unwrap();
    assert_eq!(*invoice.value(), Invoice { number: Some("17".to_owned()), total: Some(12.5) });
    assert!(invoice.tokens().total.unwrap() > 0 && invoice.raw_text().is_some());
    // Submitted, looked at once, followed to the end, which is seen when it comes.
    assert_eq!((sim.ledger().count(op::EXTRACT), sim.ledger().count(op::STATUS)), (1, 1));
    assert_eq!((sim.ledger().count(op::STREAM), sim.ledger().len()), (1, 3));
    let ended = sim.jobs()[0].ended.unwrap();
    assert!(sim.elapsed() - ended < Duration::from_millis(10), "{:?} after the end", sim.elapsed() - ended);
    assert!(sim.projects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_model_reads_what_was_sent_whatever_the_way() {
    let sim = sim(1.0);
    let jobs = at(&sim);
    let numind = jobs.provider();
    let project = numind.create_project("invoices", "", template()).await.unwrap();
    let document = numind.create_document("number: 17").await.unwrap();
    let file = numind.upload_file(&File::new("number: 17").name("Fäktura 17.txt")).await.unwrap();
    let converted = numind.convert_file(&file, 170).await.unwrap();
    let inputs = [
        Input::text("number: 17"),
        File::new("number: 17").name("a.txt").into(),
        Input::document(document),
        Input::document(converted),
    ];
    for input in inputs {
        for spec in [
            StructuredExtraction::in_project(project.as_str(), &input),
            StructuredExtraction::with_template(template(), &input),
        ] {
            let done = jobs.submit(&spec).await.unwrap().wait().await.unwrap();
            let output: Output = done.into_result().unwrap();
            let result = output.extraction::<Value>().unwrap().into_value();
            assert!(result.get("number").is_some() && result.get("total").is_some(), "{spec:?} gave {result}");
        }
    }
    assert_eq!(sim.projects(), [(project.clone(), "invoices".to_owned())]);
    numind.delete_project(&project).await.unwrap();
    numind.delete_project(&project).await.unwrap();
    assert!(sim.projects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn markdown_and_templates_come_with_what_the_model_thought() {
    let sim = sim(5.0);
    let jobs = at(&sim);
    sim.script(|_, _| Plan::output("# Invoice 17").member("thinkingTrace", "a heading").seconds(5.0));
    let job = jobs.submit(ContentExtraction::new(File::new("%PDF-1.7").name("a.pdf"))).await.unwrap();
    let content = job.wait().await.unwrap().into_result().unwrap().content().unwrap();
    assert_eq!((content.markdown(), content.thinking()), ("# Invoice 17", Some("a heading")));
    assert!(content.tokens().output.is_some() && content.confidence().is_some());
    assert_eq!(jobs.provider().read_content(job.ticket()).await.unwrap(), content);

    sim.script(|_, _| Plan::output(json!({"number": "string"})).seconds(5.0));
    let job = jobs.submit(TemplateGeneration::new("the number of an invoice")).await.unwrap();
    let made = job.wait().await.unwrap().into_result().unwrap().template().unwrap();
    assert_eq!(*made.template().json(), json!({"number": "string"}));
    assert_eq!(jobs.provider().read_template(job.ticket()).await.unwrap(), made);
    let again = StructuredExtraction::with_template(made.template(), "Invoice 17");
    jobs.submit(again).await.unwrap().wait().await.unwrap().into_result().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_the_step_to_the_stream_and_each_state_once() {
    let sim = Sim::builder().seed(1).script(|_, _| Plan::complete().pending(20.0).seconds(400.0)).build();
    let job = at(&sim).submit(TemplateGeneration::new("an invoice")).await.unwrap();
    let (mut modes, mut states, mut ends) = (Vec::new(), Vec::new(), 0);
    let mut watch = job.watch();
    while let Some(event) = watch.next().await {
        match event.unwrap() {
            Event::Mode(mode) => modes.push(mode),
            Event::Item { item, .. } => states.push(item.state.as_str()),
            Event::Ended(_) => ends += 1,
            _ => {}
        }
    }
    assert_eq!((modes, ends), (vec![Mode::Events], 1));
    assert_eq!(states, ["queued", "succeeded"]);
    assert_eq!(sim.ledger().count(op::STREAM), 1);
    assert_eq!(sim.open_streams(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_job_is_found_again_by_its_ticket() {
    let sim = sim(50.0);
    let ticket = at(&sim).submit(TemplateGeneration::new("an invoice")).await.unwrap().ticket().to_string();
    let ticket: Ticket = ticket.parse().unwrap();
    let done = at(&sim).attach(ticket.clone()).unwrap().wait().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    assert_eq!(ticket, NuMind::ticket_of_job(&sim.jobs()[0].id));
}

#[tokio::test(start_paused = true)]
async fn how_a_job_ended_is_told_with_its_reason_and_what_it_had_made_stays_reachable() {
    let sim = sim(1.0);
    let plans: [(Plan, Option<Reason>, &str); 4] = [
        (Plan::fail("ModelError", "unreadable file"), Some(Reason::Failed), "failed: unreadable file"),
        (Plan::fail("QuotaExceeded", "Upgrade your plan"), Some(Reason::Quota), "failed: Upgrade your plan"),
        (Plan::end("timeout").with_output(json!({"number": "17"})), Some(Reason::TimedOut), "timeout"),
        (Plan::end("cancelled"), None, "it was cancelled"),
    ];
    for (plan, reason, said) in plans {
        let kept = plan.clone().pending(0.0).seconds(40.0);
        sim.script(move |_, _| kept.clone());
        let job = at(&sim).submit(StructuredExtraction::with_template(template(), "Invoice 17")).await.unwrap();
        let done = job.wait().await.unwrap();
        match (done.outcome(), reason) {
            (Outcome::Failed(failure), Some(reason)) => assert_eq!(failure.reason, reason, "{plan:?}"),
            (Outcome::Cancelled, None) => {}
            other => panic!("{plan:?}: {other:?}"),
        }
        let salvaged = done.outputs().extraction::<Invoice>().ok().and_then(|invoice| invoice.number.clone());
        assert_eq!(salvaged.as_deref(), (reason == Some(Reason::TimedOut)).then_some("17"), "{plan:?}");
        let error = done.into_result().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::JobFailed);
        assert!(error.to_string().contains(said), "{plan:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn results_of_ended_jobs_are_read_by_ticket_with_what_was_repaired() {
    let sim = sim(30.0);
    sim.script(|_, _| Plan::complete().invalid("Malformed", "no JSON").repairs(2).seconds(30.0));
    let jobs = at(&sim);
    let job = jobs.submit(extract::<Invoice>("Invoice 17")).await.unwrap();
    let early = jobs.provider().read_extraction::<Invoice>(job.ticket()).await.unwrap_err();
    assert_eq!((early.kind(), early.ticket()), (ErrorKind::Conflict, Some(job.ticket())));
    let output = job.wait().await.unwrap().into_result().unwrap();
    let seen = output.extraction::<Invoice>().unwrap();
    let read = jobs.provider().read_extraction::<Invoice>(job.ticket()).await.unwrap();
    assert_eq!((seen.is_repaired(), read.is_repaired()), (false, true));
    for invoice in [seen, read] {
        assert_eq!(invoice.problem().unwrap().error_code.as_deref(), Some("Malformed"));
        assert_eq!(*invoice, Invoice { number: None, total: None });
    }
    let reports = jobs.provider().reports(job.ticket()).await.unwrap();
    let repairs: usize = reports.iter().filter_map(|r| r.report.as_ref()?.repairs.as_ref()).map(Vec::len).sum();
    assert_eq!(repairs, 2);

    sim.script(|_, _| Plan::fail("QuotaExceeded", "Upgrade").seconds(1.0));
    let job = jobs.submit(extract::<Invoice>("Invoice 18")).await.unwrap();
    job.wait().await.unwrap();
    let error = jobs.provider().read_extraction::<Invoice>(job.ticket()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InsufficientCredit);
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_cancelled_and_twice_is_as_good_as_once() {
    let sim = sim(3000.0);
    let job = at(&sim).submit(TemplateGeneration::new("an invoice")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    job.cancel().await.unwrap();
    job.cancel().await.unwrap();
    let done = job.wait().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Cancelled);
    job.cancel().await.unwrap();
    assert!(sim.jobs()[0].cancel_asked);
    let error = job.cancel().force(false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = job.cancel().item("another").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    job.cancel().item(sim.jobs()[0].id.clone()).await.unwrap();
    let error = at(&sim).attach(NuMind::ticket_of_job("nobody")).unwrap().cancel().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_cancel_says_so_and_the_job_goes_on() {
    let sim = old(100.0);
    let job = at(&sim).submit(TemplateGeneration::new("an invoice")).await.unwrap();
    let error = job.cancel().await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Unsupported, Some(job.ticket())));
    assert_eq!(*job.wait().await.unwrap().outcome(), Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_list_gives_every_job_once_although_jobs_are_added_while_it_is_read() {
    let sim = sim(2.0);
    let jobs = at(&sim);
    for _ in 0..25 {
        jobs.submit(TemplateGeneration::new("an invoice")).await.unwrap();
    }
    let mut pages = jobs.list(JobFilter::new().per_page(10));
    let mut ids = Vec::new();
    while let Some(found) = pages.next().await {
        let found = found.unwrap();
        ids.push(found.snapshot.items()[0].id.clone().unwrap().to_string());
        if ids.len() % 10 == 5 {
            jobs.submit(TemplateGeneration::new("another")).await.unwrap();
        }
    }
    let mut once = ids.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "no job comes twice");
    assert!(sim.jobs()[..25].iter().all(|job| ids.contains(&job.id)), "none is left out");
    let targets: Vec<String> = sim.ledger().of(op::LIST).into_iter().map(|entry| entry.target).collect();
    assert_eq!(targets[..2], ["/api/jobs?perPage=10", "/api/jobs?skip=10&perPage=10"]);
    let error = jobs.list(JobFilter::new().per_page(101)).collect().await.unwrap_err();
    assert_eq!(error.violations().iter().next().map(|v| v.member.as_str()), Some("perPage"));
}

#[tokio::test(start_paused = true)]
async fn a_list_is_narrowed_by_state_kind_and_organization() {
    let sim = Sim::builder().seed(1).organization("org-1", &["default"]).build();
    sim.script(|_, n| if n % 3 == 0 { Plan::fail("ModelError", "unreadable").seconds(1.0) } else { Plan::complete() });
    let jobs = at(&sim);
    for _ in 0..9 {
        jobs.submit(TemplateGeneration::new("an invoice")).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    let failed = jobs.list(JobFilter::new().state(State::Failed).per_page(2)).collect().await.unwrap();
    assert_eq!(failed.len(), 3);
    assert!(failed.iter().all(|found| found.snapshot.items()[0].message.as_deref() == Some("unreadable")));
    let outcome = failed[0].job.wait().await.unwrap();
    assert!(matches!(outcome.outcome(), Outcome::Failed(_)));
    assert!(jobs.list(JobFilter::new().kind("no-such-kind")).collect().await.unwrap().is_empty());
    jobs.list(JobFilter::new().organization("org-1")).collect().await.unwrap();
    assert!(sim.ledger().of(op::LIST).last().unwrap().target.contains("organization=org-1"));
    let error = jobs.list(JobFilter::new().organization("org-2")).collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn an_old_server_gets_a_project_for_a_template_and_loses_it_at_the_end() {
    for (api, tries) in [(Api::V0_4, 1), (Api::V0_2, 0)] {
        let sim = old(100.0);
        let jobs = Jobs::new(simulated(&sim, |builder| builder.api(api)));
        let spec = StructuredExtraction::with_template(template(), "number: 17")
            .example("number: 3", json!({"number": "3", "total": null}))
            .example(File::new("number: 4").name("b.txt"), json!({"number": "4", "total": null}));
        let job = jobs.submit(&spec).await.unwrap();
        let name = sim.projects()[0].1.clone();
        assert!(name.starts_with("consign-temporary-"), "{name}");
        assert_eq!(sim.ledger().count(op::CREATE_EXAMPLE), 2);
        let output = job.wait().await.unwrap().into_result().unwrap();
        assert!(output.extraction::<Invoice>().is_ok());
        assert!(sim.projects().is_empty());
        // What the server cannot do it is asked for once only.
        let again = jobs.submit(&spec).await.unwrap();
        assert_eq!(sim.ledger().count(op::EXTRACT), tries);
        // Another process has the ticket, and removes the project.
        let ticket: Ticket = again.ticket().to_string().parse().unwrap();
        drop((again, jobs));
        assert_eq!(sim.projects().len(), 1);
        at(&sim).attach(ticket.clone()).unwrap().wait().await.unwrap();
        assert!(sim.projects().is_empty());
        at(&sim).attach(ticket).unwrap().look().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_temporary_project_is_removed_whatever_becomes_of_its_job() {
    let spec = || StructuredExtraction::with_template(template(), Input::text("number: 17"));
    for plan in [Plan::fail("ModelError", "unreadable"), Plan::end("timeout"), Plan::end("cancelled")] {
        let sim = old(1.0);
        sim.script(move |_, _| plan.clone().pending(0.0).seconds(30.0));
        at(&sim).submit(spec()).await.unwrap().wait().await.unwrap();
        assert!(sim.projects().is_empty());
    }
    // Cancelled, and never looked at again.
    let sim = sim(3000.0);
    let document = at(&sim).provider().create_document("number: 17").await.unwrap();
    let spec = StructuredExtraction::with_template(template(), Input::document(document));
    let job = at(&sim).submit(spec).await.unwrap();
    assert_eq!(sim.projects().len(), 1);
    job.cancel().await.unwrap();
    assert!(sim.projects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_temporary_project_is_removed_when_its_submission_fails() {
    let spec = StructuredExtraction::with_template(template(), "number: 17").example("a", json!({"number": "1"}));
    use Delivery::{Rejected, Unknown};
    // Where it fails, how; whether there may be a job.
    let faults = [
        (op::CREATE_EXAMPLE, Fault::status(400), Rejected),
        (op::CREATE_EXAMPLE, Fault::lose_reply(), Rejected),
        (op::EXTRACT_TEXT, Fault::status(403), Rejected),
        (op::EXTRACT_TEXT, Fault::lose_reply(), Unknown),
        (op::EXTRACT_TEXT, Fault::hang(), Unknown),
        (op::EXTRACT_TEXT, Fault::json(200, &json!({})).after_processing(), Unknown),
        (op::CREATE_PROJECT, Fault::lose_reply(), Rejected),
        (op::CREATE_PROJECT, Fault::html(502).after_processing(), Rejected),
    ];
    for (operation, fault, delivery) in faults {
        let sim = old(5.0);
        let name = format!("{operation} {fault:?}");
        sim.faults().add(Rule::new(fault).on(operation).always());
        let error = at(&sim).submit(&spec).await.unwrap_err();
        assert_eq!(error.delivery(), delivery, "{name}: {error}");
        assert!(sim.projects().is_empty(), "{name}: {error}");
        assert!(sim.ledger().count(op::CREATE_PROJECT) > 0, "{name}");
        assert!(sim.jobs().len() <= 1, "{name}");
    }
    // A removal that fails at first is tried again.
    let sim = old(5.0);
    sim.faults().add(Rule::new(Fault::status(500)).on(op::DELETE_PROJECT).times(2));
    at(&sim).submit(&spec).await.unwrap().wait().await.unwrap();
    assert!(sim.projects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_temporary_project_is_removed_when_the_submission_is_dropped() {
    let spec = StructuredExtraction::with_template(template(), "number: 17").example("a", json!({"number": "1"}));
    for operation in [op::CREATE_PROJECT, op::CREATE_EXAMPLE, op::EXTRACT_TEXT] {
        for fault in [Fault::hang(), Fault::hang_after()] {
            let sim = old(5.0);
            sim.faults().once(operation, fault);
            let jobs = at(&sim);
            let given_up = tokio::time::timeout(Duration::from_secs(10), jobs.submit(&spec)).await;
            assert!(given_up.is_err());
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert!(sim.projects().is_empty(), "{operation}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_program_left_behind_is_removed_and_nothing_else() {
    let sim = old(3000.0);
    let jobs = at(&sim);
    let kept = jobs.provider().create_project("invoices", "", template()).await.unwrap();
    let spec = StructuredExtraction::with_template(template(), "number: 17");
    drop(jobs.submit(&spec).await.unwrap());
    tokio::time::sleep(Duration::from_secs(7200)).await;
    jobs.submit(&spec).await.unwrap();
    assert_eq!(sim.projects().len(), 3);
    let removed = jobs.provider().remove_temporary_projects(Duration::from_secs(3600)).await.unwrap();
    assert_eq!((removed, sim.projects().len()), (1, 2));
    assert!(sim.projects().iter().any(|(id, _)| *id == kept));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_sends_nothing_and_lets_the_stream_go() {
    let sim = old(300.0);
    let job = at(&sim).submit(StructuredExtraction::with_template(template(), "number: 17")).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(100), job.wait().into_future()).await;
    assert!(waited.is_err());
    let before = sim.ledger().len();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!((sim.ledger().len(), sim.open_streams(), sim.projects().len()), (before, 0, 1));
    job.wait().await.unwrap();
    assert!(sim.projects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_wait_on_a_stream_with_a_last_look() {
    let sim = sim(3000.0);
    let job = at(&sim).submit(TemplateGeneration::new("an invoice")).await.unwrap();
    let before = sim.elapsed();
    let error = job.wait().timeout(Duration::from_secs(100)).await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Deadline, Some(job.ticket())));
    assert!(sim.elapsed() - before <= Duration::from_secs(100));
    assert_eq!(sim.ledger().count(op::STATUS), 2);
    // One that ends between the stream's cut and the deadline is seen by the last look.
    let job =
        at(&sim).submit(TemplateGeneration::new("sim: {\"seconds\": 94, \"pending\": 0}\nan invoice")).await.unwrap();
    let done = job.wait().timeout(Duration::from_secs(100)).await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    let job = at(&sim).submit(TemplateGeneration::new("sim: {\"seconds\": 95.5, \"pending\": 0}\nan invoice")).await;
    let waited = job.unwrap().wait().timeout(Duration::from_secs(100)).await;
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::Deadline);
}

#[tokio::test(start_paused = true)]
async fn many_jobs_are_watched_at_once_over_their_streams() {
    let sim = sim(120.0);
    let jobs = at(&sim);
    let mut all = Vec::new();
    for _ in 0..50 {
        all.push(jobs.submit(TemplateGeneration::new("an invoice")).await.unwrap());
    }
    let (mut watch, mut ends) = (jobs.watch_all(all), 0);
    while let Some((_, event)) = watch.next().await {
        ends += usize::from(matches!(event.unwrap(), Event::Ended(_)));
    }
    assert_eq!((ends, sim.open_streams()), (50, 0));
}

#[tokio::test(start_paused = true)]
async fn large_results_come_whole_through_small_chunks() {
    let sim = sim(1.0);
    sim.script(|_, _| Plan::complete().size(4 << 20).seconds(40.0).streams([StreamFault::none().in_chunks(16 << 10)]));
    let invoice = extract::<Invoice>("Invoice 17").with_settings(|s| s.max_output_tokens(Limit::Unlimited));
    let invoice = invoice.run(&at(&sim)).await.unwrap();
    assert!(invoice.raw_text().unwrap().len() >= 4 << 20);
}

#[path = "../../crates/consign/examples/numind_invoice.rs"]
#[allow(dead_code, unreachable_pub)]
mod invoice_example;

/// Over a socket, so in real time.
#[tokio::test]
async fn the_example_gives_the_invoice() {
    let invoice = invoice_example::simulated().await.unwrap();
    assert_eq!((invoice.number.as_deref(), invoice.total), (Some("R-2026/017"), Some(88.0)));
    assert_eq!((invoice.lines.len(), &invoice.currency), (2, &Some(invoice_example::Currency::Chf)));
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_gets_no_answer_holds_up_neither_an_end_nor_a_cancellation() {
    let spec = StructuredExtraction::with_template(template(), "number: 17");
    let soon = Duration::from_secs(10);
    let sim = old(30.0);
    let job = at(&sim).submit(&spec).await.unwrap();
    sim.faults().once(op::DELETE_PROJECT, Fault::hang());
    job.wait().await.unwrap();
    let after = sim.elapsed() - sim.jobs()[0].ended.unwrap();
    assert!(after < soon, "{after:?} after the end");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(sim.projects().is_empty(), "it is removed all the same");

    let sim = self::sim(3000.0);
    let document = at(&sim).provider().create_document("number: 17").await.unwrap();
    let job =
        at(&sim).submit(StructuredExtraction::with_template(template(), Input::document(document))).await.unwrap();
    sim.faults().once(op::DELETE_PROJECT, Fault::hang());
    let before = sim.elapsed();
    job.cancel().await.unwrap();
    assert!(sim.elapsed() - before < soon, "{:?} for a cancellation", sim.elapsed() - before);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(sim.projects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_temporary_project_is_removed_also_when_its_submission_is_dropped_outside_of_the_runtime() {
    let sim = old(5.0);
    sim.faults().once(op::EXTRACT_TEXT, Fault::hang());
    let spec = StructuredExtraction::with_template(template(), "number: 17");
    let mut submission = at(&sim).submit(&spec).into_future();
    assert!(tokio::time::timeout(Duration::from_secs(10), &mut submission).await.is_err());
    assert_eq!(sim.projects().len(), 1);
    std::thread::spawn(move || drop(submission)).join().unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(sim.projects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_cancel_is_told_from_a_job_that_is_not_there_although_it_stumbles() {
    let sim = old(100.0);
    let job = at(&sim).submit(TemplateGeneration::new("an invoice")).await.unwrap();
    sim.faults().once(op::STATUS, Fault::html(503));
    assert_eq!(job.cancel().await.unwrap_err().kind(), ErrorKind::Unsupported);
    sim.faults().add(Rule::new(Fault::html(503)).on(op::STATUS).always());
    assert_eq!(job.cancel().await.unwrap_err().kind(), ErrorKind::Gateway);
}

#[tokio::test(start_paused = true)]
async fn a_resolution_that_no_server_takes_is_refused_here() {
    for (api, good, bad) in [(Api::V0_4, 600, 601), (Api::V0_2, 300, 301)] {
        let sim = sim(1.0);
        let numind = simulated(&sim, |builder| builder.api(api));
        let file = numind.upload_file(&File::new("number: 17").name("a.txt")).await.unwrap();
        let before = sim.ledger().len();
        for dpi in [0, bad] {
            let error = numind.convert_file(&file, dpi).await.unwrap_err();
            assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent), "{dpi}");
        }
        assert_eq!(sim.ledger().len(), before);
        numind.convert_file(&file, good).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_names_another_project_does_not_have_it_removed() {
    let sim = sim(30.0);
    let jobs = at(&sim);
    let project = jobs.provider().create_project("invoices", "", template()).await.unwrap();
    jobs.submit(StructuredExtraction::in_project(project.as_str(), "number: 17")).await.unwrap();
    let ticket = Ticket::new("numind", 1, format!("in={}", json!([sim.jobs()[0].id, project])));
    let job = jobs.attach(ticket).unwrap();
    job.wait().await.unwrap();
    job.cancel().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(sim.projects().len(), 1);
}
