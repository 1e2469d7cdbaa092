//! Disks as block devices: `/dev/vda` on a machine whose disk is memory of the host.

use std::sync::Arc;

use kernel::abi::SigSet;
use kernel::kernel::{Boot, Ending, Kernel, Program, Root};
use kernel::process::First;
use ostd::device::{ByteChannel, Devices};
use ostd::faults::{FaultKind, FaultPlan, Strike, UnreliableDisk};
use ostd::hosted::disk::RamDisk;
use ostd::hosted::scripted::{Guest, image};
use ostd::hosted::stdio::Captured;
use ostd::hosted::watch::Watch;
use ostd::hosted::{Hosted, HostedConfig, Mode};
use ostd::{Machine, MachineConfig};

const READ: usize = 0;
const WRITE: usize = 1;
const OPEN: usize = 2;
const LSEEK: usize = 8;
const MMAP: usize = 9;
const IOCTL: usize = 16;
const PREAD64: usize = 17;
const PWRITE64: usize = 18;
const FORK: usize = 57;
const WAIT4: usize = 61;
const FSYNC: usize = 74;
const EXIT_GROUP: usize = 231;

const EPERM: isize = -1;
const EIO: isize = -5;
const ENXIO: isize = -6;
const EINVAL: isize = -22;
const ENOTTY: isize = -25;
const ENOSPC: isize = -28;

const O_RDWR: usize = 2;
const O_EXCL: usize = 0o200;
const SEEK_END: usize = 2;
const BLKROGET: usize = 0x125e;
const BLKSSZGET: usize = 0x1268;
const BLKGETSIZE64: usize = 0x8008_1272;

/// Bytes of the disk.
const LEN: usize = 256 << 10;
const DISK_LINE: u32 = 9;
const MEMORY_LEN: usize = 1 << 20;

/// What a disk holds at first.
fn contents() -> Vec<u8> {
    (0..LEN).map(|at| (at / 512) as u8 ^ (at as u8).rotate_left(2)).collect()
}

/// A disk and the machine it is in.
fn disk(read_only: bool) -> (RamDisk, Arc<Watch>) {
    let watch = Watch::new();
    let make = if read_only { RamDisk::read_only } else { RamDisk::new };
    (make(&watch, DISK_LINE, contents()), watch)
}

/// Runs `main` as the program of a kernel that has the disk.
fn run(disk: &RamDisk, watch: &Arc<Watch>, seed: u64, main: impl Fn(&mut Guest) + Send + Sync + 'static) {
    run_under(FaultPlan::default(), disk, watch, seed, main);
}

/// The same, of a kernel whose disk fails as `faults` say: how often it did.
fn run_under(
    faults: FaultPlan,
    disk: &RamDisk,
    watch: &Arc<Watch>,
    seed: u64,
    main: impl Fn(&mut Guest) + Send + Sync + 'static,
) -> u64 {
    let mode = Mode::Deterministic { seed };
    let watch_too = Some(Arc::clone(watch));
    let config = HostedConfig { memory: 16 << 20, cpus: 2, mode, watch: watch_too, ..HostedConfig::default() };
    let rules = MachineConfig { faults, ..MachineConfig::default() };
    let machine = Machine::new(Hosted::new(&config).expect("the host has memory"), rules);
    let streams = Captured::new(b"");
    let stdio: [Arc<dyn ByteChannel>; 3] = [1, 2, 3].map(|line| streams.channel(watch, line));
    let unreliable = UnreliableDisk::new(&machine, Arc::new(disk.clone()));
    let devices = Devices { disks: vec![Arc::new(unreliable)], ..Devices::default() };
    let boot = Boot { root: Root::Empty, stdio, first: First::Program, devices, strace: None };
    let kernel = Kernel::boot(machine.clone(), boot).expect("it boots");
    let entry = kernel.machine().backend().scripted().register(move |guest, _| main(guest));
    kernel.install(b"/program", 0o755, &image(entry)).expect("there is room");
    let arguments = vec![b"/program".to_vec()];
    let program = Program { arguments, environment: Vec::new(), directory: b"/".to_vec(), ignored: SigSet::EMPTY };
    assert_eq!(kernel.run(&program).expect("it runs"), Ending::Exited(0), "seed {seed}");
    kernel.shutdown().expect("nothing is left behind");
    machine.faults().struck()
}

/// A program's own memory, of [`MEMORY_LEN`] bytes.
fn memory(guest: &mut Guest) -> usize {
    guest.syscall(MMAP, [0, MEMORY_LEN, 3, 0x22, usize::MAX, 0]).cast_unsigned()
}

fn open(guest: &mut Guest, at: usize, name: &[u8], flags: usize) -> isize {
    guest.store(at, &[name, b"\0"].concat());
    guest.syscall(OPEN, [at, flags, 0, 0, 0, 0])
}

fn read(guest: &mut Guest, fd: usize, at: usize, offset: usize, len: usize) -> Result<Vec<u8>, isize> {
    let read = guest.syscall(PREAD64, [fd, at, len, offset, 0, 0]);
    let mut bytes = vec![0; usize::try_from(read).map_err(|_| read)?];
    guest.load(at, &mut bytes);
    Ok(bytes)
}

