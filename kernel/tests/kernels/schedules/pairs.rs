//! Two system calls of two threads on two CPUs, in every schedule with two preemptions at most: what must hold in all.
#![expect(clippy::disallowed_types, reason = "what two programs of a test share is of the host, not of a kernel")]

use std::sync::{Arc, Mutex, PoisonError};

use ostd::hosted::schedule::explore::explore;
use ostd::hosted::scripted::Guest;
use ostd::hosted::{Policy, replay};

use super::kernels::{BELOW_STACK, CLOSE, EXIT_GROUP, PIPE, READ, SCHED_YIELD, WRITE, boot, config, run};

const OPEN: usize = 2;
const LSEEK: usize = 8;
const MMAP: usize = 9;
const MUNMAP: usize = 11;
const DUP2: usize = 33;
const CLONE: usize = 56;
const RENAME: usize = 82;
const MKDIR: usize = 83;
const UNLINK: usize = 87;
const FUTEX: usize = 202;

const EBADF: isize = -9;
const EAGAIN: isize = -11;
const EFAULT: isize = -14;
const EBUSY: isize = -16;
const EEXIST: isize = -17;
const EINVAL: isize = -22;
const ENOENT: isize = -2;

const O_RDWR: usize = 2;
const O_CREAT: usize = 0o100;
const O_APPEND: usize = 0o2000;
/// CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD.
const THREAD: usize = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000;
const PAGE: usize = 4096;

/// A system call.
type Call = (usize, [usize; 6]);
/// What two calls came to.
type Answers = [isize; 2];

/// A program's own page, and what it does before and after the two calls.
struct Program<'a> {
    guest: &'a mut Guest,
    page: usize,
}

impl Program<'_> {
    fn call(&mut self, number: usize, args: &[usize]) -> isize {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        self.guest.syscall(number, all)
    }

    /// Puts a text into the page, and says where.
    fn text(&mut self, offset: usize, text: &str) -> usize {
        self.guest.store(self.page + offset, text.as_bytes());
        self.guest.store(self.page + offset + text.len(), &[0]);
        self.page + offset
    }

    fn pipe(&mut self) -> [usize; 2] {
        assert_eq!(self.call(PIPE, &[self.page]), 0);
        let mut fds = [0; 8];
        self.guest.load(self.page, &mut fds);
        [0, 4].map(|half| usize::from(fds[half]))
    }
}

