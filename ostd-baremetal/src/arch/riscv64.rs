//! RISC-V in supervisor mode: OpenSBI's console, QEMU's test device, `tp`, the interrupt bit of `sstatus`.
#![expect(unsafe_code, reason = "privileged instructions, firmware calls and one device register")]

use core::arch::{asm, global_asm};

use crate::exit::Exit;

pub(crate) use ostd_hal::paging::sv48::Entry;
pub(crate) use ostd_hal::user::riscv64::Regs;

/// SBI's legacy call "put one character on the console".
const SBI_PUTCHAR: usize = 1;
/// The `sifive_test` device of QEMU's `virt` machine.
const TEST_DEVICE: *mut u32 = 0x10_0000 as *mut u32;
/// Supervisor interrupt enable, in `sstatus`.
const INTERRUPT_ENABLE: usize = 1 << 1;
/// The end of the lower half of Sv48.
pub(crate) const USER_END: usize = 0x0000_7fff_ffff_f000;

// OpenSBI enters here in supervisor mode with translation off, the hart's number in a0 and the device tree in a1.
global_asm!(
    ".pushsection .text.entry, \"ax\"",
    ".globl _start",
    "_start:",
    "la sp, {stack} + {stack_len}",
    "tail {main}",
    ".popsection",
    stack = sym crate::image::BOOT_STACK,
    stack_len = const crate::image::BOOT_STACK_LEN,
    main = sym crate::image::enter,
);

/// Sends bytes to the firmware's console.
pub(crate) fn serial_write(bytes: &[u8]) {
    for byte in bytes {
        // SAFETY: the call reads two registers and overwrites a0 alone; it touches no memory of ours.
        unsafe {
            asm!("ecall", inlateout("a0") usize::from(*byte) => _, in("a7") SBI_PUTCHAR, options(nostack));
        }
    }
}

/// Ends QEMU; on a machine without the device, stops the hart for good.
pub(crate) fn exit(how: Exit) -> ! {
    // SAFETY: QEMU's `virt` machine has the device at this address, and boot code maps it there.
    unsafe { TEST_DEVICE.write_volatile(how.sifive_test()) };
    loop {
        // The exit takes a moment; anything but `wfi` would run on meanwhile.
        // SAFETY: waiting changes nothing.
        unsafe { asm!("wfi", options(nomem, nostack)) };
    }
}

/// The pointer kept in `tp`.
pub(crate) fn cpu_local() -> *const () {
    let pointer;
    // SAFETY: reading a register.
    unsafe { asm!("mv {}, tp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// Sets `tp`, which compiled code leaves alone on this target.
pub(crate) fn set_cpu_local(pointer: *const ()) {
    // SAFETY: no thread-locals exist on this target, so nothing else uses `tp`.
    unsafe { asm!("mv tp, {}", in(reg) pointer, options(nomem, nostack, preserves_flags)) };
}

/// Turns interrupts off; says whether they were on.
pub(crate) fn interrupts_disable() -> bool {
    let before: usize;
    // SAFETY: turning interrupts off breaks no promise.
    unsafe { asm!("csrrci {}, sstatus, {}", out(reg) before, const INTERRUPT_ENABLE, options(nostack)) };
    before & INTERRUPT_ENABLE != 0
}

/// Turns interrupts on.
pub(crate) fn interrupts_enable() {
    // SAFETY: the caller of the waist's function of this name asks for it.
    unsafe { asm!("csrsi sstatus, {}", const INTERRUPT_ENABLE, options(nostack)) };
}

/// Tells the hart that it is waiting for another.
pub(crate) fn relax() {
    core::hint::spin_loop();
}
