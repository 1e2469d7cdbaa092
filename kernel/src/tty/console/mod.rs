//! The console: a byte channel of the machine behind a line discipline, and whose terminal it is.
//!
//! `input` is what is typed, `output` what programs write. A task of its own takes what is typed, so that the interrupt
//! key works while nobody reads. Locks, in this order: `writing` (held while bytes go out), then the spin locks, which
//! do not nest.

pub(super) mod input;
mod output;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::Machine;
use ostd::device::{ByteChannel, Readiness};
use ostd::sync::atomic::{AtomicBool, AtomicU32};
use ostd::sync::{Mutex, SpinLock, WaitQueue};
use ostd::task::Task;

use super::discipline::Discipline;
use super::file::TtyFile;
use crate::abi::signal::Signal;
use crate::abi::structs::{Termios, Winsize, device_number};
use crate::driver::Stream;
use crate::error::{OrErrno as _, Result};
use crate::process::ControllingTerminal;
use crate::vfs::File;

/// Speaks for a terminal to processes.
pub trait Foreground: Send + Sync {
    /// Sends `signal` to every process of `group`.
    fn signal(&self, group: i32, signal: Signal);
    /// Takes the terminal away from `session` and tells its leader.
    fn hang_up(&self, session: i32);
}

/// Whose terminal it is; zero is nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Job {
    /// The session whose controlling terminal it is.
    pub session: i32,
    /// The process group that may read, and that keys signal.
    pub group: i32,
}

/// A terminal over a byte channel.
pub struct Console {
    machine: Machine,
    stream: Stream,
    line: SpinLock<Discipline>,
    /// Woken when what a reader or a stopped writer waits for may have come true.
    changed: WaitQueue,
    writing: Mutex<()>,
    /// Shown typing that found the channel busy; goes out before anything else.
    echo: SpinLock<Vec<u8>>,
    window: SpinLock<Winsize>,
    job: SpinLock<Job>,
    foreground: SpinLock<Option<Arc<dyn Foreground>>>,
    /// How often it has hung up: files opened before the last time are dead.
    hang_ups: AtomicU32,
    /// A program wants what is typed.
    wanted: AtomicBool,
    /// Nothing more will be typed.
    ended: AtomicBool,
    /// The machine is about to go.
    closed: AtomicBool,
}

impl Console {
    /// A terminal over `channel`, whose keys work from now on; or, if others outside read from it too, from the moment
    /// that a program wants what is typed.
    pub fn new(machine: &Machine, channel: Arc<dyn ByteChannel>) -> Result<Arc<Self>> {
        let window = window_of(&*channel);
        let wanted = !channel.is_shared();
        let console = Arc::new(Self {
            machine: machine.clone(),
            stream: Stream::new(machine, channel),
            line: SpinLock::default(),
            changed: WaitQueue::new(),
            writing: Mutex::new(()),
            echo: SpinLock::default(),
            window: SpinLock::new(window),
            job: SpinLock::default(),
            foreground: SpinLock::default(),
            hang_ups: AtomicU32::new(0),
            wanted: AtomicBool::new(wanted),
            ended: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        let typist = Arc::clone(&console);
        Task::spawn(machine, "tty", Box::new(()), move || typist.take_typing()).or_errno()?;
        Ok(console)
    }

    /// Says who speaks for it.
    pub fn set_foreground(&self, foreground: Arc<dyn Foreground>) {
        let old = self.foreground.lock().replace(foreground);
        drop(old);
    }

    /// Ends its task and forgets who speaks for it: for a machine that ends.
    pub fn close(&self) {
        self.closed.store(true);
        self.ended.store(true);
        let old = self.foreground.lock().take();
        drop(old);
        self.stream.queue().wake_all();
        self.changed.wake_all();
    }

    /// Whose terminal it is.
    pub fn job(&self) -> Job {
        *self.job.lock()
    }

    /// Gives it to another session or group.
    pub fn set_job(&self, job: Job) {
        *self.job.lock() = job;
    }

    /// Sends a signal to the group at work.
    pub fn signal(&self, signal: Signal) {
        let (group, foreground) = (self.job().group, self.foreground.lock().clone());
        if let Some(foreground) = foreground
            && group > 0
        {
            foreground.signal(group, signal);
        }
    }

    /// Rows and columns.
    pub fn window(&self) -> Winsize {
        *self.window.lock()
    }

    /// Changes rows and columns; the group at work hears of it if they differ.
    pub fn set_window(&self, window: Winsize) {
        let old = core::mem::replace(&mut *self.window.lock(), window);
        if old != window {
            self.signal(Signal::SIGWINCH);
        }
    }

    /// Takes rows and columns from outside, where they changed.
    pub fn window_changed(&self) {
        self.set_window(window_of(self.stream.channel()));
    }

    /// The modes.
    pub fn termios(&self) -> Termios {
        *self.line.lock().termios()
    }

    /// Changes the modes: who does that will read.
    pub fn set_termios(&self, termios: Termios) {
        self.line.lock().set_termios(termios);
        self.want();
        self.changed.wake_all();
    }

    /// Forgets what was typed and not yet read.
    pub fn flush_input(&self) {
        self.line.lock().flush_input();
        self.changed.wake_all();
    }

    /// Holds output back, or lets it go.
    pub fn set_stopped(&self, stopped: bool) {
        self.line.lock().set_stopped(stopped);
        self.changed.wake_all();
    }

    /// Bytes a read could give.
    pub fn pending(&self) -> usize {
        self.line.lock().pending()
    }

    /// How often it has hung up.
    pub(super) fn hang_ups(&self) -> u32 {
        self.hang_ups.load()
    }

    /// What would work now. [`queues`](Self::queues) are woken when more does.
    pub fn ready(&self) -> Readiness {
        let mut ready = self.stream.channel().ready() & Readiness::WRITE;
        if ready.is_empty() {
            self.stream.channel().arm(Readiness::WRITE);
        }
        let line = self.line.lock();
        ready.set(Readiness::READ, line.is_readable() || self.ended.load());
        if line.is_stopped() {
            ready.remove(Readiness::WRITE);
        }
        ready.set(Readiness::HANGUP, self.ended.load());
        ready
    }

    /// Woken when [`ready`](Self::ready) may have changed.
    pub fn queues(&self) -> [&WaitQueue; 2] {
        [&self.changed, self.stream.queue()]
    }
}

impl ControllingTerminal for Console {
    fn hang_up(&self) {
        *self.job.lock() = Job::default();
        self.line.lock().flush_input();
        self.hang_ups.fetch_add(1);
        self.changed.wake_all();
        self.stream.queue().wake_all();
    }

    fn foreground(&self) -> i32 {
        self.job().group
    }

    fn device(&self) -> u64 {
        device_number(5, 1)
    }

    fn open(self: Arc<Self>) -> Arc<dyn File> {
        TtyFile::of(&self)
    }
}

fn window_of(channel: &dyn ByteChannel) -> Winsize {
    let (ws_row, ws_col) = channel.window().unwrap_or_default();
    Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }
}
