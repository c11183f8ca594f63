//! Typed extraction: which template a type becomes, what cannot be one, and what comes back.
#![allow(dead_code)] // The types stand for their schemas.
use std::collections::{BTreeSet, HashMap};

use consign::numind::{Extracted, JsonSchema, NuMind, StructuredExtraction, Template, extract};
use consign::{ErrorKind, Outcome};
use consign_tests::numind::{events, jobs, json};
use serde::Deserialize;
use serde_json::{Value, json as value};

/// The members that a template cannot express.
fn inexpressible<T: JsonSchema>() -> Vec<String> {
    let error = Template::of::<T>().validate().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    error.violations().iter().map(|v| v.member.clone()).collect()
}

/// What was bought.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Invoice {
    /// As it is printed.
    #[schemars(extend("x-numind" = "verbatim-string"))]
    number: String,
    total: Option<f64>,
    #[serde(default)]
    line_items: Vec<Line>,
    currency: Option<Currency>,
    #[serde(default)]
    tags: BTreeSet<Tag>,
    paid: Option<bool>,
}
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Line {
    article: String,
    pieces: u32,
    notes: Option<Vec<String>>,
}
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
enum Currency {
    Euro,
    /// Of Switzerland.
    Franc,
}
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Tag {
    Urgent,
    SecondReminder,
}

#[test]
fn a_type_becomes_a_template_by_its_schema() {
    let expected = value!({
        "number": "verbatim-string",
        "total": "number",
        "lineItems": [{"article": "string", "pieces": "integer", "notes": ["string"]}],
        "currency": ["Euro", "Franc"],
        "tags": [["urgent", "second-reminder"]],
        "paid": "boolean",
    });
    assert_eq!(*Template::of::<Invoice>().json(), expected);
    Template::of::<Invoice>().validate().unwrap();
}

#[test]
fn members_keep_their_order_where_json_objects_do() {
    let keeps = value!({"b": 1, "a": 2}).to_string().starts_with("{\"b\"");
    let text = Template::of::<Invoice>().json().to_string();
    assert_eq!(text.starts_with("{\"number\""), keeps, "{text}");
}

#[test]
fn formats_and_extensions_name_the_newer_leaves() {
    #[derive(JsonSchema)]
    struct Leaves {
        #[schemars(extend("format" = "date-time"))]
        at: String,
        #[schemars(extend("format" = "date"))]
        day: Option<String>,
        #[schemars(email)]
        mail: String,
        #[schemars(url)]
        site: String,
        #[schemars(extend("format" = "iban"))]
        account: String,
        #[schemars(extend("x-numind" = "region:CH"))]
        canton: String,
        #[schemars(extend("x-numind" = ["duration"]))]
        lengths: Vec<String>,
        #[schemars(extend("format" = "something-else"))]
        text: String,
        letter: char,
        boxed: Box<Option<i8>>,
        share: f32,
    }
    let expected = value!({
        "at": "date-time", "day": "date", "mail": "email-address", "site": "url", "account": "iban",
        "canton": "region:CH", "lengths": ["duration"], "text": "string", "letter": "string", "boxed": "integer",
        "share": "number",
    });
    assert_eq!(*Template::of::<Leaves>().json(), expected);
}