/// Runs the two calls that `prepare` says in every schedule; `judge` sees each one's answers, in the program, after.
fn in_every_schedule(
    test: &str,
    prepare: impl Fn(&mut Program<'_>) -> [Call; 2] + Send + Sync + Copy + 'static,
    judge: impl Fn(&mut Program<'_>, Answers) -> bool + Send + Sync + Copy + 'static,
) {
    let seed = replay::seed().unwrap_or(0);
    let explored = explore(2, |policy| {
        let Policy::Explore(exploration) = &policy else { return Err(String::from("no exploration")) };
        let exploration = Arc::clone(exploration);
        let kernel = boot(&config(seed, policy.clone(), None), move |guest| {
            let page = guest.syscall(MMAP, [0, PAGE, 3, 0x22, usize::MAX, 0]).cast_unsigned();
            let mut program = Program { guest, page };
            let [ours, theirs] = prepare(&mut program);
            let answer = Arc::new(Mutex::new(None));
            let (told, exploring) = (Arc::clone(&answer), Arc::clone(&exploration));
            let thread = program.guest.engine().register(move |guest, _| {
                exploring.arrive();
                let answer = guest.syscall(theirs.0, theirs.1);
                exploring.leave();
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                loop {
                    guest.syscall(SCHED_YIELD, [0; 6]);
                }
            });
            let stack = program.guest.stack_pointer() - 4 * BELOW_STACK;
            assert!(program.guest.syscall_with_child(CLONE, [THREAD, stack, 0, 0, 0, 0], thread) > 0);
            exploration.arrive();
            let our_answer = program.guest.syscall(ours.0, ours.1);
            exploration.leave();
            let their_answer = loop {
                let answer = *answer.lock().unwrap_or_else(PoisonError::into_inner);
                match answer {
                    Some(answer) => break answer,
                    None => drop(program.guest.syscall(SCHED_YIELD, [0; 6])),
                }
            };
            let answers = [our_answer, their_answer];
            assert!(judge(&mut program, answers), "no order of the two calls has the answers {answers:?}");
            program.call(EXIT_GROUP, &[0]);
        });
        run(kernel)
    });
    if let Some((policy, problem)) = explored.failure {
        let policy: Policy = policy.parse().expect("it is a policy");
        let variables = replay::variables(seed, &policy);
        panic!("{problem}\nagain: {variables}cargo test -p kernel --test kernels -- --exact schedules::pairs::{test}");
    }
    println!("{test}: {} schedules, {} choices at most", explored.schedules, explored.choices_max);
}

#[test]
fn a_reader_hears_of_the_last_writers_end() {
    in_every_schedule(
        "a_reader_hears_of_the_last_writers_end",
        |program| {
            let [reader, writer] = program.pipe();
            [(READ, [reader, program.page, 1, 0, 0, 0]), (CLOSE, [writer, 0, 0, 0, 0, 0])]
        },
        |_, answers| answers == [0, 0],
    );
}

#[test]
fn a_descriptor_that_is_closed_while_it_is_read_reads_or_is_gone() {
    in_every_schedule(
        "a_descriptor_that_is_closed_while_it_is_read_reads_or_is_gone",
        |program| {
            let [reader, writer] = program.pipe();
            assert_eq!(program.call(WRITE, &[writer, program.page, 1]), 1);
            [(READ, [reader, program.page, 1, 0, 0, 0]), (CLOSE, [reader, 0, 0, 0, 0, 0])]
        },
        |_, answers| [[1, 0], [EBADF, 0]].contains(&answers),
    );
}

#[test]
fn a_descriptor_is_given_once_by_dup2_and_open() {
    in_every_schedule(
        "a_descriptor_is_given_once_by_dup2_and_open",
        |program| {
            let path = program.text(0, "/tmp/file");
            // 3 is the lowest that is free: the one that open will take, and dup2 wants.
            [(DUP2, [1, 3, 0, 0, 0, 0]), (OPEN, [path, O_RDWR | O_CREAT, 0o600, 0, 0, 0])]
        },
        |program, answers| match answers {
            // Closed at once, opened behind it, or found half opened.
            [3, 3] => program.call(CLOSE, &[4]) == EBADF && program.call(CLOSE, &[3]) == 0,
            [3, 4] => program.call(CLOSE, &[3]) == 0 && program.call(CLOSE, &[4]) == 0,
            [EBUSY, 3] => program.call(CLOSE, &[3]) == 0,
            _ => false,
        },
    );
}

#[test]
fn a_name_is_opened_or_gone() {
    in_every_schedule(
        "a_name_is_opened_or_gone",
        |program| {
            let path = program.text(0, "/tmp/file");
            let file = program.call(OPEN, &[path, O_RDWR | O_CREAT, 0o600]);
            assert_eq!(program.call(CLOSE, &[file.cast_unsigned()]), 0);
            [(UNLINK, [path, 0, 0, 0, 0, 0]), (OPEN, [path, O_RDWR, 0, 0, 0, 0])]
        },
        |program, answers| {
            let path = program.page;
            answers[0] == 0 && [3, ENOENT].contains(&answers[1]) && program.call(OPEN, &[path, O_RDWR, 0]) == ENOENT
        },
    );
}

#[test]
fn a_futex_waiter_is_woken_or_sees_the_change() {
    in_every_schedule(
        "a_futex_waiter_is_woken_or_sees_the_change",
        |program| {
            program.guest.store(program.page, &[0; 4]);
            // FUTEX_WAKE_OP writes a one there and wakes one.
            let wake = [program.page, 5, 1, 0, program.page, 1 << 12];
            [(FUTEX, [program.page, 0, 0, 0, 0, 0]), (FUTEX, wake)]
        },
        |_, answers| [[0, 1], [EAGAIN, 0]].contains(&answers),
    );
}

#[test]
fn memory_that_is_unmapped_while_it_is_written_from_is_a_fault_or_is_written() {
    in_every_schedule(
        "memory_that_is_unmapped_while_it_is_written_from_is_a_fault_or_is_written",
        |program| {
            let [_, writer] = program.pipe();
            let data = program.call(MMAP, &[0, PAGE, 3, 0x22, usize::MAX, 0]).cast_unsigned();
            program.guest.store(data, b"x");
            [(MUNMAP, [data, PAGE, 0, 0, 0, 0]), (WRITE, [writer, data, 64, 0, 0, 0])]
        },
        |_, answers| answers[0] == 0 && [64, EFAULT].contains(&answers[1]),
    );
}

#[test]
fn two_that_append_do_not_overwrite_each_other() {
    in_every_schedule(
        "two_that_append_do_not_overwrite_each_other",
        |program| {
            let path = program.text(0, "/tmp/file");
            let [one, two] =
                [(); 2].map(|()| program.call(OPEN, &[path, O_RDWR | O_CREAT | O_APPEND, 0o600]).cast_unsigned());
            [(WRITE, [one, path, 5, 0, 0, 0]), (WRITE, [two, path, 5, 0, 0, 0])]
        },
        |program, answers| answers == [5, 5] && program.call(LSEEK, &[3, 0, 2]) == 10,
    );
}

#[test]
fn a_name_is_made_once() {
    in_every_schedule(
        "a_name_is_made_once",
        |program| {
            let path = program.text(0, "/tmp/d");
            [(MKDIR, [path, 0o700, 0, 0, 0, 0]), (MKDIR, [path, 0o700, 0, 0, 0, 0])]
        },
        |_, answers| [[0, EEXIST], [EEXIST, 0]].contains(&answers),
    );
}

#[test]
fn two_directories_do_not_end_up_in_each_other() {
    in_every_schedule(
        "two_directories_do_not_end_up_in_each_other",
        |program| {
            let names = ["/tmp/a", "/tmp/b", "/tmp/a/b", "/tmp/b/a"];
            let [a, b, a_b, b_a] = [0, 1, 2, 3].map(|number| program.text(number * 16, names[number]));
            assert_eq!([program.call(MKDIR, &[a, 0o700]), program.call(MKDIR, &[b, 0o700])], [0, 0]);
            [(RENAME, [a, b_a, 0, 0, 0, 0]), (RENAME, [b, a_b, 0, 0, 0, 0])]
        },
        |_, answers| {
            let refused = [ENOENT, EINVAL];
            (answers[0] == 0 && refused.contains(&answers[1])) || (answers[1] == 0 && refused.contains(&answers[0]))
        },
    );
}
