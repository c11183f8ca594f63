//! Every operation and every form of refusal.
#![allow(clippy::unwrap_used)] // a panic in a test is a report

mod common;

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::*;
use consign_sim::civitai::{Builder, Shape};
use consign_sim::{Civitai, Durations};
use http::Method;
use serde_json::{Value, json};

fn exact() -> Builder {
    Civitai::builder().seed(7).queue(0, 0).durations(Durations::Fixed(Duration::from_secs(10)))
}

async fn put(sim: &Civitai, path: &str, body: Option<Value>) -> Answer {
    call(sim, Method::PUT, path, body.as_ref()).await
}

/// Paths of the validation errors of an answer.
fn fields(answer: &Answer) -> Vec<String> {
    assert_eq!((answer.status, answer.header("content-type")), (400, "application/problem+json; charset=utf-8"));
    let body = answer.json();
    assert_eq!(body["title"], "One or more validation errors occurred.");
    body["errors"].as_object().unwrap().keys().cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn only_bearer_tokens_are_accepted_and_refusals_are_empty() {
    let sim = exact().build();
    let uri = format!("{}/v1/consumer/jobs?token=x", Civitai::URL);
    for header in [None, Some("secret"), Some("Basic secret"), Some("Bearer "), Some("Bearer")] {
        let headers: Vec<_> = header.map(|value| ("authorization", value)).into_iter().collect();
        let answer = send(&sim, Method::GET, &uri, &headers, "").await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (401, 0), "{header:?}");
    }
    let answer = send(&sim, Method::GET, &uri, &[("authorization", "bearer anything")], "").await.unwrap();
    assert_eq!(answer.status, 400);
    assert!(!format!("{:?}", sim.ledger().entries()).contains("secret"));
    assert_eq!(sim.ledger().entries()[5].account.as_deref(), Some("default"));
}

#[tokio::test(start_paused = true)]
async fn accounts_have_their_own_tokens_jobs_and_credit() {
    let sim = exact().account("ana", &["t1", "t2"], Some(3.0)).account("ben", &["t3"], None).build();
    let ask = async |method: Method, path: &str, token: &str, body: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        send(&sim, method, &format!("{}/v1/consumer/{path}", Civitai::URL), &headers, body.to_owned()).await.unwrap()
    };
    let body = picture(json!({"params": {"width": 1024, "height": 1024, "steps": 30}})).to_string();
    assert_eq!(ask(Method::POST, "jobs", "secret", &body).await.status, 401);
    let first = ask(Method::POST, "jobs", "t1", &body).await.ok();
    assert_eq!(first["jobs"][0]["cost"], 2.0);
    let path = format!("jobs/{}", first["jobs"][0]["jobId"].as_str().unwrap());
    assert_eq!(ask(Method::GET, &path, "t2", "").await.status, 200);
    assert_eq!(ask(Method::GET, &path, "t3", "").await.status, 404);
    let poor = ask(Method::POST, "jobs", "t1", &body).await;
    assert_eq!((poor.status, poor.json()), (403, json!({"error": "Insufficient Buzz"})));
    assert_eq!(ask(Method::POST, "jobs?charge=false", "t1", &body).await.status, 200);
    assert_eq!(ask(Method::POST, "jobs", "t3", &body).await.status, 200);
    assert_eq!((sim.spent("ana"), sim.spent("ben"), sim.spent("eve")), (Some(2.0), Some(2.0), None));
    assert_eq!(ask(Method::GET, "consumption", "t1", "").await.ok()["totalCost"], 2.0);
    assert_eq!(sim.ledger().submissions(), 3);
    assert_eq!(sim.jobs()[0].submitted, 3);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_prices_and_stores_nothing() {
    let sim = exact().credit(1.0).build();
    let body = picture(json!({"quantity": 2, "params": {"width": 1024, "height": 1024, "steps": 30}}));
    let answer = post(&sim, "jobs?whatif=true", &body).await.ok();
    let job = json!({"jobId": null, "cost": 2.0, "scheduled": false});
    assert_eq!(answer, json!({"token": null, "jobs": [job, job]}));
    assert!(sim.jobs().is_empty());
    assert_eq!((sim.ledger().submissions(), sim.spent("default")), (0, Some(0.0)));
    assert_eq!(fields(&post(&sim, "jobs?whatif=true", &picture(json!({"quantity": 0}))).await), ["quantity"]);
}

