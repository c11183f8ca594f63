//! Setting up from the environment, in processes of their own: variables are shared by all threads.
use std::process::Command;

use consign::FromEnv;
use consign::bacalhau::{Bacalhau, Requester};

/// What a process with these variables says about both providers.
fn told(variables: &[(&str, &str)]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BACALHAU_") || name == "HOME") {
        child.env_remove(name);
    }
    child.args(["--exact", "the_process_with_the_variables", "--nocapture", "--include-ignored"]);
    child.env("CONSIGN_ENV_CHILD", "1").env("HOME", "/nowhere").envs(variables.iter().copied());
    let out = child.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
#[ignore = "run by the other tests of this file"]
fn the_process_with_the_variables() {
    if std::env::var_os("CONSIGN_ENV_CHILD").is_none() {
        return;
    }
    println!("v1: {:?}", Bacalhau::from_env().map_err(|error| error.to_string()));
    let requester = Requester::from_env().map_err(|error| error.to_string());
    println!("requester: {requester:?}");
    println!("client: {:?}", requester.ok().and_then(|r| r.identity().map(|id| id.client_id().to_owned())));
}

#[test]
fn the_variables_of_the_providers_own_clients_are_read_and_secrets_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let recorded: serde_json::Value = serde_json::from_str(include_str!("../vectors/bacalhau-signing.json")).unwrap();
    let key = folder.path().join("user_id.pem");
    std::fs::write(&key, recorded["keys"][0]["private_key_pem_pkcs1"].as_str().unwrap()).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let host = [("BACALHAU_API_HOST", "node.example"), ("BACALHAU_API_PORT", "4321")];
    let folder = folder.path().to_str().unwrap();
    let both = [host[0], host[1], ("BACALHAU_DIR", folder), ("BACALHAU_API_KEY", "secret-key-0123456789")];
    let said = told(&both);
    assert!(said.contains("http://node.example:4321"), "{said}");
    assert!(!said.contains("secret-key") && !said.contains("PRIVATE"), "{said}");
    let client = consign_tests::bacalhau::identity().client_id().to_owned();
    assert!(said.contains(&format!("client: Some(\"{client}\")")), "{said}");
    let said = told(&[host[0], host[1], ("BACALHAU_HTTPS", "1")]);
    assert!(said.contains("https://node.example:4321"), "{said}");
}

#[test]
fn what_is_missing_is_named() {
    let said = told(&[]);
    assert!(said.contains("v1: Err(") && said.contains("BACALHAU_API_HOST"), "{said}");
    let said = told(&[("BACALHAU_API_HOST", "node.example"), ("BACALHAU_API_USERNAME", "ann")]);
    assert!(said.contains("BACALHAU_API_PASSWORD") && said.contains("BACALHAU_API_PORT"), "{said}");
    let said = told(&[("BACALHAU_API_HOST", "node.example"), ("BACALHAU_API_PORT", "1")]);
    assert!(said.contains("requester: Err(") && said.contains("user_id.pem"), "{said}");
}
