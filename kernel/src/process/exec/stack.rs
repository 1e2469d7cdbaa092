//! What a program finds on its stack: argc, argv, envp, auxv, and the bytes they point to.

use alloc::vec::Vec;

use crate::abi::flags::{AT_EXECFN, AT_NULL, AT_RANDOM};
use crate::error::{Errno, Result};

/// What arguments, environment and pointers to them may take however large the stack may be, and however small.
const STRINGS_LEN_MAX: usize = 6 << 20;
const STRINGS_LEN_MIN: usize = 128 << 10;
/// The most pointers that can fit.
pub const POINTERS_MAX: usize = STRINGS_LEN_MAX / size_of::<usize>();
/// The most bytes of one string, its NUL counted.
pub const STRING_LEN_MAX: usize = 128 << 10;

/// What is left of the room for arguments, environment and the path of the program: a quarter of `RLIMIT_STACK`.
#[derive(Clone, Copy, Debug)]
pub struct Budget(usize);

impl Budget {
    /// The room beside the pointers to `strings` strings; E2BIG if there is none.
    pub fn new(stack_limit: usize, strings: usize) -> Result<Self> {
        let room = (stack_limit / 4).clamp(STRINGS_LEN_MIN, STRINGS_LEN_MAX);
        room.checked_sub(strings * size_of::<usize>()).filter(|left| *left > 0).map(Self).ok_or(Errno::E2BIG)
    }

    /// Takes room for a string and its NUL.
    pub fn take(&mut self, string: &[u8]) -> Result<()> {
        self.0 = self.0.checked_sub(string.len() + 1).ok_or(Errno::E2BIG)?;
        Ok(())
    }

    /// Gives a string's room back.
    pub fn give(&mut self, string: &[u8]) {
        self.0 += string.len() + 1;
    }
}

/// The words and strings of a new stack.
#[derive(Debug)]
pub struct Stack {
    /// Where it begins: the stack pointer.
    pub at: usize,
    /// Everything up to its top.
    pub bytes: Vec<u8>,
    /// Addresses of the first argument and of the first byte behind the last.
    pub args: (usize, usize),
    /// The same of the environment.
    pub env: (usize, usize),
    /// Where the auxiliary vector is.
    pub auxv: (usize, usize),
}

/// Bytes of strings, with their NULs.
fn strings_len(strings: &[Vec<u8>]) -> usize {
    strings.iter().map(|string| string.len() + 1).sum()
}

/// Bytes of a stack that [`build`] lays out, with an auxiliary vector of `pairs` and the three that it adds.
pub fn len(argv: &[Vec<u8>], envp: &[Vec<u8>], path: &[u8], pairs: usize) -> usize {
    let strings = (8 + path.len() + 1 + strings_len(envp) + strings_len(argv) + 16).next_multiple_of(16);
    let words = 1 + argv.len() + 1 + envp.len() + 1 + 2 * (pairs + 3);
    (strings + words * 8).next_multiple_of(16)
}

/// Lays out a stack that ends at `top`, which is a multiple of 16. `auxv` lacks `AT_EXECFN`, `AT_RANDOM` and `AT_NULL`.
pub fn build(
    top: usize,
    argv: &[Vec<u8>],
    envp: &[Vec<u8>],
    path: &[u8],
    random: &[u8; 16],
    auxv: &[(usize, usize)],
) -> Stack {
    // From the top: a null word, the path, environment, arguments; below them 16 random bytes.
    let path_at = top - 8 - (path.len() + 1);
    let envp_at = path_at - strings_len(envp);
    let argv_at = envp_at - strings_len(argv);
    let random_at = (argv_at - 16) & !15;
    let at = top - len(argv, envp, path, auxv.len());

    let mut bytes = Vec::with_capacity(top - at);
    let mut word = |value: usize| bytes.extend_from_slice(&value.to_le_bytes());
    word(argv.len());
    for (strings, mut next) in [(argv, argv_at), (envp, envp_at)] {
        for string in strings {
            word(next);
            next += string.len() + 1;
        }
        word(0);
    }
    let auxv_at = at + (1 + argv.len() + 1 + envp.len() + 1) * 8;
    for &(tag, value) in auxv.iter().chain(&[(AT_RANDOM, random_at), (AT_EXECFN, path_at), (AT_NULL, 0)]) {
        word(tag);
        word(value);
    }
    bytes.resize(random_at - at, 0);
    bytes.extend_from_slice(random);
    bytes.resize(argv_at - at, 0);
    for string in argv.iter().chain(envp).map(Vec::as_slice).chain([path]) {
        bytes.extend_from_slice(string);
        bytes.push(0);
    }
    bytes.resize(top - at, 0);
    let auxv_end = auxv_at + (auxv.len() + 3) * 16;
    Stack { at, bytes, args: (argv_at, envp_at), env: (envp_at, path_at), auxv: (auxv_at, auxv_end) }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::{Budget, build};
    use crate::error::Errno;

    #[test]
    fn strings_have_a_quarter_of_the_stack_within_bounds() {
        for (stack, room) in [(0, 128 << 10), (8 << 20, 2 << 20), (usize::MAX, 6 << 20)] {
            assert!(matches!(Budget::new(stack, room / 8), Err(Errno::E2BIG)));
            let mut budget = Budget::new(stack, room / 8 - 1).expect("eight bytes are left");
            assert_eq!(budget.take(b"1234567"), Ok(()));
            assert_eq!(budget.take(b""), Err(Errno::E2BIG));
            budget.give(b"1234567");
            assert_eq!(budget.take(b""), Ok(()));
        }
    }

    #[test]
    fn a_program_finds_its_arguments() {
        let top = 0x7000_0000;
        let stack =
            build(top, &[b"ls".to_vec(), b"-l".to_vec()], &[b"A=1".to_vec()], b"/bin/ls", &[7; 16], &[(6, 4096)]);
        assert_eq!(stack.at % 16, 0);
        assert_eq!(stack.at + stack.bytes.len(), top);
        let word = |at: usize| {
            let at = at - stack.at;
            usize::from_le_bytes(stack.bytes[at..at + 8].try_into().expect("8 bytes"))
        };
        let string = |at: usize| stack.bytes[at - stack.at..].split(|&byte| byte == 0).next().map(<[u8]>::to_vec);
        assert_eq!(word(stack.at), 2);
        assert_eq!(string(word(stack.at + 8)), Some(b"ls".to_vec()));
        assert_eq!(string(word(stack.at + 16)), Some(b"-l".to_vec()));
        assert_eq!(word(stack.at + 24), 0);
        assert_eq!(string(word(stack.at + 32)), Some(b"A=1".to_vec()));
        let aux: alloc::vec::Vec<_> =
            (0..4).map(|i| (word(stack.at + 48 + 16 * i), word(stack.at + 56 + 16 * i))).collect();
        assert_eq!((aux[0], aux[3]), ((6, 4096), (0, 0)));
        assert_eq!(&stack.bytes[aux[1].1 - stack.at..][..16], vec![7; 16]);
        assert_eq!(string(aux[2].1), Some(b"/bin/ls".to_vec()));
        assert_eq!(stack.auxv.0, stack.at + 48);
    }
}
