//! What the storage fails to do, against what the log has promised.

mod disk;
mod faults;
