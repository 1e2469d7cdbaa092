//! A difference for people: the program as Rust, both transcripts side by side, the line that differs, and how to see it
//! again.

use std::fmt::Write as _;

use programs::Program;
use programs::transcript::Filled;

use super::judge::Difference;

/// Columns of a transcript.
const WIDTH: usize = 72;
/// Columns of it that are kept in front of where two lines part.
const LEAD: usize = 24;
/// Bytes of memory that are compared at once, and how many such pieces are told.
const PIECE: usize = 8;
const PIECES_MAX: usize = 6;

/// The whole story; `again` is the command that shows it again.
pub fn story(program: &Program, difference: &Difference, again: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}\n\n{program}", difference.kind());
    let _ = writeln!(out, "   {:WIDTH$}   Orrery", "Linux");
    let [host, orrery] = [&difference.host, &difference.orrery].map(|record| record.lines());
    for at in 0..host.len().max(orrery.len()) {
        let [left, right] = [host, orrery].map(|lines| lines.get(at).map_or("", |line| line.text.as_str()));
        let mark = if at == difference.at { '>' } else { ' ' };
        let same = left.chars().zip(right.chars()).take_while(|(left, right)| left == right).count();
        let from = if at == difference.at && same + 1 >= WIDTH { same - LEAD } else { 0 };
        let right = if left == right { "=".into() } else { cut(right, from) };
        let _ = writeln!(out, " {mark} {:WIDTH$}   {right}", cut(left, from));
    }
    let [host, orrery] = difference.lines();
    let _ = writeln!(out, "\nLinux:  {host}\nOrrery: {orrery}");
    for (name, filled) in difference.memory() {
        memory(&mut out, name, filled);
    }
    let _ = writeln!(out, "\nagain:  {again}");
    out
}

/// Where memory that a call filled differs.
fn memory(out: &mut String, name: &str, [host, orrery]: [&Filled; 2]) {
    let pieces = host.bytes.chunks(PIECE).zip(orrery.bytes.chunks(PIECE)).enumerate();
    let mut differing = pieces.filter(|(_, (host, orrery))| host != orrery);
    let mut told = false;
    for (index, (host, orrery)) in differing.by_ref().take(PIECES_MAX) {
        let (from, to) = (index * PIECE, index * PIECE + host.len());
        let _ = writeln!(out, "{name}[{from}..{to}]: {} on Linux, {} on Orrery", hex(host), hex(orrery));
        told = true;
    }
    if differing.next().is_some() {
        let _ = writeln!(out, "{name}: and more");
    } else if !told {
        let _ = writeln!(out, "{name}: behind its first {} bytes", host.bytes.len());
    }
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

/// A column's part of a line, from one of its characters on.
fn cut(text: &str, from: usize) -> String {
    let mut cut: String = text.chars().skip(from).take(WIDTH).collect();
    if from > 0 {
        cut = cut.chars().skip(1).collect();
        cut.insert(0, '…');
    }
    if text.chars().nth(from + WIDTH).is_some() {
        cut.pop();
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use programs::transcript::Filled;

    use super::{WIDTH, cut, hex, memory, unhex};

    #[test]
    fn a_line_is_cut_to_its_column() {
        let line = "x".repeat(30) + &"y".repeat(80);
        assert_eq!(cut("short", 0), "short");
        assert_eq!(cut(&line, 0), "x".repeat(30) + &"y".repeat(WIDTH - 31) + "…");
        assert_eq!(cut(&line, 29), String::from("…") + &"y".repeat(WIDTH - 2) + "…");
        assert_eq!(cut(&line, 100), String::from("…") + &"y".repeat(9));
    }

    #[test]
    fn memory_is_told_where_it_differs() {
        let filled = |bytes: &[u8], sum| Filled { arg: 1, len: bytes.len() as u16, sum, bytes: bytes.to_vec() };
        let told = |host: &Filled, orrery: &Filled| {
            let mut out = String::new();
            memory(&mut out, "statbuf", [host, orrery]);
            out
        };
        let (zeros, ones) = (filled(&[0; 10], 1), filled(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 2));
        assert_eq!(told(&zeros, &ones), "statbuf[8..10]: 0000 on Linux, 0001 on Orrery\n");
        assert_eq!(told(&zeros, &filled(&[0; 10], 2)), "statbuf: behind its first 10 bytes\n");
        assert!(told(&filled(&[0; 64], 1), &filled(&[1; 64], 2)).ends_with("on Orrery\nstatbuf: and more\n"));
    }

    #[test]
    fn digits_are_bytes_again() {
        assert_eq!(unhex(&hex(&[0, 255, 16])), Some(vec![0, 255, 16]));
        assert_eq!(unhex("0g"), None);
        assert_eq!(unhex("012"), None);
    }
}
