#![expect(unsafe_code, reason = "gives a child process a controlling terminal")]

use std::env;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, OutputFlags, Termios, tcgetattr};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use ostd_hal::device::{ByteChannel, ChannelError, OutsideEvent, Readiness};

use super::{HostTerminal, RawMode, Use};
use crate::outside::tests::turn;
use crate::outside::{HostSignals, Outside, handlers};
use crate::watch::{Source, Watch};

const LINE: u32 = 3;
const OUTSIDE: u32 = 4;
const NOW: Option<Duration> = Some(Duration::ZERO);

fn pty() -> (File, OwnedFd) {
    let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).expect("a pseudo terminal");
    (pty.master.into(), pty.slave)
}

fn modes(fd: &OwnedFd) -> Termios {
    tcgetattr(fd).expect("a terminal's modes")
}

fn is_raw(fd: &OwnedFd) -> bool {
    let modes = modes(fd);
    let local = LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG;
    !modes.local_flags.intersects(local) && !modes.output_flags.contains(OutputFlags::OPOST)
}

struct Machine {
    watch: Arc<Watch>,
    outside: Arc<Outside>,
    terminal: Arc<HostTerminal>,
}

fn machine(fd: &OwnedFd) -> Machine {
    let watch = Watch::new();
    let outside = Outside::new(&watch, OUTSIDE);
    let terminal = Arc::new(HostTerminal::new(fd, &watch, &outside, LINE, Use::Alone).expect("a terminal"));
    watch.add_source(Arc::downgrade(&(terminal.clone() as Arc<dyn Source>)));
    Machine { watch, outside, terminal }
}

#[test]
fn a_terminal_is_raw_until_it_is_dropped() {
    let _turn = turn();
    let (_master, slave) = pty();
    let before = modes(&slave);
    let raw = RawMode::enter(&slave).expect("a terminal");
    assert!(is_raw(&slave));
    assert_eq!(RawMode::enter(&slave).err().and_then(|error| error.raw_os_error()), Some(libc::EBUSY));
    drop(raw);
    assert_eq!(modes(&slave), before);
    drop(RawMode::enter(&slave).expect("free again"));
}

#[test]
fn a_shared_terminal_is_left_alone_until_it_is_read() {
    let _turn = turn();
    let (mut far, near) = pty();
    let watch = Watch::new();
    let outside = Outside::new(&watch, OUTSIDE);
    let terminal = HostTerminal::new(&near, &watch, &outside, LINE, Use::Shared).expect("a terminal");
    far.write_all(b"theirs\n").expect("typing");
    assert!(!terminal.ready().contains(Readiness::READ) && !is_raw(&near));
    assert_eq!(terminal.write(b"x"), Ok(1));
    assert!(terminal.is_shared() && !is_raw(&near));
    let mut bytes = [0; 16];
    assert_eq!(terminal.read(&mut bytes), Ok(7));
    assert!(is_raw(&near));
    drop(terminal);
    assert!(!is_raw(&near));
}

#[test]
fn what_is_no_terminal_cannot_be_raw() {
    let null = File::open("/dev/null").expect("a null device");
    assert_eq!(RawMode::enter(&null).err().and_then(|error| error.raw_os_error()), Some(libc::ENOTTY));
}

#[test]
fn a_panic_puts_the_terminal_back_before_it_is_told() {
    let _turn = turn();
    let (_master, slave) = pty();
    let raw = RawMode::enter(&slave).expect("a terminal");
    assert!(std::panic::catch_unwind(|| panic!("on purpose")).is_err());
    assert!(!is_raw(&slave));
    drop(raw);
}

#[test]
fn typed_bytes_wait_for_the_guest_and_written_ones_arrive_unchanged() {
    let _turn = turn();
    let (mut master, slave) = pty();
    let Machine { watch, terminal, .. } = machine(&slave);
    assert_eq!(terminal.window(), Some((30, 100)));
    assert_eq!(terminal.read(&mut [0; 8]), Err(ChannelError::Busy));
    assert_eq!(terminal.ready(), Readiness::WRITE);
    terminal.arm(Readiness::READ);
    assert_eq!(watch.poll(NOW), []);
    master.write_all(b"\x03\r").expect("room");
    while !watch.poll(None).contains(&LINE) {}
    assert_eq!(terminal.ready(), Readiness::READ | Readiness::WRITE);
    let mut bytes = [0; 8];
    assert_eq!((terminal.read(&mut bytes), &bytes[..2]), (Ok(2), &b"\x03\r"[..]));
    assert_eq!(terminal.write(b"a\nb"), Ok(3));
    master.read_exact(&mut bytes[..3]).expect("what was written");
    assert_eq!(&bytes[..3], b"a\nb");
}

