//! Civitai's specs as text: what is kept when one is stored, and what is shown of one.
use std::collections::HashMap;
use std::time::Duration;

use consign::civitai::{
    Civitai, Comfy, ControlNet, ImageParams, ImageSource, JobSettings, Model, Priority, PriorityLevel, Template,
    TextToImage,
};
use serde_json::{Value, json};

const MODEL: &str = "urn:air:sdxl:checkpoint:civitai:101055@128078";
const LORA: &str = "urn:air:sdxl:lora:civitai:328553@368189";

fn cat() -> TextToImage {
    TextToImage::new(MODEL, "a cat")
}

fn full() -> TextToImage {
    cat()
        .params(ImageParams::new().negative_prompt("n").size(640, 832).steps(30).cfg_scale(7.5).seed(-1).clip_skip(2))
        .with_params(|p| p.scheduler("EulerA").source_image("https://a.example/x.png", 0.5).other("tiling", json!([1])))
        .quantity(4)
        .batch_size(2)
        .base_model("SDXL")
        .additional_network(LORA, |n| n.strength(-0.5).trigger_word("w"))
        .control_net(|c| c.blob_key("K").preprocessor("New").weight(0.5).start_step(0.0).end_step(1.0).model("m"))
        .priority(2..=8)
        .callback_url("https://a.example/?secret=s")
        .retries(2)
        .timeout("00:05:00")
        .expire_at("2030-01-31T12:00:00Z")
        .providers(["Civitai", "Brandnew"])
        .name("n")
        .depends_on(["o"])
        .property("a", json!({"deep": [null, 1.5, "x"]}))
        .other("creatorTip", 0.1)
}

fn stored(template: &Template) -> Value {
    serde_json::to_value(template).unwrap()
}

#[test]
fn a_stored_spec_is_read_back_as_it_was() {
    let raw = |json: Value| Template::Raw(json.as_object().unwrap().clone());
    let templates: Vec<Template> = vec![
        cat().into(),
        full().into(),
        cat().priority(5).into(),
        cat().priority(PriorityLevel::Low).into(),
        cat().priority(Priority::Raw(json!({"value": 3, "x": null}))).into(),
        cat().timeout(Duration::from_secs(90_000)).into(),
        cat().timeout("soon").into(),
        cat().model("").into(),
        cat().model("@civitai/128713").into(),
        cat().model("not an air").into(),
        cat().model(Model::raw("anything")).into(),
        cat().additional_network(Model::raw("my lora"), |n| n).additional_network(LORA, |n| n).into(),
        cat().server_limits().steps(120).quantity(50).into(),
        TextToImage::new(MODEL, "x").with_params(|_| ImageParams::new()).into(),
        Comfy::workflow(json!({"3": {}})).quantity(3).settings(|s| s.property("a", 1).retries(1)).other("x", 1).into(),
        Comfy::params(json!([1])).into(),
        raw(json!({"$type": "imageTransform", "imageUrl": "https://a.example/x", "params": {"a": null}})),
        raw(json!({"$type": "textToImage", "model": "anything", "params": {"steps": 1000}})),
        raw(json!({"$type": "comfy", "params": 5})),
        raw(json!({})),
    ];
    for template in templates {
        let json = stored(&template);
        let back: Template = serde_json::from_value(json.clone()).unwrap_or_else(|e| panic!("{json}: {e}"));
        assert_eq!(back, template, "{json}");
        assert_eq!(back.to_json(), template.to_json());
        let checked = |t: &Template| match t {
            Template::TextToImage(spec) => spec.validate().map_err(|e| e.to_string()),
            Template::Comfy(spec) => spec.validate().map_err(|e| e.to_string()),
            _ => Ok(()),
        };
        assert_eq!(checked(&back), checked(&template));
        // Storing again changes nothing.
        assert_eq!(stored(&back), json);
    }
}

#[test]
fn a_template_of_the_wire_is_read_with_its_unknown_members_and_written_back_with_them() {
    let wire = json!({"$type": "textToImage", "model": MODEL, "quantity": 2, "newTop": {"a": [1]}, "priority": "high",
        "params": {"prompt": "x", "width": 64, "height": 64, "scheduler": "Newest", "newParam": 1, "baseModel": "SDXL"},
        "additionalNetworks": {LORA: {"strength": 1.0, "newNet": true}},
        "controlNets": [{"blobKey": "k", "newControl": "y"}], "properties": {"p": null}, "timeout": "00:05:00"});
    let read: Template = serde_json::from_value(wire.clone()).unwrap();
    assert_eq!(Value::Object(read.to_json()), wire);
    assert_eq!(stored(&read), wire);
    // Null is the same as absent; a time span may be an object.
    let nulls = json!({"$type": "textToImage", "model": MODEL, "params": {"prompt": "x", "width": null, "steps": null},
        "quantity": null, "name": null, "additionalNetworks": null, "controlNets": null, "properties": null,
        "timeout": {"ticks": 3_000_000_000_i64}, "expireAt": null, "providers": null, "dependencies": null, "retries": null});
    let read: Template = serde_json::from_value(nulls).unwrap();
    assert_eq!(read, cat().prompt("x").timeout("00:05:00").into());
    let comfy: Template = serde_json::from_value(json!({"$type": "comfy", "params": {}, "quantity": null})).unwrap();
    assert_eq!(comfy, Comfy::params(json!({})).into());
}

