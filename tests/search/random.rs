//! Random forests, requests and changes, over few values so that they meet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::collection::{btree_set, vec};
use proptest::option::weighted;
use proptest::prelude::*;
use provider_tree::{
    Claim, Edit, Expect, Inventories, Inventory, Provider, ProviderTree, ResourceClass, Trait,
    Worker,
};
use shared::search::reference::{Part, Spec};
use uuid::Uuid;

pub(crate) const CLASSES: [ResourceClass; 3] =
    [ResourceClass::VCPU, ResourceClass::MEMORY_MB, ResourceClass::DISK_GB];

/// So many trees and providers in a tree there are at most at the beginning.
const TREES: usize = 4;
const MEMBERS: usize = 6;

/// Returns how many cases to try: `few`, if not told otherwise.
pub(crate) fn cases(few: u32) -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = wanted.unwrap_or(few);
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

fn traits() -> &'static [Trait; 3] {
    static TRAITS: LazyLock<[Trait; 3]> =
        LazyLock::new(|| ["T0", "T1", "T2"].map(|name| Trait::new(name).unwrap()));
    &TRAITS
}

fn aggregate(number: usize) -> Uuid {
    Uuid::from_u128(0xA0 + number as u128)
}

/// Returns the uuid of the provider that was made as the `number`th.
fn uuid(number: usize) -> Uuid {
    Uuid::from_u128(0x1000 + number as u128)
}

/// Describes the configuration of a provider.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    stocks: [Option<Inventory>; 3],
    traits: BTreeSet<usize>,
    shares: bool,
    aggregates: BTreeSet<usize>,
}

impl Content {
    pub(crate) fn inventories(&self) -> Inventories {
        let stock =
            |(class, stock): (&ResourceClass, &Option<Inventory>)| Some((*class, (*stock)?));
        CLASSES.iter().zip(&self.stocks).filter_map(stock).collect()
    }

    fn traits(&self) -> Vec<Trait> {
        let shares = self.shares.then_some(Trait::MISC_SHARES_VIA_AGGREGATE);
        self.traits.iter().map(|number| traits()[*number]).chain(shares).collect()
    }

    fn aggregates(&self) -> Vec<Uuid> {
        self.aggregates.iter().copied().map(aggregate).collect()
    }
}

/// Describes a provider of a forest that is to be.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Which of the earlier members of the tree is the parent.
    parent: usize,
    /// Whether the provider is made as the one before it was, under the same parent.
    is_twin: bool,
    content: Content,
    is_cordoned: bool,
    used: [u64; 3],
    /// Whether a consumer holds what is used.
    is_held: bool,
}

pub(crate) type Plan = Vec<Vec<Member>>;

fn few(probability: f64, bound: usize) -> impl Strategy<Value = BTreeSet<usize>> {
    let none = ((1.0 - probability) * 100.0) as u32;
    prop_oneof![none => Just(BTreeSet::new()), 100 - none => btree_set(0..bound, 1..=bound)]
}

fn flag(probability: f64) -> impl Strategy<Value = bool> {
    weighted(probability, Just(())).prop_map(|flag| flag.is_some())
}

fn inventory() -> impl Strategy<Value = Inventory> {
    let plain = (1u64..=4).prop_map(Inventory::new);
    let units = (1u64..=4, 1u64..=2, 1u64..=4, 1u64..=2, 0u64..=1).prop_map(
        |(total, min, max, step, reserved)| {
            Inventory::new(total)
                .with_min_unit(min)
                .with_max_unit(max.max(min))
                .with_step_size(step)
                .with_reserved(reserved)
        },
    );
    let ratio = (1u64..=3).prop_map(|total| Inventory::new(total).with_allocation_ratio(1.5));
    let at_once = (1u64..=2).prop_map(|max| Inventory::new(4).with_max_unit(max));
    let valid = |inventory: &Inventory| inventory.capacity().is_ok();
    prop_oneof![6 => plain, 2 => units, 1 => ratio, 1 => at_once]
        .prop_filter("contradicts itself", valid)
}

fn content() -> impl Strategy<Value = Content> {
    let stock = || weighted(0.6, inventory());
    let stocks = [stock(), stock(), stock()];
    (stocks, few(0.5, 3), flag(0.12), few(0.4, 3)).prop_map(
        |(stocks, traits, shares, aggregates)| Content { stocks, traits, shares, aggregates },
    )
}

fn member() -> impl Strategy<Value = Member> {
    let used = prop_oneof![3 => Just([0; 3]), 2 => [0u64..=3, 0..=2, 0..=2]];
    let flags = (flag(0.35), flag(0.06), any::<bool>());
    (0..MEMBERS, content(), used, flags).prop_map(
        |(parent, content, used, (is_twin, is_cordoned, is_held))| Member {
            parent,
            is_twin,
            content,
            is_cordoned,
            used,
            is_held,
        },
    )
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    vec(vec(member(), 1..=MEMBERS), 1..=TREES)
}

