//! Disks, networks and sources of random numbers, on machines that have them.
//!
//! A disk loses what it held.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ostd::device::{
    BlockAnswer, BlockDevice, BlockError, BlockRequest, BlockTicket, ChannelError, NetworkDevice, Readiness, SECTOR_LEN,
};
use ostd::hal::{Hal, Interrupt};

use super::Subject;
use super::cpus::run;

/// Sends a request, sooner or later.
fn submitted<H: Hal>(disk: &dyn BlockDevice, mut request: BlockRequest) -> BlockTicket {
    loop {
        match disk.submit(request) {
            Ok(ticket) => return ticket,
            Err(refused) => request = refused,
        }
        H::relax();
    }
}

fn answered<H: Hal>(disk: &dyn BlockDevice, ticket: BlockTicket) -> BlockAnswer {
    loop {
        if let Some(answer) = disk.answer(ticket) {
            return answer;
        }
        H::relax();
    }
}

fn read<H: Hal>(disk: &dyn BlockDevice, sector: u64, sectors: usize) -> Box<[u8]> {
    let into = vec![0xee; sectors * SECTOR_LEN].into();
    let answer = answered::<H>(disk, submitted::<H>(disk, BlockRequest::Read { sector, into }));
    assert_eq!(answer.result, Ok(()));
    answer.buffer
}

/// Bytes that differ from sector to sector, and with `salt`.
fn pattern(sector: u64, sectors: usize, salt: u8) -> Box<[u8]> {
    let byte = |at: usize| (at / SECTOR_LEN) as u8 ^ sector as u8 ^ (at as u8).rotate_left(3) ^ salt;
    (0..sectors * SECTOR_LEN).map(byte).collect()
}

pub(super) fn a_disk_keeps_what_was_written<S: Subject>(subject: &S) {
    for disk in subject.devices().disks.iter().filter(|disk| !disk.is_read_only()) {
        assert!(disk.sectors() >= 512, "a disk to test has 256 KiB or more");
        // More at a time than a device takes; of one sector and of many; answers are taken from the last on.
        let parts: Vec<_> = (0..100_u64).map(|part| (part * 5, if part % 10 == 9 { 5 } else { 1 })).collect();
        let write = |&(sector, sectors): &(u64, usize)| {
            submitted::<S::Machine>(&**disk, BlockRequest::Write { sector, from: pattern(sector, sectors, 1) })
        };
        let tickets: Vec<_> = parts.iter().map(write).collect();
        for (ticket, (sector, sectors)) in tickets.into_iter().zip(&parts).rev() {
            let answer = answered::<S::Machine>(&**disk, ticket);
            assert_eq!(answer.result, Ok(()));
            assert_eq!(answer.buffer, pattern(*sector, *sectors, 1), "the buffer comes back as it was");
            assert!(disk.answer(ticket).is_none(), "an answer is taken once");
        }
        let flush = answered::<S::Machine>(&**disk, submitted::<S::Machine>(&**disk, BlockRequest::Flush));
        assert_eq!((flush.result, flush.buffer.len()), (Ok(()), 0));
        for &(sector, sectors) in &parts {
            assert_eq!(read::<S::Machine>(&**disk, sector, sectors), pattern(sector, sectors, 1), "sector {sector}");
        }
        let last = disk.sectors() - 1;
        let from = pattern(last, 1, 2);
        let end = answered::<S::Machine>(
            &**disk,
            submitted::<S::Machine>(&**disk, BlockRequest::Write { sector: last, from }),
        );
        assert_eq!(end.result, Ok(()));
        assert_eq!(read::<S::Machine>(&**disk, last, 1), pattern(last, 1, 2));
    }
}

pub(super) fn a_disk_refuses_sectors_it_does_not_have<S: Subject>(subject: &S) {
    for disk in &subject.devices().disks {
        let end = disk.sectors();
        for (sector, sectors) in [(end, 1), (end - 1, 2), (u64::MAX, 1), (u64::MAX - 1, 3)] {
            for request in [
                BlockRequest::Read { sector, into: pattern(0, sectors, 3) },
                BlockRequest::Write { sector, from: pattern(0, sectors, 3) },
            ] {
                let answer = answered::<S::Machine>(&**disk, submitted::<S::Machine>(&**disk, request));
                assert_eq!((answer.result, answer.buffer.len()), (Err(BlockError::Failed), sectors * SECTOR_LEN));
            }
        }
    }
}

