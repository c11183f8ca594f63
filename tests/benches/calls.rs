//! One call over loopback: the facade and the low-level client against hand-written reqwest + serde.
//!
//! The server is another process, so that only the clients are counted. Time and allocations are
//! measured here; instructions by running this program again under callgrind, where it is installed.
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use consign::civitai::Civitai;
use consign_civitai::V1ConsumerJobsGetOptions;
use consign_http::Token;
use consign_tests::{measured, plain};

const TOKEN: &str = "eyJKb2JzIjpbImZhOTQyM2IxLTlkODEtNDhkZi1iYjc3LTkwOTNlNWEwMzUyMSJdfQ==";
const WAYS: [&str; 3] = ["hand-written", "low-level", "facade"];
const CALLS: usize = 250;
const ROUNDS: usize = 80;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[1..] {
        [serves] if serves == "serve" => return serve(),
        [runs, way, url, calls] if runs == "run" => {
            run(way, url, calls.parse().expect("a number of calls"));
            return;
        }
        _ if !measured::asked() => return,
        _ => {}
    }
    let mut server = Server::start();
    let mut allocations = [0; 3];
    // In short turns, because where the system places client and server changes the time of all of them.
    let mut rounds = [[0.0; 3]; ROUNDS];
    for times in &mut rounds {
        for (n, way) in WAYS.iter().enumerate() {
            let (taken, allocated) = run(way, &server.url, CALLS);
            times[n] = taken.as_secs_f64() * 1e6 / CALLS as f64;
            allocations[n] = allocated / CALLS as u64;
        }
    }
    let counts: Option<Vec<u64>> = WAYS.iter().map(|way| instructions(way, &server.url)).collect();
    server.stop();
    println!("one read of a job by its token, over loopback, current-thread runtime");
    for (n, way) in WAYS.iter().enumerate() {
        let count = counts.as_ref().map_or("not counted".to_owned(), |counts| counts[n].to_string());
        let time = median(rounds.iter().map(|times| times[n]));
        println!("{way:<13} {time:>6.1} µs on the processor, {:>3} allocations, instructions: {count}", allocations[n]);
    }
    // Of each round's own ratio, so that only times of the same moment are compared.
    let time = |a: usize, b: usize| median(rounds.iter().map(|times| times[a] / times[b]));
    measured::judge("low-level / hand-written, time", time(1, 0), 1.20);
    measured::judge("facade / low-level, time", time(2, 1), 1.10);
    if let Some(counts) = counts {
        let count = |a: usize, b: usize| counts[a] as f64 / counts[b] as f64;
        measured::judge("low-level / hand-written, instructions", count(1, 0), 1.20);
        measured::judge("facade / low-level, instructions", count(2, 1), 1.10);
    }
    measured::judge("facade - low-level, allocations", allocations[2] as f64 - allocations[1] as f64, 12.0);
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Makes `calls` calls one way; gives the time on the processor and the allocations.
fn run(way: &str, url: &str, calls: usize) -> (Duration, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let measure = |call: &dyn Fn()| {
        call(); // opens the connection
        let start = measured::on_processor();
        let counted = allocation_counter::measure(|| (0..calls).for_each(|_| call()));
        (measured::on_processor() - start, counted.count_total)
    };
    match way {
        "hand-written" => {
            use_ring();
            let client =
                reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
            let url = format!("{url}/v1/consumer/jobs?token={}", TOKEN.replace('=', "%3D"));
            let call = async || {
                let request = client.get(&url).bearer_auth("secret").header("accept", "application/json");
                let response = request.send().await.expect("an answer");
                assert!(response.status().is_success());
                let body = response.bytes().await.expect("a body");
                serde_json::from_slice::<plain::Collection>(&body).expect("a collection")
            };
            measure(&|| drop(black_box(runtime.block_on(call()))))
        }
        "low-level" => {
            let http =
                consign_civitai::Client::builder(url).expect("a url").token(Token::new("secret").expect("a token"));
            let client = consign_civitai::Client::from_http(http.build().expect("a client"));
            let call = || client.v1_consumer_jobs_get(TOKEN, V1ConsumerJobsGetOptions::default());
            measure(&|| drop(black_box(runtime.block_on(call()).expect("a reply"))))
        }
        _ => {
            let civitai = Civitai::builder().base_url(url).token("secret").build().expect("a provider");
            let job = consign::Jobs::new(civitai).attach(Civitai::ticket_of_token(TOKEN)).expect("a job");
            measure(&|| drop(black_box(runtime.block_on(job.look()).expect("a snapshot"))))
        }
    }
}

/// The hand-written client needs a provider of cryptography as well; consign's network sets it.
fn use_ring() {
    consign_http::Network::new(&consign_http::NetworkSettings::new()).expect("a network");
}

/// Instructions a call: the difference of two runs, so that start-up does not count.
fn instructions(way: &str, url: &str) -> Option<u64> {
    let total = |calls| measured::instructions(&["run", way, url, calls]);
    Some((total("300")? - total("100")?) / 200)
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let exe = std::env::current_exe().expect("this program");
        let mut child =
            Command::new(exe).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a server");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its address");
        Self { child, url: format!("http://{}", line.trim()) }
    }
    fn stop(&mut self) {
        // It ends when its input does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Answers every request on every connection with the same page, until its input ends.
fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn answer(mut stream: TcpStream) {
    let body = plain::page(1);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    let reply = [head.as_bytes(), &body].concat();
    let _ = stream.set_nodelay(true);
    let (mut buffer, mut filled) = ([0u8; 8192], 0);
    while let Ok(read) = stream.read(&mut buffer[filled..]) {
        if read == 0 {
            return;
        }
        filled += read;
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            if stream.write_all(&reply).is_err() {
                return;
            }
        }
    }
}
