//! File names from servers, made safe: they stay in the chosen folder on any operating system.
use std::path::PathBuf;

/// The longest name, in bytes; the usual limit of file systems is 255.
const LONGEST: usize = 120;
/// The longest relative path whose folders are kept, in bytes and in parts.
const LONGEST_PATH: (usize, usize) = (200, 16);

/// A name that is one path component everywhere: no separators, no control characters, no reserved
/// device names, no leading dot, no trailing dot or blank; never empty. A long name keeps its end,
/// where the extension is.
pub(crate) fn safe(name: &str) -> String {
    let start = (name.len().saturating_sub(LONGEST)..).find(|n| name.is_char_boundary(*n)).unwrap_or(0);
    let out: String = name[start..]
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            // Characters that turn text around or show nothing could disguise an extension.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .collect();
    let trimmed = out.trim_end_matches(['.', ' ']).trim_start_matches(['.', ' ']);
    let stem = trimmed.split('.').next().unwrap_or("").trim_end().to_ascii_uppercase();
    let numbered =
        |prefix: &str| stem.strip_prefix(prefix).is_some_and(|n| n.chars().count() == 1 && n.chars().all(is_port));
    let reserved = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered("COM")
        || numbered("LPT");
    match (trimmed, reserved) {
        ("", _) => "unnamed".to_owned(),
        (name, true) => format!("_{name}"),
        (name, false) => name.to_owned(),
    }
}

/// A name that a server gave as one harmless component of a path, everywhere: no separators, no control characters,
/// no reserved device names, no leading dot, no trailing dot or blank; never empty. One that could not stay as it was
/// also gets a mark of the original, before its ending, so that two different names do not become one file.
pub fn safe_and_distinct(name: &str) -> String {
    let safe = safe(name);
    if safe == name {
        return safe;
    }
    // FNV-1a: short, and the same in every process.
    let mark =
        name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    match safe.rsplit_once('.') {
        Some((stem, ending)) => format!("{stem}-{mark:016x}.{ending}"),
        None => format!("{safe}-{mark:016x}"),
    }
}

/// Where a file that a server named by a relative path lies below a folder: in its own folders, if every part of
/// the path is a file name that is safe everywhere as it is; else right in the folder, as [`safe_and_distinct`].
pub(crate) fn safe_path(name: &str) -> PathBuf {
    let (bytes, parts) = LONGEST_PATH;
    let fits = name.len() <= bytes && name.split('/').count() <= parts;
    if fits && name.split('/').all(|part| safe(part) == part) {
        name.split('/').collect()
    } else {
        safe_and_distinct(name).into()
    }
}

fn is_port(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '¹' | '²' | '³')
}

#[cfg(test)]
mod tests {
    use super::{safe, safe_and_distinct, safe_path};

    #[test]
    fn a_hostile_name_becomes_one_harmless_component() {
        let table = [
            ("picture.png", "picture.png"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("..", "unnamed"),
            (".", "unnamed"),
            ("", "unnamed"),
            ("/etc/passwd", "_etc_passwd"),
            ("C:\\Windows\\win.ini", "C__Windows_win.ini"),
            ("a\0b\n.png", "a_b_.png"),
            ("CON", "_CON"),
            ("nul.png", "_nul.png"),
            ("com1.tar.gz", "_com1.tar.gz"),
            ("LPT¹.txt", "_LPT¹.txt"),
            ("console.log", "console.log"),
            ("file.txt::$DATA", "file.txt__$DATA"),
            ("trailing. . ", "trailing"),
            (".bashrc", "bashrc"),
            ("gnp.\u{202e}exe", "gnp._exe"),
            ("ünï 猫.png", "ünï 猫.png"),
        ];
        for (name, expected) in table {
            assert_eq!(safe(name), expected, "{name:?}");
        }
        let long = safe(&format!("{}.png", "é".repeat(500)));
        assert!(long.len() <= 120 && long.ends_with(".png"));
        // Fifty million characters take no longer than a few.
        assert!(safe(&"/".repeat(50_000_000)).len() <= 120);
    }

    #[test]
    fn folders_in_a_name_are_kept_only_if_every_part_is_safe_everywhere() {
        use std::path::{Component, Path};
        for kept in ["a.txt", "checkpoints/epoch 1.json", "a/b/c/d", "_chute.log.1", "ünï/猫", "a..b/c"] {
            assert_eq!(safe_path(kept), Path::new(kept));
        }
        let (deep, long) = ("a/".repeat(16) + "b", "abcdefghijklmnopqrst/".repeat(10) + "b");
        for hostile in [
            "..",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a//b",
            "a/",
            "./a",
            "",
            "C:/x",
            "C:\\x",
            "\\\\host\\share\\x",
            "a\\..\\b",
            "a/CON",
            "nul/x",
            "COM1.txt/x",
            "a/b.",
            "a /b",
            "a/b:stream",
            "a/\u{202e}b",
            ".ssh/config",
            "a\n/b",
            "a\0b/c",
            "a/...",
            &deep,
            &long,
        ] {
            let path = safe_path(hostile);
            assert!(
                path.components().all(|part| matches!(part, Component::Normal(_))) && path.components().count() == 1
            );
            assert!(!path.to_str().unwrap().contains(['/', '\\', ':', '\n', '\0']), "{hostile:?}");
            assert_ne!(path, Path::new(hostile));
        }
        assert_ne!(safe_path("../x"), safe_path("..\\x"));
        assert!(safe_path(&"/".repeat(50_000_000)).as_os_str().len() <= 140);
    }

    #[test]
    fn names_that_had_to_be_changed_stay_apart() {
        assert_eq!(safe_and_distinct("picture.png"), "picture.png");
        let names = ["a/b.png", "a:b.png", "a\\b.png"].map(safe_and_distinct);
        assert!(names.iter().all(|n| n.starts_with("a_b-") && n.ends_with(".png")), "{names:?}");
        assert!(names[0] != names[1] && names[1] != names[2]);
        assert_eq!(safe_and_distinct("a/b.png"), names[0]);
        assert!(safe_and_distinct("..").starts_with("unnamed-"));
        assert!(safe_and_distinct(&"é/".repeat(500)).len() <= 140);
    }
}
