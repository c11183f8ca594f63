//! A raw loopback server: it keeps what arrived, byte by byte, and gives the answer it was told.
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as the socket received it.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    pub method: String,
    pub target: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Sent {
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_slice())
    }
}

/// What the next requests are answered with.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    answer: Answer,
    sent: Vec<Sent>,
}

pub struct Server {
    url: String,
    shared: Arc<Mutex<Shared>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (server, ours) = (Self { url, shared: shared.clone() }, shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A broken connection shows as a missing request.
                let _ = serve(stream, &ours);
            }
        });
        server
    }
    pub fn url(&self) -> &str {
        &self.url
    }
    /// Forgets what arrived; from now on this is the answer.
    pub fn answer(&self, answer: Answer) {
        *self.shared.lock().expect("not poisoned") = Shared { answer, sent: Vec::new() };
    }
    /// What has arrived since.
    pub fn sent(&self) -> Vec<Sent> {
        self.shared.lock().expect("not poisoned").sent.clone()
    }
}

fn serve(mut stream: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let sent = read(&mut stream)?;
    let answer = {
        let mut shared = shared.lock().expect("not poisoned");
        shared.sent.push(sent);
        shared.answer.clone()
    };
    let mut head = format!("HTTP/1.1 {} -\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if answer.status != 204 && answer.status != 304 {
        head.push_str(&format!("content-length: {}\r\n", answer.body.len()));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(&answer.body)
}

fn read(stream: &mut TcpStream) -> std::io::Result<Sent> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        more(stream, &mut bytes)?;
    };
    let mut body = bytes.split_off(end + 4);
    let mut lines = bytes[..end].split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let mut words = first.split(' ').map(str::to_owned);
    let mut sent =
        Sent { method: words.next().unwrap_or_default(), target: words.next().unwrap_or_default(), ..Sent::default() };
    for line in lines {
        if let Some(colon) = line.iter().position(|b| *b == b':') {
            let name = String::from_utf8_lossy(&line[..colon]).to_lowercase();
            sent.headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
    }
    if sent.header("transfer-encoding").is_some() {
        sent.body = chunks(stream, body)?;
        return Ok(sent);
    }
    let length = sent.header("content-length").and_then(|v| std::str::from_utf8(v).ok()?.parse().ok()).unwrap_or(0);
    while body.len() < length {
        more(stream, &mut body)?;
    }
    sent.body = body;
    Ok(sent)
}

/// The body of a chunked request, of which `bytes` have been read.
fn chunks(stream: &mut TcpStream, mut bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = loop {
            if let Some(n) = bytes[at..].windows(2).position(|w| w == b"\r\n") {
                break at + n;
            }
            more(stream, &mut bytes)?;
        };
        let size = String::from_utf8_lossy(&bytes[at..line]).split(';').next().unwrap_or_default().trim().to_owned();
        let size = usize::from_str_radix(&size, 16).map_err(std::io::Error::other)?;
        while bytes.len() < line + 2 + size + 2 {
            more(stream, &mut bytes)?;
        }
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&bytes[line + 2..line + 2 + size]);
        at = line + 2 + size + 2;
    }
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    match stream.read(&mut buffer)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        n => {
            bytes.extend_from_slice(&buffer[..n]);
            Ok(())
        }
    }
}
