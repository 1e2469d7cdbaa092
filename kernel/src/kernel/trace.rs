//! What is printed of programs' calls.

use alloc::format;
use alloc::string::String;

use super::Kernel;
use crate::error::Result;
use crate::syscall;

impl Kernel {
    /// Whether the call of this name is to be printed; `None` is a number that Linux gives to none.
    pub(crate) fn traces(&self, name: Option<&str>) -> bool {
        match self.strace.as_deref() {
            None => false,
            Some("") => true,
            Some(filter) => name.is_some_and(|name| filter.split(',').any(|wanted| wanted == name)),
        }
    }

    /// Prints a call.
    pub(crate) fn trace(&self, tid: i32, call: &str, ending: &str) {
        self.machine.emergency_write(format!("[{tid}] {call}{ending}\n").as_bytes());
    }

    /// Tells, once per name, that programs ask for a call that is not there.
    pub(crate) fn note_missing(&self, name: &str) -> Result {
        let new = self.missing.lock().insert(String::from(name));
        if new {
            tracing::warn!(call = name, "a program was told ENOSYS");
        }
        Err(syscall::MISSING)
    }
}
