//! Every row of the table that takes an address, with addresses that are none.

use kernel_abi::arg::Kind;
use kernel_abi::{Call, Calls as _, Fd, Sys as _};
use ostd_guest::Guest;

use crate::values::VALUES;

/// What numbers are: lengths, sizes of signal sets and of structures.
const NUMBERS: [usize; 3] = [1, 8, 24];

/// Those that do not come back, or come back twice.
const LEFT_OUT: &[Call] = &[
    Call::clone,
    Call::clone3,
    Call::clone_backwards,
    Call::exit,
    Call::exit_group,
    Call::fork,
    Call::pause,
    Call::rt_sigreturn,
    Call::vfork,
];

/// The registers of an argument: the first may be an address.
fn registers(kind: Kind) -> usize {
    if matches!(kind, Kind::In | Kind::Out | Kind::Iovecs(_)) { 2 } else { 1 }
}

fn is_address(kind: Kind) -> bool {
    use Kind::{In, Iovecs, Name, Out, Path, Pointer, Strings, Struct};
    matches!(kind, In | Out | Iovecs(_) | Path | Name | Struct(..) | Pointer | Strings)
}

/// The calls that an attempt is made of.
pub(crate) fn all() -> impl Iterator<Item = Call> {
    let takes_address = |call: &Call| call.row().args.iter().any(|(_, kind)| is_address(*kind));
    let all = Call::ALL.iter().copied().filter(|call| call.row().implemented && !LEFT_OUT.contains(call));
    all.filter(takes_address).filter(|call| call.number(Guest.arch()).is_some())
}

/// Makes the calls of one row: each address in turn is none while the others are good, and then none is good.
pub(crate) fn make(call: Call) {
    let Some(number) = call.number(Guest.arch()) else { return };
    let args = call.row().args;
    for file in files() {
        for hostile in &VALUES[1..] {
            for size in NUMBERS {
                for which in (0..args.len()).filter(|at| is_address(args[*at].1)).map(Some).chain([None]) {
                    let mut regs = [0; 6];
                    let mut at = 0;
                    for (place, (_, kind)) in args.iter().enumerate() {
                        regs[at] = match kind {
                            kind if is_address(*kind) && which.is_none_or(|which| which == place) => *hostile as usize,
                            kind if is_address(*kind) => Guest.page() + 0x1000,
                            Kind::Fd => file,
                            Kind::Int { .. } => size,
                            Kind::Id => usize::MAX,
                            // SIGUSR1; and no limit on the processor's time is set to zero.
                            Kind::Signal => 10,
                            Kind::Enum(_) => 1,
                            _ => 0,
                        };
                        if registers(*kind) == 2 {
                            regs[at + 1] = size;
                        }
                        at += registers(*kind);
                    }
                    Guest.call(number, regs);
                }
            }
        }
    }
}

/// Commands whose argument is an address: of ioctl(2), fcntl(2), prctl(2) and, on x86-64, arch_prctl(2).
pub(crate) fn command() {
    const COMMANDS: [(Call, &[usize]); 4] = [
        (Call::ioctl, &[0x5401, 0x5402, 0x5413, 0x5414, 0x540f, 0x5410, 0x541b, 0x5421, 0x5452, 0x8004_5430]),
        (Call::fcntl, &[5, 6, 7, 12, 13, 14, 15, 16, 36, 37, 38]),
        (Call::prctl, &[2, 9, 13, 15, 16, 17, 25, 37, 40, 41]),
        (Call::arch_prctl, &[0x1001, 0x1002, 0x1003, 0x1004]),
    ];
    for (call, commands) in COMMANDS {
        let Some(number) = call.number(Guest.arch()) else { continue };
        for (command, hostile) in
            commands.iter().flat_map(|command| VALUES.iter().map(move |value| (*command, *value as usize)))
        {
            for file in files() {
                let args = if matches!(call, Call::ioctl | Call::fcntl) {
                    [file, command, hostile]
                } else {
                    [command, hostile, hostile]
                };
                Guest.call(number, [args[0], args[1], args[2], hostile, hostile, 0]);
            }
        }
    }
}

/// The ends of a pipe that holds something, and the standard input.
fn files() -> [usize; 3] {
    /// `O_NONBLOCK`.
    const NONBLOCK: usize = 0o4000;
    let at = Guest.page() + 0x4000;
    let pipe = if Guest.make(Call::pipe2, &[at, NONBLOCK]).is_ok() { Guest.load::<[u32; 2]>(at) } else { [0; 2] };
    let _ = Guest.write(Fd(pipe[1] as i32), at, 64);
    [pipe[0] as usize, pipe[1] as usize, 0]
}
