//! JSON texts as trees of slices: every value keeps its spelling and its place.

/// A value of a text.
pub(super) struct Node<'a> {
    /// Where it begins.
    pub(super) start: usize,
    /// The value as written.
    pub(super) text: &'a str,
    pub(super) inner: Inner<'a>,
}

/// What is in a value.
pub(super) enum Inner<'a> {
    Scalar,
    Array(Vec<Node<'a>>),
    Object(Vec<Member<'a>>),
}

/// A member of an object.
pub(super) struct Member<'a> {
    /// Where it begins: its name's quote.
    pub(super) start: usize,
    /// Its name as written, without quotes.
    pub(super) name: &'a str,
    pub(super) value: Node<'a>,
}

impl<'a> Node<'a> {
    /// Just behind it.
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// The member of an object whose name is written like this.
    pub(super) fn get(&self, name: &str) -> Option<&Node<'a>> {
        let Inner::Object(members) = &self.inner else { return None };
        members.iter().find(|member| member.name == name).map(|member| &member.value)
    }

    /// The items of what is an array; what is none has none.
    pub(super) fn items(&self) -> &[Node<'a>] {
        if let Inner::Array(items) = &self.inner { items } else { &[] }
    }
}

/// The tree of a whole text.
///
/// # Panics
/// When the text is not JSON.
pub(super) fn parse(text: &str) -> Node<'_> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.value();
    reader.space();
    assert_eq!(reader.at, text.len(), "something follows the value of {text}");
    node
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Node<'a> {
        self.space();
        let start = self.at;
        let inner = match self.peek() {
            b'{' => Inner::Object(self.items(b'}', |reader| {
                let start = reader.at;
                reader.string();
                let name = &reader.text[start + 1..reader.at - 1];
                reader.expect(b':');
                Member { start, name, value: reader.value() }
            })),
            b'[' => Inner::Array(self.items(b']', Self::value)),
            b'"' => {
                self.string();
                Inner::Scalar
            }
            _ => {
                let rest = &self.text[start..];
                self.at += rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c))
                    .unwrap_or(rest.len());
                assert!(self.at > start, "no value at {start} of {}", self.text);
                Inner::Scalar
            }
        };
        Node { start, text: &self.text[start..self.at], inner }
    }

    fn items<T>(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        while self.peek() != close {
            if !items.is_empty() {
                self.expect(b',');
                self.space();
            }
            items.push(item(self));
            self.space();
        }
        self.at += 1;
        items
    }

    fn string(&mut self) {
        self.expect(b'"');
        while self.peek() != b'"' {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
    }

    fn expect(&mut self, byte: u8) {
        self.space();
        assert_eq!(self.peek(), byte, "at {} of {}", self.at, self.text);
        self.at += 1;
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn peek(&self) -> u8 {
        *self.text.as_bytes().get(self.at).unwrap_or(&0)
    }
}