#[tokio::test(start_paused = true)]
async fn prices_rise_with_area_steps_and_networks() {
    let sim = exact().build();
    let price = async |change: Value| {
        let mut body = picture(json!({"params": {"width": 1024, "height": 1024, "steps": 30}}));
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        post(&sim, "jobs?whatif=true", &body).await.ok()["jobs"][0]["cost"].as_f64().unwrap()
    };
    assert_eq!(price(json!({})).await, 2.0);
    assert_eq!(price(json!({"batchSize": 4})).await, 8.0);
    assert!(price(json!({"params": {"width": 512, "height": 512}})).await < 0.4);
    assert!(price(json!({"additionalNetworks": {"civitai:1@2": {"strength": 1}}})).await > 2.0);
}

#[tokio::test(start_paused = true)]
async fn bad_bodies_are_refused_with_the_fields_that_are_wrong() {
    let sim = exact().build();
    let uri = format!("{}/v1/consumer/jobs", Civitai::URL);
    let auth = ("authorization", "Bearer secret");
    let text = async |media: &str, body: &str| {
        send(&sim, Method::POST, &uri, &[auth, ("content-type", media)], body.to_owned()).await.unwrap()
    };
    assert_eq!(fields(&send(&sim, Method::POST, &uri, &[auth], "").await.unwrap()), [""]);
    assert_eq!(fields(&text("application/json", "null").await), [""]);
    assert_eq!(fields(&text("application/json", "{\"jobs\":").await), ["$"]);
    assert_eq!(fields(&text("application/json", "5").await), ["$"]);
    assert_eq!(fields(&text("text/json; charset=utf-8", "{}").await), ["$type"]);
    assert_eq!(text("text/plain", "{}").await.status, 415);
    let bad = picture(json!({"model": null, "quantity": 101, "params": {"height": 32, "steps": 0, "cfgScale": 31}}));
    assert_eq!(
        fields(&post(&sim, "jobs", &bad).await),
        ["model", "params.cfgScale", "params.height", "params.steps", "params.width", "quantity"]
    );
    let list = json!({"jobs": [picture(json!({})), bad]});
    assert!(fields(&post(&sim, "jobs", &list).await).contains(&"jobs[1].params.width".to_owned()));
    assert_eq!(fields(&post(&sim, "jobs?wait=perhaps", &picture(json!({}))).await), ["wait"]);
    let huge: Vec<Value> = vec![picture(json!({"quantity": 100})); 11];
    assert_eq!(fields(&post(&sim, "jobs", &json!({"jobs": huge})).await), ["jobs"]);
    assert!(sim.jobs().is_empty());
    assert!(sim.ledger().entries().iter().all(|entry| !entry.accepted));
}

#[tokio::test(start_paused = true)]
async fn tokens_are_base64_of_the_ids_and_anything_else_is_refused() {
    let sim = exact().build();
    let (token, ids) = submit(&sim, picture(json!({"quantity": 2}))).await;
    assert_eq!(token, encode(&BASE64.encode(format!("{{\"Jobs\":[\"{}\",\"{}\"]}}", ids[0], ids[1]))));
    let read = async |json: String| get(&sim, &format!("jobs?token={}", encode(&BASE64.encode(json)))).await;
    let one = read(json!({"Jobs": [ids[1]]}).to_string()).await.ok();
    assert_eq!(one["jobs"][0]["jobId"], ids[1].as_str());
    assert_eq!(read(json!([{"Jobs": [ids[0]]}]).to_string()).await.status, 200);
    assert_eq!(read(json!({"Jobs": []}).to_string()).await.ok()["jobs"], json!([]));
    let unknown = read(json!({"Jobs": [ids[0], "nobody"]}).to_string()).await;
    assert_eq!((unknown.status, &unknown.json()["title"]), (404, &json!("Not Found")));
    for bad in [json!({"jobs": []}).to_string(), json!({"Jobs": [5]}).to_string(), "x".to_owned()] {
        let answer = read(bad).await;
        assert_eq!((answer.status, &answer.json()["detail"]), (400, &json!("The token is malformed")));
    }
    assert_eq!(get(&sim, "jobs?token=%21%21").await.status, 400);
    for missing in ["jobs", "jobs?token="] {
        assert_eq!(fields(&get(&sim, missing).await), ["token"]);
        assert_eq!(fields(&delete(&sim, missing).await), ["token"]);
    }
    assert_eq!(delete(&sim, "jobs?token=%21%21").await.status, 400);
    for (method, path) in [(Method::GET, "jobs/none"), (Method::PUT, "jobs/none"), (Method::DELETE, "jobs/none")] {
        let answer = call(&sim, method, path, None).await;
        assert_eq!((answer.status, &answer.json()["status"]), (404, &json!(404)));
    }
}

