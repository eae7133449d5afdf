//! The ledger's plain words: a cell, a record's number, a gate's word, a ticket, a stamp.
//!
//! Each is a small value that fits a machine word and that threads exchange through shared memory.
//! Every other file of the ledger depends on these; these depend on the limits only.

use super::limits::{Limit, RECORD_BITS, Width};

/// Names a fact that changes as one: its position among the gates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Cell(u32);

/// Cell numbers fit the tokens of unstamped records.
const CELL_BITS: u32 = 28;
const _: () = assert!(Cell::LIMIT <= 1 << CELL_BITS);

/// All cells have room in the narrowest width, and leave as much to the changes in progress.
const _: () = assert!(Width::Narrowest.half() == Cell::LIMIT);

impl Cell {
    /// How many cells there can be, each with a version in force: that leaves as many records of the
    /// narrowest width to the changes in progress. Few in the crate's own tests, which come to the end of
    /// them.
    pub(crate) const LIMIT: u32 = if cfg!(test) { 1 << 12 } else { 1 << 26 };

    pub(crate) fn new(number: u32) -> Cell {
        Cell(number)
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The `offset`th cell of the run that begins here.
    pub(crate) fn sibling(self, offset: u32) -> Cell {
        Cell(self.0.wrapping_add(offset))
    }
}

/// Names a record: a width, as so many ones, and a position among those of that width. Most are of the
/// narrowest, whose numbers are their positions.
///
/// ```text
/// 0 | position 27         the narrowest width
/// 10 | position 26        the next
///  ...
/// 1111110 | position 21   the widest but one
/// 1111111 | position 21   the widest
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordNumber(u32);

/// As wide as a cell or a record's number: a result of either stays in registers.
const _: () = assert!(size_of::<Limit>() == size_of::<RecordNumber>());

impl RecordNumber {
    /// Names a record that nobody ever writes to: without payload.
    pub(crate) const NONE: RecordNumber = RecordNumber(0);

    #[inline]
    pub(in crate::ledger) fn new(width: Width, position: u32) -> Self {
        RecordNumber(width.first_number() | position)
    }

    #[inline]
    pub(crate) fn width(self) -> Width {
        match self.0 < 1 << Width::Narrowest.position_bits() {
            true => Width::Narrowest,
            false => self.wide(),
        }
    }

    /// The width, if it is not the narrowest.
    fn wide(self) -> Width {
        let ones = (!self.0 << (u32::BITS - RECORD_BITS)).leading_zeros();
        Width::ALL[(ones as usize).min(Width::COUNT - 1)]
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

/// What a gate holds: the version in force, or the transaction that is about to decide one.
///
/// ```text
/// 0 | tag 35 | record 28          the version in force
/// 1 | worker slot 15 | sequence 48   a transaction in progress
/// ```
///
/// A version word never comes back: the tag grows with every change, touch, abort and reuse of
/// the cell. It wraps after 2^35 of them, so a thread would have to sleep inside one operation
/// through exactly that many, or a worker that has found a provider not to look at it meanwhile,
/// ending on the same record, to be misled. The word 0 is a cell that
/// was never used: record 0 is never handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct GateWord(u64);

const TAG_BITS: u32 = 35;
const DESCRIPTOR: u64 = 1 << 63;

impl GateWord {
    pub(crate) const VACANT: GateWord = GateWord(0);

    /// The word that follows this one, naming `record`.
    #[inline]
    pub(crate) fn next(self, record: RecordNumber) -> GateWord {
        let tag = (self.tag() + 1) & ((1 << TAG_BITS) - 1);
        GateWord(tag << RECORD_BITS | u64::from(record.bits()))
    }

    /// The word that follows this one with the same record: a touch, or an abort.
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

    /// The transaction that holds the gate, if one does.
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

/// One use of one descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket {
    slot: u32,
    sequence: u64,
}

const SEQUENCE_BITS: u32 = 48;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;

impl Ticket {
    /// How many descriptors there can be.
    pub(crate) const SLOTS: u32 = 1 << 15;

    /// The `sequence` wraps after 2^48 transactions of one worker.
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

/// When a version came into force, or the token that it carries until someone notes that.
///
/// ```text
/// 0 | clock 48                 came into force at that reading of the clock
/// 1 | cell 28 | tag 35         not noted yet; unique for each version ever in force
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Stamp(u64);

const TOKEN: u64 = 1 << 63;

/// The clock wraps after 2^48 snapshots.
pub(in crate::ledger) const STAMP_BITS: u32 = 48;

impl Stamp {
    /// The stamp of everything before the first snapshot.
    pub(crate) const BEGINNING: Stamp = Stamp(1);

    /// The token of the version that `word` puts in force in `cell`.
    #[inline]
    pub(crate) fn token(cell: Cell, word: GateWord) -> Stamp {
        Stamp(TOKEN | u64::from(cell.number()) << TAG_BITS | word.tag())
    }

    /// The token of a whole transaction.
    #[inline]
    pub(crate) fn transaction_token(sequence: u64) -> Stamp {
        Stamp(TOKEN | sequence)
    }

    /// Later than any instant.
    pub(crate) const NEVER: Stamp = Stamp((1 << STAMP_BITS) - 1);

    /// So many readings of the clock later.
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

/// Kinds of cells are recycled apart, in runs of a fixed number of cells.
pub(crate) const KINDS: usize = 3;

/// A kind of cells, by its index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind(pub(crate) usize);
