//! A call for people to read, the way strace(1) prints it: `openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3`.
//!
//! Everything is derived from the row; no call is known by name here.

use alloc::string::String;
use core::fmt::Write;

use zerocopy::{FromBytes, IntoBytes};

use crate::arg::{Direction, Kind, Names, Regs};
use crate::errno::{Errno, from_return};
use crate::flags::{OpenFlags, SIG_DFL, SIG_IGN, SaFlags};
use crate::row::Row;
use crate::signal::{SigSet, Signal};
use crate::structs::{Iovec, Rlimit, Timespec, Timeval};

/// Reads the program's memory: fills from an address as many bytes as there are, and says how many.
pub type Read<'a> = &'a mut dyn FnMut(usize, &mut [u8]) -> usize;

/// Bytes of a buffer that are shown.
const BUFFER_MAX: usize = 32;
/// Bytes of a path that are shown.
const PATH_MAX: usize = 256;
/// Strings or buffers of an array that are shown.
const ARRAY_MAX: usize = 16;

/// Prints a call as it begins: what the program gave, but not what the call will fill.
pub fn format_call(row: &Row, args: [usize; 6], read: Read<'_>, out: &mut String) {
    Printer { out, read, answer: None }.call(row, args);
}

/// Prints how a call ended: ` = 3`, ` = -1 ENOENT`.
pub fn format_return(row: &Row, ret: usize, out: &mut String) {
    let value = match from_return(ret) {
        // What takes an address and answers with a large number answers with an address.
        Ok(value) if value >= 4096 && row.args.iter().any(|arg| arg.1 == Kind::Pointer) => {
            return print(out, format_args!(" = {value:#x}"));
        }
        Ok(value) => return print(out, format_args!(" = {}", value as isize)),
        Err(errno) => errno,
    };
    if value.is_restart() {
        print(out, format_args!(" = ? {value}"));
    } else {
        print(out, format_args!(" = -1 {value}"));
    }
}

/// Prints a call that has ended, with what it filled. Not for one whose memory is gone (execve).
pub fn format_ended(row: &Row, args: [usize; 6], ret: usize, read: Read<'_>, out: &mut String) {
    Printer { out, read, answer: Some(from_return(ret)) }.call(row, args);
    format_return(row, ret, out);
}

/// Prints the call of a number that has no row.
pub fn format_unknown(name: Option<&str>, number: usize, args: [usize; 6], out: &mut String) {
    match name {
        Some(name) => out.push_str(name),
        None => print(out, format_args!("syscall_{number:#x}")),
    }
    let [a, b, c, d, e, f] = args;
    print(out, format_args!("({a:#x}, {b:#x}, {c:#x}, {d:#x}, {e:#x}, {f:#x})"));
}

