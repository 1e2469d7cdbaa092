//! The loop of a thread: run the program, answer what made it stop, look at what was asked, run it again.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;

use ostd::task::Task;
use ostd::user::Registers as _;
use ostd::user::{Access, Exception, PageFault, Trap, UserContext};

use super::deliver::{Interrupted, Next};
use super::{Processes, Thread};
use crate::abi::Signal;
use crate::abi::errno::to_return;
use crate::abi::flags::{
    BUS_ADRALN, BUS_ADRERR, FPE_FLTINV, FPE_INTDIV, ILL_ILLOPN, SEGV_ACCERR, SEGV_MAPERR, SI_KERNEL, TRAP_TRACE,
};
use crate::error::{OrErrno as _, Result};
use crate::mm::{AddressSpace, Refusal};

/// What answers system calls, to the right of this room.
pub trait Calls: Send + Sync {
    /// Answers the call whose number and arguments are in `user.frame()`. What it returns goes into the register that
    /// results are in; the `ERESTART` errnos have the call repeated. `space` is the memory that it was made in.
    fn call(&self, thread: &Arc<Thread>, space: &Arc<AddressSpace>, user: &mut UserContext) -> Result;

    /// `thread` ends, or executes another program, and its memory is still there: robust futexes are marked, and who
    /// waits at `cleared` (where zero has just been written) is woken.
    fn thread_ends(&self, _thread: &Thread, _cleared: Option<usize>) {}
}

/// Gives a thread a task.
pub(super) fn start(thread: Arc<Thread>, user: UserContext) -> Result<()> {
    let Some(processes) = thread.process.processes() else { return Ok(()) };
    let name = format!("program {}", thread.tid());
    let owner = Box::new(Arc::downgrade(&thread));
    let machine = processes.machine().clone();
    Task::spawn(&machine, name, owner, move || run(&processes, &thread, user)).or_errno()?;
    Ok(())
}

fn run(processes: &Processes, thread: &Arc<Thread>, mut user: UserContext) {
    let Some(task) = Task::current() else { return };
    *thread.task.lock() = Arc::downgrade(&task);
    let child_tid = thread.set_child_tid.load();
    if child_tid != 0 {
        // Linux does not mind either when that cannot be written.
        let _ = thread.space().write_value(child_tid, &thread.tid());
    }
    // What was sent before there was a task to interrupt.
    let mut next = thread.deliver(&task, &mut user, None);
    let mut space = thread.space();
    while next == Next::GoOn {
        let began_ns = task.cpu_ns();
        let trap = user.execute(space.vm());
        thread.meter.user_ns.fetch_add(task.cpu_ns().saturating_sub(began_ns));
        let mut interrupted = None;
        match trap {
            Trap::Syscall => {
                let (number, first) = (user.frame().number, user.frame().args[0]);
                let result = processes.calls.call(thread, &space, &mut user);
                if thread.has_new_space.load() {
                    thread.has_new_space.store(false);
                    space = thread.space();
                }
                user.set_syscall_return(to_return(result));
                interrupted =
                    result.err().filter(|errno| errno.is_restart()).map(|errno| Interrupted { errno, number, first });
            }
            Trap::PageFault(fault) => {
                thread.meter.faults.fetch_add(1);
                if let Err(refusal) = space.fault(fault) {
                    tracing::debug!(ip = user.regs().ip(), ?fault, ?refusal, "a fault was refused");
                    refused(processes, thread, fault, refusal);
                }
            }
            Trap::Exception(exception) => {
                tracing::debug!(ip = user.regs().ip(), ?exception, "an exception");
                raise(thread, exception, user.frame().ip);
            }
            Trap::Interrupt => {}
        }
        thread.process.look_at_cpu_time();
        if interrupted.is_some() || task.is_interrupted() {
            next = thread.deliver(&task, &mut user, interrupted);
        }
    }
    // The engine lets go of the program before its memory goes.
    drop(user);
    drop(space);
    thread.finish(processes);
}

fn refused(processes: &Processes, thread: &Thread, fault: PageFault, refusal: Refusal) {
    let at = fault.addr.as_usize();
    let access = match fault.access {
        Access::Read => 4,
        Access::Write => 6,
        Access::Execute => 20,
    };
    let (signal, code, present) = match refusal {
        Refusal::NotMapped => (Signal::SIGSEGV, SEGV_MAPERR, 0),
        Refusal::NotAllowed => (Signal::SIGSEGV, SEGV_ACCERR, 1),
        Refusal::BeyondEnd => (Signal::SIGBUS, BUS_ADRERR, 0),
        Refusal::NoMemory => return processes.out_of_memory(thread),
    };
    thread.fault_signal(signal, code, at, [at as u64, access | present, 14]);
}

fn raise(thread: &Thread, exception: Exception, ip: usize) {
    let (signal, code, at, number) = match exception {
        Exception::DivideError => (Signal::SIGFPE, FPE_INTDIV, ip, 0),
        Exception::InvalidInstruction => (Signal::SIGILL, ILL_ILLOPN, ip, 6),
        Exception::Breakpoint => (Signal::SIGTRAP, SI_KERNEL, 0, 3),
        Exception::Debug => (Signal::SIGTRAP, TRAP_TRACE, ip, 1),
        Exception::FloatingPoint => (Signal::SIGFPE, FPE_FLTINV, ip, 19),
        Exception::Alignment(at) => (Signal::SIGBUS, BUS_ADRALN, at.as_usize(), 17),
        Exception::Bus(_) => (Signal::SIGBUS, SI_KERNEL, 0, 12),
        Exception::GeneralProtection => (Signal::SIGSEGV, SI_KERNEL, 0, 13),
    };
    thread.fault_signal(signal, code, at, [0, 0, number]);
}
