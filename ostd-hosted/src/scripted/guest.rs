//! A program: its fiber, and what its functions may do.
#![expect(unsafe_code, reason = "a program's fiber reaches its machine by pointer while it runs")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use ostd_hal::user::{Access, PageFault};
use ostd_hal::walk::{Translation, translate};
use ostd_hal::{CpuId, Hal as _, PAGE_SIZE, Paddr, PageFlags, Vaddr};

use super::engine::Function;
use super::tlb::Tlb;
use crate::context::{give_stack, take_stack};
use crate::copy::copy_bytes;
use crate::hosted::{Entry, Hosted};

/// rt_sigreturn on x86-64, which the end of a signal handler calls.
const RT_SIGRETURN: usize = 15;
/// Offset in a token at which its function "goes on" after a call, and distance from there back to the call.
const RESUME_OFFSET: usize = 8;

/// What the kernel's entering tells the program. Two words: it goes from stack to stack at every entry.
pub(crate) enum Order {
    /// The call it waits in returns this.
    Return(usize),
    /// The call it waits in is made again, with this number.
    Repeat(usize),
    /// A function is called, on top of whatever waits.
    Call(Box<Call>),
}

/// A function and what the registers hold when it is called.
pub(crate) struct Call {
    pub(crate) function: Function,
    pub(crate) args: [usize; 3],
    pub(crate) ip: usize,
    pub(crate) sp: usize,
    pub(crate) rax: usize,
}

/// Why the program stopped; where it goes on is in its [`Place`].
pub(crate) enum Outcome {
    /// With this number and arguments.
    Syscall,
    /// A signal handler is done: its `ret` has taken the return address, and the code there calls `rt_sigreturn`.
    HandlerDone,
    Fault(PageFault),
    Preempted,
    Returned,
    Panicked(String),
}

/// What the fiber hands out when it stops. A system call's number and arguments wait in the place.
enum Stop {
    Syscall,
    HandlerDone,
    Fault(PageFault),
    Preempted,
}

/// A fiber that is done says whether it stopped for a system call: its last.
type Fiber = Coroutine<Order, Stop, bool, DefaultStack>;

/// The program's side of the registers: a fiber with the functions that are being called on it.
pub(crate) struct GuestFiber {
    /// `None` once dropped.
    fiber: Option<Fiber>,
    place: Box<Place>,
}

/// Where the program is running now, told to its fiber at each entry.
pub(crate) struct Place {
    machine: *const Hosted,
    cpu: CpuId,
    root: Paddr,
    /// Where the innermost call goes on; `None` before the first.
    expected: Option<usize>,
    /// Number and arguments of the system call it stopped for.
    pub(crate) call: (usize, [usize; 6]),
}

impl Place {
    /// Where the program goes on.
    pub(crate) fn ip(&self) -> usize {
        self.expected.unwrap_or_default()
    }
}

impl GuestFiber {
    pub(crate) fn new() -> Option<Self> {
        let mut place = Box::new(Place {
            machine: ptr::null(),
            cpu: CpuId(0),
            root: Paddr::new(0),
            expected: None,
            call: (0, [0; 6]),
        });
        let place_pointer: *mut Place = &raw mut *place;
        let stack = take_stack()?;
        let fiber = Coroutine::with_stack(stack, move |yielder: &Yielder<Order, Stop>, order| {
            let mut guest = Guest { yielder, place: place_pointer, ip: 0, sp: 0, entry_rax: 0, last: None };
            let mut order = order;
            while let Order::Call(call) = order {
                guest.call(&call);
                if !call.is_handler() {
                    return guest.makes_last_call();
                }
                // A signal came before the program's own first function, which begins when its handler is done.
                guest.handler_is_done(call.ip + RESUME_OFFSET);
                drop(call);
                order = yielder.suspend(Stop::HandlerDone);
            }
            false
        });
        Some(Self { fiber: Some(fiber), place })
    }

