//! The provider's whole table of AIR texts, and the builder.
use super::*;

const CASE_1: &str = "urn:air:sdxl:checkpoint:civitai:4201@130072";

/// The parts of an accepted text: ecosystem, type, source, id, version, file id, format; `-` is none.
struct Case {
    text: &'static str,
    parts: Option<[&'static str; 7]>,
    strict: bool,
}

const fn yes(text: &'static str, strict: bool, parts: [&'static str; 7]) -> Case {
    Case { text, parts: Some(parts), strict }
}
const fn no(text: &'static str) -> Case {
    Case { text, parts: None, strict: false }
}

#[rustfmt::skip]
const TABLE: [Case; 70] = [
    yes(CASE_1, true, ["sdxl", "checkpoint", "civitai", "4201", "130072", "-", "-"]),
    yes("urn:air:sd1:lora:civitai:100@200", true, ["sd1", "lora", "civitai", "100", "200", "-", "-"]),
    yes("urn:air:sd2:vae:civitai:300@400", true, ["sd2", "vae", "civitai", "300", "400", "-", "-"]),
    yes("urn:air:flux1:checkpoint:civitai:500@600", true, ["flux1", "checkpoint", "civitai", "500", "600", "-", "-"]),
    yes("urn:air:pony:embedding:civitai:700@800", true, ["pony", "embedding", "civitai", "700", "800", "-", "-"]),
    yes("urn:air:sdxl:lycoris:civitai:900@1000", true, ["sdxl", "lycoris", "civitai", "900", "1000", "-", "-"]),
    yes("urn:air:sdxl:hypernet:civitai:1100@1200", true, ["sdxl", "hypernet", "civitai", "1100", "1200", "-", "-"]),
    yes("urn:air:sdxl:checkpoint:huggingface:100@200", true, ["sdxl", "checkpoint", "huggingface", "100", "200", "-", "-"]),
    yes("urn:air:flux1:lora:openai:300@400", true, ["flux1", "lora", "openai", "300", "400", "-", "-"]),
    yes("urn:air:sd1:checkpoint:leonardo:500@600", true, ["sd1", "checkpoint", "leonardo", "500", "600", "-", "-"]),
    yes("URN:AIR:SDXL:CHECKPOINT:CIVITAI:4201@130072", true, ["sdxl", "checkpoint", "civitai", "4201", "130072", "-", "-"]),
    yes("urn:air:SDXL:Lora:Civitai:1@1", true, ["sdxl", "lora", "civitai", "1", "1", "-", "-"]),
    yes("urn:air:sdxl:lora:civitai:9223372036854775807@1", true, ["sdxl", "lora", "civitai", "9223372036854775807", "1", "-", "-"]),
    no("urn:air:sdxl:lora:civitai:9223372036854775808@1"),
    yes("urn:air:sdxl:lora:civitai:007@0001", true, ["sdxl", "lora", "civitai", "7", "1", "-", "-"]),
    yes("urn:air:sdxl:lora:civitai:328553@368189", true, ["sdxl", "lora", "civitai", "328553", "368189", "-", "-"]),
    yes("urn:air:sdxl:model:civitai:4201@130072", false, ["sdxl", "model", "civitai", "4201", "130072", "-", "-"]),
    yes("urn:air:sdxl:checkpoint:civitai:4201", false, ["sdxl", "checkpoint", "civitai", "4201", "-", "-", "-"]),
    yes("air:sdxl:checkpoint:civitai:4201@130072", false, ["sdxl", "checkpoint", "civitai", "4201", "130072", "-", "-"]),
    yes("sdxl:checkpoint:civitai:827184@2514310", false, ["sdxl", "checkpoint", "civitai", "827184", "2514310", "-", "-"]),
    yes("urn:sdxl:checkpoint:civitai:1@2", false, ["sdxl", "checkpoint", "civitai", "1", "2", "-", "-"]),
    yes("civitai:58390@62833", false, ["-", "-", "civitai", "58390", "62833", "-", "-"]),
    yes("civitai:120096", false, ["-", "-", "civitai", "120096", "-", "-", "-"]),
    no("@civitai/128713"),
    yes("urn:air:model:leonardo:345435", false, ["model", "-", "leonardo", "345435", "-", "-", "-"]),
    yes("urn:air:model:huggingface:stabilityai/sdxl-vae", false, ["model", "-", "huggingface", "stabilityai/sdxl-vae", "-", "-", "-"]),
    yes("urn:air:sdxl:vae:huggingface:stabilityai/sdxl-vae", false, ["sdxl", "vae", "huggingface", "stabilityai/sdxl-vae", "-", "-", "-"]),
    yes("urn:air:sdxl:vae:huggingface:stabilityai/sdxl-vae@sdxl_vae.safetensors", false, ["sdxl", "vae", "huggingface", "stabilityai/sdxl-vae", "sdxl_vae.safetensors", "-", "-"]),
    yes("urn:air:ace:checkpoint:huggingface:Comfy-Org/ace_step_1.5_ComfyUI_files@main/checkpoints/ace_step_1.5_turbo_aio.safetensors", false, ["ace", "checkpoint", "huggingface", "Comfy-Org/ace_step_1.5_ComfyUI_files", "main/checkpoints/ace_step_1.5_turbo_aio.safetensors", "-", "-"]),
    yes("urn:air:dalle:model:openai:dalle@2", false, ["dalle", "model", "openai", "dalle", "2", "-", "-"]),
    yes("urn:air:gpt:model:openai:gpt@4", false, ["gpt", "model", "openai", "gpt", "4", "-", "-"]),
    yes("urn:air:sdxl:checkpoint:civitai:827184@2514310+2402203", false, ["sdxl", "checkpoint", "civitai", "827184", "2514310", "2402203", "-"]),
    yes("urn:air:sdxl:checkpoint:civitai:827184@2514310+2402203.safetensor", false, ["sdxl", "checkpoint", "civitai", "827184", "2514310", "2402203", "safetensor"]),
    yes("urn:air:sdxl:checkpoint:civitai:827184@2514310.safetensor", false, ["sdxl", "checkpoint", "civitai", "827184", "2514310", "-", "safetensor"]),
    yes("urn:air:sdxl:checkpoint:civitai:827184.safetensor", false, ["sdxl", "checkpoint", "civitai", "827184", "-", "-", "safetensor"]),
    yes("urn:air:other:other:civitai-r2:civitai-worker-assets@sam_vit_b_01ec64.pth", false, ["other", "other", "civitai-r2", "civitai-worker-assets", "sam_vit_b_01ec64.pth", "-", "-"]),
    yes("urn:air:oci:image:dockerhub:civitai/spine-comfy@v1.0.0", false, ["oci", "image", "dockerhub", "civitai/spine-comfy", "v1.0.0", "-", "-"]),
    yes("urn:air:oci:image:dockerhub:library/python@3.12-slim", false, ["oci", "image", "dockerhub", "library/python", "3.12-slim", "-", "-"]),
    no("urn:air:oci:image:ghcr:civitai/training-toolkit@sha256:abc123"),
    yes("urn:air:boogu:diffusionmodel:civitai:2714299@3049541", false, ["boogu", "diffusionmodel", "civitai", "2714299", "3049541", "-", "-"]),
    yes("urn:air:illustrious:checkpoint:civitai:795765@900661", false, ["illustrious", "checkpoint", "civitai", "795765", "900661", "-", "-"]),
    yes("urn:air:other:upscaler:civitai:147759@164821", false, ["other", "upscaler", "civitai", "147759", "164821", "-", "-"]),
    yes("urn:air:invalid:checkpoint:civitai:4201@130072", false, ["invalid", "checkpoint", "civitai", "4201", "130072", "-", "-"]),
    yes("urn:air:sdxl:invalid:civitai:4201@130072", false, ["sdxl", "invalid", "civitai", "4201", "130072", "-", "-"]),
    yes("urn:air:sdxl:checkpoint:unsupported:4201@130072", false, ["sdxl", "checkpoint", "unsupported", "4201", "130072", "-", "-"]),
    yes("urn:air:sdxl:checkpoint:github:4201@130072", false, ["sdxl", "checkpoint", "github", "4201", "130072", "-", "-"]),
    no("urn:air:sdxl:checkpoint:civitai:abc@130072"),
    no("urn:air:sdxl:checkpoint:civitai:4201@abc"),
    no("urn:air:sdxl:checkpoint:civitai:0@130072"),
    no("urn:air:sdxl:checkpoint:civitai:4201@0"),
    no("urn:air:sdxl:checkpoint:civitai:-1@130072"),
    no("urn:air:sdxl:checkpoint:civitai:4201@-1"),
    no("urn:air:sdxl:checkpoint:civitai:4201@"),
    no("urn:air:sdxl:checkpoint:civitai:@130072"),
    no("urn:air:sdxl:checkpoint:civitai:4201@130072+"),
    no("urn:air:sdxl:checkpoint:civitai:4201@130072+abc"),
    no("urn:air:sdxl:checkpoint:civitai:4201@130072."),
    no("urn:air:sdxl:checkpoint:civitai:4201@@130072"),
    no("urn:air:sdxl:checkpoint:civitai:4201 @130072"),
    no(" urn:air:sdxl:checkpoint:civitai:4201@130072"),
    no("urn:air:sdxl:checkpoint:civitai:4201@130072\n"),
    no("urn:air::checkpoint:civitai:4201@130072"),
    no("urn:air:sdxl:checkpoint:civitai"),
    no("urn:air:sdxl:extra:checkpoint:civitai:4201@130072"),
    no("urn:air:sdxl:lora:civitai:328553@368189:layer1.safetensor"),
    no("urn:air:sdxl:checkpoint:civitai:４２０１@130072"),
    no("urn:air:"),
    no("not-an-air-string"),
    no(""),
    no("   "),
];

