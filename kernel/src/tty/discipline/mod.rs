//! The line discipline: what a terminal makes of the bytes typed at it and written to it. Pure; see termios(3).
//!
//! Here are modes, keys that work in every mode, and what waits to be read; `edit` is the line being typed, `output`
//! what becomes of bytes on their way to the device.

mod edit;
mod output;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::abi::flags::{
    ControlFlags, InputFlags, LocalFlags, OutputFlags, POSIX_VDISABLE, VDISCARD, VEOF, VERASE, VINTR, VKILL, VLNEXT,
    VMIN, VQUIT, VREPRINT, VSTART, VSTOP, VSUSP, VTIME, VWERASE,
};
use crate::abi::signal::Signal;
use crate::abi::structs::Termios;

/// Bytes that wait to be read, at most; of a line one less, so that its end always finds room.
pub const INPUT_MAX: usize = 4096;

const TAB_WIDTH: usize = 8;

/// A terminal's modes, the line being typed, and what waits to be read.
pub struct Discipline {
    termios: Termios,
    /// The line being typed, in canonical mode.
    editing: Vec<u8>,
    /// Finished lines; one that is empty is an end of file. Without canonical mode, where lines end does not matter.
    done: VecDeque<VecDeque<u8>>,
    /// The next byte is taken literally (VLNEXT).
    literal: bool,
    /// Output is held (VSTOP).
    stopped: bool,
    /// The cursor's column, and where it was when the line being typed began.
    column: usize,
    line_column: usize,
}

/// What typing caused besides input.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Effects {
    /// Bytes to show, ready for the device.
    pub echo: Vec<u8>,
    /// Signals for the foreground group.
    pub signals: Vec<Signal>,
}

/// How many bytes a read without canonical mode waits for, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// VMIN.
    pub min: usize,
    /// VTIME, in nanoseconds.
    pub time_ns: u64,
}

/// The modes of a terminal nobody has touched, as Linux's `tty_std_termios`.
pub fn default_termios() -> Termios {
    let mut c_cc = [POSIX_VDISABLE; 19];
    let keys = [
        (VINTR, 3),
        (VQUIT, 0x1c),
        (VERASE, 0x7f),
        (VKILL, 0x15),
        (VEOF, 4),
        (VMIN, 1),
        (VSTART, 0x11),
        (VSTOP, 0x13),
        (VSUSP, 0x1a),
        (VREPRINT, 0x12),
        (VDISCARD, 0x0f),
        (VWERASE, 0x17),
        (VLNEXT, 0x16),
    ];
    for (key, byte) in keys {
        c_cc[key] = byte;
    }
    let local = LocalFlags::ISIG
        | LocalFlags::ICANON
        | LocalFlags::ECHO
        | LocalFlags::ECHOE
        | LocalFlags::ECHOK
        | LocalFlags::ECHOCTL
        | LocalFlags::ECHOKE
        | LocalFlags::IEXTEN;
    Termios {
        c_iflag: (InputFlags::ICRNL | InputFlags::IXON).bits(),
        c_oflag: (OutputFlags::OPOST | OutputFlags::ONLCR).bits(),
        c_cflag: crate::abi::flags::B38400 | (ControlFlags::CS8 | ControlFlags::CREAD | ControlFlags::HUPCL).bits(),
        c_lflag: local.bits(),
        c_line: 0,
        c_cc,
    }
}

impl Default for Discipline {
    fn default() -> Self {
        Self {
            termios: default_termios(),
            editing: Vec::new(),
            done: VecDeque::new(),
            literal: false,
            stopped: false,
            column: 0,
            line_column: 0,
        }
    }
}

impl Discipline {
    /// The modes.
    pub fn termios(&self) -> &Termios {
        &self.termios
    }

    /// Changes the modes. What was typed stays: leaving or entering canonical mode makes all of it readable.
    pub fn set_termios(&mut self, termios: Termios) {
        let was = self.local().contains(LocalFlags::ICANON);
        self.termios = termios;
        if was != self.local().contains(LocalFlags::ICANON) {
            let line = core::mem::take(&mut self.editing);
            if !line.is_empty() {
                self.done.push_back(line.into());
            }
            if was {
                self.done.retain(|line| !line.is_empty());
            }
            self.literal = false;
        }
        if !self.iflag(InputFlags::IXON) {
            self.stopped = false;
        }
    }

    /// Bytes that can be taken now; those typed beyond wait outside. A line that is too long is taken and cut.
    pub fn room(&self) -> usize {
        let used = self.pending() + self.editing.len();
        let room = (INPUT_MAX - 1).saturating_sub(used);
        if room == 0 && self.local().contains(LocalFlags::ICANON) && self.done.is_empty() { 1 } else { room }
    }

