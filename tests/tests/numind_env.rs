//! Setting NuMind up: from the environment, with good and bad addresses and keys, and no key shown.
use std::io::Write;

use consign::ErrorKind;
use consign::numind::{Jobs, NuMind};
use consign_tests::env::{self, MARK};

const VARIABLES: [&str; 4] = ["NUMIND_API_KEY", "NUEXTRACT_API_KEY", "NUMIND_BASE_URL", "NUEXTRACT_BASE_URL"];

/// What another process with these variables says; a process's own variables cannot be changed safely.
fn from_env(variables: &[(&str, &str)]) -> String {
    env::told(&VARIABLES, variables)
}

#[test]
#[ignore = "run by the tests beside it, in a process of its own"]
fn tell_what_the_environment_gives() {
    let said = match Jobs::from_env() {
        Ok(jobs) => format!("{} {jobs:?} {:?}", jobs.provider().client().http().base_url(), jobs.provider()),
        Err(error) => format!("{:?} {:?} {error}", error.kind(), error.delivery()),
    };
    writeln!(std::io::stdout(), "\n{MARK}{}", said.replace('\n', "\\n")).unwrap();
}

#[test]
fn either_variable_gives_the_key_and_perhaps_the_address() {
    for key in ["NUMIND_API_KEY", "NUEXTRACT_API_KEY"] {
        let said = from_env(&[(key, "s3cret.key.abc")]);
        assert!(said.starts_with("https://nuextract.ai ") && !said.contains("s3cret"), "{said}");
    }
    let said = from_env(&[("NUMIND_API_KEY", " "), ("NUEXTRACT_API_KEY", "s3cret.key.abc")]);
    assert!(said.starts_with("https://nuextract.ai "), "{said}");
    for (variable, url, used) in [
        ("NUMIND_BASE_URL", "http://127.0.0.1:8080", "http://127.0.0.1:8080 "),
        ("NUEXTRACT_BASE_URL", "https://numind.example.com/", "https://numind.example.com "),
        ("NUMIND_BASE_URL", "  ", "https://nuextract.ai "),
    ] {
        let said = from_env(&[("NUMIND_API_KEY", "s3cret.key.abc"), (variable, url)]);
        assert!(said.starts_with(used), "{said}");
    }
}

#[test]
fn what_the_environment_lacks_or_has_wrong_is_told_by_its_name() {
    let said = from_env(&[]);
    assert!(said.starts_with("Config NotSent"), "{said}");
    assert!(said.contains("NUMIND_API_KEY") && said.contains("NUEXTRACT_API_KEY"), "{said}");
    for (variables, name) in [
        ([("NUEXTRACT_API_KEY", "s3cret\nkey"), ("A", "")], "NUEXTRACT_API_KEY"),
        ([("NUMIND_API_KEY", "s3cret.key"), ("NUMIND_BASE_URL", "nuextract.ai")], "NUMIND_BASE_URL"),
        ([("NUMIND_API_KEY", "s3cret.key"), ("NUEXTRACT_BASE_URL", "https://u:s3cret@a")], "NUEXTRACT_BASE_URL"),
    ] {
        let said = from_env(&variables);
        assert!(said.starts_with("Config NotSent") && said.contains(name) && !said.contains("s3cret"), "{said}");
    }
}

#[test]
fn a_builder_without_a_key_or_with_a_bad_address_is_refused_and_shows_no_secret() {
    let error = NuMind::builder().build().unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.to_string().contains("NUMIND_API_KEY"), "{error}");
    assert_eq!(NuMind::new("bad\nkey").unwrap_err().kind(), ErrorKind::Config);
    let builder = NuMind::builder().base_url("https://u:s3cret@host/?token=s3cret").api_key("s3cret.key");
    assert!(!format!("{builder:?}").contains("s3cret"), "{builder:?}");
    let error = builder.build().unwrap_err();
    assert!(error.kind() == ErrorKind::Config && !format!("{error} {error:?}").contains("s3cret"), "{error}");
}
