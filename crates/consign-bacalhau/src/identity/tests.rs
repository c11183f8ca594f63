//! Keys, identifiers and signatures against the recorded ones, and everything that is no usable key.
use super::*;
use consign_http::ErrorKind;
use serde_json::Value;

/// The recorded keys and signatures.
fn recorded() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/bacalhau-signing.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A throw-away key.
pub(crate) fn test_identity() -> Identity {
    Identity::from_pem(recorded()["keys"][0]["private_key_pem_pkcs1"].as_str().unwrap()).unwrap()
}

#[test]
fn both_forms_of_a_key_give_the_recorded_identifier_and_public_key() {
    let recorded = recorded();
    for key in recorded["keys"].as_array().unwrap() {
        for form in ["private_key_pem_pkcs1", "private_key_pem_pkcs8"] {
            let text = key[form].as_str().unwrap();
            for text in
                [text.to_owned(), text.trim_end().to_owned(), text.replace('\n', "\r\n"), format!("# mine\n{text}\n")]
            {
                let identity = Identity::from_pem(&text).unwrap();
                assert_eq!(identity.client_id(), key["client_id"].as_str().unwrap());
                assert_eq!(identity.public_key().as_str(), key["client_public_key"].as_str().unwrap());
            }
        }
        let public = PublicKey::from_base64(key["client_public_key"].as_str().unwrap()).unwrap();
        assert_eq!(public.client_id(), key["client_id"].as_str().unwrap());
    }
}

#[test]
fn signatures_are_the_recorded_ones_byte_by_byte() {
    let (identity, recorded) = (test_identity(), recorded());
    for vector in recorded["vectors"].as_array().unwrap().iter().filter(|vector| vector["key"] == "A") {
        let payload = vector["payload"].as_str().unwrap().as_bytes();
        let signature = identity.sign(payload).unwrap();
        assert_eq!(signature, vector["signature"].as_str().unwrap(), "{}", vector["name"]);
        assert!(identity.public_key().verifies(payload, &signature));
    }
}

#[test]
fn what_is_no_public_key_is_refused() {
    let spki = recorded()["keys"][0]["public_key_spki_der_base64"].as_str().unwrap().to_owned();
    for text in ["", "x", "AAAA", "MAA=", "MAYCAQECAQE=AA", "MIID", "MP8=", spki.as_str()] {
        assert_eq!(PublicKey::from_base64(text).unwrap_err().kind(), ErrorKind::InvalidRequest, "{text}");
    }
    // A sequence of two integers is enough to be one; whether it is a good one shows in the signature.
    let tiny = PublicKey::from_base64("MAYCAQECAQE=").unwrap();
    assert!(!tiny.verifies(b"x", "AAAA"));
}

#[test]
fn every_wrong_text_is_told_apart_and_nothing_of_it_is_repeated() {
    let key = recorded()["keys"][0]["private_key_pem_pkcs1"].as_str().unwrap().to_owned();
    let block = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    let half = &key[..key.len() / 2];
    let cases = [
        ("".to_owned(), "no PEM text"),
        ("c2VjcmV0".to_owned(), "no PEM text"),
        (half.to_owned(), "cut off"),
        ("-----BEGIN".to_owned(), "no PEM text"),
        ("-----BEGIN RSA".to_owned(), "cut off"),
        (block("RSA PRIVATE KEY", "c2VjcmV0!"), "not base64"),
        (block("RSA PRIVATE KEY", "c2VjcmV0"), "cannot be used"),
        (block("PRIVATE KEY", "c2VjcmV0"), "cannot be used"),
        (block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nc2VjcmV0"), "passphrase"),
        (block("ENCRYPTED PRIVATE KEY", "c2VjcmV0"), "passphrase"),
        (block("OPENSSH PRIVATE KEY", "c2VjcmV0"), "OpenSSH"),
        (block("PUBLIC KEY", "c2VjcmV0"), "public key"),
        (block("RSA PUBLIC KEY", "c2VjcmV0"), "public key"),
        (block("EC PRIVATE KEY", "c2VjcmV0"), "EC PRIVATE KEY"),
        (block("CERTIFICATE", "c2VjcmV0"), "CERTIFICATE"),
    ];
    for (text, words) in cases {
        let error = Identity::from_pem(&text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        assert!(error.message().contains(words), "{words}: {error}");
        assert!(!format!("{error} {error:?}").contains("c2VjcmV0"), "{error}");
    }
    assert!(Identity::from_pem(&format!("{}{key}", block("CERTIFICATE", "AAAA"))).is_ok());
}

#[cfg(unix)]
#[test]
fn files_that_are_no_private_key_of_ones_own_are_refused_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(KEY_FILE);
    let error = |path: &Path| Identity::from_file(path).unwrap_err();
    assert_eq!(error(&path).kind(), ErrorKind::Io);
    assert!(error(&path).message().contains("no key yet"), "{}", error(&path));
    assert!(error(folder.path()).message().contains("is no file"));

    let write = |content: &[u8], mode: u32| {
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let key = recorded()["keys"][0]["private_key_pem_pkcs1"].as_str().unwrap().to_owned();
    for mode in [0o644, 0o640, 0o602, 0o777] {
        write(key.as_bytes(), mode);
        assert!(error(&path).message().contains(&format!("mode {mode:03o}); run: chmod 600")), "{}", error(&path));
    }
    for mode in [0o600, 0o400] {
        write(key.as_bytes(), mode);
        assert_eq!(Identity::from_file(&path).unwrap().client_id(), test_identity().client_id());
        std::fs::remove_file(&path).unwrap();
    }
    write(b"\xff\xfe", 0o600);
    assert!(error(&path).message().contains("is no text"));
    write(&vec![b'a'; 70_000], 0o600);
    assert!(error(&path).message().contains("too long"));
    write(b"hello", 0o600);
    let message = error(&path).message().to_owned();
    assert!(message.contains(KEY_FILE) && message.contains("no PEM text"), "{message}");
}

#[test]
fn the_folder_is_that_of_the_providers_own_clients() {
    let there = tempfile::tempdir().unwrap();
    let there = there.path().to_str().unwrap();
    let of = |variables: &[(&str, &str)], home: Option<&str>| {
        let variable = |name: &str| variables.iter().find(|(found, _)| *found == name).map(|(_, value)| value.into());
        folder(variable, home.map(PathBuf::from))
    };
    assert_eq!(of(&[], Some("/home/ann")).unwrap(), Path::new("/home/ann/.bacalhau"));
    assert_eq!(of(&[("BACALHAU_DIR", there)], None).unwrap(), Path::new(there));
    let wallet = [("FIL_WALLET_ADDRESS", "f1"), ("ROOT_DIR", "/root-dir")];
    assert_eq!(of(&wallet, Some("/home/ann")).unwrap(), Path::new("/root-dir"));
    assert_eq!(of(&[wallet[0], wallet[1], ("BACALHAU_DIR", there)], None).unwrap(), Path::new(there));
    assert_eq!(of(&wallet[1..], Some("/home/ann")).unwrap(), Path::new("/home/ann/.bacalhau"));
    assert!(of(&[("BACALHAU_DIR", "/no/such/folder")], Some("/home/ann")).unwrap_err().message().contains("no folder"));
    assert!(of(&[("BACALHAU_DIR", "")], None).unwrap_err().message().contains("no home folder"));
}

#[test]
fn a_key_never_shows_itself() {
    let identity = test_identity();
    let shown = format!("{identity:?} {:?}", identity.public_key());
    assert!(shown.contains(identity.client_id()) && shown.len() < 300, "{shown}");
}
