//! Power cuts: what a disk may hold after one, as POSIX allows it, from the system calls that a program made; and what
//! disks hold that lose their power.

pub(crate) mod disk;
pub(crate) mod image;
pub(crate) mod laws;
pub(crate) mod trace;
