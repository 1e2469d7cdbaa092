//! Waiting on words of memory, and what a thread leaves behind.

use super::Context;
use crate::abi::flags::{FUTEX_BITSET_MATCH_ANY, FutexOp};
use crate::abi::types::{RobustListHead, Timespec, UserMut, UserPtr};
use crate::error::{Errno, Result};
use crate::futex::Scope;

pub(super) fn futex(
    cx: &mut Context<'_>,
    addr: UserMut<u32>,
    op: FutexOp,
    value: u32,
    timeout: UserPtr<Timespec>,
    addr2: UserMut<u32>,
    value3: u32,
) -> Result {
    let flags = FutexOp::FUTEX_PRIVATE_FLAG.0 | FutexOp::FUTEX_CLOCK_REALTIME.0;
    let scope = if op.0 & FutexOp::FUTEX_PRIVATE_FLAG.0 != 0 { Scope::Private } else { Scope::Shared };
    let space = cx.space();
    let table = cx.kernel.futexes();
    match FutexOp(op.0 & !flags) {
        waits @ (FutexOp::FUTEX_WAIT | FutexOp::FUTEX_WAIT_BITSET) => {
            let relative = waits == FutexOp::FUTEX_WAIT;
            let bits = if relative { FUTEX_BITSET_MATCH_ANY } else { value3 };
            if bits == 0 {
                return Err(Errno::EINVAL);
            }
            let mut deadline = None;
            if !timeout.is_null() {
                let time: Timespec = space.read_value(timeout.addr)?;
                if time.tv_sec < 0 || !(0..1_000_000_000).contains(&time.tv_nsec) {
                    return Err(Errno::EINVAL);
                }
                let at = (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64);
                let machine = space.machine();
                deadline = Some(if relative {
                    machine.monotonic_ns().saturating_add(at)
                } else if op.0 & FutexOp::FUTEX_CLOCK_REALTIME.0 != 0 {
                    at.saturating_sub(machine.boot_realtime_ns())
                } else {
                    at
                });
            }
            let waited = table.wait(&space, addr.addr, scope, value, bits, deadline);
            // A relative timeout would begin anew: such a wait is not repeated.
            let repeat = if relative && deadline.is_some() { Errno::EINTR } else { Errno::ERESTARTSYS };
            waited.map(|()| 0).map_err(|errno| if errno == Errno::EINTR { repeat } else { errno })
        }
        FutexOp::FUTEX_WAKE => table.wake(&space, addr.addr, scope, value as usize, FUTEX_BITSET_MATCH_ANY),
        FutexOp::FUTEX_WAKE_BITSET if value3 == 0 => Err(Errno::EINVAL),
        FutexOp::FUTEX_WAKE_BITSET => table.wake(&space, addr.addr, scope, value as usize, value3),
        _ => {
            let _ = addr2;
            Err(Errno::ENOSYS)
        }
    }
}

pub(super) fn set_robust_list(cx: &mut Context<'_>, head: UserPtr<RobustListHead>, len: usize) -> Result {
    if len != size_of::<RobustListHead>() {
        return Err(Errno::EINVAL);
    }
    cx.thread.set_robust_list(head.addr);
    Ok(0)
}
