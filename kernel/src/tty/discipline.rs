//! The line discipline: what a terminal makes of the bytes typed at it and written to it. Pure; see termios(3).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::abi::flags::{
    ControlFlags, InputFlags, LocalFlags, OutputFlags, POSIX_VDISABLE, VDISCARD, VEOF, VEOL, VEOL2, VERASE, VINTR,
    VKILL, VLNEXT, VMIN, VQUIT, VREPRINT, VSTART, VSTOP, VSUSP, VTIME, VWERASE, XTABS,
};
use crate::abi::signal::Signal;
use crate::abi::structs::Termios;

/// Bytes that wait to be read, at most; of a line one less, so that its end always finds room.
pub const INPUT_MAX: usize = 4096;

const TAB_WIDTH: usize = 8;

/// A terminal's modes, the line being typed, and what waits to be read.
pub struct Discipline {
    termios: Termios,
    /// The line being typed, in canonical mode.
    editing: Vec<u8>,
    /// Finished lines; one that is empty is an end of file. Without canonical mode, where lines end does not matter.
    done: VecDeque<VecDeque<u8>>,
    /// The next byte is taken literally (VLNEXT).
    literal: bool,
    /// Output is held (VSTOP).
    stopped: bool,
    /// The cursor's column, and where it was when the line being typed began.
    column: usize,
    line_column: usize,
}

/// What typing caused besides input.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Effects {
    /// Bytes to show, ready for the device.
    pub echo: Vec<u8>,
    /// Signals for the foreground group.
    pub signals: Vec<Signal>,
}

/// How many bytes a read without canonical mode waits for, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// VMIN.
    pub min: usize,
    /// VTIME, in nanoseconds.
    pub time_ns: u64,
}

/// The modes of a terminal nobody has touched, as Linux's `tty_std_termios`.
pub fn default_termios() -> Termios {
    let mut c_cc = [POSIX_VDISABLE; 19];
    let keys = [
        (VINTR, 3),
        (VQUIT, 0x1c),
        (VERASE, 0x7f),
        (VKILL, 0x15),
        (VEOF, 4),
        (VMIN, 1),
        (VSTART, 0x11),
        (VSTOP, 0x13),
        (VSUSP, 0x1a),
        (VREPRINT, 0x12),
        (VDISCARD, 0x0f),
        (VWERASE, 0x17),
        (VLNEXT, 0x16),
    ];
    for (key, byte) in keys {
        c_cc[key] = byte;
    }
    let local = LocalFlags::ISIG
        | LocalFlags::ICANON
        | LocalFlags::ECHO
        | LocalFlags::ECHOE
        | LocalFlags::ECHOK
        | LocalFlags::ECHOCTL
        | LocalFlags::ECHOKE
        | LocalFlags::IEXTEN;
    Termios {
        c_iflag: (InputFlags::ICRNL | InputFlags::IXON).bits(),
        c_oflag: (OutputFlags::OPOST | OutputFlags::ONLCR).bits(),
        c_cflag: crate::abi::flags::B38400 | (ControlFlags::CS8 | ControlFlags::CREAD | ControlFlags::HUPCL).bits(),
        c_lflag: local.bits(),
        c_line: 0,
        c_cc,
    }
}

impl Default for Discipline {
    fn default() -> Self {
        Self {
            termios: default_termios(),
            editing: Vec::new(),
            done: VecDeque::new(),
            literal: false,
            stopped: false,
            column: 0,
            line_column: 0,
        }
    }
}

impl Discipline {
    /// The modes.
    pub fn termios(&self) -> &Termios {
        &self.termios
    }

    /// Changes the modes. What was typed stays: leaving or entering canonical mode makes all of it readable.
    pub fn set_termios(&mut self, termios: Termios) {
        let was = self.local().contains(LocalFlags::ICANON);
        self.termios = termios;
        if was != self.local().contains(LocalFlags::ICANON) {
            let line = core::mem::take(&mut self.editing);
            if !line.is_empty() {
                self.done.push_back(line.into());
            }
            if was {
                self.done.retain(|line| !line.is_empty());
            }
            self.literal = false;
        }
        if !self.iflag(InputFlags::IXON) {
            self.stopped = false;
        }
    }

    /// Bytes that can be taken now; those typed beyond wait outside. A line that is too long is taken and cut.
    pub fn room(&self) -> usize {
        let used = self.pending() + self.editing.len();
        let room = (INPUT_MAX - 1).saturating_sub(used);
        if room == 0 && self.local().contains(LocalFlags::ICANON) && self.done.is_empty() { 1 } else { room }
    }