#[test]
fn what_is_no_template_and_what_json_cannot_hold_are_errors_that_name_the_member() {
    let table = [
        (json!([]), "invalid type"),
        (json!("textToImage"), "invalid type"),
        (json!({"$type": "textToImage", "model": 5}), "model: "),
        (json!({"$type": "textToImage", "params": []}), "params: "),
        (json!({"$type": "textToImage", "params": {"steps": "many"}}), "params: "),
        (json!({"$type": "textToImage", "params": {"width": 64}}), "height"),
        (json!({"$type": "textToImage", "quantity": 1.5}), "quantity: "),
        (json!({"$type": "textToImage", "quantity": 99_999_999_999_u64}), "quantity: "),
        (json!({"$type": "textToImage", "additionalNetworks": ["a"]}), "additionalNetworks: "),
        (json!({"$type": "textToImage", "controlNets": {}}), "controlNets: "),
        (json!({"$type": "textToImage", "retries": "x"}), "retries: "),
        (json!({"$type": "textToImage", "properties": 1}), "properties: "),
        (json!({"$type": "textToImage", "timeout": 5}), "timeout: "),
        (json!({"$type": "textToImage", "$unchecked": 5}), "$unchecked: "),
        (json!({"$type": "comfy", "dependencies": [1]}), "dependencies: "),
    ];
    for (json, place) in table {
        let error = serde_json::from_value::<Template>(json.clone()).unwrap_err().to_string();
        assert!(error.contains(place), "{json}: {error}");
    }
    let key = HashMap::from([((1, 2), 3)]);
    let unwritable: [(Template, &str); 5] = [
        (cat().cfg_scale(f64::NAN).into(), "params.cfgScale"),
        (cat().additional_network(LORA, |n| n.strength(f64::INFINITY)).into(), LORA),
        (cat().control_net(|c| c.end_step(f64::NAN)).into(), "controlNets[0]"),
        (cat().property("k", &key).into(), "properties.k"),
        (Comfy::params(json!({})).settings(|s| s.property("k", &key)).into(), "properties.k"),
    ];
    for (template, member) in unwritable {
        let error = serde_json::to_value(&template).unwrap_err().to_string();
        assert!(error.contains(member) && error.contains("cannot be written as JSON"), "{error}");
    }
}

#[test]
fn no_text_of_a_spec_or_a_provider_has_a_secret_in_it() {
    let secret = "s3cret-value";
    let url = format!("https://user:{secret}@hooks.example.com/civitai?key={secret}#{secret}");
    let template = Template::from(full().callback_url(&url).control_net(|c| c.image_url(&url)));
    let settings = JobSettings::new().callback_url(&url);
    let comfy = Comfy::workflow(json!({"1": {"url": url}})).settings(|_| settings.clone()).other("callbackUrl", &*url);
    let raw = Template::Raw(json!({"$type": "x", "callbackUrl": url, "list": [&url]}).as_object().unwrap().clone());
    let params = ImageParams::new().source_image(&url, 0.5).other("mask", &*url);
    let source = ImageSource::Url(url.clone());
    let inline = ControlNet::new().inline_image("A".repeat(1 << 20));
    let builder = Civitai::builder().base_url(&url).token(secret);
    let texts = [
        format!("{template:?}"),
        format!("{settings:?}"),
        format!("{comfy:?}"),
        format!("{raw:?}"),
        format!("{params:?} {source:?}"),
        format!("{inline:?} {:?}", ImageSource::Inline(secret.into())),
        format!("{builder:?}"),
        format!("{:?}", builder.build().unwrap_err()),
        format!("{:?}", Civitai::new(secret).unwrap()),
        format!("{:?}", consign::Jobs::new(Civitai::new(secret).unwrap())),
        cat().callback_url(format!("htp://{url}")).validate().unwrap_err().to_string(),
        format!("{:?}", cat().control_net(|c| c.image_url(format!("x{url}"))).validate().unwrap_err()),
    ];
    for text in &texts {
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.len() < 5000, "{} bytes", text.len());
    }
    assert!(texts[0].contains("hooks.example.com/civitai?…") && texts[0].contains("a cat"), "{}", texts[0]);
}