fn write(guest: &mut Guest, fd: usize, at: usize, offset: usize, bytes: &[u8]) -> isize {
    guest.store(at, bytes);
    guest.syscall(PWRITE64, [fd, at, bytes.len(), offset, 0, 0])
}

fn exit(guest: &mut Guest) {
    guest.syscall(EXIT_GROUP, [0; 6]);
}

#[test]
fn bytes_are_read_and_written_wherever_they_begin_and_end() {
    let (disk, watch) = disk(false);
    // Inside a sector, over its end, whole ones, and more than is moved at a time.
    let parts = [(0, 1), (1000, 5), (511, 2), (1024, 512), (2000, 3000), (5 * 512, 200_000), (LEN - 1, 1)];
    run(&disk, &watch, 1, move |guest| {
        let at = memory(guest);
        let fd = open(guest, at, b"/dev/vda", O_RDWR | O_EXCL).cast_unsigned();
        let mut expected = contents();
        for (salt, (offset, len)) in parts.into_iter().enumerate() {
            assert_eq!(read(guest, fd, at, offset, len), Ok(expected[offset..offset + len].to_vec()));
            let bytes: Vec<u8> = (0..len).map(|at| (at * 7 + salt) as u8).collect();
            assert_eq!(write(guest, fd, at, offset, &bytes), len.cast_signed());
            expected[offset..offset + len].copy_from_slice(&bytes);
            assert_eq!(read(guest, fd, at, 0, LEN), Ok(expected.clone()));
        }
        assert_eq!(guest.syscall(FSYNC, [fd, 0, 0, 0, 0, 0]), 0);
        exit(guest);
    });
    let mut expected = contents();
    for (salt, (offset, len)) in parts.into_iter().enumerate() {
        (0..len).for_each(|at| expected[offset + at] = (at * 7 + salt) as u8);
    }
    assert!(disk.bytes() == expected && disk.flushes() == 1);
}

#[test]
fn a_disk_ends_as_linuxs_do() {
    let (disk, watch) = disk(false);
    run(&disk, &watch, 2, |guest| {
        let at = memory(guest);
        let fd = open(guest, at, b"/dev/vda", O_RDWR).cast_unsigned();
        assert_eq!(guest.syscall(LSEEK, [fd, 0, SEEK_END, 0, 0, 0]), LEN.cast_signed());
        assert_eq!(guest.syscall(READ, [fd, at, 10, 0, 0, 0]), 0);
        assert_eq!(guest.syscall(WRITE, [fd, at, 10, 0, 0, 0]), ENOSPC);
        assert_eq!(guest.syscall(WRITE, [fd, at, 0, 0, 0, 0]), 0);
        assert_eq!(guest.syscall(LSEEK, [fd, 1, SEEK_END, 0, 0, 0]), EINVAL);
        // What still fits is done.
        assert_eq!(write(guest, fd, at, LEN - 3, b"abcdef"), 3);
        assert_eq!(read(guest, fd, at, LEN - 3, 10), Ok(b"abc".to_vec()));
        assert_eq!(read(guest, fd, at, LEN + 1000, 10), Ok(vec![]));
        exit(guest);
    });
}

#[test]
fn a_disk_says_how_large_it_is() {
    let (disk, watch) = disk(false);
    run(&disk, &watch, 3, |guest| {
        let at = memory(guest);
        let fd = open(guest, at, b"/dev/vda", O_RDWR).cast_unsigned();
        assert_eq!(guest.syscall(IOCTL, [fd, BLKGETSIZE64, at, 0, 0, 0]), 0);
        let mut bytes = [0; 8];
        guest.load(at, &mut bytes);
        assert_eq!(usize::from_le_bytes(bytes), LEN);
        assert_eq!(guest.syscall(IOCTL, [fd, BLKSSZGET, at, 0, 0, 0]), 0);
        guest.load(at, &mut bytes);
        assert_eq!(bytes[..4], 512_u32.to_le_bytes());
        assert_eq!(guest.syscall(IOCTL, [fd, 0x5401, at, 0, 0, 0]), ENOTTY);
        assert_eq!(open(guest, at, b"/dev/vdb", 0), -2, "ENOENT: there is one disk");
        exit(guest);
    });
}

#[test]
fn a_disk_that_cannot_be_written_says_so() {
    let (disk, watch) = disk(true);
    run(&disk, &watch, 4, |guest| {
        let at = memory(guest);
        let fd = open(guest, at, b"/dev/vda", O_RDWR).cast_unsigned();
        assert_eq!(write(guest, fd, at, 0, b"x"), EPERM);
        assert_eq!(guest.syscall(IOCTL, [fd, BLKROGET, at, 0, 0, 0]), 0);
        let mut is_read_only = [0];
        guest.load(at, &mut is_read_only);
        assert_eq!(is_read_only, [1]);
        exit(guest);
    });
    assert_eq!(disk.bytes(), contents());
}

