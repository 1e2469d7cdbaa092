//! The machine, its clocks, and who asks.

use kernel_abi::flags::{ClockId, FutexOp, GetrandomFlags};
use kernel_abi::structs::{Timespec, Utsname, status_exited};
use kernel_abi::{Calls, Errno, Sys};

use super::Outcome;
use super::memory::map_shared;
use super::process::wait;

cases! { "machine":
    the_system_is_linux, random_bytes_differ, the_clock_goes_forward, a_bad_sleep_is_refused, a_sleep_takes_its_time,
    a_futex_that_changed_says_again, a_futex_wakes_a_child, random_bytes_come_from_every_source,
}

fn the_system_is_linux(sys: &dyn Sys) -> Outcome {
    sys.uname(sys.page())?;
    let names: Utsname = sys.load(sys.page());
    assert_eq!(names.sysname, Utsname::field(b"Linux"));
    assert_eq!(names.machine, Utsname::field(sys.arch().machine().as_bytes()));
    assert_eq!(sys.uname(8), Err(Errno::EFAULT));
    Ok(())
}

fn random_bytes_differ(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.getrandom(sys.page(), 32, GetrandomFlags::empty())?, 32);
    assert_eq!(sys.getrandom(sys.page() + 32, 32, GetrandomFlags::empty())?, 32);
    assert_ne!(sys.bytes(sys.page(), 32), sys.bytes(sys.page() + 32, 32));
    assert_eq!(sys.getrandom(sys.page(), 1, GetrandomFlags::from_bits_retain(0x100)), Err(Errno::EINVAL));
    Ok(())
}

fn now(sys: &dyn Sys) -> kernel_abi::Result<u64> {
    sys.clock_gettime(ClockId::CLOCK_MONOTONIC, sys.page())?;
    Ok(sys.load::<Timespec>(sys.page()).to_ns().expect("a clock gives a time"))
}

fn the_clock_goes_forward(sys: &dyn Sys) -> Outcome {
    let before = now(sys)?;
    assert!(now(sys)? >= before);
    assert_eq!(sys.clock_gettime(ClockId(999), sys.page()), Err(Errno::EINVAL));
    assert_eq!(sys.clock_gettime(ClockId::CLOCK_REALTIME, 8), Err(Errno::EFAULT));
    Ok(())
}

fn a_bad_sleep_is_refused(sys: &dyn Sys) -> Outcome {
    let bad = sys.store(sys.page(), &Timespec { tv_sec: 0, tv_nsec: 1_000_000_000 });
    assert_eq!(sys.nanosleep(bad, 0), Err(Errno::EINVAL));
    assert_eq!(sys.nanosleep(8, 0), Err(Errno::EFAULT));
    Ok(())
}

fn a_sleep_takes_its_time(sys: &dyn Sys) -> Outcome {
    let before = now(sys)?;
    let request = sys.store(sys.page() + 64, &Timespec::from_ns(5_000_000));
    sys.nanosleep(request, 0)?;
    assert!(now(sys)? >= before + 5_000_000);
    Ok(())
}

fn a_futex_that_changed_says_again(sys: &dyn Sys) -> Outcome {
    sys.store(sys.page(), &7_u32);
    assert_eq!(sys.futex(sys.page(), FutexOp::FUTEX_WAIT, 8, 0, 0, 0), Err(Errno::EAGAIN));
    assert_eq!(sys.futex(sys.page(), FutexOp::FUTEX_WAKE, 1, 0, 0, 0)?, 0);
    assert_eq!(sys.futex(sys.page() + 1, FutexOp::FUTEX_WAIT, 7, 0, 0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.futex(8, FutexOp::FUTEX_WAIT, 7, 0, 0, 0), Err(Errno::EFAULT));
    let timeout = sys.store(sys.page() + 64, &Timespec::from_ns(1_000_000));
    assert_eq!(sys.futex(sys.page(), FutexOp::FUTEX_WAIT, 7, timeout, 0, 0), Err(Errno::ETIMEDOUT));
    Ok(())
}

fn a_futex_wakes_a_child(sys: &dyn Sys) -> Outcome {
    let word = map_shared(sys)?;
    let child = |sys: &dyn Sys, word| {
        while sys.load::<u32>(word) == 0 {
            let _ = sys.futex(word, FutexOp::FUTEX_WAIT, 0, 0, 0, 0);
        }
        0
    };
    let pid = sys.fork_with(child, word)?;
    sys.store(word, &1_u32);
    sys.futex(word, FutexOp::FUTEX_WAKE, 1, 0, 0, 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn random_bytes_come_from_every_source(sys: &dyn Sys) -> Outcome {
    let sources = [GetrandomFlags::GRND_NONBLOCK, GetrandomFlags::GRND_RANDOM, GetrandomFlags::GRND_INSECURE];
    for source in sources.into_iter().chain([GetrandomFlags::GRND_NONBLOCK | GetrandomFlags::GRND_RANDOM]) {
        sys.poke(sys.page(), &[0; 64]);
        assert_eq!(sys.getrandom(sys.page(), 64, source), Ok(64), "{source:?}");
        assert_ne!(sys.bytes(sys.page(), 64), [0; 64], "{source:?}");
    }
    Ok(())
}
