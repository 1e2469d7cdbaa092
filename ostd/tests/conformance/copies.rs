//! User copies: whole, partial, refused; words exchanged.
#![expect(unsafe_code, reason = "copies to and from user memory by address")]

use alloc::vec;
use alloc::vec::Vec;

use ostd::hal::hal::CopyFault;
use ostd::hal::user::{Access, PageFault};
use ostd::hal::{Hal, PAGE_SIZE, Paddr, PageFlags, Vaddr};

use super::Subject;
use super::tree::{DATA, EXECUTE, Frames, READ, WRITE};

pub(super) fn read<H: Hal>(hal: &H, root: Paddr, from: Vaddr, into: &mut [u8]) -> Result<(), CopyFault> {
    // SAFETY: a slice of the suite's own.
    unsafe { hal.user_read(root, from, into.as_mut_ptr(), into.len()) }
}

pub(super) fn write<H: Hal>(hal: &H, root: Paddr, to: Vaddr, from: &[u8]) -> Result<(), CopyFault> {
    // SAFETY: a slice of the suite's own.
    unsafe { hal.user_write(root, to, from.as_ptr(), from.len()) }
}

pub(super) fn refused(done: usize, addr: Vaddr, access: Access) -> Result<(), CopyFault> {
    Err(CopyFault { done, fault: PageFault { addr, access } })
}

pub(super) fn copies_go_both_ways_across_pages<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let (root, hal) = (frames.take(), frames.hal);
    // Neighbours in user memory that are none in physical memory.
    let (second, _, first) = (frames.take(), frames.take(), frames.take());
    frames.map(root, DATA, first, WRITE);
    frames.map(root, DATA + PAGE_SIZE, second, WRITE);
    let text: Vec<u8> = (0..PAGE_SIZE + 100).map(|at| (at * 7) as u8).collect();
    let mut back = vec![0; text.len()];
    let at = DATA + 50;
    assert_eq!((write(hal, root, at, &text), read(hal, root, at, &mut back)), (Ok(()), Ok(())));
    assert_eq!(back, text);
    assert_eq!((frames.byte(first + 50), frames.byte(second)), (text[0], text[PAGE_SIZE - 50]));
    assert_eq!((frames.byte(first + 49), frames.byte(second + 150)), (0, 0), "a copy went past its range");
    assert_eq!(hal.user_fill(root, DATA + PAGE_SIZE - 3, 0xee, 6), Ok(()));
    let around = [first + PAGE_SIZE - 4, first + PAGE_SIZE - 3, second + 2, second + 3].map(|at| frames.byte(at));
    assert_eq!(around, [text[PAGE_SIZE - 54], 0xee, 0xee, text[PAGE_SIZE - 47]]);
}

pub(super) fn a_copy_stops_at_the_first_byte_refused<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let (root, hal) = (frames.take(), frames.hal);
    let frame = frames.take();
    frames.map(root, DATA, frame, WRITE);
    let end = DATA + PAGE_SIZE;
    let mut back = [1; 16];
    frames.fill(frame, 9);
    assert_eq!(read(hal, root, end - 5, &mut back), refused(5, end, Access::Read));
    assert_eq!(back, [9, 9, 9, 9, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(write(hal, root, end - 5, &[3; 16]), refused(5, end, Access::Write));
    assert_eq!((frames.byte(frame + PAGE_SIZE - 5), frames.byte(frame + PAGE_SIZE - 6)), (3, 9));
    assert_eq!(hal.user_fill(root, end - 2, 4, 16), refused(2, end, Access::Write));
    assert_eq!(frames.byte(frame + PAGE_SIZE - 1), 4);
    assert_eq!(read(hal, root, end, &mut back), refused(0, end, Access::Read));
    assert_eq!(read(hal, root, DATA - 1, &mut back), refused(0, DATA - 1, Access::Read));
}

pub(super) fn a_copy_over_a_hole_is_partial<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let (root, hal) = (frames.take(), frames.hal);
    let last = frames.take();
    frames.map(root, DATA, frames.take(), WRITE);
    frames.map(root, DATA + 2 * PAGE_SIZE, last, WRITE);
    let hole = DATA + PAGE_SIZE;
    let mut back = vec![0; 3 * PAGE_SIZE];
    assert_eq!(read(hal, root, DATA, &mut back), refused(PAGE_SIZE, hole, Access::Read));
    assert_eq!(write(hal, root, DATA + 1, &back), refused(PAGE_SIZE - 1, hole, Access::Write));
    frames.fill(last, 5);
    assert_eq!(write(hal, root, DATA, &vec![1; 3 * PAGE_SIZE]), refused(PAGE_SIZE, hole, Access::Write));
    assert_eq!(frames.byte(last), 5, "a copy went on behind a hole");
}

pub(super) fn permissions_are_asked_of_every_page<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let (root, hal) = (frames.take(), frames.hal);
    let frame = frames.take();
    let mut back = [0; 4];
    for (flags, reads, writes) in
        [(READ, true, false), (WRITE, true, true), (EXECUTE, true, false), (PageFlags::WRITE, false, false)]
    {
        frames.map(root, DATA, frame, flags);
        frames.flush(root, DATA);
        let read_as = if reads { Ok(()) } else { refused(0, DATA, Access::Read) };
        let written_as = if writes { Ok(()) } else { refused(0, DATA, Access::Write) };
        assert_eq!(read(hal, root, DATA, &mut back), read_as, "{flags:?}");
        assert_eq!(write(hal, root, DATA, &back), written_as, "{flags:?}");
        assert_eq!(hal.user_fill(root, DATA, 1, 4), written_as, "{flags:?}");
    }
}

