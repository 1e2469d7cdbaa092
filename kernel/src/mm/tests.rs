//! Address spaces on a machine without programs: the kernel's own copies fault as programs do.

use alloc::sync::Arc;

use ostd::hosted::{Hosted, HostedConfig};
use ostd::user::{Access, PageFault};
use ostd::{Machine, MachineConfig, PAGE_SIZE, Vaddr};

use crate::error::Errno;
use crate::mm::MemoryLimits;
use crate::mm::{
    AddressSpace, Advice, Backing, Leave, MapRequest, Move, Place, Prot, Refusal, SharedMemory, Sharing, Source,
};

const BASE: usize = 0x1000_0000;
const RW: Prot = Prot::READ.union(Prot::WRITE);

fn machine() -> Machine {
    Machine::new(Hosted::new(&HostedConfig::default()).expect("the host has memory"), MachineConfig::default())
}

fn space(machine: &Machine) -> Arc<AddressSpace> {
    AddressSpace::new(machine).expect("memory")
}

fn map(space: &AddressSpace, pages: usize, prot: Prot) -> usize {
    space.map(&MapRequest::anonymous(Place::Fixed(BASE), pages * PAGE_SIZE, prot)).expect("room")
}

fn shared(at: usize, pages: usize) -> MapRequest {
    MapRequest { sharing: Sharing::Shared, ..MapRequest::anonymous(Place::Fixed(at), pages * PAGE_SIZE, RW) }
}

fn byte(space: &AddressSpace, at: usize) -> u8 {
    space.read_value::<u8>(at).expect("mapped")
}

fn fault(at: usize, access: Access) -> PageFault {
    PageFault { addr: Vaddr::new(at), access }
}

#[test]
fn fresh_memory_is_zeros_and_holds_what_is_written_across_pages() {
    let machine = machine();
    let space = space(&machine);
    let at = map(&space, 2, RW);
    let mut back = [1; 8];
    space.read(at + PAGE_SIZE - 4, &mut back).expect("mapped");
    assert_eq!(back, [0; 8]);
    space.write(at + PAGE_SIZE - 4, b"straddle").expect("mapped");
    space.read(at + PAGE_SIZE - 4, &mut back).expect("mapped");
    assert_eq!(&back, b"straddle");
    assert_eq!(space.usage().resident_pages, 2);
    drop(space);
    assert_eq!(machine.frames().used(), 0);
}

#[test]
fn a_copy_stops_at_a_hole_and_says_how_far_it_came() {
    let machine = machine();
    let space = space(&machine);
    let at = map(&space, 3, RW);
    space.unmap(at + PAGE_SIZE, PAGE_SIZE).expect("a range");
    assert_eq!(space.write_some(at + PAGE_SIZE - 3, b"abcdef"), Ok(3));
    assert_eq!(space.write_some(at + PAGE_SIZE, b"abc"), Err(Errno::EFAULT));
    assert_eq!(space.write(at + PAGE_SIZE - 3, b"abcdef"), Err(Errno::EFAULT));
    assert_eq!(space.fill_some(at, 3 * PAGE_SIZE), Ok(PAGE_SIZE));
    assert_eq!(space.read_some(usize::MAX - 1, &mut [0; 8]), Err(Errno::EFAULT));
    assert_eq!(space.read_some(at, &mut []), Ok(0));
}

#[test]
fn after_fork_each_side_keeps_its_own_and_the_last_owner_copies_no_more() {
    let machine = machine();
    let parent = space(&machine);
    let at = map(&parent, 1, RW);
    parent.write(at, b"p").expect("mapped");
    let child = parent.fork().expect("memory");
    assert_eq!(byte(&child, at), b'p');
    child.write(at, b"c").expect("mapped");
    assert_eq!((byte(&parent, at), byte(&child, at)), (b'p', b'c'));
    let used = machine.frames().used();
    parent.write(at, b"q").expect("mapped");
    assert_eq!(machine.frames().used(), used, "the frame was the parent's alone");
    assert_eq!((byte(&parent, at), byte(&child, at)), (b'q', b'c'));
}

#[test]
fn shared_memory_is_shared_with_a_child() {
    let machine = machine();
    let parent = space(&machine);
    parent.map(&shared(BASE, 1)).expect("room");
    let child = parent.fork().expect("memory");
    child.write(BASE, b"s").expect("mapped");
    assert_eq!(byte(&parent, BASE), b's');
    drop((parent, child));
    assert_eq!(machine.frames().used(), 0);
}

