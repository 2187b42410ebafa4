//! The changes that a program made to a directory, in the words of strace.

use std::collections::BTreeMap;
use std::path::Path;

/// What strace is to write for [`read`].
pub(crate) const OPTIONS: [&str; 5] = [
    "-y",
    "-s",
    "16777216",
    "-e",
    "trace=?open,openat,?creat,write,writev,pwrite64,?rename,?renameat,renameat2,?link,linkat,?unlink,unlinkat,\
     ?rmdir,?mkdir,mkdirat,?symlink,symlinkat,fsync,fdatasync,syncfs,sync,ftruncate,?truncate",
];

/// One change. Paths are relative to the directory; that itself is the empty path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Op {
    Create(String),
    /// Bytes at the end of a file.
    Write(String, Vec<u8>),
    Truncate(String),
    MakeDir(String),
    Remove(String),
    Link(String, String),
    Rename(String, String),
    Exchange(String, String),
    Sync(String),
    /// Something that a user sees, on standard output or standard error.
    Say(String),
}

/// The changes below `root` in what strace wrote.
pub(crate) fn read(log: &str, root: &Path) -> Vec<Op> {
    let root = root.to_str().expect("a path that a test chose");
    let mut begun: BTreeMap<&str, String> = BTreeMap::new();
    let mut ops = Vec::new();
    for line in log.lines() {
        let (process, text) = line.split_once(' ').expect("the number of a process");
        let text = text.trim_start();
        let call = if let Some(begin) = text.strip_suffix(" <unfinished ...>") {
            begun.insert(process, begin.to_owned());
            continue;
        } else if text.starts_with("<... ") {
            let (_, rest) = text.split_once("resumed>").expect("the end of a call");
            let begin = begun.remove(process).unwrap_or_default();
            format!("{begin}{rest}")
        } else {
            text.to_owned()
        };
        ops.extend(read_call(&call, root));
    }
    ops
}

fn read_call(call: &str, root: &str) -> Option<Op> {
    let (name, rest) = call.split_once('(')?;
    let end = rest.rfind(") ")?;
    let result = rest[end + 1..].trim_start().strip_prefix("= ")?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let args = arguments(&rest[..end]);
    let arg = |n: usize| args.get(n).map_or("", String::as_str);
    let below = |path: String| -> Option<String> {
        let rest = path.strip_prefix(root)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/').to_owned())
    };
    let opened = |n: usize| below(descriptor(arg(n))?.1);
    let at = |dir: usize| {
        let name = text(arg(dir + 1));
        match name.starts_with('/') {
            true => below(name),
            false => below(format!("{}/{name}", descriptor(arg(dir))?.1)),
        }
    };
    match name {
        "openat" if arg(2).contains("O_CREAT") => Some(Op::Create(at(0)?)),
        "openat" | "open" | "creat" => {
            assert!(!arg(2).contains("O_TRUNC"), "{call}");
            None
        }
        "write" if ["1<", "2<"].iter().any(|fd| arg(0).starts_with(fd)) => {
            Some(Op::Say(text(arg(1))))
        }
        "write" => Some(Op::Write(opened(0)?, bytes(arg(1)))),
        "ftruncate" => Some(Op::Truncate(opened(0)?)),
        "mkdirat" => Some(Op::MakeDir(at(0)?)),
        "unlinkat" => Some(Op::Remove(at(0)?)),
        "linkat" => Some(Op::Link(at(0)?, at(2)?)),
        "renameat" => Some(Op::Rename(at(0)?, at(2)?)),
        "renameat2" if arg(4).contains("EXCHANGE") => Some(Op::Exchange(at(0)?, at(2)?)),
        "renameat2" => Some(Op::Rename(at(0)?, at(2)?)),
        "fsync" | "fdatasync" => Some(Op::Sync(opened(0)?)),
        // None of these is among what the program does.
        _ => panic!("{call}"),
    }
}

/// The arguments of a call: commas in texts and in paths separate none.
fn arguments(list: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in list.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = found.last_mut() {
            last.push(c);
        }
    }
    found.iter().map(|arg| arg.trim().to_owned()).collect()
}

/// `5</a/path>`
fn descriptor(arg: &str) -> Option<(&str, String)> {
    let (number, path) = arg.split_once('<')?;
    Some((
        number,
        path.trim_end_matches("(deleted)")
            .strip_suffix('>')?
            .to_owned(),
    ))
}

fn text(arg: &str) -> String {
    String::from_utf8_lossy(&bytes(arg)).into_owned()
}

/// The bytes of a text between quotes, escaped as C has it.
fn bytes(arg: &str) -> Vec<u8> {
    let inner = arg
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_else(|| panic!("a whole text: {arg}"));
    let mut found = Vec::new();
    let mut rest = inner.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            found.push(byte);
            continue;
        }
        found.push(match rest.next().expect("what was escaped") {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'v' => 0x0b,
            b'f' => 0x0c,
            digit @ b'0'..=b'7' => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    match rest.peek() {
                        Some(digit @ b'0'..=b'7') => value = value * 8 + u32::from(digit - b'0'),
                        _ => break,
                    }
                    rest.next();
                }
                u8::try_from(value).expect("a byte")
            }
            other => other,
        });
    }
    found
}

#[test]
fn calls_are_read_as_they_were_made() {
    let log = "12 openat(3</l>, \".tmp\", O_RDWR|O_CREAT|O_EXCL, 0600) = 7</l/.tmp>\n\
        12 write(7</l/.tmp>, \"{\\\"a\\\":\\n\\3421\\0}\", 9) = 9\n\
        13 fsync(7</l/.tmp> <unfinished ...>\n\
        12 linkat(5</l/blobs/sha256>, \"ab\", 6</l/t>, \"ab\", 0) = -1 EPERM (no) (INJECTED)\n\
        13 <... fsync resumed>) = 0\n\
        12 renameat2(3</l>, \".tmp\", 3</l>, \"index.json\", RENAME_EXCHANGE) = 0\n\
        12 fsync(3</l>) = 0\n\
        12 write(1<pipe:[5]>, \"Untagged: a\\n\", 12) = 12\n\
        12 mkdirat(3</elsewhere>, \"x\", 0777) = 0\n";
    let written = b"{\"a\":\n\xe21\0}".to_vec();
    assert_eq!(
        read(log, Path::new("/l")),
        [
            Op::Create(".tmp".into()),
            Op::Write(".tmp".into(), written),
            Op::Sync(".tmp".into()),
            Op::Exchange(".tmp".into(), "index.json".into()),
            Op::Sync(String::new()),
            Op::Say("Untagged: a\n".into()),
        ]
    );
}
