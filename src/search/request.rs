//! [`Request`]: what a scheduler searches for.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::error::{RequestFault, Result, check_term_name};
use crate::search::group::Group;
use crate::values::{ResourceClass, Trait};

/// Describes what candidates are searched for: all that `GET /allocation_candidates` of OpenStack
/// Placement can ask.
///
/// A request consists of groups. The *unnamed group* is what the request itself asks for, with
/// [`take`](Self::take) and the methods after it; its classes may come from several providers. Each
/// *named group*, added with [`group`](Self::group), is served by one provider. A request needs no
/// named group, and its unnamed group may stay empty if a named one asks for something.
///
/// ```
/// use provider_tree::{Group, Request, ResourceClass, Trait};
///
/// let numa_root = Trait::new("HW_NUMA_ROOT")?;
/// let a100 = Trait::new("CUSTOM_GPU_A100")?;
/// let gpu = Group::new().take(ResourceClass::PGPU, 1).require(a100);
///
/// // Disk from anywhere in reach; two GPUs of a model below one NUMA node, which gives the cores.
/// let request = Request::new()
///     .take(ResourceClass::DISK_GB, 100)
///     .group("cores", Group::new().take(ResourceClass::VCPU, 8).require(numa_root))
///     .group("gpu-0", gpu.clone())
///     .group("gpu-1", gpu)
///     .same_subtree(["cores", "gpu-0", "gpu-1"])
///     .limit(10);
/// request.check()?;
/// # Ok::<(), provider_tree::Error>(())
/// ```
///
/// A request is a plain value that belongs to no forest. It can be kept, copied, compared and used
/// as a key; its fields can be read and changed directly too.
///
/// # What a candidate is
///
/// A *candidate* says which provider gives each class of the unnamed group, and which provider
/// serves each named group. It belongs to one tree. Everyone who serves in it is
///
/// - a provider of that tree, or
/// - a *sharing provider* of any other tree: it has the trait
///   [`MISC_SHARES_VIA_AGGREGATE`](Trait::MISC_SHARES_VIA_AGGREGATE), and there is an aggregate that
///   it and some provider of the candidate's tree, whichever it is, are both members of.
///
/// No one who serves in it is cordoned, and neither is the root of its tree.
///
/// Each amount comes whole from one provider, which has an inventory of the class. What several
/// groups ask of the same class of the same provider adds up. The sum has to fit in what is free
/// there, and has to obey the units of the inventory, just as the claim will: a candidate is what a
/// claim would be granted.
///
/// Two candidates are the same if the same providers serve the same classes and groups, whichever
/// trees they belong to. That matters only where sharing providers serve everything.
///
/// # What each condition means
///
/// | | of the unnamed group | of a named group |
/// |---|---|---|
/// | [`take`](Self::take) | each class comes from one provider; two classes may come from two | all classes come from its one provider |
/// | [`require`](Self::require), [`require_any`](Self::require_any) | for each trait, or each set, there is one at least among the providers that give something of the group who has it, or one of it | its provider has each, and one of each set |
/// | [`forbid`](Self::forbid) | none of these providers has one | its provider has none |
/// | [`member_of`](Self::member_of) | each of these providers is in one aggregate of each set; or the root of the candidate's tree is, which then stands for all providers of that tree, but not for a sharing provider of another tree | its provider is in one aggregate of each set, whatever its root is in |
/// | [`not_member_of`](Self::not_member_of) | neither these providers nor the root of the candidate's tree is in any of the aggregates | its provider is in none, whatever its root is in |
/// | [`in_tree`](Self::in_tree) | the candidate belongs to that tree, and all these providers are in it | its provider is in that tree, which is another one than the candidate's if the provider is a sharing one |
///
/// The sets of `member_of` are met by one provider together: if a provider is in an aggregate of one
/// set, and its root in an aggregate of another, neither meets them. Traits never stand for another
/// provider than the one that has them.
///
/// For example, the unnamed group asks for VCPU and DISK_GB and requires the traits A and B. A host
/// gives the VCPU and a disk pool below it the DISK_GB. Then A may be a trait of the host and B one
/// of the pool, or one of the two may have both; but a trait of a third provider, which gives
/// nothing, does not count. With `member_of` X, the host and the pool each have to be in X, or the
/// host alone if it is the root, which stands for the pool. A named group with the same amounts and
/// traits needs one provider with VCPU, DISK_GB, A and B.
///
/// A named group that asks for nothing is served by a provider that meets its conditions, and that
/// may have no inventory at all. Such a group has to be in a set of
/// [`same_subtree`](Self::same_subtree()), which it serves: "all of it below one provider that has
/// this trait".
///
/// | for the whole request | |
/// |---|---|
/// | [`isolate`](Self::isolate()) | no two named groups are served by the same provider, also where one of them asks for nothing; the unnamed group may share providers with any |
/// | [`same_subtree`](Self::same_subtree()) | among the providers that serve these groups, one is the ancestor of all the others, or there is but one; each set by itself |
/// | [`require_root`](Self::require_root), [`forbid_root`](Self::forbid_root) | the root of the tree that the candidate belongs to has each of the traits, or has none |
/// | [`limit`](Self::limit()) | at most so many candidates are found, and the search ends with the last of them |
///
/// # What differs from Placement
///
/// On purpose:
///
/// - *Usage counts.* What several groups ask of one provider is checked together, always, against
///   what is used, and against all the units. Placement adds up for capacity and the greatest unit
///   alone, and with one of its options leaves out what is used. So two groups that ask for 1 each
///   can be served by a provider that gives in steps of 2; Placement wants each amount to obey the
///   step by itself.
/// - *A candidate asks for the amounts of the request*, also for a class that several groups ask
///   for.
/// - *Alike is one.* Groups that ask for the same under the same conditions, and are in the same sets
///   of [`same_subtree`](Self::same_subtree()), are not told apart, nor are siblings
///   without children that are equal in all respects: two equal GPUs, for two equal groups, are one
///   candidate and not four.
/// - *The limit bounds the search*, and not merely what is returned of its result.
/// - *Cordoned providers serve in no candidate.*
/// - [`isolate`](Self::isolate()) is chosen or not; Placement wants an answer as soon as there are
///   two named groups.
///
/// Where Placement loses something on its way, this is not repeated here: it finds no one for a
/// group that asks for nothing and only forbids; it ignores `in_tree` for a group that asks for
/// nothing; it takes the last of two amounts of one class, where here they add up; and the
/// `member_of` of one group keeps sharing providers from the groups after it.
///
/// # From Placement's parameters
///
/// | parameter | method |
/// |---|---|
/// | `resources=VCPU:4,MEMORY_MB:512` | [`take`](Self::take), once for each |
/// | `required=A,!B`, `required=in:A,B` | [`require`](Self::require) and [`forbid`](Self::forbid); [`require_any`](Self::require_any) |
/// | `member_of=in:X,Y`, `member_of=!X` | [`member_of`](Self::member_of); [`not_member_of`](Self::not_member_of) |
/// | `in_tree=P` | [`in_tree`](Self::in_tree) |
/// | the same with the suffix `_GPU1` | [`group`](Self::group) with the name `_GPU1` |
/// | `group_policy=isolate` | [`isolate`](Self::isolate()) |
/// | `same_subtree=_A,_B` | [`same_subtree`](Self::same_subtree()) |
/// | `root_required=A,!B` | [`require_root`](Self::require_root), [`forbid_root`](Self::forbid_root) |
/// | `limit=10` | [`limit`](Self::limit()) |
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use = "a request does nothing until a view prepares it"]
pub struct Request {
    /// What may come from several providers.
    pub unnamed: Group,
    /// The groups that are served by one provider each, with their names.
    pub groups: Vec<(String, Group)>,
    /// Whether no two named groups may be served by the same provider.
    pub isolate: bool,
    /// Sets of names of groups: of the providers that serve the groups of a set, one is the
    /// ancestor of the others.
    pub same_subtree: Vec<BTreeSet<String>>,
    /// The traits that the root has to have.
    pub root_required: BTreeSet<Trait>,
    /// The traits that the root must not have.
    pub root_forbidden: BTreeSet<Trait>,
    /// How many candidates are wanted at most.
    pub limit: Option<usize>,
}