#[test]
fn protecting_the_middle_splits_and_keeps_what_is_there() {
    let machine = machine();
    let space = space(&machine);
    let at = map(&space, 3, RW);
    space.write(at + PAGE_SIZE, b"kept").expect("mapped");
    space.protect(at + PAGE_SIZE, PAGE_SIZE, Prot::empty()).expect("mapped");
    assert_eq!(space.fault(fault(at + PAGE_SIZE, Access::Read)), Err(Refusal::NotAllowed));
    assert_eq!(space.read_value::<u8>(at + PAGE_SIZE), Err(Errno::EFAULT));
    let mut areas = 0;
    space.areas(&mut |_| areas += 1);
    assert_eq!(areas, 3);
    let child = space.fork().expect("memory");
    for space in [&space, &child] {
        space.protect(at + PAGE_SIZE, PAGE_SIZE, Prot::READ).expect("mapped");
        assert_eq!(byte(space, at + PAGE_SIZE), b'k');
        assert_eq!(space.write(at + PAGE_SIZE, b"x"), Err(Errno::EFAULT));
    }
    space.protect(at + PAGE_SIZE, PAGE_SIZE, RW).expect("mapped");
    space.write(at + PAGE_SIZE, b"x").expect("allowed");
    assert_eq!(byte(&child, at + PAGE_SIZE), b'k');
    assert_eq!(space.protect(at + 2 * PAGE_SIZE, 2 * PAGE_SIZE, Prot::READ), Err(Errno::ENOMEM));
}

#[test]
fn a_stack_grows_to_its_limit_and_not_to_its_neighbour() {
    let machine = machine();
    let space = space(&machine);
    let top = BASE + (16 << 20);
    let stack = MapRequest { grows_down: true, ..MapRequest::anonymous(Place::Fixed(top), PAGE_SIZE, RW) };
    space.map(&stack).expect("room");
    space.set_limits(MemoryLimits { stack: 2 << 20, ..MemoryLimits::default() });
    assert_eq!(space.fault(fault(top - PAGE_SIZE, Access::Write)), Ok(()));
    assert_eq!(space.fault(fault(top - (3 << 20), Access::Write)), Err(Refusal::NotMapped));
    let near = top - (1 << 20) - PAGE_SIZE;
    space.map(&MapRequest::anonymous(Place::Fixed(near), PAGE_SIZE, RW)).expect("room");
    assert_eq!(space.fault(fault(top - 2 * PAGE_SIZE, Access::Write)), Err(Refusal::NotMapped));
}

#[test]
fn a_private_mapping_of_shared_memory_is_copied_on_write_and_ends_where_it_ends() {
    let machine = machine();
    let space = space(&machine);
    let memory = SharedMemory::new(&machine, PAGE_SIZE as u64, (1, 2), b"/f");
    memory.page(0).expect("memory").write(0, b"file");
    let private = MapRequest {
        source: Source::Backed(memory.clone(), 0),
        ..MapRequest::anonymous(Place::Fixed(BASE), 2 * PAGE_SIZE, RW)
    };
    space.map(&private).expect("room");
    assert_eq!(byte(&space, BASE), b'f');
    space.write(BASE, b"m").expect("mapped");
    let mut first = [0];
    memory.page(0).expect("memory").read(0, &mut first);
    assert_eq!((byte(&space, BASE), &first), (b'm', b"f"));
    assert_eq!(space.fault(fault(BASE + PAGE_SIZE, Access::Read)), Err(Refusal::BeyondEnd));
}

#[test]
fn the_heap_moves_both_ways_and_not_into_others() {
    let machine = machine();
    let space = space(&machine);
    space.set_brk_start(BASE);
    assert_eq!(space.brk(0), BASE);
    assert_eq!(space.brk(BASE + 5000), BASE + 5000);
    space.write(BASE + 4999, b"h").expect("mapped");
    assert_eq!(space.brk(BASE + 10), BASE + 10);
    assert_eq!(space.write(BASE + 4999, b"h"), Err(Errno::EFAULT));
    space.map(&MapRequest::anonymous(Place::Fixed(BASE + 0x4000), PAGE_SIZE, RW)).expect("room");
    assert_eq!(space.brk(BASE + 0x4000), BASE + 10);
}

#[test]
fn strings_end_before_a_hole_or_are_refused() {
    let machine = machine();
    let space = space(&machine);
    let at = map(&space, 1, RW);
    space.write(at + PAGE_SIZE - 3, b"ab\0").expect("mapped");
    assert_eq!(space.read_string(at + PAGE_SIZE - 3, 4096), Ok(b"ab".to_vec()));
    space.write(at + PAGE_SIZE - 1, b"c").expect("mapped");
    assert_eq!(space.read_string(at + PAGE_SIZE - 3, 3), Err(Errno::ENAMETOOLONG));
    assert_eq!(space.read_string(at + PAGE_SIZE - 3, 4), Err(Errno::EFAULT));
}

