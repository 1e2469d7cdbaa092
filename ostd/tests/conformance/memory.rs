//! Memory: RAM, metadata, words, and trees of both formats.
#![expect(unsafe_code, reason = "reaches memory by its address")]

use alloc::vec::Vec;

use ostd::hal::paging::{PageEntry, span, sv48, x86_64};
use ostd::hal::walk::{Translation, translate_levels};
use ostd::hal::{Hal, PAGE_SIZE, PageFlags, Vaddr};

use super::Subject;
use super::tree::Frames;

pub(super) fn memory_is_whole_pages_and_contiguous<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let memory = hal.memory();
    assert!(memory.start.is_page_aligned() && memory.end.is_page_aligned() && memory.start < memory.end);
    let start = hal.phys_to_virt(memory.start) as usize;
    for at in [0, 1, PAGE_SIZE, (memory.end - memory.start) / 2, memory.end - memory.start - 1] {
        assert_eq!(hal.phys_to_virt(memory.start + at) as usize, start + at, "contiguous at {at:#x}");
    }
}

pub(super) fn words_and_bytes_are_the_same_memory<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let frames = Frames::of(hal);
    let frame = frames.with(b"a word and more");
    let byte = hal.phys_to_virt(frame + 2);
    // SAFETY: in a frame of the suite's own, and nobody else uses the machine.
    unsafe {
        assert_eq!(byte.read_volatile(), b'w');
        byte.write_volatile(b'W');
    }
    assert_eq!(hal.word_load(frame).to_ne_bytes(), *b"a Word a");
    let last = hal.memory().end - 8;
    // SAFETY: as above.
    unsafe { hal.word_store(last, 0x0102_0304_0506_0708) };
    assert_eq!(hal.word_load(last), 0x0102_0304_0506_0708);
}

pub(super) fn metadata_is_aligned_and_apart_from_memory<S: Subject>(subject: &S) {
    let hal = subject.machine();
    let memory = hal.memory();
    let pages = (memory.end - memory.start) / PAGE_SIZE;
    let len = pages * 32 + (2 << 20);
    let start = hal.metadata(len).as_ptr();
    assert!((start as usize).is_multiple_of(2 << 20));
    let end = start as usize + len;
    // It may lie in a hole.
    let holes = hal.memory_holes();
    let starts = core::iter::once(memory.start).chain(holes.iter().map(|hole| hole.end));
    let ends = holes.iter().map(|hole| hole.start).chain(core::iter::once(memory.end));
    for part in starts.zip(ends) {
        let (from, to) = (hal.phys_to_virt(part.0) as usize, hal.phys_to_virt(part.1) as usize);
        assert!(end <= from || to <= start as usize, "metadata lies in memory");
    }
    for at in [0, len - 1] {
        // SAFETY: the machine promised this much, for nobody else.
        unsafe {
            let byte = start.add(at);
            let before = byte.read_volatile();
            byte.write_volatile(before ^ 0xff);
            assert_eq!(byte.read_volatile(), before ^ 0xff);
            byte.write_volatile(before);
        }
    }
}

pub(super) fn both_formats_walk_to_what_was_mapped<S: Subject>(subject: &S) {
    walks::<S, x86_64::Entry>(subject, 4);
    walks::<S, sv48::Entry>(subject, 4);
    // Sv39 is Sv48 without its root.
    walks::<S, sv48::Entry>(subject, 3);
}

fn walks<S: Subject, E: PageEntry>(subject: &S, levels: usize) {
    let hal = subject.machine();
    let frames = Frames::of(hal);
    let root = frames.take();
    let walk = |at: usize| translate_levels::<E>(|word| hal.word_load(word), levels, root, Vaddr::new(at));
    let flags = PageFlags::USER | PageFlags::WRITE | PageFlags::ACCESSED | PageFlags::DIRTY;
    let pages = [0, 0x1000, 0x1f_f000, 0x20_0000, 0x3fff_f000, 0x7f_ffff_f000, 0x3fff_ffff_f000];
    let mapped = pages.into_iter().filter(|at| *at < span(levels) / 2).map(|at| {
        let frame = frames.take();
        frames.set_entry(levels, root, Vaddr::new(at), E::page(frame, flags));
        (at, frame)
    });
    let mapped: Vec<_> = mapped.collect();
    for (at, frame) in mapped {
        for offset in [0, 1, PAGE_SIZE - 1] {
            assert_eq!(walk(at + offset), Some(Translation { page: frame, flags }));
        }
    }
    for at in [0x2000, 0x1f_e000, 0x4000_0000, 0x3fff_ffff_e000] {
        assert_eq!(walk(at), None, "{at:#x} was never mapped");
    }
    frames.set_entry(levels, root, Vaddr::new(0x1000), E::ABSENT);
    assert_eq!((walk(0x1000), walk(0).is_some()), (None, true));
}
