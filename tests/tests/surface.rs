//! The public surface of every generated module, as a snapshot: who reviews a change of a document reads what changes
//! for the users of the client, not thousands of generated lines. After `cargo xtask codegen`, accept a wanted change
//! with `INSTA_UPDATE=always cargo test -p consign-tests --test surface`.
use std::fs;
use std::path::{Path, PathBuf};

/// The generated modules of all providers: "civitai-v1" and its file.
fn modules() -> Vec<(String, PathBuf)> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut found = Vec::new();
    for entry in fs::read_dir(&crates).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let Some(provider) = name.strip_prefix("consign-") else { continue };
        for file in fs::read_dir(folder.join("src/generated")).into_iter().flatten() {
            let file = file.unwrap().path();
            let api = file.file_stem().unwrap().to_string_lossy().into_owned();
            if api != "mod" && file.extension().is_some_and(|extension| extension == "rs") {
                found.push((format!("{provider}-{api}"), file));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_change_of_what_users_see_is_a_change_of_a_snapshot() {
    let modules = modules();
    assert!(!modules.is_empty());
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    for (name, file) in modules {
        let surface = xtask::surface::of_text(&fs::read_to_string(&file).unwrap()).unwrap();
        settings.set_description(format!("public surface of {name}"));
        settings.bind(|| insta::assert_snapshot!(name, surface));
    }
}

#[test]
fn every_snapshot_belongs_to_a_generated_module() {
    let modules = modules();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots")).unwrap() {
        let file = entry.unwrap().path();
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let is_snapshot = file.extension().is_some_and(|extension| extension == "snap");
        assert!(
            !is_snapshot || modules.iter().any(|(name, _)| *name == stem),
            "{} belongs to no module",
            file.display()
        );
    }
}