fn part() -> impl Strategy<Value = Part> {
    let amount = prop_oneof![4 => Just(1u64), 2 => Just(2), 1 => Just(3)];
    let resources = vec((0..CLASSES.len(), amount), 1..=2);
    let traits_of = |numbers: BTreeSet<usize>| -> BTreeSet<Trait> {
        numbers.into_iter().map(|number| traits()[number]).collect()
    };
    let of_traits = (
        few(0.2, 2),
        prop_oneof![4 => Just(vec![]), 1 => vec(btree_set(0..3usize, 1..=2), 1..=2)],
        weighted(0.2, 0..4usize),
        flag(0.03),
    );
    let of_aggregates = (
        prop_oneof![8 => Just(vec![]), 2 => vec(btree_set(0..3usize, 1..=2), 1..=2)],
        weighted(0.15, 0..3usize),
        weighted(0.08, 0..TREES * MEMBERS + 2),
    );
    (resources, of_traits, of_aggregates).prop_map(
        move |(resources, (required, any_of, forbidden, shares), (of, not_of, in_tree))| {
            let sharing = Trait::MISC_SHARES_VIA_AGGREGATE;
            let mut part = Part::default();
            for (class, amount) in resources {
                *part.resources.entry(CLASSES[class]).or_default() += amount;
            }
            part.required = traits_of(required);
            part.required.extend(shares.then_some(sharing));
            part.any_of = any_of.into_iter().map(traits_of).collect();
            let forbidden =
                forbidden.map(|number| traits().get(number).copied().unwrap_or(sharing));
            // What is the only choice left is required, and not forbidden too.
            let is_wanted = |one: &Trait| {
                part.required.contains(one)
                    || part.any_of.iter().any(|any| any.contains(one) && any.len() == 1)
            };
            part.forbidden = forbidden.filter(|one| !is_wanted(one)).into_iter().collect();
            let set = |set: BTreeSet<usize>| set.into_iter().map(aggregate).collect();
            part.member_of = of.into_iter().map(set).collect();
            part.not_member_of = not_of.map(aggregate).into_iter().collect();
            part.in_tree = in_tree.map(uuid);
            part
        },
    )
}

/// Describes a granular group that is to be.
#[derive(Clone, Debug)]
enum Granular {
    Giving(Part),
    /// Without amounts.
    Naming(Part),
    /// With the content of the group before.
    Again,
}

fn granular() -> impl Strategy<Value = Granular> {
    prop_oneof![
        4 => part().prop_map(Granular::Giving),
        2 => part().prop_map(|part| Granular::Naming(Part { resources: BTreeMap::new(), ..part })),
        3 => Just(Granular::Again),
    ]
}

pub(crate) fn spec() -> impl Strategy<Value = Spec> {
    let unsuffixed = prop_oneof![2 => Just(Part::default()), 3 => part()];
    let subtrees = prop_oneof![
        3 => Just(vec![]),
        3 => vec(btree_set(0..3usize, 2..=3), 1),
        1 => vec(btree_set(0..3usize, 1..=3), 2),
    ];
    let of_root = (weighted(0.08, 0..3usize), weighted(0.08, 0..3usize));
    let flags = (any::<bool>(), flag(0.3));
    (unsuffixed, vec(granular(), 0..=3), flags, subtrees, of_root).prop_map(
        |(unsuffixed, groups, (isolates, is_plain), subtrees, (required, forbidden))| {
            let mut spec = Spec { unsuffixed, isolates, ..Spec::default() };
            for group in groups {
                let part = match (group, spec.groups.last()) {
                    (Granular::Again, Some(last)) => last.clone(),
                    (Granular::Again, None) => continue,
                    (Granular::Giving(part) | Granular::Naming(part), _) => part,
                };
                spec.groups.push(part);
            }
            if is_plain {
                for part in spec.groups.iter_mut().chain([&mut spec.unsuffixed]) {
                    *part = Part { resources: part.resources.clone(), ..Part::default() };
                }
            }
            let exists = |groups: BTreeSet<usize>| -> BTreeSet<usize> {
                groups.into_iter().filter(|group| *group < spec.groups.len()).collect()
            };
            spec.same_subtree = subtrees.into_iter().map(exists).collect();
            spec.same_subtree.retain(|groups| !groups.is_empty());
            mend(&mut spec);
            spec.root_required = required.map(|number| traits()[number]).into_iter().collect();
            let forbidden = forbidden.map(|number| traits()[number]);
            spec.root_forbidden =
                forbidden.filter(|one| !spec.root_required.contains(one)).into_iter().collect();
            spec
        },
    )
}

