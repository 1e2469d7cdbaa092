//! The terminal at a machine's serial line: raw while the machine runs, given back as it was at every end.

use std::io::{self, Read as _, Write as _};
use std::process::ChildStdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::termios::{OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::Pid;

/// Ctrl-]
const ESCAPE: u8 = 0x1d;
/// Ctrl-D: what the end of a file is on a terminal.
const END: u8 = 0x04;
/// This many escapes in a row leave the machine.
const ESCAPES: usize = 3;

/// Whoever is at our standard input: a person at a terminal, or a file of what one would type.
pub(crate) struct Terminal {
    /// How it was, if it is a terminal.
    before: Option<Termios>,
}

/// A terminal whose keys go to a machine.
pub(crate) struct Connected {
    left: Arc<AtomicBool>,
    _terminal: Terminal,
}

impl Terminal {
    /// Makes it raw: every key is the machine's.
    pub(crate) fn raw() -> Result<Self> {
        let before = match tcgetattr(io::stdin()) {
            Ok(before) => before,
            Err(Errno::ENOTTY) => return Ok(Self { before: None }),
            Err(error) => return Err(error.into()),
        };
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        // The kernel's own lines, and QEMU's, end in a bare line feed.
        raw.output_flags |= OutputFlags::OPOST | OutputFlags::ONLCR;
        eprintln!("Ctrl-] three times leaves the machine.");
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        Ok(Self { before: Some(before) })
    }

    /// Passes keys on to a QEMU until the program ends. Signals that would end the program end the QEMU too.
    pub(crate) fn connect(self, qemu: u32, mut to: ChildStdin) -> Result<Connected> {
        let qemu = Pid::from_raw(qemu.cast_signed());
        let signals = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT]);
        signals.thread_block()?;
        let before = self.before.clone();
        thread::spawn(move || {
            let Ok(signal) = signals.wait() else { return };
            let _ = kill(qemu, Signal::SIGKILL);
            drop(Self { before });
            std::process::exit(128 + signal as i32);
        });
        let left = Arc::new(AtomicBool::new(false));
        let (leave, is_terminal) = (Arc::clone(&left), self.before.is_some());
        thread::spawn(move || {
            let (mut keys, mut escapes) = ([0; 256], 0);
            while let Ok(len @ 1..) = io::stdin().read(&mut keys) {
                for key in &keys[..len] {
                    escapes = if *key == ESCAPE && is_terminal { escapes + 1 } else { 0 };
                    if escapes == ESCAPES {
                        leave.store(true, Ordering::SeqCst);
                        let _ = kill(qemu, Signal::SIGKILL);
                    }
                }
                if to.write_all(&keys[..len]).is_err() {
                    return;
                }
            }
            let _ = to.write_all(&[END]);
            // Dropped, it would be the end of the line; the machine goes on.
            std::mem::forget(to);
        });
        Ok(Connected { left, _terminal: self })
    }
}

impl Connected {
    /// Somebody typed the escapes.
    pub(crate) fn was_left(&self) -> bool {
        self.left.load(Ordering::SeqCst)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // A terminal that has gone needs nothing any more.
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, before);
        }
    }
}
