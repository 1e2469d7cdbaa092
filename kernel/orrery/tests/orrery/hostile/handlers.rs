//! Signal handlers that go wrong, and some that put right what has: nested without end, on stacks that end, faulting.

use kernel_abi::flags::Resource;
use kernel_abi::row::Call;
use kernel_abi::{Calls as _, Result, Signal, Sys as _};
use libtest_mimic::Trial;
use ostd::hosted::native;

use super::guest::{Ending, Guest};
use super::{Probe, same_lines, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("handlers_that_go_wrong_end_as_on_the_host", || same_lines("handlers", &[]))]
}

pub(crate) const PROBES: &[Probe] = &[("handlers", handlers)];

const SA_SIGINFO: usize = 4;
const SA_RESTORER: usize = 0x400_0000;
const SA_ONSTACK: usize = 0x800_0000;
const SA_NODEFER: usize = 0x4000_0000;
const SA_RESETHAND: usize = 0x8000_0000;

const SEGV: usize = Signal::SIGSEGV.number() as usize;
const USR1: usize = Signal::SIGUSR1.number() as usize;

/// Bytes of the programs' stacks, and of alternate ones.
const STACK_LEN: u64 = 512 << 10;
const ALTERNATE_LEN: usize = 64 << 10;

/// What a handler does.
#[derive(Clone, Copy)]
enum Does {
    /// Sends SIGUSR1 to itself.
    Again,
    /// Exits with 5 if the fault was just below the stack, else with 6.
    Tells,
    /// Allows access to the page.
    Repairs,
    /// Goes on behind the instruction, which is `rep movsb`.
    Skips,
    /// Faults itself.
    Faults,
    /// Goes down its stack without end.
    Sinks,
}

const ALL: [Does; 6] = [Does::Again, Does::Tells, Does::Repairs, Does::Skips, Does::Faults, Does::Sinks];

/// Offsets on x86-64: `si_addr` in siginfo_t; `rsp` and `rip` in ucontext_t.
const SI_ADDR: usize = 16;
const RSP: usize = 40 + 15 * 8;
const RIP: usize = RSP + 8;

fn word(at: usize) -> usize {
    let mut bytes = [0; 8];
    native::load(at, &mut bytes);
    usize::from_ne_bytes(bytes)
}

fn dispatch(slot: usize, [_, info, context]: [usize; 3]) {
    match ALL[slot] {
        Does::Again => raise(USR1),
        Does::Tells => {
            let near = word(info + SI_ADDR).abs_diff(word(context + RSP)) < 64 << 10;
            native::syscall(231, [if near { 5 } else { 6 }, 0, 0, 0, 0, 0]);
        }
        Does::Repairs => {
            native::syscall(10, [word(info + SI_ADDR) & !0xfff, 4096, 3, 0, 0, 0]);
        }
        Does::Skips => native::store(context + RIP, &(word(context + RIP) + 2).to_ne_bytes()),
        Does::Faults => native::store(0, &[1]),
        Does::Sinks => {
            let _ = sink(0);
        }
    }
}

/// Sends a signal to this very thread.
fn raise(signal: usize) {
    let (process, thread) = (native::syscall(39, [0; 6]), native::syscall(186, [0; 6]));
    native::syscall(234, [process, thread, signal, 0, 0, 0]);
}

/// Goes down the stack.
fn sink(depth: usize) -> usize {
    let filling = std::hint::black_box([depth; 64]);
    if filling[1] == usize::MAX { 0 } else { sink(depth + 1) + filling[0] }
}

fn act(guest: Guest, signal: usize, handler: usize, flags: usize) -> Result {
    let flags = flags | SA_SIGINFO | SA_RESTORER;
    let at = guest.store(guest.page(), &[handler, flags, native::restorer(), 0]);
    guest.make(Call::rt_sigaction, &[signal, at, 0, 8])
}

fn on(guest: Guest, signal: usize, does: Does, flags: usize) {
    act(guest, signal, native::handler(does as usize, dispatch), flags).expect("a signal that can be handled");
}

/// Gives the thread an alternate stack with nothing below.
fn alternate(guest: Guest) {
    let at = guest.make(Call::mmap, &[0, ALTERNATE_LEN + 4096, 3, 0x22, usize::MAX, 0]).expect("memory");
    guest.make(Call::mprotect, &[at, 4096, 0]).expect("its own");
    let stack = guest.store(guest.page(), &[at + 4096, 0, ALTERNATE_LEN]);
    guest.make(Call::sigaltstack, &[stack, 0]).expect("a stack");
}

