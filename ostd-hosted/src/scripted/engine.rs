//! The engine: functions by number, and entering the fibers that run them.
#![expect(unsafe_code, reason = "a program's fiber is named by a pointer in its state")]

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ostd_hal::user::x86_64::Regs;
use ostd_hal::user::{Access, Exception, SyscallFrame, Trap, UserState};
use ostd_hal::{CpuId, OutsideUse, Paddr, Vaddr};

use super::guest::{Call, Guest, GuestFiber, Order, Outcome};
use super::tlb::Tlb;
use super::token::{TOKEN_LEN, TOKENS_MAX, Token};
use crate::hosted::Hosted;

/// What a function's `ret` takes from the stack.
const RETURN_ADDRESS_LEN: u64 = 8;

/// A function that a program can run. The three arguments are what the registers of a called function hold.
pub(crate) type Function = Arc<dyn Fn(&mut Guest, [usize; 3]) + Send + Sync>;

/// A panic in a program's function: that program's failure, and nobody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The panic's message.
    pub message: String,
}

/// The scripted engine of one machine.
pub struct Scripted {
    functions: RwLock<Vec<Function>>,
    failures: RwLock<Vec<Failure>>,
    tlbs: Box<[CpuTlb]>,
    /// Fibers that exist.
    programs: AtomicUsize,
}

/// A TLB is used by the host thread that runs its CPU.
struct CpuTlb(std::sync::Mutex<Tlb>);

impl Scripted {
    pub(crate) fn new(cpus: usize) -> Self {
        Self {
            functions: RwLock::new(Vec::new()),
            failures: RwLock::new(Vec::new()),
            tlbs: (0..cpus).map(|_| CpuTlb(std::sync::Mutex::new(Tlb::new()))).collect(),
            programs: AtomicUsize::new(0),
        }
    }

    /// Makes a function known to the machine and returns its token.
    ///
    /// Panics when the machine has [`TOKENS_MAX`] functions.
    pub fn register(&self, function: impl Fn(&mut Guest, [usize; 3]) + Send + Sync + 'static) -> Token {
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        assert!(functions.len() < TOKENS_MAX, "a machine has at most {TOKENS_MAX} scripted functions");
        functions.push(Arc::new(function));
        Token(u32::try_from(functions.len() - 1).unwrap_or(u32::MAX))
    }

