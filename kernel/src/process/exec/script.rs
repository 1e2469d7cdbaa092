//! `#!` lines.

use crate::error::{Errno, Result};

/// What is read of a file to see what it is.
pub const BEGINNING_LEN: usize = 256;
/// How often one script may be the interpreter of another.
pub const DEPTH_MAX: usize = 4;

/// An interpreter and its one argument.
pub type Interpreter<'a> = (&'a [u8], Option<&'a [u8]>);

/// The interpreter and its one argument; `None` when the file is no script.
pub fn parse(beginning: &[u8]) -> Result<Option<Interpreter<'_>>> {
    let Some(line) = beginning.strip_prefix(b"#!") else { return Ok(None) };
    let cut = |line: &[u8]| line.iter().position(|&byte| byte == b'\n' || byte == 0);
    let (line, whole) = match cut(line) {
        Some(end) => (&line[..end], true),
        None => (line, beginning.len() < BEGINNING_LEN),
    };
    let line = line.trim_ascii();
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t'));
    // A name that was cut off names something else.
    if line.is_empty() || (end.is_none() && !whole) {
        return Err(Errno::ENOEXEC);
    }
    let (name, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_ascii();
    Ok(Some((name, (!rest.is_empty()).then_some(rest))))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::error::Errno;

    #[test]
    fn a_script_names_an_interpreter_and_at_most_one_argument() {
        assert_eq!(parse(b"#! /bin/sh -e -u \necho"), Ok(Some((&b"/bin/sh"[..], Some(&b"-e -u"[..])))));
        assert_eq!(parse(b"#!/bin/sh"), Ok(Some((&b"/bin/sh"[..], None))));
        assert_eq!(parse(b"echo"), Ok(None));
        assert_eq!(parse(b"#!  \n"), Err(Errno::ENOEXEC));
        let mut long = [b'a'; 256];
        long[..2].copy_from_slice(b"#!");
        assert_eq!(parse(&long), Err(Errno::ENOEXEC));
    }
}
