//! [`Forest`]: what all threads share of the providers.

use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::forest::configuration::{Configurations, Facts};
use crate::forest::keys::{KeyCell, Keys, Name};
use crate::forest::provider::{Configuration, Provider};
use crate::layout::{
    Amounts, CellKind, Cordon, Layouts, Life, NAME, NameOwner, PROVIDER, RUNS, State, Structure,
    UsageWords, copy_usage, first_words, usage_of, write_usage,
};
use crate::ledger::{Cell, GateWord, Ledger, Spares, Torn, Writer};
use crate::sync::{IDLE, IdlePool, next_forest};
use crate::values::{ResourceClass, Usage};

/// Holds the providers of one forest, and the ledger that all cells of the forest are in.
pub(crate) struct Forest {
    id: u32,
    pub(crate) ledger: Arc<Ledger>,
    /// The keys of providers' uuids. The cell of a uuid is the provider's structure cell.
    pub(crate) providers: Keys<Uuid>,
    pub(crate) names: Keys<Name>,
    pub(crate) configurations: Configurations,
    /// Says where the packed amounts of usage cells are.
    pub(crate) layouts: Arc<Layouts>,
    /// The parent of all roots. The super-root has no uuid and no name, and is never shown.
    pub(crate) super_root: Cell,
    /// The cell that counts the sharing providers of each class.
    pub(crate) sharing: Cell,
    idle_writers: IdlePool<Writer>,
}

impl Forest {
    pub(crate) fn new() -> Self {
        let ledger = Arc::new(Ledger::new(RUNS));
        let mut writer = ledger.writer().expect("a new ledger has room for a worker");
        let super_root = make_super_root(&mut writer);
        let sharing = writer.take_cells(NAME, &[Life::first(CellKind::Sharing).word()]);
        let sharing = sharing.expect("a new ledger has room for a cell");
        let idle_writers = IdlePool::new();
        idle_writers.put(Box::new(writer));
        Forest {
            id: next_forest(),
            ledger,
            providers: Keys::new(PROVIDER),
            names: Keys::new(NAME),
            configurations: Configurations::new(),
            layouts: Arc::new(Layouts::new()),
            super_root,
            sharing,
            idle_writers,
        }
    }

    /// Returns the number of this forest in the process.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Returns the moves cell, which is part of every move of a provider, so that a walk towards
    /// the root can rest on it.
    pub(crate) fn moves(&self) -> Cell {
        usage_of(self.super_root)
    }

    /// Returns a cell that serves no consumer, as it is for good.
    pub(crate) fn nobody(&self) -> KeyCell {
        let incarnation = self.ledger.peek(self.super_root, Life::of).incarnation;
        KeyCell { cell: self.super_root, incarnation }
    }

    /// Runs `body` with a writer that no other thread uses meanwhile.
    pub(crate) fn with_writer<T>(&self, body: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        let mut writer = self.writer()?;
        let result = body(&mut writer);
        writer.rest();
        self.idle_writers.put(writer);
        result
    }

    /// Does what [`with_writer`](Self::with_writer) does, in a forest that no other thread knows: `body`
    /// has all of it for itself.
    pub(crate) fn with_all<T>(
        &mut self,
        body: impl FnOnce(&mut Forest, &mut Writer) -> Result<T>,
    ) -> Result<T> {
        let mut writer = self.writer()?;
        let result = body(self, &mut writer);
        self.idle_writers.put(writer);
        result
    }

    /// Returns a writer that no other thread uses.
    fn writer(&self) -> Result<Box<Writer>> {
        match self.idle_writers.take() {
            Some(writer) => Ok(writer),
            None => Ok(Box::new(self.ledger.writer()?)),
        }
    }

    /// Counts the cells and records that nothing uses, in the common free lists and in the stocks
    /// of the idle writers. Each idle writer first takes back the records that no snapshot needs
    /// any more.
    pub(crate) fn spares(&self) -> Spares {
        let mut spares = Spares::default();
        // Takes at most as many writers as the pool keeps: another thread may put its own back
        // meanwhile.
        let idle: Vec<_> = (0..IDLE).map_while(|_| self.idle_writers.take()).collect();
        for mut writer in idle {
            writer.rest();
            writer.count_spares(&mut spares);
            self.idle_writers.put(writer);
        }
        self.ledger.count_spares(&mut spares);
        spares
    }

    /// Returns the structure cell that the handle names. Fails if the handle is one of another
    /// forest.
    pub(crate) fn structure_cell(&self, provider: &Provider) -> Result<Cell> {
        if provider.forest != self.id {
            return Err(Error::ForeignProvider { provider: provider.uuid });
        }
        Ok(provider.cell)
    }

    /// Returns the usage cell that the handle names. Fails if the handle is one of another forest.
    pub(crate) fn usage_cell(&self, provider: &Provider) -> Result<Cell> {
        self.structure_cell(provider).map(usage_of)
    }

    /// Returns the structure cell of `parent`, or the super-root, the parent of all roots, if
    /// `parent` is `None`. Fails if the handle is one of another forest.
    pub(crate) fn parent_cell(&self, parent: Option<&Provider>) -> Result<Cell> {
        parent.map_or(Ok(self.super_root), |parent| self.structure_cell(parent))
    }

    /// Returns a handle of the provider with this structure.
    pub(crate) fn handle(&self, cell: Cell, structure: &Structure) -> Provider {
        Provider {
            uuid: structure.uuid,
            incarnation: structure.life.incarnation,
            cell,
            forest: self.id,
        }
    }

