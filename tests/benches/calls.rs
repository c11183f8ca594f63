//! One call over loopback: the facade and the low-level client against hand-written reqwest + serde.
//!
//! The server is another process, so that only the clients are counted. Time and allocations are
//! measured here; instructions by running this program again under callgrind, where it is installed.
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use consign::civitai::Civitai;
use consign_civitai::V1ConsumerJobsGetOptions;
use consign_http::Token;
use consign_tests::plain;

const TOKEN: &str = "eyJKb2JzIjpbImZhOTQyM2IxLTlkODEtNDhkZi1iYjc3LTkwOTNlNWEwMzUyMSJdfQ==";
const WAYS: [&str; 3] = ["hand-written", "low-level", "facade"];
const CALLS: usize = 2000;
const ROUNDS: usize = 7;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("serve") => return serve(),
        Some("run") => {
            run(&args[2], &args[3], args[4].parse().expect("a number of calls"));
            return;
        }
        _ => {}
    }
    let mut server = Server::start();
    let mut best = [Duration::MAX; 3];
    let mut allocations = [0; 3];
    for round in 0..=ROUNDS {
        for (n, way) in WAYS.iter().enumerate() {
            let (taken, allocated) = run(way, &server.url, CALLS);
            if round > 0 {
                best[n] = best[n].min(taken / CALLS as u32);
                allocations[n] = allocated / CALLS as u64;
            }
        }
    }
    let counted: Option<Vec<u64>> = WAYS.iter().map(|way| instructions(way, &server.url)).collect();
    server.stop();
    println!("one read of a job by token, over loopback, current-thread runtime");
    for (n, way) in WAYS.iter().enumerate() {
        let count =
            counted.as_ref().map_or("not counted (no valgrind)".to_owned(), |c| format!("{} instructions", c[n]));
        println!("{way:<13} {:>9.2?}  {:>4} allocations  {count}", best[n], allocations[n]);
    }
    let time = |a: usize, b: usize| best[a].as_secs_f64() / best[b].as_secs_f64();
    println!("low-level / hand-written: time {:.3} (to reach: 1.20)", time(1, 0));
    println!("facade / low-level:       time {:.3} (to reach: 1.10)", time(2, 1));
    if let Some(c) = counted {
        println!("low-level / hand-written: instructions {:.3} (to reach: 1.20)", c[1] as f64 / c[0] as f64);
        println!("facade / low-level:       instructions {:.3} (to reach: 1.10)", c[2] as f64 / c[1] as f64);
    }
    println!("facade - low-level: {} allocations (to reach: 12)", allocations[2] as i64 - allocations[1] as i64);
}

/// Makes `calls` calls one way; gives the time and the allocations.
fn run(way: &str, url: &str, calls: usize) -> (Duration, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let measure = |call: &dyn Fn()| {
        call(); // opens the connection
        let start = Instant::now();
        let counted = allocation_counter::measure(|| (0..calls).for_each(|_| call()));
        (start.elapsed(), counted.count_total)
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
    let total = |calls: usize| {
        let out = std::env::temp_dir().join(format!("consign-callgrind-{}-{way}-{calls}", std::process::id()));
        let done = Command::new("valgrind")
            .args(["--tool=callgrind", &format!("--callgrind-out-file={}", out.display())])
            .arg(std::env::current_exe().ok()?)
            .args(["run", way, url, &calls.to_string()])
            .output()
            .ok()?;
        let text = std::fs::read_to_string(&out).ok()?;
        let _ = std::fs::remove_file(&out);
        done.status.success().then_some(())?;
        text.lines()
            .find_map(|l| l.strip_prefix("totals: ").or(l.strip_prefix("summary: ")))?
            .trim()
            .parse::<u64>()
            .ok()
    };
    Some((total(300)? - total(100)?) / 200)
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
