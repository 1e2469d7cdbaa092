use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use ostd_hal::device::{ByteChannel, ChannelError, ChannelKind, Readiness};

use super::{Captured, HostChannel};
use crate::scratch::Scratch;
use crate::watch::Watch;

const LINE: u32 = 3;
const NOW: Option<Duration> = Some(Duration::ZERO);

fn channel(fd: impl std::os::fd::AsFd) -> (std::sync::Arc<Watch>, HostChannel) {
    let watch = Watch::new();
    let channel = HostChannel::new(fd, &watch, LINE).expect("an open descriptor");
    (watch, channel)
}

#[test]
fn a_pipe_gives_bytes_then_busy_then_the_end() {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let (watch, channel) = channel(&reader);
    let mut bytes = [0; 8];
    assert_eq!(channel.kind(), ChannelKind::Pipe);
    assert_eq!(channel.read(&mut bytes), Err(ChannelError::Busy));
    assert_eq!(channel.ready(), Readiness::empty());
    channel.arm(Readiness::READ);
    assert_eq!(watch.poll(NOW), []);
    writer.write_all(b"abc").expect("room");
    assert_eq!(watch.poll(None), [LINE]);
    assert_eq!((channel.read(&mut bytes), &bytes[..3]), (Ok(3), &b"abc"[..]));
    drop(writer);
    assert_eq!(channel.ready(), Readiness::READ | Readiness::HANGUP);
    assert_eq!(channel.read(&mut bytes), Ok(0));
    assert_eq!(channel.write(b"x"), Err(ChannelError::Unsupported));
    assert_eq!(channel.seek(0, 1), Err(ChannelError::Unsupported));
}

#[test]
fn a_pipe_whose_writer_left_before_us_still_tells_its_end() {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    writer.write_all(b"x").expect("room");
    drop(writer);
    let (watch, channel) = channel(&reader);
    assert_eq!(channel.read(&mut [0; 8]), Ok(1));
    channel.arm(Readiness::READ);
    assert_eq!(watch.poll(None), [LINE]);
    assert_eq!(channel.read(&mut [0; 8]), Ok(0));
}

#[test]
fn a_full_pipe_is_busy_until_somebody_reads() {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let (watch, channel) = channel(&writer);
    let mut taken = 0;
    let full = loop {
        match channel.write(&[b'x'; 100_000]) {
            Ok(len) => taken += len,
            Err(error) => break error,
        }
    };
    assert_eq!((full, taken > 0), (ChannelError::Busy, true));
    channel.arm(Readiness::WRITE);
    assert_eq!(watch.poll(NOW), []);
    reader.read_exact(&mut vec![0; taken]).expect("what was taken");
    assert_eq!(watch.poll(None), [LINE]);
    assert!(channel.write(b"y").is_ok());
}

#[test]
fn a_pipe_without_readers_is_closed() {
    super::ignore_broken_pipes();
    let (reader, writer) = io::pipe().expect("a pipe");
    let (watch, channel) = channel(&writer);
    drop(reader);
    // A second opening of the read end would have kept the pipe open.
    assert_eq!(channel.write(b"x"), Err(ChannelError::Closed));
    assert!(channel.ready().contains(Readiness::WRITE | Readiness::HANGUP));
    channel.arm(Readiness::HANGUP);
    assert_eq!(watch.poll(None), [LINE]);
}

#[test]
fn the_flags_of_a_shared_descriptor_stay_as_they_were() {
    let (reader, writer) = io::pipe().expect("a pipe");
    let (near, _far) = UnixStream::pair().expect("sockets");
    for fd in [std::os::fd::OwnedFd::from(reader), writer.into(), near.into()] {
        let (_, channel) = channel(&fd);
        let _ = (channel.read(&mut [0; 1]), channel.write(b"x"), channel.ready());
        let flags = fcntl(&fd, FcntlArg::F_GETFL).expect("flags");
        assert!(!OFlag::from_bits_truncate(flags).contains(OFlag::O_NONBLOCK));
    }
}

#[test]
fn a_socket_goes_both_ways_and_never_blocks() {
    let (near, mut far) = UnixStream::pair().expect("sockets");
    let (_, channel) = channel(&near);
    assert_eq!(channel.read(&mut [0; 1]), Err(ChannelError::Busy));
    far.write_all(b"in").expect("room");
    let mut bytes = [0; 8];
    assert_eq!((channel.read(&mut bytes), &bytes[..2]), (Ok(2), &b"in"[..]));
    let mut taken = 0;
    while let Ok(len) = channel.write(&[b'x'; 65536]) {
        taken += len;
    }
    assert!(taken >= 4096);
    assert_eq!(channel.write(b"x"), Err(ChannelError::Busy));
}

