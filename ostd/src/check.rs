//! Who a checker speaks of.

use core::fmt;
use core::panic::Location;

use crate::task::Task;

/// The current task, in words.
pub(crate) struct Culprit;

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Task::current() {
            Some(task) => write!(f, "in {task:?}"),
            None => f.write_str("in no task"),
        }
    }
}

/// Why the caller must neither sleep nor copy user memory, and since where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Atomic {
    pub(crate) why: &'static str,
    /// What began it; unknown for what begins without anybody's asking.
    pub(crate) since: Option<&'static Location<'static>>,
}

impl fmt::Display for Atomic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)?;
        self.since.map_or(Ok(()), |place| write!(f, " (since {place})"))
    }
}
