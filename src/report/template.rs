//! The templates of `--format`, as far as people write them for `docker images`.
//!
//! Docker hands such a template to Go's `text/template`, a small programming language. Here live
//! the parts of it that pick and print columns: text, `{{.Field}}`, a few functions, trimming,
//! comments, and Docker's prefix `table`. Whatever else a template holds is refused with its
//! position rather than printed in some other way than Docker would. What the fields are and what
//! stands in them is the caller's; so are the words `table`, `json` and `raw` on their own.

use std::io;

use super::shorten::{shortened, width};
use super::table::widest_that_counts;

/// A column that templates can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// The name as templates have it behind the dot, and as it stands in `{{json .}}`.
    pub(super) name: &'static str,
    /// What the header line of a table says in its place.
    pub(super) header: &'static str,
}

/// A template that was read, and whose fields all exist.
#[derive(Clone, Debug)]
pub struct Template {
    pieces: Vec<Piece>,
    fields: Vec<Field>,
    /// Rows are printed as an aligned table below a header line.
    is_table: bool,
}

/// Why a template cannot be used, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid template, character {position}: {reason}; the fields are {fields}")]
pub struct InvalidTemplate {
    position: usize,
    reason: String,
    fields: String,
}

/// What is printed one after another for each row.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// All fields, as one JSON object.
    Row,
    /// One function, and what it is applied to.
    Value(Function, Vec<Operand>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Json,
    Upper,
    Lower,
    Truncate(usize),
    Pad(usize, usize),
    /// Also what stands in braces alone.
    Print,
    Println,
}

/// What a function is applied to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Operand {
    Text(String),
    /// The number of a field in the order in which the caller gave them.
    Field(usize),
}

impl Operand {
    fn text<'a>(&'a self, cells: &[&'a str]) -> &'a str {
        match self {
            Operand::Text(text) => text,
            Operand::Field(number) => cells[*number],
        }
    }
}

/// The words between `{{` and `}}`.
#[derive(Clone, Debug)]
enum Token<'a> {
    Dot,
    Operand(Operand),
    Number(u16),
    Word(&'a str),
}

impl Token<'_> {
    fn is_operand(&self) -> bool {
        matches!(self, Token::Operand(_))
    }

    fn operand(self) -> Option<Operand> {
        match self {
            Token::Operand(operand) => Some(operand),
            _ => None,
        }
    }
}

/// How each function is called; also what an error says about it.
const FUNCTIONS: [(&str, &str); 7] = [
    ("json", "{{json .}} or {{json .Field}}"),
    ("upper", "{{upper .Field}}"),
    ("lower", "{{lower .Field}}"),
    ("truncate", "{{truncate .Field 12}}"),
    ("pad", "{{pad .Field 1 1}}"),
    ("print", "{{print .Field}}"),
    ("println", "{{println .Field}}"),
];

/// A column of a table is at least this wide, with the blanks behind it.
const COLUMN_WIDTH: usize = 10;
/// The blanks between the widest cell of a column and the next column.
const COLUMN_GAP: usize = 3;

impl Template {
    /// Reads a template whose rows will have these fields.
    ///
    /// Blanks around the whole are ignored, and `\t` and `\n` in it stand for a tab and a line
    /// feed, as in Docker.
    pub(super) fn parse(text: &str, fields: &[Field]) -> Result<Template, InvalidTemplate> {
        let text = text.trim_end_matches(' ');
        let mut at = text.len() - text.trim_start_matches(' ').len();
        let is_table = text[at..].strip_prefix("table").is_some_and(|rest| {
            // Docker takes `tables` for a table as well, with an `s` in each line.
            rest.is_empty() || rest.starts_with([' ', '\t', '\\']) || rest.starts_with("{{")
        });
        if is_table {
            let body = &text[at + "table".len()..];
            at = text.len() - body.trim_start_matches(' ').len();
        }
        let mut parser = Parser { text, at, fields };
        let pieces = parser.pieces()?;
        if is_table && pieces.is_empty() {
            return Err(parser.error(at, "a table needs columns, as in `table {{.Field}}`"));
        }
        Ok(Template {
            pieces,
            fields: fields.to_vec(),
            is_table,
        })
    }

