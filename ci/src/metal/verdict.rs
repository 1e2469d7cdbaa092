//! What a machine's report means: failures, tests that only one kind of machine has, differences that are accepted.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::ktap::Outcome;

/// A difference that is accepted: `known.toml` of the cases.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// A test, or a room with `::*` behind it.
    case: String,
}

impl Known {
    /// Those for `machine`, or for every bare one.
    pub(super) fn read(text: &str, machine: &str) -> Result<Vec<Self>> {
        let table: toml::Table = text.parse().context("known.toml")?;
        let mut known = Vec::new();
        for entry in table.get("known").and_then(toml::Value::as_array).into_iter().flatten() {
            let field = |name: &str| entry.get(name).and_then(toml::Value::as_str).unwrap_or_default().to_string();
            ensure!(!field("reason").is_empty(), "known.toml: {} has no reason", field("case"));
            if [machine, "metal"].contains(&field("subject").as_str()) {
                known.push(Self { case: field("case") });
            }
        }
        Ok(known)
    }

    pub(super) fn names(&self, test: &str) -> bool {
        match self.case.strip_suffix('*') {
            Some(room) => test.starts_with(room),
            None => test == self.case,
        }
    }
}

/// The outcome of all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) passed: usize,
    pub(super) skipped: Vec<String>,
    /// Names and messages.
    pub(super) failed: Vec<(String, String)>,
    /// Differences that are accepted.
    pub(super) known: usize,
}

impl Verdict {
    /// Compares what a bare machine reported with the names of the hosted tests.
    pub(super) fn of(outcomes: &BTreeMap<String, Outcome>, hosted: &[String], known: &[Known]) -> Self {
        let mut verdict = Self::default();
        let is_known = |name: &str| known.iter().any(|known| known.names(name));
        for (name, outcome) in outcomes {
            match outcome {
                Outcome::Passed if is_known(name) => {
                    verdict.failed.push((name.clone(), String::from("passes: take it off known.toml")));
                }
                Outcome::Passed if !hosted.contains(name) => {
                    verdict.failed.push((name.clone(), String::from("passes, and no hosted machine has such a test")));
                }
                Outcome::Passed => verdict.passed += 1,
                Outcome::Skipped(why) => verdict.skipped.push(format!("{name}: {why}")),
                Outcome::Failed(_) if is_known(name) => verdict.known += 1,
                Outcome::Failed(why) => verdict.failed.push((name.clone(), why.clone())),
            }
        }
        for name in hosted.iter().filter(|name| !outcomes.contains_key(*name)) {
            if is_known(name) {
                verdict.known += 1;
            } else {
                verdict.failed.push((name.clone(), String::from("not run: hosted machines have this test")));
            }
        }
        for known in known.iter().filter(|known| !hosted.iter().any(|name| known.names(name))) {
            verdict.failed.push((known.case.clone(), String::from("known.toml names a test that there is not")));
        }
        verdict
    }

    /// The last line.
    pub(super) fn summary(&self) -> String {
        let mut line = format!("{} passed, {} failed", self.passed, self.failed.len());
        for (count, what) in [(self.skipped.len(), "skipped"), (self.known, "known differences")] {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Outcome, Verdict};

    const KNOWN: &str = "
        [[known]]\ncase = \"a::*\"\nsubject = \"metal\"\nreason = \"r\"
        [[known]]\ncase = \"b::two\"\nsubject = \"riscv64\"\nreason = \"r\"
        [[known]]\ncase = \"b::one\"\nsubject = \"ptrace\"\nreason = \"r\"";

    fn verdict(outcomes: &[(&str, Outcome)], hosted: &[&str]) -> Verdict {
        let known = Known::read(KNOWN, "riscv64").expect("whole");
        let outcomes = outcomes.iter().map(|(name, outcome)| (name.to_string(), outcome.clone())).collect();
        Verdict::of(&outcomes, &hosted.iter().map(ToString::to_string).collect::<Vec<_>>(), &known)
    }

    #[test]
    fn failures_and_tests_that_were_not_run_count_unless_they_are_known() {
        let failed = Outcome::Failed("why".into());
        let hosted = ["a::one", "b::one", "b::two", "c::one"];
        let found = verdict(&[("b::one", Outcome::Passed), ("b::two", failed.clone())], &hosted);
        assert_eq!((found.passed, found.known, found.failed.len()), (1, 2, 1));
        assert_eq!(found.failed[0].0, "c::one");
        let found = verdict(&[("b::one", failed), ("b::two", Outcome::Skipped("no".into()))], &hosted[..3]);
        assert_eq!(found.failed, [("b::one".to_string(), "why".to_string())]);
        assert_eq!(found.summary(), "0 passed, 1 failed, 1 skipped, 1 known differences");
    }

    #[test]
    fn a_known_difference_that_is_none_is_a_failure() {
        let passed = |name| (name, Outcome::Passed);
        assert_eq!(verdict(&[passed("a::one"), passed("b::two")], &["a::one", "b::two"]).failed.len(), 2);
        assert_eq!(verdict(&[], &["a::one"]).failed.len(), 1, "b::two is no test");
    }

    #[test]
    fn a_test_of_bare_machines_alone_is_a_difference() {
        assert_eq!(verdict(&[("d::one", Outcome::Passed)], &["a::one", "b::two"]).failed.len(), 1);
    }

    #[test]
    fn a_difference_needs_a_reason() {
        assert!(Known::read("[[known]]\ncase = \"a::b\"\nsubject = \"metal\"\n", "x86_64").is_err());
    }
}
