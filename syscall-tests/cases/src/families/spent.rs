//! Time on CPUs, and who is told of it.

use kernel_abi::flags::{ClockId, RusageWho, WaitOptions};
use kernel_abi::structs::{Rusage, Timespec, Tms, status_exited};
use kernel_abi::{Calls, Errno, Result, Sys};

use super::Outcome;

cases! { "spent":
    cpu_clocks_go_forward, sleeping_takes_no_cpu, a_child_is_accounted_when_it_is_waited_for, what_an_account_refuses,
}

const MS: u64 = 1_000_000;

fn now(sys: &dyn Sys, clock: ClockId) -> Result<u64> {
    sys.clock_gettime(clock, sys.page())?;
    Ok(sys.load::<Timespec>(sys.page()).to_ns().expect("a clock gives a time"))
}

/// Uses up CPU time.
fn work(sys: &dyn Sys, ns: u64) -> Result<()> {
    let began = now(sys, ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    while now(sys, ClockId::CLOCK_THREAD_CPUTIME_ID)? < began + ns {}
    Ok(())
}

fn used(usage: &Rusage) -> u64 {
    usage.ru_utime.to_ns().expect("a time") + usage.ru_stime.to_ns().expect("a time")
}

fn cpu_clocks_go_forward(sys: &dyn Sys) -> Outcome {
    let began = now(sys, ClockId::CLOCK_MONOTONIC)?;
    let process = now(sys, ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    work(sys, 5 * MS)?;
    let after = now(sys, ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    assert!(after >= process + 5 * MS);
    assert!(now(sys, ClockId::CLOCK_MONOTONIC)? - began >= after - process);
    // The caller's process and thread by their numbers: pid 0, by the scheduler's clock.
    assert!(now(sys, ClockId(!0 << 3 | 2))? >= after);
    assert!(now(sys, ClockId(!0 << 3 | 6))? >= 5 * MS);
    let me = sys.getpid()? as i32;
    assert!(now(sys, ClockId(!me << 3 | 2))? >= after);
    sys.getrusage(RusageWho::RUSAGE_SELF, sys.page())?;
    assert!(used(&sys.load(sys.page())) >= 5 * MS);
    sys.getrusage(RusageWho::RUSAGE_THREAD, sys.page())?;
    assert!(used(&sys.load(sys.page())) >= 5 * MS);
    Ok(())
}

fn sleeping_takes_no_cpu(sys: &dyn Sys) -> Outcome {
    let began = now(sys, ClockId::CLOCK_MONOTONIC)?;
    let cpu = now(sys, ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    let rest = sys.store(sys.page() + 64, &Timespec::from_ns(30 * MS));
    sys.nanosleep(rest, 0)?;
    let cpu = now(sys, ClockId::CLOCK_PROCESS_CPUTIME_ID)? - cpu;
    let all = now(sys, ClockId::CLOCK_MONOTONIC)? - began;
    assert!(cpu + 15 * MS < all, "{cpu} of {all}");
    Ok(())
}

fn a_child_is_accounted_when_it_is_waited_for(sys: &dyn Sys) -> Outcome {
    let child = |sys: &dyn Sys, _| i32::from(work(sys, 30 * MS).is_err());
    let pid = sys.fork_with(child, 0)?;
    sys.getrusage(RusageWho::RUSAGE_CHILDREN, sys.page())?;
    assert_eq!(used(&sys.load(sys.page())), 0);
    let (status, usage) = (sys.page() + 0x100, sys.page() + 0x200);
    assert_eq!(sys.wait4(pid, status, WaitOptions::empty(), usage)?, pid);
    assert_eq!(sys.load::<i32>(status), status_exited(0));
    let told = used(&sys.load(usage));
    // Linux gives microseconds, cut off twice.
    assert!(told >= 30 * MS - 2000, "{told}");
    sys.getrusage(RusageWho::RUSAGE_CHILDREN, sys.page())?;
    assert!(used(&sys.load(sys.page())) >= told);
    sys.times(sys.page())?;
    let times: Tms = sys.load(sys.page());
    assert!(times.tms_cutime + times.tms_cstime >= 1, "{times:?}");
    Ok(())
}

fn what_an_account_refuses(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.getrusage(RusageWho(5), sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.getrusage(RusageWho::RUSAGE_SELF, 8), Err(Errno::EFAULT));
    assert_eq!(sys.times(8), Err(Errno::EFAULT));
    sys.times(0)?;
    // A clock of nobody's.
    assert_eq!(now(sys, ClockId(!0x3f_fff0 << 3 | 2)), Err(Errno::EINVAL));
    Ok(())
}
