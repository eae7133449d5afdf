//! The database of a log: its tables, and the transactions on them. All of it blocks.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use bytes::Bytes;
use redb::{
    Database, DatabaseError, Error, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, WriteTransaction,
};
use uuid::Uuid;

use crate::log::{Entry, EntryKey, LogError, Position, StoredDump};

/// Opens the database of a log, the first time and after there was no room.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, LogError> + Send>;

/// How many bytes of entries are read at a time. One entry is read, however large.
pub(super) const PAGE_BYTES: usize = 1 << 20;

/// How many entries are read at a time.
pub(super) const PAGE_ENTRIES: usize = 1024;

/// How many bytes of the file redb may keep in memory.
const CACHE_BYTES: usize = 64 << 20;

/// How many bytes of a dump are one value: with its key, what a page of redb of 1 MiB has room for.
const CHUNK_BYTES: usize = (1 << 20) - 256;

/// Which tables there are, and what they mean.
const FORMAT: u64 = 1;

type Key = (u128, u64);

/// The entries by their positions: replica, sequence, bytes.
const ENTRIES: TableDefinition<'_, u64, (u128, u64, &[u8])> = TableDefinition::new("entries");
/// The positions of the entries by their keys: replica, sequence.
const KEYS: TableDefinition<'_, Key, u64> = TableDefinition::new("keys");
/// The newest dump in chunks, from 0.
const DUMP: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("dump");
/// Numbers by the names below.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

const NUMBER_FORMAT: &str = "format";
/// How often the file has been opened.
const NUMBER_OPENED: &str = "opened";
/// The position of the last entry that the log has had.
const NUMBER_END: &str = "end";
/// The position of the last entry that has been cut off.
const NUMBER_CUT: &str = "cut";
/// The position of the newest dump.
const NUMBER_DUMP: &str = "dump";

/// Represents how far a log reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Extent {
    /// The position of the last entry that has been cut off.
    pub(super) cut: Position,
    /// The position of the last entry.
    pub(super) end: Position,
}

/// Says what has become of an entry that was to be appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Appended {
    /// It is at the position, and new.
    Now(Position),
    /// The log has had it before.
    Before,
    /// The log has an entry with its key that says something else.
    Other,
}

/// Says what has become of a dump that was to be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kept {
    /// It is kept, and so much has been cut off.
    Cut(Position),
    /// The log has one that is as new.
    Older,
    /// It has more than the log.
    Beyond,
}

/// Opens the file at `path`, and makes it if there is none.
pub(super) fn open_file(path: &Path) -> Result<Database, LogError> {
    let named = |error: LogError| match error {
        LogError::InUse { .. } => LogError::InUse { path: path.display().to_string() },
        other => other,
    };
    let io_error = |error: io::Error| log_error(&Error::Io(error));
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    forget_unfinished(file.map_err(io_error)?).map_err(named)?;
    let database = open_database(|builder| builder.create(path)).map_err(named)?;
    sync_folder(path).map_err(io_error)?;
    Ok(database)
}

/// Opens a database as `create` has it, with the settings of a log.
pub(super) fn open_database(
    create: impl FnOnce(&redb::Builder) -> Result<Database, DatabaseError>,
) -> Result<Database, LogError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    create(&builder).map_err(|error| log_error(&error.into()))
}

/// Returns whether a file that begins so has never become a database, as its maker was interrupted: redb
/// writes the first bytes when all else is durable.
pub(super) fn is_unfinished(first_bytes: &[u8]) -> bool {
    first_bytes.iter().all(|byte| *byte == 0)
}

/// Makes the tables that there aren't, and returns how far the log reaches. What the database has is durable
/// afterwards.
pub(super) fn prepare(database: &Database) -> Result<Extent, Error> {
    let transaction = database.begin_write()?;
    let extent = {
        let mut numbers = transaction.open_table(NUMBERS)?;
        let format = number(&numbers, NUMBER_FORMAT)?;
        if format.is_some_and(|format| format != FORMAT) {
            return Err(Error::Corrupted(format!("its format is {format:?}, not {FORMAT}")));
        }
        numbers.insert(NUMBER_FORMAT, FORMAT)?;
        let opened = number(&numbers, NUMBER_OPENED)?.unwrap_or(0);
        numbers.insert(NUMBER_OPENED, opened.saturating_add(1))?;
        transaction.open_table(KEYS)?;
        transaction.open_table(DUMP)?;
        let entries = transaction.open_table(ENTRIES)?;
        let extent = Extent {
            cut: Position(number(&numbers, NUMBER_CUT)?.unwrap_or(0)),
            end: Position(number(&numbers, NUMBER_END)?.unwrap_or(0)),
        };
        if extent.end.0.checked_sub(extent.cut.0) != Some(entries.len()?) {
            return Err(Error::Corrupted(format!("{extent:?}, but {} entries", entries.len()?)));
        }
        extent
    };
    transaction.commit()?;
    Ok(extent)
}

