//! The console: a byte channel of the machine behind a line discipline, and who is at work on it.
//!
//! A task of its own takes what is typed, so that the interrupt key works while nobody reads. Locks, in this order:
//! `output` (held while bytes go out), then the spin locks, which do not nest.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::Machine;
use ostd::device::{ByteChannel, Readiness};
use ostd::sync::atomic::AtomicBool;
use ostd::sync::{Mutex, Sleep, SpinLock, WaitError, WaitQueue};
use ostd::task::Task;

use super::discipline::{Discipline, Effects, Patience};
use crate::abi::flags::OutputFlags;
use crate::abi::signal::Signal;
use crate::abi::structs::{Termios, Winsize};
use crate::driver::Stream;
use crate::error::{Errno, OrErrno as _, Result};

/// Bytes that are processed at a time on their way out.
const CHUNK: usize = 512;

/// Sends signals for a terminal, which knows no processes.
pub trait Foreground: Send + Sync {
    /// Sends `signal` to every process of `group`.
    fn signal(&self, group: i32, signal: Signal);
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
    output: Mutex<()>,
    /// Shown typing that found the channel busy; goes out before anything else.
    echo: SpinLock<Vec<u8>>,
    window: SpinLock<Winsize>,
    job: SpinLock<Job>,
    foreground: SpinLock<Option<Arc<dyn Foreground>>>,
    /// Nothing more will be typed.
    ended: AtomicBool,
    /// The machine is about to go.
    closed: AtomicBool,
}

