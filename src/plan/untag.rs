//! `untag`: taking names away and nothing else.
//!
//! It takes exactly the names that are given or that a pattern matches, deletes no blob and looks at no other name. When the
//! last name of an image goes, the image stays as a dangling one, and `prune` removes it.

use super::draft::Draft;
use super::lookup::{FoundBy, no_such_image};
use super::plan::{Action, Refusal, RefusalClass};
use crate::snapshot::RecordId;
use crate::words::{listed, quoted};

impl Draft<'_> {
    /// Takes one name away, or all that a pattern matches.
    pub fn untag(&mut self, argument: &str) {
        let done = self.try_untag(argument);
        self.plan.refusals.extend(done.err());
    }

    fn try_untag(&mut self, argument: &str) -> Result<(), Refusal> {
        let matched = self.matched(argument);
        if let Some(matched) = matched.map_err(|refusal| self.suggested(argument, refusal))? {
            for id in matched {
                // One that an earlier argument took away is none any more.
                if self.is_present(id) && !self.is_dangling(id) {
                    self.untag_record(id);
                }
            }
            return Ok(());
        }
        let found = self.look_up(argument);
        let found = found.map_err(|refusal| match refusal.class {
            RefusalClass::NotFound => self.explained(argument, refusal),
            _ => self.suggested(argument, refusal),
        })?;
        let Some(id) = found.record() else {
            return Err(match found.by {
                // There is no such name.
                FoundBy::Digest(name) => self.explained(argument, no_such_image(&name.familiar())),
                _ => {
                    let id = format!("{} is an ID; untag takes a name", quoted(argument));
                    let refusal = Refusal::invalid(id).hint(self.names_hint(&found.set));
                    self.explained(argument, refusal)
                }
            });
        };
        if self.is_dangling(id) {
            return Err(Refusal::invalid(format!(
                "{} has no name that could be taken away",
                quoted(argument)
            ))
            .hint("rmi removes the image, prune removes all that are dangling"));
        }
        self.untag_record(id);
        Ok(())
    }

    fn untag_record(&mut self, id: RecordId) {
        let target = self.record(id).target;
        let name = self.shown_shared(id);
        self.plan.actions.push(Action::Untagged(name, target));
        self.dangle_belongings(id);
        match self.set_of(target).iter().any(|other| *other != id) {
            true => self.remove(id),
            false => self.dangle(id),
        }
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
