//! CONTAINERS: who uses which image. A layout has no daemon, so what runs is told to the command.
//!
//! * `parse`: lists of containers as engines print them
//! * `in_use`: which images of a snapshot they use

pub mod in_use;
pub mod parse;
