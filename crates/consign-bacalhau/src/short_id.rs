//! Short forms of ids, as people see them.

/// The short form of an id: its first eight characters after a kind such as `j-`, if it has one. What is shorter
/// already stays as it is.
///
/// Servers of the v1 interface find a job by it, unless several jobs share it. Of the requester operations only
/// `list` does.
pub fn short_id(id: &str) -> &str {
    let kind = match id.as_bytes() {
        [kind, b'-', ..] if kind.is_ascii_lowercase() => 2,
        _ => 0,
    };
    id.char_indices().nth(kind + 8).map_or(id, |(end, _)| &id[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_does_not_count() {
        let cases = [
            ("j-9304c616-291f-41ad-b862-54e133c0149e", "j-9304c616"),
            ("9304c616-291f-41ad-b862-54e133c0149e", "9304c616"),
            ("j-9304", "j-9304"),
            ("9304c616", "9304c616"),
            ("", ""),
            ("ééééééééé", "éééééééé"),
        ];
        for (id, short) in cases {
            assert_eq!(short_id(id), short);
        }
    }
}
