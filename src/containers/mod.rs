//! CONTAINERS: who uses which image. A layout has no daemon, so what runs is told to the command, as
//! people's tools print it. Each file uses those before it:
//!
//! * `container`: a container, and what the texts of all tools have in common
//! * `docker` (podman and nerdctl too), `cri`, `kubernetes`: what each of them prints
//! * `parse`: which of them wrote a text
//! * `in_use`: which images of a snapshot the containers use

mod container;
mod cri;
mod docker;
pub mod in_use;
mod kubernetes;
mod parse;

pub use container::{Container, InvalidContainers, MAX_LIST_BYTES};
pub use parse::parse;
