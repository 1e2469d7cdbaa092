//! The end of a kernel: everything in it is ended, and what is left is counted; names are looked up only then.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use ostd::device::SharedFolder;
use ostd::sync::atomic::AtomicBool;
use ostd::sync::{Sleep, WaitQueue};
use ostd::task::Task;
use ostd::{Machine, RunEnd};

use super::{Ending, Kernel, Program};
use crate::error::OrErrno as _;

/// How long programs and tasks may take to end, on the machine's clock.
const PATIENCE_NS: u64 = 5_000_000_000;
/// How long to wait between two looks at who is left.
const PAUSE_NS: u64 = 1_000_000;
/// How often others get their turn before there is a pause.
const TURNS: usize = 16;
/// Lines that a report has for each kind of thing.
const LINES_MAX: usize = 8;

/// What a kernel that ended well tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Kernel code had panicked: everything was dropped where it stood, and nothing was counted.
    pub poisoned: bool,
    /// How long the machine lived, on its own clock.
    pub lived_ns: u64,
}

/// What a kernel left behind, one line each.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaks(Vec<String>);

impl Leaks {
    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a kernel left behind:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl fmt::Debug for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A kernel that has booted, and the duty to end it: [`shutdown`](Self::shutdown), or a drop, which panics if something
/// is left behind (unless the thread panics already).
pub struct Booted {
    kernel: Option<Arc<Kernel>>,
}

impl Booted {
    pub(super) fn new(make: impl FnOnce(&Weak<Kernel>) -> Kernel) -> Self {
        Self { kernel: Some(Arc::new_cyclic(make)) }
    }

    /// The kernel, to be shared for a while: who still holds it at its end is a leak.
    pub fn share(&self) -> &Arc<Kernel> {
        self.kernel.as_ref().expect("present until it ends")
    }

    /// Runs `program` and everything it starts, until it ends. Call it once.
    pub fn run(&self, program: &Program) -> Result<Ending, RunEnd> {
        self.share().run(program)
    }

    /// Kills all programs, ends the kernel's tasks, drops everything, and tells what is left: frames, tasks, inodes, what
    /// programs held outside the machine.
    ///
    /// Panics in a task of this kernel.
    pub fn shutdown(mut self) -> Result<Report, Leaks> {
        end(self.kernel.take().expect("present until it ends"))
    }
}

impl Deref for Booted {
    type Target = Kernel;
    fn deref(&self) -> &Kernel {
        self.share()
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        if let Some(kernel) = self.kernel.take()
            && let Err(leaks) = end(kernel)
            && !Machine::is_unwinding()
        {
            panic!("{leaks}");
        }
    }
}

fn end(kernel: Arc<Kernel>) -> Result<Report, Leaks> {
    let (machine, folder) = (kernel.machine.clone(), kernel.folder.clone());
    end_programs(&kernel);
    let poisoned = machine.is_poisoned();
    let mut left: Vec<_> = machine.end_tasks().into_iter().map(|task| format!("{task}, and did not end")).collect();
    match Arc::into_inner(kernel) {
        Some(kernel) => drop(kernel),
        None => left.push(String::from("the kernel itself: somebody still holds it")),
    }
    machine.detach();
    let report = Report { poisoned, lived_ns: machine.monotonic_ns() };
    if poisoned {
        return Ok(report);
    }
    count(&machine, folder.as_deref(), &mut left);
    if left.is_empty() { Ok(report) } else { Err(Leaks(left)) }
}

/// Kills all programs and waits for all tasks, as far as they can be waited for.
fn end_programs(kernel: &Arc<Kernel>) {
    let machine = &kernel.machine;
    kernel.terminals().for_each(|console| console.close());
    if machine.is_poisoned() || (machine.task_count() == 0 && kernel.processes.is_alone()) {
        return;
    }
    let over = Arc::new(AtomicBool::new(false));
    let (processes, told, handle) = (Arc::clone(&kernel.processes), Arc::clone(&over), machine.clone());
    let reaper = move || {
        let deadline_ns = handle.monotonic_ns().saturating_add(PATIENCE_NS);
        processes.kill_all(deadline_ns);
        drop(processes);
        let mut turns = 0;
        while handle.task_count() > 1 && handle.monotonic_ns() < deadline_ns {
            turns += 1;
            if turns % TURNS == 0 {
                let pause = Sleep::uninterruptible().until(Some(handle.monotonic_ns() + PAUSE_NS));
                let _ = WaitQueue::new().wait_until(pause, || None::<()>);
            } else {
                Task::yield_now();
            }
        }
        told.store(true);
        handle.stop();
    };
    if Task::spawn(machine, "shutdown", Box::new(()), reaper).or_errno().is_err() {
        return;
    }
    // Who cannot run any more is told as left behind; others (the first program's keeper) may stop the machine too.
    while !over.load() && machine.run().is_ok() {}
}

/// Counts; a mismatch is looked at more closely.
fn count(machine: &Machine, folder: Option<&dyn SharedFolder>, left: &mut Vec<String>) {
    let tasks = machine.task_count();
    if tasks > 0 {
        left.push(format!("{tasks} tasks:\n{}", machine.wait_report()));
    }
    let (objects, lines) = machine.present(LINES_MAX);
    if objects > 0 {
        left.push(format!("{objects} objects of the kernel"));
        left.extend(lines);
    }
    let frames = machine.frames().used();
    if frames > 0 {
        left.push(format!("{frames} frames"));
        left.extend(machine.frames().users(LINES_MAX));
    }
    let outside = machine.outside_use();
    if outside != Default::default() {
        left.push(format!("{} host processes, {} programs of the engine", outside.processes, outside.programs));
    }
    let nodes = folder.map_or(0, SharedFolder::held);
    if nodes > 0 {
        left.push(format!("{nodes} files of the shared folder"));
    }
}
