//! Every form of the places that have several, read and written back.
use super::*;
use serde_json::json;

fn through<T: serde::de::DeserializeOwned + Serialize>(text: &str) -> Value {
    let value: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    serde_json::to_value(&value).unwrap()
}

#[test]
fn a_time_span_is_read_as_text_or_object_and_written_as_text() {
    let cases = [
        (json!("00:00:02.7742373"), "00:00:02.7742373"),
        (json!("a word"), "a word"),
        (json!({"ticks": 27_742_373, "totalSeconds": 9.0, "seconds": 2}), "00:00:02.7742373"),
        (json!({"ticks": null, "totalSeconds": 90}), "00:01:30"),
        (json!({"totalSeconds": 0.5}), "00:00:00.5000000"),
    ];
    for (json, text) in cases {
        assert_eq!(through::<TimeSpanText>(&json.to_string()), text);
    }
    for bad in ["{}", "5", "[]", "{\"ticks\":\"x\"}"] {
        assert!(serde_json::from_str::<TimeSpanText>(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_result_is_written_back_in_the_form_in_which_it_came() {
    let results = [
        r#"{"blobKey":"A","available":true,"blobUrl":"https://b.example/A","blobUrlExpirationDate":"2024-06-08T19:56:01.8499363Z"}"#,
        r#"[{"blobKey":"A","available":false},{"blobKey":"B"}]"#,
        r#"[{"blobKey":"A","available":true,"blobUrl":null,"blobUrlExpirationDate":null,"width":1024}]"#,
        "[]",
        "{}",
        r#"{"total":3}"#,
        r#"{"found":true,"fileSize":12}"#,
        r#"{"blobUrlExpirationDate":"2024-06-08T19:56:01Z"}"#,
        r#"{"exist":true,"location":{"uri":"https://b.example","expirationDate":null}}"#,
        r#"[1,"a",null,{"blobKey":"A"}]"#,
        r#"[{"blobKey":"A"},null,[{"available":false}]]"#,
        r#""text""#,
        "12.5",
        "true",
        "null",
    ];
    for text in results {
        assert_eq!(through::<JobResult>(text), serde_json::from_str::<Value>(text).unwrap(), "{text}");
    }
}

#[test]
fn a_blob_shows_where_it_lies_and_not_how_its_address_is_signed() {
    let text = r#"{"blobKey":"A","available":true,"blobUrl":"https://blobs.example.net/A?sig=s3cret"}"#;
    let blob: JobResult = serde_json::from_str(text).unwrap();
    let shown = format!("{blob:?}");
    assert!(shown.contains("https://blobs.example.net/A?…") && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn blobs_are_typed_in_both_forms_and_only_they_are() {
    let read = |text: &str| serde_json::from_str::<JobResult>(text).unwrap();
    let one = read(r#"{"blobKey":"A","available":true,"blobUrl":"u","blobUrlExpirationDate":"d","width":1}"#);
    let JobResult::Blob(blob) = &one else { panic!("{one:?}") };
    assert_eq!((blob.blob_key.as_deref(), blob.blob_url.as_deref()), (Some("A"), Some("u")));
    assert!(blob.is_available());
    assert_eq!(blob.blob_url_expiration_date.as_ref().unwrap().as_str(), "d");
    assert_eq!(blob.extra.keys().collect::<Vec<_>>(), ["width"]);
    assert_eq!(one.blobs().len(), 1);
    assert_eq!(read(r#"[{"blobKey":"A"},{"available":null}]"#).blobs().len(), 2);
    for other in [r#"{"total":1}"#, r#"{"available":"perhaps"}"#, "[null]", "3"] {
        assert!(matches!(read(other), JobResult::Other(_)), "{other}");
        assert!(read(other).blobs().is_empty());
    }
    assert_eq!(
        through::<JobResult>(r#"{"available":{"a":[1]},"blobKey":7,"blobUrl":null,"x":1}"#),
        json!({"available": {"a": [1]}, "blobKey": 7, "blobUrl": null, "x": 1})
    );
}

#[test]
fn a_truncated_result_is_an_error() {
    for text in [r#"{"blobKey":"A""#, r#"[{"blobKey":"A"},"#, r#"{"available":tru"#, ""] {
        assert!(serde_json::from_str::<JobResult>(text).is_err(), "{text}");
    }
}

#[test]
fn a_job_by_id_is_read_bare_or_from_a_collection() {
    let read = |json: Value| serde_json::from_str::<JobReply>(&json.to_string()).unwrap();
    let id = |reply: JobReply, id: &str| reply.into_status(id).and_then(|status| status.job_id).map(String::from);
    assert_eq!(id(read(json!({"jobId": "a", "scheduled": true})), "b").as_deref(), Some("a"));
    let two = || read(json!({"token": "t", "jobs": [{"jobId": "a"}, {"jobId": "b"}]}));
    assert_eq!(id(two(), "b").as_deref(), Some("b"));
    assert_eq!(two().into_status("c"), None);
    assert_eq!(id(read(json!({"jobs": [{"jobId": "a"}]})), "c").as_deref(), Some("a"));
    assert_eq!(read(json!({"jobs": null})).into_status("a"), None);
    for json in [json!({"jobId": "a", "scheduled": true}), json!({"token": "t", "jobs": [{"jobId": "a"}]})] {
        assert_eq!(through::<JobReply>(&json.to_string()), json);
    }
    for bad in [r#"{"jobId":""}"#, r#"{"jobs":[{"jobId":""}]}"#, "[]", "\"x\"", r#"{"jobId":"#] {
        assert!(serde_json::from_str::<JobReply>(bad).is_err(), "{bad}");
    }
    // From a value in memory as well as from text.
    assert!(serde_json::from_value::<JobReply>(json!({"jobId": "a"})).is_ok());
}

#[test]
fn a_submission_is_one_template_or_a_list() {
    let template = json!({"$type": "textToImage", "params": {"prompt": "x", "width": 64, "height": 64}});
    let one: SubmitBody = serde_json::from_value(template.clone()).unwrap();
    assert!(matches!(one, SubmitBody::One(_)));
    assert_eq!(serde_json::to_value(&one).unwrap(), template);
    let list = json!({"jobs": [template, {"$type": "notKnownYet", "jobs": [1, null]}]});
    let read: SubmitBody = serde_json::from_value(list.clone()).unwrap();
    let SubmitBody::List(templates) = &read else { panic!("{read:?}") };
    assert_eq!(templates.jobs.as_ref().map(Vec::len), Some(2));
    assert_eq!(serde_json::to_value(&read).unwrap(), list);
    let other = json!({"$type": "notKnownYet", "jobs": [1, null]});
    assert_eq!(through::<SubmitBody>(&other.to_string()), other);
    assert_eq!(through::<SubmitBody>("{}"), json!({}));
    for bad in [json!([]), json!({"jobs": 3}), json!("x"), json!({"$type": "textToImage", "params": {"width": "wide"}})]
    {
        assert!(serde_json::from_value::<SubmitBody>(bad.clone()).is_err(), "{bad}");
    }
}