#[test]
fn every_text_of_the_providers_table_is_read_as_the_table_says() {
    for (n, case) in TABLE.iter().enumerate() {
        let (n, text) = (n + 1, case.text);
        let read = Air::parse(text);
        let strict = Air::parse_strict(text);
        assert_eq!(strict.is_ok(), case.strict, "case {n}, strict: {text:?}: {strict:?}");
        let Some(parts) = case.parts else {
            let error = read.expect_err(text);
            let empty = matches!(n, 69 | 70);
            assert_eq!(error.kind() == AirErrorKind::Empty, empty, "case {n}: {error}");
            continue;
        };
        let air = read.unwrap_or_else(|error| panic!("case {n}: {text:?}: {error}"));
        let found = [
            air.ecosystem(),
            air.kind(),
            Some(air.source()),
            Some(air.id()),
            air.version(),
            air.file_id(),
            air.format(),
        ];
        assert_eq!(found.map(|part| part.unwrap_or("-")), parts, "case {n}: {text}");
        // The canonical form is a fixed point.
        assert_eq!(Air::parse(&air.to_string()).as_ref(), Ok(&air), "case {n}: {air}");
        if let Ok(strict) = strict {
            assert_eq!(strict, air, "case {n}");
        }
    }
}

#[test]
fn canonical_forms_are_those_of_the_table() {
    let canonical = |text: &str| Air::parse(text).unwrap().to_string();
    for n in [1, 11, 19] {
        assert_eq!(canonical(TABLE[n - 1].text), CASE_1, "case {n}");
    }
    assert_eq!(canonical(TABLE[11].text), "urn:air:sdxl:lora:civitai:1@1");
    assert_eq!(canonical(TABLE[14].text), "urn:air:sdxl:lora:civitai:7@1");
    assert_eq!(canonical("civitai:58390@62833"), "urn:air:civitai:58390@62833");
    for case in
        TABLE.iter().filter(|case| case.parts.is_some()).skip(15).filter(|case| case.text.starts_with("urn:air:"))
    {
        assert_eq!(canonical(case.text), case.text);
    }
}

