//! Pipes and FIFOs: two ends over a [`Ring`].

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;

use ostd::Machine;
use ostd::sync::atomic::AtomicBool;
use ostd::sync::{Mutex, Rank, Sleep, WaitQueue};

use super::ring::{Ring, Unit};
use crate::abi::flags::{IoctlCommand, OpenFlags};
use crate::error::{Errno, Result};
use crate::vfs::{Attributes, Block, File, IoctlContext, PollEvents, Sink, Source};

/// What both ends of a pipe share.
const PIPE: Rank = Rank::new("pipe", 40);

/// What both ends share.
pub struct Pipe {
    machine: Machine,
    state: Mutex<State>,
    /// Woken when there may be something to read, or nobody who writes.
    readers: WaitQueue,
    /// Woken when there may be room, or nobody who reads.
    writers: WaitQueue,
}

#[derive(Default)]
struct State {
    ring: Ring,
    reading: usize,
    writing: usize,
    /// How many ends for reading and for writing there have been: what opening a FIFO waits for.
    readings: u64,
    writings: u64,
    /// The permissions that fchmod(2) gave to what has no name.
    mode: Option<u32>,
}

/// Which way an open end goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Bytes come out.
    Read,
    /// Bytes go in.
    Write,
    /// Both: a FIFO opened O_RDWR.
    Both,
}

impl Direction {
    const fn reads(self) -> bool {
        !matches!(self, Self::Write)
    }

    const fn writes(self) -> bool {
        !matches!(self, Self::Read)
    }
}

/// An open end. Closing the last one of its kind ends the pipe for the other.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    direction: Direction,
    attributes: Attributes,
    /// Whether what is written here stays in packets: O_DIRECT.
    has_packets: AtomicBool,
    /// Ends for writing there had been when this was opened: before the next one, no one hung up.
    writings: u64,
}

impl Pipe {
    /// An empty pipe without ends.
    pub fn new(machine: &Machine) -> Arc<Self> {
        Arc::new(Self {
            machine: machine.clone(),
            state: Mutex::ranked(PIPE, State::default()),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
        })
    }

    /// An end, at once: the way of pipe(2).
    pub fn end(self: &Arc<Self>, direction: Direction, attributes: Attributes) -> Arc<PipeEnd> {
        self.enter(direction, attributes).0
    }

    /// An end; and if there is nobody on the other side, how often there has been somebody.
    fn enter(self: &Arc<Self>, direction: Direction, attributes: Attributes) -> (Arc<PipeEnd>, Option<u64>) {
        let mut state = self.state.lock();
        let writings = state.writings;
        if direction.reads() {
            state.reading += 1;
            state.readings += 1;
        }
        if direction.writes() {
            state.writing += 1;
            state.writings += 1;
        }
        // Looked at before anybody is woken: the other side may come, write and be gone before we could look again.
        let alone = match direction {
            Direction::Read if state.writing == 0 => Some(state.writings),
            Direction::Write if state.reading == 0 => Some(state.readings),
            _ => None,
        };
        drop(state);
        self.readers.wake_all();
        self.writers.wake_all();
        (
            Arc::new(PipeEnd {
                pipe: Arc::clone(self),
                direction,
                attributes,
                has_packets: AtomicBool::new(false),
                writings,
            }),
            alone,
        )
    }

    /// An end of a FIFO: waits for the other side as fifo(7) says. ENXIO for a writer that would not wait.
    pub fn open(self: &Arc<Self>, direction: Direction, how: Block, attributes: Attributes) -> Result<Arc<PipeEnd>> {
        if direction == Direction::Write && how == Block::Never && self.state.lock().reading == 0 {
            return Err(Errno::ENXIO);
        }
        let (end, alone) = self.enter(direction, attributes);
        let Some(seen) = alone.filter(|_| how != Block::Never) else { return Ok(end) };
        let queue = if direction == Direction::Read { &self.readers } else { &self.writers };
        let came = || {
            let state = self.state.lock();
            let now = if direction == Direction::Read { state.writings } else { state.readings };
            (now != seen).then_some(())
        };
        queue.wait_until(Sleep::interruptible(), came).map_err(|_| Errno::ERESTARTSYS)?;
        Ok(end)
    }
}

impl PipeEnd {
    /// F_GETPIPE_SZ.
    pub fn size(&self) -> usize {
        self.pipe.state.lock().ring.size()
    }

    /// F_SETPIPE_SZ, where pipes grow no further than `grown_max` bytes.
    pub fn set_size(&self, size: usize, grown_max: usize) -> Result {
        let result = self.pipe.state.lock().ring.set_size(size, grown_max);
        self.pipe.writers.wake_all();
        result
    }

