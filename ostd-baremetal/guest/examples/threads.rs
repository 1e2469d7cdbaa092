//! A program of threads: eight add to one number, under a lock whose waiters sleep in futex(2), and all meet at the end
//! of each round. It prints the sum.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
ostd_guest::program!(count::main);

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this program is made for bare targets: cargo xtask runs");
}

#[cfg(target_os = "none")]
mod count {
    extern crate alloc;

    use alloc::format;
    use core::sync::atomic::{AtomicU32, Ordering};

    use kernel_abi::flags::FutexOp;
    use kernel_abi::{Calls as _, Fd, Sys};
    use ostd_guest::Guest;

    const THREADS: u32 = 8;
    const ROUNDS: u32 = 50;
    const STEPS: u32 = 200;

    /// Free, held, or held and waited for.
    static LOCK: AtomicU32 = AtomicU32::new(FREE);
    const FREE: u32 = 0;
    const HELD: u32 = 1;
    const WAITED_FOR: u32 = 2;

    /// Changed by a load and a store: only the lock keeps additions from being lost.
    static SUM: AtomicU32 = AtomicU32::new(0);
    static ARRIVED: AtomicU32 = AtomicU32::new(0);
    static ROUND: AtomicU32 = AtomicU32::new(0);
    static TIDS: [AtomicU32; THREADS as usize] = [const { AtomicU32::new(0) }; THREADS as usize];

    pub(super) fn main(_arguments: &[&str]) -> i32 {
        for (number, tid) in TIDS.iter().enumerate() {
            Guest.thread_with(address(tid), add, number).expect("a thread");
        }
        for tid in &TIDS {
            loop {
                let running = tid.load(Ordering::Acquire);
                if running == 0 {
                    break;
                }
                sleep_while(tid, running);
            }
        }
        let line = format!("{}\n", SUM.load(Ordering::Relaxed));
        let said = Guest.write(Fd(1), line.as_ptr().expose_provenance(), line.len());
        i32::from(said != Ok(line.len()))
    }

    /// A thread. It neither allocates nor panics.
    fn add(_: &dyn Sys, _number: usize) -> i32 {
        for _ in 0..ROUNDS {
            for _ in 0..STEPS {
                lock();
                SUM.store(SUM.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                unlock();
            }
            meet();
        }
        0
    }

    fn lock() {
        if LOCK.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            return;
        }
        while LOCK.swap(WAITED_FOR, Ordering::Acquire) != FREE {
            sleep_while(&LOCK, WAITED_FOR);
        }
    }

    fn unlock() {
        if LOCK.swap(FREE, Ordering::Release) == WAITED_FOR {
            wake(&LOCK, 1);
        }
    }

    /// Waits until all threads are here.
    fn meet() {
        let round = ROUND.load(Ordering::Acquire);
        if ARRIVED.fetch_add(1, Ordering::AcqRel) == THREADS - 1 {
            ARRIVED.store(0, Ordering::Relaxed);
            ROUND.store(round + 1, Ordering::Release);
            wake(&ROUND, THREADS);
            return;
        }
        while ROUND.load(Ordering::Acquire) == round {
            sleep_while(&ROUND, round);
        }
    }

    fn sleep_while(word: &AtomicU32, value: u32) {
        let _ = Guest.futex(address(word), FutexOp::FUTEX_WAIT, value, 0, 0, 0);
    }

    fn wake(word: &AtomicU32, count: u32) {
        let _ = Guest.futex(address(word), FutexOp::FUTEX_WAKE, count, 0, 0, 0);
    }

    fn address(word: &AtomicU32) -> usize {
        word.as_ptr().expose_provenance()
    }
}