/// Appends the entries, after `end`, in one transaction, and says what has become of each.
pub(super) fn append<'a>(
    database: &Database,
    mut end: Position,
    batch: impl Iterator<Item = (EntryKey, &'a Bytes)>,
) -> Result<Vec<Appended>, Error> {
    let transaction = database.begin_write()?;
    let mut outcomes = Vec::new();
    let before = end;
    {
        let mut entries = transaction.open_table(ENTRIES)?;
        let mut keys = transaction.open_table(KEYS)?;
        for (key, bytes) in batch {
            let outcome = match find(&entries, &keys, key, bytes)? {
                Some(outcome) => outcome,
                None => {
                    let next = end.0.checked_add(1);
                    end.0 = next.ok_or_else(|| Error::Corrupted("no position is left".into()))?;
                    let EntryKey { replica, sequence } = key;
                    entries.insert(end.0, (replica.as_u128(), sequence, &bytes[..]))?;
                    keys.insert((replica.as_u128(), sequence), end.0)?;
                    Appended::Now(end)
                }
            };
            outcomes.push(outcome);
        }
        transaction.open_table(NUMBERS)?.insert(NUMBER_END, end.0)?;
    }
    if end == before {
        transaction.abort()?
    } else {
        transaction.commit()?
    }
    Ok(outcomes)
}

/// Says what would become of entries; `None` is for those that the log does not have.
pub(super) fn look_up<'a>(
    database: &Database,
    batch: impl Iterator<Item = (EntryKey, &'a Bytes)>,
) -> Result<Vec<Option<Appended>>, Error> {
    let transaction = database.begin_read()?;
    let entries = transaction.open_table(ENTRIES)?;
    let keys = transaction.open_table(KEYS)?;
    batch.map(|(key, bytes)| find(&entries, &keys, key, bytes)).collect()
}

/// Returns the page of entries after `after`, which is none if there are none.
pub(super) fn page(
    database: &Database,
    after: Position,
) -> Result<Result<VecDeque<Entry>, LogError>, Error> {
    let transaction = database.begin_read()?;
    let numbers = transaction.open_table(NUMBERS)?;
    if after.0 < number(&numbers, NUMBER_CUT)?.unwrap_or(0) {
        return Ok(Err(LogError::Compacted { after }));
    }
    let entries = transaction.open_table(ENTRIES)?;
    let mut page = VecDeque::new();
    let mut bytes = 0;
    for entry in entries.range(after.0 + 1..)? {
        let (position, value) = entry?;
        let position = Position(position.value());
        let (replica, sequence, says) = value.value();
        bytes += says.len();
        if !page.is_empty() && bytes > PAGE_BYTES {
            break;
        }
        let expected = after.0 + 1 + page.len() as u64;
        if position.0 != expected {
            return Err(Error::Corrupted(format!("at {position} is what follows {expected}")));
        }
        let key = EntryKey { replica: Uuid::from_u128(replica), sequence };
        page.push_back(Entry { position, key, bytes: Bytes::copy_from_slice(says) });
        if page.len() == PAGE_ENTRIES {
            break;
        }
    }
    if page.is_empty() {
        return Err(Error::Corrupted(format!("there is no entry after {after}")));
    }
    Ok(Ok(page))
}

/// Returns the newest dump.
pub(super) fn newest_dump(database: &Database) -> Result<Option<StoredDump>, Error> {
    let transaction = database.begin_read()?;
    let Some(position) = number(&transaction.open_table(NUMBERS)?, NUMBER_DUMP)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    for chunk in transaction.open_table(DUMP)?.iter()? {
        bytes.extend_from_slice(chunk?.1.value());
    }
    Ok(Some(StoredDump { position: Position(position), bytes: bytes.into() }))
}

