//! Any bytes are a program, and a program is bytes; and programs at random, by the same decisions.
//!
//! Bytes are a family, then steps: a tag, a row's number on x86-64, and a few bytes for each argument. Where they end,
//! zeros follow, which are the tamest arguments. A number that has no row in the family stands for one that has.

use alloc::vec::Vec;

use kernel_abi::arg::Names;
use kernel_abi::flags::{MapFlags, OpenFlags, ProtFlags};
use kernel_abi::{Arch, Call, Kind};

use crate::choice::{
    FDS, IDS, LENGTHS, MODES, NAMES, NUMBERS, PATHS, PIDS, SIGNALS, SPANS, flags, is_span, length_code,
};
use crate::family::Family;
use crate::layout::layout;
use crate::model::{BODIES_MAX, DEPTH_MAX, How, Join, Place, Program, STEPS_MAX, Step, Value};

/// A step's first byte: below, a call.
const TAG_SPAWN: u8 = 232;
/// From here, the end of a child.
const TAG_END: u8 = 244;
/// Steps that there is room for at once.
const STEPS_AT_FIRST: usize = 16;
/// What most steps take, in bytes.
const STEP_BYTES: usize = 32;

/// Where decisions come from.
pub struct Source<'a> {
    bytes: &'a [u8],
    random: Option<u64>,
}

impl<'a> Source<'a> {
    /// Decisions as these bytes say, and zeros behind them.
    pub const fn bytes(bytes: &'a [u8]) -> Self {
        Self { bytes, random: None }
    }

    /// Decisions at random, without end.
    pub const fn random(seed: u64) -> Self {
        Self { bytes: &[], random: Some(seed) }
    }

    fn byte(&mut self) -> u8 {
        if let Some(state) = &mut self.random {
            // SplitMix64.
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            return (z >> 56) as u8;
        }
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    fn number(&mut self, bytes: usize) -> u64 {
        if self.random.is_none()
            && let Some((these, rest)) = self.bytes.split_at_checked(bytes)
        {
            self.bytes = rest;
            let mut word = [0; 8];
            word[..bytes].copy_from_slice(these);
            return u64::from_le_bytes(word);
        }
        (0..bytes).fold(0, |number, at| number | u64::from(self.byte()) << (8 * at))
    }

    fn is_spent(&self) -> bool {
        self.random.is_none() && self.bytes.is_empty()
    }

    /// One of a list; a byte past its end is the last but so many.
    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::from(self.byte()) % list.len()]
    }
}

impl Program {
    /// The program that bytes are.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut source = Source::bytes(bytes);
        let family = source.one_of(&Family::ALL);
        Self::of(family, STEPS_MAX, &mut source)
    }

    /// A program of `calls` steps at random; the same for the same seed.
    pub fn random(family: Family, calls: usize, seed: u64) -> Self {
        let mut source = Source::random(seed);
        let all: Vec<_> = BEGINNINGS.iter().filter(|(call, _)| family.rows().contains(call)).collect();
        let count = if all.is_empty() { 0 } else { usize::from(source.byte() % 4).min(calls / 3) };
        let begin = |_| {
            let (call, args) = *source.one_of(&all);
            Step::Call { call, args: args.to_vec() }
        };
        let mut steps: Vec<Step> = (0..count).map(begin).collect();
        let rest = Self::of(family, calls.min(STEPS_MAX) - count, &mut source);
        steps.extend(rest.steps);
        Self { family, steps }
    }

    fn of(family: Family, steps: usize, source: &mut Source<'_>) -> Self {
        let mut left = Left { steps, bodies: BODIES_MAX - 1 };
        let mut all = Vec::with_capacity(steps.min(STEPS_AT_FIRST));
        while left.steps > 0 && !source.is_spent() {
            sequence(family, 0, &mut left, source, &mut all);
        }
        Self { family, steps: all }
    }

    /// Its bytes: [`decode`](Self::decode) makes the same program of them.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(STEPS_AT_FIRST * STEP_BYTES);
        out.push(Family::ALL.iter().position(|family| *family == self.family).unwrap_or(0) as u8);
        encode_steps(&self.steps, &mut out);
        out
    }
}

