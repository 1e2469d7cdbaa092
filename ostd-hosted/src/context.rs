//! Kernel contexts: fibers with stacks of their own.
//!
//! How deep a stack was ever used is asked of the host, which knows the pages that were touched: a new mark is a page
//! below the old one. The page below the mark is then filled with bytes that show whether anybody came there: mostly
//! nobody did, and the host is not asked.
#![expect(unsafe_code, reason = "fibers move between the threads of a machine's CPUs; asks about their stacks' pages")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use corosensei::stack::{DefaultStack, Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use ostd_hal::PAGE_SIZE;
use ostd_hal::hal::{Resumed, StackUse};

use crate::copy::copy_bytes;

/// Bytes of a kernel stack; touched pages only cost memory. Debug builds use several times what release builds do.
pub(crate) const STACK_BYTES: usize = 512 << 10;
/// What is below the mark of a stack. Nobody gets past it without a trace: a frame larger than a page touches each of its
/// pages as it begins.
static UNTOUCHED: [u8; PAGE_SIZE] = [0xa5; PAGE_SIZE];
/// Stacks a thread keeps for its next fibers.
const POOLED_MAX: usize = 256;

/// Why a fiber gave way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Suspended,
    Interleaved,
}

type Fiber = Coroutine<(), Why, (), MarkedStack>;

/// A kernel context's stack, and how deep it was ever used, as far as anybody asked.
struct MarkedStack {
    stack: DefaultStack,
    used: usize,
}

// SAFETY: another stack's answers, which keeps the promises.
unsafe impl Stack for MarkedStack {
    fn base(&self) -> StackPointer {
        self.stack.base()
    }

    fn limit(&self) -> StackPointer {
        self.stack.limit()
    }
}

impl MarkedStack {
    /// A stack of [`STACK_BYTES`].
    fn take() -> Option<Self> {
        let pooled = MARKED.try_with(|stacks| stacks.borrow_mut().pop()).ok().flatten();
        pooled.or_else(|| DefaultStack::new(STACK_BYTES).ok().map(|stack| Self { stack, used: 0 }))
    }

    /// Keeps the stack for the thread's next context.
    fn give(self) {
        let _ = MARKED.try_with(|stacks| {
            let mut stacks = stacks.borrow_mut();
            if stacks.len() < POOLED_MAX {
                stacks.push(self);
            }
        });
    }

    /// The addresses that can be used; the page below them is a guard.
    fn range(&self) -> std::ops::Range<usize> {
        let base = self.stack.base().get();
        base.saturating_sub(STACK_BYTES).max(self.stack.limit().get() + PAGE_SIZE).next_multiple_of(PAGE_SIZE)..base
    }

    /// How deep it was ever used. A stack that was used deeply is given back to the host: who has it next is not to blame.
    fn measure(&mut self) -> StackUse {
        let range = self.range();
        let mut mark = (range.end - self.used) / PAGE_SIZE * PAGE_SIZE;
        if self.used > 0 && mark > range.start {
            if is_untouched(mark - PAGE_SIZE) {
                return StackUse { used: self.used, size: range.len() };
            }
            mark -= PAGE_SIZE;
            self.used = range.end - mark;
        }
        // Page by page: a frame larger than a page touches each of its pages as it begins.
        while mark > range.start {
            let (page, mut is_there) = (mark - PAGE_SIZE, 0_u8);
            // SAFETY: the page is mapped, being the stack's; there is a byte for it.
            let asked = unsafe { libc::mincore(page as *mut _, PAGE_SIZE, &raw mut is_there) };
            if asked != 0 || is_there & 1 == 0 {
                break;
            }
            mark = page;
            self.used = range.end - mark;
        }
        let told = StackUse { used: self.used, size: range.len() };
        if told.is_deep() {
            // SAFETY: nothing is on the stack any more; its pages come back as zeros.
            unsafe { libc::madvise(range.start as *mut _, range.len() / PAGE_SIZE * PAGE_SIZE, libc::MADV_DONTNEED) };
            self.used = 0;
        } else if self.used > 0 && mark > range.start {
            // SAFETY: as above; the page is one of the stack's.
            unsafe { copy_bytes(UNTOUCHED.as_ptr(), (mark - PAGE_SIZE) as *mut u8, PAGE_SIZE) };
        }
        told
    }
}

