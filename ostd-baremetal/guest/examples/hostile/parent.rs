//! The parent: makes the children, sees how they end, and that the kernel works behind each.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use kernel_abi::flags::{MapFlags, ProtFlags, WaitOptions};
use kernel_abi::{Call, Calls as _, Errno, Fd, Sys};
use ostd_guest::Guest;

use crate::attempt::{self, ALARM, Act, Attempt, GOES_ON, WENT_ON};
use crate::{arch, calls};

/// How long a child may take that is to end, or may go on for ever, in seconds: an alarm ends it.
const ENDS_WITHIN: u64 = 60;
const LOOPS_FOR: u64 = 1;
/// The outcome of a child that ended by a status of its own which says nothing good.
const STRANGE: i32 = -1;
const KILLED: i32 = 9;

pub(super) fn main(arguments: &[&str]) -> i32 {
    let tell = arguments.get(1) == Some(&"--tell");
    let filter = arguments.get(2).copied().unwrap_or_default();
    let mut attempts = arch::attempts();
    attempts.extend(calls::all().map(|call| {
        let name = format!("call {}", call.row().name);
        Attempt { name, act: Act::Calls(call), ends: GOES_ON }
    }));
    attempts.push(Attempt { name: String::from("commands"), act: Act::Commands, ends: GOES_ON });
    let chosen: Vec<&Attempt> = attempts.iter().filter(|attempt| attempt.name.contains(filter)).collect();
    let mut unexpected = 0;
    for (number, attempt) in chosen.iter().enumerate() {
        let end = end_of(attempt);
        // What hangs, or is killed, is never what is expected.
        let expected = if attempt.ends.is_empty() {
            ![ALARM, KILLED, STRANGE].contains(&end)
        } else {
            attempt.ends.contains(&end)
        };
        if !expected {
            unexpected += 1;
            say(&format!("hostile: {}: ended by {end}, not one of {:?}\n", attempt.name, attempt.ends));
        } else if tell {
            say(&format!("{}: {end}\n", attempt.name));
        }
        if !works(number) {
            say(&format!("hostile: {}: the kernel does not work any more\n", attempt.name));
            return 1;
        }
    }
    say(&format!("hostile: {} attempts, {unexpected} unexpected\n", chosen.len()));
    i32::from(unexpected != 0)
}

/// Makes an attempt: the signal that ended the child, zero if it went on.
fn end_of(attempt: &Attempt) -> i32 {
    let seconds = if attempt.ends.contains(&ALARM) { LOOPS_FOR } else { ENDS_WITHIN };
    // What the child finds there as well: interval and value, in seconds and microseconds.
    Guest.store(Guest.page(), &[0, 0, seconds, 0_u64]);
    let child = |sys: &dyn Sys, at| {
        // ITIMER_REAL
        let _ = sys.make(Call::setitimer, &[0, sys.page(), 0]);
        attempt::make(sys, at)
    };
    let Ok(pid) = Guest.fork_with(child, core::ptr::from_ref(attempt).expose_provenance()) else { return STRANGE };
    let status = wait(pid);
    match (status & 0x7f, status >> 8 & 0xff) {
        (0, WENT_ON) => 0,
        (0, _) => STRANGE,
        (signal, _) => signal,
    }
}

fn wait(pid: usize) -> i32 {
    let at = Guest.page() + 0x800;
    while Guest.wait4(pid, at, WaitOptions::__WALL, 0) == Err(Errno::EINTR) {}
    Guest.load(at)
}

/// Whether the kernel still carries bytes and gives memory; now and then, whether it still makes children.
fn works(number: usize) -> bool {
    let page = Guest.page();
    if Guest.make(Call::pipe2, &[page, 0]).is_err() {
        return false;
    }
    let [reading, writing] = Guest.load::<[i32; 2]>(page);
    Guest.store(page, &number);
    let carried = Guest.write(Fd(writing), page, 8) == Ok(8) && Guest.read(Fd(reading), page + 8, 64) == Ok(8);
    let closed = Guest.close(Fd(reading)).is_ok() && Guest.close(Fd(writing)).is_ok();
    let rw = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let Ok(fresh) = Guest.mmap(0, 0x3000, rw, MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS, Fd(-1), 0) else {
        return false;
    };
    let zero = Guest.load::<u64>(fresh + 0x2000) == 0;
    Guest.store(fresh + 0x1000, &number);
    let kept = Guest.load::<usize>(fresh + 0x1000) == number && Guest.munmap(fresh, 0x3000).is_ok();
    let child = |_: &dyn Sys, number: usize| number as i32 & 0x3f;
    let children = !number.is_multiple_of(32)
        || Guest.fork_with(child, number).is_ok_and(|pid| wait(pid) == (number as i32 & 0x3f) << 8);
    carried && closed && Guest.load::<usize>(page + 8) == number && zero && kept && children
}

fn say(line: &str) {
    // Who cannot be told can still be shown by the status.
    let _ = Guest.write(Fd(1), line.as_ptr().expose_provenance(), line.len());
}
