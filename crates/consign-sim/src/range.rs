//! The `Range` header of requests for files, on every wire that serves some.

/// Reads `bytes=a-b`, `bytes=a-` and `bytes=-n`. None: no single range, send all. Some(None): beyond the end.
pub(crate) fn range(text: &str, length: usize) -> Option<Option<(usize, usize)>> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    if from.is_empty() {
        let count: usize = to.parse().ok()?;
        return Some((count > 0 && length > 0).then(|| (length.saturating_sub(count), length - 1)));
    }
    let from: usize = from.parse().ok()?;
    let to = if to.is_empty() { usize::MAX } else { to.parse().ok().filter(|to| *to >= from)? };
    Some((from < length).then(|| (from, to.min(length - 1))))
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_are_cut_to_the_file_or_refused() {
        assert_eq!(range("bytes=0-", 10), Some(Some((0, 9))));
        assert_eq!(range("bytes=2-4", 10), Some(Some((2, 4))));
        assert_eq!(range("bytes=8-99", 10), Some(Some((8, 9))));
        assert_eq!(range("bytes=-3", 10), Some(Some((7, 9))));
        assert_eq!(range("bytes=-30", 10), Some(Some((0, 9))));
        assert_eq!(range("bytes=10-", 10), Some(None));
        assert_eq!(range("bytes=-0", 10), Some(None));
        assert_eq!(range("bytes=-3", 0), Some(None));
        assert_eq!(range("bytes=0-", 0), Some(None));
        for text in ["bytes=4-2", "bytes=a-b", "lines=1-2", "bytes=1-2,4-5", ""] {
            assert_eq!(range(text, 10), None, "{text}");
        }
    }
}