    /// What the program left for the kernel.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn expected_ip(&self) -> Option<usize> {
        self.place.expected
    }

    pub(crate) fn go(&mut self, machine: &Hosted, cpu: CpuId, root: Paddr, order: Order) -> Outcome {
        let Some(fiber) = self.fiber.as_mut().filter(|fiber| !fiber.done()) else { return Outcome::Returned };
        self.place.machine = machine;
        self.place.cpu = cpu;
        self.place.root = root;
        match catch_unwind(AssertUnwindSafe(|| fiber.resume(order))) {
            Ok(CoroutineResult::Yield(Stop::Syscall)) => Outcome::Syscall,
            Ok(CoroutineResult::Yield(Stop::HandlerDone)) => Outcome::HandlerDone,
            Ok(CoroutineResult::Yield(Stop::Fault(fault))) => Outcome::Fault(fault),
            Ok(CoroutineResult::Yield(Stop::Preempted)) => Outcome::Preempted,
            Ok(CoroutineResult::Return(true)) => Outcome::Syscall,
            Ok(CoroutineResult::Return(false)) => Outcome::Returned,
            Err(payload) => {
                let message = payload
                    .downcast_ref::<&str>()
                    .map(ToString::to_string)
                    .or_else(|| payload.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| String::from("(a panic without a message)"));
                Outcome::Panicked(message)
            }
        }
    }
}

impl Call {
    /// Whether this calls a signal handler: its third argument is the context, right above the return address.
    fn is_handler(&self) -> bool {
        self.args[2] == self.sp.wrapping_add(size_of::<usize>())
    }
}

impl Drop for GuestFiber {
    fn drop(&mut self) {
        let Some(mut fiber) = self.fiber.take() else { return };
        // A destructor of the program that panics while it is unwound has nobody to tell.
        let unwound = catch_unwind(AssertUnwindSafe(|| fiber.force_unwind()));
        if unwound.is_ok() && fiber.done() {
            give_stack(fiber.into_stack());
        }
    }
}

/// What a running function sees of its program.
pub struct Guest {
    yielder: *const Yielder<Order, Stop>,
    place: *mut Place,
    /// The token of the function that runs.
    ip: usize,
    sp: usize,
    entry_rax: usize,
    /// Number and arguments of the call that is made when the running function has returned.
    last: Option<(usize, [usize; 6])>,
}

impl Guest {
    /// Makes a system call and returns its raw answer: a value, or minus an errno.
    pub fn syscall(&mut self, number: usize, args: [usize; 6]) -> isize {
        self.trap(number, args, self.ip + RESUME_OFFSET)
    }

    /// Makes a system call whose child, if it makes one (fork, clone), starts in the function of `child`: returns only
    /// in the parent.
    pub fn syscall_with_child(&mut self, number: usize, args: [usize; 6], child: super::Token) -> isize {
        self.trap(number, args, child.address().as_usize())
    }

    /// Has a system call made when the running function has returned: one that never answers, as `exit_group`. A program
    /// that ends so has no stack left that would have to be unwound, which takes longer than many a program.
    pub fn end_with(&mut self, number: usize, args: [usize; 6]) {
        self.last = Some((number, args));
    }

    /// Reads user memory, as load instructions would.
    pub fn load(&mut self, at: usize, into: &mut [u8]) {
        self.each_page(at, into.len(), Access::Read, |byte, done, piece| {
            // SAFETY: `each_page` gives places of mapped bytes; the range is inside `into`.
            unsafe { copy_bytes(byte, into[done..].as_mut_ptr(), piece) };
        });
    }

    /// Writes user memory, as store instructions would.
    pub fn store(&mut self, at: usize, from: &[u8]) {
        self.each_page(at, from.len(), Access::Write, |byte, done, piece| {
            // SAFETY: as in `load`.
            unsafe { copy_bytes(from[done..].as_ptr(), byte, piece) };
        });
    }

    /// Writes the same byte all over user memory, as store instructions would.
    pub fn fill(&mut self, at: usize, value: u8, len: usize) {
        self.each_page(at, len, Access::Write, |byte, _, piece| {
            // SAFETY: as in `load`.
            unsafe { ptr::write_bytes(byte, value, piece) };
        });
    }

    /// Calls `each` with every piece of user memory that is in one page: its place, its offset from the start, its length.
    #[inline]
    fn each_page(&mut self, at: usize, len: usize, access: Access, mut each: impl FnMut(*mut u8, usize, usize)) {
        let mut done = 0;
        while done < len {
            let here = Vaddr::new(at.wrapping_add(done));
            let piece = (PAGE_SIZE - here.page_offset()).min(len - done);
            each(self.reach(here, access), done, piece);
            done += piece;
        }
    }

    /// Lets the kernel in, as a timer interrupt would.
    pub fn preempt(&mut self) {
        let ip = self.ip + RESUME_OFFSET;
        self.stop(Stop::Preempted, ip);
    }

    /// The machine that runs this program, for registering more functions.
    pub fn engine(&self) -> &super::Scripted {
        self.machine().scripted()
    }