#[tokio::test(start_paused = true)]
async fn properties_come_back_with_the_servers_own_beside_them() {
    let sim = exact().build();
    let properties = json!({"requestId": -1, "nested": {"a": [1, 2.5, null, true]}, "empty": null, "ключ": "значение"});
    let body = json!({"jobs": [picture(json!({"properties": properties})), picture(json!({}))]});
    let answer = post(&sim, "jobs", &body).await.ok();
    let mut back = answer["jobs"][0]["properties"].clone();
    let added = back.as_object_mut().unwrap().remove("RequestId").unwrap();
    assert_eq!(back, properties);
    assert_eq!(answer["jobs"][1]["properties"], json!({"RequestId": added}));
}

#[tokio::test(start_paused = true)]
async fn detailed_answers_define_the_job_with_the_seed_that_was_chosen() {
    let sim = exact().build();
    let more = json!({"retries": 3, "timeout": "00:05:00", "callbackUrl": "https://hooks.example.com/c", "baseModel": "SDXL",
        "params": {"prompt": "p", "width": 64, "height": 64, "seed": -1}});
    let answer = post(&sim, "jobs?detailed=true", &picture(more)).await.ok();
    let job = &answer["jobs"][0]["job"];
    assert_eq!((&job["type"], &job["id"]), (&json!("TextToImage"), &answer["jobs"][0]["jobId"]));
    assert_eq!((&job["maxRetryAttempt"], &job["claimDuration"]), (&json!(3), &json!("00:05:00")));
    assert_eq!((&job["webhook"], &job["baseModel"]), (&json!("https://hooks.example.com/c"), &json!("SDXL")));
    assert!(job["params"]["seed"].as_i64().unwrap() >= 0);
    assert_eq!(job["createdAt"], "2025-01-01T00:00:00.0000000Z");
    assert_eq!(job["imageHash"], answer["jobs"][0]["result"][0]["blobKey"]);
    assert!(["$type", "quantity", "retries"].iter().all(|name| job.get(name).is_none()));
    let id = job["id"].as_str().unwrap();
    assert!(get(&sim, &format!("jobs/{id}?detailed=true")).await.ok()["job"].is_object());
    assert!(get(&sim, &format!("jobs/{id}")).await.ok().get("job").is_none());
}

#[tokio::test(start_paused = true)]
async fn cancelling_without_force_leaves_claimed_jobs_running() {
    let sim = exact().workers(1).build();
    let (token, ids) = submit(&sim, picture(json!({"quantity": 2}))).await;
    delete(&sim, &format!("jobs?token={token}&force=false")).await.ok_empty();
    assert_eq!((events(&sim, &ids[0]).last().unwrap().as_str(), events(&sim, &ids[1]).len()), ("Claimed", 2));
    delete(&sim, &format!("jobs/{}?force=false", ids[0])).await.ok_empty();
    let status = get(&sim, &format!("jobs/{}", ids[1])).await.ok();
    assert_eq!((&status["lastEvent"]["type"], &status["scheduled"]), (&json!("Deleted"), &json!(false)));
    delete(&sim, &format!("jobs?token={token}")).await.ok_empty();
    assert_eq!(events(&sim, &ids[0]).last().unwrap(), "Deleted");
    // The worker is free again, and an ended job stays what it was.
    let (token, ids) = submit(&sim, picture(json!({}))).await;
    get(&sim, &format!("jobs?token={token}&wait=true")).await.ok();
    delete(&sim, &format!("jobs/{}", ids[0])).await.ok_empty();
    assert_eq!(events(&sim, &ids[0]).last().unwrap(), "Succeeded");
}