#[test]
fn equal_means_equal_canonical_parts() {
    let (a, b) = (Air::parse(CASE_1).unwrap(), Air::parse(TABLE[10].text).unwrap());
    assert_eq!(a, b);
    let set: std::collections::HashSet<Air> = [a.clone(), b].into();
    assert_eq!(set.len(), 1);
    assert_ne!(a, Air::parse("urn:air:sdxl:checkpoint:civitai:4201").unwrap());
    assert!(Air::parse("civitai:1@1").unwrap() < a);
}

#[test]
fn errors_name_the_part_and_its_text() {
    let cases = [
        ("urn:air:sdxl:checkpoint:civitai:abc@130072", AirErrorKind::Malformed, "id", "abc"),
        ("urn:air:sdxl:checkpoint:civitai:4201@0", AirErrorKind::OutOfRange, "version", "0"),
        ("urn:air:sdxl:lora:civitai:9223372036854775808@1", AirErrorKind::OutOfRange, "id", "9223372036854775808"),
        ("urn:air:sdxl:checkpoint:civitai", AirErrorKind::Malformed, "source", "checkpoint"),
        ("urn:air::checkpoint:civitai:4201@130072", AirErrorKind::Malformed, "ecosystem", ""),
        ("urn:air:sdxl:checkpoint:civitai:4201@130072+abc", AirErrorKind::Malformed, "file id", "abc"),
        ("not-an-air-string", AirErrorKind::Malformed, "source", "not-an-air-string"),
        ("", AirErrorKind::Empty, "text", ""),
    ];
    for (text, kind, part, found) in cases {
        let error = Air::parse(text).unwrap_err();
        assert_eq!((error.kind(), error.part(), error.text()), (kind, part, found), "{text:?}: {error}");
    }
    let strict = Air::parse_strict("urn:air:sdxl:model:civitai:4201@130072").unwrap_err();
    assert_eq!((strict.part(), strict.text()), ("type", "model"));
    let long = Air::parse(&"x".repeat(10_000)).unwrap_err();
    assert!(long.to_string().len() < 300);
}

