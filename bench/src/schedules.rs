//! How many schedules of two system calls can be tried in a second, and what a year of sleep costs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ostd::hosted::schedule::explore::explore;
use ostd::hosted::{HostedConfig, Mode, Policy};

use crate::Figure;
use crate::scripted::{boot_on, run};

const PIPE: usize = 22;
const NANOSLEEP: usize = 35;
const FORK: usize = 57;
const WAIT4: usize = 61;
const CLOSE: usize = 3;
const READ: usize = 0;
const EXIT_GROUP: usize = 231;
const BELOW_STACK: usize = 4096;
/// Seconds.
const YEAR: u64 = 365 * 86_400;

pub(crate) fn figures(checks: bool) -> [Figure; 3] {
    [
        Figure {
            name: "scripted: one random schedule of read and close",
            checks: Some(checks),
            count: 200,
            measure: Box::new(move |count| {
                let start = Instant::now();
                (0..count).for_each(|seed| read_and_close(checks, seed, &Policy::Random));
                start.elapsed()
            }),
        },
        Figure {
            name: "scripted: one of all schedules of read and close",
            checks: Some(checks),
            count: 200,
            measure: Box::new(move |count| {
                let (mut took, mut done) = (Duration::ZERO, 0);
                while done < count {
                    let start = Instant::now();
                    let explored = explore(2, |policy| {
                        read_and_close(checks, 0, &policy);
                        Ok(())
                    });
                    took += start.elapsed();
                    done += explored.schedules as u64;
                }
                // Explorations are whole; the time is that of as many schedules as were asked for.
                took.mul_f64(count as f64 / done as f64)
            }),
        },
        Figure { name: "scripted: sleep(1 year)", checks: Some(checks), count: 200, measure: year(checks) },
    ]
}

/// A kernel on two CPUs, in which a child reads a pipe whose last writer its parent closes.
fn read_and_close(checks: bool, seed: u64, policy: &Policy) {
    let exploration = match policy {
        Policy::Explore(exploration) => Some(Arc::clone(exploration)),
        _ => None,
    };
    let config = HostedConfig {
        memory: 2 << 20,
        cpus: 2,
        mode: Mode::Deterministic { seed },
        policy: policy.clone(),
        ..HostedConfig::default()
    };
    run(boot_on(&config, checks, move |guest| {
        let at = guest.stack_pointer() - BELOW_STACK;
        guest.store(at, &[0; 8]);
        assert_eq!(guest.syscall(PIPE, [at, 0, 0, 0, 0, 0]), 0);
        let mut fds = [0; 8];
        guest.load(at, &mut fds);
        let [reader, writer] = [0, 4].map(|half| usize::from(fds[half]));
        let theirs = exploration.clone();
        let child = guest.engine().register(move |guest, _| {
            guest.syscall(CLOSE, [writer, 0, 0, 0, 0, 0]);
            theirs.iter().for_each(|exploration| exploration.arrive());
            assert_eq!(guest.syscall(READ, [reader, at, 1, 0, 0, 0]), 0);
            theirs.iter().for_each(|exploration| exploration.leave());
            guest.syscall(EXIT_GROUP, [0; 6]);
        });
        assert!(guest.syscall_with_child(FORK, [0; 6], child) > 0);
        exploration.iter().for_each(|exploration| exploration.arrive());
        guest.syscall(CLOSE, [writer, 0, 0, 0, 0, 0]);
        exploration.iter().for_each(|exploration| exploration.leave());
        assert!(guest.syscall(WAIT4, [usize::MAX, 0, 0, 0, 0, 0]) > 0);
        guest.syscall(EXIT_GROUP, [0; 6]);
    }));
}

/// Sleeps a year at a time, in one kernel.
fn year(checks: bool) -> crate::Measure {
    Box::new(move |count| {
        crate::scripted::timed(checks, move |guest| {
            let at = guest.stack_pointer() - BELOW_STACK;
            guest.store(at, &[YEAR.to_ne_bytes(), 0_u64.to_ne_bytes()].concat());
            for _ in 0..count {
                assert_eq!(guest.syscall(NANOSLEEP, [at, 0, 0, 0, 0, 0]), 0);
            }
        })
    })
}