pub(super) fn a_disk_rings_when_it_has_answered<S: Subject>(subject: &S) {
    const NOBODY: u64 = u64::MAX;
    let hal = subject.machine();
    for disk in &subject.devices().disks {
        let (stops, ticket) = (AtomicBool::new(false), AtomicU64::new(NOBODY));
        let looks = || {
            let asked = ticket.load(Ordering::SeqCst);
            let answer = if asked == NOBODY { None } else { disk.answer(BlockTicket(asked)) };
            if answer.is_some() {
                stops.store(true, Ordering::SeqCst);
            }
        };
        let begins = || {
            let into = pattern(0, 8, 0);
            ticket.store(submitted::<S::Machine>(&**disk, BlockRequest::Read { sector: 0, into }).0, Ordering::SeqCst);
            // Another CPU may have heard the line before there was a ticket.
            looks();
        };
        let hears = |_, interrupt| {
            if interrupt == Interrupt::Device(disk.line()) {
                looks();
            }
        };
        assert_eq!(run(hal, &stops, &begins, &hears), Ok(()));
    }
}

/// Addresses that QEMU's network of its own has: the machine's, and the one everything goes through.
const OURS: [u8; 4] = [10, 0, 2, 15];
const GATEWAY: [u8; 4] = [10, 0, 2, 2];
/// Where in a frame ARP's operation and its sender are.
const OPERATION: usize = 20;
const SENDER: usize = 28;

/// Who has the gateway's address? (RFC 826)
fn question(from: [u8; 6]) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(from);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(from);
    frame.extend(OURS);
    frame.extend([0; 6]);
    frame.extend(GATEWAY);
    frame
}

fn is_reply(frame: &[u8], to: [u8; 6]) -> bool {
    frame.starts_with(&to)
        && frame.get(12..14) == Some(&[8, 6])
        && frame.get(OPERATION..OPERATION + 2) == Some(&[0, 2])
        && frame.get(SENDER..SENDER + 4) == Some(&GATEWAY)
}

fn sent<H: Hal>(network: &dyn NetworkDevice, frame: &[u8]) {
    while let Err(error) = network.send(frame) {
        assert_eq!(error, ChannelError::Busy);
        H::relax();
    }
}

pub(super) fn a_network_carries_frames_both_ways_and_rings<S: Subject>(subject: &S) {
    let hal = subject.machine();
    for network in &subject.devices().networks {
        let (ours, stops) = (network.address(), AtomicBool::new(false));
        assert!(ours[0] & 1 == 0 && ours != [0; 6], "{ours:?} is no device's own address");
        let replies = AtomicU64::new(0);
        let ask = || sent::<S::Machine>(&**network, &question(ours));
        let hears = |_, interrupt| {
            let mut frame = [0; 1514];
            while interrupt == Interrupt::Device(network.line())
                && let Ok(len) = network.receive(&mut frame)
            {
                if !is_reply(&frame[..len], ours) {
                    continue;
                }
                // More than there is room for at a time.
                if replies.fetch_add(1, Ordering::SeqCst) < 40 {
                    ask();
                } else {
                    stops.store(true, Ordering::SeqCst);
                }
            }
        };
        assert_eq!(run(hal, &stops, &ask, &hears), Ok(()));
        let mut short = [0; 3];
        sent::<S::Machine>(&**network, &question(ours));
        while network.receive(&mut short) != Ok(3) {
            S::Machine::relax();
        }
        assert_eq!(short[..], ours[..3], "what does not fit is cut off");
    }
}

pub(super) fn a_generator_gives_other_bytes_each_time<S: Subject>(subject: &S) {
    for generator in &subject.devices().generators {
        assert!(!generator.ready().contains(Readiness::WRITE));
        let draw = || {
            let mut bytes = [0; 16];
            let mut done = 0;
            while done < bytes.len() {
                match generator.read(&mut bytes[done..]) {
                    Ok(len) => done += len,
                    Err(error) => assert_eq!(error, ChannelError::Busy),
                }
                S::Machine::relax();
            }
            bytes
        };
        let all: Vec<_> = (0..20).map(|_| draw()).collect();
        assert!(all.iter().enumerate().all(|(number, bytes)| !all[..number].contains(bytes)), "the same twice");
    }
}