#[test]
fn writers_of_one_sector_do_not_lose_each_others_bytes_and_readers_go_on() {
    const WRITERS: usize = 8;
    for seed in 10..20 {
        let (disk, watch) = disk(false);
        run(&disk, &watch, seed, |guest| {
            for writer in 0..WRITERS {
                let child = guest.engine().register(move |guest, _| {
                    let at = memory(guest);
                    let fd = open(guest, at, b"/dev/vda", O_RDWR).cast_unsigned();
                    for byte in 0..8 {
                        let offset = 1000 + byte * WRITERS + writer;
                        assert_eq!(write(guest, fd, at, offset, &[writer as u8]), 1);
                        assert_eq!(read(guest, fd, at, offset, 1), Ok(vec![writer as u8]));
                        let whole = read(guest, fd, at, writer * 16384, 16384).expect("it is there");
                        assert!(writer == 0 || whole == contents()[writer * 16384..][..16384]);
                    }
                    exit(guest);
                });
                assert!(guest.syscall_with_child(FORK, [0; 6], child) > 0);
            }
            let at = memory(guest);
            for _ in 0..WRITERS {
                assert!(guest.syscall(WAIT4, [usize::MAX, at, 0, 0, 0, 0]) > 0);
                let mut status = [1; 4];
                guest.load(at, &mut status);
                assert_eq!(status, [0; 4]);
            }
            exit(guest);
        });
        let expected: Vec<u8> = (0..8 * WRITERS).map(|at| (at % WRITERS) as u8).collect();
        assert_eq!(disk.bytes()[1000..1000 + 8 * WRITERS], expected, "seed {seed}");
    }
}

#[test]
fn a_node_without_a_disk_opens_nothing() {
    const MKNOD: usize = 133;
    let (disk, watch) = disk(false);
    run(&disk, &watch, 5, |guest| {
        let at = memory(guest);
        guest.store(at, b"/tmp/none\0");
        assert_eq!(guest.syscall(MKNOD, [at, 0o60600, 254 << 8 | 32, 0, 0, 0]), 0);
        assert_eq!(open(guest, at, b"/tmp/none", 0), ENXIO);
        guest.store(at, b"/tmp/first\0");
        assert_eq!(guest.syscall(MKNOD, [at, 0o60600, 254 << 8, 0, 0, 0]), 0);
        assert!(open(guest, at, b"/tmp/first", 0) >= 0, "what opens is the number, not the name");
        exit(guest);
    });
}

/// Each request of a program fails once, in turn. A write that does has written a few sectors, none in part; what is done
/// again afterwards works.
#[test]
fn a_disk_that_fails_is_an_error_and_writes_are_torn_between_sectors() {
    let new = |at: usize, salt: usize| (0..2048).map(|index| (index * 5 + at + salt) as u8).collect::<Vec<u8>>();
    let mut failures = 0;
    for torn in [0, 512, 1300] {
        for nth in 0_u64.. {
            let mut plan = FaultPlan::default().with(FaultKind::Disk, Strike::Nth(nth));
            plan.copied = torn;
            let (disk, watch) = disk(false);
            let struck = run_under(plan, &disk, &watch, nth, move |guest| {
                let at = memory(guest);
                let fd = open(guest, at, b"/dev/vda", O_RDWR).cast_unsigned();
                let mut expected = contents();
                for (salt, offset) in [2048, 8192, 700].into_iter().enumerate() {
                    let bytes = new(offset, salt);
                    let wrote = write(guest, fd, at, offset, &bytes);
                    if wrote == EIO {
                        let whole = read(guest, fd, at, 0, LEN).expect("one failure");
                        for sector in 0..LEN / 512 {
                            let range = sector * 512..(sector + 1) * 512;
                            let mut done = expected.clone();
                            done[offset..offset + 2048].copy_from_slice(&bytes);
                            let is_old = whole[range.clone()] == expected[range.clone()];
                            let is_new = whole[range.clone()] == done[range.clone()];
                            let may_be_new = (offset / 512..offset / 512 + torn / 512).contains(&sector);
                            assert!(is_old || is_new && may_be_new, "sector {sector}");
                        }
                        assert_eq!(write(guest, fd, at, offset, &bytes), 2048);
                    } else {
                        assert_eq!(wrote, 2048);
                    }
                    expected[offset..offset + 2048].copy_from_slice(&bytes);
                    let here = read(guest, fd, at, offset, 2048);
                    assert!(here == Err(EIO) || here.is_ok_and(|read| read == bytes));
                }
                let synced = guest.syscall(FSYNC, [fd, 0, 0, 0, 0, 0]);
                assert!(synced == 0 || synced == EIO);
                exit(guest);
            });
            if struck == 0 {
                break;
            }
            failures += struck;
            let mut expected = contents();
            for (salt, offset) in [2048, 8192, 700].into_iter().enumerate() {
                expected[offset..offset + 2048].copy_from_slice(&new(offset, salt));
            }
            assert_eq!(disk.bytes(), expected);
        }
    }
    assert!(failures > 20, "{failures}");
}
