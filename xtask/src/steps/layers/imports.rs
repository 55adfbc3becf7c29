//! What a Rust file imports from its own crate. This parses only the part of Rust that imports consist of.

/// The imports, re-exports and modules of a file.
#[derive(Debug, Default, PartialEq)]
pub struct Imports {
    /// Imported paths.
    pub paths: Vec<Import>,
    /// Names that the file re-exports (`pub use`), with their paths.
    pub exports: Vec<(String, Import)>,
    /// Modules that are declared only for tests.
    pub tests: Vec<String>,
    /// Declared modules that have files of their own.
    pub modules: Vec<String>,
}

/// A path into the own crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The module that the path starts from.
    pub root: Root,
    pub names: Vec<String>,
}

/// The module that a path starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The crate's root.
    Crate,
    /// The module this many levels above the file; 0 is the file itself.
    Above(usize),
}

impl Imports {
    /// Reads a file.
    pub fn read(source: &str) -> Self {
        let mut reader = Reader { tokens: tokens(source), at: 0, inline: Vec::new(), depth: 0, found: Self::default() };
        reader.run();
        reader.found
    }
}

struct Reader {
    tokens: Vec<String>,
    at: usize,
    /// For each open inline module, the depth of braces at which it begins.
    inline: Vec<usize>,
    depth: usize,
    found: Imports,
}

