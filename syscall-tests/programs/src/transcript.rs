//! What a program's calls came to, and its bytes.

use alloc::vec::Vec;

use kernel_abi::{Arch, Call};

use crate::model::STEPS_MAX;
use crate::tree::Node;

/// Stands for a call's number where a child was started.
pub const SPAWN: u16 = u16::MAX;

/// What a program came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// Whose layouts count.
    pub arch: Arch,
    /// Its bodies: see [`crate::Program::body`]. One that never began has pid zero.
    pub bodies: Vec<BodyRecord>,
    /// Whether it ended by itself.
    pub in_time: bool,
    /// Where its memory was.
    pub arena: u64,
    /// What it left in its directory.
    pub tree: Vec<Node>,
}

/// What a body came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyRecord {
    /// Its process.
    pub pid: i32,
    /// Its thread.
    pub tid: i32,
    /// Steps that ended; the next one was being made, unless the body has ended.
    pub steps: u32,
    /// Whether it came to its end.
    pub has_ended: bool,
    /// What whoever waited for it was told; zero when nobody did.
    pub status: Option<i32>,
    /// The steps, as far as there was room.
    pub entries: Vec<Entry>,
    /// What its handlers saw, if it is a process.
    pub signals: Vec<Delivery>,
}

/// A signal that a handler saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub signal: u32,
    /// `si_code`.
    pub code: i32,
    /// Steps that had ended then.
    pub step: u32,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The row's number on x86-64, or [`SPAWN`].
    pub call: u16,
    /// The registers.
    pub args: [u64; 6],
    /// The register that came back: a value, or the negative of an errno.
    pub answer: u64,
    /// What it filled, or left as it was.
    pub filled: Vec<Filled>,
}

/// Memory that a call may have filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Which argument of the row leads there.
    pub arg: u8,
    /// How much there was.
    pub len: u16,
    /// A sum over all of it.
    pub sum: u64,
    /// How it begins.
    pub bytes: Vec<u8>,
}

/// FNV-1a, over words where there are.
pub fn sum(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(8);
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |word: u64| {
        sum = (sum ^ word).wrapping_mul(0x100_0000_01b3);
        sum ^= sum >> 32;
    };
    for word in words.by_ref() {
        take(u64::from_le_bytes(word.try_into().unwrap_or_default()));
    }
    words.remainder().iter().for_each(|byte| take(u64::from(*byte)));
    sum
}

impl Entry {
    /// The row, unless a child was started.
    pub fn row(&self) -> Option<Call> {
        Call::lookup(Arch::X86_64, usize::from(self.call))
    }

    /// Writes how an entry with so many parts of memory begins.
    pub(crate) fn begin(out: &mut Vec<u8>, call: u16, regs: &[usize; 6], answer: usize, filled: usize) {
        out.extend_from_slice(&call.to_le_bytes());
        regs.iter().chain([&answer]).for_each(|word| out.extend_from_slice(&(*word as u64).to_le_bytes()));
        out.push(filled as u8);
    }

    /// Writes one of its parts of memory; `kept` bytes are kept as they are.
    pub(crate) fn add(out: &mut Vec<u8>, arg: usize, bytes: &[u8], kept: usize) {
        Self::put(out, arg as u8, bytes.len() as u16, sum(bytes), &bytes[..bytes.len().min(kept)]);
    }

    fn put(out: &mut Vec<u8>, arg: u8, len: u16, sum: u64, kept: &[u8]) {
        out.push(arg);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(kept.len() as u16).to_le_bytes());
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(kept);
    }

    fn write(&self, out: &mut Vec<u8>) {
        Self::begin(out, self.call, &self.args.map(|arg| arg as usize), self.answer as usize, self.filled.len());
        for Filled { arg, len, sum, bytes } in &self.filled {
            Self::put(out, *arg, *len, *sum, bytes);
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let call = from.number(2)? as u16;
        let mut words = [0; 7];
        for word in &mut words {
            *word = from.number(8)?;
        }
        let [a, b, c, d, e, f, answer] = words;
        let mut filled = Vec::new();
        for _ in 0..from.number(1)? {
            let (arg, len, kept) = (from.number(1)? as u8, from.number(2)? as u16, from.number(2)? as usize);
            let sum = from.number(8)?;
            filled.push(Filled { arg, len, sum, bytes: from.take(kept)?.to_vec() });
        }
        Some(Self { call, args: [a, b, c, d, e, f], answer, filled })
    }
}

/// The entries of a log, of about so many steps, up to where it makes no sense.
pub(crate) fn read_log(bytes: &[u8], steps: u32) -> Vec<Entry> {
    let mut reader = Reader(bytes);
    let mut entries = Vec::with_capacity((steps as usize).min(STEPS_MAX));
    while !reader.0.is_empty() {
        let Some(entry) = Entry::read(&mut reader) else { break };
        entries.push(entry);
    }
    entries
}

