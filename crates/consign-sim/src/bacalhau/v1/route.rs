//! Which operation a request is for. The spelling of a path matters.

use bytes::Bytes;
use http::{Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::settings::Version;
use crate::bacalhau::operation;

/// An operation, with the id or name of its path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Put,
    List,
    Diff,
    Get(String),
    Stop(String),
    History(String),
    Executions(String),
    Versions(String),
    Results(String),
    Rerun(String),
    Logs(String),
    NodeList,
    NodeGet(String),
    NodePut(String),
    Alive,
    Version,
    AgentNode,
    AgentDebug,
    AgentConfig,
    AuthConfig,
    AuthMethods,
    AuthMethod(String),
    AuthLogin(String),
    Redirect(&'static str),
    Unknown,
}

/// What Go writes as it is in a path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// The path by which a route is looked for: decoded if it is spelt as Go spells it, else as it came.
fn effective(path: &str) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
    if utf8_percent_encode(&decoded, ESCAPED).to_string() == path { decoded } else { path.to_owned() }
}

/// The operation of a request, and its name in the ledger.
pub(crate) fn route(request: &Request<Bytes>, version: Version) -> (Target, &'static str) {
    let path = effective(request.uri().path());
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let id = |part: &&str| (*part).to_owned();
    let new = version.unique_names();
    let get = *request.method() == Method::GET;
    let unknown = (Target::Unknown, "unknown");
    if get && matches!(path.as_str(), "/" | "/version") {
        return (Target::Redirect("/api/v1/agent/version"), operation::VERSION);
    }
    if get && path == "/livez" {
        return (Target::Redirect("/api/v1/agent/alive"), operation::ALIVE);
    }
    let ["api", "v1", rest @ ..] = &parts[..] else { return unknown };
    match (request.method(), rest) {
        (&Method::PUT | &Method::POST, ["orchestrator", "jobs"]) => (Target::Put, operation::PUT),
        (&Method::GET, ["orchestrator", "jobs"]) => (Target::List, operation::LIST),
        (&Method::PUT, ["orchestrator", "jobs", "diff"]) if new => (Target::Diff, operation::DIFF),
        (_, ["orchestrator", "jobs", ""]) => unknown,
        (&Method::GET, ["orchestrator", "jobs", job]) => (Target::Get(id(job)), operation::GET),
        (&Method::DELETE, ["orchestrator", "jobs", job]) => (Target::Stop(id(job)), operation::STOP),
        (&Method::PUT, ["orchestrator", "jobs", job, "rerun"]) if new => (Target::Rerun(id(job)), operation::RERUN),
        (&Method::GET, ["orchestrator", "jobs", job, what]) => match *what {
            "history" => (Target::History(id(job)), operation::HISTORY),
            "executions" => (Target::Executions(id(job)), operation::EXECUTIONS),
            "results" => (Target::Results(id(job)), operation::RESULTS),
            "logs" => (Target::Logs(id(job)), operation::LOGS),
            "versions" if new => (Target::Versions(id(job)), operation::VERSIONS),
            _ => unknown,
        },
        (&Method::GET, ["orchestrator", "nodes"]) => (Target::NodeList, operation::NODE_LIST),
        (&Method::GET, ["orchestrator", "nodes", node]) => (Target::NodeGet(id(node)), operation::NODE_GET),
        (&Method::PUT, ["orchestrator", "nodes", node]) => (Target::NodePut(id(node)), operation::NODE_PUT),
        (&Method::GET, ["agent", what]) => match *what {
            "alive" => (Target::Alive, operation::ALIVE),
            "version" => (Target::Version, operation::VERSION),
            "node" => (Target::AgentNode, operation::AGENT_NODE),
            "debug" => (Target::AgentDebug, operation::AGENT_DEBUG),
            "config" => (Target::AgentConfig, operation::AGENT_CONFIG),
            "authconfig" if version.at_least(7, 0) => (Target::AuthConfig, operation::AUTHCONFIG),
            _ => unknown,
        },
        (&Method::GET, ["auth"]) => (Target::AuthMethods, operation::AUTH_METHODS),
        (&Method::GET, ["auth", name]) => (Target::AuthMethod(id(name)), operation::AUTH_METHOD),
        (&Method::POST, ["auth", name]) => (Target::AuthLogin(id(name)), operation::AUTH_LOGIN),
        _ => unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        let request = Request::get(format!("http://x{path}")).body(Bytes::new()).unwrap_or_default();
        route(&request, Version(9, 3)).0
    }

    #[test]
    fn only_one_spelling_of_a_name_is_decoded() {
        let jobs = "/api/v1/orchestrator/jobs/";
        for (path, name) in [
            ("a:b", "a:b"),
            ("a%3Ab", "a%3Ab"),
            ("a%20b%21", "a b!"),
            ("a%20b!", "a%20b!"),
            ("%C3%A9%281%29%2A", "\u{e9}(1)*"),
            ("%c3%a9", "%c3%a9"),
            ("a%2Fb", "a%2Fb"),
            ("a%25b", "a%b"),
            ("..", ".."),
        ] {
            assert_eq!(target(&format!("{jobs}{path}")), Target::Get(name.to_owned()), "{path}");
        }
        assert_eq!(target(&format!("{jobs}a/b")), Target::Unknown);
        assert_eq!(target("/api/v1/orchestrator/jobs/"), Target::Unknown);
    }
}
