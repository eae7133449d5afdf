//! The ledger's plain words: a cell, a record's number, a gate's word, a ticket, a stamp.
//!
//! Each is a small value that fits a machine word and that threads exchange through shared memory.
//! Every other part of the ledger depends on these; these depend on `limits` only.

use super::limits::{Limit, RECORD_BITS, Width};

/// Names a cell by its number, the position of its gate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Cell(u32);

/// Cell numbers fit the tokens of unstamped records.
const CELL_BITS: u32 = 28;
const _: () = assert!(Cell::LIMIT <= 1 << CELL_BITS);

/// All cells fit either of the common widths, and leave as many records to the changes in progress (I19).
const _: () = assert!(Width::Narrowest.half() >= Cell::LIMIT && Width::W1.half() == Cell::LIMIT);

impl Cell {
    /// Bounds the number of cells. Each has a version in force, which leaves as many records of its
    /// width to the changes in progress, if that is a common width. Small in the crate's own tests, which use up all
    /// cells.
    pub(crate) const LIMIT: u32 = if cfg!(test) { 1 << 12 } else { 1 << 26 };

    pub(crate) fn new(number: u32) -> Cell {
        Cell(number)
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// Returns the `offset`th cell of the run that begins with this cell.
    pub(crate) fn sibling(self, offset: u32) -> Cell {
        Cell(self.0.wrapping_add(offset))
    }
}

/// Names a record: a width in unary, and a position among the records of that width. In the narrowest
/// width, the number is the position.
///
/// ```text
/// 0 | position 28         the narrowest width
/// 10 | position 27        the next
///  ...
/// 1111110 | position 21   the widest but one
/// 1111111 | position 21   the widest
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordNumber(u32);

/// A [`Limit`] is as wide as a cell or a record's number, so that a result of either stays in
/// registers.
const _: () = assert!(size_of::<Limit>() == size_of::<RecordNumber>());

impl RecordNumber {
    /// Names the record that no thread ever writes to, and that has no payload.
    pub(crate) const NONE: RecordNumber = RecordNumber(0);

    #[inline]
    pub(in crate::ledger) fn new(width: Width, position: u32) -> Self {
        RecordNumber(width.first_number() | position)
    }

    #[inline]
    pub(crate) fn width(self) -> Width {
        // Most records have a common width.
        if self.0 < Width::W1.first_number() {
            Width::Narrowest
        } else if self.0 < Width::W2.first_number() {
            Width::W1
        } else {
            self.wide()
        }
    }

    /// Returns the width, which is not a common one.
    fn wide(self) -> Width {
        let ones = (!self.0 << (u32::BITS - RECORD_BITS)).leading_zeros();
        Width::ALL[(ones as usize).min(Width::COUNT - 1)]
    }

    /// Returns the width of the version of `length` words that is to replace the one in this record.
    ///
    /// A cell that comes to be free, and so has one word, keeps a record of a common width: what the
    /// cell serves next most often needs such a record again.
    #[inline]
    pub(in crate::ledger) fn width_of_next(self, length: usize) -> Result<Width, Limit> {
        match self.width() {
            width if length == 1 && width.is_common() => Ok(width),
            _ => Width::holding(length),
        }
    }

    #[inline]
    pub(in crate::ledger) fn position(self) -> u32 {
        self.0 - self.width().first_number()
    }

    #[inline]
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    #[inline]
    pub(crate) fn from_bits(bits: u32) -> Self {
        RecordNumber(bits)
    }
}

/// Holds the word in a gate: it names the version in force, or the transaction that is about to
/// decide the next one.
///
/// ```text
/// 0 | tag 34 | record 29          the version in force
/// 1 | slot 15 | sequence 48       a transaction in progress
/// ```
///
/// A version word never returns to a gate (I1), because each change, touch, abort and reuse of the
/// cell increments the tag. The tag wraps after 2^34 of them. That misleads only a thread that
/// sleeps inside one operation through exactly that many which end on the record it has seen, or a
/// worker that does not look at a provider which it has found for that long. The word 0 is the gate
/// of a cell that was never used, since record 0 is never handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct GateWord(u64);

const TAG_BITS: u32 = 34;
const DESCRIPTOR: u64 = 1 << 63;

impl GateWord {
    pub(crate) const VACANT: GateWord = GateWord(0);

