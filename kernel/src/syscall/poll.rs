//! Waiting for several descriptors: poll(2) and select(2).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use ostd::sync::{Listener, Sleep, WaitError};
use zerocopy::{FromBytes as _, IntoBytes as _};

use crate::abi::SigSet;
use crate::abi::arg::{UserInOut, UserPtr};
use crate::abi::flags::{PollEvents, Resource};
use crate::abi::structs::{FdSet, PollFd, SigSetArgument, Timespec, Timeval};
use crate::error::{Errno, Result};
use crate::process::Thread;
use crate::syscall::Context;
use crate::syscall::file::check;
use crate::vfs::{FdTable, OpenFile};

/// What is reported whether it was asked for or not.
const ALWAYS: PollEvents = PollEvents::POLLERR.union(PollEvents::POLLHUP);

/// What select(2) calls readable, writable, exceptional.
const READABLE: PollEvents = PollEvents::POLLIN
    .union(PollEvents::POLLRDNORM)
    .union(PollEvents::POLLRDBAND)
    .union(PollEvents::POLLHUP)
    .union(PollEvents::POLLERR)
    .union(PollEvents::POLLNVAL);
const WRITABLE: PollEvents = PollEvents::POLLOUT
    .union(PollEvents::POLLWRNORM)
    .union(PollEvents::POLLWRBAND)
    .union(PollEvents::POLLERR)
    .union(PollEvents::POLLNVAL);
const EXCEPTIONAL: PollEvents = PollEvents::POLLPRI.union(PollEvents::POLLNVAL);

/// A file, and what of it is waited for.
type Wish = (Arc<OpenFile>, PollEvents);

/// Waits until a wish comes true or the deadline passes (then all answers are empty); `None` waits for ever.
fn wait(wishes: &[Wish], deadline_ns: Option<u64>, answered: bool) -> Result<Vec<PollEvents>> {
    let look =
        || -> Vec<PollEvents> { wishes.iter().map(|(file, events)| file.file().poll() & (*events | ALWAYS)).collect() };
    let now = look();
    if answered || deadline_ns == Some(0) || now.iter().any(|events| !events.is_empty()) {
        return Ok(now);
    }
    let listener = Listener::new();
    let queues = wishes.iter().flat_map(|(file, _)| file.file().queues());
    let _listening: Vec<_> = queues.map(|queue| listener.listen(queue)).collect();
    let settled = listener.wait_until(Sleep::interruptible().until(deadline_ns), || {
        let now = look();
        now.iter().any(|events| !events.is_empty()).then_some(now)
    });
    match settled {
        Ok(events) => Ok(events),
        Err(WaitError::TimedOut) => Ok(vec![PollEvents::empty(); wishes.len()]),
        Err(WaitError::Interrupted) => Err(Errno::ERESTARTNOHAND),
    }
}

/// The moment a timeout ends; `Some(0)` when it is over already.
pub(super) fn deadline(cx: &Context<'_>, timeout_ns: Option<u64>) -> Option<u64> {
    match timeout_ns {
        Some(0) => Some(0),
        Some(span) => Some(cx.kernel.machine().monotonic_ns().saturating_add(span)),
        None => None,
    }
}

fn left_ns(cx: &Context<'_>, deadline_ns: u64) -> u64 {
    deadline_ns.saturating_sub(cx.kernel.machine().monotonic_ns())
}

pub(super) fn poll(cx: &mut Context<'_>, files: UserInOut<PollFd>, count: u32, timeout_ms: i32) -> Result {
    let timeout_ns = u64::try_from(timeout_ms).ok().map(|ms| ms * 1_000_000);
    let deadline_ns = deadline(cx, timeout_ns);
    poll_again(cx.thread, files, count, deadline_ns)
}

/// After a stop the wait goes on until the same moment.
fn poll_again(thread: &Arc<Thread>, files: UserInOut<PollFd>, count: u32, deadline_ns: Option<u64>) -> Result {
    match poll_until(thread, files, count, deadline_ns) {
        Err(Errno::ERESTARTNOHAND) => {
            thread.set_restart(Box::new(move |thread| poll_again(thread, files, count, deadline_ns)));
            Err(Errno::ERESTART_RESTARTBLOCK)
        }
        result => result,
    }
}

