//! What a program's arguments point to: where its memory is, what is put there for a call, what is looked at after it.

use alloc::vec::Vec;

use kernel_abi::arg::Direction;
use kernel_abi::sys::{Calls, Sys};
use kernel_abi::types::{Iovec, SaFlags, SigSet, Sigaction};
use kernel_abi::{Call, Fd, Kind, Result};

use crate::choice::{BUFFER_MAX, NAMES, PATHS, length};
use crate::layout::{What, layout};
use crate::model::{BODIES_MAX, Place, Program, Value};

/// A page.
pub const PAGE: usize = 4096;
/// Bytes of a body's own memory; a hole of a page follows.
const SCRATCH: usize = 4 * PAGE;
/// Bytes that one argument has there.
const SLOT: usize = 1024;
/// Where buffers of an array are.
const IOVEC_BUFFERS: usize = 6 * SLOT;
/// Bytes of each of them.
const IOVEC_BUFFER: usize = 256;
/// Buffers of an array that are laid out.
const IOVECS_MAX: usize = 4;
/// Where long strings are.
const LONG: usize = 2 * PAGE;
/// Pages that calls on memory work on, and as many before and behind them where nothing is.
pub const GROUND_PAGES: usize = 16;
/// Where those begin in a program's memory.
const GROUND: usize = BODIES_MAX * (SCRATCH + PAGE) + GROUND_PAGES * PAGE;
/// A program's memory.
pub const ARENA: usize = GROUND + 2 * GROUND_PAGES * PAGE;
/// Where a program's memory is to be, if nothing else is there.
const ARENA_HINT: usize = 0x10_0000_0000;
/// An address that no program can have.
const WILD: usize = 0xffff_8000_0000_1000;
/// What is in memory before a call fills it.
const FRESH: u8 = 0xa5;
/// What a buffer holds that a call reads, from any letter on.
static LETTERS: [u8; 26 + BUFFER_MAX] = {
    let mut letters = [0; 26 + BUFFER_MAX];
    let mut at = 0;
    while at < letters.len() {
        letters[at] = b'a' + (at % 26) as u8;
        at += 1;
    }
    letters
};
/// Bytes of what a call filled that are kept as they are.
pub const KEPT_MAX: usize = 64;

/// Bytes that are looked at in one place.
pub(crate) const LOOK_MAX: usize = BUFFER_MAX;

/// Maps a program's memory and makes readable what is to be so.
pub fn map(sys: &dyn Sys) -> Result {
    // Far from where user memory ends, so that what is behind it is the same everywhere.
    let arena = sys.mmap(ARENA_HINT, ARENA, 0, 0x22, Fd(-1), 0)?;
    for body in 0..BODIES_MAX {
        sys.mprotect(scratch(arena, body), SCRATCH, 3)?;
    }
    sys.mprotect(arena + GROUND, GROUND_PAGES * PAGE, 3)?;
    Ok(arena)
}

/// Whose memory a child's process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// A copy of its parent's.
    Copy,
    /// Its parent's: where no body uses another one's memory, and all are waited for, nobody can tell, and a process that
    /// has no memory of its own is soon made and gone.
    Same,
    /// Its parent's, too, and nobody has to be waited for: on subjects whose functions have no stack there.
    Lent,
}

impl Sharing {
    /// What a tame program allows.
    pub(crate) fn of(program: &Program) -> Self {
        if program.uses_ground() { Self::Copy } else { Self::Same }
    }

    /// As a number.
    pub(crate) fn code(self) -> u32 {
        self as u32
    }

    /// Of which this is the number.
    pub(crate) fn decode(code: u32) -> Self {
        [Self::Same, Self::Lent].into_iter().find(|it| it.code() == code).unwrap_or(Self::Copy)
    }
}

/// Makes the memory of so many bodies what it was, and the memory that calls on memory work on if that was used.
pub(crate) fn refill(sys: &dyn Sys, arena: usize, bodies: usize, ground: bool) {
    for body in 0..bodies {
        sys.fill(scratch(arena, body), 0, SCRATCH);
    }
    if ground {
        sys.fill(arena + GROUND, 0, GROUND_PAGES * PAGE);
    }
}