#[test]
fn a_file_shares_its_offset_and_passes_seek_size_and_truncate() {
    let scratch = Scratch::new();
    let path = scratch.join("file");
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(true).open(&path).expect("a new file");
    let (watch, channel) = channel(&file);
    assert_eq!(channel.kind(), ChannelKind::File);
    assert_eq!(channel.write(b"hello"), Ok(5));
    assert_eq!((channel.size(), file.stream_position().expect("an offset")), (5, 5));
    file.write_all(b" there").expect("space");
    assert_eq!(channel.seek(0, 1), Ok(11));
    assert_eq!(channel.truncate(3), Ok(()));
    assert_eq!(channel.seek(0, 0), Ok(0));
    let mut bytes = [0; 8];
    assert_eq!((channel.read(&mut bytes), &bytes[..3]), (Ok(3), &b"hel"[..]));
    assert_eq!(channel.read(&mut bytes), Ok(0));
    assert_eq!(channel.seek(-9, 0), Err(ChannelError::Errno(libc::EINVAL)));
    assert_eq!(channel.seek(0, 77), Err(ChannelError::Errno(libc::EINVAL)));
    assert_eq!(channel.ready(), Readiness::READ | Readiness::WRITE);
    channel.arm(Readiness::READ);
    assert_eq!(watch.poll(NOW), [LINE]);
}

#[test]
fn appending_is_the_hosts_to_do() {
    let scratch = Scratch::new();
    let path = scratch.join("log");
    fs::write(&path, "one\n").expect("a file");
    let file = OpenOptions::new().append(true).open(&path).expect("the file");
    let (_, channel) = channel(&file);
    assert_eq!(channel.write(b"two\n"), Ok(4));
    assert_eq!(fs::read(&path).expect("the file"), b"one\ntwo\n");
    assert_eq!(channel.read(&mut [0; 1]), Err(ChannelError::Unsupported));
}

#[test]
fn devices_are_what_they_are() {
    let open = |path| OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path);
    let (_, null) = channel(open("/dev/null").expect("a null device"));
    assert_eq!((null.kind(), null.read(&mut [0; 4]), null.write(b"x")), (ChannelKind::Other, Ok(0), Ok(1)));
    let (_, full) = channel(open("/dev/full").expect("a full device"));
    assert_eq!(full.write(b"x"), Err(ChannelError::Errno(libc::ENOSPC)));
    let (_, directory) = channel(File::open("/").expect("a directory"));
    assert_eq!(directory.read(&mut [0; 4]), Err(ChannelError::Errno(libc::EISDIR)));
}

#[test]
fn captured_input_is_read_and_ends_and_output_is_kept() {
    let watch = Watch::new();
    let captured = Captured::new(b"ab");
    let channel = captured.channel(&watch, LINE);
    let mut bytes = [0; 1];
    assert_eq!((channel.read(&mut bytes), bytes), (Ok(1), *b"a"));
    assert_eq!((channel.read(&mut bytes), bytes), (Ok(1), *b"b"));
    assert_eq!(channel.read(&mut bytes), Ok(0));
    assert_eq!((channel.write(b"out"), captured.output_text().as_str()), (Ok(3), "out"));
    captured.close();
    assert_eq!(channel.write(b"out"), Err(ChannelError::Closed));
}

#[test]
fn a_captured_terminal_waits_until_it_is_fed_or_ended() {
    let watch = Watch::new();
    let captured = Captured::terminal();
    let channel = captured.channel(&watch, LINE);
    assert_eq!((channel.kind(), channel.window()), (ChannelKind::Terminal, Some((24, 80))));
    assert_eq!(channel.read(&mut [0; 4]), Err(ChannelError::Busy));
    channel.arm(Readiness::READ);
    channel.arm(Readiness::READ);
    // Nobody but the test can feed it, so it is no source of interrupts.
    assert!(!watch.has_sources());
    captured.feed(b"x");
    assert_eq!(watch.poll(NOW), [LINE]);
    assert_eq!(channel.read(&mut [0; 4]), Ok(1));
    channel.arm(Readiness::READ);
    captured.end();
    assert_eq!(watch.poll(NOW), [LINE]);
    assert_eq!(channel.read(&mut [0; 4]), Ok(0));
}

#[test]
fn a_conversation_is_typed_as_its_prompts_appear() {
    let watch = Watch::new();
    let captured = Captured::terminal().reply(b"name? ", b"orrery\n").reply(b"$ ", b"exit\n");
    let channel = captured.channel(&watch, LINE);
    channel.arm(Readiness::READ);
    let mut bytes = [0; 16];
    assert_eq!(channel.write(b"$ na"), Ok(4));
    assert_eq!(channel.read(&mut bytes), Err(ChannelError::Busy));
    assert_eq!(channel.write(b"me? "), Ok(4));
    assert_eq!(watch.poll(NOW), [LINE]);
    assert_eq!((channel.read(&mut bytes), &bytes[..7]), (Ok(7), &b"orrery\n"[..]));
    assert_eq!(channel.write(b"hello\n$ "), Ok(8));
    assert_eq!((channel.read(&mut bytes), &bytes[..5]), (Ok(5), &b"exit\n"[..]));
}