    /// Returns a handle of the provider with this uuid, whose key has the cell `key`.
    #[inline]
    pub(crate) fn handle_of(&self, uuid: Uuid, key: KeyCell) -> Provider {
        let KeyCell { cell, incarnation } = key;
        Provider { uuid, incarnation, cell, forest: self.id }
    }

    /// Returns a handle of the provider that a live name cell names as its owner.
    #[inline]
    pub(crate) fn handle_of_owner(&self, owner: NameOwner) -> Provider {
        let NameOwner { cell, incarnation, uuid } = owner;
        Provider { uuid, incarnation, cell, forest: self.id }
    }

    /// Returns everything about `provider` but its usage, as of one instant, and what the usage cell said at
    /// that instant.
    ///
    /// Whatever changes a part of it puts another version of the facts in force. So as long as the usage
    /// cell names the version, everything is what it was.
    pub(crate) fn configuration(&self, provider: &Provider) -> Result<(UsageTitle, Configuration)> {
        self.with_facts(provider, |title, facts| {
            let (uuid, generation) = (provider.uuid, title.generation);
            (title, Configuration { uuid, generation, facts })
        })
    }

    /// Applies `make` to the facts of `provider` that are in force, and to what the usage cell says then.
    #[inline(always)] // What is not asked for is not put together.
    pub(crate) fn with_facts<T>(
        &self,
        provider: &Provider,
        make: impl FnOnce(UsageTitle, Arc<Facts>) -> T,
    ) -> Result<T> {
        let cell = self.usage_cell(provider)?;
        loop {
            let title = self.title(provider, cell)?;
            // If the version is gone, another one has been put in force since, and the loop reads
            // again.
            if let Some(facts) = self.configurations.find(cell, title.version) {
                return Ok(make(title, facts));
            }
        }
    }

    /// Returns what the usage cell of `provider`, which is `usage`, says before the amounts.
    #[inline(always)] // What is not asked for is not put together.
    pub(crate) fn title(&self, provider: &Provider, usage: Cell) -> Result<UsageTitle> {
        let (word, words) = self
            .ledger
            .peek_version(usage, |record| [record.word(0), record.word(1), record.word(2)]);
        let usage = UsageWords(&words[..]);
        provider.check_life(usage.life())?;
        Ok(UsageTitle { word, generation: usage.generation(), version: usage.configuration() })
    }

    /// Applies `read` to the words of the provider's usage cell, all of one version and in the wide
    /// form.
    pub(crate) fn read_usage<T>(
        &self,
        provider: &Provider,
        read: impl FnOnce(UsageWords<&[u64]>) -> T,
    ) -> Result<T> {
        let cell = self.usage_cell(provider)?;
        let words = self.ledger.peek(cell, |record| copy_usage(record, &self.layouts));
        let usage = UsageWords(&words[..]);
        provider.check_life(usage.life())?;
        Ok(read(usage))
    }

    /// Applies `read` to the configuration that the cell `usage` named as `version` when a
    /// transaction read the cell.
    pub(crate) fn with_configuration<T>(
        &self,
        usage: Cell,
        version: u64,
        read: impl FnOnce(&Facts) -> T,
    ) -> Result<T, Torn> {
        // If the version is gone, the usage cell has changed since.
        let found = self.configurations.with(usage, version, |found| read(found));
        found.ok_or(Torn)
    }
}

/// Holds what a usage cell says before the amounts, in one version.
pub(crate) struct UsageTitle {
    /// Names the version of the cell.
    pub(crate) word: GateWord,
    pub(crate) generation: u64,
    /// The version of the configuration in force.
    pub(crate) version: u64,
}

impl UsageTitle {
    /// Returns whether the provider was the same, but for its usage, in both versions of its usage cell.
    pub(crate) fn has_facts_of(&self, other: &UsageTitle) -> bool {
        self.version == other.version
    }
}

/// Returns the capacity and the use of each class in the words of a usage cell.
pub(crate) fn all_usages(
    words: UsageWords<&[u64]>,
    layouts: &Layouts,
) -> Vec<(ResourceClass, Usage)> {
    each_usage(words, layouts).collect()
}

/// Visits the capacity and the use of each class in the words of a usage cell.
pub(crate) fn each_usage<'a>(
    words: UsageWords<&'a [u64]>,
    layouts: &Layouts,
) -> impl Iterator<Item = (ResourceClass, Usage)> + use<'a> {
    let usage =
        |(class, amounts): (u16, Amounts)| (ResourceClass::from_number(class), amounts.usage());
    words.all(layouts).map(usage)
}

/// Takes the first pair of cells, for the parent of all roots and for the moves cell.
fn make_super_root(writer: &mut Writer) -> Cell {
    let life = Life::first(CellKind::Structure).with(State::Live);
    let root = Structure {
        life,
        uuid: Uuid::nil(),
        name: None,
        parent: None,
        first_child: None,
        last_child: None,
        previous: None,
        next: None,
        cordon: Cordon::default(),
    };
    let found = |writer: &mut Writer| -> Result<Cell> {
        let cell = writer.take_cells(PROVIDER, first_words(PROVIDER))?;
        // The usage cell is not live: no handle ever names it, and nothing that looks for usage
        // cells finds it.
        let mut usage = Vec::new();
        write_usage(&mut usage, Life::first(CellKind::Usage), 0, 0, false, &[], None);
        writer.transact::<_, Error>(|transaction| {
            let place = transaction.open(cell)?;
            transaction.rewrite(place, &root.words());
            let place = transaction.open(usage_of(cell))?;
            transaction.rewrite(place, &usage);
            Ok(())
        })?;
        Ok(cell)
    };
    found(writer).expect("a new ledger has room for two cells")
}
