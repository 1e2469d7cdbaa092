//! One stub: a host process that runs guest code and, between guest instructions, commands of ours.

use std::io;
use std::mem::offset_of;
use std::os::fd::RawFd;

use libc::{pid_t, user_regs_struct};
use ostd_hal::{Paddr, Vaddr};

use super::commands::{Command, CommandFile};
use super::spawn::StubFile;
use super::sys::{self, Stop};
use super::tlb::Tlb;
use super::{PtraceConfig, image};

/// Why something could not be done with a stub.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It died, by somebody else's hand.
    Gone,
    /// The host refused.
    Refused(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        if error.raw_os_error() == Some(libc::ESRCH) { Self::Gone } else { Self::Refused(error) }
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Gone => Self::other("a stub process died"),
            Trouble::Refused(error) => error,
        }
    }
}

/// A live stub, stopped whenever this is looked at. Dropping it kills the process.
pub(super) struct Stub {
    pub(super) pid: pid_t,
    slot: usize,
    /// The address space it stands for; `None` while it waits in the pool.
    pub(super) root: Option<Paddr>,
    /// Whose registers are in it.
    pub(super) resident: Option<u64>,
    /// When it was last entered.
    pub(super) used: u64,
    /// What it has mapped.
    pub(super) tlb: Tlb,
    /// The page whose fault was last reported: likely to be mapped by the time the guest goes on.
    pub(super) expected: Option<Vaddr>,
    /// Whether its timer fired and no trap followed.
    pub(super) ticked: bool,
}

impl Stub {
    /// Starts a stub and brings it to where guests can be run in it.
    pub(super) fn start(
        files: &StubFile,
        commands: &CommandFile,
        ram: RawFd,
        slot: usize,
        config: &PtraceConfig,
    ) -> io::Result<Self> {
        let stub = Self {
            pid: files.spawn(ram, commands.fd())?,
            slot,
            root: None,
            resident: None,
            used: 0,
            tlb: Tlb::default(),
            expected: None,
            ticked: false,
        };
        stub.furnish(commands, config).map_err(|error| {
            let error = io::Error::from(error);
            io::Error::new(error.kind(), format!("preparing a stub process: {error}"))
        })?;
        Ok(stub)
    }

    /// Maps the stub's own pages, unmaps all others, arms the timer, and locks the door.
    fn furnish(&self, commands: &CommandFile, config: &PtraceConfig) -> Result<(), Trouble> {
        let map = |page, prot, offset| {
            let flags = libc::MAP_SHARED | libc::MAP_FIXED;
            let args = [page, ostd_hal::PAGE_SIZE, prot as usize, flags as usize, image::COMMAND_FD as usize, offset];
            self.call_at_entry(Command { number: libc::SYS_mmap, args })
        };
        map(image::CODE_PAGE, libc::PROT_READ | libc::PROT_EXEC, 0)?;
        map(image::COMMAND_PAGE, libc::PROT_READ, CommandFile::page_offset(self.slot))?;

        let command = |number, args: &[usize]| {
            let mut all = [0; 6];
            all[..args.len()].copy_from_slice(args);
            Command { number, args: all }
        };
        if config.deterministic {
            const PR_TSC_SIGSEGV: usize = 2;
            const ARCH_SET_CPUID: usize = 0x1012;
            // Where the host cannot make these trap, the guest sees the real processor.
            for trap in [
                command(libc::SYS_prctl, &[libc::PR_SET_TSC as usize, PR_TSC_SIGSEGV]),
                command(libc::SYS_arch_prctl, &[ARCH_SET_CPUID, 0]),
            ] {
                match self.run(commands, &[trap]) {
                    Err(Trouble::Gone) => return Err(Trouble::Gone),
                    Ok(()) | Err(Trouble::Refused(_)) => {}
                }
            }
        }

        const ITIMER_VIRTUAL: usize = 1;
        const SECCOMP_SET_MODE_FILTER: usize = 1;
        const SECCOMP_FILTER_FLAG_SPEC_ALLOW: usize = 4;
        let timer_offset = image::DATA_OFFSET;
        let program_offset = timer_offset + 32;
        let filter_offset = program_offset + 16;
        let quantum = [config.quantum.as_secs(), u64::from(config.quantum.subsec_micros())];
        let timer: Vec<u8> = quantum.iter().chain(&quantum).flat_map(|part| part.to_le_bytes()).collect();
        commands.write(self.slot, timer_offset, &timer);
        let filter = image::filter();
        let program = [filter.len() as u64, (image::COMMAND_PAGE + filter_offset) as u64];
        commands.write(self.slot, program_offset, &program.map(u64::to_le_bytes).concat());
        let mut instructions = Vec::new();
        for step in &filter {
            instructions.extend(step.code.to_le_bytes());
            instructions.extend([step.jt, step.jf]);
            instructions.extend(step.k.to_le_bytes());
        }
        commands.write(self.slot, filter_offset, &instructions);

        self.run(
            commands,
            &[
                command(libc::SYS_munmap, &[0, image::STUB_START]),
                command(libc::SYS_close, &[image::COMMAND_FD as usize]),
                command(libc::SYS_setitimer, &[ITIMER_VIRTUAL, image::COMMAND_PAGE + timer_offset, 0]),
                command(libc::SYS_prctl, &[libc::PR_SET_NO_NEW_PRIVS as usize, 1]),
                command(
                    libc::SYS_seccomp,
                    &[SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, image::COMMAND_PAGE + program_offset],
                ),
            ],
        )
    }

