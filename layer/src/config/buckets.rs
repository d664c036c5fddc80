//! The buckets a caller names: `NXF_FUSION_BUCKETS`, `FUSION_BUCKETS` and the work folders.
//!
//! ```text
//! list   = [ item *( "," item ) ]
//! item   = [ "s3://" | "/fusion/s3/" ] bucket [ "/" prefix ] [ ":ro" | ":rw" ]
//! ```
//!
//! The list says what the mount point shows and which folders are there without asking S3; every other bucket can
//! be entered as well. `:ro` refuses writes below that prefix and is an extension of ours.

use std::collections::BTreeMap;

use crate::fs::key::{is_bucket, is_name};

/// The buckets and prefixes that were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets(BTreeMap<Box<str>, Vec<Prefix>>);

/// One prefix of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Prefix {
    /// Empty, or with a slash at its end.
    key: String,
    access: Access,
}

/// What may be done below a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    ReadOnly,
    ReadWrite,
}

impl Buckets {
    /// Adds the buckets of a list.
    ///
    /// # Errors
    /// The items that cannot be read, as sentences.
    pub fn add(&mut self, list: &str) -> Result<(), Vec<String>> {
        let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
        let wrong: Vec<String> = items.filter_map(|item| self.add_item(item).err()).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    fn add_item(&mut self, item: &str) -> Result<(), String> {
        let (path, access) = match item.rsplit_once(':') {
            Some((path, "ro")) => (path, Access::ReadOnly),
            Some((path, "rw")) => (path, Access::ReadWrite),
            _ => (item, Access::ReadWrite),
        };
        let path = path.strip_prefix("s3://").or_else(|| path.strip_prefix("/fusion/s3/")).unwrap_or(path);
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        if !is_bucket(bucket) {
            return Err(format!(
                "{item:?} names no S3 bucket; write bucket, s3://bucket or s3://bucket/prefix"
            ));
        }
        let names: Vec<&str> = prefix.split('/').filter(|name| !name.is_empty()).collect();
        if let Some(name) = names.iter().find(|name| !is_name(name)) {
            return Err(format!("{item:?} holds {name:?}, which cannot be the name of a folder"));
        }
        let key = names.iter().flat_map(|name| [*name, "/"]).collect();
        self.0.entry(bucket.into()).or_default().push(Prefix { key, access });
        Ok(())
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(Box::as_ref)
    }

    /// True if nothing was named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if a folder (`key` with a slash at its end, or empty for the bucket) is there by configuration: a prefix
    /// that was named, or a folder above one. A caller may have no right to list above its prefix.
    pub fn has_folder(&self, bucket: &str, key: &str) -> bool {
        self.0.get(bucket).is_some_and(|prefixes| prefixes.iter().any(|prefix| prefix.key.starts_with(key)))
    }

    /// True if nothing may be written at this key: the longest prefix that holds it decides.
    pub fn is_read_only(&self, bucket: &str, key: &str) -> bool {
        let prefixes = self.0.get(bucket).into_iter().flatten();
        let deepest =
            prefixes.filter(|prefix| key.starts_with(&prefix.key)).max_by_key(|prefix| prefix.key.len());
        deepest.is_some_and(|prefix| prefix.access == Access::ReadOnly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &str) -> Buckets {
        let mut buckets = Buckets::default();
        buckets.add(list).unwrap();
        buckets
    }

    #[test]
    fn every_form_of_an_item_is_read() {
        let buckets = of("s3://one, two/a/b,/fusion/s3/three/x/,,four:ro");
        assert_eq!(buckets.names().collect::<Vec<_>>(), ["four", "one", "three", "two"]);
        assert!(of("").is_empty());
    }

    #[test]
    fn folders_above_a_prefix_are_there() {
        let buckets = of("two/a/b");
        for key in ["", "a/", "a/b/"] {
            assert!(buckets.has_folder("two", key), "{key}");
        }
        for key in ["a/b/c/", "b/", "aa/"] {
            assert!(!buckets.has_folder("two", key), "{key}");
        }
        assert!(!buckets.has_folder("other", ""));
    }

    #[test]
    fn the_deepest_prefix_says_what_is_allowed() {
        let buckets = of("b:ro,b/work:rw,c/ref:ro");
        assert!(buckets.is_read_only("b", "x"));
        assert!(!buckets.is_read_only("b", "work/x"));
        assert!(buckets.is_read_only("c", "ref/x"));
        assert!(!buckets.is_read_only("c", "x"));
        assert!(!buckets.is_read_only("d", "x"));
    }

    #[test]
    fn all_mistakes_are_told() {
        let wrong = Buckets::default().add("gs://x,ok1,b!,abc/../d").unwrap_err();
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[0].contains("gs://x") && wrong[2].contains(".."), "{wrong:?}");
    }
}
