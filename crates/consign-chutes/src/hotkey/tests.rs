//! Tests of signatures: message, headers, refusals before sending, and a clock that is wrong.
use super::*;
use crate::{ErrorKind, operations};
use consign_http::Delivery;

const SEED: &str = "df169a9b835fa3c5b3253258adb82ceb53438005b559b8003bfc4ded8dd54606";
const ADDRESS: &str = "5GU8rCYVSoDSPicbeyas1J5tZJa34R6MwAqT8ZbxWvsQX1fM";

fn key() -> Hotkey {
    Hotkey::from_seed_hex(SEED).unwrap()
}

fn unsigned(operation: &'static Operation, body: Option<&'static [u8]>) -> Unsigned<'static> {
    Unsigned { operation, target: "/", body, now: UNIX_EPOCH + Duration::from_millis(1_752_998_400_999) }
}

#[test]
fn a_seed_gives_its_address_and_a_wrong_one_is_refused_without_being_repeated() {
    assert_eq!(key().address().as_str(), ADDRESS);
    assert_eq!(Hotkey::from_seed_hex(&format!(" 0x{} \n", SEED.to_uppercase())).unwrap().address().as_str(), ADDRESS);
    assert_eq!(format!("{:?}", key()), format!("Hotkey({ADDRESS})"));
    for bad in ["", "df16", &SEED[1..], &SEED.replace('d', "g"), &format!("{SEED}00")] {
        let error = Hotkey::from_seed_hex(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(bad.is_empty() || !error.to_string().contains(bad), "{error}");
    }
}

#[test]
fn a_signature_covers_the_body_or_the_purpose_and_differs_each_time() {
    let cases: [(&Operation, Option<&'static [u8]>, &str); 4] = [
        (&operations::CREATE_JOB, Some(b"{}"), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        (&operations::SHARE_CHUTE, Some(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (&operations::GET_CHUTE, Some(b""), "chutes"),
        (&operations::LIST_MINER_JOBS, None, "miner"),
    ];
    for (operation, body, third) in cases {
        let signed = |operation| Signer::sign(&key(), &unsigned(operation, body)).unwrap();
        let headers = signed(operation);
        assert_eq!(
            (&headers["x-chutes-hotkey"], &headers["x-chutes-nonce"]),
            (&ADDRESS.parse().unwrap(), &"1752998400".parse().unwrap())
        );
        let signature = headers["x-chutes-signature"].to_str().unwrap();
        let text = message(ADDRESS, "1752998400", third);
        assert!(verify(key().address().public_key(), text.as_bytes(), &from_hex(signature).unwrap()));
        assert!(signature.len() == 128 && headers["x-chutes-signature"].is_sensitive());
        assert_ne!(headers["x-chutes-signature"], signed(operation)["x-chutes-signature"]);
    }
    assert!(Signer::sign(&key(), &unsigned(&operations::PING, Some(b""))).unwrap().is_empty());
}

#[test]
fn every_operation_has_its_rule() {
    let rules: Vec<_> = operations::ALL.iter().map(|operation| (operation.id, Covers::of(operation))).collect();
    for (id, rule) in rules {
        let expected = match id {
            "create_job" | "share_chute" | "create_api_key" => Covers::Body,
            "list_chutes" | "get_chute" => Covers::Purpose("chutes"),
            "list_api_keys" | "get_api_key" | "delete_api_key" => Covers::Purpose("api_keys"),
            "get_me" => Covers::Purpose("me"),
            "list_miner_jobs" | "release_miner_job" => Covers::Purpose("miner"),
            "ping" => Covers::Unsigned,
            // The runner's side holds no credential.
            "finish_job" => continue,
            _ => Covers::Nothing,
        };
        assert_eq!(rule, expected, "{id}");
    }
}

#[test]
fn routes_without_a_form_of_signature_and_streamed_bodies_are_refused_here() {
    for operation in [&operations::GET_JOB, &operations::DELETE_JOB, &operations::DOWNLOAD_OUTPUT_FILE] {
        let error = Signer::sign(&key(), &unsigned(operation, Some(b""))).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Config, Delivery::NotSent));
        assert!(error.message().contains("API key"), "{error}");
    }
    assert!(Signer::sign(&key(), &unsigned(&operations::CREATE_JOB, None)).is_err());
}

#[test]
fn a_refused_nonce_is_explained_by_the_difference_of_the_clocks() {
    let server = UNIX_EPOCH + Duration::from_secs(1_752_998_400);
    let refused = |message: &str, date: bool, here: SystemTime| {
        let mut headers = HeaderMap::new();
        if date {
            headers.insert("date", httpdate::fmt_http_date(server).parse().unwrap());
        }
        let error = Error::new(ErrorKind::Unauthorized, Delivery::Rejected, message);
        key().refused(error.with_answer(http::StatusCode::UNAUTHORIZED, headers, b""), here)
    };
    let hour = Duration::from_secs(3600);
    assert_eq!(
        refused("Invalid nonce!", true, server + hour).message(),
        "Invalid nonce!: the clock here is 3600 s ahead of the service's"
    );
    assert_eq!(
        refused("Invalid nonce!", true, server - hour).message(),
        "Invalid nonce!: the clock here is 3600 s behind the service's"
    );
    let unclear = refused("Invalid nonce!", false, server + hour);
    assert_eq!(unclear.message(), "Invalid nonce!");
    assert!(unclear.to_string().contains("set the clock"), "{unclear}");
    assert_eq!(refused("Invalid token.", true, server + hour).message(), "Invalid token.");
}
