//! `known.toml`: differences from Linux that are accepted, each with its reason.

use std::fmt;

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

/// What is wrong with the list.
#[derive(Debug)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "known.toml: {}", self.0)
    }
}

/// The accepted differences.
pub fn all() -> Result<Vec<Known>, Malformed> {
    read(include_str!("../known.toml"))
}

fn read(text: &str) -> Result<Vec<Known>, Malformed> {
    let table: toml::Table = text.parse().map_err(|problem: toml::de::Error| Malformed(problem.to_string()))?;
    let mut known = Vec::new();
    for (key, value) in table {
        let list = value.as_array().filter(|_| key == "known").ok_or_else(|| Malformed(format!("what is {key}?")))?;
        for entry in list {
            let field = |name: &str| {
                let text = entry.get(name).and_then(toml::Value::as_str).filter(|text| !text.is_empty());
                text.map(String::from).ok_or_else(|| Malformed(format!("an entry without {name}: {entry:?}")))
            };
            known.push(Known { case: field("case")?, subject: field("subject")?, reason: field("reason")? });
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn an_entry_needs_a_reason() {
        let entry = "[[known]]\ncase = \"a::b\"\nsubject = \"ptrace\"\n";
        assert!(read(entry).is_err());
        let known = read(&format!("{entry}reason = \"none yet\"\n")).expect("whole");
        assert_eq!((known[0].case.as_str(), known[0].subject.as_str()), ("a::b", "ptrace"));
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        assert!(read("[[unknown]]\ncase = \"a\"\n").is_err());
        assert!(read("known = 3").is_err());
    }
}
