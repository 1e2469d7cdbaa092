//! The engine: the round from entering a guest to its trap. Who runs in which stub is in `seats`.

use std::cell::RefCell;
use std::io;
use std::mem::offset_of;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use libc::{pid_t, user_regs_struct};
use ostd_hal::user::SyscallFrame;
use ostd_hal::user::x86_64::Regs;
use ostd_hal::{Access, Exception, OutsideUse, Paddr, PageFault, Trap, UserState, Vaddr};

use super::commands::CommandFile;
use super::fault::{self, Space, Verdict};
use super::homes::Homes;
use super::signal::{self, Meaning};
use super::spawn::StubFile;
use super::stub::{Stub, Trouble};
use super::sys::{self, Stop};
use super::tlb::{RUNS_MAX, Run, map_command};
use super::{PtraceConfig, emulate, image, registers};
use seats::initial_xstate;

mod seats;

/// Runs guests in stubs. Every call must come from the thread that made it.
pub struct PtraceEngine {
    inner: RefCell<Inner>,
}

struct Inner {
    config: PtraceConfig,
    executable: StubFile,
    commands: CommandFile,
    ram: OwnedFd,
    ram_size: usize,
    xstate_len: usize,
    stubs: Vec<Option<Stub>>,
    /// The slot of the stub entered last.
    recent: usize,
    homes: Homes,
    /// Counts entries, to know which stub was used longest ago.
    entries: u64,
    tsc: Box<dyn FnMut() -> u64>,
}

const GENERAL_PROTECTION: Trap = Trap::Exception(Exception::GeneralProtection);

impl PtraceEngine {
    /// Guests may map pages from here...
    pub const USER_START: Vaddr = Vaddr::new(image::USER_START);
    /// ...up to here.
    pub const USER_END: Vaddr = Vaddr::new(image::USER_END);

    /// An engine for the machine whose RAM of `ram_size` bytes is the file `memfd`, physical address being offset. It
    /// starts its first stub at once, so that an error here tells whether this host lets it run at all.
    pub fn new(memfd: RawFd, ram_size: usize, config: PtraceConfig) -> io::Result<Self> {
        let executable = StubFile::new()?;
        let slots = config.max_stubs.max(1);
        let commands = CommandFile::new(slots)?;
        let ram = sys::duplicate(memfd)?;
        let first = Stub::start(&executable, &commands, ram.as_raw_fd(), 0, &config)?;
        let xstate_len = sys::xstate(first.pid, 0)?.len();
        let mut stubs = Vec::new();
        stubs.resize_with(slots, || None);
        stubs[0] = Some(first);
        let mut reads = 0_u64;
        let tsc = Box::new(move || {
            reads += 1000;
            reads
        });
        Ok(Self {
            inner: RefCell::new(Inner {
                config,
                executable,
                commands,
                ram,
                ram_size,
                xstate_len,
                stubs,
                recent: 0,
                homes: Homes::default(),
                entries: 0,
                tsc,
            }),
        })
    }

    /// Sets what RDTSC reads on a deterministic machine; before, it counts its readings.
    pub fn set_tsc(&self, tsc: impl FnMut() -> u64 + 'static) {
        self.inner.borrow_mut().tsc = Box::new(tsc);
    }

    /// Runs the program in the address space `root` until it traps. `load` reads a word of RAM, for page tables.
    ///
    /// A stub that is killed from outside costs the program its registers: unless the caller has them, the program
    /// gets a general protection fault.
    pub fn enter(&self, root: Paddr, state: &mut UserState<Regs>, load: &dyn Fn(Paddr) -> u64) -> Trap {
        let mut inner = self.inner.borrow_mut();
        let ram_size = inner.ram_size;
        inner.enter(&Space { root, ram_size, load }, state)
    }

    /// Makes `state.regs` true, with the return value that `state.ret` promises.
    pub fn load(&self, state: &mut UserState<Regs>) {
        if !state.loaded {
            state.regs = self.inner.borrow_mut().load(state);
            state.loaded = true;
        }
    }

    /// Makes `state.fp` true.
    pub fn load_fp(&self, state: &mut UserState<Regs>) {
        if !state.fp_loaded {
            state.fp = self.inner.borrow_mut().load_fp(state);
            state.fp_loaded = true;
        }
    }

    /// Forgets the program.
    pub fn release(&self, state: &mut UserState<Regs>) {
        let mut inner = self.inner.borrow_mut();
        if let Some(root) = inner.homes.remove(state.home)
            && let Some(slot) = inner.slot_of(root)
            && let Some(stub) = &mut inner.stubs[slot]
            && stub.resident == Some(state.home)
        {
            stub.resident = None;
        }
        state.home = 0;
    }

    /// Drops what is mapped of `range` before the address space next runs.
    pub fn flush(&self, root: Paddr, range: Range<Vaddr>) {
        let mut inner = self.inner.borrow_mut();
        if let Some(slot) = inner.slot_of(root)
            && let Some(stub) = &mut inner.stubs[slot]
        {
            stub.tlb.flush(range.start.as_usize()..range.end.as_usize());
        }
    }

