//! Untrusted text on a terminal: a stream's name, labels and attributes are any text that its writer chose.

use unicode_width::UnicodeWidthChar;

/// `text` with control characters and invisible marks as escapes: it can neither move the cursor nor colour the screen.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() || is_invisible(char) {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// As [`printable`], between double quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", printable(text))
}

/// Marks that are invisible, or change the direction of the text that follows.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Columns that `text` takes on a terminal.
pub fn width(text: &str) -> usize {
    text.chars().map(|char| char.width().unwrap_or(0)).sum()
}

/// The beginning of `text` that takes at most `columns`, ending in `…` if something is left out.
pub fn shortened(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 1;
    for char in text.chars() {
        used += char.width().unwrap_or(0);
        if used > columns {
            break;
        }
        shown.push(char);
    }
    if columns > 0 {
        shown.push('…');
    }
    shown
}

/// `text` in lines of at most `columns` each; a longer word has a line of its own.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_marks_of_direction_are_escaped() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(printable("\u{202e}gpj.exe\u{9b}"), "\\u{202e}gpj.exe\\u{9b}");
        assert_eq!(printable("größe 脳波"), "größe 脳波");
    }

    #[test]
    fn text_is_cut_to_columns_not_to_bytes() {
        assert_eq!(shortened("größe", 5), "größe");
        assert_eq!(shortened("größen", 5), "größ…");
        assert_eq!(shortened("脳波計", 4), "脳…");
        assert_eq!((width("脳波"), width("µV"), shortened("ab", 0)), (4, 2, String::new()));
    }

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrapped("all in one, colours", 10), ["all in", "one,", "colours"]);
        assert_eq!(wrapped("脳波 µV immeasurable x", 7), ["脳波 µV", "immeasurable", "x"]);
        assert_eq!(wrapped("", 7), [""; 0]);
    }
}