/// Takes numbers from bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, len: usize) -> Option<u64> {
        let mut word = [0; 8];
        word[..len].copy_from_slice(self.take(len)?);
        Some(u64::from_le_bytes(word))
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let len = self.number(4)? as usize;
        self.take(len).map(<[u8]>::to_vec)
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Bytes in front of the notes of a transcript with one body.
pub(crate) const HEAD: usize = 3 + 8 + BODY_HEAD;
/// Bytes in front of a body's notes.
const BODY_HEAD: usize = 5 * 4 + 4;

/// What is in front of the notes of a transcript with one body, which take so many bytes.
pub(crate) fn head(arch: Arch, in_time: bool, arena: u64, body: &BodyRecord, log_len: usize) -> [u8; HEAD] {
    let mut out = [0; HEAD];
    out[..3].copy_from_slice(&[u8::from(arch == Arch::Riscv64), u8::from(in_time), 1]);
    out[3..11].copy_from_slice(&arena.to_le_bytes());
    out[11..].copy_from_slice(&body_head(body, log_len));
    out
}

fn body_head(body: &BodyRecord, log_len: usize) -> [u8; BODY_HEAD] {
    let mut out = [0; BODY_HEAD];
    let numbers = [body.pid, body.tid, body.steps as i32, i32::from(body.has_ended), body.status.unwrap_or(-1)];
    for (four, number) in out.chunks_exact_mut(4).zip(numbers.into_iter().chain([log_len as i32])) {
        four.copy_from_slice(&number.to_le_bytes());
    }
    out
}

/// What is behind the notes of a transcript whose last body saw no signals: as much of the tree as `room` takes.
pub(crate) fn tail(tree: &[Node], room: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(&[0; 8]);
    let mut count = 0_u32;
    for node in tree {
        let before = out.len();
        put_node(&mut out, node);
        if out.len() > room {
            out.truncate(before);
            break;
        }
        count += 1;
    }
    out[4..8].copy_from_slice(&count.to_le_bytes());
    out
}

fn put_node(out: &mut Vec<u8>, Node { path, mode, nlink, len, sum }: &Node) {
    put(out, path);
    [u64::from(*mode), u64::from(*nlink), *len, *sum].iter().for_each(|it| out.extend_from_slice(&it.to_le_bytes()));
}

impl Transcript {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&[u8::from(self.arch == Arch::Riscv64), u8::from(self.in_time), self.bodies.len() as u8]);
        out.extend_from_slice(&self.arena.to_le_bytes());
        for body in &self.bodies {
            let at = out.len();
            out.extend_from_slice(&[0; BODY_HEAD]);
            body.entries.iter().for_each(|entry| entry.write(&mut out));
            let head = body_head(body, out.len() - at - BODY_HEAD);
            out[at..at + BODY_HEAD].copy_from_slice(&head);
            let words = body.signals.iter().flat_map(|it| [it.signal, it.code as u32, it.step]);
            put(&mut out, &words.flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
        }
        out.extend_from_slice(&(self.tree.len() as u32).to_le_bytes());
        self.tree.iter().for_each(|node| put_node(&mut out, node));
        out
    }

    /// What [`to_bytes`](Self::to_bytes) gave.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let arch = if from.number(1)? == 0 { Arch::X86_64 } else { Arch::Riscv64 };
        let (in_time, count, arena) = (from.number(1)? != 0, from.number(1)?, from.number(8)?);
        let mut bodies = Vec::new();
        for _ in 0..count {
            let (pid, tid, steps) = (from.number(4)? as i32, from.number(4)? as i32, from.number(4)? as u32);
            let (has_ended, status) =
                (from.number(4)? != 0, Some(from.number(4)? as i32).filter(|status| *status != -1));
            let entries = read_log(&from.bytes()?, steps);
            let signals = from.bytes()?;
            let words = signals.chunks_exact(12).map(|it| {
                let word = |at: usize| u32::from_le_bytes([it[at], it[at + 1], it[at + 2], it[at + 3]]);
                Delivery { signal: word(0), code: word(4) as i32, step: word(8) }
            });
            bodies.push(BodyRecord { pid, tid, steps, has_ended, status, entries, signals: words.collect() });
        }
        let mut tree = Vec::new();
        for _ in 0..from.number(4)? {
            let path = from.bytes()?;
            let (mode, nlink) = (from.number(8)? as u32, from.number(8)? as u32);
            tree.push(Node { path, mode, nlink, len: from.number(8)?, sum: from.number(8)? });
        }
        Some(Self { arch, bodies, in_time, arena, tree })
    }
}
