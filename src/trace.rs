//! What each call tells of itself: who asked for what, and what became of it. Told with the feature
//! `tracing`, and otherwise not.

#[cfg(not(feature = "tracing"))]
mod silent;
#[cfg(feature = "tracing")]
mod told;

#[cfg(not(feature = "tracing"))]
pub(crate) use silent::Call;
#[cfg(feature = "tracing")]
pub(crate) use told::Call;