/// Keeps a dump, and cuts off what the one before it has, in one transaction.
pub(super) fn keep_dump(
    database: &Database,
    dump: &StoredDump,
    extent: Extent,
) -> Result<Kept, Error> {
    if dump.position > extent.end {
        return Ok(Kept::Beyond);
    }
    let transaction = database.begin_write()?;
    let before = number(&transaction.open_table(NUMBERS)?, NUMBER_DUMP)?;
    if before.is_some_and(|before| dump.position.0 <= before) {
        transaction.abort()?;
        return Ok(Kept::Older);
    }
    let cut = before.unwrap_or(0);
    cut_off(&transaction, cut)?;
    {
        let mut chunks = transaction.open_table(DUMP)?;
        chunks.retain(|_, _| false)?;
        for (chunk, bytes) in (0..).zip(dump.bytes.chunks(CHUNK_BYTES)) {
            chunks.insert(chunk, bytes)?;
        }
        let mut numbers = transaction.open_table(NUMBERS)?;
        numbers.insert(NUMBER_DUMP, dump.position.0)?;
        numbers.insert(NUMBER_CUT, cut)?;
    }
    transaction.commit()?;
    Ok(Kept::Cut(Position(cut)))
}

/// Returns what an error of the database says to who uses the log.
pub(super) fn log_error(error: &Error) -> LogError {
    let reason = error.to_string();
    match error {
        Error::DatabaseAlreadyOpen | Error::LockProtocolMismatch => {
            LogError::InUse { path: String::new() }
        }
        Error::Io(io) => match io.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                LogError::Full { reason }
            }
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => LogError::Damaged { reason },
            _ => LogError::Unavailable { reason },
        },
        Error::Corrupted(_)
        | Error::UpgradeRequired(_)
        | Error::RepairAborted
        | Error::TableTypeMismatch { .. }
        | Error::TableIsMultimap(_)
        | Error::TableIsNotMultimap(_)
        | Error::TypeDefinitionChanged { .. }
        | Error::TableDoesNotExist(_) => LogError::Damaged { reason },
        _ => LogError::Unavailable { reason },
    }
}

/// Returns the same for when it is not certain what has been done.
pub(super) fn doubt(error: &Error) -> LogError {
    match log_error(error) {
        LogError::Damaged { reason } => LogError::Damaged { reason },
        _ => LogError::Ended { reason: error.to_string() },
    }
}

/// Removes the entries up to `cut`, and their keys.
fn cut_off(transaction: &WriteTransaction, cut: u64) -> Result<(), Error> {
    let mut entries = transaction.open_table(ENTRIES)?;
    let mut keys = transaction.open_table(KEYS)?;
    for entry in entries.extract_from_if(..=cut, |_, _| true)? {
        let (replica, sequence, _) = entry?.1.value();
        keys.remove((replica, sequence))?;
    }
    Ok(())
}

/// Says what becomes of an entry that the log has, or that has the key of one; `None` for others.
fn find(
    entries: &impl ReadableTable<u64, (u128, u64, &'static [u8])>,
    keys: &impl ReadableTable<Key, u64>,
    key: EntryKey,
    bytes: &Bytes,
) -> Result<Option<Appended>, Error> {
    let Some(position) = keys.get((key.replica.as_u128(), key.sequence))? else { return Ok(None) };
    let position = position.value();
    let Some(entry) = entries.get(position)? else {
        return Err(Error::Corrupted(format!("there is no entry at {position}, but its key")));
    };
    let same = entry.value().2 == &bytes[..];
    Ok(Some(if same { Appended::Before } else { Appended::Other }))
}

fn number(
    numbers: &impl ReadableTable<&'static str, u64>,
    name: &str,
) -> Result<Option<u64>, Error> {
    Ok(numbers.get(name)?.map(|number| number.value()))
}

/// Makes a file empty that has never become a database.
fn forget_unfinished(mut file: File) -> Result<(), LogError> {
    // redb has the same lock on what it has open.
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(LogError::InUse { path: String::new() }),
        Err(TryLockError::Error(error)) => return Err(log_error(&Error::Io(error))),
        Ok(()) => {}
    }
    let mut first_bytes = Vec::new();
    let forgotten = Read::by_ref(&mut file)
        .take(8)
        .read_to_end(&mut first_bytes)
        .and_then(|_| if is_unfinished(&first_bytes) { file.set_len(0) } else { Ok(()) });
    forgotten.map_err(|error| log_error(&Error::Io(error)))
    // The lock ends with the file.
}

/// Makes it durable that the file is in its folder.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