pub(super) fn nothing_outside_user_space_is_reached<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let (root, hal) = (frames.take(), frames.hal);
    let end = hal.user_end();
    let mut back = [0; 32];
    // Not even where the tree has a page for users.
    frames.map(root, end, frames.take(), WRITE);
    for at in [end, end + PAGE_SIZE, Vaddr::new(1 << 63), Vaddr::new(usize::MAX - 7)] {
        for outcome in [read(hal, root, at, &mut back), write(hal, root, at, &[1; 32]), hal.user_fill(root, at, 1, 32)]
        {
            let Err(CopyFault { done, .. }) = outcome else { panic!("{at} is no user's and was reached") };
            assert_eq!(done, 0, "{at}");
        }
        assert!(hal.user_load32(root, Vaddr::new(at.as_usize() & !3)).is_err());
    }
    let last = end - PAGE_SIZE;
    frames.map(root, last, frames.take(), WRITE);
    assert_eq!(read(hal, root, end - 32, &mut back), Ok(()));
    assert!(matches!(read(hal, root, end - 8, &mut back), Err(CopyFault { done: 8, .. })));
}

pub(super) fn empty_copies_touch_nothing<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let (root, hal) = (frames.take(), frames.hal);
    for at in [Vaddr::new(0), DATA, Vaddr::new(usize::MAX)] {
        assert_eq!((read(hal, root, at, &mut []), write(hal, root, at, &[])), (Ok(()), Ok(())));
        assert_eq!(hal.user_fill(root, at, 1, 0), Ok(()));
    }
}

pub(super) fn words_are_exchanged_if_equal<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let (root, hal) = (frames.take(), frames.hal);
    let frame = frames.with(&5_u32.to_ne_bytes());
    frames.map(root, DATA, frame, WRITE);
    assert_eq!(hal.user_cmpxchg32(root, DATA, 5, 6), Ok(5));
    assert_eq!(hal.user_cmpxchg32(root, DATA, 5, 7), Ok(6));
    assert_eq!((hal.user_load32(root, DATA), hal.user_load32(root, DATA + 4)), (Ok(6), Ok(0)));
    assert_eq!(hal.user_cmpxchg32(root, DATA + PAGE_SIZE - 4, 0, u32::MAX), Ok(0));
    assert_eq!(frames.byte(frame + PAGE_SIZE - 1), 0xff);
    frames.map(root, DATA, frame, READ);
    frames.flush(root, DATA);
    assert_eq!(hal.user_load32(root, DATA), Ok(6));
    assert_eq!(hal.user_cmpxchg32(root, DATA, 6, 8), Err(PageFault { addr: DATA, access: Access::Write }));
    assert_eq!(hal.user_load32(root, DATA), Ok(6));
    // It is a store, also where there is nothing to exchange.
    assert!(hal.user_cmpxchg32(root, DATA, 7, 8).is_err());
    let absent = DATA + PAGE_SIZE;
    assert_eq!(hal.user_load32(root, absent), Err(PageFault { addr: absent, access: Access::Read }));
    assert!(hal.user_cmpxchg32(root, absent, 0, 1).is_err());
}

pub(super) fn every_alignment_copies_alike<S: Subject>(subject: &S) {
    let frames = Frames::of(subject.machine());
    let (root, hal) = (frames.take(), frames.hal);
    let frame = frames.take();
    frames.map(root, DATA, frame, WRITE);
    let text: Vec<u8> = (1..=40).collect();
    for (offset, skipped) in (0..8).flat_map(|offset| (0..8).map(move |skipped| (offset, skipped))) {
        for len in [0, 1, 7, 8, 9, 15, 16, 17, 31] {
            frames.fill(frame, 0);
            let (at, part) = (DATA + 8 + offset, &text[skipped..skipped + len]);
            assert_eq!(write(hal, root, at, part), Ok(()));
            let mut back = vec![0; 48];
            assert_eq!(read(hal, root, DATA, &mut back), Ok(()));
            let expected = (0..48).map(|place: usize| {
                let within = place.checked_sub(8 + offset).filter(|within| *within < len);
                within.map_or(0, |within| part[within])
            });
            assert!(back.iter().copied().eq(expected), "{len} bytes from {skipped} to {offset}: {back:?}");
            let mut apart = [0; 48];
            assert_eq!(read(hal, root, at, &mut apart[skipped..skipped + len]), Ok(()));
            assert_eq!(&apart[skipped..skipped + len], part);
            assert_eq!(hal.user_fill(root, at, 0x77, len), Ok(()));
            assert!((0..len).all(|place| frames.byte(frame + 8 + offset + place) == 0x77));
            assert_eq!((frames.byte(frame + 7 + offset), frames.byte(frame + 8 + offset + len)), (0, 0));
        }
    }
}