    /// Makes one system call at the entry of the stub's executable, before it has pages of its own.
    fn call_at_entry(&self, command: Command) -> Result<(), Trouble> {
        let mut regs = sys::registers(self.pid)?;
        let [a0, a1, a2, a3, a4, a5] = command.args.map(|arg| arg as u64);
        (regs.rip, regs.rax, regs.orig_rax) = (image::ELF_ENTRY as u64, command.number as u64, u64::MAX);
        (regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9) = (a0, a1, a2, a3, a4, a5);
        sys::set_registers(self.pid, &regs)?;
        self.run_to_breakpoint(|_| Ok(false))?;
        refusal(sys::register(self.pid, offset_of!(user_regs_struct, rax))?)
    }

    /// Has the stub make `batch`, in order, up to the first call that fails. Its registers are lost.
    pub(super) fn run(&self, commands: &CommandFile, batch: &[Command]) -> Result<(), Trouble> {
        for part in batch.chunks(image::BATCH_MAX) {
            commands.write_batch(self.slot, part);
            let end = (image::COMMAND_PAGE + part.len() * image::COMMAND_LEN) as u64;
            let regs = user_regs_struct {
                rip: image::CODE_PAGE as u64,
                rbx: image::COMMAND_PAGE as u64,
                r12: end,
                ..host_registers()
            };
            sys::set_registers(self.pid, &regs)?;
            let done = |stub: &Self| Ok(sys::register(stub.pid, offset_of!(user_regs_struct, rbx))? == end);
            if !self.run_to_breakpoint(done)? {
                refusal(sys::register(self.pid, offset_of!(user_regs_struct, rax))?)?;
            }
        }
        Ok(())
    }

    /// Runs code of ours until `done` or until its own breakpoint, and says which. Signals from outside are ignored.
    fn run_to_breakpoint(&self, done: impl Fn(&Self) -> Result<bool, Trouble>) -> Result<bool, Trouble> {
        const SI_KERNEL: i32 = 0x80;
        loop {
            sys::resume_injected(self.pid)?;
            match sys::wait(self.pid) {
                Stop::Gone => return Err(Trouble::Gone),
                Stop::Signal(libc::SIGTRAP) => {
                    if done(self)? {
                        return Ok(true);
                    }
                    if sys::signal(self.pid)?.code == SI_KERNEL {
                        return Ok(false);
                    }
                }
                Stop::Signal(signal @ (libc::SIGSEGV | libc::SIGSYS)) if sys::signal(self.pid)?.code > 0 => {
                    return Err(Trouble::Refused(io::Error::other(format!(
                        "a stub's own code raised signal {signal}"
                    ))));
                }
                Stop::Syscall | Stop::Signal(_) => {}
            }
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        sys::end(self.pid);
    }
}

/// What a system call's result says went wrong.
fn refusal(result: u64) -> Result<(), Trouble> {
    match result as i64 {
        errno @ -4095..=-1 => Err(Trouble::Refused(io::Error::from_raw_os_error(-errno as i32))),
        _ => Ok(()),
    }
}

/// A register file of the host, as 64-bit user code starts with it.
pub(super) fn host_registers() -> user_regs_struct {
    const USER_CS: u64 = 0x33;
    const USER_SS: u64 = 0x2b;
    const INTERRUPTS_ON: u64 = 0x202;
    user_regs_struct {
        r15: 0,
        r14: 0,
        r13: 0,
        r12: 0,
        rbp: 0,
        rbx: 0,
        r11: 0,
        r10: 0,
        r9: 0,
        r8: 0,
        rax: 0,
        rcx: 0,
        rdx: 0,
        rsi: 0,
        rdi: 0,
        // Not in a system call: nothing for the host to restart.
        orig_rax: u64::MAX,
        rip: 0,
        cs: USER_CS,
        eflags: INTERRUPTS_ON,
        rsp: 0,
        ss: USER_SS,
        fs_base: 0,
        gs_base: 0,
        ds: 0,
        es: 0,
        fs: 0,
        gs: 0,
    }
}
