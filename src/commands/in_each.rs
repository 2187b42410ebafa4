//! What is so in each of several layouts, such as that a pattern matches nothing: only that is worth
//! saying.

use std::collections::BTreeMap;

/// What was so in every layout so far, with what the first of them says about it.
#[derive(Debug)]
pub(super) struct InEach<T>(Option<BTreeMap<String, T>>);

impl<T> Default for InEach<T> {
    fn default() -> InEach<T> {
        InEach(None)
    }
}

impl<T> InEach<T> {
    /// Takes what is so in one more layout.
    pub(super) fn take(&mut self, here: BTreeMap<String, T>) {
        match &mut self.0 {
            None => self.0 = Some(here),
            Some(before) => before.retain(|key, _| here.contains_key(key)),
        }
    }

    /// What is so in all of them.
    pub(super) fn into_all(self) -> BTreeMap<String, T> {
        self.0.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::InEach;

    #[test]
    fn what_is_so_in_each_layout_is_left() {
        let layout = |keys: &[&str], n| -> BTreeMap<String, u8> {
            keys.iter().map(|key| ((*key).to_owned(), n)).collect()
        };
        let mut all = InEach::default();
        assert!(InEach::<u8>::default().into_all().is_empty());
        all.take(layout(&["a", "b", "c"], 1));
        all.take(layout(&["c", "d", "b"], 2));
        assert_eq!(all.into_all(), layout(&["b", "c"], 1));
    }
}
