//! What other processes do to stubs, and what is left of them.
#![expect(unsafe_code, reason = "sends signals")]

use ostd_hal::{Exception, Trap};

use super::super::PtraceEngine;
use super::machine::Machine;

/// syscall; inc ebx; mov eax, ebx; jmp back
const COUNT: &[u8] = &[0x0f, 0x05, 0xff, 0xc3, 0x89, 0xd8, 0xeb, 0xf8];

fn send(pid: i32, signal: i32) {
    // SAFETY: a signal to a child that has not been reaped.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

fn is_alive(pid: i32) -> bool {
    // SAFETY: signal 0 only asks.
    unsafe { libc::kill(pid, 0) == 0 }
}

#[test]
fn signals_from_outside_never_reach_a_guest() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(COUNT);
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    let pid = machine.stub_pids()[0];
    let signals = (1..=31).chain(34..=64).filter(|signal| *signal != libc::SIGKILL);
    for (count, signal) in signals.enumerate() {
        send(pid, signal);
        state.ret = Some(0);
        assert_eq!(machine.enter(root, &mut state), Trap::Syscall, "signal {signal}");
        assert_eq!(state.frame.number, count + 1);
    }
}

#[test]
fn signals_from_outside_do_not_disturb_a_flush() {
    use ostd_hal::Vaddr;
    let machine = Machine::new();
    let (root, mut state) = machine.program(COUNT);
    machine.enter(root, &mut state);
    for signal in [libc::SIGTRAP, libc::SIGTERM, libc::SIGSTOP, libc::SIGSEGV, libc::SIGVTALRM] {
        send(machine.stub_pids()[0], signal);
        machine.engine.flush(root, Vaddr::new(0)..Vaddr::new(usize::MAX));
        state.ret = Some(0);
        assert_eq!(machine.enter(root, &mut state), Trap::Syscall, "signal {signal}");
    }
    assert_eq!(state.frame.number, 5);
}

#[test]
fn a_killed_stub_costs_its_program_the_registers_and_nobody_else_anything() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(COUNT);
    let (other, mut bystander) = machine.program(COUNT);
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    let victim = machine.stub_pids()[0];
    assert_eq!(machine.enter(other, &mut bystander), Trap::Syscall);
    send(victim, libc::SIGKILL);
    state.ret = Some(0);
    assert_eq!(machine.enter(root, &mut state), Trap::Exception(Exception::GeneralProtection));
    machine.engine.load(&mut state);
    machine.engine.load_fp(&mut state);
    assert_eq!(state.regs.rip as usize, state.frame.ip);
    assert!(!machine.stub_pids().contains(&victim));
    // A signal handler, say, gives it registers again.
    state.changed = true;
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    bystander.ret = Some(0);
    assert_eq!(machine.enter(other, &mut bystander), Trap::Syscall);
}

#[test]
fn a_killed_stub_whose_registers_are_known_is_replaced() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(COUNT);
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    machine.engine.load(&mut state);
    machine.engine.load_fp(&mut state);
    send(machine.stub_pids()[0], libc::SIGKILL);
    state.ret = Some(0);
    assert_eq!(machine.enter(root, &mut state), Trap::Syscall);
    assert_eq!(state.frame.number, 1);
}

#[test]
fn a_stub_killed_while_its_guest_runs_does_not_hang_us() {
    let machine = Machine::with(super::super::PtraceConfig {
        quantum: std::time::Duration::ZERO,
        ..super::super::PtraceConfig::default()
    });
    let (root, mut state) = machine.program(&[0xeb, 0xfe]);
    let pid = machine.stub_pids()[0];
    let killer = std::thread::spawn(move || {
        let is_running =
            || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") R "));
        while !is_running() {
            std::thread::yield_now();
        }
        send(pid, libc::SIGKILL);
    });
    assert_eq!(machine.enter(root, &mut state), Trap::Exception(Exception::GeneralProtection));
    killer.join().expect("the killer ends");
    (state.regs.rip, state.changed) = (0, true);
    assert!(matches!(machine.enter(root, &mut state), Trap::PageFault(_)));
}

#[test]
fn dropping_an_engine_leaves_no_process() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(COUNT);
    let (other, mut second) = machine.program(COUNT);
    machine.enter(root, &mut state);
    machine.enter(other, &mut second);
    let pids = machine.stub_pids();
    assert!(pids.len() == 2 && pids.iter().all(|pid| is_alive(*pid)));
    drop(machine);
    assert!(!pids.iter().any(|pid| is_alive(*pid)));
}

#[test]
fn a_stub_has_only_ram_open_and_only_its_pages_mapped() {
    let machine = Machine::new();
    let pid = machine.stub_pids()[0];
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).expect("proc");
    let open: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("proc").flatten().collect();
    assert_eq!(open.len(), 1);
    let maps = read("maps");
    let own = maps.lines().filter(|line| !line.contains("[vsyscall]")).count();
    assert_eq!(own, 2, "{maps}");
    let status = read("status");
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?").trim().to_string();
    assert_eq!((field("Seccomp:"), field("NoNewPrivs:")), ("2".into(), "1".into()));
    assert_eq!((field("SigIgn:"), field("SigBlk:")), ("0000000000000000".into(), "0000000000000000".into()));
}

#[test]
fn pinning_ends_with_its_guard() {
    let machine = Machine::new();
    let (root, mut state) = machine.program(COUNT);
    let cores = |pid: i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("proc");
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or("?");
        list.trim().to_string()
    };
    // SAFETY: takes no memory of ours.
    let me = unsafe { libc::gettid() };
    let before = cores(me);
    {
        let _pin = machine.engine.pin_to_one_core().expect("allowed");
        machine.enter(root, &mut state);
        assert!(cores(me).parse::<usize>().is_ok());
        assert_eq!(cores(machine.stub_pids()[0]), cores(me));
    }
    assert_eq!((cores(me), cores(machine.stub_pids()[0])), (before.clone(), before));
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    assert!(PtraceEngine::new(-1, 4096, super::super::PtraceConfig::default()).is_err());
}