#[test]
fn a_terminal_that_takes_nothing_more_is_busy() {
    let _turn = turn();
    let (mut master, slave) = pty();
    let Machine { watch, terminal, .. } = machine(&slave);
    let mut taken = 0;
    // The host moves what was written on behind our back, so that there may be room again a moment later.
    loop {
        let busy = loop {
            match terminal.write(&[b'x'; 10_000]) {
                Ok(len) => taken += len,
                Err(busy) => break busy,
            }
        };
        assert_eq!(busy, ChannelError::Busy);
        terminal.arm(Readiness::WRITE);
        if watch.poll(Some(Duration::from_millis(20))).is_empty() {
            break;
        }
    }
    master.read_exact(&mut vec![0; taken]).expect("what was written");
    while !watch.poll(None).contains(&LINE) {}
    assert_eq!(terminal.write(b"x"), Ok(1));
}

#[test]
fn three_escapes_in_a_row_stop_a_machine_that_does_not_read() {
    let _turn = turn();
    let (mut master, slave) = pty();
    let Machine { watch, outside, terminal } = machine(&slave);
    master.write_all(b"\x1d\x1dx\x1d").expect("room");
    while terminal.input.lock().typed.len() < 4 {
        assert_eq!(watch.poll(None), []);
    }
    assert_eq!(outside.next(), None);
    master.write_all(b"\x1d\x1d").expect("room");
    while !watch.poll(None).contains(&OUTSIDE) {}
    assert_eq!(outside.next(), Some(OutsideEvent::Stop));
    let mut bytes = [0; 8];
    assert_eq!((terminal.read(&mut bytes), &bytes[..5]), (Ok(5), &b"\x1d\x1dx\x1d\x1d"[..]));
}

#[test]
fn the_escape_works_behind_more_than_is_kept() {
    let _turn = turn();
    let (_master, slave) = pty();
    let Machine { outside, terminal, .. } = machine(&slave);
    let mut input = terminal.input.lock();
    terminal.take(&mut input, &vec![b'x'; super::INPUT_MAX + 5]);
    assert_eq!(input.typed.len(), super::INPUT_MAX);
    terminal.take(&mut input, b"\x1d\x1d\x1d");
    assert_eq!(outside.next(), Some(OutsideEvent::Stop));
}

#[test]
fn a_terminal_that_hangs_up_ends() {
    let _turn = turn();
    let (mut master, slave) = pty();
    let Machine { watch, terminal, .. } = machine(&slave);
    master.write_all(b"x").expect("room");
    while terminal.input.lock().typed.is_empty() {
        assert_eq!(watch.poll(None), []);
    }
    drop(master);
    assert_eq!(terminal.read(&mut [0; 8]), Ok(1));
    terminal.arm(Readiness::READ);
    while !watch.poll(None).contains(&LINE) {}
    assert_eq!(terminal.read(&mut [0; 8]), Ok(0));
}

/// Set for a test binary that was started to be `the_machine_in_a_process_of_its_own`.
const ROLE: &str = "ORRERY_TEST_TERMINAL";

/// Runs in a child process, on a terminal that it controls: not a test of its own.
#[test]
fn the_machine_in_a_process_of_its_own() {
    let Ok(role) = env::var(ROLE) else { return };
    let stdin = std::io::stdin();
    let raw = RawMode::enter(&stdin).expect("a terminal");
    let watch = Watch::new();
    let outside = Outside::new(&watch, OUTSIDE);
    let signals = (role == "forwards").then(|| HostSignals::install(&outside).expect("signals"));
    File::from(stdin.as_raw_fd_owned()).write_all(b"ready\n").expect("a terminal");
    match role.as_str() {
        "exits" => std::process::exit(7),
        "aborts" => std::process::abort(),
        "forwards" => {
            while outside.next() != Some(OutsideEvent::Signal(15)) {
                watch.poll(None);
            }
            std::process::exit(9)
        }
        _ => loop {
            std::thread::park();
            let _ = (&raw, &signals);
        },
    }
}