/// Asks for what may come from several providers. These methods are those of a [`Group`], here the
/// unnamed one.
impl Request {
    /// Adds `amount` of `class` from one provider, and returns the request. Amounts of the same
    /// class add up, and come from the same provider.
    pub fn take(self, class: ResourceClass, amount: u64) -> Self {
        self.with(|unnamed| unnamed.take(class, amount))
    }

    /// Requires the trait `quality` of one at least of the providers that give something of the
    /// unnamed group, and returns the request.
    pub fn require(self, quality: Trait) -> Self {
        self.with(|unnamed| unnamed.require(quality))
    }

    /// Requires one at least of these traits of one at least of the providers that give something
    /// of the unnamed group. Of several such sets, each has to be met. Returns the request.
    pub fn require_any(self, any: impl IntoIterator<Item = Trait>) -> Self {
        self.with(|unnamed| unnamed.require_any(any))
    }

    /// Forbids the trait `quality` to all providers that give something of the unnamed group, and
    /// returns the request.
    pub fn forbid(self, quality: Trait) -> Self {
        self.with(|unnamed| unnamed.forbid(quality))
    }

    /// Requires that each provider that gives something of the unnamed group is in one at least of
    /// these aggregates, or that the root of its tree is. Of several such sets, each has to be met.
    /// Returns the request.
    ///
    /// The root does not stand for a sharing provider of another tree.
    pub fn member_of(self, any: impl IntoIterator<Item = Uuid>) -> Self {
        self.with(|unnamed| unnamed.member_of(any))
    }

