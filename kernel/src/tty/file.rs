//! A terminal as a file.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;

use ostd::device::Readiness;
use ostd::sync::{Sleep, WaitQueue};

use super::console::Console;
use super::console::input::Reader;
use super::job;
use crate::abi::flags::{IoctlCommand, LocalFlags, TCIFLUSH, TCIOFLUSH, TCOFLUSH, TCOOFF, TCOON};
use crate::abi::signal::Signal;
use crate::abi::structs::{Termios, Termios2, Winsize, device_number};
use crate::error::{Errno, Result};
use crate::vfs::{Attributes, Block, File, FileKind, IoctlContext, PollEvents, Sink, Source};

/// Bytes that one read or one step of a write moves, at most.
const CHUNK: usize = 4096;

/// Baud rate that is shown; no bytes wait for it.
const SPEED: u32 = 38400;

/// A terminal as a file: `/dev/console`, `/dev/tty`, and standard streams. When the terminal hangs up it is dead.
pub struct TtyFile {
    console: Arc<Console>,
    /// How often the terminal had hung up before.
    hang_ups: u32,
}

impl TtyFile {
    /// A file for `console`; there may be many.
    pub fn of(console: &Arc<Console>) -> Arc<dyn File> {
        Arc::new(Self { console: Arc::clone(console), hang_ups: console.hang_ups() })
    }

    fn is_dead(&self) -> bool {
        self.console.hang_ups() != self.hang_ups
    }

    fn set_modes(&self, cx: &IoctlContext<'_>, command: IoctlCommand, argument: usize) -> Result<()> {
        let termios = match command {
            IoctlCommand::TCSETS | IoctlCommand::TCSETSW | IoctlCommand::TCSETSF => {
                cx.read_value::<Termios>(argument)?
            }
            _ => {
                let long = cx.read_value::<Termios2>(argument)?;
                Termios {
                    c_iflag: long.c_iflag,
                    c_oflag: long.c_oflag,
                    c_cflag: long.c_cflag,
                    c_lflag: long.c_lflag,
                    c_line: long.c_line,
                    c_cc: long.c_cc,
                }
            }
        };
        if matches!(command, IoctlCommand::TCSETSF | IoctlCommand::TCSETSF2) {
            self.console.flush_input();
        }
        self.console.set_termios(termios);
        Ok(())
    }
}

/// Whether a command is only for the group at work.
fn changes(command: IoctlCommand) -> bool {
    matches!(
        command,
        IoctlCommand::TCSETS
            | IoctlCommand::TCSETSW
            | IoctlCommand::TCSETSF
            | IoctlCommand::TCSETS2
            | IoctlCommand::TCSETSW2
            | IoctlCommand::TCSETSF2
            | IoctlCommand::TCFLSH
            | IoctlCommand::TCXONC
            | IoctlCommand::TCSBRK
            | IoctlCommand::TCSBRKP
    )
}

impl File for TtyFile {
    fn read(&self, into: &mut dyn Sink, _at: Option<u64>, how: Block) -> Result<usize> {
        if self.is_dead() {
            return Ok(0);
        }
        let mut bytes = vec![0; into.remaining().min(CHUNK)];
        let sleep = (how == Block::Wait).then_some(Sleep::interruptible());
        let reader = Reader { hang_ups: self.hang_ups, permit: &|| self.console.permit(Signal::SIGTTIN) };
        let len = self.console.read(&mut bytes, sleep, &reader)?;
        into.put(&bytes[..len])
    }

