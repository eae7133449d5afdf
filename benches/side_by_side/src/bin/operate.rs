//! Does one operation so many times, for `valgrind` to count its instructions.
//!
//! `operate <operation> <times>`; without arguments it names the operations. It has one thread, and
//! nothing of the peers in it, so that only the library changes what is counted.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::process::ExitCode;

use provider_tree::{
    Claim, Inventories, Inventory, Provider, ProviderSpec, ProviderTree, ResourceClass, Snapshot,
    Worker,
};
use uuid::Uuid;

const CLASSES: [ResourceClass; 3] =
    [ResourceClass::VCPU, ResourceClass::MEMORY_MB, ResourceClass::DISK_GB];
const PROVIDERS: usize = 256;
const CAPACITY: u64 = 1 << 40;

/// A forest, and what one thread needs.
struct Forest {
    tree: ProviderTree,
    providers: Vec<Provider>,
    worker: Worker,
    snapshot: Option<Snapshot>,
}

/// An operation, and what has to be so before the first: that is the same however often it is done, so
/// the caller can subtract it.
struct Operation {
    name: &'static str,
    prepare: fn(&mut Forest),
    run: fn(&mut Forest, usize),
}

/// No operation is done more often. So many consumers are there at once before anything is counted, so
/// that nothing has to grow later.
const MOST: usize = 16_384;

const OPERATIONS: &[Operation] = &[
    Operation { name: "take, 3 classes", prepare: Forest::take_much, run: Forest::take },
    Operation {
        name: "take, 3 classes, first since a snapshot",
        prepare: Forest::take_much,
        run: Forest::take_first,
    },
    Operation { name: "put back, 3 classes", prepare: Forest::take_much, run: Forest::put_back },
    Operation {
        name: "claim, 3 classes of 1 provider",
        prepare: |forest| {
            forest.all(Forest::claim_one);
            forest.all(Forest::release);
        },
        run: Forest::claim_one,
    },
    Operation {
        name: "release, 3 classes of 1 provider",
        prepare: |forest| forest.all(Forest::claim_one),
        run: Forest::release,
    },
    Operation {
        name: "release, 3 classes of 1 provider, first since a snapshot",
        prepare: |forest| forest.all(Forest::claim_one),
        run: Forest::release_first,
    },
    Operation {
        name: "claim, 1 class of 3 providers",
        prepare: |forest| {
            forest.all(Forest::claim_three);
            forest.all(Forest::release);
        },
        run: Forest::claim_three,
    },
    Operation {
        name: "release, 1 class of 3 providers",
        prepare: |forest| forest.all(Forest::claim_three),
        run: Forest::release,
    },
    Operation { name: "find by uuid", prepare: |_| {}, run: Forest::find },
    Operation { name: "find through a worker", prepare: |_| {}, run: Forest::find_again },
    Operation { name: "usage", prepare: |_| {}, run: Forest::usage },
    Operation { name: "data", prepare: |_| {}, run: Forest::data },
    Operation { name: "snapshot", prepare: |_| {}, run: Forest::snapshot },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, times] = arguments.as_slice() else {
        OPERATIONS.iter().for_each(|operation| println!("{}", operation.name));
        return ExitCode::SUCCESS;
    };
    let operation = OPERATIONS.iter().find(|operation| operation.name == name);
    let (Some(operation), Ok(times @ ..=MOST)) = (operation, times.parse()) else {
        eprintln!("usage: operate <operation> <times up to {MOST}>");
        return ExitCode::from(2);
    };
    let mut forest = Forest::new();
    (operation.prepare)(&mut forest);
    for number in 0..times {
        (operation.run)(&mut forest, number);
    }
    // What dropping everything costs is not part of an operation.
    std::mem::forget(forest);
    ExitCode::SUCCESS
}

fn spread(space: u64, number: usize) -> Uuid {
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Uuid::from_u64_pair(mixed, mixed.rotate_left(32) ^ space)
}

fn provider_uuid(number: usize) -> Uuid {
    spread(1, number)
}

fn consumer(number: usize) -> Uuid {
    spread(2, number)
}

impl Forest {
    fn new() -> Self {
        let tree = ProviderTree::new();
        let inventories: Inventories =
            CLASSES.map(|class| (class, Inventory::new(CAPACITY))).into_iter().collect();
        let spec = |number| {
            ProviderSpec::new(provider_uuid(number), format!("host-{number}"))
                .with_inventories(inventories.clone())
        };
        let list: Vec<_> = (0..PROVIDERS).map(spec).collect();
        let providers = tree.populate(&list).expect("a sound list");
        let worker = tree.worker().expect("the first worker");
        Forest { tree, providers, worker, snapshot: None }
    }

    fn all(&mut self, run: fn(&mut Forest, usize)) {
        (0..MOST).for_each(|number| run(self, number));
    }

    /// Enough to put back from.
    fn take_much(&mut self) {
        for provider in &self.providers {
            let amounts = CLASSES.map(|class| (class, CAPACITY / 2));
            self.worker.take(provider, &amounts).expect("it fits");
        }
    }

    fn take(&mut self, number: usize) {
        let amounts = CLASSES.map(|class| (class, 1));
        let provider = &self.providers[number % PROVIDERS];
        self.worker.take(provider, black_box(&amounts)).expect("it fits");
    }

    /// Each is the first change of its provider since the last snapshot; of those there is one for
    /// all providers.
    fn take_first(&mut self, number: usize) {
        self.snapshot_before(number);
        self.take(number);
    }

    fn release_first(&mut self, number: usize) {
        self.snapshot_before(number);
        self.release(number);
    }

    fn snapshot_before(&mut self, number: usize) {
        if number.is_multiple_of(PROVIDERS) {
            self.snapshot = Some(self.tree.snapshot());
        }
    }

    fn put_back(&mut self, number: usize) {
        let amounts = CLASSES.map(|class| (class, 1));
        let provider = &self.providers[number % PROVIDERS];
        self.worker.put_back(provider, black_box(&amounts)).expect("it was taken");
    }

    fn claim_one(&mut self, number: usize) {
        let mut claim = Claim::new(consumer(number));
        let provider = &self.providers[number % PROVIDERS];
        for class in CLASSES {
            claim.take_mut(provider, class, 1);
        }
        let _receipt = self.worker.claim(black_box(&claim)).expect("it fits");
    }

    fn claim_three(&mut self, number: usize) {
        let mut claim = Claim::new(consumer(number));
        for offset in [0, 101, 51] {
            claim.take_mut(&self.providers[(number + offset) % PROVIDERS], CLASSES[0], 1);
        }
        let _receipt = self.worker.claim(black_box(&claim)).expect("it fits");
    }

    fn release(&mut self, number: usize) {
        let _receipt = self.worker.release(consumer(number)).expect("it holds something");
    }

    fn find(&mut self, number: usize) {
        black_box(self.tree.find(provider_uuid(number % PROVIDERS)).is_some());
    }

    fn find_again(&mut self, number: usize) {
        black_box(self.worker.find(provider_uuid(number % PROVIDERS)).is_some());
    }

    fn usage(&mut self, number: usize) {
        let provider = &self.providers[number % PROVIDERS];
        black_box(self.tree.usage(provider, CLASSES[1]).expect("it has the class"));
    }

    fn data(&mut self, number: usize) {
        let provider = &self.providers[number % PROVIDERS];
        black_box(self.tree.data(provider).expect("it exists"));
    }

    fn snapshot(&mut self, _: usize) {
        black_box(self.tree.snapshot());
    }
}