/// Where a body's own memory begins.
pub const fn scratch(arena: usize, body: usize) -> usize {
    arena + body * (SCRATCH + PAGE)
}

/// What a body knows of earlier answers.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Descriptors, the latest last.
    pub fds: Vec<i32>,
    /// Processes; the first is the body's own.
    pub pids: Vec<i32>,
    /// Mappings: address and bytes.
    pub maps: Vec<(usize, usize)>,
    /// Other numbers.
    pub numbers: Vec<u64>,
}

fn back<T: Copy>(list: &[T], back: u8) -> Option<T> {
    list.len().checked_sub(1 + usize::from(back) % list.len().max(1)).map(|at| list[at])
}

/// Memory to look at after a call.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Which argument of the row leads to it.
    pub arg: usize,
    /// Where it is.
    pub addr: usize,
    /// Bytes.
    pub len: usize,
    /// Bytes that are kept as they are.
    pub kept: usize,
}

/// A call as it will be made.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// The registers.
    pub regs: [usize; 6],
    /// What to look at when it has ended.
    pub looks: Vec<Look>,
}

/// Puts a call's arguments in place.
pub struct Laying<'a> {
    /// The subject.
    pub sys: &'a dyn Sys,
    /// Where the program's memory is.
    pub arena: usize,
    /// Whose call it is.
    pub body: usize,
    /// What is known.
    pub answers: &'a Answers,
    /// Where a signal handler begins, and its restorer.
    pub handler: &'a dyn Fn() -> (usize, usize),
}

