//! Output processing: what a program writes, as the device shall get it.

use alloc::vec::Vec;

use super::{Discipline, TAB_WIDTH};
use crate::abi::flags::{InputFlags, OutputFlags, XTABS};

impl Discipline {
    /// Makes of `bytes`, which a program wrote, what the device shall get.
    pub fn output(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            self.show(byte, out);
        }
        self.line_column = self.column;
    }

    /// Output processing of one byte.
    pub(super) fn show(&mut self, byte: u8, out: &mut Vec<u8>) {
        if !self.oflag(OutputFlags::OPOST) {
            return out.push(byte);
        }
        match byte {
            b'\n' if self.oflag(OutputFlags::ONLCR) => {
                self.column = 0;
                return out.extend(b"\r\n");
            }
            b'\n' if self.oflag(OutputFlags::ONLRET) => self.column = 0,
            b'\r' if self.oflag(OutputFlags::ONOCR) && self.column == 0 => return,
            b'\r' if self.oflag(OutputFlags::OCRNL) => return self.carriage_return_as_newline(out),
            b'\r' => self.column = 0,
            b'\t' => {
                let spaces = TAB_WIDTH - self.column % TAB_WIDTH;
                self.column += spaces;
                if self.termios.c_oflag & OutputFlags::TABDLY.bits() == XTABS {
                    return out.extend(core::iter::repeat_n(b' ', spaces));
                }
            }
            8 => self.column = self.column.saturating_sub(1),
            _ if !byte.is_ascii_control() => {
                let byte = if self.oflag(OutputFlags::OLCUC) { byte.to_ascii_uppercase() } else { byte };
                if !(self.iflag(InputFlags::IUTF8) && is_continuation(byte)) {
                    self.column += 1;
                }
                return out.push(byte);
            }
            _ => {}
        }
        out.push(byte);
    }

    fn carriage_return_as_newline(&mut self, out: &mut Vec<u8>) {
        if self.oflag(OutputFlags::ONLRET) {
            self.column = 0;
        }
        out.push(b'\n');
    }
}

pub(super) const fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}
