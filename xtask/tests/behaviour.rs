//! What generated code does: it is compiled from the documents beside this file, and called.
#![allow(clippy::unwrap_used, clippy::panic)]
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use consign_http::{ByteStream, CallOptions, Client as Http, DateTime, Error, Form, transport};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

#[path = "generated/mod.rs"]
#[rustfmt::skip]
#[allow(dead_code)]
mod generated;

use generated::features::types::*;
use generated::features::{self, Client};
use generated::modern::types as modern;

/// What was sent, and the answer to everything.
#[derive(Clone)]
struct Server {
    sent: Arc<Mutex<Vec<Request<Bytes>>>>,
    client: Client,
}

impl Server {
    fn answering(status: u16, body: Value) -> Self {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = sent.clone();
        let server = transport::from_fn(move |request: Request<Bytes>| {
            log.lock().unwrap().push(request);
            let bytes = if body == Value::Null { Bytes::new() } else { Bytes::from(body.to_string()) };
            let mut response = Response::new(bytes);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            async { Ok(response) }
        });
        let http = Http::builder("https://pets.example.com").unwrap().transport(server).build().unwrap();
        Self { sent, client: Client::from_http(http) }
    }
    fn only(&self) -> Request<Bytes> {
        let mut sent = self.sent.lock().unwrap();
        assert_eq!(sent.len(), 1, "requests");
        sent.remove(0)
    }
}

fn run<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(call)
}

/// A type read from JSON and written again.
fn round<T: serde::Serialize + serde::de::DeserializeOwned>(value: Value) -> (T, Value) {
    let read: T = serde_json::from_value(value).unwrap();
    let written = serde_json::to_value(&read).unwrap();
    (read, written)
}

#[test]
fn an_unknown_value_of_an_enum_is_kept_and_written_back() {
    let (status, written) = round::<Status>(json!("asleep"));
    assert_eq!((status, written), (Status::Unknown("asleep".to_owned()), json!("asleep")));
}

#[test]
fn a_known_value_in_another_case_is_the_known_one() {
    let (status, written) = round::<Status>(json!("ONHOLD"));
    assert_eq!((status, written), (Status::OnHold, json!("onHold")));
    assert_eq!(("Self".parse::<Status>().unwrap(), Status::from("+".to_owned())), (Status::Self_, Status::Plus));
    assert_eq!(Status::KNOWN, ["active", "onHold", "16:9", "+", "", "self"]);
    assert_eq!((Status::V16_9.to_string().as_str(), Status::Empty.as_str()), ("16:9", ""));
}

#[test]
fn an_exact_value_goes_before_one_in_another_case_and_a_known_unknown_keeps_its_name() {
    assert_eq!(round::<Mood>(json!("Glad")), (Mood::Glad2, json!("Glad")));
    assert_eq!(round::<Mood>(json!("glad")), (Mood::Glad, json!("glad")));
    assert_eq!(round::<Mood>(json!("unknown")), (Mood::Unknown, json!("Unknown")));
    assert_eq!(round::<Mood>(json!("grim")), (Mood::Other("grim".to_owned()), json!("grim")));
    assert!(serde_json::from_value::<Mood>(json!(1)).is_err());
}

