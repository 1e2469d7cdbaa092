//! Line editing: the keys of canonical mode, and how typing is shown.

use super::output::is_continuation;
use super::{Discipline, Effects, INPUT_MAX, TAB_WIDTH};
use crate::abi::flags::{InputFlags, LocalFlags, VEOF, VEOL, VEOL2, VERASE, VKILL, VLNEXT, VREPRINT, VWERASE};

impl Discipline {
    /// Canonical mode's keys. Returns whether `byte` was one.
    pub(super) fn edit(&mut self, byte: u8, effects: &mut Effects) -> bool {
        let extended = self.has(LocalFlags::IEXTEN);
        if self.is_key(byte, VERASE) {
            self.erase_one(byte, effects);
        } else if self.is_key(byte, VKILL) {
            self.kill(byte, effects);
        } else if extended && self.is_key(byte, VWERASE) {
            self.erase_word(byte, effects);
        } else if extended && self.is_key(byte, VLNEXT) {
            self.literal = true;
            if self.has(LocalFlags::ECHO | LocalFlags::ECHOCTL) {
                effects.echo.extend(b"^\x08");
            }
        } else if extended && self.has(LocalFlags::ECHO) && self.is_key(byte, VREPRINT) {
            self.echo(byte, effects);
            self.show(b'\n', &mut effects.echo);
            self.line_column = self.column;
            for byte in self.editing.clone() {
                self.echo(byte, effects);
            }
        } else if byte == b'\n' {
            if self.local().intersects(LocalFlags::ECHO | LocalFlags::ECHONL) {
                self.show(b'\n', &mut effects.echo);
            }
            self.finish_line(Some(byte));
        } else if self.is_key(byte, VEOF) {
            self.finish_line(None);
        } else if self.is_key(byte, VEOL) || extended && self.is_key(byte, VEOL2) {
            self.echo(byte, effects);
            self.finish_line(Some(byte));
        } else {
            return false;
        }
        true
    }

    fn finish_line(&mut self, end: Option<u8>) {
        let mut line = core::mem::take(&mut self.editing);
        line.extend(end);
        self.done.push_back(line.into());
        self.line_column = self.column;
    }

    pub(super) fn store(&mut self, byte: u8, effects: &mut Effects) {
        if self.pending() + self.editing.len() >= INPUT_MAX - 1 {
            if self.iflag(InputFlags::IMAXBEL) {
                effects.echo.push(7);
            }
            return;
        }
        if self.has(LocalFlags::ICANON) {
            if self.editing.is_empty() {
                self.line_column = self.column;
            }
            self.editing.push(byte);
        } else if let Some(bytes) = self.done.back_mut() {
            bytes.push_back(byte);
        } else {
            self.done.push_back([byte].into());
        }
        if byte == b'\n' && self.local().intersects(LocalFlags::ECHO) {
            self.show(byte, &mut effects.echo);
        } else {
            self.echo(byte, effects);
        }
    }

    fn erase_one(&mut self, key: u8, effects: &mut Effects) {
        let Some(last) = self.pop_character() else { return };
        if !self.has(LocalFlags::ECHO) {
            return;
        }
        if self.has(LocalFlags::ECHOE) { self.rub_out(last, effects) } else { self.echo(key, effects) }
    }

    fn erase_word(&mut self, _key: u8, effects: &mut Effects) {
        let mut seen = false;
        while let Some(&last) = self.editing.last() {
            let is_word = last.is_ascii_alphanumeric() || last == b'_' || last >= 0x80;
            if seen && !is_word {
                break;
            }
            seen |= is_word;
            if let Some(last) = self.pop_character()
                && self.has(LocalFlags::ECHO)
            {
                self.rub_out(last, effects);
            }
        }
    }

    fn kill(&mut self, key: u8, effects: &mut Effects) {
        if self.has(LocalFlags::ECHO | LocalFlags::ECHOK | LocalFlags::ECHOKE | LocalFlags::ECHOE) {
            while let Some(last) = self.pop_character() {
                self.rub_out(last, effects);
            }
            return;
        }
        self.editing.clear();
        if self.has(LocalFlags::ECHO) {
            self.echo(key, effects);
            if self.has(LocalFlags::ECHOK) {
                self.show(b'\n', &mut effects.echo);
            }
        }
    }

    /// Takes the last character off the line, all bytes of it if they are UTF-8; returns its first byte.
    fn pop_character(&mut self) -> Option<u8> {
        let mut last = self.editing.pop()?;
        if self.iflag(InputFlags::IUTF8) {
            while is_continuation(last)
                && let Some(before) = self.editing.pop()
            {
                last = before;
            }
        }
        Some(last)
    }

    /// Removes `byte`, which is no longer in the line, from the screen.
    fn rub_out(&mut self, byte: u8, effects: &mut Effects) {
        let width = if byte == b'\t' {
            let mut column = self.line_column;
            for &before in &self.editing {
                column += self.width(before, column);
            }
            self.width(byte, column)
        } else {
            self.width(byte, 0)
        };
        for _ in 0..width {
            effects.echo.extend(if byte == b'\t' { &b"\x08"[..] } else { &b"\x08 \x08"[..] });
            self.column = self.column.saturating_sub(1);
        }
    }

    fn width(&self, byte: u8, column: usize) -> usize {
        if byte == b'\t' {
            TAB_WIDTH - column % TAB_WIDTH
        } else if byte.is_ascii_control() {
            if self.has(LocalFlags::ECHOCTL) { 2 } else { 0 }
        } else if self.iflag(InputFlags::IUTF8) && is_continuation(byte) {
            0
        } else {
            1
        }
    }

    /// Shows a typed byte, if typing is shown.
    pub(super) fn echo(&mut self, byte: u8, effects: &mut Effects) {
        if !self.has(LocalFlags::ECHO) {
            return;
        }
        if byte.is_ascii_control() && byte != b'\t' && self.has(LocalFlags::ECHOCTL) {
            effects.echo.extend([b'^', byte ^ 0x40]);
            self.column += 2;
        } else {
            self.show(byte, &mut effects.echo);
        }
    }
}