    /// Panics of programs so far; each ended its program as an invalid instruction would.
    pub fn failures(&self) -> Vec<Failure> {
        self.failures.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn enter(&self, machine: &Hosted, cpu: CpuId, root: Paddr, state: &mut UserState<Regs>) -> Trap {
        let order = match self.order(machine, root, state) {
            Ok(order) => order,
            Err(trap) => return trap,
        };
        state.loaded = true;
        state.changed = false;
        state.ret = None;
        match fiber_of(state).go(machine, cpu, root, order) {
            Outcome::Syscall => syscall(state),
            Outcome::HandlerDone => {
                state.regs.rsp = state.regs.rsp.wrapping_add(RETURN_ADDRESS_LEN);
                syscall(state)
            }
            Outcome::Fault(fault) => {
                stopped(state);
                Trap::PageFault(fault)
            }
            Outcome::Preempted => {
                stopped(state);
                Trap::Interrupt
            }
            // The outermost function returned without ending its program: as a process that returns from its
            // start address would, it runs into nothing.
            Outcome::Returned => Trap::Exception(Exception::InvalidInstruction),
            Outcome::Panicked(message) => {
                self.failures.write().unwrap_or_else(PoisonError::into_inner).push(Failure { message });
                Trap::Exception(Exception::InvalidInstruction)
            }
        }
    }

    /// What entering at the state's `rip` means to its program.
    fn order(&self, machine: &Hosted, root: Paddr, state: &mut UserState<Regs>) -> Result<Order, Trap> {
        let ip = state.regs.rip as usize;
        if state.home != 0 {
            let expected = fiber_of(state).expected_ip();
            if expected == Some(ip) {
                return Ok(Order::Return(state.ret.unwrap_or(state.regs.rax as usize)));
            }
            if expected.is_some_and(|expected| expected.wrapping_sub(2) == ip) {
                return Ok(Order::Repeat(state.regs.rax as usize));
            }
        }
        let mut bytes = [0; TOKEN_LEN];
        machine
            .each_page(root, Vaddr::new(ip), TOKEN_LEN, Access::Execute, |byte, offset, len| {
                // SAFETY: `each_page` gives places in mapped frames; `bytes` holds all of the range.
                unsafe { crate::copy::copy_bytes(byte, bytes.as_mut_ptr().add(offset), len) };
            })
            .map_err(|refused| Trap::PageFault(refused.fault))?;
        let token = Token::decode(&bytes);
        let function = token.and_then(|token| {
            self.functions.read().unwrap_or_else(PoisonError::into_inner).get(token.0 as usize).cloned()
        });
        let function = function.ok_or(Trap::Exception(Exception::InvalidInstruction))?;
        let regs = &state.regs;
        let args = [regs.rdi, regs.rsi, regs.rdx].map(|arg| arg as usize);
        if state.home == 0 {
            let fiber = GuestFiber::new().ok_or(Trap::Exception(Exception::InvalidInstruction))?;
            self.programs.fetch_add(1, Ordering::Relaxed);
            state.home = Box::into_raw(Box::new(fiber)).expose_provenance() as u64;
        }
        Ok(Order::Call(Box::new(Call { function, args, ip, sp: regs.rsp as usize, rax: regs.rax as usize })))
    }

    pub(crate) fn release(&self, state: &mut UserState<Regs>) {
        if state.home != 0 {
            let fiber = std::ptr::with_exposed_provenance_mut::<GuestFiber>(state.home as usize);
            state.home = 0;
            self.programs.fetch_sub(1, Ordering::Relaxed);
            // SAFETY: `order` made it by `Box::into_raw` for this state alone; it is not running, for its kernel task
            // is here.
            drop(unsafe { Box::from_raw(fiber) });
        }
    }

    pub(crate) fn outside_use(&self) -> OutsideUse {
        OutsideUse { processes: 0, programs: self.programs.load(Ordering::Relaxed) }
    }

    #[inline]
    pub(crate) fn with_tlb<R>(&self, cpu: CpuId, f: impl FnOnce(&mut Tlb) -> R) -> R {
        f(&mut self.tlbs[cpu.0].0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn flush(&self, cpu: CpuId, root: Paddr, range: Range<Vaddr>) {
        self.with_tlb(cpu, |tlb| tlb.flush(root, &range));
    }

    pub(crate) fn retire(&self, root: Paddr) {
        for cpu in 0..self.tlbs.len() {
            self.flush(CpuId(cpu), root, Vaddr::new(0)..super::USER_END);
        }
    }
}

/// The registers of a program that has just made a system call.
fn syscall(state: &mut UserState<Regs>) -> Trap {
    let fiber = fiber_pointer(state);
    // SAFETY: as in `fiber_of`; the fiber does not run, and `state` only names it.
    let place = unsafe { (*fiber).place() };
    let ((number, args), ip) = (&place.call, place.ip());
    let regs = &mut state.regs;
    [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9] = args.map(|arg| arg as u64);
    regs.orig_rax = *number as u64;
    regs.rax = -38_i64 as u64;
    regs.rip = ip as u64;
    regs.rcx = ip as u64;
    state.frame = SyscallFrame { number: *number, args: *args, ip, sp: regs.rsp as usize };
    Trap::Syscall
}

/// The registers of a program that stopped, and made no call.
fn stopped(state: &mut UserState<Regs>) {
    let ip = fiber_of(state).place().ip();
    state.regs.rip = ip as u64;
    state.regs.orig_rax = u64::MAX;
    state.frame.ip = ip;
}

fn fiber_pointer(state: &UserState<Regs>) -> *mut GuestFiber {
    std::ptr::with_exposed_provenance_mut::<GuestFiber>(state.home as usize)
}

fn fiber_of(state: &mut UserState<Regs>) -> &mut GuestFiber {
    let fiber = fiber_pointer(state);
    // SAFETY: `home` is not zero here; it came from `order` and is released only with the state, which is borrowed.
    unsafe { &mut *fiber }
}