/// Calls after which others have something to do: a program at random begins with a few.
const BEGINNINGS: &[(Call, &[Value])] = {
    const CWD: Value = Value::Plain(FDS[0]);
    const ZERO: Value = Value::Plain(0);
    const FRESH: Value = Value::Memory { place: Place::Fresh, len: 0, seed: 0 };
    const NULL: Value = Value::Memory { place: Place::Null, len: 0, seed: 0 };
    const TEXT: Value = Value::Memory { place: Place::Fresh, len: 100, seed: 0 };
    &[
        (Call::openat, &[CWD, Value::Text(0), Value::Plain(0o102), Value::Plain(0o644)]),
        (Call::open, &[Value::Text(0), Value::Plain(0o102), Value::Plain(0o644)]),
        (Call::write, &[Value::Earlier(0), TEXT]),
        (Call::mkdirat, &[CWD, Value::Text(1), Value::Plain(0o755)]),
        (Call::symlinkat, &[Value::Text(0), CWD, Value::Text(6)]),
        (Call::pipe2, &[FRESH, ZERO]),
        (Call::eventfd2, &[ZERO, ZERO]),
        (Call::epoll_create1, &[ZERO]),
        (Call::memfd_create, &[Value::Text(0), ZERO]),
        (Call::timerfd_create, &[Value::Plain(1), ZERO]),
        (Call::mmap, &[NULL, Value::Plain(16384), Value::Plain(3), Value::Plain(0x22), Value::Plain(u64::MAX), ZERO]),
        (Call::rt_sigaction, &[Value::Plain(10), FRESH, FRESH, Value::Plain(8)]),
        (Call::setitimer, &[ZERO, Value::Memory { place: Place::Fresh, len: 0, seed: 0o1000 }, FRESH]),
    ]
};

/// What a program may still have.
struct Left {
    steps: usize,
    bodies: usize,
}

/// Adds steps up to the end of a child, or of everything.
fn sequence(family: Family, depth: usize, left: &mut Left, source: &mut Source<'_>, steps: &mut Vec<Step>) {
    while left.steps > 0 && !source.is_spent() {
        let tag = source.byte();
        if tag >= TAG_END {
            return;
        }
        left.steps -= 1;
        if tag < TAG_SPAWN || left.bodies == 0 || depth == DEPTH_MAX {
            steps.push(call(family, source));
            continue;
        }
        left.bodies -= 1;
        let (how, join) = kind_of_child(source.byte());
        let mut theirs = Vec::new();
        sequence(family, depth + 1, left, source, &mut theirs);
        steps.push(Step::Spawn { how, join, steps: theirs });
    }
}

fn kind_of_child(byte: u8) -> (How, Join) {
    let how = if byte & 1 == 0 { How::Process } else { How::Thread };
    (how, if byte & 2 == 0 { Join::AtOnce } else { Join::Never })
}

fn call(family: Family, source: &mut Source<'_>) -> Step {
    let number = source.number(2) as usize;
    let rows = family.rows();
    let call = match Call::lookup(Arch::X86_64, number) {
        Some(call) if rows.contains(&call) => call,
        _ => rows[number % rows.len()],
    };
    let args = call.row().args;
    let mut before = None;
    let decoded = args.iter().map(|&(name, kind)| {
        let value = value(call, name, kind, before, source);
        before = Some(kind);
        value
    });
    let decoded = decoded.collect();
    Step::Call { call, args: decoded }
}

/// Whether a number is bytes behind an address that the call works on without looking.
pub fn is_memory(call: Call) -> bool {
    use Call::{brk, madvise, mincore, mmap, mprotect, mremap, msync, munmap};
    matches!(call, brk | madvise | mincore | mmap | mprotect | mremap | msync | munmap)
}