impl Reader {
    fn run(&mut self) {
        let mut is_public = false;
        while let Some(token) = self.peek(0) {
            match token {
                "#" if self.peek(1) == Some("[") && self.is_for_tests() => {
                    self.skip_attributes();
                    self.skip_item();
                    is_public = false;
                    continue;
                }
                "use" => {
                    self.at += 1;
                    self.tree(&mut Vec::new(), is_public);
                    is_public = false;
                    continue;
                }
                "mod" if self.peek(2) == Some(";") => {
                    let name = self.peek(1).unwrap_or_default().to_owned();
                    if self.inline.is_empty() {
                        self.found.modules.push(name);
                    }
                }
                "mod" if self.peek(2) == Some("{") => {
                    self.inline.push(self.depth);
                }
                "crate" | "super" | "self" if self.peek(1) == Some("::") && self.is_first() => {
                    let path = self.path();
                    self.add(&path);
                    continue;
                }
                "pub" => is_public = true,
                "{" => self.depth += 1,
                "}" => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.inline.last() == Some(&self.depth) {
                        self.inline.pop();
                    }
                }
                "fn" | "struct" | "enum" | "const" | "static" | "type" | "trait" | ";" => is_public = false,
                _ => {}
            }
            self.at += 1;
        }
    }

    fn peek(&self, ahead: usize) -> Option<&str> {
        self.tokens.get(self.at + ahead).map(String::as_str)
    }

    /// Whether a path can begin here: not after another part of a path, and not in a macro's `$crate`.
    fn is_first(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| &*self.tokens[at]);
        !matches!(before, Some("::" | "$"))
    }

    /// The path that begins here.
    fn path(&mut self) -> Vec<String> {
        let mut path = Vec::new();
        while let Some(name) = self.peek(0).filter(|name| is_name(name)) {
            path.push(name.to_owned());
            self.at += 1;
            if self.peek(0) != Some("::") {
                break;
            }
            self.at += 1;
        }
        path
    }

    /// Adds every path of a tree such as `a::{b, c::{self, d as e}, *}`, up to its end.
    fn tree(&mut self, before: &mut Vec<String>, is_public: bool) {
        let length = before.len();
        before.extend(self.path());
        match self.peek(0) {
            Some("{") => {
                self.at += 1;
                while self.peek(0).is_some_and(|token| token != "}") {
                    let begin = self.at;
                    self.tree(before, is_public);
                    if self.peek(0) == Some(",") || self.at == begin {
                        self.at += 1;
                    }
                }
                self.at += 1;
            }
            Some("*") => {
                self.add(before);
                self.at += 1;
            }
            _ => {
                if before.last().is_some_and(|name| name == "self") && before.len() > 1 {
                    before.pop();
                }
                let mut name = before.last().cloned().unwrap_or_default();
                if self.peek(0) == Some("as") {
                    name = self.peek(1).unwrap_or_default().to_owned();
                    self.at += 2;
                }
                self.add(before);
                if let (true, Some(import)) = (is_public && self.inline.is_empty(), self.import(before)) {
                    self.found.exports.push((name, import));
                }
                if self.peek(0) == Some(";") && length == 0 {
                    self.at += 1;
                }
            }
        }
        before.truncate(length);
    }

    fn add(&mut self, path: &[String]) {
        self.found.paths.extend(self.import(path));
    }

    /// The import, if the path leads into this crate or may do so: a plain name may be a module of the file.
    fn import(&self, path: &[String]) -> Option<Import> {
        let above = path.iter().take_while(|name| *name == "super").count();
        let (root, names) = match path.first()?.as_str() {
            "crate" => (Root::Crate, &path[1..]),
            // In an inline module the first `super` is the file itself.
            "super" => (Root::Above(above.checked_sub(self.inline.len())?), &path[above..]),
            "self" if self.inline.is_empty() => (Root::Above(0), &path[1..]),
            _ if self.inline.is_empty() => (Root::Above(0), path),
            _ => return None,
        };
        Some(Import { root, names: names.to_vec() })
    }

    /// Whether the attributes that begin here limit the item to tests: a `cfg` that contains `test` or `loom`, but not
    /// `not`.
    fn is_for_tests(&self) -> bool {
        let mut at = self.at;
        while self.tokens.get(at).is_some_and(|token| token == "#") {
            let end = self.closing(at + 1);
            let attribute = &self.tokens[at..end];
            let has = |word: &str| attribute.iter().any(|token| token == word);
            if attribute.get(2).is_some_and(|word| word == "cfg") && (has("test") || has("loom")) && !has("not") {
                return true;
            }
            at = end;
        }
        false
    }

    fn skip_attributes(&mut self) {
        while self.peek(0) == Some("#") {
            self.at = self.closing(self.at + 1);
        }
    }

    /// Skips an item: up to its `;`, or to the end of its braces.
    fn skip_item(&mut self) {
        let mut words = Vec::new();
        while let Some(token) = self.peek(0) {
            let (next, is_last) = match token {
                // A comma ends a field, a variant or an expression.
                ";" | "," => (self.at + 1, true),
                "{" => (self.closing(self.at), true),
                "}" => (self.at, true),
                "(" | "[" => (self.closing(self.at), false),
                word => {
                    words.push(word.to_owned());
                    (self.at + 1, false)
                }
            };
            self.at = next;
            if is_last {
                break;
            }
        }
        if let Some(index) = words.iter().position(|word| word == "mod") {
            self.found.tests.extend(words.get(index + 1).cloned());
        }
    }

    /// The index after the bracket that closes the one at `at`.
    fn closing(&self, at: usize) -> usize {
        let mut depth = 0_usize;
        for (index, token) in self.tokens.iter().enumerate().skip(at) {
            match token.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return index + 1;
            }
        }
        self.tokens.len()
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c == '_' || c.is_alphabetic()) && !matches!(token, "as")
}

/// Names, `::` and single characters of punctuation. Comments and literals are left out.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if let Some(length) = skipped(rest) {
            length
        } else if first == '_' || first.is_alphabetic() {
            let length = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            tokens.push(rest[..length].to_owned());
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// Length of the space, comment, string, character, lifetime or number at the beginning of `rest`, if there is one.
fn skipped(rest: &str) -> Option<usize> {
    let first = rest.chars().next()?;
    if first.is_whitespace() {
        return Some(first.len_utf8());
    }
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if first.is_ascii_digit() {
        return Some(rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()));
    }
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let after = rest.strip_prefix(prefix).unwrap_or_default();
        after.starts_with('"') || (prefix.ends_with('r') && after.trim_start_matches('#').starts_with('"'))
    });
    if let Some(prefix) = prefix {
        let text = &rest[prefix.len()..];
        let hashes = text.len() - text.trim_start_matches('#').len();
        return Some(if prefix.ends_with('r') {
            raw_text(rest, prefix.len(), hashes)
        } else {
            text_end(rest, prefix.len())
        });
    }
    if first == '\'' {
        return Some(character(rest));
    }
    None
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..rest.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// End of a raw string with `hashes` number signs around it.
fn raw_text(rest: &str, prefix: usize, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    let begin = prefix + hashes + 1;
    rest[begin..].find(&end).map_or(rest.len(), |length| begin + length + end.len())
}