    /// Requires that neither a provider that gives something of the unnamed group nor the root of
    /// the candidate's tree is in any of these aggregates. Returns the request.
    pub fn not_member_of(self, aggregates: impl IntoIterator<Item = Uuid>) -> Self {
        self.with(|unnamed| unnamed.not_member_of(aggregates))
    }

    /// Requires that candidates belong to the tree that `provider` is in, wherever in that tree
    /// `provider` is, and that the unnamed group comes from that tree alone. Returns the request.
    /// An earlier requirement of this kind no longer holds.
    ///
    /// There is no candidate while there is no provider with this uuid.
    pub fn in_tree(self, provider: Uuid) -> Self {
        self.with(|unnamed| unnamed.in_tree(provider))
    }

    fn with(mut self, change: impl FnOnce(Group) -> Group) -> Self {
        self.unnamed = change(self.unnamed);
        self
    }
}

impl Request {
    /// Returns a request that asks for nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a group that is served by one provider, and returns the request. `name` tells the group
    /// from others, in [`same_subtree`](Self::same_subtree()) and in candidates. It obeys the rules
    /// for names of classes.
    pub fn group(mut self, name: impl Into<String>, group: Group) -> Self {
        self.groups.push((name.into(), group));
        self
    }

    /// Requires that no two named groups are served by the same provider, and returns the request.
    pub fn isolate(mut self) -> Self {
        self.isolate = true;
        self
    }

