//! Waiting for children: wait4(2) and waitid(2).

use alloc::sync::Arc;

use ostd::sync::Sleep;

use super::{Process, Thread};
use crate::abi::flags::WaitOptions;
use crate::abi::structs::{STATUS_CONTINUED, status_stopped};
use crate::error::{Errno, Result};

/// Which children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// All.
    Any,
    /// This one.
    Pid(i32),
    /// Those of a group.
    Group(i32),
}

impl Who {
    /// Whether a process is meant.
    pub fn includes(self, pid: i32, group: i32) -> bool {
        match self {
            Self::Any => true,
            Self::Pid(wanted) => wanted == pid,
            Self::Group(wanted) => wanted == group,
        }
    }
}

/// What a parent hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Of whom.
    pub pid: i32,
    /// The status word of wait4(2).
    pub status: i32,
}

impl Thread {
    /// Waits until a child has something to tell; `None` when nothing is to be told yet and `WNOHANG`.
    pub fn wait_for_child(&self, who: Who, options: WaitOptions) -> Result<Option<(Found, Arc<Process>)>> {
        let process = self.process();
        let pid = process.pid();
        let processes = process.processes().ok_or(Errno::ECHILD)?;
        let mut look = || match processes.find_child(pid, who, options) {
            Ok(None) if options.contains(WaitOptions::WNOHANG) => Some(Ok(None)),
            Ok(None) => None,
            Ok(Some((found, Some(child)))) => {
                let is_dead = found.status & 0xff != status_stopped(0) && found.status != STATUS_CONTINUED;
                if is_dead && !options.contains(WaitOptions::WNOWAIT) {
                    process.inherit_spent(&child);
                }
                Some(Ok(Some((found, child))))
            }
            Ok(Some((_, None))) => Some(Err(Errno::ECHILD)),
            Err(errno) => Some(Err(errno)),
        };
        process.children_changed.wait_until(Sleep::interruptible(), &mut look).unwrap_or(Err(Errno::ERESTARTSYS))
    }
}