    /// The address space is gone: its stub is free for another.
    pub fn retire(&self, root: Paddr) {
        let mut inner = self.inner.borrow_mut();
        if let Some(slot) = inner.slot_of(root) {
            inner.vacate(slot);
        }
    }

    /// Floating-point state as programs start with it: an XSAVE area of the host's size, in which the legacy parts
    /// hold their initial values and no other part is in use.
    pub fn fp_initial() -> Vec<u8> {
        initial_xstate(emulate::xstate_len())
    }

    /// What is held on behalf of guests: stubs with an address space, and guest threads that have run.
    pub fn outside_use(&self) -> OutsideUse {
        let inner = self.inner.borrow();
        let processes = inner.stubs.iter().flatten().filter(|stub| stub.root.is_some()).count();
        OutsideUse { processes, programs: inner.homes.len() }
    }

    /// Shows every live stub to `visit`.
    pub(super) fn for_each_stub(&self, visit: impl FnMut(pid_t)) {
        self.inner.borrow().stubs.iter().flatten().map(|stub| stub.pid).for_each(visit);
    }
}

impl Inner {
    fn enter(&mut self, space: &Space<'_>, state: &mut UserState<Regs>) -> Trap {
        // A stub that dies before the guest ran is replaced; one that dies later takes the registers with it, and
        // then seating fails in the second round.
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            match self.round(space, state) {
                Ok(trap) => return trap,
                Err(Trouble::Gone) => self.bury(space.root),
                Err(Trouble::Refused(_)) => return GENERAL_PROTECTION,
            }
        }
        GENERAL_PROTECTION
    }

    /// One attempt at running the guest.
    fn round(&mut self, space: &Space<'_>, state: &mut UserState<Regs>) -> Result<Trap, Trouble> {
        let slot = self.stub_for(space.root)?;
        let mut program = self.seat(slot, space.root, state)?;
        let Some(stub) = &mut self.stubs[slot] else { return Err(Trouble::Gone) };
        let expected = stub.expected.take();
        if stub.tlb.is_pending() || expected.is_some() {
            let present = expected.filter(|addr| fault::is_present(space, addr.as_usize()));
            let runs = present.map_or(Vec::new(), |addr| match stub.tlb.prot(addr.as_usize()) {
                Some(_) => fault::alone(space, addr.as_usize()),
                None => fault::around(space, &stub.tlb, addr.as_usize()),
            });
            if stub.tlb.is_pending() || !runs.is_empty() {
                let mut regs = match program {
                    Some(regs) => regs,
                    None => sys::registers(stub.pid)?,
                };
                if program.is_none()
                    && let Some(ret) = state.ret
                {
                    regs.rax = ret as u64;
                }
                regs.orig_rax = registers::NO_SYSCALL;
                program = Some(regs);
                map(stub, &self.commands, space, &runs, expected)?;
            }
        }
        match (program, state.ret) {
            (Some(regs), _) => sys::set_registers(stub.pid, &regs)?,
            (None, Some(ret)) => set_return(stub.pid, ret)?,
            (None, None) => {}
        }
        sys::resume_emulating(stub.pid)?;
        (state.loaded, state.changed, state.ret) = (false, false, None);
        (state.fp_loaded, state.fp_changed) = (false, false);
        stub.ticked = false;
        self.until_trap(slot, space, state)
    }

    /// Waits for a trap that the kernel must see, answering the others.
    fn until_trap(&mut self, slot: usize, space: &Space<'_>, state: &mut UserState<Regs>) -> Result<Trap, Trouble> {
        // An access that the tables allow and the host refuses, again and again, would hang us.
        const SAME_FAULT_MAX: usize = 8;
        let Some(stub) = &mut self.stubs[slot] else { return Err(Trouble::Gone) };
        let mut last_fault = (0, 0);
        loop {
            match sys::wait(stub.pid) {
                Stop::Gone => return Err(Trouble::Gone),
                Stop::Syscall => {
                    if let Some(trap) = syscall_stop(stub, state)? {
                        return Ok(trap);
                    }
                }
                Stop::Signal(number) => {
                    let mut regs = sys::registers(stub.pid)?;
                    let trap = match signal::meaning(number, &sys::signal(stub.pid)?, &regs) {
                        Meaning::Nothing => None,
                        Meaning::Tick if self.config.deterministic && !stub.ticked => {
                            stub.ticked = true;
                            None
                        }
                        Meaning::Tick => Some(Trap::Interrupt),
                        Meaning::Protection => {
                            let bytes = space.instruction(regs.rip as usize);
                            if self.config.deterministic && emulate::emulate(&bytes, &mut regs, &mut self.tsc) {
                                sys::set_registers(stub.pid, &regs)?;
                                None
                            } else {
                                Some(GENERAL_PROTECTION)
                            }
                        }
                        Meaning::Vsyscall(addr) => {
                            regs.rip = addr as u64;
                            regs.rsp = regs.rsp.wrapping_sub(8);
                            sys::set_registers(stub.pid, &regs)?;
                            Some(fault_at(addr, Access::Execute))
                        }
                        Meaning::Fault(addr) => match fault::judge(space, &stub.tlb, &regs, addr) {
                            Verdict::Refuse(access) => {
                                stub.expected = Some(Vaddr::new(addr));
                                Some(fault_at(addr, access))
                            }
                            Verdict::Map(runs) => {
                                last_fault = if last_fault.0 == addr { (addr, last_fault.1 + 1) } else { (addr, 1) };
                                map(stub, &self.commands, space, &runs, Some(Vaddr::new(addr)))?;
                                sys::set_registers(stub.pid, &regs)?;
                                (last_fault.1 > SAME_FAULT_MAX).then_some(GENERAL_PROTECTION)
                            }
                        },
                        Meaning::Trap(trap) => Some(trap),
                    };
                    if let Some(trap) = trap {
                        state.regs = Regs { orig_rax: registers::NO_SYSCALL, ..registers::from_host(&regs) };
                        state.frame = registers::trap_frame(&state.regs);
                        state.loaded = true;
                        return Ok(trap);
                    }
                }
            }
            sys::resume_emulating(stub.pid)?;
        }
    }
}