    /// Requires that, among the providers that serve the groups with these names, one is the
    /// ancestor of all the others, unless they are all the same. Returns the request. Each call adds
    /// a requirement of its own.
    ///
    /// The groups may be added before or after this.
    pub fn same_subtree<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.same_subtree.push(names.into_iter().map(N::into).collect());
        self
    }

    /// Requires the trait `quality` of the root of the candidate's tree, and returns the request.
    pub fn require_root(mut self, quality: Trait) -> Self {
        self.root_required.insert(quality);
        self
    }

    /// Forbids the trait `quality` to the root of the candidate's tree, and returns the request.
    pub fn forbid_root(mut self, quality: Trait) -> Self {
        self.root_forbidden.insert(quality);
        self
    }

    /// Bounds how many candidates are searched for, and returns the request.
    pub fn limit(mut self, candidates: usize) -> Self {
        self.limit = Some(candidates);
        self
    }

    /// Checks that the request does not contradict itself. Every search checks this first; here it
    /// can be found out before. O(size of the request), with a logarithm.
    ///
    /// A request whose conditions no forest could meet for another reason passes the check, and
    /// has no candidates.
    ///
    /// ```
    /// use provider_tree::{Error, Group, Request, RequestFault, ResourceClass, Trait};
    ///
    /// let request = Request::new().group("root", Group::new().require(Trait::new("HW_NUMA_ROOT")?));
    /// let nothing = Error::InvalidRequest { fault: RequestFault::Nothing };
    /// assert_eq!(request.check(), Err(nothing));
    ///
    /// let request = request.group("gpu", Group::new().take(ResourceClass::PGPU, 1));
    /// let loose = RequestFault::LooseGroup { name: "root".to_owned() };
    /// assert_eq!(request.check(), Err(loose.into()));
    /// request.same_subtree(["root", "gpu"]).check()?;
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`InvalidRequest`](crate::Error::InvalidRequest) with a [`RequestFault`], or
    /// [`InvalidName`](crate::Error::InvalidName) unless the name of each group is 1 to 255 ASCII
    /// letters, digits and `_ . / - :`.
    pub fn check(&self) -> Result<()> {
        for (name, _) in &self.groups {
            check_term_name(name)?;
        }
        Ok(self.check_groups().and_then(|()| self.check_whole())?)
    }

    /// Checks each group by itself.
    fn check_groups(&self) -> Result<(), RequestFault> {
        self.unnamed.check(None)?;
        if self.unnamed.resources.is_empty() && !self.unnamed.is_blank() {
            return Err(RequestFault::ConditionsAlone);
        }
        self.groups.iter().try_for_each(|(name, group)| group.check(Some(name)))
    }

    /// Checks what concerns several groups, or none.
    fn check_whole(&self) -> Result<(), RequestFault> {
        let mut groups = self.groups.iter().map(|(_, group)| group).chain([&self.unnamed]);
        if groups.all(|group| group.resources.is_empty()) {
            return Err(RequestFault::Nothing);
        }
        let mut names = BTreeSet::new();
        for (name, _) in &self.groups {
            if !names.insert(name) {
                return Err(RequestFault::DuplicateGroup { name: name.clone() });
            }
        }
        if self.same_subtree.contains(&BTreeSet::new()) {
            return Err(RequestFault::EmptySubtree);
        }
        let bound: BTreeSet<&String> = self.same_subtree.iter().flatten().collect();
        if let Some(&unknown) = bound.difference(&names).next() {
            return Err(RequestFault::UnknownGroup { name: unknown.clone() });
        }
        for (name, group) in &self.groups {
            if group.resources.is_empty() && !bound.contains(name) {
                return Err(RequestFault::LooseGroup { name: name.clone() });
            }
        }
        if let Some(&quality) = self.root_required.intersection(&self.root_forbidden).next() {
            return Err(RequestFault::RootContradiction { quality });
        }
        match self.limit {
            Some(0) => Err(RequestFault::ZeroLimit),
            _ => Ok(()),
        }
    }

    /// Returns the sets of [`same_subtree`](Self::same_subtree()) as positions among the groups, of
    /// a request that has passed the check: each set in ascending order, and once, and without sets
    /// of one group, which ask for nothing.
    pub(crate) fn subtrees(&self) -> BTreeSet<Vec<usize>> {
        let groups = self.groups.iter().enumerate();
        let positions: BTreeMap<&str, usize> =
            groups.map(|(at, (name, _))| (name.as_str(), at)).collect();
        let at = |set: &BTreeSet<String>| -> BTreeSet<usize> {
            set.iter().filter_map(|name| positions.get(name.as_str()).copied()).collect()
        };
        let sets = self.same_subtree.iter().map(at);
        sets.filter(|set| set.len() > 1).map(|set| set.into_iter().collect()).collect()
    }
}

