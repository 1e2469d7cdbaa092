//! Holds what a program came to on Orrery against what it came to on the host, line by line.

use programs::transcript::{Entry, Filled};
use programs::{Program, Transcript};

use super::wire::Answer;

/// What a subject says of a program, as lines: every call's answer and what it filled, signals, ends, files left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    lines: Vec<Line>,
}

/// A line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which row of the table it is about; or `signal`, `status`, `tree`, `time`.
    pub about: String,
    /// What it says.
    pub text: String,
    /// The call that it is about: what it filled takes too much room for the text.
    pub entry: Option<Entry>,
}

impl Line {
    fn new(about: &str, text: String) -> Self {
        Self { about: about.into(), text, entry: None }
    }
}

/// What came of a comparison.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The same on both.
    Same,
    /// Not the same.
    Differs(Difference),
    /// It cannot be told, for this reason.
    Unjudged(String),
}

/// Two records, and where they part.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What the host says.
    pub host: Record,
    /// What Orrery says.
    pub orrery: Record,
    /// The first line that is not the same.
    pub at: usize,
}

impl Record {
    /// Of a transcript without what differs by right.
    pub fn of(masked: &Transcript) -> Self {
        let mut lines = Vec::new();
        for (index, body) in masked.bodies.iter().enumerate() {
            body.lines(|entry, text| {
                let text = text.to_string();
                let about = match text.get(..3) {
                    Some("---") => "signal",
                    Some("+++" | "(ne") => "status",
                    _ => text.split('(').next().filter(|name| !name.contains(' ')).unwrap_or("spawn"),
                };
                lines.push(Line { entry: entry.cloned(), ..Line::new(about, format!("{index}| {text}")) });
            });
        }
        for node in &masked.tree {
            let text = format!(
                "left: {} {:o}, {} links, {} bytes #{:08x}",
                node.path.escape_ascii(),
                node.mode,
                node.nlink,
                node.len,
                node.sum as u32
            );
            lines.push(Line::new("tree", text));
        }
        if !masked.in_time {
            lines.push(Line::new("time", "ended by whoever ran it".into()));
        }
        Self { lines }
    }

    /// What became of a program that left no transcript.
    fn without(text: String) -> Self {
        Self { lines: vec![Line::new("end", text)] }
    }

    /// Its lines.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

impl Difference {
    fn between(host: Record, orrery: Record) -> Option<Self> {
        if host == orrery {
            return None;
        }
        let at = host.lines.iter().zip(&orrery.lines).take_while(|(host, orrery)| host == orrery).count();
        Some(Self { host, orrery, at })
    }

    /// The lines that differ, the host's first; empty where a record has ended.
    pub fn lines(&self) -> [&str; 2] {
        [&self.host, &self.orrery].map(|record| record.lines.get(self.at).map_or("", |line| line.text.as_str()))
    }

    /// Memory that the same call filled on both, and not with the same: the argument's name, the host's, Orrery's.
    pub fn memory(&self) -> Vec<(&'static str, [&Filled; 2])> {
        let [host, orrery] = [&self.host, &self.orrery].map(|record| record.lines.get(self.at)?.entry.as_ref());
        let (Some(host), Some(orrery)) = (host, orrery) else { return Vec::new() };
        let pairs = host.filled.iter().zip(&orrery.filled).filter(|(host, orrery)| host != orrery);
        let name = |filled: &Filled| Some(host.row()?.row().args.get(usize::from(filled.arg))?.0);
        pairs.filter_map(|(host, orrery)| Some((name(host)?, [host, orrery]))).collect()
    }

    /// What the difference is about: a row, or `signal`, `status`, `tree`, `time`, `end`.
    pub fn about(&self) -> &str {
        let host = self.host.lines.get(self.at);
        let orrery = self.orrery.lines.get(self.at);
        host.or(orrery).map_or("end", |line| line.about.as_str())
    }

    /// The call that differs, as a story writes it.
    pub fn call(&self, program: &Program) -> Option<String> {
        let of_host = &self.host.lines;
        let line = of_host.get(self.at).or_else(|| self.orrery.lines.get(self.at))?;
        let body = line.text.split('|').next()?;
        let is_step = |line: &&Line| line.about != "signal" && line.text.split('|').next() == Some(body);
        let step = of_host.iter().take(self.at).filter(is_step).count();
        let steps = program.body(body.parse().ok()?)?.get(step)?;
        Some(Program { family: program.family, steps: vec![steps.clone()] }.to_string())
    }

    /// The kind of the difference: what it is about and how both answered, without arguments.
    pub fn kind(&self) -> String {
        let answer = |line: &str| {
            let answer = line.rsplit_once(") = ").map_or(line, |split| split.1);
            let (answer, filled) = answer.split_once("  [").unwrap_or((answer, ""));
            // A number is as good as another, a refusal is not.
            match answer.strip_prefix("-1 ") {
                Some(errno) => errno.to_string(),
                None if line.contains(") = ") && filled.is_empty() => "a value".into(),
                None if line.contains(") = ") => "a value, memory filled".into(),
                None => answer.chars().filter(|c| !c.is_ascii_digit()).take(40).collect(),
            }
        };
        let [host, orrery] = self.lines().map(answer);
        format!("{}: {host} on Linux, {orrery} on Orrery", self.about())
    }
}

/// Compares the answers of the host and of Orrery.
pub fn judge(host: Answer, orrery: Answer) -> Verdict {
    let transcript = |answer: Answer| -> Result<Transcript, Answer> {
        match answer {
            Answer::Done(bytes) => match Transcript::from_bytes(&bytes) {
                Some(transcript) => Ok(transcript.masked()),
                None => Err(Answer::Broken("a transcript that cannot be read".into())),
            },
            other => Err(other),
        }
    };
    let (host, orrery) = match (transcript(host), transcript(orrery)) {
        // Mostly so, and then nobody wants to read it.
        (Ok(host), Ok(orrery)) if host == orrery => return Verdict::Same,
        (Ok(host), Ok(orrery)) => (Record::of(&host), Record::of(&orrery)),
        (Err(Answer::Refused(row)), _) | (_, Err(Answer::Refused(row))) => {
            return Verdict::Unjudged(format!("no program makes the call {row}"));
        }
        (Err(Answer::Broken(why)), _) => return Verdict::Unjudged(format!("the host's worker: {why}")),
        (host, orrery) => {
            let text = |answer| match answer {
                Ok(transcript) => Record::of(&transcript),
                Err(Answer::Died(status)) => Record::without(format!("whoever ran it was killed: {status:#x}")),
                Err(Answer::Hung) => Record::without("nobody can ever go on".into()),
                Err(Answer::Broken(why)) => Record::without(why),
                Err(_) => Record::without("nothing".into()),
            };
            (text(host), text(orrery))
        }
    };
    Difference::between(host, orrery).map_or(Verdict::Same, Verdict::Differs)
}