#[tokio::test(start_paused = true)]
async fn cancelled_jobs_can_be_forgotten_or_have_another_word() {
    let sim = exact().forget_deleted().cancel_word("Canceled").build();
    let (token, ids) = submit(&sim, picture(json!({}))).await;
    delete(&sim, &format!("jobs/{}", ids[0])).await.ok_empty();
    assert_eq!(events(&sim, &ids[0]).last().unwrap(), "Canceled");
    assert_eq!(get(&sim, &format!("jobs/{}", ids[0])).await.status, 404);
    assert_eq!(get(&sim, &format!("jobs?token={token}")).await.status, 404);
    assert_eq!(delete(&sim, &format!("jobs?token={token}")).await.status, 404);
    assert_eq!(post(&sim, "jobs/query", &json!({})).await.ok()["jobs"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn jobs_are_tainted_by_token_properties_and_id() {
    let sim = exact().build();
    let (token, ids) = submit(&sim, picture(json!({"quantity": 2, "properties": {"env": "prod", "tag": null}}))).await;
    submit(&sim, picture(json!({"properties": {"env": "prod"}}))).await;
    let tainted = || sim.jobs().iter().filter(|job| job.tainted.is_some()).count();

    let by_id = Some(json!({"reason": "blurry", "context": {"score": 0.12}}));
    put(&sim, &format!("jobs/{}", ids[0]), by_id).await.ok_empty();
    let taint = sim.jobs()[0].tainted.clone().unwrap();
    assert_eq!((taint.reason.as_deref(), taint.context), (Some("blurry"), Some(json!({"score": 0.12}))));
    assert_eq!(tainted(), 1);

    assert_eq!(put(&sim, &format!("jobs?token={token}"), None).await.ok(), json!({"jobs": 2}));
    assert_eq!(tainted(), 2);
    let by_properties = json!({"reason": null, "properties": {"env": "prod"}});
    assert_eq!(put(&sim, "jobs", Some(by_properties.clone())).await.ok(), json!({"jobs": 3}));
    assert_eq!(put(&sim, &format!("jobs?token={token}"), Some(by_properties)).await.ok(), json!({"jobs": 2}));
    assert_eq!(put(&sim, "jobs", Some(json!({"properties": {"tag": null}}))).await.ok(), json!({"jobs": 2}));
    assert_eq!(put(&sim, "jobs", Some(json!({"properties": {"Env": "prod"}}))).await.ok(), json!({"jobs": 0}));
    for body in [None, Some(json!({})), Some(json!({"reason": null, "context": null, "properties": null}))] {
        let refused = put(&sim, "jobs", body).await;
        assert_eq!(refused.status, 400);
        assert_eq!(refused.json()["token"]["validationState"], "Invalid");
    }
    let refused = put(&sim, "jobs?token=bad", None).await;
    assert_eq!((refused.status, &refused.json()["token"]["attemptedValue"]), (400, &json!("bad")));
}

#[tokio::test(start_paused = true)]
async fn a_query_matches_all_properties_exactly_and_pages_with_a_cursor() {
    let sim = exact().page_size(3).build();
    for n in 0..8 {
        submit(&sim, picture(json!({"properties": {"n": n, "env": "prod", "list": [1, "a", null]}}))).await;
    }
    submit(&sim, json!({"$type": "comfy", "properties": {"n": 99, "env": "test"}})).await;
    let query = async |body: Value| post(&sim, "jobs/query", &body).await.ok();
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = query(json!({"cursor": cursor, "properties": {"env": "prod"}})).await;
        let jobs = page["jobs"].as_array().unwrap();
        assert!(jobs.len() <= 3);
        seen.extend(jobs.iter().map(|job| job["properties"]["n"].as_i64().unwrap()));
        // A job that comes between two pages does not shift them.
        submit(&sim, picture(json!({"properties": {"n": 100, "env": "prod"}}))).await;
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1, 0]);
    let count =
        async |properties: Value| query(json!({"properties": properties})).await["jobs"].as_array().unwrap().len();
    assert_eq!(count(json!({"n": 5.0, "env": "prod"})).await, 1);
    assert_eq!(count(json!({"n": "5"})).await, 0);
    assert_eq!(count(json!({"N": 5})).await, 0);
    assert_eq!(count(json!({"n": 5, "list": [1, "a", null]})).await, 1);
    assert_eq!(count(json!({"n": 5, "env": "test"})).await, 0);
    let comfy = query(json!({"jobType": "Comfy"})).await;
    assert_eq!((comfy["jobs"].as_array().unwrap().len(), &comfy["cursor"]), (1, &Value::Null));
    let detailed = post(&sim, "jobs/query?detailed=true", &json!({"jobType": "Comfy"})).await.ok();
    assert_eq!(detailed["jobs"][0]["job"]["type"], "Comfy");
    assert_eq!(call(&sim, Method::POST, "jobs/query", None).await.ok()["jobs"].as_array().unwrap().len(), 3);
    assert_eq!(post(&sim, "jobs/query", &json!({"cursor": "bad"})).await.status, 400);
    assert_eq!(fields(&post(&sim, "jobs/query", &json!({"properties": 5})).await), ["properties"]);
}

#[tokio::test(start_paused = true)]
async fn coverage_answers_each_model_under_the_text_that_was_asked() {
    let sim = exact().coverage("urn:air:sd1:lora:civitai:1@2", "Degraded", 2).build();
    let models =
        ["urn:air:sdxl:checkpoint:civitai:101055@128078", "URN:air:sdxl:vae:huggingface:a/b", "@civitai/128078"];
    let query: Vec<String> = models.iter().map(|model| format!("model={}", encode(model))).collect();
    let answer = get(&sim, &format!("coverage?{}", query.join("&"))).await.ok();
    assert!(models.iter().all(|model| answer[model]["workers"].is_u64()));
    assert_eq!(answer[models[0]]["availability"], "Available");
    assert_eq!(answer, get(&sim, &format!("coverage?{}", query.join("&"))).await.ok());
    let set = get(&sim, "coverage?model=urn%3Aair%3Asd1%3Alora%3Acivitai%3A1%402").await.ok();
    assert_eq!(set, json!({"urn:air:sd1:lora:civitai:1@2": {"availability": "Degraded", "workers": 2}}));
    assert_eq!(get(&sim, "coverage?model=nonsense").await.ok()["nonsense"]["availability"], "Unknown");
    assert_eq!(fields(&get(&sim, "coverage").await), ["model"]);
    assert_eq!(fields(&get(&sim, "coverage?model=").await), ["model"]);
}

#[tokio::test(start_paused = true)]
async fn consumption_counts_the_jobs_of_a_period() {
    let sim = exact().start(UNIX_EPOCH + Duration::from_secs(1_704_067_200)).build(); // 2024-01-01
    let body = picture(json!({"quantity": 2, "params": {"width": 1024, "height": 1024, "steps": 30}}));
    post(&sim, "jobs?wait=true", &body).await.ok();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    post(&sim, "jobs", &body).await.ok();
    let read = async |query: &str| get(&sim, &format!("consumption{query}")).await.ok();
    assert_eq!(read("").await, json!({"images": 2, "totalCost": 8.0, "startDate": null, "endDate": null}));
    let second = read("?startDate=2024-01-02T00:00:00Z").await;
    assert_eq!((&second["images"], &second["totalCost"]), (&json!(0), &json!(4.0)));
    assert_eq!(second["startDate"], "2024-01-02T00:00:00Z");
    // Offsets with and without a colon, and with a plus sign that nobody encoded.
    for offset in ["%2B05:30", "%2B0530", "+05:30"] {
        let first =
            read(&format!("?startDate=2023-12-31T00:00:00.000000{offset}&endDate=2024-01-02T05:00:00{offset}")).await;
        assert_eq!((&first["images"], &first["totalCost"]), (&json!(2), &json!(4.0)), "{offset}");
    }
    assert_eq!(fields(&get(&sim, "consumption?endDate=soon").await), ["endDate"]);
}

#[tokio::test(start_paused = true)]
async fn past_submissions_are_listed_in_pages() {
    let sim = exact().build();
    for n in 1..=5 {
        submit(&sim, picture(json!({"quantity": n}))).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let first = get(&sim, "requests?take=2").await.ok();
    let sizes = |page: &Value| -> Vec<usize> {
        page["requests"].as_array().unwrap().iter().map(|r| r["jobs"].as_array().unwrap().len()).collect()
    };
    assert_eq!(sizes(&first), [5, 4]);
    assert_eq!(first["requests"][0]["dateTime"], "2025-01-01T00:00:04.0000000Z");
    assert_eq!(first["requests"][0]["jobs"][0]["job"]["type"], "TextToImage");
    assert!(first["requests"][0]["jobs"][0]["lastEvent"]["type"].is_string());
    let second = get(&sim, &format!("requests?take=2&cursor={}", encode(&first["cursor"].to_string()))).await.ok();
    assert_eq!(sizes(&second), [3, 2]);
    let id = second["cursor"]["nextId"].as_str().unwrap();
    let third = get(&sim, &format!("requests?take=2&cursor={id}")).await.ok();
    assert_eq!((sizes(&third), &third["cursor"]), (vec![1], &Value::Null));
    assert_eq!(fields(&get(&sim, "requests?take=0").await), ["take"]);
    assert_eq!(fields(&get(&sim, "requests?cursor=none").await), ["cursor"]);
}

#[tokio::test(start_paused = true)]
async fn older_generations_of_answers_can_be_chosen() {
    let older = exact().shape(Shape::older()).build();
    let done = post(&older, "jobs?wait=true", &picture(json!({}))).await.ok();
    assert_eq!(done["jobs"][0]["result"]["available"], true);
    assert!(done["jobs"][0].get("lastEvent").is_none());

    let documented = exact().shape(Shape::documented()).build();
    let accepted = post(&documented, "jobs", &picture(json!({}))).await;
    assert_eq!((accepted.status, accepted.body.len()), (202, 0));
    let id = documented.jobs()[0].id.clone();
    let read = get(&documented, &format!("jobs/{id}")).await.ok();
    assert_eq!(read["jobs"][0]["jobId"], id.as_str());

    let late = exact().accept_status(202).hex_ids().build();
    let accepted = post(&late, "jobs", &picture(json!({}))).await;
    assert_eq!((accepted.status, accepted.json()["jobs"][0]["jobId"].as_str().unwrap().len()), (202, 64));
}

#[tokio::test(start_paused = true)]
async fn every_other_waiting_job_shows_its_first_event() {
    let sim = exact().workers(0).build();
    let (_, ids) = submit(&sim, picture(json!({"quantity": 2}))).await;
    let event = async |id: &str| get(&sim, &format!("jobs/{id}")).await.ok().get("lastEvent").cloned();
    assert_eq!(event(&ids[0]).await.unwrap()["type"], "Initialized");
    assert_eq!(event(&ids[1]).await, None);
}

#[tokio::test(start_paused = true)]
async fn unknown_paths_and_methods_are_not_found() {
    let sim = exact().build();
    let paths = ["", "v1/consumer", "v1/consumer/other", "v2/consumer/jobs", "v1/consumer/jobs/a/taint", "jobs"];
    for path in paths {
        let answer = send(&sim, Method::GET, &format!("{}/{path}", Civitai::URL), &[], "").await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (404, 0), "{path}");
    }
    assert_eq!(call(&sim, Method::HEAD, "jobs", None).await.status, 404);
    assert_eq!(call(&sim, Method::PATCH, "jobs", None).await.status, 404);
    assert_eq!(sim.ledger().count("unknown"), 8);
    assert_eq!(fields(&get(&sim, "jobs/").await), ["token"]);
    assert_eq!(get(&sim, "jobs/a%2Fb").await.json()["status"], 404);
}
