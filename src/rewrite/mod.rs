//! Rewriting: what one image becomes under one recipe.

mod derivation;

pub use derivation::{Derivation, Document, Untouched};
