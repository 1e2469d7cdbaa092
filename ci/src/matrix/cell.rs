//! What became of a case on a subject.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::metal::Outcome;

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Passed,
    /// It differs from Linux, and may: why.
    Known(String),
    /// It was not run: why.
    Skipped(String),
    /// What it said.
    Failed(String),
    /// The whole subject does not run here.
    Absent,
}

impl Cell {
    /// In a word.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Known(_) => "known",
            Self::Skipped(_) => "not run",
            Self::Failed(_) => "failed",
            Self::Absent => "absent",
        }
    }

    /// The word and what there is to say; nothing of a case that passed.
    pub(super) fn remark(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Known(why) | Self::Skipped(why) | Self::Failed(why) => Some((self.word(), why)),
            Self::Passed | Self::Absent => None,
        }
    }
}

impl From<Outcome> for Cell {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Passed,
            Outcome::Skipped(why) => Self::Skipped(why),
            Outcome::Failed(why) => Self::Failed(why),
        }
    }
}

/// What libtest says in its pretty format, by subject and case: `test scripted::file::NAME ... ok`; and of failures,
/// behind all of these, `---- NAME ----` and the message.
pub(super) fn of_tests(said: &str) -> BTreeMap<String, BTreeMap<String, Cell>> {
    let mut found: BTreeMap<String, BTreeMap<String, Cell>> = BTreeMap::new();
    let mut speaking: Option<(String, String)> = None;
    for line in said.lines() {
        let subject_and_case = |name: &str| name.split_once("::").map(|(a, b)| (a.to_string(), b.to_string()));
        if let Some((name, result)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
            // What is not there stands behind the name, in brackets.
            let (name, why) = name.trim_end().split_once(" (").unwrap_or((name.trim_end(), ")"));
            let Some((subject, case)) = subject_and_case(name) else { continue };
            let cell = match result {
                "ok" => Cell::Passed,
                "ignored" => Cell::Skipped(why.trim_end_matches(')').to_string()),
                _ => Cell::Failed(String::new()),
            };
            found.entry(subject).or_default().insert(case, cell);
        } else if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" ----")) {
            speaking = subject_and_case(name);
        } else if line == "failures:" {
            speaking = None;
        } else if let Some((subject, case)) = &speaking
            && let Some(Cell::Failed(text)) = found.get_mut(subject).and_then(|cells| cells.get_mut(case))
        {
            text.push_str(line);
            text.push('\n');
        }
    }
    found
}

/// `known.toml`, by subject.
pub(super) struct Reasons(Vec<[String; 3]>);

impl Reasons {
    pub(super) fn read(text: &str) -> Result<Self> {
        let table: toml::Table = text.parse().context("known.toml")?;
        let mut reasons = Vec::new();
        for entry in table.get("known").and_then(toml::Value::as_array).into_iter().flatten() {
            let fields = ["case", "subject", "reason"]
                .map(|name| entry.get(name).and_then(toml::Value::as_str).unwrap_or_default().to_string());
            ensure!(fields.iter().all(|field| !field.is_empty()), "known.toml: an entry lacks something: {entry:?}");
            reasons.push(fields);
        }
        Ok(Self(reasons))
    }

    fn find(&self, case: &str, subject: &str) -> Option<&str> {
        let is_bare = ["x86_64", "riscv64"].contains(&subject);
        let is_about = |[named, on, _]: &&[String; 3]| {
            let is_case = named.strip_suffix('*').map_or(named == case, |room| case.starts_with(room));
            is_case && (on == subject || is_bare && on == "metal")
        };
        self.0.iter().find(is_about).map(|[.., reason]| reason.as_str())
    }

    /// What was found, in the light of what is known. A hosted test of a known difference passes by failing; what is no
    /// test at all was not run.
    pub(super) fn judge(&self, case: &str, subject: &str, found: Option<Cell>) -> Cell {
        let is_bare = ["x86_64", "riscv64"].contains(&subject);
        match (self.find(case, subject), found) {
            (Some(reason), Some(Cell::Passed)) if !is_bare => Cell::Known(reason.to_string()),
            (Some(_), Some(Cell::Passed)) => Cell::Failed(String::from("passes: take it off known.toml")),
            (Some(reason), Some(Cell::Failed(_)) | None) if is_bare => Cell::Known(reason.to_string()),
            (_, Some(cell)) => cell,
            (_, None) => Cell::Failed(String::from("not run")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Reasons, of_tests};

    #[test]
    fn tests_are_read_with_what_failures_say() {
        let said = "\nrunning 4 tests\ntest host::file::one ... ok\ntest scripted::file::one      ... FAILED\n\
                    test ptrace::file::one (no ptrace here: why) ... ignored\ntest known::x ... ok\n\nfailures:\n\n\
                    ---- scripted::file::one ----\nline 3\nagain: …\n\nfailures:\n    scripted::file::one\n";
        let found = of_tests(said);
        assert_eq!(found["host"]["file::one"], Cell::Passed);
        assert_eq!(found["scripted"]["file::one"], Cell::Failed("line 3\nagain: …\n\n".into()));
        assert_eq!(found["ptrace"]["file::one"], Cell::Skipped("no ptrace here: why".into()));
    }

    #[test]
    fn a_known_difference_is_told_with_its_reason() {
        let text = "[[known]]\ncase = \"a::*\"\nsubject = \"metal\"\nreason = \"r\"\n\
                    [[known]]\ncase = \"b::one\"\nsubject = \"scripted\"\nreason = \"s\"\n";
        let reasons = Reasons::read(text).expect("whole");
        assert_eq!(reasons.judge("a::one", "riscv64", None), Cell::Known("r".into()));
        assert_eq!(reasons.judge("a::one", "ptrace", Some(Cell::Passed)), Cell::Passed);
        assert_eq!(reasons.judge("b::one", "scripted", Some(Cell::Passed)), Cell::Known("s".into()));
        assert_eq!(reasons.judge("b::one", "scripted", Some(Cell::Failed("x".into()))), Cell::Failed("x".into()));
        assert_eq!(reasons.judge("b::one", "x86_64", None), Cell::Failed("not run".into()));
    }
}
