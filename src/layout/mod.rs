//! placeholder
mod digest;
pub use digest::{Algorithm, Digest, InvalidDigest};