pub(super) fn ppoll(
    cx: &mut Context<'_>,
    files: UserInOut<PollFd>,
    count: u32,
    timeout: UserInOut<Timespec>,
    mask: UserPtr<SigSet>,
    mask_size: usize,
) -> Result {
    let deadline_ns = timespec_deadline(cx, timeout)?;
    set_mask(cx, mask.addr, mask_size)?;
    let result = poll_until(cx.thread, files, count, deadline_ns);
    finish(cx, result, deadline_ns, |cx, left_ns| cx.space().write_value(timeout.addr, &Timespec::from_ns(left_ns)))
}

fn poll_until(thread: &Thread, files: UserInOut<PollFd>, count: u32, deadline_ns: Option<u64>) -> Result {
    if u64::from(count) > thread.process().limit(Resource::RLIMIT_NOFILE) {
        return Err(Errno::EINVAL);
    }
    let (space, table) = (thread.space(), thread.files());
    let mut asked = Vec::new();
    for i in 0..count as usize {
        let at = files.addr.checked_add(i * size_of::<PollFd>()).ok_or(Errno::EFAULT)?;
        let mut bytes = [0; size_of::<PollFd>()];
        space.read(at, &mut bytes)?;
        asked.push(PollFd::read_from_bytes(&bytes).map_err(|_| Errno::EFAULT)?);
    }
    let mut wishes: Vec<Wish> = Vec::new();
    let mut answered = false;
    // Which wish answers for which line; a line without a descriptor stays empty.
    let lines: Vec<Option<core::result::Result<usize, ()>>> = asked
        .iter()
        .map(|line| {
            if line.fd < 0 {
                return None;
            }
            let Ok(file) = table.get(line.fd) else {
                answered = true;
                return Some(Err(()));
            };
            wishes.push((file, PollEvents::from_bits_retain(line.events)));
            Some(Ok(wishes.len() - 1))
        })
        .collect();
    let events = wait(&wishes, deadline_ns, answered)?;
    // Not even nothing is written behind a program's memory.
    check(&space, files.addr, 0)?;
    let mut ready = 0;
    for (i, line) in lines.iter().enumerate() {
        let revents = match line {
            None => PollEvents::empty(),
            Some(Err(())) => PollEvents::POLLNVAL,
            Some(Ok(wish)) => events[*wish],
        };
        ready += usize::from(!revents.is_empty());
        space.write_value(files.addr + i * size_of::<PollFd>() + 6, &revents.bits())?;
    }
    Ok(ready)
}

pub(super) fn select(
    cx: &mut Context<'_>,
    count: i32,
    read: UserInOut<FdSet>,
    write: UserInOut<FdSet>,
    except: UserInOut<FdSet>,
    timeout: UserInOut<Timeval>,
) -> Result {
    let timeout_ns = if timeout.is_null() {
        None
    } else {
        let Timeval { tv_sec, tv_usec } = cx.space().read_value::<Timeval>(timeout.addr)?;
        // Linux's sum wraps, and is before all time then.
        let sec = tv_sec.wrapping_add(tv_usec / 1_000_000);
        let rest = Timeval { tv_sec: sec, tv_usec: tv_usec % 1_000_000 };
        Some(rest.to_ns().ok_or(Errno::EINVAL)?)
    };
    let deadline_ns = deadline(cx, timeout_ns);
    let result = select_until(cx, count, [read, write, except], deadline_ns);
    finish(cx, result, deadline_ns, |cx, left_ns| cx.space().write_value(timeout.addr, &Timeval::from_ns(left_ns)))
}

pub(super) fn pselect6(
    cx: &mut Context<'_>,
    count: i32,
    read: UserInOut<FdSet>,
    write: UserInOut<FdSet>,
    except: UserInOut<FdSet>,
    timeout: UserInOut<Timespec>,
    mask: UserPtr<SigSetArgument>,
) -> Result {
    let argument = if mask.is_null() {
        SigSetArgument { addr: 0, size: 0 }
    } else {
        cx.space().read_value::<SigSetArgument>(mask.addr)?
    };
    let deadline_ns = timespec_deadline(cx, timeout)?;
    set_mask(cx, argument.addr, argument.size)?;
    let result = select_until(cx, count, [read, write, except], deadline_ns);
    finish(cx, result, deadline_ns, |cx, left_ns| cx.space().write_value(timeout.addr, &Timespec::from_ns(left_ns)))
}