impl From<Group> for Request {
    /// Returns a request whose unnamed group is `unnamed`, and that has no other.
    fn from(unnamed: Group) -> Self {
        Request { unnamed, ..Request::default() }
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;
    use crate::error::Error;

    fn vcpu(amount: u64) -> Group {
        Group::new().take(ResourceClass::VCPU, amount)
    }

    fn quality(name: &str) -> Trait {
        Trait::new(name).unwrap()
    }

    #[test]
    fn each_contradiction_is_refused() {
        use RequestFault::*;
        let (a, b, class) = (quality("CUSTOM_A"), quality("CUSTOM_B"), ResourceClass::VCPU);
        let (own, name) = (Request::new().take(class, 1), || "x".to_owned());
        let both = || own.clone().group("x", Group::new().require(a));
        let cases = [
            (Request::new(), Nothing),
            (Request::new().require(a).group("x", vcpu(1)), ConditionsAlone),
            (Request::new().take(class, 0), ZeroAmount { group: None, class }),
            (own.clone().group("x", vcpu(0)), ZeroAmount { group: Some(name()), class }),
            (own.clone().take(class, u64::MAX), SumTooLarge { group: None, class }),
            (own.clone().require_any([]), EmptyChoice { group: None }),
            (own.clone().group("x", vcpu(1).member_of([])), EmptyChoice { group: Some(name()) }),
            (own.clone().require(a).forbid(a), Contradiction { group: None, traits: vec![a] }),
            (
                own.clone().require_any([a, b]).forbid(a).forbid(b),
                Contradiction { group: None, traits: vec![a, b] },
            ),
            (
                own.clone().require_any([a]).forbid(a),
                Contradiction { group: None, traits: vec![a] },
            ),
            (own.clone().require_root(a).forbid_root(a), RootContradiction { quality: a }),
            (own.clone().group("x", vcpu(1)).group("x", vcpu(2)), DuplicateGroup { name: name() }),
            (both(), LooseGroup { name: name() }),
            (both().same_subtree(["x", "y"]), UnknownGroup { name: "y".to_owned() }),
            (own.clone().same_subtree::<&str>([]), EmptySubtree),
            (own.clone().limit(0), ZeroLimit),
        ];
        for (request, fault) in cases {
            assert_eq!(request.check(), Err(Error::InvalidRequest { fault }), "{request:?}");
        }
        let named = own.group("two words", vcpu(1));
        assert!(matches!(named.check(), Err(Error::InvalidName { .. })));
    }

    #[test]
    fn what_no_forest_may_meet_is_no_contradiction() {
        let (a, b, aggregate) = (quality("CUSTOM_A"), quality("CUSTOM_B"), Uuid::from_u128(1));
        let request = Request::new()
            .take(ResourceClass::VCPU, u64::MAX)
            .require_any([a, b])
            .forbid(a)
            .member_of([aggregate])
            .not_member_of([aggregate])
            .in_tree(Uuid::from_u128(2))
            .group("x", Group::new())
            .same_subtree(["x"])
            .isolate();
        assert_eq!(request.check(), Ok(()));
    }

    #[test]
    fn sets_of_groups_are_told_as_positions() {
        let request = Request::new()
            .same_subtree(["c", "a"])
            .same_subtree(["a", "c", "a"])
            .same_subtree(["b"])
            .group("a", vcpu(1))
            .group("b", vcpu(1))
            .group("c", vcpu(1))
            .same_subtree(["c", "b", "a"]);
        request.check().unwrap();
        assert_eq!(request.subtrees(), BTreeSet::from([vec![0, 2], vec![0, 1, 2]]));
    }

    #[test]
    fn one_of_one_trait_is_that_trait() {
        let (a, b) = (quality("CUSTOM_A"), quality("CUSTOM_B"));
        assert_eq!(Group::new().require_any([a]), Group::new().require(a));
        assert_eq!(Group::new().require_any([b, a, b]), Group::new().require_any([a, b]));
    }
}