/// An argument. The first byte says which way it is told; what is told is made to fit.
fn value(call: Call, name: &str, kind: Kind, before: Option<Kind>, source: &mut Source<'_>) -> Value {
    let tag = source.byte();
    match kind {
        Kind::Int { .. } if is_memory(call) => span(tag, source),
        Kind::Int { hex, .. } => int(tag, name, hex, before, source),
        Kind::Fd if tag < 128 && name.contains("dir") => Value::Plain(FDS[0]),
        Kind::Fd if tag < 176 => Value::Earlier(tag % 4),
        Kind::Fd => Value::Plain(source.one_of(FDS)),
        Kind::Pid if tag < 160 => Value::Earlier(tag % 4),
        Kind::Pid => match source.one_of(PIDS) {
            u64::MAX if !matches!(call, Call::wait4 | Call::waitid) => Value::Plain(0),
            pid => Value::Plain(pid),
        },
        Kind::Id => Value::Plain(source.one_of(IDS)),
        Kind::Mode if tag < 224 => Value::Plain(MODES[usize::from(tag) % MODES.len()]),
        Kind::Mode => Value::Plain(source.number(2)),
        Kind::Signal => Value::Plain(source.one_of(SIGNALS)),
        Kind::Path if tag < 240 => Value::Text(text(tag, PATHS, source)),
        Kind::Name if tag < 240 => Value::Text(text(tag, NAMES, source)),
        Kind::Path | Kind::Name => Value::Memory { place: place(source, false), len: 0, seed: 0 },
        Kind::Flags(names) => match tag {
            0..=79 => Value::Plain(usual(names, tag)),
            80..=143 => Value::Plain(bits(names, 1, source)),
            144..=191 => Value::Plain(bits(names, 2, source)),
            192..=223 => Value::Plain(bits(names, 3, source)),
            224..=239 => Value::Plain(flags(names, bits(names, 1, source) | 1 << (source.byte() & 63))),
            _ => Value::Plain(flags(names, source.number(8))),
        },
        Kind::Enum(names) if tag < 240 && !names.is_empty() => {
            Value::Plain(names[usize::from(source.byte()) % names.len()].1 & 0xffff_ffff)
        }
        Kind::Enum(_) => Value::Plain(source.number(4)),
        Kind::In | Kind::Out => {
            let len = if tag & 1 == 0 { source.one_of(LENGTHS) } else { length_code(source.number(2) as u16) };
            Value::Memory { place: place(source, false), len, seed: source.number(2) as u32 }
        }
        Kind::Iovecs(_) => {
            let count = if tag < 224 { u16::from(tag % 5) } else { source.one_of(&[5, 1024, 1025, 0xffff]) };
            Value::Memory { place: place(source, false), len: count, seed: source.number(4) as u32 }
        }
        Kind::Struct(..) | Kind::Strings => {
            let seed = if tag & 1 == 0 { u32::from(source.byte()) } else { source.number(4) as u32 };
            Value::Memory { place: place(source, true), len: 0, seed }
        }
        Kind::Pointer => Value::Memory { place: ground(source), len: 0, seed: 0 },
    }
}

/// Sets of flags without which little happens.
fn usual(names: Names, tag: u8) -> u64 {
    let sets: &[u64] = match names {
        _ if names == OpenFlags::NAMES => &[0, 0o102, 0o101, 0o1102, 0o2, 0o2102],
        _ if names == MapFlags::NAMES => &[0x22, 0x21, 0x2, 0x1, 0x32],
        _ if names == ProtFlags::NAMES => &[3, 1, 0, 3],
        _ => &[0],
    };
    sets[usize::from(tag) % sets.len()]
}

fn text(tag: u8, all: &[&[u8]], source: &mut Source<'_>) -> u8 {
    // Half of all names are of the first eight, so that they meet.
    if tag < 128 { tag % 8 } else { (usize::from(source.byte()) % all.len()) as u8 }
}

fn bits(names: &[(&str, u64)], count: usize, source: &mut Source<'_>) -> u64 {
    (0..count).fold(0, |bits, _| bits | names.get(usize::from(source.byte()) % names.len().max(1)).map_or(0, |it| it.1))
}