fn select_until(cx: &Context<'_>, count: i32, sets: [UserInOut<FdSet>; 3], deadline_ns: Option<u64>) -> Result {
    let (space, table) = (cx.space(), cx.files());
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?.min(table_size(&table));
    let words = count.div_ceil(64);
    let mut asked = [vec![0_u64; words], vec![0; words], vec![0; words]];
    for (words, set) in asked.iter_mut().zip(sets) {
        if !set.is_null() {
            space.read(set.addr, words.as_mut_bytes())?;
        }
    }
    let mut wishes: Vec<Wish> = Vec::new();
    let mut lines = Vec::new();
    for fd in 0..count {
        let mut events = PollEvents::empty();
        for (words, kind) in asked.iter().zip([READABLE, WRITABLE, EXCEPTIONAL]) {
            if words[fd / 64] & 1 << (fd % 64) != 0 {
                events |= kind;
            }
        }
        if !events.is_empty() {
            // One that was opened for its place alone is ready for everything, which then fails.
            let file = table.get_place(i32::try_from(fd).map_err(|_| Errno::EBADF)?)?;
            wishes.push((file, events));
            lines.push(fd);
        }
    }
    let events = wait_selected(&wishes, deadline_ns)?;
    let mut ready = 0;
    for ((words, kind), set) in asked.iter_mut().zip([READABLE, WRITABLE, EXCEPTIONAL]).zip(sets) {
        let mut answer = vec![0_u64; words.len()];
        for (&fd, &found) in lines.iter().zip(&events) {
            let bit = 1 << (fd % 64);
            if words[fd / 64] & bit != 0 && found.intersects(kind) {
                answer[fd / 64] |= bit;
                ready += 1;
            }
        }
        if !set.is_null() {
            space.write(set.addr, answer.as_bytes())?;
        }
    }
    Ok(ready)
}

/// As [`wait`], but a hang-up alone is no news for who waits to write.
fn wait_selected(wishes: &[Wish], deadline_ns: Option<u64>) -> Result<Vec<PollEvents>> {
    wait(wishes, deadline_ns, false).map(|mut events| {
        for (found, (_, wanted)) in events.iter_mut().zip(wishes) {
            *found &= *wanted;
        }
        events
    })
}

/// How many descriptors are looked at whatever a program says: as many as Linux's table would have.
fn table_size(table: &FdTable) -> usize {
    let highest = table.list().last().map_or(0, |(fd, _)| fd.cast_unsigned() as usize);
    (highest + 1).next_multiple_of(64)
}

fn timespec_deadline(cx: &Context<'_>, timeout: UserInOut<Timespec>) -> Result<Option<u64>> {
    if timeout.is_null() {
        return Ok(None);
    }
    let span = cx.space().read_value::<Timespec>(timeout.addr)?;
    Ok(deadline(cx, Some(span.to_ns().ok_or(Errno::EINVAL)?)))
}

pub(super) fn set_mask(cx: &Context<'_>, at: usize, size: usize) -> Result<()> {
    if at == 0 {
        return Ok(());
    }
    if size != size_of::<u64>() {
        return Err(Errno::EINVAL);
    }
    let mask = SigSet(cx.space().read_value::<u64>(at)?);
    cx.thread.set_mask_for_now(mask);
    Ok(())
}

/// Gives the mask back, unless a signal that it let through is still to be delivered under it.
pub(super) fn restore_mask(cx: &Context<'_>, result: Result) -> Result {
    if result != Err(Errno::EINTR) {
        cx.thread.restore_mask();
    }
    result
}

/// Gives the mask back, and tells what is left of the timeout, which Linux does even where POSIX does not.
fn finish(
    cx: &Context<'_>,
    result: Result,
    deadline_ns: Option<u64>,
    tell: impl FnOnce(&Context<'_>, u64) -> Result<()>,
) -> Result {
    if !result.is_err_and(|errno| errno.is_restart()) {
        cx.thread.restore_mask();
    }
    if let Some(deadline_ns) = deadline_ns
        && tell(cx, left_ns(cx, deadline_ns)).is_err()
        && result == Err(Errno::ERESTARTNOHAND)
    {
        // Repeated with the old timeout it would wait too long.
        return Err(Errno::EINTR);
    }
    result
}