/// Makes a request mean something.
fn mend(spec: &mut Spec) {
    let is_placed = |at: &usize| spec.same_subtree.iter().any(|groups| groups.contains(at));
    let is_lost = |at: &usize| spec.groups[*at].resources.is_empty() && !is_placed(at);
    let lost: Vec<_> = (0..spec.groups.len()).filter(is_lost).collect();
    if !lost.is_empty() {
        spec.same_subtree.push(lost.into_iter().chain([0]).collect());
    }
    if spec.unsuffixed.resources.is_empty() {
        spec.unsuffixed = Part::default();
        if spec.groups.iter().all(|part| part.resources.is_empty()) {
            spec.unsuffixed.resources.insert(CLASSES[0], 1);
        }
    }
}

/// Holds a forest, and what changes it.
pub(crate) struct Forest {
    pub(crate) tree: ProviderTree,
    pub(crate) worker: Worker,
    /// What consumers hold.
    pub(crate) held: Vec<Claim>,
    taken: Vec<(Provider, Vec<(ResourceClass, u64)>)>,
    made: usize,
    consumers: u128,
}

impl Forest {
    pub(crate) fn new(plan: &Plan) -> Self {
        let tree = ProviderTree::new();
        let worker = tree.worker().unwrap();
        let (held, taken) = (Vec::new(), Vec::new());
        let mut forest = Forest { tree, worker, held, taken, made: 0, consumers: 0 };
        for members in plan {
            forest.plant(members);
        }
        forest
    }

    fn plant(&mut self, members: &[Member]) {
        let mut made: Vec<(Provider, Option<Provider>)> = Vec::new();
        let mut content = &members[0].content;
        for member in members {
            let is_twin = member.is_twin && made.len() > 1;
            let parent = match made.last() {
                Some((_, parent)) if is_twin => *parent,
                Some(_) => Some(made[member.parent % made.len()].0),
                None => None,
            };
            if !is_twin {
                content = &member.content;
            }
            let provider = self.make(parent.as_ref(), content);
            made.push((provider, parent));
            for (class, amount) in CLASSES.into_iter().zip(member.used) {
                match member.is_held {
                    true => {
                        let claim = self.claim(&[(provider, class, amount)]);
                        self.hold(claim);
                    }
                    false => self.take(provider, class, amount),
                }
            }
        }
        for (member, (provider, _)) in members.iter().zip(made) {
            if member.is_cordoned {
                let _new = self.tree.cordon(&provider).unwrap();
            }
        }
    }

    fn make(&mut self, parent: Option<&Provider>, content: &Content) -> Provider {
        let (uuid, name) = (uuid(self.made), format!("p{}", self.made));
        self.made += 1;
        let provider = match parent {
            Some(parent) => self.tree.create_child(parent, &name, uuid),
            None => self.tree.create_root(&name, uuid),
        };
        let provider = provider.unwrap();
        let _updated = self.tree.configure(&provider, content.inventories(), Expect::Any).unwrap();
        self.tree
            .configure(&provider, Edit::new().set_traits(content.traits()), Expect::Any)
            .unwrap();
        self.tree
            .configure(&provider, Edit::new().set_aggregates(content.aggregates()), Expect::Any)
            .unwrap();
        provider
    }

    pub(crate) fn consumer(&mut self) -> Uuid {
        self.consumers += 1;
        Uuid::from_u128(0xC000_0000 + self.consumers)
    }

    fn claim(&mut self, lines: &[(Provider, ResourceClass, u64)]) -> Claim {
        let claim = Claim::new(self.consumer());
        lines
            .iter()
            .fold(claim, |claim, (provider, class, amount)| claim.take(provider, *class, *amount))
    }

    /// Makes a claim, which may be refused. Returns whether it was granted.
    pub(crate) fn hold(&mut self, claim: Claim) -> bool {
        let is_granted = self.worker.claim(&claim).is_ok();
        if is_granted {
            self.held.push(claim);
        }
        is_granted
    }

    fn take(&mut self, provider: Provider, class: ResourceClass, amount: u64) {
        let amounts = vec![(class, amount)];
        if self.worker.take(&provider, &amounts).is_ok() {
            self.taken.push((provider, amounts));
        }
    }

    fn pick(&self, number: usize) -> Provider {
        let providers = self.tree.providers();
        providers[number % providers.len()]
    }

    /// Returns a claim that may be refused.
    pub(crate) fn claim_of(&mut self, lines: &[(usize, usize, u64)]) -> Claim {
        let line = |(provider, class, amount): &(usize, usize, u64)| {
            (self.pick(*provider), CLASSES[*class], *amount)
        };
        let lines: Vec<_> = lines.iter().map(line).collect();
        self.claim(&lines)
    }

