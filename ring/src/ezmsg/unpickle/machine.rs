//! The stack machine: one pass over the opcodes.

use std::borrow::Cow;

use super::{Callable, Heap, Id, Object, numpy, shown};

/// An entry of the stack.
#[derive(Clone, Copy)]
enum Item {
    Object(Id),
    Mark,
}

struct Machine<'a> {
    rest: &'a [u8],
    heap: Heap<'a>,
    stack: Vec<Item>,
    memo: Vec<Id>,
}

/// Interprets `pickle` to its end. Returns the objects that it made, and the one that it encodes.
pub(super) fn run(pickle: &[u8]) -> Result<(Heap<'_>, Id), String> {
    let mut machine =
        Machine { rest: pickle, heap: Heap { objects: Vec::new(), fields: 0 }, stack: Vec::new(), memo: Vec::new() };
    loop {
        let at = pickle.len() - machine.rest.len();
        let here = |reason: String| format!("{reason} (at byte {at})");
        let [opcode] = machine.array().map_err(here)?;
        if opcode == b'.' {
            let top = machine.pop().map_err(here)?;
            return Ok((machine.heap, top));
        }
        machine.step(opcode).map_err(here)?;
    }
}

impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            0x80 => self.protocol(),
            // FRAME: a length that matters only to decoders that read from a file.
            0x95 => self.array::<8>().map(|_| ()),
            b'(' => self.push_item(Item::Mark),
            b'0' => match self.stack.pop() {
                Some(_) => Ok(()),
                None => Err(EMPTY.to_owned()),
            },
            b'1' => self.pop_to_mark().map(|_| ()),
            b'N' => self.push(Object::None),
            0x88 => self.push(Object::Bool(true)),
            0x89 => self.push(Object::Bool(false)),
            b'K' => self.array().map(|[byte]| i64::from(byte)).and_then(|value| self.push(Object::Integer(value))),
            b'M' => {
                let value = self.array().map(u16::from_le_bytes)?;
                self.push(Object::Integer(value.into()))
            }
            b'J' => {
                let value = self.array().map(i32::from_le_bytes)?;
                self.push(Object::Integer(value.into()))
            }
            0x8a | 0x8b => {
                let length = if opcode == 0x8a { self.length::<1>()? } else { self.length::<4>()? };
                let digits = self.take(length)?;
                self.push(integer(digits))
            }
            b'G' => {
                let value = self.array().map(f64::from_be_bytes)?;
                self.push(Object::Float(value))
            }
            0x8c => self.text::<1>(),
            b'X' => self.text::<4>(),
            0x8d => self.text::<8>(),
            b'C' => self.bytes::<1>(),
            b'B' => self.bytes::<4>(),
            // BINBYTES8 and BYTEARRAY8.
            0x8e | 0x96 => self.bytes::<8>(),
            b')' => self.push(Object::Tuple(Vec::new())),
            0x85..=0x87 => self.short_tuple(usize::from(opcode - 0x84)),
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Object::Tuple(items))
            }
            b']' => self.push(Object::List(Vec::new())),
            b'a' => self.pop().and_then(|item| self.extend_list(vec![item])),
            b'e' => self.pop_to_mark().and_then(|items| self.extend_list(items)),
            b'}' => self.push(Object::Dict(Vec::new())),
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend_dict(vec![key, value])
            }
            b'u' => self.pop_to_mark().and_then(|items| self.extend_dict(items)),
            0x94 => self.memoize(self.memo.len()),
            b'q' => self.length::<1>().and_then(|number| self.memoize(number)),
            b'r' => self.length::<4>().and_then(|number| self.memoize(number)),
            b'h' => self.length::<1>().and_then(|number| self.recall(number)),
            b'j' => self.length::<4>().and_then(|number| self.recall(number)),
            0x93 => {
                let name = self.pop()?;
                let module = self.pop()?;
                let (module, name) = (self.heap.text(module, "a module")?, self.heap.text(name, "a name")?);
                let callable = Callable::of(module, name)?;
                self.push(Object::Callable(callable))
            }
            b'c' => {
                let callable = self.named()?;
                self.push(Object::Callable(callable))
            }
            // INST would call the class.
            b'i' => {
                let callable = self.named()?;
                Err(format!("opcode INST, which makes an instance of {callable:?}, is refused"))
            }
            b'R' => {
                let arguments = self.pop()?;
                let callable = self.pop()?;
                let object = numpy::call(&self.heap, callable, arguments)?;
                self.push(object)
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                numpy::build(&mut self.heap, object, state)
            }
            other => Err(format!("opcode {} is refused", name_of(other))),
        }
    }

    fn protocol(&mut self) -> Result<(), String> {
        match self.array()? {
            [0..=5] => Ok(()),
            [other] => Err(format!("protocol {other}, expected 5 or less")),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| "it ends too early".to_owned())?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    /// A length of `N` bytes; `usize::MAX` if it does not fit, which exceeds any pickle.
    fn length<const N: usize>(&mut self) -> Result<usize, String> {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(&self.array::<N>()?);
        Ok(usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX))
    }

    fn text<const N: usize>(&mut self) -> Result<(), String> {
        let length = self.length::<N>()?;
        // Python encodes a lone surrogate, which is invalid UTF-8.
        let text = String::from_utf8_lossy(self.take(length)?);
        self.push(Object::Text(text))
    }

    fn bytes<const N: usize>(&mut self) -> Result<(), String> {
        let length = self.length::<N>()?;
        let bytes = self.take(length)?;
        self.push(Object::Bytes(bytes))
    }

    /// The callable that two lines of text name.
    fn named(&mut self) -> Result<Callable, String> {
        let mut line = || -> Result<Cow<'a, str>, String> {
            let end = self.rest.iter().position(|&byte| byte == b'\n').ok_or("a name without an end")?;
            let line = self.take(end)?;
            self.take(1)?;
            Ok(String::from_utf8_lossy(line))
        };
        let (module, name) = (line()?, line()?);
        Callable::of(&module, &name)
    }

    fn push(&mut self, object: Object<'a>) -> Result<(), String> {
        let id = self.heap.add(object)?;
        self.push_item(Item::Object(id))
    }

    /// The stack has its own limit, since marks and references make no objects.
    fn push_item(&mut self, item: Item) -> Result<(), String> {
        if self.stack.len() >= super::MAX_OBJECTS {
            return Err("its stack is too deep".to_owned());
        }
        self.stack.push(item);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn top(&self) -> Result<Id, String> {
        match self.stack.last() {
            Some(Item::Object(id)) => Ok(*id),
            Some(Item::Mark) | None => Err(EMPTY.to_owned()),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.stack.iter().rposition(|item| matches!(item, Item::Mark)).ok_or("a mark is missing")?;
        let items = self.stack.drain(mark..).filter_map(|item| match item {
            Item::Object(id) => Some(id),
            Item::Mark => None,
        });
        Ok(items.collect())
    }

    fn short_tuple(&mut self, length: usize) -> Result<(), String> {
        let mut items = (0..length).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.push(Object::Tuple(items))
    }

    fn extend_list(&mut self, items: Vec<Id>) -> Result<(), String> {
        let top = self.top()?;
        match self.heap.get_mut(top) {
            Object::List(list) => {
                list.extend(items);
                Ok(())
            }
            other => Err(format!("it appends to {}", other.kind())),
        }
    }

    fn extend_dict(&mut self, items: Vec<Id>) -> Result<(), String> {
        let top = self.top()?;
        let (pairs, odd) = items.as_chunks::<2>();
        match self.heap.get_mut(top) {
            Object::Dict(_) if !odd.is_empty() => Err("a key without a value".to_owned()),
            Object::Dict(dict) => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            other => Err(format!("it sets an item of {}", other.kind())),
        }
    }

    /// CPython numbers memos consecutively.
    fn memoize(&mut self, number: usize) -> Result<(), String> {
        let top = self.top()?;
        let others = self.memo.len();
        match self.memo.get_mut(number) {
            Some(place) => *place = top,
            None if number == others => self.memo.push(top),
            None => return Err(format!("memo {number} after {others} others")),
        }
        Ok(())
    }

    fn recall(&mut self, number: usize) -> Result<(), String> {
        let id = *self.memo.get(number).ok_or_else(|| format!("there is no memo {number}"))?;
        self.push_item(Item::Object(id))
    }
}

const EMPTY: &str = "it takes more from its stack than the stack holds";

/// Little-endian two's complement of any length.
fn integer<'a>(digits: &[u8]) -> Object<'a> {
    let mut wide = [if digits.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 }; 16];
    let Some(place) = wide.get_mut(..digits.len()) else { return Object::Other("an integer of more than 64 bits") };
    place.copy_from_slice(digits);
    let value = i128::from_le_bytes(wide);
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => Object::Integer(value),
        (_, Ok(value)) => Object::Unsigned(value),
        _ => Object::Other("an integer of more than 64 bits"),
    }
}

/// The name of an opcode that could call, import or refer to something outside the pickle.
fn name_of(opcode: u8) -> String {
    let name = match opcode {
        b'o' => "OBJ",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        b'P' => "PERSID",
        b'Q' => "BINPERSID",
        0x82..=0x84 => "EXT",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        0x8f => "EMPTY_SET",
        0x90 => "ADDITEMS",
        0x91 => "FROZENSET",
        printable @ b'!'..=b'~' => return format!("0x{printable:02x} ({})", shown(&char::from(printable).to_string())),
        _ => "",
    };
    if name.is_empty() { format!("0x{opcode:02x}") } else { format!("{name} (0x{opcode:02x})") }
}