/// Whether a page of a stack that is not in use holds [`UNTOUCHED`].
fn is_untouched(page: usize) -> bool {
    // SAFETY: the page is mapped, being a stack's, and nobody is on the stack who could write to it meanwhile.
    let found = unsafe { std::slice::from_raw_parts(page as *const u8, PAGE_SIZE) };
    found == UNTOUCHED
}

/// A suspended kernel context.
pub struct Context {
    /// `None` once finished.
    fiber: Option<Fiber>,
    /// What it ran on, once finished.
    stack: Option<MarkedStack>,
    /// Where the fiber keeps its end of the line; set when it first runs.
    yielder: Box<Cell<*const Yielder<(), Why>>>,
}

// SAFETY: a fiber is resumed by one thread at a time, and what runs on it (kernel code) keeps nothing of a thread
// across a suspension: `ostd` looks its CPU up afresh, and so does everything here.
unsafe impl Send for Context {}

thread_local! {
    /// The yielder of the fiber that runs on this thread; null outside fibers.
    static RUNNING: Cell<*const Yielder<(), Why>> = const { Cell::new(ptr::null()) };
    static MARKED: RefCell<Vec<MarkedStack>> = const { RefCell::new(Vec::new()) };
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

#[inline(never)]
fn running() -> *const Yielder<(), Why> {
    RUNNING.get()
}

#[inline(never)]
fn set_running(yielder: *const Yielder<(), Why>) -> *const Yielder<(), Why> {
    RUNNING.replace(yielder)
}

/// A stack of [`STACK_BYTES`] for a scripted program.
pub(crate) fn take_stack() -> Option<DefaultStack> {
    let pooled = STACKS.try_with(|stacks| stacks.borrow_mut().pop()).ok().flatten();
    pooled.or_else(|| DefaultStack::new(STACK_BYTES).ok())
}

/// Keeps the stack of a fiber that is done.
pub(crate) fn give_stack(stack: DefaultStack) {
    let _ = STACKS.try_with(|stacks| {
        let mut stacks = stacks.borrow_mut();
        if stacks.len() < POOLED_MAX {
            stacks.push(stack);
        }
    });
}

impl Context {
    pub(crate) fn new(entry: Box<dyn FnOnce() + Send>) -> Option<Self> {
        let yielder = Box::new(Cell::new(ptr::null()));
        let place: *const Cell<*const Yielder<(), Why>> = &raw const *yielder;
        let fiber = Coroutine::with_stack(MarkedStack::take()?, move |yielder: &Yielder<(), Why>, ()| {
            // SAFETY: the box lives as long as the `Context`, which outlives its fiber's frames.
            unsafe { &*place }.set(yielder);
            set_running(yielder);
            entry();
        });
        Some(Self { fiber: Some(fiber), stack: None, yielder })
    }

    pub(crate) fn resume(&mut self) -> Resumed {
        let Some(fiber) = self.fiber.as_mut() else { return Resumed::Finished };
        let outer = set_running(self.yielder.get());
        // A panic on the fiber's stack arrives here, with the stack unwound.
        let result = catch_unwind(AssertUnwindSafe(|| fiber.resume(())));
        set_running(outer);
        match result {
            Ok(CoroutineResult::Yield(Why::Suspended)) => Resumed::Suspended,
            Ok(CoroutineResult::Yield(Why::Interleaved)) => Resumed::Interleaved,
            Ok(CoroutineResult::Return(())) => {
                self.recycle();
                Resumed::Finished
            }
            Err(payload) => {
                self.recycle();
                Resumed::Panicked(payload)
            }
        }
    }

    fn recycle(&mut self) {
        if let Some(fiber) = self.fiber.take()
            && fiber.done()
        {
            self.stack = Some(fiber.into_stack());
        }
    }

    /// How deep its stack was ever used; `None` while it may go on.
    pub(crate) fn stack_use(&mut self) -> Option<StackUse> {
        self.stack.as_mut().map(MarkedStack::measure)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(stack) = self.stack.take() {
            stack.give();
        }
        // A fiber that is not done is unwound: its frames' destructors run here, outside any CPU's turn.
        if let Some(mut fiber) = self.fiber.take() {
            let outer = set_running(ptr::null());
            let unwound: Result<(), Box<dyn Any + Send>> = catch_unwind(AssertUnwindSafe(|| fiber.force_unwind()));
            set_running(outer);
            if unwound.is_ok() && fiber.done() {
                fiber.into_stack().give();
            }
        }
    }
}

/// Whether the caller runs on a fiber, and not on one that is being unwound.
pub(crate) fn in_context() -> bool {
    !running().is_null() && !std::thread::panicking()
}

/// Gives the CPU back to whoever resumed the running fiber.
pub(crate) fn suspend() {
    give_way(Why::Suspended);
}

/// Lets other CPUs have a turn; the fiber stays its CPU's current one.
pub(crate) fn interleave() {
    give_way(Why::Interleaved);
}

fn give_way(why: Why) {
    let yielder = running();
    assert!(!yielder.is_null(), "only a kernel context can give way");
    // SAFETY: the yielder belongs to the fiber that runs on this very stack.
    unsafe { &*yielder }.suspend(why);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hint::black_box;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use ostd_hal::PAGE_SIZE;
    use ostd_hal::hal::Resumed;

    use super::{Context, in_context, interleave, suspend};

    /// Uses so many pages of the stack.
    #[inline(never)]
    fn dig(pages: usize) {
        let room = black_box([1_u8; PAGE_SIZE]);
        if pages > 0 {
            dig(pages - 1);
        }
        black_box(&room);
    }

    #[test]
    fn a_stack_is_as_deep_as_its_deepest_use_and_not_as_its_last() {
        // Each has the stack of the one before.
        let depth_after = |pages| {
            let mut context = Context::new(Box::new(move || dig(pages))).expect("a stack");
            assert!(matches!(context.resume(), Resumed::Finished));
            context.stack_use().expect("it is done").used
        };
        let first = depth_after(4);
        assert!(first >= 4 * PAGE_SIZE);
        assert_eq!(depth_after(1), first);
        let deepest = depth_after(12);
        assert!(deepest >= first + 7 * PAGE_SIZE);
        assert_eq!((depth_after(4), depth_after(1)), (deepest, deepest));
        assert!(depth_after(16) > deepest);
    }

    #[test]
    fn a_context_goes_on_where_it_gave_way() {
        let steps = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&steps);
        let mut context = Context::new(Box::new(move || {
            assert!(in_context());
            counter.fetch_add(1, Ordering::Relaxed);
            suspend();
            counter.fetch_add(1, Ordering::Relaxed);
            interleave();
            counter.fetch_add(1, Ordering::Relaxed);
        }))
        .expect("a stack");
        assert_eq!(steps.load(Ordering::Relaxed), 0);
        assert!(matches!(context.resume(), Resumed::Suspended));
        assert_eq!(steps.load(Ordering::Relaxed), 1);
        assert!(!in_context());
        assert!(matches!(context.resume(), Resumed::Interleaved));
        assert!(matches!(context.resume(), Resumed::Finished));
        assert_eq!(steps.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_panic_arrives_at_the_resumer_with_its_payload() {
        let mut context = Context::new(Box::new(|| panic!("on purpose"))).expect("a stack");
        let Resumed::Panicked(payload) = context.resume() else { panic!("the panic was lost") };
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"on purpose"));
    }

    #[test]
    fn a_context_dropped_halfway_runs_its_destructors() {
        struct Tell(Arc<AtomicU32>);
        impl Drop for Tell {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let dropped = Arc::new(AtomicU32::new(0));
        let tell = Tell(Arc::clone(&dropped));
        let mut context = Context::new(Box::new(move || {
            let _tell = tell;
            suspend();
            unreachable!("never resumed");
        }))
        .expect("a stack");
        assert!(matches!(context.resume(), Resumed::Suspended));
        drop(context);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn contexts_nest_and_each_suspends_to_its_own_resumer() {
        let mut outer = Context::new(Box::new(|| {
            let mut inner = Context::new(Box::new(suspend)).expect("a stack");
            assert!(matches!(inner.resume(), Resumed::Suspended));
            suspend();
            assert!(matches!(inner.resume(), Resumed::Finished));
        }))
        .expect("a stack");
        let turns = Cell::new(0);
        while !matches!(outer.resume(), Resumed::Finished) {
            turns.set(turns.get() + 1);
        }
        assert_eq!(turns.get(), 1);
    }
}