/// Unmaps what waits to be unmapped, then maps `runs`. Where mappings run out, everything goes and only the page that
/// holds `wanted` is mapped.
fn map(
    stub: &mut Stub,
    commands: &CommandFile,
    space: &Space<'_>,
    runs: &[(usize, Run)],
    wanted: Option<Vaddr>,
) -> Result<(), Trouble> {
    if stub.tlb.runs() + runs.len() > RUNS_MAX {
        stub.tlb.flush_all();
    }
    match map_once(stub, commands, runs) {
        Err(Trouble::Refused(_)) => {
            stub.tlb.forget_all();
            let one = wanted.map_or(Vec::new(), |addr| fault::alone(space, addr.as_usize()));
            map_once(stub, commands, &one)
        }
        result => result,
    }
}

fn map_once(stub: &mut Stub, commands: &CommandFile, runs: &[(usize, Run)]) -> Result<(), Trouble> {
    let mut batch: Vec<_> = stub.tlb.take_pending(runs).collect();
    batch.extend(runs.iter().map(|(start, run)| map_command(*start, *run)));
    stub.run(commands, &batch)?;
    for (start, run) in runs {
        stub.tlb.insert(*start, *run);
    }
    Ok(())
}

/// What the guest's system call is; `None` if the stop means nothing.
fn syscall_stop(stub: &Stub, state: &mut UserState<Regs>) -> Result<Option<Trap>, Trouble> {
    const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
    const ENTRY: u8 = 1;
    let info = sys::syscall_info(stub.pid)?;
    if info.op != ENTRY {
        return Ok(None);
    }
    let ip = info.ip as usize;
    if info.arch == AUDIT_ARCH_X86_64 && !signal::is_stub_page(ip) {
        state.frame = SyscallFrame {
            number: info.number as usize,
            args: info.args.map(|arg| arg as usize),
            ip,
            sp: info.sp as usize,
        };
        return Ok(Some(Trap::Syscall));
    }
    let mut regs = sys::registers(stub.pid)?;
    let trap = if signal::is_stub_page(ip) {
        fault_at(ip, Access::Execute)
    } else {
        // `int 0x80`, or a guest in 32-bit mode: as on a Linux that has neither.
        regs.rip = regs.rip.wrapping_sub(2);
        GENERAL_PROTECTION
    };
    regs.rax = regs.orig_rax;
    regs.orig_rax = registers::NO_SYSCALL;
    sys::set_registers(stub.pid, &regs)?;
    state.regs = registers::from_host(&regs);
    state.frame = registers::trap_frame(&state.regs);
    state.loaded = true;
    Ok(Some(trap))
}

/// Sets what the system call that a stub stands at returns.
fn set_return(pid: pid_t, value: usize) -> Result<(), Trouble> {
    // The host would take these for its own wish to restart the call.
    const RESTART_CODES: std::ops::RangeInclusive<isize> = -516..=-512;
    if RESTART_CODES.contains(&(value as isize)) {
        let regs = sys::registers(pid)?;
        return Ok(sys::set_registers(pid, &with_return(regs, Some(value)))?);
    }
    Ok(sys::set_register(pid, offset_of!(user_regs_struct, rax), value as u64)?)
}

/// Registers outside any system call, with a return value if there is one.
fn with_return(regs: user_regs_struct, ret: Option<usize>) -> user_regs_struct {
    user_regs_struct { orig_rax: registers::NO_SYSCALL, ..with_value(regs, ret) }
}

fn with_value(regs: user_regs_struct, ret: Option<usize>) -> user_regs_struct {
    user_regs_struct { rax: ret.map_or(regs.rax, |value| value as u64), ..regs }
}

fn fault_at(addr: usize, access: Access) -> Trap {
    Trap::PageFault(PageFault { addr: Vaddr::new(addr), access })
}
