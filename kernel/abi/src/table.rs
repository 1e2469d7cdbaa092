//! The table of system calls: one row each, and the only place that says which there are; a file per few families.
//!
//! A row is a doc comment, a name, the number on x86-64 and on RISC-V (`-` where there is none), the handler as tokens,
//! the arguments as types of [`crate::arg`] and [`crate::flags`], and perhaps what is missing:
//!
//! ```text
//! /// Give an open file a chosen descriptor.
//! dup3 [292 24] = file::dup3(old: Fd, new: Fd, flags: DupFlags) without "…";
//! ```
//!
//! `later` in front of the handler marks a call that the kernel does not have yet: it decodes, but answers ENOSYS.
//! Delete the word when the handler exists.

/// Gives all rows to a macro: `for_each_syscall! { dispatch }` becomes `dispatch! { rows }`, and the macro matches
///
/// ```text
/// $($(#[doc = $doc:literal])* $name:ident [$x86:tt $riscv:tt] = $($room:ident)+ :: $handler:ident
///     ($($arg:ident: $ty:ty),*) $(without $without:literal)?;)*
/// ```
///
/// where `$($room)+` is the handler's room, perhaps after the word `later`.
#[macro_export]
macro_rules! for_each_syscall {
    ($($callback:tt)+) => {
        // Each file puts its rows behind the last one's; the last calls back.
        $crate::rows_of_files! { [$($callback)+] [] }
    };
}

mod files;
mod machine;
mod paths;
mod processes;
