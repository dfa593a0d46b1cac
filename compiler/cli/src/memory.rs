//! `memory.x`: which memory a machine has, in the words of its linker script: `MEMORY { FLASH : ORIGIN = 0x08000000, LENGTH = 256K }`.

use std::collections::HashMap;

/// A part of the machine's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// As the script calls it.
    pub(crate) name: String,
    /// Its first address.
    pub(crate) origin: u64,
    /// Its bytes.
    pub(crate) length: u64,
}

/// What a script says of memory; sections and symbols are passed over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    regions: Vec<Region>,
    aliases: HashMap<String, String>,
}

impl Memory {
    /// Of a script's text.
    ///
    /// # Errors
    /// The line, and what cannot be read there.
    pub(crate) fn read(script: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(script)?, at: 0, symbols: HashMap::new(), memory: Self::default() };
        parser.script()?;
        if parser.memory.regions.is_empty() {
            return Err("no `MEMORY { FLASH : ORIGIN = ..., LENGTH = ... }` in it".to_owned());
        }
        Ok(parser.memory)
    }

    /// Where code and constants lie: `FLASH`, or what stands for it.
    ///
    /// # Errors
    /// None is called so.
    pub(crate) fn flash(&self) -> Result<&Region, String> {
        self.named(&["FLASH", "REGION_RODATA", "REGION_TEXT", "ROM"])
    }

    /// Where variables and the stack lie: `RAM`, or what stands for it.
    ///
    /// # Errors
    /// None is called so.
    pub(crate) fn ram(&self) -> Result<&Region, String> {
        self.named(&["RAM", "REGION_BSS", "REGION_DATA", "SRAM", "DRAM"])
    }

    fn named(&self, names: &[&str]) -> Result<&Region, String> {
        let find = |name: &str| self.regions.iter().find(|region| region.name.eq_ignore_ascii_case(name));
        let found = names.iter().find_map(|name| find(name).or_else(|| find(self.aliases.get(*name)?)));
        found.ok_or_else(|| {
            let all: Vec<&str> = self.regions.iter().map(|region| &*region.name).collect();
            format!("no region {} in it, but {}", names[0], all.join(", "))
        })
    }
}

/// A word, a number or a sign, and its line.
type Token = (String, usize);

