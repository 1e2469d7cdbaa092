//! A program: its fiber, and what its functions may do.
#![expect(unsafe_code, reason = "a program's fiber reaches its machine by pointer while it runs")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use ostd_hal::user::{Access, PageFault};
use ostd_hal::walk::translate;
use ostd_hal::{CpuId, Hal as _, PAGE_SIZE, Paddr, PageFlags, Vaddr};

use super::engine::Function;
use crate::context::{give_stack, take_stack};
use crate::copy::copy_bytes;
use crate::hosted::{Entry, Hosted};

/// Offset in a token at which its function "goes on" after a call, and distance from there back to the call.
const RESUME_OFFSET: usize = 8;

/// What the kernel's entering tells the program.
pub(crate) enum Order {
    /// The call it waits in returns this.
    Return(usize),
    /// The call it waits in is made again, with this number.
    Repeat(usize),
    /// This function is called, on top of whatever waits.
    Call { function: Function, args: [usize; 3], ip: usize, sp: usize, rax: usize },
}

/// Why the program stopped.
pub(crate) enum Outcome {
    Syscall {
        number: usize,
        args: [usize; 6],
        ip: usize,
    },
    /// A signal handler is done: its `ret` has taken the return address, and the code there calls `rt_sigreturn`.
    HandlerDone {
        ip: usize,
    },
    Fault {
        fault: PageFault,
        ip: usize,
    },
    Preempted {
        ip: usize,
    },
    Returned,
    Panicked(String),
}

/// What the fiber hands out when it stops.
enum Stop {
    Syscall { number: usize, args: [usize; 6], ip: usize },
    HandlerDone { ip: usize },
    Fault { fault: PageFault, ip: usize },
    Preempted { ip: usize },
}

type Fiber = Coroutine<Order, Stop, (), DefaultStack>;

/// The program's side of the registers: a fiber with the functions that are being called on it.
pub(crate) struct GuestFiber {
    /// `None` once dropped.
    fiber: Option<Fiber>,
    place: Box<Place>,
}

/// Where the program is running now, told to its fiber at each entry.
struct Place {
    machine: *const Hosted,
    cpu: CpuId,
    root: Paddr,
    /// Where the innermost call goes on; `None` before the first.
    expected: Option<usize>,
}