    /// The stack pointer with which the running function was entered: where a kernel put arguments or a signal frame.
    pub fn stack_pointer(&self) -> usize {
        self.sp
    }

    /// What the return-value register held when the running function was entered: 0 in a child.
    pub fn entry_value(&self) -> usize {
        self.entry_rax
    }

    fn machine(&self) -> &Hosted {
        // SAFETY: `place` outlives the fiber, and `go` set the machine that is running it now.
        unsafe { &*(*self.place).machine }
    }

    fn trap(&mut self, mut number: usize, args: [usize; 6], ip: usize) -> isize {
        loop {
            // SAFETY: `place` outlives the fiber; nobody else touches it while the fiber runs.
            unsafe { (*self.place).call = (number, args) };
            match self.stop(Stop::Syscall, ip) {
                Order::Return(value) => return value as isize,
                Order::Repeat(again) => number = again,
                Order::Call(_) => unreachable!("`stop` runs calls itself"),
            }
        }
    }

    /// Stops until the kernel goes on with this very call, at `ip`, running handlers that it calls meanwhile.
    fn stop(&mut self, stop: Stop, ip: usize) -> Order {
        // SAFETY: the yielder belongs to the fiber that runs this code.
        let yielder = unsafe { &*self.yielder };
        self.expect(ip);
        let mut order = yielder.suspend(stop);
        loop {
            match order {
                Order::Call(call) => {
                    let outer = (self.ip, self.sp, self.entry_rax);
                    self.call(&call);
                    drop(call);
                    (self.ip, self.sp, self.entry_rax) = outer;
                    // The handler's last act; the kernel puts the interrupted call's registers back, and entering
                    // with them is what this call waits for.
                    self.handler_is_done(ip);
                    order = yielder.suspend(Stop::HandlerDone);
                }
                order => return order,
            }
        }
    }

    fn expect(&mut self, ip: usize) {
        // SAFETY: `place` outlives the fiber; nobody else touches it while the fiber runs.
        unsafe { (*self.place).expected = Some(ip) };
    }

    fn handler_is_done(&mut self, ip: usize) {
        self.expect(ip);
        // SAFETY: as in `expect`.
        unsafe { (*self.place).call = (RT_SIGRETURN, [0; 6]) };
    }

    fn call(&mut self, call: &Call) {
        (self.ip, self.sp, self.entry_rax) = (call.ip, call.sp, call.rax);
        // A panic goes on to the engine, and so does the fiber's own unwinding.
        (call.function)(self, call.args);
        if call.is_handler()
            && let Some((number, args)) = self.last.take()
        {
            self.syscall(number, args);
        }
    }

    /// Leaves the call that the outermost function wanted at its end in the place, if it wanted one.
    fn makes_last_call(&mut self) -> bool {
        let Some(call) = self.last.take() else { return false };
        self.expect(self.ip + RESUME_OFFSET);
        // SAFETY: as in `expect`.
        unsafe { (*self.place).call = call };
        true
    }

    /// The place of the byte at `at`, faulting until it may be used.
    fn reach(&mut self, at: Vaddr, access: Access) -> *mut u8 {
        let needed = PageFlags::USER | if access == Access::Write { PageFlags::WRITE } else { PageFlags::empty() };
        loop {
            // SAFETY: as in `machine`; the three are copied out before anything can suspend.
            let (machine, cpu, root) = unsafe { (&*(*self.place).machine, (*self.place).cpu, (*self.place).root) };
            // In one go: what is filled in behind a flush must have been read behind it.
            let found = machine.scripted().with_tlb(cpu, |tlb| match tlb.lookup(root, at) {
                Some(found) if found.flags.contains(needed) => Some(found),
                _ => walk(machine, tlb, root, at),
            });
            if let Some(found) = found
                && found.flags.contains(needed)
                && at < super::USER_END
            {
                return machine.phys_to_virt(found.page + at.page_offset());
            }
            let ip = self.ip + RESUME_OFFSET;
            self.stop(Stop::Fault(PageFault { addr: at, access }), ip);
        }
    }
}

/// Walks the page tables, and has the TLB remember what was found.
#[inline(never)]
fn walk(machine: &Hosted, tlb: &mut Tlb, root: Paddr, at: Vaddr) -> Option<Translation> {
    let found = translate::<Entry>(|word| machine.word_load(word), root, at)?;
    tlb.fill(root, at, found);
    Some(found)
}