#[test]
fn remapping_grows_in_place_moves_with_its_pages_and_shrinks() {
    let machine = machine();
    let space = space(&machine);
    let at = map(&space, 1, RW);
    space.write(at, b"move").expect("mapped");
    assert_eq!(space.remap(at, PAGE_SIZE, 2 * PAGE_SIZE, Move::Never, Leave::Nothing), Ok(at));
    space.map(&MapRequest::anonymous(Place::Fixed(at + 2 * PAGE_SIZE), PAGE_SIZE, Prot::READ)).expect("room");
    let grow = |how| space.remap(at, 2 * PAGE_SIZE, 3 * PAGE_SIZE, how, Leave::Nothing);
    assert_eq!(grow(Move::Never), Err(Errno::ENOMEM));
    assert_eq!(grow(Move::To(at + PAGE_SIZE)), Err(Errno::EINVAL));
    let moved = grow(Move::Anywhere).expect("room");
    assert_eq!(byte(&space, moved), b'm');
    assert_eq!(space.read_value::<u8>(at), Err(Errno::EFAULT));
    assert_eq!(space.remap(moved, 3 * PAGE_SIZE, PAGE_SIZE, Move::Never, Leave::Nothing), Ok(moved));
    assert_eq!(space.read_value::<u8>(moved + PAGE_SIZE), Err(Errno::EFAULT));
    assert_eq!(space.remap(at, PAGE_SIZE, PAGE_SIZE, Move::Never, Leave::Nothing), Err(Errno::EFAULT));
}

#[test]
fn what_cannot_move_for_want_of_memory_stays_where_it_is() {
    const FAR: usize = 1 << 40;
    for nth in 0..2 {
        let machine = machine();
        let space = space(&machine);
        let at = map(&space, 2, RW);
        space.write(at, b"stays").expect("mapped");
        let used = machine.frames().used();
        // A page table or two more, up there.
        machine.frames().fail_nth(nth);
        assert_eq!(space.remap(at, PAGE_SIZE, PAGE_SIZE, Move::To(FAR), Leave::Nothing), Err(Errno::ENOMEM));
        assert!(space.area_at(FAR).is_none(), "or it would be in two places");
        assert_eq!(byte(&space, at), b's');
        assert!(machine.frames().used() <= used + nth);
        assert_eq!(space.remap(at, PAGE_SIZE, PAGE_SIZE, Move::To(FAR), Leave::Nothing), Ok(FAR));
        assert_eq!((byte(&space, FAR), space.read_value::<u8>(at)), (b's', Err(Errno::EFAULT)));
    }
}

#[test]
fn many_mappings_move_with_the_holes_between_them() {
    let machine = machine();
    let space = space(&machine);
    let (at, to) = (map(&space, 4, RW), 1 << 40);
    space.write(at, b"a").expect("mapped");
    space.write(at + 3 * PAGE_SIZE, b"d").expect("mapped");
    space.unmap(at + PAGE_SIZE, PAGE_SIZE).expect("mapped");
    let go = |new_len| space.remap(at, 4 * PAGE_SIZE, new_len, Move::To(to), Leave::Nothing);
    assert_eq!(go(5 * PAGE_SIZE), Err(Errno::EFAULT), "longer, there is one");
    assert_eq!(go(4 * PAGE_SIZE), Ok(to));
    assert_eq!((byte(&space, to), byte(&space, to + 3 * PAGE_SIZE)), (b'a', b'd'));
    assert!(space.area_at(to + PAGE_SIZE).is_none() && space.area_at(at + 3 * PAGE_SIZE).is_none());
    assert_eq!(space.remap(to + PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, Move::To(at), Leave::Nothing), Err(Errno::EFAULT));
}

#[test]
fn forgotten_pages_are_zeros_again_and_are_not_in_core() {
    let machine = machine();
    let space = space(&machine);
    let at = map(&space, 2, RW);
    space.write(at, b"x").expect("mapped");
    assert_eq!(space.mincore(at, 2 * PAGE_SIZE), vec![1, 0]);
    space.advise(at, PAGE_SIZE, Advice::Forget).expect("mapped");
    assert_eq!(space.mincore(at, 2 * PAGE_SIZE), vec![0, 0]);
    assert_eq!(byte(&space, at), 0);
    assert_eq!(space.advise(at, 3 * PAGE_SIZE, Advice::Nothing), Err(Errno::ENOMEM));
    assert_eq!(space.mincore(at, 3 * PAGE_SIZE), vec![1, 0], "up to the hole");
    space.advise(at, 2 * PAGE_SIZE, Advice::Inherit(false)).expect("mapped");
    assert_eq!(space.fork().expect("memory").usage().virtual_pages, 0);
}

#[test]
fn memory_lost_in_the_middle_of_anything_is_given_back() {
    for nth in 0..12 {
        let machine = machine();
        let run = || -> crate::error::Result<()> {
            let parent = AddressSpace::new(&machine)?;
            parent.map(&MapRequest::anonymous(Place::Fixed(BASE), 4 * PAGE_SIZE, RW))?;
            parent.map(&shared(BASE + 8 * PAGE_SIZE, 1))?;
            let _ = parent.write(BASE, &[1; 3 * PAGE_SIZE]);
            let _ = parent.write(BASE + 8 * PAGE_SIZE, b"s");
            let child = parent.fork()?;
            let _ = child.write(BASE, b"c");
            parent.remap(BASE, 4 * PAGE_SIZE, PAGE_SIZE, Move::To(1 << 40), Leave::Nothing)?;
            Ok(())
        };
        machine.frames().fail_nth(nth);
        let _ = run();
        assert_eq!(machine.frames().used(), 0, "the allocation that failed: {nth}");
    }
}