/// A number: often what its name says, or an answer.
fn int(tag: u8, name: &str, hex: bool, before: Option<Kind>, source: &mut Source<'_>) -> Value {
    let sized = matches!(name, "size" | "mask_size" | "len");
    match (tag, before) {
        (0..=159, Some(Kind::Struct(name, _))) if sized => Value::Plain(layout(name, Arch::X86_64).size as u64),
        (0..=63, _) if hex => Value::Memory { place: place(source, true), len: 0, seed: source.number(2) as u32 },
        (224..=239, _) => Value::Earlier(tag % 4),
        (240.., _) => Value::Plain(source.number(8)),
        (0..=127, _) => Value::Plain(NUMBERS[usize::from(tag) % 10]),
        _ => Value::Plain(source.one_of(NUMBERS)),
    }
}

/// Bytes of memory: never more than a program may lose.
fn span(tag: u8, source: &mut Source<'_>) -> Value {
    let len = if tag < 240 { SPANS[usize::from(tag) % SPANS.len()] } else { source.number(8) };
    Value::Plain(if is_span(len) { len } else { len % (16 * 4096 + 1) })
}

/// Where a buffer is.
fn place(source: &mut Source<'_>, tame: bool) -> Place {
    match source.byte() {
        0..=159 => Place::Fresh,
        160..=191 if tame => Place::Fresh,
        160..=207 => Place::AtHole,
        208..=219 => Place::Null,
        220..=227 => Place::Hole,
        228..=235 => Place::Wild,
        236..=245 => Place::Page(source.byte() % 16),
        _ => Place::Mapping(source.byte() % 4),
    }
}

/// Where calls on memory work.
fn ground(source: &mut Source<'_>) -> Place {
    match source.byte() {
        0..=47 => Place::Null,
        48..=111 => Place::Page(source.byte() % 16),
        112..=231 => Place::Mapping(source.byte() % 4),
        232..=243 => Place::Hole,
        _ => Place::Wild,
    }
}

fn encode_steps(steps: &[Step], out: &mut Vec<u8>) {
    for step in steps {
        match step {
            Step::Call { call, args } => {
                out.push(0);
                let number = call.number(Arch::X86_64).unwrap_or_default();
                out.extend_from_slice(&(number as u16).to_le_bytes());
                for (&(_, kind), value) in call.row().args.iter().zip(args) {
                    encode_value(*call, kind, *value, out);
                }
            }
            Step::Spawn { how, join, steps } => {
                out.push(TAG_SPAWN);
                out.push(u8::from(*how == How::Thread) | u8::from(*join == Join::Never) << 1);
                encode_steps(steps, out);
                out.push(TAG_END);
            }
        }
    }
}

fn position(list: &[u64], number: u64) -> u8 {
    list.iter().position(|listed| *listed == number).unwrap_or(0) as u8
}

