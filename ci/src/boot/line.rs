//! What comes down a machine's serial line: the firmware's lines, the image's output, and its status.

use std::io::{self, Write};

use super::Arch;

/// How an image's last line begins that says how it ended.
const STATUS: &[u8] = b"orrery: status ";
/// OpenSBI's last line begins with this.
const FIRMWARE_ENDS: &[u8] = b"Boot HART MEDELEG";
/// What is shown of a machine that had to be stopped.
const LAST_LINES: usize = 5;

/// The far end of a serial line. Output is passed on as it comes, but for the firmware's lines and the status.
pub(crate) struct Line<W> {
    text: Vec<u8>,
    /// How much of it has been passed on, or left out.
    passed: usize,
    /// Where the firmware's last line ends, once it has been seen.
    started: Option<usize>,
    out: W,
}

impl<W: Write> Line<W> {
    pub(crate) fn new(arch: Arch, out: W) -> Self {
        Self { text: Vec::new(), passed: 0, started: (arch == Arch::X86_64).then_some(0), out }
    }

    /// Takes what has come.
    pub(crate) fn more(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.text.extend(bytes);
        if self.started.is_none() {
            let Some(at) = find(&self.text, FIRMWARE_ENDS) else { return Ok(()) };
            let Some(end) = find(&self.text[at..], b"\n") else { return Ok(()) };
            self.started = Some(at + end + 1);
            self.passed = at + end + 1;
        }
        // What may become the status line is kept back, with the line break in front of it.
        let ended = self.text.trim_ascii_end().len();
        let at = self.text[..ended].iter().rposition(|byte| *byte == b'\n');
        let line = &self.text[at.map_or(0, |at| at + 1)..ended];
        let suspect = line.starts_with(STATUS) || STATUS.starts_with(line);
        let mut keep = if suspect { at.unwrap_or(0) } else { self.text.len() };
        if self.text[..keep].ends_with(b"\r") {
            keep -= 1;
        }
        self.pass(keep)
    }

    /// The machine has ended: the status in its last line, which is not passed on.
    pub(crate) fn finish(&mut self) -> io::Result<Option<u8>> {
        let text = self.text.strip_suffix(b"\n").unwrap_or(&self.text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let at = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let number = text[at..].strip_prefix(STATUS).and_then(|number| std::str::from_utf8(number).ok());
        let status = number.and_then(|number| number.parse().ok());
        // The image begins a line of its own for it.
        let mut end = if status.is_some() { at.saturating_sub(1) } else { self.text.len() };
        if status.is_some() && self.text[..end].ends_with(b"\r") {
            end = (end - 1).max(self.passed);
        }
        if self.started.is_some() {
            self.pass(end)?;
            self.text.truncate(end);
        }
        Ok(status)
    }

    /// The image's output; the firmware's where the image has not begun.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&self.text[self.started.unwrap_or(0)..]).replace("\r\n", "\n")
    }

    fn pass(&mut self, until: usize) -> io::Result<()> {
        if until > self.passed {
            self.out.write_all(&self.text[self.passed..until])?;
            self.out.flush()?;
            self.passed = until;
        }
        Ok(())
    }
}

/// The last lines that say anything, indented.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(LAST_LINES);
    if lines.is_empty() { String::from("  (nothing)") } else { format!("  {}", lines[from..].join("\n  ")) }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::{Arch, Line, last_lines};

    #[test]
    fn the_last_line_is_the_status_and_not_output() {
        let mut line = Line::new(Arch::X86_64, Vec::new());
        for piece in ["orrery: status 9\nx", "y\n\norrery: sta", "tus 7\n"] {
            line.more(piece.as_bytes()).expect("written");
        }
        assert_eq!(line.finish().expect("written"), Some(7));
        assert_eq!(line.out, b"orrery: status 9\nxy\n");
        assert_eq!(line.output(), "orrery: status 9\nxy\n");
    }

    #[test]
    fn the_firmwares_lines_are_not_passed_on() {
        let mut line = Line::new(Arch::Riscv64, Vec::new());
        for piece in ["OpenSBI\r\nBoot HART ME", "DELEG : 0x1\r\nout\r", "\n\r\norrery: status 0\r\n"] {
            line.more(piece.as_bytes()).expect("written");
        }
        assert_eq!(line.finish().expect("written"), Some(0));
        assert_eq!((line.out.as_slice(), line.output().trim()), (&b"out\r\n"[..], "out"));
    }

    #[test]
    fn without_a_status_the_last_lines_are_told() {
        let mut line = Line::new(Arch::X86_64, Vec::new());
        line.more(b"one\n\ntwo\r\n").expect("written");
        assert_eq!(line.finish().expect("written"), None);
        assert_eq!(last_lines(&line.output()), "  one\n  two");
    }
}