    /// Bytes that a read could give, as FIONREAD counts them.
    pub fn pending(&self) -> usize {
        self.done.iter().map(VecDeque::len).sum()
    }

    /// Whether a read gives something (perhaps an end of file) without waiting.
    pub fn is_readable(&self) -> bool {
        match self.patience() {
            None => !self.done.is_empty(),
            Some(Patience { min, time_ns: 0 }) => self.pending() >= min.max(1),
            Some(_) => self.pending() > 0,
        }
    }

    /// What a read waits for, without canonical mode.
    pub fn patience(&self) -> Option<Patience> {
        let cc = &self.termios.c_cc;
        (!self.local().contains(LocalFlags::ICANON))
            .then(|| Patience { min: usize::from(cc[VMIN]), time_ns: u64::from(cc[VTIME]) * 100_000_000 })
    }

    /// Whether output is held back.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Holds output back, or lets it go (TCXONC).
    pub fn set_stopped(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    /// Takes what a read gives now: in canonical mode no more than one line, and nothing at an end of file.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        let canonical = self.local().contains(LocalFlags::ICANON);
        let mut len = 0;
        while let Some(line) = self.done.front_mut() {
            let part = line.len().min(into.len() - len);
            for (slot, byte) in into[len..].iter_mut().zip(line.drain(..part)) {
                *slot = byte;
            }
            len += part;
            if !line.is_empty() {
                break;
            }
            self.done.pop_front();
            if canonical {
                break;
            }
        }
        len
    }

    /// Forgets what was typed.
    pub fn flush_input(&mut self) {
        self.editing.clear();
        self.done.clear();
        self.literal = false;
    }

    /// Makes the line being typed readable: nothing more will come.
    pub fn end(&mut self) {
        let line = core::mem::take(&mut self.editing);
        if !line.is_empty() {
            self.done.push_back(line.into());
        }
    }

    /// Takes one byte from the keyboard.
    pub fn input(&mut self, byte: u8, effects: &mut Effects) {
        let mut byte = byte;
        if self.iflag(InputFlags::ISTRIP) {
            byte &= 0x7f;
        }
        if core::mem::take(&mut self.literal) {
            return self.store(byte, effects);
        }
        if self.iflag(InputFlags::IUCLC) && self.has(LocalFlags::IEXTEN) {
            byte = byte.to_ascii_lowercase();
        }
        if self.flow(byte) || self.signal(byte, effects) {
            return;
        }
        match byte {
            b'\r' if self.iflag(InputFlags::IGNCR) => return,
            b'\r' if self.iflag(InputFlags::ICRNL) => byte = b'\n',
            b'\n' if self.iflag(InputFlags::INLCR) => byte = b'\r',
            _ => {}
        }
        if !self.has(LocalFlags::ICANON) || !self.edit(byte, effects) {
            self.store(byte, effects);
        }
    }

