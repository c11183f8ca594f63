//! What a provider makes of its environment, told by a process of its own: a process's own variables cannot be changed
//! safely.
use std::ffi::OsStr;
use std::process::Command;

/// What comes before the words that are told.
pub const MARK: &str = "from_env says: ";

/// What the ignored test `tell_what_the_environment_gives` of this target tells after [`MARK`], with these variables
/// set and no other of `own`.
pub fn told<V: AsRef<OsStr>>(own: &[&str], variables: &[(&str, V)]) -> String {
    let mut child = Command::new(std::env::current_exe().expect("a test"));
    child.args(["--exact", "tell_what_the_environment_gives", "--ignored", "--nocapture"]);
    for name in own {
        child.env_remove(name);
    }
    let out = child.envs(variables.iter().map(|(name, value)| (name, value))).output().expect("its process");
    let text = String::from_utf8(out.stdout).expect("text");
    text.lines().find_map(|line| line.split_once(MARK)).unwrap_or_else(|| panic!("{text}")).1.to_owned()
}