impl GuestFiber {
    pub(crate) fn new() -> Option<Self> {
        let mut place = Box::new(Place { machine: ptr::null(), cpu: CpuId(0), root: Paddr::new(0), expected: None });
        let place_pointer: *mut Place = &raw mut *place;
        let stack = take_stack()?;
        let fiber = Coroutine::with_stack(stack, move |yielder: &Yielder<Order, Stop>, order| {
            let mut guest = Guest { yielder, place: place_pointer, ip: 0, sp: 0, entry_rax: 0 };
            let mut order = order;
            while let Order::Call { function, args, ip, sp, rax } = order {
                guest.call(&function, args, ip, sp, rax);
                if !is_handler(&args, sp) {
                    return;
                }
                // A signal came before the program's own first function, which begins when its handler is done.
                let ip = ip + RESUME_OFFSET;
                guest.expect(ip);
                order = yielder.suspend(Stop::HandlerDone { ip });
            }
        });
        Some(Self { fiber: Some(fiber), place })
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
            Ok(CoroutineResult::Yield(stop)) => match stop {
                Stop::Syscall { number, args, ip } => {
                    self.place.expected = Some(ip);
                    Outcome::Syscall { number, args, ip }
                }
                Stop::HandlerDone { ip } => {
                    self.place.expected = Some(ip);
                    Outcome::HandlerDone { ip }
                }
                Stop::Fault { fault, ip } => {
                    self.place.expected = Some(ip);
                    Outcome::Fault { fault, ip }
                }
                Stop::Preempted { ip } => {
                    self.place.expected = Some(ip);
                    Outcome::Preempted { ip }
                }
            },
            Ok(CoroutineResult::Return(())) => Outcome::Returned,
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

/// Whether a function was called as a signal handler: its third argument is the context, right above the return address.
fn is_handler(args: &[usize; 3], sp: usize) -> bool {
    args[2] == sp.wrapping_add(size_of::<usize>())
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

    /// Reads user memory, as load instructions would.
    pub fn load(&mut self, at: usize, into: &mut [u8]) {
        let mut done = 0;
        while done < into.len() {
            let here = Vaddr::new(at.wrapping_add(done));
            let piece = (PAGE_SIZE - here.page_offset()).min(into.len() - done);
            let byte = self.reach(here, Access::Read);
            // SAFETY: `reach` gives the place of a mapped byte, with the rest of its page behind it.
            unsafe { copy_bytes(byte, into[done..].as_mut_ptr(), piece) };
            done += piece;
        }
    }

    /// Writes user memory, as store instructions would.
    pub fn store(&mut self, at: usize, from: &[u8]) {
        let mut done = 0;
        while done < from.len() {
            let here = Vaddr::new(at.wrapping_add(done));
            let piece = (PAGE_SIZE - here.page_offset()).min(from.len() - done);
            let byte = self.reach(here, Access::Write);
            // SAFETY: as in `load`.
            unsafe { copy_bytes(from[done..].as_ptr(), byte, piece) };
            done += piece;
        }
    }

    /// Lets the kernel in, as a timer interrupt would.
    pub fn preempt(&mut self) {
        let ip = self.ip + RESUME_OFFSET;
        self.stop(Stop::Preempted { ip });
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
            match self.stop(Stop::Syscall { number, args, ip }) {
                Order::Return(value) => return value as isize,
                Order::Repeat(again) => number = again,
                Order::Call { .. } => unreachable!("`stop` runs calls itself"),
            }
        }
    }

    /// Stops until the kernel goes on with this very call, running handlers that it calls meanwhile.
    fn stop(&mut self, stop: Stop) -> Order {
        // SAFETY: the yielder belongs to the fiber that runs this code.
        let yielder = unsafe { &*self.yielder };
        let ip = match stop {
            Stop::Syscall { ip, .. } | Stop::HandlerDone { ip } | Stop::Fault { ip, .. } | Stop::Preempted { ip } => ip,
        };
        let mut order = yielder.suspend(stop);
        loop {
            match order {
                Order::Call { function, args, ip: handler, sp, rax } => {
                    let outer = (self.ip, self.sp, self.entry_rax);
                    self.call(&function, args, handler, sp, rax);
                    (self.ip, self.sp, self.entry_rax) = outer;
                    // The handler's last act; the kernel puts the interrupted call's registers back, and entering
                    // with them is what this call waits for.
                    self.expect(ip);
                    order = yielder.suspend(Stop::HandlerDone { ip });
                }
                order => return order,
            }
        }
    }

    fn expect(&mut self, ip: usize) {
        // SAFETY: `place` outlives the fiber; nobody else touches it while the fiber runs.
        unsafe { (*self.place).expected = Some(ip) };
    }

    fn call(&mut self, function: &Function, args: [usize; 3], ip: usize, sp: usize, rax: usize) {
        (self.ip, self.sp, self.entry_rax) = (ip, sp, rax);
        let function = function.clone();
        // Nothing is caught for good: the payload goes on to the engine, or is the fiber's own unwinding.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| function(self, args))) {
            resume_unwind(payload);
        }
    }

    /// The place of the byte at `at`, faulting until it may be used.
    fn reach(&mut self, at: Vaddr, access: Access) -> *mut u8 {
        let needed = PageFlags::USER | if access == Access::Write { PageFlags::WRITE } else { PageFlags::empty() };
        loop {
            // SAFETY: as in `machine`; the three are copied out before anything can suspend.
            let (machine, cpu, root) = unsafe { (&*(*self.place).machine, (*self.place).cpu, (*self.place).root) };
            let found = machine.scripted().with_tlb(cpu, |tlb| {
                tlb.lookup(root, at).filter(|found| found.flags.contains(needed)).or_else(|| {
                    let found = translate::<Entry>(|word| machine.word_load(word), root, at)?;
                    tlb.fill(root, at, found);
                    Some(found)
                })
            });
            match found {
                Some(found) if found.flags.contains(needed) && at < super::USER_END => {
                    return machine.phys_to_virt(found.page + at.page_offset());
                }
                _ => {
                    let ip = self.ip + RESUME_OFFSET;
                    self.stop(Stop::Fault { fault: PageFault { addr: at, access }, ip });
                }
            }
        }
    }
}
