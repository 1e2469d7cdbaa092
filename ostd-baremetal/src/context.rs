//! Kernel contexts: a stack each, left and taken up again by switching to or from the CPU's loop.
#![expect(unsafe_code, reason = "switches stacks")]

use alloc::boxed::Box;
use core::cell::UnsafeCell;
use core::ptr;

use ostd_hal::hal::Resumed;

use crate::stacks::Stack;
use crate::{arch, user};

/// What a context is while it does not run.
pub(crate) struct Body {
    /// Where on its stack it goes on.
    stack_top: usize,
    entry: Option<Box<dyn FnOnce() + Send>>,
    finished: bool,
    /// Keeps the memory.
    _stack: Stack,
}

/// A kernel context. Dropping one that has not finished frees its stack; what lies on it is forgotten, not dropped, as
/// there is no unwinding on metal.
pub struct Context(Box<UnsafeCell<Body>>);

// SAFETY: only the CPU that resumes the context touches its body, through the exclusive borrow in `resume` or from the
// context itself.
unsafe impl Send for Context {}

impl core::fmt::Debug for Context {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Context(..)")
    }
}

/// A context that will run `entry`, with interrupts let through.
pub(crate) fn new(entry: Box<dyn FnOnce() + Send>) -> Option<Context> {
    let stack = Stack::take()?;
    // SAFETY: the stack is ours, and longer than that.
    let stack_top = unsafe { arch::prepare_stack(stack.end(), begin) };
    Some(Context(Box::new(UnsafeCell::new(Body { stack_top, entry: Some(entry), finished: false, _stack: stack }))))
}

/// Runs `context` until it gives way. Called with interrupts kept away; returns so.
pub(crate) fn resume(context: &mut Context) -> Resumed {
    let body = context.0.get();
    let local = arch::local();
    assert!(local.context.get().is_null(), "a context was resumed from inside another");
    local.context.set(body);
    // SAFETY: the body is ours by the exclusive borrow, and its stack was left by `switch_stack` or just prepared.
    unsafe { arch::switch_stack(local.loop_stack.as_ptr(), (*body).stack_top) };
    // The loop stays on its CPU, so `local` is still this one's.
    local.context.set(ptr::null_mut());
    user::save_floating_point(local);
    // SAFETY: as above; the context is not running any more.
    if unsafe { (*body).finished } { Resumed::Finished } else { Resumed::Suspended }
}

/// Where a context begins, with interrupts kept away.
extern "C" fn begin() -> ! {
    let body = arch::local().context.get();
    // SAFETY: the body of the running context, which nobody else touches.
    let entry = unsafe { (*body).entry.take() };
    arch::interrupts_enable();
    entry.expect("a context begins once")();
    arch::interrupts_disable();
    // SAFETY: as above.
    unsafe { (*body).finished = true };
    leave();
    unreachable!("a finished context is not resumed")
}

/// Gives the CPU back to its loop; returns when resumed. Interrupts are let through before and after.
pub(crate) fn suspend() {
    arch::interrupts_disable();
    leave();
    arch::interrupts_enable();
}

fn leave() {
    let local = arch::local();
    let body = local.context.get();
    assert!(!body.is_null(), "only a context can give way");
    // SAFETY: the running context's body; the loop's stack was left in `resume`.
    unsafe { arch::switch_stack(&raw mut (*body).stack_top, local.loop_stack.get()) };
}

/// Whether the caller runs in a context.
pub(crate) fn is_running() -> bool {
    !arch::local().context.get().is_null()
}