    /// Returns the word that follows this one, with `record`.
    #[inline]
    pub(crate) fn next(self, record: RecordNumber) -> GateWord {
        let tag = (self.tag() + 1) & ((1 << TAG_BITS) - 1);
        GateWord(tag << RECORD_BITS | u64::from(record.bits()))
    }

    /// Returns the word that follows this one with its record: after a touch, or an abort.
    #[inline]
    pub(crate) fn next_same(self) -> GateWord {
        self.next(self.record())
    }

    #[inline]
    pub(crate) fn record(self) -> RecordNumber {
        RecordNumber::from_bits((self.0 & ((1 << RECORD_BITS) - 1)) as u32)
    }

    #[inline]
    pub(crate) fn tag(self) -> u64 {
        (self.0 & !DESCRIPTOR) >> RECORD_BITS
    }

    #[inline]
    pub(crate) fn of_ticket(ticket: Ticket) -> GateWord {
        GateWord(DESCRIPTOR | ticket.bits())
    }

    /// Returns the ticket of the transaction that holds the gate, if one does.
    #[inline]
    pub(crate) fn ticket(self) -> Option<Ticket> {
        (self.0 & DESCRIPTOR != 0).then(|| Ticket::from_bits(self.0 & !DESCRIPTOR))
    }

    #[inline]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn from_bits(bits: u64) -> GateWord {
        GateWord(bits)
    }
}

/// Names one use of one descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket {
    slot: u32,
    sequence: u64,
}

const SEQUENCE_BITS: u32 = 48;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;

impl Ticket {
    /// Bounds the number of descriptors.
    pub(crate) const SLOTS: u32 = 1 << 15;

    /// Creates a ticket. `sequence` wraps after 2^48 transactions of one slot.
    pub(crate) fn new(slot: u32, sequence: u64) -> Self {
        Ticket { slot, sequence: sequence & SEQUENCE_MASK }
    }

    pub(crate) fn slot(self) -> u32 {
        self.slot
    }

    #[inline]
    pub(in crate::ledger) fn sequence(self) -> u64 {
        self.sequence
    }

    pub(crate) fn bits(self) -> u64 {
        u64::from(self.slot) << SEQUENCE_BITS | self.sequence
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Ticket { slot: (bits >> SEQUENCE_BITS) as u32, sequence: bits & SEQUENCE_MASK }
    }

    pub(in crate::ledger) fn token(self) -> Stamp {
        Stamp::transaction_token(self.sequence)
    }
}

/// Holds the epoch in which a version came into force, or the token that stands for it until a
/// thread has stamped the version.
///
/// ```text
/// 0 | clock 48                 the version came into force at that reading of the clock
/// 1 | cell 28 | tag 34         not stamped yet; unique to each version that was ever in force
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Stamp(u64);

const TOKEN: u64 = 1 << 63;

/// Counts the bits of a reading of the clock, which wraps after 2^48 snapshots.
pub(in crate::ledger) const STAMP_BITS: u32 = 48;

impl Stamp {
    /// The stamp of every version from before the first snapshot.
    pub(crate) const BEGINNING: Stamp = Stamp(1);

    /// Returns the token of the version that `word` puts in force in `cell`.
    #[inline]
    pub(crate) fn token(cell: Cell, word: GateWord) -> Stamp {
        Stamp(TOKEN | u64::from(cell.number()) << TAG_BITS | word.tag())
    }

    /// Returns the token of a transaction over several cells.
    #[inline]
    pub(crate) fn transaction_token(sequence: u64) -> Stamp {
        Stamp(TOKEN | sequence)
    }

    /// The stamp that is later than any instant.
    pub(crate) const NEVER: Stamp = Stamp((1 << STAMP_BITS) - 1);

    /// Returns the stamp that is `by` epochs later, at most [`NEVER`](Self::NEVER).
    pub(crate) fn later(self, by: u64) -> Stamp {
        Stamp(self.0.saturating_add(by).min(Self::NEVER.0))
    }

    #[inline]
    pub(crate) fn is_token(self) -> bool {
        self.0 & TOKEN != 0
    }

    #[inline]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn from_bits(bits: u64) -> Stamp {
        Stamp(bits)
    }
}

/// Bounds the kinds of cells that a ledger can have. Each kind is recycled on its own, in runs of a
/// fixed number of cells.
pub(crate) const KINDS: usize = 4;

/// Names a kind of cells by its index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind(pub(crate) usize);
