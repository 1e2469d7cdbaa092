//! KTAP, the kernel's test anything protocol, version 1: a plan, and a line for each test.

use alloc::format;
use alloc::string::String;

use kernel_abi::{Fd, Sys};

use crate::place::write;

/// A report on standard output.
pub struct Report<'a> {
    sys: &'a dyn Sys,
    number: usize,
    failures: usize,
}

impl<'a> Report<'a> {
    /// Begins one about so many tests.
    pub fn begin(sys: &'a dyn Sys, count: usize) -> Self {
        let report = Self { sys, number: 0, failures: 0 };
        report.line(&format!("KTAP version 1\n1..{count}"));
        report
    }

    /// A test begins. Should it be the kernel's last, this is who it was.
    pub fn begins(&self, name: &str) {
        self.line(&format!("# {name}"));
    }

    /// A test has ended; the text is why it failed.
    pub fn ended(&mut self, name: &str, outcome: Result<(), String>) {
        self.number += 1;
        let number = self.number;
        match outcome {
            Ok(()) => self.line(&format!("ok {number} {name}")),
            Err(why) => {
                self.failures += 1;
                self.line(&format!("not ok {number} {name} # {}", one_line(&why)));
            }
        }
    }

    /// A test means nothing here.
    pub fn skipped(&mut self, name: &str, why: &str) {
        self.number += 1;
        self.line(&format!("ok {} {name} # SKIP {}", self.number, one_line(why)));
    }

    /// Tests that failed.
    pub fn failures(&self) -> usize {
        self.failures
    }

    fn line(&self, text: &str) {
        write(self.sys, Fd(1), format!("{text}\n").as_bytes());
    }
}

/// Lines joined, and nothing that a terminal would take for a command.
fn one_line(text: &str) -> String {
    let lines = text.split('\n').map(str::trim).filter(|line| !line.is_empty());
    let mut joined = String::new();
    for line in lines {
        if !joined.is_empty() {
            joined.push_str("; ");
        }
        joined.extend(line.chars().map(|letter| if letter.is_control() { '?' } else { letter }));
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_reason_is_one_line() {
        assert_eq!(one_line("left: 1\n  right: \x1b[2J\n\n"), "left: 1; right: ?[2J");
    }
}