    /// Makes of `bytes`, which a program wrote, what the device shall get.
    pub fn output(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            self.show(byte, out);
        }
        self.line_column = self.column;
    }

    fn local(&self) -> LocalFlags {
        LocalFlags::from_bits_retain(self.termios.c_lflag)
    }

    fn has(&self, flag: LocalFlags) -> bool {
        self.local().contains(flag)
    }

    fn iflag(&self, flag: InputFlags) -> bool {
        InputFlags::from_bits_retain(self.termios.c_iflag).contains(flag)
    }

    fn oflag(&self, flag: OutputFlags) -> bool {
        OutputFlags::from_bits_retain(self.termios.c_oflag).contains(flag)
    }

    /// Whether `byte` is the key `which`. A key set to nothing is no key.
    fn is_key(&self, byte: u8, which: usize) -> bool {
        let key = self.termios.c_cc[which];
        key != POSIX_VDISABLE && key == byte
    }

    fn flow(&mut self, byte: u8) -> bool {
        if !self.iflag(InputFlags::IXON) {
            return false;
        }
        if self.is_key(byte, VSTART) {
            self.stopped = false;
            return true;
        }
        if self.is_key(byte, VSTOP) {
            self.stopped = true;
            return true;
        }
        if self.iflag(InputFlags::IXANY) {
            self.stopped = false;
        }
        false
    }

    fn signal(&mut self, byte: u8, effects: &mut Effects) -> bool {
        if !self.has(LocalFlags::ISIG) {
            return false;
        }
        let keys = [(VINTR, Signal::SIGINT), (VQUIT, Signal::SIGQUIT), (VSUSP, Signal::SIGTSTP)];
        let Some((_, signal)) = keys.into_iter().find(|&(key, _)| self.is_key(byte, key)) else { return false };
        if !self.has(LocalFlags::NOFLSH) {
            self.flush_input();
        }
        self.stopped = false;
        self.echo(byte, effects);
        effects.signals.push(signal);
        true
    }

    /// Canonical mode's keys. Returns whether `byte` was one.
    fn edit(&mut self, byte: u8, effects: &mut Effects) -> bool {
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

    fn store(&mut self, byte: u8, effects: &mut Effects) {
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
    fn echo(&mut self, byte: u8, effects: &mut Effects) {
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

    /// Output processing of one byte.
    fn show(&mut self, byte: u8, out: &mut Vec<u8>) {
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

const fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

#[cfg(test)]
mod tests {
    use super::{Discipline, Effects, INPUT_MAX, Patience};
    use crate::abi::flags::{InputFlags, LocalFlags, OutputFlags, VEOL, VMIN, VTIME};
    use crate::abi::signal::Signal;

    fn with(change: impl FnOnce(&mut crate::abi::structs::Termios)) -> Discipline {
        let mut line = Discipline::default();
        let mut termios = *line.termios();
        change(&mut termios);
        line.set_termios(termios);
        line
    }

    fn type_at(line: &mut Discipline, bytes: &[u8]) -> Effects {
        let mut effects = Effects::default();
        for &byte in bytes {
            line.input(byte, &mut effects);
        }
        effects
    }

    fn read(line: &mut Discipline, len: usize) -> Vec<u8> {
        let mut into = vec![0; len];
        let len = line.read(&mut into);
        into.truncate(len);
        into
    }

    #[test]
    fn a_line_is_read_once_its_end_was_typed_and_one_at_a_time() {
        let mut line = Discipline::default();
        let effects = type_at(&mut line, b"ab");
        assert!(!line.is_readable());
        assert_eq!(effects.echo, b"ab");
        assert_eq!(type_at(&mut line, b"\rcd\n").echo, b"\r\ncd\r\n");
        assert_eq!((read(&mut line, 2), read(&mut line, 9)), (b"ab".to_vec(), b"\n".to_vec()));
        assert_eq!(read(&mut line, 9), b"cd\n");
        assert!(!line.is_readable());
    }

    #[test]
    fn erase_kill_and_word_erase_edit_the_line_and_the_screen() {
        let mut line = Discipline::default();
        assert_eq!(type_at(&mut line, b"ab\x7f").echo, b"ab\x08 \x08");
        assert_eq!(type_at(&mut line, b"\x01\x7f").echo, b"^A\x08 \x08\x08 \x08");
        assert_eq!(type_at(&mut line, b"\x15").echo, b"\x08 \x08");
        assert_eq!(type_at(&mut line, b"\x7f").echo, b"", "there is nothing to erase");
        type_at(&mut line, b"one two_3 .\x17x\n");
        assert_eq!(read(&mut line, 99), b"one x\n");
    }

    #[test]
    fn erasing_a_tab_goes_back_to_where_it_began() {
        let mut line = Discipline::default();
        line.output(b"$ ", &mut Vec::new());
        type_at(&mut line, b"a\t");
        assert_eq!(type_at(&mut line, b"\x7f").echo, b"\x08".repeat(5));
    }

    #[test]
    fn without_echoe_the_key_itself_is_shown_and_without_echoke_kill_starts_a_new_line() {
        let mut line = with(|t| t.c_lflag &= !(LocalFlags::ECHOE | LocalFlags::ECHOKE).bits());
        assert_eq!(type_at(&mut line, b"a\x7f").echo, b"a^?");
        assert_eq!(type_at(&mut line, b"b\x15").echo, b"b^U\r\n");
    }

    #[test]
    fn erase_takes_a_whole_character_where_utf8_is_typed() {
        let mut line = with(|t| t.c_iflag |= InputFlags::IUTF8.bits());
        assert_eq!(type_at(&mut line, "aä\x7f\n".as_bytes()).echo, "aä\x08 \x08\r\n".as_bytes());
        assert_eq!(read(&mut line, 9), b"a\n");
    }

    #[test]
    fn end_of_file_gives_the_line_so_far_and_alone_an_empty_read() {
        let mut line = Discipline::default();
        assert_eq!(type_at(&mut line, b"ab\x04\x04").echo, b"ab");
        assert_eq!(read(&mut line, 2), b"ab", "an end that is reached exactly is eaten");
        assert!(line.is_readable());
        assert_eq!(read(&mut line, 9), b"");
        assert!(!line.is_readable());
    }

    #[test]
    fn other_line_ends_stay_in_the_line_and_literal_next_hides_a_key() {
        let mut line = with(|t| t.c_cc[VEOL] = b';');
        type_at(&mut line, b"a;");
        assert_eq!(read(&mut line, 9), b"a;");
        assert_eq!(type_at(&mut line, b"\x16\x03\n").echo, b"^\x08^C\r\n");
        assert_eq!(read(&mut line, 9), b"\x03\n");
    }

    #[test]
    fn reprint_shows_the_line_again() {
        let mut line = Discipline::default();
        assert_eq!(type_at(&mut line, b"ab\x12").echo, b"ab^R\r\nab");
    }

    #[test]
    fn signal_keys_ask_for_signals_and_flush_what_was_typed() {
        let mut line = Discipline::default();
        let effects = type_at(&mut line, b"ab\x03\x1c\x1a");
        assert_eq!(effects.signals, [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP]);
        assert_eq!(effects.echo, b"ab^C^\\^Z");
        type_at(&mut line, b"c\n");
        assert_eq!(read(&mut line, 9), b"c\n");
        let mut line = with(|t| t.c_lflag &= !LocalFlags::ISIG.bits());
        assert_eq!(type_at(&mut line, b"\x03").signals, []);
    }

    #[test]
    fn carriage_returns_and_newlines_are_mapped_as_asked() {
        let mut line = with(|t| t.c_iflag = InputFlags::INLCR.bits());
        type_at(&mut line, b"a\nb\x04");
        assert_eq!(read(&mut line, 9), b"a\rb");
        let mut line = with(|t| t.c_iflag = InputFlags::IGNCR.bits());
        type_at(&mut line, b"a\r\n");
        assert_eq!(read(&mut line, 9), b"a\n");
    }

    #[test]
    fn output_gains_carriage_returns_only_where_it_is_processed() {
        let mut out = Vec::new();
        Discipline::default().output(b"a\n", &mut out);
        with(|t| t.c_oflag &= !OutputFlags::OPOST.bits()).output(b"b\n", &mut out);
        assert_eq!(out, b"a\r\nb\n");
    }

    #[test]
    fn raw_bytes_are_readable_when_enough_are_there() {
        let mut line = with(|t| {
            t.c_lflag = 0;
            t.c_cc[VMIN] = 3;
        });
        assert_eq!(type_at(&mut line, b"\x03\r"), Effects::default());
        assert!(!line.is_readable());
        type_at(&mut line, b"x");
        assert!(line.is_readable());
        assert_eq!(read(&mut line, 9), b"\x03\nx");
        let mut termios = *line.termios();
        termios.c_cc[VTIME] = 2;
        line.set_termios(termios);
        assert_eq!(line.patience(), Some(Patience { min: 3, time_ns: 200_000_000 }));
    }

    #[test]
    fn leaving_canonical_mode_makes_the_unfinished_line_readable() {
        let mut line = Discipline::default();
        type_at(&mut line, b"\x04a\nb");
        let mut termios = *line.termios();
        termios.c_lflag &= !LocalFlags::ICANON.bits();
        line.set_termios(termios);
        assert_eq!(read(&mut line, 9), b"a\nb");
    }

    #[test]
    fn a_line_too_long_is_cut_but_can_be_ended() {
        let mut line = Discipline::default();
        type_at(&mut line, &vec![b'x'; 2 * INPUT_MAX]);
        assert_eq!(line.room(), 1);
        type_at(&mut line, b"\n");
        assert_eq!(read(&mut line, 2 * INPUT_MAX).len(), INPUT_MAX);
        assert_eq!(line.room(), INPUT_MAX - 1);
    }

    #[test]
    fn stop_holds_output_until_start() {
        let mut line = Discipline::default();
        type_at(&mut line, b"\x13");
        assert!(line.is_stopped());
        type_at(&mut line, b"\x11");
        assert!(!line.is_stopped());
    }
}
