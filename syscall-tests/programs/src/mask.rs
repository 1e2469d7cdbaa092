//! A transcript without what differs from kernel to kernel by right: pids, inodes, addresses, devices, times.
//!
//! Each is replaced by what it is to the program: the process of which body, the how-manieth file seen, which place of
//! its memory. So two transcripts of one program are the same where they ought to be, and two files that are one on one
//! kernel only are not. What is masked is said by the table's kinds and by [`layout`].

use alloc::vec::Vec;

use kernel_abi::{Errno, Kind, errno};

use crate::body::{AnswerKind, answer_kind};
use crate::layout::{What, layout};
use crate::memory::ARENA;
use crate::transcript::{Entry, Transcript, sum};

/// What stands for a time, or for what the machine is like.
pub const MACHINE: u64 = 0x7e7e_7e7e_7e7e_7e7e;
/// What stands for a process that is not the program's.
pub const STRANGER: u64 = 0x00ff_ffff;
/// What stands in front of a body's number.
pub const BODY: u64 = 0x00b0_0000;
/// What stands in front of an offset into the program's memory.
pub const ARENA_AT: u64 = 0xa000_0000;
/// What stands in front of a mapping's number and an offset into it.
pub const MAPPING: u64 = 0xb_0000_0000;
/// What stands for an address that is none of these.
pub const SOMEWHERE: u64 = 0xd_0000_0000;

struct Names {
    arena: u64,
    pids: Vec<(i32, i32)>,
    inodes: Vec<u64>,
    devices: Vec<u64>,
    maps: Vec<(u64, u64)>,
}

fn place(seen: &mut Vec<u64>, value: u64) -> u64 {
    if let Some(at) = seen.iter().position(|it| *it == value) {
        return at as u64;
    }
    seen.push(value);
    seen.len() as u64 - 1
}

impl Names {
    fn pid(&self, value: u64) -> u64 {
        let number = value as i32;
        if number <= 0 || number >= 0x3fff_0000 {
            return value;
        }
        let body = self.pids.iter().position(|&(pid, tid)| pid == number || tid == number);
        body.map_or(STRANGER, |body| BODY + body as u64)
    }

    fn address(&self, value: u64) -> u64 {
        if !(4096..1 << 47).contains(&value) {
            return value;
        }
        let mapping = self.maps.iter().rposition(|&(addr, len)| (addr..addr + len.max(1)).contains(&value));
        match mapping {
            _ if (self.arena..self.arena + ARENA as u64).contains(&value) => ARENA_AT + value - self.arena,
            Some(at) => MAPPING + ((at as u64) << 24) + value - self.maps[at].0,
            None => SOMEWHERE,
        }
    }

    fn field(&mut self, what: What, value: u64) -> u64 {
        match what {
            What::Pid => self.pid(value),
            What::Inode => place(&mut self.inodes, value),
            What::Device => place(&mut self.devices, value),
            What::Address | What::Handler => self.address(value),
            What::Machine | What::Seconds | What::Nanos | What::Micros => MACHINE,
            What::Number | What::Fd | What::Signal | What::Set | What::Bits | What::Constant(_) => value,
        }
    }

    fn entry(&mut self, transcript_arch: kernel_abi::Arch, entry: &mut Entry) {
        let Some(call) = entry.row() else {
            if errno::from_return(entry.answer as usize).is_ok() {
                entry.answer = self.pid(entry.answer);
            }
            return;
        };
        let regs = entry.args.map(|arg| arg as usize);
        let has_worked = errno::from_return(entry.answer as usize).is_ok();
        if has_worked {
            match answer_kind(call, &regs) {
                AnswerKind::Address => {
                    let len = if call == kernel_abi::Call::mremap { regs[2] } else { regs[1] };
                    self.maps.push((entry.answer, len as u64));
                    entry.answer = MAPPING + ((self.maps.len() as u64 - 1) << 24);
                }
                AnswerKind::Pid => entry.answer = self.pid(entry.answer),
                AnswerKind::Break | AnswerKind::Time | AnswerKind::Machine => entry.answer = MACHINE,
                AnswerKind::Fd | AnswerKind::Number => {}
            }
        }
        // A set is refused that has none of the processors that there are.
        if call == kernel_abi::Call::sched_setaffinity
            && matches!(errno::from_return(entry.answer as usize), Ok(_) | Err(Errno::EINVAL))
        {
            entry.answer = MACHINE;
        }
        for filled in &mut entry.filled {
            // Which processor it is, also when there is no room for the other thing that was asked; and what is random.
            if call == kernel_abi::Call::getcpu || call == kernel_abi::Call::getrandom && has_worked {
                filled.bytes.fill(MACHINE as u8);
                filled.sum = sum(&filled.bytes);
                continue;
            }
            let Some(&(_, kind)) = call.row().args.get(usize::from(filled.arg)) else { continue };
            let name = match kind {
                Kind::Struct(name, _) => name,
                // A number that was the address of something: see `memory`.
                Kind::Int { .. } => "flock",
                _ => continue,
            };
            let shape = layout(name, transcript_arch);
            // How many processors there are.
            if matches!(call, kernel_abi::Call::time | kernel_abi::Call::sched_getaffinity) && has_worked {
                filled.bytes.fill(MACHINE as u8);
            }
            let is_untouched = filled.bytes.iter().all(|byte| *byte == 0xa5);
            if is_untouched {
                continue;
            }
            for element in filled.bytes.chunks_exact_mut(shape.size) {
                // What was left as it was is seen as that.
                if element.iter().all(|byte| *byte == 0xa5) {
                    continue;
                }
                for field in shape.fields {
                    for at in (field.at..field.at + field.len).step_by(8) {
                        let part = &mut element[at..(at + 8).min(field.at + field.len)];
                        let mut word = [0; 8];
                        word[..part.len()].copy_from_slice(part);
                        let mut value = u64::from_le_bytes(word);
                        if part.len() == 4 && field.what == What::Pid {
                            value = i64::from(value as i32) as u64;
                        }
                        part.copy_from_slice(&self.field(field.what, value).to_le_bytes()[..part.len()]);
                    }
                }
            }
            filled.sum = sum(&filled.bytes);
        }
        let mut at = 0;
        for &(_, kind) in call.row().args {
            let arg = &mut entry.args[at];
            match kind {
                Kind::Pid => *arg = self.pid(*arg),
                Kind::Int { hex: true, .. }
                | Kind::Path
                | Kind::Name
                | Kind::Struct(..)
                | Kind::Pointer
                | Kind::Strings => {
                    *arg = self.address(*arg);
                }
                Kind::In | Kind::Out | Kind::Iovecs(_) => {
                    *arg = self.address(*arg);
                    at += 1;
                }
                _ => {}
            }
            at += 1;
        }
    }
}

impl Transcript {
    /// The same without what differs by right.
    pub fn masked(&self) -> Self {
        let mut masked = self.clone();
        let mut names = Names {
            arena: self.arena,
            pids: self.bodies.iter().map(|body| (body.pid, body.tid)).collect(),
            inodes: Vec::new(),
            devices: Vec::new(),
            maps: Vec::new(),
        };
        for (index, body) in masked.bodies.iter_mut().enumerate() {
            let own: Vec<(u64, u64)> = names.maps.clone();
            body.entries.iter_mut().for_each(|entry| names.entry(self.arch, entry));
            // A child's mappings are its own, unless it is a thread; names of them are told apart by order only.
            names.maps = own;
            (body.pid, body.tid) = (i32::from(body.pid != 0) * (index as i32 + 1), 0);
        }
        masked.arena = 0;
        masked
    }
}
