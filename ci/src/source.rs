//! A Rust file as the checks see it: comments and literals blanked out, test code known, words with their lines.

/// One Rust file.
pub(crate) struct Source {
    /// From the workspace's root, with slashes.
    pub path: String,
    /// As written.
    pub text: String,
    /// As written but for comments, strings and characters, which are blanks. Same length, same lines.
    pub code: String,
    /// The same without what is compiled for tests only.
    pub shipped: String,
}

/// A place in a file: a word and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Word<'a> {
    /// The identifier, keyword, number, or one punctuation character (`::` is one word).
    pub text: &'a str,
    /// Byte offset.
    pub at: usize,
}

impl Source {
    /// Takes a file apart.
    pub(crate) fn new(path: String, text: String) -> Self {
        let code = blank_comments_and_literals(&text);
        let all_tests = path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/benches/");
        let shipped = if all_tests { blanks(&code) } else { without_tests(&code) };
        Self { path, text, code, shipped }
    }

    /// All of it is compiled for tests only.
    pub(crate) fn ship_nothing(&mut self) {
        self.shipped = blanks(&self.code);
    }

    /// Modules in files of their own that this one declares for tests only.
    pub(crate) fn test_modules(&self) -> impl Iterator<Item = &str> {
        let lines: Vec<&str> = self.code.lines().map(str::trim).collect();
        let pairs = lines.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>();
        pairs
            .into_iter()
            .filter(|(attribute, _)| *attribute == "#[cfg(test)]")
            .filter_map(|(_, declared)| declared.split_once("mod ").and_then(|(_, rest)| rest.strip_suffix(';')))
    }

    /// The line, from one, of a byte offset.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        1 + self.text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
    }
}

/// The words of `code`.
pub(crate) fn words(code: &str) -> Vec<Word<'_>> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        if is_word_byte(bytes[at]) {
            while at < bytes.len() && is_word_byte(bytes[at]) {
                at += 1;
            }
        } else if bytes[at..].starts_with(b"::") {
            at += 2;
        } else {
            at += 1;
            if bytes[start].is_ascii_whitespace() || !bytes[start].is_ascii() {
                continue;
            }
        }
        found.push(Word { text: &code[start..at], at: start });
    }
    found
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The offset behind the bracket that closes the one at `open`.
pub(crate) fn past_closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return offset + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// Blanks out what `#[cfg(test)]` guards, and `#[test]` functions.
fn without_tests(code: &str) -> String {
    let mut bytes = code.as_bytes().to_vec();
    for marker in ["#[cfg(test)]", "#[cfg(all(test", "#[test]"] {
        for (start, _) in code.match_indices(marker) {
            let end = item_end(code, start + 1);
            blank(&mut bytes[start..end]);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where the item (or statement) that starts at `at` ends: behind its body, or at its semicolon.
fn item_end(code: &str, at: usize) -> usize {
    let mut offset = at;
    let bytes = code.as_bytes();
    while offset < bytes.len() {
        match bytes[offset] {
            b'{' => return past_closing(code, offset),
            b'(' | b'[' => offset = past_closing(code, offset),
            b';' => return offset + 1,
            b'}' => return offset,
            _ => offset += 1,
        }
    }
    code.len()
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn blanks(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    blank(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn blank_comments_and_literals(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    while at < text.len() {
        let end = skip_blankable(text.as_bytes(), at);
        if end == at {
            at += 1;
        } else {
            blank(&mut bytes[at..end]);
            at = end;
        }
    }
    // What is left outside comments and literals is ASCII in practice; the rest becomes blanks.
    bytes.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b' ');
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The end of the comment or literal that starts at `at`; `at` itself when none does.
fn skip_blankable(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return find(bytes, at, b"\n");
    }
    if rest.starts_with(b"/*") {
        return skip_block_comment(bytes, at);
    }
    let inside_word = at > 0 && is_word_byte(bytes[at - 1]);
    if rest.starts_with(b"\"") {
        return skip_string(bytes, at);
    }
    if !inside_word && (rest.starts_with(b"r") || rest.starts_with(b"br") || rest.starts_with(b"cr")) {
        return skip_raw_string(bytes, at);
    }
    if !inside_word && rest.starts_with(b"b'") {
        return skip_character(bytes, at + 1);
    }
    if !inside_word && rest.starts_with(b"'") {
        return skip_character(bytes, at);
    }
    at
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    bytes[from..].windows(what.len()).position(|window| window == what).map_or(bytes.len(), |offset| from + offset)
}

fn skip_block_comment(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn skip_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn skip_raw_string(bytes: &[u8], start: usize) -> usize {
    let mut at = find(bytes, start, b"r") + 1;
    let hashes = bytes[at..].iter().take_while(|byte| **byte == b'#').count();
    at += hashes;
    if bytes.get(at) != Some(&b'"') {
        return start;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    (find(bytes, at + 1, &close) + close.len()).min(bytes.len())
}

/// A character literal; a lifetime is not one.
fn skip_character(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start + 1) {
        Some(b'\\') => (find(bytes, start + 3, b"'") + 1).min(bytes.len()),
        Some(_) => {
            // The closing quote follows one character, which may take up to four bytes.
            let close = (start + 2..start + 6).find(|at| bytes.get(*at) == Some(&b'\''));
            let one_character = close.is_some_and(|close| {
                std::str::from_utf8(&bytes[start + 1..close]).is_ok_and(|inside| inside.chars().count() == 1)
            });
            if one_character { close.map_or(start, |close| close + 1) } else { start }
        }
        None => start,
    }
}

#[cfg(test)]
mod tests {
    use super::{Source, words};

    fn source(text: &str) -> Source {
        Source::new("kernel/src/mm.rs".into(), text.into())
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "a(\"unsafe \\\" x\"); // unsafe\n/* unsafe /* unsafe */ unsafe */ b('\"', r#\"unsafe \" \"#, b'\\'', b'\"', 'é');";
        let file = source(text);
        assert_eq!(file.code.len(), file.text.len());
        assert!(!file.code.contains("unsafe"), "{}", file.code);
        assert!(file.code.contains("b(") && file.code.ends_with(");"), "{}", file.code);
    }

    #[test]
    fn a_lifetime_opens_no_literal() {
        let file = source("fn f<'a>(x: &'a str) -> &'static str { unsafe {} }");
        assert!(file.code.contains("unsafe"));
    }

    #[test]
    fn test_modules_and_test_functions_are_not_shipped() {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n#[test]\nfn d() { x[1]; }\nfn e() {}";
        let file = source(text);
        let kept: Vec<_> = words(&file.shipped).iter().map(|word| word.text).filter(|text| text.len() == 1).collect();
        assert!(!kept.contains(&"b") && !kept.contains(&"d"));
        assert!(["a", "c", "e"].iter().all(|name| kept.contains(name)), "{kept:?}");
        assert_eq!(file.line_of(text.find("fn c").expect("it is there")), 6);
    }

    #[test]
    fn a_file_of_tests_ships_nothing() {
        let file = Source::new("kernel/src/mm/tests.rs".into(), "fn a() {}\n".into());
        assert_eq!(file.shipped.trim(), "");
    }
}