    /// Makes a change, which may be refused.
    pub(crate) fn change(&mut self, change: &Change) {
        if let Change::MakeRoot(content) = change {
            self.make(None, content);
            return;
        }
        if self.tree.providers().is_empty() {
            return;
        }
        match change {
            Change::MakeRoot(_) => {}
            Change::MakeChild(parent, content) => {
                let parent = self.pick(*parent);
                self.make(Some(&parent), content);
            }
            Change::Remove(provider) => {
                // Refused if it is in use.
                let _ = self.tree.remove(&self.pick(*provider));
            }
            Change::Move(provider, parent) => {
                let parent = parent.map(|parent| self.pick(parent));
                // Refused below itself.
                let _ = self.tree.reparent(&self.pick(*provider), parent.as_ref());
            }
            Change::Inventories(provider, content) => {
                // Refused if a class that is in use is left out.
                let inventories = content.inventories();
                let provider = self.pick(*provider);
                let _ = self.tree.configure(&provider, inventories, Expect::Any);
            }
            Change::Traits(provider, content) => {
                let provider = self.pick(*provider);
                self.tree
                    .configure(&provider, Edit::new().set_traits(content.traits()), Expect::Any)
                    .unwrap();
            }
            Change::Aggregates(provider, content) => {
                let provider = self.pick(*provider);
                self.tree
                    .configure(
                        &provider,
                        Edit::new().set_aggregates(content.aggregates()),
                        Expect::Any,
                    )
                    .unwrap();
            }
            Change::Cordon(provider) => {
                let _new = self.tree.cordon(&self.pick(*provider)).unwrap();
            }
            Change::Uncordon(provider) => {
                let _new = self.tree.uncordon(&self.pick(*provider)).unwrap();
            }
            Change::Claim(lines) => {
                let claim = self.claim_of(lines);
                self.hold(claim);
            }
            Change::Release(held) => {
                if !self.held.is_empty() {
                    let claim = self.held.swap_remove(held % self.held.len());
                    let _receipt = self.worker.release(claim.consumer().unwrap()).unwrap();
                }
            }
            Change::Take(provider, class, amount) => {
                self.take(self.pick(*provider), CLASSES[*class], *amount);
            }
            Change::PutBack(taken) => {
                if !self.taken.is_empty() {
                    let (provider, amounts) = self.taken.swap_remove(taken % self.taken.len());
                    self.worker.put_back(&provider, &amounts).unwrap();
                }
            }
        }
    }
}

/// Describes a change of a forest. Numbers stand for providers that there are, or for claims.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are few")]
pub(crate) enum Change {
    MakeRoot(Content),
    MakeChild(usize, Content),
    Remove(usize),
    Move(usize, Option<usize>),
    Inventories(usize, Content),
    Traits(usize, Content),
    Aggregates(usize, Content),
    Cordon(usize),
    Uncordon(usize),
    Claim(Vec<(usize, usize, u64)>),
    Release(usize),
    Take(usize, usize, u64),
    PutBack(usize),
}

fn at() -> std::ops::Range<usize> {
    0..64
}

fn line() -> impl Strategy<Value = (usize, usize, u64)> {
    (at(), 0..CLASSES.len(), 1u64..=2)
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => content().prop_map(Change::MakeRoot),
        2 => (at(), content()).prop_map(|(at, content)| Change::MakeChild(at, content)),
        1 => at().prop_map(Change::Remove),
        2 => (at(), weighted(0.8, at())).prop_map(|(at, parent)| Change::Move(at, parent)),
        2 => (at(), content()).prop_map(|(at, content)| Change::Inventories(at, content)),
        2 => (at(), content()).prop_map(|(at, content)| Change::Traits(at, content)),
        2 => (at(), content()).prop_map(|(at, content)| Change::Aggregates(at, content)),
        1 => at().prop_map(Change::Cordon),
        1 => at().prop_map(Change::Uncordon),
        6 => vec(line(), 1..=3).prop_map(Change::Claim),
        4 => at().prop_map(Change::Release),
        3 => line().prop_map(|(at, class, amount)| Change::Take(at, class, amount)),
        2 => at().prop_map(Change::PutBack),
    ]
}

/// Describes a change of a fork.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are few")]
pub(crate) enum ForkEdit {
    Inventories(usize, Content),
    Cordon(usize),
    Uncordon(usize),
    Claim(Vec<(usize, usize, u64)>),
    Release(usize),
}

pub(crate) fn fork_edit() -> impl Strategy<Value = ForkEdit> {
    prop_oneof![
        2 => (at(), content()).prop_map(|(at, content)| ForkEdit::Inventories(at, content)),
        1 => at().prop_map(ForkEdit::Cordon),
        1 => at().prop_map(ForkEdit::Uncordon),
        3 => vec(line(), 1..=3).prop_map(ForkEdit::Claim),
        2 => at().prop_map(ForkEdit::Release),
    ]
}