impl Console {
    /// A terminal over `channel`, whose keys work from now on.
    pub fn new(machine: &Machine, channel: Arc<dyn ByteChannel>) -> Result<Arc<Self>> {
        let window = window_of(&*channel);
        let console = Arc::new(Self {
            machine: machine.clone(),
            stream: Stream::new(machine, channel),
            line: SpinLock::default(),
            changed: WaitQueue::new(),
            output: Mutex::new(()),
            echo: SpinLock::default(),
            window: SpinLock::new(window),
            job: SpinLock::default(),
            foreground: SpinLock::default(),
            ended: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        let typist = Arc::clone(&console);
        Task::spawn(machine, "tty", Box::new(()), move || typist.take_typing()).or_errno()?;
        Ok(console)
    }

    /// Says who sends signals for it.
    pub fn set_foreground(&self, foreground: Arc<dyn Foreground>) {
        let old = self.foreground.lock().replace(foreground);
        drop(old);
    }

    /// Ends its task and forgets who sends signals: for a machine that ends.
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

    /// Changes the modes.
    pub fn set_termios(&self, termios: Termios) {
        self.line.lock().set_termios(termios);
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

    /// Reads as the modes say; `Ok(0)` is an end of file, or patience that ended.
    pub fn read(&self, into: &mut [u8], sleep: Option<Sleep>) -> Result {
        if into.is_empty() {
            return Ok(0);
        }
        let patience = self.line.lock().patience();
        if let Some(Patience { min: 0, time_ns: 0 }) = patience {
            return Ok(self.take(into));
        }
        let Some(sleep) = sleep else {
            let readable = self.line.lock().is_readable() || self.ended.load();
            return if readable { Ok(self.take(into)) } else { Err(Errno::EAGAIN) };
        };
        let waited = match patience {
            None => self.wait_for(1, sleep),
            Some(Patience { min, time_ns: 0 }) => self.wait_for(min.min(into.len()), sleep),
            Some(Patience { min: 0, time_ns }) => self.wait_for(1, self.within(sleep, time_ns)),
            Some(Patience { min, time_ns }) => self.wait_between(min.min(into.len()), time_ns, sleep),
        };
        match waited {
            Ok(()) | Err(WaitError::TimedOut) => Ok(self.take(into)),
            Err(WaitError::Interrupted) => Err(Errno::ERESTARTSYS),
        }
    }

    /// Writes all of `from`, or what went out before a signal came.
    pub fn write(&self, from: &[u8], sleep: Option<Sleep>) -> Result {
        if self.closed.load() {
            return Err(Errno::EIO);
        }
        if sleep.is_none() && !from.is_empty() && !self.ready().contains(Readiness::WRITE) {
            return Err(Errno::EAGAIN);
        }
        let sleep = sleep.unwrap_or(Sleep::interruptible());
        let mut written = 0;
        for chunk in from.chunks(CHUNK) {
            match self.write_chunk(chunk, sleep) {
                Ok(()) => written += chunk.len(),
                Err(_) if written > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        self.flush_echo();
        Ok(written)
    }

    fn write_chunk(&self, chunk: &[u8], sleep: Sleep) -> Result<()> {
        let free = || (!self.line.lock().is_stopped() || self.closed.load()).then_some(());
        self.changed.wait_until(sleep, free).map_err(|_| Errno::ERESTARTSYS)?;
        let _output = self.output.lock();
        let mut out = core::mem::take(&mut *self.echo.lock());
        let begun = out.len();
        {
            let mut line = self.line.lock();
            if OutputFlags::from_bits_retain(line.termios().c_oflag).contains(OutputFlags::OPOST) {
                line.output(chunk, &mut out);
            } else {
                out.extend_from_slice(chunk);
            }
        }
        let mut at = 0;
        while at < out.len() {
            match self.stream.write(&out[at..], Some(sleep)) {
                Ok(len) => at += len,
                // What is on its way cannot be called back: the rest is dropped, as by a flush.
                Err(Errno::ERESTARTSYS) if at > begun => break,
                Err(Errno::EPIPE) => return Err(Errno::EIO),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Shows what was typed, as far as the channel takes it now.
    fn flush_echo(&self) {
        // Who has the lock shows it.
        while let Some(output) = self.output.try_lock() {
            let bytes = core::mem::take(&mut *self.echo.lock());
            let mut at = 0;
            while at < bytes.len()
                && let Ok(len) = self.stream.write(&bytes[at..], None)
            {
                at += len;
            }
            let mut echo = self.echo.lock();
            echo.splice(0..0, bytes[at..].iter().copied());
            let rest = echo.len();
            drop(echo);
            drop(output);
            if at < bytes.len() || rest == 0 {
                return;
            }
        }
    }

    fn take(&self, into: &mut [u8]) -> usize {
        let len = self.line.lock().read(into);
        // There is room for more typing.
        self.changed.wake_all();
        len
    }

    fn within(&self, sleep: Sleep, time_ns: u64) -> Sleep {
        sleep.until(Some(self.machine.monotonic_ns().saturating_add(time_ns)))
    }

    fn wait_for(&self, count: usize, sleep: Sleep) -> core::result::Result<(), WaitError> {
        self.changed.wait_until(sleep, || {
            let line = self.line.lock();
            let enough = if line.patience().is_none() { line.is_readable() } else { line.pending() >= count };
            (enough || self.ended.load()).then_some(())
        })
    }

    /// Waits for `count` bytes, but after the first only `time_ns` for each next one.
    fn wait_between(&self, count: usize, time_ns: u64, sleep: Sleep) -> core::result::Result<(), WaitError> {
        self.wait_for(1, sleep)?;
        loop {
            let have = self.pending();
            if have >= count || self.ended.load() {
                return Ok(());
            }
            self.wait_for(have + 1, self.within(sleep, time_ns))?;
        }
    }

    /// The task: types for who sits outside.
    fn take_typing(&self) {
        let mut bytes = [0; 256];
        loop {
            let room =
                || if self.closed.load() { Some(0) } else { Some(self.line.lock().room()).filter(|&room| room > 0) };
            let Ok(room) = self.changed.wait_until(Sleep::uninterruptible(), room) else { continue };
            let part = room.min(bytes.len());
            let typed = self.stream.queue().wait_until(Sleep::uninterruptible(), || {
                if self.closed.load() {
                    return Some(Ok(0));
                }
                match self.stream.read(&mut bytes[..part], None) {
                    Err(Errno::EAGAIN) => {
                        self.stream.channel().arm(Readiness::READ);
                        None
                    }
                    settled => Some(settled),
                }
            });
            match typed {
                Ok(Ok(len)) if len > 0 => self.typed(&bytes[..len]),
                _ => break,
            }
        }
        self.line.lock().end();
        self.ended.store(true);
        self.changed.wake_all();
    }

    fn typed(&self, bytes: &[u8]) {
        let mut effects = Effects::default();
        {
            let mut line = self.line.lock();
            for &byte in bytes {
                line.input(byte, &mut effects);
            }
        }
        for &signal in &effects.signals {
            self.signal(signal);
        }
        self.echo.lock().extend_from_slice(&effects.echo);
        self.flush_echo();
        self.changed.wake_all();
    }
}

fn window_of(channel: &dyn ByteChannel) -> Winsize {
    let (ws_row, ws_col) = channel.window().unwrap_or_default();
    Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ostd::hosted::stdio::Captured;
    use ostd::hosted::watch::Watch;
    use ostd::hosted::{Hosted, HostedConfig};
    use ostd::sched::Fifo;
    use ostd::sync::{Sleep, SpinLock};
    use ostd::task::Task;
    use ostd::{Machine, MachineConfig};

    use super::{Console, Foreground, Job};
    use crate::abi::signal::Signal;

    struct Heard(SpinLock<Vec<(i32, Signal)>>);

    impl Foreground for Heard {
        fn signal(&self, group: i32, signal: Signal) {
            self.0.lock().push((group, signal));
        }
    }

    #[test]
    fn who_sits_outside_talks_with_a_program_and_interrupts_it() {
        let watch = Watch::new();
        let config = HostedConfig { watch: Some(Arc::clone(&watch)), ..HostedConfig::default() };
        let machine = Machine::new(Hosted::new(&config).expect("memory"), MachineConfig::default());
        machine.set_scheduler(Arc::new(Fifo::default()));
        let far = Captured::terminal().reply(b"name? ", b"yoy\x7fu\r").reply(b"hello", b"\x03");
        let channel = far.channel(&watch, 1);
        let console = Console::new(&machine, channel).expect("a stack");
        let heard = Arc::new(Heard(SpinLock::default()));
        console.set_foreground(heard.clone());
        console.set_job(Job { session: 1, group: 7 });
        let (handle, tty) = (machine.clone(), console.clone());
        Task::spawn(&machine, "program", Box::new(()), move || {
            let sleep = Some(Sleep::interruptible());
            assert_eq!(tty.write(b"name? ", sleep), Ok(6));
            let mut line = [0; 80];
            assert_eq!(tty.read(&mut line, sleep), Ok(4));
            assert_eq!(&line[..4], b"you\n");
            assert_eq!(tty.write(b"hello\n", sleep), Ok(6));
            while heard.0.lock().is_empty() {
                Task::yield_now();
            }
            assert_eq!(*heard.0.lock(), [(7, Signal::SIGINT)]);
            tty.close();
            // The typist ends first.
            for _ in 0..4 {
                Task::yield_now();
            }
            handle.stop();
        })
        .expect("a stack");
        machine.run().expect("it stops");
        assert_eq!(far.output_text(), "name? yoy\u{8} \u{8}u\r\nhello\r\n^C");
        machine.detach();
        drop(console);
        assert_eq!(machine.task_count(), 0);
    }
}