/// The guest's side.
fn handlers(_: &[String]) {
    let guest = Guest::new();
    guest.confine();
    let _ = guest.limit(Resource::RLIMIT_STACK, STACK_LEN);
    // Rust's own handler, and its stack.
    let _ = guest.make(Call::rt_sigaction, &[SEGV, guest.store(guest.page(), &[0_usize; 4]), 0, 8]);
    let none = guest.store(guest.page(), &[0_usize, 2, 0]);
    let _ = guest.make(Call::sigaltstack, &[none, 0]);
    let show = |what: &str, ending: Ending| println!("{what}: {ending}");
    stacks(guest, &show);
    faults(guest, &show);
}

/// Stacks that end.
fn stacks(guest: Guest, show: &dyn Fn(&str, Ending)) {
    let nested = |flags: usize| {
        guest.outcome(move || {
            alternate(guest);
            on(guest, USR1, Does::Again, SA_NODEFER | flags);
            raise(USR1);
            0
        })
    };
    show("handlers in handlers", nested(0));
    show("handlers in handlers on an alternate stack", nested(SA_ONSTACK));
    let sinking = |does: Does, flags: usize| {
        guest.outcome(move || {
            alternate(guest);
            on(guest, SEGV, does, flags);
            let _ = sink(0);
            0
        })
    };
    show("a stack that ends, told on another", sinking(Does::Tells, SA_ONSTACK));
    show("a stack that ends, told on itself", sinking(Does::Tells, 0));
    show("a stack that ends, then the other", sinking(Does::Sinks, SA_ONSTACK));
    let unhandled = guest.outcome(|| {
        let _ = sink(0);
        0
    });
    show("a stack that ends, told nobody", unhandled);
    let nowhere = guest.outcome(move || {
        let stack = guest.store(guest.page(), &[guest.hole(), 0, 4096]);
        guest.make(Call::sigaltstack, &[stack, 0]).expect("a stack, as far as anybody knows");
        on(guest, USR1, Does::Repairs, SA_ONSTACK);
        raise(USR1);
        0
    });
    show("an alternate stack that is not there", nowhere);
}

/// Faults that are repaired, and others.
fn faults(guest: Guest, show: &dyn Fn(&str, Ending)) {
    let repaired = guest.outcome(move || {
        on(guest, SEGV, Does::Repairs, 0);
        let at = guest.make(Call::mmap, &[0, 32 << 12, 0, 0x22, usize::MAX, 0]).expect("memory");
        let all = [7; 32 << 12];
        guest.poke(at, &all);
        guest.poke(at + 5, &[8]);
        let mut back = [0; 32 << 12];
        guest.peek(at, &mut back);
        i32::from(back[5] == 8 && back[6..] == all[6..])
    });
    show("stores that are repaired", repaired);
    let skipped = guest.outcome(move || {
        on(guest, SEGV, Does::Skips, 0);
        (0..100).for_each(|number| guest.poke(number, &[1]));
        9
    });
    show("stores that are skipped", skipped);
    let faulting = |flags: usize| {
        guest.outcome(move || {
            on(guest, SEGV, Does::Faults, flags);
            guest.poke(0, &[1]);
            0
        })
    };
    show("a handler that faults in itself", faulting(0));
    show("a handler that faults in itself again and again", faulting(SA_NODEFER));
    show("a handler that faults and was to be called once", faulting(SA_RESETHAND));
    let wild = |handler: usize, signal: usize| {
        guest.outcome(move || {
            act(guest, signal, handler, 0).expect("any address is taken");
            raise(signal);
            0
        })
    };
    show("a handler that is nowhere", wild(0x10, USR1));
    show("a handler that is nowhere, for its own fault", wild(0x10, SEGV));
    show("a handler at no address", wild(1 << 63, USR1));
    let unwilling = |ignored: bool| {
        guest.outcome(move || {
            let mask = guest.store(guest.page() + 64, &[1_usize << (SEGV - 1)]);
            if ignored {
                act(guest, SEGV, 1, 0).expect("may be ignored");
            } else {
                on(guest, SEGV, Does::Repairs, 0);
                guest.make(Call::rt_sigprocmask, &[0, mask, 0, 8]).expect("may be blocked");
            }
            guest.poke(0, &[1]);
            0
        })
    };
    show("a fault that is ignored", unwilling(true));
    show("a fault that is blocked", unwilling(false));
}
