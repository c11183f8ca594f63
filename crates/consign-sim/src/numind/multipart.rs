//! Reading of `multipart/form-data` bodies.

use bytes::Bytes;

/// One part of a form.
#[derive(Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    pub(crate) bytes: Bytes,
}

/// The parts of a body with this content type. None: it is no such form, or it is malformed.
pub(crate) fn parts(content_type: &str, body: &Bytes) -> Option<Vec<Part>> {
    let (_, parameters) = content_type.split_once(';')?;
    let boundary = parameters.split(';').find_map(|p| p.trim().strip_prefix("boundary="))?.trim_matches('"');
    let delimiter = format!("--{boundary}");
    // With a line end before it, the first delimiter is like all others.
    let between = format!("\r\n{delimiter}");
    if boundary.is_empty() || !body.starts_with(delimiter.as_bytes()) {
        return None;
    }
    let mut parts = Vec::new();
    let mut at = delimiter.len();
    loop {
        if body[at..].starts_with(b"--") {
            return Some(parts);
        }
        let start = at + 2;
        if !body[at..].starts_with(b"\r\n") {
            return None;
        }
        let end = start + find(&body[start..], between.as_bytes())?;
        let (head, bytes) = if body[start..].starts_with(b"\r\n") {
            ("", start + 2)
        } else {
            let head = find(&body[start..end], b"\r\n\r\n")?;
            (std::str::from_utf8(&body[start..start + head]).ok()?, start + head + 4)
        };
        let disposition = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim().to_owned())
        })?;
        let name = parameter(&disposition, "name")?;
        parts.push(Part { name, file_name: parameter(&disposition, "filename"), bytes: body.slice(bytes..end) });
        at = end + between.len();
    }
}

/// A quoted parameter of a disposition.
fn parameter(disposition: &str, name: &str) -> Option<String> {
    let marker = format!("{name}=\"");
    let place = disposition.match_indices(&marker).find(|(at, _)| {
        let before = disposition[..*at].chars().next_back();
        before.is_none_or(|c| c == ';' || c.is_whitespace())
    })?;
    let (mut text, mut escaped) = (String::new(), false);
    for c in disposition[place.0 + marker.len()..].chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return Some(text.replace("%22", "\"").replace("%0D%0A", "\r\n")),
            _ => {
                text.push(c);
                escaped = false;
            }
        }
    }
    None
}

fn find(all: &[u8], wanted: &[u8]) -> Option<usize> {
    all.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_bytes_names_and_order() {
        let body = Bytes::from_static(
            b"--b\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{}\r\n--b\r\ncontent-disposition: \
              form-data; name=\"document\"; filename=\"a \\\"b\\\".pdf\"\r\nContent-Type: application/pdf\r\n\r\n\
              \r\n--c\x00\r\n\r\n--b--\r\n",
        );
        let read = parts("multipart/form-data; boundary=b", &body).unwrap();
        assert_eq!((read[0].name.as_str(), &read[0].file_name, &read[0].bytes[..]), ("request", &None, &b"{}"[..]));
        assert_eq!((read[1].name.as_str(), &read[1].bytes[..]), ("document", &b"\r\n--c\x00\r\n"[..]));
        assert_eq!(read[1].file_name.as_deref(), Some("a \"b\".pdf"));
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn malformed_forms_are_nothing() {
        let read = |content_type, body: &'static [u8]| parts(content_type, &Bytes::from_static(body));
        assert_eq!(read("multipart/form-data", b"--b--"), None);
        assert_eq!(read("multipart/form-data; boundary=b", b""), None);
        assert_eq!(read("multipart/form-data; boundary=b", b"--b"), None);
        assert_eq!(read("multipart/form-data; boundary=b", b"--b\r\n\r\nx"), None);
        assert_eq!(read("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--"), None);
        assert_eq!(read("multipart/form-data; boundary=\"b\"", b"--b--"), Some(Vec::new()));
    }
}
