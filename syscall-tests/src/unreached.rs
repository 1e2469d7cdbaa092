//! What cases do not reach yet: rows, the errnos that Linux's manual names for them, flags and values of their arguments.
//!
//! `linux/errnos` is what the manual says, recorded by `linux/record`. `errnos.toml` says with reasons what no case can
//! reach.

use std::collections::{BTreeMap, BTreeSet};

use kernel_abi::arg::Kind;
use kernel_abi::{Call, Errno};

use crate::rows::Answer;

/// The errnos that the manual names, by row.
const MANUAL: &str = include_str!("../linux/errnos");
/// What no case can reach, with reasons.
const REASONED: &str = include_str!("../errnos.toml");

/// What a row comes to besides errnos, in `errnos.toml`.
const SUCCESS: &str = "success";

/// A row, and one of its errnos or flags, or its success.
type Item = (&'static str, String);

/// What is left to do, and what is wrong with what was said about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unreached {
    /// Rows that no case makes succeed, though one could.
    pub rows: Vec<&'static str>,
    /// By row, errnos that no case meets.
    pub errnos: BTreeMap<&'static str, Vec<String>>,
    /// By row, flags and values with which no call succeeds; behind `refused ` those that some call was refused with.
    pub flags: BTreeMap<&'static str, Vec<String>>,
    /// Errnos of the manual, those that are reached, and those that are not for a reason.
    pub errno_counts: [usize; 3],
    /// The same of flags.
    pub flag_counts: [usize; 3],
    /// Entries of `errnos.toml` that are reached after all, or are about nothing.
    pub mistakes: Vec<String>,
}

/// Compares what the cases' calls came to with the manual, the table, and the exceptions.
pub fn of(answers: &BTreeMap<Call, Answer>) -> Unreached {
    let (reasoned, mistakes) = match reasoned(REASONED) {
        Ok(reasoned) => (reasoned, Vec::new()),
        Err(problem) => (Vec::new(), vec![problem]),
    };
    let mut found = compare(answers, &manual(MANUAL), &reasoned);
    found.mistakes.extend(mistakes);
    found
}

/// Rows that a hosted machine can have: there is a handler, and a number on its processor.
fn calls() -> impl Iterator<Item = Call> {
    let is_here = |call: &Call| call.row().implemented && call.row().number[0].is_some();
    Call::ALL.iter().copied().filter(is_here)
}

fn compare(
    answers: &BTreeMap<Call, Answer>,
    manual: &BTreeMap<&str, BTreeSet<Errno>>,
    reasoned: &[Reasoned],
) -> Unreached {
    let mut result = Unreached::default();
    let mut used = BTreeSet::new();
    let mut excused = |row: &str, what: &str| {
        let mut is_excused = false;
        for (at, _) in reasoned.iter().enumerate().filter(|(_, entry)| entry.is_about(row, what)) {
            used.insert((at, row.to_string(), what.to_string()));
            is_excused = true;
        }
        is_excused
    };
    let mut reached: BTreeSet<Item> = BTreeSet::new();
    for call in calls() {
        let (row, answer) = (call.row(), answers.get(&call).cloned().unwrap_or_default());
        if answer.successes > 0 {
            reached.insert((row.name, SUCCESS.to_string()));
        } else if !excused(row.name, SUCCESS) {
            result.rows.push(row.name);
        }
        for errno in manual.get(row.name).into_iter().flatten() {
            let name = errno.name().unwrap_or_default().to_string();
            result.errno_counts[0] += 1;
            if answer.refusals.contains_key(&errno.number()) {
                result.errno_counts[1] += 1;
                reached.insert((row.name, name));
            } else if excused(row.name, &name) {
                result.errno_counts[2] += 1;
            } else {
                result.errnos.entry(row.name).or_default().push(name);
            }
        }
        let mut names = BTreeSet::new();
        for (_, kind) in row.args {
            if let Kind::Flags(flags) | Kind::Enum(flags) = kind {
                names.extend(flags.iter().map(|(name, _)| *name));
            }
        }
        for name in names {
            result.flag_counts[0] += 1;
            match answer.named.get(name) {
                Some(true) => {
                    result.flag_counts[1] += 1;
                    reached.insert((row.name, name.to_string()));
                }
                _ if excused(row.name, name) => result.flag_counts[2] += 1,
                Some(false) => result.flags.entry(row.name).or_default().push(format!("refused {name}")),
                None => result.flags.entry(row.name).or_default().push(name.to_string()),
            }
        }
    }
    result.mistakes = reasoned.iter().enumerate().flat_map(|(at, entry)| entry.mistakes(at, &used, &reached)).collect();
    result
}

