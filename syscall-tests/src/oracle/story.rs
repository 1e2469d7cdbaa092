//! A difference for people: the program as Rust, both transcripts side by side, the line that differs, and how to see it
//! again.

use std::fmt::Write as _;

use programs::Program;

use super::judge::Difference;

/// Columns of a transcript.
const WIDTH: usize = 72;

/// The whole story; `again` is the command that shows it again.
pub fn story(program: &Program, difference: &Difference, again: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}\n\n{program}", difference.kind());
    let _ = writeln!(out, "   {:WIDTH$}   Orrery", "Linux");
    let [host, orrery] = [&difference.host, &difference.orrery].map(|record| record.lines());
    for at in 0..host.len().max(orrery.len()) {
        let [left, right] = [host, orrery].map(|lines| lines.get(at).map_or("", |line| line.text.as_str()));
        let mark = if at == difference.at { '>' } else { ' ' };
        let right = if left == right { "=".into() } else { cut(right) };
        let _ = writeln!(out, " {mark} {:WIDTH$}   {right}", cut(left));
    }
    let [host, orrery] = difference.lines();
    let _ = writeln!(out, "\nLinux:  {host}\nOrrery: {orrery}\n\nagain:  {again}");
    out
}

/// The command that shows a program again.
pub fn replay(program: &Program) -> String {
    format!("cargo xtask diff --replay {}", hex(&program.encode()))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal digits.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(WIDTH).collect();
    if text.chars().nth(WIDTH).is_some() {
        cut.pop();
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::{hex, unhex};

    #[test]
    fn digits_are_bytes_again() {
        assert_eq!(unhex(&hex(&[0, 255, 16])), Some(vec![0, 255, 16]));
        assert_eq!(unhex("0g"), None);
        assert_eq!(unhex("012"), None);
    }
}