    fn write(&self, from: &mut dyn Source, _at: Option<u64>, how: Block) -> Result<usize> {
        if self.is_dead() {
            return Err(Errno::EIO);
        }
        if self.console.termios().c_lflag & LocalFlags::TOSTOP.bits() != 0 {
            self.console.permit(Signal::SIGTTOU)?;
        }
        let sleep = (how == Block::Wait).then_some(Sleep::interruptible());
        let mut bytes = vec![0; from.remaining().min(CHUNK)];
        let mut written = 0;
        while from.remaining() > 0 {
            let moved = from.take(&mut bytes).and_then(|len| Ok((len, self.console.write(&bytes[..len], sleep)?)));
            match moved {
                Ok((len, gone)) => {
                    written += gone;
                    if gone < len || len == 0 {
                        break;
                    }
                }
                Err(_) if written > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(written)
    }

    fn poll(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        let ready = if self.is_dead() { Readiness::all() } else { self.console.ready() };
        events.set(PollEvents::POLLIN | PollEvents::POLLRDNORM, ready.contains(Readiness::READ));
        events.set(PollEvents::POLLOUT | PollEvents::POLLWRNORM, ready.contains(Readiness::WRITE));
        events.set(PollEvents::POLLHUP, ready.contains(Readiness::HANGUP));
        events.set(PollEvents::POLLERR, self.is_dead());
        events
    }

    fn queues(&self) -> Vec<&WaitQueue> {
        self.console.queues().to_vec()
    }

    fn ioctl(&self, cx: &IoctlContext<'_>, command: u32, argument: usize) -> Result<usize> {
        let command = IoctlCommand(command);
        if self.is_dead() {
            return Err(if command == IoctlCommand::TIOCSPGRP { Errno::ENOTTY } else { Errno::EIO });
        }
        if let Some(settled) = job::ioctl(&self.console, cx, command, argument) {
            return settled.map(|()| 0);
        }
        if changes(command) {
            self.console.permit(Signal::SIGTTOU)?;
        }
        match command {
            IoctlCommand::TCGETS => cx.write_value(argument, &self.console.termios())?,
            IoctlCommand::TCGETS2 => {
                let Termios { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc } = self.console.termios();
                let (c_ispeed, c_ospeed) = (SPEED, SPEED);
                let long = Termios2 { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc, c_ispeed, c_ospeed };
                cx.write_value(argument, &long)?;
            }
            IoctlCommand::TCSETS
            | IoctlCommand::TCSETSW
            | IoctlCommand::TCSETSF
            | IoctlCommand::TCSETS2
            | IoctlCommand::TCSETSW2
            | IoctlCommand::TCSETSF2 => self.set_modes(cx, command, argument)?,
            IoctlCommand::TIOCGWINSZ => cx.write_value(argument, &self.console.window())?,
            IoctlCommand::TIOCSWINSZ => self.console.set_window(cx.read_value::<Winsize>(argument)?),
            IoctlCommand::FIONREAD => {
                cx.write_value(argument, &i32::try_from(self.console.pending()).unwrap_or(i32::MAX))?;
            }
            IoctlCommand::TIOCOUTQ | IoctlCommand::TIOCGETD => cx.write_value(argument, &0_i32)?,
            IoctlCommand::TCFLSH => match u32::try_from(argument) {
                Ok(TCIFLUSH | TCIOFLUSH) => self.console.flush_input(),
                Ok(TCOFLUSH) => {}
                _ => return Err(Errno::EINVAL),
            },
            IoctlCommand::TCXONC => match u32::try_from(argument) {
                Ok(TCOOFF) => self.console.set_stopped(true),
                Ok(TCOON) => self.console.set_stopped(false),
                Ok(2 | 3) => {}
                _ => return Err(Errno::EINVAL),
            },
            // What is written has left; a break means nothing here.
            IoctlCommand::TCSBRK | IoctlCommand::TCSBRKP | IoctlCommand::TIOCEXCL | IoctlCommand::TIOCNXCL => {}
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn tells_owner(&self) -> bool {
        true
    }

    fn attributes(&self) -> Result<Attributes> {
        let mut attributes = Attributes::anonymous(FileKind::Char, 0o620, 3);
        (attributes.gid, attributes.rdev) = (5, device_number(5, 1));
        Ok(attributes)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