    /// Whether the value of this field is printed, so that one that is costly to find out can be
    /// left empty when it is not.
    pub fn mentions(&self, field: &str) -> bool {
        let Some(number) = self.fields.iter().position(|f| f.name == field) else {
            return false;
        };
        self.pieces.iter().any(|piece| match piece {
            Piece::Text(_) => false,
            Piece::Row => true,
            Piece::Value(_, operands) => operands.contains(&Operand::Field(number)),
        })
    }

    /// Whether rows are printed as an aligned table below a header line.
    pub(super) fn is_table(&self) -> bool {
        self.is_table
    }

    /// Prints the rows, one line each. The values of a row are in the order of the fields.
    ///
    /// Values are printed as they are: the caller has escaped what must not reach a terminal. A
    /// table prints its header even when there is no row, and nothing before the last row came.
    pub fn render(
        &self,
        rows: impl IntoIterator<Item = Vec<String>>,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        let mut printed = self.begin();
        for row in rows {
            printed.add(&row, out)?;
        }
        printed.end(out)
    }

    /// Begins to print rows; see [`Template::render`].
    pub(super) fn begin(&self) -> Printed<'_> {
        let mut lines = Vec::new();
        if self.is_table {
            // Writing to a Vec cannot fail.
            let _ = self.line::<&str>(None, &mut lines);
        }
        Printed {
            template: self,
            lines,
        }
    }

    /// Writes what the template makes of a row; of the headers if there is none. Functions that change
    /// values leave headers alone, as in Docker; those that only set them apart do not.
    fn line<T: AsRef<str>>(&self, row: Option<&[T]>, out: &mut dyn io::Write) -> io::Result<()> {
        let fields = self.fields.iter().enumerate();
        let cells: Vec<&str> = fields
            .map(|(number, field)| match row {
                None => field.header,
                Some(row) => row.get(number).map_or("", AsRef::as_ref),
            })
            .collect();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.write_all(text.as_bytes())?,
                Piece::Row if row.is_none() => {} // an object has no header; Docker has none either
                Piece::Row => {
                    for (number, (field, cell)) in self.fields.iter().zip(&cells).enumerate() {
                        out.write_all(if number == 0 { b"{" } else { b"," })?;
                        serde_json::to_writer(&mut *out, field.name)?;
                        out.write_all(b":")?;
                        serde_json::to_writer(&mut *out, cell)?;
                    }
                    out.write_all(b"}")?;
                }
                Piece::Value(function, operands) => {
                    let texts: Vec<_> = operands.iter().map(|o| o.text(&cells)).collect();
                    function.print(&texts, row.is_none(), out)?;
                }
            }
        }
        out.write_all(b"\n")
    }
}

/// Rows that are being printed. Those of a table are held until all are there, for their columns are as
/// wide as the widest cell.
pub(super) struct Printed<'t> {
    template: &'t Template,
    lines: Vec<u8>,
}

impl Printed<'_> {
    /// Prints one more.
    pub(super) fn add<T: AsRef<str>>(
        &mut self,
        row: &[T],
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        match self.template.is_table {
            true => self.template.line(Some(row), &mut self.lines),
            false => self.template.line(Some(row), out),
        }
    }

    /// Prints what was held.
    pub(super) fn end(self, out: &mut dyn io::Write) -> io::Result<()> {
        let text = String::from_utf8(self.lines).map_err(io::Error::other)?;
        align(&text, out)
    }
}

impl Function {
    fn print(self, texts: &[&str], is_header: bool, out: &mut dyn io::Write) -> io::Result<()> {
        // Only the first two take more than one text.
        let text = texts.first().copied().unwrap_or_default();
        match self {
            // Go sets blanks between the arguments of `println`, and none between texts that are
            // arguments of `print`.
            Function::Print => texts.iter().try_for_each(|t| out.write_all(t.as_bytes())),
            Function::Println => {
                for (number, text) in texts.iter().enumerate() {
                    out.write_all(if number == 0 { b"" } else { b" " })?;
                    out.write_all(text.as_bytes())?;
                }
                out.write_all(b"\n")
            }
            // Docker pads nothing when there is nothing to pad.
            Function::Pad(..) if text.is_empty() => Ok(()),
            Function::Pad(before, after) => write!(out, "{:before$}{text}{:after$}", "", ""),
            _ if is_header => out.write_all(text.as_bytes()),
            Function::Json => Ok(serde_json::to_writer(out, text)?),
            Function::Upper => {
                let mut upper = text.chars().flat_map(char::to_uppercase);
                upper.try_for_each(|c| write!(out, "{c}"))
            }
            // Whether a sigma is the last letter of its word, only the whole text tells.
            Function::Lower => out.write_all(text.to_lowercase().as_bytes()),
            // Docker cuts between bytes, which can leave half a letter.
            Function::Truncate(length) => {
                let end = text.char_indices().nth(length);
                let end = end.map_or(text.len(), |(at, _)| at);
                out.write_all(&text.as_bytes()[..end])
            }
        }
    }
}