/// What the manual says, by row.
fn manual(text: &'static str) -> BTreeMap<&'static str, BTreeSet<Errno>> {
    let errno = |name: &str| {
        let alias = match name {
            "EWOULDBLOCK" => "EAGAIN",
            "ENOTSUP" => "EOPNOTSUPP",
            "EDEADLOCK" => "EDEADLK",
            name => name,
        };
        (1..=133).filter_map(Errno::from_number).find(|errno| errno.name() == Some(alias))
    };
    let line = |line: &'static str| {
        let mut words = line.split(' ');
        (words.next().unwrap_or_default(), words.filter_map(errno).collect())
    };
    text.lines().map(line).collect()
}

/// An entry of `errnos.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reasoned {
    rows: Vec<String>,
    /// Errnos, flags, or [`SUCCESS`].
    what: Vec<String>,
}

impl Reasoned {
    fn is_about(&self, row: &str, what: &str) -> bool {
        self.rows.iter().any(|name| name == row || name == "*") && self.what.iter().any(|name| name == what)
    }

    /// The parts of this entry, the `at`th, that excuse nothing.
    fn mistakes(&self, at: usize, used: &BTreeSet<(usize, String, String)>, reached: &BTreeSet<Item>) -> Vec<String> {
        let mut found = Vec::new();
        for (row, what) in self.rows.iter().flat_map(|row| self.what.iter().map(move |what| (row, what))) {
            let is_used =
                |entry: &&(usize, String, String)| entry.0 == at && (row == "*" || entry.1 == *row) && entry.2 == *what;
            let is_reached = reached.iter().any(|item| item.0 == row && item.1 == *what);
            if is_reached {
                found.push(format!("errnos.toml: a case reaches {row} {what}: take it off"));
            } else if !used.iter().any(|entry| is_used(&entry)) {
                found.push(format!("errnos.toml: {row} {what} is about nothing that could be reached"));
            }
        }
        found
    }
}

fn reasoned(text: &str) -> Result<Vec<Reasoned>, String> {
    let table: toml::Table = text.parse().map_err(|problem: toml::de::Error| format!("errnos.toml: {problem}"))?;
    let mut all = Vec::new();
    for (key, value) in &table {
        let list = value.as_array().filter(|_| key == "unreached");
        for entry in list.ok_or_else(|| format!("errnos.toml: what is {key}?"))? {
            let field = |name: &str| {
                let text = entry.get(name).and_then(toml::Value::as_str).unwrap_or_default();
                text.split_whitespace().map(String::from).collect::<Vec<_>>()
            };
            let what = [field("errno"), field("flag"), field("outcome")].concat();
            if [&field("row"), &what, &field("reason")].iter().any(|words| words.is_empty()) {
                return Err(format!(
                    "errnos.toml: an entry needs a row, an errno, a flag or an outcome, and a reason: {entry:?}"
                ));
            }
            all.push(Reasoned { rows: field("row"), what });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kernel_abi::{Call, Errno};

    use super::{compare, manual, of, reasoned};
    use crate::rows::Answer;

    /// A call of `umount2` that was refused in each of these ways.
    fn refused(errnos: &[Errno]) -> BTreeMap<Call, Answer> {
        let refusals = errnos.iter().map(|errno| (errno.number(), 1)).collect();
        BTreeMap::from([(Call::umount2, Answer { refusals, ..Answer::default() })])
    }

    #[test]
    fn an_errno_is_reached_or_reasoned_or_missing() {
        let manual = manual("umount2 EAGAIN EWOULDBLOCK EPERM EINVAL");
        let reasons = "[[unreached]]\nrow = \"umount2 mount\"\nerrno = \"EPERM\"\nreason = \"none\"\n";
        let found = compare(&refused(&[Errno::EINVAL]), &manual, &reasoned(reasons).expect("whole"));
        assert_eq!(found.errnos["umount2"], ["EAGAIN"]);
        assert_eq!(found.errno_counts, [3, 1, 1]);
        assert_eq!(found.mistakes, ["errnos.toml: mount EPERM is about nothing that could be reached"]);
    }

    #[test]
    fn a_reason_for_what_is_reached_is_a_mistake() {
        let reasons = "[[unreached]]\nrow = \"umount2\"\nerrno = \"EPERM\"\nreason = \"none\"\n";
        let found = compare(&refused(&[Errno::EPERM]), &manual("umount2 EPERM"), &reasoned(reasons).expect("whole"));
        assert_eq!(found.mistakes, ["errnos.toml: a case reaches umount2 EPERM: take it off"]);
    }

    #[test]
    fn every_entry_is_about_an_errno_of_the_manual_or_a_flag_of_the_table() {
        assert_eq!(of(&BTreeMap::new()).mistakes, Vec::<String>::new());
    }

    #[test]
    fn every_row_of_the_manual_is_one_of_the_table() {
        for row in manual(super::MANUAL).keys() {
            assert!(Call::ALL.iter().any(|call| format!("{call:?}") == *row || call.row().name == *row), "{row}");
        }
        assert!(reasoned("[[unreached]]\nrow = \"read\"\nerrno = \"EIO\"\n").is_err(), "no reason");
    }
}
