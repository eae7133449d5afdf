//! A lock-free concurrent tree of resource providers for multithreaded schedulers.
//!
//! A *provider* is something that has resources: a host, a GPU, a network card. Providers form
//! trees, and a [`ProviderTree`] is a forest of such trees that any number of threads share. Each
//! provider has inventories (how much of which resource class), traits, aggregates and a
//! generation. *Consumers*, such as virtual machines and jobs, claim amounts from any number of
//! providers in one commit.
//!
//! The crate is for schedulers that decide with many threads on one machine. It does what the
//! `ProviderTree` of OpenStack Nova does, without the lock that Nova holds for the whole process,
//! and adds claims that never oversell: a claim is checked and made at one instant, against exactly
//! the inventories that are in force at that instant.
//!
//! # Example
//!
//! ```
//! use provider_tree::{Claim, Error, Expect, Inventories, Inventory, ProviderTree, ResourceClass};
//! use uuid::Uuid;
//!
//! let tree = ProviderTree::new();
//! let host = tree.create_root("host-1", None)?;
//! let gpu = tree.create_child(&host, "host-1-gpu-0", None)?;
//! let inventories = |class, total| Inventories::new().with(class, Inventory::new(total));
//! tree.set_inventories(&host, inventories(ResourceClass::VCPU, 16), Expect::Any)?;
//! tree.set_inventories(&gpu, inventories(ResourceClass::PGPU, 1), Expect::Any)?;
//!
//! let mut worker = tree.worker()?; // One for each thread.
//! let claim = |consumer| {
//!     Claim::new(consumer).take(&host, ResourceClass::VCPU, 4).take(&gpu, ResourceClass::PGPU, 1)
//! };
//! let receipt = worker.claim(&claim(Uuid::new_v4()))?; // From both providers, or from none.
//! let refused = worker.claim(&claim(Uuid::new_v4()));
//! assert!(matches!(refused, Err(Error::CapacityExceeded { requested: 1, free: 0, .. })));
//! assert_eq!(tree.usage(&host, ResourceClass::VCPU)?.used, 4);
//! worker.release(receipt.consumer)?;
//! # Ok::<(), provider_tree::Error>(())
//! ```
//!
//! # What there is
//!
//! | to | use |
//! |---|---|
//! | build the forest | [`create_root`], [`create_child`]; [`populate`] for many providers at once |
//! | change its structure | [`reparent`], [`rename`], [`remove`], [`remove_leaf`] |
//! | find a provider by uuid or name | [`find`] |
//! | walk down | [`roots`], [`children`], [`subtree`], [`tree_of`], [`providers`] |
//! | walk up | [`parent`], [`ancestors`] |
//! | say what a provider has and is | [`set_inventories`], [`set_traits`], [`set_aggregates`] |
//! | say so only if it differs | [`update_inventories`], [`update_traits`], [`add_traits`], [`remove_traits`], and such methods for aggregates; [`update_resources`] for values of your own |
//! | read what a provider has and is | [`configuration`], [`data`], [`name`]; again and again, [`Worker::data`]; [`has_traits`], [`has_sharing_provider`] and others answer one question |
//! | see what is used | [`usage`], [`usages`]; of several classes [`usages_of`], of a whole host [`subtree_usages`]; [`version`] tells whether that may have changed |
//! | find where something fits | a [`View`], one for each thread: [`View::candidates`] for a [`Request`], [`View::best`], [`View::why`] |
//! | find, claim, and go on after a conflict | [`View::place`]; [`cookbook`] writes a scheduler on it |
//! | find out who has to go | [`View::evict`], in a [view with holders](ProviderTree::view_with_holders) |
//! | claim and give back | [`Worker::claim`], [`Worker::replace`], [`Worker::release`] |
//! | claim and give back without a consumer | [`Worker::take`], [`Worker::put_back`] |
//! | claim as much as fits | [`Worker::claim_partly`]; [`Worker::claim_gang`] for at least so many of a number of claims |
//! | make a claim depend on more than what is free | [`Claim::rest_on`] |
//! | change many consumers, and inventories, as one | [`Worker::commit`] of a [`Batch`] |
//! | hold something until it is confirmed | [`Worker::lease`], [`Worker::confirm`], [`Worker::renew`], [`Worker::forget`], [`Worker::expire`]; [`lease_of`] after a lost reply or a load |
//! | claim the cheapest way: for a consumer that the forest names | [`Claim::unnamed`]; [`issue`] for a uuid to ask again by after a lost reply |
//! | claim the same again and again | [`Claim::for_consumer`] |
//! | keep a number of your own with a consumer: an index, a priority, an owner | [`Claim::tagged`] |
//! | keep quotas | [`Claim::take_chain`] |
//! | take a provider out of service | [`cordon`], [`uncordon`]; [`holders`] lists the consumers that have to go |
//! | see who holds what, and prove it | [`allocations`], [`consumers`], [`audit`]; [`overcommitted`] after an inventory has shrunk |
//! | see the whole forest at one instant, while it goes on | [`snapshot`]: walks, usage, allocations, audit and dump of a [`Snapshot`] |
//! | see what has changed | [`Snapshot::changes_since`]; [`subscribe`] to a [`Feed`], which keeps a [`Mirror`] up to date |
//! | see only which providers have changed | [`Feed::poll_touched`], [`Snapshot::touched_since`] |
//! | wait for a change | [`Feed::wait`]; [`Feed::changed`] as a future |
//! | ask what if, and then do it | [`Snapshot::fork`], a private [`Fork`]; [`Worker::commit`] of its [`Fork::difference`] |
//! | see how it goes | [`metrics`], [`Worker::metrics`]; with the feature `tracing`, an [event](#events) for each call that changes something |
//! | see what the forest takes in memory, and what for | [`memory`] |
//! | write the whole forest down, and read it again | [`dump`], [`load`]; with the feature `serde`, in [many formats](Dump) |
//! | speak as OpenStack Placement does | with the feature `serde`, the documents in the module `placement` |
//!
//! Every thread that claims has a [`Worker`] of its own. Every other method is called on the
//! [`ProviderTree`], whose clones are handles of the same forest. A [`Provider`] is a small handle
//! to keep and copy; using a handle takes no look-up. [`coming_from_nova`] shows what each
//! operation of Nova's tree is here.
//!
//! # When not to use it
//!
//! - *A handful of threads and rare changes.* A `Mutex` around a map is simpler, and easier to
//!   debug.
//! - *State that has to survive the process* whatever happens, or that processes or machines share.
//!   Everything is in memory, and a dump is what you make of it. Nothing keeps two schedulers with
//!   a copy each from granting the same unit. Let one process decide, or let a database.
//! - *Several calls that have to be one.* There are no transactions over arbitrary calls. What one
//!   method does is atomic, and nothing larger.
//! - *Waiting for room.* A claim that does not fit is refused at once; there is no queue.
//! - *A bounded time for each call.* Lock-free is not wait-free. A claim over very many providers
//!   that are all under heavy use may repeat for long.
//! - *Millions of short-lived names of classes or traits.* Such names are never forgotten.
//!
//! `COMPARE.md` in the repository says when a lock, a concurrent map or a database is the better
//! choice, with figures.
//!
//! # Consistency
//!
//! **Every call is linearizable**, except the few named below: the call takes effect, or finds its
//! answer, at one instant between its beginning and its end, and all threads agree on the order of
//! these instants. This holds for calls that succeed and for calls that are refused.
//!
//! - *A change is whole.* No reader sees a part of a change, however it reads: neither of a claim
//!   over a thousand providers nor of a removal of a subtree, a move, a rename or an exchange of
//!   inventories.
//! - *A walk is as of one instant.* [`subtree`] and the other walks return what the structure was
//!   at one moment, parents before their children.
//! - *A rejection is as true as a success.* All that an error says, such as how much was free, was
//!   true together at one instant during the call. A claim that fits is not refused because another
//!   thread touched the same provider meanwhile: the claim is checked again, inside the call.
//! - *A refused call has changed nothing*, at no instant. Only a [`version`] may differ without a
//!   change.
//! - *Capacity is never exceeded* by a claim. Only a smaller inventory can leave more used than the
//!   capacity. Until the excess is given back, only changes that don't add to it succeed.
//! - *What is used is what is held.* At every instant, the usage of a provider is the sum of what
//!   consumers hold from the provider and of what was taken without a consumer.
//!
//! **Exceptions.** [`Worker::expire`] ends each lease at an instant of its own, and a lease that is
//! given an earlier deadline meanwhile may be left for the next call. [`next_deadline`] may return
//! a deadline that is earlier than every lease's. [`metrics`] and [`memory`] read each of their
//! counts at an instant of its own.
//!
//! **Leases.** The caller says what time it is. A lease can be confirmed before its deadline by the
//! clock of the caller that confirms, until the lease is expired by the clock of the caller that
//! expires it: of a confirmation and an expiry exactly one happens.
//!
//! **Several calls.** The promise is for one call, and two calls are two instants. What [`usage`]
//! said may have changed when the claim comes, and the usages of two providers that are read one
//! after the other may never have been true together. Decide by what was read, then let the claim
//! check it; or read both from one snapshot.
//!
//! **Snapshots.** A [`Snapshot`] is the whole forest at one instant. Each change is in the snapshot
//! with everything that belongs to the change, or not at all, and everything that any thread saw
//! before the snapshot was taken is in it. What is read from a snapshot never changes. [`audit`],
//! [`dump`], [`consumers`], [`holders`] and [`overcommitted`] read a snapshot that the call itself
//! takes.
//!
//! **Views.** A [`View`] has each provider as of some instant since its last refresh began, so that
//! two providers in it may never have been as they are shown together; a view of a snapshot has
//! everything as of one instant. What was changed by a call that returned before the refresh began
//! is in the view. What a view finds is decided by the claim.
//!
//! **Generations.** A provider's generation begins at 0 and grows by one with each change of the
//! provider's inventories, traits, aggregates, name or parent, and never with a claim. A change can
//! require a generation with [`Expect::Generation`]. A consumer's generation grows by one with each
//! change of what the consumer holds and of its lease, and ends with the release. A consumer that
//! claims again begins above every generation that it has had, so that a change which requires one
//! of these never acts on another life of the consumer; one that the forest has
//! [named](Claim::unnamed) has one life alone. To know these generations, consumers share
//! 4,096 numbers: the first life of a consumer begins at 1, unless a consumer that shares its
//! number has come further. Two things keep no such promise: a generation that [`Expect::Mirror`]
//! sets, and a forest that is loaded from a dump, which knows of no lives except those in the dump.
//!
//! # Progress
//!
//! - *Wait-free*: the call is done after a bounded number of its own steps, whatever other threads
//!   do.
//! - *Lock-free*: a thread that is stopped for ever, at any point, keeps no other thread from going
//!   on. A call repeats steps only because a change by another call, or an attempt at a change,
//!   came between. Whenever calls repeat, some call finishes. A single call may repeat for as long
//!   as such changes go on: there is no queue and no fairness. The more providers a call covers,
//!   the likelier it is to repeat.
//! - *Shard lock*: the call asks or changes an index under the lock of one of the index's shards,
//!   for one look-up or insertion. Nothing else runs under the lock. A thread that the system stops
//!   at just that moment holds up the threads that need the shard. Otherwise the call is lock-free.
//!
//! A thread that is stopped for ever keeps no memory except of what there was when it stopped: a
//! version or two of a cell, the stock of its worker, and what a snapshot that it holds needs.
//!
//! | method | progress | cost |
//! |---|---|---|
//! | [`find`] | shard lock, shared | O(1) |
//! | [`Worker::find`] | lock-free for what this worker has found before; else as [`find`] | O(1) |
//! | [`create_root`], [`create_child`] | shard lock on uuids, on names | O(1) |
//! | [`remove`], [`remove_leaf`] | shard lock on uuids, on names (2), on layouts (16) | O(*n* log *n*), *n* providers removed |
//! | [`populate`] | shard lock on uuids, on names (2), on layouts (16) | O(*n* log *n*), *n* providers listed and removed |
//! | [`rename`] | shard lock on names | O(1) |
//! | [`reparent`] | lock-free (3) | O(depth of the new parent); also O(size of the subtree) if a cordon begins or ends for it |
//! | [`roots`], [`children`], [`subtree`], [`tree_of`], [`providers`] | lock-free (4) | O(providers visited) |
//! | [`parent`], [`ancestors`] | lock-free (4) | O(providers visited) |
//! | [`name`], [`version`] | lock-free | O(1) |
//! | [`configuration`] | lock-free | O(1) |
//! | [`data`] | lock-free (5) | O(1) |
//! | [`Worker::data`] | lock-free (1, 5) | O(1) |
//! | [`usage`], [`usages`] | lock-free | O(classes of the provider) |
//! | [`usages_of`] | lock-free | O(*n* * classes of the provider), *n* classes asked for |
//! | [`subtree_usages`] | lock-free (4, 5) | O(providers visited and their classes) |
//! | [`set_inventories`], [`update_inventories`] | shard lock on layouts (10, 16) | O(classes before and after) |
//! | [`have_inventories_changed`], [`has_inventories`] | lock-free | O(classes) |
//! | `set_`, `update_`, `add_`, `remove_` of traits and aggregates | lock-free (10) | O(*n* log *n*), size of the sets; O(classes) |
//! | [`has_traits`], [`in_aggregates`], `have_.._changed` of both | lock-free | O(*n* log *n*), size of the sets |
//! | [`update_resources`], [`have_resources_changed`] | lock-free, except for the comparison of the caller's values | O(classes) |
//! | [`has_sharing_provider`] | lock-free | O(classes that are shared) |
//! | [`ProviderTree::view`], [`ProviderTree::view_with_holders`] | lock-free | O(providers); with holders O(cells ever used) |
//! | [`View::refresh`] | lock-free (13) | O(workers ever at once + changes since the last) |
//! | [`View::reread`] | lock-free | O(1); O(size of the tree) if its structure has changed |
//! | [`View::candidates`], [`View::best`] and others of [`View`] | wait-free, since they share nothing; a shard lock, shared, for [`Group::in_tree`] | see [`View`] |
//! | [`snapshot`] | lock-free | O(log *h*), *h* snapshots held (11) |
//! | [`Snapshot::find`], [`Snapshot::allocations`] | shard lock, shared (15) | O(1); once for each snapshot O(cells ever used), for what has gone since |
//! | all other reads of a [`Snapshot`] | lock-free (12) | as the reads of the forest |
//! | [`Snapshot::audit`], [`Snapshot::dump`], [`Snapshot::consumers`], [`Snapshot::holders`] | lock-free (12) | O(cells ever used) |
//! | [`Snapshot::changes_since`], [`Feed::poll`] | lock-free (12) | O(*n* / 4,096 + 64 *c*), *n* cells of which *c* have changed |
//! | [`Snapshot::touched_since`], [`Feed::poll_touched`] | lock-free (12) | the same, with less for each of the *c* |
//! | [`subscribe`] | wait-free | O(1) |
//! | [`Feed::poll_changed`] | lock-free | O(log *w*), *w* that wait, and O(*n* / 4,096 + 64 *c*) up to the first that has changed |
//! | [`Feed::wait`], [`Feed::changed`] | block the thread or the task that calls, until something changes | the same, and again for each change that wakes the caller (14) |
//! | [`Snapshot::fork`] | wait-free | O(1) |
//! | [`Fork::claim`], [`Fork::replace`], [`Fork::release`], [`Fork::allocations`] | shard lock on consumers, shared (12, 15) | O(*a* log *a*), *a* amounts; once for each snapshot O(cells ever used), for consumers that hold nothing now |
//! | all other methods of a [`Fork`] | lock-free (12) | O(*a* log *a*), *a* amounts; cordons O(descendants) |
//! | [`dump`], [`audit`] | lock-free | O(cells ever used) |
//! | [`load`] | no other thread knows the forest | O(*n* log *n*) |
//! | [`worker`] | lock-free | O(1); dropping the worker: O(its stock) |
//! | [`issue`] | lock-free | O(1); dropping what it returns, too |
//! | [`Worker::claim`] | shard lock on consumers (15) | O(*a* log *a*), *a* amounts (6) |
//! | [`Worker::replace`] | shard lock on consumers (7, 15) | O(*a* log *a*), of all amounts held and wanted (6) |
//! | [`Worker::release`] | shard lock on consumers (15) | O(*a* log *a*) (6) |
//! | [`Worker::claim_partly`], [`Worker::claim_gang`] | shard lock on consumers (15) | O(*a* log *a*), of all claims (6) |
//! | [`Worker::commit`] | shard lock on consumers (15), on layouts if it sets inventories (16) | O(*a* log *a*), of all amounts held and wanted (6) |
//! | [`Worker::lease`] | shard lock on consumers (15) | as a claim, and O(log *m*), *m* leases |
//! | [`Worker::confirm`], [`Worker::renew`] | lock-free | O(*a* + log *m*) |
//! | [`Worker::forget`] | shard lock on consumers (15) | as a release, and O(log *m*) |
//! | [`Worker::expire`] | shard lock on consumers (15) | as a release and O(log *m*), for each lease that is due |
//! | [`Worker::take`], [`Worker::put_back`] | lock-free | O(*a*) (6) |
//! | [`Worker::retries`], [`Worker::metrics`] | wait-free | O(1) |
//! | [`cordon`], [`uncordon`] | lock-free | O(*n* log *n*), *n* descendants |
//! | [`is_cordoned`] | lock-free | O(classes of the provider) |
//! | [`holders`] | lock-free | O(cells ever used) |
//! | [`overcommitted`] | lock-free | O(providers) |
//! | [`next_deadline`] | lock-free | O(log *m*) |
//! | [`lease_of`] | shard lock on consumers, shared (15) | O(*a*) |
//! | [`metrics`] | wait-free | O(workers at the same time) |
//! | [`memory`] | shard locks of all indexes, shared, one after the other | O(cells ever used) |
//! | [`allocations`] | shard lock on consumers, shared (8, 15) | O(*a*) |
//! | [`consumers`] | lock-free | O(cells ever used) |
//! | [`Provider::uuid`] | wait-free | O(1) |
//! | [`ResourceClass::name`], [`Trait::name`] | wait-free | O(1) |
//! | [`ResourceClass::new`], [`Trait::new`] | shard lock; wait-free for standard names (9) | O(1) |
//!
//! 1. While nothing of the provider has changed since this worker has read it, the call is wait-free.
//! 2. The call takes a lock once for each provider that it removes, after the commit, and once for
//!    each provider that is listed, before the commit.
//! 3. Moves anywhere in the forest make one another start over.
//! 4. The walk repeats under a storm of changes of the structure that it walks. Claims don't
//!    disturb it.
//! 5. The call repeats under a storm of changes of the providers that it reads, claims among them.
//! 6. The cost is also O(classes of the provider) for each amount.
//! 7. The lock is shared, unless the consumer is new.
//! 8. The call repeats under a storm of changes of the consumer, or of the structure around the
//!    providers that the consumer holds from.
//! 9. The first name in the process that is not a standard one also sets up the index of names;
//!    other threads wait for that.
//! 10. Changes of which classes have sharing providers make one another start over.
//! 11. Dropping a snapshot costs O(log *k*) amortised for each of the *k* versions kept that no
//!     other snapshot needs, and O(log *h*); it may take a lock (16). While snapshots are held, the
//!     first change of a cell after each snapshot costs O(log *h*), and also a copy of an older
//!     version if the version can't be left in place. Snapshots that are no longer held cost nothing.
//! 12. The call repeats only while the cell that it is reading changes.
//! 13. A provider is read again while it changes, and a tree while its structure does. The cost is
//!     some 200 ns for each provider whose usage has changed, and O(size of the tree) for each
//!     tree whose structure has, or a provider of which has other classes, units, traits or
//!     aggregates than before. If one worker has changed more than 16,384 cells, it is O(cells ever
//!     used).
//! 14. Whoever commits while others wait calls their wakers, without any lock, after its change is in
//!     force: O(*w* log *w*). A thread that finishes another's transaction on its way does the same,
//!     even inside a call that only reads. While nobody waits, a commit costs one load more.
//! 15. Lock-free for consumers that the forest has named: [`Claim::unnamed`], [`issue`]. What they hold is
//!     found in O(1), in a snapshot too.
//! 16. Providers with the same few classes and capacities share a layout, found by an index. Who lets
//!     go of the last configuration with a layout takes it out of there, under a shard's lock for O(1).
//!     Most often that is the change that has replaced the configuration, or the end of a snapshot;
//!     seldom a reader that was looking at the configuration just then.
//!
//! A transaction over 64 cells or more that has lost twice asks the other threads to wait before
//! they begin anew, for as long as they see the transaction go on. That is courtesy, not a lock: a
//! thread that has asked and is not seen to go on for a millisecond is no longer waited for. So a
//! thread that asked and was stopped costs the others about a millisecond, together and once, and
//! no more until it goes on.
//!
//! Costs are those of one attempt, without repetitions. O(1) is an average over many calls: arrays
//! grow by doubling, and an insertion that makes a shard's table grow moves the shard's entries
//! under its lock. A call that meets a transaction in progress finishes that transaction first, at
//! its cost.
//!
//! Memory comes from the global allocator. Many calls allocate, and the table does not cover what
//! the allocator promises: with an allocator that locks, a thread stopped inside the allocator can
//! hold up others. So can a shard lock: in hot loops, keep [`Provider`] handles rather than look
//! them up.
//!
//! # Events
//!
//! With the feature `tracing`, each call that changes something, or is refused, tells one event with the
//! target `provider_tree`. Its message is `done` or `refused`; its fields are those of these that the
//! call has:
//!
//! | field | what it is |
//! |---|---|
//! | `operation` | the name of the method; `expire` for each lease that it ends |
//! | `consumer`, `provider`, `parent` | their uuids |
//! | `name` | the name that a provider is to have |
//! | `amounts` | what is asked for: of which provider, which class, how much |
//! | `values` | the inventories, traits or aggregates that were given; a lease's deadline; how many providers a population lists |
//! | `retries` | how often the change was prepared in vain since another one came first |
//! | `error` | why the call was refused |
//!
//! A claim, a release or another change of what is used is at the level `TRACE` when it is done; all else
//! is at `DEBUG`. Nobody is kept waiting by a subscriber but the thread that tells.
//!
//! # Limits
//!
//! A call that meets a bound returns [`Error::TooLarge`], [`Error::SumTooLarge`] or
//! [`Error::InvalidName`] and has changed nothing. The messages don't speak of cells or records:
//! they say what the forest, one change, or one provider or consumer has no room for.
//!
//! | bound | |
//! |---|---|
//! | cells in a forest | 2<sup>26</sup> = 67,108,864; a provider takes three, a consumer one |
//! | cells of one larger size among them | 2<sup>25</sup> = 33,554,432 of the next size, and fewer from one to the next; see below |
//! | workers at the same time | 32,768, less those that the forest uses itself; see below |
//! | amounts that one consumer holds | 16,379 |
//! | classes of one provider | 10,080 |
//! | sum of the amounts of one class that one call asks of one provider | 2<sup>64</sup> - 1 |
//! | cells in one transaction | 4,194,304; to remove or list a provider takes three, so about 1,398,000 providers at once |
//! | generations | 2<sup>63</sup> - 1 where [`Expect::Mirror`] sets them, 2<sup>62</sup> more in a list or a dump |
//! | resource classes in the process | 65,536 |
//! | traits in the process | 2<sup>32</sup> - 1 |
//! | deadlines | 2<sup>64</sup> - 2 |
//! | a provider's name | 1 to 1,024 bytes |
//! | the name of a class or a trait | 1 to 255 ASCII letters, digits and `_ . / - :` |
//!
//! A *cell* is a fact that changes as one, such as a provider's usage. Each version of a cell is a
//! record of 8, 16, 32, 64, 128, 256, 1,024, 4,096 or 32,768 words. A record of 8 words has room for
//! each of these: a provider's name; its usage, if it has up to four classes whose capacities take
//! 64 bits together, with one more for each. One of 16 words has room for a provider's place in the
//! tree; its usage, if it has up to three classes with any capacities; a consumer of up to three
//! amounts, leased or not. All cells of a forest can have records of these sizes: those of ten
//! million providers, for example, with 37 million consumers. Of the larger sizes, up to
//! 2<sup>25</sup>, 2<sup>24</sup>, 2<sup>23</sup>,
//! 2<sup>22</sup>, 2<sup>21</sup>, 2<sup>20</sup> and 2<sup>20</sup> cells can be in use, less what
//! workers keep in stock.
//!
//! As many records again are there for changes. So a call that gives something back - a release, a
//! removal, the end of a lease - finds room in a full forest too, and what it gives back can be
//! claimed again. Only transactions over millions of cells, many of which stop half way or run at
//! the same time, could use those records up; `src/ledger/PROTOCOL.md` has the figures.
//!
//! The methods of [`ProviderTree`] that change something borrow a worker each. The forest keeps up
//! to four of these workers when they are idle.
//!
//! Memory is used again, but it is not given back before the last handle of the forest is dropped:
//! a forest takes as much memory as it needed at its largest. [`memory`] says what for. The names
//! of classes and traits stay for the life of the process.
//!
//! Some counters are finite too. A thread would be misled only if exactly one cell went through a
//! multiple of 2<sup>34</sup> changes and ended on the same record, while the thread slept inside
//! one operation, or while its worker did not ask for a provider that it has found.
//! `src/ledger/PROTOCOL.md` lists all of these counters.
//!
//! # Where the ideas come from
//!
//! The data model is that of OpenStack Placement and of Nova's `ProviderTree`. The core joins known
//! results:
//!
//! - multi-object operations with helping, and multiword load-linked and store-conditional:
//!   Anderson and Moir (PODC 1995), Jayanti and Petrovic (ICDCS 2005);
//! - multi-word compare-and-swap: Harris, Fraser and Pratt (DISC 2002), Guerraoui et al. (DISC
//!   2020);
//! - descriptors that are used again: Arbel-Raviv and Brown, *Reuse, Don't Recycle* (DISC 2017);
//! - readers that validate, in terms of a memory model: Boehm, *Can Seqlocks Get Along with
//!   Programming Language Memory Models?* (MSPC 2012);
//! - snapshots by stamps of versions: Wei et al., *Constant-Time Snapshots* (PPoPP 2021);
//! - schedulers that share state and let the commit decide: Schwarzkopf et al., *Omega* (EuroSys
//!   2013).
//!
//! `ARCHITECTURE.md` in the repository has the layers and what each guarantees.
//! `src/ledger/PROTOCOL.md` has the protocol with its invariants and what checks them.
//!
//! [`create_root`]: ProviderTree::create_root
//! [`create_child`]: ProviderTree::create_child
//! [`reparent`]: ProviderTree::reparent
//! [`rename`]: ProviderTree::rename
//! [`remove`]: ProviderTree::remove
//! [`remove_leaf`]: ProviderTree::remove_leaf
//! [`find`]: ProviderTree::find
//! [`populate`]: ProviderTree::populate
//! [`update_inventories`]: ProviderTree::update_inventories
//! [`have_inventories_changed`]: ProviderTree::have_inventories_changed
//! [`has_inventories`]: ProviderTree::has_inventories
//! [`has_sharing_provider`]: ProviderTree::has_sharing_provider
//! [`update_traits`]: ProviderTree::update_traits
//! [`add_traits`]: ProviderTree::add_traits
//! [`remove_traits`]: ProviderTree::remove_traits
//! [`has_traits`]: ProviderTree::has_traits
//! [`in_aggregates`]: ProviderTree::in_aggregates
//! [`update_resources`]: ProviderTree::update_resources
//! [`have_resources_changed`]: ProviderTree::have_resources_changed
//! [`dump`]: ProviderTree::dump
//! [`snapshot`]: ProviderTree::snapshot
//! [`subscribe`]: ProviderTree::subscribe
//! [`load`]: ProviderTree::load
//! [`roots`]: ProviderTree::roots
//! [`children`]: ProviderTree::children
//! [`parent`]: ProviderTree::parent
//! [`ancestors`]: ProviderTree::ancestors
//! [`subtree`]: ProviderTree::subtree
//! [`tree_of`]: ProviderTree::tree_of
//! [`providers`]: ProviderTree::providers
//! [`name`]: ProviderTree::name
//! [`configuration`]: ProviderTree::configuration
//! [`data`]: ProviderTree::data
//! [`version`]: ProviderTree::version
//! [`usage`]: ProviderTree::usage
//! [`usages`]: ProviderTree::usages
//! [`usages_of`]: ProviderTree::usages_of
//! [`subtree_usages`]: ProviderTree::subtree_usages
//! [`set_inventories`]: ProviderTree::set_inventories
//! [`set_traits`]: ProviderTree::set_traits
//! [`set_aggregates`]: ProviderTree::set_aggregates
//! [`worker`]: ProviderTree::worker
//! [`allocations`]: ProviderTree::allocations
//! [`cordon`]: ProviderTree::cordon
//! [`uncordon`]: ProviderTree::uncordon
//! [`is_cordoned`]: ProviderTree::is_cordoned
//! [`holders`]: ProviderTree::holders
//! [`overcommitted`]: ProviderTree::overcommitted
//! [`next_deadline`]: ProviderTree::next_deadline
//! [`issue`]: ProviderTree::issue
//! [`lease_of`]: ProviderTree::lease_of
//! [`metrics`]: ProviderTree::metrics
//! [`memory`]: ProviderTree::memory
//! [`consumers`]: ProviderTree::consumers
//! [`audit`]: ProviderTree::audit
#![forbid(unsafe_code)]
#![cfg_attr(not(provider_tree_loom), warn(missing_debug_implementations))]

