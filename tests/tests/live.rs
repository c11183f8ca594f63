//! The suite against real servers: those whose base URL is in the environment, and no others.
//!
//! `CONSIGN_LIVE_BACALHAU_V1`, `CONSIGN_LIVE_BACALHAU_REQUESTER`, `CONSIGN_LIVE_CHUTES`, `CONSIGN_LIVE_CIVITAI` and
//! `CONSIGN_LIVE_NUMIND` hold base URLs; credentials come from each provider's own variables. The jobs are small, may
//! cost, and are cancelled where a step leaves them running.
use std::process::ExitCode;
use std::time::{Duration, Instant};

use consign::Result;
use consign_http::BoxFuture;
use consign_tests::conformance::{Bench, Subject, Went};

/// A provider that may be there.
struct Server {
    variable: &'static str,
    run: fn(String) -> BoxFuture<'static, Result<usize>>,
}

fn main() -> ExitCode {
    let servers = [
        #[cfg(feature = "bacalhau")]
        Server { variable: "CONSIGN_LIVE_BACALHAU_V1", run: |url| Box::pin(bacalhau::v1(url)) },
        #[cfg(feature = "bacalhau")]
        Server { variable: "CONSIGN_LIVE_BACALHAU_REQUESTER", run: |url| Box::pin(bacalhau::requester(url)) },
        #[cfg(feature = "chutes")]
        Server { variable: "CONSIGN_LIVE_CHUTES", run: |url| Box::pin(chutes::run(url)) },
        #[cfg(feature = "civitai")]
        Server { variable: "CONSIGN_LIVE_CIVITAI", run: |url| Box::pin(civitai::run(url)) },
        #[cfg(feature = "numind")]
        Server { variable: "CONSIGN_LIVE_NUMIND", run: |url| Box::pin(numind::run(url)) },
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            println!("live: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (mut ran, mut bad) = (0, 0);
    for Server { variable, run } in servers {
        let Some(url) = std::env::var(variable).ok().filter(|url| !url.trim().is_empty()) else {
            println!("live: {variable} is not set: not run");
            continue;
        };
        println!("live: {variable}: {url}");
        ran += 1;
        let began = Instant::now();
        match runtime.block_on(run(url.clone())) {
            Ok(wrong) => {
                bad += wrong;
                let took = began.elapsed();
                println!("live: {variable}: {url}: {wrong} steps do not hold, {took:.1?}");
            }
            Err(error) => {
                bad += 1;
                println!("live: {variable}: {url}: cannot be set up: {error}");
            }
        }
    }
    println!("live: {ran} servers used, {bad} steps do not hold");
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the suite and tells each step.
async fn suite<P: Subject>(bench: Bench<P>) -> usize {
    let tell = |name: &'static str, went: &Went, took: Duration| match went {
        Went::Well => println!("  ok    {took:>8.1?}  {name}"),
        Went::NotHere => println!("  -               {name}: does not apply"),
        Went::Badly(wrong) => println!("  WRONG {took:>8.1?}  {name}: {wrong}"),
    };
    bench.run(tell).await
}

/// An address of this machine where nobody listens.
fn nobody() -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).map(|at| at.port());
    format!("http://127.0.0.1:{}", port.unwrap_or(9))
}

/// A credential from the provider's own variable; a simulator takes any.
#[cfg(any(feature = "chutes", feature = "civitai", feature = "numind"))]
fn credential(variables: &[&str], otherwise: &str) -> String {
    variables.iter().find_map(|name| std::env::var(name).ok()).unwrap_or_else(|| otherwise.to_owned())
}

#[cfg(feature = "bacalhau")]
mod bacalhau {
    use consign::bacalhau::{Bacalhau, BacalhauBuilder, Identity, Requester};
    use consign::{ErrorKind, Jobs, Result};
    use consign_tests::conformance::{Bench, Subject};

    /// With the credential of the environment, in the variables of Bacalhau's own command line.
    fn known(builder: BacalhauBuilder) -> BacalhauBuilder {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(key) = variable("BACALHAU_API_KEY") {
            return builder.token(key);
        }
        match (variable("BACALHAU_API_USERNAME"), variable("BACALHAU_API_PASSWORD")) {
            (Some(name), Some(password)) => builder.user(&name, &password),
            _ => builder,
        }
    }

    pub(super) async fn v1(url: String) -> Result<usize> {
        let at = |url: &str| Bacalhau::builder().base_url(url);
        let mut bench = Bench::new(known(at(&url)).build()?, at(&super::nobody()).build()?, true);
        // Where there are no users nobody is unknown.
        let nobody = Jobs::new(at(&url).build()?).attach(Bacalhau::nobody())?.look().await;
        if nobody.is_err_and(|error| error.kind() == ErrorKind::Unauthorized) {
            bench = bench.stranger(at(&url).token("a-key-that-nobody-has").build()?);
        }
        Ok(super::suite(bench).await)
    }
    /// With the key in `BACALHAU_DIR` if that is set, else with a throw-away one: a server takes any.
    pub(super) async fn requester(url: String) -> Result<usize> {
        let key = match std::env::var_os("BACALHAU_DIR") {
            Some(_) => Identity::load()?,
            None => consign_tests::bacalhau::identity(),
        };
        let at = |url: String| Requester::builder().base_url(url).identity(key.clone()).build();
        Ok(super::suite(Bench::new(at(url)?, at(super::nobody())?, true)).await)
    }
}

#[cfg(feature = "chutes")]
mod chutes {
    use consign::Result;
    use consign::chutes::Chutes;
    use consign_tests::conformance::Bench;

    pub(super) async fn run(url: String) -> Result<usize> {
        let key = super::credential(&["CHUTES_API_KEY"], consign_sim::Chutes::KEY);
        let provider = Chutes::builder().base_url(url).api_key(key.clone()).build()?;
        let nowhere = Chutes::builder().base_url(super::nobody()).api_key(key).build()?;
        Ok(super::suite(Bench::new(provider, nowhere, true)).await)
    }
}

#[cfg(feature = "numind")]
mod numind {
    use consign::Result;
    use consign::numind::NuMind;
    use consign_tests::conformance::Bench;

    pub(super) async fn run(url: String) -> Result<usize> {
        let key = super::credential(&["NUMIND_API_KEY", "NUEXTRACT_API_KEY"], "any");
        let provider = NuMind::builder().base_url(url).api_key(key.clone()).build()?;
        let nowhere = NuMind::builder().base_url(super::nobody()).api_key(key).build()?;
        Ok(super::suite(Bench::new(provider, nowhere, true)).await)
    }
}

#[cfg(feature = "civitai")]
mod civitai {
    use consign::Result;
    use consign::civitai::Civitai;
    use consign_tests::conformance::Bench;

    pub(super) async fn run(url: String) -> Result<usize> {
        let token = super::credential(&["CIVITAI_API_TOKEN"], "any");
        let provider = Civitai::builder().base_url(url).token(token.clone()).build()?;
        let nowhere = Civitai::builder().base_url(super::nobody()).token(token).build()?;
        Ok(super::suite(Bench::new(provider, nowhere, true)).await)
    }
}
