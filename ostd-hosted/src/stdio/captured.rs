//! `Captured`: a byte channel whose other end is the test that made the machine.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use ostd_hal::device::{ByteChannel, ChannelError, ChannelKind, Readiness};
use parking_lot::Mutex;

use crate::watch::Watch;

/// Bytes to be read by the machine, and the bytes it wrote. Clones are handles to the same.
#[derive(Clone)]
pub struct Captured(Arc<Mutex<Far>>);

struct Far {
    input: VecDeque<u8>,
    /// No more input will come.
    ended: bool,
    /// Nobody takes output any more.
    closed: bool,
    output: Vec<u8>,
    /// Where in `output` the search for the next prompt begins.
    searched: usize,
    replies: VecDeque<(Vec<u8>, Vec<u8>)>,
    kind: ChannelKind,
    window: Option<(u16, u16)>,
    /// Channels that wait for input, with the watch to tell.
    waiting: Vec<(Weak<Watch>, u32)>,
}

/// More output than this is refused with ENOSPC: a test that writes without end shall end.
const OUTPUT_MAX: usize = 64 << 20;

impl Captured {
    /// A pipe that gives `input` and then ends, and takes output.
    pub fn new(input: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(Far {
            input: input.iter().copied().collect(),
            ended: true,
            closed: false,
            output: Vec::new(),
            searched: 0,
            replies: VecDeque::new(),
            kind: ChannelKind::Pipe,
            window: None,
            waiting: Vec::new(),
        })))
    }

    /// A terminal of 24 rows and 80 columns whose input stays open until [`end`](Self::end).
    pub fn terminal() -> Self {
        let this = Self::new(b"").of_kind(ChannelKind::Terminal);
        let mut far = this.0.lock();
        (far.ended, far.window) = (false, Some((24, 80)));
        drop(far);
        this
    }

    /// The same, shown to the machine as `kind`.
    pub fn of_kind(self, kind: ChannelKind) -> Self {
        self.0.lock().kind = kind;
        self
    }

    /// Types `reply` once the machine has written `prompt`, counted from where the last prompt ended. Replies are given
    /// in the order they were asked for, so a conversation needs no second thread.
    pub fn reply(self, prompt: &[u8], reply: &[u8]) -> Self {
        let mut far = self.0.lock();
        far.replies.push_back((prompt.to_vec(), reply.to_vec()));
        far.answer();
        drop(far);
        self
    }

    /// Adds input, and tells a machine that waits for it.
    pub fn feed(&self, bytes: &[u8]) {
        let mut far = self.0.lock();
        far.input.extend(bytes);
        far.tell();
    }

    /// Ends the input after what is there.
    pub fn end(&self) {
        let mut far = self.0.lock();
        far.ended = true;
        far.tell();
    }

    /// Takes no more output: writes answer `Closed`.
    pub fn close(&self) {
        let mut far = self.0.lock();
        far.closed = true;
        far.tell();
    }

    /// Changes the window's rows and columns; the event that tells the machine is the caller's to push.
    pub fn resize(&self, rows: u16, columns: u16) {
        self.0.lock().window = Some((rows, columns));
    }

    /// What the machine has written so far.
    pub fn output(&self) -> Vec<u8> {
        self.0.lock().output.clone()
    }

    /// What the machine has written so far, as text; bytes that are none show as replacement characters.
    pub fn output_text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().output).into_owned()
    }

    /// The machine's end, which announces itself on `line` of `watch`. Several channels share input and output.
    pub fn channel(&self, watch: &Arc<Watch>, line: u32) -> Arc<dyn ByteChannel> {
        Arc::new(CapturedChannel { far: self.clone(), watch: watch.clone(), line })
    }
}

impl Far {
    fn ready(&self) -> Readiness {
        let mut ready = Readiness::WRITE;
        ready.set(Readiness::READ, self.ended || !self.input.is_empty());
        ready.set(Readiness::HANGUP, self.closed);
        ready
    }

    fn tell(&mut self) {
        for (watch, line) in self.waiting.drain(..) {
            if let Some(watch) = watch.upgrade() {
                watch.raise(line);
            }
        }
    }

    fn answer(&mut self) {
        while let Some((prompt, _)) = self.replies.front() {
            let unread = &self.output[self.searched..];
            let found = (0..=unread.len()).find(|&at| unread[at..].starts_with(prompt));
            let Some(at) = found else {
                // The prompt may have begun in the last bytes.
                self.searched += unread.len().saturating_sub(prompt.len());
                return;
            };
            self.searched += at + prompt.len();
            if let Some((_, reply)) = self.replies.pop_front() {
                self.input.extend(reply);
            }
            self.tell();
        }
    }
}

struct CapturedChannel {
    far: Captured,
    watch: Arc<Watch>,
    line: u32,
}

impl ByteChannel for CapturedChannel {
    fn kind(&self) -> ChannelKind {
        self.far.0.lock().kind
    }

    fn read(&self, into: &mut [u8]) -> Result<usize, ChannelError> {
        let mut far = self.far.0.lock();
        if far.input.is_empty() && !far.ended && !into.is_empty() {
            return Err(ChannelError::Busy);
        }
        let len = into.len().min(far.input.len());
        for (byte, taken) in into.iter_mut().zip(far.input.drain(..len)) {
            *byte = taken;
        }
        Ok(len)
    }

    fn write(&self, from: &[u8]) -> Result<usize, ChannelError> {
        let mut far = self.far.0.lock();
        if far.closed {
            return Err(ChannelError::Closed);
        }
        if far.output.len() + from.len() > OUTPUT_MAX {
            return Err(ChannelError::Errno(libc::ENOSPC));
        }
        far.output.extend_from_slice(from);
        far.answer();
        Ok(from.len())
    }

    fn ready(&self) -> Readiness {
        self.far.0.lock().ready()
    }

    fn arm(&self, what: Readiness) {
        let mut far = self.far.0.lock();
        if what.intersects(far.ready()) {
            self.watch.raise(self.line);
        } else if !far
            .waiting
            .iter()
            .any(|(watch, line)| *line == self.line && watch.as_ptr() == &raw const *self.watch)
        {
            far.waiting.push((Arc::downgrade(&self.watch), self.line));
        }
    }

    fn line(&self) -> u32 {
        self.line
    }

    fn window(&self) -> Option<(u16, u16)> {
        self.far.0.lock().window
    }
}