#[test]
fn what_a_template_cannot_say_is_refused_by_the_names_of_the_members() {
    #[derive(JsonSchema)]
    enum WithData {
        A { a: String },
        B(u8),
    }
    #[derive(JsonSchema)]
    enum One {
        Only,
    }
    #[derive(JsonSchema)]
    struct Nothing {}
    #[derive(JsonSchema)]
    struct Inner {
        good: String,
        pair: (String, u8),
    }
    #[derive(JsonSchema)]
    struct Again {
        next: Option<Box<Again>>,
        name: String,
    }
    #[derive(JsonSchema)]
    struct Bad {
        good: String,
        map: HashMap<String, String>,
        by_number: HashMap<u8, String>,
        any: Value,
        with_data: Option<WithData>,
        one: One,
        nothing: Nothing,
        unit: (),
        inner: Vec<Inner>,
        fixed: [f64; 3],
        nested: Vec<Vec<String>>,
        again: Again,
    }
    let expected = [
        "template.again.next",
        "template.any",
        "template.by_number",
        "template.fixed",
        "template.inner[].pair",
        "template.map",
        "template.nested",
        "template.nothing",
        "template.one",
        "template.unit",
        "template.with_data",
    ];
    let mut members = inexpressible::<Bad>();
    members.sort();
    assert_eq!(members, expected);
    for whole in [inexpressible::<String>(), inexpressible::<Vec<Line>>(), inexpressible::<HashMap<String, u8>>()] {
        assert_eq!(whole, ["template"]);
    }
    #[derive(Debug, JsonSchema)]
    struct Flat {
        good: String,
        #[serde(flatten)]
        rest: HashMap<String, u8>,
    }
    assert_eq!(inexpressible::<Flat>(), ["template"]);
    let unwritable = StructuredExtraction::with_template(Template::of::<Flat>(), "text");
    assert!(serde_json::to_string(&unwritable).unwrap_err().to_string().contains("template"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_said_is_refused_before_anything_is_sent() {
    #[derive(Debug, Deserialize, JsonSchema)]
    struct Bad {
        a: HashMap<String, String>,
        b: (u8, u8),
    }
    let (jobs, ledger) = jobs(|_| json(&value!({"jobId": "a"})));
    let error = extract::<Bad>("text").run(&jobs).await.unwrap_err();
    assert_eq!(error.violations().len(), 2, "{error}");
    assert!(ledger.all().is_empty());
}

/// Runs a typed extraction whose result is this.
async fn run<T: serde::de::DeserializeOwned + JsonSchema>(output: Value) -> consign::Result<Extracted<T>> {
    let (jobs, _) = jobs(move |asked| match asked.line.as_str() {
        "POST /api/structured-extraction/jobs" => json(&value!({"jobId": "a"})),
        "GET /api/jobs/a/status" => json(&value!({"id": "a", "status": "running"})),
        _ => events(&[("result", &value!({"id": "a", "status": "completed", "outputData": output.to_string()}))]),
    });
    extract::<T>("text").run(&jobs).await
}

#[tokio::test(start_paused = true)]
async fn the_value_comes_back_with_all_that_is_known_of_it() {
    let result = value!({
        "number": "17", "total": 12.5, "lineItems": [{"article": "Tea", "pieces": 2, "notes": null}],
        "currency": "Franc", "tags": ["urgent"], "paid": null,
    });
    let output = value!({
        "result": result, "rawModelOutput": "{…}", "inputTokens": 100, "outputTokens": 20, "totalTokens": 120,
        "logprobs": -2.0, "thinkingTrace": "an invoice", "isTruncated": true,
        "error": {"message": "too long", "errorCode": "Truncated"},
    });
    let invoice = run::<Invoice>(output).await.unwrap();
    assert_eq!((invoice.number.as_str(), invoice.total), ("17", Some(12.5)));
    assert_eq!(invoice.line_items, [Line { article: "Tea".to_owned(), pieces: 2, notes: None }]);
    assert_eq!((&invoice.currency, invoice.paid), (&Some(Currency::Franc), None));
    assert_eq!(invoice.json(), Some(&result));
    assert_eq!((invoice.raw_text(), invoice.thinking()), (Some("{…}"), Some("an invoice")));
    let tokens = invoice.tokens();
    assert_eq!((tokens.input, tokens.output, tokens.total), (Some(100), Some(20), Some(120)));
    assert!((invoice.confidence().unwrap() - (-0.1_f64).exp()).abs() < 1e-12);
    assert!(invoice.is_truncated() && !invoice.is_repaired());
    assert_eq!(invoice.problem().unwrap().error_code.as_deref(), Some("Truncated"));
    assert!(invoice.into_value().tags.contains(&Tag::Urgent));
}

#[tokio::test(start_paused = true)]
async fn what_was_not_found_is_null_and_takes_the_default() {
    let result = value!({
        "number": "17", "total": null, "lineItems": null, "currency": null, "tags": [null, "urgent"], "paid": null,
    });
    let invoice = run::<Invoice>(value!({"result": result, "outputTokenProbability": 0.75})).await.unwrap();
    assert_eq!((invoice.line_items.len(), invoice.tags.len()), (0, 1));
    assert_eq!(invoice.confidence(), Some(0.75));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_not_of_the_type_is_an_error_that_names_the_member_and_the_job() {
    let bad = value!({"number": "17", "lineItems": [{"article": "Tea", "pieces": -1}]});
    let error = run::<Invoice>(value!({"result": bad})).await.unwrap_err();
    assert_eq!((error.kind(), error.ticket()), (ErrorKind::Decode, Some(&NuMind::ticket_of_job("a"))));
    assert!(error.to_string().contains("lineItems[0].pieces"), "{error}");
    // It was asked for, and not found: there is nothing to put in its place.
    let error = run::<Invoice>(value!({"result": {"number": null}})).await.unwrap_err();
    assert!(error.to_string().contains("number"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn outputs_without_a_result_member_are_results_as_they_were_before() {
    let bare = value!({"id": "a", "status": "completed", "outputData": "{\"number\":\"17\"}"});
    let (jobs, _) = jobs(move |_| json(&bare));
    let done = jobs.attach(NuMind::ticket_of_job("a")).unwrap().wait().await.unwrap();
    assert_eq!(*done.outcome(), Outcome::Done);
    let output = done.into_result().unwrap();
    assert_eq!(output.extraction::<Value>().unwrap().into_value(), value!({"number": "17"}));
    assert_eq!(*output.template().unwrap().template().json(), value!({"number": "17"}));
}

#[tokio::test(start_paused = true)]
async fn items_that_were_not_found_keep_their_places_where_the_type_has_one_for_them() {
    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Series {
        values: Option<Vec<Option<u8>>>,
        #[serde(default)]
        unit: String,
    }
    let series = run::<Series>(value!({"result": {"values": [1, null, 3], "unit": null}})).await.unwrap();
    assert_eq!(series.into_value(), Series { values: Some(vec![Some(1), None, Some(3)]), unit: String::new() });
}

#[test]
fn schemas_of_every_kind_become_templates_or_are_refused_by_their_members() {
    #[derive(JsonSchema)]
    struct Part {
        x: u128,
        y: i128,
    }
    #[derive(JsonSchema)]
    struct More {
        more: Vec<Option<u8>>,
        code: Option<Code>,
    }
    #[derive(JsonSchema)]
    struct Code(String);
    #[derive(JsonSchema)]
    struct Generic<T> {
        of: T,
    }
    #[derive(JsonSchema)]
    #[serde(untagged)]
    enum Only {
        One { deep: Generic<Vec<Part>> },
    }
    /// Documented.
    #[derive(JsonSchema)]
    #[serde(rename_all = "UPPERCASE")]
    enum Size {
        /// Small.
        S,
        /// Large.
        L,
        M,
    }
    #[derive(JsonSchema)]
    #[serde(deny_unknown_fields, rename_all = "SCREAMING-KEBAB-CASE")]
    struct All {
        the_part: Option<Box<Part>>,
        opt_list: Option<Vec<Option<String>>>,
        sizes: Option<Vec<Size>>,
        opt_sizes: Option<Vec<Option<Size>>>,
        size: Option<Size>,
        generic: Generic<Generic<bool>>,
        only: Only,
        nested: Option<Option<f32>>,
        bytes: Vec<u8>,
        path: std::path::PathBuf,
        non_zero: std::num::NonZeroU8,
        ip: Option<std::net::IpAddr>,
        rc: std::sync::Arc<str>,
        #[serde(skip)]
        skipped: std::collections::HashMap<u8, u8>,
        #[serde(skip_deserializing)]
        not_read: std::collections::HashMap<u8, u8>,
        #[serde(default = "five", alias = "other")]
        defaulted: u16,
        #[schemars(range(min = 1, max = 5))]
        ranged: i64,
        #[schemars(length(min = 1, max = 5), regex(pattern = "^a"))]
        lengthy: String,
        #[schemars(extend("x-numind" = "iban"))]
        iban: Option<Code>,
        #[schemars(with = "String")]
        with: std::collections::HashMap<u8, u8>,
        duration: std::time::Duration,
        #[schemars(extend("x-numind" = ["a", "b"]))]
        choice: Option<String>,
    }
    fn five() -> u16 {
        5
    }
    let expected = value!({
        "THE-PART": {"x": "integer", "y": "integer"},
        "OPT-LIST": ["string"],
        "SIZES": [["M", "S", "L"]],
        "OPT-SIZES": [["M", "S", "L"]],
        "SIZE": ["M", "S", "L"],
        "GENERIC": {"of": {"of": "boolean"}},
        "ONLY": {"deep": {"of": [{"x": "integer", "y": "integer"}]}},
        "NESTED": "number",
        "BYTES": ["integer"],
        "PATH": "string",
        "NON-ZERO": "integer",
        "IP": "verbatim-string",
        "RC": "string",
        "DEFAULTED": "integer",
        "RANGED": "integer",
        "LENGTHY": "string",
        "IBAN": "iban",
        "WITH": "string",
        "DURATION": {"secs": "integer", "nanos": "integer"},
        "CHOICE": ["a", "b"],
    });
    Template::of::<All>().validate().unwrap();
    assert_eq!(*Template::of::<All>().json(), expected);
    #[derive(JsonSchema)]
    struct Flat {
        a: String,
        #[serde(flatten)]
        part: Part,
        #[serde(flatten)]
        more: Option<More>,
    }
    let expected = value!({"a": "string", "x": "integer", "y": "integer", "more": ["integer"], "code": "string"});
    assert_eq!(*Template::of::<Flat>().json(), expected);
    #[derive(JsonSchema)]
    #[serde(tag = "kind")]
    enum Tagged {
        A { a: u8 },
        B,
    }
    #[derive(JsonSchema)]
    #[serde(untagged)]
    enum Open {
        Known(Size),
        Other(String),
    }
    #[derive(JsonSchema)]
    struct FlatEnum {
        a: u8,
        #[serde(flatten)]
        t: Tagged,
    }
    #[derive(JsonSchema)]
    struct Bad {
        t: Tagged,
        o: Option<Open>,
        l: Vec<Tagged>,
        r: Result<u8, String>,
        c: Vec<Vec<Size>>,
        f: FlatEnum,
        tree: Tree,
    }
    #[derive(JsonSchema)]
    struct Tree {
        name: String,
        children: Vec<Tree>,
        by: Option<std::collections::BTreeMap<String, Tree>>,
    }
    let bad = ["t", "o", "l[]", "r", "c", "f", "tree.children[]", "tree.by"].map(|member| format!("template.{member}"));
    let mut found = inexpressible::<Bad>();
    found.sort();
    let mut bad = bad.to_vec();
    bad.sort();
    assert_eq!(found, bad);
    assert_eq!(
        (inexpressible::<FlatEnum>(), inexpressible::<Tagged>()),
        (vec!["template".to_owned()], vec!["template".to_owned()])
    );
    #[derive(JsonSchema)]
    #[schemars(transparent)]
    struct Whole {
        of: Generic<u8>,
    }
    assert_eq!(Template::of::<Whole>(), Template::of::<Option<Generic<u8>>>());
}
