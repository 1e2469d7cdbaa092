//! User mode: the registers of a program, and running it.

use alloc::vec::Vec;
use core::panic::Location;

use ostd_hal::Hal;
use ostd_hal::user::UserState;

pub use ostd_hal::user::{
    Access, Arch, Exception, PageFault, Registers, RegistersMut, RegistersRef, SyscallFrame, Trap, riscv64, x86_64,
};

use crate::check::Culprit;
use crate::cpu::{Cpu, CurrentCpu};
use crate::sync::lock_order;
use crate::task::Task;
use crate::vm::VmSpace;
use crate::{Backend, Machine};

/// The register file of this machine's programs.
pub type Regs = <Backend as Hal>::Registers;

/// The architecture of this machine's programs.
pub const ARCH: Arch = <Regs as Registers>::ARCH;

/// A user program's registers, moved between the program and the kernel only as far as somebody looks.
pub struct UserContext {
    machine: Machine,
    state: UserState<Regs>,
}

impl UserContext {
    /// A program that will start with `regs` and initial floating-point state.
    pub fn new(machine: &Machine, regs: Regs) -> Self {
        Self { machine: machine.clone(), state: UserState::new(regs) }
    }

    /// Runs the program in `space` until it traps. Interrupts are handled and other tasks get their turn before it is
    /// entered.
    ///
    /// Panics in atomic context.
    #[track_caller]
    pub fn execute(&mut self, space: &VmSpace) -> Trap {
        let place = Location::caller();
        let backend = &self.machine.0.backend;
        let about_to_enter = |cpu: &Cpu| {
            if let Some(why) = cpu.atomic_context() {
                panic!("a program was entered {why}, at {place}, {Culprit}");
            }
            cpu.take_interrupts();
            lock_order::expect_none(cpu, "a program was entered");
            // From here to user mode: an interrupt behind the look would find the program entered with its time up.
            backend.interrupts_disable();
            (cpu.id, cpu.resched_is_due())
        };
        // A turn may be over before it has led to user mode: where the machine itself has to wait for its processor.
        let cpu = loop {
            let (cpu, due) = CurrentCpu::with(about_to_enter).expect("programs run in tasks");
            if !due {
                break cpu;
            }
            backend.interrupts_enable();
            Task::yield_now();
        };
        backend.user_enter(cpu, space.root(), &mut self.state)
    }

    /// What the last trap carried: always at hand, at no cost.
    pub fn frame(&self) -> &SyscallFrame {
        &self.state.frame
    }

    /// What the system call returns to the program, unless the registers are changed otherwise later.
    pub fn set_syscall_return(&mut self, value: usize) {
        if self.state.loaded {
            self.state.regs.set_syscall_return(value);
            self.state.changed = true;
        } else {
            self.state.ret = Some(value);
        }
    }

    /// All registers, to be read.
    pub fn regs(&mut self) -> &Regs {
        self.load();
        &self.state.regs
    }

    /// All registers, to be changed.
    pub fn regs_mut(&mut self) -> &mut Regs {
        self.load();
        self.state.changed = true;
        &mut self.state.regs
    }

    /// Floating-point and vector state in the architecture's memory format.
    pub fn fp(&mut self) -> &[u8] {
        self.load_fp();
        &self.state.fp
    }

    /// Replaces the floating-point state. Bytes that the hardware would refuse become the initial state; extra bytes
    /// are ignored.
    pub fn set_fp(&mut self, fp: Vec<u8>) {
        self.state.fp = fp;
        self.state.fp_loaded = true;
        self.state.fp_changed = true;
    }

    /// A copy for a new program that goes on from here (fork, clone): same registers, its own life.
    pub fn fork(&mut self) -> Self {
        self.load();
        self.load_fp();
        let mut state = UserState::new(self.state.regs);
        state.fp = self.state.fp.clone();
        Self { machine: self.machine.clone(), state }
    }

    /// Starts over as a program with `regs` and initial floating-point state (execve).
    pub fn reset(&mut self, regs: Regs) {
        self.machine.0.backend.user_release(&mut self.state);
        self.state = UserState::new(regs);
    }

    fn load(&mut self) {
        if !self.state.loaded {
            self.machine.0.backend.user_load(&mut self.state);
            debug_assert!(self.state.loaded, "user_load makes the registers true");
            if let Some(value) = self.state.ret.take() {
                self.state.regs.set_syscall_return(value);
                self.state.changed = true;
            }
        }
    }

    fn load_fp(&mut self) {
        if !self.state.fp_loaded {
            self.machine.0.backend.user_load_fp(&mut self.state);
        }
        if self.state.fp.is_empty() {
            self.state.fp = self.machine.0.backend.fp_initial();
        }
    }
}

impl Drop for UserContext {
    fn drop(&mut self) {
        self.machine.0.backend.user_release(&mut self.state);
    }
}

/// The highest address plus one that programs of `machine` may map.
pub fn user_end(machine: &Machine) -> crate::Vaddr {
    machine.0.backend.user_end()
}