/// A template may spell tabs and line feeds out, as shells make it hard to type them.
fn unescaped(text: &str) -> String {
    text.replace(r"\t", "\t").replace(r"\n", "\n")
}

/// Prints lines whose cells end at tabs, each column as wide as its widest cell.
///
/// Docker begins anew with the widths after a line that has fewer cells. Here columns stay where
/// they are, which differs only for templates that print several lines for each row.
fn align(text: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let mut columns: Vec<usize> = Vec::new();
    let limit = widest_that_counts(text.split_terminator('\n').count());
    for line in text.split_terminator('\n') {
        let cells = line.matches('\t').count();
        if columns.len() < cells {
            columns.resize(cells, COLUMN_WIDTH);
        }
        // The last cell of a line ends at no tab: as long as it may be, nothing stands behind it.
        for (column, cell) in columns.iter_mut().zip(line.split('\t')).take(cells) {
            let width = Some(width(&shortened(cell.into()))).filter(|width| *width <= limit);
            *column = (*column).max(width.unwrap_or_default() + COLUMN_GAP);
        }
    }
    let mut padded = String::new();
    for line in text.split_terminator('\n') {
        padded.clear();
        for (number, cell) in line.split('\t').enumerate() {
            let cell = shortened(cell.into());
            padded.push_str(&cell);
            if let Some(column) = columns.get(number) {
                // Where a cell sticks out, the next one is set off from it all the same.
                let blanks = column.saturating_sub(width(&cell)).max(COLUMN_GAP);
                padded.extend(std::iter::repeat_n(' ', blanks));
            }
        }
        padded.truncate(padded.trim_end_matches(' ').len());
        padded.push('\n');
        out.write_all(padded.as_bytes())?;
    }
    Ok(())
}

/// Reads a template from front to back.
struct Parser<'a> {
    text: &'a str,
    /// The byte that is read next.
    at: usize,
    fields: &'a [Field],
}

/// What stood between `{{` and `}}`, and whether the white space on either side goes.
struct Action<'a> {
    tokens: Vec<(usize, Token<'a>)>,
    is_comment: bool,
    trims_before: bool,
    trims_after: bool,
}

