//! Event streams (`text/event-stream`) by the rules of the HTML standard: bytes go in, events come out.
//!
//! UTF-8 with malformed bytes replaced and one leading byte order mark dropped; lines end at LF, CR or CRLF; lines
//! that begin with a colon are comments; several `data` lines are joined by LF; a block without any `data` line is no
//! event; what is pending at the end is dropped. The fields `id` and `retry` are read over: no provider here uses
//! them.
//!
//! ```
//! use consign_http::sse::Parser;
//!
//! let mut parser = Parser::new();
//! let (used, event) = parser.feed(b"event: ping\ndata:\n\ndata: x")?;
//! let event = event.ok_or("no event")?;
//! assert_eq!((used, event.event.as_str(), event.data.as_str()), (19, "ping", ""));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_core::Stream;

use crate::{ByteStream, Delivery, Error, ErrorKind};

/// The largest event kept in memory unless another bound is set: 64 MiB.
pub const MAX_EVENT: usize = 64 << 20;
const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
/// One more than the longest name that matters.
const NAME: usize = 6;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; `message` where the server names none.
    pub event: String,
    /// Its data, perhaps empty.
    pub data: String,
}

/// Takes bytes in any pieces and gives events. It holds one event at most, and nothing of comments and other fields.
#[derive(Clone)]
pub struct Parser {
    limit: usize,
    place: Place,
    /// The last byte was a CR: a LF after it belongs to it.
    after_cr: bool,
    name: [u8; NAME],
    event: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
}

/// Where the next byte stands.
#[derive(Clone, Copy)]
enum Place {
    /// In the byte order mark, of which this much was seen.
    Mark(usize),
    /// In the name of a field, of which this much was seen; 0: at the beginning of a line.
    Name(usize),
    /// After the colon.
    Colon(Field),
    /// In the value.
    Value(Field),
}

#[derive(Clone, Copy)]
enum Field {
    Data,
    Event,
    Other,
}

impl Parser {
    /// A parser at the beginning of a stream, which keeps events of at most [`MAX_EVENT`] bytes.
    pub fn new() -> Self {
        let (event, data) = (Vec::new(), Vec::new());
        let place = Place::Mark(0);
        Self { limit: MAX_EVENT, place, after_cr: false, name: [0; NAME], event, data, has_data: false }
    }
    /// The same with another bound: the most bytes that type and data of an event may have together.
    #[must_use]
    pub fn max_event(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Reads on until an event is complete or `chunk` is used up: how many bytes were used, and the event. Call it
    /// again with the rest.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for an event above the bound. The parser is of no more use then.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(usize, Option<Event>), Error> {
        let mut at = 0;
        if let Place::Mark(seen) = self.place {
            at = self.mark(seen, chunk)?;
        }
        while at < chunk.len() {
            if std::mem::take(&mut self.after_cr) && chunk[at] == b'\n' {
                at += 1;
                continue;
            }
            let rest = &chunk[at..];
            let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.piece(rest)?;
                return Ok((chunk.len(), None));
            };
            self.piece(&rest[..end])?;
            self.after_cr = rest[end] == b'\r';
            at += end + 1;
            if let Some(event) = self.end_of_line()? {
                return Ok((at, Some(event)));
            }
        }
        Ok((at, None))
    }

    /// Reads over a byte order mark; what only begins like one is text.
    fn mark(&mut self, seen: usize, chunk: &[u8]) -> Result<usize, Error> {
        let same = MARK[seen..].iter().zip(chunk).take_while(|(mark, byte)| mark == byte).count();
        let all = seen + same;
        if all == MARK.len() {
            self.place = Place::Name(0);
        } else if same < chunk.len() {
            self.place = Place::Name(0);
            self.piece(&MARK[..all])?;
        } else {
            self.place = Place::Mark(all);
        }
        Ok(same)
    }

    /// A part of a line, without its end.
    fn piece(&mut self, mut piece: &[u8]) -> Result<(), Error> {
        if let Place::Name(seen) = self.place {
            let room = NAME - seen;
            match piece.iter().take(room).position(|byte| *byte == b':') {
                Some(colon) => {
                    self.name[seen..seen + colon].copy_from_slice(&piece[..colon]);
                    let field = self.begin(seen + colon)?;
                    self.place = Place::Colon(field);
                    piece = &piece[colon + 1..];
                }
                // Longer than any name that matters.
                None if piece.len() >= room => self.place = Place::Value(Field::Other),
                None => {
                    self.name[seen..seen + piece.len()].copy_from_slice(piece);
                    self.place = Place::Name(seen + piece.len());
                }
            }
        }
        if let (Place::Colon(field), Some(first)) = (self.place, piece.first()) {
            if *first == b' ' {
                piece = &piece[1..];
            }
            self.place = Place::Value(field);
        }
        let Place::Value(field) = self.place else { return Ok(()) };
        let kept = match field {
            Field::Other => return Ok(()),
            Field::Data => &mut self.data,
            Field::Event => &mut self.event,
        };
        if kept.capacity() == 0 {
            // Most values come in one piece: then nothing is allocated that is not needed.
            *kept = piece.to_vec();
        } else {
            kept.extend_from_slice(piece);
        }
        self.within_limit()
    }

    fn within_limit(&self) -> Result<(), Error> {
        if self.event.len() + self.data.len() <= self.limit {
            return Ok(());
        }
        let what = format!("an event of more than {} bytes", self.limit);
        Err(Error::new(ErrorKind::TooLarge, Delivery::Unknown, what))
    }

    /// Begins the field whose name has this many bytes.
    fn begin(&mut self, length: usize) -> Result<Field, Error> {
        Ok(match &self.name[..length] {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                    self.within_limit()?;
                }
                Field::Data
            }
            b"event" => {
                self.event.clear();
                Field::Event
            }
            _ => Field::Other,
        })
    }

    /// The end of a line; a blank one completes an event.
    fn end_of_line(&mut self) -> Result<Option<Event>, Error> {
        match std::mem::replace(&mut self.place, Place::Name(0)) {
            Place::Name(0) => {}
            // A name alone is a field without a value.
            Place::Name(length) => return self.begin(length).map(|_| None),
            _ => return Ok(None),
        }
        let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
        if !std::mem::take(&mut self.has_data) {
            return Ok(None);
        }
        let event = if event.is_empty() { "message".to_owned() } else { text(event) };
        Ok(Some(Event { event, data: text(data) }))
    }
}