#[test]
fn an_enum_is_read_from_escaped_text_and_from_a_reader() {
    assert_eq!(serde_json::from_str::<Status>(r#""\u0061ctive""#).unwrap(), Status::Active);
    assert_eq!(serde_json::from_reader::<_, Status>(&b"\"active\""[..]).unwrap(), Status::Active);
}

#[test]
fn a_union_by_tag_reads_and_writes_each_of_its_types() {
    let (pet, written) = round::<Pet>(json!({"lives": 9, "kind": "cat", "name": "Tom"}));
    let Pet::Cat(cat) = &pet else { panic!("{pet:?}") };
    assert_eq!((cat.name.as_str(), cat.lives), ("Tom", 9));
    assert_eq!(written, json!({"kind": "cat", "lives": 9, "name": "Tom"}));
    let made: Pet = Dog::new("Rex").tricks(vec!["sit".to_owned()]).into();
    assert_eq!(serde_json::to_value(made).unwrap(), json!({"kind": "dog", "name": "Rex", "tricks": ["sit"]}));
    assert_eq!(serde_json::to_value(Pet::Fish(Fish::new("Wanda"))).unwrap(), json!({"kind": "Fish", "name": "Wanda"}));
}

#[test]
fn an_unknown_or_missing_tag_keeps_the_whole_object() {
    for value in [json!({"kind": "bird", "wings": 2}), json!({"wings": 2}), json!({"kind": null}), json!({"kind": 3})] {
        let (pet, written) = round::<Pet>(value.clone());
        assert!(matches!(pet, Pet::Unknown(_)), "{value}");
        assert_eq!(written, value);
    }
    assert!(serde_json::from_value::<Pet>(json!("cat")).is_err());
}

#[test]
fn a_known_tag_with_a_bad_payload_is_an_error_that_names_the_tag() {
    let error = serde_json::from_value::<Pet>(json!({"kind": "cat", "name": "Tom"})).unwrap_err().to_string();
    assert_eq!(error, "kind is \"cat\": missing field `lives`");
    let page = serde_json::from_value::<PetPage>(json!({"items": [{"kind": "dog"}]})).unwrap_err().to_string();
    assert!(page.contains("kind is \"dog\": missing field `name`"), "{page}");
}

#[test]
fn a_type_that_belongs_to_one_union_writes_its_tag_also_on_its_own() {
    assert_eq!(serde_json::to_value(Circle::new(2.0)).unwrap(), json!({"$type": "circle", "radius": 2.0}));
    let (circle, written) = round::<Circle>(json!({"radius": 1, "$type": "circle", "colour": "red"}));
    assert_eq!(circle.extra, *json!({"colour": "red"}).as_object().unwrap());
    assert_eq!(written, json!({"$type": "circle", "radius": 1.0, "colour": "red"}));
    assert_eq!(round::<Circle>(json!({"radius": 1})).1, json!({"$type": "circle", "radius": 1.0}));
}

#[test]
fn a_type_under_two_tags_is_written_under_the_one_it_came_with() {
    for tag in ["square", "rect"] {
        let value = json!({"$type": tag, "side": 1.5, "colour": "red"});
        let (shape, written) = round::<Shape>(value.clone());
        let (Shape::Square(square) | Shape::Rect(square)) = &shape else { panic!("{shape:?}") };
        assert_eq!(square.extra, *json!({"colour": "red"}).as_object().unwrap());
        assert_eq!((matches!(shape, Shape::Rect(_)), written), (tag == "rect", value));
    }
}

#[test]
fn an_object_without_known_members_keeps_all_and_a_union_may_contain_itself() {
    let value =
        json!({"$type": "group", "of": [{"$type": "Empty", "a": 1}], "mask": {"$type": "circle", "radius": 0.5}});
    let (shape, written) = round::<Shape>(value.clone());
    let Shape::Group(group) = shape else { panic!("{shape:?}") };
    assert!(matches!(group.mask, Some(Shape::Circle(_))));
    assert_eq!(written, value);
}

#[test]
fn in_a_union_without_a_tag_required_members_decide() {
    assert!(matches!(round::<Drawing>(json!({"width": 1, "height": 2})).0, Drawing::Page(_)));
    assert!(matches!(round::<Drawing>(json!({"width": 1})).0, Drawing::Summary(_)));
    assert!(matches!(round::<Drawing>(json!({})).0, Drawing::Summary(_)));
    assert!(matches!(round::<Drawing>(json!([{"$type": "Empty"}])).0, Drawing::List(_)));
    assert_eq!(round::<Drawing>(json!("glad")).0, Drawing::Mood(Mood::Glad));
    assert_eq!(round::<Drawing>(json!(true)).0, Drawing::Boolean(true));
}

#[test]
fn a_form_that_is_not_known_is_kept_and_never_fails() {
    for value in [json!(3.5), json!([1]), json!({"width": "wide"}), json!(null)] {
        let (drawing, written) = round::<Drawing>(value.clone());
        assert_eq!((drawing, &written), (Drawing::Other(value.clone()), &value));
    }
}

#[test]
fn forms_convert_into_their_union_and_scalars_are_displayed() {
    assert_eq!(Weight::from(5), Weight::Integer(5));
    assert_eq!(Weight::from("heavy").to_string(), "heavy");
    assert_eq!(round::<Weight>(json!(5)), (Weight::Integer(5), json!(5)));
    let formula: Formula = Sum::new(1.5, Negated::new(2.0)).into();
    let written = serde_json::to_value(&formula).unwrap();
    assert_eq!(written, json!({"left": 1.5, "right": {"of": 2.0}}));
    assert_eq!(round::<Formula>(written).0, formula);
}

#[test]
fn null_and_absent_are_the_same_and_none_is_not_written() {
    let all = json!({"name": null, "age": null, "weight": null, "status": null, "tags": null, "labels": null, "meta": null, "any": null});
    let (patch, written) = round::<PetPatch>(all);
    assert_eq!((patch, written), (PetPatch::new(), json!({})));
    let empty = PetPatch::new().tags(vec![]).labels(Default::default());
    assert_eq!(serde_json::to_value(empty).unwrap(), json!({"labels": {}, "tags": []}));
    let meta = json!({"meta": {"a": null}, "any": [null]});
    assert_eq!(round::<PetPatch>(meta.clone()).1, meta);
}

#[test]
fn a_required_member_that_may_be_null_is_written_as_null() {
    let misc = Misc::new("t", u64::MAX, MiscKind::Misc);
    let written = serde_json::to_value(&misc).unwrap();
    assert_eq!(written, json!({"type": "t", "note": null, "big": u64::MAX, "kind": "misc"}));
    let read: Misc = serde_json::from_value(json!({"type": "t", "big": 1, "kind": "misc"})).unwrap();
    assert_eq!(read.note, None);
}

#[test]
fn unknown_members_never_fail_and_are_kept_only_by_types_that_are_sent() {
    let (patch, written) = round::<PetPatch>(json!({"name": "a", "colour": {"deep": [1]}}));
    assert_eq!(patch.extra["colour"], json!({"deep": [1]}));
    assert_eq!(written, json!({"name": "a", "colour": {"deep": [1]}}));
    let (page, written) = round::<PetPage>(json!({"items": [], "more": 1}));
    assert_eq!((page.items.len(), written), (0, json!({"items": []})));
    let (person, written) = round::<Person>(json!({"age": 3}));
    assert_eq!((person.extra.len(), written), (1, json!({"age": 3})));
}

#[test]
fn names_that_become_the_same_are_told_apart_and_stay_right_on_the_wire() {
    let misc = Misc::new("t", 1u64, "misc").foo_bar(1).foo_bar2("two").extra("three").set_new(true).small(2);
    let misc = misc.ratio(0.1).several(Status::Active).text(String::new().option(Option::new().list(vec![])));
    let written = serde_json::to_value(&misc).unwrap();
    let expected = json!({"type": "t", "note": null, "big": 1, "kind": "misc", "foo_bar": 1, "fooBar": "two",
        "extra": "three", "new": true, "small": 2, "ratio": 0.1f32, "several": "active",
        "text": {"option": {"list": []}}});
    assert_eq!(written, expected);
    let (misc, written) = round::<Misc>(json!({"type": "", "note": "n", "big": 1, "kind": "other", "x": 1,
        "inner": {"mode": "A"}, "nested": [[], [[]]], "extended": {"known": "k", "n": 1}, "mixed": "a", "server": "s"}));
    assert_eq!(misc.extra2, *json!({"x": 1}).as_object().unwrap());
    assert_eq!(misc.kind, MiscKind::Unknown("other".to_owned()));
    assert_eq!(written["inner"], json!({"mode": "a"}));
    assert_eq!((&written["nested"], &written["extended"]), (&json!([[], [[]]]), &json!({"known": "k", "n": 1})));
}

#[test]
fn dates_keep_their_text_and_ids_are_never_empty() {
    let value = json!({"kind": "Fish", "name": "W", "born": "2024-06-08T19:56:01.8499363"});
    assert_eq!(round::<Pet>(value.clone()).1, value);
    assert!(serde_json::from_value::<Session>(json!({"token": ""})).is_err());
    assert_eq!(round::<Session>(json!({"token": "a", "level": 7})).0.level, Some(7));
}

#[test]
fn parameters_are_sent_in_document_order_and_as_the_document_says() {
    let server = Server::answering(200, json!({"items": []}));
    let options = features::ListPetsOptions::default()
        .limit(5)
        .tags(vec!["a b".to_owned(), "c&d".to_owned()])
        .ids(vec![1, 2])
        .states(vec![Status::Active, Status::OnHold])
        .sort("-name")
        .call_(true)
        .born(DateTime::from("2024-01-01T00:00:00Z"))
        .weight(5)
        .where_name("Tom")
        .raw(json!({"a": 1}))
        .x_trace("t1")
        .call(CallOptions::new().header("X-More", "m"));
    run(server.client.list_pets(&Status::V16_9, "acme", options)).unwrap();
    let request = server.only();
    let query = "limit=5&tags=a%20b&tags=c%26d&ids=1%2C2&states=active%7ConHold&sort=-name&type=16%3A9&call=true\
        &born=2024-01-01T00%3A00%3A00Z&weight=5&where%5Bname%5D=Tom&raw=%7B%22a%22%3A1%7D";
    assert_eq!(request.uri().query(), Some(query));
    assert_eq!(request.headers()["x-tenant"], "acme");
    assert_eq!(
        (&request.headers()["x-trace"], &request.headers()["x-more"]),
        (&"t1".parse().unwrap(), &"m".parse().unwrap())
    );
    assert!(!request.headers().contains_key("api-version"));
}

#[test]
fn nothing_optional_is_sent_unless_it_is_given() {
    let server = Server::answering(200, json!({"items": []}));
    let reply = run(server.client.list_pets(&Status::Active, "acme", Default::default())).unwrap();
    let request = server.only();
    assert_eq!((request.uri().query(), request.body().len()), (Some("type=active"), 0));
    assert_eq!((reply.items.len(), reply.raw().len()), (0, br#"{"items":[]}"#.len()));
}

#[test]
fn path_values_are_checked_encoded_and_put_in_the_order_of_the_template() {
    let server = Server::answering(200, json!({}));
    run(server.client.move_("a b", "x/y", &[1, 2], Default::default())).unwrap();
    assert_eq!(server.only().uri().path(), "/files/a%20b.x%2Fy/1,2");
    for bad in ["", ".", ".."] {
        let error = run(server.client.get_pet(bad, Default::default())).unwrap_err();
        assert_eq!(error.kind(), consign_http::ErrorKind::InvalidRequest, "{bad:?}");
    }
    assert!(server.sent.lock().unwrap().is_empty());
}

#[test]
fn an_optional_body_is_really_optional() {
    let server = Server::answering(204, Value::Null);
    run(server.client.put_pet("1", None, Default::default())).unwrap();
    let request = server.only();
    assert!(request.body().is_empty() && !request.headers().contains_key("content-type"));
    run(server.client.put_pet("1", Some(&PetPatch::new().name("b")), Default::default())).unwrap();
    let request = server.only();
    assert_eq!(
        (&request.body()[..], &request.headers()["content-type"]),
        (&br#"{"name":"b"}"#[..], &"application/json".parse().unwrap())
    );
}

#[test]
fn a_success_without_a_body_is_none_only_where_the_document_allows_it() {
    let pet = Pet::from(Cat::new("Tom", 9));
    let server = Server::answering(202, Value::Null);
    assert_eq!(run(server.client.create_pet(&pet, Default::default())).unwrap().into_value(), None);
    let server = Server::answering(201, Value::Null);
    assert!(run(server.client.create_pet(&pet, Default::default())).is_err());
    let server = Server::answering(201, json!({"kind": "cat", "name": "Tom", "lives": 9}));
    assert_eq!(run(server.client.create_pet(&pet, Default::default())).unwrap().into_value(), Some(pet));
    let server = Server::answering(202, Value::Null);
    assert!(run(server.client.wait(Default::default())).unwrap().is_none());
}

#[test]
fn every_kind_of_body_is_sent_under_its_media_type() {
    let media = |request: &Request<Bytes>| request.headers()["content-type"].to_str().unwrap().to_owned();
    let server = Server::answering(200, json!({"kind": "Fish", "name": "W", "token": "t"}));
    run(server.client.patch_pet("1", &PetPatch::new().age(4), Default::default())).unwrap();
    let request = server.only();
    assert_eq!((media(&request).as_str(), &request.body()[..]), ("application/merge-patch+json", &br#"{"age":4}"#[..]));
    run(server.client.login(&LoginBody::new("ann").scopes(vec!["a".to_owned(), "b".to_owned()]), Default::default()))
        .unwrap();
    let request = server.only();
    assert_eq!(media(&request), "application/x-www-form-urlencoded");
    let mut pairs: Vec<&[u8]> = request.body().split(|b| *b == b'&').collect();
    pairs.sort();
    assert_eq!(pairs.join(&b'&'), b"scopes=a&scopes=b&user=ann");
    let server = Server::answering(200, json!("id"));
    run(server.client.put_photo("1", ByteStream::from_bytes(Bytes::from_static(b"png")), Default::default())).unwrap();
    let request = server.only();
    assert_eq!((media(&request).as_str(), &request.body()[..]), ("image/png", &b"png"[..]));
    run(server.client.put_note("1", Some("hello".into()), Default::default())).unwrap();
    assert_eq!(media(&server.only()), "text/plain");
    let server = Server::answering(200, json!([{"name": "n"}]));
    run(server.client.add_paper("1", Form::new().text("title", "t"), Default::default())).unwrap();
    let request = server.only();
    assert!(media(&request).starts_with("multipart/form-data; boundary="));
    assert!(std::string::String::from_utf8_lossy(request.body()).contains("name=\"title\""));
}

#[test]
fn every_kind_of_answer_is_asked_for_and_received_as_what_it_is() {
    let accept = |server: &Server| server.only().headers()["accept"].to_str().unwrap().to_owned();
    let server = Server::answering(200, json!({"name": "n"}));
    let events = run(server.client.events("1", Default::default())).unwrap().into_value();
    assert_eq!(accept(&server), "text/event-stream");
    assert_eq!(run(events.collect(100)).unwrap(), r#"{"name":"n"}"#);
    run(server.client.get_photo("1", Default::default())).unwrap();
    assert_eq!(accept(&server), "image/png");
    assert_eq!(run(server.client.report(Default::default())).unwrap().into_value(), r#"{"name":"n"}"#);
    assert_eq!(accept(&server), "text/csv");
    assert_eq!(run(server.client.mixed(Default::default())).unwrap().into_value(), r#"{"name":"n"}"#);
    assert_eq!(accept(&server), "*/*");
    assert_eq!(run(server.client.all(Default::default())).unwrap().into_value().unwrap().name, "n");
    assert_eq!(accept(&server), "application/json");
    assert!(run(Server::answering(200, json!({"a": null})).client.health(Default::default())).unwrap()["a"].is_none());
    run(Server::answering(200, Value::Null).client.has_pet("1", Default::default())).unwrap();
}

#[test]
fn constants_decide_between_forms_without_a_tag() {
    let outcome = |value: Value| round::<modern::Job>(json!({"id": "1", "outcome": value})).0.outcome.unwrap();
    assert!(matches!(outcome(json!({"status": "ok", "value": 1})), modern::JobOutcome::Success(_)));
    assert!(matches!(outcome(json!({"status": "failed"})), modern::JobOutcome::Failure(_)));
    assert!(matches!(outcome(json!({"status": "lost", "value": 1})), modern::JobOutcome::Other(_)));
}

#[test]
fn forms_of_3_1_are_read_and_written() {
    let task = modern::Resize::new(3);
    let submit = modern::Submit::new(task).input("text").model("LARGE").priority(5).level("high").size(256).ratio(0.5);
    let written = serde_json::to_value(&submit).unwrap();
    let expected = json!({"task": {"kind": "resize", "width": 3}, "input": "text", "model": "large", "priority": 5,
        "level": "high", "size": 256, "ratio": 0.5});
    // A member that is required and may be null is there in any case.
    assert_eq!(written, expected);
    assert_eq!(round::<modern::Submit>(written).0, submit);
    let null = modern::Submit::new(modern::Caption::new());
    assert_eq!(serde_json::to_value(&null).unwrap(), json!({"task": {"kind": "caption"}, "input": null}));
    let upload =
        json!({"task": {"kind": "sing"}, "input": {"type": "upload", "id": "u"}, "pair": [1, "a"], "anything": [null]});
    let (submit, written) = round::<modern::Submit>(upload.clone());
    assert!(matches!(submit.input, Some(modern::SubmitInput::Upload(_))));
    assert_eq!(written, upload);
}

#[test]
fn what_an_overlay_adds_is_generated() {
    let job = round::<modern::Job>(json!({"id": "1", "cost": 2, "state": null})).0;
    assert_eq!((job.id.as_str(), job.cost, job.state), ("1", Some(2.0), None));
    assert!(serde_json::from_value::<modern::Job>(json!({"id": ""})).is_err());
}

#[test]
fn each_operation_is_described() {
    let operations = features::operations::ALL;
    let ids: Vec<&str> = operations.iter().map(|operation| operation.id).collect();
    assert_eq!(&ids[..4], ["listPets", "create_pet", "getPet", "putPet"]);
    assert!(ids.contains(&"delete_pets_pet_id") && ids.contains(&"get_thing"));
    let create = &features::operations::CREATE_PET;
    assert_eq!((&create.method, create.path, create.empty), (&http::Method::POST, "/pets", &[202u16][..]));
    assert_eq!((features::operations::WAIT.empty, features::operations::GET_PET.empty.len()), (&[202u16][..], 0));
}

#[test]
fn an_operation_may_be_on_another_client_with_a_path_of_several_segments_and_a_secret() {
    let server = Server::answering(502, json!("no page at /files?token=sesame-123"));
    let reader = features::Reader::from_http(server.client.http().clone());
    let error = run(reader.read_file("a b/c", "sesame-123", Default::default())).unwrap_err();
    assert_eq!(server.only().uri(), "https://pets.example.com/files/a%20b/c?token=sesame-123");
    assert_eq!(error.body(), "\"no page at /files?token=[redacted]\"");
    let error = run(reader.read_file("a/../b", "sesame-123", Default::default())).unwrap_err();
    assert_eq!(error.violations().iter().next().unwrap().member, "name");
}