/// The longest way to tell an argument, which can tell each.
fn encode_value(call: Call, kind: Kind, value: Value, out: &mut Vec<u8>) {
    match (kind, value) {
        (Kind::Flags(_), Value::Plain(bits)) => raw(0xff, bits, 8, out),
        (Kind::Enum(_), Value::Plain(number)) => raw(0xff, number, 4, out),
        (Kind::Mode, Value::Plain(mode)) => raw(0xff, mode, 2, out),
        (Kind::Int { .. }, Value::Plain(number)) => raw(0xff, number, 8, out),
        (Kind::Int { .. }, Value::Earlier(back)) => out.push(224 + back % 4),
        (Kind::Fd, Value::Plain(fd)) => out.extend_from_slice(&[0xff, position(FDS, fd)]),
        (Kind::Pid, Value::Plain(pid)) => out.extend_from_slice(&[0xff, position(PIDS, pid)]),
        (Kind::Id, Value::Plain(id)) => out.extend_from_slice(&[0xff, position(IDS, id)]),
        (Kind::Signal, Value::Plain(signal)) => out.extend_from_slice(&[0xff, position(SIGNALS, signal)]),
        (Kind::Fd, Value::Earlier(back)) => out.push(128 + back % 4),
        (_, Value::Earlier(back)) => out.push(back % 4),
        (_, Value::Text(index)) => out.extend_from_slice(&[239, index]),
        (Kind::Int { .. }, Value::Memory { place, seed, .. }) => {
            out.push(0);
            encode_place(place, out);
            out.extend_from_slice(&(seed as u16).to_le_bytes());
        }
        (Kind::Path | Kind::Name, Value::Memory { place, .. }) => {
            out.push(0xff);
            encode_place(place, out);
        }
        (Kind::In | Kind::Out, Value::Memory { place, len, seed }) => {
            raw(0xff, u64::from(len), 2, out);
            encode_place(place, out);
            out.extend_from_slice(&(seed as u16).to_le_bytes());
        }
        (Kind::Iovecs(_), Value::Memory { place, len, seed }) => {
            match len {
                0..5 => out.push(len as u8 + 215),
                _ => {
                    out.extend_from_slice(&[0xff, [5, 1024, 1025].iter().position(|it| *it == len).unwrap_or(3) as u8])
                }
            }
            encode_place(place, out);
            out.extend_from_slice(&seed.to_le_bytes());
        }
        (Kind::Pointer, Value::Memory { place, .. }) => encode_ground(place, out),
        (_, Value::Memory { place, seed, .. }) => {
            raw(0xff, u64::from(seed), 4, out);
            encode_place(place, out);
        }
        // Nothing decodes to it.
        (_, Value::Plain(_)) => {
            debug_assert!(false, "{call:?}: {kind:?} is never {value:?}");
            out.push(0);
        }
    }
}

fn raw(tag: u8, number: u64, bytes: usize, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&number.to_le_bytes()[..bytes]);
}

fn encode_place(place: Place, out: &mut Vec<u8>) {
    match place {
        Place::Fresh => out.push(0),
        Place::AtHole => out.push(200),
        Place::Null => out.push(210),
        Place::Hole => out.push(222),
        Place::Wild => out.push(230),
        Place::Page(page) => out.extend_from_slice(&[240, page]),
        Place::Mapping(back) => out.extend_from_slice(&[250, back]),
    }
}

fn encode_ground(place: Place, out: &mut Vec<u8>) {
    out.push(0);
    match place {
        Place::Page(page) => out.extend_from_slice(&[48, page]),
        Place::Mapping(back) => out.extend_from_slice(&[112, back]),
        Place::Hole => out.push(232),
        Place::Wild => out.push(255),
        Place::Null | Place::Fresh | Place::AtHole => out.push(0),
    }
}

#[cfg(test)]
mod tests {
    use super::Source;
    use crate::family::Family;
    use crate::model::{BODIES_MAX, Program, STEPS_MAX};

    #[test]
    fn any_bytes_are_a_program_that_is_bytes() {
        for seed in 0..2000 {
            let mut source = Source::random(seed);
            let bytes: alloc::vec::Vec<u8> = (0..seed as usize % 700).map(|_| source.byte()).collect();
            let program = Program::decode(&bytes);
            assert!(program.len() <= STEPS_MAX && program.bodies() <= BODIES_MAX);
            assert_eq!(Program::decode(&program.encode()), program, "{seed}");
        }
    }

    #[test]
    fn a_program_at_random_is_as_long_as_it_was_to_be() {
        for (seed, family) in (0..400).zip(Family::ALL.iter().cycle()) {
            let program = Program::random(*family, 10, seed);
            assert_eq!(program.len(), 10);
            assert_eq!(Program::decode(&program.encode()), program, "{seed}: {family}");
        }
    }

    #[test]
    fn every_body_is_found() {
        let program = (0..).map(|seed| Program::random(Family::Process, 40, seed)).find(|it| it.bodies() == 4);
        let program = program.expect("there are many");
        assert!((0..4).all(|index| program.body(index).is_some()));
        assert_eq!(program.body(4), None);
    }
}
