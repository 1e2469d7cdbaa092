//! `#!` lines.

use crate::error::{Errno, Result};

/// What is read of a file to see what it is.
pub const BEGINNING_LEN: usize = 256;
/// How often one script may be the interpreter of another.
pub const DEPTH_MAX: usize = 5;

/// An interpreter and its one argument.
pub type Interpreter<'a> = (&'a [u8], Option<&'a [u8]>);

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn ends_word(byte: &u8) -> bool {
    is_blank(byte) || *byte == 0
}

/// The interpreter and its one argument; `None` when the file is no script. `beginning` is [`BEGINNING_LEN`] bytes, with
/// NULs behind the end of a shorter file: a line that is cut off there, or by a NUL, counts as far as it goes, unless
/// the interpreter's name is what is cut.
pub fn parse(beginning: &[u8]) -> Result<Option<Interpreter<'_>>> {
    let Some(line) = beginning.strip_prefix(b"#!") else { return Ok(None) };
    let newline = line.iter().position(|byte| matches!(byte, b'\n' | 0)).filter(|&at| line[at] == b'\n');
    let line = match newline {
        Some(end) => &line[..end],
        None => {
            let name = line.iter().position(|byte| !is_blank(byte)).ok_or(Errno::ENOEXEC)?;
            if !line[name..].iter().any(ends_word) {
                return Err(Errno::ENOEXEC);
            }
            &line[..line.len() - 1]
        }
    };
    let len = line.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1);
    let line = &line[..len];
    let start = line.iter().position(|byte| !is_blank(byte)).ok_or(Errno::ENOEXEC)?;
    let line = &line[start..];
    let end = line.iter().position(ends_word).unwrap_or(line.len());
    let argument = match line.get(end) {
        Some(blank) if is_blank(blank) => {
            line[end..].iter().position(|byte| !is_blank(byte)).map(|from| until_nul(&line[end + from..]))
        }
        _ => None,
    };
    Ok(Some((&line[..end], argument)))
}

/// A C string's bytes.
fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::{BEGINNING_LEN, Interpreter, parse};
    use crate::error::{Errno, Result};

    fn check(text: &[u8], expected: Result<Option<Interpreter<'_>>>) {
        let mut beginning = [0; BEGINNING_LEN];
        beginning[..text.len()].copy_from_slice(text);
        assert_eq!(parse(&beginning), expected, "{}", text.escape_ascii());
    }

    #[test]
    fn a_script_names_an_interpreter_and_at_most_one_argument() {
        check(b"#! /bin/sh -e -u \necho", Ok(Some((b"/bin/sh", Some(b"-e -u")))));
        check(b"#!/bin/sh", Ok(Some((b"/bin/sh", None))));
        // Blanks before the file ends without a newline are followed by an argument that is empty.
        check(b"#!/bin/sh \t ", Ok(Some((b"/bin/sh", Some(b"")))));
        check(b"#!/bin/sh\r\n", Ok(Some((b"/bin/sh\r", None))));
        check(b"echo", Ok(None));
        check(b"#!  \n", Err(Errno::ENOEXEC));
        check(b"#!\n", Err(Errno::ENOEXEC));
    }

    #[test]
    fn a_nul_ends_a_line() {
        check(b"#!", Ok(Some((b"", None))));
        check(b"#!\0/bin/sh\n", Ok(Some((b"", None))));
        check(b"#!/bin/sh a\0b\n", Ok(Some((b"/bin/sh", Some(b"a")))));
    }

    #[test]
    fn an_argument_may_be_cut_off_but_a_name_may_not() {
        let mut long = [b'a'; BEGINNING_LEN];
        long[..2].copy_from_slice(b"#!");
        check(&long, Err(Errno::ENOEXEC));
        long[100] = b' ';
        check(&long, Ok(Some((&[b'a'; 98], Some(&[b'a'; 154])))));
    }
}