    /// Bytes that a read could give, as FIONREAD counts them.
    pub fn pending(&self) -> usize {
        self.done.iter().map(VecDeque::len).sum()
    }

    /// Whether a read gives something (perhaps an end of file) without waiting.
    pub fn is_readable(&self) -> bool {
        match self.patience() {
            None => !self.done.is_empty(),
            Some(Patience { min, time_ns: 0 }) => self.pending() >= min.max(1),
            Some(_) => self.pending() > 0,
        }
    }

    /// What a read waits for, without canonical mode.
    pub fn patience(&self) -> Option<Patience> {
        let cc = &self.termios.c_cc;
        (!self.local().contains(LocalFlags::ICANON))
            .then(|| Patience { min: usize::from(cc[VMIN]), time_ns: u64::from(cc[VTIME]) * 100_000_000 })
    }

    /// Whether output is held back.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Holds output back, or lets it go (TCXONC).
    pub fn set_stopped(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    /// Takes what a read gives now: in canonical mode no more than one line, and nothing at an end of file.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        let canonical = self.local().contains(LocalFlags::ICANON);
        let mut len = 0;
        while let Some(line) = self.done.front_mut() {
            let part = line.len().min(into.len() - len);
            for (slot, byte) in into[len..].iter_mut().zip(line.drain(..part)) {
                *slot = byte;
            }
            len += part;
            if !line.is_empty() {
                break;
            }
            self.done.pop_front();
            if canonical {
                break;
            }
        }
        len
    }

    /// Forgets what was typed.
    pub fn flush_input(&mut self) {
        self.editing.clear();
        self.done.clear();
        self.literal = false;
    }

    /// Makes the line being typed readable: nothing more will come.
    pub fn end(&mut self) {
        let line = core::mem::take(&mut self.editing);
        if !line.is_empty() {
            self.done.push_back(line.into());
        }
    }

    /// Takes one byte from the keyboard.
    pub fn input(&mut self, byte: u8, effects: &mut Effects) {
        let mut byte = byte;
        if self.iflag(InputFlags::ISTRIP) {
            byte &= 0x7f;
        }
        if core::mem::take(&mut self.literal) {
            return self.store(byte, effects);
        }
        if self.iflag(InputFlags::IUCLC) && self.has(LocalFlags::IEXTEN) {
            byte = byte.to_ascii_lowercase();
        }
        if self.flow(byte) || self.signal(byte, effects) {
            return;
        }
        match byte {
            b'\r' if self.iflag(InputFlags::IGNCR) => return,
            b'\r' if self.iflag(InputFlags::ICRNL) => byte = b'\n',
            b'\n' if self.iflag(InputFlags::INLCR) => byte = b'\r',
            _ => {}
        }
        if !self.has(LocalFlags::ICANON) || !self.edit(byte, effects) {
            self.store(byte, effects);
        }
    }

    fn local(&self) -> LocalFlags {
        LocalFlags::from_bits_retain(self.termios.c_lflag)
    }

    fn has(&self, flag: LocalFlags) -> bool {
        self.local().contains(flag)
    }

    fn iflag(&self, flag: InputFlags) -> bool {
        InputFlags::from_bits_retain(self.termios.c_iflag).contains(flag)
    }

    fn oflag(&self, flag: OutputFlags) -> bool {
        OutputFlags::from_bits_retain(self.termios.c_oflag).contains(flag)
    }

    /// Whether `byte` is the key `which`. A key set to nothing is no key.
    fn is_key(&self, byte: u8, which: usize) -> bool {
        let key = self.termios.c_cc[which];
        key != POSIX_VDISABLE && key == byte
    }

    fn flow(&mut self, byte: u8) -> bool {
        if !self.iflag(InputFlags::IXON) {
            return false;
        }
        if self.is_key(byte, VSTART) {
            self.stopped = false;
            return true;
        }
        if self.is_key(byte, VSTOP) {
            self.stopped = true;
            return true;
        }
        if self.iflag(InputFlags::IXANY) {
            self.stopped = false;
        }
        false
    }

    fn signal(&mut self, byte: u8, effects: &mut Effects) -> bool {
        if !self.has(LocalFlags::ISIG) {
            return false;
        }
        let keys = [(VINTR, Signal::SIGINT), (VQUIT, Signal::SIGQUIT), (VSUSP, Signal::SIGTSTP)];
        let Some((_, signal)) = keys.into_iter().find(|&(key, _)| self.is_key(byte, key)) else { return false };
        if !self.has(LocalFlags::NOFLSH) {
            self.flush_input();
        }
        self.stopped = false;
        self.echo(byte, effects);
        effects.signals.push(signal);
        true
    }
}

#[cfg(test)]
mod tests;