/// What Go trims beside `{{- ` and ` -}}`, and takes for blanks between words.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl<'a> Parser<'a> {
    fn pieces(&mut self) -> Result<Vec<Piece>, InvalidTemplate> {
        let mut pieces = Vec::new();
        let mut trims = false;
        loop {
            let rest = self.rest();
            let open = rest.find("{{");
            // Before trimming: a `\n` that is written out is trimmed like a line feed.
            let literal = unescaped(&rest[..open.unwrap_or(rest.len())]);
            let mut literal = literal.as_str();
            if trims {
                literal = literal.trim_start_matches(is_blank);
            }
            let Some(open) = open else {
                push_text(&mut pieces, literal);
                return Ok(pieces);
            };
            self.at += open;
            let start = self.at;
            let action = self.action()?;
            if action.trims_before {
                literal = literal.trim_end_matches(is_blank);
            }
            push_text(&mut pieces, literal);
            if !action.is_comment {
                pieces.push(self.piece(start, action.tokens)?);
            }
            trims = action.trims_after;
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Steps over `prefix` if it is what comes next.
    fn take(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    /// Steps over the longest run of such characters, and returns it.
    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let run = &rest[..rest.find(|c| !belongs(c)).unwrap_or(rest.len())];
        self.at += run.len();
        run
    }

    /// Reads everything from `{{` to `}}`.
    fn action(&mut self) -> Result<Action<'a>, InvalidTemplate> {
        let start = self.at;
        self.take("{{");
        let mut action = Action {
            tokens: Vec::new(),
            is_comment: false,
            trims_before: self.take("-"),
            trims_after: false,
        };
        let mut blanks = self.take_while(is_blank);
        if action.trims_before && blanks.is_empty() {
            return Err(self.error(start, "`{{-` needs a blank behind it"));
        }
        if self.rest().starts_with("/*") {
            let comment = &self.rest()["/*".len()..];
            let Some(end) = comment.find("*/") else {
                return Err(self.error(self.at, "the comment is never closed by `*/`"));
            };
            self.at += "/*".len() + end + "*/".len();
            action.is_comment = true;
            blanks = self.take_while(is_blank);
        }
        loop {
            let here = self.at;
            if self.take("}}") {
                return Ok(action);
            }
            if self.take("-}}") {
                if blanks.is_empty() {
                    return Err(self.error(here, "`-}}` needs a blank before it"));
                }
                action.trims_after = true;
                return Ok(action);
            }
            if self.rest().is_empty() {
                return Err(self.error(start, "`{{` is never closed by `}}`"));
            }
            if action.is_comment {
                return Err(self.error(here, "a comment must be all there is in its braces"));
            }
            let token = self.token()?;
            if blanks.is_empty() && !action.tokens.is_empty() {
                return Err(self.error(here, "a blank is missing here"));
            }
            action.tokens.push((here, token));
            blanks = self.take_while(is_blank);
        }
    }

    fn token(&mut self) -> Result<Token<'a>, InvalidTemplate> {
        let here = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Err(self.error(here, "the template ends too early"));
        };
        match first {
            '.' => {
                self.at += 1;
                let name = self.take_while(is_word);
                if name.is_empty() {
                    return Ok(Token::Dot);
                }
                let number = self.fields.iter().position(|field| field.name == name);
                let name = name.escape_debug();
                let number = number
                    .ok_or_else(|| self.error(here, format!("there is no field `.{name}`")))?;
                Ok(Token::Operand(Operand::Field(number)))
            }
            '"' => Ok(Token::Operand(Operand::Text(self.quoted()?))),
            '`' => {
                self.at += 1;
                let text = self.take_while(|c| c != '`');
                if !self.take("`") {
                    return Err(self.error(here, "the quotation is never closed"));
                }
                Ok(Token::Operand(Operand::Text(unescaped(text))))
            }
            '0'..='9' => self
                .take_while(is_word)
                .parse()
                .map(Token::Number)
                .map_err(|_| self.error(here, "only numbers from 0 to 65535 can be given")),
            '|' => Err(self.error(
                here,
                "pipes are not supported; write the function first, as in `{{upper .Field}}`",
            )),
            c if is_word(c) => Ok(Token::Word(self.take_while(is_word))),
            c => {
                let c = c.escape_debug();
                Err(self.error(here, format!("`{c}` cannot stand here")))
            }
        }
    }

    /// Reads a text in double quotes.
    fn quoted(&mut self) -> Result<String, InvalidTemplate> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != '"' && c != '\\'));
            let here = self.at;
            if self.take("\"") {
                return Ok(text);
            }
            if !self.take("\\") {
                return Err(self.error(start, "the quotation is never closed"));
            }
            text.push(match self.rest().chars().next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(c @ ('"' | '\\')) => c,
                _ => {
                    let reason = r#"of escapes in quotations only \n, \r, \t, \" and \\ are known"#;
                    return Err(self.error(here, reason));
                }
            });
            // All of them are one byte long.
            self.at += 1;
        }
    }

    /// What an action prints.
    fn piece(
        &self,
        start: usize,
        tokens: Vec<(usize, Token<'a>)>,
    ) -> Result<Piece, InvalidTemplate> {
        let (positions, tokens): (Vec<usize>, Vec<Token<'a>>) = tokens.into_iter().unzip();
        let (word, rest) = match &tokens[..] {
            [] => return Err(self.error(start, "there is nothing between `{{` and `}}`")),
            [Token::Word(word), rest @ ..] => (*word, rest),
            [Token::Operand(operand)] => {
                return Ok(Piece::Value(Function::Print, vec![operand.clone()]));
            }
            [first, ..] => {
                let (at, reason) = match first {
                    Token::Dot => (0, "`.` is printed by `{{json .}}` alone"),
                    Token::Number(_) => (0, "a number needs a function"),
                    _ => (1, "only a function can have something behind it"),
                };
                return Err(self.error(positions[at], reason));
            }
        };
        let Some((name, usage)) = FUNCTIONS.into_iter().find(|(name, _)| *name == word) else {
            let (word, known) = (
                word.escape_debug(),
                FUNCTIONS.map(|(name, _)| name).join(", "),
            );
            let reason = format!("`{word}` is not supported; the functions are {known}");
            return Err(self.error(positions[0], reason));
        };
        let function = match (name, rest) {
            ("json", [Token::Dot]) => return Ok(Piece::Row),
            ("json", [Token::Operand(_)]) => Some(Function::Json),
            ("upper", [Token::Operand(_)]) => Some(Function::Upper),
            ("lower", [Token::Operand(_)]) => Some(Function::Lower),
            ("truncate", [Token::Operand(_), Token::Number(length)]) => {
                Some(Function::Truncate((*length).into()))
            }
            (
                "pad",
                [
                    Token::Operand(_),
                    Token::Number(before),
                    Token::Number(after),
                ],
            ) => Some(Function::Pad((*before).into(), (*after).into())),
            ("print", rest) if rest.iter().all(Token::is_operand) => Some(Function::Print),
            ("println", rest) if rest.iter().all(Token::is_operand) => Some(Function::Println),
            _ => None,
        };
        let misused = || self.error(positions[0], format!("`{name}` is used as in {usage}"));
        let function = function.ok_or_else(misused)?;
        let operands = tokens.into_iter().filter_map(Token::operand);
        Ok(Piece::Value(function, operands.collect()))
    }

    fn error(&self, at: usize, reason: impl Into<String>) -> InvalidTemplate {
        let fields: Vec<_> = self.fields.iter().map(|f| format!(".{}", f.name)).collect();
        InvalidTemplate {
            position: self.text[..at].chars().count() + 1,
            reason: reason.into(),
            fields: fields.join(" "),
        }
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIELDS: [Field; 5] = [
        Field {
            name: "Repository",
            header: "REPOSITORY",
        },
        Field {
            name: "Tag",
            header: "TAG",
        },
        Field {
            name: "ID",
            header: "IMAGE ID",
        },
        Field {
            name: "Digest",
            header: "DIGEST",
        },
        Field {
            name: "Size",
            header: "SIZE",
        },
    ];

    fn row(values: [&str; 5]) -> Vec<String> {
        values.map(str::to_owned).to_vec()
    }

    fn web() -> Vec<String> {
        row(["web", "1.0", "0123456789abcdef", "", "13.5MB"])
    }

    fn printed(text: &str, rows: Vec<Vec<String>>) -> String {
        let template = Template::parse(text, &FIELDS).unwrap();
        let mut out = Vec::new();
        template.render(rows, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_is_a_line() {
        for (template, line) in [
            ("", ""),
            ("plain }} text", "plain }} text"),
            ("{{.Repository}}:{{.Tag}}", "web:1.0"),
            ("{{ .Repository }}:{{\t.Tag  }}", "web:1.0"),
            ("  {{.Tag}}  ", "1.0"),
            (r"{{.Tag}}\t{{.Size}}\n--", "1.0\t13.5MB\n--"),
            (r"\\t\x", "\\\t\\x"),
            ("größe {{.Size}}", "größe 13.5MB"),
            ("{{.Digest}}", ""),
            // Functions.
            ("{{json .Tag}}", r#""1.0""#),
            (r#"{{json "a\"b"}}"#, r#""a\"b""#),
            ("{{upper .Repository}}{{lower .Size}}", "WEB13.5mb"),
            ("{{truncate .ID 12}}", "0123456789ab"),
            ("{{truncate .ID 99}}", "0123456789abcdef"),
            ("{{truncate .ID 0}}", ""),
            (r#"{{truncate "größe" 3}}"#, "grö"),
            ("[{{pad .Tag 1 2}}{{pad .Digest 1 2}}]", "[ 1.0  ]"),
            ("{{print .Repository .Tag}}", "web1.0"),
            ("{{println .Repository .Tag}}.", "web 1.0\n."),
            ("{{println}}", "\n"),
            // Quotations.
            (r#"{{"{{}} \t\n\r\"\\"}}"#, "{{}} \t\n\r\"\\"),
            (r#"{{`"{{\\` }}"#, r#""{{\\"#),
            // Comments and trimming.
            ("a{{/* .Nope }} */}}b", "ab"),
            ("a {{- /* x */ -}} b", "ab"),
            ("a{{/*/ */}}b", "ab"),
            ("a \n{{- .Tag -}}\t b", "a1.0b"),
            (r"a\n{{- .Tag}}{{.Tag -}}\n b", "a1.01.0b"),
            ("a {{.Tag -}} {{- .Tag}} b", "a 1.01.0 b"),
            ("{{.Tag -}} {{.Tag}}", "1.01.0"),
            // Not a table.
            ("tables", "tables"),
        ] {
            assert_eq!(
                printed(template, vec![web()]),
                format!("{line}\n"),
                "{template}"
            );
        }
    }

    #[test]
    fn an_object_has_all_fields_in_order() {
        let rows = vec![
            row(["a\"b", "\u{1b}", "ü", "", "\\"]),
            row(["", "", "", "", ""]),
        ];
        assert_eq!(
            printed("{{json .}}", rows),
            concat!(
                r#"{"Repository":"a\"b","Tag":"\u001b","ID":"ü","Digest":"","Size":"\\"}"#,
                "\n",
                r#"{"Repository":"","Tag":"","ID":"","Digest":"","Size":""}"#,
                "\n",
            )
        );
    }

    #[test]
    fn a_table_has_a_header_and_columns() {
        let rows = || vec![web(), row(["registry/cache", "", "f00", "", ""])];
        for (template, rows, expected) in [
            (
                r"table {{.Repository}}\t{{.Tag}}\t{{.Size}}",
                rows(),
                concat!(
                    "REPOSITORY       TAG       SIZE\n",
                    "web              1.0       13.5MB\n",
                    "registry/cache\n",
                ),
            ),
            (
                "table {{.Tag}}\t{{.ID}}",
                Vec::new(),
                "TAG       IMAGE ID\n",
            ),
            (
                "  table   {{.Repository}}: {{.Tag}}  ",
                rows(),
                "REPOSITORY: TAG\nweb: 1.0\nregistry/cache:\n",
            ),
            ("table{{.Tag}}\t", vec![web()], "TAG\n1.0\n"),
            (
                // Headers stay as they are, but are padded like the values.
                r"table {{lower .Tag}}\t{{json .Size}}\t{{truncate .ID 3}}\t{{pad .Tag 1 0}}.",
                vec![web()],
                concat!(
                    "TAG       SIZE       IMAGE ID    TAG.\n",
                    "1.0       \"13.5MB\"   012         1.0.\n",
                ),
            ),
            (
                "table {{.Tag}}{{println}}{{.Size}}",
                vec![web()],
                "TAG\nSIZE\n1.0\n13.5MB\n",
            ),
            (
                "table {{.Repository}}\t{{.Tag}}",
                vec![row(["größe-größe", "1", "", "", ""])],
                "REPOSITORY    TAG\ngröße-größe   1\n",
            ),
            (
                "table {{.Repository}}\t{{.Tag}}",
                vec![
                    row(["名前空間", "1", "", "", ""]),
                    row(["🦀", "タグ", "", "", ""]),
                ],
                "REPOSITORY   TAG\n名前空間     1\n🦀           タグ\n",
            ),
        ] {
            assert_eq!(printed(template, rows), expected, "{template}");
        }
    }

    #[test]
    fn a_template_knows_what_it_needs() {
        for (template, is_table, digest) in [
            ("", false, false),
            (".Digest {{.ID}}", false, false),
            ("{{.Digest}}", false, true),
            ("{{json .Digest}}", false, true),
            ("{{upper .Digest}}", false, true),
            ("{{println .ID .Digest}}", false, true),
            ("{{/* .Digest */}}", false, false),
            ("{{json .}}", false, true),
            ("table {{.ID}}", true, false),
            (r"table {{.ID}}\t{{truncate .Digest 3}}", true, true),
        ] {
            let parsed = Template::parse(template, &FIELDS).unwrap();
            assert_eq!(parsed.is_table, is_table, "{template}");
            assert_eq!(parsed.mentions("Digest"), digest, "{template}");
            assert!(!parsed.mentions("Nope"), "{template}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_place() {
        for (template, position, reason) in [
            ("{{", 1, "never closed"),
            ("ü {{.ID", 3, "never closed"),
            ("{{.ID}", 6, "`}` cannot stand here"),
            ("{{}}", 1, "nothing between"),
            ("{{-}}", 1, "needs a blank behind"),
            ("{{-.ID}}", 1, "needs a blank behind"),
            ("{{.ID-}}", 6, "needs a blank before"),
            ("{{/* x }}", 3, "comment is never closed"),
            ("{{/* x */ .ID}}", 11, "a comment must be all"),
            ("  {{.Nope}}", 5, "no field `.Nope`"),
            ("table {{.id}}", 9, "no field `.id`"),
            ("{{.}}", 3, "{{json .}}"),
            ("{{.ID.Tag}}", 6, "a blank is missing"),
            ("{{.ID .Tag}}", 7, "only a function"),
            ("{{if .ID}}x{{end}}", 3, "`if` is not supported"),
            ("{{range .}}", 3, "`range` is not supported"),
            ("{{split .ID \":\"}}", 3, "the functions are json, upper"),
            ("{{.ID | upper}}", 7, "pipes are not supported"),
            ("{{(.ID)}}", 3, "`(` cannot stand here"),
            ("{{$x}}", 3, "`$` cannot stand here"),
            ("{{\x1b}}", 3, r"`\u{1b}` cannot stand here"),
            ("{{12}}", 3, "a number needs a function"),
            ("{{upper}}", 3, "{{upper .Field}}"),
            ("{{upper .}}", 3, "{{upper .Field}}"),
            ("{{upper .ID .Tag}}", 3, "{{upper .Field}}"),
            ("{{json}}", 3, "{{json .}}"),
            ("{{truncate .ID}}", 3, "{{truncate .Field 12}}"),
            ("{{truncate 12 .ID}}", 3, "{{truncate .Field 12}}"),
            ("{{truncate .ID -1}}", 16, "`-` cannot stand here"),
            ("{{truncate .ID 70000}}", 16, "from 0 to 65535"),
            ("{{truncate .ID 1x}}", 16, "from 0 to 65535"),
            ("{{pad .ID 1 1 1}}", 3, "{{pad .Field 1 1}}"),
            ("{{print .}}", 3, "{{print .Field}}"),
            ("{{\"abc}}", 3, "quotation is never closed"),
            ("{{`abc}}", 3, "quotation is never closed"),
            (r#"{{"a\q"}}"#, 5, "of escapes"),
            (r#"{{"a\"#, 5, "of escapes"),
            ("table", 6, "needs columns"),
            ("table ", 6, "needs columns"),
        ] {
            let error = Template::parse(template, &FIELDS).unwrap_err().to_string();
            let start = format!("invalid template, character {position}: ");
            assert!(error.starts_with(&start), "{template}: {error}");
            assert!(error.contains(reason), "{template}: {error}");
            assert!(
                error.ends_with("; the fields are .Repository .Tag .ID .Digest .Size"),
                "{error}"
            );
            assert!(!error.contains(char::is_control), "{error}");
        }
    }

    #[test]
    fn a_row_that_is_too_short_prints_nothing_for_the_rest() {
        assert_eq!(printed("{{.Tag}}.", vec![Vec::new()]), ".\n");
    }

    /// Texts made of what means something in a template.
    fn tricky() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => prop::sample::select(vec![
                "{{", "}}", "-", " ", "\n", r"\t", "/*", "*/", ".", ".ID", ".Nope", "json", "upper",
                "truncate", "pad", "println", "12", "\"", "`", "\\", "table", "|", "(", "ü", "if",
            ])
            .prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_template_panics_and_no_error_has_two_lines(text in tricky()) {
            match Template::parse(&text, &FIELDS) {
                Ok(template) => {
                    let mut out = Vec::new();
                    template.render(vec![web(), web()], &mut out).unwrap();
                    prop_assert!(out.ends_with(b"\n"));
                }
                Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
            }
        }

        #[test]
        fn text_without_braces_is_printed_as_it_is(text in "[a-z(|$.\"`}-]{1,20}") {
            prop_assume!(!text.starts_with("table"));
            prop_assert_eq!(printed(&text, vec![web()]), format!("{text}\n"));
        }

        #[test]
        fn columns_of_a_table_stand_below_each_other(
            rows in prop::collection::vec(prop::array::uniform5("[a-zü]{1,30}"), 0..6),
        ) {
            let rows = rows.into_iter().map(Vec::from).collect();
            let text = printed("table {{.Repository}}\t{{.Tag}}", rows);
            let starts = text.lines().map(|line| {
                let line: Vec<_> = line.chars().collect();
                line.iter().rposition(|c| *c == ' ').unwrap() + 1
            });
            let starts: std::collections::BTreeSet<_> = starts.collect();
            prop_assert_eq!(starts.len(), 1);
            prop_assert!(starts.iter().all(|start| *start >= COLUMN_WIDTH));
        }
    }
}
