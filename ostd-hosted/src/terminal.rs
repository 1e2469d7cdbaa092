//! The host's terminal as a machine's terminal: raw, drained unasked, and with a way out.
//!
//! The guest's line discipline does everything a terminal does (echo, line editing, Ctrl-C, newlines), so the host's
//! does nothing. What somebody types is taken from the host at once, whether or not the guest reads: only so can
//! Ctrl-] three times in a row end a machine that is stuck.
//!
//! A terminal that others outside use as well (a pager behind a pipe, the shell's user) is left as it is, and its input
//! to them, until the guest reads it.
//!
//! Lock order: a terminal's input, then the [`Watch`].

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use ostd_hal::device::{ByteChannel, ChannelError, ChannelKind, OutsideEvent, Readiness};
use parking_lot::Mutex;

use crate::outside::Outside;
use crate::stdio::descriptor::Descriptor;
use crate::watch::{Source, Watch};

pub(crate) mod raw;

pub use raw::{RawMode, give_back, say};

/// The byte that, typed [`ESCAPE_TIMES`] times in a row, stops the machine: Ctrl-].
const ESCAPE: u8 = 0x1d;
/// How often in a row.
const ESCAPE_TIMES: usize = 3;
/// Typed bytes kept for a guest that does not read. What comes after is lost, as on a serial line; the escape is not.
const INPUT_MAX: usize = 1 << 20;

/// Whether a terminal is the machine's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is raw, and its input taken, from the beginning.
    Alone,
    /// It is so from the first read.
    Shared,
}

/// A terminal of the host, raw for as long as this lives, or from the first read on.
pub struct HostTerminal {
    descriptor: Descriptor,
    raw: OnceLock<Option<RawMode>>,
    how: Use,
    input: Mutex<Input>,
    watch: Arc<Watch>,
    outside: Arc<Outside>,
    line: u32,
}

#[derive(Default)]
struct Input {
    typed: VecDeque<u8>,
    /// How many of the last bytes were the escape.
    escapes: usize,
    /// The terminal hung up.
    ended: bool,
    /// Somebody waits for input.
    armed: bool,
}

impl HostTerminal {
    /// Makes the terminal `fd` raw and takes its input for a machine, now or at the first read. The caller adds it to
    /// `watch` as a [`Source`].
    ///
    /// Fails with ENOTTY if `fd` is no terminal, and with EBUSY if the process holds a raw terminal already.
    pub fn new(fd: impl AsFd, watch: &Arc<Watch>, outside: &Arc<Outside>, line: u32, how: Use) -> io::Result<Self> {
        let raw = match how {
            Use::Alone => OnceLock::from(Some(RawMode::enter(&fd)?)),
            Use::Shared => OnceLock::new(),
        };
        Ok(Self {
            descriptor: Descriptor::new(&fd)?,
            raw,
            how,
            input: Mutex::new(Input::default()),
            watch: watch.clone(),
            outside: outside.clone(),
            line,
        })
    }

    /// Takes the terminal over, if that has not been done.
    fn engage(&self) {
        if self.raw.get().is_none() {
            self.raw.get_or_init(|| RawMode::enter(self.descriptor.polled()).ok());
            // It is to be polled from now on.
            self.watch.wake();
        }
    }

    /// Whether its input is ours to take now.
    fn is_ours(&self) -> bool {
        self.raw.get().and_then(Option::as_ref).is_some_and(RawMode::is_foreground)
    }

    /// Takes from the host what was typed.
    fn drain(&self, input: &mut Input) {
        let mut bytes = [0; 4096];
        // In the background, a read would stop the process; the bytes are for another anyway.
        while !input.ended && self.is_ours() {
            match self.descriptor.read(&mut bytes) {
                Ok(len) if len > 0 => self.take(input, &bytes[..len]),
                Err(ChannelError::Busy) => break,
                Ok(_) | Err(_) => input.ended = true,
            }
        }
        if input.armed && (input.ended || !input.typed.is_empty()) {
            input.armed = false;
            self.watch.raise(self.line);
        }
    }

    fn take(&self, input: &mut Input, bytes: &[u8]) {
        for &byte in bytes {
            input.escapes = if byte == ESCAPE { input.escapes + 1 } else { 0 };
            if input.escapes == ESCAPE_TIMES {
                input.escapes = 0;
                self.outside.push(OutsideEvent::Stop);
            } else if input.typed.len() < INPUT_MAX {
                input.typed.push_back(byte);
            }
        }
    }
}

impl Drop for HostTerminal {
    fn drop(&mut self) {
        self.watch.disarm(self.line);
    }
}

impl Source for HostTerminal {
    fn descriptor(&self) -> Option<Arc<OwnedFd>> {
        (!self.input.lock().ended && self.is_ours()).then(|| self.descriptor.polled().clone())
    }

    fn readable(&self) {
        self.drain(&mut self.input.lock());
    }
}

impl ByteChannel for HostTerminal {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Terminal
    }

    fn read(&self, into: &mut [u8]) -> Result<usize, ChannelError> {
        self.engage();
        let mut input = self.input.lock();
        if input.typed.is_empty() {
            self.drain(&mut input);
        }
        if input.typed.is_empty() && !input.ended && !into.is_empty() {
            return Err(ChannelError::Busy);
        }
        let len = into.len().min(input.typed.len());
        for (byte, typed) in into.iter_mut().zip(input.typed.drain(..len)) {
            *byte = typed;
        }
        Ok(len)
    }

    fn write(&self, from: &[u8]) -> Result<usize, ChannelError> {
        self.descriptor.write(from)
    }

    fn ready(&self) -> Readiness {
        let mut input = self.input.lock();
        if input.typed.is_empty() {
            self.drain(&mut input);
        }
        let mut ready = self.descriptor.ready();
        ready.set(Readiness::READ, input.ended || !input.typed.is_empty());
        ready
    }

    fn arm(&self, what: Readiness) {
        if what.contains(Readiness::READ) {
            self.engage();
        }
        let mut input = self.input.lock();
        if what.contains(Readiness::READ) {
            if input.ended || !input.typed.is_empty() {
                self.watch.raise(self.line);
            } else {
                input.armed = true;
            }
        }
        let other = what - Readiness::READ;
        if !other.is_empty() {
            self.descriptor.arm(other, &self.watch, self.line);
        }
    }

    fn line(&self) -> u32 {
        self.line
    }

    fn is_shared(&self) -> bool {
        self.how == Use::Shared
    }

    fn window(&self) -> Option<(u16, u16)> {
        self.descriptor.window()
    }
}

#[cfg(test)]
mod tests;
