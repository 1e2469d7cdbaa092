//! What an argument of a kind can be: small colliding spaces, edges, and sets with at most one bit too many.

use kernel_abi::arg::Names;

/// Paths, the tamest first.
pub const PATHS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"a/b",
    b"a/c",
    b"b/a",
    b"l",
    b".",
    b"d",
    b"l/a",
    b"a/b/c",
    b"a/",
    b"./a",
    b"a/..",
    b"a/../b",
    b"a//b",
    b"",
    b"..",
    b"/",
    b"/dev/null",
    b"/dev/zero",
    b"/proc/self/fd",
    b"/proc/self/status",
    b"\xff\xfe",
    LONG,
    TOO_LONG,
    &[b'/'; 4095],
    &[b'y'; 4096],
];

/// Strings that are no path: attributes, kinds of file systems.
pub const NAMES: &[&[u8]] = &[
    b"user.a",
    b"user.b",
    b"tmpfs",
    b"trusted.a",
    b"security.a",
    b"system.posix_acl_access",
    b"user.",
    b"",
    b"other",
    b"a.b.c",
    b"proc",
    LONG,
    TOO_LONG,
];

const LONG: &[u8] = &[b'x'; 255];
const TOO_LONG: &[u8] = &[b'x'; 256];

/// Numbers, the tamest first.
pub const NUMBERS: &[u64] = &[
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    10,
    15,
    16,
    17,
    24,
    63,
    64,
    65,
    100,
    127,
    128,
    255,
    256,
    511,
    512,
    1000,
    1024,
    4095,
    4096,
    4097,
    8192,
    0xffff,
    0x1_0000,
    0x1_0001,
    0x10_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
    u64::MAX - 1,
    u64::MAX - 2,
    u64::MAX - 99,
    u64::MAX - 4095,
];

/// Lengths in memory, in bytes: within what a program may lose, or past the end of everything.
pub const SPANS: &[u64] = &[
    4096,
    0,
    1,
    8192,
    4095,
    4097,
    3 * 4096,
    4 * 4096,
    8 * 4096,
    16 * 4096,
    u64::MAX,
    u64::MAX - 4095,
    u64::MAX - 4096,
];

/// Descriptors that nobody has to have opened.
pub const FDS: &[u64] =
    &[u64::MAX - 99, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, u64::MAX, 0x7fff_ffff, 0xffff_ffff_8000_0000, 1000, 63];

/// Processes that are nobody's; zero is whoever asks. No other process is ever named; all of them, the last, only where
/// a child is waited for.
pub const PIDS: &[u64] = &[0, 0x3fff_fff0, 0x7fff_ffff, 0xffff_ffff_8000_0000, 0xffff_ffff_c000_0000, u64::MAX];

/// Users and groups.
pub const IDS: &[u64] = &[0, 0xffff_ffff, 1, 1000, 65534, 65535, 0xffff_fffe, 0x7fff_ffff];

/// Types and permissions.
pub const MODES: &[u64] = &[
    0o644, 0o755, 0, 0o777, 0o400, 0o200, 0o111, 0o600, 0o022, 0o077, 0o4755, 0o2755, 0o1777, 0o7777, 0o100_644,
    0o010_644, 0o140_644, 0o020_666, 0o060_666, 0o040_755, 0o120_777, 0o177_777,
];

/// Signals.
pub const SIGNALS: &[u64] =
    &[10, 12, 0, 17, 14, 15, 9, 19, 18, 34, 64, 65, 1, 2, 11, 13, 20, 21, 32, 5, u64::MAX, 0x8000_0000];

/// Lengths of buffers: their codes.
pub const LENGTHS: &[u16] =
    &[1, 0, 2, 3, 4, 7, 8, 16, 64, 100, 255, 256, 512, 1000, 1024, 0xffff, 0xfffe, 0xfffd, 0xfffc];

/// Bytes that a buffer has at most, when its length is not an edge.
pub const BUFFER_MAX: usize = 1024;

/// The register's value for a length's code: itself, or an edge that no memory has.
pub const fn length(code: u16) -> u64 {
    match code {
        0xffff => u64::MAX,
        0xfffe => i64::MAX as u64,
        0xfffd => 0x8000_0000,
        0xfffc => 0x7fff_f000,
        code => code as u64,
    }
}

/// The nearest code: edges as they are, others within a buffer.
pub const fn length_code(code: u16) -> u16 {
    if code >= 0xfffc || code as usize <= BUFFER_MAX { code } else { code % (BUFFER_MAX as u16 + 1) }
}

/// The same bits, with at most one that has no name.
pub fn flags(names: Names, bits: u64) -> u64 {
    let known = names.iter().fold(0, |known, named| known | named.1);
    let unknown = bits & !known;
    (bits & known) | (unknown & unknown.wrapping_neg())
}

/// Whether so much memory may be named behind an address: what is a program's own, or past the end of everything.
pub const fn is_span(len: u64) -> bool {
    len <= 16 * 4096 || len >= u64::MAX - 4096
}