impl Laying<'_> {
    /// The registers of a call, and what it may fill; memory is as the values say.
    pub fn lay(&self, call: Call, values: &[Value]) -> Made {
        let mut made = Made::default();
        let (mut at, mut room) = (0, usize::MAX);
        for (arg, (&(_, kind), &value)) in call.row().args.iter().zip(values).enumerate() {
            let mut put = |reg: usize| {
                if let Some(slot) = made.regs.get_mut(at) {
                    *slot = reg;
                    at += 1;
                }
            };
            match (kind, value) {
                // What is behind an address that is the program's own, no further.
                (Kind::Int { .. }, Value::Plain(len)) if room != usize::MAX => {
                    let len = len as usize;
                    put(if len > GROUND_PAGES * PAGE { len } else { len.min(room) });
                    room = usize::MAX;
                }
                (Kind::Pointer, Value::Memory { place, .. }) => {
                    room = self.room(place);
                    put(self.address(place, arg, 0));
                }
                (Kind::In | Kind::Out, Value::Memory { place, len, seed }) => {
                    let (addr, look) = self.buffer(arg, kind == Kind::Out, place, len, seed);
                    put(addr);
                    put((length(len) as usize).min(self.room(place)));
                    made.looks.extend(look);
                }
                (Kind::Iovecs(direction), Value::Memory { place, len, seed }) => {
                    put(self.iovecs(arg, direction, place, seed, &mut made.looks));
                    put(if len == 0xffff { usize::MAX } else { usize::from(len) });
                }
                _ => put(self.value(arg, kind, value, &mut made.looks)),
            }
        }
        made
    }

    /// Bytes of a mapping: what is behind it is not the program's.
    fn room(&self, place: Place) -> usize {
        let Place::Mapping(nth) = place else { return usize::MAX };
        back(&self.answers.maps, nth).map_or(usize::MAX, |(_, len)| len)
    }

    /// An argument of one register.
    fn value(&self, arg: usize, kind: Kind, value: Value, looks: &mut Vec<Look>) -> usize {
        match (kind, value) {
            (_, Value::Plain(number)) => number as usize,
            (Kind::Fd, Value::Earlier(nth)) => back(&self.answers.fds, nth).unwrap_or(-1) as usize,
            (Kind::Pid, Value::Earlier(nth)) => back(&self.answers.pids, nth).unwrap_or(0) as usize,
            (_, Value::Earlier(nth)) => back(&self.answers.numbers, nth).unwrap_or(0) as usize,
            (Kind::Name, Value::Text(index)) => self.text(arg, NAMES[usize::from(index) % NAMES.len()]),
            (_, Value::Text(index)) => self.text(arg, PATHS[usize::from(index) % PATHS.len()]),
            (Kind::Strings, Value::Memory { place: Place::Fresh, seed, .. }) => self.strings(arg, seed),
            (Kind::Struct(name, direction), Value::Memory { place, seed, .. }) => {
                self.structure(arg, name, direction, place, seed, looks)
            }
            // A number that may be an address: of something that a call may read and fill.
            (Kind::Int { .. }, Value::Memory { place, seed, .. }) => {
                self.structure(arg, "flock", Direction::InOut, place, seed, looks)
            }
            (_, Value::Memory { place, .. }) => {
                let addr = self.address(place, arg, 16);
                if matches!(place, Place::Fresh | Place::AtHole) {
                    // No NUL before the end, for strings at a hole.
                    self.sys.poke(addr, &[b'a'; 16]);
                    if place == Place::Fresh {
                        self.sys.poke(addr + 1, &[0]);
                    }
                }
                addr
            }
        }
    }

    fn slot(&self, arg: usize) -> usize {
        scratch(self.arena, self.body) + arg * SLOT
    }

    fn hole(&self) -> usize {
        scratch(self.arena, self.body) + SCRATCH
    }

    /// Where `len` bytes of an argument begin.
    fn address(&self, place: Place, arg: usize, len: usize) -> usize {
        match place {
            Place::Fresh => self.slot(arg),
            Place::AtHole => self.hole() - len,
            Place::Null => 0,
            Place::Hole => self.hole(),
            Place::Wild => WILD,
            Place::Page(page) => self.ground(page),
            Place::Mapping(nth) => back(&self.answers.maps, nth).map_or(self.ground(nth), |map| map.0),
        }
    }

    fn ground(&self, page: u8) -> usize {
        self.arena + GROUND + usize::from(page) % GROUND_PAGES * PAGE
    }

    fn text(&self, arg: usize, text: &[u8]) -> usize {
        let addr = if text.len() < SLOT { self.slot(arg) } else { scratch(self.arena, self.body) + LONG };
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text);
        bytes.push(0);
        self.sys.poke(addr, &bytes);
        addr
    }

    fn strings(&self, arg: usize, seed: u32) -> usize {
        let addr = self.slot(arg);
        let count = (seed % 4) as usize;
        let mut words = [0_usize; 4];
        for (index, word) in words.iter_mut().enumerate().take(count) {
            *word = addr + 64 + index * 2;
            self.sys.poke(*word, &[b'a' + index as u8, 0]);
        }
        self.sys.store(addr, &words);
        addr
    }

    fn buffer(&self, arg: usize, fills: bool, place: Place, code: u16, seed: u32) -> (usize, Option<Look>) {
        let len = (length(code) as usize).min(BUFFER_MAX);
        let addr = self.address(place, arg, len);
        if !matches!(place, Place::Fresh | Place::AtHole) {
            return (addr, None);
        }
        if fills {
            self.sys.fill(addr, FRESH, len);
            return (addr, Some(Look { arg, addr, len, kept: KEPT_MAX }));
        }
        if len == 8 {
            // What an eventfd wants.
            self.sys.store(addr, &u64::from(seed % 4 + 1));
        } else {
            self.sys.poke(addr, &LETTERS[(seed % 26) as usize..][..len]);
        }
        (addr, None)
    }

    fn iovecs(&self, arg: usize, direction: Direction, place: Place, seed: u32, looks: &mut Vec<Look>) -> usize {
        let addr = self.address(place, arg, IOVECS_MAX * size_of::<Iovec>());
        if !matches!(place, Place::Fresh | Place::AtHole) {
            return addr;
        }
        let mut iovecs = [Iovec { iov_base: 0, iov_len: 0 }; IOVECS_MAX];
        for (index, iovec) in iovecs.iter_mut().enumerate() {
            let bits = seed >> (index * 8);
            iovec.iov_len = [4, 0, 1, 16, 100, 256, 3, isize::MAX as usize][bits as usize & 7];
            let own = scratch(self.arena, self.body) + IOVEC_BUFFERS + index * IOVEC_BUFFER;
            iovec.iov_base = match bits >> 3 & 15 {
                13 => 0,
                14 => self.hole(),
                15 => WILD,
                _ => own,
            };
            if iovec.iov_base == own {
                let fill = if direction == Direction::In { b'A' + index as u8 } else { FRESH };
                self.sys.fill(own, fill, IOVEC_BUFFER);
                if direction != Direction::In {
                    looks.push(Look { arg, addr: own, len: IOVEC_BUFFER, kept: 16 });
                }
            }
        }
        self.sys.store(addr, &iovecs);
        addr
    }

    fn structure(
        &self,
        arg: usize,
        name: &str,
        direction: Direction,
        place: Place,
        seed: u32,
        looks: &mut Vec<Look>,
    ) -> usize {
        let arch = self.sys.arch();
        let shape = layout(name, arch);
        let len = shape.size * shape.count;
        let addr = self.address(place, arg, len);
        if !matches!(place, Place::Fresh | Place::AtHole) {
            return addr;
        }
        if direction != Direction::In {
            looks.push(Look { arg, addr, len, kept: len });
        }
        if direction == Direction::Out {
            self.sys.fill(addr, FRESH, len);
            return addr;
        }
        let mut bytes = [0_u8; 512];
        if name == "sigaction" {
            bytes[..shape.size].copy_from_slice(&self.action(seed).encode(arch));
        } else {
            let elements = bytes[..len].chunks_exact_mut(shape.size);
            for (index, element) in elements.enumerate() {
                for (number, field) in shape.fields.iter().enumerate() {
                    let turn = (index * shape.fields.len() + number) as u32 * 3 % 30;
                    let value = self.field(field.what, arg, seed >> turn & 7, number);
                    let part = &mut element[field.at..field.at + field.len.min(8)];
                    part.copy_from_slice(&value.to_le_bytes()[..part.len()]);
                }
            }
        }
        self.sys.poke(addr, &bytes[..len]);
        addr
    }

    fn action(&self, seed: u32) -> Sigaction {
        let (entry, restorer) = (self.handler)();
        let handler = [entry, 0, 1, entry][seed as usize & 3];
        let flags = (SaFlags::NAMES.iter().enumerate())
            .filter(|(index, _)| seed >> (2 + index) & 1 != 0)
            .fold((SaFlags::SA_RESTORER | SaFlags::SA_SIGINFO).bits(), |flags, (_, named)| flags | named.1);
        // What is noted may not be torn by a second handler; and who does not ask for a siginfo finds there what there was.
        Sigaction { handler, flags: SaFlags::from_bits_retain(flags), restorer, mask: SigSet(!0) }
    }

    /// What to put into part of a structure; the first choice is the tamest.
    fn field(&self, what: What, arg: usize, choice: u32, number: usize) -> u64 {
        let choice = choice as usize;
        let pick = |list: [i64; 8]| list[choice] as u64;
        match what {
            What::Number => pick([0, 1, 2, 4096, 8, -1, i64::MAX, 100]),
            What::Bits => pick([0, 1, 4, 5, 0x2000, 0x7fff_ffff, 1 << 31, 0x42]),
            What::Seconds => pick([0, 0, 1, 0, -1, 5, 1 << 31, i64::MAX]),
            What::Nanos => pick([0, 1_000_000, 1, 999_999_999, 1_000_000_000, -1, 0x3fff_ffff, 0x3fff_fffe]),
            What::Micros => pick([0, 1000, 1, 999_999, 1_000_000, -1, 10, 100]),
            What::Fd => match choice {
                7 => u64::MAX,
                6 => 1000,
                // Each element another.
                _ => back(&self.answers.fds, (choice + number) as u8).unwrap_or(-1) as u64,
            },
            What::Signal => pick([10, 12, 14, 17, 0, 34, 65, 15]),
            What::Set => {
                pick([0, 1 << 9, 1 << 16, 1 << 13, 1 << 9 | 1 << 11, -1, 0b11111 << 33, 1 << 8 | 1 << 9 | 1 << 18])
            }
            What::Pid => back(&self.answers.pids, choice as u8).unwrap_or(0) as u64,
            What::Address => match choice {
                0..=3 => (self.slot(arg) + SLOT / 2) as u64,
                4 => 0,
                5 => self.hole() as u64,
                6 => WILD as u64,
                _ => self.ground(0) as u64,
            },
            What::Constant(value) => value,
            What::Handler | What::Inode | What::Device | What::Machine => 0,
        }
    }
}
