//! Pages about the crate as a whole.

#[doc = include_str!("format.md")]
pub mod format {}

#[doc = include_str!("guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("json.md")]
pub mod json {}

#[doc = include_str!("operating.md")]
pub mod operating {}

#[doc = include_str!("sizing.md")]
pub mod sizing {}
