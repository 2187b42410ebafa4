//! The blocks of a page, in its order, for a test that does what they say.
//!
//! `console` blocks are sessions that `examples` runs, and `text` is output. All others have to be taken, one after the
//! other, by a test of the page.

use std::collections::VecDeque;
use std::path::Path;

/// What stands between two fences, or indented without them, without the indentation of a list that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The word behind the fence.
    pub(crate) kind: String,
    pub(crate) text: String,
}

/// The kind of a block without fences: text that is indented by four and belongs to no list.
const INDENTED: &str = "indented, with no fence that says what it is";

/// Whether a line begins a part of a list.
fn is_of_list(line: &str) -> bool {
    let line = line.trim_start();
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    ["* ", "- ", "+ "].iter().any(|mark| line.starts_with(mark))
        || (number.len() < line.len() && number.starts_with(". "))
}

/// All blocks of a text.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut indented = None;
    let (mut in_list, mut after_blank) = (false, true);
    for line in text.lines() {
        let is_indented = line.starts_with("    ") || line.starts_with('\t');
        let is_blank = line.trim().is_empty();
        if indented.is_none() && !is_blank {
            if is_of_list(line) && (in_list || !is_indented) {
                in_list = true;
            } else if after_blank && !line.starts_with(' ') {
                in_list = false;
            }
            if is_indented && !in_list && after_blank {
                blocks.push(Block {
                    kind: INDENTED.to_owned(),
                    text: line.to_owned(),
                });
            }
        }
        // A paragraph goes on with a line that is indented; a heading and a fence do not.
        after_blank = is_blank || line.starts_with('#') || line.trim_start().starts_with("```");
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

    /// The next block is this one of `sh`, which no test of a page can run: that is why.
    #[track_caller]
    pub(crate) fn leaves_out(&mut self, commands: &str, _why: &str) {
        assert_eq!(self.next("sh"), commands, "{}", self.name);
    }

    /// No block was left out.
    #[track_caller]
    pub(crate) fn is_done(&self) {
        assert!(self.blocks.is_empty(), "{}: {:?}", self.name, self.blocks);
    }
}

/// Whatever stands out of the text is a block, and what belongs to a list is none.
#[test]
fn what_is_indented_is_a_block_unless_it_belongs_to_a_list() {
    let kinds = |text: &str| -> Vec<String> {
        let blocks = blocks(text).into_iter();
        blocks.map(|block| block.kind).collect()
    };
    assert_eq!(kinds("Do:\n\n    rm x\n    rm y\n\nDone."), [INDENTED]);
    assert_eq!(kinds("* one\n\nDo:\n\n\trm x\n"), [INDENTED]);
    assert_eq!(kinds("Do:\n\n    - uses: x\n      with:\n"), [INDENTED]);
    assert_eq!(
        kinds("* one\n\n    more of it\n\n1. two\n    more"),
        [""; 0]
    );
    assert_eq!(kinds("# To do\n    rm x\n"), [INDENTED]);
    assert_eq!(kinds("of a sentence\n    that goes on"), [""; 0]);
    assert_eq!(kinds("1. Do:\n\n   ```sh\n       rm x\n   ```\n"), ["sh"]);
}
