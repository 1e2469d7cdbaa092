//! A kernel in one file, and a tour of ostd. It is no Linux: its programs know three calls.
//!
//! ```text
//! cargo run -p ostd --example tiny                      # in a process
//! cargo xtask boot --example tiny --arch riscv64        # on metal, or --arch x86_64
//! ```
//!
//! A kernel on ostd brings no `unsafe`, no statics and no `cfg`: memory, CPUs and devices are values, and what differs
//! between machines is a type or a constant.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod program;

use alloc::{boxed::Box, format, sync::Arc};

use ostd::sched::Fifo;
use ostd::sync::atomic::AtomicU32;
use ostd::sync::{Sleep, WaitQueue};
use ostd::task::Task;
use ostd::timer::Timer;
use ostd::user::{Registers as _, Regs, Trap, UserContext};
use ostd::vm::{PageFlags, VmSpace};
use ostd::{Machine, PAGE_SIZE, Vaddr};

// One `main` for every machine: on metal the boot code calls it, on a host the process does.
ostd::image!(main);

/// What a program's registers ask for: end, print some bytes, sleep until the clock has ticked.
const EXIT: usize = 0;
const SAY: usize = 1;
const NAP: usize = 2;

/// Everything the kernel knows. Tasks share it by counting references; there is no global.
struct Tiny {
    machine: Machine,
    ticks: AtomicU32,
    ticked: WaitQueue,
    /// What the program ended with.
    status: AtomicU32,
}

fn main(machine: Machine) -> u8 {
    // A machine knows how to switch tasks, not which to run. A kernel says so before it starts the first one.
    machine.set_scheduler(Arc::new(Fifo::default()));
    let tiny = Arc::new(Tiny {
        machine: machine.clone(),
        ticks: AtomicU32::new(0),
        ticked: WaitQueue::new(),
        status: AtomicU32::new(1),
    });

    // A task is kernel code on a stack of its own; `data` is for kernels that want to find something by their task.
    let (clock, program) = (Arc::clone(&tiny), Arc::clone(&tiny));
    Task::spawn(&machine, "clock", Box::new(()), move || clock.keep_time()).expect("memory for a stack");
    Task::spawn(&machine, "program", Box::new(()), move || program.run()).expect("memory for a stack");

    // Lends all CPUs to the tasks, until one of them calls `stop`. Where nothing could ever run again, that is said
    // instead of waiting for ever.
    if let Err(end) = machine.run() {
        tiny.log(&format!("{end:?}"));
    }
    // The clock's task is still asleep: it ends where it stands, its destructors run, and nobody points into us.
    machine.end_tasks();
    machine.detach();
    tiny.log(&format!("the program ended with {}", tiny.status.load()));
    tiny.status.load() as u8
}

impl Tiny {
    fn log(&self, line: &str) {
        self.machine.emergency_write(format!("{line}\n").as_bytes());
    }

    /// The first task: a tick every millisecond.
    fn keep_time(self: Arc<Self>) {
        // The callback is an interrupt handler: it may take spin locks and wake sleepers, never sleep.
        let tiny = Arc::clone(&self);
        let timer = Timer::new(&self.machine, move || {
            tiny.ticks.fetch_add(1);
            tiny.ticked.wake_all();
        });
        loop {
            // Looked at before the timer is armed: the tick may come at once, and it is the only one.
            let before = self.ticks.load();
            timer.arm(self.machine.monotonic_ns() + 1_000_000);
            self.wait_for_a_tick_after(before);
        }
    }

    /// Sleeps until the clock has ticked since it stood at `before`. A wait queue takes the condition as a closure, so no
    /// wake-up is lost between a look at it and the sleep; and each sleep says whether a signal may end it.
    fn wait_for_a_tick_after(&self, before: u32) {
        let ticked = || (self.ticks.load() != before).then_some(());
        let _ = self.ticked.wait_until(Sleep::uninterruptible(), ticked);
    }

    /// The second task: a program in an address space of its own.
    fn run(self: Arc<Self>) {
        // One page holds the code, and the text behind it. Frames are counted: when the space goes, they go.
        let (code, text) = (program::code(), b"hello from user mode\n");
        let space = VmSpace::new(&self.machine).expect("memory for a page table");
        let frame = self.machine.frame().expect("memory for a page");
        frame.write(0, code);
        frame.write(code.len(), text);
        let page = Vaddr::new(0x40_0000);
        let mut cursor = space.cursor(page..page + PAGE_SIZE);
        cursor.map(frame, PageFlags::EXECUTE).expect("memory for a page table");
        // The cursor holds the tree's lock, and nothing may run or sleep under that.
        drop(cursor);

        let mut regs = Regs::default();
        regs.set_ip(page.as_usize());
        regs.set_call_args([page.as_usize() + code.len(), text.len(), 0]);
        let mut user = UserContext::new(&self.machine, regs);
        let status = loop {
            // In user mode until something happens; what a kernel is, is how it answers.
            let trap = user.execute(&space);
            let args = user.frame().args;
            match (trap, user.frame().number) {
                (Trap::Interrupt, _) => {}
                (Trap::Syscall, EXIT) => break args[0] as u32,
                (Trap::Syscall, NAP) => self.wait_for_a_tick_after(self.ticks.load()),
                (Trap::Syscall, SAY) => {
                    // User memory is reached by copies only: an address that is a lie is an error, not a crash.
                    let mut bytes = [0; 80];
                    let bytes = &mut bytes[..args[1].min(80)];
                    let said = space.read(Vaddr::new(args[0]), bytes);
                    self.machine.emergency_write(if said.is_ok() { bytes } else { b"?\n" });
                    user.set_syscall_return(usize::from(said.is_err()));
                }
                (trap, _) => {
                    self.log(&format!("the program did something that this kernel does not know: {trap:?}"));
                    break 1;
                }
            }
        };
        self.status.store(status);
        self.machine.stop();
    }
}