#[test]
fn the_builder_makes_what_the_parser_reads_and_refuses_the_rest() {
    let air = Air::civitai("SDXL", "Lora", 328_553, 368_189).unwrap();
    assert_eq!(air.to_string(), "urn:air:sdxl:lora:civitai:328553@368189");
    assert_eq!((air.model_id(), air.version_id()), (Some(328_553), Some(368_189)));
    let air = Air::builder().ecosystem("sd1").ecosystem("sdxl").kind("vae").source("HuggingFace").id("a/b");
    assert_eq!(air.build().unwrap().to_string(), "urn:air:sdxl:vae:huggingface:a/b");
    let file = Air::builder().id(1).version(2).file_id(3).format("ckpt").build().unwrap();
    assert_eq!(file.to_string(), "urn:air:civitai:1@2+3.ckpt");
    assert_eq!(file.to_string().parse(), Ok(file));

    let kind_and_part = |builder: AirBuilder| builder.build().map_err(|e| (e.kind(), e.part())).unwrap_err();
    let full = || Air::builder().ecosystem("sdxl").kind("lora").id(1).version(2);
    assert_eq!(kind_and_part(Air::builder()), (AirErrorKind::Missing, "id"));
    assert_eq!(kind_and_part(Air::builder().kind("lora").id(1)), (AirErrorKind::Missing, "ecosystem"));
    assert_eq!(kind_and_part(full().kind("")), (AirErrorKind::Missing, "type"));
    assert_eq!(kind_and_part(full().id(0)), (AirErrorKind::OutOfRange, "id"));
    assert_eq!(kind_and_part(full().version(u64::MAX)), (AirErrorKind::OutOfRange, "version"));
    assert_eq!(kind_and_part(full().version(-1)), (AirErrorKind::Malformed, "version"));
    assert_eq!(kind_and_part(full().ecosystem("a:b")), (AirErrorKind::Malformed, "ecosystem"));
    assert_eq!(kind_and_part(full().source("lora")), (AirErrorKind::Malformed, "source"));
    assert_eq!(kind_and_part(full().source("openai").format("x")), (AirErrorKind::Missing, "file id"));
}

#[test]
fn json_is_the_canonical_text() {
    let air: Air = serde_json::from_str("\"AIR:sdxl:lora:civitai:1@2\"").unwrap();
    assert_eq!(serde_json::to_string(&air).unwrap(), "\"urn:air:sdxl:lora:civitai:1@2\"");
    let error = serde_json::from_str::<Air>("\"civitai:x\"").unwrap_err().to_string();
    assert!(error.contains("id \"x\" is not a whole number"), "{error}");
}
