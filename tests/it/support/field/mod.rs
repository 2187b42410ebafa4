//! Small layouts as people have them, commands as people type them, and what must be left afterwards. The cases in
//! `fixtures/field` are read ([`case`]), their layouts made ([`described`]), the commands run ([`run`]), and
//! what is on the disk then is compared with what the case says ([`outcome`]).

mod base64;
pub(crate) mod case;
pub(crate) mod described;
pub(crate) mod json;
mod outcome;
mod printed;
pub(crate) mod run;
mod state;
mod written;