fn print(out: &mut String, text: core::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

struct Printer<'a, 'b> {
    out: &'a mut String,
    read: Read<'b>,
    /// What the call came back with, if it has.
    answer: Option<Result<usize, Errno>>,
}

impl Printer<'_, '_> {
    fn call(&mut self, row: &Row, args: [usize; 6]) {
        self.out.push_str(row.name);
        self.out.push('(');
        let mut regs = Regs::new(args);
        let creates = |names: Names, value: usize| {
            names != OpenFlags::NAMES || OpenFlags::from_bits_retain(value as u32).creates()
        };
        let mut creating = true;
        for (at, &(_, kind)) in row.args.iter().enumerate() {
            match kind {
                // The mode of open(2) is whatever was in the register, unless a file is created.
                Kind::Mode if !creating => continue,
                Kind::Flags(names) => creating = creates(names, regs.clone().next_reg()),
                _ => {}
            }
            if at > 0 {
                self.out.push_str(", ");
            }
            self.argument(kind, &mut regs);
        }
        self.out.push(')');
    }

    fn print(&mut self, text: core::fmt::Arguments<'_>) {
        print(self.out, text);
    }

    fn argument(&mut self, kind: Kind, regs: &mut Regs) {
        let value = regs.next_reg();
        match kind {
            Kind::Int { bits, signed, hex } => self.int(value, bits, signed, hex),
            Kind::Fd if value as i32 == crate::Fd::CWD.0 => self.out.push_str("AT_FDCWD"),
            Kind::Fd | Kind::Pid | Kind::Id => self.print(format_args!("{}", value as i32)),
            Kind::Path | Kind::Name => self.string(value),
            Kind::Pointer => self.pointer(value),
            Kind::Signal => match Signal::from_number(value as i32) {
                Some(signal) => self.print(format_args!("{signal}")),
                None => self.print(format_args!("{}", value as i32)),
            },
            Kind::Mode => self.print(format_args!("0{:o}", value as u16)),
            Kind::Flags(names) => self.flags(value as u64, names),
            Kind::Enum(names) => self.one_of(value as u64, names),
            Kind::Strings => self.strings(value),
            Kind::Struct(name, direction) => self.structure(name, value, direction),
            Kind::In => {
                let len = regs.next_reg();
                self.buffer(value, len);
                self.print(format_args!(", {len}"));
            }
            Kind::Out => {
                let len = regs.next_reg();
                match self.answer {
                    Some(Ok(filled)) => self.buffer(value, filled.min(len)),
                    _ => self.pointer(value),
                }
                self.print(format_args!(", {len}"));
            }
            Kind::Iovecs(direction) => {
                let count = regs.next_reg();
                self.iovecs(value, count, direction);
                self.print(format_args!(", {count}"));
            }
        }
    }

    fn int(&mut self, value: usize, bits: u8, signed: bool, hex: bool) {
        match (hex, bits, signed) {
            (true, ..) if value == 0 => self.out.push('0'),
            (true, 32, _) => self.print(format_args!("{:#x}", value as u32)),
            (true, ..) => self.print(format_args!("{value:#x}")),
            (false, 32, true) => self.print(format_args!("{}", value as i32)),
            (false, 32, false) => self.print(format_args!("{}", value as u32)),
            (false, _, true) => self.print(format_args!("{}", value as isize)),
            (false, _, false) => self.print(format_args!("{value}")),
        }
    }

    fn pointer(&mut self, addr: usize) {
        if addr == 0 {
            self.out.push_str("NULL");
        } else {
            self.print(format_args!("{addr:#x}"));
        }
    }

    /// Names of bits; a name of value zero stands for the absence of every name before it.
    fn flags(&mut self, value: u64, names: Names) {
        let (mut left, mut before, mut first) = (value, 0, true);
        let mut item = |out: &mut String, text: core::fmt::Arguments<'_>| {
            if !core::mem::take(&mut first) {
                out.push('|');
            }
            print(out, text);
        };
        for &(name, bits) in names {
            let absent = bits == 0 && value & before == 0;
            if absent || (bits != 0 && left & bits == bits) {
                item(self.out, format_args!("{name}"));
            }
            left &= if left & bits == bits { !bits } else { !0 };
            before |= bits;
        }
        if left != 0 {
            item(self.out, format_args!("{left:#x}"));
        } else if first {
            self.out.push('0');
        }
    }

    fn one_of(&mut self, value: u64, names: Names) {
        // Most such values are `int`: their upper half does not count, and a name may be negative.
        let named = names.iter().find(|named| named.1 == value || named.1 as u32 == value as u32);
        match named {
            Some((name, _)) => self.out.push_str(name),
            None if value as u32 > 0xffff => self.print(format_args!("{:#x}", value as u32)),
            None => self.print(format_args!("{}", value as u32)),
        }
    }

    /// Reads a value; `None` unless all of it is there.
    fn load<T: FromBytes + IntoBytes>(&mut self, addr: usize) -> Option<T> {
        let mut value = T::new_zeroed();
        let bytes = value.as_mut_bytes();
        ((self.read)(addr, bytes) == bytes.len()).then_some(value)
    }

    fn string(&mut self, addr: usize) {
        let mut bytes = [0; PATH_MAX];
        let len = if addr == 0 { 0 } else { (self.read)(addr, &mut bytes).min(PATH_MAX) };
        match bytes[..len].iter().position(|&byte| byte == 0) {
            Some(end) => self.quoted(&bytes[..end], false),
            None if len == PATH_MAX => self.quoted(&bytes, true),
            None => self.pointer(addr),
        }
    }

    fn buffer(&mut self, addr: usize, len: usize) {
        let mut bytes = [0; BUFFER_MAX];
        let shown = len.min(BUFFER_MAX);
        if addr == 0 || (self.read)(addr, &mut bytes[..shown]) < shown {
            self.pointer(addr);
        } else {
            self.quoted(&bytes[..shown], len > shown);
        }
    }

    /// Bytes as a C string, the way strace escapes them: octal, and as short as the next byte allows.
    fn quoted(&mut self, bytes: &[u8], more: bool) {
        self.out.push('"');
        for (at, &byte) in bytes.iter().enumerate() {
            let digit_follows = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
            match byte {
                b'"' | b'\\' => self.print(format_args!("\\{}", byte as char)),
                b'\n' => self.out.push_str("\\n"),
                b'\t' => self.out.push_str("\\t"),
                b'\r' => self.out.push_str("\\r"),
                b' '..=b'~' => self.out.push(byte as char),
                _ if digit_follows => self.print(format_args!("\\{byte:03o}")),
                _ => self.print(format_args!("\\{byte:o}")),
            }
        }
        self.out.push_str(if more { "\"..." } else { "\"" });
    }

    fn strings(&mut self, addr: usize) {
        let mut at = addr;
        if self.load::<usize>(at).is_none() || addr == 0 {
            return self.pointer(addr);
        }
        self.out.push('[');
        for shown in 0.. {
            let Some(string) = self.load::<usize>(at) else {
                self.print(format_args!(", {at:#x}"));
                break;
            };
            if string == 0 {
                break;
            }
            if shown > 0 {
                self.out.push_str(", ");
            }
            if shown == ARRAY_MAX {
                self.out.push_str("...");
                break;
            }
            self.string(string);
            at = at.wrapping_add(size_of::<usize>());
        }
        self.out.push(']');
    }

    fn iovecs(&mut self, addr: usize, count: usize, direction: Direction) {
        let mut left = match (direction, self.answer) {
            (Direction::In, _) => usize::MAX,
            (_, Some(Ok(filled))) => filled,
            _ => return self.pointer(addr),
        };
        if addr == 0 || (count > 0 && self.load::<Iovec>(addr).is_none()) {
            return self.pointer(addr);
        }
        self.out.push('[');
        for at in 0..count {
            if at > 0 {
                self.out.push_str(", ");
            }
            let place = addr.wrapping_add(at.wrapping_mul(size_of::<Iovec>()));
            let iovec = if at < ARRAY_MAX { self.load::<Iovec>(place) } else { None };
            let Some(Iovec { iov_base, iov_len }) = iovec else {
                self.out.push_str("...");
                break;
            };
            let len = iov_len.min(left);
            left -= len;
            self.out.push_str("{iov_base=");
            self.buffer(iov_base, len);
            self.print(format_args!(", iov_len={iov_len}}}"));
        }
        self.out.push(']');
    }

    /// The few structures that say a lot in little space; the others are shown as addresses.
    fn structure(&mut self, name: &str, addr: usize, direction: Direction) {
        let filled = matches!(self.answer, Some(Ok(_)));
        if addr == 0 || (direction == Direction::Out && !filled) || self.fields(name, addr).is_none() {
            self.pointer(addr);
        }
    }

    fn fields(&mut self, name: &str, addr: usize) -> Option<()> {
        match name {
            "int" | "pid_t" | "uid_t" | "gid_t" => {
                let value: i32 = self.load(addr)?;
                self.print(format_args!("[{value}]"));
            }
            "fd" => {
                let [first, second]: [i32; 2] = self.load(addr)?;
                self.print(format_args!("[{first}, {second}]"));
            }
            "long" => {
                let value: i64 = self.load(addr)?;
                self.print(format_args!("[{value}]"));
            }
            "timespec" => {
                let Timespec { tv_sec, tv_nsec } = self.load(addr)?;
                self.print(format_args!("{{tv_sec={tv_sec}, tv_nsec={tv_nsec}}}"));
            }
            "timeval" => {
                let Timeval { tv_sec, tv_usec } = self.load(addr)?;
                self.print(format_args!("{{tv_sec={tv_sec}, tv_usec={tv_usec}}}"));
            }
            "rlimit" => {
                let Rlimit { rlim_cur, rlim_max } = self.load(addr)?;
                self.print(format_args!("{{rlim_cur={rlim_cur}, rlim_max={rlim_max}}}"));
            }
            "sigset" => {
                let set: SigSet = self.load(addr)?;
                self.signals(set);
            }
            "sigaction" => {
                // Handler and flags come first in both layouts.
                let [handler, flags]: [usize; 2] = self.load(addr)?;
                self.out.push_str("{sa_handler=");
                match handler {
                    SIG_DFL => self.out.push_str("SIG_DFL"),
                    SIG_IGN => self.out.push_str("SIG_IGN"),
                    _ => self.pointer(handler),
                }
                self.out.push_str(", sa_flags=");
                self.flags(flags as u64, SaFlags::NAMES);
                self.out.push('}');
            }
            _ => return None,
        }
        Some(())
    }

    /// `[INT CHLD]`, or what is missing where that is shorter: `~[KILL STOP]`.
    fn signals(&mut self, set: SigSet) {
        let inverted = set.0.count_ones() > 32;
        self.out.push_str(if inverted { "~[" } else { "[" });
        let shown = if inverted { set.complement() } else { set };
        for (at, signal) in shown.iter().enumerate() {
            if at > 0 {
                self.out.push(' ');
            }
            match signal.name() {
                Some(name) => self.out.push_str(name.trim_start_matches("SIG")),
                None => self.print(format_args!("RT_{}", signal.number() - Signal::RT_MIN.number())),
            }
        }
        self.out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::{format_call, format_ended, format_unknown};
    use crate::errno::Errno;
    use crate::row::Call;

    const BASE: usize = 0x1000;

    /// A program's memory: these pieces, one after the other, from `BASE`.
    fn memory(pieces: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for piece in pieces {
            starts.push(BASE + bytes.len());
            bytes.extend_from_slice(piece);
        }
        (bytes, starts)
    }

    fn reader(bytes: &[u8]) -> impl FnMut(usize, &mut [u8]) -> usize + '_ {
        |addr, into| {
            let from = addr.checked_sub(BASE).and_then(|at| bytes.get(at..)).unwrap_or_default();
            let len = from.len().min(into.len());
            into[..len].copy_from_slice(&from[..len]);
            len
        }
    }

    fn begun(call: Call, args: [usize; 6], bytes: &[u8]) -> String {
        let mut out = String::new();
        format_call(call.row(), args, &mut reader(bytes), &mut out);
        out
    }

    fn ended(call: Call, args: [usize; 6], ret: usize, bytes: &[u8]) -> String {
        let mut out = String::new();
        format_ended(call.row(), args, ret, &mut reader(bytes), &mut out);
        out
    }

    const CWD: usize = -100_isize as usize;

    #[test]
    fn a_path_and_flags_read_as_in_c() {
        let (bytes, at) = memory(&[b"/etc/passwd\0"]);
        let args = [CWD, at[0], 0o2_000_000, 0, 0, 0];
        assert_eq!(ended(Call::openat, args, 3, &bytes), r#"openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3"#);
        let refused = Errno::ENOENT.to_return();
        assert!(ended(Call::openat, args, refused, &bytes).ends_with(" = -1 ENOENT"));
        assert!(begun(Call::openat, [3, 0, 0o101, 0o644, 0, 0], &bytes).ends_with("(3, NULL, O_WRONLY|O_CREAT, 0644)"));
        assert!(begun(Call::openat, [3, 0x99, 3, 0, 0, 0], &bytes).contains("0x99, O_ACCMODE)"));
    }

    #[test]
    fn a_buffer_is_shown_when_it_is_full() {
        let (bytes, at) = memory(&[b"\x7fELF\x02\x01\n\"\\\x001", &[b'x'; 40]]);
        assert_eq!(begun(Call::write, [1, at[0], 11, 0, 0, 0], &bytes), r#"write(1, "\177ELF\2\1\n\"\\\0001", 11)"#);
        assert_eq!(begun(Call::read, [0, at[0], 16, 0, 0, 0], &bytes), "read(0, 0x1000, 16)");
        assert_eq!(ended(Call::read, [0, at[1], 16, 0, 0, 0], 2, &bytes), r#"read(0, "xx", 16) = 2"#);
        let long = begun(Call::write, [1, at[1], 40, 0, 0, 0], &bytes);
        assert!(long.contains("xx\"..., 40"), "{long}");
        assert_eq!(begun(Call::write, [1, 0x9_0000, 5, 0, 0, 0], &bytes), "write(1, 0x90000, 5)");
    }

    #[test]
    fn arguments_of_a_program_are_listed() {
        let (mut bytes, at) = memory(&[b"sh\0", b"-c\0", b"\0\0"]);
        bytes.extend([at[0], at[1], 0].iter().flat_map(|word| word.to_ne_bytes()));
        let text = begun(Call::execve, [at[0], BASE + 8, 0, 0, 0, 0], &bytes);
        assert_eq!(text, r#"execve("sh", ["sh", "-c"], NULL)"#);
        // An array that never ends does not end the printing.
        assert!(begun(Call::execve, [at[0], at[0], 0, 0, 0, 0], &bytes).starts_with("execve("));
    }

    #[test]
    fn numbers_without_a_name_stay_numbers() {
        let map = [0, 4096, 3, 0x22, usize::MAX, 0];
        let text = ended(Call::mmap, map, 0x7000_0000, &[]);
        assert_eq!(text, "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x70000000");
        assert!(begun(Call::mprotect, [0, 1, 0, 0, 0, 0], &[]).ends_with("PROT_NONE)"));
        assert!(begun(Call::mprotect, [0, 1, 0x104, 0, 0, 0], &[]).ends_with("PROT_EXEC|0x100)"));
        assert_eq!(begun(Call::lseek, [0, usize::MAX, 77, 0, 0, 0], &[]), "lseek(0, -1, 77)");
        assert_eq!(begun(Call::kill, [-5_isize as usize, 15, 0, 0, 0, 0], &[]), "kill(-5, SIGTERM)");
        assert_eq!(begun(Call::unlinkat, [CWD, 0, 0, 0, 0, 0], &[]), "unlinkat(AT_FDCWD, NULL, 0)");
        assert_eq!(ended(Call::pause, [0; 6], Errno::ERESTARTNOHAND.to_return(), &[]), "pause() = ? ERESTARTNOHAND");
    }

    #[test]
    fn what_a_call_fills_is_shown_at_its_end() {
        let (bytes, at) = memory(&[&3_i32.to_ne_bytes(), &4_i32.to_ne_bytes(), &(1_u64 << 16 | 2).to_ne_bytes()]);
        assert_eq!(begun(Call::pipe2, [at[0], 0o4000, 0, 0, 0, 0], &bytes), "pipe2(0x1000, O_NONBLOCK)");
        assert_eq!(ended(Call::pipe2, [at[0], 0, 0, 0, 0, 0], 0, &bytes), "pipe2([3, 4], 0) = 0");
        let mask = begun(Call::rt_sigprocmask, [0, at[2], 0, 8, 0, 0], &bytes);
        assert_eq!(mask, "rt_sigprocmask(SIG_BLOCK, [INT CHLD], NULL, 8)");
    }

    #[test]
    fn wild_pointers_are_shown_as_they_are() {
        for call in Call::ALL {
            for args in [[usize::MAX; 6], [0; 6], [BASE - 1; 6], [usize::MAX - 7; 6], [BASE; 6]] {
                let text = ended(*call, args, 0, b"abc");
                assert!(text.starts_with(call.row().name) && text.len() < 4000, "{text}");
            }
        }
    }

    #[test]
    fn a_call_without_a_row_is_still_shown() {
        let mut out = String::new();
        format_unknown(Some("io_uring_setup"), 425, [1, 0, 0, 0, 0, 0], &mut out);
        assert_eq!(out, "io_uring_setup(0x1, 0x0, 0x0, 0x0, 0x0, 0x0)");
    }
}