fn tokens(script: &str) -> Result<Vec<Token>, String> {
    let (mut all, mut line, mut rest) = (Vec::new(), 1, script);
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_.$".contains(c);
    while let Some(first) = rest.chars().next() {
        let len = if let Some(comment) = rest.strip_prefix("/*") {
            4 + comment.find("*/").ok_or_else(|| format!("line {line}: the comment has no end"))?
        } else if let Some(comment) = rest.strip_prefix("//") {
            let _ = comment;
            return Err(format!("line {line}: `//` is no comment for linkers: write /* ... */"));
        } else if first == '#' {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(text) = rest.strip_prefix('"') {
            let end = text.find('"').ok_or_else(|| format!("line {line}: the text has no end"))?;
            all.push((text[..end].to_owned(), line));
            end + 2
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            all.push((rest[..end].to_owned(), line));
            end
        } else {
            if !first.is_whitespace() {
                all.push((first.to_string(), line));
            }
            first.len_utf8()
        };
        line += rest[..len].matches('\n').count();
        rest = &rest[len..];
    }
    Ok(all)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    symbols: HashMap<String, u64>,
    memory: Memory,
}

impl Parser {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(|(text, _)| &**text)
    }

    fn next(&mut self, wanted: &str) -> Result<String, String> {
        let Some((text, _)) = self.tokens.get(self.at).cloned() else {
            return Err(format!("it ends where {wanted} is expected"));
        };
        self.at += 1;
        Ok(text)
    }

    fn is(&mut self, sign: &str) -> bool {
        let is = self.peek() == Some(sign);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        match self.next(&format!("`{sign}`"))? {
            text if text == sign => Ok(()),
            text => Err(self.wrong(&format!("`{sign}` is expected in place of `{text}`"))),
        }
    }

    /// A problem with the token before.
    fn wrong(&self, what: &str) -> String {
        let line = self.tokens.get(self.at.saturating_sub(1)).map_or(0, |(_, line)| *line);
        format!("line {line}: {what}")
    }

    fn script(&mut self) -> Result<(), String> {
        while let Some(text) = self.peek().map(str::to_owned) {
            let follows = |text: &str| self.tokens.get(self.at + 1).is_some_and(|(next, _)| next == text);
            match &*text {
                "MEMORY" if follows("{") => {
                    self.at += 2;
                    while !self.is("}") {
                        self.region()?;
                    }
                }
                "REGION_ALIAS" => {
                    self.at += 1;
                    self.expect("(")?;
                    let alias = self.next("a name")?;
                    self.expect(",")?;
                    let region = self.next("a region")?;
                    self.expect(")")?;
                    self.memory.aliases.insert(alias, region);
                }
                "INCLUDE" => {
                    self.at += 1;
                    return Err(self.wrong("INCLUDE is not followed: give the file with the MEMORY itself"));
                }
                name if follows("=") => {
                    let from = self.at;
                    self.at += 2;
                    // What hangs on addresses that only the linker knows is not needed here.
                    match self.sum() {
                        Ok(value) if self.peek() == Some(";") => _ = self.symbols.insert(name.to_owned(), value),
                        _ => self.at = from,
                    }
                    self.skip()?;
                }
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    /// Passes over a statement: to its semicolon, or behind its braces.
    fn skip(&mut self) -> Result<(), String> {
        let mut depth = 0_usize;
        loop {
            match &*self.next("the end of a statement")? {
                "{" => depth += 1,
                "}" if depth <= 1 => return Ok(()),
                "}" => depth -= 1,
                ";" if depth == 0 => return Ok(()),
                _ if depth == 0 && self.peek().is_none() => return Ok(()),
                _ => {}
            }
        }
    }

    /// `NAME (attributes) : ORIGIN = a, LENGTH = b`.
    fn region(&mut self) -> Result<(), String> {
        let name = self.next("a region or `}`")?;
        if name == "INCLUDE" {
            return Err(self.wrong("INCLUDE is not followed: give the file with the MEMORY itself"));
        }
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || "_.$".contains(c)) {
            return Err(self.wrong(&format!("`{name}` is no name of a region")));
        }
        if self.memory.regions.iter().any(|region| region.name == name) {
            return Err(self.wrong(&format!("there are two regions {name}")));
        }
        if self.is("(") {
            while self.next("`)`")? != ")" {}
        }
        self.expect(":")?;
        let origin = self.field(&name, &["ORIGIN", "org", "o"])?;
        self.expect(",")?;
        let length = self.field(&name, &["LENGTH", "len", "l"])?;
        // Some write one more.
        self.is(",");
        self.memory.regions.push(Region { name, origin, length });
        Ok(())
    }

    fn field(&mut self, region: &str, words: &[&str]) -> Result<u64, String> {
        let word = self.next(words[0])?;
        if !words.contains(&&*word) {
            return Err(self.wrong(&format!("{} of {region} is expected in place of `{word}`", words[0])));
        }
        self.expect("=")?;
        self.sum()
    }

    fn sum(&mut self) -> Result<u64, String> {
        let mut value = self.product()?;
        loop {
            value = if self.is("+") {
                value.checked_add(self.product()?)
            } else if self.is("-") {
                value.checked_sub(self.product()?)
            } else {
                return Ok(value);
            }
            .ok_or_else(|| self.wrong("the sum is below zero or too large"))?;
        }
    }

    fn product(&mut self) -> Result<u64, String> {
        let mut value = self.term()?;
        loop {
            value = if self.is("*") {
                value.checked_mul(self.term()?)
            } else if self.is("/") {
                value.checked_div(self.term()?)
            } else {
                return Ok(value);
            }
            .ok_or_else(|| self.wrong("the product is too large, or divided by zero"))?;
        }
    }

    fn term(&mut self) -> Result<u64, String> {
        let text = self.next("a number")?;
        if text == "(" {
            let value = self.sum()?;
            self.expect(")")?;
            return Ok(value);
        }
        if ["ORIGIN", "LENGTH"].contains(&&*text) {
            self.expect("(")?;
            let name = self.next("a region")?;
            self.expect(")")?;
            let region = self.memory.regions.iter().find(|region| region.name == name);
            let value = region.map(|region| if text == "ORIGIN" { region.origin } else { region.length });
            return value.ok_or_else(|| self.wrong(&format!("there is no region {name} before it")));
        }
        if let Some(value) = self.symbols.get(&text) {
            return Ok(*value);
        }
        number(&text).ok_or_else(|| self.wrong(&format!("`{text}` is no number: write one as 0x40000, 262144 or 256K")))
    }
}

/// Hexadecimal, octal or decimal, K and M for 2^10 and 2^20.
fn number(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 1 << 10),
        b'M' | b'm' => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(script: &str) -> Result<Vec<(String, u64, u64)>, String> {
        Memory::read(script).map(|m| m.regions.into_iter().map(|r| (r.name, r.origin, r.length)).collect())
    }

    #[test]
    fn regions_as_linkers_read_them() {
        let script = "/* A board\n of two banks */\nFLASH_SIZE = 1M - 16K;\nMEMORY\n{\n  FLASH (rx) : ORIGIN = 0x08000000 + 16K, LENGTH = FLASH_SIZE\n\
            # CCM, too\n  CCMRAM : org = 0x10000000, len = 64K,\n  RAM (!rx) : o = 0x20000000, l = (0400 + 256) * 2 / 4 + LENGTH(CCMRAM)\n}\n\
            _stack_start = ORIGIN(RAM) + LENGTH(RAM);\nSECTIONS { .x : { *(.x); } > CCMRAM }\nPROVIDE(_end = .);\n";
        let wanted = [
            ("FLASH", 0x0800_4000, (1 << 20) - (16 << 10)),
            ("CCMRAM", 0x1000_0000, 65_536),
            ("RAM", 0x2000_0000, 256 + 65_536),
        ];
        assert_eq!(
            regions(script),
            Ok(wanted.map(|(name, origin, length)| (name.to_owned(), origin, length)).to_vec())
        );
        let memory = Memory::read(script).unwrap();
        assert_eq!((memory.flash().unwrap().length, memory.ram().unwrap().length), (1_032_192, 65_792));
        // Of RISC-V's start-up code: parts of memory by another name.
        let script = "MEMORY { L2 : ORIGIN = 0, LENGTH = 1K XIP : ORIGIN = 4K, LENGTH = 2k }\nREGION_ALIAS(\"REGION_TEXT\", XIP);\n\
            REGION_ALIAS(\"REGION_BSS\", L2);";
        let memory = Memory::read(script).unwrap();
        assert_eq!((memory.flash().unwrap().length, memory.ram().unwrap().length), (2048, 1024));
        assert_eq!(
            Memory::read("MEMORY { A : ORIGIN = 0, LENGTH = 1 }").unwrap().ram().unwrap_err(),
            "no region RAM in it, but A"
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        for (script, wanted) in [
            ("", "no `MEMORY"),
            ("MEMORY\n{ FLASH : ORIGIN = 0,\nLENGTH = 256KB }", "line 3: `256KB` is no number"),
            ("MEMORY { FLASH : ORIGIN = 0 LENGTH = 1K }", "line 1: `,` is expected in place of `LENGTH`"),
            ("MEMORY { FLASH : LENGTH = 1K, ORIGIN = 0 }", "ORIGIN of FLASH is expected in place of `LENGTH`"),
            ("MEMORY { FLASH : ORIGIN = 0, LENGTH = 1K", "it ends where a region or `}` is expected"),
            ("MEMORY { FLASH ORIGIN = 0, LENGTH = 1K }", "`:` is expected in place of `ORIGIN`"),
            ("MEMORY { A : ORIGIN = 0, LENGTH = 1K A : ORIGIN = 0, LENGTH = 1K }", "two regions A"),
            ("MEMORY { A : ORIGIN = 0, LENGTH = SIZE }", "`SIZE` is no number"),
            ("MEMORY { A : ORIGIN = 0, LENGTH = 1 - 2 }", "below zero"),
            ("MEMORY { A : ORIGIN = 0, LENGTH = 1 / 0 }", "divided by zero"),
            ("MEMORY { A : ORIGIN = 0, LENGTH = LENGTH(B) }", "no region B"),
            ("MEMORY { A : ORIGIN = 0, LENGTH = 0xffffffffffffffffM }", "is no number"),
            ("MEMORY { 1 : ORIGIN = 0, LENGTH = 1 }", "`1` is no name"),
            ("\nINCLUDE device.x", "line 2: INCLUDE is not followed"),
            ("\n\n// board\nMEMORY { }", "line 3: `//` is no comment"),
            ("/* MEMORY { }", "line 1: the comment has no end"),
            ("MEMORY { }", "no `MEMORY"),
        ] {
            let problem = regions(script).unwrap_err();
            assert!(problem.contains(wanted), "{script}: {problem}");
        }
    }
}
