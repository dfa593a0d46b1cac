//! As much of ELF files as sizes and frames need: sections, symbols, relocations; 32 or 64 bits, either order of bytes.

use std::collections::HashMap;

/// A file.
pub(super) struct Elf<'a> {
    bytes: &'a [u8],
    wide: bool,
    big: bool,
    sections: Vec<Section>,
}

#[derive(Clone, Debug)]
struct Section {
    kind: u64,
    flags: u64,
    at: usize,
    size: usize,
    link: usize,
    info: usize,
    name: usize,
}

const SYMBOLS: u64 = 2;
const RELOCATIONS: [u64; 2] = [4, 9];
const WRITABLE: u64 = 1;
const LOADED: u64 = 2;

impl<'a> Elf<'a> {
    /// Of its bytes; `None` where they are no such file.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.get(..4)? != b"\x7fELF" {
            return None;
        }
        let mut elf = Self { bytes, wide: bytes.get(4)? == &2, big: bytes.get(5)? == &2, sections: Vec::new() };
        let (table, sizes) = if elf.wide { (40, 58) } else { (32, 46) };
        let (table, size, count) = (elf.word(table)?, elf.half(sizes)?, elf.half(sizes + 2)?);
        for index in 0..count {
            let at = table + index * size;
            let word = |i32: usize, i64: usize| elf.word(at + if elf.wide { i64 } else { i32 });
            let int = |i32: usize, i64: usize| elf.int(at + if elf.wide { i64 } else { i32 });
            let section = Section {
                name: int(0, 0)?,
                kind: int(4, 4)? as u64,
                flags: word(8, 8)? as u64,
                at: word(16, 24)?,
                size: word(20, 32)?,
                link: int(24, 40)?,
                info: int(28, 44)?,
            };
            elf.sections.push(section);
        }
        Some(elf)
    }

    /// An integer of `size` bytes.
    fn read(&self, at: usize, size: usize) -> Option<usize> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        let value = if self.big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) };
        usize::try_from(value).ok()
    }

    fn half(&self, at: usize) -> Option<usize> {
        self.read(at, 2)
    }

    fn int(&self, at: usize) -> Option<usize> {
        self.read(at, 4)
    }

    /// As wide as an address.
    fn word(&self, at: usize) -> Option<usize> {
        self.read(at, if self.wide { 8 } else { 4 })
    }

    /// Bytes of what is loaded and never written, without tables for unwinding, which start-up code leaves out.
    pub(super) fn only_read(&self) -> u64 {
        let is_read = |s: &&Section| s.flags & (WRITABLE | LOADED) == LOADED;
        let unwinds = |name: &[u8]| name.starts_with(b".eh_frame") || name.starts_with(b".ARM.ex");
        let read = self.sections.iter().filter(is_read).filter(|section| !unwinds(self.name(section)));
        read.map(|section| section.size as u64).sum()
    }

    /// By index: the section that a symbol is of.
    fn symbols(&self) -> impl Iterator<Item = (usize, usize, &Section)> {
        let size = if self.wide { 24 } else { 16 };
        let tables = self.sections.iter().filter(|section| section.kind == SYMBOLS);
        tables.flat_map(move |table| {
            (0..table.size / size).filter_map(move |index| {
                let at = table.at + index * size;
                Some((self.int(at)?, self.half(at + if self.wide { 6 } else { 14 })?, table))
            })
        })
    }

    /// The section of a symbol.
    pub(super) fn section_of(&self, name: &str) -> Option<usize> {
        let is = |name_at: usize, table: &Section| {
            let from = self.sections.get(table.link)?.at + name_at;
            let bytes = self.bytes.get(from..from + name.len() + 1)?;
            (bytes.strip_suffix(b"\0") == Some(name.as_bytes())).then_some(())
        };
        self.symbols().find_map(|(at, section, table)| is(at, table).map(|()| section))
    }

    /// Which sections each section refers to.
    pub(super) fn references(&self) -> HashMap<usize, Vec<usize>> {
        let sections: Vec<usize> = self.symbols().map(|(_, section, _)| section).collect();
        let mut all: HashMap<usize, Vec<usize>> = HashMap::new();
        for table in self.sections.iter().filter(|section| RELOCATIONS.contains(&section.kind)) {
            let words = if table.kind == RELOCATIONS[0] { 3 } else { 2 };
            let size = words * if self.wide { 8 } else { 4 };
            let to = all.entry(table.info).or_default();
            // A function's own table of jumps is no call of it.
            let jumps = self.sections.get(table.info).and_then(|from| self.name(from).strip_prefix(b".rodata"));
            let jumps = |to: usize| jumps.is_some() && self.name(&self.sections[to]).strip_prefix(b".text") == jumps;
            for at in (table.at..table.at + table.size).step_by(size) {
                let symbol = self.word(at + size / words).map(|info| if self.wide { info >> 32 } else { info >> 8 });
                let section = symbol.and_then(|symbol| sections.get(symbol)).filter(|at| **at < self.sections.len());
                to.extend(section.filter(|section| !jumps(**section)));
            }
            to.sort_unstable();
            to.dedup();
        }
        all
    }

    /// Bytes of stack of the functions of each section, the largest, where the compiler has told them.
    pub(super) fn frames(&self) -> Option<HashMap<usize, u64>> {
        let mut frames = HashMap::new();
        for section in self.sections.iter().filter(|section| self.name(section) == b".stack_sizes") {
            let (mut at, end) = (section.at, section.at + section.size);
            while at < end {
                at += if self.wide { 8 } else { 4 };
                let (mut frame, mut shift) = (0, 0);
                loop {
                    let byte = u64::from(*self.bytes.get(at)?);
                    at += 1;
                    frame |= (byte & 127) << shift;
                    shift += 7;
                    if byte < 128 || shift > 56 {
                        break;
                    }
                }
                let most = frames.entry(section.link).or_insert(0);
                *most = frame.max(*most);
            }
        }
        Some(frames)
    }

    /// A section's name; nothing where it has none.
    fn name(&self, section: &Section) -> &[u8] {
        let names = self.half(if self.wide { 62 } else { 50 });
        let table = names.and_then(|index| self.sections.get(index));
        let rest = table.and_then(|table| self.bytes.get(table.at + section.name..)).unwrap_or_default();
        rest.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}
