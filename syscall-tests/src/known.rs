//! `known.toml`: differences from Linux that are accepted, each with its reason.

use std::fmt;

use kernel_abi::Calls as _;
use programs::Program;

use crate::native::Native;
use crate::oracle::judge::Difference;

/// A case that a subject does not pass, and why that is as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The case's name.
    pub case: String,
    /// The subject that differs: `scripted` or `ptrace`; or `x86_64`, `riscv64`, or `metal` for both of these.
    pub subject: String,
    /// Why.
    pub reason: String,
}

/// A difference between what a generated program comes to on Linux and on Orrery, and why that is as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The row in whose answer they differ; or `signal`, `status`, `tree`, `time`, `end`; or `*` for any.
    pub row: String,
    /// Part of the call as the story writes it; empty if it may be any.
    pub call: String,
    /// Part of the line that Linux's record has there.
    pub linux: String,
    /// Part of the line that Orrery's has.
    pub orrery: String,
    /// Why.
    pub reason: String,
    /// A program that shows it, in hexadecimal digits.
    pub example: String,
    /// By whom Linux is asked for it to differ; by anybody if nobody is named.
    pub asked_by: Option<User>,
}

/// Who runs the programs on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Root: a program is another user's than its sandbox.
    Root,
    /// Anybody else: the sandbox is the program's own.
    Ordinary,
}

impl User {
    fn own() -> Self {
        if Native::subject().geteuid() == Ok(0) { Self::Root } else { Self::Ordinary }
    }
}

impl Accepted {
    /// Whether this is what a program's difference is.
    pub fn is(&self, program: &Program, difference: &Difference) -> bool {
        let [linux, orrery] = difference.lines();
        let is_row = self.row == "*" || difference.about() == self.row;
        let is_call = self.call.is_empty() || difference.call(program).is_some_and(|call| call.contains(&self.call));
        is_row && is_call && linux.contains(&self.linux) && orrery.contains(&self.orrery)
    }
}

/// What is wrong with the list.
#[derive(Debug)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "known.toml: {}", self.0)
    }
}

/// The cases that are known to differ.
pub fn all() -> Result<Vec<Known>, Malformed> {
    read(include_str!("../known.toml")).map(|lists| lists.0)
}

/// The differences of programs that are accepted where whoever runs this asks Linux.
pub fn accepted() -> Result<Vec<Accepted>, Malformed> {
    let mut accepted = read(include_str!("../known.toml"))?.1;
    accepted.retain(|entry| entry.asked_by.is_none_or(|user| user == User::own()));
    Ok(accepted)
}

fn read(text: &str) -> Result<(Vec<Known>, Vec<Accepted>), Malformed> {
    let table: toml::Table = text.parse().map_err(|problem: toml::de::Error| Malformed(problem.to_string()))?;
    let (mut known, mut accepted) = (Vec::new(), Vec::new());
    for (key, value) in table {
        let is_list = matches!(key.as_str(), "known" | "accepted");
        let list = value.as_array().filter(|_| is_list).ok_or_else(|| Malformed(format!("what is {key}?")))?;
        for entry in list {
            let field = |name: &str| {
                let text = entry.get(name).and_then(toml::Value::as_str).filter(|text| !text.is_empty());
                text.map(String::from).ok_or_else(|| Malformed(format!("an entry without {name}: {entry:?}")))
            };
            if key == "known" {
                known.push(Known { case: field("case")?, subject: field("subject")?, reason: field("reason")? });
            } else {
                accepted.push(Accepted {
                    row: field("row")?,
                    call: entry.get("call").map_or(Ok(String::new()), |_| field("call"))?,
                    linux: field("linux")?,
                    orrery: field("orrery")?,
                    reason: field("reason")?,
                    example: field("example")?,
                    asked_by: match entry.get("asked_by").and_then(toml::Value::as_str) {
                        None => None,
                        Some("root") => Some(User::Root),
                        Some("ordinary") => Some(User::Ordinary),
                        Some(who) => return Err(Malformed(format!("who is {who}?"))),
                    },
                });
            }
        }
    }
    Ok((known, accepted))
}

#[cfg(test)]
mod tests {
    use super::{User, read};

    #[test]
    fn an_entry_needs_a_reason() {
        let entry = "[[known]]\ncase = \"a::b\"\nsubject = \"ptrace\"\n";
        assert!(read(entry).is_err());
        let known = read(&format!("{entry}reason = \"none yet\"\n")).expect("whole").0;
        assert_eq!((known[0].case.as_str(), known[0].subject.as_str()), ("a::b", "ptrace"));
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        assert!(read("[[unknown]]\ncase = \"a\"\n").is_err());
        assert!(read("known = 3").is_err());
        let entry = "[[accepted]]\nrow = \"a\"\nlinux = \"b\"\norrery = \"c\"\nreason = \"d\"\nexample = \"e\"\n";
        assert_eq!(read(&format!("{entry}asked_by = \"root\"\n")).expect("whole").1[0].asked_by, Some(User::Root));
        assert!(read(&format!("{entry}asked_by = \"me\"\n")).is_err());
    }
}