mod step;
mod sync;

mod ledger;

mod error;
mod values;

mod layout;

mod forest;

mod trace;

mod claim;

mod view;

mod search;

mod api;

#[cfg(all(test, not(provider_tree_loom)))]
extern crate self as provider_tree;
#[cfg(all(test, not(provider_tree_loom)))]
mod tests;

#[doc = include_str!("coming_from_nova.md")]
pub mod coming_from_nova {}

#[doc = include_str!("cookbook.md")]
pub mod cookbook {}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(provider_tree_loom)]
#[doc(hidden)]
pub mod model;

pub use uuid;

pub use api::ProviderTree;
#[cfg(feature = "serde")]
pub use api::placement;
pub use claim::{Allocation, Allocations, Batch, Claim, Issued, Lease, Partial, Receipt, Worker};
pub use error::{Error, Fault, InventoryFault, RequestFault, Result};
pub use forest::{
    Configuration, Expect, Provider, ProviderData, ProviderKey, ProviderSpec, SubtreeUsages,
    Updated, Version,
};
pub use search::{
    Candidate, Candidates, Eviction, Group, Placed, Prepared, Request, Root, Unplaced, View, Why,
};
pub use values::{
    Inventories, Inventory, Metrics, PartialInventories, PartialInventory, ResourceClass,
    Resources, Trait, Usage,
};
pub use view::{
    Audit, ByteCounts, CellCounts, Changes, ConsumerChange, Difference, Dump, Feed, Fork, Memory,
    Mirror, Overcommit, ProviderChange, ProviderDump, ProviderState, RecordCounts, Snapshot,
    Touched, TouchedProvider, UsedAmounts,
};
