//! A program and what it came to, for people: as Rust, and the way strace(1) prints calls.

use alloc::string::String;
use core::fmt::{self, Write};

use kernel_abi::strace::{format_call, format_return};
use kernel_abi::{Call, Kind};

use crate::choice::{NAMES, PATHS, length};
use crate::model::{How, Join, Place, Program, Step, Value};
use crate::transcript::{BodyRecord, Entry, Transcript};

impl fmt::Display for Program {
    /// As Rust over [`kernel_abi::Calls`]: `fd!(0)` is the latest descriptor, `fresh(len, seed)` memory.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "// family {}, {} steps", self.family, self.len())?;
        steps(f, &self.steps, 0)
    }
}

fn steps(f: &mut fmt::Formatter<'_>, all: &[Step], depth: usize) -> fmt::Result {
    for step in all {
        write!(f, "{:1$}", "", depth * 4)?;
        match step {
            Step::Call { call, args } => {
                write!(f, "sys.{}(", name(*call))?;
                for (index, (&(_, kind), value)) in call.row().args.iter().zip(args).enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    argument(f, kind, *value)?;
                }
                writeln!(f, ");")?;
            }
            Step::Spawn { how, join, steps: inner } => {
                let what = if *how == How::Process { "fork" } else { "thread" };
                writeln!(f, "let child = {what}(|sys| {{")?;
                steps(f, inner, depth + 1)?;
                let end = if *join == Join::AtOnce { "}).join();" } else { "});" };
                writeln!(f, "{:1$}{end}", "", depth * 4)?;
            }
        }
    }
    Ok(())
}

/// What the row is called, where it differs from Linux's name.
fn name(call: Call) -> &'static str {
    call.row().name
}

fn argument(f: &mut fmt::Formatter<'_>, kind: Kind, value: Value) -> fmt::Result {
    match (kind, value) {
        (Kind::Flags(names), Value::Plain(bits)) => flags(f, names, bits),
        (Kind::Enum(names), Value::Plain(number)) => match names.iter().find(|named| named.1 as u32 == number as u32) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{number:#x}"),
        },
        (Kind::Mode, Value::Plain(mode)) => write!(f, "0o{mode:o}"),
        (Kind::Int { signed: false, .. }, Value::Plain(number)) => write!(f, "{number}"),
        (_, Value::Plain(number)) => write!(f, "{}", number as i64),
        (Kind::Fd, Value::Earlier(back)) => write!(f, "fd!({back})"),
        (Kind::Pid, Value::Earlier(back)) => write!(f, "pid!({back})"),
        (_, Value::Earlier(back)) => write!(f, "answer!({back})"),
        (Kind::Name, Value::Text(index)) => text(f, NAMES[usize::from(index) % NAMES.len()]),
        (_, Value::Text(index)) => text(f, PATHS[usize::from(index) % PATHS.len()]),
        (kind, Value::Memory { place, len, seed }) => {
            match place {
                Place::Fresh => f.write_str("fresh")?,
                Place::AtHole => f.write_str("at_hole")?,
                Place::Null => f.write_str("null")?,
                Place::Hole => f.write_str("hole")?,
                Place::Wild => f.write_str("wild")?,
                Place::Page(page) => write!(f, "page!({page})")?,
                Place::Mapping(back) => write!(f, "mapping!({back})")?,
            }
            match kind {
                Kind::In | Kind::Out => write!(f, "({seed}), {}", length(len) as i64),
                Kind::Iovecs(_) => write!(f, "::iovecs({seed:#x}), {len}"),
                Kind::Struct(name, _) => write!(f, "::<{name}>({seed:#x})"),
                Kind::Int { .. } => write!(f, "::<flock>({seed:#x})"),
                Kind::Strings => write!(f, "::strings({seed})"),
                _ => Ok(()),
            }
        }
    }
}

fn flags(f: &mut fmt::Formatter<'_>, names: kernel_abi::arg::Names, bits: u64) -> fmt::Result {
    let (mut left, mut first) = (bits, true);
    let mut item = |f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>| {
        let bar = if core::mem::take(&mut first) { "" } else { " | " };
        write!(f, "{bar}{text}")
    };
    for &(name, bit) in names {
        if bit != 0 && left & bit == bit {
            item(f, format_args!("{name}"))?;
            left &= !bit;
        }
    }
    if left != 0 || bits == 0 { item(f, format_args!("{left:#x}")) } else { Ok(()) }
}

fn text(f: &mut fmt::Formatter<'_>, text: &[u8]) -> fmt::Result {
    if text.len() > 32 {
        return write!(f, "\"{}\".repeat({})", text[0].escape_ascii(), text.len());
    }
    write!(f, "\"{}\"", text.escape_ascii())
}

impl fmt::Display for Entry {
    /// The call and its answer, and what it filled.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        match self.row() {
            Some(call) => {
                let args = self.args.map(|arg| arg as usize);
                // What was in memory is not known any more.
                format_call(call.row(), args, &mut |_, _| 0, &mut out);
                format_return(call.row(), self.answer as usize, &mut out);
            }
            None => write!(out, "child = {}", self.answer as i64)?,
        }
        f.write_str(&out)?;
        for filled in &self.filled {
            write!(f, "  [{}:{}]", filled.arg, filled.len)?;
            for byte in filled.bytes.iter().take(16) {
                write!(f, "{byte:02x}")?;
            }
            write!(f, " #{:08x}", filled.sum as u32)?;
        }
        Ok(())
    }
}

impl BodyRecord {
    /// Its lines: each step, and the signals between them.
    pub fn lines(&self, mut each: impl FnMut(Option<&Entry>, fmt::Arguments<'_>)) {
        let mut signals = self.signals.iter().peekable();
        for (step, entry) in self.entries.iter().enumerate() {
            while let Some(seen) = signals.next_if(|seen| (seen.step as usize) < step) {
                each(None, format_args!("--- signal {} code {}", seen.signal, seen.code));
            }
            each(Some(entry), format_args!("{entry}"));
        }
        for seen in signals {
            each(None, format_args!("--- signal {} code {}", seen.signal, seen.code));
        }
        match self.status {
            _ if self.pid == 0 && self.entries.is_empty() => each(None, format_args!("(never began)")),
            Some(status) if status != 0 => each(None, format_args!("+++ status {status:#x}")),
            _ if !self.has_ended => each(None, format_args!("+++ did not come to its end")),
            _ => {}
        }
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        for (index, body) in self.bodies.iter().enumerate() {
            body.lines(|_, line| {
                if result.is_ok() {
                    result = writeln!(f, "{index}| {line}");
                }
            });
        }
        result?;
        for node in &self.tree {
            writeln!(f, "{:o} {} {}", node.mode, node.len, node.path.escape_ascii())?;
        }
        if self.in_time { Ok(()) } else { writeln!(f, "(ended by whoever ran it)") }
    }
}
