//! Lists, pages, histories as cursors, names in paths, nodes.
use consign_sim::Bacalhau;
use serde_json::{Value, json};

use crate::common::*;

fn ids(page: &Value) -> Vec<String> {
    page["Items"].as_array().unwrap().iter().map(|job| job["ID"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn pages_follow_a_token_that_overrides_the_request() {
    let sim = Bacalhau::new();
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(put(&sim, wasm("hello", json!({"Labels": {"n": number.to_string(), "all": ""}}))).await);
        pass(1.0).await;
    }
    let page = async |query: &str| ask(&sim, &format!("GET {JOBS}?{query}")).await.ok();
    let first = page("limit=2").await;
    assert_eq!((ids(&first), &first["NextToken"]), (made[..2].to_vec(), &json!("Ok46Mjoy")));
    let second = page("limit=4&reverse=true&next_token=Ok46Mjoy").await;
    assert_eq!(ids(&second), made[2..4]);
    let last = page(&format!("next_token={}", second["NextToken"].as_str().unwrap())).await;
    assert_eq!((ids(&last), &last["NextToken"]), (made[4..].to_vec(), &json!("")));
    assert_eq!(ids(&page("reverse=True").await)[0], made[4]);
    assert_eq!(ids(&page("labels=n+in+(1,3),all&labels=n!=3").await), [made[1].clone()]);
    assert_eq!(ids(&page("namespace=other").await).len(), 0);
    assert_eq!(ids(&page("namespace=*&limit=0&next_token=").await).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_history_is_a_cursor_that_has_a_token_while_the_job_lives() {
    let sim = Bacalhau::new();
    let id = put(&sim, wasm("spin", json!({}))).await;
    pass(1.0).await;
    let page = async |query: &str| ask(&sim, &format!("GET {JOBS}/{id}/history?{query}")).await.ok();
    let first = page("").await;
    assert_eq!((first["Items"].as_array().unwrap().len(), &first["NextToken"]), (4, &json!("Ok46MDo1")));
    assert_eq!(page("next_token=Ok46MDo1").await, json!({"NextToken": "Ok46MDo1", "Items": []}));
    let two = page("limit=2").await;
    assert_eq!((two["Items"].as_array().unwrap().len(), &two["NextToken"]), (2, &json!("Ok46Mjoz")));
    assert_eq!(page("event_type=job").await["Items"].as_array().unwrap().len(), 2);
    let execution = executions(&sim, &id).await[0]["ID"].as_str().unwrap().to_owned();
    assert_eq!(page(&format!("execution_id={execution}")).await["Items"].as_array().unwrap().len(), 2);
    let prefix = ask(&sim, &format!("GET {JOBS}/{id}/history?execution_id=e-")).await.refusal();
    assert_eq!((prefix.0, prefix.2.as_str()), (404, "execution not found: e-"));
    assert_eq!(page("since=99999999999").await["Items"], json!([]));
    tell(&sim, &format!("DELETE {JOBS}/{id}"), &json!({})).await.ok();
    pass(1.0).await;
    let end = page("next_token=Ok46MDo1").await;
    assert_eq!((end["Items"].as_array().unwrap().len(), &end["NextToken"]), (2, &json!("")));
    assert_eq!(end["Items"][0]["Event"]["Details"], json!({"Reason": ""}));
}

#[tokio::test(start_paused = true)]
async fn a_job_is_found_by_name_id_and_prefix_in_the_right_spelling() {
    let sim = Bacalhau::new();
    let id = put(&sim, wasm("hello", json!({"Name": "a:b c!"}))).await;
    let status = async |path: &str| ask(&sim, &format!("GET {JOBS}/{path}")).await.status;
    assert_eq!([status("a:b%20c%21").await, status(&id).await, status(&id[..12]).await], [200; 3]);
    assert_eq!([status("a%3Ab%20c%21").await, status("a:b%20c!").await, status(&id[2..]).await], [404; 3]);
    assert_eq!(status("a:b%20c%21?namespace=other").await, 404);
    put(&sim, wasm("hello", json!({}))).await;
    let many = ask(&sim, &format!("GET {JOBS}/j-")).await;
    assert_eq!(many.refusal().1, "MultipleJobsFound");
    assert_eq!((many.status, &many.json()["Hint"]), (500, &json!("Use full job ID")));
}

#[tokio::test(start_paused = true)]
async fn included_parts_come_with_the_job() {
    let sim = Bacalhau::new();
    let id = put(&sim, wasm("hello", json!({}))).await;
    pass(1.0).await;
    let whole = ask(&sim, &format!("GET {JOBS}/{id}?include=history,executions,nothing")).await.ok();
    assert_eq!(whole["History"]["Items"].as_array().unwrap().len(), 6);
    assert_eq!((&whole["History"]["NextToken"], &whole["Executions"]["Items"][0]["JobID"]), (&json!(""), &json!(id)));
    let pretty = ask(&sim, &format!("GET {JOBS}/{id}?pretty")).await;
    assert!(pretty.text().starts_with("{\n  \"Job\""), "{}", pretty.text());
}

#[tokio::test(start_paused = true)]
async fn nodes_are_told_of_and_rejected_ones_get_no_jobs() {
    let sim = Bacalhau::builder().nodes(2).build();
    let nodes = ask(&sim, "GET /api/v1/orchestrator/nodes?filter-approval=approved&limit=1").await.ok();
    assert_eq!(nodes["Nodes"][0]["Info"]["ComputeNodeInfo"]["ExecutionEngines"], json!(["docker", "wasm"]));
    assert_eq!(nodes["Nodes"].as_array().unwrap().len(), 1);
    let node = "PUT /api/v1/orchestrator/nodes/node1";
    let again = tell(&sim, node, &json!({"Action": "approve"})).await.refusal();
    assert_eq!(again, (409, "ConflictNodeState".to_owned(), "node node1 already approved".to_owned()));
    assert_eq!(tell(&sim, node, &json!({"Action": "reject"})).await.ok(), json!({"Success": true}));
    assert_eq!(tell(&sim, node, &json!({"Action": "x"})).await.status, 500);
    let id = put(&sim, wasm("hello", json!({}))).await;
    pass(1.0).await;
    assert_eq!(executions(&sim, &id).await[0]["NodeID"], "node2");
    assert_eq!(ask(&sim, "GET /api/v1/agent/alive").await.ok(), json!({"Status": "OK"}));
    assert_eq!(ask(&sim, "GET /api/v1/agent/version").await.ok()["GitVersion"], "v1.9.3");
    assert_eq!(ask(&sim, "GET /version").await.header("location"), "/api/v1/agent/version");
}
