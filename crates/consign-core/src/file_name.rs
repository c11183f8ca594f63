//! File names from servers, made safe: they stay in the chosen folder on any operating system.

/// The longest name, in bytes; the usual limit of file systems is 255.
const LONGEST: usize = 120;

/// A name that is one path component everywhere: no separators, no control characters, no reserved
/// device names, no leading dot, no trailing dot or blank; never empty.
pub(crate) fn safe(name: &str) -> String {
    let mut out: String = name
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            // Characters that turn text around or show nothing could disguise an extension.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .collect();
    while out.len() > LONGEST {
        // Keeps the end, where the extension is.
        out.remove(0);
    }
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

fn is_port(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '¹' | '²' | '³')
}

#[cfg(test)]
mod tests {
    use super::safe;

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
    }
}