    fn read_now(&self, into: &mut dyn Sink) -> Result<Option<usize>> {
        let mut state = self.pipe.state.lock();
        let want = into.remaining();
        let read = state.ring.read(want, &mut |frame, offset, len| into.put_frame(frame, offset, len))?;
        let ended = state.writing == 0;
        drop(state);
        if read > 0 {
            self.pipe.writers.wake_all();
        }
        Ok((read > 0 || ended).then_some(read))
    }

    /// As much as fits now; EPIPE when nobody reads.
    fn write_now(&self, from: &mut dyn Source) -> Result {
        let mut state = self.pipe.state.lock();
        if state.reading == 0 {
            return Err(Errno::EPIPE);
        }
        let want = from.remaining();
        let unit = if self.has_packets.load() { Unit::Packet } else { Unit::Bytes };
        let mut take = |frame: &ostd::frame::Frame, offset: usize, len: usize| from.take_into_frame(frame, offset, len);
        let written = state.ring.write(&self.pipe.machine, want, unit, &mut take)?;
        drop(state);
        if written > 0 {
            self.pipe.readers.wake_all();
        }
        Ok(written)
    }
}

impl File for PipeEnd {
    fn read(&self, into: &mut dyn Sink, _at: Option<u64>, how: Block) -> Result<usize> {
        if into.remaining() == 0 {
            return Ok(0);
        }
        loop {
            if let Some(read) = self.read_now(into)? {
                return Ok(read);
            }
            if how == Block::Never {
                return Err(Errno::EAGAIN);
            }
            let ready = || {
                let state = self.pipe.state.lock();
                (!state.ring.is_empty() || state.writing == 0).then_some(())
            };
            self.pipe.readers.wait_until(Sleep::interruptible(), ready).map_err(|_| Errno::ERESTARTSYS)?;
        }
    }

    fn write(&self, from: &mut dyn Source, _at: Option<u64>, how: Block) -> Result<usize> {
        let mut written = 0;
        while from.remaining() > 0 {
            match self.write_now(from) {
                Ok(0) => {}
                Ok(len) => {
                    written += len;
                    continue;
                }
                Err(_) if written > 0 => break,
                Err(errno) => return Err(errno),
            }
            if how == Block::Never {
                return if written > 0 { Ok(written) } else { Err(Errno::EAGAIN) };
            }
            let ready = || {
                let state = self.pipe.state.lock();
                (!state.ring.is_full() || state.reading == 0).then_some(())
            };
            if self.pipe.writers.wait_until(Sleep::interruptible(), ready).is_err() {
                return if written > 0 { Ok(written) } else { Err(Errno::ERESTARTSYS) };
            }
        }
        Ok(written)
    }

    fn poll(&self) -> PollEvents {
        let state = self.pipe.state.lock();
        let mut events = PollEvents::empty();
        if self.direction.reads() {
            if !state.ring.is_empty() {
                events |= PollEvents::POLLIN | PollEvents::POLLRDNORM;
            }
            if state.writing == 0 && state.writings != self.writings {
                events |= PollEvents::POLLHUP;
            }
        }
        if self.direction.writes() {
            if !state.ring.is_full() {
                events |= PollEvents::POLLOUT | PollEvents::POLLWRNORM;
            }
            if state.reading == 0 {
                events |= PollEvents::POLLERR;
            }
        }
        events
    }

    fn flags_changed(&self, flags: OpenFlags) -> Result<()> {
        self.has_packets.store(flags.contains(OpenFlags::O_DIRECT));
        Ok(())
    }

    fn queues(&self) -> Vec<&WaitQueue> {
        match self.direction {
            Direction::Read => vec![&self.pipe.readers],
            Direction::Write => vec![&self.pipe.writers],
            Direction::Both => vec![&self.pipe.readers, &self.pipe.writers],
        }
    }

    fn ioctl(&self, cx: &IoctlContext<'_>, command: u32, argument: usize) -> Result<usize> {
        match IoctlCommand(command) {
            IoctlCommand::FIONREAD => {
                let len = i32::try_from(self.pipe.state.lock().ring.len()).unwrap_or(i32::MAX);
                cx.write_value(argument, &len)?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn tells_owner(&self) -> bool {
        true
    }

    fn attributes(&self) -> Result<Attributes> {
        let mode = self.pipe.state.lock().mode.unwrap_or(self.attributes.mode);
        Ok(Attributes { mode, ..self.attributes })
    }

    fn set_mode(&self, mode: u32) -> Result<()> {
        self.pipe.state.lock().mode = Some(mode);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        if self.direction.reads() {
            state.reading -= 1;
        }
        if self.direction.writes() {
            state.writing -= 1;
        }
        // What nobody can read any more goes back at once; a FIFO may be opened again, empty.
        let abandoned = (state.reading + state.writing == 0).then(|| core::mem::take(&mut state.ring));
        drop(state);
        drop(abandoned);
        self.pipe.readers.wake_all();
        self.pipe.writers.wake_all();
    }
}
