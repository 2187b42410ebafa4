//! `untag`: taking names away and nothing else.
//!
//! It takes exactly the names that are given, deletes no blob and looks at no other name. When the
//! last name of an image goes, the image stays as a dangling one, and `prune` removes it.

use super::draft::Draft;
use super::lookup::{FoundBy, no_such_image};
use super::plan::{Action, Refusal};
use crate::snapshot::RecordId;
use crate::words::{listed, quoted};

impl Draft<'_> {
    /// Takes one name away.
    pub fn untag(&mut self, argument: &str) {
        let done = self.try_untag(argument);
        self.plan.refusals.extend(done.err());
    }

    fn try_untag(&mut self, argument: &str) -> Result<(), Refusal> {
        let found = self.look_up(argument)?;
        let Some(id) = found.record() else {
            return Err(match found.by {
                // There is no such name.
                FoundBy::Digest(name) => no_such_image(&name.familiar()),
                _ => Refusal::invalid(format!("{} is an ID; untag takes a name", quoted(argument)))
                    .hint(self.names_hint(&found.set)),
            });
        };
        if self.is_dangling(id) {
            return Err(Refusal::invalid(format!(
                "{} has no name that could be taken away",
                quoted(argument)
            ))
            .hint("rmi removes the image, prune removes all that are dangling"));
        }
        self.plan.actions.push(Action::Untagged(self.shown(id)));
        self.dangle_belongings(id);
        match self.set_of(found.target).iter().any(|other| *other != id) {
            true => self.remove(id),
            false => self.dangle(id),
        }
        Ok(())
    }

    fn names_hint(&self, set: &[RecordId]) -> String {
        let named = set.iter().filter(|id| !self.is_dangling(**id));
        let names: Vec<String> = named.map(|id| self.shown(*id)).collect();
        match names.is_empty() {
            true => "the image has no name; rmi removes it".to_owned(),
            false => format!("its names: {}", listed(&names, 8)),
        }
    }
}