/// End of a string in which a backslash escapes the next character.
fn text_end(rest: &str, prefix: usize) -> usize {
    let mut is_escaped = false;
    for (at, sign) in rest.char_indices().skip(prefix + 1) {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// End of a character literal, or of the quote of a lifetime.
fn character(rest: &str) -> usize {
    let mut signs = rest.char_indices().skip(1);
    match (signs.next(), signs.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            rest[from..].find('\'').map_or(rest.len(), |length| from + length + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(root: Root, path: &str) -> Import {
        Import { root, names: path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect() }
    }

    fn of_crate(source: &str) -> Vec<String> {
        let paths = Imports::read(source).paths.into_iter();
        paths.filter(|path| path.root == Root::Crate).map(|path| path.names.join("::")).collect()
    }

    #[test]
    fn every_path_of_a_use_tree_is_found() {
        let source = "use crate::a::{self, b::{C, D as E}, f::*};\npub(crate) use crate::g;\nuse std::fmt;";
        assert_eq!(of_crate(source), ["a", "a::b::C", "a::b::D", "a::f", "g"]);
    }

    #[test]
    fn paths_in_the_code_are_found_and_those_in_comments_and_strings_are_not() {
        let source = r##"
            //! crate::no
            /* crate::no /* crate::no */ crate::no */
            fn f<'a>(x: &'a crate::a::B) -> char {
                let text = "crate::no \" crate::no";
                let raw = r#"crate::no " crate::no"#;
                let c = ('"', '\'', '\u{41}', b'"', 'x');
                let number = 1e3 + 0x1f_u32;
                macro_rules! m { () => { $crate::no() } }
                crate::c::d(crate::e::F { .. });
                pub(crate) fn g() {}
            }"##;
        assert_eq!(of_crate(source), ["a::B", "c::d", "e::F"]);
    }

    #[test]
    fn items_that_are_only_for_tests_are_left_out() {
        let source = "
            #[cfg(test)] mod tests { use crate::no; fn f() { if true { crate::no(); } } }
            #[cfg(all(test, unix))] #[path = \"x.rs\"] mod more;
            #[cfg(loom)] use crate::no;
            #[cfg(not(loom))] use crate::a;
            #[cfg(unix)] use crate::b;
            mod inner;";
        let found = Imports::read(source);
        assert_eq!(of_crate(source), ["a", "b"]);
        assert_eq!((found.tests, found.modules), (vec!["tests".into(), "more".into()], vec!["inner".into()]));
    }

    #[test]
    fn super_is_counted_from_the_file_and_not_from_an_inline_module() {
        let source = "
            use super::a::B;
            use super::super::c;
            use self::d::E;
            use f::G;
            mod inside { use super::h; use super::super::i; use j::K; }
            use super::l;";
        let expected = [
            import(Root::Above(1), "a::B"),
            import(Root::Above(2), "c"),
            import(Root::Above(0), "d::E"),
            import(Root::Above(0), "f::G"),
            import(Root::Above(0), "h"),
            import(Root::Above(1), "i"),
            import(Root::Above(1), "l"),
        ];
        assert_eq!(Imports::read(source).paths, expected);
    }

    #[test]
    fn a_re_exported_name_is_known_by_its_new_name() {
        let found = Imports::read("pub use a::{B, C as D};\nuse e::F;\npub(crate) use crate::g::H;");
        let expected = [
            ("B".to_owned(), import(Root::Above(0), "a::B")),
            ("D".to_owned(), import(Root::Above(0), "a::C")),
            ("H".to_owned(), import(Root::Crate, "g::H")),
        ];
        assert_eq!(found.exports, expected);
    }
}