trait OwnedAgain {
    fn as_raw_fd_owned(&self) -> OwnedFd;
}

impl OwnedAgain for std::io::Stdin {
    fn as_raw_fd_owned(&self) -> OwnedFd {
        std::os::fd::AsFd::as_fd(self).try_clone_to_owned().expect("a descriptor")
    }
}

/// Starts the machine above as session leader with a terminal of its own, and waits until it is raw.
fn child(role: &str) -> (Child, File, OwnedFd, Termios) {
    let (mut master, slave) = pty();
    let before = modes(&slave);
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args(["--exact", "terminal::tests::the_machine_in_a_process_of_its_own", "--nocapture"]);
    command.env(ROLE, role).stdin(slave.try_clone().expect("a descriptor"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let terminal = slave.as_raw_fd();
    let claim = move || {
        nix::unistd::setsid()?;
        // Whatever this test was started to ignore (nohup(1)), the machine takes.
        (1..=libc::SIGRTMAX()).for_each(|signal| handlers::set_action(signal, &handlers::default_action()));
        // SAFETY: takes an integer.
        match unsafe { libc::ioctl(terminal, libc::TIOCSCTTY, 0) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes system calls only and allocates nothing.
    let child = unsafe { command.pre_exec(claim) }.spawn().expect("a process");
    let mut told = Vec::new();
    while !told.ends_with(b"ready\n") {
        let mut byte = [0];
        master.read_exact(&mut byte).expect("a sign of life");
        told.extend(byte);
    }
    (child, master, slave, before)
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

#[test]
fn the_terminal_is_restored_by_every_signal_that_ends_the_process() {
    for signal in [
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGILL,
        Signal::SIGUSR1,
        Signal::SIGALRM,
    ] {
        let (mut child, _master, slave, before) = child("waits");
        assert!(is_raw(&slave), "{signal}");
        kill(pid(&child), signal).expect("a live process");
        let status = child.wait().expect("its status");
        assert_eq!(status.signal(), Some(signal as i32));
        assert_eq!(modes(&slave), before, "{signal}");
    }
}

#[test]
fn the_terminal_is_restored_at_exit_and_abort() {
    let (mut exits, _master, slave, before) = child("exits");
    assert_eq!(exits.wait().expect("its status").code(), Some(7));
    assert_eq!(modes(&slave), before);
    let (mut aborts, _master, slave, before) = child("aborts");
    assert_eq!(aborts.wait().expect("its status").signal(), Some(libc::SIGABRT));
    assert_eq!(modes(&slave), before);
}

#[test]
fn a_forwarded_signal_ends_nothing_by_itself() {
    let (mut child, _master, slave, before) = child("forwards");
    kill(pid(&child), Signal::SIGUSR1).expect("a live process");
    kill(pid(&child), Signal::SIGTERM).expect("a live process");
    assert_eq!(child.wait().expect("its status").code(), Some(9));
    assert_eq!(modes(&slave), before);
}

#[test]
fn a_stopped_process_is_raw_again_when_it_is_continued() {
    let (mut child, _master, slave, before) = child("waits");
    // A session leader whose parent is in another session is an orphaned group: only SIGSTOP stops it.
    kill(pid(&child), Signal::SIGSTOP).expect("a live process");
    let stopped = waitpid(pid(&child), Some(WaitPidFlag::WUNTRACED)).expect("a stop");
    assert_eq!(stopped, WaitStatus::Stopped(pid(&child), Signal::SIGSTOP));
    // The shell that would now have the terminal sets it to its liking.
    nix::sys::termios::tcsetattr(&slave, nix::sys::termios::SetArg::TCSANOW, &before).expect("a terminal");
    kill(pid(&child), Signal::SIGCONT).expect("a live process");
    while !is_raw(&slave) {
        std::thread::yield_now();
    }
    // Ignored by an orphaned group; the terminal must not stay restored for it.
    kill(pid(&child), Signal::SIGTSTP).expect("a live process");
    kill(pid(&child), Signal::SIGTERM).expect("a live process");
    child.wait().expect("its status");
    assert_eq!(modes(&slave), before);
}
