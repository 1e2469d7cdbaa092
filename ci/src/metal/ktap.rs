//! KTAP, the kernel's test anything protocol, version 1, as a machine says it on its serial line.
//!
//! A line may hold several reports, one behind the other, and output of the tests between their lines. `# NAME` says
//! which test begins, so that a machine that dies is known by what it died of.

use std::collections::BTreeMap;

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// It means nothing there: why.
    Skipped(String),
    /// What it said.
    Failed(String),
}

/// What a machine reported.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// By name.
    pub(super) outcomes: BTreeMap<String, Outcome>,
    /// The test that had begun and not ended.
    pub(super) unfinished: Option<String>,
    /// Where the report contradicts itself.
    pub(super) problems: Vec<String>,
}

/// A report being read.
#[derive(Default)]
struct Reader {
    report: Report,
    /// Of the report that is being read: how many tests it announced, and the last one's number.
    planned: usize,
    number: usize,
}

impl Report {
    /// Reads what came down the line.
    pub(super) fn read(text: &str) -> Self {
        let mut reader = Reader::default();
        text.lines().for_each(|line| reader.line(line.trim_end()));
        reader.end_part();
        reader.report
    }
}

impl Reader {
    fn line(&mut self, line: &str) {
        if line == "KTAP version 1" {
            self.end_part();
            (self.planned, self.number) = (0, 0);
        } else if let Some(count) = line.strip_prefix("1..").and_then(|count| count.parse().ok()) {
            self.planned = count;
        } else if let Some(name) = line.strip_prefix("# ").filter(|name| is_name(name)) {
            self.report.unfinished = Some(name.to_string());
        } else if let Some(rest) = line.strip_prefix("ok ") {
            self.result(rest, true);
        } else if let Some(rest) = line.strip_prefix("not ok ") {
            self.result(rest, false);
        }
    }

    fn result(&mut self, rest: &str, passed: bool) {
        let (words, why) = rest.split_once(" # ").unwrap_or((rest, ""));
        let Some((number, name)) = words.split_once(' ') else { return };
        let Some(number) = number.parse::<usize>().ok().filter(|_| is_name(name)) else { return };
        if number != self.number + 1 {
            self.report.problems.push(format!("{name} is number {number}, behind number {}", self.number));
        }
        self.number = number;
        let outcome = match why.strip_prefix("SKIP") {
            Some(why) => Outcome::Skipped(why.trim().to_string()),
            None if passed => Outcome::Passed,
            None => Outcome::Failed(why.to_string()),
        };
        self.report.unfinished = None;
        if self.report.outcomes.insert(name.to_string(), outcome).is_some() {
            self.report.problems.push(format!("{name} is reported twice"));
        }
    }

    /// A machine that died says so in another way; one that went on has told as much as it announced.
    fn end_part(&mut self) {
        if self.number != self.planned && self.report.unfinished.is_none() {
            self.report.problems.push(format!("{} tests were announced, {} reported", self.planned, self.number));
        }
    }
}

/// Rooms and a sentence, as tests are called here.
fn is_name(text: &str) -> bool {
    text.contains("::") && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Report};

    #[test]
    fn reports_follow_one_another_with_output_between_their_lines() {
        let text = "KTAP version 1\r\n1..2\r\n# a::one\nok, said nobody\nok 1 a::one\n# not a name\nnot ok 2 a::two # left: 1\n\
                    KTAP version 1\n1..1\nok 1 b::one # SKIP no fork here\n";
        let report = Report::read(text);
        let outcomes: Vec<_> = report.outcomes.into_iter().collect();
        let expected = [
            ("a::one", Outcome::Passed),
            ("a::two", Outcome::Failed("left: 1".into())),
            ("b::one", Outcome::Skipped("no fork here".into())),
        ];
        assert_eq!(outcomes, expected.map(|(name, outcome)| (name.to_string(), outcome)));
        assert_eq!((report.unfinished, report.problems), (None, vec![]));
    }

    #[test]
    fn a_machine_that_dies_leaves_a_test_unfinished() {
        let report = Report::read("KTAP version 1\n1..3\n# a::one\nok 1 a::one\n# a::two\n\norrery: panicked");
        assert_eq!(report.unfinished.as_deref(), Some("a::two"));
        assert_eq!((report.outcomes.len(), report.problems), (1, vec![]));
    }

    #[test]
    fn a_report_that_contradicts_itself_is_no_success() {
        let problems = |text: &str| Report::read(text).problems.len();
        assert_eq!(problems("KTAP version 1\n1..2\nok 1 a::one\n"), 1, "one is missing");
        assert_eq!(problems("KTAP version 1\n1..2\nok 1 a::one\nok 2 a::one\n"), 1, "twice");
        assert_eq!(problems("KTAP version 1\n1..2\nok 1 a::one\nok 3 a::two\n"), 2, "a number is skipped");
        assert_eq!(problems("KTAP version 1\n1..1\nok 1 a::one\n"), 0);
    }
}
