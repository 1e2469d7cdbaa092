//! The image's command line: words parted by blanks, in which `%41` stands for the byte 0x41.

use alloc::string::String;
use alloc::vec::Vec;

/// What the command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// `arg=`: the program and its arguments.
    pub(crate) arguments: Vec<Vec<u8>>,
    /// `env=`: assignments of its environment.
    pub(crate) environment: Vec<Vec<u8>>,
    /// `stdio=terminal`: somebody sits at the serial line.
    pub(crate) terminal: bool,
    /// `strace` or `strace=FILTER`.
    pub(crate) strace: Option<String>,
}

/// Words that QEMU adds by itself.
const FOREIGN: &[u8] = b"virtio_mmio.device=";

impl Words {
    /// Reads the line; or the word that means nothing here.
    pub(crate) fn read(line: &[u8]) -> Result<Self, String> {
        let mut words = Self::default();
        for word in line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
            let unknown = || String::from_utf8_lossy(word).into_owned();
            if let Some(text) = word.strip_prefix(b"arg=") {
                words.arguments.push(decoded(text).ok_or_else(unknown)?);
            } else if let Some(text) = word.strip_prefix(b"env=") {
                words.environment.push(decoded(text).ok_or_else(unknown)?);
            } else if word == b"stdio=terminal" {
                words.terminal = true;
            } else if word == b"strace" {
                words.strace = Some(String::new());
            } else if let Some(text) = word.strip_prefix(b"strace=") {
                words.strace = Some(String::from_utf8_lossy(text).into_owned());
            } else if !word.starts_with(FOREIGN) {
                return Err(unknown());
            }
        }
        Ok(words)
    }
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        (rest, bytes) = if *first == b'%' {
            let digits = core::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            (&after[2..], bytes)
        } else {
            bytes.push(*first);
            (after, bytes)
        };
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn arguments_keep_their_blanks_and_bytes() {
        let words = Words::read(b"stdio=terminal arg=sh arg=-c arg=a%20b%25%ff virtio_mmio.device=512@0xfeb00e00:12");
        let words = words.expect("valid");
        assert_eq!(words.arguments, [&b"sh"[..], b"-c", b"a b%\xff"]);
        assert!(words.terminal && words.strace.is_none());
    }

    #[test]
    fn an_unknown_word_is_named() {
        assert_eq!(Words::read(b"arg=sh quiet").expect_err("unknown"), "quiet");
        assert_eq!(Words::read(b"arg=%2").expect_err("cut off"), "arg=%2");
    }
}
