//! What is typed and written, and what a terminal makes of it.

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
