//! What a kernel takes for a null call, and for fork, exec and wait: measured as the first program of a booted machine,
//! Orrery's or Linux's. `cargo xtask figures --metal` boots both on it.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
ostd_guest::program!(measure::main);

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this program is made for bare targets: cargo xtask figures --metal");
}

#[cfg(target_os = "none")]
mod measure {
    extern crate alloc;

    use alloc::format;

    use kernel_abi::structs::{IntoBytes as _, Timespec};
    use kernel_abi::{Call, Calls as _, Errno, Fd, Result, Sys};
    use ostd_guest::Guest;

    /// Lines that the other side waits for.
    const BEGIN: &str = "figures: begin\n";
    const END: &str = "figures: end\n";

    /// How often a figure is taken, and out of how many calls.
    const BATCHES: usize = 7;
    const NULL_CALLS: u64 = 100_000;
    const CHILDREN: u64 = 20;

    /// Where Linux finds its first program, and what the program calls itself when it is to do nothing.
    const SELF: &[u8] = b"/init\0";
    const NOTHING: &str = "nothing";
    const CLOCK_MONOTONIC: usize = 1;

    pub(super) fn main(arguments: &[&str]) -> i32 {
        if arguments.get(1) == Some(&NOTHING) {
            return 0;
        }
        if say(BEGIN) == Err(Errno::EBADF) {
            open_console();
            let _ = say(BEGIN);
        }
        let number = Call::getppid.number(Guest.arch()).unwrap_or_default();
        told("null-call", NULL_CALLS, || {
            Guest.call(number, [0; 6]);
        });
        told("fork-exec-wait", CHILDREN, child);
        let _ = say(END);
        // A kernel without it ends the machine when its first program has ended.
        let _ = Guest.make(Call::reboot, &[0xfee1_dead, 0x2812_1969, 0x0123_4567, 0]);
        0
    }

    /// Takes a figure and tells it: a line with the nanoseconds of each batch, divided by `count`.
    fn told(what: &str, count: u64, mut act: impl FnMut()) {
        let mut line = format!("figures: {what}");
        for _ in 0..BATCHES {
            let before = now_ns();
            (0..count).for_each(|_| act());
            line += &format!(" {}", (now_ns() - before) / count);
        }
        let _ = say(&(line + "\n"));
    }

    fn child() {
        let run = |sys: &dyn Sys, _| {
            let nothing = b"nothing\0".as_ptr().expose_provenance();
            let (path, end) = (SELF.as_ptr().expose_provenance(), 0);
            let arguments = [path, nothing, end];
            let _ = sys.make(
                Call::execve,
                &[path, arguments.as_ptr().expose_provenance(), (&raw const end).expose_provenance()],
            );
            127
        };
        let child = Guest.fork_with(run, 0).expect("a child");
        let mut status = 0_i32;
        Guest.make(Call::wait4, &[child, (&raw mut status).expose_provenance(), 0, 0]).expect("it ends");
        assert_eq!(status, 0, "the child has run");
    }

    fn now_ns() -> u64 {
        let mut time = Timespec::default();
        let at = time.as_mut_bytes().as_mut_ptr().expose_provenance();
        Guest.make(Call::clock_gettime, &[CLOCK_MONOTONIC, at]).expect("there is a clock");
        core::hint::black_box(&time).to_ns().unwrap_or_default()
    }

    fn say(line: &str) -> Result {
        Guest.write(Fd(1), line.as_ptr().expose_provenance(), line.len())
    }

    /// Linux opens no console for a first program whose archive has no device file.
    fn open_console() {
        let text = |text: &'static [u8]| text.as_ptr().expose_provenance();
        let _ = Guest.make(Call::mkdirat, &[Fd::CWD.0 as usize, text(b"/dev\0"), 0o755]);
        let _ = Guest.make(Call::mount, &[text(b"dev\0"), text(b"/dev\0"), text(b"devtmpfs\0"), 0, 0]);
        for _ in 0..3 {
            let _ = Guest.make(Call::openat, &[Fd::CWD.0 as usize, text(b"/dev/console\0"), 2, 0]);
        }
    }
}
