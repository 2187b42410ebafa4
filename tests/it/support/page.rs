//! The blocks of a page, in its order, for a test that does what they say.
//!
//! `console` blocks are sessions that `examples` runs, and `text` is output. All others have to be taken, one after the
//! other, by a test of the page.

use std::collections::VecDeque;
use std::path::Path;

/// What stands between two fences, without the indentation of a list that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The word behind the fence.
    pub(crate) kind: String,
    pub(crate) text: String,
}

/// All blocks of a text.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut indented = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        match (trimmed.strip_prefix("```"), indented) {
            (Some(_), Some(_)) => indented = None,
            (Some(kind), None) => {
                indented = Some(line.len() - trimmed.len());
                blocks.push(Block {
                    kind: kind.to_owned(),
                    text: String::new(),
                });
            }
            (None, Some(indented)) => {
                let block = blocks.last_mut().expect("one was opened");
                block
                    .text
                    .push_str(line.get(indented..).unwrap_or_default());
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert_eq!(indented, None, "a block has no end");
    blocks
}

/// The blocks of a page that nothing else runs.
pub(crate) struct Page {
    name: String,
    blocks: VecDeque<Block>,
}

impl Page {
    /// `name` is a path from the root of the repository.
    pub(crate) fn read(name: &str) -> Page {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = std::fs::read_to_string(path).expect("a page");
        let mut blocks = VecDeque::from(blocks(&text));
        blocks.retain(|block| !["console", "text"].contains(&&*block.kind));
        Page {
            name: name.to_owned(),
            blocks,
        }
    }

    /// The next block, which is of that kind.
    #[track_caller]
    pub(crate) fn next(&mut self, kind: &str) -> String {
        let block = self.blocks.pop_front();
        let block = block.unwrap_or_else(|| panic!("{} has no more blocks", self.name));
        assert_eq!(block.kind, kind, "{}: {}", self.name, block.text);
        block.text
    }

    /// No block was left out.
    #[track_caller]
    pub(crate) fn is_done(&self) {
        assert!(self.blocks.is_empty(), "{}: {:?}", self.name, self.blocks);
    }
}