/// UTF-8 with malformed bytes replaced.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}
impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser").field("limit", &self.limit).field("pending", &self.data.len()).finish_non_exhaustive()
    }
}

/// The events of a body. The end of the body ends it without a word: whether something was still to come is for the
/// reader to know.
#[derive(Debug)]
pub struct EventStream {
    /// `None` when it is over; the connection is then let go.
    body: Option<ByteStream>,
    chunk: Bytes,
    parser: Parser,
}

impl EventStream {
    /// The events of `body`, of at most [`MAX_EVENT`] bytes each.
    pub fn new(body: ByteStream) -> Self {
        Self { body: Some(body), chunk: Bytes::new(), parser: Parser::new() }
    }
    /// The same with another bound: the most bytes that type and data of an event may have together.
    #[must_use]
    pub fn max_event(mut self, bytes: usize) -> Self {
        self.parser = self.parser.max_event(bytes);
        self
    }
    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// What the body reports, or [`ErrorKind::TooLarge`] for an event above the bound. After an error it is over.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for EventStream {
    type Item = Result<Event, Error>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            if this.chunk.is_empty() {
                match Pin::new(body).poll_next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(chunk))) => this.chunk = chunk,
                    Poll::Ready(end) => {
                        this.body = None;
                        return Poll::Ready(end.map(|result| result.map(|_| Event::default())));
                    }
                }
            }
            match this.parser.feed(&this.chunk) {
                Ok((used, event)) => {
                    this.chunk.advance(used);
                    if let Some(event) = event {
                        return Poll::Ready(Some(Ok(event)));
                    }
                }
                Err(error) => {
                    (this.body, this.chunk) = (None, Bytes::new());
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut parser = Parser::new();
        let mut found = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while !rest.is_empty() {
                let (used, event) = parser.feed(rest).unwrap();
                rest = &rest[used..];
                found.extend(event.map(|event| (event.event, event.data)));
            }
        }
        found
    }
    fn one(text: &[u8]) -> Vec<(String, String)> {
        events(&[text])
    }
    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(event, data)| ((*event).to_owned(), (*data).to_owned())).collect()
    }

    #[test]
    fn the_rules_of_the_standard_hold() {
        type Case<'a> = (&'a [u8], &'a [(&'a str, &'a str)]);
        let cases: [Case<'_>; 16] = [
            (b"data: a\n\n", &[("message", "a")]),
            (b"data: a\ndata: b\n\n", &[("message", "a\nb")]),
            (b"data\n\ndata\ndata\n\n", &[("message", ""), ("message", "\n")]),
            (b"data:  a \n\ndata:\ta\n\n", &[("message", " a "), ("message", "\ta")]),
            (b"event: x\n\ndata: a\n\n", &[("message", "a")]),
            (b"event: x\nevent: y\ndata: a\n\n", &[("y", "a")]),
            (b"event: x\nevent\ndata: a\n\n", &[("message", "a")]),
            (b"data: a\nevent: late\n\n", &[("late", "a")]),
            (b": c\n:data: x\ndata: a\n\n", &[("message", "a")]),
            (b"id: 1\nretry: 5\ndatax: n\ndat: n\ndata: a\n\n", &[("message", "a")]),
            (b" data: n\nData: n\ndata: a\n\n", &[("message", "a")]),
            (b"data: a\r\rdata: b\r\n\r\ndata: c\n\r", &[("message", "a"), ("message", "b"), ("message", "c")]),
            (b"data: a:b\xE2\x80\xA8c\x0Bd\n\n", &[("message", "a:b\u{2028}c\u{B}d")]),
            (b"data: a\n\ndata: b\n", &[("message", "a")]),
            (b"\n\n\ndata: a\0\n\n", &[("message", "a\0")]),
            (b"", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(one(text), pairs(expected), "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn one_byte_order_mark_is_dropped_and_only_at_the_beginning() {
        assert_eq!(one(b"\xEF\xBB\xBFdata: a\n\n"), pairs(&[("message", "a")]));
        assert_eq!(one(b"\xEF\xBB\xBF\xEF\xBB\xBFdata: a\n\ndata: b\n\n"), pairs(&[("message", "b")]));
        assert_eq!(one(b"\xEF\xBBdata: a\ndata: b\n\n"), pairs(&[("message", "b")]));
        assert_eq!(one(b"\xEF\xBB\n\xEF\xBB\xBFdata: a\ndata: b\n\n"), pairs(&[("message", "b")]));
    }

    #[test]
    fn malformed_bytes_are_replaced_one_by_one() {
        let found = one(b"event: \xFF\ndata: a\xF0\x9F\ndata: \xE6\x97\xA5\xC0\x80\n\n");
        assert_eq!(found, pairs(&[("\u{FFFD}", "a\u{FFFD}\n日\u{FFFD}\u{FFFD}")]));
    }

    #[test]
    fn the_pieces_do_not_matter() {
        let text = "\u{FEFF}: c\r\nevent: ré\r\ndata: 日\r\ndata\r\n\r\nid\rdata:b\r\rdata: c\n\nevent:x\n\ndata: \n\n";
        let all = one(text.as_bytes());
        assert_eq!(all, pairs(&[("ré", "日\n"), ("message", "b"), ("message", "c"), ("message", "")]));
        for first in 0..text.len() {
            for second in first..text.len() {
                let bytes = text.as_bytes();
                let chunks = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(events(&chunks), all, "{first} {second}");
            }
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(events(&bytes), all);
    }

    #[test]
    fn an_event_above_the_bound_is_an_error_and_what_is_no_event_has_no_bound() {
        let line = |name: &str, size: usize| format!("{name}: {}\n", "x".repeat(size));
        let feed = |text: String| Parser::new().max_event(10).feed(text.as_bytes());
        assert!(feed(line("data", 10) + "\n").unwrap().1.is_some());
        for over in [
            line("data", 11),
            line("event", 11),
            line("data", 5) + &line("data", 5),
            line("data", 6) + &line("event", 5),
        ] {
            let error = feed(over.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge, "{over}");
            assert!(error.message().contains("10 bytes"));
        }
        // The bound is for one event, not for a stream, and comments are not kept.
        let many = line("data", 8) + "\n" + &line("", 1000) + &line("id", 1000) + &line("unknown", 1000);
        let mut parser = Parser::new().max_event(10);
        for _ in 0..5 {
            let (used, event) = parser.feed(many.as_bytes()).unwrap();
            assert!(event.is_some() && used < many.len());
            assert_eq!(parser.feed(&many.as_bytes()[used..]).unwrap().1, None);
            assert!(parser.data.capacity() <= 16);
        }
        // A type or an empty data line for ever.
        let mut parser = Parser::new().max_event(1000);
        assert!((0..2000).any(|_| parser.feed(b"data\n").is_err()));
        let mut parser = Parser::new().max_event(1000);
        assert!((0..2000).all(|_| parser.feed(b"event: abc\n").is_ok()));
    }

    #[tokio::test]
    async fn a_stream_gives_events_before_its_error_and_then_is_over() {
        let broken = || Error::new(ErrorKind::Transport, Delivery::Unknown, "cut");
        let chunks = vec![Ok(Bytes::from_static(b"data: a\n\ndata: b\n\nda")), Err(broken()), Ok(Bytes::new())];
        let mut chunks = chunks.into_iter();
        let body = ByteStream::new(Chunks(std::iter::from_fn(move || chunks.next())));
        let mut stream = EventStream::new(body);
        assert_eq!(stream.next().await.unwrap().unwrap().data, "a");
        assert_eq!(stream.next().await.unwrap().unwrap().data, "b");
        assert_eq!(stream.next().await.unwrap().unwrap_err().kind(), ErrorKind::Transport);
        assert!(stream.next().await.is_none());

        let body = ByteStream::from_bytes(Bytes::from_static(b"data: 12345\n\ndata: a\n\n"));
        let mut stream = EventStream::new(body).max_event(4);
        assert_eq!(stream.next().await.unwrap().unwrap_err().kind(), ErrorKind::TooLarge);
        assert!(stream.next().await.is_none());
    }

    struct Chunks<I>(I);
    impl<I: Iterator<Item = Result<Bytes, Error>> + Unpin> Stream for Chunks<I> {
        type Item = Result<Bytes, Error>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.next())
        }
    }
}
