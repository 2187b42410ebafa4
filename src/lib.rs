//! placeholder
pub mod layout;
pub mod image;
